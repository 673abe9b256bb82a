"""
Record types by number and mnemonic (IANA's registry of resource record types): one row for each, from which the codec, look-ups,
public constants and documentation of the type follow.

This includes types that share the rdata format of another type or have none. The rdata formats are declared in the modules that the rows
name, below L{twisted_ext.wire.rdata.types}; L{twisted_ext.wire.rdata.registry} finds them.
"""

from __future__ import annotations

from typing import Final

from twisted_ext.errors import BadRecord, WrongType

_modules: Final[dict[int, str]] = {}

#: Types whose format is defined for class IN only.
INTERNET_ONLY: Final[set[int]] = set()

#: Type to what twisted.names calls its look-up.
TWISTED_LOOKUPS: Final[dict[int, str]] = {}


def _row(number: int, module: str = "", lookup: str = "", onlyIN: bool = False) -> int:
    """
    Declare a type. Its mnemonic is the name of the constant that the number is assigned to.

    @param module: the module of L{twisted_ext.wire.rdata.types} with its class; empty for a type whose rdata is any octets.
    @param lookup: what twisted.names calls its look-up, behind C{lookup}; empty where that is the mnemonic or nothing.
    @param onlyIN: its form is that of class IN alone: RFC 1035, section 3.4, and what came later with addresses in it. In other classes,
        such as CH, other forms or none belong to the type.
    """
    if module:
        _modules[number] = f"twisted_ext.wire.rdata.types.{module}"
    if lookup:
        TWISTED_LOOKUPS[number] = f"lookup{lookup}"
    if onlyIN:
        INTERNET_ONLY.add(number)
    return number


A: Final = _row(1, "address", "Address", onlyIN=True)
NS: Final = _row(2, "names", "Nameservers")
MD: Final = _row(3, "names")
MF: Final = _row(4, "names")
CNAME: Final = _row(5, "names", "CanonicalName")
SOA: Final = _row(6, "authority", "Authority")
MB: Final = _row(7, "names", "MailBox")
MG: Final = _row(8, "names", "MailGroup")
MR: Final = _row(9, "names", "MailRename")
NULL: Final = _row(10, lookup="Null")
WKS: Final = _row(11, "networks", "WellKnownServices", onlyIN=True)
PTR: Final = _row(12, "names", "Pointer")
HINFO: Final = _row(13, "text", "HostInfo")
MINFO: Final = _row(14, "names", "MailboxInfo")
MX: Final = _row(15, "names", "MailExchange")
TXT: Final = _row(16, "text", "Text")
RP: Final = _row(17, "names", "Responsibility")
AFSDB: Final = _row(18, "names", "AFSDatabase")
X25: Final = _row(19, "text")
ISDN: Final = _row(20, "text")
RT: Final = _row(21, "names")
NSAP: Final = _row(22, "networks", onlyIN=True)
NSAP_PTR: Final = _row(23, "names", onlyIN=True)
SIG: Final = _row(24, "dnssec")
KEY: Final = _row(25, "dnssec")
PX: Final = _row(26, "names", onlyIN=True)
GPOS: Final = _row(27, "location")
AAAA: Final = _row(28, "address", "IPV6Address", onlyIN=True)
LOC: Final = _row(29, "location")
NXT: Final = _row(30, "denial")
EID: Final = _row(31, "networks", onlyIN=True)
NIMLOC: Final = _row(32, "networks", onlyIN=True)
SRV: Final = _row(33, "service", "Service", onlyIN=True)
ATMA: Final = _row(34, "networks", onlyIN=True)
NAPTR: Final = _row(35, "service", "NamingAuthorityPointer")
KX: Final = _row(36, "names", onlyIN=True)
CERT: Final = _row(37, "security")
A6: Final = _row(38, "prefixes", "Address6", onlyIN=True)
DNAME: Final = _row(39, "names")
SINK: Final = _row(40)
OPT: Final = _row(41, "meta")
APL: Final = _row(42, "prefixes", onlyIN=True)
DS: Final = _row(43, "dnssec")
SSHFP: Final = _row(44, "security")
IPSECKEY: Final = _row(45, "gateways")
RRSIG: Final = _row(46, "dnssec")
NSEC: Final = _row(47, "denial")
DNSKEY: Final = _row(48, "dnssec")
DHCID: Final = _row(49, "security", onlyIN=True)
NSEC3: Final = _row(50, "denial")
NSEC3PARAM: Final = _row(51, "denial")
TLSA: Final = _row(52, "security")
SMIMEA: Final = _row(53, "security")
HIP: Final = _row(55, "gateways")
NINFO: Final = _row(56, "text")
RKEY: Final = _row(57, "dnssec")
TALINK: Final = _row(58, "names")
CDS: Final = _row(59, "dnssec")
CDNSKEY: Final = _row(60, "dnssec")
OPENPGPKEY: Final = _row(61, "security")
CSYNC: Final = _row(62, "authority")
ZONEMD: Final = _row(63, "authority")
SVCB: Final = _row(64, "svcb", onlyIN=True)
HTTPS: Final = _row(65, "svcb", onlyIN=True)
DSYNC: Final = _row(66, "authority")
HHIT: Final = _row(67, "security")
BRID: Final = _row(68, "security")
SPF: Final = _row(99, "text", "SenderPolicy")
UINFO: Final = _row(100)
UID: Final = _row(101)
GID: Final = _row(102)
UNSPEC: Final = _row(103)
NID: Final = _row(104, "networks")
L32: Final = _row(105, "networks")
L64: Final = _row(106, "networks")
LP: Final = _row(107, "names")
EUI48: Final = _row(108, "networks")
EUI64: Final = _row(109, "networks")
NXNAME: Final = _row(128)
TKEY: Final = _row(249, "meta")
TSIG: Final = _row(250, "meta")
IXFR: Final = _row(251)
AXFR: Final = _row(252)
MAILB: Final = _row(253)
MAILA: Final = _row(254)
ANY: Final = _row(255, lookup="AllRecords")
URI: Final = _row(256, "service")
CAA: Final = _row(257, "service")
AVC: Final = _row(258, "text")
DOA: Final = _row(259, "gateways")
AMTRELAY: Final = _row(260, "gateways")
RESINFO: Final = _row(261, "text")
WALLET: Final = _row(262, "text")
CLA: Final = _row(263, "text")
IPN: Final = _row(264, "networks")
TA: Final = _row(32768, "dnssec")
DLV: Final = _row(32769, "dnssec")

