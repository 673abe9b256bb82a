"""
Local zones in a client's chain of sources. They are loaded from master files, and queried before servers.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from typing import Final

from twisted.internet.defer import Deferred, succeed
from zope.interface import implementer

from twisted_ext.aliases import found
from twisted_ext.answers import Answer, Outcome, QueryContext, Question
from twisted_ext.errors import BadDescription, Unknown
from twisted_ext.files import openNow
from twisted_ext.interfaces import IAnswerSource, Start
from twisted_ext.limits import LOCAL_ALIASES
from twisted_ext.resolver.ask import askedOn, lookUp
from twisted_ext.resolver.local.localanswers import lastTime
from twisted_ext.resolver.sources import LocalSource, WrappingSource
from twisted_ext.wire.codes import AA, IN
from twisted_ext.wire.names import nameToText
from twisted_ext.wire.rrtypes import AAAA, ANY, RRSIG, A
from twisted_ext.zone.query.answers import aliasTarget, answerAcross
from twisted_ext.zone.store.version import Version
from twisted_ext.zone.zone import Zone

__all__ = ["FollowingChain", "ZonesSource", "zoneFromFile"]

_EVERYTHING: Final = (A, AAAA)


def zoneFromFile(name: bytes, path: str) -> Zone:
    """
    Load a master file (RFC 1035, section 5), in which $INCLUDE is not allowed.

    @param name: the apex.

    @raise BadDescription: the file cannot be read, or is not a zone of this name; gives the first problem.
    """
    try:
        with open(path, "rb", opener=openNow) as opened:
            data: bytes = opened.read() or b""
    except (OSError, ValueError) as error:
        raise BadDescription(f"{path}: {getattr(error, 'strerror', None) or error}") from error
    try:
        return Zone.fromText(data, name)
    except ValueError as error:
        raise BadDescription(f"{path} is not a master file of {nameToText(name)}: {error}") from error


@implementer(IAnswerSource)
class ZonesSource(LocalSource):
    """
    Answers from zones as an authoritative server does: with wildcards, denials, and aliases from one zone to another. It does not answer
    for names outside the zones or below a delegation.

    An alias that leads out of the zones is returned as it is; L{chained<twisted_ext.resolver.combine.chain.chained>} creates chains that
    follow it.
    """

    __slots__ = ("_zones",)

    what = "the zones"

    #: See L{chained<twisted_ext.resolver.combine.chain.chained>}.
    leadsOn: Final = True

    def __init__(self, zones: Iterable[Zone]) -> None:
        self._zones = {zone.apex: zone for zone in zones}

    def _find(self, name: bytes) -> Version | None:
        while (zone := self._zones.get(name)) is None:
            if len(name) <= 1:
                return None
            name = name[name[0] + 1 :]
        return zone.current

    def ask(self, question: Question, context: QueryContext) -> Answer | None:
        if question.rrClass != IN:
            return None
        version = self._find(question.key[:-4])
        if version is None:
            return None
        if question.rrType == ANY:
            answer = self._everything(version, question)
        else:
            answer = answerAcross(self._find, question, dnssecOk=context.dnssecOk)
        if answer is None or not answer.flags & AA:
            # Names below a delegation are left to the next source.
            return None
        if context.trace is not None:
            context.trace.note(lastTime(context.trace), "zone", answer.outcome.value, zone=nameToText(version.apex))
        return answer

    def _everything(self, version: Version, question: Question) -> Answer | None:
        """
        Return all RRsets of a name without signatures, for an ANY question.
        """
        node = version.find(question.key[: -len(version.apex) - 4])
        types = [] if node is None else [each.rrType for each in node.sets if each.rrType != RRSIG]
        answers = [answerAcross(self._find, Question(question.name, rrType), dnssecOk=False) for rrType in types or _EVERYTHING]
        telling = [each for each in answers if each is not None and each.outcome is Outcome.DATA]
        if len(telling) < 2:
            return (telling or answers)[0]
        together = Answer(Outcome.DATA, tuple([rrset for each in telling for rrset in each.answer]), flags=telling[0].flags)
        together.origin = telling[0].origin
        return together

    def __repr__(self) -> str:
        return f"<Zones {' '.join([nameToText(apex) for apex in self._zones])}>"


def _isPartial(answer: Answer) -> bool:
    return answer.origin is not None and answer.origin.source == "zone" and aliasTarget(answer) is not None


@implementer(IAnswerSource)
class FollowingChain(WrappingSource):
    """
    A chain that contains zones: if an alias leads out of a zone, the chain is queried for its target.
    """

    __slots__ = ()

    def ask(self, question: Question, context: QueryContext) -> Answer | Start | None:
        found = self._inner.ask(question, context)
        if found is None or (isinstance(found, Answer) and not _isPartial(found)):
            return found
        return partial(self._startFollow, question, found)

    def _startFollow(self, question: Question, found: Answer | Start, context: QueryContext) -> Deferred[Answer]:
        asked = succeed(found) if isinstance(found, Answer) else found(context)
        return asked.addCallback(self._followed, question, context)

    def _followed(self, answer: Answer, question: Question, context: QueryContext) -> Answer | Deferred[Answer]:
        return Deferred.fromCoroutine(self._follow(answer, question, context)) if _isPartial(answer) else answer

    async def _follow(self, first: Answer, question: Question, context: QueryContext) -> Answer:
        try:
            steps = await askedOn(partial(lookUp, self._inner), question, first, context, int(LOCAL_ALIASES.default))
        except Unknown:
            return first
        _, last = steps[-1]
        end, _, left = found(*steps[-1])
        return Answer(
            last.outcome if left is None or end else Outcome.NODATA,
            tuple([rrset for _, answer in steps for rrset in answer.answer]),
            last.authority,
            last.additional,
            rcode=last.rcode,
            # AA refers to the name that was queried (RFC 1035, section 4.1.1).
            flags=last.flags | first.flags & AA,
            security=first.security,
            ede=last.ede,
            origin=last.origin,
        )
