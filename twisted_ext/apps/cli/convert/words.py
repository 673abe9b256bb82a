"""
Words of a configuration, and where they are; names for lists and views, and rules of lists, made from those of other programs.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from io import BytesIO
from itertools import islice
from typing import Final

from twisted_ext.apps.cli.convert.converted import Converted, Place
from twisted_ext.apps.cli.convert.limits import WORDS
from twisted_ext.errors import BadDescription
from twisted_ext.resolver.local.localanswers import Complaints
from twisted_ext.resolver.policy.rules.listfile import parseList

__all__ = ["Word", "bounded", "isRule", "labelFrom", "numberFrom", "unlike"]

#: Digits of a number that are read. No setting takes so large a number, so further ones do not matter.
_DIGITS: Final = 18


def isRule(line: str, place: Place, converted: Converted) -> bool:
    """
    Return whether a line with an expression between slashes is a rule that a list can have. If not, there is a finding. Without the library
    for expressions there is a note.
    """
    if find_spec("re2") is None:
        converted.note(place, "regular expressions take google-re2", "pip install 'twisted-ext[lists]'")
        return True
    complaints = Complaints()
    for _ in parseList(BytesIO(line.encode("utf-8", "replace")), complaints):
        pass
    if complaints.count:
        converted.missing(place, complaints.texts[0].partition(": ")[2], "write ||domain^, or a pattern such as ||ad*.example.com^")
    return not complaints.count


def labelFrom(text: str) -> str:
    """
    Return a text as a name for a list or a view.
    """
    return re.sub(r"[^A-Za-z0-9_]+", "-", text).strip("-_").lower()[:40] or "list"


def unlike(names: set[str], wanted: str) -> str:
    """
    Return a name that is none of those, with a number if need be, and add it to them.
    """
    name = wanted[:63]
    count = 1
    while name in names:
        count += 1
        name = f"{wanted[:58]}-{count}"
    names.add(name)
    return name


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
