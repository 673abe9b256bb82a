"""
Transactions: changes to a zone that take effect together or not at all. They may be those of several clients, each judged alone.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Final, Protocol

from twisted_ext.errors import BadChange
from twisted_ext.wire.names import nameToText
from twisted_ext.wire.rdata.canonical import canonicalOf
from twisted_ext.wire.records import RRSet
from twisted_ext.wire.rrtypes import CNAME, DELEG, DNAME, DNSKEY, DS, NS, NSEC3PARAM, SOA, typeName
from twisted_ext.zone.limits import NAME_TYPES, SET_RECORDS
from twisted_ext.zone.store.changeset import Difference, compareSets, isIdentical, setsOf, sortedSets
from twisted_ext.zone.store.nodes import BESIDE_ALIASES, Kind, keyBelow, kindOf
from twisted_ext.zone.store.serials import isNewer, nextSerial, serialIn, withSerial
from twisted_ext.zone.store.steps import finished

if TYPE_CHECKING:
    from twisted_ext.zone.store.version import Version

__all__ = ["APICAL", "PARENTAL", "SINGLE", "Completion", "Transaction", "expectName", "followed"]

#: Types that belong to the parent zone.
PARENTAL: Final = frozenset((DS, DELEG))

#: Types that belong to the name of a zone, and nowhere else in it.
APICAL: Final = frozenset((SOA, DNSKEY, NSEC3PARAM))

#: Types of which a name has at most one record.
SINGLE: Final = frozenset((CNAME, DNAME, SOA))

#: Names that are judged and compared in one step: less than a millisecond.
_STEP: Final = 50

_SOA: Final[Kind] = (SOA, 0)
_NS: Final[Kind] = (NS, 0)
_DNAME: Final[Kind] = (DNAME, 0)


class Completion(Protocol):
    """
    Adds to a change what is made of it, as a signer does.
    """

    def isMade(self, key: bytes, rrType: int) -> bool:
        """
        Return whether the records of a type at a name are made, so that no change reads or writes them.
        """

    def completing(
        self, version: Version, changes: Mapping[bytes, tuple[RRSet, ...]]
    ) -> Generator[object, None, Mapping[bytes, tuple[RRSet, ...]]]:
        """
        Complete a valid change, in steps.

        @param changes: all records of each changed name after the change, without those that are made.

        @return: all records of all names that are to differ, with the same SOA record.
        """


class Transaction:
    """
    Changes to one version of a zone. Methods that read see the changes made so far; the version itself never changes.

    @ivar version: the version before the changes.
    """

    __slots__ = (
        "version", "_apex", "_touched", "_before", "_since", "_known", "_needsNS", "_completion", "_serials", "_now", "_closed", "_only",
        "_renewed",
    )  # fmt: skip

    def __init__(
        self,
        version: Version,
        *,
        serials: str = "increment",
        now: float = 0.0,
        needsNS: bool = True,
        completion: Completion | None = None,
    ) -> None:
        """
        @param serials: how the next serial number is chosen, see L{nextSerial<twisted_ext.zone.store.serials.nextSerial>}.
        @param now: seconds since 1970.
        @param needsNS: whether the last NS record of the zone's name has to stay.
        @param completion: adds to the change what is made of it. To readers of the transaction that is not there, and changing it is
            refused.
        """
        self.version = version
        self._serials = serials
        self._now = now
        self._needsNS = needsNS
        self._completion = completion
        self._apex = version.apex
        # The RRsets of names that were changed, or opened for a change, by their keys; before all changes, and before the last one.
        self._touched: dict[bytes, dict[Kind, RRSet]] = {}
        self._before: dict[bytes, dict[Kind, RRSet]] = {}
        self._since: dict[bytes, dict[Kind, RRSet]] = {}
        # Changed RRsets with their records by canonical form, so that finding a record takes the same time in a large RRset.
        self._known: dict[tuple[bytes, Kind], tuple[RRSet, dict[bytes, bytes]]] = {}
        # Names of which only what is made of them is to be made anew.
        self._renewed: set[bytes] = set()
        # How many of the changes that were closed changed something, and what the first one did.
        self._closed = 0
        self._only: tuple[list[bytes], Difference] | None = None

    # -- reading

    def keyOf(self, name: bytes) -> bytes:
        """
        @raise BadChange: the name is outside of the zone.
        """
        key = keyBelow(name, self._apex)
        if key is None:
            raise BadChange(f"{nameToText(name)} is not in {nameToText(self._apex)}")
        return key

    def setsAt(self, key: bytes) -> dict[Kind, RRSet]:
        """
        Return the RRsets of a name after the changes so far. Do not modify the result.
        """
        sets = self._touched.get(key)
        return self._setsBefore(key) if sets is None else sets

    def _setsBefore(self, key: bytes) -> dict[Kind, RRSet]:
        sets = self._before.get(key)
        if sets is None:
            sets = setsOf(self.version.find(key))
            completion = self._completion
            if completion is not None:
                sets = {kind: rrset for kind, rrset in sets.items() if not completion.isMade(key, kind[0])}
            self._before[key] = sets
        return sets

    @property
    def isCompleted(self) -> bool:
        """
        Whether what is made of a change is added to it.
        """
        return self._completion is not None

    def _expectOpen(self, key: bytes, rrType: int) -> None:
        """
        @raise BadChange: such records are made.
        """
        if self.isMade(key, rrType):
            name = nameToText(key + self._apex)
            raise BadChange(f"{name} {typeName(rrType)}: the server that signs this zone makes these records; change the others")

    def isMade(self, key: bytes, rrType: int) -> bool:
        """
        Return whether the records of a type at a name are made of the others.
        """
        return self._completion is not None and self._completion.isMade(key, rrType)

    def _open(self, key: bytes) -> dict[Kind, RRSet]:
        if key not in self._since:
            before = self._since[key] = self.setsAt(key)
            self._touched[key] = dict(before)
        return self._touched[key]

    def _byCanonicalForm(self, key: bytes, kind: Kind, rrset: RRSet) -> dict[bytes, bytes]:
        known = self._known.get((key, kind))
        if known is not None and known[0] is rrset:
            return known[1]
        return {canonicalOf(rrset.rrType, rdata): rdata for rdata in rrset.rdatas}

    def _put(self, key: bytes, rrset: RRSet, kind: Kind, records: dict[bytes, bytes]) -> None:
        self._open(key)[kind] = rrset
        self._known[key, kind] = (rrset, records)

    # -- changes

    def add(self, record: RRSet) -> bool:
        """
        Add records to a name; return whether that changes anything. Their TTL becomes that of the whole RRset (RFC 2181, section 5.2).

        @raise BadChange: the name is outside of the zone.
        """
        key = self.keyOf(record.name)
        kind = kindOf(record)
        self._expectOpen(key, record.rrType)
        present = self.setsAt(key).get(kind)
        if present is None:
            self._open(key)[kind] = record
            return True
        rrType = record.rrType
        records = self._byCanonicalForm(key, kind, present)
        come: list[bytes] = []
        for rdata in record.rdatas:
            said = canonicalOf(rrType, rdata)
            # A record that differs only in case is there already.
            if said not in records:
                records[said] = rdata
                come.append(rdata)
        if record.ttl == present.ttl and not come:
            return False
        self._put(key, RRSet(present.name, rrType, record.rrClass, record.ttl, (*present.rdatas, *come)), kind, records)
        return True

    def replace(self, rrset: RRSet) -> bool:
        """
        Replace the records of a name and type; return whether that changes anything.
        """
        key = self.keyOf(rrset.name)
        kind = kindOf(rrset)
        self._expectOpen(key, rrset.rrType)
        present = self.setsAt(key).get(kind)
        if present is not None and isIdentical(present, rrset):
            return False
        self._open(key)[kind] = rrset
        return True

    def remove(self, record: RRSet) -> bool:
        """
        Remove records, regardless of their TTL; return whether any were there.
        """
        key = self.keyOf(record.name)
        kind = kindOf(record)
        self._expectOpen(key, record.rrType)
        present = self.setsAt(key).get(kind)
        if present is None:
            return False
        records = self._byCanonicalForm(key, kind, present)
        gone = [rdata for rdata in record.rdatas if records.pop(canonicalOf(record.rrType, rdata), None) is not None]
        if not gone:
            return False
        if records:
            self._put(key, present.withRdatas(tuple(records.values())), kind, records)
        else:
            del self._open(key)[kind]
        return True

    def removeType(self, name: bytes, rrType: int) -> bool:
        key = self.keyOf(name)
        self._expectOpen(key, rrType)
        return self._drop(key, [kind for kind in self.setsAt(key) if kind[0] == rrType])

    def removeName(self, name: bytes) -> bool:
        """
        Remove all records from a name, from the apex all but SOA and NS (RFC 2136, section 3.4.2.3); return whether any were there.
        """
        key = self.keyOf(name)
        return self._drop(key, [kind for kind in self.setsAt(key) if key or kind not in (_SOA, _NS)])

    def renew(self, key: bytes) -> None:
        """
        Have what is made of a name made anew, although nothing else changes.
        """
        self._open(key)
        self._renewed.add(key)

    def _drop(self, key: bytes, kinds: list[Kind]) -> bool:
        for kind in kinds:
            del self._open(key)[kind]
        return bool(kinds)

    # -- the end of a change

    def undo(self) -> None:
        """
        Take back what was changed since the last change was closed.
        """
        self._touched.update(self._since)
        self._since = {}
        self._known = {}

    def closing(self, *, always: bool = False) -> Generator[None, None, Difference | None]:
        """
        End a change, in short steps; nothing else may be changed meanwhile. What is changed from then on belongs to the next one. The first
        one that changes a record sets the next serial number, unless it has a newer SOA record.

        @param always: whether to set the next serial number although no record has changed.

        @return: what it has changed; L{None} for nothing.

        @raise BadChange: the result is not a valid zone; to be followed by L{undo}.
        """
        since = self._since
        changed: list[bytes] = []
        for count, (key, before) in enumerate(since.items(), 1):
            if key in self._renewed or not _alike(self._touched[key], before):
                changed.append(key)
            if count % _STEP == 0:
                yield None
        if not changed and not always:
            self._since = {}
            return None
        former, soa = self._withSerial()
        if b"" not in changed:
            changed.append(b"")
        removed: list[RRSet] = []
        added: list[RRSet] = []
        for count, key in enumerate(changed, 1):
            self._check(key, self._touched[key], since[key])
            compareSets(since[key], self._touched[key], removed, added, spelling=True)
            if count % _STEP == 0:
                yield None
        self._since = {}
        self._closed += 1
        difference = Difference(former, removed, soa, added)
        self._only = (changed, difference) if self._closed == 1 else None
        return difference

    def _withSerial(self) -> tuple[RRSet, RRSet]:
        """
        See that the change has a newer serial number than the version; return its SOA records, before it and now.

        @raise BadChange: there is none, or an older one.
        """
        apex = self._open(b"")
        former = self._since[b""][_SOA]
        soa = apex.get(_SOA)
        if soa is None or len(soa.rdatas) != 1:
            raise BadChange(f"{nameToText(self._apex)} would have {0 if soa is None else len(soa.rdatas)} SOA records; a zone has one")
        old, serial = serialIn(former.rdatas[0]), serialIn(soa.rdatas[0])
        if serial != old:
            for known in (old, self.version.serial):
                if not isNewer(serial, known):
                    raise BadChange(f"{nameToText(self._apex)}: serial number {serial} is not newer than {known} (RFC 1982)")
        elif old == self.version.serial:
            apex[_SOA] = soa = soa.withRdatas((withSerial(soa.rdatas[0], nextSerial(old, self._serials, self._now)),))
        return former, soa

    # -- commit

    def commit(self, *, bounded: bool = True, always: bool = False) -> tuple[Version, Difference] | None:
        """
        Build the next version.

        @param bounded: see L{Version.edited<twisted_ext.zone.store.version.Version.edited>}.
        @param always: whether to set the next serial number although no record has changed.

        @return: the version and the difference to it; L{None} if nothing has changed.

        @raise BadChange: the result is not a valid zone.
        @raise BudgetSpent: more names would differ from the image than the limit.
        """
        return finished(self.committing(bounded=bounded, always=always))

    def committing(
        self, *, bounded: bool = True, always: bool = False
    ) -> Generator[object, None, tuple[Version, Difference] | None]:
        """
        Do what L{commit} does in short steps, each a C{yield} of C{None} or of what the completion yields. Nothing else may be changed
        meanwhile.
        """
        yield from self.closing(always=always)
        version, completion, only = self.version, self._completion, self._only
        if not self._closed:
            return None
        changed = [*self._touched] if only is None else only[0]
        removed: list[RRSet] = []
        added: list[RRSet] = []
        names: dict[bytes, tuple[RRSet, ...]] = {}
        for count, key in enumerate(changed, 1):
            sets, before = self._touched[key], self._before[key]
            if only is not None or key in self._renewed or not _alike(sets, before):
                names[key] = sortedSets(sets)
                if only is None and completion is None:
                    compareSets(before, sets, removed, added, spelling=True)
            if count % _STEP == 0:
                yield None
        if completion is not None:
            completed = yield from completion.completing(version, names)
            for count, (key, rrsets) in enumerate(completed.items(), 1):
                compareSets(setsOf(version.find(key)), {kindOf(rrset): rrset for rrset in rrsets}, removed, added, spelling=True)
                if count % _STEP == 0:
                    yield None
            names = {**completed}
        after = yield from version.editing(names, bounded=bounded)
        if only is not None and completion is None:
            return after, only[1]
        return after, Difference(version.soa, removed, self._touched[b""][_SOA], added)

    def _check(self, key: bytes, sets: dict[Kind, RRSet], before: dict[Kind, RRSet]) -> None:
        """
        @raise BadChange: a zone cannot have these RRsets at one name.
        """
        if not key and _NS not in sets and _NS in before and self._needsNS:
            raise BadChange(f"{nameToText(self._apex)} would have no NS record; a zone has one at least")
        expectName(key + self._apex, self._apex, sets, before)


def contentOf(version: Version, keys: Iterable[bytes]) -> dict[bytes, tuple[RRSet, ...]]:
    """
    Return all records of some names, for L{followed}.
    """
    found = [(key, version.find(key)) for key in keys]
    return {key: () if node is None else node.sets for key, node in found}


def followed(transaction: Transaction, changes: Mapping[bytes, tuple[RRSet, ...]]) -> Generator[None, None, None]:
    """
    Make the records of some names what they are in a version that came from elsewhere, in steps. Its serial number is taken if it is newer.

    @param changes: all records of each of these names. What is made here is ignored in them.
    """
    for count, (key, rrsets) in enumerate(changes.items(), 1):
        wanted = {kindOf(rrset): rrset for rrset in rrsets if not transaction.isMade(key, rrset.rrType)}
        if not key:
            soa, serial = wanted[_SOA], transaction.version.serial
            if not isNewer(serialIn(soa.rdatas[0]), serial):
                wanted[_SOA] = soa.withRdatas((withSerial(soa.rdatas[0], serial),))
        for kind, present in [*transaction.setsAt(key).items()]:
            if kind not in wanted:
                transaction.remove(present)
        for rrset in wanted.values():
            transaction.replace(rrset)
        if count % _STEP == 0:
            yield


def expectName(owner: bytes, apex: bytes, sets: Mapping[Kind, RRSet], before: Mapping[Kind, RRSet] = MappingProxyType({})) -> None:
    """
    The judge of what one name of a zone may have, by whichever door a change of it comes: updates, API, console, C{txdns zone edit}. A
    master file, and the rows of a database, may have records of L{APICAL} types but SOA below the apex as well, and NS beside DNAME
    records, as with BIND: L{twisted_ext.zone.check.semantics.owned} refuses the rest. A primary may transfer whatever it serves,
    but an SOA record below the apex.

    @param owner: the name.
    @param apex: the zone's, folded.
    @param sets: all RRsets of the name.
    @param before: those before a change. If they exceed a limit, the name may keep exceeding it as long as it shrinks, and what it has
        already may stay.

    @raise BadChange: a zone cannot have these.
    """
    if wrong := _wrongWith(owner, apex, sets, before):
        raise BadChange(f"{nameToText(owner)} would have {wrong}")


def _wrongWith(owner: bytes, apex: bytes, sets: Mapping[Kind, RRSet], before: Mapping[Kind, RRSet]) -> str:
    isApex = len(owner) == len(apex)
    if len(sets) > max(NAME_TYPES.default, len(before)):
        return f"{len(sets)} types of records; at most {NAME_TYPES.default:.0f} are allowed"
    for kind, rrset in sets.items():
        rrType = rrset.rrType
        count = len(rrset.rdatas)
        if count > 1:
            most = 1 if rrType in SINGLE else SET_RECORDS.default
            if count > most and (kind not in before or count > len(before[kind].rdatas)):
                return f"{count} records of type {typeName(rrType)}; at most {most:.0f} {'is' if most == 1 else 'are'} allowed"
        if rrType in APICAL and not isApex and kind not in before:
            return f"{'an SOA' if rrType == SOA else f'a {typeName(rrType)}'}, which belongs at {nameToText(apex)}"
        if rrType in PARENTAL and isApex and kind not in before:
            return f"{typeName(rrType)} records, which belong to the zone above"
    if (CNAME, 0) in sets:
        others = [kind[0] for kind in sets if kind[0] != CNAME and kind[0] not in BESIDE_ALIASES]
        if others:
            return f"a CNAME and {typeName(others[0])} too; a CNAME has to be alone (RFC 2181, section 10.1)"
    if _DNAME in sets and _NS in sets and not isApex and not (_DNAME in before and _NS in before):
        return "a DNAME and NS too; a name below the apex has one or the other (RFC 6672, section 2.3)"
    return ""


def _alike(sets: dict[Kind, RRSet], others: dict[Kind, RRSet]) -> bool:
    if sets.keys() != others.keys():
        return False
    return all(rrset is others[kind] or isIdentical(rrset, others[kind]) for kind, rrset in sets.items())
