"""
The settings of a list that has a name: a C{[[list]]} table, or C{--list NAME=FILE}.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from twisted_ext.errors import BadDescription
from twisted_ext.server.config import types
from twisted_ext.server.config.setting import Setting
from twisted_ext.server.config.tables import checkedTable, tableFromText, tableToText, tableToTOML

if TYPE_CHECKING:
    from twisted_ext.server.config.types import Value

__all__ = ["LIST_SETTINGS", "ListSettings"]

#: The settings of a C{[[list]]} table.
LIST_SETTINGS: Final = (
    Setting("name", types.LABEL, "", "The list's name"),
    Setting("file", types.LIST, "", "Its file, in the formats of block-list"),
    Setting("allow", types.FLAG, False, "It is a list of exceptions: names in it are not blocked, whichever list has them"),
)


class ListSettings:
    """
    The settings of a list that has a name.

    @ivar name: its name.
    @ivar file: the absolute path of its file.
    @ivar allow: whether it is a list of exceptions.
    """

    __slots__ = ("allow", "file", "name", "_values")

    def __init__(self, values: Mapping[str, Value]) -> None:
        self.name = str(values["name"])
        self.file = str(values["file"])
        self.allow = bool(values.get("allow", False))
        self._values = values

    @classmethod
    def fromTable(cls, table: Mapping[str, object], folder: str = "") -> ListSettings:
        values = checkedTable(table, LIST_SETTINGS, "list", "ads", folder)
        name = str(values["name"])
        if not values.get("file"):
            raise BadDescription(f'list {name} has no file; write file = "{name}.txt"')
        values["file"] = os.path.abspath(str(values["file"]))
        return cls(values)

    @classmethod
    def fromText(cls, text: str, folder: str = "") -> ListSettings:
        """
        Parse C{NAME=FILE}, or the result of L{toText}.
        """
        if text.startswith("{"):
            return cls.fromTable(tableFromText(text, "list"), folder)
        name, equals, path = text.partition("=")
        if not equals or not name or not path:
            raise BadDescription(f"{text!r} is not a valid list: write its name, an equals sign, and its file")
        return cls.fromTable({"name": name, "file": path}, folder)

    def toText(self) -> str:
        return tableToText(self._values) if self.allow else f"{self.name}={self.file}"

    def toTOML(self) -> str:
        return tableToTOML(self._values)

    @property
    def word(self) -> str:
        """
        The list as an argument of the process that reads lists.
        """
        return f"{'except' if self.allow else 'block'}:{self.name}={self.file}"
