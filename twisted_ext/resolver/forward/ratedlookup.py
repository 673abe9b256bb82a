"""
Look-ups whose queries wait for their turn at each server.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from twisted_ext.ratecontrol import NotYet, ServerRates
from twisted_ext.resolver.forward.lookup import ForwardedLookup

if TYPE_CHECKING:
    from twisted_ext.answers import QueryContext
    from twisted_ext.resolver.ask import Waiter
    from twisted_ext.resolver.forward.forwarder import ForwardingSource
    from twisted_ext.resolver.forward.nextstep import Came
    from twisted_ext.resolver.recursive.pool import ZoneServers
    from twisted_ext.wire.message import Question

__all__ = ["RatedLookup", "lookupFor"]


class RatedLookup(ForwardedLookup):
    """
    A look-up that asks each server no more often than its context allows. It has no probes: each of its queries is for its own answer.
    """

    __slots__ = ("_rates", "_parked", "_isGranted", "_isPart")

    def __init__(self, source: ForwardingSource | ZoneServers, question: Question, context: QueryContext, rates: ServerRates) -> None:
        super().__init__(source, question, context)
        self._rates = rates
        # Sends the query that waits for its turn.
        self._parked: Callable[[float], None] | None = None
        self._isGranted = False
        budget = context.budget
        # Whether it is a part of another one, which has sent something already.
        self._isPart = bool(context.aliases or (budget is not None and budget.isBegun))

    def overdue(self, now: float) -> None:
        go = self._parked
        if go is None or now >= self.context.deadline:
            super().overdue(now)
            return
        self._parked = None
        # It may go over TCP.
        self._isGranted = True
        go(now)
        self._isGranted = False

    def _send(self, index: int, now: float, again: bool = False) -> None:
        if not self.attempts:
            index = min([(self._waitFor(each, now), each != index, each) for each in self._usable(index, now)])[2]
        if self._isItsTurn(index, now, partial(super()._send, index, again=again)):
            # It may go over TCP.
            self._isGranted = True
            super()._send(index, now, again)
            self._isGranted = False

    def _byStream(self, index: int, now: float, because: Came | None) -> None:
        if self._isItsTurn(index, now, partial(super()._byStream, index, because=because)):
            super()._byStream(index, now, because)

    def _probe(self, chosen: int, now: float) -> None:
        pass

    def _usable(self, first: int, now: float) -> list[int]:
        """
        Return the indices of the servers that work.

        @param first: one that is to be asked in any case.
        """
        return [index for index, standing in enumerate(self._source.standings) if index == first or standing.downUntil <= now]

    def _waitFor(self, index: int, now: float) -> float:
        return self._rates.wait(self._source.upstreams[index].server.address, now)

    def _isItsTurn(self, index: int, now: float, go: Callable[[float], None]) -> bool:
        """
        Return whether the next query may be sent to a server now. If not, it is sent in its turn, or the look-up ends with L{NotYet}.

        @param go: sends it. What has waited until now is sent no more.
        """
        self._parked = None
        if self._isGranted:
            self._isGranted = False
            return True
        source, context, rates = self._source, self.context, self._rates
        wait = self._waitFor(index, now)
        if not self.attempts and wait > (rates.lookAhead if self._isPart else 0.0):
            servers = tuple([source.upstreams[each].server.address for each in self._usable(index, now)])
            self._over()
            self.refuse(NotYet(servers, wait))
            return False
        rates.count(source.upstreams[index].server.address, now)
        if not wait:
            return True
        self._parked = go
        self.due = min(now + wait, context.deadline)
        source.timetable.add(self)
        return False


def lookupFor(source: ForwardingSource | ZoneServers, question: Question, context: QueryContext, waiter: Waiter) -> ForwardedLookup:
    """
    Return the look-up of a question, to be begun.
    """
    rates = context.serverRates
    lookup = ForwardedLookup(source, question, context) if rates is None else RatedLookup(source, question, context, rates)
    lookup.waiter = waiter
    return lookup
