"""
What a server counts. Whoever serves writes these attributes directly: C{counters.udp += 1} is all that a hit may cost.
"""

from __future__ import annotations

from typing import Final

from twisted_ext.metrics.histogram import Histogram
from twisted_ext.metrics.names import Asked, Slowest, questionName

__all__ = ["OTHER_TYPES", "RCODES", "Counters"]

#: Reply codes that are counted apart: those of RFC 6895, up to BADCOOKIE (23). A larger one counts as the last.
RCODES: Final = 24

#: Stands for all types that are not assigned, so that clients cannot make any number of counters (65535 is reserved, RFC 6895).
OTHER_TYPES: Final = 65535

#: The last type of the ranges in which nearly all are assigned, and the range of the others (TA, DLV).
_LAST_TYPE: Final = 264
_HIGH_TYPES: Final = (32768, 32769)


class Counters:
    """
    All that one server process has counted since its start.

    Who writes what:

      - The datagram listener adds what it received to C{udp}, once per batch, and for each reply of the fast lane
        C{replies[reply[1] & 15] += 1}, where C{reply} begins with the flags. Hits of the lane are not counted: they are what was received
        by UDP and went no further (L{hits}). Once per batch it gives one datagram that the lane answered to L{sampled}.
      - The stream listener does the same with C{tcp}, and keeps C{tcpOpened}, C{tcpOpen}, C{tcpTurnedAway}, C{tcpIdled}.
      - Whoever goes beyond the lane with a request adds 1 to C{udpBeyond} or C{tcpBeyond}, whatever becomes of it then.
      - C{respond} adds to C{replies} by rcode, to C{ready} for what was at hand, C{dropped}, C{late}, and to C{refusals} by the name of the
        gate; it calls L{asked} for each question beyond the lane and L{waited} for each answer that had to be waited for.

    @ivar udp: datagrams received.
    @ivar udpBeyond: those that the fast lane had no reply to.
    @ivar tcp: messages received by TCP.
    @ivar tcpBeyond: those that the fast lane had no reply to.
    @ivar tcpOpened: connections taken.
    @ivar tcpOpen: connections open now.
    @ivar tcpTurnedAway: connections not taken, or ended, because there were too many.
    @ivar tcpIdled: connections closed because nothing came, or nothing was read, for too long.
    @ivar replies: replies sent, by rcode.
    @ivar truncated: those with TC set.
    @ivar ready: replies from what was at hand, without waiting, beyond the lane.
    @ivar stale: replies with data past its end (RFC 8767).
    @ivar failed: replies that say that nobody knows.
    @ivar dropped: requests that were given no reply: not a query, malformed, or not to be replied to by policy.
    @ivar late: answers that came when nobody could want them any more.
    @ivar pending: requests waited for now.
    @ivar overflowed: requests refused because too many were waited for.
    @ivar unsent: replies that the system would not take.
    @ivar shed: datagrams dropped because more of them came without a remembered reply than there was time for.
    @ivar faults: unexpected exceptions that were caught, each while a packet, a message or a batch was worked on.
    @ivar refusals: requests declined, by the name of the gate. Names are ours: never something that came by the network.
    @ivar latency: what had to be waited for, in seconds. What was at hand took less than the first bound and is not in here.
    @ivar types: questions by type, with samples of what the fast lane answers; unassigned types count as L{OTHER_TYPES}.
    @ivar names: who is asked for most. Of what the fast lane answers, samples are taken.
    @ivar slowest: what took longest.
    """

    __slots__ = (
        "udp",
        "udpBeyond",
        "tcp",
        "tcpBeyond",
        "tcpOpened",
        "tcpOpen",
        "tcpTurnedAway",
        "tcpIdled",
        "replies",
        "truncated",
        "ready",
        "stale",
        "failed",
        "dropped",
        "late",
        "pending",
        "overflowed",
        "unsent",
        "shed",
        "faults",
        "refusals",
        "latency",
        "types",
        "names",
        "slowest",
    )

    def __init__(self) -> None:
        self.udp = self.udpBeyond = 0
        self.tcp = self.tcpBeyond = 0
        self.tcpOpened = self.tcpOpen = self.tcpTurnedAway = self.tcpIdled = 0
        self.replies = [0] * RCODES
        self.truncated = self.ready = self.stale = self.failed = 0
        self.dropped = self.late = self.pending = self.overflowed = self.unsent = self.shed = self.faults = 0
        self.refusals: dict[str, int] = {}
        self.latency = Histogram()
        self.types: dict[int, int] = {}
        self.names = Asked()
        self.slowest = Slowest()

    @property
    def hits(self) -> int:
        """
        Queries answered by the fast lane.
        """
        return self.udp - self.udpBeyond + self.tcp - self.tcpBeyond

    def replied(self, rcode: int) -> None:
        """
        Count a reply beyond the lane.
        """
        self.replies[rcode if rcode < RCODES else RCODES - 1] += 1

    def refused(self, gate: str) -> None:
        """
        Count a request that a gate declined, in addition to its reply or its drop.

        @param gate: the gate's name.
        """
        self.refusals[gate] = self.refusals.get(gate, 0) + 1

    def limited(self, count: int, silent: int) -> None:
        """
        Count replies that were held back because their network gets too many.

        @param silent: how many of them without a word, the others truncated.
        """
        self.refusals["limit"] = self.refusals.get("limit", 0) + count
        self.dropped += silent

    def asked(self, name: bytes, rrType: int) -> None:
        """
        Count a question beyond the lane.

        @param name: as asked, uncompressed wire form, any case.
        """
        self.names.add(name.lower())
        try:
            self.types[rrType] += 1
        except KeyError:
            self._count(rrType, 1)

    def _count(self, rrType: int, weight: int) -> None:
        if rrType > _LAST_TYPE and not _HIGH_TYPES[0] <= rrType <= _HIGH_TYPES[1]:
            rrType = OTHER_TYPES
        self.types[rrType] = self.types.get(rrType, 0) + weight

    def waited(self, name: bytes, seconds: float) -> None:
        """
        Count an answer, or the failure to find one, that had to be waited for.

        @param seconds: from the request's arrival to its reply.
        """
        self.latency.add(seconds)
        self.slowest.add(name, seconds)

    def sampled(self, datagram: bytes, weight: int = 1) -> None:
        """
        Count the name and type of a query that the fast lane answered, on behalf of its batch.

        @param datagram: a query that is known to be well-formed, or it would not have been answered.
        @param weight: how many queries it stands for.
        """
        name = questionName(datagram)
        if name:
            self.names.add(name, weight)
            end = 12 + len(name)
            self._count(int.from_bytes(datagram[end : end + 2], "big"), weight)
