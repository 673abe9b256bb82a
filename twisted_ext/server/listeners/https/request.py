"""
DNS over HTTPS, apart from HTTP's framing: which request is a DNS query, and what its reply says about caching (RFC 8484).

No I/O. HTTP/2 and HTTP/1.1 hand their header fields to an L{Endpoint}.
"""

from __future__ import annotations

import re
from binascii import Error, a2b_base64
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from struct import Struct
from struct import error as StructError
from typing import TYPE_CHECKING, Final, Protocol

from twisted_ext.limits import MESSAGE_SIZE
from twisted_ext.server.listeners.proxies.forwarded import clientIn
from twisted_ext.wire.codes import Rcode
from twisted_ext.wire.message import HEADER_OCTETS
from twisted_ext.wire.rrtypes import SOA

if TYPE_CHECKING:
    from twisted_ext.server.listeners.proxies.trusted import TrustedProxies

__all__ = [
    "BAD_MESSAGE", "BAD_REQUEST", "HEADER_TOO_LARGE", "LENGTH_REQUIRED", "MEDIA_TYPE", "TOO_EARLY", "TOO_LARGE", "Endpoint",
    "HTTPConnection", "Head", "Pages", "Query", "Status", "fieldsOf", "freshFor", "requestFor",
]

#: The media type of DNS messages (RFC 8484, section 6).
MEDIA_TYPE: Final = b"application/dns-message"

_LARGEST: Final = int(MESSAGE_SIZE.default)

#: A message in base64url without padding (RFC 8484, section 6).
_ENCODED: Final = re.compile(rb"[A-Za-z0-9_-]+")

_TO_BASE64: Final = bytes.maketrans(b"-_", b"+/")

_LENGTH: Final = re.compile(rb"[0-9]{1,10}")

#: Where the pages begin that are made on demand.
_SETUP: Final = b"/setup"

#: Type, class, TTL and length of a record.
_record: Final = Struct(">HHIH").unpack_from
_number: Final = Struct(">I").unpack_from

_NXDOMAIN: Final = int(Rcode.NXDOMAIN)

#: A query and the number of its stream.
Query = tuple[int, bytes]


@dataclass(frozen=True, slots=True, eq=False)
class Status:
    """
    A reply that is not a DNS message.

    @ivar fields: header fields besides the type and the length of the text.
    @ivar kind: the content-type.
    """

    code: int
    text: bytes
    fields: tuple[tuple[bytes, bytes], ...] = ()
    kind: bytes = b"text/plain; charset=utf-8"


def _error(code: int, text: str, *fields: tuple[bytes, bytes]) -> Status:
    return Status(code, text.encode() + b"\n", fields)


BAD_REQUEST: Final = _error(400, "the request is malformed")

BAD_MESSAGE: Final = _error(400, "the message is not a DNS query")

_BAD_CLIENT: Final = _error(400, "Forwarded and X-Forwarded-For do not name one client; have the proxy set one and remove the other")

_NO_PARAMETER: Final = _error(400, "the URL has no parameter dns; use ?dns= and the message in base64url, or POST")

_BAD_PARAMETER: Final = _error(400, "the parameter dns is not one DNS message in base64url without padding")

_NOT_FOUND: Final = _error(404, "DNS is served at another path")

_METHODS: Final = _error(405, "use GET or POST", (b"allow", b"GET, POST"))

_READ_ONLY: Final = _error(405, "use GET", (b"allow", b"GET, HEAD"))

LENGTH_REQUIRED: Final = _error(411, "send the message with a content-length")

TOO_LARGE: Final = _error(413, f"a DNS message has at most {_LARGEST} octets")

_WRONG_TYPE: Final = _error(415, f"the content-type is not {MEDIA_TYPE.decode()}")

TOO_EARLY: Final = _error(425, "the message changes something, so it has to wait for the end of the handshake")

HEADER_TOO_LARGE: Final = _error(431, "the header is too large")


@dataclass(frozen=True, slots=True, eq=False)
class Head:
    """
    What a request's header asks for.

    @ivar query: the message of a GET request; L{None} if the body has it.
    @ivar status: the reply, if the header settles it.
    @ivar length: the length of the body, if the header has it.
    @ivar bare: whether the reply has no body, as for HEAD.
    @ivar client: the address of the client that a trusted proxy names, C{""} if there is none.
    @ivar path: the path of the request, if that is the one of a view; C{""} for the usual one.
    """

    query: bytes | None = None
    status: Status | None = None
    length: int | None = None
    bare: bool = False
    client: str = ""
    path: str = ""


