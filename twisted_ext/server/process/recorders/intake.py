"""
The process of a recorder: it takes what processes that answer queries tell, and its settings from its parent.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from io import FileIO
from selectors import EVENT_READ, DefaultSelector
from struct import Struct
from typing import Any, Final

from twisted_ext.server.process.recorders.frames import COUNT_OCTETS, Handshake, Unframed

__all__ = ["Intake", "Report", "runRecorder"]

#: Octets that are read from a connection at a time.
_READ: Final = 1 << 18

#: Seconds that processes have to end their connections once the server ends.
_LEAVE: Final = 2.0

#: Process, user and group of the other end of a connection.
_PEER: Final = Struct("iII")

#: The user who may do everything anyway.
_ROOT: Final = 0

#: Is called with a line for the parent.
Report = Callable[[str], object]


class _Connection:
    """
    A connection of a process that answers queries.
    """

    def __init__(self, socket: socket.socket) -> None:
        self.socket = socket
        self.frames = Unframed()
        self.isKnown = False
        # Batches that were taken and are not written yet.
        self.taken = 0

    def tell(self) -> None:
        """
        Tell that all batches are written.
        """
        if self.taken:
            # If it does not read, or has gone, it sends them to the next recorder again.
            with suppress(OSError):
                self.socket.send(self.taken.to_bytes(COUNT_OCTETS, "big"))
            self.taken = 0


class Intake:
    """
    Listens for batches. A subclass writes them.

    @ivar selector: waits for whatever a subclass registers too, with a function to be called as data.
    @cvar handshake: the first frame of each connection.
    """

    handshake: Handshake

    def __init__(self, path: str, report: Report) -> None:
        """
        @param path: that of its socket.
        @param report: called with a line for the parent.

        @raise OSError: the socket cannot be made.
        """
        self.selector = DefaultSelector()
        self.report = report
        self._path = path
        self._going = True
        self._held = b""
        os.makedirs(os.path.dirname(path), 0o700, exist_ok=True)
        with suppress(FileNotFoundError):
            os.unlink(path)
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.bind(path)
        self._own = os.stat(path).st_ino
        os.chmod(path, 0o600)
        self._socket.listen(64)
        self._socket.setblocking(False)
        self.selector.register(self._socket, EVENT_READ, self._accept)

    def apply(self, settings: Mapping[str, Any]) -> None:
        """
        Use other settings from now on.
        """
        raise NotImplementedError

    def take(self, batch: object) -> None:
        """
        Take a batch.

        @raise ValueError: it is not valid.
        """
        raise NotImplementedError

    def look(self) -> None:
        """
        Do what is due; called after each C{pause}, and after what has come meanwhile.
        """
        raise NotImplementedError

    def write(self) -> None:
        """
        Write what waits, and C{tell} of it.
        """
        raise NotImplementedError

    def pause(self) -> float:
        """
        Return after how many seconds to look if nothing comes.
        """
        raise NotImplementedError

    def run(self, orders: FileIO) -> None:
        """
        Work until the input ends, of which each line has new settings.
        """
        os.set_blocking(orders.fileno(), False)
        self.selector.register(orders, EVENT_READ, lambda: self._order(orders))
        while self._going:
            self.wait(self.pause())
            self.look()
        self.selector.unregister(orders)
        self.close()

    def wait(self, seconds: float) -> None:
        """
        Wait for something, and take it.
        """
        for key, _ in self.selector.select(seconds):
            if isinstance(key.data, _Connection):
                self._read(key.data)
            else:
                key.data()

    def _order(self, orders: FileIO) -> None:
        octets = orders.read()
        if octets is None:
            return
        if not octets:
            self._going = False
            return
        *lines, self._held = (self._held + octets).split(b"\n")
        for line in lines:
            self.apply(json.loads(line))

    def _accept(self) -> None:
        with suppress(OSError):
            accepted, _ = self._socket.accept()
            # The folder keeps others out, unless its mode was changed.
            _, user, _ = _PEER.unpack(accepted.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _PEER.size))
            if user not in (_ROOT, os.geteuid()):
                accepted.close()
                return
            accepted.setblocking(False)
            self.selector.register(accepted, EVENT_READ, _Connection(accepted))

    def _read(self, connection: _Connection) -> bool:
        """
        Read from a connection, which is closed at its end.

        @return: whether there was something.
        """
        try:
            octets = connection.socket.recv(_READ)
            if not octets:
                raise EOFError
            for said in connection.frames.feed(octets):
                if not connection.isKnown:
                    if said != self.handshake:
                        raise ValueError("another version of this program, or of Python")
                    connection.isKnown = True
                    continue
                # Also one that is not valid: it would be no better another time.
                connection.taken += 1
                self.take(said)
        except BlockingIOError:
            return False
        except (OSError, EOFError, ValueError) as error:
            if isinstance(error, ValueError):
                self.report(f"a process that answers queries is not understood: {error}")
                self.write()
            self.selector.unregister(connection.socket)
            connection.socket.close()
            return False
        return True

    def tell(self) -> None:
        """
        Tell all that their batches are written.
        """
        for connection in self._connections():
            connection.tell()

    def _connections(self) -> list[_Connection]:
        return [key.data for key in self.selector.get_map().values() if isinstance(key.data, _Connection)]

    def close(self) -> None:
        """
        Take what comes until all connections are closed, write it, and end.
        """
        with suppress(OSError):
            # Unless the recorder of a server that was started meanwhile has made it.
            if os.stat(self._path).st_ino == self._own:
                os.unlink(self._path)
        # Processes that end as well have more to tell, and close their connections.
        ends = time.monotonic() + _LEAVE
        self.wait(0.0)
        while self._connections() and (left := ends - time.monotonic()) > 0:
            self.wait(left)
        self.write()
        for connection in self._connections():
            connection.socket.close()
        self.selector.close()
        self._socket.close()


def runRecorder(make: Callable[[Mapping[str, Any], Report], Intake], folder: str) -> int:
    """
    Run a recorder in this process. Each line of the input has its settings, as a JSON object; it ends with the input. Lines of the output
    are JSON objects, or text for the log: an empty object once it listens, one with C{failed} if it cannot, and figures.

    @param folder: where it works, for errors.

    @return: the exit code.
    """
    os.umask(0o077)
    # A service manager sends it to all processes at once. The server has more to tell until it ends itself, and this one with it.
    signal.signal(signal.SIGTERM, signal.SIG_IGN)

    def report(line: str) -> None:
        # The server may be gone: what is left to do is done all the same.
        with suppress(OSError):
            sys.stdout.write(f"{line}\n")
            sys.stdout.flush()

    # Not buffered: what follows the first line is for the recorder.
    orders = open(0, "rb", buffering=0, closefd=False)
    try:
        recorder = make(json.loads(orders.readline() or b"{}"), report)
    except OSError as error:
        report(json.dumps({"failed": f"{error.filename or folder}: {error.strerror or error}"}))
        return 1
    report("{}")
    recorder.run(orders)
    return 0
