"""
Tests of the answers of zones, rule by rule.
"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from tests.zone.plain import HEAD, answer, versionOf
from twisted_ext.answers import Answer, Outcome, Question
from twisted_ext.wire.codes import AA, Rcode
from twisted_ext.wire.names import nameFromText, nameToText
from twisted_ext.wire.rdata.registry import rdataToText
from twisted_ext.wire.records import RRSet
from twisted_ext.wire.rrtypes import typeName, typeNumber
from twisted_ext.zone.query import answers, referrals
from twisted_ext.zone.query.answers import aliasTarget
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
    Return a question for an absolute name.
    """
    number = typeNumber(rrType)
    assert number is not None
    return Question(nameFromText(name), number)


def textsOf(sets: tuple[RRSet, ...]) -> list[str]:
    """
    Return records as text: owner, TTL if it is not 300, type and rdata.
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
    Tests for L{answerAcross} with a zone without signatures.
    """

    def setUp(self) -> None:
        self.version = versionOf(ZONE)

    def ask(self, name: str, rrType: str = "A", version: Version | None = None) -> Answer:
        """
        Return the answer for a name relative to the zone's parent.
        """
        return answer(version or self.version, question(name, rrType))

    def assertAnswer(
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
        Compare all parts of an answer.
        """
        self.assertEqual(textsOf(found.answer), given)
        self.assertEqual(textsOf(found.authority), authority or [])
        self.assertEqual(textsOf(found.additional), additional or [])
        self.assertEqual((found.outcome, found.rcode, bool(found.flags & AA)), (outcome, rcode, aa))

    def test_existingRecordsWithAuthority(self) -> None:
        """
        Existing records are returned with AA, in their own spelling, whatever the letter case of the query (RFC 1034, section
        4.3.2, step 3a; RFC 4343, section 4).
        """
        for name in ("www.example", "wWw.EXAMPLE"):
            self.assertAnswer(self.ask(name), Outcome.DATA, ["WWW.example. A 192.0.2.1", "WWW.example. A 192.0.2.2"])
        found = self.ask("www.example")
        assert found.origin is not None
        self.assertEqual((found.origin.source, found.origin.server), ("zone", "example."))
        self.assertIs(self.ask("www.example", "TXT").origin, found.origin)

    def test_apexNSIsNoDelegation(self) -> None:
        """
        The NS records of the apex are an answer, not a delegation.
        """
        self.assertAnswer(self.ask("example", "NS"), Outcome.DATA, ["example. NS ns.invalid."])
        self.assertAnswer(self.ask("example", "SOA"), Outcome.DATA, ["example. SOA"])

    def test_nodataHasSOA(self) -> None:
        """
        A name without records of the type gets the SOA record with the lesser of its TTL and MINIMUM field (RFC 2308, sections 2.2
        and 3).
        """
        self.assertAnswer(self.ask("www.example", "AAAA"), Outcome.NODATA, [], [SOA])
        short = versionOf("@ 30 SOA ns.invalid. mail.invalid. 1 3600 600 86400 60\n@ NS ns.invalid.\n")
        self.assertAnswer(self.ask("example", "A", short), Outcome.NODATA, [], ["example. 30 SOA"])

    def test_missingNameIsNXDOMAIN(self) -> None:
        """
        A missing name gets NXDOMAIN and the SOA record (RFC 2308, section 2.1), whatever its number of labels.
        """
        for name in (
            "nothing.example",
            "a.www.example",
            ".".join("abcdefghijklmnopqrstuvwxyz") + ".example",
            "zz.a.b.deep.example",
        ):
            self.assertAnswer(self.ask(name), Outcome.NXDOMAIN, [], [SOA], rcode=Rcode.NXDOMAIN)

    def test_emptyNonTerminalExists(self) -> None:
        """
        A name without records but with names below it exists (RFC 4592, section 2.2.2; RFC 8020).
        """
        for name in ("deep.example", "b.deep.example"):
            self.assertAnswer(self.ask(name), Outcome.NODATA, [], [SOA])

    def test_anyReturnsAllTypes(self) -> None:
        """
        ANY returns all types. Whether ANY is allowed is decided elsewhere (RFC 8482).
        """
        found = self.ask("www.example", "ANY")
        self.assertEqual({rrset.rrType for rrset in found.answer}, {1, 16})
        self.assertAnswer(self.ask("alias.example", "ANY"), Outcome.DATA, ["alias.example. CNAME www.example."])

    def test_rootCanBeAZone(self) -> None:
        """
        The root can be a zone.
        """
        root = versionOf(
            "@ SOA ns.invalid. mail.invalid. 1 3600 600 86400 60\n@ NS ns.invalid.\n*.a TXT x\norg NS ns.org\nns.org A 192.0.2.1\n",
            ".",
        )
        self.assertAnswer(self.ask("b.a", "TXT", root), Outcome.DATA, ['b.a. TXT "x"'])
        self.assertAnswer(self.ask(".", "A", root), Outcome.NODATA, [], [". 60 SOA"])
        self.assertAnswer(
            self.ask("www.org", "A", root), Outcome.NODATA, [], ["org. NS ns.org."], ["ns.org. A 192.0.2.1"], aa=False
        )
        self.assertAnswer(self.ask("b", "A", root), Outcome.NXDOMAIN, [], [". 60 SOA"], rcode=3)

    # -- aliases

    def test_aliasesAreFollowedInsideTheZone(self) -> None:
        """
        Aliases are followed inside the zone, and the answer begins with them (RFC 1034, section 4.3.2, step 3a).
        """
        self.assertAnswer(
            self.ask("second.example", "TXT"),
            Outcome.DATA,
            ["second.example. CNAME Alias.example.", "alias.example. CNAME www.example.", 'www.example. TXT "text"'],
        )
        self.assertAnswer(self.ask("alias.example", "CNAME"), Outcome.DATA, ["alias.example. CNAME www.example."])

    def test_dnssecTypesAreAskedOfTheAlias(self) -> None:
        """
        Types that may stand beside an alias are asked of the alias itself (RFC 4035, section 2.5).
        """
        for rrType in ("RRSIG", "NSEC"):
            self.assertAnswer(self.ask("alias.example", rrType), Outcome.NODATA, [], [SOA])

    def test_denialBelongsToLastAlias(self) -> None:
        """
        The RCODE and the denial are those of the last name (RFC 6604, section 3; RFC 2308, section 2).
        """
        self.assertAnswer(
            self.ask("astray.example"), Outcome.NXDOMAIN, ["astray.example. CNAME nothing.example."], [SOA], rcode=3
        )
        self.assertAnswer(self.ask("aliasempty.example"), Outcome.NODATA, ["aliasempty.example. CNAME deep.example."], [SOA])

    def test_aliasOutOfTheZone(self) -> None:
        """
        The answer ends with an alias that leaves the zone, and its target is known.
        """
        found = self.ask("away.example")
        self.assertAnswer(found, Outcome.NODATA, ["away.example. CNAME www.elsewhere."])
        self.assertEqual(aliasTarget(found), nameFromText("www.elsewhere"))

    def test_aliasIntoDelegationIsReferral(self) -> None:
        """
        An alias into a delegated zone ends in a referral, with AA from the first name (RFC 1035, section 4.1.1).
        """
        found = self.ask("aliascut.example")
        self.assertEqual(textsOf(found.answer), ["aliascut.example. CNAME host.sub.example."])
        self.assertEqual({rrset.rrType for rrset in found.authority}, {2})
        self.assertTrue(found.flags & AA)
        self.assertIsNone(aliasTarget(found))

    def test_aliasLoopEnds(self) -> None:
        """
        An alias loop returns each alias once and no target.
        """
        found = self.ask("loop.example")
        self.assertAnswer(found, Outcome.NODATA, ["loop.example. CNAME pool.example.", "pool.example. CNAME loop.example."])
        self.assertIsNone(aliasTarget(found))
        self.assertAnswer(self.ask("self.example"), Outcome.NODATA, ["self.example. CNAME self.example."])
        self.assertIsNone(aliasTarget(self.ask("www.example")))
        self.assertIsNone(aliasTarget(self.ask("nothing.example")))

    def test_aliasChainIsLimited(self) -> None:
        """
        A chain of aliases is followed up to a limit.
        """
        chain = versionOf(HEAD + "".join([f"n{number} CNAME n{number + 1}\n" for number in range(200)]))
        found = self.ask("n0.example", "A", chain)
        self.assertEqual(len(found.answer), 16)
        self.assertIsNone(aliasTarget(found))
        self.patch(answers, "_MOST_LINKS", 150)
        self.assertEqual(len(self.ask("n0.example", "A", chain).answer), 150)

    # -- wildcards (RFC 4592)

    def test_wildcardAnswersForQueriedName(self) -> None:
        """
        The records of a wildcard are returned under the queried name in its spelling, at any depth (section 3.3.1).
        """
        self.assertAnswer(self.ask("x.WILD.example"), Outcome.DATA, ["x.WILD.example. A 192.0.2.4"])
        self.assertAnswer(self.ask("a.b.c.wild.example", "MX"), Outcome.DATA, ["a.b.c.wild.example. MX 10 www.example."])
        self.assertAnswer(self.ask("x.wild.example", "TXT"), Outcome.NODATA, [], [SOA])

    def test_wildcardNameCanBeQueried(self) -> None:
        """
        The wildcard itself is an ordinary name (section 2.1.1).
        """
        self.assertAnswer(self.ask("*.wild.example"), Outcome.DATA, ["*.wild.example. A 192.0.2.4"])

    def test_existingNamesBlockTheWildcard(self) -> None:
        """
        Existing names block the wildcard for themselves and for names below, including empty non-terminals (sections 3.3.1 and
        2.2.2).
        """
        self.assertAnswer(self.ask("known.wild.example", "MX"), Outcome.NODATA, [], [SOA])
        self.assertAnswer(self.ask("x.known.wild.example"), Outcome.NXDOMAIN, [], [SOA], rcode=3)
        self.assertAnswer(self.ask("empty.wild.example"), Outcome.NODATA, [], [SOA])
        self.assertAnswer(self.ask("y.empty.wild.example"), Outcome.NXDOMAIN, [], [SOA], rcode=3)
        self.assertAnswer(self.ask("x.*.wild.example"), Outcome.NXDOMAIN, [], [SOA], rcode=3)

    def test_emptyWildcardMeansNoData(self) -> None:
        """
        A wildcard that is an empty non-terminal leads to NODATA (sections 4.2 and 2.2.2).
        """
        self.assertAnswer(self.ask("y.star.example"), Outcome.NODATA, [], [SOA])
        self.assertAnswer(self.ask("x.*.star.example"), Outcome.DATA, ["x.*.star.example. A 192.0.2.7"])
        self.assertAnswer(self.ask("y.*.star.example"), Outcome.NXDOMAIN, [], [SOA], rcode=3)

    def test_wildcardAliasIsFollowed(self) -> None:
        """
        An alias at a wildcard is synthesized for the queried name and followed (section 4.4).
        """
        alias = "x.walias.example. CNAME www.example."
        self.assertAnswer(self.ask("x.walias.example", "TXT"), Outcome.DATA, [alias, 'www.example. TXT "text"'])
        self.assertAnswer(self.ask("x.walias.example", "CNAME"), Outcome.DATA, [alias])

    # -- delegations

    def test_referralWithGlue(self) -> None:
        """
        Names at and below a delegation get a referral without AA, with glue of servers in the delegated zone (RFC 9471, section
        3.1), then in other delegated zones (section 3.2), then addresses in the zone itself, but not those hidden by a DNAME
        record.
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
            self.assertAnswer(found, Outcome.NODATA, [], [f"sub.example. NS {server}" for server in servers], glue, aa=False)

    def test_glueLookupsAreLimited(self) -> None:
        """
        The number of servers whose addresses are looked up is limited, so that no referral is expensive.
        """
        crowd = versionOf(
            HEAD + "".join([f"sub NS n{number}.sub\nn{number}.sub A 192.0.2.1\n" for number in range(150)])
        )
        found = self.ask("www.sub.example", "A", crowd)
        self.assertEqual((len(textsOf(found.authority)), len(found.additional)), (150, 100))
        self.patch(referrals, "_MOST_HOSTS", 150)
        self.assertEqual(len(self.ask("www.sub.example", "A", crowd).additional), 150)

    def test_dsBelongsToTheParent(self) -> None:
        """
        DS records and their denial belong to the parent zone (RFC 4035, section 3.1.4.1).
        """
        self.assertAnswer(self.ask("sub.example", "DS"), Outcome.NODATA, [], [SOA])
        digest = "11" * 32
        signed = versionOf(HEAD + f"sub NS ns.invalid.\nsub DS 1 13 2 {digest}\n")
        self.assertAnswer(self.ask("sub.example", "DS", signed), Outcome.DATA, [f"sub.example. DS 1 13 2 {digest}"])
        self.assertAnswer(self.ask("sub.example", "A", signed), Outcome.NODATA, [], ["sub.example. NS ns.invalid."], aa=False)

    # -- DNAME (RFC 6672)

    def test_dnameRedirectsNamesBelow(self) -> None:
        """
        An alias with the TTL of the DNAME record is synthesized and followed (section 3.1). Names below the record are hidden
        (section 2.4).
        """
        self.assertAnswer(
            self.ask("WWW.tree.example"),
            Outcome.DATA,
            [
                "tree.example. DNAME grove.example.",
                "WWW.tree.example. CNAME WWW.grove.example.",
                "www.grove.example. A 192.0.2.13",
            ],
        )
        self.assertAnswer(
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

    def test_dnameOwnerIsNotRedirected(self) -> None:
        """
        The owner of a DNAME record is not redirected (section 2.3), and the synthesized alias answers a query for CNAME.
        """
        self.assertAnswer(self.ask("tree.example"), Outcome.DATA, ["tree.example. A 192.0.2.11"])
        self.assertAnswer(self.ask("tree.example", "DNAME"), Outcome.DATA, ["tree.example. DNAME grove.example."])
        self.assertAnswer(
            self.ask("www.tree.example", "CNAME"),
            Outcome.DATA,
            ["tree.example. DNAME grove.example.", "www.tree.example. CNAME www.grove.example."],
        )

    def test_tooLongRedirectionIsYXDOMAIN(self) -> None:
        """
        A redirected name of more than 255 octets leads to YXDOMAIN with the DNAME record (section 2.2).
        """
        found = self.ask(f"{'x' * 63}.far.example")
        self.assertEqual((found.rcode, [rrset.rrType for rrset in found.answer]), (Rcode.YXDOMAIN, [39]))
        self.assertEqual(self.ask("x.far.example").rcode, 0)

    def test_dnameBelowItselfIsFollowedOnce(self) -> None:
        """
        A DNAME record that points below itself is followed once.
        """
        self.assertAnswer(
            self.ask("x.under.example"),
            Outcome.NODATA,
            ["under.example. DNAME below.under.example.", "x.under.example. CNAME x.below.under.example."],
        )
        self.assertIsNone(aliasTarget(self.ask("x.under.example")))

    def test_dnameUpwardIsGivenOnce(self) -> None:
        """
        A DNAME record that points to a name above itself may apply twice but is returned once. Its owner may be the target.
        """
        upward = versionOf(HEAD + "a DNAME @\nb A 192.0.2.1\n")
        record = "a.example. DNAME example."
        chain = [record, "b.a.a.example. CNAME b.a.example.", "b.a.example. CNAME b.example.", "b.example. A 192.0.2.1"]
        self.assertAnswer(self.ask("b.a.a.example", "A", upward), Outcome.DATA, chain)
        again = "a.a.example. CNAME a.example."
        self.assertAnswer(self.ask("a.a.example", "A", upward), Outcome.NODATA, [record, again], [SOA])
        self.assertAnswer(self.ask("a.a.example", "DNAME", upward), Outcome.DATA, [record, again])

    def test_dnameAtApexRedirectsAll(self) -> None:
        """
        A DNAME record at the apex redirects all names below it.
        """
        moved = versionOf(HEAD + "@ DNAME elsewhere.\nwww A 192.0.2.1\n")
        self.assertAnswer(
            self.ask("www.example", "A", moved),
            Outcome.NODATA,
            ["example. DNAME elsewhere.", "www.example. CNAME www.elsewhere."],
        )
        self.assertAnswer(self.ask("example", "NS", moved), Outcome.DATA, ["example. NS ns.invalid."])

    # -- complete replies

    def test_completeAnswersOnRequest(self) -> None:
        """
        Answers contain the zone's name servers and the addresses of named hosts on request (RFC 1034, section 3.7).
        """
        found = answer(self.version, question("x.wild.example", "MX"), minimal=False)
        self.assertAnswer(
            found,
            Outcome.DATA,
            ["x.wild.example. MX 10 www.example."],
            ["example. NS ns.invalid."],
            ["WWW.example. A 192.0.2.1", "WWW.example. A 192.0.2.2"],
        )
        self.assertAnswer(
            answer(self.version, question("example", "NS"), minimal=False), Outcome.DATA, ["example. NS ns.invalid."]
        )
        found = answer(self.version, question("sub.example"), minimal=False)
        self.assertEqual(found.additional, answer(self.version, question("sub.example")).additional)
