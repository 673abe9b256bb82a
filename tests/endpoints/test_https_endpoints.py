"""
Tests of L{HTTPSEndpoint}: TLS with the certificate of the requested host, wherever the records lead.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Final, cast

from OpenSSL.SSL import Error as TLSError
from twisted.internet import ssl
from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectingCancelledError, TimeoutError
from twisted.internet.interfaces import IAddress, IHandshakeListener, IProtocol, IProtocolNegotiationFactory
from twisted.internet.protocol import Protocol, ServerFactory
from twisted.internet.ssl import Certificate, CertificateOptions, PrivateCertificate, optionsForClientTLS
from twisted.protocols.tls import TLSMemoryBIOFactory, TLSMemoryBIOProtocol
from zope.interface import implementer

from tests.certificates import authority, certificateFor
from tests.endpoints.reaching import Client, ReachingTestCase, RecordingProtocol
from tests.typed import suppressed, trusting
from twisted_ext.client import resolverFromString
from twisted_ext.compat.conversion.errors import DNSServerError
from twisted_ext.endpoints.endpoints import HTTPSEndpoint, TargetsFailed
from twisted_ext.errors import BadName, CallerFault, ServerFailed, TrustFault
from twisted_ext.testing.servers import CannedServer, Reply
from twisted_ext.testing.sources import Entry
from twisted_ext.wire.message import Message

if TYPE_CHECKING:
    pass

__all__: list[str] = []

_loadPrivate: Final[Callable[[bytes], PrivateCertificate]] = PrivateCertificate.loadPEM
_loadPublic: Final[Callable[[bytes], Certificate]] = Certificate.loadPEM

_DEPRECATED: Final = [suppressed(message="Passing pyOpenSSL .* objects is deprecated", category=DeprecationWarning)]


@implementer(IHandshakeListener)
class EventProtocol(RecordingProtocol):
    """
    Records its events.
    """

    def __init__(self) -> None:
        self.events: list[str] = []

    def connectionMade(self) -> None:
        assert self.transport is not None
        self.transport.write(b"hello")
        self.events.append("connection")

    def handshakeCompleted(self) -> None:
        self.events.append("handshake")

    def dataReceived(self, data: bytes) -> None:
        self.events.append(data.decode())


class EventClient(Client):
    """
    Builds protocols that record their events.
    """

    def buildProtocol(self, addr: IAddress | None) -> RecordingProtocol:
        self.built.append(EventProtocol())
        return self.built[-1]


@implementer(IProtocolNegotiationFactory)
class NegotiatingClient(EventClient):
    """
    A factory with application protocols.
    """

    def acceptableProtocols(self) -> list[bytes]:
        """
        Return the protocols to negotiate.
        """
        return [b"h2", b"http/1.1"]


class Echo(Protocol):
    """
    Sends back what it receives.
    """

    def dataReceived(self, data: bytes) -> None:
        assert self.transport is not None
        self.transport.write(data)


class NoTLS(Protocol):
    """
    Sends something other than TLS, or nothing.
    """

    def __init__(self, words: bytes) -> None:
        self.words = words

    def connectionMade(self) -> None:
        assert self.transport is not None
        if self.words:
            self.transport.write(self.words)


class HTTPSTests(ReachingTestCase):
    """
    Tests with servers with and without TLS, and with different certificates.
    """

    # Twisted passes these to OpenSSL.
    suppress = _DEPRECATED

    def offer(self, address: str, name: str, alpn: Sequence[str] = (), port: int = 443) -> None:
        """
        Serve TLS with a certificate for this name.
        """
        there = self.network.reactor(address)
        factory = ServerFactory()
        factory.noisy = False
        factory.protocol = Echo
        own = _loadPrivate(certificateFor(name))
        options = CertificateOptions(own.privateKey.original, own.original, acceptableProtocols=[each.encode() for each in alpn])
        wrapped = cast(ServerFactory, TLSMemoryBIOFactory(options, False, factory, there))
        there.listenTCP(port, wrapped, interface="0.0.0.0")

    def serveWithoutTLS(self, address: str, words: bytes = b"") -> None:
        """
        Accept connections without TLS.
        """

        class PlainFactory(ServerFactory):
            noisy = False

            def buildProtocol(self, addr: object) -> Protocol:
                return NoTLS(words)

        self.network.reactor(address).listenTCP(443, PlainFactory(), interface="0.0.0.0")

    def https(
        self, *texts: str, entry: Entry | None = None, alpn: Sequence[str] | None = None, timeout: float = 30, port: int = 443
    ) -> HTTPSEndpoint:
        """
        Return an endpoint for the host with these records.

        @param texts: HTTPS records.
        """
        known: dict[tuple[str, str], Entry] = {
            ("www.example.org", "HTTPS"): list(texts) if entry is None else entry,
            ("_8443._https.www.example.org", "HTTPS"): list(texts),
            ("www.example.org", "A"): "192.0.2.80",
            ("cdn.example.net", "A"): "192.0.2.81",
            ("other.example.net", "A"): "192.0.2.82",
        }
        return HTTPSEndpoint(
            self.here,
            "www.example.org",
            port,
            alpn=alpn,
            trustRoot=trusting([_loadPublic(authority()[0])]),
            resolver=self.zone(known),
            timeout=timeout,
        )

    def connected(self, endpoint: HTTPSEndpoint, client: Client | None = None) -> Deferred[IProtocol]:
        """
        Start to connect and wait for five seconds.
        """
        found = endpoint.connect(client or self.client)
        self.network.advance(5)
        return found

    def unreached(self, found: Deferred[IProtocol]) -> TargetsFailed:
        """
        Return the error of a connection without a reachable target.
        """
        error = self.failureResultOf(found, TargetsFailed).value
        assert isinstance(error, TargetsFailed)
        self.assertEqual(self.here.connections, [])
        return error

    def negotiated(self, found: Deferred[IProtocol]) -> str:
        """
        Return the negotiated protocol.
        """
        protocol = cast(RecordingProtocol, self.successResultOf(found))
        tls = cast(TLSMemoryBIOProtocol, protocol.transport)
        spoken = tls.negotiatedProtocol
        tls.loseConnection()
        self.network.advance(1)
        return "" if spoken is None else spoken.decode()

    def test_certificateIsOfTheRequestedHost(self) -> None:
        """
        A record can lead to another host and port, and the certificate is that of the requested host.
        """
        self.offer("192.0.2.81", "www.example.org", port=8443)
        found = self.connected(self.https("1 cdn.example.net. port=8443"))
        self.assertEqual(self.reached(found), "192.0.2.81 8443")

    def test_otherCertificateIsSkipped(self) -> None:
        """
        A server with a certificate for another name is skipped without a call of the caller's factory.
        """
        self.offer("192.0.2.81", "cdn.example.net")
        self.offer("192.0.2.80", "www.example.org")
        found = self.connected(self.https("1 cdn.example.net."))
        self.assertEqual(self.reached(found), "192.0.2.80 443")
        self.assertEqual(len(self.client.built), 1)
        self.offer("192.0.2.82", "other.example.net")
        found = self.connected(self.https("1 other.example.net."))
        self.reached(found)

    def test_onlyOtherCertificatesFail(self) -> None:
        """
        The connection fails with the reason if no server has the right certificate.
        """
        self.offer("192.0.2.80", "cdn.example.net")
        error = self.unreached(self.connected(self.https()))
        self.assertIn("www.example.org:443 at 192.0.2.80: ", str(error))
        self.assertIn("certificate", str(error))
        self.assertEqual(self.client.built, [])

    def test_untrustedAuthorityIsRefused(self) -> None:
        """
        A certificate of an untrusted authority is refused; the default is the machine's authorities.
        """
        self.offer("192.0.2.80", "www.example.org")
        endpoint = HTTPSEndpoint(self.here, "www.example.org", resolver=self.zone({("www.example.org", "A"): "192.0.2.80"}))
        error = self.unreached(self.connected(endpoint))
        self.assertIsInstance(error.attempts[0].error, TLSError)
        self.assertIn("its certificate comes from 'made up', which is not trusted", str(error))

    def test_serverWithoutTLSIsSkipped(self) -> None:
        """
        A server that speaks something else is skipped at once.
        """
        self.serveWithoutTLS("192.0.2.81", b"220 welcome\r\n" * 10)
        self.offer("192.0.2.80", "www.example.org")
        found = self.https("1 cdn.example.net.").connect(self.client)
        self.network.advance(0.2)
        self.assertEqual(self.reached(found), "192.0.2.80 443")
        self.assertEqual(len(self.client.built), 1)

    def test_silentServerDelaysNoOther(self) -> None:
        """
        A server that accepts connections without a TLS reply does not delay the next target, and is closed.
        """
        self.serveWithoutTLS("192.0.2.81")
        self.offer("192.0.2.82", "www.example.org")
        found = self.https("1 cdn.example.net.", "1 other.example.net.").connect(self.client)
        self.network.advance(0.5)
        self.assertEqual(self.reached(found), "192.0.2.82 443")
        self.assertEqual(len(self.client.built), 1)

    def test_timeoutIncludesTLS(self) -> None:
        """
        The time-out of an attempt includes the TLS handshake.
        """
        self.serveWithoutTLS("192.0.2.80")
        found = self.https(timeout=3).connect(self.client)
        self.network.advance(2.9)
        self.assertNoResult(found)
        self.network.advance(0.2)
        error = self.unreached(found).attempts[0].error
        self.assertIsInstance(error, TimeoutError)
        self.assertIn("TLS", str(error))

    def test_tcpTimeoutDoesNotBlameTLS(self) -> None:
        """
        A time-out before the connection does not mention TLS.
        """
        self.network.shape("192.0.2.80", silent=True)
        found = self.https(timeout=3).connect(self.client)
        self.network.advance(3.1)
        error = self.unreached(found).attempts[0].error
        self.assertIsInstance(error, TimeoutError)
        self.assertNotIn("TLS", str(error))

    def test_cancelClosesPendingConnections(self) -> None:
        """
        Canceling closes connections that wait for TCP or for TLS.
        """
        self.serveWithoutTLS("192.0.2.80")
        for seconds in (0, 0.015, 1):
            found = self.https().connect(self.client)
            self.network.advance(seconds)
            found.cancel()
            self.failureResultOf(found, ConnectingCancelledError)
            self.network.advance(0)
            self.assertEqual(self.here.pending(), [])

    def test_negotiationUsesTheCallersProtocols(self) -> None:
        """
        The caller's protocols, or those of the factory, are offered whatever the record has (RFC 9460, section 7.1.2); none without either.
        A record for other protocols only is left out.
        """
        # The server prefers the first one.
        self.offer("192.0.2.81", "www.example.org", ["http/1.1", "h2"])
        record = "1 cdn.example.net. alpn=h2"
        self.assertEqual(self.negotiated(self.connected(self.https(record))), "")
        self.assertEqual(self.negotiated(self.connected(self.https(record, alpn=["h2", "http/1.1"]))), "http/1.1")
        self.assertEqual(self.negotiated(self.connected(self.https(record, alpn=["h2"]))), "h2")
        bare = f"{record} no-default-alpn"
        self.assertEqual(self.negotiated(self.connected(self.https(bare, alpn=["http/1.1", "h2"]))), "http/1.1")
        self.assertEqual(self.negotiated(self.connected(self.https(bare), NegotiatingClient())), "http/1.1")
        self.assertEqual(self.negotiated(self.connected(self.https(record), NegotiatingClient())), "http/1.1")
        del self.dials[:]
        self.refuse("192.0.2.80")
        self.unreached(self.connected(self.https("1 cdn.example.net. alpn=h3 no-default-alpn")))
        self.assertEqual([address for _, address in self.dials], ["192.0.2.80"])

    def test_otherPortHasOwnRecords(self) -> None:
        """
        Another port has records of its own.
        """
        self.offer("192.0.2.81", "www.example.org", port=8443)
        found = self.connected(self.https("1 cdn.example.net.", port=8443))
        self.assertEqual(self.reached(found), "192.0.2.81 8443")

    def test_fallbackAfterFailureButNotForgery(self) -> None:
        """
        The host itself is connected to if the records cannot be looked up, but not if they fail validation.
        """
        self.offer("192.0.2.80", "www.example.org")
        found = self.connected(self.https(entry=ServerFailed("no")))
        self.assertEqual(self.reached(found), "192.0.2.80 443")
        self.failureResultOf(self.connected(self.https(entry=TrustFault("forged"))), DNSServerError)

    def test_literalNeedsAddressCertificate(self) -> None:
        """
        An address literal needs a certificate for the address.
        """
        self.offer("192.0.2.80", "192.0.2.80")
        endpoint = HTTPSEndpoint(
            self.here, "192.0.2.80", trustRoot=trusting([_loadPublic(authority()[0])]), resolver=self.zone({})
        )
        self.assertEqual(repr(endpoint), "<HTTPSEndpoint 192.0.2.80:443>")
        self.assertEqual(self.reached(self.connected(endpoint)), "192.0.2.80 443")

    def test_protocolStartsAfterHandshake(self) -> None:
        """
        The caller's protocol starts after the handshake, is notified of it if it wants to be, and then gets its data.
        """
        self.offer("192.0.2.80", "www.example.org")
        client = EventClient()
        found = self.connected(self.https(), client)
        protocol = cast(EventProtocol, client.built[0])
        self.assertEqual(protocol.events, ["connection", "handshake", "hello"])
        self.reached(found)
        self.assertIsNotNone(protocol.lost)

    def test_callerErrorsReachTheCaller(self) -> None:
        """
        Exceptions of the caller's factory and protocol, and a factory that declines, have the same effect as without TLS.
        """

        class Broken(Client):
            def buildProtocol(self, addr: IAddress | None) -> RecordingProtocol:
                raise KeyError("mine")

        class DecliningFactory(Client):
            def buildProtocol(self, addr: IAddress | None) -> RecordingProtocol:
                return cast(RecordingProtocol, None)

        class FailingProtocol(EventProtocol):
            def connectionMade(self) -> None:
                raise KeyError("mine")

        class FailingHandshake(EventProtocol):
            def handshakeCompleted(self) -> None:
                raise KeyError("mine")

        class ProtocolFactory(Client):
            def __init__(self, kind: type[EventProtocol]) -> None:
                super().__init__()
                self.kind = kind

            def buildProtocol(self, addr: IAddress | None) -> RecordingProtocol:
                return self.kind()

        self.offer("192.0.2.80", "www.example.org")
        self.offer("192.0.2.81", "www.example.org")
        self.failureResultOf(self.connected(self.https(), Broken()), KeyError)
        self.unreached(self.connected(self.https(), DecliningFactory()))
        for kind in (FailingProtocol, FailingHandshake):
            del self.dials[:]
            self.failureResultOf(self.connected(self.https("1 cdn.example.net."), ProtocolFactory(kind)), KeyError)
            self.assertEqual([address for _, address in self.dials], ["192.0.2.81"])
            self.assertEqual(self.here.connections, [])

    def test_invalidArgumentsAreRefused(self) -> None:
        """
        An invalid host, port, protocol or trust root is refused when the endpoint is created.
        """
        for host in ("a..b", "", ".", "a b", "1.2.3", "a:443", None, b"a", "a-.example", f"{'a' * 60}." * 4 + "a" * 8):
            self.assertRaises(BadName, HTTPSEndpoint, self.here, host, 8443)
        for port in (0, 65536, "443", None):
            self.assertRaises(CallerFault, HTTPSEndpoint, self.here, "a", port)
        for alpn in (["h\xb2"], ["h" * 256], [""], [b"h2"], "h2", 5):
            message = str(self.assertRaises(CallerFault, HTTPSEndpoint, self.here, "a", alpn=alpn))
            self.assertTrue(message.startswith("alpn: "), message)
        for name in ("trustRoot", "clientCertificate", "recordDelay"):
            message = str(self.assertRaises(CallerFault, HTTPSEndpoint, self.here, "a", **{name: "a.pem"}))
            self.assertTrue(message.startswith(f"{name}: 'a.pem' is "), message)

    def test_invalidFactoryProtocolsFail(self) -> None:
        """
        The connection fails if the factory's protocols are invalid.
        """

        @implementer(IProtocolNegotiationFactory)
        class Broken(Client):
            def __init__(self, protocols: list[bytes]) -> None:
                super().__init__()
                self.protocols = protocols

            def acceptableProtocols(self) -> list[bytes]:
                """
                What is to be negotiated.
                """
                if not self.protocols:
                    raise KeyError("mine")
                return self.protocols

        self.failureResultOf(self.https().connect(Broken([])), KeyError)
        self.failureResultOf(self.https().connect(Broken([b"\xff"])), CallerFault)

    def test_internationalizedNames(self) -> None:
        """
        An internationalized name is the same for TLS and DNS in every spelling.
        """
        self.offer("192.0.2.80", "xn--bcher-kva.example.org")
        resolver = self.zone({("xn--bcher-kva.example.org", "A"): "192.0.2.80"})
        trusted = trusting([_loadPublic(authority()[0])])
        for host in ("b\xfccher.example.org", "B\xdcCHER.example.org", "b\xfccher\u3002example\u3002org", "XN--BCHER-KVA.example.org."):
            found = self.connected(HTTPSEndpoint(self.here, host, trustRoot=trusted, resolver=resolver))
            self.assertEqual(self.reached(found), "192.0.2.80 443")

    def test_certificateIgnoresTheScope(self) -> None:
        """
        The certificate of an address applies with any scope, which is local to the machine.
        """
        made: list[str] = []
        real = optionsForClientTLS

        def options(host: str, *rest: object) -> object:
            made.append(host)
            return cast("Callable[..., object]", real)(host, *rest)

        self.patch(ssl, "optionsForClientTLS", options)
        endpoint = HTTPSEndpoint(self.here, "[fe80::1%lo]")
        self.assertEqual((repr(endpoint), made), ("<HTTPSEndpoint [fe80::1%lo]:443>", ["fe80::1"]))

    def test_droppedHTTPSQueriesDoNotDelay(self) -> None:
        """
        The host itself is connected to soon if queries for HTTPS records are dropped, unless C{recordDelay} says otherwise.
        """
        known: dict[tuple[str, str], Reply] = {("www.example.org", "A"): "192.0.2.80"}
        server = CannedServer(known)
        where = server.listen(self.network.reactor("192.0.2.53"))
        server.tamper = lambda octets, transport: [] if Message.fromWire(octets).questions[0].rrType == 65 else [octets]
        self.offer("192.0.2.80", "www.example.org")
        resolver = resolverFromString(self.here, f"cache:udp:192.0.2.53:{where.port}")
        trusted = trusting([_loadPublic(authority()[0])])
        endpoint = HTTPSEndpoint(self.here, "www.example.org", trustRoot=trusted, resolver=resolver)
        for _ in range(2):
            found = endpoint.connect(self.client)
            self.network.advance(0.4)
            self.assertEqual(self.reached(found), "192.0.2.80 443")
            self.assertEqual(self.here.pending(), [])
        patient = HTTPSEndpoint(self.here, "www.example.org", trustRoot=trusted, resolver=resolver, recordDelay=600)
        found = patient.connect(self.client)
        self.network.advance(4)
        self.assertNoResult(found)
        self.network.advance(2)
        self.assertEqual(self.reached(found), "192.0.2.80 443")
        # Both families are cached; the records are queried each time.
        asked = {rrType: {each.message.id for each in server.asked if each.question.rrType == rrType} for rrType in (1, 28, 65)}
        self.assertEqual((len(asked[1]), len(asked[28])), (1, 1))
        self.assertGreaterEqual(len(asked[65]), 3)
