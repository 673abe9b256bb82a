"""
Tests of HTTP/3 in a whole server on a memory network: what it offers to clients of HTTP/2, and how it checks itself.
"""

from __future__ import annotations

from collections.abc import Iterable

from twisted.protocols.tls import TLSMemoryBIOFactory

from tests.queries import queryOf
from tests.server.listeners.https2peers import POST
from tests.server.listeners.httpsstreams import WebClient
from tests.server.listeners.tlsstreams import Contexts
from tests.server.test_service import SECRET, US, ServiceCase
from tests.transport.waiting import Waiter
from tests.typed import clientOf
from twisted_ext.errors import BadDescription
from twisted_ext.server.limits import WATCHDOG_SECONDS
from twisted_ext.server.listeners.offered import offerOf
from twisted_ext.server.listeners.quic.listener import QuicListener
from twisted_ext.server.listeners.sockets import Bound, encryptedPlaces
from twisted_ext.server.listeners.tls import encryption as encryption
from twisted_ext.server.service import ServerService
from twisted_ext.transport.https.alternatives import AUTO, ONLY
from twisted_ext.transport.https.exchange import HTTPSExchange, httpsTerms
from twisted_ext.transport.servers import Server
from twisted_ext.transport.tls.terms import TLSTerms, pinOf
from twisted_ext.transport.urls import ServerURL
from twisted_ext.wire.codes import Rcode
from twisted_ext.wire.message import Message

_LOCAL = "www.example.org 600 A 192.0.2.80"


