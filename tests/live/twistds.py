"""
C{twistd txdns} as a process, and clients for it.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from tests.patience import PATIENCE
from tests.peers import freePort, living
from twisted_ext.errors import BadMessage
from twisted_ext.testing.sources import questionOf
from twisted_ext.wire.builder import buildQuery
from twisted_ext.wire.codes import RD
from twisted_ext.wire.framing import frame
from twisted_ext.wire.message import Message

__all__ = ["REPLY", "Load", "Twistd", "addresses", "exchange", "twistd", "wait", "workersOf"]

#: Seconds for a reply, where a lost datagram would be waited for as long.
REPLY: Final = PATIENCE / 6


def twistd(*words: str) -> list[str]:
    """
    Return the command line of C{twistd} with these arguments.
    """
    # Like the script, do not import modules from the working directory.
    return [sys.executable, "-P", "-c", "from twisted.scripts.twistd import run; run()", *words]


class Twistd:
    """
    One C{twistd txdns} in the foreground, in a folder of its own.

    @ivar port: the port that it listens on.
    """

    def __init__(self, folder: Path, *words: str, port: int | None = None, environment: dict[str, str] | None = None) -> None:
        self.port = freePort("127.0.0.1") if port is None else port
        self.folder = folder
        where = ["--interface", "127.0.0.1", "--port", str(self.port), "--control", "", "--hosts-file", ""]
        self.words = ["-n", "--pidfile", str(folder / "twistd.pid"), "txdns", *where, *words]
        self.environment = {**os.environ, **(environment or {})}
        self.log = folder / "log"
        self.process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                self.command, cwd=self.folder, stdout=log, stderr=log, env=self.environment, start_new_session=True
            )
        try:
            wait(lambda: self.ask("localhost") is not None, self)
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        self.stop()

    @property
    def command(self) -> list[str]:
        """
        The words of its command line.
        """
        return twistd(*self.words)

    @property
    def pid(self) -> int:
        """
        The process ID.
        """
        assert self.process is not None
        return self.process.pid

    def stop(self) -> int:
        """
        Stop it and all processes that it started.

        @return: its exit code.
        """
        assert self.process is not None
        self.process.terminate()
        try:
            return self.process.wait(PATIENCE)
        finally:
            with suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)

    def gives(self, name: str, wanted: list[str]) -> bool:
        """
        Return whether it answers with exactly these addresses.
        """
        return self.ask(name) == wanted

    def text(self) -> str:
        """
        Return its log so far.
        """
        return self.log.read_text("utf-8", "replace")

    def ask(self, name: str = "www.example.org", *, stream: bool = False, tries: int = 1, wait: float = REPLY) -> list[str] | None:
        """
        Return the addresses of its answer, or L{None} without a reply.
        """
        for _ in range(tries):
            with suppress(OSError, BadMessage):
                return addresses(exchange(self.port, name, stream, wait))
        return None


def exchange(port: int, name: str, stream: bool = False, wait: float = REPLY) -> Message:
    """
    Return the reply to a query for an A record.

    @raise OSError: no reply came.
    """
    query = os.urandom(2) + buildQuery(RD, questionOf(name).toWire(), b"")
    kind = socket.SOCK_STREAM if stream else socket.SOCK_DGRAM
    with socket.socket(socket.AF_INET, kind) as asking:
        asking.settimeout(wait)
        asking.connect(("127.0.0.1", port))
        if not stream:
            asking.send(query)
            return Message.fromWire(asking.recv(65535))
        asking.sendall(frame(query))
        got = b""
        while len(got) < 2 or len(got) < 2 + int.from_bytes(got[:2], "big"):
            more = asking.recv(65535)
            if not more:
                raise ConnectionError("closed")
            got += more
        return Message.fromWire(got[2:])


def addresses(message: Message) -> list[str]:
    """
    Return the addresses in a reply.
    """
    return [socket.inet_ntoa(rdata) for rrset in message.answer for rdata in rrset.rdatas]


def wait(condition: Callable[[], object], server: Twistd | None = None) -> None:
    """
    Wait until a condition holds.
    """
    giveUp = time.monotonic() + PATIENCE
    while not condition():
        if time.monotonic() > giveUp or (server is not None and server.process is not None and server.process.poll() is not None):
            raise AssertionError(server.text() if server is not None else "it never came to be")
        time.sleep(0.02)


class Load:
    """
    Query without end. Each query waits for its reply or its timeout.

    @ivar asked: the number of queries.
    @ivar lost: those without a reply.
    @ivar wrong: replies with another address than the zone has.
    """

    def __init__(self, port: int, names: int = 50, wait: float = REPLY) -> None:
        self.asked = self.lost = self.wrong = 0
        self._port = port
        self._names = names
        self._wait = wait
        self._going = True
        self._threads = [threading.Thread(target=self._run, args=(number,)) for number in range(4)]

    def _run(self, number: int) -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
            asking.settimeout(self._wait)
            asking.connect(("127.0.0.1", self._port))
            while self._going:
                number = (number + 7) % self._names
                self.asked += 1
                try:
                    query = os.urandom(2) + buildQuery(RD, questionOf(f"h{number}.example.org").toWire(), b"")
                    asking.send(query)
                    reply = asking.recv(4096)
                    while reply[:2] != query[:2]:
                        # A late reply, which was counted as lost.
                        reply = asking.recv(4096)
                    if addresses(Message.fromWire(reply)) != [f"192.0.2.{number % 250}"]:
                        self.wrong += 1
                except OSError:
                    self.lost += 1

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        self._going = False
        for thread in self._threads:
            thread.join()


def workersOf(server: Twistd) -> list[int]:
    """
    Return the processes of its workers.
    """
    return [process for process in living(server.pid) if process != server.pid]
