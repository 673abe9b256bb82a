"""
Whole zones, from the servers behind a resolver.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from twisted.internet.defer import Deferred, fail
from twisted.internet.interfaces import IReactorTime

from twisted_ext.edges.codes import DomainError
from twisted_ext.edges.deadlines import Timeout
from twisted_ext.edges.results import Result
from twisted_ext.interfaces import IAnswerSource

if TYPE_CHECKING:
    from twisted_ext.edges.names import NamesResolver
    from twisted_ext.transport.servers import Server

__all__ = ["lookupZone", "serversBehind"]


def serversBehind(source: IAnswerSource) -> list[Server]:
    """
    @return: every server that C{source} may ask, in the order in which its parts stand.
    """
    from twisted_ext.resolver.forwarding import Forwarding

    if isinstance(source, Forwarding):
        return [upstream.server for upstream in source.upstreams]
    found = [server for inner in source.sources() for server in serversBehind(inner)]
    return list(dict.fromkeys(found))


def lookupZone(resolver: NamesResolver, reactor: IReactorTime, name: str | bytes, timeout: Timeout) -> Deferred[Result]:
    """
    @see: L{NamesResolver.lookupZone<twisted_ext.edges.names.NamesResolver.lookupZone>}
    """
    return fail(DomainError("zones cannot be transferred yet"))
