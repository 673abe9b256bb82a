"""
Send queries over TLS to servers that the operator has not named, without checking who they are (RFC 9539, section 4.6.3.4): this hides
queries from observers, not from attackers. Only a resolver that would send the same queries in the clear otherwise may use it.

It has its own transport, so that no option and no description of a server that has to be authenticated leads here.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from twisted.internet.interfaces import IReactorTCP, IReactorTime

from twisted_ext.interfaces import IExchange
from twisted_ext.transport.random import Draw
from twisted_ext.transport.servers import Server
from twisted_ext.transport.tls.stream import TLSExchange
from twisted_ext.transport.tls.terms import TLSTerms

if TYPE_CHECKING:
    from cryptography import x509

__all__ = ["OpportunisticTLS"]


class OpportunisticTLS:
    """
    Queries over TLS to servers that prove nothing.
    """

    kind = "tls"

    def __init__(self) -> None:
        self._terms = _UnauthenticatedTerms()

    def exchange(self, reactor: IReactorTime, draw: Draw, server: Server) -> IExchange:
        return TLSExchange(IReactorTCP(reactor), server, draw, self._terms)


class _UnauthenticatedTerms(TLSTerms):
    """
    No terms for the server's certificate. TLS 1.2 or later and the protocol are required, which RFC 7858 does as well.

    Without a name here, none is sent: it would show observers which zone is asked for (RFC 9539, section 4.6.3).
    """

    def problem(self, server: Server, name: str, certificates: Sequence[x509.Certificate]) -> str:
        return ""
