"""
The keys, DS records and signatures of a zone at a time, with the faults that it has been given.
"""

from __future__ import annotations

from typing import Final

from twisted_ext.dnssec.algorithms import ECDSA_P256, ECDSA_P384, ED25519, digestOf
from twisted_ext.dnssec.keys import REVOKED, SECURE_ENTRY_POINT, ZONE, keyTag
from twisted_ext.dnssec.signatures import Signature, signedData
from twisted_ext.testing.internet.faults import Fault, Faults
from twisted_ext.testing.internet.keyplans import DAY, KeyPlan, KeyState, PlannedKey
from twisted_ext.testing.internet.seededsigner import SigningKey
from twisted_ext.wire.names import parentOf
from twisted_ext.wire.records import RRSet
from twisted_ext.wire.rrtypes import CDNSKEY, CDS, DNSKEY, DS, TXT

__all__ = ["NO_DIGEST", "NO_DS", "PLACEHOLDER", "UNKNOWN_ALGORITHM", "UNKNOWN_DIGEST", "SigningZone"]

#: Unassigned numbers of algorithms and digest types.
UNKNOWN_ALGORITHM: Final = 100
UNKNOWN_DIGEST: Final = 100

#: Times in signatures have 32 bits (RFC 4034, section 3.1.5).
_TIME: Final = 0xFFFFFFFF

#: Types that the key with the DS record signs.
_OF_KEYS: Final = frozenset((DNSKEY, CDS, CDNSKEY))

#: The signer for a wrong one: a sibling of the zone.
_SIBLING: Final = b"\x0cnot-the-zone"

#: Signatures that each zone remembers, between two rollovers or renewals.
_REMEMBERED: Final = 8192


class _Placeholder(SigningKey):
    """
    A key that makes empty signatures.
    """

    __slots__ = ()

    def signature(self, data: bytes) -> bytes:
        return b""


#: What zones are built with, since their keys and signatures depend on the time: answers get the real ones instead.
PLACEHOLDER: Final = _Placeholder(0, ZONE | SECURE_ENTRY_POINT, b"", bytes)

#: The same for DS and ZONEMD records.
NO_DS: Final = bytes(5)
NO_DIGEST: Final = bytes(54)


def _other(algorithm: int) -> int:
    return ECDSA_P384 if algorithm == ECDSA_P256 else ECDSA_P256


