"""
Write the tables of the page on security states and extended errors, from the docstrings of the values.

    python docs/securitystates.py FOLDER

In FOLDER, C{states.rst} has the security states, and C{ede.rst} the info codes of extended errors.
"""

from __future__ import annotations

import inspect
import re
import sys
from collections.abc import Sequence
from enum import Enum
from pathlib import Path

from twisted_ext.answers import Security
from twisted_ext.wire.codes import EDE_NAMES, Ede

#: What each state means for the reply to a client, and for an application.
REPLIES = {
    Security.SECURE: ("the answer, with AD if the client set DO or AD", "a result"),
    Security.INSECURE: ("the answer, without AD", "a result"),
    Security.BOGUS: ("SERVFAIL with an extended error; the data with CD", "``DNSServerError``"),
    Security.INDETERMINATE: ("the answer, without AD", "a result"),
}


def meanings(kind: type[Enum]) -> dict[str, str]:
    """
    Return what the docstring of an enumeration says of each member, by its name.
    """
    fields = " ".join((inspect.getdoc(kind) or "").split()).split(" @cvar ")[1:]
    said = dict(field.split(": ", 1) for field in fields)
    return {name: re.sub(r"C\{([^}]*)\}", r"``\1``", text) for name, text in said.items()}


def table(widths: str, rows: Sequence[Sequence[str]]) -> str:
    """
    Return a table whose first row is its heading.
    """
    lines = [".. list-table::", "   :header-rows: 1", f"   :widths: {widths}", ""]
    for row in rows:
        lines += [f"   {'* -' if not number else '  -'} {cell}" for number, cell in enumerate(row)]
    return "\n".join(lines) + "\n"


def states() -> str:
    said = meanings(Security)
    rows = [(f"``{state.value}``", said[state.name], *REPLIES[state]) for state in REPLIES]
    return table("14 44 26 16", [("state", "meaning", "reply of the server", "application gets"), *rows])


def errors() -> str:
    said = meanings(Ede)
    rows = [(str(code.value), EDE_NAMES[code.value], said[code.name]) for code in Ede]
    return table("8 28 64", [("code", "name", "meaning here"), *rows])


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    (folder / "states.rst").write_text(states(), "utf-8")
    (folder / "ede.rst").write_text(errors(), "utf-8")
