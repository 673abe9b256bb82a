"""
The service of the API.
"""

from __future__ import annotations

from functools import partial
from time import time
from typing import TYPE_CHECKING

from twisted.internet.interfaces import IReactorSocket, IReactorTime
from twisted.logger import Logger

from twisted_ext.errors import CallerFault
from twisted_ext.server.config.types import API_PORT
from twisted_ext.server.operations.audit import AuditLog
from twisted_ext.server.process.jobs.subprocess import inThread
from twisted_ext.web.api.powerdns.door import PowerDNSDoor
from twisted_ext.web.api.powerdns.lookups import PowerDNSLookups
from twisted_ext.web.api.resources import ResourcesDoor
from twisted_ext.web.api.site.site import ApiDoor, apiSite
from twisted_ext.web.api.site.tokens import ApiTokens
from twisted_ext.web.http.securedservice import SecuredService

if TYPE_CHECKING:
    from collections.abc import Callable

    from twisted_ext.server.config.settings import Settings
    from twisted_ext.server.operations.operations import Operations

__all__ = ["ApiService", "apiServiceFor"]


def apiServiceFor(reactor: IReactorSocket, settings: Settings, operations: Operations, audit: AuditLog | None) -> ApiService:
    """
    Return the service that the settings ask for.

    @param audit: L{None} if there is no folder for it.

    @raise CallerFault: it cannot be made.
    """
    if not settings.apiTokens:
        raise CallerFault("api takes api-tokens, a file with tokens of those who may use it: txdns api token NAME --scope zones >> FILE")
    if operations.zoneSets is None:
        raise CallerFault("api: this server has no zones")
    tokens = ApiTokens(settings.apiTokens)
    return ApiService(
        reactor, settings.api, operations, tokens, time, audit=audit, hosts=settings.apiHosts, certificate=settings.apiTls
    )


class ApiService(SecuredService):
    log = Logger(__name__)
    setting = "api"
    secrets = "tokens"
    path = "/api"

    def __init__(
        self,
        reactor: IReactorSocket,
        address: str,
        operations: Operations,
        tokens: ApiTokens,
        today: Callable[[], float],
        *,
        audit: AuditLog | None = None,
        hosts: tuple[str, ...] = (),
        certificate: str = "",
        port: int | None = None,
    ) -> None:
        """
        @param certificate: the path of the file with certificate and key; C{""} for no encryption.

        @raise CallerFault: the address is not valid, or others reach it and it is not encrypted.
        """
        clock = IReactorTime(reactor)
        assert operations.zoneSets is not None
        lookups = PowerDNSLookups(operations, today)
        elsewhere = partial(inThread, reactor)
        powerDNS = PowerDNSDoor(operations.zoneSets, lookups, clock, today, elsewhere)
        # The longer path first.
        doors: dict[tuple[str, ...], ApiDoor] = {("api", "2"): ResourcesDoor(operations, audit, elsewhere), ("api",): powerDNS}
        make = partial(apiSite, doors, tokens, clock, today, audit=audit, hosts=hosts)
        super().__init__(reactor, address, API_PORT, make, certificate, port=port)
