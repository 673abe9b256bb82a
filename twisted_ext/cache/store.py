"""
The answer cache and its memory limit.

An answer is B{packed} into octets when it is added, and made B{ready} while it is requested often. Ready entries are evicted in insertion
order unless requested since. Packed entries are B{fresh} until requested a second time, then B{proven}; fresh ones are evicted first, and
large answers share a part of the memory. So a flood of names requested once passes through without displacing useful entries (cache filling
attacks).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields
from itertools import islice
from typing import Final

from twisted_ext.answers import Answer, Outcome, Security
from twisted_ext.cache.choice import EVERYTHING, Choice
from twisted_ext.cache.entries import (
    ALIASED,
    Entry,
    Servers,
    askedAgain,
    denialKey,
    keysAbove,
    kindOf,
    learnedAt,
    nameOfKey,
    pack,
    packedBytes,
    packEntry,
    readyBytes,
    unpack,
)
from twisted_ext.cache.failures import FAILURE_OCTETS, Failures
from twisted_ext.cache.lifetimes import Lifetimes
from twisted_ext.limits import CACHE_BYTES, CACHE_ENTRY_BYTES, CACHE_READY_BYTES, FAILURES_KEPT
from twisted_ext.wire.message import Question
from twisted_ext.wire.names import ROOT, isBelow

__all__ = ["Statistics", "Store"]

#: Octets of memory above which an answer counts as large: all large ones share an eighth of the cache, and the oldest is evicted first, so
#: that names with thousands of records are cached but displace little (CVE-2024-1737).
_CACHE_LARGE_BYTES: Final = 4096

#: Members of Enums that are compared with in each look-up: to look up one in its class takes as long as ten attributes.
_DATA: Final = Outcome.DATA
_NXDOMAIN: Final = Outcome.NXDOMAIN
_BOGUS: Final = Security.BOGUS
_SECURE: Final = Security.SECURE

#: The number of dictionaries that the answers are divided among. A dictionary with as many deletions as insertions is rebuilt now and then,
#: using twice the memory meanwhile; with many small ones, that happens to one at a time. Rebuilding one of 16 MiB takes about 2 ms.
_PARTS: Final = 16
_PART_BYTES: Final = 1 << 24

#: Entries examined at once during eviction: reaching the front of a dictionary costs as much as many entries.
_BATCH: Final = 64

#: Proven entries checked for expiry in each eviction.
_FEW: Final = 8

#: Share of the packed memory that fresh entries may always use.
_FRESH_SHARE: Final = 0.1

#: One octet in this many may be used for failures: a client that causes many failures must not evict answers.
_FAILURES_SHARE: Final = 8

#: One octet in this many may be used for large answers.
_LARGE_SHARE: Final = 8

#: Octets that an empty store takes.
_EMPTY: Final = 4096


@dataclass(slots=True, eq=False, repr=False)
class Statistics:
    """
    Cache statistics.

    @ivar hits: answers served from the cache.
    @ivar misses: questions passed on to the inner source.
    @ivar stale: stale answers served.
    @ivar failures: questions not passed on because of a cached failure.
    @ivar prefetches: answers prefetched.
    @ivar kept: answers added.
    @ivar evictions: answers evicted for lack of room.
    @ivar entries: answers in the cache now.
    @ivar octets: memory they take.
    """

    hits: int = 0
    misses: int = 0
    stale: int = 0
    failures: int = 0
    prefetches: int = 0
    kept: int = 0
    evictions: int = 0
    entries: int = 0
    octets: int = 0

    def __repr__(self) -> str:
        return "<Statistics " + " ".join([f"{each.name}={getattr(self, each.name)}" for each in fields(self)]) + ">"


class _PackedTable:
    """
    Packed answers in approximate insertion order.

    @ivar octets: memory that they take.
    @ivar parts: the answers by key, in dictionaries chosen by the key's hash. Read only.
    """

    def __init__(self, count: int) -> None:
        """
        @param count: the number of parts.
        """
        self.octets = 0
        self.parts: tuple[dict[bytes, bytes], ...] = tuple([{} for _ in range(count)])
        self._count = count
        self._last = self._turn = self._other = 0

    def __len__(self) -> int:
        return sum([len(part) for part in self.parts])

    def get(self, key: bytes) -> bytes | None:
        return self.parts[hash(key) % self._count].get(key)

    def put(self, key: bytes, data: bytes, octets: int) -> None:
        """
        Insert a key that is not in the table.

        @param octets: its memory as returned by L{packedBytes}.
        """
        self._last = hash(key) % self._count
        self.parts[self._last][key] = data
        self.octets += octets

    def pop(self, key: bytes) -> bytes | None:
        data = self.parts[hash(key) % self._count].pop(key, None)
        if data is not None:
            self.octets -= packedBytes(key, data)
        return data

    def items(self) -> Iterator[tuple[bytes, bytes]]:
        """
        Return all items; the table must not change during the iteration.
        """
        for part in self.parts:
            yield from part.items()

    def oldest(self, count: int) -> list[bytes]:
        """
        Return some of the oldest keys, from a different part each time.
        """
        self._turn = (self._turn + 1) % self._count
        return list(islice(self.parts[self._turn], count))

    def evict(self, over: int) -> int:
        """
        Drop the oldest until this many octets are free, or nothing is left. It begins with the part that was inserted into last, or with
        another one that has more: all parts keep nearly the same size. In one that has become empty, a new answer would be dropped at once.

        @return: how many were dropped.
        """
        least = self.octets - over
        dropped = empty = 0
        index = self._last
        self._other = (self._other + 1) % self._count
        if len(self.parts[self._other]) > len(self.parts[index]):
            index = self._other
        while self.octets > least and empty < self._count:
            part = self.parts[index]
            for key in list(islice(part, _BATCH)):
                self.octets -= packedBytes(key, part.pop(key))
                dropped += 1
                if self.octets <= least:
                    return dropped
            empty = 0 if part else empty + 1
            index = (index + 1) % self._count
        return dropped

    def clear(self) -> None:
        for part in self.parts:
            part.clear()
        self.octets = 0


class Store:
    """
    A cache of answers by question and flags.

    @ivar ready: the entries ready for use. A caller that finds one here whose C{since} and C{until} include now adds 1 to its C{hits} and
        returns its C{answer}; all other access goes through L{find}.
    @ivar failures: the failure cache.
    @ivar lifetimes: the rules for how long answers are cached.
    @ivar keepStale: seconds for which expired answers are kept.
    @ivar denies: whether the denial of a name was ever added; if not, denials need not be looked up.
    @ivar proves: whether one was ever added with a DNSSEC proof; if not, denials of the names above need not be looked up.
    @ivar apart: folded names of zones with servers of their own: that a name above does not exist says nothing of them.
    @ivar variants: the flags that answers have been cached for, other than those with EDNS options.
    """

    def __init__(
        self,
        mostBytes: float | None = None,
        *,
        lifetimes: Lifetimes | None = None,
        readyMost: float | None = None,
        entryBytes: float | None = None,
    ) -> None:
        self.lifetimes = Lifetimes() if lifetimes is None else lifetimes
        self.failures = Failures()
        self.keepStale: float = 0.0
        self.servers = Servers()
        self.ready: dict[bytes, Entry] = {}
        self.variants: frozenset[bytes] = frozenset()
        self.denies = self.proves = False
        self.apart: frozenset[bytes] = frozenset()
        self._readyGiven, self._entryGiven = CACHE_READY_BYTES.pick(readyMost), int(CACHE_ENTRY_BYTES.pick(entryBytes))
        self._readyBytes = 0
        # Octets of large answers by key, in insertion order.
        self._large: dict[bytes, int] = {}
        self._largeBytes = 0
        self._largeFrom = _CACHE_LARGE_BYTES
        self._bound(int(CACHE_BYTES.pick(mostBytes)))
        self._partCount = max(_PARTS, self.mostBytes // _PART_BYTES)
        self._fresh = _PackedTable(self._partCount)
        self._proven = _PackedTable(self._partCount)
        # For the fast path.
        self._freshParts = self._fresh.parts
        self._provenParts = self._proven.parts
        self._hits = self._stale = self._kept = self._evictions = 0

    def _bound(self, octets: int) -> None:
        self.mostBytes = octets
        kept = min(octets // _FAILURES_SHARE // FAILURE_OCTETS, FAILURES_KEPT.default)
        self.failures.limit = int(max(kept, FAILURES_KEPT.least))
        self._readyMost = int(min(octets / 8, self._readyGiven))
        self._soft = octets - _EMPTY
        self._entryMost = min(self._entryGiven, self._readyMost)
        self._largeMost = octets // _LARGE_SHARE

    def resize(self, octets: int, now: float) -> None:
        """
        Go over to another limit of memory. What has no room any more is evicted.
        """
        if octets == self.mostBytes:
            return
        self._bound(octets)
        if self._readyBytes > self._readyMost:
            self._makeReadyRoom(now, self._readyMost)
        if self._readyBytes + self._fresh.octets + self._proven.octets + self.failures.octets > self._soft:
            self._makePackedRoom(now)

    def __len__(self) -> int:
        return len(self.ready) + len(self._fresh) + len(self._proven)

    @property
    def octets(self) -> int:
        return _EMPTY + self._readyBytes + self._fresh.octets + self._proven.octets + self.failures.octets

    def statistics(self) -> Statistics:
        """
        Return the current counters; those that only the caller knows are 0.
        """
        for entry in self.ready.values():
            self._tally(entry)
        return Statistics(
            hits=self._hits, stale=self._stale, kept=self._kept, evictions=self._evictions, entries=len(self), octets=self.octets
        )

    # -- adding

    def keep(self, question: Question, variant: bytes, answer: Answer, now: float) -> int:
        """
        Add an answer.

        @return: seconds for which it is cached; 0 if it may not be, or is too large.
        """
        if answer.security is _BOGUS:
            return 0
        seconds, sections = self.lifetimes.keeping(question, answer)
        if not seconds:
            return 0
        key = question.key + variant
        # Behind aliases it is their target that does not exist (RFC 6604).
        if answer.outcome is _NXDOMAIN and not answer.answer:
            self.drop(key)
            key = denialKey(question.key, variant)
            self.denies = True
            if answer.security is _SECURE:
                self.proves = True
        elif self.denies and answer.outcome is _DATA:
            # The name exists after all.
            self.drop(denialKey(question.key, variant))
        if variant not in self.variants and len(variant) <= 1:
            self.variants |= {variant}
        part = hash(key) % self._partCount
        if key in self._freshParts[part] or key in self._provenParts[part] or key in self.ready:
            self.drop(key)
        data = pack(key, answer, sections, now, seconds, self.servers)
        octets = packedBytes(key, data)
        if octets > self._largeFrom:
            if octets > self._entryMost:
                return 0
            self._makeLargeRoom(key, octets)
        self._kept += 1
        self._fresh.put(key, data, octets)
        if self._readyBytes + self._fresh.octets + self._proven.octets + self.failures.octets > self._soft:
            self._makePackedRoom(now)
        return seconds

    def _makeReady(self, key: bytes, entry: Entry, now: float) -> None:
        if self._readyBytes + entry.octets > self._readyMost:
            self._makeReadyRoom(now, self._readyMost - entry.octets)
        self.ready[key] = entry
        self._readyBytes += entry.octets
        if self._readyBytes + self._fresh.octets + self._proven.octets + self.failures.octets > self._soft:
            self._makePackedRoom(now)

    def restore(self, key: bytes, data: bytes) -> None:
        self.drop(key)
        end = len(nameOfKey(key))
        self.denies = self.denies or key[end : end + 2] == b"\x00\x00"
        self.variants |= {key[end + 4 :]}
        octets = packedBytes(key, data)
        if octets > self._largeFrom:
            self._makeLargeRoom(key, octets)
        self._fresh.put(key, data, octets)
        if self._readyBytes + self._fresh.octets + self._proven.octets + self.failures.octets > self._soft:
            self._makePackedRoom(learnedAt(data)[0])

    # -- finding

    def lacks(self, question: Question, variant: bytes) -> bool:
        """
        Return whether the cache certainly has nothing for this, not even an expired answer. It is false if finding out would take more
        work; for first-time questions, which are most in a flood, it is true.
        """
        variants = self.variants
        if self.proves or len(variants) > 1 or (variants and variant not in variants):
            return False
        key = question.key + variant
        part = hash(key) % self._partCount
        if key in self._freshParts[part] or key in self._provenParts[part] or key in self.ready:
            return False
        if self.denies:
            key = denialKey(question.key, variant)
            part = hash(key) % self._partCount
            return not (key in self._freshParts[part] or key in self._provenParts[part] or key in self.ready)
        return True

    def find(self, key: bytes, now: float, *, ready: bool = False) -> Entry | None:
        """
        Find an entry that is valid or stale.

        An entry requested for the first time stays packed, but moves to the proven ones; the second time it is made ready.

        @param ready: make it ready at once. Otherwise an entry without C{octets} may be returned that the store does not hold: see
            L{given}.

        @return: an entry, possibly an expired one if those are kept; check C{expires}.
        """
        entry = self.ready.get(key)
        if entry is None:
            data = self._fresh.pop(key)
            known = data is None
            if data is None:
                data = self._proven.pop(key)
                if data is None:
                    return None
            entry = unpack(key, data, self.servers)
            if self._isOver(entry, now):
                return None
            octets = readyBytes(key, entry.kept) if ready or known else 0
            if octets and octets <= self._readyMost:
                entry.octets = octets
                self._makeReady(key, entry, now)
            else:
                self._proven.put(key, askedAgain(data), packedBytes(key, data))
        elif self._isOver(entry, now):
            self.drop(key)
            return None
        return entry

    def _isOver(self, entry: Entry, now: float) -> bool:
        # If the clock went back by more than a little, everything would be kept that much longer.
        return now >= entry.expires + self.keepStale or now < entry.learned - 1

    def cut(self, question: Question, variant: bytes, now: float) -> Entry | None:
        """
        Find a name above the question's that is proved not to exist: then nothing below it exists (RFC 8020). Without a proof this is not
        concluded: some servers deny names that have others below them.
        """
        apart = self.apart
        if apart and question.key[:-4] in apart:
            return None
        for key in keysAbove(question.key, variant):
            entry = self.find(key, now)
            if entry is not None and now < entry.expires and entry.kept.security is _SECURE:
                return entry
            if apart and key[: -4 - len(variant)] in apart:
                break
        return None

    def show(self, entry: Entry, now: float) -> Answer:
        if entry.hits:
            self._tally(entry)
        return entry.show(now)

    def given(self, entry: Entry) -> None:
        """
        Count that a found entry has been used.
        """
        entry.hits += 1
        if not entry.octets:
            self._tally(entry)

    def _tally(self, entry: Entry) -> None:
        hits = entry.hits
        entry.hits = 0
        if entry.stale:
            self._stale += hits
        else:
            entry.asked += hits
            self._hits += hits

    # -- eviction

    def _makeLargeRoom(self, key: bytes, octets: int) -> None:
        """
        Evict the oldest large answers if this one exceeds their share: a thousand names with thousands of records each must not displace
        what other clients use.
        """
        large = self._large
        self._largeBytes += octets - large.pop(key, 0)
        large[key] = octets
        while self._largeBytes > self._largeMost:
            # It may have been dropped already.
            oldest = next(iter(large))
            self._largeBytes -= large.pop(oldest)
            self._evictions += self.drop(oldest)

    def drop(self, key: bytes) -> bool:
        """
        @return: whether there was an entry under this key.
        """
        entry = self.ready.pop(key, None)
        if entry is not None:
            self._tally(entry)
            self._readyBytes -= entry.octets
            return True
        return (self._fresh.pop(key) or self._proven.pop(key)) is not None

    def _makeReadyRoom(self, now: float, most: int) -> None:
        ready = self.ready
        keepStale = self.keepStale
        # Entries in use move to the end once; in the second round all are packed.
        turns = 2 * len(ready) // _BATCH + 2
        while self._readyBytes > most and turns:
            turns -= 1
            for key in list(islice(ready, _BATCH)):
                entry = ready.pop(key)
                if now >= entry.expires + keepStale:
                    self._tally(entry)
                    self._readyBytes -= entry.octets
                elif entry.hits:
                    self._tally(entry)
                    ready[key] = entry
                else:
                    self._readyBytes -= entry.octets
                    self._pack(key, entry)
                if self._readyBytes <= most:
                    break

    def _pack(self, key: bytes, entry: Entry) -> None:
        data = packEntry(key, entry, self.servers)
        (self._proven if entry.asked else self._fresh).put(key, data, packedBytes(key, data))

    def _makePackedRoom(self, now: float) -> None:
        # A little more than needed, so that the next few insertions skip all this.
        most = self._soft - (self._soft >> 9) - self.failures.octets - self._readyBytes
        fresh, proven = self._fresh, self._proven
        for key in proven.oldest(_FEW):
            if now >= learnedAt(proven.get(key) or b"")[1] + self.keepStale:
                proven.pop(key)
        over = fresh.octets + proven.octets - most
        if over > 0:
            # Fresh entries are evicted first, down to their guaranteed share.
            self._evictions += fresh.evict(min(over, max(fresh.octets - int(most * _FRESH_SHARE), 0)))
        over = fresh.octets + proven.octets - most
        if over > 0:
            self._evictions += proven.evict(over)
        over = fresh.octets + proven.octets - most
        if over > 0:
            self._evictions += fresh.evict(over)

    # -- flushing and iterating

    def clear(self) -> None:
        for entry in self.ready.values():
            self._tally(entry)
        self.ready.clear()
        self._fresh.clear()
        self._proven.clear()
        self._readyBytes = self._largeBytes = 0
        self._large.clear()
        self.failures.clear()

    def keys(self) -> list[bytes]:
        return [*self.ready, *[key for key, _ in self._fresh.items()], *[key for key, _ in self._proven.items()]]

    def flush(self, name: bytes | None = None, subtree: bool = False, choice: Choice = EVERYTHING) -> int:
        """
        Drop answers to questions for a name, answers to other questions whose aliases pass through it, and failures.

        @param name: L{None} for all names.
        @param subtree: include all names below it.
        @param choice: which of them; those with aliases are of the type that was asked for.

        @return: how many were dropped: answers; with a choice, failures too.
        """
        if name is None and choice.isAll:
            count = len(self)
            self.clear()
            return count
        folded = ROOT if name is None else name.lower()
        below = subtree or name is None

        def concerns(owner: bytes) -> bool:
            return owner == folded or below and isBelow(owner, folded)

        concerned: list[bytes] = []
        for key in self.keys() if folded == ROOT else self._mentioning(folded):
            if not choice.isAll and not (choice.hasType(_typeOf(key)) and choice.hasAnswer(*self._kindOf(key))):
                continue
            if concerns(nameOfKey(key)):
                concerned.append(key)
                continue
            entry = self.ready.get(key)
            if entry is None:
                entry = unpack(key, self.packed(key) or b"", self.servers)
            if len(entry.kept.answer) > 1 and any(concerns(rrset.name.lower()) for rrset in entry.kept.answer):
                concerned.append(key)
        for key in concerned:
            self.drop(key)
        failed = [key for key in self.failures.keys() if concerns(nameOfKey(key)) and choice.hasType(_typeOf(key))]
        failed = [key for key in failed if choice.hasFailure(self.failures.of(key))]
        for key in failed:
            self.failures.forget(key)
        return len(concerned) + (0 if choice.isAll else len(failed))

    def _kindOf(self, key: bytes) -> tuple[Outcome, Security]:
        entry = self.ready.get(key)
        if entry is not None:
            return entry.kept.outcome, entry.kept.security
        return kindOf(self._fresh.get(key) or self._proven.get(key) or b"")

    def _mentioning(self, name: bytes) -> list[bytes]:
        """
        Return the keys of all entries in which this name, or one that ends with it, may be the question or an owner; possibly of others
        too.
        """
        keys = [key for key, entry in self.ready.items() if name in key or len(entry.kept.answer) > 1]
        for table in (self._fresh, self._proven):
            # Search the octets before unpacking anything; there may be hundreds of thousands.
            keys += [
                key
                for key, data in table.items()
                if name in key or ((data[ALIASED] > 1 or data[ALIASED - 1]) and name in data.lower())
            ]
        return keys

    def packed(self, key: bytes) -> bytes | None:
        entry = self.ready.get(key)
        if entry is not None:
            return packEntry(key, entry, self.servers)
        return self._fresh.get(key) or self._proven.get(key)


def _typeOf(key: bytes) -> int:
    """
    Return the type of the question of a key; 0 for that of a name that does not exist.
    """
    end = len(nameOfKey(key))
    return key[end] << 8 | key[end + 1]
