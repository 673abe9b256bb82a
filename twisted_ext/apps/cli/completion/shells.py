"""
What completion is for.
"""

from __future__ import annotations

from typing import Final

__all__ = ["PROGRAMS", "SHELLS"]

#: The programs, the first of which is the default.
PROGRAMS: Final = ("txdns", "twistd")

#: The shells.
SHELLS: Final = ("bash", "zsh", "fish")
