"""
Attacks 16 to 18: replies that were changed on the way, each of their octets in turn. No change makes a validator accept other data, or fail
with anything but an error of ours.
"""

from __future__ import annotations

from random import Random
from typing import Final
from unittest.mock import patch

from tests.attacks.validated import Resolver, ValidatedTestCase
from twisted_ext.answers import Answer, Origin, Outcome, Security
from twisted_ext.dnssec.keys import ZoneKey
from twisted_ext.dnssec.trustanchors import ZoneAnchors
from twisted_ext.dnssec.validation import Validated, Validator
from twisted_ext.dnssec.work import Work
from twisted_ext.errors import DNSFault
from twisted_ext.outcomes import answerFromReply
from twisted_ext.resolver.combine.aliasfollower import targetOf
from twisted_ext.testing.internet import Params
from twisted_ext.testing.sources import questionOf
from twisted_ext.wire.builder import buildMessage
from twisted_ext.wire.codes import DO, IN, Rcode
from twisted_ext.wire.message import EDNS, Message, Question
from twisted_ext.wire.names import ROOT, nameFromText, parentOf
from twisted_ext.wire.rdata.canonical import canonicalOf
from twisted_ext.wire.rdata.text import recordFromText
from twisted_ext.wire.rrtypes import CNAME, DNSKEY, DS, RRSIG

#: What is asked: data, denials, and data of a wildcard and of an alias.
QUESTIONS: Final = (
    ("www.evil.test", "A"),
    ("www.evil.test", "TXT"),
    ("no.evil.test", "A"),
    ("a.w.evil.test", "A"),
    ("away.evil.test", "A"),
    ("x.tree.evil.test", "A"),
)

RECORDS: Final = "www 300 A 192.0.2.66\n*.w 300 A 192.0.2.67\naway CNAME www\ntree DNAME w"

#: Octets that each octet is combined with.
MASKS: Final = (0x01, 0x83)

#: Octets that are changed in replies to a whole resolver.
CHANGES: Final = 100

#: What an answer says: its outcome, and its records without signatures.
Said = tuple[Outcome, frozenset[tuple[bytes, int, bytes]]]


def said(answer: Answer) -> Said:
    """
    Return what an answer says. Letter case does not matter.
    """
    records = [
        (rrset.name.lower(), rrset.rrType, canonicalOf(rrset.rrType, rdata))
        for rrset in answer.answer
        if rrset.rrType != RRSIG
        for rdata in rrset.rdatas
    ]
    return answer.outcome, frozenset(records)


class FlipCase(ValidatedTestCase):
    """
    A zone with data of all kinds.
    """

    nsec3: Params | None = None

    def setUp(self) -> None:
        super().setUp()
        self.evil(RECORDS, nsec3=self.nsec3)


