"""
A source that always fails, for use when no server is configured.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NoReturn

from twisted.internet.defer import Deferred, succeed
from zope.interface import implementer

from twisted_ext.answers import QueryContext
from twisted_ext.errors import DNSFault
from twisted_ext.interfaces import IAnswerSource
from twisted_ext.wire.message import Question

__all__ = ["FailingSource"]


@implementer(IAnswerSource)
class FailingSource:
    """
    Fails every question with a fault that explains why there is no upstream.
    """

    def __init__(self, fault: Callable[[], DNSFault]) -> None:
        """
        @param fault: creates the fault of each look-up.
        """
        self._fault = fault

    def ask(self, question: Question, context: QueryContext) -> NoReturn:
        raise self._fault()

    def close(self) -> Deferred[None]:
        return succeed(None)

    def sources(self) -> tuple[IAnswerSource, ...]:
        return ()
