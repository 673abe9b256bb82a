"""
Tests of zones built by code.
"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from twisted_ext.wire.names import nameFromText
from twisted_ext.wire.rdata.registry import rdataFromText
from twisted_ext.wire.records import RRSet
from twisted_ext.wire.rrtypes import typeNumber
from twisted_ext.zone.zones import Zone


def record(text: str) -> RRSet:
    owner, ttl, rrType, rdata = text.split(None, 3)
    number = typeNumber(rrType) or 0
    return RRSet(nameFromText(owner), number, 1, int(ttl), (rdataFromText(number, rdata),))


RECORDS = tuple(
    record(line)
    for line in """
    Example.test. 3600 SOA ns1.example.test. admin.example.test. 7 3600 900 604800 300
    Example.test. 3600 NS ns1.example.test.
    ns1.example.test. 3600 A 192.0.2.1
    a.b.Example.test. 60 TXT "deep"
    sub.example.test. 60 NS ns.sub.example.test.
    ns.sub.example.test. 60 A 192.0.2.2
    """.strip().splitlines()
)


class ZoneTests(SynchronousTestCase):
    """
    Tests for L{Zone}.
    """

    def test_fromRecords(self) -> None:
        """
        A zone made of records has each of them at its name, empty names between them, and its serial number.
        """
        zone = Zone.fromRecords("Example.test", RECORDS)
        current = zone.current
        self.assertEqual((current.serial, current.recordCount, current.nodeCount), (7, 6, 6))
        node = current.find(b"\x01a\x01b")
        assert node is not None
        self.assertEqual(node.sets, (RECORDS[3],))
        empty = current.find(b"\x01b")
        assert empty is not None
        self.assertEqual((empty.sets, empty.children), ((), 1))
        self.assertIsNone(current.find(b"\x01c"))

    def test_edited(self) -> None:
        """
        An edit gives another version, and the one before stays what it was.
        """
        zone = Zone.fromRecords("Example.test", RECORDS)
        before = zone.current
        zone.replace(before.edited({b"\x01a\x01b": ()}))
        self.assertIsNone(zone.current.find(b"\x01b"))
        self.assertIsNotNone(before.find(b"\x01b"))
        self.assertEqual(zone.epoch.value, 1)
        self.assertEqual(zone.current.recordCount, 5)
        self.assertEqual(sum([count for _, count in zone.current.stretches()]), 5)
