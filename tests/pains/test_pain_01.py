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
from twisted.python.threadpool import ThreadPool

from tests.cache.canned import question
from tests.resolver.told import addresses
from twisted_ext import asyncio as looping
from twisted_ext import client
from twisted_ext.addrinfo.hints import AddressInfo
from twisted_ext.answers import QueryContext
from twisted_ext.errors import TimedOut
from twisted_ext.resolver.ask import lookUp
from twisted_ext.resolver.system.threaded import ThreadedSource
from twisted_ext.testing.servers import CannedServer

__all__: list[str] = []

#: Seconds that are enough for a free thread.
_SOON = 30.0

#: Seconds to wait for something that must not happen.
_PATIENCE = 0.3


#: Look-ups that hang.
_MANY: Final = 1000

_RECORDS: Final = {("www.example", "A"): "192.0.2.1", ("www.example", "AAAA"): "2001:db8::1"}


class _SharedThreads(Protocol):
    """
    The thread pool of a reactor.
    """

    max: int

    def callInThread(self, func: Callable[[], object]) -> object:
        """
        Call the function in a thread of the pool.
        """


class _Reactor(Protocol):
    """
    The part of a reactor that is used here.
    """

    def getThreadPool(self) -> _SharedThreads:
        """
        Return the shared pool.
        """


class _Shared:
    """
    The reactor's own pool, used for look-ups, which L{ThreadedSource} never does.
    """

    def __init__(self, shared: _SharedThreads) -> None:
        self.callInThread = shared.callInThread

    def start(self) -> None:
        """
        Do nothing, since it already runs.
        """

    def stop(self) -> None:
        """
        Do nothing, since others use it.
        """


@pytest.fixture
def released() -> Iterator[threading.Event]:
    """
    Return an event that threads wait for until the test ends.
    """
    event = threading.Event()
    yield event
    event.set()


def theReactor() -> tuple[IReactorTime, _SharedThreads]:
    """
    Return the reactor of the tests, and its pool.
    """
    from twisted.internet import reactor

    return cast(IReactorTime, reactor), cast(_Reactor, reactor).getThreadPool()


async def isFound(source: ThreadedSource, reactor: IReactorTime, seconds: float) -> bool:
    """
    Return whether a look-up ends within so many seconds.
    """
    try:
        answer = await lookUp(source, question("www.example"), QueryContext(reactor.seconds() + seconds))
    except TimedOut:
        return False
    return addresses(answer) == ["192.0.2.1"]


async def poolWorks(reactor: IReactorTime, seconds: float) -> bool:
    """
    Return whether other work in the shared pool is done within so many seconds.
    """
    work: Deferred[object] = deferToThread(lambda: True)
    try:
        return bool(await work.addTimeout(seconds, reactor))
    except Exception:
        return False


@pytest_twisted.ensureDeferred
@pytest.mark.parametrize("own", [True, False])
async def test_busyPoolDoesNotStarveLookups(released: threading.Event, own: bool) -> None:
    """
    Look-ups continue while the shared pool is full of slow work. In the shared pool they would not.
    """
    reactor, shared = theReactor()
    hanging = [deferToThread(released.wait) for _ in range(shared.max)]
    pool = None if own else cast(ThreadPool, _Shared(shared))
    source = ThreadedSource(reactor, pool=pool, getAddresses=lambda _: [b"\xc0\x00\x02\x01"])
    try:
        assert await isFound(source, reactor, _SOON if own else _PATIENCE) is own
    finally:
        released.set()
        await DeferredList(hanging)
        await source.close()


@pytest_twisted.ensureDeferred
@pytest.mark.parametrize("own", [True, False])
async def test_hangingLookupsDoNotStarvePool(released: threading.Event, own: bool) -> None:
    """
    Work in the shared pool continues while the system's resolver hangs on every name. With look-ups in the shared pool it would not.
    """
    reactor, shared = theReactor()
    pool = None if own else cast(ThreadPool, _Shared(shared))

    def hang(_: str) -> list[bytes]:
        released.wait()
        return []

    source = ThreadedSource(reactor, pool=pool, getAddresses=hang)
    wishes = QueryContext(reactor.seconds() + 60)
    asking = [lookUp(source, question(f"name{number}.example"), wishes) for number in range(3 * shared.max)]
    try:
        assert await poolWorks(reactor, _SOON if own else _PATIENCE) is own
        assert not any(each.called for each in asking)
    finally:
        released.set()
        await DeferredList(asking)
        await source.close()


@pytest_twisted.ensureDeferred
async def test_hangingResolverIsLeftAtDeadline(released: threading.Event) -> None:
    """
    A look-up in a hanging resolver ends at its deadline. Closing completes when the resolver returns.
    """
    reactor, _ = theReactor()

    def hang(_: str) -> list[bytes]:
        released.wait()
        return []

    source = ThreadedSource(reactor, getAddresses=hang)
    assert not await isFound(source, reactor, _PATIENCE)
    closing = source.close()
    assert not closing.called
    released.set()
    await closing
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("PoolThread-twisted_ext.resolver")]


def deadServer() -> socket.socket:
    """
    Return a socket that takes queries and answers none.
    """
    dead = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    dead.bind(("127.0.0.1", 0))
    return dead


def addressesIn(rows: list[AddressInfo]) -> set[str]:
    """
    Return the addresses in the result of C{getaddrinfo}.
    """
    return {row[4][0] for row in rows}


@pytest_twisted.ensureDeferred
async def test_thousandHangingCallsBlockNothing() -> None:
    """
    Work in threads and other look-ups continue while a thousand C{getaddrinfo} calls wait for a dead server.
    """
    reactor, _ = theReactor()
    server = CannedServer(_RECORDS)
    listening = server.listen(reactor, 0, "127.0.0.1")
    other = client.resolverFromString(reactor, f"udp:127.0.0.1:{listening.port}")
    with closing(deadServer()) as dead:
        resolver = client.resolverFromString(reactor, f"udp:127.0.0.1:{dead.getsockname()[1]}", timeout=60)
        hanging = [client.getaddrinfo(f"name{number}.example", 443, resolver=resolver) for number in range(_MANY)]
        try:
            assert await poolWorks(reactor, _SOON)
            assert addressesIn(await client.getaddrinfo("www.example", 443, resolver=other)) == {"192.0.2.1", "2001:db8::1"}
            assert not any(each.called for each in hanging)
        finally:
            for each in hanging:
                each.addErrback(lambda _: None)
                each.cancel()
            await resolver.close()
            await other.close()
            await server.close()


def test_thousandHangingCallsBlockNoLoop() -> None:
    """
    The same holds on an asyncio loop: its threads stay free, and other look-ups continue.
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
            assert addressesIn(rows) == {"192.0.2.1", "2001:db8::1"}
            assert not any(each.done() for each in hanging)
            for each in hanging:
                each.cancel()
            await asyncio.gather(*hanging, return_exceptions=True)
            await looping.asFuture(server.close())

    asyncio.run(main())
