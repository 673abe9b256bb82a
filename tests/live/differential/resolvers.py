"""
The resolvers that are compared: each resolves from the root of the shared internet, validates, and has otherwise the settings of its
authors.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

from tests.live.twistds import twistd
from tests.peers import peer

__all__ = ["OURS", "PORTS", "RESOLVERS", "resolverCommand"]

OURS: Final = "twisted_ext"

#: The port of each resolver at 127.0.0.1.
PORTS: Final[Mapping[str, int]] = {OURS: 5301, "unbound": 5302, "named": 5303, "pdns_recursor": 5304, "kresd": 5305}

RESOLVERS: Final = tuple(PORTS)


def _ours(own: Path, folder: Path, port: int) -> list[str]:
    words = ["--interface", "127.0.0.1", "--port", str(port), "--root-hints", str(folder / "hints")]
    words += ["--trust-anchor", str(folder / "anchor"), "--hosts-file", "", "--no-query-ipv6", "--control", str(own / "control")]
    return twistd("-n", "--pidfile", str(own / "pid"), "txdns", "recurse", *words)


def _unbound(own: Path, folder: Path, port: int) -> list[str]:
    lines = [
        "server:",
        f"  interface: 127.0.0.1@{port}",
        f'  directory: "{own}"',
        f'  pidfile: "{own}/pid"',
        '  username: ""',
        '  chroot: ""',
        '  logfile: ""',
        "  use-syslog: no",
        "  do-daemonize: no",
        "  num-threads: 1",
        "  do-ip6: no",
        f'  root-hints: "{folder}/hints"',
        f'  trust-anchor-file: "{folder}/anchor"',
        # Otherwise what has expired for less than a day is valid.
        "  val-sig-skew-min: 0",
        "  val-sig-skew-max: 0",
        "  ede: yes",
        "remote-control:",
        "  control-enable: no",
    ]
    return [str(peer("unbound")), "-d", "-c", _written(own, "conf", lines)]


def _bind(own: Path, folder: Path, port: int) -> list[str]:
    anchors = []
    for line in (folder / "anchor").read_text().splitlines():
        tag, algorithm, digestType, *digest = line.split()[-4:] if len(line.split()) == 8 else line.split()[4:]
        anchors.append(f'. static-ds {tag} {algorithm} {digestType} "{"".join(digest)}";')
    lines = [
        "options {",
        f'  directory "{own}";',
        "  pid-file none;",
        f'  session-keyfile "{own}/session.key";',
        f'  managed-keys-directory "{own}";',
        f"  listen-on port {port} {{ 127.0.0.1; }};",
        "  listen-on-v6 { none; };",
        "  recursion yes;",
        "  allow-query { any; };",
        "  dnssec-validation yes;",
        "  empty-zones-enable no;",
        "};",
        f"trust-anchors {{ {' '.join(anchors)} }};",
        "controls { };",
        f'zone "." {{ type hint; file "{folder}/hints"; }};',
    ]
    return [str(peer("named")), "-4", "-f", "-n", "1", "-c", _written(own, "conf", lines)]


def _powerDNS(own: Path, folder: Path, port: int) -> list[str]:
    anchors = [line.partition("DS")[2].strip() for line in (folder / "anchor").read_text().splitlines()]
    script = _written(own, "anchors.lua", ["clearTA()", *(f'addTA(".", "{anchor}")' for anchor in anchors)])
    lines = [
        "local-address=127.0.0.1",
        f"local-port={port}",
        f"socket-dir={own}",
        "threads=1",
        "pdns-distributes-queries=no",
        "dnssec=validate",
        f"hint-file={folder}/hints",
        f"lua-config-file={script}",
        "dont-query=",
        "daemon=no",
        "quiet=yes",
        "disable-syslog=yes",
        "loglevel=3",
        "security-poll-suffix=",
    ]
    _written(own, "recursor.conf", lines)
    return [str(peer("pdns_recursor")), f"--config-dir={own}"]


def _knot(own: Path, folder: Path, port: int) -> list[str]:
    lines = [
        f"net.listen('127.0.0.1', {port}, {{ kind = 'dns' }})",
        "net.ipv6 = false",
        f"cache.open(100 * MB, 'lmdb://{own}')",
        "modules.load('hints')",
        f"hints.root_file('{folder}/hints')",
        "trust_anchors.remove('.')",
        *(f"trust_anchors.add([[{line}]])" for line in (folder / "anchor").read_text().splitlines()),
        # They ask the Internet.
        "modules.unload('ta_signal_query')",
        "modules.unload('ta_update')",
        "modules.unload('detect_time_skew')",
    ]
    return [str(peer("kresd")), "--noninteractive", "--quiet", "--config", _written(own, "conf", lines), str(own)]


def _written(own: Path, name: str, lines: Sequence[str]) -> str:
    path = own / name
    path.write_text("\n".join([*lines, ""]), "utf-8")
    return str(path)


_COMMANDS: Final[Mapping[str, Callable[[Path, Path, int], list[str]]]] = {
    OURS: _ours,
    "unbound": _unbound,
    "named": _bind,
    "pdns_recursor": _powerDNS,
    "kresd": _knot,
}


def resolverCommand(name: str, folder: Path) -> list[str]:
    """
    Return the command that starts a resolver in the foreground.

    @param folder: has the hints and the trust anchor; the resolver gets a folder in it.
    """
    own = folder / f"resolver-{name}"
    own.mkdir(exist_ok=True)
    return _COMMANDS[name](own, folder, PORTS[name])
