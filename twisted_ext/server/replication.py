"""
A server's zones among other servers: who may have them, who is told of their changes, and which ones come from elsewhere.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from time import time
from typing import TYPE_CHECKING, Final

from twisted.internet.defer import Deferred, gatherResults
from twisted.internet.interfaces import IReactorTime

from twisted_ext.errors import BadDescription
from twisted_ext.server.authority import EXPIRED
from twisted_ext.server.cataloging import Cataloging
from twisted_ext.server.errands import Errand, errandKey
from twisted_ext.server.keys import Grants, Keys, RemoteServer
from twisted_ext.server.notifying import Noticing, Notifying
from twisted_ext.server.secondaries import Secondaries
from twisted_ext.server.secondary import Secondary
from twisted_ext.server.transferring import Offer, Transferring
from twisted_ext.wire.codes import Opcode
from twisted_ext.wire.names import nameToText
from twisted_ext.wire.rrtypes import AXFR, IXFR
from twisted_ext.zone.catalogs import Step
from twisted_ext.zone.versions import Version
from twisted_ext.zone.zones import Zone

if TYPE_CHECKING:
    from twisted_ext.server.authority import Zones
    from twisted_ext.server.settings import Settings
    from twisted_ext.server.zonesettings import ZoneSettings
    from twisted_ext.zone.sending import Differences

__all__ = ["Replication", "checkZone", "keysOf"]

_NOBODY: Final = Grants()


def keysOf(settings: Settings) -> Keys:
    """
    @return: the keys that a server shares with others.

    @raise BadDescription: one of them cannot be used; says which.
    """
    return Keys.fromFile(settings.keyFile, weak=settings.weakKeys) if settings.keyFile else Keys()


class _Terms:
    """
    What was said of one zone.
    """

    __slots__ = ("primaries", "transfer", "singly", "notify", "notices", "digest")

    def __init__(self, zone: ZoneSettings | None, keys: Keys) -> None:
        self.primaries: list[RemoteServer] = []
        self.notify: list[RemoteServer] = []
        self.transfer = self.singly = self.notices = _NOBODY
        self.digest = ""
        if zone is not None:
            self._read(zone, keys)

    def _read(self, zone: ZoneSettings, keys: Keys) -> None:
        try:
            self.primaries = [RemoteServer.fromText(text, keys) for text in zone.texts("primaries")]
            self.transfer = Grants.fromTexts(zone.texts("allow-transfer"))
            self.singly = Grants.fromTexts(zone.texts("one-answer"))
            self.notify = [RemoteServer.fromText(text, keys) for text in zone.texts("notify")]
            self.notices = Grants.fromTexts(zone.texts("allow-notify"))
        except BadDescription as fault:
            raise BadDescription(f"zone {zone.text}: {fault}") from None
        self.digest = str(zone.value("zonemd"))
        if self.primaries and zone.file:
            raise BadDescription(f"zone {zone.text}: has a file and primaries; its records come from one or the other")


def _termsOf(zone: ZoneSettings, keys: Keys) -> _Terms:
    """
    @return: what was said of it; of zones of which nothing was, all of a hundred thousand perhaps, the same for all.
    """
    return _USUAL if set(zone.values) <= _COMMON else _Terms(zone, keys)


#: Keys of the table of a zone with which other servers have nothing to do.
_COMMON: Final = frozenset(("name", "file"))

_USUAL: Final = _Terms(None, Keys())


def checkZone(zone: ZoneSettings, keys: Keys) -> None:
    """
    @raise BadDescription: what is said of a zone's transfers and notices cannot be used.
    """
    _Terms(zone, keys)


class Replication:
    """
    All transfers and notices of a server, in and out.

    @ivar errands: what is to see to requests for them, for L{Responder<twisted_ext.server.respond.Responder>}.
    @ivar secondaries: the zones that come from elsewhere; L{None} without a folder to keep them in.
    @ivar notifying: who is told of changes.
    @ivar cataloging: the zones, those of catalogs among them.
    """

    def __init__(
        self,
        reactor: IReactorTime,
        zones: Zones,
        folder: str,
        *,
        journal: Callable[[bytes], Differences | None] = lambda apex: None,
        today: Callable[[], float] = time,
    ) -> None:
        """
        @param folder: where zones that come from elsewhere are kept, or C{""}.
        @param journal: gives what has changed in a zone of our own.
        @param today: gives seconds since 1970.

        @raise OSError: the folder cannot be made.
        """
        self._zones = zones
        self._journal = journal
        self._today = today
        self._terms: dict[bytes, _Terms] = {}
        self._keys = Keys()
        self.cataloging = Cataloging(f"{folder}/catalogs" if folder else "")
        self.notifying = Notifying(reactor, today=today)
        self.secondaries = Secondaries(reactor, folder, self._install, told=self._told, today=today) if folder else None
        transferring = Transferring(self._offer, today=today)
        self.transferring = transferring
        self.errands: dict[int, Errand] = {
            errandKey(Opcode.QUERY, AXFR): transferring,
            errandKey(Opcode.QUERY, IXFR): transferring,
            errandKey(Opcode.NOTIFY): Noticing(self._watched),
        }

    def adopt(self, zones: Iterable[ZoneSettings], keys: Keys) -> None:
        """
        Go over to what is said of zones now. Those that come from elsewhere begin to come, or end.

        @raise BadDescription: something cannot be used; nothing has changed then.
        """
        zones = list(zones)
        self.cataloging.check(zones)
        for zone in zones:
            if _termsOf(zone, keys).primaries and self.secondaries is None:
                raise BadDescription(f"zone {zone.text}: a folder is needed to keep it in; say which with state")
        self._keys = keys
        self._settle(self.cataloging.adopt(zones))
        for apex in self.cataloging.followed:
            place = self._zones.at(apex)
            served = None if place is None else place.served()
            if served is not None:
                self._catalogued(served.current)
        self._produce()

    def _settle(self, steps: list[Step]) -> None:
        """
        Have those zones that there are, and forget all about those that a catalog has taken away.
        """
        keys = self._keys
        gone = {step.member.apex for step in steps if step.kind in ("remove", "reset")}
        again = {step.member.apex for step in steps if step.kind == "reset"}
        zones = self.cataloging.zones
        if self.secondaries is not None:
            for apex in gone - ({zone.name for zone in zones} - again):
                if self.secondaries.at(apex) is None:
                    # An earlier process kept it.
                    self.secondaries.erase(apex)
        if not again:
            self._have(zones, keys, gone)
            return
        leaving = self._have([zone for zone in zones if zone.name not in again], keys, gone)
        gatherResults(leaving, consumeErrors=True).addCallback(lambda _: self._have(self.cataloging.zones, keys))

    def _catalogued(self, version: Version) -> None:
        steps = self.cataloging.changed(version)
        if steps:
            self._settle(steps)

    def _produce(self) -> None:
        """
        Make the catalogs of this server anew where they list other zones than before.
        """
        for name, members in self.cataloging.produced():
            place = self._zones.at(name.lower())
            zone = None if place is None else place.served()
            version = self.cataloging.next(name, members, None if zone is None else zone.current, self._today())
            if version is not None:
                if zone is None:
                    zone = Zone(version)
                else:
                    zone.replace(version)
                self._zones.put(zone, now=self._today())
                self.changed(version)

    def _have(self, zones: Iterable[ZoneSettings], keys: Keys, gone: Collection[bytes] = ()) -> list[Deferred[None]]:
        """
        @param gone: zones that are to be forgotten altogether.

        @return: each fires when one zone that goes is gone.
        """
        leaving: list[Deferred[None]] = []
        wanted = {zone.name: (zone, _termsOf(zone, keys)) for zone in zones}
        fetched = {apex for apex, (_, terms) in wanted.items() if terms.primaries}
        if fetched and self.secondaries is None:
            raise BadDescription(f"zone {nameToText(min(fetched))}: a folder is needed to keep it in; say which with state")
        before, self._terms = self._terms, {apex: terms for apex, (_, terms) in wanted.items()}
        for apex in {*before, *wanted}:
            self.notifying.targets(apex, wanted[apex][1].notify if apex in wanted else ())
        secondaries = self.secondaries
        if secondaries is None:
            return leaving
        for apex in [apex for apex, terms in before.items() if terms.primaries and apex not in fetched]:
            leaving.append(secondaries.remove(apex, forget=apex in gone))
            if apex not in wanted:
                self._zones.remove(apex)
        for apex in sorted(fetched):
            terms = wanted[apex][1]
            known = secondaries.at(apex)
            if known is None:
                self._zones.expect(apex)
                secondaries.add(wanted[apex][0].apexName, terms.primaries, terms.notices, digest=terms.digest)
            else:
                known.digest = terms.digest
                known.follow(terms.primaries, terms.notices)
        return leaving

    def expires(self, apex: bytes) -> float | None:
        """
        @return: seconds for which a zone may be served: of our own what its SOA says, of others what is left of that; L{None} of what is no
            zone that is served.
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
        @return: when a zone of other servers expires, in seconds since 1970; L{None} of our own.
        """
        secondary = self._watched(apex)
        return None if secondary is None else secondary.refreshing.expiresAt

    def refresh(self, apex: bytes) -> bool:
        """
        Look now whether a zone that comes from elsewhere has changed.

        @return: whether this is one.
        """
        zone = self._watched(apex)
        if zone is not None:
            zone.refreshNow()
        return zone is not None

    def changed(self, version: Version) -> None:
        """
        Another version of a zone is in force: tell those who are to know.
        """
        self.notifying.changed(version.apex, version.soa)
        self._catalogued(version)

    def start(self) -> None:
        """
        Begin to fetch.
        """
        if self.secondaries is not None:
            self.secondaries.start()

    def stop(self) -> Deferred[None]:
        """
        @return: fires when nothing is under way any more.
        """
        stopping = [self.notifying.stop()]
        if self.secondaries is not None:
            stopping.append(self.secondaries.stop())
        return gatherResults(stopping, consumeErrors=True).addCallback(lambda _: None)

    def _install(self, apexName: bytes, version: Version | None) -> None:
        apex = apexName.lower()
        if version is None:
            self._zones.fail(apex, "no primary has confirmed it for too long", EXPIRED)
            return
        place = self._zones.at(apex)
        if place is not None and place.zone is not None:
            place.zone.replace(version)
            zone = place.zone
        else:
            zone = Zone(version)
        self._zones.put(zone, now=self._today())
        self.changed(version)

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
            return Offer(None, _NOBODY)
        grants = terms.transfer
        zone = place.served()
        version = None if zone is None or place.state == EXPIRED else zone.current
        secondary = self._watched(apex)
        if secondary is not None:
            return Offer(version, grants, secondary.journal, secondary.expires, terms.singly)
        return Offer(version, grants, self._journal(apex), singly=terms.singly)
