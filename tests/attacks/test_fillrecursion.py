"""
Attack 21 on recursion: memory filled with useless zones, servers, keys and denials, so that useful ones are evicted (CVE-2026-11622).
C{test_fill.py} does the same to the cache of answers.
"""

from __future__ import annotations

from math import inf
from unittest.mock import patch

from twisted.trial.unittest import SynchronousTestCase

from tests.attacks.validated import ValidatedTestCase
from tests.dnssec.chains import nsecSet, numbers
from twisted_ext.answers import Security
from twisted_ext.dnssec import chains
from twisted_ext.dnssec.chains import Chains, ZoneTrust
from twisted_ext.dnssec.denial.aggressive import DenialStore
from twisted_ext.recursion.delegations import Delegation, Delegations, NameServer
from twisted_ext.recursion.replies import Referral
from twisted_ext.resolver.recursive.pool import ServerPool
from twisted_ext.testing.network import MemoryNetwork
from twisted_ext.wire.names import ROOT, nameFromText
from twisted_ext.wire.records import RRSet
from twisted_ext.wire.rrtypes import RRSIG, SOA, A

HOT = nameFromText("example.org")

#: The limit of each store in these tests, and how often it is filled.
MOST = 100
TIMES = 10


def useless(number: int) -> bytes:
    """
    Return the name of one of very many zones.
    """
    return nameFromText(f"x{number}.test")


class DelegationTests(SynchronousTestCase):
    """
    Tests of the delegations.
    """

    def fill(self, delegations: Delegations) -> int:
        """
        Learn very many delegations, and use one of a useful zone now and then.

        @return: how often that had to be learned.
        """

        def learn(zone: bytes) -> None:
            delegations.learn(Referral(zone, (b"\x02ns" + zone,), 86_400, {}, ()), 0.0, 2)

        learned = 0
        for number in range(TIMES * MOST):
            if number % (MOST // 4) == 0 and delegations.closest(HOT, 1.0).zone != HOT:
                learn(HOT)
                learned += 1
            learn(useless(number))
            self.assertLessEqual(len(delegations), MOST)
        return learned

    def test_usefulDelegationStays(self) -> None:
        """
        The number of delegations stays within its limit, and one that is used stays.
        """
        root = Delegation(ROOT, 0, (NameServer(b"\x01a\x00", ("192.0.2.1",), inf),), inf)
        self.assertEqual(self.fill(Delegations(root, MOST)), 1)

    def test_withoutSecondChanceItGoes(self) -> None:
        """
        If the oldest were evicted, used or not, it would be learned again and again.
        """

        def forgetful(delegations: Delegations, now: float) -> None:
            del delegations._known[next(iter(delegations._known))]

        root = Delegation(ROOT, 0, (NameServer(b"\x01a\x00", ("192.0.2.1",), inf),), inf)
        with patch.object(Delegations, "_makeRoom", forgetful):
            self.assertGreater(self.fill(Delegations(root, MOST)), TIMES // 2)


class ChainTests(SynchronousTestCase):
    """
    Tests of the zones whose keys are known.
    """

    def fill(self) -> int:
        """
        Learn the keys of very many zones, and use those of a useful zone now and then.

        @return: how often these had to be learned.
        """
        known = Chains()
        learned = 0
        for number in range(TIMES * MOST):
            if number % (MOST // 4) == 0 and known._closest(HOT, HOT, 1) is None:
                known._keep(ZoneTrust(HOT, Security.SECURE, (), 1000))
                learned += 1
            known._keep(ZoneTrust(useless(number), Security.SECURE, (), 1000))
            self.assertLessEqual(len(known), MOST)
        return learned

    def test_usefulKeysStay(self) -> None:
        """
        The number of zones stays within its limit, and one that is used stays.
        """
        with patch.object(chains, "_MOST", MOST):
            self.assertEqual(self.fill(), 1)

    def test_withoutSecondChanceTheyGo(self) -> None:
        """
        If the oldest were evicted, used or not, they would be fetched again and again.
        """

        def forgetful(known: Chains) -> None:
            del known._known[next(iter(known._known))]

        with patch.object(chains, "_MOST", MOST), patch.object(Chains, "_makeRoom", forgetful):
            self.assertGreater(self.fill(), TIMES // 2)


class DenialTests(SynchronousTestCase):
    """
    Tests of the denials that are used for other names.
    """

    def denies(self, zoneOctets: int) -> tuple[bool, int]:
        """
        Store very many denials of one zone, in memory for few.

        @param zoneOctets: the memory for one zone.

        @return: whether what is stored of a useful zone is still used, and the most octets that were taken.
        """
        store = DenialStore(octets=1 << 18, zoneOctets=zoneOctets)
        signatures = RRSet(HOT, RRSIG, 1, 3600, (bytes(100),))

        def add(zone: bytes, first: bytes, last: bytes) -> None:
            soa = RRSet(zone, SOA, 1, 3600, (b"\0\0" + bytes(16) + b"\0\0\x0e\x10",))
            store.addSOA(zone, soa, signatures, 3600, 0.0)
            store.add(zone, nsecSet(first, last, numbers("A")), signatures, 3600, 0.0)

        add(HOT, HOT, b"\1z" + HOT)
        evil = nameFromText("evil.test")
        most = 0
        for number in range(3000):
            add(evil, b"\6n%05d" % number + evil, b"\6n%05d" % (number + 1) + evil)
            most = max(most, store.octets)
        return store.deny(b"\1c" + HOT, A, 1.0) is not None, most

    def test_otherZonesStay(self) -> None:
        """
        A zone takes no more than its share, so that the denials of other zones stay.
        """
        used, most = self.denies(1 << 16)
        self.assertTrue(used)
        self.assertLess(most, 1 << 17)

    def test_withoutShareTheyGo(self) -> None:
        """
        With a share of everything, the zone takes everything.
        """
        used, most = self.denies(1 << 18)
        self.assertFalse(used)
        self.assertLessEqual(most, 1 << 18)


class ServerTests(SynchronousTestCase):
    """
    Tests of the servers that have been met.
    """

    def test_serversAreForgotten(self) -> None:
        """
        The number of servers stays within its limit, and no socket or timer of theirs is left.
        """
        here = MemoryNetwork().reactor("192.0.2.7")
        pool = ServerPool(here, most=MOST)
        for number in range(TIMES * MOST):
            pool.at(f"198.18.{number >> 8}.{number & 255}")
            self.assertLessEqual(len(pool), MOST)
        self.successResultOf(pool.close())
        self.assertEqual(here.pending(), [])


class WholeTests(ValidatedTestCase):
    """
    Tests with a whole resolver.
    """

    def test_namesOfOneZoneFillNothing(self) -> None:
        """
        After hundreds of names of a zone, there are three delegations, three zones with keys and few servers.
        """
        self.evil("*.w 1 A 192.0.2.66")
        resolver = self.resolver()
        resolver.validating.denials = None
        for number in range(300):
            resolver.look(f"n{number}.w.evil.test")
        self.assertEqual(len(resolver.recursive.delegations), 2)
        self.assertEqual(len(resolver.validating.validator.chains), 3)
        self.assertLessEqual(len(resolver.recursive.pool), 12)
