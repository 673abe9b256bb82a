"""
Order records by priority and weight (RFC 2782): the lowest priority first, and a weighted random order within each priority.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator, MutableSequence
from itertools import accumulate, groupby, islice
from operator import itemgetter
from typing import TYPE_CHECKING, Protocol, TypeVar

from twisted_ext.discovery.limits import SERVICE_TARGETS
from twisted_ext.discovery.targets import Target, hostOf
from twisted_ext.errors import NotOffered, UnusableRecords
from twisted_ext.wire.names import ROOT, nameToText

if TYPE_CHECKING:
    from twisted_ext.wire.rdata.types.service import SRV

__all__ = ["RandomSource", "ShufflingSource", "drawn", "grouped", "inOrder", "targetsOf"]

_T = TypeVar("_T")


class RandomSource(Protocol):
    """
    A random number generator, such as L{random.Random} or the module itself.
    """

    def randint(self, a: int, b: int, /) -> int:
        """
        Return a number from C{a} to C{b}, both included.
        """


class ShufflingSource(RandomSource, Protocol):
    """
    A random number generator that can shuffle.
    """

    def shuffle(self, x: MutableSequence[_T], /) -> None:
        """
        Shuffle in place.
        """


def drawn(weighed: Iterable[tuple[int, _T]], rng: RandomSource) -> Iterator[_T]:
    """
    Yield items in weighted random order, the probability of each proportional to its weight among those left (RFC 2782, on Weight): a
    random number from 0 to the sum of the weights, both included, selects the first item whose running sum is not less.

    @param weighed: weights and items. Those of weight 0 must come first, else they are never selected while others are left.
    @param rng: called while more than one item is left.

    @return: all items. Each takes time proportional to the number of items left, so take no more than needed.
    """
    left = list(weighed)
    while len(left) > 1:
        sums = list(accumulate([weight for weight, _ in left]))
        yield left.pop(bisect_left(sums, rng.randint(0, sums[-1])))[1]
    for _, last in left:
        yield last


def grouped(allRecords: Iterable[tuple[int, int, _T]], rng: RandomSource) -> Iterator[_T]:
    """
    Yield items by priority, lowest first, and in weighted random order within a priority; records that are equal in both are drawn in the
    order given.

    @param allRecords: priority, weight and item.
    """
    for _, records in groupby(sorted(allRecords, key=itemgetter(0, 1)), key=itemgetter(0)):
        yield from drawn([(weight, record) for _, weight, record in records], rng)


def inOrder(records: Iterable[tuple[int, int, _T]], rng: ShufflingSource, most: float | None = None) -> list[_T]:
    """
    Put records into the order in which to try them.

    RFC 2782 allows any initial order within a priority, except that weight 0 comes before others. With small weights this order matters,
    because the number 0 also selects the first record: of two with weight 1, the first would be selected in two thirds of the draws.
    Therefore the initial order is random, so that equal weights have equal shares.

    @param records: priority, weight and item.
    @param most: the maximum number of items to return, in the range of L{SERVICE_TARGETS}.

    @return: the items.
    """
    shuffled = list(records)
    rng.shuffle(shuffled)
    # Sort only by whether the weight is 0. Sorting is stable, so the random order is kept otherwise.
    shuffled.sort(key=lambda record: (record[0], record[1] > 0))
    ordered = (
        record
        for _, group in groupby(shuffled, key=itemgetter(0))
        for record in drawn([(weight, record) for _, weight, record in group], rng)
    )
    return list(islice(ordered, int(SERVICE_TARGETS.pick(most))))


def targetsOf(records: Iterable[SRV], rng: ShufflingSource, most: float | None = None) -> list[Target]:
    """
    Return the targets in the order in which to try them; an empty list if there are no records.

    @raise NotOffered: the only target is the root: the domain does not offer the service (RFC 2782, on Target).
    @raise UnusableRecords: no record has both a valid host name and a port.
    """
    seen = list(records)
    usable: list[tuple[int, int, Target]] = []
    wrong = ""
    for record in seen:
        host = hostOf(record.target)
        if host is not None and record.port:
            usable.append((record.priority, record.weight, Target(host, record.port, record.priority, record.weight)))
        elif record.target != ROOT:
            wrong = f"{nameToText(record.target)} with port {record.port} is not a valid target"
    if not usable and seen:
        if wrong:
            raise UnusableRecords(wrong)
        raise NotOffered("the domain says that it has no such service")
    return inOrder(usable, rng, most)
