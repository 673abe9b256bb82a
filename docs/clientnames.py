"""
Write the tables of all names of L{twisted_ext.client}, from its C{__all__}, its docstrings and the types of its look-ups.

    python docs/clientnames.py FILE
"""

from __future__ import annotations

import inspect
import re
import sys
from importlib import import_module
from pathlib import Path
from typing import Final

from twisted_ext import client
from twisted_ext.compat.lookupmethods import LOOKUP_METHODS, LOOKUP_NAMES, typeOfLookup
from twisted_ext.wire.rrtypes import typeName

#: What is no function and no class.
VALUES: Final = {"theResolver": "The resolver of this process, which can be set; ``None`` until one is needed."}

_MARKUP: Final = re.compile(r"[CLB]\{([^}<]*)(?:<[^}]*>)?\}")
_ELSEWHERE: Final = re.compile(r"See (twisted_ext\.\S+)\.(\w+)\.$")


def summaryOf(name: str) -> str:
    """
    Return the first sentence of the docstring of a name.

    @raise ValueError: there is none.
    """
    if name in VALUES:
        return VALUES[name]
    text = inspect.getdoc(getattr(client, name)) or ""
    if found := _ELSEWHERE.match(text):
        text = inspect.getdoc(getattr(import_module(found[1]), found[2])) or ""
    sentence = re.split(r"(?<=\.) (?=[A-Z@])|: C\{|\.$", " ".join(text.partition("\n\n")[0].split()))[0]
    if not sentence:
        raise ValueError(f"{name}: it has no docstring")
    return _MARKUP.sub(r"``\1``", sentence.rstrip(".:")) + "."


def tables() -> str:
    """
    Return a table of the names, and one of the look-ups of each type.
    """
    look = [name for name in client.__all__ if name in LOOKUP_METHODS]
    lines = [".. list-table::", "   :header-rows: 1", "   :widths: 28 72", "", "   * - name", "     - what it is"]
    for name in sorted({*client.__all__} - {*look}, key=str.lower):
        lines += [f"   * - ``{name}``", f"     - {summaryOf(name)}"]
    lines += ["", "One function for each type, ``name`` and ``timeout`` being its parameters:", ""]
    numbers = {name: number for number, name in LOOKUP_NAMES.items()}
    byType: dict[int, list[str]] = {}
    for name in look:
        number = numbers.get(name, typeOfLookup(name))
        assert number is not None, name
        byType.setdefault(number, []).append(name)
    lines += [".. list-table::", "   :header-rows: 1", "   :widths: 28 72", "", "   * - type", "     - functions"]
    for number, names in sorted(byType.items(), key=lambda item: typeName(item[0])):
        lines += [f"   * - {typeName(number)}", f"     - {', '.join([f'``{name}``' for name in names])}"]
    return "\n".join([*lines, ""])


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(tables(), "utf-8")
