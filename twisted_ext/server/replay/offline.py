"""
Compares two settings without a server: reads their lists, and a history.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from tempfile import TemporaryDirectory
from typing import Final

from twisted_ext.files import openNow
from twisted_ext.resolver.policy.rules.compiler import compileLists
from twisted_ext.resolver.policy.rules.table import PolicyTable
from twisted_ext.server.config.settings import Settings
from twisted_ext.server.features.blocking.copies import copiesOf
from twisted_ext.server.features.blocking.keeper import BlockLists
from twisted_ext.server.features.blocking.lists import fetchedLists, linesOfLists, listsOfAll
from twisted_ext.server.features.queryhistory.recorder.rows import KEY, KEY_OCTETS
from twisted_ext.server.replay.replay import Replayed, replay
from twisted_ext.server.replay.sides import Side

__all__ = ["replayed", "unlooked"]

_NONE: Final[Mapping[str, tuple[str, str]]] = {}

#: Settings whose effect on answers is not looked at, and what that is about.
_OTHERS: Final = {
    "policy-zone": "policy zones",
    "policy-zones": "policy zones",
    "hook": "hooks",
    "local": "local names",
    "local-file": "local names",
    "local-domain": "local names",
    "hosts-file": "local names",
    "zone": "zones",
    "zones": "zones",
    "route": "routes",
    "allow": "access lists",
    "refuse": "access lists",
}


def replayed(
    folder: str,
    old: Settings,
    new: Settings,
    since: float,
    until: float,
    complain: Callable[[str], object],
    *,
    more: Mapping[str, tuple[str, str]] = _NONE,
    seconds: float = 3600.0,
) -> Replayed:
    """
    Decide the queries of a history by two settings.

    @param complain: called with a line about each list that cannot be read.
    @param more: copies of lists in place of those of a server, with their digests, by the words of the lists.
    @param seconds: how long that may take.

    @raise BadDescription: settings cannot be used.
    @raise OSError: the history cannot be read.
    """
    lines: dict[str, None] = {}
    copies = copiesOf(new, lines.setdefault, copiesOf(old, lines.setdefault, more))
    for line in lines:
        complain(line)
    fetched = {each.word for settings in (old, new) for each in fetchedLists(settings)}
    words = [word for word in dict.fromkeys([*listsOfAll(old), *listsOfAll(new)]) if word in copies or word not in fetched]
    with TemporaryDirectory(prefix="txdns-replay-") as made:
        path = f"{made}/table"
        for each in compileLists(path, _tableOf(new), words, copies, {**linesOfLists(old), **linesOfLists(new)}):
            if each.kept:
                complain(f"list {each.title}: {each.said}")
        rules = PolicyTable.map(path)
        return replay(folder, Side(old, rules), Side(new, rules), rules, since, until, key=_keyIn(folder), seconds=seconds)


def _tableOf(settings: Settings) -> str:
    """
    Return the path of the table that a server has made; lists that have not changed since are not read again. C{""} if it has none.
    """
    state = settings.stateFolder()
    return f"{os.path.abspath(state)}/{BlockLists.kept}" if state else ""


def _keyIn(folder: str) -> bytes:
    try:
        with open(f"{folder}/{KEY}", "rb", opener=openNow) as file:
            return file.read(KEY_OCTETS)
    except OSError:
        return b""


def unlooked(old: Settings, new: Settings) -> list[str]:
    """
    Return what of the difference between two settings is not looked at.
    """
    found = [what for name, what in _OTHERS.items() if old.given.get(name) != new.given.get(name)]
    return list(dict.fromkeys(found))
