"""
The description of the requests below C{/api/2}, for programs (OpenAPI 3.1).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

import msgspec

from twisted_ext._version import __version__

if TYPE_CHECKING:
    from twisted_ext.server.features.base.verb import Verb

__all__ = ["NUMBERS", "SWITCHES", "argumentsOf", "openAPI"]

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
            ("zone", "the name of the zone", "example.org"),
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
