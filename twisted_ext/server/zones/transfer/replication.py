"""
Zone replication between servers: outgoing and incoming transfers, NOTIFY and catalog zones.
"""

from __future__ import annotations

import gc
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from itertools import islice
from time import time
from typing import TYPE_CHECKING, Final

from twisted.internet.defer import CancelledError, Deferred, gatherResults
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure

from twisted_ext.errors import BadDescription, BadZone
from twisted_ext.server.config.keys import Keys
from twisted_ext.server.config.transferpolicy import NOBODY, USUAL, Terms, termsOf
from twisted_ext.server.limits import STARTS
from twisted_ext.server.process.jobs.subprocess import inThread
from twisted_ext.server.process.jobs.turns import paced
from twisted_ext.server.reply.opcodes import OpcodeHandler, handlerKey
from twisted_ext.server.zones.table.guards import Guards
from twisted_ext.server.zones.table.sink import ZoneSink
from twisted_ext.server.zones.table.zonetable import EXPIRED
from twisted_ext.server.zones.transfer.catalogs import CatalogSettings
from twisted_ext.server.zones.transfer.notify import NotifyReceiver, NotifySender
from twisted_ext.server.zones.transfer.peerfacts import PeerFact, PeerFacts
from twisted_ext.server.zones.transfer.secondaries import Secondaries
from twisted_ext.server.zones.transfer.transferlimits import TransferLimits
from twisted_ext.server.zones.transfer.xfrin import Secondary
from twisted_ext.server.zones.transfer.xfrout import Offer, OutgoingTransfers
from twisted_ext.wire.codes import Opcode
from twisted_ext.wire.names import nameToText
from twisted_ext.wire.rrtypes import AXFR, IXFR
from twisted_ext.zone.catalog.catalogs import Catalog, CatalogStep
from twisted_ext.zone.store.events import VersionHistory
from twisted_ext.zone.store.version import Version

if TYPE_CHECKING:
    from twisted_ext.metrics.figures import JSON
    from twisted_ext.server.config.zonesettings import ZoneSettings
    from twisted_ext.zone.transfer.sender import Differences

__all__ = ["Replication"]

#: Catalog zones' members added or removed before the remaining ones are excluded from garbage collection again.
_MANY: Final = 1000

#: Zones recorded in one step: a millisecond.
_STEP: Final = 500

_log: Final = Logger(__name__)


