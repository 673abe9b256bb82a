"""
The service of the console.
"""

from __future__ import annotations

from functools import partial
from time import time
from typing import TYPE_CHECKING

from twisted.internet.interfaces import IReactorProcess, IReactorSocket, IReactorTime
from twisted.logger import Logger

from twisted_ext.server.config.types import CONSOLE_PORT
from twisted_ext.server.process.jobs.subprocess import inThread
from twisted_ext.web.console.site.browsers import KnownBrowsers
from twisted_ext.web.console.site.madeusers import ConsoleUsers
from twisted_ext.web.console.site.site import consoleSite
from twisted_ext.web.console.site.templates import PageTemplates
from twisted_ext.web.console.site.users import Passwords
from twisted_ext.web.console.table import consoleTable
from twisted_ext.web.http.securedservice import SecuredService

if TYPE_CHECKING:
    from collections.abc import Callable

    from twisted.internet.defer import Deferred

    from twisted_ext.server.config.settings import Settings
    from twisted_ext.server.operations.audit import AuditLog
    from twisted_ext.server.operations.operations import Operations

__all__ = ["ConsoleService", "consoleServiceFor"]


def consoleServiceFor(reactor: IReactorSocket, settings: Settings, operations: Operations, audit: AuditLog | None) -> ConsoleService:
    """
    Return the service that the settings ask for.

    @param audit: L{None} if there is no folder for it.

    @raise CallerFault: it cannot be made.
    """
    state = settings.stateFolder()
    users = ConsoleUsers(settings.consoleUsers, state)
    return ConsoleService(
        reactor,
        settings.console,
        operations,
        users,
        time,
        audit=audit,
        browsers=f"{state}/console-browsers.json" if state else "",
        hosts=settings.consoleHosts,
        certificate=settings.consoleTls,
    )


class ConsoleService(SecuredService):
    log = Logger(__name__)
    setting = "console"
    secrets = "passwords"
    path = "/"

    def __init__(
        self,
        reactor: IReactorSocket,
        address: str,
        operations: Operations,
        users: ConsoleUsers,
        today: Callable[[], float],
        *,
        audit: AuditLog | None = None,
        browsers: str = "",
        hosts: tuple[str, ...] = (),
        certificate: str = "",
        port: int | None = None,
    ) -> None:
        """
        @param browsers: the path of the file that keeps which browsers are known; C{""} for none.
        @param certificate: the path of the file with certificate and key; C{""} for no encryption.

        @raise CallerFault: the address is not valid, or others reach it and it is not encrypted.
        """
        clock, elsewhere = IReactorTime(reactor), partial(inThread, reactor)
        passwords = Passwords(elsewhere)
        pages = consoleTable(reactor, operations, audit, today, users, passwords)
        known = KnownBrowsers(browsers, today, elsewhere)
        self._templates = PageTemplates()
        make = partial(consoleSite, pages, users, passwords, known, clock, today, audit=audit, hosts=hosts, templates=self._templates)
        make = partial(make, isEncrypted=bool(certificate))
        super().__init__(reactor, address, CONSOLE_PORT, make, certificate, port=port)

    def startService(self) -> None:
        super().startService()
        if IReactorProcess.providedBy(self._reactor):
            self._templates.prepare(self._reactor)

    def stopService(self) -> Deferred[None]:
        self._templates.close()
        return super().stopService()
