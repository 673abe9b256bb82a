"""
The decision tables for what a look-up does after a query that brought no answer. No I/O, no clock.

A cell is chosen by the query's transport, by whether there was an earlier near miss from that server, by the outcome of the query, and by
what the same look-up has already tried with that server.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Final

__all__ = ["LASTING", "NO_EDNS", "Came", "Plain", "Step", "Stream", "nextStep"]

#: Extended errors (RFC 8914) with which a retry of a SERVFAIL is pointless: the server has judged the name (unsupported algorithms, DNSSEC
#: failures, filters), repeats a cached failure (13), or could not reach the name's servers (22).
LASTING: Final = frozenset((1, 2, 5, 6, 7, 8, 9, 10, 11, 12, 13, 15, 16, 17, 18, 20, 21, 22, 25, 26, 27))

#: Rcodes by which servers signal that they do not support EDNS: FORMERR, NOTIMP, BADVERS (RFC 6891, section 7).
NO_EDNS: Final = frozenset((1, 4, 16))


class Came(IntEnum):
    """
    The outcome of a query that brought no answer.
    """

    #: A datagram from the server's address and port that is not a reply to any query of this socket.
    NEAR_MISS = 0
    #: FORMERR, NOTIMP or BADVERS to a query with an OPT record (RFC 6891, section 7), or a reply to it that cannot be parsed: some servers
    #: and routers break OPT records.
    NO_EDNS = 1
    #: A possibly temporary failure: SERVFAIL without an extended error that says otherwise.
    FAILED = 2
    #: Any other rcode that is not an answer: the server would repeat it.
    DECLINED = 3
    #: The reply was truncated, or larger than the receive buffer.
    CUT = 4
    #: The reply cannot be parsed, and is not one to a query with an OPT record.
    MALFORMED = 5
    #: The port is closed, or the connection was lost: no reply can arrive.
    BROKEN = 6
    #: No reply before the timeout.
    SILENT = 7


class Stream(IntEnum):
    """
    Whether the server was queried over TCP.
    """

    NO = 0
    #: The query is pending.
    OPEN = 1
    #: Queried without success.
    ENDED = 2


class Plain(IntEnum):
    """
    Whether the server was queried without an OPT record although the caller requested one.
    """

    NO = 0
    UDP = 1
    #: Over TCP, or over both.
    TCP = 2


class Step(IntEnum):
    """
    The next step of a look-up.
    """

    #: Leave the query open: a better reply to it may arrive, or another query to this server is pending.
    WAIT = 0
    #: The query has ended; wait for another query to this server, which is pending.
    DROP = 1
    #: Query this server over TCP as well; the query stays open.
    STREAM = 2
    #: Query this server without an OPT record, over the same transport. A UDP query stays open: the refusal may be spoofed.
    PLAIN = 3
    #: The query has ended; query the next server, which may be this one.
    AGAIN = 4
    #: The query has ended; do not query this server again in this look-up.
    NEXT = 5


_W, _D, _S, _P, _A, _N = Step.WAIT, Step.DROP, Step.STREAM, Step.PLAIN, Step.AGAIN, Step.NEXT

#: The steps for each state of EDNS: queried with it only, without it over UDP, without it over TCP.
_Row = tuple[Step, Step, Step]

#: Over UDP: a row for each state of TCP. A near miss changes nothing, since a matching reply still counts.
_UDP: Final[dict[Came, tuple[_Row, _Row, _Row]]] = {
    #                TCP: not asked  under way     ended
    Came.NEAR_MISS:  ((_S, _S, _S), (_W, _W, _W), (_W, _W, _W)),
    Came.NO_EDNS:    ((_P, _W, _W), (_P, _W, _W), (_P, _W, _P)),
    Came.FAILED:     ((_A, _A, _A), (_D, _D, _D), (_A, _A, _A)),
    Came.DECLINED:   ((_N, _N, _N), (_D, _D, _D), (_N, _N, _N)),
    Came.CUT:        ((_S, _S, _S), (_W, _W, _W), (_N, _N, _N)),
    Came.MALFORMED:  ((_S, _S, _N), (_W, _W, _W), (_N, _N, _N)),
    Came.BROKEN:     ((_N, _N, _N), (_D, _D, _D), (_N, _N, _N)),
    Came.SILENT:     ((_A, _A, _A), (_A, _A, _A), (_A, _A, _A)),
}  # fmt: skip

#: Over TCP because the UDP reply was truncated, or because the caller wants TCP: UDP would not help.
_TCP: Final[dict[Came, _Row]] = {
    Came.NEAR_MISS: (_W, _W, _W),
    Came.NO_EDNS: (_P, _P, _D),
    Came.FAILED: (_A, _A, _A),
    Came.DECLINED: (_N, _N, _N),
    Came.CUT: (_N, _N, _N),
    Came.MALFORMED: (_N, _N, _N),
    Came.BROKEN: (_N, _N, _N),
    Came.SILENT: (_N, _N, _N),
}

#: Over TCP after a near miss: where TCP does not work, UDP may.
_TCP_AFTER_NEAR_MISS: Final = {**_TCP, **dict.fromkeys((Came.MALFORMED, Came.BROKEN, Came.SILENT), (_A, _A, _A))}


def nextStep(stream: bool, nearMiss: bool, came: Came, tried: Stream, plain: Plain) -> Step:
    """
    @param stream: whether the query went out over TCP.
    @param nearMiss: whether a near miss was seen from this server in this look-up, before what came now.
    """
    if not stream:
        return _UDP[came][tried][plain]
    return (_TCP_AFTER_NEAR_MISS if nearMiss else _TCP)[came][plain]
