"""
Tests of checking signatures of RRsets.
"""

from __future__ import annotations

from unittest.mock import patch

import dns.dnssec
import dns.name
import dns.node
import dns.rdata
import dns.rdataset
import dns.rrset
from cryptography.hazmat.primitives.asymmetric import ec
from dns.rdtypes.ANY.RRSIG import RRSIG as TheirSignature
from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from twisted_ext.dnssec import signatures as module
from twisted_ext.dnssec.algorithms import STANDARD, TESTING, Profile
from twisted_ext.dnssec.keys import ZoneKey
from twisted_ext.dnssec.signatures import SetVerdict, Signature, clockDoubt, signedData, verifySet
from twisted_ext.dnssec.work import Work
from twisted_ext.errors import BadMessage, BudgetSpent
from twisted_ext.testing.internet.seededsigner import SigningKey, sign
from twisted_ext.wire.names import ROOT, nameFromText
from twisted_ext.wire.rdata.registry import rdataFromText
from twisted_ext.wire.records import RRSet
from twisted_ext.wire.rrtypes import typeNumber

ZONE = nameFromText("example.com.")
KEY = SigningKey.generate(13, "zone")
DAY = 86400
NOW = 1_790_000_000
BEGIN, END = NOW - DAY, NOW + DAY


def setOf(owner: str, rrType: str, *texts: str, ttl: int = 300) -> RRSet:
    """
    Return an RRset.
    """
    number = typeNumber(rrType)
    assert number is not None
    return RRSet(nameFromText(owner), number, 1, ttl, tuple([rdataFromText(number, text) for text in texts]))


def signed(rrset: RRSet, key: SigningKey = KEY, zone: bytes = ZONE, labels: int | None = None) -> RRSet:
    """
    Return the signatures of an RRset.
    """
    return sign(rrset, key, zone, BEGIN, END, labels=labels)


def verify(
    rrset: RRSet,
    signatures: RRSet | None,
    *keys: SigningKey,
    zone: bytes = ZONE,
    now: int = NOW,
    work: Work | None = None,
    profile: Profile = STANDARD,
    revoked: bool = False,
) -> SetVerdict:
    """
    Verify with these keys, or with the usual one.
    """
    zoneKeys = [ZoneKey.fromRdata(key.dnskey) for key in keys or (KEY,)]
    return verifySet(rrset, signatures, zoneKeys, zone, now, work or Work(), profile, revoked=revoked)


def joinedSets(*sets: RRSet) -> RRSet:
    """
    Return the records of several RRsets as one.
    """
    return RRSet(sets[0].name, sets[0].rrType, 1, sets[0].ttl, tuple([rdata for rrset in sets for rdata in rrset.rdatas]))


A = setOf("www.example.com.", "A", "192.0.2.1")


