"""
Requests of DNS over HTTPS (RFC 8484, section 4.1), whatever version of HTTP carries them, and what may be believed of their responses
(sections 4.2 and 5.1). No I/O, no clock.
"""

from __future__ import annotations

from base64 import urlsafe_b64encode
from collections.abc import Iterable, Sequence
from email.utils import parsedate_to_datetime
from typing import Final

from twisted_ext.errors import BadMessage
from twisted_ext.limits import HTTPS_CANCELED, HTTPS_PAUSE, HTTPS_STREAMS, MESSAGE_SIZE
from twisted_ext.transport.urls import ServerURL
from twisted_ext.wire.message import HEADER_OCTETS

__all__ = [
    "MESSAGE_ID", "Outcome", "Requests", "Trouble", "ageOf", "aged", "alternativesIn", "declined", "encodedFor", "judged", "requestFields",
    "shownText",
]  # fmt: skip

#: What became of a query, by its key: the reply, or what prevented it.
Outcome = tuple[bytes, "bytes | Trouble"]

_MESSAGE: Final = b"application/dns-message"

_OPT: Final = b"\x00\x29"

#: Status codes by which a server asks for a pause (RFC 6585, section 4; RFC 9110, section 15.6.4).
_BUSY: Final = {b"429": "Too Many Requests", b"503": "Service Unavailable"}

#: What the status codes that a wrong setting causes mean for DNS.
_MEANINGS: Final = {
    b"400": "it finds the request malformed",
    b"401": "it demands authentication",
    b"403": "it forbids the request",
    b"404": "it has nothing at this path",
    b"405": "it does not take this method",
    b"413": "the query is too long for it",
    b"414": "the query is too long for its GET",
    b"415": "it does not take application/dns-message",
}

#: Characters of a foreign text in an error.
_SHOWN: Final = 80

#: The largest age that is read exactly; after it, all TTLs are zero.
_MOST_AGE: Final = 0x7FFFFFFF

Headers = Sequence[tuple[bytes, bytes]]

#: Octets of a query that GET carries; servers limit the length of a path, so longer ones are sent by POST.
_HTTPS_GET_OCTETS: Final = 1024

#: The id of each message: HTTP matches replies to queries, and equal queries should be equal for caches (RFC 8484, section 4.1).
MESSAGE_ID: Final = b"\x00\x00"


def requestFields(url: ServerURL, method: bytes, path: str) -> list[tuple[bytes, bytes]]:
    """
    Return the pseudo-headers and headers of a request.
    """
    return [
        (b":method", method),
        (b":scheme", b"https"),
        (b":authority", url.authority.encode("ascii")),
        (b":path", path.encode("ascii")),
        (b"accept", b"application/dns-message"),
    ]


def encodedFor(url: ServerURL, message: bytes) -> str | None:
    """
    Return the path of a GET request with a message, or L{None} if it is too long for GET.
    """
    if len(message) > _HTTPS_GET_OCTETS:
        return None
    return url.getTarget(urlsafe_b64encode(message).decode("ascii").rstrip("="))


class Trouble:
    """
    Why a query got no reply.

    @ivar text: what the server did, to follow its name.
    @ivar unprocessed: whether the server has not acted on the query, which may be sent again on another connection.
    @ivar stumbled: whether the server gave the query up for a reason of its own, which another connection may not have.
    @ivar pause: seconds for which the server wants no queries; 0 if it did not ask for a pause.
    @ivar malformed: whether the server violated the protocol.
    """

    __slots__ = ("text", "unprocessed", "stumbled", "pause", "malformed")

    def __init__(
        self, text: str, *, unprocessed: bool = False, stumbled: bool = False, pause: float = 0.0, malformed: bool = False
    ) -> None:
        self.text = text
        self.unprocessed = unprocessed
        self.stumbled = stumbled
        self.pause = pause
        self.malformed = malformed

    def __repr__(self) -> str:
        return f"<Trouble: {self.text}>"


