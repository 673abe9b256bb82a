"""
Tests of the queue of look-ups that wait until the servers can take them.
"""

from __future__ import annotations

import tracemalloc
from collections import Counter

from twisted.internet.defer import CancelledError, Deferred
from twisted.python.failure import Failure

from tests.networks import NetworkTestCase
from twisted_ext.answers import Answer, QueryContext
from twisted_ext.compat.conversion.errors import LookupQueueFullError, errorFromFault
from twisted_ext.errors import Closed, QueueFull, TimedOut
from twisted_ext.interfaces import IAnswerSource
from twisted_ext.limits import LOOKUPS_BURST
from twisted_ext.resolver.ask import lookUp
from twisted_ext.resolver.caching.coalescing import CoalescingSource
from twisted_ext.resolver.forward.forwarder import ForwardingSource
from twisted_ext.testing.network import Datagram
from twisted_ext.testing.servers import CannedServer
from twisted_ext.testing.sources import questionOf

BURST = int(LOOKUPS_BURST.default)


class Buffer:
    """
    The receive buffer of a server, with a limited size and a limited number of datagrams read per second.
    """

    def __init__(self, server: CannedServer, room: float, perSecond: float) -> None:
        self.server = server
        self.room = room
        self.perSecond = perSecond
        self.full = 0.0
        self.lost = 0
        self._at = 0.0

    def admit(self, datagram: Datagram) -> bool:
        """
        Return whether there is room for the datagram.
        """
        self.full = max(0.0, self.full - (datagram.at - self._at) * self.perSecond)
        self._at = datagram.at
        if self.full >= self.room:
            self.lost += 1
            return False
        self.full += 1
        self.server.delay = self.full / self.perSecond
        return True


