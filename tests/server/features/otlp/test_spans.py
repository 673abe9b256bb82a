"""
Tests of spans: what a collector gets of what was told, and what becomes of it without one.
"""

from __future__ import annotations

import json
import marshal
from collections.abc import Sequence
from pathlib import Path
from threading import Event

import pytest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult

from tests.queries import queryOf
from tests.server.features.dnstap.collectors import until
from tests.server.features.otlp.collectors import Collected, SpanCollector
from twisted_ext.server.features.otlp.exporter import spans as module
from twisted_ext.server.features.otlp.exporter.batches import Sent, Told
from twisted_ext.server.features.otlp.exporter.loop import SpanExporterLoop
from twisted_ext.server.features.otlp.exporter.spans import Spans
from twisted_ext.wire.names import nameFromText

__all__: list[str] = []

QUERY = queryOf("www.example")

SENT = Sent(1000.25, 1000.5, "udp", "192.0.2.53", 53, False, QUERY, b"\x12\x34\x81\x80", 77)

TOLD = Told(
    1000.0, 1000.75, nameFromText("www.example"), 1, "192.0.2.7", "udp", "sampled", 0, "udp", "192.0.2.53:53", "secure", "", "", b"", [], 0
)  # fmt: skip


def collected(*told: Told) -> list[Collected]:
    """
    Return the look-ups that a collector gets of a batch, as it comes through a pipe.
    """
    with SpanCollector() as collector:
        spans = Spans(f"{collector.url}/v1/traces", "resolver", "ns1", "1.2")
        spans.add(marshal.loads(marshal.dumps([(*each[:14], [tuple(query) for query in each.sent], each.more) for each in told])))
        spans.close()
        assert (spans.sent, spans.lost, spans.said) == (len(collector.spans), 0, "")
        assert set(collector.paths) == {"/v1/traces"}
        return collector.lookups()


def test_lookup() -> None:
    """
    A look-up is a span with its question, its outcome and its times, and those of the queries to other servers are below it.
    """
    refused = SENT._replace(began=1000.5, ended=1000.6, kind="tls", authoritative=True, reply=b"\x12\x34\x83\x05", port=853)
    (span,) = collected(TOLD._replace(sent=[SENT, refused], more=3))
    assert (span.name, span.parent, span.status) == ("lookup A", b"", 0)
    assert (span.began, span.ended) == (1_000_000_000_000, 1_000_750_000_000)
    assert span.attributes == {
        "dns.question.name": "www.example.",
        "dns.question.type": "A",
        "dns.response.code": "NOERROR",
        "client.address": "192.0.2.7",
        "network.transport": "udp",
        "txdns.transport": "udp",
        "txdns.why": "sampled",
        "txdns.source": "udp",
        "txdns.server": "192.0.2.53:53",
        "txdns.security": "secure",
        "txdns.further_queries": 3,
    }
    assert {key: span.resource[key] for key in ("service.name", "service.instance.id", "service.version")} == {
        "service.name": "resolver",
        "service.instance.id": "ns1",
        "service.version": "1.2",
    }
    first, second = span.children
    assert {first.trace, second.trace} == {span.trace}
    assert (first.name, second.name) == ("forward A", "resolve A")
    assert (first.began, first.ended) == (1_000_250_000_000, 1_000_500_000_000)
    assert (first.attributes["server.address"], first.attributes["server.port"]) == ("192.0.2.53", 53)
    assert (first.attributes["dns.response.code"], first.attributes["txdns.octets"]) == ("NOERROR", 77)
    assert (second.attributes["dns.response.code"], second.attributes["txdns.truncated"]) == ("REFUSED", True)
    assert (second.attributes["network.transport"], second.attributes["txdns.transport"]) == ("tcp", "tls")


