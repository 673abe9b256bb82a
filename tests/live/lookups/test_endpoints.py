"""
Live tests of endpoints: over real sockets, with servers that are dead, slow or refuse, of both families.
"""

from __future__ import annotations

import gc
import os
import warnings
from collections.abc import Callable, Iterator
from typing import Final

import pytest
import pytest_twisted
from twisted.internet.defer import Deferred, gatherResults
from twisted.internet.endpoints import quoteStringArgument
from twisted.internet.error import ConnectingCancelledError, ConnectionRefusedError, TimeoutError
from twisted.internet.interfaces import IProtocol
from twisted.internet.ssl import Certificate
from twisted.internet.task import deferLater

from tests.certificates import authority
from tests.live.lookups.reachable import FOUR, SIX, Caller, Here, Line, needsIPv6
from tests.typed import clientEndpoint, trusting
from twisted_ext.compat.conversion.errors import NoAddressError
from twisted_ext.compat.install import globalReactor
from twisted_ext.endpoints import HostEndpoint, HTTPSEndpoint, SRVEndpoint, Target, TargetsEndpoint, TargetsFailed

__all__: list[str] = []

_quoted: Final[Callable[[str], str]] = quoteStringArgument
_loadPublic: Final[Callable[[bytes], Certificate]] = Certificate.loadPEM

#: Where the host of the tests is.
HOSTS: Final = {("four.example", "A"): FOUR, ("six.example", "AAAA"): SIX}

OWNER: Final = "_x._tcp.example.org"


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    """
    Twisted gives OpenSSL what it would rather not have.
    """
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Passing pyOpenSSL .* objects is deprecated", DeprecationWarning)
        yield


@pytest.fixture(params=[FOUR, SIX])
def address(request: pytest.FixtureRequest) -> str:
    """
    The address that a test is about.
    """
    if request.param == SIX:
        needsIPv6()
    return str(request.param)


def service(here: Here, *ports: int, address: str = FOUR, priorities: tuple[int, ...] = ()) -> SRVEndpoint:
    """
    @return: an endpoint for a service at these ports, in this order.
    """
    host = "six.example" if address == SIX else "four.example"
    ranks = priorities or tuple(range(len(ports)))
    records = [f"{rank} 0 {port} {host}." for rank, port in zip(ranks, ports, strict=True)]
    return SRVEndpoint(globalReactor(), OWNER, resolver=here.asks({**HOSTS, (OWNER, "SRV"): records}))


async def reached(connecting: Deferred[IProtocol]) -> tuple[str, int]:
    """
    @return: where a connection has led.
    """
    line = await connecting
    assert isinstance(line, Line)
    assert await line.heard == b"hello"
    return await line.close()


async def failed(connecting: Deferred[IProtocol]) -> TargetsFailed:
    """
    @return: why nothing can be reached.
    """
    with pytest.raises(TargetsFailed) as caught:
        await connecting
    return caught.value


@pytest_twisted.ensureDeferred
async def test_refusing(address: str) -> None:
    """
    Servers that refuse are passed over.
    """
    async with Here() as here:
        good = here.taking(address)
        endpoint = service(here, here.refusing(address), here.refusing(address), good, address=address)
        assert await reached(endpoint.connect(Caller())) == (address, good)


@pytest_twisted.ensureDeferred
async def test_dead(address: str) -> None:
    """
    Servers that do not answer are passed over, those of the same priority and of an earlier one.
    """
    async with Here() as here:
        good = here.taking(address)
        caller = Caller()
        endpoint = service(
            here, here.dead(address), here.dead(address), good, address=address, priorities=(1, 1, 2)
        )
        assert await reached(endpoint.connect(caller)) == (address, good)
        assert len(caller.built) == 1


@pytest_twisted.ensureDeferred
async def test_slow(address: str) -> None:
    """
    A server that takes its time is reached where there is no other, and passed over where there is.
    """
    async with Here() as here:
        slow = here.slow(address)
        assert await reached(service(here, slow, address=address).connect(Caller())) == (address, slow)
    async with Here() as here:
        good = here.taking(address)
        endpoint = service(here, here.slow(address, 60), good, address=address, priorities=(1, 1))
        for _ in range(3):
            assert await reached(endpoint.connect(Caller())) == (address, good)


@pytest_twisted.ensureDeferred
async def test_families() -> None:
    """
    A host whose IPv6 is dead is reached by IPv4, and the other way round.
    """
    needsIPv6()
    both = {("both.example", "A"): FOUR, ("both.example", "AAAA"): SIX}
    for dead, alive in ((SIX, FOUR), (FOUR, SIX)):
        async with Here() as here:
            port = here.taking(alive)
            try:
                here.dead(dead, port)
            except OSError:
                # Somebody else has this port there, and takes or refuses connections as he likes.
                continue
            endpoint = HostEndpoint(globalReactor(), "both.example", port, resolver=here.asks(both))
            assert await reached(endpoint.connect(Caller())) == (alive, port)


def reasons(error: TargetsFailed) -> dict[int, type[BaseException]]:
    """
    @return: what was wrong with each target, by their ports.
    """
    return {attempt.target.port: type(attempt.error) for attempt in error.attempts}


