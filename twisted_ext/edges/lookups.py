"""
The look-ups by type: every one of twisted.names, and one for each type that it lacks, named after the type.
"""

from __future__ import annotations

from typing import Protocol, cast

from twisted.internet.defer import Deferred

from twisted_ext.edges.conversion.results import Result
from twisted_ext.edges.resolution.deadlines import Timeout
from twisted_ext.wire import rrtypes

__all__ = ["Lookup", "Lookups"]


class Lookup(Protocol):
    """
    A look-up of one type.
    """

    def __call__(self, name: str | bytes, timeout: Timeout = None) -> Deferred[Result]:
        """
        @param name: without a final dot, the system's search list may be tried; with escapes where needed (RFC 1035, section 5.1).

        @return: fires with answer, authority and additional records; empty lists where the name has no record of the type.
        """


class _Looking(Protocol):
    """
    Whoever can ask.
    """

    def _look(self, name: str | bytes, rrType: int, timeout: Timeout = None) -> Deferred[Result]:
        """
        Ask.
        """


def _asking(rrType: int) -> Lookup:
    def lookup(self: _Looking, name: str | bytes, timeout: Timeout = None) -> Deferred[Result]:
        return self._look(name, rrType, timeout)

    lookup.__dict__["rrType"] = rrType
    # A function in a class takes its instance by itself.
    return cast(Lookup, lookup)


class Lookups:
    """
    The look-ups, for whoever can ask.
    """

    def _look(self, name: str | bytes, rrType: int, timeout: Timeout = None) -> Deferred[Result]:
        raise NotImplementedError("Lookups says what to ask for, not whom")

    lookupAddress = _asking(rrtypes.A)
    lookupIPV6Address = _asking(rrtypes.AAAA)
    lookupAddress6 = _asking(rrtypes.A6)
    lookupMailExchange = _asking(rrtypes.MX)
    lookupNameservers = _asking(rrtypes.NS)
    lookupCanonicalName = _asking(rrtypes.CNAME)
    lookupMailBox = _asking(rrtypes.MB)
    lookupMailGroup = _asking(rrtypes.MG)
    lookupMailRename = _asking(rrtypes.MR)
    lookupPointer = _asking(rrtypes.PTR)
    lookupAuthority = _asking(rrtypes.SOA)
    lookupNull = _asking(rrtypes.NULL)
    lookupWellKnownServices = _asking(rrtypes.WKS)
    lookupService = _asking(rrtypes.SRV)
    lookupHostInfo = _asking(rrtypes.HINFO)
    lookupMailboxInfo = _asking(rrtypes.MINFO)
    lookupText = _asking(rrtypes.TXT)
    lookupSenderPolicy = _asking(rrtypes.SPF)
    lookupResponsibility = _asking(rrtypes.RP)
    lookupAFSDatabase = _asking(rrtypes.AFSDB)
    lookupNamingAuthorityPointer = _asking(rrtypes.NAPTR)
    lookupAllRecords = _asking(rrtypes.ANY)

    # What twisted.names has no method for.

    lookupMD = _asking(rrtypes.MD)
    lookupMF = _asking(rrtypes.MF)
    lookupX25 = _asking(rrtypes.X25)
    lookupISDN = _asking(rrtypes.ISDN)
    lookupRT = _asking(rrtypes.RT)
    lookupNSAP = _asking(rrtypes.NSAP)
    lookupNSAPPTR = _asking(rrtypes.NSAP_PTR)
    lookupSIG = _asking(rrtypes.SIG)
    lookupKEY = _asking(rrtypes.KEY)
    lookupPX = _asking(rrtypes.PX)
    lookupGPOS = _asking(rrtypes.GPOS)
    lookupLOC = _asking(rrtypes.LOC)
    lookupATMA = _asking(rrtypes.ATMA)
    lookupKX = _asking(rrtypes.KX)
    lookupCERT = _asking(rrtypes.CERT)
    lookupDNAME = _asking(rrtypes.DNAME)
    lookupAPL = _asking(rrtypes.APL)
    lookupDS = _asking(rrtypes.DS)
    lookupSSHFP = _asking(rrtypes.SSHFP)
    lookupIPSECKEY = _asking(rrtypes.IPSECKEY)
    lookupRRSIG = _asking(rrtypes.RRSIG)
    lookupNSEC = _asking(rrtypes.NSEC)
    lookupDNSKEY = _asking(rrtypes.DNSKEY)
    lookupDHCID = _asking(rrtypes.DHCID)
    lookupNSEC3 = _asking(rrtypes.NSEC3)
    lookupNSEC3PARAM = _asking(rrtypes.NSEC3PARAM)
    lookupTLSA = _asking(rrtypes.TLSA)
    lookupSMIMEA = _asking(rrtypes.SMIMEA)
    lookupHIP = _asking(rrtypes.HIP)
    lookupNINFO = _asking(rrtypes.NINFO)
    lookupRKEY = _asking(rrtypes.RKEY)
    lookupTALINK = _asking(rrtypes.TALINK)
    lookupCDS = _asking(rrtypes.CDS)
    lookupCDNSKEY = _asking(rrtypes.CDNSKEY)
    lookupOPENPGPKEY = _asking(rrtypes.OPENPGPKEY)
    lookupCSYNC = _asking(rrtypes.CSYNC)
    lookupZONEMD = _asking(rrtypes.ZONEMD)
    lookupSVCB = _asking(rrtypes.SVCB)
    lookupHTTPS = _asking(rrtypes.HTTPS)
    lookupDSYNC = _asking(rrtypes.DSYNC)
    lookupHHIT = _asking(rrtypes.HHIT)
    lookupBRID = _asking(rrtypes.BRID)
    lookupNID = _asking(rrtypes.NID)
    lookupL32 = _asking(rrtypes.L32)
    lookupL64 = _asking(rrtypes.L64)
    lookupLP = _asking(rrtypes.LP)
    lookupEUI48 = _asking(rrtypes.EUI48)
    lookupEUI64 = _asking(rrtypes.EUI64)
    lookupURI = _asking(rrtypes.URI)
    lookupCAA = _asking(rrtypes.CAA)
    lookupAVC = _asking(rrtypes.AVC)
    lookupDOA = _asking(rrtypes.DOA)
    lookupAMTRELAY = _asking(rrtypes.AMTRELAY)
    lookupRESINFO = _asking(rrtypes.RESINFO)
    lookupWALLET = _asking(rrtypes.WALLET)
    lookupTA = _asking(rrtypes.TA)
    lookupDLV = _asking(rrtypes.DLV)
