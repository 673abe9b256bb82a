"""
Tests of look-ups while name servers are stopped and started again, with L{twisted_ext.testing.internet}.
"""

from __future__ import annotations

from collections import Counter
from random import Random
from typing import TYPE_CHECKING, TypeVar

from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from tests.resolver.recursive.stacks import Stack
from twisted_ext.answers import Answer, QueryContext
from twisted_ext.errors import Closed, DNSFault, ServerFailed
from twisted_ext.recursion import delegations, iteration
from twisted_ext.resolver.ask import behind, lookUp
from twisted_ext.resolver.forward.troubles import Tried
from twisted_ext.resolver.recursive.source import RecursiveSource
from twisted_ext.testing.internet import Fault, Internet, NameServer
from twisted_ext.testing.sources import questionOf
from twisted_ext.wire.names import nameToText

if TYPE_CHECKING:
    from _typeshed import SupportsLenAndGetItem

_T = TypeVar("_T")

_SERVERS = ("ns1.example.org", "ns2.example.org")


class _Last(Random):
    """
    Chooses the last server of a zone whenever the resolver leaves it to chance which one is asked first.
    """

    def randrange(self, start: int, stop: int | None = None, step: int = 1) -> int:
        return (start if stop is None else stop) - 1

    def choice(self, seq: SupportsLenAndGetItem[_T]) -> _T:
        return seq[len(seq) - 1]


class RestartTests(SynchronousTestCase):
    """
    Tests of a zone whose servers have replied before.
    """

    def setUp(self) -> None:
        self.internet = internet = Internet(seed=4, families=(4,), signed=False)
        internet.zone("example.org", "* 300 A 192.0.2.80", servers=_SERVERS)
        self.stack = Stack(internet, validate=False)
        for number in range(8):
            self.stack.look(f"w{number}.example.org")

    def look(self, name: str, seconds: float = 5) -> tuple[bool, float]:
        """
        Return whether a name is resolved, and the seconds that it takes.
        """
        began = self.internet.time()
        try:
            self.stack.look(name, seconds=seconds)
        except DNSFault:
            return False, self.internet.time() - began
        return True, self.internet.time() - began

    def sent(self) -> Counter[str]:
        """
        Return how many datagrams were sent to each server of the zone, also to those that nothing listened to.
        """
        network = self.internet.network
        return Counter({name: sum(network.sent[each, 53] for each in self.server(name).addresses) for name in _SERVERS})

    def server(self, name: str) -> NameServer:
        """
        Return a server by its name.
        """
        return next(each for each in self.internet.servers.values() if nameToText(each.name, final=False) == name)

    def stop(self, fault: Fault = Fault.CLOSED, *names: str) -> None:
        """
        Stop servers, all by default.
        """
        for name in names or _SERVERS:
            self.internet.inject(fault, name)

    def test_restartWithinTheDeadline(self) -> None:
        """
        A look-up that finds all servers refusing is answered if one of them is started within two seconds. Without pauses it would fail at
        once.
        """
        for seconds in (0.3, 1.9):
            self.stop()
            self.internet.after(seconds, self.internet.clear)
            found, took = self.look(f"q{seconds}.example.org")
            self.assertTrue(found)
            self.assertLess(took, 2.5)
        self.patch(iteration, "_PAUSES", ())
        self.stop()
        self.internet.after(0.3, self.internet.clear)
        self.assertFalse(self.look("other.example.org")[0])

    def test_threeQueriesForEachServer(self) -> None:
        """
        If they stay stopped, the look-up fails after two pauses, and each has got three queries (RFC 9520, section 3.1).
        """
        self.stop()
        before = self.sent()
        found, took = self.look("q.example.org")
        self.assertFalse(found)
        self.assertLess(took, 2.5)
        self.assertEqual(self.sent() - before, Counter(dict.fromkeys(_SERVERS, 3)))

    def test_longStopIsNotWaitedFor(self) -> None:
        """
        Once all servers have refused for a while, look-ups fail at once, with one query for each server, until one has replied again.
        """
        self.stop()
        self.look("q1.example.org")
        self.internet.advance(20)
        before = self.sent()
        found, took = self.look("q2.example.org")
        self.assertEqual((found, took < 0.2), (False, True))
        self.assertEqual(self.sent() - before, Counter(dict.fromkeys(_SERVERS, 1)))
        self.internet.clear()
        self.assertTrue(self.look("q3.example.org")[0])
        self.stop()
        self.assertGreater(self.look("q4.example.org")[1], 2)

    def test_shortDeadline(self) -> None:
        """
        No pause is longer than the time that is left.
        """
        self.stop()
        (source,) = behind(self.stack.source, RecursiveSource)
        began = self.internet.time()
        context = QueryContext(self.stack.reactor.seconds() + 0.7)
        with self.assertRaises(ServerFailed):
            self.internet.wait(lookUp(source, questionOf("q.example.org"), context))
        self.assertLess(self.internet.time() - began, 0.2)

    def test_serversThatNeverReplied(self) -> None:
        """
        Hosts that have never replied get one query: an attacker's referral can name any.
        """
        self.internet.zone("example.net", "* 300 A 192.0.2.81", servers=("ns.example.net",))
        self.internet.inject(Fault.CLOSED, "ns.example.net")
        self.assertLess(self.look("www.example.net")[1], 0.2)
        address = self.server("ns.example.net").addresses[0]
        self.assertEqual(self.internet.network.sent[address, 53], 1)

    def test_restartBesideASilentServer(self) -> None:
        """
        If one server is silent and the other one is started again meanwhile, the look-up asks that again. Without that it would fail.
        """
        self.assertTrue(self.beside())
        self.setUp()
        self.patch(Tried, "mayReturn", lambda tried, now: False)
        self.assertFalse(self.beside())

    def beside(self) -> bool:
        """
        Return whether a name is resolved while one server is silent, and the other, which is asked first, is started again after a moment.
        """
        self.stack.pool.random = _Last()
        self.stop(Fault.DEAD, _SERVERS[0])
        self.stop(Fault.CLOSED, _SERVERS[1])
        self.internet.after(0.1, self.internet.clear, Fault.CLOSED, _SERVERS[1])
        return self.look("q.example.org")[0]

    def test_closedDuringAPause(self) -> None:
        """
        When the resolver is closed, look-ups that wait end, and no timer is left behind. When they are cancelled, neither.
        """
        for end in (True, False):
            self.stop()
            context = QueryContext(self.stack.reactor.seconds() + 5)
            looking = lookUp(self.stack.source, questionOf(f"q{end}.example.org"), context)
            self.internet.advance(0.3)
            self.assertNoResult(looking)
            if end:
                looking.addErrback(lambda _: None)
                looking.cancel()
                self.internet.advance(0)
                self.assertEqual(self.stack.pool.waiting, set())
            else:
                self.successResultOf(self.stack.source.close())
                self.failureResultOf(looking, DNSFault, Closed)
        self.internet.advance(1)
        self.assertEqual(self.stack.reactor.pending(), [])


