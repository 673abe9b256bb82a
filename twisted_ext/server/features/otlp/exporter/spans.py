"""
Makes spans of what was told, with the official SDK, and has them sent.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any, Final

from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, SpanLimits, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.sampling import ALWAYS_ON
from opentelemetry.trace import (
    NonRecordingSpan,
    Span,
    SpanContext,
    SpanKind,
    Status,
    StatusCode,
    TraceFlags,
    set_span_in_context,
)

from twisted_ext.server.features.otlp.exporter.batches import PARENT_OCTETS, Sent, Told
from twisted_ext.wire.codes import Rcode, rcodeName
from twisted_ext.wire.names import nameToText
from twisted_ext.wire.rrtypes import typeName

__all__ = ["Spans"]

#: Spans that wait to be sent. With the queries of one look-up, some thousand octets each.
_QUEUE: Final = 8192

#: Spans that are sent together, and milliseconds after which fewer are.
_BATCH: Final = 512
_PAUSE: Final = 1000

#: Milliseconds that what waits has at the end.
_END: Final = 5000

_NANOS: Final = 1_000_000_000

_HEADER: Final = 12


class _Counting(SpanExporter):
    """
    Counts what was sent and what could not be.

    @ivar said: why nothing can be sent; C{""} if it can.
    """

    def __init__(self, exporter: SpanExporter, said: list[str]) -> None:
        self.sent = self.lost = 0
        self.said = ""
        self._exporter = exporter
        self._last = said

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        self._last.clear()
        result = self._exporter.export(spans)
        if result is SpanExportResult.SUCCESS:
            self.sent += len(spans)
            self.said = ""
        else:
            self.lost += len(spans)
            self.said = self._last[-1] if self._last else "the collector does not take them"
        return result

    def shutdown(self) -> None:
        self._exporter.shutdown()


class _Heard(logging.Handler):
    """
    Keeps what the SDK logs: why it cannot send.
    """

    def __init__(self, said: list[str]) -> None:
        super().__init__(logging.WARNING)
        self._said = said

    def emit(self, record: logging.LogRecord) -> None:
        self._said.append(" ".join(record.getMessage().split())[:300])
        del self._said[:-1]


class Spans:
    """
    @ivar dropped: how many were not made, since too many waited.
    """

    def __init__(self, collector: str, service: str, instance: str, version: str, exporter: SpanExporter | None = None) -> None:
        """
        @param collector: its URL.
        @param exporter: sends spans, by default to the collector.
        """
        self.dropped = 0
        self._made = 0
        said: list[str] = []
        heard = logging.getLogger("opentelemetry")
        heard.handlers[:] = [_Heard(said)]
        heard.propagate = False
        self._counting = _Counting(OTLPSpanExporter(endpoint=collector) if exporter is None else exporter, said)
        resource = Resource.create({"service.name": service, "service.instance.id": instance, "service.version": version})
        limits = SpanLimits(max_span_attribute_length=1024)
        self._provider = TracerProvider(sampler=ALWAYS_ON, resource=resource, shutdown_on_exit=False, span_limits=limits)
        self._provider.add_span_processor(
            BatchSpanProcessor(self._counting, max_queue_size=_QUEUE, schedule_delay_millis=_PAUSE, max_export_batch_size=_BATCH)
        )
        self._tracer = self._provider.get_tracer("twisted_ext", version)

    @property
    def sent(self) -> int:
        return self._counting.sent

    @property
    def lost(self) -> int:
        return self._counting.lost + self.dropped

    @property
    def said(self) -> str:
        """
        Why nothing can be sent; C{""} if it can.
        """
        return self._counting.said

    def add(self, batch: object) -> None:
        """
        Make the spans of a batch.

        @raise ValueError: it is not valid.
        """
        if not isinstance(batch, list):
            raise ValueError("a batch that is not a list")
        for told in batch:
            try:
                self._add(Told(*told))
            except (TypeError, IndexError, OverflowError) as error:
                raise ValueError(f"a batch that is not valid: {error!r}") from None

    def _add(self, told: Told) -> None:
        count = 1 + len(told.sent)
        if self._made - self._counting.sent - self._counting.lost + count > _QUEUE:
            self.dropped += count
            return
        self._made += count
        kind = typeName(told.rrType)
        attributes: dict[str, Any] = {
            "dns.question.name": nameToText(told.name),
            "dns.question.type": kind,
            "dns.response.code": rcodeName(told.rcode),
            "client.address": told.client,
            "network.transport": _TRANSPORTS.get(told.transport, "tcp"),
            "txdns.transport": told.transport,
            "txdns.why": told.why,
        }
        texts = {"source": told.source, "server": told.server, "security": told.security, "extended_error": told.ede}
        attributes |= {f"txdns.{key}": text for key, text in texts.items() if text}
        if told.more:
            attributes["txdns.further_queries"] = told.more
        root = self._tracer.start_span(
            f"lookup {kind}", _parentOf(told.parent), SpanKind.SERVER, attributes, start_time=_nanos(told.began)
        )
        if told.fault or told.rcode == Rcode.SERVFAIL:
            root.set_status(Status(StatusCode.ERROR, told.fault or None))
        for sent in told.sent:
            self._addQuery(set_span_in_context(root, Context()), Sent(*sent), told.ended)
        root.end(_nanos(told.ended))

    def _addQuery(self, context: Context, sent: Sent, ended: float) -> None:
        name, kind = _questionOf(sent.query)
        attributes: dict[str, Any] = {
            "dns.question.name": name,
            "dns.question.type": kind,
            "server.address": sent.address,
            "server.port": sent.port,
            "network.transport": _TRANSPORTS.get(sent.kind, "tcp"),
            "txdns.transport": sent.kind,
        }
        if sent.reply:
            attributes["dns.response.code"] = rcodeName(sent.reply[3] & 15)
            attributes["txdns.octets"] = sent.octets
            if sent.reply[2] & 2:
                attributes["txdns.truncated"] = True
        what = "resolve" if sent.authoritative else "forward"
        span: Span = self._tracer.start_span(f"{what} {kind}", context, SpanKind.CLIENT, attributes, start_time=_nanos(sent.began))
        if not sent.reply:
            span.set_status(Status(StatusCode.ERROR, "no reply until the end of the look-up"))
        span.end(_nanos(sent.ended or ended))

    def close(self) -> None:
        """
        Send what waits, and end.
        """
        self._provider.force_flush(_END)
        self._provider.shutdown()


#: Values of C{network.transport} in the conventions of OpenTelemetry.
_TRANSPORTS: Final = {"udp": "udp", "quic": "quic"}


def _nanos(time: float) -> int:
    return round(time * _NANOS)


def _parentOf(octets: bytes) -> Context:
    """
    Return the context of a parent; an empty one for a new trace.
    """
    if len(octets) != PARENT_OCTETS:
        return Context()
    trace, span = int.from_bytes(octets[:16], "big"), int.from_bytes(octets[16:24], "big")
    return set_span_in_context(NonRecordingSpan(SpanContext(trace, span, True, TraceFlags(octets[24]))), Context())


def _questionOf(query: bytes) -> tuple[str, str]:
    """
    Return name and type of a query that this server has made.
    """
    at = _HEADER
    while query[at]:
        at += query[at] + 1
    return nameToText(query[_HEADER : at + 1]), typeName(query[at + 1] << 8 | query[at + 2])
