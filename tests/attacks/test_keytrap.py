"""
Attack 14: zones with so many keys, signatures and DS records that a validator is busy with one query for hours (KeyTrap,
CVE-2023-50387; CVE-2025-8677).
"""

from __future__ import annotations

from typing import Final
from unittest.mock import patch

from twisted.trial.unittest import SynchronousTestCase

from tests.attacks.validated import Resolver, ValidatedTestCase, boundless, crafting, keyOf, record, replyWith
from tests.dnssec.chains import nsec3Set
from twisted_ext.answers import Security
from twisted_ext.dnssec import keys as keysModule
from twisted_ext.dnssec import signatures as signaturesModule
from twisted_ext.dnssec.keys import ZoneKey, delegatedKeys
from twisted_ext.dnssec.signatures import verifySet
from twisted_ext.dnssec.work import Work
from twisted_ext.errors import BudgetSpent, ServerFailed, TrustFault
from twisted_ext.testing.internet.seededsigner import SigningKey, sign
from twisted_ext.wire.codes import Rcode
from twisted_ext.wire.message import Message
from twisted_ext.wire.names import nameFromText
from twisted_ext.wire.records import RRSet
from twisted_ext.wire.rrtypes import ANY, DNSKEY, DS, NS, RRSIG

ZONE: Final = nameFromText("evil.test.")
NOW: Final = 1_790_000_000
A: Final = RRSet(nameFromText("www.evil.test."), 1, 1, 300, (b"\xc0\0\2\1",))

#: Keys, signatures and DS records.
MANY: Final = 500

#: What the test without limits makes do with.
SOME: Final = 30

#: No budget to speak of.
BOUNDLESS: Final = {"verifications": 10**9, "failures": 10**9, "queryVerifications": 10**9, "queryFailures": 10**9}


class Counting:
    """
    Counts the signatures that any key checks.
    """

    def __init__(self) -> None:
        self.checks = 0

    def check(self, signature: bytes, data: bytes) -> bool:
        self.checks += 1
        return False


def trap(count: int, counting: Counting) -> tuple[list[ZoneKey], RRSet]:
    """
    Return keys that have the same tag, and wrong signatures by it.
    """
    real = SigningKey.generate(13, "trap")
    keys = []
    for number in range(count):
        key = ZoneKey(real.dnskey[:-2] + number.to_bytes(2, "big"))
        key.tag = real.tag
        key._parsed = counting.check, 256, ""
        keys.append(key)
    [rdata] = sign(A, real, ZONE, NOW - 1, NOW + 1).rdatas
    return keys, RRSet(A.name, 46, 1, 300, tuple([rdata[:-2] + number.to_bytes(2, "big") for number in range(count)]))


