"""
Tests of replies on their way through the cache.
"""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from twisted_ext.answers import Answer, Origin, Outcome
from twisted_ext.cache.dump import dumpLines, loadLines
from twisted_ext.cache.entries import packEntry
from twisted_ext.cache.lifetimes import Lifetimes
from twisted_ext.cache.store import Store
from twisted_ext.outcomes import answerFromReply
from twisted_ext.wire.builder import buildMessage
from twisted_ext.wire.codes import AA
from twisted_ext.wire.message import EDNS, Message, Question
from twisted_ext.wire.records import RRSet

NOW = 1000.1
ZONE = b"\x07example\x03com\x00"
NAMES = (b"\x03www" + ZONE, b"\x03WWW\x07Example\x03com\x00", ZONE, b"\x02ns" + ZONE, b"\x02nS" + ZONE, b"\x03www\x03org\x00")
SOA = ZONE + ZONE + bytes(16) + (600).to_bytes(4, "big")
RDATA = {1: (b"\x01\x02\x03\x04", b"\x01\x02\x03\x05"), 2: NAMES[3:], 5: (NAMES[3],), 6: (SOA,), 16: (b"\x02hi", b"\x01x\x01y")}
ttls = st.sampled_from((1, 59, 60, 61, 3600, 604_801, 0x7FFFFFFF))
oddTTLs = st.sampled_from((0, 0x80000000, 0xFFFFFFFF))
asked = st.sampled_from(NAMES[:3])


@st.composite
def sets(draw: st.DrawFn) -> RRSet:
    """
    Draw a record set with known rdata and a usual or an odd TTL.
    """
    rrType = draw(st.sampled_from(sorted(RDATA)))
    rdatas = draw(st.lists(st.sampled_from(RDATA[rrType]), min_size=1, unique=True))
    return RRSet(draw(st.sampled_from(NAMES)), rrType, 1, draw(ttls if draw(st.integers(0, 9)) else oddTTLs), tuple(rdatas))


def distinct(found: list[RRSet]) -> tuple[RRSet, ...]:
    """
    Return the sets without those of the same name and type as an earlier one.
    """
    return tuple({(rrset.name.lower(), rrset.rrType): rrset for rrset in found}.values())


sections = st.lists(sets(), max_size=2).map(distinct)
edns = st.sampled_from((None, EDNS(1232), EDNS(1232, options=((12, bytes(100)),)), EDNS(1232, options=((15, b"\x00\x0fno"),))))


def sectionsOf(answer: Answer) -> list[list[tuple[bytes, int, tuple[bytes, ...]]]]:
    """
    Return the record sets of each section without their TTLs.
    """
    return [
        [(rrset.name.lower(), rrset.rrType, rrset.rdatas) for rrset in each]
        for each in (answer.answer, answer.authority, answer.additional)
    ]


class ReplyTests(SynchronousTestCase):
    """
    Tests that the cached form of a reply says what the reply said.
    """

    @given(asked, asked, st.sampled_from((1, 2, 16)), st.integers(0, 3), sections, sections, sections, edns, st.sampled_from((0, 60)))
    def test_cachedAnswerEqualsReply(
        self,
        queryName: bytes,
        replyName: bytes,
        rrType: int,
        count: int,
        answers: tuple[RRSet, ...],
        authority: tuple[RRSet, ...],
        additional: tuple[RRSet, ...],
        opt: EDNS | None,
        least: int,
    ) -> None:
        """
        A cached answer equals the reply apart from its age, whether it is found packed, unpacked, packed again or loaded from a
        file, in any letter case and with any TTLs. No record lives longer than it may.
        """
        if queryName.lower() != replyName.lower():
            replyName = queryName
        question = Question(queryName, rrType)
        if count:
            # Mostly the queried name and type, and mostly nothing else.
            answers = distinct([RRSet(replyName, rrType, 1, 300, RDATA[rrType][:count]), *answers[3 - count :]])
        else:
            authority = distinct([*authority, RRSet(ZONE, 6, 1, 300, (SOA,))])
        rcode = 3 * (not count and not answers)
        message = Message(1, 0x8580 | rcode, (Question(replyName, rrType),), answers, authority, additional, opt)
        answer = answerFromReply(question, buildMessage(message), Origin("udp", "192.0.2.1:53"))
        lifetimes = Lifetimes(least=least)
        store = Store(lifetimes=lifetimes)
        seconds = store.keep(question, b"", answer, NOW)
        if not seconds:
            return
        (key,) = store.keys()
        other = Store(lifetimes=lifetimes)
        loadLines(other, list(dumpLines(store, NOW, 0.0)), NOW, 0.0, "file")
        for kept in (store, store, store, other):
            entry = kept.find(key, NOW)
            assert entry is not None
            found = entry.show(NOW)
            self.assertEqual(sectionsOf(found), sectionsOf(answer))
            for label in ("outcome", "rcode", "security", "ede"):
                self.assertEqual(getattr(found, label), getattr(answer, label))
            self.assertEqual(found.flags, answer.flags & ~AA)
            self.assertEqual(entry.expires, NOW + seconds)
            for before, after in zip(
                (*answer.answer, *answer.authority, *answer.additional),
                (*found.answer, *found.authority, *found.additional),
                strict=True,
            ):
                self.assertLessEqual(after.ttl, min(max(before.ttl, least), lifetimes.most))
                self.assertGreaterEqual(after.ttl, seconds)
            if entry.octets:
                store.restore(key, packEntry(key, entry, store.servers))
        self.assertEqual(answer.outcome is Outcome.NXDOMAIN, bool(rcode))
