"""
Tests of L{twisted_ext.client}.
"""

from __future__ import annotations

import inspect
import subprocess
import sys
from types import ModuleType
from typing import Final
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
from twisted_ext.compat.names import NamesResolver
from twisted_ext.errors import BadDescription, BadName
from twisted_ext.testing.network import MemoryNetwork
from twisted_ext.testing.servers import CannedServer

#: What Twisted's resolver calls itself, or its protocols call on it, and no program.
_INTERNAL: Final = {"connectionMade", "connectionLost", "messageReceived"}


def offered(module: ModuleType) -> dict[str, object]:
    """
    @return: the functions and classes that a module is there for.
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
    @return: name and kind of each parameter.
    """
    assert callable(function)
    return [(each.name, each.kind) for each in inspect.signature(function).parameters.values()]


class MirrorTests(SynchronousTestCase):
    """
    Tests that programs written for L{twisted.names.client} find what they use.
    """

    def test_names(self) -> None:
        """
        Every function and class is there under its name.
        """
        missing = [name for name in offered(theirs) if not hasattr(client, name)]
        self.assertEqual(missing, [])
        self.assertTrue(hasattr(client, "ThreadedResolver"))
        self.assertTrue(hasattr(client, "theResolver"))
        self.assertIs(client.AXFRController, theirs.AXFRController)
        self.assertRaises(AttributeError, getattr, client, "nosuch")

    def test_functions(self) -> None:
        """
        Every function takes the same parameters, by name and by position.
        """
        for name, function in offered(theirs).items():
            if inspect.isfunction(function):
                self.assertEqual(parameters(getattr(client, name)), parameters(function), name)

    def test_resolver(self) -> None:
        """
        So do the methods of its resolver that programs call, its constructor among them.
        """
        for name, method in inspect.getmembers(theirs.Resolver, inspect.isfunction):
            if (name == "__init__" or not name.startswith("_")) and name not in _INTERNAL:
                self.assertEqual(parameters(getattr(client.Resolver, name)), parameters(method), name)
        self.assertEqual(parameters(client.ThreadedResolver), parameters(ThreadedResolver))

    def test_moduleProvides(self) -> None:
        """
        The module itself is a resolver.
        """
        for interface in (IResolver, IResolverSimple):
            self.assertTrue(interface.providedBy(client))
            self.assertTrue(verifyObject(interface, client))

    def test_everyLookup(self) -> None:
        """
        Whatever a resolver can look up, the module can.
        """
        for name in dir(NamesResolver):
            if name.startswith("lookup"):
                self.assertIn(name, client.__all__)
                self.assertEqual(getattr(client, name).__name__, name)


class GlobalTests(SynchronousTestCase):
    """
    Tests of the functions that ask the resolver of this process.
    """

    def setUp(self) -> None:
        self.source = Fake()
        self.source.addresses("www.example.com.", "192.0.2.80")
        self.patch(client, "theResolver", NamesResolver(self.source, Clock()))

    def test_asked(self) -> None:
        """
        The functions ask it, with timeouts and all.
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

    def test_install(self) -> None:
        """
        One line puts it into a reactor, one call takes it out.
        """
        reactor = MemoryNetwork().reactor()
        undo = client.install(reactor)
        self.assertIs(reactor.nameResolver, client.theResolver)
        undo()
        self.assertIsNot(reactor.nameResolver, client.theResolver)

    def test_made(self) -> None:
        """
        It is made once, when it is needed, of what the machine is configured to use.
        """
        self.patch(client, "theResolver", None)
        made = client.getResolver()
        self.assertIs(client.getResolver(), made)
        self.assertTrue(IHostnameResolver.providedBy(made))
        self.successResultOf(made.close())

    def test_closed(self) -> None:
        """
        After it was closed, it is made anew.
        """
        before = client.getResolver()
        self.successResultOf(before.close())
        made = client.getResolver()
        self.assertIsNot(made, before)
        self.assertEqual((made.closed, client.theResolver), (False, made))
        self.successResultOf(made.close())


class MakingTests(SynchronousTestCase):
    """
    Tests of resolvers made to order.
    """

    def setUp(self) -> None:
        self.network = MemoryNetwork()
        self.here = self.network.reactor("192.0.2.7")
        self.server = CannedServer(
            {("www.example.com", "A"): "192.0.2.80", ("example.com", "MX"): "10 mail.example.com."}
        )
        self.server.listen(self.network.reactor("192.0.2.53"))

    def test_createResolver(self) -> None:
        """
        The line of Twisted's tour: a resolver that asks these servers.
        """
        with patch.object(client, "globalReactor", lambda: self.here):
            resolver = client.createResolver(servers=[("192.0.2.53", 53), ("192.0.2.54", 53)])
        looking = resolver.getHostByName("www.example.com")
        self.network.advance(1)
        self.assertEqual(self.successResultOf(looking), "192.0.2.80")
        self.assertEqual(self.here.pending(), [])
        with self.assertRaises(BadDescription):
            client.createResolver(servers=[])

    def test_resolverFromString(self) -> None:
        """
        A description makes a resolver; a wrong one is a line that says where.
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
        Addresses of both families have names to look up.
        """
        self.assertEqual(client.reverseName("192.0.2.1"), "1.2.0.192.in-addr.arpa")
        with self.assertRaises(BadName):
            client.reverseName("www.example.com")

    def test_result(self) -> None:
        """
        What look-ups fire with can be named in a program's own annotations.
        """
        source = Fake(now=True)
        source.knows("a.example.", "A", data(rrset("a.example.", "A", "192.0.2.1")))
        result: client.Result = self.successResultOf(client.NamesResolver(source, Clock()).lookupAddress("a.example"))
        self.assertEqual(result.rcode, 0)


class ImportTests(SynchronousTestCase):
    """
    Tests of what importing the module does.
    """

    def test_nothingStarted(self) -> None:
        """
        Importing starts nothing, leaves what is heavy for when it is needed, and lets zope adapt sources to resolvers.
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
