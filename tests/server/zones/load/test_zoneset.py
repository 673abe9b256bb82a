"""
Tests of L{twisted_ext.server.zones.load.zoneset}: the effect of a reload on zones.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
from collections.abc import Generator, Iterator
from itertools import pairwise, permutations
from pathlib import Path
from typing import cast
from unittest.mock import patch

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import Cooperator
from twisted.logger import capturedLogs, formatEvent

from tests.server.zones.load.stored import newStore
from tests.server.zones.load.zonesets import ZoneSetCase
from tests.zone.changing import APEX, ZONE, record, records
from twisted_ext.errors import BadDescription, CallerFault
from twisted_ext.packetcache.clients import Client, Group
from twisted_ext.server.config.settings import Settings
from twisted_ext.server.limits import WATCH_SECONDS
from twisted_ext.server.reply.requests import Refusal, Request
from twisted_ext.server.zones.load.signatures import SignatureWatch
from twisted_ext.server.zones.load.validate import zonesIn
from twisted_ext.server.zones.load.zoneset import ZoneSet
from twisted_ext.server.zones.load.zonesets import ZoneSets
from twisted_ext.server.zones.transfer.replication import Replication
from twisted_ext.server.zones.update.commit import CommitQueue
from twisted_ext.server.zones.update.updates import UpdateHandler
from twisted_ext.wire.builder import buildMessage
from twisted_ext.wire.codes import Opcode, Rcode
from twisted_ext.wire.message import Message, Question
from twisted_ext.wire.names import nameFromText
from twisted_ext.wire.records import RRSet
from twisted_ext.wire.rrtypes import AXFR, IXFR, SOA, A
from twisted_ext.zone.update.transactions import Transaction
from twisted_ext.zone.zone import Zone

_RULE = "address 127.0.0.0/8 zone"


class ZonedTests(ZoneSetCase):
    """
    Tests for L{ZoneSet}.
    """

    def test_metricsOfFewZones(self) -> None:
        """
        Each zone has metrics, with the serial number after updates too, unless there are more zones than the setting allows.
        """
        for most, names in ((1, ["example.org."]), (0, [])):
            settings = Settings.of(zone=[f"example.org={self.file}"], zoneMetrics=most)
            zoneSets = ZoneSets(cast("IReactorTime", self.clock), settings)
            zoneSets.begin()
            self.compilers[-1].run()
            self.assertEqual([each.zone for each in zoneSets.metrics(most)], names)
            zoneSet = zoneSets.common
            place = zoneSet.zones.at(APEX)
            assert place is not None and place.served() is not None
            version = zoneSet.zones.version(APEX)
            assert version is not None
            transaction = Transaction(version)
            transaction.add(record("added 300 A 192.0.2.9"))
            done = transaction.commit()
            assert done is not None
            before = place.toJSON()["records"]
            assert place.zone is not None and isinstance(before, int)
            place.zone.replace(done[0])
            self.assertEqual([each.serial for each in zoneSets.metrics(most)], [11] * most)
            self.assertEqual((place.toJSON()["serial"], place.toJSON()["records"]), (11, before + 1))
            self.successResultOf(zoneSet.close())
            self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_acceptedZone(self) -> None:
        """
        An operator accepts what waits, wherever the zone comes from, and only that.
        """
        path = str(self.folder / "zones.db")
        many = "".join([f"h{number} 300 A 192.0.2.{number}\n" for number in range(40)])
        store = newStore(path)
        store.create(APEX, records(ZONE + many))
        store.close()
        sql = sqlite3.connect(path, isolation_level=None)
        self.addCleanup(sql.close)
        self.file.write_text(ZONE + many)
        for settings, lose in (
            (self.settings(store=path), lambda: sql.execute("DELETE FROM records WHERE owner LIKE 'h%'")),
            (self.settings(file=str(self.file)), lambda: self.file.write_text(ZONE)),
        ):
            zoneSet = self.serve(settings)
            self.failureResultOf(zoneSet.acceptZone(APEX), CallerFault)
            self.assertEqual(self.zone(zoneSet).current.recordCount, 51)
            lose()
            waiting = zoneSet.reloadZone(APEX)
            self.settle()
            lines: list[str] = self.successResultOf(waiting)
            self.assertIn("40 of 51 records are gone", "\n".join(lines))
            self.assertEqual(self.zone(zoneSet).current.recordCount, 51)
            waiting = zoneSet.acceptZone(APEX)
            self.settle()
            lines = self.successResultOf(waiting)
            self.assertIn("11 records", "\n".join(lines))
            self.assertEqual(self.zone(zoneSet).current.recordCount, 11)
            self.end(zoneSet)

    def update(self, zoneSet: ZoneSet, *changes: RRSet) -> int:
        """
        Return the RCODE of the reply to an update.
        """
        wire = buildMessage(Message(77, Opcode.UPDATE << 11, (Question(APEX, SOA),), (), changes))
        request = Request.fromWire(wire, ("127.0.0.1", 5300), "tcp")
        assert request is not None
        request.readWhole()
        outcome = zoneSet.handlers[Opcode.UPDATE << 16](request)
        self.settle()
        if isinstance(outcome, Refusal):
            return outcome.rcode
        assert isinstance(outcome, Deferred), outcome
        said: list[Refusal] = []
        cast("Deferred[Refusal]", outcome).addCallback(said.append)
        return said[0].rcode

    def changedSince(self, zoneSet: ZoneSet, soa: RRSet) -> list[int]:
        """
        Return the types of the records in an incremental transfer, without SOA.
        """
        wire = buildMessage(Message(78, 0, (Question(APEX, IXFR),), (), (soa,)))
        request = Request.fromWire(wire, ("127.0.0.1", 5300), "tcp")
        assert request is not None
        request.record = Client("127.0.0.1", Group("all"))
        outcome = zoneSet.handlers[IXFR](request)
        assert isinstance(outcome, Iterator), outcome
        found = [rrset.rrType for octets in outcome for rrset in Message.fromWire(octets).check().answer]
        return [rrType for rrType in found if rrType != SOA]

    def has(self, zoneSet: ZoneSet, key: bytes) -> bool:
        """
        Return whether a name has an address.
        """
        node = self.zone(zoneSet).current.find(key)
        return node is not None and node.of(A) is not None

    def test_reloadOfWatch(self) -> None:
        """
        A reload turns the watching of files and folders off, and on again, and watches other folders.
        """
        folders = [self.folder / name for name in ("first", "other")]
        for folder in folders:
            folder.mkdir()
            (folder / f"{folder.name}.example").write_text(f"$ORIGIN {folder.name}.example.\n{ZONE}")

        def settingsOf(folder: Path, watch: bool) -> Settings:
            return Settings.of(zones=[str(folder)], state=str(self.folder / "state"), watch=watch)

        zoneSet = ZoneSet(cast("IReactorTime", self.clock), settingsOf(folders[0], True))
        self.addCleanup(zoneSet.close)

        def served(folder: Path, *names: str) -> list[str]:
            """
            Write zones into a folder, let time pass, and return what is served.
            """
            for name in names:
                (folder / name).write_text(f"$ORIGIN {name}.\n{ZONE}")
            os.utime(folder, ns=(self.stamp, self.stamp))
            self.stamp += 1_000_000_000
            for _ in range(4):
                self.clock.advance(WATCH_SECONDS.default)
                self.settle()
            return sorted([place.text for place in zoneSet.zones if place.state == "serving"])

        def reload(folder: Path, watch: bool) -> None:
            settings = settingsOf(folder, watch)
            waiting = zoneSet.reload(settings, zonesIn(settings))
            for _ in range(20):
                self.clock.advance(0.01)
                self.settle()
            self.successResultOf(waiting)

        zoneSet.begin()
        self.assertEqual(served(folders[0]), ["first.example."])
        reload(folders[0], False)
        self.assertEqual(served(folders[0], "unseen.example"), ["first.example."])
        (folders[0] / "first.example").unlink()
        self.assertEqual(served(folders[0]), ["first.example."])
        reload(folders[1], True)
        self.assertEqual(served(folders[1]), ["other.example."])
        self.assertEqual(served(folders[1], "more.example"), ["more.example.", "other.example."])
        self.assertEqual(served(folders[0], "late.example"), ["more.example.", "other.example."])

    def test_reloadOfWatchOfFiles(self) -> None:
        """
        Once a reload has turned the watching of files off, a changed file is loaded at the next reload, not before.
        """
        settings = [Settings.of(zone=[f"example.org={self.file}"], watch=watch) for watch in (True, False)]
        zoneSet = ZoneSet(cast("IReactorTime", self.clock), settings[0])
        self.addCleanup(zoneSet.close)
        zoneSet.begin()
        self.compilers[-1].run()
        self.clock.advance(0.1)

        def reload() -> None:
            waiting = zoneSet.reload(settings[1], zonesIn(settings[1]))
            for _ in range(20):
                self.clock.advance(0.01)
                self.settle()
            self.successResultOf(waiting)

        reload()
        before = self.recordsOf(zoneSet)
        self.file.write_text(f"$ORIGIN example.org.\n{ZONE}new A 192.0.2.1\n")
        for _ in range(8):
            self.clock.advance(WATCH_SECONDS.default)
            self.compilers[-1].run()
        self.assertEqual(self.recordsOf(zoneSet), before)
        reload()
        self.assertEqual(self.recordsOf(zoneSet), before + 1)

    def recordsOf(self, zoneSet: ZoneSet) -> int:
        """
        Return how many records the zone has that is served.
        """
        version = zoneSet.zones.version(APEX)
        assert version is not None
        return sum([len(rrset.rdatas) for node in version.nodes() for rrset in node.sets])

    def test_rulesAddedByReload(self) -> None:
        """
        A zone that gets update rules by a reload accepts updates, which survive a restart.
        """
        zoneSet = self.serve(self.settings(file=str(self.file)))
        ruled = self.settings(file=str(self.file), update=[_RULE])
        self.reload(zoneSet, ruled)
        self.assertEqual(self.update(zoneSet, record("new 60 A 192.0.2.9")), Rcode.NOERROR)
        self.assertTrue(self.has(zoneSet, b"\x03new"))
        self.end(zoneSet)
        self.assertTrue(self.has(self.serve(ruled), b"\x03new"))

    def test_truncatedImageIsReplaced(self) -> None:
        """
        A truncated image is replaced by a new one with all acknowledged updates; this is tried again if the zone was being changed at that
        moment.
        """
        zoneSet = self.serve(self.settings(file=str(self.file), update=[_RULE]))
        broken: list[str] = []
        zoneSet.broken = broken.append
        self.assertEqual(self.update(zoneSet, record("new 60 A 192.0.2.9")), Rcode.NOERROR)
        before = self.zone(zoneSet).current.image
        zoneSet.damaged(APEX, True)
        self.settle()
        self.assertIsNot(self.zone(zoneSet).current.image, before)
        self.assertTrue(self.has(zoneSet, b"\x03new"))
        before = self.zone(zoneSet).current.image
        with patch.object(CommitQueue, "busy", True):
            zoneSet.damaged(APEX, True)
            self.settle()
        self.assertIs(self.zone(zoneSet).current.image, before)
        self.clock.advance(1)
        self.settle()
        self.assertIsNot(self.zone(zoneSet).current.image, before)
        self.assertEqual(self.update(zoneSet, record("last 60 A 192.0.2.9")), Rcode.NOERROR)
        self.assertEqual(broken, [])

    def test_truncatedImageWithoutFileIsFatal(self) -> None:
        """
        If a truncated image has no master file, the process cannot continue and says why.
        """
        zoneSet = self.serve(self.settings(file=str(self.file), update=[_RULE]))
        broken: list[str] = []
        zoneSet.broken = broken.append
        zoneSet.damaged(b"\x05other\x00", True)
        self.settle()
        (said,) = broken
        self.assertIn("the file with the image of other. was truncated while it was in use: there is no zone other.", said)

    def test_rulesRestoredByReload(self) -> None:
        """
        A zone that loses its update rules and gets them back accepts updates again, which survive a restart.
        """
        ruled = self.settings(file=str(self.file), update=[_RULE])
        zoneSet = self.serve(ruled)
        self.reload(zoneSet, self.settings(file=str(self.file)))
        self.assertEqual(self.update(zoneSet, record("new 60 A 192.0.2.9")), Rcode.REFUSED)
        self.reload(zoneSet, ruled)
        self.assertEqual(self.update(zoneSet, record("new 60 A 192.0.2.9")), Rcode.NOERROR)
        self.end(zoneSet)
        self.assertTrue(self.has(self.serve(ruled), b"\x03new"))

    def test_keysAddedByReload(self) -> None:
        """
        A rule of a reload may be for a key that the same reload brings, which requests may be signed with from then on.
        """
        keyFile = self.folder / "keys"
        keyFile.write_text("one:c2VjcmV0\n")
        keyFile.chmod(0o600)
        table = {"name": "example.org", "file": str(self.file)}

        def settings(key: str) -> Settings:
            state = str(self.folder / "state")
            return Settings.of(zone=[{**table, "update": [f"key {key} zone"]}], keyFile=str(keyFile), state=state)

        zoneSet = self.serve(settings("one"))
        assert zoneSet.keys is not None
        self.assertEqual(list(zoneSet.keys), [nameFromText("one")])
        keyFile.write_text("one:c2VjcmV0\ntwo:c2VjcmV0\n")
        told: list[list[bytes]] = []
        zoneSet.connected = lambda: told.append(list(zoneSet.keys or ()))
        self.reload(zoneSet, settings("two"))
        self.assertEqual(list(zoneSet.keys), [nameFromText("one"), nameFromText("two")])
        # What verifies signatures, here and in workers, is told of them.
        self.assertEqual(told[-1], [nameFromText("one"), nameFromText("two")])

    def test_changesOutliveRules(self) -> None:
        """
        Changes that clients have made stay in force after a restart without any rule for updates.
        """
        zoneSet = self.serve(self.settings(file=str(self.file), update=[_RULE]))
        self.assertEqual(self.update(zoneSet, record("new 60 A 192.0.2.9")), Rcode.NOERROR)
        self.end(zoneSet)
        self.assertTrue(self.has(self.serve(self.settings(file=str(self.file))), b"\x03new"))

    def test_changesThatAreLost(self) -> None:
        """
        A server without a folder for its state says at the start that updates and transfers are lost when it stops, once; one with zones
        from files only does not.
        """
        for table, count in (({"update": [_RULE]}, 1), ({}, 0)):
            values = {"name": "example.org", "file": str(self.file), **table}
            with capturedLogs() as events:
                self.end(self.serve(Settings.of(zone=[values])))
            lines = [formatEvent(event) or "" for event in events]
            expected = "transfers and updates of example.org. are lost when the server stops; set state to keep them"
            self.assertEqual([line for line in lines if "lost" in line], [expected] * count)

    def test_foldersOfKilledProcesses(self) -> None:
        """
        Folders that a killed server had for its workers are removed at the next start, and other folders are left alone.
        """
        left, kept = self.folder / "state" / "workers-abc", self.folder / "state" / "worker"
        for folder in (left, kept):
            folder.mkdir(parents=True)
            (folder / "file").write_text("x")
        zoneSet = self.serve(self.settings(file=str(self.file)))
        self.assertEqual((left.exists(), kept.exists()), (False, True))
        self.assertTrue(Path(zoneSet.sharedFolder()).is_dir())

    def test_zonesForNoOtherServer(self) -> None:
        """
        A zone that is opened for other servers, to send them NOTIFY, is one that has such servers; others stay unopened until a query.
        """
        other = self.folder / "other.example"
        other.write_text(f"$ORIGIN other.example.\n{ZONE}")
        tables = [
            {"name": "example.org", "file": str(self.file), "allow-transfer": ["any"]},
            {"name": "other.example", "file": str(other)},
        ]
        zoneSet = self.serve(Settings.of(zone=tables, state=str(self.folder / "state")))
        self.assertEqual({place.text: place.unopened for place in zoneSet.zones}, {"example.org.": False, "other.example.": True})

    def test_zonesOfPythonCode(self) -> None:
        """
        Zones that Python code makes are made anew by each reload, which removes those whose code is no longer in the settings. Where no
        code is run, they are an error.
        """
        paths = [str(self.folder / name) for name in ("one.py", "two.py")]
        for path in paths:
            Path(path).write_text("")
        apexes = dict(zip(paths, (nameFromText("one.example"), nameFromText("two.example")), strict=True))
        serials = iter(range(1, 9))

        def make(path: str) -> Zone:
            return Zone.fromText(f"@ 300 SOA ns mail {next(serials)} 3600 600 86400 300\n@ 300 NS ns\n", apexes[path])

        zoneSet = ZoneSet(self.clock, Settings.of(pyzone=paths), fromPython=make)
        self.addCleanup(self.end, zoneSet)
        zoneSet.begin()

        def served() -> dict[str, int | None]:
            return {place.text: place.currentSerial for place in zoneSet.zones}

        self.assertEqual(served(), {"one.example.": 1, "two.example.": 2})
        self.reload(zoneSet, Settings.of(pyzone=paths))
        self.assertEqual(served(), {"one.example.": 3, "two.example.": 4})
        self.reload(zoneSet, Settings.of(pyzone=paths[1:]))
        self.assertEqual(served(), {"two.example.": 5})
        with self.assertRaisesRegex(BadDescription, "pyzone: this server does not run Python code"):
            ZoneSet(self.clock, Settings.of(pyzone=paths))

    def test_zoneMovesToDatabase(self) -> None:
        """
        A zone that moves from a file to a database by a reload is served from the database, and its updates are stored there.
        """
        path = str(self.folder / "zones.db")
        store = newStore(path)
        store.create(APEX, [*records(ZONE), record("inside 60 A 192.0.2.7")])
        store.close()
        zoneSet = self.serve(self.settings(file=str(self.file), update=[_RULE]))
        self.assertEqual(self.update(zoneSet), Rcode.NOERROR)
        moved = self.settings(store=path, update=[_RULE], allow_transfer=["any"])
        self.reload(zoneSet, moved)
        self.assertTrue(self.has(zoneSet, b"\x06inside"))
        before = self.zone(zoneSet).current.soa
        self.assertEqual(self.update(zoneSet, record("new 60 A 192.0.2.9")), Rcode.NOERROR)
        self.assertEqual(self.changedSince(zoneSet, before), [A])
        self.end(zoneSet)
        self.assertTrue(self.has(self.serve(moved), b"\x03new"))

    def test_expireOfPrimaryZones(self) -> None:
        """
        A server without secondary zones also reports the expire time of its zones (RFC 7314, section 3.1).
        """
        zoneSet = self.serve(Settings.of(zone=[{"name": "example.org", "file": str(self.file)}], state=str(self.folder / "state")))
        assert zoneSet.expiring is not None
        self.assertEqual(zoneSet.expiring(APEX), 86400)
        self.assertIsNone(zoneSet.expiring(b"\x05other\x00"))

    def test_zoneMovesToPrimaries(self) -> None:
        """
        A zone that moves from a file to primaries by a reload is loading, and not unknown.
        """
        zoneSet = self.serve(self.settings(file=str(self.file), update=[_RULE]))
        self.reload(zoneSet, self.settings(primaries=["192.0.2.1"]))
        place = zoneSet.zones.at(APEX)
        assert place is not None
        self.assertEqual((place.state, place.zone), ("loading", None))

    def test_zoneMovesBetweenOrigins(self) -> None:
        """
        A zone that a reload moves between a file, a database and primaries is served as it is in the new place, and secondaries are told
        once of each version that came into force, whatever it came from.
        """
        path = str(self.folder / "zones.db")
        store = newStore(path)
        store.create(APEX, [*records(ZONE), record("store 60 A 192.0.2.7")])
        store.close()
        self.file.write_text(f"$ORIGIN example.org.\n{ZONE}file 60 A 192.0.2.8\n")
        transferred = Zone.fromText(f"{ZONE}primaries 60 A 192.0.2.9\n", APEX).current
        tables: dict[str, dict[str, object]] = {
            "file": {"file": str(self.file)},
            "store": {"store": path},
            "primaries": {"primaries": ["192.0.2.1"]},
        }

        def arrives(zoneSet: ZoneSet, origin: str) -> None:
            self.settle()
            if origin == "primaries":
                assert zoneSet.replication is not None
                zoneSet.replication._install(APEX, transferred)
            owners = [name for name in tables if self.has(zoneSet, bytes([len(name)]) + name.encode())]
            self.assertEqual(owners, [origin])

        for before, after in permutations(tables, 2):
            telling = patch.object(Replication, "changed", autospec=True, side_effect=Replication.changed)
            with patch.object(SignatureWatch, "changed") as looked, telling as told:
                zoneSet = self.serve(self.settings(**tables[before], allow_transfer=["any"]))
                arrives(zoneSet, before)
                self.assertEqual(len(told.mock_calls), 1, (before, after))
                self.reload(zoneSet, self.settings(**tables[after], allow_transfer=["any"]))
                arrives(zoneSet, after)
                # Signatures are looked at then, too.
                self.assertEqual((len(told.mock_calls), len(looked.mock_calls)), (2, 2), (before, after))
                place = zoneSet.zones.at(APEX)
                assert place is not None
                self.assertEqual((place.state, place.said), ("serving", ""))
                self.end(zoneSet)
            shutil.rmtree(self.folder / "state")

    def test_reloadSwitchesWholeZones(self) -> None:
        """
        A reload switches ten thousand zones in short turns, and each zone switches all of its settings at once: a client never gets the
        effect of one setting of a zone without the others.
        """
        names = [f"z{number}.example" for number in range(6)]
        for name in names:
            (self.folder / name).write_text(f"$ORIGIN {name}.\n{ZONE}")

        def settings(**said: object) -> Settings:
            tables = [{"name": name, "file": str(self.folder / name), "serial": "increment", **said} for name in names]
            return Settings.of(zone=tables, state=str(self.folder / "state"), watch=False)

        def turns(lasting: bool) -> set[int]:
            """
            Return the numbers of zones that switched in one turn.
            """
            zoneSet = self.serve(settings())
            before = [self.granted(zoneSet, name) for name in names]
            self.assertEqual(before, [(False, False)] * len(names))
            assert zoneSet.loading is not None
            zoneSet.loading._cooperator = Cooperator(lambda: lambda: not lasting, lambda step: self.clock.callLater(1, step))
            changed = settings(update=[_RULE], **{"allow-transfer": ["any"]})
            done = zoneSet.reload(changed, zonesIn(changed))
            counts = [0]
            while counts[-1] < len(names):
                self.clock.advance(1)
                now = [self.granted(zoneSet, name) for name in names]
                self.assertEqual(set(now) - {(True, True), (False, False)}, set())
                counts.append(now.count((True, True)))
            for _ in range(100):
                self.clock.advance(1)
                self.settle()
            self.successResultOf(done)
            self.end(zoneSet)
            return {after - before for before, after in pairwise(counts)}

        self.assertEqual(turns(False), {0, 1})
        self.assertEqual(turns(True), {len(names)})

    def granted(self, zoneSet: ZoneSet, name: str) -> tuple[bool, bool]:
        """
        Return whether updates and transfers of a zone are allowed.
        """
        requests: list[Request] = []
        for code, rrType in ((Opcode.UPDATE, SOA), (Opcode.QUERY, AXFR)):
            wire = buildMessage(Message(79, code << 11, (Question(nameFromText(name), rrType),)))
            request = Request.fromWire(wire, ("127.0.0.1", 5300), "tcp")
            assert request is not None
            request.readWhole()
            request.record = Client("127.0.0.1", Group("all"))
            requests.append(request)
        outcome = zoneSet.handlers[AXFR](requests[1])
        if not isinstance(outcome, Refusal):
            cast("Generator[bytes, None, None]", outcome).close()
        updating = cast("UpdateHandler", zoneSet.handlers[Opcode.UPDATE << 16])
        return not updating.isHopeless(requests[0], False), not isinstance(outcome, Refusal)
