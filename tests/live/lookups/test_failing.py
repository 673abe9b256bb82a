"""
Servers that are down, hang, fail, die midway or come back, and servers that take over from them.
"""

from __future__ import annotations

import os
import re
import signal
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import cast

import pytest
import pytest_twisted
from twisted.internet.defer import Deferred, DeferredList
from twisted.internet.error import DNSLookupError
from twisted.internet.interfaces import IReactorUDP, IUDPTransport
from twisted.internet.protocol import DatagramProtocol
from twisted.names import error

from tests.live.asking import addressesOf, ask, moment, resolverFrom, resolving, textsOf, zoneOf
from tests.peers import LivePeer, freePort, nsd, unbound
from twisted_ext.answers import Answer
from twisted_ext.compat.conversion.errors import DNSNameError, DNSQueryTimeoutError, DNSServerError
from twisted_ext.compat.install import globalReactor
from twisted_ext.wire.codes import QR, TC

__all__: list[str] = []

ZONE = zoneOf(
    {
        "www": "A 192.0.2.80",
        "*.wild": "A 192.0.2.81",
        **{f"big TXT {number:0200d}\nbig": f"TXT {number + 20:0200d}" for number in range(20)},
    }
)

ZONES = {"failing.example": ZONE}

#: A zone whose file is missing, which gives SERVFAIL.
BROKEN = 'zone:\n  name: "failing.example"\n  zonefile: "missing.zone"\n'

#: Seconds that suffice even on a busy machine if one server is waited for once at most. The first one gets 0.6 of them, and tests look up
#: so many names that waiting each time would take longer than this.
SOON = 10.0


@pytest.fixture(scope="module")
def healthy() -> Iterator[LivePeer]:
    """
    Start a server without faults.
    """
    with nsd(ZONES) as running:
        yield running


@pytest.fixture(scope="module")
def broken() -> Iterator[LivePeer]:
    """
    Start a server that answers SERVFAIL.
    """
    with nsd({}, address="127.0.0.61", extra=BROKEN) as running:
        yield running


@pytest.fixture
def killable() -> Iterator[LivePeer]:
    """
    Start a server for one test, which may kill it.
    """
    with nsd(ZONES, address="127.0.0.62") as running:
        yield running


def kill(server: LivePeer) -> None:
    """
    Kill a server without warning, even while it is paused.
    """
    os.killpg(server.pid, signal.SIGKILL)
    server.stop()


class _Cutting(DatagramProtocol):
    """
    Truncate the reply to each query, or send none.
    """

    noisy = False
    transport: IUDPTransport

    def __init__(self, silent: bool) -> None:
        self.silent = silent
        self.queries = 0

    def datagramReceived(self, datagram: bytes, addr: tuple[str, int] | tuple[str, int, int, int]) -> None:
        self.queries += 1
        if not self.silent:
            flags = int.from_bytes(datagram[2:4], "big") | QR | TC
            question = datagram[12 : datagram.index(b"\x00", 12) + 5]
            header = datagram[:2] + flags.to_bytes(2, "big") + b"\x00\x01\x00\x00\x00\x00\x00\x00"
            self.transport.write(header + question, (addr[0], addr[1]))


@asynccontextmanager
async def cutting(address: str, port: int = 0, *, silent: bool = False) -> AsyncIterator[tuple[_Cutting, int]]:
    """
    Listen on UDP at this address, and return the protocol and its port.
    """
    protocol = _Cutting(silent)
    listening = cast(IReactorUDP, globalReactor()).listenUDP(port, protocol, address, 8192)
    try:
        yield protocol, int(getattr(listening.getHost(), "port", 0))
    finally:
        await cast("Deferred[None]", listening.stopListening())


async def resultsOf(asked: list[Deferred[Answer]]) -> list[Answer | BaseException]:
    """
    Return the result of each look-up.
    """
    results = await DeferredList(asked, consumeErrors=True)
    return [result if succeeded else getattr(result, "value", None) or AssertionError(result) for succeeded, result in results]


@pytest_twisted.ensureDeferred
async def test_firstServerIsDown(healthy: LivePeer) -> None:
    """
    The second server answers at once when no server listens at the first address, also over TCP.
    """
    dead = ("127.0.0.63", freePort("127.0.0.63"))
    async with resolving(dead, healthy) as resolver:
        began = time.monotonic()
        for _ in range(20):
            assert addressesOf(await resolver.lookupAddress("www.failing.example")) == ["192.0.2.80"]
        assert len((await resolver.lookupText("big.failing.example"))[0]) == 40
        assert textsOf(await ask(resolver, "www.failing.example", stream=True)) == ["192.0.2.80"]
        assert time.monotonic() - began < SOON


