"""
The requests of clients that wait for their answers.
"""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING

from twisted_ext.answers import Answer
from twisted_ext.limits import REQUEST_YIELDS
from twisted_ext.resolver.ask import Query
from twisted_ext.server.reply.requests import Request, Send

if TYPE_CHECKING:
    from twisted_ext.server.reply.respond import Responder

__all__ = ["WaitingRequest", "WaitingRequests"]


class WaitingRequest:
    """
    One of them, which passes the outcome of its look-up to the responder.

    @ivar query: the look-up; L{None} before and after it.
    """

    __slots__ = ("request", "send", "query", "_responder", "_left")

    def __init__(self, responder: Responder, request: Request, send: Send) -> None:
        self.request = request
        self.send = send
        self.query: Query | None = None
        self._responder = responder
        self._left = False

    def callback(self, answer: Answer, /) -> None:
        if not self._left:
            self.leave()
            self._responder.arrived(answer, self.request, self.send)

    def errback(self, fault: Exception, /) -> None:
        if not self._left:
            self.leave()
            self._responder.failed(fault, self.request, self.send)

    def leave(self) -> Query | None:
        """
        Ignore the outcome from now on. Return the look-up, to cancel it.
        """
        self._left = True
        # It refers to this object. Without that cycle, both are freed at once.
        query, self.query = self.query, None
        return query


class WaitingRequests:
    """
    All of them, within limits for all clients and for each.
    """

    def __init__(self, perClient: int, most: int) -> None:
        self._perClient = perClient
        self._most = most
        # In order of arrival: of all clients, and of each.
        self._all: dict[Request, WaitingRequest] = {}
        self._clients: dict[str, dict[Request, WaitingRequest]] = {}

    def all(self) -> list[WaitingRequest]:
        return list(self._all.values())

    def isFull(self, site: str) -> bool:
        """
        Return whether as many requests wait as may, of this client or of all of them.
        """
        theirs = self._clients.get(site)
        return len(self._all) >= self._most or (theirs is not None and len(theirs) >= self._perClient)

    def yielding(self, site: str, now: float) -> WaitingRequest | None:
        """
        Return a request that has to give way to one of this client, if one has waited long enough, so that requests that wait for dead
        servers do not block those that other servers would answer. It is from the middle, and the older half is kept: if the oldest gave
        way, slow answers would never arrive in time.
        """
        theirs = self._clients.get(site)
        crowd = theirs if theirs is not None and len(theirs) >= self._perClient else self._all
        waiting = next(islice(crowd.values(), len(crowd) // 2, None))
        return waiting if now - waiting.request.arrived >= REQUEST_YIELDS.default else None

    def add(self, waiting: WaitingRequest) -> None:
        request = waiting.request
        self._all[request] = waiting
        site = request.record.site
        theirs = self._clients.get(site)
        if theirs is None:
            theirs = self._clients[site] = {}
        theirs[request] = waiting

    def remove(self, request: Request) -> None:
        del self._all[request]
        site = request.record.site
        theirs = self._clients[site]
        del theirs[request]
        if not theirs:
            del self._clients[site]
