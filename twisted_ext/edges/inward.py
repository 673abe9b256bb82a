"""
Other people's resolvers as answer sources.
"""

from __future__ import annotations

import socket
from collections.abc import Iterable, Sequence
from io import BytesIO
from struct import error as StructError
from typing import Final, Protocol, cast

from twisted.internet.defer import CancelledError, Deferred, fail, maybeDeferred, succeed
from twisted.internet.interfaces import IReactorTime, IResolverSimple
from twisted.names import dns
from twisted.python.failure import Failure
from zope.interface import implementer

from twisted_ext.answers import Answer, Origin, Outcome, QueryContext, Question
from twisted_ext.edges.codes import denialFrom, faultFromError
from twisted_ext.edges.conversion.exactness import wireFromName
from twisted_ext.edges.conversion.results import Result
from twisted_ext.errors import BadMessage, CallerFault, Closed, DNSFault, TimedOut, Unknown
from twisted_ext.interfaces import IAnswerSource
from twisted_ext.outcomes import answerFromMessage
from twisted_ext.wire.codes import AA, IN
from twisted_ext.wire.message import Message
from twisted_ext.wire.names import labelsOf, nameToText
from twisted_ext.wire.rdata.registry import rdataFromWire
from twisted_ext.wire.records import RRSet, groupRecords
from twisted_ext.wire.rrtypes import AAAA, OPT, A

__all__ = ["NamesSource", "setsFrom"]

#: Seconds to the next attempt, for resolvers that have to be told; each time, three times as many.
_FIRST_WAIT: Final = 1.0

#: Seconds that somebody may keep an address of which nobody has said for how long.
_TTL: Final = 60

#: Octets of an address of IPv4.
_IPV4: Final = 4

#: Classes of twisted.names whose objects answer without waiting. They are not imported for this.
_AT_ONCE: Final = frozenset(("twisted.names.authority.FileAuthority", "twisted.names.cache.CacheResolver"))

_FAMILIES: Final = {A: socket.AF_INET, AAAA: socket.AF_INET6}


class _Queries(Protocol):
    """
    The one method that is asked of an L{IResolver<twisted.internet.interfaces.IResolver>}.
    """

    def query(self, query: dns.Query, timeout: Sequence[float]) -> Deferred[Sequence[Iterable[dns.RRHeader]]]:
        """
        Ask.
        """


class _Payload(Protocol):
    """
    A record of twisted.names.
    """

    def encode(self, strio: BytesIO, compDict: dict[bytes, int] | None = None) -> None:
        """
        Write the rdata.
        """


def setsFrom(headers: Iterable[dns.RRHeader]) -> tuple[RRSet, ...]:
    """
    @return: records of twisted.names as sets, without OPT.

    @raise BadMessage: something that is no record, or one whose octets cannot be.
    """
    records: list[RRSet] = []
    for header in headers:
        try:
            if header.type == OPT:
                continue
            payload: object = header.payload
            address = payload.address if type(payload) is dns.Record_A and header.type == A else None
            if isinstance(address, bytes) and len(address) == _IPV4:
                rdata = address
            else:
                strio = BytesIO()
                cast(_Payload, payload).encode(strio, None)
                rdata = strio.getvalue()
                rdataFromWire(header.type, rdata)
            records.append(RRSet(wireFromName(header.name), header.type, header.cls, max(0, int(header.ttl)), (rdata,)))
        except (AttributeError, TypeError, ValueError, OSError, StructError) as error:
            raise BadMessage(f"{header!r:.200} cannot be read as a record: {error}") from error
    return groupRecords(records) if records else ()


