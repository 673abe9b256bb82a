"""
Random changes of settings, undos, edits of the settings file and restarts, beside a model that keeps decisions in plain dictionaries.
"""

from __future__ import annotations

import json
from pathlib import Path
from random import Random
from typing import Any

import pytest

from tests.server.settings.running import Running
from twisted_ext.errors import BadDescription, CallerFault
from twisted_ext.server.config.addedvalues import AddedValue
from twisted_ext.server.config.settings import Settings
from twisted_ext.server.features.blocking.lists import namedLists, schedulesIn
from twisted_ext.server.features.blocking.settings import BlockingSettings
from twisted_ext.server.features.views.settings import ViewSettings, ViewsSettings, viewsOf
from twisted_ext.server.settings.addedfile import addedIn
from twisted_ext.server.settings.additions import AddedSettings, withAdded

#: What the settings file may have of tables, and what may be added; some names are in both.
_NAMES = {"list": ("ads", "games", "social", "extra"), "schedule": ("night", "school"), "view": ("guests", "kids", "lab")}
_OWN = {"list": ("ads", "games"), "schedule": ("night",), "view": ("guests", "kids")}

#: For all clients, and for views.
_SCOPES = ("", "guests", "kids", "lab")

_VALUES = {
    "block": ("a.example.", "b.example.", "c.example."),
    "lists": ("ads", "games", "social", "extra", "games during night", "social during school", "ads during school"),
}

_TEXTS = {
    "list": ("https://{}.example/1", "https://{}.example/2"),
    "schedule": ("mon", "07:00-08:00"),
    "view": ("192.0.2.1/32", "192.0.2.0/24"),
}

_REPLIES = ("null", "192.0.2.7", "192.0.2.8")


class File:
    """
    The settings file, as dictionaries: tables by kind and name, values by setting and view.
    """

    def __init__(self) -> None:
        self.tables: dict[str, dict[str, str]] = {"list": {"ads": "/ads"}, "schedule": {}, "view": {"guests": "192.0.2.9/32"}}
        self.values: dict[tuple[str, str], list[str]] = {("block", ""): ["a.example."], ("lists", ""): ["ads"]}
        self.replies: dict[str, str] = {}

    def settings(self, folder: str) -> Settings:
        """
        Return the settings that the file says.
        """
        views = []
        for name, client in self.tables["view"].items():
            own = {setting: values for (setting, view), values in self.values.items() if view == name}
            reply = {"block-reply": self.replies[name]} if name in self.replies else {}
            views.append({"name": name, "clients": [client], **own, **reply})
        return Settings.of(
            upstream=["192.0.2.1"],
            state=folder,
            list=[f"{name}={path}" for name, path in self.tables["list"].items()],
            schedule=[f"{name}={times}" for name, times in self.tables["schedule"].items()],
            view=views,
            block=self.values[("block", "")],
            lists=self.values[("lists", "")],
            **({"blockReply": self.replies[""]} if "" in self.replies else {}),
        )

    def edit(self, chance: Random) -> None:
        """
        Change something that leaves the file one that can be used by itself.
        """
        kind = chance.choice(("list", "schedule", "view", "value", "value", "reply"))
        if kind in _OWN:
            name = chance.choice(_OWN[kind])
            tables = self.tables[kind]
            if name not in tables:
                tables[name] = {"list": f"/{name}", "schedule": "21:00-06:30", "view": f"192.0.2.{len(name)}/32"}[kind]
                return
            del tables[name]
            for key, values in [*self.values.items()]:
                if kind == "view" and key[1] == name:
                    del self.values[key]
                elif key[0] == "lists" and kind != "view":
                    self.values[key] = [each for each in values if name not in each.split()]
            if kind == "view":
                self.replies.pop(name, None)
            return
        view = chance.choice(("", *self.tables["view"]))
        if kind == "reply":
            self.replies[view] = chance.choice(_REPLIES)
            return
        setting = chance.choice(("block", "lists"))
        usable = [each for each in _VALUES[setting] if self._has(setting, each)]
        self.values[(setting, view)] = chance.sample(usable, chance.randrange(len(usable) + 1))

    def _has(self, setting: str, text: str) -> bool:
        name, *rest = text.split()
        return setting == "block" or name in self.tables["list"] and (not rest or rest[1] in self.tables["schedule"])


