"""
Tests of the server's HTTP/1.1, as a reverse proxy speaks it.
"""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.server.listeners.https2peers import answer, query, target
from twisted_ext.server.limits import HTTPS_HEAD
from twisted_ext.server.listeners.https.http1 import HTTP1
from twisted_ext.server.listeners.https.request import BAD_MESSAGE, Endpoint

_GET = b"GET " + target(query()) + b" HTTP/1.1\r\nHost: dns.example\r\n\r\n"


def _post(length: object, *fields: str, body: bytes = query(), start: str = "POST /dns-query HTTP/1.1") -> bytes:
    lines = [start, "Host: dns.example", "Content-Type: application/dns-message", *fields]
    if length is not None:
        lines.append(f"Content-Length: {length}")
    return "\r\n".join([*lines, "", ""]).encode() + body


_POST = _post(len(query()))


def _out(server: HTTP1) -> bytes:
    out = b"".join(server.out)
    server.out.clear()
    return out


def _served(*pieces: bytes) -> tuple[HTTP1, list[bytes], bytes]:
    """
    Pass pieces to a server, and answer each query at once.

    @return: the server, the queries, and what it sends.
    """
    server = HTTP1(Endpoint())
    queries = []
    out = b""
    for piece in pieces:
        found = server.receive(piece, 0.0, 256)
        while True:
            for stream, message in found:
                queries.append(message)
                server.reply(stream, answer(message), 0.0)
            out += _out(server)
            if not server.more:
                break
            found = server.receive(b"", 0.0, 256)
    return server, queries, out


@pytest.mark.parametrize("request_", [_GET, _POST])
def test_queriesAreAnswered(request_: bytes) -> None:
    """
    A query by GET or POST gets its reply with type, length and time for caches, and the connection persists.
    """
    server, queries, out = _served(request_)
    reply = answer(query())
    assert queries == [query()]
    assert out == (
        b"HTTP/1.1 200 OK\r\ncontent-type: application/dns-message\r\ncontent-length: %d\r\ncache-control: max-age=300\r\n\r\n" % len(reply)
        + reply
    )
    assert not server.closing


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(1, 300), min_size=1, max_size=50))
def test_piecesDoNotMatter(sizes: list[int]) -> None:
    """
    Pipelined requests are answered in order, in whatever pieces they arrive.
    """
    data = b"".join([_post(len(query(b"n%d" % number)), body=query(b"n%d" % number)) + _GET for number in range(5)])
    pieces = []
    at = 0
    while at < len(data):
        size = sizes[at % len(sizes)]
        pieces.append(data[at : at + size])
        at += size
    server, queries, out = _served(*pieces)
    assert queries == [each for number in range(5) for each in (query(b"n%d" % number), query())]
    assert out.count(b"HTTP/1.1 200 OK") == 10
    assert server.since is None


def test_oneRequestAtATime() -> None:
    """
    A request waits for the reply to the one before, and what a client sends meanwhile is bounded: beyond that, the reply says that the
    connection is closed.
    """
    server = HTTP1(Endpoint())
    assert len(server.receive(_POST + _POST, 0.0, 256)) == 1
    assert server.receive(b"", 0.0, 256) == []
    server.reply(1, answer(query()), 0.0)
    assert server.more
    assert [stream for stream, _ in server.receive(b"", 0.0, 256)] == [2]
    server.refuse(1, BAD_MESSAGE)
    server.refuse(2, BAD_MESSAGE)
    assert _out(server).count(b"HTTP/1.1 400") == 1
    server.receive(_POST, 0.0, 256)
    for _ in range(3):
        server.receive(b"x" * 65536, 0.0, 256)
    assert not server.closing
    server.reply(3, answer(query()), 0.0)
    out = _out(server)
    assert (out.startswith(b"HTTP/1.1 200 OK"), b"connection: close" in out, server.closing) == (True, True, True)


