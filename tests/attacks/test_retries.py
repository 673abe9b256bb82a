"""
Attack 13 on recursion, what a name costs: servers that do not help get few queries for one question (RFC 9520, section 3.1).
"""

from __future__ import annotations

from collections import Counter

from twisted.trial.unittest import SynchronousTestCase

from tests.resolver.recursive.stacks import Stack
from twisted_ext.errors import ServerFailed
from twisted_ext.resolver.recursive import pool
from twisted_ext.testing.internet import Fault, Internet

#: How many queries a name takes, by what is wrong with the servers, and their number.
_QUERIES = {
    (Fault.DEAD, 1): 4,
    (Fault.DEAD, 2): 6,
    (Fault.DEAD, 3): 8,
    (Fault.SERVFAIL, 1): 2,
    (Fault.SERVFAIL, 2): 4,
    (Fault.SERVFAIL, 3): 6,
    (Fault.REFUSES, 3): 3,
}


class RetryTests(SynchronousTestCase):
    """
    Tests of one name of a zone whose servers are all of one kind.
    """

    def queries(self, fault: Fault, servers: int, name: str = "q.example.org") -> Counter[tuple[str, str, str]]:
        """
        Return how many queries a look-up sends for each question, to each server, over each transport.
        """
        internet = Internet(seed=4, families=(4,), signed=False)
        zone = internet.zone("example.org", "w A 192.0.2.80", servers=[f"ns{number}.example.org" for number in range(servers)])
        stack = Stack(internet, validate=False)
        internet.inject(fault, "example.org")
        with self.assertRaises(ServerFailed):
            stack.look(name, seconds=10)
        internet.advance(5)
        asked = [each for each in internet.exchanges if each.server in zone.servers]
        return Counter([(str(each.query.questions[0]), each.server.addresses[0], each.transport) for each in asked])

    def test_eachServerGetsThree(self) -> None:
        """
        No server gets more than three queries for a question over one transport, also if a shortened name fails first. With more tries
        they would get more.
        """
        for fault in (Fault.DEAD, Fault.SERVFAIL):
            for name in ("q.example.org", "a.b.c.example.org"):
                for servers in (1, 2, 3):
                    self.assertLessEqual(max(self.queries(fault, servers, name).values()), 3, (fault, name, servers))
        self.patch(pool, "_TRIES", 5)
        self.assertGreater(max(self.queries(Fault.DEAD, 1).values()), 3)

    def test_queriesForAName(self) -> None:
        """
        A name takes as many queries as the documentation says.
        """
        for (fault, servers), count in _QUERIES.items():
            self.assertEqual(self.queries(fault, servers).total(), count, (fault, servers))
