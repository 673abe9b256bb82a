"""
DNS cookies, which show that a client's source address is not spoofed (RFC 7873; RFC 9018).
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from hashlib import blake2s
from hmac import compare_digest
from ipaddress import ip_address
from typing import TYPE_CHECKING, Final

from twisted_ext.native.chosen import replies, sipHash
from twisted_ext.packetcache.table import CookieOptions
from twisted_ext.server.limits import COOKIE_HASHES, COOKIES_KNOWN
from twisted_ext.server.reply.acl import Access
from twisted_ext.server.reply.ratelimit import Generations

if TYPE_CHECKING:
    from twisted_ext.server.reply.packetcaches import Admission

__all__ = ["CookieReplies", "Cookies", "KnownCookie", "RequiredCookies"]

#: Seconds for which a server cookie is valid (RFC 9018, section 4.3).
_COOKIE_SECONDS: Final = 3600

#: Seconds after which a client gets a new one (RFC 9018, section 4.3).
_COOKIE_RENEWAL: Final = 1800

#: Seconds that a cookie's timestamp may be in the future, if made by another server with the same secret (RFC 9018, section 4.3).
_COOKIE_AHEAD: Final = 300

_CLIENT: Final = 8
_SERVER: Final = 16
_CODE: Final = 10

#: Version 1, SipHash-2-4, and three octets that are zero (RFC 9018, section 4).
_VERSION: Final = b"\x01\x00\x00\x00"

#: The same with a version for private use, which stands for keyed BLAKE2s here.
_OWN_VERSION: Final = b"\xf0\x00\x00\x00"


class KnownCookie:
    """
    What a client's cookie is answered with.

    @ivar option: the whole EDNS option.
    @ivar ending: the end of an OPT record with this option alone: its length in two octets, then the option.
    @ivar until: seconds since 1970 until when to reply with it.
    @ivar verified: whether the client's cookie has a server part that is valid.
    """

    __slots__ = ("option", "ending", "until", "verified")

    def __init__(self, octets: bytes, until: float, verified: bool) -> None:
        """
        @param octets: client and server cookie.
        """
        self.option = _CODE.to_bytes(2, "big") + len(octets).to_bytes(2, "big") + octets
        self.ending = len(self.option).to_bytes(2, "big") + self.option
        self.until = until
        self.verified = verified


class Cookies:
    """
    Makes and checks server cookies. Servers that share a secret accept each other's cookies.

    @ivar secrets: the secret that new cookies are made with, then former ones whose cookies are still accepted (RFC 9018, section 5).
    """

    def __init__(self, *secrets: bytes, alone: bool = False) -> None:
        """
        @param secrets: each of 16 octets.
        @param alone: whether no other server has them. Without the C extension cookies are made with BLAKE2s then, which Python has in C,
            instead of the SipHash that servers have to agree on.
        """
        # The number of cookies made in the current second for clients without a server cookie, and that second.
        self._made = 0
        self._second = 0
        self.secrets = secrets
        self._alone = alone and replies is None
        self._version = _OWN_VERSION if self._alone else _VERSION
        # By client address and the octets of its option.
        self._known: Generations[tuple[str, bytes], KnownCookie] = Generations(COOKIES_KNOWN)

    def spent(self, octets: bytes, today: float) -> bool:
        """
        Return whether the budget for new cookies is used up.

        @return: whether the client has no server cookie yet, and L{COOKIE_HASHES} of them were made in this second. The reply then has no
            cookie, unless one is already known for this client.
        """
        return len(octets) == _CLIENT and self._made >= COOKIE_HASHES.default and int(today) == self._second

    def known(self, client: str, octets: bytes, today: float) -> KnownCookie | None:
        """
        Look up a client's cookie without computing a hash.

        @return: L{None} where L{check} has to be called.
        """
        found = self._known.find((client, octets))
        return None if found is None or today >= found.until else found

    def check(self, client: str, octets: bytes, today: float) -> KnownCookie:
        """
        Verify a client's cookie, computing a new server cookie where one is due.

        @param octets: the content of the option, 8 or 16 to 40 octets.
        @param today: seconds since 1970, the only clock that servers with a shared secret have in common.
        """
        found = self.known(client, octets, today)
        if found is None:
            found = self._find(client, octets, today)
            self._known.keep((client, octets), found)
        return found

    def _find(self, client: str, octets: bytes, today: float) -> KnownCookie:
        try:
            packed = ip_address(client.partition("%")[0]).packed
        except ValueError:
            packed = b""
        theirs, ours = octets[:_CLIENT], octets[_CLIENT:]
        if not ours:
            if int(today) != self._second:
                self._second, self._made = int(today), 0
            self._made += 1
        verified = False
        if len(ours) == _SERVER and ours[0] == self._version[0]:
            made = int.from_bytes(ours[4:8], "big")
            # Serial arithmetic, for the year 2106 (RFC 9018, section 4.3).
            age = (int(today) - made + 0x80000000 & 0xFFFFFFFF) - 0x80000000
            if -_COOKIE_AHEAD <= age <= _COOKIE_SECONDS:
                for secret in self.secrets:
                    # In constant time, so that timing does not reveal how much of a guess is right.
                    if compare_digest(self._hashed(secret, theirs + ours[:8] + packed), ours[8:]):
                        verified = True
                        break
            if verified and secret is self.secrets[0] and age < _COOKIE_RENEWAL:
                return KnownCookie(octets, today + min(_COOKIE_RENEWAL - age, _COOKIE_RENEWAL), True)
        start = self._version + (int(today) & 0xFFFFFFFF).to_bytes(4, "big")
        cookie = theirs + start + self._hashed(self.secrets[0], theirs + start + packed)
        # Reuse this cookie for queries from the same address with the same option within this time.
        return KnownCookie(cookie, today + _COOKIE_RENEWAL / 2, verified)

    def _hashed(self, secret: bytes, data: bytes) -> bytes:
        return blake2s(data, digest_size=8, key=secret).digest() if self._alone else sipHash(secret, data)


class RequiredCookies:
    """
    The clients that are answered over UDP only with a valid cookie.
    """

    def __init__(self, prefixes: Collection[str]) -> None:
        """
        @raise BadDescription: one of them is not valid.
        """
        self._access = Access({"allow": prefixes})

    def isFor(self, client: str) -> bool:
        return bool(client) and self._access.actionFor(client) == "allow"

    def admit(self, admission: Admission) -> None:
        admission.needsCookie = self.isFor(admission.client)


class CookieReplies(CookieOptions):
    """
    The cookies in replies that the packet cache repeats.
    """

    __slots__ = ("_cookies", "_required", "_today", "_read", "_now")

    def __init__(self, cookies: Cookies, required: RequiredCookies | None, today: Callable[[], float]) -> None:
        """
        @param required: the clients that need a valid cookie; L{None} for none.
        """
        self._cookies = cookies
        self._required = required
        self._today = today
        # When the wall clock was read last, by the listeners' clock: once for a batch of datagrams.
        self._read = self._now = 0.0

    @property
    def secret(self) -> bytes:
        """
        The secret that cookies are made with.
        """
        return self._cookies.secrets[0]

    def optionFor(self, client: str, octets: bytes, now: float) -> bytes | None:
        if now != self._read:
            self._read = now
            self._now = self._today()
        known = self._cookies.known(client, octets, self._now)
        required = self._required
        if required is not None and not (known is not None and known.verified) and required.isFor(client):
            # A client that needs a valid cookie and has none is refused by the cookie gate.
            return b""
        if known is not None:
            return known.ending
        return None if self._cookies.spent(octets, self._now) else b""
