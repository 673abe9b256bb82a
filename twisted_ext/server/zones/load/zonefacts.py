"""
What is said of single zones: in figures, and to those who look at one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from twisted_ext.metrics.figures import ZoneFigures
from twisted_ext.server.zones.table.zonetable import zoneFigures

if TYPE_CHECKING:
    from twisted_ext.metrics.figures import JSON
    from twisted_ext.server.zones.load.zoneset import ZoneSet

__all__ = ["factsOf", "figuresOf", "metricsOf"]


def metricsOf(zoneSet: ZoneSet) -> list[ZoneFigures]:
    """
    Return the metrics of each zone.
    """
    replication, found = zoneSet.replication, []
    for place in zoneSet.zones:
        sent, received = (0, 0) if replication is None else replication.transfersOf(place.apex)
        until = zoneSet.until(place.apex)
        ends = None if place.signatures is None else place.signatures.time
        found.append(ZoneFigures(place.text, place.currentSerial, until, ends, sent, received))
    return found


def figuresOf(zoneSet: ZoneSet) -> dict[str, float]:
    """
    Return numbers for L{Figures<twisted_ext.metrics.figures.Figures>}; none without zones.
    """
    if not zoneSet.zones:
        return {}
    return {**zoneFigures(zoneSet.zones), **({} if zoneSet.replication is None else zoneSet.replication.figures())}


def factsOf(zoneSet: ZoneSet, apex: bytes) -> dict[str, JSON]:
    """
    Describe one zone: C{kind}, see L{ZoneSet.originOf}; C{signed}, if it is here; C{frozen}, if changes are refused; C{image}, its file;
    C{journal}: C{octets}, and C{oldest} and C{newest}, serials; and what L{factsOf<twisted_ext.server.zones.transfer.replication>} has.
    """
    from twisted_ext.zone.store.journal import Journal

    place, replication, updating = zoneSet.zones.at(apex), zoneSet.replication, zoneSet.updating
    kind, isSigned = zoneSet.originOf(apex)
    exchanged = {} if replication is None else replication.factsOf(apex)
    facts: dict[str, JSON] = {"kind": kind, **exchanged} | ({"signed": True} if isSigned else {})
    if updating is not None and (ward := updating.wardOf(apex)) is not None and ward.isFrozen:
        facts["frozen"] = True
    if place is not None and place.source is not None:
        facts["image"] = place.source[0]
    journal = zoneSet.changesOf(apex)
    if isinstance(journal, Journal) and journal.newest is not None:
        facts["journal"] = {"octets": journal.octets, "oldest": journal.oldest, "newest": journal.newest}
    return facts
