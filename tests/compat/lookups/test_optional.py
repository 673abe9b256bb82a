"""
Tests of L{twisted_ext.compat.lookups.optional}.
"""

from __future__ import annotations

from collections.abc import Iterator

from twisted.internet.defer import CancelledError, Deferred, fail, succeed
from twisted.internet.error import ConnectingCancelledError
from twisted.internet.protocol import Factory
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from tests.compat.discoveries import ServiceTestCase
from twisted_ext.compat.lookups import services
from twisted_ext.compat.lookups.optional import hastened
from twisted_ext.compat.names import NamesResolver
from twisted_ext.endpoints.endpoints import HTTPSEndpoint
from twisted_ext.testing.sources import HeldSource, answerOf, questionOf

__all__: list[str] = []


class HastenedTests(SynchronousTestCase):
    """
    Tests of L{hastened} with a delay of half a second for the records once there is an address.
    """

    def setUp(self) -> None:
        self.clock = Clock()
        self.canceled: list[str] = []
        self.records: Deferred[str] = self.pending("records")
        self.families = [self.pendingAddresses("six"), self.pendingAddresses("four")]
        self.result = hastened(self.records, self.addresses, self.clock, 0.5)

    def pending(self, label: str) -> Deferred[str]:
        """
        Return a look-up that records its cancellation.
        """
        return Deferred(lambda _: self.canceled.append(label))

    def pendingAddresses(self, label: str) -> Deferred[list[str]]:
        """
        Return a look-up of addresses that records its cancellation.
        """
        return Deferred(lambda _: self.canceled.append(label))

    def addresses(self) -> Iterator[Deferred[list[str]]]:
        """
        Start the look-ups of both families.
        """
        yield from self.families

    def assertCanceled(self, *canceled: str) -> None:
        """
        Check that exactly these look-ups were canceled and no timer is left.
        """
        self.assertEqual(self.canceled, list(canceled))
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_immediateRecordsNeedNoAddresses(self) -> None:
        """
        Addresses are not looked up if the records, or their failure, are known at once.
        """

        def asked() -> list[Deferred[list[str]]]:
            raise AssertionError("asked")

        self.assertEqual(self.successResultOf(hastened(succeed(1), asked, self.clock, 0.5)), 1)
        self.failureResultOf(hastened(fail(KeyError()), asked, self.clock, 0.5), KeyError)

    def test_timelyRecordsAreUsed(self) -> None:
        """
        Records that arrive within the delay after the first address are used.
        """
        self.families[1].callback(["192.0.2.1"])
        self.clock.advance(0.4)
        self.records.callback("records")
        self.assertEqual(self.successResultOf(self.result), "records")
        self.assertCanceled("six")

    def test_lateRecordsAreGivenUp(self) -> None:
        """
        Records that do not arrive within the delay are given up.
        """
        self.clock.advance(1)
        self.families[0].callback(["2001:db8::1"])
        self.clock.advance(0.3)
        self.families[1].callback(["192.0.2.1"])
        self.assertNoResult(self.result)
        self.clock.advance(0.2)
        self.assertIsNone(self.successResultOf(self.result))
        self.assertCanceled("records")

    def test_recordsAreAwaitedWithoutAddress(self) -> None:
        """
        The records are waited for as long as there is no address.
        """
        self.families[0].callback([])
        self.families[1].errback(KeyError())
        self.clock.advance(100)
        self.assertNoResult(self.result)
        self.records.callback("records")
        self.assertEqual(self.successResultOf(self.result), "records")
        self.assertCanceled()

    def test_failureFiresAtOnce(self) -> None:
        """
        A failed look-up of the records is reported at once.
        """
        self.records.errback(KeyError())
        self.failureResultOf(self.result, KeyError)
        self.assertCanceled("six", "four")

    def test_addressLookupsOutliveTheCallback(self) -> None:
        """
        The address look-ups are canceled after the callbacks have run, so that a callback can join them.
        """
        seen: list[int] = []
        self.result.addCallback(lambda _: seen.append(len(self.canceled)))
        self.records.callback("records")
        self.assertEqual(seen, [0])
        self.assertCanceled("six", "four")

    def test_cancelEndsAllLookups(self) -> None:
        """
        Canceling ends all look-ups, before and after the first address.
        """
        for addresses, canceled in ((False, ["records", "six", "four"]), (True, ["records", "four"])):
            self.setUp()
            if addresses:
                self.families[0].callback(["2001:db8::1"])
            self.result.cancel()
            self.failureResultOf(self.result, CancelledError)
            self.assertCanceled(*canceled)


