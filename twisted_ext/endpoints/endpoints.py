"""
Client endpoints that resolve their targets from SRV records, HTTPS records or a host's addresses, or take them from a list.

They connect as L{twisted_ext.endpoints.happyeyeballs} describes. Common parameters:

  - C{resolver}: a resolver of this package, one of Twisted's, or a description, from which each endpoint makes one resolver, so that its
    connections share a cache. L{None} is the resolver installed in the reactor if that is one of this package, else the resolver of the
    process;
  - C{timeout}: seconds for one connection attempt, by default L{ATTEMPT_SECONDS<twisted_ext.limits.ATTEMPT_SECONDS>};
  - C{bindAddress}: the local address, or a pair of address and port. Only targets' addresses of its family are tried;
  - C{attemptDelay}, C{priorityDelay}: see L{ATTEMPT_DELAY<twisted_ext.limits.ATTEMPT_DELAY>} and
    L{PRIORITY_DELAY<twisted_ext.limits.PRIORITY_DELAY>};
  - C{lookupTimeout}: seconds for the look-up of the records, and again for that of each target's addresses; L{None} for the resolver's
    own timeout.

Constructors raise L{CallerFault} for values of the wrong type and for negative numbers of seconds. Other numbers are clamped to their
range: 0 is the shortest timeout, not an infinite one.

The Deferred of C{connect} fires with the protocol, or fails

  - with L{LookupFailed<twisted_ext.compat.conversion.errors.LookupFailed>}, which is a
    L{DNSLookupError<twisted.internet.error.DNSLookupError>}, if no targets were found, or the only target has no address;
  - with L{TargetsFailed}, which is a L{ConnectError<twisted.internet.error.ConnectError>} and lists the reason for each target;
  - with L{ConnectingCancelledError<twisted.internet.error.ConnectingCancelledError>} if it is cancelled, which is possible at any time and
    leaves no connection open;
  - with whatever the caller's factory raises, or its protocol in C{connectionMade}.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Final, Unpack

from twisted.internet.address import HostnameAddress
from twisted.internet.defer import Deferred, fail, maybeDeferred, succeed
from twisted.internet.interfaces import IProtocolNegotiationFactory, IReactorTime, IStreamClientEndpoint
from zope.interface import implementer

from twisted_ext.aliases import isHostName
from twisted_ext.compat.conversion.errors import DomainError
from twisted_ext.compat.conversion.timeouts import secondsOf
from twisted_ext.compat.lookups.follow import chanceOf, literalHost, nameOf
from twisted_ext.compat.lookups.services import bindingTargets, serverTargets
from twisted_ext.compat.names import NamesResolver
from twisted_ext.discovery.limits import RECORD_DELAY
from twisted_ext.discovery.svcb import questionFor
from twisted_ext.discovery.targets import Target, checkedPort, hostIn, hostOf, protocolsIn
from twisted_ext.endpoints.dial import Handshake, RecordingFactory
from twisted_ext.endpoints.happyeyeballs import Attempt, Options, TargetsFailed, Way
from twisted_ext.errors import BadName, CallerFault
from twisted_ext.wire.names import ROOT, nameFromText, nameToText, parentOf

if TYPE_CHECKING:
    from twisted.internet._sslverify import IOpenSSLTrustRoot
    from twisted.internet.interfaces import IOpenSSLClientConnectionCreator, IProtocol, IProtocolFactory
    from twisted.internet.ssl import Certificate, PrivateCertificate

    from twisted_ext.discovery.weights import ShufflingSource

__all__ = ["Attempt", "HTTPSEndpoint", "HostEndpoint", "Options", "SRVEndpoint", "TargetsEndpoint", "TargetsFailed"]

#: The protocol spoken without ALPN.
_USUAL: Final = ("http/1.1",)


@implementer(IStreamClientEndpoint)
class TargetsEndpoint:
    """
    Connects to the first reachable one of the given targets.
    """

    def __init__(
        self,
        reactor: IReactorTime,
        targets: Iterable[Target] | Callable[[], Deferred[list[Target]]],
        name: str = "",
        **options: Unpack[Options],
    ) -> None:
        """
        @param targets: the targets in the order to try them; or a function that finds them, called for each connection, such as
            C{lambda: client.mailTargets("example.org")}.
        @param name: a name for the targets in messages.

        @raise CallerFault: C{targets} is not valid.
        """
        self._way = Way(reactor, options)
        self._find = targets if callable(targets) else None
        self._targets = [] if callable(targets) else _listed(targets)
        if not isinstance(name, str):
            raise CallerFault(f"name: {name!r:.80} is not text")
        self._name = name or (str(self._targets[0]) if len(self._targets) == 1 else "the targets")

    def connect(self, protocolFactory: IProtocolFactory) -> Deferred[IProtocol]:
        def find(resolver: NamesResolver, timeout: float | None) -> Deferred[Sequence[Target]]:
            return succeed(self._targets) if self._find is None else maybeDeferred(self._find).addCallback(_listed)

        address = HostnameAddress(self._name.encode("ascii", "backslashreplace"), 0)
        return self._way.connect(address, find, protocolFactory)

    def __repr__(self) -> str:
        return f"<TargetsEndpoint {self._name}>"


@implementer(IStreamClientEndpoint)
class HostEndpoint:
    """
    Connects to a host as L{HostnameEndpoint<twisted.internet.endpoints.HostnameEndpoint>} does, with its own resolver.
    """

    def __init__(self, reactor: IReactorTime, host: str, port: int, **options: Unpack[Options]) -> None:
        """
        @param host: a name, to which the search list applies unless it ends with a dot; or an address, with or without brackets.

        @raise CallerFault: C{host} or C{port} is not valid.
        """
        self._way = Way(reactor, options, relative=True)
        literal = literalHost(host)
        self._target = Target(literal or host, checkedPort(port))
        shown = literal
        if shown is None:
            name = nameFromText(host)
            shown = nameToText(name, final=False)
            if name == ROOT or not isHostName(name):
                raise BadName(f"{host!r:.80} is not a valid host name; write one such as 'www.example.org', and the port beside it")
        self._address = HostnameAddress(shown.encode(), port)

    def connect(self, protocolFactory: IProtocolFactory) -> Deferred[IProtocol]:
        return self._way.connect(self._address, lambda *_: succeed([self._target]), protocolFactory)

    def __repr__(self) -> str:
        return f"<HostEndpoint {self._target}>"


@implementer(IStreamClientEndpoint)
class SRVEndpoint:
    """
    Connects to a service by its SRV records (RFC 2782), which are looked up for each connection.
    """

    def __init__(
        self,
        reactor: IReactorTime,
        owner: str | bytes,
        defaultPort: int | None = None,
        *,
        rng: ShufflingSource | None = None,
        **options: Unpack[Options],
    ) -> None:
        """
        @param owner: service, protocol and domain, such as C{"_xmpp-client._tcp.example.org"}.
        @param defaultPort: the port to connect to at the domain itself if it has no SRV records; L{None} to fail in that case.
        @param rng: the source of randomness for weights, such as a L{random.Random}.

        @raise CallerFault: C{owner} or C{defaultPort} is not valid.
        """
        self._way = Way(reactor, options)
        name = nameOf(owner)
        self._owner = nameToText(name, final=False)
        self._rng = chanceOf(rng)
        self._address = HostnameAddress(self._owner.encode(), 0)
        self._fallback: Target | None = None
        if defaultPort is not None:
            while name[1:2] == b"_":
                name = parentOf(name)
            host = hostOf(name)
            if host is None:
                raise CallerFault(f"{self._owner} has no host behind the service's name, so that a default port is of no use")
            self._fallback = Target(host, checkedPort(defaultPort))

    def connect(self, protocolFactory: IProtocolFactory) -> Deferred[IProtocol]:
        return self._way.connect(self._address, self._find, protocolFactory)

    def _find(self, resolver: NamesResolver, timeout: float | None) -> Deferred[Sequence[Target]]:
        found = serverTargets(self._owner, resolver=resolver, timeout=timeout, rng=self._rng)
        return found.addCallback(self._cbFound)

    def _cbFound(self, targets: list[Target]) -> Sequence[Target]:
        if targets:
            return targets
        if self._fallback is None:
            raise DomainError(f"{self._owner}: there are no SRV records, and no default port was given", rcode=0)
        return [self._fallback]

    def __repr__(self) -> str:
        return f"<SRVEndpoint {self._owner}>"


@implementer(IStreamClientEndpoint)
class HTTPSEndpoint:
    """
    Connects with TLS to the host of an C{https} URI, by its HTTPS records if it has any (RFC 9460).

    Whatever host, port and address the records lead to, SNI and certificate verification use the original host name (RFC 9460, section
    9.1). An attempt succeeds when its TLS handshake does: a server whose handshake fails is skipped.
    """

    def __init__(
        self,
        reactor: IReactorTime,
        host: str,
        port: int = 443,
        *,
        alpn: Sequence[str] | None = None,
        trustRoot: IOpenSSLTrustRoot | Certificate | None = None,
        clientCertificate: PrivateCertificate | None = None,
        recordDelay: float | None = None,
        **options: Unpack[Options],
    ) -> None:
        """
        @param host: a fully qualified name, to which no search list applies; or an address, with or without brackets.
        @param alpn: the ALPN protocol ids to offer, in order of preference. Servers whose record lists none of them are skipped; the
            others are offered all of them, so that an attacker who modifies records cannot force a downgrade (RFC 9460, section 7.1.2).
            L{None} for those that the protocol factory names
            (L{IProtocolNegotiationFactory<twisted.internet.interfaces.IProtocolNegotiationFactory>}); if it names none, C{http/1.1} is
            assumed and no ALPN is sent.
        @param trustRoot: the certificates to trust, as for C{optionsForClientTLS}.
        @param clientCertificate: the client's certificate.

        @param recordDelay: seconds to wait for HTTPS records once an address of the host is known; see
            L{bindingTargets<twisted_ext.compat.lookups.services.bindingTargets>}.

        @raise CallerFault: an argument is not valid.
        """
        self._way = Way(reactor, options)
        literal = literalHost(host)
        # TLS gets the same name as the DNS, so that IDNA is encoded in one way only.
        self._host = literal or hostIn(host)
        self._port = checkedPort(port)
        if literal is None:
            # With the port label prepended the name may be too long for a query.
            questionFor("https", self._host, port)
        self._address = HostnameAddress(self._host.encode(), port)
        self._alpn = None if alpn is None else protocolsIn("alpn", alpn)
        self._recordDelay = secondsOf("recordDelay", recordDelay, RECORD_DELAY)
        _checkTrust(trustRoot, clientCertificate)
        self._trustRoot = trustRoot
        self._clientCertificate = clientCertificate
        # Cached, as the first use of a creator loads all of the system's certificates.
        self._creators: dict[tuple[str, ...], IOpenSSLClientConnectionCreator] = {}
        try:
            self._creatorFor(self._alpn or ())
        except UnicodeError as error:
            raise BadName(f"{host!r:.80} is not a name that a certificate can have: {error}") from error

    def connect(self, protocolFactory: IProtocolFactory) -> Deferred[IProtocol]:
        offered = self._alpn or ()
        if self._alpn is None and IProtocolNegotiationFactory.providedBy(protocolFactory):
            try:
                spoken = [each.decode("latin-1") for each in protocolFactory.acceptableProtocols()]
                offered = protocolsIn("acceptableProtocols", spoken)
            except Exception as error:
                return fail(error)

        def find(resolver: NamesResolver, timeout: float | None) -> Deferred[Sequence[Target]]:
            found = bindingTargets(
                "https",
                self._host,
                self._port,
                protocols=offered or _USUAL,
                recordDelay=self._recordDelay,
                resolver=resolver,
                timeout=timeout,
            )
            return found.addCallback(_listed)

        return self._way.connect(self._address, find, protocolFactory, partial(_handshake, self._creatorFor(offered)))

    def _creatorFor(self, alpn: tuple[str, ...]) -> IOpenSSLClientConnectionCreator:
        creator = self._creators.get(alpn)
        if creator is None:
            from twisted.internet.ssl import optionsForClientTLS

            creator = self._creators[alpn] = optionsForClientTLS(
                # The scope selects the interface and is not part of the server's identity.
                self._host.partition("%")[0],
                self._trustRoot,
                self._clientCertificate,
                [each.encode("ascii") for each in alpn] or None,
            )
        return creator

    def __repr__(self) -> str:
        return f"<HTTPSEndpoint {Target(self._host, self._port)}>"


def _handshake(
    creator: IOpenSSLClientConnectionCreator, reactor: IReactorTime, building: RecordingFactory, timeout: float, *_: object
) -> Handshake:
    from twisted_ext.endpoints.starttls import ChainHandshake

    return ChainHandshake(reactor, building, timeout, creator)


def _listed(targets: Iterable[Target]) -> Sequence[Target]:
    given: object = targets
    if isinstance(given, Iterable):
        found = list(given)
        if all(isinstance(each, Target) for each in found):
            for each in found:
                literalHost(each.host)
                checkedPort(each.port)
            return found
    raise CallerFault(f"targets: {given!r:.80} is not a list of targets; write one such as [Target('www.example.org', 80)]")


def _checkTrust(trustRoot: object, clientCertificate: object) -> None:
    if trustRoot is not None:
        from twisted.internet._sslverify import IOpenSSLTrustRoot

        if IOpenSSLTrustRoot(trustRoot, None) is None:
            what = "give a Certificate, or the result of trustRootFromCertificates()"
            raise CallerFault(f"trustRoot: {trustRoot!r:.80} is not a trust root; {what}")
    if clientCertificate is not None:
        from twisted.internet.ssl import PrivateCertificate

        if not isinstance(clientCertificate, PrivateCertificate):
            raise CallerFault(f"clientCertificate: {clientCertificate!r:.80} is not a PrivateCertificate; use its loadPEM()")
