"""
Determines what the output can show: colors on terminals only, and characters by the locale.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import IO, TextIO

from twisted_ext.drawing.palette import Palette

__all__ = ["encodable", "isTerminal", "paletteFor"]


def isTerminal(stream: IO[str], environment: Mapping[str, str] = os.environ) -> bool:
    return stream.isatty() and environment.get("TERM") != "dumb"


def encodable(text: str, stream: TextIO) -> bool:
    try:
        text.encode(stream.encoding or "utf-8")
    except UnicodeEncodeError:
        return False
    return True


def paletteFor(stream: IO[str], wanted: int | None = None, environment: Mapping[str, str] = os.environ) -> Palette:
    """
    @param wanted: L{None} for colors on a terminal, unless C{NO_COLOR} is not empty (U{https://no-color.org}).
    """
    return Palette(isTerminal(stream, environment) and not environment.get("NO_COLOR") if wanted is None else bool(wanted))
