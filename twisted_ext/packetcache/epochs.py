"""
Epochs: cells whose value changes when everything learned from their source becomes invalid.
"""

from __future__ import annotations

from twisted_ext.answers import Epoch

__all__ = ["Epoch"]
