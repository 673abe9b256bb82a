"""
Tests of L{twisted_ext.server.zones.dbpoll}: zones of a database, served.
"""

from __future__ import annotations

import os
import sqlite3
from unittest.mock import patch

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from tests.server.update.changed import SlowDisk
from tests.zone.changing import APEX, ZONE, record, records, textsOf, versionOf
from twisted_ext.errors import StorageFault
from twisted_ext.limits import Limit
from twisted_ext.server.authority.source import FAILED, SERVING, Zones
from twisted_ext.server.limits import STORE_LOOKS
from twisted_ext.server.update.commit import Changing, Made
from twisted_ext.server.zones.dbpoll import StoreJournal, Storing
from twisted_ext.server.zones.sqlite import SQLiteStore
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
    Tests for L{Storing}.
    """

    def setUp(self) -> None:
        path = self.path = self.mktemp()
        store = SQLiteStore(path)
        store.create(APEX, records(ZONE))
        self.sql = sqlite3.connect(path, isolation_level=None)
        self.addCleanup(self.sql.close)
        self.clock = Clock()
        self.disk = SlowDisk()
        self.zones = Zones()
        self.told: list[int] = []
        self.storing = Storing(
            self.clock, store, self.zones, self.disk, changed=lambda version: self.told.append(version.serial), label="zones.db"
        )
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
        @return: what is in force.
        """
        place = self.zones.at(apex)
        assert place is not None and place.zone is not None
        return place.zone.current

    def passes(self) -> None:
        """
        Let so much time go by that the database is looked at once.
        """
        self.clock.advance(STORE_LOOKS.default)
        for _ in range(20):
            self.disk.settle()
            self.clock.advance(0)

    def test_served(self) -> None:
        """
        The zones of a database are served from the beginning on.
        """
        self.assertEqual(textsOf(self.current()), textsOf(versionOf()))
        self.assertEqual(self.told, [10])

    def test_changed(self) -> None:
        """
        What somebody changes with SQL is in force a moment later, with a newer serial number.
        """
        self.sql.execute("INSERT INTO records (zone, owner, type, ttl, rdata) VALUES (1, 'new', 'A', 60, '192.0.2.9')")
        self.sql.execute("DELETE FROM records WHERE owner = 'mail' AND type = 'AAAA'")
        self.passes()
        self.assertEqual(self.current().serial, 12)
        found = self.current().find(b"\x03new")
        assert found is not None
        self.assertEqual(found.of(A), record("new 60 A 192.0.2.9"))
        mail = self.current().find(b"\x04mail")
        assert mail is not None
        self.assertEqual(mail.types, (A,))
        self.assertEqual(self.told, [10, 12])
        self.passes()
        self.assertEqual(self.told, [10, 12])

    def test_many(self) -> None:
        """
        Thousands of changes are put in force as well, not all of them at once.
        """
        self.sql.execute("BEGIN")
        self.sql.executemany(
            "INSERT INTO records (zone, owner, type, ttl, rdata) VALUES (1, ?, 'A', 60, '192.0.2.9')", [(f"h{n}",) for n in range(3000)]
        )
        self.sql.execute("COMMIT")
        self.passes()
        self.assertEqual(self.current().serial, 3010)
        self.assertIsNotNone(self.current().find(b"\x05h2999"))

    def test_mistake(self) -> None:
        """
        A mistake is told, the zone stays as it is, and goes on once the mistake is mended.
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
                "stands alone",
            ),
        ):
            before = self.current()
            self.sql.execute(statement)
            self.passes()
            self.assertIs(self.current(), before)
            self.assertIn(said, self.storing.said[APEX])
            self.sql.execute(mended)
            self.passes()
            self.assertEqual(self.storing.said, {})
            self.assertGreater(self.current().serial, before.serial)
        self.assertIsNotNone(self.current().find(b"\x03new"))

    def test_zones(self) -> None:
        """
        Zones come and go with the database; one without an SOA is there once it has one.
        """
        other = nameFromText("example.com")
        self.sql.execute("INSERT INTO zones (name) VALUES ('example.com')")
        self.passes()
        self.assertIn(other, self.storing.said)
        place = self.zones.at(other)
        self.assertTrue(place is None or place.state == FAILED)
        self.sql.execute(
            "INSERT INTO records (zone, owner, type, rdata) VALUES (2, '@', 'SOA', 'ns1 h 0 1 1 1 1'), (2, '@', 'NS', 'ns1.example.org.')"
        )
        self.passes()
        self.assertEqual(self.current(other).serial, 3)
        place = self.zones.at(other)
        assert place is not None
        self.assertEqual(place.state, SERVING)
        self.sql.execute("DELETE FROM zones WHERE name = 'example.com'")
        self.passes()
        self.assertIsNone(self.zones.at(other))

    def test_replaced(self) -> None:
        """
        A database that takes the place of the one before is noticed: its zones are served, those that it does not have are not, and what
        is changed goes there or fails, but is not lost.
        """
        other = nameFromText("other.example.")
        self.store.create(other, [RRSet(other, each.rrType, 1, 60, each.rdatas) for each in records(ZONE)[:2]])
        self.passes()
        self.assertEqual(self.current(other).serial, 10)
        for turn, serial in enumerate((10, 77, 3)):
            beside = f"{self.path}.{turn}"
            new = SQLiteStore(beside)
            new.create(APEX, [*records(ZONE.replace(" 10 3600", f" {serial} 3600")), record(f"turn{turn} 60 A 192.0.2.9")])
            new.close()
            os.rename(beside, self.path)
            place = self.zones.at(APEX)
            assert place is not None and place.zone is not None
            result = Changing(self.clock, place.zone, self.storing.keeper(), self.storing.exclusively).change(self.made)
            self.disk.settle()
            if turn != 0:
                self.failureResultOf(result, StorageFault)
            else:
                # The same serial number: nobody could know.
                self.successResultOf(result)
            self.passes()
            node = self.current().find(b"\x05turn%d" % turn)
            self.assertIsNotNone(node)
            self.assertEqual(self.current().serial, 11 if turn == 0 else serial)
            self.assertIsNone(self.zones.at(other))
            self.assertFalse(os.path.exists(f"{self.path}.{turn}"))
        # What is no database, or none yet, changes nothing that is served.
        os.rename(self.path, f"{self.path}.kept")
        self.passes()
        with open(self.path, "wb"):
            pass
        self.passes()
        self.assertEqual(os.path.getsize(self.path), 0)
        os.rename(f"{self.path}.kept", self.path)
        self.sql.close()
        self.sql = sqlite3.connect(self.path, isolation_level=None)
        self.addCleanup(self.sql.close)
        self.sql.execute("INSERT INTO records (zone, owner, type, ttl, rdata) SELECT id, 'late', 'A', 60, '192.0.2.7' FROM zones")
        self.passes()
        self.assertIsNotNone(self.current().find(b"\x04late"))

    @staticmethod
    def made(version: Version) -> Made:
        """
        @return: the next version.
        """
        transaction = Transaction(version)
        transaction.add(record(f"made{version.recordCount} 60 A 192.0.2.9"))
        return transaction.commit()

    def test_written(self) -> None:
        """
        A change made to the zone by its server is in the database when it is acknowledged, and is no news to it; where somebody has
        changed the database meanwhile, it is refused.
        """
        place = self.zones.at(APEX)
        assert place is not None and place.zone is not None
        changing = Changing(self.clock, place.zone, StoreJournal(self.store), self.storing.exclusively)

        def add(version: Version) -> Made:
            transaction = Transaction(version)
            transaction.add(record(f"n{version.serial} 60 A 192.0.2.9"))
            return transaction.commit()

        result = changing.change(add)
        self.assertEqual(self.current().serial, 10)
        self.disk.settle()
        self.assertEqual(self.successResultOf(result).serial, 11)
        self.assertEqual(self.sql.execute("SELECT serial FROM zones").fetchone(), (11,))
        self.passes()
        self.assertEqual(self.current().serial, 11)
        self.sql.execute("DELETE FROM records WHERE owner = 'n10'")
        result = changing.change(add)
        self.disk.settle()
        self.failureResultOf(result, StorageFault)
        self.passes()
        self.assertEqual(self.current().serial, 12)
        result = changing.change(add)
        self.disk.settle()
        self.assertEqual(self.successResultOf(result).serial, 13)

    def test_differences(self) -> None:
        """
        Those who transfer the zone get what has changed, whoever has changed it; of what was read as a whole, and of more than is sent in
        differences, nothing is known.
        """
        history = self.storing.historyOf(APEX)
        before = self.current()
        self.sql.execute("INSERT INTO records (zone, owner, type, ttl, rdata) VALUES (1, 'new', 'A', 60, '192.0.2.9')")
        self.passes()
        changing = Changing(self.clock, self.zone(), self.storing.keeper(), self.storing.exclusively)
        result = changing.change(lambda version: self.added(version, "newer 60 A 192.0.2.9"))
        self.disk.settle()
        self.successResultOf(result)
        self.passes()
        differences = history.since(10)
        assert differences is not None
        self.assertEqual([each.newSerial for each in differences], [11, 12])
        self.assertEqual(textsOf(applied(before, differences)), textsOf(self.current()))
        self.assertIsNotNone(recordsSince(self.current(), 11, history))
        self.assertGreater(history.octetsSince(10) or 0, history.octetsSince(11) or 0)
        self.assertIsNone(history.octetsSince(9))
        with patch.object(events, "CHANGES_OCTETS", Limit(default=300, least=0, most=1000)):
            result = changing.change(lambda version: self.added(version, "newest 60 A 192.0.2.9"))
            self.disk.settle()
            self.successResultOf(result)
        self.assertEqual((history.since(10), len(history.since(12) or ())), (None, 1))
        self.sql.execute("UPDATE zones SET name = 'example.com'")
        self.sql.execute("UPDATE zones SET name = 'example.org'")
        self.sql.execute("DELETE FROM records WHERE owner = 'new'")
        self.passes()
        self.assertIsNone(history.since(12))

    def zone(self) -> Zone:
        """
        @return: what is served.
        """
        place = self.zones.at(APEX)
        assert place is not None and place.zone is not None
        return place.zone

    def added(self, version: Version, text: str) -> Made:
        """
        @return: a version with one record more.
        """
        transaction = Transaction(version)
        transaction.add(record(text))
        return transaction.commit()

    def test_lockedAtFirst(self) -> None:
        """
        A database that cannot be read at the beginning is tried again, and until then whoever asks for its zones is told to come back.
        """
        zones = Zones()
        store = SQLiteStore(self.path)
        storing = Storing(self.clock, store, zones, self.disk, label="zones.db")
        storing.wanted = {APEX}
        with patch.object(store, "position", side_effect=StorageFault("zones.db: database is locked")):
            started = storing.start()
            self.disk.settle()
            self.passes()
        self.successResultOf(started)
        place = zones.at(APEX)
        assert place is not None
        self.assertEqual((place.state, place.said), (FAILED, "zones.db: database is locked"))
        self.passes()
        self.assertEqual((place.state, place.said, place.serial), (SERVING, "", 10))
        storing.close()
        self.disk.settle()

    def test_lockedLater(self) -> None:
        """
        A zone that could not be read when it had changed is read when that is possible, whether or not there is more that is new.
        """
        with patch.object(self.store, "load", side_effect=StorageFault("zones.db: database is locked")):
            self.sql.execute("UPDATE zones SET name = 'Example.org'")
            self.sql.execute("DELETE FROM records WHERE owner = 'mail'")
            self.passes()
            self.passes()
        self.assertEqual(self.current().serial, 10)
        self.assertIn("locked", self.storing.said[APEX])
        self.passes()
        self.assertGreater(self.current().serial, 10)
        place = self.zones.at(APEX)
        assert place is not None
        self.assertEqual((self.storing.said, place.said, place.serial), ({}, "", self.current().serial))

    def test_unthoughtOf(self) -> None:
        """
        A look that ends as nobody has thought of is not the last one.
        """
        with patch.object(self.store, "news", side_effect=ZeroDivisionError):
            self.passes()
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)
        self.sql.execute("DELETE FROM records WHERE owner = 'mail'")
        self.passes()
        self.assertGreater(self.current().serial, 10)

    def test_goneMeanwhile(self) -> None:
        """
        A zone that is not wanted any more when it has been read is not put there again.
        """
        self.sql.execute("UPDATE zones SET name = 'Example.org'")
        self.clock.advance(STORE_LOOKS.default)
        self.disk.turn()
        self.assertTrue(self.disk.waiting)
        self.storing.follow(set())
        self.storing.wanted = set()
        self.zones.remove(APEX)
        self.passes()
        self.assertIsNone(self.zones.at(APEX))