class Replication:
    """
    All transfers and NOTIFY messages of a server, in both directions.

    @ivar handlers: the handlers for them, to register with L{Responder<twisted_ext.server.reply.respond.Responder>}.
    @ivar secondaries: the secondary zones; L{None} without a folder to store them in.
    @ivar cataloging: the zone settings, including those for members of catalog zones.
    """

    def __init__(
        self,
        reactor: IReactorTime,
        sink: ZoneSink,
        folder: str,
        *,
        journal: Callable[[bytes], Differences | None] = lambda apex: None,
        today: Callable[[], float] = time,
        limits: TransferLimits | None = None,
        guards: Guards | None = None,
    ) -> None:
        """
        @param folder: where secondary zones are stored, or C{""}.
        @param limits: on concurrent transfers.
        @param journal: returns the recent changes of a primary zone.
        @param today: returns seconds since 1970.
        @param guards: decide which versions wait.

        @raise OSError: the folder cannot be created.
        """
        limits = limits or TransferLimits()
        self._sink = sink
        self._guards = guards or Guards()
        self._zones = sink.zones
        self._journal = journal
        self._today = today
        self._reactor = reactor
        self._terms: dict[bytes, Terms] = {}
        # Members of catalog zones in service; those to be rearranged, and why; versions of catalog zones being read.
        self._fromCatalogs: set[bytes] = set()
        self._pending: dict[bytes, tuple[CatalogStep, tuple[bool, bool]]] = {}
        self._versions: dict[bytes, Version] = {}
        # Recent changes of zones without a journal.
        self._compared: dict[bytes, VersionHistory] = {}
        self._comparing: set[Deferred[None]] = set()
        # Secondary zones being stopped, and whether their stored data has to be removed.
        self._leaving: dict[bytes, bool] = {}
        self._turn: IDelayedCall | None = None
        self._settled = 0
        self._stopped = False
        self._ended: Deferred[None] | None = None
        self._keys = Keys()
        self.cataloging = CatalogSettings(f"{folder}/catalogs" if folder else "")
        # How often each zone was transferred to a client.
        self._sent: Counter[bytes] = Counter()
        # What was sent to whom last.
        self._facts = PeerFacts()
        self.notifying = NotifySender(reactor, today=today, view=self._zones.view)
        self.secondaries = (
            Secondaries(reactor, folder, self._install, told=self._told, today=today, limits=limits, guards=self._guards)
            if folder
            else None
        )
        self.transfers = OutgoingTransfers(self._offer, limits=limits, today=today, sent=self._wasSent, view=self._zones.view)
        self.handlers: dict[int, OpcodeHandler] = {
            handlerKey(Opcode.QUERY, AXFR): self.transfers,
            handlerKey(Opcode.QUERY, IXFR): self.transfers,
            handlerKey(Opcode.NOTIFY): NotifyReceiver(self._watched),
        }

    def applying(
        self,
        zones: Sequence[ZoneSettings],
        keys: Keys,
        also: Callable[[bytes, ZoneSettings | None], object] = lambda apex, zone: None,
        others: Iterable[bytes] = (),
    ) -> Iterator[None]:
        """
        Apply new zone settings in short steps. Secondary zones are started or stopped accordingly. All settings of one zone take effect in
        one step.

        @param also: called in the same step with the zone's name and settings, L{None} if it is not configured any more.
        @param others: names of further zones to call C{also} for.

        @raise BadDescription: the settings cannot be used; nothing has changed then.
        """
        special = [zone for zone in zones if not zone.plain]
        yield from self.cataloging.checking(zones)
        for zone in special:
            if termsOf(zone, keys).primaries and self.secondaries is None:
                raise BadDescription(f"zone {zone.text}: a folder is needed to store it; set state")
            yield
        self._keys = keys
        steps = self.cataloging.apply(zones)
        self._guards.catalogs = self.cataloging.followed
        said = self.cataloging.said
        # Unchanged members of catalog zones, perhaps a hundred thousand, need no update here.
        known = [apex for apex in self._terms if apex in said or apex not in self._fromCatalogs]
        for apex in dict.fromkeys([*known, *others, *[zone.name for zone in special]]):
            also(apex, said.get(apex))
            self._arrange(apex)
            yield
        self._settle(steps)
        for apex in self.cataloging.followed:
            place = self._zones.at(apex)
            served = None if place is None else place.served()
            if served is not None:
                self._catalogued(served.current)
        yield from self._produce()

    def revising(
        self, apex: bytes, zone: ZoneSettings | None, keys: Keys, also: Callable[[bytes, ZoneSettings | None], object]
    ) -> Iterator[None]:
        """
        Apply the settings of one zone, L{None} if it is configured no more; see L{applying}.
        """
        if zone is not None and termsOf(zone, keys).primaries and self.secondaries is None:
            raise BadDescription(f"zone {zone.text}: a folder is needed to store it; set state")
        former = self.cataloging.said.get(apex)
        steps = self.cataloging.revise(apex, zone)
        also(apex, zone)
        self._arrange(apex, gone=zone is None)
        self._settle(steps)
        if any(each is not None and each.listedIn for each in (former, zone)):
            yield from self._produce()

    def termsOf(self, apex: bytes) -> Terms | None:
        """
        Return what others may do with a zone; L{None} if nothing is said of that.
        """
        return self._terms.get(apex)

    # -- members of catalog zones, in short turns

    def _settle(self, steps: list[CatalogStep]) -> None:
        for _ in self._pend(steps):
            pass
        if self._turn is None:
            self._settleSome()

    def _pend(self, steps: list[CatalogStep]) -> Iterator[None]:
        for count, step in enumerate(steps):
            if not count % _STEP:
                yield
            apex = step.member.apex
            before = self._pending.get(apex)
            # The zone is looked up again when its turn comes; earlier requests to remove its data still hold.
            reset, gone = step.kind == "reset", step.kind in ("remove", "reset")
            self._pending[apex] = (step, (reset, gone) if before is None else (reset or before[1][0], gone or before[1][1]))

    def _settleSome(self) -> None:
        self._turn = None
        for apex in list(islice(self._pending, int(STARTS.default))):
            step, (reset, gone) = self._pending.pop(apex)
            zone, catalog = nameToText(step.member.name), nameToText(step.catalog)
            _log.info("{kind} {zone} of catalog {catalog}", kind=step.kind, zone=zone, catalog=catalog)
            try:
                self._arrange(apex, gone=gone, reset=reset)
            except Exception:
                # A bug with one zone must not affect the others.
                _log.failure("while applying {zone} of a catalog", zone=zone)
            self._settled += 1
        if self._pending:
            if not self._stopped:
                self._turn = self._reactor.callLater(0, self._settleSome)
        elif self._settled >= _MANY:
            # They are long-lived, and a garbage collection that scans them takes longer than a turn may.
            self._settled = 0
            gc.freeze()

    def _arrange(self, apex: bytes, *, gone: bool = False, reset: bool = False) -> None:
        """
        Apply the current settings of a zone.

        @param gone: whether a catalog zone has dropped it: remove its stored data, unless it is still fetched for another reason.
        @param reset: whether to remove its stored data and start from scratch.
        """
        if apex in self._leaving:
            # Continue when it has stopped, with the settings of that time.
            self._leaving[apex] = self._leaving[apex] or gone
            return
        zone = self.cataloging.zoneAt(apex)
        terms = None if zone is None else termsOf(zone, self._keys)
        self._terms.pop(apex, None)
        self._fromCatalogs.discard(apex)
        if terms is not None and terms is not USUAL:
            self._terms[apex] = terms
        if terms is None or not terms.transfer:
            self._compared.pop(apex, None)
        if zone is not None and apex not in self.cataloging.said:
            self._fromCatalogs.add(apex)
        self.notifying.targets(apex, () if terms is None else terms.notify)
        if self.secondaries is None:
            return
        primaries = [] if terms is None else terms.primaries
        known = self.secondaries.at(apex)
        if known is not None and (reset or not primaries):
            self._leaving[apex] = False
            self._guards.forget(apex)
            if zone is None or reset:
                self._sink.gone(apex)
            leaving = self.secondaries.remove(apex, forget=gone or reset)
            leaving.addBoth(self._left, apex)
            return
        if known is None and (reset or (gone and not primaries)):
            # It was stored by an earlier process.
            self.secondaries.erase(apex)
        if zone is None or terms is None or not primaries:
            return
        if known is None:
            self._sink.expect(apex)
            self.secondaries.add(zone.apexName, primaries, terms.notices, terms.digest)
        else:
            known.digest = terms.digest
            known.follow(primaries, terms.notices)

    def _left(self, result: object, apex: bytes) -> None:
        gone = self._leaving.pop(apex)
        if isinstance(result, Failure):
            _log.failure("a zone could not be stopped", failure=result)
        if not self._stopped:
            self._arrange(apex, gone=gone)
        elif self._ended is not None and not self._leaving:
            self._ended.callback(None)

    def _catalogued(self, version: Version) -> None:
        """
        Apply a new version of a catalog zone, if this is one. Reading it may take long, so it is done in a thread, one version at a time.
        """
        apex = version.apex
        if apex in self.cataloging.followed:
            reading = apex in self._versions
            self._versions[apex] = version
            if not reading:
                Deferred.fromCoroutine(self._follow(apex)).addErrback(lambda failure: _log.failure("while following a catalog", failure))

    async def _follow(self, apex: bytes) -> None:
        reactor = self._reactor
        try:
            while not self._stopped:
                version = self._versions[apex]
                try:
                    former = self.cataloging.catalogs.followed.get(apex)
                    catalog = await inThread(reactor, partial(Catalog.fromVersion, version, former=former))
                except BadZone as wrong:
                    self.cataloging.breaks(apex, wrong)
                else:
                    found: list[CatalogStep] = []
                    await self._pacing(self._found(catalog, found))
                    # Catalog ownership is on disk before anything is done with a zone.
                    await inThread(reactor, self.cataloging.owners.write)
                    if not self._stopped:
                        await self._pacing(self._pend(found))
                        self._settle([])
                if self._versions[apex] is version:
                    return
        except CancelledError:
            # The server is stopping.
            return
        finally:
            del self._versions[apex]

    def _found(self, catalog: Catalog, found: list[CatalogStep]) -> Iterator[None]:
        found += yield from self.cataloging.following(catalog)

    async def _pacing(self, steps: Iterator[None]) -> None:
        """
        Run short steps in turns, until done or cancelled by L{stop}.
        """
        done = paced(self._reactor, steps)
        self._comparing.add(done)
        try:
            await done
        finally:
            self._comparing.discard(done)

    def _produce(self) -> Iterator[None]:
        for name, members in (yield from self.cataloging.producing()):
            yield
            place = self._zones.at(name.lower())
            zone = None if place is None else place.served()
            version = self.cataloging.next(name, members, None if zone is None else zone.current, self._today())
            if version is not None:
                self._sink.arrived(version)

    def expires(self, apex: bytes) -> float | None:
        """
        Return the seconds for which a zone may be served: the SOA expire value of a primary zone, the remaining time of a secondary zone;
        L{None} if the zone is not served.
        """
        place = self._zones.at(apex)
        if place is None or place.state == EXPIRED or place.zone is None:
            return None
        secondary = self._watched(apex)
        if secondary is not None:
            return secondary.expires
        return int.from_bytes(place.zone.current.soa.rdatas[0][-8:-4], "big")

    def until(self, apex: bytes) -> float | None:
        """
        Return when a secondary zone expires, in seconds since 1970; L{None} for a primary zone.
        """
        secondary = self._watched(apex)
        return None if secondary is None else secondary.refreshing.expiresAt

    def refresh(self, apex: bytes) -> bool:
        """
        Query the primaries of a secondary zone for changes now.

        @return: whether this is a secondary zone.
        """
        zone = self._watched(apex)
        if zone is not None:
            zone.refreshNow()
        return zone is not None

    def figures(self) -> dict[str, float]:
        """
        Return numbers for L{Figures<twisted_ext.metrics.figures.Figures>}.
        """
        figures = {**self.notifying.figures(), "transfersSent": self._sent.total()}
        if self.secondaries is not None:
            figures["transfersReceived"] = self.secondaries.received
            expiry = self.secondaries.firstExpiry
            if expiry is not None:
                figures["zonesExpiry"] = expiry
        return figures

    def transfersOf(self, apex: bytes) -> tuple[int, int]:
        """
        Return how often a zone was transferred to a client, and how often from a primary.
        """
        secondary = self._watched(apex)
        return self._sent[apex], 0 if secondary is None else secondary.received

    def factsOf(self, apex: bytes) -> dict[str, JSON]:
        """
        Describe the exchange of a zone with other servers.

        @return: for a secondary zone what L{Secondary.facts} returns; C{notified}, see L{NotifySender.factsOf}; C{fetched}, the clients
            that the zone was sent to, each with C{client}, C{serial} and C{at}. A NOTIFY that was acknowledged does not prove that a server
            has the version, so these are two facts.
        """
        secondary = self._watched(apex)
        facts: dict[str, JSON] = {} if secondary is None else secondary.facts()
        if notified := self.notifying.factsOf(apex):
            facts["notified"] = [*notified]
        if fetched := self._facts.of(apex):
            facts["fetched"] = [{"client": client, **fact.toJSON()} for client, fact in fetched.items()]
        return facts

    def isSecondary(self, apex: bytes) -> bool:
        return self._watched(apex) is not None

    def changesOf(self, apex: bytes) -> Differences | None:
        """
        Return the recent changes of a zone that clients can get by IXFR.
        """
        offer = self._offer(apex)
        return None if offer is None else offer.journal

    def _wasSent(self, zone: bytes, serial: int, client: str, keyName: bytes) -> None:
        self._sent[zone] += 1
        self._facts.note(zone, client, PeerFact(serial, self._today()))
        self.notifying.sent(zone, serial, client, keyName)

    def changed(self, version: Version) -> None:
        self._catalogued(version)
        terms = self._terms.get(version.apex)
        secondary = self._watched(version.apex)
        hasJournal = secondary is not None and terms is not None and not terms.isSigned
        if terms is None or not terms.transfer or hasJournal or self._journal(version.apex) is not None:
            self._compared.pop(version.apex, None)
            self.notifying.changed(version.apex, version.soa)
            return
        compared = self._compared.get(version.apex)
        if compared is None:
            compared = self._compared[version.apex] = VersionHistory(version)
        # Compute the differences first: notified secondaries request IXFR at once.
        comparing = paced(self._reactor, compared.going(version))
        self._comparing.add(comparing)
        comparing.addBoth(self._tell, comparing, version)

    def _tell(self, result: object, comparing: Deferred[None], version: Version) -> None:
        self._comparing.discard(comparing)
        if isinstance(result, Failure):
            self._compared.pop(version.apex, None)
            if not isinstance(result.value, CancelledError):
                _log.failure("while comparing versions of a zone", failure=result)
        if not self._stopped:
            self.notifying.changed(version.apex, version.soa)

    def start(self) -> None:
        if self.secondaries is not None:
            self.secondaries.start()

    def stop(self) -> Deferred[None]:
        """
        @return: fires when nothing is under way any more.
        """
        self._stopped = True
        if self._turn is not None:
            self._turn.cancel()
            self._turn = None
        for comparing in list(self._comparing):
            comparing.cancel()
        stopping = [self.notifying.stop()]
        if self._leaving:
            self._ended = Deferred()
            stopping.append(self._ended)
        if self.secondaries is not None:
            stopping.append(self.secondaries.stop())
        return gatherResults(stopping, consumeErrors=True).addCallback(lambda _: None)

    def _install(self, apexName: bytes, version: Version | None) -> None:
        apex = apexName.lower()
        if version is None:
            self._sink.failed(apex, "no primary has confirmed it for too long", EXPIRED)
        else:
            self._sink.arrived(version)

    def _told(self, apex: bytes, said: str) -> None:
        place = self._zones.at(apex)
        if place is not None:
            place.said = said
            self._zones.told(apex)

    def _watched(self, apex: bytes) -> Secondary | None:
        return None if self.secondaries is None else self.secondaries.at(apex)

    def _offer(self, apex: bytes) -> Offer | None:
        place = self._zones.at(apex)
        if place is None:
            return None
        terms = self._terms.get(apex)
        if terms is None or not terms.transfer:
            return Offer(None, NOBODY)
        grants = terms.transfer
        zone = place.served()
        version = None if zone is None or place.state == EXPIRED else zone.current
        secondary = self._watched(apex)
        expires = None if secondary is None else secondary.expires
        journal = self._journal(apex) if secondary is None or terms.isSigned else secondary.journal
        compared = self._compared.get(apex)
        if journal is None and compared is not None:
            journal = compared.history
        return Offer(version, grants, journal, expires, terms.singly, terms.isEncrypted)
