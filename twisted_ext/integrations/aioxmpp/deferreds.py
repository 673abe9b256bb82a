"""
The functions of C{aioxmpp.network}, returning Deferreds: look-ups that vary the query on each retry, and discovery of XMPP servers with
them. L{twisted_ext.integrations.aioxmpp.asyncio} has them as asyncio coroutines, under aioxmpp's own names::

    from twisted_ext.integrations import aioxmpp

    records = await aioxmpp.findXmppHostAddr(reactor, "example.org")
    for host, port in aioxmpp.groupAndOrderSrvRecords(records):
        ...

A C{resolver} is a resolver of this package, a description such as C{"udp:192.0.2.1"}, or a blocking resolver such as dnspython's. Only a
blocking resolver is called in a thread.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Executor, Future
from typing import cast

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorThreads
from twisted.internet.threads import deferToThreadPool
from twisted.python.threadpool import ThreadPool

from twisted_ext.integrations.aioxmpp import retries
from twisted_ext.integrations.aioxmpp.perthread import currentReactor, getResolver, reconfigureResolver, setResolver
from twisted_ext.integrations.aioxmpp.retries import InThread, ServerRecord, ValidationError
from twisted_ext.integrations.aioxmpp.retries import inOrder as groupAndOrderSrvRecords
from twisted_ext.integrations.dnspython import RecordSet
from twisted_ext.wire import rrtypes

__all__ = [
    "ValidationError",
    "findXmppHostAddr",
    "getResolver",
    "groupAndOrderSrvRecords",
    "lookupSrv",
    "lookupTlsa",
    "reconfigureResolver",
    "repeatedQuery",
    "setResolver",
]


def _threadsOf(executor: Executor | ThreadPool | None) -> InThread:
    def call(function: Callable[[], RecordSet]) -> Deferred[RecordSet]:
        reactor = cast(IReactorThreads, currentReactor())
        if not isinstance(executor, Executor):
            return deferToThreadPool(reactor, executor or reactor.getThreadPool(), function)
        called: Deferred[RecordSet] = Deferred()

        def fire(done: Future[RecordSet]) -> None:
            try:
                result = done.result()
            except BaseException as raised:
                called.errback(raised)
            else:
                called.callback(result)

        executor.submit(function).add_done_callback(lambda done: reactor.callFromThread(fire, done))
        return called

    return call


def repeatedQuery(
    qname: bytes,
    rdtype: object,
    nattempts: int | None = None,
    resolver: object = None,
    requireAd: bool = False,
    executor: Executor | ThreadPool | None = None,
) -> Deferred[RecordSet | None]:
    """
    Look records up, again where that fails: first with the system's configuration read anew, where it is the thread's own resolver that
    failed, then by TCP. Each attempt may take as long as the resolver gives a look-up.

    @param qname: the whole name; no search list is tried.
    @param rdtype: a number or a mnemonic.
    @param nattempts: how often at most; L{None} for 3 times with the thread's own resolver, twice with any other.
    @param resolver: L{None} for that of this thread.
    @param requireAd: take only what was validated. That it is to be is said in every query.
    @param executor: for a resolver that blocks; L{None} for the reactor's threads.

    @return: fires with the records, to go through, or with L{None} where there is no such name or no such record. It fails with
        L{ValueError} where C{nattempts} is less than 1 or C{requireAd} is not met, with L{ValidationError}, with L{TimeoutError} if no
        server answered, and with L{NoNameservers<twisted_ext.integrations.dnspython.NoNameservers>} where the servers fail even if they
        need not validate. Where dnspython is installed, that is its C{dns.resolver.NoNameservers} too.
    """
    return Deferred.fromCoroutine(
        retries.repeatedQuery(qname, rdtype, nattempts, resolver, requireAd, _threadsOf(executor))
    )


def lookupSrv(
    domain: bytes,
    service: str,
    transport: str = "tcp",
    *,
    nattempts: int | None = None,
    resolver: object = None,
    requireAd: bool = False,
    executor: Executor | ThreadPool | None = None,
) -> Deferred[list[ServerRecord] | None]:
    """
    Find the servers of a service by its SRV records (RFC 2782). The last four parameters are those of L{repeatedQuery}, and this fails as
    that does.

    @param service: C{"xmpp-client"}, without an underscore.

    @return: fires with priority, weight and C{(host, port)} of each, as the server gave them, hosts without a final dot; with L{None} where
        there are none. It fails with L{ValueError} where one of them has the root as its target: there is no such service.
    """

    async def look() -> list[ServerRecord] | None:
        owner = retries.serviceName(domain, service, transport)
        found = await repeatedQuery(owner, rrtypes.SRV, nattempts, resolver, requireAd, executor)
        return retries.serversIn(found, owner)

    return Deferred.fromCoroutine(look())


def lookupTlsa(
    hostname: bytes,
    port: int | str,
    transport: str = "tcp",
    requireAd: bool = True,
    *,
    nattempts: int | None = None,
    resolver: object = None,
    executor: Executor | ThreadPool | None = None,
) -> Deferred[list[tuple[int, int, int, bytes]] | None]:
    """
    Find out which certificates to expect of a server, by its TLSA records (RFC 6698). The last three parameters are those of
    L{repeatedQuery}, and this fails as that does.

    @param requireAd: without it, records are worth nothing.

    @return: fires with usage, selector, matching type and certificate of each; with L{None} where there are none. It fails with
        L{ValueError} where there is no such port.
    """

    async def look() -> list[tuple[int, int, int, bytes]] | None:
        owner = retries.certificateName(hostname, port, transport)
        found = await repeatedQuery(owner, rrtypes.TLSA, nattempts, resolver, requireAd, executor)
        return retries.certificatesIn(found)

    return Deferred.fromCoroutine(look())


def findXmppHostAddr(reactor: object, domain: str, attempts: int = 3) -> Deferred[list[ServerRecord]]:
    """
    Find the servers that clients of an XMPP domain connect to (RFC 6120, section 3.2).

    @param reactor: of no effect: it is that of this thread.
    @param domain: as people write it, other scripts included.

    @return: fires as that of L{lookupSrv} does; where there are no records, with the domain itself and port 5222. It fails with
        L{ValueError} where the domain has no such service, or is no name.
    """

    async def look() -> list[ServerRecord]:
        host = retries.hostOf(domain)
        found = await lookupSrv(host, retries.CLIENT_SERVICE, nattempts=attempts)
        return [(0, 0, (host, retries.CLIENT_PORT))] if found is None else found

    return Deferred.fromCoroutine(look())
