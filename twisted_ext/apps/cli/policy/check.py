"""
C{txdns policy check}: reports the lines of lists that cannot be used.
"""

from __future__ import annotations

import sys
from json import dumps
from typing import Final

from twisted_ext.apps.cli.terminal.arguments import Arguments, flag
from twisted_ext.apps.cli.terminal.exits import DECLINED, OK, USAGE, ExitError, fileErrors

__all__ = ["ARGUMENTS", "main"]

_HELP: Final = """\
Usage: txdns policy check FILE... [--json]

Reads lists of blocked names as a server does, and reports how many rules they have, and the
first lines that cannot be used, with the reason.

  txdns policy check ads.txt games.txt

{options}

Exit codes: 0 all lines can be used, 1 wrong usage, 2 some cannot, 8 a file cannot be read.
"""

_JSON: Final = flag("--json", "an object for each list: file, rules, rewriting, wrong (lines that cannot be used), said (the first)")

ARGUMENTS: Final = Arguments(_HELP, _JSON)


def main(words: list[str]) -> int:
    given = ARGUMENTS.parse(words)
    if not given.bare:
        raise ExitError(USAGE, "a list is missing; write txdns policy check ads.txt")

    from twisted_ext.files import openNow
    from twisted_ext.resolver.local.localanswers import Complaints
    from twisted_ext.resolver.policy.rules.listfile import parseList
    from twisted_ext.wire.escapes import printable

    code = OK
    for path in given.bare:
        complaints, rules, rewriting = Complaints(), 0, 0
        with fileErrors(path), open(path, "rb", opener=openNow) as file:
            for found in parseList(file, complaints):
                rules += len(found)
                rewriting += sum([condition.rewrite is not None for _, _, _, condition in found.conditional])
        code = DECLINED if complaints.count else code
        if given[_JSON]:
            print(dumps({"file": path, "rules": rules, "rewriting": rewriting, "wrong": complaints.count, "said": complaints.texts}))
            continue
        wrong = f", {complaints.count:,} line{'s'[: complaints.count != 1]} that cannot be used" if complaints.count else ""
        print(printable(f"{path}: {rules:,} rule{'s'[: rules != 1]}{wrong}"))
        sys.stdout.writelines([f"  {printable(text)}\n" for text in complaints.texts])
        if more := complaints.count - len(complaints.texts):
            print(f"  and {more:,} more")
        if rewriting:
            print(f"  rules that rewrite answers: {rewriting:,}; they need rewrite = true in the [[list]]")
    return code
