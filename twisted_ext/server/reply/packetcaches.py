"""
The packet cache of a server: its groups of clients, and how much it keeps for each.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from time import time
from typing import TYPE_CHECKING, Final

from twisted_ext.packetcache.clients import UNMETERED, Client, Clients, Group
from twisted_ext.packetcache.packetcache import PacketCache
from twisted_ext.packetcache.table import Reply, Table
from twisted_ext.server.reply.acl import Access
from twisted_ext.server.reply.cookies import Cookies
from twisted_ext.server.reply.ratelimit import ClientRateLimit, siteOf

if TYPE_CHECKING:
    from twisted_ext.server.reply.rrl import ResponseRateLimit

__all__ = ["PROXIES", "ForgetfulTable", "packetCacheFor"]

#: The name of the group of trusted proxies that do not name their clients.
PROXIES: Final = "proxies"


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
        return bool(guarded) and bool(client) and wanting.actionFor(client) == "allow"

    def classify(address: str, now: float) -> Client:
        client = address[7:] if address.startswith("::ffff:") and "." in address else address
        accounts = None if limiting is None else limiting.accountsFor(client, now)
        if isProxy(address):
            return Client(client, proxies, UNMETERED, siteOf(client))
        action = allowed.actionFor(client)
        group = guarded[action] if action in guarded and wanted(client) else groups[action]
        return Client(client, group, metered.bucketFor(client, now), siteOf(client), accounts)

    def cookie(client: str, octets: bytes) -> bytes | None:
        assert cookies is not None
        now = today()
        option, verified = cookies.known(client, octets, now)
        if verified or not wanted(client):
            return None if not option and cookies.spent(octets, now) else option
        # A client that needs a valid cookie and has none is refused by the cookie gate.
        return b""

    everyone = [*groups.values(), *guarded.values(), proxies]
    return PacketCache(Clients(classify), everyone, cookie=None if cookies is None else cookie, quick=public)
