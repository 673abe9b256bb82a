"""
For programs on asyncio: C{getaddrinfo} and C{getnameinfo} as coroutines, without a thread; loops that use them; and the way from everything
else here to what can be awaited there.

All of it works on any loop that watches sockets: on that of an
L{AsyncioSelectorReactor<twisted.internet.asyncioreactor.AsyncioSelectorReactor>} that is the reactor of the process, and on a bare
one, which gets a reactor for itself that ends when the loop is closed. The global reactor is not touched.

A C{resolver} is L{None} for what the machine is configured to use, a description such as C{"udp:192.0.2.1"}, which is read once for each
loop, or one that was made on L{reactorFor}.
"""

from __future__ import annotations

import socket
import sys
from asyncio import AbstractEventLoop, CancelledError, Future, get_running_loop
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from typing import TYPE_CHECKING, Final, TypedDict, TypeVar, cast

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.python.failure import Failure

from twisted_ext.addrinfo.getaddrinfo import Host
from twisted_ext.addrinfo.hints import AddressInfo, Port, SocketAddress
from twisted_ext.asyncio.loops import OnLoop, onLoop
from twisted_ext.compat.conversion.timeouts import Timeout
from twisted_ext.compat.names import NamesResolver

if TYPE_CHECKING:
    from twisted_ext.compat.conversion.results import Result
    from twisted_ext.compat.lookups.watch import Predicate, Watch

__all__ = [
    "ResolvedHost",
    "Resolver",
    "asFuture",
    "getResolver",
    "getaddrinfo",
    "getnameinfo",
    "install",
    "iterated",
    "reactorFor",
    "waitFor",
    "watch",
]

T = TypeVar("T")

#: What an address of L{Resolver} is marked with: it needs no look-up any more.
_NUMERIC: Final = socket.AI_NUMERICHOST | socket.AI_NUMERICSERV


def reactorFor(loop: AbstractEventLoop | None = None) -> IReactorTime:
    """
    @param loop: L{None} for the one that runs.

    @return: the reactor that works on this loop, for whatever takes one. It ends with the loop.

    @raise CallerFault: none can.
    """
    return onLoop(loop or get_running_loop()).reactor


def getResolver(resolver: object = None, loop: AbstractEventLoop | None = None) -> NamesResolver:
    """
    @param resolver: a description, for instance.
    @param loop: L{None} for the one that runs.

    @return: the resolver that look-ups on this loop have with such a C{resolver}. Its methods give Deferreds: see L{asFuture}.

    @raise BadDescription: the description is none.
    @raise CallerFault: it is nothing that could be asked.
    """
    return onLoop(loop or get_running_loop()).resolverOf(resolver)


def asFuture(deferred: Deferred[T], loop: AbstractEventLoop | None = None) -> Future[T]:
    """
    Wait for a Deferred in a coroutine of asyncio: C{await asFuture(getResolver().lookupText("example.org"))}. Cancelling the future cancels
    the Deferred.

    @param loop: L{None} for the one that runs.
    """

    def cancel(future: Future[T]) -> None:
        if future.cancelled():
            deferred.cancel()

    future = _futureOf(deferred, onLoop(loop or get_running_loop()))
    future.add_done_callback(cancel)
    return future


def _futureOf(deferred: Deferred[T], mine: OnLoop) -> Future[T]:
    future: Future[T] = mine.loop.create_future()

    def succeeded(result: T) -> None:
        if not future.done():
            future.set_result(result)

    def failed(failure: Failure) -> None:
        if future.done():
            return
        if mine.closing:
            # Nobody looks, and asyncio would complain of that.
            future.cancel()
        else:
            future.set_exception(failure.value or CancelledError())

    deferred.addCallbacks(succeeded, failed)
    return future


async def _outcome(deferred: Deferred[T], mine: OnLoop) -> T:
    """
    Wait as L{asFuture} does, but not for what is there, and cancel at once rather than in the loop's next turn.
    """
    if deferred.called:
        result: object = deferred.result
        if not isinstance(result, Failure | Deferred):
            return cast(T, result)
    try:
        return await _futureOf(deferred, mine)
    except CancelledError:
        deferred.cancel()
        raise


async def iterated(items: AsyncIterator[T]) -> AsyncGenerator[T, None]:
    """
    Go through what comes by Deferreds, such as what C{bulk} gives: C{async for name, result in iterated(bulk(...))}. As with every
    generator, cancelling whoever waits ends it.
    """
    mine = onLoop(get_running_loop())
    try:
        while True:
            try:
                item = await _outcome(Deferred.fromCoroutine(_next(items)), mine)
            except StopAsyncIteration:
                return
            yield item
    finally:
        close = getattr(items, "aclose", None)
        if close is not None:
            await _outcome(Deferred.fromCoroutine(_finished(close)), mine)


async def _next(items: AsyncIterator[T]) -> T:
    return await anext(items)


async def _finished(close: Callable[[], Awaitable[object]]) -> None:
    await close()


def watch(
    name: str | bytes,
    rrType: int | str | None = None,
    *,
    resolver: object = None,
    interval: float | None = None,
    raising: bool = False,
) -> Watch:
    """
    Tell what a name stands for, and then each change of that: see L{twisted_ext.compat.lookups.watch.watch}. Cancelling whoever waits for
    the next change does not end it, so that C{asyncio.wait_for(anext(changes), 60)} can be called again and again.

    @raise CallerFault: something is wrong with one of these.
    """
    from twisted_ext.compat.lookups.watch import Watch

    mine = onLoop(get_running_loop())
    return Watch(
        name,
        rrType,
        resolver=mine.resolverOf(resolver),
        interval=interval,
        raising=raising,
        awaited=lambda change: _outcome(change, mine),
    )


