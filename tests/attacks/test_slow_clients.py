"""
Attack 30: slow clients. Requests that dribble in, idle connections, unread replies.
"""

from __future__ import annotations

from tests.attacks.whole import US, WholeServerTestCase
from tests.queries import queryOf
from tests.server.listeners.streams import Client, StreamTestCase, request
from tests.typed import clientOf
from twisted_ext.server.limits import CLIENT_STREAM_MESSAGE, CLIENT_STREAMS
from twisted_ext.server.listeners import stream
from twisted_ext.server.listeners.connection import StreamServing
from twisted_ext.server.service import ServerService
from twisted_ext.wire.framing import StreamBuffer, frame


class SlowTests(StreamTestCase):
    """
    Clients that send slowly.
    """

    def dribble(self, client: Client, seconds: int) -> None:
        """
        Send a request, one octet each second.
        """
        for octet in frame(request(1, b"lane", 300))[:seconds]:
            client.transport.write(bytes([octet]))
            self.network.advance(1)

    def crowd(self) -> list[Client]:
        """
        Return five hundred connections of as many clients, each with the first octet of a request.
        """
        clients = [self.connect(f"198.{18 + number // 250}.1.{number % 250}", 0.0) for number in range(500)]
        self.network.advance(0.01)
        for client in clients:
            client.transport.write(b"\x00")
        self.network.advance(0.01)
        return clients

    def test_attack30_dribblingClientIsClosed(self) -> None:
        """
        A request must arrive within a few seconds, however regularly its octets come.
        """
        client = self.connect()
        self.dribble(client, int(CLIENT_STREAM_MESSAGE.default) + 2)
        self.assertTrue(client.lost)

    def test_attack30_laterDribblingIsClosed(self) -> None:
        """
        The same limit holds for a client that sent good requests before.
        """
        client = self.connect()
        client.ask(request(1, b"lane"))
        self.network.advance(0.01)
        self.dribble(client, int(CLIENT_STREAM_MESSAGE.default) + 2)
        self.assertEqual((client.replies, client.lost), ([1], True))

    def test_attack30_withoutLimitDribblingGoesOn(self) -> None:
        """
        Without that limit the connection stays as long as its client likes.
        """
        self.patch(StreamServing, "overdue", lambda serving, now: False)
        client = self.connect()
        self.dribble(client, 60)
        self.assertFalse(client.lost)

    def test_attack30_crowdIsClosed(self) -> None:
        """
        Five hundred of them are all disconnected after that time, and a proper client is answered at once meanwhile.
        """
        clients = self.crowd()
        good = self.connect("192.0.2.99")
        began = self.there.seconds()
        good.ask(request(1, b"lane"))
        while not good.replies:
            self.network.advance(0.001)
        self.assertLess(self.there.seconds() - began, 0.1)
        self.network.advance(CLIENT_STREAM_MESSAGE.default + 1)
        self.assertEqual([client for client in clients if not client.lost], [])
        self.assertFalse(good.lost)
        self.assertEqual(self.parrot.counters.tcpIdled, 500)

    def test_attack30_slowClientMakesRoom(self) -> None:
        """
        A slow client makes room for a proper one when all connections are taken. Otherwise no new client could connect.
        """
        self.serve(most=400)
        self.crowd()
        self.assertLessEqual(len(self.servings), 400)
        good = self.connect("192.0.2.99")
        good.ask(request(1, b"lane"))
        self.network.advance(0.1)
        self.assertEqual(good.replies, [1])

        self.patch(stream, "_endOldest", lambda streams, count, now, share=0.0: 0)
        self.serve(most=400)
        self.crowd()
        good = self.connect("192.0.2.98")
        self.network.advance(0.1)
        self.assertTrue(good.lost)

    def test_attack30_onePeerDisplacesItself(self) -> None:
        """
        A client that opens a thousand connections displaces its own only. Without a limit for each client it would displace all others.
        """
        other = self.connect("192.0.2.8")
        for _ in range(1000):
            self.connect(seconds=0.001)
        self.network.advance(0.01)
        self.assertFalse(other.lost)
        self.assertLessEqual(len(self.servings), 129)

        self.serve(perPeer=20000)
        other = self.connect("192.0.2.8")
        for _ in range(int(CLIENT_STREAMS.default) + 10):
            self.connect(seconds=0.001)
        self.network.advance(0.01)
        self.assertTrue(other.lost)


