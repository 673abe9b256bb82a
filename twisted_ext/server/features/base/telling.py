"""
Features that tell a process of their own what happens.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Protocol

from twisted_ext.server.features.base.feature import Active

if TYPE_CHECKING:
    from twisted_ext.metrics.figures import JSON

__all__ = ["Gathers", "Telling", "Way"]


class Way(Protocol):
    """
    The way to the process, a L{RecorderPipe<twisted_ext.server.process.recorders.pipe.RecorderPipe>}.

    @ivar told: how much was told.
    @ivar dropped: how much was dropped.
    """

    told: int
    dropped: int

    def follow(self, path: str) -> None:
        """
        Use the socket of this path from now on; C{""} for none.
        """

    def close(self) -> None:
        """
        End.
        """


class Gathers(Protocol):
    """
    What gathers for the process.
    """

    def flush(self) -> None:
        """
        Pass on what was gathered.
        """

    def close(self) -> None:
        """
        Pass it on, and end.
        """


class Telling(Active):
    """
    Tells the process, as long as its keeper says where it listens.

    @cvar keys: those of the figures for what was told, and for what was dropped.
    """

    keys: ClassVar[tuple[str, str]]

    def __init__(self, pipe: Way, gathers: Gathers) -> None:
        self.pipe = pipe
        self._gathers = gathers

    def take(self, state: JSON) -> None:
        # As long as the former process is there.
        self._gathers.flush()
        self.pipe.follow(state if isinstance(state, str) else "")

    def figures(self) -> dict[str, float]:
        told, dropped = self.keys
        return {told: self.pipe.told, dropped: self.pipe.dropped}

    def close(self, heir: Active | None) -> None:
        if heir is None:
            self._gathers.close()
            self.pipe.close()
