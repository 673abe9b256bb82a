"""
What zone stores tell of their zones; see L{twisted_ext.interfaces.IZoneStore}.
"""

from __future__ import annotations

from twisted_ext.wire.records import RRSet

__all__ = ["News"]


class News:
    """
    What is new in one zone.

    @ivar serial: its serial number now; L{None} where there is no such zone any more.
    @ivar names: what those names have now that have changed, SOA left out; L{None} where all of the zone has to be read.
    @ivar soa: its SOA record, with that serial number.
    """

    __slots__ = ("serial", "names", "soa")

    def __init__(self, serial: int | None, names: dict[bytes, tuple[RRSet, ...]] | None, soa: RRSet | None = None) -> None:
        self.serial = serial
        self.names = names
        self.soa = soa
