"""
C{txdns explain}: looks up a name and shows how the answer was found.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from itertools import groupby
from json import dumps
from typing import TYPE_CHECKING, Final

from twisted_ext.apps.cli.terminal.arguments import Arguments, Given, Option, flag, valueOf
from twisted_ext.apps.cli.terminal.colors import paletteFor
from twisted_ext.apps.cli.terminal.exits import NO_REPLY, OK, USAGE, ExitError
from twisted_ext.apps.cli.terminal.run import runUntilDone
from twisted_ext.apps.cli.terminal.upstream import SERVER, resolverFor, targetIn, typeIn
from twisted_ext.drawing.palette import Palette
from twisted_ext.errors import CallerFault
from twisted_ext.wire.escapes import printable
from twisted_ext.wire.names import nameFromText
from twisted_ext.wire.rrtypes import PTR, A, typeName

if TYPE_CHECKING:
    from twisted.internet.interfaces import IReactorTime

    from twisted_ext.resolver.lookup.explain import Explanation

__all__ = ["ARGUMENTS", "main"]

_HELP: Final = """\
Usage: txdns explain NAME [TYPE] [@DESCRIPTION] [+json] [+[no]color]
       txdns explain -x ADDRESS [@DESCRIPTION] [+json]

Looks up a name as programs on this machine do, in hosts file, search list, cache and servers,
and shows each step: the source, its answer, and the time.

  txdns explain www.example.com
  txdns explain example.com MX @cache:udp:192.0.2.53
  txdns explain intranet @search:corp.example:udp:192.0.2.53
  txdns explain www.example.com +json | jq .steps

The JSON is one object with the keys name, type, class, seconds, outcome, rcode and steps (a list
of objects with at, source, event and details); for an answer also records, origin, security and
ede, for a failure also fault, reason, server and attempts.

Exit codes: 0 there is an answer, also one that the name does not exist; 1 wrong usage; 9 the
look-up failed.
"""


_ADDRESS: Final = Option("-x ADDRESS", "look up the name of this address", "", str, what="an address, such as 192.0.2.1")
_JSON: Final = flag("+json", "print one JSON object")
_COLOR: Final = Option[bool | None]("+[no]color", "print colors, or none; by default on a terminal", None, also="+[no]colour")

ARGUMENTS: Final = Arguments(_HELP, SERVER, _ADDRESS, _JSON, _COLOR)


def main(words: list[str]) -> int:
    given = ARGUMENTS.parse(words)
    reverse = _ADDRESS in given
    name, *more = [_reverse(given[_ADDRESS]), *given.bare] if reverse else given.bare or [""]
    if not name:
        raise ExitError(USAGE, "a name is missing; write: txdns explain NAME [TYPE] [@DESCRIPTION]")
    rrType = typeIn(more, PTR if reverse else A)
    valueOf(nameFromText, name)
    target = targetIn(given)
    return runUntilDone(lambda reactor: _explain(reactor, name, rrType, target, given), command="explain")


def _reverse(address: str) -> str:
    from twisted_ext.wire.addressranges import reverseName

    try:
        return reverseName(address) + "."
    except CallerFault as fault:
        raise ExitError(USAGE, f"-x {fault}") from fault


async def _explain(reactor: IReactorTime, name: str, rrType: int, target: str, given: Given) -> int:
    from twisted_ext.wire.rdata.registry import layoutOf

    resolver = await resolverFor(reactor, target)
    # Do imports and initialization now, so that they do not count as time of the look-up.
    resolver.source.sources()
    layoutOf(rrType)
    try:
        explanation = await resolver.explain(name, rrType)
    finally:
        await resolver.close()
    if given[_JSON]:
        print(dumps(explanation.data))
    else:
        unicode = (sys.stdout.encoding or "").lower().startswith("utf")
        print("\n".join(treeOf(explanation, paletteFor(sys.stdout, given[_COLOR]), unicode)))
    return OK if explanation.answer is not None else NO_REPLY


def treeOf(explanation: Explanation, palette: Palette, unicode: bool) -> Iterator[str]:
    """
    Format the steps as a tree with a branch for each source, followed by the result.
    """
    fork, last, bar = ("├─ ", "└─ ", "│  ") if unicode else ("|- ", "`- ", "|  ")
    question = explanation.question
    yield palette.name(str(explanation.data["name"])) + " " + palette.type(typeName(question.rrType))
    for source, notes in groupby(explanation.notes, lambda note: note.source):
        steps = list(notes)
        yield fork + palette.type(source)
        for index, note in enumerate(steps):
            at = palette.comment(f"{(note.at - explanation.began) * 1000:8.1f} ms")
            details = printable(", ".join([f"{key} {value}" for key, value in note.details.items() if value not in (None, "")]))
            branch = last if index == len(steps) - 1 else fork
            yield f"{bar}{branch}{at}  {note.event}" + (palette.comment(f"  ({details})") if details else "")
    lines = explanation.text.split("\n")[1 + len(explanation.notes) :]
    verdict, records = lines[0], lines[1:]
    yield last + (palette.data(verdict) if explanation.answer is not None else palette.error(verdict))
    for line in records:
        yield f"   {line}"
