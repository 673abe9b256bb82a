"""
Tests of when a secondary does what.
"""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from tests.zone.changing import record
from twisted_ext.zone.transfer.refresh import TABLE, Event, RefreshState, State, Step, Timers


def soa(serial: int, refresh: int = 3600, retry: int = 600, expire: int = 86400) -> bytes:
    """
    @return: the rdata of an SOA.
    """
    return record(f"@ 3600 SOA ns1 hostmaster {serial} {refresh} {retry} {expire} 300").rdatas[0]


class RefreshingTests(SynchronousTestCase):
    """
    Tests for L{RefreshState}.
    """

    def make(self, primaries: int = 1, *, held: bool = True) -> RefreshState:
        """
        @return: a zone that is held at serial 10 and was confirmed at 1000.
        """
        zone = RefreshState(primaries, lambda: 0.0, 1000)
        if held:
            self.assertEqual(zone.wake(1000), Step(True, 0))
            self.assertIsNone(zone.received(1000, soa(10)))
            self.assertEqual((zone.state, zone.serving, zone.serial), (State.CURRENT, True, 10))
        return zone

    def test_table(self) -> None:
        """
        Every state can be reached and left, and what happens has somewhere to lead to.
        """
        self.assertEqual({state for state, _ in TABLE}, set(State))
        self.assertEqual(set(TABLE.values()), set(State))
        self.assertEqual({event for _, event in TABLE}, set(Event))

    def test_first(self) -> None:
        """
        A zone of which nothing is held is fetched at once, and again and again at growing intervals, from each primary in turn.
        """
        zone = self.make(2, held=False)
        self.assertEqual(zone.wake(1000), Step(True, 0))
        self.assertEqual(zone.failed(1000), Step(True, 1))
        waits = []
        now = 1000.0
        for _ in range(12):
            self.assertIsNone(zone.failed(now))
            self.assertIs(zone.state, State.ABSENT)
            at = zone.wakeAt()
            assert at is not None
            waits.append(at - now)
            now = at
            self.assertIsNotNone(zone.wake(now))
            self.assertIsNotNone(zone.failed(now))
        self.assertEqual(waits[:4], [3, 6, 12, 24])
        self.assertEqual(waits[-1], 900)

    def test_refresh(self) -> None:
        """
        After the refresh a primary is asked; with nothing newer it is confirmed, else fetched as changes.
        """
        zone = self.make()
        self.assertEqual(zone.wakeAt(), 4600)
        self.assertIsNone(zone.wake(4599))
        self.assertEqual(zone.wake(4600), Step(False, 0))
        self.assertIsNone(zone.probed(4601, 10))
        self.assertEqual((zone.state, zone.refreshedAt, zone.expiresAt), (State.CURRENT, 4601, 4601 + 86400))
        zone.wake(9000)
        self.assertEqual(zone.probed(9000, 11), Step(True, 0, 10))
        self.assertIsNone(zone.received(9000, soa(11)))
        self.assertEqual(zone.serial, 11)

    def test_serials(self) -> None:
        """
        Newer is what RFC 1982 says: past the largest number it begins again.
        """
        for serial, newer in ((11, True), (10 + 0x7FFFFFFF, True), (10 + 0x80000000, False), (9, False), (0xFFFFFFFF, False)):
            zone = self.make()
            zone.wake(5000)
            self.assertEqual(zone.probed(5000, serial) is not None, newer, serial)

    def test_retry(self) -> None:
        """
        Where no primary answers it is tried again at the SOA's retry, and the zone is served until it expires.
        """
        zone = self.make()
        now = 4600.0
        end = 1000 + 86400
        while now < end:
            if zone.wake(now) is not None:
                self.assertIsNone(zone.failed(now))
            self.assertEqual((zone.state, zone.serving), (State.STALE, True))
            at = zone.wakeAt()
            assert at is not None
            self.assertLessEqual(at - now, 600)
            now = at
        self.assertEqual(now, end)
        self.assertEqual(zone.wake(now), Step(True, 0))
        self.assertFalse(zone.serving)

    def test_older(self) -> None:
        """
        Primaries that are all behind do not keep the zone in service for longer than if they were silent; what they have is fetched then.
        """
        for fetching in (False, True):
            zone = self.make(2)
            self.assertEqual(zone.wake(4600), Step(False, 0))
            self.assertEqual(zone.probed(4600, 9), Step(False, 1))
            if fetching:
                self.assertEqual(zone.undisclosed(4600), Step(True, 1, 10))
                self.assertIsNone(zone.unchanged(4600, 9))
            else:
                self.assertIsNone(zone.probed(4600, 9))
            self.assertEqual((zone.state, zone.refreshedAt, zone.expiresAt), (State.CURRENT, 1000, 1000 + 86400))
            self.assertEqual(zone.wake(1000 + 86400), Step(True, 1))
            self.assertFalse(zone.serving)
            zone.received(1000 + 86400, soa(9))
            self.assertEqual((zone.serving, zone.serial), (True, 9))

    def test_expiredMeanwhile(self) -> None:
        """
        A zone that is given up while primaries are asked, one of which is behind, does not wait for a refresh but is tried for soon.
        """
        zone = self.make(2)
        zone.wake(5000)
        self.assertEqual(zone.probed(5000, 9), Step(False, 1))
        zone.wake(1000 + 86400)
        self.assertFalse(zone.serving)
        self.assertIsNone(zone.failed(1000 + 86400))
        self.assertIs(zone.state, State.ABSENT)
        self.assertLess(zone.nextAt, 1000 + 86400 + 900)

    def test_behind(self) -> None:
        """
        A primary that is behind is alive, but another one may have something newer.
        """
        zone = self.make(2)
        zone.wake(5000)
        self.assertEqual(zone.probed(5000, 9), Step(False, 1))
        self.assertEqual(zone.probed(5000, 11), Step(True, 1, 10))
        zone = self.make(2)
        zone.wake(5000)
        self.assertEqual(zone.probed(5000, 9), Step(False, 1))
        self.assertIsNone(zone.failed(5000))
        self.assertIs(zone.state, State.CURRENT)

    def test_notices(self) -> None:
        """
        A notice makes the one who gave it be asked; during a look, it makes for another one; one without news causes nothing.
        """
        zone = self.make(3)
        self.assertIsNone(zone.notified(2000, 2, 10))
        self.assertIsNone(zone.notified(2000, 2, 9))
        self.assertEqual(zone.notified(2000, 2, 11), Step(False, 2))
        self.assertIsNone(zone.notified(2000, 1, 12))
        self.assertEqual(zone.probed(2000, 11), Step(True, 2, 10))
        self.assertEqual(zone.received(2000, soa(11)), Step(False, 2))
        self.assertIsNone(zone.probed(2000, 11))
        self.assertIs(zone.state, State.CURRENT)

    def test_wholeOnce(self) -> None:
        """
        Changes that could not be had are asked for as a whole zone from the same primary, once; then it is the next one's turn.
        """
        zone = self.make(2)
        zone.wake(5000)
        self.assertEqual(zone.probed(5000, 11), Step(True, 0, 10))
        self.assertEqual(zone.failed(5000), Step(True, 0))
        self.assertEqual(zone.failed(5000), Step(True, 1, 10))
        self.assertEqual(zone.failed(5000), Step(True, 1))
        self.assertIsNone(zone.failed(5000))
        self.assertEqual((zone.state, zone.serving), (State.STALE, True))

    def test_expireOption(self) -> None:
        """
        Of a primary that has it from elsewhere, the zone holds no longer than there, and a confirmation never makes it shorter (RFC 7314).
        """
        zone = RefreshState(1, lambda: 0.0, 1000)
        zone.wake(1000)
        zone.received(1000, soa(10), 5000)
        self.assertEqual(zone.expiresAt, 6000)
        zone.wake(4600)
        zone.probed(4600, 10, 100)
        self.assertEqual(zone.expiresAt, 6000)
        zone.wake(5999)
        self.assertIs(zone.state, State.CURRENT)
        zone.notified(5999)
        zone.probed(5999, 10, 1 << 31)
        self.assertEqual(zone.expiresAt, 5999 + 86400)

    def test_restore(self) -> None:
        """
        After a restart the zone is as it was, is soon looked for, and expires when it would have; a clock that was set back does not keep
        it forever.
        """
        zone = self.make(held=False)
        zone.restore(soa(10), 500, 90_000, 1000)
        self.assertEqual((zone.state, zone.serving, zone.wakeAt()), (State.CURRENT, True, 1000))
        self.assertEqual(zone.wake(1000), Step(False, 0))
        zone = self.make(held=False)
        zone.restore(soa(10), 500, 900, 1000)
        self.assertEqual((zone.state, zone.serving, zone.wakeAt()), (State.ABSENT, False, 1000))
        zone = self.make(held=False)
        zone.restore(soa(10), 5_000_000, 9_000_000, 1000)
        self.assertEqual((zone.refreshedAt, zone.expiresAt), (1000, 1000 + 86400))

    def test_timers(self) -> None:
        """
        Whatever an SOA says, nobody is asked more than once a second or less than once in four weeks, and nothing expires before it was
        looked for.
        """
        timers = Timers(soa(1, 0, 0, 0))
        self.assertEqual((timers.refresh, timers.retry, timers.expire), (1, 1, 2))
        timers = Timers(soa(1, 2**31, 2**31, 2**31))
        self.assertEqual((timers.refresh, timers.retry, timers.expire), (2_419_200, 1_209_600, 14_515_200))
        timers = Timers(soa(1, 3600, 600, 60))
        self.assertEqual(timers.expire, 4200)

    def test_jitter(self) -> None:
        """
        Zones that were confirmed together are not looked for together.
        """
        zone = RefreshState(1, lambda: 1.0, 1000)
        zone.wake(1000)
        zone.received(1000, soa(10))
        self.assertEqual(zone.nextAt, 1000 + 3600 * 0.85)

    @given(st.lists(st.tuples(st.sampled_from("wnpsruf"), st.integers(0, 50_000), st.integers(0, 20)), max_size=60), st.integers(1, 3))
    def test_anything(self, events: list[tuple[str, int, int]], primaries: int) -> None:
        """
        Whatever happens in whatever order: while it waits there is a time to come back, nothing is served past its end, what is not served
        is looked for, and a step names a primary that there is.
        """
        zone = RefreshState(primaries, lambda: 0.5, 0)
        now = 0.0
        for event, seconds, serial in events:
            now += seconds
            step = zone.wake(now)
            if event == "n":
                step = zone.notified(now, serial % primaries, serial) or step
            elif event == "p" and zone.state is State.PROBING:
                step = zone.probed(now, serial)
            elif event == "r" and zone.state is State.FETCHING:
                step = zone.received(now, soa(serial))
            elif event == "u" and zone.state is State.FETCHING:
                step = zone.unchanged(now, serial)
            elif event == "f" and zone.state in (State.PROBING, State.FETCHING):
                step = zone.failed(now)
            if step is not None:
                self.assertLess(step.primary, primaries)
                self.assertIn(zone.state, (State.PROBING, State.FETCHING))
                self.assertEqual(step.fetch, zone.state is State.FETCHING)
            if zone.state in (State.ABSENT, State.CURRENT, State.STALE):
                self.assertIsNotNone(zone.wakeAt())
            if zone.serving:
                self.assertGreater(zone.expiresAt, now)
            else:
                # It does not wait for a refresh.
                self.assertNotIn(zone.state, (State.CURRENT, State.STALE))
