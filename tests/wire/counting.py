"""
Where names stand in a message, with all that is asked of it counted.
"""

from __future__ import annotations

from typing import ClassVar, TypeVar, overload

__all__ = ["CountingDict"]

_T = TypeVar("_T")


class CountingDict(dict[bytes, int]):
    """
    Counts what is looked for with C{get}.

    @cvar asked: how often something was, in all of them; a test begins with none.
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
