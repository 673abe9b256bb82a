"""
The tour's sessions, typed at a terminal in both shells.

A machine's own C{resolv.conf} names servers that a test cannot know. So the first lines that are typed make the resolver of the process
by hand, C{client.theResolver = client.createResolver(resolvconf=..., hosts=...)}, of files that name a server at a loopback address.
That is the only difference to what the page shows; L{tests.tour.test_letter} does without it where the system allows it.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.apps.terminals import Terminal
from tests.docs.listings import LISTINGS, Servers, Step, stepsOf
from tests.test_architecture import ROOT
from tests.tour.shells import CONCH, TXDNS, asShown, leave, typeSteps

__all__ = ["PREPARATION"]

#: Typed before everything else.
PREPARATION = (
    "from twisted_ext import client",
    "client.theResolver = client.createResolver(resolvconf='resolv.conf', hosts='hosts')",
)


@pytest.mark.parametrize("shell", [CONCH, TXDNS], ids=["conch", "txdns"])
@pytest.mark.parametrize("name", ["global", "reverse", "printing", "servers"])
def test_session(name: str, shell: tuple[str, ...], servers: Servers, tmp_path: Path) -> None:
    """
    Whoever types the tour sees what the tour shows.
    """
    servers.copy(LISTINGS / "tour", tmp_path)
    steps = stepsOf((tmp_path / f"{name}.session").read_text("utf-8"), ">>> ")
    environment = {"PYTHONPATH": os.pathsep.join([str(tmp_path), str(ROOT)]), "NO_COLOR": "1"}
    with Terminal(shell, environment, str(tmp_path)) as terminal:
        typeSteps(terminal, [Step(line) for line in PREPARATION] + steps, shell)
        assert leave(terminal) == 0


def test_helpers(servers: Servers, tmp_path: Path) -> None:
    """
    The short words of C{txdns shell} do what the tour shows, without anything imported before.
    """
    servers.copy(LISTINGS / "tour", tmp_path)
    steps = stepsOf((tmp_path / "shell.session").read_text("utf-8"), ">>> ")
    shell = (*TXDNS[:-1], TXDNS[-1].replace("'shell'", f"'shell', 'udp:127.0.0.1:{servers.ports['5301']}'"))
    with Terminal(shell, {"PYTHONPATH": str(ROOT), "NO_COLOR": "1"}, str(tmp_path)) as terminal:
        typeSteps(terminal, steps, shell)
        assert leave(terminal) == 0


def test_noticed(servers: Servers, tmp_path: Path) -> None:
    """
    A shell that shows something else is noticed.
    """
    with Terminal(CONCH, {"PYTHONPATH": str(ROOT), "NO_COLOR": "1"}, str(tmp_path)) as terminal:
        terminal.expect(">>> ")
        terminal.type("1 + 1\r")
        with pytest.raises(AssertionError):
            terminal.expect(asShown("3", CONCH), 0.5)
        terminal.expect(asShown("2", CONCH))
        leave(terminal)
