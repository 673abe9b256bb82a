"""
When to use HTTP/3 instead of HTTP/2: what a server offers (Alt-Svc, RFC 7838), and what has failed. No I/O; the time is an argument.
"""

from __future__ import annotations

import re
from typing import Final

from twisted_ext.limits import HTTP3_FAILED, HTTP3_FRESH

__all__ = ["AUTO", "FIRST", "MODES", "NEVER", "ONLY", "Alternatives", "http3In"]

#: HTTP/3 as soon as the server offers it.
AUTO: Final = "auto"

#: HTTP/3 from the first connection on, HTTP/2 after a failure.
FIRST: Final = "first"

#: HTTP/3 alone.
ONLY: Final = "only"

#: HTTP/2 alone.
NEVER: Final = "no"

MODES: Final = (NEVER, AUTO, FIRST, ONLY)

#: Seconds for which an offer is valid that does not say so (RFC 7838, section 3.1).
_FRESH: Final = 86_400

#: Octets of the header that are read.
_OCTETS: Final = 4096

_TOKEN: Final = rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_QUOTED: Final = rb'"[^"\\]*"'
_PARAMETER: Final = re.compile(rb"[ \t]*;[ \t]*(" + _TOKEN + rb")=(" + _TOKEN + rb"|" + _QUOTED + rb")")
_ALTERNATIVE: Final = re.compile(rb"[ \t,]*(" + _TOKEN + rb')="([^"\\]*)"')


def http3In(value: bytes, host: str) -> tuple[int, int] | None:
    """
    Find the offer of HTTP/3 in an Alt-Svc header.

    Offers at other hosts are skipped: their addresses would have to be looked up, and nothing says by whom.

    @param host: that of the URL.

    @return: the UDP port, and the seconds for which the offer is valid; L{None} if there is none.
    """
    value = value[:_OCTETS]
    position = 0
    while found := _ALTERNATIVE.match(value, position):
        position = found.end()
        fresh = _FRESH
        while parameter := _PARAMETER.match(value, position):
            position = parameter.end()
            seconds = parameter[2].strip(b'"')
            if parameter[1].lower() == b"ma" and seconds.isdigit():
                fresh = int(seconds[:10])
        name, colon, port = found[2].rpartition(b":")
        if found[1] == b"h3" and colon and name.decode("latin-1").lower().strip("[]") in ("", host) and len(port) <= 5 and port.isdigit():
            number = int(port)
            if 0 < number < 65536 and fresh:
                return number, fresh
    return None


class Alternatives:
    """
    Chooses the version of HTTP for each new connection to one server.

    HTTP/2 and HTTP/3 authenticate the server in the same way, so a network that blocks HTTP/3 gains nothing.

    @ivar mode: one of L{MODES}.
    """

    def __init__(self, mode: str, host: str, port: int) -> None:
        """
        @param port: the server's port for HTTP/2, which is that of HTTP/3 as well unless the server says otherwise.
        """
        self.mode = mode
        self._host = host
        self._usual = port
        self._offered: int | None = port if mode in (FIRST, ONLY) else None
        self._until = float("inf")
        self._seen: bytes | None = None
        self._avoidUntil = float("-inf")

    def learn(self, value: bytes | None, now: float) -> None:
        """
        Take the Alt-Svc header of a response.
        """
        if value is None or value == self._seen or self.mode not in (AUTO, FIRST):
            return
        self._seen = value
        found = http3In(value, self._host)
        if found is not None:
            self._offered = found[0]
            self._until = now + min(found[1], HTTP3_FRESH.default)
        elif self.mode == AUTO:
            # It replaces all that was said before (RFC 7838, section 3.1), as "clear" does.
            self._offered = None

    def connecting(self) -> None:
        """
        Note that a connection begins: the same offer on it is a new one.
        """
        self._seen = None

    def failed(self, now: float) -> None:
        """
        Note that a connection over HTTP/3 could not be established.
        """
        self._avoidUntil = now + HTTP3_FAILED.default

    def port(self, now: float) -> int | None:
        """
        Return the UDP port for a connection over HTTP/3, or L{None} to use HTTP/2.
        """
        if self.mode == ONLY:
            return self._usual
        if now < self._avoidUntil:
            return None
        if now >= self._until:
            self._offered = self._usual if self.mode == FIRST else None
            self._until = float("inf")
        return self._offered
