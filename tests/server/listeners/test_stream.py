"""
Tests of serving connections.
"""

from __future__ import annotations

from collections.abc import Callable

from twisted.logger import capturedLogs, formatEvent

from tests.server.listeners.streams import StreamTestCase, request
from twisted_ext.server.limits import (
    CLIENT_STREAM_GRACE,
    CLIENT_STREAMS,
    CLIENT_STREAMS_PER_PEER,
    CLIENT_STREAMS_PER_SECONDARY,
    DECLINED_SECONDS,
    SECONDARIES_KNOWN,
)
from twisted_ext.server.listeners import stream
from twisted_ext.testing.streams import MemoryConnection

Find = Callable[[bytes, str, float, str], bytes | None]


class ReplyTests(StreamTestCase):
    """
    Tests of the replies that clients get.
    """

    def test_repliesDoNotWaitForAcknowledgments(self) -> None:
        """
        A connection is without Nagle's algorithm, by which a reply would wait for the acknowledgment of the one before.
        """
        told: list[bool] = []
        self.patch(MemoryConnection, "setTcpNoDelay", lambda connection, enabled: told.append(enabled))
        self.connect()
        self.assertEqual(told, [True])

    def test_pipelinedRequestsShareOneWrite(self) -> None:
        """
        Many requests in one piece are all answered, and the replies that are ready are sent in one piece.
        """
        client = self.connect()
        client.ask(*[request(number, b"now" if number % 2 else b"lane") for number in range(200)])
        self.network.advance(0.01)
        self.assertEqual(client.replies, list(range(200)))
        self.assertEqual(client.pieces, [200])

    def test_slowRequestDelaysNoOther(self) -> None:
        """
        A request whose answer takes time does not delay the requests behind it.
        """
        client = self.connect()
        client.ask(request(1), request(2), request(3, b"lane"))
        self.network.advance(0.01)
        self.assertEqual(client.replies, [3])
        self.parrot.release()
        self.network.advance(0.01)
        self.assertEqual(client.replies, [3, 2, 1])

    def test_fragmentedRequestsAreAnswered(self) -> None:
        """
        The requests are the same in whatever pieces the stream arrives.
        """
        self.network.shape("192.0.2.53", fragment=1)
        client = self.connect()
        client.ask(*[request(number, b"now") for number in range(20)])
        self.network.advance(1)
        self.assertEqual(client.replies, list(range(20)))

    def test_messagesMayHave65535Octets(self) -> None:
        """
        Messages may have up to 65535 octets in both directions.
        """
        self.parrot.size = 65535
        client = self.connect()
        client.ask(request(1, b"now", 65535), request(2, b"lane", 65535))
        self.network.advance(1)
        self.assertEqual(client.replies, [1, 2])
        self.assertEqual(client.octets, 2 * 65537)

    def test_statisticsCountMessages(self) -> None:
        """
        The statistics count connections, messages, and messages that the packet cache did not answer.
        """
        client = self.connect()
        client.ask(request(1, b"lane"), request(2, b"now"), request(3))
        self.network.advance(0.01)
        counters = self.parrot.counters
        self.assertEqual((counters.tcpOpened, counters.tcpOpen, counters.tcp, counters.tcpBeyond), (1, 1, 3, 2))
        self.assertEqual(sum(counters.replies), 1)
        client.transport.loseConnection()
        self.network.advance(0.01)
        self.assertEqual((counters.tcpOpened, counters.tcpOpen), (1, 0))

    def test_replyToLostClientIsDropped(self) -> None:
        """
        A reply to a client that has disconnected is dropped.
        """
        client = self.connect()
        client.ask(request(1))
        self.network.advance(0.01)
        client.transport.abortConnection()
        self.network.advance(0.01)
        self.parrot.release()
        self.network.advance(0.01)
        self.assertEqual((client.replies, self.parrot.counters.tcpOpen), ([], 0))


class EndTests(StreamTestCase):
    """
    Tests of what ends a connection.
    """

    def test_zeroLengthEndsConnection(self) -> None:
        """
        A message length of zero ends the connection.
        """
        client = self.connect()
        client.transport.write(b"\x00\x00")
        self.network.advance(0.01)
        self.assertTrue(client.lost)

    def test_junkEndsConnection(self) -> None:
        """
        A client that sends something other than requests gets the replies to its earlier requests, and is disconnected.
        """
        client = self.connect()
        client.ask(request(1, b"lane"), request(2, b"junk"), request(3, b"lane"))
        self.network.advance(0.01)
        self.assertEqual(client.replies, [1])
        self.assertTrue(client.lost)

    def test_idleClientIsDisconnected(self) -> None:
        """
        A client that sends nothing is disconnected after a few seconds, and a client that has sent a request after a longer time.
        """
        one, other = self.connect(), self.connect()
        other.ask(request(1, b"lane"))
        self.network.advance(6)
        self.assertEqual((one.lost, other.lost), (True, False))
        self.network.advance(5)
        self.assertTrue(other.lost)
        self.assertEqual(self.parrot.counters.tcpIdled, 2)

    def test_busyClientStaysConnected(self) -> None:
        """
        A client that keeps sending requests or waits for a reply stays connected.
        """
        asking, waiting = self.connect(), self.connect()
        waiting.ask(request(1))
        for number in range(10):
            asking.ask(request(number, b"lane"))
            self.network.advance(4)
        self.assertEqual((asking.lost, waiting.lost), (False, False))
        self.parrot.release()
        self.network.advance(0.1)
        self.assertEqual(waiting.replies, [1])

    def test_closeEndsAllConnections(self) -> None:
        """
        All connections end when the server stops, and new ones are not accepted.
        """
        client = self.connect()
        done = self.servings.close()
        self.assertNoResult(done)
        self.network.advance(0.01)
        self.successResultOf(done)
        self.assertTrue(client.lost)
        self.assertTrue(self.connect().lost)
        self.successResultOf(self.servings.close())


