"""
Zones that are to be loaded from master files, or signed, and the requests that wait for them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from mypy_extensions import mypyc_attr
from twisted.internet.defer import Deferred

from twisted_ext.server.limits import LOADING_BROKEN, LOADING_COMPLAINTS
from twisted_ext.server.zones.images.imagefiles import Source, statusOf

if TYPE_CHECKING:
    from twisted_ext.server.config.zonesettings import ZoneSettings

__all__ = ["ABSENT", "GONE", "ListedZone", "MadeZone", "PendingZone", "Reload"]

_MOST_LINES: Final = int(LOADING_COMPLAINTS.default)

#: Size and time of a missing file.
ABSENT: Final = (-1, -1)

#: Ending of the line that reports a removed zone.
GONE: Final = ": is served no more"


#: A zone that a folder or list has named: the path of these, the zone's name as text with its final dot, and its master file.
ListedZone = tuple[str, str, str]


@mypyc_attr(allow_interpreted_subclasses=True)
class MadeZone:
    """
    A zone of which another process makes an image.

    @ivar zone: its name as text with a final dot, as the operator has written it, and C{apex} in wire form, folded.
    @ivar sources: the files of the last attempt, with their status at that time.
    @ivar pending: whether it is being made.
    @ivar again: whether it has to be made once more after that.
    @ivar failed: whether the last attempt failed, not necessarily because of its files.
    @ivar reloads: the reload requests that wait for it.
    """

    __slots__ = ("zone", "apex", "sources", "pending", "again", "failed", "reloads")

    def __init__(self, text: str, apex: bytes) -> None:
        self.zone = text
        self.apex = apex
        self.sources: tuple[Source, ...] = ()
        self.pending = False
        self.again = False
        self.failed = False
        self.reloads: list[Reload] = []

    def leave(self, said: str = "") -> None:
        """
        Complete the zone for all reload requests that wait for it, and report a line to them.
        """
        reloads, self.reloads = self.reloads, []
        for reload in reloads:
            if said:
                reload.say(said)
            reload.left -= 1
            reload.settle()

    @property
    def status(self) -> tuple[tuple[int, int], ...]:
        return tuple([statusOf(path) or ABSENT for path, _, _ in self.sources])

    @property
    def current(self) -> bool:
        """
        Whether its files are unchanged since the last attempt.
        """
        for path, size, changed in self.sources:
            if (statusOf(path) or ABSENT) != (size, changed):
                return False
        return True


class PendingZone(MadeZone):
    """
    A zone configured to be loaded from a master file.

    @ivar serial: the serial number of the version loaded, L{None} if there is none.
    @ivar signing: how it is signed here; L{None} if it is not.
    @ivar signed: the last serial of the signed version, if it was signed here until now; L{None} otherwise.
    @ivar listedBy: see L{ZoneSettings<twisted_ext.server.config.zonesettings.ZoneSettings>}, as for C{held}.
    """

    __slots__ = ("file", "serial", "signing", "signed", "_serials", "listedBy", "held")

    def __init__(self, zone: ZoneSettings) -> None:
        super().__init__(zone.text, zone.name)
        self.sources = ((zone.file, *ABSENT),)
        self.file = zone.file
        self.serial: int | None = None
        self.signing = zone.signing
        self.signed: int | None = None
        self._serials = zone.serial
        self.listedBy = zone.listedBy
        self.held = zone.held

    def isFor(self, zone: ZoneSettings) -> bool:
        """
        Return whether it is loaded, and signed, as these settings say.
        """
        said = (self.file, self.signing and self.signing.toText(), self.signing and self._serials)
        return said == (zone.file, zone.signing and zone.signing.toText(), zone.signing and zone.serial)

    def handOver(self) -> list[Reload]:
        """
        Return the requests that wait for it, for another one to complete.
        """
        reloads, self.reloads = self.reloads, []
        return reloads


class Reload:
    """
    A reload request that waits for zones.

    @ivar left: number of zones that are not done yet.
    @ivar done: fires with lines that report the result.
    """

    def __init__(self) -> None:
        self.left = 0
        self.lines: list[str] = []
        self.unsaid = self._said = self._named = 0
        self.done: Deferred[list[str]] = Deferred()
        self._begun = False

    @property
    def listens(self) -> bool:
        """
        Whether further lines are kept, not only counted.
        """
        return self._said < _MOST_LINES

    def say(self, line: str) -> None:
        self._said += 1
        if self._said <= _MOST_LINES:
            self.lines.append(line)
        else:
            self.unsaid += 1

    def name(self, line: str) -> None:
        """
        Report a zone that could not be loaded, no matter how many lines there are about other zones.
        """
        self._named += 1
        if self._named <= LOADING_BROKEN.default:
            self.lines.append(line)
        else:
            self.unsaid += 1

    def begin(self) -> None:
        """
        Fire L{done} as soon as no zones are left: all have been counted.
        """
        self._begun = True
        self.settle()

    def settle(self) -> None:
        if self._begun and not self.left and not self.done.called:
            more = [f"and {self.unsaid} more lines, which are in the log"] if self.unsaid else []
            self.done.callback([*self.lines, *more])
