"""
Cutting master files into entries: where one ends whose parentheses or quotes go over more than one line (RFC 1035, section 5.1).
"""

from __future__ import annotations

import re
from typing import Final

from twisted_ext.wire.tokens import TOKEN

__all__ = ["JOINT", "Unclosed", "afterwards", "entryEnd", "goesOn", "joined", "normalized"]

#: How many octets are looked at first; eight times as many where these do not hold all of the entry.
_FIRST: Final = 4096

#: How files begin that are no text, or not quite, and what they are then.
_BEYOND: Final = (
    (b"\xef\xbb\xbf", ""),
    (b"\xff\xfe", "UTF-16"),
    (b"\xfe\xff", "UTF-16"),
    (b"\x1f\x8b", "gzip"),
    (b"\x28\xb5\x2f\xfd", "Zstandard"),
    # What BIND keeps of secondary zones, unless masterfile-format says otherwise.
    (b"\x00\x00\x00\x02\x00\x00\x00", "in BIND's raw format, of which named-compilezone -f raw makes text"),
    (b"txdnsz", "an image, as txdns zone compile makes them"),
    (b"SQLite format 3\x00", "a database, which a server has to be told of by store"),
)


#: What stands for a line's end between parentheses: a blank that no text has in which L{joined} is used.
JOINT: Final = b"\x0c"

#: What goes over several lines in parentheses, the first of which is not the line's first character, without comments, quotes and escapes.
_IN_PARENTHESES: Final = rb'^[^\n;"\\()]++\([^();"\\]*+\)[ \t]*+$'
_BRACED: Final = re.compile(_IN_PARENTHESES, re.MULTILINE)

_ONE_LINE: Final = bytes.maketrans(b"()\n", b"  " + JOINT)


class Unclosed(Exception):
    """
    An entry does not end.

    @ivar offset: where the quote or the parenthesis is that is never closed.
    @ivar text: what is wrong, for people.
    """

    def __init__(self, offset: int, text: str) -> None:
        super().__init__(offset, text)
        self.offset = offset
        self.text = text


def normalized(data: bytes) -> tuple[bytes, str]:
    """
    @return: the file with one kind of line end, without a byte order mark; and what it is where it is no text that could be read.
    """
    for mark, what in _BEYOND:
        if data.startswith(mark):
            if what:
                return b"", what
            data = data[len(mark) :]
    if b"\r" in data:
        data = data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    return data, ""


def joined(text: bytes) -> bytes:
    """
    Make one line of each entry in parentheses that is plain otherwise. All octets stay where they are.

    @param text: whole lines without form feeds.
    """
    return _BRACED.sub(lambda match: match[0].translate(_ONE_LINE), text)


def goesOn(line: bytes) -> bool:
    """
    @return: whether the line perhaps does not end its entry.
    """
    return b"(" in line or (b'"' in line and (b"\\" in line or line.count(b'"') % 2 == 1))


def entryEnd(data: bytes, start: int, most: int) -> int:
    """
    @param most: octets that the entry may have.

    @return: where the entry that begins at C{start} ends: behind a line's end outside of parentheses and quotes, or at the file's.

    @raise Unclosed: there is no such place.
    """
    size = _FIRST
    while True:
        size = min(size, most)
        end = start + size
        whole = end >= len(data)
        opened: list[int] = []
        # Letters of any encoding are looked at as octets here, so that places in the text are places in the file.
        for match in TOKEN.finditer(data[start:end].decode("latin-1")):
            if match.lastgroup != "mark":
                continue
            mark = match[0]
            if mark == "\n" and not opened:
                return start + match.end()
            if mark == "(":
                opened.append(match.start())
            elif mark == ")" and opened:
                opened.pop()
            elif mark == '"':
                if whole or size == most:
                    raise Unclosed(start + match.start(), "a quote is opened and never closed")
                break
        else:
            if whole:
                if opened:
                    raise Unclosed(start + opened[0], "a parenthesis is opened and never closed")
                return len(data)
        if size == most:
            place = opened[0] if opened else 0
            raise Unclosed(start + place, f"what begins here does not end within {most} octets")
        size *= 8


def afterwards(data: bytes, position: int) -> int:
    """
    @return: where a line begins that looks like a new entry, at C{position} or behind it.
    """
    if not position:
        return len(data)
    while position < len(data) and data[position : position + 1] in b" \t\n)":
        position = data.find(b"\n", position) + 1 or len(data)
    return position
