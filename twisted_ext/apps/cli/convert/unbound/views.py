"""
Converts the views of Unbound: local zones and data for some of the clients.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from ipaddress import ip_address, ip_network
from typing import Final

from twisted_ext.apps.cli.convert.addresses import isAddress, nameFrom, namesAbove, networkFrom
from twisted_ext.apps.cli.convert.converted import Converted
from twisted_ext.apps.cli.convert.prefixes import Network, Prefixes, byLength, disjoint
from twisted_ext.apps.cli.convert.unbound.localzones import LocalZones
from twisted_ext.apps.cli.convert.unbound.syntax import Option, Section
from twisted_ext.apps.cli.convert.viewnames import viewName

__all__ = ["convertViews"]

#: What local zones and data become, each with what it is where nothing is said of it.
_SETTINGS: Final[Mapping[str, object]] = {
    "recursive": True, "local": [], "local-domain": [], "local-reverse": True, "forward-other-types": False, "block": [],
    "block-except": [], "block-reply": "nxdomain",
}  # fmt: skip

_LOCAL: Final = ("local-zone", "local-data", "local-data-ptr")

#: Types of zones that pass names without data on.
_PASSING: Final = ("transparent", "typetransparent", "inform", "always_transparent", "nodefault")

#: Names in one line about them.
_SHOWN: Final = 5


def convertViews(sections: Iterable[Section], server: Section, private: Iterable[str], routed: Iterable[str], into: Converted) -> None:
    """
    Convert views; local zones and data for all clients are converted already.

    @param private: the domains that Unbound denies by itself, in each view too.
    @param routed: domains that a route, a stub or a zone leads to.
    """
    views = {each.last("name"): each for each in sections if each.name == "view"}
    elements = _elementsIn(server, views, into)
    prefixes: Prefixes[str] = Prefixes()
    for network, view in elements.items():
        prefixes.add(network, view)

    def viewOf(network: Network) -> str:
        found = prefixes.find(network)
        return "" if found is None else found[1]

    rules = byLength(elements, viewOf, "")
    judged = set(into.findings)
    names: set[str] = set()
    for name, section in views.items():
        clients = disjoint([(network, view == name) for network, view in rules])
        clients += _interfacesOf(name, server, into, isOther=bool(elements))
        if not clients:
            into.needless(section.place, "no client is in this view")
            continue
        own = Converted(into.kind, into.file)
        for each in private:
            own.add("local-domain", each, section.place)
        zones = LocalZones(own)
        given = [option for option in section.options if option.name in _LOCAL]
        isFirst = section.flag("view-first")
        deciding = _decidingIn(given)
        for option in given:
            # With view-first, its other zones pass names on to the zones for all, so they change nothing, and its data comes before these,
            # whatever their types say of data.
            if not isFirst or option.name != "local-zone" or _decides(option):
                zones.take(option, isFirst=isFirst and deciding.isdisjoint(_namesAbove(option)))
        if isFirst:
            for option in _optionsBehind(given, deciding, server):
                zones.take(option)
            _sayOfEmptyNames(name, given, server, into)
        zones.finish(routed)
        into.findings += [each for each in own.findings if each not in judged]
        judged.update(own.findings)
        # A view without zones and data is as if there were none.
        said = {key: own.values.get(key, usual) for key, usual in _SETTINGS.items()} if given else {}
        table = {key: value for key, value in said.items() if value != into.values.get(key, _SETTINGS[key])}
        names.add(known := viewName(name, names))
        into.add("view", {"name": known, "clients": clients, **table}, section.place)


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


def _interfacesOf(name: str, server: Section, into: Converted, *, isOther: bool) -> Iterator[str]:
    """
    Return the addresses of the server that lead to a view, as words of its clients.

    @param isOther: whether there are clients whose networks decide.
    """
    for option in server.options:
        if option.name == "interface-view" and option.values[1:2] == [name]:
            if not isAddress(option.value):
                into.missing(option.place, "it takes an address without a port", "write interface=ADDRESS into clients of the view")
                continue
            yield f"interface={option.value}"
            if isOther:
                into.differs(option.place, "clients with an access-control of their own are in this view as well")


def _decides(zone: Option) -> bool:
    """
    Return whether a local zone decides about all names in it. Others pass names without data on.
    """
    return bool(zone.values[1:2]) and zone.values[1] not in _PASSING


def _decidingIn(options: Iterable[Option]) -> set[str | None]:
    return {_ownerOf(option) for option in options if option.name == "local-zone" and _decides(option)}


def _namesAbove(option: Option) -> Iterator[str]:
    owner = _ownerOf(option)
    return iter(()) if owner is None else namesAbove(owner)


def _optionsBehind(own: Iterable[Option], deciding: Collection[str | None], server: Section) -> Iterator[Option]:
    """
    Return the local zones and data for all that a view with C{view-first} has where it says nothing itself.

    @param own: its zones and data.
    @param deciding: the names of those of its zones that decide about all names in them.
    """
    named = _nodesOf(own)
    for option in server.options:
        if option.name in _LOCAL and (owner := _ownerOf(option)) is not None:
            isDecided = any(name in deciding for name in namesAbove(owner))
            if not isDecided and (option.name == "local-zone" or owner not in named):
                yield option


def _sayOfEmptyNames(name: str, own: Sequence[Option], server: Section, into: Converted) -> None:
    """
    Unbound passes on names of a view's zones that have no records, even where a zone for all would decide.
    """
    among: dict[str, list[str]] = {}
    for empty in _nodesOf(own) - {_ownerOf(option) for option in own if option.name != "local-zone"}:
        for above in namesAbove(empty):
            among.setdefault(above, []).append(empty)
    for zone in server.options:
        found = among.get(_ownerOf(zone) or "", []) if zone.name == "local-zone" and _decides(zone) else []
        if found:
            text = ", ".join(sorted(found)[:_SHOWN]) + (" and others" if len(found) > _SHOWN else "")
            into.differs(zone.place, f"in view {name}, this zone decides about {text} as well, which Unbound looks up")


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
