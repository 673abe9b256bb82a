"""
One look-up on its way through servers: what has been sent, what came of it, what is next.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from twisted.internet.defer import Deferred

from twisted_ext.answers import Answer, Origin, QueryContext
from twisted_ext.errors import BadMessage, DNSFault, ServerFailed, TimedOut, Unreachable
from twisted_ext.limits import STREAM_WAIT
from twisted_ext.outcomes import answerFromMessage, answerFromReply
from twisted_ext.resolver.choosing import bestOf, domainAsked, dueForProbe
from twisted_ext.resolver.failing import Abandoned, mostTelling, named
from twisted_ext.transport.matching import isBareFailure, isReplyTo
from twisted_ext.transport.sockets import SIZE
from twisted_ext.transport.timing import ROUNDING
from twisted_ext.wire.codes import AA, AD, CD, RA, RD, rcodeName
from twisted_ext.wire.message import Message, Question

if TYPE_CHECKING:
    from twisted_ext.interfaces import IExchange
    from twisted_ext.resolver.forwarding import Forwarding
    from twisted_ext.transport.exchanges import Leg

__all__ = ["Flight"]

#: More tries than anybody is allowed: not to be asked again in this look-up.
_DONE: Final = 1 << 16

#: Rcodes with which servers say that they do not understand EDNS: FORMERR, NOTIMP, BADVERS (RFC 6891, section 7).
_NO_EDNS: Final = frozenset((1, 4, 16))

#: Flags and count of questions of nearly all replies: QR, with or without AA, RD, RA, AD and CD; NOERROR or NXDOMAIN; one question.
_PLAIN: Final = frozenset(
    (0x8000 | aa | rd | ra | ad | cd | rcode).to_bytes(2, "big") + b"\x00\x01"
    for aa in (0, AA)
    for rd in (0, RD)
    for ra in (0, RA)
    for ad in (0, AD)
    for cd in (0, CD)
    for rcode in (0, 3)
)

#: A query under way: where, under which id, to which server, since when, and whether without EDNS against our wish.
_Open = tuple["Leg", bytes, int, float, bool]


class _Troubles:
    """
    What a flight has to keep in mind once something did not go as it mostly does.

    @ivar tries: queries by UDP to each server; L{_DONE} where there shall be no more.
    @ivar others: earlier queries and probes that are still open.
    @ivar faults: what has come to nothing.
    @ivar plainAt: the server that is asked without EDNS because it stumbled over it, or -1.
    @ivar streamed: servers that have been asked by TCP, as bits.
    @ivar plain: whether the query that is waited for is one without EDNS because of that.
    """

    __slots__ = ("tries", "others", "faults", "plainAt", "streamed", "plain")

    def __init__(self, tries: list[int]) -> None:
        self.tries = tries
        self.others: list[_Open] = []
        self.faults: list[DNSFault] = []
        self.plainAt = -1
        self.streamed = 0
        self.plain = False


class Flight:
    """
    One question and its deadline.

    A query goes to the best server; time-outs, refusals and failures lead to the next. Earlier queries stay open, so that a slow
    server's answer counts as well. Whatever is not a reply to the question is passed over.

    @ivar question: what is asked.
    @ivar context: with what wishes.
    @ivar deferred: who waits for it; gone when it is over.
    @ivar query: the message as it is sent now, without its id.
    @ivar wire: the question in it.
    @ivar due: when to do something about silence.
    @ivar attempts: queries sent.
    """

    __slots__ = (
        *("question", "context", "deferred", "query", "wire", "due", "attempts", "_source", "_began", "_troubles"),
        # The query that silence is waited out for.
        *("_leg", "_key", "_index", "_sentAt"),
    )

    query: bytes
    due: float
    _began: float
    _key: bytes
    _index: int
    _sentAt: float

    def __init__(self, source: Forwarding, question: Question, context: QueryContext) -> None:
        self._source = source
        self.question = question
        self.context = context
        self.deferred: Deferred[Answer] = Deferred(self._cancelled)
        self.wire = question.name + question.key[-4:] if source.mix is None else source.mix(question)
        self.attempts = 0
        self._leg: Leg | None = None
        self._troubles: _Troubles | None = None

    def begin(self, now: float) -> None:
        """
        Send the first query.
        """
        self._began = now
        source = self._source
        context = self.context
        self.due = context.deadline
        source.waiting.add(self)
        if now >= context.deadline:
            self.end(TimedOut(f"{named(self.question)}: the time for it was over before it was asked"))
        elif source.alone:
            self._send(0, now)
        else:
            index = source.first(now)
            if context.budget is None and not (source.stream or context.stream):
                self._probe(index, now)
            # What a probe finds out may have been the end of the source.
            if self in source.waiting:
                self._send(index, now)

    # -- what exchanges call

    def replied(self, octets: bytes, now: float, leg: Leg, key: bytes) -> bool:
        if octets[2:6] not in _PLAIN or not octets.startswith(self.wire, 12):
            # Not what comes nearly always: another spelling, a truncated reply, a failure, or no reply to this at all.
            if not self._matches(octets, leg, key):
                return False
            if octets[2] & 2:
                self._truncated(now, leg, key)
                return True
            if octets[3] & 15 not in (0, 3):
                self._declined(octets, now, leg, key)
                return True
        source = self._source
        exchange = leg.exchange
        try:
            answer = answerFromReply(self.question, octets, Origin(exchange.kind, exchange.label, self.attempts, now - self._began))
        except BadMessage as fault:
            self._malformed(octets, fault, now, leg, key)
            return True
        except ServerFailed:
            self._declined(octets, now, leg, key)
            return True
        if self._troubles is None:
            standing = source.standings[self._index]
            standing.replied(now - self._sentAt)
        else:
            _, _, index, sentAt, plain = self._open(leg, key)
            standing = source.standings[index]
            standing.replied(now - sentAt if self._troubles.tries[index] == 1 else None)
            if plain:
                standing.neededPlain(now)
        if standing.declines:
            standing.answered()
        if standing.plainSigns and answer.message is not None and answer.message.edns is not None:
            standing.tookEDNS()
        if self.context.trace is not None:
            self._note(now, "reply", exchange, rcode=rcodeName(answer.rcode), octets=len(octets))
        self._over()
        deferred = self.deferred
        # It leads back here by its canceller; without a circle both are gone at once.
        del self.deferred
        deferred.callback(answer)
        return True

    def doubted(self, now: float, leg: Leg, key: bytes) -> None:
        self._note(now, "near miss", leg.exchange)
        self._byStream(self._open(leg, key)[2], now)

    def failed(self, fault: DNSFault, now: float, leg: Leg, key: bytes) -> None:
        index = self._open(leg, key)[2]
        self._source.standings[index].silent(now, str(fault))
        self._setBack(index, fault, now, leg, key)

    # -- what the timetable calls

    def overdue(self, now: float) -> None:
        """
        Nothing of use has come in time.
        """
        leg = self._leg
        if leg is None or now >= self.context.deadline - ROUNDING:
            self.end(self._soFar(now))
            return
        self._source.standings[self._index].silent(now)
        self._note(now, "timed out", leg.exchange)
        self._next(now)

    # -- what the source calls

    def end(self, fault: DNSFault) -> None:
        """
        Be over.
        """
        self._over()
        deferred = self.deferred
        del self.deferred
        deferred.errback(fault)

    # -- sending

    def _send(self, index: int, now: float) -> None:
        source = self._source
        context = self.context
        standing = source.standings[index]
        plainHead, head, opt = source.partsOf(context) if context.variant else source.parts
        troubles = self._troubles
        plain = troubles is not None and troubles.plainAt == index
        if plain or now < standing.plainUntil or not opt:
            self.query = plainHead + self.wire
        else:
            self.query = head + self.wire + opt
        if source.stream or context.stream:
            self._byStream(index, now)
            return
        if context.budget is not None and not self._afford():
            return
        exchange = source.upstreams[index].datagram
        try:
            leg, key = exchange.ask(self, now)
        except Unreachable as fault:
            self._unsent(index, fault, now)
            return
        if troubles is None:
            tries = 0
        else:
            tries = troubles.tries[index]
            troubles.tries[index] = tries + 1
            self._keepOpen(troubles)
            troubles.plain = plain
        self._leg = leg
        self._key = key
        self._index = index
        self._sentAt = now
        standing.queries += 1
        waits = context.waits
        if waits is None:
            due = now + standing.wait(tries)
        elif self.attempts < len(waits):
            due = now + waits[self.attempts]
        else:
            due = context.deadline
        self.attempts += 1
        self.due = due = due if due < context.deadline else context.deadline
        if context.trace is not None:
            self._note(now, "sent", exchange, attempt=self.attempts, wait=round(due - now, 3))
        if due < source.timetable.wakesAt:
            source.timetable.wakeAt(due)

    def _byStream(self, index: int, now: float) -> None:
        source = self._source
        troubles = self._trouble()
        if troubles.streamed >> index & 1 or (self.context.budget is not None and not self._afford()):
            return
        troubles.streamed |= 1 << index
        # What can get lost by this way is reported; there is no use in asking twice.
        troubles.tries[index] = _DONE
        exchange = source.upstreams[index].stream
        try:
            leg, key = exchange.ask(self, now)
        except Unreachable as fault:
            self._unsent(index, fault, now)
            return
        self._keepOpen(troubles)
        troubles.plain = troubles.plainAt == index
        self._leg = leg
        self._key = key
        self._index = index
        self._sentAt = now
        source.standings[index].queries += 1
        self.attempts += 1
        deadline = self.context.deadline
        self.due = deadline if source.alone else min(deadline, now + STREAM_WAIT.default)
        self._note(now, "sent", exchange, attempt=self.attempts, wait=round(self.due - now, 3))
        source.timetable.add(self)

    def _probe(self, chosen: int, now: float) -> None:
        source = self._source
        index = dueForProbe(source.standings, chosen, now)
        source.standings[chosen].lookedAt = now
        if index is None:
            return
        standing = source.standings[index]
        standing.lookedAt = now
        plainHead, head, opt = source.partsOf(self.context)
        self.query = plainHead + self.wire if now < standing.plainUntil else head + self.wire + opt
        exchange = source.upstreams[index].datagram
        try:
            leg, key = exchange.ask(self, now)
        except Unreachable as fault:
            standing.silent(now, str(fault))
            return
        standing.queries += 1
        troubles = self._trouble()
        troubles.tries[index] = 1
        troubles.others.append((leg, key, index, now, False))
        self.attempts += 1
        self._note(now, "probed", exchange)

    def _afford(self) -> bool:
        try:
            if self.context.budget is not None:
                self.context.budget.spend()
        except DNSFault as fault:
            self.end(fault)
            return False
        return True

    # -- what comes back and is no answer

    def _matches(self, octets: bytes, leg: Leg, key: bytes) -> bool:
        source = self._source
        standing = source.standings[self._open(leg, key)[2]]
        sameCase = source.mix is not None and standing.keepsCase(self._sentAt)
        if not leg.exchange.reliable:
            return isReplyTo(octets, self.wire, sameCase)
        if not isReplyTo(octets, self.wire, False):
            return isBareFailure(octets)
        if sameCase and not octets.startswith(self.wire, 12):
            standing.changedCase(self._sentAt)
        return True

    def _truncated(self, now: float, leg: Leg, key: bytes) -> None:
        exchange = leg.exchange
        index = self._open(leg, key)[2]
        self._note(now, "truncated", exchange)
        if exchange.reliable:
            leg.release(key)
            self._setBack(index, ServerFailed(f"{exchange.label} cut its reply by TCP short", server=exchange.label), now, leg, key)
            return
        self._source.standings[index].replied(None)
        troubles = self._trouble()
        if troubles.streamed >> index & 1:
            return
        cut = ServerFailed(f"{exchange.label} cut its reply by UDP short, and did not give it by TCP", server=exchange.label)
        troubles.faults.append(cut)
        # The question that goes out again is ours, whatever the reply has.
        self._byStream(index, now)

    def _malformed(self, octets: bytes, fault: BadMessage, now: float, leg: Leg, key: bytes) -> None:
        exchange = leg.exchange
        self._note(now, "malformed", exchange, why=str(fault))
        index = self._open(leg, key)[2]
        self._source.standings[index].trouble("malformed")
        if exchange.reliable:
            leg.release(key)
            worse = ServerFailed(f"{exchange.label} sent what is no message: {fault}", server=exchange.label)
            self._setBack(index, worse, now, leg, key)
        elif len(octets) >= SIZE:
            # Longer than we asked for, and cut by us.
            self._byStream(index, now)

    def _declined(self, octets: bytes, now: float, leg: Leg, key: bytes) -> None:
        exchange = leg.exchange
        message = Message.fromWire(octets)
        try:
            answerFromMessage(self.question, message, Origin(exchange.kind, exchange.label))
            return
        except ServerFailed as problem:
            fault = problem
        except BadMessage as problem:
            self._malformed(octets, problem, now, leg, key)
            return
        fault.reply = message
        _, _, index, _, plain = self._open(leg, key)
        standing = self._source.standings[index]
        standing.replied(None)
        self._note(now, "declined", exchange, rcode=rcodeName(fault.rcode))
        if fault.rcode in _NO_EDNS and self.context.edns and not plain and standing.withEDNS(now):
            self._withoutEDNS(index, now, leg, key)
            return
        standing.trouble(rcodeName(fault.rcode))
        standing.declined(now, domainAsked(self.question.key))
        leg.release(key)
        self._setBack(index, fault, now, leg, key)

    def _withoutEDNS(self, index: int, now: float, leg: Leg, key: bytes) -> None:
        troubles = self._trouble()
        if troubles.plainAt == index:
            return
        # By UDP the query with EDNS stays open: this refusal may be forged.
        troubles.plainAt = index
        troubles.streamed &= ~(1 << index)
        troubles.tries[index] = min(troubles.tries[index], 1)
        if leg is self._leg and key == self._key:
            if leg.exchange.reliable:
                leg.release(key)
                self._leg = None
            self._note(now, "asking without EDNS", leg.exchange)
            self._send(index, now)

    def _setBack(self, index: int, fault: DNSFault, now: float, leg: Leg, key: bytes) -> None:
        """
        One query has come to nothing.
        """
        troubles = self._trouble()
        troubles.tries[index] = _DONE
        troubles.faults.append(fault)
        if leg is self._leg and key == self._key:
            self._leg = None
            self._note(now, "moving on", leg.exchange, why=str(fault))
            self._next(now)
        else:
            troubles.others = [other for other in troubles.others if other[0] is not leg or other[1] != key]

    def _unsent(self, index: int, fault: Unreachable, now: float) -> None:
        if self not in self._source.waiting:
            # Others learned of it before us, and one of them has ended this look-up.
            return
        troubles = self._trouble()
        troubles.tries[index] = _DONE
        troubles.faults.append(Unreachable(fault.text, server=fault.server))  # What was raised holds on to those who called: us.
        self._source.standings[index].silent(now, str(fault))
        if self.context.trace is not None:
            self.context.trace.note(now, "forward", "not sent", server=fault.server, why=str(fault))
        self._next(now)

    # -- what then

    def _next(self, now: float) -> None:
        """
        Ask somebody else, or wait for those who have been asked.
        """
        source = self._source
        troubles = self._trouble()
        waits = self.context.waits
        index = None
        if waits is None or self.attempts < len(waits):
            index = bestOf(source.standings, troubles.tries, now, source.tries if waits is None else _DONE)
        if index is not None:
            self._send(index, now)
        elif (self._leg is None and not troubles.others) or any(isinstance(fault, ServerFailed) for fault in troubles.faults):
            self.end(self._soFar(now))
        elif waits is None or any(leg is not None and leg.exchange.reliable for leg in (self._leg, *[each[0] for each in troubles.others])):
            self.due = self.context.deadline
            source.timetable.add(self)
        elif now >= self.due - ROUNDING:
            # That was all the time that somebody has given to attempts.
            self.end(self._soFar(now))

    def _soFar(self, now: float) -> DNSFault:
        troubles = self._trouble()
        labels = [upstream.server.label for upstream, tries in zip(self._source.upstreams, troubles.tries, strict=True) if tries]
        legs = [self._leg, *[leg for leg, _, _, _, _ in troubles.others]]
        return mostTelling(self.question, troubles.faults, labels, self.attempts, now - self._began, legs)

    # -- bookkeeping

    def _trouble(self) -> _Troubles:
        troubles = self._troubles
        if troubles is None:
            troubles = self._troubles = _Troubles(list(self._source.untried))
            if self._leg is not None:
                troubles.tries[self._index] = 1
        return troubles

    def _keepOpen(self, troubles: _Troubles) -> None:
        if self._leg is not None:
            troubles.others.append((self._leg, self._key, self._index, self._sentAt, troubles.plain))

    def _open(self, leg: Leg, key: bytes) -> _Open:
        troubles = self._troubles
        if leg is self._leg and key == self._key:
            return leg, key, self._index, self._sentAt, troubles is not None and troubles.plain
        return [other for other in self._trouble().others if other[0] is leg and other[1] == key][0]

    def _over(self) -> None:
        leg = self._leg
        if leg is not None:
            self._leg = None
            leg.release(self._key)
        troubles = self._troubles
        if troubles is not None:
            for other, key, _, _, _ in troubles.others:
                other.release(key)
            troubles.others = []
        source = self._source
        waiting = source.waiting
        waiting.discard(self)
        if not waiting:
            source.settle()

    def _cancelled(self, deferred: Deferred[Answer]) -> None:
        fault = self._soFar(self._source.seconds())
        self._over()
        del self.deferred
        deferred.errback(Abandoned(fault))

    def _note(self, now: float, event: str, exchange: IExchange, **details: str | int | float | bool | None) -> None:
        trace = self.context.trace
        if trace is not None:
            trace.note(now, "forward", event, server=exchange.label, transport=exchange.kind, **details)
