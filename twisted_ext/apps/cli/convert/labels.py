"""
Names for lists and views, from those that other programs give them.
"""

from __future__ import annotations

import re

__all__ = ["labelFrom", "unlike"]


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
