"""
Order records by priority and weight (RFC 2782): the lowest priority first, and a weighted random order within each priority. Targets and
URIs from SRV, MX (RFC 5321, section 5.1; RFC 7505) and URI records (RFC 7553) in that order.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator, MutableSequence
from itertools import accumulate, groupby, islice
from operator import itemgetter
from typing import TYPE_CHECKING, Final, Protocol, TypeVar

from twisted_ext.discovery.limits import REWRITTEN_CHARACTERS, SERVICE_TARGETS
from twisted_ext.discovery.targets import Target, hostOf
from twisted_ext.errors import NotOffered, UnusableRecords
from twisted_ext.wire.names import ROOT, nameToText

if TYPE_CHECKING:
    from twisted_ext.wire.rdata.types.names import MX
    from twisted_ext.wire.rdata.types.service import SRV, URI

__all__ = [
    "RandomSource", "SMTP", "ShufflingSource", "drawn", "grouped", "inOrder", "isURI", "mailTargets", "serverTargets", "urisOf",
]  # fmt: skip

_T = TypeVar("_T")

#: The port of mail servers.
SMTP: Final = 25

#: Removes the characters that are valid in a scheme (RFC 3986, section 3.1).
_SCHEME: Final = str.maketrans("", "", "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789+-.")


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

    def shuffle(self, x: MutableSequence[_T], /) -> None: ...


def drawn(weighed: Iterable[tuple[int, _T]], rng: RandomSource) -> Iterator[_T]:
    """
    Yield items in weighted random order, the probability of each proportional to its weight among those left (RFC 2782, on Weight): a
    random number from 0 to the sum of the weights, both included, selects the first item whose running sum is not less.

    @param weighed: weights and items. Those of weight 0 must come first, else they are never selected while others are left.

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


def serverTargets(records: Iterable[SRV], rng: ShufflingSource, most: float | None = None) -> list[Target]:
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


def mailTargets(domain: str, records: Iterable[MX], rng: ShufflingSource, most: float | None = None) -> list[Target]:
    """
    Return the mail servers in the order in which to try them, those of equal preference in random order.

    @param domain: the domain as a host, which is the only target if there are no records.

    @raise NotOffered: the domain accepts no mail (RFC 7505).
    @raise UnusableRecords: no record contains a valid host name. The domain itself is not used then (RFC 5321, section 5.1).
    """
    seen = list(records)
    if not seen:
        return [Target(domain, SMTP)]
    usable: list[tuple[int, int, Target]] = []
    wrong = ""
    for record in seen:
        host = hostOf(record.exchange)
        if host is not None:
            usable.append((record.preference, 0, Target(host, SMTP, record.preference)))
        elif record.exchange != ROOT:
            wrong = f"{nameToText(record.exchange)} is not a valid host name"
    if not usable:
        if wrong:
            raise UnusableRecords(wrong)
        raise NotOffered("the domain says that it takes no mail")
    return inOrder(usable, rng, most)


def isURI(text: str) -> bool:
    """
    Return whether C{text} is safe to return as a URI: a scheme, a colon, and printable text without blanks. The caller checks the rules of
    the particular scheme.
    """
    scheme, colon, rest = text.partition(":")
    if not (colon and rest and text.isprintable() and " " not in text and len(text) <= REWRITTEN_CHARACTERS.most):
        return False
    return scheme.isascii() and scheme[:1].isalpha() and not scheme.translate(_SCHEME)


def urisOf(records: Iterable[URI], rng: ShufflingSource, most: float | None = None) -> list[str]:
    """
    Return the URIs in the order in which to try them (RFC 7553, section 4); an empty list if there are no records.

    @raise UnusableRecords: there are records, but none has a valid URI.
    """
    seen = list(records)
    texts = [(record.priority, record.weight, record.target.decode("utf-8", "replace")) for record in seen]
    usable = [each for each in texts if isURI(each[2]) and "\N{REPLACEMENT CHARACTER}" not in each[2]]
    if seen and not usable:
        raise UnusableRecords(f"{texts[0][2]!r:.80} is not a valid URI")
    return inOrder(usable, rng, most)