@pytest_twisted.ensureDeferred
async def test_allFail(address: str) -> None:
    """
    Where nothing can be reached, each target is named with what was wrong with it.
    """
    async with Here() as here:
        host = "six.example" if address == SIX else "four.example"
        refusing, dead = here.refusing(address), here.dead(address)
        resolver = here.asks(HOSTS)
        targets = [Target(host, refusing), Target("none.example", 80)]
        error = await failed(TargetsEndpoint(globalReactor(), targets, "it", resolver=resolver).connect(Caller()))
        assert reasons(error) == {refusing: ConnectionRefusedError, 80: NoAddressError}
        assert f"{host}:{refusing} at {address}: " in str(error)
        assert "none.example:80: " in str(error)
        targets = [Target(host, dead)]
        endpoint = TargetsEndpoint(globalReactor(), targets, resolver=resolver, timeout=0.3)
        assert reasons(await failed(endpoint.connect(Caller()))) == {dead: TimeoutError}


@pytest_twisted.ensureDeferred
async def test_cancel() -> None:
    """
    Whenever it is cancelled, nothing is left: neither in the reactor, as every test is checked for, nor an open file.
    """
    async with Here() as here:
        endpoint = service(here, here.dead(), here.dead(), here.dead(), priorities=(1, 1, 2))
        before = await openFiles()
        for seconds in (0, 0.01, 0.1, 0.4, 1.5):
            caller = Caller()
            found = endpoint.connect(caller)
            await deferLater(globalReactor(), seconds)
            found.cancel()
            with pytest.raises(ConnectingCancelledError):
                await found
            assert caller.built == []
        # Some of an earlier test may have been closed meanwhile.
        assert await openFiles(before) <= before


async def openFiles(expected: int | None = None) -> int:
    """
    @param expected: what it will be at most when everything is closed that is about to be.

    @return: how many files this process has open; 0 where the system does not say.
    """
    count = 0
    for _ in range(500):
        gc.collect()
        count = len(os.listdir("/proc/self/fd")) if os.path.isdir("/proc/self/fd") else 0
        if expected is None or count <= expected:
            break
        await deferLater(globalReactor(), 0.01)
    return count


@pytest_twisted.ensureDeferred
async def test_many() -> None:
    """
    Many connections at once, each past two dead servers and one that refuses, all come about and leave nothing.
    """
    async with Here() as here:
        good = here.taking()
        endpoint = service(here, here.dead(), here.refusing(), here.dead(), good, priorities=(1, 1, 1, 2))
        found = await gatherResults([Deferred.fromCoroutine(reached(endpoint.connect(Caller()))) for _ in range(40)])
        assert found == [(FOUR, good)] * 40


@pytest_twisted.ensureDeferred
async def test_described() -> None:
    """
    Descriptions connect, with a resolver that is part of them.
    """
    async with Here() as here:
        good = here.taking()
        where = here.server({**HOSTS, (OWNER, "SRV"): [f"1 0 {here.refusing()} four.example.", f"2 0 {good} four.example."]})
        resolver = _quoted(f"cache:udp:{FOUR}:{where.port}")
        for description in (
            f"srv:{OWNER}:resolver={resolver}",
            f"srv:_y._tcp.four.example:defaultPort={good}:resolver={resolver}",
            f"dns:four.example:{good}:resolver={resolver}",
        ):
            assert await reached(clientEndpoint(globalReactor(), description).connect(Caller())) == (FOUR, good)


def https(here: Here, *records: str, timeout: float = 30) -> HTTPSEndpoint:
    """
    @return: an endpoint for C{www.example.org} with these HTTPS records, which itself is nowhere.
    """
    known = {**HOSTS, ("_8443._https.www.example.org", "HTTPS"): list(records)}
    root = trusting([_loadPublic(authority()[0])])
    return HTTPSEndpoint(
        globalReactor(), "www.example.org", 8443, trustRoot=root, resolver=here.asks(known), timeout=timeout
    )


@pytest_twisted.ensureDeferred
async def test_https(address: str) -> None:
    """
    Records lead past servers that have the wrong certificate, no TLS, or say nothing, to the one with the right one.
    """
    host = "six.example" if address == SIX else "four.example"
    async with Here() as here:
        good = here.taking(address, certificate="www.example.org")
        wrong = here.taking(address, certificate=host)
        plain = here.taking(address)
        silent = here.taking(address, speaking=False)
        places = [wrong, plain, silent, here.refusing(address), here.dead(address), good]
        records = [f"{rank} {host}. port={port}" for rank, port in enumerate(places, 1)]
        caller = Caller()
        assert await reached(https(here, *records).connect(caller)) == (address, good)
        assert len(caller.built) == 1
        error = await failed(https(here, *records[:2]).connect(caller))
        assert set(reasons(error)) == {wrong, plain, 8443}
        assert "certificate" in next(str(attempt) for attempt in error.attempts if attempt.target.port == wrong)


@pytest_twisted.ensureDeferred
async def test_httpsSilent() -> None:
    """
    Connections that wait for TLS are closed when their time is up, and when they are cancelled.
    """
    async with Here() as here:
        silent = here.taking(speaking=False)
        record = f"1 four.example. port={silent}"
        error = await failed(https(here, record, timeout=0.3).connect(Caller()))
        assert reasons(error)[silent] is TimeoutError
        found = https(here, record).connect(Caller())
        await deferLater(globalReactor(), 0.1)
        found.cancel()
        with pytest.raises(ConnectingCancelledError):
            await found
