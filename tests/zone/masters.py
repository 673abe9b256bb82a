"""
Helpers for tests of zone files.
"""

from __future__ import annotations

from twisted_ext.wire.names import nameFromText, nameToText
from twisted_ext.wire.rdata.registry import rdataToText
from twisted_ext.wire.records import RRSet
from twisted_ext.wire.rrtypes import typeName
from twisted_ext.zone.zonefile.reader import MasterFileContent, readMaster

__all__ = ["linesOf", "readText", "setsOf"]


def readText(
    text: str | bytes, apex: str = "example.", *, quick: bool = True, ttl: int | None = None, path: str = "", rrClass: int = 1
) -> MasterFileContent:
    """
    Read a zone file from a string.
    """
    octets = text if isinstance(text, bytes) else text.encode("utf-8", "surrogateescape")
    return readMaster(octets, nameFromText(apex), quick=quick, ttl=ttl, path=path, rrClass=rrClass)


def linesOf(reading: MasterFileContent) -> list[str]:
    """
    Return each record as owner, TTL, type and rdata with absolute names.
    """
    return [f"{nameToText(owner)} {ttl} {typeName(rrType)} {rdataToText(rrType, rdata)}" for owner, rrType, ttl, rdata in reading.records()]


def setsOf(reading: MasterFileContent) -> list[RRSet]:
    """
    Return each record as a set of its own.
    """
    return [RRSet(owner, rrType, 1, ttl, (rdata,)) for owner, rrType, ttl, rdata in reading.records()]
