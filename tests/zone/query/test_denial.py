"""
Tests of proofs that something is not there.

Signatures are not looked into here: a record stands for each.
"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from tests.zone.plain import HEAD, versionOf
from twisted_ext.answers import Answer, Question
from twisted_ext.wire.codes import AA, Rcode
from twisted_ext.wire.names import nameFromText, nameToText
from twisted_ext.wire.records import RRSet
from twisted_ext.wire.rrtypes import typeNumber
from twisted_ext.zone.query import denial
from twisted_ext.zone.query.answers import answer
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

#: Owners with records of the zone's own, and the types that an NSEC would list.
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
    @return: a record in the form of a signature.
    """
    return f"{owner} RRSIG {rrType} 13 2 300 20300101000000 20200101000000 1 example. AAAA\n"


def signed(text: str) -> str:
    """
    @return: records with a signature for each set of the zone's own.
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
    @return: a zone with a chain of NSEC records.
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
    @return: the zone of L{byNSEC3Text}.
    """
    return versionOf(byNSEC3Text(optOut=optOut, iterations=iterations))


def byNSEC3Text(*, optOut: bool = False, iterations: int = 2) -> str:
    """
    @return: a zone with a chain of NSEC3 records; with C{optOut} unsigned delegations, and what is above nothing else, are not in it.
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
    @param name: relative to the zone.
    """
    number = typeNumber(rrType)
    assert number is not None
    return answer(version, Question(APEX if name == "@" else nameFromText(name, APEX), number), dnssecOk=dnssecOk)


def relative(name: bytes) -> str:
    """
    @return: a name of the zone without its end.
    """
    return "@" if name == APEX else nameToText(name)[: -len(".example.")]


def proofs(found: Answer) -> list[str]:
    """
    @return: whose NSEC records there are in the authority section, each of which has to be followed by its signature.
    """
    authority = found.authority
    shown = []
    for index, rrset in enumerate(authority):
        if rrset.rrType in (6, 43, 47, 50):
            following = authority[index + 1]
            assert following.rrType == 46 and following.name == rrset.name
            assert int.from_bytes(following.rdatas[0][:2], "big") == rrset.rrType
            if rrset.rrType in (47, 50):
                shown.append(relative(rrset.name))
    return shown


class Chained(SynchronousTestCase):
    """
    What tests of both kinds of chains have in common.
    """

    def signs(self, sets: tuple[RRSet, ...], *types: int) -> None:
        """
        @param types: of the sets, each of which has to be followed by its signatures.
        """
        self.assertEqual([rrset.rrType for rrset in sets], [number for rrType in types for number in (rrType, 46)])


