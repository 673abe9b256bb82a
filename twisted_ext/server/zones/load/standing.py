"""
Which zones folders and lists have named so far, kept in the folder of the state: what they do not name any more after a restart may be
lost rather than removed.
"""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from typing import TYPE_CHECKING, Final

from twisted.internet.defer import Deferred, DeferredLock
from twisted.logger import Logger

from twisted_ext.errors import BadDescription
from twisted_ext.files import replacingFile
from twisted_ext.server.config.zonesettings import ZoneSettings
from twisted_ext.server.zones.images.pending import ListedZone

if TYPE_CHECKING:
    from twisted_ext.server.config.settings import Settings
    from twisted_ext.server.zones.table.guards import Guards

__all__ = ["StandingZones", "isKept"]

_log: Final = Logger(__name__)

_FILE: Final = "listed-zones.json"


def isKept(folder: str) -> bool:
    """
    Return whether a server with this state folder has served zones of folders or lists.
    """
    return os.path.exists(f"{folder}/{_FILE}")


class StandingZones:
    """
    The zones that folders and lists have, and the file that remembers them.

    @ivar listed: returns the zones that are served of them, held ones included; as long as there is none, those of the file count.
    """

    def __init__(self, folder: str, guards: Guards, aside: Callable[[Callable[[], None]], Deferred[None]]) -> None:
        """
        @param folder: that of the state; C{""} if nothing is kept.
        @param guards: decide whether a loss is held.
        @param aside: does work in a thread.
        """
        self._path = f"{folder}/{_FILE}" if folder else ""
        self._guards = guards
        self._aside = aside
        self._writing = DeferredLock()
        self._written: str | None = None
        self.listed: Callable[[], list[ListedZone]] | None = None

    def held(self, settings: Settings, found: Mapping[bytes, ZoneSettings]) -> list[ZoneSettings]:
        """
        Judge which zones folders and lists have lost; see L{Guards.judgeZones}. What other folders and lists had may go, as the settings
        do not name these any more.

        @param found: the zones that the settings name, by name.

        @return: those that stay although they are gone.
        """
        if not settings.zones:
            return []
        counts: dict[str, int] = dict.fromkeys(settings.zones, 0)
        gone: list[ZoneSettings] = []
        # Of a hundred thousand zones nearly all are there: to parse each name would take a second.
        known = {zone.text for zone in found.values()}
        for path, text, file in self.read() if self.listed is None else self.listed():
            if path not in counts:
                continue
            if text in known:
                counts[path] += 1
                continue
            try:
                zone = ZoneSettings.of(text, file)
            except BadDescription:
                # Another version has kept it, or someone has changed the file.
                continue
            counts[path] += 1
            if zone.name not in found:
                zone.listedBy = path
                zone.held = f"{path} does not name it any more; to take that: txdns control reload"
                gone.append(zone)
        said = self._guards.judgeZones(counts, Counter(zone.listedBy for zone in gone))
        if not said:
            return []
        _log.error("{said}", said=said)
        return gone

    def serves(self, zones: Iterable[ZoneSettings]) -> None:
        """
        Note which zones are served from now on.
        """
        self._guards.unlisted = {zone.name for zone in zones if zone.held}

    def read(self) -> Iterator[ListedZone]:
        """
        Yield the zones in the file. Without it, or if it is damaged, there are none.
        """
        try:
            with open(self._path or os.devnull, encoding="utf-8") as file:
                text = file.read()
            for path, zones in json.loads(text or "{}").items():
                for name, master in zones.items():
                    yield str(path), str(name), str(master)
            self._written = text
        except FileNotFoundError:
            return
        except (OSError, ValueError, AttributeError) as error:
            said = getattr(error, "strerror", None) or error
            _log.warn("{path}: which zones folders and lists had cannot be read: {said}", path=self._path, said=said)

    def keep(self) -> None:
        """
        Write the zones that are served, if they are others than before. If that fails, it is logged: zones that the file lacks are not
        missed after a restart.
        """
        self._write([] if self.listed is None else self.listed())

    def keepAside(self, lines: list[str]) -> Deferred[list[str]]:
        """
        Do the same in a thread.

        @return: fires with C{lines} when it is done.
        """
        # One after the other, so that the file has the last state in the end.
        written = self._writing.run(lambda: self._aside(partial(self._write, [] if self.listed is None else self.listed())))
        return written.addCallback(lambda _: lines)

    def _write(self, zones: list[ListedZone]) -> None:
        byPath: dict[str, dict[str, str]] = {}
        for path, name, master in zones:
            byPath.setdefault(path, {})[name] = master
        text = json.dumps(byPath, indent=0) if byPath else ""
        if text == self._written or not self._path or not (text or os.path.exists(self._path)):
            return
        try:
            with replacingFile(self._path, 0o600) as file:
                file.write(text.encode("ascii"))
            self._written = text
        except OSError as error:
            _log.warn("{path}: which zones folders and lists have cannot be kept: {said}", path=self._path, said=error.strerror or error)
