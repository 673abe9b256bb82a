"""
Look-ups for asyncio programs: C{getaddrinfo} and C{getnameinfo} as coroutines that use no threads, installation of both on a loop, and
conversion of this package's Deferreds to futures.

It works on any loop that can watch sockets: the loop of an
L{AsyncioSelectorReactor<twisted.internet.asyncioreactor.AsyncioSelectorReactor>} that is the global reactor, or a plain asyncio loop, which
gets a reactor of its own that ends when the loop is closed. The global reactor is not touched.

A C{resolver} is L{None} for the system's configuration, a description such as C{"udp:192.0.2.1"}, which is parsed once for each loop, or a
resolver made on L{reactorFor}.
"""

from __future__ import annotations

import socket
import sys
from asyncio import AbstractEventLoop, CancelledError, Future, get_running_loop
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterable
from functools import partial
from typing import TYPE_CHECKING, Final, TypedDict, TypeVar, cast

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.python.failure import Failure

from twisted_ext.addrinfo.getaddrinfo import Host
from twisted_ext.addrinfo.hints import AddressInfo, Port, SocketAddress
from twisted_ext.aliases import found
from twisted_ext.asyncio.loops import OnLoop, onLoop
from twisted_ext.compat.conversion.names import queryOf
from twisted_ext.compat.conversion.timeouts import Timeout
from twisted_ext.compat.lookups.start import nameFrom
from twisted_ext.compat.names import NamesResolver
from twisted_ext.wire.message import Question
from twisted_ext.wire.names import nameToText
from twisted_ext.wire.rdata.fields import Rdata
from twisted_ext.wire.rdata.registry import rdataFromWire, rdataToText
from twisted_ext.wire.rrtypes import expectType

if TYPE_CHECKING:
    from twisted_ext.compat.conversion.results import Result
    from twisted_ext.compat.lookups.watch import Predicate, Watch

__all__ = [
    "Records",
    "ResolvedHost",
    "Resolver",
    "asFuture",
    "getResolver",
    "getaddrinfo",
    "getnameinfo",
    "install",
    "iterated",
    "reactorFor",
    "resolve",
    "waitFor",
    "watch",
]

T = TypeVar("T")

#: The flags of L{Resolver}'s addresses: host and port are numeric and need no further look-up.
_NUMERIC: Final = socket.AI_NUMERICHOST | socket.AI_NUMERICSERV


def reactorFor(loop: AbstractEventLoop | None = None) -> IReactorTime:
    """
    Return the reactor that runs on a loop, to pass to code that takes a reactor. It ends with the loop.

    @param loop: L{None} for the running loop.

    @raise CallerFault: no reactor can run on this loop.
    """
    return onLoop(loop or get_running_loop()).reactor


def getResolver(resolver: object = None, loop: AbstractEventLoop | None = None) -> NamesResolver:
    """
    Return the resolver that look-ups on a loop use for this C{resolver}. Its methods return Deferreds: see L{asFuture}.

    @param resolver: a resolver, a description, or L{None}, as described in the module.
    @param loop: L{None} for the running loop.

    @raise BadDescription: the description is not valid.
    @raise CallerFault: C{resolver} is not a resolver.
    """
    return onLoop(loop or get_running_loop()).resolverOf(resolver)


class Records(list[Rdata]):
    """
    The records of a name and type, without aliases: C{[<MX 10 mail.example.org.>]}. Their fields are attributes, such as C{preference} of
    L{MX<twisted_ext.wire.rdata.types.names.MX>}; names are in wire format there.

    @ivar texts: the records as in master files: C{["10 mail.example.org."]}.
    @ivar result: the whole answer: its sections, security, server.
    @ivar name: the name that has the records, at the end of the aliases, as text with a final dot.
    """

    def __init__(self, records: Iterable[Rdata], texts: Iterable[str], name: str, result: Result) -> None:
        super().__init__(records)
        self.texts = list(texts)
        self.name = name
        self.result = result


async def resolve(name: str | bytes, rrType: int | str = "A", *, resolver: object = None, timeout: Timeout = None) -> Records:
    """
    Look up the records of a name: C{await resolve("example.org", "MX")}. The name is absolute: no search list is applied.

    @param rrType: a number or a mnemonic.
    @param resolver: see the module.

    @return: the records; empty if the name has none of this type.

    @raise DNSNameError: there is no such name.
    @raise LookupFailed: the look-up failed in another way.
    @raise CallerFault: an argument is not valid: C{BadName} or C{BadDescription}, or C{WrongType}, such as a number for a name.
    """
    mine = onLoop(get_running_loop())
    question = Question(nameFrom(name), expectType(rrType))
    query = queryOf(question.name, question.rrType, question.rrClass)
    result = await _outcome(mine.resolverOf(resolver).query(query, timeout), mine)
    number = question.rrType
    rdatas, owner, _ = found(question, result.answer, searched=False)
    texts = [rdataToText(number, rdata) for rdata in rdatas]
    return Records([rdataFromWire(number, rdata) for rdata in rdatas], texts, nameToText(owner), result)


