"""
Tests of L{twisted_ext.dnssec.anchors.rollover} over years of a fake clock (RFC 5011; attack 39).
"""

from __future__ import annotations

from collections.abc import Callable
from time import process_time
from unittest.mock import patch

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from tests.dnssec.anchors.testkeys import DAY, ZONE_NAME, digestAnchor, key, rdatasOf, shown, supported
from twisted_ext.dnssec.anchors import rollover
from twisted_ext.dnssec.anchors.rollover import KeyState, Round, TrustPoint
from twisted_ext.dnssec.anchors.statefile import trustPointFromText, trustPointToText
from twisted_ext.dnssec.keys import keyTag
from twisted_ext.dnssec.times import timeFromText, timeToText
from twisted_ext.dnssec.trustanchors import Anchor
from twisted_ext.limits import Limit
from twisted_ext.wire.rrtypes import DNSKEY

#: The TTL of the root's keys.
TTL = 2 * DAY


def anchored(letters: str) -> TrustPoint:
    """
    Return a trust point with these keys configured.
    """
    return TrustPoint(ZONE_NAME, [Anchor(ZONE_NAME, DNSKEY, key(letter)) for letter in letters])


def look(point: TrustPoint, published: str, signers: str, now: int, ttl: int = TTL) -> Round:
    """
    Observe one set of keys.
    """
    return point.observe(rdatasOf(published), rdatasOf(signers), now, ttl, now + 15 * DAY, supported)


class Years:
    """
    Query for a zone's keys whenever it is time to.
    """

    def __init__(self, point: TrustPoint, published: Callable[[int], tuple[str, str]], begin: int) -> None:
        self.point = point
        self.published = published
        self.now = begin
        self.rounds = 0
        self.log: list[tuple[str, str]] = []

    def until(self, end: int, restarting: bool = False) -> None:
        """
        @param restarting: whether to write and read the state after each round.
        """
        while True:
            due = self.point.whenToQuery(self.now)
            if due is None or due > end:
                return
            self.now = due
            result = look(self.point, *self.published(due), due)
            self.rounds += 1
            self.log += [(timeToText(due)[:10], event.partition(": ")[2]) for event in result.events]
            if restarting:
                self.point = trustPointFromText(trustPointToText(self.point), "state")


def rootKeys(now: int) -> tuple[str, str]:
    """
    Return the root's keys that sign keys, and those that sign, between 2024 and 2028: A is that of 2017, B that of 2024.
    """
    date = timeToText(now)[:10]
    if date < "2025-01-11":
        return "AZ", "A"
    if date < "2026-10-11":
        return "ABZ", "A"
    if date < "2027-01-11":
        return "ABZ", "B"
    return ("aBZ", "aB") if date < "2027-03-22" else ("BZ", "B")


