"""
Tests of queries over HTTPS.
"""

from __future__ import annotations

from pathlib import Path
from random import Random

from h2.settings import SettingCodes
from zope.interface.verify import verifyObject

from tests.certificates import written
from tests.networks import WWW, NetworkTestCase
from tests.transport.https.httpsservers import Handler, HTTPSServer, Request, frame
from tests.transport.tlsservers import ServerTLS, leaf
from tests.transport.waiting import Waiter
from twisted_ext.errors import BadMessage, Unreachable
from twisted_ext.interfaces import IExchange
from twisted_ext.limits import STREAM_WAIT
from twisted_ext.resolver.forward.forwarder import ForwardingSource
from twisted_ext.testing.servers import CannedServer
from twisted_ext.transport.https.exchange import HTTPS, HTTPSExchange, httpsTerms
from twisted_ext.transport.servers import Server
from twisted_ext.transport.tls.terms import TLSTerms, pinFromText, pinToText
from twisted_ext.transport.urls import ServerURL
from twisted_ext.wire.message import Message

URL = ServerURL.fromText("https://dns.example/dns-query")


class HTTPSTestCase(NetworkTestCase):
    """
    Tests with an HTTPS server for C{dns.example}.
    """

    def setUp(self) -> None:
        super().setUp()
        folder = Path(self.mktemp())
        folder.mkdir()
        self.ca = str(written(folder))
        self.there = self.network.reactor("192.0.2.53")
        self.canned = CannedServer(WWW)
        self.web = HTTPSServer(self.canned)
        self.server = self.web.listen(self.there, ServerTLS(leaf("dns.example"), protocols=[b"h2"]))
        self.terms = httpsTerms(URL.identity, ca=self.ca)
        self.exchange = self.exchangeTo()

    def tearDown(self) -> None:
        closed = self.exchange.close()
        self.network.advance(1)
        self.successResultOf(closed)
        self.assertEqual(self.there.connections, [])
        super().tearDown()

    def exchangeTo(self, *, terms: TLSTerms | None = None, keep: float | None = None, get: bool = False) -> HTTPSExchange:
        """
        Return an exchange with the server.
        """
        return HTTPSExchange(self.here, self.server, URL, terms or self.terms, keep=keep, get=get)

    def ask_(self, *waiters: Waiter) -> list[bytes]:
        """
        Send queries, and return their keys.
        """
        return [self.exchange.ask(waiter, self.here.seconds())[1] for waiter in waiters]

    def askOne(self, seconds: float = 1.0) -> Waiter:
        """
        Send a query.
        """
        waiter = Waiter()
        self.ask_(waiter)
        self.network.advance(seconds)
        return waiter

    def problem(self, kind: type[Exception] = Unreachable) -> str:
        """
        Send a query that fails, and return the fault's text.
        """
        waiter = self.askOne()
        self.assertEqual((len(waiter.replies), len(waiter.faults)), (0, 1))
        self.assertIsInstance(waiter.faults[0], kind)
        text = str(waiter.faults[0])
        self.assertNotIn("\n", text)
        self.assertTrue(text.startswith("dns.example at 192.0.2.53:443 "), text)
        return text.removeprefix("dns.example at 192.0.2.53:443 ")

    @property
    def dialed(self) -> int:
        """
        The number of connections that were made.
        """
        return self.network.dialed[self.server.address, self.server.port]


