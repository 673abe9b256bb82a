"""
Zones: storage, master files, queries, updates, transfers and checks.

C{Zone} is exported here as well as in L{twisted_ext.zone.zone}, for programs that build zones.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from twisted_ext.lazy import lazyNames

if TYPE_CHECKING:
    from twisted_ext.zone.zone import Zone

__all__ = ["Zone"]

__getattr__, __dir__ = lazyNames(__name__, {"twisted_ext.zone.zone": __all__})
