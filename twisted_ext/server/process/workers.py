"""
Worker processes that share a port, one for each core, managed as one server.

The parent binds all sockets and keeps them open, so that it can replace a dead worker without privileges, and queries sent in the
meantime wait in the sockets. Parent and workers exchange lines of JSON over private pipes: the parent sends C{{"id", "do", ...}}; a worker
replies with C{{"id", "value"}} or C{{"id", "error"}}, reports the number of zone lines processed as C{{"taken"}}, and sends the messages of
L{twisted_ext.server.process.relay}.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from functools import partial
from signal import SIGBUS
from time import time
from typing import TYPE_CHECKING, Final, TypeVar, cast

from twisted.internet.defer import Deferred, fail, gatherResults, succeed
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.internet.task import LoopingCall
from twisted.logger import Logger

from twisted_ext.errors import CallerFault, TimedOut
from twisted_ext.metrics.exposition import CURRENT, TOTALS
from twisted_ext.metrics.figures import COUNTED, JSON, Figures, sumOf, totalsOf
from twisted_ext.server.features.built import Keepers
from twisted_ext.server.features.cookies.feature import secretsOf
from twisted_ext.server.features.order import declaredFigures
from twisted_ext.server.limits import WORKER_BEAT, WORKER_ENDING, WORKER_PAUSE, WORKER_SETTLED
from twisted_ext.server.listeners.sockets import Bound, closeSockets
from twisted_ext.server.operations.operations import Operations, commonOf, workerReasons
from twisted_ext.server.process.jobs.subprocess import inThread, spawnModule, stateOf
from twisted_ext.server.process.jobs.tuning import QuietCollection
from twisted_ext.server.process.relay import RelayedRequests
from twisted_ext.server.process.reloads import Reloads
from twisted_ext.server.process.settingschange import changeOf
from twisted_ext.server.process.sharedactivity import SharedActivity
from twisted_ext.server.process.worker import Worker
from twisted_ext.server.process.zonesyncparent import ZoneSyncParent
from twisted_ext.server.sources.upstreamlog import SharedUpstreamLog
from twisted_ext.server.zones.load.validate import variantsFor

if TYPE_CHECKING:
    from twisted.python.failure import Failure

    from twisted_ext.cache.dump import LoadResult
    from twisted_ext.server.config.settings import Settings
    from twisted_ext.server.features.base.verb import Verb
    from twisted_ext.server.zones.load.zoneset import ZoneSet
    from twisted_ext.server.zones.load.zonesets import ZoneSets

__all__ = ["Workforce"]

_T = TypeVar("_T")

#: The module that a worker runs.
_MODULE: Final = "twisted_ext.apps.worker"

#: Settings that only concern the parent.
_PARENTAL: Final = frozenset(("zone", "zones", "pyzone", "state", "watch", "key-file", "weak-keys"))

#: Seconds between two samples of the figures of all workers.
_EVERY: Final = 1.0

#: Seconds between two checks of the workers' heartbeats, and the delay of a check above which this process itself was busy or suspended,
#: so that missing heartbeats prove nothing.
_WATCH: Final = 0.5
_LATE: Final = 1.0

#: Figures that are totals and no metrics of their own.
_COUNTED: Final = frozenset(COUNTED).union(("cacheStale",)) - CURRENT


class Workforce(Operations):
    """
    The parent of the workers, with the operations of all of them together.

    @ivar encryption: the certificates of encrypted listeners, which this process reads and sends to the workers; L{None} without any.
    @ivar upstreamLog: collects the workers' reports about upstreams.
    """

    log = Logger(__name__)

    def __init__(
        self,
        reactor: IReactorTime,
        settings: Settings,
        bound: Sequence[Sequence[Bound]],
        secret: bytes,
        *,
        reread: Callable[[], Settings] | None = None,
        check: Callable[[Settings], object] = lambda settings: None,
        ready: Callable[[], object] = lambda: None,
        zoneSets: ZoneSets | None = None,
        stateOf: Callable[[int], str] = stateOf,
    ) -> None:
        """
        @param bound: the sockets of each worker; empty if L{use} is called later.
        @param secret: the secret for cookies, the same for all workers.
        @param check: raises L{BadDescription<twisted_ext.errors.BadDescription>} for settings that workers could not use.
        @param ready: called when all workers serve.
        @param zoneSets: the zones that workers serve, by default none.
        """
        self._keepers = Keepers(reactor, settings)
        super().__init__(time, zoneSets, self._keepers, None)
        self.clock = reactor
        self.settings = settings
        self._activity = SharedActivity()
        self.upstreamLog = SharedUpstreamLog()
        self.use(bound)
        self._secret = secret
        self._reloads = Reloads(reactor, reread, self, zoneSets)
        self._check = check
        self._ready: Callable[[], object] | None = ready
        self._workers: dict[int, Worker] = {}
        self._pauses: dict[int, float] = {}
        self._timers: dict[int, IDelayedCall] = {}
        self._former = Figures()
        self._former.processes = 0
        self._looking: LoopingCall | None = None
        self._collection = QuietCollection(self.clock.seconds())
        self._stateOf = stateOf
        self._beating: LoopingCall | None = None
        self._watched = 0.0
        self._beaten = 0.0
        self._done: Deferred[None] | None = None
        self._killing: IDelayedCall | None = None
        self._cookieSecrets: tuple[bytes, ...] = ()
        # By the names of views.
        self._zoneSyncs: dict[str, ZoneSyncParent] = {}
        self._relayed: RelayedRequests | None = None
        if zoneSets is not None:
            self._keepers.serve(zoneSets)
            zoneSets.connected = self._see
            zoneSets.added = self._mirror
            zoneSets.dropped = self._mirrorNot
            self._mirror("", zoneSets.common)
            for view, zoneSet in zoneSets.views.items():
                self._mirror(view, zoneSet)
            self._relayed = RelayedRequests(reactor, settings, secret, self.settled)

    @property
    def cookieSecrets(self) -> tuple[bytes, ...]:
        """
        The secrets for cookies that the settings give; workers may not be permitted to read them.
        """
        return self._cookieSecrets

    @cookieSecrets.setter
    def cookieSecrets(self, secrets: tuple[bytes, ...]) -> None:
        self._cookieSecrets = secrets
        if self._relayed is not None:
            self._relayed.cookieSecrets = secrets

    def use(self, bound: Sequence[Sequence[Bound]]) -> None:
        """
        Set the sockets of each worker before the service starts. They belong to this service from now on.
        """
        self._bound = [list(each) for each in bound]

    @property
    def bound(self) -> Sequence[Bound]:
        """
        The sockets of one worker, which has all listeners.
        """
        return self._bound[0] if self._bound else ()

    # -- starting and ending workers

    def startService(self) -> None:
        self.running = 1
        if self.encryption is not None:
            self.encryption.changed = self._certify
        if self.zoneSets is not None:
            self.zoneSets.begin()
            self._see()
        self._keepers.begin(self._published)
        for number in range(len(self._bound)):
            try:
                self._start(number)
            except CallerFault:
                self.stopService()
                raise
        self._looking = LoopingCall(self._look)
        self._looking.clock = self.clock
        self._looking.start(_EVERY, now=False).addErrback(lambda failure: self.log.failure("while counting", failure=failure))
        self._watched = self.clock.seconds()
        self._beating = LoopingCall(self._watch)
        self._beating.clock = self.clock
        self._beating.start(_WATCH, now=False).addErrback(lambda failure: self.log.failure("while watching workers", failure=failure))

    def _start(self, number: int) -> None:
        self._timers.pop(number, None)
        worker = Worker(self, number, self.clock.seconds())
        descriptors: dict[int, int | str] = {0: "w", 1: "r", 2: "r"}
        told: list[dict[str, object]] = []
        for bound in self._bound[number]:
            pair: dict[str, object] = {"address": bound.address, "port": bound.port, "encryption": bound.encryption}
            for way, opened in (("datagram", bound.datagram), ("stream", bound.stream)):
                if opened is not None:
                    pair[way] = place = len(descriptors)
                    descriptors[place] = opened.fileno()
            told.append(pair)
        try:
            spawnModule(self.clock, worker, _MODULE, descriptors=descriptors, undisturbed=True)
        except OSError as error:
            text = f"workers: {sys.executable} cannot be run by user {os.geteuid()}: {error.strerror or error}"
            raise CallerFault(text) from None
        self._workers[number] = worker
        worker.settings = _forWorkers(self.settings)
        worker.tell(
            "serve",
            settings=worker.settings,
            bound=told,
            secret=self._secret.hex(),
            cookieSecrets=[each.hex() for each in self.cookieSecrets],
            hasZones=self.zoneSets is not None,
            certificates=None if self.encryption is None else self.encryption.certificates.toJSON(),
        )
        for feature, state in self._keepers.states.items():
            worker.tell("state", feature=feature, state=state)
        if self._relayed is not None:
            worker.tell("operations", **self._relayed.told())
            # Send pending changes to the other workers only: this one gets the complete state below.
            del self._workers[number]
            for zoneSync in self._zoneSyncs.values():
                zoneSync.flush()
            self._workers[number] = worker
            for view, zoneSync in self._zoneSyncs.items():
                for words in zoneSync.everything():
                    worker.tellZones(words, view)
            # The worker answers no client before it is up to date with the others.
            worker.tell("begin")

    def _watch(self) -> None:
        now = self.clock.seconds()
        late, self._watched = now - self._watched - _WATCH > _LATE, now
        for worker in list(self._workers.values()):
            if late:
                # This process has not read its pipes in the meantime.
                worker.heard = now
            reason = worker.silence(now, self._stateOf)
            if reason:
                self.log.error("worker {number} hangs: {reason}; another one replaces it", number=worker.number, reason=reason)
                # Do not kill it again: a process waiting for a disk takes a while to end.
                worker.heard = now
                worker.kill("KILL")
        if not 0 <= now - self._beaten < WORKER_BEAT.default:
            self._beaten = now
            for worker in self._workers.values():
                worker.tell("beat")

    # -- zones

    def _see(self) -> None:
        """
        Send workers the keys, and the operations whose requests they have to forward.
        """
        zoneSets, passed = self.zoneSets, self._relayed
        if zoneSets is None or passed is None:
            return
        passed.see(self.settings, zoneSets.handlers, zoneSets.keys, zoneSets.expiring)
        for worker in self._workers.values():
            worker.tell("operations", **passed.told())

    def _published(self, feature: str, state: JSON) -> None:
        for worker in self._workers.values():
            worker.tell("state", feature=feature, state=state)

    def _mirror(self, view: str, zoneSet: ZoneSet) -> None:
        """
        Have workers serve the zones of a view, C{""} for those for all clients.
        """
        self._zoneSyncs[view] = ZoneSyncParent(
            self.clock, zoneSet.zones, partial(self._spread, view), zoneSet.sharedFolder, revised=zoneSet.isRevised, until=zoneSet.until
        )

    def _mirrorNot(self, view: str) -> None:
        self._zoneSyncs.pop(view).close()

    def _spread(self, view: str, words: list[JSON]) -> None:
        for worker in self._workers.values():
            worker.tellZones(words, view)

    def settled(self) -> Deferred[None]:
        """
        @return: fires when all workers serve everything that is in force now.
        """
        if not self._zoneSyncs:
            return succeed(None)

        def told(_: object) -> Deferred[None]:
            return gatherResults([worker.settled() for worker in self._workers.values()]).addCallback(lambda _: None)

        return gatherResults([each.settled() for each in self._zoneSyncs.values()]).addCallback(told)

    def took(self, worker: Worker) -> None:
        """
        Called when a worker has applied zone changes, or has ended.
        """
        leftovers = [each for each in self._zoneSyncs.values() if each.leftovers]
        if leftovers and not any(each.behind for each in self._workers.values()):
            for zoneSync in leftovers:
                zoneSync.taken()

    def passed(self, worker: Worker, said: dict[str, JSON]) -> None:
        if self._relayed is not None:
            self._relayed.take(said, worker.reply)

    def lacks(self, worker: Worker, apex: bytes, path: str, view: str = "") -> None:
        """
        Handle a worker's report that it cannot use an image: have the image rebuilt if it is damaged, otherwise replace the worker.
        """
        zoneSet, zoneSync = None if self.zoneSets is None else self.zoneSets.of(view), self._zoneSyncs.get(view)
        if zoneSet is None or zoneSync is None or not zoneSync.isShown(apex, path):
            return
        place = zoneSet.zones.at(apex)
        self.log.error("worker {number} cannot use {path}", number=worker.number, path=path)
        truncated = zoneSync.isTruncated(apex)
        if place is not None and (truncated or (place.source is not None and place.source[0] == path)):
            zoneSet.damaged(apex, truncated)
        else:
            worker.kill("KILL")

    def _startAgain(self, number: int) -> None:
        try:
            self._start(number)
        except CallerFault as fault:
            self.log.error("{fault}", fault=fault)
            self._timers[number] = self.clock.callLater(WORKER_PAUSE.most, self._startAgain, number)

    def serves(self, worker: Worker) -> None:
        self.log.info("worker {number} serves as process {process}", number=worker.number, process=worker.process)
        if self._ready is not None and len(self._workers) == len(self._bound) and all(each.ready for each in self._workers.values()):
            ready, self._ready = self._ready, None
            ready()

    def ended(self, worker: Worker, reason: Failure) -> None:
        number = worker.number
        self.upstreamLog.ended(number)
        if self._workers.get(number) is worker:
            del self._workers[number]
        self._keepTotalsOf(worker)
        if not self.running:
            self._over()
            return
        lived = self.clock.seconds() - worker.since
        pause = 0.0
        if lived < WORKER_SETTLED.default:
            pause = self._pauses[number] = min(max(self._pauses.get(number, 0.0) * 2, WORKER_PAUSE.default), WORKER_PAUSE.most)
        else:
            self._pauses.pop(number, None)
        self.log.error(
            "worker {number} has ended: {reason}; the next one begins in {pause:.1f} s",
            number=number,
            reason=_reasonOf(reason),
            pause=pause,
        )
        self._timers[number] = self.clock.callLater(pause, self._startAgain, number)

    def stopService(self) -> Deferred[None]:
        """
        Stop all workers; kill those that do not exit in time.
        """
        self.running = 0
        closing = succeed(None) if self.zoneSets is None else self.zoneSets.close()
        self._keepers.close()
        for zoneSync in self._zoneSyncs.values():
            zoneSync.close()
        if self._relayed is not None:
            self._relayed.close()
        if self._looking is not None and self._looking.running:
            self._looking.stop()
        if self._beating is not None and self._beating.running:
            self._beating.stop()
        for timer in self._timers.values():
            timer.cancel()
        self._timers.clear()
        done: Deferred[None] = Deferred()
        self._done = done
        for worker in list(self._workers.values()):
            worker.kill("TERM")
        if self._workers:
            self._killing = self.clock.callLater(WORKER_ENDING.default, self._kill)
        self._over()
        return gatherResults([done, closing]).addCallback(lambda _: None)

    def _kill(self) -> None:
        self._killing = None
        for worker in list(self._workers.values()):
            worker.kill("KILL")

    def _over(self) -> None:
        if self._done is not None and not self._done.called and not self._workers:
            if self._killing is not None:
                self._killing.cancel()
                self._killing = None
            for bound in self._bound:
                closeSockets(bound)
            self._done.callback(None)

    # -- all of them as one

    def _certify(self) -> None:
        assert self.encryption is not None
        certificates = self.encryption.certificates.toJSON()
        for worker in self._workers.values():
            worker.tell("certificates", certificates=certificates)

    def _look(self) -> Deferred[None]:
        # Queries are answered by the workers.
        self._collection.look(0, self.clock.seconds())
        if self.encryption is not None:
            self.encryption.look()
        self._keepers.look()
        self._activity.look(self.clock.seconds())
        return self.figures().addCallback(self._note)

    def _note(self, figures: Figures) -> None:
        self.history.note(figures, self.clock.seconds())
        self.history.noteUpstreams(figures.upstreams)

    def _all(self, do: str, **details: object) -> Deferred[list[JSON]]:
        """
        Send a request to all workers that serve; see L{_gathered}.
        """
        return self._gathered([worker.ask(do, **details) for worker in self._workers.values() if worker.ready])

    def _gathered(self, asked: list[Deferred[JSON]]) -> Deferred[list[JSON]]:
        """
        @return: fires with the replies that arrive in time; fails if a worker reports an error.
        """
        def silent(failure: Failure) -> None:
            if isinstance(failure.value, CallerFault) and "has ended" not in str(failure.value):
                failure.raiseException()

        return gatherResults([each.addErrback(silent) for each in asked], consumeErrors=True).addErrback(_firstOf)

    def _keepTotalsOf(self, worker: Worker) -> None:
        if worker.figures is not None:
            totals = TOTALS | _COUNTED | {each.key for each in declaredFigures() if each.grows}
            self._former = sumOf([self._former, totalsOf(worker.figures, totals)])

    def figures(self) -> Deferred[Figures]:
        workers = [worker for worker in self._workers.values() if worker.ready]

        def told(value: JSON, worker: Worker) -> None:
            worker.figures = Figures.fromJSON(value)

        def add(_: object) -> Figures:
            # Of those that there are now: some may have ended since, which would count twice. What former workers have counted comes last,
            # since only those that ask an upstream now know how it does.
            figures = sumOf([*[each.figures for each in self._workers.values() if each.figures is not None], self._former])
            figures.upstreams = [upstream for upstream in figures.upstreams if "up" in upstream]
            figures.numbers.update(self.ownNumbers())
            return figures

        asked = [worker.ask("figures").addCallback(told, worker).addErrback(lambda _: None) for worker in workers]
        return gatherResults(asked, consumeErrors=True).addCallback(add)

    @property
    def inForce(self) -> Settings:
        return self.settings

    @property
    def alive(self) -> bool:
        return bool(self.running) and any(worker.ready for worker in self._workers.values())

    def reasons(self, wanted: Collection[str]) -> Deferred[list[str]]:
        def told(said: list[JSON]) -> list[str]:
            answering = [each for each in said if isinstance(each, dict)]
            missing = workerReasons(len(answering), len(self._bound)) if "workers" in wanted else []
            return [*missing, *commonOf(said)]

        return self._all("verb", path="ready", arguments={"checks": ",".join(wanted)}).addCallback(told)

    def facts(self) -> dict[str, JSON]:
        workers: list[JSON] = [
            {
                "number": worker.number,
                "process": worker.process,
                "serves": worker.ready,
                "uptime": round(self.clock.seconds() - worker.since, 3),
            }
            for worker in self._workers.values()
        ]
        return {"listening": [label for bound in self._bound[0] for label in bound.labels], "workers": workers}

    def dump(self, view: str = "") -> Iterator[str]:
        raise CallerFault("each worker has a cache of its own; a server with --workers 1 can be dumped")

    def load(self, lines: Iterable[str]) -> Deferred[LoadResult]:
        return fail(CallerFault("each worker has a cache of its own; a server with --workers 1 can load one"))

    def reload(self) -> Deferred[list[str]]:
        return self._reloads.reload()

    def inTurn(self, work: Callable[[], Deferred[_T]]) -> Deferred[_T]:
        return self._reloads.inTurn(work)

    def elsewhere(self, work: Callable[[], _T]) -> Deferred[_T]:
        return inThread(self.clock, work)

    def goOver(self, settings: Settings) -> Deferred[list[str]]:
        try:
            self._check(settings)
        except CallerFault:
            return fail()
        return self._goOver(settings)

    def prepare(self, settings: Settings) -> Callable[[], Deferred[list[str]]]:
        """
        See L{Reloaded<twisted_ext.server.process.reloads.Reloaded>}.
        """
        self._check(settings)
        secrets = secretsOf(settings)
        certified = None if self.encryption is None else self.encryption.prepare(self.settings.goingOverTo(settings))

        def goOver() -> Deferred[list[str]]:
            if certified is not None:
                certified()
            self.cookieSecrets = secrets
            return self._goOver(settings)

        return goOver

    def _goOver(self, settings: Settings) -> Deferred[list[str]]:
        # Workers started from now on get them at once; those just started read this line after their initial settings.
        self.settings = self.settings.goingOverTo(settings)
        self._see()

        def done(said: list[JSON]) -> list[str]:
            return list(dict.fromkeys([str(line) for line in _joined(said)])) or ["no worker serves yet; they will begin with these"]

        secrets, wanted = [each.hex() for each in self.cookieSecrets], _forWorkers(settings)
        asked: list[Deferred[JSON]] = []
        for worker in self._workers.values():
            change, worker.settings = changeOf(worker.settings, wanted), wanted
            asked.append(worker.ask("reload", change=change, cookieSecrets=secrets))
        reloaded = self._gathered(asked).addCallback(done)
        self._keepers.apply(self.settings)
        return reloaded

    def applied(self) -> Deferred[list[str]]:
        # Workers reply in the order of what they are told: after this they have taken what was published.
        return super().applied().addCallback(lambda lines: self._all("beat").addCallback(lambda _: lines))

    def queries(self, after: int) -> Deferred[dict[str, JSON]]:
        workers = [worker for worker in self._workers.values() if worker.ready]
        return self._activity.queries(workers, after, self.clock.seconds())

    def whereAnswered(self, owner: str, verb: Verb, arguments: Mapping[str, str]) -> Deferred[dict[str, JSON]]:
        if verb.join is not None:
            return self._all("verb", path=verb.path, arguments={**arguments}).addCallback(verb.join)
        worker = next((each for each in self._workers.values() if each.ready), None)
        if worker is None:
            return fail(TimedOut("no worker serves at the moment"))
        asked = worker.ask("verb", path=verb.path, arguments={**arguments})
        return asked.addCallback(lambda said: said if isinstance(said, dict) else {})


def _reasonOf(ended: Failure) -> str:
    text = ended.getErrorMessage()
    return f"{text} (SIGBUS: a file that it had mapped was truncated)" if getattr(ended.value, "signal", None) == SIGBUS else text


def _forWorkers(settings: Settings) -> dict[str, object]:
    told = {name: value for name, value in settings.toJSON().items() if name not in _PARENTAL}
    if variants := variantsFor(settings):
        told["zone"] = variants
    if settings.role == "recurse" and settings.stateFolder():
        # For trust anchors, whose rollovers are followed where names are looked up.
        told["state"] = settings.stateFolder()
    return told


def _joined(lists: list[JSON]) -> list[JSON]:
    return [each for one in lists if isinstance(one, list) for each in one]


def _firstOf(failure: Failure) -> Failure:
    """
    Return the failure of the first one that failed, unwrapped from C{FirstError}.
    """
    inner = getattr(failure.value, "subFailure", None)
    return failure if inner is None else cast("Failure", inner)
