"""
Tests of the fast parser of replies against the general parser of messages.
"""

from __future__ import annotations

from hypothesis import example, given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from tests.conformance.test_messages_zonemaster import responses
from tests.corpora import corpus
from twisted_ext.answers import Origin, Outcome
from twisted_ext.errors import BadMessage, ServerFailed
from twisted_ext.outcomes import answerFromMessage, answerFromReply
from twisted_ext.wire.builder import buildMessage
from twisted_ext.wire.message import EDNS, Message, Question
from twisted_ext.wire.names import nameFromText
from twisted_ext.wire.records import RRSet
from twisted_ext.wire.replies import readReply

NAMES = [
    nameFromText(name)
    for name in ("h1.test.example", "H1.test.example", "h22.test.example", "test.example", "ns1.test.example", "test", ".", "a.b.c.test")
]

names = st.sampled_from(NAMES)

rdatas = st.one_of(
    st.tuples(st.just(1), st.binary(min_size=4, max_size=4)),
    st.tuples(st.just(28), st.binary(min_size=16, max_size=16)),
    st.tuples(st.sampled_from([2, 5, 12, 39]), names),
    st.tuples(st.just(15), names.map(lambda name: b"\x00\x0a" + name)),
    st.tuples(st.just(6), st.tuples(names, names).map(lambda pair: pair[0] + pair[1] + bytes(20))),
    st.tuples(
        st.just(46), st.tuples(st.sampled_from([b"\x00\x01", b"\x00\x02"]), names).map(lambda pair: pair[0] + bytes(16) + pair[1] + b"sig")
    ),
    st.tuples(st.sampled_from([16, 65280]), st.binary(min_size=1, max_size=9).map(lambda octets: bytes([len(octets)]) + octets)),
)

sets = st.builds(
    lambda name, typed, ttl: RRSet(name, typed[0], 1, ttl, (typed[1],)),
    names,
    rdatas,
    st.sampled_from([0, 60, 3600, 0x7FFFFFFF, 0x80000001]),
)

sections = st.lists(sets, max_size=5).map(tuple)

replies = st.builds(
    lambda question, flags, *rest: Message(7, 0x8000 | flags, (question,), *rest),
    st.builds(Question, names, st.sampled_from([1, 2, 5, 28])),
    st.sampled_from([0, 3, 0x0400, 0x0180]),
    sections,
    sections,
    sections,
    st.sampled_from(
        [
            None,
            EDNS(1232),
            EDNS(4096, 0x8000, ((10, b"12345678"),)),
            EDNS(1232, 0, ((11, b"\x00\x64"), (12, bytes(40)))),
            EDNS(1232, 0, ((12, b""), (15, b"\x00\x03stale"))),
            EDNS(1232, 0, ((10, b"12345678"),) * 4),
        ]
    ),
)


def contentOf(sets: tuple[RRSet, ...]) -> list[tuple[object, ...]]:
    """
    Return everything about these sets, so that not even an order may differ.
    """
    return [(each.name, each.rrType, each.rrClass, each.ttl, each.rdatas) for each in sets]


def compare(data: bytes, name: bytes) -> bool:
    """
    Compare both parsers on a message.

    @param name: the name of the question.
    @return: whether the fast parser took it.
    """
    offset = 12 + len(name) + 4
    if data[4:6] != b"\x00\x01" or data[12 : offset - 4] != name or data[2] & 0x78:
        return False
    found = readReply(data, name, offset)
    if found is None:
        return False
    answer, authority, additional, opt = found
    if opt is not None:
        try:
            EDNS.fromRecord(*opt)
        except BadMessage:
            # The caller reads the options.
            return False
    message = Message.fromWire(data).check()
    assert contentOf(answer) == contentOf(message.answer), (answer, message.answer)
    assert contentOf(authority) == contentOf(message.authority)
    assert contentOf(additional) == contentOf(message.additional)
    assert message.trailer is None
    edns = message.edns
    assert (opt is None) == (edns is None)
    if opt is not None and edns is not None:
        assert EDNS.fromRecord(*opt) == edns
    return True


@given(replies)
def test_builtRepliesAgree(message: Message) -> None:
    """
    Both parsers agree on a built reply.
    """
    data = buildMessage(message)
    # An ending that comes a second time is kept, and recognized the third time.
    for _ in range(3):
        compare(data, message.questions[0].name)


