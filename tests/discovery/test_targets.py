"""
Tests of L{twisted_ext.discovery.targets}.
"""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from twisted_ext.discovery.targets import Target, hostOf
from twisted_ext.wire.names import nameFromLabels, nameFromText

__all__: list[str] = []


class TargetTests(SynchronousTestCase):
    """
    Tests of L{Target}.
    """

    def test_targetsAreValues(self) -> None:
        """
        Targets with equal contents are equal and have equal hashes.
        """
        one = Target("a.example", 443, 1, 2, ("192.0.2.1",), ("h2",), "x", {3: b"\x01\xbb"})
        other = Target("a.example", 443, 1, 2, ("192.0.2.1",), ("h2",), "x", {3: b"\x01\xbb"})
        self.assertEqual(len({one, other}), 1)
        for different in (
            Target("b.example", 443, 1, 2, ("192.0.2.1",), ("h2",), "x", {3: b"\x01\xbb"}),
            Target("a.example", 443, 1, 2, ("192.0.2.1",), ("h2",), "x", {3: b"\x01\xbc"}),
            Target("a.example", 443, 1, 2, (), ("h2",), "x", {3: b"\x01\xbb"}),
        ):
            self.assertNotEqual(one, different)
        self.assertNotEqual(one, "a.example:443")

    def test_textOfTargets(self) -> None:
        """
        The text of a target is as in a URI, and its C{repr} has the details.
        """
        self.assertEqual(str(Target("a.example", 443)), "a.example:443")
        self.assertEqual(str(Target("2001:db8::1", 443)), "[2001:db8::1]:443")
        shown = repr(Target("a.example", 443, 1, 2, ("192.0.2.1",), ("h2",), "x"))
        for word in ("a.example:443", "priority 1", "weight 2", "x", "h2", "192.0.2.1"):
            self.assertIn(word, shown)


class HostTests(SynchronousTestCase):
    """
    Tests of L{hostOf}.
    """

    def test_hostNamesAreAccepted(self) -> None:
        """
        Host names lose their final dot; underscores, which some networks use, are accepted.
        """
        for text in (
            "www.example.org",
            "localhost",
            "a",
            "xn--bcher-kva.example",
            "_8443._https.example",
            "1and1.com",
            "4.3.2.1a",
            "0xg",
        ):
            self.assertEqual(hostOf(nameFromText(text)), text)

    def test_otherNamesAreRefused(self) -> None:
        """
        Names with blanks, control characters, dots within labels or outer hyphens, and the root, are not host names.
        """
        for text in (
            ".",
            r"a\.b.example",
            r"a\032b.example",
            r"a\000.example",
            "-a.example",
            "a-.example",
            "*.example",
            r"\@.example",
            r"a\/b",
        ):
            self.assertIsNone(hostOf(nameFromText(text)), text)

    def test_addressLikeNamesAreRefused(self) -> None:
        """
        Names that other software takes for addresses are not host names, as that would bypass address checks.
        """
        for text in (
            "127.0.0.1",
            "192.0.2.1.",
            "127.1",
            "2130706433",
            "0x7f000001",
            "127.0.0.0x1",
            "example.017",
            "0x",
        ):
            self.assertIsNone(hostOf(nameFromText(text)), text)

    @given(st.lists(st.binary(min_size=1, max_size=63), max_size=4).filter(lambda labels: sum(map(len, labels)) < 240))
    def test_anyHostIsHarmless(self, labels: list[bytes]) -> None:
        """
        A host has no character with a meaning in a URI, a header or a certificate.
        """
        host = hostOf(nameFromLabels(labels))
        if host is not None:
            self.assertTrue(host)
            self.assertTrue(host.replace(".", "").replace("-", "").replace("_", "").isalnum())
            self.assertEqual(nameFromText(host), nameFromLabels(labels))
