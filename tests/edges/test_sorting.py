"""
Tests of L{twisted_ext.edges.sorting}.
"""

from __future__ import annotations

import json
from typing import TypedDict, cast

from twisted.trial.unittest import SynchronousTestCase

from tests.corpora import corpus
from twisted_ext.edges.sorting import inOrder, packed, policyOf, scopeOf, sourceFor

_SCOPES = {0x2: "link-local", 0x4: "admin-local", 0x5: "site-local", 0xE: "global"}


class Case(TypedDict):
    """
    Addresses, where each would be reached from, and the order that they belong in.
    """

    dsts: list[str]
    srcs: list[str]
    want: list[str]
    also_reversed: bool
    why: str


class Cases(TypedDict):
    """
    The whole file.
    """

    sort: list[Case]
    policy: list[tuple[str, str, int, int]]
    scope: list[tuple[str, str]]


class CorpusTests(SynchronousTestCase):
    """
    Cases that others have written for RFC 6724, its own examples among them.
    """

    def setUp(self) -> None:
        self.cases = cast(Cases, json.loads((corpus("rfc6724") / "rfc6724-cases.json").read_text("utf-8")))

    def test_order(self) -> None:
        """
        Every case comes out in the order that it asks for, whichever order the addresses came in.
        """
        for case in self.cases["sort"]:
            source = dict(zip(case["dsts"], case["srcs"], strict=True)).get
            self.assertEqual(inOrder(case["dsts"], source), case["want"], case["why"])
            if case["also_reversed"]:
                self.assertEqual(inOrder(case["dsts"][::-1], source), case["want"], case["why"])

    def test_policy(self) -> None:
        """
        Precedence and label are those of the default table (section 2.1).
        """
        for address, _, precedence, label in self.cases["policy"]:
            self.assertEqual(policyOf(packed(address)), (precedence, label), address)

    def test_scope(self) -> None:
        """
        Scopes are those of section 3.1 and 3.2.
        """
        for address, scope in self.cases["scope"]:
            self.assertEqual(_SCOPES[scopeOf(packed(address))], scope, address)


class OrderTests(SynchronousTestCase):
    """
    Tests of L{inOrder}.
    """

    def test_unreachable(self) -> None:
        """
        What cannot be reached from here comes last, not first, where a connection would have to fail before the next is tried.
        """
        self.assertEqual(
            inOrder(["2001:db8::1", "192.0.2.1"], {"192.0.2.1": "192.0.2.7"}.get),
            ["192.0.2.1", "2001:db8::1"],
        )

    def test_longestPrefix(self) -> None:
        """
        Of two addresses of IPv6, the one nearer to ours comes first; of IPv4 they stay as the server rotated them.
        """
        ours = {"2001:db8:1::1": "2001:db8:2::1", "2001:db8:2::9": "2001:db8:2::1"}
        self.assertEqual(inOrder(["2001:db8:1::1", "2001:db8:2::9"], ours.get), ["2001:db8:2::9", "2001:db8:1::1"])
        four = ["203.0.113.9", "192.0.2.9"]
        self.assertEqual(inOrder(four, lambda address: "192.0.2.1"), four)

    def test_scopes(self) -> None:
        """
        Scope ids are kept, and stand in nobody's way.
        """
        self.assertEqual(inOrder(["fe80::1%lo", "::1"], lambda address: address), ["::1", "fe80::1%lo"])

    def test_sourceOfLoopback(self) -> None:
        """
        Asking the system where packets would come from sends none, and answers for addresses of this machine.
        """
        self.assertEqual(sourceFor("127.0.0.1"), "127.0.0.1")
        self.assertIsNone(sourceFor("fe80::1%nosuchinterface"))
        self.assertIsNone(sourceFor("255.255.255.255%x"))
