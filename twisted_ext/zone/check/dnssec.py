"""
Checks of signed zones: whether every RRset that needs a valid signature has one, and whether the NSEC or NSEC3 chain is complete.

Signatures are not verified cryptographically. The checks find mistakes of operators and signing tools, mainly expired signatures.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable
from functools import lru_cache
from struct import Struct
from struct import error as StructError
from typing import TYPE_CHECKING, Final

from twisted_ext.errors import BadMessage
from twisted_ext.wire.escapes import toBase32Hex
from twisted_ext.wire.names import labelCount, nameEnd, nameToText
from twisted_ext.wire.rdata.bitmaps import TypeBits
from twisted_ext.wire.rdata.times import dateFromSeconds
from twisted_ext.wire.rdata.types.dnssec import DNSKEY
from twisted_ext.wire.records import RRSet
from twisted_ext.wire.rrtypes import DNSKEY as _DNSKEY
from twisted_ext.wire.rrtypes import DS, NS, NSEC, NSEC3, NSEC3PARAM, RRSIG, typeName
from twisted_ext.zone.query.denial import hashed
from twisted_ext.zone.store.nodes import CUT, HASHED, OCCLUDED, SIGNED, Node, parentKey
from twisted_ext.zone.store.order import orderedNodes

if TYPE_CHECKING:
    from twisted_ext.zone.store.version import Version
    from twisted_ext.zone.zonefile.findings import Report

__all__ = ["prove"]

#: Seconds before the expiration of a signature below which it gets a warning.
_SIGNATURE_WARNING: Final = 3 * 86400

#: Types that are signed at a delegation, and types in its NSEC record.
_SIGNED_AT_CUTS: Final = frozenset((DS, NSEC))
_PROVED_AT_CUTS: Final = frozenset((NS, DS, RRSIG, NSEC))

#: Octets of a SHA-1 hash.
_HASH: Final = 20

#: An RRSIG up to the signer's name: type covered, algorithm, labels, original TTL, end, beginning, key tag.
_signature: Final = Struct(">HBBIIIH").unpack_from
_SIGNER: Final = 18

#: Algorithms that are deprecated for signing or never were recommended (RFC 8624, section 3.1; RFC 9904).
_OLD: Final = frozenset((1, 3, 5, 6, 7, 12))

#: Maximum NSEC3 iterations for which hashes are computed: more take minutes for a zone of a million names.
_MOST_ROUNDS: Final = 150

_STEP: Final = 16_384

_bits: Final = TypeBits()


@lru_cache(8192)
def _typesOf(bitmap: bytes) -> frozenset[int] | None:
    try:
        return frozenset(_bits.read(bitmap, 0, ())[0])
    except BadMessage:
        return None


def prove(version: Version, report: Report, now: float | None, progress: Callable[[int, int], object]) -> None:
    """
    Check a signed zone.

    @param now: seconds since 1970; L{None} to skip the validity periods of signatures.
    @param progress: see L{check<twisted_ext.zone.check.semantics.check>}.
    """
    proving = _Proving(version, report, now)
    proving.keysAtApex()
    proving.signatures(progress)
    if version.top.flags & SIGNED:
        proving.chain()
    elif version.nsec3Parameters is not None:
        proving.hashedChain()
    else:
        text = "neither an NSEC nor an NSEC3PARAM record at the apex: nothing proves what is not there"
        report.say("nsec-missing", version.apexName, text)


class _Proving:
    def __init__(self, version: Version, report: Report, now: float | None) -> None:
        self.version = version
        self.apex = version.apex
        self.say = report.say
        self.now = None if now is None else int(now)
        self.keys: set[tuple[int, int]] = set()
        self.algorithms: set[int] = set()

    def keysAtApex(self) -> None:
        version = self.version
        rrset = version.top.of(_DNSKEY)
        if rrset is None:
            self.say("dnskey-missing", version.apexName, "signatures, but no DNSKEY records; validators cannot check them", _DNSKEY)
            return
        for rdata in rrset.rdatas:
            try:
                key = DNSKEY.fromWire(rdata)
            except BadMessage as wrong:
                self.say("dnskey-values", rrset.name, str(wrong), _DNSKEY)
                continue
            if not key.flags & 0x100 or key.protocol != 3:
                text = f"key {key.keyTag} is for nothing in zones: those have flags 256 or 257, and protocol 3"
                self.say("dnskey-values", rrset.name, text, _DNSKEY)
                continue
            if (key.keyTag, key.algorithm) in self.keys:
                text = f"two keys of algorithm {key.algorithm} have the tag {key.keyTag}; resolvers may refuse to try both"
                self.say("dnskey-values", rrset.name, text, _DNSKEY)
            if key.algorithm in _OLD:
                text = f"key {key.keyTag} is of algorithm {key.algorithm}, which is not to be used any more"
                self.say("dnskey-values", rrset.name, text, _DNSKEY)
            self.keys.add((key.keyTag, key.algorithm))
            # A revoked key signs only the keys (RFC 5011, section 2.1).
            if not key.flags & 0x80:
                self.algorithms.add(key.algorithm)

    # -- signatures

    def signatures(self, progress: Callable[[int, int], object]) -> None:
        version = self.version
        count = version.image.nodes
        for done, node in enumerate(version.nodes()):
            if done % _STEP == 0:
                progress(done, count)
            if node.sets:
                self._signed(node)

    def _signed(self, node: Node) -> None:
        owner = node.sets[0].name
        flags = node.flags
        covering: dict[int, RRSet] = {}
        for rrset in node.sets:
            if rrset.rrType == RRSIG:
                covering[int.from_bytes(rrset.rdatas[0][:2], "big")] = rrset
        if flags & OCCLUDED and not (flags & HASHED and len(node.key) == node.key[0] + 1):
            for rrType in covering:
                self.say("rrsig-extra", owner, f"the {typeName(rrType)} records below a delegation or a DNAME record are signed", RRSIG)
            return
        cut = bool(flags & CUT)
        labels = labelCount(node.key + self.apex) - (node.key[:2] == b"\x01*")
        for rrset in node.sets:
            rrType = rrset.rrType
            if rrType == RRSIG or (cut and rrType not in _SIGNED_AT_CUTS):
                continue
            signatures = covering.pop(rrType, None)
            if signatures is None:
                self.say("rrsig-missing", rrset.name, "no signature", rrType)
            else:
                self._holds(rrset, signatures, labels)
        for rrType in covering:
            there = node.of(rrType) is not None
            why = "the delegated zone signs these, not this one" if there else "there are no such records"
            self.say("rrsig-extra", owner, f"a signature of {typeName(rrType)} records: {why}", RRSIG)

    def _holds(self, rrset: RRSet, signatures: RRSet, labels: int) -> None:
        name, rrType = rrset.name, rrset.rrType
        now = self.now
        algorithms = set()
        for rdata in signatures.rdatas:
            try:
                _, algorithm, said, ttl, end, begin, tag = _signature(rdata)
            except StructError:
                self.say("rrsig-values", name, f"the signature of {typeName(rrType)} is cut off", RRSIG)
                continue
            algorithms.add(algorithm)
            wrong = ""
            if self.keys and (tag, algorithm) not in self.keys:
                wrong = f"is of key {tag} of algorithm {algorithm}, which the zone does not have"
            elif rdata[_SIGNER : _SIGNER + len(self.apex)].lower() != self.apex:
                wrong = "names another signer than the zone"
            elif said != labels:
                wrong = f"says that the name has {said} labels; it has {labels}"
            elif ttl != rrset.ttl:
                wrong = f"is for a TTL of {ttl} s; the records have {rrset.ttl} s"
            if wrong:
                self.say("rrsig-values", name, f"the signature of {typeName(rrType)} {wrong}", rrType)
            if now is not None:
                # Serial arithmetic, for the year 2106 (RFC 4034, section 3.1.5).
                left = _apart(end, now)
                if left < 0:
                    self.say("rrsig-expired", name, f"the signature of {typeName(rrType)} ended {dateFromSeconds(end)}", rrType)
                elif left < _SIGNATURE_WARNING:
                    self.say("rrsig-ending", name, f"the signature of {typeName(rrType)} ends {dateFromSeconds(end)}", rrType)
                if _apart(begin, now) > 0:
                    self.say("rrsig-early", name, f"the signature of {typeName(rrType)} begins {dateFromSeconds(begin)}", rrType)
        if not self.algorithms <= algorithms:
            missing = ", ".join([str(each) for each in sorted(self.algorithms - algorithms)])
            self.say("rrsig-missing", name, f"no signature of algorithm {missing}, of which the zone has keys", rrType)

    # -- the chain of names

    def chain(self) -> None:
        apex = self.apex
        before: tuple[bytes, bytes] | None = None
        for node in orderedNodes(self.version):
            if node.flags & (OCCLUDED | HASHED):
                continue
            owner = node.key + apex
            rrset = node.of(NSEC)
            if rrset is None:
                self.say("nsec-missing", node.sets[0].name, "no NSEC record", NSEC)
                continue
            if len(rrset.rdatas) > 1:
                self.say("nsec-chain", rrset.name, f"{len(rrset.rdatas)} NSEC records, where one is allowed", NSEC)
            if before is not None and before[1] != owner:
                self._leads(before[0], before[1], owner)
            rdata = rrset.rdatas[0]
            try:
                end = nameEnd(rdata)
            except IndexError:
                self.say("rdata", rrset.name, "the NSEC record is cut off", NSEC)
                before = None
                continue
            before = (rrset.name, rdata[:end].lower())
            self._types(rrset.name, node, rdata[end:], NSEC, _expected(node))
        if before is not None and before[1] != apex:
            self._leads(before[0], before[1], apex)

    def _leads(self, owner: bytes, said: bytes, right: bytes) -> None:
        self.say("nsec-chain", owner, f"the NSEC record leads to {nameToText(said)}; the next name is {nameToText(right)}", NSEC)

    def _types(self, owner: bytes, node: Node, bitmap: bytes, rrType: int, right: frozenset[int]) -> None:
        said = _typesOf(bitmap)
        if said == right:
            return
        if said is None:
            self.say("nsec-types", owner, "the list of types cannot be read", rrType)
            return
        words = []
        if right - said:
            words.append(f"does not list {_listed(right - said)}")
        if said - right:
            words.append(f"lists {_listed(said - right)}, which {'is' if len(said - right) == 1 else 'are'} not there")
        name = nameToText(node.key + self.apex)
        self.say("nsec-types", owner, f"the {typeName(rrType)} record of {name} {' and '.join(words)}", rrType)

    def hashedChain(self) -> None:
        version, apex = self.version, self.apex
        parameters = version.nsec3Parameters
        assert parameters is not None
        algorithm, rounds, salt = parameters
        if algorithm != 1:
            self.say("nsec3-values", version.apexName, f"names are hashed by algorithm {algorithm}; 1 is the only one", NSEC3PARAM)
            return
        if rounds:
            text = f"names are hashed {rounds} times more than needed; many resolvers take such a zone for unsigned"
            self.say("nsec3-values", version.apexName, text, NSEC3PARAM)
        if rounds > _MOST_ROUNDS:
            return
        records = self._hashes(parameters)
        labels = sorted(records)
        for index, label in enumerate(labels):
            following = labels[index + 1 if index + 1 < len(labels) else 0]
            record = records[label]
            if record.octets != _HASH:
                text = f"the NSEC3 record leads to a hash of {record.octets} octets; those by SHA-1 have {_HASH}"
                self.say("nsec3-values", record.owner, text, NSEC3)
                continue
            if record.following != following:
                text = f"the NSEC3 record leads to {record.following.decode()}; the next hash is {following.decode()}"
                self.say("nsec-chain", record.owner, text, NSEC3)
        # Names above those in the chain, and empty non-terminals that are not in it.
        above: set[bytes] = set()
        out: list[bytes] = []
        for node in version.nodes():
            if node.flags & (OCCLUDED | HASHED):
                continue
            # Without its cache, which is for the names that clients ask for.
            label = hashed.__wrapped__(node.key + apex, rounds, salt)
            found = records.get(label)
            if found is not None:
                found.used = True
                self._types(found.owner, node, found.bitmap, NSEC3, _expected(node))
                key = node.key
                while key and (key := parentKey(key)) and key not in above:
                    above.add(key)
            elif not self._mayBeOut(node, labels, label, records):
                self.say("nsec-missing", node.key + apex, "no NSEC3 record", NSEC3)
            elif not node.sets:
                out.append(node.key)
        for key in out:
            if key in above:
                self.say("nsec-missing", key + apex, "no NSEC3 record, though there is one of a name below", NSEC3)
        for record in records.values():
            if not record.used:
                self.say("nsec-extra", record.owner, "an NSEC3 record whose hash is of no name here", NSEC3)

    def _hashes(self, parameters: tuple[int, int, bytes]) -> dict[bytes, _Hash]:
        """
        Return the records of the chain that NSEC3PARAM announces, by their labels.
        """
        records: dict[bytes, _Hash] = {}
        algorithm, rounds, salt = parameters
        start = bytes([algorithm])
        behind = rounds.to_bytes(2, "big") + bytes([len(salt)]) + salt
        for node in self.version.nodes():
            rrset = node.of(NSEC3)
            if rrset is None:
                continue
            for rdata in rrset.rdatas:
                if rdata[:1] == start and rdata[2 : 2 + len(behind)] == behind:
                    records[node.key[1:]] = _Hash(rrset.name, rdata, 2 + len(behind))
        return records

    def _mayBeOut(self, node: Node, labels: list[bytes], label: bytes, records: dict[bytes, _Hash]) -> bool:
        """
        Return whether the name may be missing in the chain: an insecure delegation or an empty non-terminal, in an opt-out span (RFC 5155,
        section 6). For an empty non-terminal, all names below have to be missing as well, which is not checked here.
        """
        if not labels or (node.sets and (not node.flags & CUT or node.of(DS) is not None)):
            return False
        return records[labels[bisect_right(labels, label) - 1]].optOut


class _Hash:
    __slots__ = ("owner", "following", "octets", "bitmap", "optOut", "used")

    def __init__(self, owner: bytes, rdata: bytes, position: int) -> None:
        self.owner = owner
        length = self.octets = rdata[position] if position < len(rdata) else 0
        self.following = toBase32Hex(rdata[position + 1 : position + 1 + length]).encode().lower()
        self.bitmap = rdata[position + 1 + length :]
        self.optOut = bool(rdata[1] & 1)
        self.used = False


def _expected(node: Node) -> frozenset[int]:
    """
    Return the types that the chain should list at a name.
    """
    types = frozenset(node.types)
    if node.flags & CUT:
        types &= _PROVED_AT_CUTS
    return types - {NSEC3} if node.key else types


def _apart(later: int, earlier: int) -> int:
    """
    Return the seconds from C{earlier} to C{later} in serial arithmetic of 32 bits, negative if C{later} comes first.
    """
    return (later - earlier + 0x80000000 & 0xFFFFFFFF) - 0x80000000


def _listed(types: frozenset[int]) -> str:
    return ", ".join([typeName(rrType) for rrType in sorted(types)])