@pytest_twisted.ensureDeferred
async def test_hangingServerIsWaitedForOnce(healthy: LivePeer, killable: LivePeer) -> None:
    """
    The first server is waited for once when it does not answer. After that the second one is asked first.
    """
    killable.pause()
    async with resolving(killable, healthy) as resolver:
        began = time.monotonic()
        result = await resolver.lookupAddress("www.failing.example")
        assert addressesOf(result) == ["192.0.2.80"]
        assert 0.2 < time.monotonic() - began < SOON
        began = time.monotonic()
        for _ in range(50):
            answer = await ask(resolver, "www.failing.example")
            assert answer.origin is not None
            assert answer.origin.server == f"{healthy.address}:{healthy.port}"
        assert time.monotonic() - began < SOON


@pytest_twisted.ensureDeferred
async def test_timeoutNamesServerAndAttempts(killable: LivePeer) -> None:
    """
    A look-up ends at its deadline when no server answers. The error names the server and the attempts.
    """
    killable.pause()
    async with resolving(killable) as resolver:
        for timeout in (0.7, (0.2, 0.5)):
            began = time.monotonic()
            with pytest.raises(DNSQueryTimeoutError) as caught:
                await resolver.lookupAddress("www.failing.example", timeout)
            assert caught.value.server == f"127.0.0.62:{killable.port}"
            found = re.search(rf"127\.0\.0\.62:{killable.port} did not answer within ([0-9.]+) seconds", str(caught.value))
            assert found is not None and 0.7 <= float(found[1]) < SOON
            assert caught.value.attempts == 2
            assert 0.65 < time.monotonic() - began < SOON
        killable.resume()
        assert addressesOf(await resolver.lookupAddress("www.failing.example")) == ["192.0.2.80"]


@pytest_twisted.ensureDeferred
async def test_failureOfFirstServerAsksSecond(healthy: LivePeer, broken: LivePeer) -> None:
    """
    The second server is asked when the first one answers SERVFAIL or REFUSED.
    """
    with nsd({"other.example": ZONE}, address="127.0.0.64") as refusing:
        for first in (broken, refusing):
            async with resolving(first, healthy) as resolver:
                began = time.monotonic()
                for number in range(20):
                    result = await resolver.lookupAddress(f"n{number}.wild.failing.example")
                    assert addressesOf(result) == ["192.0.2.81"]
                    assert result.server == f"{healthy.address}:{healthy.port}"
                with pytest.raises(DNSNameError):
                    await resolver.lookupAddress("nothing.failing.example")
                assert time.monotonic() - began < SOON


@pytest_twisted.ensureDeferred
async def test_servfailIsNoDenial(broken: LivePeer) -> None:
    """
    SERVFAIL from all servers is a server error and never means that the name does not exist.
    """
    async with resolving(broken) as resolver:
        for _ in range(3):
            with pytest.raises(error.DNSServerError) as caught:
                await resolver.lookupAddress("www.failing.example")
            assert not isinstance(caught.value, error.DNSNameError)
            assert isinstance(caught.value, DNSServerError)
            assert (caught.value.rcode, caught.value.server) == (2, f"127.0.0.61:{broken.port}")
        with pytest.raises(DNSLookupError):
            await resolver.getHostByName("www.failing.example")


@pytest_twisted.ensureDeferred
async def test_restartedServerAnswersAgain(killable: LivePeer) -> None:
    """
    Look-ups fail with the reason while the only server is down. The first one after its restart succeeds.
    """
    async with resolving(killable) as resolver:
        assert addressesOf(await resolver.lookupAddress("www.failing.example")) == ["192.0.2.80"]
        for _ in range(2):
            killable.stop()
            for _ in range(5):
                with pytest.raises((DNSServerError, DNSQueryTimeoutError), match="127.0.0.62"):
                    await resolver.lookupAddress("www.failing.example", 1.0)
            killable.start()
            assert addressesOf(await resolver.lookupAddress("www.failing.example")) == ["192.0.2.80"]
            assert len((await resolver.lookupText("big.failing.example"))[0]) == 40


@pytest_twisted.ensureDeferred
async def test_lostQueriesAreSentAgain(killable: LivePeer) -> None:
    """
    Queries that were lost with a server are sent again to its successor.
    """
    killable.pause()
    async with resolving(killable) as resolver:
        asked = [ask(resolver, f"n{number}.wild.failing.example") for number in range(100)]
        await moment(0.05)
        kill(killable)
        killable.start()
        for result in await resultsOf(asked):
            assert isinstance(result, Answer), result
            assert textsOf(result) == ["192.0.2.81"]


