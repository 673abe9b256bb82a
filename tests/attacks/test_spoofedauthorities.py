"""
Attacks 1 and 4 on recursion: forged replies of authoritative servers (Kaminsky, 2008), and what helps to forge them (SAD DNS, 2020;
CVE-2025-40780).
"""

from __future__ import annotations

from collections import Counter
from itertools import count

import pytest
from twisted.internet.defer import Deferred

from tests.attacks.recursing import RecursingTestCase, addressesIn
from tests.attacks.test_spoofing import chiSquare
from tests.networks import socketOf
from twisted_ext.answers import Answer
from twisted_ext.resolver.forward import lookup
from twisted_ext.testing.internet import Fault
from twisted_ext.testing.network import Datagram
from twisted_ext.testing.reactors import MemoryPort
from twisted_ext.testing.sources import questionOf, rrsetOf
from twisted_ext.transport.random import Draw
from twisted_ext.wire.builder import buildMessage
from twisted_ext.wire.codes import AA, QR, RD
from twisted_ext.wire.message import Message, Question
from twisted_ext.wire.names import nameFromText
from twisted_ext.wire.rrtypes import A

GENUINE, FORGED = "192.0.2.80", "192.0.2.66"
VICTIM = "www.victim.test"
SERVER = "ns.victim.test"


def forged(question: Question) -> bytes:
    """
    Return a forged authoritative reply without its ID.
    """
    return buildMessage(Message(0, QR | AA, (question,), (rrsetOf(question.name, A, FORGED, 3600),)))[2:]


class _ForgingCase(RecursingTestCase):
    """
    A resolver whose query to the victim's server takes a tenth of a second.
    """

    def setUp(self) -> None:
        super().setUp()
        self.internet.zone("victim.test", f"www A {GENUINE}\n*.many A {GENUINE}", [SERVER])
        (self.address,) = self.internet.servers[nameFromText(SERVER)].addresses
        self.internet.network.shape(source=self.address, delay=0.1)
        self.start()
        self.look("victim.test", "MX")

    def begin(self) -> tuple[Deferred[Answer], MemoryPort, int]:
        """
        Begin a look-up.

        @return: with the open port and the ID of the query.
        """
        asked = self.ask(VICTIM)
        (port,) = [each for each in self.here.ports() if socketOf(each).keys]
        return asked, port, int.from_bytes(next(iter(socketOf(port).keys)), "big")

    def inject(self, port: MemoryPort, number: int, body: bytes, sender: tuple[str, int]) -> None:
        """
        Let a reply arrive.
        """
        self.internet.network.inject(number.to_bytes(2, "big") + body, sender, (self.here.addresses[0], port.port))

    def end(self, asked: Deferred[Answer]) -> list[str]:
        """
        Return the addresses that the look-up has found.
        """
        self.internet.advance(7)
        return addressesIn(self.successResultOf(asked))


class FloodTests(_ForgingCase):
    """
    Tests of a flood of replies to one query.
    """

    def flood(self, body: bytes, sender: tuple[str, int], offset: int = 0) -> list[str]:
        """
        Let replies with all IDs arrive, the right one first.
        """
        asked, port, right = self.begin()
        network = self.internet.network
        for step in range(65536):
            octets = ((right + step) % 65536).to_bytes(2, "big") + body
            network.inject(octets, sender, (self.here.addresses[0], port.port + offset))
        # That of the look-up, and that of a connection, as a forgery leads to TCP.
        self.assertLessEqual(len(self.here.getDelayedCalls()), 2)
        return self.end(asked)

    def test_noForgedReplyIsAccepted(self) -> None:
        """
        Replies with another question, from another server or port, or to another port are not accepted, with whatever ID.
        """
        right, wrong = forged(questionOf(VICTIM)), forged(questionOf("other.victim.test"))
        for body, sender, offset in (
            (wrong, (self.address, 53), 0),
            (right, ("198.18.0.99", 53), 0),
            (right, (self.address, 54), 0),
            (right, (self.address, 53), 1),
        ):
            self.source.flush()
            self.assertEqual(self.flood(body, sender, offset), [GENUINE])

    def test_withoutChecksForgedRepliesAreAccepted(self) -> None:
        """
        Without the comparison of questions or addresses, they are.
        """
        self.patch(lookup, "isReplyTo", lambda octets, wire, sameCase: True)
        asked, port, right = self.begin()
        self.inject(port, right, forged(questionOf("other.victim.test")), (self.address, 53))
        self.internet.advance(7)
        self.assertNotEqual(addressesIn(getattr(asked, "result", None)), [GENUINE])
        asked.addErrback(lambda _: None)
        self.source.flush()
        asked, port, right = self.begin()
        port.peer = None
        self.patch(lookup.ForwardedLookup, "doubted", lambda *_: None)
        from twisted_ext.transport.servers import Server

        self.patch(Server, "isAt", lambda server, address, number: True)
        self.inject(port, right, forged(questionOf(VICTIM)), ("198.18.0.99", 53))
        self.assertEqual(self.end(asked), [FORGED])

    def test_nearMissLeadsToTCP(self) -> None:
        """
        After replies with a wrong ID, from the right address to the right port, the answer comes over TCP; later guesses have no effect.
        """
        asked, port, right = self.begin()
        dialed = self.internet.network.dialed
        before = dialed[self.address, 53]
        for step in range(1, 40):
            self.inject(port, (right + step) % 65536, forged(questionOf(VICTIM)), (self.address, 53))
        self.assertEqual(self.end(asked), [GENUINE])
        self.assertEqual(dialed[self.address, 53] - before, 1)

    @pytest.mark.long
    def test_withoutLimitAllIdsCanBeTried(self) -> None:
        """
        If the socket were read all the time, one of the guesses would match.
        """
        for upstream, _ in self.recursive.pool._known.values():
            upstream.datagram.nearMisses = upstream.datagram.nearMissesHeard = 1 << 20
        asked, port, right = self.begin()
        for step in range(1, 65537):
            self.inject(port, (right + step) % 65536, forged(questionOf(VICTIM)), (self.address, 53))
        self.assertEqual(self.end(asked), [FORGED])

    def test_serverWithWrongIDsAnswersByTCP(self) -> None:
        """
        A server all of whose replies over UDP have a wrong ID is queried over TCP once.
        """
        self.internet.inject(Fault.WRONG_ID, SERVER)
        self.look(VICTIM)
        self.assertLessEqual(self.packets("victim.test"), 4)
        self.assertGreater(self.internet.network.dialed[self.address, 53], 0)


