"""
Look up the TLSA records of a server, and the name that its certificate has to be for (RFC 6698; RFC 7671, section 7; RFC 7672, section
2.2).

Only what DNSSEC proves counts. A look-up that fails, because a server does not reply or because its answer is bogus, is a failure and never
taken for the absence of records: an attacker who can drop replies must not be able to turn authentication off (RFC 7672, section 2.1.2).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from twisted.internet.defer import DeferredList
from twisted.python.failure import Failure

from twisted_ext.aliases import found
from twisted_ext.answers import Answer, Outcome, QueryContext, Security
from twisted_ext.compat.conversion.errors import errorFromAnswer
from twisted_ext.compat.names import NamesResolver
from twisted_ext.interfaces import IAnswerSource
from twisted_ext.resolver.ask import behind, lookUp
from twisted_ext.transport.tls.dane import TLSASet
from twisted_ext.wire.message import Question
from twisted_ext.wire.names import nameFromText, nameToText
from twisted_ext.wire.rrtypes import AAAA, CNAME, TLSA, A

if TYPE_CHECKING:
    from twisted_ext.endpoints.happyeyeballs import Way

__all__ = ["TLSAFound", "ValidatingResolver", "lookUpTLSA"]


@dataclass(frozen=True, slots=True)
class TLSAFound:
    """
    What is known about a server before a connection is made.

    @ivar host: the TLSA base domain in ASCII without a final dot: the name at which secure records are, or the server's own name.
    @ivar records: its records. There are none where they would not count, since the addresses and aliases of the host are not secure.
    """

    host: str
    records: TLSASet

    @property
    def isSecure(self) -> bool:
        """
        Whether there are records that DNSSEC proves, usable or not.
        """
        return self.records.exists and self.records.security is Security.SECURE


class ValidatingResolver:
    """
    Finds a resolver whose answers are validated here: the one in use if it validates, else one that validates what that answers, with the
    trust anchors of the root that are built in.
    """

    def __init__(self, way: Way) -> None:
        self._way = way
        self._made: tuple[IAnswerSource, NamesResolver] | None = None

    def inUse(self) -> NamesResolver:
        """
        Return the resolver for look-ups that begin now.
        """
        from twisted_ext.resolver.recursive.validating import ValidatingSource

        resolver = self._way.resolverInUse()
        source = resolver.source
        if next(behind(source, ValidatingSource), None) is not None:
            return resolver
        if self._made is None or self._made[0] is not source:
            from twisted_ext.resolver.strings.recursion import validated

            self._made = source, NamesResolver(validated(self._way.reactor, source), self._way.reactor)
        return self._made[1]


async def lookUpTLSA(source: IAnswerSource, host: str, port: int, context: QueryContext) -> TLSAFound:
    """
    Look up the records of a TCP server.

    Where the host is an alias, the records at the end of the aliases are taken if all aliases are secure, and those at the host's own name
    if there are none, or if only the first alias is secure.

    @param source: one that validates.
    @param host: a host name in ASCII without a final dot.

    @raise DNSFault: a look-up failed.
    @raise LookupFailed: the host does not exist.
    """
    name = nameFromText(host)
    secure, end = await _addressesOf(source, name, context)
    if end == name.lower():
        candidates = [host] if secure else []
    elif secure:
        candidates = [nameToText(end, final=False), host]
    else:
        alias = await lookUp(source, Question(name, CNAME), context)
        candidates = [host] if alias.security is Security.SECURE else []
    records = TLSASet(_ownerOf(host, port), False, Security.INSECURE, (), 0)
    for candidate in candidates:
        owner = _ownerOf(candidate, port)
        records = TLSASet.of(owner, await lookUp(source, Question(nameFromText(owner), TLSA), context))
        here = TLSAFound(candidate, records)
        if here.isSecure:
            return here
    return TLSAFound(host, records)


async def _addressesOf(source: IAnswerSource, name: bytes, context: QueryContext) -> tuple[bool, bytes]:
    """
    Look up the addresses of a host. One of the two look-ups may fail.

    @return: whether the answers are secure, and the folded name at the end of the host's aliases, or its own.
    """
    questions = [Question(name, rrType) for rrType in (A, AAAA)]
    looking = [lookUp(source, question, context) for question in questions]
    outcomes = await DeferredList(looking, consumeErrors=True)
    answers: list[Answer] = []
    end = name.lower()
    failure: Failure | None = None
    for question, (_, outcome) in zip(questions, outcomes, strict=True):
        # The annotation of DeferredList leaves failures out.
        given: object = outcome
        if isinstance(given, Failure):
            failure = given
            continue
        answers.append(outcome)
        if outcome.outcome is Outcome.NXDOMAIN:
            raise errorFromAnswer(question, outcome)
        end = found(question, outcome, searched=False)[1].lower()
    if not answers and failure is not None:
        failure.raiseException()
    return all(answer.security is Security.SECURE for answer in answers), end


def _ownerOf(host: str, port: int) -> str:
    return f"_{port}._tcp.{host}"
