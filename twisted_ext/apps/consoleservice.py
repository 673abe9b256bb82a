"""
The service of the console.
"""

from __future__ import annotations

from functools import partial
from time import time
from typing import TYPE_CHECKING

from twisted.internet.interfaces import IReactorSocket, IReactorTime
from twisted.logger import Logger

from twisted_ext.errors import CallerFault
from twisted_ext.server.config.types import CONSOLE_PORT
from twisted_ext.server.console.backup import BackupPage
from twisted_ext.server.console.blocking import BlockingPage
from twisted_ext.server.console.clients import ClientsPage
from twisted_ext.server.console.home import HomePage
from twisted_ext.server.console.look import LookPage
from twisted_ext.server.console.names import NamesPage
from twisted_ext.server.console.queries import QueriesPage
from twisted_ext.server.console.settings import SettingsPage
from twisted_ext.server.console.site import ConsolePage, consoleSite
from twisted_ext.server.console.upstreams import UpstreamsPage
from twisted_ext.server.console.users import ConsoleUsers, Passwords
from twisted_ext.server.console.zones.changes import ZoneChangesPage
from twisted_ext.server.console.zones.keys import ZoneKeysPage
from twisted_ext.server.console.zones.pages import ZonePages
from twisted_ext.server.console.zones.text import ZoneTextPage
from twisted_ext.server.jobs.subprocess import SparingThread, inThread
from twisted_ext.server.web.securedservice import SecuredService

if TYPE_CHECKING:
    from collections.abc import Callable

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
    if not settings.consoleUsers:
        raise CallerFault("console takes console-users, a file with those who may sign in: txdns console user NAME --scope admin >> FILE")
    users = ConsoleUsers(settings.consoleUsers)
    return ConsoleService(
        reactor, settings.console, operations, users, time, audit=audit, hosts=settings.consoleHosts, certificate=settings.consoleTls
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
        hosts: tuple[str, ...] = (),
        certificate: str = "",
        port: int | None = None,
    ) -> None:
        """
        @param certificate: the path of the file with certificate and key; C{""} for no encryption.

        @raise CallerFault: the address is not valid, or others reach it and it is not encrypted.
        """
        clock, elsewhere = IReactorTime(reactor), partial(inThread, reactor)
        pages = _Pages(reactor, operations, audit, today)
        make = partial(
            consoleSite, pages, users, Passwords(elsewhere), clock, today, audit=audit, hosts=hosts, isEncrypted=bool(certificate)
        )
        super().__init__(reactor, address, CONSOLE_PORT, make, certificate, port=port)


class _Pages:
    """
    Finds the page of a request.
    """

    def __init__(
        self, reactor: IReactorSocket, operations: Operations, audit: AuditLog | None, today: Callable[[], float]
    ) -> None:
        elsewhere = SparingThread(reactor)
        self._zones = ZonePages(operations, IReactorTime(reactor), elsewhere)
        self._text = ZoneTextPage(operations, elsewhere)
        self._changes = ZoneChangesPage(operations)
        self._keys = ZoneKeysPage(operations, IReactorTime(reactor), today)
        self._clients = ClientsPage(operations)
        blocking, look, settings = BlockingPage(operations), LookPage(operations), SettingsPage(operations)
        self._pages: dict[tuple[str, ...], ConsolePage] = {
            ("GET",): HomePage(operations, audit, elsewhere),
            ("GET", "queries"): QueriesPage(operations, reactor),
            ("GET", "clients"): self._clients.list,
            ("GET", "blocking"): blocking.show,
            ("POST", "blocking"): blocking.do,
            ("GET", "names"): NamesPage(operations),
            ("GET", "upstreams"): UpstreamsPage(operations),
            ("GET", "look"): look.show,
            ("POST", "look"): look.flush,
            ("GET", "look", "chain"): look.chain,
            ("GET", "look", "chain.svg"): look.picture,
            ("GET", "settings"): settings.show,
            ("POST", "settings"): settings.do,
            ("POST", "backup"): BackupPage(operations, elsewhere, today),
            ("GET", "zones"): self._zones.list,
            ("POST", "zones"): self._zones.add,
        }

    def __call__(self, method: str, parts: list[str]) -> ConsolePage | None:
        zones = self._zones
        match method, *parts:
            case "GET", "clients", address:
                return partial(self._clients.one, address=address)
            case "GET", "zones", name:
                return partial(zones.zone, text=name)
            case "POST", "zones", name:
                return partial(zones.do, text=name)
            case "GET", "zones", name, "edit":
                return partial(zones.form, text=name)
            case "POST", "zones", name, "edit":
                return partial(zones.change, text=name)
            case "GET", "zones", name, "text":
                return partial(self._text.show, text=name)
            case "POST", "zones", name, "text":
                return partial(self._text.change, text=name)
            case "GET", "zones", name, "keys":
                return partial(self._keys, text=name)
            case "GET", "zones", name, "file":
                return partial(self._text.file, text=name)
            case "GET", "zones", name, "changes":
                return partial(self._changes.show, text=name)
            case "POST", "zones", name, "changes":
                return partial(self._changes.back, text=name)
        return self._pages.get((method, *parts))
