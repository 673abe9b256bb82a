"""
The packet cache of a server: its groups of clients, how much it keeps for each, and which replies it is offered.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from time import time
from typing import TYPE_CHECKING, Final

from twisted_ext.packetcache.clients import UNMETERED, Client, Clients, Group
from twisted_ext.packetcache.packetcache import PacketCache
from twisted_ext.packetcache.table import CookieOptions, Reply, Table
from twisted_ext.server.reply.acl import Access
from twisted_ext.server.reply.cookies import Cookies
from twisted_ext.server.reply.ratelimit import ClientRateLimit, siteOf
from twisted_ext.wire.rrtypes import SOA

if TYPE_CHECKING:
    from twisted_ext.answers import Epoch
    from twisted_ext.server.reply.replywriter import WrittenReply
    from twisted_ext.server.reply.requests import Request
    from twisted_ext.server.reply.rrl import ResponseRateLimit

__all__ = ["PROXIES", "ForgetfulTable", "isForOneTransport", "offerReply", "packetCacheFor", "tableFor"]

#: The name of the group of trusted proxies that do not name their clients.
PROXIES: Final = "proxies"

#: The EXPIRE option, whose value goes down with time (RFC 7314).
_EXPIRE: Final = 9

#: The keepalive option of RFC 7828.
_KEEPALIVE: Final = 11

#: Transports whose replies are in a table of their own.
_PLAIN: Final = frozenset(("udp", "tcp"))

#: Octets of an OPT record without options.
_OPT_OCTETS: Final = 11


class ForgetfulTable(Table):
    """
    A reply table that stores nothing, so that every query reaches the responder.
    """

    def offer(self, datagram: bytes, reply: Reply, *, varies: bool = False, personal: bool = False) -> None:
        pass


def packetCacheFor(
    access: Access | None = None,
    rates: ClientRateLimit | None = None,
    cookies: Cookies | None = None,
    *,
    limiting: ResponseRateLimit | None = None,
    required: Collection[str] = (),
    octets: float | None = None,
    sights: int | None = None,
    public: bool = False,
    isProxy: Callable[[str], bool] = lambda address: False,
    today: Callable[[], float] = time,
) -> PacketCache:
    """
    Make a packet cache that applies C{access}, C{rates} and C{limiting} to its clients.

    @param required: prefixes of clients that are answered over UDP only with a valid server cookie of C{cookies}.
    @param octets: memory for the replies over UDP, and as much again for those over TCP and over encrypted transports, in each group of
        clients that may query. The tables of the other groups are minimal.
    @param sights: queries seen once that are remembered, for the same clients.
    @param public: whether there are zones, which clients without other access may query.
    @param isProxy: returns whether an address is that of a proxy, whose own requests are refused: it has to name its clients.
    """
    allowed = access or Access()
    metered = rates or ClientRateLimit()

    def group(name: str, action: str, octets: float | None, *, shown: bool = False) -> Group:
        datagrams = Table(octets, sights=sights, shown=shown)
        messages = Table(octets, sights=sights, stream=True)
        return Group(name, action, datagrams, messages, Table(octets, sights=sights, stream=True, exact=True), shown=shown)

    groups = {
        "allow": group("allowed", "allow", octets),
        "refuse": group("strangers", "refuse", 1),
        "drop": group("unwanted", "drop", 1),
    }
    proxies = group(PROXIES, "refuse", 1)
    if public:
        groups["zones"] = group("public", "zones", octets)

    wanting = Access({"allow": required})
    guarded: dict[str, Group] = {}
    if required:
        for action in groups.keys() & {"allow", "zones"}:
            guarded[action] = group(groups[action].name, action, octets, shown=True)

    def wanted(client: str) -> bool:
        return bool(client) and wanting.actionFor(client) == "allow"

    def classify(address: str, now: float) -> Client:
        client = address[7:] if address.startswith("::ffff:") and "." in address else address
        accounts = None if limiting is None else limiting.accountsFor(client, now)
        if isProxy(address):
            return Client(client, proxies, UNMETERED, siteOf(client))
        action = allowed.actionFor(client)
        group = guarded[action] if action in guarded and wanted(client) else groups[action]
        return Client(client, group, metered.bucketFor(client, now), siteOf(client), accounts)

    everyone = [*groups.values(), *guarded.values(), proxies]
    options = None if cookies is None else _CookieReplies(cookies, wanted if guarded else None, today)
    return PacketCache(Clients(classify), everyone, cookies=options, quick=public)


class _CookieReplies(CookieOptions):
    __slots__ = ("_cookies", "_wanted", "_today", "_read", "_now")

    def __init__(self, cookies: Cookies, wanted: Callable[[str], bool] | None, today: Callable[[], float]) -> None:
        """
        @param wanted: returns whether a client needs a valid cookie, if there are such clients.
        """
        self._cookies = cookies
        self._wanted = wanted
        self._today = today
        # When the wall clock was read last, by the listeners' clock: once for a batch of datagrams.
        self._read = self._now = 0.0

    def optionFor(self, client: str, octets: bytes, now: float) -> bytes | None:
        if now != self._read:
            self._read = now
            self._now = self._today()
        known = self._cookies.known(client, octets, self._now)
        if not (known is not None and known.verified or self._wanted is None) and self._wanted(client):
            # A client that needs a valid cookie and has none is refused by the cookie gate.
            return b""
        if known is not None:
            return known.ending
        return None if self._cookies.spent(octets, self._now) else b""


def offerReply(
    request: Request,
    composed: WrittenReply,
    epoch: Epoch,
    ttls: Sequence[tuple[int, int]],
    learned: float,
    said: int,
    ends: float,
    *,
    known: bool,
    blocked: bool = False,
) -> None:
    """
    Offer the reply to a request to the packet cache. For the arguments see L{Reply}.
    """
    edns = request.edns
    options = edns is not None and edns.options
    question = request.question
    if options and edns is not None and question.rrType == SOA and edns.option(_EXPIRE) is not None:
        # The EXPIRE value of the next reply differs.
        return
    if options and isForOneTransport(request):
        return
    table = tableFor(request)
    varies = bool(options) or request.folded != question.name
    if not (known or varies) and table.isFirstSight(request.wire):
        return
    reply = Reply(
        composed.octets,
        ttls,
        learned,
        said,
        ends,
        epoch,
        request.questionEnd,
        whole=composed.whole,
        plain=edns is not None and composed.optAt == len(composed.octets) - _OPT_OCTETS,
        known=known,
        blocked=blocked,
    )
    table.offer(request.wire, reply, varies=varies, personal=bool(request.cookie))


def tableFor(request: Request) -> Table:
    """
    Return the table for the replies to a client by its transport.
    """
    group = request.record.group
    if request.transport == "udp":
        return group.datagrams
    return group.messages if request.transport == "tcp" else group.encrypted


def isForOneTransport(request: Request) -> bool:
    """
    Return whether the reply depends on which encrypted transport the client uses. They share a table, but only TLS has replies with the
    keepalive option: over QUIC it is an error (RFC 9250, section 5.5.2), and HTTP has means of its own.
    """
    edns = request.edns
    return edns is not None and request.transport not in _PLAIN and edns.option(_KEEPALIVE) is not None
