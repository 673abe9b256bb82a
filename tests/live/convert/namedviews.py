"""
Compare what the clients of named's views are answered with what this server with the converted configuration answers them. Views are told
apart by addresses, by keys and by both; they have zones, upstreams, or none, for some of their clients. The configurations are random.

    python -m tests.live.convert.namedviews COUNT [SEED]

does so for this many configurations, and prints each difference.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Final

import dns.exception
import dns.message
import dns.query
import dns.rcode
import dns.tsigkeyring

from tests.live.convert.comparing import ForwardingPeer, ourServer
from tests.live.convert.upstreams import FakeUpstreams
from tests.live.twistds import wait
from tests.peers import freePort
from twisted_ext.apps.cli.convert.addresses import namesAbove
from twisted_ext.apps.cli.convert.command import convertFile, formatNamed, tomlOf
from twisted_ext.apps.cli.convert.converted import Converted, Severity

__all__ = ["ComparedNamed", "compareNamed"]

_CLIENTS: Final = ("127.0.0.1", "127.0.0.2", "127.0.0.9", "127.0.1.1", "127.1.0.1")
_NETWORKS: Final = ("127.0.0.2", "127.0.0.0/30", "127.0.0.0/24", "127.0.0.0/16", "127.1/16", "127.0.0.0/9", "127/8")
_KEYS: Final = ("k1", "k2")
_SECRET: Final = "c2VjcmV0IG9mIGEgY29udmVydGVkIGtleSwgMzIgb2N0ZXRz"
_KEYRING: Final = dns.tsigkeyring.from_text(dict.fromkeys(_KEYS, _SECRET))
_VIEWS: Final = ("one", "all", "three.x")
_ZONES: Final = ("a.example", "b.example", "sub.a.example")

_ZONE: Final = """$TTL 300
@ SOA ns hostmaster 1 3600 600 86400 300
@ NS ns
ns A 9.200.0.2
www A 9.200.{}.4
"""

_NAMES: Final = (
    "www.a.example.", "none.a.example.", "www.b.example.", "www.sub.a.example.", "www.other.example.", "alias.other.example.",
    "nx.example.net.",
)  # fmt: skip

#: Said of names that are not answered as before.
_SAYING: Final = (Severity.MISSING, Severity.DIFFERS, Severity.WRONG)


@dataclass(slots=True)
class ComparedNamed:
    """
    What came of one configuration.

    @ivar opened: answers to clients that named refuses.
    @ivar unsaid: other differences, of which the converter has said nothing.
    @ivar asked: the number of questions.
    @ivar said: the number of answers that differ, whether the converter has said so or not.
    @ivar apart: the number of questions to which not all clients get the same answer.
    @ivar lines: what the converter said.
    """

    text: str
    opened: list[str] = field(default_factory=list)
    unsaid: list[str] = field(default_factory=list)
    asked: int = 0
    said: int = 0
    apart: int = 0
    lines: list[str] = field(default_factory=list)


def _matching(random: Random) -> str:
    found: list[str] = []
    for _ in range(random.randint(1, 3)):
        mark = random.choice(("", "", "", "! "))
        word = f"key {random.choice(_KEYS)}" if random.random() < 0.35 else random.choice(_NETWORKS)
        found.append(f"{mark}{word};")
    return " ".join(found)


def _looking(random: Random, ports: Sequence[int]) -> str:
    """
    Return what is said of look-ups: in a view, or in options.
    """
    if random.random() < 0.3:
        return "recursion no;"
    allowed = random.choice(("any;", "any;", "any;", "any;", "any;", "any;", "127.0.0.0/30;", "! 127.0.0.2; any;"))
    return f"recursion yes; allow-recursion {{ {allowed} }}; forwarders {{ 127.0.0.1 port {random.choice(ports)}; }}; forward only;"


def namedViewsText(random: Random, folder: Path, port: int, ports: Sequence[int]) -> str:
    """
    Return a random configuration with views.
    """
    views: list[str] = []
    names = random.sample(_VIEWS, random.randint(1, 3))
    having: dict[str, str] = {}
    shared = random.random() < 0.5
    for number, name in enumerate(names):
        isLast = number == len(names) - 1
        clients = "any;" if isLast and random.random() < 0.6 else _matching(random)
        zones: list[str] = []
        for zone in _ZONES:
            if random.random() < (0.8 if shared else 0.5):
                if zone in having and random.random() < 0.2:
                    zones.append(f'zone "{zone}" {{ in-view "{having[zone]}"; }};')
                    continue
                having.setdefault(zone, name)
                limit = f"allow-query {{ {random.choice(_NETWORKS)}; }};" if random.random() < 0.04 else ""
                zones.append(f'zone "{zone}" {{ type primary; file "{folder}/{number if random.random() < 0.8 else 0}.zone"; {limit} }};')
        if random.random() < 0.2:
            forwarders = f"forwarders {{ 127.0.0.1 port {random.choice(ports)}; }};"
            zones.append(f'zone "other.example" {{ type forward; forward only; {forwarders} }};')
        elements = _matching(random).replace("key k1", "127.0.0.9").replace("key k2", "any")
        queried = f"allow-query {{ {elements} }};" if random.random() < 0.1 else ""
        looking = _looking(random, ports) if random.random() < 0.8 else ""
        views.append(f'view "{name}" {{ match-clients {{ {clients} }}; {queried} {looking}\n {chr(10).join(zones)}\n}};')
    options = " ".join(
        [
            f'directory "{folder}"; pid-file "{folder}/named.pid"; session-keyfile "{folder}/session.key"; notify no;',
            f'dnssec-validation no; managed-keys-directory "{folder}"; listen-on port {port} {{ 127.0.0.1; }}; listen-on-v6 {{ none; }};',
            "allow-transfer { none; };",
            _looking(random, ports),
        ]
    )
    return f'include "{folder}/keys";\noptions {{ {options} }};\n{chr(10).join(views)}\ncontrols {{ }};\n'


def _tables(converted: Converted) -> list[dict[str, object]]:
    found = converted.values.get("zone", [])
    assert isinstance(found, list)
    return found


def _answerOf(port: int, client: str, name: str, key: str) -> str:
    query = dns.message.make_query(name, "A")
    if key:
        query.use_tsig(_KEYRING, key, algorithm="hmac-sha256")
    for _ in range(3):
        try:
            reply = dns.query.udp(query, "127.0.0.1", 1.0, port, client, ignore_unexpected=True)
        except (dns.exception.DNSException, OSError):
            continue
        return " ".join([dns.rcode.to_text(reply.rcode()), *sorted([str(rdata) for rrset in reply.answer for rdata in rrset])])
    # Signed queries of clients that are let in nowhere are refused without a signature.
    return "REFUSED"


class _Named(ForwardingPeer):
    def _answers(self, zone: str | None) -> bool:
        return " running\n" in self.log()


def compareNamed(seed: int) -> ComparedNamed:
    """
    Compare one configuration.
    """

    def written(folder: Path, port: int) -> str:
        random = Random(seed)
        folder.chmod(0o755)
        for number in range(len(_VIEWS)):
            (folder / f"{number}.zone").write_text(_ZONE.format(number))
        (folder / "keys").write_text("".join([f'key {key} {{ algorithm hmac-sha256; secret "{_SECRET}"; }};\n' for key in _KEYS]))
        (folder / "keys").chmod(0o600)
        return namedViewsText(random, folder, port, upstreams.ports)

    with tempfile.TemporaryDirectory() as name, FakeUpstreams(3) as upstreams:
        folder, port = Path(name), freePort("127.0.0.1")
        path = folder / "named.conf"
        path.write_text(written(folder, port))
        converted = convertFile(str(path), formatNamed("named"))
        converted.set("state", str(folder / "state"), converted.places["role"][0])
        result = ComparedNamed(path.read_text())
        result.lines = [str(finding) for finding in converted.sortedFindings() if finding.severity in _SAYING]
        keys = ["", *[key for key in _KEYS if "key-file" in converted.values and f"key={key}" in tomlOf(converted)]]
        with (
            _Named("named", ["-g", "-n", "1"], lambda peer: written(peer.folder, peer.port), "127.0.0.1", {}) as theirs,
            ourServer(folder, tomlOf(converted), port) as server,
        ):
            # Each view that has zones says so by itself.
            sets = len({repr(each.get("view")) for each in _tables(converted)})
            wait(lambda: server.text().count("zones are served") + server.text().count("zone is served") >= sets, server)
            plain: dict[tuple[str, str], str] = {}
            for asked in _NAMES:
                for key in keys:
                    found: set[str] = set()
                    for client in _CLIENTS:
                        there, here = _answerOf(theirs.port, client, asked, key), _answerOf(port, client, asked, key)
                        result.asked += 1
                        found.add(there)
                        if not key:
                            plain[asked, client] = there
                        if there == here:
                            continue
                        result.said += 1
                        text = f"{asked} for {client} {key}: {there}, here {here}"
                        # A zone that is left out is asked of the upstream, as the converter says.
                        isZone = any(above.rstrip(".") in _ZONES for above in namesAbove(asked))
                        # What the client gets without a key is open to it anyway.
                        isOpen = here != plain[asked, client] and here.startswith("NOERROR 9.200." if isZone else "NOERROR ")
                        if there == "REFUSED" and isOpen:
                            result.opened.append(text)
                        elif not result.lines:
                            result.unsaid.append(text)
                    result.apart += len(found) > 1
    return result


def main(words: Sequence[str]) -> int:
    count, first = int(words[0]), int(words[1]) if len(words) > 1 else 0
    asked = apart = said = wrong = quiet = 0
    for seed in range(first, first + count):
        result = compareNamed(seed)
        asked, apart, said = asked + result.asked, apart + result.apart, said + result.said
        quiet += not result.lines
        wrong += len(result.unsaid) + len(result.opened)
        if result.unsaid or result.opened:
            lines = [*[f"opened: {each}" for each in result.opened[:8]], *[f"unsaid: {each}" for each in result.unsaid[:8]]]
            sys.stdout.write("\n".join([f"-- {seed}", result.text, *lines, *result.lines, ""]))
            sys.stdout.flush()
    text = f"{asked} questions, {apart} that views answer differently, {said} differences, {wrong} without a line or open"
    sys.stdout.write(f"{text}; {quiet} of {count} configurations without a line\n")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
