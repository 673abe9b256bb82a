"""
Tests of DNS over TLS on a memory network.
"""

from __future__ import annotations

from OpenSSL import SSL
from twisted.logger import formatEvent, globalLogPublisher

from tests.server.listeners import test_stream
from tests.server.listeners.streams import Client, request
from tests.server.listeners.tlsstreams import PAIR, Contexts, TLSTestCase
from tests.typed import observing
from twisted_ext.server.listeners.stream import StreamFactory
from twisted_ext.server.listeners.tls.encryption import newPair
from twisted_ext.wire.framing import frame


class EncryptedReplyTests(TLSTestCase, test_stream.ReplyTests):
    """
    What holds for TCP, holds for TLS.
    """

    def connect(self, address: str = "192.0.2.7", seconds: float = 0.1, port: int = 853) -> Client:
        return self.shake(address, seconds)

    def test_statisticsCountMessages(self) -> None:
        """
        A connection counts until the client has ended its side and got the replies that it waits for.
        """
        client = self.connect()
        client.ask(request(1, b"lane"), request(2, b"now"), request(3))
        self.network.advance(0.1)
        counters = self.parrot.counters
        self.assertEqual((counters.tcpOpened, counters.tcpOpen, counters.tcp, counters.tcpBeyond), (1, 1, 3, 2))
        client.transport.loseConnection()
        self.network.advance(0.1)
        self.assertEqual(counters.tcpOpen, 1)
        self.parrot.release()
        self.network.advance(0.1)
        self.assertEqual(counters.tcpOpen, 0)


class HandshakeTests(TLSTestCase):
    """
    Tests of connections until they are encrypted, and of those that never are.
    """

    def test_repliesAreEncrypted(self) -> None:
        """
        A client gets its reply with the server's certificate, and no octet of either message crosses the network in the clear.
        """
        client = self.shake()
        client.ask(request(7, b"now, in secret"))
        self.network.advance(0.1)
        self.assertEqual(client.replies, [7])
        self.assertEqual(client.leaf, PAIR.leaf.serial_number.to_bytes(20, "big"))
        self.assertEqual((self.parrot.counters.tlsHandshakes, self.parrot.counters.tlsFailed, self.parrot.counters.tcp), (1, 0, 1))

    def test_olderVersionsAreRefused(self) -> None:
        """
        TLS 1.2 is accepted, TLS 1.1 is not.
        """
        client = self.shake(contexts=Contexts(most=SSL.TLS1_2_VERSION))
        client.ask(request(7, b"now"))
        self.network.advance(0.1)
        self.assertEqual(client.replies, [7])
        self.assertTrue(self.shake(contexts=Contexts(most=SSL.TLS1_1_VERSION)).lost)
        self.assertEqual(self.parrot.counters.tlsFailed, 1)

    def test_otherProtocolsAreRefused(self) -> None:
        """
        A client that offers only other protocols by ALPN is disconnected; one that offers none, or ours among others, is answered.
        """
        for offered, lost in (((b"h2", b"http/1.1"), True), ((b"h2", b"dot"), False), ((), False)):
            client = self.shake(contexts=Contexts(alpn=offered))
            client.ask(request(7, b"now"))
            self.network.advance(0.1)
            self.assertEqual((client.lost, client.replies), (lost, [] if lost else [7]), offered)

    def test_plainMessagesAreRefused(self) -> None:
        """
        A client that sends DNS in the clear is disconnected without an answer.
        """
        for plain in (request(7, b"now"), b"GET / HTTP/1.1\r\n\r\n"):
            client = self.reach()
            client.transport.write(frame(plain))
            self.network.advance(0.1)
            self.assertTrue(client.lost)
            self.assertEqual(self.parrot.seen, 0)
        self.assertEqual(self.parrot.counters.tlsFailed, 2)

    def test_slowHandshakesEnd(self) -> None:
        """
        A client that starts a handshake and does not go on has as much time as for a first message, and no more.
        """
        client = self.reach()
        client.transport.write(b"\x16\x03\x01\x02\x00\x01")
        self.network.advance(4)
        self.assertFalse(client.lost)
        self.network.advance(2)
        self.assertTrue(client.lost)
        self.assertEqual(self.parrot.counters.tcpIdled, 1)

    def test_newCertificateIsForNewConnections(self) -> None:
        """
        When the certificates are replaced, connections that are open go on, and new ones get the new certificate.
        """
        before = self.shake()
        pair = newPair(["dns.example"])
        self.certificates.replace([pair])
        after = self.shake()
        for client in (before, after):
            client.ask(request(7, b"now"))
            self.network.advance(0.1)
            self.assertEqual(client.replies, [7])
        serials = [each.leaf.serial_number.to_bytes(20, "big") for each in (PAIR, pair)]
        self.assertEqual([client.leaf for client in (before, after)], serials)

    def test_limitsCountBothKinds(self) -> None:
        """
        Encrypted and plain connections count together toward the limit for one client.
        """
        self.serve(perPeer=2)
        plain, encrypted = self.connect(), self.shake()
        self.network.advance(1.5)
        more = self.shake()
        self.assertEqual([client.lost for client in (plain, encrypted, more)], [True, False, False])

    def reach(self) -> Client:
        """
        Return a client of the TLS port that does not encrypt.
        """
        return self.connect(port=853)


