"""
The search list: complete short names with the domains of this host (resolv.conf(5); RFC 1535).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from typing import Final

from twisted.internet.defer import Deferred
from twisted.python.failure import Failure
from zope.interface import implementer

from twisted_ext.answers import Answer, Outcome, QueryContext
from twisted_ext.errors import DNSFault, ServerFailed, Unknown
from twisted_ext.interfaces import IAnswerSource, Start
from twisted_ext.limits import NDOTS, SEARCH_DOMAINS
from twisted_ext.resolver.ask import lookUp, nothingOn, unknown
from twisted_ext.resolver.local.localanswers import lastTime
from twisted_ext.resolver.sources import WrappingSource
from twisted_ext.wire.codes import Rcode
from twisted_ext.wire.message import Question
from twisted_ext.wire.names import MOST_OCTETS, ROOT, labelCount, nameToText
from twisted_ext.wire.rrtypes import AAAA, A

__all__ = ["SearchListSource"]

_DATA: Final = Outcome.DATA
#: The suffix of reverse names. They are always absolute, with or without a final dot.
_ARPA: Final = b"\x04arpa\x00"
_FAMILIES: Final = {A: AAAA, AAAA: A}


@implementer(IAnswerSource)
class SearchListSource(WrappingSource):
    """
    Completes names written without a final dot with several domains, as the C library does (C{QueryContext.relative} marks such names).

    A name with C{ndots} dots or more is first tried as an absolute name, any other one last. Data ends the search. A denial or a server's
    failure (SERVFAIL) continues it, because the name may be in the next domain; any other failure ends it, unless it is that of the
    absolute name, tried first. If nothing is found, the outcome for the absolute name is the answer.

    With C{ndots} above 1, as containers of Kubernetes have it, a name with dots is more often that of another network than of a domain. So
    a domain is asked for the last label first: if it has nothing there, it has nothing below that either (RFC 8020), which is cached for
    all names that end alike. Such a domain is only asked for the name itself after the absolute name, as some servers deny what they have
    names below.

    Names below C{arpa} are not searched.

    A host with addresses of only one family has no data for the other, and that ends the search too: the two families are looked up
    separately here, and the addresses of two different hosts must not be mixed. A caller that needs one family only can set
    C{QueryContext.single}.
    """

    __slots__ = ("domains", "ndots", "topLevel", "_outer", "_inward")

    def __init__(
        self, inner: IAnswerSource, domains: Sequence[bytes], ndots: int | None = None, *, topLevel: bool = True
    ) -> None:
        """
        @param domains: in search order. The root represents the name as an absolute name.
        @param topLevel: also try a name without dots as an absolute name, after all domains.
        """
        super().__init__(inner)
        self.domains = tuple(dict.fromkeys([domain.lower() for domain in domains]))[: int(SEARCH_DOMAINS.most)]
        self.ndots = int(NDOTS.pick(ndots))
        self.topLevel = topLevel
        # Immediate answers are requested with the same context repeatedly; copying it each time would cost more than the answer.
        self._outer = self._inward = QueryContext(0.0)

    def ask(self, question: Question, context: QueryContext) -> Answer | Start | None:
        if not context.relative:
            return self._inner.ask(question, context)
        if context is not self._outer or context.trace is not self._inward.trace:
            self._outer, self._inward = context, context.but(relative=False)
        inward = self._inward
        if not self.domains or question.key[-10:-4] == _ARPA:
            found = self._inner.ask(question, inward)
            return found if found is None or isinstance(found, Answer) else partial(_startInward, found)
        search: _Search | None = None
        if self.asIsFirst(question.name):
            # Most look-ups end with the first answer and need no search.
            _note(context, question)
            try:
                found = self._inner.ask(question, inward)
            except DNSFault as fault:
                search = self._searchAfter(question, context, fault)
            else:
                if isinstance(found, Answer):
                    if found.outcome is _DATA:
                        return found
                    search = self._searchAfter(question, context, found)
                elif found is not None:
                    return partial(self._startAsIs, question, found)
        if search is None:
            search = _Search(self, question, context.single)
        while (tried := search.upcoming()) is not None:
            _note(context, tried)
            try:
                found = self._inner.ask(tried, inward)
            except DNSFault as fault:
                search.failed(fault)
            else:
                if found is None:
                    search.failed(unknown(self._inner, tried))
                elif isinstance(found, Answer):
                    search.answered(found)
                else:
                    return partial(self._startSearch, search, tried, found)
        return search.verdict()

    def _searchAfter(self, question: Question, context: QueryContext, first: Answer | DNSFault) -> _Search:
        search = _Search(self, question, context.single)
        search.upcoming()
        if isinstance(first, Answer):
            search.answered(first)
        else:
            search.failed(first)
        return search

    def _startAsIs(self, question: Question, start: Start, context: QueryContext) -> Deferred[Answer]:
        inward = context.but(relative=False)
        asked = (question, inward)
        return start(inward).addCallbacks(self._cbAsIs, self._ebAsIs, asked, {}, asked)

    def _startSearch(self, search: _Search, question: Question, start: Start, context: QueryContext) -> Deferred[Answer]:
        inward = context.but(relative=False)
        return Deferred.fromCoroutine(self._search(search, inward, question, start))

    def asIsFirst(self, name: bytes) -> bool:
        """
        Return whether this name is tried as an absolute name before any domain.
        """
        ndots = self.ndots
        if ndots == 1:
            # More than one label.
            return len(name) > name[0] + 2 or name == ROOT
        return labelCount(name) > ndots or name == ROOT

    def _cbAsIs(self, answer: Answer, question: Question, context: QueryContext) -> Answer | Deferred[Answer]:
        if answer.outcome is _DATA:
            return answer
        search = self._searchAfter(question, context, answer)
        return Deferred.fromCoroutine(self._search(search, context, search.upcoming()))

    def _ebAsIs(self, failure: Failure, question: Question, context: QueryContext) -> Failure | Deferred[Answer]:
        if not isinstance(failure.value, DNSFault):
            return failure
        search = self._searchAfter(question, context, failure.value)
        return Deferred.fromCoroutine(self._search(search, context, search.upcoming()))

    async def _search(self, search: _Search, context: QueryContext, question: Question | None, start: Start | None = None) -> Answer:
        while question is not None:
            if start is None:
                _note(context, question)
            try:
                answer = await (lookUp(self._inner, question, context) if start is None else start(context))
            except DNSFault as fault:
                search.failed(fault)
            else:
                search.answered(answer)
            start = None
            question = search.upcoming()
        return search.verdict()


def _lastLabel(name: bytes) -> bytes:
    """
    Return the last label of a name, in wire format without the root.
    """
    while len(name) > name[0] + 2:
        name = name[name[0] + 1 :]
    return name[:-1]


def _startInward(start: Start, context: QueryContext) -> Deferred[Answer]:
    return start(context.but(relative=False))


def _note(context: QueryContext, question: Question) -> None:
    if context.trace is not None:
        context.trace.note(lastTime(context.trace), "search", "tries", name=nameToText(question.name))


class _Search:
    """
    The state of one search: the next name to try, and the outcomes so far. The outcome of each question is reported before the next one
    is requested.
    """

    __slots__ = (
        *("_question", "_names", "_first", "_name", "_asIs", "_sibling", "_isProbe", "_isCut"),
        *("_single", "_found", "_noData", "_denial", "_fault", "_done"),
    )

    def __init__(self, searching: SearchListSource, question: Question, single: bool) -> None:
        self._question = question
        self._single = single
        self._first = searching.asIsFirst(question.name)
        self._names = self._candidates(searching)
        self._name = b""
        #: Whether the name to try is that of a last label, and whether the domain is not to be asked for the name then.
        self._isProbe = self._isCut = False
        #: The outcome for the absolute name, once known.
        self._asIs: Answer | DNSFault | None = None
        #: The answer that this name has no data of the type, while its other family is being looked up.
        self._sibling: Answer | None = None
        self._found: Answer | None = None
        self._noData: Answer | None = None
        self._denial: Answer | None = None
        self._fault: DNSFault | None = None
        self._done = False

    def _candidates(self, searching: SearchListSource) -> Iterator[bytes]:
        name = self._question.name
        hasDots = len(name) > name[0] + 2
        last = _lastLabel(name) if hasDots and not self._first else b""
        later: list[bytes] = []
        if self._first:
            yield name
        for domain in searching.domains:
            if self._done:
                break
            if domain == ROOT:
                if self._asIs is None:
                    yield name
            elif len(name) + len(domain) - 1 <= MOST_OCTETS:
                if last:
                    self._isProbe, self._isCut = True, False
                    yield last + domain
                    self._isProbe = False
                    if self._isCut:
                        later.append(name[:-1] + domain)
                        continue
                yield name[:-1] + domain
        if self._asIs is None and (searching.topLevel or hasDots):
            yield name
        if not self._done:
            yield from later

    def upcoming(self) -> Question | None:
        question = self._question
        if self._sibling is not None:
            return Question(self._name, _FAMILIES[question.rrType], question.rrClass)
        if self._found is not None:
            return None
        name = next(self._names, None)
        if name is None:
            return None
        self._name = name
        if self._isProbe:
            # Of one type for all, so that fewer are asked.
            return Question(name, A, question.rrClass)
        return question if name is question.name else Question(name, question.rrType, question.rrClass)

    def answered(self, answer: Answer) -> None:
        if self._isProbe:
            self._isCut = answer.outcome is Outcome.NXDOMAIN
            return
        held = self._sibling
        if held is not None:
            self._sibling = None
            if answer.outcome is _DATA:
                self._found = held
            else:
                self._denied(held)
        elif answer.outcome is _DATA:
            self._found = answer
        elif answer.outcome is Outcome.NODATA and self._question.rrType in _FAMILIES and not self._single:
            self._sibling = answer
        else:
            self._denied(answer)

    def _denied(self, answer: Answer) -> None:
        if self._name is self._question.name:
            self._asIs = answer
        self._denial = answer
        if answer.outcome is Outcome.NODATA and self._noData is None:
            self._noData = answer

    def failed(self, fault: DNSFault) -> None:
        isServerFailure = isinstance(fault, ServerFailed) and fault.rcode == Rcode.SERVFAIL
        if self._isProbe and (isServerFailure or isinstance(fault, Unknown)):
            # The name itself may fare better.
            return
        if self._sibling is not None:
            # The name exists and may have an address, so do not search for another host of that name.
            self._found, self._sibling = self._sibling, None
            return
        if self._name is self._question.name:
            self._asIs = fault
        if isinstance(fault, Unknown):
            return
        if self._fault is None:
            self._fault = fault
        if self._first and self._asIs is fault:
            return
        if not isServerFailure:
            self._done = self._isCut = True

    def verdict(self) -> Answer:
        """
        Return the answer that was found, or the outcome for the absolute name; if that was not tried, a denial from a domain.

        @raise DNSFault: nothing was found, and some of the questions failed.
        """
        found = self._found
        if found is not None:
            return found
        asIs = self._asIs
        if isinstance(asIs, Answer):
            # If the absolute name, tried last, does not exist, an earlier name that does is more informative.
            if self._first or asIs.outcome is Outcome.NODATA or (self._noData is None and self._fault is None):
                return asIs
        elif asIs is not None and not isinstance(asIs, Unknown):
            # There may have been no time left for the name tried last.
            raise self._fault or asIs
        if self._noData is not None:
            return self._noData
        if self._fault is not None:
            raise self._fault
        if self._denial is not None:
            return self._denial
        raise nothingOn("the search list", self._question)
