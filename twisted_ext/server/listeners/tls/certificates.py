"""
The certificates of the encrypted listeners: which one a client gets (SNI), by which protocols (ALPN), and their replacement at run time.

Each connection starts in a context that holds no certificate but the keys of session tickets, and that lives for a day: the callback for
SNI switches it to the context of a certificate. So certificates can be replaced without a lost session, and without a lost connection.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from hashlib import sha256
from typing import TYPE_CHECKING, Final

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import PublicKeyAlgorithmOID
from OpenSSL import SSL, crypto
from twisted.internet.interfaces import IOpenSSLServerConnectionCreator
from zope.interface import implementer

from twisted_ext.errors import BadDescription
from twisted_ext.server.config.keys import TLSPeer
from twisted_ext.server.limits import TICKET_KEY_SECONDS
from twisted_ext.transport.tls.faults import chainProblem
from twisted_ext.transport.tls.pemfiles import Key, certificatesFrom, keyFrom
from twisted_ext.transport.tls.pins import pinOf
from twisted_ext.watch.expiry import timeLeft

if TYPE_CHECKING:
    from twisted.protocols.tls import TLSMemoryBIOProtocol

__all__ = ["Certificates", "ContextFactory", "Key", "Pair", "WrongProtocol", "reasonOf"]

#: Certificates in such a file: the server's own, and those of the authorities above it; two to four are usual.
_CHAIN_CERTIFICATES: Final = 10

#: Suites of TLS 1.2 with forward secrecy and authenticated encryption (RFC 9325, section 4.2); those of TLS 1.3 all have both.
_CIPHERS: Final = b"ECDHE+AESGCM:ECDHE+CHACHA20"

#: Sessions of any context are valid in all of them.
_SESSIONS: Final = b"txdns"

#: The protocol whose clients are asked for certificates: those of zone transfers.
_DOT: Final = b"dot"

_OPTIONS: Final = SSL.OP_NO_COMPRESSION | SSL.OP_NO_RENEGOTIATION | SSL.OP_CIPHER_SERVER_PREFERENCE

_PRIVATE: Final = TLSPeer(True)
_OLD: Final = TLSPeer(False)

#: Octets of a session context (OpenSSL's SSL_MAX_SID_CTX_LENGTH).
_CONTEXT_OCTETS: Final = 32


def askForCertificates(context: SSL.Context, authorities: bytes, sessions: bytes) -> None:
    """
    Make the connections of a context ask for certificates.

    @param authorities: certificates in PEM; the clients' own or their issuers'.
    @param sessions: begins the name of the session context. Sessions that began under other authorities are not continued.
    """
    store = context.get_cert_store()
    assert store is not None
    # The operator may list a client's own certificate, or an authority that is not a root.
    store.set_flags(crypto.X509StoreFlags.PARTIAL_CHAIN)
    for each in x509.load_pem_x509_certificates(authorities):
        store.add_cert(crypto.X509.from_cryptography(each))
        context.add_client_ca(each)
    context.set_session_id((sessions + sha256(authorities).digest())[:_CONTEXT_OCTETS])
    context.set_verify(SSL.VERIFY_PEER, _check)


def _check(connection: SSL.Connection, certificate: crypto.X509, error: int, depth: int, fine: int) -> bool:
    """
    Called by OpenSSL for each certificate and each error.
    """
    if fine:
        return True
    try:
        problem = chainProblem(certificate.to_cryptography(), error, depth).replace("for servers", "for clients")
    except ValueError as fault:
        problem = f"its certificate cannot be read: {fault}"
    connection.set_app_data(problem)
    return False


def peerOf(connection: SSL.Connection, isAsked: bool) -> TLSPeer:
    """
    Return what a client has proved in a handshake.

    @param isAsked: whether it was asked for a certificate.
    """
    isPrivate = connection.get_protocol_version() >= SSL.TLS1_3_VERSION
    certificate = connection.get_peer_certificate(as_cryptography=True) if isAsked else None
    # A session can be continued for longer than its certificate is valid.
    if certificate is None or certificate.not_valid_after_utc < datetime.now(UTC):
        return _PRIVATE if isPrivate else _OLD
    return TLSPeer(isPrivate, _namesIn(certificate), pinOf(certificate))


def _namesIn(certificate: x509.Certificate) -> tuple[str, ...]:
    try:
        found = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (x509.ExtensionNotFound, x509.DuplicateExtension, ValueError):
        return ()
    names = [name.lower() for name in found.get_values_for_type(x509.DNSName)]
    return (*names, *map(str, found.get_values_for_type(x509.IPAddress)))


class WrongProtocol(SSL.Error):
    """
    A client offers protocols (ALPN), but none of those of the listener. Its handshake fails with the alert C{no_application_protocol}.
    """


class Pair:
    """
    A certificate with its chain and its private key.

    @ivar label: where it comes from, for messages.
    @ivar leaf: the server's own certificate.
    @ivar chain: the certificates of the authorities that follow it.
    @ivar names: the host names that the certificate is valid for, in lower case, such as C{*.example.org}.
    @ivar texts: the octets that the pair was made from, so that another process can make it too: those of the certificates and of the key.
    """

    __slots__ = ("label", "leaf", "chain", "key", "names", "texts")

    def __init__(self, certificates: bytes, key: bytes, label: str, keyLabel: str = "") -> None:
        """
        @param certificates: the server's certificate, then its chain, as PEM.
        @param key: the private key as PEM, which may stand among other texts.
        @param keyLabel: where the key comes from, if not from the same place.

        @raise BadDescription: the texts cannot be used.
        """
        keyLabel = keyLabel or label
        self.label = label
        self.texts = certificates, key
        found = _certificatesIn(certificates, label)
        if found[0].public_key_algorithm_oid == PublicKeyAlgorithmOID.RSASSA_PSS:
            raise BadDescription(f"{label}: the key is RSASSA-PSS, which cannot be used; it has to be ECDSA, Ed25519, Ed448 or plain RSA")
        self.key = keyFrom(key, keyLabel, "server")
        self.leaf = leaf = found[0]
        self.chain = found[1:]
        self.names = _namesOf(leaf)
        if _publicOctets(leaf) != self.key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo):
            later = next((each for each in self.chain if _publicOctets(each) == _ownOctets(self.key)), None)
            if later is not None:
                raise BadDescription(f"{label}: the server's certificate ({_nameOf(later)}) has to come first, before those of its chain")
            raise BadDescription(f"{keyLabel}: the key does not belong to the certificate of {label} ({_nameOf(leaf)})")
        # Detect what OpenSSL does not accept, such as keys that are too short.
        _contextOf(self)

    @property
    def pin(self) -> str:
        """
        Return the pin of the public key (RFC 7858, section 4.2): SHA-256 of its SubjectPublicKeyInfo, as base 64.
        """
        return b64encode(sha256(_publicOctets(self.leaf)).digest()).decode("ascii")

    @property
    def authority(self) -> bytes:
        """
        Return the certificate of the private authority, as DER, if the chain ends with one; else C{b""}. Chains of public authorities end
        before, as clients have these.
        """
        last = self.chain[-1] if self.chain else None
        return last.public_bytes(Encoding.DER) if last is not None and last.issuer == last.subject else b""

    def untrustedIssuer(self) -> str:
        """
        Return the name of the authority at the end of the chain if the system does not trust it, else C{""}.
        """
        from twisted_ext.transport.tls.trust import Authorities, verifiedChain

        # The store ends with it.
        authorities = Authorities()
        if not verifiedChain(authorities.store(), (self.leaf, *self.chain))[1]:
            return ""
        return (self.chain[-1] if self.chain else self.leaf).issuer.rfc4514_string()

    @property
    def ends(self) -> datetime:
        return self.leaf.not_valid_after_utc

    def doubt(self, now: datetime | None = None) -> str:
        """
        Return why clients will reject the certificate, if its time is the reason; else C{""}.
        """
        moment = datetime.now(UTC) if now is None else now
        if moment > self.leaf.not_valid_after_utc:
            return f"{self.label}: the certificate of {_nameOf(self.leaf)} expired on {self.leaf.not_valid_after_utc:%Y-%m-%d %H:%M} UTC"
        if moment < self.leaf.not_valid_before_utc:
            start = self.leaf.not_valid_before_utc
            return f"{self.label}: the certificate of {_nameOf(self.leaf)} is not valid before {start:%Y-%m-%d %H:%M} UTC"
        return ""

    def soon(self, now: datetime) -> str:
        """
        Return that the certificate expires.
        """
        left = timeLeft((self.ends - now).total_seconds())
        return f"{self.label}: the certificate of {_nameOf(self.leaf)} expires on {self.ends:%Y-%m-%d %H:%M} UTC, in {left}"

    @property
    def disorder(self) -> str:
        """
        Return why some clients may not find the way through the chain, or C{""}.
        """
        before = self.leaf
        for number, each in enumerate(self.chain, 2):
            if each.subject != before.issuer:
                above = before.issuer.rfc4514_string()
                return f"{self.label}: certificate {number} has to be that of {above}, which issued the one before it"
            before = each
        return ""

    def __repr__(self) -> str:
        return f"<Pair {_nameOf(self.leaf)} of {self.label}>"


@implementer(IOpenSSLServerConnectionCreator)
class ContextFactory:
    """
    Makes the server side of TLS connections for one kind of listener.

    @ivar protocols: the protocols to choose from, the preferred one first.
    """

    def __init__(self, certificates: Certificates, protocols: Sequence[bytes], *, asksClients: bool = False) -> None:
        """
        @param asksClients: whether to ask for the clients' certificates, if there are authorities for them.
        """
        self.protocols = tuple(protocols)
        self._certificates = certificates
        self._asksClients = asksClients
        # The authorities of clients' certificates, in PEM.
        self._authorities = b""
        self._names: dict[str, SSL.Context] = {}
        self._usual: SSL.Context
        self._start: SSL.Context
        self._former: SSL.Context | None = None
        self._made = float("-inf")
        self._isStale = False
        self.renew()

    def renew(self) -> None:
        """
        Use the certificates that are in force now for new connections.
        """
        names: dict[str, SSL.Context] = {}
        usual: SSL.Context | None = None
        authorities = self._certificates.authorities if self._asksClients else b""
        if authorities != self._authorities:
            # Sessions and their tickets are those of the former authorities.
            self._authorities, self._isStale = authorities, True
        for pair in self._certificates.pairs:
            context = _contextOf(pair)
            self._asking(context)
            self._choosing(context)
            usual = usual or context
            for name in pair.names:
                names.setdefault(name, context)
        assert usual is not None
        self._names, self._usual = names, usual

    def _choosing(self, context: SSL.Context) -> None:
        protocols = self.protocols

        def choose(connection: SSL.Connection, offered: list[bytes]) -> bytes:
            for each in protocols:
                if each in offered:
                    return each
            raise WrongProtocol(f"the client offers {_listed(offered)} (ALPN); this listener has {_listed(protocols)}")

        context.set_alpn_select_callback(choose)

    def _asking(self, context: SSL.Context) -> None:
        if self._authorities:
            askForCertificates(context, self._authorities, _SESSIONS)

    def peerOf(self, connection: SSL.Connection) -> TLSPeer:
        """
        Return what a client has proved in a handshake.
        """
        return peerOf(connection, bool(self._authorities))

    def _switch(self, connection: SSL.Connection) -> None:
        connection.set_context(self._contextFor(connection.get_servername()))

    def _contextFor(self, said: bytes | None) -> SSL.Context:
        if not said:
            return self._usual
        name = said.decode("latin-1").lower().rstrip(".")
        found = self._names.get(name)
        if found is None:
            found = self._names.get(f"*.{name.partition('.')[2]}")
        return self._usual if found is None else found

    def connection(self) -> SSL.Connection:
        """
        Return a new connection without a socket, which waits for a client's first octets.
        """
        now = self._certificates.seconds()
        if now - self._made >= TICKET_KEY_SECONDS.default or self._isStale:
            self._isStale = False
            start = _newContext()
            self._asking(start)
            start.set_tlsext_servername_callback(self._switch)
            if self._made != float("-inf"):
                # OpenSSL may still call the callback of the former one for handshakes under way.
                self._former = self._start
            self._start, self._made = start, now
        made = SSL.Connection(self._start, None)
        made.set_accept_state()
        return made

    def serverConnectionForTLS(self, tlsProtocol: TLSMemoryBIOProtocol) -> SSL.Connection:
        return self.connection()


class Certificates:
    """
    The certificates in force. The first one is for clients that send no name, or one that no certificate is for.

    @ivar pairs: at least one.
    @ivar seconds: the clock.
    @ivar authorities: those of the clients' certificates, in PEM; C{b""} if clients are asked for none.
    """

    def __init__(self, pairs: Iterable[Pair], seconds: Callable[[], float], authorities: bytes = b"") -> None:
        self.pairs = tuple(pairs)
        self.seconds = seconds
        self.authorities = authorities
        self._factories: dict[tuple[bytes, ...], ContextFactory] = {}

    def replace(self, pairs: Iterable[Pair], authorities: bytes = b"") -> None:
        """
        Use other certificates for new connections. Those that are open go on.
        """
        self.pairs = tuple(pairs)
        self.authorities = authorities
        for factory in self._factories.values():
            factory.renew()

    def pairFor(self, name: str) -> Pair:
        """
        Return the certificate for a name that a client asks for (SNI), as L{ContextFactory} chooses it.
        """
        name = name.lower().rstrip(".")
        if name:
            wildcard = f"*.{name.partition('.')[2]}"
            for wanted in (name, wildcard):
                for pair in self.pairs:
                    if wanted in pair.names:
                        return pair
        return self.pairs[0]

    def contextFactory(self, alpn: Sequence[bytes]) -> ContextFactory:
        """
        Return the factory for listeners with these protocols.

        @param alpn: such as C{[b"dot"]}, the preferred one first. A client that offers only others is rejected; one that does not use ALPN
            is accepted, and the listener can call C{get_alpn_proto_negotiated} where it wants none of these.
        """
        key = tuple(alpn)
        factory = self._factories.get(key)
        if factory is None:
            # Browsers would ask their users for a certificate.
            factory = self._factories[key] = ContextFactory(self, key, asksClients=key == (_DOT,))
        return factory

    def toJSON(self) -> list[list[str]]:
        """
        Return what L{partsFromJSON} needs in another process, including the private keys.
        """
        pairs = [[pair.label, *[text.decode("latin-1") for text in pair.texts]] for pair in self.pairs]
        return [*pairs, [self.authorities.decode("latin-1")]] if self.authorities else pairs

    @staticmethod
    def partsFromJSON(said: Iterable[Sequence[str]]) -> tuple[list[Pair], bytes]:
        """
        Return the pairs, and the authorities of clients' certificates.
        """
        pairs: list[Pair] = []
        authorities = b""
        for each in said:
            if len(each) == 1:
                authorities = each[0].encode("latin-1")
            else:
                label, certificates, key = each
                pairs.append(Pair(certificates.encode("latin-1"), key.encode("latin-1"), label))
        return pairs, authorities


def _newContext() -> SSL.Context:
    context = SSL.Context(SSL.TLS_SERVER_METHOD)
    context.set_min_proto_version(SSL.TLS1_2_VERSION)
    context.set_options(_OPTIONS)
    context.set_mode(SSL.MODE_RELEASE_BUFFERS)
    context.set_cipher_list(_CIPHERS)
    context.set_session_id(_SESSIONS)
    # Sessions are kept by the clients, in tickets.
    context.set_session_cache_mode(SSL.SESS_CACHE_OFF)
    return context


def _contextOf(pair: Pair) -> SSL.Context:
    context = _newContext()
    try:
        context.use_certificate(pair.leaf)
        for each in pair.chain:
            context.add_extra_chain_cert(each)
        context.use_privatekey(pair.key)
        context.check_privatekey()
    except SSL.Error as error:
        # The newest one. OpenSSL's queue may still have errors of earlier calls, which come first.
        reason = reasonOf(error).rpartition("; ")[2]
        raise BadDescription(f"{pair.label}: OpenSSL does not accept the certificate or its key: {reason}") from None
    return context


def reasonOf(error: SSL.Error) -> str:
    """
    Return OpenSSL's words for an error.
    """
    said = error.args[0] if error.args else ""
    return ("; ".join([str(each[-1]) for each in said]) if isinstance(said, list) else str(said)) or type(error).__name__


def _certificatesIn(text: bytes, label: str) -> list[x509.Certificate]:
    found = certificatesFrom(text, label)
    most = _CHAIN_CERTIFICATES
    if len(found) > most:
        raise BadDescription(f"{label}: {len(found)} certificates; a server sends its own and its chain, at most {most}")
    return found


def _publicOctets(certificate: x509.Certificate) -> bytes:
    return certificate.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def _ownOctets(key: Key) -> bytes:
    return key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def _namesOf(certificate: x509.Certificate) -> tuple[str, ...]:
    try:
        found = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (x509.ExtensionNotFound, ValueError):
        return ()
    return tuple([name.lower() for name in found.get_values_for_type(x509.DNSName)])


def _nameOf(certificate: x509.Certificate) -> str:
    return next(iter(_namesOf(certificate)), "") or certificate.subject.rfc4514_string() or "no name"


def _listed(protocols: Sequence[bytes]) -> str:
    return ", ".join([each[:32].decode("ascii", "backslashreplace") for each in protocols[:4]])