class SecureTests(SynchronousTestCase):
    """
    Tests with signatures that are right.
    """

    def test_everyAlgorithm(self) -> None:
        """
        Signatures of every algorithm verify, and no longer if the data changes.
        """
        for algorithm in (5, 7, 8, 10, 13, 14, 15, 16):
            key = SigningKey.generate(algorithm, "key")
            signatures = signed(A, key)
            verdict = verify(A, signatures, key, profile=TESTING)
            self.assertEqual((verdict.secure, verdict.reasons, verdict.wildcard, verdict.ttl), (True, (), None, 300))
            self.assertIs(verdict.key, ZoneKey.fromRdata(key.dnskey))
            assert verdict.signature is not None
            self.assertEqual((verdict.signature.keyTag, verdict.signature.signer), (key.tag, ZONE))
            for changed in (
                setOf("www.example.com.", "A", "192.0.2.2"),
                setOf("ww2.example.com.", "A", "192.0.2.1"),
                setOf("www.example.com.", "A", "192.0.2.1", "192.0.2.2"),
                RRSet(A.name, 1, 3, 300, A.rdatas),
            ):
                verdict = verify(changed, signatures, key, profile=TESTING)
                self.assertEqual([code for code, _ in verdict.reasons], [6])
                self.assertIsNone(verdict.signature)

    def test_caseOrderAndDuplicatesDoNotMatter(self) -> None:
        """
        The case of names, the order of records and repeated records make no difference (RFC 4034, section 6).
        """
        right = setOf("mail.example.com.", "MX", "10 a.example.com.", "10 b.example.com.", "5 zz.example.com.")
        other = setOf("MAIL.example.COM.", "MX", "5 ZZ.example.com.", "10 B.example.com.", "10 a.EXAMPLE.com.", "10 b.example.com.", ttl=30)
        self.assertTrue(verify(other, signed(right)).secure)
        self.assertTrue(verify(right, signed(other, zone=nameFromText("EXAMPLE.com.")), zone=nameFromText("Example.Com.")).secure)

    def test_signersCaseDoesNotMatter(self) -> None:
        """
        A signer's name in capitals is folded before it is signed (RFC 6840, section 5.1).
        """
        signatures = signed(A)
        loud = RRSet(A.name, 46, 1, 300, tuple([rdata[:18] + rdata[18:31].upper() + rdata[31:] for rdata in signatures.rdatas]))
        self.assertNotEqual(loud.rdatas, signatures.rdatas)
        self.assertTrue(verify(A, loud).secure)

    def test_ttlIsTheLeast(self) -> None:
        """
        A set is kept no longer than any of its TTLs say, nor than its signature is valid (RFC 4035, section 5.3.3).
        """
        signatures = signed(A)
        self.assertEqual(verify(A.withTTL(3000), signatures).ttl, 300)
        self.assertEqual(verify(A.withTTL(30), signatures).ttl, 30)
        self.assertEqual(verify(A, signatures.withTTL(20)).ttl, 20)
        self.assertEqual(verify(A, signatures, now=END - 10).ttl, 10)
        self.assertEqual(verify(A, signatures, now=END).ttl, 0)

    def test_times(self) -> None:
        """
        Both ends of a signature's time count as valid, also beyond 2106, when 32 bits begin again (RFC 4034, section 3.1.5).
        """
        for now, secure in ((BEGIN - 1, False), (BEGIN, True), (END, True), (END + 1, False)):
            self.assertIs(verify(A, signed(A), now=now).secure, secure)
        for begin in (2**32 - DAY, 2**32 + DAY, 2**31 - DAY):
            signatures = sign(A, KEY, ZONE, begin, begin + 30 * DAY)
            for now, secure in ((begin - 1, False), (begin + DAY + 1, True), (begin + 30 * DAY, True), (begin + 31 * DAY, False)):
                self.assertIs(verify(A, signatures, now=now).secure, secure)

    def test_wildcards(self) -> None:
        """
        A set that was expanded from a wildcard verifies, and the verdict has the closest encloser; the wildcard itself is no expansion.
        """
        wildcard = setOf("*.w.example.com.", "A", "192.0.2.1")
        signatures = signed(wildcard)
        for owner, encloser in (
            ("a.w.example.com.", "w.example.com."),
            ("a.b.c.W.example.com.", "w.example.com."),
            ("*.b.w.example.com.", "w.example.com."),
            ("*.w.example.com.", None),
        ):
            expanded = RRSet(nameFromText(owner), 1, 1, 300, wildcard.rdatas)
            verdict = verify(expanded, signatures)
            self.assertTrue(verdict.secure)
            self.assertEqual(verdict.wildcard, encloser and nameFromText(encloser))
        self.assertIn("from the wildcard below w.example.com.", repr(verify(setOf("a.w.example.com.", "A", "192.0.2.1"), signatures)))
        for owner in ("w.example.com.", "a.x.example.com."):
            self.assertFalse(verify(RRSet(nameFromText(owner), 1, 1, 300, wildcard.rdatas), signatures).secure)

    def test_rootWildcard(self) -> None:
        """
        The root can have a wildcard, and be the signer.
        """
        wildcard = setOf("*.", "A", "192.0.2.1")
        signatures = signed(wildcard, zone=ROOT)
        self.assertEqual(verify(setOf("a.b.", "A", "192.0.2.1"), signatures, zone=ROOT).wildcard, ROOT)
        self.assertTrue(verify(setOf(".", "TXT", "root"), signed(setOf(".", "TXT", "root"), zone=ROOT), zone=ROOT).secure)

    def test_oneRightSignatureIsEnough(self) -> None:
        """
        A right signature counts whatever else is beside it: expired ones, unknown algorithms, other types, missing keys, nonsense.
        """
        other = SigningKey.generate(8, "other")
        signatures = joinedSets(
            sign(A, KEY, ZONE, BEGIN - 9 * DAY, BEGIN),
            RRSet(A.name, 46, 1, 300, (b"", b"\0", b"\0\1", bytes(18), b"\0\1" + bytes(16), b"\0\1" + b"\xff" * 40)),
            signed(setOf("www.example.com.", "TXT", "text")),
            signed(A, SigningKey.generate(5, "retired")),
            signed(A, SigningKey.generate(13, "missing")),
            signed(A, other),
        )
        work = Work()
        self.assertTrue(verify(A, signatures, KEY, other, work=work).secure)
        self.assertEqual((work.verifications, work.failures), (1, 0))

    def test_keysWithTheSameTag(self) -> None:
        """
        Of two keys with the same tag and algorithm, both are tried. The signature is not wrong because one of them has not made it.
        """
        right = ZoneKey(KEY.dnskey)
        wrong = ZoneKey(SigningKey.generate(13, "wrong").dnskey)
        wrong.tag = right.tag
        work = Work()
        self.assertTrue(verifySet(A, signed(A), [wrong, right], ZONE, NOW, work).secure)
        self.assertEqual((work.verifications, work.failures), (2, 0))

    def test_manyKeys(self) -> None:
        """
        The right key is found among many.
        """
        keys = [SigningKey.generate(15, str(number), flags=256) for number in range(50)]
        work = Work()
        self.assertTrue(verify(A, signed(A, keys[40]), *keys, work=work).secure)
        self.assertEqual(work.verifications, 1)
        self.assertEqual(verify(A, signed(A), *keys).reasons[0][0], 9)

    def test_everyAlgorithmWhereAsked(self) -> None:
        """
        A profile can ask for a signature by each algorithm; by default one is enough (RFC 6840, section 5.11).
        """
        other = SigningKey.generate(15, "other")
        both = joinedSets(signed(A), signed(A), signed(A, other))
        strict = Profile([13, 15], everyAlgorithm=True)
        self.assertTrue(verify(A, both, KEY, other, profile=strict).secure)
        self.assertTrue(verify(A, signed(A), KEY, profile=strict).secure)
        self.assertTrue(verify(A, signed(A), KEY, other).secure)
        verdict = verify(A, signed(A), KEY, other, profile=strict)
        self.assertEqual(verdict.reasons, ((10, "www.example.com. A has no right signature of ED25519"),))


