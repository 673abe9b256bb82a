"""
Tests of proxies in front of a whole server on a memory network.
"""

from __future__ import annotations

from functools import partial

from twisted.internet.protocol import Protocol
from twisted.protocols.tls import TLSMemoryBIOFactory

from tests.queries import queryOf
from tests.server.listeners.https2peers import GET, POST, target
from tests.server.listeners.httpsstreams import PlainPeer, WebClient
from tests.server.listeners.proxies.test_header import LOCAL, proxyHeader
from tests.server.listeners.tlsstreams import Contexts
from tests.server.test_service import SECRET, US, ServiceCase
from tests.typed import clientOf
from twisted_ext.errors import BadDescription
from twisted_ext.server.config.settings import Settings
from twisted_ext.server.limits import CLIENT_STREAM_MESSAGE, WATCHDOG_SECONDS
from twisted_ext.server.listeners.proxies.trusted import TrustedProxies
from twisted_ext.server.listeners.sockets import Bound, encryptedPlaces
from twisted_ext.server.service import ServerService
from twisted_ext.testing.streams import MemoryConnection
from twisted_ext.wire.framing import frame
from twisted_ext.wire.message import Message

_PROXY = "192.168.0.9"

_GOOD = "198.51.100.7"
_BAD = "203.0.113.1"

_QUERY = queryOf("www.example.org")


class _Headed(Protocol):
    """
    A client that sends a header, and then speaks TLS.
    """

    transport: MemoryConnection

    def __init__(self, header: bytes, factory: TLSMemoryBIOFactory) -> None:
        self._header = header
        self._factory = factory

    def connectionMade(self) -> None:
        self.transport.write(self._header)
        encrypted = self._factory.buildProtocol(self.transport.getPeer())
        assert encrypted is not None
        self.transport.protocol = encrypted
        encrypted.makeConnection(self.transport)


