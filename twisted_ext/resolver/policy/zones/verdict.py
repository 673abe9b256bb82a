"""
Which rule of response policy zones decides about a question.

Rules are compared as named does: first by how many aliases lead to what they are about; then by the order of the zones; then what is about
the client comes before what is about a name, that before what is about an address of the answer, and that before what is about the
name and the address of a server.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Final, NamedTuple

from twisted_ext.answers import Answer
from twisted_ext.resolver.policy.rebinding import addressesIn
from twisted_ext.resolver.policy.zones.actions import GIVEN, NODATA, NXDOMAIN, PASSTHRU, Action
from twisted_ext.resolver.policy.zones.reading import ownerOf
from twisted_ext.resolver.policy.zones.rules import ADDRESS, CLIENT, NAME, SERVER, SERVER_ADDRESS, Found, PolicyZones
from twisted_ext.wire.message import Question
from twisted_ext.wire.names import labelsOf, nameEnd, nameFromText
from twisted_ext.wire.records import RRSet
from twisted_ext.wire.rrtypes import AAAA, ANY, CNAME, HTTPS, SVCB, A

__all__ = ["Candidate", "Hit", "Selection", "Servers", "noServers"]

#: A rule that may decide: its zone, what it is about, and the rule.
Candidate = tuple[int, int, Found]

#: Returns the servers of the zones that a folded name is in, as far as they are known, and that which has sent an answer, if there is one:
#: their names, folded, and their addresses, of four or sixteen octets.
Servers = Callable[[bytes, Answer | None], tuple[Sequence[bytes], Sequence[bytes]]]

_SERVICES: Final = (HTTPS, SVCB)

#: The types whose records have addresses. Services have them as hints.
_ADDRESSES: Final = (A, AAAA, ANY, *_SERVICES)


def noServers(name: bytes, answer: Answer | None) -> tuple[Sequence[bytes], Sequence[bytes]]:
    """
    Return the servers of a name where they are not known.
    """
    return (), ()


class Hit(NamedTuple):
    """
    The rule that decides.

    @ivar zone: the number of its zone.
    @ivar trigger: what it is about, see L{rules<twisted_ext.resolver.policy.zones.rules>}.
    @ivar position: how many aliases lead to what it is about.
    @ivar name: the name that it decides about, as the question or the alias has it.
    @ivar found: the rule.
    @ivar action: what it does.
    """

    zone: int
    trigger: int
    position: int
    name: bytes
    found: Found
    action: Action

    @property
    def owner(self) -> str:
        """
        Its owner in its zone, as text.
        """
        return ownerOf(self.trigger, self.found.name, self.found.isWildcard, self.found.network)


class Selection:
    """
    The zones that apply to some clients, in their order.
    """

    __slots__ = ("_after", "_earlier", "_mask", "_ranks", "_servers", "_zones")

    def __init__(self, zones: PolicyZones, numbers: Sequence[int], *, knowsServers: bool = True) -> None:
        """
        @param numbers: those of the zones, that which comes before others first.
        @param knowsServers: whether rules about servers can apply.
        """
        self._zones = zones
        self._ranks = {number: rank for rank, number in enumerate(numbers)}
        # Of each zone those that come before it with rules for addresses or servers, as bits.
        self._earlier: dict[int, int] = {}
        self._mask = self._after = self._servers = 0
        for number in numbers:
            self._earlier[number] = self._after | self._servers
            self._mask |= 1 << number
            self._after |= zones.after & 1 << number
            self._servers |= zones.servers & 1 << number if knowsServers else 0

    @property
    def needsAnswers(self) -> bool:
        """
        Whether there are rules about addresses in answers, or about servers.
        """
        return bool(self._after or self._servers)

    def ofClient(self, packed: bytes) -> Sequence[Candidate]:
        """
        Return the rules about a client.

        @param packed: its address.
        """
        return [(zone, CLIENT, found) for zone, found in self._zones.forAddress(packed, CLIENT, self._mask).items()]

    def before(self, name: bytes, ofClient: Sequence[Candidate] = ()) -> Hit | None:
        """
        Return the rule that decides by the client and the name in question.

        @param name: as the client has sent it.
        @param ofClient: as L{ofClient} has found them.
        """
        return self._first([*ofClient, *self._aboutName(name)], 0, name)

    def waits(self, first: Hit | None) -> bool:
        """
        Return whether the answer has to be there before it is known which rule decides.

        @param first: as L{before} has found it. A rule for an address or a server may come before it, if its zone does.
        """
        return first is None or bool(self._earlier[first.zone])

    def after(self, question: Question, answer: Answer, first: Hit | None, servers: Servers = noServers) -> Hit | None:
        """
        Return the rule that decides, once the answer is there.

        @param first: as L{before} has found it.
        """
        names = [*_namesIn(answer, question)]
        last = len(names) - 1
        for position, name in enumerate(names):
            candidates: list[Candidate] = []
            if position:
                candidates += self._aboutName(name)
            elif first is not None:
                candidates.append((first.zone, first.trigger, first.found))
            if self._after and question.rrType in _ADDRESSES:
                candidates += self._aboutAddresses(answer, question, name.lower())
            if self._servers:
                candidates += self._aboutServers(*servers(name.lower(), answer if position == last else None))
            hit = self._first(candidates, position, name)
            if hit is not None:
                return hit
        return self._ofTargets(answer, question, last + 1) if question.rrType in _SERVICES else None

    def _aboutName(self, name: bytes) -> list[Candidate]:
        return [(zone, NAME, found) for zone, found in self._zones.forName(name.lower(), self._mask).items()]

    def _aboutAddresses(self, answer: Answer, question: Question, name: bytes) -> list[Candidate]:
        sets = [each for each in answer.answer if question.rrType in (each.rrType, ANY) and each.name.lower() == name]
        return self._best(ADDRESS, [packed for each in sets for packed in addressesIn(each)])

    def _aboutServers(self, names: Iterable[bytes], addresses: Iterable[bytes]) -> list[Candidate]:
        # Of several names that rules are about, the last one in the order of DNSSEC counts.
        last: dict[int, Found] = {}
        for name in sorted(names, key=_canonical):
            last.update(self._zones.forServer(name, self._mask))
        return [*[(zone, SERVER, found) for zone, found in last.items()], *self._best(SERVER_ADDRESS, addresses)]

    def _best(self, trigger: int, addresses: Iterable[bytes]) -> list[Candidate]:
        best: dict[int, Found] = {}
        for packed in addresses:
            for zone, found in self._zones.forAddress(packed, trigger, self._mask).items():
                if zone not in best or found.rank > best[zone].rank:
                    best[zone] = found
        return [(zone, trigger, found) for zone, found in best.items()]

    def _ofTargets(self, answer: Answer, question: Question, position: int) -> Hit | None:
        """
        Return the rule about a host that services lead to. It says what records that host has, so there is no service.
        """
        for rrset in answer.answer:
            for target in _targetsOf(rrset):
                hit = self._first(self._aboutName(target), position, target)
                if hit is not None:
                    isDenied = hit.action.kind in (GIVEN, NXDOMAIN)
                    return hit._replace(action=Action(NODATA, hit.action.ttl)) if isDenied else hit
        return None

    def _first(self, candidates: Sequence[Candidate], position: int, name: bytes) -> Hit | None:
        if not candidates:
            return None
        zone, trigger, found = candidates[0] if len(candidates) == 1 else min(candidates, key=self._order)
        hit = Hit(zone, trigger, position, name, found, self._zones.action(found))
        return hit._replace(action=Action(PASSTHRU, hit.action.ttl)) if hit.action.alias and _isOwn(hit) else hit

    def _order(self, candidate: Candidate) -> tuple[int, int]:
        return self._ranks[candidate[0]], candidate[1]


def _canonical(name: bytes) -> list[bytes]:
    return labelsOf(name)[::-1]


def _isOwn(hit: Hit) -> bool:
    """
    Return whether a rule gives what it is about for itself. Before there was rpz-passthru, that said that the answer remains.
    """
    target = hit.action.aliasFor(hit.name).lower()
    if hit.trigger == NAME:
        return target == hit.name.lower()
    prefix, _, _ = hit.owner.rpartition(".")
    return target == nameFromText(prefix)


def _targetsOf(rrset: RRSet) -> Sequence[bytes]:
    """
    Return the hosts of services (RFC 9460) other than their owner.
    """
    if rrset.rrType not in _SERVICES:
        return ()
    return [rdata[2 : nameEnd(rdata, 2)] for rdata in rrset.rdatas if len(rdata) > 2 and rdata[2]]


def _namesIn(answer: Answer, question: Question) -> Iterator[bytes]:
    """
    Iterate over the name in question and the names that aliases lead to from it.
    """
    aliases = {rrset.name.lower(): rrset.rdatas[0] for rrset in answer.answer if rrset.rrType == CNAME and rrset.rdatas}
    name: bytes | None = question.name
    seen: set[bytes] = set()
    while name is not None and name.lower() not in seen:
        yield name
        seen.add(name.lower())
        name = None if question.rrType == CNAME else aliases.get(name.lower())
