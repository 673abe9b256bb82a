"""
Wrap resolvers of other code as answer sources.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from functools import partial
from io import BytesIO
from struct import error as StructError
from typing import TYPE_CHECKING, Final, cast

from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.defer import CancelledError, Deferred, fail, maybeDeferred, succeed
from twisted.internet.interfaces import (
    IAddress,
    IHostnameResolver,
    IHostResolution,
    IReactorTime,
    IResolutionReceiver,
    IResolver,
    IResolverSimple,
)
from twisted.names import dns
from twisted.python.failure import Failure
from zope.interface import implementer

from twisted_ext.answers import Answer, Origin, Outcome, QueryContext, Question
from twisted_ext.compat.conversion.errors import INTERNAL_ERROR, denialFrom, faultFromError
from twisted_ext.compat.conversion.names import wireFromName
from twisted_ext.compat.conversion.results import Result
from twisted_ext.compat.lookupmethods import LOOKUP_NAMES
from twisted_ext.errors import BadMessage, Closed, TimedOut, Unknown, WrongType
from twisted_ext.interfaces import IAnswerSource
from twisted_ext.outcomes import answerFromMessage, relevant
from twisted_ext.transport.faultlog import FaultLog
from twisted_ext.wire.codes import AA, IN
from twisted_ext.wire.message import Message
from twisted_ext.wire.names import labelsOf, nameToText
from twisted_ext.wire.rdata.registry import rdataFromWire
from twisted_ext.wire.records import RRSet, groupRecords
from twisted_ext.wire.rrtypes import AAAA, OPT, A, formOf, typeName

if TYPE_CHECKING:
    from twisted_ext.interfaces import Start

__all__ = ["NamesSource", "isResolver", "setsFrom", "sourceOf"]

#: The time to wait for the first attempt, in seconds, for resolvers that need it as an argument. It triples with each attempt.
_FIRST_WAIT: Final = 1.0

#: The TTL of addresses whose source gives none, in seconds.
_TTL: Final = 60

#: Classes of twisted.names whose instances answer immediately, by name: they are not imported for this.
_AT_ONCE: Final = frozenset(("twisted.names.authority.FileAuthority", "twisted.names.cache.CacheResolver"))

_FAMILIES: Final = {A: socket.AF_INET, AAAA: socket.AF_INET6}
_ADDRESSES: Final[dict[int, type[IAddress]]] = {A: IPv4Address, AAAA: IPv6Address}

#: Answer, authority and additional records.
_Lists = Sequence[Iterable[dns.RRHeader]]


def setsFrom(headers: Iterable[dns.RRHeader]) -> tuple[RRSet, ...]:
    """
    Convert records of twisted.names to RRsets, without OPT.

    @raise BadMessage: an element is not a record, or its rdata is not valid.
    """
    records: list[RRSet] = []
    for header in headers:
        try:
            if header.type == OPT:
                continue
            payload: object = header.payload
            if payload is None:
                # Twisted sends such a record without data, and so do fakes in tests.
                records.append(RRSet(wireFromName(header.name), header.type, header.cls, max(0, int(header.ttl)), (b"",)))
                continue
            address = payload.address if type(payload) is dns.Record_A and header.type == A else None
            if isinstance(address, bytes) and len(address) == 4:
                rdata = address
            else:
                strio = BytesIO()
                encode: Callable[[BytesIO, None], None] = cast(dns.IEncodableRecord, payload).encode
                encode(strio, None)
                rdata = strio.getvalue()
                rdataFromWire(formOf(header.type, header.cls), rdata)
            records.append(RRSet(wireFromName(header.name), header.type, header.cls, max(0, int(header.ttl)), (rdata,)))
        except (AttributeError, TypeError, ValueError, OSError, StructError) as error:
            # Clients get this text: it has nothing in it but the record.
            what = f"{header!r:.200}" if isinstance(header, dns.RRHeader) else f"an object of type {type(header).__name__}"
            raise BadMessage(f"{what} cannot be read as a record: {error}") from error
    return groupRecords(records) if records else ()


@implementer(IResolutionReceiver)
class _Resolving:
    def __init__(self, resolver: IHostnameResolver, name: str, kind: type[IAddress]) -> None:
        self.addresses: Deferred[list[str]] = Deferred(self._cancelled)
        self._found: list[str] = []
        self._resolution: IHostResolution | None = None
        maybeDeferred(resolver.resolveHostName, self, name, 0, [kind]).addErrback(self._failed)

    def resolutionBegan(self, resolutionInProgress: IHostResolution) -> None:
        self._resolution = resolutionInProgress

    def addressResolved(self, address: IAddress) -> None:
        if isinstance(address, IPv4Address | IPv6Address):
            self._found.append(address.host)

    def resolutionComplete(self) -> None:
        if not self.addresses.called:
            self.addresses.callback(self._found)

    def _failed(self, failure: Failure) -> None:
        if not self.addresses.called:
            self.addresses.errback(failure)

    def _cancelled(self, addresses: Deferred[list[str]]) -> None:
        if self._resolution is not None:
            with suppress(NotImplementedError):
                # Twisted's own resolution cannot be cancelled.
                self._resolution.cancel()


def isResolver(found: object) -> bool:
    return not isinstance(found, type) and (
        any(callable(getattr(found, name, None)) for name in ("query", "lookupAddress", "getHostByName", "resolveHostName"))
    )


def sourceOf(resolver: object, clock: IReactorTime) -> IAnswerSource:
    """
    Adapt a resolver of any kind to an answer source. All adaptation in this package goes through this function.

    @param resolver: a source, which is returned as is; a resolver of this package, whose underlying source is returned; or any other, which
        is adapted by zope.interface or wrapped in a L{NamesSource}.

    @raise WrongType: it is none of these.
    """
    if IAnswerSource.providedBy(resolver):
        return resolver
    conform = getattr(type(resolver), "__conform__", None)
    behind = None if conform is None else conform(resolver, IAnswerSource)
    if behind is None and not any(each.providedBy(resolver) for each in (IResolver, IResolverSimple, IHostnameResolver)):
        behind = IAnswerSource(resolver, None)
    return NamesSource(resolver, clock) if behind is None else cast(IAnswerSource, behind)


@implementer(IAnswerSource)
class NamesSource:
    """
    Query a resolver of twisted.names, or anything that implements C{query} of L{IResolver<twisted.internet.interfaces.IResolver>}, or,
    without C{query}, C{lookupAddress} and its siblings. Other resolvers provide addresses only: with C{getHostByName} of
    L{IResolverSimple}, or C{resolveHostName} of L{IHostnameResolver}.

    Exceptions are converted by L{twisted_ext.compat.conversion.errors}. Only class IN is queried, because Twisted's resolvers treat every
    class as IN.
    """

    def __init__(self, resolver: object, clock: IReactorTime) -> None:
        if not isResolver(resolver):
            raise WrongType(
                f"{resolver!r:.80} is not a resolver: it needs query() or lookup...() of IResolver, getHostByName() of IResolverSimple, "
                "or resolveHostName() of IHostnameResolver"
            )
        self.resolver = resolver
        self._clock = clock
        self._queries = hasattr(resolver, "query") or hasattr(resolver, "lookupAddress")
        self._label = type(resolver).__module__ + "." + type(resolver).__name__
        self._waiting: set[_Asking] = set()
        self._faults = FaultLog()
        self._closed = False
        self._atOnce = self._queries and not _AT_ONCE.isdisjoint(
            [f"{each.__module__}.{each.__name__}" for each in type(resolver).__mro__]
        )

    def ask(self, question: Question, context: QueryContext) -> Answer | Start | None:
        if self._atOnce:
            # Twisted's zones and caches answer at once. One that does not, or fails, is asked again with a deadline.
            answered = self._start(question, context)
            answer = answered.result if answered.called and not answered.paused else None
            if isinstance(answer, Answer):
                return answer
            answered.addErrback(lambda _: None)
            answered.cancel()
        return partial(self._start, question)

    def _start(self, question: Question, context: QueryContext) -> Deferred[Answer]:
        if self._closed:
            return fail(Closed(f"{self._label} was closed"))
        labels = labelsOf(question.name)
        name = b".".join(labels)
        if question.rrClass != IN or b"\\" in name or name.count(b".") >= max(1, len(labels)):
            return fail(Unknown(f"{self._label} cannot be queried for {question}"))
        left = context.deadline - self._clock.seconds()
        if left <= 0:
            return fail(TimedOut(f"no time was left to ask {self._label}"))
        if context.trace is not None:
            context.trace.note(self._clock.seconds(), "names", "asked", resolver=self._label)
        waits = context.waits or _waitsWithin(left)
        if self._queries:
            came = self._asked(name, question, waits)
            if came is None:
                return fail(Unknown(f"{self._label} has no look-up for {typeName(question.rrType)}"))
            if came.called and not came.paused and not isinstance(came.result, Failure):
                # Zones and caches answer immediately: no timeout and no cancellation is needed.
                try:
                    return succeed(self._cbResult(cast(_Lists, came.result), question))
                except Exception:
                    asked: Deferred[Answer] = fail()
            else:
                asked = came.addCallback(self._cbResult, question)
        elif question.rrType in _FAMILIES:
            # Neither interface allows names as octets.
            text = nameToText(question.name, final=False)
            if hasattr(self.resolver, "getHostByName"):
                simple = cast(IResolverSimple, self.resolver)
                named = maybeDeferred(simple.getHostByName, text, cast("Sequence[int]", waits))
                asked = named.addCallback(lambda address: self._cbAddresses([address], question))
            else:
                resolving = _Resolving(cast(IHostnameResolver, self.resolver), text, _ADDRESSES[question.rrType])
                asked = resolving.addresses.addCallback(self._cbAddresses, question)
        else:
            return fail(Unknown(f"{self._label} provides addresses only"))
        return _Asking(self._waiting, asked, self._clock, left, self._label, self._faults).outer

    def _asked(self, name: bytes, question: Question, waits: Sequence[float]) -> Deferred[_Lists] | None:
        """
        Call C{query}, or, if the resolver has none or does not support the type, its method for the type. For types unknown to resolvers of
        twisted.names, call their C{_lookup}, which takes any type.
        """
        resolver = self.resolver
        rrType = question.rrType
        method: Callable[..., Deferred[_Lists]] | None = getattr(resolver, LOOKUP_NAMES.get(rrType, ""), None)
        # The types that query() of twisted.names supports; None if a subclass did not call the constructor.
        known: object = getattr(resolver, "typeToMethod", self)
        send: Callable[[dns.Query, Sequence[float]], Deferred[_Lists]] | None = getattr(resolver, "query", None)
        if known is None or (isinstance(known, dict) and rrType not in known):
            lookup: Callable[..., Deferred[_Lists]] | None = getattr(resolver, "_lookup", None)
            if method is None and lookup is not None:
                return maybeDeferred(lookup, name, question.rrClass, rrType, waits)
        elif send is not None:
            query = dns.Query(b"", rrType, question.rrClass)
            query.name.name = name
            return maybeDeferred(send, query, waits)
        return None if method is None else maybeDeferred(method, name, waits)

    def _cbResult(self, result: _Lists, question: Question) -> Answer:
        if isinstance(result, Result):
            return result.answer
        try:
            sections = [list(section) for section in result]
            answers, authority, additional = sections
        except (TypeError, ValueError):
            raise BadMessage(f"{self._label} gave an object of type {type(result).__name__}, which is not three lists of records") from None
        sets = _owned(setsFrom(answers), question)
        flags = AA if any(header.auth for header in answers) else 0
        kept = relevant(question, sets)
        # Twisted's zones have the addresses of mail exchanges among the answers.
        beside = () if kept is sets else tuple([rrset for rrset in sets if rrset.rrType in _FAMILIES and rrset not in kept])
        message = Message(0, flags, (question,), kept, setsFrom(authority), (*beside, *setsFrom(additional)))
        answer = answerFromMessage(question, message, Origin("names", self._label, 1))
        answer.message = None
        return answer

    def _cbAddresses(self, addresses: Sequence[str], question: Question) -> Answer:
        family = _FAMILIES[question.rrType]
        fitting = [each.partition("%")[0] for each in addresses if (":" in each) == (family == socket.AF_INET6)]
        if not fitting:
            raise Unknown(f"{self._label} returned no address of this family")
        rdatas = tuple([socket.inet_pton(family, each) for each in dict.fromkeys(fitting)])
        rrset = RRSet(question.name, question.rrType, IN, _TTL, rdatas)
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


def _owned(sets: tuple[RRSet, ...], question: Question) -> tuple[RRSet, ...]:
    """
    Return the RRsets of an answer. If none of them belongs to the name of the question, those of the right type are given that name:
    callers of twisted.names never check the owner, and fakes in tests often leave it out.
    """
    name = question.name.lower()
    if any(rrset.name.lower() == name for rrset in sets):
        return sets
    rrType = question.rrType
    return tuple([RRSet(question.name, rrType, each.rrClass, each.ttl, each.rdatas) if each.rrType == rrType else each for each in sets])


def _waitsWithin(seconds: float) -> tuple[float, ...]:
    """
    Return the time to wait for each attempt, tripling each time, with the given sum.
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
    Return the result of L{denialFrom}, with the records of the reply if Twisted's exception contains it.
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
            # The denial is valid even if its records are not.
            return denial
    return denial


