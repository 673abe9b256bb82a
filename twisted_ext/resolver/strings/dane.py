"""
The argument C{dane} of the prefixes of encrypted transports.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING

from twisted_ext.errors import CallerFault
from twisted_ext.interfaces import IAnswerSource
from twisted_ext.resolver.ask import behind
from twisted_ext.resolver.strings.descriptions import Site
from twisted_ext.transport.urls import canonicalHost, isAddress

if TYPE_CHECKING:
    from twisted_ext.transport.tls.dane import Dane

__all__ = ["authenticated", "daneFor"]


def daneFor(records: IAnswerSource | None, names: Collection[str], ports: Collection[int], protocol: str = "tcp") -> Dane | None:
    """
    Return what TLSA records are looked up for.

    @param records: the source for them; L{None} to use no DANE.
    @param names: those of all servers.
    @param ports: those of all servers.

    @raise CallerFault: DANE cannot be used for these.
    """
    if records is None:
        return None
    from twisted_ext.resolver.recursive.validating import ValidatingSource
    from twisted_ext.transport.tls.dane import Dane

    if len(set(names)) > 1 or len(set(ports)) > 1:
        raise CallerFault("dane is for servers with one name and one port: write a description for each of the others")
    name = canonicalHost(next(iter(names)) or "192.0.2.53")
    if isAddress(name):
        raise CallerFault("dane needs the server's name, at which its TLSA records are: write #dns.example behind its address")
    if next(behind(records, ValidatingSource), None) is None:
        raise CallerFault("dane needs a source that validates with DNSSEC: write dane=(recursive) or dane=(validate:udp:192.0.2.1)")
    return Dane(name, next(iter(ports)), protocol)


def authenticated(site: Site, source: IAnswerSource, dane: Dane | None, records: IAnswerSource | None) -> IAnswerSource:
    """
    Return a source that looks TLSA records up before C{source} needs them; C{source} itself without DANE.
    """
    if dane is None or records is None:
        return source
    from twisted_ext.resolver.combine.dane import DaneSource

    return DaneSource(site.reactor, dane, records, source)
