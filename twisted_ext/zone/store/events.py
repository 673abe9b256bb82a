"""
Changes that zone stores report; see L{twisted_ext.interfaces.IZoneStore}.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable
from dataclasses import dataclass

from twisted_ext.wire.records import RRSet
from twisted_ext.zone.limits import CHANGES_OCTETS, COMPARED_NODES
from twisted_ext.zone.store.changeset import Difference
from twisted_ext.zone.store.nodes import octetsOf
from twisted_ext.zone.store.serials import isNewer
from twisted_ext.zone.store.traversal import differing
from twisted_ext.zone.store.version import Version

__all__ = ["VersionHistory", "History", "News"]


@dataclass(slots=True, eq=False)
class News:
    """
    The changes of one zone.

    @ivar serial: its new serial number; L{None} if the zone was removed.
    @ivar names: all records of each changed name, SOA left out; L{None} if the whole zone has to be read.
    @ivar soa: its SOA record, with that serial number.
    """

    serial: int | None
    names: dict[bytes, tuple[RRSet, ...]] | None
    soa: RRSet | None = None


class History:
    """
    The latest changes of a zone without a journal, for IXFR: as much as would be sent as differences, in memory only.

    Threads: one may add differences while another reads; it reads the former state.
    """

    __slots__ = ("_kept",)

    def __init__(self) -> None:
        self._kept: tuple[tuple[Difference, int], ...] = ()

    def note(self, differences: Iterable[Difference]) -> None:
        """
        Append differences. Discard those before that do not lead to them.
        """
        kept = list(self._kept)
        for difference in differences:
            if kept and kept[-1][0].newSerial != difference.oldSerial:
                kept = []
            kept.append((difference, octetsOf(difference.sets)))
        left = CHANGES_OCTETS.default
        first = len(kept)
        while first and left >= kept[first - 1][1]:
            first -= 1
            left -= kept[first][1]
        self._kept = tuple(kept[first:])

    def forget(self) -> None:
        """
        Discard all differences: the zone was read as a whole, and what has changed is unknown.
        """
        self._kept = ()

    def since(self, serial: int) -> list[Difference] | None:
        kept = self._kept
        for place, (difference, _) in enumerate(kept):
            if difference.oldSerial == serial:
                return [each for each, _ in kept[place:]]
        return None

    def serials(self) -> list[int]:
        return [difference.oldSerial for difference, _ in self._kept]

    def octetsSince(self, serial: int) -> int | None:
        differences = self.since(serial)
        return None if differences is None else sum([octetsOf(each.sets) for each in differences])

    def oneByOne(self, serial: int, last: int, room: int) -> None:
        # There is never more than fits in one go.
        return None


class VersionHistory:
    """
    The latest version of a zone, and the changes that lead to it.
    """

    __slots__ = ("version", "history")

    def __init__(self, version: Version) -> None:
        self.version = version
        self.history = History()

    def going(self, after: Version) -> Generator[None, None, None]:
        """
        Switch to another version, in short steps. If it is not newer, is large, or has little in common with the former version, discard
        the history.
        """
        before, self.version = self.version, after
        if after is before or (after.image.content == before.image.content and not before.overlay and not after.overlay):
            return
        if not isNewer(after.serial, before.serial) or max(before.nodeCount, after.nodeCount) > COMPARED_NODES.default:
            self.history.forget()
            return
        difference = yield from differing(before, after, int(CHANGES_OCTETS.default))
        if difference is None:
            self.history.forget()
        else:
            # This discards a history that does not lead up to the difference.
            self.history.note([difference])
