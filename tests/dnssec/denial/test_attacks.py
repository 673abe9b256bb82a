"""
Attacks 15 and 16 on proofs of nonexistence: costly NSEC3 parameters, and records that seem to prove more than they do. Each is tried
against its defense, and against the same code with the defense off.
"""

from __future__ import annotations

from unittest.mock import patch

from twisted.trial.unittest import SynchronousTestCase

from tests.dnssec.chains import Counting, KnownZone, denialsOf, digestOf, name, nsec3Set, nsecSet, numbers
from twisted_ext.answers import Outcome, Security
from twisted_ext.dnssec.denial import nsec, nsec3, proving
from twisted_ext.dnssec.denial.aggressive import DenialStore
from twisted_ext.dnssec.denial.nsec3 import NSEC3Span
from twisted_ext.dnssec.denial.proving import Delegation, Denials, proveNoCloser, proveNoData, proveNoDS, proveNoName
from twisted_ext.errors import BudgetSpent
from twisted_ext.limits import Limit
from twisted_ext.wire.records import RRSet
from twisted_ext.wire.rrtypes import MX, NSEC3, RRSIG, SOA, A

ZONE = name("victim.test.")

ENDLESS = Limit(default=10**6, least=0, most=10**6)

KNOWN = KnownZone(
    ZONE,
    {
        name("#.w.victim.test."): numbers("A"),
        name("*.w.victim.test."): numbers("A TXT"),
        name("www.victim.test."): numbers("A"),
        name("cut.victim.test."): numbers("NS DS"),
        name("tree.victim.test."): numbers("DNAME"),
    },
)

SIGNATURES = RRSet(ZONE, RRSIG, 1, 3600, (bytes(100),))


def deep(labels: int) -> bytes:
    """
    Return a name of the zone with so many labels more.
    """
    return b"\x01a" * labels + ZONE