def test_failures() -> None:
    """
    A look-up without an answer is a failure with its reason, and so is a query without a reply, which lasts until the end.
    """
    lost = SENT._replace(ended=0.0, reply=b"", octets=0)
    (span,) = collected(TOLD._replace(rcode=2, fault="no server of example. gave an answer", ede="all timed out", sent=[lost]))
    assert (span.status, span.message) == (2, "no server of example. gave an answer")
    assert (span.attributes["dns.response.code"], span.attributes["txdns.extended_error"]) == ("SERVFAIL", "all timed out")
    (query,) = span.children
    assert (query.status, query.message, query.ended) == (2, "no reply until the end of the look-up", span.ended)


@pytest.mark.parametrize("flags", [0, 1])
def test_parents(flags: int) -> None:
    """
    A look-up is a part of the trace of its client, whether that keeps its own span or not; one without a parent is a trace of its own.
    """
    trace, span = bytes(range(1, 17)), bytes(range(21, 29))
    first, second, third = collected(
        TOLD._replace(parent=trace + span + bytes([flags])), TOLD, TOLD._replace(parent=bytes(24) + b"\x01")
    )
    assert (first.trace, first.parent) == (trace, span)
    assert second.trace != third.trace and second.parent == third.parent == b""


@pytest.mark.parametrize("batch", [None, [()], [7], [("x",) * 3], [(*TOLD[:14], [("x",)], 0)]])
def test_wrongBatches(batch: object) -> None:
    """
    What is no batch is a L{ValueError}.
    """
    spans = Spans("http://127.0.0.1:9", "x", "y", "z", _Blocked(Event()))
    with pytest.raises(ValueError, match="a batch that is not"):
        spans.add(batch)


class _Blocked(SpanExporter):
    """
    Sends when it may.
    """

    def __init__(self, going: Event) -> None:
        self.going = going

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """
        Wait.
        """
        self.going.wait()
        return SpanExportResult.SUCCESS


def flooded() -> tuple[int, int]:
    """
    Tell 20,000 look-ups while nothing can be sent. Return how many spans wait, and how many are lost.
    """
    going = Event()
    spans = Spans("http://127.0.0.1:9", "x", "y", "z", _Blocked(going))
    for _ in range(20_000):
        spans.add([tuple(TOLD)])
    waiting = vars(spans)["_made"] - spans.sent
    lost = spans.lost
    going.set()
    spans.close()
    return waiting, lost


def test_collectorThatStands() -> None:
    """
    What waits for a collector is bounded; further look-ups are lost, and counted.
    """
    waiting, lost = flooded()
    assert waiting <= 8192 and waiting + lost == 20_000


def test_withoutABound(monkeypatch: pytest.MonkeyPatch) -> None:
    """
    Without that all of them wait.
    """
    monkeypatch.setattr(module, "_QUEUE", 1_000_000)
    assert flooded() == (20_000, 0)


def test_collectorThatRefuses() -> None:
    """
    Why a collector takes nothing is said, until it does.
    """
    with SpanCollector() as collector:
        collector.status = 400
        spans = Spans(f"{collector.url}/v1/traces", "x", "y", "z")
        spans.add([tuple(TOLD)])
        until(lambda: spans.said)
        assert "400" in spans.said and spans.lost == 1
        collector.status = 200
        spans.add([tuple(TOLD)])
        until(lambda: not spans.said)
        spans.close()
        assert (spans.sent, spans.lost) == (1, 1)


def test_loop(tmp_path: Path) -> None:
    """
    The parent gets figures, and other settings are for what is told from then on.
    """
    lines: list[str] = []
    with SpanCollector() as first, SpanCollector() as second:
        given = {"collector": f"{first.url}/v1/traces", "service": "x", "instance": "y", "version": "z"}
        loop = SpanExporterLoop(str(tmp_path / "otlp"), given, lines.append)
        loop.take([tuple(TOLD)])
        before = vars(loop)["_spans"]
        loop.apply(dict(given))
        assert vars(loop)["_spans"] is before
        loop.apply({**given, "collector": f"{second.url}/v1/traces"})
        loop.take([tuple(TOLD), tuple(TOLD)])
        loop.look()
        loop.close()
        assert (len(first.spans), len(second.spans)) == (1, 2)
    assert json.loads(lines[-1]) == {"sent": 3, "lost": 0, "said": ""}
    assert not (tmp_path / "otlp").exists()
