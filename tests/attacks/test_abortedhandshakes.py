"""
Attack 31: TLS handshakes that end early, on both sides (CVE-2026-12245).
"""

from __future__ import annotations

from pathlib import Path

from OpenSSL import SSL
from twisted.internet.interfaces import IAddress
from twisted.internet.protocol import Protocol, ServerFactory

from tests.certificates import written
from tests.networks import NetworkTestCase
from tests.server.listeners.streams import Client
from tests.server.listeners.tlsstreams import PAIR, Contexts, TLSTestCase
from twisted_ext.resolver.strings.descriptions import sourceFromString
from twisted_ext.server.limits import CLIENT_STREAM_MESSAGE
from twisted_ext.server.listeners.connection import StreamServing
from twisted_ext.server.listeners.https.headers import HeadMemory
from twisted_ext.server.listeners.https.request import Endpoint
from twisted_ext.server.listeners.https.serving import ALPN, httpsServing
from twisted_ext.server.listeners.stream import StreamFactory
from twisted_ext.server.listeners.tls.certificates import Certificates
from twisted_ext.server.listeners.tls.serving import TLSServing
from twisted_ext.transport.tls.stream import TLSAttempt


class HandshakeTests(TLSTestCase):
    """
    Clients that begin a handshake and do not finish it.

    @ivar port: that of the listener.
    """

    port = 853

    def abandon(self, count: int) -> None:
        """
        Let as many clients leave at each stage of a handshake: with part of the first message, with all of it, and having got the server's
        reply; some close the connection, and others reset it.
        """
        for number in range(count):
            client = self.connect(f"198.18.{number // 250}.{number % 250 + 1}", 0.003, self.port)
            hello = Contexts().connection()
            try:
                hello.do_handshake()
            except SSL.WantReadError:
                octets = hello.bio_read(4096)
                client.transport.write(octets[: 50 + number % 200] if number % 3 == 0 else octets)
            if number % 3 == 2:
                self.network.advance(0.003)
            if number % 2:
                client.transport.abortConnection()
            else:
                client.transport.loseConnection()
        self.network.advance(0.01)

    def test_attack31_earlyCloseLeavesNothing(self) -> None:
        """
        After a thousand of them nothing is left open, and each one is counted.
        """
        self.abandon(1000)
        self.assertEqual(len(self.servings), 0)
        self.assertEqual((self.parrot.counters.tcpOpen, self.parrot.counters.tlsFailed), (0, 1000))

    def test_attack31_uncountedCloseIsNoticed(self) -> None:
        """
        The same test fails for a server that does not count them.
        """
        self.patch(TLSServing, "connectionLost", StreamServing.connectionLost)
        self.abandon(10)
        self.assertEqual(self.parrot.counters.tlsFailed, 0)

    def crowd(self) -> list[Client]:
        """
        Return connections that send the first octets of a handshake, and nothing more.
        """
        clients = [self.connect(f"198.18.2.{number + 1}", 0.003, self.port) for number in range(100)]
        for client in clients:
            client.transport.write(b"\x16\x03\x01")
        self.network.advance(CLIENT_STREAM_MESSAGE.default + 1)
        return clients

    def test_attack31_slowHandshakesAreClosed(self) -> None:
        """
        A handshake has to be over, and the first request has to be there, within a few seconds.
        """
        self.assertEqual([client for client in self.crowd() if not client.lost], [])

    def test_attack31_withoutLimitSlowHandshakesStay(self) -> None:
        """
        Without that limit they stay.
        """
        self.patch(StreamServing, "overdue", lambda serving, now: False)
        self.assertEqual([client for client in self.crowd() if client.lost], [])


class HTTPSHandshakeTests(HandshakeTests):
    """
    The same at an HTTPS listener.
    """

    port = 443

    def serve(self, **bounds: int) -> StreamFactory:
        servings = super().serve(**bounds)
        contexts = Certificates([PAIR], self.there.seconds).contextFactory(ALPN)
        make = httpsServing(self.parrot, HeadMemory(Endpoint()), contexts)

        class Port(ServerFactory):
            noisy = False

            def buildProtocol(self, addr: IAddress | None) -> StreamServing | None:
                return servings.buildProtocol(addr, make)

        self.there.listenTCP(443, Port())
        return servings


class _Hasty(Protocol):
    """
    A server that closes the connection once a handshake begins.
    """

    def dataReceived(self, data: bytes) -> None:
        assert self.transport is not None
        self.transport.loseConnection()


class HastyServerTests(NetworkTestCase):
    """
    Servers that close the connection in the handshake.
    """

    def look(self, count: int) -> set[str]:
        """
        Look that many names up at such a server, each on a connection of its own.

        @return: the errors.
        """
        folder = Path(self.mktemp())
        folder.mkdir()
        ca = str(written(folder)).replace(":", "\\:")
        factory: ServerFactory = ServerFactory()
        factory.protocol = _Hasty
        self.network.reactor("192.0.2.53").listenTCP(853, factory)
        source = sourceFromString(self.here, f"tls:192.0.2.53#dns.example:ca={ca}")
        faults = {str(self.fault(source, f"h{number}.test.example", seconds=0.5)) for number in range(count)}
        source.close()
        self.network.advance(1)
        return {fault.partition(": ")[2] for fault in faults}

    def test_attack31_clientLeavesNothing(self) -> None:
        """
        After two hundred such connections nothing is left open at the client, and each error says what the server did.
        """
        (error,) = self.look(200)
        self.assertIn("192.0.2.53:853 cannot be reached over TLS: it closed the connection during the TLS handshake", error)
        self.assertEqual(self.here.pending(), [])

    def test_attack31_clientThatWaitsIsNoticed(self) -> None:
        """
        A client that took no notice of the end would wait for its whole time.
        """
        self.patch(TLSAttempt, "buildProtocol", lambda attempt, address: Protocol())
        (error,) = self.look(1)
        self.assertNotIn("closed the connection", error)
