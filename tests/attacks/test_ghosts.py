"""
Attack 19: domains that their parent has removed, and that keep themselves alive in resolvers (ghost domains, 2012; phoenix domains, 2023;
CVE-2026-40622, CVE-2026-42955).
"""

from __future__ import annotations

from math import inf
from unittest.mock import patch

from tests.attacks.validated import Resolver, ValidatedTestCase
from twisted_ext.answers import Outcome
from twisted_ext.recursion.delegations import Delegation, Delegations, NameServer
from twisted_ext.recursion.replies import Referral
from twisted_ext.testing.internet import InternetZone
from twisted_ext.wire.names import nameFromText
from twisted_ext.wire.records import RRSet

#: Seconds for which the parent delegates a zone.
TTL = 3600

#: The records of the attacker's zones: its own servers for a month.
RECORDS = """
@ 2592000 NS ns1
@ 2592000 NS ns2
www 1 A 192.0.2.66
"""

_learn = Delegations.learn
_refine = Delegation.refine


def learnFor(
    delegations: Delegations, referral: Referral, now: float, labels: int, referrer: str = "", until: float = inf
) -> Delegation:
    """
    Learn a delegation for as long as the parent says, whether the parent itself still exists or not.
    """
    return _learn(delegations, referral, now, labels, referrer)


def refineFor(delegation: Delegation, names: tuple[bytes, ...], glue: dict[bytes, list[RRSet]], now: float) -> None:
    """
    Take the TTL of the zone's own NS records.
    """
    _refine(delegation, names, glue, now)
    delegation.expires = now + 2_592_000
    for server in delegation.servers:
        server.expires = inf


