"""
Asking authoritative servers of other projects over TLS without having been told that they support it.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from pytest_twisted import ensureDeferred
from twisted.internet import reactor as globalReactor
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import deferLater

from tests.certificates import certificateFor
from tests.live.encrypted.servers import Served, bindServer, nsdServer
from tests.live.lookups.test_tls import readers
from tests.peers import freePort
from twisted_ext.answers import QueryContext
from twisted_ext.resolver.recursive.encrypted import EncryptedAuthorities
from twisted_ext.resolver.recursive.pool import ServerPool
from twisted_ext.testing.sources import questionOf

reactor = IReactorTime(globalReactor)


async def transportsOf(pool: ServerPool, names: int) -> list[str]:
    """
    Ask the server at 127.0.0.1 for some names in turn, and return the transport of each answer.
    """
    found: list[str] = []
    for number in range(names):
        context = QueryContext(reactor.seconds() + 10, recursionDesired=False)
        answer = await pool.lookUp(("127.0.0.1",), questionOf(f"n{number}.h.test.example"), context)
        assert answer.origin is not None
        found.append(answer.origin.source)
        await deferLater(reactor, 0.05 if number else 0.3)
    return found


@pytest.mark.parametrize("make", [nsdServer, bindServer], ids=["nsd", "bind"])
@ensureDeferred
async def test_serverIsFoundAndUsed(make: Callable[[Path], Served], tmp_path: Path) -> None:
    """
    The first answer comes over UDP, the others over TLS, although the certificate proves nothing; a resolver that starts anew with the same
    folder begins with TLS. Nothing is left open.
    """
    pair = tmp_path / "pair.pem"
    pair.write_bytes(certificateFor("unrelated.example"))
    served = make(pair)
    with served.peer as peer:
        for expected in (["udp", "tls", "tls"], ["tls", "tls"]):
            pool = ServerPool(reactor, port=peer.port)
            pool.encryption = EncryptedAuthorities(reactor, str(tmp_path), port=served.ports["tls"])
            pool.encryption.load()
            assert await transportsOf(pool, len(expected)) == expected
            await pool.close()
            assert readers() == 0


@ensureDeferred
async def test_serverWithoutTLS(tmp_path: Path) -> None:
    """
    A server that does not listen for TLS is asked over UDP as ever, and probed once.
    """
    pair = tmp_path / "pair.pem"
    pair.write_bytes(certificateFor("unrelated.example"))
    with nsdServer(pair).peer as peer:
        pool = ServerPool(reactor, port=peer.port)
        encryption = pool.encryption = EncryptedAuthorities(reactor, port=freePort("127.0.0.1"))
        assert await transportsOf(pool, 5) == ["udp"] * 5
        assert encryption.probes == 1
        await pool.close()
