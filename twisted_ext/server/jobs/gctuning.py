"""
How often the interpreter looks for garbage in a process that does nothing but serve.
"""

from __future__ import annotations

import gc
from typing import Final

__all__ = ["collectLess"]

#: Objects between two looks at the youngest of them, and such looks between those at the older ones. With the interpreter's own 700, each
#: batch of requests has it look several times, and now and then at everything; a request leaves no circle behind, so that little is found.
_THRESHOLDS: Final = (10_000, 50, 100)


def collectLess() -> None:
    """
    Leave what has been loaded by now out of the search for garbage, and search less often. To be called when a server has started; it is
    for the process as a whole, so that only whoever owns that calls it.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(*_THRESHOLDS)
