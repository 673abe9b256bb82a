"""
Transfer whole zones from a list of servers, as lists of records.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from twisted_ext.errors import BudgetSpent, CallerFault, DNSFault, ServerFailed, TimedOut
from twisted_ext.limits import STREAM_WAIT, TRANSFER_OCTETS
from twisted_ext.resolver.forward.failures import mostTelling
from twisted_ext.transport.servers import Server
from twisted_ext.transport.tls.links import connectorTo
from twisted_ext.transport.transfer import fetchZone
from twisted_ext.wire.message import Question
from twisted_ext.wire.names import nameToText
from twisted_ext.wire.records import RRSet
from twisted_ext.wire.rrtypes import AXFR

if TYPE_CHECKING:
    from twisted_ext.transport.tls.terms import TLSTerms
    from twisted_ext.wire.tsig import Key

__all__ = ["ZoneServer", "transferZone"]

_log: Final = Logger()


@dataclass(frozen=True, slots=True)
class ZoneServer:
    """
    A server to transfer zones from.

    @ivar key: signs the requests, and has to sign the replies; L{None} for unsigned ones.
    @ivar tls: what it has to prove over TLS, the only transport that is used then; L{None} for TCP.
    @ivar name: its name, if it has another one than C{tls}.
    """

    server: Server
    key: Key | None = None
    tls: TLSTerms | None = None
    name: str = ""


def transferZone(
    reactor: IReactorTime,
    servers: Sequence[Server | ZoneServer],
    zone: bytes,
    deadline: float,
    told: Callable[[str], object] | None = None,
) -> Deferred[list[RRSet]]:
    """
    Request a zone by AXFR (RFC 5936) from the servers in turn, until one sends all of it.

    @param reactor: provides L{IReactorTCP<twisted.internet.interfaces.IReactorTCP>} as well.
    @param deadline: when to give up, in the clock's seconds.
    @param told: is called with what to say of records outside of the zone, which are left out. By default that is logged.

    @return: the zone's records in order, one to an RRset, the SOA record first and not repeated at the end. Fails as a look-up does.
    """
    if not servers:
        raise CallerFault("no server to transfer the zone from; give at least one")
    described = [each if isinstance(each, ZoneServer) else ZoneServer(each) for each in servers]
    return Deferred.fromCoroutine(_transfer(reactor, described, zone, deadline, told or _warn))


def _warn(text: str) -> None:
    _log.warn("{text}", text=text)


async def _transfer(
    reactor: IReactorTime, servers: Sequence[ZoneServer], zone: bytes, deadline: float, told: Callable[[str], object]
) -> list[RRSet]:
    began = reactor.seconds()
    faults: list[DNSFault] = []
    asked: list[str] = []
    for each in servers:
        server = each.server
        asked.append(server.label)
        left = max(0.0, deadline - reactor.seconds())
        # A server that hangs must not delay the others; one that has begun sending may take its time.
        patience = left if each is servers[-1] else min(left, STREAM_WAIT.default)
        try:
            received = await fetchZone(
                reactor, server, zone, key=each.key, edns=False, most=TRANSFER_OCTETS.default, begin=patience, seconds=left,
                connect=connectorTo(reactor, server, each.tls, name=each.name),
            )  # fmt: skip
            if received.strangers.count:
                told(f"{nameToText(zone)} from {server.label}: {received.strangers} outside of the zone are left out")
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
