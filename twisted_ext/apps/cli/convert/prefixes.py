"""
What is decided about clients by their networks, in the form of this server's settings: the longest prefix that has an address decides,
while in the lists of other programs it may be the first one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Final, Generic, TypeVar

from twisted_ext.apps.cli.convert.converted import Converted, Place
from twisted_ext.server.reply.acl import ACTIONS

__all__ = ["EVERYONE", "Network", "Prefixes", "byLength", "contains", "disjoint", "networksOf", "writeAccess"]

Network = IPv4Network | IPv6Network

_T = TypeVar("_T")

#: All addresses of both families.
EVERYONE: Final = ("0.0.0.0/0", "::/0")


def networksOf(texts: Iterable[str]) -> list[Network]:
    """
    Return networks; C{any} is both families.
    """
    return [ip_network(each) for text in texts for each in (EVERYONE if text == "any" else (text,))]


class Prefixes(Generic[_T]):
    """
    Values by prefix.
    """

    def __init__(self) -> None:
        self._values: dict[Network, _T] = {}
        self._lengths: dict[int, set[int]] = {4: set(), 6: set()}

    def add(self, network: Network, value: _T) -> None:
        """
        Add a prefix, unless it is there already: the first one decides.
        """
        self._values.setdefault(network, value)
        self._lengths[network.version].add(network.prefixlen)

    def find(self, network: Network) -> tuple[Network, _T] | None:
        """
        Return the longest prefix that has a whole network, with its value.
        """
        for length in sorted(self._lengths[network.version], reverse=True):
            if length <= network.prefixlen:
                prefix = network.supernet(new_prefix=length)
                if prefix in self._values:
                    return prefix, self._values[prefix]
        return None

    def __iter__(self) -> Iterator[Network]:
        return iter(self._values)


def byLength(networks: Iterable[Network], decide: Callable[[Network], _T], otherwise: _T) -> list[tuple[Network, _T]]:
    """
    Return prefixes with values, in the order of the networks, so that for each address the longest one has what C{decide} says.

    @param networks: all prefixes at which decisions may change.
    @param decide: returns what is decided about the part of a prefix that is in no longer one of these.
    @param otherwise: the value for addresses in none of them.
    """
    order = list(dict.fromkeys([*networks, *networksOf(EVERYONE)]))
    made: Prefixes[_T] = Prefixes()
    changed: set[Network] = set()
    for network in sorted(order, key=lambda each: each.prefixlen):
        value = decide(network)
        above = made.find(network)
        if value != (otherwise if above is None else above[1]):
            changed.add(network)
        made.add(network, value)
    values = {network: found[1] for network in order if (found := made.find(network)) is not None}
    return [(network, values[network]) for network in order if network in changed]


def disjoint(rules: Iterable[tuple[Network, bool]]) -> list[str]:
    """
    Return networks for lists without exceptions: those that have the addresses for which rules as of L{byLength} say yes. All addresses of
    both families are C{any}.
    """
    given = list(rules)
    found: list[Network] = []
    for network, allowed in given:
        parts = [network] if allowed else []
        for hole, isIn in given:
            if not isIn and hole != network and contains(network, hole):
                parts = [piece for part in parts for piece in _without(part, hole)]
        found += parts
    texts = list(dict.fromkeys(map(str, found)))
    return ["any"] if set(EVERYONE) <= set(texts) else texts


def writeAccess(
    converted: Converted,
    networks: Iterable[Network],
    decide: Callable[[Network], str],
    placeOf: Callable[[Network], Place],
    *,
    zones: bool,
    looksUp: bool = True,
) -> None:
    """
    Write what is done with the queries of clients. The role is known.

    @param decide: as of L{byLength}: one of L{ACTIONS<twisted_ext.server.reply.acl.ACTIONS>}, or C{zones} if zones only are answered.
    @param zones: whether there are zones, which clients in no prefix may query.
    @param looksUp: whether names outside of the zones are looked up for clients that may query these, if they are let in.
    """
    serves = converted.values.get("role") == "serve"
    letsIn = serves or not looksUp
    zones = zones or serves

    def written(network: Network) -> str:
        decided = decide(network)
        return decided if zones or decided != "zones" else "refuse"

    rules = dict(byLength(networks, written, "zones" if zones else "refuse"))
    among = [network for network, action in rules.items() if action == "zones"]
    for network in among:
        # There is no other way to allow them.
        rules[network] = "allow" if letsIn else "refuse"
    if among and not letsIn:
        text = f"clients in {', '.join(map(str, among))} may query the zones there, but look no names up; here they are refused"
        converted.differs(placeOf(among[0]), text, "allow them to look names up")
    if "allow" not in rules.values() and (not serves or any(network.prefixlen == 0 for network in rules)):
        # By default private networks are answered, and with zones only all.
        converted.none("allow")
    for action in ACTIONS:
        found = [network for network, each in rules.items() if each == action]
        if action == "allow" and set(EVERYONE) <= set(map(str, found)):
            found = [network for network in found if network.prefixlen]
            converted.add(action, "any", placeOf(networksOf(EVERYONE)[0]))
        for network in found:
            converted.add(action, str(network), placeOf(network))


def contains(wide: Network, narrow: Network) -> bool:
    """
    Return whether a network has all of another one.
    """
    return wide.version == narrow.version and wide.prefixlen <= narrow.prefixlen and narrow.supernet(new_prefix=wide.prefixlen) == wide


def _without(part: Network, hole: Network) -> list[Network]:
    if contains(hole, part):
        return []
    if not contains(part, hole):
        return [part]
    # Halves, of which one has the hole.
    return [piece for half in part.subnets() for piece in ([half] if not contains(half, hole) else _without(half, hole))]
