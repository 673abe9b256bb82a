"""
The zones of a view: its own, and for all other names those for all clients.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING

from twisted_ext.answers import Outcome
from twisted_ext.server.zones.table.zonetable import SERVING, Place, Zones
from twisted_ext.wire.message import Question
from twisted_ext.wire.rrtypes import A
from twisted_ext.zone.query.answers import answerAcross

if TYPE_CHECKING:
    from twisted_ext.zone.store.version import Version

__all__ = ["ViewZones"]


class ViewZones:
    """
    The zones that clients of a view are answered from. Of its own zones and those for all, the one with the longest name answers; of two
    with the same name, that of the view.

    @ivar own: those that only this view has.
    @ivar common: those for all clients.
    @ivar fallbacks: the zones of the view, by folded name, whose missing names are looked up in the zone for all with the same name.
    """

    __slots__ = ("own", "common", "fallbacks")

    def __init__(self, own: Zones, common: Zones, fallbacks: Collection[bytes] = ()) -> None:
        self.own = own
        self.common = common
        self.fallbacks = fallbacks

    def __len__(self) -> int:
        return len(self.own) + len(self.common)

    def find(self, folded: bytes) -> Place | None:
        """
        See L{Zones.find}.
        """
        return self.tableFor(folded).find(folded)

    def served(self, folded: bytes) -> Version | None:
        """
        See L{Zones.served}. A zone with a fallback is left to L{version}: what it lacks depends on two zones.
        """
        table = self.tableFor(folded)
        version = table.served(folded)
        return None if version is not None and version.apex in self.fallbacks else version

    def version(self, folded: bytes) -> Version | None:
        """
        See L{Zones.version}.
        """
        return self.tableFor(folded).version(folded)

    def isMixed(self, folded: bytes) -> bool:
        """
        Return whether the answer for a name depends on a zone of the view and on that for all with the same name.
        """
        own = self.own.find(folded) if self.fallbacks else None
        return own is not None and own.apex in self.fallbacks

    def tableFor(self, folded: bytes) -> Zones:
        """
        Return the table with the zone that a name is in, the common one if there is none.
        """
        own = self.own.find(folded)
        if own is None:
            return self.common
        common = self.common.find(folded)
        if common is None or len(common.apex) < len(own.apex):
            return self.own
        if len(common.apex) > len(own.apex):
            return self.common
        return self.common if own.apex in self.fallbacks and self._isMissing(own, common, folded) else self.own

    def _isMissing(self, own: Place, common: Place, folded: bytes) -> bool:
        """
        Return whether a zone of the view does not have a name at all, and the one for all can stand in. Signed zones cannot: each denies
        with signatures what the other has.
        """
        if own.state != SERVING or common.state != SERVING:
            return False
        version, other = self.own.version(own.apex), self.common.version(common.apex)
        if version is None or other is None or version.signed or other.signed or version.proves or other.proves:
            return False
        found = answerAcross(lambda name: version if name == folded else None, Question(folded, A))
        return found is not None and found.outcome is Outcome.NXDOMAIN

