"""
Tests of asking one source after the other.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from twisted.internet.defer import CancelledError
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from tests.cache.canned import question, wishes
from tests.resolver.told import Told, addresses, said
from twisted_ext.answers import Answer, Outcome, QueryContext, Question
from twisted_ext.errors import CallerFault, Closed, DNSFault, ServerFailed, TimedOut, Unknown
from twisted_ext.interfaces import IAnswerSource
from twisted_ext.resolver.ask import lookUp
from twisted_ext.resolver.caching.cached import CachedSource
from twisted_ext.resolver.combine.chain import ChainSource
from twisted_ext.resolver.local.specialnames import Special
from twisted_ext.testing.sources import HeldSource, atHand

if TYPE_CHECKING:
    from twisted_ext.interfaces import Start

WWW = question("www.example")


class EmptyLocalSource(Told):
    """
    A source that never waits and has no records.

    @ivar count: The number of calls of C{ask}.
    """

    def __init__(self, fault: DNSFault | None = None) -> None:
        super().__init__()
        self.fault = fault
        self.count = 0

    def ask(self, question: Question, context: QueryContext) -> Answer | Start | None:
        self.count += 1
        if self.fault is not None:
            raise self.fault
        return None


class ChainTests(SynchronousTestCase):
    """
    Tests for L{ChainSource}.
    """

    def test_providesIAnswerSource(self) -> None:
        """
        The chain is an answer source and lists its sources.
        """
        first, second = Told(), Told()
        chain = ChainSource([first, second])
        verifyObject(IAnswerSource, chain)
        self.assertEqual(chain.sources(), (first, second))

    def test_emptyChainIsRefused(self) -> None:
        """
        A chain without sources is refused.
        """
        self.assertRaises(CallerFault, ChainSource, [])

    def test_failureLeadsToNextSource(self) -> None:
        """
        The next source is asked if one has no answer or fails.
        """
        for fault in (Unknown("nothing"), ServerFailed("no"), TimedOut("late")):
            first, second = Told(otherwise=fault), Told({"www.example A": "192.0.2.1"})
            answer = self.successResultOf(lookUp(ChainSource([first, second]), WWW, wishes()))
            self.assertEqual(addresses(answer), ["192.0.2.1"])
            self.assertEqual(first.asked, ["www.example A"])

    def test_denialEndsTheChain(self) -> None:
        """
        A denial is an answer, and no further source is asked.
        """
        for outcome in (Outcome.NXDOMAIN, Outcome.NODATA):
            second = Told({"www.example A": "192.0.2.1"})
            answer = self.successResultOf(lookUp(ChainSource([Told(otherwise=outcome), second]), WWW, wishes()))
            self.assertIs(answer.outcome, outcome)
            self.assertEqual(second.asked, [])

    def test_lastRealFailureIsRaised(self) -> None:
        """
        The last failure is raised if all sources fail, unless it only says that the source has no answer.
        """
        late, failed, nothing = TimedOut("late"), ServerFailed("no"), Unknown("nothing")
        for faults, expected in (([late, failed], failed), ([late, nothing], late), ([nothing, late, nothing], late)):
            chain = ChainSource([Told(otherwise=fault) for fault in faults])
            self.assertIs(self.failureResultOf(lookUp(chain, WWW, wishes())).value, expected)

    def test_unknownNamesTheQuestion(self) -> None:
        """
        The error names the number of sources and the question if no source has an answer.
        """
        chain = ChainSource([Special(), Told(otherwise=Unknown("nothing"))])
        failure = self.failureResultOf(lookUp(ChainSource([Special(), Special()]), WWW, wishes()), Unknown)
        self.assertEqual(str(failure.value), "none of 2 sources has information on www.example. IN A")
        self.failureResultOf(lookUp(chain, WWW, wishes()), Unknown)

    def test_answerAtHandOfLaterSource(self) -> None:
        """
        An answer at hand in the next source is used after a source that never waits.
        """
        chain = ChainSource([Special(), Told({"www.example A": "192.0.2.1"}, ready=True)])
        answer = atHand(chain, WWW, wishes())
        assert answer is not None
        self.assertEqual(addresses(answer), ["192.0.2.1"])

    def test_answerAtHandKeepsTheOrder(self) -> None:
        """
        A source that needs a wait is not passed over for an answer at hand in a later source.
        """
        for first in (Told({"www.example A": "192.0.2.1"}), HeldSource()):
            chain = ChainSource([first, Told({"www.example A": "192.0.2.2"}, ready=True)])
            self.assertIsNone(atHand(chain, WWW, wishes()))

    def test_answerAtHandPassesKnownFailure(self) -> None:
        """
        A source with a cached failure is passed over at once.
        """
        failing = Told(otherwise=ServerFailed("again"), ready=True)
        chain = ChainSource([failing, Told({"www.example A": "192.0.2.2"}, ready=True)])
        answer = atHand(chain, WWW, wishes())
        assert answer is not None
        later = self.successResultOf(lookUp(chain, WWW, wishes()))
        self.assertEqual(answer.answer, later.answer)

    def test_eachSourceIsAskedOncePerLookup(self) -> None:
        """
        A source that has no information is asked once in a look-up. The next look-up asks all sources.
        """
        local, cache = EmptyLocalSource(), CachedSource(Told({"www.example A": "192.0.2.1"}), Clock())
        chain = ChainSource([local, cache])
        for expected in (1, 2):
            cache.flush()
            start = chain.ask(WWW, wishes())
            assert not isinstance(start, Answer | None)
            self.assertEqual(addresses(self.successResultOf(start(wishes()))), ["192.0.2.1"])
            self.assertEqual(local.count, expected)

    def test_failureOfFirstPassIsRaised(self) -> None:
        """
        The failure from the first pass is raised if no other source has an answer.
        """
        local = EmptyLocalSource(ServerFailed("broken"))
        chain = ChainSource([local, CachedSource(Told(otherwise=Unknown("nothing")), Clock())])
        context = wishes()
        self.assertIsNone(atHand(chain, WWW, context))
        self.assertIs(self.failureResultOf(lookUp(chain, WWW, context)).value, local.fault)

    def test_silentSourceLeavesTimeForOthers(self) -> None:
        """
        A silent source leaves the others a share of the time. It would use up all of it without a clock.
        """
        clock = Clock()
        first, second, third = Told(otherwise=TimedOut("late")), Told(otherwise=TimedOut("late")), Told()
        self.successResultOf(lookUp(ChainSource([first, second, third], clock), WWW, wishes(6.0)))
        self.assertEqual([source.contexts[0].deadline for source in (first, second, third)], [2.0, 3.0, 6.0])
        first, second = Told(otherwise=TimedOut("late")), Told()
        self.successResultOf(lookUp(ChainSource([first, second]), WWW, wishes(6.0)))
        self.assertEqual([source.contexts[0].deadline for source in (first, second)], [6.0, 6.0])

    def test_cancelEndsTheChain(self) -> None:
        """
        Cancelling ends the current look-up, and no further source is asked.
        """
        first, second = HeldSource(), HeldSource()
        for chain, held in (
            (ChainSource([first, Told()]), first),
            (ChainSource([Told(otherwise=Unknown("")), second]), second),
        ):
            asking = lookUp(chain, WWW, wishes())
            asking.cancel()
            self.failureResultOf(asking, CancelledError)
            self.assertEqual(len(held.cancelled), 1)

    def test_slowAnswerArrives(self) -> None:
        """
        The answer of a slow source arrives.
        """
        held = HeldSource()
        asking = lookUp(ChainSource([Told(otherwise=Unknown("")), held, Told()]), WWW, wishes())
        self.assertNoResult(asking)
        held.release(said(WWW, "192.0.2.1"))
        self.assertEqual(addresses(self.successResultOf(asking)), ["192.0.2.1"])

    def test_closeClosesAllSources(self) -> None:
        """
        Closing the chain closes all its sources, and a second close is harmless.
        """
        inner, held = Told(), HeldSource()
        chain = ChainSource([inner, held])
        asking = lookUp(ChainSource([held, Told(otherwise=Unknown(""))]), WWW, wishes())
        self.successResultOf(chain.close())
        self.successResultOf(chain.close())
        self.assertEqual((inner.closed, held.closed), (2, True))
        self.failureResultOf(asking, Closed)
