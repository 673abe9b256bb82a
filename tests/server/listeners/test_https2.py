"""
Tests of the server's HTTP/2, with the h2 library as the client.
"""

from __future__ import annotations

from contextlib import suppress
from unittest.mock import patch

import pytest
from hpack import Decoder, Encoder, NeverIndexedHeaderTuple
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.server.listeners.https2peers import GET, POST, CorePeer, HTTP2Client, answer, goneIn, query, target
from twisted_ext.server.limits import HTTPS_BODIES, HTTPS_HEAD
from twisted_ext.server.listeners.https.headers import BadBlock, HeadMemory, HeadReader
from twisted_ext.server.listeners.https.http2 import HTTP2
from twisted_ext.server.listeners.https.request import MEDIA_TYPE, Endpoint

# Error codes of RFC 9113.
_PROTOCOL, _FLOW, _CLOSED, _SIZE, _REFUSED, _COMPRESSION, _CALM = 1, 3, 5, 6, 7, 9, 11

_DATA, _HEADERS, _PRIORITY, _RESET, _SETTINGS, _PUSH, _PING, _GOAWAY, _UPDATE, _CONTINUATION = range(10)


def joined(most: int = 100) -> CorePeer:
    """
    Return a client whose connection is set up.
    """
    peer = CorePeer(most=most)
    peer.exchange()
    return peer


def test_getAndPostAreAnswered() -> None:
    """
    A query by GET and one by POST get their replies, with type, length and the TTL for caches.
    """
    peer = joined()
    get, post = peer.ask(GET(target(query(b"one")))), peer.ask(POST(len(query(b"two"))), query(b"two"))
    peer.exchange()
    assert peer.queries == [(get, query(b"one")), (post, query(b"two"))]
    for stream, name in ((get, b"one"), (post, b"two")):
        result = peer.results[stream]
        reply = answer(query(name))
        assert (result.status, result.body, result.ended) == (200, reply, True)
        assert result.fields[b"content-type"] == MEDIA_TYPE
        assert result.fields[b"content-length"] == b"%d" % len(reply)
        assert result.fields[b"cache-control"] == b"max-age=300"


def test_repliesComeInAnyOrder() -> None:
    """
    A query that takes long delays no other.
    """
    peer = joined()
    peer.answering = False
    streams = [peer.ask(GET(target(query(b"n%d" % number)))) for number in range(10)]
    peer.exchange()
    for stream, message in reversed(peer.queries):
        peer.server.reply(stream, answer(message), 0.0)
        peer.exchange()
        assert peer.results[stream].ended
    assert sorted(peer.results) == streams


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(1, 400), min_size=1, max_size=200))
def test_piecesDoNotMatter(sizes: list[int]) -> None:
    """
    The queries are the same in whatever pieces the octets arrive.
    """
    client = HTTP2Client()
    expected = []
    for number in range(8):
        message = query(b"n%d" % number)
        expected.append((client.ask(POST(len(message)), message), message))
        expected.append((client.ask(GET(target(message))), message))
    data = client.take()
    server = HTTP2(HeadMemory(Endpoint()), 0.0)
    found = []
    at = 0
    while at < len(data):
        size = sizes[at % len(sizes)]
        found += server.receive(data[at : at + size], 0.0, 256)
        at += size
    assert found == expected
    assert server.since is None


def test_queriesAreTakenInTurns() -> None:
    """
    The caller can take a limited number of queries, and the rest later.
    """
    peer = joined()
    for number in range(10):
        peer.ask(GET(target(query(b"n%d" % number))))
    found = peer.server.receive(peer.take(), 0.0, 4)
    counts = [len(found)]
    while peer.server.more:
        counts.append(len(peer.server.receive(b"", 0.0, 4)))
    assert counts == [4, 4, 2]


def test_knownHeadersAreNotDecodedAgain() -> None:
    """
    A header that was seen before, on any connection with the same table, costs no decompression, and means the same.
    """
    memory = HeadMemory(Endpoint())
    for _ in range(2):
        peer = CorePeer(memory)
        peer.exchange()
        for name in (b"one", b"two", b"one", b"two", b"one"):
            peer.ask(GET(target(query(name))))
            peer.exchange()
        assert [message for _, message in peer.queries] == [query(name) for name in (b"one", b"two", b"one", b"two", b"one")]
    # The first request of each connection fills the table.
    assert len(memory) == 2


