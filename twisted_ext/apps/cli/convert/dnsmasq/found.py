"""
What a configuration of dnsmasq says, collected from its lines.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final, NamedTuple

from twisted_ext.apps.cli.convert.converted import Place
from twisted_ext.apps.cli.convert.dnsmasq.lines import Directive

__all__ = ["NULL", "Found", "Once", "Upstream"]

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
