"""
Tests of cached failures (RFC 9520).
"""

from __future__ import annotations

import copyreg
from collections.abc import Callable

from twisted.trial.unittest import SynchronousTestCase

from twisted_ext.cache.failures import Failures, again
from twisted_ext.errors import (
    BudgetSpent,
    Closed,
    DNSFault,
    Refused,
    ServerFailed,
    TimedOut,
    TrustFault,
    Unknown,
    WorkSpent,
)


class FailuresTests(SynchronousTestCase):
    """
    Tests for L{Failures}.
    """

    def test_onlyServerAndTrustFaultsAreKept(self) -> None:
        """
        Failures of servers and of validation are cached, and look-ups that take too much work. Refusals of our own, unknown names and
        closed sources are not.
        """
        failures = Failures()
        for fault, seconds in (
            (ServerFailed("no"), 5.0),
            (TrustFault("bogus"), 5.0),
            (TimedOut("silence"), 5.0),
            (Refused("no"), 0.0),
            (BudgetSpent("no"), 0.0),
            (WorkSpent("too much"), 5.0),
            (Unknown("no"), 0.0),
            (Closed("no"), 0.0),
        ):
            self.assertEqual(failures.note(repr(fault).encode(), fault, 10.0, 5.0), seconds)

    def test_memoryIsBounded(self) -> None:
        """
        The number of cached failures and the length of their texts are bounded. The latest failures are kept.
        """
        failures = Failures(kept=100)
        for number in range(10_000):
            failures.note(b"%d" % number, ServerFailed("no" * 1000), 0.0, 0.0)
            self.assertLessEqual(len(failures), 100)
        self.assertIsNotNone(failures.find(b"9999", 1.0))
        self.assertIsNone(failures.find(b"1", 1.0))
        found = failures.find(b"9999", 1.0)
        assert found is not None
        self.assertLessEqual(len(found.text), 256)

    def test_expiredFailuresAreDropped(self) -> None:
        """
        Expired failures are dropped even if no query asks for them again.
        """
        failures = Failures()
        for number in range(4000):
            failures.note(b"%d" % number, ServerFailed("no"), number * 0.1, 0.0)
            self.assertLess(len(failures), 400)
        self.assertGreater(len(failures), 300)

    def test_clockSetBackDoesNotProlong(self) -> None:
        """
        A clock that is set back does not prolong a cached failure.
        """
        failures = Failures()
        failures.note(b"a", ServerFailed("no"), 1000.0, 0.0)
        self.assertIsNone(failures.find(b"a", 500.0))

    def test_backoffRestartsAfterPause(self) -> None:
        """
        The backoff starts again after a long enough pause.
        """
        failures = Failures()
        self.assertEqual([failures.note(b"a", ServerFailed("no"), now, 0.0) for now in (0.0, 5.0, 15.0, 100.0)], [5, 10, 20, 5])

    def test_copiedFaultHasNoTraceback(self) -> None:
        """
        A copied fault has the type and the attributes of the original, but not its traceback, also where another library has changed how
        exceptions are pickled, as Dask does.
        """

        class Particular(ServerFailed):
            rcode = 9

        def reduced(fault: Particular) -> tuple[Callable[[], Particular], tuple[()]]:
            return lambda: fault, ()

        copyreg.pickle(Particular, reduced)
        self.addCleanup(copyreg.dispatch_table.pop, Particular)
        try:
            raise Particular("no", server="192.0.2.1:53", ede=((1, "x"),))
        except DNSFault as raised:
            fault = again(raised)
            self.assertIsNot(fault, raised)
            self.assertIsNone(fault.__traceback__)
            self.assertIs(type(fault), Particular)
            self.assertEqual((str(fault), fault.server, fault.rcode, fault.ede), ("no", "192.0.2.1:53", 9, ((1, "x"),)))
