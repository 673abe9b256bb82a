"""
Tests of L{twisted_ext.client}.
"""

from __future__ import annotations

import inspect
import subprocess
import sys
from types import ModuleType
from typing import Any, Final
from unittest.mock import patch

from twisted.internet.base import ThreadedResolver
from twisted.internet.interfaces import IHostnameResolver, IResolver, IResolverSimple
from twisted.internet.task import Clock
from twisted.names import client as theirs
from twisted.names import dns, error
from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from tests.compat.fakes import Fake, data, rrset
from twisted_ext import client
from twisted_ext.bulk import reverse
from twisted_ext.compat.names import NamesResolver
from twisted_ext.errors import BadDescription, BadName, WrongType
from twisted_ext.testing.network import MemoryNetwork
from twisted_ext.testing.servers import CannedServer

#: Methods that only Twisted's resolver and its protocols call.
_INTERNAL: Final = {"connectionMade", "connectionLost", "messageReceived"}


def publicMembers(module: ModuleType) -> dict[str, object]:
    """
    Return the public functions and classes that a module defines.
    """
    return {
        name: thing
        for name, thing in vars(module).items()
        if not name.startswith("_")
        and (inspect.isfunction(thing) or inspect.isclass(thing))
        and thing.__module__ == module.__name__
    }


def parameters(function: object) -> list[tuple[str, object]]:
    """
    Return name and kind of each parameter.
    """
    assert callable(function)
    return [(each.name, each.kind) for each in inspect.signature(function).parameters.values()]


class MirrorTests(SynchronousTestCase):
    """
    Tests that programs for L{twisted.names.client} find what they use.
    """

    def test_everyNameExists(self) -> None:
        """
        Every function and class exists under its name.
        """
        missing = [name for name in publicMembers(theirs) if not hasattr(client, name)]
        self.assertEqual(missing, [])
        self.assertTrue(hasattr(client, "ThreadedResolver"))
        self.assertTrue(hasattr(client, "theResolver"))
        self.assertIs(client.AXFRController, theirs.AXFRController)
        self.assertRaises(AttributeError, getattr, client, "nosuch")

    def test_functionParametersMatch(self) -> None:
        """
        Every function takes the same parameters, by name and by position.
        """
        for name, function in publicMembers(theirs).items():
            if inspect.isfunction(function):
                self.assertEqual(parameters(getattr(client, name)), parameters(function), name)

    def test_resolverParametersMatch(self) -> None:
        """
        The resolver's public methods and constructor take the same parameters.
        """
        for name, method in inspect.getmembers(theirs.Resolver, inspect.isfunction):
            if (name == "__init__" or not name.startswith("_")) and name not in _INTERNAL:
                self.assertEqual(parameters(getattr(client.Resolver, name)), parameters(method), name)
        self.assertEqual(parameters(client.ThreadedResolver), parameters(ThreadedResolver))

    def test_moduleIsAResolver(self) -> None:
        """
        The module itself is a resolver.
        """
        for interface in (IResolver, IResolverSimple):
            self.assertTrue(interface.providedBy(client))
            self.assertTrue(verifyObject(interface, client))

    def test_moduleHasEveryLookup(self) -> None:
        """
        The module has every look-up of a resolver.
        """
        for name in dir(NamesResolver):
            if name.startswith("lookup"):
                self.assertIn(name, client.__all__)
                self.assertEqual(getattr(client, name).__name__, name)


class GlobalTests(SynchronousTestCase):
    """
    Tests of the functions that use the resolver of this process.
    """

    def setUp(self) -> None:
        self.source = Fake()
        self.source.addresses("www.example.com.", "192.0.2.80")
        self.patch(client, "theResolver", NamesResolver(self.source, Clock()))

    def test_functionsUseTheResolver(self) -> None:
        """
        The functions use the resolver of this process, with the given timeouts.
        """
        answers, _, _ = self.successResultOf(client.lookupAddress("www.example.com", timeout=(1, 2)))
        self.assertEqual(len(answers), 1)
        self.assertEqual(self.source.contexts[-1].waits, (1.0, 2.0))
        self.assertEqual(self.successResultOf(client.getHostByName("www.example.com", 1, 3)), "192.0.2.80")
        self.assertEqual(len(self.successResultOf(client.query(dns.Query("www.example.com"), 1))[0]), 1)
        self.assertIn("192.0.2.80", str(self.successResultOf(client.explain("www.example.com"))))
        self.failureResultOf(client.lookupZone("example.com"), error.DomainError)
        for name in client.__all__:
            if name.startswith("lookup") and name != "lookupZone":
                getattr(client, name)(name="a.example").addErrback(lambda failure: None)
        self.assertIs(client.getResolver(), client.theResolver)

    def test_installAndUndo(self) -> None:
        """
        One call installs the resolver into a reactor, and one removes it.
        """
        reactor = MemoryNetwork().reactor()
        undo = client.install(reactor)
        self.assertIs(reactor.nameResolver, client.theResolver)
        undo()
        self.assertIsNot(reactor.nameResolver, client.theResolver)

    def test_resolverIsCreatedOnce(self) -> None:
        """
        The resolver is created once, on first use, from the machine's configuration.
        """
        self.patch(client, "theResolver", None)
        made = client.getResolver()
        self.assertIs(client.getResolver(), made)
        self.assertTrue(IHostnameResolver.providedBy(made))
        self.successResultOf(made.close())

    def test_closedResolverIsReplaced(self) -> None:
        """
        A closed resolver is created again.
        """
        before = client.getResolver()
        self.successResultOf(before.close())
        made = client.getResolver()
        self.assertIsNot(made, before)
        self.assertEqual((made.closed, client.theResolver), (False, made))
        self.successResultOf(made.close())


