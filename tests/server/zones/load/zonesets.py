"""
Zones of a server whose threads, compilers and clock a test runs.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from unittest.mock import patch

from twisted.internet.interfaces import IReactorTime
from twisted.internet.testing import MemoryReactorClock
from twisted.trial.unittest import SynchronousTestCase

from tests.server.zones.load.loaded import LocalCompilers
from tests.server.zones.update.changed import SlowDisk
from tests.zone.changing import APEX, ZONE
from twisted_ext.server.config.settings import Settings
from twisted_ext.server.zones.images.compilers import Compilers, Result
from twisted_ext.server.zones.load import loader as loadingModule
from twisted_ext.server.zones.load.loader import ZoneLoader
from twisted_ext.server.zones.load.validate import zonesIn
from twisted_ext.server.zones.load.zoneset import ZoneSet
from twisted_ext.zone.zone import Zone

__all__ = ["ZoneSetCase"]

_reactor: Callable[[], MemoryReactorClock] = MemoryReactorClock


class ZoneSetCase(SynchronousTestCase):
    """
    A folder with the master file of a zone, and what serves zones.
    """

    def setUp(self) -> None:
        self.folder = Path(self.mktemp()).absolute()
        self.folder.mkdir()
        self.file = self.folder / "example.org"
        self.file.write_text(f"$ORIGIN example.org.\n{ZONE}")
        self.clock = _reactor()
        self.stamp = 2_000_000_000_000_000_000
        self.ended: list[ZoneSet] = []
        self.disk = SlowDisk()
        self.compilers: list[LocalCompilers] = []

        def make(reactor: IReactorTime, took: Callable[[list[Result]], object]) -> Compilers:
            self.compilers.append(LocalCompilers(reactor, took))
            return self.compilers[-1]

        for target in ("update.editablezones", "load.zoneset"):
            threads = patch(f"twisted_ext.server.zones.{target}.inThread", lambda reactor, work: self.disk(work))
            threads.start()
            self.addCleanup(threads.stop)
        loading = patch.object(loadingModule, "ZoneLoader", partial(ZoneLoader, compilers=make))
        loading.start()
        self.addCleanup(loading.stop)

    def settings(self, **values: object) -> Settings:
        """
        Return settings with one zone.

        @param values: the settings of the zone.
        """
        table = {"name": "example.org", **{key.replace("_", "-"): value for key, value in values.items()}}
        return Settings.of(zone=[table], state=str(self.folder / "state"))

    def serve(self, settings: Settings) -> ZoneSet:
        """
        Start with these settings.
        """
        zoneSet = ZoneSet(self.clock, settings)
        zoneSet.begin()
        self.addCleanup(self.end, zoneSet)
        self.settle()
        return zoneSet

    def end(self, zoneSet: ZoneSet) -> None:
        """
        Close the zones, and check that nothing is left.
        """
        if zoneSet not in self.ended:
            self.ended.append(zoneSet)
            closed = zoneSet.close()
            self.settle()
            self.successResultOf(closed)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def settle(self) -> None:
        """
        Run all pending work.
        """
        for _ in range(20):
            self.clock.advance(0)
            self.disk.settle()
            for compilers in self.compilers:
                compilers.run()

    def reload(self, zoneSet: ZoneSet, settings: Settings) -> list[str]:
        """
        Switch to other settings.
        """
        waiting = zoneSet.reload(settings, zonesIn(settings))
        self.settle()
        return self.successResultOf(waiting)

    def zone(self, zoneSet: ZoneSet) -> Zone:
        """
        Return the zone.
        """
        place = zoneSet.zones.at(APEX)
        assert place is not None
        zone = place.served()
        assert zone is not None, place
        return zone
