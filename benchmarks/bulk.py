"""
Any number of names: C{txdns bulk}, C{twisted_ext.bulk.bulk}, and what both stand on, against NSD.

    python -m benchmarks.bulk [rounds] [names]

NSD runs on the second core, everything else on the first. Each row is names in a second and microseconds of processor time for each
(its own and the kernel's for it), the best of all rounds, with rounds interleaved: C{forwarding} the look-ups alone, as many under way
as C{bulk} keeps; C{iterator} C{async for}; C{command} the whole of C{txdns bulk} from file to file, its start included. C{share} is what
the command's own work takes from a source that answers for nothing. C{first} is how long C{txdns query} takes, in milliseconds.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections import deque
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from twisted.internet import reactor
from twisted.internet.defer import Deferred, succeed
from twisted.python.failure import Failure
from zope.interface import implementer

from benchmarks.peering import CORES, names, zoneServer
from tests.peers import LivePeer
from twisted_ext.answers import Answer, Origin, Outcome, QueryContext
from twisted_ext.bulk import bulk
from twisted_ext.interfaces import IAnswerSource
from twisted_ext.ratecontrol import Window
from twisted_ext.resolver.ask import lookUp
from twisted_ext.resolver.forward.forwarder import ForwardingSource
from twisted_ext.resolver.lookup.stream import Run
from twisted_ext.transport.servers import Server
from twisted_ext.wire.message import Question
from twisted_ext.wire.names import nameFromText
from twisted_ext.wire.records import RRSet

if TYPE_CHECKING:
    from twisted_ext.interfaces import Start

TXDNS = [sys.executable, "-m", "twisted_ext.apps.cli.main"]


async def forwarding(server: Server, asked: list[str]) -> None:
    """
    Ask without C{bulk}: each look-up begins the next one.
    """
    source = ForwardingSource(reactor, [server])
    questions = iter([Question(nameFromText(name), 1) for name in asked])
    context = QueryContext(reactor.seconds() + 600)
    done: Deferred[None] = Deferred()
    left = len(asked)

    def ended(result: object) -> None:
        nonlocal left
        left -= 1
        if not left:
            done.callback(None)
        else:
            begin()

    def begin() -> None:
        question = next(questions, None)
        if question is not None:
            lookUp(source, question, context).addBoth(ended)

    for _ in range(256):
        begin()
    await done
    await source.close()


async def iterator(server: Server, asked: list[str]) -> None:
    """
    Take all results of C{bulk}.
    """
    source = ForwardingSource(reactor, [server])
    count = 0
    async for _, result in bulk(source, asked, clock=reactor):
        count += isinstance(result, Answer)
    assert count == len(asked), f"{len(asked) - count} names got lost"
    await source.close()


@implementer(IAnswerSource)
class Free:
    """
    Answers everything alike, a while later.
    """

    def __init__(self) -> None:
        self.waiting: deque[Deferred[Answer]] = deque()
        self.answer_ = Answer(Outcome.DATA, (RRSet(b"\x01a\x00", 1, 1, 300, (b"\x0a\x00\x00\x01",)),), origin=Origin("udp", "", 1))

    def ask(self, question: Question, context: QueryContext) -> Start:
        return partial(self._start, question)

    def _start(self, question: Question, context: QueryContext) -> Deferred[Answer]:
        waiting: Deferred[Answer] = Deferred()
        self.waiting.append(waiting)
        return waiting

    def close(self) -> Deferred[None]:
        return succeed(None)

    def sources(self) -> tuple[IAnswerSource, ...]:
        return ()


def share(path: Path) -> float:
    """
    @return: microseconds for each line of C{path} that become a line of output, look-ups not counted.
    """
    from twisted_ext.apps.cli.bulk.input import Lines, namesOf
    from twisted_ext.apps.cli.bulk.output import LineWriter, lineOf

    source = Free()
    number = 0
    with path.open("rb") as file, open(os.devnull, "wb") as output:
        writer = LineWriter(reactor, reactor, output.fileno())
        write = writer.write

        def done(item: tuple[str, str], result: Answer | Exception) -> None:
            nonlocal number
            number += 1
            write(lineOf(item, result))

        run = Run(source, reactor, pull=namesOf(Lines(reactor, file.fileno()).next, 1), done=done, window=Window(128))
        began = time.process_time()
        run.fill()
        while source.waiting:
            source.waiting.popleft().callback(source.answer_)
        taken = time.process_time() - began
        writer.finish(1.0)
    deferreds = time.process_time()
    for _ in range(number):
        Deferred[Answer]().callback(source.answer_)
    return (taken - (time.process_time() - deferreds)) / number * 1e6


def command(server: LivePeer, path: Path, output: Path, number: int) -> tuple[float, float]:
    """
    @return: seconds that C{txdns bulk} takes, and seconds of processor time.
    """
    output.unlink(missing_ok=True)
    words = [*TXDNS, "bulk", str(path), f"@{server.address}:{server.port}", "--output", str(output)]
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    began = time.perf_counter()
    subprocess.run(words, check=True, preexec_fn=lambda: os.sched_setaffinity(0, {CORES[0]}))
    taken = time.perf_counter() - began
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    with output.open() as lines:
        found = {json.loads(line)["name"] for line in lines if '"data":["10.' in line}
    assert len(found) == number, f"{number - len(found)} names got lost"
    return taken, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def first(server: LivePeer) -> float:
    """
    @return: seconds until C{txdns query} has shown an answer and is gone.
    """
    began = time.perf_counter()
    subprocess.run([*TXDNS, "query", "h1.example.test", f"@{server.address}:{server.port}", "+short"], check=True, capture_output=True)
    return time.perf_counter() - began


def rows(server: LivePeer, rounds: int, number: int, folder: Path) -> Iterator[str]:
    """
    Measure.
    """
    asked = names(number)
    path = folder / "names"
    path.write_text("\n".join(asked))
    where = Server(server.address, server.port)
    best: dict[str, tuple[float, float]] = {}

    def keep(row: str, taken: float, worked: float) -> None:
        before = best.get(row, (taken, worked))
        best[row] = (min(before[0], taken), min(before[1], worked))

    async def measure() -> None:
        for work in (forwarding, iterator):
            began, worked = time.perf_counter(), time.process_time()
            await work(where, asked)
            keep(work.__name__, time.perf_counter() - began, time.process_time() - worked)

    async def everything() -> None:
        for _ in range(rounds):
            await measure()
            keep("command", *command(server, path, folder / "output", number))
            keep("share", share(path), 0)
            keep("first", first(server), 0)

    failures: list[Failure] = []

    def end(result: object) -> None:
        if isinstance(result, Failure):
            failures.append(result)
        reactor.stop()

    Deferred.fromCoroutine(everything()).addBoth(end)
    reactor.run()
    if failures:
        failures[0].raiseException()
    for row, (taken, worked) in best.items():
        if row == "share":
            yield f"{row:<11}{taken:28.1f} us"
        elif row == "first":
            yield f"{row:<11}{taken * 1000:28.0f} ms"
        else:
            yield f"{row:<11}{number / taken:10,.0f} names/s{worked / number * 1e6:10.1f} us"


def main() -> None:
    """
    Print the rows.
    """
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    number = int(sys.argv[2]) if len(sys.argv) > 2 else 100_000
    with tempfile.TemporaryDirectory() as folder, zoneServer(number) as server:
        for row in rows(server, rounds, number, Path(folder)):
            print(row)


if __name__ == "__main__":
    main()
