"""
Tests of addresses that take turns, in a whole server on a memory network.
"""

from __future__ import annotations

from collections import Counter
from ipaddress import ip_address

from tests.server.test_service import ServiceCase
from twisted_ext.wire.rrtypes import CNAME, A


class RoundRobinTests(ServiceCase):
    def orders(self, name: str, seconds: int) -> list[tuple[str, ...]]:
        """
        Query a name each second, and return the addresses of each reply.
        """
        found: list[tuple[str, ...]] = []
        for _ in range(seconds):
            reply = self.asked(name)
            assert reply is not None
            found.append(tuple([str(ip_address(rdata)) for rrset in reply.answer if rrset.rrType == A for rdata in rrset.rdatas]))
            self.network.advance(1.0)
        return found

    def test_turns(self) -> None:
        """
        Over a minute each address is the first one as often as the others, also behind an alias; no address is lost, and TTLs go down.
        """
        addresses = ["192.0.2.1", "192.0.2.2", "192.0.2.3"]
        self.upstream.set("www.example", "A", addresses)
        self.upstream.set("alias.example", "CNAME", "www.example.")
        self.service = self.run_(rrsetRoundrobin=True)
        for name in ("www.example", "alias.example"):
            orders = self.orders(name, 62)[2:]
            self.assertEqual({tuple(sorted(each)) for each in orders}, {tuple(addresses)})
            firsts = Counter([each[0] for each in orders])
            self.assertTrue(all(18 <= firsts[each] <= 22 for each in addresses), (name, firsts))
        self.assertGreater(self.service.counters.hits, 100)
        first, second = self.asked("alias.example"), self.asked("alias.example")
        assert first is not None and second is not None
        self.assertEqual(first.answer[0].rrType, CNAME)
        self.network.advance(5.0)
        later = self.asked("alias.example")
        assert later is not None
        passed = {before.ttl - rrset.ttl for before, rrset in zip(second.answer, later.answer, strict=True)}
        self.assertIn(passed, ({5}, {6}))

    def test_offAndReload(self) -> None:
        """
        They stay in their order unless that is set; a reload sets it, and takes it back.
        """
        self.upstream.set("www.example", "A", ["192.0.2.1", "192.0.2.2"])
        self.service = self.run_()
        self.assertEqual(len(set(self.orders("www.example", 8))), 1)
        for isSet, count in ((True, 2), (False, 1)):
            self.wanted = self.settings(rrsetRoundrobin=isSet)
            self.successResultOf(self.service.reload())
            self.orders("www.example", 3)
            self.assertEqual((len(set(self.orders("www.example", 8))), isSet), (count, isSet))
