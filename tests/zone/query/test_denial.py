"""
Tests of proofs of nonexistence.

Signatures are not verified here. A placeholder stands for each.
"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from tests.zone.plain import HEAD, answer, versionOf
from twisted_ext.answers import Answer, Question
from twisted_ext.wire.codes import AA, Rcode
from twisted_ext.wire.names import nameFromText, nameToText
from twisted_ext.wire.records import RRSet
from twisted_ext.wire.rrtypes import typeNumber
from twisted_ext.zone.query import denial
from twisted_ext.zone.query.denial import hashed
from twisted_ext.zone.store.version import Version

RECORDS = """\
www A 192.0.2.1
a.b.deep A 192.0.2.2
alias CNAME www
astray CNAME nothing
*.wild A 192.0.2.3
*.walias CNAME www
x.*.star A 192.0.2.4
tree DNAME grove
zz A 192.0.2.5
"""

DIGEST = "11" * 32

#: Delegations.
CUTS = f"""\
secure NS ns.secure
secure DS 1 13 2 {DIGEST}
ns.secure A 192.0.2.6
insecure NS ns.insecure
ns.insecure A 192.0.2.7
only.below NS ns.invalid.
only.*.bare NS ns.invalid.
"""

APEX = nameFromText("example.")


def signatureOf(owner: str, rrType: str) -> str:
    """
    Return a placeholder for a signature.
    """
    return f"{owner} RRSIG {rrType} 13 2 300 20300101000000 20200101000000 1 example. AAAA\n"


def signed(text: str) -> str:
    """
    Return the records with a signature for each authoritative set.
    """
    pairs = dict.fromkeys([tuple(line.split()[:2]) for line in text.splitlines()])
    cuts = {owner for owner, rrType in pairs if rrType == "NS" and owner != "@"}
    own = [
        (owner, rrType)
        for owner, rrType in pairs
        if not any(owner.endswith(f".{cut}") for cut in cuts) and (owner not in cuts or rrType == "DS")
    ]
    return text + "".join([signatureOf(owner, rrType) for owner, rrType in own])


def byNSEC() -> Version:
    """
    Return a zone with a chain of NSEC records.
    """
    # In canonical order.
    owners = (
        "@ alias astray only.*.bare only.below a.b.deep insecure secure x.*.star tree *.walias *.wild www zz".split()
    )
    text = signed(HEAD + RECORDS + CUTS)
    for owner, following in zip(owners, [*owners[1:], "@"], strict=True):
        text += f"{owner} 60 NSEC {following} A RRSIG NSEC\n" + signatureOf(owner, "NSEC")
    return versionOf(text)


def byNSEC3(*, optOut: bool = False, iterations: int = 2) -> Version:
    """
    Return the zone of L{byNSEC3Text}.
    """
    return versionOf(byNSEC3Text(optOut=optOut, iterations=iterations))


def byNSEC3Text(*, optOut: bool = False, iterations: int = 2) -> str:
    """
    Return a zone with a chain of NSEC3 records. C{optOut} leaves out unsigned delegations and the empty non-terminals above them.
    """
    names = "@ alias astray deep b.deep a.b.deep secure star *.star x.*.star tree walias *.walias wild *.wild www zz".split()
    if not optOut:
        names += ["insecure", "below", "only.below", "bare", "*.bare", "only.*.bare"]
    salt = bytes.fromhex("AABB")
    keys = {
        hashed(APEX if name == "@" else nameFromText(name, APEX), iterations, salt).decode(): name for name in names
    }
    owners = sorted(keys)
    text = signed(HEAD + RECORDS + CUTS) + f"@ NSEC3PARAM 1 0 {iterations} AABB\n"
    for owner, following in zip(owners, [*owners[1:], owners[0]], strict=True):
        text += f"{owner} 60 NSEC3 1 {int(optOut)} {iterations} AABB {following} A RRSIG\n" + signatureOf(
            owner, "NSEC3"
        )
    return text


def ask(version: Version, name: str, rrType: str = "A", *, dnssecOk: bool = True) -> Answer:
    """
    Return the answer for a name relative to the zone.
    """
    number = typeNumber(rrType)
    assert number is not None
    return answer(version, Question(APEX if name == "@" else nameFromText(name, APEX), number), dnssecOk=dnssecOk)


def relative(name: bytes) -> str:
    """
    Return a name relative to the zone.
    """
    return "@" if name == APEX else nameToText(name)[: -len(".example.")]


def proofs(found: Answer) -> list[str]:
    """
    Return the owners of the NSEC or NSEC3 records in the authority section. Each must be followed by its signature.
    """
    authority = found.authority
    proofOwners = []
    for index, rrset in enumerate(authority):
        if rrset.rrType in (6, 43, 47, 50):
            following = authority[index + 1]
            assert following.rrType == 46 and following.name == rrset.name
            assert int.from_bytes(following.rdatas[0][:2], "big") == rrset.rrType
            if rrset.rrType in (47, 50):
                proofOwners.append(relative(rrset.name))
    return proofOwners


class ChainTestCase(SynchronousTestCase):
    """
    A test case for zones with a chain.
    """

    def assertSigned(self, sets: tuple[RRSet, ...], *types: int) -> None:
        """
        Compare the types of the sets, each of which must be followed by its signatures.
        """
        self.assertEqual([rrset.rrType for rrset in sets], [number for rrType in types for number in (rrType, 46)])


class NSECTests(ChainTestCase):
    """
    Tests with NSEC (RFC 4035, section 3.1.3).
    """

    def setUp(self) -> None:
        self.version = byNSEC()

    def test_noSignaturesWithoutDO(self) -> None:
        """
        A query without DO gets signatures and proofs only if it asks for their types (RFC 4035, section 3.2.1).
        """
        for name in ("www", "nothing", "x.wild", "secure", "insecure", "deep", "x.tree"):
            found = ask(self.version, name, dnssecOk=False)
            self.assertFalse({rrset.rrType for rrset in (*found.answer, *found.authority)} & {43, 46, 47})
        for rrType in ("NSEC", "RRSIG"):
            number = typeNumber(rrType)
            self.assertEqual(
                {rrset.rrType for rrset in ask(self.version, "www", rrType, dnssecOk=False).answer}, {number}
            )

    def test_recordsComeWithSignatures(self) -> None:
        """
        Records come with their signatures (section 3.1.1).
        """
        found = ask(self.version, "alias")
        self.assertSigned(found.answer, 5, 1)
        self.assertSigned(ask(self.version, "@", "SOA").answer, 6)
        self.assertSigned(ask(self.version, "www", "NSEC").answer, 47)
        self.assertEqual([rrset.rrType for rrset in ask(self.version, "www", "RRSIG").answer], [46, 46])

    def test_nxdomainProvesNameAndWildcard(self) -> None:
        """
        NXDOMAIN proves that neither the name nor a wildcard exists (section 3.1.3.2).
        """
        found = ask(self.version, "nothing")
        self.assertEqual((found.rcode, proofs(found)), (Rcode.NXDOMAIN, ["insecure", "@"]))
        self.assertEqual(proofs(ask(self.version, "aa")), ["@"])
        self.assertEqual(proofs(ask(self.version, "n.www")), ["www"])

    def test_nodataProvesMissingType(self) -> None:
        """
        NODATA proves that the name exists without the type (section 3.1.3.1), also for an empty non-terminal.
        """
        for name, owner in (("www", "www"), ("deep", "only.below"), ("b.deep", "only.below"), ("@", "@")):
            found = ask(self.version, name, "MX")
            self.assertEqual((found.rcode, proofs(found)), (0, [owner]))

    def test_wildcardProvesMissingName(self) -> None:
        """
        A wildcard answer proves that the name itself does not exist (section 3.1.3.3).
        """
        found = ask(self.version, "x.wild")
        self.assertSigned(found.answer, 1)
        self.assertEqual({rrset.name for rrset in found.answer}, {nameFromText("x.wild", APEX)})
        self.assertEqual(proofs(found), ["*.wild"])
        self.assertEqual(proofs(ask(self.version, "*.wild")), [])
        self.assertEqual(proofs(ask(self.version, "x.walias")), ["*.walias"])

    def test_wildcardNodataProvesBoth(self) -> None:
        """
        NODATA at a wildcard proves that the name does not exist and that the wildcard lacks the type (section 3.1.3.4).
        """
        found = ask(self.version, "a.z.wild", "MX")
        self.assertEqual((found.rcode, proofs(found)), (0, ["*.wild"]))
        found = ask(self.version, "y.star")
        self.assertEqual((found.rcode, proofs(found)), (0, ["x.*.star", "secure"]))

    def test_aliasChainProvesEachStepOnce(self) -> None:
        """
        The proofs for each step of an alias chain are given once.
        """
        found = ask(self.version, "astray")
        self.assertEqual((found.rcode, proofs(found)), (Rcode.NXDOMAIN, ["insecure", "@"]))
        self.assertSigned(found.answer, 5)

    def test_synthesizedAliasIsUnsigned(self) -> None:
        """
        A DNAME record is signed and the synthesized alias is not (RFC 6672, section 5.3.1).
        """
        self.assertEqual([rrset.rrType for rrset in ask(self.version, "x.tree").answer], [39, 46, 5])

    def test_referralHasDSOrProof(self) -> None:
        """
        The referral to a signed zone has DS records, and the referral to an unsigned zone proves that there are none (section
        3.1.4).
        """
        found = ask(self.version, "a.secure")
        self.assertEqual([rrset.rrType for rrset in found.authority], [2, 43, 46])
        found = ask(self.version, "a.insecure")
        self.assertEqual(([rrset.rrType for rrset in found.authority], proofs(found)), ([2, 47, 46], ["insecure"]))
        self.assertFalse(found.flags & AA)

    def test_dsDenialIsFromTheParent(self) -> None:
        """
        DS records at a delegation, or the proof that there are none, come from the parent zone (section 3.1.4.1).
        """
        self.assertSigned(ask(self.version, "secure", "DS").answer, 43)
        found = ask(self.version, "insecure", "DS")
        self.assertEqual(([rrset.rrType for rrset in found.authority], proofs(found)), ([6, 46, 47, 46], ["insecure"]))
        self.assertTrue(found.flags & AA)

    def test_unsignedZoneProvesNothing(self) -> None:
        """
        The NSEC records of an unsigned zone are returned only to queries for their type.
        """
        version = versionOf(HEAD + RECORDS + CUTS + "@ NSEC www A NSEC\nwww NSEC @ A NSEC\n")
        for name, rrType in (("nothing", "A"), ("www", "MX"), ("x.wild", "A"), ("x.wild", "MX"), ("insecure", "DS"), ("a.insecure", "A")):
            found = ask(version, name, rrType)
            self.assertNotIn(47, [rrset.rrType for rrset in found.authority], name)
        self.assertEqual([rrset.rrType for rrset in ask(version, "www", "NSEC").answer], [47])

    def test_soaAndSignatureShareTTL(self) -> None:
        """
        The SOA record of a denial and its signature have the same TTL.
        """
        found = ask(self.version, "nothing")
        self.assertEqual([rrset.ttl for rrset in found.authority[:2]], [60, 60])
        self.assertEqual(ask(self.version, "nothing", dnssecOk=False).authority, found.authority[:1])


class NSEC3Tests(ChainTestCase):
    """
    Tests with NSEC3 (RFC 5155, section 7.2).
    """

    def setUp(self) -> None:
        self.version = byNSEC3()
        self.optedOut = byNSEC3(optOut=True)

    def owners(self, version: Version, *names: str) -> list[str]:
        """
        Return the owners of the NSEC3 records that match or cover names.

        @param names: Names relative to the zone, with the prefix C{^} if they are to be covered instead of matched.
        """
        hashes = sorted(
            [
                nameToText(rrset.name).partition(".")[0]
                for node in version.nodes()
                for rrset in node.sets
                if rrset.rrType == 50
            ]
        )
        found = []
        for name in names:
            text = name.removeprefix("^")
            wire = APEX if text == "@" else nameFromText(text, APEX)
            wanted = hashed(wire, 2, bytes.fromhex("AABB")).decode()
            if name.startswith("^"):
                self.assertNotIn(wanted, hashes, f"{name} is in the chain")
                wanted = max([each for each in hashes if each < wanted], default=hashes[-1])
            found.append(wanted)
        return list(dict.fromkeys(found))

    def assertProofs(self, version: Version, name: str, rrType: str, rcode: int, *expected: str) -> None:
        """
        Compare the proofs of an answer.
        """
        found = ask(version, name, rrType)
        self.assertEqual((found.rcode, proofs(found)), (rcode, self.owners(version, *expected)))

    def test_nxdomainProvesEncloserAndWildcard(self) -> None:
        """
        The closest encloser is matched, and the next closer name and the wildcard are covered (section 7.2.2).
        """
        self.assertProofs(self.version, "nothing", "A", 3, "@", "^nothing", "^*")
        self.assertProofs(self.version, "x.y.deep", "A", 3, "deep", "^y.deep", "^*.deep")

    def test_ownerThatIsNoHashIsIgnored(self) -> None:
        """
        An NSEC3 record whose owner is not a hash proves nothing, wherever it sorts in the chain (section 3).
        """
        asked = [f"nothing{number}" for number in range(60)]
        expected = [proofs(ask(self.version, name)) for name in asked]
        strange = [f"{letter * 32} 60 NSEC3 1 0 2 AABB {'v' * 32} A\n" for letter in ("-", "w", "z")]
        version = versionOf("".join([byNSEC3Text(), *strange]))
        self.assertEqual([proofs(ask(version, name)) for name in asked], expected)

    def test_nodataMatchesTheName(self) -> None:
        """
        The name is matched (section 7.2.3), also an empty non-terminal.
        """
        self.assertProofs(self.version, "www", "MX", 0, "www")
        self.assertProofs(self.version, "b.deep", "A", 0, "b.deep")
        self.assertProofs(self.version, "@", "A", 0, "@")

    def test_noDSMatchesOrIsOptedOut(self) -> None:
        """
        A name without DS records is matched. With opt-out the closest provable encloser is matched, and the next closer name is
        covered (section 7.2.4).
        """
        self.assertProofs(self.version, "insecure", "DS", 0, "insecure")
        self.assertProofs(self.optedOut, "insecure", "DS", 0, "@", "^insecure")
        self.assertProofs(self.optedOut, "only.below", "DS", 0, "@", "^below")

    def test_wildcardNodataMatchesWildcard(self) -> None:
        """
        The closest encloser and the wildcard are matched, and the next closer name is covered (section 7.2.5).
        """
        self.assertProofs(self.version, "x.wild", "MX", 0, "wild", "^x.wild", "*.wild")
        self.assertProofs(self.version, "y.star", "A", 0, "star", "^y.star", "*.star")

    def test_wildcardAboveOptedOutDelegations(self) -> None:
        """
        A wildcard above unsigned delegations only is not in the chain with opt-out, so the proof ends above it (section 7.2.1).
        """
        self.assertProofs(self.version, "y.bare", "A", 0, "bare", "^y.bare", "*.bare")
        self.assertProofs(self.optedOut, "y.bare", "A", 0, "@", "^bare")

    def test_wildcardCoversNextCloserName(self) -> None:
        """
        The next closer name is covered (section 7.2.6).
        """
        self.assertProofs(self.version, "a.b.wild", "A", 0, "^b.wild")
        self.assertProofs(self.version, "x.walias", "A", 0, "^x.walias")

    def test_referralMatchesOrIsOptedOut(self) -> None:
        """
        An unsigned delegation is matched or opted out (section 7.2.7).
        """
        self.assertProofs(self.version, "a.insecure", "A", 0, "insecure")
        self.assertProofs(self.optedOut, "a.insecure", "A", 0, "@", "^insecure")
        self.assertProofs(self.optedOut, "a.only.below", "A", 0, "@", "^below")
        found = ask(self.optedOut, "a.secure")
        self.assertEqual([rrset.rrType for rrset in found.authority], [2, 43, 46])

    def test_namesAboveOptedOutDelegations(self) -> None:
        """
        A name above opted-out delegations only is not in the chain, so the closest provable encloser is matched (section 7.2.1;
        erratum 3441).
        """
        self.assertProofs(self.optedOut, "below", "A", 0, "@", "^below")
        self.assertProofs(self.optedOut, "x.below", "A", 3, "@", "^below", "^*")

    def test_nsec3OwnersDoNotExist(self) -> None:
        """
        The owners of NSEC3 records and names below them do not exist (section 7.2.8).
        """
        (owner,) = self.owners(self.version, "www")
        for name, rrType in ((owner, "NSEC3"), (owner, "A"), (owner, "RRSIG"), (f"x.{owner}", "A")):
            self.assertProofs(self.version, name, rrType, 3, "@", f"^{owner}", "^*")

    def test_hashVectors(self) -> None:
        """
        Names are hashed as in RFC 5155, appendix A.
        """
        salt = bytes.fromhex("aabbccdd")
        self.assertEqual(hashed(nameFromText("example."), 12, salt), b"0p9mhaveqvm6t7vbl5lop2u3t2rp3tom")
        self.assertEqual(hashed(nameFromText("*.w.example."), 12, salt), b"r53bq7cc2uvmubfu5ocmm6pers9tk9en")

    def test_manyIterationsAreNotProved(self) -> None:
        """
        Denials with too many iterations are not proved and have an extended error (RFC 9276, section 3.2). A higher limit allows
        them.
        """
        many = byNSEC3(iterations=151)
        for name, rrType in (("nothing", "A"), ("www", "MX"), ("x.wild", "A"), ("x.wild", "MX"), ("insecure", "DS")):
            found = ask(many, name, rrType)
            self.assertEqual((proofs(found), found.ede), ([], ((27, ""),)))
        self.assertEqual(proofs(ask(many, "a.insecure")), [])
        with self.subTest("more allowed"):
            self.patch(denial, "_MOST_ITERATIONS", 151)
            found = ask(many, "nothing")
            self.assertEqual((len(proofs(found)), found.ede), (3, ()))


class GapTests(SynchronousTestCase):
    """
    Tests with broken chains.
    """

    def test_missingChainGivesNoProofs(self) -> None:
        """
        A signed zone without a chain answers without proofs.
        """
        version = versionOf(signed(HEAD + RECORDS + CUTS))
        for name in ("nothing", "www", "x.wild", "y.star", "insecure"):
            found = ask(version, name, "MX")
            self.assertEqual(proofs(found), [])
        found = ask(versionOf(HEAD + "@ NSEC3PARAM 1 0 0 -\n"), "nothing")
        self.assertEqual([rrset.rrType for rrset in found.authority], [6])

    def test_delegationMissingFromChain(self) -> None:
        """
        A delegation that is missing from the chain is not denied by the preceding NSEC record.
        """
        text = signed(HEAD + "sub NS ns.invalid.\n") + "@ NSEC @ NS SOA RRSIG NSEC\n" + signatureOf("@", "NSEC")
        found = ask(versionOf(text), "a.sub")
        self.assertEqual([rrset.rrType for rrset in found.authority], [2])
