"""
Answers as L{twisted.names} gives them: three lists of L{RRHeader<twisted.names.dns.RRHeader>}.

Objects are made without their constructors, which would check again what was checked when the reply was read.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from io import BytesIO
from struct import Struct
from struct import error as StructError
from typing import Final, Protocol, cast

from twisted.names import dns

from twisted_ext.answers import Answer, Security
from twisted_ext.errors import BadName
from twisted_ext.limits import NAMES_REMEMBERED
from twisted_ext.wire.codes import AA
from twisted_ext.wire.names import MOST_LABEL_OCTETS, ROOT, labelsOf, nameFromLabels, nameToText
from twisted_ext.wire.records import RRSet

__all__ = ["ExactName", "Result", "expectName", "headersFrom", "nameOf", "payloadOf", "resultFromAnswer", "wireFromName"]


class Result(tuple[list[dns.RRHeader], list[dns.RRHeader], list[dns.RRHeader]]):
    """
    What a look-up fires with: answer, authority and additional records, each in a list, as from twisted.names. Nothing in it is shared
    with another result.

    @ivar answer: the same as this package has it, with what the three lists have no room for.
    """

    answer: Answer

    @property
    def rcode(self) -> int:
        """
        The reply's rcode.
        """
        return self.answer.rcode

    @property
    def flags(self) -> int:
        """
        The header's bits AA, TC, RD, RA, AD, CD (L{twisted_ext.wire.codes}).
        """
        return self.answer.flags

    @property
    def ede(self) -> tuple[tuple[int, str], ...]:
        """
        Extended errors as C{(info code, extra text)} (RFC 8914).
        """
        return self.answer.ede

    @property
    def security(self) -> Security:
        """
        What was proved of it here.
        """
        return self.answer.security

    @property
    def server(self) -> str:
        """
        Who said it, as C{"192.0.2.1:53"}, or C{""} where nobody was asked.
        """
        origin = self.answer.origin
        return "" if origin is None else origin.server


class ExactName(dns.Name):
    """
    A name that L{dns.Name} would lose: with a label that holds a dot, or octets that are no printable characters.

    @ivar name: the name with escapes (RFC 1035, section 5.1), as every look-up of this package takes it.
    @ivar wire: its octets.
    """

    def __init__(self, wire: bytes) -> None:
        super().__init__(nameToText(wire, final=False).encode("ascii"))
        self.wire = wire

    def encode(self, strio: BytesIO, compDict: dict[bytes, int] | None = None) -> None:
        """
        Write the name, uncompressed.
        """
        strio.write(self.wire)


class _Name(Protocol):
    """
    A name in the making.
    """

    name: bytes


class _Header(Protocol):
    """
    A record's header in the making.
    """

    name: object
    type: int
    cls: int
    ttl: int
    payload: object
    auth: bool


class _Address(Protocol):
    """
    An A or AAAA record in the making.
    """

    address: bytes
    ttl: int


class _Pointing(Protocol):
    """
    A record of one name in the making.
    """

    name: object
    ttl: int


class _Exchange(_Pointing, Protocol):
    """
    An MX record in the making.
    """

    preference: int


class _Texts(Protocol):
    """
    A TXT record in the making.
    """

    data: list[bytes]
    ttl: int


class _Service(Protocol):
    """
    An SRV record in the making.
    """

    priority: int
    weight: int
    port: int
    target: object
    ttl: int


class _Authority(Protocol):
    """
    An SOA record in the making.
    """

    mname: object
    rname: object
    serial: int
    refresh: int
    retry: int
    expire: int
    minimum: int
    ttl: int


class _Reading(Protocol):
    """
    Any record of Twisted's that can read itself.
    """

    ttl: int

    def decode(self, strio: BytesIO, length: int | None = None) -> None:
        """
        Read the rdata.
        """


_newName: Final = cast("Callable[[], _Name]", partial(object.__new__, dns.Name))
_newHeader: Final = cast("Callable[[], _Header]", partial(object.__new__, dns.RRHeader))
_newA: Final = cast("Callable[[], _Address]", partial(object.__new__, dns.Record_A))
_newAAAA: Final = cast("Callable[[], _Address]", partial(object.__new__, dns.Record_AAAA))
_newMX: Final = cast("Callable[[], _Exchange]", partial(object.__new__, dns.Record_MX))
_newSRV: Final = cast("Callable[[], _Service]", partial(object.__new__, dns.Record_SRV))
_newSOA: Final = cast("Callable[[], _Authority]", partial(object.__new__, dns.Record_SOA))
_newResult: Final = cast(
    "Callable[[tuple[list[dns.RRHeader], list[dns.RRHeader], list[dns.RRHeader]]], Result]",
    partial(tuple.__new__, Result),
)

_two: Final = Struct(">H").unpack_from
_six: Final = Struct(">HHH").unpack_from
_numbers: Final = Struct(">LlllL").unpack_from

#: Uncompressed names and what Twisted makes of them. Names with odd octets are never among them.
_plainTexts: dict[bytes, bytes] = {ROOT: b""}
_mostTexts: Final = int(NAMES_REMEMBERED.default)

#: Octets that may stand in a L{dns.Name} without being mistaken for something else.
_PLAIN: Final = bytes(set(range(0x21, 0x7F)) - set(b".\\"))

_PLAIN_AND_DOT: Final = _PLAIN + b"."


def nameOf(wire: bytes) -> dns.Name:
    """
    @param wire: an uncompressed name.

    @return: the name as Twisted has it: dots between labels, none at the end.
    """
    text = _plainTexts.get(wire)
    if text is None:
        labels = labelsOf(wire)
        text = b".".join(labels)
        if len(text.translate(None, _PLAIN)) >= max(1, len(labels)):
            return ExactName(wire)
        if len(_plainTexts) >= _mostTexts:
            _plainTexts.clear()
        _plainTexts[wire] = text
    name = _newName()
    name.name = text
    return cast(dns.Name, name)


def expectName(wire: bytes, text: bytes) -> None:
    """
    Remember a name that will soon come back from a server, before it does: here the text is at hand already.

    @param text: what C{wire} was read from, without escapes; perhaps with a final dot.
    """
    if text.endswith(b"."):
        text = text[:-1]
    # What stands between the dots are the labels, so that no label holds one.
    if text and not text.translate(None, _PLAIN_AND_DOT):
        if len(_plainTexts) >= _mostTexts:
            _plainTexts.clear()
        _plainTexts[wire] = text


def wireFromName(name: dns.Name) -> bytes:
    """
    @return: the uncompressed octets of a name of Twisted's, in which a backslash is a character like any other.

    @raise BadName: a label is empty or too long, or the name is.
    """
    if isinstance(name, ExactName):
        return name.wire
    text = name.name
    if text.endswith(b"."):
        text = text[:-1]
    if not text:
        return ROOT
    labels = text.split(b".")
    try:
        return nameFromLabels(labels)
    except BadName as error:
        raise BadName(f"{text[: 4 * MOST_LABEL_OCTETS]!r}: {error.text}") from None


def _pointing(kind: type[dns.SimpleRecord]) -> Callable[[bytes, int], object]:
    new = cast("Callable[[], _Pointing]", partial(object.__new__, kind))

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
    For types that are rare: Twisted's class reads the rdata itself.
    """

    def make(rdata: bytes, ttl: int) -> object:
        payload = cast(_Reading, kind(ttl=ttl))
        payload.decode(BytesIO(rdata), len(rdata))
        return payload

    return make


