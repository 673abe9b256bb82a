"""
The table of a million names in block lists: sorted digests in one piece of memory, usually a mapped file that all workers share.

A name takes ten octets: a keyed digest of eight, and two for the list and how it applies. The table keeps no names, so two names may have
the same digest: with a table of a million names, that happens to one other name in 18 million million. The key is random, so that no author
of a list can choose names with the digests of others.
"""

from __future__ import annotations

import json
import os
from array import array
from collections import Counter
from collections.abc import Iterator, Sequence
from hashlib import blake2b
from itertools import accumulate
from mmap import ACCESS_READ, mmap
from struct import Struct
from typing import Final

from twisted_ext.errors import BadImage
from twisted_ext.files import openNow

__all__ = ["BELOW", "EXCEPT", "LIST", "BlockTable", "TableBuilder"]

#: Bits of an entry: the number of its list, whether it applies to all names below as well, and whether it is an exception.
LIST: Final = 0x3FFF
BELOW: Final = 0x4000
EXCEPT: Final = 0x8000

_DIGEST: Final = 8
_ENTRY: Final = 10
_KEY: Final = 16

#: The mark, the key, the number of entries, whether any is an exception, and whether any name has one label.
_HEADER: Final = Struct("<8s16sIBBxx")
_MARK: Final = b"txblock1"

#: The buckets are the first two octets of digests. The offsets of their entries, and of the end of the last, follow the header.
_BUCKETS: Final = 1 << 16
_PARTS: Final = 256
_OFFSETS: Final = 4 * (_BUCKETS + 1)
_START: Final = _HEADER.size + _OFFSETS


#: What most names have.
_NOTHING: Final[Sequence[int]] = []


class TableBuilder:
    """
    Collects the entries of a table.

    @ivar count: how many there are, repeated ones among them.
    @ivar single: whether a name has one label only.
    """

    def __init__(self, key: bytes = b"") -> None:
        """
        @param key: that of a former table, whose entries can be copied then; by default a random one.
        """
        self.key = key or os.urandom(_KEY)
        self.count = 0
        self.single = False
        # By the first octet, so that a million entries need not be as many objects.
        self._parts = [bytearray() for _ in range(_PARTS)]

    def add(self, names: Sequence[bytes], bits: int) -> None:
        """
        Add names of a list.

        @param names: lower case with dots between labels, without a final dot.
        @param bits: the number of their list, with L{BELOW} and L{EXCEPT} if they apply.
        """
        key, parts = self.key, self._parts
        end = bits.to_bytes(2, "big")
        for name in names:
            digest = blake2b(key + name, digest_size=_DIGEST).digest()
            parts[digest[0]] += digest + end
        self.count += len(names)
        self.single = self.single or not all(b"." in name for name in names)

    def copy(self, table: BlockTable, source: str, number: int) -> int:
        """
        Add the entries of one list in a table with the same key.

        @param number: the list's number in this table.

        @return: how many there were.
        """
        before = self.count
        for entry in table.entriesFrom(source, number):
            self._parts[entry[0]] += entry
            self.count += 1
        self.single = self.single or table.single
        return self.count - before

    def mark(self) -> list[int]:
        """
        Return the state to L{rewind} to.
        """
        return [self.count, *map(len, self._parts)]

    def rewind(self, state: list[int]) -> None:
        """
        Drop what was added since.
        """
        self.count = state[0]
        for part, size in zip(self._parts, state[1:], strict=True):
            del part[size:]

    def pack(self, sources: Sequence[str]) -> list[bytes]:
        """
        Return the octets of the table, in several parts.

        @param sources: the lists by number.
        """
        sizes: list[int] = []
        packed: list[bytes] = []
        excepting = False
        for part in self._parts:
            entries = sorted({bytes(part[at : at + _ENTRY]) for at in range(0, len(part), _ENTRY)})
            counts = Counter([entry[1] for entry in entries])
            sizes += [counts[octet] * _ENTRY for octet in range(_BUCKETS // _PARTS)]
            excepting = excepting or any(entry[_DIGEST] & EXCEPT >> 8 for entry in entries)
            packed.append(b"".join(entries))
        count = sum(map(len, packed)) // _ENTRY
        header = _HEADER.pack(_MARK, self.key, count, excepting, self.single)
        offsets = array("I", accumulate(sizes, initial=_START))
        return [header, offsets.tobytes(), *packed, json.dumps(list(sources)).encode("utf-8")]


class BlockTable:
    """
    A table of names in block lists.

    @ivar count: the number of its entries.
    @ivar sources: the lists by number.
    @ivar excepting: whether any entry is an exception.
    @ivar single: whether any name has one label only.
    """

    __slots__ = ("count", "excepting", "key", "single", "sources", "_data", "_find", "_offsets")

    def __init__(self, data: bytes | mmap) -> None:
        """
        @raise BadImage: the octets are not a table.
        """
        if len(data) < _START or data[:8] != _MARK:
            raise BadImage("this is not a table of blocked names")
        _, self.key, self.count, excepting, single = _HEADER.unpack(data[: _HEADER.size])
        self.excepting = bool(excepting)
        self.single = bool(single)
        self._data = data
        self._find = data.find
        self._offsets = memoryview(data)[_HEADER.size : _START].cast("I")
        end = self._offsets[_BUCKETS]
        if end != _START + self.count * _ENTRY or end > len(data):
            raise BadImage("this is not a whole table of blocked names")
        try:
            self.sources: list[str] = json.loads(data[end:])
        except ValueError:
            raise BadImage("this is not a whole table of blocked names") from None

    @classmethod
    def map(cls, path: str) -> BlockTable:
        """
        Map a file into memory. It may be removed afterwards.

        @raise OSError: it cannot be read.
        @raise BadImage: it is not a table.
        """
        with open(path, "rb", opener=openNow) as file:
            if not os.fstat(file.fileno()).st_size:
                raise BadImage("an empty file is not a table of blocked names")
            return cls(mmap(file.fileno(), 0, access=ACCESS_READ))

    def bitsFor(self, name: bytes) -> Sequence[int]:
        """
        Return the last two octets of all entries for a name itself, as numbers.

        @param name: lower case with dots between labels, without a final dot.
        """
        digest = blake2b(self.key + name, digest_size=_DIGEST).digest()
        bucket = digest[0] << 8 | digest[1]
        offsets = self._offsets
        end = offsets[bucket + 1]
        at = self._find(digest, offsets[bucket], end)
        if at < 0:
            return _NOTHING
        found: list[int] = []
        while at >= 0:
            if not (at - _START) % _ENTRY:
                found.append(self._data[at + 8] << 8 | self._data[at + 9])
            at = self._find(digest, at + 1, end)
        return found

    def entriesFrom(self, source: str, number: int) -> Iterator[bytes]:
        """
        Return the entries of one list, for a table made with the same key.

        @param number: the list's number in that table.
        """
        if source not in self.sources:
            return
        mine = self.sources.index(source)
        data = self._data
        for at in range(_START, _START + self.count * _ENTRY, _ENTRY):
            bits = data[at + 8] << 8 | data[at + 9]
            if bits & LIST == mine:
                yield data[at : at + _DIGEST] + (bits & ~LIST | number).to_bytes(2, "big")
