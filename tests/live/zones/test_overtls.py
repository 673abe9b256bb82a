"""
Zones over TLS (XoT, RFC 9103): transferred from BIND and NSD, and to them.
"""

from __future__ import annotations

from pathlib import Path

import pytest
import pytest_twisted

from tests.live.zones.encrypting import CLIENT, Files, bindOverTLS, hostingTLS, nsdOverTLS
from tests.live.zones.replicating import ADDRESS, KEY, SECRET, output, run, until
from tests.live.zones.test_secondaries import ZONE, change, zoneOf
from tests.peers import LivePeer, freePort
from tests.server.zones.transfer.overtls import NAME
from tests.server.zones.transfer.replicas import Host
from tests.zone.changing import APEX, textsOf
from twisted_ext.server.config.keys import TLSPeer
from twisted_ext.server.reply.opcodes import Outcome
from twisted_ext.server.reply.requests import Request
from twisted_ext.wire.rrtypes import AXFR, IXFR
from twisted_ext.zone.zone import Zone

__all__: list[str] = []

PEERS = {"named": bindOverTLS, "nsd": nsdOverTLS}


@pytest.fixture(params=list(PEERS))
def program(request: pytest.FixtureRequest) -> str:
    """
    Return each of these programs.
    """
    return str(request.param)


@pytest.fixture
def files(tmp_path: Path) -> Files:
    """
    Return certificates in files.
    """
    return Files(tmp_path)


def primaryAt(port: int, files: Files, *words: str, name: str = NAME) -> list[str]:
    """
    Return a primary that is authenticated by its name.
    """
    return [" ".join([f"tls://{ADDRESS}:{port}#{name}", f"ca={files.ca}", *words])]


#: NSD 4.6 knows no ALPN as a server.
WORDS = {"named": [], "nsd": ["alpn=no"]}


async def serialAt(server: LivePeer) -> str:
    """
    Return the serial number that a server has.
    """
    answer = await run("dig", f"@{ADDRESS}", "-p", str(server.port), "+short", "+tries=1", "example.org", "SOA")
    return answer.split()[2] if answer and not answer.startswith(";") else ""


def heldBy(host: Host) -> set[tuple[bytes, int, int, bytes]]:
    """
    Return the records of our zone.
    """
    place = host.zones.at(APEX)
    assert place is not None and place.zone is not None
    return set(textsOf(place.zone.current))


@pytest_twisted.ensureDeferred
async def test_secondaryFollowsPrimaryOverTLS(program: str, files: Files) -> None:
    """
    The zone arrives over TLS from a primary that allows nothing else, signed, and its changes as differences.
    """
    port = freePort(ADDRESS)
    async with hostingTLS(files) as host:
        with PEERS[program](host, files, port, primary=ZONE) as server:
            primaries = primaryAt(port, files, f"key={KEY}", *WORDS[program])
            host.apply(primaries=primaries, allow_notify=[f"{ADDRESS} key={KEY}"])
            await until(lambda: host.serial() == 10, lambda: (zoneOf(host).said, server.log()))
            assert heldBy(host) == set(textsOf(Zone.fromText(ZONE, APEX).current))
            await change(server)
            await until(lambda: host.serial() == 11, lambda: (zoneOf(host).said, server.log()))
            journal = zoneOf(host).journal
            assert journal is not None and [each.newSerial for each in journal.since(10) or ()] == [11]


@pytest_twisted.ensureDeferred
async def test_wrongNameTransfersNothing(program: str, files: Files) -> None:
    """
    A primary with another name in its certificate is not used, and the reason names both.
    """
    port = freePort(ADDRESS)
    async with hostingTLS(files) as host:
        with PEERS[program](host, files, port, primary=ZONE) as server:
            host.apply(primaries=primaryAt(port, files, f"key={KEY}", name="ns9.example"))
            await until(lambda: zoneOf(host).said, server.log)
            assert "'ns9.example'" in zoneOf(host).said and f"'{NAME}'" in zoneOf(host).said
            assert host.serial() == "the zone is being loaded"


@pytest_twisted.ensureDeferred
async def test_bindDemandsOurCertificate(files: Files) -> None:
    """
    BIND that demands clients' certificates sends the zone to us with one, and not without.
    """
    port = freePort(ADDRESS)
    async with hostingTLS(files) as host:
        with bindOverTLS(host, files, port, primary=ZONE, isMutual=True, keyed=False) as server:
            host.apply(primaries=primaryAt(port, files))
            await until(lambda: zoneOf(host).said, server.log)
            assert "closed the TLS connection" in zoneOf(host).said
            host.apply(primaries=primaryAt(port, files, f"certificate={files.client}"))
            await until(lambda: host.serial() == 10, lambda: (zoneOf(host).said, server.log()))


