"""
Field types that many record types share; others are beside the record types that need them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Final

from twisted_ext.errors import BadMessage, BadName
from twisted_ext.wire.escapes import fromBase64, fromHex, quoted, toBase64
from twisted_ext.wire.names import MOST_OCTETS, nameFromText, nameToText
from twisted_ext.wire.rdata.fields import MOST_RDATA, Field
from twisted_ext.wire.rrtypes import typeName, typeNumber
from twisted_ext.wire.tokens import Tokens, badRecord

__all__ = [
    "base64Octets",
    "hexOctets",
    "Name",
    "Number",
    "Octets",
    "Strings",
    "Text",
    "TypeNumber",
    "nameFromToken",
    "plainName",
    "takeOctets",
]


#: What names hardly ever have. Any octet may be in one (RFC 2181, section 11), but a comma or an C{@} is mostly a mistake.
_UNUSUAL: Final = re.compile(r"[^A-Za-z0-9_*/.\\\u0080-\uffff\U00010000-\U0010ffff-]")

#: Letters of base 64 that belong together.
_QUARTET: Final = 4

#: Octets of a character string (RFC 1035, section 3.3).
_LONGEST: Final = 255

#: What stands for octets that are no text.
_FOREIGN: Final = re.compile(r"[\udc80-\udcff]")

_HIDDEN: Final = re.compile(r"\\[0-9]{3}|\\.", re.DOTALL)


def takeOctets(data: bytes, position: int, count: int) -> bytes:
    """
    @return: the C{count} octets at C{position}.

    @raise BadMessage: there are fewer.
    """
    taken = data[position : position + count]
    if len(taken) != count:
        raise BadMessage(f"{count} octets are needed, {len(taken)} are left")
    return taken


def plainName(data: bytes, position: int) -> tuple[bytes, int]:
    """
    Read a name that is not compressed.

    @return: the name, and the position behind it.

    @raise BadMessage: it is cut off, has more than 255 octets, or holds anything but plain labels.
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
    """
    An unsigned number, most significant octet first.
    """

    def __init__(self, size: int = 2, names: dict[str, int] | None = None, *, named: bool = False) -> None:
        """
        @param names: mnemonics in upper case that may be written instead.
        @param named: write them.
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
    """
    A domain name.
    """

    def __init__(self, *, expanded: bool = False, folded: bool = False) -> None:
        """
        @param expanded: it may be compressed where it is received: types of RFC 1035 and those that RFC 3597, section 4 lists.
        @param folded: it is signed in lower case (RFC 4034, section 6.2; RFC 6840, section 5.1).
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
        text = tokens.take(f"{self.expected()}, a name,")
        return nameFromToken(tokens, text)

    def toText(self, value: bytes, before: Sequence[object]) -> str:
        return nameToText(value)

    def canonical(self, value: bytes, before: Sequence[object]) -> bytes:
        return value.lower() if self.folded else value


def nameFromToken(tokens: Tokens, text: str) -> bytes:
    """
    @param text: the word taken last; C{@} stands for the origin.

    @raise BadRecord: it is no name.
    """
    if text == "@" and not tokens.quoted:
        if tokens.origin is None:
            raise tokens.bad(text, "a name, for no origin is known that it could stand for,")
        return tokens.origin
    if '"' in text and not tokens.quoted and '"' in text.replace('\\"', ""):
        raise tokens.bad(text, "a name, in which a quote needs a backslash,")
    if not tokens.quoted and _UNUSUAL.search(text) and (plain := _UNUSUAL.search(_HIDDEN.sub("", text))):
        said = f"{text[:40]!r} has {plain[0]!r} in it; a backslash before it says that it is meant"
        tokens.remarks.append(badRecord(said, tokens.column))
    if foreign := _FOREIGN.search(text):
        octet = ord(foreign[0]) & 0xFF
        raise badRecord(f"octet {octet} in a name, which is not UTF-8 text; \\{octet:03d} was expected if it is meant", tokens.column)
    try:
        name = nameFromText(text, tokens.origin)
    except BadName as error:
        raise badRecord(error.text, tokens.column) from None
    if not text.isascii():
        # BIND and NSD take the octets of UTF-8, which no client asks for.
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
            raise badRecord(f"{self.expected()} has {len(octets)} octets; 255 are the most", tokens.column)
        return octets

    def toText(self, value: bytes, before: Sequence[object]) -> str:
        return quoted(value)

    def extent(self, data: bytes, position: int, end: int) -> int:
        return position + 1 + data[position]


class Strings(Field[tuple[bytes, ...]]):
    """
    Character strings up to the rdata's end.
    """

    free = True

    def __init__(self, least: int = 1, most: int = MOST_RDATA) -> None:
        """
        @param least: how many there have to be.
        @param most: how many there may be.
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
            # What reads these types puts the strings together again, so that a long one may be written as one.
            if len(octets) > _LONGEST:
                text = f"a string of {len(octets)} octets is split, as one has {_LONGEST} at most; other servers refuse it"
                tokens.remarks.append(badRecord(text, tokens.column))
            strings += [octets[start : start + 255] for start in range(0, len(octets), 255)] or [b""]
        return tuple(strings)

    def toText(self, value: tuple[bytes, ...], before: Sequence[object]) -> str:
        return " ".join([quoted(string) for string in value])


class Octets(Field[bytes]):
    """
    Octets up to the rdata's end, or a fixed number of them.
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
        @param toWords: gives the octets in letters.
        @param fromWords: reads them; all words that are left count as one. Raises L{ValueError}.
        @param what: what these letters are, for people.
        @param least: how many octets there have to be.
        @param absent: no word at all may stand for no octets; else these take the form of RFC 3597.
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
            raise BadMessage(f"{len(taken)} octets; {self.least} are the least")
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
        if text[-1:] == "=" and self.size is None and len(tokens.last) < _QUARTET:
            # Blanks may be anywhere (RFC 4034, section 2.2), and still few people mean to put one there.
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
    """
    The number of a record type, written as its mnemonic.
    """

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


def _hexWords(octets: bytes) -> str:
    return octets.hex().upper()


def hexOctets(*, size: int | None = None, least: int = 0) -> Octets:
    """
    @return: a field of octets that are written in hex.
    """
    return Octets(_hexWords, fromHex, "in hex", size=size, least=least)


def base64Octets(*, least: int = 0, absent: bool = False) -> Octets:
    """
    @return: a field of octets that are written in base 64.
    """
    return Octets(toBase64, fromBase64, "in base 64", least=least, absent=absent)
