"""
HTTP/1.1 as a reverse proxy speaks it to a DNS server (RFC 9112): one request at a time, with a content-length.

No I/O, and the time is an argument. A request that two parsers might read differently is refused, and the connection is closed, so that a
proxy and this server cannot disagree about where a request ends.
"""

from __future__ import annotations

import re
from http import HTTPStatus
from typing import TYPE_CHECKING, Final

from twisted_ext.limits import MESSAGE_SIZE
from twisted_ext.server.limits import HTTPS_HEAD
from twisted_ext.server.listeners.https.request import (
    BAD_MESSAGE,
    BAD_REQUEST,
    HEADER_TOO_LARGE,
    LENGTH_REQUIRED,
    MEDIA_TYPE,
    Head,
    Query,
    Status,
    fieldsOf,
    freshFor,
)
from twisted_ext.server.listeners.proxies.forwarded import FIELDS
from twisted_ext.wire.message import HEADER_OCTETS

if TYPE_CHECKING:
    from twisted_ext.server.listeners.https.request import Endpoint

__all__ = ["HTTP1"]

_LARGEST: Final = int(MESSAGE_SIZE.default)

_REQUEST: Final = re.compile(rb"([A-Z]{1,16}) (/[\x21-\x7e]*) HTTP/1\.([01])")

_FIELD: Final = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*([\t\x20-\x7e\x80-\xff]*?)[ \t]*")

_END: Final = b"\r\n\r\n"

_CONTINUE: Final = b"HTTP/1.1 100 Continue\r\n\r\n"


class HTTP1:
    """
    A connection, as L{HTTPConnection<twisted_ext.server.listeners.https.request.HTTPConnection>}. The streams are its requests.
    """

    def __init__(self, endpoint: Endpoint, *, direct: bool = True) -> None:
        """
        @param direct: whether the client has connected to this server itself, and not to a proxy.
        """
        alternatives = endpoint.alternatives if direct else b""
        self._offer = b"alt-svc: %b\r\n" % alternatives if alternatives else b""
        self.out: list[bytes] = []
        self.closing = False
        self.more = False
        self.stalled: float | None = None
        self.queued = 0
        self.since: float | None = None
        self.named: dict[int, tuple[str, str]] = {}
        self._endpoint = endpoint
        self._mostHead = int(HTTPS_HEAD.default)
        self._buffer = bytearray()
        # The octets that hold no end of a header.
        self._searched = 0
        # A request whose body is incomplete.
        self._head: Head | None = None
        self._last = 0
        self._waiting = False
        self._persists = True

    def receive(self, data: bytes, now: float, most: int) -> list[Query]:
        if self.closing:
            return []
        self._buffer += data
        self.more = False
        if self._waiting:
            if not self._persists or len(self._buffer) > self._mostHead + _LARGEST:
                # Further requests, far more than a proxy sends before it has a reply: the one under way is the last.
                self._persists = False
                self._buffer.clear()
            return []
        query = self._next(now)
        if query is not None:
            self.since = None
            return [(self._last, query)]
        if not self._buffer and self._head is None:
            self.since = None
        elif self.since is None:
            self.since = now
        return []

    def _next(self, now: float) -> bytes | None:
        """
        Parse the next request, if it is complete.
        """
        buffer = self._buffer
        head = self._head
        if head is None:
            end = buffer.find(_END, self._searched)
            if end > self._mostHead or (end < 0 and len(buffer) > self._mostHead):
                self._write(HEADER_TOO_LARGE, persists=False)
                return None
            if end < 0:
                self._searched = max(len(buffer) - len(_END) + 1, 0)
                return None
            self._searched = 0
            lines = bytes(buffer[:end])
            del buffer[: end + len(_END)]
            found = self._parse(lines)
            if isinstance(found, Status):
                self._write(found, persists=False)
                return None
            if found.status is not None:
                # The body is not worth reading.
                self._write(found.status, persists=self._persists and not found.length, bare=found.bare)
                self.more = bool(buffer) and not self.closing
                return None
            self._head = head = found
        length = head.length or 0
        if len(buffer) < length:
            return None
        self._head = None
        body = bytes(buffer[:length])
        del buffer[:length]
        query = body if head.query is None else head.query
        if len(query) < HEADER_OCTETS:
            self._write(BAD_MESSAGE, persists=self._persists)
            self.more = bool(buffer) and not self.closing
            return None
        self._last += 1
        self._waiting = True
        if head.client or head.path:
            self.named[self._last] = head.client, head.path
        return query

    def _parse(self, lines: bytes) -> Head | Status:
        first, *rest = lines.split(b"\r\n")
        request = _REQUEST.fullmatch(first)
        if request is None:
            return BAD_REQUEST
        method, target, version = request.groups()
        fields: dict[bytes, bytes] = {}
        for line in rest:
            matched = _FIELD.fullmatch(line)
            if matched is None:
                return BAD_REQUEST
            name = matched[1].lower()
            if name in fields and name in (b"host", b"content-length", b"content-type", b"transfer-encoding"):
                return BAD_REQUEST
            if name in FIELDS and name in fields:
                fields[name] += b"," + matched[2]
                continue
            fields[name] = matched[2]
        length = fields.get(b"content-length")
        if b"transfer-encoding" in fields:
            return BAD_REQUEST if length is not None else LENGTH_REQUIRED
        if version == b"1" and b"host" not in fields:
            return BAD_REQUEST
        self._persists = version == b"1" and fields.get(b"connection", b"").lower() != b"close"
        head = self._endpoint.head(method, target, fields.get(b"content-type"), length)
        head = self._endpoint.named(head, *map(fields.get, FIELDS))
        if head.status is BAD_REQUEST:
            return BAD_REQUEST
        if head.status is None:
            if head.query is None and head.length is None:
                return LENGTH_REQUIRED
            if head.length is not None and head.length > _LARGEST:
                return BAD_REQUEST
            if head.length and fields.get(b"expect", b"").lower() == b"100-continue":
                self.out.append(_CONTINUE)
        return head

    def reply(self, stream: int, message: bytes, now: float) -> None:
        if stream != self._last or not self._waiting:
            return
        self._waiting = False
        self.out.append(
            b"HTTP/1.1 200 OK\r\ncontent-type: %b\r\ncontent-length: %d\r\ncache-control: max-age=%d\r\n%b%b\r\n%b"
            % (
                MEDIA_TYPE,
                len(message),
                freshFor(message),
                self._offer,
                b"" if self._persists else b"connection: close\r\n",
                message,
            )
        )
        self._served()

    def refuse(self, stream: int, status: Status) -> None:
        if stream == self._last and self._waiting:
            self._waiting = False
            self._write(status, persists=self._persists)
            self._served()

    def _served(self) -> None:
        if self._persists:
            self.more = bool(self._buffer)
        else:
            self._close()

    def _write(self, status: Status, *, persists: bool, bare: bool = False) -> None:
        lines = [b"HTTP/1.1 %d %b" % (status.code, HTTPStatus(status.code).phrase.encode())]
        lines += [b"%b: %b" % each for each in fieldsOf(status)]
        if not persists:
            lines.append(b"connection: close")
        self.out.append(b"\r\n".join(lines) + _END + (b"" if bare else status.text))
        if not persists:
            self._close()

    def goAway(self) -> None:
        self._close()

    def _close(self) -> None:
        self.closing = True
        self.more = self._waiting = False
        self.since = self._head = None
        self._buffer.clear()
