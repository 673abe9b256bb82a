"""
Converts the views of Unbound: local zones and data for some of the clients.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from ipaddress import ip_address, ip_network
from typing import Final

from twisted_ext.apps.cli.convert.addresses import isAddress, nameFrom, namesAbove, networkFrom
from twisted_ext.apps.cli.convert.converted import Converted
from twisted_ext.apps.cli.convert.prefixes import Network, Prefixes, byLength, disjoint
from twisted_ext.apps.cli.convert.unbound.localzones import LocalZones
from twisted_ext.apps.cli.convert.unbound.syntax import Option, Section

__all__ = ["convertViews"]

#: What local zones and data become, each with what it is where nothing is said of it.
_SETTINGS: Final[Mapping[str, object]] = {
    "recursive": True, "local": [], "local-domain": [], "local-reverse": True, "forward-other-types": False, "block": [],
    "block-except": [], "block-reply": "nxdomain",
}  # fmt: skip

_LOCAL: Final = ("local-zone", "local-data", "local-data-ptr")

#: Types of zones that pass names without data on.
_PASSING: Final = ("transparent", "typetransparent", "inform", "always_transparent", "nodefault")

#: Names that views cannot have here.
_RESERVED: Final = ("all", "default")


def convertViews(sections: Iterable[Section], server: Section, private: Iterable[str], routed: Iterable[str], into: Converted) -> None:
    """
    Convert views; local zones and data for all clients are converted already.

    @param private: the domains that Unbound denies by itself, in each view too.
    @param routed: domains that a route, a stub or a zone leads to.
    """
    views = {each.last("name"): each for each in sections if each.name == "view"}
    elements = _elementsIn(server, views, into)
    for name, section in views.items():
        clients = _clientsOf(name, elements, server, into)
        if not clients:
            into.needless(section.place, "no client is in this view")
            continue
        own = Converted(into.kind, into.file)
        for each in private:
            own.add("local-domain", each, section.place)
        zones = LocalZones(own)
        given = [option for option in section.options if option.name in _LOCAL]
        for option in _optionsOf(section, server):
            # Data of the view comes before the zones for all, whatever their types say of data.
            zones.take(option, isFirst=option in given and section.flag("view-first") and not _isWithin(option, given))
        zones.finish(routed)
        if section.flag("view-first"):
            _sayOfEmptyNames(name, given, server, into)
        into.findings += [each for each in own.findings if each not in into.findings]
        said = {key: own.values.get(key, usual) for key, usual in _SETTINGS.items()} if _hasOwn(section) else {}
        table = {key: value for key, value in said.items() if value != into.values.get(key, _SETTINGS[key])}
        into.add("view", {"name": _named(name), "clients": clients, **table}, section.place)


def _hasOwn(section: Section) -> bool:
    # A view without zones and data is as if there were none.
    return any(option.name in _LOCAL for option in section.options)


def _named(name: str) -> str:
    text = re.sub(r"[^A-Za-z0-9_-]", "-", name)[:58] or "view"
    return f"view-{text}" if text in _RESERVED else text


def _elementsIn(server: Section, views: Mapping[str, Section], into: Converted) -> dict[Network, str]:
    """
    Return the view of each network for which something is said; C{""} for none. Of the networks that have a client the longest decides,
    also if nothing is said of its view.
    """
    found: dict[Network, str] = {}
    for option in server.options:
        if option.name not in ("access-control", "access-control-view"):
            continue
        network = networkFrom(option.value)
        if network is None:
            if option.name == "access-control-view":
                into.wrong(option.place, f"{option.value!r} is not a network", "write 192.0.2.0/24 and the name of a view")
        elif option.name == "access-control":
            found.setdefault(ip_network(network), "")
        elif option.values[1:2] and option.values[1] in views:
            found[ip_network(network)] = option.values[1]
        else:
            into.wrong(option.place, f"there is no view {' '.join(option.values[1:])!r}")
    return found


def _clientsOf(name: str, elements: Mapping[Network, str], server: Section, into: Converted) -> list[str]:
    """
    Return the clients of a view: networks that have no address in common with those of other views; and for all others the addresses of
    the server that lead to it.
    """
    prefixes: Prefixes[str] = Prefixes()
    for network, view in elements.items():
        prefixes.add(network, view)

    def has(view: str, network: Network) -> bool:
        found = prefixes.find(network)
        return found is not None and found[1] == view

    clients = disjoint(byLength(elements, partial(has, name), False))
    for option in server.options:
        if option.name == "interface-view" and option.values[1:2] == [name]:
            if not isAddress(option.value):
                into.missing(option.place, "it takes an address without a port", "write interface=ADDRESS into clients of the view")
                continue
            clients.append(f"interface={option.value}")
            if elements:
                into.differs(option.place, "clients with an access-control of their own are in this view as well")
    return clients


def _optionsOf(section: Section, server: Section) -> list[Option]:
    """
    Return the local zones and data that the clients of a view have: its own, and with C{view-first} those for all where it says nothing.
    """
    own = [option for option in section.options if option.name in _LOCAL]
    if not section.flag("view-first"):
        return own
    # Its other zones pass names without data on to the zones for all, so they change nothing.
    deciding = {_ownerOf(option) for option in own if option.name == "local-zone" and _decides(option)}
    named = _nodesOf(own)
    kept = [option for option in own if option.name != "local-zone" or _ownerOf(option) in deciding]
    for option in server.options:
        owner = _ownerOf(option) if option.name in _LOCAL else None
        if owner is not None and deciding.isdisjoint(namesAbove(owner)) and (option.name == "local-zone" or owner not in named):
            kept.append(option)
    return kept


def _decides(zone: Option) -> bool:
    return bool(zone.values[1:2]) and zone.values[1] not in _PASSING


def _sayOfEmptyNames(name: str, own: Sequence[Option], server: Section, into: Converted) -> None:
    """
    Unbound passes on names of a view's zones that have no records, even where a zone for all would decide.
    """
    empty = _nodesOf(own) - {_ownerOf(option) for option in own if option.name != "local-zone"}
    for zone in server.options:
        among = [each for each in empty if _ownerOf(zone) in {*namesAbove(each)}] if zone.name == "local-zone" and _decides(zone) else []
        if among:
            into.differs(zone.place, f"in view {name}, this zone decides about {', '.join(sorted(among))} as well, which Unbound looks up")


def _isWithin(option: Option, own: Iterable[Option]) -> bool:
    """
    Return whether data is in a local zone of its view that decides about all names in it.
    """
    zones = {_ownerOf(each) for each in own if each.name == "local-zone" and _decides(each)}
    owner = _ownerOf(option)
    return owner is not None and not zones.isdisjoint(namesAbove(owner))


def _nodesOf(own: Iterable[Option]) -> set[str]:
    """
    Return the names that the zones of a view have, with or without records: what is said of these for all does not apply. Records that are
    in no zone are together in one, at the longest name that is above all of them.
    """
    zones = {name for option in own if option.name == "local-zone" and (name := _ownerOf(option)) is not None}
    owners = [name for option in own if option.name != "local-zone" and (name := _ownerOf(option)) is not None]
    alone = [[*namesAbove(owner)] for owner in owners if zones.isdisjoint(namesAbove(owner))]
    common = next((name for name in alone[0] if all(name in each for each in alone)), ".") if alone else ""
    found = set(zones)
    for owner in owners:
        for above in namesAbove(owner):
            found.add(above)
            if above in zones or above == common:
                break
    return found


def _ownerOf(option: Option) -> str | None:
    """
    Return the name that an option is about.
    """
    words = option.text.split()
    if option.name != "local-data-ptr":
        return nameFrom(words[0]) if words else None
    return f"{ip_address(words[0]).reverse_pointer}." if words and isAddress(words[0]) else None
