"""
Adds what changes a running server over HTTP: the API and the console, with one audit log for both.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from twisted_ext.server.settings.startup import neededModule

if TYPE_CHECKING:
    from twisted.internet.interfaces import IReactorSocket

    from twisted_ext.server.config.settings import Settings
    from twisted_ext.server.service import Server

__all__ = ["addAdministration"]


def addAdministration(server: Server, settings: Settings, reactor: IReactorSocket) -> None:
    """
    @raise CallerFault: one of them cannot be made.
    """
    audit = None
    if settings.stateFolder():
        from twisted_ext.server.operations.audit import AuditLog

        audit = AuditLog(settings.stateFolder())
        server.add(audit)
    if settings.api:
        api = neededModule("api", "twisted_ext.web.api.service", "api").apiServiceFor(reactor, settings, server.operations, audit)
        server.add(api, api.bind)
    if settings.console:
        console = neededModule("console", "twisted_ext.web.console.service", "console")
        watched = console.consoleServiceFor(reactor, settings, server.operations, audit)
        server.add(watched, watched.bind)
