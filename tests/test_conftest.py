"""
Tests of L{tests.conftest}: a test that leaves resources open fails.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.test_architecture import ROOT

#: The start of each small test module below.
HEAD = """
import socket
import pytest_twisted
from twisted.internet import reactor
from twisted.internet.protocol import DatagramProtocol, Factory
from twisted.internet.task import deferLater
from tests.conftest import leavesReactorClean

"""


#: A test that makes Twisted look for plugins.
PLUGIN_TEST = """
from twisted.internet.endpoints import serverFromString
from twisted.trial.unittest import SynchronousTestCase

class LookingTests(SynchronousTestCase):
    def test_endpoint(self):
        self.assertRaises(ValueError, serverFromString, reactor, "txdnsTestNone:0")
"""

#: A test case that is skipped in setUp, a test that logs an error, and another test case.
SKIPPED_TESTS = """
from twisted.logger import Logger
from twisted.python.failure import Failure
from twisted.trial.unittest import SkipTest, SynchronousTestCase

class FirstTests(SynchronousTestCase):
    def setUp(self):
        raise SkipTest("no")

    def test_one(self):
        pass

def test_logs():
    Logger().failure("logged", Failure(ValueError("logged")))

class LastTests(SynchronousTestCase):
    def test_one(self):
        pass
"""


def outcome(body: str, folder: Path, environment: Mapping[str, str] | None = None) -> str:
    """
    Return the output of pytest for one test with this body.
    """
    (folder / "test_one.py").write_text(f"{HEAD}{body}\n")
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-c", str(ROOT / "pyproject.toml")]
    command += ["-p", "no:randomly", "--rootdir", str(folder), str(folder)]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
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
def test_leftoversFailTheTest(body: str, left: str, tmp_path: Path) -> None:
    """
    A timer, port or socket that stays open fails its test.
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
def test_cleanTestPasses(body: str, tmp_path: Path) -> None:
    """
    A test that cleans up, within the reactor's next turns at the latest, passes.
    """
    assert "1 passed" in outcome(body, tmp_path)


@pytest.mark.parametrize(("beforehand", "expected"), [(True, "1 passed"), (False, "DeprecationWarning: old")])
def test_pluginWarningsFailNoOtherTest(beforehand: bool, expected: str, tmp_path: Path) -> None:
    """
    A warning from a plugin module on its first import fails no test, unless the test imports it.
    """
    folder = tmp_path / "other" / "twisted" / "plugins"
    folder.mkdir(parents=True)
    (folder / "txdns_test_old.py").write_text("import warnings\nwarnings.warn('old', DeprecationWarning, stacklevel=2)\n")
    if beforehand:
        (tmp_path / "conftest.py").write_text("from tests.conftest import pytest_sessionstart\n")
    assert expected in outcome(PLUGIN_TEST, tmp_path, {**os.environ, "PYTHONPATH": str(tmp_path / "other")})


@pytest.mark.parametrize(("ends", "expected"), [(True, "2 passed, 1 skipped"), (False, "1 failed, 1 passed, 1 skipped")])
def test_loggedErrorsFailNoOtherTest(ends: bool, expected: str, tmp_path: Path) -> None:
    """
    An error that is logged after a test case was skipped in C{setUp} does not fail the next test case.
    """
    ending = "from tests.conftest import collectsNoMoreErrors\n" if ends else ""
    assert expected in outcome(ending + SKIPPED_TESTS, tmp_path)
