"""
Splits master files into entries, of which those with parentheses or quotes may have several lines (RFC 1035, section 5.1).
"""

from __future__ import annotations

import re
from typing import Final

from twisted_ext.wire.tokens import TOKEN

__all__ = ["UnclosedEntry", "afterwards", "entryEnd", "goesOn", "linesOf", "normalized"]

#: Octets scanned first for the end of an entry; eight times as many if it is not in these.
_FIRST: Final = 4096

#: Signatures of files that are not plain text, and their formats.
_BEYOND: Final = (
    (b"\xef\xbb\xbf", ""),
    (b"\xff\xfe", "UTF-16"),
    (b"\xfe\xff", "UTF-16"),
    (b"\x1f\x8b", "gzip"),
    (b"\x28\xb5\x2f\xfd", "Zstandard"),
    # BIND's default format of secondary zones.
    (b"\x00\x00\x00\x02\x00\x00\x00", "in BIND's raw format, of which named-compilezone -f raw makes text"),
    (b"SQLite format 3\x00", "a database; configure it with store"),
)

#: The first octets of all files that may not be plain text, to be tested for together.
_SIGNATURES: Final = (*[mark for mark, _ in _BEYOND], b"txdnsz")

#: The beginning of an image of any version. Its magic alone may be a name in a text.
_IMAGE: Final = re.compile(rb"txdnsz[0-9]{2}[\x00-\x08]")

#: Replacement of a line end between parentheses: a blank that does not occur in texts on which L{linesOf} is used.
_JOINT: Final = b"\x0c"

#: An entry in parentheses that do not begin its line, of several lines, without comments, quotes and escapes.
_IN_PARENTHESES: Final = rb'^[^\n;"\\()]++\([^();"\\]*+\)[ \t]*+$'
_BRACED: Final = re.compile(_IN_PARENTHESES, re.MULTILINE)

# Octets by their numbers, which "in" finds much sooner than octets.
_END: Final = 0x0A
_RETURN: Final = 0x0D
_QUOTE: Final = 0x22
_OPENING: Final = 0x28
_COMMENT: Final = 0x3B
_ESCAPE: Final = 0x5C

_ONE_LINE: Final = bytes.maketrans(b"()\n", b"  " + _JOINT)


class UnclosedEntry(Exception):
    """
    An entry has no end.

    @ivar offset: the position of the quote or parenthesis that is never closed.
    """

    def __init__(self, offset: int, text: str) -> None:
        super().__init__(offset, text)
        self.offset = offset
        self.text = text


def normalized(data: bytes) -> tuple[bytes, str]:
    """
    Return the file with LF as line ends and without a byte order mark; and its format if it is not text.
    """
    if data.startswith(_SIGNATURES):
        if _IMAGE.match(data):
            return b"", "an image, as txdns zone compile makes them"
        for mark, what in _BEYOND:
            if data.startswith(mark):
                if what:
                    return b"", what
                data = data[len(mark) :]
    if _RETURN in data:
        data = data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    return data, ""


def linesOf(text: bytes) -> list[bytes]:
    """
    Split text into lines, with each plain entry in parentheses as one line: blanks are in place of its parentheses. The offsets of all
    octets stay the same.

    @param text: whole lines without form feeds.
    """
    if _OPENING not in text:
        return text.split(b"\n")
    if _COMMENT not in text and _QUOTE not in text and _ESCAPE not in text:
        entries = text.split(b")")
        lines: list[bytes] = []
        # The entry before, which the line end behind its parenthesis ends.
        entry = b""
        for index in range(len(entries) - 1):
            before, opened, inside = entries[index].partition(b"(")
            following = entries[index + 1]
            if not opened or not before or before[-1] == _END or _OPENING in inside or not following or following[0] != _END:
                break
            several = before.split(b"\n")
            if index:
                several[0] = entry
            entry = b" ".join((several.pop(), inside, b""))
            lines += several
        else:
            # The last entry may end in the next chunk.
            several = entries[-1].split(b"\n")
            if len(entries) > 1:
                several[0] = entry
            return lines + several
    return _BRACED.sub(lambda match: match[0].translate(_ONE_LINE), text).split(b"\n")


def goesOn(line: bytes) -> bool:
    """
    Return whether the entry may continue on the next line.
    """
    return _OPENING in line or (_QUOTE in line and (_ESCAPE in line or line.count(b'"') % 2 == 1))


def entryEnd(data: bytes, start: int, most: int) -> int:
    """
    Find the end of an entry.

    @param most: the maximum size of the entry in octets.

    @return: the end of the entry that begins at C{start}: after a line end outside of parentheses and quotes, or at the end of the file.

    @raise UnclosedEntry: there is no such place.
    """
    size = _FIRST
    while True:
        size = min(size, most)
        end = start + size
        whole = end >= len(data)
        opened: list[int] = []
        # Decode octets as characters regardless of the encoding, so that offsets in the text are offsets in the file.
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
                    raise UnclosedEntry(start + match.start(), "a quote is opened and never closed")
                break
        else:
            if whole:
                if opened:
                    raise UnclosedEntry(start + opened[0], "a parenthesis is opened and never closed")
                return len(data)
        if size == most:
            place = opened[0] if opened else 0
            raise UnclosedEntry(start + place, f"the entry that begins here does not end within {most} octets")
        size *= 8


def afterwards(data: bytes, position: int) -> int:
    """
    Return the offset of the first line that looks like a new entry, at C{position} or after it.
    """
    if not position:
        return len(data)
    while position < len(data) and data[position : position + 1] in b" \t\n)":
        position = data.find(b"\n", position) + 1 or len(data)
    return position
