"""
Tests of L{twisted_ext.discovery.posixregex}.
"""

from __future__ import annotations

import re
from unittest.mock import patch

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from twisted_ext.discovery import posixregex
from twisted_ext.discovery.limits import PATTERN_DEPTH, PATTERN_PARTS, PATTERN_WORK
from twisted_ext.discovery.posixregex import BadPattern, Pattern, Work

__all__: list[str] = []


def _compound(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    repeated = st.tuples(inner, st.sampled_from(["*", "+", "?", "{2}", "{1,2}", "{0,3}", "{2,}"])).map(
        lambda pair: f"({pair[0]}){pair[1]}"
    )
    several = st.lists(inner, min_size=1, max_size=3)
    return st.one_of(repeated, several.map("".join), several.map(lambda parts: f"({'|'.join(parts)})"))


#: Patterns with the same meaning in POSIX and in Python, as far as whole matches are concerned.
patterns = st.recursive(
    st.sampled_from(["a", "b", ".", "[ab]", "[^a]", r"\.", "[a-c]", "^", "$"]), _compound, max_leaves=6
)


class MatchingTests(SynchronousTestCase):
    """
    Tests of matches.
    """

    def test_publishedPatterns(self) -> None:
        """
        Published patterns match as their authors expect.
        """
        for pattern, text, groups in (
            ("^.*$", "+442079460148", ("+442079460148",)),
            (r"^\+44(.*)$", "+442079460148", ("+442079460148", "2079460148")),
            ("^urn:cid:.+@([^\\.]+\\.)(.*)$", "urn:cid:1.9@gatech.edu", ("urn:cid:1.9@gatech.edu", "gatech.", "edu")),
            ("^(\\+[0-9]{2})([0-9]{3,})$", "+4312345", ("+4312345", "+43", "12345")),
            ("(a|ab)(c|bcd)(d*)", "abcd", ("abcd", "a", "bcd", "")),
            ("b*", "aab", ("",)),
            ("x|(y)", "x", ("x", "")),
            ("()a", "a", ("a", "")),
            ("a]", "a]", ("a]",)),
        ):
            self.assertEqual(Pattern(pattern).match(text), groups, pattern)

    def test_longestMatchWins(self) -> None:
        """
        The longest of the leftmost matches wins, where Python takes the first alternative.
        """
        self.assertEqual(Pattern("a|ab|abc").match("xabcd"), ("abc",))
        found = re.search("a|ab|abc", "xabcd")
        assert found is not None
        self.assertEqual(found[0], "a")

    def test_mismatchGivesNone(self) -> None:
        """
        A text that does not match gives C{None}.
        """
        for pattern, text in (("^a$", "ba"), ("[^a]", "aaa"), ("a{3}", "aa"), ("$a", "a"), ("A", "a")):
            self.assertIsNone(Pattern(pattern).match(text), pattern)

    def test_bracketExpressions(self) -> None:
        """
        Brackets accept ranges, classes and special characters at their start and end.
        """
        for pattern, matching, others in (
            ("[]x]", "]x", "[a"),
            ("[^]x]", "[a", "]x"),
            ("[a-]", "a-", "b"),
            ("[[:digit:]_]", "09_", "a:"),
            ("[[:alpha:]]", "aZ", "1-"),
            ("[[:punct:]]", "!/:@[`{~", "aA0 "),
            ("[[:space:][:xdigit:]]", " \tfF0", "gx"),
            (r"[\.]", "\\.", "a"),
            ("[*^$]", "*^$", "a"),
        ):
            compiled = Pattern(f"^{pattern}$")
            self.assertTrue(all(compiled.match(each) for each in matching), pattern)
            self.assertFalse(any(compiled.match(each) for each in others), pattern)

    def test_ignoringCaseFoldsASCIIOnly(self) -> None:
        """
        ASCII letters match in both cases without regard to case, in ranges as well, and no others do.
        """
        for pattern in ("aZ", "[a-z][A-Z]", "[a][z]"):
            self.assertEqual(Pattern(pattern, True).match("Az"), ("Az",))
        self.assertIsNone(Pattern("[@-A]", True).match("["))
        self.assertIsNone(Pattern("\N{KELVIN SIGN}", True).match("k"))

    @given(patterns, st.text("abc.", max_size=7))
    def test_matchesAgreeWithPython(self, pattern: str, text: str) -> None:
        """
        A match agrees with Python's when it tries every part of the text.
        """
        spans = [(begin, end) for begin in range(len(text) + 1) for end in range(len(text), begin - 1, -1)]

        def matches(begin: int, end: int) -> bool:
            # The lookahead holds the end in place without hiding the text behind it from the pattern's anchors.
            found = re.compile(f"(?:{pattern})(?=.{{{len(text) - end}}}\\Z)", re.DOTALL).match(text, begin)
            return found is not None and found.end() == end

        expected = next((text[begin:end] for begin, end in spans if matches(begin, end)), None)
        found = Pattern(pattern).match(text)
        self.assertEqual(None if found is None else found[0], expected)


class BadPatternTests(SynchronousTestCase):
    """
    Tests of invalid and costly patterns.
    """

    def test_invalidPatternHasItsPosition(self) -> None:
        """
        A pattern that is invalid in POSIX is refused with the position of the mistake.
        """
        for pattern in (
            "(",
            ")",
            "a)",
            "(a",
            "[",
            "[a",
            "[]",
            "[^]",
            "[b-a]",
            "[[:nothing:]]",
            "[[:digit]",
            "[[.a.]]",
            "[[=a=]]",
            "*",
            "a**",
            "a*?",
            "+a",
            "(*a)",
            "a|*",
            "{1}",
            "a{",
            "a{1",
            "a{x}",
            "a{,2}",
            "a{2,1}",
            "a{256}",
            "a{1,999}",
            "a{1000}",
            "a{-1}",
            "\\",
            "a\\",
            r"\1",
            r"\d",
            r"(a)\1",
            "a{1}{2}",
            "(?:a)",
        ):
            error = self.assertRaises(BadPattern, Pattern, pattern)
            self.assertIn("at character", str(error), pattern)

    def test_noCatastrophicBacktracking(self) -> None:
        """
        Patterns that take Python exponential time match at once, and correctly.
        """
        text = "a" * 40
        for pattern in ("(a+)+b", "(a|a)*b", "(a|aa)+b", "(.*a){12}b", "((a*)*)*b", "(a?){40}a{40}b"):
            self.assertIsNone(Pattern(pattern).match(text), pattern)
            found = Pattern(pattern).match(text + "b")
            self.assertEqual(found and found[0], text + "b", pattern)

    def test_patternThatHangsTheCLibrary(self) -> None:
        """
        A pattern that hangs the C library matches at once.
        """
        found = Pattern("((((a){0,2}|(.|[^a]))){0,2})+").match("abb")
        self.assertEqual(found and found[0], "abb")

    def test_stepsAreBounded(self) -> None:
        """
        Matching stops when its budget of steps is used up, and continues with a larger one.
        """
        pattern, text = "(a?b?c?d?){20}e", "abcd" * 250
        self.assertRaises(BadPattern, Pattern(pattern).match, text)
        self.assertIsNone(Pattern(pattern, work=Work(PATTERN_WORK.most)).match(text))

    def test_patternsShareTheirBudget(self) -> None:
        """
        The patterns of one look-up share their budget of steps.
        """
        work = Work(1000)

        def match() -> None:
            for _ in range(1000):
                Pattern("^.*$", work=work).match("+442079460148")

        self.assertRaises(BadPattern, match)

    def test_nestedRepetitionsAreBounded(self) -> None:
        """
        The expansion of nested repetitions is bounded.
        """
        for pattern in ("((a{255}){255}){255}", "(((((a{9}){9}){9}){9}){9}){9}", "(((){255}){255}){255}"):
            self.assertRaises(BadPattern, Pattern, pattern)
        with patch.object(posixregex, "PATTERN_PARTS", type(PATTERN_PARTS)(10**6, 1, 10**6)):
            self.assertRaises(BadPattern, Pattern, "((a{255}){255}){255}", work=Work(20_000))
            Pattern("((a{20}){20}){8}")

    def test_nestingDepthIsBounded(self) -> None:
        """
        The depth of nested groups is bounded, so that parsing does not exhaust the stack.
        """
        depth = int(PATTERN_DEPTH.default)
        self.assertEqual(Pattern("(" * depth + "a" + ")" * depth).match("a"), ("a",) * (min(depth, 9) + 1))
        self.assertRaises(BadPattern, Pattern, "(" * (depth + 1) + "a" + ")" * (depth + 1))

    @given(st.text("ab()[]{}*+?|^$.\\-,:019=d", max_size=30), st.text("ab-.", max_size=20), st.booleans())
    def test_anyTextMatchesOrIsRefused(self, pattern: str, text: str, folded: bool) -> None:
        """
        Any text is a pattern that matches or not, or is refused.
        """
        try:
            groups = Pattern(pattern, folded).match(text)
        except BadPattern:
            return
        if groups is not None:
            self.assertIn(groups[0], text)
            self.assertTrue(all(group in groups[0] for group in groups))
