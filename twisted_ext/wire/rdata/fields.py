"""
The base classes of record type declarations: fields, and L{Rdata}, which derives parsing, building, text and canonical form from them.

A type is a class with one attribute for each field, in wire order::

    class MX(Rdata):
        rrType = 15
        preference = Number()
        exchange = Name(expanded=True, folded=True)

This defines C{MX(10, name).wire}, C{MX.fromWire(rdata).exchange}, C{MX.fromText("10 mail", origin)} and so on. Field types are in
L{twisted_ext.wire.rdata.fieldtypes}, or beside the record types that need them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import ClassVar, Final, Generic, Self, TypeVar, cast, overload

from twisted_ext.errors import BadMessage
from twisted_ext.wire.escapes import fromHex
from twisted_ext.wire.reader import Reader
from twisted_ext.wire.records import Layout
from twisted_ext.wire.rrtypes import addMnemonic
from twisted_ext.wire.tokens import Tokens, badRecord

__all__ = [
    "MOST_RDATA",
    "Field",
    "Rdata",
    "declared",
    "genericText",
]

Value = TypeVar("Value")

#: Octets that an rdata may have: what its length field can say (RFC 1035, section 3.2.1).
MOST_RDATA: Final = 0xFFFF

#: Every type that was declared so far, by number.
declared: Final[dict[int, type[Rdata]]] = {}


class Field(Generic[Value]):
    """
    One part of a type's rdata. What it needs to know of the parts before it, it finds in C{before}: their values.

    @ivar name: the attribute that holds the value.
    @ivar index: its place among the values.
    @cvar size: octets on the wire, or L{None} where that varies.
    @cvar expanded: the field is a name that may be compressed where it is received (RFC 3597, section 4).
    @cvar folded: the field is a name that is signed in lower case (RFC 4034, section 6.2; RFC 6840, section 5.1).
    @cvar free: the field may begin with any word, C{\\#} included where no number follows it.
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
        @return: the value at C{position} of the rdata, and the position behind it.

        @raise BadMessage: it is cut off or cannot be.
        """
        raise NotImplementedError

    def write(self, value: Value, before: Sequence[object]) -> bytes:
        """
        @raise BadRecord: the value cannot be.
        """
        raise NotImplementedError

    def fromText(self, tokens: Tokens, before: Sequence[object]) -> Value:
        """
        @raise BadRecord: the words are no such value.
        """
        raise NotImplementedError

    def toText(self, value: Value, before: Sequence[object]) -> str | None:
        """
        @return: nothing where the value leaves no word, and L{None} where no words can say it.
        """
        raise NotImplementedError

    def canonical(self, value: Value, before: Sequence[object]) -> bytes:
        """
        @return: the octets that are signed (RFC 4034, section 6.2).
        """
        return self.write(value, before)

    def extent(self, data: bytes, position: int, end: int) -> int:
        """
        @return: where the field ends in a message; beyond C{end} where it is cut off.
        """
        return end if self.size is None else position + self.size

    def expected(self) -> str:
        """
        @return: the field's name in words, for complaints.
        """
        words = "".join([f" {letter.lower()}" if letter.isupper() else letter for letter in self.name])
        return f"the {words}" if words else "a value"


class _Slotted(type):
    """
    Gives classes no room for more attributes than they declare as fields.
    """

    def __new__(cls, name: str, bases: tuple[type, ...], namespace: dict[str, object]) -> _Slotted:
        namespace.setdefault("__slots__", ())
        return super().__new__(cls, name, bases, namespace)


class Rdata(metaclass=_Slotted):
    """
    The rdata of one record as a value: equal and hashed by its octets, not to be changed.

    @cvar rrType: the type's number.
    @cvar mnemonic: its name; the class's where nothing else is said.
    @cvar fields: what its rdata consists of, in the order of the wire.
    @ivar values: the fields' values.
    @ivar wire: all of it, uncompressed.
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
            declared[cls.rrType] = cls
            addMnemonic(cls.rrType, cls.mnemonic)

    def __init__(self, *values: object, **named: object) -> None:
        """
        @param values: the fields' values in the order of the wire.
        @param named: further ones by name.

        @raise BadRecord: a value that cannot be.
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
        @return: the fields' values.

        @raise BadMessage: the octets are no rdata of this type.
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
        @return: the rdata that has these values.

        @raise BadRecord: one of them cannot be.
        """
        try:
            return b"".join([field.write(value, values) for field, value in zip(cls.fields, values, strict=True)])
        except TypeError as error:
            raise badRecord(f"{cls.mnemonic}: {error}") from None

    @classmethod
    def flaw(cls, values: Sequence[object]) -> str:
        """
        @return: what is wrong with values that are each right by themselves, in words, or nothing.
        """
        return ""

    @classmethod
    def words(cls, values: Sequence[object]) -> str | None:
        """
        @return: the values as master files have them, or L{None} where they have no such form.
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
        @return: the values that these words give.

        @raise BadRecord: they are no rdata of this type.
        """
        values: list[object] = []
        for field in cls.fields:
            values.append(field.fromText(tokens, values))
        return values

    @classmethod
    def fromWire(cls, rdata: bytes) -> Self:
        """
        @param rdata: without compression, as L{RRSet<twisted_ext.wire.records.RRSet>} has it.

        @raise BadMessage: the octets are no rdata of this type.
        """
        self = cls.__new__(cls)
        self.wire = rdata
        self.values = _parsed(cls, rdata)
        return self

    @classmethod
    def fromText(cls, text: str, origin: bytes | None = None) -> Self:
        """
        @param text: the rdata as a master file has it, or in the form of RFC 3597, section 5.
        @param origin: where names without a final dot belong; L{None} takes all as absolute.

        @raise BadRecord: with the column, and what was expected there.
        """
        return cls.fromTokens(Tokens(text, origin))

    @classmethod
    def fromTokens(cls, tokens: Tokens) -> Self:
        """
        @param tokens: words of which those of the rdata come next and last.

        @raise BadRecord: with the column, and what was expected there.
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
        @return: the rdata as master files have it, in one line; in the form of RFC 3597, section 5 where the type has no other.
        """
        text = self.words(self.values)
        return genericText(self.wire) if text is None else text

    def toWire(self) -> bytes:
        """
        @return: the rdata without compression.
        """
        return self.wire

    def canonical(self) -> bytes:
        """
        @return: the rdata as it is signed (RFC 4034, section 6.2; RFC 6840, section 5.1).
        """
        for field in self.fields:
            if field.folded:
                values = self.values
                parts = [each.canonical(value, values) for each, value in zip(self.fields, values, strict=True)]
                return b"".join(parts)
        return self.wire

    @classmethod
    def layout(cls) -> Layout:
        """
        @return: what reading needs to know to expand the names in the rdata of a message.
        """
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
            raise BadMessage(f"{len(wire)} octets; {MOST_RDATA} are the most")
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
    Read C{\\# length hex} (RFC 3597, section 5).
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
    @return: the octets in the form of RFC 3597, section 5.
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