class _Asking:
    """
    A pending query to a resolver that may never answer; C{outer} is the Deferred of the caller.
    """

    def __init__(
        self, waiting: set[_Asking], asked: Deferred[Answer], clock: IReactorTime, seconds: float, label: str, faults: FaultLog
    ) -> None:
        self.outer: Deferred[Answer] = Deferred(lambda outer: self.end(CancelledError()))
        self._waiting = waiting
        self._asked = asked
        waiting.add(self)
        self._timer = clock.callLater(seconds, self.end, TimedOut(f"{label} did not answer in time", server=label))
        asked.addErrback(_translated, label, faults, clock).addBoth(self._came)

    def _finish(self) -> bool:
        if self not in self._waiting:
            return False
        self._waiting.discard(self)
        if self._timer.active():
            self._timer.cancel()
        return True

    def _came(self, result: Answer | Failure) -> None:
        if self._finish():
            self.outer.callback(result)

    def end(self, error: Exception) -> None:
        if self._finish():
            self._asked.cancel()
            self.outer.errback(error)


def _translated(failure: Failure, label: str, faults: FaultLog, clock: IReactorTime) -> Answer | Failure:
    raised = failure.value
    if raised is None or isinstance(raised, CancelledError):
        return failure
    denial = _denialFrom(raised, label)
    if denial is not None:
        return denial
    fault = faultFromError(raised, label)
    if fault is raised:
        return failure
    if fault.text == INTERNAL_ERROR:
        faults.note(f"asking {label}", raised, clock.seconds())
    raise fault from raised
