"""
A program that sends the same queries by all transports with dnspython, and prints what came back. It runs in a process of its own, because
dnspython leaves sockets open.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping
from typing import Final

import dns.edns
import dns.flags
import dns.message
import dns.opcode
import dns.query
import dns.rcode

__all__ = ["QUERIES", "TRANSPORTS"]

TRANSPORTS: Final = ("udp", "tcp", "tls", "https get", "https post", "quic")

#: Each query as a function, since a message is changed by sending it.
QUERIES: Final[Mapping[str, Callable[[], dns.message.Message]]] = {
    "plain": lambda: _query(edns=False),
    "norec": lambda: _query(edns=False, clear=dns.flags.RD),
    "edns": lambda: _query(),
    "edns100": lambda: _query(edns=100),
    "ednsopt": lambda: _query(options=[_option(100, b"")]),
    "ednsopt with data": lambda: _query(options=[_option(100, b"\x01\x02")]),
    "ednsflags": lambda: _query(ednsflags=0x80),
    "do": lambda: _query(ednsflags=dns.flags.DO),
    "edns100opt": lambda: _query(edns=100, options=[_option(100, b"")]),
    "type666": lambda: _query(rrType="TYPE666"),
    "opcode15": lambda: _query(edns=False, opcode=15),
    "header only": lambda: _headerOnly(),
    "z": lambda: _query(edns=False, extra=0x40),
    "ad": lambda: _query(edns=False, extra=dns.flags.AD),
    "cd": lambda: _query(edns=False, extra=dns.flags.CD),
    "tc": lambda: _query(edns=False, extra=dns.flags.TC),
    "rd": lambda: _query(edns=False, extra=dns.flags.RD),
    "ra": lambda: _query(edns=False, extra=dns.flags.RA),
    "aa": lambda: _query(edns=False, extra=dns.flags.AA),
    "cookie": lambda: _query(options=[dns.edns.CookieOption(b"12345678", b"")]),
    "short cookie": lambda: _query(options=[_option(10, b"1234")]),
    "nsid": lambda: _query(options=[_option(3, b"")]),
    "client subnet": lambda: _query(options=[dns.edns.ECSOption("192.0.2.0", 24)]),
    "nothing": lambda: _query("nothing.ns.test.example"),
    "other type": lambda: _query("www.test.example", "AAAA"),
    "address": lambda: _query("www.test.example", "A"),
    "mixed case": lambda: _query("wWw.test.ExAmPlE", "A"),
    "not ours": lambda: _query("example.net", "A"),
    "other class": lambda: _query("version.bind", "TXT", rrClass="CH"),
    "any": lambda: _query("test.example", "ANY"),
    "long": lambda: _query("long.test.example", "TXT"),
    "long, small": lambda: _query("long.test.example", "TXT", ednsflags=dns.flags.DO, payload=512),
    "transfer of no zone": lambda: _query("example.net", "AXFR"),
}


def _option(number: int, data: bytes) -> dns.edns.Option:
    return dns.edns.GenericOption(dns.edns.OptionType.make(number), data)


def _query(
    name: str = "test.example",
    rrType: str = "SOA",
    *,
    edns: int | bool = 0,
    ednsflags: int = 0,
    options: list[dns.edns.Option] | None = None,
    payload: int = 1232,
    opcode: int = 0,
    clear: int = 0,
    extra: int = 0,
    rrClass: str = "IN",
) -> dns.message.Message:
    query = dns.message.make_query(name, rrType, rrClass)
    query.flags = dns.flags.Flag((query.flags & ~clear) | extra)
    query.set_opcode(dns.opcode.Opcode.make(opcode))
    if edns is not False:
        query.use_edns(int(edns), ednsflags, payload, options=options)
    return query


def _headerOnly() -> dns.message.Message:
    query = _query(edns=False, opcode=15)
    query.question = []
    return query


def _ask(transport: str, query: dns.message.Message, ports: Mapping[str, int], ca: str, name: str) -> dns.message.Message:
    host = "127.0.0.1"
    if transport == "udp":
        return dns.query.udp(query, host, 10, ports["plain"])
    if transport == "tcp":
        return dns.query.tcp(query, host, 10, ports["plain"])
    if transport == "tls":
        return dns.query.tls(query, host, 10, ports["tls"], verify=ca, server_hostname=name)
    if transport == "quic":
        return dns.query.quic(query, host, 10, ports["quic"], verify=ca, server_hostname=name)
    url = f"https://{name}:{ports['https']}/dns-query"
    return dns.query.https(
        query, url, 10, post=transport.endswith("post"), verify=ca, bootstrap_address=host, http_version=dns.query.HTTPVersion.HTTP_2
    )


def _text(reply: dns.message.Message) -> dict[str, object]:
    """
    Return what clients see, but for what differs from one reply to the next: padding, and the server's part of a cookie.
    """
    options = [f"{option.otype}: {option.to_wire()!r}" for option in reply.options if option.otype not in (10, 12)]
    options += [f"cookie for {(option.to_wire() or b'')[:8]!r}" for option in reply.options if option.otype == 10]
    return {
        "rcode": dns.rcode.to_text(reply.rcode()),
        "opcode": int(reply.opcode()),
        "flags": dns.flags.to_text(reply.flags) + (" Z" if reply.flags & 0x40 else ""),
        "edns": [reply.edns, reply.ednsflags & 0xFFFF, reply.payload, options],
        "sections": [sorted(str(rrset) for rrset in section) for section in reply.sections],
    }


def main() -> None:
    """
    Read ports, authority and name from the arguments, and print the replies by query and transport.
    """
    ports: dict[str, int] = json.loads(sys.argv[1])
    found: dict[str, dict[str, object]] = {}
    for title, make in QUERIES.items():
        for transport in TRANSPORTS:
            try:
                reply: object = _text(_ask(transport, make(), ports, sys.argv[2], sys.argv[3]))
            except Exception as error:
                reply = f"{type(error).__name__}: {error}"
            found.setdefault(title, {})[transport] = reply
    json.dump(found, sys.stdout)


if __name__ == "__main__":
    main()
