"""
The certificates that the settings name: from files or self-signed, read again at a reload and when the files have changed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from importlib.util import find_spec
from typing import TYPE_CHECKING, Final

from twisted.logger import Logger

from twisted_ext.errors import BadDescription
from twisted_ext.expiry import ExpiryWarnings
from twisted_ext.server.listeners.places import UnixPlace
from twisted_ext.server.listeners.proxies.trusted import UNIX
from twisted_ext.server.listeners.sockets import describedPlace
from twisted_ext.server.listeners.tls.certificates import Certificates, Pair
from twisted_ext.server.listeners.tls.files import CertificateFiles, readAuthorities
from twisted_ext.server.listeners.tls.selfsigned import keptPair

if TYPE_CHECKING:
    from twisted_ext.server.settings.settings import Settings

__all__ = ["Encryption", "checkEncryption", "encryptionFor"]

_log: Final = Logger(__name__)

#: Transports, and the modules and extras that they need.
_EXTRAS: Final = (
    ("https", "hpack", "https"),
    ("http3", "hpack", "https"),
    ("quic", "aioquic", "quic"),
    ("http3", "aioquic", "quic"),
)


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
