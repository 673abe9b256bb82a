"""
Bounds of what is counted and kept for whoever watches.
"""

from __future__ import annotations

from typing import Final

from twisted_ext.limits import Limit

__all__ = [
    "NAMES_COUNTED", "NAMES_SLOW", "NAMES_SHOWN", "HISTORY_SECONDS",
]

# -- names and history

#: Names of which it is counted how often they are asked for; a flood of others halves what is known of them, no more.
NAMES_COUNTED: Final = Limit(default=1024, least=16, most=65536)

#: Names of which it is known how long they took.
NAMES_SLOW: Final = Limit(default=64, least=8, most=4096)

#: Names shown at a time.
NAMES_SHOWN: Final = Limit(default=20, least=1, most=1000)

#: Seconds that the status page looks back.
HISTORY_SECONDS: Final = Limit(default=300, least=10, most=3600)
