"""
Tests of queries over TLS.
"""

from __future__ import annotations

from datetime import timedelta
from functools import partial
from pathlib import Path

from cryptography import x509
from OpenSSL import SSL
from twisted.internet.address import IPv4Address
from twisted.internet.protocol import Factory, Protocol, ServerFactory
from twisted.protocols.tls import TLSMemoryBIOFactory, TLSMemoryBIOProtocol
from zope.interface.verify import verifyObject

from tests.certificates import authority, made, pem, written
from tests.networks import WWW, NetworkTestCase, Recorder
from tests.transport.tlsservers import ServerTLS, keyOf, leaf, signedBy
from tests.transport.waiting import Waiter
from twisted_ext.errors import Unreachable
from twisted_ext.interfaces import IExchange
from twisted_ext.limits import TLS_SESSIONS
from twisted_ext.testing.servers import CannedServer
from twisted_ext.transport.random import Draw
from twisted_ext.transport.servers import Server
from twisted_ext.transport.tls.stream import TLSExchange
from twisted_ext.transport.tls.terms import TLSTerms, pinOf, pinToText

#: An OPT record without options.
OPT = b"\x00\x00\x29\x04\xd0\x00\x00\x00\x00\x00\x00"


class TLSTestCase(NetworkTestCase):
    """
    Tests with a TLS server for C{dns.example}.
    """

    def setUp(self) -> None:
        super().setUp()
        folder = Path(self.mktemp())
        folder.mkdir()
        self.ca = str(written(folder))
        self.tls = ServerTLS(leaf("dns.example"))
        self.canned = CannedServer(WWW)
        self.there = self.network.reactor("192.0.2.53")
        self.server = self.canned.listenTLS(self.there, self.tls)
        self.terms = TLSTerms("dns.example", ca=self.ca)
        self.exchange = self.exchangeTo()

    def tearDown(self) -> None:
        closed = self.exchange.close()
        self.network.advance(1)
        self.successResultOf(closed)
        super().tearDown()

    def exchangeTo(self, terms: TLSTerms | None = None, keep: float | None = None) -> TLSExchange:
        """
        Return an exchange with the server.
        """
        return TLSExchange(self.here, self.server, Draw(), terms or self.terms, keep=keep)

    def serveWith(self, tls: ServerTLS) -> None:
        """
        Replace the server's certificate.
        """
        self.canned.close()
        self.network.advance(0.1)
        self.tls = tls
        self.canned.listenTLS(self.there, tls)

    def askOne(self, seconds: float = 1.0) -> Waiter:
        """
        Send a query.
        """
        waiter = Waiter()
        self.exchange.ask(waiter, self.here.seconds())
        self.network.advance(seconds)
        return waiter

    def problem(self) -> str:
        """
        Send a query that fails, and return the fault's text.
        """
        waiter = self.askOne()
        self.assertEqual((len(waiter.replies), len(waiter.faults), self.canned.asked), (0, 1, []))
        self.assertIsInstance(waiter.faults[0], Unreachable)
        self.assertNotIn("\n", str(waiter.faults[0]))
        return str(waiter.faults[0])


