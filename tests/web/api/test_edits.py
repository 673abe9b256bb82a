"""
Tests of L{twisted_ext.server.zones.update.edits}.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from unittest.mock import patch

from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from tests.server.zones.update.changed import UpdatedServer
from tests.zone.changing import APEX, record, textsOf
from twisted_ext.errors import BadChange, StorageFault
from twisted_ext.server.zones.table.zonetable import EXPIRED
from twisted_ext.server.zones.update.commit import Edited
from twisted_ext.server.zones.update.edits import NoSuchZone, NotEditable, StaleEdit, ZoneEdits, etagOf
from twisted_ext.wire.builder import buildMessage
from twisted_ext.wire.codes import Opcode, Rcode
from twisted_ext.wire.message import Message, Question
from twisted_ext.wire.rrtypes import SOA
from twisted_ext.zone.update.policy import Policy
from twisted_ext.zone.update.transactions import Transaction


class EditTests(SynchronousTestCase):
    """
    Changes of a zone, whose journal is slow.
    """

    def setUp(self) -> None:
        self.server = UpdatedServer(path=self.mktemp())
        ward = self.server.updating.wardOf(APEX)
        assert ward is not None
        ward.doors = frozenset(["api"])
        self.origin = ("file", False)
        self.edits = ZoneEdits(self.server.updating, self.server.zones, lambda apex: self.origin)

    def adding(self, number: int, match: str = "") -> Deferred[Edited]:
        """
        Begin to add an address to a name.
        """
        line = f"n 60 A 192.0.2.{number}"
        return self.edits.change(APEX, lambda transaction: transaction.add(record(line)), door="api", who="test", match=match)

    def test_allOfManyAtOnce(self) -> None:
        """
        Changes that come while the disk is busy are all made, each of a version in force; updates join them.
        """
        changing = [self.adding(number) for number in range(20)]
        self.server.update(record("n 60 A 192.0.3.1"))
        changing += [self.edits.change(APEX, lambda tx: tx.add(record("late 60 A 192.0.2.1")), door="api", who="t")]
        self.server.disk.settle()
        self.assertEqual([self.successResultOf(each).version.serial for each in changing], [*range(11, 31), 31])
        self.assertEqual(len([text for text in textsOf(self.server.zone.current) if text[0].startswith(b"\x01n\x07")]), 21)

    def test_oneTagForAll(self) -> None:
        """
        Of several changes with the tag of one version, the first one is made, though none was on disk when they came.
        """
        tag = etagOf(self.server.zone.current)
        changing = [self.adding(number, tag) for number in range(5)]
        self.server.disk.settle()
        self.assertEqual(self.successResultOf(changing[0]).version.serial, 11)
        for each in changing[1:]:
            self.assertIn("it is at serial 11", str(self.failureResultOf(each, StaleEdit).value))
        self.assertEqual(self.server.zone.current.serial, 11)

    def test_dryRun(self) -> None:
        """
        A dry run says what would be, and nothing is; also what cannot be.
        """
        before = textsOf(self.server.zone.current)
        trying = self.edits.change(APEX, lambda tx: tx.add(record("n 60 A 192.0.2.1")), door="api", who="t", dry=True)
        edited = self.successResultOf(trying)
        self.assertEqual((edited.before, edited.version.serial), (10, 11))
        assert edited.difference is not None
        self.assertEqual(len(edited.difference.added), 1)
        self.assertEqual((textsOf(self.server.zone.current), self.server.disk.waiting), (before, []))

        def wrong(transaction: Transaction) -> None:
            transaction.add(record("www 60 A 192.0.2.1"))

        self.failureResultOf(self.edits.change(APEX, wrong, door="api", who="t", dry=True), BadChange)
        self.failureResultOf(self.edits.change(APEX, wrong, door="api", who="t"), BadChange)
        self.assertEqual(textsOf(self.server.zone.current), before)

    def test_nothingToChange(self) -> None:
        """
        What is there already is no change.
        """
        changing = self.edits.change(APEX, lambda tx: tx.add(record("ns1 3600 A 192.0.2.1")), door="api", who="t")
        edited = self.successResultOf(changing)
        self.assertEqual((edited.before, edited.version.serial, edited.difference), (10, 10, None))

    def test_frozenMeanwhile(self) -> None:
        """
        A change in several steps between which the zone is frozen, or its settings forbid it, is refused.
        """
        ward = self.server.updating.wardOf(APEX)
        assert ward is not None

        def frozen(transaction: Transaction) -> Generator[None, None, None]:
            transaction.add(record("n 60 A 192.0.2.1"))
            yield
            self.edits.freeze(APEX, True)

        def forbidden(transaction: Transaction) -> Generator[None, None, None]:
            transaction.add(record("n 60 A 192.0.2.1"))
            yield
            ward.doors = frozenset()

        self.assertIn("is frozen", str(self.failureResultOf(self.edits.change(APEX, frozen, door="api", who="t"), NotEditable).value))
        self.edits.freeze(APEX, False)
        self.failureResultOf(self.edits.change(APEX, forbidden, door="api", who="t"), NotEditable)
        self.assertEqual((self.server.zone.current.serial, self.server.disk.waiting), (10, []))

    def test_updateBehindALongChange(self) -> None:
        """
        An update that waits for a long change is refused if the zone is frozen meanwhile, or the rule of its client goes.
        """
        ward = self.server.updating.wardOf(APEX)
        assert ward is not None
        message = Message(77, Opcode.UPDATE << 11, (Question(APEX, SOA),), (), (record("n 60 A 192.0.2.1"),))

        def tried(meanwhile: Callable[[], object]) -> int:
            replies: list[list[bytes]] = []

            def steps(transaction: Transaction) -> Generator[None, None, None]:
                replies.append(self.server.send(buildMessage(message)))
                yield
                meanwhile()

            self.edits.change(APEX, steps, door="api", who="t").addErrback(lambda failure: None)
            self.server.disk.settle()
            ((octets,),) = replies
            return Message.fromWire(octets).rcode

        self.assertEqual((tried(lambda: self.edits.freeze(APEX, True)), self.server.changes), (Rcode.REFUSED, []))
        self.edits.freeze(APEX, False)
        self.assertEqual((tried(lambda: setattr(ward, "policy", Policy())), self.server.changes), (Rcode.REFUSED, []))
        ward.policy = Policy.fromTexts(["address 127.0.0.0/8 zone ANY"], APEX)
        self.assertEqual((tried(lambda: None), self.server.changes), (Rcode.NOERROR, [11]))

    def test_removedMeanwhile(self) -> None:
        """
        A change in several steps of a zone that is removed between them finds no such zone.
        """

        def removed(transaction: Transaction) -> Generator[None, None, None]:
            yield
            self.server.zones.remove(APEX)

        self.failureResultOf(self.edits.change(APEX, removed, door="api", who="t"), NoSuchZone)

    def test_notHere(self) -> None:
        """
        Zones that are to be changed elsewhere, or not by this door, say so.
        """

        def said(door: str = "api", kind: str = "file", signed: bool = False) -> str:
            self.origin = (kind, signed)
            ward = self.server.updating.wardOf(APEX)
            assert ward is not None
            with patch.object(ward, "doors", frozenset()):
                return str(self.failureResultOf(self.edits.change(APEX, lambda tx: None, door=door, who="t"), NotEditable).value)

        self.assertEqual(said(kind="secondary"), "example.org. comes from its primaries; change it there")
        self.assertEqual(said(kind="code"), "example.org. is made by code of this server")
        self.assertIn("is signed here with NSEC3 records or a digest of the zone; change it in", said(kind="database", signed=True))
        self.assertIn('which, as it is signed, takes a policy with denial = "nsec" and without zonemd', said(signed=True))
        self.assertIn('set edit = ["console"] in its [[zone]]', said("console"))
        self.server.zones.fail(APEX, "it has expired", EXPIRED)
        expired = self.edits.change(APEX, lambda tx: None, door="api", who="t")
        self.assertEqual(str(self.failureResultOf(expired, StorageFault).value), "example.org. is not loaded: it has expired")
        unknown = self.edits.change(b"\x04none\x00", lambda tx: None, door="api", who="t")
        self.assertEqual(str(self.failureResultOf(unknown, NotEditable).value), "none. is not served here")

    def test_diskFails(self) -> None:
        """
        A change that cannot be stored is not in force.
        """

        changing = self.edits.change(APEX, lambda tx: tx.add(record("n 60 A 192.0.2.1")), door="api", who="t")
        ((_, done),) = self.server.disk.waiting
        done.errback(StorageFault("no space left"))
        self.failureResultOf(changing, StorageFault)
        self.assertEqual(self.server.zone.current.serial, 10)