def test_onlyTheFirstHeadersAreDecompressed() -> None:
    """
    Of a hundred requests of a connection, each for another name, the first one fills the table, and the second one shows that it stays.
    """
    peer = CorePeer(HeadMemory(Endpoint()))
    peer.exchange()
    decode, reading = Decoder.decode, peer.server._reader._decoder
    decompressed: list[bytes] = []

    def counting(self: Decoder, data: bytes, raw: bool = False) -> object:
        # The client decompresses replies.
        decompressed.extend([data] if self is reading else [])
        return decode(self, data, raw=raw)

    with patch.object(Decoder, "decode", counting):
        for number in range(100):
            peer.ask(GET(target(query(b"n%d" % number))))
            peer.exchange()
    assert len(peer.queries) == 100
    assert len(decompressed) == 2


def test_headersWithAnotherTableMeanSomethingElse() -> None:
    """
    The same octets are decompressed again once the table has changed.
    """
    peer = joined()
    for path in (target(query(b"one")), target(query(b"two")), target(query(b"one"))):
        # The h2 library adds this path to the table, so that an index stands for it.
        peer.ask([*GET(b"")[:3], (b":path", path)])
        peer.ask([*GET(b"")[:3], (b":path", path)])
        peer.exchange()
    assert [message for _, message in peer.queries] == [query(name) for name in (b"one", b"one", b"two", b"two", b"one", b"one")]


@settings(max_examples=100, deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from([b"GET", b"POST", b"HEAD"]), st.text(st.characters(codec="ascii"), max_size=300)), max_size=12),
    st.booleans(),
    st.sampled_from([(), ((b"content-length", b"0"),), ((b"x", b"y"),)]),
)
def test_pathsAloneAreDecompressedAlike(paths: list[tuple[bytes, str]], huffman: bool, rest: tuple[tuple[bytes, bytes], ...]) -> None:
    """
    A header that differs from others by its path means what it means when it is decompressed as a whole.
    """
    encoder = Encoder()
    short = HeadReader(HeadMemory(Endpoint(), most=0))
    for method, text in paths:
        path = (b"/dns-query?dns=" if len(text) % 2 else b"") + text.encode()
        fields = [(b":method", method), *GET(b"")[1:3], NeverIndexedHeaderTuple(b":path", path), *rest]
        block = encoder.encode(fields, huffman=huffman)
        whole = HeadReader(HeadMemory(Endpoint()))
        whole._decoder.header_table.dynamic_entries.extend(short._decoder.header_table.dynamic_entries)
        one, other = short.read(block), whole.read(block)
        assert (one is None) == (other is None)
        if one is not None and other is not None:
            assert (one.query, one.length, one.bare) == (other.query, other.length, other.bare)
            assert (one.status and one.status.code) == (other.status and other.status.code)


@given(st.binary(max_size=60))
def test_anyBlockIsSplitOrNot(octets: bytes) -> None:
    """
    No block of header fields raises an exception other than that of a wrong one.
    """
    reader = HeadReader(HeadMemory(Endpoint()))
    encoder = Encoder()
    for number in range(3):
        reader.read(encoder.encode(GET(target(query(b"n%d" % number)))))
    for start in (b"", b"\x82\x87\x04", b"\x82\x87\x84\x04\xff"):
        with suppress(BadBlock):
            reader.read(start + octets)


def test_rememberedHeadersAreBounded() -> None:
    """
    Headers that occur once do not fill the memory, and those in use stay in it.
    """
    memory = HeadMemory(Endpoint(), most=65536)
    peer = CorePeer(memory)
    peer.exchange()
    for number in range(500):
        peer.ask(GET(target(query(b"n%d" % number))))
        peer.ask(GET(target(query(b"kept"))))
        peer.exchange()
    assert 10 < len(memory) < 100
    assert any(head.query == query(b"kept") for head in [*memory._young.values(), *memory._old.values()])


