"""
Tests of asking the operating system.
"""

from __future__ import annotations

import socket
from collections.abc import Callable
from time import sleep

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IReactorFromThreads
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer
from zope.interface.verify import verifyObject

from tests.cache.canned import question, wishes
from tests.resolver.told import addresses
from twisted_ext.answers import Answer, Outcome, QueryContext, Trace
from twisted_ext.errors import BudgetSpent, Closed, ServerFailed, TimedOut, Unknown
from twisted_ext.interfaces import IAnswerSource
from twisted_ext.resolver.system import threaded
from twisted_ext.resolver.system.threaded import Threaded
from twisted_ext.wire.message import Question
from twisted_ext.wire.names import nameFromText, nameToText

V4 = b"\xc0\x00\x02\x01"
V6 = b"\x20\x01\x0d\xb8" + bytes(11) + b"\x01"


@implementer(IReactorFromThreads)
class ThreadClock(Clock):
    """
    A clock that takes calls from threads.
    """

    def callFromThread(self, callable: Callable[..., object], *args: object, **kwargs: object) -> None:
        callable(*args, **kwargs)


class HeldPool:
    """
    A pool whose threads work when they are told to.

    @ivar jobs: what they will do.
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
        Do everything there is.
        """
        while self.jobs:
            self.jobs.pop(0)()

    def stop(self) -> None:
        self.stopped += 1
        self.work()


