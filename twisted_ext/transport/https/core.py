"""
The client's end of one HTTP/2 connection that carries DNS (RFC 8484, RFC 9113): octets in, replies and octets out. No I/O, no clock.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.errors import ErrorCodes
from h2.events import DataReceived, RemoteSettingsChanged, ResponseReceived, StreamEnded, StreamReset, WindowUpdated
from h2.exceptions import H2Error, ProtocolError
from h2.settings import SettingCodes, Settings
from hpack import Decoder, Encoder, HeaderTuple, NeverIndexedHeaderTuple

from twisted_ext.errors import BadMessage
from twisted_ext.limits import HTTPS_FRAMES, HTTPS_HEADERS
from twisted_ext.transport.https.requests import (
    Outcome,
    Requests,
    Trouble,
    ageOf,
    alternativesIn,
    declined,
    requestFields,
    shownText,
)
from twisted_ext.transport.urls import ServerURL

__all__ = ["H2", "HTTPSConnection"]

#: Octets that an HTTPS server may send before they are acknowledged, over all streams; one stream may have one DNS message.
_HTTPS_WINDOW: Final = 1 << 20

#: The ALPN identifier of HTTP/2 (RFC 9113, section 3.2).
H2: Final = b"h2"

#: What hpack takes as headers.
_Text = bytes | str
_Header = HeaderTuple | tuple[_Text, _Text] | tuple[_Text, _Text, bool | None]
_Headers = dict[_Text, _Text]

_FRAME_HEADER: Final = 9
_GOAWAY: Final = 7

#: The largest frame that we accept, which is the least that every peer must (RFC 9113, section 4.2).
_MOST_FRAME: Final = 16_384

#: Octets of the connection's flow-control window at the beginning, and of the window that we grant each stream.
_FIRST_WINDOW: Final = 65_535
_STREAM_WINDOW: Final = 2 * 65_535

#: The largest number of a stream.
_MOST_STREAM: Final = 2**31 - 1

_CANCEL: Final = ErrorCodes.CANCEL

#: Codes by which a server gives a query up that it may answer on another connection.
_STUMBLED: Final = (ErrorCodes.CANCEL, ErrorCodes.INTERNAL_ERROR)

#: New streams after which those that are over are removed.
_STREAMS_CLEARED: Final = 64

#: Compressed header blocks that are remembered, and how long one may be: those of GET are longer, and no two are alike.
_BLOCKS: Final = 64
_BLOCK_OCTETS: Final = 32
_RESPONSE_OCTETS: Final = 256

#: Names of headers, in lower case; those that only HTTP/1 has; and characters that no value has (RFC 9113, section 8.2).
_NAME: Final = re.compile(rb"[!#$%&'*+.^_`|~0-9a-z-]+")
_FORBIDDEN: Final = frozenset((b"connection", b"proxy-connection", b"keep-alive", b"transfer-encoding", b"upgrade"))
_CONTROLS: Final = re.compile(rb"[\x00\r\n]")

#: Characters of a GOAWAY's debug data in an error.
_SHOWN: Final = 60


class HTTPSConnection(Requests):
    """
    Queries over HTTP/2.
    """

    def __init__(self, url: ServerURL, *, get: bool = False, most: int | None = None) -> None:
        super().__init__(url, get=get, most=most)
        #: The rest of each query that waits for the server's flow control.
        self._blocked: dict[int, bytes] = {}
        self._unacknowledged = 0
        self._frames = 0
        self._splitter = _FrameSplitter()
        self._post = self._headers(b"POST", url.postTarget, HeaderTuple)
        self._post.append(HeaderTuple(b"content-type", b"application/dns-message"))
        connection = self._connection = _Connection(
            H2Configuration(
                client_side=True,
                header_encoding=None,
                # What we send is right.
                validate_outbound_headers=False,
                normalize_outbound_headers=False,
                normalize_inbound_headers=False,
                # Once for each block of headers, by L{_Decoder}.
                validate_inbound_headers=False,
            )
        )
        headers = int(HTTPS_HEADERS.default)
        settings = {
            SettingCodes.ENABLE_PUSH: 0,
            SettingCodes.MAX_HEADER_LIST_SIZE: headers,
            # Enough for the longest message with padding, so a stream's window never has to grow.
            SettingCodes.INITIAL_WINDOW_SIZE: _STREAM_WINDOW,
        }
        connection.encoder = _Encoder()
        connection.decoder = _Decoder()
        connection.local_settings = Settings(client=True, initial_values=settings)
        connection.decoder.max_header_list_size = headers
        connection.initiate_connection()
        connection.increment_flow_control_window(_HTTPS_WINDOW - _FIRST_WINDOW)

    @property
    def free(self) -> int:
        """
        How many more queries may be sent now.
        """
        if self.closing:
            return 0
        return min(self._most, self._connection.remote_settings.max_concurrent_streams) - len(self._responses)

    def take(self) -> bytes:
        """
        Return the octets to send.
        """
        return self._connection.data_to_send()

    def ask(self, key: bytes, query: bytes) -> None:
        """
        Send a query. There has to be a free stream.

        @param key: identifies the query in outcomes; no other one in flight may have it.
        @param query: the message without its id.
        """
        connection = self._connection
        stream = connection.get_next_available_stream_id()
        if stream >= _MOST_STREAM - 2:
            self._close("it has used up its stream numbers")
        message, target = self._begin(stream, key, query)
        if target is not None:
            # Not in the compression table: no two paths are alike, and each would displace a header that all requests share.
            connection.send_headers(stream, self._headers(b"GET", target, NeverIndexedHeaderTuple), end_stream=True)
            return
        connection.send_headers(stream, [*self._post, HeaderTuple(b"content-length", b"%d" % len(message))])
        self._send(stream, message)

    def received(self, data: bytes) -> list[Outcome]:
        """
        @raise BadMessage: the server violated the protocol. What remains to be sent tells it why; then the connection has to be closed.
        """
        outcomes: list[Outcome] = []
        try:
            octets, frames, goaways = self._splitter.split(data)
            self._frames += frames
            if octets:
                self._process(octets, outcomes)
        except BadMessage:
            raise
        except H2Error as error:
            raise BadMessage(f"violated HTTP/2: {error}") from error
        if self._frames > HTTPS_FRAMES.default:
            self._connection.close_connection(ErrorCodes.ENHANCE_YOUR_CALM)
            raise BadMessage(f"sent more than {HTTPS_FRAMES.default} frames without a reply")
        for payload in goaways:
            self._goneAway(payload, outcomes)
        return outcomes

    def _process(self, octets: bytes, outcomes: list[Outcome]) -> None:
        for event in self._connection.receive_data(octets):
            if isinstance(event, DataReceived):
                self._unacknowledged += event.flow_controlled_length
                self._take(event.stream_id, event.data, outcomes, reset=event.stream_ended is None)
            elif isinstance(event, ResponseReceived):
                self._begun(event, outcomes)
            elif isinstance(event, StreamEnded):
                self._judge(event.stream_id, outcomes, reset=event.stream_id in self._blocked)
            elif isinstance(event, StreamReset):
                self._refused(event, outcomes)
            elif isinstance(event, WindowUpdated | RemoteSettingsChanged):
                self._unblock()
        if self._unacknowledged * 2 > _HTTPS_WINDOW:
            self._connection.increment_flow_control_window(self._unacknowledged)
            self._unacknowledged = 0

    def _begun(self, event: ResponseReceived, outcomes: list[Outcome]) -> None:
        stream = event.stream_id
        response = self._responses.get(stream)
        if response is None:
            return
        trouble = declined(event.headers)
        if trouble is not None:
            # The rest of it is for human readers.
            self._end(stream, trouble, outcomes, reset=event.stream_ended is None)
            return
        response.age = ageOf(event.headers)
        alternatives = alternativesIn(event.headers)
        if alternatives is not None:
            self.alternatives = alternatives

    def _refused(self, event: StreamReset, outcomes: list[Outcome]) -> None:
        if event.stream_id in self._responses:
            code = _codeName(event.error_code)
            # The server has not begun to process it (RFC 9113, section 8.7).
            unprocessed = event.error_code == ErrorCodes.REFUSED_STREAM
            stumbled = event.error_code in _STUMBLED
            trouble = Trouble(f"gave up the query (RST_STREAM {code})", unprocessed=unprocessed, stumbled=stumbled)
            self._end(event.stream_id, trouble, outcomes, reset=False)
            if unprocessed and not self._responses:
                # It would refuse the query again.
                self._close(f"refuses queries (RST_STREAM {code})")
            elif unprocessed:
                # It takes no more at a time than those that it has not refused.
                self._most = min(self._most, len(self._responses))

    def _end(self, stream: int, result: bytes | Trouble, outcomes: list[Outcome], *, reset: bool) -> None:
        self._blocked.pop(stream, None)
        self._frames = 0
        super()._end(stream, result, outcomes, reset=reset)

    def _reset(self, stream: int) -> None:
        self._blocked.pop(stream, None)
        try:
            self._connection.reset_stream(stream, _CANCEL)
        except H2Error:
            # It has ended in the meantime.
            pass

    def _goneAway(self, payload: bytes, outcomes: list[Outcome]) -> None:
        last = int.from_bytes(payload[:4], "big") & _MOST_STREAM
        debug = f" {shownText(payload[8 : 8 + _SHOWN])}" if payload[8:] else ""
        self._close(f"closed the connection (GOAWAY {_codeName(int.from_bytes(payload[4:8], 'big'))}{debug})")
        self.accepted = self.accepted or last > 0
        for stream in [stream for stream in self._responses if stream > last]:
            self._end(stream, Trouble(self.why, unprocessed=True), outcomes, reset=False)

    # -- sending

    def _headers(self, method: bytes, path: str, kind: type[HeaderTuple]) -> list[HeaderTuple]:
        return [kind(*each) if each[0] == b":path" else HeaderTuple(*each) for each in requestFields(self._url, method, path)]

    def _send(self, stream: int, octets: bytes) -> None:
        """
        Send as much of a query as the server's flow control permits.
        """
        connection = self._connection
        while octets:
            size = min(connection.local_flow_control_window(stream), connection.max_outbound_frame_size)
            if size <= 0:
                self._blocked[stream] = octets
                return
            piece, octets = octets[:size], octets[size:]
            connection.send_data(stream, piece, end_stream=not octets)
        self._blocked.pop(stream, None)

    def _unblock(self) -> None:
        for stream, octets in list(self._blocked.items()):
            self._send(stream, octets)


class _Connection(H2Connection):
    """
    A connection of h2 that does not count its open streams for each new one: L{HTTPSConnection.free} has done that.
    """

    _begun = 0

    @property
    def open_outbound_streams(self) -> int:
        self._begun += 1
        # The count also removes the streams that are over.
        return super().open_outbound_streams if self._begun % _STREAMS_CLEARED == 0 else 0


class _Encoder(Encoder):
    """
    A header compressor that remembers the blocks of requests which are alike, as nearly all are.
    """

    def __init__(self) -> None:
        super().__init__()
        self._known: dict[tuple[object, ...], bytes] = {}

    def encode(self, headers: Iterable[_Header] | _Headers, huffman: bool = True) -> bytes:
        known = self._known
        key = tuple(headers)
        table = self.header_table
        if not table.resized:
            block = known.get(key)
            if block is not None:
                return block
        entries = table.dynamic_entries
        newest = entries[0] if entries else None
        resized = table.resized
        # Huffman's code would shorten the path of a GET by a fifth, for a fifth of the time of a look-up.
        block = super().encode(headers, False)
        if resized or (entries[0] if entries else None) is not newest:
            # Each entry has another number now.
            known.clear()
        elif len(block) <= _BLOCK_OCTETS:
            if len(known) >= _BLOCKS:
                known.clear()
            known[key] = block
        return block


class _Decoder(Decoder):
    """
    A header decompressor that remembers the blocks of responses, of which most are alike.
    """

    def __init__(self) -> None:
        super().__init__()
        self._known: dict[bytes, list[HeaderTuple]] = {}

    def decode(self, data: bytes, raw: bool = False) -> Iterable[HeaderTuple]:
        """
        @raise ProtocolError: the headers are not those of a response (RFC 9113, section 8.3).
        """
        known = self._known
        headers = known.get(data)
        if headers is not None:
            return headers
        entries = self.header_table.dynamic_entries
        before = (entries[0] if entries else None, len(entries))
        headers = list(super().decode(data, raw))
        _checkFields(headers)
        newest, count = before
        if count != len(entries) or (entries[0] if entries else None) is not newest:
            # Each entry has another number now.
            known.clear()
        elif len(data) <= _RESPONSE_OCTETS:
            if len(known) >= _BLOCKS:
                known.clear()
            known[data] = headers
        return headers


def _checkFields(headers: Iterable[tuple[_Text, _Text]]) -> None:
    regular = False
    for name, value in headers:
        assert isinstance(name, bytes) and isinstance(value, bytes)
        if name.startswith(b":"):
            if regular or name != b":status" or len(value) != 3 or not value.isdigit():
                raise ProtocolError(f"the response has a wrong pseudo-header {shownText(name)} or value {shownText(value)}")
        else:
            regular = True
            if not _NAME.fullmatch(name) or name in _FORBIDDEN or _CONTROLS.search(value):
                raise ProtocolError(f"the response has a wrong header {shownText(name)}")


class _FrameSplitter:
    """
    Counts frames, and takes GOAWAY out of what h2 reads: after one, h2 refuses all that follows, but a server that retires a connection
    answers its last queries first (RFC 9113, section 6.8).
    """

    __slots__ = ("_kept", "_left")

    def __init__(self) -> None:
        #: The beginning of a frame's header, or of a GOAWAY.
        self._kept = b""
        #: Octets that are still to come of the present frame.
        self._left = 0

    def split(self, data: bytes) -> tuple[bytes, int, list[bytes]]:
        """
        @return: the octets for h2, the number of frames that begin in them, and the payloads of GOAWAYs.

        @raise BadMessage: a frame is too long, or a GOAWAY has a wrong form.
        """
        if self._kept:
            data = self._kept + data
            self._kept = b""
        end = len(data)
        position = min(self._left, end)
        self._left -= position
        pieces: list[bytes] = []
        taken = 0
        frames = 0
        goaways: list[bytes] = []
        while position < end:
            if end - position < _FRAME_HEADER:
                self._kept = data[position:]
                break
            length = data[position] << 16 | data[position + 1] << 8 | data[position + 2]
            if length > _MOST_FRAME:
                # h2 would keep it until it is complete.
                much = f"sent a frame of {length} octets, where {_MOST_FRAME} are the most"
                what = "spoke HTTP/1" if data.startswith(b"HTTP/1", position) else much
                raise BadMessage(f"violated HTTP/2: it {what}")
            behind = position + _FRAME_HEADER + length
            if data[position + 3] == _GOAWAY:
                if length < 8 or data[position + 5 : position + 9] != b"\x00\x00\x00\x00":
                    raise BadMessage("violated HTTP/2: it sent a GOAWAY of a wrong form")
                if behind > end:
                    self._kept = data[position:]
                    break
                pieces.append(data[taken:position])
                goaways.append(data[position + _FRAME_HEADER : behind])
                taken = behind
            frames += 1
            if behind > end:
                self._left = behind - end
                position = end
            else:
                position = behind
        if not taken and not self._kept:
            return data, frames, goaways
        pieces.append(data[taken:position])
        return b"".join(pieces), frames, goaways


def _codeName(code: ErrorCodes | int | None) -> str:
    try:
        return ErrorCodes(code or 0).name
    except ValueError:
        return str(code)
