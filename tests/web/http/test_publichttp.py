"""
Tests of L{twisted_ext.web.http.publichttp}.
"""

from __future__ import annotations

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IPushProducer
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET, Request
from zope.interface import implementer

from tests.server.operations.seeing import Peer
from twisted_ext.server.limits import (
    WEB_ACCEPTS,
    WEB_CLIENTS,
    WEB_CLIENTS_PER_PEER,
    WEB_REPLY_SECONDS,
    WEB_REQUEST_OCTETS,
    WEB_REQUEST_SECONDS,
    WEB_REQUESTS,
    WEB_SECONDS,
)
from twisted_ext.server.operations.boundedhttp import BoundedRequest
from twisted_ext.web.http.publichttp import PublicSite, SharedBytes

#: One request, and one after which the connection ends.
GET = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"
CLOSING_GET = b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"


class SlowPage(Resource):
    """
    A page that takes some time to render.

    @ivar asked: how often it was requested.
    @ivar waiting: requests without a reply, if replies come later.
    """

    isLeaf = True

    def __init__(self, case: SiteTestCase) -> None:
        Resource.__init__(self)
        self.asked = 0
        self.waiting: list[Request] = []
        self._case = case

    def render(self, request: Request) -> bytes | int:
        """
        @see: L{Resource.render}
        """
        self.asked += 1
        self._case.spent += self._case.cost
        if self._case.later:
            self.waiting.append(request)
            return NOT_DONE_YET
        return b"x" * self._case.size


class SiteTestCase(SynchronousTestCase):
    """
    A site with one page.

    @ivar cost: the seconds that the page takes to render.
    @ivar size: the octets of the page.
    @ivar spent: the seconds that have been spent on rendering.
    @ivar later: whether replies come later.
    """

    def setUp(self) -> None:
        self.clock = Clock()
        self.cost = self.spent = 0.0
        self.size = 10
        self.later = False
        self.page = SlowPage(self)
        self.site = PublicSite(self.page, self.clock, share=0.1, timer=lambda: self.spent)
        self.addCleanup(self.end)

    def end(self) -> None:
        """
        Stop the site, and check that no timer is left.
        """
        self.site.end()
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def connect(self, address: str = "192.0.2.1", room: int = 1 << 30) -> Peer:
        """
        Return a client.
        """
        return Peer(self.site, self.clock, room, address)


