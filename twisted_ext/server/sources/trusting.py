"""
What a server trusts: the trust anchors of its settings and their exceptions, for all of its sources that validate.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from time import time
from typing import TYPE_CHECKING, Final

from twisted.logger import Logger

from twisted_ext.answers import QueryContext, Security
from twisted_ext.cache.choice import EVERYTHING, Choice
from twisted_ext.dnssec.anchors.negative import NegativeTrustAnchors, negativesOf, textsByName
from twisted_ext.dnssec.times import timeToText
from twisted_ext.dnssec.trustanchors import Anchor, TrustAnchors, keyTagOf
from twisted_ext.dnssec.work import Work
from twisted_ext.errors import DNSFault, TrustFault
from twisted_ext.limits import LOOKUP_SECONDS
from twisted_ext.resolver.ask import behind, lookUp
from twisted_ext.resolver.caching.cached import CachedSource
from twisted_ext.resolver.recursive.configured import Trust, readAnchors
from twisted_ext.resolver.recursive.validating import ValidatingSource
from twisted_ext.wire.message import Question
from twisted_ext.wire.names import nameToText
from twisted_ext.wire.rdata.registry import rdataToText
from twisted_ext.wire.rrtypes import DNSKEY, DS, SOA, typeName

if TYPE_CHECKING:
    from twisted_ext.interfaces import IAnswerSource
    from twisted_ext.metrics.figures import JSON
    from twisted_ext.server.config.settings import Settings
    from twisted_ext.server.sources.recursor import Recursor

__all__ = ["Trusted", "Trusting", "anchorsOf", "applyNegatives", "readTrusted"]

_log: Final = Logger(__name__)


@dataclass(frozen=True, slots=True)
class Trusted:
    """
    What the settings and their files say.

    @ivar negatives: folded names for which validation is suspended, with the times when that ends.
    @ivar texts: how the settings say that, by name.
    """

    anchors: tuple[Anchor, ...] = ()
    negatives: dict[bytes, int] = field(default_factory=dict)
    texts: dict[bytes, str] = field(default_factory=dict)


def readTrusted(settings: Settings, now: int) -> Trusted:
    """
    @param now: seconds since 1970.

    @raise BadDescription: a file cannot be used; one line for each error.
    """
    anchors, remarks = readAnchors(settings.trustAnchor, now)
    for remark in remarks:
        _log.warn("{remark}", remark=remark)
    negatives, ended = negativesOf(settings.negativeTrustAnchor, now)
    for text in ended:
        _log.warn("negative-trust-anchor {text} has ended, and is not used", text=text)
    return Trusted(tuple(anchors), negatives, textsByName(settings.negativeTrustAnchor))


def applyNegatives(negatives: NegativeTrustAnchors, before: Trusted | None, after: Trusted, now: int) -> bool:
    """
    Apply the negative anchors of the settings whose text has changed; the others go on as they are, also where an operator has removed one
    or changed its end.

    @return: whether anything has changed.
    """
    changed = False
    for name in () if before is None else before.negatives.keys() - after.negatives.keys():
        if negatives.remove(name):
            changed = True
            _log.info("{name} is validated again: the settings have no negative trust anchor for it", name=nameToText(name))
    for name, until in after.negatives.items():
        if before is None or name not in before.negatives or before.texts[name] != after.texts[name]:
            negatives.add(name, now, until)
            changed = True
            if before is not None:
                _log.info("{name} is not validated until {until}", name=nameToText(name), until=timeToText(until))
    return changed


def anchorsOf(trust: Trust, now: int) -> dict[str, JSON]:
    """
    Describe trust anchors.

    @return: C{anchors}, each with C{zone}, C{type} and C{record} (the data as text) and C{tag}; and C{negative}, each with C{name} and
        C{until}.
    """
    shown: list[JSON] = []
    for zone in trust.anchors.zones():
        for rrType, rdatas in ((DS, zone.digests), (DNSKEY, zone.keys)):
            for rdata in rdatas:
                record = rdataToText(rrType, rdata)
                shown.append(
                    {"zone": nameToText(zone.zone), "type": typeName(rrType), "tag": keyTagOf(rrType, rdata), "record": record}
                )
    negative: list[JSON] = [{"name": nameToText(name), "until": timeToText(until)} for name, until in trust.negatives.listed(now)]
    return {"anchors": shown, "negative": negative}


class Trusting:
    """
    What a server trusts, and its sources that validate besides a recursive resolver: routes and upstreams with C{validate:}.

    @ivar trust: that of the recursive resolver, if there is one that validates.
    @ivar recursor: this resolver.
    """

    def __init__(
        self, settings: Settings, recursor: Recursor | None = None, former: Trusting | None = None, today: Callable[[], float] = time
    ) -> None:
        """
        @param recursor: the recursive resolver, if there is one that validates.
        @param former: the predecessor, whose exceptions go on.

        @raise BadDescription: a file of the settings cannot be used.
        """
        self.recursor = recursor
        self._today = today if recursor is None else recursor.today
        self._given: Trusted | None = None
        self._validating: list[ValidatingSource] = []
        self._caches: list[CachedSource] = []
        if recursor is not None:
            self.trust = recursor.trust
            return
        self.trust = Trust((), None if former is None else former.trust.negatives)
        if former is not None:
            self._given = former._given
        self.apply(readTrusted(settings, int(self._today())), False)

    def cover(self, sources: Sequence[IAnswerSource]) -> None:
        """
        Have all that validates behind these sources trust what the server does.

        @param sources: all that are asked from now on.
        """
        self._validating = [each for source in sources for each in behind(source, ValidatingSource) if each.trust is not None]
        for validating in self._validating:
            assert validating.trust is not None
            validating.trust.outer = self.trust
        # What an upstream caches itself was judged before.
        self._caches = [cache for source in sources for cache in behind(source, CachedSource)]

    def read(self, settings: Settings) -> Trusted | None:
        """
        Return what other settings say, L{None} if the recursive resolver reads that.

        @raise BadDescription: a file cannot be used.
        """
        return None if self.recursor is not None else readTrusted(settings, int(self._today()))

    def apply(self, given: Trusted | None, isChanged: bool) -> bool:
        """
        Trust what other settings say.

        @param given: the result of L{read}.
        @param isChanged: whether the recursive resolver trusts something else now.

        @return: whether anything has changed, so that earlier answers may be judged differently.
        """
        if given is not None:
            before = self._given
            isChanged = self._changes(given) or before is None or before.anchors != given.anchors
            self.trust.anchors = TrustAnchors(given.anchors)
        if isChanged:
            self.forget(None, True)
        return isChanged

    def _changes(self, given: Trusted) -> bool:
        before, self._given = self._given, given
        return applyNegatives(self.trust.negatives, before, given, int(self._today()))

    def suspend(self, name: bytes, until: int | None) -> None:
        """
        Add or remove a negative trust anchor.

        @param name: folded.
        @param until: the time when it ends, in seconds since 1970; L{None} to remove it.
        """
        now = int(self._today())
        if until is None or until <= now:
            self.trust.negatives.remove(name)
        else:
            self.trust.negatives.add(name, now, until)

    async def validates(self, name: bytes, sources: Iterable[IAnswerSource]) -> bool:
        """
        Return whether a name would be validated without negative trust anchors: nothing that validates it finds it bogus, and something
        finds that it is secure, or provably not signed. What its servers say now counts, not what is cached.

        @param name: folded.
        @param sources: all that are asked for it.
        """
        judging = {id(each): each for source in sources for each in behind(source, ValidatingSource)}
        self._refresh(name)
        found = False
        for each in judging.values():
            usually = (each.trust or self.trust).usually
            if usually(name, int(self._today())) is None:
                continue
            context = QueryContext(each.seconds() + LOOKUP_SECONDS.default, budget=Work())
            try:
                answer = await lookUp(each.trusting(usually), Question(name, SOA), context)
            except TrustFault:
                return False
            except DNSFault:
                continue
            found = found or answer.security in (Security.SECURE, Security.INSECURE)
        return found

    def _refresh(self, name: bytes) -> None:
        if self.recursor is not None:
            self.recursor.forget(name)
        self.forget(name, True)

    def ended(self) -> list[bytes]:
        """
        Return the names of negative anchors that have ended since the last call.
        """
        ended = self.trust.negatives.expire(int(self._today()))
        for name in ended:
            _log.info("the negative trust anchor {name} has ended", name=nameToText(name))
        return ended

    def exceptionFor(self, name: bytes) -> str:
        """
        Return in one line until when a name is not validated, and why; C{""} if it is.
        """
        now = int(self._today())
        found = self.trust.suspended(name.lower(), now)
        if found is None:
            return ""
        until = dict(self.trust.negatives.listed(now))[found]
        return f"not validated until {timeToText(until)}: there is a negative trust anchor for {nameToText(found)}"

    def forget(self, name: bytes | None, subtree: bool, choice: Choice = EVERYTHING) -> None:
        """
        Forget what was learned of a name, or of all names for L{None}.

        @param choice: which of that.
        """
        for validating in self._validating:
            validating.forget(None if name is None else name.lower(), subtree, choice)
        for cache in self._caches:
            cache.flush(name, subtree, choice)

    def anchors(self) -> dict[str, JSON]:
        """
        Describe the trust anchors, see L{Recursor.anchors<twisted_ext.server.sources.recursor.Recursor.anchors>}.
        """
        if self.recursor is not None:
            return self.recursor.anchors()
        return {**anchorsOf(self.trust, int(self._today())), "validates": True, "followed": []}
