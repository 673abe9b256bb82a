"""
The client's side of DNS cookies (RFC 7873; RFC 9018): each server gets eight octets that only it and the resolver know, and a reply without
them does not come from it.
"""

from __future__ import annotations

from typing import Final

from twisted_ext.errors import BadMessage
from twisted_ext.limits import COOKIE_CLIENT_SECONDS, NO_COOKIE_SECONDS
from twisted_ext.resolver.forward.serverstats import ServerStats
from twisted_ext.transport.random import Draw
from twisted_ext.wire.message import Message

__all__ = ["ClientCookies", "cookieFits", "knowsCookie"]

_CODE: Final = 10
_OPTION: Final = b"\x00\x0a"

#: Octets of a client cookie, and of an option with nothing else.
_CLIENT: Final = 8
_ALONE: Final = 12

#: Octets of both cookies in an option (RFC 7873, section 4).
_LEAST: Final = 16
_MOST: Final = 40

_SECONDS: Final = COOKIE_CLIENT_SECONDS.default


class ClientCookies:
    """
    Adds cookies to queries. L{ServerStats} remembers those of each server.
    """

    __slots__ = ("_draw",)

    def __init__(self, draw: Draw) -> None:
        self._draw = draw

    def optFor(self, opt: bytes, standing: ServerStats, now: float, known: bool) -> bytes:
        """
        Return an OPT record with a server's cookie.

        @param opt: an OPT record without options.
        @param known: leave the cookie out if the server has not sent its own part yet.
        """
        if now >= standing.cookieUntil:
            # Random octets for each server, as RFC 9018, section 3, advises: servers cannot recognize the resolver by them.
            standing.cookie = _OPTION + b"\x00\x08" + self._draw.take(_CLIENT)
            standing.cookieUntil = now + _SECONDS
        cookie = standing.cookie
        if len(cookie) == _ALONE and (known or now < standing.noCookieUntil):
            return opt
        return b"%b\x00%c%b" % (opt[:-2], len(cookie), cookie)


def knowsCookie(standing: ServerStats) -> bool:
    """
    Return whether a server has sent its part of a cookie, and so has to send it in each reply.
    """
    return len(standing.cookie) > _ALONE


def cookieFits(octets: bytes, standing: ServerStats, now: float, reliable: bool, plain: bool) -> bool:
    """
    Return whether a reply may come from a server, as far as the cookie shows (RFC 7873, section 5.3). Remember the server's part.

    @param reliable: whether the channel cannot be spoofed.
    @param plain: whether the query was sent without EDNS.
    """
    cookie = standing.cookie
    # Not with "in", which first takes octets for a number, and makes an exception that says that they are none.
    find = octets.find
    if not cookie or (len(cookie) > _ALONE and find(cookie) >= 0):
        return True
    # The octets are evidence wherever they are; those who have not seen the query cannot know them.
    own = cookie[4:_ALONE]
    if find(own) >= 0:
        if find(cookie) >= 0:
            return True
        at = find(own, _ALONE)
        if at >= 0:
            length = int.from_bytes(octets[at - 2 : at], "big")
            if octets[at - 4 : at - 2] == _OPTION and _LEAST <= length <= _MOST and at + length <= len(octets):
                standing.cookie = octets[at - 4 : at + length]
            return True
    if reliable:
        if len(cookie) > _ALONE and not plain:
            # The server does not support cookies any more, or not at all of its locations.
            standing.cookieUntil = 0.0
            standing.cookie = b""
            standing.noCookieUntil = now + NO_COOKIE_SECONDS.default
        return True
    if len(cookie) > _ALONE and not plain:
        return False
    # Finding a single octet is much faster.
    return _CODE not in octets or find(b"\x00\x0a\x00") < 0 or not _hasCookie(octets)


def _hasCookie(octets: bytes) -> bool:
    try:
        edns = Message.fromWire(octets).edns
    except BadMessage:
        return False
    return edns is not None and edns.option(_CODE) is not None
