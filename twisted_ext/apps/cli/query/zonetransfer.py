"""
C{txdns query ZONE AXFR} and C{IXFR=N}: transfers a zone or the changes to it, and prints the records as dig does.
"""

from __future__ import annotations

import sys
from datetime import datetime
from json import dumps
from typing import TYPE_CHECKING, Final

from twisted_ext.apps.cli.query.formats import dataOfRecords, greeting, linesOfRecords, timeText
from twisted_ext.apps.cli.query.recordtext import dataText
from twisted_ext.apps.cli.terminal.colors import encodable, paletteFor
from twisted_ext.apps.cli.terminal.encryption import isURL
from twisted_ext.apps.cli.terminal.exits import NO_REPLY, OK, USAGE, ExitError, complain
from twisted_ext.drawing.palette import Palette
from twisted_ext.errors import DNSFault, ServerFailed
from twisted_ext.limits import TRANSFER_OCTETS
from twisted_ext.wire.names import ROOT
from twisted_ext.wire.records import RRSet, eachRecord
from twisted_ext.wire.rrtypes import AXFR, IXFR, SOA

if TYPE_CHECKING:
    from twisted.internet.interfaces import IReactorTime

    from twisted_ext.apps.cli.query.args import QueryOptions
    from twisted_ext.apps.cli.terminal.upstream import CommandUpstream
    from twisted_ext.resolver.lookup.transfer import ZoneServer
    from twisted_ext.wire.tsig import Key

__all__ = ["showZone"]

#: The minimum time for a transfer, in seconds.
_PATIENCE: Final = 60.0


async def showZone(reactor: IReactorTime, upstream: CommandUpstream, options: QueryOptions, key: Key | None = None) -> int:
    """
    Transfer a zone, or with IXFR its changes since C{options.serial}, and print the records as text, or with C{+json} one object for each.
    """
    from twisted_ext.compat.transfers import zoneServersBehind

    if options.rrType == IXFR and options.serial is None:
        raise ExitError(USAGE, "IXFR needs the serial of the version that you have; write ixfr=2026112000")
    servers = zoneServersBehind(upstream.source)
    if not servers and (options.encryption or isURL(options.target)):
        raise ExitError(USAGE, f"@{options.target}: zones are transferred over TCP or TLS only; write @tls://192.0.2.53 or @192.0.2.53")
    if not servers:
        raise ExitError(USAGE, f"@{options.target} is not a server that can transfer zones; write one such as @192.0.2.53")
    began = reactor.seconds()
    flags = options.flags
    write = sys.stdout.write
    if flags["cmd"] and options.first and not (flags["json"] or flags["short"]):
        write("\n".join(greeting(" ".join(options.words), Palette(False), options.servers)) + "\n")
    try:
        records = await _transferred(reactor, servers, options, key, began + max(_PATIENCE, options.seconds * options.tries))
    except DNSFault as fault:
        if not (flags["json"] or flags["short"]):
            write("; Transfer failed.\n")
            sys.stdout.flush()
        complain(f"txdns query: {fault}")
        return OK if isinstance(fault, ServerFailed) else NO_REPLY
    size = len(records)
    if flags["onesoa"]:
        del records[-1:]
    if flags["json"]:
        for each in dataOfRecords(tuple(records)):
            write(dumps(each) + "\n")
    elif flags["short"]:
        for record in records:
            write(dataText(record, flags) + "\n")
    else:
        palette = paletteFor(sys.stdout, flags["color"])
        shown = records if flags["answer"] else []
        text = "".join([f"{line}\n" for line in linesOfRecords(shown, flags, palette, bool(flags["idnout"]))])
        if not encodable(text, sys.stdout):
            text = "".join([f"{line}\n" for line in linesOfRecords(shown, flags, palette, False)])
        write(text)
        if flags["stats"]:
            way = "TCP" if all(each.tls is None for each in servers) else "TLS"
            write(f";; Query time: {timeText(reactor.seconds() - began, options.microseconds, 'msec', 'usec')}\n")
            names = [f"{each.server.address}#{each.server.port}({each.server.address})" for each in servers]
            write(f";; SERVER: {', '.join(names)} ({way})\n")
            write(f";; WHEN: {datetime.now().astimezone():%a %b %d %H:%M:%S %Z %Y}\n")
            write(f";; XFR size: {size} records\n\n")
    sys.stdout.flush()
    return OK


async def _transferred(
    reactor: IReactorTime, servers: list[ZoneServer], options: QueryOptions, key: Key | None, deadline: float
) -> list[RRSet]:
    """
    Return the records in the order of the transfer, one record in each set, with the SOA record at both ends.
    """
    from twisted_ext.resolver.lookup.transfer import transferZone
    from twisted_ext.transport.tls.links import connectorTo
    from twisted_ext.transport.transfer import fetchZone
    from twisted_ext.zone.transfer.receiver import TransferKind

    if options.rrType == AXFR and key is None and options.local is None:
        records = await transferZone(reactor, servers, options.name, deadline, lambda text: complain(f"txdns query: {text}"))
        return [*records, records[0]]
    soa = None
    if options.rrType == IXFR and options.serial is not None:
        soa = RRSet(options.name, SOA, 1, 0, (ROOT + ROOT + options.serial.to_bytes(4, "big") + bytes(16),))
    fault: DNSFault | None = None
    for each in servers:
        left = max(0.0, deadline - reactor.seconds())
        local = None if options.local is None else (options.local, options.localPort)
        try:
            received = await fetchZone(
                reactor, each.server, options.name, key=key or each.key, soa=soa, edns=False, most=TRANSFER_OCTETS.default,
                begin=min(left, options.seconds * options.tries), seconds=left, local=local,
                connect=connectorTo(reactor, each.server, each.tls, name=each.name, local=local),
            )  # fmt: skip
        except DNSFault as error:
            fault = error
            continue
        if received.strangers.count:
            complain(f"txdns query: {each.server.label}: {received.strangers} outside of the zone are left out")
        assert received.soa is not None
        if received.kind is TransferKind.CURRENT:
            return [received.soa]
        if received.kind is TransferKind.CHANGES:
            changed = [received.soa]
            for difference in received.differences:
                for sets in ((difference.before, *difference.removed), (difference.after, *difference.added)):
                    changed += eachRecord(sets)
            return [*changed, received.soa]
        return [*received.records, received.records[0]]
    assert fault is not None
    raise fault