class EndTests(TLSTestCase):
    """
    Tests of how encrypted connections end.
    """

    def test_idleConnectionsEndWithNotice(self) -> None:
        """
        The server ends a connection with a close_notify, so that the client knows that nothing was cut off.
        """
        self.parrot.size = 100
        client = self.shake()
        client.ask(request(1, b"now"), request(2, b"junk"))
        self.network.advance(0.1)
        self.assertTrue(client.lost)
        self.assertTrue(client.isClean)

    def test_lastRequestsAreAnswered(self) -> None:
        """
        A client that ends its side with a close_notify still gets the replies that it waits for, and then the end.
        """
        client = self.shake()
        client.ask(request(1), request(2))
        client.transport.loseConnection()
        self.network.advance(0.1)
        self.assertEqual(len(self.parrot.held), 2)
        self.parrot.release()
        self.network.advance(0.1)
        self.assertTrue(client.lost)

    def test_earlyCloseLeavesNothing(self) -> None:
        """
        A thousand clients that leave in the middle of the handshake leave no connection and no timer, and are counted.
        """
        factory: StreamFactory = self.servings
        for number in range(1000):
            client = self.shake(f"198.51.{number // 250}.{number % 250 + 1}", 0.0)
            self.network.advance(0.0025)
            client.transport.abortConnection()
        self.network.advance(0.1)
        self.assertEqual(len(factory), 0)
        self.assertEqual(self.parrot.counters.tcpOpened, 1000)
        self.assertEqual(self.parrot.counters.tlsFailed, 1000)
        self.assertEqual(self.there.getDelayedCalls(), [])

    def test_failuresAreLoggedOnceAMinute(self) -> None:
        """
        However many handshakes fail, there is one line a minute, which counts them and has the last one's reason.
        """
        said: list[str] = []
        observer = observing(lambda event: said.append(formatEvent(event)))
        globalLogPublisher.addObserver(observer)
        self.addCleanup(globalLogPublisher.removeObserver, observer)
        for _ in range(2):
            for _ in range(5):
                self.assertTrue(self.shake(contexts=Contexts(alpn=[b"h2"])).lost)
            self.network.advance(60)
        lines = [line for line in said if "TLS: failed" in line]
        reason = "the client offers h2 (ALPN); this listener has dot"
        self.assertEqual(lines, [f"TLS: failed handshakes: {count}, the last one with 192.0.2.7: {reason}" for count in (1, 5)])
