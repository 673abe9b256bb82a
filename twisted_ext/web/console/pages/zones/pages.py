"""
The pages of zones: which there are, what they have, and changes of their records, which are shown before they are made.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Final
from urllib.parse import quote, urlencode

from twisted.internet.defer import Deferred

from twisted_ext.errors import BadChange, BadName, BadRecord, CallerFault, StorageFault
from twisted_ext.server.process.jobs.turns import paced
from twisted_ext.server.zones.load.zonefacts import factsOf
from twisted_ext.server.zones.table.zonetable import variantIn, variantText
from twisted_ext.server.zones.update.commit import Edited
from twisted_ext.server.zones.update.edits import NotEditable, StaleEdit, etagOf
from twisted_ext.web.console.site.replies import ConsoleAsked, ConsoleRefusal, ConsoleReply, leadingTo
from twisted_ext.wire.codes import IN
from twisted_ext.wire.names import nameFromText, nameToText
from twisted_ext.wire.rdata.registry import rdataFromText, rdataToText
from twisted_ext.wire.records import RRSet, eachRecord
from twisted_ext.wire.rrtypes import DNSKEY, isMeta, typeName, typeNumber
from twisted_ext.zone.check.semantics import newFindings
from twisted_ext.zone.sign.sets import besideMade
from twisted_ext.zone.store.nodes import keyBelow

if TYPE_CHECKING:
    from twisted.internet.interfaces import IReactorTime

    from twisted_ext.server.operations.operations import Operations
    from twisted_ext.server.zones.load.zoneset import ZoneSet
    from twisted_ext.server.zones.load.zonesets import ZoneSets
    from twisted_ext.server.zones.table.zonetable import Place
    from twisted_ext.server.zones.update.commit import Elsewhere
    from twisted_ext.zone.store.changeset import Difference
    from twisted_ext.zone.store.version import Version
    from twisted_ext.zone.update.transactions import Transaction

__all__ = ["ZonePages", "expectZone", "linesOf", "pathOf", "placeOf", "whyNot"]

#: Zones, and RRsets, of a page.
_ROWS: Final = 100

#: Names that are looked at between two turns of others.
_NAMES: Final = 200

#: Records of a difference that a page has.
_SHOWN: Final = 200

_MOST_TTL: Final = 2**31 - 1

#: The types that a form offers; any other one can be written.
_TYPES: Final = ("A", "AAAA", "CNAME", "MX", "TXT", "SRV", "CAA", "NS", "PTR", "HTTPS", "TLSA", "SSHFP", "DS", "SOA")


class ZonePages:
    """
    Makes the pages, and does what their forms ask for.
    """

    def __init__(self, operations: Operations, clock: IReactorTime, elsewhere: Elsewhere) -> None:
        """
        @param elsewhere: runs work in a thread.
        """
        self._operations = operations
        self._clock = clock
        self._elsewhere = elsewhere

    # -- lists

    def list(self, asked: ConsoleAsked) -> ConsoleReply:
        wanted, begin = asked.fields.get("q", "").lower(), _numberIn(asked.fields, "from")
        places = sorted([place for place in zoned(self._operations).places() if wanted in place.text], key=lambda place: place.text)
        shown = places[begin : begin + _ROWS]
        values = {"zones": shown, "count": len(places), "q": wanted, **_around(begin, len(places), {"q": wanted})}
        return ConsoleReply(values)

    def zone(self, asked: ConsoleAsked, text: str) -> Deferred[ConsoleReply]:
        place = placeOf(self._operations, text)
        zone, zoneSet = place.served(), setOf(self._operations, place)
        wanted, begin = asked.fields.get("q", "").lower(), _numberIn(asked.fields, "from")
        rows: list[dict[str, object]] = []
        count, isSigned = 0, zoneSet.originOf(place.apex)[1]

        def steps(version: Version) -> Iterator[None]:
            nonlocal count
            for number, node in enumerate(version.nodes()):
                if number % _NAMES == _NAMES - 1:
                    yield
                for rrset in besideMade(node, isSigned):
                    owner = nameToText(rrset.name)
                    if wanted not in owner.lower():
                        continue
                    if begin <= count < begin + _ROWS:
                        rows.append(_rowOf(rrset, owner))
                    count += 1

        def page(_: object) -> ConsoleReply:
            return ConsoleReply(
                {
                    "title": place.text,
                    "place": place,
                    "facts": factsOf(zoneSet, place.apex),
                    "added": zoneSet.addedAt(place.apex) is not None,
                    "why": whyNot(self._operations, place),
                    "hasKeys": zone is not None and any(rrset.rrType == DNSKEY for rrset in zone.current.top.sets),
                    "rows": rows,
                    "count": count,
                    "q": wanted,
                    **_around(begin, count, {"q": wanted}),
                },
            )

        return paced(self._clock, iter(()) if zone is None else steps(zone.current)).addCallback(page)

    # -- operations

    def do(self, asked: ConsoleAsked, text: str) -> Deferred[ConsoleReply]:
        """
        Reload, notify, freeze, thaw or remove a zone.
        """
        place, action = placeOf(self._operations, text), asked.form.get("action", "")
        asked.told = {"zone": place.text, "action": action}
        path = pathOf(place.text)
        if action == "reload":
            doing = self._operations.do("zone/reload", {"name": place.text})
            return doing.addCallback(lambda said: leadingTo(path, "; ".join(_linesIn(said))))
        if action in ("freeze", "thaw"):
            doing = self._operations.do(f"zone/{action}", {"name": place.text})
            return doing.addCallback(lambda said: leadingTo(path, "; ".join(_linesIn(said))))
        if action == "notify":
            setOf(self._operations, place).notify(place.apex)
            return _done(path, "Its secondaries are notified.")
        if action == "remove" and asked.form.get("sure", "") == place.text:
            removing = setOf(self._operations, place).added.remove(place.apex)
            return removing.addCallback(lambda _: ConsoleReply(location="/zones"))
        if action == "remove":
            raise ConsoleRefusal(422, f"Write {place.text} into the field beside the button to remove the zone.")
        raise ConsoleRefusal(422, "There is no such action.")

    def add(self, asked: ConsoleAsked) -> Deferred[ConsoleReply]:
        name, primary = asked.form.get("name", "").strip(), asked.form.get("primary", "").strip()
        asked.told = {"zone": name[:255]}
        if not name:
            raise ConsoleRefusal(422, "The name of the zone is missing.")
        adding = self._operations.addZone(name, primary)
        return adding.addCallback(lambda _: ConsoleReply(location=pathOf(variantText(*variantIn(name)))))

    # -- changes of records

    def form(self, asked: ConsoleAsked, text: str) -> ConsoleReply:
        """
        Show the form for the records of a name and type.
        """
        place, version = expectZone(self._operations, text)
        owner, kind = asked.fields.get("name", ""), asked.fields.get("type", "A")
        name, rrType = _named(owner or "@", kind, place.apex)
        rrset = _setAt(version, name, rrType)
        ttl = 3600 if rrset is None else rrset.ttl
        data = "" if rrset is None else "\n".join([rdataToText(rrType, rdata) for rdata in rrset.rdatas])
        loaded = "" if rrset is None or not owner else _loaded(owner, kind.upper())
        return self._edit(place, owner, kind, str(ttl), data if loaded else "", etagOf(version), loaded=loaded)

    def _edit(
        self, place: Place, owner: str, kind: str, ttl: str, data: str, etag: str, *, loaded: str = "", code: int = 200, **more: object
    ) -> ConsoleReply:
        """
        @param loaded: the name and the type whose records the form had at first; C{""} if what it has is added to those there are.
        """
        values: dict[str, object] = {
            "title": f"{owner or '@'} {kind} of {place.text}",
            "place": place,
            "owner": owner,
            "kind": kind,
            "ttl": ttl,
            "data": data,
            "etag": etag,
            "loaded": loaded,
            "types": _TYPES,
            "why": whyNot(self._operations, place),
            "difference": None,
            "findings": [],
            "fault": "",
            "theirs": None,
        }
        return ConsoleReply(values | more, code)

    def change(self, asked: ConsoleAsked, text: str) -> Deferred[ConsoleReply]:
        """
        Show what a form would change, or change it.
        """
        place, former = expectZone(self._operations, text)
        form = asked.form
        owner, kind, ttl = form.get("name", "").strip(), form.get("type", "").strip().upper(), form.get("ttl", "").strip()
        data, etag = form.get("data", ""), form.get("etag", "")
        isDry = form.get("action", "") != "apply"
        # A user who has written another name or type over those of the form has not seen the records of these.
        loaded = form.get("loaded", "") if form.get("loaded", "") == _loaded(owner or "@", kind) else ""

        def edit(etag: str, code: int = 200, **more: object) -> ConsoleReply:
            return self._edit(place, owner, kind, ttl, data, etag, loaded=loaded, code=code, **more)

        try:
            name, rrType = _named(owner or "@", kind, place.apex)
            rrset = _setOf(name, rrType, ttl, data, place.apex)
            if rrset is None and not loaded:
                raise ConsoleRefusal(422, "There is no record to add.")
        except (BadName, BadRecord, ConsoleRefusal) as fault:
            said = fault.text if isinstance(fault, ConsoleRefusal) else str(fault)
            return _now(edit(etag, code=422, fault=said))
        there = None if loaded else _setAt(former, name, rrType)
        if rrset is not None and there is not None:
            rrset = RRSet(name, rrType, IN, rrset.ttl, tuple(dict.fromkeys((*there.rdatas, *rrset.rdatas))))

        def apply(transaction: Transaction) -> None:
            if rrset is None:
                transaction.removeType(name, rrType)
            else:
                transaction.replace(rrset)

        assert asked.user is not None
        asked.told = {"zone": place.text, "name": nameToText(name), "type": kind, "dry": isDry}
        who = f"console by {asked.user.name}"
        changing = setOf(self._operations, place).edits().change(place.apex, apply, door="console", who=who, match=etag or "*", dry=isDry)

        def done(edited: Edited) -> ConsoleReply | Deferred[ConsoleReply]:
            if not isDry:
                asked.told |= {"before": edited.before, "serial": edited.version.serial}
                return leadingTo(pathOf(place.text), f"It is at serial {edited.version.serial} now.", q=nameToText(name))
            checking = self._elsewhere(lambda: newFindings(edited.former, edited.version))
            lines = [] if edited.difference is None else linesOf(edited.difference)
            return checking.addCallback(lambda found: edit(etag, difference=lines, findings=found or []))

        def failed(failure: object) -> ConsoleReply:
            fault = getattr(failure, "value", failure)
            if isinstance(fault, StaleEdit):
                now = _setAt(fault.version, name, rrType)
                theirs = [] if now is None else [f"{now.ttl} {rdataToText(rrType, rdata)}" for rdata in now.rdatas]
                return edit(etagOf(fault.version), code=412, theirs=theirs)
            if isinstance(fault, BadChange | NotEditable):
                return edit(etag, code=422, fault=str(fault))
            assert isinstance(fault, BaseException)
            raise fault

        return changing.addCallbacks(done, failed)


def zoned(operations: Operations) -> ZoneSets:
    """
    @raise ConsoleRefusal: there are none.
    """
    if operations.zoneSets is None:
        raise ConsoleRefusal(404, "This server has no zones.")
    return operations.zoneSets


def setOf(operations: Operations, place: Place) -> ZoneSet:
    """
    Return the set of zones that a zone is in.
    """
    return zoned(operations).setOf(place)


def placeOf(operations: Operations, text: str) -> Place:
    """
    @raise ConsoleRefusal: there is no such zone.
    """
    try:
        place = zoned(operations).at(text)
    except BadName:
        place = None
    if place is None:
        raise ConsoleRefusal(404, f"There is no zone {text[:80]}.")
    return place


def expectZone(operations: Operations, text: str) -> tuple[Place, Version]:
    """
    Return the place of a zone, and its version in force.

    @raise ConsoleRefusal: there is none.
    """
    place = placeOf(operations, text)
    zone = place.served()
    if zone is None:
        raise ConsoleRefusal(503, f"{place.text} is not loaded: {place.said or place.state}")
    return place, zone.current


def whyNot(operations: Operations, place: Place) -> str:
    """
    Return why a zone cannot be changed here; C{""} if it can.
    """
    try:
        setOf(operations, place).edits().expectEditable(place.apex, "console")
    except (CallerFault, StorageFault) as fault:
        return str(fault)
    return ""


def _named(owner: str, kind: str, apex: bytes) -> tuple[bytes, int]:
    """
    @raise ConsoleRefusal: one of them is not valid.
    """
    rrType = typeNumber(kind.upper())
    if rrType is None or isMeta(rrType):
        raise ConsoleRefusal(422, f"{kind[:40] or 'The type'} is not a type of records.")
    try:
        name = apex if owner == "@" else nameFromText(owner, apex)
    except BadName as fault:
        raise ConsoleRefusal(422, f"The name: {fault}") from None
    if keyBelow(name, apex) is None:
        raise ConsoleRefusal(422, f"{nameToText(name)} is not in {nameToText(apex)}")
    return name, rrType


def _loaded(owner: str, kind: str) -> str:
    return f"{owner} {kind}"


def _setAt(version: Version, name: bytes, rrType: int) -> RRSet | None:
    key = keyBelow(name, version.apex)
    node = None if key is None else version.find(key)
    return next((rrset for rrset in (() if node is None else node.sets) if rrset.rrType == rrType), None)


def _setOf(name: bytes, rrType: int, ttl: str, data: str, apex: bytes) -> RRSet | None:
    """
    Return the records of a form; L{None} for none.

    @raise ConsoleRefusal: the TTL is not valid.
    @raise BadRecord: a line is not.
    """
    lines = [line.strip() for line in data.splitlines() if line.strip()]
    if not lines:
        return None
    if not (ttl.isascii() and ttl.isdigit() and len(ttl) <= 10 and int(ttl) <= _MOST_TTL):
        raise ConsoleRefusal(422, f"The TTL is a number of seconds from 0 to {_MOST_TTL}.")
    rdatas: dict[bytes, None] = {}
    for number, line in enumerate(lines, 1):
        try:
            rdatas[rdataFromText(rrType, line, apex)] = None
        except (BadName, BadRecord) as fault:
            raise ConsoleRefusal(422, f"Line {number}: {fault}") from None
    return RRSet(name, rrType, IN, int(ttl), tuple(rdatas))


def _rowOf(rrset: RRSet, owner: str) -> dict[str, object]:
    kind = typeName(rrset.rrType)
    data = [rdataToText(rrset.rrType, rdata) for rdata in rrset.rdatas]
    return {"owner": owner, "kind": kind, "ttl": rrset.ttl, "data": data, "query": urlencode({"name": owner, "type": kind})}


def linesOf(difference: Difference) -> list[tuple[str, str]]:
    """
    Return the records that go and come, each with its sign.
    """
    found: list[tuple[str, str]] = []
    for sign, sets in (("-", difference.removed), ("+", difference.added)):
        for each in eachRecord(sets):
            text = f"{nameToText(each.name)} {each.ttl} {typeName(each.rrType)} {rdataToText(each.rrType, each.rdatas[0])}"
            found.append((sign, text))
    return found[:_SHOWN]


def _numberIn(fields: Mapping[str, str], name: str) -> int:
    text = fields.get(name, "")
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 9 else 0


def _around(begin: int, count: int, fields: Mapping[str, str]) -> dict[str, object]:
    """
    Return the addresses of the pages before and after one; C{""} for none.
    """
    kept = {name: value for name, value in fields.items() if value}
    before = "?" + urlencode({**kept, "from": max(begin - _ROWS, 0)}) if begin else ""
    after = "?" + urlencode({**kept, "from": begin + _ROWS}) if begin + _ROWS < count else ""
    return {"begin": begin, "end": min(begin + _ROWS, count), "before": before, "after": after}


def pathOf(zone: str) -> str:
    return f"/zones/{quote(zone, safe='')}"


def _done(path: str, said: str) -> Deferred[ConsoleReply]:
    return _now(leadingTo(path, said))


def _now(reply: ConsoleReply) -> Deferred[ConsoleReply]:
    done: Deferred[ConsoleReply] = Deferred()
    done.callback(reply)
    return done


def _linesIn(said: Mapping[str, object]) -> list[str]:
    lines = said.get("said")
    return [str(line) for line in lines] if isinstance(lines, list) else []
