"""
NOTIFY (RFC 1996): sent to secondaries, and received from primaries.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from twisted.internet.defer import CancelledError, Deferred, gatherResults
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure

from twisted_ext.errors import DNSFault
from twisted_ext.server.config.keys import RemoteServer
from twisted_ext.server.limits import NOTIFIES, NOTIFY_CHECK, NOTIFY_DELAY, NOTIFY_WATCHED, PROBE_TRIES, PROBE_WAIT
from twisted_ext.server.reply.requests import Refusal, Request
from twisted_ext.server.zones.table.zonetable import variantText
from twisted_ext.server.zones.transfer.peerfacts import PeerFact, PeerFacts
from twisted_ext.server.zones.transfer.udpexchange import MessageSender, exchange
from twisted_ext.wire.codes import AA, Ede, Opcode, Rcode
from twisted_ext.wire.message import Message, Question
from twisted_ext.wire.records import RRSet
from twisted_ext.wire.rrtypes import SOA
from twisted_ext.zone.store.serials import isNewer, serialIn

if TYPE_CHECKING:
    from twisted_ext.metrics.figures import JSON
    from twisted_ext.server.config.keys import RemoteServer
    from twisted_ext.server.zones.transfer.xfrin import Secondary
    from twisted_ext.wire.records import RRSet

__all__ = ["NotifyReceiver", "NotifySender", "notify"]

#: Seconds that a server gets to acknowledge a NOTIFY, doubled each time (RFC 1996, section 3.6 has 60).
_NOTIFY_WAIT: Final = 3.0

#: How often a NOTIFY is sent.
_NOTIFY_TRIES: Final = 6

#: NOTIFY messages sent in one turn of the reactor: some 10 ms.
_PER_TURN: Final = 50

#: Octets of the shortest rdata of an SOA record.
_SOA_OCTETS: Final = 22

#: Zones that a server was not seen with, in one line of the log.
_MISSING: Final = 1000

_log: Final = Logger(__name__)

#: A zone and the label of a server.
_Notice = tuple[bytes, str]

#: Number of these checks, with the last one after less than seven minutes: then the secondary's own SOA timers have to do.
_NOTIFY_CHECKS: Final = 4

#: The next check of a server comes after this many times the wait for the previous one.
_GROWTH: Final = 3


@dataclass(slots=True, frozen=True, eq=False)
class Awaited:
    """
    A version of a zone that a server has been notified of.

    @ivar zone: the zone's folded name.
    @ivar soa: the version's SOA.
    @ivar checks: how often the server has been checked since the change, and notified again.
    """

    zone: bytes
    remote: RemoteServer
    soa: RRSet
    checks: int = 0

    @property
    def key(self) -> tuple[bytes, str]:
        return self.zone, self.remote.server.label

    @property
    def isLast(self) -> bool:
        """
        Whether the server is not notified again after the next check.
        """
        return self.checks >= _NOTIFY_CHECKS - 1

    def isMetBy(self, serial: int) -> bool:
        """
        Return whether a server with this serial number has the version or a newer one.
        """
        return not isNewer(serialIn(self.soa.rdatas[0]), serial)

    def next(self) -> Awaited:
        return Awaited(self.zone, self.remote, self.soa, self.checks + 1)


class NotifyWatch:
    """
    Versions that servers have acknowledged and not been seen with. A server has a version once it has been sent it, or answers an SOA query
    with its serial number. An acknowledgment proves little: a server whose queue is full, or whose connection for the transfer is reset,
    has acknowledged the message as well, and asks again only after the SOA's retry or refresh time.

    Ordinary SOA queries from that server are not watched: the packet cache answers most of them, and looking at them would cost each hit.
    """

    def __init__(self, most: int | None = None) -> None:
        """
        @param most: maximum number of versions; what is beyond it is not watched.
        """
        self._most = int(NOTIFY_WATCHED.pick(most))
        # By the number of checks, each in the order in which they are due: the wait for a check depends on that number only.
        self._stages: list[dict[tuple[bytes, str], tuple[float, Awaited]]] = [{} for _ in range(_NOTIFY_CHECKS)]

    def __len__(self) -> int:
        return sum(map(len, self._stages))

    def expect(self, awaited: Awaited, now: float) -> None:
        """
        Watch for a version that has just been acknowledged, instead of an earlier one of that zone and server.
        """
        self.forget(awaited.key)
        if len(self) < self._most:
            due = now + NOTIFY_CHECK.default * _GROWTH**awaited.checks
            self._stages[awaited.checks][awaited.key] = due, awaited

    def forget(self, key: tuple[bytes, str]) -> None:
        for stage in self._stages:
            stage.pop(key, None)

    def sent(self, zone: bytes, serial: int, client: str, keyName: bytes, remotes: Iterable[RemoteServer]) -> None:
        """
        Note that a client has been sent a version. If several servers share its address, its key has to show which of them it is: otherwise
        the transfer of one would hide that another one got nothing.

        @param remotes: the servers that are notified of the zone.
        """
        found = [remote for remote in remotes if remote.server.isAt(client, remote.server.port)]
        if len(found) > 1:
            found = [remote for remote in found if (b"" if remote.key is None else remote.key.name) == keyName]
        if len(found) != 1:
            return
        key = zone, found[0].server.label
        for stage in self._stages:
            if key in stage and stage[key][1].isMetBy(serial):
                del stage[key]

    @property
    def nextDue(self) -> float | None:
        """
        When the next server has to be checked.
        """
        return min([next(iter(stage.values()))[0] for stage in self._stages if stage], default=None)

    def takeDue(self, now: float) -> Awaited | None:
        """
        Return a version that was not seen in time, which is not watched any more.
        """
        for stage in self._stages:
            key = next(iter(stage), None)
            if key is not None and stage[key][0] <= now:
                return stage.pop(key)[1]
        return None


def notify(
    sender: MessageSender,
    remote: RemoteServer,
    zone: bytes,
    soa: RRSet | None,
    *,
    wait: float,
    tries: int,
    today: Callable[[], float],
) -> Deferred[Message]:
    """
    Send NOTIFY for a zone to a server.

    @param soa: the new SOA, as a hint.

    @return: the server's reply. Fails as L{exchange} does.
    """
    return exchange(
        sender,
        remote,
        Question(zone, SOA),
        opcode=Opcode.NOTIFY,
        flags=AA,
        answer=() if soa is None else (soa,),
        wait=wait,
        tries=tries,
        today=today,
    )


class NotifySender:
    """
    Sends NOTIFY messages for changed zones, and repeats them until they are acknowledged or the tries are used up. Several changes in a row
    cause one NOTIFY.

    A server that has acknowledged a message, and has not been sent the zone some time later, is asked for its SOA, and notified again
    unless it has the version: L{NotifyWatch} determines when, and for how long.

    @ivar confirmed: number of acknowledged messages.
    @ivar givenUp: number of messages that were never acknowledged.
    @ivar repeated: number of messages for a version that the server had acknowledged before.
    @ivar unseen: number of versions that a server has acknowledged and was not seen with after the last check.
    """

    def __init__(
        self,
        reactor: IReactorTime,
        *,
        today: Callable[[], float],
        most: int | None = None,
        watched: int | None = None,
        view: str = "",
    ) -> None:
        """
        @param view: the view whose zones these are; C{""} for those for all clients.
        @param today: returns seconds since 1970.
        @param most: maximum number of messages awaiting a reply.
        @param watched: maximum number of acknowledged versions that are checked.
        """
        self.confirmed = 0
        self.givenUp = 0
        self.repeated = 0
        self.unseen = 0
        self._view = view
        self._reactor = reactor
        self._sender = MessageSender(reactor)
        self._today = today
        self._most = int(NOTIFIES.pick(most))
        self._targets: dict[bytes, list[RemoteServer]] = {}
        self._each = max(1, self._most - self._most // 4)
        # Queued messages by server, in order; the server whose turn is next comes first. Then the messages awaiting a reply.
        self._waiting: dict[str, dict[bytes, Awaited]] = {}
        self._flights: dict[_Notice, Deferred[None]] = {}
        self._told: Counter[str] = Counter()
        self._timer: IDelayedCall | None = None
        # Acknowledged versions; SOA queries awaiting a reply; zones that servers were not seen with, and why the last query failed.
        self._watch = NotifyWatch(watched)
        self._checks: dict[_Notice, Deferred[None]] = {}
        self._missing: dict[str, list[tuple[bytes, str]]] = {}
        self._watchTimer: IDelayedCall | None = None
        self._stopped = False
        self._facts = PeerFacts()

    def factsOf(self, zone: bytes) -> list[dict[str, JSON]]:
        """
        Return what happened last with each server that is notified of a zone: C{server}; C{serial}, that it was told of; C{at}, in seconds
        since 1970; C{said}, if it did not acknowledge that; C{waiting}, if it is being told now.
        """
        outcomes = self._facts.of(zone)
        found: list[dict[str, JSON]] = []
        for remote in self._targets.get(zone, ()):
            label = remote.server.label
            known = outcomes[label].toJSON() if label in outcomes else {}
            waits = zone in self._waiting.get(label, ()) or (zone, label) in self._flights
            found.append({"server": label, **known, **({"waiting": True} if waits else {})})
        return found

    def _note(self, awaited: Awaited, said: str = "") -> None:
        self._facts.note(*awaited.key, PeerFact(serialIn(awaited.soa.rdatas[0]), self._today(), said))

    def figures(self) -> dict[str, float]:
        """
        Return numbers for L{Figures<twisted_ext.metrics.figures.Figures>}.
        """
        return {
            "notifiesConfirmed": self.confirmed,
            "notifiesGivenUp": self.givenUp,
            "notifiesRepeated": self.repeated,
            "notifiesUnseen": self.unseen,
        }

    def targets(self, apex: bytes, remotes: Sequence[RemoteServer]) -> None:
        if remotes:
            self._targets[apex] = list(remotes)
        elif self._targets.pop(apex, None):
            self._facts.forget(apex)

    def changed(self, apex: bytes, soa: RRSet) -> None:
        if self._stopped:
            return
        for remote in self._targets.get(apex, ()):
            self._waiting.setdefault(remote.server.label, {})[apex] = Awaited(apex, remote, soa)
        if self._waiting and self._timer is None:
            self._timer = self._reactor.callLater(NOTIFY_DELAY.default, self._tell)

    def sent(self, zone: bytes, serial: int, client: str, keyName: bytes) -> None:
        """
        Note that a client has been sent a version of a zone.
        """
        self._watch.sent(zone, serial, client, keyName, self._targets.get(zone, ()))

    def _tell(self) -> None:
        """
        Send as many queued messages as allowed, to each server in turn, so that an unreachable server does not delay the others.
        """
        self._timer = None
        for _ in range(_PER_TURN):
            if len(self._flights) >= self._most:
                return
            label = next((label for label in self._waiting if self._told[label] < self._each), None)
            if label is None:
                return
            waiting = self._waiting.pop(label)
            zone = next(iter(waiting))
            awaited = waiting.pop(zone)
            if waiting:
                self._waiting[label] = waiting
            notice = awaited.key
            for before in (self._flights.get(notice), self._checks.get(notice)):
                if before is not None:
                    # The server has not acknowledged the previous message: replace it, and send at once, since the server may be back. Or
                    # it is being checked for an earlier version.
                    before.cancel()
            self._watch.forget(notice)
            self._told[label] += 1
            self.repeated += awaited.checks > 0
            wait, tries = _NOTIFY_WAIT, _NOTIFY_TRIES
            flight = notify(self._sender, awaited.remote, zone, awaited.soa, wait=wait, tries=tries, today=self._today).addCallback(
                self._cbConfirmed, awaited
            )
            self._flights[notice] = flight
            flight.addErrback(self._ebTold, awaited).addBoth(self._over, notice)
        self._goOn()

    def _cbConfirmed(self, reply: Message, awaited: Awaited) -> None:
        self.confirmed += 1
        self._note(awaited)
        self._watch.expect(awaited, self._reactor.seconds())
        self._await()

    def _ebTold(self, failure: Failure, awaited: Awaited) -> None:
        if isinstance(failure.value, CancelledError):
            return
        self.givenUp += 1
        self._note(awaited, str(failure.value))
        if not isinstance(failure.value, DNSFault):
            _log.failure("a NOTIFY could not be sent", failure=failure)
            return
        _log.warn("zone {zone}: {server} was not notified of the change: {fault}", zone=variantText(awaited.zone, self._view),
                  server=awaited.remote.server.label, fault=str(failure.value))  # fmt: skip

    def _over(self, _: object, notice: _Notice) -> None:
        self._flights.pop(notice, None)
        self._told[notice[1]] -= 1
        self._goOn()

    def _goOn(self) -> None:
        if self._waiting and self._timer is None and not self._stopped:
            self._timer = self._reactor.callLater(0, self._tell)

    # -- servers that were not sent the zone

    def _await(self) -> None:
        due, timer = self._watch.nextDue, self._watchTimer
        if due is None or self._stopped:
            return
        if timer is not None:
            if timer.getTime() <= due:
                return
            timer.cancel()
        self._watchTimer = self._reactor.callLater(max(0.0, due - self._reactor.seconds()), self._check)

    def _check(self) -> None:
        """
        Query the SOA of servers that are due, in short turns. As there is no need to hurry, at most half as many messages as of changes
        await a reply.
        """
        self._watchTimer = None
        now = self._reactor.seconds()
        for _ in range(_PER_TURN):
            if len(self._checks) > self._most // 2:
                # The end of a check continues.
                return
            awaited = self._watch.takeDue(now)
            if awaited is None:
                break
            zone, remote = awaited.zone, awaited.remote
            if remote in self._targets.get(zone, ()):
                wait, tries = PROBE_WAIT.default, int(PROBE_TRIES.default)
                asked = exchange(self._sender, remote, Question(zone, SOA), wait=wait, tries=tries, today=self._today)
                check = asked.addCallback(self._cbChecked, awaited)
                self._checks[awaited.key] = check
                check.addErrback(self._ebChecked, awaited).addBoth(self._checked, awaited.key)
        self._await()

    def _cbChecked(self, reply: Message, awaited: Awaited) -> None:
        serials = [
            serialIn(rrset.rdatas[0])
            for rrset in reply.answer
            if rrset.rrType == SOA and rrset.name.lower() == awaited.zone and len(rrset.rdatas[0]) >= _SOA_OCTETS
        ]
        if not any(awaited.isMetBy(serial) for serial in serials):
            self._notSeen(awaited, f"it has {serials[0]}" if serials else "it has no such zone")

    def _ebChecked(self, failure: Failure, awaited: Awaited) -> None:
        if isinstance(failure.value, CancelledError):
            return
        if not isinstance(failure.value, DNSFault):
            _log.failure("a notified server could not be checked", failure=failure)
        self._notSeen(awaited, str(failure.value))

    def _notSeen(self, awaited: Awaited, why: str) -> None:
        label = awaited.remote.server.label
        if awaited.isLast:
            self.unseen += 1
            self._note(awaited, why)
            self._missing.setdefault(label, []).append((awaited.zone, why))
            if len(self._missing[label]) >= _MISSING:
                self._report(label)
        elif awaited.zone not in self._waiting.get(label, ()):
            self._waiting.setdefault(label, {})[awaited.zone] = awaited.next()
            self._goOn()

    def _checked(self, _: object, notice: _Notice) -> None:
        del self._checks[notice]
        if not self._checks:
            for label in list(self._missing):
                self._report(label)
        self._await()

    def _report(self, label: str) -> None:
        missing = self._missing.pop(label)
        zone, why = missing[0]
        _log.warn(
            "zone {zone}{more}: {server} has acknowledged the change, and was not seen with it since: {why}",
            zone=variantText(zone, self._view),
            more=f" and {len(missing) - 1} more" if len(missing) > 1 else "",
            server=label,
            why=why,
        )

    def stop(self) -> Deferred[None]:
        """
        @return: fires when no message awaits a reply.
        """
        self._stopped = True
        for timer in (self._timer, self._watchTimer):
            if timer is not None:
                timer.cancel()
        self._timer = self._watchTimer = None
        self._waiting.clear()
        flights = [*self._flights.values(), *self._checks.values()]
        for flight in flights:
            flight.cancel()
        return gatherResults(flights, consumeErrors=True).addCallback(lambda _: self._sender.close())


class NotifyReceiver:
    """
    Handles received NOTIFY messages. Messages from unauthorized clients are refused, and have no effect.
    """

    _UNKNOWN: Final = Refusal(Rcode.NOTAUTH, ((Ede.NOT_AUTHORITATIVE, "no such zone is fetched here"),))
    _DENIED: Final = Refusal(Rcode.REFUSED, ((Ede.PROHIBITED, ""),))
    _MALFORMED: Final = Refusal(Rcode.FORMERR)
    _CONFIRMED: Final = Refusal(Rcode.NOERROR, flags=AA)
    _NOT_KNOWN: Final = Refusal(Rcode.NOTIMP)

    def __init__(self, find: Callable[[bytes], Secondary | None]) -> None:
        """
        @param find: returns the secondary zone with exactly this folded name.
        """
        self._find = find

    def isHopeless(self, request: Request, signed: bool) -> bool:
        zone = self._find(request.question.name.lower())
        return zone is None or not (signed or zone.mayNotify(request.client, b"", request.peer, request.door))

    def __call__(self, request: Request) -> Refusal:
        question = request.question
        if question.rrType != SOA:
            return self._NOT_KNOWN
        zone = self._find(question.name.lower())
        if zone is None:
            return self._UNKNOWN
        if not zone.mayNotify(request.client, request.keyName, request.peer, request.door):
            return self._DENIED
        message = request.message
        if message is None:
            return self._MALFORMED
        serial: int | None = None
        for rrset in message.answer:
            if rrset.rrType == SOA and rrset.name.lower() == question.name.lower() and len(rrset.rdatas[0]) >= _SOA_OCTETS:
                serial = serialIn(rrset.rdatas[0])
        zone.notified(request.client, serial)
        return self._CONFIRMED
