"""
Lines as IRC has them: colors, and the text in pieces that fit into one message.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Final

from twisted_ext.apps.robot.text import Line, Span, Style, clean

__all__ = ["decoded", "piecesOf", "withoutFormats"]

#: Bold, colors by number or value, reset, reverse, italics, strikethrough, underline, monospace.
_FORMATS: Final = re.compile("\x03(?:\\d{1,2}(?:,\\d{1,2})?)?|\x04(?:[0-9A-Fa-f]{6})?|[\x02\x0f\x11\x16\x1d\x1e\x1f]")

_CODES: Final[Mapping[Style, str]] = {
    Style.PLAIN: "",
    Style.BOLD: "\x02",
    Style.DIM: "\x0314",
    Style.NAME: "\x0302",
    Style.GOOD: "\x0303",
    Style.WARNING: "\x0307",
    Style.BAD: "\x0304",
}

_RESET: Final = "\x0f"

#: Between a color and a comma, which would begin the color of the background.
_NOTHING: Final = "\x02\x02"

#: Octets for the codes before and behind a span.
_AROUND: Final = 6


def decoded(line: bytes) -> str:
    """
    Decode a line from a network. Clients send UTF-8 or Windows' Western code page; servers cut lines within a character.
    """
    try:
        return line.decode("utf-8")
    except UnicodeDecodeError as error:
        if error.reason == "unexpected end of data":
            return line[: error.start].decode("utf-8")
        return line.decode("cp1252", "replace")


def withoutFormats(text: str) -> str:
    """
    Remove formats, and escape all other active characters.
    """
    return clean(_FORMATS.sub("", text))


def piecesOf(line: Line, room: int, colors: bool) -> Iterator[str]:
    """
    Split a line between words, and within a word only if the room is too small for it.

    @param room: octets for each piece.
    """
    around = _AROUND if colors else 0
    piece: list[Span] = []
    used = 0
    for span in line:
        for word in re.findall(r"\s*\S+|\s+$", span.text):
            cost = len(word.encode("utf-8")) + (around if not piece or piece[-1].style is not span.style else 0)
            if used + cost > room and piece:
                yield _written(piece, colors)
                piece, used, word = [], 0, word.lstrip()
            while len(word.encode("utf-8")) + around > room:
                head = word.encode("utf-8")[: room - around].decode("utf-8", "ignore")
                yield _written([Span(head, span.style)], colors)
                word = word[len(head) :]
            if not word:
                continue
            if piece and piece[-1].style is span.style:
                piece[-1] = Span(piece[-1].text + word, span.style)
                used += len(word.encode("utf-8"))
            else:
                piece.append(Span(word, span.style))
                used += len(word.encode("utf-8")) + around
    if any(span.text.strip() for span in piece):
        yield _written(piece, colors)


def _written(piece: list[Span], colors: bool) -> str:
    return "".join([_colored(span) if colors and span.style is not Style.PLAIN else span.text for span in piece])


def _colored(span: Span) -> str:
    between = _NOTHING if span.text.startswith(",") else ""
    return f"{_CODES[span.style]}{between}{span.text}{_RESET}"
