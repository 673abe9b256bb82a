"""
Serial number arithmetic (RFC 1982).
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

from twisted_ext.errors import BadDescription

__all__ = ["SERIALS", "isNewer", "nextSerial", "serialIn", "withSerial"]

#: Methods of choosing the next serial number.
SERIALS: Final = ("increment", "unixtime", "dateserial")

_MASK: Final = 0xFFFFFFFF
_HALF: Final = 0x80000000

#: Offsets of the serial number in an SOA's rdata, from its end: it follows two names and precedes four numbers (RFC 1035, section 3.3.13).
_FROM: Final = -20
_TO: Final = -16


def isNewer(serial: int, other: int) -> bool:
    """
    Return whether C{serial} is newer than C{other}. Of two that are exactly 2^31 apart, neither is newer (RFC 1982, section 3.2).
    """
    return 0 < (serial - other & _MASK) < _HALF


def nextSerial(serial: int, how: str = "increment", now: float = 0.0) -> int:
    """
    Return a newer serial number; 0 is skipped, since some software takes it for a missing one.

    @param how: one of L{SERIALS}: add one; the seconds since 1970; or the date and two digits, as in 2026112000. The latter two add one if
        the result would not be newer.
    @param now: seconds since 1970.
    """
    if how == "unixtime":
        wanted = int(now) & _MASK
    elif how == "dateserial":
        day = datetime.fromtimestamp(now, UTC)
        wanted = ((day.year * 100 + day.month) * 100 + day.day) * 100
    elif how == "increment":
        wanted = serial
    else:
        raise BadDescription(f"{how!r} is not a way to choose a serial number; there are {', '.join(SERIALS)}")
    return wanted if isNewer(wanted, serial) else serial + 1 & _MASK or 1


def serialIn(soa: bytes) -> int:
    """
    Return the serial number in the rdata of an SOA record.
    """
    return int.from_bytes(soa[_FROM:_TO], "big")


def withSerial(soa: bytes, serial: int) -> bytes:
    """
    Return the rdata of an SOA record with another serial number.
    """
    return soa[:_FROM] + serial.to_bytes(4, "big") + soa[_TO:]