class ThreadedTests(SynchronousTestCase):
    """
    Tests for L{Threaded}.
    """

    def setUp(self) -> None:
        self.clock = ThreadClock()
        self.pool = HeldPool()
        self.known: dict[str, list[bytes] | Exception] = {
            "www.example.": [V6, V4, V4],
            "192.0.2.1": [nameFromText("www.example")],
        }
        self.asked: list[str] = []
        self.source = Threaded(
            self.clock, pool=self.pool, mostWaiting=5, getAddresses=self.system, getNames=self.system
        )

    def system(self, text: str) -> list[bytes]:
        """
        Stand for the operating system.
        """
        self.asked.append(text)
        found = self.known.get(text, socket.gaierror(socket.EAI_NONAME, "nobody"))
        if isinstance(found, Exception):
            raise found
        return found

    def ask(
        self, name: str = "www.example", rrType: str = "A", deadline: float = 5.0, *, relative: bool = False
    ) -> Deferred[Answer]:
        return self.source.answer(question(name, rrType), QueryContext(deadline, relative=relative))

    def test_interface(self) -> None:
        """
        It can stand wherever something answers questions, and has nothing at hand.
        """
        verifyObject(IAnswerSource, self.source)
        self.assertEqual(self.source.sources(), ())
        self.assertIsNone(self.source.answerNow(question("www.example"), wishes()))

    def test_lazy(self) -> None:
        """
        There are no threads until somebody asks.
        """
        self.assertEqual(self.pool.started, 0)
        self.ask()
        self.ask("other.example")
        self.assertEqual(self.pool.started, 1)

    def test_families(self) -> None:
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

    def test_othersLeave(self) -> None:
        """
        Whoever has an answer, or learns that there will be none, may end other look-ups that wait for the same call.
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

    def test_noData(self) -> None:
        """
        A host with one family has no addresses of the other, which is not the same as not to exist.
        """
        self.known["www.example."] = [V4]
        asking = self.ask(rrType="AAAA")
        self.pool.work()
        self.assertIs(self.successResultOf(asking).outcome, Outcome.NODATA)

    def test_reverse(self) -> None:
        """
        Addresses lead to names.
        """
        asking = self.ask("1.2.0.192.in-addr.arpa", "PTR")
        self.pool.work()
        self.assertEqual(nameToText(self.successResultOf(asking).answer[0].rdatas[0]), "www.example.")

    def test_denials(self) -> None:
        """
        What the system says of names that are not there is a denial; whatever else it says is a failure.
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

    def test_mistake(self) -> None:
        """
        A mistake in the code is seen as such.
        """
        self.known["www.example."] = ZeroDivisionError()
        asking = self.ask()
        self.pool.work()
        self.failureResultOf(asking, ZeroDivisionError)

    def test_unknown(self) -> None:
        """
        What cannot be asked of the system is somebody else's: other types and classes, names that its text cannot hold.
        """
        for name, rrType in (
            ("www.example", "MX"),
            ("www.example", "PTR"),
            (".", "A"),
            (r"a\.b.example", "A"),
            (r"a\000.example", "A"),
        ):
            self.failureResultOf(self.ask(name, rrType), Unknown)
        self.failureResultOf(self.source.answer(Question(nameFromText("www"), 1, 3), wishes()), Unknown)
        self.assertEqual(self.pool.jobs, [])

    def test_searching(self) -> None:
        """
        The system searches short names as it is configured to, unless they were written with their final dot.
        """
        self.ask("www", relative=True)
        self.ask("www")
        self.pool.work()
        self.assertEqual(self.asked, ["www", "www."])

    def test_deadline(self) -> None:
        """
        Nobody waits longer than until the deadline, however long the system takes; what nobody waits for any more is not begun.
        """
        asking = self.ask(deadline=2.0)
        self.clock.advance(2.0)
        self.failureResultOf(asking, TimedOut)
        self.pool.work()
        self.assertEqual(self.asked, [])
        self.failureResultOf(self.ask(deadline=2.0), TimedOut)

    def test_ownDeadlines(self) -> None:
        """
        Those who share a call have deadlines of their own.
        """
        short, long = self.ask(deadline=1.0), self.ask(deadline=9.0)
        self.clock.advance(1.0)
        self.failureResultOf(short, TimedOut)
        self.pool.work()
        self.assertEqual(addresses(self.successResultOf(long)), ["192.0.2.1"])

    def test_cancel(self) -> None:
        """
        Cancelling one of those who wait leaves the others waiting.
        """
        first, second = self.ask(), self.ask()
        first.cancel()
        self.failureResultOf(first, CancelledError)
        self.pool.work()
        self.assertEqual(addresses(self.successResultOf(second)), ["192.0.2.1"])
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_comesBack(self) -> None:
        """
        Somebody who comes when a thread has just given up on the call is answered all the same.
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

    def test_bounded(self) -> None:
        """
        A system that hangs does not collect look-ups without end; those who left make room.
        """
        asking = [self.ask(f"{number}.example") for number in range(6)]
        self.failureResultOf(asking.pop(), BudgetSpent)
        asking[0].addErrback(lambda _: None).cancel()
        self.assertNoResult(self.ask())

    def test_trace(self) -> None:
        """
        Explaining tells what the system was asked.
        """
        trace = Trace()
        self.source.answer(question("www.example"), QueryContext(5.0, trace=trace))
        self.assertEqual(trace.notes[0].details["of"], "www.example.")

    def test_close(self) -> None:
        """
        Closing it ends what waits at once, and fires when the threads have ended; it may be done again.
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

    def test_closeIdle(self) -> None:
        """
        Where nothing runs it is closed at once, used or not.
        """
        self.successResultOf(self.source.close())
        self.assertEqual(self.pool.stopped, 0)
        source = Threaded(self.clock, pool=self.pool, getAddresses=self.system)
        asking = source.answer(question("www.example"), wishes())
        self.pool.work()
        self.successResultOf(asking)
        for _ in range(2):
            self.successResultOf(source.close())
        self.assertEqual(self.pool.stopped, 1)

    def test_scopes(self) -> None:
        """
        Addresses that need a scope are left out: a record cannot hold it.
        """
        found = [
            (socket.AF_INET6, 1, 6, "", ("fe80::1%eth0", 0, 0, 2)),
            (socket.AF_INET, 1, 6, "", ("192.0.2.1", 0)),
            (socket.AF_UNIX, 1, 6, "", ("/dev/null",)),
        ]
        self.patch(socket, "getaddrinfo", lambda *_, **__: found)
        self.assertEqual(threaded.addressesOf("www.example"), [V4])

    def test_names(self) -> None:
        """
        The name of an address is what the system calls it first.
        """
        self.patch(socket, "gethostbyaddr", lambda _: ("www.example", ["alias.example"], []))
        self.assertEqual(threaded.namesOf("192.0.2.1"), [nameFromText("www.example")])