@given(replies, st.data())
def test_damagedRepliesAgree(message: Message, data: st.DataObject) -> None:
    """
    The fast parser agrees on a damaged reply, or leaves it to the general parser.
    """
    octets = bytearray(buildMessage(message))
    for _ in range(data.draw(st.integers(1, 3))):
        octets[data.draw(st.integers(12, len(octets) - 1))] = data.draw(st.integers(0, 255))
    del octets[data.draw(st.integers(len(octets) - 8, len(octets))) :]
    try:
        compare(bytes(octets), message.questions[0].name)
    except BadMessage as fault:
        raise AssertionError("read, though no message") from fault


@given(st.binary(max_size=80), st.integers(0, 3), st.integers(0, 3))
@example(b"\xc0\x0c\x00\x01\x00\x01\x00\x00\x00\x00\x00\x04\x01\x02\x03\x04", 0, 0)
@example(b"\x03abc\xc0\x1d\x00\x10\x00\x01\x00\x00\x00\x3c\x00\x02\x01x", 0, 0)
def test_randomOctetsAgree(noise: bytes, authorities: int, additionals: int) -> None:
    """
    The fast parser agrees on random octets after the question, or leaves them to the general parser.
    """
    question = Question(NAMES[0], 1)
    counts = bytes([0, 1, 0, authorities, 0, additionals])
    data = b"\x00\x07\x80\x00\x00\x01" + counts + question.toWire() + noise
    try:
        compare(data, question.name)
    except BadMessage as fault:
        raise AssertionError("read, though no message") from fault


