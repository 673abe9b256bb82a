"""
One look-up on its way through servers: what has been sent, what came of it, what is next.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from twisted.internet.defer import Deferred

from twisted_ext.answers import Answer, Origin, QueryContext, answerFromMessage, answerFromReply
from twisted_ext.errors import BadMessage, DNSFault, ServerFailed, TimedOut, Unreachable
from twisted_ext.limits import STREAM_WAIT
from twisted_ext.resolver.choosing import bestOf, dueForProbe
from twisted_ext.transport.matching import isBareFailure, isReplyTo
from twisted_ext.transport.sockets import SIZE
from twisted_ext.wire.codes import rcodeName
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

_SERVFAIL: Final = 2

_ONE: Final = b"\x00\x01"

#: A query under way: where, under which id, to which server, since when, and whether without EDNS against our wish.
_Open = tuple["Leg", bytes, int, float, bool]


class Flight:
    """
    One question and its deadline.

    A query goes to the best server; time-outs, refusals and failures lead to the next. Earlier queries stay open, so that a slow
    server's answer counts as well. Whatever is not a reply to the question is passed over.

    @ivar question: what is asked.
    @ivar context: with what wishes.
    @ivar deferred: who waits for it.
    @ivar query: the message as it is sent now, without its id.
    @ivar wire: the question in it.
    @ivar due: when to do something about silence.
    @ivar attempts: queries sent.
    """

    __slots__ = (
        "question",
        "context",
        "deferred",
        "query",
        "wire",
        "due",
        "attempts",
        "_source",
        "_end",
        "_current",
        "_others",
        "_began",
        "_tries",
        "_faults",
        "_plainAt",
        "_streamed",
    )

    def __init__(self, source: Forwarding, question: Question, context: QueryContext) -> None:
        self._source = source
        self.question = question
        self.context = context
        self.deferred: Deferred[Answer] = Deferred(self._cancelled)
        self.wire = wire = question.name + question.key[-4:] if source.mix is None else source.mix(question)
        self.query = b""
        self.due = 0.0
        self.attempts = 0
        self._end = 12 + len(wire)
        # The query that silence is waited out for; earlier ones and probes.
        self._current: _Open | None = None
        self._others: list[_Open] | None = None
        self._tries = [0] * len(source.upstreams)
        self._faults: list[DNSFault] | None = None
        # Which server is being asked without EDNS because it stumbled over it, and those asked by TCP, as bits.
        self._plainAt = -1
        self._streamed = 0

    def begin(self, now: float) -> None:
        """
        Send the first query.
        """
        self._began = now
        source = self._source
        if now >= self.context.deadline:
            self.deferred.errback(TimedOut(f"{self.question!r}: the time for it was over before it was asked"))
        elif len(source.upstreams) == 1:
            self._send(0, now)
        else:
            index = bestOf(source.standings, self._tries, now, 1) or 0
            if self.context.budget is None:
                self._probe(index, now)
            self._send(index, now)

    # -- what exchanges call

    def replied(self, octets: bytes, now: float, leg: Leg, key: bytes) -> bool:
        if octets[12 : self._end] != self.wire or octets[4:6] != _ONE or octets[2] & 0xFA != 0x80:
            # Not the plain case: another spelling, a truncated reply, or no reply to this at all.
            if not self._matches(octets, leg, key):
                return False
            if octets[2] & 2:
                self._truncated(now, leg, key)
                return True
        rcode = octets[3] & 15
        if rcode and rcode != 3:
            self._declined(octets, now, leg, key)
            return True
        exchange = leg.exchange
        try:
            answer = answerFromReply(self.question, octets, Origin(exchange.kind, exchange.label, self.attempts, now - self._began))
        except BadMessage as fault:
            self._malformed(octets, fault, now, leg, key)
            return True
        except ServerFailed:
            self._declined(octets, now, leg, key)
            return True
        current = self._current
        if current is None or current[0] is not leg or current[1] != key:
            current = self._open(leg, key)
        _, _, index, sentAt, plain = current
        source = self._source
        standing = source.standings[index]
        standing.replied(now - sentAt if self._tries[index] == 1 else None)
        if standing.declines:
            standing.answered()
        if plain:
            standing.neededPlain(now)
        elif standing.plainSigns and answer.message is not None and answer.message.edns is not None:
            standing.tookEDNS()
        if self.context.trace is not None:
            self._note(now, "reply", exchange, rcode=rcodeName(answer.rcode), octets=len(octets))
        self._over()
        self.deferred.callback(answer)
        return True

    def doubted(self, now: float, leg: Leg, key: bytes) -> None:
        self._note(now, "near miss", leg.exchange)
        self._byStream(self._open(leg, key)[2], now)

    def failed(self, fault: DNSFault, now: float, leg: Leg, key: bytes) -> None:
        index = self._open(leg, key)[2]
        self._source.standings[index].silent(now)
        self._setBack(index, fault, now, leg, key)

    # -- what the timetable calls

    def overdue(self, now: float) -> None:
        """
        Nothing of use has come in time.
        """
        if now >= self.context.deadline - 1e-5:
            self._giveUp(now)
            return
        current = self._current
        if current is None:
            self._giveUp(now)
            return
        leg, _, index, _, _ = current
        self._source.standings[index].silent(now)
        self._note(now, "timed out", leg.exchange)
        self._next(now)

    # -- what the source calls

    def end(self, fault: DNSFault) -> None:
        """
        Be over.
        """
        self._over()
        self.deferred.errback(fault)

    # -- sending

    def _send(self, index: int, now: float) -> None:
        source = self._source
        context = self.context
        standing = source.standings[index]
        if context.variant:
            plainHead, head, opt = source.partsOf(context)
        else:
            plainHead, head, opt = source.parts
        if not opt or now < standing.plainUntil or index == self._plainAt:
            self.query = plainHead + self.wire
        else:
            self.query = head + self.wire + opt
        if source.stream or context.stream:
            self._byStream(index, now)
            return
        if context.budget is not None:
            try:
                context.budget.spend()
            except DNSFault as fault:
                self.end(fault)
                return
        exchange = source.upstreams[index].datagram
        tries = self._tries[index]
        self._tries[index] = tries + 1
        try:
            leg, key = exchange.ask(self, now)
        except Unreachable as fault:
            self._unsent(index, fault, now)
            return
        current = self._current
        if current is not None:
            self._others = [*(self._others or ()), current]
        self._current = (leg, key, index, now, index == self._plainAt)
        waits = context.waits
        if waits is None:
            due = now + standing.wait(tries)
        elif self.attempts < len(waits):
            due = now + waits[self.attempts]
        else:
            due = context.deadline
        self.attempts += 1
        self.due = due if due < context.deadline else context.deadline
        if context.trace is not None:
            self._note(now, "sent", exchange, attempt=self.attempts, wait=round(self.due - now, 3))
        self._await()

    def _byStream(self, index: int, now: float) -> None:
        if self._streamed >> index & 1:
            return
        self._streamed |= 1 << index
        # What can get lost by this way is reported; there is no use in asking twice.
        self._tries[index] = _DONE
        source = self._source
        exchange = source.upstreams[index].stream
        try:
            leg, key = exchange.ask(self, now)
        except Unreachable as fault:
            self._unsent(index, fault, now)
            return
        current = self._current
        if current is not None:
            self._others = [*(self._others or ()), current]
        self._current = (leg, key, index, now, index == self._plainAt)
        self.attempts += 1
        deadline = self.context.deadline
        self.due = deadline if len(self._tries) == 1 else min(deadline, now + STREAM_WAIT.default)
        self._note(now, "sent", exchange, attempt=self.attempts, wait=round(self.due - now, 3))
        self._await()

    def _probe(self, chosen: int, now: float) -> None:
        source = self._source
        index = dueForProbe(source.standings, chosen, now)
        source.standings[chosen].lookedAt = now
        if index is None or source.stream or self.context.stream:
            return
        source.standings[index].lookedAt = now
        plainHead, head, opt = source.partsOf(self.context)
        self.query = plainHead + self.wire if now < source.standings[index].plainUntil else head + self.wire + opt
        exchange = source.upstreams[index].datagram
        try:
            leg, key = exchange.ask(self, now)
        except Unreachable:
            source.standings[index].silent(now)
            return
        self._tries[index] = 1
        self.attempts += 1
        self._others = [(leg, key, index, now, False)]
        self._note(now, "probed", exchange)

    def _await(self) -> None:
        source = self._source
        source.waiting.add(self)
        if self.due < source.timetable.wakesAt:
            source.timetable.wakeAt(self.due)

    # -- what comes back and is no answer

    def _matches(self, octets: bytes, leg: Leg, key: bytes) -> bool:
        source = self._source
        exchange = leg.exchange
        if exchange.reliable:
            return isReplyTo(octets, self.wire, False) or isBareFailure(octets)
        standing = source.standings[self._open(leg, key)[2]]
        return isReplyTo(octets, self.wire, source.mix is not None and standing.keepsCase(0.0))

    def _truncated(self, now: float, leg: Leg, key: bytes) -> None:
        index = self._open(leg, key)[2]
        self._note(now, "truncated", leg.exchange)
        if leg.exchange.reliable:
            fault = ServerFailed(f"{leg.exchange.label} cut its reply by TCP short", server=leg.exchange.label)
            leg.release(key)
            self._setBack(index, fault, now, leg, key)
            return
        self._source.standings[index].replied(None)
        # The question that goes out again is ours, whatever the reply has.
        self._byStream(index, now)

    def _malformed(self, octets: bytes, fault: BadMessage, now: float, leg: Leg, key: bytes) -> None:
        exchange = leg.exchange
        self._note(now, "malformed", exchange, why=str(fault))
        index = self._open(leg, key)[2]
        if exchange.reliable:
            leg.release(key)
            worse = ServerFailed(f"{exchange.label} sent what is no message: {fault}", server=exchange.label)
            self._setBack(index, worse, now, leg, key)
        elif len(octets) >= SIZE:
            # Longer than we asked for, and cut by us.
            self._byStream(index, now)

    def _declined(self, octets: bytes, now: float, leg: Leg, key: bytes) -> None:
        exchange = leg.exchange
        current = self._open(leg, key)
        index = current[2]
        standing = self._source.standings[index]
        try:
            answerFromMessage(self.question, Message.fromWire(octets), Origin(exchange.kind, exchange.label))
        except ServerFailed as problem:
            fault = problem
        except BadMessage as problem:
            self._malformed(octets, problem, now, leg, key)
            return
        standing.replied(None)
        self._note(now, "declined", exchange, rcode=rcodeName(fault.rcode))
        if fault.rcode in _NO_EDNS and index != self._plainAt and standing.withEDNS(now) and self.query.endswith(self._source.partsOf(self.context)[2]):
            # The query with EDNS stays open: this refusal may be forged.
            self._plainAt = index
            self._streamed &= ~(1 << index)
            self._tries[index] = min(self._tries[index], 1)
            if current is self._current:
                if exchange.reliable:
                    # Nobody forges here, and there will be no other reply.
                    leg.release(key)
                    self._current = None
                self._note(now, "asking without EDNS", exchange)
                self._send(index, now)
            return
        standing.declined(now)
        leg.release(key)
        self._setBack(index, fault, now, leg, key)

    def _setBack(self, index: int, fault: DNSFault, now: float, leg: Leg, key: bytes) -> None:
        """
        One query has come to nothing.
        """
        self._tries[index] = _DONE
        self._faults = [*(self._faults or ()), fault]
        current = self._current
        if current is not None and current[0] is leg and current[1] == key:
            self._current = None
            self._note(now, "moving on", leg.exchange, why=str(fault))
            self._next(now)
        elif self._others is not None:
            self._others = [other for other in self._others if other[0] is not leg or other[1] != key]

    def _unsent(self, index: int, fault: Unreachable, now: float) -> None:
        self._source.standings[index].silent(now)
        self._tries[index] = _DONE
        self._faults = [*(self._faults or ()), fault]
        if self.context.trace is not None:
            self.context.trace.note(now, "forward", "not sent", server=fault.server, why=str(fault))
        self._next(now)

    # -- what then

    def _next(self, now: float) -> None:
        """
        Ask somebody else, or wait for those who have been asked.
        """
        source = self._source
        waits = self.context.waits
        if waits is None:
            index = bestOf(source.standings, self._tries, now, source.tries)
        elif self.attempts < len(waits):
            index = bestOf(source.standings, self._tries, now, _DONE)
        else:
            index = None
        if index is not None:
            self._send(index, now)
        elif (self._current is None and not self._others) or any([isinstance(fault, ServerFailed) for fault in self._faults or ()]):
            self._giveUp(now)
        else:
            self.due = self.context.deadline
            self._await()

    def _giveUp(self, now: float) -> None:
        from twisted_ext.resolver.failing import mostTelling

        labels = [upstream.server.label for upstream, tries in zip(self._source.upstreams, self._tries, strict=True) if tries]
        self.end(mostTelling(self.question, self._faults or [], labels, self.attempts, now - self._began))

    # -- bookkeeping

    def _open(self, leg: Leg, key: bytes) -> _Open:
        current = self._current
        if current is not None and current[0] is leg and current[1] == key:
            return current
        return [other for other in self._others or () if other[0] is leg and other[1] == key][0]

    def _over(self) -> None:
        current = self._current
        if current is not None:
            current[0].release(current[1])
            self._current = None
        if self._others is not None:
            for leg, key, _, _, _ in self._others:
                leg.release(key)
            self._others = None
        source = self._source
        waiting = source.waiting
        waiting.discard(self)
        if not waiting:
            source.settle()

    def _cancelled(self, deferred: Deferred[Answer]) -> None:
        self._over()

    def _note(self, now: float, event: str, exchange: IExchange, **details: str | int | float | bool | None) -> None:
        trace = self.context.trace
        if trace is not None:
            trace.note(now, "forward", event, server=exchange.label, transport=exchange.kind, **details)
