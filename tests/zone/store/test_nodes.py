"""
Tests of nodes and of their keys.
"""

from __future__ import annotations

from struct import error as StructError

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from tests.wire.strategies import labels
from tests.zone.models import APEX, record
from twisted_ext.wire.names import canonicalKey
from twisted_ext.wire.records import RRSet
from twisted_ext.zone.store.nodes import Node, decoded, gathered, hashingOf, keyBelow, parentKey, recordsOf, sortKey

keys = st.lists(labels, max_size=4).map(lambda given: b"".join([bytes([len(label)]) + label.lower() for label in given]))


class KeyTests(SynchronousTestCase):
    """
    Tests for the keys of names.
    """

    @given(keys, keys)
    def test_keysSortCanonically(self, one: bytes, other: bytes) -> None:
        """
        Keys sort in the order of RFC 4034, whatever octets are in their labels.
        """
        first, second = canonicalKey(one + b"\x00"), canonicalKey(other + b"\x00")
        self.assertEqual((sortKey(one) < sortKey(other), sortKey(one) == sortKey(other)), (first < second, first == second))

    @given(st.lists(st.sampled_from([b"\x00", b"\x01", b"\x02", b"\x00\x01", b"\x01\x00", b"\x01\x01", b"a"]), min_size=1, max_size=3))
    def test_separatorsInLabelsSortCanonically(self, given: list[bytes]) -> None:
        """
        Labels with the octets of separators sort in the same order.
        """
        key = b"".join([bytes([len(label)]) + label for label in given])
        for label in (b"\x00", b"\x01", b"\x00\x00"):
            other = bytes([len(label)]) + label + parentKey(key)
            self.assertEqual(sortKey(key) < sortKey(other), canonicalKey(key + b"\x00") < canonicalKey(other + b"\x00"))

    def test_keyBelowTheApex(self) -> None:
        """
        A name belongs to a zone by whole labels, in any letter case, and the apex has the empty key.
        """
        apex = APEX.lower()
        self.assertEqual(keyBelow(b"\x03WWW" + APEX, apex), b"\x03www")
        self.assertEqual(keyBelow(APEX, apex), b"")
        self.assertIsNone(keyBelow(b"\x08" + b"a" + apex, apex))
        self.assertIsNone(keyBelow(b"\x04test\x00", apex))
        self.assertEqual(keyBelow(b"\x04test\x00", b"\x00"), b"\x04test")
        # The octets of the apex within a label do not count.
        self.assertIsNone(keyBelow(bytes([len(apex)]) + apex + b"\x00", apex))


class NodeTests(SynchronousTestCase):
    """
    Tests for the records of a node.
    """

    def test_gatheredSetsAreNormalized(self) -> None:
        """
        Equal records are one, a set has one TTL, types are in order, and empty sets are left out.
        """
        name = b"\x01a" + APEX
        sets = gathered([
            RRSet(name, 16, 1, 60, (b"\x01x",)),
            RRSet(name, 1, 1, 300, (b"\x7f\x00\x00\x01", b"\x7f\x00\x00\x01")),
            RRSet(name, 1, 1, 60, (b"\x7f\x00\x00\x02", b"\x7f\x00\x00\x01")),
            RRSet(name, 28, 1, 60, ()),
        ])  # fmt: skip
        self.assertEqual(
            sets, (RRSet(name, 1, 1, 60, (b"\x7f\x00\x00\x01", b"\x7f\x00\x00\x02")), RRSet(name, 16, 1, 60, (b"\x01x",)))
        )

    def test_roundTrip(self) -> None:
        """
        Decoded records equal the encoded ones, including the letter case of the owner, and the SOA record comes first at the apex.
        """
        sets = gathered([record(line) for line in ("wWw 60 A 192.0.2.1", "wWw 60 A 192.0.2.2", "wWw 30 TXT \"x\"")])
        octets = b"".join(recordsOf(sets, 4))
        self.assertEqual([rrset.name for rrset in decoded(octets, 4, APEX)], [b"\x03wWw" + APEX] * 2)
        self.assertEqual(decoded(octets, 4, APEX), sets)
        top = gathered([record("test.Example. 60 A 192.0.2.1"), record("test.Example. 60 SOA a b 1 2 3 4 5")])
        self.assertEqual(recordsOf(top, 0)[0][2:4], b"\x00\x06")

    def test_truncatedRecordsRaise(self) -> None:
        """
        Truncated records raise an exception.
        """
        octets = recordsOf((record("a 60 A 192.0.2.1"),), 2)[0]
        for end in range(1, len(octets)):
            with self.assertRaises((IndexError, StructError)):
                decoded(octets[:end], 2, APEX)

    def test_usedNsec3Parameters(self) -> None:
        """
        The NSEC3 chain in use is the one with flags 0 and the only assigned algorithm (RFC 5155, section 4).
        """
        lines = ("test.Example. 0 NSEC3PARAM 1 1 1 -", "test.Example. 0 NSEC3PARAM 7 0 2 -", "test.Example. 0 NSEC3PARAM 1 0 3 AB")
        self.assertEqual(hashingOf(gathered([record(line) for line in lines])), (1, 3, b"\xab"))
        self.assertIsNone(hashingOf(gathered([record(line) for line in lines[:2]])))

    def test_equalNodes(self) -> None:
        """
        Nodes with the same content are equal, and their C{repr} shows the number of records.
        """
        sets = (record("a 60 A 192.0.2.1"),)
        one, other = Node(b"\x01a", sets, 0, 0), Node(b"\x01a", (record("A 60 A 192.0.2.1"),), 0, 0)
        self.assertEqual((one, hash(one)), (other, hash(other)))
        self.assertNotEqual(one, Node(b"\x01a", sets, 0, 1))
        self.assertNotEqual(one, 7)
        self.assertIn("A 1 record", repr(one))
