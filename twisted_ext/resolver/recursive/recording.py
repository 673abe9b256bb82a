"""
Record how a question was resolved from the root, with all replies, and play it again without a network.
"""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import Callable
from dataclasses import dataclass, field
from json import JSONDecodeError, dumps, loads
from math import inf
from typing import Final

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.internet.task import Clock
from twisted.python.failure import Failure

from twisted_ext.answers import Answer, Note, Origin, QueryContext, Trace
from twisted_ext.dnssec.work import Work
from twisted_ext.errors import (
    BadDescription,
    BadMessage,
    BadName,
    BudgetSpent,
    DNSFault,
    ServerFailed,
    TimedOut,
    Unreachable,
)
from twisted_ext.outcomes import answerFromMessage
from twisted_ext.recursion.delegations import Delegation, NameServer
from twisted_ext.resolver.ask import Query, Waiter, lookUp
from twisted_ext.resolver.combine.aliasfollower import AliasFollower
from twisted_ext.resolver.recursive.pool import ServerPool
from twisted_ext.resolver.recursive.source import RecursiveSource
from twisted_ext.transport.servers import DNS_PORT, Server
from twisted_ext.wire.builder import buildMessage
from twisted_ext.wire.codes import QR
from twisted_ext.wire.message import Message, Question
from twisted_ext.wire.names import ROOT, nameFromText, nameToText
from twisted_ext.wire.rrtypes import typeName, typeNumber

__all__ = ["FORMAT", "VERSION", "LiveTrace", "RecordedQuery", "Recording", "RecordingPool", "replay", "resolveTraced"]

#: The value of C{format} in the JSON, and that of C{version}.
FORMAT: Final = "dns-trace"
VERSION: Final = 1

#: Octets of a recording: a hundred replies of 1,232 octets take 170,000 in base64.
_MOST_OCTETS: Final = 16 << 20

#: Entries of each list in it.
_MOST_ENTRIES: Final = 2000

_MOST_CHARACTERS: Final = 4096

_WHOLE: Final = 65_535

#: Seconds for a look-up.
_SECONDS: Final = 30.0

#: Servers that are this much slower than the fastest one are only queried to measure them, see L{ZoneServers
#: <twisted_ext.resolver.recursive.pool.ZoneServers>}.
_BAND: Final = 0.005

_FAULTS: Final = {each.__name__: each for each in (ServerFailed, TimedOut, Unreachable, BudgetSpent)}

_Detail = str | int | float | bool | None


class LiveTrace(Trace):
    """
    Reports each note when it is made.

    @ivar reasonFor: returns why a query was sent to a server.
    """

    def __init__(self, began: float, show: Callable[[Note], None]) -> None:
        super().__init__(began)
        self._show = show
        self.reasonFor: Callable[[str, int], str] | None = None

    def note(self, at: float, source: str, event: str, **details: _Detail) -> None:
        if source == "forward" and event == "sent" and self.reasonFor is not None:
            details["why"] = self.reasonFor(str(details.get("server")), int(details.get("attempt") or 1))
        super().note(at, source, event, **details)
        self._show(self.notes[-1])


@dataclass(slots=True)
class RecordedQuery:
    """
    One query to the servers of a zone.

    @ivar seconds: how long it took.
    @ivar notes: what happened, with the seconds since it began.
    """

    question: Question
    addresses: tuple[str, ...]
    server: str = ""
    seconds: float = 0.0
    notes: list[tuple[float, str, dict[str, _Detail]]] = field(default_factory=list)
    message: bytes = b""
    fault: str = ""
    text: str = ""
    rcode: int = 0

    @property
    def data(self) -> dict[str, object]:
        data: dict[str, object] = {
            "name": nameToText(self.question.name),
            "type": typeName(self.question.rrType),
            "addresses": list(self.addresses),
            "server": self.server,
            "seconds": round(self.seconds, 6),
            "notes": [{"after": round(after, 6), "event": event, "details": details} for after, event, details in self.notes],
        }
        if self.fault:
            return data | {"fault": self.fault, "text": self.text, "rcode": self.rcode}
        return data | {"message": b64encode(self.message).decode()}

    def result(self) -> Answer | DNSFault:
        """
        Return what came of it.

        @raise BadMessage: the message is malformed.
        """
        if self.fault:
            fault = _FAULTS.get(self.fault, ServerFailed)(self.text, server=self.server)
            fault.rcode = self.rcode
            return fault
        origin = Origin("udp", self.server, 1, self.seconds)
        try:
            return answerFromMessage(self.question, Message.fromWire(self.message), origin)
        except ServerFailed as failed:
            return failed


