"""
Tests of requests whose look-up ends other look-ups, as when a socket reports only at the next query that the upstream is unreachable.
"""

from __future__ import annotations

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer

from tests.packetcache.lanes import Server
from tests.queries import queryOf
from twisted_ext.answers import Answer, QueryContext
from twisted_ext.errors import ServerFailed
from twisted_ext.interfaces import IAnswerSource
from twisted_ext.testing.sources import HeldSource
from twisted_ext.wire.message import Question


@implementer(IAnswerSource)
class _FailingOnNextQuery(HeldSource):
    """
    Fails all waiting look-ups at the next query.
    """

    def _start(self, question: Question, context: QueryContext) -> Deferred[Answer]:
        if self.held:
            self.release(ServerFailed("nobody is there", rcode=2))
        return super()._start(question, context)


class ReentranceTests(SynchronousTestCase):
    """
    Tests with one client.
    """

    def test_failedRequestsFreeTheirSlots(self) -> None:
        """
        Each request gets its reply and stops counting as waiting; otherwise the client would reach its limit.
        """
        clock = Clock()
        clock.advance(1_000_000)
        source = _FailingOnNextQuery()
        server = Server(clock, source, perClient=3)
        for number in range(20):
            server.ask(queryOf(f"n{number}.test.example"))
            self.assertEqual(len(server.sent), number)
        source.release(ServerFailed("nobody is there", rcode=2))
        counters = server.responder.counters
        self.assertEqual((len(server.sent), counters.failed, counters.overflowed, counters.pending), (20, 20, 0, 0))
        self.assertEqual(len(self.flushLoggedErrors()), 0)
