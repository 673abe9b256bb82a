"""
C{txdns explain}: looks up a name and shows how the answer was found.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from itertools import groupby
from json import dumps
from typing import TYPE_CHECKING, Final

from twisted_ext.apps.cli.terminal.colors import Palette, paletteFor
from twisted_ext.apps.cli.terminal.exits import NO_REPLY, OK, USAGE, ExitError
from twisted_ext.apps.cli.terminal.run import runUntilDone
from twisted_ext.apps.cli.terminal.upstream import soleTarget
from twisted_ext.errors import CallerFault
from twisted_ext.wire.escapes import printable
from twisted_ext.wire.names import nameFromText
from twisted_ext.wire.rrtypes import PTR, A, typeName, typeNumber

if TYPE_CHECKING:
    from twisted.internet.interfaces import IReactorTime

    from twisted_ext.compat.explain import Explanation

__all__ = ["main"]

HELP: Final = """\
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


def main(words: list[str]) -> int:
    """
    Run the command with its arguments, and return the exit code.
    """
    if any(word in ("-h", "--help") for word in words):
        print(HELP, end="")
        return OK
    wishes = _Wishes(words)

    async def begin(reactor: IReactorTime) -> int:
        return await _explain(reactor, wishes)

    return runUntilDone(begin, command="explain")


class _Wishes:
    def __init__(self, words: list[str]) -> None:
        self.name = ""
        self.target = ""
        self.json = False
        self.color: bool | None = None
        rrType: int | None = None
        reverse = False
        remaining = iter(words)
        for word in remaining:
            if word.startswith("@"):
                self.target = soleTarget(word, self.target)
            elif word.startswith("+") or word == "--json":
                self._plus(word.replace("--", "+"))
            elif word == "-x":
                reverse = True
                address = next(remaining, "")
                if not address:
                    raise ExitError(USAGE, "-x must be followed by an address, such as 192.0.2.1")
                self.name = _reverse(address)
            elif word.startswith("-") and len(word) > 1:
                raise ExitError(USAGE, f"{word!r} is not an option; write: txdns explain NAME [TYPE] [@DESCRIPTION] [+json]")
            elif self.name and rrType is None and typeNumber(word) is not None:
                rrType = typeNumber(word)
            elif not self.name:
                self.name = word
            else:
                raise ExitError(USAGE, f"{word!r} is not a record type; write A, AAAA, MX..., or @ before a server or resolver description")
        if not self.name:
            raise ExitError(USAGE, "a name is missing; write: txdns explain NAME [TYPE] [@DESCRIPTION]")
        self.rrType = rrType if rrType is not None else PTR if reverse else A
        try:
            nameFromText(self.name)
        except CallerFault as fault:
            raise ExitError(USAGE, str(fault)) from fault

    def _plus(self, word: str) -> None:
        if word == "+json":
            self.json = True
        elif word in ("+color", "+colour", "+nocolor", "+nocolour"):
            self.color = not word.startswith("+no")
        else:
            raise ExitError(USAGE, f"{word} is not an option; the options are +json and +[no]color")


def _reverse(address: str) -> str:
    from twisted_ext.addrinfo.reverse import reverseName

    try:
        return reverseName(address) + "."
    except CallerFault as fault:
        raise ExitError(USAGE, f"-x {fault}") from fault


async def _explain(reactor: IReactorTime, wishes: _Wishes) -> int:
    from twisted_ext.apps.cli.terminal.upstream import describedSource, upstreamFor
    from twisted_ext.compat.names import NamesResolver
    from twisted_ext.wire.rdata.registry import layoutOf

    source = (await upstreamFor(reactor, wishes.target)).source if wishes.target else describedSource(reactor, "system")
    resolver = NamesResolver(source, reactor)
    # Do imports and initialization now, so that they do not count as time of the look-up.
    source.sources()
    layoutOf(wishes.rrType)
    try:
        explanation = await resolver.explain(wishes.name, wishes.rrType)
    finally:
        await resolver.close()
    if wishes.json:
        print(dumps(explanation.data))
    else:
        fancy = (sys.stdout.encoding or "").lower().startswith("utf")
        print("\n".join(treeOf(explanation, paletteFor(sys.stdout, wishes.color), fancy)))
    return OK if explanation.answer is not None else NO_REPLY


def treeOf(explanation: Explanation, palette: Palette, fancy: bool = True) -> Iterator[str]:
    """
    Format the steps as a tree with a branch for each source, followed by the result.

    @param fancy: draw lines with non-ASCII characters.
    """
    fork, last, bar = ("├─ ", "└─ ", "│  ") if fancy else ("|- ", "`- ", "|  ")
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
