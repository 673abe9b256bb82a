"""
Attack 1: forged replies with all IDs, until one matches (Kaminsky, 2008; RFC 5452).
"""

from __future__ import annotations

from collections import Counter
from itertools import count
from unittest.mock import patch

import pytest

from tests.networks import NetworkTestCase, socketOf
from twisted_ext.answers import QueryContext
from twisted_ext.limits import Limit
from twisted_ext.resolver.ask import lookUp
from twisted_ext.resolver.forward import lookup
from twisted_ext.resolver.forward.forwarder import ForwardingSource
from twisted_ext.testing.network import Datagram
from twisted_ext.testing.sources import questionOf
from twisted_ext.transport import datagram
from twisted_ext.transport.datagram import DatagramExchange, Datagrams
from twisted_ext.transport.random import Draw
from twisted_ext.transport.replymatch import isReplyTo
from twisted_ext.wire.builder import buildMessage
from twisted_ext.wire.message import Message, Question
from twisted_ext.wire.records import RRSet

VICTIM = "victim.test"
GENUINE = "192.0.2.80"
FORGED = b"\xc0\x00\x02\x42"


def forge(question: Question, flags: int = 0x8180) -> bytes:
    """
    Return a forged reply without its ID.
    """
    return buildMessage(Message(0, flags, (question,), (RRSet(question.name, question.rrType, 1, 3600, (FORGED,)),)))[2:]


def chiSquare(counts: Counter[int], bins: int, total: int) -> float:
    """
    Return how far the counts are from equal ones, about C{bins} for random ones.
    """
    expected = total / bins
    return sum([(counts[number] - expected) ** 2 / expected for number in range(bins)])


class KaminskyTests(NetworkTestCase):
    """
    A forger who knows that a query is outstanding, and floods it with replies.
    """

    def setUp(self) -> None:
        super().setUp()
        self.network.recording = False
        self.canned, self.server = self.serve(records={(VICTIM, "A"): GENUINE})
        self.network.shape(source="192.0.2.53", delay=0.1)

    def flood(
        self, source: ForwardingSource, body: bytes, *, sender: tuple[str, int] = ("192.0.2.53", 53), offset: int = 0, lucky: bool = True
    ) -> list[str]:
        """
        Look the victim up while replies with all 65,536 IDs arrive.

        @param lucky: whether the right ID is the first one, while the socket is certainly read, and not the last one.
        @return: the result of the look-up.
        """
        asked = self.ask(source, VICTIM)
        for port in self.here.ports():
            right = int.from_bytes(next(iter(socketOf(port).keys)), "big")
            for step in range(65536) if lucky else range(1, 65537):
                number = (right + step) % 65536
                self.network.inject(number.to_bytes(2, "big") + body, sender, ("192.0.2.7", port.port + offset))
        # That of the look-up, and that of a connection, as a forgery leads to TCP.
        self.assertLessEqual(len(self.here.getDelayedCalls()), 2)
        self.network.advance(6)
        return self.told(asked)

    def test_replyForOtherNameIsRejected(self) -> None:
        """
        Replies with all IDs to the right port, for another name, are rejected, whatever records they have.
        """
        body = forge(questionOf("other.test"))
        self.assertEqual(self.flood(self.forward(self.server), body), [GENUINE])

    def test_withoutQuestionCheckForgeryIsAccepted(self) -> None:
        """
        Without the comparison of questions, such a reply is accepted.
        """
        self.patch(lookup, "isReplyTo", lambda octets, wire, sameCase: True)
        source = ForwardingSource(self.here, [self.server], datagrams=Datagrams(self.here, nearMissesHeard=1024))
        asked = self.ask(source, VICTIM)
        port = self.here.ports()[0].port
        key = next(key for key in socketOf(self.here.ports()[0]).keys)
        self.network.inject(key + forge(questionOf("other.test")), ("192.0.2.53", 53), ("192.0.2.7", port))
        self.assertNotEqual(self.told(asked), [GENUINE])

    def test_replyFromOtherServerIsRejected(self) -> None:
        """
        Replies with all IDs and the right question to the right port, from another address or port, do not reach the socket.
        """
        body = forge(questionOf(VICTIM))
        for sender in (("192.0.2.54", 53), ("192.0.2.53", 54)):
            self.assertEqual(self.flood(self.forward(self.server), body, sender=sender), [GENUINE])

    def test_withoutAddressCheckForgeryIsAccepted(self) -> None:
        """
        With unconnected sockets and without the comparison of addresses, one of them is accepted.
        """
        self.patch(type(self.server), "isAt", lambda server, address, number: True)
        source = self.forward(self.server)
        asked = self.ask(source, VICTIM)
        port = self.here.ports()[0]
        port.peer = None
        key = next(iter(socketOf(port).keys))
        self.network.inject(key + forge(questionOf(VICTIM)), ("192.0.2.54", 53), ("192.0.2.7", port.port))
        self.assertNotEqual(self.told(asked), [GENUINE])

    def test_replyToOtherPortIsLost(self) -> None:
        """
        Replies with all IDs and the right question to another port reach no socket.
        """
        self.assertEqual(self.flood(self.forward(self.server), forge(questionOf(VICTIM)), offset=1), [GENUINE])

    def test_knownPortAndIdAreEnough(self) -> None:
        """
        A forger who knows the port and the ID succeeds.
        """
        asked = self.ask(self.forward(self.server), VICTIM)
        (port,) = self.here.ports()
        key = next(iter(socketOf(port).keys))
        self.network.inject(key + forge(questionOf(VICTIM)), ("192.0.2.53", 53), ("192.0.2.7", port.port))
        self.assertNotEqual(self.told(asked), [GENUINE])

    def test_guessesOfTheIdAreLimited(self) -> None:
        """
        A forger who knows port, server and question can try a few IDs only. Then the answer comes over TCP.
        """
        self.assertEqual(self.flood(self.forward(self.server), forge(questionOf(VICTIM)), lucky=False), [GENUINE])
        self.assertEqual(self.canned.asked[-1].transport, "tcp")

    def test_unlimitedGuessesFindTheId(self) -> None:
        """
        If the socket were read all the time, one of the IDs would match.
        """
        source = self.forward(self.server)
        for upstream in source.upstreams:
            upstream.datagram.nearMisses = upstream.datagram.nearMissesHeard = 1 << 20
        asked = self.ask(source, VICTIM)
        port = self.here.ports()[0].port
        for number in range(65536):
            self.network.inject(number.to_bytes(2, "big") + forge(questionOf(VICTIM)), ("192.0.2.53", 53), ("192.0.2.7", port))
        self.assertNotEqual(self.told(asked), [GENUINE])

    def test_mixedCaseMustMatch(self) -> None:
        """
        The right ID is not enough with names in mixed case.
        """
        source = self.forward(self.server, mixCase=True)
        for defended in (True, False):
            if not defended:
                self.patch(lookup, "isReplyTo", lambda octets, wire, sameCase: isReplyTo(octets, wire, False))
            asked = self.ask(source, VICTIM)
            port = self.here.ports()[0]
            key, flight = next(iter(socketOf(port).keys.items()))
            assert isinstance(flight, lookup.ForwardedLookup)
            wrong = bytes([octet ^ 0x20 if 65 <= octet <= 122 else octet for octet in flight.wire[:-4]])
            self.network.inject(key + forge(Question(wrong, 1)), ("192.0.2.53", 53), ("192.0.2.7", port.port))
            self.network.advance(6)
            self.assertEqual(self.told(asked) == [GENUINE], defended)