class HTTPConnection(Protocol):
    """
    One version of HTTP on one connection, without I/O.

    @ivar out: octets to send, in pieces.
    @ivar closing: whether the connection has to be closed once they are sent.
    @ivar more: whether received octets are left to be parsed because there were enough requests for one call.
    @ivar stalled: since when replies have waited for the client's flow control, or L{None}.
    @ivar queued: the octets of these replies.
    @ivar named: by stream, the clients that a trusted proxy names (C{""} if it names none), and the paths of views (C{""} for the usual
        one). The caller removes those of the queries that it gets.
    """

    out: list[bytes]
    closing: bool
    more: bool
    stalled: float | None
    queued: int
    named: dict[int, tuple[str, str]]

    @property
    def since(self) -> float | None:
        """
        When the oldest request that is incomplete began, or L{None}.
        """

    def receive(self, data: bytes, now: float, most: int) -> list[Query]:
        """
        Parse octets.

        @param most: handle no more requests than this; call it again with C{b""} if C{more} is set.

        @return: the queries among them, each of which gets one L{reply} or L{refuse}.
        """

    def reply(self, stream: int, message: bytes, now: float) -> None: ...

    def refuse(self, stream: int, status: Status) -> None: ...

    def goAway(self) -> None:
        """
        Announce that the server closes the connection.
        """


class Pages:
    """
    The pages for people, one of them at C{/}.
    """

    def __init__(self, first: Status) -> None:
        self._found = {b"/": first}
        self._make: Callable[[], Mapping[bytes, Status]] | None = None

    def at(self, path: bytes) -> Status | None:
        if self._make is not None and path.startswith(_SETUP):
            make, self._make = self._make, None
            self._found.update(make())
        return self._found.get(path)

    def show(self, make: Callable[[], Mapping[bytes, Status]]) -> None:
        """
        Replace the pages at and below C{/setup}.

        @param make: makes them when the first one is asked for: that takes a tenth of a second.
        """
        self._found = {b"/": self._found[b"/"]}
        self._make = make


class Endpoint:
    """
    The resources of a server: DNS at one path, and pages for people, one of them at C{/}.

    @ivar pages: the pages.
    @ivar proxies: whose requests name their clients; L{None} to ignore what requests say of that.
    @ivar paths: further paths where DNS is served, for those who know them, each with its text: they lead to views.
    @ivar alternatives: the value of Alt-Svc for clients of other versions than HTTP/3 (RFC 7838); C{b""} without one.
    """

    proxies: TrustedProxies | None = None
    alternatives = b""
    def __init__(self, path: str = "/dns-query", page: str = "") -> None:
        """
        @param path: where DNS is served.
        @param page: the text at C{/}; by default it names the path.
        """
        self.path = path.encode()
        self.paths: dict[bytes, str] = {}
        text = page or (
            f"This is a DNS server. Give a program that speaks DNS over HTTPS the URL https://THIS-HOST{path}\n"
            "Settings for phones, browsers and systems are at /setup\n"
        )
        self.pages = Pages(Status(200, text.encode(), ((b"cache-control", b"max-age=3600"),)))

    def behind(self, proxies: TrustedProxies) -> Endpoint:
        """
        Return the same resources for connections of trusted proxies, whose requests name their clients.
        """
        endpoint = Endpoint(self.path.decode())
        endpoint.pages = self.pages
        endpoint.proxies = proxies
        endpoint.paths = self.paths
        return endpoint

    def serve(self, paths: Collection[str]) -> None:
        """
        Serve DNS at these further paths from now on, also behind proxies.
        """
        self.paths.clear()
        self.paths.update({path.encode(): path for path in paths})

    def named(self, head: Head, forwarded: bytes | None, older: bytes | None) -> Head:
        """
        Add the client to what a request of a trusted proxy asks for.

        @param forwarded: see L{clientIn}, and for C{older}.
        """
        proxies = self.proxies
        if proxies is None or head.status is not None:
            return head
        client = clientIn(forwarded, older, proxies.trusts)
        if client is None:
            return Head(status=_BAD_CLIENT, length=head.length, bare=head.bare)
        return replace(head, client=proxies.nameOf(client))

    def head(self, method: bytes, target: bytes, kind: bytes | None, length: bytes | None) -> Head:
        """
        Decide on a request by its header.

        @param target: the path, and the parameters behind a question mark.
        @param kind: the content-type.
        @param length: the content-length.
        """
        octets: int | None = None
        if length is not None:
            if _LENGTH.fullmatch(length) is None:
                return Head(status=BAD_REQUEST, bare=method == b"HEAD")
            octets = int(length)
        path, _, parameters = target.partition(b"?")
        ofView = ""
        if path != self.path:
            ofView = self.paths.get(path, "")
        if path != self.path and not ofView:
            page = self.pages.at(path)
            if page is None:
                return Head(status=_NOT_FOUND, length=octets, bare=method == b"HEAD")
            return Head(status=page if method in (b"GET", b"HEAD") else _READ_ONLY, length=octets, bare=method == b"HEAD")
        if method == b"GET":
            found = _parameter(parameters)
            return Head(status=found, length=octets) if isinstance(found, Status) else Head(found, length=octets, path=ofView)
        if method != b"POST":
            return Head(status=_METHODS, length=octets, bare=method == b"HEAD")
        if kind is None or kind.partition(b";")[0].strip().lower() != MEDIA_TYPE:
            return Head(status=_WRONG_TYPE, length=octets)
        if octets is not None and octets > _LARGEST:
            return Head(status=TOO_LARGE, length=octets)
        return Head(length=octets, path=ofView)


