"""
Tests of L{twisted_ext.apps.robot.program.console}: the robot in a terminal.
"""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from signal import SIGINT

import pytest
from twisted.internet.testing import StringTransport

from tests.apps.robot.robots import Stage
from twisted_ext.apps.robot.commands import Effect
from twisted_ext.apps.robot.limits import CONSOLE_OCTETS, PLACE_CALLS
from twisted_ext.apps.robot.plugin import Call, RobotPlugin, command
from twisted_ext.apps.robot.program.console import Console, main
from twisted_ext.apps.robot.text import Line, Said, bad, good, line


class Sample(RobotPlugin):
    @command(Effect.OWNS)
    async def colored(self, call: Call) -> Said:
        return line("plain ", good("good"))

    @command()
    async def hostile(self, call: Call) -> Said:
        return bad("\x1b]0;title\x07")

    @command()
    async def slow(self, call: Call) -> Said:
        from twisted.internet.task import deferLater

        await deferLater(self.robot.reactor, 1)
        return "slow"


@pytest.fixture
def stage(staged: Callable[..., Stage]) -> Stage:
    """
    Return a robot with a plugin.
    """
    return staged(Sample())


class Terminal:
    """
    A console that is connected.
    """

    def __init__(self, stage: Stage, **options: object) -> None:
        make: Callable[..., Console] = Console
        self.console = make(stage.robot, "me", **options)
        stage.robot.join(self.console)
        transport: Callable[[], StringTransport] = StringTransport
        self.transport = transport()
        connect: Callable[[StringTransport], None] = self.console.makeConnection
        connect(self.transport)

    def write(self, text: bytes) -> None:
        """
        Let the person write a text.
        """
        receive: Callable[[bytes], None] = self.console.dataReceived
        receive(text)

    @property
    def shown(self) -> bytes:
        """
        Return all that the robot has shown.
        """
        value: Callable[[], bytes] = self.transport.value
        return value()


def test_commandsAreAnswered(stage: Stage) -> None:
    """
    Each line is a command of the owner, and gets its reply.
    """
    terminal = Terminal(stage)
    terminal.write(b"colored\n\nnothing\ncolored now\n")
    assert terminal.shown == (
        b"plain good\nthere is no command 'nothing'; help lists them\n'now' is too much; usage: colored\n"
    )


def test_nextCommandWaitsForTheLast(stage: Stage) -> None:
    """
    A line is read when the command before it has ended, and all are answered before the end of the input ends the console.
    """
    terminal = Terminal(stage)
    terminal.write(b"slow\ncolored\nslow\nquit\ncolored\n")
    assert terminal.shown == b""
    assert terminal.transport.producerState == "paused"
    stage.clock.advance(1)
    assert terminal.shown == b"slow\nplain good\n"
    stage.clock.advance(1)
    assert terminal.shown == b"slow\nplain good\nslow\n"
    assert terminal.transport.disconnecting


def test_lineWithoutAnEndIsRead(stage: Stage) -> None:
    """
    The last line of the input may have no line end.
    """
    terminal = Terminal(stage)
    terminal.write(b"slow")
    terminal.console.readConnectionLost()
    assert not terminal.transport.disconnecting
    stage.clock.advance(1)
    assert terminal.shown == b"slow\n"
    assert terminal.transport.disconnecting


def test_consoleHasNoLimitOfCommands(stage: Stage) -> None:
    """
    The limit on the commands of a channel does not apply to the operator's own terminal.
    """
    terminal = Terminal(stage)
    count = int(PLACE_CALLS.default) + 5
    terminal.write(b"colored\n" * count)
    assert terminal.shown == b"plain good\n" * count


def test_longLineIsRefused(stage: Stage) -> None:
    """
    A line that is too long is refused, and the next one is read.
    """
    terminal = Terminal(stage)
    terminal.write(b"x" * (int(CONSOLE_OCTETS.default) + 2))
    terminal.write(b"\ncolored\n")
    assert terminal.shown == b"a line has at most 10000 octets\nplain good\n"


def test_stylesAreColors(stage: Stage) -> None:
    """
    Styles are shown as colors if they are wanted, and what a plugin says cannot act on the terminal.
    """
    terminal = Terminal(stage, colors=True, prompt="> ")
    terminal.write(b"colored\nhostile\n")
    assert terminal.shown == b"> plain \x1b[32mgood\x1b[0m\n> \x1b[31;1m\\x1b]0;title\\x07\x1b[0m\n> "


def test_consoleHasNoMembers(stage: Stage) -> None:
    """
    A console has no channels; its end is noticed.
    """
    terminal = Terminal(stage)
    ended: list[None] = []
    terminal.console.ended.addCallback(ended.append)
    terminal.console.send("me", [Line()])
    assert terminal.console.members("#dns") == ()
    assert terminal.console.isReady("me")
    terminal.console.writeConnectionLost()
    terminal.console.connectionLost()
    assert ended == [None]


def run(*words: str, given: str = "", folder: Path | None = None) -> tuple[int, str, str]:
    """
    Run the console as a process.
    """
    command = [sys.executable, "-m", "twisted_ext", "robot", *words]
    environment = {**os.environ, "XDG_CONFIG_HOME": str(folder or "/nonexistent"), "TMPDIR": str(folder or "/tmp")}
    done = subprocess.run(command, input=given, capture_output=True, text=True, cwd=folder, env=environment, timeout=60)
    return done.returncode, done.stdout, done.stderr


def test_consoleIsAProgram(tmp_path: Path) -> None:
    """
    The console answers its input with all built-in plugins and leaves no file behind.
    """
    code, out, err = run("--console", given="help dig\nseen nobody\n", folder=tmp_path)
    assert (code, err) == (0, "")
    assert out.startswith("dig NAME")
    assert len(out.splitlines()) == 2
    assert list(tmp_path.iterdir()) == []


def test_wrongUseIsExplained(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """
    Wrong words and settings are reported in one line, and the help says how it is used.
    """
    path = tmp_path / "robot.toml"
    path.write_text("prefix = 1\n")
    for words, expected in (
        ([], "write --console to try it in this terminal; to run it on networks, write: twistd txdns robot --config FILE"),
        (["--console", "--colour"], "'--colour': write nothing, or --config FILE; see txdns robot --help"),
        (["--console", "--config"], "'--config': write nothing, or --config FILE; see txdns robot --help"),
        (["--console", "--config", str(path)], f"{path}:1: prefix takes a text, as a text, not 1"),
        (["--console", f"--config={path}"], f"{path}:1: prefix takes a text, as a text, not 1"),
    ):
        assert main(words) == 1
        assert capsys.readouterr().err == f"txdns robot: {expected}\n"
    assert main(["--help"]) == 0
    assert capsys.readouterr().out.startswith("Usage: txdns robot --console")


def test_ctrlCLeaves(tmp_path: Path) -> None:
    """
    On a terminal there is a prompt, and Ctrl-C ends the console without a trace.
    """
    parent, child = pty.openpty()
    environment = {**os.environ, "XDG_CONFIG_HOME": str(tmp_path), "TMPDIR": str(tmp_path)}
    command = [sys.executable, "-m", "twisted_ext", "robot", "--console"]
    process = subprocess.Popen(command, stdin=child, stdout=child, stderr=subprocess.PIPE, env=environment, text=True)
    try:
        os.close(child)
        assert os.read(parent, 100).endswith(b"> ")
        process.send_signal(SIGINT)
        _, err = process.communicate(timeout=60)
    finally:
        process.kill()
        process.wait()
        os.close(parent)
    assert (process.returncode, err) == (130, "")
    assert list(tmp_path.iterdir()) == []