class SigningZone:
    """
    The keys of a zone and what is made with them.

    @ivar apex: the zone's name, folded.
    @ivar plan: which keys it has, and when.
    @ivar parent: that of the parent, L{None} for the root and below unsigned zones.
    """

    __slots__ = ("apex", "plan", "parent", "_seed", "_start", "_state", "_memory", "_memoryOf")

    def __init__(self, apex: bytes, plan: KeyPlan, seed: bytes, start: float) -> None:
        """
        @param seed: what the keys are derived from.
        @param start: Unix seconds from which lifetimes are counted.
        """
        self.apex = apex
        self.plan = plan
        self.parent: SigningZone | None = None
        self._seed = seed
        self._start = start
        self._state: KeyState | None = None
        # Signatures of this renewal with these keys.
        self._memory: dict[tuple[bytes, int, int, tuple[bytes, ...]], tuple[bytes, ...]] = {}
        self._memoryOf = (0, 0.0)

    def state(self, now: float) -> KeyState:
        """
        Return the keys at a time, without faults.
        """
        state = self._state
        if state is None or not state.since <= now < state.until:
            state = self._state = self.plan.at(self._seed, self._start, now)
        return state

    # -- keys

    def keys(self, now: float, faults: Faults) -> tuple[bytes, ...]:
        """
        Return the rdatas of the DNSKEY records.
        """
        planned = [key for key in self._planned(now, faults) if key.published]
        apex = self.apex
        if faults:
            if faults.hit(Fault.NO_KEYS, apex, DNSKEY):
                return ()
            if faults.hit(Fault.MISSING_KEY, apex, DNSKEY):
                planned = [key for key in planned if not key.signsZone] or [PlannedKey(self.plan.spare(self._seed))]
        rdatas: list[bytes] = []
        for key in planned:
            rdata = self._rdata(key, faults)
            if faults:
                if faults.hit(Fault.WRONG_KEY_ALGORITHM, apex, DNSKEY):
                    rdata = rdata[:3] + bytes((_other(key.key.algorithm),)) + rdata[4:]
                if faults.hit(Fault.WRONG_PUBLIC_KEY, apex, DNSKEY):
                    # The first octets of an RSA key are the length of its exponent.
                    rdata = rdata[:10] + bytes((rdata[10] ^ 1,)) + rdata[11:]
            rdatas.append(rdata)
        return tuple(rdatas)

    def _planned(self, now: float, faults: Faults) -> tuple[PlannedKey, ...]:
        keys = self.state(now).keys
        if faults and faults.hit(Fault.MISSING_ALGORITHM, self.apex, DNSKEY):
            other = ECDSA_P256 if self.plan.algorithms[0] == ED25519 else ED25519
            keys = (*keys, PlannedKey(self.plan.spare(self._seed, other), delegated=True))
        return keys

    def _rdata(self, key: PlannedKey, faults: Faults) -> bytes:
        """
        Return the DNSKEY record that tags and digests are made of.
        """
        rdata = key.key.dnskey
        if not faults:
            return rdata
        flags = key.key.flags
        if faults.hit(Fault.NOT_A_ZONE_KEY, self.apex, DNSKEY):
            flags &= ~ZONE
        if flags & SECURE_ENTRY_POINT and faults.hit(Fault.REVOKED_KEY, self.apex, DNSKEY):
            flags |= REVOKED
        if faults.hit(Fault.WRONG_KEY_PROTOCOL, self.apex, DNSKEY):
            rdata = rdata[:2] + b"\x02" + rdata[3:]
        rdata = flags.to_bytes(2, "big") + rdata[2:]
        if faults.hit(Fault.UNSUPPORTED_ALGORITHM, self.apex, DNSKEY):
            rdata = rdata[:3] + bytes((UNKNOWN_ALGORITHM,)) + rdata[4:]
        return rdata

    # -- DS records

    def delegation(self, now: float, faults: Faults) -> tuple[bytes, ...]:
        """
        Return the rdatas of the DS records for the parent.
        """
        apex = self.apex
        rdatas: list[bytes] = []
        for key in self._planned(now, faults):
            if not key.delegated:
                continue
            rdata = self._rdata(key, faults)
            if faults and faults.hit(Fault.DS_OF_OTHER_KEY, apex, DS):
                rdata = self.plan.spare(self._seed).dnskey
            tag, algorithm = keyTag(rdata), rdata[3]
            for digestType in self.plan.digests:
                digest = digestOf(apex, rdata, digestType) or b""
                number = digestType
                if faults:
                    if faults.hit(Fault.WRONG_DIGEST, apex, DS):
                        digest = digest[:-1] + bytes((digest[-1] ^ 1,))
                    if faults.hit(Fault.WRONG_DS_TAG, apex, DS):
                        tag = keyTag(rdata) ^ 1
                    if faults.hit(Fault.WRONG_DS_ALGORITHM, apex, DS):
                        algorithm = _other(rdata[3])
                    if faults.hit(Fault.UNSUPPORTED_DIGEST, apex, DS):
                        number = UNKNOWN_DIGEST
                rdatas.append(tag.to_bytes(2, "big") + bytes((algorithm, number)) + digest)
        return tuple(rdatas)

    # -- signatures

    def signatures(self, owner: bytes, labels: int, ttl: int, rrset: RRSet, now: float, faults: Faults) -> tuple[bytes, ...]:
        """
        Sign records.

        @param owner: the folded owner, the wildcard's if the records are expanded from one.
        @param labels: the labels of the owner as signatures count them.
        @param ttl: the original TTL.
        @param faults: those that affect the zone and the server.

        @return: the rdatas of the RRSIG records.
        """
        rrType = rrset.rrType
        records = RRSet(owner, rrType, rrset.rrClass, ttl, rrset.rdatas)
        if faults:
            if faults.hit(Fault.MISSING_SIGNATURE, owner, rrType):
                return ()
            return tuple([self._faulty(key, labels, records, now, faults) for key in self._signers(owner, rrType, now, faults)])
        window, state = self.renewed(now), self.state(now)
        memory = self._memory
        if self._memoryOf != (window, state.since) or len(memory) > _REMEMBERED:
            memory.clear()
            self._memoryOf = (window, state.since)
        known = (owner, rrType, ttl, rrset.rdatas)
        made = memory.get(known)
        if made is None:
            inception, expiration = self._period(window)
            made = memory[known] = tuple([
                _sign(each.key, records, Signature(
                    rrType, each.key.algorithm, labels, ttl, expiration & _TIME, inception & _TIME, each.key.tag, self.apex
                ))
                for each in self._signers(owner, rrType, now, faults)
            ])  # fmt: skip
        return made

    def _signers(self, owner: bytes, rrType: int, now: float, faults: Faults) -> list[PlannedKey]:
        ofKeys = rrType in _OF_KEYS and owner == self.apex
        planned = self._planned(now, faults)
        if faults and rrType == DNSKEY and faults.hit(Fault.KEYS_NOT_SIGNED_BY_ANCHOR, owner, rrType):
            return [key for key in planned if key.signsZone and not key.delegated] or [PlannedKey(self.plan.spare(self._seed))]
        return [key for key in planned if (key.signsKeys if ofKeys else key.signsZone)]

    def renewed(self, now: float) -> int:
        """
        Return when the records were last signed.
        """
        start, refresh = int(self._start), self.plan.refresh
        return start + (int(now) - start) // refresh * refresh

    def _period(self, window: int) -> tuple[int, int]:
        return window - self.plan.offset, window + self.plan.validity

    def _faulty(self, planned: PlannedKey, labels: int, records: RRSet, now: float, faults: Faults) -> bytes:
        owner, rrType, ttl = records.name, records.rrType, records.ttl

        def hit(fault: Fault) -> bool:
            return faults.hit(fault, owner, rrType)

        key, signer = planned.key, self.apex
        rdata = self._rdata(planned, faults)
        tag, algorithm = keyTag(rdata), rdata[3]
        frozen = faults.since(Fault.NOT_RESIGNED, owner, rrType)
        window = self.renewed(now if frozen is None else frozen)
        inception, expiration = self._period(window)
        if hit(Fault.EXPIRED):
            inception, expiration = window - self.plan.validity, window - 1
        if hit(Fault.NOT_YET_VALID):
            inception = window + self.plan.refresh + DAY
            expiration = inception + self.plan.validity
        if hit(Fault.EXPIRED_BEFORE_VALID):
            inception, expiration = expiration, inception
        if hit(Fault.WRONG_SIGNER):
            signer = _SIBLING + parentOf(self.apex)
        if hit(Fault.SIGNED_BY_ANCESTOR) and self.parent is not None:
            above = self.parent
            ancestor = next((each for each in above.state(now).keys if each.signsZone), None)
            if ancestor is not None:
                key, signer = ancestor.key, above.apex
                tag, algorithm = key.tag, key.algorithm
        if hit(Fault.WRONG_SIGNATURE_TAG):
            tag ^= 1
        if hit(Fault.WRONG_SIGNATURE_ALGORITHM):
            algorithm = _other(algorithm)
        if hit(Fault.TOO_MANY_LABELS):
            labels += 1
        covered = TXT if hit(Fault.SIGNATURE_OF_OTHER_TYPE) else rrType
        signature = Signature(covered, algorithm, labels, ttl, expiration & _TIME, inception & _TIME, tag, signer)
        made = rrType.to_bytes(2, "big") + _sign(key, records, signature)[2:]
        if hit(Fault.CORRUPT_SIGNATURE):
            made = made[:-1] + bytes((made[-1] ^ 1,))
        if hit(Fault.WRONG_ORIGINAL_TTL):
            made = made[:4] + (ttl + 1).to_bytes(4, "big") + made[8:]
        return made


def _sign(key: SigningKey, records: RRSet, signature: Signature) -> bytes:
    return signature.head + key.signature(signedData(records, signature))
