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

__all__ = ["authority", "certificateFor", "written"]

_Key = ec.EllipticCurvePrivateKey


def _named(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


def _made(name: str, key: _Key, issuer: str, issuerKey: _Key, *extensions: x509.ExtensionType) -> x509.Certificate:
    now = datetime.now(UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(_named(name))
        .issuer_name(_named(issuer))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=30))
    )
    for extension in extensions:
        builder = builder.add_extension(extension, critical=isinstance(extension, x509.BasicConstraints))
    return builder.sign(issuerKey, hashes.SHA256())


@cache
def authority() -> tuple[bytes, _Key]:
    """
    Return the authority's certificate, in PEM, and its key.
    """
    key = ec.generate_private_key(ec.SECP256R1())
    made = _made("made up", key, "made up", key, x509.BasicConstraints(ca=True, path_length=None))
    return made.public_bytes(Encoding.PEM), key


@cache
def certificateFor(name: str) -> bytes:
    """
    Return key and certificate, in PEM.

    @param name: a host, or its address.
    """
    key = ec.generate_private_key(ec.SECP256R1())
    general: x509.GeneralName
    try:
        general = x509.IPAddress(ip_address(name))
    except ValueError:
        general = x509.DNSName(name)
    made = _made(name, key, "made up", authority()[1], x509.SubjectAlternativeName([general]))
    plain = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return plain + made.public_bytes(Encoding.PEM)


def written(folder: Path) -> Path:
    """
    Write the authority's certificate to a file in the folder and return its path.
    """
    path = folder / "authority.pem"
    path.write_bytes(authority()[0])
    return path
