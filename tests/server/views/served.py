"""
A server with views, and its clients, without sockets.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from time import time

from twisted_ext.interfaces import IAnswerSource
from twisted_ext.metrics.counters import Counters
from twisted_ext.metrics.figures import JSON
from twisted_ext.packetcache.doors import NOWHERE, Door
from twisted_ext.resolver.policy.rules.compiler import compileLists
from twisted_ext.server.config.settings import Settings
from twisted_ext.server.features.base.feature import Site
from twisted_ext.server.features.built import Features
from twisted_ext.server.frontend import Frontend
from twisted_ext.server.sources.sources import stackFor
from twisted_ext.server.zones.table.zonetable import Zones
from twisted_ext.testing.hooked import send
from twisted_ext.testing.network import MemoryNetwork
from twisted_ext.testing.sources import questionOf
from twisted_ext.wire.builder import buildQuery
from twisted_ext.wire.codes import RD
from twisted_ext.wire.message import Message

__all__ = ["Served", "meaningOf", "queryFor", "tableOf"]


class Served:
    """
    A server.

    @ivar frontend: what stands between its sockets and its sources.
    """

    def __init__(
        self,
        network: MemoryNetwork,
        address: str,
        settings: Settings,
        table: str = "",
        today: Callable[[], float] = time,
        zones: str = "",
    ) -> None:
        """
        @param table: the path of the table of its lists; C{""} for none.
        @param zones: that of the table of its policy zones.
        @param today: returns the seconds since 1970.
        """
        self._network = network
        self._clock = network.reactor(address)
        self._table, self._zones = table, zones
        self.settings = settings
        site = Site(self._clock, settings, self._changed, self._readmit, today=today, forget=self.forget)
        site.sourceOf, site.upstreamOf = self.sourceOf, self.upstreamOf
        self.features = Features(site)
        self.stack = stackFor(self._clock, settings, Zones(), self.features, changed=self._changed)
        self.frontend = Frontend(self.features, self.stack, Counters(), views=self.stack.views)
        self.features.begin()
        for name, state in self._published().items():
            self.features.take(name, state)

    def _published(self) -> dict[str, JSON]:
        return {"blocking": {"table": self._table, "paused": []}, "policyzones": {"table": self._zones}}

    def _changed(self) -> None:
        self.frontend.epoch.bump()

    def forget(self, client: str) -> None:
        """
        Classify a client again.
        """
        self.frontend.packetCache.forgetClients(client)

    def sourceOf(self, view: str) -> IAnswerSource | None:
        return self.stack.views.get(view)

    def upstreamOf(self, view: str) -> IAnswerSource | None:
        assert self.stack.backends is not None
        return self.stack.backends.sourceOf(view)

    def _readmit(self) -> None:
        self.frontend.packetCache.forgetClients()

    def reload(self, settings: Settings) -> None:
        """
        Apply new settings.
        """
        former = self.features
        features = Features(replace(former.site, settings=settings), former)
        self.stack.reload(settings, features)
        self.settings, self.features = settings, features
        self.frontend.apply(features, self.stack.views)
        features.begin()
        features.takeOver(self._published(), former)
        former.close(features)

    def take(self, table: str, zones: str = "") -> None:
        """
        Use other tables of lists, and of policy zones.
        """
        self._table, self._zones = table, zones or self._zones
        for name, state in self._published().items():
            self.features.take(name, state)

    def ask(
        self, packet: bytes, client: str, *, stream: bool = False, afresh: bool = False, door: Door = NOWHERE
    ) -> Message | None:
        """
        Receive a query, and return the reply.

        @param afresh: whether the packet cache is passed by.
        @param door: how the client came in.
        """
        sent = send(self.frontend, packet, client, self._clock.seconds(), stream=stream, afresh=afresh, door=door)
        if self.frontend.responder.counters.pending:
            self._network.advance(0.05)
        return Message.fromWire(sent[0]) if sent else None

    def close(self) -> None:
        self.frontend.responder.close()
        self.stack.close()
        self.features.close()


def queryFor(name: str, rrType: str = "A", number: int = 1) -> bytes:
    return number.to_bytes(2, "big") + buildQuery(RD, questionOf(name, rrType).toWire(), b"")


def tableOf(path: Path, words: list[str]) -> str:
    """
    Write the table of lists, and return its path.
    """
    compileLists(str(path), "", words)
    return str(path)


def meaningOf(message: Message | None) -> object:
    """
    Return what a reply says, without what depends on when its records were fetched.
    """
    if message is None:
        return None
    sections = [
        sorted([(rrset.name.lower(), rrset.rrType, sorted(rrset.rdatas)) for rrset in section])
        for section in (message.answer, message.authority)
    ]
    return message.flags, sections
