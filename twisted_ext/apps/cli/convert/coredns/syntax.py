"""
The syntax of a C{Corefile}: blocks of servers with their zones, and in each a plugin on each line.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from twisted_ext.apps.cli.convert.converted import Converted, Place
from twisted_ext.apps.cli.convert.included import Includes
from twisted_ext.apps.cli.convert.limits import BLOCK_DEPTH, SNIPPETS
from twisted_ext.apps.cli.convert.words import Word, bounded, numberFrom
from twisted_ext.errors import BadDescription

__all__ = ["Directive", "Server", "parsed"]

#: A quoted text, a comment, or a word.
_WORD: Final = re.compile(r'\s+|#[^\n]*|"((?:[^"\\]|\\.)*)"?|([^\s"][^\s]*)')

_VARIABLE: Final = re.compile(r"\{\$(\w+)\}|\{%(\w+)%\}")
_ARGUMENT: Final = re.compile(r"\{args\[([0-9]+)\]\}")
_PATTERN: Final = re.compile(r"[*?\[]")

#: Characters of a directive in messages.
_SHOWN: Final = 120


@dataclass(slots=True)
class Directive:
    """
    A plugin in a server's block, or an option in a plugin's block.
    """

    words: list[str]
    place: Place
    block: list[Directive] = field(default_factory=list)

    @property
    def name(self) -> str:
        return self.words[0]

    @property
    def values(self) -> list[str]:
        return self.words[1:]

    def find(self, name: str) -> Directive | None:
        return next((each for each in self.block if each.name == name), None)


@dataclass(slots=True)
class Server:
    """
    @ivar keys: zones with their schemes and ports.
    """

    keys: list[str]
    place: Place
    directives: list[Directive] = field(default_factory=list)


def parsed(
    text: str, path: str, includes: Includes, converted: Converted, environment: Mapping[str, str] = os.environ
) -> list[Server]:
    """
    @param environment: the variables that the text can refer to.
    """
    return _Parser(includes, converted, environment).servers(text, path)


def _words(text: str, file: str) -> Iterator[Word]:
    line = 1
    for found in _WORD.finditer(text):
        if found[1] is not None:
            yield Word(found[1].replace('\\"', '"'), file, line, isQuoted=True)
        elif found[2] is not None:
            yield Word(found[2], file, line)
        line += found[0].count("\n")


def _lines(words: Iterator[Word]) -> Iterator[list[Word]]:
    """
    Group words by line; a closing brace is a line of its own.
    """
    line: list[Word] = []
    for word in words:
        if line and (word.line != line[0].line or word.file != line[0].file or word.isMark("}") or line[-1].isMark("}")):
            yield line
            line = []
        line.append(word)
    if line:
        yield line


class _Parser:
    def __init__(self, includes: Includes, converted: Converted, environment: Mapping[str, str]) -> None:
        self._includes = includes
        self._converted = converted
        self._environment = environment
        self._snippets: dict[str, list[Directive]] = {}
        self._used: set[str] = set()
        self._deepest = int(BLOCK_DEPTH.default)
        self._left = int(SNIPPETS.default)

    def servers(self, text: str, path: str) -> list[Server]:
        found: list[Server] = []
        keys: list[str] = []
        place: Place | None = None
        lines = _lines(bounded(_words(text, path)))
        for line in lines:
            words = [self._expanded(word) for word in line]
            place = place or Place(path, line[0].line, " ".join(words)[:_SHOWN])
            if words[0] == "import" and not keys:
                found += self._importedServers(words, place)
                place = None
                continue
            if line[0].isMark("}"):
                self._converted.wrong(Place(path, line[0].line, "}"), "this brace closes nothing")
                place = None
                continue
            opened = line[-1].isMark("{")
            keys += [key for word in (words[:-1] if opened else words) for key in word.split(",") if key]
            if opened:
                block = self._block(lines, path, line[-1], 1)
                if len(keys) == 1 and keys[0].startswith("(") and keys[0].endswith(")"):
                    self._snippets[keys[0][1:-1]] = block
                else:
                    found.append(Server(keys, place, block))
            elif words[-1].endswith(","):
                continue
            else:
                # A file of one server may have no braces: all that follows are its plugins.
                found.append(Server(keys, place, self._block(lines, path, None, 1)))
            keys, place = [], None
        return found

    def _importedServers(self, words: list[str], place: Place) -> list[Server]:
        found: list[Server] = []
        try:
            for path in self._paths(words[1] if len(words) > 1 else ""):
                with self._includes.including(path) as text:
                    found += self.servers(text, self._includes.pathOf(path))
        except BadDescription as fault:
            self._converted.wrong(place, str(fault))
        return found

    def _paths(self, pattern: str) -> list[str]:
        return self._includes.matching(pattern) if _PATTERN.search(pattern) else [pattern]

    def _block(self, lines: Iterator[list[Word]], path: str, opened: Word | None, depth: int) -> list[Directive]:
        if depth > self._deepest:
            raise BadDescription(f"{path}: blocks are nested more than {self._deepest} deep")
        found: list[Directive] = []
        for line in lines:
            if line[0].isMark("}"):
                if opened is None:
                    self._converted.wrong(Place(path, line[0].line, "}"), "this brace closes nothing")
                    continue
                return found
            opens = line[-1].isMark("{")
            words = [self._expanded(word) for word in (line[:-1] if opens else line)]
            place = Place(path, line[0].line, " ".join(words)[:_SHOWN])
            block = self._block(lines, path, line[-1], depth + 1) if opens else []
            if not words:
                self._converted.wrong(place, "a name is missing before this brace")
            elif words[0] == "import" and len(words) > 1:
                found += self._imported(words, place, depth)
            else:
                found.append(Directive(words, place, block))
        if opened is not None:
            self._converted.wrong(Place(path, opened.line, "{"), "the brace that closes this block is missing")
        return found

    def _imported(self, words: list[str], place: Place, depth: int) -> list[Directive]:
        snippet = self._snippets.get(words[1])
        if snippet is not None:
            return self._copied(snippet, words[2:], place, depth)
        found: list[Directive] = []
        try:
            for path in self._paths(words[1]):
                with self._includes.including(path) as text:
                    inner = _lines(bounded(_words(text, self._includes.pathOf(path))))
                    found += self._block(inner, self._includes.pathOf(path), None, depth)
        except BadDescription as fault:
            self._converted.wrong(place, f"neither a snippet nor a file of this name was found: {fault}")
        return found

    def _copied(self, snippet: list[Directive], arguments: list[str], place: Place, depth: int) -> list[Directive]:
        """
        Return the directives of a snippet with these arguments. Those of snippets that import others may double with each of them.
        """
        count, deepest = _sizeOf(snippet)
        if depth + deepest > self._deepest:
            self._converted.wrong(place, f"with this snippet, blocks are nested more than {self._deepest} deep")
            return []
        if count > self._left:
            self._converted.wrong(place, f"snippets make more than {int(SNIPPETS.default)} directives")
            return []
        self._left -= count
        return [_filled(each, arguments) for each in snippet]

    def _expanded(self, word: Word) -> str:
        """
        Put the values of variables into a word.
        """

        def value(found: re.Match[str]) -> str:
            name = found[1] or found[2]
            said = self._environment.get(name)
            if name not in self._used:
                self._used.add(name)
                place = Place(word.file, word.line, word.text)
                if said is None:
                    self._converted.wrong(place, f"the variable {name} is not set here", "set it, and convert again")
                else:
                    self._converted.note(place, f"the present value of the variable {name} is used")
            return said or ""

        return _VARIABLE.sub(value, word.text)


def _sizeOf(block: list[Directive]) -> tuple[int, int]:
    """
    Return how many directives a block has, those in inner blocks among them, and how many blocks are nested in it.
    """
    inner = [_sizeOf(each.block) for each in block if each.block]
    return len(block) + sum([count for count, _ in inner]), max([1 + depth for _, depth in inner], default=0)


def _filled(directive: Directive, arguments: list[str]) -> Directive:
    """
    Put the arguments of an import into a part of a snippet.
    """

    def value(found: re.Match[str]) -> str:
        index = numberFrom(found[1])
        return arguments[index] if index is not None and index < len(arguments) else ""

    words = [_ARGUMENT.sub(value, word) for word in directive.words]
    return Directive(words, directive.place, [_filled(each, arguments) for each in directive.block])
