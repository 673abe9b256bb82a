"""
The functions of C{aioxmpp.network}, with the same names and parameters, for asyncio programs. They look up XMPP servers with a resolver of
this package on the loop itself, without threads::

    from twisted_ext.integrations.aioxmpp import asyncio as network

    records = await network.find_xmpp_host_addr(loop, "example.org")
    for host, port in network.group_and_order_srv_records(records):
        ...

A C{resolver} is a resolver of this package, a description such as C{"udp:192.0.2.1"}, or a blocking resolver such as dnspython's. Only a
blocking resolver is called in a thread of C{executor}. To use a resolver of this package in aioxmpp itself, pass it a L{BlockingResolver}.

L{twisted_ext.integrations.aioxmpp} has the same functions returning Deferreds.
"""

from __future__ import annotations

from asyncio import AbstractEventLoop, get_running_loop
from collections.abc import Iterable, Iterator
from concurrent.futures import Executor
from typing import TypeVar

from twisted.internet.defer import Deferred

from twisted_ext.asyncio import asFuture
from twisted_ext.discovery.weights import RandomSource
from twisted_ext.integrations.aioxmpp import perthread, retries
from twisted_ext.integrations.aioxmpp.blockingresolver import BlockingResolver
from twisted_ext.integrations.aioxmpp.retries import InThread, ServerRecord, ValidationError
from twisted_ext.integrations.dnspython import RecordSet

__all__ = [
    "BlockingResolver",
    "ValidationError",
    "find_xmpp_host_addr",
    "get_resolver",
    "group_and_order_srv_records",
    "lookup_srv",
    "lookup_tlsa",
    "reconfigure_resolver",
    "repeated_query",
    "set_resolver",
]

_T = TypeVar("_T")

get_resolver = perthread.getResolver
reconfigure_resolver = perthread.reconfigureResolver
set_resolver = perthread.setResolver


def _threadsOf(executor: Executor | None) -> InThread:
    loop = get_running_loop()
    return lambda call: Deferred.fromFuture(loop.run_in_executor(executor, call))


async def repeated_query(
    qname: bytes,
    rdtype: object,
    nattempts: int | None = None,
    resolver: object = None,
    require_ad: bool = False,
    executor: Executor | None = None,
) -> RecordSet | None:
    """
    Look up records, and retry after failures: first after reading the system's configuration again, if the thread's own resolver failed,
    then over TCP. Each attempt may take as long as the resolver's timeout.

    @param qname: an absolute name; no search list is applied.
    @param rdtype: a number or a mnemonic.
    @param nattempts: the maximum number of attempts; L{None} for 3 with the thread's own resolver, 2 with any other.
    @param resolver: L{None} for the resolver of this thread.
    @param require_ad: accept only validated records. AD is set in every query, even without this.
    @param executor: calls a blocking resolver; L{None} for the loop's executor.

    @return: the records; L{None} if the name or the type does not exist.

    @raise ValueError: C{nattempts} is less than 1, or the records were not validated although C{require_ad} is set.
    @raise ValidationError: the servers answer only without validation.
    @raise TimeoutError: no server answered.
    @raise twisted_ext.integrations.dnspython.NoNameservers: the servers fail even without validation. If dnspython is installed, this is an
        instance of C{dns.resolver.NoNameservers} too.
    @raise LookupFailed: the question is not valid, or the resolver was closed.
    """
    work = retries.repeatedQuery(qname, rdtype, nattempts, resolver, require_ad, _threadsOf(executor))
    return await asFuture(Deferred.fromCoroutine(work))


async def lookup_srv(
    domain: bytes,
    service: str,
    transport: str = "tcp",
    *,
    nattempts: int | None = None,
    resolver: object = None,
    require_ad: bool = False,
    executor: Executor | None = None,
) -> list[ServerRecord] | None:
    """
    Find the servers of a service by its SRV records (RFC 2782). The last four parameters and the exceptions are those of L{repeated_query}.

    @param service: C{"xmpp-client"}, without an underscore.

    @return: priority, weight and C{(host, port)} of each record, in the order of the reply, hosts without a final dot; L{None} if there are
        none.

    @raise ValueError: the target of a record is the root: the domain does not offer the service.
    """
    work = retries.lookupSrv(domain, service, transport, nattempts, resolver, require_ad, _threadsOf(executor))
    return await asFuture(Deferred.fromCoroutine(work))


async def lookup_tlsa(
    hostname: bytes,
    port: int | str,
    transport: str = "tcp",
    require_ad: bool = True,
    *,
    nattempts: int | None = None,
    resolver: object = None,
    executor: Executor | None = None,
) -> list[tuple[int, int, int, bytes]] | None:
    """
    Look up the TLSA records of a server (RFC 6698). The last three parameters and the exceptions are those of L{repeated_query}.

    @param require_ad: records that were not validated prove nothing.

    @return: usage, selector, matching type and certificate of each record; L{None} if there are none.

    @raise ValueError: the port is not a valid number. Service names are rejected: TLSA records are never published under them.
    """
    work = retries.lookupTlsa(hostname, port, transport, nattempts, resolver, require_ad, _threadsOf(executor))
    return await asFuture(Deferred.fromCoroutine(work))


async def find_xmpp_host_addr(loop: AbstractEventLoop | None, domain: str, attempts: int = 3) -> list[ServerRecord]:
    """
    Find the servers that clients of an XMPP domain connect to (RFC 6120, section 3.2).

    @param loop: ignored: the running loop is used.
    @param domain: as text, which may be internationalized.

    @return: as from L{lookup_srv}; if there are no records, the domain itself with port 5222.

    @raise ValueError: the domain does not offer the service, or is not a valid name.
    """
    work = retries.findXmppHostAddr(domain, attempts, _threadsOf(None))
    return await asFuture(Deferred.fromCoroutine(work))


def group_and_order_srv_records(all_records: Iterable[tuple[int, int, _T]], rng: RandomSource | None = None) -> Iterator[_T]:
    """
    Yield servers in the order in which to try them: the lowest priority first, by weighted random choice within a priority (RFC 2782).

    @param all_records: priority, weight and the item to yield, such as C{(host, port)}; as from L{lookup_srv}.
    @param rng: its C{randint(0, total)} is called; L{None} for the module L{random}.
    """
    yield from retries.inOrder(all_records, rng)
