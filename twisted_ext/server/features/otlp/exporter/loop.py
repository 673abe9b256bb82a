"""
The exporter: takes what processes that answer queries tell, and sends it.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, Final

from twisted_ext.server.features.otlp.exporter.batches import HANDSHAKE, SOCKET
from twisted_ext.server.features.otlp.exporter.spans import Spans
from twisted_ext.server.process.recorders.intake import Intake, Report

__all__ = ["SpanExporterLoop"]

#: Seconds between two reports to the parent, and after which it learns that nothing is sent.
_REPORT: Final = 5.0
_SOON: Final = 0.5


class SpanExporterLoop(Intake):
    handshake = HANDSHAKE

    def __init__(self, folder: str, settings: Mapping[str, Any], report: Report) -> None:
        """
        @param settings: C{collector}, C{service}, C{instance} and C{version}, see L{Spans}.
        @param report: called with a line for the parent.

        @raise OSError: the socket cannot be made.
        """
        self._folder = folder
        self._spans: Spans | None = None
        self._given: Mapping[str, Any] = {}
        self._sent = self._lost = 0
        self._reportAt = 0.0
        self._said = ""
        super().__init__(f"{folder}/{SOCKET}", report)
        self.apply(settings)

    def apply(self, settings: Mapping[str, Any]) -> None:
        if settings != self._given:
            self._end()
            self._given = settings
            self._spans = Spans(settings["collector"], settings["service"], settings["instance"], settings["version"])

    def _end(self) -> None:
        if self._spans is not None:
            self._spans.close()
            self._sent += self._spans.sent
            self._lost += self._spans.lost
            self._spans = None

    def pause(self) -> float:
        return _SOON

    def take(self, batch: object) -> None:
        if self._spans is not None:
            self._spans.add(batch)

    def look(self) -> None:
        self.tell()
        said = "" if self._spans is None else self._spans.said
        now = time.monotonic()
        if now >= self._reportAt or said != self._said:
            self._reportAt = now + _REPORT
            self._said = said
            self._report()

    def _report(self) -> None:
        sent, lost = self._sent, self._lost
        if self._spans is not None:
            sent, lost = sent + self._spans.sent, lost + self._spans.lost
        self.report(json.dumps({"sent": sent, "lost": lost, "said": self._said}))

    def write(self) -> None:
        self.tell()

    def close(self) -> None:
        super().close()
        self._end()
        self._report()
        with suppress(OSError):
            os.rmdir(self._folder)
