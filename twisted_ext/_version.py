"""
The version of this package, defined in one place.
"""

from __future__ import annotations

from typing import Final

__version__: Final = "0.1.0.dev0"
