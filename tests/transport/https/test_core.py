"""
Tests of the client's end of an HTTP/2 connection that carries DNS. An h2 server is the other end.
"""

from __future__ import annotations

from base64 import urlsafe_b64encode
from random import Random

from h2.errors import ErrorCodes
from h2.settings import SettingCodes
from twisted.trial.unittest import SynchronousTestCase

from tests.transport.https.httpsservers import TYPE, HTTPSPeer, frame
from twisted_ext.errors import BadMessage
from twisted_ext.limits import HTTPS_CANCELED, HTTPS_FRAMES
from twisted_ext.testing.sources import questionOf
from twisted_ext.transport.https.core import HTTPSConnection
from twisted_ext.transport.https.requests import Outcome, Trouble
from twisted_ext.transport.urls import ServerURL

URL = ServerURL.fromText("https://dns.example/dns-query")

#: A query without its id, and a reply with it.
QUERY = b"\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00" + questionOf("www.test.example").toWire()
REPLY = b"\x00\x00\x81\x80" + QUERY[2:]


class HTTPSConnectionTestCase(SynchronousTestCase):
    """
    A connection between a client and a server.
    """

    def setUp(self) -> None:
        self.begin()

    def begin(self, *, get: bool = False, most: int | None = None, **settings: int) -> None:
        """
        Begin a connection, to a server with these settings.
        """
        self.client = HTTPSConnection(URL, get=get, most=most)
        self.server = HTTPSPeer({SettingCodes[name].value: value for name, value in settings.items()})
        self.outcomes: list[Outcome] = []
        self.pump()

    def pump(self) -> None:
        """
        Carry octets until both ends are silent.
        """
        while True:
            sent = self.client.take()
            if sent:
                self.server.receive(sent)
            came = self.server.http.data_to_send()
            if came:
                self.outcomes += self.client.received(came)
            if not sent and not came:
                return

    def ask(self, *keys: bytes, query: bytes = QUERY) -> None:
        """
        Send queries.
        """
        for key in keys:
            self.client.ask(key, query)
        self.pump()

    def trouble(self) -> Trouble:
        """
        Return the only outcome.
        """
        ((_, result),) = self.outcomes
        assert isinstance(result, Trouble), result
        return result


