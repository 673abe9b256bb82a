"""
Tests of L{twisted_ext.endpoints.happyeyeballs} with hosts and records as chance has them: what holds in every case.
"""

from __future__ import annotations

from random import Random
from typing import Final

from twisted.internet.error import ConnectingCancelledError

from tests.endpoints.reaching import ReachingTestCase
from twisted_ext.compat.conversion.errors import DNSServerError, NoAddressError
from twisted_ext.compat.resolvers import Resolver
from twisted_ext.discovery.targets import Target
from twisted_ext.endpoints.attempts import TargetsFailed
from twisted_ext.endpoints.endpoints import TargetsEndpoint
from twisted_ext.testing.network import MemoryNetwork
from twisted_ext.testing.servers import CannedServer, Reply

__all__: list[str] = []

#: Networks that are tried.
_RUNS: Final = 150

#: What becomes of those who connect to an address.
_FATES: Final = ("taken", "far", "refused", "dead", "dead", "refused")


class AnyhowTests(ReachingTestCase):
    """
    Whatever the targets are like.
    """

    def fresh(self, dice: Random) -> tuple[TargetsEndpoint, bool, set[str]]:
        """
        Set up another network.

        @return: an endpoint for a few targets, whether any of them can be reached, and the addresses that connections are taken at.
        """
        self.network = MemoryNetwork(seed=1)
        self.network.shape(delay=0.01)
        self.here = self.network.reactor("192.0.2.7", "2001:db8::7")
        self.watch()
        records: dict[tuple[str, str], Reply] = {}
        targets: list[Target] = []
        taken: set[str] = set()
        number = 100
        priority = 0
        for index in range(dice.randrange(6)):
            name = f"h{index}.example"
            for rrType, form in (("A", "192.0.2.{}"), ("AAAA", "2001:db8::{}")):
                addresses = []
                for _ in range(dice.randrange(3)):
                    number += 1
                    addresses.append(form.format(number))
                    fate = dice.choice(_FATES)
                    if fate in ("taken", "far"):
                        self.listen(addresses[-1])
                        taken.add(addresses[-1])
                    elif fate == "refused":
                        self.refuse(addresses[-1])
                    if fate == "far":
                        self.network.shape(addresses[-1], delay=dice.choice((0.2, 0.6, 1.5)))
                if addresses:
                    records[name, rrType] = addresses
            if dice.random() < 0.1:
                records[name, "A"] = 2
            priority += dice.randrange(2)
            targets.append(Target(name, 80, priority))
        known = {text for reply in records.values() if isinstance(reply, list) for text in reply}
        server = CannedServer(records, otherwise=[])
        server.delay = dice.choice((0.0, 0.0, 0.1, 0.4))
        where = server.listen(self.network.reactor("192.0.2.53"))
        resolver = Resolver(servers=[("192.0.2.53", where.port)], reactor=self.here)
        return TargetsEndpoint(self.here, targets, "it", resolver=resolver, timeout=3), bool(taken & known), taken

    def test_connects(self) -> None:
        """
        If any address can be connected to one is, and one only; if none can, the error says so. Nothing is left, and nobody is tried twice.
        """
        for seed in range(_RUNS):
            endpoint, possible, taken = self.fresh(Random(seed))
            found = endpoint.connect(self.client)
            self.network.advance(200)
            tried = [address for _, address in self.dials]
            self.assertEqual(len(set(tried)), len(tried), seed)
            self.assertEqual(len(self.client.built), int(possible), seed)
            if possible:
                self.assertIn(self.reached(found).split()[0], taken, seed)
            else:
                self.failureResultOf(found, TargetsFailed, NoAddressError, DNSServerError)
            self.network.advance(10)
            self.assertEqual(self.here.pending(), [], seed)

    def test_stagger(self) -> None:
        """
        More than four attempts in a second there are only if some have failed by then.
        """
        for seed in range(_RUNS):
            endpoint, _, _ = self.fresh(Random(seed))
            found = endpoint.connect(self.client)
            for _ in range(40):
                before = len(self.dials)
                self.network.advance(0.249)
                refusals = len(self.dials) - len(self.here.connectors) - len(self.client.built)
                self.assertLessEqual(len(self.dials) - before, 1 + refusals, seed)
            found.addBoth(lambda _: None)
            found.cancel()
            self.network.advance(10)
            for told in self.client.built:
                assert told.transport is not None
                told.transport.loseConnection()
            self.network.advance(10)

    def test_cancel(self) -> None:
        """
        Cancelled at any moment, nothing is left.
        """
        for seed in range(_RUNS):
            dice = Random(seed)
            endpoint, _, _ = self.fresh(dice)
            found = endpoint.connect(self.client)
            self.network.advance(dice.random() * 2)
            if found.called:
                found.addErrback(lambda failure: None)
                for told in self.client.built:
                    assert told.transport is not None
                    told.transport.loseConnection()
            else:
                found.cancel()
                self.failureResultOf(found, ConnectingCancelledError)
                self.assertEqual(self.client.built, [])
            self.network.advance(10)
            self.assertEqual(self.here.pending(), [], seed)
