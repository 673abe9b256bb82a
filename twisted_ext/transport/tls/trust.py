"""
Decide whether a server may be trusted by the certificates that it showed: the same decision for TLS, HTTPS and QUIC.

OpenSSL builds the chain to an authority and checks its dates, names and revocation. L{weakness} checks what OpenSSL's defaults leave to
the transport or to the version of the library: the purpose of each certificate, and the strength of its key and signature.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from hashlib import sha256
from typing import TYPE_CHECKING, Final, cast

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID
from OpenSSL import SSL, crypto
from service_identity import CertificateError, VerificationError
from service_identity.cryptography import extract_patterns
from service_identity.hazmat import DNS_ID, IPAddress_ID, verify_service_identity

from twisted_ext.errors import BadDescription
from twisted_ext.files import stateOf
from twisted_ext.transport.servers import Server
from twisted_ext.transport.tls.faults import chainProblem, revocationProblem
from twisted_ext.transport.tls.pemfiles import certificatesIn, listsIn
from twisted_ext.transport.tls.pins import namesOf, pinOf, pinToText

if TYPE_CHECKING:
    from twisted_ext.transport.tls.dane import Dane

__all__ = [
    "RSA_BITS",
    "Authorities",
    "certificateProblem",
    "isAddress",
    "isFor",
    "isSignatureWeak",
    "verifiedChain",
    "weakness",
]

#: OpenSSL's numbers for certificates of other purposes, weak keys and weak signatures (openssl/x509_vfy.h).
_PURPOSE: Final = 26
_WEAK_KEY: Final = 66
_WEAK_SIGNATURE: Final = 68

#: The least strength of keys, as of OpenSSL's security level 2: 112 bits.
RSA_BITS: Final = 2048
_CURVE_BITS: Final = 224

_WEAK_DIGESTS: Final = frozenset(("md5", "sha1"))


class Authorities:
    """
    The authorities that a client trusts, and their revocation lists.

    @ivar ca: the path of a file with their certificates in PEM, or C{""} for those of the system.
    @ivar crl: the path of a file with revocation lists in PEM, or C{""} to check none. It is read again when it has changed.
    """

    def __init__(self, ca: str = "", crl: str = "") -> None:
        """
        @raise BadDescription: a file cannot be used.
        """
        self.ca = ca
        self.crl = crl
        self._certificates = certificatesIn(ca, "the authorities' certificates") if ca else []
        self._lists: Sequence[x509.CertificateRevocationList] = ()
        self._state: tuple[int, ...] = ()
        self._store: crypto.X509Store | None = None
        # The store of a context ends with it.
        self._context: SSL.Context | None = None
        if crl:
            self._state = stateOf(crl)
            self._lists = listsIn(crl)

    def store(self) -> crypto.X509Store:
        """
        Return OpenSSL's store of the authorities. The system's is a long file, which is read at the first call.
        """
        if self.crl:
            self._look()
        if self._store is None:
            self._store = self._made()
        return self._store

    def _made(self) -> crypto.X509Store:
        if self.ca:
            store = crypto.X509Store()
            for each in self._certificates:
                store.add_cert(crypto.X509.from_cryptography(each))
        else:
            context = self._context = SSL.Context(SSL.TLS_CLIENT_METHOD)
            context.set_default_verify_paths()
            found = context.get_cert_store()
            assert found is not None
            store = found
        if self.crl:
            for revoked in self._lists:
                store.add_crl(revoked)
            store.set_flags(crypto.X509StoreFlags.CRL_CHECK | crypto.X509StoreFlags.CRL_CHECK_ALL)
        return store

    def _look(self) -> None:
        """
        Read the revocation lists again if the file has changed. If they cannot be used, the former ones stay in force until they expire.
        """
        state = stateOf(self.crl)
        if state in (self._state, ()):
            return
        try:
            self._lists = listsIn(self.crl)
        except BadDescription:
            return
        self._state = state
        self._store = None

    def problem(self, certificate: x509.Certificate, code: int, depth: int) -> str:
        """
        Describe OpenSSL's error, see L{chainProblem}.
        """
        return revocationProblem(certificate, code, self._lists, self.crl) or chainProblem(certificate, code, depth)


def certificateProblem(
    certificates: Sequence[x509.Certificate],
    *,
    expected: str,
    name: str,
    pins: frozenset[bytes],
    hashes: frozenset[bytes],
    authorities: Authorities,
    dane: Dane | None,
) -> str:
    """
    Check whether a server has shown what is expected of it.

    @param certificates: its certificate, then the others that it sent.
    @param expected: what is expected, for display.
    @param name: the name or address that its certificate has to be for; C{""} if only its key matters.

    @return: the problem, in one line, or C{""}.
    """
    if not certificates:
        return f"expected {expected}, it showed no certificate"
    try:
        came = _cameInstead(certificates, name, pins, hashes, authorities, dane)
    except (ValueError, x509.InvalidVersion, UnsupportedAlgorithm) as error:
        came = f"its certificate cannot be read: {' '.join(str(error).split())}"
    return f"expected {expected}, {came}" if came else ""


def _cameInstead(
    certificates: Sequence[x509.Certificate],
    name: str,
    pins: frozenset[bytes],
    hashes: frozenset[bytes],
    authorities: Authorities,
    dane: Dane | None,
) -> str:
    certificate = certificates[0]
    if dane is not None:
        return dane.problem(certificates, lambda: _trusted(certificates, dane.names, authorities))
    if not name:
        # Only the server's own key counts: it proves possession of no other.
        key = pinOf(certificate)
        return "" if key in pins else f"it showed one with the pin {pinToText(key)}"
    # Other certificates that the server sends need not have to do with it, so pins and hashes apply to the verified chain.
    chain, problem = _trusted(certificates, (name,), authorities)
    if problem:
        return problem
    if pins and pins.isdisjoint(map(pinOf, chain)):
        return f"it showed one with the pin {pinToText(pinOf(certificate))}"
    if hashes and hashes.isdisjoint(map(_hashOf, chain)):
        return f"it showed one with the hash {_hashOf(certificate).hex()}"
    return ""


def _trusted(
    certificates: Sequence[x509.Certificate], names: Sequence[str], authorities: Authorities
) -> tuple[list[x509.Certificate], str]:
    """
    @param names: the certificate has to be for one of these.

    @return: the certificates from the server to a trusted authority; and the problem, if there is one.
    """
    chain, problem = verifiedChain(authorities.store(), certificates, authorities.problem)
    if not problem and not any(isFor(certificates[0], name) for name in names):
        problem = f"it showed one for {namesOf(certificates[0])}"
    return chain, problem


def verifiedChain(
    store: crypto.X509Store,
    certificates: Sequence[x509.Certificate],
    describe: Callable[[x509.Certificate, int, int], str] = chainProblem,
) -> tuple[list[x509.Certificate], str]:
    """
    Find and check the chain from a server's certificate to one in the store.

    @param describe: describes an error as L{chainProblem} does.

    @return: the chain; and the problem, if there is one.
    """
    first, *others = map(crypto.X509.from_cryptography, certificates)
    try:
        found = crypto.X509StoreContext(store, first, others).get_verified_chain()
    except crypto.X509StoreContextError as error:
        code, depth = cast("tuple[int, int]", tuple(error.errors[:2]))
        return [], describe(error.certificate.to_cryptography(), code, depth)
    chain = [each.to_cryptography() for each in found]
    code, depth = weakness(chain)
    return ([], describe(chain[depth], code, depth)) if code else (chain, "")


def weakness(chain: Sequence[x509.Certificate]) -> tuple[int, int]:
    """
    Check the purpose and the strength of each certificate of a chain, the server's first.

    @return: the number of OpenSSL's error and the position of the certificate; 0 and 0 if there is none.
    """
    for depth, certificate in enumerate(chain):
        if not _isForServers(certificate, own=not depth):
            return _PURPOSE, depth
        key = certificate.public_key()
        if (isinstance(key, rsa.RSAPublicKey) and key.key_size < RSA_BITS) or (
            isinstance(key, ec.EllipticCurvePublicKey) and key.key_size < _CURVE_BITS
        ):
            return _WEAK_KEY, depth
        # The last one is trusted by itself; its signature is not checked.
        if depth < len(chain) - 1 and isSignatureWeak(certificate):
            return _WEAK_SIGNATURE, depth
    return 0, 0


def isSignatureWeak(certificate: x509.Certificate) -> bool:
    digest = certificate.signature_hash_algorithm
    return digest is not None and digest.name in _WEAK_DIGESTS


def _isForServers(certificate: x509.Certificate, own: bool) -> bool:
    """
    Return whether the extensions permit a certificate to be that of a TLS server (RFC 5280, section 4.2.1.12), or to issue those.
    """
    extensions = certificate.extensions
    try:
        uses = extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    except x509.ExtensionNotFound:
        uses = None
    if uses is not None and ExtendedKeyUsageOID.SERVER_AUTH not in uses:
        # An authority may be good for anything; of servers, OpenSSL expects the very purpose.
        if own or ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE not in uses:
            return False
    if not own:
        # OpenSSL has checked that the chain's authorities may sign certificates.
        return True
    try:
        usage = extensions.get_extension_for_class(x509.KeyUsage).value
    except x509.ExtensionNotFound:
        return True
    return usage.digital_signature or usage.key_encipherment or usage.key_agreement


def _hashOf(certificate: x509.Certificate) -> bytes:
    return sha256(certificate.tbs_certificate_bytes).digest()


def isAddress(name: str) -> bool:
    try:
        Server(name)
    except BadDescription:
        return False
    return True


def isFor(certificate: x509.Certificate, name: str) -> bool:
    """
    Return whether a certificate is for a host name or address (RFC 9525): by its alternative names, never by its subject.
    """
    try:
        verify_service_identity(extract_patterns(certificate), [IPAddress_ID(name) if isAddress(name) else DNS_ID(name)], [])
    except (VerificationError, CertificateError, ValueError):
        return False
    return True
