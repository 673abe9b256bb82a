"""
Pain 8: all replies were dropped when the server's address had another spelling.
"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from tests.pains.stock import stockResolver
from twisted_ext.compat.conversion.errors import LookupFailed
from twisted_ext.compat.resolvers import Resolver
from twisted_ext.resolver.system.resolvconf import SystemConfiguration
from twisted_ext.testing.network import MemoryNetwork
from twisted_ext.testing.servers import CannedServer
from twisted_ext.transport.servers import Server

SPELLINGS = ("2001:db8::53", "2001:0DB8:0:0:0:0:0:53", "2001:db8:0::0053", "2001:DB8::0.0.0.83")


class SpellingTests(SynchronousTestCase):
    """
    One server, and many spellings of its address.
    """

    def setUp(self) -> None:
        self.network = MemoryNetwork()
        self.here = self.network.reactor("2001:db8::7")
        self.server = CannedServer({("www.example", "A"): "192.0.2.80"})
        self.server.listen(self.network.reactor("2001:db8::53"))

    def address(self, spelt: str) -> str | None:
        """
        Return the address that is found, if any.
        """
        resolver = Resolver(servers=[(spelt, 53)], reactor=self.here, timeout=1)
        looking = resolver.getHostByName("www.example")
        found: list[str | None] = []
        looking.addCallbacks(found.append, lambda failure: found.append(failure.trap(LookupFailed) and None))
        self.network.advance(2)
        return found[0]

    def test_repliesMatchAnySpelling(self) -> None:
        """
        Replies are accepted in whatever spelling the server was given. Twisted's own resolver drops them, and so would a comparison as
        text.
        """
        for spelt in SPELLINGS:
            self.assertEqual(self.address(spelt), "192.0.2.80")
        looking = stockResolver(self.here, (SPELLINGS[1], 53)).lookupAddress("www.example", timeout=[1])
        looking.addErrback(lambda _: None)
        self.network.advance(0.9)
        self.assertNoResult(looking)
        self.network.advance(1)
        for spelt in SPELLINGS[1:]:
            self.patch(Server, "isAt", lambda server, address, port, spelt=spelt: address == spelt)
            self.assertIsNone(self.address(spelt))

    def test_spellingsAreOneServer(self) -> None:
        """
        Several spellings are one server, wherever they come from: it is asked once.
        """
        self.assertEqual(len({Server(spelt) for spelt in SPELLINGS}), 1)
        lines = "".join([f"nameserver {spelt}\n" for spelt in SPELLINGS])
        self.assertEqual(SystemConfiguration.parse(lines.encode()).servers, (Server("2001:db8::53"),))
