"""
How TLS authenticates a server (RFC 8310): by its name or address and an authority, by pinned keys, or both.

L{TLSTerms} holds what is expected. Its L{TLSHandshake}, one for each connection, is the connection creator for Twisted's
L{TLSMemoryBIOFactory<twisted.protocols.tls.TLSMemoryBIOFactory>}, and describes each failure in one line.
"""

from __future__ import annotations

from base64 import b64decode, b64encode
from binascii import Error as BadBase64
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from cryptography.hazmat.primitives.asymmetric.ed448 import Ed448PrivateKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key
from OpenSSL import SSL, crypto
from service_identity import CertificateError, VerificationError
from service_identity.cryptography import extract_patterns
from service_identity.hazmat import DNS_ID, IPAddress_ID, verify_service_identity
from twisted.internet.interfaces import IOpenSSLClientConnectionCreator
from twisted.protocols.tls import TLSMemoryBIOProtocol
from twisted.python.failure import Failure
from zope.interface import implementer

from twisted_ext.errors import BadDescription, BadName
from twisted_ext.limits import TLS_NAMES_SHOWN, TLS_PINS, TLS_SESSION_SECONDS, TLS_SESSIONS
from twisted_ext.transport.servers import Server
from twisted_ext.transport.tls.faults import chainProblem, peerProblem
from twisted_ext.wire.names import nameFromText, nameToText

__all__ = ["DOT", "TLSDetails", "TLSHandshake", "TLSTerms", "namesOf", "pinFromText", "pinOf", "pinToText"]

#: The ALPN identifier of DNS over TLS.
DOT: Final = b"dot"

_VERSIONS: Final = {"1.2": SSL.TLS1_2_VERSION, "1.3": SSL.TLS1_3_VERSION}

#: Octets of a pin: a SHA-256 digest.
_PIN_OCTETS: Final = 32


def pinFromText(text: str) -> bytes:
    """
    Parse a pin: the SHA-256 digest of a public key (SubjectPublicKeyInfo) in base64 (RFC 7858, section 4.2), with or without C{sha256/}
    before it.

    @raise BadDescription: it is not a valid pin.
    """
    digits = text.strip().removeprefix("sha256/")
    try:
        pin = b64decode(digits, validate=True)
    except (BadBase64, ValueError):
        pin = b""
    if len(pin) != _PIN_OCTETS:
        raise BadDescription(f"{text!r} is not a valid pin: it takes the SHA-256 digest of a public key in base64, 44 characters")
    return pin


def pinToText(pin: bytes) -> str:
    return b64encode(pin).decode("ascii")


def pinOf(certificate: x509.Certificate) -> bytes:
    """
    Return the digest of the certificate's public key.
    """
    return sha256(certificate.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).digest()


def namesOf(certificate: x509.Certificate) -> str:
    """
    Return the names and addresses that a certificate is for, for display.
    """
    try:
        general = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        names = [*general.get_values_for_type(x509.DNSName), *map(str, general.get_values_for_type(x509.IPAddress))]
    except (x509.ExtensionNotFound, x509.DuplicateExtension, ValueError):
        names = []
    if not names:
        try:
            subject = certificate.subject.rfc4514_string()
        except ValueError:
            subject = ""
        return f"no host name (subject {subject!r})"
    most = int(TLS_NAMES_SHOWN.default)
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return f"{', '.join([repr(name) for name in names[:most]])}{more}"


@dataclass(frozen=True, slots=True)
class TLSDetails:
    """
    The outcome of a handshake, for display.

    @ivar version: C{"TLSv1.3"}.
    @ivar cipher: OpenSSL's name of the cipher suite.
    @ivar protocol: the negotiated ALPN protocol, or C{""}.
    @ivar names: the names in the server's certificate, as L{namesOf} formats them.
    @ivar pin: the digest of the server's key in base64.
    @ivar resumed: whether it continued an earlier session.
    """

    version: str
    cipher: str
    protocol: str
    names: str
    pin: str
    resumed: bool


