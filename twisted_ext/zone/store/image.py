"""
A zone version as octets: written once, mapped into any number of processes, never changed.

Header, apex and fingerprint are followed by arrays of 32 bits in the machine's own order, then octets::

    header   nodes, records, sizes of everything behind it, checksums
    order    8 octets each: how the names of the NSEC chain sort, then those of the NSEC3 chain, abridged
    records  where the records of each node begin, one more for the end
    counts   how many records stand before each node, one more for all
    names    where the key of each node begins, one more for the end
    children how many names are directly below each node
    slots    a power of two of them: node and one, at the checksum of its key or in the next free slot behind it; 0 where it is free
    chain    nodes with NSEC as names sort (RFC 4034, section 6.1)
    hashed   nodes with NSEC3 as hashes sort
    flags    an octet for each node
    keys     the keys of all nodes
    area     the records of all nodes, each as in the message of a transfer, the apex first and its SOA first of all

A file is written beside its place, synchronized and renamed. One that is cut while it is mapped would end the process (SIGBUS), so
nobody may write into it.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from hashlib import blake2b
from mmap import ACCESS_READ, MADV_DONTNEED, mmap
from os import fstat
from struct import Struct
from struct import error as StructError
from typing import Final
from zlib import crc32

from twisted_ext.errors import BadImage
from twisted_ext.zone.store.nodes import Node, decoded, sortKey

__all__ = ["HEAVY_OCTETS", "Image", "Header", "MAGIC", "abridged", "digested"]

#: What an image begins with; the digits are the version of its layout.
MAGIC: Final = b"txdnsz01"

#: Reads the same on machines of one order of octets only.
_MARK: Final = 0x01020304

_HEAD: Final = Struct("=8sIQIIIIIIIIIIII8s")

#: Octets of records at a name below which each of them fits into any message by TCP, whatever else is in that.
HEAVY_OCTETS: Final = 60_000

#: Octets at a time when a file is summed up.
_CHUNK: Final = 1 << 20

#: Beside the number of octets of the salt, in the same field: records of type 65401 are ALIAS records.
_ALIASES: Final = 256

#: Octets of a file up to which it is read and not mapped.
_SMALL: Final = 1 << 16


class Header:
    """
    What an image says of itself, and where its parts are.

    @ivar padding: octets of nothing at its end.
    @ivar salt: eight octets where keys are placed by BLAKE2b with them, none where it is done by CRC-32.
    @ivar aliases: whether records of type 65401 are ALIAS records: the master file called them so.
    """

    __slots__ = (
        "size", "nodes", "records", "slots", "salt", "chain", "hashed", "names", "area", "serial", "apex", "fingerprint", "summed",
        "padding", "aliases",
    )

    def __init__(
        self,
        *,
        nodes: int,
        records: int,
        slots: int,
        salt: bytes,
        chain: int,
        hashed: int,
        names: int,
        area: int,
        serial: int,
        apex: int,
        fingerprint: int,
        summed: int = 0,
        aliases: bool = False,
    ) -> None:
        self.nodes = nodes
        self.records = records
        self.slots = slots
        self.salt = salt
        self.chain = chain
        self.hashed = hashed
        self.names = names
        self.area = area
        self.serial = serial
        self.apex = apex
        self.fingerprint = fingerprint
        self.summed = summed
        self.aliases = aliases
        *_, begin, self.size = self.places()
        self.padding = self.size - begin - area

    def places(self) -> tuple[int, ...]:
        """
        @return: where the parts begin, in octets, and where the last of them ends.
        """
        order = _HEAD.size + 4 + self.apex + self.fingerprint
        order += -order % 8
        records = order + 8 * (self.chain + self.hashed)
        counts = records + 4 * (self.nodes + 1)
        names = counts + 4 * (self.nodes + 1)
        children = names + 4 * (self.nodes + 1)
        slots = children + 4 * self.nodes
        chain = slots + 4 * self.slots
        flags = chain + 4 * (self.chain + self.hashed)
        keys = flags + self.nodes
        area = keys + self.names
        end = area + self.area
        return order, records, counts, names, children, slots, chain, flags, keys, area, end + -end % 8

    def packed(self, apexName: bytes, fingerprint: bytes) -> bytes:
        """
        @return: the header, apex and fingerprint, up to where the arrays begin.
        """
        head = _HEAD.pack(
            MAGIC, _MARK, self.size, self.nodes, self.records, self.slots, len(self.salt) | self.aliases * _ALIASES, self.chain,
            self.hashed,
            self.names, self.area, self.serial, self.apex, self.fingerprint, self.summed, self.salt,
        )  # fmt: skip
        said = head + crc32(head + apexName + fingerprint).to_bytes(4, "little") + apexName + fingerprint
        return said + bytes(-len(said) % 8)


def digested(key: bytes, salt: bytes) -> int:
    """
    @return: the number by which a key is placed where names were chosen to meet in CRC-32.
    """
    return int.from_bytes(blake2b(key, digest_size=4, salt=salt).digest(), "little")


def abridged(order: bytes) -> int:
    """
    @return: the first eight octets of what a name is sorted by, as a number.
    """
    return int.from_bytes(order[:8].ljust(8, b"\x00"), "big")


class Image:
    """
    The names of a zone and their records, read where they are needed.

    @ivar apexName: the apex as it is written.
    @ivar apex: the apex, folded.
    @ivar nodes: how many there are, empty non-terminals counted. The apex is node 0.
    @ivar records: how many records there are.
    @ivar fingerprint: what its maker said of the sources.
    @ivar aliases: whether records of type 65401 are ALIAS records.
    @ivar path: the file it is mapped from, or C{""}.
    @ivar start: where in it the image begins.
    """

    __slots__ = (
        "apexName", "apex", "serial", "nodes", "records", "fingerprint", "path", "signed", "hashes", "aliases",
        "_buffer", "_words", "_mask", "_salt", "_summed", "_octets",
        "_order", "_records", "_counts", "_names", "_children", "_slots", "_chain", "_hashed", "_flags", "_keys", "_area",
        "_heavy", "start",
    )  # fmt: skip

    def __init__(self, buffer: bytes | mmap, start: int = 0, words: memoryview | None = None) -> None:
        """
        @param start: where in C{buffer} the image begins: several may stand in one, each at a multiple of eight.
        @param words: C{memoryview(buffer).cast("I")}, where the caller has it for several images.

        @raise BadImage: there is none, or not all of it. What is in it is not looked at: see L{sound}.
        """
        try:
            fields = _HEAD.unpack_from(buffer, start)
            magic, mark, size, nodes, records, slots, salted, chain, hashed, names, area, serial, apex, prints, summed, salt = fields
            place = start + _HEAD.size
            check = int.from_bytes(buffer[place : place + 4], "little")
            head = buffer[start:place]
            said = buffer[place + 4 : place + 4 + apex + prints]
        except StructError:
            raise BadImage("a file too short to be an image of a zone") from None
        if magic != MAGIC or mark != _MARK:
            raise BadImage("no image of a zone, or one of another version or another kind of machine")
        if crc32(head + said) != check or len(said) != apex + prints:
            raise BadImage("the header of the image is damaged")
        header = Header(
            nodes=nodes, records=records, slots=slots, salt=salt, chain=chain, hashed=hashed, names=names, area=area,
            serial=serial, apex=apex, fingerprint=prints, summed=summed,
        )  # fmt: skip
        places = header.places()
        if size != places[-1] or start + size > len(buffer) or start % 8 or not nodes or not slots or slots & slots - 1:
            raise BadImage(f"an image of {size} octets of which {len(buffer) - start} are there")
        self.apexName = said[:apex]
        self.apex = self.apexName.lower()
        self.fingerprint = said[apex:]
        self.serial: int = serial
        self.nodes: int = nodes
        self.records: int = records
        self.path = ""
        self.start = start
        self.signed: int = chain
        self.hashes: int = hashed
        self._buffer = buffer
        self._words = memoryview(buffer)[: len(buffer) & ~3].cast("I") if words is None else words
        self._mask = slots - 1
        self._salt: bytes = salt if salted & ~_ALIASES else b""
        self.aliases = bool(salted & _ALIASES)
        self._order = start + places[0]
        self._records = start + places[1] >> 2
        self._counts = start + places[2] >> 2
        self._names = start + places[3] >> 2
        self._children = start + places[4] >> 2
        self._slots = start + places[5] >> 2
        self._chain = start + places[6] >> 2
        self._hashed = self._chain + chain
        self._flags = start + places[7]
        self._keys = start + places[8]
        self._area = start + places[9]
        self._octets: int = area
        self._summed: int = summed
        self._heavy: list[int] | None = None

    @classmethod
    def open(cls, path: str, *, checked: bool = True) -> Image:
        """
        Map a file; or read it, where it is small: a process can have only so many maps, each with a descriptor, and there may be a hundred
        thousand zones of a few names.

        @param checked: sum all of it up, at some 3 GB a second. Only who has just seen it written may go without.

        @raise BadImage: it is no image, or not as it was written.
        @raise OSError: it cannot be read.
        """
        with open(path, "rb", buffering=0) as file:
            size = fstat(file.fileno()).st_size
            if not size:
                raise BadImage(f"{path}: an empty file is not an image of a zone")
            buffer = file.read() if size <= _SMALL else mmap(file.fileno(), 0, access=ACCESS_READ)
            try:
                image = cls(buffer)
            except BadImage as wrong:
                raise BadImage(f"{path}: {wrong}") from None
            image.path = path
        if checked and not image.sound:
            raise BadImage(f"{path}: the image is not as it was written")
        return image

    def copyTo(self, path: str) -> None:
        """
        Write to a file what it was opened from.

        @raise OSError: the disk does not take it.
        """
        with open(path, "wb") as file:
            file.write(self._buffer)

    @property
    def sound(self) -> bool:
        """
        Whether the octets are those that were written. All of them are looked at.
        """
        return self._sumFrom(self._order) == self._summed

    @property
    def end(self) -> int:
        """
        Where the image ends in its file. A file that is shorter by now was truncated, and to read what is mapped of it ends the process
        (SIGBUS).
        """
        return self._area + self._octets

    @property
    def content(self) -> int:
        """
        A checksum of the records alone: the same for a master file that is read again, unless something in it has changed. All of them
        are looked at.
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
                # What has been looked at once does not count as this process's memory for it.
                buffer.madvise(MADV_DONTNEED, behind - _CHUNK, _CHUNK)
            position = behind
        return summed

    def find(self, key: bytes) -> int:
        """
        @return: the number of the node of this name, or -1.
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
                number: int = found - 1
                return number
            slot += 1
        return -1

    def at(self, key: bytes) -> Node | None:
        """
        @return: the node of this name, if there is one.

        @raise BadImage: its records are not as they were written.
        """
        index = self.find(key)
        return None if index < 0 else self._node(index, key)

    def key(self, index: int) -> bytes:
        """
        @return: the key of a node.
        """
        place = self._names + index
        return self._buffer[self._keys + self._words[place] : self._keys + self._words[place + 1]]

    def flags(self, index: int) -> int:
        """
        @return: the flags of a node.
        """
        return self._buffer[self._flags + index]

    def children(self, index: int) -> int:
        """
        @return: how many names are directly below a node.
        """
        return self._words[self._children + index]

    def node(self, index: int) -> Node:
        """
        @raise BadImage: its records are not as they were written.
        """
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
        @return: the records of a node, each as in the message of a transfer.
        """
        place = self._records + index
        return self._buffer[self._area + self._words[place] : self._area + self._words[place + 1]]

    def heavy(self) -> list[int]:
        """
        @return: the nodes whose records have so many octets that one of them might fit into no message, found without looking at others.
        """
        found = self._heavy
        if found is None:
            # Each of them has the octet at a multiple of that number.
            words, base = self._words, self._records
            places = {
                bisect_right(words, at, base, base + self.nodes + 1) - 1 - base for at in range(0, self._octets, HEAVY_OCTETS)
            }  # fmt: skip
            found = [index for index in places if words[base + index + 1] - words[base + index] >= HEAVY_OCTETS]
            self._heavy = found
        return found

    def tally(self, index: int) -> int:
        """
        @return: how many records a node has.
        """
        return self._words[self._counts + index + 1] - self._words[self._counts + index]

    def stretches(self, first: int, limit: int, stop: int) -> tuple[memoryview, int, int]:
        """
        @param first: the node to begin with.
        @param limit: how many octets may be taken.
        @param stop: the node to end before.

        @return: the records of as many nodes as that, always those of one; their number; and the next node.
        """
        words = self._words
        base = self._records
        begin = words[base + first]
        behind = bisect_right(words, begin + limit, base + first + 1, base + stop + 1) - 1 - base
        following = max(behind, first + 1)
        view = memoryview(self._buffer)[self._area + begin : self._area + words[base + following]]
        return view, words[self._counts + following] - words[self._counts + first], following

    def chainBefore(self, order: bytes) -> int:
        """
        @param order: how a name sorts (L{sortKey}).

        @return: the place in the NSEC chain of the last name that does not come after it, or -1.
        """
        return self._before(order, 0, self.signed)

    def hashBefore(self, label: bytes) -> int:
        """
        @param label: a hash in base 32, in lower case.

        @return: the place in the NSEC3 chain of the last hash that does not come after it, or -1.
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
        """
        @return: the node at a place of the NSEC chain.
        """
        return self._words[self._chain + place]

    def inHashes(self, place: int) -> int:
        """
        @return: the node at a place of the NSEC3 chain.
        """
        node: int = self._words[self._hashed + place]
        return node
