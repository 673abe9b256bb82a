"""
Tests of rates that several workers share.
"""

from __future__ import annotations

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from twisted_ext.server.config.settings import Settings
from twisted_ext.server.features.base.feature import Feature, Site
from twisted_ext.server.features.rates.feature import ClientRateFeature, ResponseRateFeature
from twisted_ext.server.reply.gates import RateGate
from twisted_ext.server.reply.ratelimit import ClientRateLimit
from twisted_ext.server.reply.rrl import ResponseRateLimit

_CLIENT = "203.0.113.7"


class RatesOfWorkersTests(SynchronousTestCase):
    """
    Tests of what a client gets from all workers together.
    """

    def limits(self, feature: Feature, workers: int, rate: int) -> list[object]:
        """
        Return the limit of each worker.
        """
        made: list[object] = []
        settings = Settings({"workers": workers, "response-rate": rate, "client-rate": rate})
        for _ in range(workers):
            active = feature.make(Site(Clock(), settings), None)
            assert active is not None
            gate = active.parts[0].gate if active.parts else None
            made.append(gate._rates if isinstance(gate, RateGate) else active.limiting)
        return made

    def replies(self, workers: int, rate: int, queries: int = 2000, seconds: float = 2.0) -> int:
        """
        Return how many replies a network gets that is flooded through all workers.
        """
        limits = self.limits(ResponseRateFeature(), workers, rate)
        sent = 0
        for number in range(queries):
            now = 1000.0 + number * seconds / queries
            limit = limits[number * 7 % workers]
            assert isinstance(limit, ResponseRateLimit)
            accounts = limit.accountsFor(_CLIENT, now)
            assert accounts is not None
            sent += limit.takes(accounts[0], now)
        return sent

    def admitted(self, workers: int, rate: int, ports: int, seconds: int = 10) -> int:
        """
        Return how many of a client's queries are answered, 1,000 a second from that many ports.
        """
        limits = self.limits(ClientRateFeature(), workers, rate)
        count = 0
        for number in range(1000 * seconds):
            now = 1000.0 + number / 1000
            limit = limits[number % ports % workers]
            assert isinstance(limit, ClientRateLimit)
            count += limit.take(limit.bucketFor(_CLIENT, now), now)
        return count

    def test_replies(self) -> None:
        """
        A flooded network gets no more replies from several workers than from one.
        """
        alone = self.replies(1, 20)
        for workers in (2, 4, 8):
            self.assertLessEqual(abs(self.replies(workers, 20) - alone), workers, workers)

    def test_clients(self) -> None:
        """
        A client that asks from many ports gets the whole rate, and one that asks from a single port the share of one worker.
        """
        alone = self.admitted(1, 100, 1)
        self.assertLessEqual(abs(self.admitted(4, 100, 64) - alone), 4)
        self.assertLessEqual(abs(self.admitted(4, 100, 1) - alone // 4), 1)

    def test_least(self) -> None:
        """
        Each worker answers something: a share is never less than 1. A rate of 0 is no limit, however many workers there are.
        """
        for limit in self.limits(ResponseRateFeature(), 4, 2) + self.limits(ClientRateFeature(), 4, 2):
            assert isinstance(limit, ResponseRateLimit | ClientRateLimit)
            self.assertEqual(limit.perSecond, 1.0)
        for limit in self.limits(ResponseRateFeature(), 4, 10):
            assert isinstance(limit, ResponseRateLimit)
            self.assertEqual(limit.perSecond, 2.5)
        for feature in (ResponseRateFeature(), ClientRateFeature()):
            self.assertIsNone(feature.make(Site(Clock(), Settings({"workers": 4})), None))