class Model:
    """
    What is decided while the server runs, on top of a file: tables, and values that are there or not, in the order of the decisions.
    """

    def __init__(self, file: File) -> None:
        self.file = file
        self.tables: dict[tuple[str, str], str] = {}
        self.decided: dict[tuple[str, str, str], bool] = {}
        self.replies: dict[str, str] = {}

    def names(self, kind: str) -> dict[str, str]:
        """
        Return the tables in force; those of the file hold.
        """
        ours = {name: text for (each, name), text in self.tables.items() if each == kind and name not in self.file.tables[kind]}
        if kind != "view":
            return {**self.file.tables[kind], **ours}
        # Those for a network come after those for a device, which both are in the order of their names.
        return {**dict(sorted(ours.items(), key=lambda item: (item[1].endswith("/24"), item[0]))), **self.file.tables[kind]}

    def isUsable(self, setting: str, text: str) -> bool:
        name, *rest = text.split()
        return setting == "block" or name in self.names("list") and (not rest or rest[1] in self.names("schedule"))

    def values(self, setting: str, view: str) -> list[str]:
        """
        Return the values in force, in their order.
        """
        own = self.file.values.get((setting, view))
        isApart = view and own is not None
        found = dict.fromkeys(own or () if isApart or not view else self.values(setting, ""))
        for scope in ("", view) if isApart else (view,):
            for (each, text, whose), isThere in self.decided.items():
                if each != setting or whose != scope or isThere and not self.isUsable(setting, text):
                    continue
                if isThere:
                    found[text] = None
                else:
                    found.pop(text, None)
        return [*found]

    def own(self, setting: str, view: str) -> list[str]:
        return self.file.values.get((setting, view), [])

    def reply(self, view: str) -> str:
        file = self.file.replies
        if not view:
            return self.replies.get("", file.get("", "nxdomain"))
        return self.replies.get(view, file.get(view, self.reply("")))

    def decide(self, setting: str, text: str, view: str, isThere: bool) -> None:
        """
        Add a value, or remove it. What is so anyway need not be kept, unless a view that has a value only as all have it gets it itself.
        """
        key = setting, text, view
        if self.decided.get(key) is isThere:
            return
        former = self.decided.pop(key, None)
        now = text in self.values(setting, view)
        if isThere and (not now or view and former is not False and text not in self.own(setting, view)):
            self.decided[key] = True
        if not isThere and now:
            self.decided[key] = False

    def drop(self, kind: str, name: str) -> None:
        """
        Remove a table, and what names it.
        """
        if kind == "view":
            self.decided = {key: isThere for key, isThere in self.decided.items() if key[2] != name}
            self.replies.pop(name, None)
        else:
            uses = [(text, view) for view in ("", *self.names("view")) for text in self._said("lists", view) if name in text.split()]
            for text, view in uses:
                self.decide("lists", text, view, False)
        self.tables.pop((kind, name), None)

    def _said(self, setting: str, view: str) -> list[str]:
        """
        Return the values that a view has itself.
        """
        isApart = not view or (setting, view) in self.file.values
        isTouched = any(each == setting and whose == view for each, _, whose in self.decided)
        return self.values(setting, view) if isApart or isTouched else []

    def take(self, change: AddedValue) -> None:
        """
        Make a change of which it is known that it can be made.
        """
        kind = change.setting
        if kind in _NAMES and change.isRemoved:
            self.drop(kind, change.name)
        elif kind in _NAMES:
            table = json.loads(change.value)
            words = [table.get("url") or "", *table.get("days", ()), *table.get("times", ()), *table.get("clients", ())]
            self.tables[kind, change.name] = " ".join(filter(None, words))
        elif change.isUndo:
            self.decided.pop((kind, change.value, change.view), None)
            if change.before:
                self.decided[kind, change.value, change.view] = change.before == "added"
        elif kind != "block-reply":
            self.decide(kind, change.value, change.view, not change.isRemoved)
        elif change.isRemoved:
            self.replies.pop(change.view, None)
        else:
            self.replies[change.view] = change.value

    def picture(self) -> dict[str, object]:
        """
        Return all that is in force.
        """
        scopes = ("", *self.names("view"))
        return {
            **{kind: self.names(kind) for kind in _NAMES},
            "order": [*self.names("view")],
            **{f"{setting} {view}": sorted(self.values(setting, view)) for setting in _VALUES for view in scopes},
            **{f"reply {view}": self.reply(view) for view in scopes},
        }


def pictureOf(settings: Settings) -> dict[str, object]:
    """
    Return all that settings have in force.
    """
    blocking = settings[BlockingSettings]
    views = [ViewSettings.fromText(text) for text in settings[ViewsSettings].view]
    scopes = [("", blocking), *[(view.name, view.settings[BlockingSettings]) for view in viewsOf(settings)]]
    return {
        "list": {name: each.file or each.url for name, each in namedLists(blocking).items()},
        "schedule": {name: " ".join([*each.days, *each.times]) for name, each in schedulesIn(blocking).items()},
        "view": {each.name: each.clients[0] for each in views},
        "order": [each.name for each in views],
        **{f"{setting} {name}": sorted(getattr(each, setting)) for setting in _VALUES for name, each in scopes},
        **{f"reply {name}": each.blockReply for name, each in scopes},
    }


