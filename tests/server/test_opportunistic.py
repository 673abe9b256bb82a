"""
Tests of the setting C{opportunistic}.
"""

from __future__ import annotations

from tests.server.operations.seeing import SeenServer
from tests.server.sources.test_recursor import RecursingCase
from tests.server.stacks import reloadStack
from tests.transport.tlsservers import ServerTLS, leaf
from twisted_ext.answers import Security
from twisted_ext.metrics.counters import Counters
from twisted_ext.metrics.exposition import exposition
from twisted_ext.server.sources.sources import ForwardStack


class OpportunisticTests(RecursingCase):
    """
    Tests for C{opportunistic}.
    """

    def setUp(self) -> None:
        super().setUp()
        for server in self.internet.servers.values():
            server.encrypt(ServerTLS(leaf("unrelated.test")))
        # Connections have to be gone when it is checked that nothing is open.
        self.addCleanup(self.internet.advance, 1)

    def transports(self, stack: ForwardStack, name: str) -> set[str]:
        """
        Resolve a name, and return how it was asked for.
        """
        self.internet.exchanges.clear()
        self.assertIs(self.security(stack, name), Security.SECURE)
        found = {each.transport for each in self.internet.exchanges}
        self.internet.advance(5)
        return found

    def warm(self, stack: ForwardStack) -> None:
        """
        Look a name up several times, so that each server of its zones has been asked.
        """
        for _ in range(12):
            self.transports(stack, "www.good.example")
            stack.flush()

    def test_offAndOn(self) -> None:
        """
        Servers are asked over TLS only if the setting says so, and a reload changes that.
        """
        stack = self.stack()
        self.assertEqual(self.transports(stack, "www.good.example"), {"udp"})
        reloadStack(stack, self.settings(opportunistic=True))
        self.assertIn("over TLS where servers support it", "".join(stack.path()))
        self.warm(stack)
        self.assertEqual(self.transports(stack, "www.good.example"), {"tls"})
        reloadStack(stack, self.settings())
        self.assertEqual(self.transports(stack, "www.good.example"), {"udp"})

    def test_operatorsSeeIt(self) -> None:
        """
        The figures say which servers are asked over TLS, and how many queries were.
        """
        stack = self.stack(opportunistic=True)
        self.transports(stack, "www.good.example")
        stack.flush()
        self.transports(stack, "www.good.example")
        server = SeenServer(self.here, Counters())
        server.caching, server.recursor = stack.caching, stack.recursor
        figures = self.successResultOf(server.status.figures())
        self.assertIn("authority, tls", {each["way"] for each in figures.upstreams})
        encrypted = figures.numbers["authoritiesEncrypted"]
        self.assertGreaterEqual(encrypted, 2)
        page = exposition(figures, version="1", started=0.0)
        self.assertIn(f"txdns_authorities_encrypted {encrypted:.0f}\n", page)
        self.assertIn("txdns_authority_encrypted_queries_total ", page)

    def test_memoryOutlivesTheServer(self) -> None:
        """
        With a state folder, a server that starts again asks over TLS from the beginning.
        """
        folder = self.mktemp()
        before = self.stack(opportunistic=True, state=folder)
        before.started()
        self.warm(before)
        before.close()
        after = self.stack(opportunistic=True, state=folder)
        after.started()
        self.assertEqual(self.transports(after, "www.good.example"), {"tls"})