class TLSTerms:
    """
    What a client expects of servers, and shows them. A server that does not meet all of it is not used.

    With C{pins} and without C{name}, the server's own key has to be one of the pinned ones, and its certificate does not matter otherwise
    (RFC 7858, section 4.2). In all other cases, an authority has to vouch for the certificate, which has to be for C{name}, or for the
    server's address if there is no name (RFC 8310, section 8.1); with C{pins} as well, one of the keys from the authority to the server has
    to be a pinned one. The same applies to C{hashes}, which never replace the authority.

    @ivar name: the servers' host name in ASCII, or C{""}.
    @ivar pins: digests of public keys; see L{pinFromText}.
    @ivar hashes: SHA-256 digests of the signed part of certificates, as in DNS stamps.
    @ivar ca: the path of a file with certificates of authorities in PEM, or C{""} for those of the system.
    @ivar protocols: what to offer by ALPN.
    """

    def __init__(
        self,
        name: str = "",
        *,
        pins: Iterable[bytes] = (),
        hashes: Iterable[bytes] = (),
        ca: str = "",
        certificate: str = "",
        key: str = "",
        protocols: Sequence[bytes] = (DOT,),
        protocolNeeded: bool = False,
        minimum: str = "1.2",
        resume: bool = True,
    ) -> None:
        """
        @param certificate: the path of the client's own certificate chain in PEM, if the server demands one.
        @param key: the path of its key, which may be in the same file.
        @param protocolNeeded: refuse servers that choose none of C{protocols}. DNS over TLS is older than its ALPN identifier, so many of
            its servers choose none.
        @param minimum: the lowest TLS version to accept, C{"1.2"} or C{"1.3"}.
        @param resume: continue earlier sessions, which saves a round trip or the server's signature.

        @raise BadDescription: one of them is not valid, or a file cannot be used.
        """
        self.name = _hostName(name) if name else ""
        self.pins = frozenset(pins)
        self.hashes = frozenset(hashes)
        self.ca = ca
        self.protocols = tuple(protocols)
        self.protocolNeeded = protocolNeeded
        if len(self.pins) + len(self.hashes) > TLS_PINS.default:
            raise BadDescription(f"{len(self.pins) + len(self.hashes)} pins and hashes; {TLS_PINS.default:.0f} are the most")
        if minimum not in _VERSIONS:
            raise BadDescription(f"{minimum!r} is not a TLS version that can be required; there are {', '.join(_VERSIONS)}")
        self._keyAlone = bool(self.pins) and not self.name and not self.hashes
        if ca and self._keyAlone:
            raise BadDescription("with pins alone, no authority is asked: leave out ca, or add name")
        self._resume = resume
        self._sessions: dict[tuple[str, int, str], tuple[SSL.Session, float]] = {}
        context = self._context = SSL.Context(SSL.TLS_CLIENT_METHOD)
        context.set_min_proto_version(_VERSIONS[minimum])
        context.set_options(SSL.OP_NO_COMPRESSION | SSL.OP_NO_RENEGOTIATION)
        # An idle connection needs no buffers.
        context.set_mode(SSL.MODE_RELEASE_BUFFERS)
        if self.protocols:
            context.set_alpn_protos(list(self.protocols))
        self._trusts = bool(ca)
        if ca:
            _trust(context, ca)
        if certificate:
            _show(context, certificate, key or certificate)
        elif key:
            raise BadDescription("a client's key needs its certificate as well")

    def nameFor(self, server: Server, name: str = "") -> str:
        """
        Return the name or address that the server's certificate has to be for; C{""} if only its key matters.

        @param name: the name of this server, if it has another one than C{name}.
        """
        known = name or self.name
        return known if known or self._keyAlone else server.address.partition("%")[0]

    def handshake(self, server: Server, now: Callable[[], float], name: str = "") -> TLSHandshake:
        """
        Make the connection creator for one connection.

        @param now: returns the current time; sessions expire by it.
        @param name: as for L{nameFor}.
        """
        if not self._trusts and self.nameFor(server, name):
            # This reads a long file.
            self._context.set_default_verify_paths()
            self._trusts = True
        return TLSHandshake(self, server, now, name)

    def connection(self) -> SSL.Connection:
        connection = SSL.Connection(self._context, None)
        connection.set_connect_state()
        return connection

    def takeSession(self, key: tuple[str, int, str], now: float) -> SSL.Session | None:
        """
        Return a session to continue. Each is used once, so that observers cannot link connections by it (RFC 8446, appendix C.4).
        """
        found = self._sessions.pop(key, None)
        return found[0] if found is not None and now < found[1] else None

    def keepSession(self, key: tuple[str, int, str], session: SSL.Session, now: float) -> None:
        sessions = self._sessions
        if not self._resume:
            return
        sessions.pop(key, None)
        if len(sessions) >= TLS_SESSIONS.default:
            del sessions[next(iter(sessions))]
        sessions[key] = (session, now + TLS_SESSION_SECONDS.default)


