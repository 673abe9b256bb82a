"""
Servers that are down, hang, fail, die in the middle or come back, and others that stand in for them.
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

from tests.live.asking import addressesOf, ask, described, moment, resolving, textsOf, zoneOf
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

#: A zone whose file is missing: whoever asks for it gets SERVFAIL.
BROKEN = 'zone:\n  name: "failing.example"\n  zonefile: "missing.zone"\n'

#: Seconds that suffice even a busy machine where one server is waited for once at most. The first one gets 0.6 of them, and tests look up
#: so much that waiting each time would take longer than this.
SOON = 10.0


@pytest.fixture(scope="module")
def well() -> Iterator[LivePeer]:
    """
    @return: a server in good health.
    """
    with nsd(ZONES) as running:
        yield running


@pytest.fixture(scope="module")
def broken() -> Iterator[LivePeer]:
    """
    @return: a server that answers SERVFAIL.
    """
    with nsd({}, address="127.0.0.61", extra=BROKEN) as running:
        yield running


@pytest.fixture
def frail() -> Iterator[LivePeer]:
    """
    @return: a server of its own for each test, so that it may be killed.
    """
    with nsd(ZONES, address="127.0.0.62") as running:
        yield running


def kill(server: LivePeer) -> None:
    """
    End a server as a failing machine does, without a word, even while it is paused.
    """
    os.killpg(server.pid, signal.SIGKILL)
    server.stop()


class _Cutting(DatagramProtocol):
    """
    Replies to everything that it does not fit, or not at all.
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
    @return: what has UDP at this address, and its port.
    """
    protocol = _Cutting(silent)
    listening = cast(IReactorUDP, globalReactor()).listenUDP(port, protocol, address, 8192)
    try:
        yield protocol, int(getattr(listening.getHost(), "port", 0))
    finally:
        await cast("Deferred[None]", listening.stopListening())


async def allOf(asked: list[Deferred[Answer]]) -> list[Answer | BaseException]:
    """
    @return: what became of each look-up.
    """
    results = await DeferredList(asked, consumeErrors=True)
    return [result if succeeded else getattr(result, "value", None) or AssertionError(result) for succeeded, result in results]


@pytest_twisted.ensureDeferred
async def test_deadFirst(well: LivePeer) -> None:
    """
    Where nobody is at the first server's address, the second one answers at once, also by TCP.
    """
    dead = ("127.0.0.63", freePort("127.0.0.63"))
    async with resolving(dead, well) as resolver:
        began = time.monotonic()
        for _ in range(20):
            assert addressesOf(await resolver.lookupAddress("www.failing.example")) == ["192.0.2.80"]
        assert len((await resolver.lookupText("big.failing.example"))[0]) == 40
        assert textsOf(await ask(resolver, "www.failing.example", stream=True)) == ["192.0.2.80"]
        assert time.monotonic() - began < SOON


@pytest_twisted.ensureDeferred
async def test_hangingFirst(well: LivePeer, frail: LivePeer) -> None:
    """
    A first server that hears and does not answer is waited for once; then the second one is asked first.
    """
    frail.pause()
    async with resolving(frail, well) as resolver:
        began = time.monotonic()
        result = await resolver.lookupAddress("www.failing.example")
        assert addressesOf(result) == ["192.0.2.80"]
        assert 0.2 < time.monotonic() - began < SOON
        began = time.monotonic()
        for _ in range(50):
            answer = await ask(resolver, "www.failing.example")
            assert answer.origin is not None
            assert answer.origin.server == f"{well.address}:{well.port}"
        assert time.monotonic() - began < SOON


@pytest_twisted.ensureDeferred
async def test_allHanging(frail: LivePeer) -> None:
    """
    Where nobody answers, a look-up ends at its deadline, neither sooner nor later, and says whom it has asked, and how often.
    """
    frail.pause()
    async with resolving(frail) as resolver:
        for timeout in (0.7, (0.2, 0.5)):
            began = time.monotonic()
            with pytest.raises(DNSQueryTimeoutError) as caught:
                await resolver.lookupAddress("www.failing.example", timeout)
            assert caught.value.server == f"127.0.0.62:{frail.port}"
            found = re.search(rf"127\.0\.0\.62:{frail.port} did not answer within ([0-9.]+) seconds", str(caught.value))
            assert found is not None and 0.7 <= float(found[1]) < SOON
            assert caught.value.attempts == 2
            assert 0.65 < time.monotonic() - began < SOON
        frail.resume()
        assert addressesOf(await resolver.lookupAddress("www.failing.example")) == ["192.0.2.80"]


@pytest_twisted.ensureDeferred
async def test_failingFirst(well: LivePeer, broken: LivePeer) -> None:
    """
    SERVFAIL, or a refusal, from the first server is no answer: the second one is asked.
    """
    with nsd({"other.example": ZONE}, address="127.0.0.64") as refusing:
        for first in (broken, refusing):
            async with resolving(first, well) as resolver:
                began = time.monotonic()
                for number in range(20):
                    result = await resolver.lookupAddress(f"n{number}.wild.failing.example")
                    assert addressesOf(result) == ["192.0.2.81"]
                    assert result.server == f"{well.address}:{well.port}"
                with pytest.raises(DNSNameError):
                    await resolver.lookupAddress("nothing.failing.example")
                assert time.monotonic() - began < SOON


@pytest_twisted.ensureDeferred
async def test_failure(broken: LivePeer) -> None:
    """
    SERVFAIL from all servers is an error of the server's, and never means that there is no such name.
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
async def test_restarted(frail: LivePeer) -> None:
    """
    While the only server is down, look-ups fail and say why; when it is back, the next one succeeds.
    """
    async with resolving(frail) as resolver:
        assert addressesOf(await resolver.lookupAddress("www.failing.example")) == ["192.0.2.80"]
        for _ in range(2):
            frail.stop()
            for _ in range(5):
                with pytest.raises((DNSServerError, DNSQueryTimeoutError), match="127.0.0.62"):
                    await resolver.lookupAddress("www.failing.example", 1.0)
            frail.start()
            assert addressesOf(await resolver.lookupAddress("www.failing.example")) == ["192.0.2.80"]
            assert len((await resolver.lookupText("big.failing.example"))[0]) == 40


