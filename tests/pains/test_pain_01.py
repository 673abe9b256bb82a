"""
Pain 1: C{getaddrinfo} in the shared thread pool starves everything else.
"""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Final, Protocol, cast

import pytest
import pytest_twisted
from twisted.internet.defer import Deferred, DeferredList
from twisted.internet.interfaces import IReactorTime
from twisted.internet.threads import deferToThread

from tests.cache.canned import question
from tests.resolver.told import addresses
from twisted_ext import asyncio as looping
from twisted_ext import client
from twisted_ext.addrinfo.hints import AddressInfo
from twisted_ext.answers import QueryContext
from twisted_ext.errors import TimedOut
from twisted_ext.resolver.system.threaded import Pool, Threaded
from twisted_ext.testing.servers import CannedServer

__all__: list[str] = []

#: Seconds in which a free thread has long done its work.
_SOON = 30.0

#: Seconds after which nobody comes who was not there at once.
_PATIENCE = 0.3


#: Look-ups that hang.
_MANY: Final = 1000

_RECORDS: Final = {("www.example", "A"): "192.0.2.1", ("www.example", "AAAA"): "2001:db8::1"}


class _SharedThreads(Protocol):
    """
    What a reactor's own pool of threads offers.
    """

    max: int

    def callInThread(self, func: Callable[[], object]) -> object:
        """
        Call this in one of them.
        """


class _Reactor(Protocol):
    """
    The part of a reactor that is looked at here.
    """

    def getThreadPool(self) -> _SharedThreads:
        """
        @return: the pool that everybody uses.
        """


class _Shared:
    """
    The reactor's own pool, as it was used for look-ups: what L{Threaded} never does.
    """

    def __init__(self, shared: _SharedThreads) -> None:
        self.callInThread = shared.callInThread

    def start(self) -> None:
        """
        It runs.
        """

    def stop(self) -> None:
        """
        Others need it.
        """


@pytest.fixture
def stuck() -> Iterator[threading.Event]:
    """
    What threads hang at until the test is over.
    """
    event = threading.Event()
    yield event
    event.set()


def theReactor() -> tuple[IReactorTime, _SharedThreads]:
    """
    @return: the reactor that tests run on, and its pool.
    """
    from twisted.internet import reactor

    return cast(IReactorTime, reactor), cast(_Reactor, reactor).getThreadPool()


async def lookedUp(source: Threaded, reactor: IReactorTime, seconds: float) -> bool:
    """
    @return: whether a look-up ends within so many seconds.
    """
    try:
        answer = await source.answer(question("www.example"), QueryContext(reactor.seconds() + seconds))
    except TimedOut:
        return False
    return addresses(answer) == ["192.0.2.1"]


async def worksOn(reactor: IReactorTime, seconds: float) -> bool:
    """
    @return: whether other work in the shared pool is done within so many seconds.
    """
    work: Deferred[object] = deferToThread(lambda: True)
    try:
        return bool(await work.addTimeout(seconds, reactor))
    except Exception:
        return False


@pytest_twisted.ensureDeferred
@pytest.mark.parametrize("own", [True, False])
async def test_starvedByOthers(stuck: threading.Event, own: bool) -> None:
    """
    Look-ups go on while the shared pool is full of somebody's slow work; with the shared pool they would not.
    """
    reactor, shared = theReactor()
    hanging = [deferToThread(stuck.wait) for _ in range(shared.max)]
    pool: Pool | None = None if own else _Shared(shared)
    source = Threaded(reactor, pool=pool, getAddresses=lambda _: [b"\xc0\x00\x02\x01"])
    try:
        assert await lookedUp(source, reactor, _SOON if own else _PATIENCE) is own
    finally:
        stuck.set()
        await DeferredList(hanging)
        await source.close()


