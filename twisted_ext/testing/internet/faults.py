"""
Faults that an internet can be given: servers that misbehave, and zones that are signed wrongly.

Each L{Fault} is one deviation; all else stays as it should be. A fault is set on a zone or on a server, at any time and for as long as
wanted::

    internet.inject(Fault.DEAD, "ns1.example.org")
    internet.inject(Fault.EXPIRED, "example.org", name="www.example.org", rrType="A")
    internet.clear(Fault.DEAD, "ns1.example.org")

On a zone it holds for all servers of that zone and for the names in it; on a server it holds for all zones that it serves. C{name} and
C{rrType} restrict it to questions for them or, for faults of signatures, to signatures of these records.
"""

from __future__ import annotations

from difflib import get_close_matches
from enum import Enum
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Fault", "FaultSet", "Faults", "faultFrom"]


class Fault(Enum):
    """
    One deviation. Where validators notice it, the extended error (RFC 8914) that describes it best is given as EDE.

    Servers:

    @cvar DEAD: it does not reply; connections are accepted, and nothing comes back on them.
    @cvar CLOSED: nothing listens: an ICMP error for UDP, a refused connection for TCP. For servers only.
    @cvar SERVFAIL: it replies SERVFAIL.
    @cvar REFUSES: it replies REFUSED. On a zone, this is a lame delegation.
    @cvar NOT_IMPLEMENTED: it replies NOTIMP.
    @cvar LAME_UPWARD: it refers to the root, as old lame servers do.
    @cvar LAME_EMPTY: it replies NOERROR without AA and without records.
    @cvar NOT_AUTHORITATIVE: it replies as usual, but without AA.
    @cvar SELF_REFERRAL: it refers to the zone that it was asked as the server of.
    @cvar FORMERR_EDNS: it replies FORMERR, in a bare header, to queries with EDNS.
    @cvar IGNORES_EDNS: it replies without OPT and as if there were none in the query.
    @cvar BADVERS: it replies BADVERS to queries with EDNS.
    @cvar DROPS_EDNS: it does not reply to queries with EDNS.
    @cvar DROPS_DO: it does not reply to queries with DO.
    @cvar STRIPS_DO: it replies with EDNS, but without DO, signatures, proofs and DS records.
    @cvar STRIPS_SIGNATURES: it echoes DO, but removes all signatures.
    @cvar TCP_ONLY: it does not reply over UDP.
    @cvar UDP_ONLY: it does not reply over TCP.
    @cvar TRUNCATES: over UDP it replies with TC and without records.
    @cvar CHANGES_CASE: it replies with the question and the owners in lower case.
    @cvar WRONG_ID: it replies with another ID.
    @cvar WRONG_QUESTION: it replies with another name in the question.
    @cvar NO_QUESTION: it replies without a question.
    @cvar GARBAGE: it replies with octets that are not a message.
    @cvar WRONG_COOKIE: it replies with a client cookie that was not sent, as one who spoofs does.
    @cvar BADCOOKIE: over UDP it replies BADCOOKIE to queries whose cookie does not have its own part yet.
    @cvar EMPTY_IS_NXDOMAIN: it replies NXDOMAIN for empty non-terminals (RFC 8020 violated).
    @cvar MINIMISED_REFUSED: it replies REFUSED for empty non-terminals, and to NS queries for names that are not the apex of a zone.
    @cvar LIES: it replies with other data for A, AAAA and TXT; with the original signatures, so validators find them wrong. EDE 6.
    @cvar EXTRA_RECORDS: it adds records that it has no authority for: NS records of the zone above, and addresses of names elsewhere.
    @cvar DENIES: it replies NXDOMAIN for names that exist, with the SOA record and its signature as the only proof. EDE 12.

    Signatures:

    @cvar MISSING_SIGNATURE: they are removed. EDE 10.
    @cvar EXPIRED: they have expired. EDE 7.
    @cvar NOT_YET_VALID: their validity has not begun. EDE 8.
    @cvar EXPIRED_BEFORE_VALID: they expire before they become valid. EDE 25.
    @cvar NOT_RESIGNED: from when the fault is set, no record is signed again: the signatures run out. EDE 7.
    @cvar WRONG_SIGNER: they name another zone as signer. EDE 6.
    @cvar SIGNED_BY_ANCESTOR: they are made by the parent's key and name it as signer. EDE 6.
    @cvar CORRUPT_SIGNATURE: one bit of the signature is wrong. EDE 6.
    @cvar SIGNATURE_OF_OTHER_TYPE: they were made for another type. EDE 6.
    @cvar WRONG_SIGNATURE_TAG: they have a wrong key tag. EDE 9 or 6.
    @cvar WRONG_SIGNATURE_ALGORITHM: they have another algorithm than the key. EDE 9 or 6.
    @cvar WRONG_ORIGINAL_TTL: their original TTL is wrong. EDE 6.
    @cvar TOO_MANY_LABELS: they have more labels than the owner. EDE 6.

    Keys:

    @cvar MISSING_KEY: the key that signs the zone is not published. EDE 9.
    @cvar NO_KEYS: there are no DNSKEY records. EDE 9.
    @cvar KEYS_NOT_SIGNED_BY_ANCHOR: the keys are signed, but not by the one with the DS record. EDE 6 or 9.
    @cvar NOT_A_ZONE_KEY: the keys lack the zone key flag. EDE 11.
    @cvar REVOKED_KEY: the key with the DS record is revoked. EDE 9.
    @cvar WRONG_KEY_PROTOCOL: the keys have a protocol other than 3. EDE 6 or 9.
    @cvar WRONG_KEY_ALGORITHM: the keys have another algorithm than the signatures and DS records. EDE 9.
    @cvar WRONG_PUBLIC_KEY: the octets of the published keys are wrong. EDE 9.
    @cvar UNSUPPORTED_ALGORITHM: keys, signatures and DS records have an unknown algorithm: insecure. EDE 1.
    @cvar MISSING_ALGORITHM: keys and DS records of two algorithms, signatures of one: still secure (RFC 6840, section 5.11).

    Delegations (set on the zone that is delegated):

    @cvar WRONG_DIGEST: the digest of the DS record is wrong. EDE 9.
    @cvar DS_OF_OTHER_KEY: the DS record is that of a key that the zone does not have. EDE 9.
    @cvar WRONG_DS_TAG: the DS record has a wrong key tag. EDE 9.
    @cvar WRONG_DS_ALGORITHM: the DS record has another algorithm than the key. EDE 9.
    @cvar UNSUPPORTED_DIGEST: the DS record has an unknown digest type: insecure. EDE 2.
    @cvar STRIPPED_DS: referrals have neither DS records nor a proof that there are none. EDE 12.

    Proofs:

    @cvar MISSING_NSEC: negative answers have no NSEC and NSEC3 records. EDE 12.
    @cvar WRONG_NSEC: they have those of other names. EDE 6 or 12.
    @cvar WILDCARD_WITHOUT_PROOF: answers from a wildcard have no proof that the name itself does not exist. EDE 12.
    @cvar NSEC3_ITERATIONS: the zone has 150 additional NSEC3 iterations, which validators may treat as insecure. EDE 27. For zones only.
    """

    DEAD = "dead"
    CLOSED = "closed"
    SERVFAIL = "servfail"
    REFUSES = "refuses"
    NOT_IMPLEMENTED = "not-implemented"
    LAME_UPWARD = "lame-upward"
    LAME_EMPTY = "lame-empty"
    NOT_AUTHORITATIVE = "not-authoritative"
    SELF_REFERRAL = "self-referral"
    FORMERR_EDNS = "formerr-edns"
    IGNORES_EDNS = "ignores-edns"
    BADVERS = "badvers"
    DROPS_EDNS = "drops-edns"
    DROPS_DO = "drops-do"
    STRIPS_DO = "strips-do"
    STRIPS_SIGNATURES = "strips-signatures"
    TCP_ONLY = "tcp-only"
    UDP_ONLY = "udp-only"
    TRUNCATES = "truncates"
    CHANGES_CASE = "changes-case"
    WRONG_ID = "wrong-id"
    WRONG_QUESTION = "wrong-question"
    NO_QUESTION = "no-question"
    GARBAGE = "garbage"
    WRONG_COOKIE = "wrong-cookie"
    BADCOOKIE = "badcookie"
    EMPTY_IS_NXDOMAIN = "empty-is-nxdomain"
    MINIMISED_REFUSED = "minimised-refused"
    LIES = "lies"
    EXTRA_RECORDS = "extra-records"
    DENIES = "denies"

    MISSING_SIGNATURE = "missing-signature"
    EXPIRED = "expired"
    NOT_YET_VALID = "not-yet-valid"
    EXPIRED_BEFORE_VALID = "expired-before-valid"
    NOT_RESIGNED = "not-resigned"
    WRONG_SIGNER = "wrong-signer"
    SIGNED_BY_ANCESTOR = "signed-by-ancestor"
    CORRUPT_SIGNATURE = "corrupt-signature"
    SIGNATURE_OF_OTHER_TYPE = "signature-of-other-type"
    WRONG_SIGNATURE_TAG = "wrong-signature-tag"
    WRONG_SIGNATURE_ALGORITHM = "wrong-signature-algorithm"
    WRONG_ORIGINAL_TTL = "wrong-original-ttl"
    TOO_MANY_LABELS = "too-many-labels"

    MISSING_KEY = "missing-key"
    NO_KEYS = "no-keys"
    KEYS_NOT_SIGNED_BY_ANCHOR = "keys-not-signed-by-anchor"
    NOT_A_ZONE_KEY = "not-a-zone-key"
    REVOKED_KEY = "revoked-key"
    WRONG_KEY_PROTOCOL = "wrong-key-protocol"
    WRONG_KEY_ALGORITHM = "wrong-key-algorithm"
    WRONG_PUBLIC_KEY = "wrong-public-key"
    UNSUPPORTED_ALGORITHM = "unsupported-algorithm"
    MISSING_ALGORITHM = "missing-algorithm"

    WRONG_DIGEST = "wrong-digest"
    DS_OF_OTHER_KEY = "ds-of-other-key"
    WRONG_DS_TAG = "wrong-ds-tag"
    WRONG_DS_ALGORITHM = "wrong-ds-algorithm"
    UNSUPPORTED_DIGEST = "unsupported-digest"
    STRIPPED_DS = "stripped-ds"

    MISSING_NSEC = "missing-nsec"
    WRONG_NSEC = "wrong-nsec"
    WILDCARD_WITHOUT_PROOF = "wildcard-without-proof"
    NSEC3_ITERATIONS = "nsec3-iterations"


