"""
What settings decide about a name: for the clients of each view, at any time.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from ipaddress import ip_address, ip_network
from typing import TYPE_CHECKING, Final, TypeAlias, cast

from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import Clock

from twisted_ext.resolver.policy.rules.safesearch import safeHosts
from twisted_ext.resolver.policy.rules.verdict import Verdict
from twisted_ext.server.config.clientwords import ClientWords
from twisted_ext.server.features.base.feature import Site
from twisted_ext.server.features.blocking.names import BlockedNames
from twisted_ext.server.features.blocking.settings import BlockingSettings
from twisted_ext.server.features.queryhistory.recorder.rows import formsOf
from twisted_ext.server.features.views.selectors import Selectors
from twisted_ext.server.features.views.settings import viewsOf
from twisted_ext.wire.names import nameFromText, nameToText

if TYPE_CHECKING:
    from twisted_ext.resolver.policy.rules.table import PolicyTable
    from twisted_ext.server.config.settings import Settings

__all__ = ["Pair", "Scope", "Side", "edgesOf", "pairsOf"]

#: The views of a client by two settings.
Pair: TypeAlias = "tuple[str, str]"

_MINUTE: Final = 60


class Scope:
    """
    What decides for the clients of one view, or for those of none.

    @ivar domains: what it decides by itself: each domain with whether it is blocked, as text in lower case.
    @ivar hosts: the names that it leads elsewhere, the same way.
    @ivar view: the name of the view if rules ask for it; C{""} if none does.
    @ivar isScheduled: whether its lists change with the time.
    """

    def __init__(self, settings: Settings, view: str, table: PolicyTable) -> None:
        """
        @param table: the rules of all lists.
        """
        self._names = BlockedNames(Site(cast(IReactorTime, Clock()), settings, view=view), settings[BlockingSettings], None)
        self._names.begin()
        self._names.policy.use(table)
        wanted = settings[BlockingSettings]
        exceptions = [each for each in wanted.blockExcept if not each.startswith("file:")]
        self.domains = frozenset([*_texts(wanted.block, True), *_texts(exceptions, False)])
        self.hosts = frozenset([nameToText(name, final=False).encode("ascii") for name in safeHosts(wanted.safeSearch)])
        self.view = view if table.conditional else ""
        self.isScheduled = self._names.isScheduled

    @property
    def own(self) -> tuple[object, ...]:
        """
        What it decides by itself; two scopes for which it is equal decide alike where the same lists apply.
        """
        return self.domains, self.hosts, self.view

    def maskAt(self, seconds: float) -> int:
        """
        Return the lists that apply at a time, as bits by their numbers in the table.

        @param seconds: since 1970.
        """
        return self._names.policy.maskOf(self._names.listsAt(seconds))

    def decided(self, names: Sequence[bytes], mask: int, rrType: int) -> Verdict | None:
        """
        @param names: the name in question in wire form, folded, and those that it is an alias of.

        @return: L{None} for what passes.
        """
        name, *aliases = names
        decidedBy = self._names.policy.decidedBy
        found = decidedBy(name, mask, rrType)
        if found is not None:
            return None if found.word == "excepted" else found
        # As answers are looked at that lead on to other names.
        blocking = (each for each in [decidedBy(alias, mask, rrType) for alias in aliases] if each is not None)
        return next((each for each in blocking if each.blocked and not each.renames), None)


def _texts(domains: Iterable[str], isBlocked: bool) -> Iterator[tuple[bytes, bool]]:
    for domain in domains:
        yield nameToText(nameFromText(domain.removeprefix("*.")).lower(), final=False).encode("ascii"), isBlocked


class Side:
    """
    One of the two settings that are compared.

    @ivar scopes: what decides, by the name of the view; C{""} for none.
    @ivar views: the name and the clients of each view, in their order.
    """

    def __init__(self, settings: Settings, table: PolicyTable) -> None:
        """
        @raise BadDescription: the settings cannot be used.
        """
        found = viewsOf(settings)
        self.scopes = {"": Scope(settings, "", table), **{view.name: Scope(view.settings, view.name, table) for view in found}}
        self.views = [(view.name, tuple(view.clients)) for view in found]
        self._names = [view.name for view in found]
        self._selectors = Selectors([view.clients for view in found])
        words = [(view.name, ClientWords.fromText(text)) for view in found for text in view.clients]
        self._doors = frozenset([name for name, each in words if str(each) != each.prefix])
        self._prefixes = [(name, each.prefix) for name, each in words if str(each) == each.prefix]

    @property
    def hasDoors(self) -> bool:
        """
        Whether views have clients by more than their addresses.
        """
        return bool(self._doors)

    def viewsOfAddress(self, address: str) -> frozenset[str]:
        """
        Return the views that a client may be in, if it has this address.
        """
        number = self._selectors.find(address)
        return self._doors | {"" if number < 0 else self._names[number]}

    def viewsOfNetwork(self, network: str) -> frozenset[str]:
        """
        Return those of which a client may be that has an address in a network.
        """
        wanted = ip_network(network)
        found = set(self._doors)
        for name, prefix in self._prefixes:
            each = wanted if prefix == "any" else ip_network(prefix)
            if each.version == wanted.version and each.overlaps(wanted):
                found.add(name)
                if wanted.prefixlen >= each.prefixlen:
                    return frozenset(found)
        return frozenset(found | {""})

    @property
    def allViews(self) -> frozenset[str]:
        """
        The names of all views, and C{""}.
        """
        return frozenset(["", *self._names])

    def singles(self) -> Iterator[str]:
        """
        Return the addresses that are clients by themselves.
        """
        for _, prefix in self._prefixes:
            if prefix != "any" and (network := ip_network(prefix)).prefixlen == network.max_prefixlen:
                yield str(network.network_address)


class _Clients:
    """
    Finds the views of clients as a history keeps them.
    """

    def __init__(self, old: Side, new: Side, key: bytes) -> None:
        self._old = old
        self._new = new
        self._same = old.views == new.views
        self._known = old.allViews
        # Those whose hashes are known. Others are in none of the views that have addresses of their own only.
        singles = {*old.singles(), *new.singles()}
        self._hashes = {form: address for address in singles if key for form in formsOf(address, key) if "/" not in form}
        self._found: dict[tuple[str, str], frozenset[Pair]] = {}

    def __call__(self, client: str, noted: str) -> frozenset[Pair]:
        found = self._found.get((client, noted))
        if found is None:
            found = self._found[client, noted] = self._pairs(client, noted)
        return found

    def _pairs(self, client: str, noted: str) -> frozenset[Pair]:
        old, new = self._old, self._new
        address = self._hashes.get(client, client)
        if address and _isAddress(address) and not (old.hasDoors or new.hasDoors):
            return frozenset([(one, other) for one in old.viewsOfAddress(address) for other in new.viewsOfAddress(address)])
        if self._same and noted in self._known:
            return frozenset([(noted, noted)])
        both = [_possible(side, address) for side in (old, new)]
        if self._same:
            return frozenset([(name, name) for name in both[0]])
        return frozenset([(one, other) for one in both[0] for other in both[1]])


def pairsOf(old: Side, new: Side, key: bytes) -> _Clients:
    """
    Return a function that returns the pairs of views in which a client may be by both settings: of what is kept of it, and of the view that
    was noted with its query.

    @param key: of the hashes that are kept of clients; C{b""} if it is not known.
    """
    return _Clients(old, new, key)


def _possible(side: Side, client: str) -> frozenset[str]:
    if _isAddress(client):
        return side.viewsOfAddress(client)
    return side.viewsOfNetwork(client) if "/" in client else side.allViews


def _isAddress(text: str) -> bool:
    try:
        ip_address(text.partition("%")[0])
    except ValueError:
        return False
    return True


def edgesOf(scopes: Iterable[Scope], since: float, until: float) -> list[float]:
    """
    Return the times from which on other lists apply than before, in some of the scopes: C{since}, and all up to C{until}.
    """
    scheduled: Sequence[Scope] = [each for each in scopes if each.isScheduled]
    edges = [since]
    if not scheduled:
        return edges
    before = [each.maskAt(since) for each in scheduled]
    at = since - since % _MINUTE + _MINUTE
    while at < until:
        masks = [each.maskAt(at) for each in scheduled]
        if masks != before:
            edges.append(at)
            before = masks
        at += _MINUTE
    return edges
