"""
The responder: takes a request through the gates, answers it at once or after a look-up, and sends the reply.

No other module sends replies.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Mapping
from os import urandom
from typing import TYPE_CHECKING, Final, cast

from twisted.internet.defer import CancelledError, Deferred

from twisted_ext.answers import KINDS, Answer, Outcome, QueryContext
from twisted_ext.cache.failures import causesOf
from twisted_ext.errors import (
    BadMessage,
    CallerFault,
    DNSFault,
    Refused,
    ServerFailed,
    TimedOut,
    TrustFault,
    Unknown,
    Unreachable,
    Withheld,
)
from twisted_ext.interfaces import IAnswerSource, IDirectSource
from twisted_ext.limits import REQUEST_LATE, REQUEST_SECONDS, REQUESTS_PER_CLIENT, REQUESTS_WAITING
from twisted_ext.metrics.counters import Counters
from twisted_ext.packetcache.clients import Client
from twisted_ext.packetcache.doors import NOWHERE, Door
from twisted_ext.packetcache.packetcache import Address, PacketCache
from twisted_ext.packetcache.table import Reply
from twisted_ext.resolver.ask import DeferredQuery, queryOf, unknown
from twisted_ext.server.config.keys import TLSPeer
from twisted_ext.server.reply.chaos import SelfTest
from twisted_ext.server.reply.gates import Gate, plainGates, standardGates
from twisted_ext.server.reply.opcodes import RefusalLog
from twisted_ext.server.reply.packetcaches import isForOneTransport, offerReply, packetCacheFor, tableFor
from twisted_ext.server.reply.replybuilder import ReplyBuilder, padded, withCookie
from twisted_ext.server.reply.replywriter import WrittenReply
from twisted_ext.server.reply.requests import Refusal, Request, Send
from twisted_ext.server.reply.waiting import WaitingRequest, WaitingRequests
from twisted_ext.transport.faultlog import FaultLog
from twisted_ext.wire.codes import CD, CH, DO, IN, RA, RD, Rcode
from twisted_ext.wire.message import HEADER_OCTETS, Question
from twisted_ext.zone.store.version import DirectAnswer

if TYPE_CHECKING:
    from twisted.internet.interfaces import IDelayedCall, IReactorTime

    from twisted_ext.interfaces import IQueryObserver, Start
    from twisted_ext.server.reply.opcodes import MessageStream, OpcodeHandler
    from twisted_ext.server.reply.rrl import ResponseRateLimit
    from twisted_ext.wire.records import RRSet

__all__ = ["Later", "Responder"]

#: Minimum time between two occasions on which a server drops its caches for lack of memory, in seconds.
_MEMORY_PAUSE: Final = 10.0

#: A request that waits to be looked up: what starts the look-up, the request, its context, and how to reply.
Later = tuple["Start", Request, QueryContext, Send]

# Info codes of extended errors (RFC 8914).
_OTHER: Final = 0
_PROHIBITED: Final = 18
_NOT_AUTHORITATIVE: Final = 20
_NETWORK: Final = 23

#: Tolerance for deadlines, in seconds.
_SLACK: Final = 0.01

#: What an observer is told in place of a gate for a transfer.
_TRANSFER: Final = "transfer"

#: Seconds for which static answers are kept in the packet cache before the source is asked again.
_STATIC_SECONDS: Final = 1.0

#: See L{OriginKind}; sets, because each reply that misses the packet cache looks.
_STATIC: Final = frozenset([kind for kind, means in KINDS.items() if means.static])
_RULED: Final = frozenset([kind for kind, means in KINDS.items() if means.ruled])
_REVEALING: Final = frozenset([kind for kind, means in KINDS.items() if means.reveals])

#: When replies from zones expire.
_FOREVER: Final = float("inf")

#: Share of an answer's TTL after which the cache is asked again, so that it can prefetch the answer before it expires.
_SHARE: Final = 0.9

#: A look-up failed because of an internal error.
_BROKEN: Final = Refusal(Rcode.SERVFAIL, ((_OTHER, "internal error"),))

_OVERFLOWED: Final = Refusal(Rcode.SERVFAIL, ((_OTHER, "too many requests wait for answers"),))

_NOT_RECURSED: Final = Refusal(Rcode.REFUSED, ((_NOT_AUTHORITATIVE, "the query has no RD flag"),))


class Responder:
    """
    Answers requests from a source.

    Answers that the source has from a cache go into the packet cache, which repeats them to all clients of the same group without asking
    the source. Clients with different answers are in a group of their own, with a view.

    @ivar limiting: limits replies to the networks of clients; L{None} for no limit.
    @ivar observer: is told of each reply, and of each request without one; or L{None}.
    @ivar around: returns what is asked instead of a source, to trace look-ups; L{None} for the source itself, which is usual.
    @ivar relieve: called after a L{MemoryError}, to free memory.
    @ivar selfTest: makes and answers the self-test query, which is answered regardless of access control.
    @ivar later: if not L{None}, requests that cannot be answered at once are appended to it, and the listener has to call L{lookUp} for
        each of them. A listener sets it during a batch, to answer queries first that need no look-up.
    """

    # Before __init__, which sets them: pydoctor would list each of them twice otherwise.

    @property
    def source(self) -> IAnswerSource:
        return self._source

    @source.setter
    def source(self, source: IAnswerSource) -> None:
        self._source = source
        direct = IDirectSource(source, None)
        self._direct: Callable[[Question, bool], DirectAnswer | None] | None = None if direct is None else direct.directAnswer

    @property
    def gates(self) -> tuple[Gate, ...]:
        return self._gates

    @gates.setter
    def gates(self, gates: tuple[Gate, ...]) -> None:
        self._gates = gates
        self._plainGates = plainGates(gates)

    def __init__(
        self,
        source: IAnswerSource,
        clock: IReactorTime,
        *,
        gates: tuple[Gate, ...] | None = None,
        replyBuilder: ReplyBuilder | None = None,
        packetCache: PacketCache | None = None,
        counters: Counters | None = None,
        limiting: ResponseRateLimit | None = None,
        unrecursed: bool = False,
        seconds: float | None = None,
        late: float | None = None,
        perClient: int | None = None,
        waiting: int | None = None,
        handlers: Mapping[int, OpcodeHandler] | None = None,
    ) -> None:
        """
        @param packetCache: the packet cache; by default one that allows clients on this machine and in private networks.
        @param unrecursed: ask the source for queries without RD even if it has no immediate answer. The context is marked accordingly, and
            the source sends no queries for them.
        @param seconds: the deadline of a request.
        @param late: seconds after which no answer is sent over UDP.
        @param perClient: requests of one client (IPv4 address or IPv6 /64) that may wait for answers.
        @param waiting: requests of all clients that may wait.
        @param handlers: what handles other requests than queries, by L{handlerKey<twisted_ext.server.reply.opcodes.handlerKey>}.
        """
        self.source = source
        self.packetCache = packetCacheFor() if packetCache is None else packetCache
        self.counters = Counters() if counters is None else counters
        self.replyBuilder = replyBuilder or ReplyBuilder()
        self.gates = standardGates() if gates is None else gates
        self.seconds: Callable[[], float] = clock.seconds
        self._clock = clock
        self.handlers = dict(handlers or {})
        self.observer: IQueryObserver | None = None
        self.around: Callable[[IAnswerSource], IAnswerSource] | None = None
        self.faults = FaultLog(self._faulty)
        self.selfTest = SelfTest(urandom(16))
        self.relieve: Callable[[], object] = self.packetCache.clear
        self._relieved = float("-inf")
        self.later: deque[Later] | None = None
        self._refusals = RefusalLog()
        self.limiting = limiting
        self._unrecursed = unrecursed
        self._patience = REQUEST_SECONDS.pick(seconds)
        self._late = REQUEST_LATE.pick(late)
        self._most = int(REQUESTS_WAITING.pick(waiting))
        self._waiting = WaitingRequests(int(REQUESTS_PER_CLIENT.pick(perClient)), self._most)
        # Failures whose replies are delayed.
        self._held: dict[Request, IDelayedCall] = {}
        self._closed = False

    # -- for listeners

    def take(
        self,
        wire: bytes,
        address: Address,
        transport: str,
        send: Send,
        local: object = None,
        client: Client | None = None,
        flow: Callable[[Iterator[bytes]], None] | None = None,
        peer: TLSPeer | None = None,
        door: Door = NOWHERE,
    ) -> bool:
        """
        Answer a message that the packet cache has no reply for.

        @param send: called with the reply, now or later, at most once.
        @param flow: called instead with a stream of messages, if the transport can carry them.
        @param peer: what the client has proved over TLS.
        @param door: how it came in.

        @return: whether the message was a request.
        """
        now = self.seconds()
        request = Request.fromWire(wire, address, transport, local, now)
        if request is None or self._closed:
            self.counters.dropped += 1
            return False
        if peer is not None:
            request.peer = peer
        try:
            request.record = self.packetCache.at(door).find(address[0], now) if client is None else client
            request.door = door
            self.respond(request, send, flow)
        except Exception as error:
            self._broken(error, request, send)
        return True

    def _faulty(self, error: BaseException) -> None:
        self.counters.faults += 1
        if isinstance(error, MemoryError):
            now = self.seconds()
            if now >= self._relieved + _MEMORY_PAUSE:
                self._relieved = now
                self.relieve()

    def _broken(self, error: BaseException, request: Request, send: Send) -> None:
        """
        Log an unexpected exception, and reply SERVFAIL if the request has no reply yet.
        """
        self.faults.note(f"answering {request}", error, request.arrived)
        if request.replied or self._closed:
            return
        # Even if it cannot be sent.
        request.replied = True
        try:
            self.counters.replied(Rcode.SERVFAIL)
            self._deliver(request, self.replyBuilder.refusal(request, _BROKEN), send, _BROKEN)
        except Exception as again:
            # Out of memory, even this reply may fail.
            self.faults.note("refusing a request", again, request.arrived)

    # -- the path of a request

    def respond(self, request: Request, send: Send, flow: Callable[[Iterator[bytes]], None] | None = None) -> None:
        now = request.arrived
        question = request.question
        edns = request.edns
        gates = self._plainGates
        if (
            request.opcode
            or question.rrClass != IN
            or request.fault is not None
            or request.signature is not None
            or request.questionEnd == HEADER_OCTETS
            or (edns is not None and (edns.options or edns.version))
        ):
            gates = self._gates
            if question.rrClass == CH and not request.opcode:
                own = self.selfTest.answer(question)
                if own:
                    self._answerSelf(request, own, send)
                    return
        for gate in gates:
            refusal = gate(request, now)
            if refusal is not None:
                self.counters.refused(gate.name)
                if gate.name == "signature" and self.handlers:
                    self._refusals.tell(request, refusal)
                self._refuse(request, refusal, send, gate.name)
                return
        if self.handlers:
            handler = self.handlers.get(request.opcode << 16 or question.rrType)
            if handler is not None:
                self._run(handler, request, send, flow)
                return
        counters = self.counters
        counters.asked(request.folded, question.rrType)
        if counters.activity is not None:
            counters.activity.asked(request.client, question.name, question.rrType, now)
        dnssecOk = edns is not None and bool(edns.flags & DO)
        view = request.record.group.view
        around = self.around
        directly = self._direct if view is None else view.direct
        if directly is not None and around is None:
            direct = directly(question, dnssecOk)
            if direct is not None and self._sentDirect(request, direct, send):
                return
        source = self._source if view is None else cast("IAnswerSource", view.source)
        if around is not None:
            source = around(source)
        recursion = bool(request.flags & RD)
        context = QueryContext(
            now + self._patience,
            recursionDesired=recursion,
            dnssecOk=dnssecOk,
            checkingDisabled=bool(request.flags & CD),
            client=request.client,
        )
        context.datagram = request.transport == "udp"
        context.transport, context.keyName = request.transport, request.keyName
        try:
            found = source.ask(question, context)
        except Exception as error:
            self._refuse(request, self._failure(error), send)
            return
        if found is None:
            self._refuse(request, self._failure(unknown(source, question)), send)
        elif isinstance(found, Answer) and (recursion or self._unrecursed or not _isRemembered(found)):
            counters.ready += 1
            self._answer(request, found, send, now, context.ends)
        elif isinstance(found, Answer) or not (recursion or self._unrecursed):
            self._refuse(request, _NOT_RECURSED, send)
        elif self.later is None:
            self._wait(found, request, context, send)
        else:
            self.later.append((found, request, context, send))

    def _answerSelf(self, request: Request, own: tuple[RRSet, ...], send: Send) -> None:
        # The statistics count only the queries of clients.
        counters = self.counters
        if request.transport == "udp":
            counters.udp -= 1
            counters.udpBeyond -= 1
        else:
            counters.tcp -= 1
            counters.tcpBeyond -= 1
            self.selfTest.connections.add((request.address[0], request.address[1]))
        request.replied = True
        send(self.replyBuilder.refusal(request, Refusal(Rcode.NOERROR, answer=own)))

    def lookUp(self, start: Start, request: Request, context: QueryContext, send: Send) -> None:
        """
        Answer a request from L{later}.
        """
        try:
            if not self._closed:
                self._wait(start, request, context, send)
        except Exception as error:
            self._broken(error, request, send)

    def _run(self, handler: OpcodeHandler, request: Request, send: Send, flow: Callable[[Iterator[bytes]], None] | None) -> None:
        try:
            outcome = handler(request)
        except Exception as error:
            outcome = self._failure(error)
        if isinstance(outcome, Deferred):

            def late(outcome: Refusal | MessageStream) -> None:
                if not self._closed:
                    self._give(outcome, request, send, flow)

            waiting = cast("Deferred[Refusal | MessageStream]", outcome)
            waiting.addErrback(lambda failure: self._failure(failure.value)).addCallback(late)
            waiting.addErrback(lambda failure: self._broken(cast("BaseException", failure.value), request, send))
        else:
            self._give(outcome, request, send, flow)

    def _give(
        self, outcome: Refusal | MessageStream, request: Request, send: Send, flow: Callable[[Iterator[bytes]], None] | None
    ) -> None:
        if isinstance(outcome, Refusal):
            self._refusals.tell(request, outcome)
            self._refuse(request, outcome, send)
        elif flow is not None:
            request.replied = True
            if self.observer is not None:
                self.observer.replied(request, b"", None, _TRANSFER)
            flow(outcome)
        else:
            first = next(outcome, None)
            if first is not None:
                self._deliver(request, first, send, None, _TRANSFER)
            close = getattr(outcome, "close", None)
            if close is not None:
                close()

    def _wait(self, start: Start, request: Request, context: QueryContext, send: Send) -> None:
        site = request.record.site
        if self._waiting.isFull(site) and not self._madeRoom(site, request.arrived):
            self._overflow(request, send)
            return
        waiting = WaitingRequest(self, request, send)
        try:
            query = waiting.query = queryOf(start, waiting, context)
        except Exception as error:
            self._refuse(request, self._failure(error), send)
            return
        self._waiting.add(waiting)
        self.counters.pending += 1
        try:
            query.begin(self.seconds())
        except Exception as error:
            waiting.errback(error)
            return
        if isinstance(query, DeferredQuery):
            query.endInTime(self._clock)

    def _madeRoom(self, site: str, now: float) -> bool:
        """
        End a request that has waited for long, for another one of this client. Return whether there is room then.
        """
        waiting = self._waiting.yielding(site, now)
        if waiting is None:
            return False
        query = waiting.leave()
        if self._landed(waiting.request):
            self._overflow(waiting.request, waiting.send)
        if query is not None:
            query.cancel()
        return not self._waiting.isFull(site)

    def _overflow(self, request: Request, send: Send) -> None:
        # Drop silently: over UDP the source address may be spoofed.
        self.counters.overflowed += 1
        self.counters.dropped += 1
        if request.transport != "udp":
            self._refuse(request, _OVERFLOWED, send)
        elif self.observer is not None:
            self.observer.dropped(request, "overflow")

    def arrived(self, answer: Answer, request: Request, send: Send) -> None:
        """
        Send the answer that a request has waited for.
        """
        try:
            if self._landed(request):
                self._answer(request, answer, send, None)
        except Exception as error:
            self._broken(error, request, send)

    def failed(self, fault: BaseException, request: Request, send: Send) -> None:
        """
        Send the failure of the look-up that a request has waited for.
        """
        try:
            self._lost(fault, request, send)
        except Exception as error:
            self._broken(error, request, send)

    def _lost(self, fault: BaseException, request: Request, send: Send) -> None:
        refusal = self._failure(fault)
        if not self._landed(request, failed=True):
            return
        left = request.arrived + self._patience - self.seconds()
        if request.transport == "udp" and left > _SLACK and self.seconds() - request.arrived > self._late and self._patience > self._late:
            # Delay each reply to the deadline of its own request: an upstream can make many look-ups fail at the same moment.
            if len(self._held) < self._most:
                self._held[request] = self._clock.callLater(left, self._tell, request, refusal, send)
            return
        self._fail(request, refusal, send)

    def _tell(self, request: Request, refusal: Refusal, send: Send) -> None:
        del self._held[request]
        self._fail(request, refusal, send)

    def _fail(self, request: Request, refusal: Refusal, send: Send) -> None:
        self.counters.failed += not refusal.rule
        self._refuse(request, refusal, send)

    def _landed(self, request: Request, failed: bool = False) -> bool:
        """
        Remove a finished request from those that wait; return whether to send a reply.

        @param failed: the look-up failed; a failure is replied even late.
        """
        self._waiting.remove(request)
        counters = self.counters
        counters.pending -= 1
        took = self.seconds() - request.arrived
        counters.waited(request.question.name, took)
        if self._closed:
            return False
        if took > self._late and not failed and request.transport == "udp":
            counters.late += 1
            if self.observer is not None:
                self.observer.dropped(request, "late")
            return False
        return True

    # -- replies

    def _answer(self, request: Request, answer: Answer, send: Send, now: float | None, most: float = _FOREVER) -> None:
        """
        Send an answer.

        @param now: the time, for an immediate answer, which may go into the packet cache; L{None} after a look-up.
        @param most: until when others may get it.
        """
        composed = self.replyBuilder.answer(request, answer)
        view = request.record.group.view
        if view is not None and not view.recursive:
            octets = composed.octets
            composed.octets = b"%b%c%b" % (octets[:3], octets[3] & ~RA, octets[4:])
        counters = self.counters
        counters.replied(answer.rcode, _isBlocked(answer))
        if composed.octets[2] & 2:
            counters.truncated += 1
        if answer.origin is not None and answer.origin.source == "stale":
            counters.stale += 1
        if self._sent(request, composed, send, answer) and now is not None:
            self._offer(request, answer, composed, now, most)

    def _sentDirect(self, request: Request, answer: DirectAnswer, send: Send) -> bool:
        """
        Send an answer from a zone, as L{_answer} would; return whether it fits.
        """
        composed = self.replyBuilder.direct(request, answer)
        if composed is None:
            return False
        self.counters.ready += 1
        self.counters.replied(Rcode.NOERROR)
        if self._sent(request, composed, send, answer):
            offerReply(request, composed, answer.epoch, [], 0.0, 0, _FOREVER, known=not answer.synthesized)
        return True

    def _sent(self, request: Request, composed: WrittenReply, send: Send, answer: Answer | DirectAnswer) -> bool:
        """
        Send the reply with an answer; return whether others may get the same one.
        """
        octets = composed.octets
        if request.cookie:
            octets = withCookie(octets, composed.optAt, request.cookie)
        if request.padded:
            octets = padded(octets, composed.optAt)
            if not request.cookie:
                composed.octets = octets
        if request.keyName:
            # A signed reply is valid for one request only, so it is not cached.
            self._deliver(request, _signed(request, octets), send, answer)
            return False
        self._deliver(request, octets, send, answer)
        return True

    def _deliver(
        self, request: Request, octets: bytes, send: Send, cause: Answer | DirectAnswer | Refusal | None, gate: str = ""
    ) -> None:
        """
        Send a reply if the client's network may get one more of its kind, and tell the observer. All replies but those to self-tests are
        sent here.

        @param cause: what was replied; L{None} for the first message of a transfer.
        @param gate: the gate that refused the request.
        """
        request.replied = True
        limiting = self.limiting
        if limiting is not None and request.record.accounts is not None and not limiting.allows(request, octets, self.seconds()):
            cut = limiting.instead(request, octets, self.replyBuilder)
            self.counters.limited(1, 0 if cut else 1)
            if not cut:
                if self.observer is not None:
                    self.observer.dropped(request, "limit")
                return
            octets = cut
        send(octets)
        if self.observer is not None:
            self.observer.replied(request, octets, cause, gate)

    def _offer(self, request: Request, answer: Answer, composed: WrittenReply, now: float, most: float) -> None:
        origin = answer.origin
        if origin is None:
            return
        if origin.learned is not None and origin.source == "cache":
            learned = origin.learned
            ends = learned + (origin.expires - learned) * _SHARE
            # The TTLs are those of this age. Since the query arrived, a second of it may have ended.
            said = int(origin.age)
            ttls = composed.ttls
        elif origin.epoch is not None:
            # Answers from zones are valid until the zone changes, and their TTLs do not go down.
            learned, said, ends, ttls = 0.0, 0, _FOREVER, []
        elif origin.source in _STATIC:
            learned, said, ends, ttls = now, 0, now + _STATIC_SECONDS, []
            if origin.learned is not None:
                # Some of its records are from a cache, whose TTLs go down.
                ends = min(ends, origin.learned + int(now - origin.learned) + 1, origin.expires)
        else:
            return
        ends = min(ends, most)
        if ends > now and said >= 0:
            known = origin.epoch is not None and _isKnown(answer, request.question.name)
            epoch = origin.epoch or self.packetCache.epoch
            offerReply(request, composed, epoch, ttls, learned, said, ends, known=known, blocked=_isBlocked(answer))

    def _refuse(self, request: Request, refusal: Refusal, send: Send, gate: str = "") -> None:
        """
        Send a refusal.

        @param gate: the gate that made it, C{""} if none did. The packet cache may repeat what a gate says.
        """
        if refusal.silent:
            self.counters.dropped += 1
            if self.observer is not None:
                self.observer.dropped(request, refusal.ruled or gate or "failure")
            return
        self.counters.replied(refusal.rcode)
        octets = self.replyBuilder.refusal(request, refusal)
        if request.keyName:
            octets = _signed(request, octets)
        self._deliver(request, octets, send, refusal, gate)
        isPlain = not request.cookie and request.signature is None and not request.opcode
        if gate and refusal.lasting and isPlain and not isForOneTransport(request):
            now = request.arrived
            reply = Reply(octets, (), now, 0, now + _STATIC_SECONDS, self.packetCache.epoch, request.questionEnd)
            tableFor(request).offer(request.wire, reply)

    def _failure(self, fault: BaseException | None) -> Refusal:
        """
        Return the refusal for a failed look-up: its RCODE, and extended errors that name the failed servers and the reasons.
        """
        if not isinstance(fault, DNSFault):
            if fault is not None and not isinstance(fault, CancelledError):
                self.faults.note("looking something up", fault, self.seconds())
            return _BROKEN
        ede = causesOf(fault)
        if isinstance(fault, Unknown):
            return Refusal(Rcode.REFUSED, ede or ((_NOT_AUTHORITATIVE, "no source here answers this"),))
        if isinstance(fault, ServerFailed):
            rcode = fault.rcode if 0 < fault.rcode < 16 else Rcode.SERVFAIL
            return Refusal(rcode, ede)
        if isinstance(fault, Withheld):
            return Refusal(fault.rcode, ede, silent=fault.isSilent, truncated=fault.isTruncated, rule=fault.rule)
        if isinstance(fault, Refused):
            return Refusal(fault.rcode, ede or ((_PROHIBITED, ""),))
        if isinstance(fault, TimedOut | Unreachable):
            return Refusal(Rcode.SERVFAIL, ede)
        if isinstance(fault, BadMessage | CallerFault):
            # The malformed message came from an upstream, not from the client.
            return Refusal(Rcode.SERVFAIL, ede or ((_NETWORK, "the servers' replies make no sense"),))
        return Refusal(fault.rcode, ede or ((_OTHER, ""),), isBogus=isinstance(fault, TrustFault))

    # -- the end

    def close(self) -> None:
        """
        Stop answering, and cancel the look-ups under way. The owner of the source has to close it.
        """
        self._closed = True
        for waiting in self._waiting.all():
            query = waiting.leave()
            self._landed(waiting.request)
            if query is not None:
                query.cancel()
        for held in self._held.values():
            held.cancel()
        self._held.clear()


def _signed(request: Request, octets: bytes) -> bytes:
    from twisted_ext.wire.tsig import replySigned

    assert request.verdict is not None
    return replySigned(octets, request.verdict, request.today)[0]


def _isBlocked(answer: Answer) -> bool:
    return answer.origin is not None and answer.origin.source == "blocked"


def _isKnown(answer: Answer, name: bytes) -> bool:
    """
    Return whether an answer consists only of names that exist in a zone, whose number is bounded: not a negative answer, and no record
    synthesized for the query name, as from a wildcard, whose number is unbounded.

    @param name: the query name, the same object as in the question.
    """
    if answer.outcome is not Outcome.DATA:
        return False
    for rrset in answer.answer:
        if rrset.name is name:
            return False
    return True


def _isRemembered(answer: Answer) -> bool:
    """
    Return whether an answer is in a cache because a client asked for it, which other clients must not find out (cache snooping). That a
    name is blocked for its aliases is known from a cache as well.
    """
    origin = answer.origin
    return origin is not None and (origin.source in _REVEALING or (origin.source in _RULED and origin.epoch is None))
