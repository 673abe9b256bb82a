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
from twisted_ext.wire.literals import ipv4ToText

__all__: list[str] = []


def addressOf(result: Result) -> str:
    """
    @return: the address of the first record.
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

        def there(found: list[str]) -> bool:
            self.told.append(" ".join(found))
            return tuple(found) == texts

        return waitFor(NAME, "A", there, timeout=timeout, resolver=self.resolver, interval=interval)

    def test_already(self) -> None:
        """
        What is so already is waited for no longer than one look-up takes.
        """
        result = self.successResultOf(waitFor(NAME, resolver=self.resolver, timeout=10))
        self.assertEqual(addressOf(result), "192.0.2.1")
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_until(self) -> None:
        """
        It fires when the records are what was waited for, and leaves nothing behind.
        """
        waiting = self.wait("192.0.2.2", interval=1)
        self.pass_(10)
        self.assertNoResult(waiting)
        self.set(DENIED)
        self.pass_(2)
        self.set("192.0.2.2")
        self.pass_(2)
        self.assertEqual(addressOf(self.successResultOf(waiting)), "192.0.2.2")
        self.assertEqual(self.told, ["192.0.2.1", "", "192.0.2.2"])
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_untilThere(self) -> None:
        """
        Without a predicate it waits until there are any records: that a name does not exist, or look-ups fail, goes by.
        """
        self.set(ServerFailed("no"))
        waiting = waitFor(NAME, resolver=self.resolver, interval=1)
        self.pass_(2)
        self.set(DENIED)
        self.pass_(5)
        self.assertNoResult(waiting)
        self.set("192.0.2.1")
        self.pass_(3)
        self.successResultOf(waiting)

    def test_untilGone(self) -> None:
        """
        A predicate is asked for no records as well, so that it can wait for the end of some.
        """
        self.set(DENIED)
        result = self.successResultOf(waitFor(NAME, "A", lambda texts: not texts, resolver=self.resolver))
        self.assertEqual((result[0], result.rcode), ([], 3))

    def test_timeout(self) -> None:
        """
        When the time is over it fails, and says what there is instead.
        """
        waiting = self.wait("192.0.2.2", timeout=30)
        self.pass_(30)
        error = self.failureResultOf(waiting, DNSQueryTimeoutError).value
        self.assertEqual(str(error), f"{NAME} A: after 30 s still 192.0.2.1")
        assert error.answer is not None
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_timeoutUnknown(self) -> None:
        """
        Where nobody knew or nobody has answered, it says so.
        """
        self.set(TimedOut("silence"))
        waiting = self.wait("192.0.2.2", timeout=3)
        self.pass_(3)
        self.assertIn("after 3 s still not known", str(self.failureResultOf(waiting, DNSQueryTimeoutError).value))
        held = HeldSource()
        waiting = waitFor(NAME, resolver=NamesResolver(held, self.clock), timeout=3)
        self.pass_(3)
        self.assertIn("after 3 s still no answer", str(self.failureResultOf(waiting, DNSQueryTimeoutError).value))
        self.assertEqual((held.held, self.clock.getDelayedCalls()), ([], []))

    def test_cancel(self) -> None:
        """
        It can be cancelled, and stops its timers.
        """
        waiting = self.wait("192.0.2.2", timeout=30)
        waiting.cancel()
        self.failureResultOf(waiting, CancelledError)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_everyServer(self) -> None:
        """
        Given a list, it waits until each of them has said it, and asks those no more that have.
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
        self.pass_(10)
        self.assertNoResult(waiting)
        self.assertEqual(other.asked, 1)
        self.set("192.0.2.2")
        self.pass_(3)
        self.successResultOf(waiting)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_everyServerLate(self) -> None:
        """
        When the time is over, those are named that have not said it.
        """
        waiting = waitFor(
            NAME,
            "A",
            lambda texts: texts == ["192.0.2.2"],
            resolver=[self.resolver, NamesResolver(CannedSource({(NAME, "A"): "192.0.2.2"}), self.clock)],
            timeout=9,
        )
        self.pass_(9)
        self.assertEqual(str(self.failureResultOf(waiting).value), f"{NAME} A: after 9 s still 192.0.2.1")

    def test_predicateFails(self) -> None:
        """
        What a predicate raises comes out, and ends the waiting for all.
        """

        def wrong(texts: list[str]) -> bool:
            raise ZeroDivisionError("mine")

        held = HeldSource()
        waiting = waitFor(NAME, "A", wrong, resolver=(NamesResolver(held, self.clock), self.resolver))
        self.failureResultOf(waiting, ZeroDivisionError)
        self.assertEqual((held.held, self.clock.getDelayedCalls()), ([], []))

    def test_closedResolver(self) -> None:
        """
        What can never come is not waited for.
        """
        self.resolver.close()
        self.failureResultOf(self.wait("192.0.2.1"), ResolverError)

    def test_wrong(self) -> None:
        """
        So is what cannot be asked, as with every look-up.
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
