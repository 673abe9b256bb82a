"""
The changes of a zone since its image was built.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from collections.abc import Generator, Mapping, Sequence
from operator import itemgetter
from typing import Final, NamedTuple

from twisted_ext.errors import BadChange, BudgetSpent
from twisted_ext.wire.names import nameToText
from twisted_ext.wire.records import RRSet
from twisted_ext.wire.rrtypes import NSEC3
from twisted_ext.zone.limits import OVERLAY_NODES, OVERLAY_OCTETS
from twisted_ext.zone.store.image import Image
from twisted_ext.zone.store.nodes import (
    CUT,
    DNAME,
    EMPTY,
    OCCLUDED,
    SIGNED,
    STAR,
    WILDCARD,
    Node,
    flagsOf,
    gathered,
    octetsOf,
    parentKey,
    sortKey,
)

__all__ = ["UNCHANGED", "Overlay", "OverlayEditor", "byOrder", "standing", "standingFrom"]

#: Entries after which a new log is started, since old ones are of little use.
_LOGGED: Final = 256

#: Names that are changed in one step: less than a millisecond.
_STEP: Final = 50

#: Sort key of an entry of a chain.
byOrder: Final = itemgetter(0)


class Overlay(NamedTuple):
    """
    The names that differ from the image. L{OverlayEditor} makes the next one; this one never changes.

    @ivar nodes: the nodes of these names now; L{None} for a name that was removed. Their L{OCCLUDED} flag takes only the image's cuts into
        account; other cuts are applied at each look-up, since adding or removing one may affect every name of the zone.
    @ivar octets: the size of its records.
    @ivar cuts: names that are cuts or have a DNAME here but not in the image.
    @ivar uncut: names that are cuts or have a DNAME in the image only.
    @ivar chain: sort key and key of each name with NSEC, sorted.
    @ivar chainGone: indexes in the image's NSEC chain of names in C{nodes}.
    @ivar hashes: first labels of names with NSEC3, sorted.
    @ivar hashesGone: indexes in the image's NSEC3 chain of names in C{nodes}.
    @ivar log: the names that each edit changed, in the series of overlays that ends with this one or a later one.
    @ivar place: the number of log entries up to this overlay.
    """

    nodes: dict[bytes, Node | None]
    octets: int
    cuts: set[bytes]
    uncut: set[bytes]
    chain: list[tuple[bytes, bytes]]
    chainGone: list[int]
    hashes: list[bytes]
    hashesGone: list[int]
    log: list[tuple[bytes, ...]] | None = None
    place: int = 0


#: The overlay without changes.
UNCHANGED: Final = Overlay({}, 0, set(), set(), [], [], [], [])


def standing(gone: Sequence[int], place: int) -> int:
    """
    Return the last index up to C{place} that is not in C{gone}, or -1.

    @param gone: indexes in a chain, sorted.
    """
    last = bisect_right(gone, place) - 1
    if last < 0 or gone[last] != place:
        return place
    # In a run of consecutive indexes, their differences equal the differences of their positions in the list.
    first, end = 0, last
    while first < end:
        middle = (first + end) // 2
        if gone[last] - gone[middle] == last - middle:
            end = middle
        else:
            first = middle + 1
    return gone[first] - 1


def standingFrom(gone: Sequence[int], place: int) -> int:
    """
    Return the first index from C{place} on that is not in C{gone}.

    @param gone: indexes in a chain, sorted.
    """
    first = bisect_left(gone, place)
    if first == len(gone) or gone[first] != place:
        return place
    begin, last = first, len(gone) - 1
    while begin < last:
        middle = (begin + last + 1) // 2
        if gone[middle] - gone[first] == middle - first:
            begin = middle
        else:
            last = middle - 1
    return gone[last] + 1


class OverlayEditor:
    """
    Makes the next overlay of an image.
    """

    __slots__ = ("_image", "_before", "_after", "_octets", "_touched")

    def __init__(self, image: Image, before: Overlay) -> None:
        self._image = image
        self._before = before
        self._after = Overlay(
            dict(before.nodes), before.octets, set(before.cuts), set(before.uncut), list(before.chain), list(before.chainGone),
            list(before.hashes), list(before.hashesGone),
        )  # fmt: skip
        self._octets = before.octets
        self._touched: dict[bytes, None] = {}

    def finishing(self, changes: Mapping[bytes, Sequence[RRSet]], bounded: bool) -> Generator[None, None, Overlay]:
        """
        Apply changes and make the next overlay, in short steps; see L{Version.editing<twisted_ext.zone.store.version.Version.editing>}.

        @raise BadChange: the owner of an RRset is not the name that it is given for.
        """
        after = self._after
        for count, (key, sets) in enumerate(changes.items(), 1):
            name = key + self._image.apex
            for rrset in sets:
                if rrset.name.lower() != name:
                    raise BadChange(f"records of {nameToText(rrset.name)} cannot be at {nameToText(name)}")
            self._change(key, gathered(sets))
            if count % _STEP == 0:
                yield
        if bounded and (len(after.nodes) > OVERLAY_NODES.most or self._octets > OVERLAY_OCTETS.most):
            zone = nameToText(self._image.apex)
            raise BudgetSpent(f"{len(after.nodes)} names of {zone} would differ from its image; it needs the next one first")
        log, place = self._before.log, self._before.place
        if log is None or place != len(log) or place >= _LOGGED:
            # The former overlay was edited twice, or its log has reached its maximum size.
            log, place = [], 0
        log.append(tuple(self._touched))
        return after._replace(octets=self._octets, log=log, place=place + 1)

    def _get(self, key: bytes) -> Node | None:
        nodes = self._after.nodes
        return nodes[key] if key in nodes else self._image.at(key)

    def _change(self, key: bytes, sets: tuple[RRSet, ...]) -> None:
        old = self._get(key)
        if old is None:
            if sets:
                self._put(key, Node(key, sets, flagsOf(key, sets) | self._occlusion(key), 0))
                self._addToParents(key)
        elif sets or old.children or not key:
            self._put(key, Node(key, sets, flagsOf(key, sets) | old.flags & (OCCLUDED | WILDCARD), old.children))
        else:
            self._put(key, None)
            self._removeFromParents(key)

    def _addToParents(self, key: bytes) -> None:
        while key:
            wild = WILDCARD if key.startswith(STAR) else 0
            key = parentKey(key)
            parent = self._get(key)
            if parent is not None:
                self._put(key, Node(key, parent.sets, parent.flags | wild, parent.children + 1))
                return
            self._put(key, Node(key, (), EMPTY | wild | self._occlusion(key), 1))

    def _removeFromParents(self, key: bytes) -> None:
        while key:
            wild = WILDCARD if key.startswith(STAR) else 0
            key = parentKey(key)
            parent = self._get(key)
            if parent is None:
                return
            if parent.children > 1 or parent.sets or not key:
                self._put(key, Node(key, parent.sets, parent.flags & ~wild, parent.children - 1))
                return
            self._put(key, None)

    def _occlusion(self, key: bytes) -> int:
        """
        Return L{OCCLUDED} if a new name is below a cut of the image.
        """
        image = self._image
        while key:
            key = parentKey(key)
            index = image.find(key)
            if index >= 0:
                return OCCLUDED if image.flags(index) & (CUT | DNAME | OCCLUDED) else 0
        return 0

    def _put(self, key: bytes, node: Node | None) -> None:
        nodes = self._after.nodes
        index = self._image.find(key)
        self._touched[key] = None
        if key in nodes:
            before = nodes[key]
            if before is not None:
                self._octets -= octetsOf(before.sets)
                self._unlink(before)
        elif index >= 0:
            self._supersede(key, index)
        nodes[key] = node
        if node is not None:
            self._octets += octetsOf(node.sets)
            self._link(node)
        cut = node is not None and bool(node.flags & (CUT | DNAME))
        cutBefore = index >= 0 and bool(self._image.flags(index) & (CUT | DNAME))
        if (cut and not cutBefore) != (key in self._after.cuts):
            self._after.cuts.symmetric_difference_update((key,))
        if (cutBefore and not cut) != (key in self._after.uncut):
            self._after.uncut.symmetric_difference_update((key,))

    def _supersede(self, key: bytes, index: int) -> None:
        image = self._image
        if image.flags(index) & SIGNED:
            place = image.chainBefore(sortKey(key))
            if place >= 0 and image.inChain(place) == index:
                insort(self._after.chainGone, place)
        if image.hashes and _isOneLabel(key):
            place = image.hashBefore(key[1:])
            if place >= 0 and image.inHashes(place) == index:
                insort(self._after.hashesGone, place)

    def _link(self, node: Node) -> None:
        if node.flags & SIGNED:
            insort(self._after.chain, (sortKey(node.key), node.key))
        if _isOneLabel(node.key) and node.of(NSEC3) is not None:
            insort(self._after.hashes, node.key[1:])

    def _unlink(self, node: Node) -> None:
        if node.flags & SIGNED:
            del self._after.chain[bisect_left(self._after.chain, sortKey(node.key), key=byOrder)]
        if _isOneLabel(node.key) and node.of(NSEC3) is not None:
            del self._after.hashes[bisect_left(self._after.hashes, node.key[1:])]


def _isOneLabel(key: bytes) -> bool:
    return bool(key) and key[0] + 1 == len(key)
