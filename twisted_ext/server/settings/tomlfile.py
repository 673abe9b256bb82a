"""
Reads settings from a TOML file and reports all faults with their line numbers.
"""

from __future__ import annotations

import os
import re
from operator import itemgetter
from typing import TYPE_CHECKING, Final

from twisted_ext.errors import BadDescription
from twisted_ext.resolver.local.localanswers import Complaints, FollowedFile
from twisted_ext.server.config import types
from twisted_ext.server.config.setting import DECLARED
from twisted_ext.server.config.settings import Origin
from twisted_ext.server.limits import LOADING_COMPLAINTS
from twisted_ext.server.settings.plugged import allSettings

if TYPE_CHECKING:
    from twisted_ext.server.config.setting import Setting
    from twisted_ext.server.config.types import Value

__all__ = ["documentIn", "readFile", "readSettings", "textOf", "valuesFromTOML"]

#: Octets of a settings file, which may have a table for each of a hundred thousand zones.
_SETTINGS_OCTETS: Final = 64 << 20

#: Line and column in the error messages of Python's TOML parser.
_PLACE: Final = re.compile(r" \(at (?:line (\d+), column (\d+)|end of document)\)$")


def readSettings(path: str, zoneDirectory: str = "") -> dict[str, Value]:
    """
    Read and check a settings file.

    @param zoneDirectory: overrides that of the file.

    @return: values by setting name.

    @raise BadDescription: one line for each fault: file, line, key, and what would be valid.
    """
    return readFile(path, zoneDirectory)[0]


def readFile(path: str, zoneDirectory: str = "") -> tuple[dict[str, Value], Origin]:
    """
    Read and check a settings file as L{readSettings} does, and return also what it was.
    """
    text = textOf(path)
    return valuesFromTOML(text, path, zoneDirectory), Origin.of(path, text)


def textOf(path: str) -> str:
    """
    Read a settings file.

    @raise BadDescription: it cannot be read, is too long, or is not valid UTF-8.
    """
    complaints = Complaints()
    data = FollowedFile(path).read(_SETTINGS_OCTETS, complaints)
    if data is None or complaints.count:
        raise BadDescription(f"{path}: {complaints}")
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise BadDescription(f"{path}:{line}: this is not valid UTF-8") from None


def valuesFromTOML(text: str, path: str, zoneDirectory: str = "") -> dict[str, Value]:
    """
    Check the text of a settings file, as L{readSettings} does.

    @param path: the file's path: named in errors, and its folder is the base of relative paths.
    """
    document = documentIn(text, path)
    folder = os.path.dirname(os.path.abspath(path))
    base = zoneDirectory or document.get("zone-directory")
    zoneFolder = os.path.join(folder, base) if isinstance(base, str) else folder
    values: dict[str, Value] = {}
    wrong: list[tuple[int, str]] = []
    for key, value in document.items():
        setting = DECLARED.named(key)
        if setting is None:
            wrong.append((_lineOf(text, key), f"{key}: there is no such setting{_meant(key)}"))
            continue
        if isinstance(setting.kind, types.Table) and isinstance(value, list):
            values[key] = _tables(setting, value, text, zoneFolder if key == "zone" else folder, wrong)
            continue
        try:
            values[key] = setting.fromTOML(value, zoneFolder if key == "zone" else folder)
        except BadDescription as fault:
            tables = isinstance(value, dict) or (isinstance(value, list) and any(isinstance(each, dict) for each in value))
            if isinstance(setting.kind, types.Table) and tables:
                wrong += [(_lineOf(text, key), said) for said in str(fault).splitlines()]
            else:
                single = DECLARED.named(key.removesuffix("s"))
                headed = tables and single is not None and isinstance(single.kind, types.Table)
                hint = f"; tables of {key} are headed [[{key.removesuffix('s')}]]" if headed else ""
                wrong.append((_lineOf(text, key), f"{key} {fault}{hint}"))
    if wrong:
        raise BadDescription("\n".join([f"{path}:{line}: {said}" for line, said in sorted(wrong, key=itemgetter(0))]))
    return values


def documentIn(text: str, path: str) -> dict[str, object]:
    """
    Parse the text of a settings file.

    @raise BadDescription: it is not valid TOML.
    """
    import tomllib

    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        said = str(error)
        place = _PLACE.search(said)
        line = int(place[1]) if place and place[1] else text.count("\n") + 1
        column = f":{place[2]}" if place and place[2] else ""
        raise BadDescription(f"{path}:{line}{column}: this is not valid TOML: {_PLACE.sub('', said)}") from None


def _tables(setting: Setting, tables: list[object], text: str, folder: str, wrong: list[tuple[int, str]]) -> tuple[str, ...]:
    """
    Read tables in an array, such as C{[[zone]]}.

    @param wrong: faults are appended here, with the line number of their table.
    """
    found: list[str] = []
    faults: list[tuple[int, str]] = []
    for number, table in enumerate(tables):
        try:
            found.append(str(setting.kind.fromTOML(table, folder)))
        except BadDescription as fault:
            said = str(fault).splitlines() if isinstance(table, dict) else [f"{setting.name} {fault}"]
            faults += [(number, line) for line in said]
    if faults:
        header = re.compile(rf"""\s*\[\[\s*(["']?){re.escape(setting.name)}\1\s*\]\]""")
        lines = [number for number, line in enumerate(text.split("\n"), 1) if header.match(line)]
        # Inline tables in an array have no header lines to tell them apart.
        usual = _lineOf(text, setting.name)
        most = int(LOADING_COMPLAINTS.default)
        wrong += [(lines[number] if len(lines) == len(tables) else usual, said) for number, said in faults[:most]]
        if len(faults) > most:
            wrong.append((text.count("\n") + 1, f"and {len(faults) - most} more of {setting.name}s"))
    return tuple(found)


def _meant(key: str) -> str:
    from difflib import get_close_matches

    names = [setting.name for setting in allSettings()]
    close = get_close_matches(key.replace("_", "-"), names, 1)
    return f"; did you mean {close[0]}?" if close else "; --show-config lists them all"


def _lineOf(text: str, key: str) -> int:
    import tomllib

    lines = text.split("\n")
    statement = re.compile(rf"""\s*(?:\[\s*){{0,2}}(["']?){re.escape(key)}\1\s*[=.\]]""")
    for number, line in enumerate(lines, 1):
        if statement.match(line):
            # A matching line may be inside a multi-line string. At a real statement, the text before it is valid TOML by itself.
            try:
                tomllib.loads("\n".join(lines[: number - 1]))
            except tomllib.TOMLDecodeError:
                continue
            return number
    return 1
