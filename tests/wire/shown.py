"""
What a message holds, in forms that tests compare: typed options, records as text.
"""

from __future__ import annotations

from twisted_ext.wire.codes import className
from twisted_ext.wire.edns import EDNS
from twisted_ext.wire.names import nameToText
from twisted_ext.wire.options import Option, optionFromWire
from twisted_ext.wire.rdata.registry import rdataToText
from twisted_ext.wire.records import RRSet
from twisted_ext.wire.rrtypes import formOf, typeName

__all__ = ["optionsOf", "recordToText"]


def optionsOf(edns: EDNS | None) -> list[Option]:
    """
    Return the options of an OPT record in order; none if there is no such record.
    """
    return [] if edns is None else [optionFromWire(code, octets) for code, octets in edns.options]


def recordToText(rrset: RRSet) -> list[str]:
    """
    Format each record on a line: owner, TTL, class, type and rdata, separated by tabs, as dig does.
    """
    head = f"{nameToText(rrset.name)}\t{rrset.ttl}\t{className(rrset.rrClass)}\t{typeName(rrset.rrType)}\t"
    return [head + rdataToText(formOf(rrset.rrType, rrset.rrClass), rdata) for rdata in rrset.rdatas]
