"""
Tests of L{twisted_ext.endpoints.happyeyeballs} with random hosts and records.
"""

from __future__ import annotations

from random import Random
from typing import Final

from twisted.internet.error import ConnectingCancelledError

from tests.endpoints.reaching import ReachingTestCase
from twisted_ext.compat.conversion.errors import DNSServerError, NoAddressError
from twisted_ext.compat.resolvers import Resolver
from twisted_ext.discovery.targets import Target
from twisted_ext.endpoints import TargetsFailed
from twisted_ext.endpoints.endpoints import TargetsEndpoint
from twisted_ext.testing.network import MemoryNetwork
from twisted_ext.testing.servers import CannedServer, Reply

__all__: list[str] = []

#: The number of random networks.
_RUNS: Final = 150

#: The outcomes of a connection to an address.
_OUTCOMES: Final = ("taken", "far", "refused", "dead", "dead", "refused")


class RandomNetworkTests(ReachingTestCase):
    """
    Tests of promises that hold for any targets.
    """

    def newNetwork(self, rng: Random) -> tuple[TargetsEndpoint, bool, set[str]]:
        """
        Set up another network.

        @return: an endpoint for a few targets, whether any of them can be reached, and the addresses that accept connections.
        """
        self.network = MemoryNetwork(seed=1)
        self.network.shape(delay=0.01)
        self.here = self.network.reactor("192.0.2.7", "2001:db8::7")
        self.startRecording()
        records: dict[tuple[str, str], Reply] = {}
        targets: list[Target] = []
        accepting: set[str] = set()
        number = 100
        priority = 0
        for index in range(rng.randrange(6)):
            name = f"h{index}.example"
            for rrType, form in (("A", "192.0.2.{}"), ("AAAA", "2001:db8::{}")):
                addresses = []
                for _ in range(rng.randrange(3)):
                    number += 1
                    addresses.append(form.format(number))
                    outcome = rng.choice(_OUTCOMES)
                    if outcome in ("taken", "far"):
                        self.listen(addresses[-1])
                        accepting.add(addresses[-1])
                    elif outcome == "refused":
                        self.refuse(addresses[-1])
                    if outcome == "far":
                        self.network.shape(addresses[-1], delay=rng.choice((0.2, 0.6, 1.5)))
                if addresses:
                    records[name, rrType] = addresses
            if rng.random() < 0.1:
                records[name, "A"] = 2
            priority += rng.randrange(2)
            targets.append(Target(name, 80, priority))
        known = {text for reply in records.values() if isinstance(reply, list) for text in reply}
        server = CannedServer(records, otherwise=[])
        server.delay = rng.choice((0.0, 0.0, 0.1, 0.4))
        where = server.listen(self.network.reactor("192.0.2.53"))
        resolver = Resolver(servers=[("192.0.2.53", where.port)], reactor=self.here)
        return TargetsEndpoint(self.here, targets, "it", resolver=resolver, timeout=3), bool(accepting & known), accepting

    def test_connectsOnceIfPossible(self) -> None:
        """
        Exactly one connection succeeds if any address accepts one, and the error says so otherwise. No address is tried twice, and nothing
        is left.
        """
        for seed in range(_RUNS):
            endpoint, possible, accepting = self.newNetwork(Random(seed))
            found = endpoint.connect(self.client)
            self.network.advance(200)
            tried = [address for _, address in self.dials]
            self.assertEqual(len(set(tried)), len(tried), seed)
            self.assertEqual(len(self.client.built), int(possible), seed)
            if possible:
                self.assertIn(self.reached(found).split()[0], accepting, seed)
            else:
                self.failureResultOf(found, TargetsFailed, NoAddressError, DNSServerError)
            self.network.advance(10)
            self.assertEqual(self.here.pending(), [], seed)

    def test_attemptRateIsBounded(self) -> None:
        """
        There are more than four attempts in a second only if some have failed.
        """
        for seed in range(_RUNS):
            endpoint, _, _ = self.newNetwork(Random(seed))
            found = endpoint.connect(self.client)
            for _ in range(40):
                before = len(self.dials)
                self.network.advance(0.249)
                refusals = len(self.dials) - len(self.here.connectors) - len(self.client.built)
                self.assertLessEqual(len(self.dials) - before, 1 + refusals, seed)
            found.addBoth(lambda _: None)
            found.cancel()
            self.network.advance(10)
            for protocol in self.client.built:
                assert protocol.transport is not None
                protocol.transport.loseConnection()
            self.network.advance(10)

    def test_cancelLeavesNothing(self) -> None:
        """
        Canceling at a random time leaves nothing.
        """
        for seed in range(_RUNS):
            rng = Random(seed)
            endpoint, _, _ = self.newNetwork(rng)
            found = endpoint.connect(self.client)
            self.network.advance(rng.random() * 2)
            if found.called:
                found.addErrback(lambda failure: None)
                for protocol in self.client.built:
                    assert protocol.transport is not None
                    protocol.transport.loseConnection()
            else:
                found.cancel()
                self.failureResultOf(found, ConnectingCancelledError)
                self.assertEqual(self.client.built, [])
            self.network.advance(10)
            self.assertEqual(self.here.pending(), [], seed)
