"""
The requests of this server's own below C{/api/2}: every operation of the control socket, and RRsets one by one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec
from twisted.internet.defer import Deferred, succeed

from twisted_ext.errors import BadName, BadRecord
from twisted_ext.server.api.bodies import bodyOf
from twisted_ext.server.api.openapi import openAPI
from twisted_ext.server.api.replies import ApiRefusal, ApiReply
from twisted_ext.server.operations.table import allVerbs
from twisted_ext.server.update.edits import etagOf
from twisted_ext.wire.codes import IN
from twisted_ext.wire.names import nameFromText, nameToText
from twisted_ext.wire.rdata.registry import rdataFromText, rdataToText
from twisted_ext.wire.records import RRSet, eachRecord
from twisted_ext.wire.rrtypes import isMeta, typeName, typeNumber

if TYPE_CHECKING:
    from twisted_ext.metrics.figures import JSON
    from twisted_ext.server.api.site import ApiAsked
    from twisted_ext.server.features.base.verb import Verb
    from twisted_ext.server.operations.operations import Operations
    from twisted_ext.server.update.edits import Edited
    from twisted_ext.zone.store.version import Version
    from twisted_ext.zone.update.transactions import Transaction

__all__ = ["ResourcesDoor"]

#: Differences that a reply shows, in records.
_SHOWN: Final = 1000


class RRSetResource(msgspec.Struct, forbid_unknown_fields=True):
    """
    The records of a name and type.

    @ivar ttl: in seconds.
    @ivar data: of each record, as in a master file, with names that end in a dot.
    """

    ttl: int
    data: list[str]


class ResourcesDoor:
    """
    Replies to these requests.
    """

    def __init__(self, operations: Operations) -> None:
        self._operations = operations
        # What is more than one JSON object for a request has no route.
        self._verbs = {verb.path: verb for verb in allVerbs() if verb.run is not None}

    def __call__(self, asked: ApiAsked, /) -> Deferred[ApiReply]:
        match asked.segments:
            case ["openapi.json"]:
                _expectMethod(asked, "GET")
                return succeed(ApiReply(body=openAPI(self._verbs, RRSetResource)))
            case ["zones", zone, "rrsets", owner, kind]:
                return self._rrset(asked, *_named(zone, owner, kind))
        verb = self._verbs.get("/".join(asked.segments))
        if verb is None:
            raise ApiRefusal(404, "there is no such resource; /api/2/openapi.json has all")
        return self._verb(asked, verb)

    # -- operations

    def _verb(self, asked: ApiAsked, verb: Verb) -> Deferred[ApiReply]:
        _expectMethod(asked, "POST" if verb.changes else "GET")
        if verb.changes:
            asked.expectScope("admin")
        if unknown := set(asked.fields) - {*verb.keys, *verb.flags}:
            there = ", ".join((*verb.keys, *verb.flags)) or "none"
            raise ApiRefusal(400, f"{min(unknown)} is not an argument of {verb.path}; it has {there}")
        doing = self._operations.do(verb.path, asked.fields)
        asked.told = {key: asked.fields[key] for key in sorted(asked.fields)}

        def done(said: dict[str, JSON]) -> ApiReply:
            return ApiReply(422 if said.get("failed") else 200, said)

        return doing.addCallback(done)

    # -- RRsets

    def _rrset(self, asked: ApiAsked, apex: bytes, name: bytes, rrType: int) -> Deferred[ApiReply]:
        zoned = self._operations.zoned
        place = None if zoned is None else zoned.zones.at(apex)
        zone = None if place is None else place.served()
        if zoned is None or zone is None or place is None:
            raise ApiRefusal(404, f"{nameToText(apex)} is not served here")
        _expectMethod(asked, "GET", "PUT", "DELETE")
        if asked.method == "GET":
            return succeed(_shown(zone.current, name, rrType))
        asked.expectScope("zones")
        if not asked.match:
            raise ApiRefusal(428, "send If-Match with the ETag of what was read, or with * for whatever is there")
        if not asked.token.mayChange(asked.client, name, rrType):
            raise ApiRefusal(403, f"the token {asked.token.name} may not change {nameToText(name)} {typeName(rrType)}")
        rrset = None if asked.method == "DELETE" else _rrsetOf(asked.body, name, rrType)

        def apply(transaction: Transaction) -> None:
            if rrset is None:
                transaction.removeType(name, rrType)
            else:
                transaction.replace(rrset)

        isDry = asked.fields.get("dry-run", "") in ("1", "true", "yes")
        who = f"API by {asked.token.name}"
        changing = zoned.edits().change(apex, apply, door="api", who=who, match=asked.match, dry=isDry)

        def done(edited: Edited) -> ApiReply:
            said = _difference(edited)
            asked.told = {"zone": place.text, "before": edited.before, "serial": edited.version.serial, "dry": isDry}
            return ApiReply(200, said, headers=() if isDry else (("ETag", etagOf(edited.version)),))

        return changing.addCallback(done)


def _expectMethod(asked: ApiAsked, *methods: str) -> None:
    """
    @raise ApiRefusal: the request has another one.
    """
    if asked.method not in methods:
        raise ApiRefusal(405, f"this takes {', '.join(methods)}", (("Allow", ", ".join(methods)),))


def _named(zone: str, owner: str, kind: str) -> tuple[bytes, bytes, int]:
    """
    Return the folded apex, the name and the type of a path.

    @raise ApiRefusal: one of them is not valid.
    """
    rrType = typeNumber(kind.upper())
    if rrType is None or isMeta(rrType):
        raise ApiRefusal(404, f"{kind} is not a record type")
    try:
        apex = nameFromText(zone).lower()
        return apex, apex if owner == "@" else nameFromText(owner, apex), rrType
    except BadName as fault:
        raise ApiRefusal(404, str(fault)) from None


def _shown(version: Version, name: bytes, rrType: int) -> ApiReply:
    node = version.find(name.lower()[: len(name) - len(version.apex)])
    found = next((rrset for rrset in (() if node is None else node.sets) if rrset.rrType == rrType), None)
    if found is None:
        raise ApiRefusal(404, f"{nameToText(name)} has no {typeName(rrType)} records", (("ETag", etagOf(version)),))
    data: list[JSON] = [rdataToText(rrType, rdata) for rdata in found.rdatas]
    return ApiReply(body={"ttl": found.ttl, "data": data}, headers=(("ETag", etagOf(version)),))


def _rrsetOf(body: bytes, name: bytes, rrType: int) -> RRSet:
    given = bodyOf(body, RRSetResource)
    if not given.data:
        raise ApiRefusal(422, "data is empty; DELETE removes the records")
    if not 0 <= given.ttl < 2**31:
        raise ApiRefusal(422, f"ttl is from 0 to {2**31 - 1}, not {given.ttl}")
    try:
        rdatas = [rdataFromText(rrType, text, b"\x00") for text in given.data]
    except (BadName, BadRecord) as fault:
        raise ApiRefusal(422, f"data: {fault}") from None
    return RRSet(name, rrType, IN, given.ttl, tuple(dict.fromkeys(rdatas)))


def _difference(edited: Edited) -> dict[str, JSON]:
    difference = edited.difference
    removed = () if difference is None else (*difference.removed,)
    added = () if difference is None else (*difference.added,)
    return {
        "zone": nameToText(edited.version.apexName),
        "before": edited.before,
        "serial": edited.version.serial,
        "removed": [*_lines(removed)],
        "added": [*_lines(added)],
    }


def _lines(sets: tuple[RRSet, ...]) -> list[str]:
    return [
        f"{nameToText(each.name)} {each.ttl} {typeName(each.rrType)} {rdataToText(each.rrType, each.rdatas[0])}"
        for each in eachRecord(sets)
    ][:_SHOWN]