class BogusTests(SynchronousTestCase):
    """
    Tests of what is wrong, and of the reasons given.
    """

    def check(self, verdict: SetVerdict, *reasons: tuple[int, str]) -> None:
        """
        Compare the reasons.
        """
        self.assertFalse(verdict.secure)
        self.assertEqual(verdict.reasons, reasons)
        self.assertIn("not secure", repr(verdict))

    def test_noSignatures(self) -> None:
        """
        Without signatures that cover the type, it is said that they are missing (info code 10).
        """
        missing = (10, "www.example.com. A is not signed")
        self.check(verify(A, None), missing)
        self.check(verify(A, RRSet(A.name, 46, 1, 300, ())), missing)
        self.check(verify(A, signed(setOf("www.example.com.", "TXT", "text"))), missing)

    def test_wrongSignature(self) -> None:
        """
        A signature that is wrong in one bit is named (info code 6).
        """
        [rdata] = signed(A).rdatas
        wrong = RRSet(A.name, 46, 1, 300, (rdata[:-1] + bytes([rdata[-1] ^ 1]),))
        self.check(verify(A, wrong), (6, f"signature of www.example.com. A by key {KEY.tag} of example.com. is wrong"))

    def test_untimelySignatures(self) -> None:
        """
        An expired signature (7), one that is not yet valid (8) and one whose times are swapped (25) are told apart.
        """
        by = f"signature of www.example.com. A by key {KEY.tag} of example.com."
        self.check(verify(A, signed(A), now=END + 1), (7, f"{by} expired at 2026-09-22T14:13:20Z"))
        self.check(verify(A, signed(A), now=BEGIN - 1), (8, f"{by} is valid from 2026-09-20T14:13:20Z on"))
        swapped = sign(A, KEY, ZONE, END, BEGIN)
        self.check(verify(A, swapped), (25, f"{by} expires at 2026-09-20T14:13:20Z, before it is valid from 2026-09-22T14:13:20Z on"))

    def test_wrongClocksAreSuspected(self) -> None:
        """
        If the clock is before 2020, or the signature off by a year or more, the text says that the clock may be wrong.
        """
        for now, code, date in (
            (0, 8, "1970-01-01T00:00:00Z"),
            (1_000_000, 8, "1970-01-12T13:46:40Z"),
            (END + 366 * DAY, 7, "2027-09-23T14:13:20Z"),
        ):
            [(found, text)] = verify(A, signed(A), now=now).reasons
            self.assertEqual(found, code)
            self.assertTrue(text.endswith(f"; the clock of this machine may be wrong: it is at {date}"), text)
        self.assertNotIn("clock", verify(A, signed(A), now=END + 30 * DAY).reasons[0][1])
        self.assertEqual(clockDoubt(NOW, 0), "")

    def test_missingKey(self) -> None:
        """
        A signature by a key that the zone does not have is named (info code 9).
        """
        other = SigningKey.generate(13, "other")
        by = f"signature of www.example.com. A by key {other.tag} of example.com."
        self.check(verify(A, signed(A, other)), (9, f"no key {other.tag} of example.com. for {by}"))

    def test_unusableKeys(self) -> None:
        """
        Keys without the zone key bit (11), revoked (9), malformed (6) or too short (1) are not used.
        """
        for flags, code in ((0x0001, 11), (0x0181, 9)):
            key = SigningKey.generate(13, "flags", flags=flags)
            self.assertEqual([found for found, _ in verify(A, signed(A, key), key).reasons], [code])
        short = SigningKey.generate(8, "short", bits=512)
        self.check(verify(A, signed(A, short), short), (1, f"key {short.tag} of example.com.: keys of 512 bits are not supported"))
        malformed = ZoneKey(KEY.dnskey[:-1] + b"\0")
        malformed.tag = KEY.tag
        work = Work()
        verdict = verifySet(A, signed(A), [malformed], ZONE, NOW, work)
        self.check(verdict, (6, f"key {KEY.tag} of example.com. is unusable: it is not a valid public key"))
        self.assertEqual((work.verifications, work.failures), (0, 1))

    def test_unsupportedAlgorithm(self) -> None:
        """
        A signature of an algorithm that is not supported is named (info code 1).
        """
        key = SigningKey.generate(7, "seven")
        by = f"signature of www.example.com. A by key {key.tag} of example.com."
        self.check(verify(A, signed(A, key), key), (1, f"{by}: algorithm RSASHA1-NSEC3-SHA1 is not supported"))

    def test_revokedKeysSignTheKeysOnly(self) -> None:
        """
        Where it is asked for, a revoked key verifies the DNSKEY RRset of its zone; no other set, nor that of another name (RFC 5011).
        """
        key = KEY.revoked()
        own = RRSet(ZONE, 48, 1, 300, (key.dnskey,))
        self.assertTrue(verify(own, signed(own, key), key, revoked=True).secure)
        self.assertFalse(verify(own, signed(own, key), key).secure)
        self.assertFalse(verify(A, signed(A, key), key, revoked=True).secure)
        below = RRSet(A.name, 48, 1, 300, (key.dnskey,))
        self.assertFalse(verify(below, signed(below, key), key, revoked=True).secure)

    def test_otherSigners(self) -> None:
        """
        Only the zone that a set is in signs it: neither one above nor one below (RFC 4035, section 5.3.1).
        """
        for signer in ("com.", "www.example.com.", "example.org.", "xample.com.", "."):
            zone = nameFromText(signer)
            [(code, text)] = verify(A, signed(A, zone=zone)).reasons
            self.assertEqual(code, 6)
            self.assertIn(f"of {signer} is not by the zone example.com.", text)

    def test_outsideOfTheZone(self) -> None:
        """
        A name outside of the zone is not secure, even if the zone signs it; nor is a DS record at its own apex.
        """
        foreign = setOf("www.example.org.", "A", "192.0.2.1")
        self.check(verify(foreign, signed(foreign)), (6, "www.example.org. A is not in the zone example.com."))
        own = RRSet(ZONE, 43, 1, 300, (KEY.ds(ZONE),))
        self.check(verify(own, signed(own)), (6, "example.com. DS is not in the zone example.com."))
        self.assertTrue(verify(own, signed(own, zone=nameFromText("com.")), zone=nameFromText("com.")).secure)

    def test_labelCounts(self) -> None:
        """
        A signature with more labels than its owner, or fewer than its zone, is bogus even if it is right (RFC 4035, section 5.3.1;
        CVE-2026-44690).
        """
        by = f"signature of www.example.com. A by key {KEY.tag} of example.com."
        self.check(verify(A, signed(A, labels=4)), (6, f"{by} is of a name with 4 labels"))
        for labels in (0, 1):
            self.check(verify(A, signed(A, labels=labels)), (6, f"{by} is of a wildcard outside of the zone"))
        self.assertEqual(verify(A, signed(A, labels=2)).wildcard, ZONE)

    def test_denialsAreNotExpanded(self) -> None:
        """
        NSEC and NSEC3 records cannot come from a wildcard.
        """
        for rrType, text in (("NSEC", "b.example.com. A"), ("NSEC3", "1 0 0 - 2T7B4G4VSA5SMI47K61MV5BV1A22BOJR A")):
            expanded = setOf("a.example.com.", rrType, text)
            [(code, words)] = verify(expanded, signed(expanded, labels=2)).reasons
            self.assertEqual(code, 6)
            self.assertIn("is of a wildcard, which has no such records to expand", words)
            own = setOf("*.example.com.", rrType, text)
            self.assertTrue(verify(own, signed(own)).secure)

    def test_tellingReasonsComeFirst(self) -> None:
        """
        That a signature expired is said before what keys are missing or not supported for others.
        """
        signatures = joinedSets(
            signed(A, SigningKey.generate(7, "seven")), signed(A, SigningKey.generate(13, "other")), sign(A, KEY, ZONE, BEGIN, NOW - 1)
        )
        self.assertEqual([code for code, _ in verify(A, signatures).reasons], [7, 9, 1])

    def test_reasonsAreFew(self) -> None:
        """
        However many signatures fail, the reasons are limited.
        """
        many = joinedSets(*[sign(A, KEY, ZONE, BEGIN - number, BEGIN - number) for number in range(1, 50)])
        self.assertEqual(len(verify(A, many).reasons), 8)