class MakingTests(SynchronousTestCase):
    """
    Tests of functions that create resolvers.
    """

    def setUp(self) -> None:
        self.network = MemoryNetwork()
        self.here = self.network.reactor("192.0.2.7")
        self.server = CannedServer(
            {("www.example.com", "A"): "192.0.2.80", ("example.com", "MX"): "10 mail.example.com."}
        )
        self.server.listen(self.network.reactor("192.0.2.53"))

    def test_createResolverQueriesGivenServers(self) -> None:
        """
        C{createResolver} creates a resolver for the given servers, as in Twisted's tour.
        """
        with patch.object(client, "globalReactor", lambda: self.here):
            resolver = client.createResolver(servers=[("192.0.2.53", 53), ("192.0.2.54", 53)])
        looking = resolver.getHostByName("www.example.com")
        self.network.advance(1)
        self.assertEqual(self.successResultOf(looking), "192.0.2.80")
        self.assertEqual(self.here.pending(), [])
        with self.assertRaises(BadDescription):
            client.createResolver(servers=[])

    def test_resolverFromDescription(self) -> None:
        """
        A description gives a resolver; an invalid one is a one-line error with the position.
        """
        resolver = client.resolverFromString(self.here, "cache:udp:192.0.2.53", timeout=3)
        looking = resolver.lookupMailExchange("example.com")
        self.network.advance(1)
        self.assertEqual(
            repr(self.successResultOf(looking)), "([<RR name=example.com type=MX class=IN ttl=300s auth=True>], [], [])"
        )
        self.assertEqual(resolver.contextFor().deadline, self.here.seconds() + 3)
        for wrong in ("", "xyzzy:1", "udp", "udp:nowhere", "cache:"):
            with self.assertRaises(BadDescription) as raised:
                client.resolverFromString(self.here, wrong)
            self.assertNotIn("\n", str(raised.exception))

    def test_reverseName(self) -> None:
        """
        Addresses of both families have reverse names.
        """
        self.assertEqual(client.reverseName("192.0.2.1"), "1.2.0.192.in-addr.arpa")
        with self.assertRaises(BadName):
            client.reverseName("www.example.com")

    def test_resultTypeIsPublic(self) -> None:
        """
        Programs can name the result of look-ups in their annotations.
        """
        source = Fake(now=True)
        source.knows("a.example.", "A", data(rrset("a.example.", "A", "192.0.2.1")))
        result: client.Result = self.successResultOf(client.NamesResolver(source, Clock()).lookupAddress("a.example"))
        self.assertEqual(result.rcode, 0)


class WrongTypeTests(SynchronousTestCase):
    """
    Tests of arguments that are not text, which compiled code would refuse in words of its own.
    """

    def test_namesAreText(self) -> None:
        """
        Every function refuses what is no name with the same error, interpreted or compiled.
        """
        wrong: list[Any] = [5, None, ["example"]]
        functions: list[Any] = [client.explain, client.proof, client.lookupZone, client.lookup, client.lookupAddress, client.getHostByName]
        with patch.object(client, "theResolver", NamesResolver(Fake(), Clock())):
            for function in functions:
                for name in wrong:
                    fault = self.failureResultOf(function(name), WrongType)
                    self.assertEqual(str(fault.value), f"{name!r} is not a name; write it as text", function.__name__)
            for name in wrong:
                fault = self.failureResultOf(client.query(name), WrongType)
                self.assertEqual(str(fault.value), f"{name!r} is not a query; write a Query, or a name as text")

    def test_addressesAreText(self) -> None:
        """
        So do the functions that take addresses.
        """
        wrong: Any = 5
        with self.assertRaisesRegex(WrongType, "^5 is not an address; write it as text, such as 192.0.2.1$"):
            client.reverseName(wrong)
        with self.assertRaisesRegex(WrongType, "^5 is not an address or a range; write it as text, such as 192.0.2.0/24$"):
            reverse(wrong)


class ImportTests(SynchronousTestCase):
    """
    Tests of importing the module.
    """

    def test_importStartsNothing(self) -> None:
        """
        The import starts nothing, loads heavy modules only on use, and registers the zope.interface adapters.
        """
        script = (
            "import sys, threading\n"
            "import twisted_ext.client\n"
            "assert 'twisted.internet.reactor' not in sys.modules\n"
            "assert twisted_ext.client.theResolver is None\n"
            "assert threading.active_count() == 1\n"
            "heavy = {'idna', 'twisted.names.client', 'twisted_ext.resolver.forward.forwarder'}\n"
            "print(*sorted(heavy & set(sys.modules)))\n"
            "from twisted.internet.interfaces import IResolver\n"
            "from twisted_ext.testing.sources import CannedSource\n"
            "assert IResolver(CannedSource(), None) is not None\n"
        )
        done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
        self.assertEqual((done.returncode, done.stdout.strip()), (0, ""), done.stderr)
