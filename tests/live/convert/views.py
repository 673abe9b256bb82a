"""
Compare what the clients of Unbound's views are answered with what this server with the converted configuration answers them. The
configurations are random.

    python -m tests.live.convert.views COUNT [SEED]

does so for this many configurations, and prints each difference.
"""

from __future__ import annotations

import subprocess
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

from tests.live.convert.comparing import ForwardingPeer, ourServer
from tests.live.convert.upstreams import FakeUpstreams
from tests.peers import freePort, peer
from twisted_ext.apps.cli.convert.addresses import namesAbove
from twisted_ext.apps.cli.convert.command import convertFile, formatNamed, tomlOf
from twisted_ext.apps.cli.convert.converted import Severity

__all__ = ["ComparedViews", "compareViews"]

_CLIENTS: Final = ("127.0.0.1", "127.0.0.2", "127.0.0.9", "127.0.1.1", "127.1.0.1", "127.128.0.1")
_NETWORKS: Final = ("127.0.0.2/32", "127.0.0.0/30", "127.0.0.0/24", "127.0.0.0/16", "127.1.0.0/16", "127.0.0.0/9", "127.0.0.0/8")
_VIEWS: Final = ("one", "two.x", "all")
_DOMAINS: Final = ("lan.", "corp.example.", "lab.corp.example.", "office.")
_HOSTS: Final = ("nas", "www", "four")
_TYPES: Final = ("static", "static", "transparent", "always_nxdomain", "redirect", "typetransparent")

#: Said of names that are not answered as before.
_SAYING: Final = (Severity.MISSING, Severity.DIFFERS, Severity.WRONG)


@dataclass(slots=True)
class ComparedViews:
    """
    What came of one configuration.

    @ivar unsaid: differences of which the converter has said nothing.
    @ivar asked: the number of questions.
    @ivar said: the number of answers that differ, whether the converter has said so or not.
    @ivar apart: the number of those that clients of different views are answered differently.
    """

    text: str
    unsaid: list[str] = field(default_factory=list)
    asked: int = 0
    said: int = 0
    apart: int = 0


def _data(random: Random, number: int) -> list[str]:
    lines: list[str] = []
    for _ in range(random.randint(0, 4)):
        domain, host = random.choice(_DOMAINS), random.choice(_HOSTS)
        if random.random() < 0.4:
            lines.append(f'local-zone: "{domain}" {random.choice(_TYPES)}')
        else:
            owner = domain if random.random() < 0.3 else f"{host}.{domain}"
            lines.append(f"local-data: '{owner} A 10.{number}.0.{random.randint(1, 99)}'")
    return lines


def viewsText(random: Random, folder: Path, port: int, upstream: int) -> str:
    """
    Return a random configuration with views.
    """
    lines = ["server:", f"interface: 127.0.0.1@{port}", f"port: {port}", f'directory: "{folder}"', 'username: ""', 'chroot: ""']
    lines += ['pidfile: ""', 'logfile: ""', "use-syslog: no", "do-daemonize: no", "num-threads: 1", "do-not-query-localhost: no"]
    lines += ['module-config: "iterator"', "access-control: 127.0.0.0/8 allow", *_data(random, 0)]
    for network in random.sample(_NETWORKS, random.randint(1, 4)):
        lines.append(f"access-control: {network} allow")
        if random.random() < 0.8:
            lines.append(f"access-control-view: {network} {random.choice(_VIEWS)}")
    for number, name in enumerate(_VIEWS, 1):
        lines += ["view:", f'name: "{name}"', *_data(random, number), *(["view-first: yes"] if random.random() < 0.4 else [])]
    lines += ["forward-zone:", 'name: "."', f"forward-addr: 127.0.0.1@{upstream}", "remote-control:", "control-enable: no"]
    return "\n".join([*lines, ""])


def _answerOf(port: int, client: str, name: str) -> str:
    query = dns.message.make_query(name, "A")
    for _ in range(3):
        try:
            reply = dns.query.udp(query, "127.0.0.1", 1.0, port, client)
        except (dns.exception.DNSException, OSError):
            continue
        return " ".join([dns.rcode.to_text(reply.rcode()), *sorted([str(rdata) for rrset in reply.answer for rdata in rrset])])
    return "no reply"


class _Unbound(ForwardingPeer):
    def _answers(self, zone: str | None) -> bool:
        return "start of service" in self.log()


def compareViews(seed: int) -> ComparedViews:
    """
    Compare one configuration.
    """

    random = Random(seed)
    state = random.getstate()

    def written(folder: Path, port: int) -> str:
        random.setstate(state)
        return viewsText(random, folder, port, upstreams.ports[0])

    with tempfile.TemporaryDirectory() as name, FakeUpstreams(1) as upstreams:
        folder, port = Path(name), freePort("127.0.0.1")
        path = folder / "unbound.conf"
        path.write_text(written(folder, port))
        while subprocess.run([peer("unbound-checkconf"), str(path)], capture_output=True, check=False).returncode:
            # Not all combinations of zones and data are valid.
            state = random.getstate()
            path.write_text(written(folder, port))
        converted = convertFile(str(path), formatNamed("unbound"))
        said = " ".join([f"{each.place.directive} {each.reason}" for each in converted.findings if each.severity in _SAYING]).lower()
        result = ComparedViews(path.read_text())
        names = [*_DOMAINS, *[f"{host}.{domain}" for host in (*_HOSTS, "none") for domain in _DOMAINS], "four.public.example.net."]
        with (
            _Unbound("unbound", ["-d"], lambda peer: written(peer.folder, peer.port), "127.0.0.1", {}) as theirs,
            ourServer(folder, tomlOf(converted), port),
        ):
            for asked in names:
                found: set[str] = set()
                for client in _CLIENTS:
                    there, here = _answerOf(theirs.port, client, asked), _answerOf(port, client, asked)
                    result.asked += 1
                    found.add(there)
                    result.said += there != here
                    if there != here and not any(f"{above.rstrip('.')}" in said for above in namesAbove(asked) if above != "."):
                        result.unsaid.append(f"{asked} for {client}: {there}, here {here}")
                result.apart += len(found) > 1
    return result


def main(words: Sequence[str]) -> int:
    count, first = int(words[0]), int(words[1]) if len(words) > 1 else 0
    asked = apart = said = unsaid = 0
    for seed in range(first, first + count):
        result = compareViews(seed)
        asked, apart, said, unsaid = asked + result.asked, apart + result.apart, said + result.said, unsaid + len(result.unsaid)
        if result.unsaid:
            sys.stdout.write("\n".join([f"-- {seed}", result.text, *result.unsaid[:12], ""]))
            sys.stdout.flush()
    sys.stdout.write(f"{asked} questions, {apart} names that views answer differently, {said} differences, {unsaid} without a line\n")
    return 1 if unsaid else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