def declined(headers: Headers) -> Trouble | None:
    """
    Return what is wrong with a response by its headers, or L{None} if its content is a DNS message.
    """
    status = _first(headers, b":status")
    if status == b"200":
        kind = _first(headers, b"content-type")
        if kind is None or kind.partition(b";")[0].strip().lower() != _MESSAGE:
            what = "without a content type" if kind is None else f"of type {shownText(kind)}"
            return Trouble(f"sent a document {what}, where application/dns-message is right", malformed=True)
        coding = _first(headers, b"content-encoding")
        if coding is not None and coding.strip().lower() != b"identity":
            return Trouble(f"sent a document with the coding {shownText(coding)}, which the request did not offer", malformed=True)
        return None
    if status is None:
        return Trouble("sent a response without a status", malformed=True)
    if status in _BUSY:
        pause = _pause(headers)
        return Trouble(f"asks for a pause of {pause:g} s (HTTP status {status.decode('ascii')} {_BUSY[status]})", pause=pause)
    if status[:1] == b"3":
        place = _first(headers, b"location")
        where = "" if place is None else f" to {shownText(place)}"
        return Trouble(f"redirects{where} (HTTP status {shownText(status)}); redirects are not followed, so the URL has to be that one")
    meaning = _MEANINGS.get(status)
    return Trouble(f"answered with HTTP status {shownText(status)}{'' if meaning is None else f': {meaning}'}")


def ageOf(headers: Headers) -> int:
    """
    Return for how many seconds a response was in an HTTP cache (RFC 9111, section 5.1).
    """
    text = _first(headers, b"age")
    if text is None or not text.isdigit():
        return 0
    return min(int(text[:11]), _MOST_AGE)


def alternativesIn(headers: Headers) -> bytes | None:
    """
    Return the value of Alt-Svc (RFC 7838).
    """
    return _first(headers, b"alt-svc")


def judged(octets: bytes, age: int) -> bytes | Trouble:
    """
    Return the message of a complete response, or what is wrong with it.

    @param octets: the content.
    @param age: see L{ageOf}.
    """
    if len(octets) < HEADER_OCTETS:
        return Trouble(f"sent a reply of {len(octets)} octets, where a DNS message has {HEADER_OCTETS} or more", malformed=True)
    if octets[:2] != MESSAGE_ID:
        return Trouble(f"sent a reply with the id {octets[0] << 8 | octets[1]} to a query with 0", malformed=True)
    if not age:
        return octets
    try:
        return aged(octets, age)
    except BadMessage as fault:
        return Trouble(f"sent what is not a DNS message: {fault}", malformed=True)


def aged(octets: bytes, seconds: int) -> bytes:
    """
    Reduce the TTLs of a message that a cache has held for some seconds.

    @raise BadMessage: the message is malformed.
    """
    changed = bytearray(octets)
    try:
        position = HEADER_OCTETS
        for _ in range(octets[4] << 8 | octets[5]):
            position = _behindName(octets, position) + 4
        for _ in range((octets[6] << 8 | octets[7]) + (octets[8] << 8 | octets[9]) + (octets[10] << 8 | octets[11])):
            position = _behindName(octets, position)
            # The TTL field of an OPT record has flags (RFC 6891, section 6.1.3).
            if octets[position : position + 2] != _OPT:
                ttl = int.from_bytes(octets[position + 4 : position + 8], "big")
                # The highest bit set means zero (RFC 2181, section 8).
                left = ttl - seconds if seconds < ttl <= _MOST_AGE else 0
                changed[position + 4 : position + 8] = left.to_bytes(4, "big")
            position += 10 + (octets[position + 8] << 8 | octets[position + 9])
    except IndexError:
        raise BadMessage("a record extends past the end of the message") from None
    if position > len(octets):
        raise BadMessage("a record extends past the end of the message")
    return bytes(changed)


def shownText(octets: bytes) -> str:
    """
    Return a foreign text for an error of one line.
    """
    text = octets[: _SHOWN + 1].decode("ascii", "replace")
    safe = "".join([character if character.isprintable() else "?" for character in text])
    return repr(f"{safe[:_SHOWN]}..." if len(safe) > _SHOWN else safe)


def _behindName(octets: bytes, position: int) -> int:
    while True:
        length = octets[position]
        if length >= 0xC0:
            return position + 2
        position += 1 + length
        if not length:
            return position


def _first(headers: Iterable[tuple[bytes, bytes]], wanted: bytes) -> bytes | None:
    for name, value in headers:
        if name == wanted:
            return value
    return None


