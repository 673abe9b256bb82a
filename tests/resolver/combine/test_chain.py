"""
Tests of asking one source after the other.
"""

from __future__ import annotations

from twisted.internet.defer import CancelledError
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from tests.cache.canned import question, wishes
from tests.resolver.told import Told, addresses, said
from twisted_ext.answers import Answer, Outcome, QueryContext, Question
from twisted_ext.errors import CallerFault, Closed, DNSFault, ServerFailed, TimedOut, Unknown
from twisted_ext.interfaces import IAnswerSource
from twisted_ext.resolver.caching.cached import CachedSource
from twisted_ext.resolver.combine.chain import ChainSource
from twisted_ext.resolver.policy.specialnames import Special
from twisted_ext.testing.sources import HeldSource

WWW = question("www.example")


class Local(Told):
    """
    A source that never waits, and has nothing.

    @ivar count: how often it was asked for what is at hand.
    """

    immediate = True

    def __init__(self, fault: DNSFault | None = None) -> None:
        super().__init__()
        self.fault = fault
        self.count = 0

    def answerNow(self, question: Question, context: QueryContext) -> Answer | None:
        self.count += 1
        if self.fault is not None:
            raise self.fault
        return None


class ChainingTests(SynchronousTestCase):
    """
    Tests for L{ChainSource}.
    """

    def test_interface(self) -> None:
        """
        It can stand wherever something answers questions, and says what is in it.
        """
        first, second = Told(), Told()
        chain = ChainSource([first, second])
        verifyObject(IAnswerSource, chain)
        self.assertEqual(chain.sources(), (first, second))

    def test_empty(self) -> None:
        """
        A chain of nothing is a mistake of whoever makes it.
        """
        self.assertRaises(CallerFault, ChainSource, [])

    def test_next(self) -> None:
        """
        Where one source does not know, or fails, the next one is asked.
        """
        for fault in (Unknown("nothing"), ServerFailed("no"), TimedOut("late")):
            first, second = Told(otherwise=fault), Told({"www.example A": "192.0.2.1"})
            answer = self.successResultOf(ChainSource([first, second]).answer(WWW, wishes()))
            self.assertEqual(addresses(answer), ["192.0.2.1"])
            self.assertEqual(first.asked, ["www.example A"])

    def test_denial(self) -> None:
        """
        A denial is an answer: nobody else is asked.
        """
        for outcome in (Outcome.NXDOMAIN, Outcome.NODATA):
            second = Told({"www.example A": "192.0.2.1"})
            answer = self.successResultOf(ChainSource([Told(otherwise=outcome), second]).answer(WWW, wishes()))
            self.assertIs(answer.outcome, outcome)
            self.assertEqual(second.asked, [])

    def test_lastFailure(self) -> None:
        """
        Where all fail, the last failure is raised, unless it only says that its source knows nothing.
        """
        late, failed, nothing = TimedOut("late"), ServerFailed("no"), Unknown("nothing")
        for faults, expected in (([late, failed], failed), ([late, nothing], late), ([nothing, late, nothing], late)):
            chain = ChainSource([Told(otherwise=fault) for fault in faults])
            self.assertIs(self.failureResultOf(chain.answer(WWW, wishes())).value, expected)

    def test_nobody(self) -> None:
        """
        Where nobody knows, that is said, and of what.
        """
        chain = ChainSource([Special(), Told(otherwise=Unknown("nothing"))])
        failure = self.failureResultOf(ChainSource([Special(), Special()]).answer(WWW, wishes()), Unknown)
        self.assertEqual(str(failure.value), "none of 2 sources has anything on www.example. IN A")
        self.failureResultOf(chain.answer(WWW, wishes()), Unknown)

    def test_now(self) -> None:
        """
        What a source that never waits does not know is at hand if the next one has it at hand.
        """
        chain = ChainSource([Special(), Told({"www.example A": "192.0.2.1"}, ready=True)])
        answer = chain.answerNow(WWW, wishes())
        assert answer is not None
        self.assertEqual(addresses(answer), ["192.0.2.1"])

    def test_nowInOrder(self) -> None:
        """
        A source that would have to be waited for is not passed over for one that has something at hand.
        """
        for first in (Told({"www.example A": "192.0.2.1"}), HeldSource()):
            chain = ChainSource([first, Told({"www.example A": "192.0.2.2"}, ready=True)])
            self.assertIsNone(chain.answerNow(WWW, wishes()))

    def test_nowAfterFailure(self) -> None:
        """
        A source that is known to fail is passed over at once.
        """
        failing = Told(otherwise=ServerFailed("again"), ready=True)
        chain = ChainSource([failing, Told({"www.example A": "192.0.2.2"}, ready=True)])
        answer = chain.answerNow(WWW, wishes())
        assert answer is not None
        later = self.successResultOf(chain.answer(WWW, wishes()))
        self.assertEqual(answer.answer, later.answer)

    def test_immediate(self) -> None:
        """
        A chain of sources that never wait never waits; and one that nobody has to wait for costs no wait in the next chain.
        """
        self.assertTrue(ChainSource([Special(), Special()]).immediate)
        self.assertFalse(ChainSource([Special(), Told()]).immediate)
        chain = ChainSource([ChainSource([Special()]), Told({"www.example A": "192.0.2.1"}, ready=True)])
        self.assertIsNotNone(chain.answerNow(WWW, wishes()))

    def test_oncePerLookup(self) -> None:
        """
        Who was found to have nothing at hand is not asked a second time in the same look-up, nor does the cache look twice; in the next
        one all of them are.
        """
        local, cache = Local(), CachedSource(Told({"www.example A": "192.0.2.1"}), Clock())
        chain = ChainSource([local, cache])
        for expected in (1, 2):
            cache.flush()
            context = wishes()
            self.assertIsNone(chain.answerNow(WWW, context))
            self.assertEqual(addresses(self.successResultOf(chain.answer(WWW, context))), ["192.0.2.1"])
            self.assertEqual(local.count, expected)
            self.assertIsNone(context.missed)

    def test_failedFirst(self) -> None:
        """
        What went wrong with a source at hand is told where nobody knows, although it was asked before.
        """
        local = Local(ServerFailed("broken"))
        chain = ChainSource([local, CachedSource(Told(otherwise=Unknown("nothing")), Clock())])
        context = wishes()
        self.assertIsNone(chain.answerNow(WWW, context))
        self.assertIs(self.failureResultOf(chain.answer(WWW, context)).value, local.fault)

    def test_deadline(self) -> None:
        """
        A source that never answers leaves the others their share of the time; without a clock it would use up all of it.
        """
        clock = Clock()
        first, second, third = Told(otherwise=TimedOut("late")), Told(otherwise=TimedOut("late")), Told()
        self.successResultOf(ChainSource([first, second, third], clock).answer(WWW, wishes(6.0)))
        self.assertEqual([source.contexts[0].deadline for source in (first, second, third)], [2.0, 3.0, 6.0])
        first, second = Told(otherwise=TimedOut("late")), Told()
        self.successResultOf(ChainSource([first, second]).answer(WWW, wishes(6.0)))
        self.assertEqual([source.contexts[0].deadline for source in (first, second)], [6.0, 6.0])

    def test_cancel(self) -> None:
        """
        Cancelling ends what is being waited for, and nobody else is asked.
        """
        first, second = HeldSource(), HeldSource()
        for chain, held in (
            (ChainSource([first, Told()]), first),
            (ChainSource([Told(otherwise=Unknown("")), second]), second),
        ):
            asking = chain.answer(WWW, wishes())
            asking.cancel()
            self.failureResultOf(asking, CancelledError)
            self.assertEqual(len(held.cancelled), 1)

    def test_waits(self) -> None:
        """
        The answer of a slow source arrives.
        """
        held = HeldSource()
        asking = ChainSource([Told(otherwise=Unknown("")), held, Told()]).answer(WWW, wishes())
        self.assertNoResult(asking)
        held.release(said(WWW, "192.0.2.1"))
        self.assertEqual(addresses(self.successResultOf(asking)), ["192.0.2.1"])

    def test_close(self) -> None:
        """
        Closing it closes all of them, and may be done again.
        """
        told, held = Told(), HeldSource()
        chain = ChainSource([told, held])
        asking = ChainSource([held, Told(otherwise=Unknown(""))]).answer(WWW, wishes())
        self.successResultOf(chain.close())
        self.successResultOf(chain.close())
        self.assertEqual((told.closed, held.closed), (2, True))
        self.failureResultOf(asking, Closed)
