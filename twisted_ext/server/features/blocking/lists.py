"""
The lists that settings name.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from twisted_ext.errors import BadDescription
from twisted_ext.server.config.tables import meant
from twisted_ext.server.features.blocking.listsettings import ListSettings
from twisted_ext.server.features.blocking.schedulesettings import ScheduleSettings
from twisted_ext.server.features.blocking.settings import BlockingSettings
from twisted_ext.server.features.views.settings import viewsOf

if TYPE_CHECKING:
    from twisted_ext.server.config.settings import Settings

__all__ = ["choiceIn", "choicesIn", "fetchedLists", "linesOfLists", "listsIn", "listsOfAll", "namedLists", "schedulesIn", "unusedLists"]

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
            first = found[each.name]
            raise BadDescription(f"list {each.name} is given twice: {_shown(first)} and {_shown(each)}")
    return found


def _shown(list: ListSettings) -> str:
    return list.file or list.url or ", ".join(list.names)[:60]


def schedulesIn(settings: BlockingSettings) -> dict[str, ScheduleSettings]:
    """
    Return the schedules, by their names.

    @raise BadDescription: two have the same.
    """
    found: dict[str, ScheduleSettings] = {}
    for text in settings.schedule:
        each = ScheduleSettings.fromText(text)
        if each.name in found:
            raise BadDescription(f"schedule {each.name} is given twice")
        found[each.name] = each
    return found


def choicesIn(settings: Settings) -> list[tuple[str, ScheduleSettings | None]]:
    """
    Return the lists that settings apply, as L{RuleList<twisted_ext.resolver.policy.rules.table.RuleList>} has them, each with its schedule;
    L{None} for always. Exceptions to nothing are left out.

    @raise BadDescription: there is no list, or no schedule, with a name that is to be applied.
    """
    wanted = settings[BlockingSettings]
    named, schedules = namedLists(wanted), schedulesIn(wanted)
    chosen: list[tuple[ListSettings, ScheduleSettings | None]] = []
    for text in wanted.lists:
        name, when = choiceIn(text)
        if name not in named:
            known = meant(name, list(named)) if named else "; give it a file or a URL by list, or a table headed [[list]]"
            raise BadDescription(f"lists: there is no list {name}{known}")
        if when and when not in schedules:
            known = meant(when, list(schedules)) if schedules else "; give it times by schedule, or a table headed [[schedule]]"
            raise BadDescription(f"lists: there is no schedule {when}{known}")
        chosen.append((named[name], schedules.get(when)))
    if not wanted.blockList and not wanted.block and all(each.allow for each, _ in chosen):
        return []
    always: list[str] = [f"block:{os.path.abspath(path)}" for path in wanted.blockList]
    exceptions = [f"except:{os.path.abspath(each.removeprefix(_FILE))}" for each in wanted.blockExcept if each.startswith(_FILE)]
    found = [*[(word, None) for word in always], *[(each.word, when) for each, when in chosen], *[(word, None) for word in exceptions]]
    return list(dict.fromkeys(found))


def choiceIn(text: str) -> tuple[str, str]:
    """
    Return the name of a list, and that of its schedule, C{""} for always.

    @raise BadDescription: the syntax is wrong.
    """
    words = text.split()
    if len(words) == 1:
        return words[0], ""
    if len(words) != 3 or words[1] != "during":
        raise BadDescription(f"lists: {text!r} is not the name of a list; write ads, or games during homework")
    return words[0], words[2]


def listsIn(settings: Settings) -> list[str]:
    """
    Return the lists of L{choicesIn}, each once.
    """
    return list(dict.fromkeys([word for word, _ in choicesIn(settings)]))


def listsOfAll(settings: Settings) -> list[str]:
    """
    Return what L{listsIn} does of these settings and of their views, each list once.
    """
    return list(dict.fromkeys([list for each in (settings, *[view.settings for view in viewsOf(settings)]) for list in listsIn(each)]))


def fetchedLists(settings: Settings) -> list[ListSettings]:
    """
    Return those of L{listsOfAll} that have a URL.
    """
    words = frozenset(listsOfAll(settings))
    return [each for each in namedLists(settings[BlockingSettings]).values() if each.url and each.word in words]


def linesOfLists(settings: Settings) -> dict[str, Sequence[str]]:
    """
    Return the lines of those of L{listsOfAll} that have them in the settings.
    """
    words = frozenset(listsOfAll(settings))
    return {each.word: each.names for each in namedLists(settings[BlockingSettings]).values() if each.names and each.word in words}


def unusedLists(settings: Settings) -> list[str]:
    """
    Return the names of lists that are not applied, in no view.
    """
    everywhere = [each[BlockingSettings].lists for each in (settings, *[view.settings for view in viewsOf(settings)])]
    applied = {choiceIn(text)[0] for lists in everywhere for text in lists}
    return [name for name in namedLists(settings[BlockingSettings]) if name not in applied]
