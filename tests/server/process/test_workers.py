"""
Tests of L{twisted_ext.server.process.workers}: the parent, with simulated worker processes.
"""

from __future__ import annotations

import json
import signal
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import AnyStr, cast

from twisted.internet.defer import Deferred
from twisted.internet.error import ProcessExitedAlready, ProcessTerminated
from twisted.internet.interfaces import IProcessProtocol, IProcessTransport, IReactorProcess, IReactorTime
from twisted.internet.task import Clock
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer

from tests.metrics.samples import busy
from twisted_ext.errors import BadDescription, CallerFault, TimedOut
from twisted_ext.metrics.counters import Counters
from twisted_ext.metrics.exposition import CURRENT, TOTALS, exposition
from twisted_ext.metrics.figures import JSON, Figures, figuresOf
from twisted_ext.server.config.settings import Settings
from twisted_ext.server.features.order import declaredFigures
from twisted_ext.server.limits import WORKER_ENDING, WORKER_PAUSE, WORKER_REPLY, WORKER_SETTLED
from twisted_ext.server.listeners.sockets import Bound, boundSockets
from twisted_ext.server.process.settingschange import SettingsChange
from twisted_ext.server.process.worker import LineSplitter
from twisted_ext.server.process.workers import Workforce


class Process:
    """
    A simulated worker.

    @ivar received: the lines that its parent wrote.
    @ivar signals: the signals that it was sent.
    @ivar deaf: its pipe is closed already, as happens while a process dies.
    @ivar taken: the number of zone lines that it has acknowledged.
    """

    def __init__(self, protocol: IProcessProtocol, descriptors: Mapping[int, int | str], pid: int) -> None:
        self.protocol = protocol
        self.descriptors = descriptors
        self.pid = pid
        self.received: list[dict[str, JSON]] = []
        self.signals: list[str] = []
        self.over = False
        self.deaf = False
        self.taken = 0

    def writeToChild(self, childFD: int, data: bytes) -> None:
        """
        @see: L{IProcessTransport}
        """
        if self.deaf:
            raise KeyError(childFD)
        self.received += [json.loads(line) for line in data.splitlines()]

    def closeChildFD(self, descriptor: int) -> None:
        """
        @see: L{IProcessTransport}
        """
        self.deaf = True

    def signalProcess(self, signalID: str) -> None:
        """
        @see: L{IProcessTransport}
        """
        if self.over:
            raise ProcessExitedAlready
        self.signals.append(signalID)

    def writeLine(self, **said: object) -> None:
        """
        Write a line to the parent.
        """
        self.protocol.childDataReceived(1, json.dumps(said).encode() + b"\n")

    def reply(self, value: object) -> None:
        """
        Reply to the last request.
        """
        self.writeLine(id=self.received[-1]["id"], value=value)

    def end(self, number: int = signal.SIGKILL) -> None:
        """
        End the process.
        """
        self.over = True
        reason: Callable[[object, int], Exception] = ProcessTerminated
        failure: Callable[[Exception], Failure] = Failure
        self.protocol.processEnded(failure(reason(None, number)))


@implementer(IReactorTime, IReactorProcess)
class Processes(Clock):
    """
    A reactor that starts simulated processes.

    @ivar started: all processes, in order.
    @ivar forbidden: whether starting a process fails.
    @ivar blocked: whether SIGINT and SIGHUP were blocked for the last process that was started.
    """

    def __init__(self) -> None:
        super().__init__()
        self.started: list[Process] = []
        self.forbidden = False
        self.blocked = False

    def spawnProcess(
        self,
        processProtocol: IProcessProtocol,
        executable: bytes | str,
        args: Sequence[bytes | str] = (),
        env: Mapping[AnyStr, AnyStr] | None = None,
        path: bytes | str | None = None,
        uid: int | None = None,
        gid: int | None = None,
        usePTY: bool = False,
        childFDs: Mapping[int, int | str] | None = None,
    ) -> IProcessTransport:
        """
        @see: L{IReactorProcess}
        """
        if self.forbidden:
            raise PermissionError(13, "Permission denied")
        assert env is not None and "NOTIFY_SOCKET" not in [str(name) for name in env]
        # A child process inherits the signal mask.
        self.blocked = signal.pthread_sigmask(signal.SIG_BLOCK, ()) >= {signal.SIGINT, signal.SIGHUP}
        process = Process(processProtocol, childFDs or {}, 100 + len(self.started))
        self.started.append(process)
        transport = cast(IProcessTransport, process)
        processProtocol.makeConnection(transport)
        return transport


