"""
C{txdns query ZONE AXFR}: a whole zone, in the manner of dig.
"""

from __future__ import annotations

import sys
from datetime import datetime
from json import dumps
from typing import TYPE_CHECKING, Final

from twisted_ext.apps.cli.coloring import encodable, paletteFor
from twisted_ext.apps.cli.exits import NO_REPLY, OK, USAGE, Ending, complain
from twisted_ext.apps.cli.rendering import dataOfRecords, linesOfRecords
from twisted_ext.errors import DNSFault, ServerFailed
from twisted_ext.wire.escapes import printable
from twisted_ext.wire.rrtypes import IXFR

if TYPE_CHECKING:
    from twisted.internet.interfaces import IReactorTime

    from twisted_ext.apps.cli.arguments import Wishes
    from twisted_ext.apps.cli.upstream import Upstream

__all__ = ["showZone"]

#: Seconds that a transfer gets at least.
_PATIENCE: Final = 60.0


async def showZone(reactor: IReactorTime, upstream: Upstream, wishes: Wishes) -> int:
    """
    Transfer the zone and print it: its records as text, or with C{+json} one object for each.

    @return: the exit code.

    @raise Ending: this cannot be transferred from there.
    """
    from twisted_ext.edges.resolution.transfers import serversBehind
    from twisted_ext.resolver.transferring import transferZone

    if wishes.rrType == IXFR:
        raise Ending(USAGE, "IXFR: zones are transferred whole by this command; write AXFR")
    servers = serversBehind(upstream.source)
    if not servers:
        raise Ending(USAGE, f"@{wishes.target}: no server that a zone could be transferred from is behind this")
    began = reactor.seconds()
    flags = wishes.flags
    write = sys.stdout.write
    if flags["cmd"] and not (flags["json"] or flags["short"]):
        write(f"\n; <<>> txdns <<>> {printable(' '.join(wishes.words))}\n;; global options: +cmd\n")
    try:
        records = await transferZone(reactor, servers, wishes.name, began + max(_PATIENCE, wishes.seconds * wishes.tries))
    except DNSFault as fault:
        if not (flags["json"] or flags["short"]):
            write("; Transfer failed.\n")
            sys.stdout.flush()
        complain(f"txdns query: {fault}")
        return OK if isinstance(fault, ServerFailed) else NO_REPLY
    # The SOA record ends a zone as it begins it.
    records.append(records[0])
    if flags["json"] or flags["short"]:
        for each in dataOfRecords(tuple(records)):
            write((dumps(each) if flags["json"] else str(each["data"])) + "\n")
    else:
        palette = paletteFor(sys.stdout, flags["color"])
        text = "\n".join(linesOfRecords(records, flags, palette, bool(flags["idnout"]))) + "\n"
        if not encodable(text, sys.stdout):
            text = "\n".join(linesOfRecords(records, flags, palette, False)) + "\n"
        write(text)
        if flags["stats"]:
            write(f";; Query time: {(reactor.seconds() - began) * 1000:.0f} msec\n")
            write(f";; SERVER: {', '.join([server.label for server in servers])} (TCP)\n")
            write(f";; WHEN: {datetime.now().astimezone():%a %b %d %H:%M:%S %Z %Y}\n")
            write(f";; XFR size: {len(records)} records\n\n")
    sys.stdout.flush()
    return OK
