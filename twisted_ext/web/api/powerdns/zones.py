"""
Requests that add, change and remove zones.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Final

from twisted.internet.defer import Deferred

from twisted_ext.errors import BadName, BadZone
from twisted_ext.server.process.jobs.turns import paced
from twisted_ext.server.zones.load.databases.added import AddedZone, AsideChange
from twisted_ext.web.api.powerdns.rrsets import (
    REPLACE,
    RRSetChange,
    canonicalName,
    changeOf,
    eachOf,
    idToName,
    noZone,
    raised,
)
from twisted_ext.web.api.powerdns.zonebodies import ZoneBody, expectNoFiles, notesOf, settingsOf, textsIn
from twisted_ext.web.api.site.replies import ApiRefusal, bodyOf
from twisted_ext.wire.codes import IN
from twisted_ext.wire.names import nameFromText, nameToText
from twisted_ext.wire.records import RRSet, groupRecords
from twisted_ext.wire.rrtypes import CNAME, NS, SOA, typeName
from twisted_ext.zone.sign.sets import isMade
from twisted_ext.zone.store.nodes import BESIDE_ALIASES, Kind, kindOf
from twisted_ext.zone.store.serials import nextSerial, serialIn, withSerial
from twisted_ext.zone.update.transactions import expectName
from twisted_ext.zone.zonefile.reader import readMaster

if TYPE_CHECKING:
    from twisted.internet.interfaces import IReactorTime

    from twisted_ext.metrics.figures import JSON
    from twisted_ext.server.zones.load.databases.added import Aside
    from twisted_ext.server.zones.load.zoneset import ZoneSet
    from twisted_ext.server.zones.update.commit import Edited, Elsewhere
    from twisted_ext.web.api.site.site import ApiAsked
    from twisted_ext.zone.update.transactions import Transaction

__all__ = ["PowerDNSZones"]

#: RRsets of a body between which others get their turn.
_SETS: Final = 50

#: Seconds of the TTL of records that are made here, as in PowerDNS.
_TTL: Final = 3600

#: Characters that the name of a zone may have: a slash for those of RFC 2317.
_ZONE_NAME: Final = re.compile(r"[A-Za-z0-9_./-]+")

#: A line that makes records of others, which a small body could have thousands of.
_GENERATE: Final = re.compile(r"^\s*\$GENERATE\b", re.IGNORECASE | re.MULTILINE)


class PowerDNSZones:
    """
    Does these requests.
    """

    def __init__(self, zoneSet: ZoneSet, clock: IReactorTime, today: Callable[[], float], elsewhere: Elsewhere) -> None:
        """
        @param elsewhere: runs work in a thread.
        """
        self._zoneSet = zoneSet
        self._clock = clock
        self._today = today
        self._elsewhere = elsewhere

    # -- POST

    def create(self, asked: ApiAsked) -> Deferred[bytes]:
        """
        Add a zone.

        @return: fires with its folded name.
        """
        asked.expectScope("zones")
        body = bodyOf(asked.body, ZoneBody)
        name = _nameOf(body)
        _expectAll(asked, name)
        if self._zoneSet.zones.at(name) is not None:
            raise ApiRefusal(409, "Conflict")
        if body.kind is None:
            raise ApiRefusal(422, "Key 'kind' not present or not a String")
        if body.zone and body.rrsets is not None:
            raise ApiRefusal(422, "You cannot give rrsets AND zone data as text")
        notes = notesOf(body, {"soa_edit_api": "DEFAULT"})
        settings = settingsOf(notes)
        expectNoFiles(settings)
        self._expectKeys(notes)
        zone = AddedZone(name, settings, notes)
        sets: list[RRSet] = []
        asides: list[AsideChange] = []
        if zone.isSecondary:
            collecting = paced(self._clock, iter(()))
        elif body.zone:
            text = body.zone
            collecting = self._elsewhere(lambda: sets.extend(_setsIn(text, name))).addCallback(lambda _: None)
        else:
            collecting = paced(self._clock, self._collecting(body, name, sets, asides))

        def complete(_: None) -> Deferred[None]:
            whole = [] if zone.isSecondary else self._completed(body, name, sets, settings)
            if notes.get("dnssec"):
                # It may be the export of a zone that was signed elsewhere.
                whole = [rrset for rrset in whole if not isMade(rrset.name[: -len(name)], rrset.rrType)]
            judging = paced(self._clock, _judging(whole, name))
            return judging.addCallback(lambda _: self._zoneSet.added.add(zone, whole, asides))

        def done(_: None) -> bytes:
            asked.told = {"zone": nameToText(name), "kind": notes["kind"], "rrsets": len(sets)}
            return name

        return collecting.addCallback(complete).addCallback(done)

    def _collecting(self, body: ZoneBody, name: bytes, sets: list[RRSet], asides: list[AsideChange]) -> Iterator[None]:
        """
        Check the RRsets of a body, in short steps.
        """
        kinds: dict[bytes, set[int]] = {}
        seen: set[tuple[bytes, int]] = set()
        for count, each in enumerate(eachOf(body.rrsets or ())):
            each.changetype = REPLACE
            if each.records is None and each.comments is None:
                continue
            change = changeOf(each, name, self._today())
            # None of these removes anything.
            assert change is not None
            key = change.name.lower(), change.rrType
            if key in seen:
                raise ApiRefusal(422, f"Duplicate {change.text}")
            seen.add(key)
            if change.rrset is not None:
                sets.append(change.rrset)
                _expectCompatible(change, kinds.setdefault(key[0], {NS, SOA} if key[0] == name else set()))
            if change.disabled or change.comments:
                asides.append(change.aside)
            if count % _SETS == 0:
                yield

    def _completed(self, body: ZoneBody, name: bytes, sets: list[RRSet], settings: dict[str, object]) -> list[RRSet]:
        """
        Add the SOA and NS records that a zone has if the body has none, and set the serial number.
        """
        top = {rrset.rrType: rrset for rrset in sets if rrset.name.lower() == name}
        servers = _serversIn(body)
        if servers and NS in top:
            raise ApiRefusal(422, "Nameservers list MUST NOT be mixed with zone-level NS in rrsets")
        made = [RRSet(name, NS, IN, _TTL, servers)] if servers else []
        serial = body.serial or 0
        if not 0 <= serial < 2**32:
            raise ApiRefusal(422, f"serial is from 0 to {2**32 - 1}, not {serial}")
        soa = top.get(SOA) or self._zoneSet.added.soaOf(name, serial)
        if body.soa_edit_api != "":
            how, rdata = str(settings["serial"]), soa.rdatas[0]
            serial = serialIn(rdata)
            serial = max(serial, 1) if how == "increment" else nextSerial(serial, how, self._today())
            # The first one of a day ends in 01 there.
            soa = soa.withRdatas((withSerial(rdata, serial + (how == "dateserial" and serial % 100 == 0)),))
        return [soa, *made, *[rrset for rrset in sets if rrset is not top.get(SOA)]]

    # -- PUT and DELETE

    def alter(self, asked: ApiAsked, name: str) -> Deferred[None]:
        """
        Change what is kept of a zone.
        """
        asked.expectScope("zones")
        apex = idToName(name)
        body = bodyOf(asked.body, ZoneBody)
        noting = self.note(asked, apex, lambda former: notesOf(body, former))
        return noting if body.rrsets is None else noting.addCallback(lambda _: self._replace(asked, apex, body))

    def _replace(self, asked: ApiAsked, apex: bytes, body: ZoneBody) -> Deferred[None]:
        """
        Replace all records of a zone.
        """
        sets: list[RRSet] = []
        asides: list[AsideChange] = []

        def applying(transaction: Transaction) -> Generator[None, None, None]:
            wanted = {(rrset.name.lower(), rrset.rrType) for rrset in sets}
            yield
            for count, node in enumerate(transaction.version.nodes()):
                for rrset in transaction.setsAt(node.key).values():
                    if (rrset.name.lower(), rrset.rrType) not in wanted:
                        transaction.removeType(rrset.name, rrset.rrType)
                if count % _SETS == 0:
                    yield
            for count, rrset in enumerate(sets):
                # What a signer has made, as in a transfer, is made anew.
                if not transaction.isMade(transaction.keyOf(rrset.name), rrset.rrType):
                    transaction.replace(raised(rrset, transaction.version))
                if count % _SETS == 0:
                    yield

        def change(there: Mapping[tuple[bytes, int], Aside]) -> Deferred[Edited]:
            if not any(rrset.rrType == SOA and rrset.name.lower() == apex for rrset in sets):
                raise ApiRefusal(422, "Must give SOA record for zone when replacing all RR sets")
            known = {(each.name.lower(), each.rrType) for each in asides}
            gone = [AsideChange(name, rrType, 0, (), ()) for name, rrType in there if (name, rrType) not in known]
            who = f"API by {asked.token.name}"
            return self._zoneSet.edits().change(apex, applying, door="api", who=who, match=asked.match, beside=[*gone, *asides])

        collecting = paced(self._clock, self._collecting(body, apex, sets, asides)).addCallback(lambda _: self._zoneSet.added.asides(apex))
        return collecting.addCallback(change).addCallback(lambda edited: asked.told.update(serial=edited.version.serial))

    def note(self, asked: ApiAsked, apex: bytes, change: Callable[[dict[str, JSON]], dict[str, JSON]]) -> Deferred[None]:
        """
        @param change: returns what is kept of the zone from now on, of what is kept of it until now.
        """
        _expectAll(asked, apex)
        if self._zoneSet.addedAt(apex) is None:
            raise self._refusalOf(apex)

        def altered(zone: AddedZone) -> AddedZone:
            notes = change(dict(zone.notes))
            asked.told = {"zone": nameToText(apex), "kind": notes.get("kind", "")}
            settings = settingsOf(notes)
            expectNoFiles(settings)
            self._expectKeys(notes)
            return AddedZone(zone.name, {**_others(zone), **settings}, notes)

        return self._zoneSet.added.alter(apex, altered)

    def remove(self, asked: ApiAsked, name: str) -> Deferred[None]:
        asked.expectScope("zones")
        apex = idToName(name)
        _expectAll(asked, apex)
        if self._zoneSet.addedAt(apex) is None:
            raise self._refusalOf(apex)
        asked.told = {"zone": nameToText(apex)}
        return self._zoneSet.added.remove(apex)

    def _expectKeys(self, notes: Mapping[str, JSON]) -> None:
        """
        @raise ApiRefusal: there is no key of a name.
        """
        for field in ("master_tsig_key_ids", "slave_tsig_key_ids"):
            for name in textsIn(notes.get(field)):
                if nameFromText(name) not in (self._zoneSet.keys or ()):
                    raise ApiRefusal(422, f"A TSIG key with the name '{name}' does not exist")

    def _refusalOf(self, apex: bytes) -> ApiRefusal:
        """
        Return why a zone that was not added cannot be changed.
        """
        place = self._zoneSet.zones.at(apex)
        if place is None:
            return noZone(nameToText(apex))
        return ApiRefusal(409, f"{place.text} comes from {place.file or 'the settings of the server'}; change it there")


def _nameOf(body: ZoneBody) -> bytes:
    """
    Return the folded name of the zone of a body.

    @raise ApiRefusal: it has none that can be used.
    """
    if body.name is None:
        raise ApiRefusal(422, "Key 'name' not present or not a String")
    if body.name and not _ZONE_NAME.fullmatch(body.name):
        raise ApiRefusal(422, f"Name '{body.name}' contains unsupported characters")
    return canonicalName(body.name, "Zone").lower()


def _judging(sets: Iterable[RRSet], apex: bytes) -> Iterator[None]:
    """
    Judge what each name of a new zone has, in short steps.

    @raise twisted_ext.errors.BadChange: a zone cannot have it.
    """
    names: dict[bytes, dict[Kind, RRSet]] = {}
    for count, rrset in enumerate(sets):
        names.setdefault(rrset.name.lower(), {})[kindOf(rrset)] = rrset
        if count % _SETS == 0:
            yield
    for count, (name, kinds) in enumerate(names.items()):
        expectName(name, apex, kinds)
        if count % _SETS == 0:
            yield


def _expectAll(asked: ApiAsked, apex: bytes) -> None:
    """
    @raise ApiRefusal: the token is for some records only.
    """
    if asked.token.policy is not None:
        raise ApiRefusal(403, f"the token {asked.token.name} may not add, change or remove {nameToText(apex)}, only records of its rules")


def _expectCompatible(change: RRSetChange, kinds: set[int]) -> None:
    """
    @param kinds: the types that the name has, to which that of the change is added.

    @raise ApiRefusal: a CNAME record is not alone.
    """
    kinds.add(change.rrType)
    others = kinds - {CNAME, *BESIDE_ALIASES}
    if CNAME in kinds and others:
        raise ApiRefusal(422, f"{change.text}: conflicts with existing {typeName(min(others))} RRset; a CNAME has to be alone")


def _serversIn(body: ZoneBody) -> tuple[bytes, ...]:
    """
    Return the rdata of NS records for the name servers of a body.

    @raise ApiRefusal: one of them is not valid.
    """
    if body.nameservers is None:
        return ()
    if not isinstance(body.nameservers, list):
        raise ApiRefusal(422, "Nameservers is not a list")
    found: dict[bytes, None] = {}
    for server in body.nameservers:
        if not isinstance(server, str) or not server:
            raise ApiRefusal(422, "Nameservers must be non-empty strings")
        if not server.endswith("."):
            raise ApiRefusal(422, f"Nameserver is not canonical: '{server}'")
        try:
            found[nameFromText(server)] = None
        except BadName:
            raise ApiRefusal(422, f"Unable to parse DNS Name for NS '{server}'") from None
    return tuple(found)


def _setsIn(text: str, name: bytes) -> list[RRSet]:
    """
    Return the RRsets of a master file.

    @raise BadZone: it is not valid.
    """
    if _GENERATE.search(text):
        raise BadZone("An error occurred while parsing the zonedata: $GENERATE is not taken here; write the records")
    reading = readMaster(text.encode(), name)
    # One that lies outside would be left out.
    if wrong := [str(complaint) for complaint in reading.complaints if complaint.fatal or complaint.check == "outside"]:
        raise BadZone(f"An error occurred while parsing the zonedata: {wrong[0]}")
    return [*groupRecords([RRSet(owner, rrType, IN, ttl, (rdata,)) for owner, rrType, ttl, rdata in reading.records()])]


def _others(zone: AddedZone) -> dict[str, object]:
    """
    Return the settings of a zone that do not come from what clients of PowerDNS say of it.
    """
    told = settingsOf(zone.notes)
    return {name: value for name, value in zone.settings.items() if name not in told}