class ProxyTests(ServiceCase):
    """
    Tests with the setting C{trusted-proxies}. The client of these tests is the proxy; C{_GOOD} may ask, C{_BAD} may not.
    """

    def start(self, proxies: str = _PROXY, **values: object) -> ServerService:
        """
        Start a server behind a proxy.
        """
        self.wanted = self.wantedFor(proxies, **values)
        bound = [Bound(US, 53)]
        for encryption, places in (("tls", self.wanted.tls), ("https", self.wanted.https), ("https-clear", self.wanted.httpsClear)):
            bound += encryptedPlaces(places, encryption)
        service = ServerService(self.here, self.wanted, bound, SECRET, reread=self.reread)
        service.startService()
        self.addCleanup(self.stop, service)
        return service

    def wantedFor(self, proxies: str, **values: object) -> Settings:
        """
        Return the settings.
        """
        usual = {
            "tls": US,
            "https": US,
            "httpsClear": US,
            "selfSigned": True,
            "local": "www.example.org A 192.0.2.80",
            "allow": ["198.51.100.0/24", _PROXY, "2001:db8::/32"],
        }
        return self.settings(**{**usual, "trustedProxies": proxies, **values})

    def reload(self, service: ServerService, proxies: str, **values: object) -> None:
        """
        Apply other settings.
        """
        self.wanted = self.wantedFor(proxies, **values)
        self.successResultOf(service.reload())

    def byDatagram(self, octets: bytes) -> int | None:
        """
        Return the rcode of the reply to a datagram, or L{None} without a reply.
        """
        before = len(self.client.got)
        assert self.client.transport is not None
        self.client.transport.write(octets, (US, 53))
        self.network.advance(0.1)
        got = self.client.got[before:]
        return Message.fromWire(got[0]).rcode if got else None

    def plain(self, port: int = 53) -> PlainPeer:
        """
        Return a connection without TLS.
        """
        peer = PlainPeer()
        self.there.connectTCP(US, port, clientOf(lambda: peer))
        self.network.advance(0.1)
        return peer

    def byStream(self, octets: bytes, pieces: int = 0) -> list[int] | None:
        """
        Return the rcodes of the replies on a new connection, or L{None} if it is closed.

        @param pieces: send this many octets alone first.
        """
        peer = self.plain()
        for piece in (octets[:pieces], octets[pieces:]):
            peer.transport.write(piece)
            self.network.advance(0.5)
        if peer.lost:
            return None
        rcodes = []
        rest = peer.received
        while rest:
            end = 2 + int.from_bytes(rest[:2], "big")
            rcodes.append(Message.fromWire(rest[2:end]).rcode)
            rest = rest[end:]
        peer.transport.loseConnection()
        return rcodes

    def web(self, **fields: str) -> tuple[int, int]:
        """
        Return the status and the rcode of a request over HTTP/2 to the listener without TLS.
        """
        client = self.dialed()
        stream = client.ask([*GET(target(_QUERY)), *[(name.replace("_", "-").encode(), text.encode()) for name, text in fields.items()]])
        client.flush()
        self.network.advance(0.5)
        result = client.results[stream]
        return result.status, Message.fromWire(result.body).rcode if result.status == 200 else -1

    def dialed(self) -> WebClient:
        client = WebClient()
        self.there.connectTCP(US, 80, clientOf(lambda: client))
        self.network.advance(0.1)
        return client

    def test_datagramsNameTheirClients(self) -> None:
        """
        Over UDP the client that the header names is let in or refused, from the packet cache too; the proxy itself is refused.
        """
        service = self.start()
        for _ in range(4):
            self.assertEqual(self.byDatagram(proxyHeader(_GOOD, datagram=True) + _QUERY), 0)
            self.assertEqual(self.byDatagram(proxyHeader("2001:db8::7", datagram=True) + _QUERY), 0)
            self.assertEqual(self.byDatagram(proxyHeader(_BAD, datagram=True) + _QUERY), 5)
            self.assertEqual(self.byDatagram(proxyHeader(_PROXY, datagram=True) + _QUERY), 0)
            self.assertEqual(self.byDatagram(_QUERY), 5)
        self.assertEqual((service.counters.udp, service.counters.tcp), (20, 0))
        self.assertGreater(service.counters.hits, 5)
        self.assertEqual(self.byDatagram(LOCAL + _QUERY), 5)
        self.assertIsNone(self.byDatagram(proxyHeader(_GOOD, datagram=True)[:-1] + _QUERY[:5]))
        self.assertIsNone(self.byDatagram(b"\r\n\r\n\x00\r\nQUIT\n\x31\x11\x00\x0c" + bytes(12) + _QUERY))
        self.assertEqual(service.counters.faults, 0)

    def test_streamsNameTheirClients(self) -> None:
        """
        Over TCP it is so too, in whatever pieces the header arrives, and with version 1 of the header.
        """
        self.start()
        query = frame(_QUERY)
        for pieces in (0, 1, 5, 12, 16, 27, 28, 29):
            self.assertEqual(self.byStream(proxyHeader(_GOOD) + query * 2, pieces), [0, 0])
        self.assertEqual(self.byStream(b"PROXY TCP4 %b 192.0.2.7 4000 53\r\n" % _GOOD.encode() + query), [0])
        self.assertEqual(self.byStream(proxyHeader("2001:db8::7") + query), [0])
        self.assertEqual(self.byStream(proxyHeader(_BAD) + query), [5])
        self.assertEqual(self.byStream(proxyHeader(_PROXY) + query), [0])
        self.assertEqual(self.byStream(LOCAL + query), [5])
        self.assertEqual(self.byStream(query), [5])
        self.assertIsNone(self.byStream(b"\r\n\r\n\x00\r\nQUIT\n\x31\x11\x00\x0c" + bytes(12) + query))

    def test_connectionsWithTLSNameTheirClients(self) -> None:
        """
        A header in front of TLS names the client; one within it is not DNS.
        """
        self.start()
        for client, rcode in ((_GOOD, 0), (_BAD, 5)):
            peer = PlainPeer()
            factory = TLSMemoryBIOFactory(Contexts(alpn=[b"dot"]), True, clientOf(partial(next, iter([peer]))), self.there)
            headed = _Headed(proxyHeader(client), factory)
            self.there.connectTCP(US, 853, clientOf(partial(next, iter([headed]))))
            self.network.advance(0.1)
            peer.transport.write(frame(_QUERY))
            self.network.advance(0.5)
            self.assertEqual(Message.fromWire(peer.received[2:]).rcode, rcode)

    def test_droppedClientsAreClosed(self) -> None:
        """
        The connection of a client on the drop list is closed, although the proxy may connect.
        """
        self.start(drop=[_BAD])
        self.assertIsNone(self.byStream(proxyHeader(_BAD) + frame(_QUERY)))
        self.assertEqual(self.byStream(proxyHeader(_GOOD) + frame(_QUERY)), [0])

    def test_strangersNameNobody(self) -> None:
        """
        From others a header is not DNS, and header fields of HTTP mean nothing.
        """
        service = self.start("192.0.2.99", allow=["198.51.100.0/24"])
        self.assertNotEqual(self.byDatagram(proxyHeader(_GOOD, datagram=True) + _QUERY), 0)
        peer = self.plain()
        peer.transport.write(proxyHeader(_GOOD) + frame(_QUERY))
        self.network.advance(CLIENT_STREAM_MESSAGE.default + 1)
        self.assertEqual((peer.received, peer.lost), (b"", True))
        self.assertEqual(self.web(forwarded=f"for={_GOOD}"), (200, 5))
        self.assertEqual(self.web(x_forwarded_for=_GOOD), (200, 5))
        self.reload(service, "192.0.2.99", allow=[_PROXY])
        self.assertEqual(self.web(forwarded="for=nonsense;"), (200, 0))

    def test_requestsNameTheirClients(self) -> None:
        """
        Each HTTP request is one of the client that it names, several of them on one connection; without a client it is refused.
        """
        self.start()
        self.assertEqual(self.web(forwarded=f"for={_GOOD}"), (200, 0))
        self.assertEqual(self.web(forwarded='for="[2001:db8::7]:4711";proto=https'), (200, 0))
        self.assertEqual(self.web(forwarded=f"for={_GOOD}, for={_BAD}"), (200, 5))
        self.assertEqual(self.web(x_forwarded_for=f"{_BAD}, {_GOOD}"), (200, 0))
        self.assertEqual(self.web(x_forwarded_for=f"{_GOOD}, {_BAD}, {_PROXY}"), (200, 5))
        self.assertEqual(self.web(forwarded=f"for={_PROXY}"), (200, 0))
        self.assertEqual(self.web(forwarded="for=unknown"), (200, 5))
        self.assertEqual(self.web(forwarded=f"for={_GOOD}", x_forwarded_for=_BAD), (400, -1))
        self.assertEqual(self.web(forwarded="for=nonsense"), (400, -1))
        self.assertEqual(self.web(), (200, 5))
        client = self.dialed()
        streams = {}
        for number in range(30):
            who = (_GOOD, _BAD)[number % 2]
            field = (b"forwarded", f"for={who}".encode())
            message = queryOf("www.example.org", id=number)
            if number % 3:
                streams[client.ask([*GET(target(message)), field])] = who
            else:
                streams[client.ask([*POST(len(message)), field], message)] = who
        client.flush()
        self.network.advance(0.5)
        for stream, who in streams.items():
            self.assertEqual(Message.fromWire(client.results[stream].body).rcode, 0 if who == _GOOD else 5)

    def test_firstVersionNamesItsClients(self) -> None:
        """
        Requests over HTTP/1.1 name their clients too, with several fields of one name as one list.
        """
        self.start()
        for fields, rcode in (
            (f"X-Forwarded-For: {_GOOD}", 0),
            (f"X-Forwarded-For: {_GOOD}\r\nX-Forwarded-For: {_BAD}", 5),
            (f"Forwarded: for={_BAD}\r\nForwarded: for={_GOOD}", 0),
            ("Accept: */*", 5),
        ):
            peer = self.plain(80)
            peer.transport.write(b"GET %b HTTP/1.1\r\nHost: x\r\n%b\r\n\r\n" % (target(_QUERY), fields.encode()))
            self.network.advance(0.5)
            head, _, body = peer.received.partition(b"\r\n\r\n")
            self.assertTrue(head.startswith(b"HTTP/1.1 200 "), head)
            self.assertEqual(Message.fromWire(body).rcode, rcode, fields)
            peer.transport.loseConnection()

    def test_fieldsOfANamedClientMeanNothing(self) -> None:
        """
        If the PROXY header names the client, the request's own fields are those of the client, not of the proxy.
        """
        self.start()
        for client, rcode in ((_GOOD, 0), (_BAD, 5)):
            peer = self.plain(80)
            fields = f"Forwarded: for={_GOOD if client == _BAD else _BAD}".encode()
            peer.transport.write(proxyHeader(client) + b"GET %b HTTP/1.1\r\nHost: x\r\n%b\r\n\r\n" % (target(_QUERY), fields))
            self.network.advance(0.5)
            self.assertEqual(Message.fromWire(peer.received.partition(b"\r\n\r\n")[2]).rcode, rcode)

    def test_ratesCountNamedClients(self) -> None:
        """
        The rate limit is that of each client, not of the proxy.
        """
        self.start(clientRate=5)
        replies = [self.byDatagram(proxyHeader(f"198.51.100.{number}", datagram=True) + _QUERY) for number in range(1, 41)]
        self.assertEqual(set(replies), {0})
        assert self.client.transport is not None
        before = len(self.client.got)
        for _ in range(40):
            self.client.transport.write(proxyHeader(_GOOD, datagram=True) + _QUERY, (US, 53))
        self.network.advance(0.2)
        self.assertLess(len(self.client.got) - before, 30)

    def test_silentProxyIsClosed(self) -> None:
        """
        A connection whose header does not arrive is closed in time, and closing the server ends it too.
        """
        service = self.start()
        silent = self.plain()
        self.network.advance(CLIENT_STREAM_MESSAGE.default - 1)
        silent.transport.write(b"\r\n\r\n")
        self.network.advance(2)
        self.assertTrue(silent.lost)
        again = self.plain()
        self.stop(service)
        self.assertTrue(again.lost)
        service.startService()

    def test_proxyHasMoreConnectionsThanAClient(self) -> None:
        """
        The limit on the connections of a client does not apply to a proxy, but to each client that it names.
        """
        most = 4
        self.start(tcpConnectionsPerClient=most)
        peers = [self.plain() for _ in range(3 * most)]
        for number, peer in enumerate(peers):
            peer.transport.write(proxyHeader(f"198.51.100.{number + 1}"))
        self.network.advance(0.1)
        self.assertEqual([peer.lost for peer in peers], [False] * len(peers))
        same = [self.plain() for _ in range(most + 2)]
        for peer in same:
            peer.transport.write(proxyHeader("198.51.100.99") + frame(_QUERY))
        self.network.advance(1.5)
        self.assertGreater(sum(peer.lost for peer in same), 0)

    def test_watchdogNeedsNoHeader(self) -> None:
        """
        The server checks itself even if its own address is that of a trusted proxy.
        """
        service = self.start(US)
        watchdog = service.watchdog
        assert watchdog is not None
        self.network.advance(WATCHDOG_SECONDS.default * 5)
        self.assertEqual({(place.way, place.answered, place.failures) for place in watchdog._places},
                         {(way, True, 0) for way in ("udp", "tcp", "tls", "https", "https-clear")})  # fmt: skip

    def test_reloadChangesTrust(self) -> None:
        """
        A reload takes trust away.
        """
        service = self.start()
        self.assertEqual(self.web(forwarded=f"for={_BAD}"), (200, 5))
        self.assertEqual(self.byDatagram(proxyHeader(_GOOD, datagram=True) + _QUERY), 0)
        self.reload(service, "192.0.2.99")
        self.assertNotEqual(self.byDatagram(proxyHeader(_GOOD, datagram=True) + _QUERY), 0)

    def test_wrongSettingsAreNamed(self) -> None:
        """
        A listener without TLS is for trusted proxies, so it is refused without any.
        """
        with self.assertRaisesRegex(BadDescription, "https-clear needs trusted-proxies"):
            ServerService(self.here, self.settings(httpsClear=US), [], SECRET)

    def test_defenses(self) -> None:
        """
        Were every address trusted, strangers could name themselves anything.
        """
        self.patch(TrustedProxies, "trusts", lambda self, host: True)
        self.start("192.0.2.99", allow=["198.51.100.0/24"])
        self.assertEqual(self.byDatagram(proxyHeader(_GOOD, datagram=True) + _QUERY), 0)
        self.assertEqual(self.byStream(proxyHeader(_GOOD) + frame(_QUERY)), [0])
        self.assertEqual(self.web(x_forwarded_for=_GOOD), (200, 0))
