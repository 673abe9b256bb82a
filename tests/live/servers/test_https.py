"""
Tests of DNS over HTTPS with clients by other authors: curl, kdig, dnsperf.
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.live.twistds import PATIENCE, Twistd
from tests.peers import freePort, peer
from tests.queries import queryOf
from tests.server.listeners.https2peers import target

_NAME = "www.example.test"


def _run(*words: str | Path) -> str:
    """
    Return the output of a program.
    """
    return subprocess.run(words, capture_output=True, timeout=PATIENCE, check=False).stdout.decode("latin-1")


class _Server(Twistd):
    """
    @ivar https: the port of HTTPS.
    """

    def __init__(self, folder: Path, *words: str) -> None:
        self.https = freePort("127.0.0.1")
        local = ["--local", f"{_NAME} 300 A 127.0.0.1", "--upstream", "127.0.0.1:9"]
        super().__init__(folder, "--https", f"127.0.0.1:{self.https}", "--self-signed", "--state", str(folder), *local, *words)

    def url(self, path: str = "/dns-query") -> str:
        return f"https://127.0.0.1:{self.https}{path}"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[_Server]:
    with _Server(tmp_path_factory.mktemp("https")) as server:
        yield server


@pytest.mark.parametrize("version", ["--http2", "--http1.1"])
def test_curlIsAnswered(server: _Server, version: str) -> None:
    """
    curl gets the page, a reply, and a status, by both versions of HTTP.
    """
    curl = peer("curl")
    said = _run(curl, "-sik", version, server.url("/"))
    assert said.startswith("HTTP/2 200" if version == "--http2" else "HTTP/1.1 200")
    assert "/dns-query" in said
    reply = _run(curl, "-sik", version, server.url(target(queryOf(_NAME)).decode()))
    assert "content-type: application/dns-message" in reply
    assert "cache-control: max-age=300" in reply
    assert reply.endswith("\x7f\x00\x00\x01")
    assert _run(curl, "-sk", version, "-o", "/dev/null", "-w", "%{http_code}", server.url("/elsewhere")) == "404"
    posted = _run(curl, "-sk", version, "-o", "/dev/null", "-w", "%{http_code}", "-d", "x=1", server.url())
    assert posted == "415"


def test_curlResolvesByHTTPS(server: _Server) -> None:
    """
    curl finds the address of a name by our server and loads a page from it.
    """
    url = f"https://{_NAME}:{server.https}/"
    said = _run(peer("curl"), "-sk", "--doh-insecure", "--doh-url", server.url(), url)
    assert "DNS server" in said


@pytest.mark.parametrize("words", [["+https=/dns-query"], ["+https=/dns-query", "+https-get"], ["+https=/dns-query", "+nopadding"]])
def test_kdigIsAnswered(server: _Server, words: list[str]) -> None:
    """
    kdig gets a reply by GET and POST, padded unless it does not pad its query.
    """
    said = _run(peer("kdig"), "@127.0.0.1", "-p", str(server.https), *words, _NAME)
    assert f"(HTTP/2-{'GET' if '+https-get' in words else 'POST'})" in said
    assert re.search(r"IN\s+A\s+127\.0\.0\.1", said)
    assert ("Received 468 B" in said) == ("+nopadding" not in words)


@pytest.mark.parametrize("workers", ["1", "2"])
def test_dnsperfIsAnswered(tmp_path: Path, workers: str) -> None:
    """
    dnsperf loses no query on several connections, with one process and with workers.
    """
    dnsperf = peer("dnsperf")
    queries = tmp_path / "queries"
    queries.write_text("".join(f"h{number}.example.test A\n" for number in range(100)))
    names = [word for number in range(100) for word in ("--local", f"h{number}.example.test A 127.0.0.1")]
    with _Server(tmp_path, "--workers", workers, *names) as server:
        where = ["-s", "127.0.0.1", "-p", str(server.https), "-m", "doh", "-O", f"doh-uri={server.url()}"]
        said = _run(dnsperf, *where, "-d", str(queries), "-n", "20", "-c", "4", "-q", "40")
        assert "Queries completed:    2000 (100.00%)" in said, said
        assert "NOERROR 2000 (100.00%)" in said
        assert "200: 2000" in said
