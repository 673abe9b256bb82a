"""
Tests of L{twisted_ext.recursion.delegations} (attacks 7 and 19).
"""

from __future__ import annotations

from math import inf

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from tests.recursion.worlds import name, sets
from twisted_ext.recursion.delegations import Delegation, Delegations, FixedDelegation, NameServer
from twisted_ext.recursion.limits import (
    DELEGATION_SECONDS,
    DELEGATIONS,
    LAME_PAIRS,
    LAME_SECONDS,
    REFRESH_SECONDS,
    UNRESOLVED_SECONDS,
)
from twisted_ext.recursion.replies import Referral
from twisted_ext.wire.names import ROOT, labelCount
from twisted_ext.wire.records import RRSet
from twisted_ext.wire.rrtypes import AAAA, A


def glueFrom(*lines: str) -> dict[bytes, list[RRSet]]:
    """
    Return addresses by the name of the server.
    """
    found: dict[bytes, list[RRSet]] = {}
    for rrset in sets(*lines):
        found.setdefault(rrset.name.lower(), []).append(rrset)
    return found


class DelegationsCase(SynchronousTestCase):
    """
    Delegations that know the root.
    """

    def setUp(self) -> None:
        root = Delegation(ROOT, 0, (NameServer(name("a.root"), ("192.0.2.1",), inf),), inf)
        self.delegations = Delegations(root)

    def learn(
        self, zone: str, *servers: str, glue: tuple[str, ...] = (), ttl: int = 300, now: float = 0.0, until: float = inf
    ) -> Delegation:
        """
        Learn a delegation from its parent.
        """
        names = tuple([name(server) for server in servers])
        referral = Referral(name(zone), names, ttl, glueFrom(*glue), ())
        return self.delegations.learn(referral, now, labelCount(name(zone)), "192.0.2.1:53", until)

    def closest(self, text: str, now: float = 0.0) -> str:
        """
        Return the closest zone whose delegation is known, as text.
        """
        zone = self.delegations.closest(name(text), now).zone
        return "." if zone == ROOT else zone[1 : zone[0] + 1].decode()


