"""
A collector of dnstap for tests, made by the description of frame streams.
"""

from __future__ import annotations

import socket
import ssl
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from struct import pack, unpack
from threading import Thread
from typing import Self

__all__ = ["ACCEPT", "CONTENT", "FINISH", "READY", "START", "Collector", "control", "framesIn", "until"]

CONTENT = b"protobuf:dnstap.Dnstap"

ACCEPT, START, STOP, READY, FINISH = range(1, 6)


def control(kind: int, *contents: bytes) -> bytes:
    """
    Return a control frame.
    """
    fields = b"".join([pack(">II", 1, len(content)) + content for content in contents])
    return pack(">III", 0, 4 + len(fields), kind) + fields


def framesIn(path: Path, isWhole: bool = True) -> list[bytes]:
    """
    Return the frames of a file.

    @param isWhole: whether it has to have an end.
    """
    octets, found = path.read_bytes(), []
    begin, end = control(START, CONTENT), control(STOP)
    assert octets.startswith(begin)
    at = len(begin)
    while at + 4 <= len(octets) and (length := int.from_bytes(octets[at : at + 4], "big")):
        found.append(octets[at + 4 : at + 4 + length])
        at += 4 + length
    assert octets[at:] == (end if isWhole else octets[at:])
    return found


def until(condition: Callable[[], object], seconds: float = 20.0) -> None:
    """
    Wait until something is the case.
    """
    ends = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < ends, "it does not become so"
        time.sleep(0.01)


class Collector:
    """
    Listens, and takes frames by the protocol: each connection in a thread.

    @ivar frames: those that have come.
    @ivar ended: connections that were ended as the protocol says.
    @ivar accepted: connections.
    @ivar replies: what it sends in place of what the protocol says, once there is a connection; C{b""} to close it.
    @ivar afterwards: what it sends although a collector has nothing to say.
    @ivar isReading: whether it reads.
    """

    def __init__(self, where: str | tuple[str, int] = ("127.0.0.1", 0), context: ssl.SSLContext | None = None) -> None:
        self.frames: list[bytes] = []
        self.ended = self.accepted = 0
        self.replies: bytes | None = None
        self.afterwards = b""
        self.isReading = True
        self._context = context
        self._open: list[socket.socket] = []
        self._socket = socket.socket(socket.AF_UNIX if isinstance(where, str) else socket.AF_INET)
        self._socket.bind(where)
        self._socket.listen()
        self.port = 0 if isinstance(where, str) else int(self._socket.getsockname()[1])
        self._thread = Thread(target=self._run, daemon=True)
        self._thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *reason: object) -> None:
        self.close()

    def _run(self) -> None:
        while True:
            try:
                made, _ = self._socket.accept()
            except OSError:
                return
            self.accepted += 1
            self._open.append(made)
            Thread(target=self._serve, args=(made,), daemon=True).start()

    def _serve(self, made: socket.socket) -> None:
        try:
            if self._context is not None:
                made = self._context.wrap_socket(made, server_side=True)
                self._open.append(made)
            if self.replies is not None:
                made.sendall(self.replies)
                if not self.replies:
                    return
            else:
                assert self._control(made) == (READY, [CONTENT])
                made.sendall(control(ACCEPT, CONTENT))
                assert self._control(made) == (START, [CONTENT])
                made.sendall(self.afterwards)
            while True:
                while not self.isReading:
                    time.sleep(0.01)
                (length,) = unpack(">I", self._exactly(made, 4))
                if length:
                    self.frames.append(self._exactly(made, length))
                elif self._fields(made) == (STOP, []):
                    made.sendall(control(FINISH))
                    self.ended += 1
                    return
        except (OSError, EOFError):
            pass
        finally:
            made.close()

    def _control(self, made: socket.socket) -> tuple[int, list[bytes]]:
        assert self._exactly(made, 4) == bytes(4)
        return self._fields(made)

    def _fields(self, made: socket.socket) -> tuple[int, list[bytes]]:
        (size,) = unpack(">I", self._exactly(made, 4))
        octets = self._exactly(made, size)
        contents, at = [], 4
        while at < size:
            kind, length = unpack(">II", octets[at : at + 8])
            assert kind == 1
            contents.append(octets[at + 8 : at + 8 + length])
            at += 8 + length
        return unpack(">I", octets[:4])[0], contents

    @staticmethod
    def _exactly(made: socket.socket, count: int) -> bytes:
        octets = b""
        while len(octets) < count:
            more = made.recv(count - len(octets))
            if not more:
                raise EOFError
            octets += more
        return octets

    def close(self) -> None:
        """
        Close all, as a collector that is killed.
        """
        self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        self._thread.join()
        for each in self._open:
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()