class _Recorder:
    """
    Records the result of a query, and passes it on.
    """

    def __init__(self, query: RecordedQuery, trace: Trace, seconds: Callable[[], float], waiter: Waiter) -> None:
        self._query = query
        self._trace = trace
        self._seconds = seconds
        self._waiter = waiter
        self._began, self._first = seconds(), len(trace.notes)

    def callback(self, result: Answer, /) -> None:
        self.record(result)
        self._waiter.callback(result)

    def errback(self, fault: Exception, /) -> None:
        self.record(fault)
        self._waiter.errback(fault)

    def record(self, result: Answer | Exception) -> None:
        query, began = self._query, self._began
        query.seconds = self._seconds() - began
        query.notes = [
            (note.at - began, note.event, note.details) for note in self._trace.notes[self._first :] if note.source == "forward"
        ]
        if isinstance(result, Answer):
            query.server = "" if result.origin is None else result.origin.server
            query.message = result.wire or _octets(query.question, result)
        else:
            query.fault, query.text = type(result).__name__, str(result)
            if isinstance(result, DNSFault):
                query.server, query.rcode = result.server, result.rcode


class RecordingPool(ServerPool):
    """
    A pool of servers that records queries, and says why a server was chosen.

    @ivar queries: what was recorded.
    """

    def __init__(
        self, reactor: IReactorTime, trace: LiveTrace, *, port: int | None = None, usable: Callable[[str], bool] | None = None
    ) -> None:
        super().__init__(reactor, port=DNS_PORT if port is None else port, usable=usable)
        self.queries: list[RecordedQuery] = []
        self._addresses: tuple[str, ...] = ()
        self._trace = trace
        trace.reasonFor = self._reason

    def prepare(
        self, waiter: Waiter, addresses: tuple[str, ...], question: Question, context: QueryContext, signed: bool = False
    ) -> Query:
        self._addresses = addresses
        query = RecordedQuery(question, addresses)
        self.queries.append(query)
        recorder = _Recorder(query, self._trace, self.seconds, waiter)
        try:
            return super().prepare(recorder, addresses, question, context, signed)
        except DNSFault as fault:
            recorder.record(fault)
            raise

    def _reason(self, server: str, attempt: int) -> str:
        count = len(self._addresses)
        if attempt > 1:
            return "the attempt before brought no answer"
        if count == 1:
            return "the only address"
        now = self.seconds()
        standings = {address: self.at(address)[1] for address in self._addresses}
        chosen = standings.get(Server.fromText(server).address)
        if chosen is None:
            return ""
        if chosen.downUntil > now:
            return f"none of the {count} addresses has answered lately"
        if chosen.rtt is None:
            return f"one of {count} addresses, not measured yet"
        best = min([standing.rtt for standing in standings.values() if standing.rtt is not None])
        if chosen.rtt <= best * 1.25 + _BAND:
            return f"among the fastest of {count} addresses, {chosen.rtt * 1000:.0f} ms"
        return f"to measure it again: {chosen.rtt * 1000:.0f} ms, the fastest of {count} addresses {best * 1000:.0f} ms"


def _octets(question: Question, answer: Answer) -> bytes:
    flags = QR | (answer.flags & ~15) | (answer.rcode & 15)
    return buildMessage(Message(0, flags, (question,), answer.answer, answer.authority, answer.additional), _WHOLE)


class _ReplayPool(ServerPool):
    """
    Gives the recorded replies after the recorded times.
    """

    def __init__(self, clock: Clock, queries: list[RecordedQuery]) -> None:
        super().__init__(clock)
        self._clock = clock
        self._queries = list(queries)

    def prepare(
        self, waiter: Waiter, addresses: tuple[str, ...], question: Question, context: QueryContext, signed: bool = False
    ) -> Query:
        query = next((query for query in self._queries if query.question == question), None)
        if query is None:
            raise ServerFailed(f"the recording has no reply for {nameToText(question.name)} {typeName(question.rrType)}")
        self._queries.remove(query)
        return _ReplayedQuery(self._clock, query, context, waiter)


class _ReplayedQuery:
    """
    Gives the recorded reply after the recorded time.
    """

    def __init__(self, clock: Clock, query: RecordedQuery, context: QueryContext, waiter: Waiter) -> None:
        self._clock = clock
        self._query = query
        self._context = context
        self._waiter = waiter
        self._calls: list[IDelayedCall] = []

    def begin(self, now: float) -> None:
        query = self._query
        for after, event, details in query.notes:
            if after <= 0:
                self._note(now, event, details)
            else:
                self._calls.append(self._clock.callLater(after, self._note, now + after, event, details))
        self._calls.append(self._clock.callLater(max(query.seconds, 0.0), self._arrive))

    def cancel(self) -> None:
        for call in self._calls:
            if call.active():
                call.cancel()
        self._waiter.errback(CancelledError())

    def _note(self, at: float, event: str, details: dict[str, _Detail]) -> None:
        if self._context.trace is not None:
            self._context.trace.note(at, "forward", event, **details)

    def _arrive(self) -> None:
        try:
            result = self._query.result()
        except BadMessage as fault:
            result = fault
        if isinstance(result, Answer):
            self._waiter.callback(result)
        else:
            self._waiter.errback(result)


