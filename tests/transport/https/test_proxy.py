"""
Tests of queries over HTTPS through a proxy.
"""

from __future__ import annotations

from twisted.internet.interfaces import ITCPTransport
from twisted.internet.protocol import ClientFactory, Protocol, ServerFactory, connectionDone
from twisted.python.failure import Failure

from tests.transport.https.test_exchange import URL, HTTPSTestCase
from tests.transport.tlsservers import ServerTLS, leaf
from tests.transport.waiting import Waiter
from twisted_ext.errors import Unreachable
from twisted_ext.limits import HTTPS_PROXY_OCTETS
from twisted_ext.testing.reactors import MemoryReactor
from twisted_ext.transport.https.exchange import HTTPSExchange
from twisted_ext.transport.servers import Server

FINE = b"HTTP/1.1 200 Connection established\r\nVia: x\r\n\r\n"


class Proxy(ServerFactory):
    """
    An HTTP proxy.

    @ivar heads: the heads of the requests.
    @ivar relayed: the octets that clients have sent to servers.
    @ivar reply: the answer to a request; with C{FINE}, a connection follows.
    """

    noisy = False

    def __init__(self, reactor: MemoryReactor, target: Server) -> None:
        self.reactor = reactor
        self.target = target
        self.heads: list[bytes] = []
        self.relayed = b""
        self.reply = FINE

    def buildProtocol(self, addr: object) -> Protocol:
        return _Client(self)


class _Client(Protocol):
    transport: ITCPTransport

    def __init__(self, proxy: Proxy) -> None:
        self._proxy = proxy
        self._server: _Server | None = None

    def dataReceived(self, data: bytes) -> None:
        proxy = self._proxy
        if self._server is not None:
            proxy.relayed += data
            self._server.transport.write(data)
            return
        proxy.heads.append(data)
        if proxy.reply != FINE:
            self.transport.write(proxy.reply)
            return
        client = self

        class Onward(ClientFactory):
            noisy = False

            def buildProtocol(self, addr: object) -> Protocol:
                client._server = _Server(client.transport)
                return client._server

        proxy.reactor.connectTCP(proxy.target.address, proxy.target.port, Onward())

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        if self._server is not None and self._server.transport is not None:
            self._server.transport.loseConnection()


class _Server(Protocol):
    transport: ITCPTransport

    def __init__(self, client: ITCPTransport) -> None:
        self._client = client

    def connectionMade(self) -> None:
        self._client.write(FINE)

    def dataReceived(self, data: bytes) -> None:
        self._client.write(data)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self._client.loseConnection()


class ProxyTests(HTTPSTestCase):
    """
    Tests of exchanges through a proxy.
    """

    def setUp(self) -> None:
        super().setUp()
        middle = self.network.reactor("192.0.2.8")
        self.proxy = Proxy(middle, self.server)
        middle.listenTCP(3128, self.proxy)
        self.exchange = HTTPSExchange(self.here, Server("192.0.2.8", 3128), URL, self.terms, proxied=True)

    def why(self) -> str:
        """
        Send a query that fails, and return the reason.
        """
        (fault,) = self.askOne().faults
        self.assertIsInstance(fault, Unreachable)
        self.assertNotIn("\n", str(fault))
        before, _, why = str(fault).partition("cannot be reached over HTTPS: ")
        self.assertEqual(before, "dns.example by the proxy 192.0.2.8:3128 ")
        self.assertEqual(self.web.requests, [])
        return why

    def test_proxyRelaysTLSOnly(self) -> None:
        """
        The proxy is told the server's name and port, and relays what it cannot read.
        """
        waiters = [Waiter(f"host{number}.test.example") for number in range(20)]
        self.ask_(*waiters)
        self.network.advance(1)
        self.assertEqual([len(waiter.replies) for waiter in waiters], [1] * 20)
        self.assertEqual(self.proxy.heads, [b"CONNECT dns.example:443 HTTP/1.1\r\nHost: dns.example:443\r\n\r\n"])
        self.assertNotIn(b"host1", self.proxy.relayed)
        self.assertEqual(set(self.network.dialed), {("192.0.2.8", 3128), ("192.0.2.53", 443)})

    def test_fragmentsAreRead(self) -> None:
        """
        The proxy's answer may come in any fragments.
        """
        self.network.shape(source="192.0.2.8", delay=0.01, fragment=1)
        self.assertEqual(len(self.askOne().replies), 1)

    def test_serverIsAuthenticated(self) -> None:
        """
        A proxy that leads to another server is found out.
        """
        there = self.network.reactor("192.0.2.54")
        self.proxy.target = self.web.listen(there, ServerTLS(leaf("other.example"), protocols=[b"h2"]))
        self.assertIn("expected a certificate for 'dns.example'", self.why())

    def test_refusals(self) -> None:
        """
        What the proxy answers instead of connecting is in the error, and is bounded.
        """
        for reply, why in (
            (b"HTTP/1.1 403 Forbidden\r\n\r\n", "the proxy answered '403 Forbidden'"),
            (b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\nx", "the proxy answered '407 Proxy Authentication Required'"),
            (b"HTTP/1.1 302 Found\r\nLocation: http://x/\r\n\r\n", "the proxy answered '302 Found'"),
            (b"SSH-2.0-x\r\n\r\n", "what the proxy sent is not HTTP: 'SSH-2.0-x'"),
            (b"HTTP/1.1 OK\r\n\r\n", "what the proxy sent is not HTTP: 'HTTP/1.1 OK'"),
            (b"HTTP/1.1 200 OK\r\n\r\nx", "the proxy sent octets of its own in front of the server's"),
            (b"HTTP/1.1 200 OK\r\n" + b"a" * 9000, f"the proxy sent more than {HTTPS_PROXY_OCTETS.default} octets of headers"),
        ):
            self.proxy.reply = reply
            self.assertEqual(self.why(), why)

    def test_noProxy(self) -> None:
        """
        Where no proxy listens, the error says that it is the proxy.
        """
        self.exchange = HTTPSExchange(self.here, Server("192.0.2.8", 3129), URL, self.terms, proxied=True)
        waiter = self.askOne()
        self.assertIn("the proxy cannot be reached: ", str(waiter.faults[0]))

    def test_closingDuringTheRequest(self) -> None:
        """
        An exchange that is closed while the proxy still works leaves nothing open.
        """
        self.proxy.reply = b"HTTP/1.1 "
        key = self.ask_(Waiter())[0]
        self.network.advance(1)
        self.exchange.release(key)
        self.exchange.settle()
        self.network.advance(1)
        self.assertEqual(self.here.pending(), [])
