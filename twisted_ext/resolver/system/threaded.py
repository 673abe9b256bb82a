"""
The system resolver (C{getaddrinfo}), called in a thread pool of its own.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Final

from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.interfaces import IDelayedCall, IReactorFromThreads, IReactorTime
from zope.interface import implementer

from twisted_ext.answers import Answer, Origin, Outcome, QueryContext
from twisted_ext.errors import BudgetSpent, Closed, ServerFailed, TimedOut
from twisted_ext.interfaces import IAnswerSource, Start
from twisted_ext.limits import RESOLVER_THREADS, THREADED_TTL, THREADED_WAITING
from twisted_ext.resolver.local.localanswers import addressFromReverse, known, knownAddresses
from twisted_ext.resolver.sources import LocalSource
from twisted_ext.wire.codes import IN, Rcode
from twisted_ext.wire.message import Question
from twisted_ext.wire.names import nameFromText, nameToText
from twisted_ext.wire.rrtypes import AAAA, PTR, A

if TYPE_CHECKING:
    from twisted.python.threadpool import ThreadPool

__all__ = ["ThreadedSource", "addressesOf", "namesOf"]

#: Errors of C{gethostbyaddr} (C{netdb.h}) for an unknown host and for one without data.
_HOST_NOT_FOUND: Final = 1
_NO_DATA: Final = 4

#: Errors for a name without addresses, where the system distinguishes that from a name that does not exist.
_NO_ADDRESSES: Final = frozenset(
    [getattr(socket, name) for name in ("EAI_NODATA", "EAI_ADDRFAMILY") if hasattr(socket, name)]
) - {socket.EAI_NONAME}


@implementer(IAnswerSource)
class ThreadedSource(LocalSource):
    """
    Queries the operating system's resolver, with everything that it is configured to use, including nsswitch and mDNS, but only for
    addresses and names of addresses. It uses a thread pool of its own, so a system resolver that hangs does not block other users of
    threads. The system's resolver returns no TTLs.

    Both families of a name come from one call. A running call cannot be cancelled; a caller that cancels or times out gets its failure at
    once, and a call that has not begun by then is never made.
    """

    what = "the system's resolver"

    def __init__(
        self,
        reactor: IReactorTime,
        *,
        threads: float | None = None,
        mostWaiting: float | None = None,
        ttl: float | None = None,
        pool: ThreadPool | None = None,
        getAddresses: Callable[[str], list[bytes]] | None = None,
        getNames: Callable[[str], list[bytes]] | None = None,
    ) -> None:
        """
        @param reactor: provides IReactorFromThreads, too.
        @param mostWaiting: the maximum number of look-ups that wait for a thread or use one.
        @param ttl: the TTL of answers in seconds.
        @param pool: for tests; L{None} to create one on first use.
        @param getAddresses: called in a thread; L{None} for L{addressesOf}.
        @param getNames: called in a thread; L{None} for L{namesOf}.
        """
        self._clock = reactor
        self._reactor = IReactorFromThreads(reactor)
        self._threads = int(RESOLVER_THREADS.pick(threads))
        self._mostWaiting = int(THREADED_WAITING.pick(mostWaiting))
        self._ttl = int(THREADED_TTL.pick(ttl))
        self._addressesOf = addressesOf if getAddresses is None else getAddresses
        self._namesOf = namesOf if getNames is None else getNames
        self._pool = pool
        self._started = self._closed = False
        self._calls: dict[tuple[bool, str], _Call] = {}
        self._waiting = 0
        self._closing: list[Deferred[None]] = []

    def ask(self, question: Question, context: QueryContext) -> Start | None:
        return None if _keyOf(question, context) is None else partial(self._start, question)

    def _start(self, question: Question, context: QueryContext) -> Deferred[Answer]:
        if self._closed:
            return fail(Closed("the resolver was closed"))
        key = _keyOf(question, context)
        assert key is not None
        left = context.deadline - self._clock.seconds()
        if left <= 0:
            return fail(TimedOut("there was no time left to ask the system"))
        if self._waiting >= self._mostWaiting:
            return fail(BudgetSpent(f"{self._mostWaiting} look-ups wait for the system's resolver already"))
        call = self._calls.get(key)
        if call is None:
            call = self._calls[key] = _Call(key)
            self._begin(call)
        if context.trace is not None:
            context.trace.note(self._clock.seconds(), "threaded", "asked", of=key[1], waiting=self._waiting)
        result: Deferred[Answer] = Deferred(lambda _: self._leave(waiter))
        waiter = _Waiter(call, question, result)
        waiter.timer = self._clock.callLater(left, self._late, waiter)
        call.waiters.append(waiter)
        self._waiting += 1
        return result

    def _late(self, waiter: _Waiter) -> None:
        waiter.timer = None
        self._leave(waiter)
        waiter.result.errback(
            TimedOut("the system's resolver did not answer in time", server="getaddrinfo", attempts=1)
        )

    def _leave(self, waiter: _Waiter) -> None:
        waiter.call.waiters.remove(waiter)
        self._waiting -= 1
        if waiter.timer is not None:
            waiter.timer.cancel()
            waiter.timer = None

    # -- threads

    def _begin(self, call: _Call) -> None:
        if self._pool is None:
            from twisted.python.threadpool import ThreadPool

            self._pool = ThreadPool(0, self._threads, "twisted_ext.resolver")
            self._pool.threadFactory = _Thread
        if not self._started:
            self._started = True
            self._pool.start()
        self._pool.callInThread(lambda: self._work(call))

    def _work(self, call: _Call) -> None:
        # This runs in a thread.
        outcome: _Outcome = None
        if call.waiters:
            reverse, text = call.key
            try:
                outcome = self._namesOf(text) if reverse else self._addressesOf(text)
            except Exception as error:
                outcome = error
        self._reactor.callFromThread(self._done, call, outcome)

    def _done(self, call: _Call, outcome: _Outcome) -> None:
        if outcome is None and call.waiters and not self._closed:
            # A waiter has joined after the thread found none.
            self._begin(call)
            return
        del self._calls[call.key]
        # A waiter's callbacks may make another waiter leave.
        while call.waiters:
            waiter = call.waiters[0]
            self._leave(waiter)
            try:
                answer = self._answerFrom(waiter.question, call, outcome)
            except Exception as error:
                waiter.result.errback(error)
            else:
                waiter.result.callback(answer)

    def _answerFrom(self, question: Question, call: _Call, outcome: _Outcome) -> Answer:
        origin = Origin("threaded", "getaddrinfo", attempts=1)
        if isinstance(outcome, OSError):
            denial = _denialIn(outcome)
            if denial is None:
                why = outcome.strerror or str(outcome)
                raise ServerFailed(
                    f"the system could not look up {call.key[1]}: {why}", server="getaddrinfo", attempts=1
                )
            return Answer(denial, rcode=Rcode.NXDOMAIN if denial is Outcome.NXDOMAIN else 0, origin=origin)
        if isinstance(outcome, Exception):
            raise outcome
        rdatas = tuple(dict.fromkeys(outcome or ()))
        answerWith = known if question.rrType == PTR else knownAddresses
        return answerWith(question, rdatas, self._ttl, origin)

    def close(self) -> Deferred[None]:
        self._closed = True
        for call in self._calls.values():
            while call.waiters:
                waiter = call.waiters[0]
                self._leave(waiter)
                waiter.result.errback(Closed("the resolver was closed"))
        if not self._started or self._pool is None:
            return succeed(None)
        if not self._calls:
            # No thread is busy, so all of them end at once.
            self._started = False
            self._pool.stop()
            return succeed(None)
        done: Deferred[None] = Deferred()
        self._closing.append(done)
        if len(self._closing) == 1:
            # Running calls end when the system's resolver returns. The reactor does not wait for that.
            threading.Thread(
                target=self._stop, args=(self._pool,), name="twisted_ext.resolver.stop", daemon=True
            ).start()
        return done

    def _stop(self, pool: ThreadPool) -> None:
        pool.stop()
        self._reactor.callFromThread(self._stopped)

    def _stopped(self) -> None:
        self._started = False
        closing, self._closing = self._closing, []
        for done in closing:
            done.callback(None)


#: The result of a call: rdata, or the error, or L{None} if no waiter was left and the call was not made.
_Outcome = list[bytes] | Exception | None


@dataclass(slots=True, eq=False)
class _Call:
    key: tuple[bool, str]
    waiters: list[_Waiter] = field(default_factory=list)


@dataclass(slots=True, eq=False)
class _Waiter:
    call: _Call
    question: Question
    result: Deferred[Answer]
    timer: IDelayedCall | None = None


def _keyOf(question: Question, context: QueryContext) -> tuple[bool, str] | None:
    """
    Return whether it is a reverse look-up, and the text to pass to the system's resolver; L{None} if it does not support the question.
    """
    if question.rrClass != IN:
        return None
    if question.rrType == PTR:
        packed = addressFromReverse(question.key[:-4])
        if packed is None:
            return None
        return True, socket.inet_ntop(socket.AF_INET if len(packed) == 4 else socket.AF_INET6, packed)
    if question.rrType not in (A, AAAA):
        return None
    # The final dot keeps the system from using its search list.
    text = nameToText(question.key[:-4], final=not context.relative)
    return None if text == "." or "\\" in text else (False, text)


def _denialIn(error: OSError) -> Outcome | None:
    """
    Return the denial that this error represents, or L{None} if it does not mean that name or data are missing.
    """
    if isinstance(error, socket.herror):
        return {_HOST_NOT_FOUND: Outcome.NXDOMAIN, _NO_DATA: Outcome.NODATA}.get(error.errno or 0)
    if isinstance(error, socket.gaierror):
        if error.errno in _NO_ADDRESSES:
            return Outcome.NODATA
        if error.errno == socket.EAI_NONAME:
            return Outcome.NXDOMAIN
    return None


def addressesOf(name: str) -> list[bytes]:
    """
    Look up a name's addresses with the system's resolver. Blocks.

    @return: the packed addresses. Those with a scope are left out: a record cannot contain the interface.

    @raise OSError: there are none.
    """
    found: list[bytes] = []
    for family, _, _, _, address in socket.getaddrinfo(name.encode("ascii"), None, type=socket.SOCK_STREAM):
        text = str(address[0])
        if family in (socket.AF_INET, socket.AF_INET6) and "%" not in text:
            found.append(socket.inet_pton(family, text))
    return found


def namesOf(address: str) -> list[bytes]:
    """
    Look up the name of an address with the system's resolver. Blocks.

    @raise OSError: there is none.
    """
    return [nameFromText(socket.gethostbyaddr(address)[0])]


class _Thread(threading.Thread):
    """
    A thread that does not keep the process from exiting while it hangs in the system.
    """

    def start(self) -> None:
        self.daemon = True
        super().start()
