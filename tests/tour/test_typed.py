"""
The sessions of the tour, typed at a terminal in both shells.

The C{resolv.conf} of a machine names servers that a test cannot know. So the first lines create the resolver of the process explicitly,
C{client.theResolver = client.createResolver(resolvconf=..., hosts=...)}, from files that name a server at a loopback address. That is the
only difference from the page. L{tests.tour.test_letter} needs no such lines where the system allows namespaces.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.apps.terminals import Terminal
from tests.docs.listings import LISTINGS, Servers, Step, stepsOf
from tests.test_architecture import ROOT
from tests.tour.shells import CONCH, TXDNS, leave, outputPattern, typeSteps

__all__ = ["PREPARATION"]

#: Typed before everything else.
PREPARATION = (
    "from twisted_ext import client",
    "client.theResolver = client.createResolver(resolvconf='resolv.conf', hosts='hosts')",
)


@pytest.mark.parametrize("shell", [CONCH, TXDNS], ids=["conch", "txdns"])
@pytest.mark.parametrize("name", ["global", "reverse", "printing", "servers"])
def test_sessionShowsWhatTheTourShows(name: str, shell: tuple[str, ...], servers: Servers, tmp_path: Path) -> None:
    """
    A session of the tour shows what the tour shows.
    """
    servers.copy(LISTINGS / "tour", tmp_path)
    steps = stepsOf((tmp_path / f"{name}.session").read_text("utf-8"), ">>> ")
    environment = {"PYTHONPATH": os.pathsep.join([str(tmp_path), str(ROOT)]), "NO_COLOR": "1"}
    with Terminal(shell, environment, str(tmp_path)) as terminal:
        typeSteps(terminal, [Step(line) for line in PREPARATION] + steps, shell)
        assert leave(terminal) == 0


def test_shellHelpersNeedNoImports(servers: Servers, tmp_path: Path) -> None:
    """
    The helpers of C{txdns shell} do what the tour shows, without imports.
    """
    servers.copy(LISTINGS / "tour", tmp_path)
    steps = stepsOf((tmp_path / "shell.session").read_text("utf-8"), ">>> ")
    shell = (*TXDNS[:-1], TXDNS[-1].replace("'shell'", f"'shell', 'udp:127.0.0.1:{servers.ports['5301']}'"))
    with Terminal(shell, {"PYTHONPATH": str(ROOT), "NO_COLOR": "1"}, str(tmp_path)) as terminal:
        typeSteps(terminal, steps, shell)
        assert leave(terminal) == 0


def test_otherOutputIsDetected(servers: Servers, tmp_path: Path) -> None:
    """
    Other output of a shell is detected.
    """
    with Terminal(CONCH, {"PYTHONPATH": str(ROOT), "NO_COLOR": "1"}, str(tmp_path)) as terminal:
        terminal.expect(">>> ")
        terminal.type("1 + 1\r")
        with pytest.raises(AssertionError):
            terminal.expect(outputPattern("3", CONCH), 0.5)
        terminal.expect(outputPattern("2", CONCH))
        leave(terminal)
