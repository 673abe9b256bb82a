"""
Tests of L{twisted_ext.dnssec.trustanchors} and L{twisted_ext.dnssec.anchors.negative}.
"""

from __future__ import annotations

from unittest.mock import patch

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from tests.dnssec.anchors.testkeys import ZONE_NAME, digestAnchor, key
from twisted_ext.dnssec import trustanchors as trusted
from twisted_ext.dnssec.anchors import negative
from twisted_ext.dnssec.anchors.negative import NegativeTrustAnchors, anchorsFor, negativeAnchorFromText
from twisted_ext.dnssec.times import timeFromText, timeToText
from twisted_ext.dnssec.trustanchors import ROOT_ANCHORS, Anchor, TrustAnchors
from twisted_ext.errors import BadDescription
from twisted_ext.limits import Limit
from twisted_ext.wire.names import ROOT, nameFromText
from twisted_ext.wire.rrtypes import DNSKEY

NOW = timeFromText("2026-11-21T10:00:00Z")

WWW = nameFromText("www.example.com")


class TrustAnchorsTests(SynchronousTestCase):
    """
    Tests for L{TrustAnchors}.
    """

    def test_deepestZoneIsClosest(self) -> None:
        """
        Of several zones above a name, the deepest gives the anchors.
        """
        anchors = TrustAnchors([*ROOT_ANCHORS, digestAnchor("A"), Anchor(ZONE_NAME, DNSKEY, key("B"))])
        for name, zone in (
            ("www.example.com", ZONE_NAME),
            ("example.com", ZONE_NAME),
            ("com", ROOT),
            (".", ROOT),
            # Not below the zone: the end of a label is not a label.
            ("badexample.com", ROOT),
        ):
            found = anchors.closest(nameFromText(name))
            assert found is not None
            self.assertEqual(found.zone, zone)
        self.assertEqual([found.zone for found in anchors.zones()], [ROOT, ZONE_NAME])
        self.assertEqual(len(anchors), 4)

    def test_withoutTheRootOtherNamesHaveNone(self) -> None:
        """
        A name below no anchor has none.
        """
        self.assertIsNone(TrustAnchors([digestAnchor("A")]).closest(nameFromText("example.org")))
        self.assertIsNone(TrustAnchors().closest(ROOT))

    def test_zoneCanBeReplaced(self) -> None:
        """
        After a rollover the zone's anchors are others; without any, the zone above decides.
        """
        anchors = TrustAnchors([*ROOT_ANCHORS, digestAnchor("A")])
        anchors.replace(ZONE_NAME, (), (key("B"),))
        found = anchors.closest(WWW)
        assert found is not None
        self.assertEqual((found.digests, found.keys), ((), (key("B"),)))
        anchors.replace(ZONE_NAME, (), ())
        anchors.replace(ZONE_NAME, (), ())
        found = anchors.closest(WWW)
        assert found is not None
        self.assertEqual((found.zone, found.tags()), (ROOT, (20326, 38696)))

    def test_repeatedAnchorsCountOnce(self) -> None:
        """
        The same anchor from two files is one.
        """
        self.assertEqual(len(TrustAnchors([*ROOT_ANCHORS, *ROOT_ANCHORS])), 2)

    def test_anchorsAreLimited(self) -> None:
        """
        More anchors than the limit are an error.
        """
        with patch.object(trusted, "ANCHORS", Limit(default=1, least=1, most=1)), self.assertRaises(BadDescription) as caught:
            TrustAnchors(ROOT_ANCHORS)
        self.assertEqual(caught.exception.text, "2 trust anchors; at most 1 are allowed")


