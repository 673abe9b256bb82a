"""
Where frames go: collectors, and files.
"""

from __future__ import annotations

import os
import select
import socket
import ssl
import stat
from collections.abc import Callable
from contextlib import suppress
from typing import Final, Protocol

from twisted_ext.server.features.dnstap.writer.framestreams import (
    ACCEPT,
    CONTENT,
    FINISH,
    FINISHED,
    READY,
    START,
    control,
    readControl,
)
from twisted_ext.server.process.recorders.room import FULL, hasRoom

__all__ = ["FileStream", "SocketStream", "Stream"]

#: Seconds that a collector may take to accept a connection, and to read a batch. Meanwhile others wait, and are dropped above a bound.
_PATIENCE: Final = 10.0

#: Seconds that it may take to say that it has read all.
_LEAVE: Final = 2.0

#: How a file begins.
_BEGIN: Final = control(START)

#: Files that are kept, with the one that is written.
_KEPT: Final = 5


class Stream(Protocol):
    """
    An open place for frames. All its methods raise L{OSError} or L{ValueError} if that is over.
    """

    def write(self, frames: bytes) -> None:
        """
        Write all of these frames.
        """

    def look(self) -> None:
        """
        Find out whether it is still there; called each second.
        """

    def finish(self) -> None:
        """
        End it, with all that was written.
        """

    def close(self) -> None:
        """
        Release what it has, after L{finish} or an error.
        """


class SocketStream:
    """
    A connection to a collector.
    """

    def __init__(self, way: str, where: str, port: int, name: str, ca: Callable[[], str] = str) -> None:
        """
        Connect, and agree on the type of frames.

        @param way: C{"unix"}, C{"tcp"} or C{"tls"}.
        @param where: the path of a socket, or an address.
        @param name: what the collector's certificate has to be for.
        @param ca: returns the path of the certificates that sign it; C{""} for the system's.
        """
        if way == "unix":
            self._socket = socket.socket(socket.AF_UNIX)
        else:
            self._socket = socket.socket(socket.AF_INET6 if ":" in where else socket.AF_INET)
        try:
            self._socket.settimeout(_PATIENCE)
            self._socket.connect(where if way == "unix" else (where, port))
            if way == "tls":
                context = ssl.create_default_context(cafile=ca() or None)
                self._socket = context.wrap_socket(self._socket, server_hostname=name)
            self._socket.sendall(control(READY))
            kind, types = self._read()
            if kind != ACCEPT or CONTENT not in types:
                raise ValueError("it does not accept dnstap")
            self._socket.sendall(control(START))
        except BaseException:
            self._socket.close()
            raise

    def _read(self) -> tuple[int, list[bytes]]:
        held = b""
        while True:
            octets = self._socket.recv(4096)
            if not octets:
                raise ConnectionResetError(104, "it has closed the connection")
            held += octets
            found = readControl(held)
            if found is not None:
                return found[0], found[1]

    def write(self, frames: bytes) -> None:
        self.look()
        self._socket.sendall(frames)

    def look(self) -> None:
        if not select.select([self._socket], [], [], 0)[0]:
            return
        # A collector has nothing to say before the end.
        self._socket.settimeout(0)
        try:
            octets = self._socket.recv(1)
        except (BlockingIOError, ssl.SSLWantReadError):
            # Tickets of TLS.
            return
        finally:
            self._socket.settimeout(_PATIENCE)
        if octets:
            raise ValueError("it has sent what no collector sends")
        raise ConnectionResetError(104, "it has closed the connection")

    def finish(self) -> None:
        self._socket.sendall(FINISHED)
        self._socket.settimeout(_LEAVE)
        if self._read()[0] != FINISH:
            raise ValueError("it has not said that it has read all")

    def close(self) -> None:
        self._socket.close()


class FileStream:
    """
    A file. One that is there already, and has messages, is kept under another name.
    """

    def __init__(self, path: str, most: Callable[[], int]) -> None:
        """
        @param most: returns after how many octets another one begins.
        """
        self._path = path
        self._most = most
        self._file = self._begun()

    def _begun(self) -> int:
        """
        Begin a file.
        """
        with suppress(FileNotFoundError):
            found = os.stat(self._path, follow_symlinks=False)
            if not stat.S_ISREG(found.st_mode):
                raise ValueError("it is not a regular file")
            # One without messages is not: where they cannot be written, each try would push an older file out.
            if found.st_size > len(_BEGIN) + len(FINISHED):
                self._shift()
        return self._opened()

    def _opened(self) -> int:
        # Not through a link, which another user who may write to the folder could have made.
        made = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, 0o600)
        try:
            if not stat.S_ISREG(os.fstat(made).st_mode):
                raise ValueError("it is not a regular file")
            os.ftruncate(made, 0)
            os.write(made, _BEGIN)
        except BaseException:
            os.close(made)
            raise
        self._size = os.fstat(made).st_size
        return made

    def _shift(self) -> None:
        for number in range(_KEPT - 1, 0, -1):
            older = f"{self._path}.{number - 1}" if number > 1 else self._path
            with suppress(FileNotFoundError):
                os.replace(older, f"{self._path}.{number}")

    def write(self, frames: bytes) -> None:
        if not hasRoom(os.path.dirname(self._path)):
            raise OSError(28, FULL)
        if self._size + len(frames) > self._most():
            self._turn()
        left = memoryview(frames)
        try:
            while left:
                left = left[os.write(self._file, left) :]
        except OSError:
            # A part of a frame would hide those behind it.
            os.ftruncate(self._file, self._size)
            raise
        self._size += len(frames)

    def look(self) -> None:
        # Another program may have moved it away, so that a new one begins.
        try:
            found = os.stat(self._path, follow_symlinks=False)
        except FileNotFoundError:
            found = None
        own = os.fstat(self._file)
        if found is None or (found.st_dev, found.st_ino) != (own.st_dev, own.st_ino):
            os.write(self._file, FINISHED)
            former, self._file = self._file, self._begun()
            os.close(former)

    def _turn(self) -> None:
        os.write(self._file, FINISHED)
        self._shift()
        former, self._file = self._file, self._opened()
        os.close(former)

    def finish(self) -> None:
        os.write(self._file, FINISHED)

    def close(self) -> None:
        os.close(self._file)
