"""
All features, from that which a query meets first to the last.
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Final

from twisted_ext.server.features.access.feature import AccessFeature
from twisted_ext.server.features.base.feature import Feature
from twisted_ext.server.features.blocking.feature import BlockingFeature
from twisted_ext.server.features.cookies.feature import CookieFeature
from twisted_ext.server.features.designation.feature import DesignationFeature
from twisted_ext.server.features.domainneeded.feature import DomainNeededFeature
from twisted_ext.server.features.filter.feature import FilterFeature
from twisted_ext.server.features.localnames.feature import LocalNamesFeature
from twisted_ext.server.features.negativeanchors.feature import NegativeAnchorsFeature
from twisted_ext.server.features.queryhistory.feature import QueryHistoryFeature
from twisted_ext.server.features.querylog.feature import QueryLogFeature
from twisted_ext.server.features.rates.feature import ClientRateFeature, ResponseRateFeature
from twisted_ext.server.features.rebinding.feature import RebindingFeature
from twisted_ext.server.features.special.feature import SpecialFeature
from twisted_ext.server.features.views.feature import ViewsFeature

if TYPE_CHECKING:
    from twisted_ext.metrics.figure import Figure
    from twisted_ext.server.features.base.verb import Verb

__all__ = ["ORDER", "declaredFigures", "declaredVerbs"]

#: Those of this package, and behind them those of plugins, once L{twisted_ext.server.settings.plugged} has adopted them.
ORDER: tuple[Feature, ...] = (
    AccessFeature(),
    ViewsFeature(),
    CookieFeature(),
    ClientRateFeature(),
    ResponseRateFeature(),
    LocalNamesFeature(),
    SpecialFeature(),
    DesignationFeature(),
    DomainNeededFeature(),
    BlockingFeature(),
    RebindingFeature(),
    FilterFeature(),
    QueryLogFeature(),
    QueryHistoryFeature(),
    NegativeAnchorsFeature(),
)


#: The plugins of Twisted and of this package, none of which is a feature.
_KNOWN: Final = frozenset(
    """
    __init__ cred_anonymous cred_file cred_memory cred_sshkeys cred_unix twisted_conch twisted_core twisted_ext_dropin twisted_ftp
    twisted_inet twisted_mail twisted_names twisted_portforward twisted_reactors twisted_runner twisted_socks twisted_trial twisted_web
    twisted_words
    """.split()
)


def hasOtherPlugins() -> bool:
    """
    Return whether there are plugins of other packages. To look for features among them takes a tenth of a second.
    """
    for path in sys.path:
        try:
            names = os.listdir(os.path.join(path or ".", "twisted", "plugins"))
        except OSError:
            continue
        if any(name.endswith(".py") and name[:-3] not in _KNOWN for name in names):
            return True
    return False


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
