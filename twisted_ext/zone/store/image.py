"""
A zone version in binary form: written once, mapped by any number of processes, never changed.

Header, apex and fingerprint are followed by arrays of 32 bits in native byte order, then octets::

    header   number of nodes and records, size of each part behind it, checksums
    order    8 octets each: the sort keys of the NSEC chain's names, then those of the NSEC3 chain's, truncated
    records  where the records of each node begin, one more for the end
    counts   how many records precede each node, one more for the total
    names    where the key of each node begins, one more for the end
    children how many names are directly below each node
    slots    a power of two of them: node number plus one, at the checksum of its key or in the next free slot; 0 if free
    chain    nodes with NSEC in canonical order (RFC 4034, section 6.1)
    hashed   nodes with NSEC3 in order of their hashes
    flags    an octet for each node
    keys     the keys of all nodes
    area     the records of all nodes in wire format as in a transfer message, the apex first and its SOA first of all

A file is written under another name, synchronized and renamed. Never write into an existing image: truncating it while it is mapped would
end the process (SIGBUS).
"""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from hashlib import blake2b
from mmap import ACCESS_READ, MADV_DONTNEED, mmap
from os import fstat
from struct import Struct
from struct import error as StructError
from sys import byteorder
from typing import Final
from zlib import crc32

from twisted_ext.errors import BadImage
from twisted_ext.files import forState
from twisted_ext.zone.store.nodes import Node, decoded, keyBelow, sortKey

__all__ = ["ALIASES", "HEAVY_OCTETS", "Image", "Header", "MAGIC", "ORDERED", "abridged", "abridgedOf", "compactedFrom", "digested"]

#: The first octets of the fingerprint of an image that was built from a journal.
_FROM: Final = b"journal:"

#: The first octets of an image; the digits are the version of its layout.
MAGIC: Final = b"txdnsz01"

#: Byte order mark: reads the same only on machines with the byte order of the one that wrote it.
_MARK: Final = 0x01020304

#: Mark, size, and the fields of L{Header}.
_HEAD: Final = Struct("=8sIQIIIIIIIIIIII8s")

#: Octets of records at a name below which each record fits into any TCP message, regardless of its other content.
HEAVY_OCTETS: Final = 60_000

#: Octets of a file added to the checksum at a time.
_CHUNK: Final = 1 << 20

#: Flag in the field of the salt's length: records of type 65401 are ALIAS records.
ALIASES: Final = 256

#: In place of a salt, where that is not used and former releases ignore it: the names with records come first, in canonical order, then
#: the empty non-terminals.
ORDERED: Final = b"ordered\x00"

#: Octets of a file up to which it is read instead of mapped.
_SMALL: Final = 1 << 16


class Header:
    """
    The header of an image: its counts, and the offsets of its parts.

    @ivar salted: the octets of C{salt}; and L{ALIASES}, if the master file had records of type 65401 under the name ALIAS.
    @ivar salt: for slots that use salted BLAKE2b; if they use CRC-32, L{ORDERED} if the nodes are in canonical order.
    """

    __slots__ = (
        "nodes", "records", "slots", "salted", "chain", "hashed", "names", "area", "serial", "apex", "fingerprint", "summed", "salt",
    )  # fmt: skip

    def __init__(
        self, nodes: int, records: int, slots: int, salted: int, chain: int, hashed: int, names: int, area: int, serial: int, apex: int,
        fingerprint: int, summed: int, salt: bytes,
    ) -> None:  # fmt: skip
        self.nodes = nodes
        self.records = records
        self.slots = slots
        self.salted = salted
        self.chain = chain
        self.hashed = hashed
        self.names = names
        self.area = area
        self.serial = serial
        self.apex = apex
        self.fingerprint = fingerprint
        self.summed = summed
        self.salt = salt

    def places(self) -> tuple[int, ...]:
        """
        Return the offsets of the parts, and the end of the last one.
        """
        nodes, linked = self.nodes, self.chain + self.hashed
        order = _HEAD.size + 4 + self.apex + self.fingerprint
        order += -order % 8
        records = order + 8 * linked
        counts = records + 4 * (nodes + 1)
        names = counts + 4 * (nodes + 1)
        children = names + 4 * (nodes + 1)
        slots = children + 4 * nodes
        chain = slots + 4 * self.slots
        flags = chain + 4 * linked
        keys = flags + nodes
        area = keys + self.names
        end = area + self.area
        return order, records, counts, names, children, slots, chain, flags, keys, area, end + -end % 8

    def packed(self, apexName: bytes, fingerprint: bytes, size: int) -> bytes:
        """
        Return the header, apex and fingerprint, padded to where the arrays begin.

        @param size: of the whole image, see L{places}.
        """
        head = _HEAD.pack(
            MAGIC, _MARK, size, self.nodes, self.records, self.slots, self.salted, self.chain, self.hashed, self.names, self.area,
            self.serial, self.apex, self.fingerprint, self.summed, self.salt,
        )  # fmt: skip
        said = head + crc32(head + apexName + fingerprint).to_bytes(4, "little") + apexName + fingerprint
        return said + bytes(-len(said) % 8)


