"""
What is said of single zones: in figures, and to those who look at one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from twisted_ext.errors import CallerFault
from twisted_ext.metrics.figures import ZoneFigures
from twisted_ext.server.zones.table.zonetable import zoneFigures
from twisted_ext.wire.names import nameToText

if TYPE_CHECKING:
    from twisted_ext.metrics.figures import JSON
    from twisted_ext.server.zones.load.loader import ZoneLoader
    from twisted_ext.server.zones.load.zoneset import ZoneSet
    from twisted_ext.server.zones.signing.signedzone import SignedZone

__all__ = ["changeKey", "factsOf", "figuresOf", "metricsOf", "parentsOf"]


def metricsOf(zoneSet: ZoneSet) -> list[ZoneFigures]:
    """
    Return the metrics of each zone.
    """
    replication, found = zoneSet.replication, []
    for place in zoneSet.zones:
        sent, received = (0, 0) if replication is None else replication.transfersOf(place.apex)
        until = zoneSet.until(place.apex)
        ends = None if place.signatures is None else place.signatures.time
        signed = _signedAt(zoneSet, place.apex)
        heldUp = None if signed is None else signed[0].heldUp
        found.append(ZoneFigures(place.text, place.currentSerial, until, ends, sent, received, heldUp))
    return found


def figuresOf(zoneSet: ZoneSet) -> dict[str, float]:
    """
    Return numbers for L{Figures<twisted_ext.metrics.figures.Figures>}; none without zones.
    """
    if not zoneSet.zones:
        return {}
    return {
        **zoneFigures(zoneSet.zones),
        **({} if zoneSet.replication is None else zoneSet.replication.figures()),
        **({} if zoneSet.loading is None else parentsOf(zoneSet.loading)),
    }


def _signedAt(zoneSet: ZoneSet, apex: bytes) -> tuple[SignedZone, str] | None:
    """
    Return a zone that is signed here, and the folder with its keys.
    """
    door = None if zoneSet.loading is None else zoneSet.loading.door
    zone = None if door is None else door.at(apex)
    return None if door is None or zone is None else (zone, door.notes.keysOf(apex))


def parentsOf(loading: ZoneLoader) -> dict[str, float]:
    """
    Return figures: of how many signed zones the parents have DS records of none of their keys, and since when the first one waits for its
    parent with a key that is to be replaced.
    """
    found: dict[str, float] = {} if loading.parents is None else {"zonesDelegationUnknown": len(loading.parents.unknown)}
    asked = [since for zone in loading.door or () if (since := zone.heldUp) is not None]
    return {**found, "zonesParentAsked": min(asked)} if asked else found


def factsOf(zoneSet: ZoneSet, apex: bytes) -> dict[str, JSON]:
    """
    Describe one zone: C{kind}, see L{ZoneSet.originOf}; C{signed}, if it is here; C{frozen}, if changes are refused; C{image}, its file;
    C{journal}: C{octets}, and C{oldest} and C{newest}, serials; of one whose keys live by a policy C{keys}, see L{keysShown}, and
    C{parents}, see L{ParentWatch.factsOf}; and what L{factsOf<twisted_ext.server.zones.transfer.replication>} has.
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
    if (signed := _signedAt(zoneSet, apex)) is not None and signed[0].policy.rolls is not None:
        from twisted_ext.server.zones.signing.rolled import keysOf

        facts["keys"] = [*keysOf(*signed, zoneSet.publisher.today())]
    if zoneSet.loading is not None and zoneSet.loading.parents is not None:
        facts["parents"] = [*zoneSet.loading.parents.factsOf(apex)]
    return facts


def changeKey(zoneSet: ZoneSet, apex: bytes, key: str, action: str) -> None:
    """
    Do with a key of a zone what an operator asks for, and have the zone signed.

    @param key: see L{changeKey<twisted_ext.server.zones.signing.rolled.changeKey>}, as for C{action}.

    @raise CallerFault: there is no such key or action, or nothing waits for that.
    @raise StorageFault: it cannot be written.
    """
    from twisted_ext.server.zones.signing import rolled

    signed, loading = _signedAt(zoneSet, apex), zoneSet.loading
    if signed is None or loading is None:
        raise CallerFault(f"{nameToText(apex)} is not signed here")
    zone, folder = signed
    rolled.changeKey(zone, folder, key, action, zoneSet.publisher.today())
    loading.signing().sign(zone)