@pytest_twisted.ensureDeferred
@pytest.mark.parametrize("own", [True, False])
async def test_starvesOthers(stuck: threading.Event, own: bool) -> None:
    """
    Work in the shared pool goes on while the system's resolver hangs on every name; with look-ups in the shared pool it would not.
    """
    reactor, shared = theReactor()
    pool: Pool | None = None if own else _Shared(shared)

    def hang(_: str) -> list[bytes]:
        stuck.wait()
        return []

    source = Threaded(reactor, pool=pool, getAddresses=hang)
    wishes = QueryContext(reactor.seconds() + 60)
    asking = [source.answer(question(f"name{number}.example"), wishes) for number in range(3 * shared.max)]
    try:
        assert await worksOn(reactor, _SOON if own else _PATIENCE) is own
        assert not any(each.called for each in asking)
    finally:
        stuck.set()
        await DeferredList(asking)
        await source.close()


@pytest_twisted.ensureDeferred
async def test_hangsAlone(stuck: threading.Event) -> None:
    """
    A resolver that hangs is left behind at the deadline, and closing does not wait for it.
    """
    reactor, _ = theReactor()

    def hang(_: str) -> list[bytes]:
        stuck.wait()
        return []

    source = Threaded(reactor, getAddresses=hang)
    assert not await lookedUp(source, reactor, _PATIENCE)
    closing = source.close()
    assert not closing.called
    stuck.set()
    await closing
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("PoolThread-twisted_ext.resolver")]


def deadServer() -> socket.socket:
    """
    @return: what takes queries and answers none.
    """
    dead = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    dead.bind(("127.0.0.1", 0))
    return dead


def found(rows: list[AddressInfo]) -> set[str]:
    """
    @return: the addresses in what C{getaddrinfo} gave.
    """
    return {row[4][0] for row in rows}


@pytest_twisted.ensureDeferred
async def test_thousandHang() -> None:
    """
    While a thousand C{getaddrinfo} wait for a dead server, work in threads and other look-ups go on.
    """
    reactor, _ = theReactor()
    server = CannedServer(_RECORDS)
    listening = server.listen(reactor, 0, "127.0.0.1")
    other = client.resolverFromString(reactor, f"udp:127.0.0.1:{listening.port}")
    with closing(deadServer()) as dead:
        resolver = client.resolverFromString(reactor, f"udp:127.0.0.1:{dead.getsockname()[1]}", timeout=60)
        hanging = [client.getaddrinfo(f"name{number}.example", 443, resolver=resolver) for number in range(_MANY)]
        try:
            assert await worksOn(reactor, _SOON)
            assert found(await client.getaddrinfo("www.example", 443, resolver=other)) == {"192.0.2.1", "2001:db8::1"}
            assert not any(each.called for each in hanging)
        finally:
            for each in hanging:
                each.addErrback(lambda _: None)
                each.cancel()
            await resolver.close()
            await other.close()
            await server.close()


def test_thousandHangOnLoop() -> None:
    """
    So it is on a loop of asyncio: its threads are nobody's, and other look-ups go on.
    """

    async def main() -> None:
        loop = asyncio.get_running_loop()
        before = set(threading.enumerate())
        server = CannedServer(_RECORDS)
        listening = server.listen(looping.reactorFor(), 0, "127.0.0.1")
        with closing(deadServer()) as dead:
            looping.install(resolver=f"udp:127.0.0.1:{dead.getsockname()[1]}")
            hanging = [asyncio.ensure_future(loop.getaddrinfo(f"name{number}.example", 443)) for number in range(_MANY)]
            await asyncio.sleep(0)
            assert not set(threading.enumerate()) - before
            assert await loop.run_in_executor(None, lambda: True)
            rows = await looping.getaddrinfo("www.example", 443, resolver=f"udp:127.0.0.1:{listening.port}")
            assert found(rows) == {"192.0.2.1", "2001:db8::1"}
            assert not any(each.done() for each in hanging)
            for each in hanging:
                each.cancel()
            await asyncio.gather(*hanging, return_exceptions=True)
            await looping.asFuture(server.close())

    asyncio.run(main())
