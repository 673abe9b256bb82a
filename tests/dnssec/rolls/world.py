"""
A world that rolls meet: a zone, its parent, and all that caches may have of both at a time.

It knows no rules: only what was served when, and for how long it may have been kept. Whatever sets of DS records, DNSKEY records and
signatures some resolver may have at the same moment have to prove the zone, to validators that want one algorithm and to those that want
all.
"""

from __future__ import annotations

import copy
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from math import inf
from typing import Any, Generic, TypeVar

from twisted_ext.dnssec.rolls.policy import RollPolicy
from twisted_ext.dnssec.rolls.rolls import Rolls
from twisted_ext.dnssec.rolls.states import Record, RollingKey

_Value = TypeVar("_Value")

HOUR = 3600
DAY = 24 * HOUR
YEAR = 365 * DAY

#: Sums of times differ by less, in seconds.
_INSTANT = 0.001

#: Name and algorithm of a key.
Key = tuple[str, int]


class Timeline(Generic[_Value]):
    """
    What was so when.

    @ivar spans: from when, until when, and what.
    """

    def __init__(self) -> None:
        self.spans: list[tuple[float, float, _Value]] = []

    def note(self, now: float, value: _Value) -> None:
        if self.spans:
            begin, _, former = self.spans[-1]
            if former == value:
                return
            self.spans[-1] = begin, now, former
        self.spans.append((now, inf, value))

    def at(self, now: float) -> _Value:
        """
        Return what is so at a time; the later value at that of a change.
        """
        return next(value for begin, _, value in reversed(self.spans) if begin <= now)


class Parent:
    """
    The parent of the zone.

    @ivar delay: seconds from a wish to DS records at its first server; L{None} while it does nothing.
    @ivar spread: seconds until its last server has them that can be asked.
    @ivar hidden: seconds until those have them too that answer others at the same address.
    @ivar ttls: the TTL of DS records.
    @ivar shown: the sets of DS records at its first server.
    """

    def __init__(self, delay: float | None, spread: float, ttl: int, hidden: float = 0) -> None:
        self.delay = delay
        self.spread = spread
        self.hidden = hidden
        self.ttls: Timeline[int] = Timeline()
        self.ttls.note(0.0, ttl)
        self.shown: Timeline[frozenset[Key]] = Timeline()
        self.shown.note(0.0, frozenset())
        self._wish: frozenset[Key] = frozenset()
        self._wished = 0.0

    def want(self, now: float, keys: frozenset[Key]) -> None:
        if keys != self._wish:
            self._wish, self._wished = keys, now

    def act(self, now: float) -> None:
        begins = self.begins
        if begins is not None and now >= begins:
            self.shown.note(now, self._wish)

    def relapse(self, now: float) -> None:
        """
        Have the former DS records again, for as long as it takes to do what is wished; an hour at least, in which that is seen.
        """
        self.shown.note(now, self.former)
        self._wished = now + HOUR

    @property
    def former(self) -> frozenset[Key]:
        """
        The DS records before those that it has.
        """
        return self.shown.spans[-2][2] if len(self.shown.spans) > 1 else frozenset()

    @property
    def begins(self) -> float | None:
        """
        When it does what is wished.
        """
        return None if self.delay is None or self._wish == self.shown.at(inf) else self._wished + self.delay

    @property
    def settles(self) -> float:
        """
        When all its servers have the same.
        """
        return self.shown.spans[-1][0] + self.spread

    def sets(self, now: float) -> list[frozenset[Key]]:
        """
        Return the sets of DS records that its servers have now.
        """
        return [value for _, end, value in self.shown.spans if end + self.spread > now]


@dataclass
class Event:
    """
    Something that happens to a zone.
    """

    at: float
    said: str
    act: Callable[[World], object]


