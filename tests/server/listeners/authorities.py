"""
Certificates for tests: an authority, and what it issues.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed448, ed25519, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from tests.certificates import SIGNING
from twisted_ext.server.listeners.tls.certificates import Key

__all__ = ["issued", "keyText", "newKey"]

#: The name of the authority.
_AUTHORITY: Final = "Authority"

#: Half a year before and after now, or other days.
_USUAL: Final = (-180, 180)


def newKey(kind: str = "ec") -> Key:
    if kind == "rsa":
        return rsa.generate_private_key(65537, 2048)
    if kind == "short":
        return rsa.generate_private_key(65537, 1024)
    return ed25519.Ed25519PrivateKey.generate() if kind == "ed25519" else ec.generate_private_key(ec.SECP256R1())


def keyText(key: Key | dsa.DSAPrivateKey, secret: str = "", *, old: bool = False) -> bytes:
    """
    Return a key as PEM.

    @param secret: encrypt it with this passphrase.
    @param old: in the format of OpenSSL before 1.0.
    """
    kind = PrivateFormat.TraditionalOpenSSL if old else PrivateFormat.PKCS8
    return key.private_bytes(Encoding.PEM, kind, BestAvailableEncryption(secret.encode()) if secret else NoEncryption())


def issued(names: Sequence[str], key: Key, issuer: Key | None = None, days: tuple[int, int] = _USUAL) -> bytes:
    """
    Return a certificate as PEM; that of an authority if the name is C{Authority}.

    @param names: host names and addresses.
    @param issuer: the key of the authority; by default the certificate is self-signed.
    @param days: the days from now when it begins and when it ends.
    """
    now = datetime.now(UTC)
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, names[0])])
    authority = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, _AUTHORITY)])
    signer = issuer or key
    isAuthority = names[0] == _AUTHORITY
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(authority if issuer else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now + timedelta(days=days[0]))
        .not_valid_after(now + timedelta(days=days[1]))
        .add_extension(x509.BasicConstraints(ca=isAuthority, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName([_general(name) for name in names]), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), critical=False)
    )
    if isAuthority:
        builder = builder.add_extension(SIGNING, critical=True)
    own = isinstance(signer, ed25519.Ed25519PrivateKey | ed448.Ed448PrivateKey)
    return builder.sign(signer, None if own else SHA256()).public_bytes(Encoding.PEM)


def _general(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ip_address(name))
    except ValueError:
        return x509.DNSName(name)
