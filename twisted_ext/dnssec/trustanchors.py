"""
Trust anchors by zone: DS and DNSKEY records that are trusted without a chain (RFC 4033, section 2), those of the root built in.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from struct import Struct
from typing import Final

from twisted_ext.dnssec.keys import keyTag
from twisted_ext.dnssec.limits import ANCHORS
from twisted_ext.errors import BadDescription
from twisted_ext.wire.names import ROOT, canonicalKey, nameToText
from twisted_ext.wire.rrtypes import DNSKEY, DS

__all__ = ["ROOT_ANCHORS", "Anchor", "TrustAnchors", "ZoneAnchors", "keyTagOf"]

_HEAD: Final = Struct(">HBB")


def keyTagOf(rrType: int, rdata: bytes) -> int:
    """
    Return the key tag of a DS or DNSKEY record (RFC 4034, section 5.1.1 and appendix B).
    """
    return rdata[0] << 8 | rdata[1] if rrType == DS else keyTag(rdata)


@dataclass(frozen=True, slots=True)
class Anchor:
    """
    One trust anchor.

    @ivar zone: the folded name of the zone.
    @ivar rrType: DS or DNSKEY.
    @ivar rdata: the rdata of the record.
    @ivar managed: whether to follow rollovers of the key (RFC 5011); otherwise it is trusted until it is removed from the configuration.
    """

    zone: bytes
    rrType: int
    rdata: bytes
    managed: bool = True

    @property
    def tag(self) -> int:
        return keyTagOf(self.rrType, self.rdata)


def _rootDS(tag: int, digest: str) -> Anchor:
    """
    Return an anchor for a key of the root with algorithm 8 (RSASHA256) by its SHA-256 digest.
    """
    return Anchor(ROOT, DS, _HEAD.pack(tag, 8, 2) + bytes.fromhex(digest))


#: The keys that sign the root's keys, as IANA publishes their digests: that of 2017, in use until the rollover of October 2026 and revoked
#: in 2027, and that of 2024, published since January 2025 (U{https://data.iana.org/root-anchors/root-anchors.xml}).
ROOT_ANCHORS: Final = (
    _rootDS(20326, "e06d44b80b8f1d39a95c0b0d7c65d08458e880409bbc683457104237c7f8ec8d"),
    _rootDS(38696, "683d2d0acb8c9b712a1948b27f741219298d0a450d612c483af444a4c0fb2b16"),
)


class ZoneAnchors:
    """
    The trust anchors of one zone.

    @ivar zone: the folded name of the zone.
    @ivar digests: rdata of DS records.
    @ivar keys: rdata of DNSKEY records.
    """

    __slots__ = ("zone", "digests", "keys")

    def __init__(self, zone: bytes, digests: tuple[bytes, ...], keys: tuple[bytes, ...]) -> None:
        self.zone = zone
        self.digests = digests
        self.keys = keys

    def tags(self) -> tuple[int, ...]:
        """
        Return the key tags in ascending order, each once.
        """
        tags = {keyTagOf(DS, rdata) for rdata in self.digests} | {keyTagOf(DNSKEY, rdata) for rdata in self.keys}
        return tuple(sorted(tags))

    def __repr__(self) -> str:
        return f"<ZoneAnchors {nameToText(self.zone)} {len(self.digests)} DS {len(self.keys)} DNSKEY>"


class TrustAnchors:
    """
    The trust anchors of all zones.
    """

    __slots__ = ("_zones",)

    def __init__(self, anchors: Iterable[Anchor] = ()) -> None:
        """
        @raise BadDescription: there are too many.
        """
        self._zones: dict[bytes, ZoneAnchors] = {}
        for anchor in anchors:
            self.add(anchor)

    def add(self, anchor: Anchor) -> None:
        """
        Trust one more record; one that is trusted already is ignored.

        @raise BadDescription: there are too many.
        """
        former = self._zones.get(anchor.zone) or ZoneAnchors(anchor.zone, (), ())
        digests, keys = former.digests, former.keys
        if anchor.rdata in (digests if anchor.rrType == DS else keys):
            return
        if len(self) >= ANCHORS.default:
            raise BadDescription(f"{len(self) + 1} trust anchors; at most {int(ANCHORS.default)} are allowed")
        if anchor.rrType == DS:
            digests += (anchor.rdata,)
        else:
            keys += (anchor.rdata,)
        self._zones[anchor.zone] = ZoneAnchors(anchor.zone, digests, keys)

    def replace(self, zone: bytes, digests: tuple[bytes, ...], keys: tuple[bytes, ...]) -> None:
        """
        Replace the anchors of one zone, as after a rollover. Without any, the zone is no longer a trust point: its data is judged by the
        next anchor above it, and is insecure if there is none (RFC 5011, section 5).

        @param zone: a folded name.
        """
        if digests or keys:
            self._zones[zone] = ZoneAnchors(zone, digests, keys)
        else:
            self._zones.pop(zone, None)

    def closest(self, name: bytes) -> ZoneAnchors | None:
        """
        Return the anchors of the deepest zone at or above a name, if there is one.

        @param name: a folded name.
        """
        zones = self._zones
        if len(zones) == 1 and ROOT in zones:
            return zones[ROOT]
        while True:
            found = zones.get(name)
            if found is not None:
                return found
            if name == ROOT:
                return None
            name = name[name[0] + 1 :]

    def zones(self) -> list[ZoneAnchors]:
        """
        Return all anchors, zones in canonical order.
        """
        return [self._zones[zone] for zone in sorted(self._zones, key=canonicalKey)]

    def __len__(self) -> int:
        """
        Return the number of records, not of zones.
        """
        return sum([len(found.digests) + len(found.keys) for found in self._zones.values()])