class NSECTests(Chained):
    """
    Tests with NSEC (RFC 4035, section 3.1.3).
    """

    def setUp(self) -> None:
        self.version = byNSEC()

    def test_withoutWish(self) -> None:
        """
        Who does not ask for signatures and proofs gets none (RFC 4035, section 3.2.1), but on a question for them.
        """
        for name in ("www", "nothing", "x.wild", "secure", "insecure", "deep", "x.tree"):
            found = ask(self.version, name, dnssecOk=False)
            self.assertFalse({rrset.rrType for rrset in (*found.answer, *found.authority)} & {43, 46, 47})
        for rrType in ("NSEC", "RRSIG"):
            number = typeNumber(rrType)
            self.assertEqual(
                {rrset.rrType for rrset in ask(self.version, "www", rrType, dnssecOk=False).answer}, {number}
            )

    def test_signatures(self) -> None:
        """
        Records come with their signatures (section 3.1.1).
        """
        found = ask(self.version, "alias")
        self.signs(found.answer, 5, 1)
        self.signs(ask(self.version, "@", "SOA").answer, 6)
        self.signs(ask(self.version, "www", "NSEC").answer, 47)
        self.assertEqual([rrset.rrType for rrset in ask(self.version, "www", "RRSIG").answer], [46, 46])

    def test_noName(self) -> None:
        """
        Neither the name nor a wildcard is there (section 3.1.3.2).
        """
        found = ask(self.version, "nothing")
        self.assertEqual((found.rcode, proofs(found)), (Rcode.NXDOMAIN, ["insecure", "@"]))
        self.assertEqual(proofs(ask(self.version, "aa")), ["@"])
        self.assertEqual(proofs(ask(self.version, "n.www")), ["www"])

    def test_noData(self) -> None:
        """
        The name is there and the type is not (section 3.1.3.1): also of an empty non-terminal.
        """
        for name, owner in (("www", "www"), ("deep", "only.below"), ("b.deep", "only.below"), ("@", "@")):
            found = ask(self.version, name, "MX")
            self.assertEqual((found.rcode, proofs(found)), (0, [owner]))

    def test_wildcard(self) -> None:
        """
        With a wildcard's records comes the proof that the name itself is not there (section 3.1.3.3).
        """
        found = ask(self.version, "x.wild")
        self.signs(found.answer, 1)
        self.assertEqual({rrset.name for rrset in found.answer}, {nameFromText("x.wild", APEX)})
        self.assertEqual(proofs(found), ["*.wild"])
        self.assertEqual(proofs(ask(self.version, "*.wild")), [])
        self.assertEqual(proofs(ask(self.version, "x.walias")), ["*.walias"])

    def test_wildcardNoData(self) -> None:
        """
        The name itself is not there, and the wildcard has no such data (section 3.1.3.4).
        """
        found = ask(self.version, "a.z.wild", "MX")
        self.assertEqual((found.rcode, proofs(found)), (0, ["*.wild"]))
        found = ask(self.version, "y.star")
        self.assertEqual((found.rcode, proofs(found)), (0, ["x.*.star", "secure"]))

    def test_chain(self) -> None:
        """
        At the end of aliases all that is needed for each step is proved, once.
        """
        found = ask(self.version, "astray")
        self.assertEqual((found.rcode, proofs(found)), (Rcode.NXDOMAIN, ["insecure", "@"]))
        self.signs(found.answer, 5)

    def test_redirection(self) -> None:
        """
        A DNAME record is signed, the alias that is made from it is not (RFC 6672, section 5.3.1).
        """
        self.assertEqual([rrset.rrType for rrset in ask(self.version, "x.tree").answer], [39, 46, 5])

    def test_referral(self) -> None:
        """
        A signed delegation comes with DS records, an unsigned one with the proof that there are none (section 3.1.4).
        """
        found = ask(self.version, "a.secure")
        self.assertEqual([rrset.rrType for rrset in found.authority], [2, 43, 46])
        found = ask(self.version, "a.insecure")
        self.assertEqual(([rrset.rrType for rrset in found.authority], proofs(found)), ([2, 47, 46], ["insecure"]))
        self.assertFalse(found.flags & AA)

    def test_signersOfDelegation(self) -> None:
        """
        DS records at a cut, or that there are none, are the parent's word (section 3.1.4.1).
        """
        self.signs(ask(self.version, "secure", "DS").answer, 43)
        found = ask(self.version, "insecure", "DS")
        self.assertEqual(([rrset.rrType for rrset in found.authority], proofs(found)), ([6, 46, 47, 46], ["insecure"]))
        self.assertTrue(found.flags & AA)

    def test_unsigned(self) -> None:
        """
        In a zone that is not signed NSEC records prove nothing: they are given to who asks for them, and for nothing else.
        """
        version = versionOf(HEAD + RECORDS + CUTS + "@ NSEC www A NSEC\nwww NSEC @ A NSEC\n")
        for name, rrType in (("nothing", "A"), ("www", "MX"), ("x.wild", "A"), ("x.wild", "MX"), ("insecure", "DS"), ("a.insecure", "A")):
            found = ask(version, name, rrType)
            self.assertNotIn(47, [rrset.rrType for rrset in found.authority], name)
        self.assertEqual([rrset.rrType for rrset in ask(version, "www", "NSEC").answer], [47])

    def test_denialSeconds(self) -> None:
        """
        The SOA of a denial and its signature have one TTL.
        """
        found = ask(self.version, "nothing")
        self.assertEqual([rrset.ttl for rrset in found.authority[:2]], [60, 60])
        self.assertEqual(ask(self.version, "nothing", dnssecOk=False).authority, found.authority[:1])


