"""
Tests of L{twisted_ext.apps.worker}: a worker whose parent is the test.
"""

from __future__ import annotations

import json
from typing import ClassVar, cast

from twisted.internet.interfaces import ITransport
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from tests.server.features.test_verbs import Ferries, declare
from tests.server.process.mirrors import Parent
from tests.zone.changing import APEX, ZONE, zoneOf
from twisted_ext.apps.worker import ParentMessages
from twisted_ext.metrics.figures import JSON
from twisted_ext.server.reply.opcodes import handlerKey
from twisted_ext.server.service import ServerService
from twisted_ext.server.zones.table.zonetable import Zones
from twisted_ext.wire.builder import buildMessage
from twisted_ext.wire.codes import Opcode, Rcode
from twisted_ext.wire.message import Message, Question
from twisted_ext.wire.names import nameFromText
from twisted_ext.wire.rrtypes import SOA, A


class WorkerCase(SynchronousTestCase):
    """
    A worker with zones.
    """

    settings: ClassVar[dict[str, JSON]] = {"role": "serve"}

    def setUp(self) -> None:
        self.clock = Clock()
        self.stopped = 0
        self.wire = bytearray()
        self.worker = ParentMessages(self.clock, self.stop)
        self.worker.transport = cast(ITransport, self)
        self.zones = Zones()
        self.zone = zoneOf(ZONE + "".join([f"h{number} 300 A 192.0.2.1\n" for number in range(1200)]))
        self.parent = Parent(self.clock, self.zones)
        self.addCleanup(self.parent.close)
        self.zones.put(self.zone)
        self.clock.advance(0)
        self.addCleanup(self.assertStopped)
        self.send(do="serve", settings=self.settings, bound=[], secret="00" * 16, hasZones=True)
        self.send(do="operations", operations=[handlerKey(Opcode.UPDATE)], keys=[])

    def write(self, octets: bytes) -> None:
        """
        @see: L{ITransport}
        """
        self.wire += octets

    def stop(self) -> None:
        """
        Count the requests to stop the process.
        """
        self.stopped += 1

    def assertStopped(self) -> None:
        """
        Stop the service and check that no timer is left.
        """
        self.successResultOf(self.service.stopService())
        self.assertEqual(self.clock.getDelayedCalls(), [])

    @property
    def service(self) -> ServerService:
        """
        Return the service that answers.
        """
        assert self.worker.service is not None
        return self.worker.service

    def send(self, **said: object) -> None:
        """
        Send a line as the parent.
        """
        self.worker.dataReceived(json.dumps({"id": 0, **said}).encode() + b"\n")

    def take(self, message: Message) -> list[bytes]:
        """
        Pass a message to the server and return the list of its replies.
        """
        replies: list[bytes] = []
        self.service.responder.take(buildMessage(message), ("127.0.0.1", 1), "tcp", replies.append)
        return replies

    def sendAllZones(self) -> None:
        """
        Send all zones to the worker.
        """
        for words in self.parent.mirroring.everything():
            self.send(do="zones", said=words)

    def sentLines(self) -> list[dict[str, JSON]]:
        """
        Return the lines that the worker has sent since the last call.
        """
        lines = [json.loads(line) for line in bytes(self.wire).splitlines()]
        self.wire.clear()
        return lines

    def ask(self, name: str) -> int:
        """
        Return the rcode of a reply.
        """
        return self.take(Message(9, 0, (Question(nameFromText(name), A),)))[0][3] & 15

    def update(self) -> list[bytes]:
        """
        Send an update and return the list of its replies.
        """
        return self.take(Message(9, Opcode.UPDATE << 11, (Question(APEX, SOA),)))


