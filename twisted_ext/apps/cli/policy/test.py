"""
C{txdns policy test}: compares what the rules decide with a file of expectations.
"""

from __future__ import annotations

import re
import sys
from typing import Final, NamedTuple

from twisted_ext.apps.cli.terminal.arguments import Arguments, Option
from twisted_ext.apps.cli.terminal.exits import BATCH, DECLINED, OK, USAGE, ExitError, fileErrors
from twisted_ext.errors import CallerFault
from twisted_ext.files import openNow

__all__ = ["ARGUMENTS", "Expectation", "expectationsIn", "main"]

_HELP: Final = """\
Usage: txdns policy test FILE --config FILE

Compares what the rules of a server decide, which need not run, with a file that has a line for
each question, such as these:

  # client     name           type   at      expected
  192.168.1.41 ads.example                -> blocked ads
  192.168.1.41 roblox.com     A      21:30 -> blocked games
  192.168.1.41 roblox.com            12:00 -> passes
  192.0.2.1    shop.example   HTTPS       -> passes
  192.168.1.41 www.google.com             -> rewritten safe-search

Type and time may be left out. After blocked or rewritten may be the name of the list that has
the rule, or the setting: block or safe-search.

{options}

Exit codes: 0 all are as expected, 1 wrong usage or settings, 2 some are not, 8 a file cannot be
read.
"""

_CONFIG: Final = Option("--config FILE", "the settings file of the server", "", str, what="a settings file")

ARGUMENTS: Final = Arguments(_HELP, _CONFIG)

_TIME: Final = re.compile(r"(\d{4}-\d\d-\d\dT)?\d\d:\d\d")


class Expectation(NamedTuple):
    """
    A line of the file.

    @ivar at: the time; C{""} for now.
    @ivar verdict: C{blocked}, C{rewritten} or C{passes}.
    @ivar source: the list that has the rule; C{""} for any.
    """

    line: int
    client: str
    name: str
    rrType: str
    at: str
    verdict: str
    source: str


def expectationsIn(text: str, path: str) -> list[Expectation]:
    """
    Read a file of expectations.

    @raise ExitError: a line is not valid.
    """
    found: list[Expectation] = []
    for number, line in enumerate(text.splitlines(), 1):
        words = line.partition("#")[0].split()
        if not words:
            continue
        arrow = words.index("->") if "->" in words else -1
        asked, expected = words[:arrow], words[arrow + 1 :]
        at = next((word for word in asked[2:] if _TIME.fullmatch(word)), "")
        types = [word for word in asked[2:] if word != at]
        verdict, source = (*expected, "")[:2] if expected else ("", "")
        right = verdict in ("blocked", "rewritten", "passes") and len(expected) <= (1 if verdict == "passes" else 2)
        if arrow < 2 or len(types) > 1 or not right:
            wanted = "-> passes, -> blocked [LIST] or -> rewritten [LIST]"
            raise ExitError(BATCH, f"{path}:{number}: a line has CLIENT NAME [TYPE] [TIME] {wanted}")
        found.append(Expectation(number, asked[0], asked[1], types[0] if types else "A", at, verdict, source))
    return found


def main(words: list[str]) -> int:
    given = ARGUMENTS.parse(words)
    if len(given.bare) != 1:
        raise ExitError(USAGE, "the file with expectations is missing; write txdns policy test expected.txt --config FILE")
    (path,) = given.bare
    with fileErrors(path), open(path, encoding="utf-8", opener=openNow) as file:
        expected = expectationsIn(file.read(), path)

    from twisted_ext.apps.cli.policy.offline import offlineRules
    from twisted_ext.wire.escapes import printable

    wrong = 0
    with offlineRules(given[_CONFIG]) as rules:
        for each in expected:
            try:
                found = rules.why(each.client, each.name, each.at, each.rrType)
            except CallerFault as fault:
                raise ExitError(BATCH, f"{path}:{each.line}: {fault}") from None
            rule = str(found["rule"] or "")
            verdict = next((word for word in ("blocked", "rewritten") if found[word]), "passes")
            if verdict == each.verdict and each.source in ("", rule.partition(":")[0]):
                continue
            wrong += 1
            said = found["said"]
            assert isinstance(said, list)
            wanted = f"{each.verdict}{f' by {each.source}' if each.source else ''}"
            print(printable(f"{path}:{each.line}: expected: {wanted}; {'; '.join(map(str, said))}"))
    print(f"{len(expected) - wrong:,} of {len(expected):,} as expected", file=sys.stderr)
    return DECLINED if wrong else OK
