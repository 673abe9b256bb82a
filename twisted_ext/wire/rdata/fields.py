"""
The base classes of record type declarations: fields, and L{Rdata}, which derives parsing, building, text and canonical form from them.

A type is a class with one attribute for each field, in wire order::

    class MX(Rdata):
        preference = Number()
        exchange = Name(expanded=True, folded=True)

This defines C{MX(10, name).wire}, C{MX.fromWire(rdata).exchange}, C{MX.fromText("10 mail", origin)} and so on. Field types are in
L{twisted_ext.wire.rdata.fieldtypes}, or in the modules of the record types that need them.

The number of a type comes from its row in L{twisted_ext.wire.rrtypes}, which has the name of the class and its module. A class of an
application sets its number itself: C{rrType = 65281}.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import ClassVar, Final, Generic, Self, TypeVar, cast, overload

from twisted_ext.errors import BadMessage
from twisted_ext.wire.escapes import fromHex
from twisted_ext.wire.reader import Reader
from twisted_ext.wire.records import Layout
from twisted_ext.wire.rrtypes import TYPE_NUMBERS, addMnemonic, moduleOf
from twisted_ext.wire.tokens import Tokens, badRecord

__all__ = [
    "MOST_RDATA",
    "Field",
    "Rdata",
    "declared",
    "genericText",
]

Value = TypeVar("Value")

#: Maximum octets of rdata: the range of its length field (RFC 1035, section 3.2.1).
MOST_RDATA: Final = 0xFFFF

#: All types declared so far, by number.
declared: Final[dict[int, type[Rdata]]] = {}


class Field(Generic[Value]):
    """
    A field of a type's rdata. C{before}, passed to its methods, has the values of the fields before it.

    @ivar name: the attribute that holds the value.
    @ivar index: its position among the values.

    @cvar size: octets in wire format, or L{None} if that varies.
    @cvar expanded: whether the field is a name that may be compressed in received messages (RFC 3597, section 4).
    @cvar folded: whether the field is a name in lower case in canonical form (RFC 4034, section 6.2; RFC 6840, section 5.1).
    @cvar free: whether the field may begin with any word, even C{\\#} if no number follows it.
    """

    size: int | None = None
    expanded: bool = False
    folded: bool = False
    free: bool = False
    name: str = ""
    index: int = 0

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    @overload
    def __get__(self, record: None, owner: type) -> Self: ...

    @overload
    def __get__(self, record: Rdata, owner: type) -> Value: ...

    def __get__(self, record: Rdata | None, owner: type) -> Self | Value:
        if record is None:
            return self
        return cast(Value, record.values[self.index])

    def read(self, data: bytes, position: int, before: Sequence[object]) -> tuple[Value, int]:
        """
        Return the value, and the position after it.

        @raise BadMessage: it is truncated or not valid.
        """
        raise NotImplementedError

    def write(self, value: Value, before: Sequence[object]) -> bytes:
        """
        @raise BadRecord: the value is not valid.
        """
        raise NotImplementedError

    def fromText(self, tokens: Tokens, before: Sequence[object]) -> Value:
        """
        @raise BadRecord: the words are not valid for the field.
        """
        raise NotImplementedError

    def toText(self, value: Value, before: Sequence[object]) -> str | None:
        """
        Format the value as text: empty if it takes no word, L{None} if it has no text form.
        """
        raise NotImplementedError

    def canonical(self, value: Value, before: Sequence[object]) -> bytes:
        return self.write(value, before)

    def extent(self, data: bytes, position: int, end: int) -> int:
        """
        Return where the field ends in a message; beyond C{end} if it is truncated.
        """
        return end if self.size is None else position + self.size

    def expected(self) -> str:
        """
        Return the field's name in words, for error messages.
        """
        words = "".join([f" {letter.lower()}" if letter.isupper() else letter for letter in self.name])
        return f"the {words}" if words else "a value"


class _Slotted(type):
    """
    Metaclass that limits attributes to the declared fields.
    """

    def __new__(cls, name: str, bases: tuple[type, ...], namespace: dict[str, object]) -> _Slotted:
        namespace.setdefault("__slots__", ())
        return super().__new__(cls, name, bases, namespace)


class Rdata(metaclass=_Slotted):
    """
    The rdata of one record as an immutable value: compared and hashed by its octets.

    @cvar rrType: the number of the type.
    @cvar mnemonic: the name of the type; by default that of the class.
    @cvar fields: the fields in wire order.

    @ivar values: the values of the fields.
    @ivar wire: the rdata without compression.
    """

    __slots__ = ("values", "wire")

    rrType: ClassVar[int] = 0
    mnemonic: ClassVar[str] = ""
    fields: ClassVar[tuple[Field[object], ...]] = ()
    values: tuple[object, ...]
    wire: bytes

    def __init_subclass__(cls) -> None:
        fields = list(cls.fields)
        for field in cls.__dict__.values():
            if isinstance(field, Field):
                field.index = len(fields)
                fields.append(field)
        cls.fields = tuple(fields)
        if "rrType" in cls.__dict__:
            cls.mnemonic = cls.__dict__.get("mnemonic") or cls.__name__
            addMnemonic(cls.rrType, cls.mnemonic)
        else:
            mnemonic = cls.__name__.replace("_", "-")
            number = TYPE_NUMBERS.get(mnemonic)
            if number is None or moduleOf(number) != cls.__module__:
                return
            cls.mnemonic, cls.rrType = mnemonic, number
        declared[cls.rrType] = cls

    def __init__(self, *values: object, **named: object) -> None:
        """
        @param values: field values in wire order.
        @param named: further field values by name.

        @raise BadRecord: a value is not valid.
        """
        given = list(values)
        for field in self.fields[len(given) :]:
            if field.name in named:
                given.append(named.pop(field.name))
        if len(given) != len(self.fields) or named:
            wanted = ", ".join([field.name for field in self.fields])
            raise TypeError(f"{self.mnemonic} takes {wanted}, each of them once")
        self.wire = wire = self.build(given)
        self.values = _checked(type(self), wire)

    @classmethod
    def parse(cls, data: bytes) -> list[object]:
        """
        @raise BadMessage: the octets are not valid for this type.
        """
        values: list[object] = []
        position = 0
        for field in cls.fields:
            try:
                value, position = field.read(data, position, values)
            except BadMessage as error:
                raise BadMessage(f"{field.name}: {error.text}") from None
            values.append(value)
        if position != len(data):
            raise BadMessage(f"{len(data) - position} octets too many")
        return values

    @classmethod
    def build(cls, values: Sequence[object]) -> bytes:
        """
        @raise BadRecord: a value is not valid.
        """
        try:
            return b"".join([field.write(value, values) for field, value in zip(cls.fields, values, strict=True)])
        except TypeError as error:
            raise badRecord(f"{cls.mnemonic}: {error}") from None

    @classmethod
    def flaw(cls, values: Sequence[object]) -> str:
        """
        Return what is wrong with a combination of values that are valid individually, or an empty text.
        """
        return ""

    @classmethod
    def words(cls, values: Sequence[object]) -> str | None:
        """
        Format the values as in a master file, or return L{None} if they have no such form.
        """
        texts: list[str] = []
        for field, value in zip(cls.fields, values, strict=True):
            text = field.toText(value, values)
            if text is None:
                return None
            if text:
                texts.append(text)
        return " ".join(texts)

    @classmethod
    def readWords(cls, tokens: Tokens) -> list[object]:
        """
        @raise BadRecord: the words are not valid for this type.
        """
        values: list[object] = []
        for field in cls.fields:
            values.append(field.fromText(tokens, values))
        return values

    @classmethod
    def fromWire(cls, rdata: bytes) -> Self:
        """
        Parse rdata in wire format.

        @param rdata: without compression, as in L{RRSet<twisted_ext.wire.records.RRSet>}.

        @raise BadMessage: the octets are not valid for this type.
        """
        self = cls.__new__(cls)
        self.wire = rdata
        self.values = _parsed(cls, rdata)
        return self

    @classmethod
    def fromText(cls, text: str, origin: bytes | None = None) -> Self:
        """
        Parse rdata from text.

        @param text: the rdata as in a master file, or in the generic format of RFC 3597, section 5.
        @param origin: the origin of names without a final dot; L{None} treats all names as absolute.

        @raise BadRecord: the text is not valid; has the column, and what was expected there.
        """
        return cls.fromTokens(Tokens(text, origin))

    @classmethod
    def fromTokens(cls, tokens: Tokens) -> Self:
        """
        @raise BadRecord: the remaining words are not valid; has the column, and what was expected there.
        """
        self = cls.__new__(cls)
        if tokens.peek() == "\\#" and not (cls.fields and cls.fields[0].free and tokens.peek(1)[:1].isalpha()):
            self.wire = wire = _generic(tokens)
        else:
            self.wire = wire = cls.build(cls.readWords(tokens))
        tokens.end()
        self.values = _checked(cls, wire)
        return self

    def toText(self) -> str:
        """
        Format the rdata as in a master file, in one line; in the generic format of RFC 3597, section 5, if the type has no other.
        """
        text = self.words(self.values)
        return genericText(self.wire) if text is None else text

    def canonical(self) -> bytes:
        """
        Return the canonical form (RFC 4034, section 6.2; RFC 6840, section 5.1).
        """
        for field in self.fields:
            if field.folded:
                values = self.values
                parts = [each.canonical(value, values) for each, value in zip(self.fields, values, strict=True)]
                return b"".join(parts)
        return self.wire

    @classmethod
    def layout(cls) -> Layout:
        sizes = [field.size for field in cls.fields]
        expanded = [field.expanded for field in cls.fields]
        count = sum(expanded)
        if not count:
            known = [size for size in sizes if size is not None]
            return sum(known) if sizes and len(known) == len(sizes) else None
        first = expanded.index(True)
        before, behind = sizes[:first], sizes[first + count :]
        if all(expanded[first : first + count]) and None not in before and None not in behind:
            return (sum([size or 0 for size in before]), count, sum([size or 0 for size in behind]))
        return _expanding(cls.fields)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Rdata):
            return NotImplemented
        return type(self) is type(other) and self.wire == other.wire

    def __hash__(self) -> int:
        return hash((type(self), self.wire))

    def __repr__(self) -> str:
        return f"<{self.mnemonic} {self.toText()}>"


def _parsed(kind: type[Rdata], wire: bytes) -> tuple[object, ...]:
    try:
        if len(wire) > MOST_RDATA:
            raise BadMessage(f"{len(wire)} octets; at most {MOST_RDATA} are allowed")
        values = kind.parse(wire)
        flaw = kind.flaw(values)
        if flaw:
            raise BadMessage(flaw)
    except BadMessage as error:
        raise BadMessage(f"{kind.mnemonic} rdata: {error.text}") from None
    return tuple(values)


def _checked(kind: type[Rdata], wire: bytes) -> tuple[object, ...]:
    try:
        return _parsed(kind, wire)
    except BadMessage as error:
        raise badRecord(error.text) from None


def _generic(tokens: Tokens) -> bytes:
    """
    Parse C{\\# length hex} (RFC 3597, section 5).
    """
    tokens.take("")
    text = tokens.take("the number of octets")
    if not (text.isascii() and text.isdigit() and len(text) <= 5 and int(text) <= MOST_RDATA):
        raise tokens.bad(text, f"the number of octets, up to {MOST_RDATA},")
    count = int(text)
    digits = tokens.rest()
    try:
        octets = fromHex(digits)
    except ValueError:
        raise tokens.bad(digits, "the octets in hex") from None
    if len(octets) != count:
        raise badRecord(f"{len(octets)} octets in hex where {count} were announced", tokens.column)
    return octets


def genericText(wire: bytes) -> str:
    """
    Format octets in the generic format of RFC 3597, section 5.
    """
    return f"\\# {len(wire)} {wire.hex()}" if wire else "\\# 0"


def _expanding(fields: tuple[Field[object], ...]) -> Callable[[Reader, int, int], bytes]:
    def expand(reader: Reader, start: int, end: int) -> bytes:
        data = reader.data
        parts: list[bytes] = []
        position = start
        for field in fields:
            if position > end:
                break
            if field.expanded:
                name, position = reader.name(position)
                parts.append(name)
            else:
                behind = field.extent(data, position, end)
                parts.append(data[position:behind])
                position = behind
        if position != end:
            raise BadMessage(f"the rdata at octet {start} is not as long as its length says")
        return b"".join(parts)

    return expand
