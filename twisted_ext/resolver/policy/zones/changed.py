"""
Policy zones that have changed since their table was made: the names that differ, in front of it. A feed of a million rules changes by a few
each minute; making its table takes seconds.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final

from twisted_ext.resolver.policy.rules.table import BELOW, SELF, SOURCE
from twisted_ext.resolver.policy.zones.actions import Action, actionOf
from twisted_ext.resolver.policy.zones.reading import Record, isRule, triggerIn
from twisted_ext.resolver.policy.zones.rules import ADDRESS, PREFIX, Found, PolicyZones, keyOf
from twisted_ext.zone.store.nodes import EMPTY, STAR, Node, keyBelow, parentKey
from twisted_ext.zone.store.version import Version

__all__ = ["ChangedZones", "recordsIn", "rowsOf", "rowsSince"]

#: Names below a wildcard that is new, which are looked for one by one. With more, another table is made.
_NAMES: Final = 1000

#: What has become of a name: it is gone; it has these records; it is there, and its records are those that it had.
_GONE: Final = 0
_SET: Final = 1
_THERE: Final = 2

#: A name, a kind as above, and its records: type, TTL and rdata.
_Row = tuple[bytes, int, list[tuple[int, int, bytes]]]


def rowsOf(version: Version) -> list[str]:
    """
    Return what has changed since the image of a version, for L{recordsIn}.
    """
    rows: list[str] = []
    for key in version.overlay:
        node = version.find(key)
        rows.append(_text((key, _GONE, []) if node is None else (key, _SET, _recordsOf(node))))
    return rows


def _recordsOf(node: Node) -> list[tuple[int, int, bytes]]:
    return [(rrset.rrType, rrset.ttl, rdata) for rrset in node.sets for rdata in rrset.rdatas]


def rowsSince(version: Version, base: Version | None) -> list[str] | None:
    """
    Return the names whose records differ, or may differ, from those of an earlier version of the same image.

    @param base: that version; L{None} for the image.

    @return: rows for L{ChangedZones}, of each name one; L{None} if there are too many.
    """
    rows: dict[bytes, _Row] = {}
    for key in version.keysSince(base):
        node = version.find(key)
        if node is None:
            rows[key] = (key, _GONE, [])
            continue
        rows[key] = (key, _SET, _recordsOf(node))
        if key.startswith(STAR) and not node.flags & EMPTY and not _wasThere(version, base, key):
            # Names between this one and others below it had no mark.
            above = parentKey(key)
            names = _namesBelow(version, above)
            for number, below in enumerate(() if names is None else names):
                if number >= _NAMES:
                    names = None
                    break
                while parentKey(below) != above:
                    below = parentKey(below)
                rows.setdefault(below, (below, _THERE, []))
            if names is None:
                return None
    return [*map(_text, rows.values())]


def _text(row: _Row) -> str:
    key, kind, given = row
    # An empty name is that of the zone.
    return " ".join([key.hex() or "-", str(kind), *[f"{rrType}:{ttl}:{rdata.hex()}" for rrType, ttl, rdata in given]])


def _namesBelow(version: Version, key: bytes) -> Iterable[bytes] | None:
    """
    Return the names with records below another one; L{None} if all names of the zone would have to be looked at for that.
    """
    image = version.image
    if image.isOrdered:
        return version.subtree(key)
    index = image.find(key)
    if index >= 0 and image.children(index) > (image.find(STAR + key) >= 0):
        return None
    return [each for each, node in version.overlay.items() if node is not None and node.sets and keyBelow(each, key)]


def _wasThere(version: Version, base: Version | None, key: bytes) -> bool:
    node = version.image.at(key) if base is None else base.find(key)
    return node is not None and not node.flags & EMPTY


def _read(rows: Iterable[str]) -> Iterator[_Row]:
    """
    @raise ValueError: these are no rows.
    """
    for row in rows:
        name, kind, *given = row.split(" ")
        records = [each.split(":") for each in given]
        key = b"" if name == "-" else bytes.fromhex(name)
        yield key, int(kind), [(int(rrType), int(ttl), bytes.fromhex(rdata)) for rrType, ttl, rdata in records]


def recordsIn(version: Version, rows: Iterable[str], apex: bytes) -> Iterator[Record]:
    """
    Return the records of a version: those of its image, with rows in their place.

    @param version: the image without changes.
    @param apex: the name of the zone.
    """
    given = {key: records for key, kind, records in _read(rows) if kind != _THERE}
    for node in version.nodes():
        if node.key not in given:
            for rrset in node.sets:
                for rdata in rrset.rdatas:
                    yield node.key + apex, rrset.rrType, rrset.ttl, rdata
    for key, records in given.items():
        for rrType, ttl, rdata in records:
            yield key + apex, rrType, ttl, rdata


class _Change:
    """
    What has become of the rules about one name or prefix in one zone.

    @ivar own: the place of the action for itself, L{None} for no rule; C{-1} if it is the former one.
    @ivar below: the same for the names below.
    @ivar isThere: whether the zone has the name; L{None} if that is as before.
    """

    __slots__ = ("below", "isThere", "own")

    def __init__(self) -> None:
        self.own: int | None = -1
        self.below: int | None = -1
        self.isThere: bool | None = None


class ChangedZones(PolicyZones):
    """
    Zones of a table, and what has changed in them since.

    @ivar source: what the changes were read from.
    """

    __slots__ = ("source", "_changes", "_given")

    def __init__(self, base: PolicyZones, changes: Mapping[int, Iterable[str]], source: object = None) -> None:
        """
        @param changes: the rows of each zone that has changed, by its number.
        @param source: what they were read from.

        @raise ValueError: these are no rows.
        """
        super().__init__(base.table)
        self.source = source
        # Behind the places of the table.
        self._given: list[Action] = []
        self._changes: dict[bytes, dict[int, _Change]] = {}
        lengths = {key: dict.fromkeys(each) for key, each in self.lengths.items()}
        for zone, rows in changes.items():
            for key, kind, records in _read(rows):
                self._take(zone, key, kind, records, lengths)
        self.lengths = {key: sorted(each, reverse=True) for key, each in lengths.items()}
        self.rulesFor = self._rulesFor

    def _take(
        self,
        zone: int,
        relative: bytes,
        kind: int,
        records: Sequence[tuple[int, int, bytes]],
        lengths: dict[tuple[int, int], dict[int, None]],
    ) -> None:
        if not relative:
            return
        try:
            trigger, name, isWildcard, network = triggerIn(relative)
        except ValueError:
            # It is not a rule, and was none.
            return
        place: int | None = None
        rules = [each for each in records if isRule(each[0])]
        action = actionOf(rules) if rules else None
        if action is not None:
            place = len(self.table.kept) + len(self._given)
            self._given.append(action)
            if trigger == ADDRESS:
                self.after |= 1 << zone
            elif trigger > ADDRESS:
                self.servers |= 1 << zone
        if network is not None:
            octets = network.network_address.packed
            change = self._changeAt(PREFIX[trigger] + bytes((network.prefixlen,)) + octets, zone)
            change.own = place
            if place is not None:
                lengths[trigger, len(octets)][network.prefixlen] = None
            return
        change = self._changeAt(keyOf(trigger, name), zone)
        if isWildcard:
            change.below = place if kind == _SET else None
        elif kind == _THERE:
            change.isThere = True
        else:
            # One between others has no records.
            change.own, change.isThere = place, kind == _SET and (place is not None or not records)

    def _changeAt(self, key: bytes, zone: int) -> _Change:
        return self._changes.setdefault(key, {}).setdefault(zone, _Change())

    def _rulesFor(self, key: bytes) -> Sequence[tuple[int, int]]:
        rules = self.table.rulesFor(key)
        changed = self._changes.get(key)
        if changed is None:
            return rules
        left: list[tuple[int, int]] = []
        for word, place in rules:
            change = changed.get(word & SOURCE)
            if change is None:
                left.append((word, place))
            elif word & SELF:
                if change.own == -1:
                    left.append((word, place))
            elif word & BELOW:
                if change.below == -1:
                    left.append((word, place))
            elif change.isThere is not False:
                left.append((word, place))
        for zone, change in changed.items():
            if change.isThere:
                left.append((zone, 0))
            if change.own is not None and change.own >= 0:
                left.append((zone | SELF, change.own))
            if change.below is not None and change.below >= 0:
                left.append((zone | BELOW, change.below))
        return left

    def action(self, found: Found) -> Action:
        given = found.action - len(self.table.kept)
        return super().action(found) if given < 0 else self._given[given]