def asFuture(deferred: Deferred[T], loop: AbstractEventLoop | None = None) -> Future[T]:
    """
    Convert a Deferred to an asyncio future: C{await asFuture(getResolver().lookupText("example.org"))}. Cancelling the future cancels the
    Deferred.

    @param loop: L{None} for the running loop.
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
            # The result will not be retrieved, and asyncio would log an unretrieved exception.
            future.cancel()
        else:
            future.set_exception(failure.value or CancelledError())

    deferred.addCallbacks(succeeded, failed)
    return future


async def _outcome(deferred: Deferred[T], mine: OnLoop) -> T:
    """
    Await a Deferred as L{asFuture} does, but return an available result at once, and cancel immediately instead of in the loop's next
    iteration.
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
    Iterate in asyncio over an iterator that awaits Deferreds, such as that of C{bulk}: C{async for name, result in iterated(bulk(...))}. As
    with every generator, cancelling the task that awaits an item ends the iteration.
    """
    mine = onLoop(get_running_loop())
    try:
        while True:
            try:
                item = await _outcome(Deferred.fromCoroutine(_awaited(anext(items))), mine)
            except StopAsyncIteration:
                return
            yield item
    finally:
        close = getattr(items, "aclose", None)
        if close is not None:
            await _outcome(Deferred.fromCoroutine(_awaited(close())), mine)


async def _awaited(awaitable: Awaitable[T]) -> T:
    return await awaitable


def watch(
    name: str | bytes,
    rrType: int | str | None = None,
    *,
    resolver: object = None,
    interval: float | None = None,
    raising: bool = False,
) -> Watch:
    """
    Iterate over the records of a name and each later change to them: see L{twisted_ext.compat.lookups.watch.watch}. Cancelling the task
    that awaits the next change does not end the watch, so C{asyncio.wait_for(anext(changes), 60)} can be called repeatedly.

    @raise CallerFault: an argument is not valid.
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
    Wait until the records of a name satisfy C{predicate}: see L{twisted_ext.compat.lookups.watch.waitFor}.

    @raise twisted_ext.compat.conversion.errors.LookupFailed: the timeout has passed, or the predicate can never be satisfied.
    @raise CallerFault: C{resolver} is not valid.
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
    Look up the addresses of a host, like C{loop.getaddrinfo}.

    @param timeout: seconds for the whole call, L{None} for the resolver's own timeout.

    @return: family, type, protocol, canonical name and address of each, in the order in which to try them.

    @raise socket.gaierror: the host has no address, or the look-up failed.
    @raise CallerFault: C{resolver} or C{timeout} is not valid.
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
    Look up the names of an address and a port, like C{loop.getnameinfo}.

    @param timeout: seconds for the whole call, L{None} for the resolver's own timeout.

    @return: both as text; the numeric address if it has no name.

    @raise socket.gaierror: the address has no name and C{NI_NAMEREQD} is set, or the look-up failed.
    @raise CallerFault: C{resolver} or C{timeout} is not valid.
    """
    mine = onLoop(get_running_loop())
    asked = mine.resolverOf(resolver)
    return await _outcome(asked.getnameinfo(sockaddr, flags, timeout=timeout), mine)


def install(loop: AbstractEventLoop | None = None, resolver: object = None) -> Callable[[], None]:
    """
    Replace C{loop.getaddrinfo} and C{loop.getnameinfo} by those of this module, so that the loop's connections by name use them too.

    @param loop: L{None} for the running loop. The loop need not be running yet.

    @return: a function that restores the previous methods: at once, or, if other replacements were installed since, when those are undone.
        Further calls do nothing.

    @raise BadDescription: the description is not valid.
    @raise CallerFault: C{resolver} is not a resolver, or no reactor can run on this loop.
    """
    on = loop or get_running_loop()
    mine = onLoop(on)
    # Raise errors in the description now.
    mine.resolverOf(resolver)

    undoing = [
        mine.replace(function.__name__, partial(function, resolver=resolver)) for function in (getaddrinfo, getnameinfo)
    ]

    def undo() -> None:
        for each in undoing:
            each()

    return undo


class ResolvedHost(TypedDict):
    """
    An address in the form that aiohttp expects.
    """

    hostname: str
    host: str
    port: int
    family: int
    proto: int
    flags: int


class Resolver:
    """
    A resolver for aiohttp: C{TCPConnector(resolver=Resolver())}. It implements aiohttp's C{AbstractResolver}, and is registered as a
    virtual subclass of it if aiohttp is loaded. aiohttp need not be installed.
    """

    def __init__(self, resolver: object = None, *, timeout: Timeout = None) -> None:
        """
        @param timeout: seconds for each look-up, L{None} for the resolver's own timeout.
        """
        self._resolver = resolver
        self._timeout = timeout
        theirs = sys.modules.get("aiohttp.abc")
        if theirs is not None:
            theirs.AbstractResolver.register(Resolver)

    async def resolve(self, host: str, port: int = 0, family: int = socket.AF_INET) -> list[ResolvedHost]:
        """
        Look up the addresses of a host.

        @param family: C{AF_UNSPEC} for both families.

        @raise socket.gaierror: the host has no address, or the look-up failed.
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
        Do nothing: the underlying resolver belongs to the loop and may be shared.
        """


def _textOf(address: SocketAddress) -> str:
    """
    Return an address with its scope, which link-local addresses need.
    """
    text: str = address[0]
    return f"{text}%{address[3]}" if len(address) > 3 and address[3] and "%" not in text else text
