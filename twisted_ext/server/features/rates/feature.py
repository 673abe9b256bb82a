"""
Limits on how much one client asks, and on the replies to one network.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from twisted_ext.server.config import types
from twisted_ext.server.config.setting import Section, number, setting
from twisted_ext.server.features.base.feature import Active, Feature, Part, Site, Stage
from twisted_ext.server.limits import CLIENT_RATE, RESPONSE_RATE, RESPONSE_SLIP

if TYPE_CHECKING:
    from twisted_ext.server.reply.rrl import ResponseRateLimit

__all__ = ["ClientRateFeature", "ClientRateSettings", "ResponseRateFeature", "ResponseRateSettings"]


class ClientRateSettings(Section):
    isFirst = True

    clientRate: int = number(
        CLIENT_RATE,
        "Queries per second from one client to all workers together, of which each worker takes its share; 0 for no limit",
        unit="queries",
        group="Access control and replies",
    )


class ResponseRateSettings(Section):
    isFirst = True

    responseRate: int = number(
        RESPONSE_RATE,
        "UDP replies of one kind per second to one client network, since source addresses may be spoofed, from all workers together, of "
        "which each has its share; 0 for no limit",
        unit="replies",
        group="Access control and replies",
    )
    responseSlip: int = number(
        RESPONSE_SLIP,
        "Of the replies above that rate, one in this many is sent truncated, so that a real client can retry over TCP; 0 for none",
        unit="replies",
    )
    responseExempt: tuple[str, ...] = setting(types.PREFIX, (), "Do not limit replies to these addresses")


def _shareOf(perSecond: float, workers: int) -> float:
    """
    Return the share of one worker in the rate of a server.

    The kernel distributes UDP among workers by the addresses and ports of both ends, so floods, whose ports are forged, and clients that
    ask from many ports, as resolvers do, reach all of them.
    """
    # With less than one, a worker would answer nothing at first: new accounts begin with the tokens of a second.
    return max(perSecond / workers, 1.0) if perSecond else 0.0


class _ClientRate(Active):
    def __init__(self, perSecond: float) -> None:
        # Imported where there is a limit only.
        from twisted_ext.server.reply.gates import RateGate
        from twisted_ext.server.reply.ratelimit import ClientRateLimit

        rates = ClientRateLimit(perSecond)
        self.admits = rates.admit
        self.parts = (Part(Stage.PROOF, gate=RateGate(rates)),)


class ClientRateFeature(Feature):
    """
    Limits the queries of each client.
    """

    name = "clientrate"
    settings = ClientRateSettings

    def make(self, site: Site, former: Active | None) -> Active | None:
        rate = _shareOf(site.settings[ClientRateSettings].clientRate, site.settings.workers)
        return _ClientRate(rate) if rate else None


class _ResponseRate(Active):
    def __init__(self, limiting: ResponseRateLimit) -> None:
        self.limiting = limiting
        self.admits = limiting.admit


class ResponseRateFeature(Feature):
    """
    Limits the replies to each network.
    """

    name = "responserate"
    settings = ResponseRateSettings

    def make(self, site: Site, former: Active | None) -> Active | None:
        # Imported where queries are answered only.
        from twisted_ext.server.reply.rrl import ResponseRateLimit

        wanted = site.settings[ResponseRateSettings]
        rate = _shareOf(wanted.responseRate, site.settings.workers)
        limiting = ResponseRateLimit(rate, slip=wanted.responseSlip, exempt=wanted.responseExempt)
        return _ResponseRate(limiting) if limiting.perSecond else None
