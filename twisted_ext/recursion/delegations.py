"""
The delegations that have been learned: which servers to ask about the names of a zone.

A delegation comes from the parent zone, with the addresses that the parent has of servers inside of it (glue). Glue is used for this
delegation alone and is never given as an answer. The zone's own servers may replace the list of servers, but the delegation expires when
the parent's would have: a domain that its parent has removed cannot keep itself alive (ghost domains, 2012). Neither can it do so by zones
below it: no delegation outlives the one that led to it (phoenix domains, 2023).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from math import inf
from socket import AF_INET, AF_INET6, inet_ntop
from typing import Final

from mypy_extensions import mypyc_attr

from twisted_ext.limits import CACHE_SECONDS, FAILURE_PATIENCE, FAILURE_SECONDS
from twisted_ext.recursion.limits import (
    ADDRESSES_PER_SERVER,
    DELEGATION_SECONDS,
    DELEGATIONS,
    LAME_PAIRS,
    LAME_SECONDS,
    REFRESH_SECONDS,
    UNRESOLVED_SECONDS,
)
from twisted_ext.recursion.replies import Referral
from twisted_ext.wire.names import ROOT, isBelow, nameToText, parentOf
from twisted_ext.wire.records import RRSet
from twisted_ext.wire.rrtypes import DS, A

__all__ = ["Delegation", "Delegations", "FixedDelegation", "NameServer", "addressesIn"]


_MOST_TTL: Final = int(CACHE_SECONDS.default)
_MOST_SECONDS: Final = int(DELEGATION_SECONDS.default)
_ADDRESSES: Final = int(ADDRESSES_PER_SERVER.default)
_LAME: Final = LAME_SECONDS.default
_LAME_PAIRS: Final = int(LAME_PAIRS.default)
#: Names of which it is remembered that no zone begins there, so that no query is sent for them on the way to names below. Each takes some
#: 300 octets; the oldest are forgotten first.
_PASSED: Final = 10_000
_REFRESH: Final = REFRESH_SECONDS.default
_UNRESOLVED: Final = UNRESOLVED_SECONDS.default
_SILENT: Final = FAILURE_SECONDS.default
_PATIENCE: Final = FAILURE_PATIENCE.default

#: Seconds for which servers are not queried that have been silent for less than C{_LONG_SILENT}.
_RECENTLY_SILENT: Final = 2.0
_LONG_SILENT: Final = 30.0

#: Look-ups in a row without any reply, within some time, after which the servers of a zone are not queried for a while. One is not enough:
#: some servers drop queries for a type or a name.
_SILENCES: Final = 3

#: Seconds for which look-ups wait for servers that refuse queries. Restarts take less.
_RESTART: Final = 15.0

#: Seconds between two priming queries, at least.
_LEAST_PRIMED: Final = 60

#: Delegations that are checked in one step when room is needed.
_BATCH: Final = 64


@mypyc_attr(allow_interpreted_subclasses=True)
class NameServer:
    """
    A name server of one delegation.

    @ivar name: folded.
    @ivar addresses: known ones, as text; empty if they have to be looked up.
    @ivar expires: until when they are known.
    @ivar unresolvedUntil: until when not to look them up again, because that has failed.
    @ivar missing: the types of addresses that have not been looked up, because there are others.
    """

    __slots__ = ("name", "addresses", "expires", "unresolvedUntil", "missing")

    def __init__(self, name: bytes, addresses: tuple[str, ...] = (), expires: float = 0.0) -> None:
        self.name = name
        self.addresses = addresses
        self.expires = expires
        self.unresolvedUntil = 0.0
        self.missing: tuple[int, ...] = ()

    def learn(self, addresses: Iterable[str], ttl: float, now: float, missing: tuple[int, ...] = ()) -> None:
        """
        Add the addresses that a look-up has found, to those that are still known.

        @param missing: the types of addresses that have not been looked up.
        """
        until = now + min(ttl, _MOST_TTL)
        if now < self.expires:
            self.addresses = (*self.addresses, *addresses)
            self.expires = min(self.expires, until)
        else:
            self.addresses = tuple(addresses)
            self.expires = until
        self.missing = missing

    def failed(self, now: float) -> None:
        """
        Record that no address could be found.
        """
        self.unresolvedUntil = now + _UNRESOLVED

    def __repr__(self) -> str:
        return f"<NameServer {nameToText(self.name)} {', '.join(self.addresses) or 'without address'}>"


class Delegation:
    """
    The servers of a zone.

    @ivar zone: its name, folded.
    @ivar labels: the number of labels of this name.
    @ivar servers: its name servers.
    @ivar since: when the parent sent it, or was last asked for it.
    @ivar expires: when the parent has to be asked again.
    @ivar proof: the DS set, or the records that deny it, with signatures, as the parent sent them; empty if it sent none.
    @ivar signed: whether there is a DS set in it.
    @ivar referrer: the parent's server that sent it, or C{""}.
    @ivar spare: servers, or addresses of them, that the parent names and the zone does not: for when none of the zone's own replies.
    @ivar used: whether it has been used since it was learned, or since the last time that room was made.
    @ivar silences: look-ups in a row to which none of the servers has replied.
    @ivar silentSince: when the first of them ended.
    @ivar refusedSince: since when all servers refuse queries; 0 if they do not.
    @ivar silentUntil: until when not to query them, because there are too many (RFC 9520, section 3.2); 0 otherwise.
    """

    __slots__ = (
        *("zone", "labels", "servers", "referrer", "spare", "since", "expires", "proof", "signed", "used"),
        *("silences", "silentSince", "silentUntil", "refusedSince", "_parental", "_lame", "_restored"),
    )

    def __init__(
        self, zone: bytes, labels: int, servers: tuple[NameServer, ...], expires: float, proof: tuple[RRSet, ...] = ()
    ) -> None:
        self.zone = zone
        self.labels = labels
        self.servers = servers
        self.referrer = ""
        self.spare: tuple[NameServer, ...] = ()
        self._parental = servers
        self._restored = False
        self.since = -inf
        self.expires = expires
        self.proof = proof
        self.signed = DS in [rrset.rrType for rrset in proof]
        self.used = False
        self.silences = 0
        self.silentSince = self.silentUntil = self.refusedSince = 0.0
        self._lame: dict[tuple[str, int], float] = {}

    def addresses(self, now: float, rrType: int, *, spare: bool = False) -> list[str]:
        """
        Return the known addresses, without those of servers that were lame for a type.

        @param spare: of the servers that only the parent names.
        """
        found: list[str] = []
        for server in self.spare if spare else self.servers:
            if now < server.expires:
                found += server.addresses
        if len(found) > 1:
            # Several names for one server do not make it several servers (CVE-2026-3592).
            found = [*dict.fromkeys(found)]
        return self.working(found, now, rrType) if self._lame else found

    def working(self, addresses: list[str], now: float, rrType: int) -> list[str]:
        """
        Return those of these addresses where no server was lame for a type.
        """
        if self._lame:
            return [address for address in addresses if now >= self._lame.get((address, rrType), 0.0)]
        return addresses

    def lame(self, now: float, rrType: int) -> list[str]:
        """
        Return the addresses of servers that were lame for a type.
        """
        return [address for (address, kind), until in self._lame.items() if kind == rrType and now < until]

    def unresolved(self, now: float, *, spare: bool = False) -> Iterator[NameServer]:
        """
        Iterate over the servers whose addresses have to be looked up. Those inside of the zone come last: finding them takes its servers.

        @param spare: the servers that only the parent names.
        """
        inside = []
        for server in self.spare if spare else self.servers:
            if now >= server.expires and now >= server.unresolvedUntil:
                if isBelow(server.name, self.zone):
                    inside.append(server)
                else:
                    yield server
        yield from inside

    def halfResolved(self, now: float, *, spare: bool = False) -> list[NameServer]:
        """
        Return the servers with addresses that have not been looked up, because they have others.
        """
        return [server for server in (self.spare if spare else self.servers) if server.missing and now < server.expires]

    @property
    def all(self) -> list[NameServer]:
        """
        All servers that the parent or the zone itself names.
        """
        return list({id(each): each for each in (*self.servers, *self.spare, *self._parental)}.values())

    def glue(self, name: bytes, now: float) -> tuple[str, ...]:
        """
        Return the addresses that the parent has sent for a server of this zone.

        @param name: folded.
        """
        for server in self._parental:
            if server.name == name and now < server.expires:
                return server.addresses
        return ()

    def mayHaveChanged(self, now: float) -> bool:
        """
        Return whether the parent may know other servers or addresses by now: not soon after it was asked, unless addresses have expired.
        """
        if now >= self.since + _REFRESH:
            return True
        return any(server.addresses and now >= server.expires for server in self.servers)

    def silent(self, now: float) -> None:
        """
        Record that none of the servers has replied in one look-up. Those of the root are always queried: without them, nothing works.
        """
        if not self.silences:
            self.silentSince = now
        self.silences += 1
        if self.silences >= _SILENCES and now - self.silentSince >= _PATIENCE and self.labels:
            self.silentUntil = now + self._pauseAt(now)

    def replied(self) -> None:
        """
        Record that one of the servers has replied.
        """
        self.silences = 0
        self.silentUntil = self.refusedSince = 0.0

    def mayReturn(self, now: float) -> bool:
        """
        Record that all servers of the zone refuse queries. Return whether they began to do so only a short while ago: then they may be
        starting, and are asked again.
        """
        if not self.refusedSince:
            self.refusedSince = now
        return now - self.refusedSince < _RESTART

    def inherit(self, former: Delegation) -> None:
        """
        Go on with the silence of a former delegation of the zone.
        """
        self.silences, self.silentSince, self.silentUntil = former.silences, former.silentSince, former.silentUntil
        self.refusedSince = former.refusedSince

    def mayQuery(self, now: float) -> bool:
        """
        Return whether to query servers that have been silent too often: not for a while, and then for one look-up at a time.
        """
        if now < self.silentUntil:
            return False
        self.silentUntil = now + self._pauseAt(now)
        return True

    def _pauseAt(self, now: float) -> float:
        # Most outages are short. If one goes on, fewer queries are enough.
        return _RECENTLY_SILENT if now - self.silentSince < _LONG_SILENT else _SILENT

    def isLame(self, address: str, rrType: int, now: float) -> None:
        """
        Record that the server at an address replies to a type as if it did not serve this zone. Some servers do so for types that they do
        not know, and serve the zone for others (RFC 4074, section 4): any client could stop the zone by one query.
        """
        lame = self._lame
        # A dict keeps the place of a key that is set again.
        lame.pop((address, rrType), None)
        lame[address, rrType] = now + _LAME
        if len(lame) > _LAME_PAIRS:
            del lame[next(iter(lame))]

    def refine(self, names: tuple[bytes, ...], glue: dict[bytes, list[RRSet]], now: float) -> None:
        """
        Use the zone's own list of servers from now on, until the delegation expires.

        @param names: folded.
        @param glue: their addresses, as far as the zone's servers know them.
        """
        if self._restored:
            return
        known = {server.name: server for server in (*self._parental, *self.servers)}
        servers = []
        for name in names:
            server = known.get(name) or NameServer(name)
            if name in glue:
                server = NameServer(name, *_addressesOf(glue[name], now))
            servers.append(server)
        kept = {address for server in servers for address in server.addresses}
        self.spare = tuple([server for server in self._parental if server.name not in names or not kept.issuperset(server.addresses)])
        self.servers = tuple(servers)

    def restore(self) -> None:
        """
        Use the parent's servers again, beside the zone's own, which do not reply, until the delegation expires. This look-up and later ones
        might otherwise run out of time before they come to servers in reserve.
        """
        self._restored = self._restored or bool(self.spare)
        self.servers = (*self.spare, *self.servers)
        self.spare = ()

    def __repr__(self) -> str:
        return f"<Delegation {nameToText(self.zone)} to {len(self.servers)} servers>"


class FixedDelegation(Delegation):
    """
    The servers that the configuration names for a zone. Neither the parent zone nor the zone itself replaces them.
    """

    __slots__ = ()

    def __init__(self, zone: bytes, labels: int, servers: Iterable[NameServer]) -> None:
        super().__init__(zone, labels, tuple(servers), inf)

    def mayHaveChanged(self, now: float) -> bool:
        """
        Return L{False}: the parent, and what it says of the zone, does not count.
        """
        return False

    def refine(self, names: tuple[bytes, ...], glue: dict[bytes, list[RRSet]], now: float) -> None:
        """
        Do nothing.
        """


def _addressesOf(sets: list[RRSet], now: float) -> tuple[tuple[str, ...], float]:
    addresses: list[str] = []
    ttl = _MOST_TTL
    for rrset in sets:
        addresses += addressesIn(rrset)
        if rrset.ttl < ttl:
            ttl = rrset.ttl
    return tuple(addresses), now + ttl


def addressesIn(rrset: RRSet) -> list[str]:
    """
    Return the addresses in a set of A or AAAA records, as text.
    """
    family = AF_INET if rrset.rrType == A else AF_INET6
    return [inet_ntop(family, octets) for octets in rrset.rdatas[:_ADDRESSES]]


class Delegations:
    """
    All delegations, within a limit.

    @ivar root: the delegation of the root, from hints or priming.
    @ivar primedUntil: until when its list of servers is that of the root itself.
    """

    __slots__ = ("root", "primedUntil", "_hints", "_most", "_known", "_passed")

    def __init__(self, root: Delegation, most: float | None = None, fixed: Iterable[FixedDelegation] = ()) -> None:
        """
        @param fixed: delegations that are never forgotten.
        """
        self.root = self._hints = root
        self.primedUntil = 0.0
        self._most = int(DELEGATIONS.pick(most))
        self._known: dict[bytes, Delegation] = {each.zone: each for each in fixed}
        # The zone whose servers have replied, and until when that counts, by name.
        self._passed: dict[bytes, tuple[bytes, float]] = {}

    def __len__(self) -> int:
        return len(self._known)

    def __iter__(self) -> Iterator[Delegation]:
        return iter([self.root, *self._known.values()])

    def closest(self, name: bytes, now: float) -> Delegation:
        """
        Return the delegation of the closest enclosing zone.

        @param name: folded.
        """
        known = self._known
        if known:
            while name != ROOT:
                found = known.get(name)
                if found is not None:
                    if now < found.expires:
                        found.used = True
                        return found
                name = parentOf(name)
        return self.root

    def leadingTo(self, name: bytes) -> list[Delegation]:
        """
        Return those of the zones that a name is in, the closest first, also such as have expired: what these servers have sent may be kept
        longer. The root and the zones right below it are not among them, unless their servers are configured.

        @param name: folded.
        """
        found: list[Delegation] = []
        while name != ROOT:
            each = self._known.get(name)
            if each is not None and (each.labels > 1 or isinstance(each, FixedDelegation)):
                found.append(each)
            name = parentOf(name)
        return found

    def find(self, zone: bytes, now: float) -> Delegation | None:
        """
        Return the delegation of a zone, or L{None}.

        @param zone: folded.
        """
        found = self._known.get(zone)
        return found if found is not None and now < found.expires else None

    def passed(self, name: bytes, zone: bytes, ttl: float, now: float) -> None:
        """
        Record that the servers of a zone have replied for a name with data or a denial of it, not with a referral.

        @param name: folded, below the zone.
        @param ttl: of what they sent.
        """
        passed = self._passed
        # A dict keeps the place of a key that is set again.
        passed.pop(name, None)
        passed[name] = zone, now + min(ttl, _MOST_SECONDS)
        if len(passed) > _PASSED:
            del passed[next(iter(passed))]

    def labelsPassed(self, name: bytes, labels: int, delegation: Delegation, now: float) -> int:
        """
        Return the number of labels at the end of a name that its look-up need not ask a zone's servers for, because no zone began there a
        short while ago. They are asked for the longer name, and may still refer to a new zone: this denies nothing.

        @param name: folded, below the zone.
        @param labels: their number.
        """
        least = delegation.labels
        passed = self._passed
        if passed:
            while labels > least + 1:
                name = parentOf(name)
                labels -= 1
                found = passed.get(name)
                if found is not None and found[0] == delegation.zone:
                    if now < found[1]:
                        return labels
                    del passed[name]
        return least

    def glued(self, delegation: Delegation, now: float, rrType: int) -> list[str]:
        """
        Return addresses of a zone's servers from the referrals to the zones that these servers are in. A parent's address is queried when
        those that the zone itself gives are unknown or do not reply.

        @param rrType: without those that were lame for this type.
        """
        known = self._known
        found: list[str] = []
        for server in (*delegation.servers, *delegation.spare):
            name = server.name
            while name != ROOT:
                each = known.get(name)
                if each is not None and now < each.expires:
                    found += each.glue(server.name, now)
                name = parentOf(name)
        return delegation.working(found, now, rrType)

    def learn(self, referral: Referral, now: float, labels: int, referrer: str = "", until: float = inf) -> Delegation:
        """
        Add the delegation that a parent's server has sent.

        @param labels: the number of labels of the zone's name.
        @param referrer: that server.
        @param until: when the delegation of the parent expires. Servers of a zone that has been removed must not keep zones below it alive
            (Phoenix domains, 2023).
        """
        known = self._known
        present = known.get(referral.zone)
        if isinstance(present, FixedDelegation):
            return present
        servers = []
        for name in referral.servers:
            sets = referral.glue.get(name)
            servers.append(NameServer(name, *_addressesOf(sets, now)) if sets else NameServer(name))
        ttl = min(referral.ttl, _MOST_SECONDS)
        learned = Delegation(referral.zone, labels, tuple(servers), min(now + ttl, until), referral.proof)
        learned.referrer = referrer
        learned.since = now
        # A dict keeps the place of a key that is set again.
        known.pop(referral.zone, None)
        known[referral.zone] = learned
        if len(known) > self._most:
            self._makeRoom(now)
        return learned

    def prime(self, names: tuple[bytes, ...], glue: dict[bytes, list[RRSet]], ttl: int, now: float) -> None:
        """
        Learn the servers of the root from one of them (RFC 9609).

        @param names: folded.
        """
        servers = [NameServer(name, *_addressesOf(glue[name], now)) for name in names if name in glue]
        if servers:
            for server in servers:
                # The delegation as a whole expires; until then all addresses count.
                server.expires = inf
            self.root = Delegation(ROOT, 0, tuple(servers), inf)
            self.primedUntil = now + max(ttl, _LEAST_PRIMED)

    def hinted(self) -> Delegation | None:
        """
        Use the hints again, because none of the servers that the root has named replies.

        @return: the hints; L{None} if they are in use.
        """
        if self.root is self._hints:
            return None
        self.root = self._hints
        self.primedUntil = 0.0
        return self.root

    def drop(self, delegation: Delegation) -> None:
        """
        Remove a delegation whose servers do not answer.
        """
        if self._known.get(delegation.zone) is delegation and not isinstance(delegation, FixedDelegation):
            del self._known[delegation.zone]

    def forget(self, zone: bytes | None = None) -> int:
        """
        Remove the delegations of a zone and of all zones below it; all of them for L{None}.

        @param zone: folded.

        @return: how many were removed.
        """
        self._passed.clear()
        known = self._known
        names = [name for name in known if (zone is None or isBelow(name, zone)) and not isinstance(known[name], FixedDelegation)]
        for name in names:
            del known[name]
        return len(names)

    def _makeRoom(self, now: float) -> None:
        # What was used since the last time goes to the end once.
        known = self._known
        for _ in range(2 * len(known) // _BATCH + 2):
            for name in list(islice(known, _BATCH)):
                each = known.pop(name)
                if isinstance(each, FixedDelegation):
                    known[name] = each
                elif each.used and now < each.expires:
                    each.used = False
                    known[name] = each
                if len(known) <= self._most:
                    return
