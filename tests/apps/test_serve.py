"""
Tests of L{twisted_ext.apps.serve}.
"""

from __future__ import annotations

import shutil
import socket
import sys
from pathlib import Path

import pytest
from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from tests.apps.terminals import Terminal
from tests.peers import freePort
from tests.test_architecture import ROOT
from twisted_ext._compiled import isCompiled
from twisted_ext.apps.serve import commandFor, main, told
from twisted_ext.apps.tap import Options
from twisted_ext.errors import TimedOut
from twisted_ext.interfaces import IAnswerSource
from twisted_ext.resolver.system.probe import reaches
from twisted_ext.server.features.localnames.feature import LocalNamesSettings
from twisted_ext.testing.network import MemoryNetwork
from twisted_ext.testing.sources import CannedSource


class ServeTests(SynchronousTestCase):
    """
    Tests for the checks and texts of C{make serve} before the server starts.
    """

    def reaches(self, source: IAnswerSource) -> bool:
        """
        Return whether the internet is reachable through this source.
        """
        return self.successResultOf(Deferred.fromCoroutine(reaches(source, MemoryNetwork().reactor("127.0.0.1"))))

    def test_internetIsReachedByAName(self) -> None:
        """
        The internet is reachable if a well-known name has an address.
        """
        self.assertTrue(self.reaches(CannedSource(otherwise="192.0.2.1")))
        self.assertTrue(self.reaches(CannedSource({("www.python.org", "A"): "192.0.2.1"}, now=True)))
        self.assertFalse(self.reaches(CannedSource(otherwise=TimedOut("nobody"))))
        self.assertFalse(self.reaches(CannedSource(otherwise=())))

    def test_printedCommandsMatchTheNetwork(self) -> None:
        """
        The printed commands look up names that will be answered. The text mentions a missing internet connection.
        """
        for online, name in ((True, "www.python.org"), (False, "www.example.test")):
            text = told(online)
            self.assertIn(f"    dig @127.0.0.1 -p 5300 {name}\n    .venv/bin/txdns query {name} @127.0.0.1:5300\n", text)
            self.assertIn("http://127.0.0.1:5380/", text)
            self.assertEqual("resolves names on the Internet now" in text, not online)
            self.assertEqual("It runs uncompiled" in text, not isCompiled())

    def test_commandIsValidForTwistd(self) -> None:
        """
        The command line is valid for C{twistd txdns}.
        """
        for online, port in ((True, 5300), (False, 5300), (True, 6000)):
            words = commandFor(online, port)
            options = Options()
            options.parseOptions(words[words.index("txdns") + 1 :])
            settings = options.settings()
            self.assertEqual((settings.interface, settings.port, settings.http), (("127.0.0.1",), port, f"127.0.0.1:{port + 80}"))
            self.assertEqual(len(settings[LocalNamesSettings].local), 0 if online else 2)


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """
    Return a folder with the Makefile and a fake C{.venv} that runs this Python and seems complete.
    """
    shutil.copy(ROOT / "Makefile", tmp_path)
    programs = tmp_path / ".venv" / "bin"
    programs.mkdir(parents=True)
    (programs / "pip").touch()
    (programs / "python").write_text(f'#!/bin/sh\nexec {sys.executable} "$@"\n')
    (programs / "python").chmod(0o755)
    for name in ("setup.cfg", "pyproject.toml", ".venv/.has-all"):
        (tmp_path / name).touch()
    return tmp_path


def make(folder: Path, *words: str) -> Terminal:
    """
    Return C{make serve} at a terminal.
    """
    program = f"import os; os.execvp('make', ['make', 'serve', *{words!r}])"
    return Terminal(["-c", program], {"PYTHONPATH": str(ROOT)}, str(folder), controlling=True)


def portForServe() -> int:
    """
    Return a port that is free, together with that of the status page.
    """
    while True:
        port = freePort("127.0.0.1")
        with socket.socket() as page:
            try:
                page.bind(("127.0.0.1", port + 80))
            except (OSError, OverflowError):
                continue
        return port


def test_serverRunsUntilCtrlC(checkout: Path) -> None:
    """
    The commands to try appear when the server listens, and Ctrl-C ends it without an error message of make.
    """
    port = portForServe()
    with make(checkout, f"PORT={port}") as terminal:
        terminal.expect(f"dig @127.0.0.1 -p {port} ")
        with socket.create_connection(("127.0.0.1", port), 5), socket.create_connection(("127.0.0.1", port + 80), 5):
            pass
        terminal.expect("Ctrl-C ends it")
        terminal.type("\x03")
        terminal.wait()
        assert "***" not in terminal.output and "Traceback" not in terminal.output


def test_takenPortIsReported(checkout: Path) -> None:
    """
    A taken port is reported, and no commands to try appear.
    """
    port = portForServe()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("127.0.0.1", port))
        with make(checkout, f"PORT={port}") as terminal:
            assert terminal.wait() != 0
            assert "In another terminal" not in terminal.output
            assert "end it, or choose another --port" in terminal.output


def test_failedInstallIsExplained(checkout: Path) -> None:
    """
    A failed installation by pip ends with one sentence on what to do.
    """
    (checkout / ".venv" / ".has-all").unlink()
    (checkout / ".venv" / "bin" / "python").write_text("#!/bin/sh\necho 'ERROR: Could not find a version' >&2\nexit 1\n")
    with make(checkout) as terminal:
        assert terminal.wait() != 0
        wall, _, ours = terminal.output.partition("ERROR: Could not find a version")
        assert "Installing this project with its extras all into .venv" in wall
        assert ours.count("make: pip could not install what the project needs") == 1
        assert "PIP_INDEX_URL" in ours and "twisted_ext.apps.serve" not in ours


def test_invalidPortIsRefused(capsys: pytest.CaptureFixture[str]) -> None:
    """
    An invalid port is refused with a one-line error.
    """
    for text in ("x", "0", "65535", "-1", ""):
        assert main([text]) == 1
        assert capsys.readouterr().err == f"make serve: PORT={text}: write a number from 1 to 65455\n"
