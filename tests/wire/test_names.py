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
    Tests for names as text.
    """

    def errorOf(self, text: str | bytes) -> str:
        """
        Return the error message.
        """
        return str(self.assertRaises(BadName, nameFromText, text))

    def test_finalDotIsOptional(self) -> None:
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

    def test_relativeNameIsBelowOrigin(self) -> None:
        """
        A name without a final dot is relative to the origin, where there is one.
        """
        origin = nameFromText("example.org")
        self.assertEqual(nameFromText("www", origin), nameFromText("www.example.org"))
        self.assertEqual(nameFromText("www.", origin), nameFromText("www"))
        self.assertEqual(nameFromText("a\\.", origin), nameFromText("a\\..example.org"))

    def test_escapedDotsAndZerosStayInLabels(self) -> None:
        """
        An escaped dot or zero in a label does not separate or end a name.
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

    def test_textFormIsHarmless(self) -> None:
        """
        The text form of a name contains no control character and does not end a word in a master file.
        """
        text = nameToText(nameFromLabels([b'\x1b[31m"; \n()@$\\', b"\xff"]))
        self.assertTrue(text.isascii() and text.isprintable())
        self.assertNotIn(" ", text)
        self.assertNotIn('"', text.replace('\\"', ""))

    @given(st.lists(st.binary(min_size=1, max_size=63) | st.text("ab-_1 .\t", min_size=1, max_size=40).map(str.encode), max_size=5))
    def test_textIsThatOfEachOctet(self, parts: list[bytes]) -> None:
        """
        A name becomes the text that RFC 1035, section 5.1, has for each of its octets, and is read again from that.
        """
        assume(sum(len(label) + 1 for label in parts) < 255)
        escaped = {octet: f"\\{octet:03}" for octet in range(256) if not 0x20 < octet < 0x7F}
        escaped |= {octet: f"\\{chr(octet)}" for octet in b'."\\()@;$'}
        name = nameFromLabels(parts)
        shown = "".join(["".join([escaped.get(octet, chr(octet)) for octet in label]) + "." for label in parts]) or "."
        self.assertEqual(nameToText(name), shown)
        self.assertEqual(nameFromText(nameToText(name)), name)

    def test_labelAndNameLengths(self) -> None:
        """
        Labels of 63 and names of 255 octets are allowed, and longer ones are refused with these limits.
        """
        label = "a" * 63
        self.assertEqual(len(nameFromText(".".join([label, label, label, "a" * 61]))), 255)
        self.assertIn("at most 255 are allowed", self.errorOf(".".join([label, label, label, "a" * 62])))
        self.assertIn("more than 63 octets", self.errorOf("a" * 64))
        self.assertIn("more than 63 octets", self.errorOf("\\097" * 64))
        self.assertEqual(len(nameFromText("\\097" * 63)), 65)
        self.assertRaises(BadName, nameFromText, "a", nameFromText(".".join([label, label, label, "a" * 61])))

    def test_malformedTextIsExplained(self) -> None:
        """
        Each mistake gets one line that says what would be right.
        """
        self.assertIn("the root is '.'", self.errorOf(""))
        for text in ("a..b", ".a", "..", "a.."):
            self.assertIn("a label is empty", self.errorOf(text))
        self.assertIn("a backslash ends the name", self.errorOf("a\\"))
        for text in ("a\\256", "a\\1", "a\\12", "a\\1x2"):
            self.assertIn("three digits", self.errorOf(text))
        for long in ("a" * 5000, "ä" * 5000, b"\\" * 4999):
            self.assertLess(len(self.errorOf(long)), 300)
            self.assertNotIn("\n", self.errorOf(long))

    def test_IDNAIsMapped(self) -> None:
        """
        Other scripts are converted by IDNA 2008 after the mapping of UTS 46, and shown again on request.
        """
        self.assertEqual(nameFromText("Bücher.example"), b"\x0dxn--bcher-kva\x07example\x00")
        self.assertEqual(nameFromText("faß.de"), b"\x0axn--fa-hia\x02de\x00")
        self.assertEqual(nameFromText("例え\u3002テスト"), nameFromText("xn--r8jz45g.xn--zckzah"))
        self.assertEqual(nameFromText("_dmarc.bücher.de"), nameFromText("_dmarc.xn--bcher-kva.de"))
        self.assertEqual(nameToText(nameFromText("bücher.de"), unicode=True), "bücher.de.")
        self.assertEqual(nameToText(nameFromText("bücher.de")), "xn--bcher-kva.de.")
        # A label that would convert back to other octets is left unchanged.
        self.assertEqual(nameToText(nameFromText("xn--zz-.de"), unicode=True), "xn--zz-.de.")

    def test_invalidIDNAIsRefused(self) -> None:
        """
        Labels that IDNA forbids are refused with the label in the error.
        """
        for text in ("☃.example", "a\u2024b", "\u200dx.de", "bü_cher.de", "\ud800x", "\u00ad.de", "ü" * 64):
            with self.subTest(text):
                self.assertIn("not allowed", self.errorOf(text))

    @given(names)
    def test_roundTrip(self, name: bytes) -> None:
        """
        A name that is written and read again is the same.
        """
        text = nameToText(name)
        self.assertEqual(nameFromText(text), name)
        self.assertEqual(nameFromText(text.encode()), name)
        self.assertEqual(nameFromText(nameToText(name, final=False)), name)
        self.assertEqual(nameFromText(nameToText(name, unicode=True)), name)

    @given(names)
    def test_textAgreesWithDnspython(self, name: bytes) -> None:
        """
        dnspython reads our text as the same name, and we read its text.
        """
        other = dns.name.from_text(nameToText(name))
        self.assertEqual(other.to_wire(), name)
        self.assertEqual(nameFromText(other.to_text()), name)
        self.assertEqual(nameToText(name), other.to_text())

    @given(st.text("ab.\\019\x00 ä☃-_xn", max_size=40) | st.text(max_size=80))
    def test_anyTextIsNameOrOneLine(self, text: str) -> None:
        """
        Any text is a name, or an error of one line.
        """
        try:
            name = nameFromText(text)
        except BadName as error:
            self.assertNotIn("\n", str(error))
            return
        self.assertLessEqual(len(name), MOST_OCTETS)
        self.assertEqual(nameFromText(nameToText(name)), name)

    @given(st.binary(max_size=80) | st.text("ab.\\019", max_size=40).map(str.encode))
    def test_octetsAgreeWithDnspython(self, text: bytes) -> None:
        """
        Octets are a name exactly where dnspython accepts them.
        """
        try:
            other: bytes | None = dns.name.from_text(text.decode("latin-1") if text.isascii() else text).to_wire()
        except Exception:
            other = None
        try:
            ours: bytes | None = nameFromText(text)
        except BadName:
            ours = None
        # dnspython takes the empty text for the root, and @ for its origin.
        if text not in (b"", b"@"):
            self.assertEqual(ours, other)