async def waitFor(
    name: str | bytes,
    rrType: int | str | None = None,
    predicate: Predicate | None = None,
    *,
    timeout: float | None = None,
    resolver: object = None,
    interval: float | None = None,
) -> Result:
    """
    Wait until a name stands for what somebody waits for: see L{twisted_ext.compat.lookups.watch.waitFor}.

    @raise twisted_ext.compat.conversion.errors.LookupFailed: the time is over, or it can never be done.
    @raise CallerFault: C{resolver} is none.
    """
    from twisted_ext.compat.lookups import watch as watching

    asked: object
    if isinstance(resolver, list | tuple):
        asked = [getResolver(each) for each in resolver]
    else:
        asked = getResolver(resolver)
    waiting = watching.waitFor(name, rrType, predicate, timeout=timeout, resolver=asked, interval=interval)
    return await _outcome(waiting, onLoop(get_running_loop()))


async def getaddrinfo(
    host: Host,
    port: Port,
    *,
    family: int = 0,
    type: int = 0,
    proto: int = 0,
    flags: int = 0,
    resolver: object = None,
    timeout: Timeout = None,
) -> list[AddressInfo]:
    """
    Find the addresses of a host, as C{loop.getaddrinfo} does.

    @param timeout: seconds for all of it, L{None} for the resolver's own.

    @return: family, type, protocol, canonical name and address of each, those to be tried first at the beginning.

    @raise socket.gaierror: there is none, or it cannot be found out.
    @raise CallerFault: C{resolver} or C{timeout} is none.
    """
    mine = onLoop(get_running_loop())
    asked = mine.resolverOf(resolver)
    return await _outcome(
        asked.getaddrinfo(host, port, family=family, type=type, proto=proto, flags=flags, timeout=timeout), mine
    )


async def getnameinfo(
    sockaddr: SocketAddress, flags: int = 0, *, resolver: object = None, timeout: Timeout = None
) -> tuple[str, str]:
    """
    Find the name of an address and of a port, as C{loop.getnameinfo} does.

    @param timeout: seconds for all of it, L{None} for the resolver's own.

    @return: both as text; the address itself where it has no name.

    @raise socket.gaierror: it has none and one is wanted, or it cannot be found out.
    @raise CallerFault: C{resolver} or C{timeout} is none.
    """
    mine = onLoop(get_running_loop())
    asked = mine.resolverOf(resolver)
    return await _outcome(asked.getnameinfo(sockaddr, flags, timeout=timeout), mine)


def install(loop: AbstractEventLoop | None = None, resolver: object = None) -> Callable[[], None]:
    """
    Let C{loop.getaddrinfo} and C{loop.getnameinfo} be ours, and so all that the loop connects to by name.

    @param loop: L{None} for the one that runs. One that does not run yet will do.

    @return: call it to give back what was there before: at once, or where something else has been installed since, when that is undone.
        Called again, it does nothing.

    @raise BadDescription: the description is none.
    @raise CallerFault: C{resolver} is nothing that could be asked, or such a loop cannot be used.
    """
    on = loop or get_running_loop()
    mine = onLoop(on)
    # What is wrong with it is said now.
    mine.resolverOf(resolver)

    async def addresses(
        host: Host,
        port: Port,
        *,
        family: int = 0,
        type: int = 0,
        proto: int = 0,
        flags: int = 0,
    ) -> list[AddressInfo]:
        asked = mine.resolverOf(resolver)
        return await _outcome(asked.getaddrinfo(host, port, family=family, type=type, proto=proto, flags=flags), mine)

    async def names(sockaddr: SocketAddress, flags: int = 0) -> tuple[str, str]:
        return await _outcome(mine.resolverOf(resolver).getnameinfo(sockaddr, flags), mine)

    undoing = [mine.replace("getaddrinfo", addresses), mine.replace("getnameinfo", names)]

    def undo() -> None:
        for each in undoing:
            each()

    return undo


class ResolvedHost(TypedDict):
    """
    One address, as aiohttp wants it.
    """

    hostname: str
    host: str
    port: int
    family: int
    proto: int
    flags: int


class Resolver:
    """
    A resolver for aiohttp: C{TCPConnector(resolver=Resolver())}. It has what its C{AbstractResolver} asks for, and is an instance of that
    where aiohttp is loaded; it need not be there.
    """

    def __init__(self, resolver: object = None, *, timeout: Timeout = None) -> None:
        """
        @param timeout: seconds for each look-up, L{None} for the resolver's own.
        """
        self._resolver = resolver
        self._timeout = timeout
        theirs = sys.modules.get("aiohttp.abc")
        if theirs is not None:
            theirs.AbstractResolver.register(Resolver)

    async def resolve(self, host: str, port: int = 0, family: int = socket.AF_INET) -> list[ResolvedHost]:
        """
        @param family: C{AF_UNSPEC} for both.

        @raise socket.gaierror: there is no address, or it cannot be found out.
        """
        found = await getaddrinfo(
            host,
            port,
            family=family,
            type=socket.SOCK_STREAM,
            flags=socket.AI_ADDRCONFIG,
            resolver=self._resolver,
            timeout=self._timeout,
        )
        return [
            ResolvedHost(
                hostname=host, host=_textOf(address), port=address[1], family=kind, proto=proto, flags=_NUMERIC
            )
            for kind, _, proto, _, address in found
        ]

    async def close(self) -> None:
        """
        Nothing is open here: what is belongs to the loop, and others may use it.
        """


def _textOf(address: SocketAddress) -> str:
    """
    @return: the address with its scope, without which one of this link leads nowhere.
    """
    text: str = address[0]
    return f"{text}%{address[3]}" if len(address) > 3 and address[3] and "%" not in text else text
