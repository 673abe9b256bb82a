"""
Zones that are to be loaded from master files, and the requests that wait for them.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from json.encoder import encode_basestring_ascii as quoted
from typing import TYPE_CHECKING, Final

from twisted.internet.defer import Deferred

from twisted_ext.server.limits import LOADING_BROKEN, LOADING_COMPLAINTS
from twisted_ext.server.zones.load.imagefiles import Source, statusOf

if TYPE_CHECKING:
    from twisted_ext.server.config.zonesettings import ZoneSettings

__all__ = ["ABSENT", "GONE", "ListedZone", "PendingZone", "Reload"]

_MOST_LINES: Final = int(LOADING_COMPLAINTS.default)

#: Size and time of a missing file.
ABSENT: Final = (-1, -1)

#: Ending of the line that reports a removed zone.
GONE: Final = ": is served no more"


#: A zone that a folder or list has named: the path of these, the zone's name as text with its final dot, and its master file.
ListedZone = tuple[str, str, str]


class PendingZone:
    """
    A zone configured to be loaded from a master file, or from one with what arrived, which goes through stages here.

    @ivar serial: the serial number of the version served, L{None} if there is none.
    @ivar sources: the files of the last attempt, with their status at that time.
    @ivar pending: whether it is being compiled.
    @ivar again: whether it has to be compiled once more after that.
    @ivar failed: whether the last attempt failed, not necessarily because of its files.
    @ivar reloads: the reload requests that wait for it.
    @ivar signing: how it is signed here; L{None} if it is not.
    @ivar stages: what each version goes through, see L{ZoneSettings.stages
        <twisted_ext.server.config.zonesettings.ZoneSettings.stages>}.
    @ivar serials: how the serial of a signed version is chosen.
    @ivar isUnsigned: whether the file is an L{UnsignedVersion<twisted_ext.zone.sign.unsigned.UnsignedVersion>}.
    @ivar origin: where it comes from, for people: the master file or database; C{""} for primaries.
    @ivar listedBy: see L{ZoneSettings<twisted_ext.server.config.zonesettings.ZoneSettings>}, as for C{held}.
    """

    __slots__ = (
        "zone", "apex", "file", "serial", "sources", "pending", "again", "failed", "reloads", "signing", "stages", "serials", "isUnsigned",
        "origin", "listedBy", "held",
    )  # fmt: skip

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
        self.signing = zone.signing
        self.stages = zone.stages
        self.serials = zone.serial
        self.isUnsigned = zone.isStagedOnArrival
        self.origin = zone.store if self.isUnsigned else zone.file
        self.listedBy = zone.listedBy
        self.held = zone.held

    def isFor(self, zone: ZoneSettings) -> bool:
        return (self.file, self.stages, self.serials) == (zone.file, zone.stages, zone.serial)

    def moreOf(self, sign: Mapping[str, object] | None = None) -> str:
        """
        Return what jobs say of it besides its name and file, as JSON that begins with a comma.

        @param sign: how it is signed, if it is.
        """
        if not self.stages:
            return ""
        stages = self.stages if sign is None else json.dumps({**json.loads(self.stages), "sign": sign})
        unsigned = ',"unsigned":true' if self.isUnsigned else ""
        return f',"stages":{stages},"made":{quoted(self.stages)}{unsigned}'

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
