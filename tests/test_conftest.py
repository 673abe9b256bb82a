"""
Tests of L{tests.conftest}: a test that leaves something behind fails.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.test_architecture import ROOT

#: What each of the little test modules below begins with.
HEAD = """
import socket
import pytest_twisted
from twisted.internet import reactor
from twisted.internet.protocol import DatagramProtocol, Factory
from twisted.internet.task import deferLater
from tests.conftest import leavesReactorClean

"""


def outcome(body: str, folder: Path) -> str:
    """
    @return: what pytest says of one test with this body.
    """
    (folder / "test_one.py").write_text(f"{HEAD}{body}\n")
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-c", str(ROOT / "pyproject.toml")]
    done = subprocess.run([*command, "--rootdir", str(folder), str(folder)], cwd=ROOT, capture_output=True, text=True)
    return done.stdout + done.stderr


@pytest.mark.parametrize(
    ("body", "left"),
    [
        ("def test_timer():\n    reactor.callLater(60, int)", "left in the reactor: <DelayedCall"),
        ("def test_port():\n    reactor.listenUDP(0, DatagramProtocol())", "left in the reactor: <<class"),
        ("def test_stream():\n    reactor.listenTCP(0, Factory())", "left in the reactor: <"),
        ("def test_socket():\n    socket.socket()", "ResourceWarning: unclosed"),
    ],
)
def test_leftovers(body: str, left: str, tmp_path: Path) -> None:
    """
    A timer, a port or a socket left behind fails the test that left it.
    """
    assert left in outcome(body, tmp_path)


@pytest.mark.parametrize(
    "body",
    [
        "def test_nothing():\n    pass",
        "@pytest_twisted.ensureDeferred\nasync def test_waits():\n    await deferLater(reactor, 0.01)",
        "@pytest_twisted.inlineCallbacks\ndef test_waits():\n    yield deferLater(reactor, 0.01)",
        "def test_closing():\n    reactor.listenUDP(0, DatagramProtocol()).stopListening()",
        "def test_soonOver():\n    reactor.callLater(0.02, int)",
    ],
)
def test_clean(body: str, tmp_path: Path) -> None:
    """
    A test that cleans up, if only in the reactor's next turns, passes.
    """
    assert "1 passed" in outcome(body, tmp_path)
