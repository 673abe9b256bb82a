"""
Pain 20: stuck after a network change; IP literals sent to DNS; scope IDs lost.
"""

from __future__ import annotations

import os
import socket
from pathlib import Path

from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from tests.cache.canned import question
from tests.resolver.told import addresses
from twisted_ext.answers import Answer, QueryContext
from twisted_ext.compat.names import NamesResolver
from twisted_ext.errors import DNSFault
from twisted_ext.resolver.ask import lookUp
from twisted_ext.resolver.forward.forwarder import ForwardingSource
from twisted_ext.resolver.strings.descriptions import sourceFromString
from twisted_ext.resolver.system.configured import System
from twisted_ext.resolver.system.resolvconf import SystemConfiguration
from twisted_ext.testing.network import MemoryNetwork
from twisted_ext.testing.servers import CannedServer


class NetworkChangeTests(SynchronousTestCase):
    """
    A program that keeps running while its machine moves to another network.
    """

    def setUp(self) -> None:
        self.network = MemoryNetwork()
        self.home, self.office = (
            CannedServer({("www.example", "A"): "192.0.2.80"}),
            CannedServer({("www.example", "A"): "198.51.100.80"}),
        )
        self.home.listen(self.network.reactor("192.0.2.53"))
        self.office.listen(self.network.reactor("198.51.100.53"))
        self.here = self.network.reactor("192.0.2.7")
        self.folder = Path(self.mktemp())
        self.folder.mkdir()
        self.path = self.folder / "resolv.conf"
        (self.folder / "hosts").write_text("")
        self.write("nameserver 192.0.2.53\n")
        self.system = System(self.here, str(self.path), str(self.folder / "hosts"), environment={})

    def tearDown(self) -> None:
        self.successResultOf(self.system.close())
        self.assertEqual(self.here.pending(), [])

    def write(self, text: str) -> None:
        """
        Replace the file, as network managers do.
        """
        other = self.folder / "new"
        other.write_text(text)
        os.replace(other, self.path)

    def begin(self, name: str = "www.example", rrType: str = "A") -> Deferred[Answer]:
        return lookUp(self.system, question(name, rrType), QueryContext(self.here.seconds() + 5, relative=True))

    def look(self, name: str = "www.example", rrType: str = "A", seconds: float = 6.0) -> list[str] | None:
        """
        Return the addresses that are found within so many seconds, or L{None} where the look-up fails.
        """
        results: list[Answer | None] = []
        self.begin(name, rrType).addCallbacks(
            results.append, lambda failure: results.append(failure.trap(DNSFault) and None)
        )
        self.network.advance(seconds)
        answer = results[0]
        return None if answer is None else addresses(answer)

    def change(self) -> None:
        """
        Move to the other network, where the old server is unreachable.
        """
        self.network.shape("192.0.2.53", silent=True)
        self.write("nameserver 198.51.100.53\n")

    def test_newServersAreUsed(self) -> None:
        """
        The new servers are used within a second after the change, and the old answers are forgotten.
        """
        self.assertEqual(self.look(seconds=1), ["192.0.2.80"])
        self.change()
        self.assertEqual(self.look(seconds=1), ["198.51.100.80"])
        self.assertEqual(len(self.home.asked), 1)

    def test_withoutReloadOldServersAreUsed(self) -> None:
        """
        Without following the file the old answers stay, and nothing is found after they expire.
        """
        self.write("nameserver 192.0.2.53\noptions no-reload\n")
        self.assertEqual(self.look(seconds=1), ["192.0.2.80"])
        self.change()
        self.assertEqual(self.look(seconds=1), ["192.0.2.80"])
        self.network.advance(300)
        self.assertIsNone(self.look())

    def test_pendingLookupBlocksNoNewOnes(self) -> None:
        """
        A look-up that waits for a dead server does not delay those that begin after the change.
        """
        self.network.shape("192.0.2.53", silent=True)
        old = self.begin()
        self.network.advance(1.0)
        self.change()
        self.assertEqual(self.look(seconds=0.5), ["198.51.100.80"])
        self.assertNoResult(old)
        self.network.advance(5)
        self.failureResultOf(old, DNSFault)

    def test_startWithoutNetwork(self) -> None:
        """
        A program that starts without a network works as soon as there is one.
        """
        self.path.unlink()
        self.assertIsNone(self.look())
        self.write("nameserver 192.0.2.53\n")
        self.assertEqual(self.look(seconds=1), ["192.0.2.80"])

    def test_unreachableServersAreRetried(self) -> None:
        """
        The same servers are used again after they were unreachable for a while.
        """
        self.network.shape("192.0.2.53", silent=True)
        self.assertIsNone(self.look())
        self.network.shape("192.0.2.53")
        for _ in range(60):
            if self.look(seconds=1):
                break
        self.assertEqual(self.look(seconds=1), ["192.0.2.80"])
        self.assertLess(self.here.seconds(), 30)

    def test_literalsAreNotSentToServers(self) -> None:
        """
        Address literals of either family are never sent to a server, for any type. Without our table they would be.
        """
        literals = ("192.0.2.9", "2001:db8::9", "::ffff:192.0.2.9", "fe80::1%eth0")
        for name in literals:
            for rrType in ("A", "AAAA"):
                self.assertIsNotNone(self.look(name, rrType, seconds=0))
        self.assertEqual(self.home.asked, [])
        self.assertEqual(self.look("192.0.2.9", seconds=0), ["192.0.2.9"])
        self.assertEqual(self.look("2001:db8::9", "AAAA", seconds=0), ["2001:db8::9"])
        bare = sourceFromString(self.here, "udp:192.0.2.53")
        for name in literals:
            lookUp(bare, question(name), QueryContext(self.here.seconds() + 5))
        self.network.advance(1)
        self.successResultOf(bare.close())
        self.assertEqual(len(self.home.asked), len(literals))

    def test_scopeOfServerIsKept(self) -> None:
        """
        The scope of a server is kept from the configuration and from a description. A link-local address is useless without it.
        """
        configuration = SystemConfiguration.parse(b"nameserver fe80::1%eth0\n")
        self.assertEqual([server.address for server in configuration.servers], ["fe80::1%eth0"])
        source = sourceFromString(self.here, "udp:[fe80::1%eth0]:5353")
        self.addCleanup(source.close)
        assert isinstance(source, ForwardingSource)
        self.assertEqual([upstream.server.label for upstream in source.upstreams], ["[fe80::1%eth0]:5353"])

    def test_getaddrinfoKeepsScopesAndFollows(self) -> None:
        """
        C{getaddrinfo} keeps a scope as an interface number, sends no literal to a server, and follows the network.
        """
        resolver = NamesResolver(self.system, self.here)
        for text, number in (("fe80::1%1", 1), ("fe80::1%7", 7), ("2001:db8::9", 0)):
            (found,) = self.successResultOf(resolver.getaddrinfo(text, 80, type=socket.SOCK_STREAM))
            self.assertEqual(found[4], (text.partition("%")[0], 80, 0, number))
        self.assertEqual(self.home.asked, [])
        for expected in ("192.0.2.80", "198.51.100.80"):
            asking = resolver.getaddrinfo("www.example", 80, type=socket.SOCK_STREAM)
            self.network.advance(1)
            self.assertEqual([each[4] for each in self.successResultOf(asking)], [(expected, 80)])
            self.change()
