"""
Tests of L{twisted_ext.discovery.naptr}.
"""

from __future__ import annotations

from typing import cast

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from twisted_ext.discovery.limits import REWRITTEN_CHARACTERS
from twisted_ext.discovery.naptr import FURTHER, SERVERS, URIS, Rule, nextName, numberName, rulesFrom, substituted
from twisted_ext.discovery.posixregex import BadPattern, Work
from twisted_ext.errors import CallerFault
from twisted_ext.wire.names import ROOT, nameFromText
from twisted_ext.wire.rdata.types.service import NAPTR

__all__: list[str] = []


def rules(*texts: str) -> list[Rule]:
    """
    Return the rules of these records.

    @param texts: records as in zone files.
    """
    return rulesFrom([NAPTR.fromText(text) for text in texts])


class SubstitutionTests(SynchronousTestCase):
    """
    Tests of L{substituted}.
    """

    def test_publishedExamples(self) -> None:
        """
        Published expressions give the expected results.
        """
        for expression, text, result in (
            ("!^.*$!sip:info@example.com!", "+442079460148", "sip:info@example.com"),
            (r"!^\+44(.*)$!sip:0\1@example.com!", "+442079460148", "sip:02079460148@example.com"),
            (r"!^urn:cid:.+@([^\.]+\.)(.*)$!\2!i", "URN:CID:199606121851.1@bar.example.com", "example.com"),
            (r"/^(a)(b)?$/\1-\2-/", "a", "a--"),
            (r"!a\!b!x\!\\y!", "a!b", r"x!\y"),
            ("!.*!lost:x!", "", "lost:x"),
        ):
            self.assertEqual(substituted(expression, text), result, expression)

    def test_letterAsDelimiter(self) -> None:
        """
        A letter can be the delimiter; after a backslash it stands for itself.
        """
        self.assertEqual(substituted(r"xa\xbxyx", "axb"), "y")

    def test_mismatchGivesNone(self) -> None:
        """
        An expression that does not match gives C{None}; case matters unless the flag C{i} is set.
        """
        self.assertIsNone(substituted("!^b$!x!", "a"))
        self.assertIsNone(substituted("!^b$!x!", "B"))
        self.assertEqual(substituted("!^b$!x!i", "B"), "x")

    def test_invalidExpressionIsRefused(self) -> None:
        """
        Invalid delimiters, parts, flags and groups are refused.
        """
        for expression in (
            "",
            "!",
            "!a",
            "!a!b",
            "!a!b!x",
            "!a!b!ii",
            "!a!b!!",
            "!!b!",
            "1a1b1",
            "0a0b0",
            "iaibi",
            "\\a\\b\\",
            "!a!b\\",
            r"!a!\1!",
            r"!(a)!\2!",
            "!(!b!",
            "!" + "(a)" * 10 + r"!\9\10\\!x",
        ):
            self.assertRaises(BadPattern, substituted, expression, "a" * 10)

    def test_resultLengthIsBounded(self) -> None:
        """
        The length of a result is bounded.
        """
        text = "a" * 1000
        self.assertEqual(len(substituted(r"!^(.*)$!\1\1\1\1!", text) or ""), 4000)
        self.assertRaises(BadPattern, substituted, r"!^(.*)$!" + r"\1" * 100 + "!", text)
        self.assertGreater(1000 * 100, REWRITTEN_CHARACTERS.default)

    @given(st.text("!/\\ab()[]*+.19i", max_size=30), st.text("ab!", max_size=20))
    def test_anyExpressionWorksOrIsRefused(self, expression: str, text: str) -> None:
        """
        Any expression gives a result or nothing, or is refused.
        """
        try:
            result = substituted(expression, text)
        except BadPattern:
            return
        self.assertTrue(result is None or len(result) <= REWRITTEN_CHARACTERS.default)


