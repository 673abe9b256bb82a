"""
Deny answers: names that lead to certain addresses or domains do not exist for clients.
"""

from __future__ import annotations

from ipaddress import ip_network

from twisted_ext.server.config import types
from twisted_ext.server.config.setting import RESOLVING, Section, setting
from twisted_ext.server.features.base.feature import Active, Feature, Part, Site, Stage
from twisted_ext.wire.names import nameFromText

__all__ = ["DenyAnswersFeature", "DenyAnswersSettings"]


def _network(text: str) -> str:
    return str(ip_network(text))


class DenyAnswersSettings(Section):
    denyAnswerAddresses: tuple[str, ...] = setting(
        types.Text("an address with or without the length of a prefix, such as 192.0.2.0/24", _network),
        (),
        "Deny names whose answers from upstreams have an address in this network, such as that of a provider's search page",
        group="Access control and replies",
        roles=RESOLVING,
        inView=True,
    )
    denyAnswerAliases: tuple[str, ...] = setting(
        types.NAME,
        (),
        "Deny names outside of this domain that are aliases of a name in it",
        roles=RESOLVING,
        inView=True,
    )
    denyAnswerExcept: tuple[str, ...] = setting(
        types.NAME,
        (),
        "With deny-answer-addresses and deny-answer-aliases: names in this domain are not denied",
        roles=RESOLVING,
        inView=True,
    )


class _Denying(Active):
    def __init__(self, settings: DenyAnswersSettings) -> None:
        from twisted_ext.resolver.policy.addressset import AddressSet
        from twisted_ext.resolver.policy.denied import DenyAnswers

        addresses = AddressSet(map(ip_network, settings.denyAnswerAddresses))
        domains, excepted = [[nameFromText(name) for name in names] for names in (settings.denyAnswerAliases, settings.denyAnswerExcept)]
        networks, aliases = len(settings.denyAnswerAddresses), len(domains)
        counted = f"{networks} network{'s'[: networks != 1]}, or aliases of names in {aliases} domain{'s'[: aliases != 1]}"
        self.parts = (
            Part(
                Stage.UPSTREAM,
                lambda: f"deny-answer: no names with addresses in {counted}",
                wrap=lambda source: DenyAnswers(source, addresses, domains, excepted),
            ),
        )


class DenyAnswersFeature(Feature):
    """
    Denies names by what their answers have.
    """

    name = "denyanswers"
    settings = DenyAnswersSettings
    roles = RESOLVING

    def make(self, site: Site, former: Active | None) -> Active | None:
        wanted = site.settings[DenyAnswersSettings]
        return _Denying(wanted) if wanted.denyAnswerAddresses or wanted.denyAnswerAliases else None