@pytest_twisted.ensureDeferred
async def test_restartedMeanwhile(frail: LivePeer) -> None:
    """
    Queries that are lost with a server are sent again to the one that takes its place.
    """
    frail.pause()
    async with resolving(frail) as resolver:
        asked = [ask(resolver, f"n{number}.wild.failing.example") for number in range(100)]
        await moment(0.05)
        kill(frail)
        frail.start()
        for result in await allOf(asked):
            assert isinstance(result, Answer), result
            assert textsOf(result) == ["192.0.2.81"]


@pytest.mark.parametrize("paused", [True, False])
@pytest_twisted.ensureDeferred
async def test_killedConversation(well: LivePeer, frail: LivePeer, paused: bool) -> None:
    """
    When a server dies in the middle of a conversation by TCP, another one gives all that was still to come.
    """
    servers = f"{frail.address}@{frail.port},{well.address}@{well.port}"
    async with described(f"tcp:{servers}") as resolver:
        if paused:
            frail.pause()
        asked = [ask(resolver, f"n{number}.wild.failing.example") for number in range(150)]
        await moment(0.05 if paused else 0.003)
        kill(frail)
        results = await allOf(asked)
        assert [textsOf(result) if isinstance(result, Answer) else result for result in results] == [["192.0.2.81"]] * 150


