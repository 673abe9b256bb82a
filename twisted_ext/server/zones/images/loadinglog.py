"""
What the log says of zones that are loaded: at a start, when there may be a hundred thousand, of some and of all that are broken.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from twisted.logger import Logger

from twisted_ext.server.limits import LOADING_BROKEN, LOADING_COMPLAINTS

if TYPE_CHECKING:
    from twisted_ext.server.zones.images.imagefiles import Built
    from twisted_ext.server.zones.images.pending import MadeZone

__all__ = ["LoadingLog", "news", "outcome", "warnOfUnsigned"]

#: It is that of the loader, as operators have filters by it.
_log: Final = Logger("twisted_ext.server.zones.load.loader")

_MOST_LINES: Final = int(LOADING_COMPLAINTS.default)


class LoadingLog:
    """
    Logs what becomes of zones, and tells it to the requests that wait for them. Problems are lines with whether these are fatal.

    @ivar isStarting: whether these are the zones of a start, of which not each one has a line.
    """

    __slots__ = ("isStarting", "_logged", "_loggedBroken", "_broken", "_of", "_untold")

    def __init__(self, view: str = "") -> None:
        """
        @param view: the view whose zones these are; C{""} for those for all clients.
        """
        self._of = f"view {view}: " if view else ""
        self.isStarting = False
        # Numbers of lines logged about served and about failed zones, of failed zones, and of served zones without a line.
        self._logged = self._loggedBroken = self._broken = self._untold = 0

    def served(self, wanted: MadeZone, complaints: list[tuple[str, bool]], news: Callable[[], str]) -> None:
        """
        @param complaints: problems of the zone.
        @param news: returns the result, in one line.
        """
        logs = not self.isStarting or self._logged < _MOST_LINES
        listened = logs or any(reload.listens for reload in wanted.reloads)
        outcome = f"{self._of}{news()}" if listened else ""
        if logs:
            self._logged += _logged(complaints[:_MOST_LINES])
            self._logged += 1
            _log.info("{outcome}", outcome=outcome)
        else:
            self._untold += 1
        for reload in wanted.reloads:
            for line, _ in complaints[:_MOST_LINES]:
                reload.say(line)
            reload.say(outcome)

    def broken(self, wanted: MadeZone, complaints: list[tuple[str, bool]], outcome: str) -> None:
        """
        Log why a zone could not be loaded. Each zone is named, however much has been logged about others.

        @param complaints: problems of the zone, at least one.
        """
        # Fatal errors first, since there may be no room for the rest.
        outcome = f"{self._of}{outcome}"
        complaints = sorted(complaints, key=lambda complaint: not complaint[1])
        if self.isStarting:
            self._broken += 1
        if not self.isStarting or self._loggedBroken < _MOST_LINES:
            self._loggedBroken += _logged(complaints[:_MOST_LINES])
            _log.error("{outcome}", outcome=outcome)
        elif self._broken <= LOADING_BROKEN.default:
            _log.error("{outcome}: {complaint}", outcome=outcome, complaint=complaints[0][0])
        for reload in wanted.reloads:
            for line, _ in complaints[:_MOST_LINES]:
                reload.say(line)
            reload.name(f"{outcome}: {complaints[0][0]}" if reload.unsaid else outcome)

    def sum(self) -> None:
        """
        Log how many zones had no line of their own.
        """
        if self._untold:
            _log.info("{of}{count} more zones are served and not logged one by one", of=self._of, count=self._untold)
        unnamed = self._broken - int(LOADING_BROKEN.default)
        if unnamed > 0:
            text = "{of}{count} more zones could not be loaded; txdns control zones --broken lists all {broken}"
            _log.error(text, of=self._of, count=unnamed, broken=self._broken)

    def began(self, served: int, wanted: int, seconds: float, ready: int) -> None:
        """
        Log how many zones are served of those of the start.

        @param ready: those of them that had current images.
        """
        text = "{of}{served} of {all} zones are served after {seconds:.2f} s, {ready} of them from existing images"
        _log.info(text, of=self._of, served=served, all=wanted, seconds=seconds, ready=ready)


def _logged(complaints: list[tuple[str, bool]]) -> int:
    """
    Log the problems of a zone; return the number of lines logged.
    """
    for line, fatal in complaints:
        (_log.error if fatal else _log.warn)("{complaint}", complaint=line)
    return len(complaints)


def news(text: str, built: Built, now: int | None, before: int | None) -> str:
    """
    Return in one line which version of a zone is served.

    @param built: its image.
    @param now: its serial number after updates; L{None} if it is not known.
    @param before: that of the former version; L{None} if there was none.
    """
    serial = built.serial if now is None else now
    changed = "" if serial == built.serial else f", changed since its file had {built.serial}"
    if before is None:
        return f"{text}: serial {serial}, {built.records} records{changed}"
    if serial == before:
        return f"{text}: serial {serial} as before, {built.records} records{changed}"
    # RFC 1982, section 3.2.
    older = 0 < (before - serial) % (1 << 32) < 1 << 31
    remark = "; it went back, so secondaries will not take it" if older else ""
    return f"{text}: serial {before} is now {serial}, {built.records} records{changed}{remark}"


def outcome(serial: int | None, isBare: bool) -> str:
    """
    Return what is served although the next version of a zone cannot be.

    @param serial: that of the version served; L{None} for none.
    @param isBare: whether that is to be signed, and is not.
    """
    served = "nothing is served" if serial is None else f"serial {serial} stays in force"
    return served + (", without signatures, although the zone is to be signed" if isBare else "")


def warnOfUnsigned(text: str) -> None:
    """
    Log that a zone was signed here until now.
    """
    _log.warn(
        "{zone}: it is no longer signed; while its parent has a DS record for it, resolvers that validate reject its answers: have that "
        "removed, or sign the zone until it is",
        zone=text,
    )
