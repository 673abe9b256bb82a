"""
The front end of one process: ACL, gates, packet cache, responder and listeners, built from the settings and updated on reload.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Final

from twisted.internet.defer import Deferred, gatherResults
from twisted.logger import Logger

from twisted_ext.interfaces import IAnswerSource, IDirectSource, IQueryObserver
from twisted_ext.metrics.activity import Activity
from twisted_ext.metrics.counters import Counters
from twisted_ext.native import chosen
from twisted_ext.packetcache.clients import View
from twisted_ext.packetcache.packetcache import PacketCache
from twisted_ext.server.features.base.feature import Stage
from twisted_ext.server.listeners.datagram import DatagramListener
from twisted_ext.server.listeners.proxies.trusted import TrustedProxies
from twisted_ext.server.listeners.stream import StreamFactory, StreamListener, StreamResponder
from twisted_ext.server.process.watchdog import Watchdog
from twisted_ext.server.reply.chaos import ChaosIdentity, SelfTest
from twisted_ext.server.reply.cookies import CookieReplies
from twisted_ext.server.reply.gates import (
    AccessGate,
    CookieGate,
    Gate,
    MinimalAnyGate,
    QuestionGate,
    RateGate,
    SignatureGate,
    TypeGate,
    gatesFor,
    plainGates,
)
from twisted_ext.server.reply.observers import LiveList, Observers
from twisted_ext.server.reply.packetcaches import ClientGroups, cacheOf
from twisted_ext.server.reply.replybuilder import ReplyBuilder
from twisted_ext.server.reply.respond import Responder
from twisted_ext.server.sources.sources import ZoneStack
from twisted_ext.server.zones.table.replying import ZoneReplies
from twisted_ext.server.zones.table.source import AuthoritySource

if TYPE_CHECKING:
    from twisted.python.failure import Failure

    from twisted_ext.answers import Epoch
    from twisted_ext.server.config.keys import Keys
    from twisted_ext.server.config.settings import Settings
    from twisted_ext.server.features.built import Features
    from twisted_ext.server.listeners.https.headers import HeadMemory
    from twisted_ext.server.listeners.https.request import Status
    from twisted_ext.server.listeners.quic.listener import QuicListener
    from twisted_ext.server.listeners.sockets import Bound
    from twisted_ext.server.listeners.stream import MakeServing
    from twisted_ext.server.listeners.tls.certificates import Certificates
    from twisted_ext.server.reply.opcodes import OpcodeHandler
    from twisted_ext.server.reply.requests import Request
    from twisted_ext.server.zones.table.viewzones import ViewZones
    from twisted_ext.server.zones.table.zonetable import Place, Zones
    from twisted_ext.wire.message import Question
    from twisted_ext.zone.store.version import DirectAnswer

__all__ = ["Frontend", "gatesOf"]

#: Queries seen once that such a server remembers, so that it notices when they repeat.
_ZONE_LANE_SIGHTS: Final = 1 << 18

#: Octets for the stored replies of a server with zones, for UDP and for TCP each: half of it holds all replies for a hundred thousand
#: names.
_ZONE_LANE_BYTES: Final = 128 << 20

#: Seconds for which clients of HTTP/2 remember that the server has HTTP/3 as well (RFC 7838, section 3.1).
_HTTP3_OFFERED: Final = 86_400

_log: Final = Logger(__name__)

#: Of a server whose clients are all answered alike.
NO_VIEWS: Final[Mapping[str, IAnswerSource]] = {}


#: Gates that decide of a plain query by what is known of its client, or by its type alone.
_FORESEEN: Final = frozenset((AccessGate, CookieGate, QuestionGate, RateGate, TypeGate))


def gatesOf(
    features: Features,
    handlers: Mapping[int, OpcodeHandler] | None = None,
    keys: Keys | None = None,
    packetCache: PacketCache | None = None,
) -> tuple[Gate, ...]:
    """
    Return the gates that requests pass, in order.

    @param handlers: those that handle requests other than QUERY.
    @param keys: TSIG keys that requests may be signed with.
    @param packetCache: see L{gatesFor}.
    """
    site = features.site
    entry, proof, last = [features.gates(stage) for stage in (Stage.ENTRY, Stage.PROOF, Stage.LAST)]
    if site.settings.minimalAny and site.settings.role != "serve":
        # A server that only serves zones answers ANY in full for its own names.
        last.insert(0, MinimalAnyGate(None if site.zones is None else partial(_zoneFor, site.zones, site.variants)))
    return gatesFor(
        entry,
        proof,
        last,
        identity=ChaosIdentity.of(site.settings),
        signing=SignatureGate(keys or {}, site.today),
        handlers=handlers,
        packetCache=packetCache,
    )


def _zoneFor(zones: Zones, variants: Mapping[str, ViewZones], request: Request) -> Place | None:
    """
    Return the zone that the name of a query is in for its client; L{None} if there is none.
    """
    view = request.record.group.view
    own = None if view is None else variants.get(view.shown)
    return zones.find(request.folded) if own is None else own.find(request.folded)


def _directOf(source: IAnswerSource) -> Callable[[Question, bool], DirectAnswer | None] | None:
    direct = IDirectSource(source, None)
    return None if direct is None else direct.directAnswer


class Frontend:
    """
    Everything between the sockets and the answer source.
    """

    def __init__(
        self,
        features: Features,
        source: IAnswerSource,
        counters: Counters,
        *,
        large: bool = False,
        certificates: Certificates | None = None,
        views: Mapping[str, IAnswerSource] = NO_VIEWS,
    ) -> None:
        """
        @param features: those that the settings of their site switch on.
        @param certificates: for encrypted listeners, if there are any.
        @param large: whether to size the packet cache for a server with many zones.
        @param views: what each view of the settings is answered by.
        """
        site = features.site
        settings, zones = site.settings, site.zones
        self._reactor = reactor = site.reactor
        self._features = features
        self._proxies = TrustedProxies(settings.trustedProxies)
        # What clients without access are answered.
        outside = None if zones is None or settings.role == "serve" else View("public", AuthoritySource(zones), recursive=False)
        self._groups = ClientGroups(
            octets=_ZONE_LANE_BYTES if large else None,
            sights=_ZONE_LANE_SIGHTS if large else None,
            public=zones is not None,
            outside=outside,
            isProxy=self._proxies.isItself,
        )
        self.packetCache: PacketCache = cacheOf(self._groups, None, quick=zones is not None)
        self.responder = Responder(
            source,
            reactor,
            gates=gatesOf(features, packetCache=self.packetCache),
            replyBuilder=ReplyBuilder.of(settings),
            packetCache=self.packetCache,
            counters=counters,
        )
        # Whether all that observe are told of the replies that the C extension makes.
        self._seesMade = True
        self._heads: HeadMemory | None = None
        self._admit(views)
        self.responder.selfTest = SelfTest(site.secret)
        self._settings = settings
        self._handlers: Mapping[int, OpcodeHandler] = {}
        self._keys: Keys | None = None
        self._expiring: Callable[[Request], float | None] | None = None
        self._count(settings)
        self._datagrams: list[DatagramListener] = []
        self._streams = StreamFactory(
            StreamResponder(self.responder),
            reactor,
            most=settings.tcpConnections,
            perPeer=settings.tcpConnectionsPerClient,
            inFlight=settings.tcpRequests,
            idle=settings.tcpIdle,
            message=settings.tcpTimeout,
        )
        self._streams.proxies = self._proxies
        self._streams.own = self.responder.selfTest.connections
        self._listeners: list[StreamListener] = []
        self._quic: list[QuicListener] = []
        self._certificates = certificates
        # What the headers of HTTPS clients mean, for all listeners.

    @property
    def epoch(self) -> Epoch:
        """
        The epoch of the packet cache; bump it when cached replies may be out of date.
        """
        return self.packetCache.epoch

    def _admit(self, views: Mapping[str, IAnswerSource]) -> None:
        """
        Have features decide of clients from now on, all of which are new.

        @param views: what each view is answered by.
        """
        features = self._features
        # The order makes no difference: a client is in one view only.
        answering = [View(name, source, direct=_directOf(source)) for name, source in views.items()]
        self._groups.configure(features.admitting(), answering, requires=features.requireCookies(), isPersonal=features.isPersonal)
        for group in self._groups.all:
            for table in group.tables:
                table.isRoundRobin = features.isRoundRobin()
        self.packetCache.cookies = features.cookies()
        self.packetCache.regroup(self._groups.all, features.doors())
        if self._heads is not None:
            self._heads.serve(features.doors().paths)
        self.responder.limiting = features.limiting()

    def observe(self) -> None:
        """
        Tell those of queries that have something to watch. The packet cache samples for the live list, and is only followed for others.
        """
        activity = self.responder.counters.activity
        found: list[IQueryObserver] = self._features.observers()
        if activity is not None and activity.live.on:
            found.append(LiveList(self._reactor.seconds, activity))
        observers = Observers(found, self.responder.faults)
        self.responder.observer = observers if len(found) > 1 else found[0] if found else None
        self.packetCache.told = observers.hits if observers.watchesHits else None
        self._seesMade = observers.takesMade
        self._makeReplies()

    def _makeReplies(self) -> None:
        """
        Have the C extension make replies from zones, while nothing else has to see queries for them.
        """
        responder = self.responder
        builder = responder.replyBuilder
        source = responder.source
        self.packetCache.made = None
        if chosen.replies is None or not isinstance(source, ZoneStack) or builder.reports:
            return
        if responder.around is not None or not (responder.observer is None or self._seesMade):
            return
        if not _FORESEEN.issuperset(map(type, plainGates(responder.gates))):
            return
        cookies = self.packetCache.cookies
        authority = source.authority
        self.packetCache.made = ZoneReplies(
            source.zones,
            self._features.site.today,
            builder.opts,
            flags=builder.available,
            secret=cookies.secret if isinstance(cookies, CookieReplies) else None,
            others=responder.handlers,
            denies=not authority.expandAlias,
            failed=lambda error: responder.faults.note("mapping a zone", error, self._reactor.seconds()),
        ).repliesTo

    def _count(self, settings: Settings) -> None:
        """
        Count what single clients ask, or forget it, as the settings say.
        """
        counters = self.responder.counters
        if not settings.showClients:
            counters.activity = None
        elif counters.activity is None:
            counters.activity = Activity(self._features.site.today() - self._reactor.seconds())
        self.observe()

    def see(
        self, handlers: Mapping[int, OpcodeHandler], keys: Keys | None, expiring: Callable[[Request], float | None] | None = None
    ) -> None:
        """
        Set the handlers that handle requests other than QUERY.

        @param keys: TSIG keys that requests may be signed with.
        @param expiring: see L{ReplyBuilder}.
        """
        self._handlers, self._keys, self._expiring = handlers, keys, expiring
        self.responder.replyBuilder.expiring = expiring
        self.responder.handlers = dict(handlers)
        self.responder.gates = gatesOf(self._features, handlers, keys, self.packetCache)
        self._makeReplies()

    def apply(self, features: Features, views: Mapping[str, IAnswerSource] = NO_VIEWS) -> None:
        """
        Apply new settings.

        @param features: those that these settings switch on.
        @param views: what each view of the settings is answered by.
        """
        settings = features.site.settings
        self._proxies.configure(settings.trustedProxies)
        self._settings = settings
        self._features = features
        self.responder.gates = gatesOf(features, self._handlers, self._keys, self.packetCache)
        self.responder.replyBuilder = ReplyBuilder.of(settings)
        self.responder.replyBuilder.expiring = self._expiring
        self._admit(views)
        self._count(settings)
        # The access decisions for known clients and the stored replies may both be out of date.
        self.packetCache.clear()
        self.epoch.bump()

    def listen(self, several: Sequence[Bound], lost: Callable[[str], object] = lambda reason: None) -> None:
        """
        Start answering on these sockets.

        @param lost: called with a message if a socket cannot listen, or stops listening.
        """

        def failed(failure: Failure, where: str, way: str) -> None:
            _log.failure("cannot listen", failure=failure)
            lost(f"cannot listen at {where} over {way.upper()}: {failure.getErrorMessage()}")

        for bound in several:
            if bound.encryption in ("quic", "http3"):
                # Only here: it takes an extra.
                from twisted_ext.server.listeners.quic.listener import QuicListener

                assert self._certificates is not None
                quic = QuicListener(
                    self._reactor,
                    self.responder,
                    self._certificates,
                    bound.address,
                    bound.port,
                    socket=bound.datagram,
                    lost=partial(self._lostQUIC, lost),
                    heads=self._headMemory() if bound.encryption == "http3" else None,
                    secret=self._features.site.secret,
                )
                self._quic.append(quic)
                starting = quic.start().addCallback(lambda _: self._offerHTTP3())
                starting.addErrback(failed, f"{bound.address} port {bound.port}", quic.way)
                continue
            make = not bound.sockets
            if bound.datagram is not None or (make and not bound.encryption):
                listener = DatagramListener(
                    self._reactor, self.responder, bound.address, bound.port, socket=bound.datagram, lost=lost, proxies=self._proxies
                )
                listener.start()
                self._datagrams.append(listener)
            if make or bound.stream is not None:
                streams = StreamListener(
                    self._reactor,
                    self.responder,
                    bound.address,
                    bound.port,
                    socket=bound.stream,
                    servings=self._streams,
                    way=bound.encryption or "tcp",
                    make=self._encrypting(bound.encryption),
                    lost=lost,
                )
                if bound.encryption in ("https", "https-clear"):
                    from twisted_ext.server.listeners.https.request import requestFor

                    streams.framed = partial(requestFor, self._settings.httpsPath)
                streams.start().addErrback(failed, streams.where, streams.way)
                self._listeners.append(streams)
        self._offerHTTP3()

    def _lostQUIC(self, lost: Callable[[str], object], reason: str) -> None:
        self._offerHTTP3()
        lost(reason)

    def _offerHTTP3(self) -> None:
        """
        Offer HTTP/3 to clients of HTTPS if it listens wherever they may have connected to, at one port.
        """
        if self._heads is None:
            return
        places = {each.address for each in self._listeners if each.way == "https"}
        ports = [
            {each.port for each in self._quic if each.way == "http3" and each.port and each.address in (place, everywhere)}
            for place in places
            for everywhere in ("::" if ":" in place else "0.0.0.0",)
        ]
        common = set.intersection(*ports) if ports else set()
        offer = f'h3=":{min(common)}"; ma={_HTTP3_OFFERED}' if common else ""
        self._heads.endpoint.alternatives = offer.encode("ascii")

    def _headMemory(self) -> HeadMemory:
        """
        Return the paths of HTTPS, and the headers known to all its connections.
        """
        from twisted_ext.server.listeners.https.headers import HeadMemory
        from twisted_ext.server.listeners.https.request import Endpoint

        if self._heads is None:
            self._heads = HeadMemory(Endpoint(self._settings.httpsPath))
            self._heads.serve(self._features.doors().paths)
        return self._heads

    def _encrypting(self, encryption: str) -> MakeServing | None:
        if not encryption:
            return None
        answering = StreamResponder(self.responder, encryption.partition("-")[0])
        # Only here: servers without encryption need not load OpenSSL, and only HTTPS takes an extra.
        certificates = self._certificates
        if encryption in ("https", "https-clear"):
            from twisted_ext.server.listeners.https import serving as https

            contexts = None
            if encryption == "https":
                assert certificates is not None
                contexts = certificates.contextFactory(https.ALPN)
            return https.httpsServing(answering, self._headMemory(), contexts, answering.isDropped, self._proxies)
        from twisted_ext.server.listeners.tls.serving import ALPN, tlsServing

        assert certificates is not None
        return tlsServing(answering, certificates.contextFactory(ALPN), answering.isDropped)

    def show(self, make: Callable[[], Mapping[bytes, Status]]) -> None:
        """
        Show pages to clients of HTTPS, beside the path of queries.

        @param make: makes them, by their paths; called when one is first asked for.
        """
        if self._heads is not None:
            self._heads.endpoint.pages.show(make)

    def watchdog(self, failed: Callable[[str], object], *, shared: bool = False) -> Watchdog:
        """
        Return a watchdog that checks whether all listeners answer.

        @param failed: called with a message when a listener does not answer.
        @param shared: whether other processes listen on the same addresses and ports.
        """
        counters = self.responder.counters
        return Watchdog(
            self._reactor,
            self.responder.selfTest,
            self._datagrams,
            [*self._listeners, *self._quic],
            failed,
            lambda: counters.faults,
            shared=shared,
        )

    def stop(self) -> Deferred[None]:
        """
        Close all listeners and connections.
        """
        listeners: list[DatagramListener | StreamListener | QuicListener] = [*self._listeners, *self._datagrams, *self._quic]
        stopping = [listener.stop() for listener in listeners]
        self._listeners.clear()
        self._datagrams.clear()
        self._quic.clear()
        self.responder.close()
        stopping.append(self._streams.close())
        return gatherResults(stopping, consumeErrors=True).addCallback(lambda _: None)
