"""
Tests of the gates that plain queries do not pass.
"""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.task import Clock

from tests.packetcache.lanes import NEAR, SECRET, Server
from tests.queries import COOKIE, optOf, queryOf
from twisted_ext.server.reply.cookies import Cookies
from twisted_ext.server.reply.gates import ClassGate, Gate, plainGates, standardGates
from twisted_ext.server.reply.ratelimit import ClientRateLimit
from twisted_ext.server.reply.requests import Refusal, Request

options = st.lists(st.tuples(st.sampled_from((3, 9, COOKIE, 15)), st.binary(max_size=20)), max_size=2)
opts = st.one_of(
    st.just(b""),
    st.builds(
        optOf,
        st.sampled_from((0, 512, 4096)),
        options=options,
        version=st.sampled_from((0, 0, 1)),
        flags=st.sampled_from((0, 0x8000)),
    ),
)
queries = st.builds(
    lambda query, tail, keep: query[:keep] + tail,
    st.builds(
        queryOf,
        st.sampled_from(("www.test.example", "id.server", b"\x00")),
        st.sampled_from(("A", "TXT", "ANY", "AXFR", "TSIG", "MAILB", 0)),
        flags=st.sampled_from((0x0100, 0x0000, 0x2800, 0x7900, 0x8100)),
        rrClass=st.sampled_from((1, 1, 3, 255)),
        opt=opts,
    ),
    st.sampled_from((b"", b"", b"", b"\x00")),
    st.sampled_from((None, None, None, 12, 20)),
)


class Wrapped:
    """
    A gate of a type that the responder does not know, so that every query passes it.
    """

    def __init__(self, gate: Gate) -> None:
        self._gate = gate
        self.name = gate.name

    def __call__(self, request: Request, now: float) -> Refusal | None:
        return self._gate(request, now)


@given(queries, st.booleans())
def test_skippingGatesChangesNoReply(query: bytes, cookies: bool) -> None:
    """
    A server that has every query pass every gate gives the same replies.
    """
    replies = []
    for wrap in (False, True):
        clock = Clock()
        server = Server(clock, cookies=Cookies(SECRET) if cookies else None)
        if wrap:
            gates: tuple[Gate, ...] = tuple([Wrapped(gate) for gate in server.responder.gates])
            server.responder.gates = gates
            assert plainGates(gates) == gates
        replies.append(server.ask(query, NEAR))
    assert replies[0] == replies[1]


def test_onlyGatesThatRefusePlainQueriesStay() -> None:
    """
    Plain queries pass the gates that look at the client, the rate and the type.
    """
    names = [gate.name for gate in plainGates(standardGates(cookies=Cookies(SECRET), rates=ClientRateLimit(5)))]
    assert names == ["access", "cookie", "rate", "type", "any"]


def test_subclassesAreNotSkipped() -> None:
    """
    A gate derived from one that plain queries need not pass may refuse them.
    """

    class Stricter(ClassGate):
        """
        A gate of a plugin.
        """

    gate = Stricter.__new__(Stricter)
    assert plainGates((gate,)) == (gate,)