class UnreadTests(StreamTestCase):
    """
    Clients that send queries and do not read.
    """

    def setUp(self) -> None:
        super().setUp()
        self.parrot.size = 1000

    def deaf(self, kind: bytes) -> Client:
        """
        Return a client that sends ten thousand queries and reads nothing.
        """
        client = self.connect()
        client.transport.pauseProducing()
        client.ask(*[request(number, kind) for number in range(5000)])
        client.ask(*[request(number, kind) for number in range(5000, 10000)])
        self.network.advance(1)
        return client

    def written(self, client: Client) -> int:
        """
        Return the octets that the server has written for this client and that are not read.
        """
        return client.transport.other._flying

    def test_attack30_unreadRepliesStopReading(self) -> None:
        """
        The server stops reading from such a client, so that a buffer of replies is the most that waits. It gets everything when it reads
        again.
        """
        for kind in (b"lane", b"now"):
            with self.subTest(kind):
                client = self.deaf(kind)
                self.assertLess(self.written(client), 3 * 65536)
                self.assertLess(self.parrot.seen, 500)
                client.transport.resumeProducing()
                self.network.advance(2)
                self.assertEqual(client.replies, list(range(10000)))
                self.parrot.seen = 0

    def test_attack30_withoutPauseRepliesPileUp(self) -> None:
        """
        If the connection ignored its transport's pause, ten megabytes would wait.
        """
        self.patch(StreamServing, "pauseProducing", lambda serving: None)
        client = self.deaf(b"lane")
        self.assertGreater(self.written(client), 9_000_000)

    def test_attack30_clientThatNeverReadsIsClosed(self) -> None:
        """
        A client that never reads is disconnected after a while. Without the limit it would stay.
        """
        client = self.deaf(b"lane")
        self.network.advance(12)
        self.assertEqual(len(self.servings), 0)
        self.patch(StreamServing, "overdue", lambda serving, now: False)
        client = self.deaf(b"lane")
        self.network.advance(60)
        self.assertEqual(len(self.servings), 1)
        client.transport.abortConnection()

    def test_attack30_owedRepliesAreLimited(self) -> None:
        """
        Late replies are written although the client does not read, up to a megabyte, after which it is disconnected. Without that limit all
        of them would wait.
        """
        self.parrot.size = 65535
        client = self.connect()
        client.transport.pauseProducing()
        client.ask(*[request(number) for number in range(100)])
        self.network.advance(0.1)
        self.parrot.release()
        self.assertLess(self.written(client), 1.3 * (1 << 20))
        self.network.advance(0.1)
        self.assertEqual(len(self.servings), 0)

        self.serve().mostUnread = 1 << 26
        client = self.connect()
        client.transport.pauseProducing()
        client.ask(*[request(number) for number in range(100)])
        self.network.advance(0.1)
        self.parrot.release()
        self.assertGreater(self.written(client), 6_000_000)
        client.transport.abortConnection()


class OddTests(StreamTestCase):
    """
    Lengths at both ends of the range.
    """

    def test_attack30_lengthZeroEndsConnection(self) -> None:
        """
        A length of zero ends the connection. If it were ignored, a client could send them for ever.
        """
        client = self.connect()
        client.transport.write(b"\x00\x00" * 1000)
        self.network.advance(0.1)
        self.assertTrue(client.lost)

        feed = StreamBuffer.feed
        self.patch(StreamBuffer, "feed", lambda buffer, data: feed(buffer, data) if data.strip(b"\x00") else [])
        client = self.connect()
        client.transport.write(b"\x00\x00" * 1000)
        self.network.advance(0.1)
        self.assertFalse(client.lost)

    def test_attack30_longestRequestIsAnswered(self) -> None:
        """
        A request of 65,535 octets is answered, and one that stays incomplete is closed like others.
        """
        client = self.connect()
        client.ask(request(1, b"lane", 65535))
        self.network.advance(0.1)
        self.assertEqual(client.replies, [1])
        client.transport.write(b"\xff\xff" + bytes(65534))
        self.network.advance(CLIENT_STREAM_MESSAGE.default + 1)
        self.assertTrue(client.lost)


class WholeTests(WholeServerTestCase):
    """
    The same attacks on a whole server.
    """

    def connect(self, address: str) -> Client:
        """
        Return a client at this address.
        """
        reactor = self.network.hostAt(address) or self.network.reactor(address)
        client = Client()
        reactor.connectTCP(US, 53, clientOf(lambda: client))
        return client

    def crowd(self, service: ServerService) -> tuple[float, int]:
        """
        Let five hundred clients send an octet of a request each second.

        @return: seconds that a good client waits for its answer meanwhile, and how many of the others are left after seven seconds.
        """
        slow = [self.connect(f"192.168.1.{number % 250}") for number in range(500)]
        self.network.advance(0.1)
        wire = frame(queryOf())
        began = took = 0.0
        for second in range(7):
            for client in slow:
                if not client.lost:
                    client.transport.write(wire[second : second + 1])
            if second == 3:
                good = self.connect("192.168.0.9")
                began = self.here.seconds()
                self.network.advance(0.03)
                good.ask(queryOf())
                while not good.replies:
                    self.network.advance(0.005)
                took = self.here.seconds() - began
            self.network.advance(1)
        left = len([client for client in slow if not client.lost])
        self.assertEqual(left + 1, service.counters.tcpOpen)
        self.stop(service)
        return took, left

    def test_attack30_crowdIsClosed(self) -> None:
        """
        The slow clients are disconnected by then, and the good one is answered at once, connection included. Without the limit all of them
        would stay.
        """
        took, left = self.crowd(self.run_())
        self.assertLess(took, 0.1)
        self.assertEqual(left, 0)
        self.patch(StreamServing, "overdue", lambda serving, now: False)
        self.assertEqual(self.crowd(self.run_())[1], 500)

    def unread(self) -> int:
        """
        Let a client send ten thousand queries without reading.

        @return: the octets that are written for it.
        """
        service = self.run_()
        for _ in range(4):
            self.addressOf()
        client = self.connect("192.168.0.9")
        self.network.advance(0.1)
        client.transport.pauseProducing()
        for start in range(0, 10_000, 500):
            client.ask(*[queryOf(id=number) for number in range(start, start + 500)])
        self.network.advance(1)
        written = client.transport.other._flying
        client.transport.abortConnection()
        self.network.advance(0.1)
        self.stop(service)
        return written

    def test_attack30_unreadRepliesStopReading(self) -> None:
        """
        The server stops reading from a client that does not read. Otherwise all of its answers would wait for it.
        """
        self.assertLess(self.unread(), 3 * 65536)
        self.patch(StreamServing, "pauseProducing", lambda serving: None)
        self.assertGreater(self.unread(), 450_000)
