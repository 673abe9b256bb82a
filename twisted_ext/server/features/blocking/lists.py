"""
The lists that settings name.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from twisted_ext.errors import BadDescription
from twisted_ext.server.config import types
from twisted_ext.server.config.setting import Setting
from twisted_ext.server.config.tables import checkedTable, meant, tableFromText, tableToText, tableToTOML
from twisted_ext.server.features.blocking.settings import BlockingSettings

if TYPE_CHECKING:
    from twisted_ext.server.config.types import Value
    from twisted_ext.server.settings.settings import Settings

__all__ = ["LIST_SETTINGS", "ListSettings", "listsIn", "namedLists", "unusedLists"]

_FILE: Final = "file:"

#: Names stand in commands, in the log and before line numbers.
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,62}")

#: The settings of a C{[[list]]} table.
LIST_SETTINGS: Final = (
    Setting("name", types.TEXT, "", "The list's name"),
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
        if not _NAME.fullmatch(name):
            raise BadDescription(f"list {name}: a name has letters of ASCII, digits, - and _ only")
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


def namedLists(settings: BlockingSettings) -> dict[str, ListSettings]:
    """
    Return the lists that have names, by these.

    @raise BadDescription: two have the same.
    """
    found: dict[str, ListSettings] = {}
    for text in settings.list:
        each = ListSettings.fromText(text)
        if found.setdefault(each.name, each) is not each:
            raise BadDescription(f"list {each.name} is given twice: {found[each.name].file} and {each.file}")
    return found


def listsIn(settings: Settings) -> list[str]:
    """
    Return the files that settings name, as L{RuleList<twisted_ext.resolver.policy.rules.table.RuleList>} has them. Exceptions to nothing
    are left out.

    @raise BadDescription: there is no list with a name that is to be applied.
    """
    wanted = settings[BlockingSettings]
    named = namedLists(wanted)
    chosen: list[ListSettings] = []
    for name in wanted.lists:
        if name not in named:
            known = meant(name, list(named)) if named else "; give it a file by list, or a table headed [[list]]"
            raise BadDescription(f"lists: there is no list {name}{known}")
        chosen.append(named[name])
    if not wanted.blockList and not wanted.block and all(each.allow for each in chosen):
        return []
    exceptions = [f"except:{os.path.abspath(each.removeprefix(_FILE))}" for each in wanted.blockExcept if each.startswith(_FILE)]
    blocking = [f"block:{os.path.abspath(path)}" for path in wanted.blockList]
    return list(dict.fromkeys([*blocking, *[each.word for each in chosen], *exceptions]))


def unusedLists(settings: Settings) -> list[str]:
    """
    Return the names of lists that are not applied.
    """
    wanted = settings[BlockingSettings]
    return [name for name in namedLists(wanted) if name not in wanted.lists]
