"""
Tests of L{twisted_ext.server.zones.table.guards}, of the last good copies of zones, and of what waits of each origin.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import cast
from unittest.mock import patch

from twisted.internet.defer import succeed
from twisted.internet.task import Clock
from twisted.logger import capturedLogs, formatEvent
from twisted.trial.unittest import SynchronousTestCase

from tests.server.zones.load.loaded import LoadingCase
from tests.server.zones.load.stored import newStore
from tests.server.zones.update.changed import SlowDisk
from tests.zone.changing import APEX, ZONE, edited, records, textsOf, versionOf
from twisted_ext.errors import BadDescription, StorageFault
from twisted_ext.server.config.settings import Settings
from twisted_ext.server.config.zonesettings import ZoneSettings
from twisted_ext.server.limits import COPY_PAUSE, STORE_LOOKS
from twisted_ext.server.zones.load import copies as copiesModule
from twisted_ext.server.zones.load.arrivals import Arrivals
from twisted_ext.server.zones.load.copies import Copies
from twisted_ext.server.zones.load.databases.dbzones import ZoneDatabases
from twisted_ext.server.zones.load.databases.sqlite import SQLiteStore
from twisted_ext.server.zones.load.loader import ZoneLoader
from twisted_ext.server.zones.table.guards import Guards
from twisted_ext.server.zones.table.sink import ZoneSink
from twisted_ext.server.zones.table.zonetable import FAILED, SERVING, Place, Zones, zoneFigures
from twisted_ext.wire.codes import IN
from twisted_ext.wire.names import nameFromText
from twisted_ext.wire.records import RRSet
from twisted_ext.zone.store.image import Image
from twisted_ext.zone.store.imagebuilder import ImageBuilder
from twisted_ext.zone.store.traversal import difference
from twisted_ext.zone.store.version import Version

_MANY = "".join([f"h{number} 300 A 192.0.2.{number}\n" for number in range(40)])


def _damaged(octets: bytes) -> tuple[bytes, ...]:
    return b"", octets[: len(octets) // 2], octets[:40] + bytes([octets[40] ^ 1]) + octets[41:], os.urandom(200)


def test_shares() -> None:
    """
    What has lost more than half of its records waits, but not small zones; zones in a catalog are held to a tenth.
    """
    guards = Guards(Settings())
    for standing, arrived, waits in ((100, 50, False), (100, 49, True), (20, 10, False), (21, 10, True), (0, 0, False), (5, 500, False)):
        assert bool(guards.judge(APEX, standing, arrived)) == waits, (standing, arrived)
        assert (APEX in guards.waiting) == waits
    guards.catalogs = {APEX}
    for standing, arrived, waits in ((200, 180, False), (200, 179, True), (50, 40, False), (50, 39, True)):
        assert bool(guards.judge(APEX, standing, arrived)) == waits, (standing, arrived)
    assert guards.judge(APEX, 5000, 12) == "4,988 of 5,000 zones are gone; to take that: txdns control zone accept example.org."
    said = "/a, /b: 501 of 5,000 zones are gone, and are served as before; to take that: txdns control reload"
    assert guards.judgeZones({"/a": 4000, "/b": 1000}, {"/a": 500, "/b": 1}) == said
    assert not guards.judgeZones({"/a": 4000, "/b": 1000}, {"/a": 500})
    assert not guards.judgeZones({"/a": 20}, {"/a": 10})


def test_emptiedFolder() -> None:
    """
    What a folder or list has lost waits if that is all that it had, however few zones these are.
    """
    guards = Guards(Settings())
    said = "/b: 2 of 102 zones are gone, and are served as before; to take that: txdns control reload"
    assert guards.judgeZones({"/a": 100, "/b": 2}, {"/b": 2}) == said
    assert not guards.judgeZones({"/a": 100, "/b": 2}, {"/b": 1})


def test_acceptedOnce() -> None:
    """
    What is accepted is the next version alone, and only if one waits.
    """
    guards = Guards(Settings())
    assert not guards.accept(APEX)
    assert guards.judge(APEX, 100, 1)
    assert guards.accept(APEX)
    assert not guards.judge(APEX, 100, 1) and APEX not in guards.waiting
    assert guards.judge(APEX, 100, 1)
    assert guards.accept(APEX) and not guards.judge(APEX, 100, 100)
    assert guards.judge(APEX, 100, 1)


def test_bounds() -> None:
    """
    The bounds are settings, and 100 switches a guard off; other numbers are refused.
    """
    guards = Guards(Settings.of(recordsLost=100, zonesLost=100))
    assert not guards.judge(APEX, 1000, 1) and not guards.judgeGone(APEX, 1000) and not guards.judgeZones({"/a": 1000}, {"/a": 1000})
    guards.follow(Settings.of(recordsLost=20, zonesLost=50))
    assert guards.judge(APEX, 100, 79) and not guards.judge(APEX, 100, 80)
    assert guards.judgeGone(APEX, 3) == "all of its 3 records are gone; to take that: txdns control zone accept example.org."
    for wrong in (0, 101):
        try:
            Settings.of(recordsLost=wrong)
        except BadDescription as fault:
            assert "takes a number from 1 to 100" in str(fault)
        else:
            raise AssertionError(wrong)


class DatabaseTests(SynchronousTestCase):
    """
    Zones of a database on a server with a state folder.
    """

    def setUp(self) -> None:
        self.folder = Path(self.mktemp())
        self.folder.mkdir()
        self.path = str(self.folder / "zones.sqlite")
        store = newStore(self.path)
        store.create(APEX, records(ZONE + _MANY))
        store.close()
        self.sql = sqlite3.connect(self.path, isolation_level=None)
        self.sql.execute("PRAGMA foreign_keys = ON")
        self.addCleanup(self.sql.close)
        self.begin()
        self.addCleanup(self.end)

    def begin(self, *, starts: bool = True) -> None:
        """
        Start as a server does.
        """
        self.clock = Clock()
        self.disk = SlowDisk()
        self.zones = Zones()
        self.guards = Guards(Settings())
        # Without stages the loader has nothing to do.
        loader = cast("ZoneLoader", None)
        self.arrivals = Arrivals(self.clock, ZoneSink(self.zones), loader, str(self.folder / "state"), self.disk)
        self.databases = ZoneDatabases(self.clock, self.arrivals, self.disk, self.guards)
        zone = ZoneSettings({"name": "example.org.", "store": self.path})
        self.databases.apply([zone], starts=starts)
        self.arrivals.follow(APEX, zone)
        self.databases.start()

    def end(self) -> None:
        kept, closed = self.arrivals.close(succeed(None)), self.databases.close()
        self.disk.settle()
        self.successResultOf(kept)
        self.successResultOf(closed)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def poll(self, seconds: float = STORE_LOOKS.default) -> None:
        self.clock.advance(seconds)
        for _ in range(20):
            self.disk.settle()
            self.clock.advance(0)

    def rows(self) -> dict[bytes, bytes]:
        """
        Return the copies that are on disk.
        """
        with closing(sqlite3.connect(self.folder / "state" / "copies" / "copies.sqlite")) as copies:
            return dict(copies.execute("SELECT zone, image FROM copies"))

    @property
    def place(self) -> Place:
        place = self.zones.at(APEX)
        assert place is not None
        return place

    def current(self) -> Version:
        assert self.place.zone is not None and self.place.state == SERVING, self.place
        return self.place.zone.current

    def accept(self) -> list[str]:
        """
        Do what C{txdns control zone accept} does.
        """
        self.assertTrue(self.guards.accept(APEX))
        reading = self.databases.reloadZone(APEX)
        assert reading is not None
        self.poll()
        return self.successResultOf(reading)

    def test_startWithoutDatabase(self) -> None:
        """
        A server that starts while its database is away serves the last good copy, before it asks for the database, and follows that once it
        is back. It does not make one.
        """
        self.poll()
        self.sql.execute("INSERT INTO records (zone, owner, type, ttl, rdata) VALUES (1, 'late', 'A', 60, '192.0.2.9')")
        self.poll()
        before = textsOf(self.current())
        self.end()
        os.rename(self.path, f"{self.path}.away")
        self.begin()
        self.assertEqual(textsOf(self.current()), before)
        self.poll()
        self.assertEqual(textsOf(self.current()), before)
        self.assertIn("there is no database; txdns zone edit --store", self.place.said)
        self.assertFalse(os.path.exists(self.path))
        os.rename(f"{self.path}.away", self.path)
        self.poll()
        self.assertEqual((textsOf(self.current()), self.place.said), (before, ""))
        self.sql.execute("DELETE FROM records WHERE owner = 'late'")
        self.poll()
        self.assertNotEqual(textsOf(self.current()), before)

    def test_reloadWithoutDatabase(self) -> None:
        """
        Settings that name a new database that cannot be opened are refused.
        """
        self.end()
        os.unlink(self.path)
        with self.assertRaisesRegex(BadDescription, "store: .*there is no database"):
            self.begin(starts=False)

    def test_databaseGoesAway(self) -> None:
        """
        While the database is away, its zones are served and marked, and updates are refused; when it is back, the mark is gone.
        """
        self.poll()
        before = self.current()
        os.rename(self.path, f"{self.path}.away")
        self.poll()
        self.assertIs(self.current(), before)
        self.assertIn("there is no database", self.place.said)
        os.rename(f"{self.path}.away", self.path)
        self.poll()
        self.assertIs(self.current(), before)
        self.assertEqual(self.place.said, "")

    def test_databaseIsDamaged(self) -> None:
        """
        While the file of the database is damaged, which nothing but its octets tells, its zones are served and say so. When it is whole
        again, they do not.
        """
        self.poll()
        before = textsOf(self.current())
        self.sql.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        self.poll()
        path = Path(self.path)
        whole = path.read_bytes()
        for octets in (whole[:100] + os.urandom(len(whole) - 100), os.urandom(len(whole)), b"x" * 6000 + whole[6000:]):
            with path.open("r+b") as file:
                file.write(octets)
            for _ in range(3):
                self.poll()
                self.assertRegex(self.place.said, "malformed|not a database")
                self.assertEqual(textsOf(self.current()), before)
            with path.open("r+b") as file:
                file.write(whole)
            self.poll()
            self.assertEqual((self.place.said, textsOf(self.current())), ("", before))

    def test_databaseCannotBeWritten(self) -> None:
        """
        A zone whose update the database refuses as it is damaged says so, though there is nothing to read since; it says so until it can be
        read. So it does if the database fails in a way that nobody has thought of.
        """
        self.poll()
        keeper = self.databases.keeperOf(APEX)
        assert keeper is not None
        after = edited(self.current(), "made 300 A 192.0.2.1")
        with patch.object(SQLiteStore, "_load", side_effect=sqlite3.DatabaseError("database disk image is malformed")):
            with patch.object(SQLiteStore, "_write", side_effect=sqlite3.DatabaseError("database disk image is malformed")):
                self.assertRaises(StorageFault, keeper[0].append, [difference(self.current(), after)])
            for _ in range(3):
                self.poll()
                self.assertIn("malformed", self.place.said)
        self.poll()
        self.assertEqual(self.place.said, "")
        with patch.object(SQLiteStore, "news", side_effect=ValueError("no number")):
            self.poll()
            self.assertIn("ValueError: no number", self.place.said)
            self.arrivals.arrived(self.current())
            self.assertEqual(self.place.said, "")
            self.poll()
            self.assertIn("ValueError: no number", self.place.said)
        self.flushLoggedErrors(ValueError)
        self.poll()
        self.assertEqual(self.place.said, "")

    def test_zoneVanishes(self) -> None:
        """
        A zone that the database has no more is served until that is accepted, over restarts too; then it is gone, and comes back with its
        row.
        """
        self.poll()
        before = textsOf(self.current())
        self.sql.execute("DELETE FROM zones")
        self.poll()
        self.assertEqual(textsOf(self.current()), before)
        self.assertIn("all of its 51 records are gone; to take that: txdns control zone accept example.org.", self.place.said)
        self.end()
        self.begin()
        self.poll()
        self.assertEqual(textsOf(self.current()), before)
        self.assertIn("records are gone", self.place.said)
        self.assertEqual(self.accept(), ["example.org.: is served no more"])
        self.assertIsNone(self.zones.at(APEX))
        self.end()
        self.begin()
        self.poll()
        self.assertEqual((self.place.state, self.place.zone), (FAILED, None))
        store = newStore(self.path)
        store.create(APEX, records(ZONE))
        store.close()
        self.poll()
        self.assertEqual(textsOf(self.current()), textsOf(versionOf(ZONE)))

    def test_recordsVanish(self) -> None:
        """
        A zone that has lost most of its records stays as it was until that is accepted, or the records are back.
        """
        self.poll()
        before = self.current()
        for _ in range(2):
            self.sql.execute("BEGIN")
            self.sql.execute("CREATE TEMP TABLE gone AS SELECT * FROM records WHERE owner LIKE 'h%'")
            self.sql.execute("DELETE FROM records WHERE owner LIKE 'h%'")
            self.sql.execute("COMMIT")
            self.poll()
            self.assertIs(self.current(), before)
            self.assertIn("40 of 51 records are gone", self.place.said)
            self.sql.execute("INSERT INTO records SELECT * FROM gone")
            self.sql.execute("DROP TABLE gone")
            self.poll()
            self.assertEqual(self.place.said, "")
            self.assertEqual(self.current().recordCount, 51)
            before = self.current()
        self.sql.execute("DELETE FROM records WHERE owner LIKE 'h%'")
        self.poll()
        self.assertEqual(self.accept(), [f"example.org.: serial {self.current().serial}, 11 records"])
        self.assertEqual((self.current().recordCount, self.place.said), (11, ""))

    def test_namesAreNoSQL(self) -> None:
        """
        Names and data in the database, and names in queries for it, are data: none is taken for SQL.
        """
        self.poll()
        hostile = "x';DROP TABLE records;--"
        for owner, kind, data in ((hostile, "A", "192.0.2.1"), ("text", "TXT", f'"{hostile}"'), ("@", hostile, "1")):
            self.sql.execute("INSERT INTO records (zone, owner, type, ttl, rdata) VALUES (1, ?, ?, 60, ?)", (owner, kind, data))
            self.poll()
        self.assertIn("is not a record type", self.place.said)
        self.sql.execute("DELETE FROM records WHERE type = ?", (hostile,))
        self.sql.execute("INSERT INTO zones (name) VALUES (?)", (hostile,))
        self.poll()
        self.assertEqual(self.place.said, "")
        node = self.current().find(bytes([len(hostile)]) + hostile.lower().encode())
        assert node is not None
        self.assertEqual(len(node.sets), 1)

    def test_oldBackup(self) -> None:
        """
        A database that was put back from a backup, with an older serial, is served, and the log warns that secondaries will not take it.
        """
        self.poll()
        beside = f"{self.path}.old"
        store = newStore(beside)
        store.create(APEX, records(ZONE.replace(" 10 ", " 3 ") + _MANY))
        store.close()
        os.rename(beside, self.path)
        with capturedLogs() as events:
            self.poll()
        self.assertEqual(self.current().serial, 3)
        self.assertIn("serial 10 is now 3 in ", "\n".join([formatEvent(event) for event in events]))

    def test_nothingWaitsWithoutItsZone(self) -> None:
        """
        When the settings do not name a zone any more, nothing of it waits.
        """
        self.poll()
        self.sql.execute("DELETE FROM zones")
        self.poll()
        self.assertEqual(set(self.guards.waiting), {APEX})
        self.databases.apply([])
        self.arrivals.follow(APEX, None)
        self.poll()
        self.assertEqual((self.guards.waiting, self.zones.at(APEX)), ({}, None))
        self.assertEqual(self.rows(), {})

    def test_soaVanishes(self) -> None:
        """
        A zone that has lost its SOA record stays as it was.
        """
        self.poll()
        before = self.current()
        self.sql.execute("DELETE FROM records WHERE type = 'SOA'")
        self.poll()
        self.assertIs(self.current(), before)
        self.assertIn("SOA", self.place.said)

    def test_copiesAreWrittenNowAndThen(self) -> None:
        """
        A zone that changes all the time is written every ten seconds, and when the server stops; one that does not change is not written.
        """
        self.poll()
        before = self.rows()
        self.assertEqual(set(before), {APEX})
        for number in range(4):
            self.sql.execute(f"INSERT INTO records (zone, owner, type, ttl, rdata) VALUES (1, 'n{number}', 'A', 60, '192.0.2.9')")
            self.poll()
            self.assertEqual(self.rows(), before)
        self.poll(COPY_PAUSE.default)
        self.assertNotEqual(self.rows(), before)
        with patch.object(Copies, "write") as written:
            self.poll(COPY_PAUSE.default)
        self.assertEqual(written.call_count, 0)
        self.sql.execute("DELETE FROM records WHERE owner = 'n3'")
        self.poll()
        expected = textsOf(self.current())
        self.end()
        shutil.move(self.path, f"{self.path}.away")
        self.begin()
        self.assertEqual(textsOf(self.current()), expected)

    def test_copyIsOlderThanTheDatabase(self) -> None:
        """
        After a crash, a copy is served while the database is read, if it has the same serial number. If it lacks the last changes, clients
        never see it: an update that was acknowledged stays.
        """
        self.poll()
        copies = self.folder / "state" / "copies"
        self.poll(COPY_PAUSE.default)
        shutil.copytree(copies, self.folder / "crashed")
        self.sql.execute("INSERT INTO records (zone, owner, type, ttl, rdata) VALUES (1, 'late', 'A', 60, '192.0.2.9')")
        self.poll()
        late = textsOf(self.current())

        def starts() -> list[set[tuple[bytes, int, int, bytes]] | None]:
            """
            Return what clients see of a start.
            """
            self.begin()
            seen: list[set[tuple[bytes, int, int, bytes]] | None] = []
            for _ in range(10):
                zone = self.place.zone
                seen.append(None if zone is None else textsOf(zone.current))
                self.disk.turn()
            return seen

        self.end()
        seen = starts()
        self.assertEqual((seen[0], seen.count(late)), (None, 8))
        self.end()
        shutil.rmtree(copies)
        shutil.move(self.folder / "crashed", copies)
        seen = starts()
        self.assertEqual(seen, [None] * 3 + [late] * 7)

    def test_damagedCopy(self) -> None:
        """
        Whatever the octets of a copy are, it is served whole or not at all, and the database is.
        """
        self.poll()
        before = textsOf(self.current())
        self.end()
        path = self.folder / "state" / "copies" / "copies.sqlite"

        def damage(octets: bytes) -> None:
            with closing(sqlite3.connect(path, isolation_level=None)) as copies:
                copies.execute("UPDATE copies SET image = ?", (octets,))

        whole = self.rows()[APEX]
        file = path.read_bytes()
        makers: list[Callable[[], object]] = [partial(damage, octets) for octets in _damaged(whole)]
        makers += [partial(path.write_bytes, octets) for octets in _damaged(file)]
        for make in makers:
            make()
            self.begin()
            self.assertTrue(self.place.zone is None or textsOf(self.place.zone.current) == before)
            self.poll()
            self.poll(COPY_PAUSE.default)
            self.assertEqual(textsOf(self.current()), before)
            self.end()
            self.assertEqual(self.rows(), {APEX: whole})

    def test_copiesAreRemoved(self) -> None:
        """
        If someone removes the copies of a running server, or damages them, all are written again with the next change.
        """
        self.poll()
        folder = self.folder / "state" / "copies"
        for number, octets in enumerate((None, b"x" * 5000)):
            for path in folder.iterdir():
                path.unlink() if octets is None else path.write_bytes(octets)
            self.sql.execute(f"INSERT INTO records (zone, owner, type, ttl, rdata) VALUES (1, 'n{number}', 'A', 60, '192.0.2.9')")
            self.poll()
            self.poll(COPY_PAUSE.default)
            self.assertEqual(textsOf(Version(Image(self.rows()[APEX]))), textsOf(self.current()))

    def test_largeCopy(self) -> None:
        """
        A large zone has files of its own, in which a change writes only what has changed, and its row goes. When it is small again, the
        files go.
        """
        self.poll()
        folder = self.folder / "state" / "copies"
        with patch.object(copiesModule, "_SMALL", 1000):
            self.sql.execute("INSERT INTO records (zone, owner, type, ttl, rdata) VALUES (1, 'n', 'A', 60, '192.0.2.9')")
            self.poll()
            self.poll(COPY_PAUSE.default)
            self.assertEqual((self.rows(), len(list(folder.glob("example.org.image*")))), ({}, 2))
            expected = textsOf(self.current())
            self.end()
            shutil.move(self.path, f"{self.path}.away")
            self.begin()
            self.arrivals.sweep([])
            self.assertEqual(textsOf(self.current()), expected)
            shutil.move(f"{self.path}.away", self.path)
            self.poll()
        self.sql.execute("DELETE FROM records WHERE owner = 'n'")
        self.poll()
        self.poll(COPY_PAUSE.default)
        self.assertEqual((set(self.rows()), list(folder.glob("example.org.image*"))), ({APEX}, []))
        self.assertEqual(textsOf(Version(Image(self.rows()[APEX]))), textsOf(self.current()))

    def test_copyIsLeft(self) -> None:
        """
        Copies of zones that the settings do not name any more are removed at the next start.
        """
        self.poll()
        self.end()
        (self.folder / "state" / "copies" / "gone.example.image").write_bytes(b"x")
        with closing(sqlite3.connect(self.folder / "state" / "copies" / "copies.sqlite", isolation_level=None)) as copies:
            copies.execute("INSERT INTO copies VALUES (?, ?)", (b"\x04gone\x00", b"x"))
        self.begin()
        self.arrivals.sweep([])
        self.assertEqual(set(self.rows()), {APEX})
        self.assertFalse((self.folder / "state" / "copies" / "gone.example.image").exists())

    def test_copiesOfManyZones(self) -> None:
        """
        The copies of many zones are written together: of those that have arrived a second ago all are there, and a figure says so. If they
        cannot be written, the log has one line.
        """
        self.assertEqual(self.arrivals.copied(), (0, 1))
        self.poll()
        self.assertEqual(self.arrivals.copied(), (1, 1))
        for number in range(30):
            builder = ImageBuilder(nameFromText(f"{number:02}.example"))
            builder.addSets([RRSet(builder.apexName, rrset.rrType, IN, 300, rrset.rdatas) for rrset in records(ZONE)[:2]])
            version = Version(Image(builder.finish()))
            self.arrivals.follow(version.apex, ZoneSettings({"name": f"{number:02}.example.", "store": self.path}))
            self.arrivals.arrived(version)
        with patch.object(Copies, "_put", return_value="the disk is full") as put, capturedLogs() as events:
            self.poll(1)
        self.assertEqual((put.call_count, *self.arrivals.copied()), (1, 1, 31))
        self.assertEqual(
            [formatEvent(event) for event in events if "cannot be written" in formatEvent(event)],
            ["00.example. and 29 more zones: the last good copy cannot be written: the disk is full; that is tried again in 60 s"],
        )
        with patch.object(Copies, "write", autospec=True, side_effect=Copies.write) as write:
            self.poll(60)
        self.assertEqual((write.call_count, *self.arrivals.copied()), (1, 31, 31))
        self.zones.copied = self.arrivals.copied
        figures = zoneFigures(self.zones)
        self.assertEqual((figures["zonesCopied"], figures["zonesToCopy"]), (31, 31))
        self.assertEqual(len(self.rows()), 31)

    def test_updatesAreCopied(self) -> None:
        """
        What this server has changed in the database by updates is in the copy too.
        """
        self.poll()
        keeper = self.databases.keeperOf(APEX)
        zone = self.place.zone
        assert keeper is not None and zone is not None
        after = edited(zone.current, "made 300 A 192.0.2.1")
        keeper[0].append([difference(zone.current, after)])
        zone.replace(after)
        self.arrivals.changed(after)
        self.poll(COPY_PAUSE.default)
        later = edited(after, "made2 300 A 192.0.2.1")
        keeper[0].append([difference(after, later)])
        shutil.copytree(self.folder / "state", self.folder / "crashed")
        zone.replace(later)
        self.arrivals.changed(later)
        self.end()
        os.unlink(self.path)
        self.begin()
        self.assertEqual(textsOf(self.current()), textsOf(later))
        self.end()
        shutil.copytree(self.folder / "crashed", self.folder / "state", dirs_exist_ok=True)
        self.begin()
        self.assertEqual(textsOf(self.current()), textsOf(after))


class FileTests(LoadingCase):
    """
    Zones in master files.
    """

    def test_fileHasLostMuch(self) -> None:
        """
        A file that has lost most of its records is not loaded until that is accepted, also if it was cut while no server ran.
        """
        zone = self.write("example.org.zone", _MANY)
        apex = nameFromText("example.org.zone")
        loading = self.load(zone)
        self.write("example.org.zone", serial=2)
        done = loading.reload([zone])
        lines = "\n".join(self.finish(done))
        self.assertIn("40 of 43 records are gone; to take that: txdns control zone accept example.org.zone.", lines)
        self.assertIn("serial 1 stays in force", lines)
        place = self.zones.at(apex)
        assert place is not None
        self.assertEqual((place.state, place.currentSerial), (SERVING, 1))
        self.close(loading)
        self.zones = Zones()
        loading = self.load(zone)
        place = self.zones.at(apex)
        assert place is not None
        self.assertEqual((place.state, place.currentSerial), (SERVING, 1))
        self.assertIn("40 of 43 records are gone", place.said)
        self.assertEqual(set(self.guards.waiting), {apex})
        self.assertTrue(self.guards.accept(apex))
        self.assertEqual(self.finish(loading.reloadZone(apex)), ["example.org.zone.: serial 1 is now 2, 3 records"])
        self.assertEqual((place.currentSerial, place.said), (2, ""))
        self.write("example.org.zone", _MANY, serial=3)
        self.finish(loading.reload([zone]))
        self.write("example.org.zone", serial=4)
        self.finish(loading.reload([zone]))
        self.assertEqual(set(self.guards.waiting), {apex})
        self.finish(loading.reload([]))
        self.assertEqual(self.guards.waiting, {})

    def test_brokenFileAfterRestart(self) -> None:
        """
        A server that starts with a file that cannot be loaded serves the last good image of it, and says so.
        """
        zone = self.write("example.org.zone")
        loading = self.load(zone)
        self.close(loading)
        for text in ("nonsense", None):
            path = Path(zone.file)
            path.unlink() if text is None else path.write_text(text)
            self.zones = Zones()
            loading = self.load(zone)
            place = self.zones.at(nameFromText("example.org.zone"))
            assert place is not None
            self.assertEqual((place.state, place.currentSerial), (SERVING, 1))
            self.assertIn(zone.file, place.said)
            self.close(loading)

    def test_catalogInFile(self) -> None:
        """
        A catalog in a master file is judged by its members, not by the number of its records.
        """
        def members(*numbers: int) -> str:
            return 'version TXT "2"\n' + "".join([f"m{number}.zones PTR z{number}.example.\n" for number in numbers])

        zone = self.write("catalog.test", members(*range(20)))
        loading = self.load(zone)
        self.guards.catalogs = {zone.name}
        self.write("catalog.test", members(*range(20, 40)), serial=2)
        lines = "\n".join(self.finish(loading.reload([zone])))
        self.assertIn("all of its 20 zones are gone; to take that: txdns control zone accept catalog.test.", lines)
        self.write("catalog.test", members(*range(11, 31)), serial=3)
        self.assertIn("11 of 20 zones are gone", "\n".join(self.finish(loading.reload([zone]))))
        self.write("catalog.test", members(*range(10, 40)), serial=4)
        self.assertEqual(self.finish(loading.reload([zone])), ["catalog.test.: serial 1 is now 4, 34 records"])
