"""
The table of the rules of all lists, a million or more: sorted digests of their names in one piece of memory, usually a mapped file that all
workers share.

A rule takes 14 octets: a keyed digest of its name, which list has it, how it applies, and the number of its line. Names are not kept: what
a rule is about is a part of the name that was asked for. So two names may have the same digest: with a table of a million names, that
happens to one other name in 18 million million. The key is random, so that no author of a list can choose names with the digests of others.
A rule that depends on more than its name has the place of its L{Condition} in place of a line.

The octets are a header; where each bucket of digests begins, and the last one ends; the rules, by their digests; the conditions; and what
is known of the lists, as JSON. Numbers of rules have their first octet first.
"""

from __future__ import annotations

import json
import os
from array import array
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from hashlib import blake2b
from itertools import accumulate, repeat
from mmap import ACCESS_READ, mmap
from struct import Struct
from struct import error as StructError
from typing import Final

from twisted_ext.errors import BadImage
from twisted_ext.files import openNow
from twisted_ext.resolver.policy.rules.condition import Condition
from twisted_ext.resolver.policy.rules.expressions import KEY, LIST_COST, Expressions, costOf

__all__ = [
    "BELOW", "CONDITIONAL", "DAMAGED", "EXCEPT", "IMPORTANT", "IN_SETTINGS", "SELF", "SOURCE", "PolicyTable", "RuleList", "TableBuilder",
    "rankOf",
]

#: The number of a list.
SOURCE: Final = 0x07FF

#: The rule has a condition.
CONDITIONAL: Final = 0x0800

#: The rule comes before others that are not important.
IMPORTANT: Final = 0x1000

#: The rule is an exception to others.
EXCEPT: Final = 0x2000

#: The rule holds for the name itself.
SELF: Final = 0x4000

#: The rule holds for all names below the name.
BELOW: Final = 0x8000

_KEY: Final = 16
_DIGEST: Final = 8

#: What follows the digest of a rule: its bits, and its line.
_REST: Final = Struct(">HI")
_ENTRY: Final = _DIGEST + _REST.size

#: The mark, the key, the number of rules, how many bits of a digest choose the bucket, the ranks of rules, whether any name has one label,
#: whether any rule rewrites answers, or has an expression, and the octets of all conditions.
_HEADER: Final = Struct("<8s16sIBB???I24x")
_MARK: Final = b"txrules3"

#: Rules with conditions that a name may have in a list: each is looked at when the name, or one below it, is asked for.
_CONDITIONS: Final = 64

#: A condition that cannot be read never holds: no question has this type.
_NEVER: Final = (0, Condition(types=(0,)))

#: Conditions that are kept once they were read.
_KNOWN: Final = 4096

#: The bucket of a digest is in its first three octets.
_CHOOSING: Final = 3
_MOST_BITS: Final = 8 * _CHOOSING

#: Rules that a bucket has at most on average. More are slow to search; fewer take more memory for the buckets.
_BUCKET: Final = 12

#: The builder keeps rules by the first octets of their digests, so that a million of them need not be as many objects.
_PARTS: Final = 256

#: L{CONDITIONAL} in the first octet of the bits of a rule.
_CONDITIONAL_HIGH: Final = CONDITIONAL >> 8

#: The L{state<twisted_ext.files.stateIn>} of a list whose lines are in the settings: its name changes with them.
IN_SETTINGS: Final = (1,)

#: What is said of the copy of a list that has another digest than what was fetched.
DAMAGED: Final = "is not what was fetched"

#: What most names have.
_NOTHING: Final[Sequence[tuple[int, int]]] = []


def rankOf(word: int) -> int:
    """
    Return the rank of a rule: one of a higher rank decides. An exception comes before other rules that are as important as itself.

    @param word: its bits.
    """
    return (2 if word & IMPORTANT else 0) + (1 if word & EXCEPT else 0)