class KeyTrapTests(SynchronousTestCase):
    """
    Tests with 500 keys of one tag and 500 signatures by it.
    """

    def test_oneSetTakesFewChecks(self) -> None:
        """
        The set ends the fetch after four checks, two signatures with two keys each, and the error says why.
        """
        counting = Counting()
        keys, signatures = trap(MANY, counting)
        work = Work()
        with self.assertRaises(BudgetSpent) as caught:
            verifySet(A, signatures, keys, ZONE, NOW, work)
        self.assertEqual((counting.checks, work.verifications, work.failures), (4, 4, 4))
        self.assertEqual({code for code, _ in caught.exception.ede}, {6})

    def test_fewChecksWithoutBudget(self) -> None:
        """
        Without a budget it takes sixteen checks: eight signatures, and two keys for each.
        """
        counting = Counting()
        keys, signatures = trap(MANY, counting)
        work = Work(**BOUNDLESS)
        self.assertFalse(verifySet(A, signatures, keys, ZONE, NOW, work).secure)
        self.assertEqual((counting.checks, work.verifications), (16, 16))

    def test_manySetsTakeFewChecks(self) -> None:
        """
        However often the look-up begins again, it ends with the first wrong signature above the limit for a query.
        """
        counting = Counting()
        keys, signatures = trap(MANY, counting)
        work = Work()
        for _ in range(200):
            work.fetch()
            with self.assertRaises(BudgetSpent):
                verifySet(A, signatures, keys, ZONE, NOW, work)
        self.assertEqual((counting.checks, work.verifications, work.failures), (14, 14, 14))

    def test_withoutLimitsTheTrapCloses(self) -> None:
        """
        With the limits off, each signature is checked with each key.
        """
        counting = Counting()
        keys, signatures = trap(SOME, counting)
        with patch.object(signaturesModule, "_TRIED", MANY), patch.object(signaturesModule, "_PER_TAG", MANY):
            verifySet(A, signatures, keys, ZONE, NOW, Work(**BOUNDLESS))
        self.assertEqual(counting.checks, SOME * SOME)

    def test_malformedKeysCountAsFailures(self) -> None:
        """
        Keys that cannot be parsed end the fetch like wrong signatures do.
        """
        real = SigningKey.generate(13, "trap")
        keys = []
        for _ in range(MANY):
            key = ZoneKey(real.dnskey[:-64] + bytes(64))
            key.tag = real.tag
            keys.append(key)
        _, signatures = trap(MANY, Counting())
        work = Work()
        with self.assertRaises(BudgetSpent):
            verifySet(A, signatures, keys, ZONE, NOW, work)
        self.assertEqual((work.verifications, work.failures), (0, 3))

    def test_manyDelegationsTakeFewDigests(self) -> None:
        """
        Of 500 DS records with 500 keys of their tag, sixteen digests are computed; with the limits off, one for each pair.
        """
        counting = Counting()
        keys, _ = trap(MANY, counting)
        records = [SigningKey.generate(13, "trap").ds(ZONE)[:4] + number.to_bytes(32, "big") for number in range(MANY)]
        digests = 0
        original = keysModule.digestOf

        def counted(owner: bytes, rdata: bytes, digestType: int) -> bytes | None:
            nonlocal digests
            digests += 1
            return original(owner, rdata, digestType)

        with patch.object(keysModule, "digestOf", counted):
            self.assertEqual(delegatedKeys(records, ZONE, keys)[0], ())
            self.assertEqual(digests, 16)
            with patch.object(keysModule, "_DS_TRIED", MANY), patch.object(keysModule, "_PER_TAG", MANY):
                delegatedKeys(records[:SOME], ZONE, keys[:SOME])
        self.assertEqual(digests, 16 + SOME * SOME)


def colliding(real: SigningKey, count: int) -> tuple[bytes, ...]:
    """
    Return DNSKEY records with the tag of an Ed25519 key: that of the key itself first.
    """
    # The tag is a sum of words.
    head, total, tail = real.dnskey[:4], sum(real.dnskey[4:8:2]) * 256 + sum(real.dnskey[5:8:2]), real.dnskey[8:]
    least = max(0, total - 0xFFFF)
    words = [(first, total - first) for first in range(least, least + count - 1)]
    return (real.dnskey, *[head + first.to_bytes(2, "big") + second.to_bytes(2, "big") + tail for first, second in words])


