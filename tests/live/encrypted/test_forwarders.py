"""
Forwarders of other projects that ask our server over TLS and HTTPS: Unbound, Knot Resolver, dnsdist, stubby, systemd-resolved and dnss.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from time import sleep

import pytest

from tests.live.encrypted.forwarders import FORWARDERS, checksOf
from tests.live.encrypted.serving import ADDRESS, Encrypted, freshName, output, serving
from tests.live.twistds import REPLY, addresses, exchange
from tests.peers import LivePeer, peer

#: Seconds to wait for a forwarder that has no server to ask. Some do not reply then.
_NO_REPLY = 1.0


def found(forwarder: LivePeer, name: str, wait: float) -> list[str]:
    """
    Return the addresses that a forwarder returns for a name.
    """
    with suppress(OSError):
        return addresses(exchange(forwarder.port, name, wait=wait))
    return []


@pytest.mark.parametrize("program", FORWARDERS)
def test_forwarderAsksOurServer(server: Encrypted, program: str) -> None:
    """
    With the right authority, name or pin, a forwarder gets its answers from our server by the transport that it was told. With a wrong one,
    it gets none, and has sent no query.
    """
    forwarder = FORWARDERS[program]
    for title, check in checksOf(server, pins=forwarder.pins).items():
        with forwarder.build(server, check) as running:
            names = [freshName(program.partition(" ")[0]) for _ in range(5 if check.isGood else 1)]
            results = [found(running, name, REPLY if check.isGood else _NO_REPLY) for name in names]
            assert results == [[ADDRESS] if check.isGood else []] * len(names), (title, running.log())
            transports = set().union(*[server.transports(name) for name in names])
            assert transports == ({forwarder.transport} if check.isGood else set()), title


@pytest.fixture(scope="module")
def hasty(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Encrypted]:
    """
    Start a server of ours that closes idle connections soon.
    """
    with serving(tmp_path_factory.mktemp("hasty"), "--tcp-idle", "0.5") as server:
        yield server


@pytest.mark.parametrize("program", FORWARDERS)
def test_forwarderLosesNothing(hasty: Encrypted, tmp_path: Path, program: str) -> None:
    """
    A forwarder gets answers to a thousand queries, fifty of them at a time, and to those that it sends after its idle connection has been
    closed.
    """
    forwarder = FORWARDERS[program]
    queries = tmp_path / "queries"
    queries.write_text("".join([f"{freshName('many')} A\n" for _ in range(1000)]))
    with forwarder.build(hasty, checksOf(hasty, pins=False)["right name"]) as running:
        # Knot Resolver fails queries beyond a hundred that wait on one connection to an upstream.
        said = output(peer("dnsperf"), "-s", "127.0.0.1", "-p", str(running.port), "-d", str(queries), "-n", "1", "-q", "50")
        assert "NOERROR 1000 (100.00%)" in said, said
        # Long after that: a query that meets the end of its connection is lost, since these clients do not repeat it.
        sleep(1.5)
        assert found(running, freshName("later"), REPLY) == [ADDRESS], running.log()
