"""
The syntax of C{unbound.conf}: sections such as C{server:}, and in them options such as C{port: 53}. Line ends mean nothing.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Final

from twisted_ext.apps.cli.convert.converted import Converted, Place
from twisted_ext.apps.cli.convert.included import Includes
from twisted_ext.apps.cli.convert.words import Word, bounded
from twisted_ext.errors import BadDescription

__all__ = ["SECTIONS", "Option", "Section", "parsed"]

#: Words that begin a section. The others take a value.
SECTIONS: Final = frozenset(
    "server stub-zone forward-zone auth-zone view remote-control python dynlib dnscrypt cachedb ipset rpz dnstap".split()
)

#: A word, a quoted text, or what is skipped. A number sign begins a comment only at the beginning of a word.
_WORD: Final = re.compile(r"""\s+|\#[^\n]*|"([^"\n]*)"|'([^'\n]*)'|([^\s"']+|["'])""")

#: The name of an option or a section, with the beginning of its value if no space is between.
_NAME: Final = re.compile(r"([a-z][a-z0-9-]*):(.*)", re.DOTALL)

#: What makes the path of an include a pattern.
_PATTERN: Final = re.compile(r"[*?\[{~]")

#: Characters of a value in messages.
_SHOWN: Final = 80


@dataclass(slots=True)
class Option:
    """
    @ivar name: without its colon.
    """

    name: str
    values: list[str]
    place: Place

    @property
    def value(self) -> str:
        return self.values[0] if self.values else ""

    @property
    def text(self) -> str:
        """
        All values: those of C{local-data} can be written without quotes.
        """
        return " ".join(self.values)


@dataclass(slots=True)
class Section:
    name: str
    place: Place
    options: list[Option] = field(default_factory=list)

    def values(self, name: str) -> list[str]:
        return [option.value for option in self.options if option.name == name]

    def last(self, name: str, default: str = "") -> str:
        found = self.values(name)
        return found[-1] if found else default

    def flag(self, name: str) -> bool:
        return self.last(name) == "yes"


def parsed(text: str, path: str, includes: Includes, converted: Converted, known: Callable[[str], bool]) -> list[Section]:
    """
    @param known: returns whether Unbound has an option of this name.
    """
    return _Parser(includes, converted, known).parsed(text, path)


def _words(text: str, file: str) -> Iterator[Word]:
    line = 1
    for found in _WORD.finditer(text):
        quoted = found[1] if found[1] is not None else found[2]
        if quoted is not None:
            yield Word(quoted, file, line, isQuoted=True)
        elif found[3] is not None:
            yield Word(found[3], file, line)
        line += found[0].count("\n")


class _Parser:
    def __init__(self, includes: Includes, converted: Converted, known: Callable[[str], bool]) -> None:
        self._includes = includes
        self._converted = converted
        self._known = known
        self._sections: list[Section] = []
        #: The section that options belong to; L{None} before the first.
        self._section: Section | None = None

    def parsed(self, text: str, path: str) -> list[Section]:
        self._read(text, path)
        return self._sections

    def _read(self, text: str, path: str) -> None:
        option: Option | None = None
        for word in bounded(_words(text, path)):
            name, rest = self._nameIn(word, option)
            if not name:
                if option is None:
                    place = Place(path, word.line, word.text[:_SHOWN])
                    self._converted.wrong(place, "this is not the name of an option, which ends with a colon")
                else:
                    option.values.append(word.text)
                continue
            self._finish(option)
            option = None
            place = Place(path, word.line, f"{name}:")
            if name in SECTIONS and not rest:
                self._section = Section(name, Place(path, word.line, name))
                self._sections.append(self._section)
            else:
                option = Option(name, [rest] if rest else [], place)
        self._finish(option)

    def _nameIn(self, word: Word, option: Option | None) -> tuple[str, str]:
        """
        Return the name of an option, and the part of its value that follows without a space; C{""} and C{""} for a value.
        """
        found = None if word.isQuoted else _NAME.fullmatch(word.text)
        if found is None:
            return "", ""
        name, rest = found.groups()
        known = name in SECTIONS or name in ("include", "include-toplevel") or self._known(name)
        # Addresses and unknown options have colons as well.
        if option is not None and not option.values:
            return (name, rest) if known and not rest else ("", "")
        return (name, rest) if known or not rest else ("", "")

    def _finish(self, option: Option | None) -> None:
        if option is None:
            return
        file, line, said = option.place
        option.place = place = Place(file, line, f"{said} {option.text}"[: 2 * _SHOWN].rstrip())
        if option.name in ("include", "include-toplevel"):
            if option.name == "include-toplevel":
                self._section = None
            self._include(option)
        elif self._section is None:
            self._converted.wrong(place, "this option is in no section", "write server: before it")
        else:
            if option.name == "directory" and option.value:
                # It applies to the files that are included after it.
                self._includes.folder = self._includes.pathOf(option.value)
            self._section.options.append(option)

    def _include(self, option: Option) -> None:
        try:
            pattern = option.value
            paths = self._includes.matching(pattern) if _PATTERN.search(pattern) else [pattern]
            for path in paths:
                with self._includes.including(path) as text:
                    self._read(text, self._includes.pathOf(path))
        except BadDescription as fault:
            self._converted.wrong(option.place, str(fault))
