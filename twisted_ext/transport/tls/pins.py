"""
Pins of public keys (RFC 7858, section 4.2), and the names in certificates.
"""

from __future__ import annotations

from base64 import b64decode, b64encode
from binascii import Error as BadBase64
from hashlib import sha256
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from twisted_ext.errors import BadDescription

__all__ = ["namesOf", "pinFromText", "pinOf", "pinToText"]

#: Names of a wrong certificate that an error shows; some certificates have hundreds.
_TLS_NAMES_SHOWN: Final = 4

#: Octets of a pin: a SHA-256 digest.
_PIN_OCTETS: Final = 32


def pinFromText(text: str) -> bytes:
    """
    Parse a pin: the SHA-256 digest of a public key (SubjectPublicKeyInfo) in base64 (RFC 7858, section 4.2), with or without C{sha256/}
    before it.

    @raise BadDescription: it is not a valid pin.
    """
    digits = text.strip().removeprefix("sha256/")
    try:
        pin = b64decode(digits, validate=True)
    except (BadBase64, ValueError):
        pin = b""
    if len(pin) != _PIN_OCTETS:
        wanted = "it takes the SHA-256 digest of a public key in base64, 44 characters"
        raise BadDescription(f"{text!r:.100} is not a valid pin: {wanted}{_hint(digits)}")
    return pin


def _hint(digits: str) -> str:
    """
    Return what is probably meant by a text that is not a pin.
    """
    if len(digits) == _PIN_OCTETS * 2:
        try:
            return f"; these hexadecimal digits are {pinToText(bytes.fromhex(digits))} in base64"
        except ValueError:
            return ""
    quoted = digits.strip('"').removeprefix('pin-sha256="')
    if quoted != digits:
        return "; write only what stands between the quotation marks"
    if ("-" in digits or "_" in digits) and "/" not in digits:
        return "; write + for - and / for _"
    name, slash, rest = digits.partition("/")
    if slash and name.startswith("sha") and rest:
        return f", not {name.upper()}"
    return ""


def pinToText(pin: bytes) -> str:
    return b64encode(pin).decode("ascii")


def pinOf(certificate: x509.Certificate) -> bytes:
    """
    Return the digest of the certificate's public key.
    """
    return sha256(certificate.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).digest()


def namesOf(certificate: x509.Certificate) -> str:
    """
    Return the names and addresses that a certificate is for, for display.
    """
    try:
        general = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        names = [*general.get_values_for_type(x509.DNSName), *map(str, general.get_values_for_type(x509.IPAddress))]
    except (x509.ExtensionNotFound, x509.DuplicateExtension, ValueError):
        names = []
    if not names:
        try:
            subject = certificate.subject.rfc4514_string()
        except ValueError:
            subject = ""
        return f"no host name (subject {subject!r})"
    most = _TLS_NAMES_SHOWN
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return f"{', '.join([repr(name) for name in names[:most]])}{more}"