class HTTPSConnectionTests(HTTPSConnectionTestCase):
    """
    Tests for L{HTTPSConnection}.
    """

    def test_postCarriesTheMessage(self) -> None:
        """
        A query is the content of a POST request, with the id 0.
        """
        self.ask(b"one")
        (request,) = self.server.requests
        self.assertEqual(request.body, b"\x00\x00" + QUERY)
        self.assertEqual(
            request.fields,
            {
                ":method": "POST",
                ":scheme": "https",
                ":authority": "dns.example",
                ":path": "/dns-query",
                "accept": "application/dns-message",
                "content-type": "application/dns-message",
                "content-length": str(len(QUERY) + 2),
            },
        )
        self.server.respond(1, REPLY)
        self.pump()
        self.assertEqual((self.outcomes, self.client.inFlight), ([(b"one", REPLY)], 0))

    def test_getCarriesTheMessageInThePath(self) -> None:
        """
        With GET, the query is in the path, in base64 without padding, and there is no content.
        """
        self.begin(get=True)
        self.ask(b"one")
        (request,) = self.server.requests
        encoded = urlsafe_b64encode(b"\x00\x00" + QUERY).decode().rstrip("=")
        self.assertEqual((request.fields[":method"], request.fields[":path"]), ("GET", f"/dns-query?dns={encoded}"))
        self.assertNotIn("content-type", request.fields)
        self.assertEqual(request.body, b"")

    def test_longQueryIsPostedInsteadOfGET(self) -> None:
        """
        A query that makes a long path is sent by POST.
        """
        self.begin(get=True)
        self.ask(b"one", query=QUERY + bytes(2000))
        self.assertEqual([request.fields[":method"] for request in self.server.requests], ["POST"])

    def test_repliesMayComeInAnyOrder(self) -> None:
        """
        Replies may come in any order, and each reaches its own query.
        """
        self.ask(b"one", b"two", b"three")
        for stream in (5, 1, 3):
            self.server.respond(stream, REPLY + bytes([stream]))
        self.pump()
        self.assertEqual(self.outcomes, [(b"three", REPLY + b"\x05"), (b"one", REPLY + b"\x01"), (b"two", REPLY + b"\x03")])

    def test_serverLimitsTheStreams(self) -> None:
        """
        No more queries are in flight than the server allows.
        """
        self.begin(MAX_CONCURRENT_STREAMS=2)
        self.assertEqual(self.client.free, 2)
        self.ask(b"one", b"two")
        self.assertEqual(self.client.free, 0)
        self.server.respond(1, REPLY)
        self.pump()
        self.assertEqual(self.client.free, 1)

    def test_ageLessensTTLs(self) -> None:
        """
        The TTLs of a reply are lessened by the seconds that it was in an HTTP cache.
        """
        record = b"\xc0\x0c\x00\x01\x00\x01" + (300).to_bytes(4, "big") + b"\x00\x04\xc0\x00\x02\x50"
        reply = REPLY[:6] + b"\x00\x01" + REPLY[8:]
        self.ask(b"one")
        self.server.respond(1, reply + record, headers=(TYPE, (b"age", b"100")))
        self.pump()
        self.assertEqual(self.outcomes, [(b"one", reply + record.replace(b"\x01\x2c", b"\x00\xc8"))])

    def test_flowControlIsObeyed(self) -> None:
        """
        A query longer than the server's window is sent in pieces, as the server permits.
        """
        self.begin(INITIAL_WINDOW_SIZE=100)
        query = QUERY + bytes(1000)
        self.ask(b"one", b"two", query=query)
        self.assertEqual([request.body for request in self.server.requests], [b"\x00\x00" + query] * 2)

    def test_noWindowHoldsTheQueryBack(self) -> None:
        """
        Without a window, the query waits, and goes when the server opens one.
        """
        self.begin(INITIAL_WINDOW_SIZE=0)
        self.ask(b"one")
        self.assertEqual(self.server.requests, [])
        self.server.http.increment_flow_control_window(1000, 1)
        self.pump()
        self.assertEqual(len(self.server.requests), 1)

    def test_windowIsReplenished(self) -> None:
        """
        The server can send any number of replies: what was received is acknowledged.
        """
        long = REPLY + bytes(60_000)
        for number in range(60):
            self.ask(bytes([number]))
            stream = 2 * number + 1
            self.server.http.send_headers(stream, [(b":status", b"200"), TYPE])
            for start in range(0, len(long), 16_000):
                self.server.http.send_data(stream, long[start : start + 16_000], end_stream=start + 16_000 >= len(long))
            self.pump()
        self.assertEqual([result for _, result in self.outcomes], [long] * 60)

    def test_tooLongReplyIsCut(self) -> None:
        """
        A reply longer than a DNS message can be is given up at once, with its stream.
        """
        self.ask(b"one")
        self.server.http.send_headers(1, [(b":status", b"200"), TYPE])
        for _ in range(5):
            self.server.http.send_data(1, REPLY + bytes(16_000))
        self.pump()
        trouble = self.trouble()
        self.assertEqual((trouble.text, trouble.malformed), ("sent a reply of more than 65535 octets", True))
        self.assertEqual(self.server.resets, [1])

    def test_canceledQueryIsReset(self) -> None:
        """
        A query that is given up is reset, so that the server need not work on it, and a late reply is ignored.
        """
        self.ask(b"one", b"two", b"three")
        self.client.cancel(b"one")
        self.pump()
        self.server.respond(3, REPLY)
        self.client.cancel(b"two")
        self.pump()
        self.assertEqual((self.server.resets, self.outcomes, self.client.inFlight), ([1], [], 1))
        self.server.respond(5, REPLY)
        self.pump()
        self.assertEqual(self.outcomes, [(b"three", REPLY)])

    def test_manyCancelsRetireTheConnection(self) -> None:
        """
        A connection with many resets is used no more, because the server may take them for an attack.
        """
        for number in range(int(HTTPS_CANCELED.default)):
            self.assertFalse(self.client.closing)
            key = number.to_bytes(2, "big")
            self.ask(key)
            self.client.cancel(key)
        self.assertEqual((self.client.closing, self.client.free), (True, 0))

    def test_refusedStreamIsUnprocessed(self) -> None:
        """
        After REFUSED_STREAM, the query may be sent again; after another reset it may not.
        """
        for code, unprocessed in ((ErrorCodes.REFUSED_STREAM, True), (ErrorCodes.INTERNAL_ERROR, False)):
            self.begin()
            self.ask(b"one")
            self.server.http.reset_stream(1, code)
            self.pump()
            trouble = self.trouble()
            self.assertEqual((trouble.text, trouble.unprocessed), (f"gave up the query (RST_STREAM {code.name})", unprocessed))

    def test_repliesFollowGOAWAY(self) -> None:
        """
        Queries that the server has taken are answered after GOAWAY, and the others may be sent again.
        """
        self.ask(b"one", b"two", b"three")
        goaway = frame(7, (3).to_bytes(4, "big") + (0).to_bytes(4, "big"))
        for octet in goaway:
            self.outcomes += self.client.received(bytes([octet]))
        trouble = self.trouble()
        self.assertEqual((self.outcomes[0][0], trouble.unprocessed, self.client.closing), (b"three", True, True))
        self.server.respond(3, REPLY)
        self.server.respond(1, REPLY)
        self.pump()
        self.assertEqual(self.outcomes[1:], [(b"two", REPLY), (b"one", REPLY)])

    def test_GOAWAYTellsWhy(self) -> None:
        """
        The reason in GOAWAY is kept for errors, without control characters.
        """
        self.ask(b"one")
        self.client.received(frame(7, bytes(4) + (11).to_bytes(4, "big") + b"slow\ndown"))
        self.assertEqual(self.client.why, "closed the connection (GOAWAY ENHANCE_YOUR_CALM 'slow?down')")

    def test_fragmentedStreamIsRead(self) -> None:
        """
        Any fragmentation of the stream is read.
        """
        self.ask(b"one", b"two")
        self.server.respond(1, REPLY)
        self.server.http.ping(bytes(8))
        self.server.respond(3, REPLY)
        dice = Random(14)
        octets = self.server.http.data_to_send() + frame(7, (3).to_bytes(4, "big") + bytes(4))
        while octets:
            size = dice.randrange(1, 12)
            self.outcomes += self.client.received(octets[:size])
            octets = octets[size:]
        self.assertEqual((self.outcomes, self.client.closing), ([(b"one", REPLY), (b"two", REPLY)], True))

    def test_wrongResponses(self) -> None:
        """
        Responses that carry no DNS message are refused, each with its reason.
        """
        cases: list[tuple[int, bytes, list[tuple[bytes, bytes]], str]] = [
            (200, REPLY, [], "without a content type"),
            (200, REPLY, [(b"content-type", b"text/html; charset=utf-8")], "of type 'text/html; charset=utf-8'"),
            (200, REPLY, [TYPE, (b"content-encoding", b"gzip")], "with the coding 'gzip'"),
            (200, b"short", [TYPE], "sent a reply of 5 octets"),
            (200, b"\x12\x34" + REPLY[2:], [TYPE], "with the id 4660"),
            (301, b"", [(b"location", b"https://evil.example/")], "redirects to 'https://evil.example/' (HTTP status '301')"),
            (404, b"none", [], "answered with HTTP status '404': it has nothing at this path"),
            (405, b"", [], "it does not take this method"),
            (500, b"", [], "answered with HTTP status '500'"),
            (429, b"", [(b"retry-after", b"30")], "asks for a pause of 30 s (HTTP status 429 Too Many Requests)"),
        ]
        for status, body, headers, expected in cases:
            self.begin()
            self.ask(b"one")
            self.server.respond(1, body, status, headers)
            self.pump()
            self.assertIn(expected, self.trouble().text)
            self.assertEqual(self.client.inFlight, 0)

    def test_informationalResponsesAreSkipped(self) -> None:
        """
        1xx responses may come before the final one.
        """
        self.ask(b"one")
        self.server.http.send_headers(1, [(b":status", b"103")])
        self.server.respond(1, REPLY)
        self.pump()
        self.assertEqual(self.outcomes, [(b"one", REPLY)])