class BindingTests(ServiceTestCase):
    """
    Tests of L{bindingTargets<services.bindingTargets>} with records that do not arrive.
    """

    def test_unansweredRecordsDoNotDelay(self) -> None:
        """
        Records whose queries are dropped are not waited for once the host, or the end of its aliases, has an address.
        """
        clock = Clock()
        source = HeldSource()
        resolver = NamesResolver(source, clock)
        looking = services.bindingTargets("https", "example.org", resolver=resolver)
        self.assertEqual([question.rrType for question in source.held], [65, 28, 1])
        source.release(answerOf(questionOf("example.org"), "192.0.2.1"), questionOf("example.org"))
        clock.advance(0.1)
        source.release(answerOf(questionOf("example.org", "HTTPS"), "0 cdn.example."), questionOf("example.org", "HTTPS"))
        self.assertEqual(source.held, [questionOf("cdn.example", "HTTPS"), questionOf("cdn.example", "AAAA"), questionOf("cdn.example")])
        clock.advance(1)
        self.assertNoResult(looking)
        source.release(answerOf(questionOf("cdn.example", "AAAA"), "2001:db8::1"), questionOf("cdn.example", "AAAA"))
        clock.advance(0.25)
        self.assertEqual(self.found(looking), ["cdn.example:443", "example.org:443"])
        self.assertEqual((source.held, clock.getDelayedCalls()), ([], []))

    def test_recordDelayCanBeSet(self) -> None:
        """
        C{recordDelay} sets the delay. Without C{fallback} the records are waited for.
        """
        for delay, fallback, seconds in ((0.5, True, 0.5), (0, True, 0.0), (600, True, None), (0, False, None)):
            clock = Clock()
            source = HeldSource()
            resolver = NamesResolver(source, clock)
            looking = services.bindingTargets("https", "a", recordDelay=delay, fallback=fallback, resolver=resolver)
            source.release(answerOf(questionOf("a"), "192.0.2.1"), questionOf("a"))
            clock.advance(0 if seconds is None else seconds)
            if seconds is None:
                clock.advance(100)
                self.assertNoResult(looking)
                source.release(answerOf(questionOf("a", "HTTPS"), "1 b.example."), questionOf("a", "HTTPS"))
            self.assertEqual(self.found(looking)[0], "b.example:443" if seconds is None else "a:443")
            self.assertEqual((source.held, clock.getDelayedCalls()), ([], []))

    def test_cancelEndsAddressLookups(self) -> None:
        """
        Canceling ends the address look-ups as well.
        """
        source = HeldSource()
        looking = services.bindingTargets("https", "a", resolver=NamesResolver(source, Clock()))
        looking.cancel()
        self.failureResultOf(looking, CancelledError)
        self.assertEqual(len(source.cancelled), 3)

    def test_canceledConnectionEndsLookups(self) -> None:
        """
        Canceling a connection ends all look-ups, before and after the first address.
        """
        for known in (False, True):
            clock = Clock()
            source = HeldSource()
            found = HTTPSEndpoint(clock, "a.example", resolver=NamesResolver(source, clock)).connect(Factory())
            self.assertEqual(len(source.held), 3)
            if known:
                source.release(answerOf(questionOf("a.example"), "192.0.2.1"), questionOf("a.example"))
                clock.advance(0.1)
            found.cancel()
            self.failureResultOf(found, ConnectingCancelledError)
            self.assertEqual((source.held, clock.getDelayedCalls()), ([], []))
