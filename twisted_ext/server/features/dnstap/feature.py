"""
dnstap: each process that answers queries tells a writer, which is a process of its own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from twisted_ext.metrics.figure import Figure
from twisted_ext.server.features.base.feature import Active, Feature, Keeper, Part, Site, Stage
from twisted_ext.server.features.base.telling import Telling, Way
from twisted_ext.server.features.dnstap.settings import DnstapSettings

if TYPE_CHECKING:
    from twisted.internet.interfaces import IReactorTime

    from twisted_ext.interfaces import IAnswerSource, IQueryObserver
    from twisted_ext.server.config.settings import Settings
    from twisted_ext.server.process.recorders.gathering import Gathering

__all__ = ["DnstapFeature"]


class Tapped(Telling):
    """
    Tells the writer, as long as its keeper says where it listens.
    """

    keys = ("dnstapTold", "dnstapDropped")

    def __init__(self, pipe: Way, gathering: Gathering, settings: DnstapSettings) -> None:
        from twisted_ext.server.features.dnstap.gathering import ClientMessages, UpstreamMessages, WatchedSource

        super().__init__(pipe, gathering)
        self.gathering = gathering
        self._observer: IQueryObserver | None = None
        wanted, sample = settings.dnstapMessages, settings.dnstapSample
        if {"client", "auth", "update"}.intersection(wanted):
            self._observer = ClientMessages(gathering, sample)
        if {"forwarder", "resolver"}.intersection(wanted):
            watch = UpstreamMessages(gathering)

            def wrap(source: IAnswerSource) -> IAnswerSource:
                return WatchedSource(source, watch, sample)

            self.parts = (Part(Stage.OUTER, wrap=wrap),)

    def observer(self) -> IQueryObserver | None:
        return self._observer


class DnstapFeature(Feature):
    """
    Writes messages as dnstap.
    """

    name = "dnstap"
    settings = DnstapSettings
    figures = (
        Figure("dnstapTold", "txdns_dnstap_messages_total", "Messages that were told to the process that writes dnstap.", grows=True),
        Figure("dnstapDropped", "txdns_dnstap_dropped_total", "Messages not told to it, as it could not keep up.", grows=True),
        Figure("dnstapWritten", "txdns_dnstap_written_total", "Messages that targets of dnstap have got, each by itself.", grows=True),
        Figure("dnstapUnwritten", "txdns_dnstap_unwritten_total", "Messages that targets could not get.", grows=True),
        Figure("dnstapWrong", "txdns_dnstap_wrong", "Whether one of the targets gets nothing."),
    )

    def make(self, site: Site, former: Active | None) -> Active | None:
        settings = site.settings[DnstapSettings]
        if not settings.dnstap:
            return None
        if isinstance(former, Tapped):
            return Tapped(former.pipe, former.gathering, settings)
        # Imported where it is written only.
        from twisted_ext.server.features.dnstap.writer.batches import HANDSHAKE
        from twisted_ext.server.process.recorders.gathering import Gathering
        from twisted_ext.server.process.recorders.pipe import RecorderPipe

        pipe = RecorderPipe(site.reactor, HANDSHAKE)
        return Tapped(pipe, Gathering(site.reactor, pipe.send, site.today), settings)

    def keeper(self, reactor: IReactorTime, settings: Settings) -> Keeper | None:
        from twisted_ext.server.features.dnstap.keeper import DnstapKeeper

        return DnstapKeeper(reactor, settings)
