"""
Catalog zones: zones that list the zones that servers are to serve (RFC 9432).

A catalog is read as a whole: a broken one changes nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING, Final

from twisted_ext.errors import BadZone, CallerFault
from twisted_ext.wire.names import nameFromText, nameToText
from twisted_ext.wire.rdata.fieldtypes import joinedStrings
from twisted_ext.wire.records import RRSet
from twisted_ext.wire.rrtypes import NS, PTR, SOA, TXT
from twisted_ext.zone.limits import CATALOG_GROUPS, CATALOG_MEMBERS
from twisted_ext.zone.store.nodes import parentKey
from twisted_ext.zone.store.traversal import candidates

if TYPE_CHECKING:
    from twisted_ext.zone.store.version import Version

__all__ = ["Catalog", "Member", "catalogSets", "catalogVersion", "uniqueLabel"]

#: The schema version (RFC 9432, section 4.3.1).
SCHEMA: Final = b"2"

_VERSION: Final = b"\x07version"
_ZONES: Final = b"\x05zones"
_COO: Final = b"\x03coo"
_GROUP: Final = b"\x05group"

#: TTL of catalog records: resolvers do not query them (RFC 9432, section 4.1).
_TTL: Final = 0

#: Digits of generated labels.
_DIGITS: Final = 32

#: Name server in the NS record: catalogs are not served to resolvers (RFC 9432, section 4.1).
_NOBODY: Final = nameFromText("invalid.")


@dataclass(slots=True, eq=False, repr=False)
class Member:
    """
    A member zone of a catalog.

    @ivar name: its apex, as the catalog writes it.
    @ivar label: its unique label in the catalog; another one resets the zone.
    @ivar groups: its groups, sorted; the operator of the consumer defines what they mean.
    @ivar coo: the catalog that it is about to move to, folded; C{b""} for none (change of ownership, RFC 9432, section 4.4.1).
    """

    name: bytes
    label: bytes
    groups: tuple[str, ...] = ()
    coo: bytes = b""

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
    The content of one version of a catalog.

    @ivar apex: the catalog's name, folded.
    @ivar serial: its serial number.
    @ivar members: the member zones by their folded names.
    """

    __slots__ = ("apex", "serial", "members", "_version", "_places")

    def __init__(self, apex: bytes, serial: int, members: Mapping[bytes, Member]) -> None:
        self.apex = apex
        self.serial = serial
        self.members = members
        self._version: Version | None = None
        # The folded name of the member at each key.
        self._places: dict[bytes, bytes] = {}

    @classmethod
    def fromVersion(cls, version: Version, *, former: Catalog | None = None, most: int | None = None) -> Catalog:
        """
        Read a catalog.

        @param former: the former version: where little has changed since, only the changes are read.
        @param most: the maximum number of members.

        @raise BadZone: the catalog is broken, and none of it may be used (RFC 9432, section 5.1).
        """
        name = nameToText(version.apex)
        bound = int(CATALOG_MEMBERS.pick(most))
        node = version.find(_VERSION)
        schema = None if node is None else node.of(TXT)
        if schema is None or len(schema.rdatas) != 1:
            raise BadZone(f"catalog {name}: version.{name} has to have one TXT record that says which kind of catalog this is")
        if joinedStrings(schema.rdatas[0]) != SCHEMA:
            raise BadZone(f"catalog {name}: version {_shown(joinedStrings(schema.rdatas[0]))} where 2 is the one that is known")
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
    Return the keys of all names that may have a member.
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
    Return the keys of names whose member may have changed between two versions of one image.
    """
    return {member for key in candidates(before, after) if key is not None and (member := _memberKey(key)) is not None}


def _memberKey(key: bytes) -> bytes | None:
    """
    Return the key of the member that a name or property belongs to; L{None} for other names.
    """
    ending = len(_ZONES)
    if not key.endswith(_ZONES):
        return None
    while len(key) > key[0] + 1 + ending:
        key = parentKey(key)
    return key if len(key) == key[0] + 1 + ending else None


def _shown(octets: bytes) -> str:
    return repr(octets.decode("utf-8", "backslashreplace"))


def _groups(version: Version, key: bytes) -> tuple[str, ...]:
    node = version.find(_GROUP + key)
    found = None if node is None else node.of(TXT)
    if found is None:
        return ()
    words = sorted({joinedStrings(rdata).decode("utf-8", "backslashreplace") for rdata in found.rdatas})
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
    Return a unique label for a member zone (RFC 9432, section 4.1).

    @param apex: a zone's name.
    @param salt: a different salt makes a different label, to reset a zone.
    """
    return sha256(apex.lower() + salt).hexdigest()[:_DIGITS].encode()


def catalogSets(name: bytes, serial: int, members: Iterable[Member], *, refresh: int = 3600, retry: int = 600) -> list[RRSet]:
    """
    Make the records of a catalog zone.

    @param name: the name of the catalog.
    @param members: its zones. Those without a label get one.
    @param refresh: the refresh interval of the SOA, in seconds.

    @return: its records.

    @raise CallerFault: a zone is listed twice, two have one label, or a label or a group is not valid.
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
    Make a version of a catalog zone.

    @raise CallerFault: see L{catalogSets}.
    """
    from twisted_ext.zone.zone import Zone

    return Zone.fromRecords(name, catalogSets(name, serial, members)).current
