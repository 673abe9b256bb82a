"""
Tests of writing replies.
"""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from tests.queries import mixedCase, optOf, queryOf
from twisted_ext.server.reply.replywriter import compose
from twisted_ext.testing.sources import rrsetOf
from twisted_ext.wire.codes import AA, QR, TC
from twisted_ext.wire.message import Message
from twisted_ext.wire.names import nameFromText
from twisted_ext.wire.records import RRSet

NAME = nameFromText("www.test.example")
START = queryOf()
SOA = rrsetOf(nameFromText("test.example"), 6, "ns.test.example. hostmaster.test.example. 1 3600 600 86400 60", 60)


def setOf(count: int, name: bytes = NAME) -> RRSet:
    """
    Return an RRset with this many addresses.
    """
    return RRSet(name, 1, 1, 300, tuple([number.to_bytes(4, "big") for number in range(count)]))


class ComposeTests(SynchronousTestCase):
    """
    Tests for L{compose}.
    """

    def test_writtenReplyReadsBack(self) -> None:
        """
        A written reply reads back as the same records; names are compressed regardless of case.
        """
        target = nameFromText("Mail.test.EXAMPLE")
        mail = rrsetOf(nameFromText("WWW.test.example"), 15, "10 Mail.test.EXAMPLE.", 300)
        composed = compose(START, NAME, QR, ((mail,), (SOA,), (setOf(2, target),)), optOf(), 1232)
        read = Message.fromWire(composed.octets).check()
        self.assertEqual((read.authority, read.additional), ((SOA,), (setOf(2, target),)))
        self.assertEqual([each.rdatas[0].lower() for each in read.answer], [mail.rdatas[0].lower()])
        self.assertEqual(composed.octets.lower().count(b"\x07example"), 1)
        self.assertEqual(composed.octets[composed.optAt :], optOf())
        self.assertTrue(composed.whole)

    def test_questionCaseChangesNothingElse(self) -> None:
        """
        The case of the question does not change the octets behind it.
        """
        sections = ((setOf(3),), (SOA,), (setOf(1, nameFromText("ns.test.example")),))
        plain = compose(START, NAME, QR, sections, b"", 1232)
        for bits in (0, 0x5555555555, 0xFFFFFFFFFF):
            start = mixedCase(START, bits)
            mixed = compose(start, NAME, QR, sections, b"", 1232)
            self.assertEqual(mixed.octets[12 : len(start)], start[12:])
            self.assertEqual(mixed.octets[len(start) :], plain.octets[len(start) :])

    def test_ttlOffsets(self) -> None:
        """
        The offset of the TTL is recorded for each record, and not for the OPT record.
        """
        composed = compose(START, NAME, QR, ((setOf(3),), (SOA,), ()), optOf(), 1232)
        self.assertEqual([ttl for _, ttl in composed.ttls], [300, 300, 300, 60])
        octets = bytearray(composed.octets)
        for offset, ttl in composed.ttls:
            self.assertEqual(int.from_bytes(octets[offset : offset + 4], "big"), ttl)
            octets[offset : offset + 4] = b"\x00\x00\x00\x07"
        read = Message.fromWire(bytes(octets)).check()
        self.assertEqual([each.ttl for each in (*read.answer, *read.authority)], [7, 7])

    @given(st.integers(512, 1400), st.lists(st.integers(1, 40), max_size=4), st.booleans())
    def test_replyFitsSize(self, size: int, counts: list[int], edns: bool) -> None:
        """
        A reply never exceeds its size; RRsets are in it whole or not at all, and TC is set if one is missing.
        """
        sets = tuple([setOf(count, nameFromText(f"n{index}.test.example")) for index, count in enumerate(counts)])
        for sections in ((sets, (), ()), ((), sets, ()), ((), (), sets)):
            composed = compose(START, NAME, QR, sections, optOf() if edns else b"", size)
            self.assertLessEqual(len(composed.octets), size)
            read = Message.fromWire(composed.octets).check()
            given = read.answer + read.authority + read.additional
            self.assertTrue(all(each in sets for each in given))
            self.assertEqual(composed.whole, len(given) == len(sets))
            self.assertEqual(bool(read.flags & TC), not composed.whole and sections[2] == ())
            self.assertEqual(len(composed.ttls), sum([len(each.rdatas) for each in given]))
            self.assertEqual(read.edns is not None, edns)

    def test_omittedSetLeavesNoPointers(self) -> None:
        """
        An RRset that did not fit leaves no dangling compression pointers.
        """
        target = nameFromText("a.very.long.name.of.a.host.test.example")
        large = RRSet(target, 1, 1, 300, setOf(60).rdatas)
        small = RRSet(target, 28, 1, 300, (bytes(16),))
        composed = compose(START, NAME, QR, ((), (), (large, small)), b"", 512)
        self.assertEqual(Message.fromWire(composed.octets).check().additional, (small,))

    def test_missingNeededGlueSetsTC(self) -> None:
        """
        TC is set in a referral that lacks addresses of name servers inside the delegated zone (RFC 9471, section 3.1). Addresses of other
        name servers, and additional records of other replies, may be omitted without TC.
        """
        cut = nameFromText("sub.test.example")
        inside = nameFromText("ns.sub.test.example")
        beside = nameFromText("ns.other.test.example")
        servers = RRSet(cut, 2, 1, 300, (inside, beside))
        for large, flags, expected in ((inside, QR, True), (beside, QR, False), (inside, QR | AA, False)):
            glue = (setOf(60, large), setOf(1, beside if large == inside else inside))
            composed = compose(START, NAME, flags, ((), (servers,), glue), optOf(), 512)
            read = Message.fromWire(composed.octets).check()
            self.assertEqual(bool(read.flags & TC), expected)
            self.assertEqual(read.additional, glue[1:])
        whole = compose(START, NAME, QR, ((), (servers,), (setOf(2, inside),)), optOf(), 512)
        self.assertFalse(Message.fromWire(whole.octets).flags & TC)
        answered = compose(START, NAME, QR, ((setOf(1),), (servers,), (setOf(60, inside),)), optOf(), 512)
        self.assertFalse(Message.fromWire(answered.octets).flags & TC)
