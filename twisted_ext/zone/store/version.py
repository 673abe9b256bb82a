"""
A zone at one serial number: an image, and the changes since it was built.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Generator, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING
from zlib import crc32

from twisted_ext.errors import BadChange
from twisted_ext.wire.names import nameToText
from twisted_ext.wire.records import RRSet
from twisted_ext.wire.rrtypes import SOA
from twisted_ext.zone.limits import NSEC3_STEPS, OVERLAY_NODES, OVERLAY_OCTETS
from twisted_ext.zone.store.image import Image
from twisted_ext.zone.store.nodes import (
    CUT,
    DNAME,
    EMPTY,
    OCCLUDED,
    SIGNED,
    SOA_OCTETS,
    Node,
    hashingOf,
    isHashed,
    keyBelow,
    parentKey,
    sortKey,
)
from twisted_ext.zone.store.overlay import UNCHANGED, Overlay, OverlayEditor, byOrder, standing
from twisted_ext.zone.store.serials import serialIn
from twisted_ext.zone.store.steps import finished

if TYPE_CHECKING:
    from twisted_ext.answers import Epoch, Origin

__all__ = ["DirectAnswer", "Version"]


class DirectAnswer:
    """
    The records of an answer section, all with AA and without other sections.

    @ivar octets: the records in wire format, to follow the question in a message.
    @ivar count: how many they are.
    @ivar synthesized: whether a wildcard matched, so that the number of such answers is not bounded.
    @ivar epoch: the epoch of the zone; the answer is valid while it is unchanged.
    """

    __slots__ = ("octets", "count", "synthesized", "epoch")

    def __init__(self, octets: bytes, count: int, synthesized: bool, epoch: Epoch) -> None:
        self.octets = octets
        self.count = count
        self.synthesized = synthesized
        self.epoch = epoch


class Version:
    """
    The content of a zone at one serial number. Immutable: an edit makes another version, which shares most data with it.

    @ivar overlay: the nodes of names that differ from the image; L{None} for removed names.
    @ivar origin: the origin of answers from this version; set when it is published.
    @ivar recut: whether cuts were added or removed since the image was built.
    @ivar wildcards: answers from wildcards, and C{signedWildcards} those for queries with DO; kept by L{twisted_ext.zone.query.direct}.
    @ivar denial: the authority section of negative answers, and C{signedDenial} the same with signatures; cached by
        L{twisted_ext.zone.query.answers}.
    """

    __slots__ = (
        "image", "overlay", "apex", "apexName", "serial", "origin", "denial", "signedDenial",
        "recut", "wildcards", "signedWildcards", "_changes", "_changed", "_top", "_soa", "_hashing", "_proves",
    )  # fmt: skip

    def __init__(self, image: Image, changes: Overlay = UNCHANGED) -> None:
        """
        @raise BadChange: after the changes, there is not exactly one SOA.
        """
        self.image = image
        self.apex = image.apex
        self.apexName = image.apexName
        self.overlay = changes.nodes
        self._changes = changes
        self.recut = bool(changes.cuts or changes.uncut)
        self._top = self.overlay.get(b"")
        self._soa: RRSet | None = None
        self._hashing: tuple[int, int, bytes] | None = None
        self._proves: bool | None = None
        # Sort key and key of each name with records in the overlay, sorted.
        self._changed: list[tuple[bytes, bytes]] | None = None
        self.origin: Origin | None = None
        self.denial: tuple[RRSet, ...] | None = None
        self.signedDenial: tuple[RRSet, ...] | None = None
        self.wildcards: dict[bytes, DirectAnswer] = {}
        self.signedWildcards: dict[bytes, DirectAnswer] = {}
        self.serial = image.serial if self._top is None else serialIn(self.soa.rdatas[0])

    @property
    def top(self) -> Node:
        top = self._top
        if top is None:
            top = self._top = self.image.node(0)
        return top

    @property
    def soa(self) -> RRSet:
        soa = self._soa
        if soa is None:
            soa = self.top.of(SOA)
            if soa is None or len(soa.rdatas) != 1 or len(soa.rdatas[0]) < SOA_OCTETS:
                raise BadChange(f"{nameToText(self.apex)} would have no SOA any more, or more than one")
            self._soa = soa
        return soa

    @property
    def changedOctets(self) -> int:
        return self._changes.octets

    def keysSince(self, before: Version | None) -> Iterable[bytes]:
        """
        Return the names that may differ from another version of the same image, or from the image. If edits made this version from
        that one, these are few, regardless of how many names differ from the image.
        """
        now, then = self._changes, UNCHANGED if before is None else before._changes
        if now.log is None or then.log is not now.log or then.place > now.place:
            return self.overlay
        return dict.fromkeys([key for keys in now.log[then.place : now.place] for key in keys])

    def find(self, key: bytes) -> Node | None:
        """
        Return the node of this name, or L{None}. Empty non-terminals have nodes too.
        """
        if not key:
            # The apex has more records than other names, and every negative answer needs it.
            return self.top
        overlay = self.overlay
        node = overlay[key] if overlay and key in overlay else self.image.at(key)
        return node if node is None or not self.recut else self._seen(node)

    def _seen(self, node: Node) -> Node:
        """
        Update a node's L{OCCLUDED} flag for cuts added or removed since the image was built.
        """
        changes = self._changes
        image = self.image
        flags = node.flags & ~OCCLUDED
        key = node.key
        while key:
            key = parentKey(key)
            if key in changes.cuts:
                flags |= OCCLUDED
                break
            if key not in changes.uncut and (index := image.find(key)) >= 0 and image.flags(index) & (CUT | DNAME):
                flags |= OCCLUDED
                break
        return node if flags == node.flags else Node(node.key, node.sets, flags, node.children)

    @property
    def nodeCount(self) -> int:
        find = self.image.find
        return self.image.nodes + sum([(node is not None) - (find(key) >= 0) for key, node in self.overlay.items()])

    @property
    def recordCount(self) -> int:
        image = self.image
        count = image.records
        for key, node in self.overlay.items():
            index = image.find(key)
            if index >= 0:
                count -= image.tally(index)
            if node is not None:
                count += sum([len(rrset.rdatas) for rrset in node.sets])
        return count

    @property
    def signed(self) -> bool:
        """
        Whether there is an NSEC or an NSEC3 chain.
        """
        return bool(self.top.flags & SIGNED) or self.nsec3Parameters is not None

    @property
    def proves(self) -> bool:
        """
        Whether negative answers have proofs, because the apex is signed. In an unsigned zone, NSEC and NSEC3 records are ordinary data.
        """
        if self._proves is None:
            self._proves = self.top.signatures(SOA) is not None
        return self._proves

    @property
    def crowded(self) -> bool:
        """
        Whether the next image is due, because so much differs from the current one.
        """
        return len(self.overlay) > OVERLAY_NODES.default or self._changes.octets > OVERLAY_OCTETS.default

    def nodes(self) -> Iterator[Node]:
        """
        Return all nodes, the apex first, in no particular order.
        """
        yield self.top
        overlay = self.overlay
        image = self.image
        recut = self.recut
        for index in range(1, image.nodes):
            if overlay and image.key(index) in overlay:
                continue
            node = image.node(index)
            yield self._seen(node) if recut else node
        for key, changed in overlay.items():
            if key and changed is not None:
                yield self._seen(changed) if recut else changed

    def subtree(self, *keys: bytes) -> Iterator[bytes]:
        """
        Return the keys of all names with records strictly below one name, or below any of several, each once, in no particular order.

        If the image is not ordered, all of its names are looked at, but only if there is one below.
        """
        # A name in the subtree of another one has nothing else below it.
        tops: list[bytes] = []
        for key in sorted(keys, key=sortKey):
            node = self.find(key)
            if node is not None and node.children and not (tops and keyBelow(key, tops[-1]) is not None):
                tops.append(key)
        if not tops:
            return
        image, overlay = self.image, self.overlay
        if image.isOrdered:
            for top in tops:
                for key in image.below(top):
                    if key not in overlay:
                        yield key
        else:
            several = set(tops)
            for index in range(1, image.nodes):
                if not image.flags(index) & EMPTY:
                    key = image.key(index)
                    if key not in overlay and _isBelow(key, several):
                        yield key
        changed = self._changed
        if changed is None:
            changed = self._changed = sorted([(sortKey(key), key) for key, node in overlay.items() if node is not None and node.sets])
        for top in tops:
            for index in range(bisect_right(changed, sortKey(top), key=byOrder), len(changed)):
                key = changed[index][1]
                if keyBelow(key, top) is None:
                    break
                yield key

    def hashedTo(self, value: int, count: int) -> Iterator[bytes]:
        """
        Return the names whose checksum (CRC-32) has this remainder, each once, in no particular order.

        @param count: the number of remainders, a power of two.
        """
        overlay, mask = self.overlay, count - 1
        for key in self.image.hashedTo(value, count):
            if crc32(key) & mask == value and key not in overlay:
                yield key
        for key, node in overlay.items():
            if node is not None and crc32(key) & mask == value:
                yield key

    # -- chains

    @property
    def relinked(self) -> tuple[list[tuple[bytes, bytes]], list[int]]:
        """
        How the NSEC chain differs from the image's: sort key and key of each name with NSEC in the overlay, sorted; and the indexes of
        names of the overlay in the chain of the image. Do not modify them.
        """
        return self._changes.chain, self._changes.chainGone

    @property
    def rehashed(self) -> tuple[list[bytes], list[int]]:
        """
        How the NSEC3 chain differs from the image's: hashes in the overlay, sorted; and the indexes of names of the overlay in the chain of
        the image. Do not modify them.
        """
        return self._changes.hashes, self._changes.hashesGone

    def nsecBefore(self, key: bytes) -> Node | None:
        """
        Return the node whose NSEC matches or covers a name: the last one with NSEC that does not sort after it.
        """
        order = sortKey(key)
        image, changes = self.image, self._changes
        place = standing(changes.chainGone, image.chainBefore(order))
        found = image.key(image.inChain(place)) if place >= 0 else None
        behind = bisect_right(changes.chain, order, key=byOrder)
        if behind:
            order, changed = changes.chain[behind - 1]
            if found is None or order > sortKey(found):
                found = changed
        return None if found is None else self.find(found)

    @property
    def nsec3Parameters(self) -> tuple[int, int, bytes] | None:
        if self._hashing is None:
            self._hashing = hashingOf(self.top.sets)
        return self._hashing

    def nsec3For(self, label: bytes) -> tuple[Node, bool] | None:
        """
        Return the node whose NSEC3 record matches or covers a hash, and whether it matches; L{None} if there is no chain.

        @param label: a hash in base 32 with the extended hex alphabet, in lower case, as in the owners of NSEC3 records.
        """
        hashing = self.nsec3Parameters
        if hashing is None:
            return None
        image, changes = self.image, self._changes
        gone, changed = changes.hashesGone, changes.hashes
        place = standing(gone, image.hashBefore(label))
        last = bisect_right(changed, label) - 1
        wrapped = False
        # Records of another chain, which is being added or removed, may be in between.
        for _ in range(int(NSEC3_STEPS.default)):
            if place < 0 and last < 0:
                if wrapped:
                    break
                # The last hash of the chain covers those before the first one.
                wrapped = True
                place, last = standing(gone, image.hashes - 1), len(changed) - 1
                continue
            found = image.key(image.inHashes(place))[1:] if place >= 0 else b""
            if last >= 0 and changed[last] > found:
                found = changed[last]
                last -= 1
            else:
                place = standing(gone, place - 1)
            node = self.find(bytes([len(found)]) + found)
            if node is not None and isHashed(node.key, node.sets, hashing):
                return node, found == label
        return None

    # -- changes

    def edited(self, changes: Mapping[bytes, tuple[RRSet, ...]], *, bounded: bool = True) -> Version:
        """
        Replace the records at some names. Empty non-terminals, flags and children are updated.

        @param changes: all records of each changed name after the change, their owners absolute; an empty tuple removes the name.
        @param bounded: enforce the limits of what may differ from the image; not needed if the next image is built of the result at once.

        @raise BadChange: the zone would have no SOA, or more than one.
        @raise BudgetSpent: more names would differ from the image than the limit. Build a new image first.
        """
        return finished(self.editing(changes, bounded=bounded))

    def editing(self, changes: Mapping[bytes, tuple[RRSet, ...]], *, bounded: bool = True) -> Generator[None, None, Version]:
        """
        Do what L{edited} does in short steps.
        """
        overlay = yield from OverlayEditor(self.image, self._changes).finishing(changes, bounded)
        return Version(self.image, overlay)

    # -- the next image

    def compacted(self, path: str, fingerprint: bytes = b"") -> None:
        """
        Write the image of this version to a file. Do this in another process: it takes seconds for a large zone.
        """
        from twisted_ext.zone.store.traversal import builderOf

        builderOf(self).finishTo(path, fingerprint)

    def settled(self) -> Version:
        """
        Return the same content as an image in memory, without an overlay. Use this for zones that are small enough to be built in this
        process.
        """
        from twisted_ext.zone.store.traversal import builderOf

        return Version(Image(builderOf(self).finish(self.image.fingerprint)))

    def __repr__(self) -> str:
        return f"<Version {self.serial} of {nameToText(self.apex)}, {self.image.nodes} names and {len(self.overlay)} changed>"


def _isBelow(key: bytes, several: set[bytes]) -> bool:
    while key:
        key = parentKey(key)
        if key in several:
            return True
    return False
