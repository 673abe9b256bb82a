"""
Tests of what zones answer, rule by rule.
"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from tests.zone.plain import HEAD, versionOf
from twisted_ext.answers import Answer, Outcome, Question
from twisted_ext.wire.codes import AA, Rcode
from twisted_ext.wire.names import nameFromText, nameToText
from twisted_ext.wire.rdata.registry import rdataToText
from twisted_ext.wire.records import RRSet
from twisted_ext.wire.rrtypes import typeName, typeNumber
from twisted_ext.zone.query import lookup, referrals
from twisted_ext.zone.query.answers import aliasTarget, answer
from twisted_ext.zone.store.version import Version

__all__ = ["question", "textsOf"]

SOA = "example. 60 SOA"

ZONE = (
    HEAD
    + """\
WWW A 192.0.2.1
www A 192.0.2.2
www TXT "text"
a.b.deep A 192.0.2.3
alias CNAME www
second CNAME Alias
away CNAME www.elsewhere.
astray CNAME nothing
aliascut CNAME host.sub
aliasempty CNAME deep
loop CNAME pool
pool CNAME loop
self CNAME self
*.wild A 192.0.2.4
*.wild MX 10 www
known.wild A 192.0.2.5
x.empty.wild A 192.0.2.6
*.walias CNAME www
x.*.star A 192.0.2.7
sub NS ns.sub
sub NS ns.beside
sub NS www
sub NS ns.elsewhere.
sub NS ns.tree
ns.sub A 192.0.2.8
ns.sub AAAA 2001:db8::8
beside NS ns.sub
ns.beside A 192.0.2.9
other.sub NS ns.other.sub
ns.other.sub A 192.0.2.10
tree DNAME grove
tree A 192.0.2.11
ns.tree A 192.0.2.12
www.grove A 192.0.2.13
out DNAME elsewhere.
under DNAME below.under
"""
    + f"far DNAME {'a' * 60}.{'b' * 60}.{'c' * 60}.elsewhere.\n"
)


def question(name: str, rrType: str = "A") -> Question:
    """
    @param name: relative to the root.
    """
    number = typeNumber(rrType)
    assert number is not None
    return Question(nameFromText(name), number)


def textsOf(sets: tuple[RRSet, ...]) -> list[str]:
    """
    @return: records as text: owner, TTL where it is not 300, type, rdata.
    """
    return [
        " ".join(
            [
                nameToText(rrset.name),
                *([str(rrset.ttl)] if rrset.ttl != 300 else []),
                typeName(rrset.rrType),
                *([] if rrset.rrType == 6 else [rdataToText(rrset.rrType, rdata)]),
            ]
        )
        for rrset in sets
        for rdata in rrset.rdatas
    ]


class AnswerTests(SynchronousTestCase):
    """
    Tests for L{answer} with a zone without signatures.
    """

    def setUp(self) -> None:
        self.version = versionOf(ZONE)

    def ask(self, name: str, rrType: str = "A", version: Version | None = None) -> Answer:
        """
        @param name: relative to the zone's parent.
        """
        return answer(version or self.version, question(name, rrType))

    def says(
        self,
        found: Answer,
        outcome: Outcome,
        given: list[str],
        authority: list[str] | None = None,
        additional: list[str] | None = None,
        *,
        rcode: int = 0,
        aa: bool = True,
    ) -> None:
        """
        Compare all of an answer.
        """
        self.assertEqual(textsOf(found.answer), given)
        self.assertEqual(textsOf(found.authority), authority or [])
        self.assertEqual(textsOf(found.additional), additional or [])
        self.assertEqual((found.outcome, found.rcode, bool(found.flags & AA)), (outcome, rcode, aa))

    def test_exact(self) -> None:
        """
        Records of a name that exists are given with AA, whatever case they are asked in, and as they were written (RFC 1034, section 4.3.2,
        step 3a; RFC 4343, section 4).
        """
        for name in ("www.example", "wWw.EXAMPLE"):
            self.says(self.ask(name), Outcome.DATA, ["WWW.example. A 192.0.2.1", "WWW.example. A 192.0.2.2"])
        found = self.ask("www.example")
        assert found.origin is not None
        self.assertEqual((found.origin.source, found.origin.server), ("zone", "example."))
        self.assertIs(self.ask("www.example", "TXT").origin, found.origin)

    def test_apex(self) -> None:
        """
        The apex answers for its name servers itself: its NS records are no delegation.
        """
        self.says(self.ask("example", "NS"), Outcome.DATA, ["example. NS ns.invalid."])
        self.says(self.ask("example", "SOA"), Outcome.DATA, ["example. SOA"])

    def test_noData(self) -> None:
        """
        A name without such records gets the SOA, whose TTL is the lesser of its own and its last number (RFC 2308, sections 2.2 and 3).
        """
        self.says(self.ask("www.example", "AAAA"), Outcome.NODATA, [], [SOA])
        short = versionOf("@ 30 SOA ns.invalid. mail.invalid. 1 3600 600 86400 60\n@ NS ns.invalid.\n")
        self.says(self.ask("example", "A", short), Outcome.NODATA, [], ["example. 30 SOA"])

    def test_noName(self) -> None:
        """
        A name that does not exist gets NXDOMAIN and the SOA (RFC 2308, section 2.1), however many labels it has more.
        """
        for name in (
            "nothing.example",
            "a.www.example",
            ".".join("abcdefghijklmnopqrstuvwxyz") + ".example",
            "zz.a.b.deep.example",
        ):
            self.says(self.ask(name), Outcome.NXDOMAIN, [], [SOA], rcode=Rcode.NXDOMAIN)

    def test_emptyNonTerminal(self) -> None:
        """
        A name that has none but names below it exists (RFC 4592, section 2.2.2; RFC 8020).
        """
        for name in ("deep.example", "b.deep.example"):
            self.says(self.ask(name), Outcome.NODATA, [], [SOA])

    def test_any(self) -> None:
        """
        A question for all types gets all; whether it is let through is decided elsewhere (RFC 8482).
        """
        found = self.ask("www.example", "ANY")
        self.assertEqual({rrset.rrType for rrset in found.answer}, {1, 16})
        self.says(self.ask("alias.example", "ANY"), Outcome.DATA, ["alias.example. CNAME www.example."])

    def test_root(self) -> None:
        """
        The root can be a zone.
        """
        root = versionOf(
            "@ SOA ns.invalid. mail.invalid. 1 3600 600 86400 60\n@ NS ns.invalid.\n*.a TXT x\norg NS ns.org\nns.org A 192.0.2.1\n",
            ".",
        )
        self.says(self.ask("b.a", "TXT", root), Outcome.DATA, ['b.a. TXT "x"'])
        self.says(self.ask(".", "A", root), Outcome.NODATA, [], [". 60 SOA"])
        self.says(
            self.ask("www.org", "A", root), Outcome.NODATA, [], ["org. NS ns.org."], ["ns.org. A 192.0.2.1"], aa=False
        )
        self.says(self.ask("b", "A", root), Outcome.NXDOMAIN, [], [". 60 SOA"], rcode=3)

    # -- aliases

    def test_alias(self) -> None:
        """
        Aliases are followed inside the zone; the answer begins with them (RFC 1034, section 4.3.2, step 3a).
        """
        self.says(
            self.ask("second.example", "TXT"),
            Outcome.DATA,
            ["second.example. CNAME Alias.example.", "alias.example. CNAME www.example.", 'www.example. TXT "text"'],
        )
        self.says(self.ask("alias.example", "CNAME"), Outcome.DATA, ["alias.example. CNAME www.example."])

    def test_aliasOfItself(self) -> None:
        """
        What may stand beside an alias is asked of the alias itself (RFC 4035, section 2.5).
        """
        for rrType in ("RRSIG", "NSEC"):
            self.says(self.ask("alias.example", rrType), Outcome.NODATA, [], [SOA])

    def test_aliasToNothing(self) -> None:
        """
        The rcode and the denial are those of the last name (RFC 6604, section 3; RFC 2308, section 2).
        """
        self.says(
            self.ask("astray.example"), Outcome.NXDOMAIN, ["astray.example. CNAME nothing.example."], [SOA], rcode=3
        )
        self.says(self.ask("aliasempty.example"), Outcome.NODATA, ["aliasempty.example. CNAME deep.example."], [SOA])

    def test_aliasAway(self) -> None:
        """
        Where an alias leaves the zone, the answer says so and where it would go on.
        """
        found = self.ask("away.example")
        self.says(found, Outcome.NODATA, ["away.example. CNAME www.elsewhere."])
        self.assertEqual(aliasTarget(found), nameFromText("www.elsewhere"))

    def test_aliasIntoDelegation(self) -> None:
        """
        An alias into a delegated zone ends in a referral; AA is of the first name (RFC 1035, section 4.1.1).
        """
        found = self.ask("aliascut.example")
        self.assertEqual(textsOf(found.answer), ["aliascut.example. CNAME host.sub.example."])
        self.assertEqual({rrset.rrType for rrset in found.authority}, {2})
        self.assertTrue(found.flags & AA)
        self.assertIsNone(aliasTarget(found))

    def test_aliasesInCircles(self) -> None:
        """
        Aliases that lead back give what there is of them, once, and nowhere to go on.
        """
        found = self.ask("loop.example")
        self.says(found, Outcome.NODATA, ["loop.example. CNAME pool.example.", "pool.example. CNAME loop.example."])
        self.assertIsNone(aliasTarget(found))
        self.says(self.ask("self.example"), Outcome.NODATA, ["self.example. CNAME self.example."])
        self.assertIsNone(aliasTarget(self.ask("www.example")))
        self.assertIsNone(aliasTarget(self.ask("nothing.example")))

    def test_aliasesWithoutEnd(self) -> None:
        """
        A chain is followed so far and no farther; with a larger bound it would be.
        """
        chain = versionOf(HEAD + "".join([f"n{number} CNAME n{number + 1}\n" for number in range(200)]))
        found = self.ask("n0.example", "A", chain)
        self.assertEqual(len(found.answer), 16)
        self.assertIsNone(aliasTarget(found))
        self.patch(lookup, "MOST_LINKS", 150)
        self.assertEqual(len(self.ask("n0.example", "A", chain).answer), 150)

    # -- wildcards (RFC 4592)

    def test_wildcard(self) -> None:
        """
        A wildcard's records are given under the name asked for, as it was asked, however deep it is (section 3.3.1).
        """
        self.says(self.ask("x.WILD.example"), Outcome.DATA, ["x.WILD.example. A 192.0.2.4"])
        self.says(self.ask("a.b.c.wild.example", "MX"), Outcome.DATA, ["a.b.c.wild.example. MX 10 www.example."])
        self.says(self.ask("x.wild.example", "TXT"), Outcome.NODATA, [], [SOA])

    def test_wildcardAsked(self) -> None:
        """
        The wildcard itself is a name like others (section 2.1.1).
        """
        self.says(self.ask("*.wild.example"), Outcome.DATA, ["*.wild.example. A 192.0.2.4"])

    def test_wildcardBlocked(self) -> None:
        """
        Names that exist are not the wildcard's, nor are those below them, and an empty non-terminal exists (section 3.3.1 and 2.2.2).
        """
        self.says(self.ask("known.wild.example", "MX"), Outcome.NODATA, [], [SOA])
        self.says(self.ask("x.known.wild.example"), Outcome.NXDOMAIN, [], [SOA], rcode=3)
        self.says(self.ask("empty.wild.example"), Outcome.NODATA, [], [SOA])
        self.says(self.ask("y.empty.wild.example"), Outcome.NXDOMAIN, [], [SOA], rcode=3)
        self.says(self.ask("x.*.wild.example"), Outcome.NXDOMAIN, [], [SOA], rcode=3)

    def test_wildcardEmpty(self) -> None:
        """
        A wildcard that has nothing but names below it stands for names without data (section 4.2 and 2.2.2).
        """
        self.says(self.ask("y.star.example"), Outcome.NODATA, [], [SOA])
        self.says(self.ask("x.*.star.example"), Outcome.DATA, ["x.*.star.example. A 192.0.2.7"])
        self.says(self.ask("y.*.star.example"), Outcome.NXDOMAIN, [], [SOA], rcode=3)

    def test_wildcardAlias(self) -> None:
        """
        An alias at a wildcard is made for the name asked for, and followed (section 4.4).
        """
        alias = "x.walias.example. CNAME www.example."
        self.says(self.ask("x.walias.example", "TXT"), Outcome.DATA, [alias, 'www.example. TXT "text"'])
        self.says(self.ask("x.walias.example", "CNAME"), Outcome.DATA, [alias])

    # -- delegations

    def test_referral(self) -> None:
        """
        Names at and below a cut are referred to, without AA, with glue for servers inside the delegated zone first (RFC 9471, section 3.1)
        and then inside other delegated zones (section 3.2), then addresses that the zone has itself; but not what a DNAME record hides.
        """
        servers = ["ns.sub.example.", "ns.beside.example.", "www.example.", "ns.elsewhere.", "ns.tree.example."]
        glue = ["ns.sub.example. A 192.0.2.8", "ns.sub.example. AAAA 2001:db8::8", "ns.beside.example. A 192.0.2.9"]
        glue += ["WWW.example. A 192.0.2.1", "WWW.example. A 192.0.2.2"]
        for name, rrType in (
            ("sub.example", "A"),
            ("sub.example", "NS"),
            ("sub.example", "NSEC"),
            ("sub.example", "SOA"),
            ("sub.example", "ANY"),
            ("ns.sub.example", "A"),
            ("ns.sub.example", "DS"),
            ("host.nowhere.sub.example", "A"),
            ("ns.other.sub.example", "A"),
        ):
            found = self.ask(name, rrType)
            self.says(found, Outcome.NODATA, [], [f"sub.example. NS {server}" for server in servers], glue, aa=False)

    def test_crowdedDelegation(self) -> None:
        """
        So many servers get their addresses looked for and no more, lest every referral be work for nothing; with a larger bound all do.
        """
        crowd = versionOf(
            HEAD + "".join([f"sub NS n{number}.sub\nn{number}.sub A 192.0.2.1\n" for number in range(150)])
        )
        found = self.ask("www.sub.example", "A", crowd)
        self.assertEqual((len(textsOf(found.authority)), len(found.additional)), (150, 100))
        self.patch(referrals, "_MOST_HOSTS", 150)
        self.assertEqual(len(self.ask("www.sub.example", "A", crowd).additional), 150)

    def test_signersOfDelegation(self) -> None:
        """
        DS records are the parent's, and so is the word that there are none (RFC 4035, section 3.1.4.1).
        """
        self.says(self.ask("sub.example", "DS"), Outcome.NODATA, [], [SOA])
        digest = "11" * 32
        signed = versionOf(HEAD + f"sub NS ns.invalid.\nsub DS 1 13 2 {digest}\n")
        self.says(self.ask("sub.example", "DS", signed), Outcome.DATA, [f"sub.example. DS 1 13 2 {digest}"])
        self.says(self.ask("sub.example", "A", signed), Outcome.NODATA, [], ["sub.example. NS ns.invalid."], aa=False)

    # -- DNAME (RFC 6672)

    def test_redirection(self) -> None:
        """
        Below a DNAME record an alias is made with its TTL, and followed (section 3.1); what stands there is hidden (section 2.4).
        """
        self.says(
            self.ask("WWW.tree.example"),
            Outcome.DATA,
            [
                "tree.example. DNAME grove.example.",
                "WWW.tree.example. CNAME WWW.grove.example.",
                "www.grove.example. A 192.0.2.13",
            ],
        )
        self.says(
            self.ask("ns.tree.example"),
            Outcome.NXDOMAIN,
            ["tree.example. DNAME grove.example.", "ns.tree.example. CNAME ns.grove.example."],
            [SOA],
            rcode=3,
        )
        timed = versionOf(HEAD + "tree 77 DNAME elsewhere.\n")
        found = self.ask("a.b.tree.example", "A", timed)
        self.assertEqual([rrset.ttl for rrset in found.answer], [77, 77])
        self.assertEqual(aliasTarget(found), nameFromText("a.b.elsewhere"))

    def test_redirectionItself(self) -> None:
        """
        The owner of a DNAME record is not redirected (section 2.3), and the alias that is made answers a question for aliases.
        """
        self.says(self.ask("tree.example"), Outcome.DATA, ["tree.example. A 192.0.2.11"])
        self.says(self.ask("tree.example", "DNAME"), Outcome.DATA, ["tree.example. DNAME grove.example."])
        self.says(
            self.ask("www.tree.example", "CNAME"),
            Outcome.DATA,
            ["tree.example. DNAME grove.example.", "www.tree.example. CNAME www.grove.example."],
        )

    def test_redirectionTooLong(self) -> None:
        """
        A name that would have more than 255 octets gets YXDOMAIN and the DNAME record (section 2.2).
        """
        found = self.ask(f"{'x' * 63}.far.example")
        self.assertEqual((found.rcode, [rrset.rrType for rrset in found.answer]), (Rcode.YXDOMAIN, [39]))
        self.assertEqual(self.ask("x.far.example").rcode, 0)

    def test_redirectionBelowItself(self) -> None:
        """
        A DNAME record that leads below itself is followed once.
        """
        self.says(
            self.ask("x.under.example"),
            Outcome.NODATA,
            ["under.example. DNAME below.under.example.", "x.under.example. CNAME x.below.under.example."],
        )
        self.assertIsNone(aliasTarget(self.ask("x.under.example")))

    def test_redirectionUpward(self) -> None:
        """
        A DNAME record that leads to a name above itself may be met again, and is given once; its owner may be where it leads.
        """
        upward = versionOf(HEAD + "a DNAME @\nb A 192.0.2.1\n")
        record = "a.example. DNAME example."
        chain = [record, "b.a.a.example. CNAME b.a.example.", "b.a.example. CNAME b.example.", "b.example. A 192.0.2.1"]
        self.says(self.ask("b.a.a.example", "A", upward), Outcome.DATA, chain)
        again = "a.a.example. CNAME a.example."
        self.says(self.ask("a.a.example", "A", upward), Outcome.NODATA, [record, again], [SOA])
        self.says(self.ask("a.a.example", "DNAME", upward), Outcome.DATA, [record, again])

    def test_redirectionOfAll(self) -> None:
        """
        A DNAME record at the apex redirects all that is below it.
        """
        moved = versionOf(HEAD + "@ DNAME elsewhere.\nwww A 192.0.2.1\n")
        self.says(
            self.ask("www.example", "A", moved),
            Outcome.NODATA,
            ["example. DNAME elsewhere.", "www.example. CNAME www.elsewhere."],
        )
        self.says(self.ask("example", "NS", moved), Outcome.DATA, ["example. NS ns.invalid."])

    # -- more than was asked for

    def test_complete(self) -> None:
        """
        On request answers have the zone's name servers, and addresses of hosts that are named (RFC 1034, section 3.7).
        """
        found = answer(self.version, question("x.wild.example", "MX"), minimal=False)
        self.says(
            found,
            Outcome.DATA,
            ["x.wild.example. MX 10 www.example."],
            ["example. NS ns.invalid."],
            ["WWW.example. A 192.0.2.1", "WWW.example. A 192.0.2.2"],
        )
        self.says(
            answer(self.version, question("example", "NS"), minimal=False), Outcome.DATA, ["example. NS ns.invalid."]
        )
        found = answer(self.version, question("sub.example"), minimal=False)
        self.assertEqual(found.additional, answer(self.version, question("sub.example")).additional)
