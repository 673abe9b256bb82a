"""
Values of settings that were added and removed while the server ran.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from typing import Final
from urllib.parse import urlsplit

from twisted_ext.server.config import types
from twisted_ext.server.config.setting import DECLARED

__all__ = ["ADDED", "AddedValue"]

#: The file of the state folder with these values.
ADDED: Final = "added.toml"

#: What it means that a setting has another value, or no longer has it.
_SENTENCES: Final = {
    "block": ("blocked {value} for {whose}", "no longer blocks {value} for {whose}"),
    "block-except": ("allowed {value} for {whose}", "no longer allows {value} for {whose}"),
    "lists": ("applied list {value} to {whose}", "no longer applies list {value} to {whose}"),
    "safe-search": ("switched safe search of {value} on for {whose}", "switched safe search of {value} off for {whose}"),
    "local": ("added the local name {value}", "removed the local name {value}"),
    "clients": ("put client {value} into view {view}", "took client {value} out of view {view}"),
}
_USUAL: Final = ("added {value} to {setting} for {whose}", "removed {value} from {setting} for {whose}")
_SINGLE: Final = ("set {setting} to {value} for {whose}", "set {setting} for {whose} back to what the server's file says")


@dataclass(frozen=True, slots=True)
class AddedValue:
    """
    A value that a setting has besides those of the settings file and the options, or that it has no longer; for a setting with one value,
    that which it has in place of theirs.

    @ivar setting: the name of the setting; C{clients} for those of a view.
    @ivar value: as the setting keeps it. Of a table it is all of it, as JSON, or for one that is removed its name.
    @ivar view: the view that it is for; C{""} for all clients.
    @ivar before: the table of the same name, or the value, whose place it takes; of one of several values, what had been decided about it
        before: C{"added"} or C{"removed"}. C{""} for nothing.
    @ivar isUndo: whether it takes a change back: C{before} is what that had found.
    """

    setting: str
    value: str
    view: str = ""
    isRemoved: bool = False
    before: str = field(default="", compare=False)
    isUndo: bool = field(default=False, compare=False)

    def __str__(self) -> str:
        if self._isTable:
            return f"{self.setting} {self.name} was {self._done}"
        has = "no longer has" if self.isRemoved else "has"
        return f"{self.setting} {has} {self.value} for {self._whose}"

    @property
    def _isTable(self) -> bool:
        """
        Whether it has all of a table. A value of another setting may begin like one.
        """
        setting = DECLARED.byName.get(self.setting)
        return setting is not None and isinstance(setting.kind, types.Table) and self.value.startswith("{")

    @property
    def _isSeveral(self) -> bool:
        """
        Whether it is one of several values.
        """
        setting = DECLARED.byName.get(self.setting)
        return not self._isTable and (setting is None or setting.many)

    @property
    def _whose(self) -> str:
        return f"view {self.view}" if self.view else "all clients"

    @property
    def _done(self) -> str:
        return "removed" if self.isRemoved else "changed" if self.before else "added"

    @property
    def name(self) -> str:
        """
        The name of a table, and any other value itself.
        """
        return str(json.loads(self.value)["name"]) if self._isTable else self.value

    @property
    def key(self) -> tuple[str, str, str]:
        """
        What only one value is there for: those with the same take the place of each other.
        """
        return self.setting, self.name if self._isTable or self._isSeveral else "", self.view

    @property
    def opposite(self) -> AddedValue:
        """
        What takes it back.
        """
        if self.before and not self._isSeveral:
            return replace(self, value=self.before, before=self.value, isRemoved=False)
        return replace(self, isRemoved=not self.isRemoved, isUndo=self._isSeveral)

    @property
    def sentence(self) -> str:
        """
        What was done, as a sentence without its subject.
        """
        if self._isTable:
            return f"{self._done} {self.setting} {self.name}{'' if self.isRemoved else self._content}"
        usual = _USUAL if self._isSeveral else _SINGLE
        added, removed = _SENTENCES.get(self.setting, usual)
        return (removed if self.isRemoved else added).format(setting=self.setting, value=self.value, whose=self._whose, view=self.view)

    @property
    def _content(self) -> str:
        """
        What a table has, as the end of a sentence. The rest of a URL may be a secret.
        """
        table = json.loads(self.value)
        if url := table.get("url"):
            return f", from {urlsplit(str(url)).hostname}"
        words = [str(each) for key in ("days", "times", "clients") for each in table.get(key, ())]
        return f": {', '.join(words)}" if words else ""

    def on(self, values: dict[str, None]) -> None:
        """
        Make this change to the values of its setting.
        """
        if self.isRemoved:
            values.pop(self.value, None)
        else:
            values[self.value] = None
