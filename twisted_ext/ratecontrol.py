"""
Control how many look-ups run in parallel and how many start per second, from the outcomes of earlier look-ups.
"""

from __future__ import annotations

from twisted_ext.errors import CallerFault
from twisted_ext.limits import BULK_WINDOW, LOSS_SHARE

__all__ = ["Rate", "Window"]

#: A window grows by this many look-ups, or by this part of itself, whichever is more, once doubling has ended.
_STEP = 2
_PART = 64

#: Doubling ends when this many rounds in a row brought no more than this much.
_FLAT_ROUNDS = 2
_GAIN = 1.1

#: After halving, losses have to fall to this part, or they are not of our making.
_HELPED = 0.75

#: No share of losses above this is ever taken for the names' own fault.
_MOST_TOLERATED = 0.9


class Window:
    """
    Additive increase, multiplicative decrease, by rounds of as many look-ups as the window holds.

    A look-up counts as lost if it was never answered or had to be sent again. Where too many of a round were lost, the window is
    halved. If that does not make it better, the losses are the names' own (zones whose servers are gone) and are tolerated from
    then on; so neither a server that drops what it cannot take nor a list of dead names costs more than it must.

    @ivar size: how many look-ups may be under way now.
    @ivar least: the window never gets smaller.
    @ivar most: nor larger.
    @ivar tolerated: the share of losses in a round that leaves the window as it is.
    """

    __slots__ = ("size", "least", "most", "tolerated", "_doubling", "_goal", "_done", "_lost", "_begun", "_best", "_flat", "_shrunk")

    def __init__(self, size: int = 32, *, least: int = 8, most: int | None = None) -> None:
        self.most = int(BULK_WINDOW.pick(most))
        self.least = min(least, self.most)
        self.size = min(max(size, self.least), self.most)
        self.tolerated = LOSS_SHARE.default
        self._doubling = True
        self._goal = self.size
        self._done = self._lost = 0
        self._begun: float | None = None
        self._best = 0.0
        self._flat = 0
        #: The share that made us halve in the round before, if it did.
        self._shrunk: float | None = None

    def note(self, now: float, lost: bool) -> None:
        """
        Take in what came of one look-up.
        """
        self._done += 1
        if lost:
            if self._done <= 0:
                return
            self._lost += 1
        elif self._done < self._goal:
            return
        if self._done >= self._goal or self._lost > self.tolerated * self._goal + 1:
            self._turn(now)

    def _turn(self, now: float) -> None:
        share = self._lost / self._done
        underway = 0
        if share > self.tolerated:
            self._doubling = False
            if self._shrunk is not None and share > self._shrunk * _HELPED:
                self.tolerated = min(share * 1.25, _MOST_TOLERATED)
                self._shrunk = None
            else:
                self._shrunk = share
                # What was begun before says nothing of the smaller window.
                underway = self.size
                self.size = max(self.least, self.size // 2)
        else:
            self._shrunk = None
            self._grow(now)
        self._goal = self.size
        self._done = -underway
        self._lost = 0
        self._begun = now

    def _grow(self, now: float) -> None:
        if not self._doubling:
            self.size = min(self.most, self.size + max(_STEP, self.size // _PART))
            return
        if self._begun is not None and now > self._begun:
            speed = self._done / (now - self._begun)
            if speed > self._best * _GAIN:
                self._best = speed
                self._flat = 0
            else:
                self._flat += 1
                if self._flat >= _FLAT_ROUNDS:
                    self._doubling = False
                    return
        self.size = min(self.most, self.size * 2)


class Rate:
    """
    No more than so many in a second, evenly.

    @ivar perSecond: how many.
    """

    __slots__ = ("perSecond", "_next")

    #: Seconds of quiet that may be caught up on.
    _CREDIT = 0.05

    def __init__(self, perSecond: float) -> None:
        """
        @raise CallerFault: this is no number above zero.
        """
        if not isinstance(perSecond, int | float) or not 0 < perSecond:
            raise CallerFault(f"a rate takes a number above zero, of look-ups to begin in a second, not {perSecond!r}")
        self.perSecond = perSecond
        self._next: float | None = None

    def take(self, now: float) -> float:
        """
        Ask for leave to begin one.

        @return: 0 if it may begin, which then counts; else in how many seconds to ask again.
        """
        if self._next is None or self._next < now - self._CREDIT:
            self._next = now if self._next is None else now - self._CREDIT
        if self._next > now:
            return self._next - now
        self._next += 1 / self.perSecond
        return 0.0
