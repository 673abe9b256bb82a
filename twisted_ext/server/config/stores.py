"""
Databases of zones, by their descriptions: C{PREFIX:REST}, or only a path for SQLite.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from functools import lru_cache
from importlib import import_module
from typing import TYPE_CHECKING, Final, cast

from twisted.plugin import IPlugin
from zope.interface import implementer

from twisted_ext.errors import BadDescription
from twisted_ext.interfaces import IStoreParser

if TYPE_CHECKING:
    from twisted_ext.interfaces import IZoneStore

__all__ = ["BUILT_IN", "LazyStore", "describedStore", "foundStores", "storeFrom"]

#: What a description begins with, if it is not a path.
_PREFIX: Final = re.compile(r"([a-z][a-z0-9]+):")


@implementer(IStoreParser, IPlugin)
class LazyStore:
    """
    A kind of databases described by strings only. Its module is imported when the first one is opened.
    """

    def __init__(self, prefix: str, module: str, function: str, summary: str) -> None:
        """
        @param module: the dotted name of the module that contains C{function}.
        @param function: see L{IStoreParser.load}.
        """
        self.prefix = prefix
        self.module = module
        self.function = function
        self.summary = summary

    def load(self) -> Callable[[str], IZoneStore]:
        return cast("Callable[[str], IZoneStore]", getattr(import_module(self.module), self.function))

    def __repr__(self) -> str:
        return f"<LazyStore {self.prefix}: {self.module}.{self.function}>"


BUILT_IN: Final = (
    LazyStore("sqlite", "twisted_ext.server.zones.load.databases.sqlite", "SQLiteStore", "an SQLite database: [sqlite:]path"),
)

#: That of zones that were added while the server runs. Settings do not name it.
_ADDED: Final = LazyStore("added", "twisted_ext.server.zones.load.databases.added", "AddedDatabase", "")


@lru_cache(1)
def foundStores() -> tuple[dict[str, IStoreParser], list[str]]:
    """
    Find all kinds. Plugins are looked for with the first call.

    @return: by prefix, and an error text for each plugin that cannot be used.
    """
    from twisted_ext.resolver.strings.plugins import pluginsFor

    found: dict[str, IStoreParser] = {each.prefix: each for each in BUILT_IN}
    plugins, complaints = pluginsFor(IStoreParser)
    for plugin in plugins:
        prefix = getattr(plugin, "prefix", None)
        if not isinstance(prefix, str) or not _PREFIX.fullmatch(f"{prefix}:"):
            complaints.append(f"{plugin!r} has no prefix; it must be a word of lower-case letters and digits")
        elif prefix in found:
            complaints.append(f"{plugin!r} is not used: the prefix {prefix!r} is taken by {found[prefix]!r}")
        else:
            found[prefix] = cast("IStoreParser", plugin)
    return found, complaints


def describedStore(text: str, folder: str = "") -> str:
    """
    Check a description, without opening the database.

    @param folder: the base of relative paths; C{""} for the working directory.

    @return: the same as long as the working directory changes: the path of an SQLite database is absolute, and has no prefix.

    @raise BadDescription: there is no such kind.
    """
    found = _PREFIX.match(text)
    if found is None or found[1] == "sqlite":
        path = text if found is None else text[found.end() :]
        if not path or "\x00" in path:
            raise BadDescription(f"{text!r} is not the path of a database")
        return os.path.abspath(os.path.join(folder, path))
    if found[1] != _ADDED.prefix and found[1] not in foundStores()[0]:
        known = ", ".join([f"{each}:" for each in foundStores()[0]])
        raise BadDescription(f"there is no kind of databases {found[1]}: there are {known}; write ./{text} for a path")
    return text


def storeFrom(text: str) -> IZoneStore:
    """
    Open a database.

    @raise BadDescription: there is no such kind.
    @raise StorageFault: it cannot be opened.
    """
    text = describedStore(text)
    prefix, _, rest = ("sqlite", "", text) if text.startswith("/") else text.partition(":")
    kind = next((each for each in (*BUILT_IN, _ADDED) if each.prefix == prefix), None) or foundStores()[0][prefix]
    return kind.load()(rest)
