"""
Tests of L{waitFor<twisted_ext.compat.lookups.watch.waitFor>}.
"""

from __future__ import annotations

from twisted.internet.defer import CancelledError, Deferred

from tests.compat.lookups.watched import DENIED, NAME, WatchTestCase
from twisted_ext.compat.conversion.errors import DNSQueryTimeoutError, ResolverError
from twisted_ext.compat.conversion.results import Result
from twisted_ext.compat.lookups.watch import waitFor
from twisted_ext.compat.names import NamesResolver
from twisted_ext.errors import ServerFailed, TimedOut
from twisted_ext.testing.sources import CannedSource, HeldSource
from twisted_ext.wire.escapes import ipv4ToText

__all__: list[str] = []


def addressOf(result: Result) -> str:
    """
    Return the address of the first record.
    """
    return ipv4ToText(result.answer.answer[0].rdatas[0])


class WaitForTests(WatchTestCase):
    """
    Tests of L{waitFor}.
    """

    def wait(self, *texts: str, timeout: float | None = None, interval: float | None = None) -> Deferred[Result]:
        """
        Wait for these records.
        """

        def predicate(found: list[str]) -> bool:
            self.recorded.append(" ".join(found))
            return tuple(found) == texts

        return waitFor(NAME, "A", predicate, timeout=timeout, resolver=self.resolver, interval=interval)

    def test_presentRecordsFireAtOnce(self) -> None:
        """
        Records that already exist fire the Deferred after one look-up.
        """
        result = self.successResultOf(waitFor(NAME, resolver=self.resolver, timeout=10))
        self.assertEqual(addressOf(result), "192.0.2.1")
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_firesWhenPredicateHolds(self) -> None:
        """
        The Deferred fires when the predicate holds, and nothing stays open.
        """
        waiting = self.wait("192.0.2.2", interval=1)
        self.advance(10)
        self.assertNoResult(waiting)
        self.setRecord(DENIED)
        self.advance(2)
        self.setRecord("192.0.2.2")
        self.advance(2)
        self.assertEqual(addressOf(self.successResultOf(waiting)), "192.0.2.2")
        self.assertEqual(self.recorded, ["192.0.2.1", "", "192.0.2.2"])
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_waitsForAnyRecords(self) -> None:
        """
        Without a predicate it waits for any records, through denials and failures.
        """
        self.setRecord(ServerFailed("no"))
        waiting = waitFor(NAME, resolver=self.resolver, interval=1)
        self.advance(2)
        self.setRecord(DENIED)
        self.advance(5)
        self.assertNoResult(waiting)
        self.setRecord("192.0.2.1")
        self.advance(3)
        self.successResultOf(waiting)

    def test_waitsForRemoval(self) -> None:
        """
        The predicate is called for a name without records, so that it can wait for their removal.
        """
        self.setRecord(DENIED)
        result = self.successResultOf(waitFor(NAME, "A", lambda texts: not texts, resolver=self.resolver))
        self.assertEqual((result[0], result.rcode), ([], 3))

    def test_timeoutNamesCurrentRecords(self) -> None:
        """
        The time-out error names the current records.
        """
        waiting = self.wait("192.0.2.2", timeout=30)
        self.advance(30)
        error = self.failureResultOf(waiting, DNSQueryTimeoutError).value
        self.assertEqual(str(error), f"{NAME} A: after 30 s still 192.0.2.1")
        assert error.answer is not None
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_timeoutWithoutAnswer(self) -> None:
        """
        The time-out error tells a failed look-up from a missing answer.
        """
        self.setRecord(TimedOut("silence"))
        waiting = self.wait("192.0.2.2", timeout=3)
        self.advance(3)
        self.assertIn("after 3 s still not known", str(self.failureResultOf(waiting, DNSQueryTimeoutError).value))
        held = HeldSource()
        waiting = waitFor(NAME, resolver=NamesResolver(held, self.clock), timeout=3)
        self.advance(3)
        self.assertIn("after 3 s still no answer", str(self.failureResultOf(waiting, DNSQueryTimeoutError).value))
        self.assertEqual((held.held, self.clock.getDelayedCalls()), ([], []))

    def test_cancelStopsTimers(self) -> None:
        """
        Canceling stops the timers.
        """
        waiting = self.wait("192.0.2.2", timeout=30)
        waiting.cancel()
        self.failureResultOf(waiting, CancelledError)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_waitsForEveryServer(self) -> None:
        """
        With a list of resolvers it waits until each has the records, and does not query one again that has them.
        """
        other = CannedSource({(NAME, "A"): "192.0.2.2"})
        waiting = waitFor(
            NAME,
            "A",
            lambda texts: texts == ["192.0.2.2"],
            resolver=[self.resolver, NamesResolver(other, self.clock)],
            interval=1,
            timeout=60,
        )
        self.advance(10)
        self.assertNoResult(waiting)
        self.assertEqual(other.asked, 1)
        self.setRecord("192.0.2.2")
        self.advance(3)
        self.successResultOf(waiting)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_timeoutNamesLateServer(self) -> None:
        """
        The time-out error names the records of a server that does not have the expected ones.
        """
        waiting = waitFor(
            NAME,
            "A",
            lambda texts: texts == ["192.0.2.2"],
            resolver=[self.resolver, NamesResolver(CannedSource({(NAME, "A"): "192.0.2.2"}), self.clock)],
            timeout=9,
        )
        self.advance(9)
        self.assertEqual(str(self.failureResultOf(waiting).value), f"{NAME} A: after 9 s still 192.0.2.1")

    def test_predicateErrorEndsTheWait(self) -> None:
        """
        An exception from the predicate fails the Deferred and ends the wait for all resolvers.
        """

        def failing(texts: list[str]) -> bool:
            raise ZeroDivisionError("mine")

        held = HeldSource()
        waiting = waitFor(NAME, "A", failing, resolver=(NamesResolver(held, self.clock), self.resolver))
        self.failureResultOf(waiting, ZeroDivisionError)
        self.assertEqual((held.held, self.clock.getDelayedCalls()), ([], []))

    def test_closedResolverEndsTheWait(self) -> None:
        """
        A closed resolver ends the wait.
        """
        self.resolver.close()
        self.failureResultOf(self.wait("192.0.2.1"), ResolverError)

    def test_invalidArgumentsAreRefused(self) -> None:
        """
        Invalid arguments fail as in every look-up.
        """
        for waiting in (
            waitFor("a..b", resolver=self.resolver),
            waitFor(NAME, "BOGUS", resolver=self.resolver),
            waitFor(NAME, "ANY", resolver=self.resolver),
            waitFor(NAME, resolver="nosuch:1"),
            waitFor(NAME, resolver=[]),
            waitFor(NAME, resolver=self.resolver, timeout=-1),
            waitFor(NAME, resolver=self.resolver, interval=0),
        ):
            self.failureResultOf(waiting, ValueError)