def _pause(headers: Headers) -> float:
    """
    Read Retry-After (RFC 9110, section 10.2.3): seconds, or a date, which is compared with the response's own.
    """
    text = _first(headers, b"retry-after")
    if text is None:
        return HTTPS_PAUSE.default
    text = text.strip()
    if text.isdigit():
        return HTTPS_PAUSE.pick(float(text[:11]))
    date = _first(headers, b"date")
    if date is None:
        return HTTPS_PAUSE.default
    try:
        until = parsedate_to_datetime(text.decode("ascii"))
        return HTTPS_PAUSE.pick((until - parsedate_to_datetime(date.decode("ascii"))).total_seconds())
    except (ValueError, TypeError):
        return HTTPS_PAUSE.default


class Response:
    """
    A stream: its query, and what has arrived of the response.

    @ivar begun: whether its final headers have arrived.
    """

    __slots__ = ("age", "begun", "body", "key")

    def __init__(self, key: bytes) -> None:
        self.key = key
        self.body = b""
        self.age = 0
        self.begun = False


class Requests:
    """
    The queries on one connection, whatever version of HTTP it has.

    @ivar accepted: whether the server has processed a query on this connection, or has announced that it does.
    @ivar answered: the number of responses that have come.
    @ivar closing: whether the server takes no more queries on this connection. Those in flight may still be answered.
    @ivar why: the reason, for errors.
    @ivar alternatives: the last Alt-Svc header, which names other ways to reach the server (RFC 7838); L{None} if there was none.
    """

    def __init__(self, url: ServerURL, *, get: bool = False, most: int | None = None) -> None:
        """
        @param get: send queries by GET, which HTTP caches can answer. POST sends less, and leaves no names in the logs of web servers.
        @param most: queries in flight.
        """
        self.accepted = False
        self.answered = 0
        self.closing = False
        self.why = ""
        self.alternatives: bytes | None = None
        self._url = url
        self._get = get
        self._most = int(HTTPS_STREAMS.pick(most))
        self._responses: dict[int, Response] = {}
        self._streams: dict[bytes, int] = {}
        self._canceled = 0

    @property
    def inFlight(self) -> int:
        return len(self._responses)

    def _begin(self, stream: int, key: bytes, query: bytes) -> tuple[bytes, str | None]:
        """
        Note a query, and return its message, and where to send it by GET if that is wanted and possible.
        """
        self._responses[stream] = Response(key)
        self._streams[key] = stream
        message = MESSAGE_ID + query
        return message, encodedFor(self._url, message) if self._get else None

    def cancel(self, key: bytes) -> None:
        """
        Give a query up.
        """
        stream = self._streams.pop(key, None)
        if stream is not None:
            del self._responses[stream]
            self._reset(stream)
            self._canceled += 1
            if self._canceled >= HTTPS_CANCELED.default:
                self._close("many of its queries were given up")

    def _take(self, stream: int, data: bytes, outcomes: list[Outcome], *, reset: bool) -> None:
        """
        @param reset: whether the server would send more if the response is too long.
        """
        response = self._responses.get(stream)
        if response is None:
            return
        response.body += data
        if len(response.body) > MESSAGE_SIZE.default:
            trouble = Trouble(f"sent a reply of more than {MESSAGE_SIZE.default} octets", malformed=True)
            self._end(stream, trouble, outcomes, reset=reset)

    def _judge(self, stream: int, outcomes: list[Outcome], *, reset: bool = False) -> None:
        response = self._responses.get(stream)
        if response is not None:
            self._end(stream, judged(response.body, response.age), outcomes, reset=reset)

    def _end(self, stream: int, result: bytes | Trouble, outcomes: list[Outcome], *, reset: bool) -> None:
        response = self._responses.pop(stream)
        del self._streams[response.key]
        if reset:
            self._reset(stream)
        if isinstance(result, bytes):
            self.accepted = True
            self.answered += 1
        outcomes.append((response.key, result))

    def _reset(self, stream: int) -> None:
        """
        Tell the server that the response is not wanted.
        """
        raise NotImplementedError

    def retire(self, why: str) -> None:
        """
        Send no more queries on this connection.
        """
        self._close(why)

    def _close(self, why: str) -> None:
        self.closing = True
        self.why = why
