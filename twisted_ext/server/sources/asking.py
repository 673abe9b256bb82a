"""
The sources that query other servers, as settings say.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import partial
from operator import attrgetter
from typing import TYPE_CHECKING, TypeAlias

from twisted_ext.errors import BadDescription, CallerFault, Refused
from twisted_ext.resolver.ask import behind
from twisted_ext.resolver.combine.aliasfollower import AliasFollower
from twisted_ext.resolver.combine.race import RaceSource
from twisted_ext.resolver.combine.route import ParentsElsewhere, RouteSource
from twisted_ext.resolver.forward.forwarder import ForwardingSource
from twisted_ext.resolver.sources import FailingSource
from twisted_ext.resolver.strings.descriptions import sourceFromString
from twisted_ext.server.sources.upstreams import (
    CountedUpstream,
    ListenAddresses,
    SystemServers,
    Upgrade,
    isNear,
    serversOf,
)
from twisted_ext.transport.exchange import IN_CLEAR
from twisted_ext.wire.message import Question
from twisted_ext.wire.names import nameFromText
from twisted_ext.wire.rrtypes import SOA

if TYPE_CHECKING:
    from twisted.internet.interfaces import IReactorTime

    from twisted_ext.interfaces import IAnswerSource
    from twisted_ext.server.config.settings import Settings
    from twisted_ext.server.sources.recursor import Recursor

__all__ = ["Asking", "Step", "askingFor", "described"]

#: Describes a step that queries pass through. What it says may change while the server runs.
Step: TypeAlias = "Callable[[], str]"


@dataclass(slots=True, eq=False)
class Asking:
    """
    The sources that query other servers.

    @ivar source: the source for all names.
    @ivar default: the source for names without a route.
    @ivar steps: what C{--show-path} says of them.
    @ivar followers: look up the targets of aliases that servers have not followed.
    @ivar system: the servers of C{resolv.conf}, if these are used.
    @ivar recurses: whether names without a route are resolved from the root.
    """

    source: IAnswerSource
    default: IAnswerSource
    upstreams: list[CountedUpstream]
    steps: list[Step]
    followers: list[AliasFollower] = field(default_factory=list)
    system: SystemServers | None = None
    recurses: bool = False

    def follow(self, targets: IAnswerSource) -> None:
        """
        Have the targets of aliases looked up in a source.
        """
        for follower in self.followers:
            follower.targets = targets

    def sourceOf(self, name: bytes) -> IAnswerSource:
        """
        Return the source that is asked for a name.

        @param name: folded.
        """
        route = next(behind(self.source, RouteSource), None)
        found = None if route is None else route.sourceFor(Question(name, SOA))
        return found or self.default

    def isInside(self) -> bool:
        """
        Return whether names without a route go to a server in a private network, or to a source that has no server address.
        """
        if self.recurses:
            return False
        servers = [forwarding.upstreams[index].server for forwarding, index in serversOf(self.default)]
        return not servers or any(isNear(server) for server in servers)


def askingFor(
    reactor: IReactorTime, settings: Settings, listening: ListenAddresses, moved: Callable[[], object], recursor: Recursor | None
) -> Asking:
    """
    Build the sources that query other servers.

    @param listening: where the server itself listens: it does not query itself.
    @param moved: called when C{resolv.conf} names other servers than before.
    @param recursor: the recursive resolver, for the role C{recurse}.

    @raise BadDescription: the settings cannot be used. Nothing is left open.
    """
    if not settings.recursive:
        refusing = FailingSource(lambda: Refused("this server asks no upstream", ede=((20, ""),)))
        return Asking(refusing, refusing, [], [lambda: "no upstream is asked"])
    upstreams: list[CountedUpstream] = []
    steps: list[Step] = []
    system: SystemServers | None = None
    followers: list[AliasFollower] = []
    upgrade = _upgradeFor(reactor, settings, listening)

    def built(description: str, setting: str, counted: bool = False) -> CountedUpstream:
        source = described(reactor, description, setting, listening)
        if upgrade is not None and setting == "upstream":
            source = _designatedFor(reactor, source, upgrade, description, settings)
        upstream = CountedUpstream(description, source, reactor, counted=counted)
        upstreams.append(upstream)
        return upstream

    default: IAnswerSource | None = None
    try:
        if recursor is not None:
            default = follower = recursor.lend()
            followers.append(follower)
            validated = "validated" if settings.validate else "without validation"
            if settings.opportunistic:
                validated += ", over TLS where servers support it"
            steps.append(lambda: f"recurse: from {settings.rootHints or 'the built-in servers of the root'}, {validated}")
            if settings.localRoot:
                steps.insert(-1, lambda: f"local root: a copy of the root zone by transfer from {', '.join(settings.localRoot)}")
        elif settings.upstream:
            several = len(settings.upstream) > 1
            hedge = f", each {settings.hedge:g} s ahead of the next" if several else ""
            steps.append(lambda: f"forward: {', '.join(settings.upstream)}{hedge}")
            first = [built(description, "upstream", several) for description in settings.upstream]
            default = first[0]
            if several:
                default = RaceSource(first, reactor, delay=settings.hedge, order=lambda: sorted(first, key=attrgetter("rests")))
        else:
            system = SystemServers(reactor, settings.resolvConf, listening, moved, upgrade)
            default = following = CountedUpstream(system.path, system, reactor, counted=False)
            upstreams.append(following)
            steps.append(lambda: f"forward: the servers of {following.description}: {_labelOf(following)}")
        if upgrade is not None and recursor is None:
            steps.append(partial(_upgradesOf, upstreams[:]))
        routes: dict[bytes, IAnswerSource] = {}
        for route in settings.route:
            domain, _, description = route.partition("=")
            routed: IAnswerSource = built(description, f"route {domain}")
            name = nameFromText(domain)
            if recursor is not None:
                routed = follower = recursor.beside(routed, name.lower())
                followers.append(follower)
            routes[name] = routed
            steps.insert(-1, partial("route: {} to {}".format, domain, description))
        for stub in settings.stub if recursor is not None else ():
            steps.insert(-1, partial("stub: {} at {}".format, *stub.split("=")))
    except BaseException:
        for upstream in upstreams:
            upstream.close()
        if recursor is not None and default is not None:
            default.close()
        raise
    source: IAnswerSource = default
    if routes:
        source = RouteSource(routes, default)
        # Others need no validator, which takes long to load.
        if any("validate:" in route for route in settings.route):
            _joinParents(source, routes)
    if recursor is None:
        source = follower = AliasFollower(source)
        followers.append(follower)
    return Asking(source, default, upstreams, steps, followers, system, recursor is not None)


def _upgradeFor(reactor: IReactorTime, settings: Settings, listening: ListenAddresses) -> Upgrade | None:
    if settings.upgradeUpstreams == "no":
        return None
    from twisted_ext.resolver.strings.descriptions import Site
    from twisted_ext.resolver.strings.designated import upgraded

    strict = settings.upgradeUpstreams == "require"
    opportunistic = settings.upgradeUnverified and not strict
    return partial(upgraded, Site(reactor, listening.has), strict=strict, opportunistic=opportunistic)


def _joinParents(source: RouteSource, routes: Mapping[bytes, IAnswerSource]) -> None:
    """
    Have routes that validate find the keys of the parents of their domains as those of other names are found.
    """
    from twisted_ext.resolver.recursive.validating import ValidatingSource

    for domain, routed in routes.items():
        for validating in behind(routed, ValidatingSource):
            validating.supportFrom(ParentsElsewhere(domain.lower(), validating.inner, source))


def _designatedFor(
    reactor: IReactorTime, source: IAnswerSource, upgrade: Upgrade, description: str, settings: Settings
) -> IAnswerSource:
    """
    Return the upgraded source for an upstream that is asked in the clear; others as they are.

    @raise BadDescription: its queries are signed, and must not be in the clear.
    """
    if not isinstance(source, ForwardingSource) or source.transport.kind != IN_CLEAR:
        return source
    if source.key is not None:
        # What it designates need not know the key.
        if settings.upgradeUpstreams == "require":
            source.close()
            raise BadDescription(
                f"upstream {description}: upgrade-upstreams = require cannot be combined with tsig; name an encrypted server"
            )
        return source
    servers = [upstream.server for upstream in source.upstreams]
    if len(servers) == 1:
        # Its options remain.
        return upgrade(servers, lambda server: source)
    streams = source.stream
    source.close()
    return upgrade(servers, lambda server: ForwardingSource(reactor, [server], stream=streams))


def _upgradesOf(upstreams: Iterable[CountedUpstream]) -> str:
    from twisted_ext.resolver.combine.designated import DesignatedSource

    states = [each.state for upstream in upstreams for each in behind(upstream, DesignatedSource)]
    return f"upgrade: {'; '.join(states)}" if states else ""


def _labelOf(upstream: CountedUpstream) -> str:
    return ", ".join([forwarding.upstreams[index].server.label for forwarding, index in serversOf(upstream)]) or "none"


def described(reactor: IReactorTime, description: str, setting: str, listening: ListenAddresses) -> IAnswerSource:
    """
    Build the source that a description names.

    @raise BadDescription: it cannot be built, or is this server itself.
    """
    try:
        source = sourceFromString(reactor, description, listening.has)
    except CallerFault as fault:
        raise BadDescription(f"{setting}: {fault}") from None
    for forwarding, index in serversOf(source):
        server = forwarding.upstreams[index].server
        if listening.has(server):
            source.close()
            raise BadDescription(f"{setting}: {server.label} is this server itself; it would ask itself forever")
    return source
