"""
Typing at the two shells, with the resolver that a machine would have.
"""

from __future__ import annotations

import re
from typing import Final

from tests.apps.terminals import Terminal
from tests.docs.listings import Step

__all__ = ["CONCH", "TXDNS", "asShown", "leave", "typeSteps"]

#: What each shell is started with, behind C{python}.
CONCH: Final = ("-m", "twisted.conch.stdio")
TXDNS: Final = ("-c", "import sys; from twisted_ext.apps.cli.main import main; sys.exit(main(['shell']))")

_ADDRESS: Final = re.compile(r"0x[0-9a-f]+")
_WAITING: Final = re.compile(r"<Deferred #\d+>\nDeferred #\d+ called back: (.*)")

#: A prompt that is drawn again between two things that are shown.
_BETWEEN: Final = r"\s*(?:>>> )?\s*"


def asShown(shown: str, shell: tuple[str, ...]) -> str:
    """
    C{txdns shell} shows a Deferred as it is, and again when it has fired, where conch's own numbers it and tells what it was called
    back with.

    @param shown: what conch's shell shows.

    @return: a pattern of what C{shell} shows.
    """
    if shell is TXDNS:
        shown = _WAITING.sub(r"<Deferred at 0x0>\n<Deferred at 0x0 current result: \1>", shown)
    lines = [_ADDRESS.sub("0x[0-9a-f]+", re.escape(line)) for line in shown.splitlines()]
    return r"\n" + _BETWEEN.join(lines) + _BETWEEN if lines else r"\n"


def typeSteps(terminal: Terminal, steps: list[Step], shell: tuple[str, ...]) -> None:
    """
    Type each line, and wait for what it is to show.
    """
    terminal.expect(">>> ")
    for step in steps:
        terminal.type(step.typed + "\r")
        terminal.expect(asShown(step.shown, shell))


def leave(terminal: Terminal) -> int:
    """
    Press Ctrl-D.

    @return: the exit code.
    """
    terminal.type("\x04")
    return terminal.wait()
