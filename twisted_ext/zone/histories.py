"""
What has changed in a zone that comes whole each time, such as from a master file that somebody edits: found out by comparing, and kept in
memory, so that secondaries need not have all of it again (RFC 1995).
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from typing import TYPE_CHECKING

from twisted_ext.wire.records import RRSet
from twisted_ext.zone.comparing import differing
from twisted_ext.zone.limits import CHANGES_OCTETS, COMPARED_NODES, HISTORY_CHANGES
from twisted_ext.zone.serials import isNewer

if TYPE_CHECKING:
    from twisted_ext.zone.differences import Difference
    from twisted_ext.zone.versions import Version

__all__ = ["History"]

#: Octets of a record beside its name and its rdata.
_FIXED = 10


class History:
    """
    The latest changes of one zone, as many as would be sent.

    @ivar version: that to which they lead.
    """

    __slots__ = ("version", "_changes", "_most")

    def __init__(self, version: Version, most: int | None = None) -> None:
        """
        @param most: octets of changes that are kept.
        """
        self.version = version
        self._most = int(CHANGES_OCTETS.default if most is None else most)
        self._changes: list[tuple[Difference, int]] = []

    def going(self, after: Version) -> Generator[None, None, None]:
        """
        Go over to another version, in short steps. Where it is not newer, is large, or has little in common with the one before, nothing is
        known of changes then.
        """
        before, self.version = self.version, after
        if after is before or (after.image.content == before.image.content and not before.overlay and not after.overlay):
            return
        changes, self._changes = self._changes, []
        if not isNewer(after.serial, before.serial) or max(before.nodeCount, after.nodeCount) > COMPARED_NODES.default:
            return
        difference = yield from differing(before, after, self._most)
        if difference is None or self.version is not after:
            return
        changes.append((difference, _octetsOf(difference)))
        total = 0
        for kept, (_, octets) in enumerate(reversed(changes)):
            total += octets
            if total > self._most or kept >= HISTORY_CHANGES.default:
                del changes[: len(changes) - kept]
                break
        self._changes = changes

    def since(self, serial: int) -> Sequence[Difference] | None:
        """
        @see: L{Differences<twisted_ext.zone.sending.Differences>}
        """
        place = self._placeOf(serial)
        return None if place is None else [difference for difference, _ in self._changes[place:]]

    def octetsSince(self, serial: int) -> int | None:
        """
        @see: L{Differences<twisted_ext.zone.sending.Differences>}
        """
        place = self._placeOf(serial)
        return None if place is None else sum([octets for _, octets in self._changes[place:]])

    def _placeOf(self, serial: int) -> int | None:
        if serial == self.version.serial:
            return len(self._changes)
        return next((place for place, (difference, _) in enumerate(self._changes) if difference.oldSerial == serial), None)


def _octetsOf(difference: Difference) -> int:
    sets: tuple[RRSet, ...] = (difference.before, *difference.removed, difference.after, *difference.added)
    return sum([len(rrset.name) + _FIXED + len(rdata) for rrset in sets for rdata in rrset.rdatas])
