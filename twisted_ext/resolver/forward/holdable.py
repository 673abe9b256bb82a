"""
What the admission queue needs of a shared look-up. It has a module of its own because compiled modules cannot have protocols that are
checked at run time.
"""

from __future__ import annotations

from typing import Protocol, runtime_checkable

__all__ = ["Holdable"]


@runtime_checkable
class Holdable(Protocol):
    """
    A shared look-up whose callers' deadlines are suspended from C{hold}, when its question is queued, to C{proceed}, when it is sent.
    """

    def hold(self, now: float) -> None: ...

    def proceed(self, now: float) -> None: ...