class TurnTests(SiteTestCase):
    """
    Tests of how requests of all connections take turns.
    """

    def test_requestsUseTheirShareOfTime(self) -> None:
        """
        After a request that took 10 ms the next one of any connection waits 90 ms, so that requests use 10 % of the time.
        """
        self.cost = 0.01
        peers = [self.connect() for _ in range(3)]
        for peer in peers:
            peer.say(GET)
        self.assertEqual(self.page.asked, 1)
        self.clock.advance(0.089)
        self.assertEqual(self.page.asked, 1)
        self.clock.advance(0.002)
        self.assertEqual(self.page.asked, 2)
        self.clock.advance(0.09)
        self.assertEqual([bool(peer.heard) for peer in peers], [True] * 3)

    def test_pipelinedRequestsTakeTurns(self) -> None:
        """
        One of several pipelined requests is handled in each turn, with requests of other clients between them.
        """
        self.cost = 0.01
        greedy, modest = self.connect("192.0.2.1"), self.connect("192.0.2.2")
        greedy.say(GET * 200)
        modest.say(GET)
        self.clock.pump([0.09] * 2)
        self.assertTrue(modest.heard)
        self.assertLessEqual(self.page.asked, 3)
        self.clock.pump([0.1] * 200)
        self.assertEqual(greedy.heard.count(b"HTTP/1.1 200"), 200)

    def test_suspendedTurnKeepsSiteOpen(self) -> None:
        """
        A turn during which the process was suspended for minutes does not make later requests wait as long.
        """
        self.cost = 600.0
        peer = self.connect()
        peer.say(GET * 2)
        self.clock.pump([0.5, 0.5])
        self.assertEqual(self.page.asked, 2)

    def test_readingPausesDuringRequest(self) -> None:
        """
        Nothing is read from a connection while one of its requests waits or is being answered.
        """
        self.later = True
        peer = self.connect()
        self.assertTrue(peer.reading)
        peer.say(b"GET / HT")
        self.assertTrue(peer.reading)
        peer.say(b"TP/1.1\r\nHost: localhost\r\n\r\n")
        self.assertFalse(peer.reading)
        self.page.waiting[0].write(b"done")
        self.page.waiting[0].finish()
        self.assertTrue(peer.reading)

    def test_unreadReplyEndsConnection(self) -> None:
        """
        A client that does not read its reply gets no further one, and is disconnected after a time.
        """
        self.size = 1000
        peer = self.connect(room=500)
        peer.say(GET * 50)
        self.clock.advance(1)
        self.assertEqual((self.page.asked, peer.reading), (1, False))
        peer.read()
        self.clock.advance(1)
        self.assertEqual(self.page.asked, 2)
        self.clock.advance(WEB_REPLY_SECONDS.default + 1)
        self.assertFalse(peer.connected)

    def test_missingReplyEndsConnection(self) -> None:
        """
        A connection whose reply is never made is closed after a time.
        """
        self.later = True
        peer = self.connect()
        peer.say(GET)
        self.clock.advance(WEB_REPLY_SECONDS.default - 1)
        self.assertTrue(peer.connected)
        self.clock.advance(2)
        self.assertFalse(peer.connected)

    def test_longReplyIsProlonged(self) -> None:
        """
        A reply that is sent while it is made takes as long as it goes on.
        """
        self.later = True
        peer = self.connect()
        peer.say(GET)
        self.clock.advance(WEB_REPLY_SECONDS.default - 1)
        (request,) = self.page.waiting
        vars(request)["channel"].prolong()
        self.clock.advance(WEB_REPLY_SECONDS.default - 1)
        self.assertTrue(peer.connected)
        self.clock.advance(2)
        self.assertFalse(peer.connected)

    def test_lostClientIsSkipped(self) -> None:
        """
        A client that disconnects while it waits for its turn is skipped.
        """
        self.cost = 0.01
        first, second, third = [self.connect() for _ in range(3)]
        for peer in (first, second, third):
            peer.say(GET)
        second.leave()
        self.clock.pump([0.09] * 3)
        self.assertEqual((self.page.asked, bool(third.heard)), (2, True))


