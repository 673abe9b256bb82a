"""
Domains, networks and numbers in dnsmasq's directives.
"""

from __future__ import annotations

from collections.abc import Container
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network

from twisted_ext.apps.cli.convert.addresses import namesAbove
from twisted_ext.apps.cli.convert.dnsmasq.lines import plain
from twisted_ext.apps.cli.convert.words import numberFrom
from twisted_ext.errors import BadDescription
from twisted_ext.resolver.policy.rebinding import isPrivate
from twisted_ext.transport.servers import Server
from twisted_ext.wire.names import nameFromText, nameToText

__all__ = ["domainOf", "folded", "isNear", "isWithin", "networkOf", "number", "together"]


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