class World:
    """
    A zone whose keys live by a policy.

    @ivar rolls: its keys.
    @ivar sets: how many combinations of what resolvers may have at the same moment were judged.
    @ivar bogus: the first of those that do not prove the zone.
    @ivar most: the most keys at a time.
    @ivar needless: what was published that no resolver has a use for.
    @ivar insecure: how often the parent had no DS record any more.
    @ivar ends: when the last record of each key that is gone was in no cache any more.
    @ivar mayBeInsecure: whether an operator has wanted that.
    @ivar isWatched: whether the server knows the TTL of DS records from the parent, not from its policy.
    """

    def __init__(self, seed: object, policy: RollPolicy, parent: Parent, events: list[Event] | None = None, isSloppy: bool = True) -> None:
        """
        @param isSloppy: whether the server fails now and then, before it has written something or before it has published it.
        """
        self.random = random.Random(str(seed))
        self.rolls = Rolls(policy)
        self.parent = parent
        self.events = sorted(events or [], key=lambda event: event.at)
        self.now = 0.0
        self.moves: list[tuple[float, str, str, str]] = []
        self.made = 0
        self.most = 0
        self.sets = 0
        self.bogus: list[str] = []
        self.needless: list[str] = []
        self.insecure = 0
        self.ends: dict[str, float] = {}
        self.offset = 0.0
        self.isWatched = self.mayBeInsecure = False
        self._isSloppy = isSloppy
        self._publishes: float | None = None
        self._algorithms: dict[str, int] = {}
        # How long resolvers keep what the zone has, and after how long signatures are made anew.
        self._policies: Timeline[RollPolicy] = Timeline()
        self._dnskeys: Timeline[tuple[frozenset[Key], frozenset[Key]]] = Timeline()
        # The keys of each name, which may differ; those that sign at that time are the last ones.
        self._signing: Timeline[tuple[frozenset[Key], ...]] = Timeline()
        # Before, it is unsigned, and resolvers have that.
        self._note(-inf, {})

    # -- what happens

    def run(self, until: float) -> None:
        while self.now < until:
            self._turn()
            self.now = min(self._next(), until)

    def _turn(self) -> None:
        while self.events and self.events[0].at <= self.now:
            self.events.pop(0).act(self)
        self.parent.act(self.now)
        self._observe()
        if self._publishes is None or self._publishes <= self.now:
            fails = self._isSloppy and self.random.random() < 0.02
            before = copy.deepcopy(self.rolls) if fails else self.rolls
            self._live()
            if fails:
                # It ends before it has written that.
                self.rolls, self._publishes = before, self.now
        if self._publishes is not None and self.now >= self._publishes:
            self._publish()
            self._publishes = None

    @property
    def clock(self) -> float:
        """
        The time on the server's clock.
        """
        return self.now + self.offset

    def set(self, offset: float) -> None:
        """
        Have an operator set the clock.
        """
        self.offset = offset
        self.rolls.again(self.clock)

    def _live(self) -> None:
        for missing in self.rolls.missing(self.clock):
            self.made += 1
            self.rolls.add(RollingKey(f"{missing.role}{self.made}", missing.role, missing.algorithm, self.clock))
        names = {key.name for key in self.rolls.keys}
        moves = self.rolls.step(self.clock)
        self.moves += [(self.now, move.key.name, move.record.value, move.state.value) for move in moves]
        if moves or self.rolls.isAwaited:
            isSlow = self._isSloppy and self.random.random() < 0.05
            self._publishes = self.now + (self.random.uniform(0, 5 * DAY) if isSlow else 0)
        for name in names - {key.name for key in self.rolls.keys}:
            self.ends[name] = self.now
        self.most = max(self.most, len(self.rolls.keys))

    def _publish(self) -> None:
        keys = self.rolls.keys
        self.rolls.served(self.clock)
        having = {record: frozenset([(key.name, key.algorithm) for key in keys if key.publishes(record)]) for record in Record}
        self._note(self.now, having)
        self.parent.want(self.now, having[Record.DS])
        signing = [algorithm for _, algorithm in having[Record.ZRRSIG]]
        if not having[Record.KRRSIG] <= having[Record.DNSKEY] or len(signing) > len({*signing}):
            self.needless.append(f"day {self.now / DAY:.3f}: {having}")

    def _note(self, now: float, having: dict[Record, frozenset[Key]]) -> None:
        self._policies.note(now, self.rolls.policy)
        self._dnskeys.note(now, (having.get(Record.DNSKEY, frozenset()), having.get(Record.KRRSIG, frozenset())))
        # A name has signatures that were made within the last period, and none may be made anew before the next version.
        earliest = self.clock - self.rolls.policy.renew
        ends = [*[swap.at for swap in self.rolls.swaps], inf][1:]
        several = [swap.names for swap, end in zip(self.rolls.swaps, ends, strict=True) if end > earliest] or [()]
        self._algorithms.update({key.name: key.algorithm for key in self.rolls.keys})
        signing = tuple([frozenset([(name, self._algorithms[name]) for name in names]) for names in several])
        assert signing[-1] == having.get(Record.ZRRSIG, frozenset())
        self._signing.note(now, signing)

    def _observe(self) -> None:
        sets = self.parent.sets(self.now)
        ttl = self.parent.ttls.at(self.now) if self.isWatched and any(sets) else 0
        for key in self.rolls.keys:
            if Record.DS in key.records:
                shows = {(key.name, key.algorithm) in each for each in sets}
                self.rolls.seen(key, shows.pop() if len(shows) == 1 else None, self.clock, ttl)

    def take(self, rolls: Rolls) -> None:
        """
        Have another server take the zone over, with what it knows of the keys.
        """
        self.rolls = rolls
        if self._publishes is None:
            self._publishes = self.now

    def edit(self, changed: Callable[[RollPolicy], RollPolicy]) -> None:
        """
        Have an operator edit the policy.
        """
        self.rolls.policy = changed(self.rolls.policy)
        self.mayBeInsecure |= self.rolls.policy.insecure
        if self._publishes is None:
            self._publishes = self.now

    def _next(self) -> float:
        # When everything is as early as it may be, a wait that is too short shows.
        moment = self.rolls.next(self.clock)
        moments = [self.parent.begins, self.parent.settles, self._publishes, *[event.at for event in self.events[:1]]]
        ahead = [each for each in (*moments, None if moment is None else moment - self.offset) if each is not None and each > self.now]
        step = min([*ahead, self.now + 10 * DAY])
        return step if self.random.random() < 0.9 else step + self.random.uniform(0, DAY)

    # -- what it has come to

    def served(self) -> list[tuple[float, frozenset[Key], frozenset[Key], frozenset[Key], frozenset[Key]]]:
        """
        Return what all servers had: from when on, the DNSKEY records, the keys that signed these, those that signed the rest, and the DS
        records.
        """
        histories: list[Timeline[Any]] = [self._dnskeys, self._signing, self.parent.shown]
        moments = sorted({begin for each in histories for begin, _, _ in each.spans if begin >= 0})
        return [(at, *self._dnskeys.at(at), self._signing.at(at)[-1], self.parent.shown.at(at)) for at in moments]

    def judge(self) -> None:
        """
        Judge all that resolvers may have had.
        """
        late = self.parent.spread + self.parent.hidden
        ds = [
            (begin, max(min(end, stop) + late + ttl for start, stop, ttl in self.parent.ttls.spans if start < end), value)
            for begin, end, value in self.parent.shown.spans
        ]
        judged: dict[object, str] = {}
        signatures = [(begin, end, signing) for begin, end, several in self._kept(self._signing) for signing in several]
        for begin, end, (delegated, (keys, by), signing) in _together(ds, self._kept(self._dnskeys), signatures):
            self.sets += 1
            combination = (delegated, keys, by, signing)
            if combination not in judged:
                judged[combination] = verdict(delegated, keys, by, signing)
            if judged[combination]:
                self.bogus.append(
                    f"days {begin / DAY:.3f} to {end / DAY:.3f}: {judged[combination]}: DS {sorted(delegated)}, DNSKEY {sorted(keys)}, "
                    f"signed by {sorted(by)}, the rest by {sorted(signing)}"
                )
        self.insecure = sum(1 for begin, _, value in ds if begin and not value)

    def _kept(self, timeline: Timeline[Any]) -> list[tuple[float, float, Any]]:
        """
        Return what resolvers may have when.
        """
        isSigning = timeline is self._signing
        found = []
        for begin, end, value in timeline.spans:
            last = end
            for start, stop, policy in self._policies.spans:
                if start < end:
                    last = max(last, min(end, stop) + policy.propagation + (policy.zoneTTL if isSigning else policy.dnskeyTTL))
            found.append((begin, last, value))
        return found


