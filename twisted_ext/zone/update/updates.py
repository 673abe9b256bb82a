"""
Dynamic updates (RFC 2136): parses them, and checks prerequisites and policy before applying them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from twisted_ext.errors import BadMessage, BadUpdate
from twisted_ext.wire.codes import ANY_CLASS, IN, NONE, Opcode, Rcode
from twisted_ext.wire.names import nameToText
from twisted_ext.wire.rdata.canonical import canonicalOf
from twisted_ext.wire.rdata.registry import rdataFromWire
from twisted_ext.wire.records import RRSet
from twisted_ext.wire.rrtypes import ANY, CNAME, DNAME, NS, RRSIG, SOA, WKS, isMeta, typeName
from twisted_ext.zone.limits import SET_RECORDS, UPDATE_RECORDS
from twisted_ext.zone.store.nodes import BESIDE_ALIASES, Kind, keyBelow, kindOf
from twisted_ext.zone.store.serials import isNewer, serialIn

if TYPE_CHECKING:
    from twisted_ext.wire.message import Message
    from twisted_ext.zone.update.policy import Policy
    from twisted_ext.zone.update.transactions import Transaction

__all__ = ["Update", "perform"]

_SOA: Final[Kind] = (SOA, 0)
_NS: Final[Kind] = (NS, 0)
_CNAME: Final[Kind] = (CNAME, 0)

#: Octets of a WKS record's rdata that identify it: address and protocol (RFC 2136, section 1.1.5).
_WKS_OCTETS: Final = 5


@dataclass(slots=True, eq=False)
class Update:
    """
    The content of an UPDATE message.

    @ivar zone: the zone's name, as in the message.
    @ivar prerequisites: records of the prerequisite section, in order.
    @ivar changes: records of the update section, in order.
    """

    zone: bytes
    prerequisites: list[RRSet]
    changes: list[RRSet]

    @classmethod
    def fromMessage(cls, message: Message) -> Update:
        """
        @raise BadUpdate: there is not exactly one zone (RFC 2136, section 3.1.1), or there are more records than the limit.
        @raise BadMessage: its records cannot be read.
        """
        questions = message.questions
        if message.opcode != Opcode.UPDATE or len(questions) != 1 or questions[0].rrType != SOA:
            raise BadUpdate("an UPDATE names one zone, with type SOA", rcode=Rcode.FORMERR)
        if questions[0].rrClass != IN:
            raise BadUpdate("zones here are of class IN", rcode=Rcode.NOTAUTH)
        prerequisites, changes, _ = message.records()
        count = len(prerequisites) + len(changes)
        if count > UPDATE_RECORDS.default:
            raise BadUpdate(f"{count} records in one UPDATE; at most {UPDATE_RECORDS.default:.0f} are allowed", rcode=Rcode.REFUSED)
        return cls(questions[0].name, prerequisites, changes)

    def check(self, apex: bytes) -> None:
        """
        Check the form of all changes (RFC 2136, section 3.4.1) before any is applied.

        @param apex: the zone's name, folded.

        @raise BadUpdate: FORMERR, or NOTZONE for a name outside of the zone.
        """
        for record in self.changes:
            _checkZone(record, apex)
            rrType = record.rrType
            if record.rrClass == IN:
                _checkRdata(record)
            elif record.rrClass == ANY_CLASS:
                if record.ttl or record.rdatas[0] or (isMeta(rrType) and rrType != ANY):
                    raise _malformed("records to be deleted that have a TTL, rdata or a type that no records have")
            elif record.rrClass == NONE:
                if record.ttl or isMeta(rrType) or not rrType:
                    raise _malformed("a record to be deleted that has a TTL, or a type that no records have")
            else:
                raise _malformed(f"a change of class {record.rrClass}")

    def checkPolicy(self, policy: Policy, keyName: bytes, client: str, transaction: Transaction) -> None:
        """
        Check that the client may make all of the changes.

        @param keyName: the TSIG key that signed the message, folded; empty for an unsigned message.
        @param client: the client's address.

        @raise BadUpdate: REFUSED, because of the first record that may not be changed.
        """
        version = transaction.version
        if version.signed and not transaction.isCompleted and not policy.allows(keyName, client, version.apex, RRSIG):
            # Validators would reject changed records without new signatures.
            raise BadUpdate("the zone is signed: a client that changes it needs the right to change its signatures as well")
        for record in self.changes:
            rrType = record.rrType
            key = keyBelow(record.name, version.apex)
            if record.rrClass == ANY_CLASS and rrType == ANY and key is not None:
                types = {kind[0] for kind in transaction.setsAt(key) if key or kind not in (_SOA, _NS)}
            else:
                types = {rrType}
            for each in types:
                if not policy.allows(keyName, client, record.name, each):
                    raise BadUpdate(f"{nameToText(record.name)} {typeName(each)} may not be changed by you")

    def demand(self, transaction: Transaction) -> None:
        """
        Check the prerequisites in order, and their form (RFC 2136, section 3.2.5).

        @raise BadUpdate: NXDOMAIN, YXDOMAIN, NXRRSET or YXRRSET if one does not hold; FORMERR, or NOTZONE for a name outside of the zone.
        """
        wanted: dict[tuple[bytes, Kind], list[bytes]] = {}
        for record in self.prerequisites:
            _checkDemand(record, transaction.version.apex)
            key = transaction.keyOf(record.name)
            sets = transaction.setsAt(key)
            rrType = record.rrType
            if record.rrClass == IN:
                wanted.setdefault((key, kindOf(record)), []).append(record.rdatas[0])
                continue
            present = bool(sets) if rrType == ANY else any(kind[0] == rrType for kind in sets)
            if record.rrClass == ANY_CLASS and not present:
                rcode = Rcode.NXDOMAIN if rrType == ANY else Rcode.NXRRSET
                raise _unmet(record, "is not there", rcode)
            if record.rrClass == NONE and present:
                rcode = Rcode.YXDOMAIN if rrType == ANY else Rcode.YXRRSET
                raise _unmet(record, "is there", rcode)
        for (key, kind), rdatas in wanted.items():
            rrset = transaction.setsAt(key).get(kind)
            if rrset is None or _canonical(kind[0], rrset.rdatas) != _canonical(kind[0], rdatas):
                raise BadUpdate(f"prerequisite: the records of type {typeName(kind[0])} are others", rcode=Rcode.NXRRSET)

    def apply(self, transaction: Transaction) -> None:
        """
        Apply the changes in order (RFC 2136, section 3.4.2). Ignore those that the RFC says to ignore silently.
        """
        for record in self.changes:
            if record.rrClass == IN:
                _add(transaction, record)
            elif record.rrClass == NONE:
                _remove(transaction, record)
            elif record.rrType == ANY:
                transaction.removeName(record.name)
            elif record.rrType not in (SOA, NS) or transaction.keyOf(record.name):
                transaction.removeType(record.name, record.rrType)


def _malformed(text: str) -> BadUpdate:
    return BadUpdate(text, rcode=Rcode.FORMERR)


def _unmet(record: RRSet, how: str, rcode: int) -> BadUpdate:
    what = "" if record.rrType == ANY else f" {typeName(record.rrType)}"
    return BadUpdate(f"prerequisite: {nameToText(record.name)}{what} {how}", rcode=rcode)


def _checkZone(record: RRSet, apex: bytes) -> None:
    if keyBelow(record.name, apex) is None:
        raise BadUpdate(f"{nameToText(record.name)} is not in the zone {nameToText(apex)}", rcode=Rcode.NOTZONE)


def _checkDemand(record: RRSet, apex: bytes) -> None:
    if record.ttl:
        raise _malformed("a prerequisite with a TTL")
    _checkZone(record, apex)
    if record.rrClass in (ANY_CLASS, NONE):
        if record.rdatas[0]:
            raise _malformed("a prerequisite about a set that has rdata")
        if isMeta(record.rrType) and record.rrType != ANY:
            raise _malformed(f"a prerequisite about type {typeName(record.rrType)}")
    elif record.rrClass == IN:
        _checkRdata(record)
    else:
        raise _malformed(f"a prerequisite has class {record.rrClass}; ANY, NONE and that of the zone are valid")


def _checkRdata(record: RRSet) -> None:
    rrType = record.rrType
    if isMeta(rrType) or not rrType:
        raise _malformed(f"a record of type {typeName(rrType)}, which no zone has")
    try:
        rdataFromWire(rrType, record.rdatas[0])
    except BadMessage as error:
        raise _malformed(error.text) from None


def _canonical(rrType: int, rdatas: list[bytes] | tuple[bytes, ...]) -> set[bytes]:
    return {canonicalOf(rrType, rdata) for rdata in rdatas}


def _add(transaction: Transaction, record: RRSet) -> None:
    key = transaction.keyOf(record.name)
    sets = transaction.setsAt(key)
    rrType = record.rrType
    if rrType == SOA:
        present = sets.get(_SOA)
        if present is None or not isNewer(serialIn(record.rdatas[0]), serialIn(present.rdatas[0])):
            return
        transaction.replace(record)
    elif rrType == CNAME:
        if all(kind == _CNAME or kind[0] in BESIDE_ALIASES for kind in sets):
            transaction.replace(record)
    elif _CNAME in sets and rrType not in BESIDE_ALIASES:
        return
    elif rrType == DNAME:
        # A DNAME replaces another one; only a CNAME excludes it (RFC 6672, section 5.2).
        transaction.replace(record)
    elif rrType == WKS:
        _addWKS(transaction, record, sets.get((WKS, 0)))
    else:
        transaction.add(record)


def _addWKS(transaction: Transaction, record: RRSet, present: RRSet | None) -> None:
    rdata = record.rdatas[0]
    if present is not None and len(present.rdatas) > SET_RECORDS.default:
        raise BadUpdate(f"{nameToText(record.name)} would have more than {SET_RECORDS.default:.0f} WKS records", rcode=Rcode.REFUSED)
    for other in () if present is None else present.rdatas:
        if other[:_WKS_OCTETS] == rdata[:_WKS_OCTETS] and other != rdata:
            transaction.remove(RRSet(record.name, WKS, record.rrClass, 0, (other,)))
    transaction.add(record)


def _remove(transaction: Transaction, record: RRSet) -> None:
    rrType = record.rrType
    if rrType == SOA:
        return
    if rrType == NS:
        key = transaction.keyOf(record.name)
        present = transaction.setsAt(key).get(_NS)
        if not key and present is not None and _canonical(NS, present.rdatas) == _canonical(NS, record.rdatas):
            # The last NS record of the apex stays (RFC 2136, section 3.4.2.4).
            return
    transaction.remove(record)


def perform(update: Update, transaction: Transaction, policy: Policy, keyName: bytes, client: str) -> None:
    """
    Process an update in the order of RFC 2136, section 3, with one exception: check the permissions before the prerequisites, as BIND and
    Knot do, so that clients without permission cannot probe the zone through prerequisites. In the RFC permissions come after the
    prerequisites (section 3.3), and are left to servers.

    @raise BadUpdate: the update is rejected.
    @raise BadChange: it has what cannot be in a zone.
    """
    update.checkPolicy(policy, keyName, client, transaction)
    update.demand(transaction)
    update.check(transaction.version.apex)
    update.apply(transaction)
