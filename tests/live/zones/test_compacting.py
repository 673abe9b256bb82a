"""
Live test of the process that builds the next image of a zone while the zone changes.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import cast

import pytest
import pytest_twisted
from twisted.internet import reactor
from twisted.internet.defer import gatherResults
from twisted.internet.interfaces import IProcessTransport, IReactorProcess, IReactorTime
from twisted.internet.task import deferLater

from tests.zone.changing import APEX, record, textsOf, versionOf
from twisted_ext.errors import StorageFault
from twisted_ext.server.process.jobs.subprocess import inThread
from twisted_ext.server.zones.update.commit import CommitQueue
from twisted_ext.server.zones.update.compactor import Compactor
from twisted_ext.zone.store.image import Image
from twisted_ext.zone.store.journal import Journal
from twisted_ext.zone.store.version import Version
from twisted_ext.zone.update.transactions import Transaction
from twisted_ext.zone.zone import Zone


@pytest_twisted.ensureDeferred
async def test_compactionLosesNoChange(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    A process builds the image, the zone continues from it with all changes made meanwhile, and no change is lost. A failure is reported.
    """
    clock = cast("IReactorTime", reactor)
    image, path = str(tmp_path / "image"), str(tmp_path / "journal")
    versionOf().compacted(image, b"sources")
    zone = Zone(Version(Image.open(image)))
    journal = Journal(path, APEX)
    compacting = Compactor(clock, partial(inThread, clock), small=0)
    with pytest.raises(StorageFault):
        await compacting(zone.current, path, "/nowhere/at/all")
    monkeypatch.setattr(Version, "crowded", property(lambda version: len(version.overlay) > 50))
    changing = CommitQueue(
        clock, zone, journal, partial(inThread, clock), compact=lambda version: compacting(version, path, str(tmp_path / "next"))
    )

    names: list[str] = []

    def add(transaction: Transaction) -> None:
        names.append(f"n-{len(names)}")
        transaction.add(record(f"{names[-1]} 60 A 192.0.2.9"))

    while zone.current.image.serial == 10:
        await gatherResults([changing.change(add) for _ in range(10)])
        await deferLater(clock, 0.01)
    before = zone.current
    await changing.change(add)
    assert zone.current.image.path == str(tmp_path / "next")
    assert zone.current.serial == before.serial + 1
    assert len(names) > zone.current.serial - 10
    assert {node.key[1:] for node in zone.current.nodes() if node.key[1:3] == b"n-"} == {name.encode() for name in names}
    await changing.close()
    again = Journal(path, APEX)
    assert textsOf(again.replayed(Version(Image.open(image)))) == textsOf(zone.current)
    assert textsOf(again.replayed(Version(Image.open(str(tmp_path / "next"))))) == textsOf(zone.current)
    grown = await compacting.grown(Version(Image.open(image)), again, str(tmp_path / "grown"), lambda: zone.current)
    assert (grown.image.path, grown.image.serial) == (str(tmp_path / "grown"), zone.current.serial)
    assert textsOf(grown) == textsOf(zone.current)
    again.close()


@pytest_twisted.ensureDeferred
async def test_processEndsWithItsServer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    The process does not outlive its server. Otherwise it would write where another server may run.
    """
    clock = cast("IReactorTime", reactor)
    image, path, target = str(tmp_path / "image"), str(tmp_path / "journal"), tmp_path / "next"
    versionOf().compacted(image, b"sources")
    zone = Zone(Version(Image.open(image)))
    monkeypatch.setattr(Version, "crowded", property(lambda version: True))
    spawned: list[int] = []
    spawn = IReactorProcess(reactor).spawnProcess

    def spawnProcess(*arguments: object, **named: object) -> object:
        process = cast("Callable[..., IProcessTransport]", spawn)(*arguments, **named)
        spawned.append(cast("int", process.pid))
        return process

    monkeypatch.setattr(reactor, "spawnProcess", spawnProcess)
    compacting = Compactor(clock, partial(inThread, clock), small=0)
    journal = Journal(path, APEX)
    changing = CommitQueue(clock, zone, journal, partial(inThread, clock), compact=lambda version: compacting(version, path, str(target)))

    await changing.change(lambda transaction: transaction.add(record("new 60 A 192.0.2.9")))
    (process,) = spawned
    await changing.close()
    while Path(f"/proc/{process}").exists():
        await deferLater(clock, 0.01)
    assert not target.exists()
