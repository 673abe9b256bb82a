"""
The certificates that the settings name: from files or self-signed, read again at a reload and when the files have changed.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from importlib.util import find_spec
from ipaddress import ip_address
from typing import TYPE_CHECKING, Final

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from twisted.logger import Logger

from twisted_ext.errors import BadDescription
from twisted_ext.files import STATE_FOLDER, openNow, replacingFile, stateIn
from twisted_ext.server.config.places import UnixPlace, describedPlace
from twisted_ext.server.limits import CERTIFICATE_OCTETS
from twisted_ext.server.listeners.proxies.trusted import UNIX
from twisted_ext.server.listeners.tls.certificates import Certificates, Pair
from twisted_ext.transport.tls.pemfiles import certificatesFrom, pemIn, warnOfKey
from twisted_ext.watch.expiry import ExpiryWarnings

if TYPE_CHECKING:
    from twisted_ext.server.config.settings import Settings

__all__ = ["CertificateFiles", "Encryption", "checkEncryption", "encryptionFor", "keptPair", "newPair", "readAuthorities", "readPairs"]

_log: Final = Logger(__name__)

#: Transports, and the modules and extras that they need.
_EXTRAS: Final = (
    ("https", "hpack", "https"),
    ("http3", "hpack", "https"),
    ("quic", "aioquic", "quic"),
    ("http3", "aioquic", "quic"),
)

#: Days for which a self-signed certificate is valid: the maximum that clients accept (825 is Apple's bound for private roots).
_SELF_SIGNED_DAYS: Final = 825

#: The file in the state folder with key and certificate.
_FILE: Final = "self-signed.pem"

_LABEL: Final = "self-signed"

#: The certificate starts this much earlier, for clients whose clocks are behind.
_BEHIND: Final = timedelta(hours=1)

#: What differs once a file has been replaced or written to.
_State = tuple[tuple[int, ...], ...]


def readPairs(certificates: Sequence[str], keys: Sequence[str]) -> list[Pair]:
    """
    Read certificates with their keys.

    @param certificates: the paths of files with a certificate and its chain.
    @param keys: the paths of their keys, in the same order; empty if each key is in the file of its certificate.

    @raise BadDescription: they cannot be used; names the file and the reason.
    """
    if keys and len(keys) != len(certificates):
        raise BadDescription(
            f"certificate and key: each certificate needs its key, in the same order; there are {len(certificates)} and {len(keys)}"
        )
    return [Pair(_read(path), _read(key), path, key) for path, key in zip(certificates, keys or certificates, strict=True)]


def readAuthorities(path: str) -> bytes:
    """
    Read the authorities of clients' certificates.

    @param path: C{""} for none.

    @return: the file's content.

    @raise BadDescription: it cannot be used; names the file and the reason.
    """
    if not path:
        return b""
    text = _read(path)
    certificatesFrom(text, path)
    return text


def _read(path: str) -> bytes:
    return pemIn(path, most=int(CERTIFICATE_OCTETS.default))


def _checkForQUIC(pairs: Sequence[Pair], setting: str) -> None:
    """
    @raise BadDescription: QUIC cannot sign with one of the keys, so that each handshake for its name would fail.
    """
    # Only here: it takes an extra.
    from twisted_ext.transport.quic.keys import signsWith

    for pair in pairs:
        if not signsWith(pair.key):
            kind = getattr(getattr(pair.key, "curve", None), "name", "") or type(pair.key).__name__
            raise BadDescription(
                f"{pair.label}: {setting} cannot use a key on {kind}; it has to be ECDSA on P-256 or P-384, Ed25519, Ed448 or RSA"
            )


class CertificateFiles:
    """
    The files of the settings C{certificate}, C{key} and C{client-ca}.

    @ivar authorities: what the last one held when the files were read.
    """

    def __init__(self, certificates: Sequence[str], keys: Sequence[str], clientCA: str = "", quic: str = "") -> None:
        """
        @param quic: the setting of a listener over QUIC, which takes fewer kinds of keys; C{""} for none.
        """
        self.authorities = b""
        self._quic = quic
        self._certificates = tuple(certificates)
        self._keys = tuple(keys)
        self._clientCA = clientCA
        # The state of the files in force, of those that were read last, which may be wrong, and at the last look.
        self._used: _State = ()
        self._read: _State = ()
        self._seen: _State = ()
        # Why there is no state, and whether that has been logged.
        self._missing = ""
        self._warned = False

    @classmethod
    def of(cls, settings: Settings) -> CertificateFiles:
        quic = "quic" if settings.quic else "http3" if settings.http3 else ""
        return cls(settings.certificate, settings.key, settings.clientCa, quic)

    def read(self) -> list[Pair]:
        """
        @raise BadDescription: the files cannot be used.
        """
        self._read = self._seen = state = self._state()
        pairs = readPairs(self._certificates, self._keys)
        if self._quic:
            _checkForQUIC(pairs, self._quic)
        self.authorities = readAuthorities(self._clientCA)
        self._used = state
        for key in self._keys:
            warnOfKey(key)
        for pair in pairs:
            if pair.disorder:
                _log.warn("{disorder}; some clients will reject it", disorder=pair.disorder)
        return pairs

    def look(self) -> list[Pair] | None:
        """
        Read the files again if they have changed, once they are equal at two calls in a row, so that a half-written file is not read.

        @return: the new pairs; L{None} if nothing has changed, or if the files cannot be used, which is logged.
        """
        state = self._state()
        before, self._seen = self._seen, state
        if state:
            self._warned = False
        elif not before and not self._warned:
            # A server that has given up root's rights may not be able to follow a renewal.
            self._warned = True
            _log.warn("{missing}; the certificates in use stay in force until it can be read", missing=self._missing)
        if state in (self._read, ()) or state != before:
            return None
        try:
            return self.read()
        except BadDescription as fault:
            _log.error("the new certificates cannot be used, the old ones stay in force: {fault}", fault=fault)
            return None

    @property
    def isChanged(self) -> bool:
        """
        Whether the files are not those in force.
        """
        return self._state() != self._used

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, CertificateFiles):
            return NotImplemented
        return self._settings() == other._settings()

    def __hash__(self) -> int:
        return hash(self._settings())

    def _settings(self) -> tuple[object, ...]:
        return self._certificates, self._keys, self._clientCA, self._quic

    def _state(self) -> _State:
        found: list[tuple[int, ...]] = []
        for path in dict.fromkeys([*self._certificates, *self._keys, *([self._clientCA] if self._clientCA else [])]):
            try:
                status = os.stat(path)
            except OSError as error:
                # It is being replaced, or this process may not read its folder any more.
                self._missing = f"{path}: {error.strerror or error}"
                return ()
            found.append(stateIn(status))
        return tuple(found)


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


def checkEncryption(settings: Settings) -> None:
    """
    @raise BadDescription: the settings contradict each other.
    """
    listed = (("tls", settings.tls), ("https", settings.https), ("quic", settings.quic), ("http3", settings.http3))
    wanted = [name for name, places in listed if places]
    if wanted and not (settings.certificate or settings.selfSigned):
        raise BadDescription(f"{wanted[0]} needs a certificate: write --certificate FILE and --key FILE, or --self-signed for trials")
    if settings.httpsClear and not settings.trustedProxies:
        raise BadDescription("https-clear needs trusted-proxies, the addresses of the reverse proxy, such as 127.0.0.1")
    unix = next((each for each in settings.httpsClear if isinstance(describedPlace(each, "https-clear"), UnixPlace)), "")
    if unix and UNIX not in settings.trustedProxies:
        raise BadDescription(f"https-clear: {unix} needs trusted-proxies with unix, so that the proxy names its clients")
    for name, module, extra in _EXTRAS:
        if (name in wanted or (name == "https" and settings.httpsClear)) and find_spec(module) is None:
            raise BadDescription(f"{name} needs {module}, which is not installed: pip install 'twisted-ext[{extra}]'")
    if settings.selfSigned and settings.certificate:
        raise BadDescription("self-signed and certificate exclude each other")
    if settings.key and not settings.certificate:
        raise BadDescription("key needs certificate, the file of the certificate that it belongs to")
    if settings.clientCa and not settings.tls:
        raise BadDescription("client-ca needs tls, the listener that asks clients for certificates")


def encryptionFor(settings: Settings, seconds: Callable[[], float]) -> Encryption | None:
    """
    Return the certificates for a server's encrypted listeners, L{None} if it has none.

    @raise BadDescription: they cannot be used; names the file and the reason.
    """
    checkEncryption(settings)
    listed = (*settings.tls, *settings.https, *settings.quic, *settings.http3)
    if not listed:
        return None
    if settings.certificate:
        files = CertificateFiles.of(settings)
        return _warned(Encryption(files.read(), seconds, files, files.authorities))
    places = [describedPlace(place, "tls") for place in listed]
    addresses = [place[0] for place in places if isinstance(place, tuple) and place[0] != "any"]
    folder = settings.stateFolder()
    pair = keptPair(folder, addresses)
    text = 'the certificate is self-signed; clients can check it by its pin: pin-sha256="{pin}"'
    _log.info(text if folder else text + "; it changes at each start, because there is no state folder", pin=pair.pin)
    return _warned(Encryption([pair], seconds, authorities=readAuthorities(settings.clientCa)))


def _warned(encryption: Encryption) -> Encryption:
    encryption.warn()
    return encryption


class Encryption:
    """
    The certificates in force, and the files that they come from.

    @ivar changed: called when they have been replaced.
    """

    def __init__(
        self,
        pairs: Iterable[Pair],
        seconds: Callable[[], float],
        files: CertificateFiles | None = None,
        authorities: bytes = b"",
        isCopy: bool = False,
    ) -> None:
        """
        @param isCopy: whether another process of the server has them too, and warns of their end.
        @param authorities: those of the clients' certificates, in PEM.
        @param files: L{None} if nothing is to be read again: the certificate is self-signed, or another process reads the files.
        """
        self.certificates = Certificates(pairs, seconds, authorities)
        self.changed: Callable[[], object] = lambda: None
        self._files = files
        self._isCopy = isCopy
        self._expiry = ExpiryWarnings()

    @classmethod
    def fromJSON(cls, said: Sequence[Sequence[str]], seconds: Callable[[], float]) -> Encryption:
        """
        Return the certificates of another process, see L{Certificates.toJSON}.
        """
        pairs, authorities = Certificates.partsFromJSON(said)
        return cls(pairs, seconds, authorities=authorities, isCopy=True)

    def take(self, said: Sequence[Sequence[str]]) -> None:
        """
        Use the new certificates of that process.
        """
        self.certificates.replace(*Certificates.partsFromJSON(said))
        self.changed()

    def prepare(self, settings: Settings) -> Callable[[], None]:
        """
        Read what new settings name.

        @return: applies it.

        @raise BadDescription: it cannot be used; nothing has changed.
        """
        checkEncryption(settings)
        if self._files is None or not settings.certificate:
            authorities = readAuthorities(settings.clientCa)

            def applyAuthorities() -> None:
                if authorities != self.certificates.authorities:
                    self.certificates.replace(self.certificates.pairs, authorities)
                    self.changed()

            return applyAuthorities
        files = CertificateFiles.of(settings)
        if files == self._files and not self._files.isChanged:
            # A server that has given up root's rights may not be able to read the key any more.
            return lambda: None
        pairs = files.read()

        def apply() -> None:
            self._files = files
            self.replace(pairs, files.authorities)

        return apply

    def replace(self, pairs: Iterable[Pair], authorities: bytes = b"") -> None:
        self.certificates.replace(pairs, authorities)
        for pair in self.certificates.pairs:
            _log.info("new certificate of {label}, valid until {ends}", label=pair.label, ends=f"{pair.ends:%Y-%m-%d %H:%M} UTC")
        self._expiry = ExpiryWarnings()
        self.warn()
        self.changed()

    def look(self, now: datetime | None = None) -> None:
        """
        Use what the files hold if they have changed, and warn of certificates that expire.
        """
        pairs = None if self._files is None else self._files.look()
        if pairs is not None and self._files is not None:
            self.replace(pairs, self._files.authorities)
        self.warn(now)

    def warn(self, now: datetime | None = None) -> None:
        """
        Log which certificates clients reject, or will reject soon.
        """
        if self._isCopy:
            return
        moment = datetime.now(UTC) if now is None else now
        for pair in self.certificates.pairs:
            doubt = pair.doubt(moment)
            # One that is not valid yet is of as little use as one that has expired.
            ends = 0.0 if doubt else pair.ends.timestamp()
            if not self._expiry.isDue(pair.label, ends, moment.timestamp()):
                continue
            if doubt:
                _log.warn("{doubt}; clients will reject it", doubt=doubt)
            else:
                _log.warn("{soon}; renew it before", soon=pair.soon(moment))

    def figures(self) -> dict[str, float]:
        """
        Return the numbers for metrics; none in a process that has copies.
        """
        return {} if self._isCopy else {"certificateExpiry": min([pair.ends.timestamp() for pair in self.certificates.pairs])}
