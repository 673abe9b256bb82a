"""
Attack 28 by updates: changes without permission, changes with forged signatures, and too many of them. Rows 20 and 22 apply as well: sets
that no answer should carry, and messages whose names cost more than their size.
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from unittest.mock import patch

from twisted.trial.unittest import SynchronousTestCase

from tests.server.zones.update.changed import KEY, TODAY, UpdatedServer
from tests.zone.changing import APEX, record, textsOf, zoneOf
from twisted_ext.limits import Limit
from twisted_ext.server.reply.gates import SignatureGate
from twisted_ext.server.reply.requests import Request
from twisted_ext.server.zones.update.updates import UpdateHandler
from twisted_ext.wire.builder import buildMessage
from twisted_ext.wire.codes import Opcode, Rcode
from twisted_ext.wire.message import HEADER, Message, Question
from twisted_ext.wire.records import RRSet
from twisted_ext.wire.rrtypes import SOA, A
from twisted_ext.wire.tsig import BADSIG, Key, TSIGRecord, Verdict, sign
from twisted_ext.zone.update.policy import Policy
from twisted_ext.zone.update.updates import Update

NEW = record("new 60 A 192.0.2.9")
STRANGER = "198.51.100.1"


class UpdateTests(SynchronousTestCase):
    """
    Tests with a zone that one key may change.
    """

    def setUp(self) -> None:
        self.server = UpdatedServer(("key dhcp.example.org subtree dyn A TXT",))
        self.looked = 0

    def countParsed(self) -> AbstractContextManager[object]:
        """
        Count how often the content of an update is parsed.
        """
        genuine = Update.fromMessage

        def looking(message: Message) -> Update:
            self.looked += 1
            return genuine(message)

        return patch.object(Update, "fromMessage", looking)

    def flood(self, count: int = 200) -> set[int]:
        """
        Return the rcodes for strangers that want to change everything.
        """
        rcodes: set[int] = set()
        for _ in range(count):
            rcodes.update([reply.rcode for reply in self.server.update(*[NEW] * 20, client=STRANGER, transport="udp")])
        return rcodes

    def test_strangersUpdatesAreNotParsed(self) -> None:
        """
        Updates of strangers are not parsed, and the zone stays unchanged. Without the early check each of them would be parsed.
        """
        with self.countParsed():
            self.assertEqual(self.flood(), {Rcode.REFUSED})
            self.assertEqual(self.looked, 0)
            with patch.object(Policy, "admits", lambda self, keyName, client: True):
                self.assertEqual(self.flood(), {Rcode.REFUSED})
            self.assertEqual(self.looked, 200)
        self.assertEqual(textsOf(self.server.zone.current), textsOf(zoneOf().current))

    def test_strangersRecordsAreNotRead(self) -> None:
        """
        A stranger's update of the largest size is refused without reading its records. Without the early check all of them would be read.
        """
        wire = buildMessage(Message(77, Opcode.UPDATE << 11, (Question(APEX, SOA),), (), (NEW,) * 4000))
        self.assertGreater(len(wire), 61_000)
        read: list[Request] = []
        genuine = Request.readWhole

        def reading(request: Request) -> None:
            read.append(request)
            genuine(request)

        with patch.object(Request, "readWhole", reading):
            for zone, rcode in ((APEX, Rcode.REFUSED), (b"\x07Nowhere\x00", Rcode.NOTAUTH)):
                (reply,) = self.server.send(wire.replace(APEX + b"\x00\x06", zone + b"\x00\x06", 1), STRANGER)
                self.assertEqual(reply[3] & 15, rcode)
                self.assertEqual(reply[:2], wire[:2])
            self.assertEqual(read, [])
            with patch.object(UpdateHandler, "isHopeless", lambda self, request, signed: False):
                (reply,) = self.server.send(wire, STRANGER)
            self.assertEqual((reply[3] & 15, len(read)), (Rcode.REFUSED, 1))
            # A signed update may be permitted, unless the signature is too old or the zone is not served here.
            (reply,) = self.server.send(sign(wire, KEY, TODAY - 1000)[0], STRANGER)
            self.assertEqual((reply[3] & 15, len(read)), (Rcode.NOTAUTH, 1))
            (reply,) = self.server.send(sign(wire, KEY, TODAY)[0], STRANGER)
            self.assertEqual((reply[3] & 15, len(read)), (Rcode.REFUSED, 2))
            other = wire.replace(APEX + b"\x00\x06", b"\x07nowhere\x00\x00\x06", 1)
            (reply,) = self.server.send(sign(other, KEY, TODAY)[0], STRANGER)
            self.assertEqual((reply[3] & 15, len(read)), (Rcode.NOTAUTH, 2))
        self.assertEqual(self.server.zone.current.serial, 10)

    def test_thousandsOfQuestionsAreNotRead(self) -> None:
        """
        None of thousands of questions is read.
        """
        wire = HEADER.pack(77, Opcode.UPDATE << 11, 4000, 0, 0, 0) + b"\x01a\x00\x00\x06\x00\x01" * 4000
        with patch.object(Request, "readWhole", side_effect=AssertionError):
            (reply,) = self.server.send(wire, STRANGER)
        self.assertEqual(reply, HEADER.pack(77, 0x8000 | Opcode.UPDATE << 11 | Rcode.FORMERR, 0, 0, 0, 0))

    def test_strangersDoNotBlockUpdates(self) -> None:
        """
        A permitted client can update the zone however many strangers there are. Without the early check their updates would fill the queue
        for the disk.
        """
        self.flood()
        (reply,) = self.server.update(record("a.dyn 60 A 192.0.2.1"), key=KEY, client="192.0.2.1")
        self.assertEqual(reply.rcode, Rcode.NOERROR)

        wire, _ = sign(self.updating(record("b.dyn 60 A 192.0.2.1")), KEY, TODAY)
        with (
            patch("twisted_ext.server.zones.update.commit.UPDATES_WAITING", Limit(10, 10, 10)),
            patch.object(Policy, "admits", lambda self, keyName, client: True),
            patch.object(Policy, "allows", lambda self, keyName, client, name, rrType: True),
        ):
            server = UpdatedServer(("key dhcp.example.org subtree dyn A TXT",), self.mktemp())
            self.addCleanup(server.updating.close)
            for number in range(12):
                server.send(self.updating(record(f"n{number} 60 A 192.0.2.1")), STRANGER, "udp")
            replies = server.send(wire, "192.0.2.1")
            server.disk.settle()
        self.assertEqual([reply[3] & 15 for reply in replies], [Rcode.SERVFAIL])

    def updating(self, *changes: RRSet) -> bytes:
        """
        Return an UPDATE of the zone.
        """
        return buildMessage(Message(77, Opcode.UPDATE << 11, (Question(APEX, SOA),), (), changes))

    def test_forgedAndOldSignaturesAreRefused(self) -> None:
        """
        A signature over other data changes nothing, and neither does an old one. If signatures were not verified, both would.
        """
        genuine, _ = sign(self.updating(record("a.dyn 60 A 192.0.2.1")), KEY, TODAY)
        other = genuine.replace(b"\xc0\x00\x02\x01", b"\xc6\x33\x64\x01")
        old, _ = sign(self.updating(record("a.dyn 60 A 192.0.2.1")), KEY, TODAY - 301)
        for wire in (other, old):
            self.server.send(wire, STRANGER)
            self.server.disk.settle()
        self.assertEqual(self.server.zone.current.serial, 10)

        def trusting(wire: bytes, keys: object, now: float) -> Verdict:
            from twisted_ext.wire.tsig import splitSigned

            octets, signature = splitSigned(wire)
            return Verdict(0, signature, KEY, octets)

        with patch("twisted_ext.wire.tsig.verify", trusting):
            self.server.send(other, STRANGER)
            self.server.disk.settle()
        self.assertEqual(self.server.zone.current.serial, 11)

    def test_recordsWithBadSignatureAreNotRead(self) -> None:
        """
        Records under an unknown key or a wrong signature are not read, and the sender gets the TSIG error. If signatures were verified
        after the records, all would be read.
        """
        many = self.updating(*[record(f"n{number}.dyn 60 A 192.0.2.1") for number in range(100)])
        unknown = sign(many, Key.fromText("hmac-sha256:other:c2VjcmV0"), TODAY)[0]
        wrong = sign(many, Key.fromText("hmac-sha256:dhcp.example.org:d3Jvbmc="), TODAY)[0]
        for wire, error in ((unknown, Rcode.BADKEY), (wrong, BADSIG)):
            with patch.object(Message, "check", side_effect=AssertionError):
                (reply,) = self.server.send(wire, STRANGER)
            signature = Message.fromWire(reply).check().trailer
            assert signature is not None
            self.assertEqual((reply[3] & 15, TSIGRecord.fromRecord(signature).error), (Rcode.NOTAUTH, error))
            with (
                patch.object(SignatureGate, "isForged", lambda self, request: False),
                patch.object(Message, "check", side_effect=ZeroDivisionError),
            ):
                server = UpdatedServer(("key dhcp.example.org zone",), self.mktemp())
                self.addCleanup(server.updating.close)
                server.send(wire, STRANGER)
                self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)
        good, _ = sign(many, KEY, TODAY)
        (reply,) = self.repliesTo(good)
        self.assertEqual((reply[3] & 15, self.server.zone.current.serial), (Rcode.NOERROR, 11))

    def repliesTo(self, wire: bytes) -> list[bytes]:
        """
        Return the replies to a message.
        """
        replies = self.server.send(wire, STRANGER)
        self.server.disk.settle()
        return replies

    def test_keyIsLimitedToItsNames(self) -> None:
        """
        A key for a part of the zone changes nothing else, whatever else the update has. If records were not checked one by one, it would.
        """
        changes = (record("a.dyn 60 A 192.0.2.1"), record("@ 60 MX 1 mail"))
        (reply,) = self.server.update(*changes, key=KEY)
        self.assertEqual((reply.rcode, self.server.zone.current.serial), (Rcode.REFUSED, 10))
        with patch.object(Update, "checkPolicy", lambda *arguments: None):
            (reply,) = self.server.update(*changes, key=KEY)
        self.assertEqual((reply.rcode, self.server.zone.current.serial), (Rcode.NOERROR, 11))

    def test_namesOutsideTheZoneAreRefused(self) -> None:
        """
        Names outside the zone are never added. If that were not checked first, it would be a server failure instead of a client error.
        """
        server = UpdatedServer(("key dhcp.example.org zone ANY",))
        outside = RRSet(b"\x08xexample\x03org\x00", A, 1, 60, (b"\xc0\x00\x02\x01",))
        (reply,) = server.update(outside, key=KEY)
        self.assertEqual(reply.rcode, Rcode.NOTZONE)
        with patch.object(Update, "check", lambda self, apex: None):
            (reply,) = server.update(outside, key=KEY)
        self.assertNotEqual(reply.rcode, Rcode.NOTZONE)
        self.assertEqual(server.zone.current.serial, 10)

    def test_setsAreLimited(self) -> None:
        """
        No update makes a set too large for answers (CVE-2024-1737). Without the limit it would.
        """
        bomb = [record(f"bomb.dyn 60 A 192.0.{count >> 8}.{count & 255}") for count in range(101)]
        (reply,) = self.server.update(*bomb, key=KEY)
        self.assertEqual((reply.rcode, self.server.zone.current.serial), (Rcode.REFUSED, 10))
        with patch("twisted_ext.zone.update.transactions.SET_RECORDS", Limit(1000, 1000, 1000)):
            (reply,) = self.server.update(*bomb, key=KEY)
        self.assertEqual((reply.rcode, self.server.zone.current.serial), (Rcode.NOERROR, 11))

    def test_pointerChainsOfUpdateAreLimited(self) -> None:
        """
        An update whose owners are long chains of pointers gets FORMERR after a limited number of steps (CVE-2026-42304). With more steps
        allowed, it is read to its end.
        """
        chain = bytearray(HEADER.pack(77, Opcode.UPDATE << 11, 1, 0, 1500, 0) + APEX + b"\x00\x06\x00\x01")
        place = 12
        # The rdata of the first record holds the chain: each label points to the previous one.
        links = bytearray()
        start = len(chain) + 2 + 10
        for number in range(100):
            links += b"\x01a" + (0xC000 | place).to_bytes(2, "big")
            place = start + 4 * number
        chain += b"\xc0\x0c\x00\x0a\x00\x01\x00\x00\x00\x00" + len(links).to_bytes(2, "big") + links
        record_ = (0xC000 | place).to_bytes(2, "big") + b"\x00\x01\x00\x01\x00\x00\x00\x3c\x00\x04\xc0\x00\x02\x01"
        wire = bytes(chain + record_ * 1499)
        # Without a matching rule, nothing would be read at all.
        self.server = UpdatedServer((f"address {STRANGER} subtree dyn TXT",))
        (reply,) = self.server.send(wire, STRANGER)
        self.assertEqual(reply[3] & 15, Rcode.FORMERR)
        with patch("twisted_ext.wire.reader._MOST_HOPS", 10**9), patch("twisted_ext.wire.reader._MOST_JUMPS", 10**6):
            (reply,) = self.server.send(wire[:2] + wire[2:], STRANGER)
        self.assertEqual(reply[3] & 15, Rcode.REFUSED)
