"""
Tests of L{twisted_ext.server.updating} and L{twisted_ext.server.changing}: updates by their way into a server, without sockets.
"""

from __future__ import annotations

import errno
import os
from pathlib import Path
from unittest.mock import patch

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from tests.server.changed import KEY, TODAY, SlowDisk, UpdatedServer
from tests.zone.changing import APEX, ZONE, record, textsOf, zoneOf
from twisted_ext.errors import BadChange, BadZone, StorageFault
from twisted_ext.server import updating as module
from twisted_ext.server.changing import Changing, Made
from twisted_ext.server.compacting import Compacting
from twisted_ext.wire.building import buildMessage
from twisted_ext.wire.codes import ANY_CLASS, CH, IN, NONE, TC, Opcode, Rcode
from twisted_ext.wire.message import Message, Question
from twisted_ext.wire.names import nameFromText
from twisted_ext.wire.records import RRSet
from twisted_ext.wire.rrtypes import ANY, SOA, A
from twisted_ext.wire.tsig import Key, sign
from twisted_ext.zone.images import Image
from twisted_ext.zone.journal import Journal
from twisted_ext.zone.limits import IMAGE_PAUSE
from twisted_ext.zone.transactions import Transaction
from twisted_ext.zone.updates import Update
from twisted_ext.zone.versions import Version

NEW = record("new 60 A 192.0.2.9")
NAME = NEW.name