class RandomnessTests(NetworkTestCase):
    """
    The values that a forger has to guess.
    """

    QUERIES = 10_000

    def setUp(self) -> None:
        super().setUp()
        self.network.shape(delay=0.0)
        self.canned, self.server = self.serve(records={(VICTIM, "A"): GENUINE})

    def portsAndIds(self, source: ForwardingSource) -> list[tuple[int, int]]:
        """
        Look up many names, a hundred at a time.

        @return: port and ID of each query.
        """
        seen: list[tuple[int, int]] = []

        def note(datagram: Datagram) -> bool:
            if datagram.destination[1] == 53:
                seen.append((datagram.source[1], int.from_bytes(datagram.octets[:2], "big")))
            return True

        self.network.recording = False
        self.network.shape(admit=note)
        question = questionOf(VICTIM)
        for _ in range(self.QUERIES // 100):
            answers = [lookUp(source, question, QueryContext(self.here.seconds() + 5)) for _ in range(100)]
            self.network.advance()
            for answer in answers:
                self.successResultOf(answer)
        return seen

    def test_portsAndIdsAreRandom(self) -> None:
        """
        IDs and ports of ten thousand queries are spread evenly, follow no order, and repeat in pairs no more often than by chance.
        """
        self.examine(self.portsAndIds(self.forward(self.server)))

    def examine(self, seen: list[tuple[int, int]]) -> None:
        """
        Check that the drawn values have no order.
        """
        self.assertEqual(len(seen), self.QUERIES)
        ids = [number for _, number in seen]
        ports = list(dict.fromkeys(port for port, _ in seen))
        self.assertGreaterEqual(len(ports), self.QUERIES // 16 * 9 // 10)
        # 255 degrees of freedom: beyond 400 once in a hundred million times.
        self.assertLess(chiSquare(Counter(number >> 8 for number in ids), 256, len(ids)), 400)
        self.assertLess(chiSquare(Counter(number & 255 for number in ids), 256, len(ids)), 400)
        self.assertLess(chiSquare(Counter((port - 1024) * 64 // 64512 for port in ports), 64, len(ports)), 160)
        for drawn, bins in ((ids, 256), (ports, 64)):
            steps = Counter((second - first) % 65536 * bins // 65536 for first, second in zip(drawn, drawn[1:], strict=False))
            self.assertLess(chiSquare(steps, bins, len(drawn) - 1), 400 if bins == 256 else 180)
        # Pairs hardly ever repeat in ten thousand draws.
        self.assertLess(self.QUERIES - len(set(seen)), 5)

    @pytest.mark.long
    def test_examinationFindsWeakValues(self) -> None:
        """
        The same examination finds counting ports or IDs, and few ports.
        """
        counter = count(2000)
        with patch.object(Draw, "port", lambda draw: next(counter) % 63000 + 1024):
            self.assertRaises(self.failureException, self.examine, self.portsAndIds(self.forward(self.server)))
        with patch.object(datagram, "SOCKET_QUERIES", Limit(1 << 20, 1, 1 << 20)), patch.object(DatagramExchange, "settle", lambda _: None):
            source = self.forward(self.server)
            self.assertRaises(self.failureException, self.examine, self.portsAndIds(source))
        for upstream in source.upstreams:
            upstream.datagram.settle()
        numbers = count()

        def counted(draw: Draw) -> tuple[bytes, int]:
            number = next(numbers)
            return (number & 0xFFFF).to_bytes(2, "big"), number & 255

        with patch.object(Draw, "refill", counted):
            self.assertRaises(self.failureException, self.examine, self.portsAndIds(self.forward(self.server)))