class WorkforceTests(SynchronousTestCase):
    """
    Tests for L{Workforce}.
    """

    def setUp(self) -> None:
        self.reactor = Processes()
        self.settings = Settings.of(stale=60)
        self.checked: list[Settings] = []
        self.readyTimes = 0
        bound = [[Bound("127.0.0.1", 53)], [Bound("127.0.0.1", 53)]]
        self.force = Workforce(
            self.reactor, self.settings, bound, bytes(16), reread=lambda: self.settings, check=self.checked.append, ready=self.ready
        )

    def ready(self) -> None:
        """
        Count how often all workers are ready.
        """
        self.readyTimes += 1

    def begin(self) -> list[Process]:
        """
        Start the workers and report them as ready.
        """
        self.force.startService()
        for process in self.reactor.started:
            process.writeLine(ready=True)
        return self.reactor.started

    def stop(self) -> Deferred[None]:
        """
        Stop the workers.
        """
        return self.force.stopService()

    def test_readyWhenAllWorkersServe(self) -> None:
        """
        Each worker gets all that it needs, and the server is ready when all workers are.
        """
        self.force.startService()
        first, second = self.reactor.started
        (received,) = first.received
        self.assertEqual((received["do"], received["settings"], received["secret"]), ("serve", {"stale": 60}, "00" * 16))
        first.writeLine(ready=True)
        self.assertEqual(self.readyTimes, 0)
        second.writeLine(ready=True)
        self.assertEqual(self.readyTimes, 1)
        workers = cast("list[dict[str, JSON]]", self.successResultOf(self.force.status())["workers"])
        self.assertEqual([(each["number"], each["process"], each["serves"]) for each in workers], [(0, 100, True), (1, 101, True)])

    def test_signalsReachOnlyParent(self) -> None:
        """
        SIGINT and SIGHUP are blocked in a worker from its start, and never in the parent.
        """
        self.force.startService()
        self.assertTrue(self.reactor.blocked)
        self.assertEqual(signal.pthread_sigmask(signal.SIG_BLOCK, ()) & {signal.SIGINT, signal.SIGHUP}, set())

    def test_stateOfTrustAnchors(self) -> None:
        """
        Workers that validate get the state folder, in which they take turns; others do not.
        """
        for role, expected in (("recurse", "/var/lib/txdns"), ("forward", None)):
            self.reactor.started.clear()
            settings = Settings.of(role=role, state="/var/lib/txdns")
            Workforce(self.reactor, settings, [[Bound("127.0.0.1", 53)]], bytes(16)).startService()
            told = cast("dict[str, JSON]", self.reactor.started[0].received[0]["settings"])
            self.assertEqual(told.get("state"), expected)

    def test_eachWorkerGetsItsSockets(self) -> None:
        """
        Each worker gets its own sockets, by their descriptor numbers in the worker.
        """
        sets = boundSockets(["127.0.0.1"], 0, 2)
        force = Workforce(self.reactor, self.settings, sets, bytes(16))
        force.startService()
        for process, (bound,) in zip(self.reactor.started, sets, strict=True):
            assert bound.datagram is not None and bound.stream is not None
            (pair,) = cast("list[dict[str, int]]", process.received[0]["bound"])
            self.assertEqual(process.descriptors[pair["datagram"]], bound.datagram.fileno())
            self.assertEqual(process.descriptors[pair["stream"]], bound.stream.fileno())
            self.assertEqual([process.descriptors[number] for number in (0, 1, 2)], ["w", "r", "r"])
        done = force.stopService()
        for process in self.reactor.started:
            process.end(signal.SIGTERM)
        self.successResultOf(done)
        self.assertEqual([each.fileno() for several in sets for bound in several for each in bound.sockets], [-1] * 4)

    def test_deadWorkerIsReplaced(self) -> None:
        """
        A worker that dies is replaced by one with the same number: at once if it had been running for a while, otherwise after a growing
        pause.
        """
        first, _ = self.begin()
        self.reactor.advance(WORKER_SETTLED.default)
        first.end()
        self.reactor.advance(0)
        self.assertEqual(len(self.reactor.started), 3)
        pause = WORKER_PAUSE.default
        for count in range(4, 8):
            self.reactor.started[-1].end()
            self.reactor.advance(pause * 0.9)
            self.assertEqual(len(self.reactor.started), count - 1)
            self.reactor.advance(pause * 0.2)
            self.assertEqual(len(self.reactor.started), count)
            pause *= 2
        self.reactor.started[-1].writeLine(ready=True)
        workers = cast("list[dict[str, JSON]]", self.successResultOf(self.force.status())["workers"])
        self.assertEqual({each["number"]: each["process"] for each in workers}, {0: 106, 1: 101})

    def test_stopEndsAllWorkers(self) -> None:
        """
        All workers are asked to end, those that do not are killed, and none is started again.
        """
        first, second = self.begin()
        done = self.stop()
        self.assertEqual((first.signals, second.signals), (["TERM"], ["TERM"]))
        first.end(signal.SIGTERM)
        self.assertNoResult(done)
        self.reactor.advance(WORKER_ENDING.default)
        self.assertEqual(second.signals, ["TERM", "KILL"])
        second.end()
        self.successResultOf(done)
        self.assertEqual(self.reactor.getDelayedCalls(), [])
        self.assertEqual(len(self.reactor.started), 2)

    def test_pausedWorkerIsNotStarted(self) -> None:
        """
        A worker that waits for its restart is not started once the server stops.
        """
        first, second = self.begin()
        first.end()
        done = self.stop()
        second.end(signal.SIGTERM)
        self.successResultOf(done)
        self.reactor.advance(60)
        self.assertEqual(len(self.reactor.started), 2)

    def test_failedStartIsReported(self) -> None:
        """
        The server does not start if no process can be started, and reports why. A failed replacement is tried again.
        """
        self.reactor.forbidden = True
        error = self.assertRaises(CallerFault, self.force.startService)
        self.assertIn("cannot be run by user", str(error))
        self.reactor.forbidden = False
        first, _ = self.begin()
        self.reactor.forbidden = True
        first.end()
        self.reactor.advance(1)
        self.reactor.forbidden = False
        self.reactor.advance(WORKER_PAUSE.most)
        self.assertEqual(len(self.reactor.started), 3)

    def figuresWith(self, udp: int, pending: int = 0) -> dict[str, JSON]:
        """
        Return the figures of a worker with this many queries.
        """
        counters = Counters()
        counters.udp, counters.pending = udp, pending
        counters.names.add(b"\x03www\x00", udp)
        return figuresOf(counters).toJSON()

    def test_clientsAreThoseOfAllWorkers(self) -> None:
        """
        The clients and the live queries are those of all workers.
        """
        for process in self.begin():
            process.writeLine(id=0)
        asked = self.force.do("clients", {})
        for number, process in enumerate(self.reactor.started):
            self.assertEqual((process.received[-1]["do"], process.received[-1]["path"]), ("verb", "clients"))
            process.reply({"shown": True, "total": 3, "clients": [{"client": "192.0.2.1", "queries": 3, "seen": float(number)}]})
        clients = [{"client": "192.0.2.1", "queries": 6, "seen": 1.0}]
        self.assertEqual(self.successResultOf(asked), {"shown": True, "total": 6, "clients": clients})
        asked = self.force.queries(0)
        for number, process in enumerate(self.reactor.started):
            self.assertEqual((process.received[-1]["do"], process.received[-1]["after"]), ("queries", 0))
            query = {"number": 1, "time": float(number), "name": f"n{number}."}
            process.reply({"shown": True, "queries": [query], "next": 1, "skipped": 1})
        found = self.successResultOf(asked)
        names = [(each["number"], each["name"]) for each in cast("list[dict[str, JSON]]", found["queries"])]
        self.assertEqual((names, found["next"], found["skipped"]), ([(1, "n0."), (2, "n1.")], 2, 2))

    def test_figuresAreSummed(self) -> None:
        """
        The figures of all workers are added up, and the queries of a worker that has ended still count.
        """
        first, second = self.begin()
        asked = self.force.figures()
        first.reply(self.figuresWith(10, pending=3))
        second.reply(self.figuresWith(5, pending=1))
        figures = self.successResultOf(asked)
        self.assertEqual((figures.queries, figures.numbers["pending"], figures.processes), (15, 4, 2))
        self.assertEqual(figures.asked, [("www.", 15)])
        first.end()
        asked = self.force.figures()
        second.reply(self.figuresWith(7, pending=1))
        figures = self.successResultOf(asked)
        self.assertEqual((figures.queries, figures.numbers["pending"], figures.processes), (17, 1, 1))

    def everything(self) -> dict[str, JSON]:
        """
        Return figures in which everything is counted that there is, and all current values are known.
        """
        figures = figuresOf(busy())
        figures.numbers.update(dict.fromkeys([*TOTALS, *CURRENT, *[each.key for each in declaredFigures()]], 7.0))
        figures.numbers["udp"] = 1000
        upstream: dict[str, JSON] = {"server": "192.0.2.1:53", "way": "udp", "up": True, "rtt": 0.01}
        upstream |= {"queries": 2003, "replies": 2000, "replySeconds": 1.5, "troubles": {"timeout": 3}}
        figures.upstreams = [upstream, {**upstream, "way": "authority"}]
        return figures.toJSON()

    def samples(self, asked: Deferred[Figures]) -> tuple[dict[str, float], dict[str, float]]:
        """
        Return the values of all counters that the metrics page has, and of all gauges.
        """
        text = exposition(self.successResultOf(asked), version="1", started=0.0, declared=declaredFigures())
        counters: dict[str, float] = {}
        gauges: dict[str, float] = {}
        values = gauges
        for line in text.splitlines():
            if line.startswith("# TYPE"):
                values = gauges if line.endswith("gauge") else counters
            elif not line.startswith("#"):
                name, _, value = line.rpartition(" ")
                values[name] = float(value)
        return counters, gauges

    def test_countersStayWhenAWorkerEnds(self) -> None:
        """
        No counter of the metrics page goes back when a worker ends, whatever it has counted; current values end with it.
        """
        first, second = self.begin()
        asked = self.force.figures()
        first.reply(self.everything())
        second.reply(self.everything())
        before, nowBefore = self.samples(asked)
        first.end()
        asked = self.force.figures()
        second.reply(self.everything())
        after, nowAfter = self.samples(asked)
        self.assertEqual(after, before)
        self.assertEqual(before['txdns_upstream_queries_total{server="192.0.2.1:53",way="udp"}'], 4006)
        self.assertEqual(nowAfter["txdns_pending"], nowBefore["txdns_pending"] / 2)
        self.assertEqual(nowAfter['txdns_upstream_up{server="192.0.2.1:53",way="udp"}'], 1)
        self.reactor.advance(1)
        third = self.reactor.started[-1]
        third.writeLine(ready=True)
        asked = self.force.figures()
        second.reply(self.everything())
        third.reply(self.everything())
        again, _ = self.samples(asked)
        self.assertEqual(again['txdns_upstream_reply_seconds_count{server="192.0.2.1:53",way="udp"}'], 6000)
        self.assertEqual([name for name, value in before.items() if value and again[name] <= value], [])

    def test_upstreamsOfFormerWorkers(self) -> None:
        """
        What former workers have counted of an upstream says nothing of how it does: without a worker that asks it, it is not listed.
        """
        first, second = self.begin()
        asked = self.force.figures()
        first.reply(self.everything())
        second.reply(self.figuresWith(1))
        self.assertEqual(len(self.successResultOf(asked).upstreams), 2)
        first.end()
        asked = self.force.figures()
        second.reply(self.figuresWith(1))
        self.assertEqual(self.successResultOf(asked).upstreams, [])

    def test_workerEndsMeanwhile(self) -> None:
        """
        A worker that ends while figures are collected is counted once.
        """
        first, second = self.begin()
        asked = self.force.figures()
        first.reply(self.figuresWith(10))
        second.reply(self.figuresWith(5))
        self.assertEqual(self.successResultOf(asked).queries, 15)
        asked = self.force.figures()
        first.end()
        second.reply(self.figuresWith(5))
        self.assertEqual(self.successResultOf(asked).queries, 15)

    def test_silentWorkerIsLeftOut(self) -> None:
        """
        A worker that does not reply is left out after a while.
        """
        first, second = self.begin()
        asked = self.force.do("cache/flush", {"all": "1"})
        first.reply({"flushed": 3})
        self.assertNoResult(asked)
        self.reactor.advance(WORKER_REPLY.default)
        self.assertEqual(self.successResultOf(asked), {"flushed": 3})

    def test_dyingWorkerDelaysNoRequest(self) -> None:
        """
        A worker that dies during a request to all workers does not delay the result, and figures are still collected.
        """
        first, second = self.begin()
        second.deaf = True
        self.reactor.advance(1)
        asked = self.force.do("cache/flush", {"all": "1"})
        first.reply({"flushed": 3})
        second.end()
        self.assertEqual(self.successResultOf(asked), {"flushed": 3})
        self.reactor.pump([WORKER_REPLY.default, 1.0])
        self.assertEqual([each["do"] for each in first.received].count("figures"), 2)

    def test_reloadReachesEveryWorker(self) -> None:
        """
        The parent checks new settings and sends them to all workers, including those that are just starting; later workers start with them.
        """
        first, second = self.begin()
        second.end()
        self.reactor.advance(1)
        third = self.reactor.started[-1]
        self.settings = Settings.of(stale=61)
        asked = self.force.reload()
        self.assertEqual(self.checked, [self.settings])
        for process in (first, third):
            self.assertEqual(process.received[-1]["do"], "reload")
            self.assertEqual(process.received[-1]["change"], {"values": {"stale": 61}, "gone": [], "parts": {}})
            process.reply(["stale: 60 is now 61"])
        self.assertEqual(self.successResultOf(asked), ["stale: 60 is now 61"])
        first.end()
        self.reactor.advance(1)
        self.assertEqual(self.reactor.started[-1].received[0]["settings"], {"stale": 61})

    def test_changeIsFromWhatAWorkerWasTold(self) -> None:
        """
        A worker is told what differs from what it was told before: one that was started with the settings in force not what needs a restart
        once more, and one that was told of that all the same what is taken back.
        """
        def changed(process: Process) -> SettingsChange:
            return cast(SettingsChange, process.received[-1]["change"])

        first, second = self.begin()
        before = self.settings
        self.settings = Settings.of(stale=61, tcpConnections=7)
        self.force.reload()
        self.assertEqual(changed(first)["values"], {"stale": 61, "tcp-connections": 7})
        second.end()
        self.reactor.advance(1)
        third = self.reactor.started[-1]
        self.assertEqual(third.received[0]["settings"], {"stale": 61})
        self.settings = before
        self.force.reload()
        self.assertEqual((changed(first)["values"], changed(first)["gone"]), ({"stale": 60}, ["tcp-connections"]))
        self.assertEqual((changed(third)["values"], changed(third)["gone"]), ({"stale": 60}, []))

    def test_secretsReachEveryWorker(self) -> None:
        """
        The parent reads the secrets for cookies, since workers may not be permitted to, and sends them at the start and with each reload.
        """
        (path := Path(self.mktemp())).write_text("11" * 16)
        self.force.cookieSecrets = (b"\x00" * 16,)
        first, second = self.begin()
        self.assertEqual(first.received[0]["cookieSecrets"], ["00" * 16])
        self.settings = Settings.of(stale=61, cookieSecret=str(path))
        path.write_text("22" * 16 + "\n" + "11" * 16)
        self.force.reload()
        for process in (first, second):
            self.assertEqual(process.received[-1]["cookieSecrets"], ["22" * 16, "11" * 16])

    def test_invalidSettingsReachNoWorker(self) -> None:
        """
        Invalid settings are not sent to any worker.
        """
        first, _ = self.begin()
        before = len(first.received)

        def refuse(settings: Settings) -> None:
            raise BadDescription("no")

        self.force._check = refuse
        self.failureResultOf(self.force.reload(), BadDescription)
        self.assertEqual(len(first.received), before)
        self.assertIs(self.force.settings, self.settings)

    def test_requestsReachAllWorkers(self) -> None:
        """
        A request to the server goes to all workers, or to one worker if that is enough.
        """
        first, second = self.begin()
        shown = self.force.do("cache/show", {"name": "www"})
        self.assertEqual((first.received[-1]["path"], first.received[-1]["arguments"]), ("cache/show", {"name": "www"}))
        first.reply({"entries": [{"name": "www."}]})
        second.reply({"entries": []})
        self.assertEqual(self.successResultOf(shown), {"entries": [{"name": "www."}]})
        explained = self.force.do("explain", {"name": "www.example.org", "client": "192.0.2.7"})
        self.assertEqual(first.received[-1]["arguments"], {"name": "www.example.org", "client": "192.0.2.7"})
        first.reply({"steps": []})
        self.assertEqual(self.successResultOf(explained), {"steps": []})
        traced = self.force.do("trace/on", {})
        for process in (first, second):
            process.reply({"tracing": True})
        self.assertEqual(self.successResultOf(traced), {"tracing": True})
        status = self.successResultOf(self.force.status())
        workers = cast("list[dict[str, JSON]]", status["workers"])
        self.assertEqual([worker["process"] for worker in workers], [100, 101])
        self.assertEqual(status["listening"], ["udp 127.0.0.1:53", "tcp 127.0.0.1:53"])

    def test_workerErrorReachesCaller(self) -> None:
        """
        The caller gets the error of a worker.
        """
        first, second = self.begin()
        asked = self.force.do("cache/show", {"name": "."})
        first.writeLine(id=first.received[-1]["id"], error="this server keeps no cache")
        second.reply([])
        self.assertIn("keeps no cache", str(self.failureResultOf(asked, CallerFault).value))

    def test_requestsForOneCacheAreRefused(self) -> None:
        """
        A request that is impossible with several caches is an error.
        """
        self.assertRaises(CallerFault, self.force.dump)
        self.failureResultOf(self.force.load([]), CallerFault)
        self.failureResultOf(self.force.do("explain", {"name": "www.example.org"}), TimedOut)

    def test_garblingWorkerIsKilled(self) -> None:
        """
        A worker that writes an invalid line is killed.
        """
        first, _ = self.begin()
        first.protocol.childDataReceived(1, b"what?\n")
        self.assertEqual(first.signals, ["KILL"])


class LinesTests(SynchronousTestCase):
    """
    Tests for L{LineSplitter}.
    """

    def test_linesAreReassembled(self) -> None:
        """
        Lines are reassembled from the pieces in which they arrive.
        """
        took: list[dict[str, JSON]] = []
        lines = LineSplitter(took.append)
        for piece in (b'{"a"', b': 1}\n{"b": 2}', b"\n", b'{"c": 3}\n'):
            lines.feed(piece)
        self.assertEqual(took, [{"a": 1}, {"b": 2}, {"c": 3}])

    def test_invalidLineIsAnError(self) -> None:
        """
        A line that is not a JSON object is an error, and so is a line without an end.
        """
        for piece in (b"[]\n", b"x\n", b"x" * ((1 << 22) + 1)):
            self.assertRaises(ValueError, LineSplitter(lambda said: None).feed, piece)
