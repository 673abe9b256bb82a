"""
A limit on concurrent look-ups for one zone, so that a zone with unresponsive servers does not starve all others (random subdomain attacks,
"water torture").

Zones are taken from the public suffixes (https://publicsuffix.org), domains in which anybody can register names. The library
publicsuffixlist brings the list. It takes 50 ms to read it at each start, most of it for encoding names that are ASCII.
"""

from __future__ import annotations

from functools import cache
from itertools import islice
from typing import Final

from publicsuffixlist import PSLFILE
from zope.interface import classImplements

from twisted_ext.answers import Answer, QueryContext
from twisted_ext.errors import BudgetSpent, DNSFault
from twisted_ext.interfaces import IAnswerSource, Start
from twisted_ext.limits import DOMAIN_LOOKUPS, ZONE_CUTS, ZONE_LOOKUPS
from twisted_ext.resolver.ask import Query, Waiter, WaitingStart, queryOf
from twisted_ext.resolver.sources import WrappingSource
from twisted_ext.wire.message import Question
from twisted_ext.wire.names import isBelow, nameFromText, nameToText
from twisted_ext.wire.rrtypes import NS, SOA

__all__ = ["DomainLimit", "branchedDomains", "domainOf", "registrableLabels", "rulesOf", "suffixRules"]

#: The reverse zones, in which whole networks share the last two labels, and the number of labels that identify a network there: an IPv4
#: /16, an IPv6 /32.
_NETWORKS: Final = ((nameFromText("in-addr.arpa"), 4), (nameFromText("ip6.arpa"), 10))

_NO_AUTHORITY: Final = 22

#: Types whose owner in an authority section is a zone apex.
_AT_APEX: Final = frozenset((NS, SOA))

#: Where a look-up counts: its registrable domain, its zone, and the name directly below the zone.
_Place = tuple[bytes, bytes, bytes]

#: Names whose registrable domain is cached.
_MOST_DOMAINS: Final = 4096

#: Labels from the right that are matched against the public suffix list; its longest suffix has five.
_LABELS: Final = 7

#: What the section begins and ends with that the registries of top-level domains have given. Domains in the other one, such as
#: C{github.io}, are nearly always one zone on one set of servers.
_BEGIN: Final = b"// ===BEGIN ICANN DOMAINS==="
_END: Final = b"// ===END ICANN DOMAINS==="


def rulesOf(data: bytes) -> frozenset[bytes]:
    """
    Return the rules of a list's first section, as they match labels of names: without characters beyond ASCII, which are encoded.

    @param data: UTF-8 text.
    """
    section = data.partition(_BEGIN)[2].partition(_END)[0]
    lines = [line.split(b" ", 1)[0].rstrip() for line in section.lower().split(b"\n") if line and line[:2] != b"//"]
    return frozenset([line if line.isascii() else _encoded(line.decode()) for line in lines if line])


def _encoded(rule: str) -> bytes:
    # They are normalized already. The marks ! and *. are ASCII.
    mark = "!" if rule.startswith("!") else ""
    labels = rule.removeprefix(mark).split(".")
    return mark.encode() + b".".join([each.encode() if each.isascii() else b"xn--" + each.encode("punycode") for each in labels])


@cache
def suffixRules() -> frozenset[bytes]:
    """
    Read the list, which takes 10 ms the first time.
    """
    with open(PSLFILE, "rb") as file:
        return rulesOf(file.read())


@cache
def branchedDomains() -> frozenset[bytes]:
    """
    Return the top-level domains that have longer public suffixes.
    """
    return frozenset([rule.rpartition(b".")[2] for rule in suffixRules() if b"." in rule])


def registrableLabels(labels: tuple[bytes, ...]) -> int:
    """
    Return how many labels, from the right, form the registrable domain: a public suffix and one more label, such as C{example.co.uk}; 0 for
    a public suffix. Names in top-level domains that are not in the list count as registered directly below them.

    @param labels: the labels of a folded name, without the root's.
    """
    rules, count = suffixRules(), len(labels)
    public = 1
    for start in range(count):
        name = b".".join(labels[start:])
        if b"!" + name in rules:
            public = count - start - 1
            break
        # A star stands for one label more; the name behind it is a public suffix as well.
        if b"*." + name in rules:
            public = count - start + (start > 0)
            break
        if name in rules:
            public = count - start
            break
    return public + 1 if 0 < public < count else 0


