"""
Making the next version of a zone from one and from what changes.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from twisted_ext.errors import BudgetSpent
from twisted_ext.wire.names import nameToText
from twisted_ext.wire.records import RRSet
from twisted_ext.zone.limits import OVERLAY_NODES, OVERLAY_OCTETS
from twisted_ext.zone.nodes import (
    CUT,
    DNAME,
    EMPTY,
    OCCLUDED,
    SIGNED,
    WILDCARD,
    Node,
    flagsOf,
    gathered,
    parentKey,
    sortKey,
)

if TYPE_CHECKING:
    from twisted_ext.zone.versions import Version

__all__ = ["Editing"]

_NSEC3: Final = 50
_STAR: Final = b"\x01*"


class Editing:
    """
    The overlay of a version to be.
    """

    __slots__ = ("_before", "_image", "_overlay", "_weight", "_added", "_removed", "_chain", "_hashes")

    def __init__(self, before: Version) -> None:
        self._before = before
        self._image = before.image
        self._overlay = dict(before.overlay)
        self._weight = before._weight
        self._added: set[bytes] | frozenset[bytes] = before._added
        self._removed: set[bytes] | frozenset[bytes] = before._removed
        self._chain = before._chain.copy()
        self._hashes = before._hashes.copy()

    def finish(self, changes: Mapping[bytes, tuple[RRSet, ...]]) -> Version:
        """
        See L{Version.edited<twisted_ext.zone.versions.Version.edited>}.
        """
        for key, sets in changes.items():
            self._change(key, gathered(sets))
        if len(self._overlay) > OVERLAY_NODES.most or self._weight > OVERLAY_OCTETS.most:
            raise BudgetSpent(f"too much has changed in {nameToText(self._before.apex)} since its image was built")
        return self._before._successor(
            self._overlay, self._weight, frozenset(self._added), frozenset(self._removed), self._chain, self._hashes
        )

    def _get(self, key: bytes) -> Node | None:
        if key in self._overlay:
            return self._overlay[key]
        index = self._image.find(key)
        return None if index < 0 else self._image.node(index)

    def _change(self, key: bytes, sets: tuple[RRSet, ...]) -> None:
        old = self._get(key)
        if old is None:
            if sets:
                self._put(key, Node(key, sets, flagsOf(key, sets) | self._occlusion(key), 0))
                self._climb(key)
        elif sets or old.children or not key:
            self._put(key, Node(key, sets, flagsOf(key, sets) | old.flags & (OCCLUDED | WILDCARD), old.children))
        else:
            self._put(key, None)
            self._descend(key)

    def _climb(self, key: bytes) -> None:
        """
        Tell the names above of a new one.
        """
        while key:
            wild = WILDCARD if key[:2] == _STAR else 0
            key = parentKey(key)
            parent = self._get(key)
            if parent is not None:
                self._put(key, Node(key, parent.sets, parent.flags | wild, parent.children + 1))
                return
            self._put(key, Node(key, (), EMPTY | wild | self._occlusion(key), 1))

    def _descend(self, key: bytes) -> None:
        """
        Tell the names above that one is gone.
        """
        while key:
            wild = WILDCARD if key[:2] == _STAR else 0
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
        @return: L{OCCLUDED} if the image's own cuts make a new name so. What the overlay's do is found out when the name is looked up.
        """
        image = self._image
        while key:
            key = parentKey(key)
            index = image.find(key)
            if index >= 0:
                return OCCLUDED if image.flags(index) & (CUT | DNAME | OCCLUDED) else 0
        return 0

    def _put(self, key: bytes, node: Node | None) -> None:
        overlay = self._overlay
        before = overlay.get(key)
        if before is not None:
            self._weight -= _weightOf(before)
            self._unlink(before)
        overlay[key] = node
        if node is not None:
            self._weight += _weightOf(node)
            self._link(node)
        self._mind(key, node)

    def _mind(self, key: bytes, node: Node | None) -> None:
        """
        Keep track of cuts that are otherwise than in the image.
        """
        index = self._image.find(key)
        was = index >= 0 and bool(self._image.flags(index) & (CUT | DNAME))
        is_ = node is not None and bool(node.flags & (CUT | DNAME))
        if (key in self._added) != (is_ and not was):
            self._added = self._added ^ {key}
        if (key in self._removed) != (was and not is_):
            self._removed = self._removed ^ {key}

    def _link(self, node: Node) -> None:
        if node.flags & SIGNED:
            insort(self._chain, (sortKey(node.key), node.key))
        if node.of(_NSEC3) is not None and node.key[0] + 1 == len(node.key):
            insort(self._hashes, (node.key[1:], node.key))

    def _unlink(self, node: Node) -> None:
        if node.flags & SIGNED:
            del self._chain[bisect_left(self._chain, (sortKey(node.key), node.key))]
        if node.of(_NSEC3) is not None and node.key[0] + 1 == len(node.key):
            del self._hashes[bisect_left(self._hashes, (node.key[1:], node.key))]


def _weightOf(node: Node) -> int:
    return sum([len(rdata) + len(rrset.name) + 10 for rrset in node.sets for rdata in rrset.rdatas])
