"""
The settings that are changed while the server runs, and how their values are kept.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Final, cast

from twisted_ext.errors import BadDescription
from twisted_ext.server.config import types
from twisted_ext.server.config.setting import DECLARED
from twisted_ext.server.config.tables import TableSettings, meant, tableToText
from twisted_ext.server.features.views.settings import ViewSettings, doorIn

if TYPE_CHECKING:
    from collections.abc import Mapping

    from twisted_ext.server.config.setting import Setting

__all__ = ["changeable", "isTable", "reasonAgainst", "tableIn", "tableKind", "textIn"]

#: Descriptions of servers on the network, and their arguments that read no file and have no secret. Others may do anything that a plugin
#: does.
_NETWORK: Final = frozenset(["udp", "tcp", "tls", "https", "quic", "sdns"])
_ARGUMENTS: Final = frozenset(["port", "name", "address"])


def changeable() -> dict[str, Setting]:
    """
    Return these settings, by name.
    """
    found = {each.name: each for each in DECLARED.all if each.atRunTime}
    return found | {each.name: each for each in ViewSettings.declared() if each.name == "clients"}


def isTable(setting: Setting | None) -> bool:
    """
    Return whether the values of a setting are tables.
    """
    return setting is not None and isinstance(setting.kind, types.Table)


# At each change all that were added are read and checked again: as many as a file may have, and those that follow it.
@lru_cache(2_048)
def textIn(setting: Setting, text: str) -> str:
    """
    Check a value, and return it as it is kept.

    @raise BadDescription: it is not valid.
    """
    found = setting.kind.fromText(text)
    return str(found).lower() if isinstance(found, bool) else str(found)


def reasonAgainst(setting: str, value: str) -> str:
    """
    Return why a valid value is for the settings file only, and C{""} if it is not.
    """
    if setting == "clients":
        return doorIn([value])
    if setting not in ("upstream", "route"):
        return ""
    from twisted_ext.resolver.strings.reader import read

    description = value if setting == "upstream" else value.partition("=")[2]
    plan = read(description)
    if plan.prefix in _NETWORK and plan.named.keys() <= _ARGUMENTS:
        return ""
    return f"{setting} {description[:80]} is for the settings file only; a server's address, or tls://, https:// and quic:// are not"


def tableKind(setting: Setting) -> type[TableSettings]:
    """
    Return the class of the tables of a setting.
    """
    return cast("type[TableSettings]", cast("types.Table", setting.kind).load())


@lru_cache(256)
def tableIn(setting: Setting, text: str) -> str:
    """
    Check a table, and return it as it is kept: as JSON, its keys in the order in which they are declared.

    @raise BadDescription: it is not valid, or has what is for the settings file only.
    """
    kind = tableKind(setting)
    table = kind.fromText(text)
    allowed = ["name", *sorted(kind.atRunTime)]
    for key in table.values:
        if key not in allowed:
            raise BadDescription(f"{setting.name} {table.name}: {key} is for the settings file only{meant(key, allowed)}")
    table.checkAtRunTime()
    return tableToText(_inOrder(table))


def _inOrder(table: TableSettings) -> Mapping[str, types.Value]:
    return {each.name: table.values[each.name] for each in table.declared() if each.name in table.values}
