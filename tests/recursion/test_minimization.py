"""
Tests of L{twisted_ext.recursion.iteration} (RFC 9156).
"""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from tests.recursion.worlds import name
from twisted_ext.recursion.iteration import Minimizer
from twisted_ext.recursion.limits import MINIMIZED_LABELS, MINIMIZED_QUERIES
from twisted_ext.wire.names import ROOT, isBelow, labelCount, nameToText


def sent(text: str, known: int = 0) -> list[str]:
    """
    Return the names that are sent for a name if no zone is cut, the whole name last.
    """
    whole = name(text)
    minimizer = Minimizer(whole)
    found: list[str] = []
    while not found or found[-1] != nameToText(whole, final=False):
        following = minimizer.next(known)
        known = labelCount(following)
        found.append(nameToText(following, final=False))
    return found


class MinimizerTests(SynchronousTestCase):
    """
    Tests for L{Minimizer}.
    """

    def test_oneLabelMoreEachTime(self) -> None:
        """
        Each query has one label more than what is known.
        """
        self.assertEqual(sent("a.b.c.example"), ["example", "c.example", "b.c.example", "a.b.c.example"])
        self.assertEqual(sent("a.b.c.example", known=2), ["b.c.example", "a.b.c.example"])

    def test_childOfTheZone(self) -> None:
        """
        A name directly below the zone, its apex, and the root are sent whole.
        """
        for text, known in (("example", 0), ("www.example", 1), ("example", 1), (".", 0)):
            self.assertEqual(Minimizer(name(text)).next(known), name(text))

    def test_disabled(self) -> None:
        """
        The whole name is sent if minimization is off, from the beginning or later.
        """
        whole = name("a.b.c.example")
        self.assertEqual(Minimizer(whole, enabled=False).next(0), whole)
        minimizer = Minimizer(whole)
        minimizer.next(0)
        minimizer.enabled = False
        self.assertEqual(minimizer.next(1), whole)

    def test_longName(self) -> None:
        """
        A name of the maximum length takes a limited number of shortened queries; the first have one label more each (section 2.3).
        """
        found = sent(".".join(["x"] * 127))
        self.assertEqual(len(found), int(MINIMIZED_QUERIES.default))
        labels = [labelCount(name(each)) for each in found]
        single = int(MINIMIZED_LABELS.default)
        self.assertEqual(labels[:single], list(range(1, single + 1)))
        steps = [after - before for before, after in zip(labels[single:], labels[single + 1 :], strict=False)]
        self.assertLessEqual(max(steps) - min(steps), 1)


@given(st.lists(st.binary(min_size=1, max_size=8), max_size=25), st.integers(0, 25))
def test_anyName(labels: list[bytes], known: int) -> None:
    """
    Whatever the octets of a name and the zone, each name sent is above or at the name and longer than what is known, and the last is whole.
    """
    whole = (b"".join([bytes([len(label)]) + label for label in labels]) + ROOT).lower()
    minimizer = Minimizer(whole)
    known = min(known, len(labels))
    for _ in range(int(MINIMIZED_QUERIES.default) + 1):
        following = minimizer.next(known)
        assert isBelow(whole, following)
        if following == whole:
            return
        assert labelCount(following) > known
        known = labelCount(following)
    raise AssertionError("the whole name is never sent")