@implementer(IOpenSSLClientConnectionCreator)
class TLSHandshake:
    """
    One connection's handshake: checks the server, and describes what failed.

    @ivar expected: what the server has to show, for display.
    """

    def __init__(self, terms: TLSTerms, server: Server, now: Callable[[], float], name: str = "") -> None:
        self._terms = terms
        self._name = terms.nameFor(server, _hostName(name) if name else "")
        self._isAddress = self._name == server.address.partition("%")[0] or _isAddress(self._name)
        self._key = (server.address, server.port, self._name)
        self._now = now
        self._connection: SSL.Connection | None = None
        self._chainPins: list[bytes] = []
        self._chainHashes: list[bytes] = []
        self._resumes = False
        self._asked = False
        self._accepted = False
        self._problem = ""

    @property
    def expected(self) -> str:
        terms = self._terms
        parts: list[str] = []
        if self._name:
            authority = f"an authority in {terms.ca}" if terms.ca else "an authority that the system trusts"
            parts.append(f"a certificate for {self._name!r} from {authority}")
        if terms.pins:
            shown = sorted(map(pinToText, terms.pins))
            parts.append(f"a key with the pin {shown[0]}" + (f" or {len(shown) - 1} others" if len(shown) > 1 else ""))
        if terms.hashes:
            parts.append(f"a certificate with the hash {min(terms.hashes).hex()}" + (" or another one" if len(terms.hashes) > 1 else ""))
        return " and ".join(parts)

    def clientConnectionForTLS(self, tlsProtocol: TLSMemoryBIOProtocol) -> SSL.Connection:
        connection = self._connection = self._terms.connection()
        if self._name and not self._isAddress:
            connection.set_tlsext_host_name(self._name.encode("ascii"))
        session = self._terms.takeSession(self._key, self._now())
        if session is not None:
            connection.set_session(session)
            self._resumes = True
        connection.set_verify(SSL.VERIFY_PEER, self._check)
        return connection

    def finish(self) -> str:
        """
        Check what can be checked only after the handshake. Nothing may be sent before that.

        @return: the problem, in one line, or C{""}.
        """
        connection = self._connection
        assert connection is not None
        if not self._accepted and (self._asked or not self._resumes):
            return self._problem or "it was not authenticated"
        chosen = connection.get_alpn_proto_negotiated()
        terms = self._terms
        if chosen not in terms.protocols and (chosen or terms.protocolNeeded):
            came = f"it chose {chosen.decode('ascii', 'backslashreplace')!r}" if chosen else "it chose none"
            self._problem = f"expected the protocol {_spelled(terms.protocols)} (ALPN), {came}"
        return self._problem

    def failure(self, reason: Failure, done: bool) -> str:
        """
        Describe why the connection has ended.

        @param done: whether that was after the handshake.
        """
        return self._problem or peerProblem(reason, _spelled(self._terms.protocols), done)

    def encrypt(self, piece: bytes) -> None:
        """
        Encrypt octets into a record of their own, which the next write to the TLS protocol sends as well.
        """
        if self._connection is not None:
            try:
                self._connection.sendall(piece)
            except SSL.Error:
                # The next write meets the same error, and ends the connection.
                pass

    def details(self) -> TLSDetails | None:
        """
        Return the outcome; L{None} once the connection is over.
        """
        connection = self._connection
        if connection is None:
            return None
        certificate = connection.get_peer_certificate(as_cryptography=True)
        return TLSDetails(
            connection.get_protocol_version_name(),
            connection.get_cipher_name() or "",
            connection.get_alpn_proto_negotiated().decode("ascii", "backslashreplace"),
            "" if certificate is None else namesOf(certificate),
            "" if certificate is None else pinToText(pinOf(certificate)),
            self._resumes and not self._asked,
        )

    def over(self, keep: bool) -> None:
        """
        Called when the connection ends.

        @param keep: whether its session may be continued later.
        """
        connection, self._connection = self._connection, None
        if connection is None:
            return
        if keep and not self._problem:
            session = connection.get_session()
            if session is not None:
                self._terms.keepSession(self._key, session, self._now())
        # The connection holds the callback, which holds this.
        connection.set_verify(SSL.VERIFY_PEER, _refuse)

    def _check(self, connection: SSL.Connection, certificate: crypto.X509, error: int, depth: int, fine: int) -> bool:
        """
        Called by OpenSSL for each certificate from the authority to the server, and for each of its errors. Exceptions would get lost, so
        none leaves this method.
        """
        self._asked = True
        if self._problem:
            return False
        try:
            self._problem = self._problemOf(certificate.to_cryptography(), error, depth, bool(fine))
        except Exception as fault:
            self._problem = f"its certificate cannot be read: {fault}"
        return not self._problem

    def _problemOf(self, certificate: x509.Certificate, error: int, depth: int, fine: bool) -> str:
        pins = self._terms.pins
        if not self._name:
            # Only the server's own key counts: it proves possession of no other.
            if depth:
                return ""
            came = pinOf(certificate)
            self._accepted = came in pins
            return "" if self._accepted else f"expected {self.expected}, it showed one with the pin {pinToText(came)}"
        if not fine:
            return f"expected {self.expected}, {chainProblem(certificate, error, depth)}"
        hashes = self._terms.hashes
        if pins:
            self._chainPins.append(pinOf(certificate))
        if hashes:
            self._chainHashes.append(sha256(certificate.tbs_certificate_bytes).digest())
        if depth:
            return ""
        if not _isFor(certificate, self._name, self._isAddress):
            return f"expected {self.expected}, it showed one for {namesOf(certificate)}"
        if pins and pins.isdisjoint(self._chainPins):
            return f"expected {self.expected}, it showed one with the pin {pinToText(self._chainPins[-1])}"
        if hashes and hashes.isdisjoint(self._chainHashes):
            return f"expected {self.expected}, it showed one with the hash {self._chainHashes[-1].hex()}"
        self._accepted = True
        return ""


