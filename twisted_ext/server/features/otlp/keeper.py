"""
Keeps the process running that sends spans.
"""

from __future__ import annotations

import socket
from importlib.util import find_spec
from typing import TYPE_CHECKING, Final

from twisted.logger import Logger

from twisted_ext._version import __version__
from twisted_ext.errors import BadDescription
from twisted_ext.server.features.otlp.exporter.batches import SOCKET
from twisted_ext.server.features.otlp.settings import OtlpSettings
from twisted_ext.server.process.recorders.keeper import PassingKeeper

if TYPE_CHECKING:
    from collections.abc import Mapping

    from twisted.internet.interfaces import IReactorTime

    from twisted_ext.metrics.figures import JSON
    from twisted_ext.server.config.settings import Settings

__all__ = ["OtlpKeeper"]

_log: Final = Logger(__name__)

_LIBRARY: Final = "opentelemetry.exporter.otlp.proto.http"

_MISSING: Final = "otlp needs opentelemetry, which is not installed: pip install 'twisted-ext[otlp]'"


class OtlpKeeper(PassingKeeper):
    """
    Runs the exporter while the settings have a collector.
    """

    module = "twisted_ext.server.features.otlp.exporter"
    about = "otlp"
    process = "the process that sends spans"
    stopped = "spans are not sent"
    resumed = "spans are sent again"
    socketName = SOCKET

    def __init__(self, reactor: IReactorTime, settings: Settings) -> None:
        super().__init__(reactor, settings)
        # Spans that were sent, and that were not, by the exporter, and by those before it.
        self._sent = self._sentBefore = 0
        self._lost = self._lostBefore = 0
        # Why nothing is sent.
        self._said = ""
        if self.isWanted() and self.missing():
            raise BadDescription(self.missing())

    def isWanted(self) -> bool:
        return bool(self.settings[OtlpSettings].otlp) and self.settings.role != "serve"

    def missing(self) -> str:
        try:
            return "" if find_spec(_LIBRARY) is not None else _MISSING
        except ModuleNotFoundError:
            return _MISSING

    def orders(self) -> dict[str, object]:
        wanted = self.settings[OtlpSettings]
        instance = self.settings.nsid or socket.gethostname()
        return {"collector": wanted.otlp, "service": wanted.otlpService, "instance": instance, "version": __version__}

    def reported(self, said: Mapping[str, JSON]) -> None:
        sent, lost = said.get("sent"), said.get("lost")
        self._sent = sent if isinstance(sent, int) else 0
        self._lost = lost if isinstance(lost, int) else 0
        why = str(said.get("said", ""))
        if bool(why) != bool(self._said):
            where = self.settings[OtlpSettings].otlp
            if why:
                _log.error("otlp: spans cannot be sent to {where}: {why}; that is tried again", where=where, why=why)
            else:
                _log.info("otlp: spans are sent to {where} again", where=where)
        self._said = why

    def lost(self) -> None:
        super().lost()
        self._sentBefore += self._sent
        self._lostBefore += self._lost
        self._sent = self._lost = 0

    def figures(self) -> dict[str, float]:
        if not self.isWanted():
            return {}
        return {
            "otlpSent": self._sentBefore + self._sent,
            "otlpLost": self._lostBefore + self._lost,
            "otlpWrong": float(bool(self._said or self.failed)),
        }

    def facts(self) -> dict[str, JSON]:
        if not self.isWanted():
            return {}
        sent, why = self._sentBefore + self._sent, self.failed or self._said
        return {"otlp": {"sent": sent, "said": [f"otlp: spans cannot be sent: {why}" if why else f"otlp: {sent:,} spans sent"]}}
