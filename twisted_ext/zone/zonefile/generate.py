"""
The C{$GENERATE} directive: makes many records from one line by inserting numbers, as in BIND.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Final

from twisted_ext.errors import BadRecord
from twisted_ext.wire.tokens import badRecord

__all__ = ["Template", "numbersOf", "texts"]

_RANGE: Final = re.compile(r"([0-9]{1,10})-([0-9]{1,10})(?:/([0-9]{1,10}))?")

#: An escaped character; C{$$}; C{${offset,width,base}}; C{$}.
_PLACE: Final = re.compile(r"\\.|\$\$|\$\{([^}]*)\}|\$", re.DOTALL)

_BRACES: Final = re.compile(r"([+-]?[0-9]{1,10})(?:,([0-9]{1,3})(?:,([doxXnN]))?)?")

#: Limit of the numbers, as in BIND.
_MOST: Final = 0x7FFFFFFF

#: Maximum width of a number: names have no room for more.
_WIDEST: Final = 255


def numbersOf(word: str, column: int) -> range:
    """
    Parse the range of numbers.

    @param word: C{start-stop} or C{start-stop/step}.

    @raise BadRecord: the word is neither.
    """
    match = _RANGE.fullmatch(word)
    if match:
        start, stop, step = int(match[1]), int(match[2]), int(match[3] or 1)
        if start <= stop <= _MOST and 1 <= step <= _MOST:
            return range(start, stop + 1, step)
    raise badRecord(f"{word[:40]!r} where a range such as 1-254 or 0-510/2 was expected", column)


class Template:
    """
    A text with placeholders for a number.
    """

    def __init__(self, text: str, column: int) -> None:
        """
        @raise BadRecord: the text in braces is not C{offset,width,base}.
        """
        self._parts: list[str | Callable[[int], str]] = []
        self._least = self._most = 0
        self._column = column
        position = 0
        for match in _PLACE.finditer(text):
            found = match[0]
            if found[0] == "\\":
                continue
            self._parts.append(text[position : match.start()])
            position = match.end()
            if found == "$$":
                self._parts.append("\\$")
            elif match[1] is None:
                if text[position : position + 1] == "{":
                    raise _bad(text[match.start() :], column + match.start())
                self._parts.append(str)
            else:
                self._parts.append(_numbering(match[1], found, column + match.start()))
                offset = int(match[1].partition(",")[0])
                self._least, self._most = min(self._least, offset), max(self._most, offset)
        self._parts.append(text[position:])

    def fits(self, numbers: range) -> None:
        """
        @raise BadRecord: an offset leads to numbers beyond the limit.
        """
        if numbers[-1] + self._most > _MOST or numbers[0] + self._least < -_MOST - 1:
            raise badRecord(f"an offset leads to numbers beyond {_MOST}", self._column)

    def filled(self, number: int) -> str:
        return "".join([part if isinstance(part, str) else part(number) for part in self._parts])


def _bad(text: str, column: int) -> BadRecord:
    return badRecord(f"{text[:30]!r} where ${{offset}}, ${{offset,width}} or ${{offset,width,base}} was expected, a base of doxXnN", column)


def _numbering(inside: str, shown: str, column: int) -> Callable[[int], str]:
    match = _BRACES.fullmatch(inside)
    if not match or int(match[2] or 0) > _WIDEST or abs(int(match[1])) > _MOST:
        raise _bad(shown, column)
    offset, width, base = int(match[1]), int(match[2] or 0), match[3] or "d"
    if base in "nN":
        return lambda number: _nibbles(number + offset & 0xFFFFFFFF, width, base == "N")
    if base == "d":
        return lambda number: f"{number + offset:0{width}d}" if width else str(number + offset)
    return lambda number: f"{number + offset & 0xFFFFFFFF:0{width or 1}{base}}"


def _nibbles(value: int, width: int, upper: bool) -> str:
    """
    Return the hex digits from the last to the first, separated by dots.

    @param width: the number of characters, including the dots.
    """
    parts: list[str] = []
    while True:
        parts.append(f"{value & 15:X}" if upper else f"{value & 15:x}")
        value >>= 4
        width -= 1
        if width > 0 or value:
            parts.append(".")
            width -= 1
        if width <= 0 and not value:
            return "".join(parts)


def texts(numbers: range, owner: Template, head: str, rest: Template) -> Iterator[str]:
    """
    Generate lines of a master file.

    @param head: TTL, class and type.
    """
    owner.fits(numbers)
    rest.fits(numbers)
    for number in numbers:
        yield f"{owner.filled(number)} {head} {rest.filled(number)}"
