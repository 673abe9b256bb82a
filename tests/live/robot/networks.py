"""
IRC networks of Debian's ngircd, clients of the library irc from PyPI, and a robot in a process of its own.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from types import TracebackType
from typing import IO, Final, Protocol, Self, cast

import pytest

from tests.certificates import certificateFor
from tests.patience import PATIENCE
from tests.peers import freePort, peer
from tests.test_architecture import ROOT

__all__ = ["Client", "Ngircd", "Running", "until"]

_PAUSE: Final = 0.02


class Ngircd:
    """
    A running server. Entering starts it, leaving stops it.

    @ivar port: its port on 127.0.0.1, and C{tlsPort} that for TLS.
    """

    def __init__(self, name: str, *, penalty: int = 0, link: Ngircd | None = None) -> None:
        """
        @param penalty: seconds by which it slows fast clients down; -1 for its default.
        @param link: another server, to whose network this one belongs.
        """
        self.name = name
        self._program = str(peer("ngircd"))
        self.port, self.tlsPort = freePort("127.0.0.1"), freePort("127.0.0.1")
        self.folder = Path(tempfile.mkdtemp(prefix="ngircd-"))
        self._penalty = penalty
        self._hub = link
        self._leaves: list[Ngircd] = []
        self._process: subprocess.Popen[bytes] | None = None
        if link is not None:
            link._leaves.append(self)

    def _configuration(self) -> str:
        (self.folder / "key.pem").write_bytes(certificateFor("127.0.0.1"))
        user = f"ServerUID = {os.getuid()}\nServerGID = {os.getgid()}\n"
        text = (
            f"[Global]\nName = {self.name}\nInfo = test\nListen = 127.0.0.1\nPorts = {self.port}\n{user if os.getuid() else ''}"
            f"[Limits]\nMaxConnectionsIP = 0\nMaxNickLength = 20\nMaxPenaltyTime = {self._penalty}\nConnectRetry = 5\n"
            "[Options]\nDNS = no\nIdent = no\nPAM = no\nOperCanUseMode = yes\nConnectIPv6 = no\nSyslogFacility = local1\n"
            f"[SSL]\nCertFile = {self.folder}/key.pem\nKeyFile = {self.folder}/key.pem\nPorts = {self.tlsPort}\n"
            "[Operator]\nName = oper\nPassword = oper\n"
            "[Channel]\nName = #locked\nModes = +k sesame\n"
        )
        for other in [*self._leaves, *([self._hub] if self._hub else [])]:
            where = f"Host = 127.0.0.1\nPort = {other.port}\n" if other is self._hub else "Passive = yes\n"
            text += f"[Server]\nName = {other.name}\nMyPassword = a\nPeerPassword = a\n{where}"
        return text

    def start(self) -> None:
        file = self.folder / "ngircd.conf"
        file.write_text(self._configuration(), "utf-8")
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen([self._program, "-n", "-f", str(file)], stdout=log, stderr=subprocess.STDOUT)
        until(self._listens, self.log)

    def _listens(self) -> bool:
        with socket.socket() as probe, suppress(OSError):
            probe.connect(("127.0.0.1", self.port))
            return True
        return False

    def stop(self) -> None:
        """
        End it at once, as a crash does.
        """
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def log(self) -> str:
        return (self.folder / "log").read_text("utf-8", "replace")

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        self.stop()
        shutil.rmtree(self.folder)


def until(holds: Callable[[], object], explain: Callable[[], str] = str) -> None:
    """
    Wait until something holds.

    @param explain: returns what to show if it never does.
    """
    end = time.monotonic() + PATIENCE
    while not holds():
        if time.monotonic() > end:
            raise AssertionError(f"this has not happened within {PATIENCE:g} s: {explain()}")
        time.sleep(_PAUSE)


class _Event(Protocol):
    type: str
    source: str | None
    target: str
    arguments: list[str]


class _Connection(Protocol):
    def connect(self, server: str, port: int, nickname: str) -> object: ...
    def add_global_handler(self, event: str, handler: Callable[[object, _Event], object]) -> None: ...
    def send_raw(self, line: str) -> None: ...
    def get_nickname(self) -> str: ...
    def disconnect(self, message: str) -> None: ...


class _Reactor(Protocol):
    def server(self) -> _Connection: ...
    def process_once(self, timeout: float = 0) -> None: ...


class Client:
    """
    A person on a network.

    @ivar heard: all that has come, as C{"nick target text"}, with the kind of event before it if it is not a message in a channel.
    """

    def __init__(self, server: Ngircd, nick: str) -> None:
        if find_spec("irc") is None:
            pytest.skip("irc is not installed")
        self.heard: list[str] = []
        self._reactor = cast("Callable[[], _Reactor]", import_module("irc.client").Reactor)()
        self._connection = self._reactor.server()
        self._connection.add_global_handler("all_events", self._keep)
        self._connection.connect("127.0.0.1", server.port, nick)
        self.awaits("welcome")

    def join(self, channel: str) -> None:
        self.send(f"JOIN {channel}")
        self.awaits("endofnames")

    def _keep(self, connection: object, event: _Event) -> None:
        if event.type != "all_raw_messages":
            kind = "" if event.type == "pubmsg" else f"{event.type} "
            nick = (event.source or "").partition("!")[0]
            self.heard.append(f"{kind}{nick} {event.target} {' '.join(event.arguments)}".rstrip())

    def turn(self, seconds: float = 0.0) -> None:
        """
        Take what has come, for some time.
        """
        end = time.monotonic() + seconds
        while True:
            self._reactor.process_once(_PAUSE)
            if time.monotonic() >= end:
                return

    def send(self, line: str) -> None:
        self._connection.send_raw(line)

    def says(self, target: str, text: str) -> None:
        self.send(f"PRIVMSG {target} :{text}")

    def awaits(self, beginning: str) -> str:
        """
        Wait for an event that begins so, forget all before it, and return it.
        """

        def find() -> bool:
            self.turn()
            return any(each.startswith(beginning) for each in self.heard)

        until(find, lambda: f"{beginning!r} in {self.heard[-20:]}")
        while not self.heard[0].startswith(beginning):
            self.heard.pop(0)
        return self.heard.pop(0)

    def leave(self) -> None:
        self._connection.disconnect("bye")


class Running:
    """
    A running robot.
    """

    def __init__(self, process: subprocess.Popen[bytes], log: Path) -> None:
        self.process = process
        self._log = log

    def log(self) -> str:
        return self._log.read_text("utf-8", "replace")

    def awaits(self, text: str, times: int = 1) -> None:
        """
        Wait until its log has a text.
        """
        until(lambda: self.log().count(text) >= times, lambda: f"{text!r} in {self.log()[-4000:]}")

    @classmethod
    @contextmanager
    def started(
        cls, folder: Path, networks: Sequence[Mapping[str, object]], plugins: Mapping[str, object] | None = None, *, wait: bool = True
    ) -> Iterator[Running]:
        """
        @param wait: for the robot to be in all networks.
        """
        log = folder / "robot.log"
        opened: IO[bytes]
        with log.open("wb") as opened:
            settings = json.dumps({"networks": networks, "plugins": plugins or {}})
            process = subprocess.Popen([sys.executable, "-m", "tests.live.robot.running", settings], cwd=ROOT, stderr=opened)
        running = cls(process, log)
        try:
            if wait:
                running.awaits("connected as", len(networks))
            yield running
        finally:
            process.terminate()
            process.wait(PATIENCE)
