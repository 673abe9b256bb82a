"""
Tests of proofs that a name or its records do not exist: what each kind of record proves, and which records are ignored.
"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from tests.dnssec.chains import Counting, KnownZone, denialsOf, digestOf, name, nsec3Set, nsecSet, numbers
from twisted_ext.answers import Outcome, Security
from twisted_ext.dnssec.denial.proving import (
    Delegation,
    Denials,
    Proof,
    proveNoCloser,
    proveNoData,
    proveNoDS,
    proveNoName,
)
from twisted_ext.wire.records import RRSet
from twisted_ext.wire.rrtypes import ANY, CNAME, DS, MX, NSEC, RRSIG, TXT, A

ZONE = name("example.")

#: A zone with every kind of name.
KNOWN = KnownZone(
    ZONE,
    {
        name("a.example."): numbers("A"),
        name("alias.example."): numbers("CNAME"),
        name("cut.example."): numbers("NS"),
        name("host.cut.example."): numbers("A"),
        name("signed.example."): numbers("NS DS"),
        name("tree.example."): numbers("DNAME TXT"),
        name("deep.empty.example."): numbers("MX"),
        name("*.wild.example."): numbers("TXT"),
        name("z.example."): numbers("A CAA"),
    },
)


def noName(text: str, sets: list[RRSet]) -> Proof:
    """
    Return the proof that a name does not exist.
    """
    return proveNoName(name(text), denialsOf(ZONE, sets), Counting())


def noData(text: str, rrType: int, sets: list[RRSet]) -> Proof:
    """
    Return the proof that a name does not have a type.
    """
    return proveNoData(name(text), rrType, denialsOf(ZONE, sets), Counting())


def hashedSet(text: str, types: str, *, span: int = 1, before: int = 0, salt: bytes = b"", flags: int = 0, iterations: int = 0) -> RRSet:
    """
    Return an NSEC3 set whose name is so many hashes before that of a name, and the next hash as many behind it.
    """
    number = int.from_bytes(digestOf(name(text), iterations, salt), "big")
    owner, following = ((number + offset) % 2**160 for offset in (-before, span))
    return nsec3Set(
        ZONE, owner.to_bytes(20, "big"), following.to_bytes(20, "big"), numbers(types), salt=salt, flags=flags, iterations=iterations
    )


class ReasonTests(SynchronousTestCase):
    """
    The reasons of failures.
    """

    def assertFails(self, proof: Proof, code: int, text: str) -> None:
        """
        Compare the reason.
        """
        self.assertEqual((proof.security, proof.outcome, proof.reason), (Security.BOGUS, None, (code, text)))

    def test_nothingIsMissing(self) -> None:
        """
        A reply without records of denial has EDE 12 (RFC 8914).
        """
        self.assertFails(noName("b.example.", []), 12, "no NSEC or NSEC3 record of example. says anything of b.example.")
        self.assertFails(noName("b.example.", KNOWN.nsec()[1:2]), 12, "no NSEC record covers b.example.")
        self.assertFails(noName("b.example.", KNOWN.nsec3()[:1]), 12, "no NSEC3 record shows a closest encloser of b.example.")

    def test_otherTypesAreIgnored(self) -> None:
        """
        Sets of other types, and of other classes than the question's, prove nothing.
        """
        rrset = nsecSet(name("a.example."), name("z.example."), numbers("A"))
        chaos = RRSet(rrset.name, NSEC, 3, 60, rrset.rdatas)
        other = RRSet(rrset.name, TXT, 1, 60, rrset.rdatas)
        self.assertEqual((noName("b.example.", [chaos, other]).reason or (0,))[0], 12)
        self.assertTrue(proveNoData(name("a.example."), MX, Denials(ZONE, [(chaos, None)], 3), Counting()).secure)

    def test_presentTypesAreNamed(self) -> None:
        """
        The reason names the record that proves the opposite.
        """
        for sets in (KNOWN.nsec(), KNOWN.nsec3()):
            kind = "NSEC3" if sets[0].rrType == 50 else "NSEC"
            for text, rrType, words in (
                ("a.example.", A, "has the A bit"),
                ("alias.example.", A, "has the CNAME bit"),
                ("z.example.", 257, "has the CAA bit"),
                ("z.example.", ANY, "has bits of other types"),
                ("cut.example.", MX, "is from above the delegation, where only the absence of DS is known"),
                ("signed.example.", DS, "has the DS bit"),
                ("x.wild.example.", TXT, "has the TXT bit"),
            ):
                code, reason = noData(text, rrType, sets).reason or (0, "")
                self.assertEqual(code, 6)
                self.assertTrue(reason.startswith(f"the {kind} record") and reason.endswith(words), reason)
        self.assertFails(noName("a.example.", KNOWN.nsec()), 6, "the NSEC record of a.example. proves that the name exists")
        self.assertFails(
            noName("empty.example.", KNOWN.nsec()),
            6,
            "the NSEC record of cut.example. proves that empty.example. exists: the next name is below it",
        )
        self.assertIn("exists, which matches x.wild.example.", str(noName("x.wild.example.", KNOWN.nsec()).reason))
        self.assertIn("exists, which matches x.wild.example.", str(noName("x.wild.example.", KNOWN.nsec3()).reason))
        self.assertIn("proves that empty.example. exists", str(noName("empty.example.", KNOWN.nsec3()).reason))

    def test_namesOutsideAreNotDenied(self) -> None:
        """
        The records of a zone say nothing of names outside of it, or of its own DS records.
        """
        for sets in (KNOWN.nsec(), KNOWN.nsec3()):
            for text in ("example2.", "xexample.", "."):
                self.assertIn("which", str(noName(text, sets).reason))
                self.assertEqual(noName(text, sets).security, Security.BOGUS)
                self.assertEqual(noData(text, MX, sets).security, Security.BOGUS)
            self.assertFails(noData("example.", DS, sets), 6, "example. denies its own DS records, which are in its parent")
            state, proof = proveNoDS(ZONE, denialsOf(ZONE, sets), Counting())
            self.assertEqual((state, proof.security), (Delegation.UNPROVEN, Security.BOGUS))

    def test_ignoredRecordsAreNamed(self) -> None:
        """
        A record that is ignored is the reason if another one is missing for the proof.
        """
        good = nsecSet(name("a.example."), name("c.example."), numbers("A"))
        types = b"\x00\x01\x40"
        for rdata, words in (
            (b"\x01c\x07example", "is malformed"),
            (b"\x40" + bytes(64), "is malformed"),
            (b"\x3f" + bytes(63) + 3 * (b"\x3f" + bytes(63)) + ZONE, "is malformed"),
            (b"\x01c" + ZONE + b"\x00\x00", "has a malformed type bitmap"),
            (b"\x01c" + ZONE + b"\x00\x02\x40", "has a malformed type bitmap"),
            (b"\x01c" + ZONE + b"\x00", "has a malformed type bitmap"),
            (b"\x01c" + ZONE + b"\x00\x21" + bytes(32) + b"\x01", "has a malformed type bitmap"),
            (b"\x01c" + ZONE + types + types, "has a malformed type bitmap"),
            (b"\x01c" + ZONE + b"\x01\x01\x40" + types, "has a malformed type bitmap"),
            (b"\x01c" + ZONE + b"\x00\x02\x40\x00", "has a malformed type bitmap"),
            (b"\x01c\x00" + types, "leads out of the zone"),
            (b"\x02ab\x01a\x00" + types, "leads out of the zone"),
            (b"\x00" + types, "leads out of the zone"),
            (good.name + types, "leads backward"),
            (b"\x01B" + b"\x01A" + ZONE[:1] + b"EXAMPLE\x00" + types, ""),
        ):
            rrset = RRSet(good.name, NSEC, 1, 60, (rdata,))
            if words:
                self.assertFails(noName("b.example.", [rrset]), 6, f"the NSEC record of a.example. {words}")
            else:
                self.assertTrue(noName("a.a.example.", [rrset]).secure)
        double = RRSet(good.name, NSEC, 1, 60, good.rdatas + (b"\x01d" + ZONE + types,))
        self.assertFails(noName("b.example.", [double]), 6, "the NSEC record of a.example. is one of 2 at its name")
        outside = nsecSet(name("a.example2."), name("c.example."), numbers("A"))
        self.assertFails(noName("b.example.", [outside]), 6, "the NSEC record of a.example2. is outside of the zone")

    def test_ignoredNSEC3Records(self) -> None:
        """
        NSEC3 records are ignored if their name is not a hash directly below the zone, or if they are malformed or of an unknown form
        (RFC 5155, section 8.1 and 8.2).
        """
        good = hashedSet("a.example.", "A RRSIG")
        self.assertTrue(noData("a.example.", MX, [good]).secure)
        upper = RRSet(good.name.upper(), 50, 1, 60, good.rdatas)
        self.assertTrue(noData("A.Example.", MX, [upper]).secure)
        rdata = good.rdatas[0]
        digest = rdata[6:26]
        for owner, changed, words in (
            (good.name[:33] + b"\x01a" + ZONE, rdata, "does not have a hash below the zone as its name"),
            (good.name[:33] + name("other."), rdata, "does not have a hash below the zone as its name"),
            (b"\x1f" + good.name[2:], rdata, "does not have a hash below the zone as its name"),
            (b"\x20w" + good.name[2:], rdata, "does not have a hash below the zone as its name"),
            (b"\x20-" + good.name[2:], rdata, "does not have a hash below the zone as its name"),
            (b"\x200_" + good.name[3:], rdata, "does not have a hash below the zone as its name"),
            (b"\x20 " + good.name[2:], rdata, "does not have a hash below the zone as its name"),
            (ZONE, rdata, "does not have a hash below the zone as its name"),
            (good.name, b"\x02" + rdata[1:], "has the unknown hash algorithm 2"),
            (good.name, b"\x01\x02" + rdata[2:], "has unknown flags: 2"),
            (good.name, b"\x01\x81" + rdata[2:], "has unknown flags: 129"),
            (good.name, rdata[:4], "is malformed"),
            (good.name, rdata[:20], "is malformed"),
            (good.name, rdata[:4] + b"\xff" + rdata[5:], "is malformed"),
            (good.name, rdata[:5] + b"\x13" + digest[:19] + rdata[26:], "is malformed"),
            (good.name, rdata[:5] + b"\x15" + digest + b"\x00" + rdata[26:], "is malformed"),
            (good.name, rdata[:26] + b"\x00\x01\x00", "has a malformed type bitmap"),
        ):
            record = RRSet(owner, 50, 1, 60, (changed,))
            proof = noData("a.example.", MX, [record])
            self.assertEqual(proof.security, Security.BOGUS)
            self.assertEqual((proof.reason or (0, ""))[0], 6)
            self.assertTrue((proof.reason or (0, ""))[1].endswith(f" {words}"), proof)
        expanded = proveNoData(name("a.example."), MX, Denials(ZONE, [(good, ZONE)]), Counting())
        self.assertIn("was expanded from a wildcard", str(expanded.reason))

    def test_anyPairOfRecordsWithoutTypes(self) -> None:
        """
        An NSEC3 record of an empty non-terminal has no types.
        """
        self.assertTrue(noData("empty.example.", ANY, [hashedSet("empty.example.", "")]).secure)
        self.assertTrue(noData("empty.example.", ANY, [hashedSet("empty.example.", "RRSIG")]).secure)
        self.assertFalse(noData("empty.example.", ANY, [hashedSet("empty.example.", "TYPE1234")]).secure)


class NSECTests(SynchronousTestCase):
    """
    NSEC records.
    """

    def test_usedRecordsAreReported(self) -> None:
        """
        A proof lists the sets that it needs, each once, and the closest encloser.
        """
        chain = KNOWN.nsec()
        owners = {rrset.name: rrset for rrset in chain}
        proof = noName("x.b.example.", chain)
        self.assertEqual((proof.sets, proof.encloser), ((owners[name("alias.example.")], owners[ZONE]), ZONE))
        proof = noName("x.a.example.", chain)
        self.assertEqual((proof.sets, proof.encloser), ((owners[name("a.example.")],), name("a.example.")))
        proof = noData("x.y.wild.example.", MX, chain)
        self.assertEqual((proof.sets, proof.encloser), ((owners[name("*.wild.example.")],), name("wild.example.")))

    def test_lastRecordLeadsToTheApex(self) -> None:
        """
        The last record covers all that follows, the only one of a zone every other name.
        """
        self.assertTrue(noName("zz.example.", KNOWN.nsec()).secure)
        only = nsecSet(ZONE, ZONE, numbers("SOA NS"))
        self.assertTrue(noName("b.example.", [only]).secure)
        self.assertFalse(noName("example.", [only]).secure)
        self.assertTrue(proveNoName(name("x."), denialsOf(b"\x00", [nsecSet(b"\x00", b"\x00", numbers("SOA"))]), Counting()).secure)
        self.assertTrue(proveNoData(b"\x00", DS, denialsOf(b"\x00", [nsecSet(b"\x00", b"\x00", numbers("SOA"))]), Counting()).secure)

    def test_caseDoesNotMatter(self) -> None:
        """
        Names are compared without case.
        """
        rrset = nsecSet(name("A.eXample."), name("Q.Example."), numbers("A"))
        denials = Denials(name("EXAMPLE."), [(rrset, None)])
        self.assertTrue(proveNoData(name("a.EXAMPLE."), MX, denials, Counting()).secure)
        self.assertEqual(proveNoDS(name("B.example."), denials, Counting())[0], Delegation.NO_NAME)

    def test_namesBelowDelegationsAreNotDenied(self) -> None:
        """
        A delegation's record proves nothing of names below it, nor does that of a name with DNAME (RFC 6840, section 4.1; RFC 6672,
        section 5.3.4).
        """
        for sets in (KNOWN.nsec(), KNOWN.nsec3()):
            for text in ("x.cut.example.", "host.cut.example.", "x.signed.example.", "x.tree.example."):
                self.assertEqual(noName(text, sets).security, Security.BOGUS, text)
                self.assertEqual(noData(text, MX, sets).security, Security.BOGUS, text)
                self.assertEqual(proveNoDS(name(text), denialsOf(ZONE, sets), Counting())[0], Delegation.UNPROVEN, text)
                self.assertIn("which is below a", str(noName(text, sets).reason))
            self.assertTrue(noData("tree.example.", MX, sets).secure)

    def test_wildcardsBelowDelegationsAreNotDenied(self) -> None:
        """
        The same holds for the wildcard, if a record that covers the name should be found below a delegation.
        """
        below = nsecSet(name("a.cut.example."), name("z.cut.example."), numbers("A"))
        cut = nsecSet(name("cut.example."), name("a.cut.example."), numbers("NS"))
        proof = noName("b.cut.example.", [below, cut])
        self.assertEqual(
            proof.reason, (6, "the NSEC record of cut.example. proves nothing of *.cut.example., which is below a delegation")
        )
        self.assertFalse(noData("b.cut.example.", A, [below, cut]).secure)

    def test_delegationsAtWildcards(self) -> None:
        """
        A wildcard that is a delegation proves nothing of the names that it matches (RFC 4592, section 4.2).
        """
        wildcard = nsecSet(name("*.wild.example."), name("z.example."), numbers("NS"))
        hashed = [
            hashedSet("wild.example.", "A"),
            hashedSet("x.wild.example.", "A", before=1),
            hashedSet("*.wild.example.", "NS"),
        ]
        for sets in ([wildcard], hashed):
            for rrType in (A, DS):
                self.assertIn("is of a delegation", str(noData("x.wild.example.", rrType, sets).reason))

    def test_typesOfOtherWindows(self) -> None:
        """
        Types above 255 are read from their window of the bitmap, which may be missing.
        """
        rrset = nsecSet(name("a.example."), name("c.example."), numbers("A CAA TYPE1025 TYPE65280"))
        for rrType, present in ((257, True), (256, False), (1025, True), (1030, False), (600, False), (65280, True), (65535, False)):
            self.assertEqual(noData("a.example.", rrType, [rrset]).secure, not present, rrType)

    def test_noCloserName(self) -> None:
        """
        A wildcard's answer is right only if no closer name exists, and if the record agrees on where the wildcard is.
        """
        chain = KNOWN.nsec()
        for sets in (chain, KNOWN.nsec3()):
            denials = denialsOf(ZONE, sets)
            proof = proveNoCloser(name("x.y.wild.example."), name("Wild.example."), denials, Counting())
            self.assertEqual((proof.security, proof.outcome, proof.encloser), (Security.SECURE, Outcome.DATA, name("wild.example.")))
            for text, encloser in (
                ("a.example.", "example."),
                ("x.a.example.", "example."),
                ("x.empty.example.", "example."),
                ("empty.example.", "example."),
                ("x.example2.", "example2."),
                ("x.wild.example.", "."),
                ("wild.example.", "wild.example."),
            ):
                self.assertEqual(proveNoCloser(name(text), name(encloser), denials, Counting()).security, Security.BOGUS, text)
        # Another wildcard than that of the closest encloser.
        proof = proveNoCloser(name("x.a.example."), ZONE, denialsOf(ZONE, chain), Counting())
        self.assertIn("only *.a.example. could match", str(proof.reason))


class DelegationTests(SynchronousTestCase):
    """
    What is known of a name without DS records.
    """

    def test_states(self) -> None:
        """
        Each state is proven by NSEC and by NSEC3 records.
        """
        for sets in (KNOWN.nsec(), KNOWN.nsec3()):
            found = {
                text: proveNoDS(name(f"{text}.example."), denialsOf(ZONE, sets), Counting())
                for text in ("cut", "signed", "a", "alias", "empty", "tree", "b", "x.a", "x.wild")
            }
            self.assertEqual(
                {text: state for text, (state, _) in found.items()},
                {
                    "cut": Delegation.INSECURE_DELEGATION,
                    "signed": Delegation.UNPROVEN,
                    "a": Delegation.NOT_A_CUT,
                    "alias": Delegation.NOT_A_CUT,
                    "empty": Delegation.NOT_A_CUT,
                    "tree": Delegation.NOT_A_CUT,
                    "b": Delegation.NO_NAME,
                    "x.a": Delegation.NO_NAME,
                    "x.wild": Delegation.NO_NAME,
                },
            )
            for text, (_, proof) in found.items():
                self.assertEqual(proof.secure, text != "signed")

    def test_optOut(self) -> None:
        """
        A name in a span with opt-out may be an insecure delegation, and so may any name above it (RFC 5155, section 8.9).
        """
        denials = denialsOf(ZONE, KNOWN.nsec3(optOut=True))
        for text in ("cut.example.", "x.cut.example.", "b.example."):
            state, proof = proveNoDS(name(text), denials, Counting())
            self.assertEqual((state, proof.security, proof.reason), (Delegation.OPT_OUT, Security.INSECURE, None))
        self.assertEqual(proveNoDS(name("a.example."), denials, Counting())[0], Delegation.NOT_A_CUT)

    def test_childCannotDenyItsDS(self) -> None:
        """
        A record with the SOA bit is from the apex of the child, which does not know of DS records (RFC 4035, section 5.2).
        """
        child = nsecSet(name("signed.example."), name("z.example."), numbers("NS SOA RRSIG NSEC"))
        hashed = hashedSet("signed.example.", "NS SOA RRSIG")
        for sets in ([child], [hashed]):
            state, proof = proveNoDS(name("signed.example."), denialsOf(ZONE, sets), Counting())
            self.assertEqual(state, Delegation.UNPROVEN)
            self.assertIn("has the SOA bit", str(proof.reason))
            self.assertIn("has the SOA bit", str(noData("signed.example.", DS, sets).reason))


class CompactTests(SynchronousTestCase):
    """
    Compact denial (RFC 9824).
    """

    def assertNoName(self, text: str, rrset: RRSet) -> None:
        """
        Expect that the record proves NXDOMAIN, whatever the rcode is.
        """
        for proof in (noData(text, A, [rrset]), noName(text, [rrset]), noData(text, DS, [rrset]), noData(text, ANY, [rrset])):
            self.assertEqual((proof.security, proof.outcome), (Security.SECURE, Outcome.NXDOMAIN))
        state, proof = proveNoDS(name(text), denialsOf(ZONE, [rrset]), Counting())
        self.assertEqual((state, proof.secure), (Delegation.NO_NAME, True))

    def test_missingName(self) -> None:
        """
        A record with the type NXNAME at the name says that it does not exist.
        """
        self.assertNoName("b.example.", nsecSet(name("b.example."), name("\\000.b.example."), numbers("NXNAME RRSIG NSEC")))
        self.assertNoName("b.example.", hashedSet("b.example.", "NXNAME RRSIG"))
        self.assertNoName("b.example.", hashedSet("b.example.", "NXNAME"))

    def test_nxnameBesidesOtherTypes(self) -> None:
        """
        NXNAME besides other types is a contradiction: the name has these types.
        """
        for rrset in (
            nsecSet(name("b.example."), name("\\000.b.example."), numbers("NXNAME TXT RRSIG NSEC")),
            nsecSet(name("b.example."), name("\\000.b.example."), numbers("NXNAME CAA RRSIG NSEC")),
            hashedSet("b.example.", "NXNAME TXT"),
        ):
            self.assertEqual(noName("b.example.", [rrset]).security, Security.BOGUS)
            self.assertEqual(noData("b.example.", A, [rrset]).outcome, Outcome.NODATA)

    def test_missingData(self) -> None:
        """
        The same without NXNAME says that only the type does not exist.
        """
        rrset = nsecSet(name("b.example."), name("\\000.b.example."), numbers("RRSIG NSEC"))
        self.assertEqual(noData("b.example.", A, [rrset]).outcome, Outcome.NODATA)
        self.assertEqual(noName("b.example.", [rrset]).security, Security.BOGUS)
        self.assertFalse(noData("b.example.", NSEC, [rrset]).secure)
        self.assertFalse(noData("b.example.", RRSIG, [rrset]).secure)

    def test_minimalSpans(self) -> None:
        """
        Names that are made up to cover one name prove that it does not exist (RFC 4470).
        """
        sets = [
            nsecSet(name("azzz.example."), name("b\\000.example."), numbers("RRSIG NSEC")),
            nsecSet(name("\\(zzz.example."), name("\\+.example."), numbers("RRSIG NSEC")),
        ]
        self.assertTrue(noName("b.example.", sets).secure)
        self.assertTrue(noName("b.example.", sets[::-1]).secure)


class ParameterTests(SynchronousTestCase):
    """
    Zones with several chains.
    """

    def test_eitherChainIsEnough(self) -> None:
        """
        While a zone changes from one salt to another, or from NSEC to NSEC3, either chain proves what it proves alone.
        """
        chains = [KNOWN.nsec3(), KNOWN.nsec3(5, b"salt"), KNOWN.nsec()]
        for first in chains:
            for second in chains:
                sets = [*first, *second[:2]] if first is not second else first
                self.assertTrue(noName("b.example.", sets).secure)
                self.assertTrue(noName("b.example.", [*second[:2], *first]).secure)

    def test_chainsAreNotMixed(self) -> None:
        """
        Records with different parameters do not make a proof together (RFC 5155, section 8.2).
        """
        nearest = [hashedSet("example.", "SOA"), hashedSet("example.", "SOA", salt=b"s")]
        cover = [hashedSet("b.example.", "A", before=1), hashedSet("b.example.", "A", before=1, salt=b"s")]
        wildcard = [hashedSet("*.example.", "A", before=1), hashedSet("*.example.", "A", before=1, salt=b"s")]
        for index in range(2):
            self.assertTrue(noName("b.example.", [nearest[index], cover[index], wildcard[index]]).secure)
            self.assertFalse(noName("b.example.", [nearest[index], cover[index], wildcard[1 - index]]).secure)
            self.assertFalse(noName("b.example.", [nearest[index], cover[1 - index], wildcard[index]]).secure)

    def test_onlyTwoChainsAreRead(self) -> None:
        """
        Of many parameters the first two are tried.
        """
        sets = [hashedSet("b.example.", "A", salt=bytes([number])) for number in range(3)]
        self.assertTrue(noData("b.example.", MX, sets[1:]).secure)
        odd = [hashedSet("b.example.", "A", salt=bytes([number]), before=1) for number in range(2)]
        self.assertIn("parameters other than the first 2", str(noData("b.example.", MX, [*odd, sets[2]]).reason))

    def test_aliasIsData(self) -> None:
        """
        A name with an alias has data of every type, and of type CNAME.
        """
        for sets in (KNOWN.nsec(), KNOWN.nsec3()):
            self.assertFalse(noData("alias.example.", CNAME, sets).secure)
            self.assertFalse(noData("alias.example.", DS, sets).secure)
