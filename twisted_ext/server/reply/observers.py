"""
What became of a request, and those who are told of it: several observers as one, and the one that feeds the live list of the status page.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Final

from zope.interface import classImplements

from twisted_ext.answers import KINDS, Answer, Security
from twisted_ext.interfaces import IHitObserver, IQueryObserver
from twisted_ext.metrics.activity import LiveQuery, statusOf
from twisted_ext.server.reply.requests import RULED, Refusal
from twisted_ext.wire.codes import rcodeName
from twisted_ext.wire.names import nameToText
from twisted_ext.wire.rrtypes import typeName
from twisted_ext.zone.store.version import DirectAnswer

if TYPE_CHECKING:
    from twisted_ext.answers import Answer
    from twisted_ext.metrics.activity import Activity
    from twisted_ext.packetcache.clients import Arrived, Client
    from twisted_ext.packetcache.doors import Door
    from twisted_ext.server.reply.requests import Refusal, Request
    from twisted_ext.transport.faultlog import FaultLog
    from twisted_ext.zone.store.version import DirectAnswer

__all__ = ["LiveList", "Observers", "RequestObserver", "Result", "resultOf"]

#: What all transports to upstreams are called.
_UPSTREAM: Final = "upstream"

#: The source of what a rule withholds.
_BLOCKED: Final = "blocked"


class Result:
    """
    What became of a request.

    @ivar source: the kind of source, the name of the gate that refused it, or why there is no reply.
    @ivar server: the upstream, or the place of the rule.
    @ivar rcode: L{None} without a reply.
    @ivar size: octets of the reply.
    @ivar security: the DNSSEC status, a value of L{Security<twisted_ext.answers.Security>}; C{""} if nothing was validated.
    @ivar isAnswered: whether a source has answered, perhaps one of another package.
    """

    __slots__ = ("source", "server", "rcode", "ede", "size", "truncated", "security", "isAnswered")

    def __init__(
        self,
        source: str,
        server: str = "",
        rcode: int | None = None,
        ede: tuple[tuple[int, str], ...] = (),
        size: int = 0,
        truncated: bool = False,
        *,
        security: str = "",
        isAnswered: bool = False,
    ) -> None:
        self.source = source
        self.server = server
        self.rcode = rcode
        self.ede = ede
        self.size = size
        self.truncated = truncated
        self.security = security
        self.isAnswered = isAnswered

    @property
    def status(self) -> str:
        """
        Return what became of it, for people.
        """
        source = "local" if self.isAnswered and self.source not in KINDS and self.source != _UPSTREAM else self.source
        return statusOf(source, self.ede)


def resultOf(octets: bytes, cause: Answer | DirectAnswer | Refusal | None, gate: str) -> Result:
    source = server = security = ""
    rcode = octets[3] & 15 if octets else 0
    ede: tuple[tuple[int, str], ...] = ()
    if isinstance(cause, Answer):
        origin = cause.origin
        if origin is not None:
            source = origin.source
            kind = KINDS.get(source)
            if kind is not None and kind.upstream:
                source = _UPSTREAM
            if kind is not None and (kind.upstream or kind.ruled):
                server = origin.server
        rcode, ede = cause.rcode or rcode, cause.ede
        if cause.security is not Security.INDETERMINATE:
            security = cause.security.value
    elif isinstance(cause, Refusal):
        source, server = (_BLOCKED, cause.rule) if cause.rule else (gate or "failure", "")
        rcode, ede = cause.rcode or rcode, cause.ede
        if cause.isBogus:
            security = Security.BOGUS.value
    else:
        source = "zone" if isinstance(cause, DirectAnswer) else gate
    truncated = bool(octets and octets[2] & 2)
    return Result(source, server, rcode, ede, len(octets), truncated, security=security, isAnswered=isinstance(cause, Answer))


class RequestObserver:
    """
    An observer that treats requests alike whether a reply was sent or none.
    """

    #: It says what has answered, which is not known of replies that were made from zones.
    takesMade: bool = False

    def seen(self, request: Request, result: Result) -> None:
        raise NotImplementedError

    def replied(self, request: Request, octets: bytes, cause: Answer | DirectAnswer | Refusal | None, gate: str) -> None:
        self.seen(request, resultOf(octets, cause, gate))

    def dropped(self, request: Request, why: str) -> None:
        # A flood with forged addresses must not fill logs with queries to which nobody gets a reply.
        if why != "limit":
            self.seen(request, Result(_BLOCKED, why.removeprefix(RULED)) if why.startswith(RULED) else Result(why))


class LiveList(RequestObserver):
    """
    Shows requests in the live list. Those that the packet cache answers are sampled by L{Activity.hit}.
    """

    def __init__(self, seconds: Callable[[], float], activity: Activity) -> None:
        self._seconds = seconds
        self._activity = activity

    def seen(self, request: Request, result: Result) -> None:
        question = request.question
        self._activity.live.add(
            LiveQuery(
                request.arrived + self._activity.offset,
                request.client,
                request.transport,
                nameToText(question.name),
                typeName(question.rrType),
                "no reply" if result.rcode is None else rcodeName(result.rcode),
                result.status,
                self._seconds() - request.arrived,
                result.server,
            )
        )


classImplements(LiveList, IQueryObserver)


class Observers:
    """
    Tells several observers. One that raises is logged, and the others are told all the same.

    @ivar watchesHits: whether one of them is told of what the packet cache answers.
    @ivar takesMade: whether that is enough for all of them.
    """

    def __init__(self, observers: Sequence[IQueryObserver], faults: FaultLog) -> None:
        self._observers = tuple(observers)
        self._watching: list[IHitObserver] = [IHitObserver(each) for each in observers if IHitObserver.providedBy(each)]
        self._faults = faults
        self.watchesHits = bool(self._watching)
        self.takesMade = len(self._watching) == len(self._observers) and all(each.takesMade for each in self._watching)

    def replied(self, request: Request, octets: bytes, cause: Answer | DirectAnswer | Refusal | None, gate: str) -> None:
        for each in self._observers:
            try:
                each.replied(request, octets, cause, gate)
            except Exception as error:
                self._faults.note(f"observing the reply to {request}", error, request.arrived)

    def dropped(self, request: Request, why: str) -> None:
        for each in self._observers:
            try:
                each.dropped(request, why)
            except Exception as error:
                self._faults.note(f"observing {request}", error, request.arrived)

    def hits(
        self, queries: Sequence[Arrived], bodies: Sequence[bytes], clients: Sequence[Client], transport: str, now: float, door: Door
    ) -> None:
        for each in self._watching:
            try:
                each.hits(queries, bodies, clients, transport, now, door)
            except Exception as error:
                self._faults.note("observing the packet cache", error, now)


classImplements(Observers, IHitObserver)
