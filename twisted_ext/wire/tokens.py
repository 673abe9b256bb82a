"""
Split the text of one record into words (RFC 1035, section 5.1): blanks, quotes, escapes, multi-line parentheses, comments.
"""

from __future__ import annotations

import re
from typing import Final

from twisted_ext.errors import BadRecord
from twisted_ext.wire.escapes import unescaped

__all__ = ["TOKEN", "Tokens", "badRecord"]

#: Blanks and comments; a word, with a quoted value right behind it as in C{alpn="h2,h3"}; a quoted string; anything else. A quote
#: elsewhere in a word is one of its characters (RFC 1035, section 5.1).
TOKEN: Final = re.compile(
    r"""[ \t\r]+|;[^\n]*"""
    r"""|(?P<word>(?:[^ \t\r\n"();\\]|\\[^\n])(?:[^ \t\r\n"();\\]|\\[^\n]|(?<!=)")*)"""
    r"""(?:(?<==)(?<!\\=)"(?P<value>(?:[^"\\]|\\.)*)")?"""
    r"""|"(?P<quoted>(?:[^"\\]|\\.)*)"|(?P<mark>.)""",
    re.DOTALL,
)


#: Remarks on how the words of one record stand beside each other; more of them say nothing new.
_REMARKS: Final = 4


def badRecord(text: str, column: int = 0) -> BadRecord:
    """
    @param column: where in the text it went wrong, the first character being 1.
    """
    error = BadRecord(f"column {column}: {text}" if column else text)
    error.column = column
    return error


class Tokens:
    """
    The words of a record's text, read from left to right.

    @ivar origin: the origin appended to relative names, or L{None}.
    @ivar column: the column where the word read last begins; the first character is 1.
    @ivar quoted: whether that word was quoted.
    @ivar last: the last of the words that were read as one.
    @ivar remarks: warnings about text that is accepted but looks like a mistake, each as an exception that is not raised.
    """

    __slots__ = ("origin", "column", "quoted", "last", "remarks", "_words", "_next", "_end")

    def __init__(self, text: str, origin: bytes | None = None) -> None:
        """
        @raise BadRecord: a quote or a parenthesis is not closed, or a line ends outside of parentheses before the text does.
        """
        self.origin = origin
        self.column = 1
        self.quoted = False
        self.last = ""
        self.remarks: list[BadRecord] = []
        self._next = 0
        self._end = len(text) + 1
        words: list[tuple[str, int, bool]] = []
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
            if column == behind and len(self.remarks) < _REMARKS:
                self.remarks.append(badRecord("no blank between two strings; not every server reads that", column))
            behind = match.end() + 1
            if kind == "word":
                words.append((match["word"], column, False))
            elif kind == "value":
                words.append((match["word"] + match["value"], column, True))
            else:
                words.append((match["quoted"], column, True))
        if opened:
            raise badRecord("a parenthesis is opened and never closed", opened[-1])
        self._words = words

    @classmethod
    def ofWords(cls, words: list[str], origin: bytes | None) -> Tokens:
        """
        @param words: such as need no look at what is in them: there are no quotes, escapes, parentheses and comments.
        """
        self = cls("", origin)
        self._words = [(word, 0, False) for word in words]
        return self

    def more(self) -> bool:
        """
        @return: whether there is another word.
        """
        return self._next < len(self._words)

    def peek(self, behind: int = 0) -> str:
        """
        @param behind: how many words to pass over.

        @return: the next word, which stays; empty where there is none, or where it is quoted.
        """
        if self._next + behind < len(self._words):
            text, _, quoted = self._words[self._next + behind]
            return "" if quoted else text
        return ""

    def take(self, expected: str) -> str:
        """
        Take the next word, its escapes still in it.

        @param expected: what it has to be, for people.

        @raise BadRecord: there is none.
        """
        if self._next >= len(self._words):
            raise badRecord(f"the record ends where {expected} was expected", self._end)
        text, self.column, self.quoted = self._words[self._next]
        self._next += 1
        return text

    def octets(self, expected: str) -> bytes:
        """
        Take the next word, its escapes resolved.
        """
        text = self.take(expected)
        try:
            return unescaped(text)
        except ValueError as error:
            raise badRecord(str(error), self.column) from None

    def rest(self) -> str:
        """
        Take all words that are left as one, as long keys in hex and base 64 are written. The column is the first one's.
        """
        words = self._words[self._next :]
        self._next = len(self._words)
        if not words:
            self.column = self._end
            return ""
        self.column = words[0][1]
        self.last = words[-1][0]
        return "".join([text for text, _, _ in words])

    def bad(self, text: str, expected: str) -> BadRecord:
        """
        @param text: the word that was taken last.

        @return: the complaint about it, to be raised.
        """
        shown = text if len(text) <= 40 else text[:37] + "..."
        return badRecord(f"{shown!r} where {expected} was expected", self.column)

    def end(self) -> None:
        """
        @raise BadRecord: words are left over.
        """
        if self._next < len(self._words):
            text = self.take("")
            raise badRecord(f"{text[:40]!r} behind the end of the record", self.column)
