"""
Convert zones of L{twisted.names.authority} to zones of this package.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol, cast

from twisted.names import authority, dns

from twisted_ext.compat.conversion.names import wireFromName
from twisted_ext.compat.foreign import setsFrom
from twisted_ext.errors import BadDescription, DNSFault
from twisted_ext.zone.zone import Zone

__all__ = ["zoneFromPython"]


class _Authority(Protocol):
    """
    The attributes of a loaded L{authority.FileAuthority}.
    """

    soa: tuple[bytes, dns.Record_SOA]
    records: Mapping[bytes, Sequence[dns.IEncodableRecord]]


def zoneFromPython(path: str) -> Zone:
    """
    Run Python code that assigns records to C{zone}, as for L{PySourceAuthority<twisted.names.authority.PySourceAuthority>}. Records without
    a TTL get the one that the authority serves them with.

    @param path: the path of the code.

    @raise BadDescription: the code fails, or does not define a zone; gives the reason.
    """
    load = cast("Callable[[str], _Authority]", authority.PySourceAuthority)
    try:
        return _zoneFrom(load(path))
    except DNSFault as fault:
        raise BadDescription(f"pyzone: {path}: {fault}") from fault
    except OSError as error:
        raise BadDescription(f"pyzone: {path}: {error.strerror or error}") from error
    except Exception as error:
        # The file contains arbitrary Python code, which may raise anything.
        raise BadDescription(f"pyzone: {path}: {type(error).__name__}: {error}") from error


def _zoneFrom(loaded: _Authority) -> Zone:
    apex, start = loaded.soa
    usual = max(start.minimum, start.expire)
    headers: list[dns.RRHeader] = []
    for name, records in loaded.records.items():
        for record in records:
            ttl: int | None = getattr(record, "ttl", None)
            kind = cast(int, getattr(record, "TYPE", 0))
            headers.append(dns.RRHeader(name, kind, dns.IN, usual if ttl is None else ttl, record))
    return Zone.fromRecords(wireFromName(dns.Name(dns.domainString(apex))), setsFrom(headers))
