"""
Record types by number and mnemonic (IANA's registry of resource record types).

This includes types that share the rdata format of another type or have none. The rdata formats are declared in the modules listed in
L{twisted_ext.wire.rdata.registry}.
"""

from __future__ import annotations

from typing import Final

from twisted_ext.errors import BadRecord, WrongType

__all__ = [
    "A",
    "NS",
    "MD",
    "MF",
    "CNAME",
    "SOA",
    "MB",
    "MG",
    "MR",
    "NULL",
    "WKS",
    "PTR",
    "HINFO",
    "MINFO",
    "MX",
    "TXT",
    "RP",
    "AFSDB",
    "X25",
    "ISDN",
    "RT",
    "NSAP",
    "NSAP_PTR",
    "SIG",
    "KEY",
    "PX",
    "GPOS",
    "AAAA",
    "LOC",
    "NXT",
    "EID",
    "NIMLOC",
    "SRV",
    "ATMA",
    "NAPTR",
    "KX",
    "CERT",
    "A6",
    "DNAME",
    "SINK",
    "OPT",
    "APL",
    "DS",
    "SSHFP",
    "IPSECKEY",
    "RRSIG",
    "NSEC",
    "DNSKEY",
    "DHCID",
    "NSEC3",
    "NSEC3PARAM",
    "TLSA",
    "SMIMEA",
    "HIP",
    "NINFO",
    "RKEY",
    "TALINK",
    "CDS",
    "CDNSKEY",
    "OPENPGPKEY",
    "CSYNC",
    "ZONEMD",
    "SVCB",
    "HTTPS",
    "DSYNC",
    "HHIT",
    "BRID",
    "SPF",
    "UINFO",
    "UID",
    "GID",
    "UNSPEC",
    "NID",
    "L32",
    "L64",
    "LP",
    "EUI48",
    "EUI64",
    "NXNAME",
    "TKEY",
    "TSIG",
    "IXFR",
    "AXFR",
    "MAILB",
    "MAILA",
    "ANY",
    "URI",
    "CAA",
    "AVC",
    "DOA",
    "AMTRELAY",
    "RESINFO",
    "WALLET",
    "CLA",
    "IPN",
    "TA",
    "DLV",
    "DELEG",
    "ALIAS",
    "DELEGPARAM",
    "TYPE_NAMES",
    "TYPE_NUMBERS",
    "INTERNET_ONLY",
    "addMnemonic",
    "expectType",
    "formOf",
    "isMeta",
    "typeName",
    "typeNumber",
]

A: Final = 1
NS: Final = 2
MD: Final = 3
MF: Final = 4
CNAME: Final = 5
SOA: Final = 6
MB: Final = 7
MG: Final = 8
MR: Final = 9
NULL: Final = 10
WKS: Final = 11
PTR: Final = 12
HINFO: Final = 13
MINFO: Final = 14
MX: Final = 15
TXT: Final = 16
RP: Final = 17
AFSDB: Final = 18
X25: Final = 19
ISDN: Final = 20
RT: Final = 21
NSAP: Final = 22
NSAP_PTR: Final = 23
SIG: Final = 24
KEY: Final = 25
PX: Final = 26
GPOS: Final = 27
AAAA: Final = 28
LOC: Final = 29
NXT: Final = 30
EID: Final = 31
NIMLOC: Final = 32
SRV: Final = 33
ATMA: Final = 34
NAPTR: Final = 35
KX: Final = 36
CERT: Final = 37
A6: Final = 38
DNAME: Final = 39
SINK: Final = 40
OPT: Final = 41
APL: Final = 42
DS: Final = 43
SSHFP: Final = 44
IPSECKEY: Final = 45
RRSIG: Final = 46
NSEC: Final = 47
DNSKEY: Final = 48
DHCID: Final = 49
NSEC3: Final = 50
NSEC3PARAM: Final = 51
TLSA: Final = 52
SMIMEA: Final = 53
HIP: Final = 55
NINFO: Final = 56
RKEY: Final = 57
TALINK: Final = 58
CDS: Final = 59
CDNSKEY: Final = 60
OPENPGPKEY: Final = 61
CSYNC: Final = 62
ZONEMD: Final = 63
SVCB: Final = 64
HTTPS: Final = 65
DSYNC: Final = 66
HHIT: Final = 67
BRID: Final = 68
SPF: Final = 99
UINFO: Final = 100
UID: Final = 101
GID: Final = 102
UNSPEC: Final = 103
NID: Final = 104
L32: Final = 105
L64: Final = 106
LP: Final = 107
EUI48: Final = 108
EUI64: Final = 109
NXNAME: Final = 128
TKEY: Final = 249
TSIG: Final = 250
IXFR: Final = 251
AXFR: Final = 252
MAILB: Final = 253
MAILA: Final = 254
ANY: Final = 255
URI: Final = 256
CAA: Final = 257
AVC: Final = 258
DOA: Final = 259
AMTRELAY: Final = 260
RESINFO: Final = 261
WALLET: Final = 262
CLA: Final = 263
IPN: Final = 264
TA: Final = 32768
DLV: Final = 32769

