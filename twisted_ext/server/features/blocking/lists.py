"""
The lists that settings name.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final

from twisted_ext.errors import BadDescription
from twisted_ext.server.config.tables import meant
from twisted_ext.server.features.blocking.listsettings import ListSettings
from twisted_ext.server.features.blocking.settings import BlockingSettings

if TYPE_CHECKING:
    from twisted_ext.server.settings.settings import Settings

__all__ = ["listsIn", "listsOfAll", "namedLists", "unusedLists"]

_FILE: Final = "file:"


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


def listsOfAll(settings: Settings) -> list[str]:
    """
    Return what L{listsIn} does of these settings and of their views, each list once.
    """
    return list(dict.fromkeys([list for each in (settings, *[view.settings for view in settings.views()]) for list in listsIn(each)]))


def unusedLists(settings: Settings) -> list[str]:
    """
    Return the names of lists that are not applied, in no view.
    """
    applied = {name for each in (settings, *[view.settings for view in settings.views()]) for name in each[BlockingSettings].lists}
    return [name for name in namedLists(settings[BlockingSettings]) if name not in applied]
