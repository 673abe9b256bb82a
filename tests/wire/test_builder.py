"""
Tests for L{twisted_ext.wire.builder}.
"""

from __future__ import annotations

from struct import unpack_from
from unittest.mock import patch

import dns.flags
import dns.message
from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from tests.conformance.examining import contentOf
from tests.wire.counting import CountingDict
from tests.wire.strategies import messages, names, plainNames
from twisted_ext.limits import NAMES_COMPRESSED
from twisted_ext.wire.builder import Writer, buildMessage, buildQuery
from twisted_ext.wire.codes import AA, DO, QR, RD, TC
from twisted_ext.wire.message import EDNS, Message, Question
from twisted_ext.wire.names import nameFromText
from twisted_ext.wire.reader import Reader
from twisted_ext.wire.records import RRSet

A, NS, TXT, AAAA = 1, 2, 16, 28

WWW = Question(nameFromText("www.example.com"), A)


def addresses(owner: str, count: int) -> RRSet:
    """
    Return a set of so many addresses.
    """
    return RRSet(nameFromText(owner), A, 1, 300, tuple([number.to_bytes(4, "big") for number in range(count)]))


def folded(sets: tuple[RRSet, ...]) -> set[tuple[bytes, int, bytes]]:
    """
    Return the records in lower case, without types that allow only one record.
    """
    alone = (5, 6, 39)
    return {
        (rrset.name.lower(), rrset.rrType, rdata.lower()) for rrset in sets if rrset.rrType not in alone for rdata in rrset.rdatas
    }


class CompressionTests(SynchronousTestCase):
    """
    Tests for compression.
    """

    @given(st.lists(names | plainNames, max_size=30), st.integers(0, 10))
    def test_compressedNamesAreReadBack(self, several: list[bytes], budget: int) -> None:
        """
        Consecutive names are read back unchanged, with and without remaining budget.
        """
        writer = Writer(bytes(12))
        writer._budget = budget
        offsets = []
        for name in several:
            offsets.append(len(writer.octets))
            writer.name(name)
        for order in (offsets, offsets[::-1]):
            reader = Reader(bytes(writer.octets))
            found = {offset: reader.name(offset)[0] for offset in order}
            self.assertEqual([found[offset] for offset in offsets], several)

    def probes(self, count: int) -> int:
        """
        Return how many look-ups an answer with so many different names of many labels costs.
        """
        owners = [nameFromText(f"{number:x}." + ".".join(f"{number:x}{label}" for label in range(40))) for number in range(count)]
        writer = Writer(bytes(12))
        writer._offsets = CountingDict()
        CountingDict.asked = 0
        for owner in owners:
            writer.name(owner)
        return CountingDict.asked

    def test_unrelatedNamesCostFewLookups(self) -> None:
        """
        Thousands of unrelated names cost a few look-ups each. Without a limit every ending of each would be looked up.
        """
        budget = int(NAMES_COMPRESSED.default)
        with patch("twisted_ext.wire.builder._MOST_NAMES", 1 << 30):
            self.assertGreater(self.probes(4000), 4000 * 40)
        self.assertLessEqual(self.probes(4000), 4000 * 2 + budget * 127)
        self.assertEqual(self.probes(4000) - self.probes(3000), 1000 * 2)

    def test_repeatedNamesCompressWithoutBudget(self) -> None:
        """
        Repeated owners and children of known names are still compressed when the budget is spent.
        """
        writer = Writer(bytes(12))
        writer._budget = 0
        child = "b.a.example.com"
        for text, octets in (("a.example.com", 15), ("a.example.com", 2), (child, 4), (child, 2), ("com", 5), (".", 1)):
            before = len(writer.octets)
            writer.name(nameFromText(text))
            self.assertEqual(len(writer.octets) - before, octets)

    def test_newTypesAreNotCompressed(self) -> None:
        """
        Names in the rdata of newer types are not compressed (RFC 3597, section 4).
        """
        target = nameFromText("www.example.com")
        for rrType, before in ((33, 6), (39, 0), (17, 0), (18, 2), (65, 2), (46, 18), (47, 0)):
            built = buildMessage(Message(questions=(WWW,), answer=(RRSet(target, rrType, 1, 0, (bytes(before) + target,)),)))
            self.assertTrue(built.endswith(bytes(before) + target))
        for rrType, before in ((2, 0), (5, 0), (12, 0), (15, 2)):
            built = buildMessage(Message(questions=(WWW,), answer=(RRSet(target, rrType, 1, 0, (bytes(before) + target,)),)))
            self.assertTrue(built.endswith(bytes([0, before + 2]) + bytes(before) + b"\xc0\x0c"))

    def test_pointersStayWithinReach(self) -> None:
        """
        No pointer exceeds fourteen bits, even in long messages.
        """
        filler = RRSet(nameFromText("filler"), 65280, 1, 0, (bytes(0x3FF0),))
        later = (addresses("late.example.org", 2), addresses("later.example.org", 2))
        message = Message(questions=(WWW,), answer=(filler, *later))
        self.assertEqual(contentOf(Message.fromWire(buildMessage(message)).check()), contentOf(message))


