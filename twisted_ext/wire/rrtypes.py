"""
Record types by number and mnemonic (IANA's registry of resource record types).

Types that share another type's rdata format, and those without a format of their own, are listed here as well. The rdata formats are
declared in the modules that L{twisted_ext.wire.rdata.registry} finds.
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

#: Of a draft, draft-ietf-deleg, as DELEGPARAM is.
DELEG: Final = 61440

#: PowerDNS's, with a number for private use: the addresses of another name, where no CNAME may be.
ALIAS: Final = 65401
DELEGPARAM: Final = 65433

#: Number to mnemonic. C{NSAP_PTR} is the one constant that has to be spelt otherwise than its type.
TYPE_NAMES: Final[dict[int, str]] = {
    number: name.replace("_", "-") for name, number in globals().items() if name.isupper() and isinstance(number, int)
}

_NUMBERS: Final[dict[str, int]] = {name: number for number, name in TYPE_NAMES.items()}

#: Mnemonic to number: what can be written, of which C{TYPE_NAMES} is what is shown.
TYPE_NUMBERS: Final = _NUMBERS

# Its number is one for private use, so that a record of it need not be what the mnemonic says.
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
    @return: the mnemonic, or C{TYPE65280} (RFC 3597, section 5).
    """
    return TYPE_NAMES.get(number) or f"TYPE{number}"


def typeNumber(text: str) -> int | None:
    """
    @param text: in any case; C{*} is not taken for C{ANY}.

    @return: the number of a type written as mnemonic or as C{TYPE65280}, or L{None} if the text is neither.
    """
    upper = text.upper()
    number = _NUMBERS.get(upper)
    if number is None and upper.startswith("TYPE"):
        digits = upper[4:]
        if digits.isascii() and digits.isdigit() and len(digits) <= 5 and int(digits) <= 0xFFFF:
            return int(digits)
    return number


#: Types whose form is that of class IN alone: RFC 1035, section 3.4, and what came later with addresses in it. In other classes, such as
#: CH, other forms or none belong to them.
INTERNET_ONLY: Final = frozenset(
    (A, WKS, NSAP, NSAP_PTR, PX, AAAA, EID, NIMLOC, SRV, ATMA, KX, A6, APL, DHCID, SVCB, HTTPS)
)


def formOf(rrType: int, rrClass: int) -> int:
    """
    @return: the type whose form rdata of this type has in this class; 0, which is not a type, where that is not known. Classes ANY and NONE
        stand for IN: messages of UPDATE have them (RFC 2136, section 2.4).
    """
    return 0 if rrType in INTERNET_ONLY and rrClass not in (1, 254, 255) else rrType


def isMeta(number: int) -> bool:
    """
    @return: whether no zone has records of this type: it asks for something, goes along with one message only, or is never given
        (RFC 6895, section 3.1).
    """
    return not number or number == OPT or 128 <= number <= 255


def expectType(rrType: object) -> int:
    """
    @param rrType: a number, a mnemonic in any case, or C{TYPE65280}.

    @return: the number.

    @raise WrongType: this is neither a number nor text.
    @raise BadRecord: no type has this name or number.
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
