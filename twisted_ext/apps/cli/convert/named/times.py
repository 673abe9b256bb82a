"""
Times in C{named.conf}.
"""

from __future__ import annotations

from typing import Final

from twisted_ext.apps.cli.convert.words import numberFrom

__all__ = ["secondsIn"]

_UNITS: Final = {"w": 604800, "d": 86400, "h": 3600, "m": 60, "s": 1}


def secondsIn(text: str) -> int:
    """
    Parse C{3600}, C{1h}, C{1w2d} and C{P1D}.
    """
    total, digits = 0, ""
    for letter in text.lower().lstrip("p").replace("t", ""):
        if letter.isdecimal():
            digits += letter
        elif letter in _UNITS and digits:
            total += (numberFrom(digits) or 0) * _UNITS[letter]
            digits = ""
    return total + (numberFrom(digits) or 0)
