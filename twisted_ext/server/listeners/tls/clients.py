"""
Certificates of clients (mutual TLS): asked for where the settings name authorities for them, for zone transfers.

A client may show none, and is then one like any other. One that shows a certificate that is not trusted is rejected.
"""

from __future__ import annotations

from datetime import UTC, datetime
from hashlib import sha256
from typing import Final

from cryptography import x509
from OpenSSL import SSL, crypto

from twisted_ext.server.reply.requests import TLSPeer
from twisted_ext.transport.tls.faults import chainProblem
from twisted_ext.transport.tls.pins import pinOf

__all__ = ["askForCertificates", "peerOf"]

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
