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
    Return all words of a text, with their escapes.
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

    def test_quotesEscapesAndComments(self) -> None:
        """
        Blanks separate words, quotes and escapes keep them in words, and comments end the line.
        """
        for text, words in {
            "": [],
            " a  b\tc ; d": ["a", "b", "c"],
            '"a b" c\\ d "; \\" ("': ["a b", "c\\ d", '; \\" ('],
            '"" ""': ["", ""],
            '"a""b"': ["a", "b"],
            'a"b c"d': ["a", "b c", "d"],
            '"a\nb""c\nd"': ["a\nb", "c\nd"],
            '(a"b"\n"c\nd")': ["a", "b", "c\nd"],
            'a\\"b': ['a\\"b'],
            "a;b": ["a"],
            "a\\;b": ["a\\;b"],
            "( a ; one\n b ) c": ["a", "b", "c"],
            "((a)\nb)": ["a", "b"],
            'a="b c"d': ["a=", "b c", "d"],
            'a\\="b c"': ["a\\=", "b c"],
            "a\n\n ; nothing more\n": ["a"],
            "\na": ["a"],
            "a\u00a0b \u3000": ["a\u00a0b", "\u3000"],
        }.items():
            self.assertEqual(wordsOf(text), words, text)

    def test_pairs(self) -> None:
        """
        A quoted value may follow an equals sign directly, where pairs are expected.
        """
        for text, pairs in {
            'alpn="h2, h3" port=53 x': ["alpn=h2, h3", "port=53", "x"],
            'a="b c"d': ["a=b c", "d"],
            'a="" b': ["a=", "b"],
            'a= "b"': ["a=", "b"],
            'a\\="b c"': ["a\\=", "b c"],
            '"a=""b"': ["a=", "b"],
            "a=": ["a="],
        }.items():
            tokens = Tokens(text)
            found = []
            while tokens.more():
                found.append(tokens.takePair("a pair"))
            self.assertEqual(found, pairs, text)

    def test_unbalancedTextIsRefused(self) -> None:
        """
        Unclosed quotes, unbalanced parentheses and text after the end of the line are refused with their column.
        """
        for text, column, part in (
            ('a "b', 3, "a quote is opened and never closed"),
            ("a (b (c)", 3, "a parenthesis is opened and never closed"),
            ("a b)", 4, "never opened"),
            ("a\nb", 2, "the record ends with its line"),
            ("a \\", 3, "a backslash ends the line"),
            ('a="b', 3, "a quote is opened and never closed"),
            ('a"b', 2, "a quote is opened and never closed"),
            ('a"b\nc"', 2, "a quote is opened and never closed"),
        ):
            error = self.assertRaises(BadRecord, Tokens, text)
            self.assertEqual(error.column, column, text)
            self.assertIn(part, str(error))
            self.assertTrue(str(error).startswith(f"column {column}: "))

    def test_wordsHaveColumns(self) -> None:
        """
        Each word has its column, and a missing one is reported at the end of the text.
        """
        tokens = Tokens('a  "b" ccc')
        self.assertEqual((tokens.take("x"), tokens.column, tokens.quoted), ("a", 1, False))
        self.assertEqual((tokens.take("x"), tokens.column, tokens.quoted), ("b", 4, True))
        self.assertEqual((tokens.take("x"), tokens.column, tokens.quoted), ("ccc", 8, False))
        self.assertEqual(str(self.assertRaises(BadRecord, tokens.take, "a key")), "column 11: the record ends where a key was expected")

    def test_restIsOneWord(self) -> None:
        """
        The rest may be taken as one word, and unused text is refused.
        """
        tokens = Tokens("a b c")
        tokens.take("")
        self.assertEqual((tokens.rest(), tokens.column, tokens.rest()), ("bc", 3, ""))
        tokens.end()
        error = self.assertRaises(BadRecord, Tokens("  a").end)
        self.assertEqual(str(error), "column 3: 'a' after the end of the record")


class EscapesTests(SynchronousTestCase):
    """
    Tests of octets in text.
    """

    @given(st.binary(max_size=40))
    def test_roundTrip(self, octets: bytes) -> None:
        """
        Any octets may be written in quotes or as a word, in plain ASCII, and read back.
        """
        for text in (quoted(octets), "".join([f"\\{octet:03d}" for octet in octets]) or '""'):
            self.assertTrue(text.isascii() and text.isprintable())
            tokens = Tokens(text)
            self.assertEqual(tokens.octets("a string"), octets)
            tokens.end()

    def test_escapesAreOctets(self) -> None:
        """
        Three digits are an octet, other escaped characters stand for themselves, and other scripts for their UTF-8.
        """
        self.assertEqual(unescaped("a\\065\\.\\\\\\\u00fc\u00fc"), b"aA.\\\xc3\xbc\xc3\xbc")
        for text in ("a\\", "\\256", "\\1", "\\12x", "\\\\\\", "\ud800"):
            self.assertRaises(ValueError, unescaped, text)

    @given(st.binary(max_size=40))
    def test_base64AndBase32Hex(self, octets: bytes) -> None:
        """
        Base 64 and base 32 are those of RFC 4648, the latter with the extended hex alphabet and without padding.
        """
        self.assertEqual(toBase64(octets), base64.b64encode(octets).decode())
        self.assertEqual(fromBase64(toBase64(octets)), octets)
        self.assertEqual(toBase32Hex(octets), base64.b32hexencode(octets).decode().rstrip("=").lower())
        self.assertEqual(fromBase32Hex(toBase32Hex(octets)), octets)
        self.assertEqual(fromBase32Hex(base64.b32hexencode(octets).decode()), octets)

    def test_controlCharactersAreEscaped(self) -> None:
        """
        Control characters are shown as in Python, and all other text is unchanged.
        """
        self.assertEqual(printable("b\u00fccher \\ 'x'"), "b\u00fccher \\ 'x'")
        self.assertEqual(printable("\x1b[31m\n\u202e\udcff"), "\\x1b[31m\\n\\u202e\\udcff")

    def test_invalidEncodingsAreRefused(self) -> None:
        """
        Characters outside of the alphabet and incomplete octets are refused.
        """
        for text in ("A", "AA", "AA=", "A===", "AAAA=", "AA==AA==", "AA-_", "AA\u00fc="):
            self.assertRaises(ValueError, fromBase64, text)
        for text in ("0", "w0", "000", "01", "\u0660\u0660", "0 0"):
            self.assertRaises(ValueError, fromBase32Hex, text)
        for text in ("0", "0g", "0x", "\u0660\u0660"):
            self.assertRaises(ValueError, fromHex, text)
