"""
The counters of a server. Serving code writes these attributes directly: a cache hit may cost no more than C{counters.udp += 1}.
"""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from twisted_ext.answers import BLOCKED
from twisted_ext.metrics.names import FrequentNames, Slowest, questionName
from twisted_ext.packetcache.packetcache import PacketCounters
from twisted_ext.wire.rrtypes import DLV, IPN, TA

if TYPE_CHECKING:
    from twisted_ext.metrics.activity import Activity

__all__ = ["BOUNDS", "OTHER_TYPES", "RCODES", "Counters", "Histogram"]

#: Rcodes with a counter of their own: those of RFC 6895, up to BADCOOKIE (23). Larger ones count as the last.
RCODES: Final = 24

#: Stands for all unassigned types, so that clients cannot create any number of counters (65535 is reserved, RFC 6895).
OTHER_TYPES: Final = 65535

#: Upper bounds of the buckets in seconds, inclusive. A last bucket takes everything slower.
BOUNDS: Final[tuple[float, ...]] = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0)


@dataclass(eq=False)
class Histogram:
    """
    Counts of durations by bucket.

    @ivar counts: one number for each of L{BOUNDS}, and one for everything slower. Not cumulative.
    @ivar total: the sum of all durations, in seconds.
    """

    counts: list[int] = field(default_factory=lambda: [0] * (len(BOUNDS) + 1))
    total: float = 0.0

    def add(self, seconds: float) -> None:
        # A value equal to a bound belongs to its bucket, as in Prometheus.
        self.counts[bisect_left(BOUNDS, seconds)] += 1
        if seconds > 0:
            self.total += seconds


@dataclass(slots=True, eq=False)
class Counters(PacketCounters):
    """
    All counters of one server process since its start.

    Which code writes what:

      - The datagram listener adds what it received to C{udp}, once per batch, and for each reply from the packet cache
        C{replies[reply[1] & 15] += 1}, where C{reply} begins with the flags. Cache hits are not counted: they are the datagrams received
        minus those passed on (L{hits}). Once per batch it passes one datagram answered from the packet cache to L{sampled}.
      - The stream listener does the same with C{tcp}, and keeps C{tcpOpened}, C{tcpOpen}, C{tcpTurnedAway}, C{tcpRejected},
        C{tcpIdled}.
        Connections and messages over TLS and QUIC are among them; C{tlsHandshakes}, C{tlsFailed} and C{quicRetries} count in addition.
      - The code that handles a request without a cached reply adds 1 to C{udpBeyond} or C{tcpBeyond}, whatever the outcome.
      - C{respond} adds to C{replies} by rcode, to C{ready} for immediate answers, to C{dropped}, C{late}, and to C{refusals} by the name
        of the gate; it calls L{asked} for each question that missed the packet cache and L{waited} for each answer that took a look-up.

    @ivar udp: datagrams received.
    @ivar udpBeyond: datagrams whose reply was neither in the packet cache nor made from zones in C.
    @ivar udpMade: datagrams whose reply was made from zones in C.
    @ivar tcp: messages received over TCP.
    @ivar tcpBeyond: messages without a reply in the packet cache.
    @ivar tcpOpened: connections accepted.
    @ivar tcpOpen: connections open now.
    @ivar tcpTurnedAway: connections rejected or closed because there were too many.
    @ivar tcpRejected: those of them that were rejected because all connections of their client were in use.
    @ivar tcpIdled: connections closed because the client sent or read nothing for too long.
    @ivar tlsHandshakes: TLS handshakes completed.
    @ivar tlsFailed: connections that ended without one: the client gave up, took too long, or does not speak TLS as this server does.
    @ivar quicRetries: QUIC clients that had to prove their addresses first, because many handshakes were under way.
    @ivar replies: replies sent, by rcode; those for blocked names by rcode plus L{BLOCKED}.
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
    @ivar activity: counts what single clients ask, with the setting C{show-clients}; L{None} without it. Listeners pass it the datagrams
        that they pass to L{sampled}, and C{respond} the questions that it passes to L{asked}.
    """

    tcp: int = 0
    tcpBeyond: int = 0
    tcpOpened: int = 0
    tcpOpen: int = 0
    tcpTurnedAway: int = 0
    tcpRejected: int = 0
    tcpIdled: int = 0
    tlsHandshakes: int = 0
    tlsFailed: int = 0
    quicRetries: int = 0
    truncated: int = 0
    ready: int = 0
    stale: int = 0
    failed: int = 0
    dropped: int = 0
    late: int = 0
    pending: int = 0
    overflowed: int = 0
    shed: int = 0
    faults: int = 0
    refusals: dict[str, int] = field(default_factory=dict)
    latency: Histogram = field(default_factory=Histogram)
    types: dict[int, int] = field(default_factory=dict)
    names: FrequentNames = field(default_factory=FrequentNames)
    slowest: Slowest = field(default_factory=Slowest)
    activity: Activity | None = None

    @property
    def hits(self) -> int:
        return self.udp - self.udpBeyond + self.tcp - self.tcpBeyond

    @property
    def blocked(self) -> int:
        return sum(self.replies[BLOCKED:])

    def repliesOf(self, rcode: int) -> int:
        """
        Return the number of replies with an rcode, those for blocked names among them.
        """
        return self.replies[rcode] + (self.replies[rcode + BLOCKED] if rcode < 16 else 0)

    def replied(self, rcode: int, blocked: bool = False) -> None:
        """
        Count a reply that did not come from the packet cache.
        """
        self.replies[BLOCKED + rcode if blocked else rcode if rcode < RCODES else RCODES - 1] += 1

    def refused(self, gate: str) -> None:
        """
        Count a request that a gate declined, in addition to its reply or drop.
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

        @param name: in uncompressed wire form and lower case.
        """
        self.names.add(name)
        try:
            self.types[rrType] += 1
        except KeyError:
            self._count(rrType, 1)

    def _count(self, rrType: int, weight: int) -> None:
        # The assigned types end with IPN, but for two.
        if rrType > IPN and rrType not in (TA, DLV):
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

        @param datagram: a query that was answered, which may mean with FORMERR.
        @param weight: how many queries it stands for.
        """
        name = questionName(datagram)
        if name:
            self.names.add(name, weight)
            end = 12 + len(name)
            self._count(datagram[end] << 8 | datagram[end + 1], weight)

    def due(self, weight: int, now: float) -> bool:
        activity = self.activity
        if activity is None:
            return False
        if now < activity.due:
            activity.owed += weight
            return False
        return True

    def observed(self, query: bytes, weight: int, client: str, transport: str, reply: bytes | None, now: float) -> None:
        """
        Count the client of a query answered from the packet cache, if single clients are counted.
        """
        if self.activity is not None:
            self.activity.hit(query, weight, client, transport, reply, now)
