"""
Settings of the garbage collector for a process that only serves.
"""

from __future__ import annotations

import gc
from typing import Final

__all__ = ["collectLess"]

#: Allocations before a collection of the youngest generation, and collections before the next older ones. With the interpreter's default of
#: 700, each batch of requests causes several collections, some of them full; requests create no reference cycles, so these find little.
_THRESHOLDS: Final = (10_000, 50, 100)


def collectLess() -> None:
    """
    Exclude everything loaded so far from garbage collection, and collect less often. Call this when a server has started; it affects the
    whole process, so only the process's owner should call it.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(*_THRESHOLDS)
