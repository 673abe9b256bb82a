"""
Tests of L{twisted_ext.compat.lookupmethods}: the look-up methods that come from the registry of types.
"""

from __future__ import annotations

from unittest.mock import patch

from twisted.internet.defer import Deferred, succeed
from twisted.internet.task import Clock
from twisted.names import dns as theirs
from twisted.trial.unittest import SynchronousTestCase

from tests.compat.fakes import Fake, data, question, rrset
from tests.typed import unchecked
from twisted_ext import client, dns
from twisted_ext.compat.conversion.results import Result
from twisted_ext.compat.conversion.timeouts import Timeout
from twisted_ext.compat.lookupmethods import LOOKUP_NAMES, Lookups, askable, lookupName
from twisted_ext.compat.names import NamesResolver
from twisted_ext.compat.resolvers import Resolver
from twisted_ext.testing.network import MemoryNetwork
from twisted_ext.wire import rrtypes

#: A type that is in no registry.
_FAKE = 65300


class LookupsTests(SynchronousTestCase):
    """
    Tests of the look-ups of a resolver and of the module.
    """

    def setUp(self) -> None:
        self.source = Fake(now=True)
        self.source.knows("a.example.", "MX", data(rrset("a.example.", "MX", "10 b.example.")))
        self.resolver = NamesResolver(self.source, Clock())
        self.patch(client, "theResolver", self.resolver)

    def test_everyTypeHasFunctionAndMethod(self) -> None:
        """
        Each type that can be queried has a function and a method named after its mnemonic, and the modules declare exactly these.
        """
        expected = set(LOOKUP_NAMES.values())
        for mnemonic, number in rrtypes.TYPE_NUMBERS.items():
            if not askable(number):
                self.assertNotIn(lookupName(mnemonic), client.__all__)
                continue
            expected.add(lookupName(mnemonic))
            for asked in (getattr(client, lookupName(mnemonic)), getattr(self.resolver, lookupName(mnemonic))):
                asked("b.example.").addErrback(lambda failure: None)
                self.assertEqual(self.source.asked[-1].rrType, number)
        self.assertEqual({name for name in client.__all__ if name.startswith("lookup")} - {"lookup", "lookupZone"}, expected)

    def test_addedTypeCanBeLookedUp(self) -> None:
        """
        A type added to the registry can be looked up by its name at once.
        """
        with patch.dict(rrtypes.TYPE_NAMES), patch.dict(rrtypes.TYPE_NUMBERS):
            rrtypes.addMnemonic(_FAKE, "FAKE-TYPE")
            for asked in (unchecked(getattr)(client, "lookupFAKETYPE"), unchecked(getattr)(self.resolver, "lookupFAKETYPE")):
                asked("b.example.").addErrback(lambda failure: None)
                self.assertEqual(self.source.asked.pop().rrType, _FAKE)
            self.resolver.lookup("b.example.", "fake-type").addErrback(lambda failure: None)
            self.assertEqual(self.source.asked.pop().rrType, _FAKE)
            self.assertEqual(unchecked(getattr)(dns, "FAKE_TYPE"), _FAKE)
        for place, name in ((client, "lookupFAKETYPE"), (self.resolver, "lookupFAKETYPE"), (dns, "FAKE_TYPE"), (client, "lookupOPT")):
            self.assertRaises(AttributeError, getattr, place, name)

    def test_everyTypeHasAConstant(self) -> None:
        """
        C{twisted_ext.dns} has a constant for each type of the registry, and its tables list all but the meta types.
        """
        for name, number in rrtypes.TYPE_NUMBERS.items():
            constant = name.replace("-", "_")
            self.assertEqual(getattr(dns, constant), number)
            self.assertIn(constant, vars(dns)["__all__"])
            if not rrtypes.isMeta(number):
                self.assertEqual(dns.REV_TYPES[name], number)
                self.assertEqual(dns.QUERY_TYPES.get(number), rrtypes.TYPE_NAMES.get(number))

    def test_plainStringArguments(self) -> None:
        """
        C{lookup} and C{query} accept plain strings and refuse invalid types.
        """
        for looking in (
            client.lookup("a.example", "MX"),
            client.lookup("a.example", "mx", 3),
            client.lookup(b"a.example.", 15),
            client.lookup("a.example", "TYPE15"),
            client.query("a.example", "MX"),
            client.query(b"a.example.", "mx"),
            self.resolver.lookup("a.example", "MX"),
            self.resolver.query("a.example", "MX"),
        ):
            (header,) = self.successResultOf(looking)[0]
            self.assertEqual((header.type, str(header.payload)), (dns.MX, "<MX preference=10 name=b.example ttl=300>"))
        client.query("a.example").addErrback(lambda failure: None)
        self.assertEqual(self.source.asked[-1], question("a.example.", "A"))
        for wrong in ("NOSUCH", "OPT", 0, 70000):
            self.assertRaises(ValueError, client.lookup, "a.example", wrong)
        self.assertRaises(TypeError, unchecked(client.lookup), "a.example", None)
        self.assertRaises(ValueError, client.query, "a.example", "NOSUCH")
        self.assertRaises(TypeError, client.query, theirs.Query("a.example"), "MX")

    def test_everyNameUsesOverriddenLookup(self) -> None:
        """
        An overridden look-up is used by each of its names, by C{lookup} and by C{query}.
        """
        made = Result(([], [], []))

        class OverridingResolver(Resolver):
            def lookupMailExchange(self, name: str | bytes, timeout: Timeout = None) -> Deferred[Result]:
                return succeed(made)

        mine = OverridingResolver(servers=[("192.0.2.1", 53)], reactor=MemoryNetwork().reactor())
        for looking in (
            mine.lookupMX("a.example"),
            mine.lookupMailExchange("a.example"),
            mine.lookup("a.example", "MX"),
            mine.query("a.example", "MX"),
            mine.query(theirs.Query("a.example", dns.MX)),
        ):
            self.assertIs(self.successResultOf(looking), made)

    def test_baseClassDoesNotLookUp(self) -> None:
        """
        The base class raises NotImplementedError.
        """
        for method in (Lookups().lookupMX, Lookups().lookupZone):
            self.assertRaises(NotImplementedError, method, "a.example")