class CostTests(SynchronousTestCase):
    """
    Attack 15: NSEC3 hashes (CVE-2023-50868, CVE-2026-1519, CVE-2026-42923).
    """

    def test_tooManyIterationsAreInsecure(self) -> None:
        """
        With more than 50 iterations no hash is calculated, whatever is to be proven, and the zone counts as insecure with EDE 27.
        """
        for iterations in (51, 151, 65535):
            # The records of a real chain would take a minute to make: those of any names will do.
            sets = [nsec3Set(ZONE, bytes(20), b"\xff" * 20, numbers("A"), iterations=iterations, salt=bytes(255))]
            denials = denialsOf(ZONE, sets)
            work = Counting()
            missing = deep(100)
            state, delegation = proveNoDS(missing, denials, work)
            self.assertEqual(state, Delegation.UNSUPPORTED)
            for proof in (
                proveNoName(missing, denials, work),
                proveNoData(missing, MX, denials, work),
                proveNoCloser(missing, ZONE, denials, work),
                delegation,
            ):
                self.assertEqual((proof.security, proof.outcome), (Security.INSECURE, None))
                code, text = proof.reason or (0, "")
                self.assertEqual(code, 27)
                self.assertEqual(
                    text, f"the NSEC3 record {'0' * 32}.victim.test. has {iterations} iterations, more than the supported 50"
                )
            self.assertEqual(work.hashes, 0)

    def test_iterationsWithDefenseOff(self) -> None:
        """
        Without the limit, they are all calculated.
        """
        self.patch(proving, "NSEC3_ITERATIONS", ENDLESS)
        work = Counting()
        sets = KNOWN.nsec3(151, bytes(255))
        self.assertTrue(proveNoName(deep(1), denialsOf(ZONE, sets), work).secure)
        self.assertGreaterEqual(work.rounds, 3 * 152)

    def test_fiftyIterationsAreSecure(self) -> None:
        """
        Up to 50 iterations are supported.
        """
        work = Counting()
        self.assertTrue(proveNoName(deep(1), denialsOf(ZONE, KNOWN.nsec3(50, b"salt")), work).secure)
        self.assertEqual((work.hashes, work.rounds), (3, 3 * 51))

    def test_supportedIterationsAreASetting(self) -> None:
        """
        Up to 150 may be supported (RFC 9276, section 3.2), no more.
        """
        for iterations, supported, secure in ((51, 51, True), (51, 0, False), (150, 150, True), (151, 10_000, False)):
            denials = Denials(ZONE, [(rrset, None) for rrset in KNOWN.nsec3(iterations)], iterations=supported)
            proof = proveNoName(deep(1), denials, Counting())
            self.assertEqual((proof.secure, proof.code), (True, 0) if secure else (False, 27))
            store = DenialStore(iterations=supported)
            rrset = KNOWN.nsec3(iterations)[0]
            self.assertEqual(store.add(ZONE, rrset, SIGNATURES, 3600, 0.0), secure)

    def test_excessDoesNotSpoilOtherRecords(self) -> None:
        """
        Records with too many iterations beside others do not make insecure what the others prove.
        """
        high = nsec3Set(ZONE, bytes(20), b"\xff" * 20, numbers("A"), iterations=2500)
        for sets in (KNOWN.nsec3(), KNOWN.nsec()):
            self.assertTrue(proveNoName(deep(1), denialsOf(ZONE, [high, *sets]), Counting()).secure)

    def test_longNamesAreBounded(self) -> None:
        """
        A name of 120 labels costs at most 16 hashes.
        """
        rrset = nsec3Set(ZONE, bytes(20), b"\xff" * 20, numbers("A"), iterations=50, salt=bytes(255))
        for attempt in (
            lambda work: proveNoName(deep(120), denialsOf(ZONE, [rrset]), work),
            lambda work: proveNoData(deep(120), MX, denialsOf(ZONE, [rrset]), work),
            lambda work: proveNoDS(deep(120), denialsOf(ZONE, [rrset]), work),
        ):
            work = Counting()
            fault = self.assertRaises(BudgetSpent, attempt, work)
            self.assertIn("more than 16 NSEC3 hashes", str(fault))
            self.assertEqual(work.hashes, 16)
        # Two salts do not double it.
        other = nsec3Set(ZONE, bytes(20), b"\xff" * 20, numbers("A"), iterations=50, salt=bytes(254))
        work = Counting()
        self.assertRaises(BudgetSpent, proveNoData, deep(120), MX, denialsOf(ZONE, [rrset, other]), work)
        self.assertEqual(work.hashes, 16)

    def test_longNamesWithDefenseOff(self) -> None:
        """
        Without the limit, each label costs a hash.
        """
        self.patch(proving, "NSEC3_PROOF_HASHES", ENDLESS)
        rrset = nsec3Set(ZONE, bytes(20), b"\xff" * 20, numbers("A"))
        work = Counting()
        proveNoData(deep(120), MX, denialsOf(ZONE, [rrset]), work)
        self.assertEqual(work.hashes, 121)

    def test_fourteenLabelsAreAlwaysEnough(self) -> None:
        """
        Names with up to 14 labels below the apex are proven wherever their closest encloser is, and longer ones if it is near the apex
        or near the name.
        """
        for labels, positions in ((14, range(14)), (100, (*range(7), 94, 95, 96, 97, 98, 99))):
            for position in positions:
                zone = KnownZone(ZONE, {deep(position): numbers("TXT")}) if position else KnownZone(ZONE, {})
                denials = denialsOf(ZONE, [rrset for rrset in zone.nsec3() if rrset.rrType == NSEC3][:48])
                if position < 40:
                    work = Counting()
                    self.assertTrue(proveNoName(deep(labels), denials, work).secure, (labels, position))
                    self.assertLessEqual(work.hashes, 16)
                work = Counting()
                sets = self.closest(deep(position), deep(position + 1))
                self.assertEqual(proveNoData(deep(labels), MX, denialsOf(ZONE, sets), work).outcome, Outcome.NODATA, (labels, position))
                self.assertLessEqual(work.hashes, 16)

    def closest(self, encloser: bytes, closer: bytes) -> list[RRSet]:
        """
        Return the records that show the closest encloser and a wildcard without data.
        """
        ends = []
        for owner in (encloser, closer, b"\x01*" + encloser):
            number = int.from_bytes(digestOf(owner, 0, b""), "big")
            before = number - (owner is closer)
            ends.append((before.to_bytes(20, "big"), (number + 1).to_bytes(20, "big")))
        return [nsec3Set(ZONE, first, last, numbers("TXT")) for first, last in ends]

    def test_usualNamesTakeThreeHashes(self) -> None:
        """
        A reply of an ordinary zone takes as many hashes as its proof has names: two or three, also below other missing names.
        """
        for missing, count in ((deep(1), 3), (deep(30), 3), (name("x.www.victim.test."), 4)):
            work = Counting()
            self.assertTrue(proveNoName(missing, denialsOf(ZONE, KNOWN.nsec3()), work).secure)
            self.assertEqual(work.hashes, count)
        for present, count in ((name("www.victim.test."), 1), (name("x.w.victim.test."), 4)):
            work = Counting()
            self.assertTrue(proveNoData(present, MX, denialsOf(ZONE, KNOWN.nsec3()), work).secure)
            self.assertEqual(work.hashes, count)

    def test_hashesAreRemembered(self) -> None:
        """
        Several proofs by one reply do not hash a name again.
        """
        denials = denialsOf(ZONE, KNOWN.nsec3())
        work = Counting()
        for _ in range(3):
            proveNoName(deep(3), denials, work)
            proveNoDS(deep(1), denials, work)
        self.assertEqual(work.hashes, 3)

    def test_queryBudgetEndsIt(self) -> None:
        """
        The budget of the client's query ends a proof too.
        """

        class Spent:
            def hash(self, rounds: int) -> None:
                raise BudgetSpent("none left")

        self.assertRaises(BudgetSpent, proveNoName, deep(1), denialsOf(ZONE, KNOWN.nsec3()), Spent())

    def test_numberOfRecordsIsBounded(self) -> None:
        """
        Of thousands of records in a reply, the first 48 are considered.
        """
        sets = [nsec3Set(ZONE, number.to_bytes(20, "big"), b"\xff" * 20, numbers("A")) for number in range(3000)]
        read = 0
        real = nsec3.readNSEC3

        def counted(rrset: RRSet, rdata: bytes, zone: bytes) -> NSEC3Span | str:
            nonlocal read
            read += 1
            return real(rrset, rdata, zone)

        self.patch(proving, "readNSEC3", counted)
        denialsOf(ZONE, sets)
        self.assertEqual(read, 48)
        bomb = RRSet(sets[0].name, NSEC3, 1, 60, tuple([sets[0].rdatas[0][:4] + bytes([1, number % 256]) for number in range(3000)]))
        Denials(ZONE, [(bomb, None)])
        self.assertEqual(read, 96)
        self.patch(proving, "_MOST_RECORDS", 5000)
        denialsOf(ZONE, sets)
        self.assertEqual(read, 3096)


