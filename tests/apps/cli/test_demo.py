"""
Tests of L{twisted_ext.apps.cli.demo}.
"""

from __future__ import annotations

import shutil
import signal
import socket
import sys
from contextlib import closing, suppress
from pathlib import Path

import pytest

from tests.apps.terminals import Terminal
from tests.peers import freePort
from tests.test_architecture import ROOT
from twisted_ext.apps.cli.demo import PAGE, PORT
from twisted_ext.apps.cli.main import main

__all__: list[str] = []


def freePair() -> int:
    """
    Return a free port above which another one is free.
    """
    while True:
        port = freePort("127.0.0.1")
        with suppress(OSError), closing(socket.socket()) as stream, closing(socket.socket(type=socket.SOCK_DGRAM)) as datagram:
            stream.bind(("127.0.0.1", port + 1))
            datagram.bind(("127.0.0.1", port + 1))
            return port


def test_serversRunUntilCtrlC(tmp_path: Path) -> None:
    """
    C{make demo} prints what to try, which works, and Ctrl-C ends it without an error message of make.
    """
    shutil.copy(ROOT / "Makefile", tmp_path)
    programs = tmp_path / ".venv" / "bin"
    programs.mkdir(parents=True)
    (programs / "pip").touch()
    (programs / "python").write_text(f'#!/bin/sh\nexec {sys.executable} "$@"\n')
    (programs / "python").chmod(0o755)
    for name in ("setup.cfg", "pyproject.toml", ".venv/.has-all"):
        (tmp_path / name).touch()
    port, page = freePair(), freePort("127.0.0.1")
    program = f"import os; os.execvp('make', ['make', 'demo', 'PORT={port}', 'PAGE={page}'])"
    with Terminal(["-c", program], {"PYTHONPATH": str(ROOT)}, str(tmp_path), controlling=True) as terminal:
        terminal.expect(f"export TXDNS_NAMESERVERS=127.0.0.1:{port}\n")
        terminal.expect(f"not the ports of the documentation, {PORT}, {PORT + 1} and {PAGE}")
        terminal.expect("Ctrl-C ends it.")
        with Terminal(["-m", "twisted_ext", "query", "www.example.com", "+short"], {"TXDNS_NAMESERVERS": f"127.0.0.1:{port}"}) as query:
            query.expect("192.0.2.80")
            assert query.wait() == 0
        terminal.type("\x03")
        terminal.wait()
        assert "***" not in terminal.output and "Traceback" not in terminal.output


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 0), (signal.SIGTERM, 143)])
def test_signalsEndIt(number: int, code: int) -> None:
    """
    Ctrl-C is the normal end, and SIGTERM ends the program with the code that service managers expect.
    """
    with Terminal(["-m", "twisted_ext", "demo", "--port", str(freePair()), "--page", str(freePort("127.0.0.1"))]) as terminal:
        terminal.expect("Ctrl-C ends it")
        terminal.interrupt(number)
        assert terminal.wait() == code
        assert "Traceback" not in terminal.output


@pytest.mark.parametrize(("option", "variable"), [("--port", "PORT"), ("--page", "PAGE")])
def test_takenPortIsNamedWithItsOption(option: str, variable: str) -> None:
    """
    If a port is taken, one line names it, and the option that chooses another.
    """
    with closing(socket.socket()) as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        words = {"--port": freePair(), "--page": freePort("127.0.0.1"), option: port}
        with Terminal(["-m", "twisted_ext", "demo", *[str(word) for pair in words.items() for word in pair]]) as terminal:
            terminal.expect(
                f"txdns demo: 127.0.0.1, port {port}: Address already in use; for another one:"
                rf" txdns demo {option} \d+, or make demo {variable}=\d+\n"
            )
            assert terminal.wait() == 1


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["5301"], "'5301' is not an option; write: txdns demo --port 5301 --page 8080"),
        (["--port", "0"], "'0' is not a number from 1 to 65534"),
        (["--page"], "a port"),
    ],
)
def test_wrongArgumentsAreExplained(words: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    """
    An argument that the command does not take is reported in one line.
    """
    assert main(["demo", *words]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert said in line
