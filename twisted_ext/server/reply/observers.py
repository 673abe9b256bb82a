"""
Several observers of queries as one.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from zope.interface import classImplements

from twisted_ext.interfaces import IHitObserver, IQueryObserver

if TYPE_CHECKING:
    from twisted_ext.answers import Answer
    from twisted_ext.packetcache.clients import Client
    from twisted_ext.server.reply.requests import Refusal, Request
    from twisted_ext.transport.faultlog import FaultLog
    from twisted_ext.zone.query.direct import DirectAnswer

__all__ = ["Observers"]


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
