"""
A collector of spans by OTLP over HTTP for tests.
"""

from __future__ import annotations

import gzip
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Self

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import KeyValue

__all__ = ["Collected", "SpanCollector"]


def _valuesOf(attributes: list[KeyValue]) -> dict[str, object]:
    found: dict[str, object] = {}
    for each in attributes:
        kind = each.value.WhichOneof("value")
        assert kind is not None
        found[each.key] = getattr(each.value, kind)
    return found


@dataclass
class Collected:
    """
    A span.

    @ivar began: nanoseconds since 1970.
    @ivar kind: 2 for that of a server, 3 for that of a client.
    @ivar status: 2 for a failure.
    """

    name: str
    trace: bytes
    span: bytes
    parent: bytes
    kind: int
    began: int
    ended: int
    status: int
    message: str
    attributes: dict[str, object]
    resource: dict[str, object]
    children: list[Collected] = field(default_factory=list)


class SpanCollector:
    """
    Listens, and keeps the spans that it gets.

    @ivar spans: in the order in which they have come.
    @ivar status: what it answers.
    @ivar paths: what was asked for.
    """

    def __init__(self, port: int = 0) -> None:
        self.spans: list[Collected] = []
        self.paths: list[str] = []
        self.status = 200
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                octets = self.rfile.read(int(self.headers["Content-Length"]))
                outer.paths.append(self.path)
                if outer.status == 200:
                    outer.take(gzip.decompress(octets) if self.headers.get("Content-Encoding") == "gzip" else octets)
                self.send_response(outer.status)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, format: str, *values: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
        self._server.daemon_threads = True
        self.port = self._server.server_address[1]
        self._thread = Thread(target=self._server.serve_forever, args=(0.05,))
        self._thread.start()

    @property
    def url(self) -> str:
        """
        Its URL.
        """
        return f"http://127.0.0.1:{self.port}"

    def take(self, octets: bytes) -> None:
        """
        Take a request.
        """
        for each in ExportTraceServiceRequest.FromString(octets).resource_spans:
            resource = _valuesOf(list(each.resource.attributes))
            for scope in each.scope_spans:
                for span in scope.spans:
                    self.spans.append(
                        Collected(
                            span.name,
                            span.trace_id,
                            span.span_id,
                            span.parent_span_id,
                            int(span.kind),
                            span.start_time_unix_nano,
                            span.end_time_unix_nano,
                            int(span.status.code),
                            span.status.message,
                            _valuesOf(list(span.attributes)),
                            resource,
                        )
                    )

    def lookups(self) -> list[Collected]:
        """
        Return the spans of look-ups, with those below them, in the order in which those began.
        """
        spans = [*self.spans]
        bySpan = {each.span: each for each in spans}
        for each in spans:
            each.children = []
        for each in spans:
            # Those of queries may come in a request before that of their look-up.
            if each.kind == 3 and each.parent in bySpan:
                bySpan[each.parent].children.append(each)
        for each in spans:
            each.children.sort(key=lambda child: child.began)
        return [each for each in spans if each.kind == 2]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *reason: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
