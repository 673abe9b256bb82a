"""
Limiting the look-ups under way for one zone, so that a zone whose servers do not answer does not take the room of all others (random
subdomain attacks, "water torture").
"""

from __future__ import annotations

from itertools import islice
from typing import Final

from twisted.internet.defer import Deferred, fail
from zope.interface import implementer

from twisted_ext.answers import Answer, QueryContext
from twisted_ext.errors import BudgetSpent
from twisted_ext.interfaces import IAnswerSource
from twisted_ext.limits import DOMAIN_LOOKUPS, ZONE_CUTS, ZONE_LOOKUPS
from twisted_ext.resolver.policy.publicsuffix import loadSuffixes, registrableLabels
from twisted_ext.wire.message import Question
from twisted_ext.wire.names import isBelow, nameFromText, nameToText

__all__ = ["DomainLimit", "domainOf"]

#: The zones of addresses, in which whole networks lie below the same two labels, and how many labels tell networks there apart: a /16 of
#: IPv4, a /32 of IPv6.
_NETWORKS: Final = ((nameFromText("in-addr.arpa"), 4), (nameFromText("ip6.arpa"), 10))

_NO_AUTHORITY: Final = 22

#: Types whose owner in an authority section is the apex of a zone: NS and SOA.
_AT_APEX: Final = frozenset((2, 6))

#: Names whose registrable domain is remembered.
_MOST_DOMAINS: Final = 4096

#: Labels from the right that are given to the public suffix list; its longest suffix has five.
_LABELS: Final = 7


def domainOf(name: bytes) -> bytes | None:
    """
    Find the registrable domain that a name belongs to, by the public suffix list; for names of addresses, their network.

    @param name: folded.

    @return: L{None} for a name that is not below such a domain: a registrable domain or a public suffix itself.
    """
    starts: list[int] = []
    position = 0
    while length := name[position]:
        starts.append(position)
        position += length + 1
    if len(starts) < 3:
        # Every public suffix has a label, and every registrable domain two.
        return None
    count = 0
    if name.endswith(b"\x04arpa\x00"):
        for network, labels in _NETWORKS:
            if name.endswith(network):
                count = labels
    if not count:
        count = registrableLabels(tuple([name[start + 1 : start + 1 + name[start]] for start in starts[-_LABELS:]]))
    return name[starts[-count] :] if 0 < count < len(starts) else None


