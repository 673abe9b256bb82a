"""
Tests of L{twisted_ext.dnssec.anchors.sentinel} and L{twisted_ext.dnssec.anchors.sentinel}.
"""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from tests.dnssec.anchors.testkeys import ZONE_NAME, digestAnchor, key
from twisted_ext.dnssec.anchors.sentinel import refusesSentinel, sentinelOf, signalName
from twisted_ext.dnssec.keys import keyTag
from twisted_ext.dnssec.trustanchors import ROOT_ANCHORS, TrustAnchors, ZoneAnchors
from twisted_ext.wire.names import ROOT, nameFromText, nameToText
from twisted_ext.wire.rrtypes import AAAA, TXT, A


class SentinelTests(SynchronousTestCase):
    """
    Tests for L{refusesSentinel} (RFC 8509).
    """

    def test_labels(self) -> None:
        """
        Only the two prefixes with five digits are sentinels, in any letter case, as the first label.
        """
        for name, expected in (
            ("root-key-sentinel-is-ta-20326.example", (True, 20326)),
            ("ROOT-key-Sentinel-Not-TA-00042", (False, 42)),
            ("root-key-sentinel-is-ta-65535", (True, 65535)),
            ("root-key-sentinel-is-ta-65536", None),
            ("root-key-sentinel-is-ta-2032", None),
            ("root-key-sentinel-is-ta-020326", None),
            ("root-key-sentinel-is-ta-2032x", None),
            ("root-key-sentinel-is-tx-20326", None),
            ("www.root-key-sentinel-is-ta-20326", None),
            (".", None),
        ):
            self.assertEqual(sentinelOf(nameFromText(name)), expected)

    def test_decision(self) -> None:
        """
        Only secure answers of address types to queries without CD are replaced, if the statement in the name is wrong.
        """
        isTrusted = nameFromText("root-key-sentinel-is-ta-20326.example")
        isNot = nameFromText("root-key-sentinel-not-ta-20326.example")
        other = nameFromText("root-key-sentinel-is-ta-00001.example")
        tags = (20326, 38696)
        for name, rrType, secure, disabled, refused in (
            (isTrusted, A, True, False, False),
            (isNot, A, True, False, True),
            (isNot, AAAA, True, False, True),
            (other, A, True, False, True),
            (isNot, TXT, True, False, False),
            (isNot, A, False, False, False),
            (isNot, A, True, True, False),
            (nameFromText("www.example"), A, True, False, False),
        ):
            self.assertIs(refusesSentinel(name, rrType, tags, secure, disabled), refused)

    @given(st.binary(max_size=63))
    def test_anyLabel(self, label: bytes) -> None:
        """
        Any label can be parsed.
        """
        found = sentinelOf(bytes([len(label)]) + label + b"\0" * bool(label))
        self.assertTrue(found is None or 0 <= found[1] <= 65535)


class SignalTests(SynchronousTestCase):
    """
    Tests for L{signalName} (RFC 8145, section 5).
    """

    def test_tagsInHexAndOrder(self) -> None:
        """
        The tags are in hex with four digits, in ascending order, before the name of the zone.
        """
        both = "_ta-4f66-9728."
        for anchors, expected in ((ROOT_ANCHORS[:1], "_ta-4f66."), (ROOT_ANCHORS, both), (ROOT_ANCHORS[::-1], both)):
            found = TrustAnchors(anchors).closest(ROOT)
            assert found is not None
            self.assertEqual(nameToText(signalName(found) or b""), expected)

    def test_exampleOfTheRFC(self) -> None:
        """
        The example of RFC 8145, section 5.1, has this name.
        """
        digests = tuple([tag.to_bytes(2, "big") + bytes([8, 2]) + bytes(32) for tag in (31589, 43547, 31406)])
        self.assertEqual(nameToText(signalName(ZoneAnchors(ROOT, digests, ())) or b""), "_ta-7aae-7b65-aa1b.")

    def test_eachTagOnce(self) -> None:
        """
        A key that is known by record and digest has one tag.
        """
        found = ZoneAnchors(ZONE_NAME, (digestAnchor("A").rdata,), (key("A"),))
        self.assertEqual(nameToText(signalName(found) or b""), f"_ta-{keyTag(key('A')):04x}.example.com.")

    def test_lengthIsLimited(self) -> None:
        """
        The label has room for twelve tags; a zone whose name leaves no room, or without anchors, has no signal.
        """
        digests = tuple([bytes([1, number, 8, 2]) + bytes(32) for number in range(20)])
        name = signalName(ZoneAnchors(ROOT, digests, ()))
        assert name is not None
        self.assertEqual(name[0], 63)
        self.assertEqual(len(nameFromText(nameToText(name))), 65)
        self.assertIsNone(signalName(ZoneAnchors(nameFromText(".".join(["a" * 63] * 3 + ["a" * 59])), digests[:1], ())))
        self.assertIsNone(signalName(ZoneAnchors(ROOT, (), ())))
