"""
Look-up methods by record type, created from the type registry (L{twisted_ext.wire.rrtypes}): those of twisted.names, and one named after
each type: C{lookupMailExchange} and C{lookupMX}, C{lookupTLSA}.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Protocol, cast

from twisted.internet.defer import Deferred

from twisted_ext.compat.conversion.results import Result
from twisted_ext.compat.conversion.timeouts import Timeout
from twisted_ext.errors import BadRecord
from twisted_ext.wire import rrtypes

__all__ = ["LOOKUP_METHODS", "LOOKUP_NAMES", "Lookup", "Lookups", "askable", "lookupName", "typeOfLookup"]


class Lookup(Protocol):
    def __call__(self, name: str | bytes, timeout: Timeout = None) -> Deferred[Result]:
        """
        Look up the records of one type.

        @param name: without a final dot, the system's search list may be applied; special characters are escaped (RFC 1035, section 5.1).

        @return: fires with answer, authority and additional records; empty lists if the name has no record of this type.
        """


class _Looking(Protocol):
    def _look(self, name: str | bytes, rrType: int, timeout: Timeout = None) -> Deferred[Result]:
        """
        Look up records.
        """


#: The look-up methods of twisted.names.
_TWISTED: Final = {
    rrtypes.A: "lookupAddress",
    rrtypes.AAAA: "lookupIPV6Address",
    rrtypes.A6: "lookupAddress6",
    rrtypes.MX: "lookupMailExchange",
    rrtypes.NS: "lookupNameservers",
    rrtypes.CNAME: "lookupCanonicalName",
    rrtypes.MB: "lookupMailBox",
    rrtypes.MG: "lookupMailGroup",
    rrtypes.MR: "lookupMailRename",
    rrtypes.PTR: "lookupPointer",
    rrtypes.SOA: "lookupAuthority",
    rrtypes.NULL: "lookupNull",
    rrtypes.WKS: "lookupWellKnownServices",
    rrtypes.SRV: "lookupService",
    rrtypes.HINFO: "lookupHostInfo",
    rrtypes.MINFO: "lookupMailboxInfo",
    rrtypes.TXT: "lookupText",
    rrtypes.SPF: "lookupSenderPolicy",
    rrtypes.RP: "lookupResponsibility",
    rrtypes.AFSDB: "lookupAFSDatabase",
    rrtypes.NAPTR: "lookupNamingAuthorityPointer",
    rrtypes.ANY: "lookupAllRecords",
}


def askable(number: int) -> bool:
    """
    Return whether records of this type can be looked up. ANY counts as such a type.
    """
    return number == rrtypes.ANY or not rrtypes.isMeta(number)


def lookupName(mnemonic: str) -> str:
    """
    Return the look-up method named after a type's mnemonic, such as C{lookupMX}.
    """
    return "lookup" + mnemonic.replace("-", "")


def typeOfLookup(name: str) -> int | None:
    """
    Return the type that a method looks up, or L{None} if there is no such method.

    @param name: such as C{lookupMX}; types registered later have one as well.
    """
    if not name.startswith("lookup") or name == "lookup":
        return None
    return next((number for word, number in rrtypes.TYPE_NUMBERS.items() if askable(number) and lookupName(word) == name), None)


#: Maps types to the look-up method that subclasses override: the one of twisted.names if there is one, else the one named after the type.
LOOKUP_NAMES: Final = {**{number: lookupName(word) for word, number in rrtypes.TYPE_NUMBERS.items() if askable(number)}, **_TWISTED}


#: The names of all look-up methods.
LOOKUP_METHODS: Final = [*LOOKUP_NAMES.values(), *[lookupName(rrtypes.typeName(number)) for number in _TWISTED]]


def _asking(rrType: int, method: str) -> Lookup:
    def lookup(self: _Looking, name: str | bytes, timeout: Timeout = None) -> Deferred[Result]:
        return self._look(name, rrType, timeout)

    lookup.__name__ = lookup.__qualname__ = method
    lookup.__dict__["rrType"] = rrType
    # Lookup is the type of the bound method.
    return cast(Lookup, lookup)


def _renamed(rrType: int, primary: str) -> Lookup:
    """
    Create the look-up named after a type's mnemonic if twisted.names has another name for it. It calls that one, so a class that overrides
    that one overrides both.
    """

    def lookup(self: object, name: str | bytes, timeout: Timeout = None) -> Deferred[Result]:
        return cast(Lookup, getattr(self, primary))(name, timeout)

    lookup.__name__ = lookup.__qualname__ = lookupName(rrtypes.typeName(rrType))
    lookup.__dict__["rrType"] = rrType
    return cast(Lookup, lookup)


class Lookups:
    """
    The look-up methods, for classes that implement C{_look} and C{lookupZone}.
    """

    def _look(self, name: str | bytes, rrType: int, timeout: Timeout = None) -> Deferred[Result]:
        raise NotImplementedError("subclasses of Lookups implement _look() and lookupZone()")

    def lookupZone(self, name: str | bytes, timeout: Timeout = None) -> Deferred[Result]:
        """
        Transfer a whole zone.
        """
        raise NotImplementedError("subclasses of Lookups implement _look() and lookupZone()")

    def lookup(self, name: str | bytes, rrType: int | str = rrtypes.A, timeout: Timeout = None) -> Deferred[Result]:
        """
        Look up records of any type: C{lookup("example.com", "MX")}.

        @param name: as for the other look-ups.
        @param rrType: a mnemonic in any case, C{TYPE65280}, or a number.

        @return: fires as the other look-ups do; for C{AXFR} with a whole zone.

        @raise TypeError: C{rrType} is neither text nor a number.
        @raise ValueError: the type is unknown, or cannot be looked up.
        """
        number = rrtypes.expectType(rrType)
        if number == rrtypes.AXFR:
            return self.lookupZone(name, timeout)
        if not askable(number):
            raise BadRecord(f"{rrtypes.typeName(number)} is not a type that can be looked up")
        method = LOOKUP_NAMES.get(number)
        return self._look(name, number, timeout) if method is None else getattr(self, method)(name, timeout)

    if TYPE_CHECKING:
        lookupAddress: Lookup
        lookupA: Lookup
        lookupNameservers: Lookup
        lookupNS: Lookup
        lookupMD: Lookup
        lookupMF: Lookup
        lookupCanonicalName: Lookup
        lookupCNAME: Lookup
        lookupAuthority: Lookup
        lookupSOA: Lookup
        lookupMailBox: Lookup
        lookupMB: Lookup
        lookupMailGroup: Lookup
        lookupMG: Lookup
        lookupMailRename: Lookup
        lookupMR: Lookup
        lookupNull: Lookup
        lookupNULL: Lookup
        lookupWellKnownServices: Lookup
        lookupWKS: Lookup
        lookupPointer: Lookup
        lookupPTR: Lookup
        lookupHostInfo: Lookup
        lookupHINFO: Lookup
        lookupMailboxInfo: Lookup
        lookupMINFO: Lookup
        lookupMailExchange: Lookup
        lookupMX: Lookup
        lookupText: Lookup
        lookupTXT: Lookup
        lookupResponsibility: Lookup
        lookupRP: Lookup
        lookupAFSDatabase: Lookup
        lookupAFSDB: Lookup
        lookupX25: Lookup
        lookupISDN: Lookup
        lookupRT: Lookup
        lookupNSAP: Lookup
        lookupNSAPPTR: Lookup
        lookupSIG: Lookup
        lookupKEY: Lookup
        lookupPX: Lookup
        lookupGPOS: Lookup
        lookupIPV6Address: Lookup
        lookupAAAA: Lookup
        lookupLOC: Lookup
        lookupNXT: Lookup
        lookupEID: Lookup
        lookupNIMLOC: Lookup
        lookupService: Lookup
        lookupSRV: Lookup
        lookupATMA: Lookup
        lookupNamingAuthorityPointer: Lookup
        lookupNAPTR: Lookup
        lookupKX: Lookup
        lookupCERT: Lookup
        lookupAddress6: Lookup
        lookupA6: Lookup
        lookupDNAME: Lookup
        lookupSINK: Lookup
        lookupAPL: Lookup
        lookupDS: Lookup
        lookupSSHFP: Lookup
        lookupIPSECKEY: Lookup
        lookupRRSIG: Lookup
        lookupNSEC: Lookup
        lookupDNSKEY: Lookup
        lookupDHCID: Lookup
        lookupNSEC3: Lookup
        lookupNSEC3PARAM: Lookup
        lookupTLSA: Lookup
        lookupSMIMEA: Lookup
        lookupHIP: Lookup
        lookupNINFO: Lookup
        lookupRKEY: Lookup
        lookupTALINK: Lookup
        lookupCDS: Lookup
        lookupCDNSKEY: Lookup
        lookupOPENPGPKEY: Lookup
        lookupCSYNC: Lookup
        lookupZONEMD: Lookup
        lookupSVCB: Lookup
        lookupHTTPS: Lookup
        lookupDSYNC: Lookup
        lookupHHIT: Lookup
        lookupBRID: Lookup
        lookupSenderPolicy: Lookup
        lookupSPF: Lookup
        lookupUINFO: Lookup
        lookupUID: Lookup
        lookupGID: Lookup
        lookupUNSPEC: Lookup
        lookupNID: Lookup
        lookupL32: Lookup
        lookupL64: Lookup
        lookupLP: Lookup
        lookupEUI48: Lookup
        lookupEUI64: Lookup
        lookupAllRecords: Lookup
        lookupANY: Lookup
        lookupURI: Lookup
        lookupCAA: Lookup
        lookupAVC: Lookup
        lookupDOA: Lookup
        lookupAMTRELAY: Lookup
        lookupRESINFO: Lookup
        lookupWALLET: Lookup
        lookupCLA: Lookup
        lookupIPN: Lookup
        lookupTA: Lookup
        lookupDLV: Lookup
        lookupDELEG: Lookup
        lookupALIAS: Lookup
        lookupDELEGPARAM: Lookup
    else:

        def __getattr__(self, name):
            # Types that were registered later.
            rrType = typeOfLookup(name)
            if rrType is None:
                raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
            return lambda name, timeout=None: self.lookup(name, rrType, timeout)


for _number, _name in LOOKUP_NAMES.items():
    setattr(Lookups, _name, _asking(_number, _name))
for _number, _name in _TWISTED.items():
    setattr(Lookups, lookupName(rrtypes.typeName(_number)), _renamed(_number, _name))
