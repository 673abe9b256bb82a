"""
Tests of serving connections.
"""

from __future__ import annotations

from tests.server.listeners.streams import StreamTestCase, request


class ReplyTests(StreamTestCase):
    """
    What clients get.
    """

    def test_pipelined(self) -> None:
        """
        Many requests in one piece are all answered, and what is at hand comes back in one piece.
        """
        client = self.connect()
        client.ask(*[request(number, b"now" if number % 2 else b"lane") for number in range(200)])
        self.network.advance(0.01)
        self.assertEqual(client.replies, list(range(200)))
        self.assertEqual(client.pieces, [200])

    def test_outOfOrder(self) -> None:
        """
        A request that has to be waited for holds up none behind it.
        """
        client = self.connect()
        client.ask(request(1), request(2), request(3, b"lane"))
        self.network.advance(0.01)
        self.assertEqual(client.replies, [3])
        self.parrot.release()
        self.network.advance(0.01)
        self.assertEqual(client.replies, [3, 2, 1])

    def test_byOctets(self) -> None:
        """
        However the stream is cut up, the requests are the same.
        """
        self.network.shape("192.0.2.53", fragment=1)
        client = self.connect()
        client.ask(*[request(number, b"now") for number in range(20)])
        self.network.advance(1)
        self.assertEqual(client.replies, list(range(20)))

    def test_large(self) -> None:
        """
        Messages may have as many octets as their length can say, in both directions.
        """
        self.parrot.size = 65535
        client = self.connect()
        client.ask(request(1, b"now", 65535), request(2, b"lane", 65535))
        self.network.advance(1)
        self.assertEqual(client.replies, [1, 2])
        self.assertEqual(client.octets, 2 * 65537)

    def test_counted(self) -> None:
        """
        Statistics tell connections, messages, and which of them the lane had no reply to.
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

    def test_late(self) -> None:
        """
        A reply to a client that is gone goes nowhere.
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
    What ends a connection.
    """

    def test_noOctets(self) -> None:
        """
        A length of zero cannot be the beginning of anything.
        """
        client = self.connect()
        client.transport.write(b"\x00\x00")
        self.network.advance(0.01)
        self.assertTrue(client.lost)

    def test_junk(self) -> None:
        """
        Whoever sends something else than requests is told what was asked before, and no more.
        """
        client = self.connect()
        client.ask(request(1, b"lane"), request(2, b"junk"), request(3, b"lane"))
        self.network.advance(0.01)
        self.assertEqual(client.replies, [1])
        self.assertTrue(client.lost)

    def test_silent(self) -> None:
        """
        Who says nothing is let go after a few seconds, who has said something later.
        """
        one, other = self.connect(), self.connect()
        other.ask(request(1, b"lane"))
        self.network.advance(6)
        self.assertEqual((one.lost, other.lost), (True, False))
        self.network.advance(5)
        self.assertTrue(other.lost)
        self.assertEqual(self.parrot.counters.tcpIdled, 2)

    def test_busy(self) -> None:
        """
        Who keeps asking stays, and so does who waits for a reply.
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

    def test_close(self) -> None:
        """
        When the server stops, all connections end, and nobody gets a new one.
        """
        client = self.connect()
        done = self.servings.close()
        self.assertNoResult(done)
        self.network.advance(0.01)
        self.successResultOf(done)
        self.assertTrue(client.lost)
        self.assertTrue(self.connect().lost)
        self.successResultOf(self.servings.close())


class ManyTests(StreamTestCase):
    """
    Bounds on how much there may be.
    """

    def test_inFlight(self) -> None:
        """
        A client with very many requests waiting is not read from until some are answered; then all are.
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

    def test_turns(self) -> None:
        """
        A client that sends very much at once is answered in several turns, with others between them.
        """
        self.serve(perTurn=10)
        client, other = self.connect(), self.connect()
        client.ask(*[request(number, b"now") for number in range(25)])
        seen = []
        other.ask(request(99, b"lane"))
        while len(client.replies) < 25:
            self.network.advance(0.0005)
            seen.append((self.parrot.seen, len(other.replies)))
        self.assertEqual(client.replies, list(range(25)))
        self.assertEqual(other.replies, [99])

    def test_turnsEnd(self) -> None:
        """
        Nothing is left of a turn when its client goes.
        """
        self.serve(perTurn=10)
        client = self.connect()
        client.ask(*[request(number, b"now") for number in range(25)])
        self.network.clock.advance(0.001)
        client.transport.abortConnection()
        self.network.advance(0.1)
        self.assertLess(len(client.replies), 25)
        self.assertEqual(self.parrot.counters.tcpOpen, 0)

    def test_perPeer(self) -> None:
        """
        One peer has so many connections: its idle ones make room for its new ones, and none of somebody else's does.
        """
        self.serve(perPeer=3)
        other = self.connect("192.0.2.8")
        first = self.connect()
        self.network.advance(0.1)
        others = [self.connect() for _ in range(3)]
        self.network.advance(0.1)
        self.assertEqual([first.lost, *[each.lost for each in others], other.lost], [True, False, False, False, False])
        for client in others:
            client.ask(request(1))
        self.network.advance(0.1)
        self.assertTrue(self.connect().lost)
        self.assertEqual(self.parrot.counters.tcpTurnedAway, 2)

    def test_prefixes(self) -> None:
        """
        All addresses in a /64 are one peer.
        """
        self.serve(perPeer=2)
        clients = [self.connect(f"2001:db8:1::{number}") for number in range(1, 4)] + [self.connect("2001:db8:2::1")]
        self.network.advance(0.1)
        self.assertEqual([client.lost for client in clients], [True, False, False, False])

    def test_all(self) -> None:
        """
        When there are too many, those that have not said anything for a second go first, then those that were silent longest.
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
        # By now one has waited for its reply for so long that it makes room; the others have not.
        sixth = self.connect("192.0.2.15")
        sixth.ask(request(1))
        self.network.advance(0.1)
        self.assertEqual([each.lost for each in (asks, fourth, fifth, sixth)], [True, False, False, False])
        self.assertTrue(self.connect("192.0.2.16").lost)

    def test_new(self) -> None:
        """
        A connection that is new goes after those that were silent longest: its first request may not have been read yet. A server that
        fetches many zones, each over a connection of its own, has them all.
        """
        self.serve(perPeer=3)
        spoke = [self.connect() for _ in range(2)]
        for client in spoke:
            client.ask(request(1, b"lane"))
        self.network.advance(0.5)
        new = [self.connect() for _ in range(3)]
        for client in new:
            client.ask(request(1, b"lane"))
        self.network.advance(0.1)
        self.assertEqual([each.lost for each in (*spoke, *new)], [True, True, False, False, False])
        self.assertEqual([each.replies for each in new], [[1]] * 3)
