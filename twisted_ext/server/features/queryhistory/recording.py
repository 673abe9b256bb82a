"""
Gathers what has become of queries, and passes it on in batches.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from time import time
from typing import TYPE_CHECKING, Any, Final

from zope.interface import classImplements

from twisted_ext.aliases import targetsOf
from twisted_ext.answers import KINDS, AliasOrigin, Answer, BlockedReply
from twisted_ext.interfaces import IHitObserver
from twisted_ext.resolver.policy.rules.source import BLOCKED_EDE, FORGED_EDE
from twisted_ext.server.reply.observers import RequestObserver, resultOf
from twisted_ext.server.reply.requests import Refusal

if TYPE_CHECKING:
    from twisted.internet.interfaces import IDelayedCall, IReactorTime

    from twisted_ext.packetcache.clients import Arrived, Client
    from twisted_ext.packetcache.doors import Door
    from twisted_ext.server.reply.observers import Result
    from twisted_ext.server.reply.requests import Request
    from twisted_ext.zone.store.version import DirectAnswer

__all__ = ["Recording"]

#: Queries that are passed on together, and seconds after which fewer are. To encode and send each by itself would cost ten times as much.
_BATCH: Final = 512
_SECONDS: Final = 0.05


class Recording(RequestObserver):
    """
    Is told of queries. What the packet cache has answered is only referred to until a batch is passed on.
    """

    def __init__(
        self, reactor: IReactorTime, send: Callable[[list[Any], int], object], today: Callable[[], float] = time
    ) -> None:
        """
        @param send: passes on a batch as L{twisted_ext.server.features.queryhistory.recorder.frames} describes it, and how many queries it
            has.
        @param today: returns seconds since 1970.
        """
        self._reactor = reactor
        self._send = send
        self._today = today
        self._hits: list[tuple[Sequence[Any], Sequence[bytes], Sequence[Client], str, float]] = []
        self._others: list[tuple[Any, ...]] = []
        self._count = 0
        self._due: IDelayedCall | None = None

    def hits(
        self, queries: Sequence[Arrived], bodies: Sequence[bytes], clients: Sequence[Client], transport: str, now: float, door: Door
    ) -> None:
        self._hits.append((queries, bodies, clients, transport, now))
        self._more(len(queries))

    def replied(self, request: Request, octets: bytes, cause: Answer | DirectAnswer | Refusal | None, gate: str) -> None:
        self._note(request, resultOf(octets, cause, gate), _aliasesIn(cause))

    def seen(self, request: Request, result: Result) -> None:
        self._note(request, result, None)

    def _note(self, request: Request, result: Result, aliases: list[bytes] | None) -> None:
        question, view = request.question, request.record.group.view
        named = "" if view is None else view.shown
        now = self._reactor.seconds()
        # A plain number, not one of an enumeration: the recorder is told no other objects.
        rcode = -1 if result.rcode is None else int(result.rcode)
        kind = KINDS.get(result.source)
        server, rule = ("", result.server) if kind is not None and kind.ruled else (result.server, "")
        ede = result.ede[0][1] if result.ede else ""
        status = "dropped" if result.rcode is None else result.status
        micros = int((now - request.arrived) * 1_000_000)
        self._others.append(
            (
                "r", self._today(), micros, request.transport, request.client, named, question.name, question.rrType, rcode, ede, status,
                server, rule, result.security, aliases,
            )  # fmt: skip
        )
        self._more(1)

    def _more(self, count: int) -> None:
        self._count += count
        if self._count >= _BATCH:
            self.flush()
        elif self._due is None:
            self._due = self._reactor.callLater(_SECONDS, self._flushLater)

    def _flushLater(self) -> None:
        self._due = None
        self.flush()

    def flush(self) -> None:
        """
        Pass on what was gathered.
        """
        hits, self._hits = self._hits, []
        batch, self._others = self._others, []
        count, self._count = self._count, 0
        offset = self._today() - self._reactor.seconds()
        told: list[Any] = list(batch)
        for queries, bodies, clients, transport, now in hits:
            # Of most replies only the flags and the rcode are needed.
            replies = [bytes(body) if body[1] & 15 or isinstance(body, BlockedReply) else body[:2] for body in bodies]
            blocked = [place for place, body in enumerate(bodies) if isinstance(body, BlockedReply)]
            views = ["" if client.group.view is None else client.group.view.shown for client in clients]
            addresses = [client.address for client in clients]
            told.append(("h", now + offset, transport, [query for query, _ in queries], replies, addresses, views, blocked))
        if told:
            self._send(told, count)

    def close(self) -> None:
        if self._due is not None:
            self._due.cancel()
            self._due = None
        self.flush()


def _aliasesIn(cause: Answer | DirectAnswer | Refusal | None) -> list[bytes] | None:
    """
    Return the names that the name in question is an alias of; L{None} if that is not known.
    """
    if isinstance(cause, Answer):
        origin = cause.origin
        if isinstance(origin, AliasOrigin):
            return [*origin.aliases]
        # A rule has decided before the name was looked up, or has made an alias itself.
        isMade = origin is not None and (kind := KINDS.get(origin.source)) is not None and kind.ruled
        if isMade or FORGED_EDE[0] in cause.ede:
            return None
        return [target for rrset in cause.answer for target in targetsOf(rrset)]
    # Nothing is known of a name that was not looked up. With a failure no alias is found.
    return [] if isinstance(cause, Refusal) and not cause.rule and BLOCKED_EDE[0] not in cause.ede else None


classImplements(Recording, IHitObserver)
