"""
What a message holds, in forms that tests compare: typed options, records as text.
"""

from __future__ import annotations

from twisted_ext.wire.message import EDNS
from twisted_ext.wire.options import Option, optionFromWire

__all__ = ["optionsOf"]


def optionsOf(edns: EDNS | None) -> list[Option]:
    """
    Return the options of an OPT record in order; none if there is no such record.
    """
    return [] if edns is None else [optionFromWire(code, octets) for code, octets in edns.options]