@implementer(IAnswerSource)
class NamesSource:
    """
    Ask a resolver of twisted.names, or anything that implements C{query} of L{IResolver<twisted.internet.interfaces.IResolver>}; of
    one that is an L{IResolverSimple} only, its C{getHostByName}.

    What it raises is read with L{twisted_ext.edges.codes}. It is asked for class IN only, because those of Twisted take every class
    for that.
    """

    def __init__(self, resolver: object, clock: IReactorTime) -> None:
        """
        @raise CallerFault: it has neither C{query} nor C{getHostByName}.
        """
        self.resolver = resolver
        self._clock = clock
        self._queries = hasattr(resolver, "query")
        if not self._queries and not hasattr(resolver, "getHostByName"):
            raise CallerFault(f"{resolver!r} is no resolver: it has neither query() nor getHostByName()")
        self._label = type(resolver).__module__ + "." + type(resolver).__name__
        self._waiting: set[_Asking] = set()
        self._closed = False
        self._atOnce = self._queries and not _AT_ONCE.isdisjoint(
            [f"{each.__module__}.{each.__name__}" for each in type(resolver).__mro__]
        )

    def answerNow(self, question: Question, context: QueryContext) -> Answer | None:
        """
        Zones and caches of Twisted's answer at once; others are not asked, since nobody would wait for them.
        """
        if not self._atOnce:
            return None
        answered = self.answer(question, context)
        answer = answered.result if answered.called and not answered.paused else None
        if isinstance(answer, Answer):
            return answer
        # It has nothing on that, or takes its time after all: whoever wants to know will ask again.
        answered.addErrback(lambda _: None)
        answered.cancel()
        return None

    def answer(self, question: Question, context: QueryContext) -> Deferred[Answer]:
        if self._closed:
            return fail(Closed(f"{self._label} was closed"))
        labels = labelsOf(question.name)
        name = b".".join(labels)
        if question.rrClass != IN or b"\\" in name or name.count(b".") >= max(1, len(labels)):
            return fail(Unknown(f"{self._label} cannot be asked for {question}"))
        left = context.deadline - self._clock.seconds()
        if left <= 0:
            return fail(TimedOut(f"no time was left to ask {self._label}"))
        if context.trace is not None:
            context.trace.note(self._clock.seconds(), "names", "asked", resolver=self._label)
        waits = context.waits or _waitsWithin(left)
        if self._queries:
            query = dns.Query(b"", question.rrType, question.rrClass)
            query.name.name = name
            came = maybeDeferred(cast(_Queries, self.resolver).query, query, waits)
            if came.called and not came.paused and not isinstance(came.result, Failure):
                # Zones and caches answer at once: there is nothing to wait for, and nothing to cancel.
                try:
                    return succeed(self._cbResult(cast("Sequence[Iterable[dns.RRHeader]]", came.result), question))
                except Exception:
                    asked: Deferred[Answer] = fail()
            else:
                asked = came.addCallback(self._cbResult, question)
        elif question.rrType in _FAMILIES:
            # IResolverSimple says nothing of names as octets.
            text = nameToText(question.name, final=False)
            simple = cast(IResolverSimple, self.resolver)
            asked = maybeDeferred(simple.getHostByName, text, cast("Sequence[int]", waits)).addCallback(
                self._cbAddress, question
            )
        else:
            return fail(Unknown(f"{self._label} knows addresses only"))
        return _Asking(self._waiting, asked, self._clock, left, self._label).outer

    def _cbResult(self, result: Sequence[Iterable[dns.RRHeader]], question: Question) -> Answer:
        if isinstance(result, Result):
            return result.answer
        try:
            sections = [list(section) for section in result]
            answers, authority, additional = sections
        except (TypeError, ValueError):
            raise BadMessage(f"{self._label} gave {result!r:.200}, which is not three lists of records") from None
        flags = AA if any(header.auth for header in answers) else 0
        message = Message(0, flags, (question,), setsFrom(answers), setsFrom(authority), setsFrom(additional))
        answer = answerFromMessage(question, message, Origin("names", self._label, 1))
        answer.message = None
        return answer

    def _cbAddress(self, address: str, question: Question) -> Answer:
        family = _FAMILIES[question.rrType]
        if (":" in address) != (family == socket.AF_INET6):
            raise Unknown(f"{self._label} gave an address of the other family")
        rrset = RRSet(question.name, question.rrType, IN, _TTL, (socket.inet_pton(family, address.partition("%")[0]),))
        return Answer(Outcome.DATA, (rrset,), origin=Origin("names", self._label, 1))

    def close(self) -> Deferred[None]:
        self._closed = True
        for asking in list(self._waiting):
            asking.end(Closed(f"{self._label} was closed"))
        return succeed(None)

    def sources(self) -> tuple[IAnswerSource, ...]:
        return ()

    def __repr__(self) -> str:
        return f"<NamesSource {self._label}>"


def _waitsWithin(seconds: float) -> tuple[float, ...]:
    """
    @return: waits, each three times the one before, that fill the time there is.
    """
    waits: list[float] = []
    wait = _FIRST_WAIT
    while seconds > wait:
        waits.append(wait)
        seconds -= wait
        wait *= 3
    waits.append(seconds)
    return tuple(waits)


def _denialFrom(raised: BaseException, label: str) -> Answer | None:
    """
    @return: what L{denialFrom} gives, with the records of the reply where Twisted's exception holds it.
    """
    denial = denialFrom(raised)
    reply = raised.args[0] if raised.args else None
    if denial is None or denial.origin is not None:
        return denial
    denial.origin = Origin("names", label, 1)
    if isinstance(reply, dns.Message):
        try:
            denial.answer, denial.authority = setsFrom(reply.answers), setsFrom(reply.authority)
        except BadMessage:
            # That there is no such name was said all the same.
            return denial
    return denial


class _Asking:
    """
    One question put to a resolver that may never answer.

    @ivar outer: what the caller has.
    """

    def __init__(
        self, waiting: set[_Asking], asked: Deferred[Answer], clock: IReactorTime, seconds: float, label: str
    ) -> None:
        self.outer: Deferred[Answer] = Deferred(self._cancelled)
        self._waiting = waiting
        self._asked = asked
        self._label = label
        waiting.add(self)
        self._timer = clock.callLater(seconds, self.end, TimedOut(f"{label} did not answer in time", server=label))
        asked.addCallbacks(self._cbAnswer, self._ebAnswer)

    def _finish(self) -> bool:
        if self not in self._waiting:
            return False
        self._waiting.discard(self)
        if self._timer.active():
            self._timer.cancel()
        return True

    def _cbAnswer(self, answer: Answer) -> None:
        if self._finish():
            self.outer.callback(answer)

    def _ebAnswer(self, failure: Failure) -> None:
        if not self._finish():
            return
        raised = failure.value
        if raised is None or isinstance(raised, CancelledError):
            self.outer.errback(failure)
            return
        denial = _denialFrom(raised, self._label)
        if denial is not None:
            self.outer.callback(denial)
        else:
            fault = faultFromError(raised, self._label)
            if fault is not raised:
                fault.__cause__ = raised
            self.outer.errback(fault)

    def _cancelled(self, outer: Deferred[Answer]) -> None:
        if self._finish():
            self._asked.cancel()

    def end(self, fault: DNSFault) -> None:
        """
        Wait no longer.
        """
        if self._finish():
            self._asked.cancel()
            self.outer.errback(fault)
