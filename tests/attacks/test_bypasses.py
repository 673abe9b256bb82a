"""
Attack 16: records that are genuine, or signed by the attacker's own zone, where a validator must not accept them (CVE-2026-44690, -11721,
-52688, -13321, -10723, -46582 and -52686).
"""

from __future__ import annotations

from pathlib import Path
from typing import Final
from unittest.mock import patch

from tests.attacks.validated import Forwarded, Resolver, ValidatedTestCase, crafting, keyOf, record, replyWith
from tests.dnssec.chains import digestOf, nsec3Set, nsecSet, numbers
from twisted_ext.answers import Outcome, Security
from twisted_ext.dnssec import signatures, validation
from twisted_ext.dnssec.denial import aggressive, nsec, proving
from twisted_ext.dnssec.denial.nsec import NSECSpan, readNSEC
from twisted_ext.dnssec.denial.nsec3 import NSEC3Span, readNSEC3
from twisted_ext.dnssec.denial.proofs import Proof, proven
from twisted_ext.dnssec.work import Work
from twisted_ext.errors import TrustFault
from twisted_ext.testing.internet import Fault
from twisted_ext.wire.codes import Rcode
from twisted_ext.wire.message import Message
from twisted_ext.wire.names import labelCount, nameFromText, parentOf
from twisted_ext.wire.records import RRSet
from twisted_ext.wire.rrtypes import CNAME, DNSKEY, DS, RRSIG, A

EVIL: Final = nameFromText("evil.test")

FALSE: Final = b"\xcb\0\x71\x42"

SOA: Final = record("evil.test. 300 SOA ns1.evil.test. host.evil.test. 1 2 3 4 300")


class BypassCase(ValidatedTestCase):
    """
    A resolver that meets the attack, and another zone below the same parent.
    """

    def setUp(self) -> None:
        super().setUp()
        self.internet.zone("victim.test", "www 300 A 192.0.2.90")

    def refused(self, resolver: Resolver, name: str, rrType: str = "A") -> Work:
        """
        Check that an answer is bogus, that nothing of it is kept for other names, and that other zones are resolved as before.

        @return: the work of the look-up.
        """
        fault = resolver.fault(name, rrType)
        self.assertIsInstance(fault, TrustFault)
        self.assertTrue(fault.ede)
        work = resolver.work
        self.assertEqual(resolver.denials, 0)
        self.assertIs(resolver.look("www.victim.test").security, Security.SECURE)
        self.othersResolve(resolver)
        return work

    def accepted(self, resolver: Resolver, name: str, rrType: str = "A") -> Outcome:
        """
        Check that an answer is secure, which it is only with the defense off.
        """
        answer = resolver.look(name, rrType)
        self.assertIs(answer.security, Security.SECURE)
        return answer.outcome


class _Unbounded(int):
    """
    A number of labels that is not greater than any other.
    """

    def __gt__(self, other: int) -> bool:
        return False