class ReadReplyTests(SynchronousTestCase):
    """
    Tests for L{readReply} and L{answerFromReply}.
    """

    question = Question(nameFromText("h1.test.example"), 1)
    address = RRSet(nameFromText("h1.test.example"), 1, 1, 60, (b"\x01\x02\x03\x04",))
    servers = RRSet(nameFromText("test.example"), 2, 1, 60, (nameFromText("ns1.test.example"), nameFromText("ns2.test.example")))
    glue = RRSet(nameFromText("ns1.test.example"), 1, 1, 60, (b"\x05\x06\x07\x08",))

    def test_ordinaryReplyIsReadFast(self) -> None:
        """
        The fast parser takes ordinary replies.
        """
        message = Message(7, 0x8400, (self.question,), (self.address,), (self.servers,), (self.glue,), EDNS(1232))
        self.assertTrue(compare(buildMessage(message), self.question.name))

    def test_endingThatComesAgainIsParsedOnce(self) -> None:
        """
        An ending is kept when it comes for the second time, and the third reply has the same records as the second.
        """
        servers = self.servers.withTTL(61)
        message = Message(7, 0x8400, (self.question,), (self.address,), (servers,), (self.glue,), EDNS(1232))
        data = buildMessage(message)
        first, second, third = [readReply(data, self.question.name, 12 + len(self.question.name) + 4) for _ in range(3)]
        assert first is not None and second is not None and third is not None
        self.assertIsNot(first[1], second[1])
        self.assertIs(second[1], third[1])

    def test_equalEndingsOfZonesAreKeptApart(self) -> None:
        """
        Equal endings of replies for different zones are not mixed up: names in them belong to their zone.
        """
        for zone in ("test.example", "test.example", "twister.test", "twister.test", "test.example"):
            question = Question(nameFromText(f"h1.{zone}"), 1)
            servers = RRSet(nameFromText(zone), 2, 1, 60, (nameFromText(f"ns1.{zone}"),))
            message = Message(7, 0x8400, (question,), (RRSet(question.name, 1, 1, 60, (b"\x01\x02\x03\x04",)),), (servers,))
            found = readReply(buildMessage(message), question.name, 12 + len(question.name) + 4)
            assert found is not None
            self.assertEqual(contentOf(found[1]), contentOf((servers,)))

    def test_pointerBehindTheQuestionIsNotReused(self) -> None:
        """
        An ending with a pointer to just after the question's name has another meaning in a reply to a shorter question, and is not reused.
        """
        ending = b"\x03abc\xc0\x21\x00\x02\x00\x01\x00\x00\x00\x3c\x00\x03\x01x\x00"
        # Octet 33 is in the type of the longer question, which reads as the root, and in the target of an alias in the shorter reply.
        long = Question(b"\x07example\x0babcdefghijk\x00", 2)
        short = Question(b"\x03org\x00", 5)
        alias = b"\xc0\x0c\x00\x05\x00\x01\x00\x00\x00\x3c\x00\x04\x02yz\x00"
        inLong, inShort = (long, b"", b"\x03abc\x00"), (short, alias, b"\x03abc\x02yz\x00")
        # What comes twice is kept.
        for question, answers, owner in (inLong, inLong, inShort, inShort, inLong):
            wire = b"\x00\x07\x80\x00\x00\x01" + bytes([0, bool(answers), 0, 1, 0, 0]) + question.toWire() + answers + ending
            self.assertEqual(answerFromReply(question, wire, Origin("udp")).authority[0].name, owner)

    def test_nameHasTheCaseOfTheQuestion(self) -> None:
        """
        A name that was sent in mixed case is returned in the case of the question.
        """
        mixed = b"\x02H1\x07eXAMple\x04tesT\x00"
        wire = buildMessage(Message(7, 0x8400, (Question(mixed, 1),), (RRSet(mixed, 1, 1, 60, (b"\x01\x02\x03\x04",)),)))
        answer = answerFromReply(self.question, wire, Origin("udp"))
        self.assertEqual((answer.outcome, answer.answer[0].name), (Outcome.DATA, self.question.name))

    def test_answersAgree(self) -> None:
        """
        Data, no data, aliases and denials give the same answer with both parsers.
        """
        alias = RRSet(self.question.name, 5, 1, 60, (nameFromText("ns1.test.example"),))
        soa = RRSet(nameFromText("test.example"), 6, 1, 60, (b"\x00\x00" + bytes(20),))
        for flags, sets, authority in (
            (0, (self.address,), ()),
            (0, (), (soa,)),
            (0, (alias,), ()),
            (0, (alias, self.glue), ()),
            (3, (), (soa,)),
            (3, (alias,), (soa,)),
        ):
            data = buildMessage(Message(7, 0x8180 | flags, (self.question,), sets, authority, edns=EDNS(1232)))
            quick = answerFromReply(self.question, data, Origin("udp"))
            slow = answerFromMessage(self.question, Message.fromWire(data), Origin("udp"))
            self.assertEqual(
                (quick.outcome, quick.rcode, quick.flags, quick.answer, quick.authority, quick.additional, quick.ede),
                (slow.outcome, slow.rcode, slow.flags, slow.answer, slow.authority, slow.additional, slow.ede),
            )
            self.assertEqual(quick.message, slow.message)

    def test_extendedErrorsAndRcodesAreKept(self) -> None:
        """
        Extended errors in EDNS options are kept, and so are rcodes of more than four bits.
        """
        contentOf = EDNS(1232, options=((15, b"\x00\x16no reachable authority"),))
        answer = answerFromReply(self.question, buildMessage(Message(7, 0x8180, (self.question,), edns=contentOf)), Origin("udp"))
        self.assertEqual(answer.ede, ((22, "no reachable authority"),))
        versions = buildMessage(Message(7, 0x8180, (self.question,), edns=EDNS(1232, extendedRcode=1)))
        fault = self.assertRaises(ServerFailed, answerFromReply, self.question, versions, Origin("udp"))
        self.assertEqual(fault.rcode, 16)

    def test_recordedRepliesAgree(self) -> None:
        """
        Both parsers agree on recorded replies, and the fast one takes most of them.
        """
        plain = count = 0
        for data in responses():
            count += 1
            plain += self._tried(data)
        self.assertGreater(plain, count // 2)

    def test_fuzzedRepliesAgree(self) -> None:
        """
        Both parsers agree on messages from fuzzing corpora.
        """
        for folder in ("bind9-fuzz", "c-ares-fuzz"):
            for path in sorted(corpus(folder).rglob("*")):
                if path.is_file() and path.stat().st_size < 65536:
                    self._tried(path.read_bytes())

    def _tried(self, data: bytes) -> bool:
        try:
            message = Message.fromWire(data)
        except BadMessage:
            return False
        return len(message.questions) == 1 and compare(data, message.questions[0].name)
