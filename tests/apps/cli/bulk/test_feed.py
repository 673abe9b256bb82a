"""
Tests of how partitions are given to the workers of a cluster, with futures in place of Dask, and of the command's words.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from concurrent.futures import CancelledError
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import distributed
import pytest

from twisted_ext._version import __version__
from twisted_ext.apps.cli.bulk import divided as running
from twisted_ext.apps.cli.bulk import feed as feeding
from twisted_ext.apps.cli.bulk import plan
from twisted_ext.apps.cli.bulk.command import main, parseBulk
from twisted_ext.apps.cli.bulk.feed import EACH, Feed, NoWorkers, Pace, SchedulerGone, Tally
from twisted_ext.apps.cli.bulk.plan import LINES, Done, InputFile, NoReply, Order, Partition, RunFailed
from twisted_ext.apps.cli.terminal.exits import BATCH, NO_REPLY, OK, USAGE, ExitError
from twisted_ext.wire.rrtypes import MX, A

_ORDER = Order(InputFile("names", LINES, 1000, 100, ""), LINES, A, "")


class Promise:
    """
    In place of a future.
    """

    def __init__(self, partition: Partition, result: Done | BaseException) -> None:
        self.partition = partition
        # What ends the run is returned, not raised.
        self.status = "error" if isinstance(result, BaseException) and not isinstance(result, RunFailed) else "finished"
        self._result = result
        self.released = False

    def result(self) -> object:
        return self._result

    exception = result

    def release(self) -> None:
        self.released = True


@dataclass
class Waited:
    """
    In place of what C{distributed.wait} returns.
    """

    done: set[Promise]


class Cluster:
    """
    In place of a client.

    @ivar most: the most tasks that it had at once.
    """

    def __init__(self, wrong: dict[int, BaseException] | None = None, workers: int = 2) -> None:
        self.wrong = wrong or {}
        self.workers = workers
        self.under: list[Promise] = []
        self.made: list[Promise] = []
        self.most = 0

    def nthreads(self) -> dict[str, int]:
        return {str(number): 1 for number in range(self.workers)}

    def submit(self, function: object, partition: Partition, *, pure: bool, retries: int) -> Promise:
        assert not pure and retries == 3
        promise = Promise(partition, self.wrong.get(partition.number, Done(partition.number, 10, 9, 0.1, 0.1)))
        self.under.append(promise)
        self.made.append(promise)
        self.most = max(self.most, len(self.under))
        return promise

    def as_current(self) -> AbstractContextManager[None]:
        return nullcontext()

    def wait(self, futures: Sequence[object], *, timeout: float, return_when: str) -> Waited:
        return Waited({self.under.pop(0)})


def fed(monkeypatch: pytest.MonkeyPatch, cluster: Cluster, each: int = EACH) -> tuple[Tally, list[float | None]]:
    """
    Run all partitions; return what came of them, and the rate of each.
    """
    monkeypatch.setattr(distributed, "wait", cluster.wait)
    feed = Feed(cast("distributed.Client", cluster), each=each)
    rates: list[float | None] = []

    def make(number: int, workers: int) -> Partition:
        rates.append(1000 / workers)
        return _ORDER.of(number, "out", 1000 / workers)

    return feed.run(iter(range(_ORDER.partitions)), make), rates


def test_fewAtOnce(monkeypatch: pytest.MonkeyPatch) -> None:
    """
    Each worker has four partitions at once, and all are done; futures are released.
    """
    cluster = Cluster()
    tally, rates = fed(monkeypatch, cluster)
    assert (tally.partitions, tally.names, tally.answered, tally.failed) == (10, 100, 90, [])
    assert cluster.most == 8
    assert rates == 10 * [500]
    assert all(promise.released for promise in cluster.made)
    # Where they share a rate, one at once: a share is that of the workers there are when a partition begins.
    cluster = Cluster()
    tally, _ = fed(monkeypatch, cluster, 1)
    assert (tally.partitions, cluster.most) == (10, 2)


def test_failedPartitions(monkeypatch: pytest.MonkeyPatch) -> None:
    """
    A partition that fails is named with the reason, and all others are done.
    """
    killed = distributed.KilledWorker.__new__(distributed.KilledWorker)
    tally, _ = fed(monkeypatch, Cluster({1: killed, 2: OSError(28, "No space left"), 3: NoReply("timed out")}))
    assert tally.partitions == 7
    assert tally.failed == [
        "partition 1 (octets 100 to 199 of names): ended each worker that had it",
        "partition 2 (octets 200 to 299 of names): OSError: [Errno 28] No space left",
        "partition 3 (octets 300 to 399 of names): no name got a reply: timed out",
    ]
    assert not tally.isSilent
    tally, _ = fed(monkeypatch, Cluster({3: NoReply("timed out")}))
    assert tally.isSilent and len(tally.failed) == 1


def test_nothingMoreCanBeDone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """
    What no other partition would escape, such as a full disk, ends the run with the first one: Dask does not try it again. The command
    says what is there.
    """

    def resolve(partition: Partition) -> Done:
        raise RunFailed("out: no space")

    monkeypatch.setattr(feeding, "resolvePartition", resolve)
    result = feeding._attempt(_ORDER.of(0, "out"))
    assert isinstance(result, RunFailed)
    cluster = Cluster({1: result})
    monkeypatch.setattr(distributed, "wait", cluster.wait)
    monkeypatch.setattr(running, "_client", lambda options: nullcontext(cluster))
    monkeypatch.setattr(running, "_check", lambda client, workers: None)
    monkeypatch.setattr(plan, "OCTETS", 10)
    (tmp_path / "names").write_text(100 * "a.example\n")
    words = [str(tmp_path / "names"), "--dask-local", "2", "--output", str(tmp_path / "out"), "--no-progress"]
    with pytest.raises(ExitError, match="out: no space; 0 of 100 partitions are in ") as caught:
        running.runOnCluster(parseBulk(words))
    assert caught.value.code == BATCH
    assert len(cluster.made) < 12


def test_inputChangesAtTheEnd(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """
    A run whose input has changed ends with an error, even if all partitions were read before.
    """
    names = tmp_path / "names"
    names.write_text("a.example\n")

    def filled(*given: object) -> Tally:
        names.write_text("b\n")
        return Tally(partitions=1)

    monkeypatch.setattr(running, "_filled", filled)
    with pytest.raises(ExitError, match="names has changed since the run began") as caught:
        running.runOnCluster(parseBulk([str(names), "--dask-local", "2", "--output", str(tmp_path / "out"), "--no-progress"]))
    assert caught.value.code == BATCH


def test_workersComeAndGo(monkeypatch: pytest.MonkeyPatch) -> None:
    """
    Each worker is looked at once, before it gets anything. Without any for long, or without the scheduler, the run ends.
    """
    cluster = Cluster(workers=0)
    with pytest.raises(NoWorkers):
        Feed(cast("distributed.Client", cluster), patience=0.3).run(iter([1]), lambda number, workers: _ORDER.of(number, "out"))
    assert cluster.made == []
    met: list[tuple[list[str], int]] = []
    cluster = Cluster()
    monkeypatch.setattr(distributed, "wait", cluster.wait)

    def make(number: int, workers: int) -> Partition:
        cluster.workers = 3 if number > 8 else 2
        return _ORDER.of(number, "out")

    feed = Feed(cast("distributed.Client", cluster), met=lambda workers: met.append(([*workers], len(cluster.made))))
    assert feed.run(iter(range(10)), make).partitions == 10
    assert met == [(["0", "1"], 0), (["2"], 10)]

    def wait(futures: Sequence[object], *, timeout: float, return_when: str) -> Waited:
        raise CancelledError("8 Futures cancelled:\nReason: scheduler-connection-lost")

    monkeypatch.setattr(distributed, "wait", wait)
    with pytest.raises(SchedulerGone, match="^the connection was closed$"):
        Feed(cast("distributed.Client", Cluster())).run(iter([1]), lambda number, workers: _ORDER.of(number, "out"))

    for status in ("cancelled", "lost"):
        cluster = Cluster()
        monkeypatch.setattr(distributed, "wait", cluster.wait)
        feed = Feed(cast("distributed.Client", cluster), told=lambda tally, workers: None)
        original = cluster.submit

        def submit(*given: object, status: str = status, original: Callable[..., Promise] = original, **named: object) -> Promise:
            promise = original(*given, **named)
            promise.status = status
            return promise

        monkeypatch.setattr(cluster, "submit", submit)
        with pytest.raises(SchedulerGone, match=rf"partition 0 \(octets 0 to 99 of names\) is {status}"):
            feed.run(iter(range(10)), make)


def test_otherVersions(capsys: pytest.CaptureFixture[str]) -> None:
    """
    A worker with another version of the package, or without it, ends the run before it gets anything; one with threads is remarked on.
    """

    class Workers:
        def __init__(self, said: object) -> None:
            self.said = said

        def run(self, function: object, *, workers: list[str], on_error: str) -> dict[str, object]:
            return dict.fromkeys(workers, self.said)

    others = {"0.0": "worker tcp://a has twisted_ext 0.0, this is ", ImportError("no module"): "cannot load twisted_ext (no module)"}
    for said, told in others.items():
        with pytest.raises(ExitError) as caught:
            running._check(cast("distributed.Client", Workers(said)), {"tcp://a": 1})
        assert told in str(caught.value)
    running._check(cast("distributed.Client", Workers(ConnectionError("it has ended"))), {"tcp://a": 1})
    running._check(cast("distributed.Client", Workers(__version__)), {"tcp://a": 1, "tcp://b": 4})
    assert capsys.readouterr().err.startswith("txdns bulk: worker tcp://b has 4 threads")


def test_pace(monkeypatch: pytest.MonkeyPatch) -> None:
    """
    Progress has names a second, the part that is done, the workers and the time that is left.
    """
    now = [100.0]
    monkeypatch.setattr("twisted_ext.apps.cli.bulk.feed.time.monotonic", lambda: now[0])
    pace = Pace(40)
    now[0] += 10
    assert pace.line(Tally(partitions=4, names=5000), 3) == (500.0, 0.1, "3 workers  1:30 left")
    assert pace.line(Tally(partitions=40, names=5000), 1) == (500.0, 1.0, "1 worker")
    assert pace.line(Tally(), 0) == (0.0, 0.0, "0 workers")


def test_sharesOfTheRate(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """
    Workers share the rate, and with one each has a partition at a time.
    """
    names = tmp_path / "names"
    names.write_text("a.example\n" * 100)
    monkeypatch.setattr(plan, "OCTETS", 100)
    cases = (((), 8, None, None), (("--rate", "1000"), 2, 500, None), (("--rate-server", "50"), 2, None, 25))
    for count, (words, most, rate, rateServer) in enumerate(cases):
        cluster = Cluster()
        monkeypatch.setattr(distributed, "wait", cluster.wait)
        monkeypatch.setattr(running, "_client", lambda options, cluster=cluster: nullcontext(cluster))
        monkeypatch.setattr(running, "_check", lambda client, workers: None)
        output = str(tmp_path / f"out{count}")
        assert running.runOnCluster(parseBulk([str(names), "--dask-local", "2", "--output", output, "--no-progress", *words])) == OK
        assert cluster.most == most
        assert {(promise.partition.rate, promise.partition.rateServer) for promise in cluster.made} == {(rate, rateServer)}
    with pytest.raises(ExitError, match="--rate-server 1 is less than 1 a second for each of 2 workers; write 2 or more"):
        running.runOnCluster(parseBulk([str(names), "--dask-local", "2", "--output", str(tmp_path / "out"), "--rate-server", "1"]))


def test_nothingIsLeftOfKilledWorkers(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """
    What a worker that was killed has begun to write is not in the folder when the run is done.
    """
    (tmp_path / "names").write_text("a.example\n")
    cluster = Cluster()

    def wait(futures: Sequence[object], *, timeout: float, return_when: str) -> Waited:
        (tmp_path / "out" / ".part-000000.jsonl.killed").write_text("{")
        return cluster.wait(futures, timeout=timeout, return_when=return_when)

    monkeypatch.setattr(distributed, "wait", wait)
    monkeypatch.setattr(running, "_client", lambda options: nullcontext(cluster))
    monkeypatch.setattr(running, "_check", lambda client, workers: None)
    words = [str(tmp_path / "names"), "--dask-local", "2", "--output", str(tmp_path / "out"), "--no-progress"]
    assert running.runOnCluster(parseBulk(words)) == OK
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["_run.json"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["names", "--dask-local", "2"], "takes --output FOLDER"),
        (["--dask-local", "2", "--output", "out"], "has to be a file"),
        (["-", "--dask-local", "2", "--output", "out"], "cannot be divided"),
        (["names", "--dask-local", "2", "--resume", "out"], "the same command goes on by itself; leave --resume out"),
        (["names", "--dask-local", "2", "--output", "out", "--ordered"], "leave --ordered out"),
        (["names", "--dask-local", "2", "--output", "out", "--reverse"], "a range cannot be divided"),
        (["names", "--dask-local", "0", "--output", "out"], "is not a number from 1 to 1024"),
        (["names", "--dask-local", "2", "--output", "out", "--format", "csv"], "write lines or parquet"),
        (["names", "--dask", "tcp://192.0.2.1:8786", "--dask-local", "2"], "leave one of them out"),
        (["names", "--dask", "tcp://192.0.2.1:8786"], "--dask takes --output FOLDER"),
        (["names", "--format", "parquet"], "are for --dask-local"),
        (["names", "--column", "domain"], "are for --dask-local"),
    ],
)
def test_wrongWords(words: list[str], said: str) -> None:
    """
    What cannot be done in parts is an error that says what can.
    """
    with pytest.raises(ExitError) as caught:
        parseBulk(words)
    assert caught.value.code == USAGE
    assert said in str(caught.value)


def test_withoutDask(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """
    Without the extra the error says how to install it.
    """
    for name in ("distributed", "fsspec", "pyarrow"):
        with monkeypatch.context() as patching:
            patching.setitem(cast("dict[str, object]", sys.modules), name, None)
            with pytest.raises(ExitError, match=rf"need {name}; install it: pip install 'twisted-ext\[dask\]'"):
                main(["names", "--dask-local", "2", "--output", str(tmp_path / "out")])


def test_endings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """
    The exit code tells whether all partitions are there, and what is wrong if not; an interrupted run says how to go on.
    """
    names = tmp_path / "names"
    names.write_text("a.example\n")
    options = parseBulk([str(names), "MX", "--dask-local", "2", "--output", str(tmp_path / "out"), "--no-progress"])
    assert options.rrType == MX
    outcomes: list[tuple[Tally | BaseException, int, str]] = [
        (Tally(partitions=1), OK, ""),
        (Tally(failed=["partition 0: x"], isSilent=False), BATCH, "1 of 1 partitions are not done; the same command tries them again"),
        (Tally(failed=["partition 0: x"]), NO_REPLY, "are not done"),
        (KeyboardInterrupt(), 130, "interrupted; 0 of 1 partitions are in"),
        (running._Terminated(), 143, "the same command goes on"),
    ]
    for outcome, code, said in outcomes:

        def filled(*given: object, outcome: Tally | BaseException = outcome) -> Tally:
            if isinstance(outcome, BaseException):
                raise outcome
            return outcome

        monkeypatch.setattr(running, "_filled", filled)
        if code == OK:
            assert running.runOnCluster(options) == OK
            continue
        with pytest.raises(ExitError) as caught:
            running.runOnCluster(options)
        assert caught.value.code == code
        assert said in str(caught.value)
    assert capsys.readouterr().err == 2 * "txdns bulk: partition 0: x\n"
    (tmp_path / "out" / "part-000000.jsonl").touch()
    monkeypatch.delattr(running, "_filled")
    assert running.runOnCluster(options) == OK
