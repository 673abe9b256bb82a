"""
C{txdns query +trace}: follows delegations from the root. C{+nssearch}: queries each server of a zone for its SOA record.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from ipaddress import ip_address
from json import dumps
from typing import Final

from twisted.internet.interfaces import IReactorTime

from twisted_ext.answers import QueryContext
from twisted_ext.apps.cli.query.args import QueryOptions
from twisted_ext.apps.cli.query.direct import DirectSource, Exchange
from twisted_ext.apps.cli.query.formats import dataOfRecords, greeting, linesOfRecords, timeText
from twisted_ext.apps.cli.query.recordtext import dataText
from twisted_ext.apps.cli.terminal.colors import paletteFor
from twisted_ext.apps.cli.terminal.exits import NO_REPLY, OK, complain
from twisted_ext.apps.cli.terminal.upstream import CommandUpstream
from twisted_ext.drawing.palette import Palette
from twisted_ext.errors import DNSFault
from twisted_ext.resolver.ask import lookUp
from twisted_ext.transport.servers import DNS_PORT, Server
from twisted_ext.wire.codes import AA, rcodeName
from twisted_ext.wire.message import Message, Question
from twisted_ext.wire.names import ROOT, isBelow, nameToText
from twisted_ext.wire.records import RRSet, eachRecord
from twisted_ext.wire.rrtypes import AAAA, NS, SOA, A

__all__ = ["ROOT_SERVERS", "showServers", "showTrace"]

#: Addresses of the root servers (IANA's root hints), used if no server returns them.
ROOT_SERVERS: Final = (
    "198.41.0.4", "170.247.170.2", "192.33.4.12", "199.7.91.13", "192.203.230.10", "192.5.5.241", "192.112.36.4", "198.97.190.53",
    "192.36.148.17", "192.58.128.30", "193.0.14.129", "199.7.83.42", "202.12.27.33",
    "2001:503:ba3e::2:30", "2801:1b8:10::b", "2001:500:2::c", "2001:500:2d::d", "2001:500:a8::e", "2001:500:2f::f", "2001:500:12::d0d",
    "2001:500:1::53", "2001:7fe::53", "2001:503:c27::2:30", "2001:7fd::1", "2001:500:9f::42", "2001:dc3::35",
)  # fmt: skip

#: The maximum number of delegations to follow: that of the labels in a name.
_MOST_STEPS: Final = 127

#: The maximum number of a zone's servers whose addresses are looked up if a referral has none.
_MOST_HOSTS: Final = 13


class _Walk:
    """
    The sources that both commands use: one for queries to the servers of zones, one to look up their addresses.
    """

    def __init__(self, reactor: IReactorTime, upstream: CommandUpstream, direct: DirectSource, options: QueryOptions) -> None:
        self.direct = direct
        self.options = options
        self._reactor = reactor
        self._upstream = upstream
        self._port = options.port or DNS_PORT
        self.names: dict[Server, str] = {}

    def named(self, server: Server) -> str:
        """
        Return the name of a server, or its address if it has none that is known.
        """
        return self.names.get(server, server.address)

    async def addresses(self, hosts: Iterable[bytes], additional: Sequence[RRSet] = ()) -> list[Server]:
        """
        Return the servers with these names. If C{additional} has no address of any of them, look the addresses up.
        """
        names = list(dict.fromkeys([host.lower() for host in hosts]))
        found: list[Server] = []
        for name in names:
            found += self._note(name, self._servers(name, additional))
        for name in [] if found else names[:_MOST_HOSTS]:
            for rrType in (A, AAAA):
                try:
                    answer = await self.lookUp(Question(name, rrType))
                except DNSFault:
                    continue
                found += self._note(name, self._servers(name, answer, anyOwner=True))
            if found and self.options.flags["trace"]:
                break
        return found

    def _note(self, name: bytes, servers: list[Server]) -> list[Server]:
        text = nameToText(name).rstrip(".")
        self.names.update(dict.fromkeys(servers, text))
        return servers

    def _servers(self, name: bytes, records: Sequence[RRSet], anyOwner: bool = False) -> list[Server]:
        family = self.options.family
        return [
            Server(str(ip_address(rdata)), self._port)
            for rrset in records
            if rrset.rrType in (A, AAAA) and (anyOwner or rrset.name.lower() == name)
            if family == 0 or (family == 6) == (rrset.rrType == AAAA)
            for rdata in rrset.rdatas
        ]

    async def lookUp(self, question: Question) -> tuple[RRSet, ...]:
        deadline = self._reactor.seconds() + self.options.seconds * self.options.tries
        return (await lookUp(self._upstream.source, question, QueryContext(deadline))).answer


async def showTrace(reactor: IReactorTime, upstream: CommandUpstream, direct: DirectSource, options: QueryOptions) -> int:
    """
    Query the root servers, follow each referral down to the answer, and print each step. The root servers are those that C{@SERVER} or the
    system's servers return; if they return none, the built-in ones.
    """
    walk = _Walk(reactor, upstream, direct, options)
    flags = options.flags
    if options.first and flags["cmd"] and not (flags["json"] or flags["short"]):
        print("\n".join(greeting(" ".join(options.words), Palette(False), options.servers)))
    from twisted_ext.compat.transfers import serversBehind

    servers: list[Server] = []
    try:
        begun = await direct.exchange(Question(ROOT, NS), serversBehind(upstream.source))
    except DNSFault as fault:
        complain(f"txdns query: {fault}; using the built-in addresses of the root servers")
    else:
        roots = [rrset for rrset in (*begun.reply.answer, *begun.reply.authority) if rrset.rrType == NS and rrset.name == ROOT]
        _show(begun, roots, options, walk.named(begun.server))
        hosts = [rdata for rrset in roots for rdata in rrset.rdatas]
        servers = await walk.addresses(hosts, begun.reply.additional)
    if not servers:
        port = options.port or DNS_PORT
        known = [Server(address, port) for address in ROOT_SERVERS]
        servers = [server for server in known if not options.family or (options.family == 6) == (":" in server.address)]
    # Authoritative servers need no RD.
    flags["recurse"] = False
    question = Question(options.name, options.rrType, options.rrClass)
    zone = b""
    for _ in range(_MOST_STEPS):
        try:
            done = await direct.exchange(question, servers)
        except DNSFault as fault:
            complain(f"txdns query: {fault}")
            return NO_REPLY
        referral = _referral(done.reply, options.name)
        if referral is None:
            _show(done, (*done.reply.answer, *done.reply.authority), options, walk.named(done.server), last=True)
            return OK
        _show(done, done.reply.authority, options, walk.named(done.server))
        if zone and not (len(referral.name) > len(zone) and isBelow(referral.name.lower(), zone)):
            complain(f"txdns query: {done.server.label} refers to {nameToText(referral.name)}, which is not below its zone; stopped")
            return OK
        zone = referral.name.lower()
        servers = await walk.addresses(referral.rdatas, done.reply.additional)
        if not servers:
            complain(f"txdns query: no address found for any server of {nameToText(zone)}")
            return NO_REPLY
    complain(f"txdns query: {nameToText(options.name)} has more than {_MOST_STEPS} delegations above it")
    return NO_REPLY


def _referral(reply: Message, name: bytes) -> RRSet | None:
    """
    Return the NS records of a referral, or L{None} if the reply is the answer.
    """
    if reply.rcode or reply.answer or reply.flags & AA:
        return None
    for rrset in reply.authority:
        if rrset.rrType == NS and isBelow(name.lower(), rrset.name.lower()):
            return rrset
    return None


def _show(done: Exchange, records: Sequence[RRSet], options: QueryOptions, name: str, last: bool = False) -> None:
    """
    @param name: that of the server, or its address.
    """
    flags = options.flags
    write = sys.stdout.write
    if flags["json"]:
        data = {
            "server": done.server.label,
            "name": name,
            "rcode": rcodeName(done.reply.rcode),
            "milliseconds": round(done.seconds * 1000, 3),
            "records": dataOfRecords(tuple(records)),
        }
        write(dumps(data) + "\n")
    elif flags["short"]:
        for record in eachRecord(done.reply.answer) if last else ():
            write(dataText(record, flags) + "\n")
    else:
        palette = paletteFor(sys.stdout, flags["color"])
        for line in linesOfRecords(records, flags, palette, bool(flags["idnout"])):
            write(line + "\n")
        if last and done.reply.rcode:
            write(palette.comment(f";; status: {rcodeName(done.reply.rcode)}") + "\n")
        size = len(done.reply.wire)
        where = f"{done.server.address}#{done.server.port}({name})"
        write(palette.comment(f";; Received {size} bytes from {where} in {timeText(done.seconds, options.microseconds)}") + "\n\n")
    sys.stdout.flush()


async def showServers(reactor: IReactorTime, upstream: CommandUpstream, direct: DirectSource, options: QueryOptions) -> int:
    """
    Query each server of a zone for its SOA record, and print one line for each server, to show which of them lag behind.
    """
    walk = _Walk(reactor, upstream, direct, options)
    try:
        answer = await walk.lookUp(Question(options.name, NS, options.rrClass))
        hosts = [rdata for rrset in answer if rrset.rrType == NS for rdata in rrset.rdatas]
        servers = await walk.addresses(hosts)
    except DNSFault as fault:
        complain(f"txdns query: {fault}")
        return NO_REPLY
    if not servers:
        complain(f"txdns query: {nameToText(options.name)} has no name servers with an address; +nssearch needs the name of a zone")
        return OK
    options.flags["recurse"] = False
    replied = False
    for server in dict.fromkeys(servers):
        try:
            done = await direct.exchange(Question(options.name, SOA, options.rrClass), [server])
        except DNSFault as fault:
            complain(f"txdns query: {fault}")
            continue
        replied = True
        found = next((rrset for rrset in done.reply.answer if rrset.rrType == SOA), None)
        took = timeText(done.seconds, options.microseconds)
        if options.flags["json"]:
            soa = dataText(found, options.flags) if found is not None else None
            said = {"server": server.label, "rcode": rcodeName(done.reply.rcode), "soa": soa, "milliseconds": round(done.seconds * 1000, 3)}
            sys.stdout.write(dumps(said) + "\n")
        elif found is None:
            sys.stdout.write(f"{rcodeName(done.reply.rcode)} from server {server.address} in {took}.\n")
        else:
            sys.stdout.write(f"SOA {dataText(found, options.flags)} from server {server.address} in {took}.\n")
        sys.stdout.flush()
    return OK if replied else NO_REPLY
