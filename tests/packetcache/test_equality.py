"""
The packet cache gives the same octets as a server without it.
"""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from tests.packetcache.lanes import NEAR, RECORDS, SECRET, Server
from tests.queries import COOKIE, mixedCase, optOf, queryOf
from twisted_ext.server.reply.acl import Access
from twisted_ext.server.reply.cookies import Cookies
from twisted_ext.server.reply.requests import Refusal, Request

#: Three clients that may query, one of them as an IPv4-mapped address; one that is refused; one that is dropped.
CLIENTS = (NEAR, "::ffff:127.0.0.1", "fd00::1", "203.0.113.9", "198.51.100.7")
RULES = {"allow": ["127.0.0.0/8", "fc00::/7"], "drop": ["198.51.100.0/24"]}

NAMES = [
    *RECORDS,
    ("www.test.example", "A"),
    ("no.test.example", "A"),
    ("no.test.example", "AAAA"),
    ("www.test.example", "ANY"),
    ("www.test.example", "AXFR"),
]


@st.composite
def _options(draw: st.DrawFn) -> list[tuple[int, bytes]]:
    """
    Draw EDNS options.
    """
    return draw(
        st.lists(
            st.one_of(
                st.tuples(st.just(COOKIE), st.sampled_from([b"clientA1", b"clientB2", b"short", bytes(24), bytes(41)])),
                st.tuples(st.sampled_from([3, 8, 11, 12, 65001]), st.binary(max_size=6)),
            ),
            max_size=3,
        )
    )


@st.composite
def _opts(draw: st.DrawFn) -> bytes:
    """
    Draw OPT records.
    """
    size = draw(st.sampled_from([0, 511, 512, 700, 1231, 1232, 1400, 4096, 65535]))
    flags = draw(st.sampled_from([0, 0x8000, 0x8001, 0x4000]))
    version = draw(st.sampled_from([0] * 9 + [1, 100]))
    return optOf(size, flags=flags, options=draw(_options()), version=version, extendedRcode=draw(st.sampled_from([0] * 9 + [1])))


#: Flags of queries; mostly RD alone.
FLAGS = [0x0100] * 8 + [0x0000, 0x0110, 0x0120, 0x0140, 0x0300, 0x0900, 0x8100, 0x0580]


@st.composite
def _steps(draw: st.DrawFn) -> list[tuple[bytes, str, float]]:
    """
    Draw queries for one or two names in many forms, with repetitions, so that the packet cache stores replies.
    """
    names = draw(st.lists(st.sampled_from(NAMES), min_size=1, max_size=2))
    opts = [b"", *draw(st.lists(_opts(), max_size=3))]
    flags = draw(st.lists(st.sampled_from(FLAGS), min_size=1, max_size=2))
    clients = draw(st.lists(st.sampled_from(CLIENTS), max_size=1)) + [NEAR] * 3
    steps: list[tuple[bytes, str, float]] = []
    for _ in range(draw(st.integers(1, 30))):
        name, rrType = draw(st.sampled_from(names))
        query = queryOf(
            name,
            rrType,
            id=draw(st.integers(0, 3)),
            flags=draw(st.sampled_from(flags)),
            rrClass=draw(st.sampled_from([1] * 15 + [3, 255, 0x4141])),
            opt=draw(st.sampled_from(opts)),
        )
        if draw(st.booleans()):
            query = mixedCase(query, draw(st.integers(0, 1 << 40)))
        if not draw(st.integers(0, 15)):
            # A query with a random change.
            position = draw(st.integers(0, len(query) - 1))
            query = query[:position] + draw(st.binary(max_size=2)) + query[position + draw(st.integers(0, 2)) :]
        steps.append((query, draw(st.sampled_from(clients)), draw(st.sampled_from(PASSING))))
    return steps


#: What may follow the question. Some of it changes the reply.
GUISES = [
    b"",
    *[optOf(size) for size in (0, 600, 1232, 4096)],
    optOf(flags=0x8000),
    optOf(flags=0x4000),
    optOf(version=1),
    optOf(600, options=[(COOKIE, b"clientA1")]),
    optOf(options=[(COOKIE, b"clientA1"), (65001, b"?")]),
    optOf(options=[(COOKIE, b"short")]),
    optOf(options=[(3, b"")]),
    optOf(options=[(8, b"\x00\x01\x18\x00\xc0\x00\x02")]),
    optOf()[:-1],
    optOf() + b"\x00",
]

