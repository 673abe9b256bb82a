"""
Tests of L{twisted_ext.web.api.site.streams}.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import cast

from twisted.internet.base import DelayedCall
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase
from twisted.web.server import Request

from twisted_ext.web.api.site.streams import StreamedBody, StreamTurns


class _Asked:
    """
    A request that notes what is written.
    """

    def __init__(self) -> None:
        self.written: list[bytes] = []
        self.said: list[str] = []
        self.channel = self
        self.full: Callable[[], object] = lambda: None
        self.prolonged = 0

    def prolong(self) -> None:
        self.prolonged += 1

    def registerProducer(self, producer: object, streaming: bool) -> None:
        self.said.append("registered")

    def unregisterProducer(self) -> None:
        self.said.append("unregistered")

    def write(self, octets: bytes) -> None:
        self.written.append(octets)
        self.full()

    def finish(self) -> None:
        self.said.append("finished")

    def loseConnection(self) -> None:
        self.said.append("closed")


class StreamedBodyTests(SynchronousTestCase):
    """
    A body of ten parts, each of which takes a millisecond.
    """

    def setUp(self) -> None:
        self.clock = Clock()
        self.asked = _Asked()
        self.fault: Exception | None = None
        self.isClosed = False
        self.streams = StreamTurns(self.clock)
        self.body = StreamedBody(cast("Request", self.asked), self.parts(), self.streams)

    def parts(self) -> Iterator[bytes]:
        try:
            for number in range(10):
                self.clock.rightNow += 0.001
                if number == 5 and self.fault is not None:
                    raise self.fault
                yield b"%d" % number
        finally:
            self.isClosed = True

    def turns(self, count: int) -> None:
        for _ in range(count):
            # A clock that is advanced runs what is due meanwhile as well.
            for call in self.clock.getDelayedCalls()[:1]:
                work = cast("DelayedCall", call).func
                call.cancel()
                work()

    def test_inShortTurns(self) -> None:
        """
        A turn ends after two milliseconds, so that queries are answered in between.
        """
        self.body.begin()
        self.assertEqual(self.asked.written, [])
        self.turns(1)
        self.assertEqual(self.asked.written, [b"01"])
        self.turns(10)
        self.assertEqual(b"".join(self.asked.written), b"0123456789")
        self.assertEqual(self.asked.said, ["registered", "unregistered", "finished"])
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_clientThatDoesNotRead(self) -> None:
        """
        Nothing is made while the client does not read, and nothing any more once it has gone.
        """
        self.body.begin()
        self.turns(1)
        self.body.pauseProducing()
        self.turns(5)
        self.assertEqual(self.asked.written, [b"01"])
        self.body.resumeProducing()
        self.body.resumeProducing()
        self.turns(1)
        self.assertEqual(self.asked.written, [b"01", b"23"])
        self.body.stopProducing()
        self.turns(5)
        self.assertEqual((self.asked.written, self.isClosed, self.clock.getDelayedCalls()), ([b"01", b"23"], True, []))

    def test_pausedByItsOwnWrite(self) -> None:
        """
        A write that fills the buffer pauses the body, and no turn follows.
        """
        self.asked.full = self.body.pauseProducing
        self.body.begin()
        self.turns(3)
        self.assertEqual((self.asked.written, self.clock.getDelayedCalls()), ([b"01"], []))

    def test_fault(self) -> None:
        """
        A fault in the middle closes the connection, so that the client does not take what it has for the whole.
        """
        self.fault = ValueError("broken")
        self.body.begin()
        self.turns(10)
        self.assertEqual(self.asked.said, ["registered", "unregistered", "closed"])
        self.assertEqual(len(self.flushLoggedErrors(ValueError)), 1)

    def test_oneTurnAtATime(self) -> None:
        """
        However many clients there are, one of them gets its turn before queries get theirs, and each in its order.
        """
        others = [_Asked() for _ in range(3)]
        for asked in others:
            StreamedBody(cast("Request", asked), self.parts(), self.streams).begin()
        for count in range(1, 7):
            self.assertEqual(len(self.clock.getDelayedCalls()), 1)
            self.turns(1)
            self.assertEqual(sum([len(asked.written) for asked in others]), count)
        self.assertEqual([asked.written for asked in others], 3 * [[b"01", b"23"]])
        self.turns(20)
        self.assertEqual([b"".join(asked.written) for asked in others], 3 * [b"0123456789"])
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_timeForLongOnes(self) -> None:
        """
        The time for a reply begins anew with each turn of a client that reads, and with none of one that does not.
        """
        self.body.begin()
        self.turns(2)
        self.assertEqual(self.asked.prolonged, 2)
        self.asked.full = self.body.pauseProducing
        self.body.resumeProducing()
        self.turns(3)
        self.assertEqual(self.asked.prolonged, 2)
