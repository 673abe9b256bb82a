"""
Tests for L{twisted_ext.wire.names}.
"""

from __future__ import annotations

import dns.name
from hypothesis import assume, given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from tests.wire.strategies import labels, names, plainNames
from twisted_ext.errors import BadName
from twisted_ext.wire.names import (
    MOST_OCTETS,
    ROOT,
    canonicalKey,
    isBelow,
    joined,
    labelCount,
    labelsOf,
    nameFromLabels,
    nameFromText,
    nameToText,
    parentOf,
)


class TextTests(SynchronousTestCase):
    """
    Tests for names as people write them.
    """

    def refused(self, text: str | bytes) -> str:
        """
        @return: what the user is told.
        """
        return str(self.assertRaises(BadName, nameFromText, text))

    def test_plain(self) -> None:
        """
        A name reads the same with and without its final dot.
        """
        self.assertEqual(nameFromText("www.Example"), b"\x03www\x07Example\x00")
        self.assertEqual(nameFromText("www.Example."), b"\x03www\x07Example\x00")
        self.assertEqual(nameFromText(b"www.Example"), b"\x03www\x07Example\x00")
        self.assertEqual(nameFromText("."), ROOT)
        self.assertEqual(nameToText(b"\x03www\x07Example\x00"), "www.Example.")
        self.assertEqual(nameToText(b"\x03www\x07Example\x00", final=False), "www.Example")
        self.assertEqual(nameToText(ROOT, final=False), ".")

    def test_origin(self) -> None:
        """
        A name without a final dot belongs below the origin, where there is one.
        """
        origin = nameFromText("example.org")
        self.assertEqual(nameFromText("www", origin), nameFromText("www.example.org"))
        self.assertEqual(nameFromText("www.", origin), nameFromText("www"))
        self.assertEqual(nameFromText("a\\.", origin), nameFromText("a\\..example.org"))

    def test_special(self) -> None:
        """
        A dot or a zero inside a label does not part or end a name: it is never taken for another one.
        """
        victim = nameFromText("victim.test")
        dotted = nameFromText("victim\\.test")
        self.assertEqual(labelsOf(dotted), [b"victim.test"])
        self.assertNotEqual(dotted, victim)
        self.assertEqual(nameToText(dotted), "victim\\.test.")
        ended = nameFromText("victim.test\\000.attacker")
        self.assertEqual(labelsOf(ended), [b"victim", b"test\x00", b"attacker"])
        self.assertFalse(isBelow(ended, victim))
        self.assertEqual(nameToText(ended), "victim.test\\000.attacker.")
        # A label that ends in the octets of another name is not below it.
        self.assertFalse(isBelow(nameFromLabels([b"x" + victim[:-1]]), victim))
        self.assertTrue(nameFromLabels([b"x" + victim[:-1]]).endswith(victim))

    def test_noTrouble(self) -> None:
        """
        Nothing in a name is obeyed by a terminal or ends a word in a master file.
        """
        text = nameToText(nameFromLabels([b'\x1b[31m"; \n()@$\\', b"\xff"]))
        self.assertTrue(text.isascii() and text.isprintable())
        self.assertNotIn(" ", text)
        self.assertNotIn('"', text.replace('\\"', ""))

    def test_limits(self) -> None:
        """
        Labels of 63 and names of 255 octets are allowed and no more, and the complaint says so.
        """
        label = "a" * 63
        self.assertEqual(len(nameFromText(".".join([label, label, label, "a" * 61]))), 255)
        self.assertIn("255 are the most", self.refused(".".join([label, label, label, "a" * 62])))
        self.assertIn("more than 63 octets", self.refused("a" * 64))
        self.assertIn("more than 63 octets", self.refused("\\097" * 64))
        self.assertEqual(len(nameFromText("\\097" * 63)), 65)
        self.assertRaises(BadName, nameFromText, "a", nameFromText(".".join([label, label, label, "a" * 61])))

    def test_malformed(self) -> None:
        """
        Each mistake gets a line that says what would be right.
        """
        self.assertIn("the root is '.'", self.refused(""))
        for text in ("a..b", ".a", "..", "a.."):
            self.assertIn("a label is empty", self.refused(text))
        self.assertIn("a backslash ends the name", self.refused("a\\"))
        for text in ("a\\256", "a\\1", "a\\12", "a\\1x2"):
            self.assertIn("three digits", self.refused(text))
        for long in ("a" * 5000, "ä" * 5000, b"\\" * 4999):
            self.assertLess(len(self.refused(long)), 300)
            self.assertNotIn("\n", self.refused(long))

    def test_idna(self) -> None:
        """
        Other scripts are taken as IDNA 2008 has them after the mapping of UTS 46, and shown again when asked for.
        """
        self.assertEqual(nameFromText("Bücher.example"), b"\x0dxn--bcher-kva\x07example\x00")
        self.assertEqual(nameFromText("faß.de"), b"\x0axn--fa-hia\x02de\x00")
        self.assertEqual(nameFromText("例え\u3002テスト"), nameFromText("xn--r8jz45g.xn--zckzah"))
        self.assertEqual(nameFromText("_dmarc.bücher.de"), nameFromText("_dmarc.xn--bcher-kva.de"))
        self.assertEqual(nameToText(nameFromText("bücher.de"), unicode=True), "bücher.de.")
        self.assertEqual(nameToText(nameFromText("bücher.de")), "xn--bcher-kva.de.")
        # What leads back to other octets is left as it is.
        self.assertEqual(nameToText(nameFromText("xn--zz-.de"), unicode=True), "xn--zz-.de.")

    def test_notIdna(self) -> None:
        """
        What IDNA forbids is refused with the label that is at fault.
        """
        for text in ("☃.example", "a\u2024b", "\u200dx.de", "bü_cher.de", "\ud800x", "\u00ad.de", "ü" * 64):
            with self.subTest(text):
                self.assertIn("not allowed", self.refused(text))

    @given(names)
    def test_roundTrip(self, name: bytes) -> None:
        """
        A name written and read again is the same.
        """
        text = nameToText(name)
        self.assertEqual(nameFromText(text), name)
        self.assertEqual(nameFromText(text.encode()), name)
        self.assertEqual(nameFromText(nameToText(name, final=False)), name)
        self.assertEqual(nameFromText(nameToText(name, unicode=True)), name)

    @given(names)
    def test_asOthers(self, name: bytes) -> None:
        """
        What is written here is read as the same name elsewhere, and the other way round.
        """
        other = dns.name.from_text(nameToText(name))
        self.assertEqual(other.to_wire(), name)
        self.assertEqual(nameFromText(other.to_text()), name)
        self.assertEqual(nameToText(name), other.to_text())

    @given(st.text("ab.\\019\x00 ä☃-_xn", max_size=40) | st.text(max_size=80))
    def test_anyText(self, text: str) -> None:
        """
        Any text is a name or one clear line.
        """
        try:
            name = nameFromText(text)
        except BadName as error:
            self.assertNotIn("\n", str(error))
            return
        self.assertLessEqual(len(name), MOST_OCTETS)
        self.assertEqual(nameFromText(nameToText(name)), name)

    @given(st.binary(max_size=80) | st.text("ab.\\019", max_size=40).map(str.encode))
    def test_anyOctets(self, text: bytes) -> None:
        """
        Octets are a name in another implementation exactly where they are one here.
        """
        try:
            other: bytes | None = dns.name.from_text(text.decode("latin-1") if text.isascii() else text).to_wire()
        except Exception:
            other = None
        try:
            ours: bytes | None = nameFromText(text)
        except BadName:
            ours = None
        # It takes the empty text for the root, and @ for its origin.
        if text not in (b"", b"@"):
            self.assertEqual(ours, other)


