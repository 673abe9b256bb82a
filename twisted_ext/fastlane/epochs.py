"""
Cells that say until when what was learned from something holds.
"""

from __future__ import annotations

__all__ = ["Epoch"]


class Epoch:
    """
    The state of a zone, a cache or a policy, as a number. Whoever keeps what came from it keeps the number too; when that is not C{value}
    any more, what was kept is void.

    @ivar value: goes up with each change.
    """

    __slots__ = ("value",)

    def __init__(self) -> None:
        self.value = 0

    def bump(self) -> None:
        """
        Make all that was kept until now void.
        """
        self.value += 1
