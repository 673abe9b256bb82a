"""
Create resolvers as L{twisted.names.client} does: from servers, from a C{resolv.conf}, or from the system's own resolver in threads.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from operator import index
from typing import TYPE_CHECKING, ClassVar, Final, TypeAlias, cast

from twisted.internet.defer import Deferred, fail, maybeDeferred
from twisted.internet.interfaces import IReactorTime
from twisted.names import dns
from twisted.python.failure import Failure

from twisted_ext.answers import Answer, Outcome, QueryContext, Question
from twisted_ext.compat.clocks import withClock
from twisted_ext.compat.conversion.errors import LookupFailed, argumentError, errorFor, errorFromFault
from twisted_ext.compat.conversion.names import nameOf, queryOf, wireFromName
from twisted_ext.compat.conversion.results import Result
from twisted_ext.compat.conversion.timeouts import Timeout
from twisted_ext.compat.install import globalReactor
from twisted_ext.compat.names import NamesResolver, queryFrom
from twisted_ext.errors import BadDescription, BadName, CallerFault, DNSFault, ServerFailed
from twisted_ext.resolver.ask import lookUp
from twisted_ext.wire.codes import IN, rcodeName
from twisted_ext.wire.names import ROOT, nameFromText

if TYPE_CHECKING:
    from twisted_ext.compat.conversion.messages import Message
    from twisted_ext.interfaces import IAnswerSource
    from twisted_ext.transport.servers import Server

__all__ = ["Resolver", "ThreadedResolver", "serversFrom", "sourceFor"]

#: Answer, authority and additional records.
Reply: TypeAlias = tuple[list[dns.RRHeader], list[dns.RRHeader], list[dns.RRHeader]]

_failure: Final[Callable[[Exception], Failure]] = Failure

#: The empty answer of an error reply.
_NOTHING: Final = Answer(Outcome.NODATA)

#: Methods that every look-up calls if a subclass overrides one of them.
_STEPS: Final = ("queryUDP", "queryTCP", "filterAnswers")

#: The default port of servers, as in Twisted.
_PORT: Final = 53


def serversFrom(servers: Iterable[tuple[str, int]]) -> list[Server]:
    """
    @param servers: addresses and ports.

    @raise BadDescription: the list is empty, or an element is not an address and a port.
    """
    from twisted_ext.transport.servers import Server

    given: object = servers
    if isinstance(given, str | bytes) or not isinstance(given, Iterable):
        raise BadDescription(f"servers: {servers!r} is not a list of addresses and ports, such as [('192.0.2.1', 53)]")
    found: list[Server] = []
    for each in servers:
        try:
            address, port = each
            found.append(Server(address, index(port)))
        except (TypeError, ValueError) as error:
            if isinstance(error, BadDescription):
                raise
            raise BadDescription(f"servers: {each!r} is not an address and a port, such as ('192.0.2.1', 53)") from None
    if not found:
        raise BadDescription("servers: the list is empty; name one at least, or leave it out for those of resolv.conf")
    return found


def _path(path: str | bytes | None) -> str | None:
    return None if path is None else os.fsdecode(path)


def sourceFor(
    reactor: IReactorTime,
    servers: Sequence[tuple[str, int]] | None = None,
    resolvConf: str | bytes | None = None,
    hosts: str | bytes | None = None,
) -> IAnswerSource:
    """
    Build a source: the hosts file, special-use names, then a cache in front of these servers or of those in C{resolv.conf}.

    @raise BadDescription: a server is not an address.
    """
    if servers is None:
        from twisted_ext.resolver.system.configured import System

        return System(reactor, _path(resolvConf), _path(hosts))
    from twisted_ext.resolver.caching.cached import CachedSource
    from twisted_ext.resolver.combine.chain import ChainSource
    from twisted_ext.resolver.forward.forwarder import ForwardingSource
    from twisted_ext.resolver.local.hosts import Hosts
    from twisted_ext.resolver.local.specialnames import Special

    forwarding = ForwardingSource(reactor, serversFrom(servers))
    return ChainSource([Hosts(reactor, _path(hosts)), Special(), CachedSource(forwarding, reactor)])


class Resolver(NamesResolver):
    """
    A resolver without hosts file and cache that queries given servers, or those of a C{resolv.conf}.

    Applications subclass it, as they do Twisted's. C{query}, and with it servers, call overridden look-up methods; all other look-ups go
    through an overridden C{_lookup}, C{queryUDP}, C{queryTCP} or C{filterAnswers}.

    @ivar resolv: the path of C{resolv.conf}, or L{None}.
    """

    #: Overridden look-up methods, by type.
    _ownLookups: ClassVar[Mapping[int, str]] = {}

    #: Whether one of C{_STEPS} is overridden, and whether every look-up has to call C{_lookup}.
    _ownSteps: ClassVar[bool] = False
    _ownWay: ClassVar[bool] = False

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()

        def isOwn(name: str) -> bool:
            return getattr(cls, name) is not getattr(Resolver, name)

        lookups = [name for name in dir(Resolver) if name.startswith("lookup") and name != "lookup" and isOwn(name)]
        cls._ownLookups = {vars(getattr(Resolver, name)).get("rrType", dns.AXFR): name for name in lookups}
        cls._ownSteps = any(isOwn(name) for name in _STEPS)
        cls._ownWay = cls._ownSteps or isOwn("_lookup")

    def __init__(
        self,
        resolv: str | bytes | None = None,
        servers: Sequence[tuple[str, int]] | None = None,
        timeout: Timeout = None,
        reactor: IReactorTime | None = None,
    ) -> None:
        """
        @param resolv: a path, used if there are no C{servers}. Changes to the file take effect at once.
        @param servers: addresses and ports; no other servers are queried.
        @param timeout: for look-ups without a timeout of their own.
        @param reactor: L{None} for the global one.

        @raise BadDescription: neither C{servers} nor C{resolv} is given, or a server is not an address.
        """
        if not servers and not resolv:
            raise BadDescription("no servers: give addresses and ports, or the path of a resolv.conf")
        if servers:
            serversFrom(servers)
        clock = globalReactor() if reactor is None else withClock(reactor)
        self.resolv = _path(resolv)
        self._servers = list(servers or ())
        self._timeout = timeout
        super().__init__(self._sourceFor(clock), clock, timeout=timeout)

    @property
    def servers(self) -> Sequence[tuple[str, int]]:
        """
        The addresses and ports, as given. Assign to it to query other servers.
        """
        return self._servers

    @servers.setter
    def servers(self, servers: Sequence[tuple[str, int]]) -> None:
        serversFrom(servers)
        self._servers = list(servers)
        self._useInstead(self._sourceFor(self._reactor))

    @property
    def timeout(self) -> Timeout:
        """
        The timeout of look-ups without their own. A new value applies to look-ups that begin after it was set.
        """
        return self._timeout

    @timeout.setter
    def timeout(self, timeout: Timeout) -> None:
        self._lookups.setTimeout(timeout)
        self._timeout = self._zoneTimeout = timeout

    def _useInstead(self, source: IAnswerSource) -> None:
        before = self.source
        self._use(source)
        before.close()

    def _sourceFor(self, clock: IReactorTime) -> IAnswerSource:
        if self.servers:
            return self._asking(clock, serversFrom(self.servers))
        from twisted_ext.resolver.system.configured import System

        # Without the hosts file: createResolver creates resolvers that use it.
        return System(clock, self.resolv, os.devnull)

    def _asking(self, clock: IReactorTime, servers: Sequence[Server]) -> IAnswerSource:
        from twisted_ext.resolver.caching.coalescing import CoalescingSource
        from twisted_ext.resolver.forward.forwarder import ForwardingSource

        return CoalescingSource(ForwardingSource(clock, servers), clock)

    def pickServer(self) -> tuple[str, int]:
        """
        Return the address and port of a server in use.
        """
        if self.servers:
            return self.servers[0]
        from twisted_ext.resolver.system.configured import System

        source = self.source
        if isinstance(source, System):
            server = source.configuration.servers[0]
            return server.address, server.port
        return "127.0.0.1", _PORT

    def queryUDP(self, queries: Sequence[dns.Query], timeout: Timeout = None) -> Deferred[Message]:
        """
        Send a query, over UDP first.

        @param queries: exactly one: servers answer only one (RFC 9619).

        @return: fires with the reply, whatever its rcode.
        """
        return self._message(queries, timeout, False)

    def queryTCP(self, queries: Sequence[dns.Query], timeout: Timeout = 10) -> Deferred[Message]:
        """
        Send a query over TCP.

        @param queries: exactly one: servers answer only one (RFC 9619).

        @return: fires with the reply, whatever its rcode.
        """
        return self._message(queries, timeout, True)

    def _message(self, queries: Sequence[dns.Query], timeout: Timeout, stream: bool) -> Deferred[Message]:
        from twisted_ext.compat.conversion.messages import messageFromAnswer

        try:
            if len(queries) != 1:
                raise CallerFault(f"{len(queries)} questions in one message: servers answer one (RFC 9619)")
            query = queries[0]
            question = Question(wireFromName(query.name), query.type, query.cls)
            context = self.contextFor(timeout, stream=stream)
        except DNSFault as fault:
            return fail(argumentError(fault))

        def cbAnswer(answer: Answer) -> Message:
            return messageFromAnswer(question, answer)

        def ebAnswer(failure: Failure) -> Message | Failure:
            fault = failure.value
            if isinstance(fault, ServerFailed):
                message = messageFromAnswer(question, _NOTHING)
                message.rCode = fault.rcode
                return message
            if isinstance(fault, DNSFault):
                raise errorFromFault(fault, question)
            return failure

        return super().lookUp(question, context).addCallbacks(cbAnswer, ebAnswer)

    def _look(self, name: str | bytes, rrType: int, timeout: Timeout = None) -> Deferred[Result]:
        if not self._ownWay:
            return super()._look(name, rrType, timeout)
        try:
            text = nameOf(nameFromText(name) if name else ROOT).name
        except BadName as fault:
            return fail(argumentError(fault))
        return maybeDeferred(self._lookup, text, IN, rrType, timeout)

    def _lookup(self, name: str | bytes, cls: int, type: int, timeout: Timeout = None) -> Deferred[Result]:
        """
        Query the servers. Subclasses that override look-up methods call this to continue normally.

        @param name: an absolute name, to which no search list is applied.
        """
        try:
            query = queryOf(nameFromText(name) if name else ROOT, type, cls)
        except BadName as fault:
            return fail(argumentError(fault))
        if self._ownSteps:
            filtering = cast("Callable[[dns.Message], Result]", self.filterAnswers)
            return maybeDeferred(self.queryUDP, [query], timeout).addCallback(filtering)
        return super().query(query, timeout)

    def query(self, query: dns.Query | str | bytes, timeout: Timeout | str = None) -> Deferred[Result]:
        if isinstance(query, str | bytes) or isinstance(timeout, str):
            query, timeout = queryFrom(query, timeout)
        own = self._ownLookups.get(query.type)
        if own is not None:
            return maybeDeferred(getattr(self, own), query.name.name, timeout)
        if self._ownWay and query.type != dns.AXFR:
            return maybeDeferred(self._lookup, query.name.name, query.cls, query.type, timeout)
        return super().query(query, timeout)

    def lookUp(self, question: Question, context: QueryContext) -> Deferred[Answer]:
        if not self._ownWay:
            return super().lookUp(question, context)
        from twisted_ext.compat.foreign import NamesSource

        return lookUp(NamesSource(_ByLookup(self), self._reactor), question, context)

    def filterAnswers(self, message: dns.Message) -> Reply | Failure | Deferred[Reply | Failure]:
        """
        Return the three lists of a reply, a L{Failure} for an error reply, or, if the reply is truncated, the result over TCP.
        """
        if message.trunc:
            return self.queryTCP(message.queries).addCallback(_filtered)
        return _filtered(message)

    def exceptionForCode(self, responseCode: int) -> type[LookupFailed]:
        return errorFor(responseCode)

    def maybeParseConfig(self) -> None:
        """
        Check C{resolv.conf} again at the next look-up, even if it was checked within the last second.
        """
        from twisted_ext.resolver.system.configured import System

        if isinstance(self.source, System):
            self.source.flush()

    def parseConfig(self, resolvConf: Iterable[bytes]) -> None:
        """
        Use the servers of this C{resolv.conf} from now on, unless servers were given.

        @param resolvConf: the lines of the file.
        """
        from twisted_ext.resolver.system.resolvconf import SystemConfiguration

        configuration = SystemConfiguration.parse(b"\n".join([line.rstrip(b"\n") for line in resolvConf]))
        if not self.servers:
            self._useInstead(self._asking(self._reactor, configuration.servers))


class _ByLookup:
    """
    Calls a subclass's own C{_lookup} instead of sending queries.
    """

    def __init__(self, resolver: Resolver) -> None:
        self._resolver = resolver

    def query(self, query: dns.Query, timeout: Sequence[float]) -> Deferred[Result]:
        return self._resolver._lookup(query.name.name, query.cls, query.type, timeout)


def _filtered(message: dns.Message) -> Reply | Failure:
    if message.rCode != dns.OK:
        kind = errorFor(message.rCode)
        return _failure(kind(f"the answer is {rcodeName(message.rCode)}", rcode=message.rCode))
    return message.answers, message.authority, message.additional


class ThreadedResolver(NamesResolver):
    """
    Resolve names with the system's resolver, in a thread pool separate from the reactor's.
    """

    def __init__(self, reactor: IReactorTime | None = None) -> None:
        from twisted_ext.resolver.system.threaded import ThreadedSource

        clock = globalReactor() if reactor is None else reactor
        super().__init__(ThreadedSource(clock), clock)
