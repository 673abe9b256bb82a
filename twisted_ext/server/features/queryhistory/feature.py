"""
The history of queries: each process that answers queries tells a recorder, which is a process of its own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from twisted_ext.metrics.figure import Figure
from twisted_ext.server.features.base.feature import Active, Feature, Keeper, Site
from twisted_ext.server.features.base.telling import Telling, Way
from twisted_ext.server.features.queryhistory.settings import QueryHistorySettings

if TYPE_CHECKING:
    from twisted.internet.interfaces import IReactorTime

    from twisted_ext.interfaces import IQueryObserver
    from twisted_ext.server.config.settings import Settings
    from twisted_ext.server.features.queryhistory.recording import Recording

__all__ = ["QueryHistoryFeature"]


class Recorded(Telling):
    """
    Tells the recorder, as long as its keeper says where it listens.
    """

    keys = ("historyTold", "historyDropped")

    def __init__(self, pipe: Way, recording: Recording) -> None:
        super().__init__(pipe, recording)
        self.recording = recording

    def observer(self) -> IQueryObserver | None:
        return self.recording


class QueryHistoryFeature(Feature):
    """
    Keeps what clients ask.
    """

    name = "queryhistory"
    settings = QueryHistorySettings
    figures = (
        Figure("historyTold", "txdns_history_queries_total", "Queries that were told to the history.", grows=True),
        Figure("historyDropped", "txdns_history_dropped_total", "Queries not told to the history, as it could not keep up.", grows=True),
        Figure("historyRows", "txdns_history_rows", "Queries that the history has written since its process began."),
        Figure("historyUnwritten", "txdns_history_unwritten_total", "Queries told to the history that it could not write.", grows=True),
        Figure("historyWrong", "txdns_history_wrong", "Whether the history cannot be written."),
    )

    def make(self, site: Site, former: Active | None) -> Active | None:
        if site.view or not site.settings[QueryHistorySettings].queryHistory:
            return None
        if isinstance(former, Recorded):
            return Recorded(former.pipe, former.recording)
        # Imported where it is kept only.
        from twisted_ext.server.features.queryhistory.recorder.frames import HANDSHAKE
        from twisted_ext.server.features.queryhistory.recording import Recording
        from twisted_ext.server.process.recorders.pipe import RecorderPipe

        pipe = RecorderPipe(site.reactor, HANDSHAKE)
        return Recorded(pipe, Recording(site.reactor, pipe.send, site.today))

    def keeper(self, reactor: IReactorTime, settings: Settings) -> Keeper | None:
        from twisted_ext.server.features.queryhistory.keeper import HistoryKeeper

        return HistoryKeeper(reactor, settings)
