"""
Transfer whole zones from a list of servers, as lists of records.
"""

from __future__ import annotations

from collections.abc import Sequence

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime

from twisted_ext.errors import BadMessage, BudgetSpent, CallerFault, DNSFault, ServerFailed, TimedOut
from twisted_ext.limits import STREAM_WAIT, TRANSFER_OCTETS
from twisted_ext.resolver.forward.failures import mostTelling
from twisted_ext.transport.servers import Server
from twisted_ext.transport.transfer import fetchZone
from twisted_ext.wire.message import Message, Question
from twisted_ext.wire.names import isBelow, nameToText
from twisted_ext.wire.records import RRSet
from twisted_ext.wire.rrtypes import AXFR, SOA

__all__ = ["ZoneRecords", "transferZone"]


class ZoneRecords:
    """
    The records of a zone, collected from the messages of a transfer.

    @ivar records: the records so far, each as an RRset of its own; the SOA record first and not repeated at the end.
    """

    def __init__(self, zone: bytes) -> None:
        self.records: list[RRSet] = []
        self._zone = zone.lower()
        self._ended = False

    def keep(self, octets: bytes) -> None:
        """
        Process the next message.

        @raise BadMessage: it has records that this zone cannot have (RFC 5936, section 3).
        """
        text = nameToText(self._zone)
        for record in Message.fromWire(octets).check().records()[0]:
            if self._ended:
                raise BadMessage(f"there are records after the end of {text}")
            isSOA = record.rrType == SOA and record.name.lower() == self._zone
            if isSOA and self.records:
                if record.rdatas != self.records[0].rdatas:
                    raise BadMessage(f"the SOA of {text} has changed during the transfer")
                self._ended = True
                continue
            if not isBelow(record.name.lower(), self._zone):
                raise BadMessage(f"{nameToText(record.name)} is not in {text}")
            self.records.append(record)


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
        came = ZoneRecords(zone)
        try:
            await fetchZone(
                reactor, server, zone, came.keep, edns=False, most=TRANSFER_OCTETS.default, begin=patience, seconds=left
            )
            return came.records
        except TimedOut:
            # Timeouts of all servers are reported together.
            if reactor.seconds() >= deadline:
                break
        except BudgetSpent as fault:
            faults.append(ServerFailed(str(fault), server=server.label))
        except DNSFault as fault:
            faults.append(fault)
    raise mostTelling(Question(zone, AXFR), faults, asked, len(asked), reactor.seconds() - began)
