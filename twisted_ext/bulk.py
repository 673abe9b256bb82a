"""
Look up any number of names as a stream: thousands of look-ups in parallel, in bounded memory, with one result for each name::

    async def show(reactor, resolver):
        async for name, result in bulk(resolver, ["www.example.com", "example.org"], clock=reactor):
            print(name, dataOf(result) if isinstance(result, Answer) else result)

    task.react(lambda reactor: Deferred.fromCoroutine(show(reactor, client.resolverFromString(reactor, "system"))))
"""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncGenerator, AsyncIterable, Callable, Iterable
from functools import partial
from ipaddress import IPv4Address, IPv6Address
from typing import TYPE_CHECKING, TypeAlias

from twisted.internet.defer import Deferred

from twisted_ext.answers import Answer
from twisted_ext.compat.foreign import sourceOf
from twisted_ext.errors import CallerFault, WrongType
from twisted_ext.limits import BULK_KEPT_BACK
from twisted_ext.ratecontrol import Rate, ServerRates, Window
from twisted_ext.resolver.lookup.stream import InOrder, Run
from twisted_ext.wire.addressranges import AddressRange, reverseNameOf
from twisted_ext.wire.message import Question
from twisted_ext.wire.names import nameFromText
from twisted_ext.wire.rrtypes import ANY, CNAME, PTR, A, expectType

if TYPE_CHECKING:
    from twisted.internet.interfaces import IDelayedCall, IReactorTime

__all__ = ["Asked", "bulk", "dataOf", "reverse"]

#: A name as text, an address, whose PTR records are looked up, or a question.
Asked: TypeAlias = str | bytes | IPv4Address | IPv6Address | Question


def _questionOf(asked: Asked, rrType: int) -> Question:
    """
    @raise twisted_ext.errors.BadName: the text is not a valid name.
    """
    if isinstance(asked, str | bytes):
        return Question(nameFromText(asked), rrType)
    if isinstance(asked, Question):
        return asked
    if isinstance(asked, IPv4Address | IPv6Address):
        return Question(reverseNameOf(asked.packed), PTR)
    raise CallerFault(f"{asked!r} cannot be looked up; give a name as str, an ipaddress object or a Question")


def reverse(text: str) -> Iterable[Question]:
    """
    Iterate over the questions for the PTR records of an address, or of each address in a range.

    Names in zones delegated on other than octet boundaries (RFC 2317) are found through their aliases.

    @param text: C{"192.0.2.0/24"}, C{"2001:db8::/120"}, C{"192.0.2.3-192.0.2.9"} or one address.

    @raise twisted_ext.wire.addressranges.BadAddress: it is not a valid range, or has too many addresses.
    @raise twisted_ext.errors.WrongType: it is not text.
    """
    given: object = text
    if not isinstance(given, str):
        raise WrongType(f"{given!r:.80} is not an address or a range; write it as text, such as 192.0.2.0/24")
    addresses = AddressRange.fromText(text)
    return (Question(name, PTR) for _, name in addresses)


def dataOf(answer: Answer, rrType: int | None = None) -> list[str]:
    """
    Return the records of an answer, in master file format; an empty list if the answer is a denial.

    @param rrType: the type of the question; L{None} for all records except aliases.
    """
    from twisted_ext.wire.rdata.registry import rdataToText

    return [
        rdataToText(rrset.rrType, rdata)
        for rrset in answer.answer
        if (rrset.rrType == rrType if rrType is not None and rrType != ANY else rrset.rrType != CNAME)
        for rdata in rrset.rdatas
    ]


