"""
Tests of C{twistd txdns} with OpenTelemetry: a collector gets look-ups with their queries, and the server goes on without it.
"""

from __future__ import annotations

import os
import signal
import subprocess
from contextlib import suppress
from pathlib import Path

import pytest

from tests.live.twistds import Load, Twistd, exchange, wait
from tests.live.upstreams import Upstream
from tests.peers import freePort, peer
from tests.server.features.otlp.collectors import Collected, SpanCollector

__all__: list[str] = []

TRACE = "0102030405060708090a0b0c0d0e0f10"
SPAN = "1112131415161718"


def _server(folder: Path, upstream: Upstream, *words: str) -> Twistd:
    # One that is killed with its exporter would leave a folder elsewhere.
    return Twistd(folder, "--upstream", upstream.label, "--state", str(folder / "s"), *words)


def _named(collector: SpanCollector, name: str) -> list[Collected]:
    return [each for each in collector.lookups() if each.attributes["dns.question.name"] == f"{name}."]


def _exportersOf(server: Twistd) -> list[int]:
    """
    Return the process IDs of its exporter: one, or none.
    """
    found: list[int] = []
    for path in Path(f"/proc/{server.pid}/task").glob("*/children"):
        for child in path.read_text().split():
            with suppress(OSError):
                if b"twisted_ext.server.features.otlp.exporter" in Path(f"/proc/{child}/cmdline").read_bytes().split(b"\0"):
                    found.append(int(child))
    return found


def _dig(server: Twistd, name: str, *words: str) -> None:
    subprocess.run([peer("dig"), "@127.0.0.1", "-p", str(server.port), name, *words], capture_output=True, check=True)


@pytest.mark.parametrize("workers", [1, 2])
def test_lookups(tmp_path: Path, workers: int) -> None:
    """
    Each look-up that is sampled is a span, with the query to the upstream below it. A trusted client has its own as a part of its trace, as
    dig sends the option; a stranger does not.
    """
    words = ["--otlp-sample", "1", "--otlp-service", "here", "--otlp-trust", "127.0.0.1", "--workers", str(workers)]
    with SpanCollector() as collector, Upstream(otherwise="192.0.2.80") as upstream:
        with _server(tmp_path, upstream, "--otlp", collector.url, *words) as server:
            wait(lambda: exchange(server.port, "begun.example.org") and _named(collector, "begun.example.org"), server)
            for number in range(20):
                exchange(server.port, f"h{number}.example.org")
            _dig(server, "traced.example.org", f"+ednsopt=65500:0000{TRACE}{SPAN}01")
            wait(lambda: len([each for each in collector.lookups() if ".example.org." in str(each.attributes)]) >= 22, server)
            for number in range(20):
                (span,) = _named(collector, f"h{number}.example.org")
                assert (span.attributes["txdns.why"], span.resource["service.name"], span.parent) == ("sampled", "here", b"")
                assert [each.attributes["server.port"] for each in span.children] == [upstream.port]
                assert span.began <= span.children[0].began <= span.children[0].ended <= span.ended
            (traced,) = _named(collector, "traced.example.org")
            assert (traced.trace.hex(), traced.parent.hex(), traced.attributes["txdns.why"]) == (TRACE, SPAN, "asked")
            assert traced.children[0].trace.hex() == TRACE


def test_whoAndWhich(tmp_path: Path) -> None:
    """
    Without trust a client has no say; without samples only slow look-ups are sent.
    """
    words = ["--otlp-sample", "0", "--otlp-slow", "300"]
    with SpanCollector() as collector, Upstream(otherwise="192.0.2.80") as upstream:
        with _server(tmp_path, upstream, "--otlp", collector.url, *words) as server:
            _dig(server, "traced.example.org", f"+ednsopt=65500:0000{TRACE}{SPAN}01")
            upstream.silence("slow.example.org")
            exchange(server.port, "quick.example.org")
            with suppress(OSError):
                exchange(server.port, "slow.example.org", wait=8.0)
            wait(lambda: _named(collector, "slow.example.org"), server)
            (slow, *_) = _named(collector, "slow.example.org")
            assert slow.attributes["txdns.why"] == "slow" and slow.status == 2 and len(slow.children) > 1
            assert _named(collector, "quick.example.org") == _named(collector, "traced.example.org") == []


def test_withoutCollector(tmp_path: Path) -> None:
    """
    While there is no collector, and while its exporter is killed, queries are answered as before; the log says both, and spans are sent
    once there is a collector again.
    """
    port = freePort("127.0.0.1")
    with Upstream(otherwise="192.0.2.80") as upstream:
        for number in range(50):
            upstream.canned.set(f"h{number}.example.org", "A", f"192.0.2.{number}")
        words = ["--otlp", f"http://127.0.0.1:{port}", "--otlp-sample", "1", "--client-rate", "0"]
        with _server(tmp_path, upstream, *words) as server:
            with Load(server.port) as load:
                wait(lambda: "spans cannot be sent to" in server.text(), server)
                (exporter,) = _exportersOf(server)
                os.kill(exporter, signal.SIGKILL)
                wait(lambda: _exportersOf(server) not in ([], [exporter]), server)
            assert (load.lost, load.wrong) == (0, 0)
            assert "the process that sends spans has ended" in server.text()
            with SpanCollector(port) as collector:
                names = iter(range(1_000_000))
                wait(lambda: exchange(server.port, f"a{next(names)}.example.org") and collector.spans, server)
                wait(lambda: "spans are sent to" in server.text(), server)
