"""
The DNS server as a Twisted service: listeners, answer sources and counters.

The path of a query, from its octets to those of the reply; C{--show-path} prints it for given settings::

    listeners      a datagram, a message on a stream, a request over HTTPS or QUIC
    packet cache   the reply to the same octets, or one made in C from the records of a zone: most queries end here
    reply.gates    access, opcode, form, cookie, signature, class and type; features have gates of their own
    zones.table    the zones that are served here
    features       OUTER: records of the settings; LOCAL: hosts, special names; UPSTREAM: block lists, rebinding, filters of types
    cache          answers of earlier look-ups, prefetched and stale ones too
    coalesce       one look-up for equal queries
    sources        the route of the name: upstreams, or the recursive resolver with its validation
        |
    reply          the reply is built, limited in rate and size, and offered to the packet cache; observers are told
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Final, TypeVar

from twisted.application.service import Service
from twisted.internet.defer import Deferred, gatherResults, maybeDeferred, succeed
from twisted.internet.interfaces import IReactorCore, IReactorTime
from twisted.internet.task import LoopingCall
from twisted.logger import ILogObserver, Logger
from twisted.python.components import Componentized

from twisted_ext.errors import BadDescription
from twisted_ext.metrics.counters import Counters
from twisted_ext.server.config.types import SECRET_OCTETS
from twisted_ext.server.dryrun import checkSettings, placesOf
from twisted_ext.server.features.base.feature import Site
from twisted_ext.server.features.built import Features, Keepers
from twisted_ext.server.features.cookies.feature import secretsOf
from twisted_ext.server.frontend import Frontend
from twisted_ext.server.limits import DESCRIPTORS
from twisted_ext.server.listeners.sockets import (
    Bound,
    boundSockets,
    closeSockets,
    dividedSockets,
    encryptedSockets,
    receivedSockets,
)
from twisted_ext.server.operations.status import Status
from twisted_ext.server.process.jobs.tuning import QuietCollection, raiseDescriptors
from twisted_ext.server.process.librarylogs import boundLibraryLogs
from twisted_ext.server.process.relay import GONE, Relay
from twisted_ext.server.process.reloads import Reloads
from twisted_ext.server.process.watchdog import notify, watchdogSeconds
from twisted_ext.server.settings.additions import AddedSettings
from twisted_ext.server.settings.changes import changedLines
from twisted_ext.server.settings.doors import checkDoors
from twisted_ext.server.settings.plugged import pluginComplaints
from twisted_ext.server.sources.sources import stackFor
from twisted_ext.server.sources.upstreams import ListenAddresses
from twisted_ext.server.zones.load.validate import variantsIn
from twisted_ext.server.zones.load.zonesets import ZoneSets

if TYPE_CHECKING:
    from twisted_ext.interfaces import IAnswerSource
    from twisted_ext.metrics.figures import JSON
    from twisted_ext.packetcache.packetcache import PacketCache
    from twisted_ext.server.config.keys import Keys
    from twisted_ext.server.config.settings import Settings
    from twisted_ext.server.features.base.offer import Offer
    from twisted_ext.server.listeners.offered import SetUp
    from twisted_ext.server.listeners.tls.encryption import Encryption
    from twisted_ext.server.operations.operations import Operations
    from twisted_ext.server.process.watchdog import Watchdog
    from twisted_ext.server.process.workers import Workforce
    from twisted_ext.server.reply.opcodes import Outcome
    from twisted_ext.server.reply.requests import Request
    from twisted_ext.server.reply.respond import Responder
    from twisted_ext.server.sources.backends import Backend
    from twisted_ext.server.sources.recursor import Recursor
    from twisted_ext.server.sources.trusting import Trusting
    from twisted_ext.server.zones.load.zoneset import ZoneSet
    from twisted_ext.zone.zone import Zone

__all__ = ["ServerService", "Server", "makeServer"]

_T = TypeVar("_T")

#: Seconds between two checks of the files that answers come from.
_EVERY: Final = 1.0


class ServerService(Service):
    """
    The service of one process that answers queries: sockets, answer source and counters.

    @ivar status: the operations of this process.
    @ivar counters: what it counts.
    @ivar stack: the source that answers.
    @ivar watchdog: checks that the process still answers, while it runs.
    @ivar lost: called with a message if it does not, or if a socket is lost: this process has to be replaced.
    """

    log = Logger(__name__)

    def __init__(
        self,
        reactor: IReactorTime,
        settings: Settings,
        bound: Sequence[Bound],
        secret: bytes,
        *,
        cookieSecrets: Sequence[bytes] = (),
        reread: Callable[[], Settings] | None = None,
        toParent: Callable[[dict[str, object]], object] | None = None,
        fromPython: Callable[[str], Zone] | None = None,
        encryption: Encryption | None = None,
        worker: bool = False,
        setup: SetUp | None = None,
    ) -> None:
        """
        @param setup: makes the pages that tell clients of HTTPS how to use this server; by default there are none.
        @param worker: whether this is a worker process, whose parent has the keepers of features.
        @param encryption: the certificates of encrypted listeners; by default read as the settings say.
        @param bound: the sockets to listen on, which this service owns from now on; empty if L{use} is called later.
        @param toParent: in a worker, whose zones the parent process manages, sends a message to the parent.

        @raise BadDescription: the settings cannot be used. The sockets stay open then.
        """
        self.settings = settings
        self._reactor = reactor
        self._setup = setup
        self.encryption = _encryptionFor(reactor, settings) if encryption is None else encryption
        self._bound: list[Bound] = []
        self._listening = ListenAddresses(*_placeOf(bound)) if bound else placesOf(settings)
        # A worker's settings contain no zones: its parent loads them.
        self._worker = toParent is not None
        self.zoneSets = ZoneSets(reactor, settings, self.changed, fromPython, worker=self._worker)
        self._reloads = Reloads(reactor, reread, self, self.zoneSets)
        self._frontend: Frontend | None = None
        self.features = Features(
            Site(
                reactor,
                settings,
                self.changed,
                self._readmit,
                self.observe,
                lambda view: self.stack.asksInside(view),
                lambda name, until: self.stack.suspend(name, until),
                servers=lambda name, answer: ((), ()) if self.recursor is None else self.recursor.serversOf(name, answer),
                zones=self.zoneSets.common.zones, variants=self.zoneSets.variantsFor(settings),
                secret=secret, cookieSecrets=tuple(cookieSecrets),
                forget=self._readmit, sourceOf=lambda view: self.stack.views.get(view), validates=lambda name: self.stack.validates(name),
                upstreamOf=lambda view: None if self.stack.backends is None else self.stack.backends.sourceOf(view),
            )
        )
        try:
            self.stack = stackFor(
                reactor, settings, self.zoneSets.common.zones, self.features, listening=self._listening, changed=self.changed
            )
        except BaseException:
            self.features.close()
            raise
        self.zoneSets.connected = self._see
        self._keepers = None if worker else Keepers(reactor, settings)
        if self._keepers is not None:
            self._keepers.serve(self.zoneSets)
        # What keepers have published, for features that a reload switches on.
        self._published: dict[str, JSON] = {}
        self.counters = Counters()
        self.status = Status(reactor, self, None if self._worker else self.zoneSets, self._keepers, self.encryption)
        self.use(bound)
        try:
            large = self._worker or self.zoneSets.any or settings.role == "serve"
            certificates = None if self.encryption is None else self.encryption.certificates
            self._frontend = Frontend(
                self.features, self.stack, self.counters, large=large, certificates=certificates, views=self.stack.views
            )
        except BaseException:
            self.features.close()
            self.stack.close()
            raise
        self.features.begin()
        self._frontend.responder.relieve = self._relieve
        self._looking = LoopingCall(self._look)
        self._looking.clock = reactor
        self._collection = QuietCollection(reactor.seconds())
        self.lost: Callable[[str], object] | None = None
        self.watchdog: Watchdog | None = None
        self.relay: Relay | None = None
        if toParent is not None:
            self._pass(toParent)

    def use(self, bound: Sequence[Bound]) -> None:
        """
        Listen on these sockets once the service starts. They belong to it from now on.

        @raise BadDescription: a view has no clients at them.
        """
        self._bound = list(bound)
        if bound:
            self._listening.at(*_placeOf(bound))
            if self._keepers is not None:
                # The parent of a worker has checked it.
                checkDoors(self.settings, bound)

    # -- what its status shows

    @property
    def source(self) -> IAnswerSource:
        return self.stack

    @property
    def backends(self) -> Sequence[Backend]:
        return () if self.stack.backends is None else self.stack.backends.all

    @property
    def recursor(self) -> Recursor | None:
        return self.stack.recursor

    @property
    def trusting(self) -> Trusting | None:
        return self.stack.trusting

    @property
    def views(self) -> Mapping[str, IAnswerSource]:
        return self.stack.views

    @property
    def packetCache(self) -> PacketCache:
        return self.frontend.packetCache

    @property
    def responder(self) -> Responder:
        return self.frontend.responder

    @property
    def listening(self) -> list[str]:
        return [label for each in self._bound for label in each.labels]

    # -- the rest

    def _pass(self, toParent: Callable[[dict[str, object]], object]) -> None:
        from twisted_ext.server.zones.transfer.transferlimits import TransferLimits
        from twisted_ext.server.zones.transfer.xfrout import OutgoingTransfers

        limits = TransferLimits(self.settings)

        def send(request: Request, single: bool, view: str) -> Outcome:
            zoneSet = self.zoneSets.of(view)
            if zoneSet is None or zoneSet.zoneSync is None:
                # The view has lost its zones since.
                return GONE
            offer = zoneSet.zoneSync.offerSingly if single else zoneSet.zoneSync.offer
            return OutgoingTransfers(offer, limits=limits)(request)

        def lacking(view: str, zoneSet: ZoneSet) -> None:
            assert zoneSet.zoneSync is not None
            zoneSet.zoneSync.lacks = lambda apex, path: toParent({"lacks": apex.hex(), "path": path, "view": view})

        self.relay = Relay(self._reactor, toParent, send)
        lacking("", self.zoneSets.common)
        for view, zoneSet in self.zoneSets.views.items():
            lacking(view, zoneSet)
        self.zoneSets.added = lacking

    def passOn(self, operations: Iterable[int], keys: Keys) -> None:
        """
        In a worker: forward some requests to the parent.

        @param operations: the keys of these requests, see L{handlerKey<twisted_ext.server.reply.opcodes.handlerKey>}.
        @param keys: the TSIG keys for requests that are parsed in this process.
        """
        assert self.relay is not None
        self.zoneSets.passOn(dict.fromkeys(operations, self.relay), keys)
        self._see()

    def _see(self) -> None:
        self.frontend.see(self.zoneSets.handlers, self.zoneSets.keys, self.zoneSets.expiring)

    def changed(self) -> None:
        # The stack may call this while it is still being built.
        if self._frontend is not None:
            self._frontend.epoch.bump()

    def _readmit(self, client: str = "") -> None:
        if self._frontend is not None:
            self._frontend.packetCache.forgetClients(client)

    def take(self, feature: str, state: JSON) -> None:
        """
        Give a feature what its keeper has published.
        """
        if state is None:
            self._published.pop(feature, None)
        else:
            self._published[feature] = state
        self.features.take(feature, state)

    def observe(self) -> None:
        if self._frontend is not None:
            self._frontend.observe()

    @property
    def bound(self) -> Sequence[Bound]:
        """
        The sockets of all listeners.
        """
        return self._bound

    @property
    def frontend(self) -> Frontend:
        assert self._frontend is not None
        return self._frontend

    def startService(self) -> None:
        self.running = 1
        self.status.startService()
        self.zoneSets.begin()
        self._see()
        if self._keepers is not None:
            self._keepers.begin(self.take)
        self.frontend.listen(self._bound, self._ended)
        self._offer()
        self.watchdog = self.frontend.watchdog(self._ended, shared=self.settings.workers > 1)
        self.watchdog.start()
        self._looking.start(_EVERY, now=False).addErrback(lambda failure: self.log.failure("while looking at files", failure=failure))
        self.stack.started()
        self.log.info("answering at {listening}", listening=", ".join(self.listening))

    def _offer(self) -> None:
        """
        Tell clients what the encrypted listeners are, as far as they ask for it.
        """
        if self.encryption is not None:
            self.encryption.changed = self._offer
        offer, authority, pin, issuer = _offered(self.settings, self._bound, self.encryption)
        if self._setup is not None:
            self.frontend.show(partial(self._setup, offer, authority, pin, issuer))
        self.features.listening(offer)

    def _ended(self, reason: str) -> None:
        if not self.running:
            return
        self.log.critical("{reason}", reason=reason)
        if self.lost is not None:
            self.lost(reason)

    def _relieve(self) -> None:
        self.frontend.packetCache.clear()
        if self.stack.backends is not None:
            self.stack.backends.flush()
        self.log.error("out of memory; all caches are cleared")

    def _look(self) -> None:
        self._collection.look(self.counters.udp + self.counters.tcp, self._reactor.seconds())
        try:
            self.stack.look()
            self.features.look()
            if self._keepers is not None:
                self._keepers.look()
            if self.encryption is not None:
                self.encryption.look()
        except Exception as error:
            # The next attempt may succeed.
            self.frontend.responder.faults.note("looking at files", error, self._reactor.seconds())

    def stopService(self) -> Deferred[None]:
        self.running = 0
        if self.watchdog is not None:
            self.watchdog.stop()
        if self.relay is not None:
            self.relay.close()
        if self._looking.running:
            self._looking.stop()
        if self._keepers is not None:
            self._keepers.close()
        stopping = [
            self.zoneSets.close(),
            maybeDeferred(self.status.stopService),
            self.frontend.stop(),
            self.stack.close(),
        ]
        self.features.close()
        return gatherResults(stopping, consumeErrors=True).addCallback(lambda _: closeSockets(self._bound))

    def reload(self) -> Deferred[list[str]]:
        return self._reloads.reload()

    def inTurn(self, work: Callable[[], Deferred[_T]]) -> Deferred[_T]:
        return self._reloads.inTurn(work)

    def prepare(self, settings: Settings) -> Callable[[], Deferred[list[str]]]:
        """
        See L{Reloaded<twisted_ext.server.process.reloads.Reloaded>}.
        """
        return lambda: succeed(self.goOverTo(settings))

    def goOverTo(self, settings: Settings, cookieSecrets: Sequence[bytes] | None = None) -> list[str]:
        """
        Apply new settings, of which the caller has checked the zones; those that cannot change at run time stay as they were.

        @param cookieSecrets: in a worker those that its parent has read; L{None} to read them here.

        @return: lines that report the result.

        @raise BadDescription: they cannot be used; nothing has changed then.
        """
        before = self.settings
        inForce = before.goingOverTo(settings)
        # Detect all other errors before anything changes.
        if self._keepers is not None:
            checkDoors(inForce, self._bound)
        secrets = tuple(secretsOf(inForce) if cookieSecrets is None else cookieSecrets)
        certified = None if self.encryption is None else self.encryption.prepare(inForce)
        former = self.features
        variants = self.zoneSets.variantsFor(inForce)
        features = Features(replace(former.site, settings=inForce, cookieSecrets=secrets, variants=variants), former)
        try:
            self.stack.reload(inForce, features)
        except BaseException:
            features.close(former)
            raise
        if certified is not None:
            certified()
        self.settings = inForce
        self.features = features
        self.frontend.apply(features, self.stack.views)
        features.begin()
        features.takeOver(self._published, former)
        former.close(features)
        self.zoneSets.settle(inForce)
        if self._keepers is not None:
            self._keepers.apply(inForce)
        if self._worker:
            self._see()
        self._offer()
        self.stack.started()
        # A worker has of zones only which views they are of.
        return changedLines(before, settings, features.rereads(), unsaid=("zone",) if self._worker else ())


def _offered(
    settings: Settings, bound: Sequence[Bound], encryption: Encryption | None
) -> tuple[Offer | None, bytes, str, Callable[[], str]]:
    if encryption is None:
        return None, b"", "", str
    # Only here: servers without encryption need not load this.
    from twisted_ext.server.listeners.offered import offeredBy

    return offeredBy(settings, bound, encryption.certificates)


def _placeOf(bound: Sequence[Bound]) -> tuple[tuple[str, ...], int]:
    plain = [each for each in bound if not each.encryption]
    return tuple(dict.fromkeys([each.address for each in plain])), plain[0].port


def _encryptionFor(reactor: IReactorTime, settings: Settings) -> Encryption | None:
    encrypted = settings.tls or settings.https or settings.httpsClear or settings.quic or settings.http3
    if not (encrypted or settings.key or settings.selfSigned):
        return None
    # Only here: servers without encryption need not load the code for certificates.
    from twisted_ext.server.listeners.tls.encryption import encryptionFor

    return encryptionFor(settings, reactor.seconds)


def _encryptedPlaces(settings: Settings) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """
    Return the places of each encrypted transport.
    """
    return (
        ("tls", settings.tls),
        ("https", settings.https),
        ("https-clear", settings.httpsClear),
        ("quic", settings.quic),
        ("http3", settings.http3),
    )


def _withEncrypted(sets: list[list[Bound]], settings: Settings) -> list[list[Bound]]:
    """
    Add the sockets of encrypted listeners to each set.
    """
    try:
        for encryption, wanted in _encryptedPlaces(settings):
            encrypted = encryptedSockets(wanted, encryption, len(sets))
            sets = [[*bound, *more] for bound, more in zip(sets, encrypted, strict=True)]
    except BaseException:
        for bound in sets:
            closeSockets(bound)
        raise
    return sets


class Server(Service):
    """
    The whole of C{twistd txdns}: one serving process, or a parent with several workers; also reports to systemd.

    @ivar operations: the operations for control socket, status page and manhole.
    @ivar observer: the log observer for the application that this service joins, or L{None}.
    @ivar useless: called with a message if none of the initial zones can be served.
    @ivar lost: called with a message if a listener is lost or does not answer, or if an image in use was truncated, so that the process
        should be restarted.
    """

    log = Logger(__name__)

    def __init__(
        self, reactor: IReactorTime, inner: ServerService | Workforce, bind: Callable[[], object] = lambda: None
    ) -> None:
        """
        @param bind: binds the sockets of C{inner}; see L{bind}.
        """
        self._inner = inner
        self._binding = [bind]
        zoneSets = inner.zoneSets
        if zoneSets is not None:
            zoneSets.useless = self._end
            zoneSets.broken = self._break
        self.observer: ILogObserver | None = None
        self.useless: Callable[[str], object] | None = None
        self.lost: Callable[[str], object] | None = None
        if isinstance(inner, ServerService):
            inner.lost = self._ended
        self.operations: Operations = inner.status if isinstance(inner, ServerService) else inner
        self.operations.alterSettings = AddedSettings(self.operations).alter
        self._parts: list[Service] = [inner]
        self._alive = LoopingCall(self._tellAlive)
        self._alive.clock = reactor
        self._reactor = reactor

    def _end(self, said: str) -> None:
        # The reason was logged with the zone.
        self.log.critical("no zone can be served")
        if self.useless is not None:
            self.useless(said)

    def _ended(self, said: str) -> None:
        if self.lost is not None:
            self.lost(said)

    def _tellAlive(self) -> None:
        watchdog = self._inner.watchdog if isinstance(self._inner, ServerService) else None
        if watchdog is None or watchdog.well:
            notify("WATCHDOG=1")

    def _break(self, said: str) -> None:
        self.log.critical("{said}", said=said)
        self._ended(said)

    def setServiceParent(self, parent: object) -> None:
        """
        Join an application, setting its log observer before it starts logging.
        """
        if self.observer is not None and isinstance(parent, Componentized):
            give: Callable[[object, object], object] = parent.setComponent
            give(ILogObserver, self.observer)
        super().setServiceParent(parent)

    def offered(self) -> tuple[Offer | None, bytes, str, Callable[[], str]]:
        """
        Return what the encrypted listeners offer, as L{SetUp} takes it.
        """
        return _offered(self._inner.settings, self._inner.bound, self._inner.encryption)

    def add(self, service: Service, bind: Callable[[], object] | None = None) -> None:
        """
        Start and stop C{service} with the server.

        @param bind: binds its sockets, called by L{bind}.
        """
        self._parts.append(service)
        if bind is not None:
            self._binding.append(bind)

    def bind(self) -> None:
        """
        Bind all sockets. Call it once, when everything else has been checked, and before privileges are dropped: a socket that cannot be
        bound must not hide an error in the settings.

        @raise DNSFault: a socket cannot be bound; the text names the socket and the reason.
        """
        for bind in self._binding:
            bind()

    def startService(self) -> None:
        self.running = 1
        boundLibraryLogs()
        for part in self._parts:
            part.startService()
        seconds = watchdogSeconds()
        if seconds:
            self._alive.start(seconds).addErrback(lambda failure: self.log.failure("while telling systemd", failure=failure))
        if isinstance(self._inner, ServerService):
            # Only a running reactor handles the signals with which systemd may stop a service that is ready.
            if IReactorCore.providedBy(self._reactor):
                self._reactor.callWhenRunning(notify, "READY=1")
            else:
                notify("READY=1")

    def stopService(self) -> Deferred[None]:
        notify("STOPPING=1")
        if self._alive.running:
            self._alive.stop()
        self.running = 0
        stopping = [maybeDeferred(part.stopService) for part in reversed(self._parts)]
        return gatherResults(stopping, consumeErrors=True).addCallback(lambda _: None)

    def reloadNow(self) -> Deferred[None]:
        """
        Reload the settings on a signal. The result is logged.
        """
        notify(f"RELOADING=1\nMONOTONIC_USEC={int(self._reactor.seconds() * 1e6)}")

        def done(lines: list[str]) -> None:
            for line in lines:
                self.log.info("settings read again: {line}", line=line)

        def failed(failure: object) -> None:
            error = getattr(failure, "value", failure)
            for line in str(error).splitlines():
                self.log.error("settings not usable, the old ones stay in force: {line}", line=line)

        def over(_: object) -> None:
            notify("READY=1")

        return self.operations.reload().addCallbacks(done, failed).addBoth(over)


def makeServer(
    reactor: IReactorTime,
    settings: Settings,
    reread: Callable[[], Settings] | None = None,
    fromPython: Callable[[str], Zone] | None = None,
    setup: SetUp | None = None,
) -> Server:
    """
    Make a server. It has its sockets once L{Server.bind} has been called, and answers once it is started.

    @param reread: returns the settings for a reload.
    @param fromPython: makes the zone of a file of Python code; by default such code is not run.
    @param setup: makes the pages that tell clients of HTTPS how to use this server, where one process answers them.

    @raise BadDescription: the settings cannot be used.
    """
    files = raiseDescriptors(DESCRIPTORS.default + settings.tcpConnections)
    if 0 < files <= settings.tcpConnections:
        raise BadDescription(
            f"tcp-connections: {settings.tcpConnections} connections need more open files than the {files} that the system allows this "
            "process; raise that limit (LimitNOFILE= of systemd, ulimit -n), or lower tcp-connections"
        )
    for complaint in pluginComplaints:
        Server.log.warn("{complaint}", complaint=complaint)
    cookieSecrets = secretsOf(settings)
    secret = cookieSecrets[0] if cookieSecrets else os.urandom(SECRET_OCTETS)
    received = receivedSockets()
    if settings.workers > 1:
        if received:
            raise BadDescription("workers: sockets from LISTEN_FDS cannot be shared; use --workers 1, or have no socket unit")
        from twisted_ext.server.process.workers import Workforce

        dividedSockets((), _encryptedPlaces(settings))
        listening = placesOf(settings)

        sets: list[list[Bound]] = []

        def check(settings: Settings) -> None:
            checkSettings(reactor, settings, listening)
            if sets:
                checkDoors(settings, sets[0])

        # Detect settings that workers could not use before starting any.
        check(settings)
        wanted = bool(settings.role == "serve" or settings.api or settings.pyzone or settings.zones or settings.keyFile)
        wanted = wanted or any(variantsIn(settings).values())
        zoneSets = ZoneSets(reactor, settings, fromPython=fromPython) if wanted else None
        force = Workforce(reactor, settings, (), secret, reread=reread, check=check, ready=lambda: notify("READY=1"), zoneSets=zoneSets)
        force.cookieSecrets = cookieSecrets
        force.encryption = _encryptionFor(reactor, settings)

        def bindAll() -> None:
            sets.extend(_withEncrypted(boundSockets(settings.interface, settings.port, settings.workers), settings))
            listening.at(*_placeOf(sets[0]))
            checkDoors(settings, sets[0])
            force.use(sets)

        return Server(reactor, force, bindAll)
    passed, encrypted = dividedSockets(received, _encryptedPlaces(settings))
    service = ServerService(
        reactor, settings, passed, secret, cookieSecrets=cookieSecrets, reread=reread, fromPython=fromPython, setup=setup
    )

    def bind() -> None:
        plain = passed or boundSockets(settings.interface, settings.port)[0]
        service.use(_withEncrypted([[*plain, *encrypted]], settings)[0])

    return Server(reactor, service, bind)
