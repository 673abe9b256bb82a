"""
The chain of NSEC or NSEC3 records of a zone while a change of it is made.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from typing import TYPE_CHECKING

from twisted_ext.zone.store.nodes import sortKey
from twisted_ext.zone.store.overlay import byOrder, standing, standingFrom

if TYPE_CHECKING:
    from twisted_ext.zone.store.version import Version

__all__ = ["HashChain", "NSECChain"]


class NSECChain:
    """
    The names of a version that have NSEC records, and what a change adds to them and removes. The version itself never changes: what it has
    is copied when a name is added or removed.
    """

    __slots__ = ("_image", "_listed", "_gone", "_ownsListed", "_ownsGone")

    def __init__(self, version: Version) -> None:
        self._image = version.image
        # As an overlay has them: names besides those of the image's chain, and indexes of those in the image's that do not count.
        self._listed, self._gone = version.relinked
        self._ownsListed = self._ownsGone = False

    def add(self, key: bytes) -> None:
        """
        Add a name, unless it is there.
        """
        order = sortKey(key)
        at = bisect_left(self._listed, order, key=byOrder)
        if self._isListed(at, key) or self._placeOf(order, key) >= 0:
            return
        self._ownListed().insert(at, (order, key))

    def remove(self, key: bytes) -> None:
        """
        Remove a name, if it is there.
        """
        order = sortKey(key)
        at = bisect_left(self._listed, order, key=byOrder)
        if self._isListed(at, key):
            del self._ownListed()[at]
            return
        place = self._placeOf(order, key)
        if place >= 0:
            if not self._ownsGone:
                self._gone = [*self._gone]
                self._ownsGone = True
            insort(self._gone, place)

    def after(self, order: bytes) -> bytes:
        """
        Return the key of the name that follows; behind the last one that is the apex, C{b""}.

        @param order: a sort key, see L{sortKey<twisted_ext.zone.store.nodes.sortKey>}, of a name that need not be in the chain.
        """
        image, listed = self._image, self._listed
        place = standingFrom(self._gone, image.chainBefore(order) + 1)
        at = bisect_right(listed, order, key=byOrder)
        if place >= image.signed:
            return listed[at][1] if at < len(listed) else b""
        key = image.key(image.inChain(place))
        return listed[at][1] if at < len(listed) and listed[at][0] < sortKey(key) else key

    def before(self, order: bytes) -> bytes | None:
        """
        Return the key of the last name that sorts strictly before; L{None} if there is none, as before the apex.

        @param order: a sort key, of a name that need not be in the chain.
        """
        image, listed = self._image, self._listed
        place = image.chainBefore(order)
        if place >= 0 and sortKey(image.key(image.inChain(place))) == order:
            place -= 1
        place = standing(self._gone, place)
        at = bisect_left(listed, order, key=byOrder) - 1
        if place < 0:
            return listed[at][1] if at >= 0 else None
        key = image.key(image.inChain(place))
        return listed[at][1] if at >= 0 and listed[at][0] > sortKey(key) else key

    def _isListed(self, at: int, key: bytes) -> bool:
        return at < len(self._listed) and self._listed[at][1] == key

    def _ownListed(self) -> list[tuple[bytes, bytes]]:
        if not self._ownsListed:
            self._listed = [*self._listed]
            self._ownsListed = True
        return self._listed

    def _placeOf(self, order: bytes, key: bytes) -> int:
        """
        Return the index of a name in the image's chain, or -1 if it is not there or does not count.
        """
        image = self._image
        place = image.chainBefore(order)
        if place < 0 or standing(self._gone, place) != place or image.key(image.inChain(place)) != key:
            return -1
        return place


class HashChain:
    """
    The hashes of a version that have NSEC3 records, as labels in base 32 and lower case, and what a change adds to them and removes. The
    version itself never changes.
    """

    __slots__ = ("_image", "_listed", "_gone")

    def __init__(self, version: Version) -> None:
        self._image = version.image
        listed, gone = version.rehashed
        self._listed, self._gone = [*listed], [*gone]

    def add(self, label: bytes) -> None:
        """
        Add a hash, unless it is there.
        """
        at = bisect_left(self._listed, label)
        if not self._isListed(at, label) and self._placeOf(label) < 0:
            self._listed.insert(at, label)

    def remove(self, label: bytes) -> None:
        """
        Remove a hash, if it is there.
        """
        at = bisect_left(self._listed, label)
        if self._isListed(at, label):
            del self._listed[at]
            return
        place = self._placeOf(label)
        if place >= 0:
            insort(self._gone, place)

    def after(self, label: bytes) -> bytes:
        """
        Return the hash that follows one, which need not be there; behind the last one that is the first one, C{b""} if there is none.
        """
        place, at = self._image.hashBefore(label) + 1, bisect_right(self._listed, label)
        return self._from(place, at) or self._from(0, 0)

    def before(self, label: bytes) -> bytes:
        """
        Return the hash that precedes one, which need not be there; before the first one that is the last one, C{b""} if there is none.
        """
        place, at = self._image.hashBefore(label), bisect_left(self._listed, label)
        if place >= 0 and self._at(place) == label:
            place -= 1
        return self._upTo(place, at) or self._upTo(self._image.hashes - 1, len(self._listed))

    def _from(self, place: int, at: int) -> bytes:
        """
        Return the first hash from these places on.
        """
        place = standingFrom(self._gone, place)
        found = self._at(place) if place < self._image.hashes else b""
        if at < len(self._listed) and (not found or self._listed[at] < found):
            return self._listed[at]
        return found

    def _upTo(self, place: int, at: int) -> bytes:
        """
        Return the last hash up to C{place}, or before C{at}.
        """
        place = standing(self._gone, place)
        found = self._at(place) if place >= 0 else b""
        return self._listed[at - 1] if at and self._listed[at - 1] > found else found

    def _at(self, place: int) -> bytes:
        return self._image.key(self._image.inHashes(place))[1:]

    def _isListed(self, at: int, label: bytes) -> bool:
        return at < len(self._listed) and self._listed[at] == label

    def _placeOf(self, label: bytes) -> int:
        place = self._image.hashBefore(label)
        return place if place >= 0 and standing(self._gone, place) == place and self._at(place) == label else -1
