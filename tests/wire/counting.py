"""
A dictionary of name offsets that counts its look-ups.
"""

from __future__ import annotations

from typing import ClassVar, TypeVar, overload

__all__ = ["CountingDict"]

_T = TypeVar("_T")


class CountingDict(dict[bytes, int]):
    """
    Count the look-ups by C{get}.

    @cvar asked: how many there were, in all instances. A test sets it to zero first.
    """

    asked: ClassVar[int] = 0

    @overload
    def get(self, key: bytes, default: None = None, /) -> int | None: ...

    @overload
    def get(self, key: bytes, default: int, /) -> int: ...

    @overload
    def get(self, key: bytes, default: _T, /) -> int | _T: ...

    def get(self, key: bytes, default: object = None, /) -> object:
        CountingDict.asked += 1
        return super().get(key, default)
