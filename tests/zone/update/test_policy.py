"""
Tests of L{twisted_ext.zone.update.policy}: who may change what.
"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from tests.zone.changing import APEX
from twisted_ext.errors import BadDescription
from twisted_ext.wire.names import nameFromText
from twisted_ext.wire.rrtypes import AAAA, ANY, MX, NS, RRSIG, SOA, TXT, A
from twisted_ext.zone.update.policy import Policy, Rule

KEY = nameFromText("dhcp.example.org.")
OTHER = nameFromText("other.")


def name(text: str) -> bytes:
    """
    @return: a name of the zone.
    """
    return nameFromText(text, APEX)


class PolicyTests(SynchronousTestCase):
    """
    Tests for L{Policy}.
    """

    def test_nobody(self) -> None:
        """
        Without rules nobody may change anything, whatever key he has.
        """
        policy = Policy()
        self.assertFalse(policy.admits(KEY, "127.0.0.1"))
        self.assertFalse(policy.allows(KEY, "127.0.0.1", name("www"), A))

    def test_keyAndPlace(self) -> None:
        """
        A key may change what its rule says: names below one, and of these the types that are named.
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

    def test_first(self) -> None:
        """
        The first rule that fits decides.
        """
        policy = Policy.fromTexts(["deny key * name www", "key * zone"], APEX)
        self.assertFalse(policy.allows(KEY, "::1", name("www"), A))
        self.assertTrue(policy.allows(KEY, "::1", name("ftp"), A))
        self.assertFalse(Policy.fromTexts(["deny key * zone"]).admits(KEY, "::1"))

    def test_denyAll(self) -> None:
        """
        A rule that denies and names no types denies all of them, those too that have to be named to be allowed.
        """
        policy = Policy.fromTexts(["deny key * name www", "key * zone ANY"], APEX)
        self.assertFalse(policy.allows(KEY, "::1", name("www"), NS))
        self.assertTrue(policy.allows(KEY, "::1", name("ftp"), NS))

    def test_self(self) -> None:
        """
        A key may change the name that it has, and with C{selfsub} those below.
        """
        policy = Policy.fromTexts(["key * self A"], APEX)
        self.assertTrue(policy.allows(KEY, "::1", name("dhcp"), A))
        self.assertFalse(policy.allows(KEY, "::1", name("x.dhcp"), A))
        self.assertFalse(policy.allows(OTHER, "::1", name("dhcp"), A))
        self.assertTrue(Policy.fromTexts(["key * selfsub"]).allows(KEY, "::1", name("x.dhcp"), A))

    def test_guarded(self) -> None:
        """
        What holds the zone together is not in a rule that names no types; C{ANY} has it.
        """
        plain = Policy.fromTexts(["key * zone"])
        whole = Policy.fromTexts(["key * zone ANY"])
        for rrType in (SOA, NS, RRSIG):
            self.assertFalse(plain.allows(KEY, "::1", APEX, rrType))
            self.assertTrue(whole.allows(KEY, "::1", APEX, rrType))
        self.assertTrue(plain.allows(KEY, "::1", APEX, MX))
        self.assertTrue(plain.allows(KEY, "::1", APEX, ANY))

    def test_address(self) -> None:
        """
        An address may be enough, where the rule says so; with a key in the same rule both have to be right.
        """
        policy = Policy.fromTexts(["address 192.0.2.0/24 name status TXT", "key dhcp.example.org address 2001:db8::/32 zone"], APEX)
        self.assertTrue(policy.allows(b"", "192.0.2.7", name("status"), TXT))
        self.assertFalse(policy.allows(b"", "198.51.100.7", name("status"), TXT))
        self.assertTrue(policy.allows(KEY, "2001:db8::1", name("x"), A))
        self.assertFalse(policy.allows(KEY, "192.0.2.7", name("x"), A))
        self.assertFalse(policy.allows(b"", "2001:db8::1", name("x"), A))
        self.assertFalse(policy.admits(b"", "no address"))

    def test_missing(self) -> None:
        """
        Keys that rules name and nobody has are found.
        """
        policy = Policy.fromTexts(["key dhcp.example.org zone", "key * zone", "key other zone"])
        self.assertEqual(policy.keysMissing([KEY]), ["other."])

    def test_complaints(self) -> None:
        """
        A line that is no rule is told in one line, with what is wrong and how rules are written.
        """
        for line, said in (
            ("", "who"),
            ("zone", "who"),
            ("key", "at the end"),
            ("key a", "what"),
            ("key a everything", "'everything' where"),
            ("key a name", "takes a name"),
            ("key a zone FOO", "'FOO' is not a record type"),
            ("key a zone TSIG", "'TSIG' is not a record type"),
            ("address 192.0.2.1/24 zone", "host bits"),
            ("address 192.0.2.0/24 self", "no key is named"),
            ("key a..b zone", "label is empty"),
        ):
            complaint = str(self.assertRaises(BadDescription, Rule.fromText, line))
            self.assertIn(said, complaint)
            self.assertIn("subtree NAME", complaint)
            self.assertNotIn("\n", complaint)