def faultFrom(given: Fault | str) -> Fault:
    """
    Return a fault.

    @param given: the fault, or its value, such as C{"expired"}.

    @raise ValueError: there is no such fault.
    """
    try:
        return Fault(given)
    except ValueError:
        near = get_close_matches(str(given).lower().replace("_", "-"), [each.value for each in Fault], 1)
        raise ValueError(f"{given!r} is not a fault" + (f"; did you mean {near[0]!r}?" if near else "; Fault lists them")) from None


#: What a fault is restricted to, a folded name and a type, and the Unix time at which it was set.
_Scope = tuple[bytes | None, int | None, float]


class FaultSet:
    """
    The faults of a zone or a server.
    """

    __slots__ = ("_scopes",)

    def __init__(self) -> None:
        self._scopes: dict[Fault, list[_Scope]] = {}

    def __bool__(self) -> bool:
        return bool(self._scopes)

    def __iter__(self) -> Iterator[Fault]:
        return iter(self._scopes)

    def add(self, fault: Fault, name: bytes | None, rrType: int | None, now: float) -> None:
        """
        Set a fault.

        @param name: a folded name, or L{None} for all.
        @param rrType: a type, or L{None} for all.
        """
        scopes = self._scopes.setdefault(fault, [])
        if not any(scope[:2] == (name, rrType) for scope in scopes):
            scopes.append((name, rrType, now))

    def remove(self, fault: Fault | None) -> None:
        """
        Remove a fault, or all.
        """
        if fault is None:
            self._scopes.clear()
        else:
            self._scopes.pop(fault, None)

    def since(self, fault: Fault, name: bytes, rrType: int) -> float | None:
        """
        Return when a fault was set that affects these records, or L{None}.
        """
        for only, kind, at in self._scopes.get(fault, ()):
            if (only is None or only == name) and (kind is None or kind == rrType):
                return at
        return None


class Faults:
    """
    The faults that affect one reply: those of its zone and of the server.
    """

    __slots__ = ("_sets",)

    def __init__(self, *sets: FaultSet) -> None:
        self._sets = tuple([each for each in sets if each])

    def __bool__(self) -> bool:
        return bool(self._sets)

    def since(self, fault: Fault, name: bytes, rrType: int) -> float | None:
        """
        Return when a fault was set that affects these records, or L{None}.

        @param name: folded.
        """
        for each in self._sets:
            at = each.since(fault, name, rrType)
            if at is not None:
                return at
        return None

    def hit(self, fault: Fault, name: bytes, rrType: int) -> bool:
        """
        Return whether a fault affects these records.

        @param name: folded.
        """
        return bool(self._sets) and self.since(fault, name, rrType) is not None


#: No faults.
NONE: Final = Faults()
