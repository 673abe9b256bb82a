"""
The certificates that the settings name: from files or self-signed, read again at a reload and when the files have changed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from importlib.util import find_spec
from typing import TYPE_CHECKING, Final

from twisted.logger import Logger

from twisted_ext.errors import BadDescription
from twisted_ext.server.listeners.sockets import placeFromText
from twisted_ext.server.listeners.tls.certificates import Certificates, Pair
from twisted_ext.server.listeners.tls.files import CertificateFiles
from twisted_ext.server.listeners.tls.selfsigned import keptPair

if TYPE_CHECKING:
    from twisted_ext.server.config.settings import Settings

__all__ = ["Encryption", "checkEncryption", "encryptionFor"]

_log: Final = Logger()


def checkEncryption(settings: Settings) -> None:
    """
    @raise BadDescription: the settings contradict each other.
    """
    wanted = [name for name, places in (("tls", settings.tls), ("https", settings.https), ("quic", settings.quic)) if places]
    if wanted and not (settings.certificate or settings.selfSigned):
        raise BadDescription(f"{wanted[0]} needs a certificate: write --certificate FILE and --key FILE, or --self-signed for trials")
    if settings.https and find_spec("hpack") is None:
        raise BadDescription("https needs hpack, which is not installed: pip install 'twisted-ext[https]'")
    if settings.quic and find_spec("aioquic") is None:
        raise BadDescription("quic needs aioquic, which is not installed: pip install 'twisted-ext[quic]'")
    if settings.selfSigned and settings.certificate:
        raise BadDescription("self-signed and certificate exclude each other")
    if settings.key and not settings.certificate:
        raise BadDescription("key needs certificate, the file of the certificate that it belongs to")


def encryptionFor(settings: Settings, seconds: Callable[[], float]) -> Encryption | None:
    """
    Return the certificates for a server's encrypted listeners, L{None} if it has none.

    @raise BadDescription: they cannot be used; names the file and the reason.
    """
    checkEncryption(settings)
    listed = (*settings.tls, *settings.https, *settings.quic)
    if not listed:
        return None
    if settings.certificate:
        files = CertificateFiles.of(settings)
        return Encryption(files.read(), seconds, files)
    addresses = [address for address, _ in [placeFromText(place, 0) for place in listed] if address != "any"]
    pair = keptPair(settings.stateFolder(), addresses)
    _log.info('the certificate is self-signed; clients can check it by its pin: pin-sha256="{pin}"', pin=pair.pin)
    return Encryption([pair], seconds)


class Encryption:
    """
    The certificates in force, and the files that they come from.

    @ivar changed: called when they have been replaced.
    """

    def __init__(self, pairs: Iterable[Pair], seconds: Callable[[], float], files: CertificateFiles | None = None) -> None:
        """
        @param files: L{None} if nothing is to be read again: the certificate is self-signed, or another process reads the files.
        """
        self.certificates = Certificates(pairs, seconds)
        self.changed: Callable[[], object] = lambda: None
        self._files = files

    @classmethod
    def fromJSON(cls, said: Sequence[Sequence[str]], seconds: Callable[[], float]) -> Encryption:
        """
        Return the certificates of another process, see L{Certificates.toJSON}.
        """
        return cls(Certificates.pairsFromJSON(said), seconds)

    def take(self, said: Sequence[Sequence[str]]) -> None:
        """
        Use the new certificates of that process.
        """
        self.certificates.replace(Certificates.pairsFromJSON(said))

    def prepare(self, settings: Settings) -> Callable[[], None]:
        """
        Read what new settings name.

        @return: applies it.

        @raise BadDescription: it cannot be used; nothing has changed.
        """
        checkEncryption(settings)
        if self._files is None or not settings.certificate:
            return lambda: None
        files = CertificateFiles.of(settings)
        if files == self._files and not self._files.isChanged:
            # A server that has given up root's rights may not be able to read the key any more.
            return lambda: None
        pairs = files.read()

        def apply() -> None:
            self._files = files
            self.replace(pairs)

        return apply

    def replace(self, pairs: Iterable[Pair]) -> None:
        self.certificates.replace(pairs)
        for pair in self.certificates.pairs:
            _log.info("new certificate of {label}, valid until {ends}", label=pair.label, ends=f"{pair.ends:%Y-%m-%d %H:%M} UTC")
        self.changed()

    def look(self) -> None:
        """
        Use what the files hold if they have changed.
        """
        pairs = None if self._files is None else self._files.look()
        if pairs is not None:
            self.replace(pairs)
