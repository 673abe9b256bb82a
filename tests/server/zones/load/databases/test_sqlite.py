"""
Tests of L{twisted_ext.server.zones.load.databases.sqlite}: zones that can be changed by SQL.
"""

from __future__ import annotations

import sqlite3

from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from tests.server.zones.load.stored import newStore
from tests.zone.changing import APEX, ZONE, record, records, versionOf
from twisted_ext.errors import BadZone, StorageFault
from twisted_ext.interfaces import IZoneStore
from twisted_ext.server.zones.load.databases.sqlite import SQLiteStore
from twisted_ext.wire.names import nameFromText
from twisted_ext.wire.rrtypes import SOA
from twisted_ext.zone.store.events import News
from twisted_ext.zone.store.serials import serialIn
from twisted_ext.zone.update.transactions import Transaction


class SQLiteStoreTests(SynchronousTestCase):
    """
    Tests for L{SQLiteStore}.
    """

    def setUp(self) -> None:
        self.path = self.mktemp()
        self.store = newStore(self.path)
        self.addCleanup(self.store.close)
        self.store.create(APEX, records(ZONE))
        self.sql = sqlite3.connect(self.path, isolation_level=None)
        self.addCleanup(self.sql.close)
        self.sql.execute("PRAGMA foreign_keys = ON")

    def serial(self) -> int:
        """
        Return the zone's serial number according to the store.
        """
        return next(serialIn(rrset.rdatas[0]) for rrset in self.store.load(APEX) if rrset.rrType == SOA)

    def news(self, since: int) -> tuple[int, dict[bytes, News]]:
        """
        Return the changes, and check that none is invalid.
        """
        position, found = self.store.news(since)
        assert not any(isinstance(each, BadZone) for each in found.values()), found
        return position, {apex: news for apex, news in found.items() if isinstance(news, News)}

    def test_providesZoneStore(self) -> None:
        """
        The store provides L{IZoneStore}.
        """
        verifyObject(IZoneStore, self.store)

    def test_createdZoneLoadsBack(self) -> None:
        """
        A created zone loads back; an unknown zone and a second creation are errors.
        """
        self.assertEqual(self.store.zones(), {APEX: 10})
        self.assertEqual(set(self.store.load(APEX)), set(records(ZONE)))
        self.assertRaises(BadZone, self.store.load, nameFromText("example.com"))
        self.assertRaises(StorageFault, self.store.create, APEX, records(ZONE))

    def test_sqlChangeIsNews(self) -> None:
        """
        Every change of a record by SQL raises the serial number and is news for its name alone, in any spelling of the name.
        """
        position = self.store.position()
        self.assertEqual(self.news(position)[1], {})
        for statement, names in (
            ("INSERT INTO records (zone, owner, type, ttl, rdata) VALUES (1, 'new', 'A', 60, '192.0.2.9')", {"new"}),
            ("INSERT INTO records (zone, owner, type, ttl, rdata) VALUES (1, 'NEW.example.org.', 'a', 60, '192.0.2.8')", {"new"}),
            ("UPDATE records SET rdata = '192.0.2.7' WHERE owner = 'new' AND rdata = '192.0.2.9'", {"new"}),
            ("UPDATE records SET owner = 'moved' WHERE owner = 'new'", {"new", "moved"}),
            ("DELETE FROM records WHERE owner = 'moved'", {"moved"}),
        ):
            before = self.serial()
            self.sql.execute(statement)
            position, news = self.news(position)
            self.assertGreater(self.serial(), before, statement)
            names_ = news[APEX].names
            assert names_ is not None
            self.assertEqual(set(names_), {nameFromText(name, APEX) for name in names}, statement)
            self.assertEqual(news[APEX].serial, self.serial())
        self.assertEqual(self.news(position)[1], {})

    def test_newsHasAllRecordsOfName(self) -> None:
        """
        The news of a name has all of its records, however the rows spell the name.
        """
        position = self.store.position()
        self.sql.execute("INSERT INTO records (zone, owner, type, ttl, rdata) VALUES (1, 'MAIL.example.org.', 'A', 300, '192.0.2.9')")
        news = self.news(position)[1][APEX]
        mail = nameFromText("mail", APEX)
        assert news.names is not None
        (addresses,) = [rrset for rrset in news.names[mail] if rrset.rrType == 1]
        self.assertEqual(len(addresses.rdatas), 3)

    def test_addedAndRemovedZonesAreNews(self) -> None:
        """
        Zones that are added, renamed or deleted are news.
        """
        position = self.store.position()
        other = nameFromText("example.com")
        self.sql.execute("INSERT INTO zones (name) VALUES ('example.com')")
        position, news = self.news(position)
        self.assertIsNone(news[other].names)
        self.sql.execute("UPDATE zones SET name = 'example.net' WHERE name = 'example.com'")
        position, news = self.news(position)
        self.assertIsNone(news[other].serial)
        self.assertEqual(news[nameFromText("example.net")].serial, 1)
        self.sql.execute("DELETE FROM zones WHERE name = 'example.org.'")
        position, news = self.news(position)
        self.assertIsNone(news[APEX].serial)
        self.assertEqual(self.sql.execute("SELECT count(*) FROM records").fetchone(), (0,))

    def test_invalidRecordIsNumbered(self) -> None:
        """
        An invalid record is reported with its number and the error.
        """
        position = self.store.position()
        self.sql.execute("INSERT INTO records (id, zone, owner, type, ttl, rdata) VALUES (13, 1, 'new', 'A', 60, '192.0.2.999')")
        _, found = self.store.news(position)
        self.assertIn("example.org., record 13: column 1", str(found[APEX]))
        self.assertRaises(BadZone, self.store.load, APEX)
        for owner, kind in (("new", "FOO"), ("www.example.com.", "A"), ("a..b", "A"), ("new", "AXFR")):
            self.sql.execute("DELETE FROM records WHERE id = 13")
            self.sql.execute("INSERT INTO records (id, zone, owner, type, ttl, rdata) VALUES (13, 1, ?, ?, 60, '192.0.2.9')", (owner, kind))
            self.assertIn("record 13", str(self.assertRaises(BadZone, self.store.load, APEX)))

    def test_updateIsWritten(self) -> None:
        """
        An update is written to the database with its serial number.
        """
        version = versionOf()
        transaction = Transaction(version)
        transaction.add(record("new 60 TXT \"a b\" c"))
        transaction.remove(record("mail 0 A 192.0.2.3"))
        transaction.add(record("mail 60 A 192.0.2.44"))
        transaction.add(record("@ 60 CAA 0 issue \"example.com\""))
        committed = transaction.commit()
        assert committed is not None
        self.store.write([committed[1]])
        self.assertEqual(self.serial(), 11)
        after = {rrset for node in committed[0].nodes() for rrset in node.sets}
        self.assertEqual(set(self.store.load(APEX)), after)
        self.assertIn("is at serial 11", str(self.assertRaises(StorageFault, self.store.write, [committed[1]])))
        self.assertEqual(set(self.store.load(APEX)), after)

    def test_databaseIsOpenedAgain(self) -> None:
        """
        A database can be opened again; the database of another program is not changed.
        """
        again = SQLiteStore(self.path)
        self.addCleanup(again.close)
        self.assertEqual(list(again.zones()), [APEX])
        other = self.mktemp()
        with sqlite3.connect(other) as connection:
            connection.execute("CREATE TABLE t (x)")
        connection.close()
        self.assertIn("another application", str(self.assertRaises(StorageFault, SQLiteStore, other)))
        self.assertRaises(StorageFault, SQLiteStore, "/nowhere/at/all")

    def test_truncatedHistoryReloadsZone(self) -> None:
        """
        Zones are read in full if more has changed than the history holds.
        """
        self.sql.execute("DELETE FROM changes")
        self.sql.execute("INSERT INTO records (zone, owner, type, ttl, rdata) VALUES (1, 'new', 'A', 60, '192.0.2.9')")
        _, news = self.news(0)
        self.assertIsNone(news[APEX].names)