class LoadTests(SynchronousTestCase):
    """
    Tests of look-ups in many zones, of whose servers a third is stopped at any time.
    """

    def failures(self) -> tuple[int, float]:
        """
        Resolve names in twelve zones with two servers each for four minutes, each server being up for some 20 seconds and down for 8.

        @return: how many look-ups failed, and the queries for each of them.
        """
        random = Random(7)
        internet = Internet(seed=7, families=(4,), signed=False, remember=10)
        zones = [f"z{number}.org" for number in range(12)]
        results: list[bool] = []
        stopped: set[str] = set()

        def turn(server: str) -> None:
            if server in stopped:
                stopped.remove(server)
                internet.clear(Fault.CLOSED, server)
                internet.after(random.expovariate(1 / 20), turn, server)
            else:
                stopped.add(server)
                internet.inject(Fault.CLOSED, server)
                internet.after(random.expovariate(1 / 8), turn, server)

        for zone in zones:
            internet.zone(zone, "* 5 A 192.0.2.80", servers=(f"ns1.{zone}", f"ns2.{zone}"))
            for server in (f"ns1.{zone}", f"ns2.{zone}"):
                internet.after(random.expovariate(1 / 20), turn, server)
        stack = Stack(internet, validate=False)
        stack.pool.random = Random(7)

        def arrived(outcome: Answer | Failure) -> None:
            results.append(isinstance(outcome, Answer))

        def begin() -> None:
            name = f"n{random.randrange(10)}.{random.choice(zones)}"
            lookUp(stack.source, questionOf(name), QueryContext(stack.reactor.seconds() + 5)).addBoth(arrived)

        for number in range(1200):
            internet.after(number / 5, begin)
        for _ in range(250):
            internet.advance(1)
        network = internet.network
        queries = sum(count for (_, port), count in network.sent.items() if port == 53) + sum(network.dialed.values())
        return results.count(False), queries / len(results)

    def test_shareOfFailures(self) -> None:
        """
        Most look-ups during short outages succeed, for few more queries. Without pauses, twice as many fail.
        """
        failed, queries = self.failures()
        self.patch(iteration, "_PAUSES", ())
        self.patch(Tried, "mayReturn", lambda tried, now: False)
        self.patch(delegations, "_RECENTLY_SILENT", 5.0)
        without, fewer = self.failures()
        self.assertLess(failed, 0.6 * without)
        self.assertLess(queries, 1.15 * fewer)
