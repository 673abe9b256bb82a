"""
Whole zones from whichever server gives them.
"""

from __future__ import annotations

from collections.abc import Sequence

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IReactorTCP, IReactorTime

from twisted_ext.errors import CallerFault, DNSFault
from twisted_ext.limits import STREAM_WAIT
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
        asked.append(server.label)
        left = max(0.0, deadline - reactor.seconds())
        # A server that hangs must not keep us from those that do not; one that has begun may take its time.
        patience = left if server is servers[-1] else min(left, STREAM_WAIT.default)
        try:
            records = await _fetch(reactor, server, zone, patience, deadline)
        except DNSFault as fault:
            faults.append(fault)
            continue
        if records is not None:
            return records
        if reactor.seconds() >= deadline:
            break
    raise mostTelling(Question(zone, _AXFR), faults, asked, len(asked), reactor.seconds() - began)


async def _fetch(reactor: IReactorTime, server: Server, zone: bytes, patience: float, deadline: float) -> list[RRSet] | None:
    """
    @param patience: seconds for the server to begin.

    @return: L{None} where it has not begun by then, or not ended by the deadline.
    """
    expired = False

    def expire() -> None:
        nonlocal expired
        expired = True
        fetch.cancel()

    def heard() -> None:
        if timer.active():
            timer.reset(max(0.0, deadline - reactor.seconds()))

    timer = reactor.callLater(patience, expire)
    try:
        fetch = fetchZone(IReactorTCP(reactor), server, zone, heard=heard)
        return await fetch
    except CancelledError:
        if not expired:
            raise
        return None
    finally:
        if timer.active():
            timer.cancel()