class TLSExchangeTests(TLSTestCase):
    """
    Tests for L{TLSExchange}.
    """

    def test_providesIExchange(self) -> None:
        """
        It provides IExchange.
        """
        verifyObject(IExchange, self.exchange)
        self.assertEqual((self.exchange.kind, self.exchange.label, self.exchange.reliable), ("tls", "192.0.2.53:853", True))

    def test_queriesShareOneConnection(self) -> None:
        """
        Many queries share one handshake, and replies come in any order.
        """
        held: list[bytes] = []

        def reverse(reply: bytes, transport: str) -> list[bytes]:
            held.append(reply)
            return held[::-1] if len(held) == 50 else []

        self.canned.tamper = reverse
        waiters = [Waiter(f"host{number}.test.example") for number in range(50)]
        for waiter in waiters:
            self.exchange.ask(waiter, 0.0)
        self.network.advance(1)
        self.assertEqual([len(waiter.replies) for waiter in waiters], [1] * 50)
        self.assertEqual((self.network.dialed["192.0.2.53", 853], self.tls.names), (1, ["dns.example"]))
        self.assertEqual({asked.transport for asked in self.canned.asked}, {"tls"})

    def test_manyLongQueriesAreWritten(self) -> None:
        """
        Hundreds of long queries at once are all sent before the first reply, more than Twisted takes from OpenSSL at a time.
        """
        self.askOne()
        self.canned.delay = 0.5
        label = "a" * 60
        waiters = [Waiter(f"host{number}.{label}.{label}.{label}.test") for number in range(200)]

        def send() -> None:
            for waiter in waiters:
                self.exchange.ask(waiter, 0.0)

        self.exchange.collect(send)
        self.network.advance(0.3)
        self.assertEqual(len(self.canned.asked), 201)
        self.network.advance(1)
        self.assertEqual([len(waiter.replies) for waiter in waiters], [1] * 200)

    def test_fragmentedStreamIsRead(self) -> None:
        """
        Any fragmentation of the handshake and the stream is read.
        """
        self.network.shape(delay=0.01, fragment=1)
        self.assertEqual(len(self.askOne().replies), 1)

    def test_queriesArePadded(self) -> None:
        """
        A query with EDNS is padded to a multiple of 128 octets, and asks for keep-alive.
        """
        waiter = Waiter()
        waiter.query = b"\x01\x00\x00\x01\x00\x00\x00\x00\x00\x01" + waiter.wire + OPT
        self.exchange.ask(waiter, 0.0)
        self.network.advance(1)
        edns = self.canned.asked[0].message.edns
        assert edns is not None
        self.assertEqual([code for code, _ in edns.options], [11, 12])
        self.assertEqual(len(waiter.replies), 1)

    def test_connectionIsKept(self) -> None:
        """
        An idle connection is kept for ten seconds, is used again, and then closes in good order.
        """
        for _ in range(3):
            self.assertEqual(len(self.askOne().replies), 1)
            self.exchange.settle()
            self.network.advance(8)
        self.assertEqual((self.network.dialed["192.0.2.53", 853], self.canned.connections), (1, 1))
        self.network.advance(2.1)
        self.assertEqual((self.here.pending(), self.canned.connections), ([], 0))

    def test_lostQueryIsSentAgain(self) -> None:
        """
        A query whose connection the server closes is sent again on a new one.
        """
        self.askOne()
        self.exchange.settle()
        self.canned.closesAfter = 1
        waiters = [self.askOne(), self.askOne(), self.askOne()]
        self.assertEqual([(len(waiter.replies), waiter.faults) for waiter in waiters], [(1, [])] * 3)

    def test_closingDoesNotWaitForServer(self) -> None:
        """
        The client's connection is closed although the server does not answer the alert that closes TLS.
        """
        self.askOne()
        self.network.shape(source="192.0.2.53", silent=True)
        closed = self.exchange.close()
        self.network.advance(0.1)
        self.successResultOf(closed)
        self.assertEqual(self.here.pending(), [])

    def test_handshakeEndsWithoutWaiters(self) -> None:
        """
        A handshake under way is abandoned when there is no waiter.
        """
        for seconds in (0.0, 0.005, 0.025, 0.035):
            exchange = self.exchangeTo()
            _, key = exchange.ask(Waiter(), 0.0)
            self.network.advance(seconds)
            exchange.release(key)
            exchange.settle()
            closed = exchange.close()
            self.network.advance(0.1)
            self.successResultOf(closed)
            self.assertEqual(self.here.pending(), [])

    def test_sessionIsResumed(self) -> None:
        """
        A new connection continues the last one's session, with TLS 1.2 and 1.3, and each session is used once.
        """
        for version in (SSL.TLS1_2_VERSION, SSL.TLS1_3_VERSION):
            self.serveWith(ServerTLS(leaf("dns.example"), only=version))
            self.exchange = self.exchangeTo(TLSTerms("dns.example", ca=self.ca))
            resumed: list[bool] = []
            for _ in range(3):
                self.assertEqual(len(self.askOne().replies), 1)
                details = self.exchange.details
                assert details is not None
                resumed.append(details.resumed)
                self.assertEqual(details.names, "'dns.example'")
                self.exchange.close()
                self.network.advance(0.1)
            self.assertEqual(resumed, [False, True, True])

    def resumedAfter(self, seconds: float) -> bool:
        """
        Return whether a connection that long after another one continues its session.
        """
        resumed = False
        for pause in (seconds, 0.1):
            self.assertEqual(len(self.askOne().replies), 1)
            details = self.exchange.details
            assert details is not None
            resumed = details.resumed
            self.exchange.close()
            self.network.advance(pause)
        return resumed

    def test_sessionsExpire(self) -> None:
        """
        A session is continued for two hours, since the certificate is not checked again; with C{resume=False} never.
        """
        self.assertTrue(self.resumedAfter(7000))
        self.exchange = self.exchangeTo(TLSTerms("dns.example", ca=self.ca))
        self.assertFalse(self.resumedAfter(7300))
        self.exchange = self.exchangeTo(TLSTerms("dns.example", ca=self.ca, resume=False))
        self.assertFalse(self.resumedAfter(1))

    def test_sessionsAreBounded(self) -> None:
        """
        Of many servers, the sessions of the latest are kept.
        """
        self.patch(TLS_SESSIONS, "default", 2)
        terms = TLSTerms(pins=[pinOf(signedBy("x", keyOf("x"), "x", key=keyOf("server")))])
        resumed: list[bool] = []
        for host in (54, 55, 56, 54, 54):
            address = f"192.0.2.{host}"
            if self.network.hostAt(address) is None:
                CannedServer(WWW).listenTLS(self.network.reactor(address), ServerTLS(leaf()))
            self.exchange = TLSExchange(self.here, Server(address, 853), Draw(), terms)
            self.assertEqual(len(self.askOne().replies), 1)
            details = self.exchange.details
            assert details is not None
            resumed.append(details.resumed)
            self.exchange.close()
            self.network.advance(0.1)
        self.assertEqual(resumed, [False, False, False, False, True])

    def test_otherNameResumesNothing(self) -> None:
        """
        The session with a server under one name is not continued under another.
        """
        self.askOne()
        self.exchange.close()
        self.network.advance(0.1)
        self.exchange = TLSExchange(self.here, self.server, Draw(), self.terms, name="other.example")
        self.assertIn("a certificate for 'other.example'", self.problemAfter(1))

    def problemAfter(self, asked: int) -> str:
        """
        Send a query that fails after others have been received.
        """
        waiter = self.askOne()
        self.assertEqual((len(waiter.replies), len(self.canned.asked)), (0, asked))
        return str(waiter.faults[0])

    def test_detailsAreReported(self) -> None:
        """
        The connection's version, cipher, protocol and certificate can be shown.
        """
        self.assertIsNone(self.exchange.details)
        self.askOne()
        details = self.exchange.details
        assert details is not None
        self.assertEqual((details.version, details.protocol, details.names, details.resumed), ("TLSv1.3", "dot", "'dns.example'", False))
        self.assertIn("AES", details.cipher)


