"""
Checks the tables of the settings file, such as C{[[zone]]} and C{[[list]]}, and keeps them as text.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Final

from twisted_ext.errors import BadDescription
from twisted_ext.server.config.setting import Setting, shown

if TYPE_CHECKING:
    from twisted_ext.server.config.types import Value

__all__ = ["checkedTable", "meant", "tableFromText", "tableToTOML", "tableToText"]


#: Characters of a name that errors show.
_SHOWN: Final = 80


def checkedTable(
    table: Mapping[str, object], declared: Sequence[Setting], word: str, example: str, folder: str = ""
) -> dict[str, Value]:
    """
    Check a table, and return its values.

    @param declared: the settings that it may have; C{name} is one, and demanded.
    @param word: what the table is of, such as C{"zone"}.
    @param example: a name for errors.
    @param folder: the base of relative paths; C{""} for the working directory.

    @raise BadDescription: the table is not valid; one line for each fault.
    """
    said = table.get("name")
    if not isinstance(said, str) or not said:
        raise BadDescription(f'a {word} has no name; write name = "{example}"')
    # As in the file, unless a terminal would show it otherwise.
    said = said if said.isprintable() and len(said) <= _SHOWN else repr(said[:_SHOWN])
    byName = {setting.name: setting for setting in declared}
    values: dict[str, Value] = {}
    wrong: list[str] = []
    for key, value in table.items():
        setting = byName.get(key)
        if setting is None:
            wrong.append(f"{word} {said}: {key}: there is no such key{meant(key.replace('_', '-'), list(byName))}")
            continue
        try:
            values[key] = setting.fromTOML(value, folder)
        except BadDescription as fault:
            wrong.append(f"{word} {said}: {key} {fault}")
    if wrong:
        raise BadDescription("\n".join(wrong))
    return values


def meant(given: str, known: Sequence[str]) -> str:
    """
    Return the end of an error about a word that is not known: the one that was probably meant, or all.
    """
    from difflib import get_close_matches

    close = get_close_matches(given, known, 1)
    return f"; did you mean {close[0]}?" if close else f"; there are {', '.join(known)}"


def tableFromText(text: str, word: str) -> Mapping[str, object]:
    """
    Read what L{tableToText} has written.

    @raise BadDescription: it is something else.
    """
    try:
        table = json.loads(text)
    except ValueError:
        table = None
    if not isinstance(table, dict):
        raise BadDescription(f"{text!r} is not a valid {word}")
    return table


def tableToText(values: Mapping[str, Value]) -> str:
    return json.dumps({name: list(value) if isinstance(value, tuple) else value for name, value in values.items()})


def tableToTOML(values: Mapping[str, Value]) -> str:
    return f"{{ {', '.join([f'{name} = {shown(value)}' for name, value in values.items()])} }}"
