"""
Zones that the settings place in databases: served from there, and polled for changes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING, Final

from twisted.internet.defer import Deferred, DeferredLock, gatherResults, succeed
from twisted.internet.task import Cooperator, LoopingCall
from twisted.logger import Logger

from twisted_ext.errors import BadChange, BadDescription, BadZone, BudgetSpent, DNSFault, StorageFault
from twisted_ext.server.config.stores import storeFrom
from twisted_ext.server.limits import STORE_LOOKS
from twisted_ext.server.zones.table.guards import Guards
from twisted_ext.server.zones.update.commit import Elsewhere, StoreJournal
from twisted_ext.wire.names import nameToText
from twisted_ext.wire.records import RRSet
from twisted_ext.wire.rrtypes import SOA
from twisted_ext.zone.store.changeset import Difference
from twisted_ext.zone.store.events import History, News
from twisted_ext.zone.store.image import Image
from twisted_ext.zone.store.imagebuilder import ImageBuilder
from twisted_ext.zone.store.nodes import kindOf
from twisted_ext.zone.store.serials import isNewer
from twisted_ext.zone.store.version import Version
from twisted_ext.zone.update.transactions import Transaction

if TYPE_CHECKING:
    from twisted.internet.interfaces import IReactorTime

    from twisted_ext.interfaces import IZoneStore
    from twisted_ext.server.config.zonesettings import ZoneSettings
    from twisted_ext.server.zones.table.sink import ZoneSink

__all__ = ["DatabasePoller", "ZoneDatabases"]

#: Names processed before control returns to the reactor.
_STEP: Final = 200

#: Names with conflicting records that an error says.
_SAID: Final = 3

_log: Final = Logger(__name__)


class DatabasePoller:
    """
    Serves the zones of a database. Changes in the database are in force within a second, or the reason is logged.

    Blocking work runs in a thread; changes are applied some names at a time.

    @ivar said: errors by the zones' folded names.
    @ivar wanted: the folded names of the zones to serve; L{None} for all.
    @ivar journal: the storage for changes made by this server.
    """

    def __init__(
        self,
        clock: IReactorTime,
        store: IZoneStore | None,
        sink: ZoneSink,
        elsewhere: Elsewhere,
        *,
        label: str,
        opening: Callable[[], IZoneStore] | None = None,
        guards: Guards | None = None,
    ) -> None:
        """
        @param store: the database; L{None} if it could not be opened yet.
        @param opening: opens it then, in the thread, and is called again after L{StorageFault}.
        @param elsewhere: runs work in a thread.
        @param label: the database, for display.
        @param guards: decide which versions wait.
        """
        self.said: dict[bytes, str] = {}
        self.wanted: set[bytes] | None = None
        # Zones that could not be read or written, to be read at the next poll.
        self._unread: set[bytes] = set()
        self.journal = StoreJournal(self._opened, self._note, self._unread.add, self.look)
        self._opening = opening
        self._store = store
        self._sink = sink
        self._guards = guards or Guards()
        self._outside = elsewhere
        self._turns = DeferredLock()
        self._looks = DeferredLock()
        self._label = label
        # Position in the database's change feed; L{None} before the first load.
        self._position: int | None = None
        self._ours: set[bytes] = set()
        self._histories: dict[bytes, History] = {}
        self._fault = ""
        self._begun: Deferred[None] = Deferred()
        self._looking = LoopingCall(self.look)
        self._looking.clock = clock
        self._cooperator = Cooperator(scheduler=lambda step: clock.callLater(0, step))
        self._closed = False

    def historyOf(self, apex: bytes) -> History:
        return self._histories.setdefault(apex, History())

    def _opened(self) -> IZoneStore:
        """
        Return the database; called in the thread.

        @raise StorageFault: it cannot be opened.
        """
        if self._store is None:
            assert self._opening is not None
            self._store = self._opening()
        return self._store

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
            if self._store is None:
                self._sink.standIn(apex)
        self._looking.start(STORE_LOOKS.default).addErrback(
            lambda failure: _log.failure("{label} is not polled any more", failure, label=self._label)
        )
        return self._begun

    def settled(self) -> Deferred[None]:
        """
        @return: fires when the zones of L{start} are served, or reading them has failed.
        """
        waiting: Deferred[None] = Deferred()
        self._begun.addCallback(waiting.callback)
        return waiting

    def _expect(self, apex: bytes) -> None:
        self._ours.add(apex)
        self._sink.expect(apex, self._label)

    async def _load(self) -> None:
        position = await self.exclusively(lambda: self._opened().position())
        assert isinstance(position, int)
        names = await self.exclusively(lambda: self._opened().zones())
        assert isinstance(names, dict)
        there = {name.lower(): name for name in names}
        for apex in self.wanted or ():
            if apex in there:
                # To read the records takes longer.
                self._sink.standIn(apex, names[there[apex]])
        for apex in sorted(there if self.wanted is None else self.wanted):
            if self.wanted is None:
                self._expect(apex)
            if apex in there:
                await self._reload(there[apex])
            else:
                self._gone(apex)
        self._position = position

    def follow(self, wanted: set[bytes]) -> None:
        """
        Serve the newly wanted zones, and stop following those that are not wanted any more.
        """
        former, self.wanted = self.wanted or set(), wanted
        self._ours &= wanted
        for apex in wanted - former:
            self._begin(apex)

    def add(self, apex: bytes) -> Deferred[None]:
        """
        Serve one more zone.

        @return: fires when it is served, or when the log says why it is not.
        """
        self.wanted = {apex, *(self.wanted or ())}
        return self._begin(apex)

    def drop(self, apex: bytes) -> None:
        """
        Follow a zone no longer.
        """
        self.wanted = (self.wanted or set()) - {apex}
        self._ours.discard(apex)

    def _begin(self, apex: bytes) -> Deferred[None]:
        self._expect(apex)
        return Deferred.fromCoroutine(self._reload(apex)).addErrback(
            lambda failure: _log.failure("a zone of {label} cannot be loaded", failure, label=self._label)
        )

    async def _reload(self, name: bytes) -> None:
        def load() -> Version:
            builder = ImageBuilder(name)
            # In a database the type is text, and ALIAS can only mean type 65401.
            builder.aliases = True
            builder.addSets(self._opened().load(name))
            # Imported here, as the checks bring the reader of master files with them.
            from twisted_ext.zone.check.checkfile import refused

            if wrong := [each for each in refused(builder).findings if each.fatal]:
                raise BadZone("; ".join([f"{nameToText(each.owner)}: {each.text}" for each in wrong[:_SAID]]))
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
        if apex in self._ours and not self._closed and self._passes(version):
            self._install(version)

    def _passes(self, version: Version) -> bool:
        """
        Return whether a version may be served now; report it if not.
        """
        former = self._sink.former(version.apex)
        said = self._guards.judge(version.apex, *self._guards.weigh(former, version))
        if said:
            self._complain(version.apex, BadZone(said))
        return not said

    def _gone(self, apex: bytes) -> None:
        """
        Report that the database lacks a zone, which is served until that is accepted.
        """
        former = self._sink.former(apex)
        if former is None:
            self._complain(apex, BadZone(f"{self._label}: has no zone {nameToText(apex)}"))
        elif said := self._guards.judgeGone(apex, former.recordCount):
            self._complain(apex, BadZone(said))
        else:
            self._histories.pop(apex, None)
            self.said.pop(apex, None)
            self._sink.gone(apex)

    def _install(self, version: Version) -> None:
        former = self._sink.former(version.apex)
        if former is None or not _isSame(former, version):
            self.historyOf(version.apex).forget()
            if former is not None and isNewer(former.serial, version.serial):
                _log.warn(
                    "{zone}: serial {before} is now {now} in {label}; it went back, so secondaries will not take it",
                    zone=nameToText(version.apex),
                    before=former.serial,
                    now=version.serial,
                    label=self._label,
                )
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
            self._sink.standIn(apex)
            self._sink.failed(apex, str(fault))
            _log.error("{zone} stays as it is: {fault}", zone=nameToText(apex), fault=fault)

    # -- changes

    def look(self) -> Deferred[None]:
        """
        @return: fires when the changes in the database are in force.
        """
        # One after the other: the second would find nothing new, and be over before what the first has found is in force.
        return self._looks.run(lambda: Deferred.fromCoroutine(self._look()))

    async def _look(self) -> None:
        try:
            if self._position is None:
                await self._load()
            else:
                await self._follow(self._position)
            if self._fault:
                self._fault = ""
                self._confirm()
        except DNSFault as fault:
            self._mark(str(fault))
        except Exception as error:
            # The next poll may succeed.
            said = f"{self._label}: {type(error).__name__}: {error}"
            if said != self._fault:
                _log.failure("while looking at {label}", label=self._label)
            self._mark(said)
        if not self._begun.called:
            self._begun.callback(None)

    def _mark(self, said: str) -> None:
        """
        Have all zones of the database say why it cannot be read, also those that something else has confirmed since then.
        """
        if self._closed:
            return
        if self._fault != said:
            self._fault = said
            for apex in self.wanted or ():
                self._sink.standIn(apex)
            served = sum([self._sink.former(apex) is not None for apex in self._ours])
            _log.error(
                "{label} cannot be read: {fault}; {served} of its {all} zones are served as they were",
                label=self._label,
                fault=said,
                served=served,
                all=len(self._ours),
            )
        for apex in {*self._ours, *(self.wanted or ())}:
            place = self._sink.zones.at(apex)
            if place is None or place.said != said:
                self._sink.failed(apex, said)

    def _confirm(self) -> None:
        """
        Report that the database can be read again, with all zones that have not changed.
        """
        _log.info("{label} can be read again", label=self._label)
        for apex, said in self.said.items():
            self._sink.failed(apex, said)
        for apex in self._ours - set(self.said):
            version = self._sink.former(apex)
            if version is not None:
                self._sink.arrived(version, self._label)

    def reloadZone(self, apex: bytes) -> Deferred[list[str]]:
        """
        Read a zone again.

        @return: fires with lines that report the result.
        """
        return Deferred.fromCoroutine(self._again(apex))

    async def _again(self, apex: bytes) -> list[str]:
        text = nameToText(apex)
        try:
            names = await self.exclusively(lambda: self._opened().zones())
        except StorageFault as fault:
            return [f"{text}: {self._label} cannot be read: {fault}"]
        assert isinstance(names, dict)
        name = next((name for name in names if name.lower() == apex), None)
        if name is None:
            self._gone(apex)
        else:
            await self._reload(name)
        version = self._sink.former(apex)
        said = self.said.get(apex)
        if said is not None:
            return [f"{text}: stays as it is: {said}"]
        return [f"{text}: is served no more" if version is None else f"{text}: serial {version.serial}, {version.recordCount} records"]

    async def _follow(self, since: int) -> None:
        unread = self._unread & self._ours
        self._unread.clear()
        for apex in unread:
            await self._reload(apex)
        told = await self.exclusively(lambda: self._opened().news(since))
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
            if apex in self._ours and self.wanted is not None:
                self._gone(apex)
            elif apex in self._ours:
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
            self._sink.arrived(current, self._label)
            return
        transaction = Transaction(current)
        await self._cooperator.cooperate(_steps(transaction, news.names)).whenDone()
        try:
            transaction.replace(news.soa)
            made = transaction.commit()
        except (BudgetSpent, BadChange):
            # As a whole it may have what a change may not bring, as a master file may.
            await self._reload(apex)
            return
        if made is not None and self._sink.former(apex) is current and apex in self._ours and self._passes(made[0]):
            self.historyOf(apex).note([made[1]])
            self._serve(made[0])

    # -- shutdown

    def close(self) -> Deferred[None]:
        self._closed = True
        if self._looking.running:
            self._looking.stop()
        self._cooperator.stop()
        return self.exclusively(lambda: None if self._store is None else self._store.close()).addCallbacks(
            lambda _: None, lambda failure: _log.failure("{label} cannot be closed", failure, label=self._label)
        )


def _kindOf(text: str) -> str:
    """
    Return what a log may show of the description of a database: the path of a file, and of others not what may be a password.
    """
    return text if text.startswith("/") else f"the database {text.partition(':')[0]}:"


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

    def __init__(self, reactor: IReactorTime, sink: ZoneSink, elsewhere: Elsewhere, guards: Guards) -> None:
        self._reactor = reactor
        self._sink = sink
        self._elsewhere = elsewhere
        self._guards = guards
        self._open: dict[str, DatabasePoller] = {}
        self._homes: dict[bytes, str] = {}
        self._new: list[DatabasePoller] = []

    def apply(self, zones: Iterable[ZoneSettings], *, starts: bool = False) -> None:
        """
        @param starts: whether the server is starting: then a database that cannot be opened is tried again, and the last good copies of
            its zones are served meanwhile.

        @raise BadDescription: a database cannot be opened, or there is no such kind.
        """
        homes = {zone.name: zone.store for zone in zones if zone.store}
        opened: dict[str, IZoneStore | None] = {}
        try:
            for text in sorted(set(homes.values()) - set(self._open)):
                try:
                    opened[text] = storeFrom(text)
                except StorageFault:
                    if not starts:
                        raise
                    # The poller tries again at once, and logs it.
                    opened[text] = None
        except (StorageFault, BadDescription) as fault:
            for store in opened.values():
                if store is not None:
                    store.close()
            raise BadDescription(f"store: {fault}") from None
        for apex in set(self._homes) - set(homes):
            self._guards.forget(apex)
            self._sink.gone(apex)
        for path in set(self._open) - set(homes.values()):
            self._close(path)
        for text, store in opened.items():
            self._new.append(self._poller(text, store))
        self._homes = homes
        for path, storing in self._open.items():
            wanted = {apex for apex, home in homes.items() if home == path}
            if storing in self._new:
                storing.wanted = wanted
            else:
                storing.follow(wanted)

    def _poller(self, text: str, store: IZoneStore | None) -> DatabasePoller:
        storing = self._open[text] = DatabasePoller(
            self._reactor,
            store,
            self._sink,
            self._elsewhere,
            label=_kindOf(text) if store is None else store.label,
            opening=partial(storeFrom, text),
            guards=self._guards,
        )
        return storing

    def _close(self, text: str) -> None:
        self._open.pop(text).close().addErrback(lambda failure: _log.failure("a database cannot be closed", failure))

    def revise(self, apex: bytes, zone: ZoneSettings | None) -> Deferred[None]:
        """
        Serve one more zone, or one less.

        @return: fires when it is served, or when the log says why it is not.

        @raise BadDescription: its database cannot be opened.
        """
        former, home = self._homes.get(apex, ""), "" if zone is None else zone.store
        if former == home:
            return self._open[home].settled() if home else succeed(None)
        if home and home not in self._open:
            try:
                self._poller(home, storeFrom(home)).wanted = {apex}
            except StorageFault as fault:
                raise BadDescription(f"store: {fault}") from None
            begun: Deferred[None] = self._open[home].start()
        else:
            begun = self._open[home].add(apex) if home else succeed(None)
        if former:
            del self._homes[apex]
            self._open[former].drop(apex)
            if former not in self._homes.values():
                self._close(former)
            if not home:
                self._guards.forget(apex)
                self._sink.gone(apex)
        if home:
            self._homes[apex] = home
        return begun

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
        return storing.journal, storing.exclusively

    def reloadZone(self, apex: bytes) -> Deferred[list[str]] | None:
        """
        @return: see L{DatabasePoller.reloadZone}; L{None} for zones that are in none of the databases.
        """
        home = self._homes.get(apex)
        return None if home is None else self._open[home].reloadZone(apex)

    def historyOf(self, apex: bytes) -> History | None:
        """
        Return the recent changes of a zone in a database; L{None} for other zones.
        """
        home = self._homes.get(apex)
        return None if home is None else self._open[home].historyOf(apex)

    def close(self) -> Deferred[None]:
        opened, self._open = self._open, {}
        return gatherResults([storing.close() for storing in opened.values()]).addCallback(lambda each: None)
