"""
Tells messages to the process that writes dnstap, as L{twisted_ext.server.features.dnstap.writer.batches} describes them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from zope.interface import classImplements

from twisted_ext.answers import UpstreamWatch
from twisted_ext.interfaces import IAnswerSource, IHitObserver
from twisted_ext.resolver.sources import WrappingSource

if TYPE_CHECKING:
    from twisted_ext.answers import Answer, QueryContext
    from twisted_ext.interfaces import Start
    from twisted_ext.packetcache.clients import Arrived, Client
    from twisted_ext.packetcache.doors import Door
    from twisted_ext.server.process.recorders.gathering import Gathering
    from twisted_ext.server.reply.requests import Refusal, Request
    from twisted_ext.wire.message import Question
    from twisted_ext.zone.store.version import DirectAnswer

__all__ = ["ClientMessages", "UpstreamMessages", "WatchedSource"]


class ClientMessages:
    """
    Is told of the queries of clients.
    """

    takesMade: bool = True

    def __init__(self, gathering: Gathering, sample: int) -> None:
        """
        @param sample: take one of so many.
        """
        self._gathering = gathering
        self._sample = sample
        # How many are left out before the next one that is taken.
        self._skip = 0

    def hits(
        self, queries: Sequence[Arrived], bodies: Sequence[bytes], clients: Sequence[Client], transport: str, now: float, door: Door
    ) -> None:
        if self._sample > 1:
            first, count = self._skip, len(queries)
            if first >= count:
                self._skip -= count
                return
            queries, bodies = queries[first :: self._sample], bodies[first :: self._sample]
            self._skip = first + len(queries) * self._sample - count
        gathering = self._gathering
        gathering.add(("h", now + gathering.offset(), transport, queries, bodies, door.port, door.listener), 2 * len(queries))

    def replied(self, request: Request, octets: bytes, cause: Answer | DirectAnswer | Refusal | None, gate: str) -> None:
        self._note(request, octets)

    def dropped(self, request: Request, why: str) -> None:
        self._note(request, b"")

    def _note(self, request: Request, octets: bytes) -> None:
        if self._skip:
            self._skip -= 1
            return
        self._skip = self._sample - 1
        gathering, door = self._gathering, request.door
        offset = gathering.offset()
        now = gathering.seconds()
        client = request.address[:2]
        told = ("r", now + offset, request.arrived + offset, request.transport, request.wire, octets, client, door.port, door.listener)
        gathering.add(told, 2)


classImplements(ClientMessages, IHitObserver)


class UpstreamMessages(UpstreamWatch):
    """
    Is told of the queries to other servers.
    """

    def __init__(self, gathering: Gathering) -> None:
        self._gathering = gathering

    def sent(self, query: bytes, kind: str, server: tuple[str, int], authoritative: bool, now: float) -> None:
        gathering = self._gathering
        gathering.add(("u", now + gathering.offset(), _kindOf(authoritative), kind, server, query), 1)

    def came(self, octets: bytes, kind: str, server: tuple[str, int], authoritative: bool, sentAt: float, now: float) -> None:
        gathering = self._gathering
        offset = gathering.offset()
        gathering.add(("v", now + offset, sentAt + offset, _kindOf(authoritative), kind, server, octets), 1)


def _kindOf(authoritative: bool) -> str:
    return "resolver" if authoritative else "forwarder"


class WatchedSource(WrappingSource):
    """
    Has the queries to other servers watched that its look-ups take.
    """

    __slots__ = ("_watch", "_sample", "_skip")

    def __init__(self, inner: IAnswerSource, watch: UpstreamWatch, sample: int) -> None:
        """
        @param sample: watch one look-up of so many.
        """
        super().__init__(inner)
        self._watch = watch
        self._sample = sample
        self._skip = 0

    def ask(self, question: Question, context: QueryContext) -> Answer | Start | None:
        if self._skip:
            self._skip -= 1
        else:
            self._skip = self._sample - 1
            context.watch = self._watch
        return self._inner.ask(question, context)


classImplements(WatchedSource, IAnswerSource)
