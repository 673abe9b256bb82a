"""
Attack 13 on recursion: random names below a zone that denies them, or whose servers do not reply (water torture).
"""

from __future__ import annotations

import pytest
from twisted.python.failure import Failure

from tests.attacks.recursing import ENDLESS, RecursingTestCase, addressesIn
from twisted_ext.answers import Answer, Outcome, QueryContext, Security
from twisted_ext.dnssec.denial.aggressive import DenialStore
from twisted_ext.errors import DNSFault
from twisted_ext.recursion import delegations
from twisted_ext.resolver.ask import lookUp
from twisted_ext.testing.internet import Fault
from twisted_ext.testing.sources import questionOf
from twisted_ext.wire.names import nameFromText

ZONE = "victim.test"


def ignored(failure: Failure) -> None:
    """
    Ignore that a look-up has failed.
    """
    assert isinstance(failure.value, DNSFault)


class SignedTests(RecursingTestCase):
    """
    Tests of a signed zone with forty names.
    """

    signed = True
    NAMES = 40

    def setUp(self) -> None:
        super().setUp()
        self.internet.zone(ZONE, "\n".join([f"{letter}{number} A 192.0.2.1" for letter in "chmrw" for number in range(self.NAMES // 5)]))
        self.start()
        self.assertIsInstance(self.look(f"c0.{ZONE}"), Answer)

    def torture(self, names: int) -> int:
        """
        Query random names.

        @return: how many packets that takes.
        """
        network = self.internet.network
        before = sum(network.sent.values())
        for number in range(names):
            context = QueryContext(network.clock.seconds() + 5)
            name = f"{number * 7919 % 36**3:x}{chr(97 + number % 26)}q.{ZONE}"
            found = self.internet.wait(lookUp(self.source, questionOf(name), context))
            self.assertEqual((found.outcome, found.security), (Outcome.NXDOMAIN, Security.SECURE))
        # Replies are datagrams as well.
        return (sum(network.sent.values()) - before) // 2

    def test_gapsAreAskedForOnce(self) -> None:
        """
        Ten thousand random names take no more queries than the zone has NSEC records: two name servers, the apex, and forty names.
        """
        self.assertLessEqual(self.torture(10_000), self.NAMES + 3)

    def test_withoutProofsEachNameIsAskedFor(self) -> None:
        """
        Without the use of proofs for other names, each name takes a query.
        """
        self.patch(DenialStore, "deny", lambda store, name, rrType, now: None)
        self.assertGreaterEqual(self.torture(300), 300)


class SilentTests(RecursingTestCase):
    """
    Tests of a zone whose servers have stopped to reply.
    """

    def setUp(self) -> None:
        super().setUp()
        self.internet.zone(ZONE, "www A 192.0.2.1")
        self.internet.zone("other.test", "*.x A 192.0.2.2")
        self.start()
        self.look(f"first.{ZONE}")
        self.look("first.x.other.test")
        self.internet.inject(Fault.DEAD, ZONE)
        self.internet.advance(10)

    def torture(self, seconds: int) -> tuple[int, int, float]:
        """
        Query a hundred random names of the zone each second, and one of another zone.

        @return: packets to the servers of the zone, and to those above it; and the longest time for a name of the other one.
        """
        clock = self.internet.network.clock
        self._before = self._sent()
        longest = 0.0
        for second in range(seconds):
            for number in range(100):
                context = QueryContext(clock.seconds() + 4)
                lookUp(self.source, questionOf(f"n{second}x{number}.{ZONE}"), context).addErrback(ignored)
            began = clock.seconds()
            found = self.internet.wait(lookUp(self.source, questionOf(f"n{second}.x.other.test"), QueryContext(began + 5)))
            longest = max(longest, clock.seconds() - began)
            self.assertEqual(addressesIn(found), ["192.0.2.2"])
            self.internet.advance(1)
        packets = self.packets(ZONE), self.packets("test")
        self.internet.advance(10)
        return *packets, longest

    def test_silenceIsRemembered(self) -> None:
        """
        The servers of the zone get queries for the names of the first seconds. After that, nearly all look-ups fail at once, and the
        parent's servers are asked once in a while. Names of other zones are resolved as before.
        """
        at, above, longest = self.torture(60)
        self.assertLess(at, 2000)
        self.assertLess(above, 20)
        self.assertLess(longest, 0.1)

    @pytest.mark.long
    def test_withoutMemoryAllNamesAreSent(self) -> None:
        """
        Without the memory of silence, each name is sent several times.
        """
        self.patch(delegations, "_SILENCES", ENDLESS)
        at, _, _ = self.torture(60)
        self.assertGreater(at, 10_000)

    @pytest.mark.long
    def test_withoutMemoryParentIsAskedForEach(self) -> None:
        """
        Without both memories and the time between questions to the parent, its servers get a query for each name that fails in time.
        """
        self.patch(delegations, "_SILENCES", ENDLESS)
        self.patch(delegations, "_REFRESH", -ENDLESS)
        self.assertGreaterEqual(self.torture(20)[1], 100)

    def test_zoneIsFoundAgain(self) -> None:
        """
        Once a server replies again, the names are resolved within seconds.
        """
        self.torture(10)
        self.internet.clear(Fault.DEAD)
        self.internet.advance(6)
        self.assertEqual(addressesIn(self.look(f"www.{ZONE}")), ["192.0.2.1"])
        self.assertEqual(addressesIn(self.look(f"www.{ZONE}")), ["192.0.2.1"])

    def test_oneSilentNameIsNotTheZone(self) -> None:
        """
        Servers that drop queries for one name are queried for others.
        """
        self.internet.clear(Fault.DEAD)
        self.internet.inject(Fault.DEAD, ZONE, name=f"bad.{ZONE}")
        for number in range(6):
            self.assertIsInstance(self.look(f"bad.{ZONE}", "TXT" if number % 2 else "A"), DNSFault)
            self.assertIsInstance(self.look(f"n{number}.{ZONE}"), Answer)
        found = self.recursive.delegations.find(nameFromText(ZONE), self.internet.network.clock.seconds())
        assert found is not None
        self.assertEqual(found.silentUntil, 0.0)
