"""
Chains of certificates, right and wrong, and servers that show them over TLS, HTTPS and QUIC on a memory network.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache
from ipaddress import ip_address
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from OpenSSL import crypto

from tests.networks import WWW
from tests.transport.https.httpsservers import HTTPSServer
from tests.transport.tlsservers import ServerTLS
from twisted_ext.answers import QueryContext
from twisted_ext.metrics.counters import Counters
from twisted_ext.resolver.ask import lookUp
from twisted_ext.resolver.strings.descriptions import sourceFromString
from twisted_ext.server.listeners.https.headers import HeadMemory
from twisted_ext.server.listeners.https.request import Endpoint
from twisted_ext.server.listeners.quic.listener import QuicListener
from twisted_ext.server.listeners.tls.certificates import Certificates, Pair
from twisted_ext.server.reply.acl import Access
from twisted_ext.server.reply.packetcaches import packetCacheFor
from twisted_ext.server.reply.respond import Responder
from twisted_ext.testing.network import MemoryNetwork
from twisted_ext.testing.servers import CannedServer
from twisted_ext.testing.sources import CannedSource, questionOf

__all__ = ["ADDRESS", "NAME", "TRANSPORTS", "Issuer", "Rig", "Shown", "crl", "forServers", "issuer", "keyFor", "names", "signed"]

NAME: Final = "dns.example"

ADDRESS: Final = "192.0.2.53"

#: Descriptions of the server over each transport.
TRANSPORTS: Final = {
    "tls": "tls:{address}#{name}",
    "https": "https://{name}:address={address}",
    "quic": "quic:{address}#{name}",
    "http3": "https://{name}:address={address}:http3=only",
}

Key = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey


@cache
def keyFor(owner: str, bits: int = 0) -> Key:
    """
    Return the key of an owner, which stays the same.

    @param bits: for an RSA key.
    """
    if bits:
        return rsa.generate_private_key(65537, bits)
    return ec.generate_private_key(ec.SECP256R1())


@dataclass(frozen=True)
class Issuer:
    """
    An authority.
    """

    certificate: x509.Certificate
    key: Key


def names(*texts: str) -> x509.SubjectAlternativeName:
    """
    Return the extension with these names and addresses.
    """
    general: list[x509.GeneralName] = []
    for text in texts:
        try:
            general.append(x509.IPAddress(ip_address(text)))
        except ValueError:
            general.append(x509.DNSName(text))
    return x509.SubjectAlternativeName(general)


def _named(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def signed(
    subject: str,
    by: Issuer | None,
    *extensions: x509.ExtensionType,
    key: Key | None = None,
    begins: int = -1,
    ends: int = 30,
    sha1: bool = False,
) -> x509.Certificate:
    """
    Return a certificate.

    @param by: its authority; L{None} for a self-signed one.
    @param begins: when it becomes valid, in days from now.
    @param ends: when it expires, in days from now.
    """
    own = key or keyFor(subject)
    now = datetime.now(UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(_named(subject))
        .issuer_name(_named(subject) if by is None else by.certificate.subject)
        .public_key(own.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now + timedelta(days=begins))
        .not_valid_after(now + timedelta(days=ends))
    )
    for extension in extensions:
        builder = builder.add_extension(extension, critical=isinstance(extension, x509.BasicConstraints))
    issuerKey = own if by is None else by.key
    made = builder.sign(issuerKey, hashes.SHA256())
    if sha1:
        # cryptography signs with no such digest any more.
        old = crypto.X509.from_cryptography(made)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            old.sign(crypto.PKey.from_cryptography_key(issuerKey), "sha1")
        made = old.to_cryptography()
    return made


def issuer(
    subject: str,
    by: Issuer | None = None,
    *extensions: x509.ExtensionType,
    key: Key | None = None,
    begins: int = -1,
    ends: int = 30,
    sha1: bool = False,
    ca: bool = True,
) -> Issuer:
    """
    Return an authority; a root without C{by}.
    """
    own = key or keyFor(subject)
    constraints = x509.BasicConstraints(ca=ca, path_length=None)
    return Issuer(signed(subject, by, constraints, *extensions, key=own, begins=begins, ends=ends, sha1=sha1), own)


def crl(by: Issuer, *revoked: x509.Certificate, begins: int = -1, ends: int = 7) -> bytes:
    """
    Return an authority's revocation list in PEM.
    """
    now = datetime.now(UTC)
    builder = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(by.certificate.subject)
        .last_update(now + timedelta(days=begins))
        .next_update(now + timedelta(days=ends))
    )
    for each in revoked:
        entry = x509.RevokedCertificateBuilder().serial_number(each.serial_number).revocation_date(now).build()
        builder = builder.add_revoked_certificate(entry)
    return builder.sign(by.key, hashes.SHA256()).public_bytes(Encoding.PEM)


def forServers() -> x509.ExtendedKeyUsage:
    return x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH])


@dataclass(frozen=True)
class Shown:
    """
    What a server shows.
    """

    certificates: Sequence[x509.Certificate]
    key: Key = field(default_factory=lambda: keyFor("server"))

    def pem(self) -> bytes:
        plain = self.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        return plain + b"".join([each.public_bytes(Encoding.PEM) for each in self.certificates])

    def pair(self) -> Pair:
        """
        Return the certificates for a QUIC server, without the checks of a server that starts.
        """
        pair = Pair.__new__(Pair)
        pair.label = "shown"
        pair.leaf, pair.chain = self.certificates[0], list(self.certificates[1:])
        pair.key = self.key
        pair.names = ()
        pair.texts = self.pem(), self.pem()
        return pair


class Rig:
    """
    A network with a client and one server.

    @ivar network: the network.
    @ivar queries: the number of queries that have reached the server.
    """

    def __init__(self, folder: Path, network: MemoryNetwork | None = None) -> None:
        self.folder = folder
        self.network = network or MemoryNetwork(seed=1)
        self.network.shape(delay=0.01)
        self.here = self.network.reactor("192.0.2.7")
        self.there = self.network.reactor(ADDRESS)
        self.canned = CannedServer(WWW)
        self.counters: Counters | None = None
        self._web = HTTPSServer(self.canned)
        self._listener: QuicListener | None = None

    @property
    def queries(self) -> int:
        quic = self.counters.tcp if self.counters is not None else 0
        return len(self.canned.asked) + len(self._web.requests) + quic

    def write(self, name: str, *pieces: bytes | x509.Certificate) -> str:
        """
        Write a file in PEM.

        @return: its path.
        """
        path = self.folder / name
        path.write_bytes(b"".join([each if isinstance(each, bytes) else each.public_bytes(Encoding.PEM) for each in pieces]))
        return str(path)

    def serve(self, transport: str, shown: Shown, demands: bytes = b"") -> None:
        """
        Start the server.

        @param demands: the authority of clients' certificates in PEM, if it demands one; not for QUIC and HTTP/3.
        """
        if transport in ("quic", "http3"):
            certificates = Certificates([shown.pair()], self.there.seconds)
            source = CannedSource({("www.test.example", "A"): "192.0.2.80"})
            responder = Responder(source, self.there, packetCache=packetCacheFor(Access({"allow": ["any"]})))
            heads = HeadMemory(Endpoint()) if transport == "http3" else None
            port = 853 if heads is None else 443
            self._listener = QuicListener(self.there, responder, certificates, ADDRESS, port, heads=heads)
            self._listener.start()
            self.counters = responder.counters
        elif transport == "tls":
            self.canned.listenTLS(self.there, ServerTLS(shown.pem(), demands=demands))
        else:
            self._web.listen(self.there, ServerTLS(shown.pem(), protocols=[b"h2"], demands=demands))

    def look(self, description: str, seconds: float = 5.0) -> str:
        """
        Look a name up, and close the source.

        @return: C{""} if it was answered, else the error.
        """
        source = sourceFromString(self.here, description)
        outcome: list[str] = []
        found = lookUp(source, questionOf("www.test.example"), QueryContext(self.here.seconds() + seconds))
        found.addCallbacks(lambda answer: outcome.append(""), lambda failure: outcome.append(failure.getErrorMessage()))
        self.network.advance(seconds + 1)
        source.close()
        self.network.advance(2)
        assert self.here.pending() == []
        (text,) = outcome
        return text

    def close(self) -> None:
        if self._listener is not None:
            self._listener.stop()
            self.network.advance(1)
