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


#: Patterns that mean the same to POSIX and to Python, as far as it goes by whether something matches as a whole.
patterns = st.recursive(
    st.sampled_from(["a", "b", ".", "[ab]", "[^a]", r"\.", "[a-c]", "^", "$"]), _compound, max_leaves=6
)


class MatchingTests(SynchronousTestCase):
    """
    Tests of what matches.
    """

    def test_examples(self) -> None:
        """
        Patterns of rules as they are published match as their authors expect.
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

    def test_longest(self) -> None:
        """
        Of the leftmost matches the longest is taken, where Python takes the first that it comes to.
        """
        self.assertEqual(Pattern("a|ab|abc").match("xabcd"), ("abc",))
        found = re.search("a|ab|abc", "xabcd")
        assert found is not None
        self.assertEqual(found[0], "a")

    def test_nothing(self) -> None:
        """
        Where nothing matches there is nothing.
        """
        for pattern, text in (("^a$", "ba"), ("[^a]", "aaa"), ("a{3}", "aa"), ("$a", "a"), ("A", "a")):
            self.assertIsNone(Pattern(pattern).match(text), pattern)

    def test_brackets(self) -> None:
        """
        Brackets take ranges, classes and, at their beginning and end, what is otherwise part of their form.
        """
        for pattern, taken, others in (
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
            self.assertTrue(all(compiled.match(each) for each in taken), pattern)
            self.assertFalse(any(compiled.match(each) for each in others), pattern)

    def test_folded(self) -> None:
        """
        Without regard to case, letters of ASCII stand for both of their forms, in ranges as well, and nothing else does.
        """
        for pattern in ("aZ", "[a-z][A-Z]", "[a][z]"):
            self.assertEqual(Pattern(pattern, True).match("Az"), ("Az",))
        self.assertIsNone(Pattern("[@-A]", True).match("["))
        self.assertIsNone(Pattern("\N{KELVIN SIGN}", True).match("k"))

    @given(patterns, st.text("abc.", max_size=7))
    def test_asPython(self, pattern: str, text: str) -> None:
        """
        What matches is what Python finds when it tries every part of the text by itself.
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
    Tests of what is no pattern, or too much of one.
    """

    def test_refused(self) -> None:
        """
        What has no meaning in POSIX is refused, and is told where.
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

    def test_catastrophes(self) -> None:
        """
        Patterns for which Python would need more steps than there are atoms are done with at once, and right.
        """
        text = "a" * 40
        for pattern in ("(a+)+b", "(a|a)*b", "(a|aa)+b", "(.*a){12}b", "((a*)*)*b", "(a?){40}a{40}b"):
            self.assertIsNone(Pattern(pattern).match(text), pattern)
            found = Pattern(pattern).match(text + "b")
            self.assertEqual(found and found[0], text + "b", pattern)

    def test_libraries(self) -> None:
        """
        So is one that the C library does not come back from.
        """
        found = Pattern("((((a){0,2}|(.|[^a]))){0,2})+").match("abb")
        self.assertEqual(found and found[0], "abb")

    def test_steps(self) -> None:
        """
        Matching stops when the steps are used up; with more of them it would have gone on.
        """
        pattern, text = "(a?b?c?d?){20}e", "abcd" * 250
        self.assertRaises(BadPattern, Pattern(pattern).match, text)
        self.assertIsNone(Pattern(pattern, work=Work(PATTERN_WORK.most)).match(text))

    def test_shared(self) -> None:
        """
        The patterns of one look-up share their steps, so that many cost no more than one may.
        """
        work = Work(1000)

        def match() -> None:
            for _ in range(1000):
                Pattern("^.*$", work=work).match("+442079460148")

        self.assertRaises(BadPattern, match)

    def test_parts(self) -> None:
        """
        Repetitions within repetitions are not written out beyond what may be.
        """
        for pattern in ("((a{255}){255}){255}", "(((((a{9}){9}){9}){9}){9}){9}", "(((){255}){255}){255}"):
            self.assertRaises(BadPattern, Pattern, pattern)
        with patch.object(posixregex, "PATTERN_PARTS", type(PATTERN_PARTS)(10**6, 1, 10**6)):
            self.assertRaises(BadPattern, Pattern, "((a{255}){255}){255}", work=Work(20_000))
            Pattern("((a{20}){20}){8}")

    def test_depth(self) -> None:
        """
        Groups within groups go only so deep, so that reading a pattern does not run out of stack.
        """
        depth = int(PATTERN_DEPTH.default)
        self.assertEqual(Pattern("(" * depth + "a" + ")" * depth).match("a"), ("a",) * (min(depth, 9) + 1))
        self.assertRaises(BadPattern, Pattern, "(" * (depth + 1) + "a" + ")" * (depth + 1))

    @given(st.text("ab()[]{}*+?|^$.\\-,:019=d", max_size=30), st.text("ab-.", max_size=20), st.booleans())
    def test_anything(self, pattern: str, text: str, folded: bool) -> None:
        """
        Any text is a pattern, or is refused as such, and matches or not: nothing else comes of it.
        """
        try:
            groups = Pattern(pattern, folded).match(text)
        except BadPattern:
            return
        if groups is not None:
            self.assertIn(groups[0], text)
            self.assertTrue(all(group in groups[0] for group in groups))
