"""
Split the text of one record into words (RFC 1035, section 5.1): blanks, quotes, escapes, multi-line parentheses, comments.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final, TypeVar

from twisted_ext.errors import BadRecord
from twisted_ext.wire.escapes import unescaped

__all__ = ["TOKEN", "Tokens", "badRecord"]

_T = TypeVar("_T")

#: Blanks and comments; a word; a quoted string; anything else. A quote in a word ends it and begins a string, as in BIND, NSD and
#: dnspython. Such a string ends on its line, so that a stray quote does not hide the lines after it.
TOKEN: Final = re.compile(
    r"""[ \t\r]+|;[^\n]*"""
    r"""|(?P<word>(?:[^ \t\r\n"();\\]|\\[^\n])+)"""
    r"""|(?<![^ \t\r\n()"])"(?P<quoted>(?:[^"\\]|\\.)*)"|(?<=[^ \t\r\n()"])"(?P<behind>(?:[^"\\\n]|\\[^\n])*)"|(?P<mark>.)""",
    re.DOTALL,
)

#: Maximum number of remarks about adjacent words of one record; more would add nothing new.
_REMARKS: Final = 4


def badRecord(text: str, column: int = 0) -> BadRecord:
    """
    @param column: the column of the error; the first character is 1.
    """
    error = BadRecord(f"column {column}: {text}" if column else text)
    error.column = column
    return error


class Tokens:
    """
    The words of a record's text, read from left to right.

    @ivar origin: the origin appended to relative names, or L{None}.
    @ivar column: the column where the last word begins; the first character is 1.
    @ivar quoted: whether that word was quoted.
    @ivar last: the last word of those that were joined.
    @ivar remarks: warnings about text that is accepted but looks like a mistake, each as an exception that is not raised.
    """

    __slots__ = ("origin", "column", "quoted", "last", "remarks", "_words", "_next", "_end")

    def __init__(self, text: str, origin: bytes | None = None) -> None:
        """
        @raise BadRecord: a quote or a parenthesis is not closed, or there is a line break outside of parentheses.
        """
        self.origin = origin
        self.column = 1
        self.quoted = False
        self.last = ""
        self.remarks: list[BadRecord] = []
        self._next = 0
        self._end = len(text) + 1
        words: list[tuple[str, int, bool, bool]] = []
        opened: list[int] = []
        ended = behind = 0
        for match in TOKEN.finditer(text):
            kind = match.lastgroup
            if kind is None:
                continue
            column = match.start() + 1
            if kind == "mark":
                mark = match[0]
                if mark == "(":
                    if opened and len(self.remarks) < _REMARKS:
                        self.remarks.append(badRecord("a parenthesis inside of others; not every server reads that", column))
                    opened.append(column)
                elif mark == ")":
                    if not opened:
                        raise badRecord("a parenthesis is closed that was never opened", column)
                    opened.pop()
                elif mark == "\n":
                    ended = ended or (0 if opened or not words else column)
                elif mark == '"':
                    raise badRecord("a quote is opened and never closed", column)
                else:
                    raise badRecord("a backslash ends the line; write two for the character itself", column)
                continue
            if ended:
                raise badRecord("the record ends with its line; a longer one needs parentheses", ended)
            words.append((match[kind], column, kind != "word", column == behind))
            behind = match.end() + 1
        if opened:
            raise badRecord("a parenthesis is opened and never closed", opened[-1])
        self._words = words

    @classmethod
    def ofWords(cls, words: list[str], origin: bytes | None) -> Tokens:
        """
        @param words: words that need no tokenizing: they contain no quotes, escapes, parentheses or comments.
        """
        self = cls("", origin)
        self._words = [(word, 0, False, False) for word in words]
        return self

    def more(self) -> bool:
        return self._next < len(self._words)

    def peek(self, behind: int = 0) -> str:
        """
        Return the next word, or the one so many words behind it, without taking it; empty if there is none or if it is quoted.
        """
        if self._next + behind < len(self._words):
            text, _, quoted, _ = self._words[self._next + behind]
            return "" if quoted else text
        return ""

    def take(self, expected: str) -> str:
        """
        Take the next word, with its escapes.

        @raise BadRecord: there is none; says what was expected.
        """
        if self._next >= len(self._words):
            raise badRecord(f"the record ends where {expected} was expected", self._end)
        text, self.column, self.quoted, glued = self._words[self._next]
        self._next += 1
        if glued:
            self._remarkGlued(self.column)
        return text

    def takePair(self, expected: str) -> str:
        """
        Take the next word with the quoted value that follows its equals sign directly, as in C{alpn="h2,h3"} (RFC 9460, section 2.1).

        @raise BadRecord: there is none; says what was expected.
        """
        text = self.take(expected)
        if text.endswith("=") and not self.quoted and not text.endswith("\\=") and self._next < len(self._words):
            value, _, quoted, glued = self._words[self._next]
            if quoted and glued:
                self._next += 1
                return text + value
        return text

    def _remarkGlued(self, column: int) -> None:
        if len(self.remarks) < _REMARKS:
            self.remarks.append(badRecord("no blank between two strings; not every server reads that", column))

    def parsed(self, expected: str, parse: Callable[[str], _T]) -> _T:
        """
        Take the next word, and return what C{parse} makes of it.

        @raise BadRecord: there is none, or C{parse} raises L{ValueError}.
        """
        text = self.take(expected)
        try:
            return parse(text)
        except ValueError:
            raise self.bad(text, expected) from None

    def octets(self, expected: str) -> bytes:
        text = self.take(expected)
        try:
            return unescaped(text)
        except ValueError as error:
            raise badRecord(str(error), self.column) from None

    def rest(self) -> str:
        """
        Take all remaining words, joined into one, as for long keys in hex and base 64. The column is that of the first.
        """
        words = self._words[self._next :]
        self._next = len(self._words)
        if not words:
            self.column = self._end
            return ""
        self.column = words[0][1]
        self.last = words[-1][0]
        for _, column, _, glued in words:
            if glued:
                self._remarkGlued(column)
        return "".join([text for text, _, _, _ in words])

    def bad(self, text: str, expected: str) -> BadRecord:
        """
        Return an exception about the last word.
        """
        shown = text if len(text) <= 40 else text[:37] + "..."
        return badRecord(f"{shown!r} where {expected} was expected", self.column)

    def end(self) -> None:
        """
        @raise BadRecord: there are words left.
        """
        if self._next < len(self._words):
            text = self.take("")
            raise badRecord(f"{text[:40]!r} after the end of the record", self.column)
