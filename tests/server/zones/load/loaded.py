"""
Zones loaded from master files, for tests: in this process, and when the test says so.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Final

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from twisted_ext.server.config.zonesettings import ZoneSettings
from twisted_ext.server.zones.images.compilers import Compilers, Job, Result
from twisted_ext.server.zones.images.publish import ZonePublisher
from twisted_ext.server.zones.load.loader import ZoneLoader
from twisted_ext.server.zones.table.guards import Guards
from twisted_ext.server.zones.table.zonetable import Zones
from twisted_ext.server.zones.update.journalreplay import Steps
from twisted_ext.wire.names import nameFromText
from twisted_ext.zone.build.jobs import CompileJobs
from twisted_ext.zone.store.version import Version

__all__ = ["LoadingCase", "LocalCompilers"]

_TEXT: Final = "$TTL 300\n@ SOA ns1 hostmaster {serial} 3600 600 86400 60\n@ NS ns1\nns1 A 192.0.2.1\n{more}"


class LocalCompilers(Compilers):
    """
    Builds images in this process when L{run} is called.
    """

    def __init__(self, reactor: IReactorTime, took: Callable[[list[Result]], object]) -> None:
        super().__init__(reactor, took)
        self.jobs: list[Job] = []
        self.made = 0

    def add(self, job: Job) -> None:
        """
        Queue a job.
        """
        self.jobs.append(job)

    def run(self, most: int = 1_000_000) -> None:
        """
        Run all jobs, or some.
        """
        for _ in range(most):
            if not self.jobs:
                break
            job = self.jobs.pop(0)
            compiling = CompileJobs()
            results = [compiling.perform(line) for line in job.lines().splitlines()]
            compiling.end()
            self.made += len(job.zones)
            self.give(job, [json.loads(json.dumps(result)) for result in results if "name" in result])

    def close(self) -> None:
        """
        Drop all jobs.
        """
        self.jobs.clear()


class LoadingCase(SynchronousTestCase):
    """
    Tests with a server that loads zones.
    """

    def setUp(self) -> None:
        self.folder = Path(self.mktemp())
        self.folder.mkdir()
        self.clock = Clock()
        self.zones = Zones()
        self.stamp = 1_000_000_000

    def revised(self, version: Version) -> Steps:
        """
        Return a version that was loaded as it is to be served.
        """
        yield from ()
        return version

    def prepare(self, loading: ZoneLoader) -> None:
        """
        Do what a server does before its zones are loaded.
        """

    def today(self) -> float:
        """
        Return the time, in seconds since 1970.
        """
        return 5.0

    def write(self, name: str, more: str = "", *, serial: int = 1) -> ZoneSettings:
        """
        Write a master file, with a later modification time than any before.
        """
        path = self.folder / name
        path.write_text(_TEXT.format(serial=serial, more=more))
        self.stamp += 1_000_000_000
        os.utime(path, ns=(self.stamp, self.stamp))
        return ZoneSettings.of(name, str(path))

    def load(self, *zones: ZoneSettings, watch: bool = True, run: bool = True) -> ZoneLoader:
        """
        Start loading, as a server does at its start.
        """
        made: list[LocalCompilers] = []

        def make(reactor: IReactorTime, took: Callable[[list[Result]], object]) -> Compilers:
            made.append(LocalCompilers(reactor, took))
            return made[0]

        self.guards = Guards()
        self.publisher = ZonePublisher(self.clock, self.zones, self.revised, today=self.today)
        loading = ZoneLoader(self.clock, self.publisher, str(self.folder / "state"), watch=watch, guards=self.guards, compilers=make)
        self.compilers = made[0]
        self.addCleanup(self.close, loading)
        self.prepare(loading)
        loading.begin(zones)
        if run:
            self.compilers.run()
            if any(zone.signing is not None for zone in zones):
                self.clock.advance(0.1)
                self.compilers.run()
        return loading

    def close(self, loading: ZoneLoader) -> None:
        """
        Stop loading unless that has been done, and check that nothing is left.
        """
        if loading not in self.closed:
            self.closed.append(loading)
            loading.close()
        self.assertEqual(self.clock.getDelayedCalls(), [])

    @property
    def closed(self) -> list[ZoneLoader]:
        """
        The loaders that have been closed.
        """
        found: list[ZoneLoader] = self.__dict__.setdefault("_closed", [])
        return found

    def serial(self, name: str) -> int | None:
        """
        Return the serial number that is served.
        """
        place = self.zones.at(nameFromText(name))
        zone = None if place is None else place.served()
        return None if zone is None else zone.current.serial

    def errorOf(self, name: str) -> str:
        """
        Return the error of a zone.
        """
        place = self.zones.at(nameFromText(name))
        assert place is not None
        return place.said

    def finish(self, waiting: Deferred[list[str]]) -> list[str]:
        """
        Let a reload finish, and return its lines.
        """
        for _ in range(20):
            self.clock.advance(0.01)
            self.compilers.run()
        return self.successResultOf(waiting)
