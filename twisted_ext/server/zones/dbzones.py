"""
Zones that the settings place in databases: served from there, and polled for changes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Final

from twisted.internet.defer import Deferred, DeferredLock, gatherResults
from twisted.internet.task import Cooperator, LoopingCall
from twisted.logger import Logger

from twisted_ext.errors import BadChange, BadDescription, BadZone, BudgetSpent, DNSFault, StorageFault
from twisted_ext.server.config.stores import storeFrom
from twisted_ext.server.limits import STORE_LOOKS
from twisted_ext.server.update.commit import Elsewhere
from twisted_ext.wire.names import nameToText
from twisted_ext.wire.records import RRSet
from twisted_ext.wire.rrtypes import SOA
from twisted_ext.zone.store.changeset import Difference
from twisted_ext.zone.store.events import History, News
from twisted_ext.zone.store.image import Image
from twisted_ext.zone.store.imagebuilder import ImageBuilder
from twisted_ext.zone.store.nodes import kindOf
from twisted_ext.zone.store.version import Version
from twisted_ext.zone.update.transactions import Transaction

if TYPE_CHECKING:
    from twisted.internet.interfaces import IReactorTime

    from twisted_ext.interfaces import IZoneStore
    from twisted_ext.server.authority.sink import ZoneSink
    from twisted_ext.server.config.zonesettings import ZoneSettings

__all__ = ["DatabasePoller", "StoreJournal", "ZoneDatabases"]

#: Names processed before control returns to the reactor.
_STEP: Final = 200

_log: Final = Logger(__name__)


class StoreJournal:
    """
    Stores changes in the database that the zone comes from; used by L{CommitQueue<twisted_ext.server.update.commit.CommitQueue>} in place
    of a journal.
    """

    def __init__(self, store: IZoneStore, note: Callable[[Sequence[Difference]], object] = lambda differences: None) -> None:
        """
        @param note: called with the stored differences, in the thread that stored them.
        """
        self._store = store
        self._note = note

    def append(self, differences: Sequence[Difference]) -> None:
        self._store.write(differences)
        self._note(differences)

    # The database keeps no old changes, and its owner closes it.

    def trim(self, imaged: int) -> bool:
        return False

    def clear(self, origin: bytes | None = None) -> None:
        pass

    def close(self) -> None:
        pass


class DatabasePoller:
    """
    Serves the zones of a database. Changes in the database are in force within a second, or the reason is logged.

    Blocking work runs in a thread; changes are applied some names at a time.

    @ivar said: errors by the zones' folded names.
    @ivar wanted: the folded names of the zones to serve; L{None} for all.
    @ivar keeper: the storage for changes made by this server.
    """

    def __init__(
        self,
        clock: IReactorTime,
        store: IZoneStore,
        sink: ZoneSink,
        elsewhere: Elsewhere,
        *,
        label: str,
    ) -> None:
        """
        @param elsewhere: runs work in a thread.
        @param label: the database, for display.
        """
        self.said: dict[bytes, str] = {}
        self.wanted: set[bytes] | None = None
        self.keeper = StoreJournal(store, self._note)
        self._store = store
        self._sink = sink
        self._outside = elsewhere
        self._turns = DeferredLock()
        self._label = label
        # Position in the database's change feed; L{None} before the first load.
        self._position: int | None = None
        self._ours: set[bytes] = set()
        # Zones that could not be read, to be retried at the next poll.
        self._unread: set[bytes] = set()
        self._histories: dict[bytes, History] = {}
        self._fault = ""
        self._begun: Deferred[None] = Deferred()
        self._looking = LoopingCall(self.look)
        self._looking.clock = clock
        self._cooperator = Cooperator(scheduler=lambda step: clock.callLater(0, step))
        self._closed = False

    def historyOf(self, apex: bytes) -> History:
        return self._histories.setdefault(apex, History())

    def _note(self, differences: Sequence[Difference]) -> None:
        self.historyOf(differences[0].before.name.lower()).note(differences)

    def exclusively(self, work: Callable[[], object]) -> Deferred[object]:
        """
        Run work in a thread while nothing else in this process uses the database, including writers.
        """
        return self._turns.run(self._outside, work)

    def start(self) -> Deferred[None]:
        """
        Load all zones, then poll for changes.

        @return: fires when they are served, or when reading the database has failed: then it is retried.
        """
        self._begun = Deferred()
        for apex in self.wanted or ():
            self._expect(apex)
        self._looking.start(STORE_LOOKS.default).addErrback(
            lambda failure: _log.failure("{label} is not polled any more", failure, label=self._label)
        )
        return self._begun

    def _expect(self, apex: bytes) -> None:
        self._ours.add(apex)
        self._sink.expect(apex, self._label)

    async def _load(self) -> None:
        position = await self.exclusively(self._store.position)
        assert isinstance(position, int)
        names = await self.exclusively(self._store.zones)
        assert isinstance(names, list)
        there = {name.lower(): name for name in names}
        for apex in sorted(there if self.wanted is None else self.wanted):
            if self.wanted is None:
                self._expect(apex)
            await self._reload(there.get(apex, apex))
        self._position = position

    def follow(self, wanted: set[bytes]) -> None:
        """
        Serve the newly wanted zones, and stop following those that are not wanted any more.
        """
        self._ours &= wanted
        for apex in wanted - (self.wanted or set()):
            self._expect(apex)
            Deferred.fromCoroutine(self._reload(apex)).addErrback(
                lambda failure: _log.failure("a zone of {label} cannot be loaded", failure, label=self._label)
            )

    async def _reload(self, name: bytes) -> None:
        def load() -> Version:
            builder = ImageBuilder(name)
            # In a database the type is text, and ALIAS can only mean type 65401.
            builder.aliases = True
            builder.addSets(self._store.load(name))
            return Version(Image(builder.finish()))

        apex = name.lower()
        try:
            version = await self.exclusively(load)
        except DNSFault as fault:
            if self._closed or apex not in self._ours:
                return
            if isinstance(fault, StorageFault):
                # Another process may have locked the database for too long.
                self._unread.add(apex)
            self._complain(apex, fault)
            return
        assert isinstance(version, Version)
        # The zone may have been removed in the meantime.
        if apex in self._ours and not self._closed:
            self._install(version)

    def _install(self, version: Version) -> None:
        former = self._sink.former(version.apex)
        if former is None or not _isSame(former, version):
            self.historyOf(version.apex).forget()
            self._serve(version)
        else:
            self._serve(former)

    def _serve(self, version: Version) -> None:
        apex = version.apex
        self._sink.arrived(version, self._label)
        if self.said.pop(apex, None) is not None:
            _log.info("{zone} is as {label} has it again", zone=nameToText(apex), label=self._label)

    def _complain(self, apex: bytes, fault: DNSFault) -> None:
        if self.said.get(apex) != str(fault):
            self.said[apex] = str(fault)
            self._sink.failed(apex, str(fault))
            _log.error("{zone} stays as it is: {fault}", zone=nameToText(apex), fault=fault)

    # -- changes

    def look(self) -> Deferred[None]:
        """
        @return: fires when the changes in the database are in force.
        """
        return Deferred.fromCoroutine(self._look())

    async def _look(self) -> None:
        try:
            if self._position is None:
                await self._load()
            else:
                await self._follow(self._position)
            self._fault = ""
        except DNSFault as fault:
            if self._fault != str(fault) and not self._closed:
                self._fault = str(fault)
                _log.error("{label} cannot be read: {fault}", label=self._label, fault=fault)
                for apex in self.wanted or ():
                    self._sink.failed(apex, str(fault))
        except Exception:
            # The next poll may succeed.
            _log.failure("while looking at {label}", label=self._label)
        if not self._begun.called:
            self._begun.callback(None)

    async def _follow(self, since: int) -> None:
        unread, self._unread = self._unread, set()
        for apex in unread & self._ours:
            await self._reload(apex)
        told = await self.exclusively(lambda: self._store.news(since))
        assert isinstance(told, tuple)
        position, found = told
        for apex, news in found.items():
            if self._closed:
                return
            await self._take(apex, news)
        self._position = position

    async def _take(self, apex: bytes, news: News | BadZone) -> None:
        if self.wanted is not None and apex not in self.wanted:
            return
        if isinstance(news, BadZone):
            self._complain(apex, news)
            return
        if news.serial is None:
            if apex in self._ours:
                self._ours.discard(apex)
                self._histories.pop(apex, None)
                self.said.pop(apex, None)
                self._sink.gone(apex)
            return
        self._ours.add(apex)
        current = self._sink.former(apex)
        if current is None or news.names is None or news.soa is None or apex in self.said:
            # Changes that could not be applied before are still missing in the zone.
            await self._reload(apex)
            return
        if current.serial == news.serial:
            # A change made by this server.
            return
        transaction = Transaction(current)
        await self._cooperator.cooperate(_steps(transaction, news.names)).whenDone()
        try:
            transaction.replace(news.soa)
            made = transaction.commit()
        except BudgetSpent:
            await self._reload(apex)
            return
        except BadChange as fault:
            self._complain(apex, fault)
            return
        if made is not None and self._sink.former(apex) is current and apex in self._ours:
            self.historyOf(apex).note([made[1]])
            self._serve(made[0])

    # -- shutdown

    def close(self) -> Deferred[None]:
        self._closed = True
        if self._looking.running:
            self._looking.stop()
        self._cooperator.stop()
        return self.exclusively(self._store.close).addCallbacks(
            lambda _: None, lambda failure: _log.failure("{label} cannot be closed", failure, label=self._label)
        )


def _isSame(current: Version, version: Version) -> bool:
    """
    Return whether a loaded version equals the version in force, as far as this is known: another database may have other records under the
    same serial number.
    """
    return current.serial == version.serial and not current.overlay and current.image.content == version.image.content


def _steps(transaction: Transaction, names: dict[bytes, tuple[RRSet, ...]]) -> Iterator[None]:
    """
    Replace the records of names with those in the database, in steps.
    """
    for count, (name, sets) in enumerate(names.items()):
        key = transaction.keyOf(name)
        kinds = {kindOf(rrset) for rrset in sets}
        for kind, rrset in list(transaction.setsAt(key).items()):
            if kind not in kinds and kind[0] != SOA:
                transaction.remove(rrset)
        for rrset in sets:
            transaction.replace(rrset)
        if count % _STEP == _STEP - 1:
            yield
    yield


class ZoneDatabases:
    """
    The databases of a server. Each is opened for its first zone, and closed after its last one is removed.
    """

    def __init__(
        self, reactor: IReactorTime, sink: ZoneSink, elsewhere: Elsewhere
    ) -> None:
        self._reactor = reactor
        self._sink = sink
        self._elsewhere = elsewhere
        self._open: dict[str, DatabasePoller] = {}
        self._homes: dict[bytes, str] = {}
        self._new: list[DatabasePoller] = []

    def apply(self, zones: Iterable[ZoneSettings]) -> None:
        """
        @raise BadDescription: a database cannot be opened.
        """
        homes = {zone.name: zone.store for zone in zones if zone.store}
        opened: dict[str, IZoneStore] = {}
        try:
            for text in sorted(set(homes.values()) - set(self._open)):
                opened[text] = storeFrom(text)
        except (StorageFault, BadDescription) as fault:
            for store in opened.values():
                store.close()
            raise BadDescription(f"store: {fault}") from None
        for apex in set(self._homes) - set(homes):
            self._sink.gone(apex)
        for path in set(self._open) - set(homes.values()):
            self._open.pop(path).close().addErrback(lambda failure: _log.failure("a database cannot be closed", failure))
        for text, store in opened.items():
            storing = DatabasePoller(self._reactor, store, self._sink, self._elsewhere, label=store.label)
            self._open[text] = storing
            self._new.append(storing)
        self._homes = homes
        for path, storing in self._open.items():
            wanted = {apex for apex, home in homes.items() if home == path}
            if storing.wanted != wanted and storing not in self._new:
                storing.follow(wanted)
            storing.wanted = wanted

    def start(self) -> None:
        """
        Load the zones of newly opened databases.
        """
        new, self._new = self._new, []
        for storing in new:
            storing.start()

    def keeperOf(self, apex: bytes) -> tuple[StoreJournal, Elsewhere] | None:
        """
        Return the storage for changes of a zone in a database, and the function that runs work on it; L{None} for other zones.
        """
        home = self._homes.get(apex)
        if home is None:
            return None
        storing = self._open[home]
        return storing.keeper, storing.exclusively

    def historyOf(self, apex: bytes) -> History | None:
        """
        Return the recent changes of a zone in a database; L{None} for other zones.
        """
        home = self._homes.get(apex)
        return None if home is None else self._open[home].historyOf(apex)

    def close(self) -> Deferred[None]:
        opened, self._open = self._open, {}
        return gatherResults([storing.close() for storing in opened.values()]).addCallback(lambda each: None)
