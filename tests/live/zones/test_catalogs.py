"""
Catalog zones between our server and BIND or Knot, each as the producer and as the consumer.
"""

from __future__ import annotations

from functools import partial

import pytest
import pytest_twisted

from tests.live.zones.replicating import ADDRESS, KEY, SECRET, hosting, run, until
from tests.peers import LivePeer
from tests.server.zones.transfer.replicas import KEYS, Host, applyZones
from tests.zone.plain import HEAD, setsOf
from twisted_ext.server.config.zonesettings import ZoneSettings
from twisted_ext.server.zones.table.zonetable import SERVING
from twisted_ext.wire.names import nameFromText
from twisted_ext.zone.zone import Zone

__all__: list[str] = []

CATALOG = "catalog.invalid"
NAMES = ("one.example.org", "two.example.net", "three.example.com")


def table(name: str, **said: object) -> ZoneSettings:
    """
    Return the settings of a zone. C{_} stands for hyphens.
    """
    return ZoneSettings.fromTable({"name": name, **{key.replace("_", "-"): value for key, value in said.items()}})


def text(name: str) -> str:
    """
    Return a zone as a master file.
    """
    return f"$ORIGIN {name}.\n$TTL 300\n{HEAD}"


def catalogText(serial: int, *names: str) -> str:
    """
    Return a catalog of these zones as a master file.
    """
    lines = [f"$ORIGIN {CATALOG}.\n$TTL 0\n@ SOA invalid. invalid. {serial} 60 10 86400 60\n@ NS invalid.\nversion TXT 2\n"]
    lines += [f"label{NAMES.index(name)}.zones PTR {name}.\n" for name in names]
    return "".join(lines)


def bindBeside(host: Host, *listed: str) -> LivePeer:
    """
    Return BIND beside our server.

    @param listed: zones of its catalog, or none if it is the consumer.
    """

    def configure(server: LivePeer) -> str:
        ours = f"{host.address} port {host.port} key {KEY};"
        lines = [
            f'key "{KEY}" {{ algorithm hmac-sha256; secret "{SECRET}"; }};',
            "options {",
            f'  directory "{server.folder}"; pid-file "{server.folder}/named.pid"; session-keyfile "{server.folder}/session.key";',
            f'  managed-keys-directory "{server.folder}"; listen-on port {server.port} {{ {ADDRESS}; }}; listen-on-v6 {{ none; }};',
            "  recursion no; allow-query { any; }; dnssec-validation no; empty-zones-enable no; notify-delay 0; allow-new-zones yes;",
            "  serial-query-rate 100; notify-rate 100; startup-notify-rate 100;",
        ]
        if not listed:
            lines += [
                f'  catalog-zones {{ zone "{CATALOG}" default-primaries {{ {ours} }} in-memory yes min-update-interval 1; }};',
                "};",
                f'zone "{CATALOG}" {{ type secondary; file "{server.folder}/catalog"; primaries {{ {ours} }};'
                f" allow-notify {{ key {KEY}; }}; }};",
            ]
        else:
            lines.append("};")
            server.zoneFile(CATALOG).write_text(catalogText(1, *listed))
            for name in (CATALOG, *NAMES):
                if name != CATALOG:
                    server.zoneFile(name).write_text(text(name))
                lines.append(
                    f'zone "{name}" {{ type primary; file "{server.zoneFile(name)}"; check-integrity no; notify explicit;'
                    f" also-notify {{ {ours} }}; allow-transfer {{ key {KEY}; }}; allow-update {{ key {KEY}; }}; }};"
                )
        return "\n".join([*lines, "controls { };", ""])

    return LivePeer("named", ["-g", "-n", "1"], configure, ADDRESS, {})


def knotBeside(host: Host, *listed: str) -> LivePeer:
    """
    Return Knot DNS beside our server.

    @param listed: zones of its catalog, or none if it is the consumer.
    """

    def configure(server: LivePeer) -> str:
        lines = [
            f'server:\n  rundir: "{server.folder}"\n  listen: {ADDRESS}@{server.port}',
            "  udp-workers: 1\n  tcp-workers: 1\n  background-workers: 1",
            f'control:\n  listen: "{server.folder}/knot.sock"',
            f'database:\n  storage: "{server.folder}"',
            "  journal-db-max-size: 64M\n  kasp-db-max-size: 32M\n  timer-db-max-size: 8M\n  catalog-db-max-size: 32M",
            "log:\n  - target: stderr\n    any: info",
            f"key:\n  - id: {KEY}\n    algorithm: hmac-sha256\n    secret: {SECRET}",
            f"remote:\n  - id: ours\n    address: {host.address}@{host.port}\n    key: {KEY}",
            f"acl:\n  - id: ours\n    key: {KEY}\n    action: [query, transfer, notify]",
            f'template:\n  - id: default\n    storage: "{server.folder}"\n    acl: ours\n  - id: member\n    storage: "{server.folder}"',
            "    acl: ours",
        ]
        if listed:
            lines += [f"    catalog-role: member\n    catalog-zone: {CATALOG}\n    notify: ours", "zone:"]
            lines.append(f"  - domain: {CATALOG}\n    catalog-role: generate\n    notify: ours")
            for name in listed:
                server.zoneFile(name).write_text(text(name))
                lines.append(f'  - domain: {name}\n    template: member\n    file: "{server.zoneFile(name)}"')
        else:
            lines += ["    master: ours", "zone:"]
            lines.append(f"  - domain: {CATALOG}\n    master: ours\n    catalog-role: interpret\n    catalog-template: member")
        return "\n".join([*lines, ""])

    return LivePeer("knotd", [], configure, ADDRESS, {})