@dataclass(slots=True, eq=False)
class RuleList:
    """
    A list, and what became of it when it was read last.

    @ivar list: C{block:PATH}, or C{except:PATH} for a list of exceptions, or C{rewrite:PATH} for one that may rewrite answers; with
        C{NAME=} before the path if it has a name; or C{NAME=URL}; or C{NAME=settings:DIGEST} if its lines are in the settings.
    @ivar names: how many it has.
    @ivar wrong: how many of its lines cannot be used.
    @ivar said: the first of them, or why the list could not be used.
    @ivar kept: whether it could not be used, and its rules are those that it had before.
    @ivar state: the L{state<twisted_ext.files.stateIn>} of its file; none if the file may change and keep it.
    """

    list: str
    names: int = 0
    wrong: int = 0
    said: str = ""
    kept: bool = False
    state: Sequence[int] = field(default_factory=tuple)

    @property
    def name(self) -> str:
        """
        Its name; its path if it has none.
        """
        place = self.list.partition(":")[2]
        return place if place.startswith("/") else place.partition("=")[0]

    @property
    def path(self) -> str:
        """
        Its path, its URL, or what stands for its lines.
        """
        place = self.list.partition(":")[2]
        return place if place.startswith("/") else place.partition("=")[2]

    @property
    def place(self) -> str:
        """
        Its path, or the beginning of its URL, whose rest may have a key; or C{"settings"}.
        """
        path = self.path
        if path.startswith("settings:"):
            return "settings"
        return path if path.startswith("/") else "/".join(path.split("/", 3)[:3])

    @property
    def title(self) -> str:
        """
        Its name, if it has one, and its place.
        """
        return self.path if self.name == self.path else f"{self.name} ({self.place})"


