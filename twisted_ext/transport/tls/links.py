"""
Connections over TLS between servers, for zones (XoT, RFC 9103): SOA queries, transfers, NOTIFY.

A connection carries one request at a time, so that a transfer can be given up by closing its connection, and is kept for the next request
to the same server. Nothing is ever sent over anything else than TLS.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import (
    IConnector,
    IDelayedCall,
    IHandshakeListener,
    IReactorTCP,
    IReactorTime,
    ITCPTransport,
)
from twisted.internet.protocol import ClientFactory, Protocol, connectionDone
from twisted.python.failure import Failure
from zope.interface import implementer

from twisted_ext.errors import BadMessage, Unreachable
from twisted_ext.limits import TLS_LINK_KEPT, TLS_LINKS
from twisted_ext.transport.servers import Server
from twisted_ext.transport.stream import secondsAllowed
from twisted_ext.wire.framing import StreamBuffer, frame

if TYPE_CHECKING:
    from twisted_ext.transport.exchange import Connect, LinkUser
    from twisted_ext.transport.tls.terms import TLSHandshake, TLSTerms

__all__ = ["Claim", "TLSLinks", "connectorTo"]

#: Seconds to establish a TCP connection.
_CONNECT: Final = 10

#: What RFC 9103 (section 7.2) requires of connections for transfers.
_VERSION: Final = "TLSv1.3"

#: Code and length of the edns-tcp-keepalive option in replies (RFC 7828). A message without these octets need not be parsed.
_ALLOWANCE: Final = b"\x00\x0b\x00\x02"

#: A server and what is expected of it.
_Key = tuple[Server, "TLSTerms", str]


class _Site:
    """
    The connections to one server.
    """

    def __init__(self) -> None:
        self.idle: deque[_Link] = deque()
        self.claims: deque[Claim] = deque()
        self.busy = 0


class TLSLinks:
    """
    The connections of one program for requests about zones.
    """

    def __init__(self, reactor: IReactorTime, *, most: int | None = None, keep: float | None = None) -> None:
        """
        @param reactor: provides L{IReactorTCP} as well.
        @param most: connections to one server; further requests wait for one.
        @param keep: seconds for which an idle one is kept.
        """
        self.reactor = reactor
        self.most = int(TLS_LINKS.pick(most))
        self.keep = TLS_LINK_KEPT.pick(keep)
        self._sites: dict[_Key, _Site] = {}
        self._open: set[_Link] = set()
        self._closed: list[Deferred[None]] = []
        self._isClosed = False

    def open(
        self,
        user: LinkUser,
        server: Server,
        terms: TLSTerms,
        *,
        name: str = "",
        isFresh: bool = False,
        local: tuple[str, int] | None = None,
    ) -> Claim:
        """
        Give a connection to C{user}, now or later.

        @param name: the server's name, if it has another one than C{terms}.
        @param isFresh: use a new connection, because the server has closed an old one.
        @param local: the address and port to connect from, for a new connection.
        """
        key = (server, terms, name)
        claim = Claim(self, key, user, isFresh, local)
        if self._isClosed:
            user.lost(Unreachable(f"{server.label}: the connections are closed", server=server.label))
            return claim
        site = self._sites.setdefault(key, _Site())
        site.claims.append(claim)
        self._serve(site)
        return claim

    def close(self) -> Deferred[None]:
        """
        Close all connections.

        @return: fires when none is open.
        """
        self._isClosed = True
        for link in list(self._open):
            link.leave()
        if not self._open:
            return succeed(None)
        done: Deferred[None] = Deferred()
        self._closed.append(done)
        return done

    def _serve(self, site: _Site) -> None:
        while site.claims:
            claim = site.claims[0]
            if site.idle and not claim.isFresh:
                # The one that was used last: the others can end.
                link = site.idle.pop()
            elif site.busy + len(site.idle) < self.most:
                link = _Link(self, claim.key, site)
                self._open.add(link)
            elif site.idle:
                site.idle.popleft().leave()
                continue
            else:
                return
            site.claims.popleft()
            site.busy += 1
            link.take(claim)

    def given(self, site: _Site, link: _Link | None) -> None:
        """
        Handle the end of a connection's use.

        @param link: the connection if it is idle now; L{None} if it is closing.
        """
        site.busy -= 1
        if link is not None:
            site.idle.append(link)
        self._serve(site)

    def withdrawn(self, claim: Claim) -> None:
        site = self._sites.get(claim.key)
        if site is not None and claim in site.claims:
            site.claims.remove(claim)

    def gone(self, key: _Key, site: _Site, link: _Link) -> None:
        """
        Handle the end of a connection.
        """
        self._open.discard(link)
        if link in site.idle:
            site.idle.remove(link)
        if not (site.busy or site.idle or site.claims) and self._sites.get(key) is site:
            del self._sites[key]
        if not self._open:
            closed, self._closed = self._closed, []
            for done in closed:
                done.callback(None)


def connectorTo(
    reactor: IReactorTime,
    server: Server,
    terms: TLSTerms | None,
    *,
    name: str = "",
    links: TLSLinks | None = None,
    local: tuple[str, int] | None = None,
) -> Connect | None:
    """
    Return what opens connections to a server that is asked over TLS and over nothing else.

    @param terms: what to expect of it; L{None} for a server that is asked over TCP.
    @param name: its name, if it has another one than C{terms}.
    @param links: connections to use and to keep; by default there is one for each use.
    @param local: the address and port to connect from.

    @return: L{None} for TCP.
    """
    if terms is None:
        return None
    connections = TLSLinks(reactor, keep=0) if links is None else links

    def connect(user: LinkUser, isFresh: bool) -> Callable[[], object]:
        return connections.open(user, server, terms, name=name, isFresh=isFresh, local=local).cancel

    return connect


class Claim:
    """
    A user's claim to a connection.
    """

    def __init__(self, links: TLSLinks, key: _Key, user: LinkUser, isFresh: bool, local: tuple[str, int] | None) -> None:
        self.key = key
        self.user = user
        self.isFresh = isFresh
        self.local = local
        self.link: _Link | None = None
        self._links = links

    def cancel(self) -> None:
        """
        Give it up before the connection could be used.
        """
        if self.link is None:
            self._links.withdrawn(self)
        else:
            self.link.abort()


@implementer(IHandshakeListener)
class _Link(Protocol):
    """
    One connection, from the attempt to its end.
    """

    transport: ITCPTransport

    def __init__(self, links: TLSLinks, key: _Key, site: _Site) -> None:
        self.isReused = False
        self._links = links
        self._key = key
        self._site = site
        self._label = key[0].label
        self._user: LinkUser | None = None
        self._buffer = StreamBuffer()
        self._handshake: TLSHandshake | None = None
        self._connector: IConnector | None = None
        self._isConnected = False
        self._isReady = False
        self._isLeaving = False
        # Messages that have arrived, but were not handled yet.
        self._left = 0
        self._problem = ""
        self._keep = links.keep
        self._idle: IDelayedCall | None = None

    # -- use

    def take(self, claim: Claim) -> None:
        self._user = claim.user
        claim.link = self
        if self._idle is not None:
            self._idle.cancel()
            self._idle = None
        if self._isReady:
            self.isReused = True
            claim.user.opened(self)
        else:
            self._connect(claim.local)

    def send(self, message: bytes) -> None:
        self.transport.write(frame(message))

    def finish(self) -> None:
        if self._user is None:
            return
        self._user = None
        if self._keep <= 0 or self._buffer.partial or self._left:
            # Octets after the end of the reply must not be taken for the next one.
            self.leave()
            self._links.given(self._site, None)
        else:
            self._idle = self._links.reactor.callLater(self._keep, self._idled)
            self._links.given(self._site, self)

    def abort(self) -> None:
        if self._user is None:
            return
        self._user = None
        self._end()
        self._links.given(self._site, None)

    def leave(self) -> None:
        """
        Close the connection; a user loses it.
        """
        if self in self._site.idle:
            self._site.idle.remove(self)
        if self._idle is not None:
            self._idle.cancel()
            self._idle = None
        if self._isLeaving:
            return
        if self._user is not None or not self._isReady:
            self._end()
            return
        self._isLeaving = True
        secured = self.transport
        secured.loseConnection()
        # Some servers never answer the alert that closes TLS.
        below = getattr(secured, "transport", None)
        if below is not None:
            below.loseConnection()

    def _idled(self) -> None:
        self._idle = None
        self.leave()

    def _end(self) -> None:
        self._isLeaving = True
        if self._isConnected:
            self.transport.abortConnection()
        elif self._connector is not None:
            self._connector.disconnect()

    # -- the connection

    def _connect(self, local: tuple[str, int] | None) -> None:
        from twisted.protocols.tls import TLSMemoryBIOFactory

        from twisted_ext.transport.tls.layer import TLSLayer

        server, terms, name = self._key
        self._handshake = terms.handshake(server, self._links.reactor.seconds, name)
        factory = TLSMemoryBIOFactory(self._handshake, True, _Dialing(self), self._links.reactor)
        factory.protocol = TLSLayer
        reactor = IReactorTCP(self._links.reactor)
        self._connector = reactor.connectTCP(server.address, server.port, factory, timeout=_CONNECT, bindAddress=local)

    def connectionMade(self) -> None:
        # Only TCP is connected; nothing may be sent yet.
        self._isConnected = True
        if self._user is None or self._isLeaving:
            self._end()

    def handshakeCompleted(self) -> None:
        user, handshake = self._user, self._handshake
        if user is None or handshake is None:
            self._end()
            return
        self._problem = handshake.finish() or _unfit(handshake)
        if self._problem:
            self._end()
            return
        self._isReady = True
        self.transport.setTcpNoDelay(True)
        user.opened(self)

    def dataReceived(self, data: bytes) -> None:
        try:
            messages = self._buffer.feed(data)
        except BadMessage as fault:
            self._problem = str(fault)
            self._end()
            return
        self._left = len(messages)
        for octets in messages:
            self._left -= 1
            user = self._user
            if user is None:
                # Nothing was requested.
                self.leave()
                return
            if _ALLOWANCE in octets:
                allowed = secondsAllowed(octets)
                if allowed is not None:
                    self._keep = min(self._links.keep, allowed)
            user.received(octets)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        handshake, self._handshake = self._handshake, None
        problem = self._problem
        if handshake is not None:
            problem = problem or handshake.failure(reason, self._isReady)
            handshake.over(self._isReady)
        self.over(problem)

    def over(self, problem: str) -> None:
        """
        Handle the end of the connection, or of the attempt.
        """
        if self._idle is not None:
            self._idle.cancel()
            self._idle = None
        wasReady, self._isReady = self._isReady, False
        self._isConnected = False
        # It refers to this object.
        self._connector = None
        user, self._user = self._user, None
        if user is not None:
            what = "closed the TLS connection before it had answered" if wasReady else "cannot be reached over TLS"
            user.lost(Unreachable(f"{self._label} {what}: {problem}", server=self._label))
            self._links.given(self._site, None)
        self._links.gone(self._key, self._site, self)


class _Dialing(ClientFactory):
    noisy = False

    def __init__(self, link: _Link) -> None:
        self._link = link

    def buildProtocol(self, addr: object) -> Protocol:
        # From now on, the link refers to this object: keep no reference cycle.
        link = self._link
        del self._link
        return link

    def clientConnectionFailed(self, connector: IConnector, reason: Failure) -> None:
        self._link.over(reason.getErrorMessage())


def _unfit(handshake: TLSHandshake) -> str:
    """
    Return why a connection must not be used for transfers, or C{""}.
    """
    details = handshake.details()
    if details is None:
        return "it closed the connection"
    if details.version != _VERSION:
        return f"it speaks {details.version}; transfers take TLS 1.3 (RFC 9103, section 7.2)"
    return ""
