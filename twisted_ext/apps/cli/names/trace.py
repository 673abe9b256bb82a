"""
C{txdns trace}: resolves a name from the root, and shows each query with its server, its time and its reason.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Final

from twisted_ext.answers import Answer, Note
from twisted_ext.apps.cli.names.validate import readFile, rootFrom
from twisted_ext.apps.cli.terminal.arguments import Arguments, Given, Option, flag, valueOf, whole
from twisted_ext.apps.cli.terminal.colors import Palette, paletteFor
from twisted_ext.apps.cli.terminal.exits import BATCH, NO_REPLY, OK, USAGE, ExitError
from twisted_ext.apps.cli.terminal.run import runUntilDone
from twisted_ext.apps.cli.terminal.upstream import typeIn
from twisted_ext.errors import BadDescription
from twisted_ext.transport.servers import DNS_PORT
from twisted_ext.wire.codes import rcodeName
from twisted_ext.wire.escapes import printable
from twisted_ext.wire.message import Question
from twisted_ext.wire.names import nameFromText, nameToText
from twisted_ext.wire.rrtypes import A, typeName

if TYPE_CHECKING:
    from collections.abc import Callable

    from twisted.internet.interfaces import IReactorTime

    from twisted_ext.recursion.delegations import Delegation
    from twisted_ext.resolver.recursive.recording import Recording

__all__ = ["ARGUMENTS", "TraceTree", "main"]

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
_COLOR: Final = Option[bool | None]("+[no]color", "", None, also="+[no]colour")
_PORT: Final = Option("--port PORT", "the port of all servers, for tests", DNS_PORT, whole(1, 65535), what="a port")
_HINTS: Final = Option("--hints FILE", "root servers in place of the built-in ones, as in named.root", "", str, what="a file")
_REPLAY: Final = Option("--replay FILE", "resolve again from the replies in this JSON", "", str, what="a file")

#: Steps after which another server is asked.
_TROUBLE: Final = ("timed out", "lame", "malformed", "declined", "not sent")

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

    show = _begin(question, reactor.seconds(), given)
    return _finish(await resolveTraced(reactor, root, question, show, port=port), given)


def _replay(path: str, given: Given) -> int:
    from twisted_ext.resolver.recursive.recording import Recording, replay

    try:
        recording = Recording.fromJSON(readFile(path), path)
    except BadDescription as fault:
        raise ExitError(BATCH, str(fault)) from fault
    return _finish(replay(recording, _begin(recording.question, 0.0, given)), given)


def _tree(began: float, given: Given) -> TraceTree:
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


class TraceTree:
    """
    Formats steps as a tree that grows: each query to a zone is a branch, and what it takes to find a server is one below it.
    """

    def __init__(self, began: float, palette: Palette, unicode: bool) -> None:
        self._began = began
        self._palette = palette
        self._fork, self._last, self._bar = ("├─ ", "└─ ", "│  ") if unicode else ("|- ", "`- ", "|  ")
        self._depth = 0

    def heading(self, question: Question) -> str:
        return f"{self._palette.name(nameToText(question.name))} {self._palette.type(typeName(question.rrType))}"

    def line(self, note: Note) -> str:
        """
        Return the line of one step.
        """
        palette = self._palette
        details = dict(note.details)
        if note.source == "recursion":
            depth = details.pop("depth", None)
            self._depth = depth if isinstance(depth, int) else 0
        why = details.pop("why", None)
        at = palette.comment(f"{(note.at - self._began) * 1000:8.1f} ms")
        if note.event == "asking":
            text = f"{palette.name(printable(str(details['zone'])))} for {printable(str(details['name']))} {details['type']}"
            indent = self._bar * self._depth
        else:
            said = ", ".join([f"{key} {value}" for key, value in details.items() if value not in (None, "")])
            event = printable(note.event if note.source in ("recursion", "forward") else f"{note.source} {note.event}")
            event = palette.error(event) if event in _TROUBLE else event
            text = event + (palette.comment(f"  ({printable(said)})") if said else "")
            indent = self._bar * (self._depth + 1)
        return f"{indent}{self._fork}{at}  {text}" + (f": {printable(str(why))}" if why else "")

    def ending(self, recording: Recording) -> list[str]:
        """
        Return the last branch: the result and the records.
        """
        from twisted_ext.resolver.lookup.explain import recordLines

        palette = self._palette
        result = recording.result
        at = palette.comment(f"{(recording.ended - recording.began) * 1000:8.1f} ms")
        sent = f"{len(recording.queries)} {'query' if len(recording.queries) == 1 else 'queries'}"
        if not isinstance(result, Answer):
            return [f"{self._last}{at}  {palette.error(printable(f'{type(result).__name__}: {result}'))}, {sent}"]
        lines = [f"{self._last}{at}  {palette.data(result.outcome.value)} {rcodeName(result.rcode)}, {sent}"]
        return lines + [f"   {printable(line)}" for rrset in result.answer for line in recordLines(rrset)]
