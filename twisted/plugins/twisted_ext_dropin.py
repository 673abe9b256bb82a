"""
The plugins of twisted_ext, by name only: nothing heavy is imported until used.
"""

from __future__ import annotations

__all__: list[str] = []