class UpdatingTests(SynchronousTestCase):
    """
    Tests for L{Updating<twisted_ext.server.updating.Updating>}.
    """

    def server(self, rules: tuple[str, ...] = ("key dhcp.example.org zone ANY", "address 127.0.0.0/8 zone ANY")) -> UpdatedServer:
        """
        @return: a server with a journal, which is closed at the end.
        """
        path = self.mktemp()
        server = UpdatedServer(rules, path)

        def close() -> None:
            closed = server.updating.close()
            server.disk.settle()
            self.successResultOf(closed)

        self.addCleanup(close)
        return server

    def test_done(self) -> None:
        """
        An update is done, acknowledged, seen at once and told of, and what the fast lane had is void.
        """
        server = self.server()
        self.assertEqual(server.ask(NAME, A).rcode, Rcode.NXDOMAIN)
        mail = nameFromText("mail", APEX)
        for _ in range(3):
            self.assertEqual(len(server.ask(mail, A).answer[0].rdatas), 2)
        self.assertTrue(server.fast)
        (reply,) = server.update(NEW, record("mail 300 A 192.0.2.5"))
        self.assertEqual((reply.id, reply.opcode, reply.rcode), (77, Opcode.UPDATE, Rcode.NOERROR))
        self.assertEqual(len(server.ask(mail, A).answer[0].rdatas), 3)
        self.assertFalse(server.fast)
        self.assertEqual(server.ask(NAME, A).answer, (NEW,))
        self.assertEqual(server.changes, [11])
        self.assertEqual(server.updating.done, 1)

    def test_signed(self) -> None:
        """
        A signed update is done, wherever it comes from, and its reply is signed as well.
        """
        server = self.server()
        (reply,) = server.update(NEW, client="198.51.100.1", transport="udp", key=KEY)
        self.assertEqual(reply.rcode, Rcode.NOERROR)
        self.assertIsNotNone(reply.trailer)

    def test_strangers(self) -> None:
        """
        Who has no key that a rule names, or a wrong one, or signs with another secret or at another time, changes nothing.
        """
        server = self.server()
        other = Key.fromText("other:c2VjcmV0")
        wrong = Key.fromText("dhcp.example.org:d3Jvbmc=")
        for key, now, rcode in ((None, TODAY, Rcode.REFUSED), (other, TODAY, Rcode.NOTAUTH), (wrong, TODAY, Rcode.NOTAUTH)):
            (reply,) = server.update(NEW, client="198.51.100.1", key=key, now=now)
            self.assertEqual(reply.rcode, rcode)
        late = buildMessage(Message(77, Opcode.UPDATE << 11, (Question(APEX, SOA),), (), (NEW,)))
        (octets,) = server.send(sign(late, KEY, TODAY - 1000)[0], "198.51.100.1")
        self.assertEqual(Message.fromWire(octets).rcode, Rcode.NOTAUTH)
        self.assertEqual(server.zone.current.serial, 10)

    def test_spoofed(self) -> None:
        """
        A datagram proves no address: whoever is to be believed by his has to come by TCP. If datagrams were believed, it would be done.
        """
        server = self.server(("address 192.0.2.0/24 zone",))
        (reply,) = server.update(NEW, client="192.0.2.1", transport="udp")
        self.assertTrue(reply.flags & TC)
        self.assertEqual(server.zone.current.serial, 10)
        with patch.object(module, "_isProven", lambda request: True):
            server.update(NEW, client="192.0.2.1", transport="udp")
        self.assertEqual(server.zone.current.serial, 11)
        server.update(record("two 60 A 192.0.2.1"), client="192.0.2.1")
        self.assertEqual(server.zone.current.serial, 12)
        (reply,) = server.update(NEW, client="198.51.100.1", transport="udp")
        self.assertEqual(reply.rcode, Rcode.REFUSED)

    def test_noWork(self) -> None:
        """
        For who may change nothing, nothing of what he wants is looked at.
        """
        server = self.server()
        with patch.object(Update, "fromMessage", side_effect=AssertionError):
            (reply,) = server.update(NEW, client="198.51.100.1")
        self.assertEqual(reply.rcode, Rcode.REFUSED)
        self.assertEqual(server.updating.refused, 1)

    def test_zones(self) -> None:
        """
        Updates of zones that are not here are NOTAUTH, of names inside one too; zones without rules are not changed by anybody.
        """
        server = self.server()
        for zone in ("example.com", "mail.example.org", "org", "."):
            (reply,) = server.update(NEW, zone=nameFromText(zone))
            self.assertEqual(reply.rcode, Rcode.NOTAUTH, zone)
        self.successResultOf(server.updating.forbid(APEX))
        (reply,) = server.update(NEW)
        self.assertEqual(reply.rcode, Rcode.REFUSED)

    def test_notLoaded(self) -> None:
        """
        A zone that is there but not loaded is no reason for who may change it to give up.
        """
        server = self.server()
        server.zones.fail(APEX, "expired", "expired")
        place = server.zones.at(APEX)
        assert place is not None
        place.zone = None
        (reply,) = server.update(NEW)
        self.assertEqual(reply.rcode, Rcode.SERVFAIL)

    def test_rcodes(self) -> None:
        """
        What is wrong with an update is told by its rcode, and nothing is changed.
        """
        server = self.server()
        about = RRSet(NAME, ANY, ANY_CLASS, 0, (b"",))
        for changes, demands, rcode in (
            ((NEW,), (about,), Rcode.NXDOMAIN),
            ((RRSet(nameFromText("example.com"), A, IN, 0, (b"\x01\x02\x03\x04",)),), (), Rcode.NOTZONE),
            ((RRSet(NAME, ANY, NONE, 0, (b"",)),), (), Rcode.FORMERR),
        ):
            (reply,) = server.update(*changes, demands=demands)
            self.assertEqual(reply.rcode, rcode)
        self.assertEqual(server.zone.current.serial, 10)

    def test_classes(self) -> None:
        """
        Whatever class a zone is said to have, there is one reply and no more to it than an rcode (CVE-2026-5946).
        """
        server = self.server()
        for rrClass in (0, 2, CH, 4, NONE, ANY_CLASS, 65535):
            for rrType in (SOA, A, ANY, 0):
                wire = buildMessage(Message(77, Opcode.UPDATE << 11, (Question(APEX, rrType, rrClass),), (), (NEW,)))
                (reply,) = server.send(wire)
                self.assertIn(Message.fromWire(reply).rcode, (Rcode.FORMERR, Rcode.REFUSED, Rcode.NOTAUTH, Rcode.NOTIMP))
        self.assertEqual(self.flushLoggedErrors(), [])

    def test_cut(self) -> None:
        """
        An update that is cut off anywhere changes nothing.
        """
        server = self.server()
        wire = buildMessage(Message(77, Opcode.UPDATE << 11, (Question(APEX, SOA),), (), (NEW, record("x 1 MX 1 mail"))))
        for size in range(len(wire)):
            for reply in server.send(wire[:size]):
                self.assertIn(reply[3] & 15, (Rcode.FORMERR, Rcode.NOTAUTH))
            server.disk.settle()
        self.assertEqual(server.zone.current.serial, 10)

    def test_restart(self) -> None:
        """
        What was acknowledged is there after a restart that reads the zone's old sources.
        """
        path = self.mktemp()
        first = UpdatedServer(path=path)
        first.update(NEW)
        first.update(record("two 60 A 192.0.2.1"))
        self.successResultOf(first.updating.close())
        second = UpdatedServer(path=path)
        self.addCleanup(second.updating.close)
        self.assertEqual(textsOf(second.zone.current), textsOf(first.zone.current))
        self.assertEqual(second.zone.current.serial, 12)

    def test_fileChanged(self) -> None:
        """
        Sources that were changed while the zone was changed too take its place where their serial number is newer; else it is told what
        is in the way, and what would be right.
        """
        path = self.mktemp()
        first = UpdatedServer(path=path)
        first.update(NEW)
        older = zoneOf(ZONE + "x 1 A 192.0.2.1\n").current
        newer = zoneOf(ZONE.replace(" 10 3600", " 20 3600")).current
        other = zoneOf(ZONE.replace(" 10 3600", " 11 3600")).current
        self.assertIn("not newer than 11", str(self.assertRaises(BadZone, first.updating.opened, other)))
        self.assertEqual(first.updating.opened(newer).serial, 20)
        first.zone.replace(newer)
        journal = first.updating.journal(APEX)
        assert journal is not None
        self.assertEqual(len(journal), 0)
        first.update(NEW)
        self.assertEqual((journal.oldest, journal.newest), (20, 21))
        self.successResultOf(first.updating.close())
        with patch("tests.server.changed.zoneOf", lambda: zoneOf(ZONE.replace(" 10 3600", " 3 3600"))):
            self.assertIn("give it a newer one", str(self.assertRaises(StorageFault, UpdatedServer, path=path)))
        self.assertEqual(older.serial, 10)


    def test_fileTouched(self) -> None:
        """
        A file in which nothing has changed is the one that it was, whatever its time says and however often it is read; one that was
        edited is not taken for it, even where the zone has had its serial number.
        """
        path = self.mktemp()
        first = UpdatedServer(path=path)
        for number in range(3):
            first.update(record(f"n{number} 60 A 192.0.2.9"))
        self.assertIs(first.updating.opened(zoneOf().current), first.zone.current)
        self.successResultOf(first.updating.close())
        second = UpdatedServer(path=path)
        self.assertEqual(second.zone.current.serial, 13)
        self.successResultOf(second.updating.close())
        edited = ZONE.replace(" 10 3600", " 12 3600")
        with patch("tests.server.changed.zoneOf", lambda: zoneOf(edited)):
            self.assertIn("serial 12 is not newer than 13", str(self.assertRaises(StorageFault, UpdatedServer, path=path)))

    def test_imageKept(self) -> None:
        """
        After a restart the zone goes on from the image that was built last, with a journal that has only what came since.
        """
        path = self.mktemp()
        self.patch(os, "fdatasync", lambda file: None)
        first = UpdatedServer(path=path)
        for number in range(600):
            first.update(record(f"n{number} 60 TXT {'x' * 150}"))
        version = first.zone.current
        compact = Compacting(first.clock, first.disk)
        built = compact(version, path, path + ".image")
        first.disk.settle()
        self.assertEqual(self.successResultOf(built).serial, 610)
        first.update(NEW)
        journal = first.updating.journal(APEX)
        assert journal is not None
        with patch.object(journal, "_most", 65536):
            self.assertTrue(journal.trim(610))
        self.assertNotEqual(journal.oldest, 10)
        self.successResultOf(first.updating.close())
        second = UpdatedServer(path=path)
        self.assertEqual(textsOf(second.zone.current), textsOf(first.zone.current))
        self.assertEqual(second.zone.current.image.serial, 610)
        self.successResultOf(second.updating.close())
        Path(path + ".image").write_bytes(b"damaged")
        self.assertRaises(StorageFault, UpdatedServer, path=path)


