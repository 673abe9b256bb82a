"""
Writes the query log: one line for each request, when its reply is sent or when the request is dropped.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Final

from twisted.logger import Logger
from zope.interface import classImplements

from twisted_ext.answers import KINDS, BlockedReply
from twisted_ext.interfaces import IHitObserver
from twisted_ext.metrics.activity import extendedErrors
from twisted_ext.metrics.figures import JSON
from twisted_ext.metrics.names import questionName
from twisted_ext.server.reply.observers import RequestObserver, Result
from twisted_ext.wire.codes import className, rcodeName
from twisted_ext.wire.escapes import printable
from twisted_ext.wire.message import Question
from twisted_ext.wire.names import nameToText
from twisted_ext.wire.rrtypes import typeName

if TYPE_CHECKING:
    from twisted_ext.packetcache.clients import Arrived, Client
    from twisted_ext.packetcache.doors import Door
    from twisted_ext.server.reply.requests import Request

__all__ = ["QueryLog"]

#: The namespace that identifies the query log.
_queries: Final = Logger(namespace="twisted_ext.queries")

#: What makes the answers of the packet cache.
_PACKET_CACHE: Final = "packet-cache"

#: The length of a message ID, and of the header.
_ID: Final = 2
_HEADER: Final = 12


class QueryLog(RequestObserver):
    """
    Logs requests with their replies.
    """

    def __init__(self, seconds: Callable[[], float]) -> None:
        self._seconds = seconds

    def seen(self, request: Request, result: Result) -> None:
        _log(request.client, request.record, request.transport, request.question, self._seconds() - request.arrived, result)

    def hits(
        self, queries: Sequence[Arrived], bodies: Sequence[bytes], clients: Sequence[Client], transport: str, now: float, door: Door
    ) -> None:
        for (query, _), body, client in zip(queries, bodies, clients, strict=True):
            end = _HEADER + len(questionName(query))
            rrType, rrClass = int.from_bytes(query[end : end + 2], "big"), int.from_bytes(query[end + 2 : end + 4], "big")
            source = "blocked" if isinstance(body, BlockedReply) else _PACKET_CACHE
            result = Result(source, "", body[1] & 15, extendedErrors(body), len(body) + _ID, bool(body[0] & 2))
            _log(client.address, client, transport, Question(query[_HEADER:end] or b"\0", rrType, rrClass), 0.0, result)


classImplements(QueryLog, IHitObserver)


def _log(client: str, record: Client, transport: str, question: Question, seconds: float, result: Result) -> None:
    """
    Write a line.
    """
    # Not that of clients who may query zones only.
    view = record.group.view
    named = "" if view is None else view.shown
    source, server, rcode = result.source, result.server, result.rcode
    kind = KINDS.get(source)
    isRuled = kind is not None and kind.ruled
    shown = None if rcode is None else rcodeName(rcode)
    fields: dict[str, JSON] = {
        "event": "query",
        "client": client,
        "transport": transport,
        "name": nameToText(question.name),
        "class": className(question.rrClass),
        "type": typeName(question.rrType),
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
