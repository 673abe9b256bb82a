"""
C{Record_*} classes for types that twisted.names lacks, in its style. Each is created from the declaration in L{twisted_ext.wire.rdata}
when it is first accessed.

C{Record_TLSA(3, 1, 1, digest)} has the attributes of the declaration (C{usage}, C{selector} and so on), encodes and decodes itself, and can
be the payload of an L{RRHeader<twisted.names.dns.RRHeader>}. Names are L{Name<twisted.names.dns.Name>} objects. Computed attributes of the
declaration are readable as well: C{alpn}, C{port}, C{ipv4hint} and so on of SVCB and HTTPS.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from io import BytesIO
from operator import attrgetter
from struct import error as StructError
from typing import TYPE_CHECKING, ClassVar, Final, cast

from twisted.names import dns
from twisted.python.util import FancyEqMixin, FancyStrMixin
from zope.interface import implementer

from twisted_ext.compat.conversion.names import nameOf, wireFromName
from twisted_ext.errors import BadMessage, BadRecord, WrongType
from twisted_ext.wire.codes import IN
from twisted_ext.wire.names import nameFromText
from twisted_ext.wire.rdata.fields import Field, Rdata
from twisted_ext.wire.rdata.fieldtypes import Name, Number, Octets, Strings, Text, Unknown
from twisted_ext.wire.rdata.registry import declarationOf, rdataFromWire, rdataToText
from twisted_ext.wire.rrtypes import formOf, typeNumber

if TYPE_CHECKING:
    from twisted_ext.compat.conversion.payloads import Maker

__all__ = ["Record", "makerOf", "recordNamed", "recordOf", "textOf"]


def _shown(value: object) -> str:
    """
    Format octets without the C{b} prefix, as twisted.names does.
    """
    if isinstance(value, bytes):
        return repr(value)[1:]
    if isinstance(value, tuple | list):
        return f"[{', '.join([_shown(each) for each in value])}]"
    return str(value)


@implementer(dns.IEncodableRecord)
class Record(FancyEqMixin, FancyStrMixin):
    """
    Base class of these records.

    @cvar TYPE: the type's number.
    @cvar declaration: the fields of its rdata.
    @ivar ttl: in seconds, or L{None}.
    """

    TYPE: ClassVar[int] = 0
    fancybasename: ClassVar[str] = ""
    declaration: ClassVar[type[Rdata]] = Unknown
    ttl: int | None

    def __init__(self, *values: object, ttl: str | bytes | int | None = None, **named: object) -> None:
        """
        @param values: the fields in wire order; names as text, L{dns.Name}, or anything that L{dns.Name} accepts. Omitted fields are zero
            or empty.
        @param named: further fields by name.
        """
        given = list(values)
        fields = self.declaration.fields
        if len(given) > len(fields):
            raise TypeError(f"Record_{self.fancybasename} takes {', '.join([field.name for field in fields])}, and ttl")
        for index, field in enumerate(fields):
            value = given[index] if index < len(given) else named.pop(field.name, None)
            setattr(self, field.name, _attribute(field, value))
        if named:
            raise TypeError(f"Record_{self.fancybasename} has no {next(iter(named))!r}")
        self.ttl = dns.str2time(ttl)

    if TYPE_CHECKING:

        def __getattr__(self, name: str) -> object:
            """
            Fields are attributes.
            """

    @property
    def rdata(self) -> Rdata:
        """
        The rdata as an immutable typed value.

        @raise twisted_ext.errors.BadRecord: an attribute has an invalid value.
        """
        return self.declaration(*[_value(getattr(self, field.name)) for field in self.declaration.fields])

    @property
    def text(self) -> str:
        """
        The rdata in master file format, on one line.
        """
        return self.rdata.toText()

    def encode(self, strio: BytesIO, compDict: dict[bytes, int] | None = None) -> None:
        """
        Write the rdata. Names are never compressed (RFC 3597, section 4).
        """
        strio.write(self.rdata.wire)

    def decode(self, strio: BytesIO, length: int | None = None) -> None:
        """
        Read uncompressed rdata.

        @raise dns.DNSDecodeError: the octets are not valid rdata of this type.
        """
        octets = strio.read(length)
        if length is not None and len(octets) < length:
            raise EOFError
        try:
            self._fill(octets)
        except BadMessage as error:
            raise dns.DNSDecodeError(error.text) from None

    def _fill(self, octets: bytes) -> None:
        for field, value in zip(self.declaration.fields, self.declaration.fromWire(octets).values, strict=True):
            setattr(self, field.name, nameOf(cast(bytes, value)) if isinstance(field, Name) else value)

    def __hash__(self) -> int:
        return hash(self.rdata)


def _attribute(field: Field[object], value: object) -> object:
    if isinstance(field, Name):
        if isinstance(value, dns.Name):
            return value
        return nameOf(nameFromText(cast("str | bytes", value))) if value else dns.Name()
    if value is None:
        if isinstance(field, Number):
            return 0
        if isinstance(field, Text | Octets):
            return b""
        if isinstance(field, Strings):
            return ()
    return value


def _value(attribute: object) -> object:
    return wireFromName(attribute) if isinstance(attribute, dns.Name) else attribute


#: Classes created so far, by type number.
_records: Final[dict[int, type[Record]]] = {}


def recordOf(rrType: int) -> type[Record] | None:
    """
    Return the class for a type, or L{None} if the type has no declaration.
    """
    record = _records.get(rrType)
    if record is None:
        declaration = declarationOf(rrType)
        if declaration is Unknown:
            return None
        names = tuple([field.name for field in declaration.fields])
        mnemonic = declaration.mnemonic
        views = {
            name: property(attrgetter(f"rdata.{name}"), doc=view.__doc__)
            for name, view in inspect.getmembers(declaration, lambda each: isinstance(each, property))
            if not hasattr(Record, name)
        }
        record = type(
            f"Record_{mnemonic.replace('-', '_')}",
            (Record,),
            {
                **views,
                "__doc__": declaration.__doc__,
                "__module__": __name__,
                "TYPE": rrType,
                "fancybasename": mnemonic,
                "declaration": declaration,
                "compareAttributes": (*names, "ttl"),
                "showAttributes": (*[(name, _shown) for name in names], "ttl"),
            },
        )
        _records[rrType] = record
    return record


def recordNamed(name: str) -> type[Record] | None:
    """
    Return the class with this name, such as C{Record_TLSA}, or L{None} if there is no such type.
    """
    number = typeNumber(name.removeprefix("Record_").replace("_", "-")) if name.startswith("Record_") else None
    record = None if number is None else recordOf(number)
    return record if record is not None and record.__name__ == name else None


def __getattr__(name: str) -> type[Record]:
    record = recordNamed(name)
    if record is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return record


def textOf(record: object) -> str:
    """
    Return a record's data in master file format, on one line; in the format of RFC 3597 if the type is unknown.

    @param record: an L{RRHeader<dns.RRHeader>} or its payload, of twisted.names or of this package.

    @raise TypeError: this is not a record.
    @raise ValueError: a field has a value that is invalid for its type.
    """
    payload: object = record
    rrType, rrClass = int(getattr(record, "TYPE", 0) or 0), IN
    if isinstance(record, dns.RRHeader):
        payload, rrType, rrClass = record.payload, record.type, record.cls
    encode = getattr(payload, "encode", None)
    if encode is None or isinstance(payload, dns.Name | dns.Query | dns.Message):
        raise WrongType(f"{record!r:.80} is not a record; give an RRHeader or its payload")
    octets = BytesIO()
    try:
        encode(octets, None)
    except (AttributeError, OSError, StructError, TypeError) as error:
        raise BadRecord(f"{record!r:.80} cannot be written: {error}") from error
    return rdataToText(formOf(rrType, rrClass), octets.getvalue())


def makerOf(rrType: int) -> Maker:
    """
    Return a function that creates a payload. It raises L{BadMessage} if the rdata is malformed.
    """
    build = _TWISTED.get(rrType)
    if build is not None:
        return lambda rdata, ttl: build(rdataFromWire(rrType, rdata).values, ttl)
    kind = recordOf(rrType)
    if kind is None:
        return cast("Maker", dns.UnknownRecord)

    def make(rdata: bytes, ttl: int) -> Record:
        payload = kind.__new__(kind)
        payload.ttl = ttl
        payload._fill(rdata)
        return payload

    return make


#: Creates a payload from the values of the fields and the TTL.
_Build = Callable[[tuple[object, ...], int], dns.IEncodableRecord]


def _named(kind: Callable[..., dns.IEncodableRecord], *names: tuple[str, int]) -> _Build:
    """
    For rare types of Twisted whose rdata contains names: call the constructor without the names, then set them exactly.
    """

    def build(values: tuple[object, ...], ttl: int) -> dns.IEncodableRecord:
        places = [index for _, index in names]
        payload = kind(*[b"" if index in places else value for index, value in enumerate(values)], ttl=ttl)
        for attribute, index in names:
            setattr(payload, attribute, nameOf(cast(bytes, values[index])))
        return payload

    return build


def _address6(values: tuple[object, ...], ttl: int) -> dns.IEncodableRecord:
    """
    Create an A6 record. Twisted counts whole octets, and would omit the suffix octet that is shared with the prefix.
    """
    payload = _prefixed(values, ttl)
    length = cast(int, values[0])
    vars(payload)["bytes"] = (128 - length + 7) // 8
    return payload


_prefixed: Final = _named(dns.Record_A6, ("prefix", 2))

_TWISTED: Final[dict[int, _Build]] = {
    dns.MINFO: _named(dns.Record_MINFO, ("rmailbx", 0), ("emailbx", 1)),
    dns.RP: _named(dns.Record_RP, ("mbox", 0), ("txt", 1)),
    dns.AFSDB: _named(dns.Record_AFSDB, ("hostname", 1)),
    dns.NAPTR: _named(dns.Record_NAPTR, ("replacement", 5)),
    dns.A6: _address6,
}
