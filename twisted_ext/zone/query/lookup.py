"""
Looks up a question in a zone, through nonexistent names, wildcards, aliases and delegations (RFC 1034, section 4.3.2).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from twisted_ext.answers import Answer, Origin, Outcome
from twisted_ext.wire.codes import AA, Rcode
from twisted_ext.wire.names import MOST_OCTETS, isBelow, nameToText, parentOf
from twisted_ext.wire.records import RRSet
from twisted_ext.wire.rrtypes import ANY, DS, NS, NSEC, RRSIG, SOA
from twisted_ext.wire.rrtypes import CNAME as _CNAME
from twisted_ext.wire.rrtypes import DNAME as _DNAME
from twisted_ext.zone.limits import CHAIN_LINKS
from twisted_ext.zone.query import denial
from twisted_ext.zone.query.referrals import addresses, cutAbove, referral
from twisted_ext.zone.store.nodes import CNAME, CUT, DNAME, HASHED, OCCLUDED, WILDCARD, Node, keyBelow

if TYPE_CHECKING:
    from twisted_ext.wire.message import Question
    from twisted_ext.zone.store.version import Version

__all__ = ["MOST_LINKS", "Find", "Walk", "authorityFor", "originOf"]

#: Nodes at or below which the zone is not authoritative.
_BEYOND: Final = CUT | DNAME | OCCLUDED

#: Types that a CNAME owner may have itself, so that a query for them does not follow the alias (RFC 4035, section 2.5).
_BESIDE: Final = (RRSIG, NSEC)

_WILDCARD: Final = b"\x01*"

#: Maximum length of an alias chain.
MOST_LINKS: Final = int(CHAIN_LINKS.default)

#: Unsupported NSEC3 iterations value (RFC 9276, section 3.2).
_EDE_ITERATIONS: Final = ((27, ""),)

#: Returns the zone that a folded name is in.
Find = Callable[[bytes], "Version | None"]


class Walk:
    """
    The look-up of one question.
    """

    __slots__ = (
        "question",
        "rrType",
        "dnssecOk",
        "minimal",
        "version",
        "sets",
        "authority",
        "additional",
        "outcome",
        "rcode",
        "flags",
        "ede",
    )

    def __init__(self, question: Question, dnssecOk: bool, minimal: bool) -> None:
        self.question = question
        self.rrType = question.rrType
        self.dnssecOk = dnssecOk
        self.minimal = minimal
        self.sets: list[RRSet] = []
        self.authority: list[RRSet] = []
        self.additional: tuple[RRSet, ...] = ()
        self.outcome = Outcome.NODATA
        self.rcode = 0
        self.flags = AA
        self.ede: tuple[tuple[int, str], ...] = ()

    def answer(self) -> Answer:
        version = self.version
        if not self.minimal and self.flags and (self.outcome is Outcome.DATA):
            self._complete()
        return Answer(
            self.outcome,
            tuple(self.sets),
            tuple(self.authority),
            self.additional,
            rcode=self.rcode,
            flags=self.flags,
            ede=self.ede,
            origin=version.origin or originOf(version),
        )

    def follow(self, version: Version, find: Find | None) -> None:
        """
        Look up the name and the targets of its aliases, in this zone or the ones that C{find} returns.
        """
        name = self.question.name
        key = self.question.key[: -len(version.apex) - 4]
        passed: set[bytes] = set()
        while True:
            self.version = version
            target = self._at(name, key)
            if target is None:
                return
            folded = target.lower()
            passed.add(key + version.apex)
            if folded in passed or len(passed) >= MOST_LINKS:
                return
            if find is not None:
                following = authorityFor(find, folded, self.rrType)
                if following is None:
                    return
                version = following
                key = folded[: -len(version.apex)]
            else:
                below = keyBelow(folded, version.apex)
                if below is None:
                    return
                key = below
            name = target

    def _at(self, name: bytes, key: bytes) -> bytes | None:
        """
        Look up one name.

        @return: the target of an alias, to be looked up next.
        """
        version = self.version
        node = version.find(key)
        if node is None or (node.flags & HASHED and not node.children):
            return self._around(name, key)
        flags = node.flags
        if flags & OCCLUDED:
            return self._beyond(name, key, node)
        if flags & CUT and self.rrType != DS:
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
            node = version.find(_WILDCARD + encloser.key)
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
        rrType = self.rrType
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
        Answer for a name below a cut or a DNAME record.

        @param node: the node of the name, or of its closest encloser.
        """
        above = cutAbove(self.version, key) if node.flags & OCCLUDED else node
        if above is None:
            raise AssertionError("a name that is hidden by nothing")
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
        if self.rrType == _CNAME or self.rrType == ANY:
            self.outcome = Outcome.DATA
            return None
        # If the target is below the owner, names would grow at each step, or stay the same.
        return None if isBelow(rrset.rdatas[0].lower(), above.key + self.version.apex) else target

    def _deny(self) -> None:
        """
        Add the SOA with the TTL of a negative answer: the lesser of its TTL and its MINIMUM field (RFC 2308, section 3).
        """
        version = self.version
        denied = version.signedDenial if self.dnssecOk else version.denial
        if denied is None:
            soa = version.soa
            ttl = min(soa.ttl, int.from_bytes(soa.rdatas[0][-4:], "big"))
            version.denial = denied = (soa.withTTL(ttl),)
            if self.dnssecOk:
                apex = version.find(b"")
                signatures = None if apex is None else apex.signatures(SOA)
                if signatures is not None:
                    denied += (signatures.withTTL(ttl),)
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
        apex = version.find(b"")
        if apex is not None:
            servers = apex.of(NS)
            if servers is not None and servers not in self.sets:
                self.authority.insert(0, servers)
                signatures = apex.signatures(NS) if self.dnssecOk else None
                if signatures is not None:
                    self.authority.insert(1, signatures)
        more: list[RRSet] = []
        for rrset in addresses(version, (*self.sets, *self.authority), self.dnssecOk):
            if rrset not in self.sets and rrset not in more:
                more.append(rrset)
        self.additional = tuple(more)


def _encloser(version: Version, key: bytes) -> Node:
    """
    Find the closest encloser of a name that does not exist (RFC 4592, section 3.3.1). All ancestors of an existing name exist, so the
    search is binary: the client chooses the number of labels.

    @param key: the key of the name.
    """
    starts = []
    position = key[0] + 1
    end = len(key)
    while position < end:
        starts.append(position)
        position += key[position] + 1
    starts.append(end)
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
    if best is None:
        raise AssertionError("a zone without an apex")
    return best


def authorityFor(find: Find, folded: bytes, rrType: int) -> Version | None:
    """
    Return the zone that is authoritative for a type at a name: for DS records the parent zone, if this server has it (RFC 4035, section
    3.1.4.1).
    """
    version = find(folded)
    if rrType == DS and version is not None and folded == version.apex:
        return find(parentOf(folded)) or version
    return version


def originOf(version: Version) -> Origin:
    """
    Return the origin of answers from a version, if none has been set.
    """
    origin = version.origin = Origin("zone", nameToText(version.apex))
    return origin
