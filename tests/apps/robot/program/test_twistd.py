"""
Tests of C{twistd txdns robot}: the robot as a process.
"""

from __future__ import annotations

import os
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.patience import PATIENCE
from twisted_ext.apps.robot.program.service import DATABASE

COMMAND = [str(Path(sys.executable).with_name("twistd")), "-n", "--pidfile=", "txdns", "robot", "--config", "robot.toml"]

SETTINGS = """
state = "state"
resolver = "udp:127.0.0.1:9"

[[network]]
name = "here"
endpoint = "tcp:127.0.0.1:{port}"
channels = ["#dns"]

[access]
owners = ["here/*!*@boss"]
"""


class Running:
    """
    A robot, and the server of its network.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.listener.settimeout(60)
        self.write()
        self.process: subprocess.Popen[str] | None = None
        self.connection: socket.socket | None = None
        self._received = ""

    def write(self, more: str = "") -> None:
        """
        Write the settings.
        """
        (self.folder / "robot.toml").write_text(SETTINGS.format(port=self.listener.getsockname()[1]) + more)

    def start(self) -> None:
        """
        Start the robot, and wait until it is in its channel.
        """
        environment = {**os.environ, "XDG_CONFIG_HOME": str(self.folder / "none")}
        with (self.folder / "log").open("a") as log:
            self.process = subprocess.Popen(COMMAND, cwd=self.folder, env=environment, stdout=log, stderr=log, text=True)
        self.connection, _ = self.listener.accept()
        self.connection.settimeout(60)
        self.expect("CAP LS")
        self.send(":irc CAP * LS :")
        self.expect("CAP END")
        self.send(":irc 001 txbot :hello", ":irc 376 txbot :end")
        self.expect("JOIN #dns")
        self.send(":txbot!txbot@host JOIN #dns")

    def send(self, *lines: str) -> None:
        """
        Send lines as the server.
        """
        assert self.connection is not None
        self.connection.sendall("".join([f"{line}\r\n" for line in lines]).encode())

    def expect(self, text: str) -> str:
        """
        Wait for a line with this text.
        """
        assert self.connection is not None
        while True:
            line, end, rest = self._received.partition("\r\n")
            if end:
                self._received = rest
                if text in line:
                    return line
                continue
            received = self.connection.recv(4096).decode()
            assert received, self.log()
            self._received += received

    def ask(self, text: str, expected: str, nick: str = "boss!b@boss") -> None:
        """
        Say something in the channel, and wait for the reply.
        """
        self.send(f":{nick} PRIVMSG #dns :{text}")
        self.expect(expected)

    def log(self) -> str:
        """
        Return what the robot has logged.
        """
        return (self.folder / "log").read_text()

    def logged(self, text: str) -> None:
        """
        Wait for a text in the log.
        """
        end = time.monotonic() + PATIENCE
        while text not in self.log():
            assert time.monotonic() < end, self.log()
            time.sleep(0.05)

    def signal(self, number: int) -> None:
        """
        Send the robot a signal.
        """
        assert self.process is not None
        self.process.send_signal(number)

    def end(self, number: int) -> int:
        """
        End the robot by a signal, and return its exit status.
        """
        self.signal(number)
        assert self.process is not None
        status = self.process.wait(60)
        if self.connection is not None:
            self.connection.close()
        self._received = ""
        return status

    def close(self) -> None:
        """
        End all that is left.
        """
        if self.process is not None and self.process.poll() is None:
            self.end(signal.SIGKILL)
        if self.connection is not None:
            self.connection.close()
        self.listener.close()


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Running]:
    """
    Return a robot that can be started.
    """
    made = Running(tmp_path)
    yield made
    made.close()


def test_robotFollowsItsFile(running: Running) -> None:
    """
    At SIGHUP the robot reads its file again, in the same connection; a wrong file changes nothing.
    """
    running.start()
    running.ask("!help load", "PRIVMSG #dns :load PLUGIN")
    running.write("[plugin.tell]\ndays = 'x'\n")
    running.signal(signal.SIGHUP)
    running.logged("the settings are not valid")
    assert "robot.toml:13: [plugin.tell] days takes a number" in running.log()
    running.ask("!help tell", "PRIVMSG #dns :tell NICK TEXT")
    running.write("[plugin.tell]\nenabled = false\n")
    running.signal(signal.SIGHUP)
    running.logged("plugin tell is unloaded")
    running.ask("!help tell", "there is no command 'tell'")
    assert running.end(signal.SIGTERM) in (0, -signal.SIGTERM)
    assert "Traceback" not in running.log()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_stateSurvivesTheEnd(number: int, running: Running) -> None:
    """
    However the robot ends, what it has acknowledged is there when it starts again.
    """
    running.start()
    running.ask("!tell carol the cake is ready", "gets your message")
    running.end(number)
    with sqlite3.connect(running.folder / "state" / DATABASE) as database:
        assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    database.close()
    running.start()
    running.send(":carol!c@host PRIVMSG #dns :hello")
    running.expect("the cake is ready")
    assert "Traceback" not in running.log()


def test_secretsAreNotLogged(running: Running) -> None:
    """
    The secrets of a network and a provider are in no log line, also when they are wrong.
    """
    (running.folder / "key").write_text("hunter2")
    more = '[plugin.weather]\nurl = "https://a.example/{place}?k={key}"\nline = "{a}"\nkey = {file = "key"}\n'
    running.write(more)
    running.start()
    running.ask("!weather here", "PRIVMSG #dns :")
    running.write(more.replace('"key"', '"none"'))
    running.signal(signal.SIGHUP)
    running.logged("the settings are not valid")
    running.end(signal.SIGTERM)
    assert "hunter2" not in running.log()


def test_databaseThatCannotBeOpenedEndsTheStart(tmp_path: Path) -> None:
    """
    A robot whose database cannot be opened says so in one line, and does not run.
    """
    (tmp_path / "state").write_text("")
    (tmp_path / "robot.toml").write_text('state = "state"\n')
    done = subprocess.run(COMMAND, cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert done.returncode
    assert f"twistd txdns: {tmp_path}/state" in done.stderr
    assert "Traceback" not in done.stderr