class HTTP3ServiceTests(ServiceCase):
    """
    Tests with the settings C{https} and C{http3}.
    """

    def start(self, **values: object) -> ServerService:
        """
        Start a server that serves HTTPS by all versions.
        """
        self.wanted = self.settings(**{"https": US, "http3": US, "selfSigned": True, "local": _LOCAL, **values})
        bound = [Bound(US, 53), *encryptedPlaces(self.wanted.https, "https"), *encryptedPlaces(self.wanted.http3, "http3")]
        service = ServerService(self.here, self.wanted, bound, SECRET, reread=self.reread)
        service.startService()
        self.addCleanup(self.stop, service)
        return service

    def exchange(self, service: ServerService, mode: str) -> HTTPSExchange:
        """
        Return our own client.
        """
        assert service.encryption is not None
        pair = service.encryption.certificates.pairs[0]
        url = ServerURL.fromText(f"https://{US}/dns-query")
        terms = httpsTerms(url.identity)
        # The certificate is self-signed, so its key is all that can be checked.
        terms = TLSTerms(pins=[pinOf(pair.leaf)], protocols=terms.protocols, protocolNeeded=True)
        return HTTPSExchange(self.there, Server(US, 443), url, terms, http3=mode)

    def versions(self, service: ServerService, mode: str, count: int) -> list[str]:
        """
        Return the protocols of queries, each on a connection of its own.
        """
        exchange = self.exchange(service, mode)
        found: list[str] = []
        for _ in range(count):
            waiter = Waiter()
            waiter.query = queryOf("www.example.org")[2:]
            waiter.wire = waiter.query[10:]
            exchange.ask(waiter, self.there.seconds())
            self.network.advance(0.5)
            self.assertEqual((len(waiter.replies), waiter.faults), (1, []))
            details = exchange.details
            assert details is not None
            found.append(details.protocol)
            exchange.close()
            self.network.advance(0.5)
        return found

    def offers(self, alpn: Iterable[bytes] = (b"h2",)) -> bytes:
        """
        Return what a reply over HTTP/2 offers.
        """
        client = WebClient()
        factory = TLSMemoryBIOFactory(Contexts(alpn=list(alpn)), True, clientOf(lambda: client), self.there)
        self.there.connectTCP(US, 443, factory)
        self.network.advance(0.1)
        message = queryOf("www.example.org")
        stream = client.ask(POST(len(message)), message)
        client.flush()
        self.network.advance(0.5)
        result = client.results[stream]
        client.transport.loseConnection()
        self.network.advance(0.1)
        return dict(result.fields).get(b"alt-svc", b"")

    def test_queriesAreAnswered(self) -> None:
        """
        A query over HTTP/3 is answered, and the server reports where it listens.
        """
        service = self.start()
        self.assertEqual(service.listening, [f"udp {US}:53", f"tcp {US}:53", f"https {US}:443", f"http3 {US}:443"])
        self.assertEqual(self.versions(service, ONLY, 2), ["h3", "h3"])
        counters = service.counters
        self.assertEqual((counters.tcp, counters.tlsFailed, counters.tcpOpened, counters.tcpOpen), (2, 0, 2, 0))

    def test_offered(self) -> None:
        """
        Clients of HTTP/2 learn of HTTP/3, and ours uses it for the next connection.
        """
        service = self.start()
        self.assertEqual(self.offers(), b'h3=":443"; ma=86400')
        self.assertEqual(self.versions(service, AUTO, 3), ["h2", "h3", "h3"])

    def test_otherPort(self) -> None:
        """
        The offer names the port.
        """
        self.start(http3=f"{US}:8443")
        self.assertEqual(self.offers(), b'h3=":8443"; ma=86400')

    def test_severalPorts(self) -> None:
        """
        All listeners of HTTPS offer the same port.
        """
        self.start(http3=f"{US}:8443", https=(US, f"{US}:444"))
        self.assertEqual(self.offers(), b'h3=":8443"; ma=86400')

    def test_notEverywhere(self) -> None:
        """
        Nothing is offered if HTTP/3 does not listen at an address of HTTPS.
        """
        self.start(http3="192.0.2.99")
        self.assertEqual(self.offers(), b"")

    def test_without(self) -> None:
        """
        Nothing is offered without HTTP/3.
        """
        self.start(http3=())
        self.assertEqual(self.offers(), b"")

    def test_proxy(self) -> None:
        """
        A trusted proxy names no clients over HTTP/3, so its queries are refused: all clients may come from it.
        """
        service = self.start(trustedProxies="192.168.0.9")
        exchange = self.exchange(service, ONLY)
        waiter = Waiter()
        waiter.query = queryOf("www.example.org")[2:]
        waiter.wire = waiter.query[10:]
        exchange.ask(waiter, self.there.seconds())
        self.network.advance(0.5)
        exchange.close()
        self.network.advance(0.5)
        self.assertEqual([Message.fromWire(octets).rcode for octets in waiter.replies], [Rcode.REFUSED])

    def test_designated(self) -> None:
        """
        The records that designate the server name HTTP/3 with HTTPS.
        """
        wanted = self.settings(https=US, http3=US, selfSigned=True, designatedName="dns.example")
        bound = [Bound(US, 53), *encryptedPlaces(wanted.https, "https"), *encryptedPlaces(wanted.http3, "http3")]
        offer = offerOf(wanted, bound, ())
        assert offer is not None
        self.assertIn('alpn="h2,h3"', offer.zoneLines())

    def test_watchdog(self) -> None:
        """
        The watchdog checks the listener without a handshake, and notices one that is deaf.
        """
        service = self.start(quic=US)
        watchdog = service.watchdog
        assert watchdog is not None
        self.network.advance(WATCHDOG_SECONDS.default * 3)
        place = watchdog._places[-1]
        self.assertEqual((place.way, place.answered, place.failures, watchdog.well), ("http3", True, 0, True))
        # Its own handshakes and connections are not among those of clients.
        self.assertEqual((service.counters.tlsHandshakes, service.counters.tcpOpened), (0, 0))
        listener = place.listener
        assert isinstance(listener, QuicListener)
        self.patch(listener._protocol, "datagramReceived", lambda datagram, address: None)
        self.network.advance(WATCHDOG_SECONDS.default * 2)
        self.assertFalse(watchdog.well)

    def test_wrongSettings(self) -> None:
        """
        Without a certificate or an extra the server does not start, and its line says what to do.
        """
        with self.assertRaisesRegex(BadDescription, "http3 needs a certificate"):
            ServerService(self.here, self.settings(http3=US), [], SECRET)
        for missing, extra in (("aioquic", "quic"), ("hpack", "https")):
            self.patch(encryption, "find_spec", lambda name, missing=missing: None if name == missing else object())
            with self.assertRaisesRegex(BadDescription, rf"http3 needs {missing}, .*'twisted-ext\[{extra}\]'"):
                ServerService(self.here, self.settings(http3=US, selfSigned=True), [], SECRET)
