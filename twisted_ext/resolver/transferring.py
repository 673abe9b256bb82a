"""
Whole zones from whichever server gives them.
"""

from __future__ import annotations

from collections.abc import Sequence

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IReactorTCP, IReactorTime

from twisted_ext.errors import CallerFault, DNSFault
from twisted_ext.resolver.failing import mostTelling
from twisted_ext.transport.servers import Server
from twisted_ext.transport.transfer import fetchZone
from twisted_ext.wire.message import Question
from twisted_ext.wire.records import RRSet

__all__ = ["transferZone"]

_AXFR = 252


def transferZone(reactor: IReactorTime, servers: Sequence[Server], zone: bytes, deadline: float) -> Deferred[list[RRSet]]:
    """
    Ask the servers in turn for a zone by AXFR (RFC 5936), until one gives all of it.

    @param reactor: provides L{IReactorTCP} as well.
    @param deadline: the clock's seconds by which it has to be there.

    @return: the zone's records in their order, one record to a set, the SOA first and not again at the end. Fails as a look-up does.
    """
    if not servers:
        raise CallerFault("no server to ask for the zone; it takes one at least")
    return Deferred.fromCoroutine(_transfer(reactor, servers, zone, deadline))


async def _transfer(reactor: IReactorTime, servers: Sequence[Server], zone: bytes, deadline: float) -> list[RRSet]:
    began = reactor.seconds()
    faults: list[DNSFault] = []
    asked: list[str] = []
    for server in servers:
        fetch = fetchZone(IReactorTCP(reactor), server, zone)
        asked.append(server.label)
        expired = False

        def expire(fetch: Deferred[list[RRSet]] = fetch) -> None:
            nonlocal expired
            expired = True
            fetch.cancel()

        timer = reactor.callLater(max(0.0, deadline - reactor.seconds()), expire)
        try:
            return await fetch
        except CancelledError:
            if not expired:
                raise
            break
        except DNSFault as fault:
            faults.append(fault)
        finally:
            if timer.active():
                timer.cancel()
    raise mostTelling(Question(zone, _AXFR), faults, asked, len(asked), reactor.seconds() - began)
