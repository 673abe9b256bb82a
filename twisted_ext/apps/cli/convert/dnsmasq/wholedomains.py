"""
What dnsmasq's C{address=} says: addresses of whole domains, and domains that are blocked.
"""

from __future__ import annotations

from collections.abc import Container
from typing import Final

from twisted_ext.apps.cli.convert.addresses import namesAbove
from twisted_ext.apps.cli.convert.converted import Converted, Place
from twisted_ext.apps.cli.convert.dnsmasq.records import familyOf
from twisted_ext.apps.cli.convert.dnsmasq.values import NULL, Found, Upstream, isWithin

__all__ = ["addressDomains", "blockDomains"]

_OTHER_TYPES: Final = "queries for other types of a blocked name have no data here; dnsmasq asks the upstreams for them"


def blockDomains(found: Found, converted: Converted) -> None:
    """
    Block the domains that are denied, or those with null addresses if they are more: all blocked names have the same reply.
    """
    local, addressed = set(converted.texts("local-domain")), found.addressed
    # A name with records of its own is not asked of the list of blocked ones.
    occupied = {above.rstrip(".") for text in converted.texts("local") for above in namesAbove(text.partition(" ")[0].lower())}
    denied: dict[str, Place] = {}
    null: dict[str, Place] = {}
    for domain, targets in list(found.addresses.items()):
        servers, place = {each.server for each in targets}, targets[0].place
        isDenied = servers == {""} and domain != "#"
        # These names are answered before the block list is asked.
        isKnown = domain in occupied or isWithin(domain, local) or isWithin(domain, addressed)
        if isDenied and (isKnown or domain in found.routes):
            if domain in found.routes:
                converted.differs(place, f"{domain} has servers of its own as well: these are asked")
            else:
                converted.add("local-domain", domain, place)
            del found.addresses[domain]
        elif isDenied:
            denied[domain] = place
        elif "" in servers and domain != "#":
            converted.add("local-domain", domain, place)
        elif domain != "#" and not isKnown and servers <= NULL:
            null[domain] = place
    chosen = null if len(null) > len(denied) else denied
    for domain, place in denied.items():
        if chosen is null:
            converted.add("local-domain", domain, place)
    for domain, place in chosen.items():
        converted.block(domain, place)
        if chosen is null:
            found.onceMore(_OTHER_TYPES, place)
            for address, kind in (("::", "IPv6"), ("0.0.0.0", "IPv4")):
                if not {each.server for each in found.addresses[domain]} & {"#", address}:
                    found.onceMore(f"blocked names have the {kind} address {address} as well", place)
        del found.addresses[domain]
    if chosen:
        first = next(iter(chosen.values()))
        converted.note(first, "a name whose alias leads to a blocked name is blocked as well")
        if chosen is null:
            converted.set("block-reply", "null", first)
        for domain, upstreams in found.routes.items():
            if isWithin(domain.partition(".")[2], chosen):
                converted.block(domain, upstreams[0].place, "block-except")


def addressDomains(found: Found, converted: Converted) -> None:
    """
    Give domains the addresses of all names in them.
    """
    ends = {*found.routes, *converted.texts("local-domain")}
    types, between = _ownNames(found, converted, ends)
    reversed = False
    for domain, targets in found.addresses.items():
        for target, place in targets:
            if target:
                found.shared.append(place)
            elif domain == "#":
                converted.missing(place, "no setting denies all names", "set recursive = false")
            if target not in ("", "#") and not reversed:
                reversed = True
                converted.note(place, "the address has the domain as its reverse name", "set local-reverse = false if it should not")
        for family, listed in _families(domain, found, ends).items():
            for address, place in listed:
                for name in ([] if domain == "#" else [f"{domain}."]) + between[domain]:
                    # A name with an address of its own has no other, and one that is an alias has none.
                    if not types.get(name, set()) & {family, "CNAME"}:
                        converted.add("local", f"{name} {family} {address}", place)
                    converted.add("local", f"*.{name} {family} {address}", place)
                if domain == "#":
                    converted.add("local", f"*. {family} {address}", place)


def _families(domain: str, found: Found, ends: Container[str]) -> dict[str, list[Upstream]]:
    """
    Return the addresses of names in a domain: for each type those of the nearest domain that has any.

    @param ends: domains that take no addresses from domains above them.
    """
    families: dict[str, list[Upstream]] = {}
    for name in namesAbove(domain):
        own: dict[str, list[Upstream]] = {}
        targets = found.addresses.get("#" if name == "." else name, [])
        for target, place in targets:
            if target not in ("", "#"):
                own.setdefault(familyOf(target), []).append(Upstream(target, place))
        for target, place in targets:
            if target == "#":
                own = {"A": [Upstream("0.0.0.0", place)], "AAAA": [Upstream("::", place)], **own}
        families = {**own, **families}
        if name in ends:
            break
    return families


def _ownNames(found: Found, converted: Converted, ends: Container[str]) -> tuple[dict[str, set[str]], dict[str, list[str]]]:
    """
    Return the types of records that names have, and for domains that have an address the names in them with records, and those between,
    to which no wildcard applies.
    """
    types: dict[str, set[str]] = {}
    for text in converted.texts("local"):
        owner, *words = text.split()
        types.setdefault(owner.lower(), set()).update(words[:2])
    between: dict[str, list[str]] = {domain: [] for domain in found.addresses}
    for owner in types:
        above: list[str] = []
        for name in namesAbove(owner):
            domain = name.rstrip(".") or "#"
            if domain in between:
                between[domain] += [each for each in above if each not in between[domain]]
            if domain in between or domain in ends:
                break
            above.append(name)
    return types, between
