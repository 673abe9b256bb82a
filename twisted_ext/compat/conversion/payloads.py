"""
Create C{Record_*} objects of twisted.names from rdata.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from io import BytesIO
from struct import Struct
from struct import error as StructError
from typing import Final, Protocol, cast

from twisted.names import dns

from twisted_ext.compat.conversion.names import nameOf

__all__ = ["NamePayload", "newA", "payloadOf", "pointing"]


class _Address(Protocol):
    address: bytes
    ttl: int


class NamePayload(Protocol):
    """
    A record whose rdata is one name, under construction.
    """

    name: object
    ttl: int


class _Exchange(NamePayload, Protocol):
    preference: int


class _Texts(Protocol):
    data: list[bytes]
    ttl: int


class _Service(Protocol):
    priority: int
    weight: int
    port: int
    target: object
    ttl: int


class _Authority(Protocol):
    mname: object
    rname: object
    serial: int
    refresh: int
    retry: int
    expire: int
    minimum: int
    ttl: int


class _Reading(Protocol):
    ttl: int

    def decode(self, strio: BytesIO, length: int | None = None) -> None:
        """
        Read the rdata.
        """


newA: Final = cast("Callable[[], _Address]", partial(object.__new__, dns.Record_A))
_newAAAA: Final = cast("Callable[[], _Address]", partial(object.__new__, dns.Record_AAAA))
_newMX: Final = cast("Callable[[], _Exchange]", partial(object.__new__, dns.Record_MX))
_newSRV: Final = cast("Callable[[], _Service]", partial(object.__new__, dns.Record_SRV))
_newSOA: Final = cast("Callable[[], _Authority]", partial(object.__new__, dns.Record_SOA))

_two: Final = Struct(">H").unpack_from
_six: Final = Struct(">HHH").unpack_from
_numbers: Final = Struct(">LlllL").unpack_from


def _newPointing(kind: type[dns.SimpleRecord]) -> Callable[[], NamePayload]:
    return cast("Callable[[], NamePayload]", partial(object.__new__, kind))


#: Types whose rdata is one name: creates an empty record.
pointing: Final = {
    dns.NS: _newPointing(dns.Record_NS),
    dns.MD: _newPointing(dns.Record_MD),
    dns.MF: _newPointing(dns.Record_MF),
    dns.CNAME: _newPointing(dns.Record_CNAME),
    dns.MB: _newPointing(dns.Record_MB),
    dns.MG: _newPointing(dns.Record_MG),
    dns.MR: _newPointing(dns.Record_MR),
    dns.PTR: _newPointing(dns.Record_PTR),
    dns.DNAME: _newPointing(dns.Record_DNAME),
}


def _pointed(new: Callable[[], NamePayload]) -> Callable[[bytes, int], object]:
    def make(rdata: bytes, ttl: int) -> object:
        payload = new()
        payload.name = nameOf(rdata)
        payload.ttl = ttl
        return payload

    return make


def _aaaa(rdata: bytes, ttl: int) -> object:
    if len(rdata) != 16:
        raise ValueError
    payload = _newAAAA()
    payload.address = rdata
    payload.ttl = ttl
    return payload


def _mx(rdata: bytes, ttl: int) -> object:
    payload = _newMX()
    (payload.preference,) = _two(rdata)
    payload.name = nameOf(rdata[2:])
    payload.ttl = ttl
    return payload


def _srv(rdata: bytes, ttl: int) -> object:
    payload = _newSRV()
    payload.priority, payload.weight, payload.port = _six(rdata)
    payload.target = nameOf(rdata[6:])
    payload.ttl = ttl
    return payload


def _soa(rdata: bytes, ttl: int) -> object:
    payload = _newSOA()
    behind = 0
    while rdata[behind]:
        behind += rdata[behind] + 1
    behind += 1
    payload.mname = nameOf(rdata[:behind])
    payload.rname = nameOf(rdata[behind:-20])
    payload.serial, payload.refresh, payload.retry, payload.expire, payload.minimum = _numbers(rdata, len(rdata) - 20)
    payload.ttl = ttl
    return payload


def _texts(kind: type[dns.Record_TXT]) -> Callable[[bytes, int], object]:
    new = cast("Callable[[], _Texts]", partial(object.__new__, kind))

    def make(rdata: bytes, ttl: int) -> object:
        payload = new()
        data: list[bytes] = []
        position, end = 0, len(rdata)
        while position < end:
            behind = position + 1 + rdata[position]
            data.append(rdata[position + 1 : behind])
            position = behind
        if position != end:
            raise EOFError
        payload.data = data
        payload.ttl = ttl
        return payload

    return make


def _reading(kind: Callable[..., object]) -> Callable[[bytes, int], object]:
    """
    Create a constructor for a rare type: Twisted's class decodes the rdata itself.
    """

    def make(rdata: bytes, ttl: int) -> object:
        payload = cast(_Reading, kind(ttl=ttl))
        payload.decode(BytesIO(rdata), len(rdata))
        return payload

    return make


_MAKERS: Final[dict[int, Callable[[bytes, int], object]]] = {
    **{number: _pointed(new) for number, new in pointing.items()},
    dns.SOA: _soa,
    dns.NULL: _reading(dns.Record_NULL),
    dns.WKS: _reading(dns.Record_WKS),
    dns.HINFO: _reading(dns.Record_HINFO),
    dns.MX: _mx,
    dns.TXT: _texts(dns.Record_TXT),
    dns.AAAA: _aaaa,
    dns.SRV: _srv,
    dns.SSHFP: _reading(dns.Record_SSHFP),
    dns.SPF: _texts(dns.Record_SPF),
    dns.TSIG: _reading(dns.Record_TSIG),
}


#: Called with rdata and TTL; untyped in Twisted.
_unknown: Final = cast("Callable[[bytes, int], object]", dns.UnknownRecord)


def payloadOf(rrType: int, rdata: bytes, ttl: int) -> object:
    """
    Create the payload of a record: the C{Record_*} of its type, or an L{UnknownRecord<dns.UnknownRecord>} if the type is unknown or the
    rdata is malformed.

    @param rdata: in uncompressed wire form.
    """
    maker = _MAKERS.get(rrType)
    try:
        if maker is None:
            from twisted_ext.compat.conversion.records import makerOf

            maker = makerOf(rrType)
        return maker(rdata, ttl)
    except (EOFError, ValueError, IndexError, StructError, TypeError):
        return _unknown(rdata, ttl)
