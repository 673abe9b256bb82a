"""
Queries that are signed with a key, to BIND, Knot and NSD.
"""

from __future__ import annotations

from pathlib import Path

import pytest
import pytest_twisted

from tests.live.zones.encrypting import Files, bindOverTLS, hostingTLS, nsdOverTLS
from tests.live.zones.replicating import ADDRESS, KEY, SECRET, bindBeside, hosting, knotBeside, nsdBeside
from tests.live.zones.test_secondaries import ZONE
from tests.networks import textsOf
from tests.peers import LivePeer, freePort
from tests.server.zones.transfer.overtls import NAME
from twisted_ext.answers import Answer, QueryContext
from twisted_ext.compat.install import globalReactor
from twisted_ext.errors import DNSFault
from twisted_ext.resolver.ask import lookUp
from twisted_ext.resolver.strings.descriptions import sourceFromString
from twisted_ext.testing.sources import questionOf

__all__: list[str] = []

PEERS = {"named": bindBeside, "knotd": knotBeside, "nsd": nsdBeside}


@pytest.fixture(params=list(PEERS))
def program(request: pytest.FixtureRequest) -> str:
    """
    Return each of these programs.
    """
    return str(request.param)


async def asked(description: str) -> Answer | DNSFault:
    """
    Return the answer to a query, or the error.
    """
    reactor = globalReactor()
    source = sourceFromString(reactor, description)
    try:
        return await lookUp(source, questionOf("mail.example.org", "A"), QueryContext(reactor.seconds() + 10))
    except DNSFault as fault:
        return fault
    finally:
        await source.close()


async def assertSigned(way: str) -> None:
    """
    Assert that signed queries are answered, and that wrong keys have errors that differ.
    """
    found = await asked(f"{way}:tsig=[{KEY}:{SECRET}]")
    assert isinstance(found, Answer), found
    assert sorted(textsOf(found)) == ["192.0.2.3", "192.0.2.4"]
    for key, words in (("other.key:c2VjcmV0", "BADKEY"), (f"{KEY}:c2VjcmV0", "BADSIG")):
        wrong = await asked(f"{way}:tsig=[{key}]")
        assert isinstance(wrong, DNSFault) and words in str(wrong), (way, wrong)


@pytest_twisted.ensureDeferred
async def test_signedQueriesAreAnswered(program: str) -> None:
    """
    BIND, Knot and NSD answer signed queries over UDP and TCP, and say what is wrong with a key.
    """
    async with hosting() as host:
        with PEERS[program](host, "example.org", primary=ZONE) as server:
            for way in ("udp", "tcp"):
                await assertSigned(f"{way}:{ADDRESS}:{server.port}")


@pytest_twisted.ensureDeferred
@pytest.mark.parametrize("beside", [bindOverTLS, nsdOverTLS])
async def test_signedQueriesOverTLS(beside: object, tmp_path: Path) -> None:
    """
    The same over TLS.
    """
    files = Files(tmp_path)
    port = freePort(ADDRESS)
    assert callable(beside)
    async with hostingTLS(files) as host:
        server = beside(host, files, port, primary=ZONE)
        assert isinstance(server, LivePeer)
        with server:
            await assertSigned(f"tls://{ADDRESS}:{port}#{NAME}:ca={files.ca}")
