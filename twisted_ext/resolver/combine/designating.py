"""
The local zone C{resolver.arpa}, by which clients ask a resolver about itself (RFC 9462, section 6.4).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from zope.interface import classImplements

from twisted_ext.answers import Answer, Origin, Outcome, QueryContext
from twisted_ext.interfaces import IAnswerSource
from twisted_ext.resolver.local.localanswers import emptySOA, lastTime
from twisted_ext.resolver.sources import LocalSource
from twisted_ext.wire.codes import IN
from twisted_ext.wire.message import Question
from twisted_ext.wire.names import ROOT, isBelow, nameFromText
from twisted_ext.wire.records import RRSet
from twisted_ext.wire.rrtypes import ANY, SOA, SVCB

__all__ = ["DesignatingIfAny", "RESOLVER_ARPA", "DesignatingSource"]

RESOLVER_ARPA: Final = nameFromText("resolver.arpa")

_DESIGNATED: Final = nameFromText("_dns.resolver.arpa")

_SPECIAL: Final = Origin("special")


class DesignatingSource(LocalSource):
    """
    Answers what is asked of C{resolver.arpa}: the encrypted listeners of this server, or that there are none. The same records are at
    C{_dns} below the server's own name, for clients that know the name (RFC 9462, section 5). It does not answer for other names. An
    upstream's answer would be of no use: clients could not verify that its servers stand for this one (RFC 9462, section 6.1).
    """

    __slots__ = ("_designations", "_addresses", "_own", "_routed")

    what = "the zone resolver.arpa"

    def __init__(self, designations: RRSet | None = None, addresses: Iterable[RRSet] = (), routed: Iterable[bytes] = ()) -> None:
        """
        @param designations: see L{designate}.
        @param routed: domains for which the operator has chosen an upstream.
        """
        self._routed = tuple([name.lower() for name in routed if name != ROOT])
        self.designate(designations, addresses)

    def designate(self, designations: RRSet | None, addresses: Iterable[RRSet] = (), host: bytes = b"") -> None:
        """
        Set what this server designates from now on.

        @param designations: SVCB records; their owner does not matter. L{None} if there are no encrypted listeners.
        @param addresses: of their targets, for the additional section.
        @param host: the server's own name, C{b""} to answer for C{resolver.arpa} alone.
        """
        self._designations = designations
        self._addresses = tuple(addresses)
        self._own = b"\x04_dns" + host.lower() if host and designations is not None else b""

    def ask(self, question: Question, context: QueryContext) -> Answer | None:
        name = question.key[:-4]
        own = name == self._own
        if own:
            if question.rrClass != IN:
                return None
        elif not name.endswith(RESOLVER_ARPA) or question.rrClass != IN or not isBelow(name, RESOLVER_ARPA):
            return None
        if any(isBelow(name, routed) for routed in self._routed):
            return None
        if context.trace is not None:
            reason = "RFC 9462, section 5" if own else "RFC 9462, section 6.4"
            context.trace.note(lastTime(context.trace), "special", "_dns" if own else "resolver.arpa", reason=reason)
        known = self._designations
        if known is not None and (own or name == _DESIGNATED) and question.rrType in (SVCB, ANY):
            rrset = RRSet(question.name, SVCB, IN, known.ttl, known.rdatas)
            return Answer(Outcome.DATA, (rrset,), (), self._addresses, origin=_SPECIAL)
        # An upstream would deny the server's own name for other types, though it has records here.
        soa = emptySOA(name if own else RESOLVER_ARPA)
        if name == RESOLVER_ARPA and question.rrType == SOA:
            return Answer(Outcome.DATA, (soa,), origin=_SPECIAL)
        return Answer(Outcome.NODATA, (), (soa,), origin=_SPECIAL)


classImplements(DesignatingSource, IAnswerSource)


class DesignatingIfAny(DesignatingSource):
    """
    The same for a server that has nothing to say of C{resolver.arpa} while it has no encrypted listeners: it asks no upstream anyway.
    """

    __slots__ = ()

    def ask(self, question: Question, context: QueryContext) -> Answer | None:
        return None if self._designations is None else super().ask(question, context)


classImplements(DesignatingIfAny, IAnswerSource)
