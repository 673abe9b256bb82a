"""
A zone at one serial number: an image, and what has changed since it was built.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Final

from twisted_ext.errors import BadChange
from twisted_ext.wire.names import nameToText
from twisted_ext.wire.records import RRSet
from twisted_ext.zone.images import Image
from twisted_ext.zone.limits import OVERLAY_NODES, OVERLAY_OCTETS, STRETCH_OCTETS
from twisted_ext.zone.nodes import CUT, DNAME, OCCLUDED, SIGNED, Node, keyBelow, sortKey

if TYPE_CHECKING:
    from twisted_ext.answers import Origin
    from twisted_ext.zone.differences import Difference

__all__ = ["Version"]

_SOA: Final = 6
_NSEC3PARAM: Final = 51


class Version:
    """
    All that a zone holds at one moment. Never changed: an edit makes another one, which shares nearly everything with it.

    @ivar image: what it was when it was built last.
    @ivar overlay: the names at which something is otherwise than there; L{None} for those that are gone.
    @ivar apex: the apex, folded.
    @ivar apexName: the apex as it is written.
    @ivar top: the node of the apex.
    @ivar soa: its SOA.
    @ivar serial: the serial number in it.
    @ivar origin: where answers come from that are given from it; set by whoever puts it in force.
    @ivar denial: what goes along with every denial, and C{signedDenial} the same with signatures: kept by L{twisted_ext.zone.answering}.
    """

    __slots__ = (
        "image", "overlay", "apex", "apexName", "top", "soa", "serial", "origin", "denial", "signedDenial",
        "_weight", "_added", "_removed", "_chain", "_hashes",
    )  # fmt: skip

    def __init__(self, image: Image) -> None:
        self.image = image
        self.apex = image.apex
        self.apexName = image.apexName
        self.overlay: dict[bytes, Node | None] = {}
        #: Octets of the overlay's records.
        self._weight = 0
        #: Names that are cuts or have a DNAME and do not in the image, and the other way round.
        self._added: frozenset[bytes] = frozenset()
        self._removed: frozenset[bytes] = frozenset()
        #: Names of the overlay with NSEC, and with NSEC3, each as it sorts and its key.
        self._chain: list[tuple[bytes, bytes]] = []
        self._hashes: list[tuple[bytes, bytes]] = []
        self._crown(image.node(0))

    def _crown(self, top: Node) -> None:
        soa = top.of(_SOA)
        if soa is None or len(soa.rdatas) != 1 or len(soa.rdatas[0]) < 22:
            raise BadChange(f"{nameToText(self.apex)} would not have one SOA any more")
        self.top = top
        self.soa = soa
        self.serial = int.from_bytes(soa.rdatas[0][-20:-16], "big")
        self.origin: Origin | None = None
        self.denial: tuple[RRSet, ...] | None = None
        self.signedDenial: tuple[RRSet, ...] | None = None

    def keyOf(self, name: bytes) -> bytes | None:
        """
        @param name: an absolute name.

        @return: its key, or L{None} where it lies outside of the zone.
        """
        return keyBelow(name, self.apex)

    def find(self, key: bytes) -> Node | None:
        """
        @return: the node of this name, if there is one. Names without records have nodes too where there are names below them.
        """
        overlay = self.overlay
        if key in overlay:
            node = overlay[key]
            if node is None:
                return None
        else:
            index = self.image.find(key)
            if index < 0:
                return None
            node = self.image.node(index)
        if self._added or self._removed:
            return self._seen(node)
        return node

    def _seen(self, node: Node) -> Node:
        """
        @return: the node, with the L{OCCLUDED} that cuts made or undone since the image give it.
        """
        flags = node.flags & ~OCCLUDED
        key = node.key
        while key:
            key = key[key[0] + 1 :]
            if self._cutAt(key):
                flags |= OCCLUDED
                break
        return node if flags == node.flags else Node(node.key, node.sets, flags, node.children)

    def _cutAt(self, key: bytes) -> bool:
        if key in self._added:
            return True
        if key in self._removed:
            return False
        index = self.image.find(key)
        return index >= 0 and bool(self.image.flags(index) & (CUT | DNAME))

    @property
    def nodeCount(self) -> int:
        """
        How many nodes there are.
        """
        find = self.image.find
        return self.image.nodes + sum([(node is not None) - (find(key) >= 0) for key, node in self.overlay.items()])

    @property
    def recordCount(self) -> int:
        """
        How many records there are.
        """
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
    def crowded(self) -> bool:
        """
        Whether so much differs from the image that it is time to build the next one.
        """
        return len(self.overlay) > OVERLAY_NODES.default or self._weight > OVERLAY_OCTETS.default

    def nodes(self) -> Iterator[Node]:
        """
        @return: all nodes, the apex first, in no particular order.
        """
        yield self.top
        overlay = self.overlay
        image = self.image
        changed = bool(self._added or self._removed)
        for index in range(1, image.nodes):
            if overlay and image.key(index) in overlay:
                continue
            node = image.node(index)
            yield self._seen(node) if changed else node
        for key, changedNode in overlay.items():
            if key and changedNode is not None:
                yield self._seen(changedNode) if changed else changedNode

    def _successor(
        self,
        overlay: dict[bytes, Node | None],
        weight: int,
        added: frozenset[bytes],
        removed: frozenset[bytes],
        chain: list[tuple[bytes, bytes]],
        hashes: list[tuple[bytes, bytes]],
    ) -> Version:
        after = Version.__new__(Version)
        after.image = self.image
        after.apex = self.apex
        after.apexName = self.apexName
        after.overlay = overlay
        after._weight = weight
        after._added = added
        after._removed = removed
        after._chain = chain
        after._hashes = hashes
        after._crown(overlay.get(b"") or self.top)
        return after

    # -- chains

    def nsecBefore(self, key: bytes) -> Node | None:
        """
        @return: the node whose NSEC matches or covers this name: the last one with NSEC that does not come after it.
        """
        order = sortKey(key)
        image, overlay = self.image, self.overlay
        place = image.chainBefore(order)
        index = -1
        while place >= 0:
            index = image.inChain(place)
            if not overlay or image.key(index) not in overlay:
                break
            place -= 1
        inImage = image.key(index) if place >= 0 else None
        behind = bisect_right(self._chain, (order, b"\xff" * 256))
        inOverlay = self._chain[behind - 1] if behind else None
        if inOverlay is not None and (inImage is None or inOverlay[0] > sortKey(inImage)):
            return self.find(inOverlay[1])
        return None if inImage is None else self.find(inImage)

    @property
    def nsec3Parameters(self) -> tuple[int, int, bytes] | None:
        """
        The hash algorithm, the further iterations and the salt of the NSEC3 chain (RFC 5155, section 4), if there is one.
        """
        rrset = self.top.of(_NSEC3PARAM)
        if rrset is not None:
            for rdata in rrset.rdatas:
                if len(rdata) >= 5 and not rdata[1]:
                    return rdata[0], int.from_bytes(rdata[2:4], "big"), rdata[5 : 5 + rdata[4]]
        return None

    def nsec3For(self, label: bytes) -> tuple[Node, bool] | None:
        """
        @param label: a hash in base 32 with the extended hex alphabet, in lower case, as it stands in the owners of NSEC3 records.

        @return: the node whose NSEC3 matches or covers it, and whether it matches; L{None} where there is no chain.
        """
        best = self._hashBefore(label)
        if best is None:
            best = self._hashBefore(b"\xff")
        if best is None:
            return None
        node = self.find(best)
        return None if node is None else (node, best[1:] == label)

    def _hashBefore(self, label: bytes) -> bytes | None:
        image, overlay = self.image, self.overlay
        place = image.hashBefore(label)
        key = b""
        while place >= 0:
            key = image.key(image.inHashes(place))
            if not overlay or key not in overlay:
                break
            place -= 1
        behind = bisect_right(self._hashes, (label, b"\xff" * 256))
        inOverlay = self._hashes[behind - 1] if behind else None
        if inOverlay is not None and (place < 0 or inOverlay[0] > key[1:]):
            return inOverlay[1]
        return key if place >= 0 else None

    # -- changes

    def edited(self, changes: Mapping[bytes, tuple[RRSet, ...]]) -> Version:
        """
        @param changes: for each name that changes all the records that it has from now on, their owners absolute; none where all go.

        @return: the version after that. Empty non-terminals, flags and children are made right.

        @raise BadChange: the zone would have no SOA, or more than one.
        @raise BudgetSpent: more would differ from the image than may. Let there be a new image first.
        """
        from twisted_ext.zone.editing import Editing

        return Editing(self).finish(changes)

    def difference(self, other: Version) -> Difference:
        """
        @param other: a later version of the same zone.

        @return: what goes and what comes from here to there.

        @raise BadChange: it is another zone's.
        """
        from twisted_ext.zone.comparing import difference

        return difference(self, other)

    # -- all of it

    def stretches(self, limit: int = int(STRETCH_OCTETS.default)) -> Iterator[tuple[bytes | memoryview, int]]:
        """
        All records as messages of a transfer have them, whose question has the apex at octet 12. The first of all is the SOA.

        @param limit: how many octets there may be at a time; a single record may have more.

        @return: octets, and how many records they are.
        """
        from twisted_ext.zone.comparing import stretches

        return stretches(self, limit)

    def compacted(self, path: str, fingerprint: bytes = b"") -> None:
        """
        Write the image of this version to a file. It takes seconds for a large zone: this is for a process of its own.
        """
        from twisted_ext.zone.comparing import builderOf

        builderOf(self).finishTo(path, fingerprint)

    def __repr__(self) -> str:
        return f"<Version {self.serial} of {nameToText(self.apex)}, {self.image.nodes} names and {len(self.overlay)} changed>"
