"""
Everything a cache has, within its memory.

An answer is B{packed} into octets when it comes, and B{ready} while it is asked for often. What is ready leaves in the order of its
coming unless it was asked for meanwhile. What is packed is B{fresh} if nobody has ever asked for it again, else B{proven}; room is made
among the fresh first, and large answers share a part of it. So a flood of names that are asked for once passes through and takes nothing
that is of use with it (attacks on caches by filling them).
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

#: How many are looked at in one go when room is made: going to the front of a dictionary costs as much as many of them.
_BATCH: Final = 64

#: How many of the proven ones are looked at for being past their end whenever room is made.
_FEW: Final = 8

#: Share of the packed ones that the fresh may always have.
_FRESH_SHARE: Final = 0.1

#: Of so many octets, one may be for failures: whoever has many names fail must not push out what is known.
_FAILURES_SHARE: Final = 8

#: Of so many octets, one may be for large answers.
_LARGE_SHARE: Final = 8

#: What an empty store takes.
_EMPTY: Final = 4096


class Statistics:
    """
    What a cache has done.

    @ivar hits: answers given that were kept.
    @ivar misses: questions passed on.
    @ivar stale: answers given past their end.
    @ivar failures: questions that were not passed on because of a remembered failure.
    @ivar prefetches: answers fetched ahead.
    @ivar kept: answers taken in.
    @ivar evictions: answers dropped for want of room.
    @ivar entries: answers there now.
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
    Answers by question and wishes.

    @ivar ready: the entries in use. Whoever finds one here whose C{since} and C{until} fit adds to its C{hits} and gives its
        C{answer}; everything else goes through L{find}.
    @ivar failures: what could not be answered.
    @ivar lifetimes: the rules by which answers are kept.
    @ivar keepStale: seconds for which answers are kept past their end.
    @ivar denies: whether there was ever a name to be denied here, and it is worth looking for one.
    @ivar proves: whether one was ever denied with a proof, so that it is worth looking among the names above.
    @ivar variants: the wishes that answers have been kept for, other than those with EDNS options.
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
        # For whoever is in a hurry.
        self._freshParts = self._fresh.parts
        self._provenParts = self._proven.parts
        self._readyMost = int(min(self.mostBytes / 8, CACHE_READY_BYTES.pick(readyMost)))
        self._soft = self.mostBytes - _EMPTY
        self._entryMost = min(int(CACHE_ENTRY_BYTES.pick(entryBytes)), self._readyMost)
        self._readyBytes = 0
        # Octets of large answers by their keys, in the order of their coming.
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
        Octets of memory taken.
        """
        return _EMPTY + self._readyBytes + self._fresh.octets + self._proven.octets + self.failures.octets

    def statistics(self) -> Statistics:
        """
        @return: counters as of now, those filled in that the store knows of.
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

    # -- taking in

    def keep(self, question: Question, variant: bytes, answer: Answer, now: float) -> int:
        """
        Take in what was learned.

        @return: seconds for which it is kept; 0 where it may not be, or is too large.
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
            # The name is there after all.
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
        Take in an entry as it was packed.
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
        @return: whether there is plainly nothing on this, not even past its end. Where it would take more to see that, this does not say
            so; for those that are asked for the first time, which are most in a flood, it does.
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
        Find an entry that may still be used.

        What is asked for the first time stays packed, set apart from what nobody asks for; the second time it is made ready.

        @param ready: make it ready at once. Otherwise an entry without C{octets} may be given that is nowhere else: see L{given}.

        @return: an entry, possibly one past its end where those are kept; look at C{expires}.
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
        # A clock that went back by more than a little would keep everything for so much longer.
        return now >= entry.expires + self.keepStale or now < entry.learned - 1

    def cut(self, question: Question, variant: bytes, now: float) -> Entry | None:
        """
        Find a name above the question's that is proved not to exist: then nothing below it does (RFC 8020). Without a proof this is not
        concluded: there are servers that deny names with others below them.
        """
        for key in keysAbove(question.key, variant):
            entry = self.find(key, now)
            if entry is not None and now < entry.expires and entry.kept.security is Security.SECURE:
                return entry
        return None

    def show(self, entry: Entry, now: float) -> Answer:
        """
        Bring an entry's answer up to this second.
        """
        if entry.hits:
            self._tally(entry)
        return entry.show(now)

    def given(self, entry: Entry) -> None:
        """
        Count that an entry that was found has been given.
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

    # -- making room

    def _makeLargeRoom(self, key: bytes, octets: int) -> None:
        """
        Drop the oldest of the large answers where this one is too much for what they share: a thousand names with thousands of records each
        are not to displace what others ask for.
        """
        large = self._large
        self._largeBytes += octets - large.pop(key, 0)
        large[key] = octets
        while self._largeBytes > self._largeMost:
            # It may have left meanwhile for another reason.
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
        # Whoever was asked for goes to the end once; the second time round everybody is packed.
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
        # A little more than needed, so that the next few come in without all this.
        most = self._soft - (self._soft >> 9) - self.failures.octets - self._readyBytes
        fresh, proven = self._fresh, self._proven
        for key in proven.oldest(_FEW):
            if now >= learnedAt(proven.get(key) or b"")[1] + self.keepStale:
                proven.pop(key)
        over = fresh.octets + proven.octets - most
        if over > 0:
            # The fresh ones leave first, down to the share that is always theirs.
            self._evictions += fresh.evict(min(over, max(fresh.octets - int(most * _FRESH_SHARE), 0)))
        over = fresh.octets + proven.octets - most
        if over > 0:
            self._evictions += proven.evict(over)
        over = fresh.octets + proven.octets - most
        if over > 0:
            self._evictions += fresh.evict(over)

    # -- emptying and looking through

    def clear(self) -> None:
        """
        Drop everything, failures too.
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
        @return: whether there was anything under this key.
        """
        return self._drop(key)

    def keys(self) -> list[bytes]:
        """
        @return: all keys as of now.
        """
        return [*self.ready, *[key for key, _ in self._fresh.items()], *[key for key, _ in self._proven.items()]]

    def mentioning(self, name: bytes) -> list[bytes]:
        """
        @param name: folded.

        @return: the keys of all entries that this name, or one that ends with it, may be the question or an owner of, and maybe of others.
        """
        keys = [key for key, entry in self.ready.items() if name in key or len(entry.kept.answer) > 1]
        for table in (self._fresh, self._proven):
            # Octets are searched before anything is unpacked; there may be hundreds of thousands.
            keys += [
                key
                for key, data in table.items()
                if name in key or ((data[ALIASED] > 1 or data[ALIASED - 1]) and name in data.lower())
            ]
        return keys

    def packed(self, key: bytes) -> bytes | None:
        """
        @return: an entry as octets, wherever it is, or L{None}.
        """
        entry = self.ready.get(key)
        if entry is not None:
            return packEntry(key, entry, self.servers)
        return self._fresh.get(key) or self._proven.get(key)

    def sweep(self, now: float) -> int:
        """
        Drop what is past its end, and past the time for which it is kept beyond that.

        @return: how many were dropped.
        """
        keepStale = self.keepStale
        ended = [key for key, entry in self.ready.items() if now >= entry.expires + keepStale]
        for table in (self._fresh, self._proven):
            ended += [key for key, data in table.items() if now >= learnedAt(data)[1] + keepStale]
        for key in ended:
            self._drop(key)
        return len(ended)
