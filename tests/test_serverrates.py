"""
Tests of C{rateServer} of L{twisted_ext.bulk}: what reaches each server, and what becomes of names whose servers may not be asked yet.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from unittest.mock import patch

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from tests.networks import NetworkTestCase
from tests.resolver.recursive.stacks import Stack
from tests.server.test_followedaliases import alias, bare
from tests.test_bulk import Results, collect, names
from tests.typed import unchecked
from twisted_ext.answers import Answer, Outcome, Security
from twisted_ext.bulk import bulk, dataOf
from twisted_ext.errors import CallerFault, TimedOut
from twisted_ext.ratecontrol import NotYet, Rate, ServerRates, Window
from twisted_ext.resolver.lookup import stream
from twisted_ext.resolver.lookup.stream import Postponed
from twisted_ext.testing.internet import Fault, Internet
from twisted_ext.testing.network import Datagram
from twisted_ext.testing.servers import CannedServer, Reply
from twisted_ext.testing.sources import CannedSource, HeldSource, answerOf, questionOf
from twisted_ext.transport.servers import Server
from twisted_ext.wire.names import nameFromText, nameToText
from twisted_ext.wire.rrtypes import A


def most(times: Iterable[float], seconds: float = 1.0) -> int:
    """
    Return the most events in any span of time.
    """
    times = sorted(times)
    return max([sum(1 for other in times if begin <= other < begin + seconds - 1e-6) for begin in times], default=0)


class TurningAway(HeldSource):
    """
    Fails look-ups in their middle.
    """

    def turnAway(self, fault: NotYet) -> None:
        held, self._held = self._held, []
        for _, waiting in held:
            waiting.errback(fault)


class ForwardedTests(NetworkTestCase):
    """
    Names that are asked of servers that are given.
    """

    def start(self, address: str = "192.0.2.53", otherwise: Reply = "192.0.2.80") -> tuple[CannedServer, Server]:
        canned = CannedServer({}, otherwise=otherwise)
        return canned, canned.listen(self.network.reactor(address))

    def run_(
        self,
        servers: Sequence[Server],
        asked: Iterable[str],
        seconds: float,
        *,
        rateServer: float,
        rate: float | None = None,
        isStream: bool = False,
    ) -> tuple[Results, bool]:
        """
        Look names up for some time.

        @return: the results, and whether they are all.
        """
        source = self.forward(*servers, stream=isStream)
        found: Results = []
        done = collect(bulk(source, asked, clock=self.here, rateServer=rateServer, rate=rate), found)
        for _ in range(round(seconds * 100)):
            self.network.advance(0.01)
        isDone = bool(done.called)
        done.addErrback(lambda _: None)
        done.cancel()
        self.network.advance(0)
        source.close()
        return found, isDone

    def test_serverGetsSoMany(self) -> None:
        """
        A server gets as many queries in a second as it may, whatever the time is that names have to wait; none fails for that.
        """
        canned, server = self.start()
        found, isDone = self.run_([server], names(200), 10.3, rateServer=20)
        self.assertTrue(isDone)
        self.assertEqual({type(result) for _, result in found}, {Answer})
        self.assertEqual(sorted(str(name) for name, _ in found), sorted(names(200)))
        self.assertEqual(len(canned.asked), 200)
        self.assertLessEqual(most(each.at for each in canned.asked), 21)
        self.assertGreater(canned.asked[-1].at - canned.asked[0].at, 9.4)

    def test_retriesCount(self) -> None:
        """
        Queries that are sent again count as others do: a server that loses a third of them gets no more.
        """
        canned, server = self.start()
        kept: list[float] = []

        def admit(datagram: object) -> bool:
            kept.append(self.here.seconds())
            return len(kept) % 3 != 0

        self.network.shape("192.0.2.53", delay=0.01, admit=admit)
        found, isDone = self.run_([server], names(200), 25, rateServer=20)
        self.assertTrue(isDone)
        self.assertEqual({type(result) for _, result in found}, {Answer})
        self.assertGreater(len(kept), 290)
        self.assertLessEqual(most(kept), 21)

    def test_connectionsCount(self) -> None:
        """
        Queries over TCP count too.
        """
        canned, server = self.start()
        found, isDone = self.run_([server], names(100), 6, rateServer=20, isStream=True)
        self.assertTrue(isDone)
        self.assertEqual({each.transport for each in canned.asked}, {"tcp"})
        self.assertEqual(len(canned.asked), 100)
        self.assertLessEqual(most(each.at for each in canned.asked), 21)

    def test_truncatedReplyIsAnotherQuery(self) -> None:
        """
        What is asked again over TCP counts as another query of the same server.
        """
        canned, server = self.start(otherwise=[f"192.0.2.{number}" for number in range(100)])
        found, isDone = self.run_([server], names(40), 5, rateServer=20)
        self.assertTrue(isDone)
        self.assertEqual([each.transport for each in canned.asked].count("tcp"), 40)
        self.assertLessEqual(most(each.at for each in canned.asked), 21)

    def test_eachServerHasItsOwn(self) -> None:
        """
        Two servers get twice as many together, though one of them is faster.
        """
        (first, one), (second, two) = self.start(), self.start("192.0.2.54")
        self.network.shape("192.0.2.54", delay=0.03)
        _, isDone = self.run_([one, two], names(200), 5.5, rateServer=20)
        self.assertTrue(isDone)
        # There are no other queries, such as those that find out which one is faster.
        self.assertEqual(len(first.asked) + len(second.asked), 200)
        for canned in (first, second):
            self.assertGreater(len(canned.asked), 80)
            self.assertLessEqual(most(each.at for each in canned.asked), 21)

    def test_silentServer(self) -> None:
        """
        Names whose server is silent end as without a rate.
        """
        found, isDone = self.run_([self.nowhere()], names(30), 60, rateServer=5)
        self.assertTrue(isDone)
        self.assertEqual([type(result) for _, result in found], 30 * [TimedOut])

    def test_deadlineInTheQueue(self) -> None:
        """
        A query that is to be sent again in its turn, after the deadline of its look-up, is not sent, and the look-up ends in time.
        """
        found: Results = []
        source = self.forward(self.nowhere())
        done = collect(bulk(source, names(2), clock=self.here, rateServer=1, seconds=1.5), found)
        self.network.advance(1.62)
        self.assertEqual([str(name) for name, _ in found], names(1))
        self.network.advance(2)
        self.assertTrue(done.called)
        sent = [datagram.at for datagram in self.network.datagrams]
        self.assertLessEqual(most(sent), 2)

    def test_repeatedAndTruncated(self) -> None:
        """
        What is sent again in its turn, and then over TCP, is counted each time.
        """
        canned, server = self.start(otherwise=[f"192.0.2.{number}" for number in range(100)])
        seen: dict[bytes, int] = {}
        kept: list[float] = []

        def admit(datagram: Datagram) -> bool:
            kept.append(self.here.seconds())
            question = datagram.octets[12:]
            seen[question] = seen.get(question, 0) + 1
            return seen[question] > 1

        self.network.shape("192.0.2.53", delay=0.01, admit=admit)
        found, isDone = self.run_([server], names(60), 20, rateServer=20)
        self.assertTrue(isDone)
        tcp = [each.at for each in canned.asked if each.transport == "tcp"]
        self.assertEqual(len(tcp), 60)
        self.assertLessEqual(most(kept + tcp), 21)

    def test_deadServerOfTwo(self) -> None:
        """
        A server that is known to be dead gets no names because the other one may not be asked yet.
        """
        canned, server = self.start()
        found, isDone = self.run_([self.nowhere(), server], names(200), 14, rateServer=20)
        self.assertTrue(isDone)
        self.assertEqual(len(canned.asked), 200)
        dead = [datagram for datagram in self.network.datagrams if datagram.destination[0] == "192.0.2.99"]
        self.assertLess(len(dead), 60)

    def test_bothRates(self) -> None:
        """
        A name that had to wait counts once for C{rate}.
        """
        canned, server = self.start()
        found, isDone = self.run_([server], names(30), 3.3, rateServer=10, rate=11)
        self.assertTrue(isDone)

    def test_turns(self) -> None:
        """
        The reactor gets its turn while very many names have to wait.
        """
        _, server = self.start()
        read: list[str] = []

        def reading() -> Iterable[str]:
            for name in names(1000):
                read.append(name)
                yield name

        source = self.forward(server)
        done = collect(bulk(source, reading(), clock=self.here, rateServer=10), [])
        self.assertLess(len(read), 110)
        self.network.advance(0.01)
        self.assertEqual(len(read), 1000)
        done.addErrback(lambda _: None)
        done.cancel()

    def test_turnedAwayLater(self) -> None:
        """
        A look-up that finds only in its middle that it has to wait gives its room to others, and is begun again by itself.
        """
        source = TurningAway()
        found: Results = []
        done = collect(bulk(source, names(2), clock=self.here, rateServer=10, window=Window(1, least=1, most=1)), found)
        self.assertEqual(len(source.held), 1)
        source.turnAway(NotYet(("192.0.2.53",), 1.0))
        self.assertEqual([nameToText(each.name, final=False) for each in source.held], names(2)[1:])
        source.release(answerOf(questionOf("x.example"), "192.0.2.1"))
        self.network.advance(0.9)
        self.assertEqual(source.held, [])
        self.network.advance(0.2)
        self.assertEqual([nameToText(each.name, final=False) for each in source.held], names(1))
        source.release(answerOf(questionOf("x.example"), "192.0.2.1"))
        self.network.advance(0)
        self.assertTrue(done.called)

    def test_aliasesOfOneServer(self) -> None:
        """
        A name takes two queries of one server if its alias leads out of the answer, at the lowest rate too.
        """
        canned, server = self.start()
        for name in names(5):
            canned.set(name, "A", alias(name, f"to.{name}"))
        canned.tamper = bare
        found, isDone = self.run_([server], names(5), 12, rateServer=1)
        self.assertTrue(isDone)
        self.assertEqual([dataOf(result, A) for _, result in found if isinstance(result, Answer)], 5 * [["192.0.2.80"]])
        self.assertEqual(len(canned.asked), 10)
        self.assertLessEqual(most(each.at for each in canned.asked), 2)

    def test_leavingEarly(self) -> None:
        """
        Names that wait leave no timer behind.
        """
        _, server = self.start()
        found, isDone = self.run_([server], names(500), 2, rateServer=10)
        self.assertFalse(isDone)
        self.assertGreater(len(found), 15)

    def test_noMoreAreRead(self) -> None:
        """
        Names are read no further once so many wait, and all get their answer.
        """
        _, server = self.start()
        read: list[str] = []

        def reading() -> Iterable[str]:
            for name in names(60):
                read.append(name)
                yield name

        with patch.object(stream, "MOST_POSTPONED", 10):
            found, isDone = self.run_([server], reading(), 1, rateServer=10)
            self.assertLess(len(read), 30)
            found, isDone = self.run_([server], names(60), 7, rateServer=10)
        self.assertTrue(isDone)
        self.assertEqual(len(found), 60)


class RecursiveTests(SynchronousTestCase):
    """
    Names that are resolved from the root on, with validation.
    """

    def setUp(self) -> None:
        self.internet = Internet(seed=4, families=(4,))
        # No wildcards: a validator could tell what they have without asking.
        for zone in ("example.org", "example.net"):
            self.internet.zone(zone, "".join([f"n{number} 300 A 192.0.2.80\n" for number in range(400)]))

    def run_(self, asked: Iterable[str], *, rateServer: float, window: int = 10) -> list[tuple[float, str, Answer | Exception]]:
        """
        Return the results, each with when it came.
        """
        stack = Stack(self.internet)
        began = self.internet.time()
        found: list[tuple[float, str, Answer | Exception]] = []

        async def take() -> None:
            async for name, result in bulk(stack.source, asked, clock=stack.reactor, rateServer=rateServer, window=window):
                found.append((self.internet.time() - began, str(name), result))

        self.internet.wait(Deferred.fromCoroutine(take()), 300)
        self.internet.wait(stack.source.close())
        self.assertEqual(stack.reactor.pending(), [])
        return found

    def busiest(self) -> dict[str, int]:
        """
        Return the most queries that each server got in a second.
        """
        times: dict[str, list[float]] = {}
        for each in self.internet.exchanges:
            times.setdefault(nameToText(each.server.name, final=False), []).append(each.at)
        return {server: most(at) for server, at in times.items()}

    def test_othersGoOn(self) -> None:
        """
        A zone with many names, whose two servers may be asked 20 times a second each, does not hold up those of another zone behind them,
        whatever the window. All answers are validated.
        """
        asked = [f"n{number}.example.org" for number in range(400)] + [f"n{number}.example.net" for number in range(20)]
        found = self.run_(asked, rateServer=20)
        self.assertEqual(len(found), 420)
        self.assertEqual({result.security for _, _, result in found if isinstance(result, Answer)}, {Security.SECURE})
        self.assertEqual([result for _, _, result in found if not isinstance(result, Answer)], [])
        self.assertLess(max(at for at, name, _ in found if "net" in name), 4)
        self.assertGreater(max(at for at, _, _ in found), 9)
        self.assertLessEqual(max(self.busiest().values()), 21)

    def test_onlyServer(self) -> None:
        """
        Validation asks the only server of a zone once more, in its turn.
        """
        self.internet.zone("example.com", "n0 300 A 192.0.2.80", servers=["ns1.example.com"])
        began = self.internet.time()
        found = self.run_(["n0.example.com"], rateServer=1)
        self.assertEqual([result.security for _, _, result in found if isinstance(result, Answer)], [Security.SECURE])
        self.assertEqual([each.server.name for each in self.internet.exchanges].count(nameFromText("ns1.example.com")), 2)
        self.assertLess(self.internet.time() - began, 12)

    def test_lowestRate(self) -> None:
        """
        With one query a second for each server, look-ups that take several of one server come to their end.
        """
        found = self.run_([f"n{number}.example.org" for number in range(6)], rateServer=1)
        self.assertEqual({result.outcome for _, _, result in found if isinstance(result, Answer)}, {Outcome.DATA})
        self.assertEqual(len(found), 6)
        self.assertLessEqual(max(self.busiest().values()), 2)

    def test_deadServers(self) -> None:
        """
        Servers that are silent get no more queries than others, and the names of another zone come meanwhile.
        """
        self.internet.inject(Fault.DEAD, "ns1.example.org")
        self.internet.inject(Fault.DEAD, "ns2.example.org")
        asked = [f"n{number}.example.org" for number in range(30)] + [f"n{number}.example.net" for number in range(100)]
        found = self.run_(asked, rateServer=20)
        self.assertEqual(len([name for _, name, result in found if isinstance(result, Answer)]), 100)
        self.assertLessEqual(max(self.busiest().values()), 21)


class ServerRateTests(SynchronousTestCase):
    """
    L{ServerRates} and L{Postponed} by themselves.
    """

    def test_invalid(self) -> None:
        """
        What is not a rate, or leaves a look-up without time for its second query, is refused.
        """
        for wrong in (0, -1, 0.5, float("nan"), float("inf"), "10", None):
            with self.assertRaises(CallerFault) as caught:
                unchecked(ServerRates)(wrong)
            self.assertIn(repr(wrong), str(caught.exception))
        results: Results = []
        done = collect(unchecked(bulk)(CannedSource(), ["a.example"], clock=Clock(), rateServer="5"), results)
        self.assertIn("not '5'", str(self.failureResultOf(done, CallerFault).value))

    def test_forgottenServers(self) -> None:
        """
        Servers that could be asked at once are forgotten once there are many, and those that could not are kept.
        """
        rates = ServerRates(1)
        with patch.object(ServerRates, "_MOST", 100):
            rates._most = 100
            rates.count("192.0.2.1", 0.0)
            for number in range(300):
                rates.count(f"host{number}", 10.0 + number)
                rates.count("192.0.2.1", 10.0 + number)
        self.assertLess(len(rates._next), 150)
        self.assertGreater(rates.wait("192.0.2.1", 309.0), 0)

    def test_lookupThatWasGivenBack(self) -> None:
        """
        A look-up for which nothing was sent does not count.
        """
        rate = Rate(10)
        self.assertEqual(rate.take(0.0), 0.0)
        self.assertGreater(rate.take(0.0), 0.0)
        rate.giveBack()
        self.assertEqual(rate.take(0.0), 0.0)

    def test_order(self) -> None:
        """
        At each server names are in order, those that return first; servers do not wait for each other.
        """
        rates = ServerRates(10)
        waiting: Postponed[str] = Postponed(rates)
        for entry, server, due in (("a1", "a", 1.0), ("a2", "a", 1.0), ("b1", "b", 0.5)):
            waiting.add(entry, (server,), due, False)
        self.assertEqual((waiting.count, waiting.due, waiting.next(0.4)), (3, 0.5, None))
        self.assertEqual([waiting.next(1.0), waiting.next(1.0)], ["b1", "a1"])
        rates.count("a", 1.0)
        self.assertIsNone(waiting.next(1.0))
        waiting.add("a1", ("a",), 2.0, True)
        self.assertEqual((waiting.next(1.05), waiting.due), (None, 1.1))
        # The first one has found what it needs elsewhere.
        self.assertEqual([waiting.next(1.1), waiting.next(1.1), waiting.next(1.1)], ["a1", "a2", None])
        self.assertEqual((waiting.count, waiting.due), (0, float("inf")))
