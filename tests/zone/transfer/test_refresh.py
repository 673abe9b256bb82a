"""
Tests of the refresh timing of secondary zones.
"""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from tests.zone.changing import record
from twisted_ext.zone.transfer.refresh import TABLE, Event, RefreshState, RefreshStep, SecondaryState, Timers


def soa(serial: int, refresh: int = 3600, retry: int = 600, expire: int = 86400) -> bytes:
    """
    Return the rdata of an SOA record.
    """
    return record(f"@ 3600 SOA ns1 hostmaster {serial} {refresh} {retry} {expire} 300").rdatas[0]


class RefreshStateTests(SynchronousTestCase):
    """
    Tests for L{RefreshState}.
    """

    def newState(self, primaries: int = 1, *, held: bool = True) -> RefreshState:
        """
        Return the state of a zone that has serial 10 and was confirmed at 1000.
        """
        zone = RefreshState(primaries, lambda: 0.0, 1000)
        if held:
            self.assertEqual(zone.wake(1000), RefreshStep(True, 0))
            self.assertIsNone(zone.received(1000, soa(10)))
            self.assertEqual((zone.state, zone.serving, zone.serial), (SecondaryState.CURRENT, True, 10))
        return zone

    def test_tableCoversStatesAndEvents(self) -> None:
        """
        Every state can be reached and left, and every event has transitions.
        """
        self.assertEqual({state for state, _ in TABLE}, set(SecondaryState))
        self.assertEqual(set(TABLE.values()), set(SecondaryState))
        self.assertEqual({event for _, event in TABLE}, set(Event))

    def test_absentZoneIsFetchedWithBackoff(self) -> None:
        """
        A zone without data is fetched at once, then at growing intervals from each primary in turn.
        """
        zone = self.newState(2, held=False)
        self.assertEqual(zone.wake(1000), RefreshStep(True, 0))
        self.assertEqual(zone.failed(1000), RefreshStep(True, 1))
        waits = []
        now = 1000.0
        for _ in range(12):
            self.assertIsNone(zone.failed(now))
            self.assertIs(zone.state, SecondaryState.ABSENT)
            at = zone.wakeAt()
            assert at is not None
            waits.append(at - now)
            now = at
            self.assertIsNotNone(zone.wake(now))
            self.assertIsNotNone(zone.failed(now))
        self.assertEqual(waits[:4], [3, 6, 12, 24])
        self.assertEqual(waits[-1], 900)

    def test_refreshConfirmsOrFetches(self) -> None:
        """
        A primary is asked after the refresh interval. The zone is confirmed if nothing is newer, and otherwise fetched.
        """
        zone = self.newState()
        self.assertEqual(zone.wakeAt(), 4600)
        self.assertIsNone(zone.wake(4599))
        self.assertEqual(zone.wake(4600), RefreshStep(False, 0))
        self.assertIsNone(zone.probed(4601, 10))
        self.assertEqual((zone.state, zone.refreshedAt, zone.expiresAt), (SecondaryState.CURRENT, 4601, 4601 + 86400))
        zone.wake(9000)
        self.assertEqual(zone.probed(9000, 11), RefreshStep(True, 0, 10))
        self.assertIsNone(zone.received(9000, soa(11)))
        self.assertEqual(zone.serial, 11)

    def test_serialsCompareCircularly(self) -> None:
        """
        Serial numbers are compared by the arithmetic of RFC 1982.
        """
        for serial, newer in ((11, True), (10 + 0x7FFFFFFF, True), (10 + 0x80000000, False), (9, False), (0xFFFFFFFF, False)):
            zone = self.newState()
            zone.wake(5000)
            self.assertEqual(zone.probed(5000, serial) is not None, newer, serial)

    def test_retryUntilExpiry(self) -> None:
        """
        The primaries are asked again at the retry interval if none answers, and the zone is served until it expires.
        """
        zone = self.newState()
        now = 4600.0
        end = 1000 + 86400
        while now < end:
            if zone.wake(now) is not None:
                self.assertIsNone(zone.failed(now))
            self.assertEqual((zone.state, zone.serving), (SecondaryState.STALE, True))
            at = zone.wakeAt()
            assert at is not None
            self.assertLessEqual(at - now, 600)
            now = at
        self.assertEqual(now, end)
        self.assertEqual(zone.wake(now), RefreshStep(True, 0))
        self.assertFalse(zone.serving)

    def test_olderPrimariesDoNotProlong(self) -> None:
        """
        Primaries with an older version do not prolong the service of a zone. Their version is fetched when the zone expires.
        """
        for fetching in (False, True):
            zone = self.newState(2)
            self.assertEqual(zone.wake(4600), RefreshStep(False, 0))
            self.assertEqual(zone.probed(4600, 9), RefreshStep(False, 1))
            if fetching:
                self.assertEqual(zone.undisclosed(4600), RefreshStep(True, 1, 10))
                self.assertIsNone(zone.unchanged(4600, 9))
            else:
                self.assertIsNone(zone.probed(4600, 9))
            self.assertEqual((zone.state, zone.refreshedAt, zone.expiresAt), (SecondaryState.CURRENT, 1000, 1000 + 86400))
            self.assertEqual(zone.wake(1000 + 86400), RefreshStep(True, 1))
            self.assertFalse(zone.serving)
            zone.received(1000 + 86400, soa(9))
            self.assertEqual((zone.serving, zone.serial), (True, 9))

    def test_expiryDuringProbeRetriesSoon(self) -> None:
        """
        A zone that expires during a probe is retried soon.
        """
        zone = self.newState(2)
        zone.wake(5000)
        self.assertEqual(zone.probed(5000, 9), RefreshStep(False, 1))
        zone.wake(1000 + 86400)
        self.assertFalse(zone.serving)
        self.assertIsNone(zone.failed(1000 + 86400))
        self.assertIs(zone.state, SecondaryState.ABSENT)
        self.assertLess(zone.nextAt, 1000 + 86400 + 900)

    def test_primaryBehindLeadsToNext(self) -> None:
        """
        A primary with an older version is alive, but the next one is asked as well.
        """
        zone = self.newState(2)
        zone.wake(5000)
        self.assertEqual(zone.probed(5000, 9), RefreshStep(False, 1))
        self.assertEqual(zone.probed(5000, 11), RefreshStep(True, 1, 10))
        zone = self.newState(2)
        zone.wake(5000)
        self.assertEqual(zone.probed(5000, 9), RefreshStep(False, 1))
        self.assertIsNone(zone.failed(5000))
        self.assertIs(zone.state, SecondaryState.CURRENT)

    def test_notifyProbesItsSender(self) -> None:
        """
        A NOTIFY leads to a probe of its sender, also after a probe in progress, unless its serial number is not newer.
        """
        zone = self.newState(3)
        self.assertIsNone(zone.notified(2000, 2, 10))
        self.assertIsNone(zone.notified(2000, 2, 9))
        self.assertEqual(zone.notified(2000, 2, 11), RefreshStep(False, 2))
        self.assertIsNone(zone.notified(2000, 1, 12))
        self.assertEqual(zone.probed(2000, 11), RefreshStep(True, 2, 10))
        self.assertEqual(zone.received(2000, soa(11)), RefreshStep(False, 2))
        self.assertIsNone(zone.probed(2000, 11))
        self.assertIs(zone.state, SecondaryState.CURRENT)

    def test_announcedVersionIsAskedForAgain(self) -> None:
        """
        A primary that announced a newer version than it then has is probed again, three times with growing pauses; another announcement
        starts anew.
        """
        zone = self.newState()
        for serial in (11, 12):
            now = 2000.0
            waits = []
            self.assertEqual(zone.notified(now, 0, serial), RefreshStep(False, 0))
            for _ in range(5):
                self.assertIsNone(zone.probed(now, 10))
                waits.append(zone.nextAt - now)
                now = zone.nextAt
                self.assertEqual(zone.wake(now), RefreshStep(False, 0))
            self.assertEqual(waits, [2, 4, 8, 3600, 3600])
            self.assertIsNone(zone.probed(now, 10))
        self.assertEqual(zone.notified(now, 0, 13), RefreshStep(False, 0))
        self.assertIsNone(zone.probed(now, 10))
        self.assertEqual(zone.wake(now + 2), RefreshStep(False, 0))
        self.assertEqual(zone.probed(now + 2, 13), RefreshStep(True, 0, 10))
        self.assertIsNone(zone.received(now + 2, soa(13)))
        self.assertEqual(zone.nextAt, now + 2 + 3600)

    def test_failedChangesLeadToWholeTransfer(self) -> None:
        """
        A failed incremental transfer is followed by one full transfer from the same primary, then by the next primary.
        """
        zone = self.newState(2)
        zone.wake(5000)
        self.assertEqual(zone.probed(5000, 11), RefreshStep(True, 0, 10))
        self.assertEqual(zone.failed(5000), RefreshStep(True, 0))
        self.assertEqual(zone.failed(5000), RefreshStep(True, 1, 10))
        self.assertEqual(zone.failed(5000), RefreshStep(True, 1))
        self.assertIsNone(zone.failed(5000))
        self.assertEqual((zone.state, zone.serving), (SecondaryState.STALE, True))

    def test_expireOptionLimitsService(self) -> None:
        """
        The EXPIRE option of a primary that is itself a secondary limits the service, and a confirmation never shortens it (RFC
        7314).
        """
        zone = RefreshState(1, lambda: 0.0, 1000)
        zone.wake(1000)
        zone.received(1000, soa(10), 5000)
        self.assertEqual(zone.expiresAt, 6000)
        zone.wake(4600)
        zone.probed(4600, 10, 100)
        self.assertEqual(zone.expiresAt, 6000)
        zone.wake(5999)
        self.assertIs(zone.state, SecondaryState.CURRENT)
        zone.notified(5999)
        zone.probed(5999, 10, 1 << 31)
        self.assertEqual(zone.expiresAt, 5999 + 86400)

    def test_restoredZoneKeepsItsExpiry(self) -> None:
        """
        A restored zone is probed soon and keeps its expiry. A clock that was set back does not keep it forever.
        """
        zone = self.newState(held=False)
        zone.restore(soa(10), 500, 90_000, 1000)
        self.assertEqual((zone.state, zone.serving, zone.wakeAt()), (SecondaryState.CURRENT, True, 1000))
        self.assertEqual(zone.wake(1000), RefreshStep(False, 0))
        zone = self.newState(held=False)
        zone.restore(soa(10), 500, 900, 1000)
        self.assertEqual((zone.state, zone.serving, zone.wakeAt()), (SecondaryState.ABSENT, False, 1000))
        zone = self.newState(held=False)
        zone.restore(soa(10), 5_000_000, 9_000_000, 1000)
        self.assertEqual((zone.refreshedAt, zone.expiresAt), (1000, 1000 + 86400))

    def test_timersAreClamped(self) -> None:
        """
        The timers are clamped: at most one query per second, at least one in four weeks, and no expiry before a refresh.
        """
        timers = Timers(soa(1, 0, 0, 0))
        self.assertEqual((timers.refresh, timers.retry, timers.expire), (1, 1, 2))
        timers = Timers(soa(1, 2**31, 2**31, 2**31))
        self.assertEqual((timers.refresh, timers.retry, timers.expire), (2_419_200, 1_209_600, 14_515_200))
        timers = Timers(soa(1, 3600, 600, 60))
        self.assertEqual(timers.expire, 4200)

    def test_jitterSpreadsRefreshes(self) -> None:
        """
        Jitter spreads the refreshes of zones that were confirmed together.
        """
        zone = RefreshState(1, lambda: 1.0, 1000)
        zone.wake(1000)
        zone.received(1000, soa(10))
        self.assertEqual(zone.nextAt, 1000 + 3600 * 0.85)

    @given(st.lists(st.tuples(st.sampled_from("wnpsruf"), st.integers(0, 50_000), st.integers(0, 20)), max_size=60), st.integers(1, 3))
    def test_invariantsHoldForAnyEvents(self, events: list[tuple[str, int, int]], primaries: int) -> None:
        """
        Any sequence of events keeps the invariants: a waiting zone has a wake-up time, an expired zone is not served but fetched,
        and a step names an existing primary.
        """
        zone = RefreshState(primaries, lambda: 0.5, 0)
        now = 0.0
        for event, seconds, serial in events:
            now += seconds
            step = zone.wake(now)
            if event == "n":
                step = zone.notified(now, serial % primaries, serial) or step
            elif event == "p" and zone.state is SecondaryState.PROBING:
                step = zone.probed(now, serial)
            elif event == "r" and zone.state is SecondaryState.FETCHING:
                step = zone.received(now, soa(serial))
            elif event == "u" and zone.state is SecondaryState.FETCHING:
                step = zone.unchanged(now, serial)
            elif event == "f" and zone.state in (SecondaryState.PROBING, SecondaryState.FETCHING):
                step = zone.failed(now)
            if step is not None:
                self.assertLess(step.primary, primaries)
                self.assertIn(zone.state, (SecondaryState.PROBING, SecondaryState.FETCHING))
                self.assertEqual(step.fetch, zone.state is SecondaryState.FETCHING)
            if zone.state in (SecondaryState.ABSENT, SecondaryState.CURRENT, SecondaryState.STALE):
                self.assertIsNotNone(zone.wakeAt())
            if zone.serving:
                self.assertGreater(zone.expiresAt, now)
            else:
                # It must not wait for a refresh.
                self.assertNotIn(zone.state, (SecondaryState.CURRENT, SecondaryState.STALE))
