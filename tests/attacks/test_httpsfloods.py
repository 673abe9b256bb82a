"""
Attack 32: floods within HTTP/2. Streams opened and reset, frames without requests, headers without end, compressed headers, large bodies.
"""

from __future__ import annotations

from collections.abc import Iterator

from hpack import Encoder, HeaderTuple
from twisted.protocols.tls import TLSMemoryBIOFactory

from tests.attacks.whole import US, WholeServerTestCase
from tests.queries import queryOf
from tests.server.listeners.https2peers import GET, POST, CorePeer, goneIn, query, target
from tests.server.listeners.httpsstreams import HTTPSTestCase, RawClient, WebClient
from tests.server.listeners.streams import request
from tests.server.listeners.tlsstreams import Contexts
from tests.server.test_service import SECRET
from tests.typed import clientOf
from twisted_ext.limits import Limit
from twisted_ext.server.limits import HTTPS_BODIES, HTTPS_FIELDS, HTTPS_HEAD, HTTPS_RESETS
from twisted_ext.server.listeners.https import headers as httpsheaders
from twisted_ext.server.listeners.https import http2 as https2
from twisted_ext.server.listeners.https.http2 import HTTP2
from twisted_ext.server.listeners.sockets import Bound, encryptedPlaces
from twisted_ext.server.service import ServerService
from twisted_ext.testing.reactors import MemoryReactor

_ENHANCE_YOUR_CALM = 11

_DATA, _HEADERS, _PRIORITY, _RESET, _SETTINGS, _PUSH, _PING, _GOAWAY, _UPDATE, _CONTINUATION = range(10)

#: A limit that is switched off.
_NONE = Limit(default=10_000_000, least=0, most=10_000_000)


