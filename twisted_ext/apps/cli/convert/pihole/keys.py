"""
The keys of Pi-hole's C{pihole.toml}, with their values and the lines that they are in. Pi-hole writes the file itself, with all keys, and
marks what differs from its default.
"""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass, field
from typing import Final

from twisted_ext.apps.cli.convert.converted import Place
from twisted_ext.errors import BadDescription

__all__ = ["Key", "keysIn"]

_SECTION: Final = re.compile(r"\s*\[([\w.]+)\]\s*(?:#.*)?")
_ASSIGNMENT: Final = re.compile(r"\s*(\w+)\s*=\s*(.*)")
_TEXT: Final = re.compile(r'"(?:[^"\\]|\\.)*"')

#: What Pi-hole writes behind a value that is not the default.
_CHANGED: Final = "### CHANGED"


@dataclass(slots=True, eq=False)
class Key:
    """
    A key with its value.

    @ivar name: with those of its tables: C{dns.upstreams}.
    @ivar line: the line that it begins in.
    @ivar isChanged: whether it is marked as not the default.
    @ivar lines: of an array, the line of each text in it.
    """

    name: str
    path: str
    line: int
    value: object = None
    isChanged: bool = False
    lines: list[int] = field(default_factory=list)

    @property
    def place(self) -> Place:
        return Place(self.path, self.line, self.name)

    def texts(self) -> list[tuple[str, int]]:
        """
        Return the texts of an array, or the text, each with its line; none if it has none.
        """
        values = self.value if isinstance(self.value, list) else [self.value]
        texts = [each for each in values if isinstance(each, str) and each]
        lines = self.lines if len(self.lines) == len(values) else [self.line] * len(values)
        return list(zip(texts, lines, strict=False))


def keysIn(text: str, path: str) -> dict[str, Key]:
    """
    Read a file.

    @raise BadDescription: it is not TOML.
    """
    try:
        table = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise BadDescription(f"{path}: {error}") from None
    found: dict[str, Key] = {}
    section = ""
    last: Key | None = None
    for number, line in enumerate(text.splitlines(), 1):
        if line.lstrip().startswith("#"):
            continue
        if (matched := _SECTION.fullmatch(line)) is not None:
            section, last = matched[1], None
            continue
        rest = line
        if (matched := _ASSIGNMENT.match(line)) is not None and not line.lstrip().startswith('"'):
            name = f"{section}.{matched[1]}" if section else matched[1]
            last = found.setdefault(name, Key(name, path, number))
            rest = matched[2]
        if last is not None:
            value, mark, _ = rest.partition(_CHANGED)
            last.isChanged = last.isChanged or bool(mark)
            last.lines += [number] * len(_TEXT.findall(value))
    for key in found.values():
        key.value = _valueAt(table, key.name)
    return found


def _valueAt(table: object, name: str) -> object:
    for part in name.split("."):
        table = table.get(part) if isinstance(table, dict) else None
    return table
