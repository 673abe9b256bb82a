"""
C{txdns notify}: sends NOTIFY messages for a zone to servers.
"""

from __future__ import annotations

from time import time
from typing import TYPE_CHECKING, Final

from twisted_ext.apps.cli.remote.args import RemoteWords
from twisted_ext.apps.cli.terminal.exits import DECLINED, NO_REPLY, OK, complain
from twisted_ext.apps.cli.terminal.run import runUntilDone
from twisted_ext.errors import DNSFault, ServerFailed
from twisted_ext.wire.names import ROOT
from twisted_ext.wire.records import RRSet
from twisted_ext.wire.rrtypes import SOA

if TYPE_CHECKING:
    from twisted.internet.interfaces import IReactorTime

__all__ = ["main"]

HELP: Final = """\
Usage: txdns notify ZONE @SERVER ... [-p PORT] [-k FILE | -y [ALGORITHM:]NAME:SECRET]
                    [-s SERIAL] [-t SECONDS]

Notifies servers that a zone has changed, so that they check for a new version (RFC 1996). They
do so if this machine is allowed to notify them, and fetch the zone from their own primaries.

  txdns notify example.org @192.0.2.54 @192.0.2.55
  txdns notify example.org @192.0.2.54:5353 -k transfer.key -s 2026112001

  @SERVER       an address, with or without a port
  -p PORT       the port of servers that are given without one
  -k FILE       a file with the TSIG key, as tsig-keygen writes it
  -y ...        the key itself, which other users of this machine can see
  -s SERIAL     the new serial, as a hint
  -t SECONDS    how long to wait for each confirmation (5); in this time there are three attempts

Exit codes: 0 all servers have confirmed it; 1 wrong usage; 2 a server declined; 9 a server did
not reply.
"""

_SECONDS: Final = 5
_TRIES: Final = 3


def main(words: list[str]) -> int:
    """
    Run the command with its arguments, and return the exit code.
    """
    if any(word in ("-h", "--help") for word in words):
        print(HELP, end="")
        return OK
    said = RemoteWords("notify", words, ("-s", "-t"))
    serial = said.number("-s", 0, 0xFFFFFFFF, -1)
    seconds = said.number("-t", 1, 600, _SECONDS)
    soa = None if serial < 0 else RRSet(said.zone, SOA, 1, 0, (ROOT + ROOT + serial.to_bytes(4, "big") + bytes(16),))

    async def begin(reactor: IReactorTime) -> int:
        from twisted_ext.server.transfer.notify import notify
        from twisted_ext.server.transfer.udpexchange import MessageSender

        code = OK
        sender = MessageSender(reactor)
        telling = [
            notify(sender, remote, said.zone, soa, wait=seconds / (2**_TRIES - 1), tries=_TRIES, today=time) for remote in said.remotes
        ]
        for remote, told in zip(said.remotes, telling, strict=True):
            try:
                await told
                print(f"{remote.server.label} has confirmed it")
            except DNSFault as fault:
                complain(f"txdns notify: {fault}")
                code = max(code, DECLINED if isinstance(fault, ServerFailed) else NO_REPLY)
        return code

    return runUntilDone(begin)