@pytest_twisted.ensureDeferred
async def test_othersFollowUsOverTLS(program: str, files: Files) -> None:
    """
    Others transfer the zone from us over TLS, signed, and its changes after our NOTIFY.
    """
    async with hostingTLS(files) as host:
        with PEERS[program](host, files, freePort(ADDRESS)) as server:
            host.zones.put(Zone.fromText(ZONE, APEX))
            host.apply(
                allow_transfer=[f"key={KEY}"], encrypted_transfers=True, notify=[f"{ADDRESS}:{server.port} key={KEY}"]
            )
            host.change("first 300 A 192.0.2.98")
            await until(lambda: serialIs(server, "11"), server.log)
            host.change("new 300 A 192.0.2.99", remove=["mail 300 AAAA 2001:db8::3"])
            await until(lambda: serialIs(server, "12"), server.log)
            answer = await run("dig", f"@{ADDRESS}", "-p", str(server.port), "+short", "new.example.org", "A")
            assert answer.split() == ["192.0.2.99"]


async def serialIs(server: LivePeer, serial: str) -> bool:
    """
    Return whether a server has the zone with this serial number.
    """
    return await serialAt(server) == serial


@pytest_twisted.ensureDeferred
async def test_othersShowTheirCertificate(program: str, files: Files) -> None:
    """
    Others transfer the zone from us with a certificate, and without a key.
    """
    async with hostingTLS(files, asksClients=True) as host:
        with PEERS[program](host, files, freePort(ADDRESS), isMutual=True, keyed=False) as server:
            host.zones.put(Zone.fromText(ZONE, APEX))
            host.apply(allow_transfer=[f"certificate={CLIENT}"], notify=[f"{ADDRESS}:{server.port} key={KEY}"])
            host.change("first 300 A 192.0.2.98")
            await until(lambda: serialIs(server, "11"), server.log)


@pytest_twisted.ensureDeferred
async def test_firstConnectionOfNSDIsRefused(files: Files) -> None:
    """
    NSD 4.6 shows its certificate from its second connection on: its first request after a start is refused, and the one after the next
    NOTIFY is not. A later NSD may show it at once.
    """
    async with hostingTLS(files, asksClients=True) as host:
        host.zones.put(Zone.fromText(ZONE, APEX))
        host.apply(allow_transfer=[f"certificate={CLIENT}"])
        peers: list[TLSPeer | None] = []
        transferring = host.replication.transfers

        def watching(request: Request) -> Outcome:
            peers.append(request.peer)
            return transferring(request)

        for rrType in (AXFR, IXFR):
            host.responder.handlers[rrType] = watching
        with nsdOverTLS(host, files, freePort(ADDRESS), isMutual=True, keyed=False) as server:
            await until(lambda: peers, server.log)
            first = peers[0]
            assert first is not None
            host.apply(allow_transfer=[f"certificate={CLIENT}"], notify=[f"{ADDRESS}:{server.port} key={KEY}"])
            host.change("first 300 A 192.0.2.98")
            await until(lambda: serialIs(server, "11"), server.log)
            assert first.names == (CLIENT,) or "REFUSED" in server.log()
            assert peers[-1] is not None and peers[-1].names == (CLIENT,)


@pytest_twisted.ensureDeferred
async def test_kdigTransfersOverTLS(files: Files) -> None:
    """
    C{kdig +tls} transfers the zone with padded queries, by name and key; without the key it is refused, and without TLS as well.
    """
    async with hostingTLS(files) as host:
        text = Zone.fromText(ZONE, APEX)
        host.zones.put(text)
        host.apply(allow_transfer=[f"key={KEY} tls"])
        where = [f"@{ADDRESS}", "-p", str(host.tlsPort), "+tls", f"+tls-ca={files.ca}", f"+tls-hostname={NAME}", "+padding=128"]
        key = f"hmac-sha256:{KEY}:{SECRET}"
        whole = await run("kdig", *where, "-y", key, "example.org", "AXFR")
        assert whole.count("\tIN\t") == len(textsOf(text.current)) + 1
        assert "REFUSED" in await failing("kdig", *where, "example.org", "AXFR")
        plain = [f"@{ADDRESS}", "-p", str(host.port), "-y", key, "example.org", "AXFR"]
        assert "REFUSED" in await failing("kdig", *plain)


async def failing(program: str, *words: str) -> str:
    """
    Return the output of a program that may fail.
    """
    out, error, _ = await output(program, words)
    return (out + error).decode()


@pytest_twisted.ensureDeferred
async def test_largeZoneArrivesOverTLS(files: Files) -> None:
    """
    A zone of 100,000 records arrives from BIND over TLS as a whole.
    """
    large = ZONE + "".join([f"large{number} A 10.1.{number >> 8 & 255}.{number & 255}\n" for number in range(100_000)])
    port = freePort(ADDRESS)
    async with hostingTLS(files) as host:
        with bindOverTLS(host, files, port, primary=large) as server:
            host.apply(primaries=primaryAt(port, files, f"key={KEY}"))
            await until(lambda: host.serial() == 10, lambda: (zoneOf(host).said, server.log()))
            assert len(heldBy(host)) > 103_000
