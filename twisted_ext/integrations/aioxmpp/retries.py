"""
Retry look-ups with changed query parameters, and interpret the records, as aioxmpp does.

Shared by L{twisted_ext.integrations.aioxmpp.asyncio}, for asyncio, and L{twisted_ext.integrations.aioxmpp}, for Deferreds.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Iterator
from functools import partial
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
from twisted_ext.wire.codes import AD, CD, RD

__all__ = [
    "CLIENT_PORT",
    "CLIENT_SERVICE",
    "DnspythonResolver",
    "InThread",
    "ServerRecord",
    "ValidationError",
    "certificateName",
    "certificatesIn",
    "hostOf",
    "inOrder",
    "isBlocking",
    "repeatedQuery",
    "serversIn",
    "serviceName",
]

_T = TypeVar("_T")

#: A record of a server: its priority, its weight, and the host and port to connect to.
ServerRecord = tuple[int, int, tuple[bytes, int]]

#: The SRV service of XMPP clients, and the port of a domain without SRV records (RFC 6120, section 3.2).
CLIENT_SERVICE: Final = "xmpp-client"
CLIENT_PORT: Final = 5222

#: The header flags of the first query, and of those after a failure.
_FLAGS: Final = RD | AD
_UNCHECKED: Final = RD | AD | CD

#: Attempts with the thread's own resolver, and with any other. Each attempt changes something.
_OWN_ATTEMPTS: Final = 3
_ATTEMPTS: Final = 2


class ValidationError(Exception):
    """
    The servers fail only while they validate the answer: it is forged, or its signatures are invalid.
    """


class DnspythonResolver(Protocol):
    """
    A blocking resolver with dnspython's interface.
    """

    def set_flags(self, flags: int) -> None:
        """
        Set the header flags of later queries.
        """

    def query(self, qname: str, rdtype: object, *, tcp: bool) -> RecordSet:
        """
        Look up records, and block until the answer arrives.
        """


#: Calls a function in another thread.
InThread = Callable[[Callable[[], RecordSet]], "Deferred[RecordSet]"]


class _Asked(Protocol):
    """
    A resolver, asynchronous or blocking, behind one interface.
    """

    def ask(self, name: str, rdtype: object, flags: int, stream: bool) -> Deferred[RecordSet]:
        """
        Look up records; fail with an exception that L{meaningOf} classifies.
        """


class _Ours:
    def __init__(self, resolver: NamesResolver) -> None:
        self.resolver = resolver

    def ask(self, name: str, rdtype: object, flags: int, stream: bool) -> Deferred[RecordSet]:
        return Deferred.fromCoroutine(self._ask(name, rdtype, flags, stream))

    async def _ask(self, name: str, rdtype: object, flags: int, stream: bool) -> RecordSet:
        found = await lookUp(self.resolver, name, rdtype, flags, stream)
        if found.rrset is None:
            raise NoAnswer(f"{found.qname}: there are no such records")
        return found


class _Theirs:
    def __init__(self, resolver: DnspythonResolver, inThread: InThread) -> None:
        self._resolver = resolver
        self._inThread = inThread

    def ask(self, name: str, rdtype: object, flags: int, stream: bool) -> Deferred[RecordSet]:
        self._resolver.set_flags(flags)
        wishes = {"raise_on_no_answer": False} if flags & CD else {}
        return self._inThread(partial(self._resolver.query, name, rdtype, tcp=stream, **wishes))


def isBlocking(resolver: object) -> bool:
    """
    Return whether this is a blocking resolver with dnspython's interface.
    """
    ours = isinstance(resolver, NamesResolver) or IAnswerSource.providedBy(resolver)
    return not ours and all(callable(getattr(resolver, name, None)) for name in ("set_flags", "query"))


def _asked(resolver: object, inThread: InThread) -> _Asked:
    if isBlocking(resolver):
        return _Theirs(cast(DnspythonResolver, resolver), inThread)
    return _Ours(resolverHere(resolver))


def _ofThread(inThread: InThread) -> tuple[_Asked, NamesResolver | None]:
    """
    Return this thread's resolver, and, if it may be replaced, that resolver again.
    """
    own = ownResolver()
    if own is not None:
        return _Ours(own), own
    given = getResolver()
    return _Ours(described(given)) if isinstance(given, str) else _asked(given, inThread), None


async def repeatedQuery(
    qname: bytes, rdtype: object, nattempts: int | None, resolver: object, requireAD: bool, inThread: InThread
) -> RecordSet | None:
    """
    Look up records, and retry after failures: first after reading the system's configuration anew, if the thread's own resolver failed,
    then over TCP.

    @param qname: an absolute name; no search list is applied.
    @param nattempts: the maximum number of attempts; L{None} for 3 with the thread's own resolver, 2 with any other.
    @param resolver: L{None} for the resolver of this thread; a resolver of this package, a description, or a blocking resolver such as
        dnspython's.
    @param requireAD: accept only validated records. AD is set in every query, even without this.
    @param inThread: calls a blocking resolver.

    @return: the records, or L{None} if the name or the type does not exist.

    @raise ValueError: C{nattempts} is less than 1, or the records were not validated although C{requireAD} is set.
    @raise ValidationError: the servers answer only without validation.
    @raise TimeoutError: no server answered.
    @raise NoNameservers: the servers fail even without validation. If dnspython is installed, this is an instance of its class too.
    @raise LookupFailed: the question is not valid, or the resolver was closed.
    """
    if nattempts is not None and nattempts <= 0:
        raise ValueError(f"nattempts: {nattempts} is not a valid number of attempts; give at least 1")
    name = _octets("qname", qname).decode("ascii")
    own: NamesResolver | None = None
    made: NamesResolver | None = None
    try:
        if resolver is None:
            asked, own = _ofThread(inThread)
        else:
            asked = _asked(resolver, inThread)
            if isinstance(resolver, str) and isinstance(asked, _Ours) and not runsLoop():
                made = asked.resolver
    except DNSFault as fault:
        raise errorFromFault(fault) from fault
    attempts = nattempts or (_ATTEMPTS if own is None else _OWN_ATTEMPTS)
    try:
        stream = False
        for _ in range(attempts):
            try:
                found = await asked.ask(name, rdtype, _FLAGS, stream)
            except Exception as raised:
                meaning = meaningOf(raised)
                if meaning is FailureKind.NOTHING:
                    return None
                if meaning is FailureKind.OTHER:
                    raise
                if own is not None:
                    renewResolver(own)
                    asked, own = _ofThread(inThread)[0], None
                    continue
                if meaning is FailureKind.FAILED:
                    await _expectTimeout(asked, name, rdtype, stream, raised)
                stream = True
                continue
            if requireAD and not found.response.flags & AD:
                raise ValueError(f"{name}: the answer was not validated, or the server does not say so")
            return found
        raise TimeoutError(f"{name}: no answer after {attempts} attempts")
    finally:
        if made is not None:
            await made.close()


async def _expectTimeout(asked: _Asked, name: str, rdtype: object, stream: bool, failure: Exception) -> None:
    """
    Classify a failure of all servers by repeating the query without validation.

    @raise ValidationError: it succeeds.
    @raise NoNameservers: it fails as well.
    """
    try:
        await asked.ask(name, rdtype, _UNCHECKED, stream)
    except Exception as raised:
        meaning = meaningOf(raised)
        if meaning is FailureKind.TIMEOUT:
            return
        if meaning is not FailureKind.NOTHING:
            if isinstance(raised, LookupFailed):
                raise asTheirs(raised) from raised.__cause__
            raise
    raise ValidationError(f"{name}: servers answer only when they need not validate; {failure}") from failure


# -- records


def serviceName(domain: bytes, service: str, transport: str) -> bytes:
    """
    Return the owner of a service's SRV records (RFC 2782).
    """
    words = (_text("service", service, CLIENT_SERVICE), _text("transport", transport, "tcp"))
    return b".".join([*[b"_" + word.encode("ascii") for word in words], _octets("domain", domain)])


def hostOf(domain: str) -> bytes:
    """
    Encode a domain as A-labels.

    @raise ValueError: it is not a valid name.
    """
    text = _text("domain", domain, "example.org")
    try:
        host = text.encode("idna")
    except UnicodeError as error:
        raise UnicodeError(f"domain: {domain!r:.80} is not a valid name: {error.__cause__ or error}") from error
    if not host:
        raise ValueError("domain: it is empty; write 'example.org'")
    return host


def _octets(what: str, given: object) -> bytes:
    """
    @raise TypeError: it is not bytes.
    """
    if not isinstance(given, bytes):
        raise TypeError(f"{what}: {given!r:.80} is not in octets; write b'example.org', other scripts by .encode('idna')")
    return given


def _text(what: str, given: object, right: str) -> str:
    """
    @raise TypeError: it is not text.
    """
    if not isinstance(given, str):
        raise TypeError(f"{what}: {given!r:.80} is not text; write such as {right!r}")
    return given


def serversIn(found: Iterable[object] | None, owner: bytes) -> list[ServerRecord] | None:
    """
    Return priority, weight, host and port of each SRV record, or L{None} if there are none.

    @param owner: their owner.

    @raise ValueError: the target of a record is the root: the domain does not offer the service.
    """
    if found is None:
        return None
    servers: list[ServerRecord] = []
    for each in found:
        record = cast("_Server", each)
        host = str(record.target)
        if host == ".":
            raise ValueError(f"{owner.decode('ascii')}: the domain says that it has no such service")
        servers.append((record.priority, record.weight, (host.removesuffix(".").encode("ascii"), record.port)))
    return servers or None


def certificateName(hostname: bytes, port: int | str, transport: str) -> bytes:
    """
    Return the owner of a server's TLSA records (RFC 6698, section 3).

    @raise TypeError: the port is neither a number nor text.
    @raise ValueError: the port is not valid.
    """
    if isinstance(port, bool) or not isinstance(port, int | str):
        raise TypeError(f"port: {port!r:.80} is not a valid number; write such as 5222")
    text = port if isinstance(port, str) else str(int(port))
    if not (text.isascii() and text.isdigit() and len(text) <= 5 and 0 < int(text) < 0x10000):
        raise ValueError(f"port: {port!r:.80} is not a port from 1 to 65535; write such as 5222")
    return serviceName(hostname, str(int(text)), transport)


def certificatesIn(found: Iterable[object] | None) -> list[tuple[int, int, int, bytes]] | None:
    """
    Return usage, selector, matching type and certificate of each TLSA record, or L{None} if there are none.
    """
    if found is None:
        return None
    records = [cast("_Certificate", each) for each in found]
    return [(each.usage, each.selector, each.mtype, each.cert) for each in records] or None


def inOrder(allRecords: Iterable[tuple[int, int, _T]], rng: RandomSource | None = None) -> Iterator[_T]:
    """
    Yield servers in the order in which to try them: the lowest priority first, by weighted random choice within a priority (RFC 2782).

    @param allRecords: priority, weight and the item to yield, such as C{(host, port)}.
    @param rng: its C{randint(0, total)} is called; L{None} for the module L{random}.
    """
    yield from grouped(allRecords, rng or random)


class _Server(Protocol):
    """
    An SRV record of this package, Twisted or dnspython.
    """

    priority: int
    weight: int
    port: int
    target: object


class _Certificate(Protocol):
    """
    A TLSA record of this package or dnspython.
    """

    usage: int
    selector: int
    mtype: int
    cert: bytes