@pytest.mark.parametrize(
    ("fields", "body", "status"),
    [
        (GET(b"/dns-query"), None, 400),
        (GET(b"/dns-query?dns="), None, 400),
        (GET(b"/dns-query?dns=AAAB"), None, 400),
        (GET(b"/dns-query?dns=AAABAAABAAAAAAAAA3d3dwdleGFtcGxlA2NvbQAAAQAB!"), None, 400),
        (GET(b"/dns-query?dns=AAABAAABAAAAAAAAA3d3dwdleGFtcGxlA2NvbQAAAQAB="), None, 400),
        (GET(target(query()) + b"&dns=AAAA"), None, 400),
        (GET(b"/elsewhere"), None, 404),
        (POST(5), b"short", 400),
        (POST(None), b"", 400),
        (POST(len(query()), b"text/plain"), query(), 415),
        (POST(len(query()), path=b"/elsewhere"), query(), 404),
        (POST(3, path=b"/"), b"abc", 405),
        (POST(1_000_000), b"x" * 60_000, 413),
        ([(b":method", b"PUT"), *GET(target(query()))[1:]], None, 405),
        ([(b":method", b"HEAD"), *GET(b"/")[1:]], None, 200),
        (GET(b"/"), None, 200),
    ],
)
def test_otherRequestsGetAStatus(fields: list[tuple[bytes, bytes]], body: bytes | None, status: int) -> None:
    """
    A request that is not a query gets the status that says why, and the connection goes on.
    """
    peer = joined()
    stream = peer.ask(fields, body)
    peer.exchange()
    result = peer.results[stream]
    assert (result.status, result.ended, peer.queries) == (status, True, [])
    assert bool(result.body) == (fields[0][1] != b"HEAD")
    after = peer.ask(GET(target(query())))
    peer.exchange()
    assert peer.results[after].status == 200
    assert len(peer.server) == 0


def test_bodyWithoutLengthIsBounded() -> None:
    """
    A body that grows beyond the largest message is refused, and the client is asked to stop. The window for other requests is not used up.
    """
    peer = joined()
    for _ in range(20):
        stream = peer.h2.get_next_available_stream_id()
        peer.h2.send_headers(stream, POST(None))
        for _ in range(4):
            peer.h2.send_data(stream, b"\x00" * 16384)
        peer.exchange()
        assert peer.results[stream].status == 413
        assert peer.results[stream].reset == 0
    assert peer.gone is None
    assert len(peer.server) == 0


def test_largestMessagesPass() -> None:
    """
    Messages of 65,535 octets pass in both directions, with and without padding of their frames.
    """
    peer = joined()
    peer.answering = False
    large = query(octets=65535)
    streams = [peer.ask(POST(len(large)), large) for _ in range(2)]
    peer.exchange()
    assert peer.queries == [(stream, large) for stream in streams]
    for stream in streams:
        peer.server.reply(stream, answer(query(), octets=65535), 0.0)
    peer.exchange()
    for stream in streams:
        assert (peer.results[stream].body, peer.results[stream].ended) == (answer(query(), octets=65535), True)
    padded = peer.h2.get_next_available_stream_id()
    peer.h2.send_headers(padded, POST(len(query())))
    peer.h2.send_data(padded, query(), end_stream=True, pad_length=200)
    peer.exchange()
    assert peer.queries[-1] == (padded, query())


def test_repliesWaitForTheWindow() -> None:
    """
    Replies larger than the client's windows are sent as it enlarges them, and the server reports how much waits, and since when.
    """
    peer = CorePeer()
    peer.h2.update_settings({4: 100})
    peer.exchange()
    peer.now = 5.0
    peer.answering = False
    first, second = peer.ask(GET(target(query()))), peer.ask(GET(target(query())))
    peer.exchange()
    for stream in (first, second):
        peer.server.reply(stream, answer(query(), octets=1000), 5.0)
    peer.exchange(grant=False)
    assert [len(peer.results[stream].body) for stream in (first, second)] == [100, 100]
    assert (peer.server.queued, peer.server.stalled) == (2000, 5.0)
    peer.h2.increment_flow_control_window(900, second)
    peer.exchange(grant=False)
    assert (peer.results[second].ended, peer.results[first].ended, peer.server.queued) == (True, False, 1000)
    peer.h2.update_settings({4: 1000})
    peer.exchange(grant=False)
    assert peer.results[first].body == answer(query(), octets=1000)
    assert (peer.server.queued, peer.server.stalled, len(peer.server)) == (0, None, 0)


