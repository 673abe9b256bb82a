"""
Which rule of response policy zones decides about a question.

Rules are compared as named does: first by how many aliases lead to what they are about; then by the order of the zones; then what is about
the client comes before what is about a name, and that before what is about an address of the answer.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from twisted_ext.answers import Answer
from twisted_ext.resolver.policy.zones.actions import Action
from twisted_ext.resolver.policy.zones.reading import ownerOf
from twisted_ext.resolver.policy.zones.rules import ADDRESS, ALL, CLIENT, NAME, Found, PolicyZones
from twisted_ext.wire.message import Question
from twisted_ext.wire.rrtypes import AAAA, CNAME, A

__all__ = ["Hit", "after", "before", "waits"]

_ADDRESSES = (A, AAAA)


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


def before(zones: PolicyZones, name: bytes, client: bytes = b"", mask: int = ALL) -> Hit | None:
    """
    Return the rule that decides by the client and the name in question.

    @param name: as the client has sent it.
    @param client: its address, packed; no octets if it has none.
    @param mask: the zones that apply, as bits.
    """
    candidates = [(zone, NAME, found) for zone, found in zones.forName(name.lower(), mask).items()]
    if client:
        candidates += [(zone, CLIENT, found) for zone, found in zones.forAddress(client, CLIENT, mask).items()]
    return _first(zones, candidates, 0, name)


def waits(zones: PolicyZones, first: Hit | None, mask: int = ALL) -> bool:
    """
    Return whether the answer has to be there before it is known which rule decides.

    @param first: as L{before} has found it. A rule for an address may come before it, if its zone does.
    """
    return first is None or bool(zones.after & mask & (1 << first.zone) - 1)


def after(zones: PolicyZones, question: Question, answer: Answer, first: Hit | None, mask: int = ALL) -> Hit | None:
    """
    Return the rule that decides, once the answer is there.

    @param first: as L{before} has found it.
    """
    for position, name in enumerate(_namesIn(answer, question)):
        folded = name.lower()
        candidates: list[tuple[int, int, Found]] = []
        if position == 0:
            candidates += [] if first is None else [(first.zone, first.trigger, first.found)]
        else:
            candidates += [(zone, NAME, found) for zone, found in zones.forName(folded, mask).items()]
        if question.rrType in _ADDRESSES and zones.after & mask:
            best: dict[int, Found] = {}
            for rrset in answer.answer:
                if rrset.rrType == question.rrType and rrset.name.lower() == folded:
                    for rdata in rrset.rdatas:
                        for zone, found in zones.forAddress(rdata, ADDRESS, mask).items():
                            if zone not in best or found.rank > best[zone].rank:
                                best[zone] = found
            candidates += [(zone, ADDRESS, found) for zone, found in best.items()]
        hit = _first(zones, candidates, position, name)
        if hit is not None:
            return hit
    return None


def _first(zones: PolicyZones, candidates: list[tuple[int, int, Found]], position: int, name: bytes) -> Hit | None:
    if not candidates:
        return None
    zone, trigger, found = min(candidates, key=_order)
    return Hit(zone, trigger, position, name, found, zones.action(found))


def _order(candidate: tuple[int, int, Found]) -> tuple[int, int]:
    return candidate[0], candidate[1]


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
