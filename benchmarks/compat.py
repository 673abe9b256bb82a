"""
The edge to Twisted: what it adds to a look-up, and what importing the client adds to importing the reactor.

    python -m benchmarks.compat [rounds]

Rows are microseconds of processor time, the least of all rounds: C{records} an answer made into the three lists; C{cached} a whole
C{lookupAddress} whose answer is at hand; C{share} what the edge adds to one that is not, for names asked for before and for new ones.
The import is the median of fresh processes, in milliseconds, beside twisted.names' own client.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from twisted.internet import reactor
from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import IReactorTime
from zope.interface import implementer

from twisted_ext.answers import Answer, Origin, Outcome, QueryContext
from twisted_ext.compat.conversion.results import resultFromAnswer
from twisted_ext.compat.names import NamesResolver
from twisted_ext.interfaces import IAnswerSource
from twisted_ext.resolver.ask import lookUp
from twisted_ext.wire.message import Question
from twisted_ext.wire.rdata.registry import rdataFromText
from twisted_ext.wire.records import RRSet
from twisted_ext.wire.rrtypes import typeNumber

if TYPE_CHECKING:
    from twisted_ext.interfaces import Start

COUNT = 20_000

TEXTS = {
    "A": "192.0.2.1",
    "AAAA": "2001:db8::1",
    "MX": "10 mail.example.com.",
    "TXT": '"v=spf1 -all"',
    "TLSA": "3 1 0 abcd",
}


def answerTo(question: Question, text: str = "192.0.2.1") -> Answer:
    """
    @return: one record.
    """
    rdata = rdataFromText(question.rrType, text)
    return Answer(
        Outcome.DATA, (RRSet(question.name, question.rrType, 1, 300, (rdata,)),), origin=Origin("udp", "192.0.2.53:53")
    )


@implementer(IAnswerSource)
class Source:
    """
    Has the same address for every name: at hand, or in a Deferred that has fired.
    """

    def __init__(self, now: bool) -> None:
        self._now = now
        self._rdatas = (b"\xc0\x00\x02\x01",)

    def ask(self, question: Question, context: QueryContext) -> Answer | Start | None:
        return self._answer(question) if self._now else partial(self._start, question)

    def _start(self, question: Question, context: QueryContext) -> Deferred[Answer]:
        return succeed(self._answer(question))

    def _answer(self, question: Question) -> Answer:
        return Answer(Outcome.DATA, (RRSet(question.name, 1, 1, 300, self._rdatas),))

    def close(self) -> Deferred[None]:
        return succeed(None)

    def sources(self) -> tuple[IAnswerSource, ...]:
        return ()


def each(work: Callable[[], object], rounds: int) -> float:
    """
    @return: microseconds of one.
    """
    best = float("inf")
    for _ in range(rounds):
        began = time.process_time()
        for _ in range(COUNT):
            work()
        best = min(best, (time.process_time() - began) / COUNT * 1e6)
    return best


def importing(module: str, folder: str, processes: int = 15) -> float:
    """
    @param folder: where compiled modules are kept from the first process on.

    @return: milliseconds of processor time that importing takes, the reactor being there.
    """
    clock = "time.process_time()"
    script = f"import time, twisted.internet.reactor; began = {clock}; import {module}; print({clock} - began)"
    command = [sys.executable, "-X", f"pycache_prefix={folder}", "-c", script]
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    took: list[float] = []
    for _ in range(processes + 1):
        done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
        took.append(float(done.stdout))
    return statistics.median(took[1:]) * 1000


def main() -> None:
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 7
    clock = IReactorTime(reactor)
    for mnemonic, text in TEXTS.items():
        answer = answerTo(Question(b"\x03www\x07example\x03com\x00", typeNumber(mnemonic) or 0), text)
        print(f"records {mnemonic:<6} {each(partial(resultFromAnswer, answer), rounds):6.2f}")
    source, context = Source(now=True), QueryContext(float("inf"))
    ready = NamesResolver(source, clock)
    question = Question(b"\x03www\x07example\x03com\x00", 1)
    alone = each(lambda: source.ask(question, context), rounds)
    print(f"cached         {each(lambda: ready.lookupAddress('www.example.com'), rounds) - alone:6.2f}")
    later = Source(now=False)
    waited = NamesResolver(later, clock)
    alone = each(lambda: lookUp(later, question, context), rounds)
    print(f"share, known   {each(lambda: waited.lookupAddress('www.example.com'), rounds) - alone:6.2f}")
    names = iter([f"host{number}.example.com" for number in range(rounds * COUNT)])
    print(f"share, new     {each(lambda: waited.lookupAddress(next(names)), rounds) - alone:6.2f}")
    with tempfile.TemporaryDirectory() as folder:
        for module in ("twisted_ext.client", "twisted.names.client"):
            print(f"import         {importing(module, folder):6.1f} ms {module}")


if __name__ == "__main__":
    main()
