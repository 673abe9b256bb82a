"""
Tests of the QUIC listener: what it serves, and what it refuses.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from aioquic.quic.events import ConnectionTerminated, HandshakeCompleted, StreamDataReceived, StreamReset
from twisted.logger import LogEvent, formatEvent, globalLogPublisher

from tests.server.listeners.quicservings import QuicServingCase
from tests.transport.quic.peers import RawClient, RudeSource, certified
from tests.typed import observing
from twisted_ext.packetcache.doors import Door
from twisted_ext.resolver.caching.cached import CachedSource
from twisted_ext.server.listeners.quic.serving import QuicServing, _failure
from twisted_ext.server.reply.requests import Send
from twisted_ext.testing.sources import CannedSource, HeldSource, answerOf, questionOf
from twisted_ext.transport.quic.wire import (
    EXCESSIVE_LOAD,
    NO_ERROR,
    PROTOCOL_ERROR,
    REQUEST_CANCELLED,
    UNSPECIFIED_ERROR,
)
from twisted_ext.wire.builder import buildMessage
from twisted_ext.wire.framing import StreamBuffer, frame
from twisted_ext.wire.message import EDNS, Message


class QuicServingTests(QuicServingCase):
    """
    Tests of queries on a connection.
    """

    def test_reply(self) -> None:
        """
        Each stream gets the reply to its query, and ends.
        """
        self.serve()
        client = self.client()
        streams = [client.ask(self.framed()), client.ask(self.framed("other.test.example")), client.ask(self.framed())]
        self.network.advance(0.1)
        found = self.replies(client)
        self.assertEqual(sorted(found), streams)
        self.assertEqual([found[stream][5] & 15 for stream in streams], [0, 5, 0])
        ends = [event.stream_id for event in client.events if isinstance(event, StreamDataReceived) and event.end_stream]
        self.assertEqual(sorted(ends), streams)

    def test_newConnectionIdsAreKnownAtOnce(self) -> None:
        """
        A client may use each new connection id from its next packet on, as OpenSSL does: it gets no stateless reset.
        """
        self.serve()
        client = self.client(connected=False)
        connection = client.connection
        flush = client.flush
        receive = client.datagramReceived
        changes: list[int] = []
        resets: list[bytes] = []

        def received(datagram: bytes, addr: object) -> None:
            if datagram[-16:] == connection._peer_cid.stateless_reset_token:
                resets.append(datagram)
            receive(datagram, addr)

        def changing() -> None:
            if connection._peer_cid_available and not changes:
                changes.append(len(connection._peer_cid_available))
                connection.change_connection_id()
            flush()

        self.patch(client, "flush", changing)
        self.patch(client, "datagramReceived", received)
        client.connect()
        self.network.advance(0.1)
        stream = client.ask(self.framed())
        self.network.advance(0.1)
        self.assertEqual((len(changes), list(self.replies(client)), resets), (1, [stream], []))

    def lines(self) -> list[str]:
        """
        Return a list to which the lines of the log about failed handshakes are added.
        """
        said: list[str] = []

        def observe(event: LogEvent) -> None:
            line = formatEvent(event)
            if ": failed " in line:
                said.append(line)

        observer = observing(observe)
        globalLogPublisher.addObserver(observer)
        self.addCleanup(globalLogPublisher.removeObserver, observer)
        return said

    def test_failedHandshakesAreLoggedOnceAMinute(self) -> None:
        """
        However many handshakes fail, there is one line a minute, which counts them and has the last one's reason; a client that completes
        its handshake is none of them.
        """
        for http3, name, alpn in ((False, "QUIC", "doq"), (True, "HTTP/3", "h3")):
            lines = self.lines()
            self.serve(http3=http3)
            for _ in range(2):
                for _ in range(5):
                    self.unable("smtp")
                self.unable(alpn)
                self.network.advance(60)
            reason = f"the client does not offer {alpn} (ALPN), which this listener has"
            self.assertEqual(lines, [f"{name}: failed handshakes: {count}, the last one with 192.0.2.7: {reason}" for count in (1, 5)])
            self.stop()

    def unable(self, alpn: str) -> RawClient:
        """
        Return a client with this protocol, a second after it has tried to connect.
        """
        client = RawClient(self.here, alpn)
        self.clients.append(client)
        client.connect()
        self.network.advance(1.0)
        return client

    def test_clientsReasonIsLogged(self) -> None:
        """
        A client that does not accept the certificate says why, in words that cannot break the line.
        """
        lines = self.lines()
        self.serve(certificate=certified("other.example"))
        self.unable("doq")
        (line,) = lines
        self.assertRegex(line, r"^QUIC: failed handshakes: 1, the last one with 192\.0\.2\.7: TLS alert 42 \(.*other\.example.*\)$")
        self.assertEqual(_failure(0x12A, "first\nsecond" + 300 * "x", False, "doq"), f"TLS alert 42 (first\\nsecond{188 * 'x'})")
        self.assertEqual(_failure(0x2, "", False, "doq"), "error 0x2 of QUIC")

    def test_fastLane(self) -> None:
        """
        Repeated queries are answered by the packet cache, with the same octets.
        """
        source = CachedSource(CannedSource({("www.test.example", "A"): "192.0.2.80"}), self.there)
        listener = self.serve(source)
        client = self.client()
        for _ in range(10):
            client.ask(self.framed())
            self.network.advance(0.05)
        counters = listener.servings.replies.counters
        self.assertEqual(counters.tcp, 10)
        self.assertLess(counters.tcpBeyond, 4)
        self.assertEqual(len(set(self.replies(client).values())), 1)

    def test_fragments(self) -> None:
        """
        A query may arrive in any pieces.
        """
        self.serve()
        client = self.client()
        octets = self.framed()
        stream = client.ask(octets[:1], end=False)
        for index in range(1, len(octets)):
            client.connection.send_stream_data(stream, octets[index : index + 1], index + 1 == len(octets))
            client.flush()
            self.network.advance(0.01)
        self.network.advance(0.1)
        self.assertIn(stream, self.replies(client))

    def test_loss(self) -> None:
        """
        Queries are answered although datagrams get lost.
        """
        self.serve()
        self.network.shape(delay=0.01, jitter=0.01, loss=0.2)
        client = self.client()
        self.network.advance(3.0)
        streams = [client.ask(self.framed()) for _ in range(50)]
        self.network.advance(5.0)
        self.assertEqual(sorted(self.replies(client)), streams)

    def refuses(self, octets: bytes, why: str, end: bool = True) -> None:
        """
        Check that a message on a stream ends the connection with a protocol error.
        """
        self.serve()
        client = self.client()
        client.ask(octets, end)
        self.assertEqual(self.closed(client), (PROTOCOL_ERROR, why))

    def test_withID(self) -> None:
        """
        A message with another id than 0 is a protocol error (RFC 9250, section 4.2.1).
        """
        self.refuses(self.framed(number=7), "the message ID has to be 0")

    def test_twoMessages(self) -> None:
        """
        A second message on a stream is a protocol error (RFC 9250, section 4.2).
        """
        self.refuses(self.framed() * 2, f"a stream of {len(self.framed()) * 2} octets that is not one whole message")

    def test_moreOctets(self) -> None:
        """
        More octets than the length says are a protocol error before the stream ends, however many follow.
        """
        self.refuses(self.framed() + b"\x00", "a stream with octets after its only message", False)

    def test_cut(self) -> None:
        """
        A stream that ends within its message is a protocol error.
        """
        self.refuses(self.framed()[:-1], f"a stream of {len(self.framed()) - 1} octets that is not one whole message")

    def test_empty(self) -> None:
        """
        A stream that ends without a message is a protocol error.
        """
        self.refuses(b"", "a stream of 0 octets that is not one whole message")

    def test_notRequest(self) -> None:
        """
        A response is not a request.
        """
        self.refuses(self.framed(flags=0x8180), "the message is not a request")

    def test_keepalive(self) -> None:
        """
        The keepalive option of TCP is a protocol error (RFC 9250, section 5.5.2), also where a reply is stored.
        """
        octets = buildMessage(Message(0, 0x100, (questionOf("www.test.example"),), edns=EDNS(1232, options=((11, b""),))))
        self.refuses(frame(octets), "edns-tcp-keepalive is not for QUIC")

    def test_unidirectional(self) -> None:
        """
        Queries on unidirectional streams are a protocol error.
        """
        self.serve()
        client = self.client()
        client.connection.send_stream_data(client.connection.get_next_available_stream_id(True), self.framed(), True)
        client.flush()
        self.assertEqual(self.closed(client), (PROTOCOL_ERROR, "queries take bidirectional streams"))

    def test_otherProtocol(self) -> None:
        """
        A client of another protocol cannot complete the handshake (attack 34).
        """
        listener = self.serve()
        client = self.client(alpn="h3")
        self.network.advance(1.0)
        self.assertEqual(client.of(HandshakeCompleted), [])
        self.assertEqual((len(listener.servings), listener.servings.replies.counters.tcp), (0, 0))

    def test_refused(self) -> None:
        """
        Clients without access are refused, like over TCP.
        """
        self.serve(refuse=["192.0.2.7"])
        client = self.client()
        stream = client.ask(self.framed())
        self.network.advance(0.2)
        self.assertEqual(self.replies(client)[stream][5] & 15, 5)

    def test_unanswered(self) -> None:
        """
        Clients on the drop list get no handshake, and no other reply.
        """
        self.serve(drop=["192.0.2.7"])
        self.client()
        self.network.advance(1.0)
        self.assertEqual([each for each in self.network.datagrams if each.source[0] == "192.0.2.53"], [])

    # -- clients whose address changes

    def test_rebinding(self) -> None:
        """
        A client whose address changes without its knowledge (NAT) is answered on, by the address that it has now. It is told not to change
        it itself.
        """
        listener = self.serve()
        client = self.client()
        self.assertTrue(client.parameters.disable_active_migration)
        client.move(self.network.reactor("192.0.2.8"))
        (serving,) = self.serving
        for count in (1, 2):
            client.ask(self.framed())
            self.network.advance(0.3)
            self.assertEqual((len(self.replies(client)), serving.host), (count, "192.0.2.8"))
        self.assertEqual((serving.rebinding, self.serving), (False, [serving]))
        self.assertEqual(listener.servings.replies.counters.faults, 0)
        client.move(self.here)
        client.ask(self.framed())
        self.network.advance(0.3)
        self.assertEqual((len(self.replies(client)), serving.host), (3, "192.0.2.7"))

    def test_rebindingOfRights(self) -> None:
        """
        A connection does not go on from an address with other rights: neither with those of the address before, nor with more.
        """
        self.serve(refuse=["192.0.2.8"])
        for first, second, rcode in (("192.0.2.7", "192.0.2.8", 0), ("192.0.2.8", "192.0.2.7", 5)):
            client = self.client(first)
            client.ask(self.framed())
            self.network.advance(0.1)
            client.move(self.network.hostAt(second) or self.network.reactor(second))
            client.ask(self.framed())
            self.network.advance(0.3)
            self.assertEqual([reply[5] & 15 for reply in self.replies(client).values()], [rcode])
            self.assertEqual(self.serving[-1].host, first)

    def test_spoofedRebinding(self) -> None:
        """
        An address from which a datagram only seems to come is not taken over, and gets at most three times what came.
        """
        self.serve()
        client = self.client()
        victim = self.network.reactor("192.0.2.9")
        client.move(victim)
        self.network.datagrams.clear()
        client.ask(self.framed())
        client.move(self.here)
        self.network.advance(0.5)
        (serving,) = self.serving
        self.assertEqual(serving.host, "192.0.2.7")
        sent = sum(len(each.octets) for each in self.network.datagrams if each.source[0] == "192.0.2.9")
        gone = sum(len(each.octets) for each in self.network.datagrams if each.destination[0] == "192.0.2.9")
        self.assertGreater(sent, 0)
        self.assertLessEqual(gone, 3 * sent)
        client.ask(self.framed())
        self.network.advance(0.5)
        self.assertEqual((len(self.replies(client)), serving.host), (2, "192.0.2.7"))

    # -- cancelled queries

    def test_stopped(self) -> None:
        """
        A query whose reply the client does not want any more counts until it is answered, and its stream can be used by others.
        """
        held = HeldSource()
        self.serve(held)
        client = self.client()
        stream = client.ask(self.framed())
        self.network.advance(0.1)
        client.connection.stop_stream(stream, REQUEST_CANCELLED)
        client.flush()
        self.network.advance(0.1)
        (serving,) = self.serving
        self.assertEqual((serving.open, serving.waiting), (0, 1))
        held.release(answerOf(questionOf("www.test.example"), "192.0.2.80"))
        self.network.advance(0.1)
        self.assertEqual((serving.waiting, self.replies(client)), (0, {}))

    def test_stoppedAtOnce(self) -> None:
        """
        A query that arrives together with its cancellation does not end the connection, on which others are answered.
        """
        self.serve()
        client = self.client()
        for answered in range(1, 4):
            stream = client.connection.get_next_available_stream_id()
            client.connection.send_stream_data(stream, self.framed(), end_stream=True)
            client.connection.stop_stream(stream, REQUEST_CANCELLED)
            client.ask(self.framed())
            self.network.advance(0.1)
            self.assertEqual(len(self.replies(client)), answered)
        self.assertEqual(len(self.serving), 1)

    def test_stoppedBefore(self) -> None:
        """
        A query that arrives after its cancellation is not looked up.
        """
        held = HeldSource()
        listener = self.serve(held)
        client = self.client()
        stream = client.connection.get_next_available_stream_id()
        client.connection.send_stream_data(stream, self.framed(), end_stream=True)
        client.connection.stop_stream(stream, REQUEST_CANCELLED)
        client.flush()
        self.network.advance(0.4)
        (serving,) = self.serving
        self.assertEqual((serving.waiting, held.held, listener.servings.replies.counters.faults), (0, [], 0))

    def test_stoppedMeanwhile(self) -> None:
        """
        The answer to a query that was cancelled is dropped, even if nothing has told of it and the stream does not exist any more. The
        connection stays.
        """
        held = HeldSource()
        listener = self.serve(held)
        client = self.client()
        stream = client.ask(self.framed())
        self.network.advance(0.1)
        (serving,) = self.serving
        self.patch(serving, "abandoned", lambda stream, code, reset: None)
        client.connection.stop_stream(stream, REQUEST_CANCELLED)
        client.flush()
        self.network.advance(0.4)
        held.release(answerOf(questionOf("www.test.example"), "192.0.2.80"))
        self.network.advance(0.1)
        self.assertEqual((serving.waiting, self.replies(client), self.serving), (0, {}, [serving]))
        self.assertEqual(listener.servings.replies.counters.faults, 0)

    def test_timerFails(self) -> None:
        """
        An error of the program in a connection's timer is counted and ends that connection; others stay.
        """
        self.serve()
        client, _ = self.client(), self.client()
        broken, whole = self.serving
        client.ask(self.framed())
        self.network.advance(0.005)

        def fail(now: float) -> None:
            raise RuntimeError("a bug")

        self.patch(broken.link.connection, "handle_timer", fail)
        self.patch(broken.link.connection, "get_timer", self.there.seconds)
        self.network.advance(0.1)
        self.assertEqual(self.serving, [whole])
        assert self.listener is not None
        counters = self.listener.servings.replies.counters
        self.assertEqual(counters.faults, 1)
        counters.faults = 0
        self.assertEqual(len(self.flushLoggedErrors(RuntimeError)), 1)

    def test_streamsPermitted(self) -> None:
        """
        A client may open as many streams as requests may wait, so that one that keeps to this has none refused.
        """
        listener = self.serve(HeldSource())
        listener.servings.mostInFlight = 5
        client = self.client()
        for number in range(8):
            client.ask(self.framed(f"n{number}.test.example"))
        self.network.advance(0.1)
        (serving,) = self.serving
        self.assertEqual((serving.waiting, client.of(StreamReset)), (5, []))

    def test_reset(self) -> None:
        """
        A query that is reset before it is complete leaves nothing.
        """
        self.serve()
        client = self.client()
        stream = client.ask(self.framed()[:10], end=False)
        self.network.advance(0.1)
        client.connection.reset_stream(stream, REQUEST_CANCELLED)
        client.flush()
        self.network.advance(0.1)
        (serving,) = self.serving
        self.assertTrue(serving.resting)
        self.assertEqual(len(client.of(StreamReset)), 1)

    def cancelMany(self, count: int) -> RawClient:
        """
        Send and cancel queries in turn.
        """
        client = self.client()
        for _ in range(count):
            stream = client.ask(self.framed(), end=True)
            self.network.advance(0.03)
            if client.of(ConnectionTerminated):
                break
            client.connection.stop_stream(stream, REQUEST_CANCELLED)
            client.flush()
            self.network.advance(0.03)
        return client

    def test_cancels(self) -> None:
        """
        A client that cancels query after query is disconnected (the rapid reset of HTTP/2, attack 32, over QUIC).
        """
        held = HeldSource()
        listener = self.serve(held)
        listener.servings.mostCancels = 20
        client = self.cancelMany(40)
        self.assertEqual(self.closed(client), (EXCESSIVE_LOAD, "too many cancelled queries"))
        self.assertEqual(len(held.held), 21)

    def test_cancelsUnlimited(self) -> None:
        """
        Without that limit the server works for each of them: the attack is real.
        """
        held = HeldSource()
        listener = self.serve(held)
        listener.servings.mostCancels = listener.servings.mostInFlight = 1000
        self.cancelMany(150)
        # More than the streams that a client may have open: each one that is cancelled makes room for another.
        self.assertEqual(len(held.held), 150)

    def test_inFlight(self) -> None:
        """
        Queries beyond those that may wait are refused on their streams, cancelled ones included.
        """
        held = HeldSource()
        listener = self.serve(held)
        client = self.client()
        listener.servings.mostInFlight = 5
        streams = [client.ask(self.framed(f"n{number}.test.example")) for number in range(8)]
        self.network.advance(0.1)
        refused = [event for event in client.events if isinstance(event, StreamReset)]
        self.assertEqual([(event.stream_id, event.error_code) for event in refused], [(each, EXCESSIVE_LOAD) for each in streams[5:]])
        (serving,) = self.serving
        self.assertEqual(serving.waiting, 5)

    # -- slow and greedy clients

    def test_slow(self) -> None:
        """
        A client that does not finish a message in time is disconnected, although it sends an octet now and then.
        """
        listener = self.serve()
        client = self.client()
        stream = client.ask(self.framed()[:5], end=False)
        for octet in self.framed()[5:20]:
            client.connection.send_stream_data(stream, bytes((octet,)), False)
            client.flush()
            self.network.advance(0.5)
        self.assertEqual(self.closed(client), (UNSPECIFIED_ERROR, ""))
        self.assertEqual(listener.servings.replies.counters.tcpIdled, 1)

    def test_partial(self) -> None:
        """
        The octets of unfinished messages are limited for a connection.
        """
        listener = self.serve()
        listener.servings.mostPartial = 20_000
        client = self.client()
        for _ in range(10):
            client.ask(b"\xff\xff" + bytes(3000), end=False)
        self.assertEqual(self.closed(client), (EXCESSIVE_LOAD, "too many unfinished messages"))

    def test_unread(self) -> None:
        """
        The replies for a client that does not let them through are limited.
        """
        texts = [f'"{"x" * 200}"'] * 20
        listener = self.serve(CannedSource({("www.test.example", "A"): "192.0.2.80", ("long.test.example", "TXT"): texts}))
        listener.servings.mostUnread = 65_536
        greedy = RawClient(self.here, window=1)
        self.clients.append(greedy)
        greedy.connect()
        self.network.advance(0.2)
        octets = frame(buildMessage(Message(0, 0x100, (questionOf("long.test.example", "TXT"),))))
        for _ in range(60):
            greedy.ask(octets)
        self.assertEqual(self.closed(greedy), (EXCESSIVE_LOAD, "too many unread replies"))

    def test_idle(self) -> None:
        """
        A connection without queries is closed after a while, and the client knows that it was no error.
        """
        self.serve()
        client = self.client()
        client.ask(self.framed())
        self.network.advance(29.0)
        self.assertEqual(len(self.serving), 1)
        self.assertEqual(self.closed(client, 3.0), (NO_ERROR, ""))

    def test_stop(self) -> None:
        """
        A server that stops tells its clients.
        """
        self.serve()
        client = self.client()
        self.stop()
        self.assertEqual(self.closed(client), (NO_ERROR, ""))

    # -- replies of many messages

    def test_flow(self) -> None:
        """
        A reply of many messages, such as a zone, goes on one stream as fast as the client reads it.
        """
        made: list[int] = []

        def messages() -> Iterator[bytes]:
            for number in range(300):
                made.append(number)
                yield bytes(12) + bytes(1000)

        listener = self.rude(_Flowing(messages))
        client = self.client()
        stream = client.ask(self.framed())
        self.network.advance(0.015)
        self.assertLess(len(made), 120)
        self.network.advance(5.0)
        found = StreamBuffer().feed(self.replies(client)[stream])
        self.assertEqual(([len(each) for each in found], len(made)), ([1012] * 300, 300))
        (serving,) = listener.servings.all()
        self.assertTrue(serving.resting)

    def test_flowAbandoned(self) -> None:
        """
        A reply of many messages ends when the client goes away, and its source is closed.
        """
        ended: list[bool] = []

        def messages() -> Iterator[bytes]:
            try:
                while True:
                    yield bytes(12) + bytes(1000)
            finally:
                ended.append(True)

        self.rude(_Flowing(messages))
        client = self.client()
        stream = client.ask(self.framed())
        self.network.advance(0.1)
        client.connection.stop_stream(stream, REQUEST_CANCELLED)
        client.flush()
        self.network.advance(0.5)
        self.assertEqual(ended, [True])


class _Flowing(RudeSource):
    """
    Answers each query with many messages.
    """

    def __init__(self, messages: Callable[[], Iterator[bytes]]) -> None:
        super().__init__()
        self._messages = messages

    def take(self, octets: bytes, serving: QuicServing, send: Send, flow: Callable[[Iterator[bytes]], None], door: Door) -> bool:
        flow(self._messages())
        return True