class LearningTests(DelegationsCase):
    """
    Tests for L{Delegations}.
    """

    def test_closest(self) -> None:
        """
        The closest enclosing zone is found, for as long as its NS set lives.
        """
        self.learn("com", "ns.com")
        self.learn("example.com", "ns.example.com", ttl=60)
        self.assertEqual([self.closest(text) for text in ("www.example.com", "example.com", "com", "x.com", "org")],
                         ["example", "example", "com", "com", "."])  # fmt: skip
        self.assertEqual(self.closest("www.example.com", now=60), "com")
        self.assertEqual(self.closest("www.example.com", now=300), ".")

    def test_longTTL(self) -> None:
        """
        A delegation is used for a day at most.
        """
        learned = self.learn("com", "ns.com", ttl=10_000_000)
        self.assertEqual(learned.expires, DELEGATION_SECONDS.default)

    def test_childDoesNotProlongItself(self) -> None:
        """
        The list of servers that the zone itself sends is used, and the delegation still expires when that of the parent does (ghost
        domains).
        """
        learned = self.learn("example", "ns.example", glue=("ns.example 300 A 192.0.2.2",))
        learned.refine((name("ns.example"), name("ns2.example")), glueFrom("ns2.example 86400 A 192.0.2.3"), 299)
        self.assertEqual(learned.addresses(299, A), ["192.0.2.2", "192.0.2.3"])
        self.assertEqual(learned.expires, 300)
        self.assertEqual(self.closest("www.example", now=300), ".")

    def test_zonesBelowEndWithTheirParent(self) -> None:
        """
        A delegation expires with that of the zone which sent it: the servers of a zone that its parent has removed cannot keep it alive by
        new zones below it (Phoenix domains). Without the limit it would be used for a day more.
        """
        above = self.learn("example", "ns.example", ttl=300)
        below = self.learn("sub.example", "ns.example", ttl=86_400, now=299, until=above.expires)
        self.assertEqual(below.expires, 300)
        self.assertEqual(self.closest("www.sub.example", now=301), ".")
        self.learn("sub.example", "ns.example", ttl=86_400, now=299)
        self.assertEqual(self.closest("www.sub.example", now=301), "sub")

    def test_configuredZone(self) -> None:
        """
        Neither a referral nor the zone itself replaces servers that are configured, and they are not forgotten.
        """
        fixed = FixedDelegation(name("corp"), 1, [NameServer(name("corp"), ("192.0.2.9",), inf)])
        self.delegations = Delegations(self.delegations.root, fixed=[fixed])
        self.assertIs(self.learn("corp", "ns.evil"), fixed)
        fixed.refine((name("ns.evil"),), glueFrom("ns.evil A 192.0.2.66"), 0)
        self.delegations.drop(fixed)
        self.assertEqual(self.delegations.forget(), 0)
        self.assertIs(self.delegations.closest(name("www.corp"), 1e12), fixed)
        self.assertEqual(fixed.addresses(1e12, A), ["192.0.2.9"])
        self.assertFalse(fixed.mayHaveChanged(1e12))

    def test_forget(self) -> None:
        """
        A zone is forgotten with those below it.
        """
        for zone in ("com", "example.com", "a.example.com", "org"):
            self.learn(zone, "ns.net")
        self.assertEqual(self.delegations.forget(name("example.com")), 2)
        self.assertEqual(self.closest("a.example.com"), "com")
        self.assertEqual(self.delegations.forget(), 2)

    def test_room(self) -> None:
        """
        The number of delegations is limited, and those that are used stay.
        """
        most = int(DELEGATIONS.least)
        self.delegations = Delegations(self.delegations.root, most=most)
        self.learn("used", "ns.net", ttl=3600)
        for number in range(10 * most):
            self.learn(f"z{number}", "ns.net", ttl=3600)
            self.assertLessEqual(len(self.delegations), most)
            self.assertEqual(self.closest("www.used"), "used")

    def test_priming(self) -> None:
        """
        A priming reply replaces the hints, unless none of its servers has an address; the hints serve again when its servers fail.
        """
        hints = self.delegations.root
        names = (name("b.root"), name("c.root"))
        self.delegations.prime(names, {}, 3600, 0)
        self.assertIs(self.delegations.root, hints)
        self.assertIsNone(self.delegations.hinted())
        self.delegations.prime(names, glueFrom("b.root 60 A 192.0.2.2"), 3600, 0)
        self.assertEqual((self.delegations.root.addresses(3599, A), self.delegations.primedUntil), (["192.0.2.2"], 3600))
        self.assertIs(self.delegations.hinted(), hints)
        self.assertEqual(self.delegations.primedUntil, 0)


