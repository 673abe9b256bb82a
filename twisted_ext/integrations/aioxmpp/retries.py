"""
Retry look-ups with changed query parameters, and interpret the records, as aioxmpp does.

Shared by L{twisted_ext.integrations.aioxmpp.asyncio}, for asyncio, and L{twisted_ext.integrations.aioxmpp}, for Deferreds.
"""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable, Iterable, Iterator
from functools import partial
from operator import attrgetter
from typing import Final, Protocol, TypeVar, cast

from twisted.internet.defer import Deferred

from twisted_ext.compat.conversion.errors import LookupFailed, errorFromFault
from twisted_ext.compat.names import NamesResolver
from twisted_ext.discovery.weights import RandomSource, grouped
from twisted_ext.errors import DNSFault
from twisted_ext.integrations.aioxmpp.perthread import (
    described,
    getResolver,
    ownResolver,
    renewResolver,
    resolverHere,
    runsLoop,
)
from twisted_ext.integrations.dnspython import FailureKind, NoAnswer, RecordSet, asTheirs, lookUp, meaningOf
from twisted_ext.interfaces import IAnswerSource
from twisted_ext.wire import rrtypes
from twisted_ext.wire.codes import AD, CD, RD

__all__ = [
    "DnspythonResolver",
    "InThread",
    "ServerRecord",
    "ValidationError",
    "certificateName",
    "findXmppHostAddr",
    "hostOf",
    "inOrder",
    "lookupSrv",
    "lookupTlsa",
    "repeatedQuery",
    "serviceName",
]

_T = TypeVar("_T")

#: A record of a server: its priority, its weight, and the host and port to connect to.
ServerRecord = tuple[int, int, tuple[bytes, int]]

#: The SRV service of XMPP clients, and the port of a domain without SRV records (RFC 6120, section 3.2).
_CLIENT_SERVICE: Final = "xmpp-client"
_CLIENT_PORT: Final = 5222

#: The header flags of the first query, and of those after a failure.
_FLAGS: Final = RD | AD
_UNCHECKED: Final = RD | AD | CD

#: Attempts with the thread's own resolver, and with any other. Each attempt changes something.
_OWN_ATTEMPTS: Final = 3
_ATTEMPTS: Final = 2

#: The fields of SRV and TLSA records, also of those of Twisted and dnspython.
_SERVER: Final = attrgetter("priority", "weight", "port", "target")
_CERTIFICATE: Final = attrgetter("usage", "selector", "mtype", "cert")


class ValidationError(Exception):
    """
    The servers fail only while they validate the answer: it is forged, or its signatures are invalid.
    """


class DnspythonResolver(Protocol):
    """
    A blocking resolver with dnspython's interface.
    """

    def set_flags(self, flags: int) -> None: ...

    def query(self, qname: str, rdtype: object, *, tcp: bool) -> RecordSet: ...


#: Calls a function in another thread.
InThread = Callable[[Callable[[], RecordSet]], "Deferred[RecordSet]"]

#: Looks up records, given name, type, header flags and whether to use TCP. Fails with an exception that L{meaningOf} classifies.
_Ask = Callable[[str, object, int, bool], Awaitable[RecordSet]]


async def _askOurs(resolver: NamesResolver, name: str, rdtype: object, flags: int, stream: bool) -> RecordSet:
    found = await lookUp(resolver, name, rdtype, flags, stream)
    if found.rrset is None:
        raise NoAnswer(f"{found.qname}: there are no such records")
    return found


def _askTheirs(
    resolver: DnspythonResolver, inThread: InThread, name: str, rdtype: object, flags: int, stream: bool
) -> Deferred[RecordSet]:
    resolver.set_flags(flags)
    wishes = {"raise_on_no_answer": False} if flags & CD else {}
    return inThread(partial(resolver.query, name, rdtype, tcp=stream, **wishes))


def _isBlocking(resolver: object) -> bool:
    ours = isinstance(resolver, NamesResolver) or IAnswerSource.providedBy(resolver)
    return not ours and all(callable(getattr(resolver, name, None)) for name in ("set_flags", "query"))


def _askerOf(resolver: object, inThread: InThread) -> _Ask:
    if _isBlocking(resolver):
        return partial(_askTheirs, cast(DnspythonResolver, resolver), inThread)
    return partial(_askOurs, resolverHere(resolver))


def _ofThread(inThread: InThread) -> tuple[_Ask, NamesResolver | None]:
    """
    Return how to ask this thread's resolver, and, if it may be replaced, that resolver.
    """
    own = ownResolver()
    if own is not None:
        return partial(_askOurs, own), own
    given = getResolver()
    return partial(_askOurs, described(given)) if isinstance(given, str) else _askerOf(given, inThread), None


