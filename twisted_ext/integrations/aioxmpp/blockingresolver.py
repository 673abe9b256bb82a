"""
Wrap a resolver of this package for code that calls a blocking dnspython resolver in a thread.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from concurrent.futures import Future
from concurrent.futures import TimeoutError as NotInTime
from typing import Final, cast

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorFromThreads
from twisted.python.threadable import isInIOThread

from twisted_ext.compat.conversion.errors import LookupFailed, errorFromFault
from twisted_ext.compat.conversion.timeouts import secondsAndWaits
from twisted_ext.errors import CallerFault
from twisted_ext.integrations.aioxmpp.perthread import resolverHere
from twisted_ext.integrations.dnspython import NoAnswer, RecordSet, Timeout, asTheirs, lookUp
from twisted_ext.limits import LOOKUP_SECONDS
from twisted_ext.resolver.ask import behind
from twisted_ext.wire.codes import IN, RD

__all__ = ["BlockingResolver"]


#: Seconds beyond the timeout after which a thread that waits for a loop's answer assumes that the loop does not run.
_PATIENCE: Final = 5.0

_isInIOThread: Final = cast("Callable[[], bool]", isInIOThread)


class BlockingResolver:
    """
    A replacement for dnspython's C{Resolver}, for code that sets its flags and calls C{query}, as aioxmpp does in threads of its executor.
    The look-ups run in the thread of the loop or reactor, which must be running.

    Answers are L{RecordSet<twisted_ext.integrations.dnspython.RecordSet>}s. Exceptions are C{NXDOMAIN}, C{NoAnswer}, C{NoNameservers} and
    C{Timeout} of L{twisted_ext.integrations.dnspython}; if dnspython is installed, they are also instances of its classes with these names.

    @ivar resolver: the wrapped resolver.
    @ivar flags: the header flags of queries; only AD and CD are used.
    @ivar lifetime: seconds for each look-up.
    """

    def __init__(self, resolver: object = None) -> None:
        """
        Must be called in the thread of the loop or reactor.

        @param resolver: a resolver of this package, a description, or L{None} for the system's configuration.

        @raise CallerFault: C{resolver} is not valid, or its reactor cannot be called from other threads.
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
        The addresses of the servers that are queried with plain DNS.
        """
        from twisted_ext.resolver.forward.forwarder import ForwardingSource

        forwarders = behind(self.resolver.source, ForwardingSource)
        return list(dict.fromkeys([upstream.server.address for each in forwarders for upstream in each.upstreams]))

    def set_flags(self, flags: int) -> None:
        """
        Set the header flags of all later queries, in all threads.
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
        Look up records, and block until the answer arrives.

        @param qname: an absolute name; no search list is applied.
        @param tcp: use TCP from the start.
        @param source: ignored, as is C{source_port}.
        @param raise_on_no_answer: whether to raise an exception rather than return an empty set.
        @param lifetime: seconds; L{None} for those of this resolver.

        @raise LookupFailed: one of the classes of L{twisted_ext.integrations.dnspython}; for invalid arguments, of
            L{twisted_ext.compat.conversion.errors}.
        @raise RuntimeError: called in the thread of the loop, which would deadlock.
        """
        self._expectElsewhere()
        try:
            if rdclass not in (IN, "IN"):
                raise CallerFault(f"{rdclass!r}: only class IN is supported")
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

    #: The name in dnspython 2.
    resolve = query

    def _expectElsewhere(self) -> None:
        loop: object = getattr(self._reactor, "_asyncioEventloop", None)
        asyncio = sys.modules.get("asyncio")
        running = None if asyncio is None else asyncio._get_running_loop()
        if _isInIOThread() if loop is None else running is loop:
            raise RuntimeError("a blocking query must be made in another thread than the event loop's, which would wait for itself")

    def _wait(self, name: str | bytes, rdtype: object, stream: bool, seconds: float) -> RecordSet:
        waiting: Future[RecordSet] = Future()
        flags = self.flags
        asked: list[Deferred[None]] = []

        def begin() -> None:
            looking = Deferred.fromCoroutine(lookUp(self.resolver, name, rdtype, flags, stream, seconds))
            asked.append(looking.addCallbacks(waiting.set_result, lambda failure: waiting.set_exception(failure.value)))

        def end() -> None:
            for looking in asked:
                looking.cancel()

        self._reactor.callFromThread(begin)
        try:
            return waiting.result(seconds + _PATIENCE)
        except NotInTime:
            self._reactor.callFromThread(end)
            raise Timeout(f"{name!r}: the event loop is not running, or did not answer in time") from None
