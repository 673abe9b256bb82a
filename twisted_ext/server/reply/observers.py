"""
Several observers of queries as one.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from zope.interface import classImplements

from twisted_ext.interfaces import IQueryObserver

if TYPE_CHECKING:
    from twisted_ext.answers import Answer
    from twisted_ext.server.reply.requests import Refusal, Request
    from twisted_ext.transport.faultlog import FaultLog
    from twisted_ext.zone.query.direct import DirectAnswer

__all__ = ["Observers"]


class Observers:
    """
    Tells several observers. One that raises is logged, and the others are told all the same.
    """

    def __init__(self, observers: Sequence[IQueryObserver], faults: FaultLog) -> None:
        self._observers = tuple(observers)
        self._faults = faults

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


classImplements(Observers, IQueryObserver)
