"""
The file of the state folder with what was added and removed while the server ran: tables as in the settings file, so that they can be
copied there, and values::

    [[list]]
    name = "social"
    url = "https://lists.example/social.txt"

    [[added]]
    setting = "block"
    value = "ads.example."
    view = "children"

    [[removed]]
    setting = "lists"
    value = "social"
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from twisted_ext.errors import BadDescription, StorageFault
from twisted_ext.files import STATE_FOLDER, replacingFile
from twisted_ext.server.config.addedvalues import ADDED, AddedValue
from twisted_ext.server.settings.changeable import changeable, isTable, tableIn, textIn
from twisted_ext.server.settings.tomlfile import documentIn, textOf

if TYPE_CHECKING:
    from twisted_ext.server.config.setting import Setting

__all__ = ["addedIn", "write"]

_HEAD: Final = "# Values that were added and removed while the server ran. txdns control setting changes them.\n"

_KEYS: Final = ("setting", "value", "view")


def addedIn(folder: str, skip: Callable[[str], object] | None = None) -> list[AddedValue]:
    """
    Return the values in the file of a state folder; none if there is no file.

    @param skip: called with what is wrong with an entry that is left out; L{None} to raise that.

    @raise BadDescription: it is not valid; says where.
    """
    path = os.path.join(folder, ADDED)
    if not os.path.exists(path):
        return []
    document, known = documentIn(textOf(path), path), changeable()
    found: list[AddedValue] = []

    def complain(said: str) -> None:
        if skip is None:
            raise BadDescription(f"{path}: {said}")
        skip(said)

    words = [*[name for name, setting in known.items() if isTable(setting)], "added", "removed"]
    for word in words:
        tables = document.pop(word, [])
        if not isinstance(tables, list):
            complain(f"{word} is not a list of tables; they are headed [[{word}]]")
            continue
        for table in tables:
            each = _valueIn(table, word, known) if word in ("added", "removed") else _tableIn(table, known[word])
            found.append(each) if isinstance(each, AddedValue) else complain(each)
    for key in document:
        complain(f"{key}: the file has [[{']], [['.join(words[:-1])}]] and [[{words[-1]}]] tables and nothing else")
    return found


def _valueIn(table: object, word: str, settings: Mapping[str, Setting]) -> AddedValue | str:
    """
    Return a value, or what is wrong.
    """
    if not isinstance(table, dict) or not all(isinstance(each, str) for each in table.values()) or not table.keys() <= {*_KEYS}:
        return f"a table [[{word}]] has the texts {', '.join(_KEYS)} and nothing else"
    name, value, view = [str(table.get(key, "")) for key in _KEYS]
    setting = settings.get(name)
    if isTable(setting):
        return f"a {name} is a table headed [[{name}]]"
    if setting is not None:
        # What is not valid any more is kept as it is.
        with suppress(BadDescription):
            value = textIn(setting, value)
    return AddedValue(name, value, view, word == "removed")


def _tableIn(table: object, setting: Setting) -> AddedValue | str:
    if not isinstance(table, dict) or not isinstance(table.get("name"), str) or not all(map(_isPlain, table.values())):
        return f"a table [[{setting.name}]] has a name, and keys with texts, numbers, true, false or lists of texts"
    text = json.dumps(table)
    with suppress(BadDescription):
        text = tableIn(setting, text)
    return AddedValue(setting.name, text)


def _isPlain(value: object) -> bool:
    return isinstance(value, str | bool | int) or isinstance(value, list) and all(isinstance(each, str) for each in value)


def write(folder: str, values: Iterable[AddedValue]) -> None:
    """
    Replace the values in the file of a state folder.

    @raise StorageFault: it cannot be written; the former values stay in it.
    """
    path, known = os.path.join(folder, ADDED), changeable()
    tables = [_HEAD]
    for each in values:
        if isTable(known.get(each.setting)):
            word, keys = each.setting, json.loads(each.value)
        else:
            word = "removed" if each.isRemoved else "added"
            keys = {key: text for key in _KEYS if (text := getattr(each, key))}
        tables.append("\n".join([f"[[{word}]]", *[f"{key} = {_quoted(value)}" for key, value in keys.items()], ""]))
    try:
        os.makedirs(folder, STATE_FOLDER, exist_ok=True)
        with replacingFile(path, new=0o640) as file:
            file.write("\n".join(tables).encode("utf-8"))
    except OSError as error:
        raise StorageFault(f"{path} cannot be written: {error.strerror or error}") from None


def _quoted(value: object) -> str:
    # The one character that TOML demands to be escaped and JSON does not.
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
