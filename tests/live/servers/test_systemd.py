"""
Tests of the unit files in C{contrib/systemd}: C{systemd-analyze} accepts them, and their commands behave as systemd expects when they run
with the environment that systemd sets.
"""

from __future__ import annotations

import configparser
import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Final, Self

import pytest

from tests.live.twistds import addresses, exchange, wait
from tests.patience import PATIENCE
from tests.peers import freePort
from tests.requirements import missing
from tests.test_architecture import ROOT

UNITS: Final = ROOT / "contrib" / "systemd"

#: Where the units expect the commands, and the settings.
_BIN: Final = "/opt/txdns/bin/"
_SETTINGS: Final = "/etc/txdns.toml"

#: Starts a command with sockets from descriptor 3 on, as sd_listen_fds(3) describes.
_HAND_DOWN: Final = """
import os, sys
count = int(sys.argv[1])
for number, descriptor in enumerate(map(int, sys.argv[2:2 + count]), 3):
    os.dup2(descriptor, 100 + number)
for number in range(3, 3 + count):
    os.dup2(100 + number, number)
if count:
    os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS=str(count))
os.execv(sys.argv[2 + count], sys.argv[2 + count:])
"""


class _Unit(configparser.RawConfigParser):
    """
    A unit file: names are case-sensitive.
    """

    def optionxform(self, optionstr: str) -> str:
        return optionstr


def read(name: str) -> _Unit:
    """
    Return one of the unit files.
    """
    unit = _Unit(strict=False)
    unit.read_string((UNITS / name).read_text("utf-8"))
    return unit


SERVICE: Final = read("txdns.service")["Service"]


