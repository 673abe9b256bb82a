"""
Zones that are to be served from master files, and those who wait for them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from twisted.internet.defer import Deferred

from twisted_ext.server.limits import LOADING_BROKEN, LOADING_COMPLAINTS
from twisted_ext.server.zones.imagefiles import Source, statusOf

if TYPE_CHECKING:
    from twisted_ext.server.config.zonesettings import ZoneSettings

__all__ = ["ABSENT", "GONE", "Reload", "Wanted"]

#: Size and time of a file that is not there.
ABSENT: Final = (-1, -1)

#: How a line ends that tells of a zone which went.
GONE: Final = ": is served no more"

_MOST_LINES: Final = int(LOADING_COMPLAINTS.default)


class Wanted:
    """
    A zone that is to be served from a master file.

    @ivar serial: of what is served, L{None} where that is nothing.
    @ivar sources: the files of the last attempt, as they were then.
    @ivar pending: whether it is being made ready.
    @ivar again: whether it is to be made ready once more after that.
    @ivar failed: whether nothing came of the last attempt. It may not be the fault of its files.
    @ivar reloads: who waits for that.
    """

    __slots__ = ("zone", "apex", "file", "serial", "sources", "pending", "again", "failed", "reloads")

    def __init__(self, zone: ZoneSettings) -> None:
        self.zone = zone.text
        self.apex = zone.name
        self.file = zone.file
        self.serial: int | None = None
        self.sources: tuple[Source, ...] = ((zone.file, *ABSENT),)
        self.pending = False
        self.again = False
        self.failed = False
        self.reloads: list[Reload] = []

    def leave(self, said: str = "") -> None:
        """
        Whoever waits need not wait for it any longer.

        @param said: why, in a line for them.
        """
        reloads, self.reloads = self.reloads, []
        for reload in reloads:
            if said:
                reload.say(said)
            reload.left -= 1
            reload.settle()

    @property
    def status(self) -> tuple[tuple[int, int], ...]:
        """
        How its files are now.
        """
        return tuple([statusOf(path) or ABSENT for path, _, _ in self.sources])

    @property
    def current(self) -> bool:
        """
        Whether its files are as they were at the last attempt.
        """
        for path, size, changed in self.sources:
            if (statusOf(path) or ABSENT) != (size, changed):
                return False
        return True


class Reload:
    """
    Somebody waits for zones.

    @ivar left: for how many.
    @ivar begun: whether it is known which they are.
    @ivar done: fires with lines that say what came of it.
    """

    def __init__(self) -> None:
        self.left = 0
        self.lines: list[str] = []
        self.unsaid = self._said = self._named = 0
        self.done: Deferred[list[str]] = Deferred()
        self.begun = False

    def say(self, line: str) -> None:
        """
        Tell something.
        """
        self._said += 1
        if self._said <= _MOST_LINES:
            self.lines.append(line)
        else:
            self.unsaid += 1

    def name(self, line: str) -> None:
        """
        Report a zone that could not be loaded, however much has been said of others.
        """
        self._named += 1
        if self._named <= LOADING_BROKEN.default:
            self.lines.append(line)
        else:
            self.unsaid += 1

    def settle(self) -> None:
        """
        Tell all, if there is nothing left to wait for.
        """
        if self.begun and not self.left and not self.done.called:
            more = [f"and {self.unsaid} more lines, which are in the log"] if self.unsaid else []
            self.done.callback([*self.lines, *more])
