"""
Create C{Record_*} objects of twisted.names from rdata.
"""

from __future__ import annotations

from collections.abc import Callable
from io import BytesIO
from struct import Struct
from struct import error as StructError
from typing import Final, cast

from twisted.names import dns

from twisted_ext.compat.conversion.names import emptyOf, nameOf
from twisted_ext.errors import BadMessage

__all__ = ["Maker", "newA", "payloadOf", "pointing"]

#: Creates a payload from rdata and TTL.
Maker = Callable[[bytes, int], dns.IEncodableRecord]

newA: Final = emptyOf(dns.Record_A)
_newAAAA: Final = emptyOf(dns.Record_AAAA)
_newMX: Final = emptyOf(dns.Record_MX)
_newSRV: Final = emptyOf(dns.Record_SRV)
_newSOA: Final = emptyOf(dns.Record_SOA)

_two: Final = Struct(">H").unpack_from
_six: Final = Struct(">HHH").unpack_from
_numbers: Final = Struct(">LlllL").unpack_from

#: Types whose rdata is one name: creates an empty record.
pointing: Final[dict[int, Callable[[], dns.SimpleRecord]]] = {
    dns.NS: emptyOf(dns.Record_NS),
    dns.MD: emptyOf(dns.Record_MD),
    dns.MF: emptyOf(dns.Record_MF),
    dns.CNAME: emptyOf(dns.Record_CNAME),
    dns.MB: emptyOf(dns.Record_MB),
    dns.MG: emptyOf(dns.Record_MG),
    dns.MR: emptyOf(dns.Record_MR),
    dns.PTR: emptyOf(dns.Record_PTR),
    dns.DNAME: emptyOf(dns.Record_DNAME),
}


def _pointed(new: Callable[[], dns.SimpleRecord]) -> Maker:
    def make(rdata: bytes, ttl: int) -> dns.IEncodableRecord:
        payload = new()
        payload.name = nameOf(rdata)
        payload.ttl = ttl
        return payload

    return make


def _aaaa(rdata: bytes, ttl: int) -> dns.IEncodableRecord:
    if len(rdata) != 16:
        raise ValueError
    payload = _newAAAA()
    payload.address = rdata
    payload.ttl = ttl
    return payload


def _mx(rdata: bytes, ttl: int) -> dns.IEncodableRecord:
    payload = _newMX()
    (payload.preference,) = _two(rdata)
    payload.name = nameOf(rdata[2:])
    payload.ttl = ttl
    return payload


def _srv(rdata: bytes, ttl: int) -> dns.IEncodableRecord:
    payload = _newSRV()
    payload.priority, payload.weight, payload.port = _six(rdata)
    payload.target = nameOf(rdata[6:])
    payload.ttl = ttl
    return payload


def _soa(rdata: bytes, ttl: int) -> dns.IEncodableRecord:
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


def _texts(kind: type[dns.Record_TXT]) -> Maker:
    new = emptyOf(kind)

    def make(rdata: bytes, ttl: int) -> dns.IEncodableRecord:
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


def _reading(kind: Callable[..., dns.IEncodableRecord]) -> Maker:
    """
    Create a constructor for a rare type: Twisted's class decodes the rdata itself.
    """

    def make(rdata: bytes, ttl: int) -> dns.IEncodableRecord:
        payload = kind(ttl=ttl)
        decode: Callable[[BytesIO, int], None] = payload.decode
        decode(BytesIO(rdata), len(rdata))
        return payload

    return make


_MAKERS: Final[dict[int, Maker]] = {
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
_unknown: Final = cast(Maker, dns.UnknownRecord)


def payloadOf(rrType: int, rdata: bytes, ttl: int) -> dns.IEncodableRecord:
    """
    Create the payload of a record from uncompressed rdata: the C{Record_*} of its type, or an L{UnknownRecord<dns.UnknownRecord>} if the
    type is unknown or the rdata is malformed.
    """
    maker = _MAKERS.get(rrType)
    try:
        if maker is None:
            from twisted_ext.compat.conversion.records import makerOf

            maker = makerOf(rrType)
        return maker(rdata, ttl)
    except (BadMessage, EOFError, ValueError, IndexError, StructError, TypeError):
        return _unknown(rdata, ttl)
