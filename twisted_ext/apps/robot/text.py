"""
What the robot says: lines of text with styles, which each front renders in its own way.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Final, NamedTuple, TypeAlias, Union

from twisted_ext.apps.robot.limits import LINE_CHARACTERS, SAID_LINES

__all__ = ["Line", "Reply", "Said", "Span", "Style", "bad", "bold", "clean", "dim", "good", "line", "linesOf", "name", "warning"]

#: Characters that terminals, IRC clients and browsers act on: controls, line separators, changes of direction.
_ACTIVE: Final = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff\ufeff]")

_LINE_END: Final = re.compile("\r\n|\r|\n")


class Style(Enum):
    PLAIN = "plain"
    BOLD = "bold"
    DIM = "dim"
    NAME = "name"
    GOOD = "good"
    WARNING = "warning"
    BAD = "bad"


class Span(NamedTuple):
    text: str
    style: Style = Style.PLAIN


class Line(tuple[Span, ...]):
    """
    One line. C{str} returns it without styles.
    """

    __slots__ = ()

    def __str__(self) -> str:
        return "".join([span.text for span in self])


@dataclass(frozen=True, slots=True)
class Reply:
    """
    The reply of a command that has more than lines.

    @ivar said: the lines, the most important ones first: a front shows only the first ones, and the others when asked for C{more}.
    @ivar page: an HTML document for the robot's web pages, to which the reply then links; C{""} for none.
    """

    said: Said
    page: str = ""


#: What a command may return. Text with line ends becomes several lines.
Said: TypeAlias = Union[str, Span, Line, "Sequence[str | Span | Line]", None]


def bold(text: str) -> Span:
    return Span(text, Style.BOLD)


def dim(text: str) -> Span:
    return Span(text, Style.DIM)


def name(text: str) -> Span:
    return Span(text, Style.NAME)


def good(text: str) -> Span:
    return Span(text, Style.GOOD)


def warning(text: str) -> Span:
    return Span(text, Style.WARNING)


def bad(text: str) -> Span:
    return Span(text, Style.BAD)


def line(*parts: str | Span) -> Line:
    return Line([Span(part) if isinstance(part, str) else part for part in parts])


def clean(text: str) -> str:
    """
    Escape all characters with which a text could act on a terminal, an IRC client or a browser.
    """
    return _ACTIVE.sub(lambda found: f"\\x{ord(found[0]):02x}" if ord(found[0]) < 256 else f"\\u{ord(found[0]):04x}", text)


def linesOf(said: Said) -> list[Line]:
    """
    Return the lines of a reply, with all active characters escaped. Long lines are cut, and further ones dropped.

    @raise TypeError: it is nothing that can be said.
    """
    return [_shown(each) for each in _split(said)[: int(SAID_LINES.default)]]


def _split(said: Said) -> list[Line]:
    if said is None:
        return []
    if isinstance(said, str):
        return [line(each) for each in _LINE_END.split(said) if each]
    if isinstance(said, Span):
        return [line(said)]
    if isinstance(said, Line):
        return [said]
    if isinstance(said, (list, tuple)):
        return [each for part in said for each in _split(part)]
    # A generator would run outside of the plugin's time.
    raise TypeError(f"a plugin says a {type(said).__name__}; it takes text, lines, a list of them, or None")


def _shown(said: Line) -> Line:
    spans = []
    left = int(LINE_CHARACTERS.default)
    for text, style in said:
        text = clean(text[: left + 1])
        spans.append(Span(text if len(text) <= left else f"{text[:left]}…", style))
        left -= len(text)
        if left < 0:
            break
    return Line(spans)