def _together(*histories: Sequence[tuple[float, float, Any]]) -> Iterator[tuple[float, float, tuple[Any, ...]]]:
    """
    Return all combinations of values that some resolver may have at the same moment, and from when to when.
    """
    first, *rest = histories
    if not rest:
        for begin, end, value in first:
            yield begin, end, (value,)
        return
    others = list(_together(*rest))
    others.sort(key=lambda each: each[0])
    for begin, end, value in first:
        for start, stop, values in others:
            if start + _INSTANT >= end:
                break
            if stop > begin + _INSTANT:
                yield max(begin, start), min(end, stop), (value, *values)


def verdict(delegated: frozenset[Key], keys: frozenset[Key], by: frozenset[Key], signing: frozenset[Key]) -> str:
    """
    Return which kind of validators takes the zone for bogus; C{""} for none.
    """
    if not delegated:
        return ""
    entries = delegated & keys & by
    signers = signing & keys
    if not entries or not signers:
        return "all"
    for algorithm in {algorithm for _, algorithm in delegated}:
        if all(each[1] != algorithm for each in entries) or all(each[1] != algorithm for each in signers):
            return f"those that want algorithm {algorithm}, which the parent says"
    for algorithm in {algorithm for _, algorithm in keys}:
        if all(each[1] != algorithm for each in signers):
            return f"those that want algorithm {algorithm}, which the keys say"
    return ""
