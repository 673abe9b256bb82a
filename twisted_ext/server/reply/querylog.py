"""
The query log: one line for each request, written when its reply is sent or when the request is dropped; and the live list of the status
page, which is fed in the same way.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Final

from twisted.logger import Logger
from zope.interface import classImplements

from twisted_ext.answers import KINDS, Answer, BlockedReply
from twisted_ext.interfaces import IHitObserver, IQueryObserver
from twisted_ext.metrics.activity import LiveQuery, extendedErrors, statusOf
from twisted_ext.metrics.figures import JSON
from twisted_ext.metrics.names import questionName
from twisted_ext.server.reply.requests import Refusal
from twisted_ext.wire.codes import className, rcodeName
from twisted_ext.wire.escapes import printable
from twisted_ext.wire.names import nameToText
from twisted_ext.wire.rrtypes import typeName
from twisted_ext.zone.query.direct import DirectAnswer

if TYPE_CHECKING:
    from twisted_ext.metrics.activity import Activity
    from twisted_ext.packetcache.clients import Client, Clients
    from twisted_ext.server.reply.requests import Request

__all__ = ["LiveList", "QueryLog"]

#: The namespace that identifies the query log.
_queries: Final = Logger(namespace="twisted_ext.queries")

#: What the log calls transports to upstreams, and what makes the answers of the packet cache.
_UPSTREAM: Final = "upstream"
_PACKET_CACHE: Final = "packet-cache"

#: The length of a message ID, of the header, and of a question after its name.
_ID: Final = 2
_HEADER: Final = 12


class Result:
    """
    What became of a request.

    @ivar source: the kind of source, the name of the gate that refused it, or why there is no reply.
    @ivar server: the upstream, or the place of the rule.
    @ivar rcode: L{None} without a reply.
    @ivar size: octets of the reply.
    @ivar isAnswered: whether a source has answered, perhaps one of another package.
    """

    __slots__ = ("source", "server", "rcode", "ede", "size", "truncated", "isAnswered")

    def __init__(
        self,
        source: str,
        server: str = "",
        rcode: int | None = None,
        ede: tuple[tuple[int, str], ...] = (),
        size: int = 0,
        truncated: bool = False,
        *,
        isAnswered: bool = False,
    ) -> None:
        self.source = source
        self.server = server
        self.rcode = rcode
        self.ede = ede
        self.size = size
        self.truncated = truncated
        self.isAnswered = isAnswered

    @property
    def status(self) -> str:
        """
        Return what became of it, for people.
        """
        source = "local" if self.isAnswered and self.source not in KINDS and self.source != _UPSTREAM else self.source
        return statusOf(source, self.ede)


def _resultOf(octets: bytes, cause: Answer | DirectAnswer | Refusal | None, gate: str) -> Result:
    source = server = ""
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
    elif isinstance(cause, Refusal):
        source = gate or "failure"
        rcode, ede = cause.rcode or rcode, cause.ede
    else:
        source = "zone" if isinstance(cause, DirectAnswer) else gate
    truncated = bool(octets and octets[2] & 2)
    return Result(source, server, rcode, ede, len(octets), truncated, isAnswered=isinstance(cause, Answer))


class QueryLog:
    """
    Logs requests with their replies.
    """

    def __init__(self, seconds: Callable[[], float], clients: Clients) -> None:
        """
        @param clients: of the packet cache.
        """
        self._seconds = seconds
        self._clients = clients

    def replied(self, request: Request, octets: bytes, cause: Answer | DirectAnswer | Refusal | None, gate: str) -> None:
        self._logRequest(request, _resultOf(octets, cause, gate))

    def dropped(self, request: Request, why: str) -> None:
        # A flood with spoofed addresses must not fill the log with lines for replies that nobody gets.
        if why != "limit":
            self._logRequest(request, Result(why))

    def _logRequest(self, request: Request, result: Result) -> None:
        question = request.question
        seconds = self._seconds() - request.arrived
        _log(request.client, request.record, request.transport, question.name, question.rrClass, question.rrType, seconds, result)

    def hits(self, queries: Sequence[tuple[bytes, tuple[object, ...]]], bodies: Sequence[bytes], transport: str, now: float) -> None:
        clients = self._clients
        for (query, place), body in zip(queries, bodies, strict=True):
            address = place[0]
            assert isinstance(address, str | bytes)
            end = _HEADER + len(questionName(query))
            rrType, rrClass = int.from_bytes(query[end : end + 2], "big"), int.from_bytes(query[end + 2 : end + 4], "big")
            source = "blocked" if isinstance(body, BlockedReply) else _PACKET_CACHE
            result = Result(source, "", body[1] & 15, extendedErrors(body), len(body) + _ID, bool(body[0] & 2))
            client = clients.known(address) or clients.find(address, now)
            shown = client.address
            if shown.startswith("::ffff:") and "." in shown:
                # An IPv4 client of an IPv6 socket.
                shown = shown[7:]
            _log(shown, client, transport, query[_HEADER:end] or b"\0", rrClass, rrType, 0.0, result)


classImplements(QueryLog, IHitObserver)


class LiveList:
    """
    Shows requests in the live list. Those that the packet cache answers are sampled by L{Activity.hit}.
    """

    def __init__(self, seconds: Callable[[], float], activity: Activity) -> None:
        self._seconds = seconds
        self._activity = activity

    def replied(self, request: Request, octets: bytes, cause: Answer | DirectAnswer | Refusal | None, gate: str) -> None:
        self._show(request, _resultOf(octets, cause, gate))

    def dropped(self, request: Request, why: str) -> None:
        if why != "limit":
            self._show(request, Result(why))

    def _show(self, request: Request, result: Result) -> None:
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


def _log(
    client: str, record: Client, transport: str, name: bytes, rrClass: int, rrType: int, seconds: float, result: Result
) -> None:
    """
    Write a line.
    """
    # Not that of clients who may query zones only.
    view = record.group.view
    named = "" if view is None or not view.recursive else view.name
    source, server, rcode = result.source, result.server, result.rcode
    kind = KINDS.get(source)
    isRuled = kind is not None and kind.ruled
    shown = None if rcode is None else rcodeName(rcode)
    fields: dict[str, JSON] = {
        "event": "query",
        "client": client,
        "transport": transport,
        "name": nameToText(name),
        "class": className(rrClass),
        "type": typeName(rrType),
        "rcode": shown,
        "milliseconds": round(seconds * 1000, 3),
        "source": source,
        "server": "" if isRuled else server,
        "rule": server if isRuled else "",
        "view": named,
        "size": result.size,
        "truncated": result.truncated,
        "ede": [{"code": code, "text": text} for code, text in result.ede],
    }
    parts = [shown or "no reply"]
    if result.size:
        parts.append(f"{result.size} octets{', truncated' if result.truncated else ''}")
    parts.append(f"{seconds * 1000:.1f} ms")
    parts.append(f"{source} {server}".rstrip())
    if named:
        parts.append(f"view {named}")
    parts += [f"EDE {code}{f' ({printable(text)})' if text else ''}" for code, text in result.ede]
    outcome = ", ".join(parts)
    # Twisted formats each field in Python, which for six of them would be half of what a line costs.
    said = f"query {fields['name']} {fields['class']} {fields['type']} from {client} by {transport}: {outcome}"
    _queries.info("{said}", said=said, result=outcome, fields=fields)
