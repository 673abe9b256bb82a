"""
Catalog zones: zones that list the zones that servers are to serve (RFC 9432), and what a new version of one changes.

A catalog is read as a whole: a broken one changes nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from typing import TYPE_CHECKING, Final

from twisted_ext.errors import BadZone, CallerFault
from twisted_ext.wire.names import nameFromText, nameToText
from twisted_ext.wire.rdata.fieldtypes import joinedStrings
from twisted_ext.wire.records import RRSet
from twisted_ext.wire.rrtypes import NS, PTR, SOA, TXT
from twisted_ext.zone.limits import CATALOG_MEMBERS
from twisted_ext.zone.store.nodes import parentKey
from twisted_ext.zone.store.steps import finished
from twisted_ext.zone.store.traversal import candidates

if TYPE_CHECKING:
    from twisted_ext.zone.store.version import Version

__all__ = ["Catalog", "CatalogStep", "Catalogs", "Member", "Steps", "catalogSets", "catalogVersion", "membersLost", "uniqueLabel"]

#: Groups of one member zone.
_CATALOG_GROUPS: Final = 16

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

#: Zones processed in one step: a millisecond.
_STEP: Final = 500

#: Name server in the NS record: catalogs are not served to resolvers (RFC 9432, section 4.1).
_NOBODY: Final = nameFromText("invalid.")


@dataclass(slots=True, eq=False)
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


@dataclass(slots=True, eq=False, repr=False)
class Catalog:
    """
    The content of one version of a catalog.

    @ivar apex: the catalog's name, folded.
    @ivar members: the member zones by their folded names.
    @ivar places: the folded name of the member at each key.
    """

    apex: bytes
    serial: int
    members: Mapping[bytes, Member]
    version: Version | None = None
    places: Mapping[bytes, bytes] = field(default_factory=dict)

    @classmethod
    def fromVersion(cls, version: Version, *, former: Catalog | None = None) -> Catalog:
        """
        @param former: the former version: where little has changed since, only the changes are read.

        @raise BadZone: the catalog is broken, and none of it may be used (RFC 9432, section 5.1).
        """
        name = nameToText(version.apex)
        bound = int(CATALOG_MEMBERS.default)
        node = version.find(_VERSION)
        schema = None if node is None else node.of(TXT)
        if schema is None or len(schema.rdatas) != 1:
            raise BadZone(f"catalog {name}: version.{name} has to have one TXT record that says which kind of catalog this is")
        if joinedStrings(schema.rdatas[0]) != SCHEMA:
            raise BadZone(f"catalog {name}: version {_shown(joinedStrings(schema.rdatas[0]))} where 2 is the one that is known")
        members: dict[bytes, Member] = {}
        places: dict[bytes, bytes] = {}
        before = None if former is None else former.version
        if former is not None and before is not None and before.image is version.image:
            keys: Iterable[bytes] = _changedMemberKeys(before, version)
            members.update(former.members)
            places.update(former.places)
            for key in keys:
                if key in places:
                    del members[places.pop(key)]
        else:
            keys = _memberKeys(version)
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
            if len(members) >= bound:
                raise BadZone(f"catalog {name}: more than {bound} zones")
            more = bool(node.children)
            members[apex] = Member(zone, label, _groups(version, key) if more else (), _owner(version, key) if more else b"")
            places[key] = apex
        return cls(version.apex, version.serial, members, version, places)

    def __repr__(self) -> str:
        return f"<Catalog {nameToText(self.apex)} {self.serial} with {len(self.members)} zones>"


def _memberKeys(version: Version) -> Iterator[bytes]:
    image, overlay = version.image, version.overlay
    for index in range(image.nodes):
        key = image.key(index)
        if key.endswith(_ZONES) and key not in overlay and _memberKey(key) == key:
            yield key
    for key in overlay:
        if _memberKey(key) == key:
            yield key


def _changedMemberKeys(before: Version, after: Version) -> set[bytes]:
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


def membersLost(before: Version, after: Version) -> tuple[int, int]:
    """
    Return how many zones a catalog listed, and how many of these its next version does not list.
    """
    def listed(version: Version, keys: Iterable[bytes]) -> set[bytes]:
        nodes = [version.find(key) for key in keys]
        pointers = [node.of(PTR) for node in nodes if node is not None]
        return {rdata.lower() for each in pointers if each is not None for rdata in each.rdatas}

    if before.image is after.image:
        changed = _changedMemberKeys(before, after)
        lost = listed(before, changed) - listed(after, changed)
        # Nothing waits if nothing is lost, so that the zones need not be counted.
        return sum(1 for _ in _memberKeys(before)) if lost else before.recordCount, len(lost)
    former = listed(before, _memberKeys(before))
    return len(former), len(former - listed(after, _memberKeys(after)))


def _shown(octets: bytes) -> str:
    return repr(octets.decode("utf-8", "backslashreplace"))


def _groups(version: Version, key: bytes) -> tuple[str, ...]:
    node = version.find(_GROUP + key)
    found = None if node is None else node.of(TXT)
    if found is None:
        return ()
    words = sorted({joinedStrings(rdata).decode("utf-8", "backslashreplace") for rdata in found.rdatas})
    return tuple(words[: _CATALOG_GROUPS])


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


def uniqueLabel(apex: bytes) -> bytes:
    """
    Return a unique label for a member zone (RFC 9432, section 4.1).
    """
    return sha256(apex.lower()).hexdigest()[:_DIGITS].encode()


def catalogSets(name: bytes, serial: int, members: Iterable[Member]) -> list[RRSet]:
    """
    Make the records of a catalog zone. Members without a label get one.

    @raise CallerFault: a zone is listed twice, two have one label, or a label or a group is not valid.
    """
    times = b"".join([number.to_bytes(4, "big") for number in (serial, 3600, 600, 2419200, 3600)])
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
    @raise CallerFault: see L{catalogSets}.
    """
    from twisted_ext.zone.zone import Zone

    return Zone.fromRecords(name, catalogSets(name, serial, members)).current


