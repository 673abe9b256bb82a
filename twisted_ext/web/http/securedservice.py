"""
A service with a site that takes secrets, so that other machines reach it over HTTPS only.
"""

from __future__ import annotations

from collections.abc import Callable
from ipaddress import ip_address
from typing import TYPE_CHECKING

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorSocket, IReactorTime

from twisted_ext.errors import CallerFault
from twisted_ext.server.config.places import labelOf
from twisted_ext.web.http.publichttp import PublicSite
from twisted_ext.web.http.website import SiteService

if TYPE_CHECKING:
    from twisted.logger import Logger

    from twisted_ext.web.http.encryptedsite import SiteEncryption

__all__ = ["SecuredService"]


class SecuredService(SiteService):
    """
    Serves the site.

    @cvar log: says where it is.
    @cvar setting: the setting with its address; with C{-tls} behind it, that of its certificate.
    @cvar secrets: what clients send that others must not see.
    @cvar path: the path of the site's first page.
    """

    log: Logger
    setting: str
    secrets: str
    path: str

    def __init__(
        self,
        reactor: IReactorSocket,
        address: str,
        default: int,
        make: Callable[[], PublicSite],
        certificate: str,
        *,
        port: int | None = None,
    ) -> None:
        """
        For the other arguments see L{SiteService}.

        @param certificate: the path of the file with certificate and key; C{""} for no encryption.

        @raise CallerFault: the address or the file is not valid, or others reach the address and it is not encrypted.
        """
        self._encryption: SiteEncryption | None = None
        if certificate:
            from twisted_ext.web.http.encryptedsite import SiteEncryption

            self._encryption = SiteEncryption(certificate, IReactorTime(reactor))
        wrap = None if self._encryption is None else self._encryption.wrap
        super().__init__(reactor, address, default, make, port=port, setting=self.setting, wrap=wrap)
        if not certificate and not ip_address(self._server.address.partition("%")[0]).is_loopback:
            raise CallerFault(
                f"{self.setting}: at {self._server.label} {self.secrets} are sent in the clear; set {self.setting}-tls, or use 127.0.0.1 or"
                " ::1 behind a proxy with TLS"
            )

    def startService(self) -> None:
        super().startService()
        if self._encryption is not None:
            self._encryption.start()
        scheme = "http" if self._encryption is None else "https"
        place = labelOf(self._server.address, self.port)
        self.log.info("the {setting} is at {scheme}://{place}{path}", setting=self.setting, scheme=scheme, place=place, path=self.path)

    def stopService(self) -> Deferred[None]:
        if self._encryption is not None:
            self._encryption.stop()
        return super().stopService()