class ServersTests(DelegationsCase):
    """
    Tests for L{Delegation}.
    """

    def test_glueExpires(self) -> None:
        """
        Glue is used for its own TTL; afterwards the server's address has to be found.
        """
        learned = self.learn("example", "ns.example", "ns.other", glue=("ns.example 30 A 192.0.2.2", "ns.example 20 AAAA 2001:db8::1"))
        self.assertEqual(learned.addresses(19, A), ["192.0.2.2", "2001:db8::1"])
        self.assertEqual([server.name for server in learned.unresolved(19)], [name("ns.other")])
        self.assertEqual(learned.addresses(20, A), [])
        # A server inside of the zone comes last: to find it takes the zone.
        self.assertEqual([server.name for server in learned.unresolved(20)], [name("ns.other"), name("ns.example")])

    def test_unresolvable(self) -> None:
        """
        A server without address is not looked up again for a while.
        """
        learned = self.learn("example", "ns.other")
        (server,) = learned.servers
        server.failed(0)
        self.assertEqual(list(learned.unresolved(UNRESOLVED_SECONDS.default - 1)), [])
        self.assertEqual(list(learned.unresolved(UNRESOLVED_SECONDS.default)), [server])

    def test_lame(self) -> None:
        """
        A lame server is not asked about this zone and type for a while, by its address, and serves other zones and types.
        """
        glue = ("ns.example A 192.0.2.2", "ns.example A 192.0.2.3")
        lame, other = self.learn("example", "ns.example", glue=glue), self.learn("a.example", "ns.example", glue=glue)
        lame.isLame("192.0.2.2", A, 0)
        self.assertEqual(lame.addresses(0, A), ["192.0.2.3"])
        self.assertEqual(other.addresses(0, A), ["192.0.2.2", "192.0.2.3"])
        self.assertEqual((lame.addresses(0, AAAA), lame.lame(0, AAAA)), (["192.0.2.2", "192.0.2.3"], []))
        for rrType in range(100, 101 + int(LAME_PAIRS.default)):
            lame.isLame("192.0.2.9", rrType, 0)
        self.assertEqual((lame.lame(0, 100), lame.lame(0, 101)), ([], ["192.0.2.9"]))
        lame.isLame("192.0.2.2", A, 0)
        (server,) = lame.servers
        server.expires = inf
        self.assertEqual(lame.addresses(LAME_SECONDS.default, A), ["192.0.2.2", "192.0.2.3"])

    def test_parentsServersStayInReserve(self) -> None:
        """
        Servers, and addresses of them, that only the parent names are kept apart.
        """
        glue = ("ns.example A 192.0.2.2", "ns2.example A 192.0.2.3")
        learned = self.learn("example", "ns.example", "ns2.example", "ns.other", glue=glue)
        learned.refine((name("ns.example"), name("ns2.example")), glueFrom("ns.example A 192.0.2.4"), 0)
        self.assertEqual(learned.addresses(0, A), ["192.0.2.4", "192.0.2.3"])
        self.assertEqual(learned.addresses(0, A, spare=True), ["192.0.2.2"])
        self.assertEqual([server.name for server in learned.unresolved(0, spare=True)], [name("ns.other")])
        # A server that both name is known from before.
        learned.refine((name("ns.example"), name("ns.other")), {}, 0)
        learned.refine((name("ns2.example"),), {}, 0)
        self.assertEqual(learned.addresses(0, A), ["192.0.2.3"])

    def test_glueOfOtherZones(self) -> None:
        """
        Glue for the servers of a zone is found in the referrals to the zones that these servers are in, and nowhere else.
        """
        learned = self.learn("example", "ns.a.net", "ns.b.net", "ns.c.net")
        self.learn("a.net", "ns.a.net", glue=("ns.a.net A 192.0.2.2",))
        self.learn("net", "ns.b.net", glue=("ns.b.net 100 A 192.0.2.3",))
        # A zone that the server is not in.
        self.learn("org", "ns.c.net", glue=("ns.c.net A 192.0.2.66",))
        self.assertEqual(self.delegations.glued(learned, 0, A), ["192.0.2.2", "192.0.2.3"])
        self.assertEqual(self.delegations.glued(learned, 100, A), ["192.0.2.2"])
        learned.isLame("192.0.2.2", A, 0)
        self.assertEqual(self.delegations.glued(learned, 0, A), ["192.0.2.3"])

    def test_parentIsNotAskedAgainAtOnce(self) -> None:
        """
        A parent may know something newer after a while, or when the addresses that it sent have expired.
        """
        learned = self.learn("example", "ns.example", glue=("ns.example 10 A 192.0.2.2",))
        self.assertFalse(learned.mayHaveChanged(9))
        self.assertTrue(learned.mayHaveChanged(10))
        learned = self.learn("example", "ns.other")
        self.assertFalse(learned.mayHaveChanged(REFRESH_SECONDS.default - 1))
        self.assertTrue(learned.mayHaveChanged(REFRESH_SECONDS.default))


_ZONES = st.sampled_from(["a", "b.a", "c.b.a", "d.c.b.a", "b", "x.b"])


@given(st.lists(st.tuples(_ZONES, st.integers(0, 500), st.integers(0, 100)), max_size=30), _ZONES)
def test_noDelegationOutlivesItsParent(steps: list[tuple[str, int, int]], last: str) -> None:
    """
    In whatever order zones refer to each other, no delegation is used after those that led to it have expired.
    """
    root = Delegation(ROOT, 0, (NameServer(name("a.root"), ("192.0.2.1",), inf),), inf)
    delegations = Delegations(root)
    now = 0.0
    ends: dict[bytes, float] = {ROOT: inf}
    for zone, ttl, later in steps:
        now += later
        folded = name(zone)
        above = delegations.closest(folded[folded[0] + 1 :], now)
        referral = Referral(folded, (name("ns.example"),), ttl, {}, ())
        delegations.learn(referral, now, labelCount(folded), "", above.expires)
        ends[folded] = min(now + ttl, ends[above.zone])
    found = delegations.closest(name(last), now)
    assert now < ends[found.zone]
