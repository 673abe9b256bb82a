"""
Attack 1: replies that somebody else makes up, with all ids, until one fits (Kaminsky, 2008; RFC 5452).
"""

from __future__ import annotations

from collections import Counter

from tests.networks import NetworkTestCase
from twisted_ext.answers import QueryContext
from twisted_ext.resolver import asking
from twisted_ext.resolver.forwarding import Forwarding
from twisted_ext.testing.links import Datagram
from twisted_ext.testing.sources import questionOf
from twisted_ext.transport.datagram import Datagrams
from twisted_ext.transport.matching import isReplyTo
from twisted_ext.wire.building import buildMessage
from twisted_ext.wire.message import Message, Question
from twisted_ext.wire.records import RRSet

VICTIM = "victim.test"
GENUINE = "192.0.2.80"
FORGED = b"\xc0\x00\x02\x42"


def forge(question: Question, flags: int = 0x8180) -> bytes:
    """
    @return: a forged reply without its id.
    """
    return buildMessage(Message(0, flags, (question,), (RRSet(question.name, question.rrType, 1, 3600, (FORGED,)),)))[2:]


def chiSquare(counts: Counter[int], bins: int, total: int) -> float:
    """
    @return: how far the counts are from equal ones; about C{bins} for what is random.
    """
    expected = total / bins
    return sum([(counts[number] - expected) ** 2 / expected for number in range(bins)])


class KaminskyTests(NetworkTestCase):
    """
    A forger who knows that a query is under way, and floods it with replies.
    """

    def setUp(self) -> None:
        super().setUp()
        self.network.recording = False
        self.canned, self.server = self.serve(records={(VICTIM, "A"): GENUINE})
        self.network.shape(source="192.0.2.53", delay=0.1)

    def flood(self, source: Forwarding, body: bytes, *, sender: tuple[str, int] = ("192.0.2.53", 53), offset: int = 0) -> list[str]:
        """
        Look the victim up while replies with all 65,536 ids come in.

        @return: what the look-up gives.
        """
        asked = self.ask(source, VICTIM)
        for port in self.here.ports():
            # The right one last: no test depends on a forger's luck.
            right = int.from_bytes(next(iter(port.protocol.socket.keys)), "big")  # type: ignore[attr-defined]
            for step in range(1, 65537):
                number = (right + step) % 65536
                self.network.inject(number.to_bytes(2, "big") + body, sender, ("192.0.2.7", port.port + offset))
        self.assertEqual(len(self.here.getDelayedCalls()), 1)
        self.network.advance(6)
        return self.told(asked)

    def test_wrongQuestion(self) -> None:
        """
        All ids to the right port, for another name: none is taken, whatever records they bring.
        """
        body = forge(questionOf("other.test"))
        self.assertEqual(self.flood(self.forward(self.server), body), [GENUINE])

    def test_wrongQuestionUndefended(self) -> None:
        """
        Without comparing the question, such a reply is taken.
        """
        self.patch(asking, "isReplyTo", lambda octets, wire, sameCase: True)
        source = Forwarding(self.here, [self.server], datagrams=Datagrams(self.here, nearMissesHeard=1024))
        asked = self.ask(source, VICTIM)
        port = self.here.ports()[0].port
        key = next(key for key in self.here.ports()[0].protocol.socket.keys)  # type: ignore[attr-defined]
        self.network.inject(key + forge(questionOf("other.test")), ("192.0.2.53", 53), ("192.0.2.7", port))
        self.assertNotEqual(self.told(asked), [GENUINE])

    def test_wrongServer(self) -> None:
        """
        All ids and the right question to the right port, from another address or port: the socket does not hear them.
        """
        body = forge(questionOf(VICTIM))
        for sender in (("192.0.2.54", 53), ("192.0.2.53", 54)):
            self.assertEqual(self.flood(self.forward(self.server), body, sender=sender), [GENUINE])

    def test_wrongServerUndefended(self) -> None:
        """
        Were the sockets not connected and the address not compared, one of them would be taken.
        """
        source = self.forward(self.server)
        asked = self.ask(source, VICTIM)
        port = self.here.ports()[0]
        port.peer = None
        self.patch(type(self.server), "isAt", lambda server, address, number: True)
        key = next(iter(port.protocol.socket.keys))  # type: ignore[attr-defined]
        self.network.inject(key + forge(questionOf(VICTIM)), ("192.0.2.54", 53), ("192.0.2.7", port.port))
        self.assertNotEqual(self.told(asked), [GENUINE])

    def test_wrongPort(self) -> None:
        """
        All ids and the right question to another port: nobody is there.
        """
        self.assertEqual(self.flood(self.forward(self.server), forge(questionOf(VICTIM)), offset=1), [GENUINE])

    def test_allRightButTheId(self) -> None:
        """
        Even one who knows port, server and question gets a few ids to try and not all of them, and the answer comes by TCP.
        """
        self.assertEqual(self.flood(self.forward(self.server), forge(questionOf(VICTIM))), [GENUINE])
        self.assertEqual(self.canned.asked[-1].transport, "tcp")

    def test_allRightUndefended(self) -> None:
        """
        If the socket were listened to all the time, one of the ids would fit.
        """
        source = self.forward(self.server)
        for upstream in source.upstreams:
            upstream.datagram.nearMisses = upstream.datagram.nearMissesHeard = 1 << 20
        asked = self.ask(source, VICTIM)
        port = self.here.ports()[0].port
        for number in range(65536):
            self.network.inject(number.to_bytes(2, "big") + forge(questionOf(VICTIM)), ("192.0.2.53", 53), ("192.0.2.7", port))
        self.assertNotEqual(self.told(asked), [GENUINE])

    def test_mixedCase(self) -> None:
        """
        With names in mixed case even the right id is not enough.
        """
        source = self.forward(self.server, mixCase=True)
        for defended in (True, False):
            if not defended:
                self.patch(asking, "isReplyTo", lambda octets, wire, sameCase: isReplyTo(octets, wire, False))
            asked = self.ask(source, VICTIM)
            port = self.here.ports()[0]
            key, flight = next(iter(port.protocol.socket.keys.items()))  # type: ignore[attr-defined]
            wrong = bytes([octet ^ 0x20 if 65 <= octet <= 122 else octet for octet in flight.wire[:-4]])
            self.network.inject(key + forge(Question(wrong, 1)), ("192.0.2.53", 53), ("192.0.2.7", port.port))
            self.network.advance(6)
            self.assertEqual(self.told(asked) == [GENUINE], defended)


