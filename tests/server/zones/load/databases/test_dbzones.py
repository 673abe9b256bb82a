"""
Tests of L{twisted_ext.server.zones.load.databases.dbzones}: serving the zones of a database.
"""

from __future__ import annotations

import os
import sqlite3
from unittest.mock import patch

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from tests.server.zones.load.stored import newStore
from tests.server.zones.update.changed import SlowDisk
from tests.zone.changing import APEX, ZONE, record, records, textsOf, versionOf
from twisted_ext.errors import BadDescription, BadUpdate, StorageFault
from twisted_ext.limits import Limit
from twisted_ext.server.config.zonesettings import ZoneSettings
from twisted_ext.server.limits import STORE_LOOKS
from twisted_ext.server.zones.load.databases.dbzones import DatabasePoller, ZoneDatabases
from twisted_ext.server.zones.load.databases.sqlite import SQLiteStore, makeDatabase
from twisted_ext.server.zones.table.guards import Guards
from twisted_ext.server.zones.table.sink import ZoneSink
from twisted_ext.server.zones.table.zonetable import FAILED, SERVING, Zones
from twisted_ext.server.zones.update.commit import CommitQueue
from twisted_ext.wire.codes import Rcode
from twisted_ext.wire.names import nameFromText
from twisted_ext.wire.records import RRSet
from twisted_ext.wire.rrtypes import A
from twisted_ext.zone.store import events
from twisted_ext.zone.store.changeset import applied
from twisted_ext.zone.store.version import Version
from twisted_ext.zone.transfer.sender import recordsSince
from twisted_ext.zone.update.transactions import Transaction
from twisted_ext.zone.zone import Zone


