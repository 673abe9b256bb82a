"""
Field types shared by many record types, and the rdata of unknown types.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Final

from twisted_ext.errors import BadMessage, BadName
from twisted_ext.wire.escapes import fromBase64, fromHex, quoted, toBase64
from twisted_ext.wire.names import MOST_OCTETS, nameFromText, nameToText
from twisted_ext.wire.rdata.fields import MOST_RDATA, Field, Rdata
from twisted_ext.wire.rrtypes import typeName, typeNumber
from twisted_ext.wire.tokens import Tokens, badRecord

__all__ = [
    "base64Octets",
    "hexOctets",
    "joinedStrings",
    "Name",
    "Number",
    "Octets",
    "Strings",
    "Text",
    "TypeNumber",
    "Unknown",
    "nameFromToken",
    "plainName",
    "takeOctets",
]

#: Characters that names rarely contain: all of ASCII but C{A-Za-z0-9_*/.\\-}. Any octet is valid (RFC 2181, section 11), but a comma or an
#: C{@} is usually a mistake. Written so, since a set of all others takes 5 ms to compile.
_UNUSUAL: Final = re.compile(r"[\x00-)+,:-@\[\]^`{-\x7f]")

#: Surrogates in place of octets that are not valid UTF-8.
_FOREIGN: Final = re.compile(r"[\udc80-\udcff]")

_HIDDEN: Final = re.compile(r"\\[0-9]{3}|\\.", re.DOTALL)


def takeOctets(data: bytes, position: int, count: int) -> bytes:
    """
    @raise BadMessage: there are fewer octets.
    """
    taken = data[position : position + count]
    if len(taken) != count:
        raise BadMessage(f"{count} octets are needed, {len(taken)} are left")
    return taken


def plainName(data: bytes, position: int) -> tuple[bytes, int]:
    """
    Read an uncompressed name. Return it, and the position after it.

    @raise BadMessage: it is truncated, has more than 255 octets, or contains anything but plain labels.
    """
    start = position
    try:
        while length := data[position]:
            if length > 63:
                raise BadMessage("a compressed name, or an unknown kind of label, where neither may be")
            position += length + 1
    except IndexError:
        raise BadMessage("the name is cut off") from None
    position += 1
    if position - start > MOST_OCTETS:
        raise BadMessage(f"the name has more than {MOST_OCTETS} octets")
    return data[start:position], position


class Number(Field[int]):
    def __init__(self, size: int = 2, names: dict[str, int] | None = None, *, named: bool = False) -> None:
        """
        @param names: mnemonics in upper case that are accepted as text.
        @param named: whether to use them in output.
        """
        self.size = self.octets = size
        self.most = (1 << 8 * size) - 1
        self.names = names or {}
        self.wanted = ""
        self.shown = {number: name for name, number in self.names.items()} if named else {}

    def read(self, data: bytes, position: int, before: Sequence[object]) -> tuple[int, int]:
        end = position + self.octets
        if end > len(data):
            raise BadMessage("the number is cut off")
        return int.from_bytes(data[position:end], "big"), end

    def write(self, value: int, before: Sequence[object]) -> bytes:
        if not isinstance(value, int) or not 0 <= value <= self.most:
            raise badRecord(f"{self.expected()} is {value!r}; a number from 0 to {self.most} was expected")
        return value.to_bytes(self.octets, "big")

    def fromText(self, tokens: Tokens, before: Sequence[object]) -> int:
        expected = self.wanted
        if not expected:
            expected = self.wanted = f"{self.expected()}, a number from 0 to {self.most},"
        text = tokens.take(expected)
        if text.isascii() and text.isdigit() and len(text) <= 20:
            number = int(text)
            if number <= self.most:
                return number
        elif self.names:
            found = self.names.get(text.upper())
            if found is not None:
                return found
            expected = f"{self.expected()}, a number from 0 to {self.most} or a mnemonic such as {next(iter(self.names))},"
        raise tokens.bad(text, expected)

    def toText(self, value: int, before: Sequence[object]) -> str:
        return self.shown.get(value) or str(value)


class Name(Field[bytes]):
    def __init__(self, *, expanded: bool = False, folded: bool = False) -> None:
        """
        @param expanded: whether it may be compressed in received messages: in types of RFC 1035 and those listed in RFC 3597, section 4.
        @param folded: whether it is in lower case in canonical form (RFC 4034, section 6.2; RFC 6840, section 5.1).
        """
        self.expanded = expanded
        self.folded = folded

    def read(self, data: bytes, position: int, before: Sequence[object]) -> tuple[bytes, int]:
        return plainName(data, position)

    def write(self, value: bytes, before: Sequence[object]) -> bytes:
        if isinstance(value, bytes):
            try:
                name, end = plainName(value, 0)
            except BadMessage as error:
                raise badRecord(f"{self.expected()}: {error.text}") from None
            if end == len(value):
                return name
        raise badRecord(f"{self.expected()} is {value!r}; a name in uncompressed wire form was expected")

    def fromText(self, tokens: Tokens, before: Sequence[object]) -> bytes:
        return nameFromToken(tokens, tokens.take(f"{self.expected()}, a name,"))

    def toText(self, value: bytes, before: Sequence[object]) -> str:
        return nameToText(value)

    def canonical(self, value: bytes, before: Sequence[object]) -> bytes:
        return value.lower() if self.folded else value


def nameFromToken(tokens: Tokens, text: str) -> bytes:
    """
    Convert the word taken last to a name; C{@} is the origin.

    @raise BadRecord: it is not a valid name.
    """
    if text == "@" and not tokens.quoted:
        if tokens.origin is None:
            raise tokens.bad(text, "a name other than @, since there is no origin,")
        return tokens.origin
    if not tokens.quoted and _UNUSUAL.search(text) and (plain := _UNUSUAL.search(_HIDDEN.sub("", text))):
        said = f"{text[:40]!r} has {plain[0]!r} in it; put a backslash before it if it is meant"
        tokens.remarks.append(badRecord(said, tokens.column))
    if foreign := _FOREIGN.search(text):
        octet = ord(foreign[0]) & 0xFF
        raise badRecord(f"octet {octet} in a name, which is not UTF-8 text; \\{octet:03d} was expected if it is meant", tokens.column)
    try:
        name = nameFromText(text, tokens.origin)
    except BadName as error:
        raise badRecord(error.text, tokens.column) from None
    if not text.isascii():
        # BIND and NSD use the octets of the UTF-8 text, which no client queries for.
        said = f"{text[:40]!r} is taken as {nameToText(name)[:80]} (RFC 5891); other servers may take its octets as they are"
        tokens.remarks.append(badRecord(said, tokens.column))
    return name


class Text(Field[bytes]):
    """
    A character string of up to 255 octets (RFC 1035, section 3.3).
    """

    def read(self, data: bytes, position: int, before: Sequence[object]) -> tuple[bytes, int]:
        if position >= len(data):
            raise BadMessage("the string is cut off")
        end = position + 1 + data[position]
        if end > len(data):
            raise BadMessage("the string is cut off")
        return data[position + 1 : end], end

    def write(self, value: bytes, before: Sequence[object]) -> bytes:
        if not isinstance(value, bytes) or len(value) > 255:
            raise badRecord(f"{self.expected()} is {value!r:.60}; up to 255 octets were expected")
        return bytes([len(value)]) + value

    def fromText(self, tokens: Tokens, before: Sequence[object]) -> bytes:
        octets = tokens.octets(f"{self.expected()}, a string,")
        if len(octets) > 255:
            raise badRecord(f"{self.expected()} has {len(octets)} octets; at most 255 are allowed", tokens.column)
        return octets

    def toText(self, value: bytes, before: Sequence[object]) -> str:
        return quoted(value)

    def extent(self, data: bytes, position: int, end: int) -> int:
        return position + 1 + data[position]


class Strings(Field[tuple[bytes, ...]]):
    """
    Character strings up to the end of the rdata.
    """

    free = True

    def __init__(self, least: int = 1, most: int = MOST_RDATA) -> None:
        """
        @param least: minimum number of strings.
        @param most: maximum number of strings.
        """
        self.least = least
        self.most = most

    def read(self, data: bytes, position: int, before: Sequence[object]) -> tuple[tuple[bytes, ...], int]:
        end = len(data)
        strings: list[bytes] = []
        while position < end:
            behind = position + 1 + data[position]
            strings.append(data[position + 1 : behind])
            position = behind
        if position > end:
            raise BadMessage("the last string is cut off")
        if not self.least <= len(strings) <= self.most:
            raise BadMessage(f"{len(strings)} strings; at least {self.least} and at most {self.most} were expected")
        return tuple(strings), end

    def write(self, value: tuple[bytes, ...], before: Sequence[object]) -> bytes:
        for string in value:
            if not isinstance(string, bytes) or len(string) > 255:
                raise badRecord(f"{self.expected()}: {string!r:.60} where up to 255 octets were expected")
        return b"".join([bytes([len(string)]) + string for string in value])

    def fromText(self, tokens: Tokens, before: Sequence[object]) -> tuple[bytes, ...]:
        strings: list[bytes] = []
        while tokens.more() or len(strings) < self.least:
            octets = tokens.octets("a string")
            # Consumers of these types concatenate the strings, so a long one may be written as one.
            if len(octets) > 255:
                text = f"a string of {len(octets)} octets is split, as one has 255 at most; other servers refuse it"
                tokens.remarks.append(badRecord(text, tokens.column))
            strings += [octets[start : start + 255] for start in range(0, len(octets), 255)] or [b""]
        return tuple(strings)

    def toText(self, value: tuple[bytes, ...], before: Sequence[object]) -> str:
        return " ".join([quoted(string) for string in value])


def joinedStrings(rdata: bytes) -> bytes:
    """
    @return: the concatenated strings of a record such as TXT.
    """
    parts: list[bytes] = []
    position = 0
    while position < len(rdata):
        end = position + 1 + rdata[position]
        parts.append(rdata[position + 1 : end])
        position = end
    return b"".join(parts)


class Octets(Field[bytes]):
    """
    Octets up to the end of the rdata, or a fixed number of them.
    """

    def __init__(
        self,
        toWords: Callable[[bytes], str],
        fromWords: Callable[[str], bytes],
        what: str,
        *,
        size: int | None = None,
        least: int = 0,
        absent: bool = False,
    ) -> None:
        """
        @param toWords: formats the octets as text.
        @param fromWords: parses the text, all remaining words joined. Raises L{ValueError}.
        @param what: the encoding, for error messages.
        @param least: minimum number of octets.
        @param absent: whether zero octets are written as no word at all; otherwise they are written in the generic format of RFC 3597.
        """
        self.size = size
        self.absent = absent
        self.toWords = toWords
        self.fromWords = fromWords
        self.what = what
        self.least = least

    def read(self, data: bytes, position: int, before: Sequence[object]) -> tuple[bytes, int]:
        taken = data[position:] if self.size is None else takeOctets(data, position, self.size)
        if len(taken) < self.least:
            raise BadMessage(f"{len(taken)} octets; at least {self.least} are required")
        return taken, position + len(taken)

    def write(self, value: bytes, before: Sequence[object]) -> bytes:
        if not isinstance(value, bytes) or len(value) < self.least or self.size not in (None, len(value)):
            raise badRecord(f"{self.expected()} is {value!r:.60}; {self._needs()} were expected")
        return value

    def fromText(self, tokens: Tokens, before: Sequence[object]) -> bytes:
        text = tokens.take(f"{self.expected()}, {self.what},") if self.size is not None else tokens.rest()
        try:
            octets = self.fromWords(text)
        except ValueError:
            raise tokens.bad(text, f"{self.expected()}, {self.what},") from None
        if text[-1:] == "=" and self.size is None and len(tokens.last) < 4:
            # Blanks are allowed anywhere (RFC 4034, section 2.2), but here one is probably a mistake.
            tokens.remarks.append(badRecord("a blank within the last four letters of base 64; not every server reads that", tokens.column))
        if not (octets or self.absent):
            raise badRecord(f"the record ends where {self.expected()}, {self.what}, was expected", tokens.column)
        if len(octets) < self.least or self.size not in (None, len(octets)):
            raise badRecord(f"{self.expected()} has {len(octets)} octets; {self._needs()} were expected", tokens.column)
        return octets

    def _needs(self) -> str:
        return f"{self.size} octets" if self.size is not None else f"{self.least} octets or more"

    def toText(self, value: bytes, before: Sequence[object]) -> str | None:
        return self.toWords(value) if value or self.absent else None


class TypeNumber(Number):
    def __init__(self) -> None:
        super().__init__(2)

    def fromText(self, tokens: Tokens, before: Sequence[object]) -> int:
        expected = f"{self.expected()}, a record type,"
        text = tokens.take(expected)
        number = typeNumber(text)
        if number is None:
            raise tokens.bad(text, expected)
        return number

    def toText(self, value: int, before: Sequence[object]) -> str:
        return typeName(value)


def hexOctets(*, least: int = 0) -> Octets:
    return Octets(lambda octets: octets.hex().upper(), fromHex, "in hex", least=least)


def base64Octets(*, least: int = 0, absent: bool = False) -> Octets:
    return Octets(toBase64, fromBase64, "in base 64", least=least, absent=absent)


class Unknown(Rdata):
    """
    Rdata of an unknown record type (RFC 3597): any octets, never decompressed and compared bytewise. NULL and SINK are known types, but
    opaque too.
    """

    mnemonic = "unknown"
    octets = Octets(bytes.hex, fromHex, "\\#, the number of octets, and these in hex,")

    @classmethod
    def words(cls, values: Sequence[object]) -> None:
        return None

    @classmethod
    def readWords(cls, tokens: Tokens) -> list[object]:
        what = cls.octets.what
        raise tokens.bad(tokens.take(what), what)
