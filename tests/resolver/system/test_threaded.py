"""
Tests of look-ups by the operating system in threads.
"""

from __future__ import annotations

import socket
from collections.abc import Callable
from time import sleep
from typing import cast

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IReactorFromThreads
from twisted.internet.task import Clock
from twisted.python.threadpool import ThreadPool
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer
from zope.interface.verify import verifyObject

from tests.cache.canned import question, wishes
from tests.resolver.told import addresses
from twisted_ext.answers import Answer, Outcome, QueryContext, Trace
from twisted_ext.errors import BudgetSpent, Closed, ServerFailed, TimedOut, Unknown
from twisted_ext.interfaces import IAnswerSource
from twisted_ext.resolver.ask import lookUp
from twisted_ext.resolver.system import threaded
from twisted_ext.resolver.system.threaded import ThreadedSource
from twisted_ext.testing.sources import atHand
from twisted_ext.wire.message import Question
from twisted_ext.wire.names import nameFromText, nameToText

V4 = b"\xc0\x00\x02\x01"
V6 = b"\x20\x01\x0d\xb8" + bytes(11) + b"\x01"


@implementer(IReactorFromThreads)
class ThreadClock(Clock):
    """
    A clock that accepts calls from threads.
    """

    def callFromThread(self, callable: Callable[..., object], *args: object, **kwargs: object) -> None:
        callable(*args, **kwargs)


class HeldPool:
    """
    A thread pool that works on request.

    @ivar jobs: The waiting jobs.
    """

    def __init__(self) -> None:
        self.jobs: list[Callable[[], object]] = []
        self.started = self.stopped = 0

    def start(self) -> None:
        self.started += 1

    def callInThread(self, func: Callable[[], object]) -> None:
        self.jobs.append(func)

    def work(self) -> None:
        """
        Do all waiting jobs.
        """
        while self.jobs:
            self.jobs.pop(0)()

    def stop(self) -> None:
        self.stopped += 1
        self.work()