class WorkTests(SynchronousTestCase):
    """
    Tests of the limits.
    """

    def wrong(self, count: int) -> RRSet:
        """
        Return wrong signatures by the key.
        """
        [rdata] = signed(A).rdatas
        return RRSet(A.name, 46, 1, 300, tuple([rdata[:-2] + number.to_bytes(2, "big") for number in range(count)]))

    def test_failuresEndTheFetch(self) -> None:
        """
        After as many wrong signatures as allowed, the next ends the fetch, and the error has the reasons.
        """
        work = Work()
        with self.assertRaises(BudgetSpent) as caught:
            verify(A, self.wrong(5), work=work)
        self.assertEqual((work.verifications, work.failures), (3, 3))
        self.assertEqual([code for code, _ in caught.exception.ede], [6, 6, 6])

    def test_checksEndTheFetch(self) -> None:
        """
        The same for checks.
        """
        work = Work(verifications=1)
        signatures = signed(A)
        self.assertTrue(verify(A, signatures, work=work).secure)
        with self.assertRaises(BudgetSpent) as caught:
            verify(A, signatures, work=work)
        self.assertEqual((work.verifications, caught.exception.ede), (1, ()))

    def test_signaturesTriedAreLimited(self) -> None:
        """
        Eight signatures of a set are tried; without the limit, all of them.
        """
        work = Work(failures=100, queryFailures=100, verifications=100)
        verdict = verify(A, self.wrong(20), work=work)
        self.assertEqual(work.verifications, 8)
        self.assertFalse(verdict.secure)
        with patch.object(module, "_TRIED", 100):
            verify(A, self.wrong(20), work=work)
        self.assertEqual(work.verifications, 28)

    def test_signaturesReadAreLimited(self) -> None:
        """
        A right signature behind a hundred others is not found; without the limit, it is.
        """
        others = [signed(setOf("www.example.com.", "TXT", str(number))) for number in range(100)]
        signatures = joinedSets(*others, signed(A))
        self.assertFalse(verify(A, signatures).secure)
        with patch.object(module, "_READ", 1000):
            self.assertTrue(verify(A, signatures).secure)


