"""
C{txdns validate}: validates an answer with DNSSEC, and shows the chain of trust as text, JSON or a drawing.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from json import dumps
from time import time
from typing import TYPE_CHECKING, Final

from twisted_ext.answers import QueryContext, Security
from twisted_ext.apps.cli.terminal.arguments import Arguments, Given, Option, flag, valueOf, whole
from twisted_ext.apps.cli.terminal.colors import paletteFor
from twisted_ext.apps.cli.terminal.exits import (
    BATCH,
    BOGUS,
    INDETERMINATE,
    INSECURE,
    NO_REPLY,
    OK,
    USAGE,
    ExitError,
    complain,
    fileErrors,
)
from twisted_ext.apps.cli.terminal.run import runUntilDone
from twisted_ext.apps.cli.terminal.upstream import SERVER, targetIn, typeIn, upstreamFor
from twisted_ext.errors import BadDescription, DNSFault
from twisted_ext.files import openNow
from twisted_ext.transport.servers import DNS_PORT
from twisted_ext.wire.message import Question
from twisted_ext.wire.names import nameFromText
from twisted_ext.wire.rrtypes import A

if TYPE_CHECKING:
    from twisted.internet.interfaces import IReactorTime

    from twisted_ext.dnssec.evidence import Evidence
    from twisted_ext.dnssec.trustanchors import TrustAnchors
    from twisted_ext.recursion.delegations import Delegation
    from twisted_ext.resolver.recursive.source import RecursiveSource

__all__ = ["ARGUMENTS", "EXITS", "anchorsFrom", "fromRoot", "main", "readFile", "rootFrom"]

_HELP: Final = """\
Usage: txdns validate NAME [TYPE] [@DESCRIPTION] [+json] [--anchor FILE]... [--at TIME]
                [--save FILE] [--svg FILE] [--html FILE]
       txdns validate --check FILE [--anchor FILE]... [--at TIME] [+json] [--svg FILE]

Looks up a name with all keys, DS records and denials above it, validates the answer with DNSSEC,
and shows the chain of trust: zones with their keys, digests and signatures, and what is wrong.

Queries go to the root servers and down from there; with @DESCRIPTION, to that server or
resolver, which need not validate itself.

{options}

  txdns validate www.example.com
  txdns validate example.com MX @udp:192.0.2.53
  txdns validate broken.example.com --html chain.html
  txdns validate www.example.com --save proof.json
  txdns validate --check proof.json --at 2026-12-01

A saved proof is checked without a network, at the time when it was made unless --at is given. It
is trusted as far as the anchors given here, not those in the file.

