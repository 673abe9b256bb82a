"""
All features, from that which a query meets first to the last.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from twisted_ext.server.config.setting import DECLARED
from twisted_ext.server.config.settings import Settings
from twisted_ext.server.features.access.feature import AccessFeature
from twisted_ext.server.features.base.feature import Feature
from twisted_ext.server.features.blocking.feature import BlockingFeature
from twisted_ext.server.features.configurations.feature import ConfigurationsFeature
from twisted_ext.server.features.cookies.feature import CookieFeature
from twisted_ext.server.features.denyanswers.feature import DenyAnswersFeature
from twisted_ext.server.features.designation.feature import DesignationFeature
from twisted_ext.server.features.dns64.feature import DNS64Feature
from twisted_ext.server.features.dnstap.feature import DnstapFeature
from twisted_ext.server.features.domainneeded.feature import DomainNeededFeature
from twisted_ext.server.features.filter.feature import FilterFeature
from twisted_ext.server.features.hooks.feature import HooksFeature
from twisted_ext.server.features.localnames.feature import LocalNamesFeature
from twisted_ext.server.features.negativeanchors.feature import NegativeAnchorsFeature
from twisted_ext.server.features.otlp.feature import OtlpFeature
from twisted_ext.server.features.policyzones.feature import PolicyZonesFeature
from twisted_ext.server.features.queryhistory.feature import QueryHistoryFeature
from twisted_ext.server.features.querylog.feature import QueryLogFeature
from twisted_ext.server.features.rates.feature import ClientRateFeature, ResponseRateFeature
from twisted_ext.server.features.rebinding.feature import RebindingFeature
from twisted_ext.server.features.roundrobin.feature import RoundRobinFeature
from twisted_ext.server.features.special.feature import SpecialFeature
from twisted_ext.server.features.views.feature import ViewsFeature

if TYPE_CHECKING:
    from twisted_ext.metrics.figure import Figure
    from twisted_ext.server.features.base.verb import Verb

__all__ = ["ORDER", "declare", "declaredFigures", "declaredVerbs"]

#: Those of this package, and behind them those of plugins, once L{twisted_ext.server.settings.plugged} has adopted them.
ORDER: tuple[Feature, ...] = (
    AccessFeature(),
    ViewsFeature(),
    CookieFeature(),
    ClientRateFeature(),
    ResponseRateFeature(),
    RoundRobinFeature(),
    LocalNamesFeature(),
    SpecialFeature(),
    DesignationFeature(),
    DomainNeededFeature(),
    DNS64Feature(),
    HooksFeature(),
    PolicyZonesFeature(),
    BlockingFeature(),
    DenyAnswersFeature(),
    RebindingFeature(),
    FilterFeature(),
    QueryLogFeature(),
    QueryHistoryFeature(),
    DnstapFeature(),
    OtlpFeature(),
    NegativeAnchorsFeature(),
    ConfigurationsFeature(),
)


def declare() -> None:
    """
    Make the settings of the server and of these features known.
    """
    DECLARED.declare([Settings, *[feature.settings for feature in ORDER]])


declare()


def declaredFigures() -> list[Figure]:
    """
    Return the numbers that features add to the statistics.
    """
    return [figure for feature in ORDER for figure in feature.figures]


def declaredVerbs() -> list[Verb]:
    """
    Return the operations that features add.
    """
    return [verb for feature in ORDER for verb in feature.verbs]
