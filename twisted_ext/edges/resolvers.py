"""
Resolvers made as L{twisted.names.client} makes them: of servers, of a C{resolv.conf}, of the system's threads.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from operator import index
from typing import TYPE_CHECKING, Final, TypeAlias

from twisted.internet.defer import Deferred, fail
from twisted.internet.interfaces import IReactorTime
from twisted.names import dns
from twisted.python.failure import Failure

from twisted_ext.answers import Answer, Outcome, Question
from twisted_ext.edges.codes import LookupFailed, errorFor, errorFromFault
from twisted_ext.edges.deadlines import Timeout
from twisted_ext.edges.exactness import wireFromName
from twisted_ext.edges.install import globalReactor
from twisted_ext.edges.names import NamesResolver
from twisted_ext.errors import BadDescription, CallerFault, DNSFault, ServerFailed
from twisted_ext.wire.codes import rcodeName

if TYPE_CHECKING:
    from twisted_ext.edges.messages import Message
    from twisted_ext.interfaces import IAnswerSource
    from twisted_ext.transport.servers import Server

__all__ = ["Resolver", "ThreadedResolver", "serversFrom", "sourceFor"]

#: Answer, authority and additional records.
Reply: TypeAlias = tuple[list[dns.RRHeader], list[dns.RRHeader], list[dns.RRHeader]]

_failure: Final[Callable[[Exception], Failure]] = Failure

#: What a reply with an error says besides it.
_NOTHING: Final = Answer(Outcome.NODATA)

#: Where servers are said to be if nobody says so, as in Twisted.
_PORT: Final = 53


def serversFrom(servers: Iterable[tuple[str, int]]) -> list[Server]:
    """
    @param servers: addresses and ports.

    @raise BadDescription: something else, or nothing at all.
    """
    from twisted_ext.transport.servers import Server

    given: object = servers
    if isinstance(given, str | bytes) or not isinstance(given, Iterable):
        raise BadDescription(f"servers: {servers!r} is no list of addresses and ports, such as [('192.0.2.1', 53)]")
    found: list[Server] = []
    for each in servers:
        try:
            address, port = each
            found.append(Server(address, index(port)))
        except (TypeError, ValueError) as error:
            if isinstance(error, BadDescription):
                raise
            raise BadDescription(f"servers: {each!r} is no address and port, such as ('192.0.2.1', 53)") from None
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
    @return: hosts file, special names, then a cache before these servers, or before those of C{resolv.conf}.

    @raise BadDescription: a server that is no address.
    """
    if servers is None:
        from twisted_ext.resolver.discovering import System

        return System(reactor, _path(resolvConf), _path(hosts))
    from twisted_ext.resolver.caching import Caching
    from twisted_ext.resolver.chaining import Chaining
    from twisted_ext.resolver.coalescing import Coalescing
    from twisted_ext.resolver.forwarding import Forwarding
    from twisted_ext.resolver.hosts import Hosts
    from twisted_ext.resolver.special import Special

    forwarding = Forwarding(reactor, serversFrom(servers))
    return Chaining([Hosts(reactor, _path(hosts)), Special(), Caching(Coalescing(forwarding, reactor), reactor)])


