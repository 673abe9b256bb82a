"""
Tests of L{twisted_ext.server.zones.update.updates}: updates that arrive at a server, without sockets.
"""

from __future__ import annotations

import os
from pathlib import Path
from unittest.mock import patch

from twisted.logger import LogLevel, capturedLogs, formatEvent
from twisted.trial.unittest import SynchronousTestCase

from tests.server.zones.update.changed import KEY, TODAY, UpdatedServer
from tests.zone.changing import APEX, ZONE, record, textsOf, zoneOf
from twisted_ext.errors import BadDescription, BadZone, StorageFault
from twisted_ext.server.config.keys import TLSPeer
from twisted_ext.server.config.zonesettings import ZoneSettings
from twisted_ext.server.zones.update import updates as module
from twisted_ext.server.zones.update.compactor import Compactor
from twisted_ext.server.zones.update.updates import UpdateHandler
from twisted_ext.wire.builder import buildMessage
from twisted_ext.wire.codes import ANY_CLASS, CH, IN, NONE, TC, Opcode, Rcode
from twisted_ext.wire.message import Message, Question
from twisted_ext.wire.names import nameFromText, nameToText
from twisted_ext.wire.rdata.registry import rdataToText
from twisted_ext.wire.records import RRSet
from twisted_ext.wire.rrtypes import ANY, SOA, A
from twisted_ext.wire.tsig import Key, sign
from twisted_ext.zone.update.updates import Update
from twisted_ext.zone.zone import Zone

NEW = record("new 60 A 192.0.2.9")
NAME = NEW.name


