"""
The functions of C{aioxmpp.network}, returning Deferreds: look-ups that vary the query on each retry, and discovery of XMPP servers.
L{twisted_ext.integrations.aioxmpp.asyncio} has the same functions as asyncio coroutines, with aioxmpp's own names::

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

from twisted.internet.defer import Deferred, maybeDeferred
from twisted.internet.interfaces import IReactorThreads
from twisted.internet.threads import deferToThreadPool
from twisted.python.threadpool import ThreadPool

from twisted_ext.integrations.aioxmpp import retries
from twisted_ext.integrations.aioxmpp.perthread import currentReactor, getResolver, reconfigureResolver, setResolver
from twisted_ext.integrations.aioxmpp.retries import InThread, ServerRecord, ValidationError
from twisted_ext.integrations.aioxmpp.retries import inOrder as groupAndOrderSrvRecords
from twisted_ext.integrations.dnspython import RecordSet

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
            maybeDeferred(done.result).chainDeferred(called)

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
    Look up records, and retry after failures: first after reading the system's configuration again, if the thread's own resolver failed,
    then over TCP. Each attempt may take as long as the resolver's timeout.

    @param qname: an absolute name; no search list is applied.
    @param rdtype: a number or a mnemonic.
    @param nattempts: the maximum number of attempts; L{None} for 3 with the thread's own resolver, 2 with any other.
    @param resolver: L{None} for the resolver of this thread.
    @param requireAd: accept only validated records. AD is set in every query, even without this.
    @param executor: calls a blocking resolver; L{None} for the reactor's thread pool.

    @return: fires with the records, or with L{None} if the name or the type does not exist. It fails with L{ValueError} if C{nattempts} is
        less than 1 or the records were not validated although C{requireAd} is set, with L{ValidationError}, with L{TimeoutError} if no
        server answered, and with L{NoNameservers<twisted_ext.integrations.dnspython.NoNameservers>} if the servers fail even without
        validation. If dnspython is installed, the latter is an instance of C{dns.resolver.NoNameservers} too.
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
    Find the servers of a service by its SRV records (RFC 2782). The last four parameters and the failures are those of L{repeatedQuery}.

    @param service: C{"xmpp-client"}, without an underscore.

    @return: fires with priority, weight and C{(host, port)} of each record, in the order of the reply, hosts without a final dot; with
        L{None} if there are none. It fails with L{ValueError} if the target of a record is the root: the domain does not offer the service.
    """
    return Deferred.fromCoroutine(
        retries.lookupSrv(domain, service, transport, nattempts, resolver, requireAd, _threadsOf(executor))
    )


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
    Look up the TLSA records of a server (RFC 6698). The last three parameters and the failures are those of L{repeatedQuery}.

    @param requireAd: records that were not validated prove nothing.

    @return: fires with usage, selector, matching type and certificate of each record; with L{None} if there are none. It fails with
        L{ValueError} if the port is not valid.
    """
    return Deferred.fromCoroutine(
        retries.lookupTlsa(hostname, port, transport, nattempts, resolver, requireAd, _threadsOf(executor))
    )


def findXmppHostAddr(reactor: object, domain: str, attempts: int = 3) -> Deferred[list[ServerRecord]]:
    """
    Find the servers that clients of an XMPP domain connect to (RFC 6120, section 3.2).

    @param reactor: ignored: the reactor of this thread is used.
    @param domain: as text, which may be internationalized.

    @return: fires as L{lookupSrv} does; if there are no records, with the domain itself and port 5222. It fails with L{ValueError} if the
        domain does not offer the service, or is not a valid name.
    """
    return Deferred.fromCoroutine(retries.findXmppHostAddr(domain, attempts, _threadsOf(None)))
