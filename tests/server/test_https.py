"""
Tests of DNS over HTTPS in a whole server on a memory network.
"""

from __future__ import annotations

from pathlib import Path

from twisted.protocols.tls import TLSMemoryBIOFactory

from tests.certificates import certificateFor
from tests.queries import optOf, queryOf
from tests.server.listeners.https2peers import GET, POST, target
from tests.server.listeners.httpsstreams import PlainPeer, WebClient
from tests.server.listeners.tlsstreams import Contexts
from tests.server.test_service import SECRET, US, ServiceCase
from tests.typed import clientOf
from twisted_ext.errors import BadDescription
from twisted_ext.server.limits import WATCHDOG_SECONDS
from twisted_ext.server.listeners.sockets import Bound, encryptedPlaces
from twisted_ext.server.listeners.tls import encryption as encryption
from twisted_ext.server.service import ServerService
from twisted_ext.web.setup.shown import shownPages
from twisted_ext.wire.framing import frame
from twisted_ext.wire.message import Message
from twisted_ext.wire.rrtypes import AXFR

_LOCAL = "www.example.org 600 A 192.0.2.80"


class HTTPSServiceTests(ServiceCase):
    """
    Tests with the setting C{https}.
    """

    def start(self, **values: object) -> ServerService:
        """
        Start a server that serves HTTPS as well.
        """
        self.wanted = self.settings(**{"https": US, "selfSigned": True, "local": _LOCAL, **values})
        bound = [Bound(US, 53), *encryptedPlaces(self.wanted.https, "https"), *encryptedPlaces(self.wanted.tls, "tls")]
        service = ServerService(self.here, self.wanted, bound, SECRET, reread=self.reread, setup=shownPages)
        service.startService()
        self.addCleanup(self.stop, service)
        return service

    def shake(self, alpn: bytes = b"h2") -> WebClient:
        """
        Return a client whose connection is encrypted.
        """
        client = WebClient()
        factory = TLSMemoryBIOFactory(Contexts(alpn=[alpn]), True, clientOf(lambda: client), self.there)
        self.there.connectTCP(US, 443, factory)
        self.network.advance(0.1)
        return client

    def proxied(self, alpn: list[bytes]) -> PlainPeer:
        """
        Return a client whose connection is encrypted, and which does not speak HTTP/2.
        """
        proxy = PlainPeer()
        factory = TLSMemoryBIOFactory(Contexts(alpn=alpn), True, clientOf(lambda: proxy), self.there)
        self.there.connectTCP(US, 443, factory)
        self.network.advance(0.1)
        return proxy

    def query(self, client: WebClient, message: bytes) -> Message:
        """
        Return the reply to one query by POST.
        """
        stream = client.ask(POST(len(message)), message)
        client.flush()
        self.network.advance(0.5)
        result = client.results[stream]
        self.assertEqual((result.status, result.ended), (200, True))
        return Message.fromWire(result.body)

    def test_queriesAreAnswered(self) -> None:
        """
        A query over HTTPS is answered as over TCP, the second time from the packet cache, and the server reports where it listens.
        """
        service = self.start()
        self.assertEqual(service.listening, [f"udp {US}:53", f"tcp {US}:53", f"https {US}:443"])
        client = self.shake()
        for _ in range(4):
            self.assertEqual(len(self.query(client, queryOf("www.example.org")).answer), 1)
        get = client.ask(GET(target(queryOf("www.example.org"))))
        client.flush()
        self.network.advance(0.1)
        self.assertEqual(client.results[get].fields[b"cache-control"], b"max-age=600")
        counters = service.counters
        self.assertEqual((counters.tcp, counters.tlsHandshakes, counters.tcpOpened), (5, 1, 1))
        self.assertGreater(counters.hits, 0)

    def test_repliesArePadded(self) -> None:
        """
        A reply has a multiple of 468 octets if the query is padded.
        """
        self.start()
        client = self.shake()
        for _ in range(3):
            self.query(client, queryOf("www.example.org", opt=optOf(options=((12, bytes(20)),))))
        self.assertEqual({len(result.body) for result in client.results.values()}, {468})

    def test_keepaliveIsForTLSAlone(self) -> None:
        """
        Over HTTPS no reply has the keepalive option, and over TLS each that asks for it, although these transports share a packet cache.
        """
        service = self.start(tls=US, local=[_LOCAL, "mail.example.org A 192.0.2.25"])
        dot = PlainPeer()
        self.there.connectTCP(US, 853, TLSMemoryBIOFactory(Contexts(alpn=[b"dot"]), True, clientOf(lambda: dot), self.there))
        client = self.shake()
        asking = optOf(options=((11, b""),))

        def ask(way: str, name: str) -> list[int]:
            octets = queryOf(name, opt=asking)
            if way == "https":
                edns = self.query(client, octets).edns
            else:
                before = len(dot.received)
                dot.transport.write(frame(octets))
                self.network.advance(0.5)
                edns = Message.fromWire(dot.received[before + 2 :]).edns
            assert edns is not None
            return [code for code, _ in edns.options if code == 11]

        def asks() -> None:
            for name, ways in (("www.example.org", ("tls", "https")), ("mail.example.org", ("https", "tls"))):
                for way in ways * 3:
                    for _ in range(3):
                        self.assertEqual(ask(way, name), [11] if way == "tls" else [], (name, way))

        asks()
        # So too for clients that get REFUSED.
        self.wanted = self.settings(https=US, tls=US, selfSigned=True, refuse=["192.168.0.9"])
        self.successResultOf(service.reload())
        asks()

    def test_transfersAreRefused(self) -> None:
        """
        A request for a zone transfer gets one message that refuses it, and the connection goes on.
        """
        self.start()
        client = self.shake()
        reply = self.query(client, queryOf("example.com", AXFR))
        self.assertNotEqual(reply.rcode, 0)
        self.query(client, queryOf("www.example.org"))

    def test_accessListsHold(self) -> None:
        """
        Clients that may not ask get REFUSED, from the packet cache too, and those on the drop list get no handshake.
        """
        service = self.start(refuse=["192.168.0.9"])
        client = self.shake()
        for _ in range(3):
            self.assertEqual(self.query(client, queryOf("www.example.org")).rcode, 5)
        self.wanted = self.settings(https=US, selfSigned=True, local=_LOCAL, drop=["192.168.0.9"])
        self.successResultOf(service.reload())
        self.assertTrue(self.shake().lost)

    def test_wrongProtocolIsRefused(self) -> None:
        """
        Clients of other protocols, such as DNS over TLS, get no connection, and plain requests no reply.
        """
        service = self.start()
        self.assertTrue(self.shake(b"dot").lost)
        plain = PlainPeer()
        self.there.connectTCP(US, 443, clientOf(lambda: plain))
        self.network.advance(0.1)
        plain.transport.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        self.network.advance(0.1)
        self.assertTrue(plain.lost)
        self.assertNotIn(b"HTTP", plain.received)
        self.assertEqual(service.counters.tlsFailed, 2)

    def test_setupPageTellsWhatListens(self) -> None:
        """
        The page for people names what listens, with headers that permit no script. It follows the
        settings.
        """
        pem = Path(self.mktemp())
        pem.write_bytes(certificateFor("dns.example"))
        own = {"certificate": [str(pem)], "key": [str(pem)], "selfSigned": False}
        service = self.start(tls=US, designatedName="dns.example", **own)
        client = self.shake()
        paths = (b"/setup", b"/setup/apple", b"/setup/chromium", b"/setup/none")
        streams = [client.ask(GET(path)) for path in paths]
        client.flush()
        self.network.advance(0.5)
        page, apple, chromium, none = [client.results[stream] for stream in streams]
        self.assertEqual([page.status, apple.status, chromium.status, none.status], [200, 200, 200, 404])
        self.assertIn(b"tls://dns.example", page.body)
        self.assertIn(b"does not trust. Devices that do not trust it either", page.body)
        self.assertEqual(len(page.body), int(page.fields[b"content-length"]))
        self.assertIn(b"default-src 'none'", page.fields[b"content-security-policy"])
        self.assertEqual(page.fields[b"content-type"], b"text/html; charset=utf-8")
        self.assertEqual(apple.fields[b"content-type"], b"application/x-apple-aspen-config")
        self.assertEqual(chromium.fields[b"content-disposition"], b'attachment; filename="dns.json"')
        proxy = self.proxied([b"http/1.1"])
        proxy.transport.write(b"HEAD /setup HTTP/1.1\r\nHost: x\r\n\r\n")
        self.network.advance(0.1)
        self.assertIn(b"content-length: %d\r\n" % len(page.body), proxy.received)
        self.assertTrue(proxy.received.endswith(b"\r\n\r\n"))
        self.wanted = self.settings(https=US, tls=US, designatedName="other.example", **own)
        self.successResultOf(service.reload())
        again, profile = client.ask(GET(b"/setup")), client.ask(GET(b"/setup/apple"))
        client.flush()
        self.network.advance(0.5)
        self.assertNotIn(b"tls://dns.example", client.results[again].body)
        self.assertIn(b"tls://other.example", client.results[again].body)
        self.assertIn(b"https://other.example", client.results[profile].body)

    def test_proxiesMaySpeakTheFirstVersion(self) -> None:
        """
        By ALPN or without it a client may speak HTTP/1.1; it cannot go over to HTTP/2.
        """
        self.start(httpsPath="/private")
        for alpn in ([b"http/1.1"], []):
            for text, status in ((b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", b"200"), (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", b"400")):
                proxy = self.proxied(alpn)
                proxy.transport.write(text)
                self.network.advance(0.1)
                self.assertEqual(proxy.received[9:12], status)
                self.assertEqual(b"/private" in proxy.received, status == b"200")

    def test_goodbyeComesBeforeTheEndOfTLS(self) -> None:
        """
        An idle client gets the GOAWAY within TLS.
        """
        self.start()
        client = self.shake()
        self.query(client, queryOf("www.example.org"))
        self.network.advance(12)
        self.assertEqual((client.gone, client.lost), ((0, b""), True))

    def test_limitsAreSettings(self) -> None:
        """
        The settings say how many connections there are at a time, how many requests wait on each, and how long a handshake may take.
        """
        service = self.start(tcpRequests=3, tcpConnections=2, tcpTimeout=1)
        client = self.shake()
        self.assertEqual(client.h2.remote_settings.max_concurrent_streams, 3)
        silent = PlainPeer()
        self.there.connectTCP(US, 443, clientOf(lambda: silent))
        self.network.advance(0.6)
        self.assertFalse(silent.lost)
        self.network.advance(1)
        self.assertTrue(silent.lost)
        self.shake()
        self.network.advance(1.5)
        others = [self.shake() for _ in range(3)]
        self.assertEqual(service.counters.tcpOpen, 2)
        self.assertEqual([each.lost for each in (client, others[-1])], [True, False])

    def test_watchdogAsksByHTTPS(self) -> None:
        """
        The watchdog checks the HTTPS listener too, at the path chosen.
        """
        service = self.start(httpsPath="/private")
        watchdog = service.watchdog
        assert watchdog is not None
        self.network.advance(WATCHDOG_SECONDS.default * 5)
        self.assertEqual([(place.way, place.answered, place.failures) for place in watchdog._places][-1], ("https", True, 0))
        self.assertEqual((service.counters.tlsFailed, service.counters.tcp), (0, 0))

    def test_wrongSettingsAreNamed(self) -> None:
        """
        Wrong settings are refused with one line that names them.
        """
        with self.assertRaisesRegex(BadDescription, "https needs a certificate"):
            ServerService(self.here, self.settings(https=US), [], SECRET)
        for path in ("dns-query", "/", "/a?b", "/a b", "/\u00e9"):
            with self.assertRaisesRegex(BadDescription, "path"):
                self.settings(https=US, httpsPath=path)

    def test_missingExtraIsNamed(self) -> None:
        """
        Without the extra the server says which one is missing.
        """
        self.patch(encryption, "find_spec", lambda name: None)
        with self.assertRaisesRegex(BadDescription, r"pip install 'twisted-ext\[https\]'"):
            ServerService(self.here, self.settings(https=US, selfSigned=True), [], SECRET)
