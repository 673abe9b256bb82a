"""
Tests of packing answers.
"""

from __future__ import annotations

from hypothesis import example, given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from twisted_ext.answers import Answer, Origin, Outcome, Security
from twisted_ext.cache.entries import (
    Entry,
    Servers,
    askedAgain,
    learnedAt,
    nameOfKey,
    pack,
    packedBytes,
    packEntry,
    readyBytes,
    unpack,
)
from twisted_ext.outcomes import answerFromReply
from twisted_ext.wire.builder import buildMessage
from twisted_ext.wire.message import EDNS, Message, Question
from twisted_ext.wire.names import ROOT, nameFromLabels
from twisted_ext.wire.records import RRSet
from twisted_ext.wire.replies import readReply

names = st.lists(st.binary(min_size=1, max_size=5), max_size=5).map(nameFromLabels)
sets = st.builds(
    RRSet,
    names,
    st.integers(1, 0xFFFF),
    st.just(1),
    st.integers(0, 0x7FFFFFFF),
    st.lists(st.binary(max_size=20), min_size=1, max_size=3).map(tuple),
)
sections = st.lists(sets, max_size=3).map(tuple)

SPELLINGS = (b"\x03www\x07example\x03com\x00", b"\x03WWW\x07eXample\x03com\x00")

#: An RRSIG record set beside the addresses; its signature is not valid.
SIGNED = (RRSet(b"\x03www\x07example\x03com\x00", 46, 1, 300, (b"\x00\x01\x0d\x02" + bytes(14) + b"\x07example\x03com\x00" + bytes(8),)),)


