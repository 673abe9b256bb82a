"""
Zones that the settings place in databases.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Final

from twisted.internet.defer import Deferred, gatherResults
from twisted.logger import Logger

from twisted_ext.errors import BadDescription, StorageFault
from twisted_ext.server.update.commit import ChangeLog, Elsewhere
from twisted_ext.server.zones.dbpoll import DatabasePoller
from twisted_ext.server.zones.sqlite import SQLiteStore

if TYPE_CHECKING:
    from twisted.internet.interfaces import IReactorTime

    from twisted_ext.server.authority.source import Zones
    from twisted_ext.server.config.zonesettings import ZoneSettings
    from twisted_ext.zone.store.events import History
    from twisted_ext.zone.store.version import Version

__all__ = ["ZoneDatabases"]

_log: Final = Logger()


class ZoneDatabases:
    """
    The databases of a server. Each is opened for its first zone, and closed after its last one is removed.
    """

    def __init__(
        self, reactor: IReactorTime, zones: Zones, elsewhere: Elsewhere, changed: Callable[[Version], object] = lambda version: None
    ) -> None:
        """
        @param elsewhere: runs work in a thread.
        @param changed: called with each new version of a zone that is published.
        """
        self._reactor = reactor
        self._zones = zones
        self._elsewhere = elsewhere
        self._changed = changed
        self._open: dict[str, tuple[SQLiteStore, DatabasePoller]] = {}
        self._homes: dict[bytes, str] = {}
        self._new: list[DatabasePoller] = []

    def apply(self, zones: Iterable[ZoneSettings]) -> None:
        """
        Apply new zone settings.

        @raise BadDescription: a database cannot be opened.
        """
        homes = {zone.name: str(zone.value("store")) for zone in zones if zone.value("store")}
        opened: dict[str, SQLiteStore] = {}
        try:
            for path in sorted(set(homes.values()) - set(self._open)):
                opened[path] = SQLiteStore(path)
        except StorageFault as fault:
            for store in opened.values():
                store.close()
            raise BadDescription(f"store: {fault}") from None
        for apex in set(self._homes) - set(homes):
            self._zones.remove(apex)
        for path in set(self._open) - set(homes.values()):
            self._open.pop(path)[1].close().addErrback(lambda failure: _log.failure("a database cannot be closed", failure))
        for path, store in opened.items():
            storing = DatabasePoller(self._reactor, store, self._zones, self._elsewhere, changed=self._changed, label=path)
            self._open[path] = store, storing
            self._new.append(storing)
        self._homes = homes
        for path, (_, storing) in self._open.items():
            wanted = {apex for apex, home in homes.items() if home == path}
            if storing.wanted != wanted and storing not in self._new:
                storing.follow(wanted)
            storing.wanted = wanted

    def start(self) -> None:
        """
        Load the zones of newly opened databases.
        """
        new, self._new = self._new, []
        for storing in new:
            storing.start()

    def keeperOf(self, apex: bytes) -> tuple[ChangeLog, Elsewhere] | None:
        """
        Return the storage for changes of a zone in a database, and the function that runs work on it; L{None} for other zones.
        """
        home = self._homes.get(apex)
        if home is None:
            return None
        _, storing = self._open[home]
        return storing.keeper(), storing.exclusively

    def historyOf(self, apex: bytes) -> History | None:
        """
        Return the recent changes of a zone in a database; L{None} for other zones.
        """
        home = self._homes.get(apex)
        return None if home is None else self._open[home][1].historyOf(apex)

    def close(self) -> Deferred[None]:
        opened, self._open = self._open, {}
        return gatherResults([storing.close() for _, storing in opened.values()]).addCallback(lambda each: None)
