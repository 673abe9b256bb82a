"""
Zones: what there is at which name, how that is kept, and what it answers.

C{Zone} is here as well as in L{twisted_ext.zone.zones}, for whoever builds one by code; it is loaded when it is asked for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from twisted_ext.zone.zones import Zone

__all__ = ["Zone"]


def __getattr__(name: str) -> object:
    """
    Load the class.
    """
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from twisted_ext.zone.zones import Zone

    globals()[name] = Zone
    return Zone


def __dir__() -> list[str]:
    """
    @return: what there is, and what will be.
    """
    return sorted({*globals(), *__all__})