class NSEC3Tests(Chained):
    """
    Tests with NSEC3 (RFC 5155, section 7.2).
    """

    def setUp(self) -> None:
        self.version = byNSEC3()
        self.optedOut = byNSEC3(optOut=True)

    def owners(self, version: Version, *names: str) -> list[str]:
        """
        @param names: relative to the zone; with a C{^} before them where they are to be covered and not matched.

        @return: the owners of the NSEC3 records that do.
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

    def proves(self, version: Version, name: str, rrType: str, rcode: int, *expected: str) -> None:
        """
        Compare the proofs of an answer.
        """
        found = ask(version, name, rrType)
        self.assertEqual((found.rcode, proofs(found)), (rcode, self.owners(version, *expected)))

    def test_noName(self) -> None:
        """
        The closest encloser matches, the next closer name and the wildcard are covered (section 7.2.2).
        """
        self.proves(self.version, "nothing", "A", 3, "@", "^nothing", "^*")
        self.proves(self.version, "x.y.deep", "A", 3, "deep", "^y.deep", "^*.deep")

    def test_noHash(self) -> None:
        """
        An NSEC3 record whose owner is no hash proves nothing, wherever it would stand in the chain (section 3).
        """
        asked = [f"nothing{number}" for number in range(60)]
        expected = [proofs(ask(self.version, name)) for name in asked]
        strange = [f"{letter * 32} 60 NSEC3 1 0 2 AABB {'v' * 32} A\n" for letter in ("-", "w", "z")]
        version = versionOf("".join([byNSEC3Text(), *strange]))
        self.assertEqual([proofs(ask(version, name)) for name in asked], expected)

    def test_noData(self) -> None:
        """
        The name matches (section 7.2.3), also that of an empty non-terminal.
        """
        self.proves(self.version, "www", "MX", 0, "www")
        self.proves(self.version, "b.deep", "A", 0, "b.deep")
        self.proves(self.version, "@", "A", 0, "@")

    def test_noSigners(self) -> None:
        """
        A name without DS records matches, or, with opt-out, the closest encloser that can be proved does and the next closer name is
        covered (section 7.2.4).
        """
        self.proves(self.version, "insecure", "DS", 0, "insecure")
        self.proves(self.optedOut, "insecure", "DS", 0, "@", "^insecure")
        self.proves(self.optedOut, "only.below", "DS", 0, "@", "^below")

    def test_wildcardNoData(self) -> None:
        """
        The closest encloser and the wildcard match, the next closer name is covered (section 7.2.5).
        """
        self.proves(self.version, "x.wild", "MX", 0, "wild", "^x.wild", "*.wild")
        self.proves(self.version, "y.star", "A", 0, "star", "^y.star", "*.star")

    def test_wildcardOptedOut(self) -> None:
        """
        Where a wildcard stands above nothing but unsigned delegations, opt-out leaves that there may be anything to prove, and no more
        (section 7.2.1).
        """
        self.proves(self.version, "y.bare", "A", 0, "bare", "^y.bare", "*.bare")
        self.proves(self.optedOut, "y.bare", "A", 0, "@", "^bare")

    def test_wildcard(self) -> None:
        """
        The next closer name is covered (section 7.2.6).
        """
        self.proves(self.version, "a.b.wild", "A", 0, "^b.wild")
        self.proves(self.version, "x.walias", "A", 0, "^x.walias")

    def test_referral(self) -> None:
        """
        An unsigned delegation matches, or is opted out (section 7.2.7).
        """
        self.proves(self.version, "a.insecure", "A", 0, "insecure")
        self.proves(self.optedOut, "a.insecure", "A", 0, "@", "^insecure")
        self.proves(self.optedOut, "a.only.below", "A", 0, "@", "^below")
        found = ask(self.optedOut, "a.secure")
        self.assertEqual([rrset.rrType for rrset in found.authority], [2, 43, 46])

    def test_unchained(self) -> None:
        """
        What stands above nothing but opted out delegations is not in the chain: then the closest encloser that is gets proved (section
        7.2.1; erratum 3441).
        """
        self.proves(self.optedOut, "below", "A", 0, "@", "^below")
        self.proves(self.optedOut, "x.below", "A", 3, "@", "^below", "^*")

    def test_owners(self) -> None:
        """
        Owners of NSEC3 records do not exist as names (section 7.2.8), nor does what would be below them.
        """
        (owner,) = self.owners(self.version, "www")
        for name, rrType in ((owner, "NSEC3"), (owner, "A"), (owner, "RRSIG"), (f"x.{owner}", "A")):
            self.proves(self.version, name, rrType, 3, "@", f"^{owner}", "^*")

    def test_hash(self) -> None:
        """
        Names are hashed as in RFC 5155, appendix A.
        """
        salt = bytes.fromhex("aabbccdd")
        self.assertEqual(hashed(nameFromText("example."), 12, salt), b"0p9mhaveqvm6t7vbl5lop2u3t2rp3tom")
        self.assertEqual(hashed(nameFromText("*.w.example."), 12, salt), b"r53bq7cc2uvmubfu5ocmm6pers9tk9en")

    def test_iterations(self) -> None:
        """
        With more rounds of hashing than strangers may have us do, denials are left unproved and say so (RFC 9276, section 3.2); with a
        larger bound they are proved.
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
    Tests with chains that something is wrong with.
    """

    def test_withoutChain(self) -> None:
        """
        A zone whose records are signed and that has no chain gives what it has.
        """
        version = versionOf(signed(HEAD + RECORDS + CUTS))
        for name in ("nothing", "www", "x.wild", "y.star", "insecure"):
            found = ask(version, name, "MX")
            self.assertEqual(proofs(found), [])
        found = ask(versionOf(HEAD + "@ NSEC3PARAM 1 0 0 -\n"), "nothing")
        self.assertEqual([rrset.rrType for rrset in found.authority], [6])

    def test_unsignedDelegation(self) -> None:
        """
        A delegation that the chain passes over is not denied by the record before it.
        """
        text = signed(HEAD + "sub NS ns.invalid.\n") + "@ NSEC @ NS SOA RRSIG NSEC\n" + signatureOf("@", "NSEC")
        found = ask(versionOf(text), "a.sub")
        self.assertEqual([rrset.rrType for rrset in found.authority], [2])