class Manager:
    """
    A stand-in for systemd that runs the commands of C{txdns.service} with its folders and sockets and receives the notifications.

    @ivar folder: holds the settings and the folders that systemd would create.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.settings = folder / "txdns.toml"
        self.port = freePort("127.0.0.1")
        self.text = f'interface = ["127.0.0.1"]\nport = {self.port}\nrecursive = false\nhosts-file = ""\n'
        self.settings.write_text(self.text)
        for made in ("run", "state", "away"):
            (folder / made).mkdir(mode=0o755)
        self._notices = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._notices.bind(str(folder / "notify"))
        self._notices.settimeout(PATIENCE)
        self._process: subprocess.Popen[bytes] | None = None

    def _words(self, key: str) -> list[str]:
        text = SERVICE[key].replace(_SETTINGS, str(self.settings))
        assert text.startswith(_BIN)
        command, *others = shlex.split(text[len(_BIN) :])
        return [str(Path(sys.executable).parent / command), *others]

    def _environment(self, **more: str) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if name in ("PATH", "PYTHONPATH", "LANG")}
        given = {"RUNTIME_DIRECTORY": str(self.folder / "run"), "STATE_DIRECTORY": str(self.folder / "state")}
        return {**kept, **given, "PYTHONDONTWRITEBYTECODE": "1", **more}

    def start(self, *sockets: socket.socket) -> None:
        """
        Run C{ExecStart}, in another folder than that of the settings.
        """
        descriptors = [each.fileno() for each in sockets]
        command = [sys.executable, "-c", _HAND_DOWN, str(len(sockets)), *map(str, descriptors), *self._words("ExecStart")]
        environment = self._environment(NOTIFY_SOCKET=str(self.folder / "notify"), WATCHDOG_USEC="2000000")
        with (self.folder / "log").open("wb") as log:
            self._process = subprocess.Popen(
                command, cwd=self.folder / "away", env=environment, stdout=log, stderr=log, pass_fds=descriptors
            )

    def waitFor(self, notice: str) -> None:
        """
        Wait until the server has sent this notification.
        """
        while notice not in self._notices.recv(4096).decode("utf-8").splitlines():
            pass

    def reload(self) -> subprocess.CompletedProcess[str]:
        """
        Run C{ExecReload}.
        """
        return subprocess.run(
            self._words("ExecReload"), cwd="/", env=self._environment(), capture_output=True, text=True, timeout=PATIENCE
        )

    def stop(self) -> None:
        """
        Send the signal with which systemd stops a service.
        """
        assert self._process is not None
        self._process.terminate()

    def exitCode(self) -> int:
        """
        Return the exit code of a server that ends by itself.
        """
        assert self._process is not None
        return self._process.wait(PATIENCE)

    def log(self) -> str:
        """
        Return the log of the server.
        """
        return (self.folder / "log").read_text("utf-8")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._process is not None:
            with suppress(ProcessLookupError):
                self._process.terminate()
            self._process.wait(PATIENCE)
        self._notices.close()


@pytest.fixture
def manager() -> Iterator[Manager]:
    """
    Return a manager whose folder has a short path: the name of a Unix socket must fit into 108 octets.
    """
    folder = Path(tempfile.mkdtemp(prefix="txdns-"))
    try:
        with Manager(folder) as made:
            yield made
    finally:
        shutil.rmtree(folder)


def test_unitsAreValid(tmp_path: Path) -> None:
    """
    systemd finds no fault in the units.
    """
    if shutil.which("systemd-analyze") is None:
        missing("peers", "systemd-analyze is not installed (Debian: apt install systemd)")
    for name in ("txdns.service", "txdns.socket"):
        # The commands are not where the units expect them.
        (tmp_path / name).write_text(re.sub(rf"{_BIN}\w+", "/bin/true", (UNITS / name).read_text("utf-8")))
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", "./txdns.service", "./txdns.socket"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
    )
    ours = [line for line in done.stderr.splitlines() if "txdns" in line]
    assert (ours, done.returncode) == ([], 0), done.stderr


def test_serviceNotifiesSystemd(manager: Manager) -> None:
    """
    The service notifies systemd when it answers, keeps notifying its watchdog, and is controlled through its runtime directory.
    """
    manager.start()
    manager.waitFor("READY=1")
    assert addresses(exchange(manager.port, "localhost")) == ["127.0.0.1"]
    manager.waitFor("WATCHDOG=1")
    assert (manager.folder / "run" / "control.sock").is_socket()


def test_reloadReportsWrongSettings(manager: Manager) -> None:
    """
    A reload succeeds with good settings. With wrong ones it fails with the reason, and the server continues with the old ones.
    """
    manager.start()
    manager.waitFor("READY=1")
    (manager.folder / "records").write_text("router.lan A 192.168.1.1\n")
    manager.settings.write_text(manager.text + 'local-file = ["records"]\n')
    done = manager.reload()
    assert done.returncode == 0, done.stderr
    assert addresses(exchange(manager.port, "router.lan")) == ["192.168.1.1"]
    manager.settings.write_text(manager.text + 'local-file = ["records"]\nstale = "long"\n')
    done = manager.reload()
    assert done.returncode == 1
    assert f"{manager.settings}:6: stale takes a number of seconds" in done.stderr
    assert addresses(exchange(manager.port, "router.lan")) == ["192.168.1.1"]


def test_wrongSettingsPreventRestart(manager: Manager) -> None:
    """
    Wrong settings end the service with a code after which systemd does not restart it.
    """
    manager.settings.write_text("port = 'x'\n")
    manager.start()
    assert str(manager.exitCode()) in SERVICE["RestartPreventExitStatus"].split()
    assert manager.log() == f"twistd txdns: {manager.settings}:1: port takes a number from 0 to 65535, not 'x'\n"


def test_takenPortAllowsRestart(manager: Manager) -> None:
    """
    A taken port ends the service with a code after which systemd restarts it.
    """
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", manager.port))
        manager.start()
        code = manager.exitCode()
    assert code and str(code) not in SERVICE["RestartPreventExitStatus"].split()


def test_socketUnitOpensAllSockets(manager: Manager) -> None:
    """
    The server answers on all sockets of the socket unit and does not open the port of its settings.
    """
    unit = read("txdns.socket")["Socket"]
    assert unit["BindIPv6Only"] == "ipv6-only"
    opened = re.findall(r"^Listen(Datagram|Stream)=(\S+):53$", (UNITS / "txdns.socket").read_text("utf-8"), re.MULTILINE)
    assert len(opened) == 4
    port = freePort("127.0.0.1")
    with ExitStack() as stack:
        sockets: list[socket.socket] = []
        for way, address in opened:
            family = socket.AF_INET6 if address.startswith("[") else socket.AF_INET
            made = stack.enter_context(socket.socket(family, socket.SOCK_DGRAM if way == "Datagram" else socket.SOCK_STREAM))
            if family == socket.AF_INET6:
                made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            made.bind(("::1" if family == socket.AF_INET6 else "127.0.0.1", port))
            if way == "Stream":
                made.listen(511)
            sockets.append(made)
        manager.start(*sockets)
        manager.waitFor("READY=1")
        for stream in (False, True):
            assert addresses(exchange(port, "localhost", stream)) == ["127.0.0.1"]
        with socket.socket() as free:
            free.bind(("127.0.0.1", manager.port))


def test_shippedSettingsAreAccepted(manager: Manager) -> None:
    """
    The shipped settings are accepted as they are, and with each commented setting enabled.
    """
    text = (UNITS / "txdns.toml").read_text("utf-8")
    enabled = re.sub(r'^# (\w+ = |\[\[)', r"\1", text, flags=re.MULTILINE)
    assert enabled.count("\n#") < text.count("\n#")
    zones = manager.folder / "zones"
    zones.mkdir()
    (zones / "example.org").write_text("@ 60 SOA ns mail 1 3600 600 86400 300\n@ 60 NS ns\nns 60 A 192.0.2.1\n")
    for each in (text, enabled):
        manager.settings.write_text(each)
        command = [str(Path(sys.executable).parent / "twistd"), "-n", "txdns", "--config", str(manager.settings), "--show-config"]
        done = subprocess.run(command, cwd="/", capture_output=True, text=True, timeout=PATIENCE)
        assert done.returncode == 0, done.stderr
    assert str(zones / "example.org") in done.stdout


def test_stopRemovesControlSocket(manager: Manager) -> None:
    """
    The service ends by the signal with which systemd stops it, which counts as a clean end, and removes its control socket.
    """
    manager.start()
    manager.waitFor("READY=1")
    manager.stop()
    manager.waitFor("STOPPING=1")
    assert manager.exitCode() == -signal.SIGTERM
    wait(lambda: not (manager.folder / "run" / "control.sock").exists())