class PortTests(_ForgingCase):
    """
    Tests of side channels.
    """

    def test_othersReachNoSocket(self) -> None:
        """
        Datagrams and ICMP errors to all ports, from another address, change nothing: the socket is connected to the server.
        """
        asked, port, _ = self.begin()
        for number in range(1024, 65536, 7):
            self.internet.network.inject(forged(questionOf(VICTIM)), ("203.0.113.66", 53), (self.here.addresses[0], number))
        self.internet.network.injectRefusal(("203.0.113.66", 53), (self.here.addresses[0], port.port))
        self.assertEqual(socketOf(port).misses, 0)
        self.assertEqual(port.peer, (self.address, 53))
        self.assertEqual(self.end(asked), [GENUINE])

    def test_unconnectedSocketWouldNotice(self) -> None:
        """
        An unconnected socket would notice the datagram to its port.
        """
        from twisted_ext.transport.servers import Server

        self.patch(MemoryPort, "takes", lambda port, datagram: True)
        self.patch(Server, "isAt", lambda server, address, number: True)
        asked, port, _ = self.begin()
        self.internet.network.inject(b"??" + forged(questionOf(VICTIM)), ("203.0.113.66", 53), (self.here.addresses[0], port.port))
        self.assertEqual(socketOf(port).misses, 1)
        self.end(asked)


class QueryTests(_ForgingCase):
    """
    Tests of the queries to authoritative servers.
    """

    def queries(self, number: int) -> list[Datagram]:
        """
        Return the queries for some names of the victim's zone.
        """
        network = self.internet.network
        network.shape(source=self.address, delay=0.0)
        network.datagrams.clear()
        network.recording = True
        for each in range(number):
            self.look(f"n{each}.many.victim.test")
        network.recording = False
        return [each for each in network.datagrams if each.destination == (self.address, 53)]

    def examine(self, seen: list[tuple[int, int]]) -> None:
        """
        Check that ports and IDs have no order.
        """
        ids = [number for _, number in seen]
        ports = list(dict.fromkeys([port for port, _ in seen]))
        # 63 degrees of freedom: beyond 150 once in a hundred million times.
        self.assertGreater(len(ports), len(seen) // 20)
        self.assertLess(chiSquare(Counter([number >> 10 for number in ids]), 64, len(ids)), 150)
        self.assertLess(chiSquare(Counter([number & 63 for number in ids]), 64, len(ids)), 150)
        steps = Counter([(second - first) % 65536 >> 10 for first, second in zip(ids, ids[1:], strict=False)])
        self.assertLess(chiSquare(steps, 64, len(ids) - 1), 150)
        steps = Counter([(second - first) % 65536 >> 12 for first, second in zip(ports, ports[1:], strict=False)])
        self.assertLess(chiSquare(steps, 16, len(ports) - 1), 80)

    def test_queriesAreRandomAndPlain(self) -> None:
        """
        Ports and IDs of 2,000 queries are spread evenly and follow no order. The queries have RD clear, no option with which a client or
        its network could be told apart, and take replies of at most 1,232 octets.
        """
        queries = self.queries(2000)
        self.examine([(each.source[1], int.from_bytes(each.octets[:2], "big")) for each in queries])
        self.assertGreaterEqual(len(queries), 2000)
        for each in queries[:100]:
            message = Message.fromWire(each.octets)
            self.assertFalse(message.flags & RD)
            assert message.edns is not None
            self.assertLessEqual(message.edns.payloadSize, 1232)
            self.assertNotIn(8, [code for code, _ in message.edns.options])

    def test_examinationFindsWeakGenerators(self) -> None:
        """
        The same examination finds IDs and ports that count.
        """
        numbers = count()

        def counted(draw: Draw) -> tuple[bytes, int]:
            number = next(numbers)
            return (number & 0xFFFF).to_bytes(2, "big"), number & 255

        self.patch(Draw, "refill", counted)
        self.start()
        queries = self.queries(500)
        self.assertRaises(
            self.failureException, self.examine, [(each.source[1], int.from_bytes(each.octets[:2], "big")) for each in queries]
        )
