"""
Attacks 30, 31 and 34 on a TLS listener: slow clients, handshakes that are not finished, and other protocols on its port.
"""

from __future__ import annotations

from OpenSSL import SSL

from tests.server.listeners.streams import Client, request
from tests.server.listeners.tlsstreams import Contexts, TLSClient, TLSTestCase
from twisted_ext.server.limits import CLIENT_STREAM_MESSAGE
from twisted_ext.server.listeners.connection import StreamServing
from twisted_ext.server.listeners.tls.certificates import ContextFactory
from twisted_ext.server.listeners.tls.serving import TLSServing
from twisted_ext.wire.framing import frame


def _unchecked(factory: ContextFactory, context: SSL.Context) -> None:
    """
    Choose no protocol.
    """


class HandshakeTests(TLSTestCase):
    """
    Clients that begin a handshake and do not finish it.
    """

    def abandon(self, count: int) -> None:
        """
        Let as many clients send the beginning of a handshake, and leave.
        """
        for number in range(count):
            client = self.connect(f"198.18.{number // 250}.{number % 250 + 1}", 0.003, 853)
            hello = Contexts().connection()
            try:
                hello.do_handshake()
            except SSL.WantReadError:
                client.transport.write(hello.bio_read(4096)[: 50 + number % 200])
            self.network.advance(0.003)
            client.transport.abortConnection()
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
        clients = [self.connect(f"198.18.2.{number + 1}", 0.003, 853) for number in range(100)]
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


class SlowTests(TLSTestCase):
    """
    Attack 30 by TLS.
    """

    def dribble(self) -> TLSClient:
        """
        Return a client that has sent part of a request, one octet each second, each in a record of its own.
        """
        client = self.shake()
        for octet in frame(request(1, b"lane", 300))[: int(CLIENT_STREAM_MESSAGE.default) + 2]:
            client.transport.write(bytes([octet]))
            self.network.advance(1)
        return client

    def test_attack30_dribblingClientIsClosed(self) -> None:
        """
        A request must arrive within a few seconds, however regularly its octets come.
        """
        self.assertTrue(self.dribble().lost)

    def test_attack30_withoutLimitDribblingGoesOn(self) -> None:
        """
        Without that limit the connection stays.
        """
        self.patch(StreamServing, "overdue", lambda serving, now: False)
        self.assertFalse(self.dribble().lost)

    def test_attack30_unreadRepliesAreNotKept(self) -> None:
        """
        A client that sends requests and reads no replies is not read either, and is disconnected after some seconds.
        """
        self.parrot.size = 1000
        client = self.shake()
        client.transport.pauseProducing()
        for _ in range(100):
            client.ask(*[request(number, b"now") for number in range(100)])
        self.network.advance(1)
        self.assertLess(self.parrot.seen, 5000)
        self.network.advance(15)
        self.assertEqual(self.parrot.counters.tcpOpen, 0)
