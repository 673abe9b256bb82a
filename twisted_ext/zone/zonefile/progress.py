"""
A reader of master files that reports its progress.
"""

from __future__ import annotations

from collections.abc import Callable

from twisted_ext.zone.zonefile.reader import Reader

__all__ = ["Telling"]


class Telling(Reader):
    """
    A reader that reports how many octets it has read.
    """

    __slots__ = ("_tell",)

    def __init__(self, apex: bytes, tell: Callable[[int], object]) -> None:
        """
        @param tell: called with the number of octets read since the last call, in all files.
        """
        super().__init__(apex, None, True)
        self._tell = tell

    def _chunk(self, data: bytes, position: int, number: int) -> tuple[int, int]:
        after, line = super()._chunk(data, position, number)
        self._tell(min(after, len(data)) - position)
        return after, line