def digested(key: bytes, salt: bytes) -> int:
    """
    Return the salted digest of a key, used if names were chosen to collide in CRC-32.
    """
    return int.from_bytes(blake2b(key, digest_size=4, salt=salt).digest(), "little")


def abridged(order: bytes) -> int:
    """
    Return the first eight octets of a sort key, as a number.
    """
    return int.from_bytes(order[:8].ljust(8, b"\x00"), "big")


def abridgedOf(orders: list[bytes]) -> array[int]:
    """
    Return what L{abridged} returns for each of several sort keys.
    """
    numbers = array("Q", b"".join([order[:8].ljust(8, b"\x00") for order in orders]))
    if byteorder == "little":
        numbers.byteswap()
    return numbers


def compactedFrom(origin: bytes) -> bytes:
    """
    Return the fingerprint of an image that is built from another one, of this origin, and a journal.
    """
    return _FROM + origin


class Image:
    """
    The names of a zone and their records, read on demand. Reading damaged records raises L{BadImage}.

    @ivar apexName: the apex as it is written.
    @ivar apex: the apex, folded.
    @ivar nodes: how many there are, empty non-terminals included. The apex is node 0.
    @ivar fingerprint: identifies the sources, as set by the program that built the image.
    @ivar aliases: whether records of type 65401 are ALIAS records.
    @ivar isOrdered: whether the nodes with records come first, in canonical order (RFC 4034, section 6.1), so that the names below one
        follow it.
    @ivar path: its file, or C{""}.
    @ivar start: the offset of the image in the file.
    """

    __slots__ = (
        "apexName", "apex", "serial", "nodes", "records", "fingerprint", "path", "signed", "hashes", "aliases", "isOrdered",
        "_buffer", "_words", "_mask", "_salt", "_summed", "_octets",
        "_order", "_records", "_counts", "_names", "_children", "_slots", "_chain", "_hashed", "_flags", "_keys", "_area",
        "_heavy", "start",
    )  # fmt: skip

    def __init__(self, buffer: bytes | mmap, start: int = 0, words: memoryview | None = None) -> None:
        """
        @param start: the offset of the image in C{buffer}, which may hold several, each at a multiple of eight.
        @param words: C{memoryview(buffer).cast("I")}, if the caller has it for several images.

        @raise BadImage: there is no image, or it is truncated. Its content is not verified: see L{sound}.
        """
        try:
            magic, mark, size, *fields = _HEAD.unpack_from(buffer, start)
            header = Header(*fields)
            place = start + _HEAD.size
            check = int.from_bytes(buffer[place : place + 4], "little")
            head = buffer[start:place]
            said = buffer[place + 4 : place + 4 + header.apex + header.fingerprint]
        except StructError:
            raise BadImage("a file too short to be an image of a zone") from None
        if magic != MAGIC or mark != _MARK:
            raise BadImage("no image of a zone, or one of another version or another kind of machine")
        if crc32(head + said) != check or len(said) != header.apex + header.fingerprint:
            raise BadImage("the header of the image is damaged")
        slots = header.slots
        places = header.places()
        if size != places[-1] or start + size > len(buffer) or start % 8 or not header.nodes or not slots or slots & slots - 1:
            raise BadImage(f"an image of {size} octets of which {len(buffer) - start} are there")
        self.apexName = said[: header.apex]
        self.apex = self.apexName.lower()
        self.fingerprint = said[header.apex :]
        self.serial = header.serial
        self.nodes = header.nodes
        self.records = header.records
        self.path = ""
        self.start = start
        self.signed = header.chain
        self.hashes = header.hashed
        self._buffer = buffer
        self._words = memoryview(buffer)[: len(buffer) & ~3].cast("I") if words is None else words
        self._mask = slots - 1
        self._salt = header.salt if header.salted & ~ALIASES else b""
        self.aliases = bool(header.salted & ALIASES)
        self.isOrdered = not self._salt and header.salt == ORDERED
        self._order = start + places[0]
        self._records = start + places[1] >> 2
        self._counts = start + places[2] >> 2
        self._names = start + places[3] >> 2
        self._children = start + places[4] >> 2
        self._slots = start + places[5] >> 2
        self._chain = start + places[6] >> 2
        self._hashed = self._chain + header.chain
        self._flags = start + places[7]
        self._keys = start + places[8]
        self._area = start + places[9]
        self._octets = header.area
        self._summed = header.summed
        self._heavy: list[int] | None = None

    @property
    def isCompacted(self) -> bool:
        """
        Whether it was built from another one and a journal.
        """
        return self.fingerprint.startswith(_FROM)

    @property
    def origin(self) -> bytes:
        """
        What identifies its sources in a journal: for an image of a master file, its serial number and its records; for one that was built
        from another one and a journal, the origin of the former.
        """
        return self.fingerprint[len(_FROM) :] if self.isCompacted else b"%08x%08x" % (self.serial, self.content)

    @classmethod
    def open(cls, path: str, *, checked: bool = True, offset: int = 0) -> Image:
        """
        Map a file, or read it if it is small: the maps and descriptors of a process are limited, and there may be a hundred thousand zones
        of a few names.

        @param checked: verify the checksum of the whole file, at some 3 GB a second. Only a caller that has just written it may skip that.
        @param offset: where in the file the image is.

        @raise BadImage: it is not an image, or is damaged.
        @raise OSError: it cannot be read.
        """
        with open(path, "rb", buffering=0) as file:
            size = fstat(file.fileno()).st_size
            if not size:
                raise BadImage(f"{path}: an empty file is not an image of a zone")
            buffer = file.read() if size <= _SMALL else mmap(file.fileno(), 0, access=ACCESS_READ)
            try:
                image = cls(buffer, offset)
            except BadImage as wrong:
                raise BadImage(f"{path}: {wrong}") from None
            image.path = path
        if checked and not image.sound:
            raise BadImage(f"{path}: the image is damaged")
        return image

    def copyTo(self, path: str) -> None:
        with open(path, "wb", opener=forState) as file:
            file.write(memoryview(self._buffer)[self.start : self.start + self.size])

    def toBytes(self) -> bytes:
        return bytes(self._buffer[self.start : self.start + self.size])

    @property
    def size(self) -> int:
        """
        Its octets.
        """
        return int(_HEAD.unpack_from(self._buffer, self.start)[2])

    @property
    def sound(self) -> bool:
        """
        Whether the checksum of the content matches. Reads all of it.
        """
        return self._sumFrom(self._order) == self._summed

    @property
    def end(self) -> int:
        """
        The end of the image in its file. If the file is shorter, it was truncated, and reading the missing pages of the map ends the
        process (SIGBUS).
        """
        return self._area + self._octets

    @property
    def isTruncated(self) -> bool:
        """
        Whether the file that the image is mapped from has become too short for it.
        """
        buffer = self._buffer
        return isinstance(buffer, mmap) and buffer.size() < self.end

    @property
    def summed(self) -> int:
        """
        The checksum of the whole image, as it is written in it.
        """
        return self._summed

    @property
    def content(self) -> int:
        """
        A checksum of the records alone: the same when an unchanged master file is read again. Reads all of them.
        """
        return self._sumFrom(self._area)

    def _sumFrom(self, position: int) -> int:
        buffer = self._buffer
        view = memoryview(buffer)
        summed = 0
        end = self.end
        while position < end:
            behind = min((position // _CHUNK + 1) * _CHUNK, end)
            summed = crc32(view[position:behind], summed)
            if isinstance(buffer, mmap) and behind % _CHUNK == 0:
                # Drop pages already read from this process's resident memory.
                buffer.madvise(MADV_DONTNEED, behind - _CHUNK, _CHUNK)
            position = behind
        return summed

    def find(self, key: bytes) -> int:
        """
        Return the number of a name's node, or -1.
        """
        words = self._words
        buffer = self._buffer
        mask = self._mask
        slots = self._slots
        names = self._names - 1
        keys = self._keys
        slot = digested(key, self._salt) if self._salt else crc32(key)
        while found := words[slots + (slot & mask)]:
            place = names + found
            if buffer[keys + words[place] : keys + words[place + 1]] == key:
                return found - 1
            slot += 1
        return -1

    @property
    def isSalted(self) -> bool:
        """
        Whether the table of names is in another order than that of their checksums, since some were chosen to collide.
        """
        return bool(self._salt)

    def hashedTo(self, value: int, count: int) -> Iterator[bytes]:
        """
        Return the names whose checksum (CRC-32) has this remainder, each once, in no particular order; some others may be among them, and
        if the image is salted all are.

        @param count: the number of remainders, a power of two.
        """
        size = self._mask + 1
        if self._salt:
            yield from map(self.key, range(self.nodes))
            return
        words, slots = self._words, self._slots
        found: set[int] = set()
        for begin in range(value % size, size, min(count, size)):
            slot = begin
            while (number := words[slots + (slot & self._mask)]) and number not in found:
                found.add(number)
                yield self.key(number - 1)
                slot += 1

    def at(self, key: bytes) -> Node | None:
        index = self.find(key)
        return None if index < 0 else self._node(index, key)

    def key(self, index: int) -> bytes:
        place = self._names + index
        return self._buffer[self._keys + self._words[place] : self._keys + self._words[place + 1]]

    def flags(self, index: int) -> int:
        return self._buffer[self._flags + index]

    def children(self, index: int) -> int:
        return self._words[self._children + index]

    def node(self, index: int) -> Node:
        return self._node(index, self.key(index))

    def _node(self, index: int, key: bytes) -> Node:
        words = self._words
        buffer = self._buffer
        place = self._records + index
        area = self._area
        try:
            sets = decoded(buffer[area + words[place] : area + words[place + 1]], len(key), self.apexName)
        except (IndexError, StructError):
            raise BadImage(f"{self.path}: the records of node {index} are damaged") from None
        return Node(key, sets, buffer[self._flags + index], words[self._children + index])

    def rendered(self, index: int) -> bytes:
        """
        Return the records of a node in wire format as in a transfer message.
        """
        place = self._records + index
        return self._buffer[self._area + self._words[place] : self._area + self._words[place + 1]]

    def isSame(self, index: int, other: Image, there: int, count: int) -> bool:
        """
        Return whether the records of some names in a row are the same as in another image of the zone, octet by octet. They have their
        owners.

        @param index: the first node, and C{there} that in the other image.
        """
        if there < 0 or there + count > other.nodes:
            return False
        begin, end = [self._area + self._words[self._records + each] for each in (index, index + count)]
        otherBegin, otherEnd = [other._area + other._words[other._records + each] for each in (there, there + count)]
        return self._buffer[begin:end] == other._buffer[otherBegin:otherEnd]

    def mapping(self) -> tuple[bytes | mmap, tuple[int, ...]] | None:
        """
        Return what other code needs to read the image: its buffer; and where in it the octets of the arrays C{records}, C{names} and
        C{slots} and of the parts C{flags}, C{keys} and C{area} begin, one less than the number of slots, the number of nodes, and the
        sizes of keys and area. L{None} if slots are not at checksums of keys.
        """
        if self._salt:
            return None
        words = [4 * each for each in (self._records, self._names, self._slots)]
        sizes = self._words[self._names + self.nodes], self._octets
        return self._buffer, (*words, self._flags, self._keys, self._area, self._mask, self.nodes, *sizes)

    def heavy(self) -> list[int]:
        """
        Return the nodes with so many octets of records that one record might not fit into a message, without reading the others.
        """
        found = self._heavy
        if found is None:
            # Each of them contains an octet at a multiple of HEAVY_OCTETS.
            words, base = self._words, self._records
            places = {
                bisect_right(words, at, base, base + self.nodes + 1) - 1 - base for at in range(0, self._octets, HEAVY_OCTETS)
            }  # fmt: skip
            found = [index for index in places if words[base + index + 1] - words[base + index] >= HEAVY_OCTETS]
            self._heavy = found
        return found

    def tally(self, index: int) -> int:
        return self._words[self._counts + index + 1] - self._words[self._counts + index]

    def below(self, key: bytes) -> Iterator[bytes]:
        """
        Return the keys of all names with records below one, in canonical order. The image has to be ordered.

        @param key: the name, which need not be there.
        """
        words, base = self._words, self._counts
        # Empty non-terminals, which come last, have as many records before them as there are.
        end = bisect_left(words, self.records, base, base + self.nodes) - base
        for index in range(bisect_right(range(end), sortKey(key), key=self._orderOf), end):
            found = self.key(index)
            if keyBelow(found, key) is None:
                return
            yield found

    def _orderOf(self, index: int) -> bytes:
        return sortKey(self.key(index))

    def stretches(self, first: int, limit: int, stop: int) -> tuple[memoryview, int, int]:
        """
        Return the records of consecutive nodes in wire format: of as many as fit into C{limit} octets, but of one node at least.

        @param stop: the node to end before.

        @return: the records; their number; and the next node.
        """
        words = self._words
        base = self._records
        begin = words[base + first]
        behind = bisect_right(words, begin + limit, base + first + 1, base + stop + 1) - 1 - base
        following = max(behind, first + 1)
        view = memoryview(self._buffer)[self._area + begin : self._area + words[base + following]]
        return view, words[self._counts + following] - words[self._counts + first], following

    def nodeAt(self, first: int, offset: int) -> int:
        """
        Return the node whose records contain an octet.

        @param offset: from the begin of the records of node C{first}.
        """
        words, base = self._words, self._records
        return bisect_right(words, words[base + first] + offset, base + first, base + self.nodes + 1) - 1 - base

    def chainBefore(self, order: bytes) -> int:
        """
        Return the index in the NSEC chain of the last name that does not sort after this sort key (L{sortKey}), or -1.
        """
        return self._before(order, 0, self.signed)

    def hashBefore(self, label: bytes) -> int:
        """
        Return the index in the NSEC3 chain of the last hash, in base 32 and lower case, that does not sort after this one, or -1.
        """
        return self._before(label, self.signed, self.signed + self.hashes)

    def _before(self, order: bytes, first: int, end: int) -> int:
        numbers = memoryview(self._buffer)[self._order : self._order + 8 * (self.signed + self.hashes)].cast("Q")
        number = abridged(order)
        low = bisect_left(numbers, number, first, end)
        high = bisect_right(numbers, number, low, end)
        while low < high:
            middle = (low + high) // 2
            if self._sorted(middle) <= order:
                low = middle + 1
            else:
                high = middle
        return low - 1 - first

    def _sorted(self, place: int) -> bytes:
        key = self.key(self._words[self._chain + place])
        return sortKey(key) if place < self.signed else key[1 : 1 + key[0]]

    def inChain(self, place: int) -> int:
        return self._words[self._chain + place]

    def inHashes(self, place: int) -> int:
        return self._words[self._hashed + place]