class GhostTests(ValidatedTestCase):
    """
    Tests with a domain that its parent removes, while a client asks for its names all the time.
    """

    def begin(self, *domains: str) -> Resolver:
        """
        Make unsigned zones of the attacker, and return a resolver.
        """
        for domain in domains:
            self.internet.zone(domain, RECORDS, signed=False)
        return self.resolver()

    def zone(self, domain: str) -> InternetZone:
        return self.internet.zones[nameFromText(domain)]

    def remove(self) -> None:
        """
        Have the parent remove the domain. Its servers go on.
        """
        self.internet.delegate("evil.test", None)

    def lives(self, resolver: Resolver, name: str) -> bool:
        """
        Return whether a name has an address, for a client that sets CD: a validator would ask the parent for the proof that the domain is
        not signed.
        """
        return resolver.look(name, checkingDisabled=True).outcome is Outcome.DATA

    def secondsAlive(self, resolver: Resolver) -> float:
        """
        Have the domain removed, and ask for its records and for its servers every minute.

        @return: the seconds for which it is resolved after the first look-up; at most ten times the parent's TTL.
        """
        self.assertTrue(self.lives(resolver, "www.evil.test"))
        began = resolver.here.seconds()
        self.remove()
        while self.lives(resolver, "www.evil.test") and resolver.here.seconds() - began < 10 * TTL:
            resolver.look("evil.test", "NS", checkingDisabled=True)
            resolver.look("ns1.evil.test", checkingDisabled=True)
            self.internet.advance(60)
        return resolver.here.seconds() - began

    def test_domainEndsWithTheParentsTTL(self) -> None:
        """
        The domain is gone when the TTL of the parent's NS records is over, although its own are valid for a month. Its servers are not
        asked afterwards.
        """
        resolver = self.begin("evil.test")
        self.assertLess(abs(self.secondsAlive(resolver) - TTL), 61)
        before = len(self.asked())
        self.assertFalse(self.lives(resolver, "other.evil.test"))
        self.assertEqual(len(self.asked()), before)
        self.othersResolve(resolver)

    def test_withTheChildsTTLItLives(self) -> None:
        """
        If the TTL of the zone's own NS records counted, it would go on.
        """
        with patch.object(Delegation, "refine", refineFor):
            self.assertGreaterEqual(self.secondsAlive(self.begin("evil.test")), 10 * TTL)

    def descend(self, resolver: Resolver) -> tuple[list[str], float]:
        """
        Learn a deeper zone shortly before the delegation of the last one expires, and so on.

        @return: the zones, and the seconds for which the deepest one is resolved after the first look-up.
        """
        domains = ["evil.test", "a.evil.test", "b.a.evil.test", "c.b.a.evil.test"]
        self.assertTrue(self.lives(resolver, "www.evil.test"))
        began = resolver.here.seconds()
        self.remove()
        for domain in domains[1:]:
            self.internet.advance(TTL - 10)
            if not self.lives(resolver, f"www.{domain}"):
                break
            self.internet.advance(2)
            if not self.lives(resolver, f"www.{domain}"):
                break
        return domains, resolver.here.seconds() - began

    def test_subdomainsEndWithTheDomain(self) -> None:
        """
        A zone below, which is found shortly before the domain expires, expires with it (T1).
        """
        resolver = self.begin("evil.test", "a.evil.test", "b.a.evil.test", "c.b.a.evil.test")
        domains, seconds = self.descend(resolver)
        self.assertLess(seconds, 2 * TTL)
        self.internet.advance(10)
        for domain in domains:
            before = len(self.asked(domain))
            self.assertFalse(self.lives(resolver, f"www.{domain}"))
            self.assertEqual(len(self.asked(domain)), before)

    def test_withTheirOwnTTLSubdomainsLive(self) -> None:
        """
        If delegations outlived those that lead to them, the domain would go on in names that are deeper and deeper.
        """
        with patch.object(Delegations, "learn", learnFor):
            resolver = self.begin("evil.test", "a.evil.test", "b.a.evil.test", "c.b.a.evil.test")
            _, seconds = self.descend(resolver)
        self.assertGreater(seconds, 3 * TTL - 30)

    def test_lateRepliesDoNotRevive(self) -> None:
        """
        A query that is sent before the delegation expires and answered afterwards does not renew it (T2), neither by NS records nor by a
        referral.
        """
        for name in ("evil.test", "www.a.evil.test"):
            self.beginAnew()
            resolver = self.begin("evil.test", "a.evil.test")
            self.assertTrue(self.lives(resolver, "www.evil.test"))
            self.remove()
            self.internet.advance(TTL - 0.1)
            for server in self.zone("evil.test").servers:
                server.delay = 0.25
            resolver.look(name, "NS" if name == "evil.test" else "A", checkingDisabled=True)
            for domain in ("www.evil.test", "other.a.evil.test"):
                self.assertFalse(self.lives(resolver, domain))
            self.assertIsNone(resolver.recursive.delegations.find(nameFromText("a.evil.test"), resolver.here.seconds()))

    def test_movedDomainLeavesItsOldServers(self) -> None:
        """
        A domain that has moved to other servers is asked there when the TTL is over, even if the new ones do not reply.
        """
        resolver = self.begin("evil.test")
        self.assertTrue(self.lives(resolver, "www.evil.test"))
        resolver.look("evil.test", "NS")
        resolver.look("ns1.evil.test")
        old = list(self.zone("evil.test").servers)
        self.internet.zone("new.test", "", servers=["ns.new.test"])
        above = self.zone("test")
        above.children.remove(self.zone("evil.test"))
        above.add("evil 3600 NS ns.new.test.")
        self.internet.advance(TTL + 1)
        before = sum([len(server.asked) for server in old])
        resolver.fault("www.evil.test")
        self.assertEqual(sum([len(server.asked) for server in old]), before)


class AddressTests(ValidatedTestCase):
    """
    Tests of the addresses of name servers.
    """

    def test_addressesEndWithTheirTTL(self) -> None:
        """
        An address that was looked up is used for as long as its record is valid, and not longer than a week.
        """
        server = NameServer(nameFromText("ns.evil.test"))
        server.learn(["192.0.2.66"], 1 << 31, 0.0)
        self.assertLessEqual(server.expires, 7 * 86_400)
