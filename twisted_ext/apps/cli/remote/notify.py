"""
C{txdns notify}: sends NOTIFY messages for a zone to servers.
"""

from __future__ import annotations

from time import time
from typing import Final

from twisted.internet.interfaces import IReactorTime

from twisted_ext.apps.cli.remote.args import KEY, KEY_FILE, PORT, TLS, zoneAndServers
from twisted_ext.apps.cli.terminal.arguments import Arguments, Option, whole
from twisted_ext.apps.cli.terminal.exits import DECLINED, NO_REPLY, OK, complain
from twisted_ext.apps.cli.terminal.run import runUntilDone
from twisted_ext.errors import DNSFault, ServerFailed
from twisted_ext.wire.names import ROOT
from twisted_ext.wire.records import RRSet
from twisted_ext.wire.rrtypes import SOA

__all__ = ["ARGUMENTS", "main"]

_HELP: Final = """\
Usage: txdns notify ZONE @SERVER ... [-p PORT] [-k FILE | -y [ALGORITHM:]NAME:SECRET]
                    [--tls-...] [-s SERIAL] [-t SECONDS]

Notifies servers that a zone has changed, so that they check for a new version (RFC 1996). They
do so if this machine is allowed to notify them, and fetch the zone from their own primaries.

  txdns notify example.org @192.0.2.54 @192.0.2.55
  txdns notify example.org @192.0.2.54:5353 -k transfer.key -s 2026112001

{options}

Exit codes: 0 all servers have confirmed it; 1 wrong usage; 2 a server declined; 9 a server did
not reply.
"""

_TRIES: Final = 3

_SERVER: Final = Option(
    "@SERVER", "an address, with or without a port, or tls://ADDRESS#NAME", "", str, what="a server, such as 192.0.2.54"
)
_SERIAL: Final = Option[int | None]("-s SERIAL", "the new serial, as a hint", None, whole(0, 0xFFFFFFFF), what="a serial")
_WAIT: Final = Option(
    "-t SECONDS", "how long to wait for each confirmation (5); in this time there are three attempts", 5, whole(1, 600)
)

ARGUMENTS: Final = Arguments(_HELP, _SERVER, PORT, KEY_FILE, KEY, *TLS, _SERIAL, _WAIT)


def main(words: list[str]) -> int:
    given = ARGUMENTS.parse(words)
    zone, remotes = zoneAndServers(given, _SERVER, "notify")
    serial, seconds = given[_SERIAL], given[_WAIT]
    soa = None if serial is None else RRSet(zone, SOA, 1, 0, (ROOT + ROOT + serial.to_bytes(4, "big") + bytes(16),))

    async def begin(reactor: IReactorTime) -> int:
        from twisted_ext.server.zones.transfer.notify import notify
        from twisted_ext.server.zones.transfer.udpexchange import MessageSender

        code = OK
        sender = MessageSender(reactor)
        telling = [
            notify(sender, remote, zone, soa, wait=seconds / (2**_TRIES - 1), tries=_TRIES, today=time) for remote in remotes
        ]
        for remote, told in zip(remotes, telling, strict=True):
            try:
                await told
                print(f"{remote.server.label} has confirmed it")
            except DNSFault as fault:
                complain(f"txdns notify: {fault}")
                code = max(code, DECLINED if isinstance(fault, ServerFailed) else NO_REPLY)
        await sender.close()
        return code

    return runUntilDone(begin)
