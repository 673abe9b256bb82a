"""
Tests of serving HTTPS connections.
"""

from __future__ import annotations

from unittest.mock import Mock

from tests.server.listeners.https2peers import GET, POST, target
from tests.server.listeners.httpsstreams import HTTPSTestCase, PlainPeer, WebClient
from tests.server.listeners.streams import request
from twisted_ext.server.listeners.connection import Send, StreamServing


class ReplyTests(HTTPSTestCase):
    """
    Tests of the replies that clients get.
    """

    def test_queriesAreAnswered(self) -> None:
        """
        Queries get their replies from the packet cache, at once and later.
        """
        client = self.dial(WebClient)
        streams = [client.ask(GET(target(request(number, text)))) for number, text in enumerate((b"lane", b"now", b"late"))]
        client.flush()
        self.network.advance(0.1)
        self.assertEqual([client.results[stream].status for stream in streams[:2]], [200, 200])
        self.assertNotIn(streams[2], client.results)
        self.parrot.release()
        self.network.advance(0.1)
        self.assertEqual(client.results[streams[2]].body, request(2, b"late"))

    def test_statisticsCountQueries(self) -> None:
        """
        The statistics count connections and queries as those over TCP.
        """
        client = self.dial(WebClient)
        for number, text in enumerate((b"lane", b"now", b"late", b"junk")):
            client.ask(GET(target(request(number, text))))
        client.flush()
        self.network.advance(0.1)
        counters = self.parrot.counters
        self.assertEqual((counters.tcpOpened, counters.tcpOpen, counters.tcp, counters.tcpBeyond), (1, 1, 4, 3))
        self.assertEqual(sum(counters.replies), 1)

    def test_junkIsRefused(self) -> None:
        """
        A message that is not a request gets a status, and the connection goes on.
        """
        client = self.dial(WebClient)
        junk, after = client.ask(POST(12), request(1, b"junk")), client.ask(POST(12), request(2, b"now"))
        client.flush()
        self.network.advance(0.1)
        self.assertEqual([client.results[stream].status for stream in (junk, after)], [400, 200])
        self.assertFalse(client.lost)

    def test_versionIsRecognized(self) -> None:
        """
        Without TLS the first octets tell HTTP/1.1 from HTTP/2, in whatever pieces they come.
        """
        self.network.shape("192.0.2.53", fragment=1)
        client, proxy = self.dial(WebClient), self.dial(PlainPeer)
        client.ask(GET(target(request(1, b"now"))))
        client.flush()
        proxy.transport.write(b"POST /dns-query HTTP/1.1\r\nHost: x\r\nContent-Type: application/dns-message\r\nContent-Length: 12\r\n\r\n")
        proxy.transport.write(request(2, b"lane"))
        self.network.advance(3)
        self.assertEqual(client.results[1].status, 200)
        self.assertTrue(proxy.received.startswith(b"HTTP/1.1 200 OK\r\n"), proxy.received)

    def test_plainDNSIsRefused(self) -> None:
        """
        DNS over TCP gets no DNS reply.
        """
        peer = self.dial(PlainPeer)
        peer.transport.write(b"\x00\x0c" + request(1, b"now") + b"\r\n\r\n")
        self.network.advance(0.1)
        self.assertTrue(peer.received.startswith(b"HTTP/1.1 400 "))
        self.assertTrue(peer.lost)
        self.assertEqual(self.parrot.seen, 0)

    def test_pipelinedRequestsAreAnswered(self) -> None:
        """
        A proxy gets the replies to its requests over HTTP/1.1 in order.
        """
        proxy = self.dial(PlainPeer)
        for number in range(20):
            text = b"lane" if number % 2 else b"now"
            proxy.transport.write(b"GET %b HTTP/1.1\r\nHost: x\r\n\r\n" % target(request(number, text)))
        self.network.advance(1)
        at = [proxy.received.index(request(number)[:2] + (b"lane" if number % 2 else b"now")) for number in range(20)]
        self.assertEqual((proxy.received.count(b"HTTP/1.1 200"), at), (20, sorted(at)))

    def test_replyToLostClientIsDropped(self) -> None:
        """
        A reply to a client that has disconnected, or has reset the stream, is dropped.
        """
        gone, stays = self.dial(WebClient), self.dial(WebClient)
        for client in (gone, stays):
            client.ask(GET(target(request(1))))
            client.flush()
        self.network.advance(0.1)
        gone.transport.abortConnection()
        stays.h2.reset_stream(1)
        stays.flush()
        self.network.advance(0.1)
        self.parrot.release()
        self.network.advance(0.1)
        self.assertEqual((gone.results, stays.results, self.parrot.counters.tcpOpen), ({}, {}, 1))

    def test_replyOfManyMessagesEndsConnection(self) -> None:
        """
        Messages of a zone transfer are not sent over HTTPS.
        """
        client = self.dial(WebClient)
        messages = Mock()

        def take(octets: bytes, stream: StreamServing, send: Send) -> bool:
            stream.flow(messages)
            return True

        self.patch(self.parrot, "take", take)
        client.ask(GET(target(request(1))))
        client.flush()
        self.network.advance(0.1)
        self.assertTrue(client.lost)
        messages.close.assert_called_once_with()


