"""
Wrap any answer source as a resolver for L{twisted.names}, for the reactor and for its endpoints.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Final

from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.interfaces import IHostnameResolver, IReactorTime, IResolver, IResolverSimple
from twisted.names import dns
from zope.interface import classImplements, implementer

from twisted_ext.answers import Answer, Outcome, QueryContext, Question
from twisted_ext.compat.conversion.errors import argumentError, errorFromFault
from twisted_ext.compat.conversion.names import queryOf, wireFromName
from twisted_ext.compat.conversion.results import Result
from twisted_ext.compat.conversion.timeouts import Timeout, secondsAndWaits
from twisted_ext.compat.lookupmethods import Lookups
from twisted_ext.compat.lookups.start import NameLookups, ebAnswer, nameFrom, notText
from twisted_ext.errors import CallerFault, Closed, DNSFault, WrongType
from twisted_ext.interfaces import IAnswerSource
from twisted_ext.resolver.ask import begun, unknown
from twisted_ext.wire.codes import IN
from twisted_ext.wire.rrtypes import AXFR, A, expectType

if TYPE_CHECKING:
    from twisted.internet.interfaces import (
        IAddress,
        IHostResolution,
        IReactorPluggableNameResolver,
        IResolutionReceiver,
    )

    from twisted_ext.addrinfo.getaddrinfo import AddressLookups, Host
    from twisted_ext.addrinfo.hints import AddressInfo, Port, SocketAddress
    from twisted_ext.addrinfo.order import Order
    from twisted_ext.dnssec.evidence import Evidence
    from twisted_ext.resolver.lookup.explain import Explanation

__all__ = ["NamesResolver", "queryFrom"]

_DATA: Final = Outcome.DATA


@implementer(IHostnameResolver, IResolverSimple)
class NamesResolver(Lookups):
    """
    A resolver on top of an answer source. It provides L{IResolver}, L{IResolverSimple<twisted.internet.interfaces.IResolverSimple>} and
    L{IHostnameResolver}, and some methods for which Twisted has no interface.

    Every look-up fires with a L{Result}, or fails with one of the exceptions of L{twisted_ext.compat.conversion.errors}. It can be
    cancelled, and has one deadline: see L{Timeout<twisted_ext.compat.conversion.timeouts.Timeout>}.

    @ivar source: the answer source.
    @ivar closed: whether L{close} was called.
    """

    def __init__(self, source: object, reactor: IReactorTime, *, timeout: Timeout = None) -> None:
        """
        @param source: the answer source; a resolver of another package, such as any C{IResolver}, is wrapped by
            L{twisted_ext.compat.foreign.sourceOf}.
        @param timeout: for look-ups without a timeout of their own.

        @raise CallerFault: C{timeout} is not valid.
        @raise WrongType: C{source} is neither a source nor a resolver.
        """
        if not hasattr(reactor, "seconds"):
            from twisted_ext.compat.clocks import withClock

            reactor = withClock(reactor)
        if not IAnswerSource.providedBy(source):
            from twisted_ext.compat.foreign import sourceOf

            source = sourceOf(source, reactor)
        self._reactor = reactor
        self._now: Callable[[], float] = reactor.seconds
        # Zone transfers take longer, and have another default.
        self._zoneTimeout = timeout
        self._lookups = NameLookups(source, reactor, timeout)
        self._use(source)
        self.closed = False

    def _use(self, source: IAnswerSource) -> None:
        self.source = source
        self._lookups.use(source)

    def __conform__(self, interface: object) -> IAnswerSource | None:
        return self.source if interface is IAnswerSource else None

    def contextFor(self, timeout: Timeout = None, relative: bool = False, stream: bool = False) -> QueryContext:
        """
        Create the context of a look-up that begins now.

        @param stream: use TCP from the start.

        @raise CallerFault: C{timeout} is not valid.
        """
        return self._lookups.contextFor(timeout, relative, stream)

    def _look(self, name: str | bytes, rrType: int, timeout: Timeout = None) -> Deferred[Result]:
        return self._lookups.look(name, rrType, timeout)

    def lookUp(self, question: Question, context: QueryContext) -> Deferred[Answer]:
        """
        Query the source directly, for options that C{lookup*} has no parameters for.

        @return: fires with an answer, which may be a denial, or fails with a L{DNSFault}.
        """
        try:
            found = self._lookups.ask(question, context)
        except DNSFault as fault:
            return fail(fault)
        if isinstance(found, Answer):
            return succeed(found)
        return fail(unknown(self.source, question)) if found is None else begun(found, context, self._reactor)

    def query(self, query: dns.Query | str | bytes, timeout: Timeout | str = None) -> Deferred[Result]:
        """
        Look up records of any type and class. The name is absolute: no search list is applied. Servers call this method, too.

        @param query: a query, or a name.
        @param timeout: if C{query} is a name, this may be the mnemonic of the type instead: C{query("example.com", "MX")}.

        @raise ValueError: no type has this mnemonic.
        """
        if isinstance(query, str | bytes) or isinstance(timeout, str):
            query, timeout = queryFrom(query, timeout)
        given: object = query
        if not isinstance(given, dns.Query):
            return fail(WrongType(f"{given!r:.80} is not a query; write a Query, or a name as text"))
        if query.type == AXFR:
            return self.lookupZone(query.name.name, timeout)
        try:
            question = Question(wireFromName(query.name), query.type, query.cls)
            return self._lookups.lookAbsolute(question, timeout)
        except DNSFault as fault:
            return fail(argumentError(fault))

    def lookupZone(self, name: str | bytes, timeout: Timeout = None) -> Deferred[Result]:
        """
        Transfer a whole zone (RFC 5936) over TCP from the first server behind this resolver that provides it.

        @param timeout: for the whole transfer; L{None} for the resolver's own timeout, or ten seconds if it has none.

        @return: fires with all records in the first list, the SOA record first and last.
        """
        from twisted_ext.compat.transfers import lookupZone

        given: object = name
        if not isinstance(given, str | bytes):
            return fail(notText(given))
        return lookupZone(self, self._reactor, name, self._zoneTimeout if timeout is None else timeout)

    def getHostByName(self, name: str | bytes, timeout: Timeout = None, effort: int = 10) -> Deferred[str]:
        """
        Find one address of a host: an IPv4 address if there is one, else an IPv6 address. If the name is an address, it is returned
        unchanged, except that short forms (C{127.1}) are expanded to dotted quads.

        If the resolver was installed with C{installResolver} alone, the reactor calls this, and gets IPv4 addresses only, as from Twisted's
        own resolvers: C{connectTCP} creates an IPv4 socket before the look-up. C{install} supports both families.

        @param effort: the number of aliases to follow if the server does not.
        """
        from twisted_ext.addrinfo.gethost import REACTORS_TIMEOUT, addressIn, hostByName, literalOf, numericHosts

        try:
            if timeout is not None:
                secondsAndWaits(timeout)
            text = literalOf(name)
            if text is not None:
                return succeed(text)
            if isinstance(name, str | bytes) and name[:1].isdigit() and (numeric := numericHosts(name)):
                return succeed(numeric[0])
            lookups = self._lookups
            question, context = lookups.questions.get((name, dns.A)) or lookups.learn(name, dns.A)
            ready = lookups.ask(question, context)
            if isinstance(ready, Answer) and ready.outcome is _DATA:
                address = addressIn(question, ready)
                if address is not None:
                    return succeed(address)
            families: tuple[int, ...] = (dns.A, dns.AAAA)
            if timeout is REACTORS_TIMEOUT:
                # This is the reactor's default of one minute, which the caller did not choose.
                timeout, families = None, (dns.A,)
            wishes = self.contextFor(timeout, context.relative)
            return Deferred.fromCoroutine(hostByName(self.lookUp, question, wishes, effort, families))
        except DNSFault as fault:
            return fail(argumentError(fault))
        except TypeError:
            given: object = name
            if isinstance(given, str | bytes):
                raise
            return fail(notText(given))

    def resolveHostName(
        self,
        resolutionReceiver: IResolutionReceiver,
        hostName: str | bytes,
        portNumber: int = 0,
        addressTypes: Sequence[type[IAddress]] | None = None,
        transportSemantics: str = "TCP",
    ) -> IHostResolution:
        """
        Find the addresses of a host.

        @param hostName: text or octets, as for Twisted's own resolver.

        @raise CallerFault: C{transportSemantics} is neither C{"TCP"} nor C{"UDP"}.
        """
        from twisted_ext.compat.hostnames import HostResolution

        resolution = HostResolution(
            self, self._reactor, resolutionReceiver, hostName, portNumber, addressTypes, transportSemantics
        )
        resolution.begin(self.contextFor())
        return resolution

    @cached_property
    def order(self) -> Order:
        """
        Sorts addresses for connection attempts.
        """
        from twisted_ext.addrinfo.order import Order

        return Order(self._now)

    @cached_property
    def addressing(self) -> AddressLookups:
        """
        Implements C{getaddrinfo} and C{getnameinfo}.
        """
        from twisted_ext.addrinfo.getaddrinfo import AddressLookups

        return AddressLookups(self, self._now)

    def getaddrinfo(
        self,
        host: Host,
        port: Port,
        *,
        family: int = 0,
        type: int = 0,
        proto: int = 0,
        flags: int = 0,
        timeout: Timeout = None,
    ) -> Deferred[list[AddressInfo]]:
        """
        Resolve a host and a service, both names or numbers, like C{socket.getaddrinfo}.

        @param host: L{None} for the local host.
        @param port: L{None} for no port.

        @return: fires with tuples of family, type, protocol, canonical name and address, in the order in which to try them; or fails with a
            C{socket.gaierror}.
        """
        return self.addressing.getaddrinfo(host, port, family, type, proto, flags, timeout)

    def getnameinfo(self, sockaddr: SocketAddress, flags: int = 0, *, timeout: Timeout = None) -> Deferred[tuple[str, str]]:
        """
        Look up the names of a host and a service, like C{socket.getnameinfo}.

        @param sockaddr: address and port; for IPv6 optionally flow label and scope id.

        @return: fires with both names, or numbers where there is no name; or fails with a C{socket.gaierror}.
        """
        from twisted_ext.addrinfo.getnameinfo import getnameinfo

        return Deferred.fromCoroutine(getnameinfo(self, sockaddr, flags, timeout))

    def install(self, reactor: IReactorPluggableNameResolver | None = None) -> Callable[[], None]:
        """
        Make the reactor use this resolver for all look-ups: C{connectTCP} and the endpoints.

        @param reactor: L{None} for the global one.

        @return: a function that restores the previous resolver.
        """
        from twisted_ext.compat.install import install

        return install(self, reactor)

    def explain(self, name: str | bytes, rrType: int | str | None = None) -> Deferred[Explanation]:
        """
        Look up a name and report each step.

        @param rrType: a number or a mnemonic; L{None} for A.

        @return: always fires, unless cancelled: a failed look-up is part of the report.
        """
        from twisted_ext.resolver.lookup.explain import Explanation, explained

        try:
            question = Question(nameFrom(name), A if rrType is None else expectType(rrType))
            context = self.contextFor(None, name[-1:] not in (".", b"."))
        except CallerFault as fault:
            return fail(fault)
        if self.closed:
            now = self._now()
            return succeed(Explanation(question, None, Closed("the resolver was closed"), [], now, now))
        return explained(self.source, self._reactor, question, context)

    def proof(
        self, name: str | bytes, rrType: int | str | None = None, timeout: Timeout = None, *, now: int | None = None
    ) -> Deferred[Evidence]:
        """
        Look up a name with everything that it takes to validate the answer with DNSSEC: keys, DS records and denials. The result can be
        saved as JSON, and checked again without a network. The name is absolute: no search list is applied.

        The trust anchors are those of the resolver if it validates, otherwise those of the root that are built in.

        @param rrType: a number or a mnemonic; L{None} for A.
        @param now: validate as if it were this time, in seconds since 1970.

        @return: fires with evidence of any security, bogus too; or fails as look-ups do if there is no answer.
        """
        from twisted_ext.resolver.recursive.evidence import proved

        try:
            question = Question(nameFrom(name), A if rrType is None else expectType(rrType))
            context = self.contextFor(timeout)
        except CallerFault as fault:
            return fail(argumentError(fault))
        if self.closed:
            return fail(errorFromFault(Closed("the resolver was closed"), question))
        return proved(self.source, question, context, now).addErrback(ebAnswer, question)

    def close(self) -> Deferred[None]:
        """
        Close all sockets and cancel all timers. Pending and later look-ups fail, even those of cached names. Further calls do nothing.
        """
        self.closed = True
        self._lookups.close()
        return self.source.close()

    def __repr__(self) -> str:
        return f"<NamesResolver {self.source!r}>"


# Aliased so that the type checker ignores it: the interface's annotations match neither its documentation nor any implementation.
_classImplements: Callable[[type[object], object], None] = classImplements
_classImplements(NamesResolver, IResolver)


def queryFrom(query: dns.Query | str | bytes, timeout: Timeout | str) -> tuple[dns.Query, Timeout]:
    if not isinstance(query, str | bytes):
        raise WrongType(f"the timeout {timeout!r:.80} is not a number of seconds; the type is part of the query")
    rrType = dns.A
    if isinstance(timeout, str):
        rrType, timeout = expectType(timeout), None
    return queryOf(nameFrom(query), rrType, IN), timeout
