"""
A compiler process that never reports anything as long as its standard input is open: C{python -m tests.live.zones.silent}.
"""

from __future__ import annotations

import sys

__all__: list[str] = []

if __name__ == "__main__":
    for _ in sys.stdin:
        pass