#: From draft-ietf-deleg, as is DELEGPARAM.
DELEG: Final = 61440

#: PowerDNS's type for the addresses of another name where CNAME is not allowed; its number is one for private use.
ALIAS: Final = 65401
DELEGPARAM: Final = 65433

#: Number to mnemonic. C{NSAP_PTR} is the only constant that is spelled differently from its type.
TYPE_NAMES: Final[dict[int, str]] = {
    number: name.replace("_", "-") for name, number in globals().items() if name.isupper() and isinstance(number, int)
}

_NUMBERS: Final[dict[str, int]] = {name: number for number, name in TYPE_NAMES.items()}

#: Mnemonic to number, for input; C{TYPE_NAMES} is for output.
TYPE_NUMBERS: Final = _NUMBERS

# Its number is one for private use, so a record with it may be of another type.
del TYPE_NAMES[ALIAS]


def addMnemonic(number: int, name: str) -> None:
    """
    Register the mnemonic of an application's own record type. The mnemonics above cannot be changed.
    """
    if number not in TYPE_NAMES and name.upper() not in _NUMBERS:
        TYPE_NAMES[number] = name.upper()
        _NUMBERS[name.upper()] = number


def typeName(number: int) -> str:
    """
    Return the mnemonic, or C{TYPE65280} (RFC 3597, section 5).
    """
    return TYPE_NAMES.get(number) or f"TYPE{number}"


def typeNumber(text: str) -> int | None:
    """
    Return the number of a type given as mnemonic or as C{TYPE65280}, or L{None} if the text is neither.

    @param text: in any case; C{*} does not mean C{ANY}.
    """
    upper = text.upper()
    number = _NUMBERS.get(upper)
    if number is None and upper.startswith("TYPE"):
        digits = upper[4:]
        if digits.isascii() and digits.isdigit() and len(digits) <= 5 and int(digits) <= 0xFFFF:
            return int(digits)
    return number


#: Types whose format is defined for class IN only: those of RFC 1035, section 3.4, and later ones with addresses. Other classes, such as
#: CH, define another format or none.
INTERNET_ONLY: Final = frozenset(
    (A, WKS, NSAP, NSAP_PTR, PX, AAAA, EID, NIMLOC, SRV, ATMA, KX, A6, APL, DHCID, SVCB, HTTPS)
)


def formOf(rrType: int, rrClass: int) -> int:
    """
    Return the type whose format applies to rdata of this type and class; 0, which is not a type, if that is unknown. Classes ANY and NONE
    are treated as IN: UPDATE messages use them (RFC 2136, section 2.4).
    """
    return 0 if rrType in INTERNET_ONLY and rrClass not in (1, 254, 255) else rrType


def isMeta(number: int) -> bool:
    """
    Return whether zones contain no records of this type: it is used in queries only, belongs to a single message, or is never assigned (RFC
    6895, section 3.1).
    """
    return not number or number == OPT or 128 <= number <= 255


def expectType(rrType: object) -> int:
    """
    Return the number of a type.

    @param rrType: a number, a mnemonic in any case, or C{TYPE65280}.

    @raise WrongType: this is neither a number nor text.
    @raise BadRecord: there is no such type.
    """
    number: int | None = None
    if isinstance(rrType, str):
        number = typeNumber(rrType)
    elif isinstance(rrType, int) and not isinstance(rrType, bool):
        number = rrType if 0 < rrType <= 0xFFFF else None
    else:
        raise WrongType(f"{rrType!r:.80} is not a record type; write a mnemonic such as 'MX', or a number such as 15")
    if number is None:
        raise BadRecord(f"{rrType!r:.80} is not a record type; write a mnemonic such as 'MX', 'TYPE65280', or a number from 1 to 65535")
    return number
