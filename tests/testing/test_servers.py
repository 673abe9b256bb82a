"""
Tests of canned servers.
"""

from __future__ import annotations

from tests.networks import NetworkTestCase
from twisted_ext.answers import Outcome, QueryContext
from twisted_ext.resolver.ask import lookUp
from twisted_ext.testing.servers import CannedServer
from twisted_ext.testing.sources import questionOf, rrsetOf
from twisted_ext.wire.names import nameFromText


class CannedServerTests(NetworkTestCase):
    """
    Tests for L{CannedServer}, queried over the memory network.
    """

    def setUp(self) -> None:
        super().setUp()
        self.canned, self.server = self.serve(
            records={
                ("www.test.example", "A"): ["192.0.2.80", "192.0.2.81"],
                ("alias.test.example", "CNAME"): "www.test.example.",
                ("loop.test.example", "CNAME"): "loop.test.example.",
                ("broken.test.example", "A"): 2,
                ("own.test.example", "A"): lambda question: "192.0.2.9",
                ("sets.test.example", "A"): [rrsetOf(nameFromText("SETS.test.example"), 1, "192.0.2.5")],
            }
        )
        self.source = self.forward(self.server)

    def test_listedRecordsAreAnswered(self) -> None:
        """
        Listed records, aliases and functions give their answers.
        """
        self.assertEqual(self.find(self.source), ["192.0.2.80", "192.0.2.81"])
        self.assertEqual(self.find(self.source, "alias.test.example"), ["www.test.example.", "192.0.2.80", "192.0.2.81"])
        self.assertEqual(self.find(self.source, "alias.test.example", "CNAME"), ["www.test.example."])
        self.assertEqual(self.find(self.source, "own.test.example"), ["192.0.2.9"])
        self.assertEqual(self.find(self.source, "sets.test.example"), ["192.0.2.5"])
        self.assertEqual(len(self.find(self.source, "loop.test.example")), 1)

    def test_otherNamesDoNotExist(self) -> None:
        """
        Other names do not exist, unless the test sets another reply. Rcodes are returned as such.
        """
        asked = self.ask(self.source, "none.test.example")
        self.network.advance(1)
        self.assertIs(self.successResultOf(asked).outcome, Outcome.NXDOMAIN)
        self.canned.otherwise = "192.0.2.1"
        self.assertEqual(self.find(self.source, "any.test.example"), ["192.0.2.1"])
        self.assertEqual(self.fault(self.source, "broken.test.example").rcode, 2)

    def test_queriesAreRecorded(self) -> None:
        """
        A test can examine the queries with their transport, source and time.
        """
        self.find(self.source)
        (asked,) = self.canned.asked
        self.assertEqual((asked.question, asked.transport), (questionOf("www.test.example"), "udp"))
        self.assertEqual((asked.peer[0], asked.at), ("192.0.2.7", 0.01))
        self.assertIn("by udp from 192.0.2.7", repr(asked))

    def test_slowServerCanBeClosed(self) -> None:
        """
        A slow server takes its delay, and closing it ends its pending replies.
        """
        self.canned.delay = 1.0
        asked = self.ask(self.source, seconds=0.5)
        self.network.advance(0.5)
        self.failed(asked)
        self.canned.close()
        host = self.network.hostAt("192.0.2.53")
        assert host is not None
        self.assertEqual(host.pending(), [])

    def test_closeEndsConnections(self) -> None:
        """
        Closing ends connections, and fires when they are gone.
        """
        self.canned.silent = True
        asked = lookUp(self.source, questionOf("none.test"), QueryContext(5.0, stream=True))
        self.network.advance(0.1)
        self.assertEqual(self.canned.connections, 1)
        closed = self.canned.close()
        self.network.advance(1)
        self.successResultOf(closed)
        self.failed(asked)
        self.assertEqual(self.canned.connections, 0)

    def test_serverListensOnBothFamilies(self) -> None:
        """
        A server on a host with addresses of both families listens on both.
        """
        host = self.network.reactor("192.0.2.60", "2001:db8::60")
        canned = CannedServer(otherwise="192.0.2.1")
        server = canned.listen(host)
        self.assertEqual(server.label, "192.0.2.60:53")
        for address in host.addresses:
            self.assertEqual(self.find(self.forward(type(server)(address)), "x.test"), ["192.0.2.1"])

    def test_portZeroIsFreeForBothTransports(self) -> None:
        """
        Port 0 finds a port that is free for UDP and TCP.
        """
        host = self.network.reactor("192.0.2.61")
        servers = [CannedServer(otherwise="192.0.2.1").listen(host, 0) for _ in range(3)]
        self.assertEqual(len({server.port for server in servers}), 3)
        for server in servers:
            self.assertEqual(self.find(self.forward(server, stream=True), "x.test"), ["192.0.2.1"])

    def test_noiseIsNotAnswered(self) -> None:
        """
        Invalid messages are not answered.
        """
        self.network.inject(b"noise", ("192.0.2.7", 4000), ("192.0.2.53", 53))
        self.network.inject(b"\x00" * 12, ("192.0.2.7", 4000), ("192.0.2.53", 53))
        self.network.advance()
        self.assertEqual(self.canned.asked, [])