class AdmissionTests(NetworkTestCase):
    """
    Tests for L{Admission<twisted_ext.resolver.forward.forwarder.Admission>} through look-ups.
    """

    def setUp(self) -> None:
        super().setUp()
        self.network.recording = False
        self.canned, self.server = self.serve()
        self.canned.otherwise = "192.0.2.80"
        self.results: Counter[str] = Counter()

    def begin(self, source: IAnswerSource, count: int, seconds: float = 5.0) -> list[Deferred[Answer]]:
        """
        Begin many look-ups in one turn.
        """
        begun: list[Deferred[Answer]] = []
        for number in range(count):
            context = QueryContext(self.here.seconds() + seconds)
            begun.append(lookUp(source, questionOf(f"h{number}.test.example"), context))
        return begun

    def count(self, begun: list[Deferred[Answer]]) -> None:
        """
        Count the results of look-ups.
        """
        for each in begun:
            each.addBoth(self.counted)

    def counted(self, result: Answer | Failure) -> None:
        """
        Count one result.
        """
        self.results[type(result.value).__name__ if isinstance(result, Failure) else "answered"] += 1

    def test_burstIsAnsweredCompletely(self) -> None:
        """
        Three thousand look-ups begun in one turn are all answered by a server that reads three hundred queries per second, although
        that takes longer than the timeout of a look-up.
        """
        buffer = Buffer(self.canned, 277, 300)
        self.network.shape("192.0.2.53", delay=0.01, admit=buffer.admit)
        self.count(self.begin(CoalescingSource(self.forward(self.server), self.here), 3000))
        self.network.advance(5)
        self.assertLess(self.results["answered"], 3000)
        self.network.advance(25)
        self.assertEqual(self.results, {"answered": 3000})

    def test_timeoutStartsWhenSent(self) -> None:
        """
        A caller's own timeout does not run while the query waits in the queue. It starts when the query is sent.
        """
        buffer = Buffer(self.canned, 277, 1000)
        self.network.shape("192.0.2.53", delay=0.01, admit=buffer.admit)
        self.count(self.begin(CoalescingSource(self.forward(self.server), self.here), 5000, 2.0))
        self.network.advance(30)
        self.assertEqual(self.results, {"answered": 5000})
        self.canned.silent = True
        self.network.shape("192.0.2.53", delay=0.01)
        source = CoalescingSource(self.forward(self.server), self.here)
        self.results.clear()
        self.count(self.begin(source, BURST, 2.0))
        self.network.advance(2.1)
        self.assertEqual(self.results, {"TimedOut": BURST})

    def test_queueStartsAboveTheLimit(self) -> None:
        """
        Look-ups up to the limit are sent at once. The rest wait and are sent as replies arrive.
        """
        source = self.forward(self.server)
        self.begin(source, BURST)
        self.assertEqual(self.network.sent["192.0.2.53", 53], BURST)
        self.network.advance(1)
        before = self.network.sent["192.0.2.53", 53]
        self.count(self.begin(source, 1000))
        sent = self.network.sent["192.0.2.53", 53] - before
        self.assertLessEqual(BURST, sent)
        self.assertLessEqual(sent, 2 * BURST)
        self.network.advance(1)
        self.assertEqual((self.results, self.network.sent["192.0.2.53", 53] - before), ({"answered": 1000}, 1000))

    def test_steadyLookupsAreNotQueued(self) -> None:
        """
        Many look-ups in flight do not delay others that begin one by one.
        """
        source = self.forward(self.server)
        self.canned.delay = 0.3
        for _ in range(100):
            self.count(self.begin(source, 20))
            self.assertFalse(source.admission.queue)
            self.network.advance(0.005)
        self.network.advance(2)
        self.assertEqual(self.results, {"answered": 2000})

    def test_silentServerDoesNotBlockTheQueue(self) -> None:
        """
        The queue does not wait for the replies of a silent server. All look-ups begin and time out.
        """
        self.network.shape("192.0.2.53", silent=True)
        began = self.here.seconds()
        begun = self.begin(self.forward(self.server), 2000)
        self.count(begun)
        while self.results.total() < 2000:
            self.network.advance(0.1)
        self.assertEqual(self.results, {"TimedOut": 2000})
        self.assertLess(self.here.seconds() - began, 9)

    def test_closedPortFailsAllAtOnce(self) -> None:
        """
        All look-ups fail at once if the port is closed.
        """
        self.canned.close()
        self.count(self.begin(self.forward(self.server), 2000))
        self.network.advance(0.5)
        self.assertEqual(self.results, {"Unreachable": 2000})

    def test_fullQueueRefusesAtOnce(self) -> None:
        """
        Look-ups above the limit of the queue fail at once with their own error, which Twisted's callers get as an exception of
        C{twisted.names}.
        """
        source = ForwardingSource(self.here, [self.server], mostWaiting=10)
        begun = self.begin(source, 1000)
        self.count(begun)
        self.assertGreater(self.results["QueueFull"], 1000 - 2 * BURST - 11)
        self.network.advance(1)
        self.assertEqual(self.results.total(), 1000)
        self.assertIsInstance(errorFromFault(QueueFull("full")), LookupQueueFullError)

    def test_cancelledLookupIsNotSent(self) -> None:
        """
        A cancelled look-up in the queue is not sent, and the others go on.
        """
        for source in (self.forward(self.server), CoalescingSource(self.forward(self.server), self.here)):
            self.canned.asked.clear()
            self.results.clear()
            begun = self.begin(source, 1000)
            for each in begun[500:]:
                each.cancel()
                self.failureResultOf(each, CancelledError)
            self.count(begun[:500])
            self.network.advance(1)
            self.assertEqual((self.results, len(self.canned.asked)), ({"answered": 500}, 500))
            begun = self.begin(source, 1000)
            for each in begun:
                each.cancel()
                self.failureResultOf(each, CancelledError)
            self.assertEqual(self.here.pending(), [])
            self.network.advance(1)

    def test_closeEndsQueuedLookups(self) -> None:
        """
        Closing ends queued look-ups.
        """
        source = self.forward(self.server)
        begun = self.begin(source, 1000)
        source.close()
        for each in begun:
            self.failureResultOf(each, Closed)
        self.assertEqual(self.here.pending(), [])

    def test_queuedLookupTakesTwoKilobytes(self) -> None:
        """
        A queued look-up takes less than two kilobytes.
        """
        source = self.forward(self.server)
        self.begin(source, 300)
        tracemalloc.start()
        try:
            begun = self.begin(source, 2000)
            taken, _ = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        self.assertLess(taken / 2000, 2000)
        self.count(begun)
        self.network.advance(5)
        self.assertEqual(self.results, {"answered": 2000})

    def test_sentLookupKeepsItsTimeout(self) -> None:
        """
        A look-up has the timeout of its caller after it is sent, and no more.
        """
        source = self.forward(self.server)
        begun = self.begin(source, 3 * BURST, 3.0)
        self.canned.silent = True
        self.network.advance(2.9)
        self.assertNoResult(begun[0])
        self.network.advance(0.2)
        self.failureResultOf(begun[0], TimedOut)
        self.assertNoResult(begun[-1])
        self.network.advance(3.0)
        for each in begun[1:]:
            self.failureResultOf(each, TimedOut)
