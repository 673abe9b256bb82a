"""
The function behind the prefix C{sdns}.
"""

from __future__ import annotations

from twisted_ext.errors import CallerFault
from twisted_ext.interfaces import IAnswerSource
from twisted_ext.resolver.strings.descriptions import Site
from twisted_ext.transport.stamps import Stamp
from twisted_ext.transport.urls import escaped

__all__ = ["parseStamp"]


def parseStamp(site: Site, stamp: Stamp, /, **options: str) -> IAnswerSource:
    """
    Query the server of a DNS stamp, over its transport: C{sdns://AAcAAAAAAAAABzguOC44Ljg}. All that the stamp requires of the server's
    certificate is required.

    @param stamp: for plain DNS, or DNS over TLS, HTTPS or QUIC.
    @param options: those of the transport's prefix: C{udp}, C{tls}, C{https} or C{quic}.

    @return: L{ForwardingSource<twisted_ext.resolver.forward.forwarder.ForwardingSource>}, over the stamp's transport.
    """
    if "dane" in options:
        raise CallerFault("a stamp defines how its server is authenticated; for dane, write the server's URL, such as tls://dns.example")
    said = [f":{key}={escaped(value)}" for key, value in options.items()]
    return site.source("".join([stamp.description(), *said]))