@pytest.mark.parametrize(
    ("data", "status", "persists"),
    [
        (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", 200, True),
        (b"HEAD / HTTP/1.1\r\nHost: x\r\n\r\n", 200, True),
        (b"GET /elsewhere HTTP/1.1\r\nHost: x\r\n\r\n", 404, True),
        (b"GET /dns-query HTTP/1.1\r\nHost: x\r\n\r\n", 400, True),
        (b"DELETE /dns-query HTTP/1.1\r\nHost: x\r\n\r\n", 405, True),
        (_post(3, body=b"abc"), 400, True),
        (_post(30, start="POST /elsewhere HTTP/1.1"), 404, False),
        (_post(100_000), 413, False),
        (_post(None), 411, False),
        (_post(None, "Transfer-Encoding: chunked"), 411, False),
        (_post(30, "Transfer-Encoding: chunked"), 400, False),
        (_post(30, "Content-Length: 31"), 400, False),
        (_post("0x1e"), 400, False),
        (_post(30, "Bad Field: x"), 400, False),
        (_post(30, "Field : x"), 400, False),
        (_post(30, "A: b", " folded"), 400, False),
        (_post(30, "Host: other"), 400, False),
        (_GET.replace(b"Host: dns.example\r\n", b""), 400, False),
        (_GET.replace(b"HTTP/1.1", b"HTTP/2.0"), 400, False),
        (_GET.replace(b"GET /", b"GET http://x/"), 400, False),
        (_GET.replace(b"\r\n", b"\n") + b"\r\n\r\n", 400, False),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400, False),
        (b"GET / HTTP/1.1\r\nX: " + b"x" * 20_000, 431, False),
        (b"GET / HTTP/1.1\r\nX: " + b"x" * 20_000 + b"\r\n\r\n", 431, False),
    ],
)
def test_otherRequestsGetAStatus(data: bytes, status: int, persists: bool) -> None:
    """
    A request that is not a query gets the status that says why. The connection is closed if it is uncertain where the next request begins.
    """
    server, queries, out = _served(data)
    assert queries == []
    assert out.startswith(b"HTTP/1.1 %d " % status), out
    assert out.count(b"HTTP/1.1 ") == 1
    assert (not server.closing, b"connection: close" not in out) == (persists, persists)
    assert out.endswith(b"\r\n\r\n") == data.startswith(b"HEAD")


def test_connectionEndsAsAgreed() -> None:
    """
    The connection ends after the reply to HTTP/1.0, and where the client asks for it.
    """
    for data in (_GET.replace(b"1.1", b"1.0"), _GET.replace(b"Host", b"Connection: close\r\nHost")):
        server, queries, out = _served(data + _GET)
        assert (len(queries), server.closing, b"\r\nconnection: close\r\n" in out) == (1, True, True)


def test_clientsMayAskBeforeSending() -> None:
    """
    A client that expects 100-continue is told to go on, unless the request is refused.
    """
    _, _, out = _served(_post(len(query()), "Expect: 100-continue", body=b""), query())
    assert out.startswith(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n")
    _, _, out = _served(_post(100_000, "Expect: 100-continue", body=b""))
    assert out.startswith(b"HTTP/1.1 413 ")


def test_slowRequestsAreNoticed() -> None:
    """
    The server reports since when a request has been incomplete.
    """
    server = HTTP1(Endpoint())
    server.receive(_POST[:20], 1.0, 256)
    server.receive(_POST[20:-1], 2.0, 256)
    assert server.since == 1.0
    server.receive(_POST[-1:], 3.0, 256)
    assert server.since is None


def test_largestHeaderPasses() -> None:
    """
    A header may have as many octets as the limit says.
    """
    room = int(HTTPS_HEAD.default) - len(_GET) - len(b"X: ") + 2
    _, queries, _ = _served(_GET[:-2] + b"X: " + b"x" * room + b"\r\n\r\n")
    assert queries == [query()]
    _, queries, out = _served(_GET[:-2] + b"X: " + b"x" * (room + 1) + b"\r\n\r\n")
    assert (queries, out[:12]) == ([], b"HTTP/1.1 431")
