"""
What dnsmasq's C{address=} says: addresses of whole domains, and domains that are blocked.
"""

from __future__ import annotations

from typing import Final

from twisted_ext.apps.cli.convert.addresses import namesAbove
from twisted_ext.apps.cli.convert.converted import Converted, Place
from twisted_ext.apps.cli.convert.dnsmasq.found import Found
from twisted_ext.apps.cli.convert.dnsmasq.records import familyOf
from twisted_ext.apps.cli.convert.dnsmasq.values import isWithin

__all__ = ["addressDomains", "blockDomains"]

#: Addresses that lead nowhere, by which names are blocked.
_NULL: Final = frozenset(("#", "0.0.0.0", "::"))

#: Domains that one finding lists.
_LISTED: Final = 5

_OTHER_TYPES: Final = "queries for other types of a blocked name have no data here; dnsmasq asks the upstreams for them"


def blockDomains(found: Found, converted: Converted) -> None:
    """
    Block the domains that are denied, or those with null addresses if they are more: all blocked names have the same reply.
    """
    local = set(converted.texts("local-domain"))
    denied: dict[str, Place] = {}
    null: dict[str, Place] = {}
    for domain, targets in found.addresses.items():
        servers = {each.server for each in targets}
        if "" in servers and domain != "#":
            denied[domain] = targets[0].place
        # Names in domains that are only known here are answered before the block list is asked.
        elif servers <= _NULL and domain != "#" and not isWithin(domain, local):
            null[domain] = targets[0].place
    chosen = null if len(null) > len(denied) else denied
    for domain, place in denied.items():
        if chosen is null:
            converted.add("local-domain", domain, place)
    for domain, place in chosen.items():
        converted.block(domain, place)
        if chosen is null:
            found.onceMore(_OTHER_TYPES, place)
            if not {each.server for each in found.addresses[domain]} & {"#", "::"}:
                found.onceMore("blocked names have the IPv6 address :: as well", place)
        del found.addresses[domain]
    for text, place in converted.pairs("local") if chosen else []:
        owner, *words = text.split()
        if isWithin(owner.rstrip(".").lower(), chosen) and not {"A", "AAAA"} & set(words[:2]):
            # With records of its own, a name is not asked of the list of blocked ones.
            converted.drop("local", text)
            converted.differs(place, "it is left out: the name is blocked, which here applies to all types")
    if chosen:
        first = next(iter(chosen.values()))
        converted.note(first, "a name whose alias leads to a blocked name is blocked as well")
        if chosen is null:
            converted.set("block-reply", "null", first)
        for domain, upstreams in found.routes.items():
            if isWithin(domain, chosen):
                converted.block(domain, upstreams[0].place, "block-except")


def addressDomains(found: Found, converted: Converted) -> None:
    """
    Give domains the addresses of all names in them.
    """
    others = [*found.routes, *converted.texts("local-domain"), *[text.removeprefix("*.") for text in converted.texts("block")]]
    within: dict[str, list[str]] = {domain: [] for domain in found.addresses}
    for other in others:
        for domain in namesAbove(other.partition(".")[2]):
            if domain in within:
                within[domain].append(other)
    if "#" in within:
        within["#"] = others
    reversed = False
    types, between = _ownNames(found, converted)
    for domain, targets in found.addresses.items():
        for target, place in targets:
            if not target:
                if domain == "#":
                    converted.missing(place, "no setting denies all names", "set recursive = false")
                continue
            for address in ("0.0.0.0", "::") if target == "#" else (target,):
                family = familyOf(address)
                for name in ([] if domain == "#" else [f"{domain}."]) + between[domain]:
                    # A name with an address of its own has no other.
                    if family not in types.get(name, ()):
                        converted.add("local", f"{name} {family} {address}", place)
                    converted.add("local", f"*.{name} {family} {address}", place)
                if domain == "#":
                    converted.add("local", f"*. {family} {address}", place)
            found.shared.append(place)
            if target != "#" and not reversed:
                reversed = True
                converted.note(place, "the address has the domain as its reverse name", "set local-reverse = false if it should not")
            below = within[domain]
            if below:
                listed = ", ".join(below[:_LISTED]) + (f" and {len(below) - _LISTED} more" if len(below) > _LISTED else "")
                converted.differs(place, f"names in {listed} have the address as well; dnsmasq has rules of their own for these")
            found.names.add(f"{domain}.")


def _ownNames(found: Found, converted: Converted) -> tuple[dict[str, set[str]], dict[str, list[str]]]:
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
                break
            above.append(name)
    return types, between
