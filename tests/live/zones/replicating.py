"""
Zones between our server, which runs in this process, and other servers: settings for both sides, and waiting until they agree.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from tempfile import TemporaryDirectory
from typing import Final, Protocol

from twisted.internet.task import deferLater

from tests.patience import PATIENCE
from tests.peers import LivePeer, freePort, peer
from tests.server.zones.transfer.replicas import KEYS, Host
from tests.typed import outputAndValue
from twisted_ext.compat.install import globalReactor
from twisted_ext.wire.names import nameToText

__all__ = [
    "ADDRESS", "HasAddress", "KEY", "SECRET", "bindBeside", "hosting", "knotBeside", "nsdBeside", "nsdLines", "output", "run", "until",
]  # fmt: skip

ADDRESS: Final = "127.0.0.1"

#: Run a program and return its standard output, its standard error and its exit code.
output: Final = outputAndValue

#: The key that both sides share.
KEY: Final = "one.key"
SECRET: Final = "c2VjcmV0IG9uZQ=="

assert nameToText(next(iter(KEYS)), final=False) == KEY


@asynccontextmanager
async def hosting(**said: Sequence[str]) -> AsyncIterator[Host]:
    """
    Return a server of ours.

    @param said: settings for the zone of these tests, if it is to be a secondary.
    """
    reactor = globalReactor()
    with TemporaryDirectory(prefix="txdns-replica-") as folder:
        host = Host(reactor, ADDRESS, f"{folder}/state", port=freePort(ADDRESS), today=time.time)
        try:
            if said:
                host.apply(**said)
            yield host
        finally:
            await host.end()


async def until(happened: Callable[[], object], what: Callable[[], object] = lambda: "") -> None:
    """
    Wait until a condition holds.

    @param happened: returns whether it holds, or an awaitable of that.
    @param what: returns the current state for the error.
    """
    reactor = globalReactor()
    end = time.monotonic() + PATIENCE
    while True:
        found = happened()
        if await found if isinstance(found, Awaitable) else found:
            return
        assert time.monotonic() < end, str(what())[-2000:]
        await deferLater(reactor, 0.05, lambda: None)


async def run(program: str, *words: str) -> str:
    """
    Run a program beside our server.

    @return: its output.
    """
    out, error, code = await output(str(peer(program)), words, env={"LC_ALL": "C"})
    assert code == 0, (program, words, out, error)
    return out.decode()


class HasAddress(Protocol):
    """
    The address of our server.
    """

    address: str
    port: int


def bindBeside(host: HasAddress, zone: str, *, primary: str = "") -> LivePeer:
    """
    BIND beside a server of ours.

    @param zone: the zone's name.
    @param primary: its master file, where BIND is the primary.
    """

    def configure(server: LivePeer) -> str:
        lines = [
            f'key "{KEY}" {{ algorithm hmac-sha256; secret "{SECRET}"; }};',
            "options {",
            f'  directory "{server.folder}"; pid-file "{server.folder}/named.pid"; session-keyfile "{server.folder}/session.key";',
            f'  managed-keys-directory "{server.folder}";',
            f"  listen-on port {server.port} {{ {ADDRESS}; }}; listen-on-v6 {{ none; }};",
            "  recursion no; allow-query { any; }; dnssec-validation no; empty-zones-enable no; notify-delay 0;",
            "  serial-query-rate 100; notify-rate 100; startup-notify-rate 100;",
            "};",
            "controls { };",
        ]
        ours = f"{host.address} port {host.port} key {KEY};"
        if primary:
            server.zoneFile(zone).write_text(primary)
            lines.append(
                f'zone "{zone}" {{ type primary; file "{server.zoneFile(zone)}"; check-names ignore; notify explicit;'
                f" also-notify {{ {ours} }};"
                f" allow-transfer {{ key {KEY}; }}; allow-update {{ key {KEY}; }}; }};"
            )
        else:
            lines.append(
                f'zone "{zone}" {{ type secondary; file "{server.folder}/copy"; masterfile-format text; check-names ignore; notify no;'
                f" primaries {{ {ours} }}; allow-notify {{ key {KEY}; }}; allow-transfer {{ key {KEY}; }}; }};"
            )
        return "\n".join([*lines, ""])

    return LivePeer("named", ["-g", "-n", "1"], configure, ADDRESS, {})


def knotBeside(host: HasAddress, zone: str, *, primary: str = "") -> LivePeer:
    """
    Knot DNS beside a server of ours.

    @param zone: the zone's name.
    @param primary: its master file, where Knot is the primary.
    """

    def configure(server: LivePeer) -> str:
        lines = [
            "server:",
            f'  rundir: "{server.folder}"',
            f"  listen: {ADDRESS}@{server.port}",
            "  udp-workers: 1",
            "  tcp-workers: 1",
            "  background-workers: 1",
            "control:",
            f'  listen: "{server.folder}/knot.sock"',
            "database:",
            f'  storage: "{server.folder}"',
            "  journal-db-max-size: 64M",
            "  kasp-db-max-size: 32M",
            "  timer-db-max-size: 8M",
            "log:",
            "  - target: stderr",
            "    any: info",
            "key:",
            f"  - id: {KEY}",
            "    algorithm: hmac-sha256",
            f"    secret: {SECRET}",
            "remote:",
            "  - id: ours",
            f"    address: {host.address}@{host.port}",
            f"    key: {KEY}",
            "acl:",
            "  - id: ours",
            f"    key: {KEY}",
            "    action: [transfer, notify, update]",
            "zone:",
            f'  - domain: "{zone}"',
            f'    storage: "{server.folder}"',
            "    acl: ours",
        ]
        if primary:
            server.zoneFile(zone).write_text(primary)
            lines += [f'    file: "{server.zoneFile(zone)}"', "    notify: ours", "    zonefile-load: difference"]
        else:
            lines += ["    master: ours", f'    file: "{server.folder}/copy"']
        return "\n".join([*lines, ""])

    return LivePeer("knotd", [], configure, ADDRESS, {})


def nsdLines(server: LivePeer, *options: str) -> list[str]:
    """
    Return how NSD's configuration begins, before the zones.

    @param options: further lines for its C{server:} clause.
    """
    return [
        "server:",
        f"  ip-address: {ADDRESS}@{server.port}",
        *options,
        f'  zonesdir: "{server.folder}"',
        f'  pidfile: "{server.folder}/nsd.pid"',
        f'  xfrdir: "{server.folder}"',
        f'  xfrdfile: "{server.folder}/xfrd.state"',
        f'  zonelistfile: "{server.folder}/zone.list"',
        '  database: ""',
        '  username: ""',
        '  chroot: ""',
        "  server-count: 1",
        "  rrl-ratelimit: 0",
        "  xfrd-reload-timeout: 0",
        "  verbosity: 2",
        "remote-control:",
        "  control-enable: no",
        "key:",
        f"  name: {KEY}",
        "  algorithm: hmac-sha256",
        f'  secret: "{SECRET}"',
    ]


def nsdBeside(host: HasAddress, zone: str, *, primary: str = "") -> LivePeer:
    """
    NSD beside a server of ours.

    @param zone: the zone's name.
    @param primary: its master file, where NSD is the primary.
    """

    def configure(server: LivePeer) -> str:
        lines = [*nsdLines(server), "zone:", f'  name: "{zone}"']
        ours = f"{host.address}@{host.port} {KEY}"
        if primary:
            server.zoneFile(zone).write_text(primary)
            lines += [
                f'  zonefile: "{server.zoneFile(zone)}"',
                f"  notify: {ours}",
                f"  provide-xfr: 127.0.0.0/8 {KEY}",
                "  store-ixfr: yes",
                "  create-ixfr: yes",
            ]
        else:
            lines += [
                f'  zonefile: "{server.folder}/copy"',
                f"  request-xfr: {ours}",
                f"  allow-notify: {host.address} {KEY}",
                f"  provide-xfr: 127.0.0.0/8 {KEY}",
            ]
        return "\n".join([*lines, ""])

    return LivePeer("nsd", ["-d"], configure, ADDRESS, {})
