"""
C{txdns transfer}: transfers a zone, or the changes to it, from a server.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from io import TextIOWrapper
from typing import TYPE_CHECKING, Final, TextIO

from twisted_ext.apps.cli.remote.args import KEY, KEY_FILE, PORT, TLS, zoneAndServers
from twisted_ext.apps.cli.terminal.arguments import Arguments, Option, whole
from twisted_ext.apps.cli.terminal.exits import DECLINED, NO_REPLY, OK, complain, fileErrors
from twisted_ext.apps.cli.terminal.run import runUntilDone
from twisted_ext.errors import BadMessage, BudgetSpent, DNSFault, ServerFailed
from twisted_ext.files import replacingFile
from twisted_ext.wire.message import Message
from twisted_ext.wire.names import ROOT, nameToText
from twisted_ext.wire.rdata.registry import rdataToText
from twisted_ext.wire.records import RRSet, eachRecord
from twisted_ext.wire.rrtypes import SOA, typeName

if TYPE_CHECKING:
    from twisted.internet.interfaces import IReactorTime

    from twisted_ext.server.config.keys import RemoteServer
    from twisted_ext.zone.transfer.receiver import TransferReceiver

__all__ = ["ARGUMENTS", "main"]

_HELP: Final = """\
Usage: txdns transfer ZONE @SERVER [-p PORT] [-k FILE | -y [ALGORITHM:]NAME:SECRET]
                      [--tls-...] [-i SERIAL] [-o FILE]

Fetches a zone from a server (AXFR) and prints it as a master file.

  txdns transfer example.org @192.0.2.53
  txdns transfer example.org @tls://192.0.2.53#ns1.example.org    over TLS, and nothing else
  txdns transfer example.org @192.0.2.53 -k transfer.key -o example.org.zone
  txdns transfer example.org @192.0.2.53 -i 2026112000    the changes since this serial

{options}

A summary of the transfer is written to the standard error.

Exit codes: 0 transferred; 1 wrong usage; 2 a server declined; 8 FILE cannot be written or the
key cannot be read; 9 no server replied.
"""


_SERVER: Final = Option(
    "@SERVER",
    "an address, with or without a port, or tls://ADDRESS#NAME; if there are several, the next is tried when one fails",
    "",
    str,
    what="a server, such as 192.0.2.53",
)
_SERIAL: Final = Option[int | None](
    "-i SERIAL",
    "fetch the changes since this serial (IXFR): - marks removed records, + added ones; a server that does not have the changes sends"
    " the whole zone",
    None,
    whole(0, 0xFFFFFFFF),
    what="a serial",
)
_OUTPUT: Final = Option(
    "-o FILE", "write to this file; its former content stays until the transfer is complete", "", str, what="a file"
)

ARGUMENTS: Final = Arguments(_HELP, _SERVER, PORT, KEY_FILE, KEY, *TLS, _SERIAL, _OUTPUT)


def main(words: list[str]) -> int:
    given = ARGUMENTS.parse(words)
    zone, remotes = zoneAndServers(given, _SERVER, "transfer")

    async def begin(reactor: IReactorTime) -> int:
        code = NO_REPLY
        for remote in remotes:
            try:
                await _transfer(reactor, remote, zone, given[_SERIAL], given[_OUTPUT])
                return OK
            except DNSFault as fault:
                complain(f"txdns transfer: {fault}")
                declined = isinstance(fault, ServerFailed | BadMessage | BudgetSpent)
                code = DECLINED if declined else code
        return code

    return runUntilDone(begin)


async def _transfer(reactor: IReactorTime, remote: RemoteServer, zone: bytes, serial: int | None, path: str) -> None:
    from twisted_ext.transport.tls.links import connectorTo
    from twisted_ext.transport.transfer import fetchZone
    from twisted_ext.zone.transfer.receiver import TransferKind

    kept: list[bytes] = []
    began = reactor.seconds()
    soa: RRSet | None = None
    if serial is not None:
        numbers = serial.to_bytes(4, "big") + bytes(16)
        soa = RRSet(zone, SOA, 1, 0, (ROOT + ROOT + numbers,))
    connect = connectorTo(reactor, remote.server, remote.tls)
    received = await fetchZone(reactor, remote.server, zone, kept.append, key=remote.key, soa=soa, connect=connect)
    took = reactor.seconds() - began
    if received.strangers.count:
        complain(f"{remote.server.label}: {received.strangers} outside of the zone are left out")
    if received.kind is TransferKind.CHANGES:
        lines = _changes(received)
    elif received.kind is TransferKind.CURRENT:
        lines = iter(())
    else:
        lines = _records(kept)
    count = _written(lines, path)
    complain(
        f"{nameToText(zone)} {received.serial}: {received.kind.value}, {count} records, {received.octets} octets in {received.messages}"
        f" messages, {took:.3f} s from {remote.server.label}"
    )


def _line(record: RRSet) -> str:
    data = rdataToText(record.rrType, record.rdatas[0])
    return f"{nameToText(record.name)}\t{record.ttl}\tIN\t{typeName(record.rrType)}\t{data}"


def _records(messages: list[bytes]) -> Iterator[str]:
    """
    Return a line for each record, with the SOA record only once.
    """
    begun = False
    for octets in messages:
        for record in Message.fromWire(octets).records()[0]:
            if record.rrType != SOA or not begun:
                yield _line(record)
            begun = True


def _changes(received: TransferReceiver) -> Iterator[str]:
    for difference in received.differences:
        for mark, sets in (("-", (difference.before, *difference.removed)), ("+", (difference.after, *difference.added))):
            for record in eachRecord(sets):
                yield f"{mark} {_line(record)}"


def _written(lines: Iterator[str], path: str) -> int:
    if not path:
        return _write(lines, sys.stdout)
    with fileErrors(f"-o {path}"), replacingFile(path) as file:
        text = TextIOWrapper(file, encoding="utf-8")
        count = _write(lines, text)
        # Flush, but leave closing the file to replacingFile.
        text.detach()
    return count


def _write(lines: Iterator[str], file: TextIO) -> int:
    count = 0
    for line in lines:
        file.write(line + "\n")
        count += 1
    return count
