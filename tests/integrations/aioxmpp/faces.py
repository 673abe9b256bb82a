"""
The two interfaces of aioxmpp's look-ups with the same methods, and resolvers with scripted answers.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import Executor, Future
from typing import Final, ParamSpec, Protocol, TypeVar, cast

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.python.failure import Failure

from twisted_ext.answers import Answer, Question
from twisted_ext.compat.names import NamesResolver
from twisted_ext.errors import ServerFailed, TimedOut
from twisted_ext.integrations import aioxmpp
from twisted_ext.integrations.aioxmpp import asyncio as coroutines
from twisted_ext.integrations.aioxmpp.retries import ServerRecord
from twisted_ext.integrations.dnspython import RecordSet
from twisted_ext.testing.sources import CannedSource, Entry, answerOf, questionOf
from twisted_ext.wire.codes import AD

__all__ = [
    "FAILED",
    "LATE",
    "AtOnce",
    "Coroutines",
    "Deferreds",
    "LookupInterface",
    "Scripted",
    "proved",
]

_P = ParamSpec("_P")
_T = TypeVar("_T")

#: A reply with SERVFAIL, and no reply.
FAILED: Final = ServerFailed("192.0.2.1 answered SERVFAIL", server="192.0.2.1:53", rcode=2)
LATE: Final = TimedOut("192.0.2.1 did not answer", server="192.0.2.1:53")


def proved(rdatas: str, rrType: str = "SRV") -> Answer:
    """
    Return an answer with the AD bit.
    """
    answer = answerOf(questionOf("a.example", rrType), rdatas)
    answer.flags = AD
    return answer


class Scripted(NamesResolver):
    """
    A resolver that gives its answers in order, to any question.

    @ivar asked: the transport of each query, C{"udp"} or C{"tcp"}, and C{"cd"} after it.
    @ivar canned: the source with the questions.
    """

    def __init__(self, *script: Entry) -> None:
        self._script: Iterator[Entry] = iter(script)
        self.canned = CannedSource({}, self._next)
        super().__init__(self.canned, Clock())

    def _next(self, question: Question) -> Answer:
        entry = next(self._script)
        if isinstance(entry, Exception):
            raise entry
        if isinstance(entry, Answer):
            # The answer may have been created for another name.
            for rrset in entry.answer:
                rrset.name = question.name
            return entry
        return answerOf(question, cast("str", entry))

    @property
    def asked(self) -> list[str]:
        """
        Return one or two words for each query.
        """
        return [
            ("tcp" if context.stream else "udp") + (" cd" if context.checkingDisabled else "")
            for context in self.canned.contexts
        ]


class AtOnce(Executor):
    """
    An executor without threads.

    @ivar calls: the number of calls.
    """

    def __init__(self) -> None:
        self.calls = 0

    def submit(self, fn: Callable[_P, _T], /, *args: _P.args, **kwargs: _P.kwargs) -> Future[_T]:
        """
        Call the function at once.
        """
        self.calls += 1
        done: Future[_T] = Future()
        try:
            done.set_result(fn(*args, **kwargs))
        except Exception as raised:
            done.set_exception(raised)
        return done


class LookupInterface(Protocol):
    """
    The look-ups, with their results at once.
    """

    def query(
        self,
        qname: bytes,
        rdtype: object,
        nattempts: int | None = None,
        resolver: object = None,
        requireAD: bool = False,
        executor: Executor | None = None,
    ) -> RecordSet | None:
        """
        Look up records.
        """

    def servers(
        self, domain: bytes, service: str, transport: str = "tcp", **wishes: object
    ) -> list[ServerRecord] | None:
        """
        Look up servers.
        """

    def certificates(
        self, hostname: bytes, port: int, transport: str = "tcp", requireAD: bool = True, **wishes: object
    ) -> list[tuple[int, int, int, bytes]] | None:
        """
        Look up TLSA records.
        """

    def addresses(self, domain: str, *attempts: int) -> list[ServerRecord]:
        """
        Look up the servers of an XMPP domain.
        """


class Deferreds:
    """
    The interface with Deferreds.
    """

    def _resultOf(self, deferred: Deferred[_T]) -> _T:
        results: list[_T | Failure] = []
        deferred.addBoth(results.append)
        (result,) = results
        if isinstance(result, Failure):
            result.raiseException()
        return result

    def query(
        self,
        qname: bytes,
        rdtype: object,
        nattempts: int | None = None,
        resolver: object = None,
        requireAD: bool = False,
        executor: Executor | None = None,
    ) -> RecordSet | None:
        return self._resultOf(aioxmpp.repeatedQuery(qname, rdtype, nattempts, resolver, requireAD, executor))

    def servers(
        self, domain: bytes, service: str, transport: str = "tcp", **wishes: object
    ) -> list[ServerRecord] | None:
        look = cast("Callable[..., Deferred[list[ServerRecord] | None]]", aioxmpp.lookupSrv)
        return self._resultOf(look(domain, service, transport, **wishes))

    def certificates(
        self, hostname: bytes, port: int, transport: str = "tcp", requireAD: bool = True, **wishes: object
    ) -> list[tuple[int, int, int, bytes]] | None:
        look = cast("Callable[..., Deferred[list[tuple[int, int, int, bytes]] | None]]", aioxmpp.lookupTlsa)
        return self._resultOf(look(hostname, port, transport, requireAD, **wishes))

    def addresses(self, domain: str, *attempts: int) -> list[ServerRecord]:
        return self._resultOf(aioxmpp.findXmppHostAddr(None, domain, *attempts))


class Coroutines:
    """
    The interface with coroutines.
    """

    def _resultOf(self, make: Callable[[], Awaitable[_T]]) -> _T:
        async def main() -> _T:
            return await make()

        return asyncio.run(main())

    def query(
        self,
        qname: bytes,
        rdtype: object,
        nattempts: int | None = None,
        resolver: object = None,
        requireAD: bool = False,
        executor: Executor | None = None,
    ) -> RecordSet | None:
        return self._resultOf(
            lambda: coroutines.repeated_query(qname, rdtype, nattempts, resolver, requireAD, executor)
        )

    def servers(
        self, domain: bytes, service: str, transport: str = "tcp", **wishes: object
    ) -> list[ServerRecord] | None:
        look = cast("Callable[..., Awaitable[list[ServerRecord] | None]]", coroutines.lookup_srv)
        return self._resultOf(lambda: look(domain, service, transport, **wishes))

    def certificates(
        self, hostname: bytes, port: int, transport: str = "tcp", requireAD: bool = True, **wishes: object
    ) -> list[tuple[int, int, int, bytes]] | None:
        look = cast("Callable[..., Awaitable[list[tuple[int, int, int, bytes]] | None]]", coroutines.lookup_tlsa)
        return self._resultOf(lambda: look(hostname, port, transport, requireAD, **wishes))

    def addresses(self, domain: str, *attempts: int) -> list[ServerRecord]:
        return self._resultOf(lambda: coroutines.find_xmpp_host_addr(None, domain, *attempts))
