"""
Typing at the two shells, with the resolver of a machine.
"""

from __future__ import annotations

import re
from typing import Final

from tests.apps.terminals import Terminal
from tests.docs.pages import Step

__all__ = ["CONCH", "TXDNS", "outputPattern", "leave", "typeSteps"]

#: The arguments of C{python} for each shell.
CONCH: Final = ("-m", "twisted.conch.stdio")
TXDNS: Final = ("-c", "import sys; from twisted_ext.apps.cli.main import main; sys.exit(main(['shell']))")

_ADDRESS: Final = re.compile(r"0x[0-9a-f]+")
_WAITING: Final = re.compile(r"<Deferred #\d+>\nDeferred #\d+ called back: (.*)")

#: A prompt that is repeated between two outputs.
_BETWEEN: Final = r"\s*(?:>>> )?\s*"


def outputPattern(shown: str, shell: tuple[str, ...]) -> str:
    """
    Return a pattern for the output of C{shell}.

    C{txdns shell} shows a Deferred as it is, and again when it has fired, while conch's shell numbers it and reports its result.

    @param shown: the output of conch's shell.
    """
    if shell is TXDNS:
        shown = _WAITING.sub(r"<Deferred at 0x0>\n<Deferred at 0x0 current result: \1>", shown)
    lines = [_ADDRESS.sub("0x[0-9a-f]+", re.escape(line)) for line in shown.splitlines()]
    return r"\n" + _BETWEEN.join(lines) + _BETWEEN if lines else r"\n"


def typeSteps(terminal: Terminal, steps: list[Step], shell: tuple[str, ...]) -> None:
    """
    Type each line, and wait for its output.
    """
    terminal.expect(">>> ")
    for step in steps:
        terminal.type(step.typed + "\r")
        terminal.expect(outputPattern(step.shown, shell))


def leave(terminal: Terminal) -> int:
    """
    Press Ctrl-D.

    @return: the exit code.
    """
    terminal.type("\x04")
    return terminal.wait()
