"""
What the admission queue needs of a shared look-up.
"""

from __future__ import annotations

from mypy_extensions import mypyc_attr

__all__ = ["Holdable"]


@mypyc_attr(allow_interpreted_subclasses=True)
class Holdable:
    """
    A shared look-up whose callers' deadlines are suspended from C{hold}, when its question is queued, to C{proceed}, when it is sent. It is
    a class, since each queued look-up is checked for it twice: checking for the methods of a protocol takes twenty microseconds.
    """

    __slots__ = ()

    def hold(self, now: float) -> None:
        raise NotImplementedError

    def proceed(self, now: float) -> None:
        raise NotImplementedError
