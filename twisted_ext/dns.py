"""
The API of L{twisted.names.dns}, with records for all types, messages that are parsed completely or not at all, and protocols that accept
only matching replies.

Names that are Twisted's own classes and constants are the same objects here. C{Record_TLSA} and the like are created when they are first
accessed: see L{twisted_ext.compat.conversion.records}. C{QUERY_TYPES} and C{REV_TYPES} contain the new types as well.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from twisted.names import dns as _names
from twisted.names.dns import (
    A6,
    AAAA,
    AFSDB,
    ALL_RECORDS,
    ANY,
    AXFR,
    CH,
    CNAME,
    CS,
    DNAME,
    EBADKEY,
    EBADSIG,
    EBADTIME,
    EBADVERSION,
    EFORMAT,
    ENAME,
    ENOTIMP,
    EREFUSED,
    ESERVER,
    EXT_QUERIES,
    HINFO,
    HS,
    IN,
    IXFR,
    MAILA,
    MAILB,
    MB,
    MD,
    MF,
    MG,
    MINFO,
    MR,
    MX,
    NAPTR,
    NS,
    NULL,
    OK,
    OP_INVERSE,
    OP_NOTIFY,
    OP_QUERY,
    OP_STATUS,
    OP_UPDATE,
    OPT,
    PORT,
    PTR,
    QUERY_CLASSES,
    REV_CLASSES,
    RP,
    SOA,
    SPF,
    SRV,
    SSHFP,
    TKEY,
    TSIG,
    TXT,
    WKS,
    A,
    AuthoritativeDomainError,
    Charstr,
    DNSDecodeError,
    DNSQueryTimeoutError,
    DomainError,
    IEncodable,
    IEncodableRecord,
    IRecord,
    Name,
    Query,
    Record_A,
    Record_A6,
    Record_AAAA,
    Record_AFSDB,
    Record_CNAME,
    Record_DNAME,
    Record_HINFO,
    Record_MB,
    Record_MD,
    Record_MF,
    Record_MG,
    Record_MINFO,
    Record_MR,
    Record_MX,
    Record_NAPTR,
    Record_NS,
    Record_NULL,
    Record_PTR,
    Record_RP,
    Record_SOA,
    Record_SPF,
    Record_SRV,
    Record_SSHFP,
    Record_TSIG,
    Record_TXT,
    Record_WKS,
    RRHeader,
    SimpleRecord,
    UnknownRecord,
    domainString,
    randomSource,
    readPrecisely,
    str2time,
)

from twisted_ext.compat.conversion.messages import Message
from twisted_ext.compat.protocols import DNSDatagramProtocol, DNSMixin, DNSProtocol
from twisted_ext.wire.rrtypes import (
    ALIAS,
    AMTRELAY,
    APL,
    ATMA,
    AVC,
    BRID,
    CAA,
    CDNSKEY,
    CDS,
    CERT,
    CLA,
    CSYNC,
    DELEG,
    DELEGPARAM,
    DHCID,
    DLV,
    DNSKEY,
    DOA,
    DS,
    DSYNC,
    EID,
    EUI48,
    EUI64,
    GID,
    GPOS,
    HHIT,
    HIP,
    HTTPS,
    IPN,
    IPSECKEY,
    ISDN,
    KEY,
    KX,
    L32,
    L64,
    LOC,
    LP,
    NID,
    NIMLOC,
    NINFO,
    NSAP,
    NSAP_PTR,
    NSEC,
    NSEC3,
    NSEC3PARAM,
    NXNAME,
    NXT,
    OPENPGPKEY,
    PX,
    RESINFO,
    RKEY,
    RRSIG,
    RT,
    SIG,
    SINK,
    SMIMEA,
    SVCB,
    TA,
    TALINK,
    TLSA,
    TYPE_NAMES,
    TYPE_NUMBERS,
    UID,
    UINFO,
    UNSPEC,
    URI,
    WALLET,
    X25,
    ZONEMD,
    isMeta,
    typeNumber,
)

if TYPE_CHECKING:
    from twisted_ext.compat.conversion.records import Record

    Record_X25: type[Record]
    Record_ISDN: type[Record]
    Record_RT: type[Record]
    Record_NSAP: type[Record]
    Record_NSAP_PTR: type[Record]
    Record_SIG: type[Record]
    Record_KEY: type[Record]
    Record_PX: type[Record]
    Record_GPOS: type[Record]
    Record_LOC: type[Record]
    Record_ATMA: type[Record]
    Record_KX: type[Record]
    Record_CERT: type[Record]
    Record_APL: type[Record]
    Record_DS: type[Record]
    Record_IPSECKEY: type[Record]
    Record_RRSIG: type[Record]
    Record_NSEC: type[Record]
    Record_DNSKEY: type[Record]
    Record_DHCID: type[Record]
    Record_NSEC3: type[Record]
    Record_NSEC3PARAM: type[Record]
    Record_TLSA: type[Record]
    Record_SMIMEA: type[Record]
    Record_HIP: type[Record]
    Record_NINFO: type[Record]
    Record_RKEY: type[Record]
    Record_TALINK: type[Record]
    Record_CDS: type[Record]
    Record_CDNSKEY: type[Record]
    Record_OPENPGPKEY: type[Record]
    Record_CSYNC: type[Record]
    Record_ZONEMD: type[Record]
    Record_SVCB: type[Record]
    Record_HTTPS: type[Record]
    Record_DSYNC: type[Record]
    Record_HHIT: type[Record]
    Record_BRID: type[Record]
    Record_NID: type[Record]
    Record_L32: type[Record]
    Record_L64: type[Record]
    Record_LP: type[Record]
    Record_EUI48: type[Record]
    Record_EUI64: type[Record]
    Record_URI: type[Record]
    Record_CAA: type[Record]
    Record_AVC: type[Record]
    Record_DOA: type[Record]
    Record_AMTRELAY: type[Record]
    Record_RESINFO: type[Record]
    Record_WALLET: type[Record]
    Record_TA: type[Record]
    Record_DLV: type[Record]
    Record_NXT: type[Record]
    Record_EID: type[Record]
    Record_NIMLOC: type[Record]
    Record_CLA: type[Record]
    Record_IPN: type[Record]
    Record_DELEG: type[Record]
    Record_ALIAS: type[Record]
    Record_DELEGPARAM: type[Record]

__all__ = [
    "A",
    "A6",
    "AAAA",
    "AFSDB",
    "ALIAS",
    "ALL_RECORDS",
    "AMTRELAY",
    "ANY",
    "APL",
    "ATMA",
    "AVC",
    "AXFR",
    "BRID",
    "CAA",
    "CDNSKEY",
    "CDS",
    "CERT",
    "CH",
    "CLA",
    "CNAME",
    "CS",
    "CSYNC",
    "DELEG",
    "DELEGPARAM",
    "DHCID",
    "DLV",
    "DNAME",
    "DNSKEY",
    "DOA",
    "DS",
    "DSYNC",
    "EBADKEY",
    "EBADSIG",
    "EBADTIME",
    "EBADVERSION",
    "EFORMAT",
    "EID",
    "ENAME",
    "ENOTIMP",
    "EREFUSED",
    "ESERVER",
    "EUI48",
    "EUI64",
    "EXT_QUERIES",
    "GID",
    "GPOS",
    "HHIT",
    "HINFO",
    "HIP",
    "HS",
    "HTTPS",
    "IN",
    "IPN",
    "IPSECKEY",
    "ISDN",
    "IXFR",
    "KEY",
    "KX",
    "L32",
    "L64",
    "LOC",
    "LP",
    "MAILA",
    "MAILB",
    "MB",
    "MD",
    "MF",
    "MG",
    "MINFO",
    "MR",
    "MX",
    "NAPTR",
    "NID",
    "NIMLOC",
    "NINFO",
    "NS",
    "NSAP",
    "NSAP_PTR",
    "NSEC",
    "NSEC3",
    "NSEC3PARAM",
    "NULL",
    "NXNAME",
    "NXT",
    "OK",
    "OPENPGPKEY",
    "OPT",
    "OP_INVERSE",
    "OP_NOTIFY",
    "OP_QUERY",
    "OP_STATUS",
    "OP_UPDATE",
    "PORT",
    "PTR",
    "PX",
    "QUERY_CLASSES",
    "QUERY_TYPES",
    "RESINFO",
    "REV_CLASSES",
    "REV_TYPES",
    "RKEY",
    "RP",
    "RRSIG",
    "RT",
    "SIG",
    "SINK",
    "SMIMEA",
    "SOA",
    "SPF",
    "SRV",
    "SSHFP",
    "SVCB",
    "TA",
    "TALINK",
    "TKEY",
    "TLSA",
    "TSIG",
    "TXT",
    "UID",
    "UINFO",
    "UNSPEC",
    "URI",
    "WALLET",
    "WKS",
    "X25",
    "ZONEMD",
    "AuthoritativeDomainError",
    "Charstr",
    "DNSDatagramProtocol",
    "DNSDecodeError",
    "DNSMixin",
    "DNSProtocol",
    "DNSQueryTimeoutError",
    "DomainError",
    "IEncodable",
    "IEncodableRecord",
    "IRecord",
    "Message",
    "Name",
    "Query",
    "RRHeader",
    "Record_A",
    "Record_A6",
    "Record_AAAA",
    "Record_AFSDB",
    "Record_CNAME",
    "Record_DNAME",
    "Record_HINFO",
    "Record_MB",
    "Record_MD",
    "Record_MF",
    "Record_MG",
    "Record_MINFO",
    "Record_MR",
    "Record_MX",
    "Record_NAPTR",
    "Record_NS",
    "Record_NULL",
    "Record_PTR",
    "Record_RP",
    "Record_SOA",
    "Record_SPF",
    "Record_SRV",
    "Record_SSHFP",
    "Record_TSIG",
    "Record_TXT",
    "Record_WKS",
    "SimpleRecord",
    "UnknownRecord",
    "domainString",
    "randomSource",
    "readPrecisely",
    "str2time",
    "textOf",
]

#: Number to mnemonic: Twisted's types and the new ones.
QUERY_TYPES: Final[dict[int, str]] = {
    **_names.QUERY_TYPES,
    **{number: name for number, name in TYPE_NAMES.items() if not isMeta(number)},
}

#: Mnemonic to number, including C{AXFR} and the like.
REV_TYPES: Final[dict[str, int]] = {
    **_names.REV_TYPES,
    **{name: number for name, number in TYPE_NUMBERS.items() if not isMeta(number)},
}


def textOf(record: object) -> str:
    """
    Return a record's data in master file format: C{10 mail.example.com.}; see L{twisted_ext.compat.conversion.records.textOf}.

    @param record: an L{RRHeader}, or its payload.

    @raise TypeError: this is not a record.
    @raise ValueError: a field has a value that is invalid for its type.
    """
    from twisted_ext.compat.conversion import records

    return records.textOf(record)


def __getattr__(name: str) -> object:
    """
    Create C{Record_TLSA} and the like, and support numbers of types that were registered later.
    """
    from twisted_ext.compat.conversion.records import recordNamed

    found = recordNamed(name) or (typeNumber(name.replace("_", "-")) if name.isupper() else None)
    if found is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return found
