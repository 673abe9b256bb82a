"""
Tests of L{HTTPSEndpoint}: TLS, with the certificate of whom was asked for, wherever the records lead.
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
from twisted.internet.ssl import (
    Certificate,
    CertificateOptions,
    PrivateCertificate,
    optionsForClientTLS,
)
from twisted.protocols.tls import TLSMemoryBIOFactory, TLSMemoryBIOProtocol
from zope.interface import implementer

from tests.certificates import authority, certificateFor
from tests.endpoints.reaching import Client, ReachingTestCase, Told
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
class Listening(Told):
    """
    Notes what it is told.
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


class ListeningClient(Client):
    """
    Builds them.
    """

    def buildProtocol(self, addr: IAddress | None) -> Told:
        self.built.append(Listening())
        return self.built[-1]


@implementer(IProtocolNegotiationFactory)
class NegotiatingClient(ListeningClient):
    """
    Says what its protocols speak.
    """

    def acceptableProtocols(self) -> list[bytes]:
        """
        What is to be negotiated.
        """
        return [b"h2", b"http/1.1"]


class Echo(Protocol):
    """
    Says the same back.
    """

    def dataReceived(self, data: bytes) -> None:
        assert self.transport is not None
        self.transport.write(data)


class Mute(Protocol):
    """
    Says something that is no TLS, or nothing.
    """

    def __init__(self, words: bytes) -> None:
        self.words = words

    def connectionMade(self) -> None:
        assert self.transport is not None
        if self.words:
            self.transport.write(self.words)


