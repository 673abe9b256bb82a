"""
The Unix socket at which a server is controlled. What answers there is imported at the first connection: it is a web server, which most
starts do not need for their first queries.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, cast

from twisted.application.service import Service
from twisted.internet.defer import Deferred, maybeDeferred, succeed
from twisted.internet.interfaces import IAddress, IListeningPort, IReactorTime, IReactorUNIX
from twisted.internet.protocol import Factory, Protocol

from twisted_ext.errors import CallerFault
from twisted_ext.server.limits import CONTROL_CLIENTS
from twisted_ext.server.listeners.sockets import freeSocketPath
from twisted_ext.server.operations.controlpath import isOwn

if TYPE_CHECKING:
    from twisted_ext.server.operations.boundedhttp import ConnectionLimit
    from twisted_ext.server.operations.operations import Operations

__all__ = ["ControlService"]


class _LaterSite(Factory[Protocol]):
    noisy = False

    def __init__(self, operations: Operations, clock: IReactorTime) -> None:
        self._operations = operations
        self._clock = clock
        self._site: ConnectionLimit | None = None

    def logPrefix(self) -> str:
        # One word, as L{isNoise<twisted_ext.server.operations.logs.isNoise>} expects it.
        return "ControlSite"

    def buildProtocol(self, addr: IAddress | None) -> Protocol | None:
        if self._site is None:
            from twisted_ext.server.operations.boundedhttp import ConnectionLimit
            from twisted_ext.server.operations.control import controlSite

            self._site = ConnectionLimit(controlSite(self._operations, self._clock), int(CONTROL_CLIENTS.default))
            self._site.doStart()
        return self._site.buildProtocol(addr)

    def stopFactory(self) -> None:
        if self._site is not None:
            self._site.doStop()

    def end(self) -> None:
        if self._site is not None:
            self._site.end()


class ControlService(Service):
    """
    Listens on a Unix socket. A missing folder is created with access for its owner only.
    """

    def __init__(self, reactor: IReactorUNIX, path: str | Sequence[str], operations: Operations) -> None:
        """
        @param path: the path of the socket, or several, of which the first is used whose folder only this user can write to.
        """
        self._reactor = reactor
        self._paths = (path,) if isinstance(path, str) else tuple(path)
        self._operations = operations
        self._port: IListeningPort | None = None
        self._site: _LaterSite | None = None

    def startService(self) -> None:
        """
        @raise CallerFault: the socket cannot be bound at this path.
        """
        self.running = 1
        path = self._paths[0] if len(self._paths) == 1 else _firstOwn(self._paths)
        _clear(path)
        self._site = _LaterSite(self._operations, IReactorTime(self._reactor))
        # Keep other users out even before the mode is set.
        mask = os.umask(0o177)
        try:
            self._port = self._reactor.listenUNIX(path, cast("Factory[Any]", self._site), mode=0o600)
        except Exception as error:
            raise CallerFault(f"control: cannot listen at {path}: {getattr(error, 'socketError', error)}") from error
        finally:
            os.umask(mask)

    def stopService(self) -> Deferred[None]:
        self.running = 0
        port, self._port = self._port, None
        if self._site is not None:
            self._site.end()
        if port is None:
            return succeed(None)
        return maybeDeferred(port.stopListening).addCallback(lambda _: None)


def _firstOwn(paths: Sequence[str]) -> str:
    """
    Return the first path whose folder only this user can write to. Missing folders are created.

    @raise CallerFault: there is none.
    """
    reasons: list[str] = []
    for path in paths:
        folder = os.path.dirname(path)
        try:
            os.makedirs(folder, 0o700, exist_ok=True)
            if isOwn(folder) and os.access(folder, os.W_OK):
                return path
            reasons.append(f"{folder} is not a folder that only we can write to")
        except OSError as error:
            reasons.append(f"{folder}: {error.strerror or error}")
    raise CallerFault(f"control: there is no folder for the control socket ({'; '.join(reasons)}); name a path with --control")


def _clear(path: str) -> None:
    """
    Check that no other user can replace files in the folder, and remove the socket of a server that has ended.

    @raise CallerFault: the folder or the path cannot be used.
    """
    folder = os.path.dirname(os.path.abspath(path))
    try:
        os.makedirs(folder, 0o700, exist_ok=True)
        found = os.stat(folder)
        # Root's folders and those with the sticky bit are safe: other users cannot replace the server's files there.
        if found.st_uid not in (0, os.geteuid()) or (found.st_mode & 0o022 and not found.st_mode & stat.S_ISVTX):
            raise CallerFault(f"control: others can write to {folder}: the socket has to be in a folder that is the server's own")
        problem = freeSocketPath(path)
        if problem:
            raise CallerFault(f"control: {problem}; give this one another path")
    except OSError as error:
        raise CallerFault(f"control: {error.filename or path}: {error.strerror or error}") from error
