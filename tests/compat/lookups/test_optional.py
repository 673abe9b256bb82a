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
    Tests of L{hastened}, with records that are waited for half a second once there is an address.
    """

    def setUp(self) -> None:
        self.clock = Clock()
        self.canceled: list[str] = []
        self.records: Deferred[str] = self.pending("records")
        self.families = [self.pendingAddresses("six"), self.pendingAddresses("four")]
        self.result = hastened(self.records, self.addresses, self.clock, 0.5)

    def pending(self, what: str) -> Deferred[str]:
        """
        @return: a look-up that says when it is canceled.
        """
        return Deferred(lambda _: self.canceled.append(what))

    def pendingAddresses(self, what: str) -> Deferred[list[str]]:
        """
        @return: one for addresses.
        """
        return Deferred(lambda _: self.canceled.append(what))

    def addresses(self) -> Iterator[Deferred[list[str]]]:
        """
        Begin to look both families up.
        """
        yield from self.families

    def over(self, *canceled: str) -> None:
        """
        Nothing is left of it.
        """
        self.assertEqual(self.canceled, list(canceled))
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_atHand(self) -> None:
        """
        Where the records are known, or known not to be, nobody asks for addresses.
        """

        def asked() -> list[Deferred[list[str]]]:
            raise AssertionError("asked")

        self.assertEqual(self.successResultOf(hastened(succeed(1), asked, self.clock, 0.5)), 1)
        self.failureResultOf(hastened(fail(KeyError()), asked, self.clock, 0.5), KeyError)

    def test_inTime(self) -> None:
        """
        Records that come soon after the first address are taken.
        """
        self.families[1].callback(["192.0.2.1"])
        self.clock.advance(0.4)
        self.records.callback("records")
        self.assertEqual(self.successResultOf(self.result), "records")
        self.over("six")

    def test_dropped(self) -> None:
        """
        Records that do not are given up.
        """
        self.clock.advance(1)
        self.families[0].callback(["2001:db8::1"])
        self.clock.advance(0.3)
        self.families[1].callback(["192.0.2.1"])
        self.assertNoResult(self.result)
        self.clock.advance(0.2)
        self.assertIsNone(self.successResultOf(self.result))
        self.over("records")

    def test_noAddress(self) -> None:
        """
        Where the host has no address, or nobody knows one, the records are waited for.
        """
        self.families[0].callback([])
        self.families[1].errback(KeyError())
        self.clock.advance(100)
        self.assertNoResult(self.result)
        self.records.callback("records")
        self.assertEqual(self.successResultOf(self.result), "records")
        self.over()

    def test_failed(self) -> None:
        """
        That the records cannot be looked up is told at once.
        """
        self.records.errback(KeyError())
        self.failureResultOf(self.result, KeyError)
        self.over("six", "four")

    def test_handedOver(self) -> None:
        """
        The look-ups of addresses go on until it has been told, so that they can be joined.
        """
        seen: list[int] = []
        self.result.addCallback(lambda _: seen.append(len(self.canceled)))
        self.records.callback("records")
        self.assertEqual(seen, [0])
        self.over("six", "four")

    def test_cancel(self) -> None:
        """
        Cancelling ends everything, before there is an address and after.
        """
        for addresses, canceled in ((False, ["records", "six", "four"]), (True, ["records", "four"])):
            self.setUp()
            if addresses:
                self.families[0].callback(["2001:db8::1"])
            self.result.cancel()
            self.failureResultOf(self.result, CancelledError)
            self.over(*canceled)


class BindingTests(ServiceTestCase):
    """
    Tests of L{bindingTargets<services.bindingTargets>}, whose records do not come.
    """

    def test_dropped(self) -> None:
        """
        Where questions for the records are dropped on the way, they are not waited for once the host, or the end of its aliases, has an
        address; unless there is nothing to go on with, or that is not wanted.
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

    def test_patience(self) -> None:
        """
        How long they are waited for can be chosen; and without C{fallback} they are waited for.
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

    def test_cancelledBeside(self) -> None:
        """
        Cancelling ends the look-ups of addresses as well.
        """
        source = HeldSource()
        looking = services.bindingTargets("https", "a", resolver=NamesResolver(source, Clock()))
        looking.cancel()
        self.failureResultOf(looking, CancelledError)
        self.assertEqual(len(source.cancelled), 3)

    def test_cancelledEndpoint(self) -> None:
        """
        So does cancelling a connection, before there is an address and while the records are waited for.
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
