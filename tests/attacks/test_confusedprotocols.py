"""
Attack 34: protocols that are taken for each other (ALPACA, Opossum), and octets in the clear around a TLS handshake.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path

from OpenSSL import SSL
from twisted.internet.interfaces import IProtocol
from twisted.internet.protocol import Protocol, ServerFactory, connectionDone
from twisted.protocols.tls import TLSMemoryBIOFactory
from twisted.python.failure import Failure

from tests.certificates import written
from tests.networks import WWW, NetworkTestCase
from tests.server.listeners.streams import Client, request
from tests.server.listeners.tlsstreams import Contexts, TLSClient, TLSTestCase
from tests.transport.quic.peers import QuicTestCase
from tests.transport.tlsservers import ServerTLS, leaf
from twisted_ext.resolver.strings.descriptions import sourceFromString
from twisted_ext.server.listeners.connection import StreamServing
from twisted_ext.server.listeners.tls.certificates import ContextFactory
from twisted_ext.server.listeners.tls.serving import TLSServing
from twisted_ext.testing.servers import CannedServer
from twisted_ext.wire.framing import frame


def _unchecked(factory: ContextFactory, context: SSL.Context) -> None:
    """
    Choose no protocol.
    """


class ConfusionTests(TLSTestCase):
    """
    Clients that take the port for one of another protocol.
    """

    def offer(self) -> TLSClient:
        """
        Return a client that offers only HTTP/2 by ALPN.
        """
        client = self.shake(contexts=Contexts(alpn=[b"h2"]))
        client.ask(request(7, b"now"))
        self.network.advance(0.1)
        return client

    def test_attack34_otherProtocolIsRefused(self) -> None:
        """
        The handshake of a client that speaks only another protocol fails, so that what is meant for one server never reaches another.
        """
        client = self.offer()
        self.assertEqual((client.lost, client.replies, self.parrot.counters.tlsFailed), (True, [], 1))

    def test_attack34_withoutALPNItIsAccepted(self) -> None:
        """
        Without the check of ALPN such a client is answered.
        """
        self.patch(ContextFactory, "_choosing", _unchecked)
        self.serve()
        self.assertEqual(self.offer().replies, [7])

    def test_attack34_plainMessagesAreRefused(self) -> None:
        """
        A client that sends DNS in the clear gets no reply, and its message is not read.
        """
        client = self.connect(port=853)
        client.transport.write(frame(request(7, b"now")))
        self.network.advance(0.1)
        self.assertEqual((client.lost, client.replies, self.parrot.seen), (True, [], 0))

    def test_attack34_withoutTLSTheyAreRead(self) -> None:
        """
        A listener that took any octets for DNS would answer.
        """
        self.patch(TLSServing, "dataReceived", StreamServing.dataReceived)
        self.patch(TLSServing, "_write", StreamServing._write)
        client = self.connect(port=853)
        client.transport.write(frame(request(7, b"now")))
        self.network.advance(0.1)
        self.assertEqual(client.replies, [7])

    def inject(self, before: bytes, after: bytes) -> Client:
        """
        Return a client that sends a handshake's first message with other octets around it.
        """
        client = self.connect(port=853)
        hello = Contexts().connection()
        try:
            hello.do_handshake()
        except SSL.WantReadError:
            client.transport.write(before + hello.bio_read(4096) + after)
        self.network.advance(0.1)
        return client

    def test_attack34_nothingIsTakenFromAroundAHandshake(self) -> None:
        """
        A listener does not change from plain text to TLS, as with STARTTLS, nor back: octets in the clear before a handshake or in the
        midst of it end the connection, and are not read as requests.
        """
        plain = frame(request(7, b"now"))
        for before, after in ((plain, b""), (b"STARTTLS\r\n", b""), (b"GET / HTTP/1.1\r\nUpgrade: TLS/1.0\r\n\r\n", b""), (b"", plain)):
            client = self.inject(before, after)
            self.assertEqual((client.lost, self.parrot.seen), (True, 0), (before, after))


class _Redirected(Protocol):
    """
    A server behind an attacker who puts octets in the clear before its own, or after its first ones.
    """

    def __init__(self, before: bytes, after: bytes, inner: TLSMemoryBIOFactory) -> None:
        self._before = before
        self._after = after
        made: IProtocol | None = inner.buildProtocol(None)
        assert made is not None
        self._inner = made

    def connectionMade(self) -> None:
        transport = self.transport
        assert transport is not None
        if self._before:
            transport.write(self._before)
        self._inner.makeConnection(transport)

    def dataReceived(self, data: bytes) -> None:
        assert self.transport is not None
        self._inner.dataReceived(data)
        if self._after:
            self.transport.write(self._after)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self._inner.connectionLost(reason)


class ClientConfusionTests(NetworkTestCase):
    """
    Clients whose connection an attacker leads to another server, or adds octets to.
    """

    def setUp(self) -> None:
        super().setUp()
        folder = Path(self.mktemp())
        folder.mkdir()
        self.ca = str(written(folder)).replace(":", "\\:")
        self.there = self.network.reactor("192.0.2.53")

    def outcome(self, description: str) -> str:
        """
        Return the error of a look-up.
        """
        source = sourceFromString(self.here, f"{description}:ca={self.ca}")
        fault = str(self.fault(source))
        source.close()
        self.network.advance(1)
        self.assertNotIn("\n", fault)
        return fault

    def test_attack34_otherServiceOfTheSameName(self) -> None:
        """
        A service with the right certificate, but of another protocol, gets no query, over TLS or HTTPS.
        """
        canned = CannedServer(WWW)
        for port, protocol, description, expected in (
            (853, b"h2", "tls:192.0.2.53#dns.example", "it does not speak 'dot'"),
            (443, b"dot", "https://dns.example:address=192.0.2.53", "it does not speak 'h2'"),
            (443, b"http/1.1", "https://dns.example:address=192.0.2.53", "it does not speak 'h2'"),
        ):
            canned.close()
            canned.listenTLS(self.there, ServerTLS(leaf("dns.example"), protocols=[protocol]), port)
            self.assertIn(expected, self.outcome(description))
        canned.close()
        canned.listenTLS(self.there, ServerTLS(leaf("dns.example"), protocols=[]), 443)
        self.assertIn("expected the protocol 'h2' (ALPN), it chose none", self.outcome("https://dns.example:address=192.0.2.53"))
        self.assertEqual(canned.asked, [])

    def test_attack34_octetsInTheClear(self) -> None:
        """
        A reply in the clear before the handshake, or right after it, is not read: the connection fails.
        """
        forged = frame(b"\x00\x07" + bytes(10))
        for before, after in ((forged, b""), (b"220 ready\r\n", b""), (b"HTTP/1.1 101 Switching Protocols\r\n\r\n", b""), (b"", forged)):
            inner = TLSMemoryBIOFactory(ServerTLS(leaf("dns.example")), False, ServerFactory.forProtocol(Protocol), self.there)
            factory: ServerFactory = ServerFactory()
            factory.protocol = partial(_Redirected, before, after, inner)
            port = self.there.listenTCP(853, factory)
            error = self.outcome("tls:192.0.2.53#dns.example")
            self.assertRegex(error, "192.0.2.53:853 (cannot be reached over TLS|closed the connection before it answered): ")
            port.stopListening()


class QUICConfusionTests(QuicTestCase):
    """
    Clients of another protocol over QUIC.
    """

    def test_attack34_otherProtocolIsRefused(self) -> None:
        """
        A client that offers only HTTP/3 is refused in the handshake.
        """
        listener = self.serve()
        client = self.client(alpn="h3")
        client.vanish()
        self.clients.remove(client)
        self.assertEqual(len(listener.servings), 0)
        self.assertEqual(listener.servings.replies.counters.tcp, 0)
