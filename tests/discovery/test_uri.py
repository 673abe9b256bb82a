"""
Tests of L{twisted_ext.discovery.uri}.
"""

from __future__ import annotations

from random import Random

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from twisted_ext.discovery.uri import isURI, urisOf
from twisted_ext.errors import UnusableRecords
from twisted_ext.wire.rdata.types.service import URI

__all__: list[str] = []


class URITests(SynchronousTestCase):
    """
    Tests of L{urisOf}.
    """

    def find(self, *texts: str) -> list[str]:
        """
        Return the URIs of these records.
        """
        return urisOf([URI.fromText(text) for text in texts], Random(1))

    def test_lowestPriorityComesFirst(self) -> None:
        """
        The lowest priority comes first; URIs of one priority are drawn by weight.
        """
        self.assertEqual(self.find('2 1 "b:2"', '1 1 "a:1"', '3 1 "c:3"'), ["a:1", "b:2", "c:3"])
        self.assertEqual(self.find('1 0 "b:2"', '1 65535 "a:1"'), ["a:1", "b:2"])

    def test_noRecordsMeanNoURIs(self) -> None:
        """
        No records give no URIs.
        """
        self.assertEqual(self.find(), [])

    def test_invalidURIsAreSkipped(self) -> None:
        """
        Text that is not a URI is skipped; it is an error if there is no other.
        """
        self.assertEqual(self.find('1 1 "no uri"', '2 1 "https://www.example.org/"'), ["https://www.example.org/"])
        for text in (
            '"no uri"',
            '"x"',
            '":x"',
            '"x:"',
            '"1:x"',
            r'"x:\010"',
            r'"x:\255"',
            r'"java\009script:x"',
            r'"x:y\000"',
        ):
            self.assertRaises(UnusableRecords, self.find, f"1 1 {text}")

    def test_utf8URIs(self) -> None:
        """
        URIs in UTF-8 are accepted.
        """
        self.assertEqual(self.find(r'1 1 "x:\195\164"'), ["x:\u00e4"])

    @given(st.text())
    def test_anyURIIsPrintable(self, text: str) -> None:
        """
        An accepted URI has neither blanks nor control characters.
        """
        if isURI(text):
            self.assertTrue(text.isprintable() and len(text.split()) == 1)
