"""
Tests of L{twisted_ext.dnssec.clockcheck}: no clock (1970), and a clock that is off by years.
"""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from twisted_ext.dnssec.clockcheck import clockComplaint
from twisted_ext.dnssec.times import timeFromText

NOW = timeFromText("2026-11-21")
DAY = 86400

#: Signatures of three zones, as they are on that day.
WINDOWS = [(NOW - 3 * DAY, NOW + 18 * DAY), (NOW - 7 * DAY, NOW + 7 * DAY), (NOW - DAY, NOW + 2 * DAY)]


class ClockTests(SynchronousTestCase):
    """
    Tests for L{clockComplaint}.
    """

    def test_rightClock(self) -> None:
        """
        One valid signature clears the clock, whatever the others are.
        """
        self.assertIsNone(clockComplaint(NOW, WINDOWS))
        self.assertIsNone(clockComplaint(NOW, [(0, 1), (1, 2), *WINDOWS[:1]]))
        self.assertIsNone(clockComplaint(NOW, []))

    def test_noClock(self) -> None:
        """
        A machine without a clock starts in 1970, which is the reason even before any signature is seen.
        """
        for now in (0, 7, 3 * DAY):
            text = clockComplaint(now, [])
            assert text is not None
            self.assertIn("the clock is at 1970-01-0", text)
            self.assertEqual(clockComplaint(now, WINDOWS), text)

    def test_clockBehind(self) -> None:
        """
        If all signatures begin a year from now or later, the clock is behind.
        """
        self.assertEqual(
            clockComplaint(timeFromText("2021-03-01"), WINDOWS),
            "the clock is at 2021-03-01T00:00:00Z, but all 3 signatures seen begin at 2026-11-14T00:00:00Z or later; set the clock, as by"
            " NTP: until then every signed name fails to validate",
        )

    def test_clockAhead(self) -> None:
        """
        If all signatures ended a year ago or earlier, the clock is ahead.
        """
        for date in ("2028-03-01", "2040-01-01", "2080-01-01"):
            text = clockComplaint(timeFromText(date), WINDOWS)
            assert text is not None
            self.assertIn(f"the clock is at {date}T00:00:00Z, but all 3 signatures seen ended by 2026-12-09T00:00:00Z; set the clock", text)

    def test_oneOldSignatureDoesNotSuffice(self) -> None:
        """
        One zone whose signatures expired, or an attacker who replays them, does not put the clock in doubt.
        """
        self.assertIsNone(clockComplaint(NOW, [(0, 1)]))
        self.assertIsNone(clockComplaint(NOW, [(0, 1), (NOW + 400 * DAY, NOW + 401 * DAY)]))
        self.assertIsNone(clockComplaint(NOW, [(0, 1), (NOW - 20 * DAY, NOW - DAY)]))

    @given(st.integers(0, 2**40), st.lists(st.tuples(st.integers(0, 2**32 - 1), st.integers(0, 2**32 - 1)), max_size=4))
    def test_anyTimes(self, now: int, windows: list[tuple[int, int]]) -> None:
        """
        Any times can be judged, in one line.
        """
        self.assertNotIn("\n", clockComplaint(now, windows) or "")
