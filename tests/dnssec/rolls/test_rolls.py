"""
Rolls step by step.
"""

from __future__ import annotations

from dataclasses import replace

from twisted.trial.unittest import SynchronousTestCase

from tests.dnssec.rolls.world import DAY, HOUR
from twisted_ext.dnssec.rolls.policy import RollPolicy
from twisted_ext.dnssec.rolls.rolls import Lately, Rolls
from twisted_ext.dnssec.rolls.states import CSK, KSK, ZSK, Record, RollingKey, State
from twisted_ext.errors import CallerFault

_POLICY = RollPolicy(13, False, {CSK: 365 * DAY}, dnskeyTTL=HOUR, zoneTTL=DAY, dsTTL=2 * DAY, renew=7 * DAY, propagation=300, safety=HOUR)


class StepTests(SynchronousTestCase):
    """
    Tests of single steps.
    """

    def setUp(self) -> None:
        self.rolls = Rolls(_POLICY)
        self.now = 1000.0

    def step(self, seconds: float = 0) -> list[str]:
        """
        Return what happens after some seconds.
        """
        self.now += seconds
        for missing in self.rolls.missing(self.now):
            self.rolls.add(RollingKey(f"{missing.role}{len(self.rolls.keys) + 1}", missing.role, missing.algorithm, self.now))
        said = [f"{move.key.name} {move.record.value} {move.state.value}" for move in self.rolls.step(self.now)]
        self.rolls.served(self.now)
        return said

    def why(self) -> list[tuple[str, str, str, float | None]]:
        found = self.rolls.obstacles(self.now)
        return [(each.key.name, each.record.value, each.why, None if each.until is None else each.until - self.now) for each in found]

    def see(self, isThere: bool | None, key: int = 0) -> None:
        self.rolls.seen(self.rolls.keys[key], isThere, self.now)

    def begin(self) -> None:
        """
        Have a zone whose key is in use.
        """
        self.step()
        self.step(DAY + 300 + HOUR)
        self.see(True)
        self.step(2 * DAY + 2 * HOUR)
        assert self.rolls.keys[0].isInUse

    def test_first(self) -> None:
        """
        An unsigned zone is signed at once, as a whole. Its DS record is wanted once no resolver has unsigned records any more, and is known
        everywhere some time after all servers of the parent have it.
        """
        self.assertEqual(self.step(), ["csk1 DNSKEY rumoured", "csk1 KRRSIG rumoured", "csk1 ZRRSIG rumoured"])
        cached = "resolvers may still have what was there before"
        wait = HOUR + 300 + HOUR
        self.assertEqual(
            self.why(),
            [
                ("csk1", "DNSKEY", cached, wait),
                ("csk1", "KRRSIG", cached, wait),
                ("csk1", "ZRRSIG", cached, DAY + 300 + HOUR),
                ("csk1", "DS", "resolvers may not have its DNSKEY record yet", None),
            ],
        )
        self.assertEqual(self.rolls.next(self.now), self.now + wait)
        self.assertEqual(self.step(wait - 1), [])
        self.assertEqual(self.step(1), ["csk1 DNSKEY omnipresent", "csk1 KRRSIG omnipresent"])
        self.assertEqual(self.why()[1:], [("csk1", "DS", "resolvers may not have signatures of its algorithm yet", None)])
        self.assertEqual(self.step(DAY), ["csk1 ZRRSIG omnipresent", "csk1 DS rumoured"])
        self.assertEqual(self.why(), [("csk1", "DS", "not all servers of the parent have it yet", None)])
        self.assertIsNone(self.rolls.next(self.now))
        self.assertEqual(self.step(90 * DAY), [])
        self.see(None)
        self.assertEqual(self.step(90 * DAY), [])
        self.see(True)
        self.assertEqual(self.why()[0][3], 2 * DAY + 2 * HOUR)
        self.assertEqual(self.step(2 * DAY + 2 * HOUR), ["csk1 DS omnipresent"])
        self.assertEqual(self.why(), [])

    def test_notServed(self) -> None:
        """
        No wait begins before what was decided is served.
        """
        self.rolls.add(RollingKey("csk1", CSK, 13, self.now))
        self.rolls.step(self.now)
        self.now += 90 * DAY
        self.assertEqual(self.rolls.step(self.now), [])
        self.assertEqual(self.why()[0][2], "the zone that is served does not have it yet")
        self.rolls.served(self.now)
        self.assertEqual(self.rolls.step(self.now + 2 * HOUR), [])

    def test_lifetime(self) -> None:
        """
        The successor of a key is made so early that it is known when the lifetime ends, and takes over; then the key goes.
        """
        self.begin()
        ends = self.now + 365 * DAY
        self.assertEqual(self.rolls.next(self.now), ends - _POLICY.wait(Record.DNSKEY))
        self.assertEqual(self.step(365 * DAY - _POLICY.wait(Record.DNSKEY) - 1), [])
        self.assertEqual(self.step(1), ["csk2 DNSKEY rumoured", "csk2 KRRSIG rumoured"])
        self.assertIn("csk1 ZRRSIG unretentive", self.step(_POLICY.wait(Record.DNSKEY)))
        self.assertEqual(self.now, ends)
        self.assertEqual(
            [each for each in self.why() if each[3] is None],
            [
                ("csk1", "DNSKEY", "resolvers may have its DS record", None),
                ("csk1", "KRRSIG", "resolvers may have its DS record", None),
                ("csk1", "DS", "a server of the parent still has it", None),
                ("csk2", "DS", "not all servers of the parent have it yet", None),
            ],
        )
        self.step(DAY)
        self.see(False)
        self.see(True, 1)
        self.step(2 * DAY + 2 * HOUR)
        self.step(5 * DAY)
        self.step(DAY + 2 * HOUR)
        self.step(2 * HOUR + 300)
        self.assertEqual([key.name for key in self.rolls.keys], ["csk2"])
        self.assertEqual(self.why(), [])

    def test_notReplaced(self) -> None:
        """
        A key that goes, or is not there, is not replaced.
        """
        self.begin()
        self.rolls.replace(self.rolls.keys[0].name)
        self.step()
        for name in ("csk1", "none"):
            with self.assertRaisesRegex(CallerFault, f"^{name} is not a key that is to be in use$"):
                self.rolls.replace(name)

    def test_parentTTL(self) -> None:
        """
        The TTL at the parent is remembered while it has no DS record, and when an operator says what it has.
        """
        self.begin()
        self.rolls.seen(self.rolls.keys[0], True, self.now, 9 * DAY)
        self.rolls.seen(self.rolls.keys[0], True, self.now)
        self.assertEqual((self.rolls.parentTTL, self.rolls.lately[Record.DS].longest), (9 * DAY, 9 * DAY))

    def test_replaced(self) -> None:
        """
        An operator may have a key replaced at any time: in the middle of the roll that has made it too.
        """
        self.begin()
        self.rolls.replace(self.rolls.keys[0].name)
        self.assertEqual(self.step(), ["csk2 DNSKEY rumoured", "csk2 KRRSIG rumoured"])
        self.rolls.replace(self.rolls.keys[1].name)
        self.assertIn("csk3 DNSKEY rumoured", self.step(HOUR))
        self.assertEqual([(key.name, key.isWanted) for key in self.rolls.keys], [("csk1", False), ("csk2", False), ("csk3", True)])

    def spread(self) -> None:
        """
        Have a zone in which a zone-signing key takes the place of another one.
        """
        self.rolls.policy = replace(_POLICY, split=True)
        self.step()
        self.step(20 * DAY)
        self.rolls.replace(self.rolls.keys[1].name)
        self.step()
        self.assertEqual(self.step(DAY), ["zsk3 DNSKEY omnipresent", "zsk3 ZRRSIG rumoured", "zsk2 ZRRSIG unretentive"])
        self.assertEqual([swap.names for swap in self.rolls.swaps], [("zsk2",), ("zsk3",)])

    def test_othersMeanwhile(self) -> None:
        """
        While a key takes over name by name, other keys are published as fast as ever.
        """
        self.spread()
        self.assertEqual(
            [each for each in self.why() if each[1] == "ZRRSIG"],
            [
                ("zsk2", "ZRRSIG", "some names are still signed by it", 7 * DAY),
                ("zsk3", "ZRRSIG", "not all names are signed by it yet", 7 * DAY),
            ],
        )
        self.rolls.replace("ksk1")
        self.assertEqual(self.step(), ["ksk4 DNSKEY rumoured", "ksk4 KRRSIG rumoured"])
        self.assertEqual(self.step(3 * HOUR)[:2], ["ksk4 DNSKEY omnipresent", "ksk4 KRRSIG omnipresent"])
        self.assertTrue(self.rolls.isSpreading)

    def test_clockSetBack(self) -> None:
        """
        After a clock was set back, the names that were to be signed by another key are so after one period, not when the clock is where it
        was.
        """
        self.spread()
        self.now -= 300 * DAY
        self.rolls.again(self.now)
        self.assertEqual(self.rolls.next(self.now), self.now + 7 * DAY)
        self.assertEqual(self.step(7 * DAY), [])
        self.assertFalse(self.rolls.isSpreading)
        self.assertIn("zsk3 ZRRSIG omnipresent", self.step(2 * DAY))

    def test_parentOfManyServers(self) -> None:
        """
        While a server of the parent has former DS records, it may have them with their former TTL, also if that was lowered for long.
        """
        self.begin()
        self.rolls.replace("csk1")
        self.step()
        self.step(3 * HOUR)
        self.see(True, 1)
        self.see(None)
        self.rolls.policy = replace(_POLICY, dsTTL=60)
        for _ in range(10):
            self.step(DAY)
            self.see(None)
        self.step(DAY)
        self.see(False)
        self.assertEqual(self.rolls.keys[0].records[Record.DS].cached, 2 * DAY)
        # Once all have the new ones, it is forgotten.
        for _ in range(3):
            self.step(DAY)
            self.see(True, 1)
        self.assertEqual(self.rolls.lately[Record.DS].longest, 60)

    def test_back(self) -> None:
        """
        A policy that is what it was before finds the keys that it had.
        """
        self.begin()
        self.rolls.policy = RollPolicy(15, False)
        self.step()
        self.rolls.policy = _POLICY
        self.step(HOUR)
        self.assertEqual([(key.name, key.isWanted) for key in self.rolls.keys], [("csk1", True), ("csk2", False)])
        self.assertTrue(self.rolls.keys[0].isInUse)
        self.step(7 * DAY)
        self.step(2 * DAY)
        self.assertEqual([key.name for key in self.rolls.keys], ["csk1"])

    def test_split(self) -> None:
        """
        Of two keys, each has records of its role only.
        """
        self.rolls.policy = RollPolicy(13, True)
        self.step()
        first, second = self.rolls.keys
        self.assertEqual([*first.records], [Record.DNSKEY, Record.KRRSIG, Record.DS])
        self.assertEqual([*second.records], [Record.DNSKEY, Record.ZRRSIG])
        self.assertIs(second.state(Record.DS), State.HIDDEN)

    def test_shortest(self) -> None:
        """
        How long a roll takes at least is the sum of its waits.
        """
        key = HOUR + 300 + HOUR
        self.assertEqual(_POLICY.shortest(CSK), 2 * key + DAY + 7 * DAY + 300 + HOUR)
        self.assertEqual(_POLICY.shortest(ZSK), _POLICY.shortest(CSK))
        self.assertEqual(_POLICY.shortest(KSK), 2 * key + 2 * DAY + 2 * HOUR)

    def test_shown(self) -> None:
        """
        Keys say what they are.
        """
        self.step()
        self.assertEqual(
            repr(self.rolls.keys[0]), "<RollingKey csk1 csk: DNSKEY rumoured, KRRSIG rumoured, ZRRSIG rumoured, DS hidden>"
        )


class LatelyTests(SynchronousTestCase):
    """
    Tests for L{Lately}.
    """

    def test_lower(self) -> None:
        """
        A TTL that was lowered lives on for as long as caches and slow servers have it, however often it is lowered again.
        """
        lately = Lately()
        for now, cached, longest in ((0, 100, 100), (10, 50, 100), (20, 60, 100), (30, 5, 100), (114, 5, 100), (115, 5, 5), (116, 70, 70)):
            lately.look(cached, 5, now)
            self.assertEqual(lately.longest, longest, now)