class UpdatingTests(SynchronousTestCase):
    """
    Tests for L{UpdateHandler<twisted_ext.server.zones.update.updates.UpdateHandler>}.
    """

    def server(self, rules: tuple[str, ...] = ("key dhcp.example.org zone ANY", "address 127.0.0.0/8 zone ANY")) -> UpdatedServer:
        """
        Return a server with a journal, which is closed after the test.
        """
        path = self.mktemp()
        server = UpdatedServer(rules, path)

        def close() -> None:
            closed = server.updating.close()
            server.disk.settle()
            self.successResultOf(closed)

        self.addCleanup(close)
        return server

    def test_clientsCanBeLimitedToTLS(self) -> None:
        """
        With C{allow-update}, only these clients' updates are considered: over TLS, or with a certificate. The rules still apply to them.
        """
        table = {"name": "example.org", "file": "/zone", "update": ["key dhcp.example.org zone ANY"]}
        named = TLSPeer(True, ("dhcp.example",), bytes(32))
        for grant, peers in (("tls", (TLSPeer(True), named)), ("certificate=dhcp.example", (named,)), ("any", (None, named))):
            server = self.server()
            zone = ZoneSettings.fromTable({**table, "allow-update": [grant]})
            server.updating.arrange(APEX, zone, [KEY.name])
            for number, peer in enumerate((None, TLSPeer(False, ("dhcp.example",)), TLSPeer(True), named)):
                wire = buildMessage(
                    Message(77, Opcode.UPDATE << 11, (Question(APEX, SOA),), (), (record(f"n{number} 60 A 192.0.2.9"),))
                )
                replies: list[bytes] = []
                server.responder.take(sign(wire, KEY, TODAY)[0], ("127.0.0.1", 5300), "tls", replies.append, peer=peer)
                server.disk.settle()
                allowed = grant == "any" or peer in peers
                self.assertEqual(replies[0][3] & 15, Rcode.NOERROR if allowed else Rcode.REFUSED, (grant, peer))
            unsigned: list[bytes] = []
            server.responder.take(wire, ("127.0.0.1", 5300), "tls", unsigned.append, peer=named)
            self.assertEqual(unsigned[0][3] & 15, Rcode.REFUSED)

    def test_updateTakesEffectAtOnce(self) -> None:
        """
        An update is acknowledged, visible at once and reported, and voids the packet cache.
        """
        server = self.server()
        self.assertEqual(server.ask(NAME, A).rcode, Rcode.NXDOMAIN)
        mail = nameFromText("mail", APEX)
        for _ in range(3):
            self.assertEqual(len(server.ask(mail, A).answer[0].rdatas), 2)
        self.assertTrue(server.fromCache)
        (reply,) = server.update(NEW, record("mail 300 A 192.0.2.5"))
        self.assertEqual((reply.id, reply.opcode, reply.rcode), (77, Opcode.UPDATE, Rcode.NOERROR))
        self.assertEqual(len(server.ask(mail, A).answer[0].rdatas), 3)
        self.assertFalse(server.fromCache)
        self.assertEqual(server.ask(NAME, A).answer, (NEW,))
        self.assertEqual(server.changes, [11])

    def test_logSaysWhatChanged(self) -> None:
        """
        The log has what each update has removed and added, and of many records the first ones and the number of the others.
        """
        server = self.server()
        many = record("many 300 A 192.0.2.1").withRdatas(tuple([bytes([192, 0, 2, number]) for number in range(9)]))
        for rrsets, said in (
            ((NEW,), f"added {nameToText(NAME)} A {rdataToText(A, NEW.rdatas[0])}"),
            ((NEW,), "nothing to change"),
            ((many,), "added many.example.org. A 192.0.2.0, many.example.org. A 192.0.2.1, many.example.org. A 192.0.2.2, 6 more"),
            ((record(f'text 300 TXT "{"x" * 200}"'),), f'added text.example.org. TXT "{"x" * 59}…'),
            ((RRSet(many.name, A, ANY_CLASS, 0, (b"",)),), "removed many.example.org. A 192.0.2.0, "),
        ):
            with capturedLogs() as events:
                server.update(*rrsets)
            (line,) = [line for event in events if "update by" in (line := formatEvent(event) or "")]
            self.assertIn(f": {said}", line)

    def test_signedUpdateGetsSignedReply(self) -> None:
        """
        A signed update is accepted from any address, and its reply is signed.
        """
        server = self.server()
        (reply,) = server.update(NEW, client="198.51.100.1", transport="udp", key=KEY)
        self.assertEqual(reply.rcode, Rcode.NOERROR)
        self.assertIsNotNone(reply.trailer)

    def test_unauthorizedUpdateChangesNothing(self) -> None:
        """
        An update without an allowed key, with a wrong secret or with a wrong time changes nothing.
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

    def test_frozenZoneRefuses(self) -> None:
        """
        A zone that is frozen refuses updates, of those only whose clients might change it, and takes them again once it is thawed.
        """
        server = self.server()
        ward = server.updating.wardOf(APEX)
        assert ward is not None
        ward.isFrozen = True
        (reply,) = server.update(NEW)
        self.assertEqual((reply.rcode, server.changes), (Rcode.REFUSED, []))
        ward.isFrozen = False
        (reply,) = server.update(NEW)
        self.assertEqual((reply.rcode, server.changes), (Rcode.NOERROR, [11]))

    def test_addressRuleRequiresTCP(self) -> None:
        """
        An address rule requires TCP, since the source address of a datagram can be spoofed. If datagrams were trusted, the update would be
        accepted.
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

    def test_hopelessUpdateIsNotParsed(self) -> None:
        """
        The update of a client without permission is not parsed.
        """
        server = self.server()
        with patch.object(Update, "fromMessage", side_effect=AssertionError):
            (reply,) = server.update(NEW, client="198.51.100.1")
        self.assertEqual(reply.rcode, Rcode.REFUSED)

    def test_otherZonesAreNOTAUTH(self) -> None:
        """
        An update gets NOTAUTH for a zone that is not here and for a name inside a zone, and REFUSED for a zone without rules.
        """
        server = self.server()
        for zone in ("example.com", "mail.example.org", "org", "."):
            (reply,) = server.update(NEW, zone=nameFromText(zone))
            self.assertEqual(reply.rcode, Rcode.NOTAUTH, zone)
        self.successResultOf(server.updating.forbid(APEX))
        (reply,) = server.update(NEW)
        self.assertEqual(reply.rcode, Rcode.REFUSED)

    def test_unloadedZoneIsSERVFAIL(self) -> None:
        """
        An update of a zone that is not loaded gets SERVFAIL, so that the client tries again.
        """
        server = self.server()
        server.zones.fail(APEX, "expired", "expired")
        place = server.zones.at(APEX)
        assert place is not None
        place.zone = None
        (reply,) = server.update(NEW)
        self.assertEqual(reply.rcode, Rcode.SERVFAIL)

    def test_invalidUpdateGetsItsRcode(self) -> None:
        """
        An invalid update gets the RCODE for its error, and changes nothing.
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

    def test_anyClassGetsOneReply(self) -> None:
        """
        An update with any zone class gets one reply with an error RCODE (CVE-2026-5946).
        """
        server = self.server()
        for rrClass in (0, 2, CH, 4, NONE, ANY_CLASS, 65535):
            for rrType in (SOA, A, ANY, 0):
                wire = buildMessage(Message(77, Opcode.UPDATE << 11, (Question(APEX, rrType, rrClass),), (), (NEW,)))
                (reply,) = server.send(wire)
                self.assertIn(Message.fromWire(reply).rcode, (Rcode.FORMERR, Rcode.REFUSED, Rcode.NOTAUTH, Rcode.NOTIMP))
        self.assertEqual(self.flushLoggedErrors(), [])

    def test_truncatedUpdateChangesNothing(self) -> None:
        """
        An update that is cut off at any octet changes nothing.
        """
        server = self.server()
        wire = buildMessage(Message(77, Opcode.UPDATE << 11, (Question(APEX, SOA),), (), (NEW, record("x 1 MX 1 mail"))))
        for size in range(len(wire)):
            for reply in server.send(wire[:size]):
                self.assertIn(reply[3] & 15, (Rcode.FORMERR, Rcode.NOTAUTH))
            server.disk.settle()
        self.assertEqual(server.zone.current.serial, 10)

    def test_updatesSurviveRestart(self) -> None:
        """
        Acknowledged updates are kept after a restart that reads the zone's old sources.
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

    def test_newerFileReplacesUpdates(self) -> None:
        """
        A changed source file of an updated zone is used if its serial number is newer; otherwise the error says what to do.
        """
        path = self.mktemp()
        first = UpdatedServer(path=path)
        first.update(NEW)
        older = zoneOf(ZONE + "x 1 A 192.0.2.1\n").current
        newer = zoneOf(ZONE.replace(" 10 3600", " 20 3600")).current
        other = zoneOf(ZONE.replace(" 10 3600", " 11 3600")).current
        self.assertIn("not newer than 11", str(self.assertRaises(BadZone, first.opened, other)))
        with capturedLogs() as events:
            self.assertEqual(first.opened(newer).serial, 20)
        self.assertEqual([event["log_level"] for event in events], [LogLevel.warn])
        self.assertIn("the updates since serial 10 are discarded", formatEvent(events[0]) or "")
        first.zone.replace(newer)
        journal = first.updating.journal(APEX)
        assert journal is not None
        first.disk.settle()
        self.assertEqual(len(journal), 0)
        first.update(NEW)
        self.assertEqual((journal.oldest, journal.newest), (20, 21))
        self.successResultOf(first.updating.close())
        with patch("tests.server.zones.update.changed.zoneOf", lambda: zoneOf(ZONE.replace(" 10 3600", " 3 3600"))):
            self.assertIn("give it a newer one", str(self.assertRaises(StorageFault, UpdatedServer, path=path)))
        self.assertEqual(older.serial, 10)


    def test_unchangedFileKeepsUpdates(self) -> None:
        """
        A source file with the same content keeps the updates, whatever its modification time is. An edited file is detected even if the
        zone once had its serial number.
        """
        path = self.mktemp()
        first = UpdatedServer(path=path)
        for number in range(3):
            first.update(record(f"n{number} 60 A 192.0.2.9"))
        self.assertIs(first.opened(zoneOf().current), first.zone.current)
        self.successResultOf(first.updating.close())
        second = UpdatedServer(path=path)
        self.assertEqual(second.zone.current.serial, 13)
        self.successResultOf(second.updating.close())
        edited = ZONE.replace(" 10 3600", " 12 3600")
        with patch("tests.server.zones.update.changed.zoneOf", lambda: zoneOf(edited)):
            self.assertIn("serial 12 is not newer than 13", str(self.assertRaises(StorageFault, UpdatedServer, path=path)))

    def test_distrustedImageIsReplaced(self) -> None:
        """
        If the image in force is damaged, the source file is read again and all updates are applied, unless an update is in progress.
        """
        server = UpdatedServer(path=self.mktemp())
        self.addCleanup(server.updating.close)
        server.update(NEW)
        before = server.zone.current
        server.updating.distrust(APEX)
        added = record("two 60 A 192.0.2.1")
        server.send(buildMessage(Message(77, Opcode.UPDATE << 11, (Question(APEX, SOA),), (), (added,))))
        self.assertIs(server.opened(zoneOf().current).image, before.image)
        self.assertTrue(server.updating.isDistrusted(APEX))
        server.disk.settle()
        again = server.opened(zoneOf().current)
        self.assertIsNot(again.image, before.image)
        self.assertEqual((again.serial, textsOf(again)), (12, textsOf(server.zone.current)))
        server.zone.replace(again)
        self.assertFalse(server.updating.isDistrusted(APEX))
        server.update(record("three 60 A 192.0.2.1"))
        self.assertEqual(server.zone.current.serial, 13)
        self.assertIs(server.opened(zoneOf().current), server.zone.current)

    def test_forbiddenZoneKeepsUpdates(self) -> None:
        """
        Updates follow the settings; if they are forbidden later, earlier updates are kept, also after a restart.
        """
        folder = self.mktemp()
        table = {"name": "example.org", "file": "/zone", "update": ["key dhcp.example.org zone ANY"], "serial": "unixtime"}
        may, mayNot = ZoneSettings.fromTable(table), ZoneSettings.fromTable({"name": "example.org", "file": "/zone"})

        def server(settings: ZoneSettings) -> UpdatedServer:
            found = UpdatedServer(())
            found.updating = UpdateHandler(found.clock, found.zones, folder, elsewhere=found.disk, today=lambda: TODAY)
            found.updating.ready()
            found.responder.handlers = found.updating.handlers
            found.updating.arrange(APEX, settings, [KEY.name])
            found.zones.remove(APEX)
            found.zone = Zone(found.opened(zoneOf().current))
            found.zones.put(found.zone)
            return found

        first = server(may)
        self.assertEqual(first.update(NEW, key=KEY)[0].rcode, Rcode.NOERROR)
        self.assertEqual(first.zone.current.serial, int(TODAY))
        first.updating.arrange(APEX, mayNot, [])
        self.assertEqual(first.update(record("two 60 A 192.0.2.1"), key=KEY)[0].rcode, Rcode.REFUSED)
        self.successResultOf(first.updating.close())
        second = server(mayNot)
        self.assertEqual(second.zone.current.serial, int(TODAY))
        self.assertEqual(second.update(record("two 60 A 192.0.2.1"), key=KEY)[0].rcode, Rcode.REFUSED)
        self.assertEqual(sorted(os.listdir(folder)), ["example.org.journal", "example.org.journal.serial"])
        self.successResultOf(second.updating.close())

    def test_invalidRulesChangeNothing(self) -> None:
        """
        Invalid rules are reported with their zone, and change nothing.
        """
        server = self.server()
        for table, said in (
            ({"update": ["key nobody zone"]}, "there is no TSIG key 'nobody.'"),
            ({"update": ["key dhcp.example.org name www.example.com."]}, "is not in the zone example.org."),
            ({"update": ["key dhcp.example.org zone"], "primaries": ["192.0.2.1"]}, "comes from its primaries"),
        ):
            settings = ZoneSettings.fromTable({"name": "example.org", **table})
            fault = self.assertRaises(BadDescription, server.updating.arrange, APEX, settings, [KEY.name])
            self.assertIn("zone example.org.: update", str(fault).replace("rule ", ""))
            self.assertIn(said, str(fault))
        self.assertEqual(server.update(NEW)[0].rcode, Rcode.NOERROR)

    def test_restartUsesLastImage(self) -> None:
        """
        After a restart the zone continues from its last image, with a journal that has only the later changes.
        """
        path = self.mktemp()
        self.patch(os, "fdatasync", lambda file: None)
        first = UpdatedServer(path=path)
        for number in range(600):
            first.update(record(f"n{number} 60 TXT {'x' * 150}"))
        version = first.zone.current
        compact = Compactor(first.clock, first.disk)
        built = compact(version, path, path + ".image")
        first.disk.settle()
        self.assertEqual(self.successResultOf(built).serial, 610)
        first.update(NEW)
        journal = first.updating.journal(APEX)
        assert journal is not None
        most = journal._most
        journal._most = 65536
        self.assertTrue(journal.trim(610))
        journal._most = most
        self.assertNotEqual(journal.oldest, 10)
        self.successResultOf(first.updating.close())
        second = UpdatedServer(path=path)
        self.assertEqual(textsOf(second.zone.current), textsOf(first.zone.current))
        self.assertEqual(second.zone.current.image.serial, 610)
        self.successResultOf(second.updating.close())
        Path(path + ".image").write_bytes(b"damaged")
        self.assertRaises(StorageFault, UpdatedServer, path=path)
