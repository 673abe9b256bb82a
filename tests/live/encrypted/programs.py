"""
Live peers with command lines of their own, in addition to those of L{tests.peers}.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from tests.peers import LivePeer

__all__ = ["Program", "textOf"]


class Program(LivePeer):
    """
    A program that does not take its configuration as C{-c}.
    """

    def __init__(self, program: str, words: Callable[[LivePeer], Sequence[str | Path]], configure: Callable[[LivePeer], str]) -> None:
        """
        @param words: its arguments.
        @param configure: the text of C{server.conf} in its folder.
        """
        super().__init__(program, [], configure, "127.0.0.1", {})
        self._words = words

    @property
    def _command(self) -> list[str]:
        return [str(self.executable), *[str(word) for word in self._words(self)]]


def textOf(*lines: str) -> str:
    """
    Return the text of a file.
    """
    return "\n".join([*lines, ""])