#: From draft-ietf-deleg, as is DELEGPARAM.
DELEG: Final = _row(61440, "deleg")

#: PowerDNS's type for the addresses of another name where CNAME is not allowed; its number is one for private use.
ALIAS: Final = _row(65401, "names")
DELEGPARAM: Final = _row(65433, "deleg")


#: Number to mnemonic. C{NSAP_PTR} is the only constant that is spelled differently from its type.
TYPE_NAMES: Final[dict[int, str]] = {
    number: name.replace("_", "-") for name, number in globals().items() if name.isupper() and type(number) is int
}

#: Mnemonic to number, for input; C{TYPE_NAMES} is for output.
TYPE_NUMBERS: Final[dict[str, int]] = {name: number for number, name in TYPE_NAMES.items()}

# Its number is one for private use, so a record with it may be of another type.
del TYPE_NAMES[ALIAS]

# Set like this because type checkers take the constants above as public anyway, and cannot read a list that is computed.
globals()["__all__"] = [
    "INTERNET_ONLY",
    "TWISTED_LOOKUPS",
    "TYPE_NAMES",
    "TYPE_NUMBERS",
    "addMnemonic",
    "expectType",
    "formOf",
    "isMeta",
    "moduleOf",
    "typeName",
    "typeNumber",
    *[name.replace("-", "_") for name in TYPE_NUMBERS],
]


def addMnemonic(number: int, name: str) -> None:
    """
    Register the mnemonic of an application's own record type. The mnemonics above cannot be changed.
    """
    if number not in TYPE_NAMES and name.upper() not in TYPE_NUMBERS:
        TYPE_NAMES[number] = name.upper()
        TYPE_NUMBERS[name.upper()] = number


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
    number = TYPE_NUMBERS.get(upper)
    if number is None and upper.startswith("TYPE"):
        digits = upper[4:]
        if digits.isascii() and digits.isdigit() and len(digits) <= 5 and int(digits) <= 0xFFFF:
            return int(digits)
    return number


def formOf(rrType: int, rrClass: int) -> int:
    """
    Return the type whose format applies to rdata of this type and class; 0, which is not a type, if that is unknown. Classes ANY and NONE
    are treated as IN: UPDATE messages use them (RFC 2136, section 2.4).
    """
    return 0 if rrType in INTERNET_ONLY and rrClass not in (1, 254, 255) else rrType


def moduleOf(number: int) -> str | None:
    """
    Return the module with the declaration of the type's rdata; L{None} for types of applications and types without a form.
    """
    return _modules.get(number)


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
