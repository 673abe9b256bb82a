"""
Zones that are transferred from BIND, Knot and NSD, and follow them.
"""

from __future__ import annotations

import time

import pytest
import pytest_twisted

from tests.live.zones.replicating import ADDRESS, KEY, SECRET, bindBeside, hosting, knotBeside, nsdBeside, run, until
from tests.peers import LivePeer
from tests.server.zones.transfer.replicas import Host
from tests.zone.changing import APEX, textsOf
from twisted_ext.server.zones.transfer.xfrin import Secondary
from twisted_ext.zone.zone import Zone

__all__: list[str] = []

ZONE = """\
$TTL 300
@ SOA ns1 hostmaster 10 3600 600 86400 300
@ NS ns1
@ MX 10 mail
ns1 A 192.0.2.1
mail A 192.0.2.3
mail A 192.0.2.4
mail AAAA 2001:db8::3
Mixed.Case A 192.0.2.5
*.wild TXT "a wildcard" "of two"
odd\\.dot TXT "a dot"
\\000\\255 A 192.0.2.6
sub NS ns.sub
ns.sub A 192.0.2.53
unknown TYPE65280 \\# 3 abcdef
srv._tcp SRV 1 2 3 mail
""" + "".join([f"host{number} A 10.0.{number >> 8}.{number & 255}\n" for number in range(3000)])

PEERS = {"named": bindBeside, "knotd": knotBeside, "nsd": nsdBeside}


@pytest.fixture(params=list(PEERS))
def program(request: pytest.FixtureRequest) -> str:
    """
    Return each of these programs.
    """
    return str(request.param)


def zoneOf(host: Host) -> Secondary:
    """
    Return the zone of these tests.
    """
    assert host.replication.secondaries is not None
    zone = host.replication.secondaries.at(APEX)
    assert zone is not None
    return zone


async def change(server: LivePeer) -> None:
    """
    Add one record to the zone and delete another, in the way of this server.
    """
    if server.program == "named":
        script = server.folder / "script"
        script.write_text(
            f"server {ADDRESS} {server.port}\nzone example.org\nupdate add new.example.org 300 A 192.0.2.99\n"
            "update delete mail.example.org AAAA\nsend\n"
        )
        await run("nsupdate", "-y", f"hmac-sha256:{KEY}:{SECRET}", str(script))
    elif server.program == "knotd":
        for words in (
            ["zone-begin", "example.org"],
            ["zone-set", "example.org", "new", "300", "A", "192.0.2.99"],
            ["zone-unset", "example.org", "mail", "AAAA"],
            ["zone-commit", "example.org"],
        ):
            await run("knotc", "-s", f"{server.folder}/knot.sock", *words)
    else:
        text = ZONE.replace(" 10 3600", " 11 3600").replace("mail AAAA 2001:db8::3\n", "new A 192.0.2.99\n")
        file = server.zoneFile("example.org")
        # NSD compares the second in which a file was written.
        time.sleep(1.1)
        file.write_text(text)
        server.reload()


@pytest_twisted.ensureDeferred
async def test_secondaryFollowsPrimary(program: str) -> None:
    """
    The zone arrives over signed transfers with every record of the primary. A change arrives after its NOTIFY, as a difference.
    """
    async with hosting() as host:
        with PEERS[program](host, "example.org", primary=ZONE) as server:
            host.apply(primaries=[f"{ADDRESS}:{server.port} key={KEY}"])
            await until(lambda: host.serial() == 10, server.log)
            place = host.zones.at(APEX)
            assert place is not None and place.zone is not None
            assert textsOf(place.zone.current) == textsOf(Zone.fromText(ZONE, APEX).current)
            await change(server)
            await until(lambda: host.serial() == 11, server.log)
            after = textsOf(place.zone.current)
            gone = textsOf(Zone.fromText(ZONE, APEX).current) - after
            assert {(name, rrType) for name, rrType, _, _ in gone} == {(APEX, 6), (b"\x04mail" + APEX, 28)}
            assert (b"\x03new" + APEX, 1, 300, bytes([192, 0, 2, 99])) in after
            journal = zoneOf(host).journal
            assert journal is not None and [each.newSerial for each in journal.since(10) or ()] == [11]


@pytest_twisted.ensureDeferred
async def test_wrongKeyTransfersNothing(program: str) -> None:
    """
    Nothing is transferred without the key or with another one, and the reason is reported.
    """
    async with hosting() as host:
        with PEERS[program](host, "example.org", primary=ZONE) as server:
            for suffix in ("", " key=two.key"):
                host.apply(primaries=[f"{ADDRESS}:{server.port}{suffix}"])
                zoneOf(host).said = ""
                await until(lambda: zoneOf(host).said, server.log)
                assert host.serial() == "the zone is being loaded"


@pytest_twisted.ensureDeferred
async def test_restartServesTheStoredZone(program: str) -> None:
    """
    The zone is served after a restart while the primary is down, and follows the primary again when it is back.
    """
    async with hosting() as host:
        with PEERS[program](host, "example.org", primary=ZONE) as server:
            primaries = [f"{ADDRESS}:{server.port} key={KEY}"]
            host.apply(primaries=primaries)
            await until(lambda: host.serial() == 10, server.log)
            await host.end()
            server.stop()
            host.begin()
            host.apply(primaries=primaries)
            assert host.serial() == 10
            server.start()
            await change(server)
            await until(lambda: host.serial() == 11, lambda: f"{zoneOf(host).refreshing.state}, {zoneOf(host).said!r}: {server.log()}")
