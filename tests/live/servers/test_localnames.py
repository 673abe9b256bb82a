"""
Names of a local network, compared with dnsmasq: the same settings, the same answers.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

import pytest

from tests.live.twistds import REPLY, Twistd
from tests.peers import LivePeer
from twisted_ext.testing.sources import questionOf
from twisted_ext.wire.builder import buildQuery
from twisted_ext.wire.codes import RD
from twisted_ext.wire.message import Message
from twisted_ext.wire.names import nameToText
from twisted_ext.wire.rdata.registry import rdataToText

#: Hosts files of both servers.
HOSTS: Final = (
    "192.0.2.11 foo.dev.lan\n192.0.2.12 nas nas.lan\n192.0.2.13 box\n2001:db8::13 box\n192.0.2.14 a.b.lan\n",
    "192.0.2.15 second.lan\n192.0.2.16 nas.lan\n2001:db8::15 second.lan\n",
)

#: The settings of dnsmasq, and ours for the same.
DNSMASQ: Final = """\
local=/lan/
domain=lan
expand-hosts
domain-needed
filter-AAAA
address=/dev.lan/192.0.2.1
host-record=rec.lan,192.0.2.20,2001:db8::20
txt-record=t.lan,hello
cname=alias.lan,nas.lan
max-ttl=40
"""
OURS: Final = (
    *("--local-domain", "lan", "--expand-hosts", "lan", "--domain-needed", "--filter-aaaa", "--max-ttl", "40", "--no-minimal-any"),
    *("--local", "dev.lan A 192.0.2.1", "--local", "*.dev.lan A 192.0.2.1"),
    *("--local", "rec.lan A 192.0.2.20", "--local", "rec.lan AAAA 2001:db8::20"),
    *("--local", "t.lan TXT hello", "--local", "alias.lan CNAME nas.lan"),
)

#: The upstream of both, also a dnsmasq.
UPSTREAM: Final = """\
host-record=both.example,192.0.2.80,2001:db8::80
host-record=six.example,2001:db8::81
host-record=up.lan,192.0.2.99
host-record=plain,192.0.2.99
txt-record=plain,hello
cname=long.example,both.example
local-ttl=3000
local=//
local=/example/
"""

#: What both are asked.
QUESTIONS: Final = (
    *[(name, kind) for name in ("dev.lan", "foo.dev.lan", "nas.lan", "box", "box.lan", "rec.lan") for kind in ("A", "AAAA", "TXT", "ANY")],
    *[(name, "A") for name in ("x.dev.lan", "a.b.dev.lan", "a.foo.dev.lan", "nas", "second.lan", "a.b.lan", "b.lan", "lan", "NAS.LAN")],
    *[(name, kind) for name in ("nope.lan", "up.lan", "deep.nope.lan") for kind in ("A", "AAAA", "TXT", "MX", "ANY")],
    *[(name, kind) for name in ("alias.lan", "second.lan") for kind in ("A", "AAAA", "CNAME")],
    *[("t.lan", kind) for kind in ("A", "AAAA", "TXT")],
    *[("lan", kind) for kind in ("AAAA", "NS", "MX")],
    *[("plain", kind) for kind in ("A", "AAAA", "TXT")],
    *[(f"{last}.2.0.192.in-addr.arpa", "PTR") for last in (11, 12, 13, 14, 15, 20)],
    *[(name, kind) for name in ("both.example", "long.example", "six.example") for kind in ("A", "AAAA")],
    *[("x.dev.lan", kind) for kind in ("AAAA", "TXT")],
    ("lan", "SOA"),
    ("nope.example", "A"),
)

#: Questions with other answers here, and why.
_ONE_FAMILY: Final = "ANY has the addresses of one family (RFC 8482), since Twisted's getHostByName asks for it and prefers IPv6"
_EXISTS: Final = "the name has an address, so it exists: NXDOMAIN would deny the address as well (RFC 8020)"
_APEX: Final = "the domain has an SOA record, for clients that look for the zone of a name"
ACCEPTED: Final = {
    ("box", "ANY"): _ONE_FAMILY,
    ("box.lan", "ANY"): _ONE_FAMILY,
    ("x.dev.lan", "AAAA"): _EXISTS,
    ("x.dev.lan", "TXT"): _EXISTS,
    ("lan", "SOA"): _APEX,
}


class Reply(NamedTuple):
    """
    What is compared of a reply.
    """

    rcode: int
    records: tuple[str, ...]
    ede: tuple[int, ...]


class Dnsmasq(LivePeer):
    """
    dnsmasq, whose C{-c} is not the configuration.
    """

    def __init__(self, text: str, **files: str) -> None:
        def configure(server: LivePeer) -> str:
            for name, content in files.items():
                (server.folder / name).write_text(content)
            hosts = "".join([f"addn-hosts={server.folder}/{name}\n" for name in files])
            where = f"port={server.port}\nlisten-address={server.address}\nbind-interfaces\npid-file=\n"
            return f"no-resolv\nno-hosts\n{where}{hosts}{text}"

        super().__init__("dnsmasq", [], configure, "127.0.0.1", {})

    @property
    def _command(self) -> list[str]:
        return [str(self.executable), "-d", "-C", str(self._configurationFile)]


def asked(port: int, name: str, rrType: str) -> Message:
    """
    Ask a server.
    """
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
        asking.settimeout(REPLY)
        asking.connect(("127.0.0.1", port))
        opt = b"\x00\x00\x29\x04\xd0\x00\x00\x00\x00\x00\x00"
        asking.send(os.urandom(2) + buildQuery(RD, questionOf(name, rrType).toWire(), opt))
        return Message.fromWire(asking.recv(65535))


def reply(port: int, name: str, rrType: str) -> Reply:
    """
    Ask a server, and return what is compared.
    """
    message = asked(port, name, rrType)
    records = [
        f"{nameToText(rrset.name).lower()} {rrset.rrType} {rdataToText(rrset.rrType, rdata)}"
        for rrset in message.answer
        for rdata in rrset.rdatas
    ]
    # dnsmasq sometimes reports a filter for names that it knows itself, although it removed nothing.
    options = () if message.edns is None or not name.endswith(".example") else message.edns.options
    ede = tuple([int.from_bytes(octets[:2], "big") for code, octets in options if code == 15])
    return Reply(message.rcode, tuple(sorted(records)), ede)


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[int, int]]:
    """
    Yield the ports of dnsmasq and of our server, with one upstream.
    """
    folder: Path = tmp_path_factory.mktemp("localnames")
    words = list(OURS)
    for number, text in enumerate(HOSTS):
        (folder / f"hosts{number}").write_text(text)
        words += ["--hosts-file", str(folder / f"hosts{number}")]
    with Dnsmasq(UPSTREAM) as upstream:
        where = f"server=127.0.0.1#{upstream.port}\n"
        with Dnsmasq(where + DNSMASQ, hosts0=HOSTS[0], hosts1=HOSTS[1]) as theirs:
            with Twistd(folder, "--upstream", f"udp:127.0.0.1:{upstream.port}", *words) as ours:
                yield theirs.port, ours.port


def test_answersAreThoseOfDnsmasq(servers: tuple[int, int]) -> None:
    """
    With the same settings, the server has the same answers as dnsmasq, but for the accepted differences.
    """
    theirs, ours = servers
    differing = {}
    for question in QUESTIONS:
        found = reply(theirs, *question), reply(ours, *question)
        if found[0] != found[1]:
            differing[question] = found
    assert differing.keys() == ACCEPTED.keys(), "\n".join([f"{question}: {found}" for question, found in differing.items()])


def test_upstreamTTLsAreBounded(servers: tuple[int, int]) -> None:
    """
    The bound of TTLs holds for the first reply, and for those from the caches.
    """
    for port in servers:
        for _ in range(3):
            ttls = [rrset.ttl for rrset in asked(port, "long.example", "A").answer]
            assert len(ttls) == 2
            assert all(0 < ttl <= 40 for ttl in ttls)
