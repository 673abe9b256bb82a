"""
Read certificates, keys and revocation lists from files in PEM. Each error names the file, what it holds, and what it has to hold.
"""

from __future__ import annotations

import os
import stat
from typing import Final

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, rsa
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from twisted.logger import Logger

from twisted_ext.errors import BadDescription
from twisted_ext.files import openNow
from twisted_ext.limits import TRUST_OCTETS

__all__ = ["Key", "certificatesFrom", "certificatesIn", "keyFrom", "listsIn", "pemIn", "warnOfKey"]

_log: Final = Logger(__name__)

#: A private key of a kind that TLS can use.
Key = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey | ed448.Ed448PrivateKey

_BEGIN: Final = b"-----BEGIN "
_LIST: Final = b"X509 CRL-----"
_KEY: Final = b"PRIVATE KEY-----"


def pemIn(path: str, what: str = "", most: int = int(TRUST_OCTETS.default)) -> bytes:
    """
    Read a file.

    @param what: what it has to hold, for errors.
    @param most: the most octets.

    @raise BadDescription: it cannot be read, or is longer.
    """
    try:
        with open(path, "rb", opener=openNow) as file:
            octets = file.read(most + 1)
    except (OSError, ValueError) as error:
        needs = f"; user {os.geteuid()} has to be able to read it" if isinstance(error, PermissionError) else ""
        reason = getattr(error, "strerror", None) or error
        raise BadDescription(f"{path}: {f'cannot read {what}: ' if what else ''}{reason}{needs}") from None
    if len(octets) > most:
        raise BadDescription(f"{path}: more than {most} octets; a file of certificates or a key in PEM is shorter")
    return octets


def certificatesFrom(octets: bytes, label: str) -> list[x509.Certificate]:
    """
    Parse certificates.

    @param label: where they come from, for errors.

    @raise BadDescription: there is none, or one that cannot be read.
    """
    try:
        return x509.load_pem_x509_certificates(octets)
    except ValueError:
        found = _described(octets, "openssl x509")
        raise BadDescription(f"{label}: a certificate in PEM is expected, from -----BEGIN CERTIFICATE----- on; {found}") from None


def certificatesIn(path: str, what: str) -> list[x509.Certificate]:
    """
    Read certificates from a file.

    @param what: what they are, for errors.

    @raise BadDescription: they cannot be used.
    """
    return certificatesFrom(pemIn(path, what), path)


def keyFrom(octets: bytes, label: str, owner: str) -> Key:
    """
    Parse a private key, which may stand among certificates.

    @param owner: C{"server"} or C{"client"}, for errors.

    @raise BadDescription: there is none that can be used.
    """
    if b"-----BEGIN ENCRYPTED PRIVATE KEY" in octets or b"Proc-Type: 4,ENCRYPTED" in octets:
        raise BadDescription(f"{label}: the key is encrypted; a {owner} needs it in plain text, as from openssl pkey -in KEY -out PLAIN")
    try:
        key = load_pem_private_key(_keyBlock(octets), None)
    except (ValueError, TypeError):
        found = _described(octets, "openssl pkey")
        raise BadDescription(f"{label}: a private key in PEM is expected, from -----BEGIN PRIVATE KEY----- on; {found}") from None
    except UnsupportedAlgorithm as error:
        raise BadDescription(f"{label}: the key cannot be used: {error}") from None
    if not isinstance(key, Key):
        raise BadDescription(f"{label}: the key is of a kind that TLS does not use; it has to be ECDSA, Ed25519, Ed448 or RSA")
    return key


def warnOfKey(path: str) -> None:
    """
    Log a warning if other users can read a private key.
    """
    try:
        isOpen = bool(os.stat(path).st_mode & stat.S_IROTH)
    except OSError:
        return
    if isOpen:
        _log.warn("{key}: every user of this machine can read this private key; run chmod o-r", key=path)


def listsIn(path: str) -> list[x509.CertificateRevocationList]:
    """
    Read revocation lists from a file.

    @raise BadDescription: they cannot be used.
    """
    octets = pemIn(path, "the revocation lists")
    found: list[x509.CertificateRevocationList] = []
    try:
        for block in octets.split(_BEGIN + _LIST)[1:]:
            found.append(x509.load_pem_x509_crl(_BEGIN + _LIST + block))
    except ValueError:
        raise BadDescription(f"{path}: revocation list {len(found) + 1} cannot be read; fetch it again from its authority") from None
    if not found:
        there = _described(octets, "openssl crl")
        raise BadDescription(f"{path}: a revocation list in PEM is expected, from -----BEGIN X509 CRL----- on; {there}")
    return found


def _keyBlock(octets: bytes) -> bytes:
    """
    Return the first private key in a file that may hold certificates and parameters as well.
    """
    lines = octets.splitlines(keepends=True)
    for start, line in enumerate(lines):
        if line.startswith(_BEGIN) and _KEY in line:
            for end in range(start + 1, len(lines)):
                if lines[end].startswith(b"-----END "):
                    return b"".join(lines[start : end + 1])
    return octets


def _described(octets: bytes, command: str) -> str:
    """
    Describe what a file holds instead.

    @param command: what converts it from DER.
    """
    if not octets.strip():
        return "there is nothing"
    if octets[:1] == b"\x30":
        return f"it is in DER; convert it with {command} -inform DER"
    start = octets.find(_BEGIN)
    kind = octets[start + len(_BEGIN) :].partition(b"-----")[0][:40] if start >= 0 else b""
    wanted = {"openssl x509": b"CERTIFICATE", "openssl pkey": b"PRIVATE KEY", "openssl crl": b"X509 CRL"}[command]
    if not kind:
        return "there is none"
    if kind.endswith(wanted):
        return "it is damaged"
    return f"there is {kind.decode('ascii', 'backslashreplace')} instead"