class WholeTrapTests(ValidatedTestCase):
    """
    Tests with a resolver that is led into the trap. To prove the keys of the zone takes five checks: two for each zone below the root, and
    one for the root.
    """

    def trap(self, keys: int, signatures: int) -> None:
        """
        Make a zone with so many keys of one tag, and so many wrong signatures by it of each RRset but the keys.
        """

        def craft(reply: Message) -> Message | None:
            question = reply.questions[0]
            if question.rrType == DNSKEY:
                return replyWith(reply, self.signed(RRSet(question.name, DNSKEY, 1, 300, colliding(key, keys)), key=key))
            if question.rrType == DS:
                return None
            rrset, signature = self.signed(RRSet(question.name, 1, 1, 300, (b"\xc0\0\2\x42",)), key=key)
            [rdata] = signature.rdatas
            wrong = tuple([rdata[:-2] + number.to_bytes(2, "big") for number in range(signatures)])
            return replyWith(reply, (rrset, RRSet(question.name, RRSIG, 1, 300, wrong)))

        key = self.evil(craft=craft)

    def test_trapTakesFewChecks(self) -> None:
        """
        With a hundred keys and signatures, four checks are made, and no other server is asked. Other zones are resolved as before.
        """
        self.trap(100, 100)
        resolver = self.resolver()
        fault = resolver.fault("www.evil.test")
        self.assertIsInstance(fault, TrustFault)
        self.assertEqual({code for code, _ in fault.ede}, {6})
        self.assertIn("ended after 4 failed signature checks", str(fault.ede))
        work = resolver.work
        self.assertEqual((work.verifications, work.failures), (5 + 4, 4))
        # Both replies come over TCP.
        self.assertEqual((self.asked(), work.packets), (["A", "A", "DNSKEY", "DNSKEY"], 9))
        self.othersResolve(resolver)

    def test_tooManyRecordsAreRefused(self) -> None:
        """
        RRsets of 500 signatures or keys are failures, before any of them is parsed. For the keys, each of the four addresses of servers is
        asked.
        """
        self.trap(MANY, MANY)
        resolver = self.resolver()
        fault = resolver.fault("www.evil.test")
        self.assertIsInstance(fault, ServerFailed)
        self.assertEqual(fault.ede, ((24, "www.evil.test. RRSIG has 500 records; at most 100 are accepted"),))
        self.assertEqual((resolver.work.verifications, resolver.work.packets), (0, 5))
        self.beginAnew()
        self.trap(MANY, 1)
        resolver = self.resolver()
        fault = resolver.fault("www.evil.test")
        self.assertIsInstance(fault, TrustFault)
        self.assertEqual([code for code, _ in fault.ede], [9, 24])
        self.assertEqual((resolver.work.verifications, resolver.work.failures, resolver.work.packets), (7, 0, 25))
        self.assertEqual(self.asked(), ["A", "DNSKEY", "DNSKEY"] * 4)
        self.othersResolve(resolver)

    def test_withoutLimitsTheResolverIsTrapped(self) -> None:
        """
        With the limits off, each signature is checked with each key, at each of the four addresses of servers.
        """
        self.trap(SOME, SOME)
        resolver = self.resolver()
        with patch.object(signaturesModule, "_TRIED", MANY), patch.object(signaturesModule, "_PER_TAG", MANY):
            resolver.fault("www.evil.test", work=boundless())
        self.assertEqual(resolver.work.verifications, 5 + 4 * SOME * SOME)

    def delegate(self, count: int) -> tuple[int, Work]:
        """
        Look up a name in a zone that has keys of one tag, and so many DS records, of which the right one is the last.

        @return: the number of digests of its keys that are computed, and other work.
        """
        digests = 0

        def craft(reply: Message) -> Message | None:
            question = reply.questions[0]
            if question.rrType == DNSKEY:
                return replyWith(reply, self.signed(RRSet(question.name, DNSKEY, 1, 300, keys), key=key))
            return None

        def craftAbove(reply: Message) -> Message | None:
            records = tuple([real[:4] + number.to_bytes(32, "big") for number in range(count - 1)]) + (real,)
            child = nameFromText("evil.test")
            signed = self.signed(RRSet(child, DS, 1, 300, records), key=keyAbove, zone="test")
            if reply.questions[0].rrType == DS:
                return replyWith(reply, signed)
            referral = [rrset for rrset in reply.authority if rrset.rrType == NS]
            if not referral:
                return None
            return Message(reply.id, reply.flags, reply.questions, (), (*referral, *signed), reply.additional, reply.edns)

        key = self.evil(craft=craft)
        keys = colliding(key, min(count, 100))
        real = key.ds(nameFromText("evil.test"))
        above = self.internet.zones[nameFromText("test")]
        keyAbove = keyOf(above)
        crafting(above.servers, craftAbove)
        original = keysModule.digestOf

        def counted(owner: bytes, rdata: bytes, digestType: int) -> bytes | None:
            nonlocal digests
            digests += owner == nameFromText("evil.test")
            return original(owner, rdata, digestType)

        resolver = self.resolver()
        with patch.object(keysModule, "digestOf", counted):
            try:
                resolver.look("www.evil.test")
            except TrustFault as fault:
                self.assertEqual(fault.ede[0][0], 9)
        return digests, resolver.work

    def test_manyDelegationRecordsTakeFewDigests(self) -> None:
        """
        Of 500 DS records eight are compared with two keys each, for each of the four addresses of servers.
        """
        digests, work = self.delegate(MANY)
        self.assertEqual((digests, work.verifications, work.failures), (4 * 8 * 2, 7, 0))

    def test_withoutLimitsManyDigestsAreComputed(self) -> None:
        """
        With the limits off, each DS record is compared with each key.
        """
        with patch.object(keysModule, "_DS_TRIED", MANY), patch.object(keysModule, "_PER_TAG", MANY):
            digests, work = self.delegate(SOME)
        self.assertEqual((digests, work.verifications), (SOME * SOME, 6))

    def deny(self, count: int, work: Work) -> Resolver:
        """
        Have a name denied by so many NSEC3 records, all with right signatures, of which none says anything of the name.
        """

        def craft(reply: Message) -> Message | None:
            question = reply.questions[0]
            if question.rrType in (DNSKEY, DS):
                return None
            apex = nameFromText("evil.test")
            spans = [nsec3Set(apex, number.to_bytes(20, "big"), (number + 1).to_bytes(20, "big"), (1,)) for number in range(count)]
            soa = record("evil.test. 300 SOA ns1.evil.test. host.evil.test. 1 2 3 4 300")
            return replyWith(reply, (), self.signed(soa, *spans, key=key), rcode=Rcode.NXDOMAIN)

        key = self.evil(craft=craft)
        resolver = self.resolver()
        fault = resolver.fault("no.evil.test", work=work)
        self.assertIsInstance(fault, TrustFault)
        self.assertEqual(fault.ede[0][0], 6)
        self.assertEqual(resolver.denials, 0)
        return resolver

    def test_manyDenialsTakeFewChecks(self) -> None:
        """
        A negative answer with a hundred signed NSEC3 records ends after sixteen checks (CVE-2026-11605), and no other server is asked.
        """
        resolver = self.deny(100, Work())
        work = resolver.work
        self.assertEqual((work.verifications, work.failures, work.hashes, work.packets), (5 + 16, 0, 0, 8))
        self.assertEqual(self.asked(), ["A", "A", "DNSKEY"])
        self.othersResolve(resolver)

    def test_withoutLimitsManyDenialsAreChecked(self) -> None:
        """
        With the limit off, all signatures are checked, of the replies of all four addresses.
        """
        resolver = self.deny(100, boundless())
        self.assertEqual(resolver.work.verifications, 5 + 4 * 101)

    def answerAny(self, count: int, work: Work) -> Work:
        """
        Have all types of a name looked up that has so many, each with a right signature.
        """

        def craft(reply: Message) -> Message | None:
            question = reply.questions[0]
            if question.rrType != ANY:
                return None
            return replyWith(reply, self.signed(*[RRSet(question.name, rrType, 1, 300, (b"x",)) for rrType in types], key=key))

        types = range(1000, 1000 + count)
        key = self.evil(craft=craft)
        resolver = self.resolver()
        try:
            self.assertIs(resolver.look("www.evil.test", "ANY", work=work).security, Security.SECURE)
        except TrustFault as fault:
            self.assertIn("more than 100 signature checks", str(fault.ede))
        return resolver.work

    def test_manyTypesTakeFewChecks(self) -> None:
        """
        An answer with 200 types ends after the hundred checks that a query may take; with the limit off, all are checked.
        """
        work = self.answerAny(200, Work())
        self.assertEqual((work.verifications, work.failures), (100, 0))
        self.beginAnew()
        self.assertEqual(self.answerAny(200, boundless()).verifications, 5 + 200)
