"""
Transfer zones from the servers behind a resolver.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from twisted.internet.defer import Deferred, fail
from twisted.internet.interfaces import IReactorTime
from twisted.python.failure import Failure

from twisted_ext.answers import Answer, Origin, Outcome, Question
from twisted_ext.compat.conversion.errors import argumentError, errorFromFault
from twisted_ext.compat.conversion.results import Result, resultFromAnswer
from twisted_ext.compat.conversion.timeouts import Timeout, secondsAndWaits
from twisted_ext.errors import Closed, DNSFault, Unknown
from twisted_ext.interfaces import IAnswerSource
from twisted_ext.resolver.ask import behind
from twisted_ext.wire.codes import AA
from twisted_ext.wire.names import ROOT, nameFromText
from twisted_ext.wire.records import RRSet
from twisted_ext.wire.rrtypes import AXFR

if TYPE_CHECKING:
    from twisted_ext.compat.names import NamesResolver
    from twisted_ext.resolver.forward.forwarder import ForwardingSource
    from twisted_ext.resolver.lookup.transfer import ZoneServer
    from twisted_ext.transport.servers import Server

__all__ = ["lookupZone", "serversBehind", "zoneServersBehind"]

#: The default timeout for a zone transfer in seconds, as in Twisted.
_SECONDS = 10.0


def serversBehind(source: IAnswerSource) -> list[Server]:
    """
    Return every server that C{source} may query over UDP or TCP, in the order of its inner sources. Others are left out: callers connect in
    clear text. So are those that are asked only for the address of an encrypted server, or for its designation.
    """
    forwarders = [each for each in _forwardersBehind(source) if each.transport.kind == "tcp"]
    return list(dict.fromkeys([upstream.server for each in forwarders for upstream in each.upstreams]))


def _forwardersBehind(source: IAnswerSource) -> Iterator[ForwardingSource]:
    from twisted_ext.resolver.combine.bootstrap import BootstrappedSource
    from twisted_ext.resolver.combine.designated import DesignatedSource
    from twisted_ext.resolver.forward.forwarder import ForwardingSource

    return behind(source, ForwardingSource, (BootstrappedSource, DesignatedSource))


def zoneServersBehind(source: IAnswerSource) -> list[ZoneServer]:
    """
    Return every server that C{source} queries over UDP, TCP or TLS, as a server to transfer zones from: over TLS if it is queried over TLS,
    and signed if queries are. Those that are asked only for the address of an encrypted server, or for its designation, are left out.
    """
    from twisted_ext.resolver.lookup.transfer import ZoneServer

    found: dict[Server, ZoneServer] = {}
    for each in _forwardersBehind(source):
        transport = each.transport
        for upstream in each.upstreams:
            server = upstream.server
            if transport.kind == "tcp":
                found.setdefault(server, ZoneServer(server, each.key))
            elif transport.kind == "tls":
                from twisted_ext.transport.tls.stream import TLS

                if isinstance(transport, TLS):
                    found.setdefault(server, ZoneServer(server, each.key, transport.terms, transport.names.get(server, "")))
    return list(found.values())


def lookupZone(resolver: NamesResolver, reactor: IReactorTime, name: str | bytes, timeout: Timeout) -> Deferred[Result]:
    from twisted_ext.resolver.lookup.transfer import transferZone

    try:
        zone = nameFromText(name) if name else ROOT
        question = Question(zone, AXFR)
        empty = timeout is None or (isinstance(timeout, Sequence) and not timeout)
        seconds, _ = secondsAndWaits(_SECONDS if empty else timeout)
        if resolver.closed:
            raise Closed("the resolver was closed")
        servers = zoneServersBehind(resolver.source)
        if not servers:
            raise Unknown("this resolver has no server to transfer zones from")
    except DNSFault as fault:
        return fail(argumentError(fault))

    def cbRecords(records: list[RRSet]) -> Result:
        # Twisted's result includes the final SOA record of the transfer.
        sets = (*records, records[0])
        way = "tcp" if all(each.tls is None for each in servers) else "tls"
        return resultFromAnswer(Answer(Outcome.DATA, sets, flags=AA, origin=Origin(way)))

    def ebTransfer(failure: Failure) -> Failure:
        if isinstance(failure.value, DNSFault):
            raise errorFromFault(failure.value, question)
        return failure

    return transferZone(reactor, servers, zone, reactor.seconds() + seconds).addCallbacks(cbRecords, ebTransfer)
