"""
Which zones the settings name: their tables, lists and folders, which are read, validated and watched.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Final

from twisted.internet.defer import CancelledError, Deferred, fail, succeed
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import LoopingCall
from twisted.logger import Logger
from twisted.python.failure import Failure

from twisted_ext.errors import BadDescription, DNSFault
from twisted_ext.server.limits import CHANGING_SECONDS, WATCH_SECONDS
from twisted_ext.server.process.jobs.turns import paced
from twisted_ext.server.zones.images.imagefiles import statusOf
from twisted_ext.server.zones.images.pending import GONE
from twisted_ext.server.zones.load.validate import checking, checkZones, zonesIn

if TYPE_CHECKING:
    from twisted_ext.server.config.keys import Keys
    from twisted_ext.server.config.settings import Settings
    from twisted_ext.server.config.zonesettings import Holding, ZoneSettings

__all__ = ["ZoneList"]

_log: Final = Logger(__name__)

#: Directory entries read in one step: a millisecond.
_ENTRIES: Final = 1000


#: Octets and modification time in nanoseconds; L{None} if C{stat} fails.
_Status = tuple[int, int] | None


@dataclass(slots=True, eq=False)
class _Folder:
    """
    One folder, or one list file.
    """

    path: str
    # The status when its zones were read; the last differing status, and since when it has been changing.
    status: _Status
    resting: _Status = None
    since: float = 0.0
    # Its file names, once they have been read.
    names: frozenset[str] | None = None


class Folders:
    """
    The paths of the C{zones} setting. A check costs one C{stat} for each folder; its entries are read only if it has changed.
    """

    def __init__(self, paths: Iterable[str], *, read: bool = False) -> None:
        """
        @param paths: folders and lists.
        @param read: whether their zones have been read already, so that files may have been added since; otherwise they are read after
            this.
        """
        self.paths = tuple(paths)
        self._folders = [_Folder(path, None if read else statusOf(path)) for path in self.paths]

    def changed(self, now: float, found: list[str]) -> Iterator[None]:
        """
        Check for changes, in short steps.

        @param now: seconds.
        @param found: receives the paths whose files have changed, once their status is the same in two checks in a row, or has been
            changing for C{CHANGING_SECONDS}.
        """
        for folder in self._folders:
            status = statusOf(folder.path)
            if status == folder.status or status is None:
                # A path that is missing for a moment, or not mounted, does not end its zones.
                folder.resting = None
                continue
            if folder.resting is None:
                folder.since = now
            if status != folder.resting and now - folder.since < CHANGING_SECONDS.default:
                folder.resting = status
                continue
            read: set[str] = set()
            yield from _read(folder.path, read)
            names = frozenset(read)
            folder.status, folder.resting = status, None
            if os.path.isdir(folder.path):
                if names == folder.names:
                    # Only the contents of a file have changed.
                    continue
                folder.names = names
            found.append(folder.path)


def _read(path: str, names: set[str]) -> Iterator[None]:
    try:
        with os.scandir(path) as entries:
            while some := list(islice(entries, _ENTRIES)):
                names.update([entry.name for entry in some if entry.name[0] != "." and entry.name[-1] != "~"])
                yield
    except OSError:
        # A list file, or a folder that has been removed.
        return


class ZoneList:
    """
    The zones of a server's settings.

    @ivar settings: those in force.
    """

    def __init__(
        self,
        reactor: IReactorTime,
        settings: Settings,
        serve: Callable[[Settings, list[ZoneSettings]], Deferred[list[str]]],
        held: Holding,
        view: str = "",
    ) -> None:
        """
        @param serve: serves other zones, when files were added to a folder or removed; returns lines that report the result.
        @param held: see L{gather<twisted_ext.server.config.zonesettings.gather>}.
        @param view: the view whose zones these are; C{""} for those for all clients.
        """
        self._view = view
        self.settings = settings
        self._serve = serve
        self._held = held
        self._reactor = reactor
        self._folders = Folders(self._pathsIn(settings))
        self._polling = LoopingCall(self._poll)
        self._polling.clock = reactor
        self._looking: Deferred[None] | None = None
        self._listing: Deferred[None] | None = None
        # The zones validated last, and their keys.
        self._checked: tuple[list[ZoneSettings] | None, Keys | None] = None, None
        self._closed = False

    def _pathsIn(self, settings: Settings) -> tuple[str, ...]:
        return () if self._view else settings.zones

    def read(self, settings: Settings, accept: bool = False) -> Deferred[list[ZoneSettings]]:
        """
        Read the zones, in short turns if there are many.

        @param accept: whether folders and lists may have lost many, as an operator has asked for this.

        @return: fails with L{BadDescription} if the zones contradict each other, or a list of them cannot be read.
        """
        if self._closed:
            return fail(BadDescription("the server is stopping"))
        if not (settings.zone or settings.zones):
            return succeed([])
        from twisted_ext.server.config.zonesettings import gather

        zones: list[ZoneSettings] = []

        def steps() -> Iterator[None]:
            found: dict[bytes, ZoneSettings] = {}
            yield from gather(settings, found, None if accept else self._held, self._view)
            zones.extend(found.values())
            yield
            keys = yield from checking(settings, zones)
            self._checked = zones, keys

        listing = self._listing = paced(self._reactor, steps())
        return listing.addCallback(lambda _: zones)

    def check(self, settings: Settings, zones: list[ZoneSettings] | None = None) -> Keys | None:
        """
        @param zones: the result of L{read}, which has validated them already.

        @return: the TSIG keys, if the settings use any.

        @raise BadDescription: the zone settings cannot be used.
        """
        checked, keys = self._checked
        if zones is None or zones is not checked:
            zones = zonesIn(settings, view=self._view) if zones is None else zones
            keys = checkZones(settings, zones)
            self._checked = zones, keys
        return keys

    def forget(self) -> None:
        """
        Forget what was validated: it is used once.
        """
        self._checked = None, None

    def follow(self, settings: Settings) -> None:
        """
        Watch the folders of these settings from now on.
        """
        paths = self._pathsIn(settings)
        if paths != self._folders.paths:
            self._folders = Folders(paths, read=True)
        self.settings = settings
        if self._folders.paths and not self._polling.running:
            self._polling.start(WATCH_SECONDS.default, now=False).addErrback(
                lambda failure: _log.failure("while looking at folders of zones", failure)
            )
        elif not self._folders.paths and self._polling.running:
            self._polling.stop()

    def _poll(self) -> None:
        if self.settings.watch and self._looking is None:
            found: list[str] = []
            looking = self._looking = paced(self._reactor, self._folders.changed(self._reactor.seconds(), found))
            looking.addCallback(lambda _: self._again(found)).addErrback(self._unread).addBoth(self._polled)

    def _again(self, found: list[str]) -> Deferred[None] | None:
        if not found or self._closed:
            return None
        settings = self.settings

        def take(zones: list[ZoneSettings]) -> Deferred[None] | None:
            if self._closed or settings is not self.settings:
                return None
            # The results for single zones are logged anyway.
            return self._serve(settings, zones).addCallback(self._tellGone)

        _log.info("{path}: its zones are read again, since files were added or removed", path=", ".join(found))
        return self.read(settings).addCallback(take)

    @staticmethod
    def _tellGone(lines: list[str]) -> None:
        for line in lines:
            if line.endswith(GONE):
                _log.info("{line}", line=line)

    @staticmethod
    def _unread(failure: Failure) -> None:
        if isinstance(failure.value, DNSFault):
            _log.error("added and removed zones are ignored, and all others stay as they are: {fault}", fault=str(failure.value))
        elif not isinstance(failure.value, CancelledError):
            _log.failure("while looking at folders of zones", failure)

    def _polled(self, _: object) -> None:
        self._looking = None

    def close(self) -> None:
        self._closed = True
        if self._polling.running:
            self._polling.stop()
        for each in (self._looking, self._listing):
            if each is not None:
                each.cancel()