class HostileServerTests(HTTPSConnectionTestCase):
    """
    Tests of servers that violate the protocol, or try to exhaust the client.
    """

    def refused(self, octets: bytes) -> str:
        """
        Receive octets that break the connection, and return the text of the fault.
        """
        return str(self.assertRaises(BadMessage, self.client.received, octets))

    def test_floodsEndTheConnection(self) -> None:
        """
        Frames that carry nothing are limited: pings, settings, empty data, window updates, and frames of unknown types.
        """
        self.ask(b"one")
        self.server.http.send_headers(1, [(b":status", b"200"), TYPE])
        self.pump()
        floods = [frame(6, bytes(8)), frame(4), frame(0, b"", 0, 1), frame(8, b"\x00\x00\x00\x01"), frame(99)]
        for each in floods:
            most = int(HTTPS_FRAMES.default)
            sent = 0
            try:
                for _ in range(2 * most):
                    self.client.received(each)
                    sent += 1
            except BadMessage as fault:
                self.assertIn("frames without a reply", str(fault))
            self.assertLessEqual(sent, most)
            self.begin()
            self.ask(b"one")
            self.server.http.send_headers(1, [(b":status", b"200"), TYPE])
            self.pump()

    def test_repliesResetTheCount(self) -> None:
        """
        Frames are counted between replies only: a long-lived connection is not limited.
        """
        for number in range(3):
            self.ask(bytes([number]))
            for _ in range(int(HTTPS_FRAMES.default) - 10):
                self.client.received(frame(6, bytes(8)))
            self.client.take()
            self.server.respond(2 * number + 1, REPLY)
            self.pump()
        self.assertEqual(len(self.outcomes), 3)

    def test_headerBombIsRefused(self) -> None:
        """
        Headers that are small on the wire and large after decompression end the connection (CVE-2016-6581).
        """
        self.ask(b"one")
        literal = b"\x40\x01x" + b"\x7f\x81\x1e" + b"a" * 3968
        self.assertIn("violated HTTP/2", self.refused(frame(1, b"\x88" + literal + b"\xbe" * 100, 4, 1)))

    def test_wrongHeadersAreRefused(self) -> None:
        """
        Headers that no response may have end the connection: upper case, control characters, those of HTTP/1 and of requests.
        """
        fields = [(b"Age", b"1"), (b"age", b"1\n"), (b"connection", b"close"), (b":path", b"/"), (b":status", b"200"), (b"a b", b"")]
        for name, value in fields:
            self.begin()
            self.ask(b"one")
            block = b"\x88\x0f\x0d\x01" + b"5" + b"\x00" + bytes([len(name)]) + name + bytes([len(value)]) + value
            self.assertIn("violated HTTP/2: the response has a wrong", self.refused(frame(1, block, 4, 1)))

    def test_rememberedHeadersFollowTheTable(self) -> None:
        """
        A block of headers that comes again means what the compression table says at that time.
        """
        for key in (b"one", b"two", b"three", b"four"):
            self.ask(key)
        indexed = b"\x88\xbe"
        age, other = b"\x40\x03age\x03100", b"\x40\x03age\x03299"
        kind = b"\x0f\x10\x17application/dns-message"
        record = b"\xc0\x0c\x00\x01\x00\x01" + (300).to_bytes(4, "big") + b"\x00\x04\xc0\x00\x02\x50"
        reply = REPLY[:6] + b"\x00\x01" + REPLY[8:] + record
        ttls: list[int] = []
        for stream, block in ((1, b"\x88" + age + kind), (3, indexed + kind), (5, b"\x88" + other + kind), (7, indexed + kind)):
            ((_, result),) = self.client.received(frame(1, block, 4, stream) + frame(0, reply, 1, stream))
            assert isinstance(result, bytes)
            ttls.append(int.from_bytes(result[-10:-6], "big"))
        self.assertEqual(ttls, [200, 200, 1, 1])

    def test_continuationFloodIsRefused(self) -> None:
        """
        An endless header block ends the connection (CVE-2024-28182).
        """
        self.ask(b"one")
        self.client.received(frame(1, b"\x88", 0, 1))
        self.assertIn("violated HTTP/2", self.refused(frame(9, b"\x00\x01a\x01b", 0, 1) * 200))

    def test_pushIsRefused(self) -> None:
        """
        A server may not push.
        """
        self.ask(b"one")
        self.assertIn("violated HTTP/2", self.refused(frame(5, b"\x00\x00\x00\x02\x88", 4, 1)))

    def test_octetsOfOtherProtocolsAreRefused(self) -> None:
        """
        A server that speaks something else is reported.
        """
        self.assertEqual(self.refused(b"HTTP/1.1 400 Bad Request\r\n\r\n"), "violated HTTP/2: it spoke HTTP/1")
        self.begin()
        self.assertIn("sent a frame of 131072 octets", self.refused(frame(0, bytes(1 << 17), 0, 1)[:9]))

    def test_malformedGOAWAYIsRefused(self) -> None:
        """
        A GOAWAY that is too short or too long, or on a stream, is refused before it is kept.
        """
        for octets in (frame(7, bytes(4)), frame(7, bytes(8), 0, 1), frame(7, bytes(20_000))[:9]):
            self.begin()
            self.assertIn("violated HTTP/2: it sent a", self.refused(octets))

    def test_anyOctetsRaiseOneException(self) -> None:
        """
        Random octets, and random changes of good ones, raise nothing but BadMessage.
        """
        dice = Random(8484)
        for _ in range(400):
            self.begin()
            self.ask(b"one", b"two")
            self.server.respond(1, REPLY)
            self.server.http.ping(bytes(8))
            self.server.respond(3, REPLY, headers=(TYPE, (b"age", b"5")))
            octets = bytearray(self.server.http.data_to_send())
            for _ in range(dice.randrange(1, 4)):
                octets[dice.randrange(len(octets))] = dice.randrange(256)
            try:
                self.client.received(bytes(octets))
            except BadMessage:
                pass
