"""
Write the tables of the limits page from the C{limits} modules of the package, from the numbers beside their use in all modules, and from
their comments.

    python docs/limiting.py FILE
"""

from __future__ import annotations

import importlib
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import twisted_ext
from twisted_ext.limits import Limit

#: A section heading, a line of a comment, and the beginning of a definition.
SECTION = re.compile(r"# -- (.+)")
COMMENT = re.compile(r"#: ?(.*)")
DEFINITION = re.compile(r"([A-Z][A-Z_0-9]+): Final = Limit\(")
FIXED = re.compile(r"(_?[A-Z][A-Z_0-9]+): Final(?:\[\w+\])? = ([0-9][0-9_.]*(?: (?:\*|<<) [0-9][0-9_.]*)*)$")
MARKUP = re.compile(r"[CLB]\{([^}]*)\}")


def shown(number: float) -> str:
    """
    Format a number, with thousands separators.
    """
    return f"{number:,.0f}" if number == int(number) else f"{number:g}"


def modules() -> list[ModuleType]:
    """
    Import all modules named C{limits}, that of the whole package first.
    """
    root = Path(twisted_ext.__path__[0])
    found = sorted(root.rglob("limits.py"), key=lambda path: (len(path.parts), path))
    return [importlib.import_module(".".join(path.relative_to(root.parent).with_suffix("").parts)) for path in found]


def rows(source: str) -> Iterator[tuple[str, str, str]]:
    """
    Yield section, name and reason of each limit, in the order of the module.
    """
    section = ""
    words: list[str] = []
    for line in source.splitlines():
        if found := SECTION.match(line):
            section = found[1]
        elif found := COMMENT.match(line):
            words.append(found[1])
        elif found := DEFINITION.match(line):
            yield section, found[1], MARKUP.sub(r"``\1``", " ".join(words))
            words = []
        else:
            words = []


def fixed() -> Iterator[tuple[str, str, str, str]]:
    """
    Yield module, name, value and reason of each number that no one chooses, which is beside its use.
    """
    root = Path(twisted_ext.__path__[0])
    for path in sorted(root.rglob("*.py")):
        words: list[str] = []
        for line in path.read_text("utf-8").splitlines() if path.name != "limits.py" else ():
            if found := COMMENT.match(line):
                words.append(found[1])
                continue
            if words and (found := FIXED.match(line)):
                module = ".".join(path.relative_to(root).with_suffix("").parts)
                yield module, found[1].lstrip("_"), found[2], MARKUP.sub(r"``\1``", " ".join(words))
            words = []


def tables() -> str:
    """
    Return a heading and a table for each section of the modules, and one for fixed numbers.
    """
    lines: list[str] = []
    sections: dict[str, list[tuple[str, str, Limit]]] = {}
    for module in modules():
        for section, name, reason in rows(Path(str(module.__file__)).read_text("utf-8")):
            sections.setdefault(section, []).append((name, reason, getattr(module, name)))
    for section, entries in sections.items():
        title = section[:1].upper() + section[1:]
        lines += [title, "=" * len(title), "", ".. list-table::", "   :header-rows: 1", "   :widths: 26 12 10 14 38", ""]
        lines += ["   * - name", "     - default", "     - least", "     - most", "     - what it limits, and why"]
        for name, reason, limit in entries:
            lines += [f"   * - ``{name}``", f"     - {shown(limit.default)}", f"     - {shown(limit.least)}"]
            lines += [f"     - {shown(limit.most)}", f"     - {reason}"]
        lines.append("")
    title = "Numbers that are fixed"
    lines += [title, "=" * len(title), "", ".. list-table::", "   :header-rows: 1", "   :widths: 26 22 12 40", ""]
    lines += ["   * - module", "     - name", "     - value", "     - what it limits, or is"]
    for place, name, value, reason in fixed():
        lines += [f"   * - ``{place}``", f"     - ``{name}``", f"     - {value}", f"     - {reason}"]
    return "\n".join([*lines, ""])


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(tables(), "utf-8")
