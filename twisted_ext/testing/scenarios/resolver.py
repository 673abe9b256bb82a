"""
This package's resolver, made as the configuration of a scenario says.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import inf
from typing import TYPE_CHECKING, Final

from twisted_ext.dnssec.algorithms import TESTING
from twisted_ext.dnssec.trustanchors import Anchor, TrustAnchors, ZoneAnchors
from twisted_ext.dnssec.validation import Validator
from twisted_ext.dnssec.work import Work
from twisted_ext.errors import BadDescription
from twisted_ext.recursion.delegations import Delegation, Delegations, NameServer
from twisted_ext.recursion.hints import builtInRoot
from twisted_ext.recursion.iteration import Options
from twisted_ext.resolver.ask import behind
from twisted_ext.resolver.caching.cached import CachedSource
from twisted_ext.resolver.combine.aliasfollower import AliasFollower
from twisted_ext.resolver.forward.forwarder import ForwardingSource
from twisted_ext.resolver.policy.dns64 import DNS64Source, NAT64Names, NAT64Prefix
from twisted_ext.resolver.recursive.source import RecursiveSource, recursiveStack
from twisted_ext.resolver.recursive.stubs import stubDelegation, stubTarget
from twisted_ext.resolver.recursive.validating import ValidatingSource
from twisted_ext.testing.scenarios.matching import Unsupported
from twisted_ext.transport.servers import Server
from twisted_ext.transport.urls import isAddress
from twisted_ext.wire.names import ROOT, isBelow, nameFromText
from twisted_ext.wire.rdata.text import recordFromText
from twisted_ext.wire.rrtypes import AAAA, A

if TYPE_CHECKING:
    from twisted_ext.interfaces import IAnswerSource
    from twisted_ext.recursion.delegations import FixedDelegation
    from twisted_ext.testing.reactors import MemoryReactor
    from twisted_ext.testing.scenarios.configuration import Configuration

__all__ = ["DNS64_FEATURE", "recursiveResolver"]

#: NSEC3 iterations up to which names are denied, unless the scenario says another number.
_ITERATIONS: Final = 150

#: Unbound's modules (C{module-config}): those of a resolver that validates, and of one that does not.
_VALIDATING: Final = "validator iterator"
_ITERATING: Final = "iterator"
_DNS64: Final = "dns64"

#: The prefix that Unbound has by default.
_WELL_KNOWN: Final = "64:ff9b::/96"

#: Deckard's setting with the first 96 bits of the addresses that are made.
DNS64_FEATURE: Final = "dns64_prefix"

_ANY: Final = frozenset[str]()
_YES: Final = frozenset(("yes",))
_NO: Final = frozenset(("no",))

#: Settings of Unbound that change no answer of this resolver, with the values for which that is so; without values for all.
_HARMLESS: Final[Mapping[str, frozenset[str]]] = {
    # What is logged and where, and how much memory and how many threads are used.
    **dict.fromkeys(
        """
        directory log-servfail log-time-ascii msg-cache-size msg-cache-slabs num-queries-per-thread rrset-cache-size use-syslog
        val-log-level verbosity
        """.split(),
        _ANY,
    ),
    # Queries to servers that the answer does not depend on.
    **dict.fromkeys("discard-timeout target-fetch-policy trust-anchor-signaling".split(), _ANY),
    # The order of records is not compared, and extended errors are compared only where a scenario names them.
    **dict.fromkeys("ede rrset-roundrobin".split(), _ANY),
    # NS records beside a positive answer are neither kept nor passed on.
    "iter-scrub-promiscuous": _ANY,
    # SHA-1 is accepted.
    "fake-sha1": _ANY,
    # What this resolver does always, or never.
    **dict.fromkeys(
        """
        aggressive-nsec harden-below-nxdomain harden-dnssec-stripped harden-short-bufsize root-key-sentinel
        """.split(),
        _YES,
    ),
    **dict.fromkeys(
        """
        answer-cookie disable-edns-do dns-error-reporting do-nat64 harden-algo-downgrade harden-large-queries harden-referral-path
        prefetch prefetch-key serve-expired serve-original-ttl tcp-upstream udp-upstream-without-downstream zonemd-permissive-mode
        """.split(),
        _NO,
    ),
    "module-config": frozenset((_VALIDATING, _ITERATING, f"{_DNS64} {_VALIDATING}", f"{_DNS64} {_ITERATING}")),
    # They are read apart.
    **dict.fromkeys("dns64-prefix dns64-ignore-aaaa".split(), _ANY),
    "stub-zone: stub-first": _NO,
    "stub-zone: stub-prime": _NO,
    "forward-zone: forward-first": _NO,
}

#: The end of a C{local-zone} that removes one of Unbound's own local zones, of which this resolver has none.
_EMPTY_ZONE: Final = " nodefault"

#: What Unbound permits to clients that this resolver permits to all; C{allow_snoop} lets them ask for what is cached alone.
_PERMITTED: Final = frozenset(("allow",))


def recursiveResolver(reactor: MemoryReactor, configuration: Configuration, today: Callable[[], float]) -> IAnswerSource:
    """
    Make the resolver with the configuration of a scenario: a recursive one, or a validator behind the forwarders. It validates with the
    anchors of the configuration alone, accepts the algorithms that only tests use, and answers queries of RFC 8509.

    @raise Unsupported: the configuration has a setting that this resolver does not have and that may change an answer.
    """
    _expectSupported(configuration)
    validates = all(_VALIDATING in value for _, value in configuration.others.get("module-config", ()))
    anchors = TrustAnchors([_anchorFrom(text) for text in configuration.anchors if validates])
    negatives = [nameFromText(name).lower() for name in configuration.insecure]

    def anchorsOf(name: bytes, now: int) -> ZoneAnchors | None:
        found = anchors.closest(name)
        return None if any(isBelow(name, negative) for negative in negatives) else found

    validator = Validator(anchorsOf, TESTING, next(iter(configuration.iterations.values()), _ITERATIONS))
    if configuration.forwarders:
        servers = [Server(address) for address in configuration.forwarders["."]]
        follower = AliasFollower(ValidatingSource(ForwardingSource(reactor, servers), reactor, validator, today), Work)
        cached = follower.targets = CachedSource(follower, reactor)
        return _withAddresses(cached, configuration)
    root = builtInRoot()
    if configuration.hints:
        named = [
            NameServer(nameFromText(name).lower(), tuple(addresses), inf) for name, addresses in configuration.hints.items()
        ]
        root = Delegation(ROOT, 0, tuple(named), inf)
    families = [family for family, used in ((A, configuration.ipv4), (AAAA, configuration.ipv6)) if used]
    options = Options(
        minimize=configuration.minimize is not False, strict=configuration.strict, families=tuple(families)
    )
    source = recursiveStack(reactor, root, validator=validator, options=options, today=today)
    for resolving in behind(source, RecursiveSource):
        resolving.delegations = Delegations(root, fixed=[_stubOf(name, servers) for name, servers in configuration.stubs.items()])
    return _withAddresses(source, configuration)


def _withAddresses(source: IAnswerSource, configuration: Configuration) -> IAnswerSource:
    """
    Have it make IPv6 addresses, if the configuration says so.
    """
    others = configuration.others
    given = [value for _, value in others.get("dns64-prefix", [])]
    if any(_DNS64 in value.split() for _, value in others.get("module-config", ())):
        given = given or [_WELL_KNOWN]
    else:
        given = [f"{value}/96" for value in configuration.features.get(DNS64_FEATURE, [])]
    if not given:
        return source
    ignored = [nameFromText(name) for _, name in others.get("dns64-ignore-aaaa", [])]
    prefixes = [NAT64Prefix(text) for text in given]
    return NAT64Names(DNS64Source(source, prefixes, excluded=None, ignored=ignored), prefixes)


def _stubOf(name: str, servers: list[str]) -> FixedDelegation:
    zone = nameFromText(name).lower()
    try:
        return stubDelegation(zone, [stubTarget(server, zone) for server in servers])
    except BadDescription as error:
        raise Unsupported(f"stub-zone {name}: {error}") from error


def _expectSupported(configuration: Configuration) -> None:
    """
    @raise Unsupported: this resolver does not have a setting.
    """
    for key, given in configuration.others.items():
        values = _HARMLESS.get(key)
        for line, value in given:
            spelled = " ".join(value.lower().split())
            if key == "local-zone" and spelled.endswith(_EMPTY_ZONE):
                continue
            if values is None or (values and spelled not in values):
                raise Unsupported(f"{key}: {value} (line {line})")
    for network, action in configuration.accessControl:
        if action not in _PERMITTED:
            raise Unsupported(f"access-control: {network} {action}")
    if not configuration.hardenGlue:
        raise Unsupported("harden-glue: no; addresses of servers from outside of the sender's zone are not used")
    if len(set(configuration.iterations.values())) > 1:
        raise Unsupported("val-nsec3-keysize-iterations: numbers that depend on the size of the key")
    if configuration.features.keys() - {DNS64_FEATURE}:
        raise Unsupported(f"features of another program: {', '.join(configuration.features)}")
    for name, servers in configuration.forwarders.items():
        if name != "." or configuration.stubs or configuration.hints:
            raise Unsupported(f"forward-zone {name} beside other servers")
        if not all(isAddress(server) for server in servers):
            raise Unsupported(f"forward-zone {name}: servers that are given by name: {', '.join(servers)}")


def _anchorFrom(text: str) -> Anchor:
    name, *words = text.split()
    record = recordFromText(" ".join([name, *([] if words[0].isdigit() else ["3600"]), *words]))
    return Anchor(record.name.lower(), record.rrType, record.rdatas[0])
