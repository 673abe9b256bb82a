"""
Rules in force, of lists or of response policy zones.
"""

from __future__ import annotations

from itertools import count
from typing import Final

from twisted.internet.defer import Deferred

from twisted_ext.answers import Epoch

__all__ = ["Ruling"]

#: Numbers of rules.
_numbers: Final = count(1)


class Ruling:
    """
    The rules of one kind for the clients of one view. It stays the same object when they change.

    @ivar epoch: changes with each of them.
    @ivar given: whether there may be rules.
    @ivar number: that of these rules as they apply now, which no others have, and which is higher than those of all before.
    """

    def __init__(self) -> None:
        self.epoch = Epoch()
        self.given = False
        self.number = 0
        self._waiting: dict[Deferred[None], None] | None = None

    @property
    def waits(self) -> bool:
        """
        Whether they are being read for the first time, and names have to wait for them.
        """
        return self._waiting is not None

    def wait(self) -> Deferred[None]:
        """
        @return: fires when they have been read.
        """
        waiting = self._waiting
        assert waiting is not None
        waits: Deferred[None] = Deferred(lambda done: waiting.pop(done, None))
        waiting[waits] = None
        return waits

    def _go(self, *, goOn: bool = False) -> None:
        """
        Have names go on that wait.

        @param goOn: whether further ones have to wait all the same.
        """
        waiting = self._waiting
        self._waiting = {} if goOn and waiting is not None else None
        # What continues may cancel others that wait.
        while waiting:
            waiting.popitem()[0].callback(None)

    def _renumber(self) -> None:
        """
        Invalidate what was derived from them.
        """
        self.number = next(_numbers)
        self.epoch.bump()