class HTTPSTests(ReachingTestCase):
    """
    Servers with and without TLS, and with this and that certificate.
    """

    # Twisted gives these to OpenSSL, not we.
    suppress = _DEPRECATED

    def offer(self, address: str, name: str, alpn: Sequence[str] = (), port: int = 443) -> None:
        """
        Serve there, with a certificate for this name.
        """
        there = self.network.reactor(address)
        factory = ServerFactory()
        factory.noisy = False
        factory.protocol = Echo
        own = _loadPrivate(certificateFor(name))
        options = CertificateOptions(own.privateKey.original, own.original, acceptableProtocols=[each.encode() for each in alpn])
        wrapped = cast(ServerFactory, TLSMemoryBIOFactory(options, False, factory, there))
        there.listenTCP(port, wrapped, interface="0.0.0.0")

    def mumble(self, address: str, words: bytes = b"") -> None:
        """
        Accept connections there, without TLS.
        """

        class Mumbling(ServerFactory):
            noisy = False

            def buildProtocol(self, addr: object) -> Protocol:
                return Mute(words)

        self.network.reactor(address).listenTCP(443, Mumbling(), interface="0.0.0.0")

    def https(
        self, *texts: str, entry: Entry | None = None, alpn: Sequence[str] | None = None, timeout: float = 30, port: int = 443
    ) -> HTTPSEndpoint:
        """
        @param texts: HTTPS records.

        @return: an endpoint for the host that has them.
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
        Connect, with five seconds for it.
        """
        found = endpoint.connect(client or self.client)
        self.network.advance(5)
        return found

    def unreached(self, found: Deferred[IProtocol]) -> TargetsFailed:
        """
        @return: why no target can be reached.
        """
        error = self.failureResultOf(found, TargetsFailed).value
        assert isinstance(error, TargetsFailed)
        self.assertEqual(self.here.connections, [])
        return error

    def negotiated(self, found: Deferred[IProtocol]) -> str:
        """
        @return: the protocol that was agreed upon.
        """
        told = cast(Told, self.successResultOf(found))
        tls = cast(TLSMemoryBIOProtocol, told.transport)
        spoken = tls.negotiatedProtocol
        tls.loseConnection()
        self.network.advance(1)
        return "" if spoken is None else spoken.decode()

    def test_elsewhere(self) -> None:
        """
        A record leads to another host and port, and the certificate is that of whom was asked for.
        """
        self.offer("192.0.2.81", "www.example.org", port=8443)
        found = self.connected(self.https("1 cdn.example.net. port=8443"))
        self.assertEqual(self.reached(found), "192.0.2.81 8443")

    def test_wrongCertificate(self) -> None:
        """
        A server whose certificate is for its own name, or anybody else's, is passed over, and the caller's factory never hears of it.
        """
        self.offer("192.0.2.81", "cdn.example.net")
        self.offer("192.0.2.80", "www.example.org")
        found = self.connected(self.https("1 cdn.example.net."))
        self.assertEqual(self.reached(found), "192.0.2.80 443")
        self.assertEqual(len(self.client.built), 1)
        self.offer("192.0.2.82", "other.example.net")
        found = self.connected(self.https("1 other.example.net."))
        self.reached(found)

    def test_wrongCertificateOnly(self) -> None:
        """
        Where there is no other, connecting fails, and the words say why.
        """
        self.offer("192.0.2.80", "cdn.example.net")
        error = self.unreached(self.connected(self.https()))
        self.assertIn("www.example.org:443 at 192.0.2.80: ", str(error))
        self.assertIn("certificate", str(error))
        self.assertEqual(self.client.built, [])

    def test_notTrusted(self) -> None:
        """
        Neither does a certificate count whose authority is not trusted: without other words, this machine's count.
        """
        self.offer("192.0.2.80", "www.example.org")
        endpoint = HTTPSEndpoint(self.here, "www.example.org", resolver=self.zone({("www.example.org", "A"): "192.0.2.80"}))
        error = self.unreached(self.connected(endpoint))
        self.assertIsInstance(error.attempts[0].error, TLSError)
        self.assertIn("certificate verify failed", str(error))

    def test_noTLS(self) -> None:
        """
        A server that speaks something else is passed over at once.
        """
        self.mumble("192.0.2.81", b"220 welcome\r\n" * 10)
        self.offer("192.0.2.80", "www.example.org")
        found = self.https("1 cdn.example.net.").connect(self.client)
        self.network.advance(0.2)
        self.assertEqual(self.reached(found), "192.0.2.80 443")
        self.assertEqual(len(self.client.built), 1)

    def test_slowTLS(self) -> None:
        """
        A server that accepts connections and does not answer holds up nobody, and is let go.
        """
        self.mumble("192.0.2.81")
        self.offer("192.0.2.82", "www.example.org")
        found = self.https("1 cdn.example.net.", "1 other.example.net.").connect(self.client)
        self.network.advance(0.5)
        self.assertEqual(self.reached(found), "192.0.2.82 443")
        self.assertEqual(len(self.client.built), 1)

    def test_timeout(self) -> None:
        """
        The time of an attempt is for TLS as well.
        """
        self.mumble("192.0.2.80")
        found = self.https(timeout=3).connect(self.client)
        self.network.advance(2.9)
        self.assertNoResult(found)
        self.network.advance(0.2)
        error = self.unreached(found).attempts[0].error
        self.assertIsInstance(error, TimeoutError)
        self.assertIn("TLS", str(error))

    def test_timeoutBefore(self) -> None:
        """
        Where not even a connection comes about, TLS is not blamed for it.
        """
        self.network.shape("192.0.2.80", silent=True)
        found = self.https(timeout=3).connect(self.client)
        self.network.advance(3.1)
        error = self.unreached(found).attempts[0].error
        self.assertIsInstance(error, TimeoutError)
        self.assertNotIn("TLS", str(error))

    def test_cancel(self) -> None:
        """
        Cancelling closes a connection that waits for TLS, and one that waits for TCP.
        """
        self.mumble("192.0.2.80")
        for seconds in (0, 0.015, 1):
            found = self.https().connect(self.client)
            self.network.advance(seconds)
            found.cancel()
            self.failureResultOf(found, ConnectingCancelledError)
            self.network.advance(0)
            self.assertEqual(self.here.pending(), [])

    def test_protocols(self) -> None:
        """
        What is offered is all that the caller or his factory has, whatever the record says (RFC 9460, section 7.1.2); nothing, if
        neither says anything. A record for others alone is left out.
        """
        # The server prefers the first.
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

    def test_port(self) -> None:
        """
        Another port has records of its own.
        """
        self.offer("192.0.2.81", "www.example.org", port=8443)
        found = self.connected(self.https("1 cdn.example.net.", port=8443))
        self.assertEqual(self.reached(found), "192.0.2.81 8443")

    def test_failing(self) -> None:
        """
        Where records cannot be looked up, the host itself is connected to; where they are forged, nobody is.
        """
        self.offer("192.0.2.80", "www.example.org")
        found = self.connected(self.https(entry=ServerFailed("no")))
        self.assertEqual(self.reached(found), "192.0.2.80 443")
        self.failureResultOf(self.connected(self.https(entry=TrustFault("forged"))), DNSServerError)

    def test_literal(self) -> None:
        """
        The certificate of an address is that of the address.
        """
        self.offer("192.0.2.80", "192.0.2.80")
        endpoint = HTTPSEndpoint(
            self.here, "192.0.2.80", trustRoot=trusting([_loadPublic(authority()[0])]), resolver=self.zone({})
        )
        self.assertEqual(repr(endpoint), "<HTTPSEndpoint 192.0.2.80:443>")
        self.assertEqual(self.reached(self.connected(endpoint)), "192.0.2.80 443")

    def test_protocol(self) -> None:
        """
        The caller's protocol begins when there is TLS; it is told of the handshake if it wants to be, and then of its data.
        """
        self.offer("192.0.2.80", "www.example.org")
        client = ListeningClient()
        found = self.connected(self.https(), client)
        told = cast(Listening, client.built[0])
        self.assertEqual(told.events, ["connection", "handshake", "hello"])
        self.reached(found)
        self.assertIsNotNone(told.lost)

    def test_factory(self) -> None:
        """
        What the caller's factory and protocol raise, and that it builds nothing, is told as without TLS.
        """

        class Broken(Client):
            def buildProtocol(self, addr: IAddress | None) -> Told:
                raise KeyError("mine")

        class Unwilling(Client):
            def buildProtocol(self, addr: IAddress | None) -> Told:
                return cast(Told, None)

        class Unable(Listening):
            def connectionMade(self) -> None:
                raise KeyError("mine")

        class Deaf(Listening):
            def handshakeCompleted(self) -> None:
                raise KeyError("mine")

        class Building(Client):
            def __init__(self, kind: type[Listening]) -> None:
                super().__init__()
                self.kind = kind

            def buildProtocol(self, addr: IAddress | None) -> Told:
                return self.kind()

        self.offer("192.0.2.80", "www.example.org")
        self.offer("192.0.2.81", "www.example.org")
        self.failureResultOf(self.connected(self.https(), Broken()), KeyError)
        self.unreached(self.connected(self.https(), Unwilling()))
        for kind in (Unable, Deaf):
            del self.dials[:]
            self.failureResultOf(self.connected(self.https("1 cdn.example.net."), Building(kind)), KeyError)
            self.assertEqual([address for _, address in self.dials], ["192.0.2.81"])
            self.assertEqual(self.here.connections, [])

    def test_wrong(self) -> None:
        """
        What is no host, no port, no protocol and nothing to trust are told when the endpoint is made.
        """
        for host in ("a..b", "", ".", "a b", "1.2.3", "a:443", None, b"a", "a-.example", f"{'a' * 60}." * 4 + "a" * 8):
            self.assertRaises(BadName, HTTPSEndpoint, self.here, host, 8443)
        for port in (0, 65536, "443", None):
            self.assertRaises(CallerFault, HTTPSEndpoint, self.here, "a", port)
        for alpn in (["h\xb2"], ["h" * 256], [""], [b"h2"], "h2", 5):
            said = str(self.assertRaises(CallerFault, HTTPSEndpoint, self.here, "a", alpn=alpn))
            self.assertTrue(said.startswith("alpn: "), said)
        for name in ("trustRoot", "clientCertificate", "recordDelay"):
            said = str(self.assertRaises(CallerFault, HTTPSEndpoint, self.here, "a", **{name: "a.pem"}))
            self.assertTrue(said.startswith(f"{name}: 'a.pem' is "), said)

    def test_wrongFactory(self) -> None:
        """
        A factory that cannot say what it speaks makes connecting fail.
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

    def test_otherScripts(self) -> None:
        """
        A name in another script is the same to TLS as it is to the DNS, however it is written.
        """
        self.offer("192.0.2.80", "xn--bcher-kva.example.org")
        resolver = self.zone({("xn--bcher-kva.example.org", "A"): "192.0.2.80"})
        trusted = trusting([_loadPublic(authority()[0])])
        for host in ("b\xfccher.example.org", "B\xdcCHER.example.org", "b\xfccher\u3002example\u3002org", "XN--BCHER-KVA.example.org."):
            found = self.connected(HTTPSEndpoint(self.here, host, trustRoot=trusted, resolver=resolver))
            self.assertEqual(self.reached(found), "192.0.2.80 443")

    def test_scope(self) -> None:
        """
        The certificate of an address is for it with any scope, which is known on this machine alone.
        """
        made: list[str] = []
        real = optionsForClientTLS

        def options(host: str, *rest: object) -> object:
            made.append(host)
            return cast("Callable[..., object]", real)(host, *rest)

        self.patch(ssl, "optionsForClientTLS", options)
        endpoint = HTTPSEndpoint(self.here, "[fe80::1%lo]")
        self.assertEqual((repr(endpoint), made), ("<HTTPSEndpoint [fe80::1%lo]:443>", ["fe80::1"]))

    def test_dropped(self) -> None:
        """
        On a network where questions for HTTPS records are dropped, and such for addresses are not, the host itself is connected to well
        before the look-up has taken its time, each time; unless the records are to be waited for.
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
        # Both families once, since they are kept; the records anew each time.
        asked = {rrType: {each.message.id for each in server.asked if each.question.rrType == rrType} for rrType in (1, 28, 65)}
        self.assertEqual((len(asked[1]), len(asked[28])), (1, 1))
        self.assertGreaterEqual(len(asked[65]), 3)
