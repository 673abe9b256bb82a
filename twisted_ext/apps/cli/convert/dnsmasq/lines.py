"""
Reads dnsmasq's files: one option on each line, with quotes, comments, and further files.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from glob import escape
from typing import Final, NamedTuple

from twisted_ext.apps.cli.convert.converted import Converted, Place
from twisted_ext.apps.cli.convert.included import Includes
from twisted_ext.errors import BadDescription

__all__ = ["Directive", "directives", "filesIn", "plain", "split"]

#: Characters that mean nothing in quotes. Until the value has been split, they are moved to a private range of Unicode.
_QUOTED: Final = {ord(character): 0xE000 + ord(character) for character in ",.:/#@"}

_PLAIN: Final = {hidden: character for character, hidden in _QUOTED.items()}

#: What a comment begins with.
_COMMENT: Final = re.compile(r"(?:^|(?<=\s))#")

_ESCAPES: Final = {"t": "\t", "n": "\n", "b": "\b", "r": "\r", "e": "\x1b", '"': '"', "\\": "\\"}


class Directive(NamedTuple):
    """
    One line.

    @ivar name: the option.
    @ivar value: the rest; L{None} without an equals sign. Quoted punctuation in it is hidden, until L{plain} shows it again.
    """

    name: str
    value: str | None
    place: Place


def plain(text: str) -> str:
    return text.translate(_PLAIN)


def split(value: str) -> list[str]:
    """
    Split a value at its commas.
    """
    return [part.strip() for part in value.split(",")]


def directives(text: str, path: str, includes: Includes, converted: Converted) -> Iterator[Directive]:
    """
    Iterate over the directives of a file, with those of included files in their place. A line that is not valid, and a file that cannot be
    read, are findings.
    """
    read = {os.path.realpath(path)}
    yield from _within(text, path, includes, converted, read, "")


def _within(text: str, path: str, includes: Includes, converted: Converted, read: set[str], option: str) -> Iterator[Directive]:
    """
    @param read: the files that have been read: dnsmasq reads each of them once.
    @param option: the option of every line, for a file that has only their values.
    """
    for number, whole in enumerate(text.split("\n"), 1):
        # As in dnsmasq, for which a NUL character ends the line.
        raw = whole.partition("\x00")[0]
        line = _unquoted(raw)
        if not line:
            if line is None:
                converted.wrong(Place(path, number, raw.strip()), "a quotation mark is missing")
            continue
        place = Place(path, number, plain(line))
        name, equals, value = line.partition("=")
        directive = Directive(name.strip(), value.strip() if equals else None, place)
        if option and directive.name not in ("server", "rev-server"):
            converted.wrong(place, "only server and rev-server are allowed in this file")
        elif directive.name == "conf-file" and directive.value:
            yield from _file(plain(directive.value), place, includes, converted, read, "")
        elif directive.name == "servers-file" and directive.value:
            yield from _file(plain(directive.value), place, includes, converted, read, "server")
        elif directive.name == "conf-dir" and directive.value:
            for each in _folder(directive, includes, converted):
                yield from _file(each, place, includes, converted, read, "")
        else:
            yield directive


def _unquoted(line: str) -> str | None:
    """
    Resolve quotes and escapes, and remove the comment; L{None} if a quotation mark is missing.
    """
    if '"' not in line:
        # The common case: a list of blocked names has a hundred thousand lines.
        comment = _COMMENT.search(line)
        return line[: comment.start()].strip() if comment is not None else line.strip()
    found: list[str] = []
    position = 0
    while position < len(line):
        character = line[position]
        position += 1
        if character == '"':
            while True:
                if position >= len(line):
                    return None
                character = line[position]
                position += 1
                if character == '"':
                    break
                if character == "\\" and line[position : position + 1] in _ESCAPES:
                    character = _ESCAPES[line[position]]
                    position += 1
                found.append(character.translate(_QUOTED))
        elif character == "#" and (not found or found[-1].isspace()):
            break
        else:
            found.append(character)
    return "".join(found).strip()


def _file(
    path: str, place: Place, includes: Includes, converted: Converted, read: set[str], option: str
) -> Iterator[Directive]:
    real = os.path.realpath(includes.pathOf(path))
    if real in read:
        return
    read.add(real)
    try:
        with includes.including(path) as text:
            yield from _within(text, includes.pathOf(path), includes, converted, read, option)
    except BadDescription as fault:
        converted.wrong(place, str(fault))


def _folder(directive: Directive, includes: Includes, converted: Converted) -> list[str]:
    folder, *endings = split(plain(directive.value or ""))
    wanted = tuple([ending[1:] for ending in endings if ending.startswith("*")])
    unwanted = tuple([ending for ending in endings if ending and not ending.startswith("*")])
    found = []
    for path in filesIn(folder, directive.place, includes, converted):
        name = os.path.basename(path)
        if not (unwanted and name.endswith(unwanted)) and not (wanted and not name.endswith(wanted)):
            found.append(path)
    return found


def filesIn(folder: str, place: Place, includes: Includes, converted: Converted) -> list[str]:
    """
    Return the files of a folder that dnsmasq reads: neither hidden ones nor those that editors leave behind.
    """
    pattern = f"{escape(includes.pathOf(folder))}/"
    try:
        if not includes.matching(pattern):
            converted.wrong(place, f"{folder}: this folder does not exist; copy it to this machine, or convert where dnsmasq runs")
            return []
        folders = {path.rstrip("/") for path in includes.matching(f"{pattern}*/")}
        found = [path for path in includes.matching(f"{pattern}*") if path not in folders]
    except BadDescription as fault:
        converted.wrong(place, str(fault))
        return []
    return [path for path in found if not path.endswith("~") and not os.path.basename(path).startswith((".", "#"))]
