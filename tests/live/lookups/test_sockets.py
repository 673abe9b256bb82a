"""
Queries go out from many ports under any load, with only a few at once from each port, as counted by the server.
"""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import pytest
import pytest_twisted
from twisted.internet.defer import Deferred, gatherResults
from twisted.names import dns

from tests.live.asking import ask, resolving
from tests.test_architecture import ROOT
from twisted_ext.bulk import bulk
from twisted_ext.client import Result

__all__: list[str] = []

#: Look-ups.
MANY: Final = 20_000

#: Concurrent look-ups, as in a busy program.
ABREAST: Final = 400


class Counting:
    """
    The server that counts.

    @ivar address: its address.
    @ivar port: its port.
    """

    def __init__(self, address: str, seconds: float) -> None:
        self.address = address
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.live.lookups.counting", address, str(seconds)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
        )
        assert self._process.stdout is not None
        self.port = int(self._process.stdout.readline())

    def end(self) -> dict[str, int]:
        """
        Return the counts.
        """
        counted, _ = self._process.communicate(timeout=20)
        return {str(key): int(value) for key, value in json.loads(counted).items()}

    def kill(self) -> None:
        """
        Kill the process.
        """
        self._process.kill()
        self._process.communicate()


@contextmanager
def counting(address: str, seconds: float = 0.003) -> Iterator[Counting]:
    """
    @param seconds: how long each reply takes.
    """
    server = Counting(address, seconds)
    try:
        yield server
    finally:
        server.kill()


@pytest.mark.parametrize("address", ["127.0.0.1", "::1"])
@pytest_twisted.ensureDeferred
async def test_lookupsUseManyPorts(address: str) -> None:
    """
    Twenty thousand look-ups use a thousand random ports or more, and no socket has more than sixteen queries outstanding.
    """
    with counting(address) as server:
        async with resolving((address, server.port), timeout=20) as resolver:
            names = iter([f"n{number}.example" for number in range(MANY)])
            found = 0

            async def worker() -> None:
                nonlocal found
                for name in names:
                    result: Result = await resolver.lookupAddress(name)
                    assert [(header.type, header.name.name) for header in result[0]] == [(dns.A, name.encode())]
                    found += 1

            await gatherResults([Deferred.fromCoroutine(worker()) for _ in range(ABREAST)], consumeErrors=True)
            assert found == MANY
        counted = server.end()
    assert MANY <= counted["queries"] < MANY * 1.05
    assert counted["ports"] >= 1000
    assert counted["mostOutstanding"] <= 16
    # A port may be drawn again for another socket.
    assert counted["mostOfOnePort"] <= 5 * 16
    assert counted["highest"] - counted["lowest"] > 50_000
    assert counted["distinct"] > 0.98 * counted["queries"]


@pytest_twisted.ensureDeferred
async def test_bulkUsesManyPorts() -> None:
    """
    C{bulk} at full speed uses as many ports.
    """
    with counting("127.0.0.1", 0.002) as server:
        async with resolving(("127.0.0.1", server.port)) as resolver:
            found = {name async for name, _ in bulk(resolver, [f"n{number}.example" for number in range(MANY)])}
            assert len(found) == MANY
        counted = server.end()
    assert counted["queries"] >= MANY
    assert counted["ports"] >= 1000
    assert counted["mostOutstanding"] <= 16


@pytest_twisted.ensureDeferred
async def test_consecutiveLookupsChangePorts() -> None:
    """
    Consecutive look-ups use a new port almost every time.
    """
    with counting("127.0.0.1", 0.0) as server:
        async with resolving(("127.0.0.1", server.port)) as resolver:
            for number in range(200):
                await ask(resolver, f"n{number}.example")
        counted = server.end()
    assert (counted["queries"], counted["distinct"], counted["mostOutstanding"]) == (200, 200, 1)
    assert counted["ports"] > 190


#: A program that stops its reactor while look-ups are under way.
STOPPING: Final = """
from twisted.internet import reactor
from twisted_ext.client import Resolver

resolver = Resolver(servers=[("127.0.0.1", {port})])
for number in range(40):
    resolver.lookupAddress(f"n{{number}}.example").addErrback(lambda failure: None)
reactor.callLater(0.02, reactor.stop)
reactor.run()
"""


@pytest.mark.parametrize("poller", ["", "Each"])
def test_stoppedReactorWarnsOfNoSockets(poller: str) -> None:
    """
    A program that stops its reactor during look-ups gets no warnings of unclosed sockets, with or without epoll.
    """
    before = "from twisted_ext.transport import pollers as polling; polling._HAS_EPOLL = False" if poller else ""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
        silent.bind(("127.0.0.1", 0))
        program = f"{before}\n{STOPPING.format(port=silent.getsockname()[1])}"
        done = subprocess.run(
            [sys.executable, "-X", "dev", "-W", "error", "-c", program], capture_output=True, text=True, timeout=30, cwd=ROOT
        )
    assert (done.returncode, done.stderr) == (0, "")
