"""
Tests of L{twisted_ext.apps.robot.fronts.ircprotocol}.
"""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from twisted_ext.apps.robot.fronts.ircprotocol import piecesOf, withoutFormats
from twisted_ext.apps.robot.text import bad, bold, line, linesOf

__all__: list[str] = []


class PiecesTests(SynchronousTestCase):
    """
    Tests of L{piecesOf}.
    """

    def test_colors(self) -> None:
        """
        Styles become colors that end with their span. A comma behind a color is not taken for the start of a second one.
        """
        said = line("a ", bold("b"), " c ", bad(",5"))
        self.assertEqual(list(piecesOf(said, 100, True)), ["a \x02b\x0f c \x0304\x02\x02,5\x0f"])
        self.assertEqual(list(piecesOf(said, 100, False)), ["a b c ,5"])

    def test_splitsBetweenWords(self) -> None:
        """
        A line is split between words, and a style goes on in the next piece.
        """
        self.assertEqual(list(piecesOf(line(bold("one two three")), 16, True)), ["\x02one two\x0f", "\x02three\x0f"])

    def test_blank(self) -> None:
        """
        A line of spaces is not sent: servers refuse it.
        """
        self.assertEqual(list(piecesOf(line("  "), 100, False)), [])

    @given(st.lists(st.tuples(st.text(), st.booleans())), st.booleans())
    def test_room(self, parts: list[tuple[str, bool]], colors: bool) -> None:
        """
        No piece is larger than its room, and all characters but spaces are there, in order.
        """
        for said in linesOf(line(*[bold(text) if styled else text for text, styled in parts])):
            pieces = list(piecesOf(said, 40, colors))
            self.assertLessEqual(max([len(piece.encode()) for piece in pieces], default=0), 40)
            self.assertEqual("".join(withoutFormats("".join(pieces)).split()), "".join(str(said).split()))
