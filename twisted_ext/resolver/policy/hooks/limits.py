"""
Limits of hooks: how much may wait for a function of an application, and be kept of its verdicts.
"""

from __future__ import annotations

from typing import Final

from twisted_ext.limits import Limit

__all__ = ["CALLS", "KEPT"]

# -- functions of an application

#: Calls of one hook that may wait at once, each of some 3 kB: as many as requests may wait.
CALLS: Final = Limit(default=20_000, least=2, most=1_000_000)

#: Verdicts of one hook that are kept; each takes some 200 octets.
KEPT: Final = Limit(default=65_536, least=2, most=10_000_000)
