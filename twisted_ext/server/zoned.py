"""
The zones of a server as one thing: the table, what puts zones there, and what has them made ready.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.interfaces import IReactorTime

from twisted_ext.errors import CallerFault
from twisted_ext.server.authority import Zones, countsOf, zoneFigures
from twisted_ext.server.placing import Placing, Told

if TYPE_CHECKING:
    from twisted_ext.metrics.figures import JSON
    from twisted_ext.server.loading import Loading
    from twisted_ext.server.settings import Settings
    from twisted_ext.server.zonesettings import ZoneSettings

__all__ = ["Zoned", "zonesIn"]


def zonesIn(settings: Settings) -> list[ZoneSettings]:
    """
    @return: the zones that a server is told to serve.

    @raise BadDescription: see L{zonesOf<twisted_ext.server.zonesettings.zonesOf>}.
    """
    if not (settings.zone or settings.zones):
        return []
    from twisted_ext.server.zonesettings import zonesOf

    return zonesOf(settings)


@contextmanager
def _uncollected() -> Iterator[None]:
    """
    Do not search for garbage while many things are made of which none is garbage.
    """
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


class Zoned:
    """
    A server's zones, loaded as its settings say.

    @ivar zones: the table.
    @ivar placing: puts zones there.
    @ivar loading: has them made ready; L{None} before there are any.
    @ivar tell: called with what becomes of zones, for workers.
    @ivar useless: called with a line where of all zones of the beginning not one can be served.
    """

    def __init__(self, reactor: IReactorTime, settings: Settings, changed: Callable[[], object] = lambda: None) -> None:
        """
        @param changed: called when zones have come or gone.

        @raise BadDescription: the zones cannot be those of one server, or a list of them cannot be read.
        """
        self._reactor = reactor
        self._settings = settings
        with _uncollected():
            self._beginning = zonesIn(settings)
        self.zones = Zones(changed)
        self.tell: Callable[[Told], object] | None = None
        self.placing = Placing(self.zones, tell=self._tell)
        self.loading: Loading | None = None
        self.useless: Callable[[str], object] = lambda said: None

    @property
    def any(self) -> bool:
        """
        Whether there is anything to be served.
        """
        return bool(self._beginning or self.zones)

    def _tell(self, told: Told) -> None:
        if self.tell is not None:
            self.tell(told)

    def begin(self) -> None:
        """
        Serve what is ready, and have the rest made ready.

        @raise BadDescription: the folder for what is to be found again cannot be used.
        """
        if self._beginning:
            beginning, self._beginning = self._beginning, []
            with _uncollected():
                self._load(beginning)

    def _load(self, zones: list[ZoneSettings]) -> Loading:
        from twisted_ext.server.loading import Loading, stateFolder

        self.loading = loading = Loading(self._reactor, self.placing, stateFolder(self._settings), watch=self._settings.watch)
        loading.begin(zones)
        loading.settled.addCallback(self._settled)
        return loading

    def _settled(self, counts: tuple[int, int]) -> None:
        wanted, served = counts
        if wanted and not served:
            self.useless(f"none of {wanted} zones can be served" if wanted > 1 else "the one zone that there is cannot be served")

    def reload(self, settings: Settings) -> Deferred[list[str]]:
        """
        Go over to the zones of other settings, and have those made ready again whose files have changed.

        @return: lines that say what came of it.

        @raise BadDescription: they cannot be used; all is as before.
        """
        zones = zonesIn(settings)
        loading = self.loading
        if loading is None:
            if not zones:
                return succeed([])
            loading = self._load([])
        loading.follow(settings.watch)
        return loading.reload(zones)

    def reloadZone(self, apex: bytes) -> Deferred[list[str]]:
        """
        Have a zone made ready again.

        @param apex: a folded name.

        @return: lines that say what came of it. Fails with L{CallerFault} where there is no such zone.
        """
        if self.loading is None:
            return fail(CallerFault("there are no zones with master files here"))
        return self.loading.reloadZone(apex)

    def shown(self, apex: bytes | None) -> list[JSON]:
        """
        @return: see L{Operations.served<twisted_ext.server.sight.Operations.served>}.
        """
        from twisted_ext.server.sight import shownZones

        return shownZones(self.zones, apex)

    def counts(self) -> dict[str, int]:
        """
        @return: see L{countsOf}.
        """
        return countsOf(self.zones)

    def figures(self) -> dict[str, int]:
        """
        @return: see L{zoneFigures}.
        """
        return zoneFigures(self.zones)

    def close(self) -> None:
        """
        Load no more.
        """
        if self.loading is not None:
            self.loading.close()
