"""
Tests of queries over HTTP/3: the client's end.
"""

from __future__ import annotations

import gc
import weakref
from collections.abc import Callable
from functools import partial
from random import Random

from aioquic.quic.events import StopSendingReceived, StreamReset
from twisted.internet.protocol import DatagramProtocol

from tests.certificates import certificateFor
from tests.transport.https.http3servers import HTTP3Request, HTTP3Server
from tests.transport.https.httpsservers import TYPE, Request
from tests.transport.https.test_exchange import URL, HTTPSTestCase
from tests.transport.waiting import Waiter
from twisted_ext.errors import BadMessage, CallerFault, Unreachable
from twisted_ext.limits import HTTP3_FAILED, HTTP3_HANDSHAKE
from twisted_ext.server.listeners.tls.certificates import Pair
from twisted_ext.transport.https import exchange
from twisted_ext.transport.https.alternatives import AUTO, FIRST, ONLY
from twisted_ext.transport.https.exchange import HTTPS, HTTPSExchange, httpsTerms
from twisted_ext.transport.https.h3 import REQUEST_REJECTED
from twisted_ext.transport.https.h3link import HTTP3Link
from twisted_ext.transport.quic.link import WatchedConnection
from twisted_ext.transport.tls.terms import TLSTerms
from twisted_ext.wire.message import Message


def certified(name: str) -> Pair:
    octets = certificateFor(name)
    return Pair(octets, octets, name)


class HTTP3TestCase(HTTPSTestCase):
    """
    Tests with a server for C{dns.example} over HTTP/2 and HTTP/3.
    """

    mode = ONLY

    def setUp(self) -> None:
        super().setUp()
        self.web.handle = self.offer
        self.alternatives = b'h3=":443"; ma=3600'
        self.modern: HTTP3Server | None = None

    def tearDown(self) -> None:
        self.exchange.close()
        self.network.advance(1)
        if self.modern is not None:
            self.modern.stop()
        super().tearDown()

    def offer(self, request: Request) -> None:
        """
        Answer a request of HTTP/2, and offer HTTP/3.
        """
        octets = self.canned.repliesTo(Message.fromWire(request.message), "tcp")[0]
        request.peer.respond(request.stream, octets, headers=(TYPE, (b"alt-svc", self.alternatives)))

    def exchangeTo(self, *, terms: TLSTerms | None = None, keep: float | None = None, get: bool = False) -> HTTPSExchange:
        return HTTPSExchange(self.here, self.server, URL, terms or self.terms, keep=keep, get=get, http3=self.mode)

    def listen(self, name: str = "dns.example", port: int = 443, alpn: str = "h3") -> HTTP3Server:
        """
        Start the server of HTTP/3.
        """
        self.modern = HTTP3Server(self.there, self.canned, certified(name), port, alpn)
        return self.modern

    def askOne(self, seconds: float = 0.5) -> Waiter:
        return super().askOne(seconds)

    def answered(self, seconds: float = 0.5) -> str:
        """
        Send a query that is answered, and return the protocol that it took.
        """
        waiter = self.askOne(seconds)
        self.assertEqual((len(waiter.replies), waiter.faults), (1, []))
        details = self.exchange.details
        assert details is not None
        return details.protocol

    def problem(self, kind: type[Exception] = Unreachable, seconds: float = 1.0) -> str:
        waiter = self.askOne(seconds)
        self.assertEqual(waiter.replies, [])
        (fault,) = waiter.faults
        self.assertIsInstance(fault, kind)
        return str(fault)


