"""
Zones loaded from master files, for tests: by this process, and when it is told to.
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

from twisted_ext.server.authority.source import Zones
from twisted_ext.server.config.zonesettings import ZoneSettings
from twisted_ext.server.zones.compilers import Compilers, Job, Result
from twisted_ext.server.zones.loader import Loading
from twisted_ext.server.zones.publish import Placing
from twisted_ext.wire.names import nameFromText
from twisted_ext.zone.build.compiler import Compiling

__all__ = ["Inside", "LoadingCase"]

_TEXT: Final = "$TTL 300\n@ SOA ns1 hostmaster {serial} 3600 600 86400 60\n@ NS ns1\nns1 A 192.0.2.1\n{more}"


class Inside(Compilers):
    """
    Makes images in this process, when it is told to.
    """

    def __init__(self, reactor: IReactorTime, took: Callable[[list[Result]], object]) -> None:
        super().__init__(reactor, took)
        self.jobs: list[Job] = []
        self.made = 0

    def add(self, job: Job) -> None:
        """
        Keep it for later.
        """
        self.jobs.append(job)

    def run(self) -> None:
        """
        Do all that is to be done.
        """
        while self.jobs:
            job = self.jobs.pop(0)
            compiling = Compiling()
            results = [compiling.perform(line) for line in job.lines().splitlines()]
            compiling.end()
            self.made += len(job.zones)
            self.took([json.loads(json.dumps(result)) for result in results if "name" in result])

    def close(self) -> None:
        """
        Forget it.
        """
        self.jobs.clear()


class LoadingCase(SynchronousTestCase):
    """
    A server that loads zones.
    """

    def setUp(self) -> None:
        self.folder = Path(self.mktemp())
        self.folder.mkdir()
        self.clock = Clock()
        self.zones = Zones()
        self.stamp = 1_000_000_000

    def write(self, name: str, more: str = "", *, serial: int = 1) -> ZoneSettings:
        """
        Write a master file, not within the same moment as another time.
        """
        path = self.folder / name
        path.write_text(_TEXT.format(serial=serial, more=more))
        self.stamp += 1_000_000_000
        os.utime(path, ns=(self.stamp, self.stamp))
        return ZoneSettings.of(name, str(path))

    def load(self, *zones: ZoneSettings, watch: bool = True, run: bool = True) -> Loading:
        """
        Begin, as a server does that is started.
        """
        made: list[Inside] = []

        def make(reactor: IReactorTime, took: Callable[[list[Result]], object]) -> Compilers:
            made.append(Inside(reactor, took))
            return made[0]

        self.placing = Placing(self.zones, today=lambda: 5.0)
        loading = Loading(self.clock, self.placing, str(self.folder / "state"), watch=watch, compilers=make)
        self.compilers = made[0]
        self.addCleanup(self.close, loading)
        loading.begin(zones)
        if run:
            self.compilers.run()
        return loading

    def close(self, loading: Loading) -> None:
        """
        End it, if that has not been done; nothing of it is left.
        """
        if loading not in self.closed:
            self.closed.append(loading)
            loading.close()
        self.assertEqual(self.clock.getDelayedCalls(), [])

    @property
    def closed(self) -> list[Loading]:
        """
        Those that have been ended.
        """
        found: list[Loading] = self.__dict__.setdefault("_closed", [])
        return found

    def serial(self, name: str) -> int | None:
        """
        @return: of what is served.
        """
        place = self.zones.at(nameFromText(name))
        zone = None if place is None else place.served()
        return None if zone is None else zone.current.serial

    def said(self, name: str) -> str:
        """
        @return: what is wrong with a zone.
        """
        place = self.zones.at(nameFromText(name))
        assert place is not None
        return place.said

    def finish(self, waiting: Deferred[list[str]]) -> list[str]:
        """
        @return: what came of a reload.
        """
        for _ in range(20):
            self.clock.advance(0.01)
            self.compilers.run()
        return self.successResultOf(waiting)
