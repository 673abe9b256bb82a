"""
Keeps the settings files that were in force, in the state folder, so that an operator can go back to one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from twisted_ext.server.features.base.feature import Active, Feature, Keeper, Site
from twisted_ext.server.features.base.verb import Verb

if TYPE_CHECKING:
    from collections.abc import Mapping

    from twisted.internet.defer import Deferred
    from twisted.internet.interfaces import IReactorTime

    from twisted_ext.metrics.figures import JSON
    from twisted_ext.server.config.settings import Settings
    from twisted_ext.server.features.configurations.keeper import Configurations

__all__ = ["ConfigurationsFeature"]


def _list(configurations: Configurations, arguments: Mapping[str, str]) -> Deferred[JSON]:
    return configurations.listed()


class ConfigurationsFeature(Feature):
    name = "configurations"
    verbs = (
        Verb("configurations", "the settings files that were in force last, the present one first", _list, inParent=True),
        Verb(
            "rollback",
            "write the settings file as it was N reloads ago, by default one, and reload it",
            None,
            takes=("[N]", "[FILE]"),
            changes=True,
            inParent=True,
            more="0 is what is in force; see configurations. FILE is the settings file, which root has to name. What it has now is kept "
            "beside it",
            command="twisted_ext.apps.cli.server.rollback:rollBack",
        ),
    )

    def make(self, site: Site, former: Active | None) -> Active | None:
        return None

    def keeper(self, reactor: IReactorTime, settings: Settings) -> Keeper | None:
        from twisted_ext.server.features.configurations.keeper import Configurations

        return Configurations(reactor, settings)
