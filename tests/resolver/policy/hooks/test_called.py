"""
Tests of hooks that are asked, that wait, and that fail.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from unittest.mock import patch

from twisted.internet.defer import CancelledError, Deferred, succeed
from twisted.internet.task import Clock, deferLater
from twisted.logger import formatEvent, globalLogPublisher
from twisted.trial.unittest import SynchronousTestCase

from tests.typed import observing
from twisted_ext.answers import Answer, Outcome, QueryContext, Trace
from twisted_ext.errors import DNSFault, Unknown, Withheld
from twisted_ext.hooks import DROP, PASS, TRUNCATE, Hook, Verdict, answer, nodata, nxdomain, refuse
from twisted_ext.resolver.ask import lookUp
from twisted_ext.resolver.policy.hooks import limits
from twisted_ext.resolver.policy.hooks.called import CalledHook
from twisted_ext.resolver.policy.hooks.source import HookSource
from twisted_ext.testing.sources import CannedSource, HeldSource, questionOf
from twisted_ext.wire.rrtypes import CNAME, A


class HookCase(SynchronousTestCase):
    """
    A hook in front of a source with some records.
    """

    def setUp(self) -> None:
        self.clock = Clock()
        self.told: list[str] = []
        observer = observing(lambda event: self.told.append(formatEvent(event)))
        globalLogPublisher.addObserver(observer)
        self.addCleanup(globalLogPublisher.removeObserver, observer)
        self.inner = CannedSource({("www.example", "A"): "192.0.2.80", ("far.example", "A"): "192.0.2.81"})

    def source(self, function: Callable[..., object], **more: object) -> HookSource:
        make: Callable[..., Hook] = Hook
        self.called = CalledHook(make(function, **more), self.clock, "kids", "shop.py:decide")
        return HookSource(self.inner, self.called, self.clock)

    def context(self, client: str | None = "192.0.2.7", *, stream: bool = False) -> QueryContext:
        made = QueryContext(self.clock.seconds() + 4, client=client)
        made.datagram = not stream
        return made

    def ask(self, source: HookSource, name: str = "www.example", rrType: str = "A", client: str | None = "192.0.2.7") -> Deferred[Answer]:
        return lookUp(source, questionOf(name, rrType), self.context(client))

    def addressOf(self, asked: Deferred[Answer]) -> str:
        found = self.successResultOf(asked)
        return ".".join([str(each) for each in found.answer[-1].rdatas[0]]) if found.answer else found.outcome.value


class AskingTests(HookCase):
    """
    Tests for what a hook is told, and what becomes of its verdict.
    """

    def test_values(self) -> None:
        """
        It is told what it takes, as it is annotated.
        """
        told: list[tuple[object, ...]] = []

        def texts(name: str, type: str, client: str, network: str, view: str) -> Verdict:
            told.append((name, type, client, network, view))
            return PASS

        def others(name: bytes, type: int, client: IPv4Address | IPv6Address, network: IPv4Network | IPv6Network) -> Verdict:
            told.append((name, type, client, network))
            return PASS

        source = self.source(texts)
        self.ask(source, "WWW.Example")
        self.ask(source, "www.example", "TYPE65280", "fd00::1:2").addErrback(lambda _: None)
        self.ask(source, "www.example", "A", "fe80::1%eth0")
        self.ask(self.source(others), "WWW.Example", "A", "fd00::1:2")
        self.assertEqual(
            told,
            [
                ("www.example", "A", "192.0.2.7", "192.0.2.7/32", "kids"),
                ("www.example", "TYPE65280", "fd00::1:2", "fd00::/64", "kids"),
                ("www.example", "A", "fe80::1%eth0", "fe80::/64", "kids"),
                (b"\x03www\x07example\x00", A, ip_address("fd00::1:2"), ip_network("fd00::/64")),
            ],
        )

    def test_whatItIsNotAskedAbout(self) -> None:
        """
        It is asked about names below C{below}, and about a client only where there is one.
        """
        asked: list[str] = []

        def decide(name: str, client: str) -> Verdict:
            asked.append(name)
            return nxdomain()

        source = self.source(decide, below=["www.example", "sub.example"])
        self.assertEqual(self.addressOf(self.ask(source, "far.example")), "192.0.2.81")
        for client in (None, ""):
            self.assertEqual(self.addressOf(self.ask(source, "www.example", client=client)), "192.0.2.80")
        self.assertEqual(self.addressOf(self.ask(source, "x.WWW.example")), "nxdomain")
        self.assertEqual(asked, ["x.www.example"])

    def test_answers(self) -> None:
        """
        A made answer has the records of the type, the hook as its origin, and what says that it was made; an alias is followed.
        """
        decided = {"two": answer("A 192.0.2.1", "TXT x", ttl=300), "alias": answer("CNAME far.example."), "none": nodata()}

        def decide(name: str) -> Verdict:
            return decided.get(name, PASS)

        source = self.source(decide)
        found = self.successResultOf(self.ask(source, "two"))
        self.assertEqual([(each.rrType, each.ttl) for each in found.answer], [(A, 300)])
        assert found.origin is not None
        self.assertEqual((found.origin.source, found.origin.server, found.ede), ("hook", "hook shop.py:decide", ((4, ""),)))
        self.assertEqual(found.origin.epoch, self.called.epoch)
        found = self.successResultOf(self.ask(source, "two", "AAAA"))
        self.assertEqual((found.outcome, len(found.authority)), (Outcome.NODATA, 1))
        found = self.successResultOf(self.ask(source, "alias"))
        self.assertEqual([each.rrType for each in found.answer], [CNAME, A])
        assert found.origin is not None
        self.assertEqual((found.origin.source, found.origin.epoch), ("hook", None))
        found = self.successResultOf(self.ask(source, "alias", "CNAME"))
        self.assertEqual([each.rrType for each in found.answer], [CNAME])
        self.assertEqual(self.successResultOf(self.ask(source, "none")).outcome, Outcome.NODATA)

    def test_ttlsForOneClient(self) -> None:
        """
        What is decided for one client is kept by caches that it shares with others no longer than the verdict.
        """

        def decide(client: str) -> Verdict:
            return answer("A 192.0.2.1", ttl=300)

        found = self.successResultOf(self.ask(self.source(decide, keep=2.5)))
        self.assertEqual(found.answer[0].ttl, 3)
        found = self.successResultOf(self.ask(self.source(decide, keep=0), "x", "TXT"))
        self.assertEqual(found.authority[0].ttl, 0)

    def test_withheld(self) -> None:
        """
        Nothing is sent over UDP, or that the client is to ask over TCP; over a connection there is a reply.
        """
        decided = {"drop": DROP, "cut": TRUNCATE, "no": refuse("ask us", rcode=2), "likedrop": Verdict(*DROP), "pass": Verdict(*PASS)}
        source = self.source(lambda name: decided.get(name, PASS))

        def withheld(name: str, *, stream: bool = False) -> tuple[int, bool, bool, str]:
            fault = self.failureResultOf(lookUp(source, questionOf(name), self.context(stream=stream)), Withheld).value
            assert isinstance(fault, Withheld)
            return fault.rcode, fault.isSilent, fault.isTruncated, fault.rule

        self.assertEqual(withheld("drop"), (0, True, False, "hook shop.py:decide"))
        self.assertEqual(withheld("drop", stream=True), (5, False, False, "hook shop.py:decide"))
        # What is like one that is given here is that one.
        self.assertEqual(withheld("likedrop"), withheld("drop"))
        self.inner.set("pass", "A", "192.0.2.9")
        self.assertEqual(self.addressOf(self.ask(source, "pass")), "192.0.2.9")
        self.assertEqual(withheld("cut"), (0, False, True, "hook shop.py:decide"))
        self.assertEqual(withheld("no"), (2, False, False, "hook shop.py:decide"))
        self.inner.set("cut", "A", "192.0.2.9")
        self.assertEqual(self.addressOf(lookUp(source, questionOf("cut"), self.context(stream=True))), "192.0.2.9")

    def test_kept(self) -> None:
        """
        A verdict is kept for as long as it says, for what it depends on; until the hook says that it has changed.
        """
        asked: list[str] = []

        def decide(name: str, client: str) -> Verdict:
            asked.append(client)
            return PASS

        source = self.source(decide, keep=10)
        for client in ("192.0.2.7", "192.0.2.7", "192.0.2.8"):
            self.ask(source, client=client)
        self.assertEqual(asked, ["192.0.2.7", "192.0.2.8"])
        self.clock.advance(9.9)
        self.ask(source)
        self.assertEqual(len(asked), 2)
        self.clock.advance(0.1)
        self.ask(source)
        self.assertEqual(len(asked), 3)
        before = self.called.epoch.value
        self.called.hook.changed()
        self.ask(source)
        self.assertEqual((len(asked), self.called.epoch.value), (4, before + 1))

    def test_keptByType(self) -> None:
        """
        A verdict about a type is kept for that type.
        """
        source = self.source(lambda name, type: answer("A 192.0.2.1") if type == "A" else nxdomain())
        asked = [self.addressOf(self.ask(source, "x", each)) for each in ("A", "AAAA", "A")]
        self.assertEqual(asked, ["192.0.2.1", "nxdomain", "192.0.2.1"])

    def test_mostKept(self) -> None:
        """
        Of too many verdicts the oldest are forgotten.
        """
        asked: list[str] = []

        def decide(name: str) -> Verdict:
            asked.append(name)
            return PASS

        source = self.source(decide, keep=60)
        with patch.object(limits.KEPT, "default", 2):
            for name in ("a", "b", "c", "b", "a"):
                self.ask(source, name).addErrback(lambda _: None)
        self.assertEqual(asked, ["a", "b", "c", "a"])

    def test_classes(self) -> None:
        """
        An instance of a class is made with the reactor, asked, and closed.
        """
        made: list[object] = []

        class Decide:
            def __init__(self, reactor: object) -> None:
                made.append(reactor)

            def ask(self, name: str) -> Verdict:
                return nxdomain()

            def close(self) -> None:
                made.append("closed")

        self.assertEqual(self.addressOf(self.ask(self.source(Decide))), "nxdomain")
        self.called.close()
        self.assertEqual(made, [self.clock, "closed"])
        before = self.called.epoch.value
        self.called.hook.changed()
        self.assertEqual(self.called.epoch.value, before)

    def test_traced(self) -> None:
        """
        C{explain} shows what was decided, and that it is not asked where there is no client.
        """
        context = self.context()
        context.trace = Trace()
        lookUp(self.source(lambda name: nxdomain()), questionOf("www.example"), context)
        context.client = None
        lookUp(self.source(lambda client: nxdomain()), questionOf("www.example"), context)
        notes = [(each.source, each.event, each.details) for each in context.trace.notes]
        expected = [("answer", {"hook": "shop.py:decide"}), ("not asked", {"hook": "shop.py:decide", "why": "it is about a client"})]
        self.assertEqual(notes, [("hook", *each) for each in expected])


class WaitingTests(HookCase):
    """
    Tests for hooks that wait.
    """

    def setUp(self) -> None:
        super().setUp()
        self.waits: list[Deferred[Verdict]] = []
        self.asked: list[str] = []
        self.ended: list[object] = []

    async def coroutine(self, name: str) -> Verdict:
        self.asked.append(name)
        self.waits.append(Deferred(self.ended.append))
        return await self.waits[-1]

    def deferred(self, name: str) -> Deferred[Verdict]:
        self.asked.append(name)
        self.waits.append(Deferred(self.ended.append))
        return self.waits[-1]

    def test_waits(self) -> None:
        """
        A query waits for a coroutine, or a Deferred. Nothing is looked up before.
        """
        for function in (self.coroutine, self.deferred):
            asked = self.ask(self.source(function))
            self.assertNoResult(asked)
            self.assertEqual(self.called.waiting, 1)
            self.waits[-1].callback(PASS)
            self.assertEqual(self.addressOf(asked), "192.0.2.80")
            self.assertEqual(self.called.waiting, 0)
            asked = self.ask(self.source(function), "other")
            self.waits[-1].callback(answer("A 192.0.2.1"))
            self.assertEqual(self.addressOf(asked), "192.0.2.1")

    def test_waitsSeveralTimes(self) -> None:
        """
        A coroutine may wait again, handle failures, and get results.
        """

        async def decide(name: str) -> Verdict:
            said = await deferLater(self.clock, 0.01, lambda: "x")
            try:
                await deferLater(self.clock, 0.01, lambda: 1 / 0)
            except ZeroDivisionError:
                said += "y"
            return answer("A 192.0.2.3") if said == "xy" else PASS

        asked = self.ask(self.source(decide))
        self.clock.advance(0.01)
        self.assertNoResult(asked)
        self.clock.advance(0.01)
        self.assertEqual(self.addressOf(asked), "192.0.2.3")

    def test_doesNotWait(self) -> None:
        """
        One that has its verdict at once is not waited for.
        """

        async def decide(name: str) -> Verdict:
            return await succeed(nxdomain())

        for function in (decide, lambda name: succeed(nxdomain())):
            source = self.source(function)
            self.assertIsInstance(source.ask(questionOf("x"), self.context()), Answer)
            self.assertEqual((self.called.waiting, self.clock.getDelayedCalls()), (0, []))

    def test_decidedBeforeItWaits(self) -> None:
        """
        The verdict may be there before the query begins to wait for it.
        """
        start = self.source(self.coroutine).ask(questionOf("x"), self.context())
        assert callable(start)
        self.waits[0].callback(nxdomain())
        self.assertEqual(self.addressOf(start(self.context())), "nxdomain")

    def test_changedWhileItWaits(self) -> None:
        """
        A call that was begun before something changed decides for those who wait for it, and for no others.
        """
        source = self.source(self.coroutine, keep=60)
        before = self.ask(source)
        self.called.hook.changed()
        after = self.ask(source)
        self.assertEqual(self.asked, ["www.example"] * 2)
        self.waits[0].callback(nxdomain())
        self.assertEqual(self.addressOf(before), "nxdomain")
        self.assertNoResult(after)
        later = self.ask(source)
        self.assertEqual(len(self.asked), 2)
        self.waits[1].callback(answer("A 192.0.2.1"))
        self.assertEqual([self.addressOf(each) for each in (after, later, self.ask(source))], ["192.0.2.1"] * 3)
        self.assertEqual((len(self.asked), self.called.waiting), (2, 0))

    def test_equalKeysWaitTogether(self) -> None:
        """
        There is one call for what the verdict depends on, however many queries wait for it.
        """
        source = self.source(self.coroutine)
        asked = [self.ask(source, "www.example", rrType) for rrType in ("A", "AAAA", "A")]
        self.ask(source, "far.example").addErrback(lambda _: None)
        self.assertEqual(self.asked, ["www.example", "far.example"])
        self.waits[0].callback(answer("A 192.0.2.1"))
        self.assertEqual([self.addressOf(each) for each in asked], ["192.0.2.1", "nodata", "192.0.2.1"])
        self.waits[1].callback(PASS)

    def test_cancelled(self) -> None:
        """
        The call ends once no query waits for it.
        """
        source = self.source(self.coroutine)
        first, second = self.ask(source), self.ask(source)
        first.cancel()
        self.failureResultOf(first, CancelledError)
        self.assertEqual((self.ended, self.called.waiting), ([], 1))
        second.cancel()
        self.failureResultOf(second, CancelledError)
        self.assertEqual((len(self.ended), self.called.waiting, self.called.failures), (1, 0, {}))

    def test_cancelledBehindTheHook(self) -> None:
        """
        A query that was let through and is cancelled then ends the look-up.
        """
        slow = HeldSource()
        source = HookSource(slow, CalledHook(Hook(self.coroutine), self.clock), self.clock)
        asked = self.ask(source, "slow")
        self.waits[0].callback(PASS)
        self.assertEqual(slow.held, [questionOf("slow")])
        asked.cancel()
        self.failureResultOf(asked, CancelledError)
        self.assertEqual(slow.held, [])

    def test_late(self) -> None:
        """
        What takes longer than its time is ended, and decided otherwise. What it returns later is ignored.
        """
        source = self.source(self.deferred, seconds=0.3, otherwise=nxdomain())
        asked = self.ask(source)
        self.clock.advance(0.29)
        later = self.ask(source, "far.example")
        self.assertNoResult(asked)
        self.clock.advance(0.01)
        self.assertEqual(self.addressOf(asked), "nxdomain")
        self.assertNoResult(later)
        self.clock.advance(0.29)
        self.assertEqual(self.addressOf(later), "nxdomain")
        self.assertEqual((self.called.failures, self.called.waiting, len(self.ended)), ({"late": 2}, 0, 2))
        self.assertEqual(self.told, ["hook shop.py:decide has not decided within 0.3 s; the query gets its otherwise, answer"])

    def test_catchesItsCancellation(self) -> None:
        """
        A coroutine that goes on after it was cancelled decides nothing any more.
        """

        async def decide(name: str) -> Verdict:
            while True:
                try:
                    await Deferred()
                except Exception:
                    pass

        asked = self.ask(self.source(decide, otherwise=refuse()))
        self.clock.advance(0.25)
        self.failureResultOf(asked, Withheld)
        self.assertEqual(self.called.waiting, 0)

    def test_manyGoOnInTurns(self) -> None:
        """
        Of many queries that a verdict lets go on at once, some go on in each turn of the reactor.
        """
        source = self.source(self.coroutine, keep=60)
        asked = [self.ask(source) for _ in range(200)]
        turns: list[Callable[[], None]] = []
        with patch.object(self.clock, "callLater", lambda delay, call: turns.append(call)):
            self.waits[0].callback(nxdomain())
            counts = [sum(each.called for each in asked)]
            while turns:
                turns.pop()()
                counts.append(sum(each.called for each in asked))
        self.assertEqual(counts, [64, 128, 192, 200, 200])

    def test_closed(self) -> None:
        """
        Calls under way end before the hook does, which leaves no timer.
        """
        asked = self.ask(self.source(self.coroutine))
        self.called.close()
        self.waits[0].callback(PASS)
        self.assertEqual(self.addressOf(asked), "192.0.2.80")
        self.clock.advance(0)
        self.assertEqual(self.clock.getDelayedCalls(), [])


    def test_closedBeforeItDecidesOfAClient(self) -> None:
        """
        What is decided about a client after the hook was closed leaves no timer either.
        """
        waits: Deferred[Verdict] = Deferred()
        asked = self.ask(self.source(lambda client: waits, keep=3600))
        self.called.close()
        waits.callback(PASS)
        self.assertEqual(self.addressOf(asked), "192.0.2.80")
        self.clock.advance(0)
        self.assertEqual(self.clock.getDelayedCalls(), [])


class FailingTests(HookCase):
    """
    Tests for hooks that fail. The rest is answered, and each kind of failure is told in one line.
    """

    def wrong(self, function: Callable[..., object], kind: str, said: str, **more: object) -> None:
        self.told.clear()
        source = self.source(function, otherwise=nxdomain(), **more)
        for name in ("one", "two", "three"):
            asked = self.ask(source, name)
            self.clock.advance(0.25)
            self.assertEqual(self.addressOf(asked), "nxdomain")
        self.assertEqual(self.called.failures, {kind: 3})
        self.assertEqual(len(self.told), 1, self.told)
        self.assertIn(f"hook shop.py:decide {said}", self.told[0])

    def test_failures(self) -> None:
        """
        A mistake is told with what would be right, or where it was made.
        """
        right = 'right is a verdict, such as PASS, refuse() or answer("A 192.0.2.1")'

        async def none(name: str) -> None:
            return None

        async def raises(name: str) -> None:
            await deferLater(self.clock, 0.01)
            raise ValueError("no database")

        async def foreign(name: str) -> None:
            await _Foreign()

        self.wrong(lambda name: None, "wrong", f"returned None; {right}")
        self.wrong(none, "wrong", f"returned None; {right}")
        self.wrong(lambda name: "refuse", "wrong", f"returned str 'refuse'; {right}")
        self.wrong(lambda name: succeed(7), "wrong", f"returned int 7; {right}")
        self.wrong(lambda name: 1 / 0, "raised", "raised ZeroDivisionError: division by zero at ")
        self.wrong(raises, "raised", "raised ValueError: no database at ")
        self.wrong(lambda name: answer("A 192.0.2"), "raised", "raised CallerFault: the record 'A 192.0.2'")
        self.wrong(lambda name: answer(*["A 192.0.2.1"] * 10_000), "raised", "raised CallerFault: an answer of 10000 records")
        self.wrong(eval("lambda name: client"), "raised", "raised NameError: name 'client' is not defined")
        self.wrong(lambda name: Deferred(), "late", "has not decided within 0.25 s")
        self.wrong(foreign, "raised", "raised RuntimeError: not awaited by its own loop")
        self.wrong(_recursing, "raised", "raised RecursionError")

    def test_toldOnceAMinute(self) -> None:
        """
        A failure that stays is told again after a minute.
        """
        source = self.source(lambda name: None)
        for _ in range(3):
            self.ask(source)
        self.clock.advance(60)
        self.ask(source)
        self.assertEqual(len(self.told), 2)

    def test_rests(self) -> None:
        """
        After many failures in a row it is not called for a while; then one call decides whether it is again.
        """
        works, calls = [False], [0]

        def decide(name: str) -> Verdict:
            calls[0] += 1
            if not works[0]:
                raise OSError("the database is down")
            return nxdomain()

        source = self.source(decide, keep=0)
        for _ in range(25):
            self.assertEqual(self.addressOf(self.ask(source)), "192.0.2.80")
        # The twenty-first is the one that finds out.
        self.assertEqual((calls[0], self.called.failures), (21, {"raised": 21, "resting": 4}))
        said = "hook shop.py:decide has failed 20 times in a row; it is called once in 30 s until it works again"
        self.assertEqual(self.told[1:], [said])
        self.clock.advance(30)
        self.ask(source)
        self.ask(source)
        self.assertEqual(calls[0], 22)
        self.clock.advance(30)
        works[0] = True
        self.assertEqual(self.addressOf(self.ask(source)), "nxdomain")
        self.assertEqual(self.addressOf(self.ask(source)), "nxdomain")
        self.assertEqual(calls[0], 24)
        # Failures count in a row only, and nothing is kept that would not be used.
        for works[0] in [*[False] * 19, True, *[False] * 19, True]:
            self.ask(source)
        self.assertEqual((calls[0], self.called._kept), (64, {}))

    def test_full(self) -> None:
        """
        Of calls that wait there are so many; further queries are decided without one.
        """
        source = self.source(lambda name: Deferred(), otherwise=nxdomain())
        with patch.object(limits.CALLS, "default", 2):
            asked = [self.ask(source, name) for name in ("a", "b", "c")]
            self.assertEqual([each.called for each in asked], [False, False, True])
        self.assertEqual((self.called.failures, self.called.waiting), ({"full": 1}, 2))
        # The bound is lower in this test.
        self.assertEqual(self.told, ["hook shop.py:decide has 2 calls that wait; further queries get its otherwise, answer"])
        self.clock.advance(0.25)
        self.assertTrue(all(each.called for each in asked))

    def test_notKept(self) -> None:
        """
        What decides in place of a hook that has failed is not kept, and no other client gets it.
        """
        calls = [0]

        def decide(name: str) -> object:
            calls[0] += 1
            return None

        source = self.source(decide, otherwise=nxdomain(), keep=60)
        for _ in range(2):
            context = self.context()
            self.assertIsInstance(source.ask(questionOf("x"), context), Answer)
            self.assertEqual(context.ends, self.clock.seconds())
        self.assertEqual(calls[0], 2)

    def test_unknownBehindIt(self) -> None:
        """
        That nothing is known of a name behind it is told as without it.
        """
        waits: Deferred[Verdict] = Deferred()
        asked = self.ask(self.source(lambda name: waits), "unknown.example")
        waits.callback(PASS)
        self.assertIsInstance(self.failureResultOf(asked, DNSFault).value, Unknown)


class _Foreign:
    """
    Awaitable by another loop only, as that of asyncio.
    """

    def __await__(self) -> Generator[object, None, None]:
        yield self
        raise RuntimeError("not awaited by its own loop")


def _recursing(name: str) -> Verdict:
    return _recursing(name)