class SignerTests(BypassCase):
    """
    Tests with a zone whose owner signs what does not belong to it.
    """

    def wide(self, rrType: int, rdata: bytes) -> None:
        """
        Reply with a record whose signature has one label: that of a wildcard next to the zone.
        """

        def craft(reply: Message) -> Message | None:
            question = reply.questions[0]
            if question.rrType == rrType and question.name != EVIL:
                signed = self.signed(RRSet(question.name, rrType, 1, 300, (rdata,)), key=key, labels=1)
                proof = self.signed(nsecSet(EVIL, b"\3zzz" + EVIL, numbers("SOA NS NSEC RRSIG")), key=key)
                return replyWith(reply, signed, proof)
            return None

        key = self.evil(craft=craft)

    def test_wildcardOutsideOfTheZone(self) -> None:
        """
        A signature with fewer labels than its signer is not even checked, and C{*.test} is not kept as a wildcard. Each of the four
        addresses of servers is asked.
        """
        for rrType, rdata in ((A, FALSE), (DS, b"\0\1\x0d\2" + bytes(32))):
            self.beginAnew()
            self.internet.zone("victim.test", "www 300 A 192.0.2.90")
            self.wide(rrType, rdata)
            work = self.refused(self.resolver(), "x.evil.test", "A" if rrType == A else "DS")
            self.assertEqual(work.failures, 0)
            self.assertLessEqual(work.verifications, 5 + 2 * 3)
            self.assertLessEqual(work.packets, 32)

    def test_withoutTheRuleTheWildcardIsValid(self) -> None:
        """
        If labels of signers did not count, the signature would be right, and only the proof would fail.
        """
        self.wide(A, FALSE)
        resolver = self.resolver()
        resolver.look("evil.test", "DNSKEY")
        with patch.object(signatures, "labelCount", lambda name: _Unbounded(labelCount(name))):
            fault = resolver.fault("x.evil.test")
            self.assertIn("is not expanded from *.test.", str(fault.ede))
            with patch.object(validation, "proveNoCloser", _believe):
                self.assertIs(self.accepted(resolver, "y.evil.test"), Outcome.DATA)

    def denying(self, *sets: RRSet) -> None:
        """
        Reply with NXDOMAIN and these sets as the proof, signed by the zone.
        """

        def craft(reply: Message) -> Message | None:
            if reply.questions[0].rrType in (DNSKEY, DS):
                return None
            return replyWith(reply, (), self.signed(SOA, *sets, key=key), rcode=Rcode.NXDOMAIN)

        key = self.evil(craft=craft)

    def test_nextNameOutsideOfTheZone(self) -> None:
        """
        An NSEC record that leads out of the zone proves nothing and is not kept, so that the zones it passes still resolve.
        """
        self.denying(nsecSet(EVIL, nameFromText("zzz.test"), numbers("SOA NS")))
        work = self.refused(self.resolver(), "no.evil.test")
        self.assertEqual((work.verifications, work.failures, work.hashes), (5 + 4 * 2, 0, 0))

    def test_withoutTheRuleTheRecordProves(self) -> None:
        """
        With the rule off, the record is a proof, and kept.
        """

        def readAny(rrset: RRSet, zone: bytes, wildcard: bytes | None = None) -> NSECSpan | str:
            return readNSEC(rrset, b"", wildcard)

        self.denying(nsecSet(EVIL, nameFromText("zzz.test"), numbers("SOA NS")))
        resolver = self.resolver()
        with patch.object(proving, "readNSEC", readAny), patch.object(aggressive, "readNSEC", readAny):
            self.assertIs(self.accepted(resolver, "no.evil.test"), Outcome.NXDOMAIN)
        self.assertEqual(resolver.denials, 1)

    def spans(self, zone: bytes) -> list[RRSet]:
        """
        Return NSEC3 records with owners below a zone, which deny C{no.evil.test} if they are those of C{evil.test}.
        """
        apex = digestOf(EVIL, 0, b"")
        first = int.from_bytes(apex, "big")
        # One record covers all but the apex, which matches another.
        return [nsec3Set(zone, apex, (first - 1).to_bytes(20, "big"), numbers("SOA NS"))]

    def test_hashedNamesOfAnotherZone(self) -> None:
        """
        NSEC3 records that the zone has signed, but whose owners are not directly below its apex, prove nothing and are not kept. Those
        outside of the zone are dropped unread.
        """
        for zone, checked in ((nameFromText("sub.evil.test"), 2), (nameFromText("test"), 1), (nameFromText("victim.test"), 1)):
            self.beginAnew()
            self.internet.zone("victim.test", "www 300 A 192.0.2.90")
            self.denying(*self.spans(zone))
            work = self.refused(self.resolver(), "no.evil.test")
            self.assertEqual((work.verifications, work.failures, work.hashes), (5 + 4 * checked, 0, 0))

    def test_withoutTheRuleTheHashesCount(self) -> None:
        """
        With the rule off, the records of the wrong zone are a proof; those of the right zone are one always.
        """

        def readAny(rrset: RRSet, rdata: bytes, zone: bytes) -> NSEC3Span | str:
            return readNSEC3(rrset, rdata, parentOf(rrset.name.lower()))

        self.denying(*self.spans(nameFromText("sub.evil.test")))
        with patch.object(proving, "readNSEC3", readAny):
            self.assertIs(self.accepted(self.resolver(), "no.evil.test"), Outcome.NXDOMAIN)
        self.beginAnew()
        self.denying(*self.spans(EVIL))
        self.assertIs(self.accepted(self.resolver(), "no.evil.test"), Outcome.NXDOMAIN)

    def test_signedByTheParent(self) -> None:
        """
        Records of the zone that its parent has signed are bogus.
        """
        self.evil()
        self.internet.inject(Fault.SIGNED_BY_ANCESTOR, "evil.test", name="www.evil.test")
        work = self.refused(self.resolver(), "www.evil.test")
        self.assertEqual((work.verifications, work.failures), (5, 0))


def _believe(name: bytes, encloser: bytes, denials: proving.Denials, work: Work) -> Proof:
    return proven(Outcome.DATA, ())


