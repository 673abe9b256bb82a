"""
How much may wait for hooks, and be kept of their verdicts.
"""

from __future__ import annotations

from typing import Final

__all__ = ["CALLS", "KEPT"]

#: Calls of one hook that may wait at once, each of some 3 kB: as many as requests may wait.
CALLS: Final = 20_000

#: Verdicts of one hook that are kept; each takes some 200 octets.
KEPT: Final = 65_536