_MAKERS: Final[dict[int, Callable[[bytes, int], object]]] = {
    dns.NS: _pointing(dns.Record_NS),
    dns.MD: _pointing(dns.Record_MD),
    dns.MF: _pointing(dns.Record_MF),
    dns.CNAME: _pointing(dns.Record_CNAME),
    dns.SOA: _soa,
    dns.MB: _pointing(dns.Record_MB),
    dns.MG: _pointing(dns.Record_MG),
    dns.MR: _pointing(dns.Record_MR),
    dns.NULL: _reading(dns.Record_NULL),
    dns.WKS: _reading(dns.Record_WKS),
    dns.PTR: _pointing(dns.Record_PTR),
    dns.HINFO: _reading(dns.Record_HINFO),
    dns.MX: _mx,
    dns.TXT: _texts(dns.Record_TXT),
    dns.AAAA: _aaaa,
    dns.SRV: _srv,
    dns.DNAME: _pointing(dns.Record_DNAME),
    dns.SSHFP: _reading(dns.Record_SSHFP),
    dns.SPF: _texts(dns.Record_SPF),
    dns.TSIG: _reading(dns.Record_TSIG),
}


#: Called with octets and TTL; Twisted has it without types.
_unknown: Final = cast("Callable[[bytes, int], object]", dns.UnknownRecord)


def payloadOf(rrType: int, rdata: bytes, ttl: int) -> object:
    """
    @param rdata: in uncompressed wire form.

    @return: the C{Record_*} of this type, or an L{UnknownRecord<dns.UnknownRecord>} where nobody knows the type, or where the octets
        are not of its form.
    """
    maker = _MAKERS.get(rrType)
    try:
        if maker is None:
            from twisted_ext.edges.records import makerOf

            maker = makerOf(rrType)
        return maker(rdata, ttl)
    except (EOFError, ValueError, IndexError, StructError, TypeError):
        return _unknown(rdata, ttl)


def headersFrom(sets: tuple[RRSet, ...], auth: bool) -> list[dns.RRHeader]:
    """
    @return: every record of a section, in order.
    """
    headers: list[_Header] = []
    for rrset in sets:
        name = rrset.name
        rrType = rrset.rrType
        ttl = rrset.ttl
        for rdata in rrset.rdatas:
            payload: object
            if rrType == 1 and len(rdata) == 4:
                address = _newA()
                address.address = rdata
                address.ttl = ttl
                payload = address
            else:
                payload = payloadOf(rrType, rdata, ttl)
            header = _newHeader() if rrType in _TOLD else _newTold()
            text = _plainTexts.get(name)
            if text is None:
                header.name = nameOf(name)
            else:
                plain = _newName()
                plain.name = text
                header.name = plain
            header.type = rrType
            header.cls = rrset.rrClass
            header.ttl = ttl
            header.payload = payload
            header.auth = auth
            headers.append(header)
    return cast("list[dns.RRHeader]", headers)


class _ToldHeader(dns.RRHeader):
    """
    The header of a record whose type Twisted has no name for.
    """

    def __str__(self) -> str:
        from twisted_ext.wire.rrtypes import typeName

        known = super().__str__()
        return known.replace(f" type=UNKNOWN ({self.type}) ", f" type={typeName(self.type)} ", 1)

    __repr__ = __str__


#: Types that Twisted has names for.
_TOLD: Final = dns.QUERY_TYPES

_newTold: Final = cast("Callable[[], _Header]", partial(object.__new__, _ToldHeader))


def resultFromAnswer(answer: Answer) -> Result:
    """
    @return: the three lists, made anew.
    """
    auth = bool(answer.flags & AA)
    authority = answer.authority
    additional = answer.additional
    result = _newResult(
        (
            headersFrom(answer.answer, auth),
            headersFrom(authority, auth) if authority else [],
            headersFrom(additional, auth) if additional else [],
        )
    )
    result.answer = answer
    return result
