"""
Which declaration belongs to which record type.
"""

from __future__ import annotations

from twisted_ext.wire.records import Layout

__all__ = ["layoutOf"]

_LAYOUTS: dict[int, Layout] = {1: 4, 28: 16, 2: (0, 1, 0), 5: (0, 1, 0), 12: (0, 1, 0), 15: (2, 1, 0), 6: (0, 2, 20), 33: (6, 1, 0)}


def layoutOf(rrType: int) -> Layout:
    """
    @return: what reading needs to know of the type's rdata.
    """
    return _LAYOUTS.get(rrType)
