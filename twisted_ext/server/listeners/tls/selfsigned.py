"""
Self-signed certificates, for trials: clients accept them by their pin.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Iterable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from twisted_ext.errors import BadDescription
from twisted_ext.files import STATE_FOLDER, openNow, replacingFile
from twisted_ext.server.limits import CERTIFICATE_OCTETS
from twisted_ext.server.listeners.tls.certificates import Pair

__all__ = ["keptPair", "newPair"]

#: Days for which a self-signed certificate is valid: the maximum that clients accept (825 is Apple's bound for private roots).
_SELF_SIGNED_DAYS: Final = 825

#: The file in the state folder with key and certificate.
_FILE: Final = "self-signed.pem"

_LABEL: Final = "self-signed"

#: The certificate starts this much earlier, for clients whose clocks are behind.
_BEHIND: Final = timedelta(hours=1)


def newPair(names: Iterable[str] = (), now: datetime | None = None) -> Pair:
    """
    Make a key and a certificate.

    @param names: host names and addresses that it is for, besides C{localhost} and the name of this machine.
    """
    key = ec.generate_private_key(ec.SECP256R1())
    start = (datetime.now(UTC) if now is None else now) - _BEHIND
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "txdns, self-signed")])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(start + timedelta(days=_SELF_SIGNED_DAYS))
        .add_extension(x509.SubjectAlternativeName(_generalNames(names)), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .sign(key, SHA256())
    )
    text = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return Pair(certificate.public_bytes(Encoding.PEM), text, _LABEL)


def _generalNames(names: Iterable[str]) -> list[x509.GeneralName]:
    made: list[x509.GeneralName] = []
    for name in dict.fromkeys(["localhost", socket.gethostname().lower(), *names]):
        try:
            made.append(x509.IPAddress(ip_address(name)))
        except ValueError:
            # A host may have any name; certificates take only some.
            with suppress(ValueError):
                made.append(x509.DNSName(name))
    return made


def keptPair(folder: str, names: Iterable[str] = (), now: datetime | None = None) -> Pair:
    """
    Return the pair that an earlier start has kept in a folder, so that its pin stays the same; else make one and keep it.

    @param folder: C{""} to keep nothing.

    @raise BadDescription: the file there cannot be used.
    """
    if not folder:
        return newPair(names, now)
    path = os.path.join(folder, _FILE)
    try:
        with open(path, "rb", opener=openNow) as opened:
            text = opened.read(int(CERTIFICATE_OCTETS.default))
    except FileNotFoundError:
        text = b""
    except OSError as error:
        raise BadDescription(f"{path}: {error.strerror or error}; remove it, and a new self-signed certificate is made") from None
    if text:
        try:
            pair = Pair(text, text, path)
        except BadDescription as fault:
            raise BadDescription(f"{fault}; remove the file, and a new self-signed certificate is made") from None
        if not pair.doubt(now):
            return pair
    pair = newPair(names, now)
    try:
        os.makedirs(folder, STATE_FOLDER, exist_ok=True)
        with replacingFile(path, 0o600) as file:
            file.write(pair.texts[1] + pair.texts[0])
    except OSError as error:
        raise BadDescription(f"{path}: {error.strerror or error}; the self-signed certificate has to be kept there") from None
    return pair
