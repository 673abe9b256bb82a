"""
Keeps the process running that writes dnstap.
"""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING, Final

from twisted.logger import Logger

from twisted_ext._version import __version__
from twisted_ext.server.features.dnstap.places import placeIn
from twisted_ext.server.features.dnstap.settings import DnstapSettings
from twisted_ext.server.features.dnstap.writer.batches import SOCKET
from twisted_ext.server.process.recorders.keeper import PassingKeeper

if TYPE_CHECKING:
    from collections.abc import Mapping

    from twisted.internet.interfaces import IReactorTime

    from twisted_ext.metrics.figures import JSON
    from twisted_ext.server.config.settings import Settings

__all__ = ["DnstapKeeper"]

_log: Final = Logger(__name__)


class DnstapKeeper(PassingKeeper):
    """
    Runs the writer while the settings have a target.
    """

    module = "twisted_ext.server.features.dnstap.writer"
    about = "dnstap"
    process = "the process that writes dnstap"
    stopped = "dnstap is not written"
    resumed = "dnstap is written again"
    socketName = SOCKET

    def __init__(self, reactor: IReactorTime, settings: Settings) -> None:
        super().__init__(reactor, settings)
        # Messages that were written, and that were not, by the writer, and by those before it.
        self._written = self._writtenBefore = 0
        self._dropped = self._droppedBefore = 0
        # Why targets get nothing.
        self._said: dict[str, str] = {}

    def isWanted(self) -> bool:
        return bool(self.settings[DnstapSettings].dnstap)

    def orders(self) -> dict[str, object]:
        wanted, settings = self.settings[DnstapSettings], self.settings
        return {
            "targets": [[each, *placeIn(each)] for each in wanted.dnstap],
            "messages": wanted.dnstapMessages,
            "recurses": settings.role != "serve",
            "identity": wanted.dnstapIdentity or settings.nsid or socket.gethostname(),
            "version": f"twisted_ext {__version__}",
            "size": wanted.dnstapSize,
            "ca": wanted.dnstapCa,
        }

    def reported(self, said: Mapping[str, JSON]) -> None:
        written, dropped, reasons = said.get("written"), said.get("dropped"), said.get("said")
        self._written = written if isinstance(written, int) else 0
        self._dropped = dropped if isinstance(dropped, int) else 0
        known = {place: str(why) for place, why in reasons.items()} if isinstance(reasons, dict) else {}
        for place, why in known.items():
            if self._said.get(place) != why:
                _log.error("dnstap: nothing is written to {place}: {why}; that is tried again", place=place, why=why)
        for place in self._said:
            if place not in known and place in self.settings[DnstapSettings].dnstap:
                _log.info("dnstap: {place} is written to again", place=place)
        self._said = known

    def lost(self) -> None:
        super().lost()
        self._writtenBefore += self._written
        self._droppedBefore += self._dropped
        self._written = self._dropped = 0

    def figures(self) -> dict[str, float]:
        if not self.isWanted():
            return {}
        return {
            "dnstapWritten": self._writtenBefore + self._written,
            "dnstapUnwritten": self._droppedBefore + self._dropped,
            "dnstapWrong": float(bool(self._said or self.failed)),
        }

    def facts(self) -> dict[str, JSON]:
        if not self.isWanted():
            return {}
        written = self._writtenBefore + self._written
        lines = [f"nothing is written: {self.failed}"] if self.failed else [f"{place}: {why}" for place, why in self._said.items()]
        return {"dnstap": {"written": written, "said": [f"dnstap: {each}" for each in lines or [f"{written:,} messages written"]]}}
