"""
Feeds the live list of the status page.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from zope.interface import classImplements

from twisted_ext.interfaces import IQueryObserver
from twisted_ext.metrics.activity import LiveQuery
from twisted_ext.server.reply.results import Result, resultOf
from twisted_ext.wire.codes import rcodeName
from twisted_ext.wire.names import nameToText
from twisted_ext.wire.rrtypes import typeName

if TYPE_CHECKING:
    from twisted_ext.answers import Answer
    from twisted_ext.metrics.activity import Activity
    from twisted_ext.server.reply.requests import Refusal, Request
    from twisted_ext.zone.query.direct import DirectAnswer

__all__ = ["LiveList"]


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
