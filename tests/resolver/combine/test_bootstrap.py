"""
Tests of forwarding to a server given by its name.
"""

from __future__ import annotations

from collections.abc import Sequence

from zope.interface.verify import verifyObject

from tests.networks import NetworkTestCase
from twisted_ext.answers import QueryContext
from twisted_ext.errors import Closed, Unreachable
from twisted_ext.interfaces import IAnswerSource
from twisted_ext.resolver.ask import lookUp
from twisted_ext.resolver.combine.bootstrap import BootstrappedSource
from twisted_ext.resolver.forward.forwarder import ForwardingSource
from twisted_ext.testing.sources import questionOf
from twisted_ext.transport.servers import Server


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
        asked = [self.ask(self.source, f"h{number}.example.test") for number in range(20)]
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
        A server that cannot be reached any more is looked up again after half a minute.
        """
        self.assertEqual(self.find(self.source), ["192.0.2.80"])
        self.canned.close()
        self.serve("192.0.2.54")
        self.finder.set("dns.example", "A", "192.0.2.54")
        self.fault(self.source)
        self.assertEqual(len(self.finder.asked), 2)
        self.network.advance(30)
        self.fault(self.source)
        self.assertEqual(self.find(self.source), ["192.0.2.80"])
        self.assertEqual(len(self.finder.asked), 4)

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
        later = lookUp(self.source, questionOf("www.example.test"), QueryContext(9.0))
        self.assertIsInstance(self.failed(later), Closed)