def frame(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
    """
    Return a frame.
    """
    return len(payload).to_bytes(3, "big") + bytes([kind, flags]) + stream.to_bytes(4, "big") + payload


def rapidResets(count: int, text: bytes = b"") -> Iterator[bytes]:
    """
    Yield a query and its reset, again and again.
    """
    encoder = Encoder()
    for number in range(count):
        stream = 2 * number + 1
        block = encoder.encode(GET(target(request(number, text))))
        yield frame(_HEADERS, 5, stream, block) + frame(_RESET, 0, stream, b"\x00\x00\x00\x08")


class ResetTests(HTTPSTestCase):
    """
    Streams that are opened and reset at once.
    """

    def test_attack32_rapidResetsEndTheConnection(self) -> None:
        """
        Of 5,000 queries that are reset at once in one second, at most as many are looked up as there may be concurrent streams; then the
        connection ends with ENHANCE_YOUR_CALM. Another client is answered meanwhile.
        """
        attacker, good = self.dial(RawClient, "192.0.2.66"), self.dial(WebClient)
        for piece in rapidResets(5000):
            if not attacker.lost:
                attacker.transport.write(piece)
            self.network.advance(0.0002)
        stream = good.ask(GET(target(request(1, b"now"))))
        good.flush()
        self.network.advance(0.1)
        self.assertEqual(attacker.gone and attacker.gone[0], _ENHANCE_YOUR_CALM)
        self.assertTrue(attacker.lost)
        self.assertLessEqual(self.parrot.seen, 101)
        self.assertEqual(good.results[stream].status, 200)

    def test_attack32_withoutBudgetResetsGoOn(self) -> None:
        """
        Without the budget the connection goes on, and without the places kept for look-ups each reset starts another one.
        """
        self.patch(https2, "HTTPS_RESETS", _NONE)
        attacker = self.dial(RawClient)
        for piece in rapidResets(2000):
            attacker.transport.write(piece)
        self.network.advance(1)
        self.assertFalse(attacker.lost)
        self.assertEqual(len(self.parrot.held), 0)
        self.assertEqual(self.parrot.seen, 0)

        forget = HTTP2._forget

        def freeing(server: HTTP2, stream: int) -> None:
            forget(server, stream)
            server._abandoned.clear()

        for patched, most in ((False, 100), (True, 2000)):
            if patched:
                self.patch(HTTP2, "_forget", freeing)
            attacker = self.dial(RawClient, f"192.0.2.{70 + patched}")
            before = self.parrot.seen
            for piece in rapidResets(2000):
                # The query arrives before the reset.
                attacker.transport.write(piece[:-13])
                self.network.advance(0.002)
                attacker.transport.write(piece[-13:])
            self.network.advance(1)
            self.assertEqual(self.parrot.seen - before, most)
        self.parrot.held.clear()

    def test_attack32_forcedResetsCountToo(self) -> None:
        """
        The same holds for streams that the client makes the server reset, by frames that are wrong (MadeYouReset).
        """
        attacker = self.dial(RawClient)
        encoder = Encoder()
        for number in range(2000):
            stream = 2 * number + 1
            block = encoder.encode(GET(target(request(number))))
            if not attacker.lost:
                attacker.transport.write(frame(_HEADERS, 5, stream, block))
                attacker.transport.write(frame(_UPDATE, 0, stream, bytes(4)))
            self.network.advance(0.0005)
        self.assertEqual(attacker.gone and attacker.gone[0], _ENHANCE_YOUR_CALM)
        self.assertLessEqual(self.parrot.seen, 101)

    def test_attack32_patientClientMayReset(self) -> None:
        """
        A browser that leaves a page resets a few streams, and goes on for hours.
        """
        peer = CorePeer()
        peer.exchange()
        for hour in range(50):
            peer.now = hour * 3600.0
            streams = [peer.h2.get_next_available_stream_id()]
            peer.h2.send_headers(streams[0], POST(100))
            peer.exchange()
            for _ in range(49):
                streams.append(peer.h2.get_next_available_stream_id())
                peer.h2.send_headers(streams[-1], POST(100))
            for stream in streams:
                peer.h2.reset_stream(stream)
            peer.exchange()
        self.assertIsNone(peer.gone)
        self.assertEqual(len(peer.server), 0)


class FloodTests(HTTPSTestCase):
    """
    Frames without requests.
    """

    def flood(self, *frames: bytes, count: int = 3000) -> CorePeer:
        """
        Send frames again and again, until the server disconnects.
        """
        peer = CorePeer()
        peer.answering = False
        peer.exchange()
        peer.ask(POST(60_000))
        peer.exchange()
        for _ in range(count):
            for each in frames:
                peer.serve(each)
            if peer.server.closing:
                peer.receive(peer.drain())
                break
            peer.drain()
        return peer

    def test_attack32_framesWithoutRequestsAreBounded(self) -> None:
        """
        A client that sends SETTINGS, PINGs, priorities, windows, unknown frames or a body in tiny pieces without end is disconnected.
        """
        for number, each in enumerate(
            (
                frame(_SETTINGS, 0, 0),
                frame(_SETTINGS, 0, 0, b"\x00\x04\x00\x00\x10\x00"),
                frame(_SETTINGS, 1, 0),
                frame(_PING, 0, 0, bytes(8)),
                frame(_PING, 1, 0, bytes(8)),
                frame(_PRIORITY, 0, 1, b"\x00\x00\x00\x00\x10"),
                frame(_UPDATE, 0, 1, b"\x00\x00\x00\x01"),
                frame(_UPDATE, 0, 0, b"\x00\x00\x00\x01"),
                frame(_DATA, 0, 1),
                frame(_DATA, 0, 1, b"x"),
                frame(_DATA, 8, 1, b"\x0f" + bytes(15)),
                frame(_GOAWAY, 0, 0, bytes(8)),
                frame(16, 0, 0, b"\x00\x00\x00\x00u=1"),
            )
        ):
            peer = self.flood(each)
            self.assertEqual(peer.gone and peer.gone[0], _ENHANCE_YOUR_CALM, number)
            self.assertEqual((len(peer.server), peer.server.out), (0, []))

    def test_attack32_withoutBudgetFloodsGoOn(self) -> None:
        """
        Without the budget they go on.
        """
        self.patch(https2, "HTTPS_CONTROLS", _NONE)
        self.assertIsNone(self.flood(frame(_SETTINGS, 0, 0)).gone)
        self.assertIsNone(self.flood(frame(_PING, 0, 0, bytes(8))).gone)

    def test_attack32_requestsForgiveFrames(self) -> None:
        """
        A client that sends some frames with each of its queries, as browsers do, goes on.
        """
        peer = CorePeer()
        peer.exchange()
        for number in range(5000):
            peer.ask(GET(target(query(b"n%d" % (number % 50)))))
            peer.h2.increment_flow_control_window(100)
            peer.frame(16, 0, 0, b"\x00\x00\x00\x01u=1")
            peer.exchange()
        self.assertIsNone(peer.gone)

    def test_attack32_unreadRepliesAreBounded(self) -> None:
        """
        The server stops reading from a client that reads no acknowledgments of its PINGs, and disconnects it after a while.
        """
        self.patch(https2, "HTTPS_CONTROLS", _NONE)
        client = self.dial(WebClient)
        client.transport.pauseProducing()
        for _ in range(200):
            if not client.lost:
                client.transport.write(frame(_PING, 0, 0, bytes(8)) * 2000)
            self.network.advance(0.01)
        self.assertLess(client.transport.other._flying, 3 * 65536)
        self.network.advance(12)
        self.assertEqual(self.parrot.counters.tcpOpen, 0)


class HeaderTests(HTTPSTestCase):
    """
    Headers without end, and headers that decompress to more than memory has.
    """

    def send(self, *pieces: bytes) -> tuple[int, bytes] | None:
        """
        Send octets.

        @return: the code and the reason by which the server ended the connection, L{None} if it did not.
        """
        peer = CorePeer()
        peer.exchange()
        for piece in pieces:
            peer.serve(piece)
        self.assertIsNone(peer.server._block if peer.server.closing else None)
        return goneIn(peer.drain())

    def test_attack32_continuationsAreBounded(self) -> None:
        """
        A header that goes on and on ends the connection, be its frames full or empty.
        """
        for size in (0, 1, 10_000):
            gone = self.send(frame(_HEADERS, 1, 1, b"\x00"), *[frame(_CONTINUATION, 0, 1, bytes(size))] * 100)
            self.assertEqual(gone and gone[0], _ENHANCE_YOUR_CALM)
        self.assertIsNotNone(self.send(frame(_HEADERS, 5, 1, bytes(int(HTTPS_HEAD.default)))))

    def test_attack32_withoutLimitHeadersGoOn(self) -> None:
        """
        Without the limit on frames, empty ones go on.
        """
        self.patch(https2, "HTTPS_CONTINUATIONS", _NONE)
        self.assertIsNone(self.send(frame(_HEADERS, 1, 1, b"\x82"), *[frame(_CONTINUATION, 0, 1)] * 5000))

    def test_attack32_compressedHeadersAreBounded(self) -> None:
        """
        A header of one kilobyte that decompresses to megabytes (HPACK bomb) ends the connection before it is decompressed in full. Without
        the limit it would be accepted.
        """
        big = Encoder().encode([*GET(b"/"), HeaderTuple(b"x", b"y" * 3900)])
        bomb = frame(_HEADERS, 5, 1, big) + frame(_HEADERS, 5, 3, b"\xbe" * 1000)
        gone = self.send(bomb)
        self.assertEqual(gone, (_ENHANCE_YOUR_CALM, b"the fields of a header have at most %d octets" % HTTPS_FIELDS.default))
        self.patch(httpsheaders, "HTTPS_FIELDS", _NONE)
        self.assertIsNone(self.send(bomb))

    def test_attack32_numbersAreBounded(self) -> None:
        """
        A number without end within a header ends the connection.
        """
        for block in (b"\xff" * 10_000, b"\x00\x7f" + b"\xff" * 10_000, b"\x3f" + b"\x80" * 10_000):
            self.assertIsNotNone(self.send(frame(_HEADERS, 5, 1, block)))


class BodyTests(HTTPSTestCase):
    """
    Large bodies.
    """

    def test_attack32_bodiesAreBounded(self) -> None:
        """
        Incomplete bodies take no more memory than the window of the connection; a client that sends more than the window is disconnected.
        """
        peer = CorePeer()
        peer.exchange()
        for number in range(100):
            stream = 2 * number + 1
            peer.serve(frame(_HEADERS, 4, stream, Encoder().encode(POST(None))))
            for _ in range(3):
                peer.serve(frame(_DATA, 0, stream, bytes(16384)))
            if peer.server.closing:
                break
            held = sum(sum(map(len, body.pieces)) for body in peer.server._bodies.values())
            self.assertLessEqual(held, HTTPS_BODIES.default)
        peer.receive(peer.drain())
        self.assertEqual(peer.gone and peer.gone[0], 3)
        self.assertEqual(len(peer.server), 0)

    def test_attack32_largeBodyIsRefused(self) -> None:
        """
        A body of a megabyte is refused by its length, before it is sent, and nothing is looked up.
        """
        client = self.dial(WebClient)
        stream = client.h2.get_next_available_stream_id()
        client.h2.send_headers(stream, POST(1 << 20))
        client.flush()
        self.network.advance(0.1)
        self.assertEqual((client.results[stream].status, client.results[stream].reset), (413, 0))
        self.assertEqual(self.parrot.seen, 0)

    def test_attack32_refusalsAreBounded(self) -> None:
        """
        A client cannot have any number of bodies refused.
        """
        peer = CorePeer()
        peer.exchange()
        encoder = Encoder()
        for number in range(int(HTTPS_RESETS.default) + 100):
            if not peer.server.closing:
                peer.serve(frame(_HEADERS, 4, 2 * number + 1, encoder.encode(POST(1 << 20))))
        self.assertTrue(peer.server.closing)


class AccessTests(WholeServerTestCase):
    """
    Access lists by another transport.
    """

    def test_attack32_accessListsHoldByHTTPS(self) -> None:
        """
        A client that is refused over UDP is refused over HTTPS, whatever the reply to others is, and the cache too.
        """
        self.wanted = self.settings(https=US, selfSigned=True, local="www.example.org A 192.0.2.80", refuse=["192.168.0.9"])
        service = ServerService(self.here, self.wanted, [Bound(US, 53), *encryptedPlaces([US], "https")], SECRET, reread=self.reread)
        service.startService()
        self.addCleanup(self.stop, service)
        other = self.network.reactor("192.168.0.10")
        rcodes: dict[str, set[int]] = {}
        for _ in range(3):
            for name, reactor in (("allowed", other), ("refused", self.there)):
                rcodes.setdefault(name, set()).add(self.rcodeFor(reactor))
        self.assertEqual(rcodes, {"allowed": {0}, "refused": {5}})

    def rcodeFor(self, reactor: MemoryReactor) -> int:
        """
        Return the RCODE that a client on a host gets over HTTPS.
        """
        client = WebClient()
        factory = TLSMemoryBIOFactory(Contexts(alpn=[b"h2"]), True, clientOf(lambda: client), reactor)
        reactor.connectTCP(US, 443, factory)
        self.network.advance(0.1)
        stream = client.ask(GET(target(queryOf("www.example.org"))))
        client.flush()
        self.network.advance(0.1)
        return client.results[stream].body[3] & 15
