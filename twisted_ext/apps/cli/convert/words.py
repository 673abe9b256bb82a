"""
Words of a configuration, and where they are.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Final

from twisted_ext.apps.cli.convert.limits import WORDS
from twisted_ext.errors import BadDescription

__all__ = ["Word", "bounded", "numberFrom"]

#: Digits of a number that are read. No setting takes so large a number, so further ones do not matter.
_DIGITS: Final = 18


@dataclass(slots=True, frozen=True)
class Word:
    """
    @ivar isQuoted: whether it was in quotes, so that it is text where a bare word would be punctuation or an option.
    """

    text: str
    file: str
    line: int
    isQuoted: bool = False

    def isMark(self, mark: str) -> bool:
        """
        Return whether this is a bare word that reads so.
        """
        return self.text == mark and not self.isQuoted


def bounded(words: Iterator[Word], most: int = int(WORDS.default)) -> Iterator[Word]:
    """
    @raise BadDescription: there are more than C{most}.
    """
    yield from islice(words, most)
    further = next(words, None)
    if further is not None:
        raise BadDescription(f"{further.file}:{further.line}: the file has more than {most} words")


def numberFrom(text: str) -> int | None:
    """
    Return a whole number without a sign, L{None} if it is not one. One that is too long to convert stays larger than any setting takes.
    """
    return int(text.lstrip("0")[:_DIGITS] or "0") if text.isascii() and text.isdecimal() else None