class LimitTests(StreamTestCase):
    """
    Tests of the limits on connections and requests.
    """

    def test_waitingRequestsAreBounded(self) -> None:
        """
        The server stops reading from a client with too many waiting requests until some of them are answered; then it answers all.
        """
        self.serve(inFlight=10)
        client = self.connect()
        client.ask(*[request(number) for number in range(15)])
        client.ask(request(15))
        self.network.advance(0.1)
        self.assertEqual(len(self.parrot.held), 10)
        self.parrot.release()
        self.network.advance(0.1)
        self.assertEqual(len(self.parrot.held), 6)
        self.parrot.release()
        self.network.advance(0.1)
        self.assertEqual(sorted(client.replies), list(range(16)))

    def test_turnsAreSharedFairly(self) -> None:
        """
        A client that sends very many requests at once is answered in several turns, with other clients between them. In one turn it would
        be answered first.
        """
        for perTurn, between in ((10, True), (100, False)):
            self.serve(perTurn=perTurn)
            order: list[int] = []
            find = self.parrot.find

            def noting(octets: bytes, address: str, now: float, way: str, order: list[int] = order, find: Find = find) -> bytes | None:
                order.append(int.from_bytes(octets[:2], "big"))
                return find(octets, address, now, way)

            self.patch(self.parrot, "find", noting)
            client, other = self.connect(), self.connect()
            client.ask(*[request(number, b"now") for number in range(25)])
            other.ask(request(99, b"lane"))
            self.network.advance(0.1)
            self.assertEqual((client.replies, other.replies), (list(range(25)), [99]))
            self.assertEqual(order.index(99) < order.index(24), between)

    def test_disconnectEndsTurns(self) -> None:
        """
        Nothing of a turn is left when its client disconnects.
        """
        self.serve(perTurn=10)
        client = self.connect()
        client.ask(*[request(number, b"now") for number in range(25)])
        self.network.clock.advance(0.001)
        client.transport.abortConnection()
        self.network.advance(0.1)
        self.assertLess(len(client.replies), 25)
        self.assertEqual(self.parrot.counters.tcpOpen, 0)

    def test_connectionsPerPeerAreBounded(self) -> None:
        """
        A peer has a limited number of connections: its idle connections make room for its new ones, and those of other peers do not.
        """
        self.serve(perPeer=3)
        other = self.connect("192.0.2.8")
        first = self.connect()
        self.network.advance(1)
        others = [self.connect() for _ in range(3)]
        self.network.advance(0.1)
        self.assertEqual([first.lost, *[each.lost for each in others], other.lost], [True, False, False, False, False])
        for client in others:
            client.ask(request(1))
        self.network.advance(0.1)
        self.assertTrue(self.connect().lost)
        self.assertEqual(self.parrot.counters.tcpTurnedAway, 2)

    def test_slash64IsOnePeer(self) -> None:
        """
        All addresses in a /64 are one peer.
        """
        self.serve(perPeer=2)
        clients = [self.connect(f"2001:db8:1::{number}") for number in range(1, 4)] + [self.connect("2001:db8:2::1")]
        self.network.advance(0.1)
        self.assertEqual([client.lost for client in clients], [False, False, True, False])

    def test_silentConnectionsMakeRoomFirst(self) -> None:
        """
        If there are too many connections, those that have sent nothing for a second are closed first, then those that have been silent
        longest.
        """
        self.serve(most=3)
        spoke = self.connect("192.0.2.10")
        spoke.ask(request(1, b"lane"))
        quiet = self.connect("192.0.2.11")
        asks = self.connect("192.0.2.12")
        asks.ask(request(1))
        self.network.advance(1)
        fourth = self.connect("192.0.2.13")
        fourth.ask(request(1))
        self.network.advance(0.1)
        self.assertEqual([each.lost for each in (spoke, quiet, asks, fourth)], [False, True, False, False])
        fifth = self.connect("192.0.2.14")
        fifth.ask(request(1))
        self.network.advance(0.1)
        self.assertEqual([each.lost for each in (spoke, asks, fourth, fifth)], [True, False, False, False])
        # One client has now waited for its reply long enough to make room; the others have not.
        sixth = self.connect("192.0.2.15")
        sixth.ask(request(1))
        self.network.advance(0.1)
        self.assertEqual([each.lost for each in (asks, fourth, fifth, sixth)], [True, False, False, False])
        self.assertTrue(self.connect("192.0.2.16").lost)

    def test_newConnectionIsClosedLast(self) -> None:
        """
        A new connection is closed after those that have been silent longest, since its first request may not have been read yet. A server
        that fetches many zones, each over its own connection, gets them all.
        """
        self.serve(perPeer=3)
        spoke = [self.connect() for _ in range(2)]
        for client in spoke:
            client.ask(request(1, b"lane"))
        self.network.advance(CLIENT_STREAM_GRACE.default)
        new = [self.connect() for _ in range(3)]
        for client in new:
            client.ask(request(1, b"lane"))
        self.network.advance(0.1)
        self.assertEqual([each.lost for each in (*spoke, *new)], [True, True, False, False, False])
        self.assertEqual([each.replies for each in new], [[1]] * 3)

    def test_answeredConnectionIsInUseForAWhile(self) -> None:
        """
        A connection whose query was just answered is not closed for another one of its client: its next query is answered, as is the IXFR
        query of a secondary after its SOA query. The new connection is rejected and counted, and accepted after the grace period.
        """
        self.serve(perPeer=3)
        clients = [self.connect() for _ in range(3)]
        for client in clients:
            client.ask(request(1, b"now"))
        self.network.advance(1)
        self.assertTrue(self.connect().lost)
        for client in clients:
            client.ask(request(2, b"now"))
        self.network.advance(0.1)
        self.assertEqual([client.replies for client in clients], [[1, 2]] * 3)
        counters = self.parrot.counters
        self.assertEqual((counters.tcpTurnedAway, counters.tcpRejected), (1, 1))
        self.network.advance(CLIENT_STREAM_GRACE.default)
        self.assertFalse(self.connect().lost)
        self.assertEqual([client.lost for client in clients].count(True), 1)
        self.assertEqual((counters.tcpTurnedAway, counters.tcpRejected), (2, 1))

    def test_secondaryMayHaveMoreConnections(self) -> None:
        """
        A client that has been sent a zone may have more connections in use than other clients, since several secondaries may share its
        address. Where the limit of clients is set lower than its default, it is for all. A limited number of secondaries is remembered.
        """
        most = int(CLIENT_STREAMS_PER_PEER.default)
        for perPeer, isMore in ((most, True), (most - 1, False)):
            self.serve(perPeer=perPeer)
            secondary, other = "192.0.2.8", "192.0.2.9"
            first = self.connect(secondary)
            next(iter(self.servings._streams)).flow(iter([bytes(12)]))
            for address, isAccepted in ((secondary, isMore), (other, False)):
                clients = [self.connect(address, 0.001) for _ in range(perPeer + 1 - (address == secondary))]
                self.network.advance(0.01)
                self.assertEqual(clients[-1].lost, not isAccepted)
            self.assertEqual(first.octets, 14)
        self.assertLessEqual(CLIENT_STREAMS_PER_SECONDARY.default, CLIENT_STREAMS.default)
        for number in range(int(SECONDARIES_KNOWN.default) + 10):
            self.servings.transferred(str(number))
        self.assertEqual(len(self.servings._secondaries), SECONDARIES_KNOWN.default)

    def test_waitingConnectionIsInUse(self) -> None:
        """
        A connection with a query in progress is not closed for another one of its client, however long it waits.
        """
        self.serve(perPeer=1)
        client = self.connect()
        client.ask(request(1))
        self.network.advance(5)
        self.assertTrue(self.connect().lost)
        self.parrot.release()
        self.network.advance(0.1)
        self.assertEqual((client.replies, client.lost), ([1], False))

    def test_rejectedConnectionsAreLogged(self) -> None:
        """
        The log says once a minute which client has too many connections in use, how many it may have, and what to set.
        """
        self.serve(perPeer=1)

        def reject(count: int) -> list[str]:
            with capturedLogs() as events:
                client = self.connect()
                client.ask(request(1))
                self.network.advance(0.1)
                for _ in range(count):
                    self.assertTrue(self.connect().lost)
                client.transport.abortConnection()
                self.network.advance(0.1)
            return [formatEvent(event) for event in events if event["log_namespace"] == stream.__name__]

        first = reject(3)
        self.network.advance(DECLINED_SECONDS.default)
        second = reject(1)
        self.assertEqual([len(first), len(second)], [1, 1])
        for part in ("192.0.2.7", "all 1 ", "tcp-connections-per-client"):
            self.assertIn(part, first[0])
        self.assertIn("2 more were rejected", second[0])
