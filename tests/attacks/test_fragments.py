"""
Attack 5: replacing the second fragment of a long reply (2012 and after; CVE-2025-59024). Messages that are never fragmented cannot be
replaced in part.
"""

from __future__ import annotations

import socket
import sys
import unittest

from tests.networks import NetworkTestCase, textsOf
from twisted_ext.resolver.forward import forwarder, lookup
from twisted_ext.testing.sources import questionOf, rrsetOf
from twisted_ext.transport import udpsockets
from twisted_ext.transport.datagram import DatagramExchange, Datagrams
from twisted_ext.transport.random import Draw
from twisted_ext.transport.servers import Server
from twisted_ext.wire.builder import buildMessage
from twisted_ext.wire.codes import TC
from twisted_ext.wire.message import EDNS, Message

LONG = [f'"{str(number) * 200}"' for number in range(8)]


class FragmentTests(NetworkTestCase):
    """
    Tests with a reply of more than 1,232 octets.
    """

    def setUp(self) -> None:
        super().setUp()
        self.canned, self.server = self.serve(records={("long.test", "TXT"): LONG})
        self.source = self.forward(self.server)

    def test_queriesAdvertise1232Octets(self) -> None:
        """
        No query advertises more than 1,232 octets. The server truncates a longer answer, and it comes over TCP.
        """
        self.assertEqual(len(self.find(self.source, "long.test", "TXT")), 8)
        sizes = [asked.message.edns.payloadSize for asked in self.canned.asked if asked.message.edns is not None]
        self.assertEqual(sizes, [1232, 1232])
        self.assertEqual([asked.transport for asked in self.canned.asked], ["udp", "tcp"])

    def test_largerSizeWouldBeFragmented(self) -> None:
        """
        With a larger size the whole answer would come in one datagram, which routers may fragment.
        """
        self.find(self.source, "long.test", "TXT")
        self.assertLess(max([len(datagram.octets) for datagram in self.network.datagrams]), 1233)
        self.patch(forwarder, "_SIZE", 4096)
        self.find(self.forward(self.server), "long.test", "TXT")
        self.assertGreater(max([len(datagram.octets) for datagram in self.network.datagrams]), 1232)

    def test_builtMessagesFit1232Octets(self) -> None:
        """
        A message that we build for UDP has no more than 1,232 octets. Whole sets are left out, with TC, when they do not fit.
        """
        question = questionOf("long.test", "TXT")
        message = Message(0, 0x8180, (question,), (rrsetOf(question.name, 16, LONG, 60),), edns=EDNS(1232))
        for size, fits in ((1232, False), (65535, True)):
            built = Message.fromWire(buildMessage(message, size)).check()
            self.assertLessEqual(len(built.wire), size)
            self.assertEqual((bool(built.flags & TC), len(built.answer)), (not fits, int(fits)))
        self.assertGreater(len(built.wire), 1232)

    def enlarge(self) -> None:
        """
        Let the server send its long reply in one datagram whatever the query advertises.
        """

        def whole(reply: bytes, transport: str) -> list[bytes]:
            query = self.canned.asked[-1].message
            full = Message(query.id, query.flags, query.questions, edns=EDNS(1232))
            return [self.canned.replyTo(full, "tcp")]

        self.canned.tamper = whole

    def test_oversizedReplyIsFetchedOverTCP(self) -> None:
        """
        An oversized UDP reply is not accepted. The query is repeated over TCP.
        """
        self.enlarge()
        asked = self.ask(self.source, "long.test", "TXT")
        self.network.advance(6)
        answer = self.successResultOf(asked)
        assert answer.origin is not None
        self.assertEqual((answer.origin.source, len(textsOf(answer))), ("tcp", 8))

    def test_withoutLimitOversizedReplyIsAccepted(self) -> None:
        """
        Without the limit the oversized reply would be accepted.
        """
        for module in (udpsockets, lookup):
            self.patch(module, "SIZE", 65535)
        self.enlarge()
        asked = self.ask(self.source, "long.test", "TXT")
        self.network.advance(6)
        answer = self.successResultOf(asked)
        assert answer.origin is not None
        self.assertEqual(answer.origin.source, "udp")


class Unwatched:
    """
    A poller that watches nothing.
    """

    def watch(self, descriptor: int, socket: udpsockets.RawSocket) -> None:
        pass

    def forget(self, descriptor: int) -> None:
        pass


class PathTests(NetworkTestCase):
    """
    Tests of the socket options about fragments.
    """

    @unittest.skipUnless(sys.platform == "linux", "names of Linux")
    def test_socketsIgnoreICMPMTU(self) -> None:
        """
        Our sockets on Linux ignore the path MTU from ICMP messages, in both families.
        """
        for address, level, option in (("127.0.0.1", socket.IPPROTO_IP, 10), ("::1", socket.IPPROTO_IPV6, 23)):
            exchange = DatagramExchange(Datagrams(self.here), Server(address))
            made = udpsockets.RawMaker(Unwatched(), Draw()).make(exchange)
            assert isinstance(made, udpsockets.RawSocket)
            try:
                self.assertEqual(made._socket.getsockopt(level, option), 5)
                with socket.socket(exchange.server.family, socket.SOCK_DGRAM) as plain:
                    self.assertNotEqual(plain.getsockopt(level, option), 5)
            finally:
                made.close()
