"""
Tests for L{twisted_ext.wire.tokens} and L{twisted_ext.wire.escapes}.
"""

from __future__ import annotations

import base64

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from twisted_ext.errors import BadRecord
from twisted_ext.wire.escapes import (
    escaped,
    fromBase32Hex,
    fromBase64,
    fromHex,
    printable,
    quoted,
    toBase32Hex,
    toBase64,
    unescaped,
)
from twisted_ext.wire.tokens import Tokens


def wordsOf(text: str) -> list[str]:
    """
    @return: all words of a text, their escapes still in them.
    """
    tokens = Tokens(text)
    found: list[str] = []
    while tokens.more():
        found.append(tokens.take("a word"))
    return found


class TokensTests(SynchronousTestCase):
    """
    Tests for L{Tokens}.
    """

    def test_words(self) -> None:
        """
        Blanks stand between words, quotes and escapes keep them in words, comments end the line.
        """
        for text, words in {
            "": [],
            " a  b\tc ; d": ["a", "b", "c"],
            '"a b" c\\ d "; \\" ("': ["a b", "c\\ d", '; \\" ('],
            '"" ""': ["", ""],
            '"a""b"': ["a", "b"],
            'a"b"c': ['a"b"c'],
            "a;b": ["a"],
            "a\\;b": ["a\\;b"],
            "( a ; one\n b ) c": ["a", "b", "c"],
            "((a)\nb)": ["a", "b"],
            'alpn="h2, h3"': ["alpn=h2, h3"],
            'a="b c"d': ["a=b c", "d"],
            'a\\="b c"': ["a\\=", "b c"],
            "a\n\n ; nothing more\n": ["a"],
            "\na": ["a"],
            "a\u00a0b \u3000": ["a\u00a0b", "\u3000"],
        }.items():
            self.assertEqual(wordsOf(text), words, text)

    def test_refused(self) -> None:
        """
        What is opened and not closed, closed and not opened, or goes on behind the line's end is refused where it is.
        """
        for text, column, part in (
            ('a "b', 3, "a quote is opened and never closed"),
            ("a (b (c)", 3, "a parenthesis is opened and never closed"),
            ("a b)", 4, "never opened"),
            ("a\nb", 2, "the record ends with its line"),
            ("a \\", 3, "a backslash ends the line"),
            ('a="b', 3, "a quote is opened and never closed"),
        ):
            error = self.assertRaises(BadRecord, Tokens, text)
            self.assertEqual(error.column, column, text)
            self.assertIn(part, str(error))
            self.assertTrue(str(error).startswith(f"column {column}: "))

    def test_columns(self) -> None:
        """
        Each word knows where it began, and a missing one is missed at the text's end.
        """
        tokens = Tokens('a  "b" ccc')
        self.assertEqual((tokens.take("x"), tokens.column, tokens.quoted), ("a", 1, False))
        self.assertEqual((tokens.take("x"), tokens.column, tokens.quoted), ("b", 4, True))
        self.assertEqual((tokens.take("x"), tokens.column, tokens.quoted), ("ccc", 8, False))
        self.assertEqual(str(self.assertRaises(BadRecord, tokens.take, "a key")), "column 11: the record ends where a key was expected")

    def test_rest(self) -> None:
        """
        What is left may be taken as one word; what is left over is refused.
        """
        tokens = Tokens("a b c")
        tokens.take("")
        self.assertEqual((tokens.rest(), tokens.column, tokens.rest()), ("bc", 3, ""))
        tokens.end()
        error = self.assertRaises(BadRecord, Tokens("  a").end)
        self.assertEqual(str(error), "column 3: 'a' behind the end of the record")


class EscapesTests(SynchronousTestCase):
    """
    Tests of octets in text.
    """

    @given(st.binary(max_size=40))
    def test_roundTrip(self, octets: bytes) -> None:
        """
        Any octets may be written in quotes or as a word, in plain ASCII, and read back.
        """
        for text in (quoted(octets), escaped(octets) or '""'):
            self.assertTrue(text.isascii() and text.isprintable())
            tokens = Tokens(text)
            self.assertEqual(tokens.octets("a string"), octets)
            tokens.end()

    def test_unescaped(self) -> None:
        """
        Three digits are an octet, anything else stands for itself, other scripts for their UTF-8.
        """
        self.assertEqual(unescaped("a\\065\\.\\\\\\\u00fc\u00fc"), b"aA.\\\xc3\xbc\xc3\xbc")
        for text in ("a\\", "\\256", "\\1", "\\12x", "\\\\\\", "\ud800"):
            self.assertRaises(ValueError, unescaped, text)

    @given(st.binary(max_size=40))
    def test_alphabets(self, octets: bytes) -> None:
        """
        Base 64 and base 32 are those of RFC 4648, the latter with the extended hex alphabet and without padding.
        """
        self.assertEqual(toBase64(octets), base64.b64encode(octets).decode())
        self.assertEqual(fromBase64(toBase64(octets)), octets)
        self.assertEqual(toBase32Hex(octets), base64.b32hexencode(octets).decode().rstrip("=").lower())
        self.assertEqual(fromBase32Hex(toBase32Hex(octets)), octets)
        self.assertEqual(fromBase32Hex(base64.b32hexencode(octets).decode()), octets)

    def test_printable(self) -> None:
        """
        What a terminal would obey is shown as Python writes it; all other text is left as it is.
        """
        self.assertEqual(printable("b\u00fccher \\ 'x'"), "b\u00fccher \\ 'x'")
        self.assertEqual(printable("\x1b[31m\n\u202e\udcff"), "\\x1b[31m\\n\\u202e\\udcff")

    def test_noAlphabet(self) -> None:
        """
        What is not of the alphabet, or no whole number of octets, is refused.
        """
        for text in ("A", "AA", "AA=", "A===", "AAAA=", "AA==AA==", "AA-_", "AA\u00fc="):
            self.assertRaises(ValueError, fromBase64, text)
        for text in ("0", "w0", "000", "01", "\u0660\u0660", "0 0"):
            self.assertRaises(ValueError, fromBase32Hex, text)
        for text in ("0", "0g", "0x", "\u0660\u0660"):
            self.assertRaises(ValueError, fromHex, text)
