"""
A server with zones of views, clients of these views, and BIND's named with the same.
"""

from __future__ import annotations

import subprocess
from base64 import b64encode
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from random import Random
from typing import Final

import dns.message
import dns.query
import dns.rcode
import dns.tsigkeyring

from tests.live.twistds import Twistd, wait
from tests.live.zones.madeup import madeUp
from tests.patience import PATIENCE
from tests.peers import LivePeer, peer

__all__ = ["CLIENTS", "KEYS", "VIEWS", "Client", "drawn", "namedWith", "serving", "settingsOf"]

KEYS: Final = {name: b64encode(bytes([number] * 32)).decode() for number, name in enumerate(("partner", "lab", "nobody"))}

#: The clients of each view, the first that has one applies.
VIEWS: Final = {"partners": ["key=partner", "127.0.0.2"], "lab": ["key=lab", "127.0.0.3"], "empty": ["127.0.0.4"]}

#: Zones of each view by their names, those for all under an empty one.
Variants = Mapping[str, Mapping[str, str]]


class Client:
    """
    Who asks, and how.
    """

    def __init__(self, address: str, view: str, key: str = "") -> None:
        self.address, self.view, self.key = address, view, key

    def exchange(self, query: dns.message.Message, port: int, over: str = "") -> dns.message.Message:
        """
        Return the reply to a query; over UDP, and TCP if it is truncated, by default.
        """
        if self.key:
            query.use_tsig(dns.tsigkeyring.from_text({self.key: KEYS[self.key]}), algorithm="hmac-sha256")
        if over != "tcp":
            for _ in range(10):
                try:
                    reply = dns.query.udp(query, "127.0.0.1", timeout=PATIENCE / 10, port=port, source=self.address)
                except dns.exception.Timeout:
                    continue
                if not reply.flags & dns.flags.TC:
                    return reply
                break
        return dns.query.tcp(query, "127.0.0.1", timeout=PATIENCE, port=port, source=self.address)

    def ask(self, name: str, rrType: str, port: int) -> dns.message.Message:
        """
        Return the reply to a question.
        """
        return self.exchange(dns.message.make_query(name, rrType), port)

    def text(self, name: str, port: int) -> str:
        """
        Return the text that a name has, or the RCODE.
        """
        reply = self.ask(name, "TXT", port)
        texts = [b"".join(rdata.strings).decode() for rrset in reply.answer for rdata in rrset if rrset.rdtype == 16]
        return texts[0] if texts else dns.rcode.to_text(reply.rcode())

    def transfer(self, zone: str, port: int, rrType: str = "AXFR", serial: int = 0) -> str:
        """
        Return the text of the C{who} record in a transfer, or why there is none.
        """
        query = dns.message.make_query(zone, rrType)
        if rrType == "IXFR":
            query.authority.append(dns.rrset.from_text(zone, 0, "IN", "SOA", f". . {serial} 0 0 0 0"))
        try:
            reply = self.exchange(query, port, "tcp")
        except dns.exception.FormError:
            return "FORMERR"
        if reply.rcode():
            return dns.rcode.to_text(reply.rcode())
        return " ".join([b"".join(rdata.strings).decode() for rrset in reply.answer for rdata in rrset if rrset.rdtype == 16])

    def update(self, zone: str, change: str, port: int, folder: Path) -> str:
        """
        Return what C{nsupdate} says of a change; C{""} if it is made.
        """
        words = [str(peer("nsupdate")), *(["-y", f"hmac-sha256:{self.key}:{KEYS[self.key]}"] if self.key else [])]
        text = f"server 127.0.0.1 {port}\nlocal {self.address}\nzone {zone}\n{change}\nsend\n"
        done = subprocess.run(words, input=text, text=True, capture_output=True, timeout=PATIENCE)
        return done.stderr.strip()


CLIENTS: Final = (
    Client("127.0.0.1", ""),
    Client("127.0.0.2", "partners"),
    Client("127.0.0.3", "lab"),
    Client("127.0.0.4", "empty"),
    Client("127.0.0.1", "lab", "lab"),
    Client("127.0.0.3", "partners", "partner"),
    Client("127.0.0.2", "partners", "nobody"),
)