class SizeTests(SynchronousTestCase):
    """
    Tests for messages that are too long.
    """

    def buildAndRead(self, message: Message, size: int, reserve: int = 0) -> Message:
        """
        Return the message that a client reads.
        """
        wire = buildMessage(message, size, reserve)
        self.assertLessEqual(len(wire), size - reserve)
        return Message.fromWire(wire).check()

    def test_setsAreLeftOutWhole(self) -> None:
        """
        A set that does not fit is left out whole, with everything after it, and TC is set (RFC 2181, section 9).
        """
        message = Message(7, QR | AA | RD, (WWW,), (addresses("www.example.com", 3), addresses("b.example.com", 40), addresses("c", 1)))
        found = self.buildAndRead(message, 512)
        self.assertEqual(found.flags, QR | AA | RD | TC)
        self.assertEqual(found.answer, message.answer[:1])
        self.assertEqual(self.buildAndRead(message, 1232).flags, QR | AA | RD)

    def test_authorityWithoutRoomSetsTC(self) -> None:
        """
        An authority section that does not fit sets TC, and nothing follows it.
        """
        message = Message(7, QR, (WWW,), (), (addresses("b.example.com", 40),), (addresses("c", 1),))
        found = self.buildAndRead(message, 512)
        self.assertEqual((found.flags, found.authority, found.additional), (QR | TC, (), ()))

    def test_additionalWithoutRoomSetsNoTC(self) -> None:
        """
        Additional sets that do not fit are left out without TC, and others that fit are kept.
        """
        message = Message(7, QR, (WWW,), (), (), (addresses("a", 2), addresses("b", 40), addresses("c", 2)))
        found = self.buildAndRead(message, 512)
        self.assertEqual(found.flags, QR)
        self.assertEqual(found.additional, (message.additional[0], message.additional[2]))

    def test_missingGlueSetsTC(self) -> None:
        """
        A referral without room for in-domain glue sets TC. Other addresses may be absent (RFC 9471).
        """
        inside, outside = nameFromText("NS.example.com"), nameFromText("ns.example.org")
        authority = (RRSet(nameFromText("example.COM"), NS, 1, 300, (inside, outside)),)
        for owner, flags, truncated in (("ns.Example.com", QR, True), ("ns.example.org", QR, False), ("ns.example.com", QR | AA, False)):
            message = Message(7, flags, (WWW,), (), authority, (addresses(owner, 40),))
            self.assertEqual(bool(self.buildAndRead(message, 512).flags & TC), truncated)

    def test_truncatedReplyKeepsOPT(self) -> None:
        """
        OPT has its place in every truncated reply (RFC 6891, section 7).
        """
        message = Message(7, QR, (WWW,), (addresses("b.example.com", 40),), edns=EDNS(1232, DO, ((10, bytes(24)),)))
        found = self.buildAndRead(message, 512)
        self.assertEqual((found.flags, found.answer, found.edns), (QR | TC, (), message.edns))

    def test_oversizedOptionsAreLeftOut(self) -> None:
        """
        Options larger than the message are left out, but OPT is kept.
        """
        message = Message(7, QR, (WWW,), (addresses("b", 1),), edns=EDNS(1232, DO, ((12, bytes(600)),)))
        found = self.buildAndRead(message, 512)
        self.assertEqual((found.flags, found.questions, found.edns), (QR | TC, (WWW,), EDNS(1232, DO)))

    def test_questionsWithoutRoomAreLeftOut(self) -> None:
        """
        Questions that do not fit are left out.
        """
        message = Message(7, QR, tuple([Question(nameFromText(f"q{number}"), A) for number in range(100)]), edns=EDNS(1232))
        found = self.buildAndRead(message, 512)
        self.assertEqual((found.flags, found.questions, found.edns), (QR | TC, (), EDNS(1232)))

    def test_noPointerIntoOmittedSets(self) -> None:
        """
        No name points into a set that was left out.
        """
        long = RRSet(nameFromText("x.y.example.net"), 65280, 1, 0, (bytes(600),))
        message = Message(7, QR, (WWW,), (), (), (long, addresses("y.example.net", 1), addresses("example.net", 1)))
        self.assertEqual(self.buildAndRead(message, 512).additional, message.additional[1:])

    @settings(max_examples=25)
    @given(messages, st.integers(512, 1400), st.integers(0, 120))
    def test_messageNeverExceedsItsSize(self, message: Message, size: int, reserve: int) -> None:
        """
        A message never exceeds its size, can be read, and has only the given records.
        """
        found = self.buildAndRead(message, size, reserve)
        self.assertEqual(found.id, message.id)
        self.assertEqual(found.flags | TC, message.flags | TC)
        for ours, all_ in ((found.answer, message.answer), (found.authority, message.authority), (found.additional, message.additional)):
            for rrset in ours:
                self.assertIn(rrset, all_)


