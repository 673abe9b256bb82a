"""
Tests of the log of unexpected exceptions.
"""

from __future__ import annotations

from unittest import mock

from twisted.logger import LogEvent, globalLogPublisher
from twisted.trial.unittest import SynchronousTestCase

from tests.typed import observing
from twisted_ext.limits import FAULT_KINDS, FAULT_SECONDS
from twisted_ext.transport import faultlog
from twisted_ext.transport.faultlog import FaultLog


class FaultLogTests(SynchronousTestCase):
    """
    Tests for L{FaultLog}.
    """

    def setUp(self) -> None:
        self.events: list[LogEvent] = []
        observer = observing(self.events.append)
        globalLogPublisher.addObserver(observer)
        self.addCleanup(globalLogPublisher.removeObserver, observer)
        self.counted = 0
        self.log = FaultLog(self.count)

    def count(self, error: BaseException) -> None:
        """
        Count an exception.
        """
        self.counted += 1

    def note(self, error: Exception | str, now: float = 0.0) -> None:
        """
        Log an exception that is raised here.
        """
        try:
            raise error if isinstance(error, Exception) else ValueError(error)
        except Exception as raised:
            self.log.note("testing", raised, now)

    def test_repeatedFaultsAreCounted(self) -> None:
        """
        The first exception of a kind is logged with its traceback. A thousand more get a line every ten seconds with their number.
        """
        for number in range(1000):
            self.note(ValueError(f"no. {number}"), number / 16)
        self.assertEqual(len(self.flushLoggedErrors(ValueError)), 1)
        lines = [event for event in self.events if event.get("log_format", "").startswith("{count} more")]
        self.assertEqual([event["count"] for event in lines], [1, *[160] * 6])
        self.assertEqual((self.counted, FAULT_SECONDS.default), (1000, 10.0))

    def test_kindsAreLimited(self) -> None:
        """
        Another type or another place is another kind. The number of kinds is limited.
        """
        self.note(ValueError())
        self.note(TypeError())
        self.log.note("testing", KeyError("not raised"), 0.0)
        self.assertEqual(len(self.flushLoggedErrors()), 3)
        with mock.patch.object(faultlog, "FAULT_KINDS", mock.Mock(default=3)):
            self.note(IndexError())
        self.assertEqual(len(self.flushLoggedErrors()), 0)
        self.assertGreater(FAULT_KINDS.default, 3)

    def test_logNeverRaises(self) -> None:
        """
        A lack of memory for a log line raises no second exception.
        """
        with mock.patch.object(faultlog, "_failureOf", side_effect=MemoryError):
            self.note(ValueError())
        self.patch(self.log, "_counted", mock.Mock(side_effect=MemoryError))
        self.note(ValueError())
        self.assertEqual((self.flushLoggedErrors(), self.counted), ([], 1))
