"""
The sources of a server for the names of its own network: local records, hosts files, and domains that are only known here.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from itertools import chain
from typing import TYPE_CHECKING

from twisted_ext.addressranges import reverseNameOf
from twisted_ext.errors import BadDescription
from twisted_ext.resolver.policy.localrecords import (
    LocalRecordsSource,
    LocalReverse,
    localRecord,
    localRecords,
    readLocalFile,
)
from twisted_ext.resolver.system.hosts import Hosts
from twisted_ext.wire.names import nameFromText, nameToText
from twisted_ext.wire.rrtypes import AAAA, A

if TYPE_CHECKING:
    from twisted.internet.interfaces import IReactorTime

    from twisted_ext.interfaces import IAnswerSource
    from twisted_ext.server.settings.settings import Settings

__all__ = ["LocalNames"]


class LocalNames:
    """
    The sources for local names, as the settings describe them. Sources that no setting asks for are left out, so that they cost nothing.

    @ivar hosts: the hosts files, if there are any.
    """

    def __init__(self, clock: IReactorTime, settings: Settings, routed: list[bytes]) -> None:
        """
        @param routed: domains that have an upstream.

        @raise BadDescription: a record or a file cannot be used, or settings contradict each other.
        """
        self._settings = settings
        self._routed = routed
        records = [localRecord(text, settings.localTtl) for text in settings.local]
        for path in settings.localFile:
            records += readLocalFile(path, settings.localTtl)
        self._records = localRecords(records)
        paths = [path for path in settings.hostsFile if path]
        expand = nameFromText(settings.expandHosts or ".")
        self.hosts = Hosts(clock, paths, ttl=settings.localTtl, expand=expand, otherTypes=settings.forwardOtherTypes) if paths else None
        reverse = LocalReverse(self._records) if settings.localReverse and self._records else None
        self._reverse = reverse if reverse is not None and reverse.names else None
        self._domains = [nameFromText(name) for name in settings.localDomain]
        both = {name.lower() for name in self._domains} & {name.lower() for name in routed}
        if both:
            raise BadDescription(
                f"local-domain {nameToText(min(both))} has an upstream as well; a route is for domains below it, or remove one of the two"
            )

    def inner(self, steps: list[Callable[[], str]]) -> list[IAnswerSource]:
        """
        Return the sources to consult before special names, in order.

        @param steps: their descriptions are appended, the innermost first.
        """
        settings, hosts = self._settings, self.hosts
        sources: list[IAnswerSource] = []
        if hosts is not None:
            sources.append(hosts)
        if self._reverse is not None:
            sources.append(self._reverse)
        if self._domains:
            from twisted_ext.resolver.policy.localdomains import LocalDomains

            addresses = () if self._reverse is None else self._reverse.names
            sources.append(
                LocalDomains(
                    self._domains,
                    ttl=settings.localTtl,
                    records=chain(self._records, map(reverseNameOf, addresses)),
                    hosts=None if hosts is None else hosts.current,
                    routed=self._routed,
                )
            )
        if self._domains:
            steps.append(lambda: f"local-domain: {', '.join(map(nameToText, self._domains))} only known here, never forwarded")
        if self._reverse is not None:
            steps.append(lambda: "local-reverse: the names of addresses in local records")
        if hosts is not None:
            expanded = f", names of one label also below {settings.expandHosts}" if settings.expandHosts else ""
            steps.append(partial("hosts: {}{}".format, hosts.path, expanded))
        return sources

    def last(self, steps: list[Callable[[], str]]) -> list[IAnswerSource]:
        """
        Return the sources to consult just before those of all other names.

        @param steps: see L{inner}.
        """
        if not self._settings.domainNeeded:
            return []
        from twisted_ext.resolver.policy.localdomains import PlainNames

        steps.append(lambda: "domain-needed: names of one label are not forwarded")
        return [PlainNames(self._routed)]

    def filtered(self, source: IAnswerSource, steps: list[Callable[[], str]]) -> IAnswerSource:
        """
        Wrap the source of upstream answers in a filter, if addresses of a family are to be left out.

        @param steps: see L{inner}.
        """
        types = {"AAAA": AAAA} if self._settings.filterAaaa else {}
        types |= {"A": A} if self._settings.filterA else {}
        if not types:
            return source
        from twisted_ext.resolver.policy.typefilter import TypeFilter

        steps.append(lambda: f"filter: no {' and '.join(types)} records from upstreams")
        return TypeFilter(source, types.values())

    def outer(self, source: IAnswerSource, steps: list[Callable[[], str]]) -> IAnswerSource:
        """
        Wrap the source of all names in that of the local records, if there are any.

        @param steps: see L{inner}.
        """
        settings, hosts = self._settings, self.hosts
        records: LocalRecordsSource | None = None
        if self._records:
            listed = None if hosts is None else lambda name: name in hosts.current().addresses
            source = records = LocalRecordsSource(source, self._records, listed, otherTypes=settings.forwardOtherTypes)
        if settings.forwardOtherTypes and (self._records or hosts is not None):
            from twisted_ext.resolver.policy.othertypes import OtherTypes

            source = OtherTypes(source, records, None if hosts is None else hosts.current)
        if settings.local or settings.localFile:
            files = "".join([f", {path}" for path in settings.localFile])
            steps.append(lambda: f"local: {len(settings.local)} records given{files}")
        if settings.forwardOtherTypes and (self._records or hosts is not None):
            steps.append(lambda: "forward-other-types: upstreams are asked for the other types of names in local records and hosts files")
        return source
