"""
Code blocks of the pages: lines that wrap, and tables that scroll.

A line that is too long for the screen continues below, further to the right than it begins, so that the beginning of each line can be seen.
Rows of a table or tree would be misread that way. They scroll instead, also by keyboard, and only they.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from html import unescape
from typing import Final

from pygments.formatters import HtmlFormatter

__all__ = ["BlockFormatter", "rowsOf"]

#: Characters that draw tables and trees.
_DRAWN: Final = re.compile("[─│┃┌└├┏┡]")

#: A gap and the column after it. Comments are not a column.
_COLUMN: Final = re.compile(r"(?<=\S) {2,}([^\s#](?: ?\S)*)")

#: The longest row, in characters. Longer ones, such as those of signatures, wrap.
_ROW: Final = 100

#: Prompts of a shell and of Python: what follows is typed.
_PROMPTS: Final = ("$ ", ">>> ", "... ")

#: Columns by which a continued line is further to the right.
_HANGING: Final = 4

_TAG: Final = re.compile("<[^>]+>")


def _edges(line: str) -> set[tuple[str, int]]:
    return {edge for found in _COLUMN.finditer(line) for edge in (("left", found.start(1)), ("right", found.end(1)))}


def rowsOf(lines: Sequence[str]) -> list[bool]:
    """
    Return for each line of a block whether it is a row of a table or tree, which wrapping would spoil.
    """
    # The help of a command has columns as well, but those of a text.
    if not lines or lines[0].startswith("Usage: "):
        return [False] * len(lines)
    short = [len(line) <= _ROW and not line.startswith(_PROMPTS) for line in lines]
    columns = [_edges(line) if fits else set[tuple[str, int]]() for line, fits in zip(lines, short, strict=True)]
    rows = [fits and bool(_DRAWN.search(line)) for line, fits in zip(lines, short, strict=True)]
    for number in range(1, len(lines)):
        if columns[number - 1] & columns[number]:
            rows[number - 1] = rows[number] = True
    return rows


class BlockFormatter(HtmlFormatter[str]):
    """
    Formats each line as an element of its own that has the column at which it begins, and successive rows of a table as one.
    """

    def wrap(self, source: Iterable[tuple[int, str]]) -> Iterator[tuple[int, str]]:
        """
        Return the block with its frame.

        @param source: each line in HTML, after 1.
        """
        parts = [part for kind, part in source if kind == 1]
        lines = [unescape(_TAG.sub("", part)).rstrip().expandtabs() for part in parts]
        # The empty element keeps an empty first line.
        yield 0, '<pre><span></span>'
        inTable = False
        for part, line, row in zip(parts, lines, rowsOf(lines), strict=True):
            if row and not inTable:
                yield 0, '<span class="columns" tabindex="0" role="group" aria-label="Table">'
            elif inTable and not row:
                yield 0, "</span>"
            inTable = row
            depth = len(line) - len(line.lstrip())
            yield 1, part if row else f'<span class="line" style="--hang:{depth + _HANGING}ch">{part}</span>'
        yield 0, "</span></pre>" if inTable else "</pre>"
