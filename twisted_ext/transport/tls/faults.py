"""
Describe failed TLS handshakes in words: what was wrong with the certificate, or what the server sent instead of finishing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Final

from cryptography import x509
from cryptography.x509.oid import NameOID
from OpenSSL import SSL
from twisted.internet.error import ConnectionClosed
from twisted.python.failure import Failure

__all__ = ["chainProblem", "peerProblem", "revocationProblem"]

# OpenSSL's numbers for errors in chains of certificates (openssl/x509_vfy.h).
_UNKNOWN_ISSUER: Final = frozenset((2, 20, 21))
_NOT_YET: Final = 9
_EXPIRED: Final = 10
_SELF_SIGNED: Final = 18
_SELF_SIGNED_IN_CHAIN: Final = 19

# Those that mean that there is no usable revocation list.
_NO_LIST: Final = frozenset((3, 33, 44))
_LIST_NOT_YET: Final = 11
_LIST_EXPIRED: Final = 12
_LIST_FORGED: Final = 8
_LIST_NOT_PERMITTED: Final = 35

_CHAIN: Final[Mapping[int, str]] = {
    7: "has a wrong signature",
    22: "has too many issuers",
    23: "has been revoked",
    25: "is at the end of a chain longer than its issuer permits",
    26: "is not for servers",
    47: "is for a name that its issuer may not vouch for",
    48: "is for a name that its issuer must not vouch for",
    79: "is not an authority's, but has issued another",
    66: "has a key that is too weak",
    67: "has an issuer with a key that is too weak",
    68: "is signed by a digest that is too weak",
}

#: Parts of OpenSSL's texts for alerts and other failures, in the order of their precedence.
_PEER: Final[Mapping[str, str]] = {
    "alert no application protocol": "it does not speak {protocols}",
    "alert protocol version": "it speaks none of the TLS versions that are permitted here",
    "unsupported protocol": "it speaks none of the TLS versions that are permitted here",
    "wrong ssl version": "it speaks none of the TLS versions that are permitted here",
    "alert certificate required": "it demands a certificate of the client",
    "alert bad certificate": "it rejected the client's certificate",
    "alert unknown ca": "it does not know the authority of the client's certificate",
    "alert certificate": "it rejected the client's certificate",
    "alert unsupported certificate": "it rejected the client's certificate",
    "alert access denied": "it denied access",
    "unrecognized name": "it has no certificate for this name",
    "alert handshake failure": "it rejected the handshake: no cipher or signature in common, or a certificate of the client is missing",
    "alert insufficient security": "it demands stronger ciphers",
    "alert internal error": "it failed with an internal error",
    "wrong version number": "what it sent is not TLS",
    "record layer failure": "what it sent is not TLS",
    "packet length too long": "what it sent is not TLS",
    "http request": "what it sent is not TLS",
    "bad record type": "what it sent is not TLS",
    "unexpected message": "it sent a message that does not belong there",
}


def chainProblem(certificate: x509.Certificate, error: int, depth: int) -> str:
    """
    Describe an error that OpenSSL has found in a certificate.

    @param error: OpenSSL's number of it.
    @param depth: the number of certificates between this one and the server's.
    """
    whose = "its certificate" if not depth else f"the authority {_name(certificate.subject)} of its certificate"
    if error == _EXPIRED:
        return f"{whose} expired on {certificate.not_valid_after_utc:%Y-%m-%d at %H:%M} UTC"
    if error == _NOT_YET:
        return f"{whose} is valid only from {certificate.not_valid_before_utc:%Y-%m-%d at %H:%M} UTC"
    if error == _SELF_SIGNED:
        return f"{whose} is self-signed"
    if error == _SELF_SIGNED_IN_CHAIN:
        return f"its certificate comes from {_name(certificate.subject)}, which is not trusted"
    if error in _UNKNOWN_ISSUER:
        return f"{whose} comes from {_name(certificate.issuer)}, which is not trusted"
    return f"{whose} {_CHAIN.get(error) or f'was rejected (error {error} of OpenSSL)'}"


def revocationProblem(certificate: x509.Certificate, error: int, lists: Iterable[x509.CertificateRevocationList], path: str) -> str:
    """
    Describe an error of OpenSSL's about revocation lists; C{""} for others.

    @param lists: those that were used.
    @param path: the file that they come from.
    """
    issuer = _name(certificate.issuer)
    if error in _NO_LIST:
        return f"{path} has no revocation list of {issuer}: add the list of each authority between the server and the root"
    known = [each for each in lists if each.issuer == certificate.issuer]
    if error == _LIST_EXPIRED:
        ends = max([each.next_update_utc or datetime.max.replace(tzinfo=UTC) for each in known], default=None)
        on = f" on {ends:%Y-%m-%d at %H:%M} UTC" if ends is not None else ""
        return f"the revocation list of {issuer} in {path} expired{on}: fetch the current one"
    if error == _LIST_NOT_YET:
        return f"the revocation list of {issuer} in {path} is not valid yet: check this machine's clock"
    if error == _LIST_FORGED:
        return f"the revocation list of {issuer} in {path} has a wrong signature"
    if error == _LIST_NOT_PERMITTED:
        return f"{issuer} may not sign revocation lists, but that in {path} is its own"
    return ""


def _name(name: x509.Name) -> str:
    """
    Return the name of an authority or a server in its certificate, for display.
    """
    try:
        common = name.get_attributes_for_oid(NameOID.COMMON_NAME)
        return repr(str(common[0].value) if common else name.rfc4514_string())
    except ValueError:
        return "a name that cannot be read"


def peerProblem(reason: Failure, protocols: str, done: bool) -> str:
    """
    Describe a failure other than that of a certificate.

    @param protocols: those that were offered, for display.
    @param done: whether the connection ended after the handshake.
    """
    error = reason.value
    if isinstance(error, ConnectionClosed) and not done:
        return f"it closed the connection during the TLS handshake ({reason.getErrorMessage()})"
    if not isinstance(error, SSL.Error):
        return reason.getErrorMessage()
    words = _words(error)
    folded = words.lower()
    for part, text in _PEER.items():
        if part in folded:
            return text.format(protocols=protocols)
    return f"TLS failed: {words or 'no reason was given'}"


def _words(error: SSL.Error) -> str:
    queue = error.args[0] if error.args else ()
    if isinstance(queue, list | tuple):
        return "; ".join([str(entry[-1]) for entry in queue if isinstance(entry, tuple) and entry])
    return " ".join(map(str, error.args))
