"""
NSD, Knot DNS and BIND as authoritative servers of the shared internet.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

from tests.live.differential.world import fileOf
from tests.peers import peer

__all__ = ["commandOf"]


def _nsd(own: Path, folder: Path, addresses: Sequence[str], zones: Sequence[str]) -> list[str]:
    lines = ["server:", *(f"  ip-address: {address}" for address in addresses)]
    lines += [
        '  username: ""',
        f'  pidfile: "{own}/pid"',
        # Otherwise a folder in /tmp that is named by the process ID, which is the same in the namespace of another run.
        f'  xfrdir: "{own}"',
        f'  xfrdfile: "{own}/xfrd"',
        f'  zonelistfile: "{own}/list"',
        # Version 4 keeps a database otherwise.
        '  database: ""',
        "  server-count: 1",
        "  rrl-ratelimit: 0",
        "remote-control:\n  control-enable: no",
    ]
    for zone in zones:
        lines += ["zone:", f'  name: "{zone}"', f'  zonefile: "{folder / fileOf(zone)}"']
    return [str(peer("nsd")), "-d", "-c", _written(own, lines)]


def _knot(own: Path, folder: Path, addresses: Sequence[str], zones: Sequence[str]) -> list[str]:
    lines = [
        "server:",
        f'  rundir: "{own}"',
        f"  listen: [{', '.join([f'{address}@53' for address in addresses])}]",
        "  udp-workers: 1",
        "  tcp-workers: 1",
        "  background-workers: 1",
        "database:",
        f'  storage: "{own}"',
        "  journal-db-max-size: 64M",
        "  kasp-db-max-size: 32M",
        "  timer-db-max-size: 8M",
        "log:",
        "  - target: stderr",
        "    any: warning",
        "zone:",
    ]
    for zone in zones:
        lines += [f'  - domain: "{zone}"', f'    file: "{folder / fileOf(zone)}"', "    semantic-checks: off"]
    return [str(peer("knotd")), "-c", _written(own, lines)]


def _bind(own: Path, folder: Path, addresses: Sequence[str], zones: Sequence[str]) -> list[str]:
    lines = [
        "options {",
        f'  directory "{own}";',
        "  pid-file none;",
        f'  session-keyfile "{own}/session.key";',
        f'  managed-keys-directory "{own}";',
        f"  listen-on {{ {' '.join([f'{address};' for address in addresses])} }};",
        "  listen-on-v6 { none; };",
        "  recursion no;",
        "  dnssec-validation no;",
        "  empty-zones-enable no;",
        "  notify no;",
        "};",
        "controls { };",
    ]
    for zone in zones:
        lines.append(f'zone "{zone}" {{ type primary; file "{folder / fileOf(zone)}"; check-names ignore; check-integrity no; }};')
    return [str(peer("named")), "-g", "-n", "1", "-c", _written(own, lines)]


def _written(own: Path, lines: Sequence[str]) -> str:
    path = own / "conf"
    path.write_text("\n".join([*lines, ""]), "utf-8")
    return str(path)


_COMMANDS: Final[Mapping[str, Callable[[Path, Path, Sequence[str], Sequence[str]], list[str]]]] = {
    "nsd": _nsd,
    "knot": _knot,
    "bind": _bind,
}


def commandOf(part: str, folder: Path, addresses: Sequence[str], zones: Sequence[str]) -> list[str]:
    """
    Return the command that starts an instance in the foreground.

    @param part: the program and a number.
    @param folder: that of the zone files; the instance gets one in it.
    """
    own = folder / part
    own.mkdir()
    return _COMMANDS[part.partition("-")[0]](own, folder, addresses, zones)
