"""
What answering costs us, without what the system costs: from the fast lane, from the cache, and what has to be waited for.

    python -m benchmarks.packetcache [rounds]

Microseconds of processor time for each query, the least of all rounds. Sockets are left out; with them a hit costs some four more.
"""

from __future__ import annotations

import random
import sys
import time
from collections.abc import Callable
from functools import partial
from struct import pack
from typing import Final

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from zope.interface import implementer

from twisted_ext.answers import Answer, Origin, Outcome, QueryContext
from twisted_ext.interfaces import IAnswerSource, Start
from twisted_ext.limits import LISTENER_BATCH
from twisted_ext.packetcache.clients import Client
from twisted_ext.packetcache.packetcache import Address
from twisted_ext.resolver.caching.cached import CachedSource
from twisted_ext.resolver.caching.coalescing import CoalescingSource
from twisted_ext.server.reply.cookies import Cookies
from twisted_ext.server.reply.gates import standardGates
from twisted_ext.server.reply.packetcaches import packetCacheFor
from twisted_ext.server.reply.respond import Responder
from twisted_ext.testing.sources import HeldSource
from twisted_ext.wire.message import Question
from twisted_ext.wire.names import nameFromText
from twisted_ext.wire.records import RRSet

_MANY: Final = 3000
_WHO: Final = ("127.0.0.1", 4000)


@implementer(IAnswerSource)
class _Answering(HeldSource):
    """
    Has an address for every name, when asked for it later.
    """

    def __init__(self) -> None:
        super().__init__()
        self.waiting: list[tuple[Question, Deferred[Answer]]] = []

    def ask(self, question: Question, context: QueryContext) -> Start:
        return partial(self._begin, question)

    def _begin(self, question: Question, context: QueryContext) -> Deferred[Answer]:
        deferred: Deferred[Answer] = Deferred()
        self.waiting.append((question, deferred))
        return deferred

    def letGo(self) -> None:
        """
        Answer all.
        """
        waiting, self.waiting = self.waiting, []
        for question, deferred in waiting:
            rrset = RRSet(question.name, 1, 1, 3600, (b"\xc0\x00\x02\x01",))
            deferred.callback(Answer(Outcome.DATA, (rrset,), origin=Origin("udp", "192.0.2.53:53")))


def queries(opt: Callable[[int], bytes] = lambda number: b"", mixed: bool = False) -> list[bytes]:
    """
    @param opt: the OPT record of each.
    @param mixed: in random case.

    @return: queries, no two the same.
    """
    made: list[bytes] = []
    dice = random.Random(7)
    for number in range(_MANY):
        name = nameFromText(f"host-number-{number % 500}.example.test")
        if mixed:
            name = bytes([octet & 0xDF if octet > 96 and dice.random() < 0.5 else octet for octet in name])
        record = opt(number)
        made.append(pack(">HHHHHH", number, 0x100, 1, 0, 0, 1 if record else 0) + name + b"\x00\x01\x00\x01" + record)
    return made


def cookie(number: int) -> bytes:
    """
    @return: an OPT record with one of a hundred clients' cookies.
    """
    return b"\x00\x00\x29\x04\xd0\x00\x00\x00\x00\x00\x0c\x00\x0a\x00\x08" + (number % 100).to_bytes(8, "big")


class Measured:
    """
    A server without sockets.
    """

    def __init__(self) -> None:
        self.clock = Clock()
        self.clock.advance(1_000_000)
        self.source = _Answering()
        # Queries that the packet cache had no reply to.
        self.passed = 0
        cookies = Cookies(bytes(16))
        self.packetCache = packetCacheFor(cookies=cookies)
        caching = CachedSource(CoalescingSource(self.source, self.clock), self.clock, prefetch=True)
        self.responder = Responder(caching, self.clock, gates=standardGates(cookies=cookies), packetCache=self.packetCache)

    def lose(self, queries: object, replies: object) -> int:
        """
        Send nowhere.
        """
        return 0

    def beyond(self, datagram: bytes, address: Address, client: Client, now: float) -> None:
        """
        Take what the lane has no reply to.
        """
        self.passed += 1
        self.responder.take(datagram, address, "udp", lambda octets: None, None, client)

    def through(self, made: list[bytes]) -> float:
        """
        @return: microseconds for each of these queries.
        """
        most = int(LISTENER_BATCH.default)
        batches = [[(query, _WHO) for query in made[start : start + most]] for start in range(0, len(made), most)]
        arriving = iter(batches)

        def receive() -> list[tuple[bytes, tuple[str, int]]]:
            return next(arriving, [])

        began = time.process_time()
        while self.packetCache.drain(receive, self.lose, self.clock.seconds(), self.beyond, self.responder.counters):
            pass
        if self.source.waiting:
            self.source.letGo()
        return (time.process_time() - began) / len(made) * 1e6


def measure(rounds: int = 7) -> dict[str, float]:
    """
    @return: microseconds by what is done.
    """
    costs: dict[str, list[float]] = {}
    for _ in range(rounds):
        for what, made in (("hit", queries()), ("hit, random case", queries(mixed=True)), ("hit, cookie", queries(cookie))):
            server = Measured()
            for _ in range(4):
                server.through(made)
            passed = server.passed
            costs.setdefault(what, []).append(server.through(made))
            # Some are passed on, to refresh what is popular.
            if server.passed - passed > len(made) // 10:
                raise RuntimeError(f"{what}: {server.passed - passed} queries were no hits")
        server = Measured()
        distinct = [pack(">HHHHHH", 1, 0x100, 1, 0, 0, 0) + nameFromText(f"h{n}.example.test") + b"\x00\x01\x00\x01" for n in range(_MANY)]
        costs.setdefault("found out, upstream not counted", []).append(server.through(distinct))
        costs.setdefault("first sight of a known name", []).append(server.through(distinct))
    return {what: min(each) for what, each in costs.items()}


def main() -> None:
    """
    Print the table.
    """
    for what, cost in measure(int(sys.argv[1]) if len(sys.argv) > 1 else 7).items():
        print(f"{what:34} {cost:8.2f} us")


if __name__ == "__main__":
    main()
