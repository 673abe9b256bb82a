"""
Several observers of queries as one, and the one that feeds the live list of the status page.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from zope.interface import classImplements

from twisted_ext.interfaces import IHitObserver, IQueryObserver
from twisted_ext.metrics.activity import LiveQuery
from twisted_ext.server.reply.results import Result, resultOf
from twisted_ext.wire.codes import rcodeName
from twisted_ext.wire.names import nameToText
from twisted_ext.wire.rrtypes import typeName

if TYPE_CHECKING:
    from twisted_ext.answers import Answer
    from twisted_ext.metrics.activity import Activity
    from twisted_ext.packetcache.clients import Client
    from twisted_ext.server.reply.requests import Refusal, Request
    from twisted_ext.transport.faultlog import FaultLog
    from twisted_ext.zone.store.version import DirectAnswer

__all__ = ["LiveList", "Observers"]


class LiveList:
    """
    Shows requests in the live list. Those that the packet cache answers are sampled by L{Activity.hit}.
    """

    def __init__(self, seconds: Callable[[], float], activity: Activity) -> None:
        self._seconds = seconds
        self._activity = activity

    def replied(self, request: Request, octets: bytes, cause: Answer | DirectAnswer | Refusal | None, gate: str) -> None:
        self._show(request, resultOf(octets, cause, gate))

    def dropped(self, request: Request, why: str) -> None:
        if why != "limit":
            self._show(request, Result(why))

    def _show(self, request: Request, result: Result) -> None:
        question = request.question
        self._activity.live.add(
            LiveQuery(
                request.arrived + self._activity.offset,
                request.client,
                request.transport,
                nameToText(question.name),
                typeName(question.rrType),
                "no reply" if result.rcode is None else rcodeName(result.rcode),
                result.status,
                self._seconds() - request.arrived,
                result.server,
            )
        )


classImplements(LiveList, IQueryObserver)


class Observers:
    """
    Tells several observers. One that raises is logged, and the others are told all the same.

    @ivar watchesHits: whether one of them is told of what the packet cache answers.
    """

    def __init__(self, observers: Sequence[IQueryObserver], faults: FaultLog) -> None:
        self._observers = tuple(observers)
        self._watching: list[IHitObserver] = [IHitObserver(each) for each in observers if IHitObserver.providedBy(each)]
        self._faults = faults
        self.watchesHits = bool(self._watching)

    def replied(self, request: Request, octets: bytes, cause: Answer | DirectAnswer | Refusal | None, gate: str) -> None:
        for each in self._observers:
            try:
                each.replied(request, octets, cause, gate)
            except Exception as error:
                self._faults.note(f"observing the reply to {request}", error, request.arrived)

    def dropped(self, request: Request, why: str) -> None:
        for each in self._observers:
            try:
                each.dropped(request, why)
            except Exception as error:
                self._faults.note(f"observing {request}", error, request.arrived)

    def hits(
        self,
        queries: Sequence[tuple[bytes, tuple[object, ...]]],
        bodies: Sequence[bytes],
        clients: Sequence[Client],
        transport: str,
        now: float,
    ) -> None:
        for each in self._watching:
            try:
                each.hits(queries, bodies, clients, transport, now)
            except Exception as error:
                self._faults.note("observing the packet cache", error, now)


classImplements(Observers, IHitObserver)