class RuleTests(SynchronousTestCase):
    """
    Tests of L{Rule} and of its creation from records.
    """

    def test_rulesComeByOrderAndPreference(self) -> None:
        """
        Rules come by order, then by preference.
        """
        found = rules('20 1 "s" "X:c" "" c.', '10 9 "s" "X:b" "" b.', '10 1 "s" "X:a" "" a.')
        self.assertEqual([rule.services for rule in found], ["X:a", "X:b", "X:c"])

    def test_unusableRecordsAreIgnored(self) -> None:
        """
        Records with unknown flags, with both or neither of expression and replacement, or with invalid text are ignored.
        """
        self.assertEqual(
            rules(
                '1 1 "p" "X" "" a.',
                '1 1 "sa" "X" "" a.',
                '1 1 "u" "X" "!a!b!" a.',
                '1 1 "s" "X" "" .',
                '1 1 "u" "X" "" a.',
                r'1 1 "s" "\255" "" a.',
                '1 1 "1" "X" "" a.',
            ),
            [],
        )
        self.assertEqual(
            [rule.flag for rule in rules('1 1 "S" "X" "" a.', '1 2 "" "X" "!a!b!" .', '1 3 "U" "X" "!a!b!" .')],
            [SERVERS, FURTHER, URIS],
        )

    def test_snaptrServiceAndProtocols(self) -> None:
        """
        An S-NAPTR rule is for its service, in any letter case, and the first of the caller's protocols that it lists.
        """
        (rule,) = rules('1 1 "s" "EM:ProtA:ProtB" "" a.')
        self.assertEqual(rule.protocolFor("em", ("x", "protb", "prota")), "protb")
        self.assertEqual(rule.protocolFor("EM", ()), "ProtA")
        self.assertIsNone(rule.protocolFor("EM", ("x",)))
        self.assertIsNone(rule.protocolFor("E", ()))
        (bare,) = rules('1 1 "s" "EM" "" a.')
        self.assertEqual(bare.protocolFor("EM", ()), "")
        self.assertIsNone(bare.protocolFor("EM", ("ProtA",)))

    def test_enumAndUnaptrServices(self) -> None:
        """
        An ENUM rule can list several services with the protocol before or after them; a U-NAPTR rule is for its exact service.
        """
        for services, wanted, about in (
            ("E2U+sip", "e2u+SIP", True),
            ("E2U+pres+sip:sips", "E2U+sip", True),
            ("E2U+sip:sips", "E2U+sip:sips", True),
            ("E2U+sip:sips", "E2U+sip:sip", False),
            ("sip+E2U", "E2U+sip", True),
            ("E2U+mailto", "E2U+sip", False),
            ("LoST:https", "lost:HTTPS", True),
            ("LoST:https", "LoST", False),
        ):
            (rule,) = rules(f'1 1 "u" "{services}" "!a!b:c!" .')
            self.assertEqual(rule.isAbout(wanted), about, (services, wanted))
        (further,) = rules('1 1 "" "" "" a.')
        self.assertTrue(further.isAbout("E2U+sip"))

    def test_nextNameOfARule(self) -> None:
        """
        A rule leads to its replacement or to the result of its expression; an invalid name is refused.
        """
        plain, rewriting, mismatching, invalid = rules(
            '1 1 "" "X" "" a.example.',
            r'1 2 "" "X" "!^(.)$!\\1.example.!" .',
            '1 3 "" "X" "!^b$!c!" .',
            '1 4 "" "X" "!a!..!" .',
        )
        self.assertEqual(nextName(plain, "a", Work()), nameFromText("a.example"))
        self.assertEqual(nextName(rewriting, "a", Work()), nameFromText("a.example"))
        self.assertIsNone(nextName(mismatching, "a", Work()))
        self.assertRaises(BadPattern, nextName, invalid, "a", Work())
        self.assertNotEqual(plain.replacement, ROOT)

    def test_phoneNumberBecomesName(self) -> None:
        """
        A phone number becomes the name of its reversed digits; an invalid one is refused.
        """
        self.assertEqual(numberName("+44 (20) 7946-0148"), ("8.4.1.0.6.4.9.7.0.2.4.4.e164.arpa", "+442079460148"))
        self.assertEqual(numberName("+1", "e164.example"), ("1.e164.example", "+1"))
        for number in ("", "+", "442079460148", "+44x", "+1234567890123456", "+\u0661"):
            self.assertRaises(CallerFault, numberName, number)
        self.assertRaises(CallerFault, numberName, cast(str, 442079460148))
