"""
Limits on what metrics count and keep.
"""

from __future__ import annotations

from typing import Final

from twisted_ext.limits import Limit

__all__ = [
    "NAMES_COUNTED", "NAMES_SLOW", "NAMES_SHOWN", "HISTORY_SECONDS",
]

# -- names and history

#: Names whose queries are counted; a flood of other names at most halves the counts.
NAMES_COUNTED: Final = Limit(default=1024, least=16, most=65536)

#: Names whose look-up times are kept.
NAMES_SLOW: Final = Limit(default=64, least=8, most=4096)

#: Names shown at a time.
NAMES_SHOWN: Final = Limit(default=20, least=1, most=1000)

#: Seconds of history on the status page.
HISTORY_SECONDS: Final = Limit(default=300, least=10, most=3600)
