"""
Tests of L{twisted_ext.addrinfo.routes}.
"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from tests.addrinfo.routes import publishedCases
from twisted_ext.addrinfo.routes import packed, scopeOf, sourceFor

_SCOPES = {0x2: "link-local", 0x4: "admin-local", 0x5: "site-local", 0xE: "global"}


class RoutesTests(SynchronousTestCase):
    """
    Tests of L{scopeOf} and L{sourceFor}.
    """

    def test_scopesMatchCorpus(self) -> None:
        """
        Scopes are those of RFC 6724, sections 3.1 and 3.2, as in a published corpus.
        """
        for address, scope in publishedCases()["scope"]:
            self.assertEqual(_SCOPES[scopeOf(packed(address))], scope, address)

    def test_sourceOfOwnAddresses(self) -> None:
        """
        The source address comes from the system without sending a packet; an unknown interface has none.
        """
        self.assertEqual(sourceFor("127.0.0.1"), "127.0.0.1")
        self.assertIsNone(sourceFor("fe80::1%nosuchinterface"))
        self.assertIsNone(sourceFor("255.255.255.255%x"))
