"""
Compare to whom named and Unbound give answers, look-ups, transfers and updates, and to whom this server with their converted configurations
does, for clients at several addresses of loopback. The configurations are random.

    python -m tests.live.convert.access COUNT [SEED]

does so for this many configurations of each program, and prints each difference.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from random import Random
from typing import Final

import dns.exception
import dns.message
import dns.query
import dns.rcode
import dns.tsigkeyring
import dns.update

from tests.live.convert.comparing import ForwardingPeer, ourServer
from tests.live.convert.upstreams import FakeUpstreams
from tests.live.twistds import wait
from tests.peers import freePort
from twisted_ext.apps.cli.convert.command import convertFile, formatNamed, tomlOf
from twisted_ext.apps.cli.convert.converted import Converted, Severity

__all__ = ["Opened", "compareAccess", "namedText", "unboundText"]

#: Where clients are.
_CLIENTS: Final = ("127.0.0.1", "127.0.0.2", "127.0.0.3", "127.0.0.9", "127.0.1.1", "127.1.0.1", "127.128.0.1")

_NETWORKS: Final = ("127.0.0.2", "127.0.0.3", "127.0.0.0/30", "127.0.0.0/24", "127.0.0.0/16", "127.1/16", "127.0.0.0/9", "127/8", "10/8")

_SECRET: Final = "c2VjcmV0IG9mIGEgY29udmVydGVkIGtleSwgMzIgb2N0ZXRz"

_KEYRING: Final = dns.tsigkeyring.from_text({"k1": _SECRET})

_ZONE: Final = """$TTL 300
@ SOA ns hostmaster 1 3600 600 86400 300
@ NS ns
ns A 9.200.0.2
www A 9.200.0.4
"""

#: What the record of the zone is, which no upstream knows.
_RECORD: Final = "9.200.0.4"

_SECONDS: Final = 0.5


@dataclass(slots=True)
class Opened:
    """
    What came of one configuration.

    @ivar text: the configuration.
    @ivar opened: what this server gives to clients that get it from the other program neither at once nor at all.
    @ivar closed: what it does not give to clients that get it there.
    @ivar lines: what the converter said of differences.
    """

    text: str
    opened: list[str] = field(default_factory=list)
    closed: list[str] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)


# -- configurations


def _elements(random: Random, depth: int, keys: bool) -> str:
    """
    Return the elements of a random address match list.

    @param depth: of its braces; 3 for the list that others name.
    """
    found: list[str] = []
    for _ in range(random.randint(1, 4)):
        mark = random.choice(("", "", "! "))
        chosen = random.random()
        if chosen < 0.15 and depth < 2:
            found.append(f"{mark}{{ {_elements(random, depth + 1, keys)} }};")
        elif chosen < 0.25:
            found.append(f"{mark}{random.choice(('any', 'none'))};")
        elif chosen < 0.35 and depth < 3:
            found.append(f"{mark}inner;")
        elif chosen < 0.5 and keys:
            found.append("key k1;")
        else:
            found.append(f"{mark}{random.choice(_NETWORKS)};")
    return " ".join(found)


def _maybe(random: Random, name: str, chance: float, keys: bool = False) -> str:
    return f"{name} {{ {_elements(random, 0, keys)} }};" if random.random() < chance else ""


def namedText(random: Random, folder: Path, port: int, upstream: int) -> str:
    """
    Return a random configuration of named, with a zone and an upstream.
    """
    zone = " ".join(
        [
            f'type primary; file "{folder}/a.zone";',
            _maybe(random, "allow-query", 0.3),
            _maybe(random, "allow-transfer", 0.7, keys=True) or "allow-transfer { none; };",
            _maybe(random, "allow-update", 0.6, keys=True),
        ]
    )
    options = " ".join(
        [
            f'directory "{folder}"; pid-file "{folder}/named.pid"; session-keyfile "{folder}/session.key"; notify no;',
            f"dnssec-validation no; managed-keys-directory \"{folder}\"; listen-on port {port} {{ 127.0.0.1; }}; listen-on-v6 {{ none; }};",
            f"forwarders {{ 127.0.0.1 port {upstream}; }}; forward only; recursion {random.choice(('yes', 'no'))};",
            *[_maybe(random, f"allow-{name}", chance) for name, chance in (("query", 0.5), ("recursion", 0.5), ("query-cache", 0.2))],
            # The client that waits for the servers is never dropped.
            _maybe(random, "blackhole", 0.2).replace("{", "{ ! 127.0.0.1;", 1),
        ]
    )
    inner = f"acl inner {{ {_elements(random, 3, keys=False)} }};"
    served = f'zone "a.example" {{ {zone} }};'
    if random.random() < 0.2:
        served = f'view "v" {{ match-clients {{ {_elements(random, 0, keys=False)} }}; {served} }};'
    return f'include "{folder}/keys";\n{inner}\noptions {{ {options} }};\n{served}\ncontrols {{ }};\n'


def unboundText(random: Random, folder: Path, port: int, upstream: int) -> str:
    """
    Return a random configuration of Unbound, with a zone, a local record and an upstream.
    """
    actions = ("allow", "allow", "deny", "refuse", "refuse_non_local", "deny_non_local", "allow_snoop")
    networks = [each for each in _NETWORKS if each.count(".") == 3]
    access = [f" access-control: {random.choice(networks)} {random.choice(actions)}" for _ in range(random.randint(0, 4))]
    access.append(f" access-control: 127.0.0.1/32 {random.choice(('allow', 'refuse', 'refuse_non_local'))}")
    lines = [
        "server:", f" interface: 127.0.0.1@{port}", f" port: {port}", f' directory: "{folder}"', ' username: ""', ' chroot: ""',
        ' pidfile: ""', ' logfile: ""', " use-syslog: no", " do-daemonize: no", " num-threads: 1", " do-not-query-localhost: no",
        ' module-config: "iterator"', *access,
        *[f" local-zone: . {random.choice(('refuse', 'static', 'always_nxdomain'))}" for _ in range(random.random() < 0.15)],
        "remote-control:", " control-enable: no", "forward-zone:", ' name: "."', f" forward-addr: 127.0.0.1@{upstream}",
    ]  # fmt: skip
    if random.random() < 0.5:
        lines += ["auth-zone:", " name: a.example", f' zonefile: "{folder}/a.zone"']
    return "\n".join([*lines, ""])


# -- what clients get


def _lookUp(port: int, client: str, name: str) -> bool:
    try:
        reply = dns.query.udp(dns.message.make_query(name, "A"), "127.0.0.1", _SECONDS, port, client, ignore_unexpected=True)
    except (dns.exception.DNSException, OSError):
        return False
    return bool(reply.answer) and (name != "www.a.example" or _RECORD in reply.answer[0].to_text())


def _transferred(port: int, client: str, signed: bool) -> bool:
    query = dns.message.make_query("a.example", "AXFR")
    if signed:
        query.use_tsig(_KEYRING, "k1", algorithm="hmac-sha256")
    try:
        reply = dns.query.tcp(query, "127.0.0.1", _SECONDS * 2, port, client)
    except (dns.exception.DNSException, OSError, EOFError):
        return False
    return bool(reply.answer)


def _updated(port: int, client: str, signed: bool) -> bool:
    update = dns.update.UpdateMessage("a.example")
    if signed:
        update.use_tsig(_KEYRING, "k1", algorithm="hmac-sha256")
    update.replace("new", 300, "TXT", client)
    try:
        reply = dns.query.tcp(update, "127.0.0.1", _SECONDS * 4, port, client)
    except (dns.exception.DNSException, OSError, EOFError):
        return False
    return reply.rcode() == dns.rcode.NOERROR


#: What a client can get, and how.
_GIVEN: Final[dict[str, Callable[[int, str], bool]]] = {
    "the zone": lambda port, client: _lookUp(port, client, "www.a.example"),
    "a look-up": lambda port, client: _lookUp(port, client, "four.public.example.net"),
    "a transfer": partial(_transferred, signed=False),
    "a signed transfer": partial(_transferred, signed=True),
    "an update": partial(_updated, signed=False),
    "a signed update": partial(_updated, signed=True),
}


def compareAccess(kind: str, random: Random) -> Opened:
    """
    Compare one random configuration of C{named} or C{unbound}.
    """
    make = {"named": namedText, "unbound": unboundText}[kind]
    state = random.getstate()

    def written(folder: Path, port: int) -> str:
        random.setstate(state)
        folder.chmod(0o755)
        (folder / "a.zone").write_text(_ZONE)
        (folder / "keys").write_text(f'key k1 {{ algorithm hmac-sha256; secret "{_SECRET}"; }};\n')
        return make(random, folder, port, upstreams.ports[0])

    words = ["-g", "-n", "1"] if kind == "named" else ["-d"]
    with tempfile.TemporaryDirectory() as name, FakeUpstreams(1) as upstreams:
        folder, port = Path(name), freePort("127.0.0.1")
        path = folder / f"{kind}.conf"
        path.write_text(written(folder, port))
        converted = convertFile(str(path), formatNamed(kind))
        converted.set("state", str(folder / "state"), converted.places["role"][0])
        result = Opened(path.read_text(), lines=_linesOf(converted))
        with _Peer(kind, words, lambda peer: written(peer.folder, peer.port), "127.0.0.1", {}) as theirs:
            with ourServer(folder, tomlOf(converted), port) as server:
                if "zone" in converted.values:
                    wait(lambda: "1 of 1 zones are served" in server.text(), server)
                for what, given in _GIVEN.items():
                    if kind == "unbound" and ("transfer" in what or "update" in what):
                        continue
                    # A key on which nothing depends is not converted, and a client that signs with it is refused.
                    if "signed" in what and "k1" not in tomlOf(converted):
                        continue
                    for client in _CLIENTS:
                        there, here = given(theirs.port, client), given(port, client)
                        if there is not here:
                            (result.opened if here else result.closed).append(f"{what} for {client}")
    return result


class _Peer(ForwardingPeer):
    def _answers(self, zone: str | None) -> bool:
        # It may answer nobody, so it is asked for what it refuses.
        return any(word in self.log() for word in (" running\n", "start of service"))


def _linesOf(converted: Converted) -> list[str]:
    severities = (Severity.DIFFERS, Severity.MISSING, Severity.WRONG)
    return [str(finding) for finding in converted.sortedFindings() if finding.severity in severities]


def _reported(kind: str, seed: int, result: Opened) -> Iterator[str]:
    if result.opened or (result.closed and not result.lines):
        yield f"-- {kind} {seed}"
        yield result.text
        yield from [f"opened: {each}" for each in result.opened]
        yield from [f"closed: {each}" for each in result.closed]
        yield from result.lines


def main(words: Sequence[str]) -> int:
    count, first = int(words[0]), int(words[1]) if len(words) > 1 else 0
    opened = closed = said = 0
    for kind in ("named", "unbound"):
        for seed in range(first, first + count):
            result = compareAccess(kind, Random(seed))
            opened += len(result.opened)
            closed += len(result.closed) if not result.lines else 0
            said += len(result.closed) if result.lines else 0
            sys.stdout.write("".join([f"{line}\n" for line in _reported(kind, seed, result)]))
            sys.stdout.flush()
    sys.stdout.write(f"opened {opened}, closed without a line {closed}, with one {said}\n")
    return 1 if opened or closed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
