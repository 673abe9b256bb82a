"""
Views with upstreams of their own: no client gets what an upstream of another view has said.
"""

from __future__ import annotations

import random
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple
from unittest.mock import patch

import pytest

from tests.server.views.served import Served, queryFor
from twisted_ext.cache.store import Store
from twisted_ext.native.loops import joined
from twisted_ext.packetcache.clients import Client
from twisted_ext.server.config.settings import Settings
from twisted_ext.server.sources import backends
from twisted_ext.testing.network import MemoryNetwork
from twisted_ext.testing.servers import CannedServer
from twisted_ext.testing.sources import rrsetOf
from twisted_ext.wire.builder import buildMessage
from twisted_ext.wire.codes import QR, RA, RD
from twisted_ext.wire.message import Message
from twisted_ext.wire.names import nameToText
from twisted_ext.wire.rdata.registry import rdataToText
from twisted_ext.wire.records import RRSet
from twisted_ext.wire.rrtypes import CNAME, SOA, TXT, A

_UPSTREAMS = range(1, 5)
_VIEWS = ("lab", "guests", "twins", "empty", "other")


class _Asked(NamedTuple):
    """
    What tells backends apart: the number of the upstream, that for corp.test.example (0 for none), and the longest TTL (0 for the
    usual one).
    """

    upstream: int
    route: int
    longest: int

    def settings(self) -> dict[str, object]:
        found: dict[str, object] = {"upstream": [f"192.0.2.5{self.upstream}"]}
        if self.route:
            found["route"] = [f"corp.test.example=192.0.2.5{self.route}"]
        return found | ({"max-ttl": self.longest} if self.longest else {})

    def serverOf(self, name: str) -> int:
        return self.route if self.route and name.endswith(".corp.test.example.") else self.upstream


class _Upstream(CannedServer):
    """
    Says in each record which one it is. The first letter of a name says what there is: an alias (c within the zone, k to the other one),
    nothing (n), nothing at some upstreams (x), a failure at some (f), and otherwise data.
    """

    def __init__(self, number: int, dice: random.Random) -> None:
        super().__init__()
        self.number = number
        self._dice = dice

    def replyTo(self, query: Message, transport: str) -> bytes:
        question = query.questions[0]
        name = nameToText(question.name).lower()
        host, _, zone = name.partition(".")
        kind = host[0]
        flags = query.flags & RD | QR | RA
        self.delay = self._dice.choice((0.0, 0.01, 0.1))
        rcode, answer, authority = 0, list[RRSet](), list[RRSet]()
        isThere = not (kind == "n" or (kind == "x" and (self.number + int(host[1:].partition("u")[0])) % 2))
        if kind == "f" and self.number % 2 == 0:
            rcode = 2
        elif kind in "ck" and "u" not in host:
            zone = {"corp.test.example.": "site.test.example.", "site.test.example.": "corp.test.example."}[zone] if kind == "k" else zone
            answer.append(rrsetOf(question.name, CNAME, f"a{host[1:]}u{self.number}.{zone}", 4))
        elif isThere and question.rrType == A:
            answer.append(rrsetOf(question.name, A, f"10.{self.number}.0.1", self._dice.choice((2, 8))))
        elif isThere and question.rrType == TXT:
            answer.append(rrsetOf(question.name, TXT, f'"u{self.number}"', 8))
        else:
            rcode = 0 if isThere else 3
            authority.append(rrsetOf(b"\x04test\x07example\x00", SOA, f"u{self.number}. h. 1 5 5 5 5", 5))
        return buildMessage(Message(query.id, flags | rcode, query.questions, tuple(answer), tuple(authority)))


@dataclass(eq=False)
class _Open:
    """
    A query without a reply.

    @ivar allowed: from which upstreams an answer may come.
    """

    view: str
    name: str
    client: str
    allowed: frozenset[_Asked]