class HTTP3Tests(HTTP3TestCase):
    """
    Tests of connections over HTTP/3 alone.
    """

    def test_post(self) -> None:
        """
        A query is a POST request, with the id 0, and nothing of it can be read on the way.
        """
        server = self.listen()
        self.assertEqual(self.answered(), "h3")
        (request,) = server.requests
        self.assertEqual(request.fields[b":method"], b"POST")
        self.assertEqual((request.fields[b":authority"], request.fields[b":path"]), (b"dns.example", b"/dns-query"))
        self.assertEqual((request.fields[b"content-type"], request.body[:2]), (TYPE[1], b"\x00\x00"))
        for datagram in self.network.datagrams:
            self.assertNotIn(b"test\x07example", datagram.octets)
            self.assertIn(443, (datagram.source[1], datagram.destination[1]))
        self.assertEqual(self.web.requests, [])

    def test_get(self) -> None:
        """
        A query may be a GET request.
        """
        server = self.listen()
        self.exchange = self.exchangeTo(get=True)
        self.answered()
        (request,) = server.requests
        self.assertEqual(request.fields[b":method"], b"GET")
        self.assertTrue(request.fields[b":path"].startswith(b"/dns-query?dns=AAAB"))

    def test_many(self) -> None:
        """
        Queries share a connection, and replies come in any order, also when datagrams get lost.
        """
        server = self.listen()
        self.answered()
        held: list[HTTP3Request] = []
        server.handle = held.append
        waiters = [Waiter() for _ in range(150)]
        self.network.shape(delay=0.01, loss=0.05)
        self.ask_(*waiters)
        self.network.advance(1)
        self.assertEqual(len(held), 100)
        server.handle = server.answer
        for request in reversed(held):
            server.answer(request)
        server.flush()
        self.network.advance(3)
        self.assertEqual([len(waiter.replies) for waiter in waiters], [1] * 150)
        self.assertEqual(len(server.peers), 1)

    def test_resumed(self) -> None:
        """
        C{resume=no} keeps no sessions.
        """
        self.listen()
        self.exchange = self.exchangeTo(terms=httpsTerms(URL.identity, ca=self.ca, resume=False))
        self.answered()
        self.assertIsNone(self.exchange.ticket)

    def test_kept(self) -> None:
        """
        An idle connection is kept for the time that was set, and leaves nothing.
        """
        server = self.listen()
        self.answered()
        self.exchange.settle()
        self.network.advance(8)
        self.answered()
        self.exchange.settle()
        self.assertEqual(len(server.peers), 1)
        self.network.advance(11)
        self.assertEqual((server.peers, self.here.pending()), ([], []))

    def test_cancelled(self) -> None:
        """
        A query that is given up is cancelled at the server, in both directions.
        """
        server = self.listen()
        self.answered()
        server.handle = lambda request: None
        (key,) = self.ask_(Waiter())
        self.network.advance(0.1)
        self.exchange.release(key)
        self.network.advance(0.1)
        (peer,) = server.peers
        self.assertEqual(len([each for each in peer.events if isinstance(each, StopSendingReceived)]), 1)
        server.handle = server.answer
        self.assertEqual(self.answered(), "h3")

    def test_rejected(self) -> None:
        """
        A query that the server rejects is sent again on another connection, once.
        """
        server = self.listen()
        self.answered()
        rejected: list[int] = []

        def reject(request: HTTP3Request) -> None:
            rejected.append(request.stream)
            request.peer.quic.reset_stream(request.stream, REQUEST_REJECTED)
            server.handle = server.answer

        server.handle = reject
        self.answered()
        self.assertEqual((len(rejected), len(server.peers)), (1, 1))

        def always(request: HTTP3Request) -> None:
            request.peer.quic.reset_stream(request.stream, REQUEST_REJECTED)

        server.handle = always
        self.assertIn("gave up the query (H3_REQUEST_REJECTED)", self.problem())

    def test_queriesBehindGOAWAYAreSentAgain(self) -> None:
        """
        A server that takes a few requests on each connection answers all queries, whether it rejects the others or is silent. None of
        them is answered twice, and none waits.
        """
        for rejects in (True, False):
            server = self.listen()

            def handle(request: HTTP3Request, server: HTTP3Server = server, rejects: bool = rejects) -> None:
                number = request.stream >> 2
                if number < 20:
                    server.answer(request)
                elif rejects:
                    request.peer.quic.reset_stream(request.stream, REQUEST_REJECTED)
                if number == 19:
                    assert request.peer.http is not None
                    control = request.peer.http._local_control_stream_id
                    assert control is not None
                    # GOAWAY with stream 80.
                    request.peer.quic.send_stream_data(control, b"\x07\x02\x40\x50")

            server.handle = handle
            self.exchange = self.exchangeTo()
            waiters = [Waiter(f"host{number}.test.example") for number in range(200)]
            self.ask_(*waiters)
            self.network.advance(2)
            self.assertEqual([(len(waiter.replies), waiter.faults) for waiter in waiters], [(1, [])] * 200)
            self.exchange.close()
            self.network.advance(1)
            server.stop()
            self.assertLessEqual(len(server.gone) + len(server.peers), 12)
        self.modern = None

    def test_serverThatRejectsAllIsNotDialedInALoop(self) -> None:
        """
        A server that says of each query that it has not processed it gets each twice.
        """
        server = self.listen()

        def goAway(request: HTTP3Request) -> None:
            assert request.peer.http is not None and request.peer.http._local_control_stream_id is not None
            if not request.stream:
                request.peer.quic.send_stream_data(request.peer.http._local_control_stream_id, b"\x07\x01\x00")

        server.handle = goAway
        waiters = [Waiter(f"host{number}.test.example") for number in range(50)]
        self.ask_(*waiters)
        self.network.advance(2)
        self.assertEqual([(len(waiter.replies), len(waiter.faults)) for waiter in waiters], [(0, 1)] * 50)
        self.assertIn("closed the connection (GOAWAY)", str(waiters[0].faults[0]))
        self.assertLessEqual(len(server.requests), 100)

    def test_wrongGOAWAYIsAViolation(self) -> None:
        """
        A GOAWAY that names no stream of requests, takes back an earlier one, or has another form, ends the connection; other frames of
        the control stream do not, in whatever pieces they come.
        """
        for octets, error in (
            (b"\x07\x01\x01", "H3_ID_ERROR"),
            (b"\x07\x01\x04\x07\x01\x08", "H3_ID_ERROR"),
            (b"\x07\x02\x00\x00", "H3_FRAME_ERROR"),
            (b"\x07\x00", "H3_FRAME_ERROR"),
            (b"\x07\x09" + bytes(9), "H3_FRAME_ERROR"),
            (b"\x21\x05grey!\x21\x00\x07\x02\x40\x04", ""),
        ):
            server = self.listen()
            answer = server.answer

            def handle(
                request: HTTP3Request, octets: bytes = octets, answers: bool = not error, answer: Callable[[HTTP3Request], None] = answer
            ) -> None:
                assert request.peer.http is not None and request.peer.http._local_control_stream_id is not None
                for octet in octets:
                    request.peer.quic.send_stream_data(request.peer.http._local_control_stream_id, bytes((octet,)))
                    request.peer.flush()
                if answers:
                    answer(request)

            server.handle = handle
            self.exchange = self.exchangeTo()
            if error:
                self.assertIn(f"violated HTTP/3: {error}", self.problem(BadMessage, 3.0))
            else:
                self.assertEqual(len(self.askOne().replies), 1)
            self.exchange.close()
            self.network.advance(1)
            server.stop()
        self.modern = None

    def test_reset(self) -> None:
        """
        A query whose stream the server resets for a reason of its own is sent once more, on a new connection, and fails if that is reset
        as well. Others go on.
        """
        server = self.listen()
        self.answered()

        def once(request: HTTP3Request) -> None:
            server.handle = server.answer
            request.peer.quic.reset_stream(request.stream, 0x10C)

        server.handle = once
        self.answered()
        server.handle = lambda request: request.peer.quic.reset_stream(request.stream, 0x102)
        self.assertIn("gave up the query (H3_INTERNAL_ERROR)", self.problem())
        server.handle = server.answer
        self.answered()
        (peer,) = server.peers
        self.assertGreater(len(server.requests), 2)
        self.assertEqual([each for each in peer.events if isinstance(each, StreamReset)], [])

    def test_status(self) -> None:
        """
        Other status codes than 200 are read as over HTTP/2.
        """
        server = self.listen()
        server.handle = lambda request: request.peer.respond(request.stream, b"no", 404)
        self.assertIn("answered with HTTP status '404': it has nothing at this path", self.problem())
        server.handle = lambda request: request.peer.respond(request.stream, b"no", 429, [(b"retry-after", b"7")])
        self.assertIn("asks for a pause of 7 s", self.problem())

    def test_wrongReplies(self) -> None:
        """
        Replies that are too long, too short, or not of this query fail as over HTTP/2.
        """
        server = self.listen()
        for octets, said in ((bytes(70_000), "more than 65535 octets"), (b"\x00", "of 1 octets"), (b"\x00\x07" + bytes(10), "id 7")):
            server.handle = partial(_responding, octets)
            self.assertIn(said, self.problem(BadMessage, 2.0))

    def test_hugeHeader(self) -> None:
        """
        A server that sends a header without end is disconnected.
        """
        server = self.listen()
        server.handle = lambda request: request.peer.quic.send_stream_data(request.stream, b"\x01\x80\x0f\xff\xff" + bytes(100_000))
        self.assertIn("a header has at most 16384 octets", self.problem(BadMessage, 3.0))

    def test_violation(self) -> None:
        """
        A server that violates the protocol is disconnected, with the reason in the error.
        """
        server = self.listen()
        # A push promise.
        server.handle = lambda request: request.peer.quic.send_stream_data(request.stream, b"\x05\x02\x00\x00")
        self.assertIn("violated HTTP/3: H3_ID_ERROR", self.problem(BadMessage, 3.0))

    def test_otherName(self) -> None:
        """
        A server with the certificate of another gets no query.
        """
        server = self.listen("other.example")
        self.assertIn("it showed one for 'other.example'", self.problem())
        self.assertEqual(server.requests, [])

    def test_nothingThere(self) -> None:
        """
        Without a server, and without HTTP/2 to fall back on, the query fails.
        """
        self.assertIn("cannot be reached over HTTP/3: nothing listens there", self.problem())
        self.assertEqual(self.web.requests, [])

    def test_otherProtocol(self) -> None:
        """
        A server of another protocol is not used.
        """
        self.listen(alpn="doq")
        self.assertIn("cannot be reached over HTTP/3: it does not speak 'h3'", self.problem())

    def test_fewStreams(self) -> None:
        """
        A server that permits one stream, and no others after it, gets a new connection for each query.
        """
        server = self.listen()
        self.patch(WatchedConnection, "openable", property(lambda connection: 1 - (connection._local_next_stream_id_bidi >> 2)))
        for number in range(3):
            self.assertEqual((self.answered(), len(server.requests)), ("h3", number + 1))

    def test_lost(self) -> None:
        """
        Queries whose connection is closed are sent again on a new one.
        """
        server = self.listen()
        self.answered()

        def close(request: HTTP3Request) -> None:
            request.peer.quic.close(0x100)
            server.handle = server.answer

        server.handle = close
        self.assertEqual(self.answered(), "h3")

    def test_turmoil(self) -> None:
        """
        After many queries that were answered, given up, rejected or lost with their connection, no count, stream or timer is left.
        """
        server = self.listen()
        random = Random(1)
        replies = server.answer

        def handle(request: HTTP3Request) -> None:
            chance = random.random()
            if chance < 0.1:
                request.peer.quic.reset_stream(request.stream, random.choice((REQUEST_REJECTED, 0x102)))
            elif chance < 0.12:
                request.peer.quic.close(0x100)
            elif chance < 0.9:
                replies(request)

        server.handle = handle
        self.network.shape(delay=0.01, jitter=0.01, loss=0.02)
        waiters: list[tuple[bytes, Waiter]] = []
        for _ in range(600):
            waiter = Waiter()
            waiters.append((self.ask_(waiter)[0], waiter))
            self.network.advance(random.random() * 0.02)
            if random.random() < 0.2:
                self.exchange.release(random.choice(waiters)[0])
        self.network.advance(3.0)
        for key, _ in waiters:
            self.exchange.release(key)
        ended = [len(waiter.replies) + len(waiter.faults) for _, waiter in waiters]
        self.assertLessEqual(max(ended), 1)
        self.assertGreater(sum(ended), 400)
        self.network.shape(delay=0.01)
        server.handle = server.answer
        self.assertEqual(self.answered(), "h3")
        exchange = self.exchange
        self.assertEqual([len(getattr(exchange, each)) for each in ("keys", "_sent", "_again", "_retired", "_leaving")], [0] * 5)
        link = exchange._link
        assert isinstance(link, HTTP3Link)
        assert link.http is not None
        # Three streams of each end are for control.
        self.assertEqual((link.http.inFlight, len(link.http._http._stream), len(link._connection._streams)), (0, 3, 6))
        self.exchange.settle()
        self.network.advance(11.0)
        self.assertEqual((self.here.pending(), len(self.here.datagramPorts)), ([], 0))

    def test_released(self) -> None:
        """
        A connection that is closed leaves no reference to itself, its QUIC connection and its queries, and needs no garbage collector for
        that.
        """
        gc.disable()
        self.addCleanup(gc.enable)
        self.listen()
        self.answered()
        link = vars(self.exchange)["_link"]
        assert isinstance(link, HTTP3Link)
        found: list[weakref.ref[object]] = [weakref.ref(each) for each in (link, link._connection, link.http)]
        del link
        self.successResultOf(self.exchange.close())
        self.network.advance(0.1)
        # The test's reactor forgets the timers that are over.
        self.assertEqual(self.here.getDelayedCalls(), [])
        self.assertEqual([each() for each in found], [None] * 3)