def test_largePagesWaitForTheWindow() -> None:
    """
    A page larger than a frame and the windows of the client arrives whole, as it reads.
    """
    peer = CorePeer(HeadMemory(Endpoint(page="x" * 200_000)))
    peer.exchange()
    page, head = peer.ask(GET(b"/")), peer.ask([(b":method", b"HEAD"), *GET(b"/")[1:]])
    peer.exchange()
    assert (peer.results[page].body, peer.results[page].ended) == (b"x" * 200_000, True)
    assert (peer.results[head].body, peer.results[head].ended) == (b"", True)
    assert peer.results[head].fields[b"content-length"] == b"200000"
    assert peer.server.queued == 0


def test_connectionWindowHolds() -> None:
    """
    All streams together get no more than the window of the connection.
    """
    peer = joined()
    peer.answering = False
    streams = [peer.ask(GET(target(query()))) for _ in range(10)]
    peer.exchange()
    for stream in streams:
        peer.server.reply(stream, answer(query(), octets=20_000), 0.0)
    peer.exchange(grant=False)
    assert sum(len(peer.results[stream].body) for stream in streams if stream in peer.results) == 65535
    peer.h2.increment_flow_control_window(200_000)
    peer.exchange(grant=False)
    assert all(peer.results[stream].ended for stream in streams)


def test_streamsAreBounded() -> None:
    """
    Streams above the limit are refused, so that the client may ask again; those below are answered.
    """
    peer = joined()
    peer.answering = False
    # As if the client did not know the limit yet.
    peer.server._most = 3
    streams = [peer.ask(GET(target(query(b"n%d" % number)))) for number in range(5)]
    peer.exchange()
    assert [peer.results[stream].reset for stream in streams[3:]] == [_REFUSED] * 2
    for stream, message in peer.queries:
        peer.server.reply(stream, answer(message), 0.0)
    peer.exchange()
    assert [peer.results[stream].ended for stream in streams[:3]] == [True] * 3


def test_smallerTableIsAcknowledged() -> None:
    """
    A client that makes its table of headers smaller can read the replies.
    """
    peer = joined()
    peer.h2.update_settings({1: 0})
    stream = peer.ask(GET(target(query())))
    peer.exchange()
    assert peer.results[stream].status == 200


def test_trailersEndARequest() -> None:
    """
    Fields behind the body are ignored.
    """
    peer = joined()
    stream = peer.h2.get_next_available_stream_id()
    peer.h2.send_headers(stream, POST(None))
    peer.h2.send_data(stream, query())
    peer.h2.send_headers(stream, [(b"x-checksum", b"0")], end_stream=True)
    peer.exchange()
    assert peer.results[stream].status == 200


def test_pingIsAnswered() -> None:
    """
    A PING is acknowledged.
    """
    peer = joined()
    peer.h2.ping(b"12345678")
    peer.exchange()
    assert "PingAckReceived" in [type(event).__name__ for event in peer.events]


def test_goodbyeNamesTheLastStream() -> None:
    """
    A client of a server that closes the connection learns which requests were received.
    """
    peer = joined()
    peer.ask(GET(target(query())))
    peer.exchange()
    peer.server.goAway()
    assert peer.server.closing
    peer.receive(peer.drain())
    assert peer.gone == (0, b"")


@pytest.mark.parametrize(
    "fields",
    [
        GET(target(query()))[:3],
        GET(target(query()))[1:],
        [*GET(target(query())), (b":path", b"/")],
        [*GET(target(query())), (b"connection", b"close")],
        [*GET(target(query())), (b"Accept", b"x")],
        [*GET(target(query())), (b"te", b"gzip")],
        [(b":status", b"200"), *GET(target(query()))],
        [*POST(20), (b"content-length", b"30")],
        [*GET(target(query())), (b"content-length", b"3")],
    ],
)
def test_malformedRequestsAreReset(fields: list[tuple[bytes, bytes]]) -> None:
    """
    A request that RFC 9113 calls malformed is reset, and the connection goes on.
    """
    peer = joined()
    peer.h2.config.normalize_outbound_headers = False
    stream = peer.ask(fields)
    peer.exchange()
    assert (peer.results[stream].reset, peer.gone, peer.queries) == (_PROTOCOL, None, [])