class RequestTests(SiteTestCase):
    """
    Tests of the limits of one request.
    """

    def test_slowRequestEndsConnection(self) -> None:
        """
        A request must be complete some seconds after its first octet, however regularly its octets arrive.
        """
        peer = self.connect()
        self.clock.advance(10)
        for _ in range(int(WEB_REQUEST_SECONDS.default) - 1):
            peer.say(b"G")
            self.clock.advance(1)
        self.assertTrue(peer.connected)
        self.clock.pump([0.5] * 4)
        self.assertFalse(peer.connected)

    def test_idleConnectionEndsLater(self) -> None:
        """
        A connection may be idle for a longer time between requests.
        """
        peer = self.connect()
        peer.say(GET)
        self.clock.advance(WEB_SECONDS.default - 1)
        self.assertTrue(peer.connected)
        self.clock.advance(2)
        self.assertFalse(peer.connected)

    def test_oversizedRequestGets431(self) -> None:
        """
        A request that is too large is refused, whether it ends or not.
        """
        for last in (b"", b"\r\n\r\n"):
            peer = self.connect()
            peer.say(b"GET / HTTP/1.1\r\n" + b"Cookie: abcdefgh\r\n" * (int(WEB_REQUEST_OCTETS.default) // 18 + 1) + last)
            self.assertTrue(peer.heard.startswith(b"HTTP/1.1 431 "))
            self.assertFalse(peer.connected)
        self.assertEqual(self.page.asked, 0)

    def test_junkEndsConnection(self) -> None:
        """
        Octets that are not HTTP end the connection.
        """
        peer = self.connect()
        peer.say(b"\x16\x03\x01 hello\r\n\r\n")
        self.assertFalse(peer.connected)

    def test_requestsPerConnectionAreBounded(self) -> None:
        """
        A connection ends after a number of requests, and the last reply says so.
        """
        peer = self.connect()
        most = int(WEB_REQUESTS.default)
        peer.say(GET * (most + 5))
        self.assertEqual((self.page.asked, peer.connected), (most, False))
        self.assertEqual(peer.heard.count(b"Connection: close"), 1)

    def test_octetsAfterLastRequestAreIgnored(self) -> None:
        """
        Octets after a request with C{Connection: close} are ignored.
        """
        peer = self.connect()
        peer.say(CLOSING_GET + GET)
        self.assertEqual((self.page.asked, peer.connected), (1, False))


class ConnectionTests(SiteTestCase):
    """
    Tests of the limits on connections.
    """

    def test_longestIdleOfPeerMakesRoom(self) -> None:
        """
        A new connection of a peer over its limit closes the peer's connection that has been idle longest; other peers keep theirs.
        """
        other = self.connect("192.0.2.2")
        mine = []
        for _ in range(int(WEB_CLIENTS_PER_PEER.default)):
            mine.append(self.connect())
            self.clock.advance(0.1)
        newest = self.connect()
        self.assertEqual([peer.connected for peer in mine].count(False), 1)
        self.assertEqual((mine[0].connected, newest.connected, other.connected), (False, True, True))
        self.assertEqual(self.site.turnedAway, 1)

    def test_answeredConnectionMakesRoom(self) -> None:
        """
        A connection whose requests are all answered makes room before those whose first request has not arrived, however long it is idle.
        """
        fresh = [self.connect() for _ in range(int(WEB_CLIENTS_PER_PEER.default) - 2)]
        half, answered = self.connect(), self.connect()
        for peer in (half, answered):
            peer.say(GET)
        self.clock.advance(1)
        half.say(b"GET / HTTP")
        newest = self.connect()
        self.assertEqual((answered.connected, half.connected, newest.connected), (False, True, True))
        self.assertEqual({peer.connected for peer in fresh}, {True})

    def test_connectionsAreBounded(self) -> None:
        """
        The total number of connections is limited as well.
        """
        peers = []
        for number in range(int(WEB_CLIENTS.default) + 10):
            peers.append(self.connect(f"192.0.2.{number}"))
            self.clock.advance(0.01)
        self.assertEqual([peer.connected for peer in peers], [False] * 10 + [True] * int(WEB_CLIENTS.default))

    def test_mostServedConnectionMakesRoom(self) -> None:
        """
        If all connections have waiting requests, the one with the most answered requests makes room for a new one.
        """
        self.later = True
        peers = [self.connect() for _ in range(int(WEB_CLIENTS_PER_PEER.default))]
        for peer in peers:
            peer.say(GET * 3)
        # All requests are being answered: no connection makes room.
        refused = self.connect()
        refused.say(GET)
        self.assertEqual((refused.connected, refused.heard[:12]), (False, b"HTTP/1.1 503"))
        # One that says nothing is closed after a second, and so is each of many at once.
        silent = [self.connect() for _ in range(64)]
        with self.assertRaises(ConnectionRefusedError):
            self.connect()
        self.clock.advance(1)
        self.assertEqual({peer.connected for peer in silent}, {False})
        self.cost = 0.01
        for request in self.page.waiting[:2]:
            request.finish()
        # One request is being answered again, the other one waits for its turn.
        newest = self.connect()
        self.assertEqual(([peer.connected for peer in peers].count(False), newest.connected), (1, True))

    def test_acceptingPausesUnderFlood(self) -> None:
        """
        The port stops accepting for a moment if too many connections arrive at once.
        """

        @implementer(IPushProducer)
        class Port:
            states: list[str] = []

            def pauseProducing(self) -> None:
                self.states.append("pause")

            def resumeProducing(self) -> None:
                self.states.append("resume")

            def stopProducing(self) -> None:
                self.states.append("stop")

        port = Port()
        self.site.listens(port)
        most = int(WEB_ACCEPTS.default) // 10
        self.assertEqual(vars(port)["numberAccepts"], most)
        for _ in range(most - 1):
            self.connect()
        self.clock.advance(0.2)
        for _ in range(most - 1):
            self.connect()
        self.assertEqual(port.states, [])
        self.connect()
        self.assertEqual(port.states, ["pause"])
        vars(port)["numberAccepts"] = 120
        self.clock.advance(0.11)
        self.assertEqual((port.states, vars(port)["numberAccepts"]), (["pause", "resume"], most))


class SharedTests(SynchronousTestCase):
    """
    Tests for L{SharedBytes}.
    """

    def setUp(self) -> None:
        self.clock = Clock()
        self.making: list[Deferred[bytes]] = []
        self.shared = SharedBytes(self.make, self.clock, 1.0)

    def make(self) -> Deferred[bytes]:
        """
        Return a L{Deferred} that the test fires.
        """
        self.making.append(Deferred())
        return self.making[-1]

    def test_resultIsSharedForASecond(self) -> None:
        """
        The bytes are made once for all requests that arrive while they are being made and within a second after that.
        """
        asked = [self.shared.get() for _ in range(3)]
        self.making[0].callback(b"one")
        self.clock.advance(0.9)
        asked.append(self.shared.get())
        self.assertEqual([self.successResultOf(each) for each in asked], [b"one"] * 4)
        self.clock.advance(0.2)
        later = self.shared.get()
        self.assertEqual(len(self.making), 2)
        self.making[1].callback(b"two")
        self.assertEqual(self.successResultOf(later), b"two")

    def test_cancelSparesOtherWaiters(self) -> None:
        """
        A cancelled request does not affect the other waiters.
        """
        first, second = self.shared.get(), self.shared.get()
        first.cancel()
        self.failureResultOf(first, CancelledError)
        self.making[0].callback(b"one")
        self.assertEqual(self.successResultOf(second), b"one")

    def test_failureIsNotShared(self) -> None:
        """
        A failure goes to all waiters, and the next request starts again.
        """
        first, second = self.shared.get(), self.shared.get()
        self.making[0].errback(ZeroDivisionError())
        self.failureResultOf(first, ZeroDivisionError)
        self.failureResultOf(second, ZeroDivisionError)
        third = self.shared.get()
        self.making[1].callback(b"one")
        self.assertEqual(self.successResultOf(third), b"one")


class BodyTests(SynchronousTestCase):
    """
    Tests of requests with bodies.
    """

    def setUp(self) -> None:
        self.clock = Clock()
        page = EchoPage()
        self.site = PublicSite(page, self.clock, SmallRequest, timer=self.clock.seconds)
        self.addCleanup(self.site.end)

    def post(self, *pieces: bytes) -> Peer:
        """
        Send a request in pieces.
        """
        peer = Peer(self.site, self.clock)
        for piece in pieces:
            peer.say(piece)
        return peer

    def test_bodyInPiecesIsWhole(self) -> None:
        """
        A body that arrives in pieces is passed on as a whole, and the next request of the connection is answered too.
        """
        head = b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 12\r\n\r\n"
        peer = self.post(head[:-2], head[-2:] + b"four", b"\r\n\r\n", b"ends" + GET)
        self.clock.pump([0.1] * 3)
        first, _, rest = peer.heard.partition(b"HTTP/1.1 200 OK")[2].partition(b"HTTP/1.1 200 OK")
        self.assertTrue(first.endswith(b"four\r\n\r\nends"), first)
        self.assertTrue(rest)

    def test_largeBodyIsRefusedUnread(self) -> None:
        """
        A body above the limit is refused before it is read, and so is one whose length no number can hold.
        """
        for length in (b"101", b"9" * 5000):
            peer = self.post(b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: " + length + b"\r\n\r\n")
            self.assertIn(b" 413 " if length == b"101" else b" 4", peer.heard.partition(b"\r\n")[0])
            self.assertFalse(peer.connected)

    def test_slowBodyEndsTheConnection(self) -> None:
        """
        A body has to arrive within the time of its request, however steadily its octets come.
        """
        peer = self.post(b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n")
        for _ in range(int(WEB_REQUEST_SECONDS.default) + 2):
            if peer.connected:
                peer.say(b"x")
            self.clock.advance(1)
        self.assertFalse(peer.connected)


class EchoPage(Resource):
    """
    Replies with the body of the request.
    """

    isLeaf = True

    def __init__(self) -> None:
        Resource.__init__(self)

    def render(self, request: Request) -> bytes:
        """
        @see: L{Resource.render}
        """
        return request.content.read()


class SmallRequest(BoundedRequest):
    """
    A request with a body of a hundred octets.
    """

    mostOctets = 100
