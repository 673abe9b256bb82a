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

    from twisted.internet.defer import Deferred

    from twisted_ext.server.config.settings import Settings
    from twisted_ext.server.console.replies import ConsoleReply
    from twisted_ext.server.operations.audit import AuditLog
    from twisted_ext.server.operations.operations import Operations

__all__ = ["ConsolePageTable", "ConsoleService", "consoleServiceFor"]


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
        pages = ConsolePageTable(reactor, operations, audit, today)
        make = partial(
            consoleSite, pages, users, Passwords(elsewhere), clock, today, audit=audit, hosts=hosts, isEncrypted=bool(certificate)
        )
        super().__init__(reactor, address, CONSOLE_PORT, make, certificate, port=port)


class ConsolePageTable:
    """
    Finds the page of a request.
    """

    def __init__(
        self, reactor: IReactorSocket, operations: Operations, audit: AuditLog | None, today: Callable[[], float]
    ) -> None:
        elsewhere = SparingThread(reactor)
        zones = ZonePages(operations, IReactorTime(reactor), elsewhere)
        text, changes = ZoneTextPage(operations, elsewhere), ZoneChangesPage(operations)
        keys, clients = ZoneKeysPage(operations, IReactorTime(reactor), today), ClientsPage(operations)
        blocking, look, settings = BlockingPage(operations), LookPage(operations), SettingsPage(operations)
        # By method and path: the scope that it takes, and the page. Those with a star get what stands there as well.
        self._pages: dict[tuple[str, ...], tuple[str, Callable[..., ConsoleReply | Deferred[ConsoleReply]]]] = {
            ("GET",): ("read", HomePage(operations, audit, elsewhere)),
            ("GET", "queries"): ("read", QueriesPage(operations, reactor)),
            ("GET", "clients"): ("read", clients.list),
            ("GET", "clients", "*"): ("read", clients.one),
            ("GET", "blocking"): ("read", blocking.show),
            ("POST", "blocking"): ("admin", blocking.do),
            ("GET", "names"): ("read", NamesPage(operations)),
            ("GET", "upstreams"): ("read", UpstreamsPage(operations)),
            ("GET", "look"): ("read", look.show),
            ("POST", "look"): ("admin", look.flush),
            ("GET", "look", "chain"): ("read", look.chain),
            ("GET", "look", "chain.svg"): ("read", look.picture),
            ("GET", "settings"): ("admin", settings.show),
            ("POST", "settings"): ("admin", settings.do),
            ("POST", "backup"): ("admin", BackupPage(operations, elsewhere, today)),
            ("GET", "zones"): ("read", zones.list),
            ("POST", "zones"): ("admin", zones.add),
            ("GET", "zones", "*"): ("read", zones.zone),
            ("POST", "zones", "*"): ("admin", zones.do),
            ("GET", "zones", "*", "edit"): ("read", zones.form),
            ("POST", "zones", "*", "edit"): ("zones", zones.change),
            ("GET", "zones", "*", "text"): ("read", text.show),
            ("POST", "zones", "*", "text"): ("zones", text.change),
            ("GET", "zones", "*", "keys"): ("read", keys),
            ("GET", "zones", "*", "file"): ("read", text.file),
            ("GET", "zones", "*", "changes"): ("read", changes.show),
            ("POST", "zones", "*", "changes"): ("zones", changes.back),
        }

    def scopes(self) -> dict[tuple[str, ...], str]:
        """
        Return the scopes that pages take, by method and path, in which a star stands for any word.
        """
        return {path: scope for path, (scope, _) in self._pages.items()}

    def __call__(self, method: str, parts: list[str]) -> tuple[str, ConsolePage] | None:
        # A zone may be called so.
        found = None if "*" in parts else self._pages.get((method, *parts))
        if found is not None or len(parts) < 2:
            return found
        starred = self._pages.get((method, parts[0], "*", *parts[2:]))
        return None if starred is None else (starred[0], lambda asked: starred[1](asked, parts[1]))