class ChangingTests(SynchronousTestCase):
    """
    Tests for L{Changing}.
    """

    def setUp(self) -> None:
        self.disk = SlowDisk()
        self.zone = zoneOf()
        self.path = self.mktemp()
        self.journal = Journal(self.path, APEX)
        self.clock = Clock()
        self.addCleanup(self.journal.close)

    def changing(self, **options: object) -> Changing:
        """
        @return: what is to be tested.
        """
        return Changing(self.clock, self.zone, self.journal, self.disk, **options)  # type: ignore[arg-type]

    def add(self, changing: Changing, line: str) -> Deferred[Version]:
        """
        Add a record.
        """

        def make(version: Version) -> Made:
            transaction = Transaction(version)
            transaction.add(record(line))
            return transaction.commit()

        return changing.change(make)

    def test_diskFirst(self) -> None:
        """
        Nobody sees a change and nobody is told that it is done before the disk has it.
        """
        changing = self.changing()
        result = self.add(changing, "new 60 A 192.0.2.9")
        self.assertNoResult(result)
        self.assertEqual(self.zone.current.serial, 10)
        self.disk.turn()
        self.assertEqual(self.successResultOf(result).serial, 11)
        self.assertEqual(self.zone.current.serial, 11)

    def test_together(self) -> None:
        """
        Changes that come while the disk is busy are made onto each other and written together.
        """
        changing = self.changing()
        results = [self.add(changing, f"n{number} 60 A 192.0.2.9") for number in range(10)]
        self.assertEqual(len(self.disk.waiting), 1)
        self.disk.turn()
        self.assertEqual(self.zone.current.serial, 11)
        self.assertEqual(len(self.disk.waiting), 1)
        self.disk.turn()
        self.assertEqual([self.successResultOf(result).serial for result in results], list(range(11, 21)))
        self.assertEqual(len(self.journal), 10)

    def test_nothingToDo(self) -> None:
        """
        Who wants what somebody else has just asked for is not told that it is done before that is on disk.
        """
        changing = self.changing()
        first = self.add(changing, "new 60 A 192.0.2.9")
        second = self.add(changing, "new 60 A 192.0.2.9")
        self.assertNoResult(second)
        self.disk.turn()
        self.successResultOf(first)
        self.assertEqual(self.successResultOf(second).serial, 11)
        self.assertEqual(self.successResultOf(self.add(changing, "new 60 A 192.0.2.9")).serial, 11)

    def test_diskFull(self) -> None:
        """
        Where the disk is full, the change and those made onto it are refused, the zone is served as it was, and changes go on when there
        is room.
        """
        changing = self.changing()

        def full(*arguments: object) -> int:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

        results = [self.add(changing, f"n{number} 60 A 192.0.2.9") for number in range(3)]
        with patch.object(os, "pwrite", full):
            self.disk.settle()
        for result in results:
            self.failureResultOf(result, StorageFault)
        self.assertEqual(textsOf(self.zone.current), textsOf(zoneOf().current))
        after = self.add(changing, "new 60 A 192.0.2.9")
        self.disk.settle()
        self.assertEqual(self.successResultOf(after).serial, 11)
        self.journal.close()
        self.assertEqual(Journal(self.path, APEX).newest, 11)

    def test_raises(self) -> None:
        """
        A change that cannot be made fails, and is in nobody's way.
        """
        changing = self.changing()
        self.failureResultOf(self.add(changing, "www 60 A 192.0.2.9"), BadChange)
        result = self.add(changing, "new 60 A 192.0.2.9")
        self.disk.turn()
        self.successResultOf(result)

    def test_tooMany(self) -> None:
        """
        Only so many changes wait for a disk that takes its time. With room for more, they do.
        """
        for most, refused in ((3, True), (100, False)):
            zone, disk = zoneOf(), SlowDisk()
            changing = Changing(self.clock, zone, None if most == 100 else self.journal, disk, most=most)
            results = [self.add(changing, f"n{number} 60 A 192.0.2.9") for number in range(5)]
            if refused:
                self.failureResultOf(results[-1], StorageFault)
            disk.settle()
            self.assertEqual(zone.current.serial, 14 if refused else 15)

    def test_loadedAnew(self) -> None:
        """
        A zone that was read anew while a change was being written is not put back to what it was; whoever asked for the change is told.
        """
        changing = self.changing()
        result = self.add(changing, "new 60 A 192.0.2.9")
        newer = zoneOf(ZONE.replace(" 10 3600", " 20 3600")).current
        changing.supersede(b"0123456789abcdef")
        self.zone.replace(newer)
        self.disk.settle()
        self.failureResultOf(result, StorageFault)
        self.assertIs(self.zone.current, newer)
        self.assertEqual(len(self.journal), 0)
        after = self.add(changing, "new 60 A 192.0.2.9")
        self.disk.settle()
        self.assertEqual(self.successResultOf(after).serial, 21)

    def test_closed(self) -> None:
        """
        What was taken before the end is kept; afterwards nothing is taken.
        """
        changing = self.changing()
        result = self.add(changing, "new 60 A 192.0.2.9")
        closed = changing.close()
        self.assertNoResult(closed)
        self.failureResultOf(self.add(changing, "two 60 A 192.0.2.9"), StorageFault)
        self.disk.settle()
        self.successResultOf(closed)
        self.successResultOf(result)
        self.assertEqual(Journal(self.path, APEX).newest, 11)

    def test_compacted(self) -> None:
        """
        Where so much has changed that a new image is due, one is built while changes go on, the zone goes on from it, and the journal
        loses what is too much.
        """
        images: list[tuple[Version, Deferred[Image]]] = []

        def compact(version: Version) -> Deferred[Image]:
            built: Deferred[Image] = Deferred()
            images.append((version, built))
            return built

        changing = self.changing(compact=compact)
        with patch.object(Version, "crowded", property(lambda version: len(version.overlay) > 20)):
            for number in range(25):
                self.add(changing, f"n{number} 60 A 192.0.2.9")
                self.disk.settle()
            self.assertEqual(len(images), 1)
            version, built = images[0]
            version.compacted(self.path + ".image")
            for number in range(200):
                self.add(changing, f"m{number} 60 A 192.0.2.9")
                if number < 190:
                    self.disk.settle()
            before = self.zone.current
            built.callback(Image.open(self.path + ".image"))
            while self.clock.getDelayedCalls():
                self.clock.advance(0)
            self.assertIsNot(self.zone.current, before)
            self.assertEqual(textsOf(self.zone.current), textsOf(before))
            self.assertEqual(self.zone.current.image.serial, version.serial)
            self.disk.settle()
        self.assertEqual(self.zone.current.serial, 10 + 225)
        self.assertEqual(self.zone.current.image.serial, version.serial)
        self.assertEqual(textsOf(self.journal.replayed(zoneOf().current)), textsOf(self.zone.current))

    def test_notCompacted(self) -> None:
        """
        An image that cannot be built changes nothing, and is tried again after a while.
        """
        tried: list[Version] = []

        def compact(version: Version) -> Deferred[Image]:
            tried.append(version)
            failed: Deferred[Image] = Deferred()
            failed.errback(StorageFault("no room"))
            return failed

        changing = self.changing(compact=compact)
        with patch.object(Version, "crowded", property(lambda version: True)):
            for number in range(9):
                self.add(changing, f"n{number} 60 A 192.0.2.9")
                self.disk.settle()
                self.clock.advance(IMAGE_PAUSE.default / 3)
        self.assertEqual(len(tried), 3)
        self.assertEqual(self.zone.current.serial, 19)
        self.assertFalse(Path(self.path + ".image").exists())
