"""
A process that is given zones to make ready and never says anything, for as long as somebody might give it more:
C{python -m tests.live.zones.silent}.
"""

from __future__ import annotations

import sys

__all__: list[str] = []

if __name__ == "__main__":
    for _ in sys.stdin:
        pass
