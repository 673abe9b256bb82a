"""
Certificates of a test authority.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import cache
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

__all__ = ["SIGNING", "Key", "authority", "certificateFor", "made", "pem", "written"]

Key = ec.EllipticCurvePrivateKey

#: What an authority's key is for.
SIGNING = x509.KeyUsage(
    digital_signature=False,
    content_commitment=False,
    key_encipherment=False,
    data_encipherment=False,
    key_agreement=False,
    key_cert_sign=True,
    crl_sign=True,
    encipher_only=False,
    decipher_only=False,
)


def _named(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


def made(
    name: str,
    key: Key,
    issuer: str,
    issuerKey: Key,
    *extensions: x509.ExtensionType,
    begins: timedelta = timedelta(days=-1),
    ends: timedelta = timedelta(days=30),
) -> x509.Certificate:
    """
    Return a certificate that passes strict verification, the default of Python 3.13.

    @param begins: when it becomes valid, from now.
    @param ends: when it expires, from now.
    """
    now = datetime.now(UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(_named(name))
        .issuer_name(_named(issuer))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now + begins)
        .not_valid_after(now + ends)
    )
    identifiers = (
        x509.SubjectKeyIdentifier.from_public_key(key.public_key()),
        x509.AuthorityKeyIdentifier.from_issuer_public_key(issuerKey.public_key()),
    )
    for extension in (*identifiers, *extensions):
        builder = builder.add_extension(extension, critical=isinstance(extension, x509.BasicConstraints))
    return builder.sign(issuerKey, hashes.SHA256())


@cache
def authority() -> tuple[bytes, Key]:
    """
    Return the authority's certificate, in PEM, and its key.
    """
    key = ec.generate_private_key(ec.SECP256R1())
    signed = made("made up", key, "made up", key, x509.BasicConstraints(ca=True, path_length=None), SIGNING)
    return signed.public_bytes(Encoding.PEM), key


@cache
def certificateFor(name: str, *others: str) -> bytes:
    """
    Return key and certificate, in PEM.

    @param name: a host, or its address.
    @param others: further ones.
    """
    key = ec.generate_private_key(ec.SECP256R1())
    general = [_generalOf(each) for each in (name, *others)]
    signed = made(name, key, "made up", authority()[1], x509.SubjectAlternativeName(general))
    return pem(key, signed)


def _generalOf(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def pem(key: Key, *certificates: x509.Certificate) -> bytes:
    """
    Return a key and its chain of certificates.
    """
    plain = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return plain + b"".join([certificate.public_bytes(Encoding.PEM) for certificate in certificates])


def written(folder: Path) -> Path:
    """
    Write the authority's certificate to a file in the folder and return its path.
    """
    path = folder / "authority.pem"
    path.write_bytes(authority()[0])
    return path
