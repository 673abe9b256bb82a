"""
C{txdns api get}, C{post}, C{put}, C{patch} and C{delete}: send a request to the HTTP API of a server.
"""

from __future__ import annotations

import http.client
import json
import os
import ssl
import sys
from collections.abc import Mapping
from functools import partial
from types import MappingProxyType
from typing import Final
from urllib.parse import quote, urlsplit

from twisted_ext.apps.cli.terminal.arguments import Arguments, Given, Option, flag, number
from twisted_ext.apps.cli.terminal.exits import BATCH, DECLINED, NO_REPLY, OK, USAGE, ExitError

__all__ = ["ARGUMENTS", "REACHING", "delete", "get", "patch", "post", "put", "send", "shown"]

_HELP: Final = """\
Usage: txdns api METHOD PATH [FILE] [OPTION ...]

Sends a request to the HTTP API of a server, and shows the reply. METHOD is get, post, put, patch
or delete. FILE has the body, in JSON; - for the standard input.

{options}

The secret of the token is the last word of the token file, or in TXDNS_API_TOKEN: on the command
line, all users of this machine could see it.

  txdns api get /api/2/status --token-file secret
  txdns api get /api/2/zones/example.org/rrsets/www/A --headers
  txdns api put /api/2/zones/example.org/rrsets/www/A new.json --match '"10-6a1f"'
  txdns api post /api/2/zone/reload?name=example.org --url https://ns1.example:8081

Exit codes: 0 done, 1 wrong usage, 2 the server declined, 8 a file cannot be read, 9 no reply.
"""

_SECONDS: Final = 30.0

_URL: Final = Option("--url URL", "where the API is", "http://127.0.0.1:8081", str, what="a URL")
_TOKEN: Final = Option("--token-file FILE", "a file with the secret of a token", "", str, what="a file")
_MATCH: Final = Option("--match ETAG", "change only this version; * for any", "", str, what="an ETag")
_NEW: Final = flag("--new", "add only what is not there yet")
_HEADERS: Final = flag("--headers", "show the status and the headers of the reply, on the standard error")
_CA: Final = Option("--ca FILE", "authorities of the server's certificate, in PEM", "", str, what="a file")
_TIMEOUT: Final = Option("--timeout SECONDS", "give up after this time", _SECONDS, number(0.1, 3600), what="seconds")

#: Options that say how to reach a server, and as whom.
REACHING: Final = (_URL, _TOKEN, _CA, _TIMEOUT)

ARGUMENTS: Final = Arguments(_HELP, _URL, _TOKEN, _MATCH, _NEW, _HEADERS, _CA, _TIMEOUT)

#: Characters of a path that stay as they are.
_SAFE: Final = "/?&=%:~*@,;+$!()'"


def _main(method: str, words: list[str]) -> int:
    given = ARGUMENTS.parse(words)
    if not 1 <= len(given.bare) <= 2:
        said = "the path is missing" if not given.bare else "there are too many words"
        raise ExitError(USAGE, f"{said}; write: txdns api {method} PATH [FILE]")
    body = _read(given.bare[1]) if len(given.bare) == 2 else None
    besides = {"If-Match": given[_MATCH]} if given[_MATCH] else {"If-None-Match": "*"} if given[_NEW] else {}
    reply, octets = send(given, method, given.bare[0], body, besides)
    if given[_HEADERS]:
        print(f"{reply.status} {reply.reason}", *[f"{name}: {value}" for name, value in reply.getheaders()], sep="\n", file=sys.stderr)
    return shown(reply.status, reply.reason, octets)


def send(
    given: Given, method: str, path: str, body: bytes | None = None, besides: Mapping[str, str] = MappingProxyType({})
) -> tuple[http.client.HTTPResponse, bytes]:
    """
    Send a request.

    @param given: has the options L{REACHING}.
    @param besides: headers besides those of each request.

    @return: the reply, and its body.
    """
    url = urlsplit(given[_URL])
    try:
        host, port = url.hostname, url.port
    except ValueError:
        host = port = None
    if url.scheme not in ("http", "https") or not host:
        raise ExitError(USAGE, f"--url {given[_URL]}: write http://127.0.0.1:8081, or https:// and a name")
    headers = {"X-API-Key": _secret(given[_TOKEN]), "Content-Type": "application/json", **besides}
    if url.scheme == "https":
        connection: http.client.HTTPConnection = http.client.HTTPSConnection(
            host, port, timeout=given[_TIMEOUT], context=_trusting(given[_CA])
        )
    else:
        connection = http.client.HTTPConnection(host, port, timeout=given[_TIMEOUT])
    try:
        connection.request(method.upper(), quote("/" + path.lstrip("/"), _SAFE), body, headers)
        reply = connection.getresponse()
        return reply, reply.read()
    except (OSError, http.client.HTTPException) as error:
        said = str(getattr(error, "strerror", None) or error) or type(error).__name__
        raise ExitError(NO_REPLY, f"{given[_URL]}: no reply: {said}") from error
    finally:
        connection.close()


def shown(status: int, reason: str, octets: bytes) -> int:
    text = octets.decode("utf-8", "replace")
    try:
        said = json.loads(text)
    except ValueError:
        said = None
    if status >= 400:
        why = said.get("detail") or said.get("error") if isinstance(said, dict) else ""
        raise ExitError(DECLINED, f"{status} {reason}" + (f": {why}" if why and why != reason else ""))
    if said is not None:
        print(json.dumps(said, indent=2, ensure_ascii=False))
    elif text:
        print(text, end="" if text.endswith("\n") else "\n")
    return OK


def _read(path: str) -> bytes:
    try:
        if path == "-":
            return sys.stdin.buffer.read()
        with open(path, "rb") as file:
            return file.read()
    except OSError as error:
        raise ExitError(BATCH, f"{path}: {error.strerror or error}") from error


def _secret(path: str) -> str:
    text = _read(path).decode("utf-8", "replace") if path else os.environ.get("TXDNS_API_TOKEN", "")
    words = text.split()
    if not words:
        raise ExitError(USAGE, f"{path}: has no secret" if path else "a token is missing; write --token-file FILE, or set TXDNS_API_TOKEN")
    if not words[-1].isascii():
        raise ExitError(USAGE, "the secret of a token has ASCII characters only")
    return words[-1]


def _trusting(path: str) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=path or None)
    except (OSError, ssl.SSLError) as error:
        raise ExitError(BATCH, f"--ca {path}: {error.strerror or error}") from error


get: Final = partial(_main, "get")
post: Final = partial(_main, "post")
put: Final = partial(_main, "put")
patch: Final = partial(_main, "patch")
delete: Final = partial(_main, "delete")
