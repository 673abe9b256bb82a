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

__all__ = ["openAPI"]

_SCHEMAS: Final = "#/components/schemas/{name}"

_TEXT: Final = {"type": "string"}
_NUMBER: Final = {"type": "integer"}
_SWITCH: Final = {"enum": ["1", "0"]}

_PROBLEM: Final = {
    "description": "It was not done; the detail says why (RFC 9457).",
    "content": {"application/problem+json": {"schema": {"$ref": _SCHEMAS.format(name="Problem")}}},
}


def openAPI(verbs: Mapping[str, Verb], rrset: type[msgspec.Struct]) -> dict[str, Any]:
    """
    Return the description.

    @param verbs: operations by their paths.
    @param rrset: the shape of an RRset.
    """
    paths = {f"/api/2/{path}": {"post" if verb.changes else "get": _ofVerb(verb)} for path, verb in sorted(verbs.items())}
    inPath: list[dict[str, Any]] = [
        {"name": key, "in": "path", "required": True, "description": meaning, "schema": _TEXT}
        for key, meaning in (("zone", "the name of the zone"), ("owner", "the name that has the records"), ("type", "their type"))
    ]
    changing: list[dict[str, Any]] = [
        *inPath,
        {"name": "If-Match", "in": "header", "required": True, "description": "the ETag of what was read, or *", "schema": _TEXT},
        {"name": "dry-run", "in": "query", "description": "only show what would change", "schema": _SWITCH},
    ]
    resource, change = {"$ref": _SCHEMAS.format(name=rrset.__name__)}, {"$ref": _SCHEMAS.format(name="Change")}
    put = _operation("replace the records of a name and type", "putRRset", changing, change)
    put["requestBody"] = {"required": True, "content": {"application/json": {"schema": resource}}}
    paths["/api/2/zones/{zone}/rrsets/{owner}/{type}"] = {
        "get": _operation("show the records of a name and type", "getRRset", inPath, resource),
        "put": put,
        "delete": _operation("remove the records of a name and type", "deleteRRset", changing, change),
    }
    _, schemas = msgspec.json.schema_components([rrset], ref_template=_SCHEMAS)
    lines = {"type": "array", "items": _TEXT}
    return {
        "openapi": "3.1.0",
        "info": {"title": "txdns", "version": __version__, "description": "Operations of a server, and the records of its zones."},
        "paths": paths,
        "components": {
            "schemas": {
                **schemas,
                "Problem": _object({"type": _TEXT, "title": _TEXT, "status": _NUMBER, "detail": _TEXT}),
                "Change": _object({"zone": _TEXT, "before": _NUMBER, "serial": _NUMBER, "removed": lines, "added": lines}),
            },
            "securitySchemes": {
                "key": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
                "bearer": {"type": "http", "scheme": "bearer"},
            },
        },
        "security": [{"key": []}, {"bearer": []}],
    }


def _object(properties: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": [*properties]}


def _ofVerb(verb: Verb) -> dict[str, Any]:
    parameters = [
        {"name": key, "in": "query", "required": not word.startswith("["), "schema": _TEXT}
        for word, key in zip(verb.takes, verb.keys, strict=True)
    ]
    parameters += [{"name": flag, "in": "query", "description": meaning, "schema": _SWITCH} for flag, meaning in verb.flags.items()]
    return _operation(verb.meaning, verb.path.replace("/", "-"), parameters, {"type": "object"})


def _operation(meaning: str, name: str, parameters: list[dict[str, Any]], schema: dict[str, Any]) -> dict[str, Any]:
    done = {"description": "It was done.", "content": {"application/json": {"schema": schema}}}
    return {"summary": meaning, "operationId": name, "parameters": parameters, "responses": {"200": done, "default": _PROBLEM}}
