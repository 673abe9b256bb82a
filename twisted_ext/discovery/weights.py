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

__all__ = ["Drawing", "Shuffling", "drawn", "grouped", "inOrder", "targetsOf"]

_T = TypeVar("_T")


class Drawing(Protocol):
    """
    A source of chance, such as L{random.Random} or the module itself.
    """

    def randint(self, a: int, b: int, /) -> int:
        """
        @return: a number from C{a} to C{b}, both of them included.
        """


class Shuffling(Drawing, Protocol):
    """
    A source of chance that puts things into any order as well.
    """

    def shuffle(self, x: MutableSequence[_T], /) -> None:
        """
        Change the order.
        """


def drawn(weighed: Iterable[tuple[int, _T]], rng: Drawing) -> Iterator[_T]:
    """
    Draw one after the other, each by the share that its weight has among those left (RFC 2782, on Weight): a number from 0 to the sum of
    the weights, both included, takes the first at which the running sum reaches it.

    @param weighed: weights and what they belong to. Those of weight 0 have to come first, else they have no chance at all.
    @param rng: asked for as long as more than one is left.

    @return: all of them. Each takes as many steps as there are others, so take no more than are needed.
    """
    left = list(weighed)
    while len(left) > 1:
        sums = list(accumulate([weight for weight, _ in left]))
        yield left.pop(bisect_left(sums, rng.randint(0, sums[-1])))[1]
    for _, last in left:
        yield last


def grouped(allRecords: Iterable[tuple[int, int, _T]], rng: Drawing) -> Iterator[_T]:
    """
    @param allRecords: priorities, weights and what they belong to.

    @return: what they belong to, the lowest priority first, drawn by weight; records that are equal in both begin in the order given.
    """
    for _, records in groupby(sorted(allRecords, key=itemgetter(0, 1)), key=itemgetter(0)):
        yield from drawn([(weight, record) for _, weight, record in records], rng)


def inOrder(records: Iterable[tuple[int, int, _T]], rng: Shuffling, most: float | None = None) -> list[_T]:
    """
    Put records into the order to try them in.

    RFC 2782 lets those of a priority begin in any order, except that weights of 0 come before others. Where weights are small this order
    tells, as what is first is drawn for 0 as well: of two with weight 1 it would get two thirds of the draws. So it is left to chance too,
    and equal weights have equal shares.

    @param records: priorities, weights and what they belong to.
    @param most: how many to give; the range of L{SERVICE_TARGETS}.

    @return: what they belong to.
    """
    shuffled = list(records)
    rng.shuffle(shuffled)
    # Not by weight, except for whether it is one: sorting keeps the order of what is equal.
    shuffled.sort(key=lambda record: (record[0], record[1] > 0))
    ordered = (
        record
        for _, group in groupby(shuffled, key=itemgetter(0))
        for record in drawn([(weight, record) for _, weight, record in group], rng)
    )
    return list(islice(ordered, int(SERVICE_TARGETS.pick(most))))


def targetsOf(records: Iterable[SRV], rng: Shuffling, most: float | None = None) -> list[Target]:
    """
    @return: where a service is, in the order to try it in; nothing where there are no records.

    @raise NotOffered: the only target is the root: the service is decidedly not available at this domain (RFC 2782, on Target).
    @raise UnusableRecords: no record has both the name of a host and a port.
    """
    seen = list(records)
    usable: list[tuple[int, int, Target]] = []
    wrong = ""
    for record in seen:
        host = hostOf(record.target)
        if host is not None and record.port:
            usable.append((record.priority, record.weight, Target(host, record.port, record.priority, record.weight)))
        elif record.target != ROOT:
            wrong = f"{nameToText(record.target)} with port {record.port} is nothing to connect to"
    if not usable and seen:
        if wrong:
            raise UnusableRecords(wrong)
        raise NotOffered("the domain says that it has no such service")
    return inOrder(usable, rng, most)
