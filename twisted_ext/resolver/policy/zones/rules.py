"""
The rules of several response policy zones in one table.

It is the table of lists (L{twisted_ext.resolver.policy.rules.table}) with other keys: the octets of names, and prefixes of addresses. What
a rule does is kept once for all rules that do the same, and a rule has the place of that. So a rule takes 14 octets, and its share of the
buckets.

A policy zone is a zone: a wildcard applies to the names below it that are not below a longer name of the zone (RFC 4592). So names between
others, which have no rule themselves, are there with neither L{SELF} nor L{BELOW} if a wildcard is right above them.

Rules about the names of servers are below another end than the root, so that they are apart from those about names.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from ipaddress import IPv4Network, IPv6Network
from itertools import chain
from struct import Struct
from struct import error as StructError
from typing import Final, NamedTuple

from twisted_ext.errors import BadDescription, BadImage
from twisted_ext.resolver.policy.rules.table import BELOW, SELF, SOURCE, PolicyTable, RuleList, TableBuilder
from twisted_ext.resolver.policy.zones.actions import Action

__all__ = [
    "ADDRESS", "ALL", "CLIENT", "NAME", "PREFIX", "SERVER", "SERVER_ADDRESS", "Found", "PolicyZones", "PolicyZonesBuilder", "ZoneRule",
    "keyOf",
]

#: What a rule goes by, that which comes first before others of the same zone.
CLIENT: Final = 0
NAME: Final = 1
ADDRESS: Final = 2
SERVER: Final = 3
SERVER_ADDRESS: Final = 4

#: All zones.
ALL: Final = -1

#: Begins the keys of prefixes: no name begins with a label of this length.
PREFIX: Final = (b"\xff\x00", b"", b"\xff\x02", b"", b"\xff\x04")

#: Ends the keys of names of servers, in place of the root.
_SERVERS: Final = b"\xff"

#: The key of what is known of all rules: of each trigger and family of addresses which lengths of prefixes there are, and which zones have
#: rules for addresses, and for servers.
_LENGTHS: Final = b"\xff\xfd"

#: The first octet of the keys of prefixes, which no label has as its length.
_NO_LABEL: Final = 0xFF

#: The key of the SOA record of each zone: its TTL and its rdata.
_SOA: Final = b"\xff\xfe"
_TTL: Final = Struct(">I")

#: The number in place of a zone's for what is about all of them.
_NO_ZONE: Final = SOURCE

_FAMILIES: Final = tuple([(trigger, size) for trigger in (CLIENT, ADDRESS, SERVER_ADDRESS) for size in (4, 16)])
_KNOWN: Final = Struct(">17s17s17s17s17s17sQQ")

#: Zones, as many as bits.
_ZONES: Final = 64

#: Actions that are kept once they were read.
_ACTIONS: Final = 4096

#: Names are kept until so many are there.
_TOGETHER: Final = 4096

Network = IPv4Network | IPv6Network


class ZoneRule(NamedTuple):
    """
    A rule.

    @ivar trigger: L{CLIENT}, L{NAME}, L{ADDRESS}, L{SERVER} or L{SERVER_ADDRESS}.
    @ivar name: the name that it is about, folded and absolute.
    @ivar isWildcard: whether it is about all names below that.
    @ivar network: the addresses that it is about; L{None} if it is about names.
    """

    trigger: int
    name: bytes
    isWildcard: bool
    network: Network | None
    action: Action


class Found(NamedTuple):
    """
    A rule of a zone that was found.

    @ivar action: the place of its action.
    @ivar name: the name that it is about, folded; empty octets if it is about addresses.
    @ivar isWildcard: whether it is about all names below that.
    @ivar network: the addresses that it is about, as the length of the prefix, and the octets of its first address.
    """

    action: int
    name: bytes = b""
    isWildcard: bool = False
    network: tuple[int, bytes] = (0, b"")

    @property
    def rank(self) -> tuple[int, int]:
        """
        That by which rules for addresses of one answer are compared: the highest one applies, which is the longest prefix, and of equal
        ones that of the lowest address. Prefixes of IPv4 count as those of IPv6 that have 96 bits before them.
        """
        length, packed = self.network
        return length + 128 - 8 * len(packed), -int.from_bytes(packed, "big")


def keyOf(trigger: int, name: bytes) -> bytes:
    """
    Return the key of a name in the table.
    """
    return name[:-1] + _SERVERS if trigger == SERVER else name


class PolicyZonesBuilder:
    """
    Collects the rules of zones.
    """

    def __init__(self, key: bytes = b"") -> None:
        """
        @param key: that of a former table, whose zones can be copied then; by default a random one.
        """
        self._builder = TableBuilder(key)
        self._zones: list[RuleList] = []
        self._places: dict[Action, int] = {}
        self._lengths = dict.fromkeys(_FAMILIES, 0)
        self._after = self._servers = 0

    @property
    def count(self) -> int:
        """
        How many rules there are.
        """
        return self._builder.count

    def add(self, zone: str, rules: Iterable[ZoneRule]) -> RuleList:
        """
        Add a zone. Of two rules about the same the first one counts.

        @param zone: what stands for it in L{RuleList}.

        @return: what is known of it.

        @raise BadDescription: there are too many zones.
        """
        number = self._next()
        builder, places = self._builder, self._places
        # The keys of rules about something itself, and about what is below it.
        single: set[bytes] = set()
        waiting: dict[int, tuple[list[bytes], list[int]]] = {}
        wild: set[bytes] = set()
        count = place = 0
        before: Action | None = None
        for trigger, owner, isWildcard, network, action in rules:
            if network is not None:
                key, word = PREFIX[trigger] + bytes((network.prefixlen,)) + network.network_address.packed, SELF
                self._lengths[trigger, network.max_prefixlen // 8] |= 1 << network.prefixlen
            else:
                key, word = keyOf(trigger, owner), BELOW if isWildcard else SELF
            if trigger == ADDRESS:
                self._after |= 1 << number
            elif trigger > ADDRESS:
                self._servers |= 1 << number
            known = wild if isWildcard else single
            if key in known:
                continue
            known.add(key)
            # Most do the same as the one before.
            if action is not before:
                before = action
                there = places.get(action, -1)
                place = places[action] = there if there >= 0 else builder.keep(action.pack())
            keys, kept = waiting.setdefault(number | word, ([], []))
            keys.append(key)
            kept.append(place)
            count += 1
            if len(keys) >= _TOGETHER:
                builder.add(keys, number | word, kept)
                keys.clear()
                kept.clear()
        for bits, (keys, kept) in waiting.items():
            builder.add(keys, bits, kept)
        if wild:
            between = _between(wild, single)
            builder.add(between, number, [0] * len(between))
        told = RuleList(zone, count)
        self._zones.append(told)
        return told

    def _next(self) -> int:
        number = len(self._zones)
        if number >= _ZONES:
            raise BadDescription(f"there are more than {_ZONES} policy zones")
        return number

    def describe(self, soa: tuple[int, bytes]) -> None:
        """
        Give the zone that was added last its SOA record.

        @param soa: its TTL and its rdata.
        """
        ttl, rdata = soa
        place = self._builder.keep(_TTL.pack(ttl) + bytes((len(rdata) >> 8, len(rdata) & 255)) + rdata)
        self._builder.add([_SOA + bytes((len(self._zones) - 1,))], _NO_ZONE, [place])

    def copy(self, former: PolicyZones, there: int) -> None:
        """
        Add a zone as it is in a former table with the same key.

        @param there: its number there.

        @raise BadDescription: there are too many zones.
        """
        number = self._next()
        known: dict[int, int] = {}

        def placed(word: int, place: int) -> int:
            if not word & (SELF | BELOW):
                return 0
            if place not in known:
                action = former.action(Found(place))
                known[place] = self._places[action] if action in self._places else self._builder.keep(action.pack())
                self._places[action] = known[place]
            return known[place]

        self._builder.copy(former.table, there, number, placed)
        for each, lengths in former.lengths.items():
            self._lengths[each] |= sum([1 << length for length in lengths])
        self._after |= (former.after >> there & 1) << number
        self._servers |= (former.servers >> there & 1) << number
        self._zones.append(former.zones[there])
        if (soa := former.soa(there)) is not None:
            self.describe(soa)

    def pack(self, zones: Sequence[RuleList] | None = None) -> list[bytes]:
        """
        Return the octets of the table, in several parts.

        @param zones: what is known of the zones, in their order; by default what L{add} has returned.
        """
        lengths = [self._lengths[each].to_bytes(17, "big") for each in _FAMILIES]
        self._builder.add([_LENGTHS], _NO_ZONE, [self._builder.keep(_KNOWN.pack(*lengths, self._after, self._servers))])
        return self._builder.pack(self._zones if zones is None else zones)


def _between(wild: set[bytes], single: set[bytes]) -> list[bytes]:
    """
    Return the names above others of the zone that are right below that of a wildcard. Names below these need no mark: a search from them
    upwards ends here.
    """
    found: list[bytes] = []
    seen: set[bytes] = set()
    for owner in chain(single, wild):
        if owner[0] == _NO_LABEL:
            continue
        name = owner[owner[0] + 1 :]
        while len(name) > 1 and name not in seen:
            seen.add(name)
            above = name[name[0] + 1 :]
            if above in wild:
                found.append(name)
            name = above
    return found


class PolicyZones:
    """
    The rules of several zones.

    @ivar zones: what is known of them, by number.
    @ivar after: the zones with rules for addresses in answers, as bits.
    @ivar servers: those with rules for servers.
    @ivar lengths: those of prefixes, the longest first, by what rules are about and by the octets of an address.
    @ivar rulesFor: returns the bits and the place of each rule for a key, as L{PolicyTable.rulesFor} does.
    @ivar table: has the rules.
    """

    __slots__ = ("after", "lengths", "rulesFor", "servers", "table", "zones", "__weakref__", "_actions", "_all")

    def __init__(self, table: PolicyTable) -> None:
        """
        @param table: as L{PolicyZonesBuilder.pack} has it.

        @raise BadImage: it is not such a table.
        """
        self.table = table
        self.rulesFor: Callable[[bytes], Sequence[tuple[int, int]]] = table.rulesFor
        self.zones = table.lists
        self._all = (1 << len(self.zones)) - 1
        self._actions: dict[int, Action] = {}
        try:
            (_, place), *_ = table.rulesFor(_LENGTHS)
            *lengths, self.after, self.servers = _KNOWN.unpack_from(table.kept, place)
        except (ValueError, StructError):
            raise BadImage("this is not a table of policy zones") from None
        masks = [int.from_bytes(each, "big") for each in lengths]
        self.lengths = {
            key: [length for length in range(128, -1, -1) if mask >> length & 1] for key, mask in zip(_FAMILIES, masks, strict=True)
        }

    def action(self, found: Found) -> Action:
        """
        Return what a rule does.
        """
        action = self._actions.get(found.action)
        if action is None:
            if len(self._actions) >= _ACTIONS:
                self._actions.clear()
            action = self._actions[found.action] = Action.unpack(self.table.kept, found.action)
        return action

    def soa(self, number: int) -> tuple[int, bytes] | None:
        """
        Return the TTL and the rdata of the SOA record of a zone; L{None} if that is not known.
        """
        for _, place in self.table.rulesFor(_SOA + bytes((number,))):
            kept = self.table.kept
            place += _TTL.size
            size = kept[place] << 8 | kept[place + 1]
            return _TTL.unpack_from(kept, place - _TTL.size)[0], kept[place + 2 : place + 2 + size]
        return None

    def forName(self, name: bytes, mask: int = ALL) -> dict[int, Found]:
        """
        Return the rule of each zone that has one about a name, by the numbers of the zones.

        @param name: folded.
        @param mask: the zones that are looked at, as bits.
        """
        found: dict[int, Found] = {}
        left = mask & self._all
        rulesFor = self.rulesFor
        applies = SELF
        while True:
            rules = rulesFor(name)
            if rules:
                here = 0
                for word, place in rules:
                    zone = word & SOURCE
                    if left >> zone & 1:
                        here |= 1 << zone
                        if word & applies:
                            found[zone] = Found(place, name, applies == BELOW)
                # It is the closest name of these zones: wildcards above it do not apply.
                left &= ~here
            if len(name) == 1 or not left:
                return found
            name = name[name[0] + 1 :]
            applies = BELOW

    def forServer(self, name: bytes, mask: int = ALL) -> dict[int, Found]:
        """
        Return the rule of each zone that has one about the name of a server. For the arguments see L{forName}.
        """
        found = self.forName(keyOf(SERVER, name), mask & self.servers)
        return {zone: each._replace(name=each.name[:-1] + bytes(1)) for zone, each in found.items()}

    def forAddress(self, packed: bytes, trigger: int, mask: int = ALL) -> dict[int, Found]:
        """
        Return the rule of each zone that has one about an address, that for the longest prefix, by the numbers of the zones.

        @param packed: four or sixteen octets.
        @param trigger: L{CLIENT}, L{ADDRESS} or L{SERVER_ADDRESS}.
        """
        found: dict[int, Found] = {}
        left = mask & self._all
        size = 8 * len(packed)
        number = int.from_bytes(packed, "big")
        for length in self.lengths.get((trigger, len(packed)), ()):
            shift = size - length
            network = length, (number >> shift << shift).to_bytes(len(packed), "big")
            for word, place in self.rulesFor(PREFIX[trigger] + bytes((length,)) + network[1]):
                zone = word & SOURCE
                if left >> zone & 1:
                    found[zone] = Found(place, network=network)
                    left &= ~(1 << zone)
            if not left:
                break
        return found
