"""
Fetch documents over HTTP from configured hosts. The resolver's rebinding filter refuses private addresses; the addresses that it has let
pass are those that are connected to.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from ipaddress import ip_address
from typing import TYPE_CHECKING, Final, NoReturn, cast
from urllib.parse import urljoin

from twisted.internet.defer import CancelledError, Deferred, DeferredSemaphore
from twisted.internet.error import ConnectError, ConnectionAborted, DNSLookupError
from twisted.internet.interfaces import IProtocol, IProtocolFactory, IStreamClientEndpoint
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.protocols.policies import ProtocolWrapper, WrappingFactory
from twisted.web.client import URI, Agent, ResponseDone
from twisted.web.http import PotentialDataLoss
from twisted.web.http_headers import Headers
from twisted.web.iweb import IAgentEndpointFactory
from zope.interface import implementer

from twisted_ext.addrinfo.gethost import numericHosts
from twisted_ext.apps.robot.commands import CommandError
from twisted_ext.apps.robot.interfaces import IFetcher
from twisted_ext.apps.robot.limits import FETCH_HOPS, FETCH_OCTETS, FETCH_SECONDS, FETCHES_AT_ONCE
from twisted_ext.apps.robot.table import Table, option
from twisted_ext.compat.names import NamesResolver
from twisted_ext.endpoints.endpoints import HostEndpoint, HTTPSEndpoint
from twisted_ext.errors import BadDescription
from twisted_ext.resolver.policy.rebinding import RebindingLog, StopRebinding, isPrivate
from twisted_ext.server.config import types
from twisted_ext.wire.names import isBelow, nameFromText

if TYPE_CHECKING:
    from twisted.internet._sslverify import IOpenSSLTrustRoot
    from twisted.internet.interfaces import IReactorTime
    from twisted.python.failure import Failure

    from twisted_ext.apps.robot.robot import Robot

__all__ = ["FetchSettings", "Fetcher"]

#: A host as in C{[http]}.
_HOST: Final = re.compile(r"(http://)?((?:\*\.)?[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+)*)(?::([0-9]{1,5}))?")

_PORTS: Final = {b"http": 80, b"https": 443}

_REDIRECTS: Final = frozenset([301, 302, 303, 307, 308])


def _host(text: str) -> str:
    if not _HOST.fullmatch(text):
        raise BadDescription(f"{text!r} is not valid")
    return text.lower()


class FetchSettings(Table):
    """
    The table C{[http]}.
    """

    hosts: tuple[str, ...] = option(
        types.Text("hosts such as pypi.org, *.example.org or search.example.org:8443, with http:// before it for HTTP without TLS", _host),
        (),
        "The only hosts from which documents are fetched",
    )
    private: tuple[str, ...] = option(types.NAME, (), "Domains whose hosts may have private addresses")

    def privateDomains(self) -> list[bytes]:
        return [nameFromText(text).lower() for text in self.private]

    def allows(self, scheme: bytes, host: str, port: int) -> bool:
        for text in self.hosts:
            found = _HOST.fullmatch(text)
            assert found is not None
            its = b"http" if found[1] else b"https"
            same = host.endswith(found[2][1:]) if found[2].startswith("*") else host == found[2]
            if same and scheme == its and port == int(found[3] or _PORTS[its]):
                return True
        return False


class _Counted(ProtocolWrapper):
    """
    Closes a connection on which a server sends too much. Counting here covers headers as well, for which Twisted's client has no limit.
    """

    received = 0

    def dataReceived(self, data: bytes) -> None:
        self.received += len(data)
        if self.received > FETCH_OCTETS.default:
            self.abortConnection()
        else:
            super().dataReceived(data)


class _Counting(WrappingFactory[_Counted]):
    protocol = _Counted
    noisy = False


@implementer(IAgentEndpointFactory, IStreamClientEndpoint)
class _Connections:
    """
    The connections for one document.
    """

    def __init__(self, robot: Robot, trustRoot: IOpenSSLTrustRoot | None) -> None:
        self._robot = robot
        self._trustRoot = trustRoot
        self._factories: list[_Counting] = []

    def endpointForURI(self, uri: URI) -> IStreamClientEndpoint:
        reactor, host = self._robot.reactor, uri.host.decode("ascii")
        source = StopRebinding(self._robot.resolver.source, self._robot.settings.http.privateDomains(), RebindingLog(reactor))
        resolver = NamesResolver(source, reactor)
        if uri.scheme == b"https":
            self._endpoint: IStreamClientEndpoint = HTTPSEndpoint(reactor, host, uri.port, trustRoot=self._trustRoot, resolver=resolver)
        else:
            # The dot keeps the system's search list away.
            self._endpoint = HostEndpoint(reactor, host if numericHosts(host) else f"{host}.", uri.port, resolver=resolver)
        return self

    def connect(self, protocolFactory: IProtocolFactory) -> Deferred[IProtocol]:
        factory = cast(Factory, protocolFactory)
        # Twisted's would write two lines into the log for each document.
        factory.noisy = False
        counting = _Counting(factory)
        self._factories.append(counting)
        return self._endpoint.connect(counting).addCallback(lambda wrapper: cast(_Counted, wrapper).wrappedProtocol)

    def end(self) -> None:
        for factory in self._factories:
            for connection in list(factory.protocols):
                connection.abortConnection()


class _Body(Protocol):
    """
    Collects a document.

    @ivar ended: fires with the document.
    """

    def __init__(self) -> None:
        self.ended: Deferred[bytes] = Deferred()
        self._parts: list[bytes] = []

    def dataReceived(self, data: bytes) -> None:
        self._parts.append(data)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        # A server that does not announce the length ends the document with the connection.
        complete = isinstance(reason.value, (ResponseDone, PotentialDataLoss))
        if not self.ended.called:
            self.ended.callback(b"".join(self._parts)) if complete else self.ended.errback(reason)


@implementer(IFetcher)
class Fetcher:
    """
    @ivar trustRoot: the certificates to trust; L{None} for those of the system.
    """

    trustRoot: IOpenSSLTrustRoot | None = None

    def __init__(self, robot: Robot) -> None:
        self._robot = robot
        self._turns = DeferredSemaphore(int(FETCHES_AT_ONCE.default))

    def fetch(self, url: str) -> Deferred[bytes]:
        fetching = self._turns.run(lambda: Deferred.fromCoroutine(self._fetch(url)))
        return fetching.addTimeout(FETCH_SECONDS.default, self._robot.reactor, _late)

    async def _fetch(self, url: str) -> bytes:
        connections = _Connections(self._robot, self.trustRoot)
        agent = cast("Callable[[IReactorTime, _Connections], Agent]", Agent.usingEndpointFactory)(self._robot.reactor, connections)
        location = url.encode("ascii", "replace")
        host = ""
        try:
            for _ in range(int(FETCH_HOPS.default) + 1):
                uri = cast("Callable[[bytes], URI]", URI.fromBytes)(location)
                host = uri.host.decode("ascii", "replace").lower()
                self._check(uri, host)
                response = await agent.request(b"GET", location, Headers({b"User-Agent": [b"txdns-robot"]}))
                if response.code == 200:
                    body = _Body()
                    cast("Callable[[Protocol], None]", response.deliverBody)(body)
                    return await body.ended
                found = response.headers.getRawHeaders(b"location", [])
                if response.code not in _REDIRECTS or not found:
                    raise CommandError(f"{host}: it replied with the status {response.code}")
                location = urljoin(location, found[0])
            raise CommandError(f"{host}: it redirects more than {FETCH_HOPS.default} times")
        except (CommandError, CancelledError):
            raise
        except Exception as error:
            raise CommandError(_saidOf(error, host)) from error
        finally:
            connections.end()

    def _check(self, uri: URI, host: str) -> None:
        settings = self._robot.settings.http
        if not settings.allows(uri.scheme, host, uri.port):
            raise CommandError(f"{host}: documents are fetched only from the hosts that [http] lists")
        numeric = numericHosts(host)
        if numeric is None or any(isBelow(nameFromText(host), domain) for domain in settings.privateDomains()):
            return
        if not numeric or any(isPrivate(ip_address(each.partition("%")[0]).packed) for each in numeric):
            raise CommandError(f"{host}: this is a private address; [http] private lists those that are meant")


def _late(result: object, seconds: float) -> NoReturn:
    raise CommandError(f"the document did not arrive within {seconds:g} s")


def _saidOf(error: BaseException, host: str) -> str:
    """
    Describe an error without parts of the URL, which may contain a key.
    """
    reasons: Sequence[Failure] = getattr(error, "reasons", ())
    if reasons and reasons[0].value is not None:
        return _saidOf(reasons[0].value, host)
    if isinstance(error, (ConnectError, DNSLookupError)):
        return str(error).partition(" (rebinding-allow")[0]
    if isinstance(error, ConnectionAborted):
        return f"{host}: it sent more than {FETCH_OCTETS.default} octets"
    return f"{host or 'the URL'}: this is not HTTP, or not all of it ({type(error).__name__})"
