"""
Names of L{twisted_ext.dns} for type checkers. Written by C{docs/recordtypes.py}: do not edit.
"""

from __future__ import annotations

from twisted.names.dns import ALL_RECORDS as ALL_RECORDS
from twisted.names.dns import CH as CH
from twisted.names.dns import CS as CS
from twisted.names.dns import EBADKEY as EBADKEY
from twisted.names.dns import EBADSIG as EBADSIG
from twisted.names.dns import EBADTIME as EBADTIME
from twisted.names.dns import EBADVERSION as EBADVERSION
from twisted.names.dns import EFORMAT as EFORMAT
from twisted.names.dns import ENAME as ENAME
from twisted.names.dns import ENOTIMP as ENOTIMP
from twisted.names.dns import EREFUSED as EREFUSED
from twisted.names.dns import ESERVER as ESERVER
from twisted.names.dns import EXT_QUERIES as EXT_QUERIES
from twisted.names.dns import HS as HS
from twisted.names.dns import IN as IN
from twisted.names.dns import OK as OK
from twisted.names.dns import OP_INVERSE as OP_INVERSE
from twisted.names.dns import OP_NOTIFY as OP_NOTIFY
from twisted.names.dns import OP_QUERY as OP_QUERY
from twisted.names.dns import OP_STATUS as OP_STATUS
from twisted.names.dns import OP_UPDATE as OP_UPDATE
from twisted.names.dns import PORT as PORT
from twisted.names.dns import QUERY_CLASSES as QUERY_CLASSES
from twisted.names.dns import REV_CLASSES as REV_CLASSES
from twisted.names.dns import AuthoritativeDomainError as AuthoritativeDomainError
from twisted.names.dns import Charstr as Charstr
from twisted.names.dns import DNSDecodeError as DNSDecodeError
from twisted.names.dns import DNSQueryTimeoutError as DNSQueryTimeoutError
from twisted.names.dns import DomainError as DomainError
from twisted.names.dns import IEncodable as IEncodable
from twisted.names.dns import IEncodableRecord as IEncodableRecord
from twisted.names.dns import IRecord as IRecord
from twisted.names.dns import Name as Name
from twisted.names.dns import Query as Query
from twisted.names.dns import Record_A as Record_A
from twisted.names.dns import Record_A6 as Record_A6
from twisted.names.dns import Record_AAAA as Record_AAAA
from twisted.names.dns import Record_AFSDB as Record_AFSDB
from twisted.names.dns import Record_CNAME as Record_CNAME
from twisted.names.dns import Record_DNAME as Record_DNAME
from twisted.names.dns import Record_HINFO as Record_HINFO
from twisted.names.dns import Record_MB as Record_MB
from twisted.names.dns import Record_MD as Record_MD
from twisted.names.dns import Record_MF as Record_MF
from twisted.names.dns import Record_MG as Record_MG
from twisted.names.dns import Record_MINFO as Record_MINFO
from twisted.names.dns import Record_MR as Record_MR
from twisted.names.dns import Record_MX as Record_MX
from twisted.names.dns import Record_NAPTR as Record_NAPTR
from twisted.names.dns import Record_NS as Record_NS
from twisted.names.dns import Record_NULL as Record_NULL
from twisted.names.dns import Record_PTR as Record_PTR
from twisted.names.dns import Record_RP as Record_RP
from twisted.names.dns import Record_SOA as Record_SOA
from twisted.names.dns import Record_SPF as Record_SPF
from twisted.names.dns import Record_SRV as Record_SRV
from twisted.names.dns import Record_SSHFP as Record_SSHFP
from twisted.names.dns import Record_TSIG as Record_TSIG
from twisted.names.dns import Record_TXT as Record_TXT
from twisted.names.dns import Record_WKS as Record_WKS
from twisted.names.dns import RRHeader as RRHeader
from twisted.names.dns import SimpleRecord as SimpleRecord
from twisted.names.dns import UnknownRecord as UnknownRecord
from twisted.names.dns import domainString as domainString
from twisted.names.dns import randomSource as randomSource
from twisted.names.dns import readPrecisely as readPrecisely
from twisted.names.dns import str2time as str2time

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
Record_NXT: type[Record]
Record_EID: type[Record]
Record_NIMLOC: type[Record]
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
Record_CLA: type[Record]
Record_IPN: type[Record]
Record_TA: type[Record]
Record_DLV: type[Record]
Record_DELEG: type[Record]
Record_ALIAS: type[Record]
Record_DELEGPARAM: type[Record]
