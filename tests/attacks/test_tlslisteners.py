"""
Attack 30 on a TLS listener: slow clients, and clients that do not read.
"""

from __future__ import annotations

from collections.abc import Callable

from OpenSSL import SSL

from tests.server.listeners.streams import request
from tests.server.listeners.tlsstreams import Contexts, TLSClient, TLSTestCase
from twisted_ext.limits import Limit
from twisted_ext.server.limits import CLIENT_STREAM_MESSAGE, TLS_HANDSHAKES_TURN
from twisted_ext.server.listeners import stream as streamlisteners
from twisted_ext.server.listeners.connection import StreamServing
from twisted_ext.server.listeners.stream import Turns
from twisted_ext.server.listeners.tls.serving import TLSServing
from twisted_ext.wire.framing import frame


def _hello() -> bytes:
    """
    Return the first octets of a handshake.
    """
    hello = Contexts().connection()
    try:
        hello.do_handshake()
    except SSL.WantReadError:
        pass
    return hello.bio_read(4096)


class HandshakeFloodTests(TLSTestCase):
    """
    Clients that begin more handshakes than the server can make, and never go on.
    """

    def flood(self, count: int = 500) -> tuple[list[TLSClient], TLSClient]:
        """
        Return clients with connections from before, and one that comes when the flood is over.
        """
        self.serve(most=60)
        good = [self.shake(f"192.0.2.{number + 1}") for number in range(20)]
        for client in good:
            client.ask(request(1, b"now"))
        self.network.advance(2)
        octets = _hello()
        for number in range(count):
            # More networks than connections, so that no one has more than its share.
            attacker = self.connect(f"10.{number % 250}.{number // 250}.1", 0.002, 853)
            if attacker.transport is not None:
                attacker.transport.write(octets)
        for client in good:
            client.ask(request(2, b"now"))
        self.network.advance(1)
        return good, self.shake("198.51.100.1")

    def test_attack31_floodClosesNoConnectionInUse(self) -> None:
        """
        Connections in use go on, whatever their number and network: those that are still in the middle of a handshake make room. A client
        that comes afterwards is served.
        """
        good, late = self.flood()
        self.assertEqual([client.replies for client in good], [[1, 2]] * 20)
        late.ask(request(3, b"now"))
        self.network.advance(0.1)
        self.assertEqual(late.replies, [3])

    def test_attack31_unboundedHandshakesCloseOthers(self) -> None:
        """
        Without the bound and the lower rank of handshakes, connections in use are closed for them.
        """
        self.patch(TLSServing, "worth", StreamServing.worth)
        self.patch(streamlisteners, "_SHAKING", 0)
        good, _ = self.flood()
        self.assertNotEqual([client.replies for client in good], [[1, 2]] * 20)

    def crowded(self) -> int:
        """
        Return how many of a hundred handshakes that begin in one turn of the reactor wait for a later one.
        """
        waiting: list[int] = []
        admit = Turns.admit

        def noting(turns: Turns, work: Callable[[], bool]) -> bool:
            admitted = admit(turns, work)
            waiting.append(len(turns))
            return admitted

        self.patch(Turns, "admit", noting)
        self.serve()
        clients = [self.connect(f"198.18.3.{number + 1}", 0.003, 853) for number in range(100)]
        octets = _hello()
        for client in clients:
            client.transport.write(octets)
        self.network.advance(1)
        self.assertEqual(len([client for client in clients if client.octets]), 100)
        return max(waiting)

    def test_attack31_turnHasFewHandshakes(self) -> None:
        """
        In one turn of the reactor a few handshakes are continued, so that replies on other connections wait for no more; the rest follows.
        """
        self.assertEqual(self.crowded(), 100 - TLS_HANDSHAKES_TURN.default)

    def test_attack31_withoutLimitTurnHasAllHandshakes(self) -> None:
        """
        Without that limit all are continued at once.
        """
        self.patch(streamlisteners, "TLS_HANDSHAKES_TURN", Limit(default=10_000, least=1, most=10_000))
        self.assertEqual(self.crowded(), 0)


class SlowTests(TLSTestCase):
    """
    Attack 30 over TLS.
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