async def repeatedQuery(
    qname: bytes, rdtype: object, nattempts: int | None, resolver: object, requireAD: bool, inThread: InThread
) -> RecordSet | None:
    """
    Look up records, and retry after failures, as L{twisted_ext.integrations.aioxmpp.asyncio.repeated_query} describes.
    """
    if nattempts is not None and nattempts <= 0:
        raise ValueError(f"nattempts: {nattempts} is not a valid number of attempts; give at least 1")
    name = _octets("qname", qname).decode("ascii")
    own: NamesResolver | None = None
    made: NamesResolver | None = None
    try:
        if resolver is None:
            ask, own = _ofThread(inThread)
        elif isinstance(resolver, str) and not runsLoop():
            made = resolverHere(resolver)
            ask = partial(_askOurs, made)
        else:
            ask = _askerOf(resolver, inThread)
    except DNSFault as fault:
        raise errorFromFault(fault) from fault
    attempts = nattempts or (_ATTEMPTS if own is None else _OWN_ATTEMPTS)
    try:
        stream = False
        for _ in range(attempts):
            try:
                found = await ask(name, rdtype, _FLAGS, stream)
            except Exception as raised:
                meaning = meaningOf(raised)
                if meaning is FailureKind.NOTHING:
                    return None
                if meaning is FailureKind.OTHER:
                    raise
                if own is not None:
                    renewResolver(own)
                    ask, own = _ofThread(inThread)[0], None
                    continue
                if meaning is FailureKind.FAILED:
                    await _expectTimeout(ask, name, rdtype, stream, raised)
                stream = True
                continue
            if requireAD and not found.response.flags & AD:
                raise ValueError(f"{name}: the answer was not validated, or the server does not say so")
            return found
        raise TimeoutError(f"{name}: no answer after {attempts} attempts")
    finally:
        if made is not None:
            await made.close()


async def _expectTimeout(ask: _Ask, name: str, rdtype: object, stream: bool, failure: Exception) -> None:
    """
    Classify a failure of all servers by repeating the query without validation.

    @raise ValidationError: it succeeds.
    @raise NoNameservers: it fails as well.
    """
    try:
        await ask(name, rdtype, _UNCHECKED, stream)
    except Exception as raised:
        meaning = meaningOf(raised)
        if meaning is FailureKind.TIMEOUT:
            return
        if meaning is not FailureKind.NOTHING:
            if isinstance(raised, LookupFailed):
                raise asTheirs(raised) from raised.__cause__
            raise
    raise ValidationError(f"{name}: servers answer only when they need not validate; {failure}") from failure


async def lookupSrv(
    domain: bytes, service: str, transport: str, nattempts: int | None, resolver: object, requireAD: bool, inThread: InThread
) -> list[ServerRecord] | None:
    owner = serviceName(domain, service, transport)
    found = await repeatedQuery(owner, rrtypes.SRV, nattempts, resolver, requireAD, inThread)
    if found is None:
        return None
    servers: list[ServerRecord] = []
    for each in found:
        priority, weight, port, target = _SERVER(each)
        host = str(target)
        if host == ".":
            raise ValueError(f"{owner.decode('ascii')}: the domain says that it has no such service")
        servers.append((priority, weight, (host.removesuffix(".").encode("ascii"), port)))
    return servers or None


async def lookupTlsa(
    hostname: bytes, port: int | str, transport: str, nattempts: int | None, resolver: object, requireAD: bool, inThread: InThread
) -> list[tuple[int, int, int, bytes]] | None:
    owner = certificateName(hostname, port, transport)
    found = await repeatedQuery(owner, rrtypes.TLSA, nattempts, resolver, requireAD, inThread)
    if found is None:
        return None
    return [_CERTIFICATE(each) for each in found] or None


async def findXmppHostAddr(domain: str, attempts: int, inThread: InThread) -> list[ServerRecord]:
    host = hostOf(domain)
    found = await lookupSrv(host, _CLIENT_SERVICE, "tcp", attempts, None, False, inThread)
    return [(0, 0, (host, _CLIENT_PORT))] if found is None else found


def serviceName(domain: bytes, service: str, transport: str) -> bytes:
    words = (_text("service", service, _CLIENT_SERVICE), _text("transport", transport, "tcp"))
    return b".".join([*[b"_" + word.encode("ascii") for word in words], _octets("domain", domain)])


def hostOf(domain: str) -> bytes:
    text = _text("domain", domain, "example.org")
    try:
        host = text.encode("idna")
    except UnicodeError as error:
        raise UnicodeError(f"domain: {domain!r:.80} is not a valid name: {error.__cause__ or error}") from error
    if not host:
        raise ValueError("domain: it is empty; write 'example.org'")
    return host


def _octets(what: str, given: object) -> bytes:
    if not isinstance(given, bytes):
        raise TypeError(f"{what}: {given!r:.80} is not in octets; write b'example.org', other scripts by .encode('idna')")
    return given


def _text(what: str, given: object, right: str) -> str:
    if not isinstance(given, str):
        raise TypeError(f"{what}: {given!r:.80} is not text; write such as {right!r}")
    return given


def certificateName(hostname: bytes, port: int | str, transport: str) -> bytes:
    if isinstance(port, bool) or not isinstance(port, int | str):
        raise TypeError(f"port: {port!r:.80} is not a valid number; write such as 5222")
    text = port if isinstance(port, str) else str(int(port))
    if not (text.isascii() and text.isdigit() and len(text) <= 5 and 0 < int(text) < 0x10000):
        raise ValueError(f"port: {port!r:.80} is not a port from 1 to 65535; write such as 5222")
    return serviceName(hostname, str(int(text)), transport)


def inOrder(allRecords: Iterable[tuple[int, int, _T]], rng: RandomSource | None = None) -> Iterator[_T]:
    """
    Yield servers in the order in which to try them: the lowest priority first, by weighted random choice within a priority (RFC 2782).

    @param allRecords: priority, weight and the item to yield, such as C{(host, port)}.
    @param rng: its C{randint(0, total)} is called; L{None} for the module L{random}.
    """
    yield from grouped(allRecords, rng or random)
