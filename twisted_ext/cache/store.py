"""
The answer cache and its memory limit.

An answer is B{packed} into octets when it is added, and made B{ready} while it is requested often. Ready entries are evicted in insertion
order unless requested since. Packed entries are B{fresh} until requested a second time, then B{proven}; fresh ones are evicted first, and
large answers share a part of the memory. So a flood of names requested once passes through without displacing useful entries (cache filling
attacks).
"""

from __future__ import annotations

from itertools import islice
from typing import Final

from twisted_ext.answers import Answer, Outcome, Security
from twisted_ext.cache.denial import denialKey, deniesName, keysAbove
from twisted_ext.cache.entries import (
    ALIASED,
    Entry,
    Servers,
    askedAgain,
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
from twisted_ext.cache.packed import PARTS, PackedTable
from twisted_ext.limits import CACHE_BYTES, CACHE_ENTRY_BYTES, CACHE_LARGE_BYTES, CACHE_READY_BYTES, FAILURES_KEPT
from twisted_ext.wire.message import Question

__all__ = ["Statistics", "Store"]

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

    __slots__ = ("hits", "misses", "stale", "failures", "prefetches", "kept", "evictions", "entries", "octets")

    def __init__(self) -> None:
        self.hits = self.misses = self.stale = self.failures = self.prefetches = 0
        self.kept = self.evictions = self.entries = self.octets = 0

    def __repr__(self) -> str:
        return "<Statistics " + " ".join([f"{name}={getattr(self, name)}" for name in self.__slots__]) + ">"


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
    @ivar variants: the flags that answers have been cached for, other than those with EDNS options.
    """

    def __init__(
        self,
        mostBytes: float | None = None,
        *,
        lifetimes: Lifetimes | None = None,
        failures: Failures | None = None,
        keepStale: float = 0,
        readyMost: float | None = None,
        entryBytes: float | None = None,
    ) -> None:
        self.mostBytes = int(CACHE_BYTES.pick(mostBytes))
        self.lifetimes = Lifetimes() if lifetimes is None else lifetimes
        if failures is None:
            kept = min(self.mostBytes // _FAILURES_SHARE // FAILURE_OCTETS, FAILURES_KEPT.default)
            failures = Failures(kept=max(kept, FAILURES_KEPT.least))
        self.failures = failures
        self.keepStale = keepStale
        self.servers = Servers()
        self.ready: dict[bytes, Entry] = {}
        self.variants: frozenset[bytes] = frozenset()
        self.denies = self.proves = False
        self._fresh = PackedTable()
        self._proven = PackedTable()
        # For the fast path.
        self._freshParts = self._fresh.parts
        self._provenParts = self._proven.parts
        self._readyMost = int(min(self.mostBytes / 8, CACHE_READY_BYTES.pick(readyMost)))
        self._soft = self.mostBytes - _EMPTY
        self._entryMost = min(int(CACHE_ENTRY_BYTES.pick(entryBytes)), self._readyMost)
        self._readyBytes = 0
        # Octets of large answers by key, in insertion order.
        self._large: dict[bytes, int] = {}
        self._largeBytes = 0
        self._largeFrom = int(CACHE_LARGE_BYTES.default)
        self._largeMost = self.mostBytes // _LARGE_SHARE
        self._hits = self._stale = self._kept = self._evictions = 0

    def __len__(self) -> int:
        return len(self.ready) + len(self._fresh) + len(self._proven)

    @property
    def octets(self) -> int:
        """
        Return the memory used, in octets.
        """
        return _EMPTY + self._readyBytes + self._fresh.octets + self._proven.octets + self.failures.octets

    def statistics(self) -> Statistics:
        """
        Return the current counters, including those that only the store knows.
        """
        counted = Statistics()
        for entry in self.ready.values():
            self._tally(entry)
        counted.hits = self._hits
        counted.stale = self._stale
        counted.kept = self._kept
        counted.evictions = self._evictions
        counted.entries = len(self)
        counted.octets = self.octets
        return counted

    # -- adding

    def keep(self, question: Question, variant: bytes, answer: Answer, now: float) -> int:
        """
        Add an answer.

        @return: seconds for which it is cached; 0 if it may not be, or is too large.
        """
        if answer.security is Security.BOGUS:
            return 0
        seconds, sections = self.lifetimes.keeping(question, answer)
        if not seconds:
            return 0
        key = question.key + variant
        if answer.outcome is Outcome.NXDOMAIN and deniesName(answer):
            self._drop(key)
            key = denialKey(question.key, variant)
            self.denies = True
            if answer.security is Security.SECURE:
                self.proves = True
        elif self.denies and answer.outcome is Outcome.DATA:
            # The name exists after all.
            self._drop(denialKey(question.key, variant))
        if variant not in self.variants and len(variant) <= 1:
            self.variants |= {variant}
        part = hash(key) % PARTS
        if key in self._freshParts[part] or key in self._provenParts[part] or key in self.ready:
            self._drop(key)
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
        """
        Add an entry that is already packed.
        """
        self._drop(key)
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
        part = hash(key) % PARTS
        if key in self._freshParts[part] or key in self._provenParts[part] or key in self.ready:
            return False
        if self.denies:
            key = denialKey(question.key, variant)
            part = hash(key) % PARTS
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
            self._drop(key)
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
        for key in keysAbove(question.key, variant):
            entry = self.find(key, now)
            if entry is not None and now < entry.expires and entry.kept.security is Security.SECURE:
                return entry
        return None

    def show(self, entry: Entry, now: float) -> Answer:
        """
        Return an entry's answer with TTLs counted down to now.
        """
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
            self._evictions += self._drop(oldest)

    def _drop(self, key: bytes) -> bool:
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
        """
        Drop everything, including failures.
        """
        for entry in self.ready.values():
            self._tally(entry)
        self.ready.clear()
        self._fresh.clear()
        self._proven.clear()
        self._readyBytes = self._largeBytes = 0
        self._large.clear()
        self.failures.clear()

    def drop(self, key: bytes) -> bool:
        """
        Return whether there was an entry under this key.
        """
        return self._drop(key)

    def keys(self) -> list[bytes]:
        """
        Return a list of all keys.
        """
        return [*self.ready, *[key for key, _ in self._fresh.items()], *[key for key, _ in self._proven.items()]]

    def mentioning(self, name: bytes) -> list[bytes]:
        """
        Return the keys of all entries in which this name, or one that ends with it, may be the question or an owner; possibly of others
        too.

        @param name: folded.
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
        """
        Return the packed entry, wherever it is, or L{None}.
        """
        entry = self.ready.get(key)
        if entry is not None:
            return packEntry(key, entry, self.servers)
        return self._fresh.get(key) or self._proven.get(key)

    def sweep(self, now: float) -> int:
        """
        Drop the entries that have expired and are past the time for stale answers.

        @return: how many were dropped.
        """
        keepStale = self.keepStale
        ended = [key for key, entry in self.ready.items() if now >= entry.expires + keepStale]
        for table in (self._fresh, self._proven):
            ended += [key for key, data in table.items() if now >= learnedAt(data)[1] + keepStale]
        for key in ended:
            self._drop(key)
        return len(ended)