class ReplyTests(FlipCase):
    """
    Tests of the validator alone, with each octet of each reply that it gets.
    """

    def setUp(self) -> None:
        super().setUp()
        digests = tuple([recordFromText(line).rdatas[0] for line in self.internet.anchors.splitlines()])
        self.anchors = ZoneAnchors(ROOT, digests, ())
        self.replies: dict[bytes, bytes] = {}

    def reply(self, question: Question) -> bytes:
        """
        Return the genuine reply to a question.
        """
        known = self.replies.get(question.key)
        if known is None:
            name = question.key[:-4]
            zone = self.internet.zones.get(parentOf(name) if question.rrType == DS else name)
            zone = zone or self.internet.zones[nameFromText("evil.test")]
            query = Message(0, 0, (question,), edns=EDNS(4096, DO))
            known = self.replies[question.key] = zone.servers[0].replyTo(query, "tcp")
        return known

    def judge(
        self, question: Question, changed: bytes, octets: bytes, validator: Validator | None = None
    ) -> tuple[Answer, Validated] | None:
        """
        Validate an answer.

        @param changed: the key of the question to which the reply is another one.
        @param octets: that reply.

        @return: the answer and the verdict; L{None} if the reply is not usable.
        """

        def answerTo(asked: Question) -> Answer:
            return answerFromReply(asked, octets if asked.key == changed else self.reply(asked), Origin("test"))

        try:
            answer = answerTo(question)
        except DNSFault:
            return None
        validator = validator or Validator(lambda name, now: self.anchors)
        steps = validator.validate(question, answer, int(self.internet.time()), Work())
        try:
            asked = next(steps)
            while True:
                try:
                    result: Answer | DNSFault = answerTo(asked)
                except DNSFault as fault:
                    result = fault
                asked = steps.send(result)
        except StopIteration as done:
            return answer, done.value

    def flip(self, question: Question, changed: Question, validator: Validator | None = None, masks: tuple[int, ...] = MASKS) -> int:
        """
        Change each octet of one reply, and check that no change makes an answer secure that says something else. An alias without what
        belongs to its target says nothing yet: a further question is asked then.

        @return: how many changes were accepted, because they change nothing that matters.
        """
        genuine = self.judge(question, b"", b"", validator)
        assert genuine is not None
        self.assertIs(genuine[1].verdict.security, Security.SECURE)
        true = said(genuine[0])
        ttl = min([rrset.ttl for rrset in (*genuine[0].answer, *genuine[0].authority)])
        reply = self.reply(changed)
        accepted = 0
        for position in range(2, len(reply)):
            for mask in masks:
                octets = reply[:position] + bytes((reply[position] ^ mask,)) + reply[position + 1 :]
                found = self.judge(question, changed.key, octets, validator)
                if found is None or found[1].verdict.security is not Security.SECURE:
                    continue
                accepted += 1
                if targetOf(question, found[0]) is None:
                    self.assertEqual(said(found[0]), true, f"octet {position} of the reply to {changed} combined with {mask:#x}")
                    self.assertLessEqual(found[1].ttl, ttl)
        return accepted

    def test_changedAnswersAreNotSecure(self) -> None:
        """
        No change of the answer makes other data secure.
        """
        for name, rrType in QUESTIONS:
            question = questionOf(name, rrType)
            # It knows the keys.
            validator = Validator(lambda name, now: self.anchors)
            self.assertGreater(self.flip(question, question, validator), 50)

    def test_changedKeysAndDelegationsAreNotSecure(self) -> None:
        """
        No change of keys or DS records makes other data secure.
        """
        question = questionOf(*QUESTIONS[0])
        for zone, rrType in (("evil.test", DNSKEY), ("evil.test", DS), ("test", DNSKEY)):
            changed = Question(nameFromText(zone), rrType, IN)
            self.assertGreater(self.flip(question, changed, masks=MASKS[:1]), 20)

    def test_withoutChecksChangedDataIsSecure(self) -> None:
        """
        If all signatures counted as right, changed data would be accepted.
        """
        question = questionOf(*QUESTIONS[0])
        with patch.object(ZoneKey, "verify", lambda key, signature, data: True), self.assertRaises(self.failureException):
            self.flip(question, question)

    def test_rcodeDoesNotDenyData(self) -> None:
        """
        Genuine data with the rcode NXDOMAIN is bogus, and so is data that its alias does not lead to.
        """
        question = questionOf(*QUESTIONS[0])
        reply = self.reply(question)
        found = self.judge(question, question.key, reply[:3] + bytes((reply[3] | Rcode.NXDOMAIN,)) + reply[4:])
        assert found is not None
        self.assertEqual((found[0].outcome, found[1].verdict.security), (Outcome.NXDOMAIN, Security.BOGUS))
        self.assertIn("denies the records that it has", found[1].verdict.reasons[0][1])
        question = questionOf(*QUESTIONS[-1])
        whole = Message.fromWire(self.reply(question))
        sets = tuple([rrset for rrset in whole.answer if rrset.rrType != CNAME])
        self.assertEqual(len(whole.answer) - len(sets), 1)
        octets = buildMessage(Message(0, whole.flags, whole.questions, sets, whole.authority, edns=whole.edns))
        found = self.judge(question, question.key, octets)
        assert found is not None
        self.assertIs(found[1].verdict.security, Security.BOGUS)


class HashedReplyTests(ReplyTests):
    """
    The same with NSEC3.
    """

    nsec3 = Params()


class ResolverTests(FlipCase):
    """
    Tests with a whole resolver.
    """

    def test_changedRepliesAreNotSecure(self) -> None:
        """
        Whatever octet of a reply of any server is changed, the resolver answers with the true data, or fails.
        """
        random = Random(16)
        genuine = {}
        resolver = self.resolver()
        for name, rrType in QUESTIONS:
            genuine[name, rrType] = said(resolver.look(name, rrType))
        secure = 0
        for _ in range(CHANGES):
            name, rrType = random.choice(QUESTIONS)
            zone = random.choice((".", "test", "evil.test"))
            share, mask = random.random(), 1 << random.randrange(8)

            def tamper(octets: bytes, transport: str, share: float = share, mask: int = mask) -> list[bytes]:
                position = int(share * len(octets))
                return [octets[:position] + bytes((octets[position] ^ mask,)) + octets[position + 1 :]]

            servers = self.internet.zones[nameFromText(zone)].servers
            for server in servers:
                server.tamper = tamper
            resolver = Resolver(self.internet)
            try:
                answer = resolver.look(name, rrType)
                secure += 1
                self.assertIs(answer.security, Security.SECURE)
                self.assertEqual(said(answer), genuine[name, rrType])
            except DNSFault:
                pass
            for server in servers:
                server.tamper = None
            resolver.close()
        self.assertGreater(secure, 5)
