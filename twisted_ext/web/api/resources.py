"""
The requests of this server's own below C{/api/2}: every operation of the control socket, and RRsets one by one.

They are described for programs (OpenAPI 3.1).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final, cast

import msgspec
from twisted.internet.defer import Deferred, succeed

from twisted_ext._version import __version__
from twisted_ext.errors import BadName, BadRecord
from twisted_ext.server.operations.table import allVerbs
from twisted_ext.server.zones.table.zonetable import variantIn, variantText
from twisted_ext.server.zones.update.edits import etagOf
from twisted_ext.web.api.site.replies import ApiRefusal, ApiReply, bodyOf
from twisted_ext.wire.codes import IN
from twisted_ext.wire.names import nameFromText, nameToText
from twisted_ext.wire.rdata.registry import rdataFromText, rdataToText
from twisted_ext.wire.records import RRSet, eachRecord
from twisted_ext.wire.rrtypes import isMeta, typeName, typeNumber
from twisted_ext.zone.check.semantics import newFindings

if TYPE_CHECKING:
    from twisted_ext.metrics.figures import JSON
    from twisted_ext.server.features.base.verb import Verb
    from twisted_ext.server.operations.audit import AuditLog
    from twisted_ext.server.operations.operations import Operations
    from twisted_ext.server.zones.update.commit import Edited, Elsewhere
    from twisted_ext.web.api.site.site import ApiAsked
    from twisted_ext.zone.store.changeset import Difference
    from twisted_ext.zone.store.version import Version
    from twisted_ext.zone.update.transactions import Transaction

__all__ = ["NUMBERS", "SWITCHES", "ResourcesDoor", "argumentsOf", "openAPI"]

#: Records of a difference, or entries of the audit log, that a reply shows at most.
_SHOWN: Final = 1000

#: Entries of the audit log without a limit in the request.
_ENTRIES: Final = 100

#: Octets of changes that a reply may have: as many records as take 20 ms to write as text.
_OCTETS: Final = 2**19

_NEVER: Final = float("inf")

_WHOLE: Final = re.compile(r"[0-9]{1,12}")
_DECIMAL: Final = re.compile(r"[0-9]{1,12}(\.[0-9]{1,9})?")

_SCHEMAS: Final = "#/components/schemas/{name}"

#: What says whether an argument is meant that is either on or off.
SWITCHES: Final = ("1", "0", "true", "false")

_TEXT: Final = {"type": "string"}
_NUMBER: Final = {"type": "integer"}
#: In an address, numbers and truth values are the same texts.
_SWITCH: Final = {"enum": [*SWITCHES, 1, 0, True, False]}
_COUNT: Final = {"type": "integer", "minimum": 0, "maximum": 999_999_999_999}

_TIME: Final = {"type": "number", "minimum": 0}

#: Arguments of operations that their commands have no word for: by these programs read long lists in parts.
NUMBERS: Final[Mapping[str, Mapping[str, str]]] = {
    "zones": {"begin": "how many zones to skip"},
    "queries": {"after": "the number of the last query that is known"},
}

_PROBLEM: Final[dict[str, Any]] = {
    "description": "It was not done; the detail says why (RFC 9457).",
    "content": {"application/problem+json": {"schema": {"$ref": _SCHEMAS.format(name="Problem")}}},
}


def argumentsOf(verb: Verb) -> tuple[str, ...]:
    """
    Return the names of the arguments that a request for an operation may have.
    """
    return (*verb.keys, *verb.flags, *NUMBERS.get(verb.path, ()))


def openAPI(verbs: Mapping[str, Verb], rrset: type[msgspec.Struct]) -> dict[str, Any]:
    """
    Return the description.

    @param verbs: operations by their paths.
    @param rrset: the shape of an RRset.
    """
    paths = {f"/api/2/{path}": {"post" if verb.changes else "get": _ofVerb(verb)} for path, verb in sorted(verbs.items())}
    inPath: list[dict[str, Any]] = [
        {"name": key, "in": "path", "required": True, "description": meaning, "schema": _TEXT, "example": example}
        for key, meaning, example in (
            ("zone", "the name of the zone; of a zone of a view, corp.example..partners", "example.org"),
            ("owner", "the name that has the records, absolute or relative to the zone", "www"),
            ("type", "their type", "A"),
        )
    ]
    changing: list[dict[str, Any]] = [
        *inPath,
        {"name": "If-Match", "in": "header", "required": True, "description": "the ETag of what was read, or *", "schema": _TEXT},
        _inQuery("dry-run", "only show what would change", _SWITCH),
    ]
    resource, changed = {"$ref": _SCHEMAS.format(name=rrset.__name__)}, {"$ref": _SCHEMAS.format(name="Change")}
    put = _operation("replace the records of a name and type", "putRRset", changing, changed)
    put["requestBody"] = {"required": True, "content": {"application/json": {"schema": resource}}}
    paths["/api/2/zones/{zone}/rrsets/{owner}/{type}"] = {
        "get": _operation("show the records of a name and type", "getRRset", inPath, resource),
        "put": put,
        "delete": _operation("remove the records of a name and type", "deleteRRset", changing, changed),
    }
    since = _inQuery("since", "the serial number of the version that is known", _COUNT)
    paths["/api/2/zones/{zone}/changes"] = {
        "get": _operation("show the changes of a zone", "getChanges", [inPath[0], since], {"$ref": _SCHEMAS.format(name="Changes")})
    }
    limits = [_inQuery("limit", "the most entries, at most 1,000", _COUNT), _inQuery("before", "only older ones, Unix time", _TIME)]
    entries = _object({"entries": {"type": "array", "items": {"type": "object"}}})
    paths["/api/2/audit"] = {"get": _operation("show who has changed what", "getAudit", limits, entries)}
    _, schemas = msgspec.json.schema_components([rrset], ref_template=_SCHEMAS)
    lines = {"type": "array", "items": _TEXT}
    change = {"before": _NUMBER, "serial": _NUMBER, "removed": lines, "added": lines}
    whole = _object({"zone": _TEXT, **change})
    return {
        "openapi": "3.1.0",
        "info": {"title": "txdns", "version": __version__, "description": "Operations of a server, and the records of its zones."},
        "paths": paths,
        "components": {
            "schemas": {
                **schemas,
                "Problem": _object({"type": _TEXT, "title": _TEXT, "status": _NUMBER, "detail": _TEXT}),
                "Change": {**whole, "properties": {**whole["properties"], "findings": {"type": ["array", "null"], "items": _TEXT}}},
                "Changes": _object({"zone": _TEXT, "serial": _NUMBER, "changes": {"type": "array", "items": _object(change)}}),
            },
            "securitySchemes": {
                "key": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
                "bearer": {"type": "http", "scheme": "bearer"},
            },
        },
        "security": [{"key": []}, {"bearer": []}],
    }


def _inQuery(name: str, meaning: str, schema: Mapping[str, Any]) -> dict[str, Any]:
    return {"name": name, "in": "query", "description": meaning, "schema": schema}


def _object(properties: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": [*properties]}


def _ofVerb(verb: Verb) -> dict[str, Any]:
    parameters = [
        {"name": key, "in": "query", "required": not word.startswith("["), "schema": _TEXT}
        for word, key in zip(verb.takes, verb.keys, strict=True)
    ]
    parameters += [_inQuery(flag, meaning, _SWITCH) for flag, meaning in verb.flags.items()]
    parameters += [_inQuery(key, meaning, _COUNT) for key, meaning in NUMBERS.get(verb.path, {}).items()]
    operation = _operation(verb.meaning, verb.path.replace("/", "-"), parameters, {"type": "object"})
    problem: dict[str, Any] = dict(_PROBLEM["content"])
    failed = {"description": "It could not be done.", "content": {"application/json": {"schema": {"type": "object"}}, **problem}}
    operation["responses"]["422"] = failed
    return operation


def _operation(meaning: str, name: str, parameters: list[dict[str, Any]], schema: dict[str, Any]) -> dict[str, Any]:
    done = {"description": "It was done.", "content": {"application/json": {"schema": schema}}}
    return {"summary": meaning, "operationId": name, "parameters": parameters, "responses": {"200": done, "default": _PROBLEM}}


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

    def __init__(self, operations: Operations, audit: AuditLog | None, elsewhere: Elsewhere) -> None:
        """
        @param audit: L{None} if there is none.
        @param elsewhere: runs work in a thread.
        """
        self._operations = operations
        self._audit = audit
        self._elsewhere = elsewhere
        # What is more than one JSON object for a request has no route.
        self._verbs = {verb.path: verb for verb in allVerbs() if verb.run is not None}

    def __call__(self, asked: ApiAsked, /) -> Deferred[ApiReply]:
        match asked.segments:
            case ["openapi.json"]:
                _expectMethod(asked, "GET")
                return succeed(ApiReply(body=openAPI(self._verbs, RRSetResource)))
            case ["audit"]:
                asked.expectUnlimited()
                _expectMethod(asked, "GET")
                return self._audited(asked)
            case ["zones", zone, "changes"]:
                asked.expectUnlimited()
                _expectMethod(asked, "GET")
                return succeed(self._changes(asked, zone))
            case ["zones", zone, "rrsets", owner, kind]:
                return self._rrset(asked, *_named(zone, owner, kind))
        asked.expectUnlimited()
        verb = self._verbs.get("/".join(asked.segments))
        if verb is None:
            raise ApiRefusal(404, "there is no such resource; /api/2/openapi.json has all")
        return self._verb(asked, verb)

    # -- operations

    def _verb(self, asked: ApiAsked, verb: Verb) -> Deferred[ApiReply]:
        _expectMethod(asked, "POST" if verb.changes else "GET")
        if verb.changes:
            asked.expectScope("admin")
        arguments = argumentsOf(verb)
        if unknown := set(asked.fields) - {*arguments}:
            there = ", ".join(arguments) or "none"
            raise ApiRefusal(400, f"{min(unknown)} is not an argument of {verb.path}; it has {there}")
        for flag in verb.flags:
            _flagIn(asked, flag)
        for name in NUMBERS.get(verb.path, ()):
            _numberIn(asked, name, 0)
        doing = self._operations.do(verb.path, asked.fields)
        asked.told = {key: asked.fields[key] for key in sorted(asked.fields)}

        def done(said: dict[str, JSON]) -> ApiReply:
            return ApiReply(422 if said.get("failed") else 200, said)

        return doing.addCallback(done)

    # -- what has happened

    def _audited(self, asked: ApiAsked) -> Deferred[ApiReply]:
        """
        Show the latest entries of the audit log.
        """
        asked.expectScope("admin")
        _expectFields(asked, "limit", "before")
        audit, most, before = self._audit, _numberIn(asked, "limit", _ENTRIES), _numberIn(asked, "before", _NEVER, _DECIMAL)
        if audit is None:
            raise ApiRefusal(404, "there is no audit log; it takes state, the folder where it is kept")
        reading = self._elsewhere(lambda: audit.latest(min(int(most), _SHOWN), before))
        return reading.addCallback(lambda entries: ApiReply(body={"entries": cast("JSON", entries)}))

    def _changes(self, asked: ApiAsked, zone: str) -> ApiReply:
        """
        Show the changes of a zone since a serial number.
        """
        _expectFields(asked, "since")
        apex, view = _apexOf(zone)
        zoneSet = None if self._operations.zoneSets is None else self._operations.zoneSets.of(view)
        place = None if zoneSet is None else zoneSet.zones.at(apex)
        served = None if place is None else place.served()
        if zoneSet is None or place is None or served is None:
            raise ApiRefusal(404, f"{variantText(apex, view)} is not served here")
        current = served.current.serial
        since = int(_numberIn(asked, "since", current))
        kept = zoneSet.changesOf(apex)
        octets = 0 if since == current else None if kept is None else kept.octetsSince(since)
        if octets is None:
            raise ApiRefusal(404, f"the changes of {place.text} since {since} are not kept; it is at {current}")
        if octets > _OCTETS:
            raise ApiRefusal(422, f"the changes since {since} have {octets} octets, more than {_OCTETS}; ask for fewer, or for the zone")
        differences = () if kept is None or since == current else kept.since(since) or ()
        return ApiReply(body={"zone": place.text, "serial": current, "changes": [_changed(each) for each in differences]})

    # -- RRsets

    def _rrset(self, asked: ApiAsked, apex: bytes, view: str, name: bytes, rrType: int) -> Deferred[ApiReply]:
        _expectFields(asked, *(() if asked.method == "GET" else ("dry-run",)))
        if not asked.token.mayChange(asked.client, name, rrType):
            # Whatever is there: it is not told.
            what = f"{nameToText(name)} {typeName(rrType)}"
            raise ApiRefusal(403, f"the token {asked.token.name} may not {'see' if asked.method == 'GET' else 'change'} {what}")
        zoneSet = None if self._operations.zoneSets is None else self._operations.zoneSets.of(view)
        place = None if zoneSet is None else zoneSet.zones.at(apex)
        zone = None if place is None else place.served()
        if zoneSet is None or zone is None or place is None:
            raise ApiRefusal(404, f"{variantText(apex, view)} is not served here")
        _expectMethod(asked, "GET", "PUT", "DELETE")
        if asked.method == "GET":
            return succeed(_shown(zone.current, name, rrType))
        asked.expectScope("zones")
        if not asked.match and not asked.isNew:
            what = "the ETag of what was read, or * for whatever is there; or If-None-Match with * for what is not there yet"
            raise ApiRefusal(428, f"send If-Match with {what}")
        rrset = None if asked.method == "DELETE" else _rrsetOf(asked.body, name, rrType)

        def apply(transaction: Transaction) -> None:
            there = any(kind[0] == rrType for kind in transaction.setsAt(transaction.keyOf(name)))
            if asked.match == "*" and not there:
                raise ApiRefusal(412, f"{nameToText(name)} has no {typeName(rrType)} records; add some with If-None-Match: *")
            if asked.isNew and there:
                raise ApiRefusal(412, f"{nameToText(name)} has {typeName(rrType)} records; change them with If-Match")
            if rrset is None:
                transaction.removeType(name, rrType)
            else:
                transaction.replace(rrset)

        isDry = _flagIn(asked, "dry-run")
        who = f"API by {asked.token.name}"
        changing = zoneSet.edits().change(apex, apply, door="api", who=who, match=asked.match, dry=isDry)

        def done(edited: Edited) -> ApiReply | Deferred[ApiReply]:
            said = _difference(edited)
            asked.told = {"zone": place.text, "before": edited.before, "serial": edited.version.serial, "dry": isDry}
            if not isDry:
                return ApiReply(200, said, headers=(("ETag", etagOf(edited.version)),))
            checking = self._elsewhere(lambda: newFindings(edited.former, edited.version))
            return checking.addCallback(lambda found: ApiReply(200, {**said, "findings": cast("JSON", found)}))

        return changing.addCallback(done)


def _expectFields(asked: ApiAsked, *names: str) -> None:
    """
    @raise ApiRefusal: the request has other arguments.
    """
    if unknown := set(asked.fields) - {*names}:
        raise ApiRefusal(400, f"{min(unknown)} is not an argument of this; it has {', '.join(names) or 'none'}")


def _flagIn(asked: ApiAsked, name: str) -> bool:
    """
    @raise ApiRefusal: the argument is neither on nor off.
    """
    text = asked.fields.get(name, "0")
    if text not in SWITCHES:
        raise ApiRefusal(400, f"{name} is one of {', '.join(SWITCHES)}, not {text[:40]!r}")
    return text in ("1", "true")


def _numberIn(asked: ApiAsked, name: str, default: float, form: re.Pattern[str] = _WHOLE) -> float:
    """
    @raise ApiRefusal: the argument is not a number.
    """
    text = asked.fields.get(name)
    if text is None:
        return default
    if not form.fullmatch(text):
        raise ApiRefusal(400, f"{name} is a number, not {text[:40]!r}")
    return float(text)


def _expectMethod(asked: ApiAsked, *methods: str) -> None:
    """
    @raise ApiRefusal: the request has another one.
    """
    if asked.method not in methods:
        raise ApiRefusal(405, f"this takes {', '.join(methods)}", (("Allow", ", ".join(methods)),))


def _apexOf(text: str) -> tuple[bytes, str]:
    """
    Return the folded name of a zone, and its view, C{""} for all clients.

    @raise ApiRefusal: it is not a name.
    """
    try:
        return variantIn(text)
    except BadName as fault:
        raise ApiRefusal(404, str(fault)) from None


def _named(zone: str, owner: str, kind: str) -> tuple[bytes, str, bytes, int]:
    """
    Return the folded apex, the view, the name and the type of a path.

    @raise ApiRefusal: one of them is not valid.
    """
    rrType = typeNumber(kind.upper())
    if rrType is None or isMeta(rrType):
        raise ApiRefusal(404, f"{kind} is not a record type")
    apex, view = _apexOf(zone)
    try:
        return apex, view, apex if owner == "@" else nameFromText(owner, apex), rrType
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
    lines: dict[str, JSON] = {"removed": [], "added": []} if difference is None else _changed(difference)
    return {"zone": nameToText(edited.version.apexName), **lines, "before": edited.before, "serial": edited.version.serial}


def _changed(difference: Difference) -> dict[str, JSON]:
    return {
        "before": difference.oldSerial,
        "serial": difference.newSerial,
        "removed": [*_lines(difference.removed)],
        "added": [*_lines(difference.added)],
    }


def _lines(sets: tuple[RRSet, ...]) -> list[str]:
    return [
        f"{nameToText(each.name)} {each.ttl} {typeName(each.rrType)} {rdataToText(each.rrType, each.rdatas[0])}"
        for each in eachRecord(sets)
    ][:_SHOWN]
