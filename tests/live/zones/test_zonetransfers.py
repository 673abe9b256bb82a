"""
Zones that BIND, Knot and NSD transfer from us and follow, and our transfers in dig and kdig.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest
import pytest_twisted

from tests.live.zones.replicating import (
    ADDRESS,
    KEY,
    SECRET,
    bindBeside,
    hosting,
    knotBeside,
    nsdBeside,
    output,
    run,
    until,
)
from tests.live.zones.test_secondaries import ZONE
from tests.peers import LivePeer
from tests.server.zones.transfer.replicas import Host
from tests.zone.changing import APEX, textsOf
from twisted_ext.server.reply.opcodes import Outcome
from twisted_ext.server.reply.requests import Request
from twisted_ext.wire.rrtypes import AXFR, IXFR
from twisted_ext.zone.zone import Zone

__all__: list[str] = []

PEERS = {"named": bindBeside, "knotd": knotBeside, "nsd": nsdBeside}

_SIGNED = f"hmac-sha256:{KEY}:{SECRET}"


@pytest.fixture(params=list(PEERS))
def program(request: pytest.FixtureRequest) -> str:
    """
    Return each of these programs.
    """
    return str(request.param)


def offer(host: Host, *notify: LivePeer) -> None:
    """
    Serve the zone and allow transfers with the key.
    """
    host.zones.put(Zone.fromText(ZONE, APEX))
    host.apply(allow_transfer=[f"key={KEY}"], notify=[f"{ADDRESS}:{server.port} key={KEY}" for server in notify])


async def digShort(host: Host | LivePeer, *words: str) -> list[str]:
    """
    Return the answer that C{dig} gets from a server, split into words.
    """
    return (await run("dig", f"@{ADDRESS}", "-p", str(host.port), "+short", "+tries=1", "+time=5", *words)).split()


@pytest_twisted.ensureDeferred
async def test_otherServersFollowOurZone(program: str) -> None:
    """
    Other servers transfer the zone over signed transfers. A change is transferred after our NOTIFY, as a difference.
    """
    async with hosting() as host:
        with PEERS[program](host, "example.org") as server:
            offer(host, server)

            async def reach(wanted: str) -> None:
                async def reached() -> bool:
                    return (await digShort(server, "example.org", "SOA"))[2:3] == [wanted]

                await until(reached, server.log)

            # It may have requested the zone before it was loaded.
            place = host.zones.at(APEX)
            assert place is not None and place.zone is not None
            host.replication.changed(place.zone.current)
            await reach("10")
            assert await digShort(server, "host2999.example.org", "A") == ["10.0.11.183"]
            assert await digShort(server, "mixed.case.example.org", "A") == ["192.0.2.5"]
            whole = host.replication.transfers
            kinds: list[int] = []

            def counted(request: Request) -> Outcome:
                kinds.append(request.question.rrType)
                return whole(request)

            host.responder.handlers.update({AXFR: counted, IXFR: counted})
            host.change("new 300 A 192.0.2.99", remove=["mail 300 AAAA 2001:db8::3"])
            await reach("11")
            assert await digShort(server, "new.example.org", "A") == ["192.0.2.99"]
            assert await digShort(server, "mail.example.org", "AAAA") == []
            assert IXFR in kinds and AXFR not in kinds


@pytest_twisted.ensureDeferred
async def test_digVerifiesSignedTransfers() -> None:
    """
    C{dig} and C{kdig} get the whole zone and its changes, and verify their signatures.
    """
    async with hosting() as host:
        offer(host)
        host.change("new 300 A 192.0.2.99")
        place = host.zones.at(APEX)
        assert place is not None and place.zone is not None
        version = place.zone.current
        for words in (["dig", "+noedns"], ["dig", "+nocookie"], ["kdig", "+noall", "+answer"]):
            at = [*words, f"@{ADDRESS}", "-p", str(host.port), "-y", _SIGNED]
            out = await run(*at, "axfr", "example.org")
            lines = [line for line in out.splitlines() if line and not line.startswith(";") and "TSIG" not in line]
            assert len(lines) == version.recordCount + 1
            assert "host2999.example.org." in out and "WARNING" not in out
            out = await run(*at, "-t", "ixfr=10", "example.org")
            lines = [line for line in out.splitlines() if line and not line.startswith(";") and "TSIG" not in line]
            assert [line.split()[3] for line in lines] == ["SOA", "SOA", "SOA", "A", "SOA"]
            out = await run(*at, "-t", "ixfr=11", "example.org")
            lines = [line for line in out.splitlines() if line and not line.startswith(";") and "TSIG" not in line]
            assert [line.split()[3] for line in lines] == ["SOA"]


@pytest_twisted.ensureDeferred
async def test_transfersNeedTheKey() -> None:
    """
    Nothing is transferred without the key, and a wrong key gets a TSIG error.
    """
    async with hosting() as host:
        offer(host)
        at = [f"@{ADDRESS}", "-p", str(host.port), "+tries=1"]
        for words in (["axfr"], ["ixfr=1"], ["ixfr=1", "+notcp"]):
            out = await run("dig", *at, "example.org", "-t", *words)
            assert [line for line in out.splitlines() if line and not line.startswith(";")] in ([], ["; Transfer failed."])
        out = await run("dig", *at, "-y", f"hmac-sha256:{KEY}:d3Jvbmc=", "example.org", "SOA")
        assert "NOTAUTH" in out and "BADSIG" in out
        out = await run("dig", *at, "-y", "hmac-sha256:other.key:d3Jvbmc=", "example.org", "SOA")
        assert "NOTAUTH" in out and "BADKEY" in out


@pytest_twisted.ensureDeferred
async def test_signedQueryGetsSignedAnswer() -> None:
    """
    An ordinary query with TSIG gets an answer with a valid signature, over UDP and TCP.
    """
    async with hosting() as host:
        offer(host)
        for words in (["+notcp"], ["+tcp"]):
            out = await run("dig", f"@{ADDRESS}", "-p", str(host.port), "-y", _SIGNED, *words, "mail.example.org", "A")
            assert "192.0.2.3" in out and "TSIG" in out and "WARNING" not in out, out


async def txdns(*words: str, code: int = 0) -> tuple[str, str]:
    """
    Return what C{txdns} wrote to its standard output and error.
    """
    out, error, ended = await output(sys.executable, ["-m", "twisted_ext.apps.cli.main", *words], env=dict(os.environ))
    assert ended == code, (words, out, error)
    return out.decode(), error.decode()


@pytest_twisted.ensureDeferred
async def test_transferCommandWritesTheZone(tmp_path: Path) -> None:
    """
    C{txdns transfer} writes the zone as a master file, and its changes.
    """
    async with hosting() as host:
        offer(host)
        place = host.zones.at(APEX)
        assert place is not None and place.zone is not None
        before = textsOf(place.zone.current)
        at = ["example.org", f"@{ADDRESS}", "-p", str(host.port), "-y", _SIGNED]
        out, error = await txdns("transfer", *at)
        assert textsOf(Zone.fromText(out, APEX).current) == before
        assert error.startswith("example.org. 10: all of the zone, ")
        file = tmp_path / "zone"
        file.write_text("before")
        await txdns("transfer", *at[:-2], "-o", str(file), code=2)
        assert file.read_text() == "before"
        await txdns("transfer", *at, "-o", str(file))
        assert textsOf(Zone.fromText(file.read_text(), APEX).current) == before
        host.change("new 300 A 192.0.2.99", remove=["mail 300 AAAA 2001:db8::3"])
        out, error = await txdns("transfer", *at, "-i", "10")
        assert [line.split()[:5:4] for line in out.splitlines()] == [["-", "SOA"], ["-", "AAAA"], ["+", "SOA"], ["+", "A"]]
        out, error = await txdns("transfer", *at, "-i", "11")
        assert (out, error.partition(",")[0]) == ("", "example.org. 11: nothing newer")


@pytest_twisted.ensureDeferred
async def test_notifyCommandReportsConfirmation() -> None:
    """
    C{txdns notify} reports which servers have confirmed it, and which have not.
    """
    async with hosting(primaries=[f"{ADDRESS}:9 key={KEY}"]) as host:
        at = ["example.org", f"@{ADDRESS}:{host.port}"]
        out, _ = await txdns("notify", *at, "-y", _SIGNED, "-s", "11")
        assert out == f"{ADDRESS}:{host.port} has confirmed it\n"
        _, error = await txdns("notify", *at, "-s", "11", code=2)
        assert "REFUSED" in error
        _, error = await txdns("notify", "example.org", f"@{ADDRESS}:9", "-t", "1", code=9)
        assert "does not answer" in error
