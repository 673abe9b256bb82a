"""
Requests of DNS over HTTPS (RFC 8484, section 4.1), whatever version of HTTP carries them. No I/O, no clock.
"""

from __future__ import annotations

from base64 import urlsafe_b64encode
from typing import Final

from twisted_ext.transport.urls import ServerURL

__all__ = ["MESSAGE_ID", "encodedFor", "requestFields"]

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
