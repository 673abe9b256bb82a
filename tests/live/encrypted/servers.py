"""
Servers of other projects, as live peers with listeners for DNS over TLS and HTTPS. Each has an address for all names below test.example.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.live.encrypted.programs import Program, textOf
from tests.live.encrypted.serving import ADDRESS, Encrypted
from tests.peers import LivePeer, bind, freePort, nsd, unbound

__all__ = ["SERVERS", "Served", "bindServer", "kresdServer", "nsdServer", "unboundServer"]

_ZONE: Final = f"""\
$ORIGIN test.example.
$TTL 300
@    SOA  ns admin 1 3600 900 604800 300
@    NS   ns
ns   A    192.0.2.1
*    A    {ADDRESS}
"""


@dataclass(frozen=True)
class Served:
    """
    A server, not yet started.

    @ivar ports: its ports by transport.
    """

    peer: LivePeer
    ports: Mapping[str, int]


def _ports(*transports: str) -> dict[str, int]:
    return {transport: freePort("127.0.0.1") for transport in transports}


def unboundServer(pair: Path, *transports: str) -> Served:
    """
    Return Unbound, which has HTTP/2 by nghttp2.

    @param pair: the file of its key and certificate.
    @param transports: C{"tls"}, C{"https"}, or both.
    """
    ports = _ports(*transports)
    lines = [f"tls-service-key: {pair}", f"tls-service-pem: {pair}", "edns-tcp-keepalive: yes", 'module-config: "iterator"']
    for transport, port in ports.items():
        lines += [f"interface: 127.0.0.1@{port}", f"{transport}-port: {port}"]
    local = ['local-zone: "test.example" redirect', f'local-data: "test.example A {ADDRESS}"']
    return Served(unbound(extra=textOf(*lines, *local)), ports)


def nsdServer(pair: Path) -> Served:
    """
    Return NSD.
    """
    ports = _ports("tls")
    extra = f"ip-address: 127.0.0.1@{ports['tls']}\ntls-port: {ports['tls']}\ntls-service-key: {pair}\ntls-service-pem: {pair}"
    return Served(nsd({"test.example": _ZONE}, extra=extra), ports)


def bindServer(pair: Path) -> Served:
    """
    Return BIND, which has HTTP/2 by nghttp2.
    """
    ports = _ports("tls", "https")
    lines = [
        f"listen-on port {ports['tls']} tls pair {{ 127.0.0.1; }};",
        f"listen-on port {ports['https']} tls pair http default {{ 127.0.0.1; }};",
        # The statement after the options ends as they do.
        "};",
        f'tls pair {{ cert-file "{pair}"; key-file "{pair}";',
    ]
    return Served(bind({"test.example": _ZONE}, extra="\n".join(lines)), ports)


def kresdServer(pair: Path) -> Served:
    """
    Return Knot Resolver, which has HTTP/2 by nghttp2.
    """
    ports = _ports("tls", "https")

    def configure(peer: LivePeer) -> str:
        return textOf(
            f"net.listen('127.0.0.1', {peer.port}, {{ kind = 'dns' }})",
            f"net.listen('127.0.0.1', {ports['tls']}, {{ kind = 'tls' }})",
            f"net.listen('127.0.0.1', {ports['https']}, {{ kind = 'doh2' }})",
            f"net.tls('{pair}', '{pair}')",
            "trust_anchors.remove('.')",
            "modules.unload('ta_update')",
            "modules.unload('priming')",
            "cache.size = 10*MB",
            f"policy.add(policy.all(policy.ANSWER({{ [kres.type.A] = {{ rdata=kres.str2ip('{ADDRESS}'), ttl=300 }} }})))",
        )

    return Served(LivePeer("kresd", ["--noninteractive", "--quiet"], configure, "127.0.0.1", {}), ports)


def _dnsdist(pair: Path) -> Served:
    ports = _ports("tls", "https")

    def configure(peer: LivePeer) -> str:
        return textOf(
            f"setLocal('127.0.0.1:{peer.port}')",
            "setACL('127.0.0.0/8')",
            f"addTLSLocal('127.0.0.1:{ports['tls']}', '{pair}', '{pair}', {{ provider = 'openssl' }})",
            f"addDOHLocal('127.0.0.1:{ports['https']}', '{pair}', '{pair}', '/dns-query')",
            "addAction(QTypeRule(DNSQType.SOA), RCodeAction(DNSRCode.REFUSED))",
            f"addAction(AllRule(), SpoofAction('{ADDRESS}'))",
        )

    words = ["--supervised", "--disable-syslog", "-C"]
    return Served(Program("dnsdist", lambda peer: [*words, peer.folder / "server.conf"], configure), ports)


def _dnss(server: Encrypted) -> Served:
    ports = _ports("https")
    place, pair = f"127.0.0.1:{ports['https']}", server.trust.pair

    def words(peer: LivePeer) -> list[str | Path]:
        return [
            *("-enable_https_to_dns", "-https_server_addr", place, "-https_cert", pair, "-https_key", pair),
            *("-dns_upstream", f"127.0.0.1:{server.port}"),
            # It answers in the clear as well, by its own listener, so that it is known when that is ready.
            *("-enable_dns_to_https", "-enable_cache=false", "-dns_listen_addr", f"127.0.0.1:{peer.port}"),
            *("-https_upstream", f"https://{place}/dns-query", "-https_client_cafile", server.trust.ca),
        ]

    return Served(Program("dnss", words, lambda _: ""), ports)


#: Each program, with its transports. What they are started with is our server, whose certificate they show; dnss asks it as well.
SERVERS: Final[Mapping[str, tuple[tuple[str, ...], Callable[[Encrypted], Served]]]] = {
    "unbound": (("tls", "https"), lambda server: unboundServer(server.trust.pair, "tls", "https")),
    "nsd": (("tls",), lambda server: nsdServer(server.trust.pair)),
    "bind": (("tls", "https"), lambda server: bindServer(server.trust.pair)),
    "kresd": (("tls", "https"), lambda server: kresdServer(server.trust.pair)),
    "dnsdist": (("tls", "https"), lambda server: _dnsdist(server.trust.pair)),
    "dnss": (("https",), _dnss),
}
