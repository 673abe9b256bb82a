"""
How TLS authenticates a server (RFC 8310): by its name or address and an authority, by pinned keys, or both.

L{TLSTerms} holds what is expected. Its L{TLSHandshake}, one for each connection, is the connection creator for Twisted's
L{TLSMemoryBIOFactory<twisted.protocols.tls.TLSMemoryBIOFactory>}, and describes each failure in one line.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final
from weakref import WeakKeyDictionary

from OpenSSL import SSL, crypto
from twisted.internet.interfaces import IOpenSSLClientConnectionCreator
from twisted.logger import Logger
from twisted.protocols.tls import TLSMemoryBIOProtocol
from twisted.python.failure import Failure
from zope.interface import implementer

from twisted_ext.errors import BadDescription, BadName
from twisted_ext.limits import TLS_PINS, TLS_SESSION_SECONDS, TLS_SESSIONS
from twisted_ext.transport.servers import Server
from twisted_ext.transport.tls.faults import peerProblem
from twisted_ext.transport.tls.pemfiles import certificatesIn, keyFrom, pemIn, warnOfKey
from twisted_ext.transport.tls.pins import namesOf, pinFromText, pinOf, pinToText
from twisted_ext.transport.tls.trust import Authorities, certificateProblem, isAddress
from twisted_ext.wire.names import nameFromText, nameToText

if TYPE_CHECKING:
    from cryptography import x509

    from twisted_ext.transport.tls.dane import Dane

__all__ = ["DOT", "TLSDetails", "TLSHandshake", "TLSTerms", "namesOf", "pinFromText", "pinOf", "pinToText"]

#: The ALPN identifier of DNS over TLS.
DOT: Final = b"dot"

_log: Final = Logger(__name__)

_VERSIONS: Final = {"1.2": SSL.TLS1_2_VERSION, "1.3": SSL.TLS1_3_VERSION}


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
    @ivar certificate: the server's own, if it is known.
    """

    version: str
    cipher: str
    protocol: str
    names: str
    pin: str
    resumed: bool
    certificate: x509.Certificate | None = None


