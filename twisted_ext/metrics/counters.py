"""
The counters of a server. Serving code writes these attributes directly: a cache hit may cost no more than C{counters.udp += 1}.
"""

from __future__ import annotations

from typing import Final

from twisted_ext.metrics.histogram import Histogram
from twisted_ext.metrics.names import FrequentNames, Slowest, questionName
from twisted_ext.wire.rrtypes import DLV, IPN, TA

__all__ = ["OTHER_TYPES", "RCODES", "Counters"]

#: Rcodes with a counter of their own: those of RFC 6895, up to BADCOOKIE (23). Larger ones count as the last.
RCODES: Final = 24

#: Stands for all unassigned types, so that clients cannot create any number of counters (65535 is reserved, RFC 6895).
OTHER_TYPES: Final = 65535

#: The end of the range with nearly all assigned types, and the range of the others (TA, DLV).
_LAST_TYPE: Final = IPN
_HIGH_TYPES: Final = (TA, DLV)


class Counters:
    """
    All counters of one server process since its start.

    Which code writes what:

      - The datagram listener adds what it received to C{udp}, once per batch, and for each reply from the packet cache
        C{replies[reply[1] & 15] += 1}, where C{reply} begins with the flags. Cache hits are not counted: they are the datagrams received
        minus those passed on (L{hits}). Once per batch it passes one datagram answered from the packet cache to L{sampled}.
      - The stream listener does the same with C{tcp}, and keeps C{tcpOpened}, C{tcpOpen}, C{tcpTurnedAway}, C{tcpIdled}.
      - The code that handles a request without a cached reply adds 1 to C{udpBeyond} or C{tcpBeyond}, whatever the outcome.
      - C{respond} adds to C{replies} by rcode, to C{ready} for immediate answers, to C{dropped}, C{late}, and to C{refusals} by the name
        of the gate; it calls L{asked} for each question that missed the packet cache and L{waited} for each answer that took a look-up.

    @ivar udp: datagrams received.
    @ivar udpBeyond: datagrams without a reply in the packet cache.
    @ivar tcp: messages received by TCP.
    @ivar tcpBeyond: messages without a reply in the packet cache.
    @ivar tcpOpened: connections accepted.
    @ivar tcpOpen: connections open now.
    @ivar tcpTurnedAway: connections rejected or closed because there were too many.
    @ivar tcpIdled: connections closed because the client sent or read nothing for too long.
    @ivar replies: replies sent, by rcode.
    @ivar truncated: replies with TC set.
    @ivar ready: replies made without waiting, not counting the packet cache.
    @ivar stale: replies with expired data (RFC 8767).
    @ivar failed: replies for questions that no source could answer.
    @ivar dropped: requests without a reply: not a query, malformed, or dropped by policy.
    @ivar late: answers that came too late for a UDP client, and were not sent.
    @ivar pending: requests waiting for an answer now.
    @ivar overflowed: requests refused because too many were waiting.
    @ivar unsent: replies that the kernel did not accept.
    @ivar shed: datagrams dropped because more cache misses arrived than could be handled in time.
    @ivar faults: unexpected exceptions caught while a packet, a message or a batch was processed.
    @ivar refusals: requests declined, by the name of the gate. The names are constants of ours and never come from the network.
    @ivar latency: seconds for answers that needed a look-up. Immediate answers took less than the first bound and are not included.
    @ivar types: questions by type, including samples of packet cache hits; unassigned types count as L{OTHER_TYPES}.
    @ivar names: the names queried most. Packet cache hits are sampled.
    @ivar slowest: the names that took longest.
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
        self.names = FrequentNames()
        self.slowest = Slowest()

    @property
    def hits(self) -> int:
        """
        Return how many queries were answered from the packet cache.
        """
        return self.udp - self.udpBeyond + self.tcp - self.tcpBeyond

    def replied(self, rcode: int) -> None:
        """
        Count a reply that did not come from the packet cache.
        """
        self.replies[rcode if rcode < RCODES else RCODES - 1] += 1

    def refused(self, gate: str) -> None:
        """
        Count a request that a gate declined, in addition to its reply or drop.

        @param gate: the gate's name.
        """
        self.refusals[gate] = self.refusals.get(gate, 0) + 1

    def limited(self, count: int, silent: int) -> None:
        """
        Count replies withheld by response rate limiting.

        @param silent: how many of them were dropped silently; the others were sent truncated.
        """
        self.refusals["limit"] = self.refusals.get("limit", 0) + count
        self.dropped += silent

    def asked(self, name: bytes, rrType: int) -> None:
        """
        Count a question that missed the packet cache.

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
        Count an answer, or a failure, that needed a look-up.

        @param seconds: from the request's arrival to its reply.
        """
        self.latency.add(seconds)
        self.slowest.add(name, seconds)

    def sampled(self, datagram: bytes, weight: int = 1) -> None:
        """
        Count the name and type of a query answered from the packet cache, as a sample of its batch.

        @param datagram: a query known to be well-formed, since it was answered.
        @param weight: how many queries it stands for.
        """
        name = questionName(datagram)
        if name:
            self.names.add(name, weight)
            end = 12 + len(name)
            self._count(int.from_bytes(datagram[end : end + 2], "big"), weight)
