"""
Tests of answering a query from the cached answer to a query with more flags.
"""

from __future__ import annotations

from itertools import product

from twisted.trial.unittest import SynchronousTestCase

from tests.cache.canned import answered, question
from twisted_ext.answers import QueryContext
from twisted_ext.cache.variants import kinOf, madePlainer
from twisted_ext.wire.codes import AD, RD

ALL = [
    QueryContext(0.0, recursionDesired=rd, dnssecOk=do, checkingDisabled=cd, authenticData=ad, edns=edns, stream=stream)
    for rd, do, cd, ad, edns, stream in product((True, False), repeat=6)
]

SIGNATURE = "www.example.com. 300 IN RRSIG A 8 3 300 20300101000000 20200101000000 1 example.com. AAAA"


class VariantsTests(SynchronousTestCase):
    """
    Tests for L{kinOf} and L{madePlainer}.
    """

    def test_relatedVariantsAskForNoLess(self) -> None:
        """
        A related variant asks for at least as much as the query, and has the same CD bit, EDNS and transport.
        """
        others = frozenset([context.variant for context in ALL])
        byVariant = {context.variant: context for context in ALL}
        for context in ALL:
            for variant in kinOf(context.variant, others):
                richer = byVariant[variant]
                self.assertNotEqual(variant, context.variant)
                self.assertEqual(
                    (richer.checkingDisabled, richer.edns, richer.stream), (context.checkingDisabled, context.edns, context.stream)
                )
                self.assertGreaterEqual(richer.recursionDesired, context.recursionDesired)
                self.assertGreaterEqual(richer.dnssecOk, context.dnssecOk)
                self.assertGreaterEqual(richer.authenticData or richer.dnssecOk, context.authenticData)

    def test_optionsHaveNoRelatedVariants(self) -> None:
        """
        Queries with EDNS options have no related variants.
        """
        context = QueryContext(0.0, options=((3, b""),))
        self.assertEqual(kinOf(context.variant, frozenset([each.variant for each in ALL])), ())

    def test_unrequestedSignaturesAreRemoved(self) -> None:
        """
        A client that did not ask for signatures gets neither signatures nor flags that it did not request.
        """
        signed = answered("www.example.com. 300 IN A 192.0.2.1", SIGNATURE, flags=0x8180 | AD)
        plain = madePlainer(question("www.example.com"), QueryContext(0.0), signed)
        assert plain is not None
        self.assertEqual([rrset.rrType for rrset in plain.answer], [1])
        self.assertFalse(plain.authenticated)
        plain = madePlainer(question("www.example.com"), QueryContext(0.0, authenticData=True, recursionDesired=False), signed)
        assert plain is not None
        self.assertTrue(plain.authenticated)
        self.assertFalse(plain.flags & RD)

    def test_queriesForSignaturesAreNotDerived(self) -> None:
        """
        Queries whose type asks for signatures or denials of existence are not answered from another variant.
        """
        signed = answered("www.example.com. 300 IN A 192.0.2.1", SIGNATURE)
        for rrType in ("RRSIG", "NSEC", "NSEC3", "ANY"):
            self.assertIsNone(madePlainer(question("www.example.com", rrType), QueryContext(0.0), signed))