class HandshakeTests(TLSTestCase):
    """
    Tests of handshakes that must fail. No query is sent then, and the error names what was expected and what came.
    """

    def test_wrongName(self) -> None:
        """
        A certificate for another host is refused.
        """
        self.serveWith(ServerTLS(leaf("other.example", "192.0.2.99")))
        self.assertEqual(
            self.problem(),
            "192.0.2.53:853 cannot be reached over TLS: expected a certificate for 'dns.example' from an authority in "
            f"{self.ca}, it showed one for 'other.example', '192.0.2.99'",
        )

    def test_unknownAuthority(self) -> None:
        """
        The certificate of an authority that is not trusted is refused.
        """
        certificate = signedBy("stranger", keyOf("stranger"), "dns.example")
        self.serveWith(ServerTLS(pem(keyOf("server"), certificate)))
        self.assertIn("its certificate comes from 'stranger', which is not trusted", self.problem())

    def test_selfSigned(self) -> None:
        """
        A self-signed certificate is refused, and so is a chain that ends in one.
        """
        own = signedBy("server", keyOf("server"), "dns.example")
        self.serveWith(ServerTLS(pem(keyOf("server"), own)))
        self.assertIn("its certificate is self-signed", self.problem())
        root = made("stranger", keyOf("stranger"), "stranger", keyOf("stranger"), x509.BasicConstraints(ca=True, path_length=None))
        self.serveWith(ServerTLS(pem(keyOf("server"), signedBy("stranger", keyOf("stranger"), "dns.example"), root)))
        self.assertIn("its certificate comes from 'stranger', which is not trusted", self.problem())

    def test_times(self) -> None:
        """
        An expired certificate is refused, and one that is not yet valid; the error has the date.
        """
        self.serveWith(ServerTLS(leaf("dns.example", begins=timedelta(days=-9), ends=timedelta(days=-2))))
        self.assertRegex(self.problem(), r"its certificate expired on \d{4}-\d\d-\d\d at \d\d:\d\d UTC")
        self.serveWith(ServerTLS(leaf("dns.example", begins=timedelta(days=2))))
        self.assertRegex(self.problem(), "its certificate is valid only from ")

    def test_signerThatIsNoAuthority(self) -> None:
        """
        A server cannot sign certificates for other names with its own.
        """
        middle = made("middle", keyOf("middle"), "made up", authority()[1], x509.BasicConstraints(ca=False, path_length=None))
        self.serveWith(ServerTLS(pem(keyOf("server"), signedBy("middle", keyOf("middle"), "dns.example"), middle)))
        self.assertIn("the authority 'middle' of its certificate is not an authority's, but has issued another", self.problem())

    def test_nameConstraints(self) -> None:
        """
        An authority that is limited to certain names cannot vouch for others.
        """
        limits = x509.NameConstraints([x509.DNSName("example.org")], None)
        middle = made("middle", keyOf("middle"), "made up", authority()[1], x509.BasicConstraints(ca=True, path_length=None), limits)
        self.serveWith(ServerTLS(pem(keyOf("server"), signedBy("middle", keyOf("middle"), "dns.example"), middle)))
        self.assertIn("is for a name that its issuer may not vouch for", self.problem())

    def test_intermediateAuthority(self) -> None:
        """
        A chain of authorities that begins at a trusted one is accepted.
        """
        middle = made("middle", keyOf("middle"), "made up", authority()[1], x509.BasicConstraints(ca=True, path_length=None))
        self.serveWith(ServerTLS(pem(keyOf("server"), signedBy("middle", keyOf("middle"), "dns.example"), middle)))
        self.assertEqual(len(self.askOne().replies), 1)

    def test_wildcard(self) -> None:
        """
        A wildcard stands for one label.
        """
        self.serveWith(ServerTLS(leaf("*.dns.example")))
        self.exchange = self.exchangeTo(TLSTerms("a.dns.example", ca=self.ca))
        self.assertEqual(len(self.askOne().replies), 1)
        for name in ("a.b.dns.example", "dns.example"):
            self.exchange.close()
            self.exchange = self.exchangeTo(TLSTerms(name, ca=self.ca))
            self.assertIn("it showed one for '*.dns.example'", str(self.askOne().faults[0]))

    def test_commonNameIsIgnored(self) -> None:
        """
        A certificate without alternative names is for no host, whatever its subject is.
        """
        self.serveWith(ServerTLS(leaf()))
        self.exchange = self.exchangeTo(TLSTerms("server", ca=self.ca))
        self.assertIn("it showed one for no host name (subject 'CN=server')", self.problem())

    def test_address(self) -> None:
        """
        Without a name, the certificate has to be for the server's address, which is not sent as a server name.
        """
        self.exchange = self.exchangeTo(TLSTerms(ca=self.ca))
        self.assertIn("expected a certificate for '192.0.2.53'", self.problem())
        self.serveWith(ServerTLS(leaf("192.0.2.53")))
        self.assertEqual((len(self.askOne().replies), self.tls.names), (1, [None]))

    def test_systemAuthorities(self) -> None:
        """
        Without a file, the system's authorities count.
        """
        self.exchange = self.exchangeTo(TLSTerms("dns.example"))
        self.assertIn("from an authority that the system trusts, its certificate comes from 'made up'", self.problem())

    def test_pinAlone(self) -> None:
        """
        With pins alone, the server's own key counts and nothing else: not its certificate's date, name or authority.
        """
        self.serveWith(ServerTLS(leaf("other.example", begins=timedelta(days=-9), ends=timedelta(days=-2))))
        pin = pinOf(signedBy("x", keyOf("x"), "x", key=keyOf("server")))
        self.exchange = self.exchangeTo(TLSTerms(pins=[bytes(32), pin]))
        self.assertEqual(len(self.askOne().replies), 1)

    def test_wrongPin(self) -> None:
        """
        A server with another key is refused, also if it sends a certificate with the pinned one along.
        """
        other = signedBy("made up", authority()[1], "dns.example", key=keyOf("other"))
        self.serveWith(ServerTLS(pem(keyOf("server"), signedBy("made up", authority()[1], "dns.example"), other)))
        self.exchange = self.exchangeTo(TLSTerms(pins=[pinOf(other)]))
        server = pinToText(pinOf(signedBy("x", keyOf("x"), "x", key=keyOf("server"))))
        self.assertIn(f"expected a key with the pin {pinToText(pinOf(other))}, it showed one with the pin {server}", self.problem())
        self.exchange = self.exchangeTo(TLSTerms("dns.example", ca=self.ca, pins=[pinOf(other)]))
        self.assertIn(f"and a key with the pin {pinToText(pinOf(other))}, it showed one with the pin {server}", self.problem())

    def test_nameAndPin(self) -> None:
        """
        With name and pin, both have to be right; the pin may be that of the authority.
        """
        authorityPin = pinOf(x509.load_pem_x509_certificate(authority()[0]))
        self.exchange = self.exchangeTo(TLSTerms("dns.example", ca=self.ca, pins=[authorityPin]))
        self.assertEqual(len(self.askOne().replies), 1)
        self.exchange.close()
        self.exchange = self.exchangeTo(TLSTerms("other.example", ca=self.ca, pins=[authorityPin]))
        self.assertIn("it showed one for 'dns.example'", str(self.askOne().faults[0]))

    def test_protocols(self) -> None:
        """
        A server that chooses no protocol is accepted, as many do; one that speaks others only is refused.
        """
        self.serveWith(ServerTLS(leaf("dns.example"), protocols=[b"h2"]))
        self.assertIn("it does not speak 'dot'", self.problem())
        self.serveWith(ServerTLS(leaf("dns.example"), protocols=[]))
        self.exchange = self.exchangeTo(TLSTerms("dns.example", ca=self.ca, protocols=[b"h2"], protocolNeeded=True))
        self.assertIn("expected the protocol 'h2' (ALPN), it chose none", self.problem())
        self.exchange = self.exchangeTo()
        self.assertEqual(len(self.askOne().replies), 1)

    def test_oldVersion(self) -> None:
        """
        A server whose TLS is older than permitted is refused.
        """
        self.serveWith(ServerTLS(leaf("dns.example"), only=SSL.TLS1_2_VERSION))
        self.exchange = self.exchangeTo(TLSTerms("dns.example", ca=self.ca, minimum="1.3"))
        self.assertIn("it speaks none of the TLS versions that are permitted here", self.problem())

    def test_clientCertificate(self) -> None:
        """
        A client shows its certificate to a server that demands one, and without one the error says what is missing.
        """
        for version in (SSL.TLS1_2_VERSION, SSL.TLS1_3_VERSION):
            self.serveWith(ServerTLS(leaf("dns.example"), demands=authority()[0], only=version))
            self.exchange = self.exchangeTo()
            self.assertRegex(self.problem(), "demands a certificate of the client|a certificate of the client is missing")
        path = Path(self.mktemp())
        path.write_bytes(leaf("client.example"))
        self.exchange = self.exchangeTo(TLSTerms("dns.example", ca=self.ca, certificate=str(path)))
        self.assertEqual(len(self.askOne().replies), 1)

    def test_plainServer(self) -> None:
        """
        A server that speaks plain DNS, or closes the connection, is refused, and the error says so.
        """
        self.canned.close()
        self.network.advance(0.1)
        for octets, text in (
            (b"\x00\x0c\x12\x34\x81\x05\x00\x00\x00\x00\x00\x00\x00\x00", "what it sent is not TLS"),
            (b"HTTP/1.1 400 Bad Request\r\n\r\n", "what it sent is not TLS"),
            (b"", "it closed the connection during the TLS handshake"),
        ):
            factory: ServerFactory = ServerFactory()
            factory.protocol = partial(_Fixed, octets)
            port = self.there.listenTCP(853, factory)
            self.assertIn(text, self.problem())
            port.stopListening()
            self.network.advance(0.1)

    def test_closedPort(self) -> None:
        """
        A closed port is an error, and no other transport is tried.
        """
        self.canned.close()
        self.network.advance(0.1)
        self.assertIn("192.0.2.53:853 cannot be reached over TLS: ", self.problem())
        self.assertEqual(dict(self.network.dialed), {("192.0.2.53", 853): 1})

    def test_unauthenticatedHandshakeIsRefused(self) -> None:
        """
        A handshake in which OpenSSL asked for no certificate, and which continues no session, is refused.
        """
        handshake = self.terms.handshake(self.server, self.here.seconds)
        factory = TLSMemoryBIOFactory(handshake, True, Factory.forProtocol(Protocol), self.here)
        protocol = factory.buildProtocol(IPv4Address("TCP", "192.0.2.53", 853))
        assert isinstance(protocol, TLSMemoryBIOProtocol)
        handshake.clientConnectionForTLS(protocol)
        self.assertEqual(handshake.finish(), "it was not authenticated")
        handshake.over(False)


