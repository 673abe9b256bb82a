"""
The query log: every query with its reply.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from twisted_ext.server.config import types
from twisted_ext.server.config.setting import Section, setting
from twisted_ext.server.features.base.feature import Active, Feature, Site

if TYPE_CHECKING:
    from twisted_ext.interfaces import IQueryObserver

__all__ = ["QueryLogFeature", "QueryLogSettings"]


class QueryLogSettings(Section):
    queryLog: bool = setting(types.FLAG, False, "Log every query with its reply", group="Monitoring")


class Logged(Active):
    def __init__(self, observer: IQueryObserver) -> None:
        self._observer = observer

    def observer(self) -> IQueryObserver | None:
        return self._observer


class QueryLogFeature(Feature):
    """
    Logs queries. So does C{verbose}, the setting that C{twistd dns} has for it.
    """

    name = "querylog"
    settings = QueryLogSettings

    def make(self, site: Site, former: Active | None) -> Active | None:
        if not (site.settings[QueryLogSettings].queryLog or site.settings.verbose):
            return None
        from twisted_ext.server.features.querylog.log import QueryLog

        return Logged(QueryLog(site.reactor.seconds))
