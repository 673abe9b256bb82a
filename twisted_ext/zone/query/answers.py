"""
Answers a question from a zone: the algorithm of RFC 1034, section 4.3.2, as updated by RFC 2181, 4592 (wildcards), 6672 (DNAME), 4035 and
5155 (DNSSEC proofs) and 9471 (glue).

Answers are minimal by default, and have signatures and proofs only for queries with DO. The server handles ANY (RFC 8482) and transfers
before it calls this module.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from twisted_ext.answers import Answer, Origin, Outcome, Security, newAnswer
from twisted_ext.wire.codes import AA, Rcode
from twisted_ext.wire.message import Question
from twisted_ext.wire.names import MOST_OCTETS, isBelow, nameToText, parentOf
from twisted_ext.wire.records import RRSet
from twisted_ext.wire.rrtypes import ANY, DS, NS, NSEC, RRSIG, SOA
from twisted_ext.wire.rrtypes import CNAME as _CNAME
from twisted_ext.wire.rrtypes import DNAME as _DNAME
from twisted_ext.zone.limits import CHAIN_LINKS
from twisted_ext.zone.query import denial
from twisted_ext.zone.query.referrals import addresses, cutAbove, referral, startsAbove
from twisted_ext.zone.store.nodes import CNAME, CUT, DNAME, HASHED, OCCLUDED, STAR, WILDCARD, Node
from twisted_ext.zone.store.version import Version

__all__ = ["aliasTarget", "answerAcross", "deniedBy"]

#: Nodes at which the records of a type may not be the whole answer.
_SPECIAL: Final = CUT | CNAME | OCCLUDED | HASHED

#: Nodes at or below which the zone is not authoritative.
_BEYOND: Final = CUT | DNAME | OCCLUDED

#: Types that a CNAME owner may have itself, so that a query for them does not follow the alias (RFC 4035, section 2.5).
_BESIDE: Final = (RRSIG, NSEC)

#: Maximum length of an alias chain.
_MOST_LINKS: Final = int(CHAIN_LINKS.default)

#: Unsupported NSEC3 iterations value (RFC 9276, section 3.2).
_EDE_ITERATIONS: Final = ((27, ""),)

#: Returns the zone that a folded name is in.
_Find = Callable[[bytes], Version | None]


def answerAcross(find: _Find, question: Question, *, dnssecOk: bool = False, minimal: bool = True) -> Answer | None:
    """
    Answer from all zones of a server: follow aliases from one zone to another, and take the DS records of a zone from its parent (RFC 4035,
    section 3.1.4.1). A referral is an answer without AA whose outcome is NODATA.

    @param find: returns the zone closest to a folded name, or L{None}.
    @param dnssecOk: add signatures and proofs (RFC 3225).
    @param minimal: leave out name servers and addresses that the client does not need.

    @return: L{None} if the name is in no zone.
    """
    version = _authorityFor(find, question.key[:-4], question.rrType)
    if version is None:
        return None
    if minimal:
        found = _plain(version, question, dnssecOk)
        if found is not None:
            return found
    walk = _Walk(question, dnssecOk, minimal, version)
    walk.follow(find)
    return walk.answer()


def aliasTarget(found: Answer) -> bytes | None:
    """
    Return the target of an answer's last alias if the answer ends there; L{None} if the answer is complete, or if its aliases form a loop
    or are too many.
    """
    if found.outcome is not Outcome.NODATA or found.rcode or found.authority or not found.answer:
        return None
    targets = {rrset.name.lower(): rrset.rdatas[0] for rrset in found.answer if rrset.rrType == _CNAME}
    if not targets or len(targets) >= _MOST_LINKS:
        return None
    target = list(targets.values())[-1]
    folded = target.lower()
    if folded in targets or any(rrset.rrType == _DNAME and isBelow(folded, rrset.name.lower()) for rrset in found.answer):
        return None
    return target


def _plain(version: Version, question: Question, dnssecOk: bool) -> Answer | None:
    """
    Return the answer if the name exists, has records of the type and no special flags, which is by far the most frequent case.
    """
    node = version.find(question.key[: -len(version.apex) - 4])
    if node is None or node.flags & _SPECIAL:
        return None
    rrType = question.rrType
    for rrset in node.sets:
        if rrset.rrType == rrType:
            break
    else:
        return None
    if rrType == RRSIG:
        return None
    sets: tuple[RRSet, ...] = (rrset,)
    if dnssecOk:
        signatures = node.signatures(rrType)
        if signatures is not None:
            sets = (rrset, signatures)
    found = newAnswer(Answer)
    found.outcome = Outcome.DATA
    found.rcode = 0
    found.flags = AA
    found.answer = sets
    found.authority = found.additional = found.ede = ()
    found.security = Security.INDETERMINATE
    found.origin = version.origin or _originOf(version)
    found.wire = b""
    found._message = None
    return found


def deniedBy(version: Version) -> tuple[RRSet, ...]:
    """
    Return the authority section of negative answers without proofs: the SOA record, its TTL the lesser of its own and its MINIMUM field
    (RFC 2308, section 3).
    """
    denied = version.denial
    if denied is None:
        soa = version.soa
        denied = version.denial = (soa.withTTL(min(soa.ttl, int.from_bytes(soa.rdatas[0][-4:], "big"))),)
    return denied


class _Walk:
    """
    The look-up of one question.
    """

    __slots__ = ("question", "dnssecOk", "minimal", "version", "sets", "authority", "additional", "outcome", "rcode", "flags", "ede")

    def __init__(self, question: Question, dnssecOk: bool, minimal: bool, version: Version) -> None:
        self.question = question
        self.dnssecOk = dnssecOk
        self.minimal = minimal
        self.version = version
        self.sets: list[RRSet] = []
        self.authority: list[RRSet] = []
        self.additional: tuple[RRSet, ...] = ()
        self.outcome = Outcome.NODATA
        self.rcode = 0
        self.flags = AA
        self.ede: tuple[tuple[int, str], ...] = ()

    def answer(self) -> Answer:
        version = self.version
        if not self.minimal and self.flags and self.outcome is Outcome.DATA:
            self._complete()
        return Answer(
            self.outcome,
            tuple(self.sets),
            tuple(self.authority),
            self.additional,
            rcode=self.rcode,
            flags=self.flags,
            ede=self.ede,
            origin=version.origin or _originOf(version),
        )

    def follow(self, find: _Find) -> None:
        """
        Look up the name in this zone, and the targets of its aliases in the ones that C{find} returns.
        """
        name = self.question.name
        key = self.question.key[: -len(self.version.apex) - 4]
        passed: set[bytes] = set()
        while True:
            target = self._at(name, key)
            if target is None:
                return
            folded = target.lower()
            passed.add(key + self.version.apex)
            if folded in passed or len(passed) >= _MOST_LINKS:
                return
            following = _authorityFor(find, folded, self.question.rrType)
            if following is None:
                return
            self.version, name = following, target
            key = folded[: -len(following.apex)]

    def _at(self, name: bytes, key: bytes) -> bytes | None:
        """
        Look up one name; return the target of an alias, to be looked up next.
        """
        version = self.version
        node = version.find(key)
        if node is None or (node.flags & HASHED and not node.children):
            return self._around(name, key)
        flags = node.flags
        if flags & OCCLUDED:
            return self._beyond(name, key, node)
        if flags & CUT and self.question.rrType != DS:
            self._refer(node)
            return None
        return self._within(node, name, key, None)

    def _around(self, name: bytes, key: bytes) -> bytes | None:
        """
        Answer for a name that does not exist: with a referral, a DNAME, a wildcard or NXDOMAIN.
        """
        version = self.version
        encloser = _encloser(version, key)
        if encloser.flags & _BEYOND:
            return self._beyond(name, key, encloser)
        if encloser.flags & WILDCARD:
            node = version.find(STAR + encloser.key)
            if node is not None:
                return self._within(node, name, key, encloser.key)
        self.outcome = Outcome.NXDOMAIN
        self.rcode = Rcode.NXDOMAIN
        self._deny()
        if self.dnssecOk:
            self._prove(denial.absent(version, key, encloser.key))
        return None

    def _within(self, node: Node, name: bytes, key: bytes, encloser: bytes | None) -> bytes | None:
        """
        Answer with authoritative data: from the node of the name, or from the wildcard that matches it.

        @param encloser: the key of the closest encloser if the node is a wildcard below it (RFC 4592, section 3.3.1).
        """
        rrType = self.question.rrType
        if rrType == ANY:
            found = [rrset for rrset in node.sets if rrset.rrType != RRSIG or self.dnssecOk]
        else:
            found = [rrset for rrset in node.sets if rrset.rrType == rrType]
        alias = not found and bool(node.flags & CNAME) and rrType not in _BESIDE
        if alias:
            found = [rrset for rrset in node.sets if rrset.rrType == _CNAME]
        if not found:
            self._deny()
            if self.dnssecOk:
                self._prove(self._noData(node, key, encloser))
            return None
        if self.dnssecOk and rrType != RRSIG and rrType != ANY:
            signatures = node.signatures(found[0].rrType)
            if signatures is not None:
                found.append(signatures)
        if encloser is None:
            # An alias chain may end at a DNAME record that is in the answer already.
            self.sets += [rrset for rrset in found if rrset not in self.sets] if self.sets else found
        else:
            self.sets += [RRSet(name, rrset.rrType, rrset.rrClass, rrset.ttl, rrset.rdatas) for rrset in found]
            if self.dnssecOk:
                self._prove(denial.expanded(self.version, key, encloser))
        if alias:
            return found[0].rdatas[0]
        self.outcome = Outcome.DATA
        return None

    def _noData(self, node: Node, key: bytes, encloser: bytes | None) -> tuple[RRSet, ...]:
        if encloser is not None:
            return denial.noWildcardData(self.version, key, encloser)
        if node.flags & CUT:
            return denial.undelegated(self.version, key)
        return denial.noData(self.version, key)

    def _beyond(self, name: bytes, key: bytes, node: Node) -> bytes | None:
        """
        Answer for a name below a cut or a DNAME record. C{node} is the name's, or that of its closest encloser.
        """
        above = cutAbove(self.version, key) if node.flags & OCCLUDED else node
        assert above is not None, "a name that is hidden by nothing"
        if above.flags & CUT:
            self._refer(above)
            return None
        return self._redirect(above, name, key)

    def _refer(self, cut: Node) -> None:
        authority, self.additional = referral(self.version, cut, self.dnssecOk)
        if not self.sets:
            self.flags = 0
        self.authority += authority

    def _redirect(self, above: Node, name: bytes, key: bytes) -> bytes | None:
        """
        Replace the suffix of a name that is the owner of a DNAME record with its target (RFC 6672, section 3.1).
        """
        rrset = above.of(_DNAME)
        assert rrset is not None
        if rrset not in self.sets:
            self.sets.append(rrset)
            signatures = above.signatures(_DNAME) if self.dnssecOk else None
            if signatures is not None:
                self.sets.append(signatures)
        target = name[: len(key) - len(above.key)] + rrset.rdatas[0]
        if len(target) > MOST_OCTETS:
            self.rcode = Rcode.YXDOMAIN
            return None
        self.sets.append(RRSet(name, _CNAME, rrset.rrClass, rrset.ttl, (target,)))
        if self.question.rrType == _CNAME or self.question.rrType == ANY:
            self.outcome = Outcome.DATA
            return None
        # If the target is below the owner, names would grow at each step, or stay the same.
        return None if isBelow(rrset.rdatas[0].lower(), above.key + self.version.apex) else target

    def _deny(self) -> None:
        """
        Add the SOA of a negative answer.
        """
        version = self.version
        denied = version.signedDenial if self.dnssecOk else version.denial
        if denied is None:
            denied = deniedBy(version)
            if self.dnssecOk:
                signatures = version.top.signatures(SOA)
                if signatures is not None:
                    denied += (signatures.withTTL(denied[0].ttl),)
                version.signedDenial = denied
        self.authority += denied

    def _prove(self, proof: tuple[RRSet, ...]) -> None:
        for rrset in proof:
            if rrset not in self.authority:
                self.authority.append(rrset)
        if not proof and denial.tooManyIterations(self.version):
            self.ede = _EDE_ITERATIONS

    def _complete(self) -> None:
        """
        Add the zone's name servers, and addresses of the hosts in the answer.
        """
        version = self.version
        servers = version.top.of(NS)
        if servers is not None and servers not in self.sets:
            self.authority.insert(0, servers)
            signatures = version.top.signatures(NS) if self.dnssecOk else None
            if signatures is not None:
                self.authority.insert(1, signatures)
        more: list[RRSet] = []
        for rrset in addresses(version, (*self.sets, *self.authority), self.dnssecOk):
            if rrset not in self.sets and rrset not in more:
                more.append(rrset)
        self.additional = tuple(more)


def _encloser(version: Version, key: bytes) -> Node:
    """
    _Find the closest encloser of a name that does not exist (RFC 4592, section 3.3.1). All ancestors of an existing name exist, so the
    search is binary: the client chooses the number of labels.
    """
    starts = startsAbove(key)
    best: Node | None = None
    # Nearly always it is the parent.
    low, high = 0, len(starts) - 1
    middle = 0
    while low <= high:
        node = version.find(key[starts[middle] :])
        if node is not None and not (node.flags & HASHED and not node.children):
            best = node
            high = middle - 1
        else:
            low = middle + 1
        middle = (low + high) // 2
    assert best is not None, "a zone without an apex"
    return best


def _authorityFor(find: _Find, folded: bytes, rrType: int) -> Version | None:
    """
    Return the zone that is authoritative for a type at a name: for DS records the parent zone, if this server has it (RFC 4035, section
    3.1.4.1).
    """
    version = find(folded)
    if rrType == DS and version is not None and folded == version.apex:
        return find(parentOf(folded)) or version
    return version


def _originOf(version: Version) -> Origin:
    """
    Return the origin of answers from a version, if none has been set.
    """
    origin = version.origin = Origin("zone", nameToText(version.apex))
    return origin