class EndTests(HTTPSTestCase):
    """
    Tests of what ends a connection.
    """

    def test_idleClientIsToldGoodbye(self) -> None:
        """
        A client that asks nothing is disconnected after a while, and told so.
        """
        silent, client = self.dial(WebClient), self.dial(WebClient)
        client.ask(GET(target(request(1, b"lane"))))
        client.flush()
        self.network.advance(6)
        self.assertEqual((silent.lost, client.lost), (True, False))
        self.network.advance(5)
        self.assertTrue(client.lost)
        self.assertEqual((silent.gone, client.gone), ((0, b""), (0, b"")))

    def test_pingsDoNotKeepConnection(self) -> None:
        """
        A client that only sends PINGs counts as idle.
        """
        client = self.dial(WebClient)
        for _ in range(10):
            if not client.lost:
                client.h2.ping(b"12345678")
                client.flush()
            self.network.advance(1)
        self.assertTrue(client.lost)

    def test_slowRequestEndsConnection(self) -> None:
        """
        A request that stays incomplete ends its connection, although other requests are served meanwhile.
        """
        client = self.dial(WebClient)
        client.h2.send_headers(client.h2.get_next_available_stream_id(), POST(12))
        client.flush()
        for _ in range(12):
            if not client.lost:
                client.ask(GET(target(request(1, b"lane"))))
                client.flush()
            self.network.advance(0.5)
        self.assertTrue(client.lost)
        self.assertGreater(len(client.results), 5)

    def test_slowVersionEndsConnection(self) -> None:
        """
        A client that sends part of the first line is disconnected.
        """
        peer = self.dial(PlainPeer)
        peer.transport.write(b"PRI * ")
        self.network.advance(6)
        self.assertTrue(peer.lost)

    def test_closedWindowEndsConnection(self) -> None:
        """
        A client that keeps replies waiting by flow control is disconnected, and so is one that lets too many wait.
        """
        self.parrot.size = 60_000
        slow, greedy = self.dial(WebClient), self.dial(WebClient)
        for client, count in ((slow, 2), (greedy, 30)):
            client.reads = False
            for number in range(count):
                client.ask(GET(target(request(number, b"now"))))
            client.flush()
        self.network.advance(1)
        self.assertEqual((slow.lost, greedy.lost), (False, True))
        self.network.advance(10)
        self.assertTrue(slow.lost)
        self.assertEqual(self.parrot.counters.tcpIdled, 2)

    def test_protocolErrorEndsConnection(self) -> None:
        """
        A client that violates HTTP/2 learns why, and is disconnected.
        """
        client = self.dial(WebClient)
        client.transport.write(b"\x00\x00\x00\x00\x00\x00\x00\x00\x00")
        self.network.advance(0.1)
        self.assertEqual((client.gone, client.lost), ((1, b"DATA without HEADERS"), True))

    def test_closeEndsAllConnections(self) -> None:
        """
        All connections end when the server stops.
        """
        clients = [self.dial(WebClient) for _ in range(3)]
        clients[0].ask(GET(target(request(1))))
        clients[0].flush()
        self.network.advance(0.1)
        done = self.servings.close()
        self.network.advance(0.1)
        self.successResultOf(done)
        self.assertEqual([client.lost for client in clients], [True] * 3)

    def test_connectionsMakeRoom(self) -> None:
        """
        Connections count with those over TCP against the limits.
        """
        self.serve(perPeer=2)
        first = self.dial(WebClient)
        self.network.advance(1.5)
        plain, last = self.connect(), self.dial(WebClient)
        self.network.advance(0.1)
        self.assertEqual((first.lost, plain.lost, last.lost), (True, False, False))