@dataclass(slots=True)
class Recording:
    """
    A look-up from the root, with all that servers replied.

    @ivar root: names and addresses of the root servers that it began with.
    @ivar result: the answer or the fault; L{None} in a recording that was read and is not played.
    """

    question: Question
    root: list[tuple[bytes, tuple[str, ...]]]
    queries: list[RecordedQuery]
    steps: list[Note] = field(default_factory=list)
    began: float = 0.0
    ended: float = 0.0
    result: Answer | DNSFault | None = None

    @property
    def sent(self) -> int:
        """
        How often a query was sent, each attempt counted.
        """
        return sum([note.source == "forward" and note.event == "sent" for note in self.steps])

    def delegation(self) -> Delegation:
        return Delegation(ROOT, 0, tuple([NameServer(name, addresses, inf) for name, addresses in self.root]), inf)

    def toJSON(self) -> str:
        from twisted_ext.resolver.lookup.explain import Explanation

        answer = self.result if isinstance(self.result, Answer) else None
        fault = self.result if isinstance(self.result, DNSFault) else None
        shown = Explanation(self.question, answer, fault, self.steps, self.began, self.ended).data
        data: dict[str, object] = {
            "format": FORMAT,
            "version": VERSION,
            **shown,
            "root": [{"name": nameToText(name), "addresses": list(addresses)} for name, addresses in self.root],
            "queries": [query.data for query in self.queries],
        }
        return dumps(data)

    @classmethod
    def fromJSON(cls, text: str | bytes, where: str = "trace") -> Recording:
        """
        @param where: the name of the file, for the error.

        @raise BadDescription: it is not valid; says what is wrong, where, and what would be right.
        """
        try:
            return _read(text)
        except _Fault as fault:
            raise BadDescription(f"{where}: {fault}") from None


class _Fault(Exception):
    """
    The JSON is not valid.
    """


def _read(text: str | bytes) -> Recording:
    if len(text) > _MOST_OCTETS:
        raise _Fault(f"{len(text)} octets; a trace has at most {_MOST_OCTETS}")
    try:
        data: object = loads(text)
    except JSONDecodeError as error:
        raise _Fault(f"line {error.lineno}, column {error.colno}: not valid JSON: {error.msg}") from None
    except (ValueError, RecursionError):
        raise _Fault("not valid JSON, which txdns trace +json writes") from None
    if not isinstance(data, dict) or data.get("format") != FORMAT:
        raise _Fault(f'an object with "format": "{FORMAT}" was expected, which txdns trace +json writes')
    if data.get("version") != VERSION:
        raise _Fault(f"version {str(data.get('version'))[:20]} is not known; this program reads version {VERSION}")
    question = _question(data, "the object")
    root = []
    for index, entry in enumerate(_list(data, "root")):
        where = f"root[{index}]"
        addresses = _addresses(entry, where)
        root.append((_name(_object(entry, where), where).lower(), addresses))
    if not any(addresses for _, addresses in root):
        raise _Fault("root: at least one server with an address was expected")
    queries = [_query(entry, f"queries[{index}]") for index, entry in enumerate(_list(data, "queries"))]
    return Recording(question, root, queries)


def _object(value: object, where: str) -> dict[str, object]:
    if not isinstance(value, dict):
        raise _Fault(f"{where}: an object was expected")
    return value


def _list(data: dict[str, object], key: str, where: str = "") -> list[object]:
    found = data.get(key)
    if not isinstance(found, list) or len(found) > _MOST_ENTRIES:
        raise _Fault(f"{where}{key}: a list of at most {_MOST_ENTRIES} entries was expected")
    return found


def _string(data: dict[str, object], key: str, where: str, most: int = _MOST_CHARACTERS) -> str:
    found = data.get(key)
    if not isinstance(found, str) or len(found) > most:
        raise _Fault(f"{where}: {key}: a text of at most {most} characters was expected")
    return found


def _seconds(data: dict[str, object], key: str, where: str) -> float:
    found = data.get(key)
    if isinstance(found, bool) or not isinstance(found, (int, float)) or not -1 <= found <= 3600:
        raise _Fault(f"{where}: {key}: a number of seconds was expected")
    return float(found)


