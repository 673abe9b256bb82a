"""
A forwarded look-up: its queries, their outcomes, and the next step.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from twisted_ext.answers import Origin, QueryContext
from twisted_ext.errors import BadMessage, DNSFault, ServerFailed, TimedOut, Unreachable
from twisted_ext.limits import FAILURE_TRIES, STREAM_WAIT
from twisted_ext.outcomes import answerFromMessage, answerFromReply, ignoredIn
from twisted_ext.resolver.forward.cookies import cookieFits, knowsCookie
from twisted_ext.resolver.forward.failures import Abandoned, malformed, mostTelling, named
from twisted_ext.resolver.forward.nextstep import LASTING, NO_EDNS, Came, Plain, Step, Stream, nextStep
from twisted_ext.resolver.forward.serverstats import ServerStats, bestOf, domainAsked, dueForProbe, hasFresh
from twisted_ext.resolver.forward.troubles import DONE, Open, Tried, Troubles, turn
from twisted_ext.resolver.forward.watched import launched, watched
from twisted_ext.transport.exchange import PendingQuery
from twisted_ext.transport.replymatch import USUAL_STARTS, isBareFailure, isReplyTo
from twisted_ext.transport.timers import ROUNDING
from twisted_ext.transport.udpsockets import SIZE
from twisted_ext.wire.codes import Rcode, rcodeName
from twisted_ext.wire.message import Message, Question

if TYPE_CHECKING:
    from twisted_ext.interfaces import IExchange
    from twisted_ext.resolver.ask import Waiter
    from twisted_ext.resolver.forward.forwarder import ForwardingSource
    from twisted_ext.resolver.recursive.pool import ZoneServers
    from twisted_ext.transport.exchange import Channel

__all__ = ["ForwardedLookup"]


class ForwardedLookup(PendingQuery):
    """
    The look-up of one question by its deadline.

    The query goes to the best server; timeouts, refusals and failures lead to the next one. Earlier queries stay open, so that a late
    answer counts as well. Anything that does not match the question is ignored.

    @ivar waiter: receives the answer; has to be set before the look-up begins, and is deleted when it is over.
    @ivar query: the current message, without its id.
    @ivar wire: the question in it.
    @ivar due: when the current wait for a reply ends.
    """

    __deletable__ = ["waiter"]
    __slots__ = (
        *("question", "context", "waiter", "wire", "due", "attempts", "_source", "_began", "_troubles"),
        # The query whose timeout is running.
        *("_channel", "_key", "_index", "_sentAt"),
    )

    waiter: Waiter
    due: float
    _began: float
    _key: bytes
    _index: int
    _sentAt: float

    def __init__(self, source: ForwardingSource | ZoneServers, question: Question, context: QueryContext) -> None:
        self._source = source
        self.question = question
        self.context = context
        self.wire = question.name + question.key[-4:] if source.mix is None else source.mix(question)
        self.attempts = 0
        self._began = -1.0
        self._channel: Channel | None = None
        self._troubles: Troubles | None = None

    def begin(self, now: float) -> None:
        """
        Send the query now, or once the admission queue lets it.
        """
        source = self._source
        if source.queued or len(source.waiting) >= source.free:
            source.admission.enter(self, now)
        else:
            self.launch(now)

    def launch(self, now: float) -> None:
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
            if context.stream and now < source.standings[index].streamDownUntil:
                index = min(range(len(source.standings)), key=lambda each: source.standings[each].streamDownUntil)
            if context.budget is None and not (source.stream or context.stream):
                self._probe(index, now)
            # The outcome of a probe may have closed the source.
            if self in source.waiting:
                self._send(index, now)

    # -- called by the exchanges

    def replied(self, octets: bytes, now: float, channel: Channel, key: bytes) -> bool:
        source = self._source
        if source.cookies is not None and not self._showsCookie(octets, now, channel, key):
            return False
        wire = self.wire
        end = 12 + len(wire)
        if octets[2:6] not in USUAL_STARTS or octets[12:end] != wire:
            # The rare cases: other letter case, a truncated reply, a failure, or not a reply to this query.
            if not self._matches(octets, channel, key):
                return False
            if octets[2] & 2:
                self._truncated(now, channel, key)
                return True
            if octets[3] & 15 not in (0, 3):
                self._declined(octets, now, channel, key)
                return True
        exchange = channel.exchange
        try:
            answer = answerFromReply(self.question, octets, Origin(exchange.kind, exchange.label, self.attempts, now - self._began))
        except BadMessage as fault:
            self._malformed(octets, fault, now, channel, key)
            return True
        except ServerFailed:
            self._declined(octets, now, channel, key)
            return True
        budget = self.context.budget
        if budget is not None:
            try:
                budget.received(len(octets))
            except DNSFault as fault:
                self.end(fault)
                return True
        if self._troubles is None:
            standing = source.standings[self._index]
            if now < standing.measuredUntil and not standing.failures:
                standing.replies += 1
                standing.replySeconds += now - self._sentAt
            else:
                standing.replied(now - self._sentAt)
                standing.measuredUntil = now + (standing.rtt or 0.0)
        else:
            _, _, index, sentAt, plain = self._open(channel, key)
            standing = source.standings[index]
            # Each query has its own id, which identifies the query that was answered.
            standing.replied(None if exchange.reliable else now - sentAt)
            if plain:
                standing.neededPlain(now)
            tried = self._troubles.tried[index]
            if exchange.reliable:
                standing.streamHeard(now)
                if tried.lost:
                    standing.neededStream(now)
            elif tried.noCookie and not plain and not knowsCookie(standing):
                standing.neededNoCookie(now)
        if standing.signs is not None and self._troubles is None:
            standing.signs = None
        if standing.declines:
            standing.answered()
        if standing.plainSigns and answer.message is not None and answer.message.edns is not None:
            standing.tookEDNS()
        if self.context.trace is not None:
            self._note(now, "reply", exchange, rcode=rcodeName(answer.rcode), octets=len(octets), **ignoredIn(answer))
        self._over()
        waiter = self.waiter
        # It refers to this object. Without that cycle, both are freed at once.
        del self.waiter
        waiter.callback(answer)
        return True

    def doubted(self, now: float, channel: Channel, key: bytes) -> None:
        self._note(now, "near miss", channel.exchange)
        index = self._open(channel, key)[2]
        step = self._stepAfter(Came.NEAR_MISS, index, False)
        self._trouble().tried[index].nearMiss = True
        if step is Step.STREAM:
            self._byStream(index, now, Came.NEAR_MISS)

    def failed(self, fault: DNSFault, now: float, channel: Channel, key: bytes) -> None:
        index = self._open(channel, key)[2]
        standing = self._source.standings[index]
        standing.silent(now, str(fault))
        standing.streamUntil = 0.0
        if isinstance(fault, Unreachable) and fault.refused:
            fault = self._trouble().tried[index].refused(fault, standing.rtt is not None, channel.exchange.reliable, now)
        self._setBack(Came.BROKEN, fault, now, channel, key)

    # -- called by the timetable

    def overdue(self, now: float) -> None:
        channel = self._channel
        index = -1 if channel is None else self._index
        stream = channel is not None and channel.exchange.reliable
        if stream:
            self._source.standings[index].streamSilent(now, self._sentAt, self._source.stream)
        if now >= self.context.deadline - ROUNDING:
            self.end(self._soFar(now))
            return
        if channel is not None:
            if not stream:
                self._source.standings[index].silent(now, waited=now - self._sentAt)
            self._note(now, "timed out", channel.exchange)
            troubles = self._trouble()
            admission = self._source.admission
            if not troubles.late:
                troubles.late = True
                admission.late += 1
                if admission.queue:
                    admission.lost(now)
            elif admission.queue:
                admission.admit(now)
            if stream and self._stepAfter(Came.SILENT, index, True) is Step.AGAIN:
                troubles.tries[index] &= ~DONE
        self._next(now)

    # -- called by the source

    def refuse(self, fault: Exception) -> None:
        """
        Fail before a query was sent.
        """
        waiter = self.waiter
        del self.waiter
        waiter.errback(fault)

    def end(self, fault: DNSFault) -> None:
        self._over()
        self.refuse(fault)

    # -- sending

    def _send(self, index: int, now: float, again: bool = False) -> None:
        """
        @param again: repeat the query to the same server in another form, without a new wait.
        """
        source = self._source
        context = self.context
        if source.stream or context.stream:
            if not again and self._troubles is not None:
                self._troubles.tries[index] += 1
            self._byStream(index, now, None)
            return
        standing = source.standings[index]
        if now < standing.streamUntil:
            self._byStream(index, now, None)
            return
        plainHead, head, opt = source.partsOf(context) if context.variant else source.parts
        troubles = self._troubles
        if source.mix is not None and troubles is None and not standing.keepsCase(now):
            self.wire = self.question.name + self.question.key[-4:]
        plain = troubles is not None and troubles.tried[index].plain is not Plain.NO
        if not opt or plain or (now < standing.plainUntil and not source.signed):
            self.query = plainHead + self.wire
        elif source.cookies is None:
            self.query = head + self.wire + opt
        else:
            self.query = head + self.wire + self._withCookie(opt, index, now)
        if context.budget is not None:
            try:
                context.budget.spend()
            except DNSFault as fault:
                self.end(fault)
                return
        exchange = source.upstreams[index].datagram
        asking = self if context.watch is None else watched(self, context.watch, source.authoritative, now)
        try:
            if troubles is None:
                channel, key = exchange.ask(asking, now)
            else:
                channel, key = exchange.askAgain(asking, now, self._legs(troubles))
        except Unreachable as fault:
            self._unsent(index, fault, now, False)
            return
        if asking is not self:
            launched(asking, channel, key)
        if troubles is None:
            tries = 0
        else:
            tries = troubles.tries[index]
            if not again:
                troubles.tries[index] = tries + 1
            self._keepOpen(troubles)
            troubles.plain = plain
        self._channel = channel
        self._key = key
        self._index = index
        self._sentAt = now
        standing.queries += 1
        if context.waits is None:
            # A zone may have other servers, so a dead one must not take all the time.
            due = now + (standing.timeout if not tries or (again and source.authoritative) else standing.wait(tries))
        else:
            due = now + turn(context.waits, troubles, again)
        self.attempts += 1
        self.due = due = due if due < context.deadline else context.deadline
        if context.trace is not None:
            self._note(now, "sent", exchange, attempt=self.attempts, wait=round(due - now, 3))
        if due < source.timetable.wakesAt:
            source.timetable.wakeAt(due)

    def _byStream(self, index: int, now: float, because: Came | None) -> None:
        """
        @param because: the outcome that led to TCP; L{None} if the caller asked for TCP.
        """
        source = self._source
        context = self.context
        troubles = self._trouble()
        if context.budget is not None:
            try:
                context.budget.spend()
            except DNSFault as fault:
                self.end(fault)
                return
        tried = troubles.tried[index]
        tried.stream = Stream.OPEN
        # TCP reports losses itself, so a second query is useless.
        troubles.tries[index] |= DONE
        standing = source.standings[index]
        plain = tried.plain is not Plain.NO
        if plain:
            tried.plain = Plain.TCP
        self.query = self._queryFor(standing, plain, now)
        exchange = source.upstreams[index].stream
        asking = self if context.watch is None else watched(self, context.watch, source.authoritative, now)
        try:
            channel, key = exchange.ask(asking, now)
        except Unreachable as fault:
            self._unsent(index, fault, now, True)
            return
        if asking is not self:
            launched(asking, channel, key)
        self._keepOpen(troubles)
        troubles.plain = plain
        self._channel = channel
        self._key = key
        self._index = index
        self._sentAt = now
        standing.queries += 1
        self.attempts += 1
        waits = context.waits
        if waits is None:
            if because is Came.CUT and standing.streamSilences and hasFresh(source.standings, troubles.tries):
                # One look-up in a while tries it, and not for long: the others ask the other servers.
                due = standing.streamDownUntil = now + standing.streamWait(False)
            elif because is Came.NEAR_MISS or source.authoritative:
                # If TCP does not work, UDP may.
                due = now + standing.streamWait(source.authoritative)
            elif source.alone:
                due = context.deadline
            else:
                due = now + STREAM_WAIT.default
        elif because is Came.NEAR_MISS:
            # There was no answer: the timeout of this attempt continues.
            due = self.due
        else:
            due = now + turn(waits, troubles, because is not None)
        self.due = min(due, context.deadline)
        self._note(now, "sent", exchange, attempt=self.attempts, wait=round(self.due - now, 3))
        source.timetable.add(self)

    def _queryFor(self, standing: ServerStats, plain: bool, now: float) -> bytes:
        source = self._source
        plainHead, head, opt = source.partsOf(self.context)
        if plain or not opt or (now < standing.plainUntil and not source.signed):
            return plainHead + self.wire
        if source.cookies is not None:
            opt = self._withCookie(opt, source.standings.index(standing), now)
        return head + self.wire + opt

    def _withCookie(self, opt: bytes, index: int, now: float) -> bytes:
        """
        Return an OPT record with the server's cookie, if queries with one have not failed.
        """
        source = self._source
        if self.context.options or source.cookies is None:
            return opt
        known = self._troubles is not None and self._troubles.withoutCookie(index)
        return source.cookies.optFor(opt, source.standings[index], now, known)

    def _probe(self, chosen: int, now: float) -> None:
        source = self._source
        index = dueForProbe(source.standings, chosen, now)
        source.standings[chosen].lookedAt = now
        if index is None:
            return
        standing = source.standings[index]
        standing.lookedAt = now
        self.query = self._queryFor(standing, False, now)
        exchange, watch = source.upstreams[index].datagram, self.context.watch
        asking = self if watch is None else watched(self, watch, source.authoritative, now)
        try:
            channel, key = exchange.ask(asking, now)
        except Unreachable as fault:
            standing.silent(now, str(fault))
            return
        if asking is not self:
            launched(asking, channel, key)
        standing.queries += 1
        troubles = self._trouble()
        troubles.tries[index] = 1
        troubles.others.append((channel, key, index, now, False))
        self.attempts += 1
        self._note(now, "probed", exchange)

    # -- replies that are not answers

    def _showsCookie(self, octets: bytes, now: float, channel: Channel, key: bytes) -> bool:
        if self._troubles is None:
            return cookieFits(octets, self._source.standings[self._index], now, channel.exchange.reliable, False)
        _, _, index, _, plain = self._open(channel, key)
        return cookieFits(octets, self._source.standings[index], now, channel.exchange.reliable, plain)

    def _matches(self, octets: bytes, channel: Channel, key: bytes) -> bool:
        source = self._source
        standing = source.standings[self._open(channel, key)[2]]
        sameCase = source.mix is not None and standing.keepsCase(self._sentAt)
        if not channel.exchange.reliable:
            return isReplyTo(octets, self.wire, sameCase)
        if not isReplyTo(octets, self.wire, False):
            return isBareFailure(octets)
        if sameCase and not octets.startswith(self.wire, 12):
            standing.changedCase(self._sentAt)
        return True

    def _truncated(self, now: float, channel: Channel, key: bytes) -> None:
        exchange = channel.exchange
        _, _, index, sentAt, _ = self._open(channel, key)
        standing = self._source.standings[index]
        self._note(now, "truncated", exchange)
        how = exchange.kind.upper() if exchange.reliable else "UDP, and did not send it over TCP"
        if exchange.reliable:
            standing.streamHeard(now)
        else:
            standing.replied(now - sentAt)
        self._setBack(Came.CUT, ServerFailed(f"{exchange.label} truncated its reply over {how}", server=exchange.label), now, channel, key)

    def _malformed(self, octets: bytes, fault: BadMessage, now: float, channel: Channel, key: bytes) -> None:
        exchange = channel.exchange
        self._note(now, "malformed", exchange, why=str(fault))
        _, _, index, _, plain = self._open(channel, key)
        standing = self._source.standings[index]
        standing.trouble("malformed")
        old = self.context.edns and not (plain or self._source.signed) and standing.withEDNS(now)
        # As long as our buffer: it was truncated on our side.
        came = Came.CUT if not exchange.reliable and len(octets) >= SIZE else Came.NO_EDNS if old else Came.MALFORMED
        self._setBack(came, malformed(exchange.label, fault), now, channel, key)

    def _declined(self, octets: bytes, now: float, channel: Channel, key: bytes) -> None:
        exchange = channel.exchange
        message = Message.fromWire(octets)
        try:
            answerFromMessage(self.question, message, Origin(exchange.kind, exchange.label))
            return
        except ServerFailed as problem:
            fault = problem
        except BadMessage as problem:
            self._malformed(octets, problem, now, channel, key)
            return
        fault.reply = message
        _, _, index, sentAt, plain = self._open(channel, key)
        standing = self._source.standings[index]
        standing.replied(None if exchange.reliable else now - sentAt)
        if exchange.reliable:
            standing.streamHeard(now)
        self._note(now, "declined", exchange, rcode=rcodeName(fault.rcode))
        source, tried = self._source, self._trouble().tried[index]
        if fault.rcode == Rcode.BADCOOKIE and source.cookies is not None and not exchange.reliable:
            # The reply has brought the right one. What is refused twice goes over TCP (RFC 7873, section 5.3).
            if tried.badCookie or not knowsCookie(standing):
                self._setBack(Came.CUT, fault, now, channel, key)
            else:
                tried.badCookie = True
                self._send(index, now, True)
            return
        if fault.rcode in NO_EDNS and self.context.edns and not plain and (source.signed or standing.withEDNS(now)):
            edns = message.edns
            if edns is not None and source.cookies is not None and not tried.noCookie and not knowsCookie(standing):
                # It supports EDNS, and may not like the option.
                tried.noCookie = True
                if exchange.reliable:
                    self._byStream(index, now, None)
                else:
                    self._send(index, now, True)
                return
            if not source.signed or (exchange.reliable and not self.context.validated):
                self._setBack(Came.NO_EDNS, fault, now, channel, key)
                return
            if not exchange.reliable:
                # Without EDNS there are no signatures, so a forged reply must not bring that about (CVE-2026-52690).
                self._setBack(Came.CUT, fault, now, channel, key)
                return
        standing.trouble(rcodeName(fault.rcode))
        standing.declined(now, domainAsked(self.question.key))
        lasting = fault.rcode != Rcode.SERVFAIL or not standing.mayRecover() or any(code in LASTING for code, _ in fault.ede)
        if not lasting:
            self._trouble().failures += 1
        self._setBack(Came.DECLINED if lasting else Came.FAILED, fault, now, channel, key)

    def _stepAfter(self, came: Came, index: int, stream: bool) -> Step:
        tried = self._trouble().tried[index]
        return nextStep(stream, tried.nearMiss, came, tried.stream, tried.plain)

    def _setBack(self, came: Came, fault: DNSFault, now: float, channel: Channel, key: bytes) -> None:
        """
        Handle a query that brought no answer.
        """
        troubles = self._trouble()
        index, stream = self._open(channel, key)[2], channel.exchange.reliable
        tried = troubles.tried[index]
        step = self._stepAfter(came, index, stream)
        if step is Step.WAIT:
            return
        standings = self._source.standings
        waitedFor = channel is self._channel and key == self._key
        if step is Step.STREAM:
            if tried.isPutOff:
                return
            troubles.faults.append(fault)
            if now < standings[index].streamDownUntil and hasFresh(standings, troubles.tries):
                # The query stays open: the reply may be forged.
                tried.isPutOff = True
                troubles.tries[index] |= DONE
                self._note(now, "putting off TCP", channel.exchange)
                if waitedFor:
                    self._next(now)
                return
            # Send the original question, not the one in the reply.
            self._byStream(index, now, came)
            return
        if stream or step is not Step.PLAIN:
            # The query has ended. Otherwise it stays open: a refusal over UDP may be spoofed.
            channel.release(key)
            if waitedFor:
                self._channel = None
            else:
                troubles.others = [other for other in troubles.others if other[0] is not channel or other[1] != key]
        if step is Step.PLAIN:
            self._note(now, "asking without EDNS", channel.exchange)
            tried.plain = Plain.TCP if stream else Plain.UDP
            if stream:
                self._byStream(index, now, came)
            else:
                self._send(index, now, True)
            return
        if stream and step is not Step.DROP:
            tried.stream = Stream.ENDED
        troubles.faults.append(fault)
        if step is Step.NEXT:
            troubles.tries[index] |= DONE
        elif step is Step.AGAIN and stream:
            troubles.tries[index] &= ~DONE
        if waitedFor:
            if step is not Step.DROP:
                self._note(now, "moving on", channel.exchange, why=str(fault))
            self._next(now)

    def _unsent(self, index: int, fault: Unreachable, now: float, stream: bool) -> None:
        if self not in self._source.waiting:
            # The failure of another look-up has ended this one.
            return
        if self.context.budget is not None:
            self.context.budget.unsent()
        troubles = self._trouble()
        step = self._stepAfter(Came.BROKEN, index, stream)
        if stream:
            troubles.tried[index].stream = Stream.ENDED
        if step is Step.AGAIN:
            troubles.tries[index] &= ~DONE
        else:
            troubles.tries[index] |= DONE
        # A copy: the original's traceback refers to this object.
        known = self._source.standings[index].rtt is not None
        troubles.faults.append(troubles.tried[index].refused(fault, known, stream, now))
        self._source.standings[index].silent(now, str(fault))
        if self.context.trace is not None:
            self.context.trace.note(now, "forward", "not sent", server=fault.server, why=str(fault))
        if step is Step.NEXT or self._channel is None or not stream:
            self._next(now)

    # -- next steps

    def _next(self, now: float) -> None:
        """
        Query another server, or wait for those already queried.
        """
        source = self._source
        troubles = self._trouble()
        waits = self.context.waits
        index = None
        if waits is None or troubles.turns < len(waits):
            # After this many failures, query only servers that have not been queried yet.
            most = 1 if troubles.failures >= FAILURE_TRIES.default else source.tries if waits is None else DONE
            index = bestOf(source.standings, troubles.tries, most)
        putOff = None if index is not None else troubles.putOff()
        if index is not None:
            self._send(index, now)
        elif putOff is not None:
            self._byStream(putOff, now, Came.CUT)
        elif (self._channel is None and not troubles.others) or any(isinstance(fault, ServerFailed) for fault in troubles.faults):
            self.end(self._soFar(now))
        elif waits is None:
            if source.authoritative:
                # After servers that refused and may be restarted, only one try over TCP: the time left is for the zone's other servers.
                index = troubles.returning(now)
                if index is not None:
                    self._send(index, now, True)
                    return
                index = next((each for each, tried in enumerate(troubles.tried) if tried.stream is not Stream.NO), None)
                mayDropEDNS = self.context.edns and not source.signed
                if index is None:
                    index = bestOf(source.standings, source.untried, 1) or 0
                    troubles.tried[index].lost = True
                    self._byStream(index, now, None)
                elif mayDropEDNS and troubles.mayDropEDNS(index, source.standings[index].failures, source.tries):
                    self._note(now, "asking without EDNS", source.upstreams[index].datagram)
                    troubles.tried[index].plain = Plain.TCP
                    troubles.tries[index] = source.tries
                    self._send(index, now, True)
                else:
                    self.end(self._soFar(now))
                return
            self.due = self.context.deadline
            source.timetable.add(self)
        elif now >= self.due - ROUNDING:
            if troubles.turns >= len(waits):
                # All of the caller's waits are used up.
                self.end(self._soFar(now))
            else:
                self.due = min(now + turn(waits, troubles, False), self.context.deadline)
                source.timetable.add(self)

    def _soFar(self, now: float) -> DNSFault:
        troubles = self._trouble()
        labels = [upstream.server.label for upstream, tries in zip(self._source.upstreams, troubles.tries, strict=True) if tries]
        channels = [self._channel, *[channel for channel, _, _, _, _ in troubles.others]]
        faults = list({(type(fault), str(fault)): fault for fault in troubles.faults}.values())
        return mostTelling(self.question, faults, labels, self.attempts, now - self._began, channels)

    # -- bookkeeping

    def _trouble(self) -> Troubles:
        troubles = self._troubles
        if troubles is None:
            untried = self._source.untried
            troubles = self._troubles = Troubles(list(untried), [Tried() for _ in untried])
            if self._channel is not None:
                troubles.tries[self._index] = troubles.turns = 1
        return troubles

    def _legs(self, troubles: Troubles) -> list[Channel]:
        channels = [channel for channel, _, _, _, _ in troubles.others]
        if self._channel is not None:
            channels.append(self._channel)
        return channels

    def _keepOpen(self, troubles: Troubles) -> None:
        if self._channel is not None:
            troubles.others.append((self._channel, self._key, self._index, self._sentAt, troubles.plain))

    def _open(self, channel: Channel, key: bytes) -> Open:
        troubles = self._troubles
        if channel is self._channel and key == self._key:
            return channel, key, self._index, self._sentAt, troubles is not None and troubles.plain
        return [other for other in self._trouble().others if other[0] is channel and other[1] == key][0]

    def _over(self) -> None:
        channel = self._channel
        if channel is not None:
            self._channel = None
            channel.release(self._key)
        troubles = self._troubles
        if troubles is not None:
            for other, key, _, _, _ in troubles.others:
                other.release(key)
            troubles.others = []
            if troubles.late:
                self._source.admission.late -= 1
        source = self._source
        waiting = source.waiting
        waiting.discard(self)
        if source.queued:
            source.admission.left(self)
        if not waiting:
            source.settle()

    def cancel(self) -> None:
        """
        Fail a look-up that is under way, or queued.
        """
        fault = self._soFar(self._source.seconds())
        self._over()
        self.refuse(Abandoned(fault))

    def _note(self, now: float, event: str, exchange: IExchange, **details: str | int | float | bool | None) -> None:
        trace = self.context.trace
        if trace is not None:
            trace.note(now, "forward", event, server=exchange.label, transport=exchange.kind, **details)