class PackingTests(SynchronousTestCase):
    """
    Tests for L{pack} and L{unpack}.
    """

    @given(names, sections, sections, sections, st.sampled_from(Outcome), st.sampled_from(Security), st.text(max_size=5))
    def test_roundTrip(
        self,
        name: bytes,
        answer: tuple[RRSet, ...],
        authority: tuple[RRSet, ...],
        additional: tuple[RRSet, ...],
        outcome: Outcome,
        security: Security,
        text: str,
    ) -> None:
        """
        An unpacked answer equals the packed one.
        """
        servers = Servers()
        kept = Answer(
            outcome,
            answer,
            authority,
            additional,
            rcode=3,
            flags=0x8180,
            security=security,
            ede=((15, text), (0, "")),
            origin=Origin("cache", "192.0.2.1:53"),
        )
        key = name.lower() + b"\x00\x01\x00\x01"
        entry = Entry(kept, 1234.5, 300)
        entry.asked = 7
        data = packEntry(key, entry, servers)
        back = unpack(key, data, servers)
        for label in ("outcome", "rcode", "flags", "security", "ede"):
            self.assertEqual(getattr(back.kept, label), getattr(kept, label))
        for label in ("answer", "authority", "additional"):
            for one, other in zip(getattr(back.kept, label), getattr(kept, label), strict=True):
                self.assertEqual((one.name, one.rrType, one.ttl, one.rdatas), (other.name, other.rrType, other.ttl, other.rdatas))
        assert back.kept.origin is not None
        self.assertEqual(back.kept.origin.server, "192.0.2.1:53")
        self.assertEqual((back.learned, back.expires, back.asked), (1234.5, 1534.5, 7))
        self.assertEqual(learnedAt(data), (1234.5, 1534.5))
        self.assertEqual(unpack(key, askedAgain(data), servers).asked, 8)
        self.assertEqual(nameOfKey(key), name.lower())

    def test_commonRepliesRoundTrip(self) -> None:
        """
        An answer with one address, an authority section, addresses of the name servers and an extended error survives packing.
        """
        name, zone, server = b"\x03www\x07example\x03com\x00", b"\x07example\x03com\x00", b"\x02ns\x07example\x03com\x00"
        address = (RRSet(name, 1, 1, 300, (b"\x01\x02\x03\x04",)),)
        authority = (RRSet(zone, 2, 1, 300, (server,)),)
        additional = (RRSet(server, 1, 1, 300, (b"\x05\x06\x07\x08",)), RRSet(server, 28, 1, 300, (bytes(16), bytes(15) + b"\x01")))
        key = name + b"\x00\x01\x00\x01"
        for rest in (((), ()), (authority, ()), ((), additional), (authority, additional)):
            for ede in ((), ((15, "blocked"),)):
                kept = Answer(Outcome.DATA, address, *rest, ede=ede)
                back = unpack(key, packEntry(key, Entry(kept, 0.0, 300), Servers()), Servers()).kept
                self.assertEqual((back.answer, back.authority, back.additional, back.ede), (address, *rest, ede))

    @given(st.sampled_from(SPELLINGS), st.booleans(), st.sampled_from(((), SIGNED)))
    def test_replyRoundTrip(self, spelled: bytes, several: bool, more: tuple[RRSet, ...]) -> None:
        """
        A reply unpacks to the sections that were read from it, in the spelling of the query name, but without the message. The same
        holds if the query was sent with 0x20 mixed case.
        """
        question = Question(spelled, 1)
        zone, server = b"\x07example\x03com\x00", b"\x02ns\x07example\x03com\x00"
        addresses = (b"\x01\x02\x03\x04", b"\x01\x02\x03\x05")[: 1 + several]
        authority = (RRSet(zone, 2, 1, 300, (server,)),)
        additional = (RRSet(server, 1, 1, 300, (b"\x05\x06\x07\x08",)),)
        reply = Message(1, 0x8580, (question,), (RRSet(spelled, 1, 1, 300, addresses), *more), authority, additional, EDNS(1232))
        for asked in (spelled, spelled.swapcase()):
            answer = answerFromReply(Question(asked, 1), buildMessage(reply), Origin("udp", "192.0.2.1:53"))
            key = question.key
            sections = answer.answer, answer.authority, answer.additional
            servers = Servers()
            data = pack(key, answer, sections, 5.0, 300, servers)
            back = unpack(key, data, servers).kept
            self.assertEqual((back.answer, back.authority, back.additional), sections)
            self.assertEqual((back.outcome, back.flags, back.message), (Outcome.DATA, 0x8180, None))
            # The octets of a suitable reply are stored as they are.
            fit = answer.wire.startswith(answer.answer[0].name, 12) and not more
            plain = readReply(answer.wire, asked, 12 + len(asked) + 4) is not None
            self.assertEqual(answer.wire in data, fit and plain)

    def test_paddingIsNotStored(self) -> None:
        """
        Padding and other EDNS options of a reply are not stored, so that answers over TLS take no more memory than others.
        """
        name = SPELLINGS[0]
        rrset = RRSet(name, 1, 1, 300, (b"\x01\x02\x03\x04", b"\x01\x02\x03\x05"))
        servers = Servers()
        for options in (((12, bytes(400)),), ((3, b"server"), (10, bytes(24)))):
            octets = buildMessage(Message(1, 0x8580, (Question(name, 1),), (rrset,), (), (), EDNS(1232, options=options)))
            answer = answerFromReply(Question(name, 1), octets, Origin("tls", "192.0.2.1:853"))
            key = name + b"\x00\x01\x00\x01"
            data = pack(key, answer, (answer.answer, (), ()), 5.0, 300, servers)
            self.assertLess(len(data), 64)
            self.assertEqual(unpack(key, data, servers).kept.answer, (rrset,))

    def test_recordsWinOverMessage(self) -> None:
        """
        If the records of an answer differ from those in its message, the records are stored.
        """
        name = SPELLINGS[0]
        inMessage = RRSet(name, 1, 1, 300, (b"\x01\x02\x03\x04", b"\x01\x02\x03\x05"))
        inAnswer = RRSet(name, 1, 1, 300, (b"\x01\x02\x03\x05", b"\x01\x02\x03\x04"))
        message = Message.fromWire(buildMessage(Message(1, 0x8580, (Question(name, 1),), (inMessage,))))
        answer = Answer(Outcome.DATA, (inAnswer,), message=message)
        key = name + b"\x00\x01\x00\x01"
        data = pack(key, answer, (answer.answer, (), ()), 5.0, 300, Servers())
        self.assertEqual(unpack(key, data, Servers()).kept.answer[0].rdatas, inAnswer.rdatas)

    @given(st.floats(0, 2e9), st.integers(1, 28 * 86400))
    @example(1000.1, 300)
    def test_repackingKeepsExpiry(self, learned: float, seconds: int) -> None:
        """
        An answer expires at the same time however often it is packed and unpacked.
        """
        key = SPELLINGS[0] + b"\x00\x01\x00\x01"
        kept = Answer(Outcome.DATA, (RRSet(SPELLINGS[0], 1, 1, seconds, (b"\x01\x02\x03\x04",)),))
        entry = Entry(kept, learned, seconds)
        back = unpack(key, packEntry(key, entry, Servers()), Servers())
        self.assertEqual((back.learned, back.expires), (entry.learned, entry.expires))

    def test_oneAddressFitsIn256Octets(self) -> None:
        """
        A cached address takes less than 256 octets of memory, including its key and its slot in the table.
        """
        key = b"\x03www\x07example\x03com\x00\x00\x01\x00\x01"
        kept = Answer(Outcome.DATA, (RRSet(key[:-4], 1, 1, 300, (b"\x01\x02\x03\x04",)),))
        data = packEntry(key, Entry(kept, 0.0, 300), Servers())
        self.assertLess(packedBytes(key, data), 256)
        self.assertLess(readyBytes(key, kept), 1500)

    def test_serverNamesAreBounded(self) -> None:
        """
        The table of server names keeps a few thousand names and no more.
        """
        servers = Servers()
        numbers = [servers.number(f"192.0.2.1:{port}") for port in range(Servers.MOST + 10)]
        self.assertEqual(servers.names[numbers[5]], "192.0.2.1:5")
        self.assertEqual(numbers[-1], 0)
        self.assertEqual(len(servers.names), Servers.MOST)

    def test_rootKeyHasName(self) -> None:
        """
        The key of the root yields the name of the root.
        """
        self.assertEqual(nameOfKey(ROOT + b"\x00\x02\x00\x01\x03"), ROOT)