@pytest.mark.parametrize("body", [b"x" * 10, b"x" * 30])
def test_wrongLengthIsReset(body: bytes) -> None:
    """
    A body shorter or longer than its content-length is refused.
    """
    peer = joined()
    stream = peer.ask(POST(20), body)
    peer.exchange()
    assert (peer.results[stream].reset, peer.queries) == (_PROTOCOL, [])


@pytest.mark.parametrize(
    ("kind", "flags", "stream", "payload", "code"),
    [
        (_DATA, 0, 0, b"", _PROTOCOL),
        (_DATA, 0, 5, b"", _PROTOCOL),
        (_DATA, 8, 1, b"\x09", _PROTOCOL),
        (_HEADERS, 5, 0, b"", _PROTOCOL),
        (_HEADERS, 5, 2, b"", _PROTOCOL),
        (_HEADERS, 13, 3, b"\x20", _PROTOCOL),
        (_HEADERS, 0x25, 3, b"\x00\x00", _SIZE),
        (_HEADERS, 5, 3, b"\xff\xff\xff\xff\xff", _COMPRESSION),
        (_HEADERS, 5, 3, b"\xfe", _COMPRESSION),
        (_HEADERS, 5, 3, b"\x00\x05ab", _COMPRESSION),
        (_HEADERS, 4, 3, bytes(16385), _SIZE),
        (_PRIORITY, 0, 0, bytes(5), _PROTOCOL),
        (_PRIORITY, 0, 1, bytes(4), _SIZE),
        (_RESET, 0, 0, bytes(4), _PROTOCOL),
        (_RESET, 0, 7, bytes(4), _PROTOCOL),
        (_RESET, 0, 1, bytes(3), _SIZE),
        (_SETTINGS, 0, 1, b"", _PROTOCOL),
        (_SETTINGS, 0, 0, b"\x00", _SIZE),
        (_SETTINGS, 1, 0, bytes(6), _SIZE),
        (_SETTINGS, 0, 0, b"\x00\x02\x00\x00\x00\x02", _PROTOCOL),
        (_SETTINGS, 0, 0, b"\x00\x04\x80\x00\x00\x00", _FLOW),
        (_SETTINGS, 0, 0, b"\x00\x05\x00\x00\x00\x01", _PROTOCOL),
        (_SETTINGS, 0, 0, b"\x00\x09\x00\x00\x00\x01" * 100, _CALM),
        (_PUSH, 4, 1, bytes(4), _PROTOCOL),
        (_PING, 0, 1, bytes(8), _PROTOCOL),
        (_PING, 0, 0, bytes(7), _SIZE),
        (_GOAWAY, 0, 1, bytes(8), _PROTOCOL),
        (_UPDATE, 0, 0, bytes(4), _PROTOCOL),
        (_UPDATE, 0, 0, b"\x7f\xff\xff\xff", _FLOW),
        (_UPDATE, 0, 0, bytes(3), _SIZE),
        (_UPDATE, 0, 9, b"\x00\x00\x00\x01", _PROTOCOL),
        (_CONTINUATION, 4, 1, b"", _PROTOCOL),
    ],
)
def test_protocolErrorsEndTheConnection(kind: int, flags: int, stream: int, payload: bytes, code: int) -> None:
    """
    A frame that violates HTTP/2 ends the connection with the code of RFC 9113.
    """
    peer = joined()
    peer.answering = False
    peer.ask(POST(200))
    peer.exchange()
    peer.frame(kind, flags, stream, payload)
    peer.receive(peer.drain())
    assert peer.server.closing
    assert peer.gone is not None
    assert peer.gone[0] == code, peer.gone
    assert (len(peer.server), peer.server.since, peer.server.stalled, peer.server.queued) == (0, None, None, 0)


def test_unknownFramesAreIgnored() -> None:
    """
    Frames of unknown types, such as PRIORITY_UPDATE of browsers, are ignored, except within a header.
    """
    peer = joined()
    peer.frame(16, 0, 0, b"\x00\x00\x00\x01u=1")
    stream = peer.ask(GET(target(query())))
    peer.exchange()
    assert peer.results[stream].status == 200
    peer.frame(_HEADERS, 0, 5)
    peer.frame(16, 0, 0)
    peer.receive(peer.drain())
    assert peer.gone is not None


