"""
Attacks 32 and 34 on a client of DNS over HTTPS: floods and bombs of a hostile server, and a server of another protocol.
"""

from __future__ import annotations

from tests.transport.https.httpsservers import TYPE, Request, frame
from tests.transport.https.test_exchange import HTTPSTestCase
from tests.transport.tlsservers import ServerTLS, leaf
from tests.transport.waiting import Waiter
from twisted_ext.errors import BadMessage
from twisted_ext.limits import HTTPS_CANCELED, HTTPS_FRAMES, MESSAGE_SIZE, Limit
from twisted_ext.transport.https import core as httpscore
from twisted_ext.transport.https import requests
from twisted_ext.transport.tls.terms import TLSHandshake

ENDLESS = Limit(default=1 << 30, least=1, most=1 << 30)

#: A header of 4 kB in the compression table, and two thousand references to it.
BOMB = b"\x88\x40\x01x\x7f\x81\x1e" + b"a" * 3968 + b"\xbe" * 2000


class HostileServerTests(HTTPSTestCase):
    """
    A server that answers a query with something costly.
    """

    def answerWith(self, octets: bytes, *, begin: bool = False) -> Waiter:
        """
        Send a query, and let the server answer with raw octets.

        @param begin: send the headers of a good response first.
        """

        def handle(request: Request) -> None:
            if begin:
                request.peer.http.send_headers(request.stream, [(b":status", b"200"), TYPE])
            request.peer.http._data_to_send += octets

        self.web.handle = handle
        return self.askOne()

    def refused(self, waiter: Waiter) -> str:
        """
        Return the text of the fault with which a query and its connection have ended.
        """
        (fault,) = waiter.faults
        self.assertIsInstance(fault, BadMessage)
        self.assertEqual(self.web.connections, set())
        return str(fault)

    def test_attack32_pingFloodEndsTheConnection(self) -> None:
        """
        A flood of pings is read up to a limit.
        """
        self.assertIn(f"sent more than {HTTPS_FRAMES.default} frames", self.refused(self.answerWith(frame(6, bytes(8)) * 20_000)))

    def test_attack32_withoutLimitEachPingIsAnswered(self) -> None:
        """
        Without that limit the client answers each ping, for ever.
        """
        self.patch(httpscore, "HTTPS_FRAMES", ENDLESS)
        self.assertEqual((self.answerWith(frame(6, bytes(8)) * 20_000).faults, len(self.web.connections)), ([], 1))

    def test_attack32_longFrameIsNotKept(self) -> None:
        """
        A frame that is too long is refused by its first octets.
        """
        self.assertIn("sent a frame of 16000000 octets", self.refused(self.answerWith(frame(0, bytes(16_000_000), 0, 1)[:8_000_000])))

    def test_attack32_withoutCheckLongFrameIsKept(self) -> None:
        """
        Without that check, h2 collects the frame before it looks at its length.
        """
        self.patch(httpscore, "_MOST_FRAME", 1 << 24)
        waiter = self.answerWith(frame(0, bytes(16_000_000), 0, 1)[:8_000_000])
        self.assertEqual((waiter.faults, len(self.web.connections)), ([], 1))

    def test_attack32_headerBombEndsTheConnection(self) -> None:
        """
        Headers that are 6 kB on the wire and 8 MB afterwards end the connection.
        """
        self.assertIn("violated HTTP/2", self.refused(self.answerWith(frame(1, BOMB, 5, 1))))

    def test_attack32_withoutLimitHeadersAreUnpacked(self) -> None:
        """
        Without that limit they are unpacked, and judged by their content.
        """
        self.patch(httpscore, "HTTPS_HEADERS", ENDLESS)
        (fault,) = self.answerWith(frame(1, BOMB, 5, 1)).faults
        self.assertIn("sent a document without a content type", str(fault))

    def test_attack32_endlessReplyIsCut(self) -> None:
        """
        A reply without an end is given up once it is longer than any DNS message; the connection stays for other queries.
        """
        (fault,) = self.answerWith(frame(0, bytes(10_000), 0, 1) * 50, begin=True).faults
        self.assertIn(f"sent a reply of more than {MESSAGE_SIZE.default} octets", str(fault))
        self.assertEqual((self.web.peers[0].resets, len(self.web.connections)), ([1], 1))

    def test_attack32_withoutLimitReplyGrows(self) -> None:
        """
        Without that limit, it grows until the window of its stream is full.
        """
        self.patch(requests, "MESSAGE_SIZE", ENDLESS)
        self.assertEqual(self.answerWith(frame(0, bytes(10_000), 0, 1) * 13, begin=True).faults, [])

    def resets(self) -> int:
        """
        Give many queries up, and return how many resets the first connection has seen.
        """
        self.web.holds = True
        for number in range(300):
            (key,) = self.ask_(Waiter(f"host{number}.test.example"))
            self.network.advance(0.1)
            self.exchange.release(key)
        self.network.advance(1)
        return len(self.web.peers[0].resets)

    def test_attack32_weAreNotTheAttacker(self) -> None:
        """
        A client that gives many queries up does not look like an attack by rapid resets: another connection takes over in time.
        """
        self.assertEqual(self.resets(), HTTPS_CANCELED.default)

    def test_attack32_withoutLimitWeWouldBe(self) -> None:
        """
        Without that limit, all resets are on one connection.
        """
        self.patch(requests, "HTTPS_CANCELED", ENDLESS)
        self.assertEqual(self.resets(), 300)

    def otherProtocol(self) -> Waiter:
        """
        Query a server with a good certificate that does not choose HTTP/2.
        """
        self.server = self.web.listen(self.network.reactor("192.0.2.54"), ServerTLS(leaf("dns.example"), protocols=[]))
        self.exchange = self.exchangeTo()
        return self.askOne()

    def test_attack34_otherProtocolGetsNothing(self) -> None:
        """
        Without the right ALPN protocol, nothing is sent.
        """
        (fault,) = self.otherProtocol().faults
        self.assertIn("expected the protocol 'h2' (ALPN)", str(fault))
        self.assertEqual(self.web.requests, [])

    def test_attack34_withoutCheckItGetsTheQuery(self) -> None:
        """
        Without that check, the query goes to a server of another protocol with the same certificate.
        """
        self.patch(TLSHandshake, "finish", lambda handshake: "")
        self.otherProtocol()
        self.assertEqual(len(self.web.requests), 1)
