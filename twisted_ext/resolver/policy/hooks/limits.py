"""
How much may wait for hooks, and be kept of their verdicts. Compiled code looks up what is not final, so that tests can lower it.
"""

from __future__ import annotations

__all__ = ["CALLS", "KEPT"]

#: Calls of one hook that may wait at once, each of some 3 kB: as many as requests may wait.
CALLS: int = 20_000

#: Verdicts of one hook that are kept; each takes some 200 octets.
KEPT: int = 65_536