#: Seconds between queries.
PASSING = [0.0] * 8 + [0.3, 0.7, 1.0, 1.9, 7.25, 26.0]


class _Slow:
    """
    Let every query pass, a millisecond later.
    """

    name = "slow"

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    def __call__(self, request: Request, now: float) -> Refusal | None:
        self._clock.advance(0.001)
        return None


class EqualityTests(SynchronousTestCase):
    """
    Tests with the same queries to a server with and to one without a packet cache.
    """

    def setUp(self) -> None:
        self.clock = Clock()
        self.clock.advance(1_700_000_000.25)
        self.cookies = Cookies(SECRET)
        access = Access(RULES)
        self.quick = Server(self.clock, access=access, cookies=self.cookies, eager=True)
        self.slow = Server(self.clock, self.quick.source, access=access, cookies=self.cookies, remembers=False)

    def test_queryFormsAreNotConfused(self) -> None:
        """
        A query in any form gets the right reply after any other form that could be mistaken for it.
        """
        for name, rrType in NAMES:
            for first in GUISES:
                self.setUp()
                query = queryOf(name, rrType, opt=first)
                for _ in range(3):
                    self.assertEqual(self.quick.ask(query), self.slow.ask(query))
                for type in dict.fromkeys((rrType, "TYPE24929", "TYPE16705")):
                    for second in GUISES:
                        # Again, when the reply to this query is stored as well.
                        for passes in (0.0, 1.5, 0.0):
                            self.clock.advance(passes)
                            query = mixedCase(queryOf(name, type, id=7, opt=second), 0x555555555)
                            self.assertEqual(self.quick.ask(query), self.slow.ask(query), (name, type, first, second))

    @settings(max_examples=120)
    @given(_steps())
    def test_datagramsGetTheSameReplies(self, steps: list[tuple[bytes, str, float]]) -> None:
        """
        Datagrams of any client get the same replies, however often they are repeated and however much time passes.
        """
        self.setUp()
        for query, client, passes in steps:
            self.clock.advance(passes)
            self.assertEqual(self.quick.ask(query, client), self.slow.ask(query, client), query.hex(" "))
        self.assertEqual(self.slow.beyond, len(steps))

    @settings(max_examples=60)
    @given(_steps())
    def test_streamsGetTheSameReplies(self, steps: list[tuple[bytes, str, float]]) -> None:
        """
        Messages over streams get the same replies.
        """
        self.setUp()
        for query, client, passes in steps:
            self.clock.advance(passes)
            self.assertEqual(self.quick.stream(query, client), self.slow.stream(query, client), query.hex(" "))

    def test_secondEndsWhileQueryIsAnswered(self) -> None:
        """
        If the next second of an answer's age begins between the arrival of a query and the look into the cache, later replies still have
        the right TTLs.
        """
        query = queryOf(opt=optOf())
        self.slow.ask(query)
        self.clock.advance(0.9995)
        responder = self.quick.responder
        gates = responder.gates
        responder.gates = (_Slow(self.clock), *gates)
        self.quick.ask(query)
        responder.gates = gates
        beyond = self.quick.beyond
        for passes in (0.1, 0.5, 0.5, 7.0):
            self.clock.advance(passes)
            self.assertEqual(self.quick.ask(query), self.slow.ask(query))
        self.assertEqual(self.quick.beyond, beyond)

    def test_repeatsAreAnsweredFromPacketCache(self) -> None:
        """
        Nearly all repeated queries are answered from the packet cache, so that the comparison is meaningful.
        """
        for bits in range(50):
            query = mixedCase(queryOf(id=bits, opt=optOf(options=[(COOKIE, b"clientA1")] if bits & 1 else [])), bits * 77777)
            self.assertEqual(self.quick.ask(query), self.slow.ask(query))
        self.assertLess(self.quick.beyond, 6)
        self.assertEqual(self.slow.beyond, 50)
