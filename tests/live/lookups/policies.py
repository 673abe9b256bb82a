"""
Compare what random policy zones make of answers here with what they make of them at named: in views, by names, addresses and clients.

    python -m tests.live.lookups.policies COUNT [SEED]

asks this many questions, and prints each that is answered otherwise than by named.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
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

__all__ = ["Compared", "comparePolicies"]

_VIEWS: Final = 6

#: Seconds to wait for a reply, and how often a question without one is asked again: named loses some under load.
_SECONDS: Final = 0.7
_TRIES: Final = 2

_HEAD: Final = "$TTL 300\n@ SOA ns.t. h. 1 3600 600 86400 120\n@ NS ns.t.\n"

_ACTIONS: Final = (
    "CNAME .", "CNAME *.", "CNAME rpz-passthru.", "CNAME rpz-drop.", "CNAME rpz-tcp-only.", "CNAME wall.g.", "CNAME *.g.",
    "A 198.51.100.9", "TXT rule", "AAAA 2001:db8:e::9",
)  # fmt: skip

_OVERRIDES: Final = ("given", "given", "given", "nxdomain", "nodata", "passthru", "drop", "tcp-only", "cname=wall.g")


class _Question(NamedTuple):
    view: int
    name: str
    rrType: str
    stream: bool


class _Policy(NamedTuple):
    """
    @ivar rows: the records of a policy zone.
    @ivar override: as L{PolicyZoneSettings<twisted_ext.server.features.policyzones.zonesettings.PolicyZoneSettings>} has it.
    """

    rows: list[str]
    override: str
    trial: bool


@dataclass(slots=True)
class Compared:
    """
    @ivar asked: the number of questions.
    @ivar ruled: the number of those that a rule has decided, at least.
    @ivar other: what was answered otherwise.
    """

    asked: int = 0
    ruled: int = 0
    other: list[str] = field(default_factory=list)


def _origin(random: Random) -> tuple[str, list[str]]:
    """
    Return a zone, and the names in it.
    """
    lines, names = ["ns A 127.0.0.1", "*.w A 192.0.2.7", "lost CNAME gone"], ["a.w", "b.c.w", "lost", "gone", "nx.s"]
    for number in range(14):
        name = f"h{number}" if number % 3 else f"h{number}.s"
        names.append(name)
        lines += [f"{name} A 192.0.2.{random.randrange(1, 40)}" for _ in range(random.choice((1, 1, 2)))]
        lines += [f"{name} AAAA 2001:db8::{random.randrange(1, 40):x}"] if number % 2 else []
        lines += [f"{name} TXT x{number}"] if number % 4 == 0 else []
    hosts = names[5:]
    for number in range(10):
        lines.append(f"c{number} CNAME {random.choice(hosts)}")
    for number in range(6):
        lines.append(f"d{number}.s CNAME c{random.randrange(10)}")
    names += [f"c{number}" for number in range(10)] + [f"d{number}.s" for number in range(6)]
    return f"{_HEAD}{chr(10).join(lines)}\n", names


def _policy(random: Random, names: Sequence[str]) -> _Policy:
    rows: dict[str, list[str]] = {}
    for _ in range(random.randrange(1, 9)):
        kind, name = random.random(), random.choice(names)
        if kind < 0.45:
            owner = f"{name}.t"
        elif kind < 0.6:
            above = f"{name.split('.', 1)[-1]}.t" if "." in name else "t"
            owner = f"*.{random.choice([f'{name}.t', above, 's.t', 'w.t', 't', ''])}".removesuffix(".")
        elif kind < 0.9 and random.random() < 0.7:
            length = random.choice((32, 32, 30, 28, 24, 1))
            bits = (192 << 24 | 2 << 8 | random.randrange(1, 40)) >> 32 - length << 32 - length
            owner = ".".join([str(length), *[str(bits >> shift & 255) for shift in (0, 8, 16, 24)], "rpz-ip"])
        elif kind < 0.9:
            owner = f"128.{random.randrange(1, 40):x}.zz.db8.2001.rpz-ip"
        else:
            prefix = random.choice(("32.{}.1.0.127", "24.0.1.0.127", "30.{}.1.0.127"))
            owner = f"{prefix.format(random.choice((1, 2, 3, 9)) if prefix[:2] == '32' else 4)}.rpz-client-ip"
        if owner not in rows:
            action = random.choice(_ACTIONS)
            rows[owner] = [f"{owner} {action}"]
            if action.startswith("A ") and random.random() < 0.5:
                rows[owner].append(f"{owner} A 198.51.100.10")
    trial = random.random() < 0.1
    # At named, a rule about an address in a disabled zone keeps those of later zones from applying to it.
    kept = [row for owner, each in rows.items() for row in each if not (trial and owner.endswith("-ip"))]
    return _Policy(kept, random.choice(_OVERRIDES), trial)


def _answerOf(port: int, question: _Question) -> str:
    query = dns.message.make_query(question.name, question.rrType)
    source = f"127.0.1.{question.view + 1}"
    for _ in range(_TRIES):
        try:
            if question.stream:
                reply = dns.query.tcp(query, "127.0.0.1", _SECONDS, port, source)
            else:
                reply = dns.query.udp(query, "127.0.0.1", _SECONDS, port, source)
        except (dns.exception.DNSException, OSError, EOFError):
            continue
        if reply.flags & dns.flags.TC:
            return "truncated"
        if question.stream and reply.rcode() == dns.rcode.REFUSED:
            # In place of no reply, which a connection would wait for.
            return "no reply"
        rows = [f"{rrset.name} {dns.rdatatype.to_text(rrset.rdtype)} {rdata}".lower() for rrset in reply.answer for rdata in rrset]
        return " | ".join([dns.rcode.to_text(reply.rcode()), *sorted(rows)])
    return "no reply"


class _Peer(LivePeer):
    def _answers(self, zone: str | None) -> bool:
        return " running\n" in self.log()


_NAMED: Final = {"tcp-only": "tcp-only", "nxdomain": "nxdomain", "nodata": "nodata", "passthru": "passthru", "drop": "drop"}


def _responsePolicy(policies: Sequence[_Policy]) -> str:
    """
    Return named's settings for policy zones.
    """
    zones: list[str] = []
    for number, each in enumerate(policies):
        kind = "disabled" if each.trial else _NAMED.get(each.override, "given")
        kind = each.override.replace("=", " ") if each.override.startswith("cname=") and not each.trial else kind
        zones.append(f'zone "p{number}" policy {kind};')
    return f"response-policy {{ {' '.join(zones)} }} break-dnssec yes;"


def comparePolicies(seed: int, count: int) -> Compared:
    """
    Ask both about the names of one zone, as clients of views with policy zones of their own.
    """
    random = Random(seed)
    zone, names = _origin(random)
    views = [[_policy(random, names) for _ in range(random.choice((1, 2, 3)))] for _ in range(_VIEWS)]
    types = ("A", "A", "A", "AAAA", "TXT", "CNAME")
    questions = [
        _Question(random.randrange(_VIEWS), f"{random.choice(names)}.t.", random.choice(types), random.random() < 0.1)
        for _ in range(count)
    ]

    def options(peer: LivePeer, more: str) -> str:
        peer.folder.chmod(0o755)
        return (
            f'options {{ directory "{peer.folder}"; pid-file none; session-keyfile none; recursion yes; dnssec-validation no; notify no;'
            f" listen-on port {peer.port} {{ 127.0.0.1; }}; listen-on-v6 {{ none; }}; minimal-responses yes; {more} }};\n"
            "controls { };\n"
        )

    def origin(peer: LivePeer) -> str:
        (peer.folder / "t.zone").write_text(zone)
        (peer.folder / "g.zone").write_text(f"{_HEAD}wall A 203.0.113.1\nwall AAAA 2001:db8:f::1\n* A 203.0.113.2\n")
        (peer.folder / "root.zone").write_text(f"{_HEAD}t. NS ns.t.\ng. NS ns.t.\nns.t. A 127.0.0.1\n")
        zones = [f'zone "{name}" {{ type primary; file "{file}.zone"; }};\n' for name, file in (("t", "t"), ("g", "g"), (".", "root"))]
        return options(peer, "") + "".join(zones)

    words = ["-g", "-n", "1"]
    with _Peer("named", words, origin, "127.0.0.1", {}) as source, tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        for view, policies in enumerate(views):
            for number, each in enumerate(policies):
                (folder / f"v{view}p{number}.zone").write_text(f"{_HEAD}{chr(10).join(each.rows)}\n")

        def bind(peer: LivePeer) -> str:
            texts = [options(peer, f"forward only; forwarders {{ 127.0.0.1 port {source.port}; }}; empty-zones-enable no;")]
            for view, policies in enumerate(views):
                zones = [
                    f'zone "p{number}" {{ type primary; file "{folder}/v{view}p{number}.zone"; }};' for number in range(len(policies))
                ]
                clients = f"match-clients {{ 127.0.1.{view + 1}; }};"
                texts.append(f'view "v{view}" {{ {clients} {" ".join(zones)} {_responsePolicy(policies)} }};\n')
            return "".join(texts)

        with _Peer("named", words, bind, "127.0.0.1", {}) as peer:
            port = freePort("127.0.0.1")
            path = folder / "txdns.toml"
            lines = ['interface = ["127.0.0.1"]', f"port = {port}", f'upstream = ["127.0.0.1:{source.port}"]', "hosts-file = []"]
            for view, policies in enumerate(views):
                for number, each in enumerate(policies):
                    file = folder / f"v{view}p{number}.zone"
                    lines += ["[[policy-zone]]", f'name = "v{view}p{number}"', f'zone = "p{number}"', f'file = "{file}"']
                    lines += [f'override = "{each.override}"', f"trial = {'true' if each.trial else 'false'}"]
                chosen = ", ".join([f'"v{view}p{number}"' for number in range(len(policies))])
                lines += ["[[view]]", f'name = "v{view}"', f'clients = ["127.0.1.{view + 1}"]', f"policy-zones = [{chosen}]"]
            path.write_text("\n".join([*lines, ""]))
            server = Twistd(folder, port=port)
            server.words = ["-n", "--pidfile", f"{name}/twistd.pid", "txdns", "--config", str(path), "--control", ""]
            with server, ThreadPoolExecutor(16) as pool:
                here = [*pool.map(partial(_answerOf, port), questions)]
                there = [*pool.map(partial(_answerOf, peer.port), questions)]
                # What one of them has lost is asked for again, alone.
                for place, question in enumerate(questions):
                    if here[place] != there[place]:
                        here[place], there[place] = _answerOf(port, question), _answerOf(peer.port, question)
                plain = [*pool.map(partial(_answerOf, source.port), questions)]
    result = Compared(len(questions), sum([one != other for one, other in zip(here, plain, strict=True)]))
    for question, one, other in zip(questions, here, there, strict=True):
        if one != other:
            shown = "".join([f"\n   {each}" for each in views[question.view]])
            result.other.append(f"seed {seed} {question}\n   here    {one}\n   named   {other}{shown}")
    return result


def main(words: Sequence[str]) -> int:
    count, seed = int(words[0]), int(words[1]) if len(words) > 1 else 0
    asked = ruled = others = 0
    while asked < count:
        result = comparePolicies(seed, 400)
        asked, ruled, others, seed = asked + result.asked, ruled + result.ruled, others + len(result.other), seed + 1
        sys.stdout.write("".join([f"{each}\n" for each in result.other]))
        sys.stdout.flush()
    sys.stdout.write(f"{asked} questions, {ruled} answered by rules, {others} otherwise than by named\n")
    return 1 if others else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