class TableBuilder:
    """
    Collects the rules of a table.

    @ivar count: how many there are, repeated ones among them.
    """

    def __init__(self, key: bytes = b"") -> None:
        """
        @param key: that of a former table, whose rules can be copied then; by default a random one.
        """
        self.key = key or os.urandom(_KEY)
        self.count = 0
        self._single = self._rewriting = self._matching = False
        self._parts = [bytearray() for _ in range(_PARTS)]
        self._conditions = bytearray()
        # How many rules with conditions each name has in the list that is being read.
        self._conditional: Counter[bytes] = Counter()
        # What its expressions cost.
        self._cost = 0

    def add(self, names: Sequence[bytes], word: int, lines: Sequence[int]) -> None:
        """
        Add rules.

        @param names: lower case with dots between labels, without a final dot.
        @param word: the number of their list, with L{SELF}, L{BELOW}, L{EXCEPT} and L{IMPORTANT} if they apply.
        @param lines: the line of each.
        """
        key, parts = self.key, self._parts
        for name, rest in zip(names, map(_REST.pack, repeat(word), lines), strict=False):
            digest = blake2b(key + name, digest_size=_DIGEST).digest()
            parts[digest[0]] += digest + rest
        self.count += len(names)
        self._single = self._single or not all(b"." in name for name in names)

    def addConditional(self, name: bytes, word: int, line: int, condition: Condition) -> bool:
        """
        Add a rule with a condition. For the other arguments see L{add}.

        @return: whether there is room for it: too many for one name in one list would be slow to look at.
        """
        if condition.expression:
            self._cost += costOf(condition.expression)
            if self._cost > LIST_COST:
                return False
        else:
            self._conditional[name] += 1
            if self._conditional[name] > _CONDITIONS:
                return False
        single = self._single
        self.add((name,), word | CONDITIONAL, (self._keep(line, condition),))
        if condition.expression:
            # Its key is no name.
            self._single = single
        return True

    def _keep(self, line: int, condition: Condition) -> int:
        """
        Add a condition, and return its place.
        """
        self._rewriting = self._rewriting or condition.rewrite is not None
        self._matching = self._matching or bool(condition.expression)
        return self.keep(condition.pack(line))

    def keep(self, octets: bytes) -> int:
        """
        Add octets that rules have the place of, and return that.
        """
        place = len(self._conditions)
        self._conditions += octets
        return place

    def copy(
        self, table: PolicyTable, number: int, mine: int, placed: Callable[[int, int], int] | None = None
    ) -> None:
        """
        Add the rules that one list has in a table with the same key.

        @param number: the list's number there.
        @param mine: its number in this table.
        @param placed: called with the bits of a rule without a condition, and its place there; returns its place in this table. By
            default it is the same.
        """
        parts = self._parts
        before = self.count
        for entries in table.pieces():
            highs, lows = entries[_DIGEST::_ENTRY], entries[_DIGEST + 1 :: _ENTRY]
            for at, high, low in zip(range(0, len(entries), _ENTRY), highs, lows, strict=True):
                word = high << 8 | low
                if word & SOURCE == number:
                    place = entries[at + _DIGEST + 2 : at + _ENTRY]
                    if word & CONDITIONAL:
                        place = self._keep(*table.condition(int.from_bytes(place, "big"))).to_bytes(4, "big")
                    elif placed is not None:
                        place = placed(word, int.from_bytes(place, "big")).to_bytes(4, "big")
                    parts[entries[at]] += entries[at : at + _DIGEST] + (word & ~SOURCE | mine).to_bytes(2, "big") + place
                    self.count += 1
        self._single = self._single or (table.single and self.count > before)

    def mark(self) -> list[int]:
        """
        Return the state to L{rewind} to, before a list is read.
        """
        self._conditional.clear()
        self._cost = 0
        return [self.count, len(self._conditions), *map(len, self._parts)]

    def rewind(self, state: list[int]) -> None:
        """
        Drop what was added since.
        """
        self.count = state[0]
        for part, size in zip([self._conditions, *self._parts], state[1:], strict=True):
            del part[size:]

    def pack(self, lists: Sequence[RuleList]) -> list[bytes]:
        """
        Return the octets of the table, in several parts. The builder is empty afterwards.

        @param lists: the lists by number.
        """
        bits = min((self.count // _BUCKET).bit_length(), _MOST_BITS)
        shift = _MOST_BITS - bits
        sizes = array("I", bytes(4 << bits))
        words: set[int] = set()
        packed: list[bytes] = []
        for number, part in enumerate(self._parts):
            entries = sorted([bytes(part[at : at + _ENTRY]) for at in range(0, len(part), _ENTRY)])
            self._parts[number] = bytearray()
            # Of lines of one list that say the same the first one counts. Conditions differ.
            if self._conditions:
                known = {entry if entry[_DIGEST] & _CONDITIONAL_HIGH else entry[: _DIGEST + 2]: entry for entry in reversed(entries)}
            else:
                known = {entry[: _DIGEST + 2]: entry for entry in reversed(entries)}
            if len(known) != len(entries):
                entries = [*known.values()][::-1]
            buckets = Counter([int.from_bytes(entry[:_CHOOSING], "big") >> shift for entry in entries])
            for bucket, count in buckets.items():
                sizes[bucket] += count * _ENTRY
            packed.append(b"".join(entries))
            # The upper octet of the words has all that ranks depend on.
            words.update(packed[-1][_DIGEST::_ENTRY])
        self.count = sum(map(len, packed)) // _ENTRY
        ranks = 0
        for high in words:
            ranks |= 1 << rankOf(high << 8)
        said = (self._single, self._rewriting, self._matching, len(self._conditions))
        header = _HEADER.pack(_MARK, self.key, self.count, bits, ranks, *said)
        offsets = array("I", accumulate(sizes, initial=_HEADER.size + 4 * (len(sizes) + 1)))
        conditions, self._conditions = bytes(self._conditions), bytearray()
        return [header, offsets.tobytes(), *packed, conditions, json.dumps([asdict(each) for each in lists]).encode("utf-8")]


class PolicyTable:
    """
    A table of rules.

    @ivar conditional: whether any rule has a condition.
    @ivar count: the number of rules.
    @ivar expressions: those of each list that has some, by its number.
    @ivar lists: the lists by number.
    @ivar highest: the highest rank of a rule.
    @ivar rewriting: whether any rule rewrites answers.
    @ivar single: whether any name has one label only.
    """

    __slots__ = (
        "conditional", "count", "expressions", "highest", "key", "lists", "rewriting", "single", "__weakref__",
        "_conditions", "_data", "_end", "_find", "_known", "_offsets", "_shift", "_start",
    )

    def __init__(self, data: bytes | mmap) -> None:
        """
        @raise BadImage: the octets are not a table.
        """
        if len(data) < _HEADER.size or data[:8] != _MARK:
            raise BadImage("this is not a table of rules")
        head = _HEADER.unpack(data[: _HEADER.size])
        _, self.key, self.count, bits, ranks, self.single, self.rewriting, matching, conditions = head
        self.highest = max(ranks.bit_length() - 1, 0)
        self._data = data
        self._find = data.find
        self._shift = _MOST_BITS - bits
        self._start = _HEADER.size + 4 * ((1 << bits) + 1)
        self._end = self._start + self.count * _ENTRY
        if bits > _MOST_BITS or self._end + conditions > len(data):
            raise BadImage("this is not a whole table of rules")
        self._offsets = memoryview(data)[_HEADER.size : self._start].cast("I")
        if self._offsets[0] != self._start or self._offsets[-1] != self._end:
            raise BadImage("this is not a whole table of rules")
        try:
            self.lists: list[RuleList] = [RuleList(**each) for each in json.loads(data[self._end + conditions :])]
        except (ValueError, TypeError):
            raise BadImage("this is not a whole table of rules") from None
        self.conditional = conditions > 0
        self._conditions = data[self._end : self._end + conditions]
        self._known: dict[int, tuple[int, Condition]] = {}
        self.expressions = self._compiled() if matching else {}

    def _compiled(self) -> dict[int, Expressions]:
        """
        Return the expressions of each list that has some, by its number.

        @raise BadImage: google-re2 is not installed, or cannot compile them.
        """
        texts: dict[int, list[bytes]] = {}
        rules: dict[int, list[tuple[int, int]]] = {}
        for word, place in self.rulesFor(KEY):
            texts.setdefault(word & SOURCE, []).append(self.condition(place)[1].expression)
            rules.setdefault(word & SOURCE, []).append((word, place))
        try:
            return {number: Expressions(texts[number], rules[number]) for number in texts}
        except (ImportError, ValueError) as error:
            raise BadImage(f"its expressions cannot be used: {error}") from None

    @classmethod
    def map(cls, path: str) -> PolicyTable:
        """
        Map a file into memory. It may be removed afterwards.

        @raise OSError: it cannot be read.
        @raise BadImage: it is not a table.
        """
        with open(path, "rb", opener=openNow) as file:
            if not os.fstat(file.fileno()).st_size:
                raise BadImage("an empty file is not a table of rules")
            return cls(mmap(file.fileno(), 0, access=ACCESS_READ))

    def rulesFor(self, name: bytes) -> Sequence[tuple[int, int]]:
        """
        Return the bits and the line of each rule for a name itself; in place of the line, that of its condition if it has one.

        @param name: lower case with dots between labels, without a final dot.
        """
        digest = blake2b(self.key + name, digest_size=_DIGEST).digest()
        bucket = (digest[0] << 16 | digest[1] << 8 | digest[2]) >> self._shift
        offsets = self._offsets
        start, end = offsets[bucket], offsets[bucket + 1]
        at = self._find(digest, start, end)
        if at < 0:
            return _NOTHING
        found: list[tuple[int, int]] = []
        while at >= 0:
            if not (at - start) % _ENTRY:
                found.append(_REST.unpack_from(self._data, at + _DIGEST))
            at = self._find(digest, at + 1, end)
        return found

    @property
    def kept(self) -> bytes:
        """
        The octets that rules have places of.
        """
        return self._conditions

    def condition(self, place: int) -> tuple[int, Condition]:
        """
        Return the line of a rule that has a condition, and the condition.

        @param place: as L{rulesFor} returns it.
        """
        known = self._known.get(place)
        if known is None:
            if len(self._known) >= _KNOWN:
                self._known.clear()
            try:
                known = Condition.unpack(self._conditions, place)
            except StructError:
                known = _NEVER
            self._known[place] = known
        return known

    def numberOf(self, name: str) -> int:
        """
        Return the number of a list; -1 if the table has no such list.
        """
        return next((number for number, each in enumerate(self.lists) if each.list == name), -1)

    def pieces(self) -> Iterator[bytes]:
        """
        Return the octets of all rules, in pieces.
        """
        size = _ENTRY << 16
        for at in range(self._start, self._end, size):
            yield self._data[at : min(at + size, self._end)]
