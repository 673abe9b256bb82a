"""
Settings from a TOML file: checked as a whole, with the line of whatever is wrong.
"""

from __future__ import annotations

import re
from difflib import get_close_matches
from typing import TYPE_CHECKING, Final

from twisted_ext.errors import BadDescription
from twisted_ext.resolver.local import Complaints, FollowedFile
from twisted_ext.server.limits import SETTINGS_OCTETS
from twisted_ext.server.settings import SETTINGS, settingNamed

if TYPE_CHECKING:
    from twisted_ext.server.kinds import Value

__all__ = ["readSettings", "valuesFromTOML"]

#: Line and column as Python's reader of TOML says them.
_PLACE: Final = re.compile(r" \(at (?:line (\d+), column (\d+)|end of document)\)$")


def readSettings(path: str) -> dict[str, Value]:
    """
    @return: what a file says, checked, by the names of settings.

    @raise BadDescription: one line for each thing that is wrong: file, line, key, what is allowed.
    """
    complaints = Complaints()
    data = FollowedFile(path).read(int(SETTINGS_OCTETS.default), complaints)
    if data is None or complaints.count:
        raise BadDescription(f"{path}: {complaints}")
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise BadDescription(f"{path}:{line}: this is no UTF-8") from None
    return valuesFromTOML(text, path)


def valuesFromTOML(text: str, path: str) -> dict[str, Value]:
    """
    @param path: where the text is from, for errors.

    @return: see L{readSettings}.

    @raise BadDescription: see there.
    """
    import tomllib

    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        said = str(error)
        place = _PLACE.search(said)
        line = int(place[1]) if place and place[1] else text.count("\n") + 1
        column = f":{place[2]}" if place and place[2] else ""
        raise BadDescription(f"{path}:{line}{column}: this is no TOML: {_PLACE.sub('', said)}") from None
    values: dict[str, Value] = {}
    wrong: list[tuple[int, str]] = []
    for key, value in document.items():
        setting = settingNamed(key)
        if setting is None:
            wrong.append((_lineOf(text, key), f"{key}: there is no such setting{_meant(key)}"))
            continue
        try:
            values[key] = setting.fromTOML(value)
        except BadDescription as fault:
            wrong.append((_lineOf(text, key), f"{key} {fault}"))
    if wrong:
        raise BadDescription("\n".join([f"{path}:{line}: {said}" for line, said in sorted(wrong)]))
    return values


def _meant(key: str) -> str:
    names = [setting.name for setting in SETTINGS]
    close = get_close_matches(key.replace("_", "-"), names, 1)
    return f"; did you mean {close[0]}?" if close else "; --show-config lists them all"


def _lineOf(text: str, key: str) -> int:
    """
    @return: the line where a key of the first level stands.
    """
    import tomllib

    lines = text.split("\n")
    statement = re.compile(rf"""\s*(?:\[\s*){{0,2}}(["']?){re.escape(key)}\1\s*[=.\]]""")
    for number, line in enumerate(lines, 1):
        if statement.match(line):
            # A line that looks so may be the inside of a longer text. Where a statement begins, all before it is whole.
            try:
                tomllib.loads("\n".join(lines[: number - 1]))
            except tomllib.TOMLDecodeError:
                continue
            return number
    return 1
