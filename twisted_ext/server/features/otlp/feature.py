"""
OpenTelemetry: each process that answers queries tells an exporter, which is a process of its own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from twisted_ext.metrics.figure import Figure
from twisted_ext.server.config.setting import RESOLVING
from twisted_ext.server.features.base.feature import Active, Feature, Keeper, Part, Site, Stage
from twisted_ext.server.features.base.telling import Telling, Way
from twisted_ext.server.features.otlp.settings import OtlpSettings

if TYPE_CHECKING:
    from twisted.internet.interfaces import IReactorTime

    from twisted_ext.interfaces import IAnswerSource
    from twisted_ext.server.config.settings import Settings
    from twisted_ext.server.process.recorders.gathering import Gathering

__all__ = ["OtlpFeature"]


class Spanning(Telling):
    """
    Tells the exporter, as long as its keeper says where it listens.
    """

    keys = ("otlpTold", "otlpDropped")

    def __init__(self, pipe: Way, gathering: Gathering, settings: OtlpSettings) -> None:
        from twisted_ext.server.features.otlp.watching import ParentGate, SpannedSource

        super().__init__(pipe, gathering)
        self.gathering = gathering
        gate = ParentGate(settings.otlpTrust) if settings.otlpTrust else None
        parents = None if gate is None else gate.parentOf
        sample, slow = settings.otlpSample, settings.otlpSlow / 1000

        def wrap(source: IAnswerSource) -> IAnswerSource:
            return SpannedSource(source, gathering, parents, sample, slow)

        self.parts = (*([] if gate is None else [Part(Stage.LAST, gate=gate)]), Part(Stage.OUTER, wrap=wrap))


class OtlpFeature(Feature):
    """
    Sends look-ups as spans.
    """

    name = "otlp"
    settings = OtlpSettings
    roles = RESOLVING
    figures = (
        Figure("otlpTold", "txdns_otlp_lookups_total", "Look-ups that were told to the process that sends spans.", grows=True),
        Figure("otlpDropped", "txdns_otlp_dropped_total", "Look-ups not told to it, as it could not keep up.", grows=True),
        Figure("otlpSent", "txdns_otlp_spans_total", "Spans that the collector has taken.", grows=True),
        Figure("otlpLost", "txdns_otlp_lost_total", "Spans that it has not.", grows=True),
        Figure("otlpWrong", "txdns_otlp_wrong", "Whether spans cannot be sent."),
    )

    def make(self, site: Site, former: Active | None) -> Active | None:
        settings = site.settings[OtlpSettings]
        if not settings.otlp:
            return None
        if isinstance(former, Spanning):
            return Spanning(former.pipe, former.gathering, settings)
        # Imported where it is sent only.
        from twisted_ext.server.features.otlp.exporter.batches import HANDSHAKE
        from twisted_ext.server.process.recorders.gathering import Gathering
        from twisted_ext.server.process.recorders.pipe import RecorderPipe

        pipe = RecorderPipe(site.reactor, HANDSHAKE)
        return Spanning(pipe, Gathering(site.reactor, pipe.send, site.today), settings)

    def keeper(self, reactor: IReactorTime, settings: Settings) -> Keeper | None:
        from twisted_ext.server.features.otlp.keeper import OtlpKeeper

        return OtlpKeeper(reactor, settings)