def domainOf(name: bytes) -> bytes | None:
    """
    Return the registrable domain of a name, by the public suffix list; for reverse names, the network; L{None} for a name that is not below
    one: a registrable domain or a public suffix itself.

    @param name: folded.
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
        top = name[starts[-1] + 1 : -1]
        if top not in branchedDomains() and name.find(b".") < 0:
            # As in most top-level domains.
            return name[starts[-2] :]
        count = registrableLabels(tuple([name[start + 1 : start + 1 + name[start]] for start in starts[-_LABELS:]]))
    return name[starts[-count] :] if 0 < count < len(starts) else None


class DomainLimit(WrappingSource):
    """
    Limits the concurrent look-ups for names of one zone. Further ones are refused at once, while names elsewhere are looked up as before.
    Place it behind the coalescing source, so that a name queried by many clients counts once.

    A zone is identified by its cut if a reply has shown one: the owner of the SOA or NS records in an authority section. Otherwise the
    registrable domain is used. A reply is believed only about zones that contain the name queried and lie below its registrable domain, so
    a zone cannot use the quota of its neighbors; and a registrable domain has a limit of its own, so it gains little by splitting itself.

    The cut of a zone that has never replied is not known. So if one name directly below a zone, together with all names below it, uses half
    of the zone's quota, it gets a quota of its own and the others keep theirs.
    """

    __slots__ = ("_most", "_mostInAll", "_mostCuts", "_live", "_below", "_children", "_largest", "_cuts", "_domains")

    def __init__(self, inner: IAnswerSource, most: float | None = None, mostInAll: float | None = None, cuts: float | None = None) -> None:
        """
        @param most: concurrent look-ups for names of one zone.
        @param mostInAll: concurrent look-ups for names in all known zones below one registrable domain.
        @param cuts: zone cuts below registrable domains that are cached.
        """
        super().__init__(inner)
        self._most = int(ZONE_LOOKUPS.pick(most))
        self._mostInAll = int(DOMAIN_LOOKUPS.pick(mostInAll))
        self._mostCuts = int(ZONE_CUTS.pick(cuts))
        # Current look-ups: by zone, which is the registrable domain if no cut is known, and by registrable domain for all known zones below
        # it. Neither holds more entries than there are current look-ups.
        self._live: dict[bytes, int] = {}
        self._below: dict[bytes, int] = {}
        # By name directly below a zone, and for each zone the one with the most look-ups, now or earlier.
        self._children: dict[bytes, int] = {}
        self._largest: dict[bytes, bytes] = {}
        # In the order in which they were last seen.
        self._cuts: dict[bytes, None] = {}
        # The length of the registrable domain of names directly below these.
        self._domains: dict[bytes, int] = {}
        # Load the file now, so that the first query does not wait for it.
        branchedDomains()

    def ask(self, question: Question, context: QueryContext) -> Answer | Start | None:
        found = self._inner.ask(question, context)
        return found if found is None or isinstance(found, Answer) else _Limited(self, question, found)

    def begun(self, name: bytes) -> _Place | None:
        """
        Count a look-up for a folded name that begins.

        @return: where it is counted until L{ended}; L{None} if it need not be.

        @raise BudgetSpent: there are too many.
        """
        octets = self._domains.get(name[name[0] + 1 :])
        domain = self._domainOf(name) if octets is None else name[-octets:]
        if domain is None:
            return None
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
            raise BudgetSpent(text, rcode=2, ede=((_NO_AUTHORITY, "too many look-ups below this domain wait"),))
        live[zone] = inZone + 1
        inChild = self._children[child] = self._children.get(child, 0) + 1
        if inChild > inLargest or child == largest:
            self._largest[zone] = child
        if zone is not domain:
            below[domain] = inAll + 1
        return domain, zone, child

    def _domainOf(self, name: bytes) -> bytes | None:
        domain = domainOf(name)
        if domain is not None:
            # The list takes longer than everything else here. A sibling that is a public suffix itself is counted below its parent then,
            # which does no harm.
            if len(self._domains) >= _MOST_DOMAINS:
                self._domains.clear()
            self._domains[name[name[0] + 1 :]] = len(domain)
        return domain

    def _cutOf(self, name: bytes, domain: bytes) -> bytes:
        """
        Return the deepest known zone that contains the name, else C{domain}, the same object.
        """
        position = 0
        last = len(name) - len(domain)
        while position < last:
            if name[position:] in self._cuts:
                return name[position:]
            position += name[position] + 1
        return domain

    def ended(self, place: _Place) -> None:
        domain, zone, child = place
        _countDown(self._live, zone)
        _countDown(self._children, child)
        if zone not in self._live:
            del self._largest[zone]
        if zone is not domain:
            _countDown(self._below, domain)

    def learn(self, answer: Answer, name: bytes, domain: bytes) -> None:
        """
        Learn the zones that an answer shows, of those which contain the name and lie below its registrable domain.
        """
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


classImplements(DomainLimit, IAnswerSource)


class _Limited(WaitingStart):
    """
    One look-up that counts.
    """

    __slots__ = ("_limit", "_name", "_place")

    _place: _Place

    def __init__(self, limit: DomainLimit, question: Question, start: Start) -> None:
        self._limit = limit
        self._name = question.key[:-4]
        self._start = start

    def prepare(self, waiter: Waiter, context: QueryContext) -> Query:
        place = self._limit.begun(self._name)
        if place is None:
            return queryOf(self._start, waiter, context)
        try:
            self._query = queryOf(self._start, self, context)
        except DNSFault:
            self._limit.ended(place)
            raise
        self._place = place
        self._waiter = waiter
        return self

    def callback(self, answer: Answer, /) -> None:
        waiter = self._ended()
        if answer.authority:
            self._limit.learn(answer, self._name, self._place[0])
        waiter.callback(answer)

    def _ended(self) -> Waiter:
        waiter = self._waiter
        del self._waiter, self._query
        self._limit.ended(self._place)
        return waiter


def _childOf(name: bytes, zone: bytes) -> bytes:
    """
    Return the ancestor of a name, or the name itself, that is directly below a zone; the zone's own name for the apex.
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
