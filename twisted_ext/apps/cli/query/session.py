"""
The encrypted session in which a reply arrived.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from twisted_ext.apps.cli.query.formats import SecureSession
from twisted_ext.resolver.ask import behind
from twisted_ext.resolver.forward.forwarder import ForwardingSource
from twisted_ext.transport.tls.terms import TLSDetails, TLSTerms

if TYPE_CHECKING:
    from twisted_ext.interfaces import IAnswerSource
    from twisted_ext.transport.servers import Server

__all__ = ["proofOf", "sessionBehind"]


def sessionBehind(source: IAnswerSource, kind: str, label: str) -> SecureSession | None:
    """
    Return the session of the connection to a server, if there still is one.

    @param kind: its transport.
    @param label: its address and port.
    """
    for forwarder in behind(source, ForwardingSource):
        terms: object = getattr(forwarder.transport, "terms", None)
        if forwarder.transport.kind != kind or not isinstance(terms, TLSTerms):
            continue
        for upstream in forwarder.upstreams:
            details: object = getattr(upstream.stream, "details", None)
            if upstream.server.label == label and isinstance(details, TLSDetails):
                return SecureSession(details, proofOf(terms, upstream.server))
    return None


def proofOf(terms: TLSTerms, server: Server) -> str:
    """
    Return by what a server has been authenticated that meets these terms.
    """
    return terms.expected(terms.nameFor(server))
