"""
What a configuration of dnsmasq says, collected from its lines, and the domains, networks and numbers in them.
"""

from __future__ import annotations

from collections.abc import Container
from dataclasses import dataclass, field
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from typing import Final, NamedTuple

from twisted_ext.apps.cli.convert.addresses import namesAbove
from twisted_ext.apps.cli.convert.converted import Place
from twisted_ext.apps.cli.convert.dnsmasq.lines import Directive, plain
from twisted_ext.apps.cli.convert.words import numberFrom
from twisted_ext.errors import BadDescription
from twisted_ext.resolver.policy.rebinding import isPrivate
from twisted_ext.transport.servers import Server
from twisted_ext.wire.names import nameFromText, nameToText

__all__ = ["NULL", "Found", "Once", "Upstream", "domainOf", "folded", "isNear", "isWithin", "networkOf", "number", "together"]

#: Addresses that lead nowhere, by which names are blocked, and none, by which they are denied.
NULL: Final = frozenset(("#", "0.0.0.0", "::", ""))


class Upstream(NamedTuple):
    """
    @ivar server: the address, C{""} for none (the domain is local), C{"#"} for the usual servers.
    """

    server: str
    place: Place


@dataclass(slots=True)
class Once:
    """
    A finding that is the same for several directives: listed with the first of them.
    """

    place: Place
    count: int = 0


@dataclass(slots=True)
class Found:
    """
    What was collected.

    @ivar options: the last value of each option.
    @ivar everything: upstreams for C{#}, which is all names.
    @ivar routes: upstreams by domain; C{""} is that of names of one label.
    @ivar addresses: the same of C{address=}.
    @ivar names: those of C{host-record} and C{cname}, with the first of these.
    """

    options: dict[str, Directive] = field(default_factory=dict)
    upstreams: list[Upstream] = field(default_factory=list)
    everything: list[Upstream] = field(default_factory=list)
    routes: dict[str, list[Upstream]] = field(default_factory=dict)
    addresses: dict[str, list[Upstream]] = field(default_factory=dict)
    hosts: list[Upstream] = field(default_factory=list)
    aliases: list[tuple[str, Place]] = field(default_factory=list)
    names: dict[str, Place] = field(default_factory=dict)
    shared: list[Place] = field(default_factory=list)
    mail: list[Directive] = field(default_factory=list)
    once: dict[str, Once] = field(default_factory=dict)

    @property
    def addressed(self) -> set[str]:
        """
        The domains whose names have an address that leads somewhere; C{"."} for all names.
        """
        found = [domain for domain, targets in self.addresses.items() if not {each.server for each in targets} <= NULL]
        return {"." if domain == "#" else domain for domain in found}

    def onceMore(self, reason: str, place: Place) -> None:
        """
        Note that some directives do not do the same, for a common reason.
        """
        self.once.setdefault(reason, Once(place)).count += 1


def number(text: str) -> int:
    found = numberFrom(text)
    if found is None:
        raise BadDescription(f"{text!r} is not a valid number")
    return found


def domainOf(domain: str) -> str:
    """
    Return a domain between slashes as a name. dnsmasq takes C{.example.org} for C{example.org}.

    @raise BadName: it is not a valid name.
    """
    domain = plain(domain).removeprefix(".")
    return nameToText(nameFromText(domain), final=False).lower() if domain else ""


def isWithin(domain: str, domains: Container[str]) -> bool:
    """
    Return whether a domain is one of these, or below one.
    """
    return any(each in domains for each in namesAbove(domain))


def folded(name: str) -> str:
    return f"{name.rstrip('.').lower()}."


def together(servers: list[str]) -> str:
    """
    Describe upstreams of which the first answer is taken.
    """
    described = [f"udp:[{each}]" if each.count(":") > 1 and not each.startswith("[") else f"udp:{each}" for each in servers]
    return described[0] if len(described) == 1 else f"race:{':'.join([f'({each})' for each in described])}"


def isNear(server: str) -> bool:
    """
    Return whether the server forwards reverse names of private networks to this upstream.
    """
    return isPrivate(ip_address(Server.fromText(server).address.partition("%")[0]).packed)


def networkOf(text: str) -> IPv4Network | IPv6Network:
    """
    @raise BadDescription: it is not a network.
    """
    try:
        # The name of an interface would count as a part of the address.
        return ip_network(plain(text).replace("%", " "), strict=False)
    except ValueError:
        raise BadDescription(f"{text!r} is not a valid network, such as 192.0.2.0/24") from None