class AgreementTests(SynchronousTestCase):
    """
    Tests with other implementations.
    """

    @settings(max_examples=25)
    @given(messages)
    def test_roundTrip(self, message: Message) -> None:
        """
        A built message is read back unchanged, case and order included.
        """
        self.assertEqual(contentOf(Message.fromWire(buildMessage(message)).check()), contentOf(message))

    @settings(max_examples=25)
    @given(messages)
    def test_dnspythonReadsTheSame(self, message: Message) -> None:
        """
        dnspython reads the same records.
        """
        other = dns.message.from_wire(buildMessage(message), one_rr_per_rrset=True)
        self.assertEqual(int(other.id), message.id)
        ours = [
            (rrset.name, rrset.rrType, rrset.rrClass, rdata)
            for section in (message.answer, message.authority, message.additional)
            for rrset in section
            for rdata in rrset.rdatas
        ]
        theirs = [
            (rrset.name.to_wire(), int(rrset.rdtype), int(rrset.rdclass), rdata.to_wire())
            for section in other.sections[1:]
            for rrset in section
            for rdata in rrset
        ]
        self.assertEqual(theirs, ours)
        if message.edns is not None:
            self.assertEqual(other.edns, message.edns.version)
            self.assertEqual(other.payload, message.edns.payloadSize)

    @given(messages)
    @settings(max_examples=25)
    def test_messagesOfDnspythonAreRead(self, message: Message) -> None:
        """
        Messages built by dnspython are read with the same records.
        """
        wire = dns.message.from_wire(buildMessage(message)).to_wire(max_size=65535)
        assert isinstance(wire, bytes)
        found = Message.fromWire(wire).check()
        self.assertEqual(found.questions, message.questions)
        self.assertEqual(folded(found.answer), folded(message.answer))
        self.assertEqual(folded(found.authority), folded(message.authority))
        self.assertEqual(folded(found.additional), folded(message.additional))

    def test_queryFromPartsIsTheSame(self) -> None:
        """
        A query built from parts equals one built as a message.
        """
        edns = EDNS(1232, DO, ((10, bytes(8)),))
        query = buildQuery(RD, WWW.toWire(), edns.toWire())
        self.assertEqual(query, buildMessage(Message(0, RD, (WWW,), edns=edns))[2:])
        self.assertEqual(buildQuery(RD, WWW.toWire(), b""), buildMessage(Message(0, RD, (WWW,)))[2:])

    def test_headerBitsAndCounts(self) -> None:
        """
        Every bit of the header is as it was set, and the counts are those of records.
        """
        for flags in (0, 0xFFFF, QR, 0x7800, 0x0040):
            wire = buildMessage(Message(0x1234, flags, (WWW,), (addresses("a", 3),), (), (addresses("b", 2),), EDNS()))
            self.assertEqual(unpack_from(">6H", wire), (0x1234, flags, 1, 3, 0, 3))