class Walk:
    """
    A server and its model.
    """

    def __init__(self, folder: Path, seed: int) -> None:
        self.chance = Random(seed)
        self.folder = str(folder)
        self.model = Model(File())
        # The changes that were made since the file was edited, each with the picture before.
        self.done: list[tuple[list[AddedValue], dict[str, object]]] = []
        self.counts = {"made": 0, "nothing": 0, "refused": 0, "undone": 0}
        self.start()

    def start(self) -> None:
        """
        Start the server again: what it knows is what the files say.
        """
        own = self.model.file.settings(self.folder)
        self.running = Running(withAdded(own, addedIn(self.folder)))

    def alter(self, *wanted: AddedValue) -> list[AddedValue] | None:
        found: list[Any] = []
        AddedSettings(self.running).alter(wanted).addBoth(found.append)
        if isinstance(found[0], list):
            self.counts["made" if found[0] else "nothing"] += 1
            return found[0]
        assert isinstance(found[0].value, BadDescription | CallerFault), found[0]
        self.counts["refused"] += 1
        return None

    def step(self, before: dict[str, object]) -> None:
        """
        Change something, or try to.
        """
        chance = self.chance
        match chance.choices(("value", "table", "drop", "reply", "undo", "edit", "restart"), (40, 12, 8, 8, 20, 6, 6))[0]:
            case "value":
                setting, view, isThere = chance.choice(("block", "lists")), chance.choice(_SCOPES), chance.random() < 0.6
                text = chance.choice(_VALUES[setting])
                isAllowed = (not view or view in self.model.names("view")) and (not isThere or self.model.isUsable(setting, text))
                made = self._try(isAllowed, AddedValue(setting, text, view, not isThere))
            case "table":
                kind = chance.choice([*_NAMES])
                name = chance.choice(_NAMES[kind])
                text = chance.choice(_TEXTS[kind]).format(name)
                made = self._try(name not in self.model.file.tables[kind], AddedValue(kind, f"{name}={text}"))
            case "drop":
                kind = chance.choice([*_NAMES])
                name = chance.choice(_NAMES[kind])
                isOurs = (kind, name) in self.model.tables and name not in self.model.file.tables[kind]
                made = self._try(isOurs, AddedValue(kind, name, isRemoved=True))
            case "reply":
                view = chance.choice(_SCOPES)
                isAllowed = not view or view in self.model.names("view")
                made = self._try(isAllowed, AddedValue("block-reply", chance.choice(_REPLIES), view, chance.random() < 0.3))
            case "undo":
                self._undo()
                return
            case "edit":
                self.model.file.edit(chance)
                self.done.clear()
                self.start()
                return
            case _:
                self.start()
                return
        if made:
            self.done.append((made, before))

    def _try(self, isAllowed: bool, wanted: AddedValue) -> list[AddedValue] | None:
        """
        Make a change here and in the model.
        """
        made = self.alter(wanted)
        assert (made is not None) is isAllowed, wanted
        for each in [wanted] if made is not None and wanted.setting not in _NAMES else made or ():
            self.model.take(each)
        return made

    def _undo(self) -> None:
        """
        Take back the latest change: all is as it was before.
        """
        if not self.done:
            return
        self.counts["undone"] += 1
        changes, before = self.done.pop()
        opposites = [each.opposite for each in reversed(changes)]
        assert self.alter(*opposites) is not None
        for each in opposites:
            self.model.take(each)
        assert self.model.picture() == before

    def walk(self, steps: int) -> None:
        """
        Take steps, and compare after each.
        """
        for number in range(steps):
            before = self.model.picture()
            self.step(before)
            assert pictureOf(self.running.inForce) == self.model.picture(), number
            started = withAdded(self.model.file.settings(self.folder), addedIn(self.folder))
            assert pictureOf(started) == self.model.picture(), number


def test_changes(tmp_path: Path) -> None:
    """
    After each of 1,200 changes, undos, edits of the file and restarts the model is in force, and would be after a start.
    """
    walk = Walk(tmp_path, 1)
    walk.walk(1_200)
    assert min(walk.counts.values()) > 50, walk.counts


@pytest.mark.long
@pytest.mark.parametrize("seed", range(2, 12))
def test_manyChanges(tmp_path: Path, seed: int) -> None:
    """
    The same of 20,000 with ten other beginnings.
    """
    Walk(tmp_path, seed).walk(2_000)
