"""
All features, from that which a query meets first to the last.
"""

from __future__ import annotations

from typing import Final

from twisted_ext.server.features.base.feature import Feature
from twisted_ext.server.features.rebinding.feature import RebindingFeature

__all__ = ["ORDER"]

ORDER: Final[tuple[Feature, ...]] = (RebindingFeature(),)