def _parameter(parameters: bytes) -> bytes | Status:
    values = [each[4:] for each in parameters.split(b"&") if each.startswith(b"dns=")]
    if not values:
        return _NO_PARAMETER
    value = values[0]
    if len(values) > 1 or _ENCODED.fullmatch(value) is None:
        return _BAD_PARAMETER
    try:
        message = a2b_base64(value.translate(_TO_BASE64) + b"=" * (-len(value) % 4))
    except Error:
        return _BAD_PARAMETER
    if len(message) > _LARGEST:
        return TOO_LARGE
    return message if len(message) >= HEADER_OCTETS else _BAD_PARAMETER


def freshFor(message: bytes) -> int:
    """
    Return the seconds for which an HTTP cache may keep a reply: the least TTL of its answer (RFC 8484, section 5.1), or that of a denial
    (RFC 2308, section 5); 0 if it has neither, or is malformed.
    """
    try:
        return _freshFor(message)
    except (IndexError, StructError):
        return 0


def _freshFor(message: bytes) -> int:
    rcode = message[3] & 15
    if rcode and rcode != _NXDOMAIN:
        return 0
    offset = HEADER_OCTETS
    if message[5]:
        offset = _afterName(message, offset) + 4
    answers = message[6] << 8 | message[7]
    least = -1
    for _ in range(answers):
        offset = offset + 2 if message[offset] >= 0xC0 else _afterName(message, offset)
        _, _, ttl, length = _record(message, offset)
        if ttl < least or least < 0:
            least = ttl
        offset += 10 + length
    if answers:
        return _seconds(least)
    for _ in range(message[8] << 8 | message[9]):
        offset = _afterName(message, offset)
        rrType, _, ttl, length = _record(message, offset)
        offset += 10 + length
        if rrType == SOA and length >= 4:
            return min(_seconds(ttl), _seconds(_number(message, offset - 4)[0]))
    return 0


def _seconds(ttl: int) -> int:
    # With the top bit set a TTL counts as 0 (RFC 2181, section 8).
    return 0 if ttl >> 31 else ttl


def _afterName(message: bytes, offset: int) -> int:
    while length := message[offset]:
        if length >= 0xC0:
            return offset + 2
        offset += length + 1
    return offset + 1


def requestFor(path: str, message: bytes) -> bytes:
    """
    Return a request over HTTP/1.1 that sends a query, as for a self-test.
    """
    lines = (f"POST {path} HTTP/1.1", "host: localhost", f"content-type: {MEDIA_TYPE.decode()}", f"content-length: {len(message)}", "", "")
    return "\r\n".join(lines).encode() + message


def fieldsOf(status: Status) -> Iterable[tuple[bytes, bytes]]:
    """
    Return the header fields of a status, in order.
    """
    return ((b"content-type", status.kind), (b"content-length", b"%d" % len(status.text)), *status.fields)