class StoringTests(SynchronousTestCase):
    """
    Tests for L{DatabasePoller}.
    """

    def setUp(self) -> None:
        path = self.path = self.mktemp()
        store = newStore(path)
        store.create(APEX, records(ZONE))
        self.sql = sqlite3.connect(path, isolation_level=None)
        self.addCleanup(self.sql.close)
        self.clock = Clock()
        self.disk = SlowDisk()
        self.zones = Zones()
        self.serials: list[int] = []
        sink = ZoneSink(self.zones, lambda place, version: self.serials.append(place.serial))
        self.storing = DatabasePoller(self.clock, store, sink, self.disk, label="zones.db")
        self.store = store
        started = self.storing.start()
        self.disk.settle()
        self.successResultOf(started)

        def close() -> None:
            closed = self.storing.close()
            self.disk.settle()
            self.successResultOf(closed)
            self.assertEqual(self.clock.getDelayedCalls(), [])

        self.addCleanup(close)

    def current(self, apex: bytes = APEX) -> Version:
        """
        Return the version in force.
        """
        place = self.zones.at(apex)
        assert place is not None and place.zone is not None
        return place.zone.current

    def poll(self) -> None:
        """
        Let enough time pass for one poll of the database.
        """
        self.clock.advance(STORE_LOOKS.default)
        for _ in range(20):
            self.disk.settle()
            self.clock.advance(0)

    def test_databaseZonesAreServed(self) -> None:
        """
        The zones of a database are served from the start.
        """
        self.assertEqual(textsOf(self.current()), textsOf(versionOf()))
        self.assertEqual(self.serials, [10])

    def test_sqlChangeIsServed(self) -> None:
        """
        A change by SQL is served at the next poll, with a newer serial number.
        """
        self.sql.execute("INSERT INTO records (zone, owner, type, ttl, rdata) VALUES (1, 'new', 'A', 60, '192.0.2.9')")
        self.sql.execute("DELETE FROM records WHERE owner = 'mail' AND type = 'AAAA'")
        self.poll()
        self.assertEqual(self.current().serial, 12)
        found = self.current().find(b"\x03new")
        assert found is not None
        self.assertEqual(found.of(A), record("new 60 A 192.0.2.9"))
        mail = self.current().find(b"\x04mail")
        assert mail is not None
        self.assertEqual(mail.types, (A,))
        self.assertEqual(self.serials, [10, 12])
        self.poll()
        self.assertEqual(self.serials, [10, 12])

    def test_manyChangesAreServed(self) -> None:
        """
        Thousands of changes are served.
        """
        self.sql.execute("BEGIN")
        self.sql.executemany(
            "INSERT INTO records (zone, owner, type, ttl, rdata) VALUES (1, ?, 'A', 60, '192.0.2.9')", [(f"h{n}",) for n in range(3000)]
        )
        self.sql.execute("COMMIT")
        self.poll()
        self.assertEqual(self.current().serial, 3010)
        self.assertIsNotNone(self.current().find(b"\x05h2999"))

    def test_invalidRecordKeepsZone(self) -> None:
        """
        An invalid record is reported and the zone stays as it was, until the record is corrected.
        """
        for statement, mended, said in (
            (
                "INSERT INTO records (id, zone, owner, type, ttl, rdata) VALUES (99, 1, 'new', 'A', 60, 'nowhere')",
                "UPDATE records SET rdata = '192.0.2.9' WHERE id = 99",
                "record 99",
            ),
            (
                "INSERT INTO records (id, zone, owner, type, ttl, rdata) VALUES (98, 1, 'www', 'A', 60, '192.0.2.9')",
                "DELETE FROM records WHERE id = 98",
                "an alias that has A as well",
            ),
        ):
            before = self.current()
            self.sql.execute(statement)
            self.poll()
            self.assertIs(self.current(), before)
            self.assertIn(said, self.storing.said[APEX])
            self.sql.execute(mended)
            self.poll()
            self.assertEqual(self.storing.said, {})
            self.assertGreater(self.current().serial, before.serial)
        self.assertIsNotNone(self.current().find(b"\x03new"))

    def test_rowsAreJudgedTheSameAtAnyTime(self) -> None:
        """
        Rows that conflict are not served, at their change, at later ones, at a reload and from the start; rows that a master file may have
        are.
        """
        before = self.current()
        self.sql.execute("INSERT INTO records (id, zone, owner, type, ttl, rdata) VALUES (98, 1, 'www', 'A', 60, '192.0.2.9')")
        self.sql.execute("INSERT INTO records (zone, owner, type, ttl, rdata) VALUES (1, 'sub', 'NSEC3PARAM', 60, '1 0 0 -')")
        self.poll()
        self.sql.execute("INSERT INTO records (zone, owner, type, ttl, rdata) VALUES (1, 'later', 'A', 60, '192.0.2.9')")
        self.poll()
        again = self.storing.reloadZone(APEX)
        self.disk.settle()
        self.successResultOf(again)
        self.assertIs(self.current(), before)
        self.assertIn("www.example.org.: an alias that has A as well", self.storing.said[APEX])
        others = DatabasePoller(self.clock, SQLiteStore(self.path), ZoneSink(Zones(), lambda *_: None), self.disk, label="again")
        started = others.start()
        self.disk.settle()
        self.successResultOf(started)
        self.assertIn("an alias that has A as well", others.said[APEX])
        closed = others.close()
        self.disk.settle()
        self.successResultOf(closed)
        for owner in ("www", "below"):
            self.sql.execute("DELETE FROM records WHERE id = 98 OR type = 'SOA' AND owner <> '@'")
            self.poll()
            self.assertEqual(self.storing.said, {})
            self.assertIsNotNone(self.current().find(b"\x05later"))
            self.assertIsNotNone(self.current().find(b"\x03sub"))
            self.sql.execute("INSERT INTO records (zone, owner, type, ttl, rdata) VALUES (1, ?, 'SOA', 60, 'a b 1 2 3 4 5')", (owner,))
            self.poll()
            self.assertIn(f"an SOA record at {owner}, which belongs at @", self.storing.said[APEX])

    def test_changesBesideInvalidRecord(self) -> None:
        """
        What was changed together with an invalid record, or after it, is served once that record is corrected.
        """
        statement = "INSERT INTO records (id, zone, owner, type, ttl, rdata) VALUES (?, 1, ?, 'A', 60, ?)"
        self.sql.execute("BEGIN")
        self.sql.execute(statement, (98, "beside", "192.0.2.8"))
        self.sql.execute(statement, (99, "new", "nowhere"))
        self.sql.execute("COMMIT")
        self.poll()
        self.assertEqual(self.current().serial, 10)
        self.sql.execute("UPDATE records SET rdata = '192.0.2.9' WHERE id = 99")
        self.poll()
        self.assertTrue(all(self.current().find(key) is not None for key in (b"\x06beside", b"\x03new")))
        self.assertEqual(self.storing.said, {})

    def test_zonesFollowDatabase(self) -> None:
        """
        Zones are added and removed with the database; a zone without an SOA record is served once it has one.
        """
        other = nameFromText("example.com")
        self.sql.execute("INSERT INTO zones (name) VALUES ('example.com')")
        self.poll()
        self.assertIn(other, self.storing.said)
        place = self.zones.at(other)
        self.assertTrue(place is None or place.state == FAILED)
        self.sql.execute(
            "INSERT INTO records (zone, owner, type, rdata) VALUES (2, '@', 'SOA', 'ns1 h 0 1 1 1 1'), (2, '@', 'NS', 'ns1.example.org.')"
        )
        self.poll()
        self.assertEqual(self.current(other).serial, 3)
        place = self.zones.at(other)
        assert place is not None
        self.assertEqual(place.state, SERVING)
        self.sql.execute("DELETE FROM zones WHERE name = 'example.com'")
        self.poll()
        self.assertIsNone(self.zones.at(other))

    def test_replacedDatabaseIsNoticed(self) -> None:
        """
        A database file that is replaced is noticed: its zones are served, and those that it lacks are not. An update meanwhile is stored in
        it.
        """
        other = nameFromText("other.example.")
        self.store.create(other, [RRSet(other, each.rrType, 1, 60, each.rdatas) for each in records(ZONE)[:2]])
        self.poll()
        self.assertEqual(self.current(other).serial, 10)
        for turn, serial in enumerate((10, 77, 3)):
            beside = f"{self.path}.{turn}"
            new = newStore(beside)
            new.create(APEX, [*records(ZONE.replace(" 10 3600", f" {serial} 3600")), record(f"turn{turn} 60 A 192.0.2.9")])
            new.close()
            os.rename(beside, self.path)
            place = self.zones.at(APEX)
            assert place is not None and place.zone is not None
            result = CommitQueue(self.clock, place.zone, self.storing.journal, self.storing.exclusively).change(self.withRecord)
            self.poll()
            # The serial number of the first is the same, so the change cannot be detected.
            self.assertEqual(self.successResultOf(result).version.serial, serial + 1)
            self.poll()
            node = self.current().find(b"\x05turn%d" % turn)
            self.assertIsNotNone(node)
            self.assertEqual(self.current().serial, serial + 1)
            self.assertIsNone(self.zones.at(other))
            self.assertFalse(os.path.exists(f"{self.path}.{turn}"))
        # A missing or empty database file changes nothing that is served.
        os.rename(self.path, f"{self.path}.kept")
        self.poll()
        with open(self.path, "wb"):
            pass
        self.poll()
        self.assertEqual(os.path.getsize(self.path), 0)
        os.rename(f"{self.path}.kept", self.path)
        self.sql.close()
        self.sql = sqlite3.connect(self.path, isolation_level=None)
        self.addCleanup(self.sql.close)
        self.sql.execute("INSERT INTO records (zone, owner, type, ttl, rdata) SELECT id, 'late', 'A', 60, '192.0.2.7' FROM zones")
        self.poll()
        self.assertIsNotNone(self.current().find(b"\x04late"))

    @staticmethod
    def withRecord(transaction: Transaction) -> None:
        """
        Add a record.
        """
        transaction.add(record(f"made{transaction.version.recordCount} 60 A 192.0.2.9"))

    def test_updateIsWrittenToDatabase(self) -> None:
        """
        An update is in the database when it is acknowledged, and the next poll does not report it again; if the database has
        changed meanwhile, it is made again with that.
        """
        place = self.zones.at(APEX)
        assert place is not None and place.zone is not None
        changing = CommitQueue(self.clock, place.zone, self.storing.journal, self.storing.exclusively)

        def add(transaction: Transaction) -> None:
            transaction.add(record(f"n{transaction.version.serial} 60 A 192.0.2.9"))

        result = changing.change(add)
        self.assertEqual(self.current().serial, 10)
        self.disk.settle()
        self.assertEqual(self.successResultOf(result).version.serial, 11)
        self.assertEqual(self.sql.execute("SELECT serial FROM zones").fetchone(), (11,))
        self.poll()
        self.assertEqual(self.current().serial, 11)
        self.sql.execute("DELETE FROM records WHERE owner = 'n10'")
        result = changing.change(add)
        second = changing.change(add, isFirst=True)
        self.disk.settle()
        self.clock.advance(0)
        self.disk.settle()
        self.assertEqual((self.successResultOf(result).version.serial, self.successResultOf(second).version.serial), (13, 14))
        self.assertEqual(self.current().serial, 14)
        owners = {owner for (owner,) in self.sql.execute("SELECT owner FROM records WHERE owner LIKE 'n1%'")}
        self.assertEqual(owners, {"n12", "n13"})

    def test_prerequisiteIsJudgedAgain(self) -> None:
        """
        When another server has changed the zone, an update is judged again: it fails as it would have failed there, and those after it are
        made.
        """
        changing = CommitQueue(self.clock, self.zone(), self.storing.journal, self.storing.exclusively)

        def once(transaction: Transaction) -> None:
            if transaction.setsAt(b"\x05there"):
                raise BadUpdate("it is there", rcode=Rcode.YXDOMAIN)
            transaction.add(record("there 60 A 192.0.2.1"))

        self.sql.execute("INSERT INTO records (zone, owner, type, ttl, rdata) VALUES (1, 'there', 'A', 60, '192.0.2.9')")
        results = [changing.change(once), changing.change(lambda transaction: transaction.add(record("other 60 A 192.0.2.1")))]
        self.disk.settle()
        self.clock.advance(0)
        self.disk.settle()
        self.assertEqual(self.failureResultOf(results[0], BadUpdate).value.rcode, Rcode.YXDOMAIN)
        self.assertEqual(self.successResultOf(results[1]).version.serial, 12)

    def test_rivals(self) -> None:
        """
        A change is made again some times, not forever; and not if what the database has cannot be served.
        """
        changing = CommitQueue(self.clock, self.zone(), self.storing.journal, self.storing.exclusively)

        def ahead(transaction: Transaction) -> None:
            made.append(transaction.version.serial)
            self.sql.execute(f"INSERT INTO records (zone, owner, type, ttl, rdata) VALUES (1, 'r{len(made)}', 'A', 60, '192.0.2.9')")
            transaction.add(record("own 60 A 192.0.2.1"))

        made: list[int] = []
        result = changing.change(ahead)
        for _ in range(20):
            self.disk.settle()
            self.clock.advance(0)
        self.assertIn("the change begins at", str(self.failureResultOf(result, StorageFault).value))
        self.assertEqual(len(made), 11)
        self.poll()
        self.sql.execute("INSERT INTO records (zone, owner, type, ttl, rdata) VALUES (1, 'wrong', 'A', 60, 'x')")
        result = changing.change(lambda transaction: transaction.add(record("own 60 A 192.0.2.1")))
        self.poll()
        self.assertIn("the change begins at", str(self.failureResultOf(result, StorageFault).value))
        self.sql.execute("DELETE FROM records WHERE owner = 'wrong'")
        self.poll()

    def test_changesOfEitherSideAreTransferred(self) -> None:
        """
        Incremental transfers have the changes from updates and from SQL. There are none after a full read of the zone, and old ones beyond
        the size limit are dropped.
        """
        history = self.storing.historyOf(APEX)
        before = self.current()
        self.sql.execute("INSERT INTO records (zone, owner, type, ttl, rdata) VALUES (1, 'new', 'A', 60, '192.0.2.9')")
        self.poll()
        changing = CommitQueue(self.clock, self.zone(), self.storing.journal, self.storing.exclusively)
        result = changing.change(lambda transaction: transaction.add(record("newer 60 A 192.0.2.9")))
        self.disk.settle()
        self.successResultOf(result)
        self.poll()
        differences = history.since(10)
        assert differences is not None
        self.assertEqual([each.newSerial for each in differences], [11, 12])
        self.assertEqual(textsOf(applied(before, differences)), textsOf(self.current()))
        self.assertIsNotNone(recordsSince(self.current(), 11, history))
        self.assertGreater(history.octetsSince(10) or 0, history.octetsSince(11) or 0)
        self.assertIsNone(history.octetsSince(9))
        with patch.object(events, "CHANGES_OCTETS", Limit(default=300, least=0, most=1000)):
            result = changing.change(lambda transaction: transaction.add(record("newest 60 A 192.0.2.9")))
            self.disk.settle()
            self.successResultOf(result)
        self.assertEqual((history.since(10), len(history.since(12) or ())), (None, 1))
        self.sql.execute("UPDATE zones SET name = 'example.com'")
        self.sql.execute("UPDATE zones SET name = 'example.org'")
        self.sql.execute("DELETE FROM records WHERE owner = 'new'")
        self.poll()
        self.assertIsNone(history.since(12))

    def zone(self) -> Zone:
        """
        Return the zone.
        """
        place = self.zones.at(APEX)
        assert place is not None and place.zone is not None
        return place.zone

    def test_lockedDatabaseIsTriedAgain(self) -> None:
        """
        A database that cannot be read at the start is tried again, and its zones fail until then.
        """
        zones = Zones()
        store = SQLiteStore(self.path)
        storing = DatabasePoller(self.clock, store, ZoneSink(zones), self.disk, label="zones.db")
        storing.wanted = {APEX}
        with patch.object(store, "position", side_effect=StorageFault("zones.db: database is locked")):
            started = storing.start()
            self.disk.settle()
            self.poll()
        self.successResultOf(started)
        place = zones.at(APEX)
        assert place is not None
        self.assertEqual((place.state, place.said), (FAILED, "zones.db: database is locked"))
        self.poll()
        self.assertEqual((place.state, place.said, place.serial), (SERVING, "", 10))
        storing.close()
        self.disk.settle()

    def test_unreadZoneIsTriedAgain(self) -> None:
        """
        A changed zone that could not be read is read at a later poll, whether or not there are further changes.
        """
        with patch.object(self.store, "load", side_effect=StorageFault("zones.db: database is locked")):
            self.sql.execute("UPDATE zones SET name = 'Example.org'")
            self.sql.execute("DELETE FROM records WHERE owner = 'mail'")
            self.poll()
            self.poll()
        self.assertEqual(self.current().serial, 10)
        self.assertIn("locked", self.storing.said[APEX])
        self.poll()
        self.assertGreater(self.current().serial, 10)
        place = self.zones.at(APEX)
        assert place is not None
        self.assertEqual((self.storing.said, place.said, place.serial), ({}, "", self.current().serial))

    def test_unexpectedErrorKeepsPolling(self) -> None:
        """
        An unexpected exception does not end the polling.
        """
        with patch.object(self.store, "news", side_effect=ZeroDivisionError):
            self.poll()
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)
        self.sql.execute("DELETE FROM records WHERE owner = 'mail'")
        self.poll()
        self.assertGreater(self.current().serial, 10)

    def test_unwantedZoneIsNotAdded(self) -> None:
        """
        A zone that is not wanted any more when it has been read is not added again.
        """
        self.sql.execute("UPDATE zones SET name = 'Example.org'")
        self.clock.advance(STORE_LOOKS.default)
        self.disk.turn()
        self.assertTrue(self.disk.waiting)
        self.storing.follow(set())
        self.storing.wanted = set()
        self.zones.remove(APEX)
        self.poll()
        self.assertIsNone(self.zones.at(APEX))

    def test_refusedDatabaseLeavesNoneOpen(self) -> None:
        """
        If one of several new databases cannot be opened, the settings are refused, and the others are closed again.
        """
        wrong = self.mktemp()
        with open(f"{wrong}-damaged", "wb") as file:
            file.write(b"not a database" * 100)
        databases = ZoneDatabases(self.clock, ZoneSink(Zones()), self.disk, Guards())
        makeDatabase(f"{wrong}-before")
        homes = {"one.example": f"{wrong}-before", "two.example": f"{wrong}-damaged"}
        zones = [ZoneSettings({"name": f"{name}.", "store": path}) for name, path in homes.items()]
        with patch.object(SQLiteStore, "close", autospec=True, side_effect=SQLiteStore.close) as closing:
            with self.assertRaisesRegex(BadDescription, "store: "):
                databases.apply(zones)
        self.assertEqual([call.args[0].path for call in closing.call_args_list], [homes["one.example"]])
        self.successResultOf(databases.close())
