"""
The sources for local names.
"""

from __future__ import annotations

import socket
from collections.abc import Iterator
from itertools import chain
from typing import TYPE_CHECKING

from twisted_ext.errors import BadDescription
from twisted_ext.resolver.local.hosts import Hosts
from twisted_ext.resolver.local.localrecords import (
    LocalRecordsSource,
    LocalReverse,
    localRecord,
    localRecords,
    readLocalFile,
)
from twisted_ext.server.features.base.chain import inFront
from twisted_ext.server.features.base.feature import Active, Part, Site, Stage
from twisted_ext.wire.addressranges import reverseNameOf
from twisted_ext.wire.names import nameFromText, nameToText

if TYPE_CHECKING:
    from twisted_ext.interfaces import IAnswerSource
    from twisted_ext.server.features.localnames.feature import LocalNamesSettings

__all__ = ["LocalNames"]


class LocalNames(Active):
    """
    The sources for local names, as the settings describe them. Sources that no setting asks for are left out, so that they cost nothing.
    """

    def __init__(self, site: Site, settings: LocalNamesSettings) -> None:
        """
        @raise BadDescription: a record or a file cannot be used, or settings contradict each other.
        """
        self._site = site
        self._settings = settings
        self._routed = site.settings.routedDomains()
        records = [localRecord(text, settings.localTtl) for text in settings.local]
        for path in settings.localFile:
            records += readLocalFile(path, settings.localTtl)
        self._records = localRecords(records)
        paths = [path for path in settings.hostsFile if path]
        expand = nameFromText(settings.expandHosts or ".")
        ttl, otherTypes = settings.localTtl, settings.forwardOtherTypes
        self._hosts = Hosts(site.reactor, paths, ttl=ttl, expand=expand, otherTypes=otherTypes) if paths else None
        self._seen: object = None
        reverse = LocalReverse(records) if settings.localReverse else None
        self._reverse = reverse if reverse is not None and reverse.names else None
        self._domains = [nameFromText(name) for name in settings.localDomain]
        both = {name.lower() for name in self._domains} & {name.lower() for name in self._routed}
        if both:
            raise BadDescription(
                f"local-domain {nameToText(min(both))} has an upstream as well; a route is for domains below it, or remove one of the two"
            )
        self._around: LocalRecordsSource | None = None
        self.rereads = "records" if settings.localFile else ""
        self.parts = (*self._outer(), *self._inner())

    def _outer(self) -> Iterator[Part]:
        settings = self._settings
        if settings.forwardOtherTypes and (self._records or self._hosts is not None):
            said = "forward-other-types: upstreams are asked for the other types of names in local records and hosts files"
            yield Part(Stage.OUTER, lambda: said, wrap=self._askedForOthers)
        if settings.local or settings.localFile:
            files = "".join([f", {path}" for path in settings.localFile])
            yield Part(Stage.OUTER, lambda: f"local: {len(settings.local)} records given{files}", wrap=self._recorded)

    def _recorded(self, source: IAnswerSource) -> IAnswerSource:
        hosts = self._hosts
        if not self._records:
            return source
        more, domains = self._settings.forwardOtherTypes, (*self._routed, *self._domains)
        self._around = LocalRecordsSource(source, self._records, None if hosts is None else hosts.typesOf, otherTypes=more, domains=domains)
        return self._around

    def _askedForOthers(self, source: IAnswerSource) -> IAnswerSource:
        from twisted_ext.resolver.local.othertypes import OtherTypes

        return OtherTypes(source, self._around, None if self._hosts is None else self._hosts.current)

    def _inner(self) -> Iterator[Part]:
        settings, hosts = self._settings, self._hosts
        if hosts is not None:
            expanded = f", names of one label also below {settings.expandHosts}" if settings.expandHosts else ""
            said = f"hosts: {hosts.path}{expanded}"
            yield Part(Stage.LOCAL, lambda: said, wrap=inFront(hosts))
        if self._reverse is not None:
            yield Part(Stage.LOCAL, lambda: "local-reverse: the names of addresses in local records", wrap=inFront(self._reverse))
        if self._domains:
            from twisted_ext.resolver.local.localdomains import LocalDomains

            addresses = () if self._reverse is None else self._reverse.names
            domains = LocalDomains(
                self._domains,
                ttl=settings.localTtl,
                records=chain(self._records, map(reverseNameOf, addresses)),
                hosts=None if hosts is None else hosts.current,
                routed=self._routed,
            )
            names = ", ".join(map(nameToText, self._domains))
            yield Part(Stage.LOCAL, lambda: f"local-domain: {names} only known here, never forwarded", wrap=inFront(domains))

    def look(self) -> None:
        hosts = self._hosts
        if hosts is None:
            return
        hosts.refresh()
        # A query in between may have made it reload.
        seen, self._seen = self._seen, hosts.table
        if seen is not None and seen is not self._seen:
            self._site.changed()

    def nameOf(self, address: str) -> str:
        try:
            packed = socket.inet_pton(socket.AF_INET6 if ":" in address else socket.AF_INET, address)
        except OSError:
            # A client of a Unix socket, or an address with a scope.
            return ""
        name = None if self._hosts is None else self._hosts.current().names.get(packed)
        if name is None and self._reverse is not None and packed in self._reverse.names:
            name = self._reverse.names[packed].name
        return "" if name is None else nameToText(name, final=False)
