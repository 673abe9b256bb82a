"""
The state of a forwarded look-up that has met a problem.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from twisted_ext.errors import DNSFault, Unreachable
from twisted_ext.resolver.forward.nextstep import Plain, Stream

if TYPE_CHECKING:
    from twisted_ext.transport.exchange import Channel

__all__ = ["DONE", "Open", "Tried", "Troubles", "turn"]

#: Flag in a count of queries: send no more to this server in this look-up.
DONE: Final = 1 << 16

#: Queries to one server that nothing listened to, and seconds between them.
_REFUSALS: Final = 3
_RESTART: Final = 0.75

#: A pending query: channel, id, index of the server, time sent, and whether it was sent without EDNS although the caller wants it.
Open = tuple["Channel", bytes, int, float, bool]


@dataclass(slots=True, eq=False)
class Tried:
    """
    What has been tried with one server in a look-up.

    @ivar nearMiss: whether a datagram came from its address and port that was not a reply.
    @ivar noCookie: whether a query with a cookie failed, so that the next ones have none.
    @ivar badCookie: whether it has refused a cookie, and told the right one.
    @ivar lost: whether TCP was tried because nothing came over UDP.
    @ivar isPutOff: whether it is to be asked over TCP, which other servers are asked before because it has been silent there.
    @ivar refusals: how often nothing listened at its UDP port.
    @ivar refusedAt: when that was noticed last.
    """

    nearMiss: bool = False
    noCookie: bool = False
    badCookie: bool = False
    lost: bool = False
    isPutOff: bool = False
    refusals: int = 0
    refusedAt: float = 0.0
    stream: Stream = Stream.NO
    plain: Plain = Plain.NO

    def refused(self, fault: Unreachable, known: bool, stream: bool, now: float) -> Unreachable:
        """
        Record that it cannot be reached. Return a copy of the fault, which says that it may be restarted only if it has replied before: an
        attacker's referral can name any host.

        @param known: whether it has replied to any query before.
        """
        copied = Unreachable(fault.text, server=fault.server)
        copied.refused = fault.refused and known
        if copied.refused and not stream:
            self.refusals += 1
            self.refusedAt = now
        return copied

    def mayReturn(self, now: float) -> bool:
        """
        Return whether to query it again after it refused, because it may just have been restarted: three times in all (RFC 9520, section
        3.1), and not at once.
        """
        return 0 < self.refusals < _REFUSALS and now - self.refusedAt >= _RESTART


@dataclass(slots=True, eq=False)
class Troubles:
    """
    The state of a look-up that has met a problem; most look-ups never need it.

    @ivar tries: the number of queries sent to each server, with L{DONE} set if no more may be sent.
    @ivar others: earlier queries and probes that are still open.
    @ivar plain: whether the current query was sent without EDNS although the caller wants it.
    @ivar turns: the number of the context's waits that have begun.
    @ivar failures: the number of SERVFAIL replies.
    @ivar late: whether a query was not answered in time.
    """

    tries: list[int]
    tried: list[Tried]
    others: list[Open] = field(default_factory=list)
    faults: list[DNSFault] = field(default_factory=list)
    plain: bool = False
    turns: int = 0
    failures: int = 0
    late: bool = False

    def returning(self, now: float) -> int | None:
        """
        Return the index of a server that refused queries and may be restarted, if it is time to query it again.
        """
        return next((index for index, tried in enumerate(self.tried) if tried.mayReturn(now)), None)

    def withoutCookie(self, index: int) -> bool:
        """
        Return whether the next query to a server has to be without cookie.
        """
        tried = self.tried[index]
        if self.tries[index] and not tried.nearMiss and not tried.badCookie:
            # Some firewalls drop what they do not know.
            tried.noCookie = True
        return tried.noCookie

    def mayDropEDNS(self, index: int, failures: int, tries: int) -> bool:
        """
        Return whether a server that was asked in all other ways may be one that does not reply to queries with EDNS.

        @param failures: consecutive queries to which it did not reply.
        @param tries: those in one look-up.
        """
        tried = self.tried[index]
        # Not one that has been silent for longer.
        return 0 <= failures - tries <= 1 and tried.lost and tried.plain is Plain.NO

    def putOff(self) -> int | None:
        """
        Return the index of a server whose turn over TCP was put off until now.
        """
        return next((index for index, tried in enumerate(self.tried) if tried.isPutOff and tried.stream is Stream.NO), None)


def turn(waits: tuple[float, ...], troubles: Troubles | None, again: bool) -> float:
    """
    Begin the next of the waits that the caller specified.

    @param troubles: L{None} if it is the first one.
    @param again: repeat the last one instead.
    """
    turns = 0 if troubles is None else troubles.turns
    if again and turns:
        return waits[turns - 1]
    if troubles is not None:
        troubles.turns = turns + 1
    return waits[turns] if turns < len(waits) else 0.0