class _Site:
    """
    A server whose views have upstreams of their own, with the default settings for stale answers and prefetching.
    """

    def __init__(self, seed: int) -> None:
        self.dice = random.Random(seed)
        self.network = MemoryNetwork(seed=seed)
        self.network.recording = False
        self.upstreams = [_Upstream(number, self.dice) for number in _UPSTREAMS]
        for each in self.upstreams:
            each.listen(self.network.reactor(f"192.0.2.5{each.number}"))
        self.leaks: list[str] = []
        self.told: Counter[str] = Counter()
        self.open: dict[int, _Open] = {}
        # From which upstreams each backend may know something.
        self.known: dict[_Asked, frozenset[_Asked]] = {}
        self.asked = self._draw()
        self.blocked: set[str] = set()
        self._learn({})
        self.server = Served(self.network, "192.0.2.7", self.settings())
        self.number = 0

    def _draw(self) -> dict[str, _Asked]:
        """
        Choose upstreams: the empty view has those of all, the twins those of the laboratory, but for a moment now and then.
        """
        choose = self.dice.choice
        drawn = {view: _Asked(choose(_UPSTREAMS), choose((0, 0, *_UPSTREAMS)), choose((0, 0, 3))) for view in ("", *_VIEWS)}
        drawn["empty"] = drawn[""]
        if self.dice.randrange(4):
            drawn["twins"] = drawn["lab"]
        return drawn

    def _learn(self, before: Mapping[str, _Asked]) -> None:
        former, self.known = self.known, {}
        for each in self.asked.values():
            self.known[each] = former.get(each, frozenset()) | {each}
        had = [view for view, each in before.items() if each == before[""]]
        if before and self.asked[""] not in former and all(self.asked[view] == self.asked[""] for view in had):
            # The cache for clients in no view goes on.
            self.known[self.asked[""]] |= former[before[""]]

    def settings(self) -> Settings:
        common = {re.sub("-(.)", lambda found: found[1].upper(), key): value for key, value in self.asked[""].settings().items()}
        tables = []
        for number, view in enumerate(_VIEWS, 1):
            own = {} if view == "empty" else {"route": [], "max-ttl": 86400, **self.asked[view].settings()}
            blocked = {"block": ["blocked.site.test.example"]} if view in self.blocked else {}
            tables.append({"name": view, "clients": [f"10.0.{number}.0/24"], **own, **blocked})
        return Settings.of(
            **{"hostsFile": "", "view": tables, "cacheSize": "16M", "maxTtl": 86400, **common}
        )

    def change(self) -> None:
        what = self.dice.randrange(8)
        if what < 2:
            before = self.asked
            self.asked = self._draw()
            if what:
                # Only one view changes.
                one = self.dice.choice(_VIEWS)
                self.asked = {**before, one: self.asked[one]}
                self.asked["empty"] = self.asked[""]
            self._learn(before)
            self.server.reload(self.settings())
            self.told["reload"] += 1
        elif what < 4:
            # A value that is added while the server runs.
            self.blocked ^= {self.dice.choice(_VIEWS)}
            self.server.reload(self.settings())
        elif what == 4:
            assert self.server.stack.caching is not None
            self.server.stack.flush()
            self.told["flush"] += 1
        else:
            # An upstream that does not reply for a while makes stale answers.
            each = self.dice.choice(self.upstreams)
            each.silent = not each.silent
        if self.dice.randrange(6) == 0:
            for each in self.upstreams:
                each.silent = False

    def run(self, questions: int) -> None:
        """
        Ask random questions, many at the same time.
        """
        done = 0
        while done < questions:
            if self.dice.randrange(12) == 0:
                self.change()
            burst = min(self.dice.choice((1, 5, 20, 40)), questions - done)
            for _ in range(burst):
                self.ask()
            done += burst
            self.network.advance(self.dice.choice((0.0, 0.005, 0.05, 0.3, 0.3, 1.0)))
        self.network.advance(20)

    def ask(self) -> None:
        dice = self.dice
        kind = dice.choice("aaaaaaaacckxnf")
        name = f"{kind}{dice.randrange(2)}.{dice.choice(('site', 'site', 'corp'))}.test.example."
        if dice.randrange(20) == 0:
            name = "blocked.site.test.example."
        index = dice.randrange(len(_VIEWS) + 1)
        view = ("", *_VIEWS)[index]
        client = f"10.0.{index}.{dice.randrange(1, 4)}"
        self.number = (self.number + 1) % 65536
        self.open[self.number] = _Open(view, name, client, self.known[self.asked[view]])
        packet = queryFor(name, dice.choice(("A",) * 8 + ("TXT", "AAAA")), self.number)
        frontend = self.server.frontend
        now = self.network.clock.seconds()

        def send(queries: list[tuple[bytes, tuple[str, int]]], replies: list[bytes]) -> int:
            for octets, (address, _) in joined(queries, replies):
                self.took(address, octets)
            return 0

        def beyond(datagram: bytes, address: tuple[str, int], known: Client, now: float) -> None:
            frontend.responder.take(datagram, address, "udp", partial(self.took, address[0]), None, known)

        frontend.packetCache.drain(lambda: [(packet, (client, 4000))], send, now, beyond, frontend.responder.counters)

    def took(self, address: str, octets: bytes) -> None:
        """
        Check a reply.
        """
        message = Message.fromWire(octets)
        asked = self.open.pop(message.id)
        assert asked.client == address
        allowed = asked.allowed | self.known[self.asked[asked.view]]
        rcode = message.flags & 15
        self.told[f"rcode {rcode}"] += 1
        for rrset in (*message.answer, *message.authority):
            owner = nameToText(rrset.name).lower()
            for rdata in rrset.rdatas:
                text = rdataToText(rrset.rrType, rdata)
                found = re.match(r'10\.(\d)\.|"?[ack]?\d?u(\d)', text)
                if found is None:
                    # Of a name that is blocked, or special.
                    continue
                number = int(found[1] or found[2])
                self.told["checked"] += 1
                # A denial is from the server of the name behind all aliases.
                last = nameToText(message.answer[-1].rdatas[0]) if message.answer and rrset.rrType == SOA else asked.name
                owner = last if rrset.rrType == SOA else owner
                if number not in [each.serverOf(owner) for each in allowed]:
                    self.leaks.append(f"{asked} got {owner} {text}, but asks {sorted(allowed)}")
        if rcode == 2 and asked.name[0] != "f":
            self.told["failed"] += 1

    def close(self) -> None:
        self.server.close()
        self.network.advance(20)


@contextmanager
def _site(seed: int) -> Iterator[_Site]:
    made = _Site(seed)
    try:
        yield made
    finally:
        made.close()


@pytest.mark.parametrize("seed", range(4))
def test_noAnswerOfAnotherUpstream(seed: int) -> None:
    """
    Twenty thousand questions of clients of five views and of none: each record is from an upstream that their view asks, while upstreams
    are exchanged between views, values are added, caches are flushed and upstreams do not reply.
    """
    with _site(seed) as site:
        site.run(5000)
        assert site.leaks == []
        assert site.told["checked"] > 2500
        assert site.told["reload"]
        assert len(site.open) < 500


@pytest.mark.long
def test_noAnswerInAMillion() -> None:
    """
    The same holds for a million questions.
    """
    for seed in range(100, 120):
        with _site(seed) as site:
            site.run(50_000)
            assert site.leaks == []


def test_commonStoreLeaks() -> None:
    """
    Had all backends one cache, the questions would find that.
    """
    common = Store(1 << 24)
    with patch.object(backends, "Store", lambda octets, lifetimes: common), _site(1) as site:
        site.run(2000)
        assert len(site.leaks) > 20
