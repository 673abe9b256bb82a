"""
The cases of h2spec, as far as they apply to a server of DNS over HTTPS, under h2spec's own numbers.

The program is not used; its cases are written anew: the frames are those of the hyperframe library, or octets where that would not make
them, and the headers those of the hpack library. Where RFC 9113 asks for less than RFC 7540, for which h2spec was written, the outcome is
that of RFC 9113: nothing depends on priorities.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

import pytest
from hpack import Encoder
from hyperframe.frame import (
    ContinuationFrame,
    DataFrame,
    Frame,
    GoAwayFrame,
    HeadersFrame,
    PingFrame,
    PriorityFrame,
    PushPromiseFrame,
    RstStreamFrame,
    SettingsFrame,
    WindowUpdateFrame,
)

from tests.server.listeners.https2peers import answer, query, target
from twisted_ext.server.listeners.https.frames import PREFACE
from twisted_ext.server.listeners.https.headers import HeadMemory
from twisted_ext.server.listeners.https.http2 import HTTP2
from twisted_ext.server.listeners.https.request import Endpoint

_PROTOCOL, _FLOW, _CLOSED, _SIZE, _REFUSED, _COMPRESSION = 1, 3, 5, 6, 7, 9

_BODY: Final = query()

_Fields = list[tuple[bytes, bytes]]

_PSEUDO: Final[_Fields] = [(b":method", b"GET"), (b":scheme", b"https"), (b":authority", b"dns.example"), (b":path", target(_BODY))]

_POSTED: Final[_Fields] = [(b":method", b"POST"), *_PSEUDO[1:3], (b":path", b"/dns-query"), (b"content-type", b"application/dns-message")]


class Speaker:
    """
    A client that sends any frames, and takes down what the server sends.

    @ivar gone: the error code of the server's GOAWAY, or L{None}.
    @ivar resets: the error codes of the streams that the server has reset.
    @ivar served: the octets of DATA by stream; empty for one with HEADERS alone.
    @ivar ended: the streams that the server has ended.
    @ivar pongs: the payloads of PINGs with ACK.
    @ivar acknowledged: how many SETTINGS the server has acknowledged.
    """

    def __init__(self, most: int = 100) -> None:
        self.server = HTTP2(HeadMemory(Endpoint()), 0.0, most=most)
        self.answering = True
        self.waiting: list[tuple[int, bytes]] = []
        self.gone: int | None = None
        self.resets: dict[int, int] = {}
        self.served: dict[int, list[int]] = {}
        self.ended: set[int] = set()
        self.pongs: list[bytes] = []
        self.acknowledged = 0
        self.kinds: list[str] = []
        self._encoder = Encoder()

    def block(self, fields: _Fields) -> bytes:
        # Without the table, so that blocks that the server does not read change nothing.
        return bytes(self._encoder.encode([(name, value, True) for name, value in fields]))

    def send(self, *pieces: bytes | Frame) -> None:
        """
        Send octets and frames, and read the replies.
        """
        for piece in pieces:
            found = self.server.receive(piece if isinstance(piece, bytes) else piece.serialize(), 0.0, 256)
            if self.answering:
                self.reply(found)
            else:
                self.waiting += found
            out = b"".join(self.server.out)
            self.server.out.clear()
            while out:
                frame, length = Frame.parse_frame_header(memoryview(out[:9]))
                frame.parse_body(memoryview(out[9 : 9 + length]))
                out = out[9 + length :]
                self._take(frame)

    def reply(self, queries: Sequence[tuple[int, bytes]]) -> None:
        for stream, message in queries:
            self.server.reply(stream, answer(message), 0.0)

    def _take(self, frame: Frame) -> None:
        self.kinds.append(type(frame).__name__)
        if isinstance(frame, GoAwayFrame):
            self.gone = frame.error_code
        elif isinstance(frame, RstStreamFrame):
            self.resets[frame.stream_id] = frame.error_code
        elif isinstance(frame, HeadersFrame):
            self.served[frame.stream_id] = []
        elif isinstance(frame, DataFrame):
            self.served[frame.stream_id].append(len(frame.data))
        elif isinstance(frame, PingFrame) and "ACK" in frame.flags:
            self.pongs.append(frame.opaque_data)
        elif isinstance(frame, SettingsFrame) and "ACK" in frame.flags:
            self.acknowledged += 1
        if isinstance(frame, HeadersFrame | DataFrame) and "END_STREAM" in frame.flags:
            self.ended.add(frame.stream_id)

    def start(self, **values: int) -> None:
        """
        Send the preface and SETTINGS.
        """
        self.send(PREFACE, settings({getattr(SettingsFrame, name): value for name, value in values.items()}))

    def get(self, stream: int = 1, *flags: str, fields: _Fields = _PSEUDO) -> HeadersFrame:
        return HeadersFrame(stream, self.block(fields), flags=["END_HEADERS", "END_STREAM", *flags])

    def post(self, stream: int = 1, *more: tuple[bytes, bytes], flags: Sequence[str] = ("END_HEADERS",)) -> HeadersFrame:
        return HeadersFrame(stream, self.block([*_POSTED, *more]), flags=flags)


def settings(values: dict[int, int], stream: int = 0) -> SettingsFrame:
    return SettingsFrame(stream, settings=values)


def raw(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
    return len(payload).to_bytes(3, "big") + bytes([kind, flags]) + stream.to_bytes(4, "big") + payload


_Step = Callable[[Speaker], "Sequence[bytes | Frame]"]


@dataclass(frozen=True)
class Case:
    """
    @ivar number: that of h2spec.
    @ivar steps: returns what to send behind the preface and SETTINGS.
    @ivar gone: the error code of the GOAWAY that has to follow, or L{None}.
    @ivar reset: the error code of the first stream, or L{None}.
    @ivar served: the streams that get a whole reply.
    """

    number: str
    steps: _Step
    gone: int | None = None
    reset: int | None = None
    served: Sequence[int] = field(default=())


def _data(stream: int = 1, octets: bytes = _BODY, *flags: str, pad: int = 0) -> DataFrame:
    return DataFrame(stream, octets, pad_length=pad, flags=[*flags, *(["PADDED"] if pad else [])])


def _end(stream: int = 1) -> DataFrame:
    return _data(stream, _BODY, "END_STREAM")


def _reset(stream: int = 1, code: int = 8) -> RstStreamFrame:
    return RstStreamFrame(stream, code)


def _window(stream: int, octets: int) -> WindowUpdateFrame:
    return WindowUpdateFrame(stream, octets)


def _other(stream: int, *, replace: bytes, by: Sequence[tuple[bytes, bytes]]) -> Callable[[Speaker], list[bytes | Frame]]:
    """
    Return a step that sends a request in which other fields take the place of one.
    """
    fields = [each for name, value in _PSEUDO for each in (by if name == replace else [(name, value)])]
    return lambda client: [client.get(stream, fields=fields)]


def _appended(*fields: tuple[bytes, bytes]) -> Callable[[Speaker], list[bytes | Frame]]:
    return lambda client: [client.get(fields=[*_PSEUDO, *fields])]


def _split(client: Speaker, pieces: int, stream: int = 1) -> list[bytes]:
    block = client.block(_PSEUDO)
    size = len(block) // pieces
    return [*[block[size * number : size * (number + 1)] for number in range(pieces - 1)], block[size * (pieces - 1) :]]


def _continued(client: Speaker, pieces: int) -> list[bytes | Frame]:
    first, *others, last = _split(client, pieces)
    middle = [ContinuationFrame(1, each) for each in others]
    return [HeadersFrame(1, first, flags=["END_STREAM"]), *middle, ContinuationFrame(1, last, flags=["END_HEADERS"])]


CASES: Final = [
    # generic
    Case("generic/2.1", lambda c: [PriorityFrame(1), c.get()], served=[1]),
    Case("generic/2.2", lambda c: [c.get(), _window(1, 1)], served=[1]),
    Case("generic/2.3", lambda c: [c.get(), PriorityFrame(1)], served=[1]),
    Case("generic/2.4", lambda c: [c.get(), _reset()], served=[1]),
    Case("generic/2.5", lambda c: [c.get(), _reset(), PriorityFrame(1, depends_on=0), c.get(3)], served=[1, 3]),
    Case("generic/3.1.1", lambda c: [c.post(), _end()], served=[1]),
    Case("generic/3.1.2", lambda c: [c.post(), _data(1, _BODY[:9]), _data(1, _BODY[9:], "END_STREAM")], served=[1]),
    Case("generic/3.1.3", lambda c: [c.post(), _data(1, _BODY, "END_STREAM", pad=5)], served=[1]),
    Case("generic/3.2.1", lambda c: [c.get()], served=[1]),
    Case("generic/3.2.2", lambda c: [raw(1, 0xD, 1, b"\x05" + c.block(_PSEUDO) + bytes(5))], served=[1]),
    Case("generic/3.2.3", lambda c: [raw(1, 0x25, 1, b"\x00\x00\x00\x03\xff" + c.block(_PSEUDO))], served=[1]),
    Case("generic/3.2.4", lambda c: [raw(1, 0x2D, 1, b"\x05\x80\x00\x00\x03\xff" + c.block(_PSEUDO) + bytes(5))], served=[1]),
    Case("generic/3.3.1", lambda c: [PriorityFrame(1, stream_weight=0), c.get()], served=[1]),
    Case("generic/3.3.2", lambda c: [PriorityFrame(1, stream_weight=255), c.get()], served=[1]),
    Case("generic/3.3.3", lambda c: [PriorityFrame(1, depends_on=3), c.get()], served=[1]),
    Case("generic/3.3.4", lambda c: [PriorityFrame(1, depends_on=3, exclusive=True), c.get()], served=[1]),
    Case("generic/3.3.5", lambda c: [PriorityFrame(101), c.get()], served=[1]),
    Case("generic/3.4.1", lambda c: [c.post(), _reset(), c.get(3)], served=[3]),
    Case("generic/3.5.1", lambda c: [settings({3: 100}), c.get()], served=[1]),
    Case("generic/3.5.2", lambda c: [settings({3: 100, 4: 70_000, 1: 0}), settings({2: 0}), c.get()], served=[1]),
    Case("generic/3.8.1", lambda c: [GoAwayFrame(0, 0, 0), c.get()], served=[1]),
    Case("generic/3.9.1", lambda c: [_window(0, 1), c.get()], served=[1]),
    Case("generic/3.9.2", lambda c: [c.post(), _window(1, 1), _end()], served=[1]),
    Case("generic/3.10.1", lambda c: _continued(c, 2), served=[1]),
    Case("generic/3.10.2", lambda c: _continued(c, 3), served=[1]),
    Case("generic/4.1", lambda c: [c.get()], served=[1]),
    Case("generic/4.2", lambda c: [c.get(fields=[(b":method", b"HEAD"), *_PSEUDO[1:3], (b":path", b"/")])], served=[1]),
    Case("generic/4.3", lambda c: [c.post(1, (b"content-length", b"%d" % len(_BODY))), _end()], served=[1]),
    Case("generic/4.4", lambda c: [c.post(), _data(), HeadersFrame(1, c.block([(b"x-test", b"ok")]), flags=["END_HEADERS", "END_STREAM"])],
         served=[1]),  # fmt: skip
    # http2
    Case("http2/4.1.1", lambda c: [raw(0x16, 0, 0, bytes(8)), c.get()], served=[1]),
    Case("http2/4.1.2", lambda c: [raw(6, 0x16, 0, bytes(8)), c.get()], served=[1]),
    Case("http2/4.1.3", lambda c: [raw(6, 0, 1 << 31, bytes(8)), c.get()], served=[1]),
    Case("http2/4.2.1", lambda c: [c.post(), raw(0, 0, 1, bytes(1 << 14)), _reset(), c.get(3)], served=[3]),
    Case("http2/4.2.2", lambda c: [c.post(), raw(0, 0, 1, bytes((1 << 14) + 1))], gone=_SIZE),
    Case("http2/4.2.3", lambda c: [raw(1, 5, 1, bytes((1 << 14) + 1))], gone=_SIZE),
    Case("http2/4.3.1", lambda c: [raw(1, 5, 1, b"\x40")], gone=_COMPRESSION),
    Case("http2/4.3.2", lambda c: [_continued(c, 2)[0], PriorityFrame(1)], gone=_PROTOCOL),
    Case("http2/4.3.3", lambda c: [_continued(c, 2)[0], c.get(3)], gone=_PROTOCOL),
    Case("http2/5.1.1", lambda c: [_data()], gone=_PROTOCOL),
    Case("http2/5.1.2", lambda c: [_reset()], gone=_PROTOCOL),
    Case("http2/5.1.3", lambda c: [_window(1, 100)], gone=_PROTOCOL),
    Case("http2/5.1.4", lambda c: [ContinuationFrame(1, c.block(_PSEUDO), flags=["END_HEADERS"])], gone=_PROTOCOL),
    Case("http2/5.1.7", lambda c: [c.get(), ContinuationFrame(1, c.block(_PSEUDO), flags=["END_HEADERS"])], gone=_PROTOCOL, served=[1]),
    Case("http2/5.1.10", lambda c: [c.post(), _reset(), ContinuationFrame(1, b"", flags=["END_HEADERS"])], gone=_PROTOCOL),
    Case("http2/5.1.1.1", lambda c: [c.get(2)], gone=_PROTOCOL),
    Case("http2/5.3.1.1", lambda c: [raw(1, 0x25, 1, b"\x00\x00\x00\x01\xff" + c.block(_PSEUDO))], served=[1]),
    Case("http2/5.3.1.2", lambda c: [PriorityFrame(1, depends_on=1), c.get()], served=[1]),
    Case("http2/5.4.1.1", lambda c: [raw(6, 0, 0, bytes(6))], gone=_SIZE),
    Case("http2/5.5.1", lambda c: [raw(0xFF, 0, 0, bytes(8)), c.get()], served=[1]),
    Case("http2/5.5.2", lambda c: [_continued(c, 2)[0], raw(0xFF, 0, 0, bytes(8))], gone=_PROTOCOL),
    Case("http2/6.1.1", lambda c: [raw(0, 1, 0, b"test")], gone=_PROTOCOL),
    Case("http2/6.1.3", lambda c: [c.post(), raw(0, 9, 1, b"\x06test!")], gone=_PROTOCOL),
    Case("http2/6.2.1", lambda c: [_continued(c, 2)[0], PriorityFrame(1)], gone=_PROTOCOL),
    Case("http2/6.2.2", lambda c: [_continued(c, 2)[0], c.get(3)], gone=_PROTOCOL),
    Case("http2/6.2.3", lambda c: [raw(1, 5, 0, c.block(_PSEUDO))], gone=_PROTOCOL),
    Case("http2/6.2.4", lambda c: [raw(1, 0xD, 1, b"\x40" + bytes(8))], gone=_PROTOCOL),
    Case("http2/6.3.1", lambda c: [raw(2, 0, 0, bytes(5))], gone=_PROTOCOL),
    Case("http2/6.3.2", lambda c: [c.post(), raw(2, 0, 1, bytes(4))], gone=_SIZE),
    Case("http2/6.4.1", lambda c: [raw(3, 0, 0, bytes(4))], gone=_PROTOCOL),
    Case("http2/6.4.2", lambda c: [_reset()], gone=_PROTOCOL),
    Case("http2/6.4.3", lambda c: [c.post(), raw(3, 0, 1, bytes(3))], gone=_SIZE),
    Case("http2/6.5.1", lambda c: [raw(4, 1, 0, bytes(6))], gone=_SIZE),
    Case("http2/6.5.2", lambda c: [raw(4, 0, 1, b"\x00\x03\x00\x00\x00\x64")], gone=_PROTOCOL),
    Case("http2/6.5.3", lambda c: [raw(4, 0, 0, bytes(3))], gone=_SIZE),
    Case("http2/6.5.2.1", lambda c: [settings({2: 2})], gone=_PROTOCOL),
    Case("http2/6.5.2.2", lambda c: [settings({4: 1 << 31})], gone=_FLOW),
    Case("http2/6.5.2.3", lambda c: [settings({5: (1 << 14) - 1})], gone=_PROTOCOL),
    Case("http2/6.5.2.4", lambda c: [settings({5: 1 << 24})], gone=_PROTOCOL),
    Case("http2/6.5.2.5", lambda c: [settings({0xFF: 1}), c.get()], served=[1]),
    Case("http2/6.7.2", lambda c: [PingFrame(0, b"unasked!", flags=["ACK"]), c.get()], served=[1]),
    Case("http2/6.7.3", lambda c: [raw(6, 0, 1, bytes(8))], gone=_PROTOCOL),
    Case("http2/6.7.4", lambda c: [raw(6, 0, 0, bytes(6))], gone=_SIZE),
    Case("http2/6.8.1", lambda c: [raw(7, 0, 1, bytes(8))], gone=_PROTOCOL),
    Case("http2/6.9.1", lambda c: [raw(8, 0, 0, bytes(4))], gone=_PROTOCOL),
    Case("http2/6.9.2", lambda c: [c.post(), raw(8, 0, 1, bytes(4))], reset=_PROTOCOL),
    Case("http2/6.9.3", lambda c: [raw(8, 0, 0, bytes(3))], gone=_SIZE),
    Case("http2/6.9.1.2", lambda c: [_window(0, (1 << 31) - 1), _window(0, (1 << 31) - 1)], gone=_FLOW),
    Case("http2/6.9.1.3", lambda c: [c.post(), _window(1, (1 << 31) - 1)], reset=_FLOW),
    Case("http2/6.9.2.3", lambda c: [settings({4: 1 << 31})], gone=_FLOW),
    Case("http2/6.10.1", lambda c: _continued(c, 4), served=[1]),
    Case("http2/6.10.2", lambda c: [*_continued(c, 4)[:2], _data()], gone=_PROTOCOL),
    Case("http2/6.10.3", lambda c: [_continued(c, 2)[0], raw(9, 4, 0, b"")], gone=_PROTOCOL),
    Case("http2/6.10.4", lambda c: [c.post(), ContinuationFrame(1, b"", flags=["END_HEADERS"])], gone=_PROTOCOL),
    Case("http2/6.10.5", lambda c: [*_continued(c, 2), ContinuationFrame(1, b"", flags=["END_HEADERS"])], gone=_PROTOCOL, served=[1]),
    Case("http2/6.10.6", lambda c: [c.post(), _data(), ContinuationFrame(1, b"", flags=["END_HEADERS"])], gone=_PROTOCOL),
    Case("http2/7.1", lambda c: [GoAwayFrame(0, 0, 0xFF), c.get()], served=[1]),
    Case("http2/7.2", lambda c: [c.post(), _reset(1, 0xFF), c.get(3)], served=[3]),
    Case("http2/8.1.1", lambda c: [c.post(), _data(), HeadersFrame(1, c.block([(b"x", b"y")]), flags=["END_HEADERS"])], reset=_PROTOCOL),
    Case("http2/8.1.2.1", _appended((b"X-TEST", b"ok")), reset=_PROTOCOL),
    Case("http2/8.1.2.1.1", _other(1, replace=b":path", by=[(b":path", target(_BODY)), (b":test", b"ok")]), reset=_PROTOCOL),
    Case("http2/8.1.2.1.2", _other(1, replace=b":path", by=[(b":path", target(_BODY)), (b":status", b"200")]), reset=_PROTOCOL),
    Case("http2/8.1.2.1.3", lambda c: [c.post(), _data(), c.get(fields=[(b":method", b"200")])], reset=_PROTOCOL),
    Case("http2/8.1.2.1.4", _other(1, replace=b":path", by=[(b"x-test", b"ok"), (b":path", target(_BODY))]), reset=_PROTOCOL),
    Case("http2/8.1.2.2.1", _appended((b"connection", b"keep-alive")), reset=_PROTOCOL),
    Case("http2/8.1.2.2.2", _appended((b"trailers", b"test"), (b"te", b"trailers, deflate")), reset=_PROTOCOL),
    Case("http2/8.1.2.3.1", _other(1, replace=b":path", by=[(b":path", b"")]), reset=_PROTOCOL),
    Case("http2/8.1.2.3.2", _other(1, replace=b":method", by=[]), reset=_PROTOCOL),
    Case("http2/8.1.2.3.3", _other(1, replace=b":scheme", by=[]), reset=_PROTOCOL),
    Case("http2/8.1.2.3.4", _other(1, replace=b":path", by=[]), reset=_PROTOCOL),
    Case("http2/8.1.2.3.5", _other(1, replace=b":method", by=[(b":method", b"GET")] * 2), reset=_PROTOCOL),
    Case("http2/8.1.2.3.6", _other(1, replace=b":scheme", by=[(b":scheme", b"https")] * 2), reset=_PROTOCOL),
    Case("http2/8.1.2.3.7", _other(1, replace=b":path", by=[(b":path", target(_BODY))] * 2), reset=_PROTOCOL),
    Case("http2/8.1.2.6.1", lambda c: [c.post(1, (b"content-length", b"1")), _end()], reset=_PROTOCOL),
    Case("http2/8.1.2.6.2", lambda c: [c.post(1, (b"content-length", b"1")), _data(1, b""), _end()], reset=_PROTOCOL),
    Case("http2/8.2.1", lambda c: [PushPromiseFrame(1, 3, c.block(_PSEUDO), flags=["END_HEADERS"])], gone=_PROTOCOL),
    # hpack
    Case("hpack/2.3.3.1", lambda c: [raw(1, 5, 1, c.block(_PSEUDO) + b"\xc6")], gone=_COMPRESSION),
    Case("hpack/2.3.3.2", lambda c: [raw(1, 5, 1, c.block(_PSEUDO) + b"\x7f\x07\x00")], gone=_COMPRESSION),
    Case("hpack/4.2.1", lambda c: [raw(1, 5, 1, c.block(_PSEUDO) + b"\x21")], gone=_COMPRESSION),
    Case("hpack/5.2.1", lambda c: [raw(1, 5, 1, c.block(_PSEUDO) + b"\x00\x01x\x82\x1f\xff\xff"[:7])], gone=_COMPRESSION),
    Case("hpack/5.2.3", lambda c: [raw(1, 5, 1, c.block(_PSEUDO) + b"\x00\x01x\x84\xff\xff\xff\xff")], gone=_COMPRESSION),
    Case("hpack/6.1.1", lambda c: [raw(1, 5, 1, c.block(_PSEUDO) + b"\x80")], gone=_COMPRESSION),
    Case("hpack/6.3.1", lambda c: [raw(1, 5, 1, b"\x3f\xe1\x7f" + c.block(_PSEUDO))], gone=_COMPRESSION),
]  # fmt: skip


@pytest.mark.parametrize("case", CASES, ids=[case.number for case in CASES])
def test_case(case: Case) -> None:
    """
    The server replies, resets the stream, or ends the connection, as the case of h2spec has it; a stream that is reset stops no other.
    """
    client = Speaker()
    client.start()
    client.send(*case.steps(client))
    assert client.gone == case.gone
    assert client.server.closing == (case.gone is not None)
    assert sorted(client.ended) == list(case.served)
    assert client.resets.get(1) == case.reset
    if case.gone is None:
        client.send(PingFrame(0, b"whatever"), client.get(99))
        assert client.pongs[-1:] == [b"whatever"]
        assert 99 in client.ended


@pytest.mark.parametrize("data", [b"INVALID CONNECTION PREFACE\r\n\r\n", PREFACE[:-1] + b"x", PREFACE.replace(b"2.0", b"1.1")])
def test_wrongPreface(data: bytes) -> None:
    """
    Case http2/3.5.2: another preface ends the connection.
    """
    client = Speaker()
    client.send(data)
    assert client.server.closing


def test_serverStartsWithSettings() -> None:
    """
    Cases generic/1.1 and http2/3.5.1: the first frame of the server is SETTINGS, and it acknowledges those of the client; an ACK of its own
    SETTINGS needs no reply.
    """
    client = Speaker()
    client.start()
    assert client.kinds[0] == "SettingsFrame"
    assert client.acknowledged == 1
    before = len(client.kinds)
    client.send(SettingsFrame(0, flags=["ACK"]))
    assert len(client.kinds) == before


@pytest.mark.parametrize(
    ("number", "late"),
    [("http2/5.1.5", [_data(1, b"test")]), ("http2/5.1.6", []), ("http2/6.1.2", [_data(1, b"test", "END_STREAM")])],
)
def test_streamThatTheClientHasEnded(number: str, late: list[Frame]) -> None:
    """
    DATA and HEADERS on a stream whose client has ended it, before it is answered, are an error of the connection.
    """
    client = Speaker()
    client.answering = False
    client.start()
    client.send(client.get(), *(late or [client.get()]))
    assert client.gone == _CLOSED


@pytest.mark.parametrize("reset", [True, False])
@pytest.mark.parametrize("late", ["DATA", "HEADERS"])
def test_streamThatIsOver(late: str, reset: bool) -> None:
    """
    Cases http2/5.1.8, 5.1.9, 5.1.11 and 5.1.12: frames on a stream that is reset or answered may have been sent before the client knew, so
    they are counted, and do not get a reply.
    """
    client = Speaker()
    client.start()
    client.send(*([client.post(), _reset()] if reset else [client.get()]))
    ended = set(client.ended)
    client.send(_data(1, b"test", "END_STREAM") if late == "DATA" else client.get())
    assert (client.gone, client.ended) == (None, ended)
    client.send(*[_data(1, b"t") if late == "DATA" else client.get()] * 2000)
    assert client.gone == 11


def test_lowerStreamNumber() -> None:
    """
    Case http2/5.1.1.2: a stream with a lower number than one before was closed when that one began, so it is not answered.
    """
    client = Speaker()
    client.start()
    client.send(client.get(5), client.get(3))
    assert client.ended == {5}


def test_tooManyStreams() -> None:
    """
    Case http2/5.1.2.1: more concurrent streams than the server allows are refused, so that the client can repeat them.
    """
    client = Speaker(most=3)
    client.answering = False
    client.start()
    client.send(*[client.get(stream) for stream in (1, 3, 5, 7, 9)])
    assert client.resets == {7: _REFUSED, 9: _REFUSED}
    assert [stream for stream, _ in client.waiting] == [1, 3, 5]


def test_invalidFrameEndsTheConnection() -> None:
    """
    Case http2/5.4.1.2: nothing behind an error of the connection is answered, and GOAWAY is the last frame.
    """
    client = Speaker()
    client.start()
    client.send(raw(6, 0, 0, bytes(6)), client.get(), PingFrame(0, b"whatever"))
    assert client.kinds[-1] == "GoAwayFrame"
    assert (client.ended, client.pongs) == (set(), [])


def test_settingsTakeEffectInOrder() -> None:
    """
    Cases http2/6.5.3.1 and 6.5.3.2: of several values for one setting the last holds, and each frame gets one ACK.
    """
    client = Speaker()
    client.start()
    client.send(raw(4, 0, 0, b"\x00\x04\x00\x00\x00\x64" + b"\x00\x04\x00\x00\x00\x01"), client.get())
    assert client.acknowledged == 2
    assert client.served[1] == [1]


def test_pingIsAnswered() -> None:
    """
    Cases generic/3.7.1 and http2/6.7.1: a PING comes back with its octets.
    """
    client = Speaker()
    client.start()
    client.send(PingFrame(0, b"h2spec--"))
    assert client.pongs == [b"h2spec--"]


def test_windowOfOneOctet() -> None:
    """
    Cases http2/6.9.1.1, 6.9.2.1 and 6.9.2.2: the server sends as many octets as the window has, also where it changes below a reply that
    has begun, or gets negative.
    """
    client = Speaker()
    client.start(INITIAL_WINDOW_SIZE=1)
    client.send(client.get())
    assert client.served[1] == [1]
    other = Speaker()
    other.start(INITIAL_WINDOW_SIZE=0)
    other.send(other.get())
    assert other.served[1] == []
    other.send(settings({4: 1}))
    assert other.served[1] == [1]
    third = Speaker()
    third.start(INITIAL_WINDOW_SIZE=3)
    third.send(third.get(), settings({4: 2}), _window(1, 1))
    assert third.served[1] == [3]
    third.send(_window(1, 1))
    assert third.served[1] == [3, 1]