class TurnTests(HTTPSTestCase):
    """
    Tests of fairness among clients.
    """

    def test_turnsAreSharedFairly(self) -> None:
        """
        A client that sends very many requests at once is answered in several turns, with other clients between them.
        """
        self.serve(perTurn=10)
        order: list[int] = []
        find = self.parrot.find

        def noting(octets: bytes, address: str, now: float, transport: str) -> bytes | None:
            order.append(int.from_bytes(octets[:2], "big"))
            return find(octets, address, now, transport)

        self.patch(self.parrot, "find", noting)
        client, other = self.dial(WebClient), self.dial(WebClient)
        for number in range(50):
            client.ask(GET(target(request(number, b"lane"))))
        other.ask(GET(target(request(99, b"lane"))))
        client.flush()
        other.flush()
        self.network.advance(0.1)
        self.assertEqual(len([result for result in client.results.values() if result.ended]), 50)
        self.assertLess(order.index(99), order.index(30))

    def test_disconnectEndsTurns(self) -> None:
        """
        Nothing of a turn is left when its client disconnects.
        """
        self.serve(perTurn=10)
        find = self.parrot.find

        def ending(octets: bytes, address: str, now: float, transport: str) -> bytes | None:
            if self.parrot.seen == 15:
                for stream in list(self.servings._streams):
                    stream.transport.abortConnection()
            return find(octets, address, now, transport)

        self.patch(self.parrot, "find", ending)
        client = self.dial(WebClient)
        for number in range(50):
            client.ask(GET(target(request(number, b"lane"))))
        client.flush()
        self.network.advance(0.1)
        self.assertTrue(client.lost)
        self.assertEqual((self.parrot.seen, self.parrot.counters.tcpOpen), (20, 0))

    def test_turnsGoOnOverTLS(self) -> None:
        """
        Requests that wait for their turn over TLS are answered, and the connection stays open.
        """
        self.serve(perTurn=10)
        client = self.shake(WebClient, b"h2")
        for number in range(50):
            client.ask(GET(target(request(number, b"lane"))))
        client.flush()
        self.network.advance(0.1)
        self.assertEqual((len([result for result in client.results.values() if result.ended]), client.lost), (50, False))

    def test_pipelinedRequestsAreAnsweredOverTLS(self) -> None:
        """
        Requests that a client of HTTP/1.1 sends without waiting are all answered over TLS, and the connection stays open.
        """
        client = self.shake(PlainPeer, b"http/1.1")
        for number in range(20):
            client.transport.write(b"GET %b HTTP/1.1\r\nHost: x\r\n\r\n" % target(request(number, b"lane" if number % 2 else b"now")))
        self.network.advance(0.1)
        self.assertEqual((client.received.count(b"HTTP/1.1 200"), client.lost), (20, False))

    def test_halfCloseWaitsForTurns(self) -> None:
        """
        A client that sends its requests and the end of its side together gets all replies.
        """
        find = self.parrot.find

        def ending(octets: bytes, address: str, now: float, transport: str) -> bytes | None:
            if self.parrot.seen == 5:
                for stream in list(self.servings._streams):
                    self.there.callLater(0, stream.readConnectionLost)
            return find(octets, address, now, transport)

        self.patch(self.parrot, "find", ending)
        client = self.dial(PlainPeer)
        client.transport.write(b"".join([b"GET %b HTTP/1.1\r\nHost: x\r\n\r\n" % target(request(number, b"lane")) for number in range(20)]))
        self.network.advance(1)
        self.assertEqual((client.received.count(b"HTTP/1.1 200"), client.lost), (20, True))
