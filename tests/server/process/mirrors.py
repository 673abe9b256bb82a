"""
A parent and its workers, for tests: the parent synchronizes their zones by lines of JSON.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Iterable
from shutil import rmtree

from twisted.internet.task import Clock

from twisted_ext.metrics.figures import JSON
from twisted_ext.server.process.zonesyncparent import ZoneSyncParent
from twisted_ext.server.zones.load.zonesyncworker import ZoneSyncWorker
from twisted_ext.server.zones.table.zonetable import Zones
from twisted_ext.zone.store.version import Version

__all__ = ["Parent", "Follower", "namesOf"]

#: The content of a name: its records, its flags, and the number of names below it.
_Name = tuple[frozenset[tuple[int, int, bytes]], int, int]


def namesOf(version: Version) -> dict[bytes, _Name]:
    """
    Return the content of a version, in a form that can be compared.
    """
    return {
        node.key: (
            frozenset([(rrset.rrType, rrset.ttl, rdata) for rrset in node.sets for rdata in rrset.rdatas]),
            node.flags,
            node.children,
        )
        for node in version.nodes()
    }


class Follower:
    """
    A worker.

    @ivar lacked: the images that it could not use.
    """

    def __init__(self, words: Iterable[list[JSON]] = ()) -> None:
        self.zones = Zones()
        self.lacked: list[tuple[bytes, str]] = []
        self.zoneSync = ZoneSyncWorker(self.zones, today=lambda: 1000.0)
        self.zoneSync.lacks = lambda apex, path: self.lacked.append((apex, path))
        for some in words:
            self.take(some)

    def take(self, words: list[JSON]) -> int:
        """
        Process the words of one line.

        @return: the number of turns that this took.
        """
        return 1 + len(list(self.zoneSync.obeying(json.loads(json.dumps(words)))))

    def names(self, apex: bytes) -> dict[bytes, _Name] | str:
        """
        Return the content of a zone, or its state if it is not served.
        """
        place = self.zones.at(apex)
        if place is None:
            return "none"
        zone = place.served()
        return namesOf(zone.current) if zone is not None and place.state == "serving" else place.state


class Parent:
    """
    The parent process, with one worker that runs from the start.

    @ivar lineLengths: the number of octets of each line that was sent.
    """

    def __init__(
        self,
        clock: Clock,
        zones: Zones,
        *,
        revised: Callable[[bytes], bool] = lambda apex: False,
        until: Callable[[bytes], float | None] = lambda apex: None,
    ) -> None:
        self.folder = tempfile.mkdtemp()
        self.lineLengths: list[int] = []
        self.worker = Follower()
        self.mirroring = ZoneSyncParent(clock, zones, self._send, lambda: self.folder, revised=revised, until=until)

    def _send(self, words: list[JSON]) -> None:
        self.lineLengths.append(len(json.dumps(words)))
        self.worker.take(words)

    def newWorker(self) -> Follower:
        """
        Return a worker that starts now.
        """
        return Follower(self.mirroring.everything())

    def close(self) -> None:
        """
        Release everything.
        """
        self.mirroring.close()
        rmtree(self.folder, ignore_errors=True)
