"""
The way to the recorder: a Unix socket that never makes a client wait.
"""

from __future__ import annotations

import socket
from collections import deque
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

from twisted_ext.server.features.queryhistory.recorder.frames import HANDSHAKE, framed
from twisted_ext.server.limits import HISTORY_QUEUE

if TYPE_CHECKING:
    from twisted.internet.interfaces import IDelayedCall, IReactorTime

__all__ = ["RecorderPipe"]

#: Seconds between two tries to connect, and to send what the recorder has not taken.
_AGAIN: Final = 1.0
_SOON: Final = 0.05


class RecorderPipe:
    """
    Sends batches. While the recorder does not take them they wait, up to L{HISTORY_QUEUE} octets; more are dropped, and counted.

    @ivar told: how many queries were sent, or wait.
    @ivar dropped: how many were dropped.
    """

    def __init__(self, reactor: IReactorTime) -> None:
        self.told = self.dropped = 0
        self._reactor = reactor
        self._path = ""
        self._socket: socket.socket | None = None
        self._waiting: deque[bytes] = deque()
        self._octets = 0
        self._tryAt = float("-inf")
        self._again: IDelayedCall | None = None

    def follow(self, path: str) -> None:
        """
        Use the socket of this path from now on; C{""} for none. Batches that were sent before its path was known have waited.
        """
        if path != self._path:
            if self._path:
                self.close()
            self._path = path
            self._tryAt = float("-inf")
            self._go()

    def send(self, batch: list[Any], queries: int) -> None:
        """
        Send a batch, or drop it.

        @param queries: how many queries it has.
        """
        octets = framed(batch)
        if self._octets + len(octets) > HISTORY_QUEUE.default:
            self.dropped += queries
        else:
            self.told += queries
            self._waiting.append(octets)
            self._octets += len(octets)
        self._go()

    def _connect(self) -> socket.socket | None:
        now = self._reactor.seconds()
        if not self._path or now < self._tryAt:
            return None
        self._tryAt = now + _AGAIN
        made = socket.socket(socket.AF_UNIX)
        made.setblocking(False)
        try:
            made.connect(self._path)
            made.send(framed(HANDSHAKE))
        except OSError:
            made.close()
            return None
        self._socket = made
        return made

    def _go(self) -> None:
        sending = self._socket or self._connect()
        try:
            while sending is not None and self._waiting:
                octets = self._waiting[0]
                sent = sending.send(octets)
                self._octets -= sent
                if sent < len(octets):
                    self._waiting[0] = octets[sent:]
                    break
                self._waiting.popleft()
        except BlockingIOError:
            pass
        except OSError:
            # It has ended. What was sent in part cannot be continued.
            self._socket = None
            if sending is not None:
                sending.close()
            if self._waiting:
                self._octets -= len(self._waiting.popleft())
        if self._waiting and self._path and self._again is None:
            # Perhaps no other query comes.
            self._again = self._reactor.callLater(_SOON if self._socket is not None else _AGAIN, self._goAgain)

    def _goAgain(self) -> None:
        self._again = None
        self._go()

    def close(self) -> None:
        if self._socket is not None:
            self._go()
        if self._again is not None:
            self._again.cancel()
            self._again = None
        if self._socket is not None:
            with suppress(OSError):
                self._socket.close()
            self._socket = None
        self._waiting.clear()
        self._octets = 0
