"""
Compare the addresses that this server makes for clients without IPv4 with those that named and Unbound make of the same random zones.

    python -m tests.live.lookups.dns64 COUNT [SEED]

asks this many questions, and prints each answer that neither of the two gives.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from ipaddress import IPv6Address, IPv6Network
from pathlib import Path
from random import Random
from typing import Final, NamedTuple

import dns.exception
import dns.flags
import dns.message
import dns.query
import dns.rcode
import dns.rdatatype

from tests.live.twistds import Twistd
from tests.peers import LivePeer, freePort
from twisted_ext.resolver.policy.dns64 import NAT64Prefix

__all__ = ["Compared", "compareDNS64"]

_LENGTHS: Final = (32, 40, 48, 56, 64, 96)
_HOSTS: Final = 60

_ROOT: Final = """$TTL 300
@ SOA ns.t. h. 1 3600 600 86400 120
@ NS ns.t.
t. NS ns.t.
ns.t. A 192.0.2.53
"""


class _Question(NamedTuple):
    name: str
    rrType: str
    dnssecOk: bool
    checkingDisabled: bool


@dataclass(slots=True)
class Compared:
    """
    @ivar asked: the number of questions.
    @ivar made: the number of answers with addresses made from others.
    @ivar alone: answers that neither of the other two gives.
    """

    asked: int = 0
    made: int = 0
    alone: list[str] = field(default_factory=list)


def _address(random: Random) -> str:
    return random.choice(("192.0.2.{}", "198.51.100.{}", "10.1.2.{}", "203.0.113.{}")).format(random.randint(1, 254))


def _zone(random: Random) -> str:
    """
    Return a zone in which h0 to h59 are what there may be.
    """
    lines = ["$TTL 300", "@ SOA ns h. 1 3600 600 86400 120", "@ NS ns", "ns A 192.0.2.53"]
    lines += ["*.w A 192.0.2.77", "d DNAME e", "*.e A 192.0.2.78"]
    for number in range(_HOSTS):
        owner, ttl = f"h{number}", random.choice((60, 120, 900))
        kind = random.choice(("four", "four", "four", "both", "six", "none", "alias", "alias", "mapped", "mixed", "out", "missing"))
        if kind in ("four", "both", "mapped"):
            lines += [f"{owner} {ttl} A {_address(random)}" for _ in range(random.randint(1, 3))]
        if kind in ("six", "both", "mixed"):
            lines.append(f"{owner} {ttl} AAAA 2001:db8:ff::{number}")
        if kind in ("mapped", "mixed"):
            lines.append(f"{owner} {ttl} AAAA ::ffff:192.0.2.{number}")
        if kind == "none":
            lines.append(f"{owner} TXT nothing")
        if kind == "alias" and number:
            lines.append(f"{owner} CNAME h{random.randrange(number)}")
        if kind == "out":
            lines.append(f"{owner} CNAME gone")
    return "\n".join([*lines, ""])


def _questions(random: Random, count: int, prefix: NAT64Prefix) -> list[_Question]:
    found: list[_Question] = []
    for _ in range(count):
        chosen = random.random()
        name = f"h{random.randrange(_HOSTS + 3)}.t."
        if chosen < 0.1:
            name = f"{random.choice(('a', 'b.c'))}.{random.choice('wde')}.t."
        rrType = random.choice(("AAAA", "AAAA", "AAAA", "AAAA", "A", "TXT", "PTR"))
        if rrType == "PTR":
            packed = prefix.embed(bytes((198, 51, 100, random.randrange(8))))
            assert packed is not None
            if random.random() < 0.3:
                packed = IPv6Address("2001:db8:ee::1").packed
            name = f"{IPv6Address(packed).reverse_pointer}."
        found.append(_Question(name, rrType, random.random() < 0.2, random.random() < 0.2))
    return found


def _answerOf(port: int, question: _Question) -> str:
    query = dns.message.make_query(question.name, question.rrType, want_dnssec=question.dnssecOk, use_edns=True)
    if question.checkingDisabled:
        query.flags |= dns.flags.CD
    for _ in range(4):
        try:
            reply = dns.query.udp(query, "127.0.0.1", 2.0, port)
        except (dns.exception.DNSException, OSError):
            continue
        rows = [f"{rrset.name} {dns.rdatatype.to_text(rrset.rdtype)} {rdata}".lower() for rrset in reply.answer for rdata in rrset]
        return " | ".join([dns.rcode.to_text(reply.rcode()), *sorted(rows)])
    return "no reply"


class _Peer(LivePeer):
    def _answers(self, zone: str | None) -> bool:
        return any(word in self.log() for word in (" running\n", "start of service"))


def compareDNS64(seed: int, count: int) -> Compared:
    """
    Ask the three about one zone.
    """
    random = Random(seed)
    length = random.choice(_LENGTHS)
    text = str(IPv6Network((IPv6Address("2001:db9:1:2::").packed, length), strict=False))
    prefix = NAT64Prefix(text)
    zone = _zone(random)

    def options(peer: LivePeer, more: str) -> str:
        folder = peer.folder
        folder.chmod(0o755)
        return (
            f'options {{ directory "{folder}"; pid-file none; session-keyfile none; recursion yes; dnssec-validation no; notify no;'
            f" allow-transfer {{ none; }}; listen-on port {peer.port} {{ 127.0.0.1; }}; listen-on-v6 {{ none; }}; {more} }};\n"
            "controls { };\n"
        )

    def origin(peer: LivePeer) -> str:
        (peer.folder / "t.zone").write_text(zone)
        (peer.folder / "root.zone").write_text(_ROOT)
        (peer.folder / "reverse.zone").write_text(
            "$TTL 300\n@ SOA ns.t. h. 1 3600 600 86400 120\n@ NS ns.t.\n1 PTR h1.t.\n2 PTR h2.t.\n3 CNAME 2\n"
        )
        return options(peer, "minimal-responses yes;") + (
            'zone "t" { type primary; file "t.zone"; };\nzone "." { type primary; file "root.zone"; };\n'
            'zone "100.51.198.in-addr.arpa" { type primary; file "reverse.zone"; };\n'
        )

    words = ["-g", "-n", "1"]
    with _Peer("named", words, origin, "127.0.0.1", {}) as source:
        forwarders = f"empty-zones-enable no; forward only; forwarders {{ 127.0.0.1 port {source.port}; }};"

        def bind(peer: LivePeer) -> str:
            return options(peer, f"{forwarders} dns64 {text} {{ clients {{ any; }}; exclude {{ ::ffff:0:0/96; }}; }};")

        def unbound(peer: LivePeer) -> str:
            lines = [
                "server:", f"interface: 127.0.0.1@{peer.port}", f"port: {peer.port}", f'directory: "{peer.folder}"', 'username: ""',
                'chroot: ""', 'pidfile: ""', 'logfile: ""', "use-syslog: no", "do-daemonize: no", "num-threads: 1",
                "do-not-query-localhost: no", 'module-config: "dns64 iterator"', f"dns64-prefix: {text}",
                "local-zone: 100.51.198.in-addr.arpa. nodefault", "local-zone: 8.b.d.0.1.0.0.2.ip6.arpa. nodefault",
                "forward-zone:", 'name: "."', f"forward-addr: 127.0.0.1@{source.port}", "remote-control:", "control-enable: no",
            ]  # fmt: skip
            return "\n".join([*lines, ""])

        with (
            tempfile.TemporaryDirectory() as name,
            _Peer("named", words, bind, "127.0.0.1", {}) as one,
            _Peer("unbound", ["-d"], unbound, "127.0.0.1", {}) as other,
        ):
            port = freePort("127.0.0.1")
            path = Path(name) / "txdns.toml"
            path.write_text(
                f'interface = ["127.0.0.1"]\nport = {port}\nupstream = ["127.0.0.1:{source.port}"]\nhosts-file = []\ndns64 = ["{text}"]\n'
            )
            server = Twistd(Path(name), port=port)
            server.words = ["-n", "--pidfile", f"{name}/twistd.pid", "txdns", "--config", str(path), "--control", ""]
            result = Compared()
            with server:
                for question in _questions(random, count, prefix):
                    here, first = _answerOf(port, question), _answerOf(one.port, question)
                    result.asked += 1
                    result.made += question.rrType == "AAAA" and " aaaa 2001:db9:" in here
                    if here != first and here != (second := _answerOf(other.port, question)):
                        result.alone.append(f"{question} {text}\n   here    {here}\n   named   {first}\n   unbound {second}")
    return result


def main(words: Sequence[str]) -> int:
    count, seed = int(words[0]), int(words[1]) if len(words) > 1 else 0
    asked = made = alone = 0
    while asked < count:
        result = compareDNS64(seed, 100)
        asked, made, alone, seed = asked + result.asked, made + result.made, alone + len(result.alone), seed + 1
        sys.stdout.write("".join([f"{each}\n" for each in result.alone]))
        sys.stdout.flush()
    sys.stdout.write(f"{asked} questions, {made} with addresses made here, {alone} answers that neither named nor Unbound gives\n")
    return 1 if alone else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
