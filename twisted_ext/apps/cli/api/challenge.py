"""
C{txdns api challenge}: adds and removes the challenge of an authority that gives certificates (RFC 8555, section 8.4).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from http import HTTPStatus
from typing import Final
from urllib.parse import quote

from twisted_ext.apps.cli.api.request import REACHING, send, shown
from twisted_ext.apps.cli.terminal.arguments import Arguments
from twisted_ext.apps.cli.terminal.exits import DECLINED, USAGE, ExitError
from twisted_ext.errors import BadName
from twisted_ext.wire.escapes import printable
from twisted_ext.wire.names import ROOT, nameFromText, nameToText, parentOf

__all__ = ["ARGUMENTS", "main"]

_HELP: Final = """\
Usage: txdns api challenge add|remove NAME VALUE [OPTION ...]

Adds the challenge of an authority for a certificate of NAME, or removes it again: a TXT record at
_acme-challenge.NAME, in the zone that has this name. Other challenges there stay as they are.
For a wildcard, *.NAME is NAME.

{options}

The secret of the token is the last word of the token file, or in TXDNS_API_TOKEN.

  txdns api token acme --scope zones --only "challenges example.org" >> tokens 2> acme
  txdns api challenge add www.example.org gfj9Xq-Rg85nM --token-file acme
  txdns api challenge remove www.example.org gfj9Xq-Rg85nM --token-file acme

Exit codes: 0 done, 1 wrong usage, 2 the server declined, 8 a file cannot be read, 9 no reply.
"""

ARGUMENTS: Final = Arguments(_HELP, *REACHING, exact=True)

_ZONES: Final = "/api/v1/servers/localhost/zones"

_WAYS: Final = {"add": "EXTEND", "remove": "PRUNE"}

#: Seconds of the TTL: authorities ask again and again while they wait.
_TTL: Final = 60

#: What all challenges are: of 256 bits. One in 64 begins with a hyphen, as options do.
_HYPHENATED: Final = re.compile(r"-[A-Za-z0-9_-]{42}")

_CHALLENGE: Final = b"\x0f_acme-challenge"
_WILDCARD: Final = b"\x01*"

_VALUE: Final = re.compile(r"[A-Za-z0-9_-]{1,255}")


def main(words: list[str]) -> int:
    values = [word for word in words if _HYPHENATED.fullmatch(word)]
    given = ARGUMENTS.parse([word for word in words if word not in values])
    bare = [*given.bare, *values]
    if len(bare) != 3 or bare[0] not in _WAYS:
        raise ExitError(USAGE, f"write: {ARGUMENTS.usage}")
    way, value = _WAYS[bare[0]], bare[2]
    if not _VALUE.fullmatch(value):
        raise ExitError(USAGE, f"{printable(value)!r}: a challenge has letters, digits, - and _ only")
    owner = _ownerOf(bare[1])
    for zone in _above(owner):
        reply, octets = send(given, "get", f"{_ZONES}?zone={quote(zone, '')}")
        if reply.status != HTTPStatus.OK:
            return shown(reply.status, reply.reason, octets)
        try:
            identifiers = [str(each["id"]) for each in json.loads(octets)]
        except (ValueError, TypeError, KeyError):
            raise ExitError(DECLINED, "the reply is not that of an API; check --url") from None
        if identifiers:
            record = {"content": f'"{value}"'}
            change = {"name": nameToText(owner), "type": "TXT", "ttl": _TTL, "changetype": way, "records": [record]}
            reply, octets = send(given, "patch", f"{_ZONES}/{identifiers[0]}", json.dumps({"rrsets": [change]}).encode("ascii"))
            return shown(reply.status, reply.reason, octets)
    raise ExitError(DECLINED, f"the server has no zone for {nameToText(owner)} that this token may change")


def _ownerOf(name: str) -> bytes:
    """
    Return the name of the challenge for a name.
    """
    try:
        wire = nameFromText(name)
        if wire.startswith(_WILDCARD):
            wire = parentOf(wire)
        return wire if wire.lower().startswith(_CHALLENGE) else nameFromText(f"_acme-challenge.{nameToText(wire)}")
    except BadName as fault:
        raise ExitError(USAGE, str(fault)) from fault


def _above(name: bytes) -> Iterator[str]:
    """
    Iterate over the names of zones that may have a name, the longest first.
    """
    while name != ROOT:
        yield nameToText(name)
        name = parentOf(name)
    yield "."
