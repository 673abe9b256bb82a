"""
Tests of L{twisted_ext.resolver.recursive.pool}: which servers are asked, in a simulated internet with slow, dead and lame ones.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from random import Random
from unittest.mock import patch

from twisted.trial.unittest import SynchronousTestCase

from twisted_ext.answers import Answer, QueryContext
from twisted_ext.errors import DNSFault
from twisted_ext.recursion.hints import rootFromText
from twisted_ext.resolver.ask import lookUp
from twisted_ext.resolver.recursive.pool import ServerPool, ZoneServers
from twisted_ext.resolver.recursive.source import RecursiveSource
from twisted_ext.testing.internet import Fault, Internet
from twisted_ext.testing.sources import questionOf
from twisted_ext.wire.names import nameToText

_MODULE = "twisted_ext.resolver.recursive.pool"


class PoolCase(SynchronousTestCase):
    """
    An internet with C{example.org}, and a resolver without a cache for answers.
    """

    families: Sequence[int] = (4,)
    rootServers: Sequence[str] = ("a.root-servers.net",)
    servers: Sequence[str] = ("ns1.example.org", "ns2.example.org")

    def setUp(self) -> None:
        self.internet = internet = Internet(seed=4, families=self.families, rootServers=self.rootServers, signed=False)
        internet.zone("example.org", "* 300 A 192.0.2.80", servers=self.servers)
        self.number = 0
        self.source = self.resolver()

    def resolver(self, *addresses: str) -> RecursiveSource:
        """
        Return a resolver on a host of its own, whose choices are the same in each run.
        """
        here = self.internet.reactor(*addresses)
        pool = ServerPool(here)
        pool.random = Random(7)
        source = RecursiveSource(here, rootFromText(self.internet.hints, "hints"), pool=pool)
        self.addCleanup(lambda: self.assertEqual(here.pending(), []))
        self.addCleanup(source.close)
        return source

    def look(self, text: str = "") -> tuple[Answer, float]:
        """
        Resolve a name, by default a new one in C{example.org}.

        @return: the answer, and the seconds that it took.

        @raise DNSFault: that fails.
        """
        self.number += 1
        began = self.internet.time()
        context = QueryContext(self.source.seconds() + 10)
        answer = self.internet.wait(lookUp(self.source, questionOf(text or f"n{self.number}.example.org"), context), 12)
        return answer, self.internet.time() - began

    def shares(self, count: int) -> Counter[str]:
        """
        Resolve new names, one after the other, and return how many queries each server got.
        """
        self.internet.exchanges.clear()
        for _ in range(count):
            self.look()
        return Counter([nameToText(each.server.name, final=False) for each in self.internet.exchanges])


class ChoiceTests(PoolCase):
    """
    The choice of a server.
    """

    def test_fastServersGetTheQueries(self) -> None:
        """
        A slow server gets few queries, but some; without exploration it would get none once it is known.
        """
        self.internet.link("ns2.example.org", rtt=0.2)
        self.shares(10)
        shares = self.shares(300)
        self.assertGreater(shares["ns2.example.org"], 0)
        self.assertLess(shares["ns2.example.org"], 30)
        with patch(f"{_MODULE}._EXPLORE", 1 << 40):
            self.assertEqual(self.shares(300)["ns2.example.org"], 0)

    def test_equalServersGetEqualShares(self) -> None:
        """
        Servers whose times differ by noise only are asked equally often, which makes the choice hard to predict.
        """
        self.internet.link("ns2.example.org", rtt=0.022)
        shares = self.shares(300)
        self.assertGreater(min(shares["ns1.example.org"], shares["ns2.example.org"]), 100)

    def test_slowServerThatHasBecomeFast(self) -> None:
        """
        A server that has become the fastest is noticed, and gets the queries.
        """
        self.internet.link("ns1.example.org", rtt=0.1)
        self.internet.link("ns2.example.org", rtt=0.3)
        self.shares(50)
        self.internet.link("ns2.example.org", rtt=0.01)
        self.shares(400)
        self.assertGreater(self.shares(100)["ns2.example.org"], 80)

    def test_deadServerIsRemembered(self) -> None:
        """
        A dead server holds up few look-ups, by its address and not for each zone, and is asked again once it is back. If it is the only
        server of another zone whose address is known, that of another one is found first.
        """
        self.internet.zone("example.net", "* 300 A 192.0.2.81", servers=self.servers)
        self.internet.inject(Fault.DEAD, "ns1.example.org")
        slow = [took for _, took in [self.look() for _ in range(30)] if took > 0.1]
        self.assertLessEqual(len(slow), 3)
        self.assertLess(self.look("www.example.net")[1], 0.2)
        self.internet.clear(Fault.DEAD, "ns1.example.org")
        self.internet.advance(3600)
        self.shares(1000)
        self.assertGreater(self.shares(100)["ns1.example.org"], 20)

    def test_lameServer(self) -> None:
        """
        A server that does not serve the zone is asked about it once.
        """
        for fault in (Fault.LAME_UPWARD, Fault.SELF_REFERRAL):
            self.source.delegations.forget()
            self.internet.inject(fault, "ns1.example.org")
            self.shares(20)
            self.assertEqual(self.shares(50)["ns1.example.org"], 0, fault)
            self.internet.clear(fault)

    def test_allServersAreDead(self) -> None:
        """
        A zone whose servers are all dead fails before the deadline, and does not hold up other zones.
        """
        self.internet.zone("example.net", "* 300 A 192.0.2.81")
        self.look("www.example.net")
        self.look()
        for server in self.servers:
            self.internet.inject(Fault.DEAD, server)
        with self.assertRaises(DNSFault):
            self.look()
        self.assertLess(self.look("other.example.net")[1], 0.1)


class ThirteenTests(PoolCase):
    """
    Thirteen servers, of which twelve are dead.
    """

    servers = tuple([f"ns{number}.example.org" for number in range(13)])
    rootServers = tuple([f"{letter}.root-servers.net" for letter in "abcdefghijklm"])

    def test_twelveServersOfTheZoneAreDead(self) -> None:
        """
        The one that replies is found within the time of a look-up, and is the only one to hold up later look-ups.
        """
        for server in self.servers[:12]:
            self.internet.inject(Fault.DEAD, server)
        self.assertEqual(len(self.look()[0].answer), 1)
        for _ in range(20):
            self.look()
        slow = [took for _, took in [self.look() for _ in range(50)] if took > 0.1]
        self.assertLessEqual(len(slow), 3)

    def test_twelveServersOfTheRootAreDead(self) -> None:
        """
        The root is found behind the one of its servers that replies, priming included.
        """
        for server in self.rootServers[:12]:
            self.internet.inject(Fault.DEAD, server)
        self.assertEqual(len(self.look()[0].answer), 1)


class FamiliesTests(PoolCase):
    """
    Hosts with one family of addresses, while all servers have both.
    """

    families = (4, 6)

    def seconds(self, *addresses: str) -> float:
        """
        Return how long ten look-ups take from a host with these addresses.
        """
        self.source = self.resolver(*addresses)
        return sum([self.look()[1] for _ in range(10)])

    def test_hostWithoutAFamily(self) -> None:
        """
        A host without IPv6, or without IPv4, loses no time to servers' addresses that it cannot reach.
        """
        both = self.seconds("192.0.2.201", "2001:db8::201")
        for address in ("192.0.2.202", "2001:db8::202"):
            self.assertAlmostEqual(self.seconds(address), both, delta=0.001)


class GroupsTests(PoolCase):
    """
    Tests for L{ServerPool}.
    """

    def test_serversAreForgotten(self) -> None:
        """
        The number of remembered servers is limited.
        """
        pool = ServerPool(self.internet.reactor(), most=100)
        for number in range(1000):
            pool.at(f"198.51.{number // 250}.{number % 250}")
            self.assertLessEqual(len(pool), 100)

    def test_firstOfWorkingServers(self) -> None:
        """
        A look-up begins with a server that works, one not measured yet before others, and with any if none works.
        """
        pool = ServerPool(self.internet.reactor())
        servers = ZoneServers(pool, ("198.51.100.1", "198.51.100.2", "198.51.100.3"))
        servers.standings[0].downUntil = 100
        servers.standings[1].replied(0.01)
        self.assertEqual({servers.first(50) for _ in range(50)}, {2})
        servers.standings[2].downUntil = 100
        self.assertEqual({servers.first(50) for _ in range(50)}, {1})
        servers.standings[1].downUntil = 100
        self.assertEqual({servers.first(50) for _ in range(200)}, {0, 1, 2})