BESIDE = {"named": bindBeside, "knotd": knotBeside}


@pytest.fixture(params=list(BESIDE))
def program(request: pytest.FixtureRequest) -> str:
    """
    Return each of these programs.
    """
    return str(request.param)


def produce(host: Host, server: LivePeer, *names: str) -> None:
    """
    Let our server produce a catalog of these zones.
    """
    said = {"allow_transfer": [f"key={KEY}"], "notify": [f"{server.address}:{server.port} key={KEY}"]}
    zones = [table(CATALOG, catalog="produce", **said)]
    for name in names:
        if host.zones.at(nameFromText(name)) is None:
            host.zones.put(Zone.fromRecords(name, setsOf(HEAD, name)))
        zones.append(table(name, file="/nobody/reads/this", listed_in=CATALOG, **said))
    applyZones(host.replication, zones, KEYS)


async def hasZone(server: LivePeer, name: str) -> bool:
    """
    Return whether a server has a zone.
    """
    said = await run("dig", f"@{server.address}", "-p", str(server.port), "+norecurse", "+tries=1", "+time=2", name, "SOA")
    return "flags: qr aa" in said and "status: NOERROR" in said


@pytest_twisted.ensureDeferred
async def test_otherServersFollowOurCatalog(program: str) -> None:
    """
    Other servers serve the zones of our catalog, add a new one as soon as it is listed, and drop one that is no longer listed.
    """
    async with hosting() as host:
        beside = BESIDE[program](host)
        with beside as server:
            produce(host, server, NAMES[0], NAMES[1])
            for name in NAMES[:2]:
                await until(partial(hasZone, server, name), server.log)
            produce(host, server, NAMES[1], NAMES[2])
            await until(lambda: hasZone(server, NAMES[2]), server.log)

            async def gone() -> bool:
                return not await hasZone(server, NAMES[0])

            await until(gone, server.log)
            assert await hasZone(server, NAMES[1])


@pytest_twisted.ensureDeferred
async def test_followsCatalogsOfOthers(program: str) -> None:
    """
    Our server serves the zones of other servers' catalogs and follows their changes.
    """
    async with hosting() as host:
        with BESIDE[program](host, NAMES[0], NAMES[1]) as server:

            def served() -> list[str]:
                return [place.text for place in host.zones if place.state == SERVING and place.text != f"{CATALOG}."]

            primary = f"{server.address}:{server.port} key={KEY}"
            applyZones(host.replication, [table(CATALOG, catalog="follow", primaries=[primary])], KEYS)
            await until(lambda: sorted(served()) == [f"{name}." for name in NAMES[:2]], lambda: (served(), server.log()))
            if program == "named":
                script = server.folder / "script"
                script.write_text(
                    f"server {ADDRESS} {server.port}\nzone {CATALOG}\nupdate delete label0.zones.{CATALOG} PTR\n"
                    f"update add label2.zones.{CATALOG} 0 PTR {NAMES[2]}.\nsend\n"
                )
                await run("nsupdate", "-y", f"hmac-sha256:{KEY}:{SECRET}", str(script))
            else:
                server.zoneFile(NAMES[2]).write_text(text(NAMES[2]))
                await run("knotc", "-s", f"{server.folder}/knot.sock", "conf-begin")
                for words in (
                    ["conf-unset", f"zone[{NAMES[0]}]"],
                    ["conf-set", f"zone[{NAMES[2]}]"],
                    ["conf-set", f"zone[{NAMES[2]}].template", "member"],
                    ["conf-set", f"zone[{NAMES[2]}].file", str(server.zoneFile(NAMES[2]))],
                    ["conf-commit"],
                ):
                    await run("knotc", "-s", f"{server.folder}/knot.sock", *words)
            await until(lambda: sorted(served()) == sorted(f"{name}." for name in NAMES[1:]), lambda: (served(), server.log()))
