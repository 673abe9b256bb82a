"""
Tests of the project's prose: words that mark sentences which are hard to read stay out.
"""

from __future__ import annotations

import io
import re
import tokenize
from collections.abc import Iterator
from typing import Final

import pytest

from tests.test_architecture import MODULES, ROOT

__all__: list[str] = []

#: Words in place of an actor that should be named: client, operator, caller, upstream, peer, the kernel.
#: Names such as nobody.invalid are not meant.
_UNNAMED: Final = re.compile(r"\b(?:whoever|whomever|nobody|somebody)\b(?!\.\w)", re.IGNORECASE)

#: The total number of places where one of them is the right word.
_MOST_UNNAMED: Final = 40

#: C{X is no Y} in place of C{X is not a valid Y}. "There is no Y" is permitted.
_IS_NO: Final = re.compile(r"(?<!there)(?<!There) (?:is|are) no [a-zA-Z]")

#: The form of a commit's subject.
_SUBJECT: Final = re.compile(r"entry: '(.+)'\n\s+args: \[--multiline, --negate\]")


def texts(source: str) -> Iterator[tuple[int, str]]:
    """
    Yield the string literals of a module that are not docstrings, with their lines.
    """
    begins = (tokenize.INDENT, tokenize.DEDENT, tokenize.NEWLINE, tokenize.NL)
    before = tokenize.INDENT
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.STRING and before not in begins:
            yield token.start[0], token.string
        before = token.type


def unnamed(text: str) -> list[str]:
    """
    Return the words in a text that stand for an actor without naming it.
    """
    return _UNNAMED.findall(text)


def test_actorsAreNamed() -> None:
    """
    Package, documentation and README name the actors.
    """
    pages = [ROOT / "README.rst", *(ROOT / "docs").rglob("*.rst")]
    found = {
        str(path.relative_to(ROOT)): len(words)
        for path in [*MODULES.values(), *pages]
        if "_build" not in path.parts and (words := unnamed(path.read_text("utf-8")))
    }
    assert sum(found.values()) <= _MOST_UNNAMED, found


def test_errorsSayWhatIsRight() -> None:
    """
    No error reads "X is no Y".
    """
    found = [
        f"{module}:{line}: {text}"
        for module, path in MODULES.items()
        for line, text in texts(path.read_text("utf-8"))
        if _IS_NO.search(text)
    ]
    assert found == []


@pytest.mark.parametrize(("text", "found"), [("Nobody knows whoever it was", 2), ("the kernel drops it", 0), ("nobodys", 0)])
def test_unnamedActorsAreFound(text: str, found: int) -> None:
    """
    The words are found in any letter case, and no others are.
    """
    assert len(unnamed(text)) == found


def test_onlyErrorTextsAreChecked() -> None:
    """
    The rule checks string literals, not docstrings and comments, and permits "there is no".
    """
    source = 'def f():\n    """\n    It is no text.\n    """\n    raise E(f"{x} is no port", "there is no port")  # it is no port\n'
    assert [text for _, text in texts(source) if _IS_NO.search(text)] == ['f"{x} is no port"']


@pytest.mark.parametrize(
    ("message", "good"),
    [
        ("zone: read $INCLUDE of a folder\n\nIt was taken for a file.\n", True),
        ("server, docs: rename a setting\n", True),
        ("Merge branch\n", False),
        ("zone: \n", False),
        ("zone: " + "x" * 70 + "\n", False),
    ],
)
def test_commitSubjectFormat(message: str, good: bool) -> None:
    """
    The hook accepts subjects of the form "area: what changes" with at most 72 characters.
    """
    entry = _SUBJECT.search((ROOT / ".pre-commit-config.yaml").read_text("utf-8"))
    assert entry is not None
    # The same as pre-commit's own pygrep with --multiline.
    assert bool(re.compile(entry[1], re.MULTILINE | re.DOTALL).search(message)) == good
