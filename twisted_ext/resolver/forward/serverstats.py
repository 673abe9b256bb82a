"""
Which server to ask: what is known of each, and what follows from it. No I/O, no clock.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import inf
from typing import Final

from twisted_ext.limits import (
    BACK_OFF,
    DECLINES,
    FAILURES_IN_A_ROW,
    FIRST_WAIT,
    NO_CASE_SECONDS,
    NO_EDNS_SECONDS,
    NO_EDNS_SIGNS,
    PROBE_AFTER,
    SERVER_WAIT,
    SILENT_SECONDS,
    SILENT_TRIES,
)

__all__ = ["ServerStats", "bestOf", "domainAsked", "dueForProbe", "nextOf"]

#: Seconds beyond which it was not the server that took so long: the clock has been set.
_CREDIBLE: Final = 120.0

#: Domains that are told apart among those that a server declined in a row: more change nothing.
_MOST_DOMAINS: Final = int(DECLINES.default) + 16

_LEAST_WAIT: Final = SERVER_WAIT.least
_MOST_WAIT: Final = SERVER_WAIT.most

#: Tries of one look-up after which it waits twice as long each time, whatever other look-ups find out.
_STEADY_TRIES: Final = 6

#: A server that has not replied for so many seconds, or to so many queries in a row, is down. Before that, a datagram may have been lost.
_DOWN_SECONDS: Final = 0.25
_DOWN_FAILURES: Final = 3

#: Tries in a row without a reply from which on all look-ups wait longer: where half of all datagrams get lost, there are so many once in
#: 1,000 times.
_BACKING_OFF: Final = 10

#: Seconds up to which silence makes the waits longer: a server that comes back is noticed within a look-up.
_SILENT_WAIT: Final = 2.0


class ServerStats:
    """
    What one server has shown of itself so far.

    @ivar rtt: seconds from query to reply, smoothed (RFC 6298, section 2); L{None} before the first reply.
    @ivar deviation: its mean deviation.
    @ivar measuredUntil: until when replies are counted and not measured: one measurement in each round trip is enough (RFC 6298,
        section 3), and more would shorten the memory of C{rtt}.
    @ivar timeout: seconds to wait for a reply: from C{rtt} and C{deviation}; once the server is silent twice as long after each wait in
        vain, until the next reply.
    @ivar failures: tries in a row without any reply.
    @ivar silentSince: when the first of these was given up.
    @ivar why: why the last of these failed, in words; C{""} where no reply came in time.
    @ivar declines: domains in a row for which it refused or failed a look-up. One that is broken itself does not make a server a bad one.
    @ivar failed: SERVFAILs in a row.
    @ivar downUntil: when the back-off ends; 0 for one that answers.
    @ivar lookedAt: when it was last asked or probed.
    @ivar plainUntil: until when it is spared EDNS.
    @ivar plainSigns: look-ups in a row that went without EDNS what did not go with it.
    @ivar sameCaseUntil: until when it is spared mixed case.
    @ivar queries: queries sent to it.
    @ivar replies: replies whose time could be measured.
    @ivar replySeconds: the sum of those times.
    @ivar troubles: queries that did not bring an answer, by kind: C{timeout}, C{unreachable}, C{malformed}, or the reply's rcode.
    """

    __slots__ = (
        "rtt",
        "deviation",
        "measuredUntil",
        "timeout",
        "failures",
        "silentSince",
        "why",
        "declines",
        "declinedFor",
        "failed",
        "downUntil",
        "lookedAt",
        "plainUntil",
        "plainSigns",
        "sameCaseUntil",
        "queries",
        "replies",
        "replySeconds",
        "troubles",
    )

    def __init__(self) -> None:
        self.rtt: float | None = None
        self.deviation = 0.0
        self.measuredUntil = -inf
        self.timeout = FIRST_WAIT.default
        self.failures = 0
        self.silentSince = 0.0
        self.why = ""
        self.declines = 0
        self.declinedFor: set[bytes] = set()
        self.failed = 0
        self.downUntil = 0.0
        self.lookedAt = -inf
        self.plainUntil = 0.0
        self.plainSigns = 0
        self.sameCaseUntil = 0.0
        self.queries = 0
        self.replies = 0
        self.replySeconds = 0.0
        self.troubles: dict[str, int] = {}

    def replied(self, seconds: float | None) -> None:
        """
        It has said something, be it a refusal.

        @param seconds: how long it took; L{None} where that says nothing, as by TCP, where a connection had to be made.
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
        """
        What it said was of use.
        """
        if self.declines:
            self.declines = self.failed = 0
            self.declinedFor.clear()
            self.downUntil = 0.0

    def silent(self, now: float, why: str = "", waited: float = 0.0) -> None:
        """
        It has not replied in time, or cannot be reached.

        @param why: the reason in words, where it could not be reached.
        @param waited: seconds for which it was waited for; 0 where it is known that it cannot be reached.
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
            # Many queries that were sent together count as one (RFC 6298, section 5.5).
            timeout = min(2 * waited, _SILENT_WAIT)
            if self.timeout < timeout:
                self.timeout = timeout
        if waited >= _DOWN_SECONDS or self.failures >= _DOWN_FAILURES:
            self._backOff(now, self.failures)

    def declined(self, now: float, domain: bytes) -> None:
        """
        It said SERVFAIL, REFUSED or the like. For one domain that says nothing about the server; for many in a row, it does.

        @param domain: what was asked about, as L{domainAsked} gives it.
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
        Count a SERVFAIL.

        @return: whether the next query may be answered: not after many in a row, which may be all for one broken domain.
        """
        self.failed += 1
        return self.failed < FAILURES_IN_A_ROW.default

    def _backOff(self, now: float, times: int) -> None:
        self.downUntil = now + min(BACK_OFF.default * 2 ** min(times - 1, 16), BACK_OFF.most)

    def trouble(self, kind: str) -> None:
        """
        Count a query that did not bring an answer.

        @param kind: a word of ours or an rcode's mnemonic, of which there are few.
        """
        self.troubles[kind] = self.troubles.get(kind, 0) + 1

    def unheard(self, now: float) -> bool:
        """
        Whether it counts as down for operators: several tries in a row had no reply, and it has lasted, so that a few lost datagrams do not
        count. What it replies does not matter.
        """
        return self.failures >= SILENT_TRIES.default and now - self.silentSince >= SILENT_SECONDS.default

    def reconsidered(self, now: float) -> None:
        """
        Give it another chance when its back-off has ended, where nobody finds out in passing whether it answers again.
        """
        if self.downUntil <= now:
            self.downUntil = 0.0

    @property
    def down(self) -> bool:
        """
        Whether it is left alone as long as others answer.
        """
        return self.downUntil > 0

    def wait(self, tries: int) -> float:
        """
        @param tries: how often it was asked in this look-up before.

        @return: seconds to wait for it.
        """
        # One that is not known yet may be slow.
        steps = tries if self.rtt is None else tries - _STEADY_TRIES
        if steps <= 0:
            return self.timeout
        return max(self.timeout, min(self.timeout * (1 << min(steps, 16)), _SILENT_WAIT))

    def withEDNS(self, now: float) -> bool:
        """
        Whether it can take an OPT record, as far as is known.
        """
        return now >= self.plainUntil

    def neededPlain(self, now: float) -> None:
        """
        It refused a query with EDNS and answered the same one without. Each of the two datagrams may have been forged, so that only
        several in a row are believed, and not for ever.
        """
        self.plainSigns += 1
        if self.plainSigns >= NO_EDNS_SIGNS.default:
            self.plainUntil = now + NO_EDNS_SECONDS.default

    def tookEDNS(self) -> None:
        """
        It replied with an OPT record.
        """
        self.plainSigns = 0
        self.plainUntil = 0.0

    def keepsCase(self, now: float) -> bool:
        """
        Whether it gives names back as they were asked, as far as is known.
        """
        return now >= self.sameCaseUntil

    def changedCase(self, now: float) -> None:
        """
        It gave a name back in another case by a way that cannot be forged.
        """
        self.sameCaseUntil = now + NO_CASE_SECONDS.default

    def __repr__(self) -> str:
        rtt = "not measured" if self.rtt is None else f"{self.rtt * 1000:.1f} ms"
        return f"<Standing {rtt} failures={self.failures} declines={self.declines}>"


def domainAsked(key: bytes) -> bytes:
    """
    @param key: of a question.

    @return: the last two labels of its name: near enough to the domain for telling failures of one from failures of many.
    """
    starts: list[int] = []
    position = 0
    while length := key[position]:
        starts.append(position)
        position += length + 1
    return key[starts[-2] if len(starts) > 1 else 0 : position + 1]


def bestOf(standings: Sequence[ServerStats], tries: Sequence[int], now: float, most: int) -> int | None:
    """
    Choose whom to ask next: one that answers before one that is down, one asked less often in this look-up before one asked more
    often, then the quickest. Those not measured yet count as not quick and not slow; among equals the first one listed goes first.

    @param tries: how often each was asked in this look-up; more than C{most} for one that needs not be asked again.
    @param most: how often one may be asked.

    @return: its index, or L{None} where nobody is left.
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


def nextOf(standings: Sequence[ServerStats], last: int) -> int:
    """
    Choose whom to ask first where all have their turn.

    @param last: the index of the one that had it last.

    @return: the index of the next one that answers, or of the next one where none does.
    """
    count = len(standings)
    for step in range(1, count + 1):
        index = (last + step) % count
        if not standings[index].down:
            return index
    return (last + 1) % count


def dueForProbe(standings: Sequence[ServerStats], chosen: int, now: float) -> int | None:
    """
    Find a server that is to be sent a copy of a query besides, to learn how it does: one that is down and whose back-off has ended, or
    one that nobody has asked for a time.

    @param chosen: who gets the query itself.

    @return: its index, or L{None}. The caller sets its C{lookedAt}.
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
