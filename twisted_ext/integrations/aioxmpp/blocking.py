"""
Wraps a resolver of this package for code that calls a blocking dnspython resolver in a thread.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from concurrent.futures import Future
from concurrent.futures import TimeoutError as NotInTime
from typing import TYPE_CHECKING, Final, cast

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorFromThreads
from twisted.python.failure import Failure
from twisted.python.threadable import isInIOThread

from twisted_ext.compat.conversion.errors import LookupFailed, errorFromFault
from twisted_ext.compat.conversion.timeouts import secondsAndWaits
from twisted_ext.errors import CallerFault
from twisted_ext.integrations.aioxmpp.perthread import resolverHere
from twisted_ext.integrations.dnspython import NoAnswer, RecordSet, Timeout, asTheirs, lookUp
from twisted_ext.limits import LOOKUP_SECONDS, LOOP_PATIENCE
from twisted_ext.wire.codes import IN, RD

if TYPE_CHECKING:
    from twisted_ext.interfaces import IAnswerSource

__all__ = ["BlockingResolver"]

_PATIENCE: Final = LOOP_PATIENCE.default

_isInIOThread: Final = cast("Callable[[], bool]", isInIOThread)


class BlockingResolver:
    """
    What dnspython's C{Resolver} is to those who set its flags and call its C{query}, as aioxmpp does in threads of its executor. The work
    is done in the thread of the loop or reactor, which has to run meanwhile.

    Answers are L{RecordSet<twisted_ext.integrations.dnspython.RecordSet>}s. Exceptions are C{NXDOMAIN}, C{NoAnswer}, C{NoNameservers} and
    C{Timeout} of L{twisted_ext.integrations.dnspython}, and, where that is installed, of dnspython's classes of these names as well.

    @ivar resolver: what is asked.
    @ivar flags: of queries; AD and CD count.
    @ivar lifetime: seconds for each look-up.
    """

    def __init__(self, resolver: object = None) -> None:
        """
        Make this in the thread of the loop or reactor.

        @param resolver: one of ours, a description, L{None} for what the machine is configured to use.

        @raise CallerFault: this is no resolver, or works on a reactor that no other thread can reach.
        """
        self.resolver = resolverHere(resolver)
        reactor = self.resolver._reactor
        if not IReactorFromThreads.providedBy(reactor):
            raise CallerFault(f"resolver: {reactor!r}, which it works on, cannot be called from other threads")
        self._reactor = cast(IReactorFromThreads, reactor)
        self.flags = RD
        self.lifetime: float = LOOKUP_SECONDS.default

    @property
    def nameservers(self) -> list[str]:
        """
        The addresses of the servers that are asked by plain DNS.
        """
        from twisted_ext.resolver.forward.forwarder import ForwardingSource

        found: list[str] = []
        left: list[IAnswerSource] = [self.resolver.source]
        while left:
            source = left.pop(0)
            if isinstance(source, ForwardingSource):
                found += [upstream.server.address for upstream in source.upstreams]
            left += source.sources()
        return list(dict.fromkeys(found))

    def set_flags(self, flags: int) -> None:
        """
        @param flags: of all queries from now on, in all threads.
        """
        self.flags = int(flags)

    def query(
        self,
        qname: object,
        rdtype: object = "A",
        rdclass: object = IN,
        tcp: bool = False,
        source: str | None = None,
        raise_on_no_answer: bool = True,
        source_port: int = 0,
        lifetime: float | None = None,
    ) -> RecordSet:
        """
        Ask, and wait for the answer.

        @param qname: the whole name; no search list is tried.
        @param tcp: by TCP at once.
        @param source: of no effect, as is C{source_port}.
        @param raise_on_no_answer: whether nothing is an exception rather than a set of no records.
        @param lifetime: seconds; L{None} for those of this resolver.

        @raise LookupFailed: of a class of L{twisted_ext.integrations.dnspython}; where the caller is wrong, of
            L{twisted_ext.compat.conversion.errors}.
        @raise RuntimeError: this is the thread of the loop, which would wait for itself.
        """
        self._expectElsewhere()
        try:
            if rdclass not in (IN, "IN"):
                raise CallerFault(f"{rdclass!r}: only the class IN can be asked for")
            seconds, _ = secondsAndWaits(self.lifetime if lifetime is None else lifetime)
        except CallerFault as fault:
            raise errorFromFault(fault) from fault
        try:
            name = qname if isinstance(qname, str | bytes) else str(qname)
            found = self._wait(name, rdtype, tcp, seconds)
            if raise_on_no_answer and found.rrset is None:
                answer = found.response.answer
                raise NoAnswer(f"{found.qname}: there are no such records", answer=answer, rcode=0)
        except LookupFailed as raised:
            raise asTheirs(raised) from raised.__cause__
        return found

    #: As newer programs call it.
    resolve = query

    def _expectElsewhere(self) -> None:
        loop: object = getattr(self._reactor, "_asyncioEventloop", None)
        asyncio = sys.modules.get("asyncio")
        running = None if asyncio is None else asyncio._get_running_loop()
        if _isInIOThread() if loop is None else running is loop:
            raise RuntimeError("a query that blocks belongs into a thread: this one is the loop's, which would wait for itself")

    def _wait(self, name: str | bytes, rdtype: object, stream: bool, seconds: float) -> RecordSet:
        waiting: Future[RecordSet] = Future()
        flags = self.flags
        asked: list[Deferred[None]] = []

        def begin() -> None:
            def failed(failure: Failure) -> None:
                waiting.set_exception(failure.value)

            looking = Deferred.fromCoroutine(lookUp(self.resolver, name, rdtype, flags, stream, seconds))
            asked.append(looking.addCallbacks(waiting.set_result, failed))

        def end() -> None:
            for looking in asked:
                looking.cancel()

        self._reactor.callFromThread(begin)
        try:
            return waiting.result(seconds + _PATIENCE)
        except NotInTime:
            self._reactor.callFromThread(end)
            raise Timeout(f"{name!r}: the loop that is to ask does not run, or is too late") from None
