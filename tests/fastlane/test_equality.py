"""
The fast lane gives what would be given without it, octet for octet.
"""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from tests.fastlane.lanes import NEAR, RECORDS, SECRET, Server
from tests.queries import COOKIE, mixedCase, optOf, queryOf
from twisted_ext.server.access import Access
from twisted_ext.server.cookies import Cookies

#: Those who may ask, one of them in the form in which IPv6 sockets tell of IPv4; one who may not; one who gets no reply.
CLIENTS = (NEAR, "::ffff:127.0.0.1", "fd00::1", "203.0.113.9", "198.51.100.7")
RULES = {"allow": ["127.0.0.0/8", "fc00::/7"], "drop": ["198.51.100.0/24"]}

NAMES = [*RECORDS, ("no.example.test", "A"), ("no.example.test", "AAAA"), ("www.example.test", "ANY"), ("a-z.example.test", "AXFR")]


@st.composite
def _options(draw: st.DrawFn) -> list[tuple[int, bytes]]:
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
    size = draw(st.sampled_from([0, 511, 512, 700, 1231, 1232, 1400, 4096, 65535]))
    flags = draw(st.sampled_from([0, 0x8000, 0x8001, 0x4000]))
    version = draw(st.sampled_from([0] * 9 + [1, 100]))
    return optOf(size, flags=flags, options=draw(_options()), version=version, extendedRcode=draw(st.sampled_from([0] * 9 + [1])))


@st.composite
def _queries(draw: st.DrawFn) -> bytes:
    name, rrType = draw(st.sampled_from(NAMES))
    query = queryOf(
        name,
        rrType,
        id=draw(st.integers(0, 0xFFFF)),
        flags=draw(st.sampled_from([0x0100] * 6 + [0x0000, 0x0110, 0x0120, 0x0130, 0x0140, 0x0300, 0x0900, 0x8100, 0x0580, 0x2100])),
        rrClass=draw(st.sampled_from([1] * 9 + [3, 254, 255, 0x4141])),
        opt=draw(st.one_of(st.just(b""), _opts())),
    )
    if draw(st.booleans()):
        query = mixedCase(query, draw(st.integers(0, 1 << 64)))
    if not draw(st.integers(0, 5)):
        # Something that chance has changed.
        position = draw(st.integers(0, len(query) - 1))
        query = query[:position] + draw(st.binary(max_size=2)) + query[position + draw(st.integers(0, 2)) :]
    return query


_steps = st.lists(
    st.tuples(_queries(), st.sampled_from(CLIENTS), st.sampled_from([0.0, 0.0, 0.3, 0.7, 1.0, 1.9, 7.25, 26.0, 40.0]), st.integers(1, 4)),
    min_size=1,
    max_size=25,
)


class EqualityTests(SynchronousTestCase):
    """
    Tests with the same queries to a server with and to one without a memory of replies.
    """

    def setUp(self) -> None:
        self.clock = Clock()
        self.clock.advance(1_700_000_000.25)
        self.cookies = Cookies(SECRET)
        access = Access(RULES)
        self.quick = Server(self.clock, access=access, cookies=self.cookies, eager=True)
        self.slow = Server(self.clock, self.quick.source, access=access, cookies=self.cookies, remembers=False)

    @settings(max_examples=300)
    @given(_steps)
    def test_datagrams(self, steps: list[tuple[bytes, str, float, int]]) -> None:
        """
        Whoever asks whatever however often, and however time passes.
        """
        self.setUp()
        for query, client, passes, often in steps:
            self.clock.advance(passes)
            for _ in range(often):
                self.assertEqual(self.quick.ask(query, client), self.slow.ask(query, client), query.hex(" "))
        self.assertEqual(self.slow.beyond, sum([often for *_, often in steps]))

    @settings(max_examples=150)
    @given(_steps)
    def test_streams(self, steps: list[tuple[bytes, str, float, int]]) -> None:
        """
        The same by streams.
        """
        self.setUp()
        for query, client, passes, often in steps:
            self.clock.advance(passes)
            for _ in range(often):
                self.assertEqual(self.quick.stream(query, client), self.slow.stream(query, client), query.hex(" "))

    def test_laneTaken(self) -> None:
        """
        The comparison is one: nearly all of what is asked again comes from the lane.
        """
        for bits in range(50):
            query = mixedCase(queryOf(id=bits, opt=optOf(options=[(COOKIE, b"clientA1")] if bits & 1 else [])), bits * 77777)
            self.assertEqual(self.quick.ask(query), self.slow.ask(query))
        self.assertLess(self.quick.beyond, 6)
        self.assertEqual(self.slow.beyond, 50)
