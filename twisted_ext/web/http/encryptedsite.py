"""
Sites over HTTPS. Imported where one is wanted only.
"""

from __future__ import annotations

from typing import Any, Final, cast

from twisted.internet.interfaces import IAddress, IReactorTime
from twisted.internet.protocol import ServerFactory
from twisted.internet.task import LoopingCall
from twisted.logger import Logger
from twisted.protocols.tls import TLSMemoryBIOFactory, TLSMemoryBIOProtocol

from twisted_ext.server.listeners.tls.certificates import ContextFactory
from twisted_ext.server.listeners.tls.encryption import CertificateFiles, Encryption
from twisted_ext.web.http.publichttp import PublicSite

__all__ = ["SiteEncryption"]

_log: Final = Logger(__name__)

#: The protocols that clients may agree on (ALPN).
_ALPN: Final = (b"http/1.1",)

#: Seconds between two looks at the file.
_LOOKS: Final = 10.0


class SiteEncryption:
    """
    The certificate of a site, from a file that is read again when it changes.
    """

    def __init__(self, path: str, clock: IReactorTime) -> None:
        """
        @param path: the file with the certificate, its chain and its private key.

        @raise BadDescription: it cannot be used.
        """
        files = CertificateFiles((path,), ())
        self._encryption = Encryption(files.read(), clock.seconds, files)
        self._encryption.warn()
        self._looking = LoopingCall(self._encryption.look)
        self._looking.clock = clock

    def wrap(self, site: PublicSite) -> ServerFactory[Any]:
        return cast("ServerFactory[Any]", _EncryptedSite(self._encryption.certificates.contextFactory(_ALPN), site))

    def start(self) -> None:
        self._looking.start(_LOOKS, now=False).addErrback(lambda failure: _log.failure("while looking at a certificate", failure))

    def stop(self) -> None:
        if self._looking.running:
            self._looking.stop()


class _EncryptedSite(TLSMemoryBIOFactory):
    """
    Makes connections of a site inside of TLS. The site takes so few a second that handshakes leave time for queries.
    """

    def __init__(self, contexts: ContextFactory, site: PublicSite) -> None:
        super().__init__(contexts, False, site)
        self._site = site

    def buildProtocol(self, addr: IAddress | None) -> TLSMemoryBIOProtocol | None:
        made = self._site.buildProtocol(addr)
        return None if made is None else TLSMemoryBIOProtocol(self, made)
