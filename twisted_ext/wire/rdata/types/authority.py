"""
Record types that describe the zone itself or are published for its parent.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

from twisted_ext.wire.rdata.bitmaps import TypeBits
from twisted_ext.wire.rdata.fields import Rdata
from twisted_ext.wire.rdata.fieldtypes import Name, Number, TypeNumber, hexOctets
from twisted_ext.wire.rdata.times import Duration

__all__ = ["CSYNC", "DSYNC", "SOA", "ZONEMD"]


class SOA(Rdata):
    """
    The start of a zone (RFC 1035, section 3.3.13). Times are in seconds; C{minimum} is the TTL of negative answers (RFC 2308).
    """

    primary = Name(expanded=True, folded=True)
    responsible = Name(expanded=True, folded=True)
    serial = Number(4)
    refresh = Duration()
    retry = Duration()
    expire = Duration()
    minimum = Duration()


class CSYNC(Rdata):
    """
    The records at the child's apex that the parent should copy (RFC 7477).
    """

    serial = Number(4)
    flags = Number()
    types = TypeBits()


class ZONEMD(Rdata):
    """
    A digest of the whole zone (RFC 8976).
    """

    serial = Number(4)
    scheme = Number(1)
    algorithm = Number(1)
    # A shorter one is no digest, whatever its algorithm (section 2.2.4).
    digest = hexOctets(least=12)

    @classmethod
    def flaw(cls, values: Sequence[object]) -> str:
        wanted = {1: 48, 2: 64}.get(cast(int, values[2]))
        count = len(cast(bytes, values[3]))
        if values[1] == 1 and wanted not in (None, count):
            return f"a digest of {count} octets; algorithm {values[2]} gives {wanted}"
        return ""


class DSYNC(Rdata):
    """
    The server to notify of changes of the child's CDS or CSYNC records (RFC 9859).
    """

    type = TypeNumber()
    scheme = Number(1, {"NOTIFY": 1}, named=True)
    port = Number()
    target = Name()