def _responding(octets: bytes, request: HTTP3Request) -> None:
    request.peer.respond(request.stream, octets)


class AlternativeTests(HTTP3TestCase):
    """
    Tests of servers that offer HTTP/3.
    """

    mode = AUTO

    def again(self) -> str:
        """
        Close the connection, and send a query on the next one.
        """
        self.hangUp()
        return self.answered(1.5)

    def hangUp(self) -> None:
        """
        Close the connection.
        """
        closed = self.exchange.close()
        self.network.advance(0.5)
        self.successResultOf(closed)

    def test_offered(self) -> None:
        """
        HTTP/3 is used for the next connection after the server has offered it, at the port that it named.
        """
        self.alternatives = b'h2=":444", h3=":8443"; ma=60'
        server = self.listen(port=8443)
        self.assertEqual(self.answered(), "h2")
        self.assertEqual(self.answered(), "h2")
        self.assertEqual(self.again(), "h3")
        self.assertEqual(len(server.requests), 1)

    def test_notOffered(self) -> None:
        """
        Without an offer HTTP/3 is not tried.
        """
        self.alternatives = b"clear"
        self.listen()
        self.assertEqual((self.answered(), self.again()), ("h2", "h2"))
        self.assertEqual(self.network.datagrams, [])

    def test_expired(self) -> None:
        """
        An offer is valid for as long as the server says.
        """
        self.listen()
        self.answered()
        self.alternatives = b"clear"
        self.network.advance(3601)
        self.assertEqual(self.again(), "h2")

    def test_closedPort(self) -> None:
        """
        If nothing listens there, the same query is sent over HTTP/2, and HTTP/3 is not tried again for a time.
        """
        self.answered()
        self.assertEqual(self.again(), "h2")
        sent = len(self.network.datagrams)
        self.assertGreater(sent, 0)
        self.assertEqual(self.again(), "h2")
        self.assertEqual(len(self.network.datagrams), sent)

    def test_triedAgain(self) -> None:
        """
        After that time it is tried again.
        """
        self.answered()
        self.again()
        self.listen()
        self.network.advance(HTTP3_FAILED.default)
        self.assertEqual(self.again(), "h3")

    def test_blocked(self) -> None:
        """
        A network that drops UDP delays a query by less than a second, and no later one.
        """
        self.answered()
        self.hangUp()
        port = self.there.listenUDP(443, DatagramProtocol())
        self.addCleanup(port.stopListening)
        waiter = self.askOne(HTTP3_HANDSHAKE.default - 0.05)
        self.assertEqual(waiter.replies, [])
        self.network.advance(0.3)
        self.assertEqual((len(waiter.replies), waiter.faults), (1, []))
        self.assertEqual(self.again(), "h2")

    def test_impatient(self) -> None:
        """
        Queries that are given up during a handshake leave HTTP/3 to be tried again if that was soon, and not if it was long enough.
        """
        self.answered()
        port = self.there.listenUDP(443, DatagramProtocol())
        self.addCleanup(port.stopListening)
        for seconds, tried in ((0.1, True), (0.5, True), (0.5, False)):
            self.hangUp()
            before = len(self.network.datagrams)
            (key,) = self.ask_(Waiter())
            self.network.advance(seconds)
            self.assertEqual(len(self.network.datagrams) > before, tried)
            self.exchange.release(key)
            self.exchange.settle()

    def test_wrongCertificate(self) -> None:
        """
        A server of HTTP/3 that cannot prove its name gets no query, and HTTP/2 authenticates the server itself.
        """
        server = self.listen("other.example")
        self.answered()
        self.assertEqual(self.again(), "h2")
        self.assertEqual(server.requests, [])

    def test_neither(self) -> None:
        """
        The error is that of HTTP/2 if neither works.
        """
        self.answered()
        self.exchange._terms = httpsTerms(URL.identity)
        self.hangUp()
        self.assertIn("an authority that the system trusts", self.problem(seconds=2.0))


class FirstTests(HTTP3TestCase):
    """
    Tests of a setting that begins with HTTP/3.
    """

    mode = FIRST

    def test_first(self) -> None:
        """
        The first connection is over HTTP/3.
        """
        self.listen()
        self.assertEqual(self.answered(), "h3")

    def test_fallBack(self) -> None:
        """
        If it fails, HTTP/2 takes its place.
        """
        self.assertEqual(self.answered(), "h2")

    def test_proxy(self) -> None:
        """
        HTTP/3 does not go through proxies.
        """
        self.assertRaisesRegex(CallerFault, "does not go through proxies", HTTPS, URL, self.terms, http3=FIRST, proxied=True)

    def test_extra(self) -> None:
        """
        Without the extra, a setting that needs HTTP/3 is an error that names it, and the default is HTTP/2.
        """
        self.patch(exchange, "find_spec", lambda name: None)
        for mode in (FIRST, ONLY):
            self.assertRaisesRegex(CallerFault, r"HTTP/3 needs the extra quic: pip install", HTTPS, URL, self.terms, http3=mode)
        HTTPS(URL, self.terms, http3=AUTO)
