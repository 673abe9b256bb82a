"""
The functions of C{aioxmpp.network}, with the same names and parameters, for asyncio programs: they look up XMPP servers with a resolver of
this package on the loop itself, without threads::

    from twisted_ext.integrations.aioxmpp import asyncio as network

    records = await network.find_xmpp_host_addr(loop, "example.org")
    for host, port in network.group_and_order_srv_records(records):
        ...

A C{resolver} is a resolver of this package, a description such as C{"udp:192.0.2.1"}, or a blocking resolver such as dnspython's. Only a
blocking resolver is called in a thread, of C{executor}. To use a resolver of this package in aioxmpp itself, pass it a
L{BlockingResolver}.

L{twisted_ext.integrations.aioxmpp} has the same functions returning Deferreds.
"""

from __future__ import annotations

from asyncio import AbstractEventLoop, get_running_loop
from collections.abc import Iterable, Iterator
from concurrent.futures import Executor
from typing import TypeVar

from twisted.internet.defer import Deferred

from twisted_ext.asyncio import asFuture
from twisted_ext.discovery.weights import Drawing
from twisted_ext.integrations.aioxmpp import perthread, retries
from twisted_ext.integrations.aioxmpp.blocking import BlockingResolver
from twisted_ext.integrations.aioxmpp.retries import InThread, ServerRecord, ValidationError
from twisted_ext.integrations.dnspython import RecordSet
from twisted_ext.wire import rrtypes

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
    Look records up, again where that fails: first with the system's configuration read anew, where it is the thread's own resolver that
    failed, then by TCP. Each attempt may take as long as the resolver gives a look-up.

    @param qname: the whole name; no search list is tried.
    @param rdtype: a number or a mnemonic.
    @param nattempts: how often at most; L{None} for 3 times with the thread's own resolver, twice with any other.
    @param resolver: L{None} for that of this thread.
    @param require_ad: take only what was validated. That it is to be is said in every query.
    @param executor: for a resolver that blocks; L{None} for the loop's.

    @return: the records, to go through; L{None} where there is no such name or no such record.

    @raise ValueError: C{nattempts} is less than 1, or C{require_ad} is not met.
    @raise ValidationError: see there.
    @raise TimeoutError: no server answered.
    @raise twisted_ext.integrations.dnspython.NoNameservers: the servers fail even where they need not validate. Where dnspython is
        installed, this is its C{dns.resolver.NoNameservers} too.
    @raise LookupFailed: what was asked cannot be asked, or the resolver was closed.
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
    Find the servers of a service by its SRV records (RFC 2782). The last four parameters are those of L{repeated_query}, whose exceptions
    this raises as well.

    @param service: C{"xmpp-client"}, without an underscore.

    @return: priority, weight and C{(host, port)} of each, as the server gave them, hosts without a final dot; L{None} where there are none.

    @raise ValueError: one of them has the root as its target: there is no such service.
    """
    owner = retries.serviceName(domain, service, transport)
    found = await repeated_query(owner, rrtypes.SRV, nattempts, resolver, require_ad, executor)
    return retries.serversIn(found, owner)


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
    Find out which certificates to expect of a server, by its TLSA records (RFC 6698). The last three parameters are those of
    L{repeated_query}, whose exceptions this raises as well.

    @param require_ad: without it, records are worth nothing.

    @return: usage, selector, matching type and certificate of each; L{None} where there are none.

    @raise ValueError: the port is not a valid number. Service names are rejected: TLSA records are never published under them.
    """
    owner = retries.certificateName(hostname, port, transport)
    found = await repeated_query(owner, rrtypes.TLSA, nattempts, resolver, require_ad, executor)
    return retries.certificatesIn(found)


async def find_xmpp_host_addr(loop: AbstractEventLoop | None, domain: str, attempts: int = 3) -> list[ServerRecord]:
    """
    Find the servers that clients of an XMPP domain connect to (RFC 6120, section 3.2).

    @param loop: of no effect: it is the running one.
    @param domain: as people write it, other scripts included.

    @return: as from L{lookup_srv}; where there are no records, the domain itself with port 5222.

    @raise ValueError: the domain has no such service, or is no name.
    """
    host = retries.hostOf(domain)
    found = await lookup_srv(host, retries.CLIENT_SERVICE, nattempts=attempts)
    return [(0, 0, (host, retries.CLIENT_PORT))] if found is None else found


def group_and_order_srv_records(all_records: Iterable[tuple[int, int, _T]], rng: Drawing | None = None) -> Iterator[_T]:
    """
    Go through servers in the order to try them in: the lowest priority first, those of one priority as they are drawn by weight (RFC 2782).

    @param all_records: priorities, weights and what they belong to, as from L{lookup_srv}.
    @param rng: what is asked for C{randint(0, total)}; L{None} for the module L{random}.

    @return: what they belong to, such as C{(host, port)}.
    """
    yield from retries.inOrder(all_records, rng)