@implementer(IAnswerSource)
class DomainLimit:
    """
    Limits the look-ups under way for names of one zone. More are refused at once, while names elsewhere are looked up as before. It
    belongs inside of what shares look-ups, so that a name asked for by many clients counts once.

    A zone is known by its cut where a reply has shown one: the owner of the SOA or NS records in an authority section. Otherwise it is the
    registrable domain. A reply is believed only about zones that the name asked for is in and that lie below its registrable domain, so
    that a zone cannot join its neighbours' rations; and a registrable domain has a bound of its own, so that it gains little by
    dividing itself.

    The cut of a zone that has never replied is not known. So where one name directly below a zone has half of its ration, with all names
    below it, that name gets a ration of its own, and the others have theirs.
    """

    __slots__ = ("_inner", "_most", "_mostInAll", "_mostCuts", "_live", "_below", "_children", "_largest", "_cuts", "_domains")

    def __init__(self, inner: IAnswerSource, most: float | None = None, mostInAll: float | None = None, cuts: float | None = None) -> None:
        """
        @param most: look-ups under way for names of one zone.
        @param mostInAll: look-ups under way for names in all known zones below one registrable domain.
        @param cuts: zone cuts below registrable domains that are remembered.
        """
        self._inner = inner
        self._most = int(ZONE_LOOKUPS.pick(most))
        self._mostInAll = int(DOMAIN_LOOKUPS.pick(mostInAll))
        self._mostCuts = int(ZONE_CUTS.pick(cuts))
        # By zone, which is the registrable domain where no cut is known, and by registrable domain for all known zones below it. Neither
        # holds more than what is under way.
        self._live: dict[bytes, int] = {}
        self._below: dict[bytes, int] = {}
        # By name directly below a zone, and which of those has most, or had it.
        self._children: dict[bytes, int] = {}
        self._largest: dict[bytes, bytes] = {}
        # In the order in which they were last seen.
        self._cuts: dict[bytes, None] = {}
        # Octets of the registrable domain of names directly below these.
        self._domains: dict[bytes, int] = {}
        # The first query is not to wait for the file.
        loadSuffixes()

    def answerNow(self, question: Question, context: QueryContext) -> Answer | None:
        return self._inner.answerNow(question, context)

    def answer(self, question: Question, context: QueryContext) -> Deferred[Answer]:
        name = question.key[:-4]
        octets = self._domains.get(name[name[0] + 1 :])
        domain = self._domainOf(name) if octets is None else name[-octets:]
        if domain is None:
            return self._inner.answer(question, context)
        live, below = self._live, self._below
        zone = self._cutOf(name, domain) if self._cuts else domain
        inZone = live.get(zone, 0)
        inAll = 0 if zone is domain else below.get(domain, 0)
        child = _childOf(name, zone)
        largest = self._largest.get(zone, child)
        inLargest = self._children.get(largest, 0)
        counted = inZone
        if 2 * inLargest >= self._most and inLargest > 1:
            counted = inLargest if child == largest else inZone - inLargest
        if counted >= self._most or inAll >= self._mostInAll:
            count, full = (counted, zone) if counted >= self._most else (inAll, domain)
            text = f"{count} look-ups for names below {nameToText(full)} wait for answers, and more are not begun"
            return fail(BudgetSpent(text, rcode=2, ede=((_NO_AUTHORITY, "too many look-ups below this domain wait"),)))
        live[zone] = inZone + 1
        inChild = self._children[child] = self._children.get(child, 0) + 1
        if inChild > inLargest or child == largest:
            self._largest[zone] = child
        if zone is not domain:
            below[domain] = inAll + 1
        return self._inner.answer(question, context).addBoth(self._landed, name, domain, zone, child)

    def _domainOf(self, name: bytes) -> bytes | None:
        domain = domainOf(name)
        if domain is not None:
            # Asking the list takes longer than all else here. A sibling that is a public suffix itself is counted below its parent then,
            # which does no harm.
            if len(self._domains) >= _MOST_DOMAINS:
                self._domains.clear()
            self._domains[name[name[0] + 1 :]] = len(domain)
        return domain

    def _cutOf(self, name: bytes, domain: bytes) -> bytes:
        """
        @return: the deepest zone that is known to hold the name, or else its registrable domain, the very object.
        """
        position = 0
        last = len(name) - len(domain)
        while position < last:
            if name[position:] in self._cuts:
                return name[position:]
            position += name[position] + 1
        return domain

    def _landed(self, outcome: Answer, name: bytes, domain: bytes, zone: bytes, child: bytes) -> Answer:
        _countDown(self._live, zone)
        _countDown(self._children, child)
        if zone not in self._live:
            del self._largest[zone]
        if zone is not domain:
            _countDown(self._below, domain)
        # It may be a Failure, which names no zone.
        if isinstance(outcome, Answer) and outcome.authority:
            self._learn(outcome, name, domain)
        return outcome

    def _learn(self, answer: Answer, name: bytes, domain: bytes) -> None:
        cuts = self._cuts
        for rrset in answer.authority:
            owner = rrset.name
            if rrset.rrType in _AT_APEX and len(owner) > len(domain):
                owner = owner.lower()
                if isBelow(name, owner) and isBelow(owner, domain):
                    cuts.pop(owner, None)
                    cuts[owner] = None
        if len(cuts) > self._mostCuts:
            for each in list(islice(cuts, len(cuts) - self._mostCuts)):
                del cuts[each]

    def close(self) -> Deferred[None]:
        return self._inner.close()

    def sources(self) -> tuple[IAnswerSource, ...]:
        return (self._inner,)


def _childOf(name: bytes, zone: bytes) -> bytes:
    """
    @param name: in the zone.

    @return: the name directly below the zone that this is or lies below; the zone's own name for that.
    """
    last = len(name) - len(zone)
    start = last
    position = 0
    while position < last:
        start = position
        position += name[position] + 1
    return name[start:]


def _countDown(counts: dict[bytes, int], key: bytes) -> None:
    left = counts[key] - 1
    if left:
        counts[key] = left
    else:
        del counts[key]
