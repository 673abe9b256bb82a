"""
Authenticate a server by the certificates that it showed by QUIC, by the terms and in the words of TLS over TCP.

aioquic can check certificates itself, but knows no pins, and not the system's authorities.
"""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256
from typing import TYPE_CHECKING, Final, cast

from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID
from OpenSSL import SSL, crypto
from service_identity import CertificateError, VerificationError
from service_identity.cryptography import extract_patterns
from service_identity.hazmat import DNS_ID, IPAddress_ID, verify_service_identity

from twisted_ext.errors import BadDescription
from twisted_ext.transport.servers import Server
from twisted_ext.transport.tls.faults import chainProblem
from twisted_ext.transport.tls.terms import namesOf, pinOf, pinToText

if TYPE_CHECKING:

    from twisted_ext.transport.tls.terms import TLSTerms

__all__ = ["certificateProblem"]

#: OpenSSL's error for a certificate whose extensions permit other uses only.
_PURPOSE: Final = 26


def certificateProblem(terms: TLSTerms, server: Server, name: str, certificates: Sequence[x509.Certificate]) -> str:
    """
    Check whether a server has shown what is expected of it.

    @param name: the server's name, if it has another one than C{terms}.
    @param certificates: its certificate, then the others that it sent.

    @return: the problem, in one line, or C{""}.
    """
    if not certificates:
        return "it showed no certificate"
    try:
        return _problem(terms, server, name, certificates)
    except (ValueError, x509.InvalidVersion) as error:
        return f"its certificate cannot be read: {error}"


def _problem(terms: TLSTerms, server: Server, name: str, certificates: Sequence[x509.Certificate]) -> str:
    certificate = certificates[0]
    expected = terms.handshake(server, _never, name).expected
    wanted = terms.nameFor(server, name)
    if not wanted:
        # Only the server's own key counts: it proves possession of no other.
        came = pinOf(certificate)
        return "" if came in terms.pins else f"expected {expected}, it showed one with the pin {pinToText(came)}"
    # Other certificates that the server sends need not have to do with it, so pins and hashes apply to the verified chain.
    chain, problem = _verified(terms.ca, certificate, certificates[1:])
    if problem:
        return f"expected {expected}, {problem}"
    if not _isFor(certificate, wanted):
        return f"expected {expected}, it showed one for {namesOf(certificate)}"
    if terms.pins and terms.pins.isdisjoint(map(pinOf, chain)):
        return f"expected {expected}, it showed one with the pin {pinToText(pinOf(certificate))}"
    if terms.hashes and terms.hashes.isdisjoint(map(_hashOf, chain)):
        return f"expected {expected}, it showed one with the hash {_hashOf(certificate).hex()}"
    return ""


def _never() -> float:
    return 0.0


def _hashOf(certificate: x509.Certificate) -> bytes:
    return sha256(certificate.tbs_certificate_bytes).digest()


def _verified(ca: str, certificate: x509.Certificate, others: Sequence[x509.Certificate]) -> tuple[list[x509.Certificate], str]:
    """
    @return: the certificates from the server to the authority; and the problem, if there is one.
    """
    context = SSL.Context(SSL.TLS_CLIENT_METHOD)
    if ca:
        context.load_verify_locations(ca)
    else:
        context.set_default_verify_paths()
    store = context.get_cert_store()
    assert store is not None
    asOpenSSL = crypto.X509.from_cryptography
    try:
        chain = crypto.X509StoreContext(store, asOpenSSL(certificate), [asOpenSSL(each) for each in others]).get_verified_chain()
    except crypto.X509StoreContextError as error:
        code, depth = cast("tuple[int, int]", tuple(error.errors[:2]))
        return [], chainProblem(error.certificate.to_cryptography(), code, depth)
    try:
        uses = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    except x509.ExtensionNotFound:
        uses = None
    if uses is not None and ExtendedKeyUsageOID.SERVER_AUTH not in uses and ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE not in uses:
        return [], chainProblem(certificate, _PURPOSE, 0)
    return [each.to_cryptography() for each in chain], ""


def _isFor(certificate: x509.Certificate, name: str) -> bool:
    try:
        Server(name)
    except BadDescription:
        isAddress = False
    else:
        isAddress = True
    try:
        verify_service_identity(extract_patterns(certificate), [IPAddress_ID(name) if isAddress else DNS_ID(name)], [])
    except (VerificationError, CertificateError, ValueError):
        return False
    return True