def _name(data: dict[str, object], where: str) -> bytes:
    try:
        return nameFromText(_string(data, "name", where))
    except BadName as fault:
        raise _Fault(f"{where}: name: {fault}") from None


def _question(data: dict[str, object], where: str) -> Question:
    rrType = typeNumber(_string(data, "type", where, 20))
    if rrType is None:
        raise _Fault(f"{where}: type: a record type such as AAAA was expected")
    return Question(_name(data, where), rrType)


def _addresses(value: object, where: str) -> tuple[str, ...]:
    found = _list(_object(value, where), "addresses", f"{where}: ")
    try:
        return tuple([Server(each).address for each in found if isinstance(each, str)])
    except BadDescription as fault:
        raise _Fault(f"{where}: addresses: {fault}") from None


def _query(value: object, where: str) -> RecordedQuery:
    data = _object(value, where)
    query = RecordedQuery(_question(data, where), _addresses(data, where), _string(data, "server", where))
    query.seconds = _seconds(data, "seconds", where)
    for index, entry in enumerate(_list(data, "notes", f"{where}: ")):
        place = f"{where}: notes[{index}]"
        note = _object(entry, place)
        details: dict[str, _Detail] = {}
        for key, detail in _object(note.get("details"), f"{place}: details").items():
            if key in ("self", "at", "source", "event") or not isinstance(detail, (str, int, float, bool, type(None))):
                raise _Fault(f"{place}: details: texts and numbers were expected")
            details[key] = detail
        query.notes.append((_seconds(note, "after", place), _string(note, "event", place), details))
    if "fault" in data:
        query.fault, query.text = _string(data, "fault", where), _string(data, "text", where)
        rcode = data.get("rcode")
        query.rcode = rcode if isinstance(rcode, int) and 0 <= rcode < 4096 else 2
        return query
    try:
        query.message = b64decode(_string(data, "message", where, 100_000), validate=True)
        message = Message.fromWire(query.message).check()
    except BadMessage as fault:
        raise _Fault(f"{where}: message: {fault}") from None
    except ValueError:
        raise _Fault(f"{where}: message: base64 was expected") from None
    if message.questions != (query.question,):
        raise _Fault(f"{where}: message: it answers another question")
    return query


def resolveTraced(
    reactor: IReactorTime,
    root: Delegation,
    question: Question,
    show: Callable[[Note], None],
    *,
    port: int | None = None,
    usable: Callable[[str], bool] | None = None,
    began: float | None = None,
) -> Deferred[Recording]:
    """
    Resolve a question from the root, and record it.

    @param show: called with each step when it happens.
    @param port: that of all servers; another one than 53 is for tests.
    @param usable: whether to query a server at an address; all by default.
    @param began: the time from which all times are counted; by default that of this call.

    @return: fires with the recording, also if the look-up fails.
    """
    trace = LiveTrace(reactor.seconds() if began is None else began, show)
    pool = RecordingPool(reactor, trace, port=port, usable=usable)
    recording = Recording(question, [(server.name, server.addresses) for server in root.servers], pool.queries, trace.notes)
    return Deferred.fromCoroutine(_resolve(reactor, root, pool, trace, recording))


def replay(recording: Recording, show: Callable[[Note], None]) -> Recording:
    """
    Resolve the question of a recording again, from its replies alone.

    @return: what was recorded this time, with the result.
    """
    clock = Clock()
    trace = LiveTrace(0.0, show)
    again = Recording(recording.question, recording.root, recording.queries, trace.notes)
    results: list[Recording | Failure] = []
    pool = _ReplayPool(clock, recording.queries)
    Deferred.fromCoroutine(_resolve(clock, recording.delegation(), pool, trace, again)).addBoth(results.append)
    while not results:
        following = min([call.getTime() for call in clock.getDelayedCalls()], default=None)
        if following is None:
            again.result = ServerFailed("the recording ends before the look-up does")
            return again
        clock.advance(max(following - clock.seconds(), 0.0))
    result = results[0]
    if isinstance(result, Failure):
        result.raiseException()
    return again


async def _resolve(reactor: IReactorTime, root: Delegation, pool: ServerPool, trace: Trace, recording: Recording) -> Recording:
    # The steps count from there as well: making the source takes some milliseconds.
    recording.began = trace.began
    source = AliasFollower(RecursiveSource(reactor, root, pool=pool), Work)
    try:
        recording.result = await lookUp(source, recording.question, QueryContext(reactor.seconds() + _SECONDS, trace=trace))
    except DNSFault as fault:
        recording.result = fault
    recording.ended = reactor.seconds()
    await source.close()
    return recording