def settingsOf(folder: Path, zones: Variants, options: Mapping[str, Sequence[str]] | None = None) -> str:
    """
    Write the zones; return the settings of a server with them.

    @param options: further lines of the tables of zones, by the names of views; files are left out where a line has other origins.
    """
    lines = ['key-file = "keys"', 'state = "state"']
    (folder / "keys").write_text("".join([f"hmac-sha256:{name}:{secret}\n" for name, secret in KEYS.items()]))
    (folder / "keys").chmod(0o600)
    for view, clients in VIEWS.items():
        lines += ["[[view]]", f'name = "{view}"', f"clients = {clients!r}"]
    for view, served in zones.items():
        for number, (origin, text) in enumerate(served.items()):
            more = (options or {}).get(view, ())
            lines += ["[[zone]]", f'name = "{origin}"', *([f'view = "{view}"'] if view else []), *more]
            if text:
                path = folder / f"{view or 'all'}-{number}.zone"
                path.write_text(text)
                lines.append(f'file = "{path}"')
    return "\n".join([*lines, ""])


@contextmanager
def serving(folder: Path, settings: str, *words: str, port: int | None = None) -> Iterator[Twistd]:
    """
    Return a running server with these settings that serves all of its zones.
    """
    (folder / "settings.toml").write_text(settings)
    server = Twistd(folder, port=port)
    where = ["--interface", "127.0.0.1", "--port", str(server.port), "--control", str(folder / "control"), "--response-rate", "0"]
    server.words = ["-n", "--pidfile", str(folder / "pid"), "txdns", "serve", "--config", "settings.toml", *where, *words]
    with server:
        wanted = settings.count("\nfile = ")
        wait(lambda: sum([int(line.split()[0].split(":")[-1]) for line in _counts(server.text())]) >= wanted, server)
        yield server


def _counts(log: str) -> list[str]:
    """
    Return the counts of zones that are served, by the sets of zones.
    """
    return [line.partition("] ")[2].rpartition(": ")[2] for line in log.splitlines() if "zones are served after" in line]


def drawn(seed: int, count: int, folder: Path) -> tuple[dict[str, dict[str, str]], list[str]]:
    """
    Return random zones for all and for two views, some with the same name and some below others, and the names to ask for.
    """
    random = Random(seed)
    zones: dict[str, dict[str, str]] = {"": {}, "partners": {}, "lab": {}}
    names: set[str] = set()
    for number, view in enumerate(zones):
        for zone in madeUp(seed + 1000 * number, count, folder):
            chosen = zone.origin
            if random.random() < 0.4:
                # Below another zone, which does not delegate it.
                chosen = f"a.z{random.randrange(count)}.test."
            if random.random() < 0.7:
                zones[view][chosen] = zone.text.replace(zone.origin, chosen).replace(zone.origin.upper(), chosen.upper())
            names |= {name.replace(zone.origin, chosen) for name in zone.names}
    return zones, sorted(names)


def namedWith(zones: Variants, options: str) -> LivePeer:
    """
    Return named, in each of whose views there are its zones and, of other names, those for all.
    """
    def configure(server: LivePeer) -> str:
        paths = {}
        for view, served in zones.items():
            for number, (origin, text) in enumerate(served.items()):
                paths[view, origin] = server.folder / f"{view or 'all'}-{number}.zone"
                paths[view, origin].write_text(text)
        lines = [
            "options {",
            f'  directory "{server.folder}"; pid-file "{server.folder}/named.pid"; session-keyfile "{server.folder}/session.key";',
            f'  managed-keys-directory "{server.folder}"; listen-on port {server.port} {{ 127.0.0.1; }}; listen-on-v6 {{ none; }};',
            "  recursion no; allow-query { any; }; dnssec-validation no; empty-zones-enable no; notify no; max-cache-size 64m;",
            f"  {options}",
            "};",
            "controls { };",
            *[f'key "{name}" {{ algorithm hmac-sha256; secret "{secret}"; }};' for name, secret in KEYS.items()],
        ]
        for view, clients in {**VIEWS, "": ["any"]}.items():
            matching = " ".join([f"key {each[4:]};" if each.startswith("key=") else f"{each};" for each in clients])
            lines.append(f'view "{view or "all"}" {{ match-clients {{ {matching} }};')
            own = zones.get(view, {})
            for origin in {**zones[""], **own}:
                path = paths[view if origin in own else "", origin]
                lines.append(f'zone "{origin}" {{ type primary; file "{path}"; check-integrity no; }};')
            lines.append("};")
        return "\n".join([*lines, ""])

    return LivePeer("named", ["-g", "-n", "1"], configure, "127.0.0.1", zones[""])
