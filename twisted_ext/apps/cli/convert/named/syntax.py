"""
The syntax of C{named.conf}: statements of words and blocks in braces, each with a semicolon after it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from twisted_ext.apps.cli.convert.converted import Converted, Place
from twisted_ext.apps.cli.convert.included import Includes
from twisted_ext.apps.cli.convert.limits import BLOCK_DEPTH
from twisted_ext.apps.cli.convert.words import Word, bounded
from twisted_ext.errors import BadDescription

__all__ = ["Statement", "parsed"]

#: A quoted text, punctuation, a word, or a comment.
_WORD: Final = re.compile(
    r'\s+|#[^\n]*|//[^\n]*|/\*.*?(?:\*/|\Z)|"([^"\\\n]*(?:\\.[^"\\\n]*)*)"|([{};!])|((?:(?!/[/*])[^\s{};!"#])+|")', re.DOTALL
)

_ESCAPE: Final = re.compile(r"\\(.)", re.DOTALL)

_PATTERN: Final = re.compile(r"[*?\[]")

#: Characters of a statement in messages.
_SHOWN: Final = 120


@dataclass(slots=True)
class Statement:
    """
    Words, and possibly a block, and words after it.

    @ivar words: the words before the block.
    @ivar block: the statements of the block, L{None} without one.
    @ivar after: further words, and blocks, such as those of C{except-from}.
    """

    place: Place
    words: list[str] = field(default_factory=list)
    block: list[Statement] | None = None
    after: list[str | list[Statement]] = field(default_factory=list)

    @property
    def name(self) -> str:
        return self.words[0].lower() if self.words else ""

    @property
    def value(self) -> str:
        """
        The first word after the name, C{""} without one.
        """
        return self.words[1] if len(self.words) > 1 else ""

    @property
    def inside(self) -> list[Statement]:
        return self.block or []

    def wordAfter(self, name: str) -> str:
        """
        Return the word after another one, such as the port in C{listen-on port 53}; C{""} if it is missing.
        """
        for before, word in zip(self.words, self.words[1:], strict=False):
            if before.lower() == name:
                return word
        return ""


def parsed(text: str, path: str, includes: Includes, converted: Converted) -> list[Statement]:
    """
    Parse a configuration. What is wrong in it becomes a finding.
    """
    return _Parser(includes, converted).parsed(text, path, 0)


def _words(text: str, file: str) -> Iterator[Word]:
    line = 1
    for found in _WORD.finditer(text):
        quoted, mark, word = found.groups()
        if quoted is not None:
            yield Word(_ESCAPE.sub(r"\1", quoted), file, line, isQuoted=True)
        elif mark or word:
            yield Word(mark or word, file, line)
        line += found[0].count("\n")


class _Parser:
    def __init__(self, includes: Includes, converted: Converted) -> None:
        self._includes = includes
        self._converted = converted
        self._deepest = int(BLOCK_DEPTH.default)

    def parsed(self, text: str, path: str, depth: int) -> list[Statement]:
        return self._statements(bounded(_words(text, path)), path, depth)

    def _statements(self, words: Iterator[Word], path: str, depth: int, opened: Word | None = None) -> list[Statement]:
        """
        Read statements until the brace that closes their block, or the end of the file.
        """
        if depth > self._deepest:
            raise BadDescription(f"{path}: blocks are nested more than {self._deepest} deep")
        found: list[Statement] = []
        now: Statement | None = None
        for word in words:
            if word.isMark("}"):
                if now is not None:
                    self._converted.wrong(now.place, "a semicolon is missing after this")
                    self._finish(now, found, depth)
                if opened is None:
                    self._converted.wrong(Place(path, word.line, "}"), "this brace closes nothing")
                    now = None
                    continue
                return found
            if word.isMark(";"):
                if now is not None:
                    self._finish(now, found, depth)
                now = None
                continue
            if now is None:
                now = Statement(Place(path, word.line, ""))
            if word.text == '"' and not word.isQuoted:
                self._converted.wrong(Place(path, word.line, " ".join([*now.words, '"'])), "the quote is not closed on its line")
            if word.isMark("{"):
                block = self._statements(words, path, depth + 1, word)
                if now.block is None:
                    now.block = block
                else:
                    now.after.append(block)
            elif now.block is None:
                now.words.append(word.text)
            else:
                now.after.append(word.text)
        if now is not None:
            self._converted.wrong(self._placed(now).place, "a semicolon is missing after this")
            self._finish(now, found, depth)
        if opened is not None:
            self._converted.wrong(Place(path, opened.line, "{"), "the brace that closes this block is missing")
        return found

    @staticmethod
    def _placed(statement: Statement) -> Statement:
        file, line, _ = statement.place
        said = " ".join(statement.words)
        if statement.block is not None:
            inner = " ".join([f"{' '.join(each.words)};" for each in statement.block[:5]])
            said += f" {{ {inner}{' ...' if len(statement.block) > 5 else ''} }}"
        statement.place = Place(file, line, said[:_SHOWN])
        return statement

    def _finish(self, statement: Statement, found: list[Statement], depth: int) -> None:
        self._placed(statement)
        if statement.name != "include" or statement.block is not None:
            found.append(statement)
            return
        pattern = statement.value
        try:
            for path in self._includes.matching(pattern) if _PATTERN.search(pattern) else [pattern]:
                with self._includes.including(path) as text:
                    found += self.parsed(text, self._includes.pathOf(path), depth)
        except BadDescription as fault:
            self._converted.wrong(statement.place, str(fault))