class RandomnessTests(NetworkTestCase):
    """
    What a forger has to guess.
    """

    QUERIES = 10_000

    def setUp(self) -> None:
        super().setUp()
        self.network.shape(delay=0.0)
        self.canned, self.server = self.serve(records={(VICTIM, "A"): GENUINE})

    def sent(self, source: Forwarding) -> list[tuple[int, int]]:
        """
        Look up many names, a hundred at a time.

        @return: port and id of each query.
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
            answers = [source.answer(question, QueryContext(self.here.seconds() + 5)) for _ in range(100)]
            self.network.advance()
            for answer in answers:
                self.successResultOf(answer)
        return seen

    def test_sequence(self) -> None:
        """
        Ids and ports of ten thousand queries are spread evenly, follow no order, and pairs of them come back as chance has it.
        """
        seen = self.sent(self.forward(self.server))
        self.assertEqual(len(seen), self.QUERIES)
        ids = [number for _, number in seen]
        ports = list(dict.fromkeys(port for port, _ in seen))
        self.assertGreaterEqual(len(ports), self.QUERIES // 16 * 9 // 10)
        # 255 degrees of freedom: beyond 400 once in a hundred million times.
        self.assertLess(chiSquare(Counter(number >> 8 for number in ids), 256, len(ids)), 400)
        self.assertLess(chiSquare(Counter(number & 255 for number in ids), 256, len(ids)), 400)
        self.assertLess(chiSquare(Counter((port - 1024) * 64 // 64512 for port in ports), 64, len(ports)), 160)
        steps = Counter((second - first) % 65536 >> 8 for first, second in zip(ids, ids[1:], strict=False))
        self.assertLess(chiSquare(steps, 256, len(ids) - 1), 400)
        # Ten thousand draws of pairs: hardly any twice.
        self.assertLess(self.QUERIES - len(set(seen)), 5)

    def test_undefended(self) -> None:
        """
        Numbers that count up are found out by this very test.
        """
        ids = range(self.QUERIES)
        steps = Counter((second - first) % 65536 >> 8 for first, second in zip(ids, ids[1:], strict=False))
        self.assertGreater(chiSquare(steps, 256, len(ids) - 1), 400)
