"""
Tests of L{twisted_ext.apps.resolve}.
"""

from __future__ import annotations

import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.apps.terminals import Terminal
from tests.peers import freePort
from tests.test_architecture import ROOT
from twisted_ext.apps.resolve import main, smallInternet

__all__: list[str] = []


def test_namesAreResolvedAndProvedFromTheRoot() -> None:
    """
    Without a terminal, all commands run against real sockets, show the three states of security, and the program ends.
    """
    command = [sys.executable, "-m", "twisted_ext.apps.resolve", str(freePort("127.53.0.1"))]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, encoding="utf-8", stdin=subprocess.DEVNULL, timeout=120)
    assert (done.returncode, done.stderr) == (0, "")
    for said in (
        "data NOERROR, 4 queries",
        "www.example.org. A (data): secure",
        "nothing.example.org. A (nxdomain): secure",
        "www.plain.org. A (data): insecure",
        "www.broken.org. A (data): bogus",
        "Signature Expired: signature of www.broken.org. A",
    ):
        assert said in done.stdout


def test_internetRunsUntilCtrlC(tmp_path: Path) -> None:
    """
    At a terminal the internet keeps running with commands to try, and Ctrl-C ends it without an error message of make, and without files.
    """
    shutil.copy(ROOT / "Makefile", tmp_path)
    programs = tmp_path / ".venv" / "bin"
    programs.mkdir(parents=True)
    (programs / "pip").touch()
    (programs / "python").write_text(f'#!/bin/sh\nexec {sys.executable} "$@"\n')
    (programs / "python").chmod(0o755)
    for name in ("setup.cfg", "pyproject.toml", ".venv/.has-all"):
        (tmp_path / name).touch()
    port = freePort("127.53.0.1")
    program = f"import os; os.execvp('make', ['make', 'resolve', 'PORT={port}'])"
    with Terminal(["-c", program], {"PYTHONPATH": str(ROOT), "TMPDIR": str(tmp_path)}, str(tmp_path), controlling=True) as terminal:
        terminal.expect("txdns trace mail.example.org --hints ")
        terminal.expect("Ctrl-C ends it")
        (hints,) = tmp_path.glob("internet-*/root.hints")
        assert "127.53." in hints.read_text()
        terminal.type("\x03")
        terminal.wait()
        assert "***" not in terminal.output and "Traceback" not in terminal.output
    assert not list(tmp_path.glob("internet-*"))


def test_portInUseIsOneLine(capsys: pytest.CaptureFixture[str]) -> None:
    """
    A port that is in use, and one that is none, are one line that says what to write.
    """
    address = next(iter(smallInternet(0).servers.values())).addresses[0]
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind((address, 0))
        port = taken.getsockname()[1]
        command = [sys.executable, "-m", "twisted_ext.apps.resolve", str(port)]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, encoding="utf-8", stdin=subprocess.DEVNULL, timeout=120)
    assert done.returncode == 1 and done.stdout == ""
    assert done.stderr.startswith(f"make resolve: {address}, port {port}: ") and done.stderr.count("\n") == 1
    assert main(["70000"]) == 1
    assert capsys.readouterr().err == "make resolve: PORT=70000: write a number from 1 to 65535\n"
