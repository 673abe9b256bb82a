"""
Tests of L{twisted_ext.server.process.workers} with zones: what workers are told of them, and what is waited for.
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
from twisted_ext.server.zones.zoneset import ZoneSet


class ZonedTests(SynchronousTestCase):
    """
    Tests for L{Workforce} with zones.
    """

    def setUp(self) -> None:
        self.reactor = Processes()
        self.folder = Path(self.mktemp())
        self.folder.mkdir()
        settings = Settings.of(role="serve", state=str(self.folder))
        self.zoned = ZoneSet(self.reactor, settings)
        bound = [[Bound("127.0.0.1", 53)], [Bound("127.0.0.1", 53)]]
        self.force = Workforce(self.reactor, settings, bound, bytes(16), zoned=self.zoned)
        self.zone = zoneOf()
        self.zoned.zones.put(self.zone)
        self.force.startService()
        self.addCleanup(self.end)

    def end(self) -> None:
        """
        Stop; nothing is left.
        """
        done = self.force.stopService()
        for process in self.reactor.started:
            if not process.over:
                process.end(signal.SIGTERM)
        self.successResultOf(done)
        self.assertEqual(self.reactor.getDelayedCalls(), [])
        self.assertEqual(list(self.folder.iterdir()), [])

    def words(self, process: Process) -> list[str]:
        """
        @return: what a worker was told, figures aside.
        """
        said: list[str] = []
        for each in process.told:
            if each["do"] == "zones":
                said += [str(word[0]) for word in cast("list[list[JSON]]", each["said"])]
            elif each["do"] != "figures":
                said.append(str(each["do"]))
        return said

    def took(self, process: Process) -> None:
        """
        Say that all lines about zones are done.
        """
        process.say(taken=[each["do"] for each in process.told].count("zones") - process.taken)
        process.taken = [each["do"] for each in process.told].count("zones")

    def change(self) -> None:
        """
        Put another version in force.
        """
        self.zone.add(f"n{self.zone.current.serial} 300 A 192.0.2.1")

    def test_begin(self) -> None:
        """
        A worker begins when it has been told of all zones, and so does the one that takes its place.
        """
        first, second = self.reactor.started
        for process in (first, second):
            self.assertEqual(self.words(process), ["serve", "errands", "image", "begin"])
        self.change()
        self.reactor.advance(0)
        self.assertEqual(self.words(second)[4:], ["edit"])
        second.end()
        self.reactor.advance(1)
        self.assertEqual(self.words(self.reactor.started[-1]), ["serve", "errands", "image", "edit", "begin"])

    def test_settled(self) -> None:
        """
        What is in force is settled when all workers have it; one that has ended is waited for no more.
        """
        first, second = self.reactor.started
        for process in (first, second):
            self.took(process)
        self.successResultOf(self.force.settled())
        self.change()
        settled = self.force.settled()
        self.assertNoResult(settled)
        self.took(first)
        self.assertNoResult(settled)
        self.change()
        later = self.force.settled()
        second.say(taken=1)
        second.taken += 1
        self.successResultOf(settled)
        self.assertNoResult(later)
        self.took(first)
        second.end()
        self.successResultOf(later)

    def test_stuck(self) -> None:
        """
        A worker that does nothing of what it is told is ended, so that nobody goes on getting answers from what was; one that is slow is
        not.
        """
        first, second = self.reactor.started
        self.took(first)
        self.took(second)
        self.change()
        self.reactor.advance(0)
        self.took(first)
        for _ in range(3):
            self.change()
            self.reactor.advance(WORKER_TAKING.default * 0.9)
            second.say(taken=1)
            second.taken += 1
        settled = self.force.settled()
        self.reactor.advance(WORKER_TAKING.default)
        self.assertIn("KILL", second.signals)
        self.took(first)
        self.assertNoResult(settled)
        second.end()
        self.successResultOf(settled)

    def test_stop(self) -> None:
        """
        The server has ended when what was changed is kept, and not before.
        """
        keeping: Deferred[None] = Deferred()
        close = self.zoned.close
        with patch.object(self.zoned, "close", lambda: close().addCallback(lambda _: keeping)):
            done = self.force.stopService()
        for process in self.reactor.started:
            process.end(signal.SIGTERM)
        self.assertNoResult(done)
        keeping.callback(None)
        self.successResultOf(done)

    def test_lacking(self) -> None:
        """
        A worker that cannot use the image of a zone is replaced, unless it was told of another one meanwhile.
        """
        first, second = self.reactor.started
        (told,) = [each for each in first.told if each["do"] == "zones"]
        path = str(cast("list[list[JSON]]", told["said"])[0][3])
        self.zone.replace(self.zone.current.settled())
        first.say(lacks=APEX.hex(), path=path)
        self.assertEqual(first.signals, ["KILL"])
        self.reactor.advance(0)
        second.say(lacks=APEX.hex(), path=path)
        self.assertEqual(second.signals, [])

    def test_truncated(self) -> None:
        """
        Where the file is shorter than the image in it, which this process has mapped as well, no worker is replaced for it: there is to be
        another image, or, where none can be made, another server.
        """
        first, second = self.reactor.started
        (told,) = [each for each in first.told if each["do"] == "zones"]
        path = str(cast("list[list[JSON]]", told["said"])[0][3])
        damaged: list[tuple[bytes, bool]] = []
        with patch.object(self.zoned, "damaged", lambda apex, truncated: damaged.append((apex, truncated))):
            Path(path).write_bytes(Path(path).read_bytes()[:100])
            first.say(lacks=APEX.hex(), path=path)
            second.say(lacks=APEX.hex(), path=path)
        self.assertEqual((damaged, first.signals, second.signals), ([(APEX, True)] * 2, [], []))

    def test_passed(self) -> None:
        """
        What nobody is there for is answered all the same, to the worker that asked.
        """
        first, second = self.reactor.started
        wire = b64encode(bytes.fromhex("004d2800000100000000000003636f6d0000060001")).decode()
        first.say(**{"pass": 7, "wire": wire, "address": ["192.0.2.1", 5300], "transport": "udp"})
        self.assertEqual((first.told[-1]["do"], first.told[-1]["passed"]), ("passed", 7))
        (message,) = cast("list[str]", first.told[-1]["messages"])
        self.assertEqual(b64decode(message)[:4].hex(), "004da804")
        self.assertNotEqual(second.told[-1]["do"], "passed")