class RootRollTests(SynchronousTestCase):
    """
    The rollover of the root's key from 2024 to 2027.
    """

    def follow(self, point: TrustPoint, restarting: bool) -> Years:
        years = Years(point, rootKeys, timeFromText("2024-12-01"))
        years.until(timeFromText("2028-01-01"), restarting)
        return years

    def test_validatorWithOnlyTheOldKeyFollows(self) -> None:
        """
        A validator that began with the key of 2017 trusts that of 2024 thirty days after its publication, and ends with it alone.
        """
        for restarting in (False, True):
            years = self.follow(TrustPoint(ZONE_NAME, [digestAnchor("A")]), restarting)
            self.assertEqual(shown(years.point), "A5 B2")
            self.assertEqual(
                [(date, said[:25]) for date, said in years.log],
                [
                    ("2024-12-01", "the key has the configured"[:25]),
                    ("2025-01-11", "the key is new: it will be"[:25]),
                    ("2025-02-10", "the key has been published"[:25]),
                    ("2027-01-11", "the key is revoked (now ke"[:25]),
                    ("2027-04-20", "the key was revoked and is"[:25]),
                ],
            )

    def test_validatorWithBothKeysTrustsBothAtOnce(self) -> None:
        """
        With both digests configured, the new key is trusted as soon as it is published, and the old one until it is revoked.
        """
        years = Years(TrustPoint(ZONE_NAME, [digestAnchor("A"), digestAnchor("B")]), rootKeys, timeFromText("2024-12-01"))
        years.until(timeFromText("2025-01-10"))
        self.assertEqual((shown(years.point), len(years.point.digests)), ("A2", 1))
        years.until(timeFromText("2025-01-12"))
        self.assertEqual((shown(years.point), len(years.point.digests)), ("A2 B2", 0))
        years.until(timeFromText("2027-01-12"))
        self.assertEqual(shown(years.point), "A4 B2")
        self.assertEqual(years.point.anchors().keys, (key("B"),))

    def test_queriesAreAsOftenAsTheRFCSays(self) -> None:
        """
        The keys are queried once a day: half of their TTL.
        """
        years = self.follow(TrustPoint(ZONE_NAME, [digestAnchor("A")]), False)
        self.assertEqual(years.rounds, (timeFromText("2028-01-01") - timeFromText("2024-12-01")) // DAY + 1)

    def test_validatorThatSleptThroughTheRollIsLost(self) -> None:
        """
        Without a look between publication and use of the new key, nothing validates, and the log says which key is trusted.
        """
        point = anchored("A")
        look(point, "AZ", "A", timeFromText("2024-12-01"))
        result = look(point, *rootKeys(timeFromText("2026-10-12")), timeFromText("2026-10-12"))
        self.assertFalse(result.validated)
        self.assertEqual(
            result.events,
            (f"trust anchor example.com.: no trusted key ({keyTag(key('A'))}) has a valid signature over the zone's keys",),
        )


class YearlyTests(SynchronousTestCase):
    """
    Many rollovers.
    """

    def test_tenYearsOfYearlyRolloversInASecond(self) -> None:
        """
        Ten rollovers in ten years, with a query each day, take less than a second and leave no state behind but the revoked keys.
        """
        letters = "ABCDEFGHIJKL"
        begin = timeFromText("2030-01-01")

        def published(now: int) -> tuple[str, str]:
            year, day = divmod((now - begin) // DAY, 365)
            old, new = letters[year], letters[year + 1]
            if day < 60:
                return old + "Z", old
            if day < 200:
                return old + new + "Z", old
            return (old.lower() + new + "Z", old.lower() + new) if day < 260 else (new + "Z", new)

        years = Years(anchored("A"), published, begin)
        start = process_time()
        years.until(begin + 3650 * DAY - 1)
        self.assertLess(process_time() - start, 1.0)
        self.assertEqual(years.rounds, 3650)
        self.assertEqual(shown(years.point), "A5 B5 C5 D5 E5 F5 G5 H5 I5 J5 K2")
        self.assertEqual(years.point.anchors().keys, (key("K"),))

    def test_revokedKeysAreForgottenOldestFirst(self) -> None:
        """
        The number of remembered revoked keys is limited.
        """
        point = anchored("A")
        with patch.object(rollover, "ANCHOR_TOMBSTONES", Limit(default=2, least=1, most=4)):
            point.keys = {
                key(letter): rollover.ManagedKey(key(letter), KeyState.REMOVED, since) for since, letter in enumerate("DBC", 1)
            } | point.keys
            look(point, "A", "A", 1000 * DAY)
        self.assertEqual(shown(point), "A2 B5 C5")


class StateTests(SynchronousTestCase):
    """
    Tests for L{TrustPoint}.
    """

    def test_holdDownGoesOnAfterARestart(self) -> None:
        """
        A restart neither shortens nor extends the hold-down time.
        """
        point = anchored("A")
        look(point, "AB", "A", 100 * DAY)
        point = trustPointFromText(trustPointToText(point), "state")
        look(point, "AB", "A", 130 * DAY - 1)
        self.assertEqual(shown(point), "A2 B1")
        point = trustPointFromText(trustPointToText(point), "state")
        look(point, "AB", "A", 130 * DAY)
        self.assertEqual(shown(point), "A2 B2")

    def test_holdDownIsTheTTLIfThatIsLonger(self) -> None:
        """
        A key is not trusted while caches may hold the set without it (RFC 5011, section 2.4.1).
        """
        point = anchored("A")
        look(point, "AB", "A", 100 * DAY, ttl=40 * DAY)
        look(point, "AB", "A", 139 * DAY)
        self.assertEqual(shown(point), "A2 B1")
        look(point, "AB", "A", 140 * DAY)
        self.assertEqual(shown(point), "A2 B2")

    def test_keyThatComesAndGoesBeginsAgain(self) -> None:
        """
        A key that is withdrawn for one look waits for the whole hold-down time again.
        """
        point = anchored("A")
        for day, published, expected in (
            (0, "AB", "A2 B1"),
            (20, "AB", "A2 B1"),
            (25, "A", "A2"),
            (26, "AB", "A2 B1"),
            (40, "AB", "A2 B1"),
            (55, "AB", "A2 B1"),
            (56, "AB", "A2 B2"),
        ):
            look(point, published, "A", (100 + day) * DAY)
            self.assertEqual(shown(point), expected, day)

    def test_clockSetBackDelaysButNeverHastens(self) -> None:
        """
        If the clock is set back, hold-down times begin again, and the log says so.
        """
        point = anchored("A")
        look(point, "AB", "A", 1000 * DAY)
        result = look(point, "AB", "A", 500 * DAY)
        self.assertIn("the clock was set back from 1972-09-27T00:00:00Z or later to 1971-05-16T00:00:00Z", result.events[0])
        look(point, "AB", "A", 529 * DAY)
        self.assertEqual(shown(point), "A2 B1")
        look(point, "AB", "A", 530 * DAY)
        self.assertEqual(shown(point), "A2 B2")

    def test_clockSetBackDoesNotStopQueries(self) -> None:
        """
        The next query is at most one interval away, whatever the clock said before.
        """
        point = anchored("A")
        look(point, "A", "A", 9000 * DAY)
        self.assertEqual(point.whenToQuery(500 * DAY), 501 * DAY)

    def test_clockSetAheadNeedsAnotherSight(self) -> None:
        """
        A clock that jumps ahead by years does not make a key trusted by itself.
        """
        point = anchored("A")
        look(point, "AB", "A", 100 * DAY)
        # The signatures have expired by that clock, so no key has a valid one.
        result = look(point, "AB", "", 4000 * DAY)
        self.assertFalse(result.validated)
        self.assertEqual(shown(point), "A2 B1")

    def test_allKeysRevokedDeletesTheTrustPoint(self) -> None:
        """
        If all trusted keys are revoked, the zone is not a trust point any more, even with a key whose addition is pending; it stays so.
        """
        point = anchored("AB")
        look(point, "ABC", "A", 100 * DAY)
        result = look(point, "abC", "abC", 110 * DAY)
        self.assertTrue(result.deleted and result.changed)
        self.assertEqual(
            result.events[-1],
            "trust anchor example.com.: all trusted keys are revoked; the zone has no trust anchor any more (RFC 5011, section 5)",
        )
        self.assertEqual((point.anchors().keys, point.anchors().digests, point.whenToQuery(110 * DAY)), ((), (), None))
        self.assertTrue(look(point, "ABC", "ABC", 200 * DAY).deleted)
        restored = trustPointFromText(trustPointToText(point), "state")
        self.assertTrue(restored.deleted)
        self.assertIn("remove the state file", restored.configure([digestAnchor("A")])[0])
        self.assertEqual(restored.anchors().digests, ())

    def test_revocationNeedsTheKeysOwnSignature(self) -> None:
        """
        A REVOKE flag without a signature by that key revokes nothing: the key counts as missing and is trusted still.
        """
        point = anchored("AB")
        look(point, "aB", "B", 100 * DAY)
        self.assertEqual(shown(point), "A3 B2")
        look(point, "aB", "aB", 101 * DAY)
        self.assertEqual(shown(point), "A4 B2")

    def test_revocationOfAConfiguredDigest(self) -> None:
        """
        A key that is known only by its digest can be revoked as well.
        """
        point = TrustPoint(ZONE_NAME, [digestAnchor("A"), digestAnchor("B")])
        result = look(point, "aB", "aB", 100 * DAY)
        self.assertEqual(shown(point), "A4 B2")
        self.assertTrue(result.validated)

    def test_revokedKeyValidatesNothing(self) -> None:
        """
        In the set that revokes a key, its signature does not introduce others.
        """
        point = anchored("AB")
        result = look(point, "aC", "a", 100 * DAY)
        self.assertFalse(result.validated)
        self.assertTrue(result.changed)
        self.assertEqual(shown(point), "A4 B2")

    def test_configuredKeyThatWasRevokedIsNotTrusted(self) -> None:
        """
        After a restart with an outdated configuration, the state counts.
        """
        point = anchored("AB")
        look(point, "aB", "aB", 100 * DAY)
        restored = trustPointFromText(trustPointToText(point), "state")
        events = restored.configure([digestAnchor("A"), digestAnchor("B"), Anchor(ZONE_NAME, DNSKEY, key("A"))])
        self.assertEqual(len(events), 2)
        self.assertIn("is configured, but was revoked", events[0])
        self.assertEqual(restored.anchors().keys, (key("B"),))
        self.assertEqual(restored.anchors().digests, ())

    def test_configuredKeyEndsItsHoldDown(self) -> None:
        """
        A key that the operator configures while its addition is pending is trusted at once.
        """
        point = anchored("A")
        look(point, "AB", "A", 100 * DAY)
        point.configure([digestAnchor("B")])
        self.assertEqual(set(point.anchors().keys), {key("A"), key("B")})

    def test_newKeysAreLimited(self) -> None:
        """
        No more keys are followed than the limit allows, and the log says so.
        """
        point = anchored("A")
        with patch.object(rollover, "ANCHOR_KEYS", Limit(default=5, least=5, most=9)):
            result = look(point, "ABCDEFGHIJ", "A", 100 * DAY)
        self.assertEqual(shown(point), "A2 B1 C1 D1 E1")
        self.assertEqual(sum("is not followed" in event for event in result.events), 5)
        look(point, "ABCDEFGHIJ", "A", 100 * DAY)
        self.assertEqual(len(point.keys), 10)

    def test_keyIntroducedByARevokedKeyBeginsAgainAfterARestart(self) -> None:
        """
        Which keys introduced a new one is known after a restart.
        """
        point = anchored("AB")
        look(point, "ABC", "A", 100 * DAY)
        point = trustPointFromText(trustPointToText(point), "state")
        result = look(point, "aBC", "aB", 120 * DAY)
        self.assertIn("was introduced by keys that are revoked now; it begins again", result.events[1])
        look(point, "BC", "B", 149 * DAY)
        self.assertEqual(shown(point), "A4 B2 C1")
        look(point, "BC", "B", 150 * DAY)
        self.assertEqual(shown(point), "A5 B2 C2")

    def test_withoutAnchorsNothingIsLearned(self) -> None:
        """
        A trust point without any anchor trusts nothing, and is not one whose keys were revoked.
        """
        point = TrustPoint(ZONE_NAME, [Anchor(ZONE_NAME, DNSKEY, key("a"))])
        result = look(point, "AB", "AB", 100 * DAY)
        self.assertFalse(result.validated or result.deleted)
        self.assertEqual(shown(point), "")

    def test_onlyTrustedKeysAreCandidates(self) -> None:
        """
        Of a large set, only signatures by trusted keys and by their revoked forms need checking.
        """
        point = TrustPoint(ZONE_NAME, [digestAnchor("A"), Anchor(ZONE_NAME, DNSKEY, key("B"))])
        self.assertEqual(point.candidates(rdatasOf("ACDEbFZ")), rdatasOf("Ab"))
        self.assertEqual(point.candidates([b"", b"\1\1\3", b"\1\1\3\x0d"]), [])

    def test_intervalsAreWithinBounds(self) -> None:
        """
        Queries are sent between once an hour and once in 15 days, half of TTL and of the time to expiration (RFC 5011, section 2.3).
        """
        for ttl, expires, interval, retry in (
            (60, DAY, 3600, 3600),
            (DAY, 30 * DAY, DAY // 2, 8640),
            (300 * DAY, 300 * DAY, 15 * DAY, DAY),
            (10 * DAY, 4 * DAY, 2 * DAY, 4 * DAY // 10),
            (10 * DAY, -5, 3600, 3600),
        ):
            point = anchored("A")
            result = point.observe(rdatasOf("A"), rdatasOf("A"), 1000 * DAY, ttl, 1000 * DAY + expires, supported)
            self.assertEqual((result.nextQuery - 1000 * DAY, point.retryTime), (interval, retry))
            self.assertEqual(point.failed(1001 * DAY, "no server replied").nextQuery, 1001 * DAY + retry)

    def test_unusableKeysAreNotFollowed(self) -> None:
        """
        By default a key has to be one of an algorithm that the validator supports, and be well-formed.
        """
        point = anchored("A")
        point.observe(rdatasOf("AUC"), rdatasOf("A"), 100 * DAY, TTL, 110 * DAY)
        self.assertEqual(set(point.keys), {key("A")})

    @given(
        st.lists(
            st.tuples(
                st.integers(-10, 60), st.text("ABCDabcdZU", max_size=6), st.text("ABCDabcdZU", max_size=6), st.integers(0, 2**31 - 1)
            ),
            max_size=20,
        )
    )
    def test_noKeyIsTrustedWithoutCause(self, rounds: list[tuple[int, str, str, int]]) -> None:
        """
        Whatever is seen, a key is trusted only if it was configured, or was published for thirty days while a trusted key signed; a
        revoked one is never trusted again; the state survives its file.
        """
        point = TrustPoint(ZONE_NAME, [digestAnchor("A"), Anchor(ZONE_NAME, DNSKEY, key("B"))])
        now = 10_000 * DAY
        firstSeen: dict[bytes, int] = {}
        revoked: set[bytes] = set()
        for days, published, signers, ttl in rounds:
            now += days * DAY
            # By a clock that was set back, the time counts from then.
            firstSeen = {rdata: min(seen, now) for rdata, seen in firstSeen.items()}
            before = set(point.anchors().keys) | {key("A"), key("B")}
            result = look(point, published, signers, now, ttl)
            for letter in published:
                firstSeen.setdefault(key(letter), now)
            for trusted in set(point.anchors().keys) - before:
                self.assertTrue(result.validated)
                self.assertGreaterEqual(now - firstSeen[trusted], 30 * DAY)
            revoked |= {one.rdata for one in point.keys.values() if one.state in (KeyState.REVOKED, KeyState.REMOVED)}
            self.assertFalse(revoked & set(point.anchors().keys))
            again = trustPointFromText(trustPointToText(point), "state")
            self.assertEqual(trustPointToText(again), trustPointToText(point))
