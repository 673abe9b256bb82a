"""
A look-up that the cache can answer: processor time for each, beside the cache of twisted.names in interleaved rounds.

    python -m benchmarks.cached [names] [rounds]

Each row is the least of all rounds, in microseconds. C{at hand} is the source alone, C{records} a whole C{lookupAddress} with its
Deferred and twisted.names' record objects. Names are asked for in turn, so that each is asked for within a second as a busy program
does; C{first hit} asks names that were packed.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import Protocol, cast

from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.names import cache, dns

from twisted_ext.answers import Answer, Origin, Outcome, QueryContext
from twisted_ext.cache.store import Store
from twisted_ext.compat.names import NamesResolver
from twisted_ext.resolver.ask import lookUp
from twisted_ext.resolver.caching.cached import CachedSource
from twisted_ext.resolver.caching.coalescing import CoalescingSource
from twisted_ext.testing.sources import CannedSource
from twisted_ext.wire.message import Question
from twisted_ext.wire.names import nameFromText
from twisted_ext.wire.records import RRSet

ADDRESS = b"\xc0\x00\x02\x01"


class _Cache(Protocol):
    """
    What is used here of the cache of twisted.names, which has no types.

    @ivar cancel: the timer of each entry.
    """

    cancel: dict[dns.Query, IDelayedCall]

    def cacheResult(self, query: dns.Query, payload: tuple[list[dns.RRHeader], list[dns.RRHeader], list[dns.RRHeader]]) -> None: ...

    def lookupAddress(self, name: bytes) -> Deferred[tuple[list[dns.RRHeader], list[dns.RRHeader], list[dns.RRHeader]]]: ...


def answerTo(question: Question) -> Answer:
    """
    @return: one address.
    """
    return Answer(Outcome.DATA, (RRSet(question.name, 1, 1, 86400, (ADDRESS,)),), flags=0x8180, origin=Origin("udp", "192.0.2.1:53"))


def timed(work: Callable[[], object], count: int) -> float:
    """
    @return: microseconds of processor time for each.
    """
    began = time.process_time()
    work()
    return (time.process_time() - began) / count * 1e6


def main() -> None:
    names = int(sys.argv[1]) if len(sys.argv) > 1 else 100
    rounds = int(sys.argv[2]) if len(sys.argv) > 2 else 15
    clock = IReactorTime(reactor)
    texts = [f"host{number}.example.com" for number in range(names)]
    questions = [Question(nameFromText(text), 1) for text in texts]
    context = QueryContext(float("inf"))
    turns = max(20_000 // names, 1)
    count = turns * names

    caching = CachedSource(CoalescingSource(CannedSource(otherwise=answerTo), clock), clock)
    resolver = NamesResolver(caching, reactor)
    for question in questions:
        lookUp(caching, question, context)

    newCache = cast("Callable[..., _Cache]", cache.CacheResolver)
    newA: Callable[[str, int], dns.Record_A] = dns.Record_A
    theirs = newCache(reactor=reactor)
    queries = [dns.Query(text.encode(), dns.A, dns.IN) for text in texts]
    for text, query in zip(texts, queries, strict=True):
        theirs.cacheResult(query, ([dns.RRHeader(text.encode(), dns.A, dns.IN, 86400, newA("192.0.2.1", 86400))], [], []))

    def atHand() -> None:
        ask = caching.ask
        for _ in range(turns):
            for question in questions:
                ask(question, context)

    def records() -> None:
        lookup = resolver.lookupAddress
        for _ in range(turns):
            for text in texts:
                lookup(text).addCallback(first)

    def theirRecords() -> None:
        lookup = theirs.lookupAddress
        for _ in range(turns):
            for text in texts:
                lookup(text.encode()).addCallback(first)

    def first(result: tuple[list[dns.RRHeader], list[dns.RRHeader], list[dns.RRHeader]]) -> object:
        return result[0][0].payload

    many = [Question(nameFromText(f"packed{number}.example.com"), 1) for number in range(10_000)]
    replies = [answerTo(question) for question in many]
    packed = Store(2**30, readyMost=2**13)

    def taken() -> None:
        packed.clear()
        now = clock.seconds()
        for question, answer in zip(many, replies, strict=True):
            packed.keep(question, b"", answer, now)

    def firstHit() -> None:
        source = CachedSource(CannedSource(), clock, store=packed)
        for question in many:
            source.ask(question, context)

    def missed() -> None:
        source = CachedSource(CannedSource(), clock)
        for question in many:
            source.ask(question, context)

    rows: list[tuple[str, Callable[[], None], int]] = [
        ("at hand", atHand, count),
        ("records", records, count),
        ("twisted.names: records", theirRecords, count),
        ("taken in, another one packed for it", taken, len(many)),
        ("first hit", firstHit, len(many)),
        ("not there", missed, len(many)),
    ]
    least = {label: float("inf") for label, _, _ in rows}
    for _ in range(rounds):
        for label, work, each in rows:
            least[label] = min(least[label], timed(work, each))
    for label, _, _ in rows:
        print(f"{label:36} {least[label]:7.2f}")
    for call in theirs.cancel.values():
        call.cancel()


if __name__ == "__main__":
    main()