@dataclass(slots=True, eq=False)
class CatalogStep:
    """
    One change to the zones of a server.

    @ivar kind: C{"add"} the zone; C{"remove"} it and all its state; C{"reset"} it: remove its state and start over; C{"change"} its
        settings: it belongs to another catalog now or has other groups, and its records stay.
    @ivar catalog: the catalog that lists it, folded; for a removed zone the one that did.
    """

    kind: str
    catalog: bytes
    member: Member


#: Returns the changes, and yields between steps so that other work can run.
Steps = Generator[None, None, list[CatalogStep]]


class Catalogs:
    """
    All catalogs that a server follows, and the catalog that each zone belongs to.
    """

    def __init__(
        self,
        isOurs: Callable[[bytes], bool] = lambda apex: False,
        ownerBefore: Callable[[bytes], bytes] = lambda apex: b"",
    ) -> None:
        """
        @param isOurs: returns whether there is a zone of this folded name that is not from a catalog, which no catalog may touch (RFC 9432,
            section 5.2).
        @param ownerBefore: returns the followed catalog that owned a zone, by its folded name, in an earlier process; C{b""} for none.
            Until that catalog has been read, no other one gets the zone.
        """
        self._isOurs = isOurs
        self._ownerBefore = ownerBefore
        # Catalogs of which a whole version has been processed.
        self._complete: set[bytes] = set()
        #: The version of each catalog that was followed last.
        self.followed: dict[bytes, Catalog] = {}
        #: The catalog that each zone belongs to, and its entry there.
        self.owned: dict[bytes, tuple[bytes, Member]] = {}
        #: Zones that a catalog lists but does not own, by their names: for each such catalog, why it does not get the zone.
        self.clashes: dict[bytes, dict[bytes, str]] = {}

    def members(self, catalog: bytes) -> list[Member]:
        """
        Return the zones that a catalog owns, without those that it lists but another one owns.
        """
        return [member for owner, member in self.owned.values() if owner == catalog]

    def following(self, catalog: Catalog) -> Steps:
        """
        Switch to a new version of a catalog, or follow a new catalog, in short steps. If the catalog is left or gets another version
        meanwhile, return only the changes found so far, in order.
        """
        before = self.followed.get(catalog.apex)
        self.followed[catalog.apex] = catalog
        return (yield from self._settle(catalog.apex, catalog.members, {} if before is None else before.members))

    def leave(self, apex: bytes) -> list[CatalogStep]:
        """
        Stop following a catalog: remove its zones.
        """
        before = self.followed.pop(apex, None)
        self._complete.discard(apex)
        if before is None:
            return []
        # Members of the version before that, if not all of this one has been processed.
        left = {member.apex: member for member in self.members(apex)}
        return finished(self._settle(apex, {}, {**left, **before.members}))

    def reconsider(self) -> list[CatalogStep]:
        """
        Check clashes again, after zones from other sources were added or removed.
        """
        steps: list[CatalogStep] = []
        for apex, (catalog, member) in list(self.owned.items()):
            if self._isOurs(apex):
                # The operator has configured the zone, and so takes it over with its records.
                del self.owned[apex]
                self._clash(apex, catalog, "there is such a zone already")
                steps.append(CatalogStep("remove", catalog, member))
        for apex in list(self.clashes):
            steps += self._claims(apex)
        return steps

    def _settle(self, catalog: bytes, members: Mapping[bytes, Member], former: Mapping[bytes, Member]) -> Steps:
        steps: list[CatalogStep] = []
        released: list[bytes] = []
        # Other calls may have changed what is followed by the time this resumes.
        current = self.followed.get(catalog)
        for count, (apex, member) in enumerate(former.items()):
            if not count % _STEP:
                yield
                if self.followed.get(catalog) is not current:
                    return steps
            if apex in members:
                continue
            self._unclash(apex, catalog)
            owned = self.owned.get(apex)
            if owned is not None and owned[0] == catalog:
                del self.owned[apex]
                steps.append(CatalogStep("remove", catalog, member))
                released.append(apex)
        for count, (apex, member) in enumerate(members.items()):
            if not count % _STEP:
                yield
                if self.followed.get(catalog) is not current:
                    return steps
            owned = self.owned.get(apex)
            # Most members are unchanged.
            if owned is None or owned[1] is not member or owned[0] != catalog:
                steps += self._want(catalog, member)
        for apex in released:
            steps += self._claims(apex)
        # A catalog may be waiting for the change of ownership of a zone.
        for apex, member in members.items():
            if member.coo and apex in self.clashes:
                steps += self._claims(apex)
        if catalog in self.followed and catalog not in self._complete:
            self._complete.add(catalog)
            # Zones that it owned before a restart and no longer lists.
            for count, apex in enumerate(list(self.clashes)):
                if not count % _STEP:
                    yield
                if self._ownerBefore(apex) == catalog:
                    steps += self._claims(apex)
        return steps

    def _claims(self, apex: bytes) -> list[CatalogStep]:
        """
        Assign a zone to a catalog that waits for it, if possible now.
        """
        for name in list(self.clashes.get(apex, ())):
            catalog = self.followed.get(name)
            member = None if catalog is None else catalog.members.get(apex)
            if member is None:
                self._unclash(apex, name)
                continue
            steps = self._want(name, member)
            if steps:
                return steps
        return []

    def _want(self, catalog: bytes, member: Member) -> list[CatalogStep]:
        apex = member.apex
        if self._isOurs(apex) or apex in self.followed:
            self._clash(apex, catalog, "it is the catalog itself" if apex == catalog else "there is such a zone already")
            return []
        owned = self.owned.get(apex)
        if owned is None:
            before = self._ownerBefore(apex)
            if before and before != catalog and before not in self._complete:
                self._clash(apex, catalog, f"it is a zone of {nameToText(before)}, which has not been read since the start")
                return []
            self._take(apex, catalog, member)
            return [CatalogStep("add", catalog, member)]
        owner, known = owned
        if owner == catalog:
            self.owned[apex] = (catalog, member)
            if known.label != member.label:
                # RFC 9432, section 5.4.
                return [CatalogStep("reset", catalog, member)]
            return [CatalogStep("change", catalog, member)] if known.groups != member.groups else []
        if known.coo != catalog or member.coo == owner:
            self._clash(apex, catalog, f"it is a zone of {nameToText(owner)}, which does not let go of it")
            return []
        self._take(apex, catalog, member)
        if apex in self.followed[owner].members:
            self._clash(apex, owner, f"it has moved to {nameToText(catalog)}")
        # The zone keeps its state if it keeps its label (RFC 9432, sections 5.5 and 5.6).
        return [CatalogStep("change" if known.label == member.label else "reset", catalog, member)]

    def _take(self, apex: bytes, catalog: bytes, member: Member) -> None:
        self.owned[apex] = (catalog, member)
        self._unclash(apex, catalog)

    def _clash(self, apex: bytes, catalog: bytes, why: str) -> None:
        self.clashes.setdefault(apex, {})[catalog] = why

    def _unclash(self, apex: bytes, catalog: bytes) -> None:
        waiting = self.clashes.get(apex)
        if waiting is not None:
            waiting.pop(catalog, None)
            if not waiting:
                del self.clashes[apex]