class ThreadedTests(SynchronousTestCase):
    """
    Tests for L{ThreadedSource}.
    """

    def setUp(self) -> None:
        self.clock = ThreadClock()
        self.pool = HeldPool()
        self.known: dict[str, list[bytes] | Exception] = {
            "www.example.": [V6, V4, V4],
            "192.0.2.1": [nameFromText("www.example")],
        }
        self.asked: list[str] = []
        self.source = ThreadedSource(
            self.clock, pool=cast(ThreadPool, self.pool), mostWaiting=5, getAddresses=self.getFromSystem, getNames=self.getFromSystem
        )

    def getFromSystem(self, text: str) -> list[bytes]:
        """
        Answer in place of the operating system.
        """
        self.asked.append(text)
        found = self.known.get(text, socket.gaierror(socket.EAI_NONAME, "nobody"))
        if isinstance(found, Exception):
            raise found
        return found

    def ask(
        self, name: str = "www.example", rrType: str = "A", deadline: float = 5.0, *, relative: bool = False
    ) -> Deferred[Answer]:
        """
        Begin a look-up.
        """
        return lookUp(self.source, question(name, rrType), QueryContext(deadline, relative=relative))

    def test_providesIAnswerSource(self) -> None:
        """
        The source is an answer source and has nothing at hand.
        """
        verifyObject(IAnswerSource, self.source)
        self.assertEqual(self.source.sources(), ())
        self.assertIsNone(atHand(self.source, question("www.example"), wishes()))

    def test_threadsStartOnFirstUse(self) -> None:
        """
        No threads are started before the first look-up.
        """
        self.assertEqual(self.pool.started, 0)
        self.ask()
        self.ask("other.example")
        self.assertEqual(self.pool.started, 1)

    def test_oneCallServesBothFamilies(self) -> None:
        """
        Both families of a name come from one call, each address once.
        """
        v4, v6 = self.ask(), self.ask(rrType="AAAA")
        self.pool.work()
        self.assertEqual(addresses(self.successResultOf(v4)), ["192.0.2.1"])
        answer = self.successResultOf(v6)
        self.assertEqual(addresses(answer), ["2001:db8::1"])
        self.assertEqual(answer.answer[0].ttl, 60)
        self.assertEqual(self.asked, ["www.example."])
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_callbackMayCancelOthers(self) -> None:
        """
        The callback of one look-up may cancel the others that share its call.
        """

        def end(result: object) -> None:
            ended.append(result)
            for each in asked:
                each.cancel()

        for come in (self.pool.work, self.source.close):
            ended: list[object] = []
            asked = [self.ask(), self.ask(rrType="AAAA"), self.ask()]
            for each in asked:
                each.addBoth(end)
            come()
            self.assertEqual(len(ended), 3)
            self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_hostWithOneFamilyHasNoDataOfOther(self) -> None:
        """
        A host with one family leads to NODATA for the other.
        """
        self.known["www.example."] = [V4]
        asking = self.ask(rrType="AAAA")
        self.pool.work()
        self.assertIs(self.successResultOf(asking).outcome, Outcome.NODATA)

    def test_addressResolvesToName(self) -> None:
        """
        An address resolves to its name.
        """
        asking = self.ask("1.2.0.192.in-addr.arpa", "PTR")
        self.pool.work()
        self.assertEqual(nameToText(self.successResultOf(asking).answer[0].rdatas[0]), "www.example.")

    def test_systemErrorsBecomeDenialsOrFailures(self) -> None:
        """
        The system's errors for missing names are denials, and all other errors are failures.
        """
        for error, rrType, expected in (
            (socket.gaierror(socket.EAI_NONAME, "x"), "A", Outcome.NXDOMAIN),
            (socket.gaierror(socket.EAI_NODATA, "x"), "A", Outcome.NODATA),
            (socket.gaierror(socket.EAI_ADDRFAMILY, "x"), "A", Outcome.NODATA),
            (socket.herror(1, "x"), "PTR", Outcome.NXDOMAIN),
            (socket.herror(4, "x"), "PTR", Outcome.NODATA),
            (socket.gaierror(socket.EAI_AGAIN, "x"), "A", None),
            (socket.gaierror(socket.EAI_FAIL, "x"), "A", None),
            (socket.herror(2, "x"), "PTR", None),
            (OSError(5, "x"), "A", None),
        ):
            self.known["www.example."] = self.known["192.0.2.1"] = error
            asking = self.ask("www.example" if rrType == "A" else "1.2.0.192.in-addr.arpa", rrType)
            self.pool.work()
            if expected is None:
                self.assertIn("the system could not look up", str(self.failureResultOf(asking, ServerFailed).value))
            else:
                self.assertIs(self.successResultOf(asking).outcome, expected)

    def test_unexpectedErrorsPassUnchanged(self) -> None:
        """
        An exception that is not an error of the system passes unchanged.
        """
        self.known["www.example."] = ZeroDivisionError()
        asking = self.ask()
        self.pool.work()
        self.failureResultOf(asking, ZeroDivisionError)

    def test_unsupportedQuestionsAreUnknown(self) -> None:
        """
        Other types, other classes and names that cannot be written as text are unknown.
        """
        for name, rrType in (
            ("www.example", "MX"),
            ("www.example", "PTR"),
            (".", "A"),
            (r"a\.b.example", "A"),
            (r"a\000.example", "A"),
        ):
            self.failureResultOf(self.ask(name, rrType), Unknown)
        self.failureResultOf(lookUp(self.source, Question(nameFromText("www"), 1, 3), wishes()), Unknown)
        self.assertEqual(self.pool.jobs, [])

    def test_systemSearchesShortNames(self) -> None:
        """
        The system searches short names unless they have a final dot.
        """
        self.ask("www", relative=True)
        self.ask("www")
        self.pool.work()
        self.assertEqual(self.asked, ["www", "www."])

    def test_deadlineEndsTheWait(self) -> None:
        """
        A look-up ends at its deadline, however long the system takes. A job without callers is not begun.
        """
        asking = self.ask(deadline=2.0)
        self.clock.advance(2.0)
        self.failureResultOf(asking, TimedOut)
        self.pool.work()
        self.assertEqual(self.asked, [])
        self.failureResultOf(self.ask(deadline=2.0), TimedOut)

    def test_sharedCallHasSeparateDeadlines(self) -> None:
        """
        Callers that share a call have separate deadlines.
        """
        short, long = self.ask(deadline=1.0), self.ask(deadline=9.0)
        self.clock.advance(1.0)
        self.failureResultOf(short, TimedOut)
        self.pool.work()
        self.assertEqual(addresses(self.successResultOf(long)), ["192.0.2.1"])

    def test_cancelLeavesOtherCallers(self) -> None:
        """
        Cancelling one caller leaves the others.
        """
        first, second = self.ask(), self.ask()
        first.cancel()
        self.failureResultOf(first, CancelledError)
        self.pool.work()
        self.assertEqual(addresses(self.successResultOf(second)), ["192.0.2.1"])
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_callerDuringCleanupIsAnswered(self) -> None:
        """
        A caller that arrives while a thread abandons the call is answered.
        """
        self.ask().addErrback(lambda _: None).cancel()
        late: list[Deferred[Answer]] = []

        def callFromThread(callable: Callable[..., object], *args: object, **kwargs: object) -> None:
            if not late:
                late.append(self.ask())
            callable(*args, **kwargs)

        self.patch(self.clock, "callFromThread", callFromThread)
        self.pool.work()
        self.assertEqual(addresses(self.successResultOf(late[0])), ["192.0.2.1"])

    def test_waitingLookupsAreLimited(self) -> None:
        """
        The number of waiting look-ups is limited, and cancelled ones make room.
        """
        asking = [self.ask(f"{number}.example") for number in range(6)]
        self.failureResultOf(asking.pop(), BudgetSpent)
        asking[0].addErrback(lambda _: None).cancel()
        self.assertNoResult(self.ask())

    def test_traceShowsTheCall(self) -> None:
        """
        The trace shows what the system was asked.
        """
        trace = Trace()
        lookUp(self.source, question("www.example"), QueryContext(5.0, trace=trace))
        self.assertEqual(trace.notes[0].details["of"], "www.example.")

    def test_closeWaitsForThreads(self) -> None:
        """
        Closing fails the waiting look-ups at once and is complete when the threads have ended. A second close does nothing.
        """
        asking = self.ask()
        closing = [self.source.close(), self.source.close()]
        self.failureResultOf(asking, Closed)
        for _ in range(1000):
            if all(each.called for each in closing):
                break
            sleep(0.01)
        for each in [*closing, self.source.close()]:
            self.successResultOf(each)
        self.assertEqual((self.pool.stopped, self.asked), (1, []))
        self.failureResultOf(self.ask(), Closed)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_closeOfIdleSourceIsImmediate(self) -> None:
        """
        An idle source is closed at once, whether it was used or not.
        """
        self.successResultOf(self.source.close())
        self.assertEqual(self.pool.stopped, 0)
        source = ThreadedSource(self.clock, pool=cast(ThreadPool, self.pool), getAddresses=self.getFromSystem)
        asking = lookUp(source, question("www.example"), wishes())
        self.pool.work()
        self.successResultOf(asking)
        for _ in range(2):
            self.successResultOf(source.close())
        self.assertEqual(self.pool.stopped, 1)

    def test_scopedAddressesAreLeftOut(self) -> None:
        """
        Addresses that need a scope are left out, because a record cannot hold it.
        """
        found = [
            (socket.AF_INET6, 1, 6, "", ("fe80::1%eth0", 0, 0, 2)),
            (socket.AF_INET, 1, 6, "", ("192.0.2.1", 0)),
            (socket.AF_UNIX, 1, 6, "", ("/dev/null",)),
        ]
        self.patch(socket, "getaddrinfo", lambda *_, **__: found)
        self.assertEqual(threaded.addressesOf("www.example"), [V4])

    def test_firstNameOfAddress(self) -> None:
        """
        The name of an address is the first one that the system returns.
        """
        self.patch(socket, "gethostbyaddr", lambda _: ("www.example", ["alias.example"], []))
        self.assertEqual(threaded.namesOf("192.0.2.1"), [nameFromText("www.example")])