class HTTPSExchangeTests(HTTPSTestCase):
    """
    Tests for L{HTTPSExchange}.
    """

    def test_providesIExchange(self) -> None:
        """
        It provides IExchange.
        """
        verifyObject(IExchange, self.exchange)
        self.assertEqual((self.exchange.kind, self.exchange.label, self.exchange.reliable), ("https", "192.0.2.53:443", True))

    def test_queriesShareOneConnection(self) -> None:
        """
        Many queries share one connection, more than it carries at the same time, and each gets its own reply.
        """
        waiters = [Waiter(f"host{number}.test.example") for number in range(250)]
        self.ask_(*waiters)
        self.network.advance(1)
        self.assertEqual((self.dialed, [len(waiter.replies) for waiter in waiters]), (1, [1] * 250))
        details = self.exchange.details
        assert details is not None
        self.assertEqual((details.version, details.protocol), ("TLSv1.3", "h2"))

    def test_repliesMayComeInAnyOrder(self) -> None:
        """
        Replies may come in any order, and each reaches its own query.
        """
        self.web.holds = True
        waiters = [Waiter(f"host{number}.test.example") for number in range(5)]
        self.ask_(*waiters)
        self.network.advance(1)
        self.web.release()
        self.network.advance(1)
        names = [Message.fromWire(waiter.replies[0]).questions[0].toWire() for waiter in waiters]
        self.assertEqual(names, [waiter.wire for waiter in waiters])

    def test_getWorks(self) -> None:
        """
        With GET, queries are in the path.
        """
        self.exchange = self.exchangeTo(get=True)
        self.assertEqual(len(self.askOne().replies), 1)
        self.assertEqual([request.fields[":method"] for request in self.web.requests], ["GET"])

    def test_queriesArePadded(self) -> None:
        """
        Queries with EDNS are padded to multiples of 128 octets.
        """
        waiter = Waiter()
        waiter.query = waiter.query[:8] + b"\x00\x01" + waiter.query[10:] + b"\x00\x00\x29\x04\xd0\x00\x00\x00\x00\x00\x00"
        self.ask_(waiter)
        self.network.advance(1)
        self.assertEqual(len(self.web.requests[0].message), 128)

    def test_fragmentedStreamIsRead(self) -> None:
        """
        Any fragmentation of the stream is read.
        """
        self.network.shape(source="192.0.2.53", delay=0.01, fragment=1)
        self.assertEqual(len(self.askOne().replies), 1)

    def test_idleConnectionIsKeptAndClosed(self) -> None:
        """
        The connection stays for a while after the last query, is used again, and closes in good order.
        """
        self.exchange = self.exchangeTo(keep=10)
        for _ in range(2):
            self.askOne()
            self.exchange.settle()
            self.network.advance(8)
        self.assertEqual((self.dialed, len(self.web.connections)), (1, 1))
        self.network.advance(3)
        self.assertEqual((self.here.pending(), len(self.web.connections)), ([], 0))

    def test_connectionClosesWithoutWaiters(self) -> None:
        """
        Without keep-alive, the connection is closed when there is no waiter, and the next one continues its TLS session.
        """
        self.exchange = self.exchangeTo(keep=0)
        self.askOne()
        self.exchange.settle()
        self.network.advance(0.1)
        self.assertEqual((self.here.pending(), len(self.web.connections)), ([], 0))
        self.askOne()
        details = self.exchange.details
        assert details is not None
        self.assertEqual((self.dialed, details.resumed), (2, True))

    def test_lostConnectionIsRetried(self) -> None:
        """
        Queries are sent again on other connections if theirs is lost without a reply, one at a time, and fail if those are lost as well.
        """
        self.web.holds = True
        waiters = [Waiter(f"host{number}.test.example") for number in range(3)]
        self.ask_(*waiters)
        self.network.advance(1)
        self.web.cut()
        self.network.advance(1)
        for dialed in (2, 3, 4, 5):
            self.assertEqual(self.dialed, dialed)
            self.web.cut()
            self.network.advance(1)
        self.assertEqual(self.dialed, 5)
        for waiter in waiters:
            self.assertIn("closed the connection before it answered", str(waiter.faults[0]))

    def test_retiredConnectionDeliversItsReplies(self) -> None:
        """
        After GOAWAY, the server's last replies still arrive, while new queries use another connection. Nothing is sent twice.
        """
        self.web.holds = True
        first = Waiter("first.test.example")
        self.ask_(first)
        self.network.advance(1)
        self.web.peers[0].http._data_to_send += frame(7, (1).to_bytes(4, "big") + bytes(4))
        self.web.flush()
        self.network.advance(1)
        second = Waiter("second.test.example")
        self.ask_(second)
        self.network.advance(1)
        self.assertEqual((self.dialed, len(self.web.requests), len(self.web.connections)), (2, 2, 2))
        self.web.release()
        self.network.advance(1)
        self.assertEqual((len(first.replies), len(second.replies), len(self.web.requests)), (1, 1, 2))
        self.assertEqual(len(self.web.connections), 1)

    def test_idleConnectionIsRetired(self) -> None:
        """
        A kept connection that the server retires or closes leaves nothing, and the next query uses a new one.
        """
        self.exchange = self.exchangeTo(keep=60)
        for number, end in enumerate((lambda: self.web.peers[-1].http.close_connection(), self.web.cut), 1):
            self.assertEqual(len(self.askOne().replies), 1)
            self.exchange.settle()
            end()
            self.web.flush()
            self.network.advance(1)
            self.assertEqual((self.here.pending(), self.dialed), ([], number))
        self.assertEqual((len(self.askOne().replies), self.dialed), (1, 3))

    def test_refusedQueryIsSentAgain(self) -> None:
        """
        A query that the server has not processed is sent again on another connection, and given up if that one processes none.
        """
        answer = self.web.handle

        def refuse(request: Request) -> None:
            self.web.handle = answer
            request.peer.http.reset_stream(request.stream, 7)

        self.web.handle = refuse
        self.assertEqual(len(self.askOne().replies), 1)
        self.web.handle = lambda request: request.peer.http.reset_stream(request.stream, 7)
        self.assertEqual(self.problem(), "gave up the query (RST_STREAM REFUSED_STREAM)")
        self.assertEqual((len(self.web.requests), len(self.web.peers)), (5, 4))

    def test_serverThatClosesOftenAnswersAll(self) -> None:
        """
        A server that closes each connection after a few replies, without a notice, answers all queries that were sent together.
        """
        answer = self.web.handle

        def handle(request: Request) -> None:
            if request.stream < 6:
                answer(request)
            else:
                self.web.flush()
                self.there.callLater(0, self.web.cut)

        self.web.handle = handle
        waiters = [Waiter(f"host{number}.test.example") for number in range(60)]
        self.ask_(*waiters)
        self.network.advance(4)
        self.assertEqual([(len(waiter.replies), waiter.faults) for waiter in waiters], [(1, [])] * 60)

    def test_stumblingIsRetried(self) -> None:
        """
        A query whose stream the server ends for a reason of its own is sent once more, on a new connection. Others in flight are answered
        on the old one.
        """
        answer = self.web.handle
        for code, name in ((8, "CANCEL"), (2, "INTERNAL_ERROR")):
            held: list[Request] = []

            def stumble(request: Request, held: list[Request] = held, code: int = code) -> None:
                if held:
                    self.web.handle = answer
                    request.peer.http.reset_stream(request.stream, code)
                else:
                    held.append(request)

            self.web.handle = stumble
            before = self.dialed
            other, waiter = Waiter("other.test.example"), Waiter()
            self.ask_(other, waiter)
            self.network.advance(1)
            self.assertEqual((len(other.replies), len(waiter.replies), self.dialed - before), (0, 1, 2 - bool(before)))
            answer(held[0])
            self.web.flush()
            self.network.advance(1)
            self.assertEqual((len(other.replies), other.faults), (1, []))

            def reset(request: Request, code: int = code) -> None:
                request.peer.http.reset_stream(request.stream, code)

            self.web.handle = reset
            requests = len(self.web.requests)
            self.assertEqual(self.problem(), f"gave up the query (RST_STREAM {name})")
            self.assertEqual(len(self.web.requests) - requests, 2)

    def test_queriesBehindGOAWAYAreSentAgain(self) -> None:
        """
        A server that takes a few requests on each connection answers all queries.
        """
        answer = self.web.handle

        def handle(request: Request) -> None:
            if request.stream < 40:
                answer(request)
            if request.stream == 39:
                request.peer.http._data_to_send += frame(7, (39).to_bytes(4, "big") + bytes(4))

        self.web.handle = handle
        waiters = [Waiter(f"host{number}.test.example") for number in range(200)]
        self.ask_(*waiters)
        self.network.advance(2)
        self.assertEqual([(len(waiter.replies), waiter.faults) for waiter in waiters], [(1, [])] * 200)
        self.assertLessEqual(self.dialed, 11)

    def test_refusalsLimitTheStreams(self) -> None:
        """
        A server that refuses streams beyond a number that it has not announced gets no more than that at a time, on one connection.
        """
        answer = self.web.handle
        held: list[Request] = []

        def handle(request: Request) -> None:
            if len(held) >= 10:
                request.peer.http.reset_stream(request.stream, 7)
            else:
                held.append(request)

        self.web.handle = handle
        waiters = [Waiter(f"host{number}.test.example") for number in range(200)]
        self.ask_(*waiters)
        for _ in range(30):
            self.network.advance(0.1)
            ready = held[:]
            held.clear()
            for request in ready:
                answer(request)
            self.web.flush()
        self.assertEqual([(len(waiter.replies), waiter.faults) for waiter in waiters], [(1, [])] * 200)
        self.assertEqual((self.dialed, len(self.web.requests)), (1, 290))

    def test_pauseIsObserved(self) -> None:
        """
        After 429, the server gets no query until its time has come; waiting queries fail at once.
        """

        def busy(request: Request) -> None:
            request.peer.respond(request.stream, b"", 429, [(b"retry-after", b"30")])

        answer, self.web.handle = self.web.handle, busy
        self.assertEqual(self.problem(), "asks for a pause of 30 s (HTTP status 429 Too Many Requests)")
        fault = self.assertRaises(Unreachable, self.exchange.ask, Waiter(), self.here.seconds() + 10)
        self.assertIn("; it is asked again in", str(fault))
        self.web.handle = answer
        self.network.advance(31)
        self.assertEqual((len(self.askOne().replies), len(self.web.requests)), (1, 2))

    def test_redirectIsRefused(self) -> None:
        """
        A redirect is not followed, and the error says where it leads.
        """
        self.web.handle = lambda request: request.peer.respond(request.stream, b"", 302, [(b"location", b"https://other.example/")])
        self.assertIn("redirects to 'https://other.example/' (HTTP status '302')", self.problem())

    def test_wrongAnswerIsRefused(self) -> None:
        """
        A reply to another question is not believed.
        """
        self.canned.tamper = None
        self.web.handle = lambda request: request.peer.respond(request.stream, request.message[:2] + b"\x81\x80" + bytes(8))
        self.assertEqual(self.problem(BadMessage), "did not answer the question over HTTPS")

    def test_violationIsReported(self) -> None:
        """
        What violates HTTP/2 ends the connection, and the error says what it was.
        """
        self.web.greeting = b"HTTP/1.1 400 Bad Request\r\n\r\n"
        self.assertEqual(self.problem(BadMessage), "violated HTTP/2: it spoke HTTP/1")

    def test_silentConnectionIsReplaced(self) -> None:
        """
        If a query is given up on a connection that has been silent for a while, the others move to a new one.
        """
        self.web.holds = True
        first, second = Waiter("first.test.example"), Waiter("second.test.example")
        key, _ = self.ask_(first, second)
        self.network.advance(STREAM_WAIT.default + 0.1)
        self.web.holds = False
        self.exchange.release(key)
        self.network.advance(1)
        self.assertEqual((self.dialed, len(first.replies), len(second.replies)), (2, 0, 1))

    def test_stuckHandshakeIsReplaced(self) -> None:
        """
        If a query is given up while the TLS handshake makes no progress, the others move to a new connection.
        """
        self.network.shape(source="192.0.2.53", silent=True)
        first, second = Waiter("first.test.example"), Waiter("second.test.example")
        key, _ = self.ask_(first, second)
        self.network.advance(STREAM_WAIT.default + 0.1)
        self.network.shape(source="192.0.2.53", delay=0.01)
        self.exchange.release(key)
        self.network.advance(1)
        self.assertEqual((self.dialed, len(first.replies), len(second.replies)), (2, 0, 1))

    def test_deadConnectionIsNotKept(self) -> None:
        """
        A connection on which a query was given up last is not kept, whatever the time: the next query would wait in vain again.
        """
        self.exchange = self.exchangeTo(keep=60)
        self.askOne()
        self.exchange.settle()
        self.web.holds = True
        key = self.ask_(Waiter())[0]
        self.network.advance(0.5)
        self.exchange.release(key)
        self.exchange.settle()
        self.network.advance(0.1)
        self.assertEqual(self.here.pending(), [])

    def test_releasedQueryIsReset(self) -> None:
        """
        A query that is given up is reset at the server.
        """
        self.web.holds = True
        first, second = Waiter("first.test.example"), Waiter("second.test.example")
        key, _ = self.ask_(first, second)
        self.network.advance(0.5)
        self.exchange.release(key)
        self.network.advance(0.1)
        self.assertEqual((self.web.peers[0].resets, self.dialed), ([1], 1))

    def test_serverThatTakesNothingIsNotDialedInALoop(self) -> None:
        """
        A server that closes each connection without an answer, for whatever reason, is dialed only as often as queries can be sent again.
        """

        def goAway(request: Request) -> None:
            request.peer.http._data_to_send += frame(7, bytes(8))

        def refuse(request: Request) -> None:
            request.peer.http.reset_stream(request.stream, 7)

        noStreams = {SettingCodes.MAX_CONCURRENT_STREAMS.value: 0}
        cases: list[tuple[Handler, dict[int, int]]] = [(goAway, {}), (refuse, noStreams), (lambda request: None, {})]
        for handle, settings in cases:
            self.web.handle = handle
            self.web.settings = settings
            self.exchange.close()
            self.network.advance(1)
            self.exchange = self.exchangeTo()
            before = self.dialed
            waiters = [Waiter(f"host{number}.test.example") for number in range(300)]
            self.ask_(*waiters)
            for _ in range(10):
                self.network.advance(1)
                self.web.cut()
            self.network.advance(1)
            self.assertEqual([len(waiter.faults) for waiter in waiters], [1] * 300)
            self.assertLessEqual(self.dialed - before, 7)

    def test_nothingIsLeft(self) -> None:
        """
        After thousands of queries with failures, cancellations, refusals, retired and lost connections, nothing of them is left, and each
        has ended once.
        """
        dice = Random(8484)
        self.exchange = self.exchangeTo(keep=0)
        answer = self.web.handle

        def fickle(request: Request) -> None:
            chance = dice.random()
            if chance < 0.6:
                answer(request)
            elif chance < 0.7:
                request.peer.http.reset_stream(request.stream, dice.choice([2, 7]))
            elif chance < 0.75:
                request.peer.respond(request.stream, b"", dice.choice([302, 404, 500]), [])
            elif chance < 0.76:
                request.peer.http._data_to_send += frame(7, request.stream.to_bytes(4, "big") + bytes(4))

        self.web.handle = fickle
        ended: list[Waiter] = []
        for _ in range(60):
            waiters = [Waiter(f"host{number}.test.example") for number in range(50)]
            keys = self.ask_(*waiters)
            self.network.advance(dice.random() / 5)
            if dice.random() < 0.3:
                self.web.cut()
            self.network.advance(0.3)
            for key, waiter in zip(keys, waiters, strict=True):
                if key in self.exchange.keys:
                    self.assertEqual((waiter.replies, waiter.faults), ([], []))
                    self.exchange.release(key)
                    self.network.advance(dice.random() / 100)
                else:
                    self.assertEqual(len(waiter.replies) + len(waiter.faults), 1)
            ended += waiters
        self.exchange.settle()
        self.network.advance(1)
        exchange = self.exchange
        for name in ("keys", "_sent", "_again", "_unsent", "_retired", "_leaving"):
            self.assertEqual(len(getattr(exchange, name)), 0, name)
        self.assertEqual(self.here.pending(), [])
        self.assertGreater(sum(len(waiter.replies) for waiter in ended), 1000)