class BypassTests(SynchronousTestCase):
    """
    Attack 16: genuine records in the wrong place (CVE-2017-15105, CVE-2026-13321, CVE-2026-10723).
    """

    def test_expandedNSECRecord(self) -> None:
        """
        The NSEC record of a wildcard, expanded to a name that sorts before the wildcard, does not deny what is in between: an existing
        name, and the wildcard itself.
        """
        wildcard = next(rrset for rrset in KNOWN.nsec() if rrset.name[:2] == b"\x01*")
        moved = RRSet(name("!.w.victim.test."), wildcard.rrType, 1, 3600, wildcard.rdatas)
        encloser = name("w.victim.test.")
        for victim in ("#.w.victim.test.", "x.w.victim.test."):
            denials = Denials(ZONE, [(moved, encloser)])
            self.assertEqual(proveNoName(name(victim), denials, Counting()).security, Security.BOGUS)
            # With the defense off: as if the signature did not say so.
            denials = Denials(ZONE, [(moved, None)])
            self.assertTrue(proveNoName(name(victim), denials, Counting()).secure)
        # It still says what the wildcard has.
        self.assertTrue(proveNoData(name("x.w.victim.test."), MX, Denials(ZONE, [(moved, encloser)]), Counting()).secure)
        self.assertFalse(DenialStore().add(ZONE, moved, SIGNATURES, 3600, 0.0, encloser))

    def test_parentRecordsForTheChild(self) -> None:
        """
        Records of the parent do not deny names in the child, by NSEC and by NSEC3 (RFC 6840, section 4.1). They deny DS records.
        """
        below = name("www.cut.victim.test.")
        for sets in (KNOWN.nsec(), KNOWN.nsec3()):
            denials = denialsOf(ZONE, sets)
            self.assertEqual(proveNoName(below, denials, Counting()).security, Security.BOGUS)
            self.assertEqual(proveNoData(below, A, denials, Counting()).security, Security.BOGUS)
            self.assertEqual(proveNoCloser(below, ZONE, denials, Counting()).security, Security.BOGUS)
            self.assertEqual(proveNoData(name("cut.victim.test."), A, denials, Counting()).security, Security.BOGUS)
            self.assertEqual(proveNoName(name("x.tree.victim.test."), denials, Counting()).security, Security.BOGUS)

    def test_parentRecordsWithDefenseOff(self) -> None:
        """
        Without the rule, the delegation's record denies all names of the child.
        """
        below = name("www.cut.victim.test.")
        self.patch(nsec, "hidden", lambda span, key: False)
        self.assertTrue(proveNoName(below, denialsOf(ZONE, KNOWN.nsec()), Counting()).secure)

        class Seen(NSEC3Span):
            def __init__(self, rrset: RRSet, rdata: bytes, bitmap: int, low: int, beyond: bool) -> None:
                super().__init__(rrset, rdata, bitmap, low, beyond)
                self.hides = False

        self.patch(nsec3, "NSEC3Span", Seen)
        self.assertTrue(proveNoName(below, denialsOf(ZONE, KNOWN.nsec3()), Counting()).secure)

    def test_nextNameOutsideOfTheZone(self) -> None:
        """
        A record whose next name is outside of its zone does not deny the zones in between, now or later (CVE-2026-13321).
        """
        attacker = name("a.test.")
        span = nsecSet(attacker, name("zzz.test."), numbers("SOA NS"))
        victim = name("www.b.test.")
        store = DenialStore()
        soa = RRSet(attacker, SOA, 1, 3600, (b"\x00\x00" + bytes(16) + b"\x00\x00\x0e\x10",))
        store.addSOA(attacker, soa, SIGNATURES, 3600, 0.0)
        self.assertFalse(store.add(attacker, span, SIGNATURES, 3600, 0.0))
        self.assertEqual((store.count, store.deny(victim, A, 1.0), store.deny(name("x.a.test."), A, 1.0)), (0, None, None))
        self.assertIn("leads out of the zone", str(proveNoName(name("x.a.test."), denialsOf(attacker, [span]), Counting()).reason))
        self.assertEqual(proveNoName(victim, denialsOf(attacker, [span]), Counting()).security, Security.BOGUS)
        # As if the attacker's zone were that above.
        above = denialsOf(name("test."), [span, nsecSet(name("test."), name("a.test."), numbers("SOA NS"))])
        self.assertTrue(proveNoName(victim, above, Counting()).secure)

    def test_nsec3OfAnotherZone(self) -> None:
        """
        NSEC3 records below the zone, but not directly, or of another zone, are not those of the zone.
        """
        sets = KNOWN.nsec3()
        self.assertTrue(proveNoName(deep(1), denialsOf(ZONE, sets), Counting()).secure)
        for zone in (name("test."), name("cut.victim.test."), name("other.test.")):
            self.assertEqual(proveNoName(b"\x01a" + zone, denialsOf(zone, sets), Counting()).security, Security.BOGUS)
            self.assertEqual(proveNoName(deep(1), denialsOf(zone, sets), Counting()).security, Security.BOGUS)

    def test_wildcardOfTheGrandparent(self) -> None:
        """
        An answer from a wildcard higher up is refused where a closer name exists.
        """
        victim = name("x.www.victim.test.")
        for sets in (KNOWN.nsec(), KNOWN.nsec3()):
            proof = proveNoCloser(victim, ZONE, denialsOf(ZONE, sets), Counting())
            self.assertEqual(proof.security, Security.BOGUS)
        with patch.object(nsec, "_encloser", lambda span, key: nsec.keyOf(ZONE)):
            self.assertTrue(proveNoCloser(victim, ZONE, denialsOf(ZONE, KNOWN.nsec()), Counting()).secure)
