"""
Tests of every way of saying what to ask.
"""

from __future__ import annotations

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from tests.pains.stock import stockResolver
from twisted_ext import client
from twisted_ext.compat.foreign import NamesSource
from twisted_ext.compat.lookups.ask import resolverOf
from twisted_ext.compat.names import NamesResolver
from twisted_ext.errors import BadDescription, CallerFault
from twisted_ext.resolver.policy.specialnames import Special
from twisted_ext.resolver.system.configured import System
from twisted_ext.testing.network import MemoryNetwork


class ResolverOfTests(SynchronousTestCase):
    """
    Tests of L{resolverOf}.
    """

    def test_nothing(self) -> None:
        """
        Whoever does not say whom to ask asks the resolver of this process.
        """
        mine = NamesResolver(Special(), Clock())
        self.patch(client, "theResolver", mine)
        self.assertIs(resolverOf(None), mine)

    def test_nothingWithReactor(self) -> None:
        """
        On a reactor of one's own it is a resolver of that reactor which is configured as the machine is.
        """
        self.assertIsInstance(resolverOf(None, MemoryNetwork().reactor("192.0.2.7")).source, System)

    def test_ours(self) -> None:
        """
        A resolver of this package stays what it is.
        """
        mine = NamesResolver(Special(), Clock())
        self.assertIs(resolverOf(mine), mine)

    def test_description(self) -> None:
        """
        A text says what to make; what is wrong with it is said.
        """
        self.assertIn("192.0.2.1", repr(resolverOf("udp:192.0.2.1", MemoryNetwork().reactor("192.0.2.7"))))
        with self.assertRaises(BadDescription):
            resolverOf("quipu:192.0.2.1", Clock())
        with self.assertRaises(BadDescription):
            resolverOf("", Clock())

    def test_source(self) -> None:
        """
        A source needs nothing around it.
        """
        source = Special()
        self.assertIs(resolverOf(source, Clock()).source, source)

    def test_twisteds(self) -> None:
        """
        Any resolver of Twisted's will do, and so does what has its C{query}.
        """

        class Queries:
            def query(self, query: object, timeout: object) -> None:
                """
                Give nothing.
                """

        for resolver in (stockResolver(Clock(), ("192.0.2.1", 53)), Queries()):
            self.assertIsInstance(resolverOf(resolver, Clock()).source, NamesSource)

    def test_other(self) -> None:
        """
        Anything else is refused with a line that says what would be right.
        """
        fault = self.assertRaises(CallerFault, resolverOf, 5)
        self.assertIsInstance(fault, TypeError)
        for word in ("5 is not a resolver", "query()", "such as 'udp:192.0.2.1'"):
            self.assertIn(word, str(fault))