class Resolver(NamesResolver):
    """
    A resolver without hosts file and cache that asks certain servers, or those of a C{resolv.conf}.

    @ivar servers: addresses and ports, as they were given.
    @ivar resolv: the path of C{resolv.conf}, or L{None}.
    @ivar timeout: as it was given.
    """

    def __init__(
        self,
        resolv: str | bytes | None = None,
        servers: Sequence[tuple[str, int]] | None = None,
        timeout: Timeout = None,
        reactor: IReactorTime | None = None,
    ) -> None:
        """
        @param resolv: a path, used where there are no C{servers}; it is followed: a change counts at once.
        @param servers: addresses and ports of the servers to ask: these and no others.
        @param timeout: for look-ups that do not bring their own.
        @param reactor: L{None} for the global one.

        @raise BadDescription: neither servers nor C{resolv}, or a server that is no address.
        """
        if not servers and not resolv:
            raise BadDescription("no servers: give addresses and ports, or the path of a resolv.conf")
        if servers:
            serversFrom(servers)
        clock = globalReactor() if reactor is None else reactor
        self.resolv = _path(resolv)
        self.servers = list(servers or ())
        self.timeout = timeout
        super().__init__(self._sourceFor(clock), clock, timeout=timeout)

    def _sourceFor(self, clock: IReactorTime) -> IAnswerSource:
        if self.servers:
            return self._asking(clock, serversFrom(self.servers))
        from twisted_ext.resolver.discovering import System

        # Without names of this machine's own: whoever wants those asks createResolver for a resolver.
        return System(clock, self.resolv, os.devnull)

    def _asking(self, clock: IReactorTime, servers: Sequence[Server]) -> IAnswerSource:
        from twisted_ext.resolver.coalescing import Coalescing
        from twisted_ext.resolver.forwarding import Forwarding

        return Coalescing(Forwarding(clock, servers), clock)

    def pickServer(self) -> tuple[str, int]:
        """
        @return: address and port of a server that is asked.
        """
        if self.servers:
            return self.servers[0]
        from twisted_ext.resolver.discovering import System

        source = self.source
        if isinstance(source, System):
            server = source.configuration.servers[0]
            return server.address, server.port
        return "127.0.0.1", _PORT

    def queryUDP(self, queries: Sequence[dns.Query], timeout: Timeout = None) -> Deferred[Message]:
        """
        Ask, by UDP first.

        @param queries: one of them; servers answer no more (RFC 9619).

        @return: fires with the reply, whatever its rcode.
        """
        return self._message(queries, timeout, False)

    def queryTCP(self, queries: Sequence[dns.Query], timeout: Timeout = 10) -> Deferred[Message]:
        """
        Ask by TCP.

        @param queries: one of them; servers answer no more (RFC 9619).

        @return: fires with the reply, whatever its rcode.
        """
        return self._message(queries, timeout, True)

    def _message(self, queries: Sequence[dns.Query], timeout: Timeout, stream: bool) -> Deferred[Message]:
        from twisted_ext.edges.messages import messageFromAnswer

        try:
            if len(queries) != 1:
                raise CallerFault(f"{len(queries)} questions in one message: servers answer one (RFC 9619)")
            query = queries[0]
            question = Question(wireFromName(query.name), query.type, query.cls)
            context = self.contextFor(timeout, stream=stream)
        except DNSFault as fault:
            return fail(errorFromFault(fault))

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

        return self.ask(question, context).addCallbacks(cbAnswer, ebAnswer)

    def filterAnswers(self, message: dns.Message) -> Reply | Failure | Deferred[Reply | Failure]:
        """
        @return: the three lists of a reply; its error as a L{Failure}; or where it is cut off, what TCP gives.
        """
        if message.trunc:
            return self.queryTCP(message.queries).addCallback(_filtered)
        return _filtered(message)

    def exceptionForCode(self, responseCode: int) -> type[LookupFailed]:
        """
        @return: what a reply with this rcode makes look-ups fail with.
        """
        return errorFor(responseCode)

    def maybeParseConfig(self) -> None:
        """
        Look at C{resolv.conf} again with the next look-up, even if that was done within this second.
        """
        from twisted_ext.resolver.discovering import System

        if isinstance(self.source, System):
            self.source.flush()

    def parseConfig(self, resolvConf: Iterable[bytes]) -> None:
        """
        Ask the servers of this C{resolv.conf} from now on, unless servers were given.

        @param resolvConf: its lines.
        """
        from twisted_ext.resolver.configuration import SystemConfiguration

        configuration = SystemConfiguration.parse(b"\n".join([line.rstrip(b"\n") for line in resolvConf]))
        if not self.servers:
            before = self.source
            self._use(self._asking(self._reactor, configuration.servers))
            before.close()


def _filtered(message: dns.Message) -> Reply | Failure:
    if message.rCode != dns.OK:
        kind = errorFor(message.rCode)
        return _failure(kind(f"the answer is {rcodeName(message.rCode)}", rcode=message.rCode))
    return message.answers, message.authority, message.additional


class ThreadedResolver(NamesResolver):
    """
    Let the system look names up, in threads of its own pool, which takes none of the reactor's.
    """

    def __init__(self, reactor: IReactorTime | None = None) -> None:
        """
        @param reactor: L{None} for the global one.
        """
        from twisted_ext.resolver.threaded import Threaded

        clock = globalReactor() if reactor is None else reactor
        super().__init__(Threaded(clock), clock)
