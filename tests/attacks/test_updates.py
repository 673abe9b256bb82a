"""
Attack 28 on the way of updates: changes by those who may make none, by those who pretend to be others, and too many of them. Rows 20 and
22 reach it as well: sets that no answer should carry, and messages whose names cost more than they look like.
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from unittest.mock import patch

from twisted.trial.unittest import SynchronousTestCase

from tests.server.update.changed import KEY, TODAY, UpdatedServer
from tests.zone.changing import APEX, record, textsOf, zoneOf
from twisted_ext.limits import Limit
from twisted_ext.server.reply.gates import SignatureGate
from twisted_ext.server.reply.requests import Request
from twisted_ext.server.update.updates import Updating
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

    def counted(self) -> AbstractContextManager[object]:
        """
        Count how often what an update wants is looked into.
        """
        genuine = Update.fromMessage

        def looking(message: Message) -> Update:
            self.looked += 1
            return genuine(message)

        return patch.object(Update, "fromMessage", looking)

    def flood(self, count: int = 200) -> set[int]:
        """
        @return: what strangers are told who want everything changed.
        """
        rcodes: set[int] = set()
        for _ in range(count):
            rcodes.update([reply.rcode for reply in self.server.update(*[NEW] * 20, client=STRANGER, transport="udp")])
        return rcodes

    def test_strangers(self) -> None:
        """
        For strangers nothing is looked into, and the zone stays what it is. If who may change anything were not looked at first, each of
        them would cost that work.
        """
        with self.counted():
            self.assertEqual(self.flood(), {Rcode.REFUSED})
            self.assertEqual(self.looked, 0)
            with patch.object(Policy, "admits", lambda self, keyName, client: True):
                self.assertEqual(self.flood(), {Rcode.REFUSED})
            self.assertEqual(self.looked, 200)
        self.assertEqual(textsOf(self.server.zone.current), textsOf(zoneOf().current))

    def test_unread(self) -> None:
        """
        An update of a stranger, as large as TCP carries, is refused without a look at its records. If who may change anything at all were
        not looked at first, all of them would be read.
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
            with patch.object(Updating, "isHopeless", lambda self, request, signed: False):
                (reply,) = self.server.send(wire, STRANGER)
            self.assertEqual((reply[3] & 15, len(read)), (Rcode.REFUSED, 1))
            # Who signs may be somebody, unless the signature is too old or the zone is nobody's.
            (reply,) = self.server.send(sign(wire, KEY, TODAY - 1000)[0], STRANGER)
            self.assertEqual((reply[3] & 15, len(read)), (Rcode.NOTAUTH, 1))
            (reply,) = self.server.send(sign(wire, KEY, TODAY)[0], STRANGER)
            self.assertEqual((reply[3] & 15, len(read)), (Rcode.REFUSED, 2))
            other = wire.replace(APEX + b"\x00\x06", b"\x07nowhere\x00\x00\x06", 1)
            (reply,) = self.server.send(sign(other, KEY, TODAY)[0], STRANGER)
            self.assertEqual((reply[3] & 15, len(read)), (Rcode.NOTAUTH, 2))
        self.assertEqual(self.server.zone.current.serial, 10)

    def test_questions(self) -> None:
        """
        Of thousands of questions not one is read.
        """
        wire = HEADER.pack(77, Opcode.UPDATE << 11, 4000, 0, 0, 0) + b"\x01a\x00\x00\x06\x00\x01" * 4000
        with patch.object(Request, "readWhole", side_effect=AssertionError):
            (reply,) = self.server.send(wire, STRANGER)
        self.assertEqual(reply, HEADER.pack(77, 0x8000 | Opcode.UPDATE << 11 | Rcode.FORMERR, 0, 0, 0, 0))

    def test_notInTheWay(self) -> None:
        """
        However many strangers there are, whoever may change the zone does. If theirs were taken before that is looked at, they would take
        the places of those that wait for the disk.
        """
        self.flood()
        (reply,) = self.server.update(record("a.dyn 60 A 192.0.2.1"), key=KEY, client="192.0.2.1")
        self.assertEqual(reply.rcode, Rcode.NOERROR)

        wire, _ = sign(self.updating(record("b.dyn 60 A 192.0.2.1")), KEY, TODAY)
        with (
            patch("twisted_ext.server.update.commit.UPDATES_WAITING", Limit(10, 10, 10)),
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
        @return: an UPDATE of the zone.
        """
        return buildMessage(Message(77, Opcode.UPDATE << 11, (Question(APEX, SOA),), (), changes))

    def test_stolen(self) -> None:
        """
        Neither a signature that was made over something else nor one that is old changes anything. If signatures were not checked, both
        would.
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

    def test_forged(self) -> None:
        """
        Of many records that are signed with a key that nobody has, or not with the one that they name, none is read, and whoever sent them
        is told what is wrong with the signature. If signatures were looked at behind the records, all would be.
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
        (reply,) = self.sent(good)
        self.assertEqual((reply[3] & 15, self.server.zone.current.serial), (Rcode.NOERROR, 11))

    def sent(self, wire: bytes) -> list[bytes]:
        """
        @return: the replies to it.
        """
        replies = self.server.send(wire, STRANGER)
        self.server.disk.settle()
        return replies

    def test_beyond(self) -> None:
        """
        A key that may change a part of the zone changes nothing else of it, whatever stands beside that. If records were not looked at
        one by one, it would.
        """
        changes = (record("a.dyn 60 A 192.0.2.1"), record("@ 60 MX 1 mail"))
        (reply,) = self.server.update(*changes, key=KEY)
        self.assertEqual((reply.rcode, self.server.zone.current.serial), (Rcode.REFUSED, 10))
        with patch.object(Update, "checkPolicy", lambda *arguments: None):
            (reply,) = self.server.update(*changes, key=KEY)
        self.assertEqual((reply.rcode, self.server.zone.current.serial), (Rcode.NOERROR, 11))

    def test_outside(self) -> None:
        """
        Names beside the zone get into it by nobody. If that were not looked at first, it would be a fault of ours instead of theirs.
        """
        server = UpdatedServer(("key dhcp.example.org zone ANY",))
        outside = RRSet(b"\x08xexample\x03org\x00", A, 1, 60, (b"\xc0\x00\x02\x01",))
        (reply,) = server.update(outside, key=KEY)
        self.assertEqual(reply.rcode, Rcode.NOTZONE)
        with patch.object(Update, "check", lambda self, apex: None):
            (reply,) = server.update(outside, key=KEY)
        self.assertNotEqual(reply.rcode, Rcode.NOTZONE)
        self.assertEqual(server.zone.current.serial, 10)

    def test_bombs(self) -> None:
        """
        Nobody makes a set that answers should not have to carry (CVE-2024-1737). Without the bound it is there.
        """
        bomb = [record(f"bomb.dyn 60 A 192.0.{count >> 8}.{count & 255}") for count in range(101)]
        (reply,) = self.server.update(*bomb, key=KEY)
        self.assertEqual((reply.rcode, self.server.zone.current.serial), (Rcode.REFUSED, 10))
        with patch("twisted_ext.zone.update.transactions.SET_RECORDS", Limit(1000, 1000, 1000)):
            (reply,) = self.server.update(*bomb, key=KEY)
        self.assertEqual((reply.rcode, self.server.zone.current.serial), (Rcode.NOERROR, 11))

    def test_pointers(self) -> None:
        """
        An update whose owners are long chains of pointers ends with FORMERR after a bounded number of steps (CVE-2026-42304). With
        more steps allowed, it is read to its end.
        """
        chain = bytearray(HEADER.pack(77, Opcode.UPDATE << 11, 1, 0, 1500, 0) + APEX + b"\x00\x06\x00\x01")
        place = 12
        # The rdata of the first record holds the chain: each label points to the one before.
        links = bytearray()
        start = len(chain) + 2 + 10
        for number in range(100):
            links += b"\x01a" + (0xC000 | place).to_bytes(2, "big")
            place = start + 4 * number
        chain += b"\xc0\x0c\x00\x0a\x00\x01\x00\x00\x00\x00" + len(links).to_bytes(2, "big") + links
        record_ = (0xC000 | place).to_bytes(2, "big") + b"\x00\x01\x00\x01\x00\x00\x00\x3c\x00\x04\xc0\x00\x02\x01"
        wire = bytes(chain + record_ * 1499)
        # Of one whom no rule fits, nothing would be read at all.
        self.server = UpdatedServer((f"address {STRANGER} subtree dyn TXT",))
        (reply,) = self.server.send(wire, STRANGER)
        self.assertEqual(reply[3] & 15, Rcode.FORMERR)
        with patch("twisted_ext.wire.reader._MOST_HOPS", 10**9), patch("twisted_ext.wire.reader._MOST_JUMPS", 10**6):
            (reply,) = self.server.send(wire[:2] + wire[2:], STRANGER)
        self.assertEqual(reply[3] & 15, Rcode.REFUSED)
