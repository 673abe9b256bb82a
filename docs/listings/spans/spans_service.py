"""
A collector for a trial: it writes the spans that it gets into spans.txt.
"""

from collections import defaultdict
from http.server import BaseHTTPRequestHandler, HTTPServer

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest


class Collector(BaseHTTPRequestHandler):
    def do_POST(self):
        request = ExportTraceServiceRequest.FromString(self.rfile.read(int(self.headers["Content-Length"])))
        spans = [span for each in request.resource_spans for scope in each.scope_spans for span in scope.spans]
        below = defaultdict(list)
        for span in spans:
            below[span.parent_span_id].append(span)
        with open("spans.txt", "a") as file:
            for root in [span for span in spans if span.kind == span.SPAN_KIND_SERVER]:
                for span, indent in [(root, ""), *[(each, "  ") for each in below[root.span_id]]]:
                    told = {each.key: each.value.string_value for each in span.attributes}
                    print(f"{indent}{span.name} {told['dns.question.name']} {told['dns.response.code']}", file=file)
        self.send_response(200)
        self.end_headers()


collector = HTTPServer(("127.0.0.1", 4318), Collector)
print("answering at http://127.0.0.1:4318/", flush=True)
collector.serve_forever()
