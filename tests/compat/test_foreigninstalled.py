"""
Tests of foreign resolvers as the resolver of this process: every function of the client works with them.
"""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import Final, NoReturn

from twisted.internet._resolver import SimpleResolverComplexifier
from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.error import DNSLookupError
from twisted.internet.interfaces import IResolver, IResolverSimple
from twisted.internet.task import Clock
from twisted.names import client as namesClient
from twisted.names import dns, error
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer

from tests.compat.fakes import Addresses, data, rrset
from tests.pains.stock import stockResolver
from tests.typed import unchecked
from twisted_ext import client
from twisted_ext.compat.adapters import sourceFromResolver
from twisted_ext.compat.conversion.results import resultFromAnswer
from twisted_ext.compat.names import NamesResolver
from twisted_ext.errors import WrongType
from twisted_ext.testing.network import MemoryNetwork
from twisted_ext.testing.servers import CannedServer
from twisted_ext.wire.rrtypes import typeName

_Lists = tuple[list[dns.RRHeader], list[dns.RRHeader], list[dns.RRHeader]]

#: The records of these resolvers.
_RECORDS: Final = {
    (b"a.example", "A"): "192.0.2.1",
    (b"a.example", "AAAA"): "2001:db8::1",
    (b"_x._tcp.a.example", "SRV"): "0 0 5222 a.example.",
    (b"a.example", "TLSA"): "3 1 1 ff",
    (b"1.2.0.192.in-addr.arpa", "PTR"): "a.example.",
}


def _listsFor(name: bytes, rrType: int) -> Deferred[_Lists]:
    text = _RECORDS.get((name.lower(), typeName(rrType)))
    if text is None:
        return fail(error.DNSNameError())
    answers, authority, additional = resultFromAnswer(data(rrset(f"{name.decode()}.", typeName(rrType), text)))
    return succeed((answers, authority, additional))


class QueryResolver:
    """
    A resolver with C{query} only.
    """

    def query(self, query: dns.Query, timeout: object = None) -> Deferred[_Lists]:
        return _listsFor(query.name.name, query.type)


class LookupResolver:
    """
    A resolver with a few look-up methods only, as fakes in tests of applications.
    """

    def lookupAddress(self, name: bytes, timeout: object = None) -> Deferred[_Lists]:
        return _listsFor(name, dns.A)

    def lookupIPV6Address(self, name: bytes, timeout: object = None) -> Deferred[_Lists]:
        return _listsFor(name, dns.AAAA)

    def lookupService(self, name: bytes, timeout: object = None) -> Deferred[_Lists]:
        return _listsFor(name, dns.SRV)


@implementer(IResolverSimple)
class Simple:
    """
    A resolver with L{IResolverSimple} only.
    """

    def getHostByName(self, name: str, timeout: object = ()) -> Deferred[str]:
        return succeed("192.0.2.1") if name == "a.example" else fail(DNSLookupError(name))