class TreeTests(SynchronousTestCase):
    """
    Tests for the relations of names.
    """

    def test_parentHasOneLabelLess(self) -> None:
        """
        The parent has one label less, and the root is its own parent.
        """
        self.assertEqual(parentOf(nameFromText("a.b")), nameFromText("b"))
        self.assertEqual(parentOf(nameFromText("b")), ROOT)
        self.assertEqual(parentOf(ROOT), ROOT)

    def test_joinedNameIsBelow(self) -> None:
        """
        A joined name is below its second part, unless it takes too many octets.
        """
        self.assertEqual(joined(nameFromText("a.b"), nameFromText("c")), nameFromText("a.b.c"))
        self.assertEqual(joined(nameFromText("a"), ROOT), nameFromText("a"))
        long = nameFromText(".".join(["a" * 63] * 3))
        self.assertRaises(BadName, joined, long, long)

    def test_invalidLabelsAreRefused(self) -> None:
        """
        Empty, too long and too many labels are refused.
        """
        for wrong in ([b""], [b"a" * 64], [b"a" * 63] * 4):
            self.assertRaises(BadName, nameFromLabels, wrong)

    @given(st.lists(labels, max_size=4), st.lists(labels, max_size=4))
    def test_belowComparesWholeLabels(self, first: list[bytes], second: list[bytes]) -> None:
        """
        A name is below another by whole labels only.
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
    def test_labelsSplitAndJoin(self, name: bytes) -> None:
        """
        Labels can be split and joined again.
        """
        self.assertEqual(nameFromLabels(labelsOf(name)), name)
        self.assertEqual(labelCount(name), len(labelsOf(name)))

    @given(st.lists(plainNames | names, max_size=8))
    def test_canonicalOrderAgreesWithDnspython(self, several: list[bytes]) -> None:
        """
        Names sort in canonical order (RFC 4034, section 6.1), as in dnspython.
        """
        theirs = sorted([dns.name.from_wire(name, 0)[0].canonicalize() for name in several])
        ours = sorted([name.lower() for name in several], key=canonicalKey)
        self.assertEqual(ours, [name.to_wire() for name in theirs])

    def test_canonicalOrderOfRFC4034(self) -> None:
        """
        The example of RFC 4034, section 6.1, is sorted in its order.
        """
        order = "example a.example yljkjljk.a.example Z.a.example zABC.a.EXAMPLE z.example \\001.z.example *.z.example \\200.z.example"
        several = [nameFromText(text) for text in order.split()]
        mixed = several[::-1]
        self.assertEqual(sorted(mixed, key=canonicalKey), several)

    @given(names, names)
    def test_caseFoldsASCIIOnly(self, first: bytes, second: bytes) -> None:
        """
        Names are equal in every case of ASCII letters only (RFC 4343).
        """
        theirs = dns.name.from_wire(first, 0)[0] == dns.name.from_wire(second, 0)[0]
        self.assertEqual(first.lower() == second.lower(), theirs)
        self.assertEqual(first.upper().lower(), first.lower())
        self.assertNotEqual(nameFromText(b"\xc4").lower(), nameFromText(b"\xe4").lower())