class RecordTests(SynchronousTestCase):
    """
    Tests of L{Signature} and L{signedData}.
    """

    def test_fields(self) -> None:
        """
        A record is read as it is written.
        """
        rdata = rdataFromText(46, "MX 8 2 3600 20261021000000 20260921000000 12345 Example.COM. AAEC")
        signature = Signature.fromRdata(rdata)
        fields = (signature.covered, signature.algorithm, signature.labels, signature.originalTTL, signature.keyTag, signature.signer)
        self.assertEqual(fields, (15, 8, 2, 3600, 12345, ZONE))
        self.assertEqual(signature.octets, b"\0\1\2")
        self.assertEqual(signature.expiration - signature.inception, 30 * DAY)
        self.assertEqual(signature.head, rdata[:18] + ZONE)

    @given(st.binary(max_size=60))
    def test_anyOctets(self, rdata: bytes) -> None:
        """
        Octets are a record, or it is said that they are none.
        """
        try:
            signature = Signature.fromRdata(rdata)
        except BadMessage:
            return
        self.assertEqual(signature.head + signature.octets, rdata[:18] + signature.signer + signature.octets)

    @given(
        st.lists(st.binary(max_size=80), max_size=6),
        st.lists(st.binary(max_size=80), max_size=4),
        st.sampled_from([1, 2, 6, 15, 16, 26, 33, 43, 46, 47, 48, 50, 65280]),
    )
    def test_anyOctetsAreVerified(self, rdatas: list[bytes], rrsigs: list[bytes], rrType: int) -> None:
        """
        No octets in records, signatures or keys make an exception but that of the budget.
        """
        rrset = RRSet(A.name, rrType, 1, 300, tuple(rdatas))
        keys = [ZoneKey(rdata) for rdata in rdatas]
        head = rrType.to_bytes(2, "big")
        fitting = [head + bytes([key.algorithm, 3]) + b"\0\0\1\x2c\x7f\0\0\0\x60\0\0\0" + key.tag.to_bytes(2, "big") + ZONE for key in keys]
        for records in (rrsigs, [head + rdata for rdata in rrsigs], [rdata + b"x" for rdata in fitting], fitting):
            try:
                verdict = verifySet(rrset, RRSet(A.name, 46, 1, 300, tuple(records)), keys, ZONE, NOW, Work(), TESTING)
            except BudgetSpent:
                continue
            self.assertFalse(verdict.secure)
            self.assertTrue(verdict.reasons)

    def test_everyBitCounts(self) -> None:
        """
        A signature with any bit changed is wrong, but for the case of the signer's name; and so is any changed record.
        """
        mail = setOf("mail.example.com.", "MX", "10 Mail.Example.com.")
        [rdata] = signed(mail).rdatas
        for position in range(8 * len(rdata)):
            changed = bytearray(rdata)
            changed[position // 8] ^= 1 << position % 8
            same = changed[18 : 18 + len(ZONE)].lower() == ZONE and changed[:18] + changed[31:] == rdata[:18] + rdata[31:]
            self.assertIs(verify(mail, RRSet(mail.name, 46, 1, 300, (bytes(changed),))).secure, same)
        for position in range(8 * len(mail.rdatas[0])):
            changed = bytearray(mail.rdatas[0])
            changed[position // 8] ^= 1 << position % 8
            same = changed[:2] == mail.rdatas[0][:2] and changed.lower() == mail.rdatas[0].lower()
            self.assertIs(verify(RRSet(mail.name, 15, 1, 300, (bytes(changed),)), signed(mail)).secure, same)

    def test_dnspythonsSignaturesVerify(self) -> None:
        """
        What dnspython signs, verifies here.
        """
        zone = dns.name.from_text("example.com.")
        private = ec.generate_private_key(ec.SECP256R1())
        dnskey = dns.dnssec.make_dnskey(private.public_key(), "ECDSAP256SHA256", 257)
        key = ZoneKey.fromRdata(dnskey.to_digestable())
        for rrType, texts in (
            ("A", ["192.0.2.200", "192.0.2.3", "192.0.2.30"]),
            ("NS", ["B.example.", "a.example.", "AA.example."]),
            ("SVCB", ["1 Svc.Example. port=1"]),
            ("CAA", ['0 issue "Ca.example"']),
            ("KX", ["1 Target.Example."]),
            ("AFSDB", ["1 Target.Example."]),
            ("TXT", ['"b"', '"B"', '""']),
            ("DS", ["1 13 2 " + "AB" * 32]),
        ):
            theirs = dns.rrset.from_text("Name.example.com.", 300, "IN", rrType, *texts)
            rrsig = dns.dnssec.sign(theirs, private, zone, dnskey, inception=BEGIN, expiration=END)
            ours = setOf("name.Example.com.", rrType, *texts)
            verdict = verifySet(ours, RRSet(ours.name, 46, 1, 300, (rrsig.to_digestable(),)), [key], ZONE, NOW, Work())
            self.assertTrue(verdict.secure, verdict)

    def test_agreesWithDnspython(self) -> None:
        """
        Our signatures are right for dnspython, and the signed octets are the same.
        """
        zone = dns.name.from_text("example.com.")
        for key in (KEY, SigningKey.generate(8, "rsa"), SigningKey.generate(15, "edwards"), SigningKey.generate(14, "p384")):
            dnskey = dns.rdata.from_wire("IN", "DNSKEY", key.dnskey, 0, len(key.dnskey))
            keys: dict[dns.name.Name, dns.node.Node | dns.rdataset.Rdataset] = {zone: dns.rrset.from_rdata(zone, 300, dnskey)}
            for owner, rrType, texts in (
                ("www", "A", ["192.0.2.200", "192.0.2.3"]),
                ("WWW", "NS", ["B.example.", "a.example.", "AA.example."]),
                ("mail", "MX", ["10 Mail.Example.com.", "9 mail.example.com."]),
                ("*.w", "TXT", ['"Some" "Text"', '"some"']),
                ("@", "SOA", ["NS.example.com. Host.example.com. 1 2 3 4 5"]),
                ("srv", "SRV", ["1 2 3 Target.Example."]),
                ("naptr", "NAPTR", ['1 2 "U" "E2U" "" Replacement.Example.']),
                ("alias", "CNAME", ["Target.Example."]),
                ("dname", "DNAME", ["Target.Example."]),
                ("nsec", "NSEC", ["Next.Example.com. A NS"]),
                ("https", "HTTPS", ["1 Svc.Example. alpn=h2"]),
                ("rp", "RP", ["Mail.Example. Text.Example."]),
            ):
                name = "example.com." if owner == "@" else f"{owner}.example.com."
                rrset = setOf(name, rrType, *texts)
                [rdata] = signed(rrset, key).rdatas
                records = dns.rrset.from_text(name, 300, "IN", rrType, *texts)
                theirs = dns.rdata.from_wire("IN", "RRSIG", rdata, 0, len(rdata))
                assert isinstance(theirs, TheirSignature)
                dns.dnssec.validate(records, dns.rrset.from_rdata(name, 300, theirs), keys, now=NOW)
                signature = Signature.fromRdata(rdata)
                self.assertEqual(signedData(rrset, signature), dns.dnssec._make_rrsig_signature_data(records, theirs))
