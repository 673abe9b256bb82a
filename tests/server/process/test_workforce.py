"""
Tests of L{twisted_ext.server.process.workers} with zones: the lines that workers get, and when changes are settled.
"""

from __future__ import annotations

import signal
from base64 import b64decode, b64encode
from pathlib import Path
from typing import cast
from unittest.mock import patch

from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from tests.server.process.test_workers import Process, Processes
from tests.zone.changing import APEX, zoneOf
from twisted_ext.metrics.figures import JSON
from twisted_ext.server.config.settings import Settings
from twisted_ext.server.limits import WORKER_TAKING
from twisted_ext.server.listeners.sockets import Bound
from twisted_ext.server.process.workers import Workforce
from twisted_ext.server.zones.load.zonesets import ZoneSets


class ZonedTests(SynchronousTestCase):
    """
    Tests for L{Workforce} with zones.
    """

    def setUp(self) -> None:
        self.reactor = Processes()
        self.folder = Path(self.mktemp())
        self.folder.mkdir()
        self.settings = settings = Settings.of(role="serve", state=str(self.folder))
        self.zoneSets = ZoneSets(self.reactor, settings)
        bound = [[Bound("127.0.0.1", 53)], [Bound("127.0.0.1", 53)]]
        self.force = Workforce(self.reactor, settings, bound, bytes(16), zoneSets=self.zoneSets)
        self.zone = zoneOf()
        self.zoneSets.common.zones.put(self.zone)
        self.force.startService()
        self.addCleanup(self.end)

    def end(self) -> None:
        """
        Stop, and check that nothing is left.
        """
        done = self.force.stopService()
        for process in self.reactor.started:
            if not process.over:
                process.end(signal.SIGTERM)
        self.successResultOf(done)
        self.assertEqual(self.reactor.getDelayedCalls(), [])
        self.assertEqual(list(self.folder.iterdir()), [])

    def commandsTo(self, process: Process) -> list[str]:
        """
        Return the commands that a worker received, without requests for figures.
        """
        said: list[str] = []
        for each in process.received:
            if each["do"] == "zones":
                said += [str(word[0]) for word in cast("list[list[JSON]]", each["said"])]
            elif each["do"] != "figures":
                said.append(str(each["do"]))
        return said

    def acknowledge(self, process: Process) -> None:
        """
        Acknowledge all zone lines.
        """
        process.writeLine(taken=[each["do"] for each in process.received].count("zones") - process.taken)
        process.taken = [each["do"] for each in process.received].count("zones")

    def changeZone(self) -> None:
        """
        Replace the zone with a newer version.
        """
        self.zone.add(f"n{self.zone.current.serial} 300 A 192.0.2.1")

    def test_workerBeginsWithAllZones(self) -> None:
        """
        A worker begins to serve when it has received all zones, and so does its replacement.
        """
        first, second = self.reactor.started
        for process in (first, second):
            self.assertEqual(self.commandsTo(process), ["serve", "operations", "image", "begin"])
        self.changeZone()
        self.reactor.advance(0)
        self.assertEqual(self.commandsTo(second)[4:], ["edit"])
        second.end()
        self.reactor.advance(1)
        self.assertEqual(self.commandsTo(self.reactor.started[-1]), ["serve", "operations", "image", "edit", "begin"])

    def test_changeSettlesInAllWorkers(self) -> None:
        """
        A change is settled when all workers have acknowledged it; a worker that has ended is not waited for.
        """
        first, second = self.reactor.started
        for process in (first, second):
            self.acknowledge(process)
        self.successResultOf(self.force.settled())
        self.changeZone()
        settled = self.force.settled()
        self.assertNoResult(settled)
        self.acknowledge(first)
        self.assertNoResult(settled)
        self.changeZone()
        later = self.force.settled()
        second.writeLine(taken=1)
        second.taken += 1
        self.successResultOf(settled)
        self.assertNoResult(later)
        self.acknowledge(first)
        second.end()
        self.successResultOf(later)

    def test_stuckWorkerIsKilled(self) -> None:
        """
        A worker that acknowledges nothing is killed, so that clients do not get old answers from it; a slow worker is not.
        """
        first, second = self.reactor.started
        self.acknowledge(first)
        self.acknowledge(second)
        self.changeZone()
        self.reactor.advance(0)
        self.acknowledge(first)
        for _ in range(3):
            self.changeZone()
            self.reactor.advance(WORKER_TAKING.default * 0.9)
            second.writeLine(taken=1)
            second.taken += 1
        settled = self.force.settled()
        self.reactor.advance(WORKER_TAKING.default)
        self.assertIn("KILL", second.signals)
        self.acknowledge(first)
        self.assertNoResult(settled)
        second.end()
        self.successResultOf(settled)

    def test_stopWaitsForStorage(self) -> None:
        """
        The server has stopped only when all changes are stored.
        """
        keeping: Deferred[None] = Deferred()
        close = self.zoneSets.close
        with patch.object(self.zoneSets, "close", lambda: close().addCallback(lambda _: keeping)):
            done = self.force.stopService()
        for process in self.reactor.started:
            process.end(signal.SIGTERM)
        self.assertNoResult(done)
        keeping.callback(None)
        self.successResultOf(done)

    def test_workerWithoutImageIsReplaced(self) -> None:
        """
        A worker that cannot use the image of a zone is replaced, unless it has received another image meanwhile.
        """
        first, second = self.reactor.started
        (received,) = [each for each in first.received if each["do"] == "zones"]
        path = str(cast("list[list[JSON]]", received["said"])[0][3])
        self.zone.replace(self.zone.current.settled())
        first.writeLine(lacks=APEX.hex(), path=path)
        self.assertEqual(first.signals, ["KILL"])
        self.reactor.advance(0)
        second.writeLine(lacks=APEX.hex(), path=path)
        self.assertEqual(second.signals, [])

    def test_truncatedImageReplacesNoWorker(self) -> None:
        """
        A file that is shorter than its image replaces no worker, since the parent has mapped the file as well: the zone needs a new image.
        """
        first, second = self.reactor.started
        (received,) = [each for each in first.received if each["do"] == "zones"]
        path = str(cast("list[list[JSON]]", received["said"])[0][3])
        damaged: list[tuple[bytes, bool]] = []
        with patch.object(self.zoneSets.common, "damaged", lambda apex, truncated: damaged.append((apex, truncated))):
            Path(path).write_bytes(Path(path).read_bytes()[:100])
            first.writeLine(lacks=APEX.hex(), path=path)
            second.writeLine(lacks=APEX.hex(), path=path)
        self.assertEqual((damaged, first.signals, second.signals), ([(APEX, True)] * 2, [], []))

    def test_unhandledRequestIsAnswered(self) -> None:
        """
        The worker that relays a request without an operation gets a reply.
        """
        first, second = self.reactor.started
        wire = b64encode(bytes.fromhex("004d2800000100000000000003636f6d0000060001")).decode()
        first.writeLine(**{"pass": 7, "wire": wire, "address": ["192.0.2.1", 5300], "transport": "udp"})
        self.assertEqual((first.received[-1]["do"], first.received[-1]["passed"]), ("passed", 7))
        (message,) = cast("list[str]", first.received[-1]["messages"])
        self.assertEqual(b64decode(message)[:4].hex(), "004da804")
        self.assertNotEqual(second.received[-1]["do"], "passed")

    def test_zonesOfViews(self) -> None:
        """
        Workers are told of the zones of each view, also those that replace others; a change of one is settled when all have acknowledged
        it; what they lack is looked for in that view. Of a view without zones none is told.
        """
        first, second = self.reactor.started
        view = {"name": "lab", "clients": ["127.0.0.1"]}
        given = Settings.of(view=[view], zone=[{"name": "example.org", "file": "/zone", "view": "lab"}]).given
        settings = Settings({**self.settings.given, **given})
        self.zoneSets.variantsFor(settings)
        zone = zoneOf()
        self.zoneSets.views["lab"].zones.put(zone)
        self.reactor.advance(0)
        told = [each for each in first.received if each["do"] == "zones"]
        self.assertEqual([each["view"] for each in told], ["", "lab"])
        for process in (first, second):
            self.acknowledge(process)
        zone.add("lab 300 A 192.0.2.1")
        settled = self.force.settled()
        for process in (first, second):
            self.assertNoResult(settled)
            self.acknowledge(process)
        self.successResultOf(settled)
        path = str(cast("list[list[JSON]]", told[1]["said"])[0][3])
        zone.replace(zone.current.settled())
        first.writeLine(lacks=APEX.hex(), path=path)
        self.assertEqual(first.signals, [])
        first.writeLine(lacks=APEX.hex(), path=path, view="lab")
        self.assertEqual(first.signals, ["KILL"])
        second.end()
        self.reactor.advance(1)
        self.assertEqual([each["view"] for each in self.reactor.started[-1].received if each["do"] == "zones"], ["", "lab"])
        self.zoneSets.settle(self.settings)
        self.reactor.started[-1].end()
        self.reactor.advance(30)
        self.assertEqual([each["view"] for each in self.reactor.started[-1].received if each["do"] == "zones"], [""])
