"""
Names of views, and of policy zones.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from itertools import count
from typing import Final

__all__ = ["policyZoneName", "viewName"]

#: Characters of the name of a view: with a number behind it, it has at most 63.
_LONGEST: Final = 52

#: Names that views cannot have here.
_RESERVED: Final = ("all", "default", "policy-zones")


def viewName(name: str, others: Collection[str]) -> str:
    """
    Return a name that a view can have here, and that no other one has.

    @param name: that in another program.
    """
    text = re.sub(r"[^A-Za-z0-9_-]", "-", name)[:_LONGEST] or "view"
    return _numbered(f"view-{text}" if text in _RESERVED else text, others)


def policyZoneName(zone: str, others: Collection[str] = ()) -> str:
    """
    Return a name that a policy zone can have here, and that no other one has.

    @param zone: its name in the DNS.
    """
    return _numbered(re.sub(r"[^A-Za-z0-9_-]", "-", zone.rstrip(".").lower()).lstrip("-_")[:_LONGEST] or "policy", others)


def _numbered(text: str, others: Collection[str]) -> str:
    return next(each for number in count(1) if (each := f"{text}-{number}" if number > 1 else text) not in others)