class ReplayTests(BypassCase):
    """
    Tests with an attacker on the path, who has no key, but all genuine replies.
    """

    def setUp(self) -> None:
        super().setUp()
        zone = "*.w A 192.0.2.1\nx.w A 192.0.2.2\n*.c CNAME www\ny.c A 192.0.2.3\nwww A 192.0.2.4"
        self.internet.zone("replay.test", zone)
        self.internet.zone("sub.replay.test", "www A 192.0.2.5\n@ A 192.0.2.6")

    def genuine(self, zone: str, name: str, rrType: str = "A") -> Message:
        """
        Return what a server of a zone replies.
        """
        reply = self.internet.ask(self.internet.zones[nameFromText(zone)].servers[0], name, rrType, transport="tcp")
        assert reply is not None
        return reply

    def replay(
        self, name: str, answer: tuple[RRSet, ...], authority: tuple[RRSet, ...] = (), rcode: int = 0, zone: str = "replay.test"
    ) -> None:
        """
        Reply to queries for a name with other records.
        """
        folded = nameFromText(name)

        def craft(reply: Message) -> Message | None:
            question = reply.questions[0]
            if question.name.lower() != folded or question.rrType == DS:
                return None
            return replyWith(reply, answer, authority, rcode)

        crafting(self.internet.zones[nameFromText(zone)].servers, craft)

    def moved(self, sets: tuple[RRSet, ...], start: str, end: str) -> tuple[RRSet, ...]:
        """
        Return RRsets with the records of one name at another one.
        """
        old, new = nameFromText(start), nameFromText(end)
        return tuple([RRSet(new, each.rrType, 1, each.ttl, each.rdatas) if each.name == old else each for each in sets])

    def test_wildcardForAnExistingName(self) -> None:
        """
        Records of a wildcard do not replace those of a name that exists, with the proof of another name, or with none. They are not kept as
        those of the wildcard.
        """
        genuine = self.genuine("replay.test", "a.w.replay.test")
        answer = self.moved(genuine.answer, "a.w.replay.test", "x.w.replay.test")
        for authority in ((), genuine.authority):
            self.replay("x.w.replay.test", answer, authority)
            work = self.refused(self.resolver(), "x.w.replay.test")
            self.assertEqual(work.failures, 0)
            self.assertLessEqual(work.verifications, 5 + 4 * 2)

    def test_withoutTheProofTheWildcardReplaces(self) -> None:
        """
        With the proof not required, the wildcard's records are secure at the name.
        """
        genuine = self.genuine("replay.test", "a.w.replay.test")
        self.replay("x.w.replay.test", self.moved(genuine.answer, "a.w.replay.test", "x.w.replay.test"))
        with patch.object(validation, "proveNoCloser", _believe):
            self.assertIs(self.accepted(self.resolver(), "x.w.replay.test"), Outcome.DATA)

    def test_aliasOfAWildcard(self) -> None:
        """
        The same holds for an alias that a wildcard has, whether its target follows, or is looked up.
        """
        genuine = self.genuine("replay.test", "a.c.replay.test")
        answer = self.moved(genuine.answer, "a.c.replay.test", "y.c.replay.test")
        alias = tuple([rrset for rrset in answer if rrset.name == nameFromText("y.c.replay.test")])
        self.assertEqual([rrset.rrType for rrset in alias], [CNAME, RRSIG])
        for sets in (answer, alias):
            for authority in ((), genuine.authority):
                self.replay("y.c.replay.test", sets, authority)
                self.refused(self.resolver(), "y.c.replay.test")
        with patch.object(validation, "proveNoCloser", _believe):
            self.assertIs(self.accepted(self.resolver(), "y.c.replay.test"), Outcome.DATA)

    def parental(self) -> tuple[RRSet, ...]:
        """
        Return the NSEC record that the parent has at the delegation, with its signature.
        """
        key = keyOf(self.internet.zones[nameFromText("replay.test")])
        cut = nameFromText("sub.replay.test")
        return self.signed(nsecSet(cut, nameFromText("www.replay.test"), numbers("NS DS RRSIG NSEC")), key=key, zone="replay.test")

    def test_recordsOfTheGrandparent(self) -> None:
        """
        What the parent knows of a delegation says nothing of the delegated zone (RFC 6840, section 4.1): neither of its apex, nor of the
        names below. That also holds behind a forwarder, where it is not known which zone's server has replied.
        """
        for name, rcode in (("sub.replay.test", 0), ("www.sub.replay.test", Rcode.NXDOMAIN)):
            self.replay(name, (), self.parental(), rcode, "sub.replay.test")
            self.refused(self.resolver(), name)
            self.refused(self.forwarded(), name)

    def test_withoutTheRuleTheGrandparentDenies(self) -> None:
        """
        With the rule off, the parent's record denies the names of the child behind a forwarder.
        """
        self.replay("www.sub.replay.test", (), self.parental(), Rcode.NXDOMAIN, "sub.replay.test")
        with patch.object(nsec, "hidden", lambda span, key: False):
            self.assertIs(self.accepted(self.forwarded(), "www.sub.replay.test"), Outcome.NXDOMAIN)

    def forwarded(self) -> Resolver:
        """
        Return a validating resolver behind a forwarder that does not validate.
        """
        hints = Path(self.mktemp())
        hints.write_text(self.internet.hints)
        return self.ending(Forwarded(self.internet, hints))
