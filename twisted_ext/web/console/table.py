"""
All pages of the console.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from twisted.internet.interfaces import IReactorSocket, IReactorTime

from twisted_ext.server.features.queryhistory.searching import HistorySearch
from twisted_ext.server.process.jobs.subprocess import SparingThread
from twisted_ext.web.console.pages.alterations import Alterations
from twisted_ext.web.console.pages.backup import BackupPage
from twisted_ext.web.console.pages.blocking.page import BlockingPage
from twisted_ext.web.console.pages.blocking.trying import TryPage
from twisted_ext.web.console.pages.changes import ChangesPage
from twisted_ext.web.console.pages.clients import ClientsPage
from twisted_ext.web.console.pages.home import HomePage
from twisted_ext.web.console.pages.look import LookPage
from twisted_ext.web.console.pages.names import NamesPage
from twisted_ext.web.console.pages.queries import QueriesPage
from twisted_ext.web.console.pages.settings import SettingsPage
from twisted_ext.web.console.pages.upstreams import UpstreamsPage
from twisted_ext.web.console.pages.users import UsersPage
from twisted_ext.web.console.pages.views import ViewsPage
from twisted_ext.web.console.pages.zones.changes import ZoneChangesPage
from twisted_ext.web.console.pages.zones.keys import ZoneKeysPage
from twisted_ext.web.console.pages.zones.pages import ZonePages
from twisted_ext.web.console.pages.zones.text import ZoneTextPage
from twisted_ext.web.console.site.table import ConsoleRow, ConsoleTable

if TYPE_CHECKING:
    from collections.abc import Callable

    from twisted_ext.server.operations.audit import AuditLog
    from twisted_ext.server.operations.operations import Operations
    from twisted_ext.web.console.site.madeusers import ConsoleUsers
    from twisted_ext.web.console.site.users import Passwords

__all__ = ["consoleTable"]


def consoleTable(
    reactor: IReactorSocket,
    operations: Operations,
    audit: AuditLog | None,
    today: Callable[[], float],
    users: ConsoleUsers,
    passwords: Passwords,
) -> ConsoleTable:
    """
    Return the table of pages. A new page is a row here, and its function.

    @param audit: L{None} if there is no folder for it.
    """
    elsewhere, clock = SparingThread(reactor), IReactorTime(reactor)
    history = HistorySearch(operations, reactor)
    zones, clients = ZonePages(operations, clock, elsewhere), ClientsPage(operations, history, today)
    text, changes, keys = ZoneTextPage(operations, elsewhere), ZoneChangesPage(operations), ZoneKeysPage(operations, clock, today)
    alterations = Alterations(operations)
    blocking, views, look = BlockingPage(operations, alterations), ViewsPage(operations, alterations), LookPage(operations)
    trying = TryPage(operations, alterations, reactor, elsewhere, today)
    settings, log = SettingsPage(operations, alterations), ChangesPage(alterations, audit, elsewhere)
    upstreams = UpstreamsPage(operations, alterations, clock)
    people = UsersPage(users, passwords, elsewhere)
    home, queries = HomePage(operations, audit, elsewhere, history, today), QueriesPage(operations, history)
    return ConsoleTable(
        [
            ConsoleRow("GET", "", "read", home, "home", "Home", True),
            ConsoleRow("GET", "queries", "read", queries, "queries", "Queries", True),
            ConsoleRow("GET", "clients", "read", clients.all, "clients", "Clients", True),
            ConsoleRow("GET", "clients/*", "read", clients.one, "client"),
            ConsoleRow("GET", "blocking", "read", blocking.show, "blocking", "Blocking", True),
            ConsoleRow("POST", "blocking", "admin", blocking.do),
            ConsoleRow("POST", "blocking/try", "admin", trying.do, "tried", "Tried on the last day"),
            ConsoleRow("GET", "views", "read", views.all, "views", "Views", True),
            ConsoleRow("POST", "views", "admin", views.add),
            ConsoleRow("GET", "views/*", "read", views.one, "view"),
            ConsoleRow("GET", "names", "read", NamesPage(operations), "names", "Names", True),
            ConsoleRow("GET", "zones", "read", zones.list, "zones", "Zones", True),
            ConsoleRow("POST", "zones", "admin", zones.add),
            ConsoleRow("GET", "zones/*", "read", zones.zone, "zone"),
            ConsoleRow("POST", "zones/*", "admin", zones.do),
            ConsoleRow("GET", "zones/*/edit", "read", zones.form, "edit"),
            ConsoleRow("POST", "zones/*/edit", "zones", zones.change, "edit"),
            ConsoleRow("GET", "zones/*/text", "read", text.show, "text"),
            ConsoleRow("POST", "zones/*/text", "zones", text.change, "text"),
            ConsoleRow("GET", "zones/*/keys", "read", keys.show, "keys"),
            ConsoleRow("POST", "zones/*/keys", "admin", keys.do),
            ConsoleRow("GET", "zones/*/file", "read", text.file),
            ConsoleRow("GET", "zones/*/changes", "read", changes.show, "changes"),
            ConsoleRow("POST", "zones/*/changes", "zones", changes.back),
            ConsoleRow("GET", "upstreams", "read", upstreams.show, "upstreams", "Upstreams", True),
            ConsoleRow("POST", "upstreams", "admin", upstreams.do, "upstreams", "Upstreams"),
            ConsoleRow("GET", "look", "read", look.show, "look", "Look up", True),
            ConsoleRow("POST", "look", "admin", look.flush),
            ConsoleRow("GET", "look/chain", "read", look.chain, "chain"),
            ConsoleRow("GET", "look/chain.svg", "read", look.picture),
            ConsoleRow("GET", "settings", "admin", settings.show, "settings", "Settings", True),
            ConsoleRow("POST", "settings", "admin", settings.do),
            ConsoleRow("GET", "users", "admin", people.all, "users", "Users", True),
            ConsoleRow("POST", "users", "admin", people.add),
            ConsoleRow("GET", "users/*", "admin", people.one, "user"),
            ConsoleRow("POST", "users/*", "admin", people.change),
            ConsoleRow("GET", "password", "read", people.own, "password"),
            ConsoleRow("POST", "password", "read", people.changeOwn),
            ConsoleRow("GET", "changes", "admin", log.show, "log", "Changes", True),
            ConsoleRow("POST", "changes", "admin", log.undo),
            ConsoleRow("POST", "backup", "admin", BackupPage(operations, elsewhere, today)),
        ]
    )