class ObeyingTests(WorkerCase):
    """
    Tests for L{ParentMessages}.
    """

    def test_changesOfSettings(self) -> None:
        """
        A change is made to the settings that the parent has told last, also if those could not be used.
        """
        self.send(do="begin")
        for number, change in enumerate(
            (
                {"values": {"client-rate": 5}, "gone": [], "parts": {}},
                {"values": {"view": ["wrong"]}, "gone": [], "parts": {}},
                {"values": {}, "gone": ["view"], "parts": {}},
            )
        ):
            self.send(id=number + 1, do="reload", change=change)
            self.clock.advance(0)
        replies = {line["id"]: line for line in self.sentLines() if "id" in line}
        self.assertEqual(replies[1]["value"], ["client-rate: 0 is now 5"])
        self.assertIn("error", replies[2])
        self.assertIn("value", replies[3])

    def test_heartbeatIsAnsweredAtOnce(self) -> None:
        """
        A heartbeat is answered at once.
        """
        self.wire.clear()
        self.send(do="beat")
        self.assertEqual(bytes(self.wire), b'{"beat": true}\n')

    def test_answersStartWithAllZones(self) -> None:
        """
        The worker starts to answer when it has all zones, and acknowledges each line.
        """
        self.sendAllZones()
        self.zone.add(*[f"n{number} 300 A 192.0.2.1" for number in range(1200)])
        self.clock.advance(0)
        self.sendAllZones()
        self.send(do="begin")
        self.assertEqual(self.sentLines(), [{"taken": 1}])
        self.assertFalse(self.service.running)
        self.clock.pump([0] * 10)
        self.assertEqual(self.sentLines(), [{"taken": 1}, {"ready": True}])
        self.assertEqual(self.ask("n1199.example.org"), Rcode.NOERROR)
        self.assertEqual(self.ask("n1200.example.org"), Rcode.NXDOMAIN)
        self.assertEqual(self.stopped, 0)

    def test_updatesAreRelayedToTheParent(self) -> None:
        """
        The worker relays updates to the parent. It stops when the parent is gone, and pending updates get SERVFAIL.
        """
        self.sendAllZones()
        self.send(do="begin")
        self.sentLines()
        first, second = self.update(), self.update()
        numbers = [each["pass"] for each in self.sentLines()]
        self.send(do="passed", passed=numbers[1], messages=["AAmoAA=="])
        self.assertEqual((first, second), ([], [bytes.fromhex("0009a800")]))
        self.worker.connectionLost()
        self.assertEqual(self.stopped, 1)
        self.assertEqual([reply[3] & 15 for reply in first], [Rcode.SERVFAIL])

    def test_zonesOfViews(self) -> None:
        """
        Lines with a view are for its zones only: of a view that gets its first zones at a reload, and of one that has none any more, whose
        lines are acknowledged and change nothing. Damaged images are reported with the view.
        """
        self.sendAllZones()
        self.send(do="begin")
        self.clock.pump([0] * 10)
        zones = Zones()
        parent = Parent(self.clock, zones)
        self.addCleanup(parent.close)
        zones.put(zoneOf(ZONE + "lab 300 A 192.0.2.1\n"))
        self.clock.advance(0)
        words = [*parent.mirroring.everything()]
        given = {"view": ['{"name": "lab", "clients": ["127.0.0.1"]}'], "zone": ['{"name": "example.org.", "view": "lab"}']}
        for number, (change, found) in enumerate(
            (
                ({"values": given, "gone": [], "parts": {}}, {"lab": Rcode.NOERROR, "h1": Rcode.NXDOMAIN}),
                ({"values": {}, "gone": ["view", "zone"], "parts": {}}, {"lab": Rcode.NXDOMAIN, "h1": Rcode.NOERROR}),
            )
        ):
            self.send(id=number + 1, do="reload", change=change)
            self.sentLines()
            for each in words:
                self.send(do="zones", said=each, view="lab")
            self.clock.pump([0] * 10)
            self.assertEqual(self.sentLines(), [{"taken": 1}] * len(words))
            self.assertEqual({name: self.ask(f"{name}.example.org") for name in found}, found)
            self.assertEqual([*self.service.zoneSets.views], ["lab"] if change["values"] else [])
            if change["values"]:
                zoneSync = self.service.zoneSets.views["lab"].zoneSync
                assert zoneSync is not None
                zoneSync.lacks(APEX, "/image")
                self.assertEqual(self.sentLines(), [{"lacks": APEX.hex(), "path": "/image", "view": "lab"}])

    def test_inconsistentLineStopsTheWorker(self) -> None:
        """
        A line that does not follow from the previous ones stops the worker, so that a new one can start from scratch.
        """
        self.sendAllZones()
        self.send(do="begin")
        self.send(do="zones", said=[["edit", APEX.hex(), 5, [], "", None]])
        self.assertEqual(self.stopped, 1)
        self.assertEqual(len(self.flushLoggedErrors(ValueError)), 1)
        self.send(do="zones", said=[["remove", APEX.hex()]])
        self.assertEqual(self.ask("www.example.org"), Rcode.NOERROR)


class FeatureTests(WorkerCase):
    """
    The same worker with a feature.
    """

    settings: ClassVar[dict[str, JSON]] = {"role": "serve", "ferries": True}

    def setUp(self) -> None:
        declare(self.patch)
        super().setUp()
        self.wire.clear()

    def test_state(self) -> None:
        """
        What the keeper has published in the parent reaches the feature.
        """
        self.send(do="state", feature="ferry", state="sun")
        active = self.service.features.active["ferry"]
        assert isinstance(active, Ferries)
        self.assertEqual(active.taken, ["sun"])

    def test_verb(self) -> None:
        """
        A command of a feature returns what this process has to say, which the parent joins with that of others.
        """
        self.send(id=5, do="verb", path="ferry/count", arguments={})
        self.send(id=6, do="verb", path="ferry/sink", arguments={})
        counted, failed = self.sentLines()
        self.assertEqual(counted, {"id": 5, "value": 3})
        self.assertEqual(failed, {"id": 6, "error": "there is no command ferry/sink"})