class _Feed:
    """
    The buffer between a L{Run} and its iterators: names on their way in, results on their way out.

    @ivar results: results that the caller has not consumed yet.
    @ivar failure: the exception that the iterator of names raised.
    """

    def __init__(self, names: Iterable[Asked] | AsyncIterable[Asked], rrType: int, clock: IReactorTime, most: int) -> None:
        self.results: deque[tuple[Asked, Answer | Exception]] = deque()
        self.ended = False
        self.failure: Exception | None = None
        self.more: Callable[[], None] = lambda: None
        self._rrType = rrType
        self._clock = clock
        self._most = most
        self._names = iter(names) if isinstance(names, Iterable) else None
        self._slowNames = None if isinstance(names, Iterable) else aiter(names)
        self._fetched: deque[Asked] = deque()
        self._fetching: Deferred[None] | None = None
        self._waiter: Deferred[None] | None = None
        self._waking: IDelayedCall | None = None

    def pull(self) -> tuple[Asked, Question | Exception] | None:
        while len(self.results) < self._most:
            if self._names is not None:
                try:
                    asked = next(self._names)
                except StopIteration:
                    self._end()
                    return None
                except Exception as failure:
                    self._end(failure)
                    return None
            elif self._fetched:
                asked = self._fetched.popleft()
            else:
                if self._fetching is None and not self.ended:
                    fetching = Deferred.fromCoroutine(self._fetch())
                    if not fetching.called:
                        self._fetching = fetching
                if not self._fetched:
                    return None
                continue
            try:
                return asked, _questionOf(asked, self._rrType)
            except CallerFault as fault:
                return asked, fault
        return None

    def done(self, asked: Asked, result: Answer | Exception) -> None:
        self.results.append((asked, result))
        if self._waking is None and self._waiter is not None:
            self.wake()

    async def _fetch(self) -> None:
        assert self._slowNames is not None
        try:
            self._fetched.append(await anext(self._slowNames))
        except StopAsyncIteration:
            self.ended = True
        except Exception as failure:
            self._end(failure)
        self._fetching = None
        if self._waiter is not None:
            self.more()
            self.wake()

    def _end(self, failure: Exception | None = None) -> None:
        self.failure = self.failure or failure
        self.ended = True
        if self._waiter is not None:
            self.wake()

    def wake(self) -> None:
        """
        Make L{wait} fire in the next reactor iteration, so that all results of this one are delivered together.
        """
        if self._waking is None:
            self._waking = self._clock.callLater(0, self._wake)

    def _wake(self) -> None:
        self._waking = None
        waiter, self._waiter = self._waiter, None
        if waiter is not None:
            waiter.callback(None)

    def wait(self) -> Deferred[None]:
        self._waiter = Deferred()
        return self._waiter

    def close(self) -> None:
        if self._waking is not None:
            self._waking.cancel()
            self._waking = None
        if self._fetching is not None:
            self._fetching.addErrback(lambda failure: None)
            self._fetching.cancel()


async def bulk(
    resolver: object,
    names: Iterable[Asked] | AsyncIterable[Asked],
    rrType: int | str = A,
    *,
    window: int | Window | None = None,
    ordered: bool = False,
    seconds: float | None = None,
    rate: float | None = None,
    rateServer: float | None = None,
    clock: IReactorTime | None = None,
) -> AsyncGenerator[tuple[Asked, Answer | Exception], None]:
    """
    Look up any number of names, as many in parallel as the servers can handle.

    Every name is returned exactly once: with its answer, which may be a denial, or with the exception that explains its absence; this
    includes texts that are not valid names. Names are consumed only as fast as they can be looked up, and not at all while the caller does
    not consume results.

    Leaving the loop early cancels pending look-ups, at the latest when the iterator is closed; C{contextlib.aclosing} does so at once.

    @param resolver: a resolver of L{twisted_ext.client.resolverFromString}, any answer source, or any C{IResolver}.
    @param names: names, addresses (whose PTR records are looked up) and questions, also from an endless iterator; L{reverse} creates
        questions for ranges.
    @param window: the maximum number of look-ups in parallel, or a L{Window}. The actual number adapts to the servers.
    @param ordered: return results in the order of the names, not in the order of arrival.
    @param seconds: the timeout of one look-up.
    @param rate: the maximum number of look-ups that start per second.
    @param rateServer: the maximum number of queries to each server per second, one at least. Names whose servers may not be asked yet wait,
        and others are looked up meanwhile. It has no effect on an C{IResolver} that asks servers by itself.
    @param clock: the reactor that C{resolver} uses; L{None} for the global one.

    @raise CallerFault: an argument is not valid.
    """
    given: object = names
    if isinstance(given, str | bytes) or not isinstance(given, Iterable | AsyncIterable):
        raise CallerFault(f"names: {given!r} is not an iterable of names; give a list, for example")
    if clock is None:
        from twisted.internet import reactor

        clock = reactor
    assert clock is not None
    size = window if isinstance(window, Window) else Window(most=window)
    feed = _Feed(names, expectType(rrType), clock, int(BULK_KEPT_BACK.default) if ordered else size.most)
    limits = (None if rate is None else Rate(rate), None if rateServer is None else ServerRates(rateServer))
    begin = partial(Run, sourceOf(resolver, clock), clock, window=size, seconds=seconds, rate=limits[0], serverRates=limits[1])
    order = InOrder(feed.pull, feed.done)
    run = begin(pull=order.pull, done=order.done) if ordered else begin(pull=feed.pull, done=feed.done)
    feed.more = run.fill
    results = feed.results
    try:
        while True:
            run.fill()
            while results:
                yield results.popleft()
                run.fill()
            if feed.failure is not None and not run.underway:
                raise feed.failure
            if feed.ended and not run.underway:
                return
            await feed.wait()
    finally:
        run.close()
        feed.close()
