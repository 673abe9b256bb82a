"""
Write the page's tables of bounds, from C{twisted_ext/limits.py} and its comments.

    python docs/limiting.py FILE
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path

from twisted_ext import limits

#: A heading of the module, a line of a comment, or the beginning of a definition.
SECTION = re.compile(r"# -- (.+)")
COMMENT = re.compile(r"#: ?(.*)")
DEFINITION = re.compile(r"([A-Z][A-Z_0-9]+): Final = Limit\(")
MARKUP = re.compile(r"[CLB]\{([^}]*)\}")


def shown(number: float) -> str:
    """
    @return: the number, with commas where it is long.
    """
    return f"{number:,.0f}" if number == int(number) else f"{number:g}"


def rows(source: str) -> Iterator[tuple[str, str, str]]:
    """
    @return: section, name and reason of every bound, in the order of the module.
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


def tables() -> str:
    """
    @return: a heading and a table for each section of the module.
    """
    lines: list[str] = []
    sections: dict[str, list[tuple[str, str]]] = {}
    for section, name, reason in rows(Path(limits.__file__).read_text("utf-8")):
        sections.setdefault(section, []).append((name, reason))
    for section, entries in sections.items():
        title = section[:1].upper() + section[1:]
        lines += [title, "=" * len(title), "", ".. list-table::", "   :header-rows: 1", "   :widths: 26 12 10 14 38", ""]
        lines += ["   * - name", "     - default", "     - least", "     - most", "     - what it bounds, and why"]
        for name, reason in entries:
            limit: limits.Limit = getattr(limits, name)
            lines += [f"   * - ``{name}``", f"     - {shown(limit.default)}", f"     - {shown(limit.least)}"]
            lines += [f"     - {shown(limit.most)}", f"     - {reason}"]
        lines.append("")
    return "\n".join(lines)


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(tables(), "utf-8")
