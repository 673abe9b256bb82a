"""
A snapshot of all metrics, of one process or added up over several.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field, fields
from typing import Final, TypeAlias, Union

from twisted_ext.metrics.counters import BOUNDS, RCODES, Counters
from twisted_ext.wire.codes import rcodeName
from twisted_ext.wire.names import nameToText
from twisted_ext.wire.rrtypes import typeName

__all__ = ["COUNTED", "Figures", "JSON", "ZoneFigures", "figuresOf", "isAuthority", "sumOf", "totalsOf", "upstreamKey", "viewsOf"]

#: Names shown at a time.
_NAMES_SHOWN: Final = 20

#: What there is to say of an upstream besides how it does now.
_UPSTREAM_TOTALS: Final = ("server", "way", "views", "queries", "replies", "replySeconds", "troubles")

#: A JSON value.
JSON: TypeAlias = Union[str, int, float, bool, None, "list[JSON]", "dict[str, JSON]"]

#: Attributes of L{Counters} that are plain numbers.
COUNTED: Final = tuple([each.name for each in fields(Counters) if each.default == 0])


@dataclass(slots=True, eq=False)
class Figures:
    """
    A snapshot of all metrics.

    @ivar numbers: counters and gauges by name: those of L{COUNTED}, and others that the server adds, such as C{cacheEntries}.
    @ivar types: questions by the mnemonic of their type; C{other} for unassigned types.
    @ivar replies: replies by the mnemonic of their rcode, without those that are zero.
    @ivar latency: counts for each of L{BOUNDS}, and for slower answers; only answers that needed a look-up.
    @ivar latencyTotal: the sum of those latencies, in seconds.
    @ivar asked: the recently most queried names with their counts, the highest first; as text with escapes.
    @ivar slowest: the recently slowest names with their longest times in seconds, the longest first.
    @ivar upstreams: the upstream servers, each with C{server}, C{up}, C{rtt}...
    @ivar processes: how many processes were added up.
    """

    numbers: dict[str, float] = field(default_factory=lambda: dict.fromkeys(COUNTED, 0))
    types: dict[str, int] = field(default_factory=dict)
    replies: dict[str, int] = field(default_factory=dict)
    refusals: dict[str, int] = field(default_factory=dict)
    latency: list[int] = field(default_factory=lambda: [0] * (len(BOUNDS) + 1))
    latencyTotal: float = 0.0
    asked: list[tuple[str, int]] = field(default_factory=list)
    slowest: list[tuple[str, float]] = field(default_factory=list)
    upstreams: list[dict[str, JSON]] = field(default_factory=list)
    processes: int = 1

    @property
    def queries(self) -> int:
        return int(self.numbers["udp"] + self.numbers["tcp"])

    @property
    def laneHits(self) -> int:
        """
        Return how many queries were answered from the packet cache.
        """
        return int(self.queries - self.numbers["udpBeyond"] - self.numbers["tcpBeyond"] - self.numbers["udpMade"])

    @property
    def atHand(self) -> int:
        """
        Return how many queries were answered without waiting for an upstream.
        """
        return int(self.laneHits + self.numbers["udpMade"] + self.numbers["ready"])

    @property
    def waited(self) -> int:
        return sum(self.latency)

    def toJSON(self) -> dict[str, JSON]:
        return {
            "queries": self.queries,
            "laneHits": self.laneHits,
            "atHand": self.atHand,
            "waited": self.waited,
            "processes": self.processes,
            "numbers": {**self.numbers},
            "types": {**self.types},
            "replies": {**self.replies},
            "refusals": {**self.refusals},
            "latency": {"bounds": [*BOUNDS], "counts": [*self.latency], "seconds": round(self.latencyTotal, 6)},
            "asked": [[name, count] for name, count in self.asked],
            "slowest": [[name, round(seconds, 6)] for name, seconds in self.slowest],
            "upstreams": [*self.upstreams],
        }

    @classmethod
    def fromJSON(cls, value: JSON) -> Figures:
        """
        Read what L{toJSON} returned in another process of the same version.

        @raise ValueError: C{value} is not such an object.
        """
        self = cls()
        try:
            assert isinstance(value, dict)
            for into, key in ((self.types, "types"), (self.replies, "replies"), (self.refusals, "refusals")):
                for name, count in _objectIn(value, key).items():
                    into[name] = int(_numberIn(count))
            for name, number in _objectIn(value, "numbers").items():
                self.numbers[name] = _numberIn(number)
            latency = _objectIn(value, "latency")
            counts = [int(_numberIn(count)) for count in _listIn(latency, "counts")]
            if len(counts) != len(self.latency):
                raise ValueError("the histogram has other buckets")
            self.latency = counts
            self.latencyTotal = _numberIn(latency["seconds"])
            self.asked = [(name, int(number)) for name, number in _pairs(_listIn(value, "asked"))]
            self.slowest = _pairs(_listIn(value, "slowest"))
            self.upstreams = [each for each in _listIn(value, "upstreams") if isinstance(each, dict)]
            self.processes = int(_numberIn(value["processes"]))
        except (AssertionError, KeyError, TypeError) as error:
            raise ValueError(f"the statistics are not valid: {error!r}") from error
        return self


@dataclass(slots=True, frozen=True)
class ZoneFigures:
    """
    The metrics of one zone.

    @ivar zone: its name, as text.
    @ivar serial: its serial number, L{None} if it is not served.
    @ivar expiry: when a secondary zone expires, in seconds since 1970; L{None} for other zones.
    @ivar signatureExpiry: when its first signature ends, in seconds since 1970; L{None} without signatures.
    @ivar sent: how often it was transferred to a client.
    @ivar received: how often it was transferred from a primary.
    @ivar parentAsked: since when its parent has to have, or to lose, a DS record so that a key is replaced, in seconds since 1970; L{None}
        if it need not.
    """

    zone: str
    serial: int | None
    expiry: float | None = None
    signatureExpiry: float | None = None
    sent: int = 0
    received: int = 0
    parentAsked: float | None = None


def _numberIn(value: JSON) -> float:
    assert isinstance(value, int | float)
    return value


def _objectIn(value: dict[str, JSON], key: str) -> dict[str, JSON]:
    found = value[key]
    assert isinstance(found, dict)
    return found


def _listIn(value: dict[str, JSON], key: str) -> list[JSON]:
    found = value[key]
    assert isinstance(found, list)
    return found


def _pairs(values: list[JSON]) -> list[tuple[str, float]]:
    pairs: list[tuple[str, float]] = []
    for value in values:
        assert isinstance(value, list) and len(value) == 2
        name, number = value
        assert isinstance(name, str)
        pairs.append((name, _numberIn(number)))
    return pairs


def figuresOf(counters: Counters, *, withNames: bool = True) -> Figures:
    """
    Return a snapshot of the counters.

    @param withNames: include the most queried and the slowest names, which takes a little sorting.
    """
    figures = Figures()
    for name in COUNTED:
        figures.numbers[name] = getattr(counters, name)
    for rcode in range(RCODES):
        replies = counters.repliesOf(rcode)
        if replies:
            figures.replies[rcodeName(rcode)] = replies
    for rrType, count in counters.types.items():
        # A type without a mnemonic is not assigned.
        mnemonic = typeName(rrType)
        name = "other" if mnemonic.startswith("TYPE") else mnemonic
        figures.types[name] = figures.types.get(name, 0) + count
    figures.refusals = dict(counters.refusals)
    figures.latency = list(counters.latency.counts)
    figures.latencyTotal = counters.latency.total
    if not withNames:
        return figures
    most = _NAMES_SHOWN
    figures.asked = [(nameToText(name), count) for name, count in counters.names.most(most)]
    figures.slowest = [(nameToText(name), seconds) for name, seconds in counters.slowest.most(most)]
    return figures


def upstreamKey(upstream: dict[str, JSON]) -> str:
    """
    Return what tells an upstream from others: C{server} and C{way} with a space between them, and behind another one the names of the
    views for which it is asked, if it is asked for these only.
    """
    views = upstream.get("views")
    return " ".join([str(upstream.get("server")), str(upstream.get("way")), *([viewsOf(upstream)] if views else [])])


def viewsOf(upstream: dict[str, JSON]) -> str:
    """
    Return the names of the views for which only an upstream is asked, with commas; C{""} if there is no such limit.
    """
    views = upstream.get("views")
    return ",".join(map(str, views)) if isinstance(views, list) else ""


def isAuthority(upstream: dict[str, JSON]) -> bool:
    """
    Return whether an upstream is an authoritative server. Only those are shown that were asked most, so that they come and go.
    """
    return str(upstream.get("way")).startswith("authority")


def totalsOf(figures: Figures, names: Collection[str]) -> Figures:
    """
    Return what stays of the figures of a process that has ended: all that it has counted.

    @param names: the numbers that are totals, without the values of labels; others are current values.
    """
    return Figures(
        {name: number for name, number in figures.numbers.items() if name.partition(" ")[0] in names},
        figures.types,
        figures.replies,
        figures.refusals,
        figures.latency,
        figures.latencyTotal,
        figures.asked,
        figures.slowest,
        [{key: each[key] for key in _UPSTREAM_TOTALS if key in each} for each in figures.upstreams if not isAuthority(each)],
        0,
    )


def _sumOfUpstreams(one: dict[str, JSON], other: dict[str, JSON]) -> dict[str, JSON]:
    """
    Return two processes' figures for one upstream: counts added up, the state from a process that gets replies from it.
    """
    total = {**(other if other.get("up") and not one.get("up") else one)}
    for key in ("queries", "replies", "replySeconds"):
        mine, its = one.get(key), other.get(key)
        if isinstance(mine, int | float) and isinstance(its, int | float):
            total[key] = mine + its
    mine, its = one.get("troubles"), other.get("troubles")
    if isinstance(mine, dict) and isinstance(its, dict):
        counts: dict[str, JSON] = {**mine}
        for kind, count in its.items():
            before = counts.get(kind, 0)
            if isinstance(before, int | float) and isinstance(count, int | float):
                counts[kind] = before + count
        total["troubles"] = counts
    return total


def sumOf(several: Iterable[Figures]) -> Figures:
    """
    Return the sum of several processes' figures. An upstream is up if it is up for one of them.
    """
    total = Figures(processes=0)
    asked: dict[str, int] = {}
    slowest: dict[str, float] = {}
    upstreams: dict[str, dict[str, JSON]] = {}
    for figures in several:
        total.processes += figures.processes
        for name, number in figures.numbers.items():
            total.numbers[name] = total.numbers.get(name, 0) + number
        for into, counts in (
            (total.types, figures.types),
            (total.replies, figures.replies),
            (total.refusals, figures.refusals),
            (asked, dict(figures.asked)),
        ):
            for name, count in counts.items():
                into[name] = into.get(name, 0) + count
        total.latency = [mine + its for mine, its in zip(total.latency, figures.latency, strict=True)]
        total.latencyTotal += figures.latencyTotal
        for name, seconds in figures.slowest:
            slowest[name] = max(seconds, slowest.get(name, 0.0))
        for upstream in figures.upstreams:
            key = upstreamKey(upstream)
            known = upstreams.get(key)
            upstreams[key] = {**upstream} if known is None else _sumOfUpstreams(known, upstream)
    most = _NAMES_SHOWN
    total.asked = sorted(asked.items(), key=lambda pair: (-pair[1], pair[0]))[:most]
    total.slowest = sorted(slowest.items(), key=lambda pair: (-pair[1], pair[0]))[:most]
    total.upstreams = list(upstreams.values())
    return total
