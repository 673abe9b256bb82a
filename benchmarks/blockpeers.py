"""
Lists of a million names in Unbound, BIND, the PowerDNS recursor and this server: how long until they block, memory, what a blocked answer
costs, and the longest time for a reply while the list is read again.

    python -m benchmarks.blockpeers [--names N] [--rounds N]

Each server has one core and the list in its usual form: Unbound local zones and, as a second server, a policy zone; BIND and PowerDNS a
policy zone; this server a list. They take turns of a second in random order; what an answer costs is the median of their rounds.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from benchmarks.blocking import Timing, listed, rcodeOf, until
from benchmarks.loads import dnsperf, written
from benchmarks.peering import zoneServer
from benchmarks.servers import KINDS, OURS, Kind, Place, Server
from benchmarks.variants import COMPILED

__all__ = ["main"]

#: Names of the zone that is forwarded to.
_ZONE: Final = 8000

#: Seconds that a server gets to have read its list.
_PATIENCE: Final = 180.0

#: Names of the zone that the list gets when it is read again. Nobody has asked for them before, so that no cache knows them.
_NEW: Final = [f"h{number}.example.test" for number in range(_ZONE, _ZONE + 4000)]

#: Seconds between two queries for one of these.
_LOOK_EVERY: Final = 0.03

_POLICY: Final = "$TTL 300\n@ SOA localhost. root.localhost. 1 3600 600 86400 300\n@ NS localhost.\n"

_RPZ: Final = "rpz:\n  name: policy.local\n  zonefile: {}\n"


@dataclass(frozen=True)
class _Peer:
    """
    A server with its list.

    @ivar line: returns what the list has for a name.
    @ivar head: what it has before that.
    @ivar extended: returns the command of the server with the list at this path, from that without one.
    @ivar reload: has the list read again.
    """

    kind: Kind
    line: Callable[[str], str]
    head: str
    extended: Callable[[Place, list[str], str], list[str]]
    reload: Callable[[Server], object]
    title: str = ""


def _configured(place: Place, old: str, new: str, name: str = "server.conf") -> None:
    path = place.folder / name
    text = path.read_text()
    path.write_text(text.replace(old, new) if old else text + new)


def _unboundZones(place: Place, command: list[str], path: str) -> list[str]:
    _configured(place, "", f'server:\n  include: "{path}"\n')
    return command


def _unboundPolicy(place: Place, command: list[str], path: str) -> list[str]:
    _configured(place, 'module-config: "iterator"', 'module-config: "respip iterator"')
    _configured(place, "", _RPZ.format(f'"{path}"'))
    return command


def _bind(place: Place, command: list[str], path: str) -> list[str]:
    policy = 'response-policy { zone "policy.local"; } qname-wait-recurse no;'
    _configured(place, "minimal-responses yes;", f"minimal-responses yes;\n  {policy}")
    _configured(place, "", f'zone "policy.local" {{ type primary; file "{path}"; check-names ignore; }};\n')
    return command


def _powerDNS(place: Place, command: list[str], path: str) -> list[str]:
    lua = place.configured(f'rpzFile("{path}", {{policyName="policy"}})\n', "policy.lua")
    _configured(place, "", f"lua-config-file={lua}\n", "recursor.conf")
    return command


def _ours(place: Place, command: list[str], path: str) -> list[str]:
    return [*command, "--client-rate", "0", "--block-list", path]


def _hangUp(server: Server) -> None:
    os.kill(server.processes[0], signal.SIGHUP)


def _recControl(server: Server) -> None:
    subprocess.Popen(["rec_control", f"--socket-dir={server.folder}", "reload-lua-config"], stdout=subprocess.DEVNULL)


def _peers() -> list[_Peer]:
    kinds = {kind.name: kind for kind in KINDS}

    def zone(name: str) -> str:
        return f"{name} CNAME .\n"

    def nothing(server: Server) -> None:
        pass

    found = [
        _Peer(kinds["Unbound"], 'local-zone: "{}" always_nxdomain\n'.format, "", _unboundZones, _hangUp, "Unbound, local zones"),
        _Peer(kinds["Unbound"], zone, _POLICY, _unboundPolicy, _hangUp, "Unbound, policy zone"),
        _Peer(kinds["BIND"], zone, _POLICY, _bind, _hangUp, "BIND, policy zone"),
        _Peer(kinds["PowerDNS"], zone, _POLICY, _powerDNS, _recControl, "PowerDNS, policy zone"),
        *[_Peer(kinds[name], "{}\n".format, "", _ours, nothing, name) for name in (OURS, COMPILED)],
    ]
    return [each for each in found if each.kind.found() is not None]


def _started(peer: _Peer, path: Path, upstream: tuple[str, int]) -> Server:
    def command(place: Place) -> list[str]:
        return peer.extended(place, peer.kind.command(place), str(path))

    return Server(replace(peer.kind, command=command), upstream, (1,), patience=_PATIENCE)


def _costs(servers: Sequence[tuple[_Peer, Server]], denied: Path, rounds: int) -> list[list[float]]:
    """
    Return what a blocked answer costs each server in each round, in seconds.
    """
    found: list[list[float]] = [[] for _ in servers]
    dice = random.Random(6)
    for _, server in servers:
        dnsperf(server.port, denied, 3, (0,))
    for _ in range(rounds):
        for index in dice.sample(range(len(servers)), len(servers)):
            server = servers[index][1]
            before = server.cpu()
            load = dnsperf(server.port, denied, 1, (0,))
            found[index].append((server.cpu() - before) / load.answered)
    return found


def main(arguments: list[str] | None = None) -> int:
    """
    @return: the exit code.
    """
    parser = argparse.ArgumentParser(prog="python -m benchmarks.blockpeers", description=__doc__.splitlines()[1])
    parser.add_argument("--names", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=10)
    wanted = parser.parse_args(arguments)
    names = listed(wanted.names)
    with tempfile.TemporaryDirectory(prefix="txdns-blockpeers-") as text, zoneServer(_ZONE + len(_NEW)) as upstream, ExitStack() as stack:
        folder = Path(text)
        denied = folder / "denied"
        denied.write_text("".join([f"{name} A\n" for name in random.Random(5).choices(names[:_ZONE], k=100_000)]))
        each = written(folder, "each", _ZONE)
        load = written(folder, "plain", 50_000)
        servers: list[tuple[_Peer, Server, Path]] = []
        print(f"{wanted.names:,} names{'':28} first  blocks    memory", flush=True)
        for number, peer in enumerate(_peers()):
            path = folder / f"list{number}"
            with Server(peer.kind, upstream.server, (1,)) as plain:
                dnsperf(plain.port, each, 2, (0,), once=True)
                without = plain.memory()
            path.write_text(peer.head + "".join(map(peer.line, names)))
            server = stack.enter_context(_started(peer, path, upstream.server))
            took = server.took + until(server.port, names[-1], 3)
            dnsperf(server.port, each, 2, (0,), once=True)
            more = server.memory() - without
            servers.append((peer, server, path))
            print(f"{peer.title:<40} {server.took:5.2f} s {took:5.2f} s {more:7.1f} MB", flush=True)
        costs = _costs([each[:2] for each in servers], denied, wanted.rounds)
        print("a blocked answer, microseconds")
        for (peer, _, _), cost in zip(servers, costs, strict=True):
            print(f"{peer.title:<40} {statistics.median(cost) * 1e6:8.1f} ({min(cost) * 1e6:.1f} to {max(cost) * 1e6:.1f})", flush=True)
        print("the list is read again                   longest reply, in force after")
        for peer, server, path in servers:
            with Timing(server.port, load, 20) as timing:
                with path.open("a") as file:
                    file.writelines(map(peer.line, _NEW))
                peer.reload(server)
                began = time.perf_counter()
                for name in _NEW:
                    if rcodeOf(server.port, name, _PATIENCE) == 3:
                        break
                    time.sleep(_LOOK_EVERY)
                else:
                    raise OSError(f"{peer.title} never read its list again")
                took = time.perf_counter() - began
                time.sleep(1)
            print(f"{peer.title:<40} {timing.longest * 1000:9.1f} ms {took:9.1f} s", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