@pytest.mark.parametrize("data", [b"GET / HTTP/1.1\r\n", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", b"\x00\x1d" + query()])
def test_otherProtocolsAreRefused(data: bytes) -> None:
    """
    HTTP/1.1, TLS and plain DNS are not HTTP/2.
    """
    server = HTTP2(HeadMemory(Endpoint()), 0.0)
    assert server.receive(data, 0.0, 256) == []
    assert server.closing


def test_requestsNeedSettings() -> None:
    """
    A client has to send SETTINGS first.
    """
    server = HTTP2(HeadMemory(Endpoint()), 0.0)
    server.receive(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\x00\x00\x00\x01\x05\x00\x00\x00\x01", 0.0, 256)
    assert server.closing


def test_slowRequestsAreNoticed() -> None:
    """
    The server reports since when a request has been incomplete, whether its frame, its header or its body is; other requests do not hide
    it.
    """
    peer = joined()
    seen = [peer.server.since]
    stream = peer.h2.get_next_available_stream_id()
    peer.h2.send_headers(stream, POST(len(query())))
    peer.now = 1.0
    peer.exchange()
    peer.now = 2.0
    peer.ask(GET(target(query())))
    peer.exchange()
    seen.append(peer.server.since)
    peer.h2.send_data(stream, query(), end_stream=True)
    peer.now = 3.0
    data = peer.take()
    peer.serve(data[:12])
    seen.append(peer.server.since)
    peer.serve(data[12:])
    seen.append(peer.server.since)
    peer.serve(b"\x00\x00\x08\x06")
    assert [*seen, peer.server.since] == [None, 1.0, 1.0, None, 3.0]
    other = joined()
    other.now = 4.0
    other.frame(_HEADERS, 1, 1, b"\x82")
    assert other.server.since == 4.0


def test_settingsSayWhatIsAllowed() -> None:
    """
    The client learns the server's limits.
    """
    peer = joined(most=7)
    assert peer.h2.remote_settings.max_concurrent_streams == 7
    assert peer.h2.remote_settings.initial_window_size == 65536
    assert peer.h2.outbound_flow_control_window == 262_144
    assert peer.h2.remote_settings.max_header_list_size is not None


def test_longHeadersPass() -> None:
    """
    A header within the limit may come in several frames.
    """
    peer = joined()
    peer.h2.max_outbound_frame_size = 4096
    fields = [*GET(target(query())), *[(b"x-%d" % number, b"y" * 700) for number in range(15)]]
    stream = peer.h2.get_next_available_stream_id()
    block = bytes(peer.h2.encoder.encode(fields))
    assert 8192 < len(block) < HTTPS_HEAD.default
    peer.frame(_HEADERS, 1, stream, block[:4096])
    peer.frame(_CONTINUATION, 0, stream, block[4096:8192])
    peer.frame(_CONTINUATION, 4, stream, block[8192:])
    assert peer.queries == [(stream, query())]


_FRAMES = st.builds(
    lambda kind, flags, stream, payload: len(payload).to_bytes(3, "big") + bytes([kind, flags]) + stream.to_bytes(4, "big") + payload,
    st.integers(0, 10),
    st.sampled_from([0, 1, 4, 5, 8, 0x20, 0x2D, 255]),
    st.integers(0, 9),
    st.one_of(
        st.binary(max_size=40),
        st.sampled_from([bytes(4), b"\x00\x00\x00\x01", bytes(8), b"\x82\x87\x41\x01a\x04\x01/", b"\x83\x87\x04\x0a/dns-query", query()]),
    ),
)


@settings(max_examples=300, deadline=None)
@given(st.lists(st.one_of(_FRAMES, st.binary(max_size=30)), max_size=30), st.booleans())
def test_anyFramesAreHandled(frames: list[bytes], answering: bool) -> None:
    """
    No sequence of frames raises an exception, breaks the bookkeeping of flow control, or leaves anything after the connection is closed.
    """
    peer = joined()
    peer.answering = answering
    server = peer.server
    for each in frames:
        peer.serve(each)
        assert server.queued == sum(len(sending.octets) for sending in server._sending.values())
        held = sum(body.size for body in server._bodies.values())
        assert server._credit + server._owed + held == HTTPS_BODIES.default or server.closing
        assert len(server) <= 100
    if server.closing:
        assert goneIn(peer.drain()) is not None
        assert (len(server) - len(server._abandoned), server.since, server.queued) == (0, None, 0)