def _refuse(connection: SSL.Connection, certificate: crypto.X509, error: int, depth: int, fine: int) -> bool:
    return False


def _isFor(certificate: x509.Certificate, name: str, isAddress: bool) -> bool:
    try:
        verify_service_identity(extract_patterns(certificate), [IPAddress_ID(name) if isAddress else DNS_ID(name)], [])
    except (VerificationError, CertificateError, ValueError):
        return False
    return True


def _isAddress(name: str) -> bool:
    try:
        Server(name)
    except BadDescription:
        return False
    return True


def _hostName(text: str) -> str:
    """
    Return a host name in ASCII without its final dot, or an address in canonical form.
    """
    if _isAddress(text):
        return Server(text).address.partition("%")[0]
    try:
        name = nameToText(nameFromText(text)).removesuffix(".").lower()
    except BadName as error:
        raise BadDescription(f"{text!r} is not a valid name of a server: {error}") from None
    if not name or not all(character.isalnum() or character in "-_." for character in name):
        raise BadDescription(f"{text!r} is not a valid name of a server: write a host name such as dns.example, or an address")
    return name


def _spelled(protocols: Sequence[bytes]) -> str:
    return " or ".join([repr(protocol.decode("ascii", "backslashreplace")) for protocol in protocols])


def _read(path: str, what: str) -> bytes:
    try:
        with open(path, "rb") as file:
            return file.read()
    except OSError as error:
        raise BadDescription(f"{path}: cannot read {what}: {error.strerror or error}") from None


def _certificates(path: str, what: str) -> list[x509.Certificate]:
    octets = _read(path, what)
    try:
        return x509.load_pem_x509_certificates(octets)
    except ValueError:
        raise BadDescription(f"{path}: no valid certificate in PEM, which begins with -----BEGIN CERTIFICATE-----") from None


def _trust(context: SSL.Context, path: str) -> None:
    store = context.get_cert_store()
    assert store is not None
    for authority in _certificates(path, "the authorities' certificates"):
        store.add_cert(crypto.X509.from_cryptography(authority))


def _show(context: SSL.Context, path: str, keyPath: str) -> None:
    """
    Give a context the client's certificate.
    """
    own, *issuers = _certificates(path, "the client's certificate")
    octets = _read(keyPath, "the client's key")
    try:
        key = load_pem_private_key(octets, None)
    except TypeError:
        raise BadDescription(f"{keyPath}: the key is encrypted; write it without a passphrase, readable by this program alone") from None
    except ValueError:
        raise BadDescription(f"{keyPath}: no valid private key in PEM, which begins with -----BEGIN PRIVATE KEY-----") from None
    if key.public_key() != own.public_key():
        raise BadDescription(f"{keyPath}: the key is not that of the certificate in {path}")
    if not isinstance(key, RSAPrivateKey | EllipticCurvePrivateKey | Ed25519PrivateKey | Ed448PrivateKey):
        raise BadDescription(f"{keyPath}: not a key for TLS: it takes RSA, ECDSA, Ed25519 or Ed448")
    try:
        context.use_certificate(own)
        for issuer in issuers:
            context.add_extra_chain_cert(issuer)
        context.use_privatekey(key)
    except SSL.Error as error:
        raise BadDescription(f"{path}: OpenSSL cannot use this certificate: {error}") from None
