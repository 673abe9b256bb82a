"""
Checks the tables of the settings file, such as C{[[zone]]} and C{[[list]]}, and keeps them as text.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, ClassVar, Final, Generic, Protocol, Self, TypeVar, cast

from twisted_ext.errors import BadDescription
from twisted_ext.server.config import types
from twisted_ext.server.config.setting import Setting, shown

if TYPE_CHECKING:
    from twisted_ext.server.config.types import Kind, Value

__all__ = ["Key", "TableSettings", "checkedTable", "key", "meant", "tableFromText", "tableToTOML", "tableToText"]

T = TypeVar("T")

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


class _Valued(Protocol):
    @property
    def values(self) -> Mapping[str, Value]: ...


class Key(Generic[T]):
    """
    The value of one key in the settings of a table.
    """

    def __init__(self, setting: Setting, default: T) -> None:
        self.setting = setting
        self._default = default

    def __set_name__(self, owner: type[object], name: str) -> None:
        self.setting.__set_name__(owner, name)

    def __get__(self, table: _Valued | None, owner: type[object]) -> T:
        found = None if table is None else table.values.get(self.setting.name)
        return self._default if found is None else cast(T, found)


def key(kind: Kind, default: T, help: str) -> T:
    """
    Declare a key of a table as an attribute of the class with its settings. The name of the attribute, with hyphens, is that of the key.
    """
    return cast(T, Key(Setting("", kind, cast("Value", default), help), default))


class TableSettings:
    """
    The settings in one table, which has a name. A subclass declares its keys with L{key}.

    @cvar table: the word that the table is headed by, such as C{"list"}.
    @cvar example: a name for errors.
    @cvar atRunTime: the keys that one may have, besides its name, which is added while the server runs: none has the path of a file, or
        takes trust that only the operator of the machine can give.
    @cvar short: what follows the name and an equals sign where it is written as one text, for errors.
    @ivar name: its name.
    @ivar values: those that were given, checked, by key.
    """

    table: ClassVar[str]
    example: ClassVar[str]
    short: ClassVar[str]
    atRunTime: ClassVar[frozenset[str]] = frozenset()

    __slots__ = ("name", "values")

    def __init__(self, values: Mapping[str, Value]) -> None:
        """
        @raise BadDescription: values contradict each other.
        """
        self.values = values
        self.name = str(values["name"])
        self.check()

    def check(self) -> None:
        """
        @raise BadDescription: values contradict each other.
        """

    def checkAtRunTime(self) -> None:
        """
        @raise BadDescription: a value is for the settings file only.
        """

    @classmethod
    def declared(cls) -> tuple[Setting, ...]:
        """
        Return the keys.
        """
        name = Setting("name", types.LABEL, "", f"The name of the {cls.table}")
        return (name, *[each.setting for each in vars(cls).values() if isinstance(each, Key)])

    @classmethod
    def fromTable(cls, table: Mapping[str, object], folder: str = "") -> Self:
        return cls(checkedTable(table, cls.declared(), cls.table, cls.example, folder))

    @classmethod
    def fromText(cls, text: str, folder: str = "") -> Self:
        """
        Parse the short form, or the result of L{toText}.
        """
        if text.startswith("{"):
            return cls.fromTable(tableFromText(text, cls.table), folder)
        name, equals, rest = text.partition("=")
        if not equals or not name or not rest.strip():
            raise BadDescription(f"{text!r} is not a valid {cls.table}: write its name, an equals sign, and {cls.short}")
        return cls.fromTable({"name": name, **cls.keysIn(rest)}, folder)

    @classmethod
    def keysIn(cls, text: str) -> Mapping[str, object]:
        """
        Return the keys that the short form gives, from what follows the equals sign.
        """
        raise NotImplementedError

    def toText(self) -> str:
        return tableToText(self.values)

    def toTOML(self) -> str:
        return tableToTOML(self.values)
