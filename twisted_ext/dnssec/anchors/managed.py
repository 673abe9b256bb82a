"""
The trust anchors of a validator: those configured, those whose rollovers are followed, and what has been learned of them.
"""

from __future__ import annotations

from collections.abc import Iterable

from twisted_ext.dnssec.anchors.rollover import TrustPoint
from twisted_ext.dnssec.trustanchors import Anchor, TrustAnchors
from twisted_ext.wire.names import nameToText
from twisted_ext.wire.rrtypes import DS

__all__ = ["ManagedAnchors"]


class ManagedAnchors:
    """
    The trust anchors in force, and the trust points to query for.

    @ivar anchors: what the validator trusts now.
    @ivar points: the trust points whose rollovers are followed, by zone.
    @ivar events: lines for the log about configured anchors that are not trusted.
    """

    __slots__ = ("anchors", "points", "events", "_fixed")

    def __init__(self, configured: Iterable[Anchor], restored: Iterable[TrustPoint] = ()) -> None:
        """
        @param configured: built in, or from files.
        @param restored: trust points from state files. Those of zones without a configured anchor are not used.

        @raise BadDescription: there are too many anchors.
        """
        configured = tuple(configured)
        # Their number is checked here.
        self.anchors = TrustAnchors(configured)
        self._fixed: dict[bytes, list[Anchor]] = {}
        for anchor in configured:
            if not anchor.managed:
                self._fixed.setdefault(anchor.zone, []).append(anchor)
        managed = [anchor for anchor in configured if anchor.managed]
        known = {point.zone: point for point in restored}
        events: list[str] = []
        self.points: dict[bytes, TrustPoint] = {}
        for zone in dict.fromkeys([anchor.zone for anchor in managed]):
            point = self.points[zone] = known.pop(zone) if zone in known else TrustPoint(zone)
            events += point.configure(managed)
            self.apply(point)
        for zone in known:
            events.append(f"trust anchor {nameToText(zone)}: its state is not used, since no trust anchor is configured for it")
        self.events = tuple(events)

    def apply(self, point: TrustPoint) -> None:
        """
        Trust what a trust point trusts now, after a round that changed it.
        """
        found = point.anchors()
        fixed = self._fixed.get(point.zone, ())
        digests = dict.fromkeys([*found.digests, *[anchor.rdata for anchor in fixed if anchor.rrType == DS]])
        keys = dict.fromkeys([*found.keys, *[anchor.rdata for anchor in fixed if anchor.rrType != DS]])
        self.anchors.replace(point.zone, tuple(digests), tuple(keys))

    def due(self, now: int) -> tuple[int, TrustPoint] | None:
        """
        Return when to query for keys next, and those of which trust point; L{None} if none is followed.
        """
        times = [(when, point) for point in self.points.values() if (when := point.whenToQuery(now)) is not None]
        return min(times, key=_when, default=None)


def _when(time: tuple[int, TrustPoint]) -> int:
    return time[0]
