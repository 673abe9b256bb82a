"""
Names that no upstream is asked about: the domains of the local network, and names of one label.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import chain
from typing import TYPE_CHECKING, Final

from zope.interface import implementer

from twisted_ext.answers import Answer, Origin, Outcome, QueryContext
from twisted_ext.interfaces import IAnswerSource
from twisted_ext.resolver.local.localanswers import emptySOA, lastTime
from twisted_ext.resolver.sources import LocalSource
from twisted_ext.wire.addressranges import reverseNameOf
from twisted_ext.wire.codes import IN, Rcode
from twisted_ext.wire.message import Question
from twisted_ext.wire.names import ROOT, parentOf
from twisted_ext.wire.rrtypes import AAAA, ANY, DS, HTTPS, SOA, A

if TYPE_CHECKING:
    from twisted_ext.resolver.local.hosts import HostsTable

__all__ = ["LocalDomains", "PlainNames"]

_LOCAL: Final = Origin("local")

_ARPA: Final = b"\x04arpa\x00"

#: What programs ask for when they want to connect to a host. Other types of names of one label belong to top-level domains.
_HOST_TYPES: Final = frozenset((A, AAAA, ANY, HTTPS))


@implementer(IAnswerSource)
class LocalDomains(LocalSource):
    """
    Answers for all names of domains that are only known here, as the last of the sources that know their names: it denies the other names,
    and data of other types. It does not answer for names outside these domains.

    The DS records of a domain belong to its parent, so they are not denied: clients that validate need the proof that the domain is not
    signed (RFC 8375, section 4).
    """

    __slots__ = ("_domains", "_records", "_routed", "_reverse", "_hosts", "_table", "_listed", "_ttl")

    what = "the local domains"

    def __init__(
        self,
        domains: Iterable[bytes],
        *,
        ttl: int,
        records: Iterable[bytes] = (),
        hosts: Callable[[], HostsTable] | None = None,
        routed: Iterable[bytes] = (),
    ) -> None:
        """
        @param ttl: for how long clients may cache a denial, in seconds.
        @param records: the owners of local records, folded, and the reverse names of their addresses.
        @param hosts: returns the contents of the hosts files.
        @param routed: domains below these that have an upstream.
        """
        self._domains = frozenset([domain.lower() for domain in domains])
        self._routed = frozenset([domain.lower() for domain in routed])
        self._records = self._known(records)
        self._hosts = hosts
        # Only where it matters: there may be a hundred thousand addresses.
        self._reverse = any(domain.endswith(_ARPA) for domain in self._domains)
        self._table: HostsTable | None = None
        self._listed: frozenset[bytes] = frozenset()
        self._ttl = ttl

    def _above(self, name: bytes) -> bytes:
        """
        Return the nearest local domain that this name is in, C{b""} if it is in none.
        """
        domains = self._domains
        while name not in domains:
            if name == ROOT:
                return b""
            name = name[name[0] + 1 :]
        return name

    def _known(self, names: Iterable[bytes]) -> frozenset[bytes]:
        """
        Return those of the names that are in local domains, and all names between them and their domains.
        """
        # There may be a hundred thousand names and as many domains.
        found = set(self._domains)
        for name in names:
            passed: list[bytes] = []
            while name not in found:
                if name == ROOT:
                    break
                passed.append(name)
                name = name[name[0] + 1 :]
            else:
                found.update(passed)
        return frozenset(found)

    def ask(self, question: Question, context: QueryContext) -> Answer | None:
        if question.rrClass != IN:
            return None
        rest = name = question.key[:-4]
        domains, routed = self._domains, self._routed
        while rest not in domains:
            if rest == ROOT or rest in routed:
                return None
            rest = rest[rest[0] + 1 :]
        if name == rest and question.rrType == DS and (name == ROOT or not self._above(parentOf(name))):
            return None
        answer = self._denial(question, name, rest)
        if context.trace is not None:
            context.trace.note(lastTime(context.trace), "local", answer.outcome.value, reason="local-domain")
        return answer

    def _denial(self, question: Question, name: bytes, domain: bytes) -> Answer:
        soa = emptySOA(domain, self._ttl)
        if name == domain and question.rrType == SOA:
            return Answer(Outcome.DATA, (soa,), origin=_LOCAL)
        if name in self._records or name in self._inHosts():
            return Answer(Outcome.NODATA, (), (soa,), origin=_LOCAL)
        return Answer(Outcome.NXDOMAIN, (), (soa,), rcode=Rcode.NXDOMAIN, origin=_LOCAL)

    def _inHosts(self) -> frozenset[bytes]:
        if self._hosts is not None:
            table = self._hosts()
            if table is not self._table:
                self._table = table
                self._listed = self._known(chain(table.addresses, map(reverseNameOf, table.names) if self._reverse else ()))
        return self._listed


@implementer(IAnswerSource)
class PlainNames(LocalSource):
    """
    Denies hosts whose name is a single label, such as C{printer}: they are names of the local network, which upstreams cannot know. It does
    not answer for other names, nor for the types that top-level domains have.

    The denial has no SOA record, so that clients do not cache it: it must not seem to apply to a top-level domain.
    """

    __slots__ = ("_routed",)

    what = "the rule for names of one label"

    def __init__(self, routed: Iterable[bytes] = ()) -> None:
        """
        @param routed: domains that have an upstream.
        """
        self._routed = frozenset([domain.lower() for domain in routed])

    def ask(self, question: Question, context: QueryContext) -> Answer | None:
        key = question.key
        first = key[0]
        # The name of one label ends with the octet after it, before type and class.
        if len(key) != first + 6 or not first or question.rrType not in _HOST_TYPES or question.rrClass != IN:
            return None
        if key[:-4] in self._routed:
            return None
        if context.trace is not None:
            context.trace.note(lastTime(context.trace), "local", "no such name", reason="domain-needed")
        return Answer(Outcome.NXDOMAIN, rcode=Rcode.NXDOMAIN, origin=_LOCAL)
