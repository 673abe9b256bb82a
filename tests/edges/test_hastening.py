"""
Tests of L{twisted_ext.edges.hastening}.
"""

from __future__ import annotations

from collections.abc import Iterator

from twisted.internet.defer import CancelledError, Deferred, fail, succeed
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from twisted_ext.edges.hastening import hastened

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
