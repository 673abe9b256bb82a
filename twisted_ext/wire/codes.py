"""
Header and EDNS code points with their mnemonics (IANA's DNS parameters). Record types are in L{twisted_ext.wire.rrtypes}.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Final

__all__ = [
    "Opcode",
    "Rcode",
    "QR",
    "AA",
    "TC",
    "RD",
    "RA",
    "Z",
    "AD",
    "CD",
    "CO",
    "DO",
    "IN",
    "CH",
    "HS",
    "NONE",
    "ANY_CLASS",
    "CLASS_NAMES",
    "EDE_NAMES",
    "Ede",
    "OPTION_NAMES",
    "className",
    "classNumber",
    "rcodeName",
]


class Opcode(IntEnum):
    """
    The kind of a message (RFC 1035, section 4.1.1; RFC 1996; RFC 2136; RFC 8490).
    """

    QUERY = 0
    IQUERY = 1
    STATUS = 2
    NOTIFY = 4
    UPDATE = 5
    DSO = 6


class Rcode(IntEnum):
    """
    The result of a request (RFC 1035, section 4.1.1; RFC 2136, section 2.2; RFC 6891, section 6.1.3; RFC 8945; RFC 7873).
    """

    NOERROR = 0
    FORMERR = 1
    SERVFAIL = 2
    NXDOMAIN = 3
    NOTIMP = 4
    REFUSED = 5
    YXDOMAIN = 6
    YXRRSET = 7
    NXRRSET = 8
    NOTAUTH = 9
    NOTZONE = 10
    DSOTYPENI = 11
    BADVERS = 16
    BADKEY = 17
    BADTIME = 18
    BADMODE = 19
    BADNAME = 20
    BADALG = 21
    BADTRUNC = 22
    BADCOOKIE = 23


class Ede(IntEnum):
    """
    Info codes of the extended errors that servers of this package send (RFC 8914). C{docs/securitystates.py} makes a table of this.

    @cvar OTHER: The text says what failed.
    @cvar UNSUPPORTED_DNSKEY_ALGORITHM: The zone is signed only with algorithms that are not supported, or that RFC 9904 retires. Its data
        is insecure.
    @cvar UNSUPPORTED_DS_DIGEST: The DS records of the zone have only digests that are not supported. Its data is insecure.
    @cvar STALE_ANSWER: The servers did not answer in time, so the answer is an expired one from the cache. Bogus data is never used.
    @cvar DNSSEC_INDETERMINATE: The DS records that would decide could not be fetched. Look at the servers of the parent zone.
    @cvar DNSSEC_BOGUS: A signature is wrong, or a proof does not fit. The data was changed after it was signed, or the signer failed.
    @cvar SIGNATURE_EXPIRED: A signature has expired. The zone was not signed again in time, or the clock of the resolver is ahead.
    @cvar SIGNATURE_NOT_YET_VALID: A signature is valid only later. The clock of the signer is ahead, or that of the resolver is behind.
    @cvar DNSKEY_MISSING: None of the zone's keys is the one that the DS record, the trust anchor or the signature names: after a rollover
        that did not change the DS record, or as long as the keys cannot be fetched.
    @cvar RRSIGS_MISSING: The zone is signed, but the records came without a signature: a server or a forwarder in between strips them, or
        the zone is signed in part.
    @cvar NO_ZONE_KEY_BIT: The key is not one of a zone: its flags lack the zone key bit.
    @cvar NSEC_MISSING: Nothing proves that the name or the type does not exist, or that the zone is not signed.
    @cvar CACHED_ERROR: The look-up failed a short time ago and is not repeated yet.
    @cvar NOT_READY: The server is starting, or the zone is not loaded.
    @cvar FILTERED: The answer has private addresses, and C{stop-rebinding} is set.
    @cvar PROHIBITED: This client may not ask this.
    @cvar STALE_NXDOMAIN: As 3, for a name that did not exist.
    @cvar NOT_AUTHORITATIVE: The name is in no zone of this server, which does not resolve other names.
    @cvar NOT_SUPPORTED: The server does not support the operation, the class or the type.
    @cvar NO_REACHABLE_AUTHORITY: No server replied. The text names those that were tried.
    @cvar NETWORK_ERROR: A server cannot be reached, or its replies are malformed.
    @cvar INVALID_DATA: The data of the zone cannot be used: its authoritative server failed to load it, or a key has a wrong format.
    @cvar SIGNATURE_EXPIRED_BEFORE_VALID: A signature expires before it is valid: the signer is misconfigured.
    @cvar UNSUPPORTED_NSEC3_ITERATIONS: The zone hashes its names more than 50 times (RFC 9276). Its denials are insecure.
    @cvar NEGATIVE_TRUST_ANCHOR: The operator of this server has suspended the validation of the zone for a time (RFC 7646). The text names
        where.
    """

    OTHER = 0
    UNSUPPORTED_DNSKEY_ALGORITHM = 1
    UNSUPPORTED_DS_DIGEST = 2
    STALE_ANSWER = 3
    DNSSEC_INDETERMINATE = 5
    DNSSEC_BOGUS = 6
    SIGNATURE_EXPIRED = 7
    SIGNATURE_NOT_YET_VALID = 8
    DNSKEY_MISSING = 9
    RRSIGS_MISSING = 10
    NO_ZONE_KEY_BIT = 11
    NSEC_MISSING = 12
    CACHED_ERROR = 13
    NOT_READY = 14
    FILTERED = 17
    PROHIBITED = 18
    STALE_NXDOMAIN = 19
    NOT_AUTHORITATIVE = 20
    NOT_SUPPORTED = 21
    NO_REACHABLE_AUTHORITY = 22
    NETWORK_ERROR = 23
    INVALID_DATA = 24
    SIGNATURE_EXPIRED_BEFORE_VALID = 25
    UNSUPPORTED_NSEC3_ITERATIONS = 27
    NEGATIVE_TRUST_ANCHOR = 33


# Bits of the header's second pair of octets.
QR: Final = 0x8000
AA: Final = 0x0400
TC: Final = 0x0200
RD: Final = 0x0100
RA: Final = 0x0080
Z: Final = 0x0040
AD: Final = 0x0020
CD: Final = 0x0010

#: The DO flag of an OPT record, which requests DNSSEC records (RFC 3225).
DO: Final = 0x8000
#: Compact answers are understood (draft-ietf-dnsop-compact-denial-of-existence).
CO: Final = 0x4000

IN: Final = 1
CH: Final = 3
HS: Final = 4
NONE: Final = 254
ANY_CLASS: Final = 255

CLASS_NAMES: Final = {IN: "IN", CH: "CH", HS: "HS", NONE: "NONE", ANY_CLASS: "ANY"}

_CLASS_NUMBERS: Final = {name: number for number, name in CLASS_NAMES.items()}

#: Info codes of extended errors (RFC 8914, section 4, and its registry).
EDE_NAMES: Final = {
    0: "Other Error",
    1: "Unsupported DNSKEY Algorithm",
    2: "Unsupported DS Digest Type",
    3: "Stale Answer",
    4: "Forged Answer",
    5: "DNSSEC Indeterminate",
    6: "DNSSEC Bogus",
    7: "Signature Expired",
    8: "Signature Not Yet Valid",
    9: "DNSKEY Missing",
    10: "RRSIGs Missing",
    11: "No Zone Key Bit Set",
    12: "NSEC Missing",
    13: "Cached Error",
    14: "Not Ready",
    15: "Blocked",
    16: "Censored",
    17: "Filtered",
    18: "Prohibited",
    19: "Stale NXDOMAIN Answer",
    20: "Not Authoritative",
    21: "Not Supported",
    22: "No Reachable Authority",
    23: "Network Error",
    24: "Invalid Data",
    25: "Signature Expired before Valid",
    26: "Too Early",
    27: "Unsupported NSEC3 Iterations Value",
    28: "Unable to conform to policy",
    29: "Synthesized",
    30: "Invalid Query Type",
    33: "Negative Trust Anchor",
}

OPTION_NAMES: Final = {
    1: "LLQ",
    2: "UL",
    3: "NSID",
    5: "DAU",
    6: "DHU",
    7: "N3U",
    8: "ECS",
    9: "EXPIRE",
    10: "COOKIE",
    11: "KEEPALIVE",
    12: "PADDING",
    13: "CHAIN",
    14: "KEYTAG",
    15: "EDE",
    16: "CLIENTTAG",
    17: "SERVERTAG",
    18: "REPORTCHANNEL",
    19: "ZONEVERSION",
}


def className(number: int) -> str:
    """
    Return the mnemonic, or C{CLASS12345} (RFC 3597, section 5).
    """
    return CLASS_NAMES.get(number) or f"CLASS{number}"


def classNumber(text: str) -> int | None:
    """
    Return the number of a class given as mnemonic or as C{CLASS12345}, or L{None} if the text is neither.
    """
    upper = text.upper()
    number = _CLASS_NUMBERS.get(upper)
    if number is None and upper.startswith("CLASS") and upper[5:].isascii() and upper[5:].isdigit() and len(upper) <= 10:
        number = int(upper[5:])
        if number > 0xFFFF:
            return None
    return number


def rcodeName(number: int) -> str:
    """
    Return the mnemonic, or C{RCODE4095}.
    """
    try:
        return Rcode(number).name
    except ValueError:
        return f"RCODE{number}"
