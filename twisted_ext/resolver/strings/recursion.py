"""
The functions behind the prefixes C{recursive} and C{validate}.
"""

from __future__ import annotations

from time import time
from typing import TYPE_CHECKING, Final

from twisted_ext.interfaces import IAnswerSource
from twisted_ext.resolver.ask import behind
from twisted_ext.resolver.recursive.configured import (
    Minimization,
    Trust,
    optionsFor,
    readAnchors,
    readRoot,
    transferServersFrom,
    usableFor,
)
from twisted_ext.resolver.strings.descriptions import Site
from twisted_ext.resolver.strings.parsers import Port
from twisted_ext.transport.servers import DNS_PORT

if TYPE_CHECKING:
    from twisted.internet.interfaces import IReactorTime

    from twisted_ext.dnssec.trustanchors import Anchor
    from twisted_ext.resolver.recursive.validating import ValidatingSource

__all__ = ["parseRecursive", "parseValidate", "validated"]

_DNS: Final = Port(DNS_PORT)
_MINIMIZED: Final = Minimization("yes")


def parseRecursive(
    site: Site,
    *,
    hints: str | None = None,
    anchor: str | None = None,
    localRoot: str | None = None,
    state: str | None = None,
    validate: bool = True,
    minimize: Minimization = _MINIMIZED,
    ipv6: bool = True,
    loopback: bool = False,
    cookies: bool = True,
    mixCase: bool = False,
    opportunistic: bool = False,
    mostBytes: int | None = None,
    port: Port = _DNS,
) -> IAnswerSource:
    """
    Resolve names from the root of the DNS without any other resolver, validate the answers with DNSSEC, and cache them. C{result.security}
    says whether an answer is secure; an answer that is bogus is a C{DNSServerError}. It has neither a hosts file nor a search list: for
    these, combine it with others, as in C{chain:(hosts):(special):recursive}.

    @param hints: a file with the servers of the root instead of those built in, such as C{named.root}.
    @param anchor: a file of trust anchors; it replaces those of the root that are built in if it has some of the root.
    @param localRoot: addresses of servers to transfer the root zone from, separated by commas, or C{yes} for servers that are built in:
        delegations are taken from this copy while it is secure and current.
    @param state: a folder for the state of trust anchors, whose rollovers are then followed (RFC 5011), and for what C{opportunistic} has
        learned.
    @param validate: C{no} takes answers without validation.
    @param minimize: C{yes} sends servers only the part of a name that they need, C{strict} does so even to servers that fail for it, C{no}
        sends whole names.
    @param ipv6: C{no} queries servers at IPv4 addresses only.
    @param loopback: C{yes} queries servers on this machine if a zone names them, for tests.
    @param cookies: C{no} sends servers no DNS cookies (RFC 7873).
    @param mixCase: C{yes} sends names in mixed case, which forgers have to guess.
    @param opportunistic: C{yes} asks servers over TLS if they support it, which is found out beside the queries in the clear (RFC 9539).
        Their identity is not checked, so this hides queries from observers, but not from attackers.
    @param mostBytes: the size of the cache in bytes.
    @param port: the port of all servers, for tests.

    @return: L{RecursiveSource<twisted_ext.resolver.recursive.source.RecursiveSource>}
    """
    from twisted_ext.cache.store import Store
    from twisted_ext.dnssec.validation import Validator
    from twisted_ext.resolver.recursive.pool import ServerPool
    from twisted_ext.resolver.recursive.source import recursiveStack
    from twisted_ext.resolver.recursive.validating import ValidatingSource

    root = readRoot(hints or "")
    anchors = _anchorsIn(anchor) if validate else []
    trust = Trust(anchors, isOwn=anchor is not None)
    validator = Validator(trust.at) if validate else None
    primaries = transferServersFrom([localRoot] if localRoot else [])
    named = [*primaries, *[address for server in root.servers for address in server.addresses]]
    usable = usableFor(named, ipv6=ipv6, loopback=loopback)
    pool = ServerPool(site.reactor, port=port, usable=usable, cookies=cookies, mixCase=mixCase)
    if opportunistic:
        from twisted_ext.resolver.recursive.encrypted import EncryptedAuthorities

        pool.encryption = EncryptedAuthorities(site.reactor, state or "")
        pool.encryption.load()
    options = optionsFor(minimize, ipv6)
    copy = None
    if primaries:
        from twisted_ext.resolver.recursive.localroot import LocalRoot

        copy = LocalRoot(site.reactor, primaries, pool, None if validator is None else validator.anchorsFor, port=port)
    store = Store(mostBytes)
    source = recursiveStack(site.reactor, root, validator=validator, options=options, pool=pool, store=store, localRoot=copy)
    for validating in behind(source, ValidatingSource):
        validating.trust = trust
        if state:
            _follow(site, validating, trust, anchors, state)
    return source


def parseValidate(site: Site, source: IAnswerSource, *, anchor: str | None = None, state: str | None = None) -> IAnswerSource:
    """
    Validate with DNSSEC what a source answers, such as a forwarder on the network, which has to pass on signatures. An answer that is bogus
    is a C{DNSServerError}; the AD bit of the source does not count. Place it behind a cache: C{cache:validate:udp:192.0.2.53}.

    @param anchor: a file of trust anchors; it replaces those of the root that are built in if it has some of the root. In the settings of a
        server C{trust-anchor} is used without it.
    @param state: a folder for the state of trust anchors, whose rollovers are then followed (RFC 5011).

    @return: L{ValidatingSource<twisted_ext.resolver.recursive.validating.ValidatingSource>}, and what looks up the target of an alias
        that the source does not answer, so that an answer without it is no denial.
    """
    anchors = _anchorsIn(anchor)
    trust = Trust(anchors, isOwn=anchor is not None)
    validating = _validating(site.reactor, source, trust)
    if state:
        _follow(site, validating, trust, anchors, state)
    return _followed(validating)


def validated(reactor: IReactorTime, source: IAnswerSource) -> IAnswerSource:
    """
    Return a source that validates what another one answers, with the trust anchors of the root that are built in. It needs no closing of
    its own.
    """
    return _followed(_validating(reactor, source, Trust(_anchorsIn(None))))


def _validating(reactor: IReactorTime, source: IAnswerSource, trust: Trust) -> ValidatingSource:
    from twisted_ext.dnssec.validation import Validator
    from twisted_ext.resolver.recursive.validating import ValidatingSource

    validating = ValidatingSource(source, reactor, Validator(trust.at))
    validating.trust = trust
    return validating


def _followed(validating: ValidatingSource) -> IAnswerSource:
    from twisted_ext.dnssec.work import Work
    from twisted_ext.resolver.combine.aliasfollower import AliasFollower

    return AliasFollower(validating, Work)


def _anchorsIn(path: str | None) -> list[Anchor]:
    return readAnchors([path] if path else [], int(time()))[0]


def _follow(site: Site, validating: ValidatingSource, trust: Trust, anchors: list[Anchor], folder: str) -> None:
    from twisted_ext.resolver.recursive.rollovers import AnchorRollovers

    forget = validating.validator.chains.forget
    rollovers = validating.rollovers = AnchorRollovers(site.reactor, trust, validating.inner, anchors, folder, changed=forget)
    rollovers.start()
