"""
The query log: one line for each request, written when its reply is sent or when the request is dropped. It also feeds the live list of the
status page.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Final

from twisted.logger import Logger

from twisted_ext.metrics.activity import LiveQuery, statusOf
from twisted_ext.metrics.figures import JSON
from twisted_ext.wire.codes import className, rcodeName
from twisted_ext.wire.escapes import printable
from twisted_ext.wire.names import nameToText
from twisted_ext.wire.rrtypes import typeName

if TYPE_CHECKING:
    from twisted_ext.answers import Answer
    from twisted_ext.metrics.activity import Activity
    from twisted_ext.server.reply.requests import Refusal, Request, Send

__all__ = ["QueryLog"]

#: The namespace that identifies the query log.
_queries: Final = Logger(namespace="twisted_ext.queries")

#: Transports to upstreams, all of which the log calls C{upstream}.
_UPSTREAM: Final = frozenset(("udp", "tcp", "tls", "https", "quic"))


class QueryLog:
    """
    Logs requests with their replies. The responder calls L{answered} or L{refused} right before it sends a reply.

    @ivar gate: the gate that refused the request whose refusal is sent next.
    @ivar logged: whether requests go into the log.
    @ivar activity: takes requests into its live list while that is on, or L{None}.
    """

    def __init__(self, seconds: Callable[[], float], *, logged: bool = True) -> None:
        self.logged = logged
        self.activity: Activity | None = None
        self._seconds = seconds
        self.gate = ""
        self._source = self._server = ""
        self._rcode = 0
        self._ede: tuple[tuple[int, str], ...] = ()

    def answered(self, answer: Answer) -> None:
        origin = answer.origin
        source = "" if origin is None else origin.source
        self._source = "upstream" if source in _UPSTREAM else source
        self._server = "" if origin is None or self._source != "upstream" else origin.server
        self._rcode = answer.rcode
        self._ede = answer.ede

    def refused(self, refusal: Refusal) -> None:
        self._source, self.gate = self.gate or "failure", ""
        self._server = ""
        self._rcode = refusal.rcode
        self._ede = refusal.ede

    def guard(
        self, request: Request, send: Send, flow: Callable[[Iterator[bytes]], None] | None
    ) -> tuple[Send, Callable[[Iterator[bytes]], None] | None]:
        def logged(octets: bytes) -> None:
            send(octets)
            self._log(request, rcode=self._rcode or octets[3] & 15, size=len(octets), truncated=bool(octets[2] & 2))

        def flowing(several: Iterator[bytes]) -> None:
            self._source = "transfer"
            self._log(request, rcode=0)
            assert flow is not None
            flow(several)

        return logged, None if flow is None else flowing

    def dropped(self, request: Request, why: str) -> None:
        """
        Log a request that gets no reply.

        @param why: one word, logged as the source if no gate refused the request.
        """
        # Only a refusal by policy was announced just before; an answer that came too late was not.
        self._source, self.gate = self.gate or (self._source if why == "policy" else "") or why, ""
        self._log(request)

    def _log(self, request: Request, rcode: int | None = None, size: int = 0, truncated: bool = False) -> None:
        question = request.question
        seconds = self._seconds() - request.arrived
        if self.activity is not None and self.activity.live.on:
            self._show(self.activity, request, rcode, seconds)
        if not self.logged:
            self._clear()
            return
        fields: dict[str, JSON] = {
            "event": "query",
            "client": request.client,
            "transport": request.transport,
            "name": nameToText(question.name),
            "class": className(question.rrClass),
            "type": typeName(question.rrType),
            "rcode": None if rcode is None else rcodeName(rcode),
            "milliseconds": round(seconds * 1000, 3),
            "source": self._source,
            "server": self._server,
            "size": size,
            "truncated": truncated,
            "ede": [{"code": code, "text": text} for code, text in self._ede],
        }
        parts = ["no reply" if rcode is None else rcodeName(rcode)]
        if size:
            parts.append(f"{size} octets{', truncated' if truncated else ''}")
        parts.append(f"{seconds * 1000:.1f} ms")
        parts.append(f"{self._source} {self._server}".rstrip())
        parts += [f"EDE {code}{f' ({printable(text)})' if text else ''}" for code, text in self._ede]
        self._clear()
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

    def _clear(self) -> None:
        self._source = self._server = ""
        self._rcode = 0
        self._ede = ()

    def _show(self, activity: Activity, request: Request, rcode: int | None, seconds: float) -> None:
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
                statusOf(self._source, self._ede),
                seconds,
                self._server,
            )
        )