class TLSTerms:
    """
    What a client expects of servers, and shows them. A server that does not meet all of it is not used.

    With C{pins} and without C{name}, the server's own key has to be one of the pinned ones, and its certificate does not matter otherwise
    (RFC 7858, section 4.2). In all other cases, an authority has to vouch for the certificate, which has to be for C{name}, or for the
    server's address if there is no name (RFC 8310, section 8.1); with C{pins} as well, one of the keys from the authority to the server has
    to be a pinned one. The same applies to C{hashes}, which never replace the authority. With C{dane}, the TLSA records of the name say
    what the server has to show (RFC 7671), and whether an authority is asked at all.

    @ivar name: the servers' host name in ASCII, or C{""}.
    @ivar pins: digests of public keys; see L{pinFromText}.
    @ivar hashes: SHA-256 digests of the signed part of certificates, as in DNS stamps.
    @ivar authorities: those that are trusted.
    @ivar dane: the TLSA records of the server, or L{None}.
    @ivar resume: whether sessions are continued. With revocation lists or TLSA records, each connection is checked again.
    @ivar protocols: what to offer by ALPN.
    """

    def __init__(
        self,
        name: str = "",
        *,
        pins: Iterable[bytes] = (),
        hashes: Iterable[bytes] = (),
        ca: str = "",
        crl: str = "",
        dane: Dane | None = None,
        certificate: str = "",
        key: str = "",
        protocols: Sequence[bytes] = (DOT,),
        protocolNeeded: bool = False,
        protocolAdvice: str = "",
        minimum: str = "1.2",
        resume: bool = True,
    ) -> None:
        """
        @param ca: the path of a file with certificates of authorities in PEM, or C{""} for those of the system.
        @param crl: the path of a file with revocation lists of all authorities of a chain in PEM; C{""} to check no revocation.
        @param certificate: the path of the client's own certificate chain in PEM, if the server demands one.
        @param key: the path of its key, which may be in the same file.
        @param protocolNeeded: refuse servers that choose none of C{protocols}. DNS over TLS is older than its ALPN identifier, so many of
            its servers choose none.
        @param protocolAdvice: what would be right, for errors about servers that speak none of C{protocols}.
        @param minimum: the lowest TLS version to accept, C{"1.2"} or C{"1.3"}.
        @param resume: continue earlier sessions, which saves a round trip or the server's signature.

        @raise BadDescription: one of them is not valid, or a file cannot be used.
        """
        self.name = _hostName(name) if name else ""
        self.pins = frozenset(pins)
        self.hashes = frozenset(hashes)
        self.dane = dane
        self.protocols = tuple(protocols)
        self.protocolNeeded = protocolNeeded
        self.protocolAdvice = f"; {protocolAdvice}" if protocolAdvice else ""
        if len(self.pins) + len(self.hashes) > TLS_PINS.default:
            raise BadDescription(f"{len(self.pins) + len(self.hashes)} pins and hashes; {TLS_PINS.default:.0f} are the most")
        if minimum not in _VERSIONS:
            raise BadDescription(f"{minimum!r} is not a TLS version that can be required; there are {', '.join(_VERSIONS)}")
        self._keyAlone = bool(self.pins) and not self.name and not self.hashes
        if self._keyAlone and (ca or crl):
            raise BadDescription(f"with pins alone, no authority is asked: leave out {'ca' if ca else 'crl'}, or add name")
        if dane is not None and (self.pins or self.hashes or crl):
            other = "pins" if self.pins else "hashes" if self.hashes else "crl"
            raise BadDescription(f"with dane, TLSA records say which certificate is right: leave out {other}, or dane")
        self.authorities = Authorities(ca, crl)
        self.resume = resume and not crl and dane is None
        self._sessions: dict[tuple[str, int, str], tuple[SSL.Session, float]] = {}
        context = self._context = SSL.Context(SSL.TLS_CLIENT_METHOD)
        context.set_min_proto_version(_VERSIONS[minimum])
        context.set_options(SSL.OP_NO_COMPRESSION | SSL.OP_NO_RENEGOTIATION)
        # An idle connection needs no buffers.
        context.set_mode(SSL.MODE_RELEASE_BUFFERS)
        if self.protocols:
            context.set_alpn_protos(list(self.protocols))
        # One callback for all connections: pyOpenSSL makes a reference cycle for each.
        context.set_verify(SSL.VERIFY_PEER, _check)
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
        return TLSHandshake(self, server, now, name)

    def expected(self, name: str) -> str:
        """
        Describe what a server has to show.

        @param name: as L{nameFor} returns it.
        """
        if self.dane is not None:
            return self.dane.expected
        parts: list[str] = []
        if name:
            ca = self.authorities.ca
            authority = f"an authority in {ca}" if ca else "an authority that the system trusts"
            parts.append(f"a certificate for {name!r} from {authority}")
        if self.pins:
            shown = sorted(map(pinToText, self.pins))
            parts.append(f"a key with the pin {shown[0]}" + (f" or {len(shown) - 1} others" if len(shown) > 1 else ""))
        if self.hashes:
            parts.append(f"a certificate with the hash {min(self.hashes).hex()}" + (" or another one" if len(self.hashes) > 1 else ""))
        return " and ".join(parts)

    def problem(self, server: Server, name: str, certificates: Sequence[x509.Certificate]) -> str:
        """
        Check whether a server has shown what is expected of it.

        @param name: as for C{nameFor}.
        @param certificates: its certificate, then the others that it sent.

        @return: the problem, in one line, or C{""}.
        """
        wanted = self.nameFor(server, name)
        return certificateProblem(
            certificates,
            expected=self.expected(wanted),
            name=wanted,
            pins=self.pins,
            hashes=self.hashes,
            authorities=self.authorities,
            dane=self.dane,
        )

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
        if not self.resume:
            return
        sessions.pop(key, None)
        if len(sessions) >= TLS_SESSIONS.default:
            del sessions[next(iter(sessions))]
        sessions[key] = (session, now + TLS_SESSION_SECONDS.default)


