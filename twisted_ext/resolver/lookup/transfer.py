"""
Transfer whole zones from a list of servers, as lists of records.
"""

from __future__ import annotations

from collections.abc import Sequence

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime

from twisted_ext.errors import BudgetSpent, CallerFault, DNSFault, ServerFailed, TimedOut
from twisted_ext.limits import STREAM_WAIT, TRANSFER_OCTETS
from twisted_ext.resolver.forward.failures import mostTelling
from twisted_ext.transport.servers import Server
from twisted_ext.transport.transfer import fetchZone
from twisted_ext.wire.message import Question
from twisted_ext.wire.records import RRSet
from twisted_ext.wire.rrtypes import AXFR

__all__ = ["transferZone"]


def transferZone(reactor: IReactorTime, servers: Sequence[Server], zone: bytes, deadline: float) -> Deferred[list[RRSet]]:
    """
    Request a zone by AXFR (RFC 5936) from the servers in turn, until one sends all of it.

    @param reactor: provides L{IReactorTCP<twisted.internet.interfaces.IReactorTCP>} as well.
    @param deadline: when to give up, in the clock's seconds.

    @return: the zone's records in order, one to an RRset, the SOA record first and not repeated at the end. Fails as a look-up does.
    """
    if not servers:
        raise CallerFault("no server to transfer the zone from; give at least one")
    return Deferred.fromCoroutine(_transfer(reactor, servers, zone, deadline))


async def _transfer(reactor: IReactorTime, servers: Sequence[Server], zone: bytes, deadline: float) -> list[RRSet]:
    began = reactor.seconds()
    faults: list[DNSFault] = []
    asked: list[str] = []
    for server in servers:
        asked.append(server.label)
        left = max(0.0, deadline - reactor.seconds())
        # A server that hangs must not delay the others; one that has begun sending may take its time.
        patience = left if server is servers[-1] else min(left, STREAM_WAIT.default)
        try:
            received = await fetchZone(
                reactor, server, zone, edns=False, most=TRANSFER_OCTETS.default, begin=patience, seconds=left
            )
            return received.records
        except TimedOut:
            # Timeouts of all servers are reported together.
            if reactor.seconds() >= deadline:
                break
        except BudgetSpent as fault:
            faults.append(ServerFailed(str(fault), server=server.label))
        except DNSFault as fault:
            faults.append(fault)
    raise mostTelling(Question(zone, AXFR), faults, asked, len(asked), reactor.seconds() - began)