class _Fixed(Protocol):
    """
    Sends the same octets whatever comes, and closes the connection if there are none.
    """

    def __init__(self, octets: bytes) -> None:
        self._octets = octets

    def dataReceived(self, data: bytes) -> None:
        assert self.transport is not None
        if self._octets:
            self.transport.write(self._octets)
        else:
            self.transport.loseConnection()


class PrivacyTests(TLSTestCase):
    """
    Tests of what an observer of the network sees.
    """

    def setUp(self) -> None:
        super().setUp()
        self.recorder = self.network.link = Recorder(delay=0.01)

    def test_nothingIsSentInClear(self) -> None:
        """
        The name looked up appears nowhere on the wire, and no datagram is sent, whether the server is the right one or not.
        """
        self.assertEqual(len(self.askOne().replies), 1)
        self.exchange.close()
        self.exchange = self.exchangeTo(TLSTerms("other.example", ca=self.ca))
        self.assertEqual(len(self.askOne().faults), 1)
        wire = b"".join(self.recorder.octets)
        self.assertGreater(len(wire), 1000)
        self.assertNotIn(b"www", wire)
        self.assertEqual((self.network.datagrams, set(self.network.dialed)), ([], {("192.0.2.53", 853)}))

    def test_lengthsAreEqual(self) -> None:
        """
        Queries for short and long names are equally long on the wire.
        """
        lengths: set[int] = set()
        self.askOne()
        for name in ("a.test", "a-much-longer-name.in-a-domain.test"):
            del self.recorder.octets[:]
            waiter = Waiter(name)
            waiter.query = b"\x01\x00\x00\x01\x00\x00\x00\x00\x00\x01" + waiter.wire + OPT
            self.exchange.ask(waiter, 0.0)
            lengths.add(len(self.recorder.octets[0]))
            self.network.advance(1)
        self.assertEqual(len(lengths), 1)