Exit codes: 0 secure; 3 insecure, because the zone is proved not to be signed; 4 bogus;
5 indeterminate, because no trust anchor applies; 1 wrong usage, 8 a file cannot be read,
9 no reply.
"""

_JSON: Final = flag("+json", "print the chain as one JSON object")
_COLOR: Final = Option[bool | None]("+[no]color", "print colors, or none; by default on a terminal", None, also="+[no]colour")
_ANCHOR: Final = Option(
    "--anchor FILE", "trust anchors in place of the root's, in any format; can be repeated", "", str, also="--trust-anchor", what="a file"
)
_AT: Final = Option("--at TIME", "validate as if it were this time: 2026-12-01T12:00:00Z or seconds since 1970", "", str, what="a time")
_SAVE: Final = Option("--save FILE", "write the proof as JSON, which --check reads", "", str, what="a file")
_CHECK: Final = Option("--check FILE", "check a saved proof, without a network", "", str, what="a file")
_SVG: Final = Option("--svg FILE", "write a drawing of the chain", "", str, what="a file")
_HTML: Final = Option("--html FILE", "write a page with the drawing and all details", "", str, what="a file")
_PORT: Final = Option("--port PORT", "the port of all servers, for tests", DNS_PORT, whole(1, 65535), what="a port")
_HINTS: Final = Option(
    "--hints FILE", "root servers in place of the built-in ones, as in named.root", "", str, also="--root-hints", what="a file"
)

ARGUMENTS: Final = Arguments(_HELP, SERVER, _JSON, _COLOR, _ANCHOR, _AT, _SAVE, _CHECK, _SVG, _HTML, _HINTS, _PORT)

#: Exit codes by what validation found.
EXITS: Final = {Security.SECURE: OK, Security.INSECURE: INSECURE, Security.BOGUS: BOGUS, Security.INDETERMINATE: INDETERMINATE}

#: Octets of a file that is read.
_MOST_OCTETS: Final = 1 << 26

#: Seconds for a look-up with its whole chain of trust.
_SECONDS: Final = 30.0


def main(words: list[str]) -> int:
    given = ARGUMENTS.parse(words)
    now = _timeIn(given[_AT])
    anchors = anchorsFrom(given.all(_ANCHOR), int(time()) if now is None else now)
    if _CHECK in given:
        if given.bare or SERVER in given or _SAVE in given:
            raise ExitError(USAGE, "--check takes no name, server or --save; write: txdns validate --check FILE")
        return show(_saved(given[_CHECK]), anchors, now, given)
    name, *more = given.bare or [""]
    if not name:
        raise ExitError(USAGE, "a name is missing; write: txdns validate NAME [TYPE] [@DESCRIPTION]")
    rrType = typeIn(more, A)
    owner = valueOf(nameFromText, name)
    target = targetIn(given)
    if target and _HINTS in given:
        raise ExitError(USAGE, "--hints cannot be combined with a server; hints are for queries from the root")
    if target and _PORT in given:
        raise ExitError(USAGE, f"--port cannot be combined with a server; write the port behind it: @192.0.2.53:{given[_PORT]}")
    root = None if target else rootFrom(given[_HINTS])
    today = int(time()) if now is None else now
    question = Question(owner, rrType)
    return runUntilDone(lambda reactor: _validate(reactor, question, target, root, anchors, today, given), command="validate")


def readFile(path: str) -> bytes:
    """
    Return the content of a file that an argument names.
    """
    with fileErrors(path), open(path, "rb", opener=openNow) as file:
        content = file.read(_MOST_OCTETS + 1)
    if len(content) > _MOST_OCTETS:
        raise ExitError(BATCH, f"{path}: the file has more than {_MOST_OCTETS} octets")
    return content


def rootFrom(path: str) -> Delegation:
    """
    Return the servers of the root.

    @param path: a file of hints, or C{""} for the built-in ones.
    """
    from twisted_ext.recursion.hints import builtInRoot, rootFromText

    if not path:
        return builtInRoot()
    try:
        return rootFromText(readFile(path).decode("utf-8", "replace"), path)
    except BadDescription as fault:
        raise ExitError(BATCH, str(fault)) from fault


def _timeIn(text: str) -> int | None:
    from twisted_ext.dnssec.times import timeFromText

    if not text:
        return None
    if text.isascii() and text.isdigit() and len(text) < 12:
        return int(text)
    try:
        return timeFromText(text)
    except ValueError:
        raise ExitError(USAGE, f"--at {text!r} is not a time; write 2026-12-01, 2026-12-01T12:00:00Z or seconds since 1970") from None


def anchorsFrom(files: Sequence[str], now: int, command: str = "validate") -> TrustAnchors:
    """
    Return the trust anchors of files; without any file, those of the root that are built in.

    @param command: the command's name, for remarks.
    """
    from twisted_ext.dnssec.anchors.formats import anchorsFromFile
    from twisted_ext.dnssec.trustanchors import ROOT_ANCHORS, TrustAnchors

    if not files:
        return TrustAnchors(ROOT_ANCHORS)
    anchors = TrustAnchors()
    for path in files:
        try:
            found = anchorsFromFile(readFile(path), path, now)
            for anchor in found.anchors:
                anchors.add(anchor)
        except BadDescription as fault:
            raise ExitError(BATCH, str(fault)) from fault
        for remark in found.remarks:
            complain(f"txdns {command}: {remark}")
    return anchors


def _saved(path: str) -> Evidence:
    from twisted_ext.dnssec.evidence import Evidence

    try:
        return Evidence.fromJSON(readFile(path), path)
    except BadDescription as fault:
        raise ExitError(BATCH, str(fault)) from fault


async def _validate(
    reactor: IReactorTime, question: Question, target: str, root: Delegation | None, anchors: TrustAnchors, now: int, given: Given
) -> int:
    """
    @param root: L{None} to ask the target.
    """
    from twisted_ext.resolver.recursive.evidence import collectEvidence

    source = (await upstreamFor(reactor, target)).source if root is None else fromRoot(reactor, root, given[_PORT])
    try:
        context = QueryContext(reactor.seconds() + _SECONDS)
        evidence = await collectEvidence(source, question, context, anchors, now)
    except DNSFault as fault:
        raise ExitError(NO_REPLY, f"there is no answer to validate: {fault}") from fault
    finally:
        await source.close()
    return show(evidence, anchors, now, given)


def fromRoot(reactor: IReactorTime, root: Delegation, port: int = DNS_PORT) -> RecursiveSource:
    """
    Return a source that resolves names from the root without validation.
    """
    from twisted_ext.resolver.recursive.pool import ServerPool
    from twisted_ext.resolver.recursive.source import RecursiveSource

    return RecursiveSource(reactor, root, pool=ServerPool(reactor, port=port))


def show(evidence: Evidence, anchors: TrustAnchors, now: int | None, given: Given) -> int:
    """
    Print the chain, and write the files that the arguments name.
    """
    from twisted_ext.dnssec.inspection import inspect
    from twisted_ext.drawing.chaintext import chainLines

    inspection = inspect(evidence, anchors, now)
    if given[_SAVE]:
        _write(given[_SAVE], evidence.toJSON())
    if given[_SVG] or given[_HTML]:
        from twisted_ext.drawing.chaindrawing import htmlOf, svgOf

        if given[_SVG]:
            _write(given[_SVG], svgOf(inspection))
        if given[_HTML]:
            _write(given[_HTML], htmlOf(inspection))
    if given[_JSON]:
        print(dumps(inspection.data))
    else:
        unicode = (sys.stdout.encoding or "").lower().startswith("utf")
        print("\n".join(chainLines(inspection, paletteFor(sys.stdout, given[_COLOR]), unicode)))
    return EXITS[inspection.verdict.security]


def _write(path: str, text: str) -> None:
    with fileErrors(path), open(path, "w", encoding="utf-8") as file:
        file.write(text)
