"""
What zone stores tell of their zones; see L{twisted_ext.interfaces.IZoneStore}.
"""

from __future__ import annotations

from collections.abc import Iterable

from twisted_ext.wire.records import RRSet
from twisted_ext.zone.limits import CHANGES_OCTETS
from twisted_ext.zone.store.changeset import Difference

__all__ = ["History", "News"]

#: Octets of a record beside its owner and its rdata.
_FIXED = 10


class News:
    """
    What is new in one zone.

    @ivar serial: its serial number now; L{None} where there is no such zone any more.
    @ivar names: what those names have now that have changed, SOA left out; L{None} where all of the zone has to be read.
    @ivar soa: its SOA record, with that serial number.
    """

    __slots__ = ("serial", "names", "soa")

    def __init__(self, serial: int | None, names: dict[bytes, tuple[RRSet, ...]] | None, soa: RRSet | None = None) -> None:
        self.serial = serial
        self.names = names
        self.soa = soa


class History:
    """
    What has changed of late in a zone that has no journal, for those who transfer it: as much as is sent in differences, and no longer
    than this process lives.

    Of two threads one may note what is new while the other reads: it reads what was there before.
    """

    __slots__ = ("_kept",)

    def __init__(self) -> None:
        self._kept: tuple[tuple[Difference, int], ...] = ()

    def note(self, differences: Iterable[Difference]) -> None:
        """
        These are the next ones. What they do not follow is forgotten.
        """
        kept = list(self._kept)
        for difference in differences:
            if kept and kept[-1][0].newSerial != difference.oldSerial:
                kept = []
            kept.append((difference, _octetsOf(difference)))
        left = CHANGES_OCTETS.default
        first = len(kept)
        while first and left >= kept[first - 1][1]:
            first -= 1
            left -= kept[first][1]
        self._kept = tuple(kept[first:])

    def forget(self) -> None:
        """
        The zone was read as a whole, and nobody knows what has changed.
        """
        self._kept = ()

    def since(self, serial: int) -> list[Difference] | None:
        """
        @see: L{Differences.since<twisted_ext.zone.transfer.sender.Differences.since>}
        """
        kept = self._kept
        for place, (difference, _) in enumerate(kept):
            if difference.oldSerial == serial:
                return [each for each, _ in kept[place:]]
        return None

    def octetsSince(self, serial: int) -> int | None:
        """
        @see: L{Differences.octetsSince<twisted_ext.zone.transfer.sender.Differences.octetsSince>}
        """
        differences = self.since(serial)
        return None if differences is None else sum([_octetsOf(each) for each in differences])

    def oneByOne(self, serial: int, last: int, room: int) -> None:
        """
        @see: L{Differences.oneByOne<twisted_ext.zone.transfer.sender.Differences.oneByOne>}; more than is sent at once is not kept.
        """
        return None


def _octetsOf(difference: Difference) -> int:
    sets = (difference.before, *difference.removed, difference.after, *difference.added)
    return sum([len(rrset.name) + _FIXED + len(rdata) for rrset in sets for rdata in rrset.rdatas])
