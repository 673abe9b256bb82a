"""
Folders in that of the state.
"""

from __future__ import annotations

from typing import Final

__all__ = ["SIGNING", "VIEWS"]

#: The keys of zones that are signed, in one folder for each.
SIGNING: Final = "signing"

#: The states of views, each by its name.
VIEWS: Final = "views"
