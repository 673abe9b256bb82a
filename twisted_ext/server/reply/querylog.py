"""
The query log: one line for each request, written when its reply is sent or when the request is dropped. It also feeds the live list of the
status page.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from twisted.logger import Logger
from zope.interface import classImplements

from twisted_ext.answers import Answer
from twisted_ext.interfaces import IQueryObserver
from twisted_ext.metrics.activity import LiveQuery, statusOf
from twisted_ext.metrics.figures import JSON
from twisted_ext.server.reply.requests import Refusal
from twisted_ext.wire.codes import className, rcodeName
from twisted_ext.wire.escapes import printable
from twisted_ext.wire.names import nameToText
from twisted_ext.wire.rrtypes import typeName
from twisted_ext.zone.query.direct import DirectAnswer

if TYPE_CHECKING:
    from twisted_ext.metrics.activity import Activity
    from twisted_ext.server.reply.requests import Request

__all__ = ["QueryLog"]

#: The namespace that identifies the query log.
_queries: Final = Logger(namespace="twisted_ext.queries")

#: Transports to upstreams, all of which the log calls C{upstream}.
_UPSTREAM: Final = frozenset(("udp", "tcp", "tls", "https", "quic"))

#: Answers that rules give.
_RULED: Final = frozenset(("blocked", "rewritten"))


class QueryLog:
    """
    Logs requests with their replies.

    @ivar logged: whether requests go into the log.
    @ivar activity: takes requests into its live list while that is on, or L{None}.
    """

    def __init__(self, seconds: Callable[[], float], *, logged: bool = True) -> None:
        self.logged = logged
        self.activity: Activity | None = None
        self._seconds = seconds

    def replied(self, request: Request, octets: bytes, cause: Answer | DirectAnswer | Refusal | None, gate: str) -> None:
        source = server = ""
        rcode = octets[3] & 15 if octets else 0
        ede: tuple[tuple[int, str], ...] = ()
        if isinstance(cause, Answer):
            origin = cause.origin
            if origin is not None:
                source = origin.source
                if source in _UPSTREAM:
                    source, server = "upstream", origin.server
                elif source in _RULED:
                    # The rule.
                    server = origin.server
            rcode, ede = cause.rcode or rcode, cause.ede
        elif isinstance(cause, Refusal):
            source = gate or "failure"
            rcode, ede = cause.rcode or rcode, cause.ede
        else:
            source = "zone" if isinstance(cause, DirectAnswer) else gate
        self._log(request, source, server, rcode, ede, len(octets), bool(octets and octets[2] & 2))

    def dropped(self, request: Request, why: str) -> None:
        # A flood with spoofed addresses must not fill the log with lines for replies that nobody gets.
        if why != "limit":
            self._log(request, why)

    def _log(
        self,
        request: Request,
        source: str,
        server: str = "",
        rcode: int | None = None,
        ede: tuple[tuple[int, str], ...] = (),
        size: int = 0,
        truncated: bool = False,
    ) -> None:
        question = request.question
        seconds = self._seconds() - request.arrived
        if self.activity is not None and self.activity.live.on:
            _show(self.activity, request, source, server, rcode, ede, seconds)
        if not self.logged:
            return
        # Not that of clients who may query zones only.
        view = request.record.group.view
        named = "" if view is None or not view.recursive else view.name
        fields: dict[str, JSON] = {
            "event": "query",
            "client": request.client,
            "transport": request.transport,
            "name": nameToText(question.name),
            "class": className(question.rrClass),
            "type": typeName(question.rrType),
            "rcode": None if rcode is None else rcodeName(rcode),
            "milliseconds": round(seconds * 1000, 3),
            "source": source,
            "server": "" if source in _RULED else server,
            "rule": server if source in _RULED else "",
            "view": named,
            "size": size,
            "truncated": truncated,
            "ede": [{"code": code, "text": text} for code, text in ede],
        }
        parts = ["no reply" if rcode is None else rcodeName(rcode)]
        if size:
            parts.append(f"{size} octets{', truncated' if truncated else ''}")
        parts.append(f"{seconds * 1000:.1f} ms")
        parts.append(f"{source} {server}".rstrip())
        if named:
            parts.append(f"view {named}")
        parts += [f"EDE {code}{f' ({printable(text)})' if text else ''}" for code, text in ede]
        _queries.info(
            "query {name} {class_} {type} from {client} by {transport}: {result}",
            name=fields["name"],
            class_=fields["class"],
            type=fields["type"],
            client=request.client,
            transport=request.transport,
            result=", ".join(parts),
            fields=fields,
        )


classImplements(QueryLog, IQueryObserver)


def _show(
    activity: Activity, request: Request, source: str, server: str, rcode: int | None, ede: tuple[tuple[int, str], ...], seconds: float
) -> None:
    """
    Add a request to the live list.
    """
    question = request.question
    activity.live.add(
        LiveQuery(
            request.arrived + activity.offset,
            request.client,
            request.transport,
            nameToText(question.name),
            typeName(question.rrType),
            "no reply" if rcode is None else rcodeName(rcode),
            statusOf(source, ede),
            seconds,
            server,
        )
    )
