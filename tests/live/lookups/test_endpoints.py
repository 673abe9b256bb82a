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
from tests.live.lookups.reachable import FOUR, SIX, ClientProtocol, RecordingFactory, Setup, needsIPv6
from tests.typed import clientEndpoint, trusting
from twisted_ext.compat.conversion.errors import NoAddressError
from twisted_ext.compat.install import globalReactor
from twisted_ext.endpoints import HostEndpoint, HTTPSEndpoint, SRVEndpoint, Target, TargetsEndpoint, TargetsFailed

__all__: list[str] = []

_quoted: Final[Callable[[str], str]] = quoteStringArgument
_loadPublic: Final[Callable[[bytes], Certificate]] = Certificate.loadPEM

#: The addresses of the test hosts.
HOSTS: Final = {("four.example", "A"): FOUR, ("six.example", "AAAA"): SIX}

OWNER: Final = "_x._tcp.example.org"


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    """
    Ignore a warning about arguments that Twisted passes to OpenSSL.
    """
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Passing pyOpenSSL .* objects is deprecated", DeprecationWarning)
        yield


@pytest.fixture(params=[FOUR, SIX])
def address(request: pytest.FixtureRequest) -> str:
    """
    Return the address that a test uses.
    """
    if request.param == SIX:
        needsIPv6()
    return str(request.param)


def service(here: Setup, *ports: int, address: str = FOUR, priorities: tuple[int, ...] = ()) -> SRVEndpoint:
    """
    Return an endpoint for a service at these ports, in this order.
    """
    host = "six.example" if address == SIX else "four.example"
    ranks = priorities or tuple(range(len(ports)))
    records = [f"{rank} 0 {port} {host}." for rank, port in zip(ranks, ports, strict=True)]
    return SRVEndpoint(globalReactor(), OWNER, resolver=here.resolverWith({**HOSTS, (OWNER, "SRV"): records}))


async def addressReached(connecting: Deferred[IProtocol]) -> tuple[str, int]:
    """
    Return the address that a connection led to.
    """
    line = await connecting
    assert isinstance(line, ClientProtocol)
    assert await line.heard == b"hello"
    return await line.close()


async def failed(connecting: Deferred[IProtocol]) -> TargetsFailed:
    """
    Return the error of an attempt in which every target failed.
    """
    with pytest.raises(TargetsFailed) as caught:
        await connecting
    return caught.value


@pytest_twisted.ensureDeferred
async def test_refusingServersArePassedOver(address: str) -> None:
    """
    Servers that refuse connections are passed over.
    """
    async with Setup() as here:
        good = here.accepting(address)
        endpoint = service(here, here.refusing(address), here.refusing(address), good, address=address)
        assert await addressReached(endpoint.connect(RecordingFactory())) == (address, good)


@pytest_twisted.ensureDeferred
async def test_deadServersArePassedOver(address: str) -> None:
    """
    Servers that do not answer are passed over, those of the same priority and those of an earlier one.
    """
    async with Setup() as here:
        good = here.accepting(address)
        caller = RecordingFactory()
        endpoint = service(
            here, here.dead(address), here.dead(address), good, address=address, priorities=(1, 1, 2)
        )
        assert await addressReached(endpoint.connect(caller)) == (address, good)
        assert len(caller.built) == 1


@pytest_twisted.ensureDeferred
async def test_slowServerIsUsedOnlyAlone(address: str) -> None:
    """
    A slow server is reached where there is no other, and passed over where there is another.
    """
    async with Setup() as here:
        slow = here.slow(address)
        assert await addressReached(service(here, slow, address=address).connect(RecordingFactory())) == (address, slow)
    async with Setup() as here:
        good = here.accepting(address)
        endpoint = service(here, here.slow(address, 60), good, address=address, priorities=(1, 1))
        for _ in range(3):
            assert await addressReached(endpoint.connect(RecordingFactory())) == (address, good)


@pytest_twisted.ensureDeferred
async def test_deadFamilyIsPassedOver() -> None:
    """
    A host with dead IPv6 is reached over IPv4, and the other way round.
    """
    needsIPv6()
    both = {("both.example", "A"): FOUR, ("both.example", "AAAA"): SIX}
    for dead, alive in ((SIX, FOUR), (FOUR, SIX)):
        async with Setup() as here:
            port = here.accepting(alive)
            try:
                here.dead(dead, port)
            except OSError:
                # Another program has this port at that address.
                continue
            endpoint = HostEndpoint(globalReactor(), "both.example", port, resolver=here.resolverWith(both))
            assert await addressReached(endpoint.connect(RecordingFactory())) == (alive, port)


def reasons(error: TargetsFailed) -> dict[int, type[BaseException]]:
    """
    Return the error of each target by its port.
    """
    return {attempt.target.port: type(attempt.error) for attempt in error.attempts}


