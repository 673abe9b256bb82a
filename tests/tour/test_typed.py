"""
The sessions of the tour, typed into C{txdns shell}. L{tests.docs.following} types them into Twisted's, as the page says.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.apps.terminals import Terminal
from tests.docs.listings import LISTINGS, Servers
from tests.docs.pages import stepsOf
from tests.test_architecture import ROOT
from tests.tour.shells import CONCH, TXDNS, leave, outputPattern, typeSteps

__all__: list[str] = []

@pytest.mark.parametrize("name", ["global", "reverse", "printing", "servers"])
def test_sessionShowsWhatTheTourShows(name: str, servers: Servers, tmp_path: Path) -> None:
    """
    A session of the tour shows the same in C{txdns shell}.
    """
    servers.copy(LISTINGS / "tour", tmp_path)
    steps = stepsOf((tmp_path / f"{name}.session").read_text("utf-8"), ">>> ")
    environment = {
        "PYTHONPATH": os.pathsep.join([str(tmp_path), str(ROOT)]),
        "TXDNS_NAMESERVERS": f"127.0.0.1:{servers.ports['5301']}",
        "NO_COLOR": "1",
    }
    with Terminal(TXDNS, environment, str(tmp_path)) as terminal:
        typeSteps(terminal, steps, TXDNS)
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
