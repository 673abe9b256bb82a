"""
Cells that say until when what was learned from something holds.
"""

from __future__ import annotations

from twisted_ext.answers import Epoch

__all__ = ["Epoch"]
