"""
Tests of forwarding to a server given by its name.
"""

from __future__ import annotations

from collections.abc import Sequence

from zope.interface.verify import verifyObject

from tests.networks import WWW, NetworkTestCase
from twisted_ext.answers import QueryContext
from twisted_ext.errors import Closed, Unreachable
from twisted_ext.interfaces import IAnswerSource
from twisted_ext.resolver.ask import lookUp
from twisted_ext.resolver.combine.bootstrap import BootstrappedSource
from twisted_ext.resolver.forward.forwarder import ForwardingSource
from twisted_ext.testing.servers import CannedServer
from twisted_ext.testing.sources import questionOf
from twisted_ext.transport.servers import Server
from twisted_ext.wire.records import RRSet
from twisted_ext.wire.rrtypes import A


class BootstrappedSourceTests(NetworkTestCase):
    """
    Tests for L{BootstrappedSource}.
    """

    def setUp(self) -> None:
        super().setUp()
        self.finder, finderAt = self.serve("192.0.2.1", {("dns.example", "A"): "192.0.2.53"})
        self.canned, _ = self.serve("192.0.2.53")
        self.source = BootstrappedSource(self.here, "dns.example", ForwardingSource(self.here, [finderAt]), self.build)

    def tearDown(self) -> None:
        closed = self.source.close()
        self.network.advance(1)
        self.successResultOf(closed)
        super().tearDown()

    def build(self, addresses: Sequence[str]) -> ForwardingSource:
        """
        Build the forwarder.
        """
        return ForwardingSource(self.here, [Server(address) for address in addresses])

    @property
    def questions(self) -> list[str]:
        """
        The questions that the bootstrap server received.
        """
        return [repr(asked.question) for asked in self.finder.asked]

    def test_providesIAnswerSource(self) -> None:
        """
        It provides IAnswerSource.
        """
        verifyObject(IAnswerSource, self.source)
        self.assertEqual(repr(self.source), "<Bootstrapped dns.example>")

    def test_addressIsLookedUpOnce(self) -> None:
        """
        The address is looked up when the first query comes, once for all that wait, and no other name is sent to that server.
        """
        self.assertEqual(self.finder.asked, [])
        asked = [self.ask(self.source, f"h{number}.test.example") for number in range(20)]
        self.network.advance(1)
        for each in asked:
            self.successResultOf(each)
        self.assertEqual(self.find(self.source), ["192.0.2.80"])
        self.assertEqual(len(self.finder.asked), 2)
        self.assertEqual({asked.question.name for asked in self.finder.asked}, {b"\x03dns\x07example\x00"})
        self.assertEqual(len(self.canned.asked), 21)

    def test_serverWithoutAddress(self) -> None:
        """
        A name without addresses is an error that has the name, and is looked up again for the next query.
        """
        self.finder.set("dns.example", "A", [])
        self.assertEqual(str(self.fault(self.source)), "dns.example cannot be reached: it has no address")
        self.finder.set("dns.example", "A", "192.0.2.53")
        self.assertEqual(self.find(self.source), ["192.0.2.80"])

    def test_bootstrapServerFails(self) -> None:
        """
        If the address cannot be looked up, the error says why.
        """
        self.finder.rcode = 5
        fault = self.fault(self.source)
        self.assertIsInstance(fault, Unreachable)
        self.assertIn("dns.example cannot be reached: its address cannot be looked up: dns.example. A: 192.0.2.1:53 ", str(fault))

    def test_onlyOneFamilyIsFound(self) -> None:
        """
        The failure of one family's look-up does not matter if the other one has addresses.
        """
        self.finder.set("dns.example", "AAAA", 2)
        self.assertEqual(self.find(self.source), ["192.0.2.80"])

    def test_movedServerIsFound(self) -> None:
        """
        If the server cannot be reached any more, it is looked up again after half a minute, and the look-up that has failed is repeated at
        the new address.
        """
        self.assertEqual(self.find(self.source), ["192.0.2.80"])
        self.canned.close()
        moved, _ = self.serve("192.0.2.54")
        self.finder.set("dns.example", "A", "192.0.2.54")
        self.fault(self.source)
        self.assertEqual(len(self.finder.asked), 2)
        self.network.advance(30)
        self.assertEqual(self.find(self.source), ["192.0.2.80"])
        self.assertEqual((len(self.finder.asked), len(moved.asked)), (4, 1))

    def test_deadServerIsNotLookedUpForEachQuery(self) -> None:
        """
        While the server is down, its address is looked up no more than twice a minute, and look-ups fail as they do without that.
        """
        self.assertEqual(self.find(self.source), ["192.0.2.80"])
        self.canned.close()
        for _ in range(20):
            self.assertIsInstance(self.fault(self.source), Unreachable)
            self.network.advance(10)
        self.assertLessEqual(len(self.finder.asked), 2 * (2 + 20 * 16 // 30))
        self.canned.listen(self.network.reactor("192.0.2.55"))
        self.finder.set("dns.example", "A", "192.0.2.55")
        self.network.advance(30)
        self.assertEqual(self.find(self.source), ["192.0.2.80"])

    def test_addressesAreRenewed(self) -> None:
        """
        When the TTL of the addresses is over, they are looked up again, while the look-up goes on at those known.
        """
        self.finder.set("dns.example", "A", lambda question: [RRSet(question.name, A, 1, 300, (bytes((192, 0, 2, 53)),))])
        self.assertEqual(self.find(self.source), ["192.0.2.80"])
        self.network.advance(290)
        self.find(self.source)
        self.assertEqual(len(self.finder.asked), 2)
        moved, _ = self.serve("192.0.2.54")
        self.finder.set("dns.example", "A", "192.0.2.54")
        self.finder.delay = 0.5
        self.network.advance(20)
        asked = [self.ask(self.source, f"h{number}.test.example") for number in range(3)]
        self.network.advance(0.1)
        for each in asked:
            self.successResultOf(each)
        self.network.advance(1)
        self.assertGreaterEqual(len(self.finder.asked), 4)
        self.assertEqual((len(self.canned.asked), len(moved.asked)), (5, 0))
        self.find(self.source)
        self.assertEqual((len(self.canned.asked), len(moved.asked)), (5, 1))

    def test_renewalFails(self) -> None:
        """
        If the addresses cannot be looked up again, those known are used on, and the look-up is repeated after half a minute.
        """
        self.finder.set("dns.example", "A", lambda question: [RRSet(question.name, A, 1, 60, (bytes((192, 0, 2, 53)),))])
        self.assertEqual(self.find(self.source), ["192.0.2.80"])
        self.finder.rcode = 2
        for _ in range(6):
            self.network.advance(15)
            self.assertEqual(self.find(self.source), ["192.0.2.80"])
        self.assertLess(len(self.finder.asked), 20)

    def test_bothFamilies(self) -> None:
        """
        A server is reached at an IPv6 address if its IPv4 address is dead, and the other way round; many addresses of one family leave room
        for the other.
        """
        self.canned.close()
        there, other = self.network.reactor("2001:db8::53"), self.network.reactor("192.0.2.57")
        for port in (there, other):
            self.finder.set("dns.example", "A", [f"198.51.100.{number}" for number in range(1, 30)] + ["192.0.2.57"] * (port is other))
            self.finder.set("dns.example", "AAAA", "2001:db8::53")
            canned = CannedServer(WWW)
            canned.listen(port)
            if port is other:
                self.finder.set("dns.example", "A", "192.0.2.57")
                self.finder.set("dns.example", "AAAA", [f"2001:db8:1::{number}" for number in range(1, 30)])
            source = BootstrappedSource(self.here, "dns.example", ForwardingSource(self.here, [Server("192.0.2.1")]), self.build)
            self.assertEqual(self.find(source, seconds=20), ["192.0.2.80"])
            source.close()
            canned.close()

    def test_cancelEndsBootstrap(self) -> None:
        """
        Cancelling the only look-up ends that of the address.
        """
        asked = self.ask(self.source)
        asked.cancel()
        self.failureResultOf(asked)
        self.assertEqual(self.here.pending(), [])

    def test_closing(self) -> None:
        """
        A look-up under way fails when the source is closed, and so does one after that.
        """
        asked = self.ask(self.source)
        self.source.close()
        self.network.advance(1)
        self.failureResultOf(asked)
        later = lookUp(self.source, questionOf("www.test.example"), QueryContext(9.0))
        self.assertIsInstance(self.failed(later), Closed)
