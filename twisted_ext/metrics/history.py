"""
The history of the main metrics: the last minutes second by second, the last hour and the last day.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from twisted_ext.metrics.counters import BOUNDS
from twisted_ext.metrics.figures import JSON, Figures, upstreamKey
from twisted_ext.metrics.limits import HISTORY_DAY, HISTORY_HOUR, HISTORY_LATENCIES, HISTORY_UPSTREAMS

__all__ = ["COLUMNS", "History", "Moment", "SPANS", "Step"]

#: Seconds of history on the status page.
_HISTORY_SECONDS: Final = 300

#: The values of each step of an hour or a day, in the order of L{Step.toJSON}.
COLUMNS: Final = ("start", "seconds", "queries", "hits", "lookups", "failures", "latency", "latency95", "blocked")

#: Seconds of each span.
SPANS: Final = {"hour": 3600, "day": 86_400}

#: Seconds between two latencies of an upstream.
_MINUTE: Final = 60


@dataclass(slots=True)
class Moment:
    at: float
    queries: int
    atHand: int
    waited: int
    failed: int
    latency: list[int]
    latencyTotal: float
    blocked: int

    def follows(self, before: Moment) -> bool:
        """
        Return whether time and all counts are at least those of a moment before.
        """
        mine, others = [(each.at, each.queries, each.atHand, each.waited, each.failed, *each.latency) for each in (self, before)]
        return all(new >= old for new, old in zip(mine, others, strict=True))


@dataclass(slots=True)
class Step:
    """
    The sums of some seconds.

    @ivar start: in seconds since 1970, a multiple of the length of steps.
    @ivar seconds: how much of it was measured.
    @ivar latency: counts by bucket, as in L{Figures}.
    @ivar blocked: replies for blocked names, most of which are hits as well.
    """

    start: int
    seconds: float = 0.0
    queries: int = 0
    hits: int = 0
    lookups: int = 0
    failures: int = 0
    latencyTotal: float = 0.0
    latency: list[int] = field(default_factory=lambda: [0] * (len(BOUNDS) + 1))
    blocked: int = 0

    def add(self, before: Moment, after: Moment) -> None:
        self.seconds += after.at - before.at
        self.queries += after.queries - before.queries
        self.hits += after.atHand - before.atHand
        self.lookups += after.waited - before.waited
        self.failures += after.failed - before.failed
        # Sums of several processes are rounded.
        self.latencyTotal += max(after.latencyTotal - before.latencyTotal, 0.0)
        self.blocked += _blockedBetween(before, after)
        self.latency = [count + new - old for count, new, old in zip(self.latency, after.latency, before.latency, strict=True)]

    def toJSON(self) -> list[JSON]:
        """
        Return the values of L{COLUMNS}. The latencies are seconds, the mean and the bound of the bucket with the 95th percentile; C{None}
        without look-ups.
        """
        mean = _mean(self.latencyTotal, self.lookups)
        late = self._percentile(0.95)
        return [self.start, round(self.seconds, 1), self.queries, self.hits, self.lookups, self.failures, mean, late, self.blocked]

    def _percentile(self, share: float) -> float | None:
        wanted = sum(self.latency) * share
        if wanted <= 0:
            return None
        count = 0
        for bound, number in zip(BOUNDS, self.latency, strict=False):
            count += number
            if count >= wanted:
                return bound
        # Slower than all bounds.
        return BOUNDS[-1] * 2


def _blockedBetween(before: Moment, after: Moment) -> int:
    # The packet cache counts anew when a reload replaces it.
    return max(after.blocked - before.blocked, 0)


def _mean(total: float, count: float) -> float | None:
    return round(total / count, 6) if count else None


class _Span:
    """
    Steps of equal length.
    """

    def __init__(self, seconds: int, most: int) -> None:
        self.step = seconds // most
        self.seconds = seconds
        # The oldest and the newest one cover parts of a step.
        self.most = most + 1
        self.steps: deque[Step] = deque(maxlen=self.most)

    def add(self, before: Moment, after: Moment, today: float) -> None:
        start = int(today) // self.step * self.step
        if not self.steps or self.steps[-1].start < start:
            self.steps.append(Step(start))
        # If the system's clock went back, the newest step takes it.
        self.steps[-1].add(before, after)

    def toJSON(self, today: float) -> dict[str, JSON]:
        shown: list[JSON] = [[*step.toJSON()] for step in self.steps if step.start > today - self.seconds - self.step]
        return {"step": self.step, "until": round(today, 3), "columns": [*COLUMNS], "steps": shown}


class _UpstreamLatency:
    """
    The mean latency of one upstream in each of the last minutes.
    """

    def __init__(self) -> None:
        self.minutes: deque[float | None] = deque(maxlen=int(HISTORY_LATENCIES.default))
        self._replies = self._seconds = 0.0

    def note(self, replies: float, seconds: float) -> None:
        if replies < self._replies:
            self._replies = self._seconds = 0.0
        self.minutes.append(_mean(seconds - self._seconds, replies - self._replies))
        self._replies, self._seconds = replies, seconds


class History:
    """
    A ring of moments about a second apart, as many as C{_HISTORY_SECONDS} allows, and rings of longer steps for an hour and a day; the
    oldest are dropped.
    """

    def __init__(self, today: Callable[[], float]) -> None:
        """
        @param today: returns seconds since 1970.
        """
        self.today = today
        self._moments: deque[Moment] = deque(maxlen=_HISTORY_SECONDS + 1)
        hour, day = int(HISTORY_HOUR.default), int(HISTORY_DAY.default)
        self._spans = {"hour": _Span(SPANS["hour"], hour), "day": _Span(SPANS["day"], day)}
        self._upstreams: dict[str, _UpstreamLatency] = {}
        self._minute = 0

    def note(self, figures: Figures, now: float) -> None:
        moments = self._moments
        failed, blocked = int(figures.numbers["failed"]), int(figures.numbers.get("blocked", 0))
        moment = Moment(now, figures.queries, figures.atHand, figures.waited, failed, [*figures.latency], figures.latencyTotal, blocked)
        if moments and not moment.follows(moments[-1]):
            # A worker process has exited, and its latest counts are gone.
            moments.clear()
        if moments:
            today = self.today()
            for span in self._spans.values():
                span.add(moments[-1], moment, today)
        moments.append(moment)

    def noteUpstreams(self, upstreams: list[dict[str, JSON]]) -> None:
        """
        Note the latency of upstreams, once a minute; further calls in the same minute do nothing.
        """
        minute = int(self.today()) // _MINUTE
        if minute == self._minute:
            return
        self._minute = minute
        before, self._upstreams = self._upstreams, {}
        for upstream in upstreams[: int(HISTORY_UPSTREAMS.default)]:
            replies, seconds = upstream.get("replies"), upstream.get("replySeconds")
            if isinstance(replies, int | float) and isinstance(seconds, int | float):
                key = upstreamKey(upstream)
                known = self._upstreams[key] = before.get(key) or _UpstreamLatency()
                known.note(replies, seconds)

    def latencies(self) -> dict[str, JSON]:
        """
        Return for each upstream, by its key (L{upstreamKey}), its mean latency in seconds in each of the last
        minutes, C{None} where it sent no reply.
        """
        return {key: [*each.minutes] for key, each in self._upstreams.items()}

    def perSecond(self, seconds: float = 5.0) -> float:
        """
        Return queries per second over the last few seconds.
        """
        moments = self._moments
        if len(moments) < 2:
            return 0.0
        last = moments[-1]
        first = next((each for each in moments if last.at - each.at <= seconds), moments[-2])
        if first is last:
            first = moments[-2]
        elapsed = last.at - first.at
        return (last.queries - first.queries) / elapsed if elapsed > 0 else 0.0

    def spans(self) -> dict[str, JSON]:
        """
        Return the C{hour} and the C{day}: each with C{step}, the seconds of a step, C{until}, the time now, C{columns}, see L{COLUMNS}, and
        C{steps}, oldest first.
        """
        today = self.today()
        return {name: span.toJSON(today) for name, span in self._spans.items()}

    def toJSON(self) -> list[JSON]:
        """
        Return for each step its length in seconds, queries, answers given at once, answers by look-up, failures, the mean latency of its
        look-ups in seconds, C{None} without any, and replies for blocked names; oldest first.
        """
        moments = list(self._moments)
        return [
            [
                round(after.at - before.at, 3),
                after.queries - before.queries,
                after.atHand - before.atHand,
                after.waited - before.waited,
                after.failed - before.failed,
                _mean(after.latencyTotal - before.latencyTotal, after.waited - before.waited),
                _blockedBetween(before, after),
            ]
            for before, after in zip(moments, moments[1:], strict=False)
        ]

    # -- across restarts

    def saved(self) -> dict[str, JSON]:
        """
        Return the hour and the day, for L{restore}.
        """
        return {
            name: [
                [
                    step.start,
                    step.seconds,
                    step.queries,
                    step.hits,
                    step.lookups,
                    step.failures,
                    step.latencyTotal,
                    step.blocked,
                    [*step.latency],
                ]
                for step in span.steps
            ]
            for name, span in self._spans.items()
        }

    def restore(self, value: JSON) -> None:
        """
        Take the steps that L{saved} returned in an earlier process, as far as they are not too old.

        @raise ValueError: C{value} is not valid; nothing has changed then.
        """
        today = self.today()
        found: dict[str, list[Step]] = {}
        for name, span in self._spans.items():
            steps = value.get(name) if isinstance(value, dict) else None
            if not isinstance(steps, list):
                raise ValueError(f"the history has no {name}")
            read = [_stepFrom(each) for each in steps[-span.most :]]
            newest = span.steps[0].start if span.steps else today
            found[name] = [step for step in read if today - span.seconds < step.start < newest and step.start % span.step == 0]
            if any(one.start >= other.start for one, other in zip(found[name], found[name][1:], strict=False)):
                raise ValueError(f"the steps of the {name} are not in order")
        for name, older in found.items():
            span = self._spans[name]
            span.steps = deque([*older, *span.steps], maxlen=span.most)


def _stepFrom(value: JSON) -> Step:
    if not isinstance(value, list) or len(value) != 9:
        raise ValueError("a step does not have nine values")
    *numbers, buckets = value
    if not isinstance(buckets, list) or len(buckets) != len(BOUNDS) + 1:
        raise ValueError("the histogram has other buckets")
    start, seconds, queries, hits, lookups, failures, total, blocked = [_number(number) for number in numbers]
    latency = [int(_number(bucket)) for bucket in buckets]
    return Step(int(start), seconds, int(queries), int(hits), int(lookups), int(failures), total, latency, int(blocked))


def _number(value: JSON) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < 1e15:
        raise ValueError(f"{str(value)[:40]} is not a count")
    return value
