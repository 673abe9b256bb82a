"""
What differs between two settings, in words: of lists what comes and goes, of tables each by its name.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple, cast

from twisted_ext.server.config import types
from twisted_ext.server.config.setting import shown
from twisted_ext.server.config.tables import tableFromText

if TYPE_CHECKING:
    from twisted_ext.server.config.setting import Setting
    from twisted_ext.server.config.settings import Settings
    from twisted_ext.server.config.types import Value

__all__ = ["Difference", "differencesOf"]


class Difference(NamedTuple):
    """
    One difference.

    @ivar setting: the name of the setting.
    @ivar said: what differs.
    @ivar isLive: whether a reload applies it; if not, it takes a restart.
    """

    setting: str
    said: str
    isLive: bool

    def __str__(self) -> str:
        return f"{self.said}{'' if self.isLive else '; this takes a restart'}"


def differencesOf(before: Settings, after: Settings) -> list[Difference]:
    """
    Return what differs, in the order of settings. What is as by default is not told apart from what is not given.
    """
    return [
        Difference(setting.name, said, setting.live)
        for setting in before.differing(after)
        for said in _said(setting, before.value(setting), after.value(setting))
    ]


def _said(setting: Setting, former: Value, value: Value) -> list[str]:
    if not isinstance(former, tuple) or not isinstance(value, tuple):
        return [f"{setting.name}: {_shown(setting, former)} is now {_shown(setting, value)}"]
    if isinstance(setting.kind, types.Table):
        return _ofTables(setting, setting.kind, former, value)
    return [f"{setting.name}: {each}" for each in _ofLists(former, value)]


def _shown(setting: Setting, value: Value) -> str:
    """
    Format a value as operators write it: octets with a unit.
    """
    if isinstance(setting.kind, types.Octets) and isinstance(value, int) and value:
        unit = next((unit for unit, power in (("G", 30), ("M", 20), ("K", 10)) if not value % (1 << power)), "")
        if unit:
            return f'"{value >> {"G": 30, "M": 20, "K": 10}[unit]}{unit}"'
    return shown(value)


def _ofLists(former: tuple[str, ...], value: tuple[str, ...]) -> list[str]:
    gone = [each for each in former if each not in value]
    new = [each for each in value if each not in former]
    said = [f"without {shown(each)}" for each in gone] + [f"with {shown(each)}" for each in new]
    return said or [f"in the order {', '.join([shown(each) for each in value])}"]


def _ofTables(setting: Setting, kind: types.Table, former: tuple[str, ...], value: tuple[str, ...]) -> list[str]:
    # What is written alike is not read.
    same = {*former} & {*value}
    ours, theirs = [_named(setting, kind, [each for each in texts if each not in same]) for texts in (former, value)]
    said: list[str] = []
    for name in dict.fromkeys([*ours, *theirs]):
        place = f"{setting.name} {name}"
        if name not in theirs:
            said.append(f"{place}: gone")
        elif name not in ours:
            said.append(f"{place}: new")
        else:
            said += [f"{place}: {each}" for each in _ofKeys(ours[name], theirs[name])]
    return said or [f"{setting.name}: in another order"]


def _named(setting: Setting, kind: types.Table, texts: list[str]) -> dict[str, Mapping[str, Value]]:
    """
    Return the values of tables by their names; of a zone in a view, with the view.
    """
    found: dict[str, Mapping[str, Value]] = {}
    for text in texts:
        whole = kind.load().fromText(text).toText()
        # As zones are kept that have only a file.
        name, _, file = whole.partition("=")
        table = tableFromText(whole, setting.name) if whole.startswith("{") else {"name": name, "file": file}
        values = {key: tuple(value) if isinstance(value, list) else cast("Value", value) for key, value in table.items()}
        view = f" in view {values['view']}" if setting.name == "zone" and values.get("view") else ""
        found[f"{values['name']}{view}"] = values
    return found


def _ofKeys(former: Mapping[str, Value], value: Mapping[str, Value]) -> list[str]:
    said: list[str] = []
    for key in dict.fromkeys([*former, *value]):
        ours, theirs = former.get(key), value.get(key)
        if ours == theirs:
            continue
        if ours is None or theirs is None:
            said.append(f"{key} is not set any more" if theirs is None else f"{key} is {shown(theirs)}")
        elif isinstance(ours, tuple) and isinstance(theirs, tuple):
            said += [f"{key} {each}" for each in _ofLists(ours, theirs)]
        else:
            said.append(f"{key} {shown(ours)} is now {shown(theirs)}")
    return said
