"""
Names of views.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from itertools import count
from typing import Final

__all__ = ["viewName"]

#: Characters of the name of a view: with a number behind it, it has at most 63.
_LONGEST: Final = 52

#: Names that views cannot have here.
_RESERVED: Final = ("all", "default")


def viewName(name: str, others: Collection[str]) -> str:
    """
    Return a name that a view can have here, and that no other one has.

    @param name: that in another program.
    """
    text = re.sub(r"[^A-Za-z0-9_-]", "-", name)[:_LONGEST] or "view"
    text = f"view-{text}" if text in _RESERVED else text
    return next(each for number in count(1) if (each := f"{text}-{number}" if number > 1 else text) not in others)
