"""
Asks the servers of parents which DS records they have of the zones that are signed here, so that rolls go on without an operator.

They are asked over TCP or TLS, each by itself and past all caches: a reply by which a key would be withdrawn too early could be forged
only on the way to them.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Final

from twisted.internet.defer import CancelledError, Deferred, gatherResults
from twisted.logger import Logger
from twisted.python.failure import Failure

from twisted_ext.dnssec.rolls.lives import readLives
from twisted_ext.dnssec.rolls.parent import Delegation, delegationIn, tagsIn, unknownAt
from twisted_ext.errors import BadDescription, BadKey, DNSFault
from twisted_ext.server.config.keys import Keys, RemoteServer
from twisted_ext.server.limits import PARENT_LOOKS, PARENT_RATE, PARENT_REST, PARENT_SECONDS
from twisted_ext.server.zones.signing.rolled import confirmSeen
from twisted_ext.server.zones.signing.serialnotes import SerialNotes
from twisted_ext.server.zones.signing.signedzone import keysIn
from twisted_ext.server.zones.transfer.peerfacts import PeerFact
from twisted_ext.server.zones.transfer.streamexchange import exchangeOverStream
from twisted_ext.transport.tls.links import connectorTo
from twisted_ext.transport.transfer import tcpConnector
from twisted_ext.wire.message import Message, Question
from twisted_ext.wire.rrtypes import DNSKEY, DS

if TYPE_CHECKING:
    from twisted_ext.metrics.figures import JSON
    from twisted_ext.server.zones.images.imagefiles import Images
    from twisted_ext.server.zones.images.publish import ZonePublisher
    from twisted_ext.server.zones.signing.signedzone import SignedZone

__all__ = ["ParentWatch"]

#: Seconds between two looks at which zones are due: longer if there are more zones than these for each second.
_LOOK: Final = 1.0
_ZONES: Final = 1000

_log: Final = Logger(__name__)


class _Watched:
    """
    A zone whose parent is asked.

    @ivar due: when that is done next, on the reactor's clock.
    @ivar asks: since when the parent is waited for, as it was at the last look.
    @ivar said: what was found then, for the log, and which servers have DS records of none of its keys.
    @ivar facts: the same for each server, and when.
    """

    __slots__ = ("asks", "due", "facts", "said")

    def __init__(self) -> None:
        self.due = 0.0
        self.asks: float | None = None
        self.said: tuple[str, list[str]] = "", []
        self.facts: dict[str, PeerFact] = {}


class ParentWatch:
    """
    Asks for one zone after the other, for some at a time.

    @ivar unknown: the zones of which a server of the parent has DS records only that are of none of their keys.
    """

    def __init__(
        self,
        publisher: ZonePublisher,
        images: Images,
        keys: str,
    ) -> None:
        """
        @param publisher: its reactor provides L{IReactorTCP<twisted.internet.interfaces.IReactorTCP>} as well.
        @param images: the signed images.
        @param keys: the folder with the keys, in one for each zone.
        """
        self.unknown: set[bytes] = set()
        self._publisher = publisher
        self._reactor = publisher.reactor
        self._notes = SerialNotes(keys)
        self._images = images
        self._zones: dict[bytes, _Watched] = {}
        self._asking: dict[bytes, Deferred[None]] = {}
        # When further servers may be asked, and when zones are looked at next.
        self._free = self._next = 0.0
        self._isClosed = False

    def factsOf(self, apex: bytes) -> list[dict[str, JSON]]:
        """
        Return what each server of a zone's parent has said last: C{server}; C{at}, in seconds since 1970; C{said}.
        """
        watched = self._zones.get(apex)
        return [] if watched is None else [{"server": server, **fact.toJSON()} for server, fact in watched.facts.items()]

    def look(self, zones: Iterable[SignedZone]) -> None:
        """
        Ask for the zones of which that is due.
        """
        now = self._reactor.seconds()
        if now < self._next:
            return
        former, self._zones = self._zones, {}
        due: list[tuple[float, SignedZone]] = []
        for zone in zones:
            if zone.policy.agents and zone.served is not None:
                watched = self._zones[zone.apex] = former.get(zone.apex) or _Watched()
                if zone.asks is not None and zone.asks != watched.asks:
                    watched.due = min(watched.due, now)
                watched.asks = zone.asks
                if watched.due <= now and zone.apex not in self._asking:
                    due.append((watched.due, zone))
        self._next = now + max(_LOOK, len(self._zones) / _ZONES)
        self.unknown &= self._zones.keys()
        for _, zone in sorted(due, key=lambda each: each[0]):
            if now < self._free or len(self._asking) >= PARENT_LOOKS.default:
                return
            self._free = max(self._free, now) + len(zone.policy.agents) / PARENT_RATE.default
            self._ask(zone, self._zones[zone.apex], now)

    def _ask(self, zone: SignedZone, watched: _Watched, now: float) -> None:
        watched.due = now + PARENT_REST.default
        try:
            rolls = readLives(self._notes.keysOf(zone.apex))
        except BadKey:
            # Signing says so.
            return
        if rolls is None:
            return
        if rolls.awaitsParent:
            watched.due = now + zone.policy.check
        asking = self._asking[zone.apex] = Deferred.fromCoroutine(self._askAll(zone, watched))
        asking.addErrback(_failed, zone.zone).addBoth(self._asked, zone.apex)

    def _asked(self, _: object, apex: bytes) -> None:
        self._asking.pop(apex, None)

    async def _askAll(self, zone: SignedZone, watched: _Watched) -> None:
        try:
            remotes = [RemoteServer.fromText(text, Keys()) for text in zone.policy.agents]
        except BadDescription as fault:
            _log.warn("{zone}: its parent cannot be asked: {fault}", zone=zone.zone, fault=fault)
            return
        outcomes = await gatherResults([Deferred.fromCoroutine(self._askOne(zone.apex, remote)) for remote in remotes])
        if self._isClosed or self._zones.get(zone.apex) is not watched:
            return
        if zone.pending:
            # The process that signs it has the folder of the keys, perhaps for seconds.
            watched.due = self._reactor.seconds() + _LOOK
            return
        now = self._publisher.today()
        delegations = [each for each in outcomes if isinstance(each, Delegation)]
        dnskeys = self._dnskeysOf(zone.apex)
        watched.facts = {
            remote.server.label: PeerFact(None, now, str(each) if isinstance(each, DNSFault) else f"it has {tagsIn(each.entries)}")
            for remote, each in zip(remotes, outcomes, strict=True)
        }
        unknown = [each.server for each in delegations if unknownAt(zone.apex, dnskeys, each)]
        if delegations:
            # That a server is silent mends nothing.
            (self.unknown.add if unknown else self.unknown.discard)(zone.apex)
        self._say(zone, watched, outcomes, unknown)
        built, folder, isWhole = zone.served, self._notes.keysOf(zone.apex), len(delegations) == len(outcomes)
        if built is not None and confirmSeen(zone, built, folder, dnskeys, delegations, isWhole, now):
            self._images.note([built])
            zone.sources = keysIn(built, folder)

    def _dnskeysOf(self, apex: bytes) -> tuple[bytes, ...]:
        """
        Return rdata of the DNSKEY records that are served of a zone.
        """
        place = self._publisher.zones.at(apex)
        served = None if place is None else place.served()
        found = None if served is None else served.current.top.of(DNSKEY)
        return () if found is None else found.rdatas

    async def _askOne(self, apex: bytes, remote: RemoteServer) -> Delegation | DNSFault:
        reactor, server = self._reactor, remote.server
        connect = connectorTo(reactor, server, remote.tls) or tcpConnector(reactor, server, "it had answered")
        asked = Message(0, 0, (Question(apex, DS),))
        try:
            seconds, today = PARENT_SECONDS.default, self._publisher.today
            reply = await exchangeOverStream(reactor, connect, remote, asked, seconds=seconds, today=today)
            return delegationIn(reply, apex, server.label)
        except DNSFault as fault:
            return fault

    def _say(self, zone: SignedZone, watched: _Watched, outcomes: Iterable[Delegation | DNSFault], unknown: list[str]) -> None:
        """
        Log what was found, if it was something else before.
        """
        said = "; ".join([str(each) if isinstance(each, DNSFault) else f"{each.server} has {tagsIn(each.entries)}" for each in outcomes])
        if (said, unknown) == watched.said:
            return
        watched.said = said, unknown
        if unknown:
            text = (
                "{zone}: DS records of none of its keys are at {servers}, of its parent: resolvers that validate take the zone for bogus; "
                "have the parent take the records that txdns keys ds shows"
            )
            _log.error(text, zone=zone.zone, servers=" and ".join(unknown))
        level = _log.warn if any(isinstance(each, DNSFault) for each in outcomes) else _log.info
        level("{zone}: its parent: {said}", zone=zone.zone, said=said)

    def close(self) -> None:
        self._isClosed = True
        for each in [*self._asking.values()]:
            each.cancel()


def _failed(failure: Failure, zone: str) -> None:
    if not isinstance(failure.value, CancelledError):
        _log.failure("while the parent of {zone} is asked", failure, zone=zone)