@pytest_twisted.ensureDeferred
async def test_errorNamesEachTarget(address: str) -> None:
    """
    The error names each target with its reason when none can be reached.
    """
    async with Setup() as here:
        host = "six.example" if address == SIX else "four.example"
        refusing, dead = here.refusing(address), here.dead(address)
        resolver = here.resolverWith(HOSTS)
        targets = [Target(host, refusing), Target("none.example", 80)]
        error = await failed(TargetsEndpoint(globalReactor(), targets, "it", resolver=resolver).connect(RecordingFactory()))
        assert reasons(error) == {refusing: ConnectionRefusedError, 80: NoAddressError}
        assert f"{host}:{refusing} at {address}: " in str(error)
        assert "none.example:80: " in str(error)
        targets = [Target(host, dead)]
        endpoint = TargetsEndpoint(globalReactor(), targets, resolver=resolver, timeout=0.3)
        assert reasons(await failed(endpoint.connect(RecordingFactory()))) == {dead: TimeoutError}


@pytest_twisted.ensureDeferred
async def test_cancelLeavesNothingBehind() -> None:
    """
    Cancellation at any time leaves nothing in the reactor and no open file.
    """
    async with Setup() as here:
        endpoint = service(here, here.dead(), here.dead(), here.dead(), priorities=(1, 1, 2))
        before = await openFiles()
        for seconds in (0, 0.01, 0.1, 0.4, 1.5):
            caller = RecordingFactory()
            found = endpoint.connect(caller)
            await deferLater(globalReactor(), seconds)
            found.cancel()
            with pytest.raises(ConnectingCancelledError):
                await found
            assert caller.built == []
        # Some files of an earlier test may have been closed meanwhile.
        assert await openFiles(before) <= before


async def openFiles(expected: int | None = None) -> int:
    """
    Return how many files this process has open, or 0 where the system does not tell.

    @param expected: wait until at most that many are open.
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
async def test_manyConnectionsAtOnce() -> None:
    """
    Forty connections at once all succeed past two dead servers and one that refuses, and leave nothing behind.
    """
    async with Setup() as here:
        good = here.accepting()
        endpoint = service(here, here.dead(), here.refusing(), here.dead(), good, priorities=(1, 1, 1, 2))
        found = await gatherResults([Deferred.fromCoroutine(addressReached(endpoint.connect(RecordingFactory()))) for _ in range(40)])
        assert found == [(FOUR, good)] * 40


@pytest_twisted.ensureDeferred
async def test_descriptionsWithResolver() -> None:
    """
    Endpoint descriptions connect with the resolver that they name.
    """
    async with Setup() as here:
        good = here.accepting()
        where = here.server({**HOSTS, (OWNER, "SRV"): [f"1 0 {here.refusing()} four.example.", f"2 0 {good} four.example."]})
        resolver = _quoted(f"cache:udp:{FOUR}:{where.port}")
        for description in (
            f"srv:{OWNER}:resolver={resolver}",
            f"srv:_y._tcp.four.example:defaultPort={good}:resolver={resolver}",
            f"dns:four.example:{good}:resolver={resolver}",
        ):
            assert await addressReached(clientEndpoint(globalReactor(), description).connect(RecordingFactory())) == (FOUR, good)


def https(here: Setup, *records: str, timeout: float = 30) -> HTTPSEndpoint:
    """
    Return an endpoint for C{www.example.org} with these HTTPS records. The host itself has no address.
    """
    known = {**HOSTS, ("_8443._https.www.example.org", "HTTPS"): list(records)}
    root = trusting([_loadPublic(authority()[0])])
    return HTTPSEndpoint(
        globalReactor(), "www.example.org", 8443, trustRoot=root, resolver=here.resolverWith(known), timeout=timeout
    )


@pytest_twisted.ensureDeferred
async def test_HTTPSRecordsLeadPastBadServers(address: str) -> None:
    """
    HTTPS records lead past servers with the wrong certificate, without TLS or without a reply to the right one.
    """
    host = "six.example" if address == SIX else "four.example"
    async with Setup() as here:
        good = here.accepting(address, certificate="www.example.org")
        wrong = here.accepting(address, certificate=host)
        plain = here.accepting(address)
        silent = here.accepting(address, speaking=False)
        places = [wrong, plain, silent, here.refusing(address), here.dead(address), good]
        records = [f"{rank} {host}. port={port}" for rank, port in enumerate(places, 1)]
        caller = RecordingFactory()
        assert await addressReached(https(here, *records).connect(caller)) == (address, good)
        assert len(caller.built) == 1
        error = await failed(https(here, *records[:2]).connect(caller))
        assert set(reasons(error)) == {wrong, plain, 8443}
        assert "certificate" in next(str(attempt) for attempt in error.attempts if attempt.target.port == wrong)


@pytest_twisted.ensureDeferred
async def test_silentTLSServerIsGivenUp() -> None:
    """
    Connections that wait for TLS are closed at the timeout and when they are canceled.
    """
    async with Setup() as here:
        silent = here.accepting(speaking=False)
        record = f"1 four.example. port={silent}"
        error = await failed(https(here, record, timeout=0.3).connect(RecordingFactory()))
        assert reasons(error)[silent] is TimeoutError
        found = https(here, record).connect(RecordingFactory())
        await deferLater(globalReactor(), 0.1)
        found.cancel()
        with pytest.raises(ConnectingCancelledError):
            await found