@implementer(IOpenSSLClientConnectionCreator)
class TLSHandshake:
    """
    One connection's handshake: checks the server, and describes what failed.
    """

    def __init__(self, terms: TLSTerms, server: Server, now: Callable[[], float], name: str = "") -> None:
        self._terms = terms
        self._server = server
        self._name = terms.nameFor(server, _hostName(name) if name else "")
        self._key = (server.address, server.port, self._name)
        self._now = now
        self._connection: SSL.Connection | None = None
        self._resumes = False
        self._asked = False
        self._accepted = False
        self._problem = ""

    def clientConnectionForTLS(self, tlsProtocol: TLSMemoryBIOProtocol) -> SSL.Connection:
        return self.begin()

    def begin(self) -> SSL.Connection:
        """
        Make the connection. Without Twisted's TLS protocol, the caller moves its octets to and from a socket.
        """
        connection = self._connection = self._terms.connection()
        if self._name and not isAddress(self._name):
            connection.set_tlsext_host_name(self._name.encode("ascii"))
        session = self._terms.takeSession(self._key, self._now())
        if session is not None:
            connection.set_session(session)
            self._resumes = True
        _UNDER_WAY[connection] = self
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
            self._problem = f"expected the protocol {_spelled(terms.protocols)} (ALPN), {came}{terms.protocolAdvice}"
        return self._problem

    def failure(self, reason: Failure, done: bool) -> str:
        """
        Describe why the connection has ended.

        @param done: whether that was after the handshake.
        """
        return self._problem or peerProblem(reason, _spelled(self._terms.protocols) + self._terms.protocolAdvice, done)

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
            certificate,
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
        _UNDER_WAY.pop(connection, None)

    def check(self, connection: SSL.Connection) -> bool:
        """
        Check the certificates that the server has sent, if that has not been done yet. Exceptions would get lost in OpenSSL, so none leaves
        this method.

        @return: whether they are right.
        """
        if not self._asked:
            self._asked = True
            try:
                came = connection.get_peer_cert_chain(as_cryptography=True) or ()
                self._problem = self._terms.problem(self._server, self._name, came)
                self._accepted = not self._problem
            except Exception as fault:
                self._problem = f"its certificate cannot be read: {fault}"
        return self._accepted


def _check(connection: SSL.Connection, certificate: crypto.X509, error: int, depth: int, fine: int) -> bool:
    """
    Called by OpenSSL once or more for the certificates of a handshake. OpenSSL knows no authorities here: all is decided by the same code
    as for QUIC.
    """
    handshake = _UNDER_WAY.get(connection)
    return handshake is not None and handshake.check(connection)


#: The handshakes by their connections, which are all that OpenSSL passes to the callback, until these end.
_UNDER_WAY: Final[WeakKeyDictionary[SSL.Connection, TLSHandshake]] = WeakKeyDictionary()


def _hostName(text: str) -> str:
    """
    Return a host name in ASCII without its final dot, or an address in canonical form.
    """
    if isAddress(text):
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


def _show(context: SSL.Context, path: str, keyPath: str) -> None:
    """
    Give a context the client's certificate.
    """
    own, *issuers = certificatesIn(path, "the client's certificate")
    octets = pemIn(keyPath, "the client's key")
    if keyPath == path and b"PRIVATE KEY-----" not in octets:
        raise BadDescription(f"{path}: there is no private key in it; add it, or name its file by key=")
    key = keyFrom(octets, keyPath, "client")
    warnOfKey(keyPath)
    if not own.not_valid_before_utc <= datetime.now(UTC) <= own.not_valid_after_utc:
        _log.warn(
            "{path}: the client's certificate is valid from {start} to {end}; servers will reject it",
            path=path,
            start=f"{own.not_valid_before_utc:%Y-%m-%d %H:%M} UTC",
            end=f"{own.not_valid_after_utc:%Y-%m-%d %H:%M} UTC",
        )
    if key.public_key() != own.public_key():
        if any(key.public_key() == each.public_key() for each in issuers):
            raise BadDescription(f"{path}: the client's certificate has to come first, before those of its chain")
        raise BadDescription(f"{keyPath}: the key does not belong to the certificate in {path} ({own.subject.rfc4514_string()})")
    try:
        context.use_certificate(own)
        for issuer in issuers:
            context.add_extra_chain_cert(issuer)
        context.use_privatekey(key)
    except SSL.Error as error:
        raise BadDescription(f"{path}: OpenSSL cannot use this certificate: {error}") from None
