"""
Catalogs: zones that list zones, so that a fleet of servers learns from one what to serve (RFC 9432).

A catalog is read whole or not at all: a broken one changes nothing. What follows from a new version of one is a list of steps.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from hashlib import sha256
from typing import TYPE_CHECKING, Final

from twisted_ext.errors import BadZone, CallerFault
from twisted_ext.wire.names import nameFromText, nameToText
from twisted_ext.wire.records import RRSet
from twisted_ext.wire.rrtypes import NS, PTR, SOA, TXT
from twisted_ext.zone.limits import CATALOG_GROUPS, CATALOG_MEMBERS
from twisted_ext.zone.store.nodes import parentKey

if TYPE_CHECKING:
    from twisted_ext.zone.store.version import Version

__all__ = ["Catalog", "Member", "catalogSets", "catalogVersion", "uniqueLabel"]

#: The version of the schema (RFC 9432, section 4.3.1).
SCHEMA: Final = b"2"

_VERSION: Final = b"\x07version"
_ZONES: Final = b"\x05zones"
_COO: Final = b"\x03coo"
_GROUP: Final = b"\x05group"

#: Seconds that records of a catalog are kept for: nobody asks for them (RFC 9432, section 4.1).
_TTL: Final = 0

#: Digits of the labels that are made here.
_DIGITS: Final = 32

#: Nobody serves a catalog to resolvers (RFC 9432, section 4.1).
_NOBODY: Final = nameFromText("invalid.")


class Member:
    """
    A zone of a catalog.

    @ivar name: its apex, as the catalog writes it.
    @ivar label: by which the catalog knows it: another one means that everything about the zone begins anew.
    @ivar groups: words on how to treat it, in order; what they mean is for whoever reads them.
    @ivar coo: the catalog that it is about to move to, folded; C{b""} for none (change of ownership, RFC 9432, section 4.4.1).
    """

    __slots__ = ("name", "label", "groups", "coo")

    def __init__(self, name: bytes, label: bytes, groups: tuple[str, ...] = (), coo: bytes = b"") -> None:
        self.name = name
        self.label = label
        self.groups = groups
        self.coo = coo

    @property
    def apex(self) -> bytes:
        """
        The zone's name, folded.
        """
        return self.name.lower()

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Member):
            return NotImplemented
        return (self.apex, self.label, self.groups, self.coo) == (other.apex, other.label, other.groups, other.coo)

    def __hash__(self) -> int:
        return hash((self.apex, self.label))

    def __repr__(self) -> str:
        return f"<Member {nameToText(self.name)} {self.label!r} {self.groups}>"


class Catalog:
    """
    What one version of a catalog lists.

    @ivar apex: the catalog's name, folded.
    @ivar serial: its serial number.
    @ivar members: by their names, folded.
    """

    __slots__ = ("apex", "serial", "members", "_version", "_places")

    def __init__(self, apex: bytes, serial: int, members: Mapping[bytes, Member]) -> None:
        self.apex = apex
        self.serial = serial
        self.members = members
        self._version: Version | None = None
        # Which zone stands where: their names by keys.
        self._places: dict[bytes, bytes] = {}

    @classmethod
    def fromVersion(cls, version: Version, *, former: Catalog | None = None, most: int | None = None) -> Catalog:
        """
        Read a catalog.

        @param former: what it said before: where little has changed since, only that is read.
        @param most: zones that it may list.

        @raise BadZone: it is broken, and nothing in it may be followed (RFC 9432, section 5.1).
        """
        name = nameToText(version.apex)
        bound = int(CATALOG_MEMBERS.pick(most))
        node = version.find(_VERSION)
        schema = None if node is None else node.of(TXT)
        if schema is None or len(schema.rdatas) != 1:
            raise BadZone(f"catalog {name}: version.{name} has to have one TXT record that says which kind of catalog this is")
        if _joined(schema.rdatas[0]) != SCHEMA:
            raise BadZone(f"catalog {name}: version {_shown(_joined(schema.rdatas[0]))} where 2 is the one that is known")
        members: dict[bytes, Member] = {}
        places: dict[bytes, bytes] = {}
        before = None if former is None else former._version
        if former is not None and before is not None and before.image is version.image:
            keys: Iterable[bytes] = _changed(before, version)
            members.update(former.members)
            places.update(former._places)
            for key in keys:
                if key in places:
                    del members[places.pop(key)]
        else:
            keys = _listed(version)
        for key in keys:
            node = version.find(key)
            pointers = None if node is None else node.of(PTR)
            if node is None or pointers is None:
                continue
            label = key[1 : 1 + key[0]]
            if len(pointers.rdatas) > 1:
                raise BadZone(f"catalog {name}: {len(pointers.rdatas)} zones under the label {_shown(label)}, where one may be")
            zone = pointers.rdatas[0]
            apex = zone.lower()
            if apex in members:
                raise BadZone(f"catalog {name}: {nameToText(zone)} is listed twice")
            if apex == version.apex:
                raise BadZone(f"catalog {name}: it lists itself")
            if len(members) >= bound:
                raise BadZone(f"catalog {name}: more than {bound} zones")
            more = bool(node.children)
            members[apex] = Member(zone, label, _groups(version, key) if more else (), _owner(version, key) if more else b"")
            places[key] = apex
        catalog = cls(version.apex, version.serial, members)
        catalog._version, catalog._places = version, places
        return catalog

    def __len__(self) -> int:
        return len(self.members)

    def __repr__(self) -> str:
        return f"<Catalog {nameToText(self.apex)} {self.serial} with {len(self.members)} zones>"


def _listed(version: Version) -> Iterator[bytes]:
    """
    @return: the keys of all names that may list a zone.
    """
    image, overlay = version.image, version.overlay
    for index in range(image.nodes):
        key = image.key(index)
        if key.endswith(_ZONES) and key not in overlay and _memberKey(key) == key:
            yield key
    for key in overlay:
        if _memberKey(key) == key:
            yield key


def _changed(before: Version, after: Version) -> set[bytes]:
    """
    @return: the keys of names that may list another zone than they did, or list it otherwise, with one image below both.
    """
    old, new = before.overlay, after.overlay
    keys: set[bytes] = set()
    for key in {**old, **new}:
        if key not in old or key not in new or old[key] is not new[key]:
            member = _memberKey(key)
            if member is not None:
                keys.add(member)
    return keys


def _memberKey(key: bytes) -> bytes | None:
    """
    @return: the key of the name that lists a zone, for that itself and for names of its properties.
    """
    ending = len(_ZONES)
    if not key.endswith(_ZONES):
        return None
    while len(key) > key[0] + 1 + ending:
        key = parentKey(key)
    return key if len(key) == key[0] + 1 + ending else None


def _shown(octets: bytes) -> str:
    return repr(octets.decode("utf-8", "backslashreplace"))


def _joined(rdata: bytes) -> bytes:
    """
    @return: the octets of all strings of a TXT record.
    """
    parts: list[bytes] = []
    position = 0
    while position < len(rdata):
        end = position + 1 + rdata[position]
        parts.append(rdata[position + 1 : end])
        position = end
    return b"".join(parts)


def _groups(version: Version, key: bytes) -> tuple[str, ...]:
    node = version.find(_GROUP + key)
    found = None if node is None else node.of(TXT)
    if found is None:
        return ()
    words = sorted({_joined(rdata).decode("utf-8", "backslashreplace") for rdata in found.rdatas})
    return tuple(words[: int(CATALOG_GROUPS.default)])


def _owner(version: Version, key: bytes) -> bytes:
    node = version.find(_COO + key)
    found = None if node is None else node.of(PTR)
    if found is None:
        return b""
    if len(found.rdatas) > 1:
        # RFC 9432, section 4.4.1.
        where = nameToText(_COO + key + version.apex)
        raise BadZone(f"catalog {nameToText(version.apex)}: {len(found.rdatas)} catalogs at {where}, where one may be")
    return found.rdatas[0].lower()


def uniqueLabel(apex: bytes, salt: bytes = b"") -> bytes:
    """
    @param apex: a zone's name.
    @param salt: another one makes another label, for a zone about which everything is to begin anew.

    @return: a label for it that stays the same.
    """
    return sha256(apex.lower() + salt).hexdigest()[:_DIGITS].encode()


def catalogSets(name: bytes, serial: int, members: Iterable[Member], *, refresh: int = 3600, retry: int = 600) -> list[RRSet]:
    """
    Write a catalog.

    @param name: its name.
    @param members: its zones. Those without a label get one.
    @param refresh: seconds after which whoever follows it looks for another version.

    @return: its records.

    @raise CallerFault: a zone is listed twice, two have one label, or a label or a group cannot be.
    """
    times = b"".join([number.to_bytes(4, "big") for number in (serial, refresh, retry, 2419200, 3600)])
    sets = [
        RRSet(name, SOA, 1, _TTL, (_NOBODY + _NOBODY + times,)),
        RRSet(name, NS, 1, _TTL, (_NOBODY,)),
        RRSet(_VERSION + name, TXT, 1, _TTL, (b"\x01" + SCHEMA,)),
    ]
    listed: set[bytes] = set()
    labels: set[bytes] = set()
    for member in members:
        label = member.label or uniqueLabel(member.name)
        if member.apex in listed or member.apex == name.lower():
            raise CallerFault(f"{nameToText(member.name)} is listed twice, or is the catalog itself")
        if label.lower() in labels or not 0 < len(label) < 64:
            raise CallerFault(f"the label {_shown(label)} of {nameToText(member.name)} is another zone's, or none")
        listed.add(member.apex)
        labels.add(label.lower())
        owner = bytes([len(label)]) + label + _ZONES + name
        if len(owner) + len(_GROUP) > 255:
            raise CallerFault(f"the catalog's name, {nameToText(name)}, is too long")
        sets.append(RRSet(owner, PTR, 1, _TTL, (member.name,)))
        if member.groups:
            sets.append(RRSet(_GROUP + owner, TXT, 1, _TTL, tuple(sorted({_text(group) for group in member.groups}))))
        if member.coo:
            sets.append(RRSet(_COO + owner, PTR, 1, _TTL, (member.coo,)))
    return sets


def _text(group: str) -> bytes:
    octets = group.encode("utf-8", "surrogateescape")
    if not 0 < len(octets) < 256:
        raise CallerFault(f"the group {group[:40]!r} takes {len(octets)} octets; 1 to 255 are allowed")
    return bytes([len(octets)]) + octets


def catalogVersion(name: bytes, serial: int, members: Iterable[Member]) -> Version:
    """
    @return: a catalog as a zone to be served.

    @raise CallerFault: see L{catalogSets}.
    """
    from twisted_ext.zone.zone import Zone

    return Zone.fromRecords(name, catalogSets(name, serial, members)).current
