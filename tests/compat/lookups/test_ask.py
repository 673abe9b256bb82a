"""
Tests of the forms in which a resolver can be given.
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
from twisted_ext.resolver.local.specialnames import Special
from twisted_ext.resolver.system.configured import System
from twisted_ext.testing.network import MemoryNetwork


class ResolverOfTests(SynchronousTestCase):
    """
    Tests of L{resolverOf}.
    """

    def test_defaultIsTheProcessResolver(self) -> None:
        """
        The default is the resolver of this process.
        """
        mine = NamesResolver(Special(), Clock())
        self.patch(client, "theResolver", mine)
        self.assertIs(resolverOf(None), mine)

    def test_reactorGetsASystemResolver(self) -> None:
        """
        The default for a given reactor is a resolver of that reactor with the machine's configuration.
        """
        self.assertIsInstance(resolverOf(None, MemoryNetwork().reactor("192.0.2.7")).source, System)

    def test_ownResolverIsUnchanged(self) -> None:
        """
        A resolver of this package is returned as it is.
        """
        mine = NamesResolver(Special(), Clock())
        self.assertIs(resolverOf(mine), mine)

    def test_descriptionIsParsed(self) -> None:
        """
        A description is parsed, and an invalid one is refused.
        """
        self.assertIn("192.0.2.1", repr(resolverOf("udp:192.0.2.1", MemoryNetwork().reactor("192.0.2.7"))))
        with self.assertRaises(BadDescription):
            resolverOf("quipu:192.0.2.1", Clock())
        with self.assertRaises(BadDescription):
            resolverOf("", Clock())

    def test_sourceIsUsedDirectly(self) -> None:
        """
        An answer source is used without another layer.
        """
        source = Special()
        self.assertIs(resolverOf(source, Clock()).source, source)

    def test_foreignResolverIsAccepted(self) -> None:
        """
        Any resolver of Twisted is accepted, and so is an object with a C{query} method.
        """

        class Queries:
            def query(self, query: object, timeout: object) -> None:
                """
                Return nothing.
                """

        for resolver in (stockResolver(Clock(), ("192.0.2.1", 53)), Queries()):
            self.assertIsInstance(resolverOf(resolver, Clock()).source, NamesSource)

    def test_otherObjectsAreRefused(self) -> None:
        """
        Any other object is refused with a list of the accepted forms.
        """
        fault = self.assertRaises(CallerFault, resolverOf, 5)
        self.assertIsInstance(fault, TypeError)
        for word in ("5 is not a resolver", "query()", "such as 'udp:192.0.2.1'"):
            self.assertIn(word, str(fault))
