"""
Values of settings that were added or removed while the server ran. They are in a file of the state folder, and in force on top of what the
settings file and the options say::

    [[added]]
    setting = "block"
    value = "ads.example."
    view = "children"

    [[removed]]
    setting = "lists"
    value = "social"
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from typing import Final, Protocol, TypeVar, cast

from twisted.internet.defer import Deferred
from twisted.logger import Logger

from twisted_ext.errors import BadDescription, CallerFault, StorageFault
from twisted_ext.files import STATE_FOLDER, replacingFile
from twisted_ext.server.config.setting import ADDED, DECLARED, AddedValue, Setting
from twisted_ext.server.config.settings import Settings
from twisted_ext.server.config.tables import meant
from twisted_ext.server.config.types import Value
from twisted_ext.server.features.blocking.lists import choiceIn, namedLists, schedulesIn
from twisted_ext.server.features.blocking.settings import BlockingSettings
from twisted_ext.server.features.views.settings import ViewSettings, ViewsSettings, viewsOf
from twisted_ext.server.settings.tomlfile import documentIn, textOf

__all__ = ["AddedSettings", "added", "addedIn", "checkedValue", "removed", "withAdded", "write"]

_T = TypeVar("_T")

_log: Final = Logger(__name__)

#: Values in the file: what people add one by one. All are checked, for each view once more, in one turn of the reactor.
_MOST: Final = 2_000

#: Characters of a value: the text of a long record.
_LONGEST: Final = 2_000

_HEAD: Final = "# Values that were added and removed while the server ran. txdns control setting changes them.\n"

_KEYS: Final = ("setting", "value", "view")


def _settings() -> dict[str, Setting]:
    """
    Return the settings that can be changed like this, by name.
    """
    found = {each.name: each for each in DECLARED.all if each.atRunTime}
    return found | {each.name: each for each in ViewSettings.declared() if each.name == "clients"}


def checkedValue(own: Settings, setting: str, text: str, view: str, *, isRemoved: bool = False) -> AddedValue:
    """
    Check a value.

    @param own: the settings that it is for.

    @raise BadDescription: it cannot be added.
    """
    known = _settings()
    if setting not in known:
        raise BadDescription(f"{setting[:80]!r} is not changed while the server runs{meant(setting[:80], sorted(known))}")
    views = _viewsIn(own)
    if view and view not in views:
        raise BadDescription(f"there is no view {view[:80]}{meant(view[:80], [*views]) if views else '; the settings have none'}")
    if setting == "clients" and not view:
        raise BadDescription("clients are those of a view; give its name")
    if view and setting != "clients" and not known[setting].inView:
        raise BadDescription(f"{setting} is the same in all views; leave the view out")
    if own.role not in known[setting].roles and setting != "clients":
        raise BadDescription(f"{setting} has no effect with {own.role}")
    if len(text) > _LONGEST:
        raise BadDescription(f"a value has at most {_LONGEST} characters, not {len(text)}")
    if text.startswith("file:"):
        raise BadDescription("files are named in the settings file only")
    try:
        value = str(known[setting].kind.fromTOML(text))
    except BadDescription as fault:
        raise BadDescription(f"{setting} {fault}") from None
    found = AddedValue(setting, value, view, isRemoved)
    if wrong := _wrongIn(own, views)(found):
        raise BadDescription(wrong)
    return found


def _viewsIn(own: Settings) -> dict[str, ViewSettings]:
    return {each.name: each for each in map(ViewSettings.fromText, own[ViewsSettings].view)}


def _wrongIn(own: Settings, views: Mapping[str, object]) -> Callable[[AddedValue], str]:
    """
    Return what says why settings have no room for a value, and C{""} if they have: an operator may have changed them since it was added, or
    installed another version.
    """
    lists, schedules, known = namedLists(own[BlockingSettings]), schedulesIn(own[BlockingSettings]), _settings()

    def wrong(value: AddedValue) -> str:
        setting = known.get(value.setting)
        if setting is None:
            return f"{value.setting[:80]!r} is not changed while the server runs{meant(value.setting[:80], sorted(known))}"
        try:
            setting.kind.fromTOML(value.value)
        except BadDescription as fault:
            return f"{value.setting} {fault}"
        if value.view and value.view not in views:
            return f"there is no view {value.view[:80]} in the settings"
        if value.setting != "lists" or value.isRemoved:
            return ""
        name, schedule = choiceIn(value.value)
        if name in lists and (not schedule or schedule in schedules):
            return ""
        return f"there is no list {name[:80]}{f', or no schedule {schedule[:80]}' if schedule else ''} in the settings"

    return wrong


# -- what is in force


def _passOver(value: AddedValue, reason: str) -> None:
    pass


def withAdded(own: Settings, values: Sequence[AddedValue], skip: Callable[[AddedValue, str], object] = _passOver) -> Settings:
    """
    Return settings with the values that were added, and without those that were removed. What the settings have no room for any more has no
    effect.

    @param skip: called with each such value, and the reason.

    @raise BadDescription: the settings themselves cannot be used.
    """
    views = _viewsIn(own)
    wrongIn = _wrongIn(own, views)
    usable: list[AddedValue] = []
    for each in values:
        if reason := wrongIn(each):
            skip(each, reason)
        else:
            usable.append(each)
    if not usable:
        return own
    try:
        return _made(own, views, usable)
    except BadDescription:
        # Rare: each by itself then, so that one does not keep the others from having an effect.
        made = own
        fitting: list[AddedValue] = []
        for each in usable:
            try:
                made = _made(own, views, [*fitting, each])
            except BadDescription as fault:
                skip(each, str(fault))
            else:
                fitting.append(each)
        return made


def _made(own: Settings, views: Mapping[str, ViewSettings], usable: Sequence[AddedValue]) -> Settings:
    given = {**own.given, **_changed([each for each in usable if not each.view], own.given, own.given)}
    tables: list[str] = []
    for view in views.values():
        # What was decided for the view comes last, so that it holds.
        ours = [each for each in usable if not each.view and each.setting in view.values]
        ours += [each for each in usable if each.view == view.name]
        tables.append(ViewSettings({**view.values, **_changed(ours, view.values, given)}).toText())
    if tables:
        given["view"] = tuple(tables)
    made = Settings(given, own=own)
    viewsOf(made)
    return made


def _changed(values: Iterable[AddedValue], given: Mapping[str, Value], common: Mapping[str, Value]) -> dict[str, Value]:
    """
    Return the settings that are changed.

    @param given: those that are changed.
    @param common: those that hold where these say nothing.
    """
    found: dict[str, dict[str, None]] = {}
    for each in values:
        if each.setting not in found:
            former = given[each.setting] if each.setting in given else DECLARED.byName[each.setting].valueIn(common)
            found[each.setting] = dict.fromkeys(cast("tuple[str, ...]", former))
        each.on(found[each.setting])
    return {name: tuple(each) for name, each in found.items()}


def added(values: Iterable[AddedValue], wanted: AddedValue, own: Settings) -> list[AddedValue]:
    """
    Return values that were added, with another one.

    @param own: the settings without any.

    @raise CallerFault: there are too many.
    """
    kept = _without(values, wanted)
    taken = next((each for each in values if each not in kept), None)
    isThere = wanted.value in _valuesIn(withAdded(own, kept), wanted)
    # A view may have it only since all clients do, and keeps it then if that ends; unless it is the view's former removal that ends.
    isBorrowed = wanted.view and not (taken and taken.isRemoved) and wanted.value not in _ownOf(own, wanted)
    if not isThere or isBorrowed:
        kept.append(wanted)
    return _bounded(kept)


def removed(values: Iterable[AddedValue], wanted: AddedValue, own: Settings) -> list[AddedValue]:
    """
    Return values that were added, without one; if it is there all the same, from the settings or for all clients, with the word that it is
    removed. For the parameters see L{added}.
    """
    kept = _without(values, wanted)
    if wanted.value in _valuesIn(withAdded(own, kept), wanted):
        kept.append(AddedValue(wanted.setting, wanted.value, wanted.view, isRemoved=True))
    return _bounded(kept)


def _without(values: Iterable[AddedValue], wanted: AddedValue) -> list[AddedValue]:
    same = (wanted.setting, wanted.value, wanted.view)
    return [each for each in values if (each.setting, each.value, each.view) != same]


def _valuesIn(settings: Settings, wanted: AddedValue) -> Sequence[str]:
    """
    Return the values that settings have of what a value is for.
    """
    usual = () if wanted.setting == "clients" else DECLARED.byName[wanted.setting].valueIn(settings.given)
    found = _viewsIn(settings)[wanted.view].values.get(wanted.setting, usual) if wanted.view else usual
    return cast("Sequence[str]", found)


def _ownOf(settings: Settings, wanted: AddedValue) -> Sequence[str]:
    """
    Return the values that a view has itself.
    """
    return cast("Sequence[str]", _viewsIn(settings)[wanted.view].values.get(wanted.setting, ()))


def _bounded(values: list[AddedValue]) -> list[AddedValue]:
    if len(values) > _MOST:
        raise CallerFault(f"{_MOST:,} values were added while the server ran; write those that stay into the settings file")
    return values


# -- the file


def addedIn(folder: str) -> list[AddedValue]:
    """
    Return the values in the file of a state folder; none if there is no file.

    @raise BadDescription: it is not valid; says where.
    """
    path = os.path.join(folder, ADDED)
    if not os.path.exists(path):
        return []
    document, known = documentIn(textOf(path), path), _settings()
    found: list[AddedValue] = []
    for word in ("added", "removed"):
        tables = document.pop(word, [])
        if not isinstance(tables, list):
            raise BadDescription(f"{path}: {word} is not a list of tables; they are headed [[{word}]]")
        found += [_valueIn(table, word, path, known) for table in tables]
    if document:
        raise BadDescription(f"{path}: {min(document)}: the file has [[added]] and [[removed]] tables and nothing else")
    return found


def _valueIn(table: object, word: str, path: str, settings: Mapping[str, Setting]) -> AddedValue:
    if not isinstance(table, dict) or not all(isinstance(each, str) for each in table.values()) or not table.keys() <= {*_KEYS}:
        raise BadDescription(f"{path}: a table [[{word}]] has the texts {', '.join(_KEYS)} and nothing else")
    setting, value, view = [str(table.get(key, "")) for key in _KEYS]
    if setting in settings:
        # What is not valid any more is kept as it is.
        with suppress(BadDescription):
            value = str(settings[setting].kind.fromTOML(value))
    return AddedValue(setting, value, view, word == "removed")


def write(folder: str, values: Iterable[AddedValue]) -> None:
    """
    Replace the values in the file of a state folder.

    @raise StorageFault: it cannot be written; the former values stay in it.
    """
    tables = [_HEAD]
    for each in values:
        lines = [f"{key} = {_quoted(text)}" for key in _KEYS if (text := getattr(each, key))]
        tables.append("\n".join([f"[[{'removed' if each.isRemoved else 'added'}]]", *lines, ""]))
    path = os.path.join(folder, ADDED)
    try:
        os.makedirs(folder, STATE_FOLDER, exist_ok=True)
        with replacingFile(path, new=0o640) as file:
            file.write("\n".join(tables).encode("utf-8"))
    except OSError as error:
        raise StorageFault(f"{path} cannot be written: {error.strerror or error}") from None


def _quoted(text: str) -> str:
    # The one character that TOML demands to be escaped and JSON does not.
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


class _Server(Protocol):
    """
    What a server that runs has for it, see L{Operations<twisted_ext.server.operations.operations.Operations>}.
    """

    @property
    def inForce(self) -> Settings: ...

    def inTurn(self, change: Callable[[], Deferred[_T]]) -> Deferred[_T]: ...

    def elsewhere(self, work: Callable[[], _T]) -> Deferred[_T]: ...

    def goOver(self, settings: Settings) -> Deferred[list[str]]: ...


class AddedSettings:
    """
    Changes the settings of a server that runs.
    """

    def __init__(self, operations: _Server) -> None:
        self._operations = operations

    def alter(self, wanted: Iterable[AddedValue]) -> Deferred[list[AddedValue]]:
        """
        Add values to settings and remove some, in force at once and for later starts too.

        @param wanted: the changes, with the values as texts that were not checked yet.

        @return: the changes that were made: of values that were there, or were not, there are none. Fails with a L{CallerFault} or a
            L{StorageFault} if they cannot be made or kept; then nothing has changed.
        """
        changes = [*wanted]
        return self._operations.inTurn(lambda: Deferred.fromCoroutine(self._alter(changes)))

    async def _alter(self, wanted: Iterable[AddedValue]) -> list[AddedValue]:
        operations = self._operations
        own, folder = operations.inForce.own, operations.inForce.stateFolder()
        if not folder:
            raise CallerFault("what is changed is kept in the state folder, and this server has none; state in its settings names one")
        former = values = await operations.elsewhere(lambda: addedIn(folder))
        changes: list[AddedValue] = []
        for each in wanted:
            change = checkedValue(own, each.setting, each.value, each.view, isRemoved=each.isRemoved)
            after = (removed if each.isRemoved else added)(values, change, own)
            if after != values:
                changes.append(change)
            values = after
        if not changes:
            return []
        def refuse(value: AddedValue, reason: str) -> None:
            if value in changes:
                raise BadDescription(reason)

        await operations.goOver(withAdded(own, values, refuse))
        try:
            await operations.elsewhere(lambda: write(folder, values))
        except StorageFault:
            await operations.goOver(withAdded(own, former))
            raise
        for change in changes:
            _log.info("{change}", change=str(change))
        return changes