@pytest_twisted.ensureDeferred
async def test_killedAlone(frail: LivePeer) -> None:
    """
    When the only server dies in the middle of a conversation by TCP, look-ups fail soon and clearly; once it is back, TCP works.
    """
    async with described(f"tcp:{frail.address}:{frail.port}") as resolver:
        frail.pause()
        asked = [ask(resolver, f"n{number}.wild.failing.example") for number in range(20)]
        await moment(0.05)
        began = time.monotonic()
        kill(frail)
        results = await allOf(asked)
        assert [result for result in results if isinstance(result, Answer)] == []
        assert {f"127.0.0.62:{frail.port}" in str(result) for result in results} == {True}
        assert time.monotonic() - began < SOON
        frail.start()
        assert textsOf(await ask(resolver, "www.failing.example")) == ["192.0.2.80"]


@pytest_twisted.ensureDeferred
async def test_keptConnection(frail: LivePeer) -> None:
    """
    A connection that is kept for the next look-up, and that has died since, costs the next look-up nothing.
    """
    async with described(f"tcp:{frail.address}:{frail.port}:keep=30") as resolver:
        for _ in range(2):
            for _ in range(3):
                assert textsOf(await ask(resolver, "www.failing.example")) == ["192.0.2.80"]
            kill(frail)
            frail.start()
        assert textsOf(await ask(resolver, "www.failing.example")) == ["192.0.2.80"]


@pytest_twisted.ensureDeferred
async def test_noDatagrams() -> None:
    """
    A server that has nothing but TCP is of use wherever that can be found out: where what answers by UDP is cut short, and where one
    asks by TCP from the start.
    """
    with unbound(localData=["www.failing.example. 60 IN A 192.0.2.80"], address="127.0.0.65", extra="do-udp: no") as server:
        async with cutting(server.address, server.port) as (cut, _), resolving(server) as resolver:
            for _ in range(3):
                answer = await ask(resolver, "www.failing.example")
                assert (answer.origin.source if answer.origin else "", textsOf(answer)) == ("tcp", ["192.0.2.80"])
            assert cut.queries == 3
        async with cutting(server.address, server.port, silent=True) as (silent, _):
            async with described(f"tcp:{server.address}:{server.port}") as resolver:
                assert textsOf(await ask(resolver, "www.failing.example")) == ["192.0.2.80"]
            assert silent.queries == 0


@pytest_twisted.ensureDeferred
async def test_noStreams(well: LivePeer) -> None:
    """
    A server that cuts its replies short and cannot be reached by TCP is passed over for one that can; where there is no other, the
    look-up fails soon.
    """
    async with cutting("127.0.0.66") as (cut, port):
        async with resolving(("127.0.0.66", port), well) as resolver:
            assert len((await resolver.lookupText("big.failing.example"))[0]) == 40
            assert cut.queries == 1
        async with resolving(("127.0.0.66", port)) as resolver:
            began = time.monotonic()
            with pytest.raises(DNSServerError, match="127.0.0.66:[0-9]+ cut its reply by UDP short"):
                await resolver.lookupText("big.failing.example")
            assert time.monotonic() - began < SOON


@pytest_twisted.ensureDeferred
async def test_closing(frail: LivePeer) -> None:
    """
    Closing a resolver ends what is under way, by UDP and TCP, and leaves no socket and no timer.
    """
    frail.pause()
    async with resolving(frail) as resolver:
        asked = [ask(resolver, f"n{number}.wild.failing.example", stream=bool(number % 2)) for number in range(20)]
        await moment(0.02)
        await resolver.close()
        results = await allOf(asked)
        assert {type(result).__name__ for result in results} == {"Closed"}


@pytest_twisted.ensureDeferred
async def test_cancelling(frail: LivePeer) -> None:
    """
    A look-up that is cancelled is gone, and the others go on.
    """
    frail.pause()
    async with resolving(frail) as resolver:
        asked = [ask(resolver, f"n{number}.wild.failing.example", stream=bool(number % 2)) for number in range(20)]
        await moment(0.02)
        for each in asked[:10]:
            each.cancel()
        frail.resume()
        results = await allOf(asked)
        assert {type(result).__name__ for result in results[:10]} == {"CancelledError"}
        assert [textsOf(result) if isinstance(result, Answer) else result for result in results[10:]] == [["192.0.2.81"]] * 10