@pytest.mark.parametrize("paused", [True, False])
@pytest_twisted.ensureDeferred
async def test_otherServerFinishesTCPQueries(healthy: LivePeer, killable: LivePeer, paused: bool) -> None:
    """
    Another server answers all remaining queries when a server dies in the middle of a TCP connection.
    """
    servers = f"{killable.address}@{killable.port},{healthy.address}@{healthy.port}"
    async with resolverFrom(f"tcp:{servers}") as resolver:
        if paused:
            killable.pause()
        asked = [ask(resolver, f"n{number}.wild.failing.example") for number in range(150)]
        await moment(0.05 if paused else 0.003)
        kill(killable)
        results = await resultsOf(asked)
        assert [textsOf(result) if isinstance(result, Answer) else result for result in results] == [["192.0.2.81"]] * 150


@pytest_twisted.ensureDeferred
async def test_deathOfOnlyTCPServerFailsSoon(killable: LivePeer) -> None:
    """
    Look-ups fail soon with a clear error when the only server dies in the middle of a TCP connection. They work again after its restart.
    """
    async with resolverFrom(f"tcp:{killable.address}:{killable.port}") as resolver:
        killable.pause()
        asked = [ask(resolver, f"n{number}.wild.failing.example") for number in range(20)]
        await moment(0.05)
        began = time.monotonic()
        kill(killable)
        results = await resultsOf(asked)
        assert [result for result in results if isinstance(result, Answer)] == []
        assert {f"127.0.0.62:{killable.port}" in str(result) for result in results} == {True}
        assert time.monotonic() - began < SOON
        killable.start()
        assert textsOf(await ask(resolver, "www.failing.example")) == ["192.0.2.80"]


@pytest_twisted.ensureDeferred
async def test_deadIdleConnectionCostsNothing(killable: LivePeer) -> None:
    """
    An idle connection that has died since costs the next look-up nothing.
    """
    async with resolverFrom(f"tcp:{killable.address}:{killable.port}:keep=30") as resolver:
        for _ in range(2):
            for _ in range(3):
                assert textsOf(await ask(resolver, "www.failing.example")) == ["192.0.2.80"]
            kill(killable)
            killable.start()
        assert textsOf(await ask(resolver, "www.failing.example")) == ["192.0.2.80"]


@pytest_twisted.ensureDeferred
async def test_serverWithoutUDP() -> None:
    """
    A server without UDP is used where truncated UDP replies lead to TCP, and where TCP is used from the start.
    """
    with unbound(localData=["www.failing.example. 60 IN A 192.0.2.80"], address="127.0.0.65", extra="do-udp: no") as server:
        async with cutting(server.address, server.port) as (cut, _), resolving(server) as resolver:
            for _ in range(3):
                answer = await ask(resolver, "www.failing.example")
                assert (answer.origin.source if answer.origin else "", textsOf(answer)) == ("tcp", ["192.0.2.80"])
            assert cut.queries == 3
        async with cutting(server.address, server.port, silent=True) as (silent, _):
            async with resolverFrom(f"tcp:{server.address}:{server.port}") as resolver:
                assert textsOf(await ask(resolver, "www.failing.example")) == ["192.0.2.80"]
            assert silent.queries == 0


@pytest_twisted.ensureDeferred
async def test_serverWithoutTCPIsPassedOver(healthy: LivePeer) -> None:
    """
    A server that truncates its replies and cannot be reached over TCP is passed over. Without another server the look-up fails soon.
    """
    async with cutting("127.0.0.66") as (cut, port):
        async with resolving(("127.0.0.66", port), healthy) as resolver:
            assert len((await resolver.lookupText("big.failing.example"))[0]) == 40
            assert cut.queries == 1
        async with resolving(("127.0.0.66", port)) as resolver:
            began = time.monotonic()
            with pytest.raises(DNSServerError, match="127.0.0.66:[0-9]+ truncated its reply over UDP"):
                await resolver.lookupText("big.failing.example")
            assert time.monotonic() - began < SOON


@pytest_twisted.ensureDeferred
async def test_closeEndsPendingLookups(killable: LivePeer) -> None:
    """
    Closing a resolver ends pending look-ups over UDP and TCP, and leaves no socket and no timer.
    """
    killable.pause()
    async with resolving(killable) as resolver:
        asked = [ask(resolver, f"n{number}.wild.failing.example", stream=bool(number % 2)) for number in range(20)]
        await moment(0.02)
        await resolver.close()
        results = await resultsOf(asked)
        assert {type(result).__name__ for result in results} == {"Closed"}


@pytest_twisted.ensureDeferred
async def test_cancelSparesOtherLookups(killable: LivePeer) -> None:
    """
    A canceled look-up ends, and the others go on.
    """
    killable.pause()
    async with resolving(killable) as resolver:
        asked = [ask(resolver, f"n{number}.wild.failing.example", stream=bool(number % 2)) for number in range(20)]
        await moment(0.02)
        for each in asked[:10]:
            each.cancel()
        killable.resume()
        results = await resultsOf(asked)
        assert {type(result).__name__ for result in results[:10]} == {"CancelledError"}
        assert [textsOf(result) if isinstance(result, Answer) else result for result in results[10:]] == [["192.0.2.81"]] * 10
