"""
Tests of DNS over HTTPS with HTTP/3, as a client of another project sees it.
"""

from __future__ import annotations

from base64 import urlsafe_b64encode
from random import Random
from typing import cast

from aioquic.h3.connection import ErrorCode, H3Connection
from aioquic.quic.configuration import QuicConfiguration
from aioquic.quic.events import ConnectionTerminated, HandshakeCompleted, StopSendingReceived
from aioquic.tls import SessionTicket
from twisted.trial.unittest import SynchronousTestCase

from tests.server.listeners.http3clients import HTTP3Client, Reply, fieldsFor
from tests.transport.quic.peers import NAME, QuicTestCase, query
from twisted_ext.resolver.caching.cached import CachedSource
from twisted_ext.server.listeners.quic.http3 import StreamFault, requestIn
from twisted_ext.testing.sources import CannedSource, HeldSource, answerOf, questionOf
from twisted_ext.transport.https.h3 import EXCESSIVE_LOAD, NO_ERROR, REQUEST_CANCELLED
from twisted_ext.transport.quic.link import WatchedConnection
from twisted_ext.wire.message import Message


class RequestTests(SynchronousTestCase):
    """
    Tests for L{requestIn}.
    """

    def test_frames(self) -> None:
        """
        A request is a header, and perhaps pieces of a body and trailers; frames of unknown types mean nothing.
        """
        for octets, found in (
            ("0102aabb", ("aabb", "")),
            ("0102aabb 0001cc", ("aabb", "cc")),
            ("21 00 0102aabb 4021 0133 0001cc 0000 0002ddee 0101ff 3300", ("aabb", "ccddee")),
            ("4001 8000 0001 aa", ("aa", "")),
        ):
            block, body = requestIn(bytes.fromhex(octets))
            self.assertEqual((block.hex(), body.hex()), found)

    def test_wrong(self) -> None:
        """
        Frames that are cut, misplaced or out of order end the connection; a stream without a header ends alone.
        """
        for octets, code, whole in (
            ("", ErrorCode.H3_REQUEST_INCOMPLETE, False),
            ("2100", ErrorCode.H3_REQUEST_INCOMPLETE, False),
            ("01", ErrorCode.H3_FRAME_ERROR, True),
            ("0102aa", ErrorCode.H3_FRAME_ERROR, True),
            ("0102aabb40", ErrorCode.H3_FRAME_ERROR, True),
            ("0001cc", ErrorCode.H3_FRAME_UNEXPECTED, True),
            ("0101aa 0101bb 0001cc", ErrorCode.H3_FRAME_UNEXPECTED, True),
            ("0101aa 0101bb 0101cc", ErrorCode.H3_FRAME_UNEXPECTED, True),
            ("0101aa 0400", ErrorCode.H3_FRAME_UNEXPECTED, True),
            ("0101aa 0700", ErrorCode.H3_FRAME_UNEXPECTED, True),
        ):
            fault = self.assertRaises(StreamFault, requestIn, bytes.fromhex(octets))
            self.assertEqual((fault.code, fault.whole), (code, whole), octets)

    def test_random(self) -> None:
        """
        No octets cause another error.
        """
        random = Random(1)
        for _ in range(3000):
            length = random.randrange(12)
            octets = bytes([random.choice((0, 1, 2, 3, 4, 0x21, 0x40, 0x80, 0xC0, random.randrange(256))) for _ in range(length)])
            try:
                requestIn(octets)
            except StreamFault:
                continue