class NegativeTests(SynchronousTestCase):
    """
    Tests for L{NegativeTrustAnchors} (RFC 7646).
    """

    def test_coversNamesBelowUntilItEnds(self) -> None:
        """
        Validation is suspended at and below the name, and resumes by itself.
        """
        negatives = NegativeTrustAnchors()
        self.assertEqual(negatives.add(ZONE_NAME, NOW, NOW + 60), NOW + 60)
        self.assertEqual(negatives.covers(WWW, NOW + 59), ZONE_NAME)
        self.assertEqual(negatives.covers(ZONE_NAME, NOW), ZONE_NAME)
        self.assertIsNone(negatives.covers(nameFromText("com"), NOW))
        self.assertIsNone(negatives.covers(nameFromText("notexample.com"), NOW))
        self.assertIsNone(negatives.covers(WWW, NOW + 60))
        self.assertEqual(negatives.listed(NOW), [(ZONE_NAME, NOW + 60)])
        self.assertEqual(negatives.listed(NOW + 60), [])
        self.assertEqual(negatives.expire(NOW + 60), [ZONE_NAME])

    def test_defaultIsAnHour(self) -> None:
        """
        Without a time, it ends after an hour, and can be removed before.
        """
        negatives = NegativeTrustAnchors()
        self.assertEqual(negatives.add(ZONE_NAME, NOW), NOW + 3600)
        self.assertTrue(negatives.remove(ZONE_NAME))
        self.assertFalse(negatives.remove(ZONE_NAME))
        self.assertIsNone(negatives.covers(WWW, NOW))

    def test_moreThanAWeekIsRefused(self) -> None:
        """
        No exception lasts longer than a week, not even if the clock is set back afterwards.
        """
        negatives = NegativeTrustAnchors()
        with self.assertRaises(BadDescription) as caught:
            negatives.add(ZONE_NAME, NOW, NOW + 7 * 86400 + 1)
        self.assertEqual(
            caught.exception.text,
            "negative trust anchor example.com.: 2026-11-28T10:00:01Z is too late: it is 2026-11-21T10:00:00Z, and at most 7 days are"
            " allowed",
        )
        negatives.add(ZONE_NAME, NOW, NOW + 7 * 86400)
        self.assertIsNone(negatives.covers(WWW, NOW - 1000))

    def test_theyAreLimited(self) -> None:
        """
        There are no more than the limit, not counting those that have ended.
        """
        negatives = NegativeTrustAnchors()
        with patch.object(negative, "NEGATIVE_ANCHORS", Limit(default=1, least=1, most=1)):
            negatives.add(ZONE_NAME, NOW, NOW + 1)
            negatives.add(ZONE_NAME, NOW, NOW + 2)
            with self.assertRaises(BadDescription) as caught:
                negatives.add(ROOT, NOW)
            self.assertIn("negative trust anchor .: there are 1, at most 1 are allowed; remove one", caught.exception.text)
            negatives.add(ROOT, NOW + 2)

    def test_deepestDecides(self) -> None:
        """
        A trust anchor below a negative one applies, and of two at one name the negative one.
        """
        anchors = TrustAnchors([*ROOT_ANCHORS, digestAnchor("A")])
        for name, applies in (("com", ZONE_NAME), ("example.com", None), ("www.example.com", None), ("example.org", ZONE_NAME)):
            negatives = NegativeTrustAnchors()
            negatives.add(nameFromText(name), NOW)
            found = anchorsFor(WWW, anchors, negatives, NOW)
            self.assertEqual(found and found.zone, applies)
        negatives = NegativeTrustAnchors()
        negatives.add(nameFromText("com"), NOW)
        self.assertIsNone(anchorsFor(nameFromText("other.com"), anchors, negatives, NOW))
        self.assertIsNone(anchorsFor(WWW, TrustAnchors(), negatives, NOW))

    def test_textForms(self) -> None:
        """
        The time is one of ISO 8601 or a duration from now.
        """
        for text, name, until in (
            ("Example.COM=+1h", "example.com", NOW + 3600),
            ("example.com.=+2d", "example.com", NOW + 2 * 86400),
            (".=+1d12h", ".", NOW + 36 * 3600),
            ("a=b.example=+60", "a=b.example", NOW + 60),
            ("example.com=2026-11-22", "example.com", timeFromText("2026-11-22T00:00Z")),
            ("example.com=2026-11-21T12:00:00Z", "example.com", NOW + 7200),
            ("example.com = 2026-11-21T12:00+01:00", "example.com", NOW + 3600),
        ):
            self.assertEqual(negativeAnchorFromText(text, NOW), (nameFromText(name), until))

    def test_textErrors(self) -> None:
        """
        Errors are one line and show a right one.
        """
        for text, expected in (
            ("example.com", "'example.com' is not a valid negative trust anchor: write NAME=UNTIL, such as example.com=+2d or "),
            ("=+1h", "'=+1h' is not a valid negative trust anchor: write NAME=UNTIL, "),
            ("a..b=+1h", "'a..b=+1h' is not a valid negative trust anchor: 'a..b': a label is empty"),
            ("a=tomorrow", "'a=tomorrow' is not a valid negative trust anchor: 'tomorrow' is not a time; write NAME=UNTIL, "),
            ("a=+1y", "'a=+1y' is not a valid negative trust anchor: '+1y' is not a time; "),
            ("a=+8d", "negative trust anchor a.: 2026-11-29T10:00:00Z is too late: it is 2026-11-21T10:00:00Z, and at most 7 "),
            ("a=2026-11-21T09:00Z", "negative trust anchor a.: 2026-11-21T09:00:00Z is past: it is 2026-11-21T10:00:00Z; a time "),
            ("a=+0", "negative trust anchor a.: 2026-11-21T10:00:00Z is past: "),
        ):
            with self.assertRaises(BadDescription) as caught:
                negativeAnchorFromText(text, NOW)
            self.assertTrue(caught.exception.text.startswith(expected), caught.exception.text)

    @given(st.one_of(st.text(max_size=80), st.text("0123456789-+:TZhdwms.", max_size=40).map("a=".__add__)))
    def test_noOtherExceptionForAnyText(self, text: str) -> None:
        """
        Any text gives an anchor or one line.
        """
        try:
            negativeAnchorFromText(text, NOW)
        except BadDescription as error:
            self.assertNotIn("\n", error.text)

    def test_timesAreInUTC(self) -> None:
        """
        Times are written and read in UTC; a number stands for one without a date.
        """
        self.assertEqual(timeToText(timeFromText("2026-01-01")), "2026-01-01T00:00:00Z")
        self.assertEqual((timeToText(-1), timeToText(10**15)), ("-1", "1000000000000000"))
