"""
DNS64: clients without IPv4 reach hosts without IPv6 through a NAT64.
"""

from __future__ import annotations

from ipaddress import IPv6Network
from typing import TYPE_CHECKING

from twisted_ext.errors import BadDescription
from twisted_ext.metrics.figure import Figure
from twisted_ext.server.config import types
from twisted_ext.server.config.setting import DECLARED, RESOLVING, Section, setting
from twisted_ext.server.features.base.feature import Active, Feature, Part, Site, Stage
from twisted_ext.wire.names import nameFromText, nameToText

if TYPE_CHECKING:
    from twisted_ext.interfaces import IAnswerSource

__all__ = ["DNS64Feature", "DNS64Settings"]

#: The setting that removes the addresses which others are made from.
_FILTER: str = "filter-a"


def _prefix(text: str) -> str:
    from twisted_ext.resolver.policy.dns64 import NAT64Prefix

    prefix = NAT64Prefix(text)
    if prefix.isReserved:
        raise BadDescription(f"{text}: bits 64 to 71 of the prefix of a NAT64 are zero (RFC 6052)")
    return str(prefix.network)


def _network(text: str) -> str:
    return str(IPv6Network(text))


class DNS64Settings(Section):
    dns64: tuple[str, ...] = setting(
        types.Text("the prefix of a NAT64, such as 64:ff9b::/96", _prefix),
        (),
        "For names without IPv6 addresses, make some from their IPv4 addresses, with this prefix of a NAT64, such as 64:ff9b::/96",
        group="Upstreams",
        roles=RESOLVING,
        inView=True,
    )
    dns64Exclude: tuple[str, ...] = setting(
        types.Text("a network of IPv6, such as 2001:db8::/32", _network),
        ("::ffff:0:0/96",),
        "With dns64: IPv6 addresses in this network count as none",
        roles=RESOLVING,
        inView=True,
    )
    dns64IgnoreAaaa: tuple[str, ...] = setting(
        types.NAME,
        (),
        "With dns64: a name in this domain that has IPv4 addresses gets those made from them alone, as if it had none of IPv6",
        roles=RESOLVING,
        inView=True,
    )
    dns64Failing: bool = setting(
        types.FLAG,
        False,
        "With dns64: names whose look-up for IPv6 addresses fails count as having none, as where servers respond to no such queries",
        roles=RESOLVING,
        inView=True,
    )


class _DNS64(Active):
    def __init__(self, settings: DNS64Settings, former: Active | None) -> None:
        from twisted_ext.resolver.policy.addressset import AddressSet
        from twisted_ext.resolver.policy.dns64 import DNS64Source, NAT64Names, NAT64Prefix, Tally

        prefixes = [NAT64Prefix(text) for text in settings.dns64]
        excluded = AddressSet(map(IPv6Network, settings.dns64Exclude)) if settings.dns64Exclude else None
        ignored = [nameFromText(name) for name in settings.dns64IgnoreAaaa]
        failing = settings.dns64Failing
        self.tally: Tally = former.tally if isinstance(former, _DNS64) else Tally()
        tally = self.tally
        names = ", ".join(settings.dns64)
        but = "".join([f", also for {nameToText(name)}" for name in ignored])

        def wrapped(source: IAnswerSource) -> IAnswerSource:
            return DNS64Source(source, prefixes, excluded=excluded, ignored=ignored, failing=failing, tally=tally)

        said = f"nat64: ipv4only.arpa, and the names of addresses in {names}"
        self.parts = (
            Part(Stage.OUTER, lambda: said, wrap=lambda source: NAT64Names(source, prefixes)),
            Part(Stage.UPSTREAM, lambda: f"dns64: names without IPv6 addresses have some in {names}{but}", wrap=wrapped),
        )

    def figures(self) -> dict[str, float]:
        return {"dns64Made": self.tally.made}


class DNS64Feature(Feature):
    """
    Makes IPv6 addresses from IPv4 addresses. It is outside of what withholds answers, so that it makes none of an address that is withheld.
    """

    name = "dns64"
    settings = DNS64Settings
    reads = (_FILTER,)
    figures = (Figure("dns64Made", "txdns_dns64_answers_total", "Answers with IPv6 addresses made from IPv4 addresses.", grows=True),)
    roles = RESOLVING

    def make(self, site: Site, former: Active | None) -> Active | None:
        wanted = site.settings[DNS64Settings]
        if not wanted.dns64:
            return None
        if site.settings.value(DECLARED.byName[_FILTER]):
            raise BadDescription("filter-a removes the addresses from which dns64 makes others; leave one of the two out")
        return _DNS64(wanted, former)
