"""
Determines what the output can show: colors on terminals only, and characters by the locale.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import IO, Final, TextIO

__all__ = ["Palette", "encodable", "isTerminal", "paletteFor"]

_RESET: Final = "\x1b[0m"


class Palette:
    """
    The colors of the output. With C{on} false the text is returned unchanged.
    """

    __slots__ = ("on",)

    def __init__(self, on: bool) -> None:
        self.on = on

    def _paint(self, code: str, text: str) -> str:
        return f"\x1b[{code}m{text}{_RESET}" if self.on and text else text

    def comment(self, text: str) -> str:
        """
        Color a comment, which is not part of the reply.
        """
        return self._paint("2", text)

    def status(self, rcode: str) -> str:
        """
        Color the mnemonic of an rcode.
        """
        return self._paint({"NOERROR": "32", "NXDOMAIN": "33"}.get(rcode, "31;1"), rcode)

    def name(self, text: str) -> str:
        """
        Color the owner name of a record.
        """
        return self._paint("36", text)

    def type(self, text: str) -> str:
        """
        Color a record type.
        """
        return self._paint("35", text)

    def data(self, text: str) -> str:
        """
        Color the data of a record.
        """
        return self._paint("1", text)

    def error(self, text: str) -> str:
        """
        Color an error.
        """
        return self._paint("31;1", text)


def isTerminal(stream: IO[str], environment: Mapping[str, str] = os.environ) -> bool:
    """
    Return whether the stream is a terminal that supports control sequences.
    """
    return stream.isatty() and environment.get("TERM") != "dumb"


def encodable(text: str, stream: TextIO) -> bool:
    """
    Return whether all characters of C{text} can be encoded for C{stream}.
    """
    try:
        text.encode(stream.encoding or "utf-8")
    except UnicodeEncodeError:
        return False
    return True


def paletteFor(stream: IO[str], wanted: bool | None = None, environment: Mapping[str, str] = os.environ) -> Palette:
    """
    Return the colors for a stream.

    @param wanted: L{None} for colors on a terminal, unless C{NO_COLOR} is not empty (U{https://no-color.org}).
    """
    return Palette(isTerminal(stream, environment) and not environment.get("NO_COLOR") if wanted is None else wanted)
