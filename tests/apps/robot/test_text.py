"""
Tests of what the robot says.
"""

from __future__ import annotations

from typing import Final

import pytest

from twisted_ext.apps.robot import limits, text
from twisted_ext.apps.robot.text import Line, Said, Span, Style, bad, bold, clean, line, linesOf
from twisted_ext.limits import Limit

__all__: list[str] = []

#: What a hostile line may hold, and what is shown for it.
HOSTILE: Final = {
    "CRLF": ("a\x00b", "a\\x00b"),
    "IRC color and bold": ("\x0304red\x02", "\\x0304red\\x02"),
    "CTCP": ("\x01VERSION\x01", "\\x01VERSION\\x01"),
    "escape sequence": ("\x1b]0;title\x07", "\\x1b]0;title\\x07"),
    "C1 control": ("\x9b31m", "\\x9b31m"),
    "change of direction": ("a\u202eb\u2066c", "a\\u202eb\\u2066c"),
    "line separators": ("a\u2028b\u2029c", "a\\u2028b\\u2029c"),
    "a half of a pair": ("a\ud800b", "a\\ud800b"),
}


@pytest.mark.parametrize(("hostile", "shown"), HOSTILE.values(), ids=HOSTILE)
def test_hostileCharactersAreEscaped(hostile: str, shown: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    Characters that a terminal, an IRC client or a browser acts on are shown as escapes, in every form of a reply.
    """
    for said in (hostile, [hostile], bold(hostile), line("", bold(hostile)), [line(hostile)]):
        assert [str(each) for each in linesOf(said)] == [shown]
    monkeypatch.setattr(text, "clean", lambda given: given)
    assert [str(each) for each in linesOf(hostile)] == [hostile]


@pytest.mark.parametrize("said", ["a\nb", "a\r\nb", "a\rb"])
def test_lineEndsDivideText(said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    A text becomes one line for each of its lines. No line end reaches a front, where it would begin a command of its own.
    """
    assert [str(each) for each in linesOf(said)] == ["a", "b"]
    assert [str(each) for each in linesOf([bold(said)])] == [clean(said)]
    assert not {"\r", "\n"}.intersection("".join(map(str, linesOf(line(said, said)))))
    monkeypatch.setattr(text, "clean", lambda given: given)
    assert {"\r", "\n"}.intersection(str(linesOf(bold(said))[0]))


def test_ordinaryTextStays() -> None:
    """
    Letters of all scripts, emoji and format strings are shown as they are.
    """
    said = "grüße, мир, 你好, 👩‍💻 {robot.settings} %s %n \\x41"
    assert [str(each) for each in linesOf(said)] == [said]


def test_stylesStay() -> None:
    """
    The spans of a line keep their styles.
    """
    assert linesOf(line("a ", bold("b"), bad("c"))) == [(Span("a "), Span("b", Style.BOLD), Span("c", Style.BAD))]
    assert linesOf(None) == [] == linesOf("")
    assert isinstance(linesOf("a")[0], Line)


def test_longLineIsCut(monkeypatch: pytest.MonkeyPatch) -> None:
    """
    A word of 10 kB is cut, whether it is one text or many.
    """
    most = int(limits.LINE_CHARACTERS.default)
    for said in ("x" * 10_000, line(*["xy" * 100] * 50), line("x" * most, "y", bold("z" * 10_000)), "\x00" * 10_000):
        (shown,) = linesOf(said)
        assert len(str(shown)) == most + 1
        assert str(shown).endswith("…")
    assert linesOf("x" * most) == [line("x" * most)]
    monkeypatch.setattr(text, "LINE_CHARACTERS", Limit(default=100_000, least=1, most=100_000))
    assert len(str(linesOf("x" * 10_000)[0])) == 10_000


def test_furtherLinesAreDropped() -> None:
    """
    A reply has a greatest number of lines.
    """
    assert len(linesOf("a\n" * 10_000)) == len(linesOf(["a"] * 10_000)) == limits.SAID_LINES.default


@pytest.mark.parametrize("said", [5, {"a": 1}, (each for each in "ab"), b"octets", object()])
def test_otherObjectsAreRefused(said: Said) -> None:
    """
    A generator could run without end, and other objects are mistakes: the error says what can be said.
    """
    with pytest.raises(TypeError, match="a plugin says a .*; it takes text, lines, a list of them, or None"):
        linesOf(said)
