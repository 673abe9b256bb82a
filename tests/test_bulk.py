"""
Tests of L{twisted_ext.bulk} and of its base, L{twisted_ext.resolver.lookup.stream}.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Iterator
from functools import partial
from ipaddress import ip_address
from itertools import count
from typing import TYPE_CHECKING

from twisted.internet.defer import Deferred, succeed
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer

from tests.typed import unchecked
from twisted_ext.answers import Answer, Origin, Outcome, QueryContext
from twisted_ext.bulk import Asked, bulk, dataOf, reverse
from twisted_ext.errors import BadName, CallerFault, TimedOut, Unknown
from twisted_ext.interfaces import IAnswerSource
from twisted_ext.ratecontrol import Window
from twisted_ext.testing.sources import CannedSource, HeldSource, answerOf, questionOf, rrsetOf
from twisted_ext.wire.message import Question
from twisted_ext.wire.names import nameFromText, nameToText
from twisted_ext.wire.rrtypes import CNAME, PTR

if TYPE_CHECKING:
    from twisted_ext.interfaces import Start

Results = list[tuple[Asked, Answer | Exception]]


def collect(iterator: AsyncIterator[tuple[Asked, Answer | Exception]], into: Results, most: int = 10**9) -> Deferred[None]:
    """
    Collect results to the end, or C{most} of them, and fire then.
    """

    async def take() -> None:
        async for pair in iterator:
            into.append(pair)
            if len(into) >= most:
                break

    return Deferred.fromCoroutine(take())


def names(number: int) -> list[str]:
    """
    Return this many different names.
    """
    return [f"h{index}.example.org" for index in range(number)]


class BulkTests(SynchronousTestCase):
    """
    Tests for L{bulk}.
    """

    def setUp(self) -> None:
        """
        Use a clock that stands still.
        """
        self.clock = Clock()

    def run_(self, source: object, asked: Iterable[Asked], window: int | None = None) -> Results:
        """
        Return all results.
        """
        found: Results = []
        done = collect(bulk(source, asked, clock=self.clock, window=window), found)
        while not done.called:
            self.clock.advance(0)
        self.successResultOf(done)
        self.assertEqual(self.clock.getDelayedCalls(), [])
        return found

    def test_everyNameHasAnAnswer(self) -> None:
        """
        Every name occurs once, with its answer.
        """
        source = CannedSource(otherwise="192.0.2.1")
        found = self.run_(source, names(5000), window=100)
        self.assertEqual(sorted([str(name) for name, _ in found]), sorted(names(5000)))
        self.assertEqual({tuple(dataOf(result)) for _, result in found if isinstance(result, Answer)}, {("192.0.2.1",)})

    def test_immediateAnswersNeedNoQuery(self) -> None:
        """
        Immediate answers need no query.
        """
        source = CannedSource({("h0.example.org", "A"): "192.0.2.1"}, now=True)
        self.assertEqual(len(self.run_(source, ["h0.example.org"] * 3)), 3)
        self.assertEqual(source.asked, 0)

    def test_failuresAreResults(self) -> None:
        """
        Failed look-ups and invalid names are among the results.
        """
        fault = TimedOut("too slow")
        source = CannedSource({("h0.example.org", "A"): fault}, otherwise="192.0.2.1")
        found = dict(self.run_(source, ["h0.example.org", "a..b", "h1.example.org"]))
        self.assertIs(found["h0.example.org"], fault)
        self.assertIsInstance(found["a..b"], BadName)
        self.assertIsInstance(found["h1.example.org"], Answer)

    def test_unexpectedExceptionIsAResult(self) -> None:
        """
        An unexpected exception of the source is the result of its name.
        """

        def explode(question: Question) -> str:
            raise ZeroDivisionError("oh")

        found = self.run_(CannedSource({("a.example", "A"): explode}, otherwise="192.0.2.1"), ["a.example", "b.example"])
        self.assertIsInstance(dict(found)["a.example"], ZeroDivisionError)
        self.assertEqual(len(found), 2)

    def test_windowBoundsLookups(self) -> None:
        """
        The window bounds the pending look-ups, and names are taken only when there is room.
        """
        source = HeldSource()
        consumed = 0

        def endless() -> Iterator[str]:
            nonlocal consumed
            for number in count():
                consumed += 1
                yield f"h{number}.example.org"

        found: Results = []
        iterator = bulk(source, endless(), clock=self.clock, window=Window(10, least=10, most=10))
        done = collect(iterator, found, 50)
        self.assertEqual((len(source.held), consumed), (10, 10))
        while not done.called:
            source.release(answerOf(questionOf("x.example"), "192.0.2.1"))
            self.clock.advance(0)
            self.assertLessEqual(len(source.held), 10)
        self.assertLessEqual(consumed, 80)
        self.successResultOf(Deferred.fromCoroutine(iterator.aclose()))

    def test_slowConsumerStopsLookups(self) -> None:
        """
        Look-ups stop at a window of results while the caller takes none.
        """
        source = CannedSource(otherwise="192.0.2.1")
        gate: Deferred[None] = Deferred()

        async def consume() -> None:
            async for _ in bulk(source, map("h{}.example.org".format, count()), clock=self.clock, window=20):
                await gate

        done = Deferred.fromCoroutine(consume())
        self.clock.pump([0] * 50)
        self.assertLessEqual(source.asked, 45)
        done.addErrback(lambda failure: None)
        done.cancel()

    def test_orderedResults(self) -> None:
        """
        C{ordered} gives results in the order of the names, invalid ones included.
        """
        source = HeldSource()
        found: Results = []
        asked = ["a.example", "b.example", "a..b", "c.example"]
        done = collect(bulk(source, asked, clock=self.clock, ordered=True), found)
        answer = answerOf(questionOf("x.example"), "192.0.2.1")
        for name in ("c.example", "b.example"):
            source.release(answer, questionOf(name))
            self.clock.advance(0)
        self.assertEqual(found, [])
        source.release(answer, questionOf("a.example"))
        self.clock.advance(0)
        self.successResultOf(done)
        self.assertEqual([name for name, _ in found], asked)

    def test_heldBackResultsAreBounded(self) -> None:
        """
        The number of results held back for a slow name is bounded.
        """
        self.patch(__import__("twisted_ext.limits").limits.BULK_KEPT_BACK, "default", 30)
        source = HeldSource()
        found: Results = []
        done = collect(bulk(source, names(1000), clock=self.clock, ordered=True, window=Window(10, least=10, most=10)), found)
        answer = answerOf(questionOf("x.example"), "192.0.2.1")
        for _ in range(50):
            for question in source.held:
                if question != questionOf("h0.example.org"):
                    source.release(answer, question)
            self.clock.advance(0)
        self.assertEqual(source.asked, 30)
        done.addErrback(lambda failure: None)
        done.cancel()

    def test_leavingEarlyCancels(self) -> None:
        """
        Leaving early cancels pending look-ups and leaves no timer.
        """
        source = HeldSource()
        found: Results = []
        iterator = bulk(source, names(100), clock=self.clock, window=10, rate=1.0)
        done = collect(iterator, found)
        done.addErrback(lambda failure: None)
        done.cancel()
        self.successResultOf(Deferred.fromCoroutine(iterator.aclose()))
        self.assertEqual(source.held, [])
        self.assertEqual(len(source.cancelled), source.asked)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_rateIsLimited(self) -> None:
        """
        C{rate} limits the look-ups per second.
        """
        source = CannedSource(otherwise="192.0.2.1")
        found: Results = []
        done = collect(bulk(source, names(100), clock=self.clock, rate=10), found)
        self.clock.pump([0.05] * 100)
        self.assertLessEqual(source.asked, 53)
        self.assertGreaterEqual(source.asked, 45)
        self.clock.pump([0.05] * 120)
        self.successResultOf(done)
        self.assertEqual(len(found), 100)

    def test_asynchronousNames(self) -> None:
        """
        Names can come from a slow asynchronous iterator.
        """
        gates: list[Deferred[str]] = [Deferred() for _ in range(3)]

        async def slowly() -> AsyncIterator[str]:
            for gate in gates:
                yield await gate

        found: Results = []
        done = collect(bulk(CannedSource(otherwise="192.0.2.1"), slowly(), clock=self.clock), found)
        for number, gate in enumerate(gates):
            self.clock.advance(0)
            self.assertEqual(len(found), number)
            gate.callback(f"h{number}.example.org")
        self.clock.pump([0] * 3)
        self.successResultOf(done)
        self.assertEqual([name for name, _ in found], names(3))

    def test_namesErrorEndsTheLoop(self) -> None:
        """
        An exception from the iterator of names ends the loop, after the results of the names before it.
        """

        def broken() -> Iterator[str]:
            yield "a.example"
            raise OSError("no more")

        found: Results = []
        done = collect(bulk(CannedSource(otherwise="192.0.2.1"), broken(), clock=self.clock), found)
        self.clock.pump([0] * 3)
        self.failureResultOf(done, OSError)
        self.assertEqual(len(found), 1)

    def test_eachLookupHasItsDeadline(self) -> None:
        """
        Each look-up has its own deadline from its start, to within a tenth of a second.
        """
        source = HeldSource()
        done = collect(bulk(source, names(3), clock=self.clock, window=Window(1, least=1, most=1), seconds=2.0), [])
        self.clock.advance(1.5)
        source.release(answerOf(questionOf("x.example"), "192.0.2.1"))
        self.clock.advance(0)
        first, second = [context.deadline for context in source.contexts]
        self.assertTrue(2.0 <= first <= 2.1, first)
        self.assertTrue(3.5 <= second <= 3.6, second)
        done.addErrback(lambda failure: None)
        done.cancel()

    def test_invalidNamesAreRefused(self) -> None:
        """
        A single text, whose characters would be taken for names, is refused, and so is what is not iterable.
        """
        for wrong in ("www.example.org", b"www.example.org", None, 5):
            results: Results = []
            done = collect(unchecked(bulk)(CannedSource(), wrong, clock=self.clock), results)
            self.assertIn(f"{wrong!r} is not an iterable of names", str(self.failureResultOf(done, CallerFault).value))

    def test_invalidRateIsRefused(self) -> None:
        """
        A rate that would start no look-up, or all at once, is refused.
        """
        for wrong in (0, -1, float("nan"), "10"):
            results: Results = []
            done = collect(unchecked(bulk)(CannedSource(), ["a.example"], clock=self.clock, rate=wrong), results)
            self.assertIn(f"not {wrong!r}", str(self.failureResultOf(done, CallerFault).value))

    def test_invalidSecondsGiveTheMinimum(self) -> None:
        """
        A time that is not a number does not make a look-up wait forever.
        """
        source = HeldSource()
        results: Results = []
        done = collect(bulk(source, ["a.example"], clock=self.clock, seconds=float("nan")), results)
        (context,) = source.contexts
        self.assertLess(context.deadline, self.clock.seconds() + 1)
        done.cancel()
        self.failureResultOf(done)

    def test_invalidTypeOrResolverIsRefused(self) -> None:
        """
        An invalid type or resolver is refused before the first query.
        """
        for iterator in (
            bulk(CannedSource(), ["a.example"], "FOO", clock=self.clock),
            bulk(CannedSource(), ["a.example"], 70000, clock=self.clock),
            bulk("8.8.8.8", ["a.example"], clock=self.clock),
        ):
            self.failureResultOf(collect(iterator, []), CallerFault)


class ReverseTests(SynchronousTestCase):
    """
    Tests for reverse look-ups.
    """

    def ask(self, source: object, asked: Iterable[Asked]) -> dict[str, list[str]]:
        """
        Return the data for each address.
        """
        clock = Clock()
        found: Results = []
        done = collect(bulk(source, asked, clock=clock), found)
        while not done.called:
            clock.advance(0)
        self.successResultOf(done)
        return {
            nameToText(asked.name) if isinstance(asked, Question) else str(asked): dataOf(result, PTR)
            for asked, result in found
            if isinstance(result, Answer)
        }

    def test_bothFamilies(self) -> None:
        """
        Addresses of both families are looked up under their reverse names.
        """
        source = CannedSource(
            {
                ("1.2.0.192.in-addr.arpa", "PTR"): "www.example.org.",
                ("1." + "0." * 23 + "8.b.d.0.1.0.0.2.ip6.arpa", "PTR"): "six.example.org.",
            }
        )
        found = self.ask(source, [ip_address("192.0.2.1"), ip_address("2001:db8::1")])
        self.assertEqual(found, {"192.0.2.1": ["www.example.org."], "2001:db8::1": ["six.example.org."]})

    def test_rangeGivesEachAddress(self) -> None:
        """
        A range gives each of its addresses.
        """
        found = self.ask(CannedSource(otherwise="host.example.org."), reverse("192.0.2.0/24"))
        self.assertEqual(len(found), 256)
        self.assertEqual(found["255.2.0.192.in-addr.arpa."], ["host.example.org."])

    def test_classlessAliasIsFollowed(self) -> None:
        """
        An alias into a classless reverse zone is followed if the server does not do so.
        """
        target = nameFromText("1.0-63.2.0.192.in-addr.arpa")
        question = questionOf("1.2.0.192.in-addr.arpa", "PTR")
        alias = Answer(Outcome.NODATA, (rrsetOf(question.name, CNAME, nameToText(target)),), origin=Origin("canned"))
        source = CannedSource(
            {("1.2.0.192.in-addr.arpa", "PTR"): alias, ("1.0-63.2.0.192.in-addr.arpa", "PTR"): "www.example.org."}
        )
        clock = Clock()
        found: Results = []
        done = collect(bulk(source, [ip_address("192.0.2.1")], clock=clock), found)
        clock.advance(0)
        self.successResultOf(done)
        ((_, answer),) = found
        assert isinstance(answer, Answer)
        self.assertEqual((dataOf(answer), answer.answer[0].rdatas), (["www.example.org."], (target,)))

    def test_deniedAliasTargetIsNotQueried(self) -> None:
        """
        The target of an alias is not queried if the server has denied it.
        """
        question = questionOf("1.2.0.192.in-addr.arpa", "PTR")
        soa = rrsetOf(nameFromText("2.0.192.in-addr.arpa"), 6, "ns. host. 1 2 3 4 5")
        alias = rrsetOf(question.name, CNAME, "1.0-63.2.0.192.in-addr.arpa.")
        for authority, asked in (((soa,), 1), ((), 2)):
            ended = Answer(Outcome.NODATA, (alias,), authority, origin=Origin("canned"))
            source = CannedSource({("1.2.0.192.in-addr.arpa", "PTR"): ended}, [])
            self.assertEqual(self.ask(source, [ip_address("192.0.2.1")]), {"192.0.2.1": []})
            self.assertEqual(source.asked, asked)

    def test_aliasLoopIsReported(self) -> None:
        """
        An alias loop is reported as such, without a repeated query.
        """
        one, other = "1.2.0.192.in-addr.arpa", "a.example"
        source = CannedSource(
            {
                (one, "PTR"): Answer(Outcome.NODATA, (rrsetOf(nameFromText(one), CNAME, f"{other}."),)),
                (other, "PTR"): Answer(Outcome.NODATA, (rrsetOf(nameFromText(other), CNAME, f"{one}."),)),
            }
        )
        clock = Clock()
        found: Results = []
        done = collect(bulk(source, [ip_address("192.0.2.1")], clock=clock), found)
        clock.advance(0)
        self.successResultOf(done)
        self.assertIsInstance(found[0][1], Unknown)
        self.assertIn("form a loop", str(found[0][1]))
        self.assertEqual(source.asked, 2)

    def test_aliasChainIsBounded(self) -> None:
        """
        An endless chain of aliases takes a bounded number of queries.
        """

        @implementer(IAnswerSource)
        class Endless:
            asked = 0

            def ask(self, question: Question, context: QueryContext) -> Start:
                return partial(self._start, question)

            def _start(self, question: Question, context: QueryContext) -> Deferred[Answer]:
                self.asked += 1
                alias = rrsetOf(question.name, CNAME, f"n{self.asked}.example.org.")
                return succeed(Answer(Outcome.NODATA, (alias,), origin=Origin("canned")))

            def close(self) -> Deferred[None]:
                return succeed(None)

            def sources(self) -> tuple[IAnswerSource, ...]:
                return ()

        source = Endless()
        clock = Clock()
        found: Results = []
        done = collect(bulk(source, ["a.example"], clock=clock), found)
        clock.advance(0)
        self.successResultOf(done)
        self.assertIsInstance(found[0][1], Unknown)
        self.assertEqual(source.asked, 12)
