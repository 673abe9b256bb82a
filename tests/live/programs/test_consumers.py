"""
TLS by name over loopback: the reactor resolves the name with an installed resolver, and certificates are checked against the name.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Protocol as Shape
from typing import cast

import pytest
import pytest_twisted
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import HostnameEndpoint, wrapClientTLS
from twisted.internet.error import DNSLookupError
from twisted.internet.interfaces import IListeningPort, IOpenSSLContextFactory, IReactorSSL, IStreamClientEndpoint
from twisted.internet.protocol import Factory, Protocol
from twisted.web.client import Agent, BrowserLikePolicyForHTTPS, HTTPConnectionPool, readBody
from twisted.web.iweb import IAgent, IResponse
from twisted.web.server import Request

from tests.pages import Page, siteOf
from twisted_ext.client import createResolver
from twisted_ext.compat.install import globalReactor
from twisted_ext.testing.servers import whereOf

__all__: list[str] = []

pytest.importorskip("OpenSSL")
pytest.importorskip("service_identity")

# Twisted uses deprecated functions of pyOpenSSL.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


class _Page(Page):
    """
    A page with a fixed text.
    """

    isLeaf = True

    def render_GET(self, request: Request) -> bytes:
        """
        Return the text.
        """
        return b"by TLS"


class _Authority(Shape):
    """
    A certificate and its key, for servers or as a trust root.
    """

    original: object


class _Greeting(Protocol):
    """
    Record the first data after a successful handshake.
    """

    def __init__(self) -> None:
        self.heard: Deferred[bytes] = Deferred()

    def connectionMade(self) -> None:
        assert self.transport is not None
        self.transport.write(b"GET / HTTP/1.0\r\n\r\n")

    def dataReceived(self, data: bytes) -> None:
        if not self.heard.called:
            self.heard.callback(data)
            assert self.transport is not None
            self.transport.loseConnection()


def _certificate(name: str) -> bytes:
    """
    Return a self-signed certificate for a host, and its key.
    """
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    return made.public_bytes(serialization.Encoding.PEM) + key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


class _Secure:
    """
    A web server with a certificate for C{secure.example}, and clients that trust it.
    """

    def __init__(self) -> None:
        from twisted.internet import ssl

        pem = _certificate("secure.example")
        self._ssl = ssl
        self.trusted = cast("Callable[[bytes], _Authority]", ssl.Certificate.loadPEM)(pem)
        own = cast("Callable[[bytes], ssl.PrivateCertificate]", ssl.PrivateCertificate.loadPEM)(pem)
        site = siteOf(_Page())
        self.reactor = globalReactor()
        listening: IListeningPort = cast(IReactorSSL, self.reactor).listenSSL(
            0, site, cast("Callable[[], IOpenSSLContextFactory]", own.options)(), interface="127.0.0.1"
        )
        self.listening = listening
        self.port = whereOf(listening.getHost())[1]

    async def fetch(self, name: str) -> bytes:
        """
        Return the page that Twisted's web client gets.
        """
        policy = cast("Callable[..., object]", BrowserLikePolicyForHTTPS)(trustRoot=self.trusted)
        pool = cast("Callable[..., object]", HTTPConnectionPool)(self.reactor, persistent=False)
        agent = cast("Callable[..., IAgent]", Agent)(self.reactor, policy, pool=pool)
        response = await agent.request(b"GET", f"https://{name}:{self.port}/".encode())
        return await cast("Callable[[IResponse], Deferred[bytes]]", readBody)(response)

    async def connect(self, name: str) -> bytes:
        """
        Return the data that the protocol of an endpoint gets.
        """
        options = cast("Callable[..., object]", self._ssl.optionsForClientTLS)(name, trustRoot=self.trusted)
        wrap = cast("Callable[..., IStreamClientEndpoint]", wrapClientTLS)
        greeting = _Greeting()
        factory = Factory.forProtocol(lambda: greeting)
        factory.noisy = False
        await wrap(options, HostnameEndpoint(self.reactor, name, self.port)).connect(factory)
        return await greeting.heard


@asynccontextmanager
async def _secure(hosts: Path) -> AsyncIterator[_Secure]:
    """
    Start the server and a resolver that knows two names for it, and stop both.
    """
    hosts.write_text("127.0.0.1 secure.example other.example\n")
    resolver = createResolver(servers=[("127.0.0.1", 9)], hosts=str(hosts))
    made = _Secure()
    undo = resolver.install()
    try:
        yield made
    finally:
        undo()
        await resolver.close()
        await cast("Deferred[None]", made.listening.stopListening())


@pytest_twisted.ensureDeferred
async def test_webClientChecksTheName(tmp_path: Path) -> None:
    """
    Twisted's web client reaches a host over HTTPS. It rejects a certificate for another name at the same address.
    """
    from twisted.web.client import ResponseNeverReceived

    async with _secure(tmp_path / "hosts") as secure:
        assert await secure.fetch("secure.example") == b"by TLS"
        with pytest.raises(ResponseNeverReceived):
            await secure.fetch("other.example")
        with pytest.raises(DNSLookupError):
            await secure.fetch("nowhere.invalid")


@pytest_twisted.ensureDeferred
async def test_TLSEndpointResolvesTheName(tmp_path: Path) -> None:
    """
    A TLS endpoint reaches a host by name, and fails for an unknown name.
    """
    async with _secure(tmp_path / "hosts") as secure:
        assert (await secure.connect("secure.example")).startswith(b"HTTP/")
        with pytest.raises(DNSLookupError):
            await secure.connect("nowhere.invalid")
