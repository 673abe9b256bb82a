"""
Tests of L{twisted_ext.zone.update.policy}: which client may change what.
"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from tests.zone.changing import APEX
from twisted_ext.errors import BadDescription
from twisted_ext.wire.names import nameFromText
from twisted_ext.wire.rrtypes import AAAA, ANY, CNAME, MX, NS, RRSIG, SOA, TXT, A
from twisted_ext.zone.update.policy import Policy, Rule

KEY = nameFromText("dhcp.example.org.")
OTHER = nameFromText("other.")


def name(text: str) -> bytes:
    """
    Return a name of the zone.
    """
    return nameFromText(text, APEX)


class PolicyTests(SynchronousTestCase):
    """
    Tests for L{Policy}.
    """

    def test_noRulesAllowNothing(self) -> None:
        """
        No client may change anything without rules, whatever its key.
        """
        policy = Policy()
        self.assertFalse(policy.admits(KEY, "127.0.0.1"))
        self.assertFalse(policy.allows(KEY, "127.0.0.1", name("www"), A))

    def test_ruleLimitsKeyNamesAndTypes(self) -> None:
        """
        A rule allows a key the named types below a name.
        """
        policy = Policy.fromTexts(["key DHCP.example.org subtree dyn A AAAA TXT"], APEX)
        self.assertTrue(policy.admits(KEY, "192.0.2.1"))
        self.assertFalse(policy.admits(b"", "192.0.2.1"))
        self.assertFalse(policy.admits(OTHER, "192.0.2.1"))
        for where, rrType, allowed in (
            ("host.dyn", A, True),
            ("HOST.Dyn", TXT, True),
            ("dyn", AAAA, True),
            ("host.dyn", MX, False),
            ("host", A, False),
            ("xdyn", A, False),
        ):
            self.assertEqual(policy.allows(KEY, "192.0.2.1", name(where), rrType), allowed, where)
            self.assertFalse(policy.allows(OTHER, "192.0.2.1", name(where), rrType), where)

    def test_firstMatchingRuleDecides(self) -> None:
        """
        The first matching rule decides.
        """
        policy = Policy.fromTexts(["deny key * name www", "key * zone"], APEX)
        self.assertFalse(policy.allows(KEY, "::1", name("www"), A))
        self.assertTrue(policy.allows(KEY, "::1", name("ftp"), A))
        self.assertFalse(Policy.fromTexts(["deny key * zone"]).admits(KEY, "::1"))

    def test_denyWithoutTypesDeniesAll(self) -> None:
        """
        A rule that denies without types denies all of them, including those that must be named to be allowed.
        """
        policy = Policy.fromTexts(["deny key * name www", "key * zone ANY"], APEX)
        self.assertFalse(policy.allows(KEY, "::1", name("www"), NS))
        self.assertTrue(policy.allows(KEY, "::1", name("ftp"), NS))

    def test_selfAndSelfsub(self) -> None:
        """
        C{self} allows the name of the key, and C{selfsub} the names below it as well.
        """
        policy = Policy.fromTexts(["key * self A"], APEX)
        self.assertTrue(policy.allows(KEY, "::1", name("dhcp"), A))
        self.assertFalse(policy.allows(KEY, "::1", name("x.dhcp"), A))
        self.assertFalse(policy.allows(OTHER, "::1", name("dhcp"), A))
        self.assertTrue(Policy.fromTexts(["key * selfsub"]).allows(KEY, "::1", name("x.dhcp"), A))

    def test_challenges(self) -> None:
        """
        C{challenges} allows the TXT records at which authorities look for challenges, for a name and all below it, and no others.
        """
        policy = Policy.fromTexts(["key * challenges sub"], APEX)
        for owner in ("_acme-challenge.sub", "_ACME-Challenge.www.Sub", "_acme-challenge.a.b.sub"):
            self.assertTrue(policy.allows(KEY, "::1", name(owner), TXT), owner)
            self.assertFalse(policy.allows(KEY, "::1", name(owner), CNAME), owner)
        for owner in ("sub", "www.sub", "_acme-challenge", "_acme-challenge.bus", "x._acme-challenge.sub", "_acme-challenges.sub"):
            self.assertFalse(policy.allows(KEY, "::1", name(owner), TXT), owner)
        self.assertTrue(Policy.fromTexts(["key * challenges sub CNAME"], APEX).allows(KEY, "::1", name("_acme-challenge.sub"), CNAME))
        denied = Policy.fromTexts(["deny key * challenges sub", "key * zone ANY"], APEX)
        self.assertFalse(denied.allows(KEY, "::1", name("_acme-challenge.sub"), TXT))
        self.assertFalse(denied.allows(KEY, "::1", name("_acme-challenge.sub"), A))
        self.assertTrue(denied.allows(KEY, "::1", name("sub"), TXT))
        for zone, isReached in ((APEX, True), (name("x.sub"), True), (name("bus"), False)):
            self.assertEqual(policy.reaches(KEY, "::1", zone), isReached)

    def test_guardedTypesNeedANY(self) -> None:
        """
        A rule without types excludes SOA, NS and DNSSEC records, and C{ANY} includes them.
        """
        plain = Policy.fromTexts(["key * zone"])
        whole = Policy.fromTexts(["key * zone ANY"])
        for rrType in (SOA, NS, RRSIG):
            self.assertFalse(plain.allows(KEY, "::1", APEX, rrType))
            self.assertTrue(whole.allows(KEY, "::1", APEX, rrType))
        self.assertTrue(plain.allows(KEY, "::1", APEX, MX))
        self.assertTrue(plain.allows(KEY, "::1", APEX, ANY))

    def test_addressMayReplaceOrJoinKey(self) -> None:
        """
        A rule may require an address instead of a key, or both.
        """
        policy = Policy.fromTexts(["address 192.0.2.0/24 name status TXT", "key dhcp.example.org address 2001:db8::/32 zone"], APEX)
        self.assertTrue(policy.allows(b"", "192.0.2.7", name("status"), TXT))
        self.assertFalse(policy.allows(b"", "198.51.100.7", name("status"), TXT))
        self.assertTrue(policy.allows(KEY, "2001:db8::1", name("x"), A))
        self.assertFalse(policy.allows(KEY, "192.0.2.7", name("x"), A))
        self.assertFalse(policy.allows(b"", "2001:db8::1", name("x"), A))
        self.assertFalse(policy.admits(b"", "no address"))

    def test_missingKeysAreFound(self) -> None:
        """
        Keys that are named in rules but not configured are found.
        """
        policy = Policy.fromTexts(["key dhcp.example.org zone", "key * zone", "key other zone"])
        self.assertEqual(policy.keysMissing([KEY]), ["other."])

    def test_invalidRuleIsRefused(self) -> None:
        """
        An invalid rule is refused in one line, with the mistake and the syntax of rules.
        """
        for line, expected in (
            ("", "the client is missing"),
            ("zone", "the client is missing"),
            ("key", "at the end"),
            ("key a", "the names are missing"),
            ("key a everything", "'everything' where"),
            ("key a name", "takes a name"),
            ("key a zone FOO", "'FOO' is not a record type"),
            ("key a zone TSIG", "'TSIG' is not a record type"),
            ("address 192.0.2.1/24 zone", "host bits"),
            ("address 192.0.2.0/24 self", "no key is named"),
            ("key a..b zone", "label is empty"),
        ):
            complaint = str(self.assertRaises(BadDescription, Rule.fromText, line))
            self.assertIn(expected, complaint)
            self.assertIn("subtree NAME", complaint)
            self.assertNotIn("\n", complaint)
