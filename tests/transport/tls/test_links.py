"""
Tests of the connections over TLS that requests about zones share.
"""

from __future__ import annotations

import gc
from pathlib import Path
from typing import cast
from weakref import ref

from twisted.internet.interfaces import ITCPTransport
from twisted.internet.protocol import Protocol, ServerFactory
from twisted.protocols.tls import TLSMemoryBIOFactory

from tests.certificates import written
from tests.networks import NetworkTestCase
from tests.transport.tlsservers import ServerTLS, leaf
from twisted_ext.errors import DNSFault
from twisted_ext.limits import TLS_LINK_KEPT
from twisted_ext.transport.exchange import Link
from twisted_ext.transport.servers import Server
from twisted_ext.transport.tls.links import TLSLinks
from twisted_ext.transport.tls.terms import TLSTerms
from twisted_ext.wire.framing import StreamBuffer, frame

#: A message of twelve octets, and one with an OPT record that lets the connection be idle for a time.
PLAIN = bytes(12)
ALLOWANCE = b"\x00\x01\x80\x00" + bytes(6) + b"\x00\x01" + b"\x00\x00\x29\x04\xd0\x00\x00\x00\x00\x00\x06\x00\x0b\x00\x02"


class _Server(Protocol):
    """
    Sends these messages for each one that arrives.
    """

    replies: list[bytes] = [PLAIN]

    def __init__(self) -> None:
        self._buffer = StreamBuffer()

    def dataReceived(self, data: bytes) -> None:
        for _ in self._buffer.feed(data):
            cast(ITCPTransport, self.transport).write(b"".join([frame(each) for each in self.replies]))


class User:
    """
    A request that ends with its first reply.
    """

    def __init__(self) -> None:
        self.messages: list[bytes] = []
        self.faults: list[DNSFault] = []
        self.reused: list[bool] = []
        self.link: Link | None = None

    def opened(self, link: Link) -> None:
        self.link = link
        self.reused.append(link.isReused)
        link.send(PLAIN)

    def received(self, octets: bytes) -> None:
        self.messages.append(octets)
        assert self.link is not None
        self.link.finish()

    def lost(self, fault: DNSFault) -> None:
        self.faults.append(fault)


class TLSLinksTests(NetworkTestCase):
    """
    Tests for L{TLSLinks}.
    """

    def setUp(self) -> None:
        super().setUp()
        folder = Path(self.mktemp())
        folder.mkdir()
        self.there = self.network.reactor("192.0.2.53")
        factory: ServerFactory = ServerFactory()
        factory.protocol = _Server
        factory.noisy = False
        wrapped = TLSMemoryBIOFactory(ServerTLS(leaf("ns1.example")), False, factory, self.there)
        self.there.listenTCP(853, cast(ServerFactory, wrapped))
        self.terms = TLSTerms("ns1.example", ca=str(written(folder)))
        self.server = Server("192.0.2.53", 853)
        self.links = TLSLinks(self.here, most=2)

    def tearDown(self) -> None:
        closed = self.links.close()
        self.network.advance(1)
        self.successResultOf(closed)
        super().tearDown()

    def open(self, seconds: float = 1.0) -> User:
        """
        Make a request.
        """
        user = User()
        self.links.open(user, self.server, self.terms)
        self.network.advance(seconds)
        return user

    def test_connectionIsKeptForAWhile(self) -> None:
        """
        The next request uses the same connection, until that was idle for too long.
        """
        self.assertEqual([self.open().reused, self.open().reused], [[False], [True]])
        self.network.advance(TLS_LINK_KEPT.default + 1)
        self.assertEqual(self.here.pending(), [])
        self.assertEqual(self.open().reused, [False])

    def test_serverLimitsTheIdleTime(self) -> None:
        """
        The server's edns-tcp-keepalive option is followed (RFC 7828), also where it says to close the connection.
        """
        self.patch(_Server, "replies", [ALLOWANCE + b"\x00\x14"])
        self.open(0.5)
        self.assertEqual(len(self.here.connections), 1)
        self.network.advance(2)
        self.assertEqual(self.here.connections, [])
        self.patch(_Server, "replies", [ALLOWANCE + b"\x00\x00"])
        self.open(0.5)
        self.assertEqual(self.here.connections, [])

    def test_octetsAfterTheReplyAreDropped(self) -> None:
        """
        What a server sends after the end of a reply is not taken for the reply to the next request.
        """
        self.patch(_Server, "replies", [PLAIN, b"x" * 12])
        first, second = self.open(), self.open()
        self.assertEqual((first.messages, second.messages, second.reused), ([PLAIN], [PLAIN], [False]))

    def test_requestsWaitForAConnection(self) -> None:
        """
        Beyond the bound, requests wait for a connection, and those that are withdrawn get none.
        """
        self.patch(_Server, "replies", [])
        users = [User() for _ in range(4)]
        claims = [self.links.open(user, self.server, self.terms) for user in users]
        self.network.advance(1)
        self.assertEqual([len(user.reused) for user in users], [1, 1, 0, 0])
        claims[2].cancel()
        claims[0].cancel()
        self.network.advance(1)
        self.assertEqual([len(user.reused) for user in users], [1, 1, 0, 1])
        self.assertEqual([user.faults for user in users], [[]] * 4)

    def test_nothingWaitsForTheGarbageCollector(self) -> None:
        """
        A connection is released at its end, without the garbage collector, if it was used or if its certificate was wrong.
        """
        gc.collect()
        gc.disable()
        self.addCleanup(gc.enable)
        for name, answered in (("", 1), ("other.example", 0)):
            user = User()
            claim = TLSLinks(self.here, keep=0).open(user, self.server, self.terms, name=name)
            assert claim.link is not None
            link = ref(claim.link)
            self.network.advance(1)
            self.assertEqual((len(user.messages), len(user.faults)), (answered, 1 - answered))
            del user, claim
            self.assertIsNone(link())

    def test_closingFailsRequests(self) -> None:
        """
        Closing ends the requests under way, and no new ones begin.
        """
        self.patch(_Server, "replies", [])
        user = self.open()
        closed = self.links.close()
        self.network.advance(1)
        self.successResultOf(closed)
        self.assertEqual(len(user.faults), 1)
        self.assertIn("are closed", str(self.open().faults[0]))

    def test_unreachableServerIsReported(self) -> None:
        """
        A closed port is an error that names the server and the transport.
        """
        user = User()
        self.links.open(user, Server("192.0.2.53", 854), self.terms)
        self.network.advance(1)
        self.assertIn("192.0.2.53:854 cannot be reached over TLS", str(user.faults[0]))