class HTTP3ServingTests(QuicTestCase):
    """
    Tests of requests on a connection.
    """

    def web(self) -> HTTP3Client:
        """
        Return a client that is connected.
        """
        client = HTTP3Client(self.here)
        self.clients.append(client)
        client.connect()
        self.network.advance(0.2)
        self.assertEqual(len(client.of(HandshakeCompleted)), 1)
        return client

    def asked(
        self, client: HTTP3Client, fields: list[tuple[bytes, bytes]] | None = None, body: bytes | None = None, seconds: float = 0.2
    ) -> Reply:
        """
        Send a request, and return what has come.
        """
        stream = client.request(fields or fieldsFor(), query() if fields is None else body)
        self.network.advance(seconds)
        return client.replies.get(stream, Reply())

    def get(self, octets: bytes) -> list[tuple[bytes, bytes]]:
        return fieldsFor(b"GET", b"/dns-query?dns=" + urlsafe_b64encode(octets).rstrip(b"="))

    def test_post(self) -> None:
        """
        A query by POST is answered, and the reply says for how long HTTP caches may keep it.
        """
        self.serve(http3=True)
        reply = self.asked(self.web())
        self.assertEqual((reply.status, reply.fields[b"content-type"], reply.ended), (b"200", b"application/dns-message", True))
        self.assertEqual(reply.fields[b"content-length"], b"%d" % len(reply.body))
        self.assertTrue(reply.fields[b"cache-control"].startswith(b"max-age="))
        self.assertEqual(Message.fromWire(reply.body).answer[0].rdatas, (bytes((192, 0, 2, 80)),))

    def test_get(self) -> None:
        """
        A query by GET gets the same reply, with the id that it had.
        """
        self.serve(http3=True)
        client = self.web()
        self.assertEqual(self.asked(client, self.get(query())).body, self.asked(client).body)
        self.assertEqual(self.asked(client, self.get(query(number=7))).body[:2], b"\x00\x07")

    def test_fastLane(self) -> None:
        """
        Repeated queries are answered by the packet cache that all encrypted transports share.
        """
        listener = self.serve(CachedSource(CannedSource({("www.test.example", "A"): "192.0.2.80"}), self.there), http3=True)
        client = self.web()
        found = {self.asked(client, seconds=0.05).body for _ in range(10)}
        counters = listener.servings.replies.counters
        self.assertEqual((counters.tcp, len(found)), (10, 1))
        self.assertLess(counters.tcpBeyond, 4)

    def test_manyAtOnce(self) -> None:
        """
        Requests share a connection, and are answered although datagrams get lost.
        """
        self.serve(http3=True)
        client = self.web()
        self.network.shape(delay=0.01, jitter=0.01, loss=0.1)
        streams = [client.request(fieldsFor(), query()) for _ in range(80)]
        self.network.advance(5.0)
        self.assertEqual([client.replies[stream].status for stream in streams], [b"200"] * 80)

    def test_statuses(self) -> None:
        """
        A request that is not a query is refused with the status codes of HTTP/2.
        """
        self.serve(http3=True)
        client = self.web()
        for fields, body, status in (
            (fieldsFor(b"GET", b"/"), None, b"200"),
            (fieldsFor(b"GET", b"/other"), None, b"404"),
            (fieldsFor(b"GET", b"/dns-query"), None, b"400"),
            (fieldsFor(b"GET", b"/dns-query?dns=!"), None, b"400"),
            (fieldsFor(b"PUT"), b"x", b"405"),
            (fieldsFor(b"POST", b"/dns-query", (b"content-length", b"70000")), bytes(70_000), b"413"),
            ([*fieldsFor(b"POST")[:-1], (b"content-type", b"text/plain")], query(), b"415"),
            (fieldsFor(), b"", b"400"),
            (fieldsFor(), bytes(11), b"400"),
            (fieldsFor(), query(flags=0x8180), b"400"),
        ):
            reply = self.asked(client, fields, body, 1.0)
            self.assertEqual((reply.status, reply.ended), (status, True), fields)
        self.assertEqual(self.asked(client).status, b"200")

    def test_tooLong(self) -> None:
        """
        A body that is longer than any message gets 413 before it has arrived, and its client is asked to stop.
        """
        self.serve(http3=True)
        client = self.web()
        reply = self.asked(client, fieldsFor(), bytes(1 << 20), 5.0)
        self.assertEqual(reply.status, b"413")
        self.assertEqual(len(client.of(StopSendingReceived)), 1)
        self.assertIsNone(client.closed)
        self.assertEqual(self.asked(client).status, b"200")

    def test_wrongLength(self) -> None:
        """
        A body of another length than its header says is a malformed message, which ends its stream alone.
        """
        self.serve(http3=True)
        client = self.web()
        stream = client.request(fieldsFor(b"POST", b"/dns-query", (b"content-length", b"7")), query())
        stream2 = client.request([field for field in fieldsFor() if field[0] != b":path"], query())
        self.network.advance(0.2)
        self.assertEqual([client.replies[each].reset for each in (stream, stream2)], [ErrorCode.H3_MESSAGE_ERROR] * 2)
        self.assertEqual(self.asked(client).status, b"200")

    def test_fragments(self) -> None:
        """
        A request may arrive in any pieces.
        """
        self.serve(http3=True)
        client = self.web()
        stream = client.request(fieldsFor(), query(), end=False)
        for _ in range(3):
            self.network.advance(0.1)
        client.connection.send_stream_data(stream, b"\x21", False)
        client.flush()
        self.network.advance(0.1)
        client.connection.send_stream_data(stream, b"\x00", True)
        client.flush()
        self.network.advance(0.1)
        self.assertEqual(client.replies[stream].status, b"200")

    def test_slow(self) -> None:
        """
        A client that does not finish a request in time is disconnected.
        """
        listener = self.serve(http3=True)
        client = self.web()
        client.request(fieldsFor(), query(), end=False)
        self.network.advance(7.0)
        self.assertEqual(client.closed, (ErrorCode.H3_REQUEST_INCOMPLETE, ""))
        self.assertEqual(listener.servings.replies.counters.tcpIdled, 1)

    def test_idle(self) -> None:
        """
        A connection without requests is closed without an error.
        """
        self.serve(http3=True)
        client = self.web()
        self.network.advance(32.0)
        self.assertEqual(client.closed, (NO_ERROR, ""))

    def test_cancelled(self) -> None:
        """
        A request that the client gives up, in either way, leaves nothing once it is answered.
        """
        held = HeldSource()
        listener = self.serve(held, http3=True)
        client = self.web()
        stopped = client.request(fieldsFor(), query())
        reset = client.request(fieldsFor(), query(), end=False)
        self.network.advance(0.1)
        client.connection.stop_stream(stopped, REQUEST_CANCELLED)
        client.connection.reset_stream(reset, REQUEST_CANCELLED)
        client.flush()
        self.network.advance(0.1)
        (serving,) = listener.servings.all()
        self.assertEqual((serving.open, serving.waiting), (0, 1))
        held.release(answerOf(questionOf("www.test.example"), "192.0.2.80"))
        self.network.advance(0.1)
        self.assertEqual((serving.waiting, serving.resting, serving.held), (0, True, 0))

    def test_cancelledBefore(self) -> None:
        """
        A request that arrives after its cancellation is not looked up; one of another stream is answered.
        """
        held = HeldSource()
        listener = self.serve(held, http3=True)
        client = self.web()
        assert client.http is not None
        stream = client.connection.get_next_available_stream_id()
        client.http.send_headers(stream, fieldsFor())
        client.http.send_data(stream, query(), True)
        client.connection.stop_stream(stream, REQUEST_CANCELLED)
        client.flush()
        self.network.advance(0.4)
        (serving,) = listener.servings.all()
        self.assertEqual((serving.waiting, held.held, listener.servings.replies.counters.faults), (0, [], 0))
        other = client.request(fieldsFor(), query())
        self.network.advance(0.1)
        held.release(answerOf(questionOf("www.test.example"), "192.0.2.80"))
        self.network.advance(0.1)
        self.assertEqual(client.replies[other].status, b"200")

    def test_rapidReset(self) -> None:
        """
        A client that cancels request after request is disconnected.
        """
        listener = self.serve(HeldSource(), http3=True)
        listener.servings.mostCancels = 20
        client = self.web()
        for _ in range(40):
            stream = client.request(fieldsFor(), query())
            self.network.advance(0.03)
            if client.closed:
                break
            client.connection.stop_stream(stream, REQUEST_CANCELLED)
            client.flush()
            self.network.advance(0.03)
        self.assertEqual(client.closed, (EXCESSIVE_LOAD, "too many cancelled queries"))

    def test_hugeHeader(self) -> None:
        """
        A header is limited both as it is sent and as it is meant: a static index stands for dozens of octets.
        """
        listener = self.serve(http3=True)
        client = self.web()
        streams: list[int] = []
        for block in (b"\x00\x00" + b"\xd1" * 2000, b"\x00\x00" + b"\xd1" * 17_000):
            stream = client.connection.get_next_available_stream_id()
            client.connection.send_stream_data(stream, b"\x01" + (len(block) | 1 << 31).to_bytes(4, "big") + block, True)
            client.flush()
            self.network.advance(0.5)
            streams.append(stream)
        self.assertEqual([client.replies[stream].status for stream in streams], [b"431", b"431"])
        self.assertEqual(len(listener.servings), 1)

    def test_table(self) -> None:
        """
        A header that refers to the dynamic table, of which there is none, cannot be read (the bomb of attack 32, by QPACK).
        """
        self.serve(http3=True)
        client = self.web()
        client.connection.send_stream_data(client.connection.get_next_available_stream_id(), b"\x01\x03\x02\x00\x80", True)
        client.flush()
        self.network.advance(1.0)
        self.assertEqual(client.closed, (ErrorCode.QPACK_DECOMPRESSION_FAILED, "a header cannot be decompressed"))

    def test_randomStreams(self) -> None:
        """
        No octets on any stream make the listener fail.
        """
        listener = self.serve(http3=True)
        random = Random(1)
        for _ in range(60):
            client = self.web()
            for _ in range(4):
                stream = client.connection.get_next_available_stream_id(random.random() < 0.5)
                octets = bytes([random.choice((0, 1, 2, 4, 7, 0x21, random.randrange(256))) for _ in range(random.randrange(30))])
                client.connection.send_stream_data(stream, octets, random.random() < 0.5)
            client.flush()
            self.network.advance(0.05)
        self.assertEqual(listener.servings.replies.counters.faults, 0)

    def test_control(self) -> None:
        """
        Violations on the control streams end the connection: a second control stream, settings without end, streams without number.
        """
        endless = b"\x00\x04\x80\x0f\xff\xff" + bytes(40_000)
        for octets, count, code in (
            (b"\x00\x04\x00", 1, ErrorCode.H3_STREAM_CREATION_ERROR),
            (endless, 1, ErrorCode.H3_STREAM_CREATION_ERROR),
            (b"\x21", 20, ErrorCode.H3_EXCESSIVE_LOAD),
        ):
            self.serve(http3=True)
            client = self.web()
            for _ in range(count):
                client.connection.send_stream_data(client.connection.get_next_available_stream_id(True), octets, False)
            client.flush()
            self.network.advance(0.5)
            assert client.closed is not None
            self.assertEqual(client.closed[0], code)
            self.stop()

    def test_endlessSettings(self) -> None:
        """
        Settings that are longer than any header end the connection.
        """
        self.serve(http3=True)
        client = self.client(alpn="h3")
        client.connection.send_stream_data(
            client.connection.get_next_available_stream_id(True), b"\x00\x04\x80\x0f\xff\xff" + bytes(40_000), False
        )
        client.flush()
        self.network.advance(1.0)
        (event,) = client.of(ConnectionTerminated)
        assert isinstance(event, ConnectionTerminated)
        self.assertEqual((event.error_code, event.reason_phrase), (EXCESSIVE_LOAD, "a header has at most 16384 octets"))

    def test_otherProtocol(self) -> None:
        """
        A client of DNS over QUIC cannot complete the handshake.
        """
        listener = self.serve(http3=True)
        client = self.client()
        self.network.advance(1.0)
        self.assertEqual((client.of(HandshakeCompleted), len(listener.servings)), ([], 0))

    def test_refused(self) -> None:
        """
        Access lists are those of the other transports.
        """
        self.serve(http3=True, refuse=["192.0.2.7"])
        reply = self.asked(self.web())
        self.assertEqual((reply.status, reply.body[3] & 15), (b"200", 5))

    # -- early data

    def early(self, octets: bytes) -> tuple[HTTP3Client, int]:
        """
        Send a message before the handshake, with the session of an earlier connection.
        """
        first = self.web()
        self.asked(first)
        (ticket,) = first.tickets
        client = HTTP3Client(self.here)
        self.clients.append(client)
        configuration = QuicConfiguration(
            alpn_protocols=["h3"], is_client=True, server_name=NAME, session_ticket=cast(SessionTicket, ticket)
        )
        client.connection = WatchedConnection(configuration=configuration)
        client.connection.connect(("192.0.2.53", 853), self.here.seconds())
        client.http = H3Connection(client.connection)
        stream = client.request(fieldsFor(), octets)
        self.network.advance(0.3)
        (completed,) = client.of(HandshakeCompleted)
        assert isinstance(completed, HandshakeCompleted)
        self.assertTrue(completed.early_data_accepted)
        return client, stream

    def test_early(self) -> None:
        """
        A query may arrive before the handshake is complete; an update or a notification is refused with 425 (RFC 8470).
        """
        for opcode, status in ((0, b"200"), (4, b"425"), (5, b"425")):
            self.serve(http3=True)
            client, stream = self.early(query(flags=opcode << 11))
            self.assertEqual(client.replies[stream].status, status)
            self.stop()