class TreeTests(SynchronousTestCase):
    """
    Tests for where names stand to each other.
    """

    def test_parents(self) -> None:
        """
        The parent is one label less, and the root is its own.
        """
        self.assertEqual(parentOf(nameFromText("a.b")), nameFromText("b"))
        self.assertEqual(parentOf(nameFromText("b")), ROOT)
        self.assertEqual(parentOf(ROOT), ROOT)

    def test_joined(self) -> None:
        """
        A name put before another is below it, unless that takes too many octets.
        """
        self.assertEqual(joined(nameFromText("a.b"), nameFromText("c")), nameFromText("a.b.c"))
        self.assertEqual(joined(nameFromText("a"), ROOT), nameFromText("a"))
        long = nameFromText(".".join(["a" * 63] * 3))
        self.assertRaises(BadName, joined, long, long)

    def test_labels(self) -> None:
        """
        Labels that cannot be are refused.
        """
        for wrong in ([b""], [b"a" * 64], [b"a" * 63] * 4):
            self.assertRaises(BadName, nameFromLabels, wrong)

    @given(st.lists(labels, max_size=4), st.lists(labels, max_size=4))
    def test_below(self, first: list[bytes], second: list[bytes]) -> None:
        """
        A name is below another by whole labels and in no other way.
        """
        above = [label.lower() for label in second]
        below = [label.lower() for label in first]
        try:
            ancestor = nameFromLabels(above)
            name = nameFromLabels(below)
            child = joined(name, ancestor)
        except BadName:
            assume(False)
        self.assertTrue(isBelow(child, ancestor))
        self.assertEqual(isBelow(name, ancestor), len(below) >= len(above) and below[len(below) - len(above) :] == above)

    @given(names)
    def test_counts(self, name: bytes) -> None:
        """
        Labels come apart and together again.
        """
        self.assertEqual(nameFromLabels(labelsOf(name)), name)
        self.assertEqual(labelCount(name), len(labelsOf(name)))

    @given(st.lists(plainNames | names, max_size=8))
    def test_canonicalOrder(self, several: list[bytes]) -> None:
        """
        Names sort as DNSSEC has them (RFC 4034, section 6.1), as they do elsewhere.
        """
        theirs = sorted([dns.name.from_wire(name, 0)[0].canonicalize() for name in several])
        ours = sorted([name.lower() for name in several], key=canonicalKey)
        self.assertEqual(ours, [name.to_wire() for name in theirs])

    def test_canonicalExample(self) -> None:
        """
        The example of RFC 4034, section 6.1, comes out in its order.
        """
        order = "example a.example yljkjljk.a.example Z.a.example zABC.a.EXAMPLE z.example \\001.z.example *.z.example \\200.z.example"
        several = [nameFromText(text) for text in order.split()]
        mixed = several[::-1]
        self.assertEqual(sorted(mixed, key=canonicalKey), several)

    @given(names, names)
    def test_folding(self, first: bytes, second: bytes) -> None:
        """
        Names are equal in every case of their letters, and in those of ASCII alone (RFC 4343).
        """
        theirs = dns.name.from_wire(first, 0)[0] == dns.name.from_wire(second, 0)[0]
        self.assertEqual(first.lower() == second.lower(), theirs)
        self.assertEqual(first.upper().lower(), first.lower())
        self.assertNotEqual(nameFromText(b"\xc4").lower(), nameFromText(b"\xe4").lower())
