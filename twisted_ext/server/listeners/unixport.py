"""
Listening on a Unix socket that belongs to another process, or is shared with others.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Callable

from twisted.internet.interfaces import IListeningPort, IReactorTime
from twisted.internet.protocol import Factory
from twisted.internet.unix import Port

from twisted_ext.server.listeners.sockets import BACKLOG

__all__ = ["listenUnix"]


class _Listening(socket.socket):
    """
    A socket that is bound already, and in use by other processes.
    """

    def bind(self, address: object) -> None:
        pass

    def shutdown(self, how: int) -> None:
        # Twisted shuts its ports down before it closes them: none of the processes could accept any more.
        pass


class _SharedPort(Port):
    """
    A port that leaves the file of its socket alone: Twisted's sets its permissions, and removes it in the end, while other workers still
    listen. It does neither for names that begin with a zero, which have no file.
    """

    def __init__(self, reactor: IReactorTime, shared: socket.socket, factory: Factory) -> None:
        super().__init__(b"\0" + os.fsencode(shared.getsockname()), factory, BACKLOG, reactor=reactor)
        self._shared = shared

    def createInternetSocket(self) -> socket.socket:
        return _Listening(fileno=os.dup(self._shared.fileno()))


def listenUnix(reactor: IReactorTime, shared: socket.socket, factory: Factory) -> IListeningPort:
    """
    Listen on a socket that is bound. The caller closes it.
    """
    port = _SharedPort(reactor, shared, factory)
    start: Callable[[], None] = port.startListening
    start()
    return port