class ForeignTests(SynchronousTestCase):
    """
    Tests with C{client.theResolver} set to a foreign resolver.
    """

    def setUp(self) -> None:
        self.patch(client, "theResolver", None)
        self.patch(client, "_adapted", None)

    def use(self, resolver: object) -> None:
        """
        Set the resolver of this process.
        """
        client.theResolver = resolver

    def test_everyFunctionFindsAddresses(self) -> None:
        """
        Every function that finds addresses works with every interface.
        """
        makers: tuple[Callable[[], object], ...] = (QueryResolver, LookupResolver, Simple, lambda: SimpleResolverComplexifier(Simple()))
        for make in makers:
            self.use(make())
            rows = self.successResultOf(client.getaddrinfo("a.example", 80, type=socket.SOCK_STREAM, family=socket.AF_INET))
            self.assertEqual([row[4] for row in rows], [("192.0.2.1", 80)])
            (header,) = self.successResultOf(client.lookupAddress("a.example"))[0]
            self.assertIn("<A address=192.0.2.1 ", str(header.payload))
            self.assertEqual(self.successResultOf(client.getHostByName("a.example")), "192.0.2.1")
            receiver = Addresses()
            client.getResolver().resolveHostName(receiver, "a.example")
            self.assertIn("192.0.2.1", receiver.events)
            self.assertIn("192.0.2.1", str(self.successResultOf(client.explain("a.example"))))

    def test_otherFunctionsWork(self) -> None:
        """
        New types, services, reverse look-ups, C{waitFor} and C{install} work with C{query} only.
        """
        self.use(QueryResolver())
        (header,) = self.successResultOf(client.lookupTLSA("a.example"))[0]
        self.assertEqual((header.type, str(header.payload)[:13]), (52, "<TLSA usage=3"))
        self.assertEqual(
            [str(each) for each in self.successResultOf(client.serverTargets("_x._tcp.a.example"))], ["a.example:5222"]
        )
        self.assertEqual(self.successResultOf(client.getnameinfo(("192.0.2.1", 80)))[0], "a.example")
        waiting = client.waitFor("a.example", "A", lambda texts: "192.0.2.1" in texts, timeout=5)
        self.assertEqual(len(self.successResultOf(waiting)[0]), 1)
        self.failureResultOf(client.lookupAddress("b.example"), error.DNSNameError)
        reactor = MemoryNetwork().reactor()
        undo = client.install(reactor)
        self.assertIs(reactor.nameResolver, client.getResolver())
        undo()

    def test_adapterIsKeptPerResolver(self) -> None:
        """
        The adapter of a resolver is kept until it is closed or another resolver is set.
        """
        mine = QueryResolver()
        self.use(mine)
        made = client.getResolver()
        self.assertIs(client.getResolver(), made)
        self.assertIs(client.theResolver, mine)
        self.successResultOf(made.close())
        again = client.getResolver()
        self.assertFalse(again.closed)
        self.use(QueryResolver())
        self.assertIsNot(client.getResolver(), again)

    def test_nonResolverIsRefused(self) -> None:
        """
        An object that is not a resolver is refused on first use, with the methods that it needs.
        """
        for wrong in (5, object(), QueryResolver, "udp:192.0.2.1:53:53:53"):
            self.use(wrong)
            with self.assertRaises(ValueError):
                client.getResolver()
        for wrong in (5, object(), QueryResolver):
            self.use(wrong)
            with self.assertRaises(TypeError) as raised:
                client.lookupAddress("a.example")
            for word in ("query()", "lookup...()", "getHostByName()", "resolveHostName()"):
                self.assertIn(word, str(raised.exception))

    def test_foreignResolverAsSource(self) -> None:
        """
        C{NamesResolver} accepts any of them as a source and refuses other objects.
        """
        for foreign in (QueryResolver(), LookupResolver(), Simple()):
            resolver = NamesResolver(foreign, Clock())
            self.assertEqual(self.successResultOf(resolver.getHostByName("a.example")), "192.0.2.1")
        inner = NamesResolver(sourceFromResolver(QueryResolver()), Clock())
        self.assertIs(NamesResolver(inner, Clock()).source, inner.source)
        self.assertRaises(WrongType, NamesResolver, object(), Clock())

    def test_typesUnknownToTwisted(self) -> None:
        """
        A resolver of twisted.names can be queried for types that Twisted does not support.
        """
        network = MemoryNetwork()
        here = network.reactor("192.0.2.7")
        server = CannedServer({("a.example", "TLSA"): "3 1 1 ff", ("a.example", "A"): "192.0.2.1"})
        server.listen(network.reactor("192.0.2.53"))
        resolver = NamesResolver(stockResolver(here, ("192.0.2.53", 53)), here)
        for rrType in ("TLSA", "A"):
            looking = resolver.lookup("a.example", rrType)
            network.advance(1)
            self.assertEqual(len(self.successResultOf(looking)[0]), 1)

    def test_missingOwnerIsTheQuestion(self) -> None:
        """
        Records without an owner name, as from fakes in tests, get the name of the question.
        """

        class NamelessRecords:
            def query(self, query: dns.Query, timeout: object = None) -> Deferred[_Lists]:
                return _listsFor(b"a.example", query.type).addCallback(dropNames)

        def dropNames(lists: _Lists) -> _Lists:
            for header in lists[0]:
                header.name = dns.Name()
            return lists

        self.use(NamelessRecords())
        self.assertEqual(self.successResultOf(client.getHostByName("b.example")), "192.0.2.1")
        (header,) = self.successResultOf(client.lookupAddress("b.example"))[0]
        self.assertEqual(str(header.name), "b.example")

    def test_clientModuleIsAResolver(self) -> None:
        """
        The module C{twisted.names.client} is accepted as a resolver.
        """
        self.assertTrue(IResolver.providedBy(namesClient))
        self.patch(namesClient, "theResolver", QueryResolver())
        self.use(namesClient)
        (header,) = self.successResultOf(client.lookupAddress("a.example"))[0]
        self.assertEqual(str(header.payload), "<A address=192.0.2.1 ttl=300>")




class FailureTests(SynchronousTestCase):
    """
    Tests of foreign resolvers that fail.
    """

    def test_failuresReachTheCaller(self) -> None:
        """
        A host name resolver that finds nothing, or raises, fails the look-up at once.
        """

        class Raising:
            def resolveHostName(self, *arguments: object) -> NoReturn:
                raise KeyError("bug")

        resolver = NamesResolver(SimpleResolverComplexifier(Simple()), Clock())
        self.failureResultOf(resolver.lookupAddress("b.example"), error.DomainError)
        self.failureResultOf(unchecked(NamesResolver)(Raising(), Clock()).lookupAddress("a.example"), error.DNSServerError)
        self.assertEqual(len(self.flushLoggedErrors(KeyError)), 1)
