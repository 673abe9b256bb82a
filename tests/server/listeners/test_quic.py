"""
Tests of the QUIC listener: what it serves, and what it refuses.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import cast

from aioquic.quic.configuration import QuicConfiguration
from aioquic.quic.connection import QuicConnection
from aioquic.quic.events import ConnectionTerminated, HandshakeCompleted, StreamDataReceived, StreamReset
from aioquic.tls import SessionTicket

from tests.transport.quic.peers import NAME, QuicTestCase, RawClient, RudeSource, certified
from twisted_ext.resolver.caching.cached import CachedSource
from twisted_ext.server.listeners.quic.serving import QuicServing
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
from twisted_ext.wire.edns import EDNS
from twisted_ext.wire.framing import StreamBuffer, frame
from twisted_ext.wire.message import Message


class QuicServingTests(QuicTestCase):
    """
    Tests of queries on a connection.
    """

    def replies(self, client: RawClient) -> dict[int, bytes]:
        """
        Return the octets that arrived on each stream.
        """
        found: dict[int, bytes] = {}
        for event in client.events:
            if isinstance(event, StreamDataReceived):
                found[event.stream_id] = found.get(event.stream_id, b"") + event.data
        return found

    def closed(self, client: RawClient, seconds: float = 1.0) -> tuple[int, str]:
        """
        Return code and reason with which the server has closed the connection.
        """
        self.network.advance(seconds)
        (event,) = client.of(ConnectionTerminated)
        assert isinstance(event, ConnectionTerminated)
        self.assertEqual([len(self.serving)], [0])
        return event.error_code, event.reason_phrase

    @property
    def serving(self) -> list[QuicServing]:
        assert self.listener is not None
        return self.listener.servings.all()

    def test_reply(self) -> None:
        """
        Each stream gets the reply to its query, and ends.
        """
        self.serve()
        client = self.client()
        streams = [client.ask(self.framed()), client.ask(self.framed("other.example.test")), client.ask(self.framed())]
        self.network.advance(0.1)
        found = self.replies(client)
        self.assertEqual(sorted(found), streams)
        self.assertEqual([found[stream][5] & 15 for stream in streams], [0, 5, 0])
        ends = [event.stream_id for event in client.events if isinstance(event, StreamDataReceived) and event.end_stream]
        self.assertEqual(sorted(ends), streams)

    def test_fastLane(self) -> None:
        """
        Repeated queries are answered by the packet cache, with the same octets.
        """
        source = CachedSource(CannedSource({("www.example.test", "A"): "192.0.2.80"}), self.there)
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
        A response is no request.
        """
        self.refuses(self.framed(flags=0x8180), "the message is not a request")

    def test_keepalive(self) -> None:
        """
        The keepalive option of TCP is a protocol error (RFC 9250, section 5.5.2), also where a reply is stored.
        """
        octets = buildMessage(Message(0, 0x100, (questionOf("www.example.test"),), edns=EDNS(1232, options=((11, b""),))))
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
        Clients without access are refused, like by TCP.
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
        held.release(answerOf(questionOf("www.example.test"), "192.0.2.80"))
        self.network.advance(0.1)
        self.assertEqual((serving.waiting, self.replies(client)), (0, {}))

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
        A client that cancels query after query is disconnected (the rapid reset of HTTP/2, attack 32, by QUIC).
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
        listener.servings.mostInFlight = 5
        client = self.client()
        streams = [client.ask(self.framed(f"n{number}.example.test")) for number in range(8)]
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
        listener = self.serve(CannedSource({("www.example.test", "A"): "192.0.2.80", ("long.example.test", "TXT"): texts}))
        listener.servings.mostUnread = 65_536
        greedy = RawClient(self.here, window=1)
        self.clients.append(greedy)
        greedy.connect()
        self.network.advance(0.2)
        octets = frame(buildMessage(Message(0, 0x100, (questionOf("long.example.test", "TXT"),))))
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

    # -- early data

    def early(self, octets: bytes) -> RawClient:
        """
        Send a message before the handshake, with the session of an earlier connection.
        """
        first = self.client()
        first.ask(self.framed())
        self.network.advance(0.2)
        (ticket,) = first.tickets
        return self.replay(ticket, octets)

    def replay(self, ticket: object, octets: bytes) -> RawClient:
        client = self.client(connected=False)
        configuration = QuicConfiguration(
            alpn_protocols=["doq"], is_client=True, server_name=NAME, session_ticket=cast(SessionTicket, ticket)
        )
        client.connection = QuicConnection(configuration=configuration)
        client.connection.connect(("192.0.2.53", 853), self.here.seconds())
        client.ask(octets)
        return client

    def test_earlyQuery(self) -> None:
        """
        A query may arrive before the handshake is complete.
        """
        self.serve()
        client = self.early(self.framed())
        self.network.advance(0.2)
        (completed,) = client.of(HandshakeCompleted)
        assert isinstance(completed, HandshakeCompleted)
        self.assertTrue(completed.early_data_accepted)
        self.assertEqual([octets[5] & 15 for octets in self.replies(client).values()], [0])

    def test_earlyUpdate(self) -> None:
        """
        An update or a notification that arrives before the handshake is complete is refused: an attacker may have replayed it.
        """
        for opcode in (4, 5):
            source = RudeSource()
            listener = self.rude(source)
            client = self.early(self.framed(flags=opcode << 11))
            self.network.advance(0.2)
            (octets,) = self.replies(client).values()
            self.assertEqual((octets[4] >> 3 & 15, octets[5] & 15, len(octets)), (opcode, 5, 14))
            self.assertEqual(len(source.queries), 1)
            self.stop()
            self.assertEqual(len(listener.servings), 0)

    def test_replayed(self) -> None:
        """
        A session can be continued once, so that early data cannot be replayed.
        """
        self.serve()
        client = self.early(self.framed())
        self.network.advance(0.2)
        again = self.replay(self.clients[0].tickets[0], self.framed())
        self.network.advance(0.2)
        accepted = [event.early_data_accepted for each in (client, again) for event in each.events if isinstance(event, HandshakeCompleted)]
        self.assertEqual(accepted, [True])

    # -- certificates

    def test_renewed(self) -> None:
        """
        A new certificate is shown to new connections, and those that are open stay.
        """
        listener = self.serve()
        old = self.client()
        self.certificates.replace([certified("other.example")])
        new = self.client()
        self.assertEqual((len(new.of(HandshakeCompleted)), len(old.of(ConnectionTerminated))), (0, 0))
        old.ask(self.framed())
        self.network.advance(0.1)
        self.assertEqual(len(self.replies(old)), 1)
        self.assertGreaterEqual(len(listener.servings), 1)


class _Flowing(RudeSource):
    """
    Answers each query with many messages.
    """

    def __init__(self, messages: Callable[[], Iterator[bytes]]) -> None:
        super().__init__()
        self._messages = messages

    def take(self, octets: bytes, serving: QuicServing, send: Send, flow: Callable[[Iterator[bytes]], None]) -> bool:
        flow(self._messages())
        return True
