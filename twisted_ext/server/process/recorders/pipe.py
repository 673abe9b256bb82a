"""
The way to a recorder: a Unix socket that never makes a client wait.
"""

from __future__ import annotations

import socket
from collections import deque
from typing import TYPE_CHECKING, Any, Final

from twisted_ext.server.limits import RECORDER_QUEUE
from twisted_ext.server.process.recorders.frames import COUNT_OCTETS, framed

if TYPE_CHECKING:
    from twisted.internet.interfaces import IDelayedCall, IReactorTime

    from twisted_ext.server.process.recorders.frames import Handshake

__all__ = ["RecorderPipe"]

#: Seconds between two tries to connect, and to send what the recorder has not taken.
_AGAIN: Final = 1.0
_SOON: Final = 0.05

#: Octets of the recorder that are read at a time.
_COUNTS: Final = 4096


class RecorderPipe:
    """
    Sends batches. Each is kept until the recorder says that it has written it, or has counted that it could not: if it ends before, its
    successor is sent the batch again. Up to L{RECORDER_QUEUE} octets are kept; more are dropped, and counted.

    @ivar told: how many queries were sent, or wait.
    @ivar dropped: how many were dropped.
    """

    def __init__(self, reactor: IReactorTime, handshake: Handshake) -> None:
        """
        @param handshake: the first frame of each connection.
        """
        self.told = self.dropped = 0
        self._handshake = handshake
        self._reactor = reactor
        self._path = ""
        self._socket: socket.socket | None = None
        self._waiting: deque[bytes] = deque()
        # Those that were sent, and are not written yet.
        self._sent: deque[bytes] = deque()
        self._octets = 0
        # How much of the first one that waits was sent, and how much of a number has come.
        self._part = 0
        self._counted = b""
        self._tryAt = float("-inf")
        self._again: IDelayedCall | None = None

    def follow(self, path: str) -> None:
        """
        Use the socket of this path from now on; C{""} for none. Batches that were sent before its path was known have waited.
        """
        if path != self._path and self._path:
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
        if self._octets + len(octets) > RECORDER_QUEUE.default:
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
            made.send(framed(self._handshake))
        except OSError:
            made.close()
            return None
        self._socket = made
        return made

    def _go(self) -> None:
        if self._socket is not None and not self._take(self._socket):
            self._lose(self._socket)
        sending = self._socket or self._connect()
        try:
            while sending is not None and self._waiting:
                octets = self._waiting[0]
                self._part += sending.send(octets[self._part :] if self._part else octets)
                if self._part < len(octets):
                    break
                self._part = 0
                self._sent.append(self._waiting.popleft())
        except BlockingIOError:
            pass
        except OSError:
            if sending is not None:
                self._lose(sending)
        if (self._waiting or self._sent) and self._path and self._again is None:
            # Perhaps no other query comes.
            isFull = self._socket is not None and bool(self._waiting)
            self._again = self._reactor.callLater(_SOON if isFull else _AGAIN, self._goAgain)

    def _take(self, connected: socket.socket) -> bool:
        """
        Forget the batches that the recorder says it has written.

        @return: whether it is there.
        """
        try:
            while octets := connected.recv(_COUNTS):
                octets = self._counted + octets
                whole = len(octets) // COUNT_OCTETS * COUNT_OCTETS
                self._counted = octets[whole:]
                for start in range(0, whole, COUNT_OCTETS):
                    for _ in range(min(int.from_bytes(octets[start : start + COUNT_OCTETS], "big"), len(self._sent))):
                        self._octets -= len(self._sent.popleft())
        except BlockingIOError:
            return True
        except OSError:
            pass
        return False

    def _lose(self, connected: socket.socket) -> None:
        """
        The recorder has ended: what it has not written is sent to the next one.
        """
        connected.close()
        self._socket = None
        self._waiting.extendleft(reversed(self._sent))
        self._sent.clear()
        self._part, self._counted = 0, b""

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
            self._lose(self._socket)
        self._waiting.clear()
        self._octets = 0
