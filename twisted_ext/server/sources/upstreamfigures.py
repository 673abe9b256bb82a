"""
What operators see of the servers that a server asks: its upstreams, or the authoritative servers.
"""

from __future__ import annotations

from heapq import nlargest
from typing import TYPE_CHECKING, Final

from twisted_ext.resolver.ask import behind
from twisted_ext.resolver.forward.forwarder import ForwardingSource

if TYPE_CHECKING:
    from twisted_ext.interfaces import IAnswerSource
    from twisted_ext.metrics.figures import JSON
    from twisted_ext.resolver.forward.serverstats import ServerStats
    from twisted_ext.resolver.recursive.pool import ServerPool
    from twisted_ext.transport.servers import Server

__all__ = ["authoritiesOf", "poolNumbers", "upstreamsOf"]


#: Authoritative servers shown, those first that were asked most: a recursive resolver knows thousands.
_SHOWN: Final = 10


def upstreamsOf(source: IAnswerSource | None, now: float) -> list[dict[str, JSON]]:
    """
    Describe the upstreams of a source and of the sources within it.

    @return: one object for each upstream: C{server}, C{way} (C{'udp'}, which includes TCP after truncation, or C{'tcp'}), C{up} (whether it
        replies, with any RCODE), C{rtt} and C{deviation} in seconds or L{None}, C{failures} in a row and C{declines}, domains in a row;
        C{retryIn} seconds; and since it was first used: C{queries}, C{replies} whose time was measured, C{replySeconds} in all, and
        C{troubles} by kind. C{upgrade}, if the server may designate encrypted ones, says whether it is asked by one of these.
    """
    if source is None:
        return []
    from twisted_ext.resolver.combine.designated import DesignatedSource

    upgrades = {forwarding: each.state for each in behind(source, DesignatedSource) for forwarding in behind(each, ForwardingSource)}
    return [
        _described(upstream.server, each.way, standing, now) | ({"upgrade": upgrades[each]} if each in upgrades else {})
        for each in behind(source, ForwardingSource)
        for upstream, standing in zip(each.upstreams, each.standings, strict=True)
    ]


def authoritiesOf(pool: ServerPool, now: float) -> list[dict[str, JSON]]:
    """
    Describe the authoritative servers that were asked most, like L{upstreamsOf}. Their C{way} is C{'authority'}, or C{'authority, tls'} for
    those that are asked over TLS first.
    """
    most = nlargest(_SHOWN, pool.servers(), key=lambda known: known[1].queries)
    encryption = pool.encryption
    return [
        _described(server, "authority, tls" if encryption is not None and encryption.works(server) else "authority", standing, now)
        for server, standing in most
        if standing.queries
    ]


def poolNumbers(pool: ServerPool, now: float) -> dict[str, float]:
    """
    Return how many authoritative servers are known, how many of them do not reply, and how many queries were sent; and with opportunistic
    encryption, how many support TLS, and how many queries went over it.
    """
    silent = queries = 0
    for _, standing in pool.servers():
        silent += standing.unheard(now)
        queries += standing.queries
    numbers: dict[str, float] = {"authorities": len(pool), "authoritiesSilent": silent, "authorityQueries": queries + pool.forgotten}
    encryption = pool.encryption
    if encryption is not None:
        numbers["authoritiesEncrypted"] = encryption.working()
        numbers["authorityEncryptedQueries"] = encryption.queries + encryption.probes
    return numbers


def _described(server: Server, way: str, standing: ServerStats, now: float) -> dict[str, JSON]:
    return {
        "server": server.label,
        "way": way,
        "up": not standing.unheard(now),
        "rtt": None if standing.rtt is None else round(standing.rtt, 6),
        "deviation": round(standing.deviation, 6),
        "failures": standing.failures,
        "declines": standing.declines,
        "retryIn": round(max(standing.downUntil - now, 0.0), 3),
        "queries": standing.queries,
        "replies": standing.replies,
        "replySeconds": round(standing.replySeconds, 6),
        "troubles": {**standing.troubles},
    }
