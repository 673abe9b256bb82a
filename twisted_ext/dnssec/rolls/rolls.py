"""
The lives of a zone's keys: from a policy, and from what was seen of the world, what is published next, and withdrawn, and when.

No kind of roll has steps of its own: of each role and algorithm that the policy wants, the newest key is to be in use, and all others are
to go. Each record of each key moves on its own, as soon as the rules of L{twisted_ext.dnssec.rolls.rules} let it. So a policy
that is changed in the middle of a roll is a change of what is wanted, from wherever the keys are.

Nothing is read or written here. Who keeps the keys writes their states, publishes, and says when that was served.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from twisted_ext.dnssec.rolls.policy import RollPolicy
from twisted_ext.dnssec.rolls.rules import refusal
from twisted_ext.dnssec.rolls.states import Record, RollingKey, Standing, State
from twisted_ext.errors import CallerFault

__all__ = ["Lately", "Missing", "Move", "Obstacle", "Rolls", "Swap"]

#: Where the records of a key go that is wanted, and of one that is not.
_WANTED = {State.HIDDEN: State.RUMOURED, State.RUMOURED: State.OMNIPRESENT, State.UNRETENTIVE: State.RUMOURED}
_UNWANTED = {State.OMNIPRESENT: State.UNRETENTIVE, State.RUMOURED: State.UNRETENTIVE, State.UNRETENTIVE: State.HIDDEN}


class Missing(NamedTuple):
    """
    A key that has to be made.

    @ivar predecessor: the key that it takes the place of; L{None} if there is none of this role and algorithm.
    """

    role: str
    algorithm: int
    predecessor: RollingKey | None


class Move(NamedTuple):
    """
    What has happened to a record.
    """

    key: RollingKey
    record: Record
    state: State


class Obstacle(NamedTuple):
    """
    What keeps a record from its next state.

    @ivar why: a sentence without its end.
    @ivar until: when it is over, if time alone ends it, in seconds since 1970.
    """

    key: RollingKey
    record: Record
    state: State
    why: str
    until: float | None = None


class Lately:
    """
    The longest time for which resolvers may have kept records lately: a TTL that was lowered lives on in their caches.

    @ivar longest: that time, in seconds.
    @ivar last: the time as it was at the last look.
    @ivar until: until when that is so; L{None} while it is the present one.
    """

    __slots__ = ("last", "longest", "until")

    def __init__(self, longest: int = 0, last: int = 0, until: float | None = None) -> None:
        self.longest = longest
        self.last = last
        self.until = until

    def look(self, cached: int, delay: int, now: float) -> None:
        """
        Take in the present time.

        @param delay: for how long some servers may have had the former one.
        """
        if cached < self.last:
            self.until = max(self.until or 0.0, now + self.last + delay)
        self.last = cached
        if cached >= self.longest or (self.until is not None and now >= self.until):
            self.longest, self.until = cached, None


class Swap(NamedTuple):
    """
    Which keys sign a zone, but for its DNSKEY, CDS and CDNSKEY records, and since when.

    @ivar at: in seconds since 1970. A name whose period of renewal began before that is signed by the keys of the swap before.
    @ivar names: the names of their files.
    """

    at: float
    names: tuple[str, ...]


class Rolls:
    """
    The keys of one zone.

    @ivar policy: how they live.
    @ivar keys: the keys, in the order in which they were made.
    @ivar lately: how long resolvers may keep each kind of records.
    @ivar parentTTL: the TTL of DS records as it was seen at the parent last, in seconds; 0 if none was.
    @ivar swaps: which keys sign the zone, the present ones last. There are several while some names keep their signatures by earlier ones;
        none before the first L{step}.
    """

    def __init__(self, policy: RollPolicy, keys: Iterable[RollingKey] = ()) -> None:
        self.policy = policy
        self.keys = [*keys]
        self.lately = {record: Lately() for record in Record}
        self.parentTTL = 0
        self.swaps: list[Swap] = []

    # -- what is wanted

    def missing(self, now: float) -> list[Missing]:
        """
        Return the keys that have to be made, and added.
        """
        policy = self.policy
        found: list[Missing] = []
        for role in policy.roles:
            newest = self._newest(role)
            if newest is None or newest.isReplaced or self._isOver(newest, now):
                found.append(Missing(role, policy.algorithm, newest))
        return found

    def _newest(self, role: str) -> RollingKey | None:
        same = [key for key in self.keys if key.role == role and key.algorithm == self.policy.algorithm]
        return same[-1] if same else None

    def _isOver(self, key: RollingKey, now: float) -> bool:
        end = self.ends(key)
        return end is not None and now >= end

    def ends(self, key: RollingKey) -> float | None:
        """
        Return when the successor of a key is made; L{None} if that is never, or not known, as the key is not in use yet.
        """
        life = self.policy.lifetimes.get(key.role)
        if not life or not key.isInUse:
            return None
        since = max([each.since or 0.0 for each in key.records.values()])
        # The successor is published until then. A lifetime that is too short for that was not taken, but may have been longer before.
        return since + max(life - self.policy.wait(Record.DNSKEY), 0)

    def add(self, key: RollingKey) -> None:
        """
        Add a key that was made.
        """
        self.keys.append(key)

    def replace(self, name: str) -> None:
        """
        Have a key replaced, whatever its lifetime.

        @param name: that of its files.

        @raise CallerFault: there is no such key, or it goes already.
        """
        for key in self.keys:
            if key.name == name and key.isWanted:
                key.isReplaced = True
                return
        raise CallerFault(f"{name} is not a key that is to be in use")

    def stateOf(self, name: str) -> str:
        """
        Return what a key does: C{signs}, C{is published only}, C{is to be in the zone}, C{is to go}; C{""} if it is not in the zone, and
        will not be.

        @param name: that of its files.
        """
        for key in self.keys:
            if key.name == name:
                if not key.isWanted:
                    return "is to go"
                if key.publishes(Record.KRRSIG) or key.publishes(Record.ZRRSIG):
                    return "signs"
                return "is published only" if key.publishes(Record.DNSKEY) else "is to be in the zone"
        return ""

    # -- what was seen

    @property
    def isAwaited(self) -> bool:
        """
        Whether something was decided that is not served yet, as far as is known.
        """
        return any(True for _ in self.awaited())

    def awaited(self) -> Iterator[tuple[Record, Standing]]:
        """
        Return the records of which that is so. Signatures of names are not among them while some names are still signed by former keys.
        """
        for key in self.keys:
            for record, standing in key.records.items():
                if standing.since is None and record is not Record.DS and not (self.isSpreading and record is Record.ZRRSIG):
                    yield record, standing

    @property
    def isSpreading(self) -> bool:
        """
        Whether some names keep signatures by other keys than those that sign now.
        """
        return len(self.swaps) > 1

    @property
    def isSwapping(self) -> bool:
        """
        Whether all names were to be signed by other keys than before, and it is not known that this is served.
        """
        return any(record is Record.ZRRSIG for record, _ in self.awaited())

    def served(self, now: float) -> None:
        """
        Take in that the zone is served as the keys and the policy say.
        """
        for record in (Record.DNSKEY, Record.KRRSIG, Record.ZRRSIG):
            self._lately(record, now)
        for record, standing in self.awaited():
            self._begins(record, standing, now)

    @property
    def isInsecure(self) -> bool:
        """
        Whether no resolver has a DS record of a key.
        """
        return all(key.state(Record.DS) is State.HIDDEN for key in self.keys)

    @property
    def awaitsParent(self) -> bool:
        """
        Whether a DS record comes or goes.
        """
        return any(not key.records[Record.DS].state.isSettled for key in self.keys if Record.DS in key.records)

    @property
    def asksParent(self) -> float | None:
        """
        Since when the parent has to have, or to lose, a DS record that not all of its servers were seen with, or without; in seconds since
        1970. L{None} if there is none.
        """
        asked = [key.records[Record.DS] for key in self.keys if Record.DS in key.records]
        return min([each.decided for each in asked if not each.state.isSettled and each.since is None], default=None)

    @property
    def isHeldUp(self) -> bool:
        """
        Whether a key is to be replaced by another one once the parent has done its part; a zone whose first DS record is not there is as it
        was.
        """
        return self.asksParent is not None and sum(1 for key in self.keys if key.state(Record.DS) is not State.HIDDEN) > 1

    def tell(self, name: str, isThere: bool, now: float) -> None:
        """
        Take in what an operator says of the DS record of a key.

        @param name: that of its files.

        @raise CallerFault: nothing waits for that.
        """
        for key in self.keys:
            standing = key.records.get(Record.DS) if key.name == name else None
            if standing is not None and not standing.state.isSettled and standing.state.isPublished is isThere:
                self.seen(key, isThere, now)
                return
        raise CallerFault(f"nothing waits for the DS record of {name} to be {'published' if isThere else 'withdrawn'}")

    def seen(self, key: RollingKey, isThere: bool | None, now: float, ttl: int = 0) -> None:
        """
        Take in what the servers of the parent say about the DS record of a key.

        @param isThere: whether all of them have it, or none has it; L{None} if they differ.
        @param ttl: the TTL of DS records there, in seconds; 0 if it is not known, or there is none.
        """
        standing = key.records[Record.DS]
        self.parentTTL = ttl or self.parentTTL
        lately = self.lately[Record.DS]
        if lately.until is not None and standing.since is None:
            # Until now, a server may have had the former records with their TTL.
            lately.until = max(lately.until, now + lately.longest + self.policy.delay(Record.DS))
        self._lately(Record.DS, now)
        if standing.state.isSettled:
            return
        if standing.state.isPublished is not isThere:
            standing.since = None
        elif standing.since is None:
            self._begins(Record.DS, standing, now)

    def _begins(self, record: Record, standing: Standing, now: float) -> None:
        # What was there before was there until now, with the TTLs until now.
        standing.since, standing.cached = now, self.lately[record].longest

    def _lately(self, record: Record, now: float) -> None:
        cached = self.policy.cached(record)
        if record is Record.DS:
            cached = max(cached, self.parentTTL)
        self.lately[record].look(cached, self.policy.delay(record), now)

    def again(self, now: float) -> None:
        """
        Begin all waits again: the clock has been set, so that it does not tell how long they have lasted.
        """
        for key in self.keys:
            for standing in key.records.values():
                if standing.since is not None and (not standing.state.isSettled or standing.since > now):
                    standing.since = now
        self.swaps = [swap._replace(at=min(swap.at, now)) for swap in self.swaps]
        for record, lately in self.lately.items():
            if lately.until is not None:
                lately.until = now + lately.longest + self.policy.delay(record)

    # -- what happens

    def step(self, now: float) -> list[Move]:
        """
        Do all that may be done now. What has changed has to be written, and published after that.
        """
        wanted = [self._newest(role) for role in self.policy.roles]
        for key in self.keys:
            key.isWanted = key in wanted
        moves: list[Move] = []
        while moved := [move for key, record, state in self._nexts() if (move := self._moved(key, record, state, now)) is not None]:
            moves += moved
        self.keys = [key for key in self.keys if key.isWanted or not key.isGone]
        self._swap(now)
        return moves

    def _swap(self, now: float) -> None:
        """
        Note which keys sign from now on, and forget earlier ones once no name has their signatures.
        """
        swaps = self.swaps
        names = tuple([key.name for key in self.keys if key.publishes(Record.ZRRSIG)])
        if not swaps or swaps[-1].names != names:
            swaps.append(Swap(now, names))
        # The first key of a zone signs all of it at once.
        if len(swaps) > 1 and (now >= swaps[-1].at + self.policy.renew or not swaps[-2].names):
            del swaps[:-1]

    def _nexts(self) -> Iterator[tuple[RollingKey, Record, State]]:
        """
        Return the records that are not where they are to be, with their next states.
        """
        for key in self.keys:
            for record, standing in key.records.items():
                isWanted = key.isWanted and not (self.policy.insecure and record is Record.DS)
                state = (_WANTED if isWanted else _UNWANTED).get(standing.state)
                if state is not None:
                    yield key, record, state

    def _moved(self, key: RollingKey, record: Record, state: State, now: float) -> Move | None:
        if self._obstacle(key, record, state, now) is not None:
            return None
        standing = key.records[record]
        standing.state = state
        standing.decided = now
        standing.since = now if state.isSettled else None
        standing.cached = 0
        return Move(key, record, state)

    def _obstacle(self, key: RollingKey, record: Record, state: State, now: float) -> Obstacle | None:
        if not state.isSettled:
            why = refusal(self.keys, key, record, state, self.policy.insecure)
            return Obstacle(key, record, state, why) if why else None
        standing = key.records[record]
        isComing = state is State.OMNIPRESENT
        if standing.since is None:
            if record is Record.ZRRSIG and self.isSpreading:
                why = "not all names are signed by it yet" if isComing else "some names are still signed by it"
                return Obstacle(key, record, state, why, self.swaps[-1].at + self.policy.renew)
            if record is Record.DS:
                why = "not all servers of the parent have it yet" if isComing else "a server of the parent still has it"
            else:
                why = "the zone that is served does not have it yet" if isComing else "the zone that is served still has it"
            return Obstacle(key, record, state, why)
        until = self._until(record, standing)
        if now >= until:
            return None
        return Obstacle(key, record, state, f"resolvers may still have {'what was there before' if isComing else 'it'}", until)

    def _until(self, record: Record, standing: Standing) -> float:
        return (standing.since or 0.0) + standing.cached + self.policy.delay(record)

    def obstacles(self, now: float) -> list[Obstacle]:
        """
        Return what keeps each record from where it is to be: none once all goals are reached.
        """
        found = [self._obstacle(key, record, state, now) for key, record, state in self._nexts()]
        return [each for each in found if each is not None]

    def next(self, now: float) -> float | None:
        """
        Return when time alone lets something happen next, or a successor is to be made; L{None} if that is not to be expected.
        """
        moments = [each.until for each in self.obstacles(now) if each.until is not None]
        moments += [end for key in self.keys if key.isWanted and (end := self.ends(key)) is not None]
        return min(moments, default=None)
