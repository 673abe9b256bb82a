"""
Control how many look-ups run in parallel and how many start per second, based on the outcomes of earlier look-ups.
"""

from __future__ import annotations

from math import isfinite
from typing import Final

from twisted_ext.errors import CallerFault
from twisted_ext.limits import BULK_WINDOW

__all__ = ["NotYet", "Rate", "ServerRates", "Window"]

#: Share of look-ups in a round that may be lost before the number of parallel look-ups is reduced.
_LOSS_SHARE: Final = 0.05

#: After doubling has ended, a window grows by this many look-ups, or by this fraction of its size, whichever is more.
_STEP = 2
_PART = 64

#: Doubling ends when the throughput has not grown by this factor for this many rounds in a row.
_FLAT_ROUNDS = 2
_GAIN = 1.1

#: If losses do not fall to this fraction after halving, they are not caused by the window's size.
_HELPED = 0.75

#: The upper limit of the tolerated share of losses.
_MOST_TOLERATED = 0.9


class Window:
    """
    Additive increase, multiplicative decrease, in rounds of as many look-ups as the window holds.

    A look-up counts as lost if it was never answered or had to be retransmitted. If the share of losses in a round is too high, the window
    is halved. If that does not help, the losses are caused by the names (zones whose servers are gone) and are tolerated from then on. So
    neither a server that drops excess queries nor a list of dead names slows down the run more than necessary.

    @ivar size: the current maximum number of look-ups in parallel.
    @ivar least: the minimum size.
    @ivar most: the maximum size.
    @ivar tolerated: the share of losses in a round that does not shrink the window.
    """

    def __init__(self, size: int = 32, *, least: int = 8, most: int | None = None) -> None:
        self.most = int(BULK_WINDOW.pick(most))
        self.least = min(least, self.most)
        self.size = min(max(size, self.least), self.most)
        self.tolerated = _LOSS_SHARE
        self._doubling = True
        self._goal = self.size
        self._done = self._lost = 0
        self._begun: float | None = None
        self._best = 0.0
        self._flat = 0
        #: The share of losses that caused halving in the previous round, if any.
        self._shrunk: float | None = None

    def note(self, now: float, lost: bool) -> None:
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
                # Look-ups begun before do not count for the smaller window.
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


def _expectRate(perSecond: object, what: str) -> float:
    if not isinstance(perSecond, int | float) or not 0 < perSecond or not isfinite(perSecond):
        raise CallerFault(f"a rate takes a number above zero, of {what} in a second, not {perSecond!r}")
    return float(perSecond)


class Rate:
    """
    Limits the number of look-ups that start per second, evenly spaced.

    @ivar perSecond: the limit.
    """

    #: Idle time that may be caught up on, in seconds.
    _CREDIT = 0.05

    def __init__(self, perSecond: object) -> None:
        """
        @param perSecond: checked here, since it may come from a user.

        @raise CallerFault: the rate is not a number above zero.
        """
        self.perSecond = _expectRate(perSecond, "look-ups to begin")
        self._next: float | None = None

    def take(self, now: float) -> float:
        """
        Ask to start one look-up.

        @return: 0 if it may start, which counts it; else the number of seconds after which to ask again.
        """
        if self._next is None or self._next < now - self._CREDIT:
            self._next = now if self._next is None else now - self._CREDIT
        if self._next > now:
            return self._next - now
        self._next += 1 / self.perSecond
        return 0.0

    def giveBack(self) -> None:
        """
        Do not count the last look-up: nothing was sent for it.
        """
        if self._next is not None:
            self._next -= 1 / self.perSecond


class NotYet(Exception):
    """
    A look-up was given up before its next query, since no server for that may be asked for a while. It is to be begun again then.

    @ivar servers: their addresses.
    @ivar seconds: when that is, from now on.
    """

    def __init__(self, servers: tuple[str, ...], seconds: float) -> None:
        super().__init__(f"{', '.join(servers)} may be asked in {seconds:.3f} s")
        self.servers = servers
        self.seconds = seconds


class ServerRates:
    """
    Limits the number of queries per second to each server, evenly spaced: of all look-ups whose context has this object.

    @ivar perSecond: the limit for one server.
    @ivar lookAhead: how long a later query of a look-up may wait for its turn, in seconds. A look-up that would have to wait longer, or at
        all before its first query, is given up, so that it does not keep others from the servers that they need. Two turns at least:
        otherwise one that takes two queries of a server would never get the second one.
    """

    #: Idle time that may be caught up on, in seconds: a late timer is no reason to be slower.
    _CREDIT: Final = 0.02

    #: Servers above which those are forgotten that could be asked at once.
    _MOST: Final = 65_536

    def __init__(self, perSecond: object) -> None:
        """
        @param perSecond: checked here, since it may come from a user.

        @raise CallerFault: it is less than one, or not a number.
        """
        self.perSecond = _expectRate(perSecond, "queries to one server")
        if self.perSecond < 1:
            # The time for a look-up would be over before its second query.
            raise CallerFault(f"a rate for each server is 1 a second or more, not {perSecond!r}")
        self.lookAhead = max(0.25, 2 / self.perSecond)
        self._next: dict[str, float] = {}
        self._most = self._MOST

    def wait(self, server: str, now: float) -> float:
        """
        Return the seconds until the turn of a query that is begun now; 0 for one that may be sent.
        """
        return max(0.0, self._next.get(server, now) - now)

    def count(self, server: str, now: float) -> None:
        """
        Give the next turn to a query.
        """
        self._next[server] = max(self._next.get(server, now), now - self._CREDIT) + 1 / self.perSecond
        if len(self._next) > self._most:
            self._next = {server: turn for server, turn in self._next.items() if turn > now}
            self._most = max(self._MOST, 2 * len(self._next))
