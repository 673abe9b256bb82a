"""
All secondary zones of a server.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Sequence
from time import time
from typing import TYPE_CHECKING, Final

from twisted.internet.defer import Deferred, gatherResults
from twisted.internet.interfaces import IDelayedCall, IReactorProcess, IReactorTime

from twisted_ext.errors import BadMessage
from twisted_ext.files import makeStateFolder
from twisted_ext.server.config.keys import Grants, RemoteServer
from twisted_ext.server.limits import JOURNALS_OPEN, STARTS
from twisted_ext.server.process.jobs.subprocess import runModule
from twisted_ext.server.zones.table.guards import Guards
from twisted_ext.server.zones.transfer.secondarystore import SecondaryStore, removeUnfinished
from twisted_ext.server.zones.transfer.transferlimits import TransferLimits
from twisted_ext.server.zones.transfer.xfrin import Secondary
from twisted_ext.transport.tls.links import TLSLinks

if TYPE_CHECKING:
    from twisted_ext.zone.store.version import Version

__all__ = ["Secondaries"]

#: Seconds between two SOA queries that NOTIFY messages for one zone can cause.
_NOTICES_PER_ZONE: Final = 1.0

#: Seconds that the process which builds its image may take. Ten million records take half a minute on a processor of their own.
_GATHERING_SECONDS: Final = 1200


class Secondaries:
    """
    The secondary zones of a server, with the resources that they share.

    @ivar folder: where the zones are stored.
    @ivar install: puts a version of a zone into service, called with its name as written; or takes it out of service, with L{None}.
    @ivar told: called with the error of a zone, and with an empty text when it has recovered.
    @ivar guards: decide which versions wait.
    @ivar today: returns seconds since 1970.
    @ivar room: limits the octets of all transfers.
    @ivar most: maximum octets of one transfer, or L{None} for the default.
    @ivar probes: slots for SOA queries.
    @ivar links: the connections over TLS.
    @ivar received: number of complete transfers.
    @ivar noticeWait: seconds between two SOA queries that NOTIFY messages for a zone can cause.
    """

    def __init__(
        self,
        reactor: IReactorTime,
        folder: str,
        install: Callable[[bytes, Version | None], object],
        *,
        told: Callable[[bytes, str], object] = lambda apex, said: None,
        today: Callable[[], float] = time,
        limits: TransferLimits | None = None,
        guards: Guards | None = None,
    ) -> None:
        """
        @param folder: created if it does not exist.
        @param limits: on concurrent transfers.

        @raise OSError: the folder cannot be created.
        """
        makeStateFolder(folder)
        self.reactor = reactor
        self.folder = folder
        self.install = install
        self.told = told
        self.guards = guards or Guards()
        self.view = self.guards.view
        self.today = today
        removeUnfinished(folder)
        limits = limits or TransferLimits()
        self.room = limits.room
        self.most = limits.mostOctets
        self.slots = limits.into
        self.probes = limits.probes
        self.links = TLSLinks(reactor)
        self.received = 0
        self.noticeWait = _NOTICES_PER_ZONE
        self._zones: dict[bytes, Secondary] = {}
        # Zones with an open journal, the most recently used one last.
        self._open: dict[Secondary, None] = {}
        self._starting: deque[Secondary] = deque()
        self._turn: IDelayedCall | None = None
        self._running = False

    def __len__(self) -> int:
        return len(self._zones)

    def at(self, apex: bytes) -> Secondary | None:
        return self._zones.get(apex)

    @property
    def firstExpiry(self) -> float | None:
        """
        When the first zone expires, in seconds since 1970; L{None} if no zone is served.
        """
        return min([zone.refreshing.expiresAt for zone in self._zones.values() if zone.refreshing.serving], default=None)

    def opened(self, zone: Secondary) -> None:
        """
        Record that the journal of a zone is open, and close the least recently used one if there are too many.
        """
        self._open.pop(zone, None)
        self._open[zone] = None
        if len(self._open) > JOURNALS_OPEN.default:
            oldest = next(iter(self._open))
            del self._open[oldest]
            if not oldest.rest():
                self._open[oldest] = None

    def add(self, apexName: bytes, primaries: Sequence[RemoteServer], grants: Grants, digest: str) -> Secondary:
        """
        Start to replicate a zone.

        @param grants: further clients that may send NOTIFY for it.
        """
        zone = self._zones[apexName.lower()] = Secondary(self, apexName, primaries, grants, digest)
        if self._running:
            self._begin([zone])
        return zone

    def _begin(self, zones: Iterable[Secondary]) -> None:
        self._starting.extend(zones)
        if self._turn is None:
            self._startSome()

    def _startSome(self) -> None:
        self._turn = None
        for _ in range(min(len(self._starting), int(STARTS.default))):
            self._starting.popleft().start()
        if self._starting:
            self._turn = self.reactor.callLater(0, self._startSome)

    def remove(self, apex: bytes, *, forget: bool = False) -> Deferred[None]:
        """
        @param forget: whether to remove the stored data.

        @return: fires when nothing is under way.
        """
        zone = self._zones.pop(apex)
        self._open.pop(zone, None)
        done = zone.stop()
        if forget:
            done.addCallback(lambda _: zone.forget())
        return done

    def erase(self, apex: bytes) -> None:
        SecondaryStore(self.folder, apex).remove()

    def start(self) -> None:
        self._running = True
        self._begin(self._zones.values())

    def stop(self) -> Deferred[None]:
        """
        @return: fires when nothing is under way.
        """
        self._running = False
        self._starting.clear()
        if self._turn is not None:
            self._turn.cancel()
            self._turn = None
        zones = gatherResults([zone.stop() for zone in self._zones.values()], consumeErrors=True)
        return zones.addCallback(lambda _: self.links.close())

    async def gather(self, apexName: bytes, spool: str, image: str) -> str:
        """
        Build the image of a large transfer in a subprocess.

        @return: what to say of records outside of the zone, which are left out; empty if there are none.

        @raise OSError: it cannot be built.
        @raise BadMessage: the transfer is not a valid zone.
        """
        import json

        words = [apexName.hex(), spool, image]
        if not IReactorProcess.providedBy(self.reactor):
            from twisted_ext.zone.transfer.ingest import gather

            said = gather(words)
        else:
            seconds = _GATHERING_SECONDS
            said = json.loads(await runModule(self.reactor, "twisted_ext.zone.transfer.ingestjob", words, seconds=seconds))
        if "fault" in said:
            raise BadMessage(said["fault"])
        return str(said["strangers"])
