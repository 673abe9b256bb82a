"""
Statistics about upstream servers, and server selection. No I/O, no clock.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from math import inf
from typing import Final

from twisted_ext.limits import (
    BACK_OFF,
    DECLINES,
    FAILURES_IN_A_ROW,
    FIRST_WAIT,
    NO_COOKIE_SECONDS,
    NO_EDNS_SECONDS,
    NO_EDNS_SIGNS,
    NO_UDP_SECONDS,
    NO_UDP_SIGNS,
    PROBE_AFTER,
    SERVER_WAIT,
    STREAM_WAIT,
)

__all__ = ["ServerStats", "bestOf", "domainAsked", "dueForProbe", "hasFresh", "nextOf"]

#: Consecutive queries without a reply before a server is reported as down.
_SILENT_TRIES: Final = 3

#: Seconds since the first of these queries: at a thousand queries per second, three consecutive lost datagrams mean nothing.
_SILENT_SECONDS: Final = 1.0

#: Seconds to send queries without mixed case to a server that has shown not to preserve it.
_NO_CASE_SECONDS: Final = 900.0

#: Longer durations, in seconds, are not the server's: the clock has been set.
_CREDIBLE: Final = 120.0

#: Distinct consecutive domains recorded for which a server declined: more make no difference.
_MOST_DOMAINS: Final = int(DECLINES.default) + 16

_LEAST_WAIT: Final = SERVER_WAIT.least
_MOST_WAIT: Final = SERVER_WAIT.most

#: Tries of one look-up after which each wait is twice as long as the last, regardless of other look-ups.
_STEADY_TRIES: Final = 6

#: A server is down after this many seconds, or this many consecutive queries, without a reply. Before that, a datagram may have been lost.
_DOWN_SECONDS: Final = 0.25
_DOWN_FAILURES: Final = 3

#: Consecutive tries without a reply after which all look-ups wait longer: if half of all datagrams are lost, this happens by chance once in
#: 1,000 times.
_BACKING_OFF: Final = 10

#: Seconds up to which timeouts grow for a silent server: when it comes back, one look-up notices.
_SILENT_WAIT: Final = 2.0


#: How many UDP timeouts a TCP query may take if something else can be done: connecting takes one round trip and the query another.
_CONNECTING: Final = 3


@dataclass(slots=True, eq=False, repr=False)
class ServerStats:
    """
    The statistics of one server.

    @ivar rtt: seconds from query to reply, smoothed (RFC 6298, section 2); L{None} before the first reply.
    @ivar measuredUntil: until when replies are counted but not measured: one measurement per round trip is enough (RFC 6298, section 3),
        and more would shorten the memory of C{rtt}.
    @ivar timeout: seconds to wait for a reply: from C{rtt} and C{deviation}; for a silent server it doubles with each timeout until the
        next reply.
    @ivar failures: consecutive tries without any reply.
    @ivar silentSince: when the first of these timed out.
    @ivar why: why the last of these failed, in words; C{""} for a timeout.
    @ivar declines: consecutive domains for which it refused or failed a look-up. One broken domain does not make a bad server.
    @ivar failed: consecutive SERVFAIL replies.
    @ivar downUntil: when the back-off ends; 0 for a working server.
    @ivar lookedAt: when it was last queried or probed.
    @ivar plainUntil: until when to send it queries without EDNS.
    @ivar plainSigns: consecutive look-ups that succeeded without EDNS after failing with it.
    @ivar sameCaseUntil: until when not to send it mixed case.
    @ivar streamUntil: until when to send it queries over TCP, because it does not answer over UDP.
    @ivar streamHeardAt: when it last replied over TCP.
    @ivar streamSilences: consecutive queries over TCP that ended without any reply on the connection. Replies over UDP say nothing about
        that, and it does not keep names that need no TCP from the server.
    @ivar streamDownUntil: until when other servers are asked before it for what needs TCP.
    @ivar cookie: the option with the client cookie for it and, once it has sent that, its server cookie; empty before the first query.
    @ivar cookieUntil: until when this client cookie is used.
    @ivar noCookieUntil: until when to send it no cookie, because it does not answer queries with one.
    @ivar signs: consecutive look-ups that succeeded over TCP only, and those that succeeded without cookie only.
    @ivar replies: replies whose round trip was measured.
    @ivar replySeconds: the sum of those times.
    @ivar troubles: queries that brought no answer, by kind: C{timeout}, C{unreachable}, C{malformed}, or the reply's rcode.
    """

    rtt: float | None = None
    deviation: float = 0.0
    measuredUntil: float = -inf
    timeout: float = FIRST_WAIT.default
    failures: int = 0
    silentSince: float = 0.0
    why: str = ""
    declines: int = 0
    declinedFor: set[bytes] = field(default_factory=set)
    failed: int = 0
    downUntil: float = 0.0
    lookedAt: float = -inf
    plainUntil: float = 0.0
    plainSigns: int = 0
    sameCaseUntil: float = 0.0
    streamUntil: float = 0.0
    streamHeardAt: float = -inf
    streamSilences: int = 0
    streamDownUntil: float = 0.0
    cookie: bytes = b""
    cookieUntil: float = 0.0
    noCookieUntil: float = 0.0
    signs: tuple[int, int] | None = None
    queries: int = 0
    replies: int = 0
    replySeconds: float = 0.0
    troubles: dict[str, int] = field(default_factory=dict)

    def replied(self, seconds: float | None) -> None:
        """
        Record a reply, of any rcode.

        @param seconds: the round-trip time; L{None} if it was not measured, as over TCP, where it includes connecting.
        """
        if self.failures:
            if self.failures >= _BACKING_OFF:
                self._setTimeout()
            self.failures = 0
            self.downUntil = 0.0
        if seconds is None or not 0 <= seconds < _CREDIBLE:
            return
        self.replies += 1
        self.replySeconds += seconds
        rtt = self.rtt
        if rtt is None:
            self.rtt = rtt = seconds
            self.deviation = deviation = seconds / 2
        else:
            difference = seconds - rtt
            self.rtt = rtt = rtt + difference / 8
            self.deviation = deviation = self.deviation + ((difference if difference > 0 else -difference) - self.deviation) / 4
        timeout = rtt + 4 * deviation
        if timeout < _LEAST_WAIT:
            self.timeout = _LEAST_WAIT
        else:
            self.timeout = timeout if timeout < _MOST_WAIT else _MOST_WAIT

    def _setTimeout(self) -> None:
        rtt = self.rtt
        self.timeout = FIRST_WAIT.default if rtt is None else min(max(rtt + 4 * self.deviation, _LEAST_WAIT), _MOST_WAIT)

    def answered(self) -> None:
        if self.declines:
            self.declines = self.failed = 0
            self.declinedFor.clear()
            self.downUntil = 0.0

    def silent(self, now: float, why: str = "", waited: float = 0.0) -> None:
        """
        Record a timeout, or that the server is unreachable.

        @param why: the reason in words, if it is unreachable.
        @param waited: the timeout in seconds; 0 if it is known to be unreachable.
        """
        if not self.failures:
            self.silentSince = now
        self.failures += 1
        self.why = why
        self.trouble("unreachable" if why else "timeout")
        if not waited:
            self._backOff(now, self.failures)
            return
        if self.failures >= _BACKING_OFF and now - self.silentSince >= _DOWN_SECONDS:
            # Queries that were sent together count as one (RFC 6298, section 5.5).
            timeout = min(2 * waited, _SILENT_WAIT)
            if self.timeout < timeout:
                self.timeout = timeout
        if waited >= _DOWN_SECONDS or self.failures >= _DOWN_FAILURES:
            self._backOff(now, self.failures)

    def streamSilent(self, now: float, sentAt: float, only: bool) -> None:
        """
        Record a query over TCP, or what runs over it, to which no reply came in time.

        @param only: whether the server is asked in no other way.
        """
        waited = now - sentAt
        if self.streamHeardAt >= sentAt or (waited < _DOWN_SECONDS and not self.streamSilences):
            # It is busy with this query, or had no time.
            return
        self.streamSilences += 1
        self.streamDownUntil = now + _pause(self.streamSilences)
        if only or sentAt < self.streamUntil:
            self.streamUntil = 0.0
            self.silent(now, waited=waited)
        else:
            self.trouble("timeout")

    def streamHeard(self, now: float) -> None:
        """
        Record a reply over TCP.
        """
        self.streamHeardAt = now
        if self.streamSilences:
            self.streamSilences = 0
            self.streamDownUntil = 0.0

    def streamWait(self, last: bool) -> float:
        """
        Return how long to wait for a reply over TCP while something else can be done, in seconds.

        @param last: whether it is the last try.
        """
        # The kernel sends a lost SYN again after a second.
        timeout = max(self.timeout, FIRST_WAIT.default) if last else self.timeout
        return min(_CONNECTING * timeout, STREAM_WAIT.default)

    def declined(self, now: float, domain: bytes) -> None:
        """
        Record SERVFAIL, REFUSED or the like. For one domain this says nothing about the server; for many consecutive ones, it does.

        @param domain: the domain queried, as L{domainAsked} returns it.
        """
        domains = self.declinedFor
        if domain in domains:
            return
        if len(domains) < _MOST_DOMAINS:
            domains.add(domain)
        self.declines += 1
        if self.declines >= DECLINES.default:
            self._backOff(now, self.declines - int(DECLINES.default) + 1)

    def mayRecover(self) -> bool:
        """
        Count a SERVFAIL. Return whether a retry may succeed: not after many consecutive ones, which may all be for one broken domain.
        """
        self.failed += 1
        return self.failed < FAILURES_IN_A_ROW.default

    def _backOff(self, now: float, times: int) -> None:
        self.downUntil = now + _pause(times)

    def trouble(self, kind: str) -> None:
        self.troubles[kind] = self.troubles.get(kind, 0) + 1

    def unheard(self, now: float) -> bool:
        """
        Return whether to report the server as down to operators: several consecutive tries without any reply, over some time, so that a few
        lost datagrams do not count. The content of its replies does not matter.
        """
        return self.failures >= _SILENT_TRIES and now - self.silentSince >= _SILENT_SECONDS

    def reconsidered(self, now: float) -> None:
        """
        End the back-off if its time is over, for callers without probes, which would detect whether the server works again.
        """
        if self.downUntil <= now:
            self.downUntil = 0.0

    @property
    def down(self) -> bool:
        """
        Whether to avoid the server while others work.
        """
        return self.downUntil > 0

    def wait(self, tries: int) -> float:
        """
        Return how long to wait for its reply, in seconds.

        @param tries: the number of earlier queries to it in this look-up.
        """
        # A server that has not been measured may be slow.
        steps = tries if self.rtt is None else tries - _STEADY_TRIES
        if steps <= 0:
            return self.timeout
        return max(self.timeout, min(self.timeout * (1 << min(steps, 16)), _SILENT_WAIT))

    def withEDNS(self, now: float) -> bool:
        return now >= self.plainUntil

    def neededPlain(self, now: float) -> None:
        """
        Record that it refused a query with EDNS and answered the same one without. Either datagram may have been spoofed, so only several
        consecutive ones count, and not forever.
        """
        self.plainSigns += 1
        if self.plainSigns >= NO_EDNS_SIGNS.default:
            self.plainUntil = now + NO_EDNS_SECONDS.default

    def tookEDNS(self) -> None:
        self.plainSigns = 0
        self.plainUntil = 0.0

    def keepsCase(self, now: float) -> bool:
        return now >= self.sameCaseUntil

    def changedCase(self, now: float) -> None:
        """
        Record that it changed the case of a name in a reply that cannot be spoofed.
        """
        self.sameCaseUntil = now + _NO_CASE_SECONDS

    def neededStream(self, now: float) -> None:
        """
        Record that it answered over TCP what it did not answer over UDP.
        """
        streams, bare = self.signs or (0, 0)
        self.signs = (streams + 1, bare)
        if streams + 1 >= NO_UDP_SIGNS.default:
            self.streamUntil = now + NO_UDP_SECONDS.default

    def neededNoCookie(self, now: float) -> None:
        """
        Record that it answered a query without cookie after it had not answered the same one with a cookie.
        """
        streams, bare = self.signs or (0, 0)
        self.signs = (streams, bare + 1)
        if bare + 1 >= NO_EDNS_SIGNS.default:
            self.noCookieUntil = now + NO_COOKIE_SECONDS.default

    def __repr__(self) -> str:
        rtt = "not measured" if self.rtt is None else f"{self.rtt * 1000:.1f} ms"
        return f"<Standing {rtt} failures={self.failures} declines={self.declines}>"


def _pause(times: int) -> float:
    """
    Return for how many seconds to avoid a server after this many failures.
    """
    return min(BACK_OFF.default * (1 << min(times - 1, 16)), BACK_OFF.most)


def domainAsked(key: bytes) -> bytes:
    """
    Return the last two labels of a name: close enough to the domain for distinguishing failures of one domain from failures of many.

    @param key: the key of a question.
    """
    starts: list[int] = []
    position = 0
    while length := key[position]:
        starts.append(position)
        position += length + 1
    return key[starts[-2] if len(starts) > 1 else 0 : position + 1]


def bestOf(standings: Sequence[ServerStats], tries: Sequence[int], most: int) -> int | None:
    """
    Return the index of the server to query next, L{None} if none is left: working before down, queried less often in this look-up before
    more often, then the fastest. Servers that have not been measured rank in the middle; ties go to the first one listed.

    @param tries: the number of queries to each in this look-up; C{most} or more to exclude one.
    """
    best: int | None = None
    least = (inf, False, inf)
    for index, standing in enumerate(standings):
        count = tries[index]
        if count >= most:
            continue
        rank = (count, standing.down, FIRST_WAIT.default if standing.rtt is None else standing.rtt)
        if rank < least:
            least = rank
            best = index
    return best


def hasFresh(standings: Sequence[ServerStats], tries: Sequence[int]) -> bool:
    """
    Return whether there is a server that is expected to work, and that this look-up has not asked yet.
    """
    return any(not count and not standing.down for count, standing in zip(tries, standings, strict=True))


def nextOf(standings: Sequence[ServerStats], last: int) -> int:
    """
    Return the index of the server to query first in rotation: of the next working one, or of the next one if none works.

    @param last: the index of the one chosen last.
    """
    count = len(standings)
    for step in range(1, count + 1):
        index = (last + step) % count
        if not standings[index].down:
            return index
    return (last + 1) % count


def dueForProbe(standings: Sequence[ServerStats], chosen: int, now: float) -> int | None:
    """
    Return the index of a server to probe with a copy of a query: one that is down and whose back-off has ended, or one that has not been
    queried for some time. The caller sets its C{lookedAt}.

    @param chosen: the server that gets the query itself.
    """
    for index, standing in enumerate(standings):
        if index == chosen:
            continue
        if standing.down:
            if now >= standing.downUntil and now - standing.lookedAt >= BACK_OFF.default:
                return index
        elif now - standing.lookedAt >= PROBE_AFTER.default and standing.lookedAt > -inf:
            return index
    return None
