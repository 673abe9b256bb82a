"""
This package's resolver, made as the configuration of a scenario says.
"""

from __future__ import annotations

from collections.abc import Callable
from math import inf
from typing import TYPE_CHECKING

from twisted_ext.dnssec.algorithms import TESTING
from twisted_ext.dnssec.trustanchors import Anchor, TrustAnchors, ZoneAnchors
from twisted_ext.dnssec.validation import Validator
from twisted_ext.recursion.delegations import Delegation, NameServer
from twisted_ext.recursion.hints import builtInRoot
from twisted_ext.recursion.iteration import Options
from twisted_ext.resolver.caching.cached import CachedSource
from twisted_ext.resolver.forward.forwarder import ForwardingSource
from twisted_ext.resolver.recursive.source import AliasFollower, recursiveStack
from twisted_ext.resolver.recursive.validating import ValidatingSource
from twisted_ext.transport.servers import Server
from twisted_ext.wire.names import ROOT, isBelow, nameFromText
from twisted_ext.wire.rrtypes import AAAA, A
from twisted_ext.wire.text import recordFromText

if TYPE_CHECKING:
    from twisted_ext.interfaces import IAnswerSource
    from twisted_ext.testing.reactors import MemoryReactor
    from twisted_ext.testing.scenarios.configuration import Configuration

__all__ = ["recursiveResolver"]


def recursiveResolver(reactor: MemoryReactor, configuration: Configuration, today: Callable[[], float]) -> IAnswerSource:
    """
    Make the resolver with the configuration of a scenario: a recursive one, or a validator behind the forwarders. It validates with the
    anchors of the configuration alone, accepts the algorithms that only tests use, and answers queries of RFC 8509.
    """
    anchors = TrustAnchors([_anchorFrom(text) for text in configuration.anchors])
    negatives = [nameFromText(name).lower() for name in configuration.insecure]

    def anchorsOf(name: bytes, now: int) -> ZoneAnchors | None:
        found = anchors.closest(name)
        return None if any(isBelow(name, negative) for negative in negatives) else found

    validator = Validator(anchorsOf, TESTING, 150)
    if configuration.forwarders:
        servers = [Server(address) for address in configuration.forwarders["."]]
        follower = AliasFollower(ValidatingSource(ForwardingSource(reactor, servers), reactor, validator, today))
        cached = follower.targets = CachedSource(follower, reactor)
        return cached
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
    return recursiveStack(reactor, root, validator=validator, options=options, today=today)


def _anchorFrom(text: str) -> Anchor:
    name, *words = text.split()
    record = recordFromText(" ".join([name, *([] if words[0].isdigit() else ["3600"]), *words]))
    return Anchor(record.name.lower(), record.rrType, record.rdatas[0])
