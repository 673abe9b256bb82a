"""
C{txdns trace}: resolves a name from the root, and shows each query with its server, its time and its reason.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Final

from twisted_ext.answers import Answer, Note
from twisted_ext.apps.cli.names.validate import readFile, rootFrom
from twisted_ext.apps.cli.terminal.arguments import Arguments, Given, Option, flag, valueOf, whole
from twisted_ext.apps.cli.terminal.colors import paletteFor
from twisted_ext.apps.cli.terminal.exits import BATCH, NO_REPLY, OK, USAGE, ExitError
from twisted_ext.apps.cli.terminal.run import runUntilDone
from twisted_ext.apps.cli.terminal.upstream import typeIn
from twisted_ext.errors import BadDescription
from twisted_ext.transport.servers import DNS_PORT
from twisted_ext.wire.message import Question
from twisted_ext.wire.names import nameFromText
from twisted_ext.wire.rrtypes import A

if TYPE_CHECKING:
    from collections.abc import Callable

    from twisted.internet.interfaces import IReactorTime

    from twisted_ext.recursion.delegations import Delegation
    from twisted_ext.resolver.recursive.recording import Recording
    from twisted_ext.resolver.recursive.tracetree import TraceTree

__all__ = ["ARGUMENTS", "main"]

_HELP: Final = """\
Usage: txdns trace NAME [TYPE] [--hints FILE] [--port PORT] [+json]
       txdns trace --replay FILE [+json]

Resolves a name from the root servers down as a recursive resolver does, without a cache, and
shows each step when it happens: the zone and the part of the name that is sent, the server and
why it was chosen, the time, and what followed.

{options}

  txdns trace www.example.com
  txdns trace example.com MX +json > trace.json
  txdns trace --replay trace.json

The JSON has the replies: --replay resolves the name again from them, without a network.

Exit codes: 0 there is an answer, also one that the name does not exist; 1 wrong usage, 8 a file
cannot be read, 9 the look-up failed.
"""

_JSON: Final = flag("+json", "print one JSON object with steps and replies, in place of the tree")
_COLOR: Final = Option[bool | None]("+[no]color", "print colors, or none; by default on a terminal", None, also="+[no]colour")
_PORT: Final = Option("--port PORT", "the port of all servers, for tests", DNS_PORT, whole(1, 65535), what="a port")
_HINTS: Final = Option("--hints FILE", "root servers in place of the built-in ones, as in named.root", "", str, what="a file")
_REPLAY: Final = Option("--replay FILE", "resolve again from the replies in this JSON", "", str, what="a file")

ARGUMENTS: Final = Arguments(_HELP, _JSON, _COLOR, _HINTS, _PORT, _REPLAY)


def main(words: list[str]) -> int:
    given = ARGUMENTS.parse(words)
    if _REPLAY in given:
        if given.bare or _HINTS in given or _PORT in given:
            raise ExitError(USAGE, "--replay takes no name, --hints or --port; write: txdns trace --replay FILE")
        return _replay(given[_REPLAY], given)
    name, *more = given.bare or [""]
    if not name:
        raise ExitError(USAGE, "a name is missing; write: txdns trace NAME [TYPE]")
    rrType = typeIn(more, A)
    question = Question(valueOf(nameFromText, name), rrType)
    root = rootFrom(given[_HINTS])
    return runUntilDone(lambda reactor: _trace(reactor, question, root, given, given[_PORT]))


async def _trace(reactor: IReactorTime, question: Question, root: Delegation, given: Given, port: int = DNS_PORT) -> int:
    from twisted_ext.resolver.recursive.recording import resolveTraced

    began = reactor.seconds()
    show = _begin(question, began, given)
    return _finish(await resolveTraced(reactor, root, question, show, port=port, began=began), given)


def _replay(path: str, given: Given) -> int:
    from twisted_ext.resolver.recursive.recording import Recording, replay

    try:
        recording = Recording.fromJSON(readFile(path), path)
    except BadDescription as fault:
        raise ExitError(BATCH, str(fault)) from fault
    return _finish(replay(recording, _begin(recording.question, 0.0, given)), given)


def _tree(began: float, given: Given) -> TraceTree:
    from twisted_ext.resolver.recursive.tracetree import TraceTree

    unicode = (sys.stdout.encoding or "").lower().startswith("utf")
    return TraceTree(began, paletteFor(sys.stdout, given[_COLOR]), unicode)


def _begin(question: Question, began: float, given: Given) -> Callable[[Note], None]:
    if given[_JSON]:
        return lambda note: None
    tree = _tree(began, given)
    print(tree.heading(question), flush=True)
    return lambda note: print(tree.line(note), flush=True)


def _finish(recording: Recording, given: Given) -> int:
    if given[_JSON]:
        print(recording.toJSON())
    else:
        print("\n".join(_tree(recording.began, given).ending(recording)))
    return OK if isinstance(recording.result, Answer) else NO_REPLY
