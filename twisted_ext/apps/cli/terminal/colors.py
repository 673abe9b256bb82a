"""
Determines what the output can show: colors on terminals only, and characters by the locale.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import IO, TextIO

__all__ = ["Palette", "encodable", "isTerminal", "paletteFor"]


class Palette:
    """
    The colors of the output. With C{on} false the text is returned unchanged.
    """

    __slots__ = ("on",)

    def __init__(self, on: bool) -> None:
        self.on = on

    def _paint(self, code: str, text: str) -> str:
        return f"\x1b[{code}m{text}\x1b[0m" if self.on and text else text

    def comment(self, text: str) -> str:
        return self._paint("2", text)

    def status(self, rcode: str) -> str:
        paint = {"NOERROR": self.good, "NXDOMAIN": self.warning}.get(rcode, self.error)
        return paint(rcode)

    def good(self, text: str) -> str:
        return self._paint("32", text)

    def warning(self, text: str) -> str:
        return self._paint("33", text)

    def name(self, text: str) -> str:
        return self._paint("36", text)

    def type(self, text: str) -> str:
        return self._paint("35", text)

    def data(self, text: str) -> str:
        return self._paint("1", text)

    def error(self, text: str) -> str:
        return self._paint("31;1", text)


def isTerminal(stream: IO[str], environment: Mapping[str, str] = os.environ) -> bool:
    return stream.isatty() and environment.get("TERM") != "dumb"


def encodable(text: str, stream: TextIO) -> bool:
    try:
        text.encode(stream.encoding or "utf-8")
    except UnicodeEncodeError:
        return False
    return True


def paletteFor(stream: IO[str], wanted: bool | None = None, environment: Mapping[str, str] = os.environ) -> Palette:
    """
    @param wanted: L{None} for colors on a terminal, unless C{NO_COLOR} is not empty (U{https://no-color.org}).
    """
    return Palette(isTerminal(stream, environment) and not environment.get("NO_COLOR") if wanted is None else wanted)
