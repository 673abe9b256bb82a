"""
Tests of what a process does before its reactor runs.
"""

from __future__ import annotations

import subprocess
import sys

import pytest

_CHOICES: tuple[tuple[list[str], str], ...] = (
    ([], "DirectReactor False"),
    (["--reactor", "poll"], "PollReactor True"),
)

_OPTIONS = """
import gc
from twisted.scripts.twistd import run
try:
    run()
finally:
    from twisted.internet import reactor
    print(type(reactor).__name__, gc.isenabled())
"""

_RUNNING = """
import gc
from twisted_ext.server.process.prepare import prepareProcess
prepareProcess()
from twisted.internet import reactor
reactor.callWhenRunning(lambda: print(gc.isenabled()))
reactor.callWhenRunning(reactor.stop)
reactor.run()
"""

_COMMAND = """
import gc
from twisted_ext.apps.cli.terminal.run import runUntilDone
async def begin(reactor):
    print(type(reactor).__name__, gc.isenabled())
    return 0
runUntilDone(begin)
"""


def _shown(program: str, *words: str) -> str:
    """
    Return the last line that a program prints.
    """
    done = subprocess.run([sys.executable, "-c", program, *words], capture_output=True, text=True, timeout=60, check=True)
    return done.stdout.splitlines()[-1]


@pytest.mark.parametrize(("words", "expected"), _CHOICES, ids=["default", "poll"])
def test_operatorMayChooseTheReactor(words: list[str], expected: str) -> None:
    """
    C{twistd txdns} installs its own reactor and suspends garbage collection, unless the operator chooses a reactor.
    """
    assert _shown(_OPTIONS, *words, "txdns", "--show-config") == expected


def test_collectionResumes() -> None:
    """
    Garbage is collected as soon as the reactor runs.
    """
    assert _shown(_RUNNING) == "True"


def test_commandsRunOnTheReactor() -> None:
    """
    Commands of C{txdns} run on the same reactor as the server.
    """
    assert _shown(_COMMAND) == "DirectReactor True"
