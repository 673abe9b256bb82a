"""
Tests of look-ups with random faults of servers and networks, and with callers that cancel, ask again, close and raise exceptions in
callbacks.
"""

from __future__ import annotations

from collections.abc import Callable
from random import Random

from twisted.internet.defer import CancelledError, Deferred
from twisted.python.failure import Failure

from tests.networks import NetworkTestCase
from twisted_ext.answers import Answer, QueryContext, Trace
from twisted_ext.errors import DNSFault
from twisted_ext.interfaces import IAnswerSource
from twisted_ext.resolver.ask import lookUp
from twisted_ext.resolver.caching.cached import CachedSource
from twisted_ext.resolver.caching.coalescing import _SLACK, CoalescingSource
from twisted_ext.resolver.combine.race import RaceSource
from twisted_ext.resolver.forward.forwarder import ForwardingSource
from twisted_ext.testing.servers import CannedServer
from twisted_ext.testing.sources import questionOf
from twisted_ext.transport.datagram import Datagrams
from twisted_ext.transport.exchange import TCP
from twisted_ext.transport.random import Draw
from twisted_ext.transport.servers import Server

#: The length of a test in seconds.
SECONDS = 6.0


class CallerError(Exception):
    """
    The exception of a caller's callback.
    """


class TurmoilTests(NetworkTestCase):
    """
    Tests that every look-up ends exactly once, in time, with an answer or a known fault, and that nothing is left open.
    """

    dice: Random
    source: IAnswerSource
    calm = False

    def setUp(self) -> None:
        super().setUp()
        self.network.recording = False
        self.underway: dict[int, Deferred[Answer]] = {}
        self.ended: list[int] = []
        self.problems: list[str] = []
        self.begun = 0
        self.canned: list[CannedServer] = []
        self.servers: list[Server] = []
        for number in range(3):
            canned, server = self.serve(f"192.0.2.{50 + number}", {(f"host{each}.test", "A"): "192.0.2.80" for each in range(20)})
            self.canned.append(canned)
            self.servers.append(server)

    def beginLookup(self) -> None:
        """
        Begin a look-up.
        """
        dice = self.dice
        number = self.begun
        self.begun += 1
        deadline = self.here.seconds() + dice.choice([0.1, 1.0, 5.0])
        context = QueryContext(
            deadline,
            stream=dice.random() < 0.1,
            edns=dice.random() < 0.9,
            waits=dice.choice([None, None, (0.2, 0.4)]),
            trace=Trace() if dice.random() < 0.2 else None,
        )
        asked = lookUp(self.source, questionOf(f"host{dice.randrange(25)}.test"), context)
        self.underway[number] = asked
        asked.addBoth(self.end, number, deadline).addErrback(self.ignoreCallerError)

    def ignoreCallerError(self, failure: Failure) -> None:
        """
        Ignore the exceptions of callers' callbacks only.
        """
        if not isinstance(failure.value, CallerError):
            self.problems.append(failure.getTraceback())

    def end(self, result: Answer | Failure, number: int, deadline: float) -> None:
        """
        Note the end of a look-up, and act as a careless caller.
        """
        self.ended.append(number)
        self.underway.pop(number, None)
        # A shared look-up merges deadlines that are this close together.
        if self.here.seconds() > deadline + _SLACK + 0.001:
            self.problems.append(f"{self.here.seconds() - deadline} seconds late: {result}")
        if isinstance(result, Failure) and not isinstance(result.value, DNSFault | CancelledError):
            self.problems.append(result.getTraceback())
        if self.calm:
            return
        whim = self.dice.random()
        others = list(self.underway.values())
        if whim < 0.05:
            for other in others:
                other.cancel()
        elif whim < 0.2 and others:
            self.dice.choice(others).cancel()
        elif whim < 0.4:
            self.beginLookup()
        elif whim < 0.402:
            self.source.close()
        elif whim < 0.43:
            raise CallerError

    def disturb(self) -> None:
        """
        Change the faults of servers and network.
        """
        dice = self.dice
        for number, canned in enumerate(self.canned):
            address = f"192.0.2.{50 + number}"
            for destination, source in ((address, None), (None, address)):
                self.network.shape(
                    destination,
                    source,
                    delay=dice.choice([0.0, 0.001, 0.05, 0.3]),
                    jitter=dice.choice([0.0, 0.01]),
                    loss=dice.choice([0.0, 0.0, 0.3]),
                    duplicate=dice.choice([0.0, 0.3]),
                    silent=dice.random() < 0.1,
                    fragment=dice.choice([None, 1, 7]),
                )
            canned.silent = dice.random() < 0.15
            canned.truncating = dice.random() < 0.25
            canned.rcode = dice.choice([0] * 6 + [1, 2, 4, 5])
            canned.closesAfter = dice.choice([None, None, 0, 1, 3])
            canned.tamper = self.tamper if dice.random() < 0.15 else None

    def tamper(self, reply: bytes, transport: str) -> list[bytes]:
        """
        Return what is sent in place of a reply.
        """
        dice = self.dice
        octets = bytearray(reply)
        octets[dice.randrange(2, len(octets))] = dice.randrange(256)
        wrongId = bytes([reply[0] ^ 1]) + reply[1:]
        return dice.choice([[], [bytes(octets)], [wrongId, reply], [reply] * 3, [reply[: dice.randrange(2, len(reply))]]])

    def randomForwarder(self) -> ForwardingSource:
        """
        Return a forwarder to some of the servers and sometimes to a dead one.
        """
        dice = self.dice
        servers = self.servers[: dice.randrange(1, 4)]
        if dice.random() < 0.3:
            servers = [*servers, dice.choice([Server("192.0.2.50", 54), self.nowhere()])]
        dice.shuffle(servers)
        return ForwardingSource(
            self.here,
            servers,
            stream=dice.random() < 0.25,
            transport=TCP(dice.choice([None, 2.0])),
            mixCase=dice.random() < 0.2,
            rotate=dice.random() < 0.2,
            datagrams=Datagrams(self.here, draw=Draw(dice.randbytes), width=dice.choice([1, 2, 8])),
        )

    def runWithFaults(self, make: Callable[[], IAnswerSource]) -> None:
        """
        Run a source with random faults several times.
        """
        for seed in range(6):
            self.dice = Random(seed)
            self.source = make()
            self.begun = 0
            self.ended.clear()
            self.calm = False
            end = self.here.seconds() + SECONDS
            while self.here.seconds() < end:
                self.disturb()
                for _ in range(10):
                    for _ in range(self.dice.randrange(4)):
                        self.beginLookup()
                    ports = self.here.ports()
                    if ports and self.dice.random() < 0.3:
                        stray = self.dice.choice([b"??", b"", b"\x00\x00" + b"x" * 30])
                        self.network.inject(stray, ("192.0.2.50", 53), ("192.0.2.7", self.dice.choice(list(ports)).port))
                    self.network.advance(self.dice.choice([0.0, 0.01, 0.1, 0.5]))
            self.calm = True
            self.network.advance(6)
            self.assertEqual((self.problems, sorted(self.ended)), ([], list(range(self.begun))), f"seed {seed}")
            self.source.close()
            self.network.advance(10)
            self.assertEqual(self.here.pending(), [], f"seed {seed}")

    def test_forwarderSurvivesFaults(self) -> None:
        """
        A forwarder keeps the promise.
        """
        self.runWithFaults(self.randomForwarder)

    def test_coalescingSurvivesFaults(self) -> None:
        """
        Shared look-ups keep the promise.
        """
        self.runWithFaults(lambda: CoalescingSource(self.randomForwarder(), self.here, seconds=self.dice.choice([None, 1.0])))

    def test_cacheSurvivesFaults(self) -> None:
        """
        A cache with stale answers and prefetching keeps the promise.
        """
        self.runWithFaults(
            lambda: CachedSource(
                CoalescingSource(self.randomForwarder(), self.here), self.here, stale=self.dice.choice([0, 3600]), prefetch=True
            )
        )

    def test_raceSurvivesFaults(self) -> None:
        """
        A race keeps the promise.
        """
        self.runWithFaults(
            lambda: RaceSource([self.randomForwarder(), CoalescingSource(self.randomForwarder(), self.here)], self.here, delay=0.2)
        )
