"""
Fetch documents over HTTP. The addresses of hosts are looked up with a source of answers, in which private ones are refused; the addresses
that were let pass are those that are connected to, also after a redirect.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import TYPE_CHECKING, Final, cast
from urllib.parse import urljoin

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.error import ConnectError, DNSLookupError
from twisted.internet.interfaces import IProtocol, IProtocolFactory, IStreamClientEndpoint
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.protocols.policies import ProtocolWrapper, WrappingFactory
from twisted.web.client import URI, Agent, ResponseDone
from twisted.web.http import PotentialDataLoss
from twisted.web.http_headers import Headers
from twisted.web.iweb import IAgentEndpointFactory
from zope.interface import implementer

from twisted_ext.addrinfo.gethost import numericHosts
from twisted_ext.compat.names import NamesResolver
from twisted_ext.endpoints.endpoints import HostEndpoint, HTTPSEndpoint
from twisted_ext.resolver.policy.rebinding import RebindingLog, StopRebinding, isPrivate
from twisted_ext.wire.names import isBelow, nameFromText

if TYPE_CHECKING:
    from twisted.internet._sslverify import IOpenSSLTrustRoot
    from twisted.internet.interfaces import IDelayedCall, IReactorTime
    from twisted.python.failure import Failure

    from twisted_ext.interfaces import IAnswerSource

__all__ = ["DocumentFetcher", "FetchFailed", "Fetched"]

_REDIRECTS: Final = frozenset([301, 302, 303, 307, 308])

_NOT_MODIFIED: Final = 304

#: Seconds without an octet after which a server is given up, and seconds for one attempt to connect to it. A server that makes a document
#: when it is asked for it needs a few, and TCP has repeated lost segments several times by then: what is silent for longer hangs.
_SILENCE: Final = 20.0


class FetchFailed(Exception):
    """
    A document was not fetched. The text says why, without parts of the URL besides the host: there may be a key in them.
    """


@dataclass(frozen=True, slots=True)
class Fetched:
    """
    What became of a request.

    @ivar changed: whether there was a document; L{False} if that which the caller has is current.
    @ivar headers: those of the response.
    @ivar hosts: the hosts that were asked, the first one and those that it redirected to.
    @ivar url: the URL that it comes from, which is another one than that of the caller after a redirect.
    """

    changed: bool
    headers: Headers
    hosts: tuple[str, ...]
    url: str

    def header(self, name: str) -> str:
        """
        Return the text of a header; C{""} if it is missing.
        """
        return (self.headers.getRawHeaders(name) or [""])[-1]


@dataclass(slots=True, eq=False)
class DocumentFetcher:
    """
    Fetches documents.

    @ivar source: answers questions about hosts.
    @ivar agent: the name of the program, for the header C{User-Agent}.
    @ivar octets: how many a server may send for one document, headers and redirects included.
    @ivar hops: how many redirects are followed.
    @ivar private: domains whose hosts may have private addresses, in wire format and lower case.
    @ivar hint: what an error about a private address ends with: how it can be allowed.
    @ivar whole: whether a document is refused that ends with its connection, without a length: it may be a part.
    @ivar trustRoot: the certificates to trust; L{None} for those of the system.
    """

    reactor: IReactorTime
    source: IAnswerSource
    agent: str
    octets: int
    hops: int
    private: Sequence[bytes] = ()
    hint: str = ""
    whole: bool = False
    trustRoot: IOpenSSLTrustRoot | None = None

    async def fetch(
        self,
        url: str,
        take: Callable[[bytes], object],
        refuse: Callable[[bytes, str, int], str],
        headers: Callable[[str], Mapping[str, str]] | None = None,
    ) -> Fetched:
        """
        @param take: called with each piece of the document. What it raises ends the connection and is raised here.
        @param refuse: called with the scheme, the host and the port of the URL, and of each redirect, before anything is looked up. Returns
            why it is not to be asked; C{""} if it is.
        @param headers: called with the URL, and with that of each redirect. Returns more headers of the request for it. With
            C{If-None-Match} or C{If-Modified-Since} there may be no document.

        @raise FetchFailed: there is no such document.
        """
        connections = _Connections(self)
        agent = cast("Callable[[IReactorTime, _Connections], Agent]", Agent.usingEndpointFactory)(self.reactor, connections)
        location = url.encode("ascii", "replace")
        hosts: list[str] = []
        body = _Body(take, self.whole)
        try:
            for _ in range(self.hops + 1):
                uri = cast("Callable[[bytes], URI]", URI.fromBytes)(location)
                # What stands before the host may be a password: it is not for a log.
                _, secret, host = uri.host.decode("ascii", "replace").lower().rpartition("@")
                hosts.append(host)
                why = refuse(uri.scheme, host, uri.port) or ("names and passwords in URLs are not used" if secret else "")
                why = why or ("the URL has no host" if not host else self._privacyOf(host))
                if why:
                    named = host or (f"a redirect of {hosts[0]}" if hosts[1:] else "the URL")
                    raise FetchFailed(f"{named}: {why}")
                here = location.decode("ascii", "replace")
                more = {} if headers is None else headers(here)
                sent = Headers({"User-Agent": [self.agent], **{name: [text] for name, text in more.items()}})
                response = await agent.request(b"GET", location, sent)
                if response.code == 200:
                    cast("Callable[[Protocol], None]", response.deliverBody)(body)
                    await body.ended
                    return Fetched(True, response.headers, tuple(hosts), here)
                if response.code == _NOT_MODIFIED and headers:
                    return Fetched(False, response.headers, tuple(hosts), here)
                found = response.headers.getRawHeaders(b"location", [])
                if response.code not in _REDIRECTS or not found:
                    raise FetchFailed(f"{hosts[-1]}: it replied with the status {response.code}")
                location = urljoin(location, found[0])
            raise FetchFailed(f"{hosts[-1]}: it redirects more than {self.hops} times")
        except (FetchFailed, CancelledError):
            raise
        except Exception as error:
            if error is body.fault:
                raise
            if connections.left[0] < 0:
                raise FetchFailed(f"{hosts[-1]}: it sent more than {self.octets} octets") from error
            if connections.isSilent:
                raise FetchFailed(f"{hosts[-1]}: it sent nothing for {_SILENCE:g} s") from error
            raise FetchFailed(self._saidOf(error, hosts[-1] if hosts else "")) from error
        finally:
            connections.end()

    def _privacyOf(self, host: str) -> str:
        """
        Return why a host that is an address, in whatever way it is written, is not asked; C{""} if it is.
        """
        numeric = numericHosts(host)
        if numeric is None or any(isBelow(nameFromText(host), domain) for domain in self.private):
            return ""
        if not numeric or any(isPrivate(ip_address(each.partition("%")[0]).packed) for each in numeric):
            return f"this is a private address{self.hint}"
        return ""

    def _saidOf(self, error: BaseException, host: str) -> str:
        reasons: Sequence[Failure] = getattr(error, "reasons", ())
        if reasons and reasons[0].value is not None:
            return self._saidOf(reasons[0].value, host)
        if isinstance(error, (ConnectError, DNSLookupError)):
            return str(error).partition(" (rebinding-allow")[0]
        if isinstance(error, PotentialDataLoss):
            return f"{host}: it does not say where the document ends, so that this may be a part of it"
        return f"{host or 'the URL'}: this is not HTTP, or not all of it ({type(error).__name__})"


class _Counted(ProtocolWrapper):
    """
    Closes a connection on which a server sends too much. Counting here covers headers as well, for which Twisted's client has no limit.
    """

    def dataReceived(self, data: bytes) -> None:
        counting = cast(_Counting, self.factory)
        counting.heard()
        counting.left[0] -= len(data)
        if counting.left[0] < 0:
            self.abortConnection()
        else:
            super().dataReceived(data)


class _Counting(WrappingFactory[_Counted]):
    """
    @ivar left: how many octets may still come, over all connections for a document.
    @ivar heard: called when octets come.
    """

    protocol = _Counted
    noisy = False
    left: list[int]
    heard: Callable[[], object]


@implementer(IAgentEndpointFactory, IStreamClientEndpoint)
class _Connections:
    """
    The connections for one document.

    @ivar left: how many octets may still come; less than 0 if more came.
    @ivar isSilent: whether a server was given up since it sent nothing.
    """

    def __init__(self, fetcher: DocumentFetcher) -> None:
        self._fetcher = fetcher
        self.left = [fetcher.octets]
        self.isSilent = False
        self._timer: IDelayedCall | None = None
        self._factories: list[_Counting] = []

    def endpointForURI(self, uri: URI) -> IStreamClientEndpoint:
        # What redirects has said what it had to.
        self.end()
        fetcher, host = self._fetcher, uri.host.decode("ascii")
        reactor = fetcher.reactor
        resolver = NamesResolver(StopRebinding(fetcher.source, fetcher.private, RebindingLog(reactor)), reactor)
        if uri.scheme == b"https":
            self._endpoint: IStreamClientEndpoint = HTTPSEndpoint(
                reactor, host, uri.port, trustRoot=fetcher.trustRoot, resolver=resolver, timeout=_SILENCE
            )
        else:
            # The dot keeps the system's search list away.
            name = host if numericHosts(host) else f"{host}."
            self._endpoint = HostEndpoint(reactor, name, uri.port, resolver=resolver, timeout=_SILENCE)
        return self

    def connect(self, protocolFactory: IProtocolFactory) -> Deferred[IProtocol]:
        factory = cast(Factory, protocolFactory)
        # Twisted's would write two lines into the log for each document.
        factory.noisy = False
        counting = _Counting(factory)
        counting.left = self.left
        counting.heard = self._listen
        self._factories.append(counting)
        return self._endpoint.connect(counting).addCallback(self._made)

    def _made(self, wrapper: IProtocol) -> IProtocol:
        self._listen()
        return cast(_Counted, wrapper).wrappedProtocol

    def _listen(self) -> None:
        """
        Wait for the next octet.
        """
        if self._timer is None:
            self._timer = self._fetcher.reactor.callLater(_SILENCE, self._silent)
        else:
            self._timer.reset(_SILENCE)

    def _silent(self) -> None:
        self._timer, self.isSilent = None, True
        self.end()

    def end(self) -> None:
        """
        Close all connections.
        """
        timer, self._timer = self._timer, None
        if timer is not None:
            timer.cancel()
        for factory in self._factories:
            for connection in list(factory.protocols):
                connection.abortConnection()


@dataclass(eq=False)
class _Body(Protocol):
    """
    Passes a document on.

    @ivar ended: fires when it is complete.
    @ivar fault: what C{take} has raised.
    """

    take: Callable[[bytes], object]
    whole: bool
    ended: Deferred[None] = field(default_factory=Deferred)
    fault: Exception | None = None

    def dataReceived(self, data: bytes) -> None:
        if self.fault is not None:
            return
        try:
            self.take(data)
        except Exception as error:
            self.fault = error
            self.ended.errback(error)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        # A server that does not announce the length ends the document with the connection.
        complete = isinstance(reason.value, ResponseDone if self.whole else (ResponseDone, PotentialDataLoss))
        if not self.ended.called:
            self.ended.callback(None) if complete else self.ended.errback(reason)