class AuthenticationTests(HTTPSTestCase):
    """
    Tests of servers that are not the ones that were expected.
    """

    def serveWith(self, tls: ServerTLS) -> None:
        """
        Serve at another address.
        """
        self.there = self.network.reactor("192.0.2.54")
        self.server = self.web.listen(self.there, tls)
        self.exchange = self.exchangeTo()

    def problem(self, kind: type[Exception] = Unreachable) -> str:
        waiter = self.askOne()
        (fault,) = waiter.faults
        self.assertEqual((self.web.requests, self.network.datagrams), ([], []))
        return str(fault)

    def test_wrongName(self) -> None:
        """
        A certificate for another name is refused, and nothing is sent.
        """
        self.serveWith(ServerTLS(leaf("other.example"), protocols=[b"h2"]))
        self.assertEqual(
            self.problem(),
            "dns.example at 192.0.2.54:443 cannot be reached over HTTPS: expected a certificate for 'dns.example' from an authority in "
            f"{self.ca}, it showed one for 'other.example'",
        )

    def test_withoutHTTP2(self) -> None:
        """
        A server that does not agree on HTTP/2 is refused, and nothing is sent (attack 34).
        """
        self.serveWith(ServerTLS(leaf("dns.example"), protocols=[]))
        wanted = "expected the protocol 'h2' (ALPN), it chose none; queries are sent over HTTP/2 or HTTP/3, not over HTTP/1.1"
        self.assertIn(f"cannot be reached over HTTPS: {wanted}", self.problem())

    def test_onlyHTTP1(self) -> None:
        """
        A server that speaks HTTP/1.1 alone is refused, and the error says what is needed.
        """
        self.serveWith(ServerTLS(leaf("dns.example"), protocols=[b"http/1.1"]))
        self.assertIn("does not speak 'h2'; queries are sent over HTTP/2 or HTTP/3, not over HTTP/1.1", self.problem())

    def test_anotherProtocol(self) -> None:
        """
        A server of DNS over TLS is refused.
        """
        self.serveWith(ServerTLS(leaf("dns.example"), protocols=[b"dot"]))
        self.assertIn("cannot be reached over HTTPS: it does not speak 'h2'", self.problem())

    def test_wrongPin(self) -> None:
        """
        Pins are required in addition to the name.
        """
        self.terms = httpsTerms(URL.identity, ca=self.ca, pins=(pinFromText(pinToText(bytes(32))),))
        self.exchange = self.exchangeTo()
        self.assertIn(f"a key with the pin {pinToText(bytes(32))}, it showed one with the pin", self.problem())

    def test_noServer(self) -> None:
        """
        Where nothing listens, the error says so.
        """
        self.network.reactor("192.0.2.99")
        self.server = Server("192.0.2.99", 443)
        self.exchange = self.exchangeTo()
        self.assertIn("cannot be reached over HTTPS", self.problem())


class ForwardingTests(HTTPSTestCase):
    """
    Tests of look-ups over HTTPS.
    """

    def test_lookUp(self) -> None:
        """
        A look-up is answered over HTTPS, and no datagram is sent.
        """
        source = ForwardingSource(self.here, [self.server], transport=HTTPS(URL, self.terms, keep=0))
        self.assertEqual(self.find(source), ["192.0.2.80"])
        self.assertEqual(self.network.datagrams, [])
        source.close()

    def test_neverInTheClear(self) -> None:
        """
        Where HTTPS is blocked, the look-up fails, and no datagram and no connection to another port is made.
        """
        self.network.reactor("192.0.2.99")
        blocked = Server("192.0.2.99", 443)
        source = ForwardingSource(self.here, [blocked], transport=HTTPS(URL, self.terms))
        self.assertIn("cannot be reached over HTTPS", str(self.fault(source)))
        self.assertEqual((self.network.datagrams, list(self.network.dialed)), ([], [("192.0.2.99", 443)]))
        source.close()
