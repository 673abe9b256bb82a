"""
Values of settings that are added and removed while the server runs. They are in a file of the state folder, see
L{twisted_ext.server.settings.addedfile}, and in force on top of what the settings file and the options say.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from ipaddress import ip_network
from typing import Final, Protocol, TypeVar, cast

from twisted.internet.defer import Deferred
from twisted.logger import Logger

from twisted_ext.errors import BadDescription, CallerFault, StorageFault
from twisted_ext.server.config.addedvalues import AddedValue
from twisted_ext.server.config.clientwords import ClientWords
from twisted_ext.server.config.setting import DECLARED
from twisted_ext.server.config.settings import Settings
from twisted_ext.server.config.tables import meant
from twisted_ext.server.config.types import Value
from twisted_ext.server.features.blocking.lists import choiceIn, namedLists, schedulesIn
from twisted_ext.server.features.blocking.settings import BlockingSettings
from twisted_ext.server.features.views.settings import ViewSettings, ViewsSettings, viewsOf
from twisted_ext.server.settings.addedfile import addedIn, write
from twisted_ext.server.settings.changeable import changeable, isTable, reasonAgainst, tableIn, tableKind, textIn

__all__ = ["AddedSettings", "added", "checkedValue", "removed", "unusedIn", "withAdded", "wouldBe"]

_T = TypeVar("_T")

_log: Final = Logger(__name__)

#: Values in the file: what people add one by one. All are checked, for each view once more, in one turn of the reactor.
_MOST: Final = 2_000

#: Tables of a kind. Each view makes the rest of the settings once more, and each list is a file.
_MOST_TABLES: Final = 64

#: More than the bits of an address.
_ANY: Final = 129

#: Characters of a value: the text of a long record; and of a table, such as a list with a few hundred names.
_LONGEST: Final = 2_000
_LONGEST_TABLE: Final = 10_000


def checkedValue(base: Settings, wanted: AddedValue) -> AddedValue:
    """
    Check a value.

    @param base: the settings that it is for, with the tables that were added.
    @param wanted: the value, as a text that was not checked yet.

    @raise BadDescription: it cannot be added.
    """
    known, name, view, text = changeable(), wanted.setting, wanted.view, wanted.value
    if name not in known:
        raise BadDescription(f"{name[:80]!r} is not changed while the server runs{meant(name[:80], sorted(known))}")
    setting = known[name]
    views = _viewsIn(base)
    if view and view not in views:
        raise BadDescription(f"there is no view {view[:80]}{meant(view[:80], [*views]) if views else '; the settings have none'}")
    if name == "clients" and not view:
        raise BadDescription("clients are those of a view; give its name")
    if view and name != "clients" and not setting.inView:
        raise BadDescription(f"{name} is the same in all views; leave the view out")
    if name != "clients" and base.role not in setting.roles:
        raise BadDescription(f"{name} has no effect with {base.role}")
    if len(text) > (most := _LONGEST_TABLE if isTable(setting) else _LONGEST):
        raise BadDescription(f"a value has at most {most} characters, not {len(text)}")
    if text.startswith("file:"):
        raise BadDescription("files are named in the settings file only")
    if isTable(setting):
        return _checkedTable(base, wanted)
    if setting.many or not wanted.isRemoved:
        try:
            text = textIn(setting, text)
        except BadDescription as fault:
            raise BadDescription(f"{name} {fault}") from None
    found = replace(wanted, value=text)
    if not wanted.isUndo and (wrong := _wrongIn(base, views)(found)):
        raise BadDescription(wrong)
    return found


def _checkedTable(base: Settings, wanted: AddedValue) -> AddedValue:
    """
    Check a table, or find the one that is to be removed by its name.

    @raise BadDescription: it cannot be added or removed.
    """
    setting, fixed = changeable()[wanted.setting], _tablesIn(base.own, wanted.setting)
    if not wanted.isRemoved:
        found = replace(wanted, value=tableIn(setting, wanted.value), view="")
        if found.name in fixed:
            raise BadDescription(f"the settings file has a {setting.name} {found.name}; change it there, or choose another name")
        return found
    try:
        name = wanted.name
    except (ValueError, KeyError, TypeError):
        raise BadDescription(f"{wanted.value[:80]!r} is not the name of a {setting.name}") from None
    if name in fixed:
        raise BadDescription(f"{setting.name} {name} is in the settings file; remove it there")
    tables = _tablesIn(base, setting.name)
    if name not in tables:
        raise BadDescription(f"there is no {setting.name} {name[:80]}{meant(name[:80], [*tables]) if tables else ''}")
    return replace(wanted, value=tableIn(setting, tables[name]), view="")


def _tablesIn(settings: Settings, setting: str) -> dict[str, str]:
    """
    Return the tables of a setting as texts, by their names.
    """
    declared = DECLARED.byName[setting]
    kind = tableKind(declared)
    return {kind.fromText(text).name: text for text in cast("tuple[str, ...]", settings.value(declared))}


def _viewsIn(own: Settings) -> dict[str, ViewSettings]:
    return {each.name: each for each in map(ViewSettings.fromText, own[ViewsSettings].view)}


def _wrongIn(base: Settings, views: Mapping[str, object]) -> Callable[[AddedValue], str]:
    """
    Return what says why settings have no room for a value, and C{""} if they have: an operator may have changed them since it was added, or
    installed another version.
    """
    lists, schedules, known = namedLists(base[BlockingSettings]), schedulesIn(base[BlockingSettings]), changeable()

    def wrong(value: AddedValue) -> str:
        setting = known.get(value.setting)
        if setting is None:
            return f"{value.setting[:80]!r} is not changed while the server runs{meant(value.setting[:80], sorted(known))}"
        try:
            if setting.many or not value.isRemoved:
                textIn(setting, value.value)
        except BadDescription as fault:
            return f"{value.setting} {fault}"
        if value.view and value.view not in views:
            return f"there is no view {value.view[:80]} in the settings"
        if not value.isRemoved and (reason := reasonAgainst(value.setting, value.value)):
            return reason
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


def _withTables(own: Settings, values: Iterable[AddedValue], skip: Callable[[AddedValue, str], object] = _passOver) -> Settings:
    """
    Return settings with the tables among values. Views come before those of the settings file, of which one may be for any client.

    @param skip: called with each that the settings have no room for, and the reason.
    """
    known = changeable()
    fixed: dict[str, dict[str, str]] = {}
    found: dict[str, list[str]] = {}
    for each in values:
        setting = known.get(each.setting)
        if setting is None or not isTable(setting):
            continue
        if each.setting not in fixed:
            fixed[each.setting], found[each.setting] = _tablesIn(own, each.setting), []
        try:
            text = tableIn(setting, each.value)
        except BadDescription as fault:
            skip(each, str(fault))
            continue
        if each.name in fixed[each.setting]:
            skip(each, f"the settings file has a {each.setting} of this name, too")
        else:
            found[each.setting].append(text)
    given = dict(own.given)
    for name, texts in found.items():
        former = cast("tuple[str, ...]", own.given.get(name, ()))
        given[name] = (*texts, *former) if name == "view" else (*former, *texts)
    return Settings(given, own=own) if any(found.values()) else own


def _narrowFirst(views: Iterable[str]) -> list[str]:
    """
    Return views by how many addresses the widest of their clients has, so that one for a device is not hidden by one for its network,
    whichever was added first.
    """

    def key(text: str) -> tuple[int, str]:
        view = ViewSettings.fromText(text)
        prefixes = [ClientWords.fromText(each).prefix for each in view.clients]
        networks = [None if each == "any" else ip_network(each) for each in prefixes]
        return max([_ANY if each is None else each.max_prefixlen - each.prefixlen for each in networks], default=0), view.name

    return sorted(views, key=key)


def withAdded(own: Settings, values: Sequence[AddedValue], skip: Callable[[AddedValue, str], object] = _passOver) -> Settings:
    """
    Return settings with the values that were added, and without those that were removed. What the settings have no room for any more has no
    effect.

    @param skip: called with each such value, and the reason.

    @raise BadDescription: the settings themselves cannot be used.
    """
    base, known = _withTables(own, values, skip), changeable()
    views = _viewsIn(base)
    wrongIn = _wrongIn(base, views)
    usable: list[AddedValue] = []
    for each in values:
        if isTable(known.get(each.setting)):
            continue
        if reason := wrongIn(each):
            skip(each, reason)
        else:
            usable.append(each)
    if not usable and base is own:
        viewsOf(own)
        return own
    try:
        return _made(base, views, usable)
    except BadDescription:
        # Rare: each by itself then, so that one does not keep the others from having an effect.
        made = base
        fitting: list[AddedValue] = []
        for each in usable:
            try:
                made = _made(base, views, [*fitting, each])
            except BadDescription as fault:
                skip(each, str(fault))
            else:
                fitting.append(each)
        return made


def wouldBe(own: Settings, folder: str, wanted: Sequence[AddedValue]) -> Settings:
    """
    Return what would be in force with changes besides those that were made.

    @param own: the settings without any.
    @param folder: the state folder.

    @raise BadDescription: one cannot be made.
    @raise CallerFault: the same, or there are too many.
    """
    values, _ = _decided(addedIn(folder) if folder else (), wanted, own)
    return withAdded(own, values)


def unusedIn(own: Settings) -> list[str]:
    """
    Return what the file of these settings' state folder has without effect, and why, one line each.

    @raise BadDescription: it cannot be read.
    """
    folder = own.stateFolder()
    found: list[str] = []
    if folder:
        withAdded(own, addedIn(folder, found.append), lambda value, reason: found.append(f"{value}: {reason}"))
    return found


def _made(base: Settings, views: Mapping[str, ViewSettings], usable: Sequence[AddedValue]) -> Settings:
    given = {**base.given, **_changed([each for each in usable if not each.view], base.given, base.given)}
    tables: list[str] = []
    for view in views.values():
        # What was decided for the view comes last, so that it holds.
        ours = [each for each in usable if not each.view and each.setting in view.values and DECLARED.byName[each.setting].many]
        ours += [each for each in usable if each.view == view.name]
        tables.append(ViewSettings({**view.values, **_changed(ours, view.values, given)}).toText())
    if tables:
        count = len(tables) - len(base.own[ViewsSettings].view)
        given["view"] = (*_narrowFirst(tables[:count]), *tables[count:])
    made = Settings(given, own=base.own)
    viewsOf(made)
    return made


def _changed(values: Iterable[AddedValue], given: Mapping[str, Value], common: Mapping[str, Value]) -> dict[str, Value]:
    """
    Return the settings that are changed.

    @param given: those that are changed.
    @param common: those that hold where these say nothing.
    """
    several: dict[str, dict[str, None]] = {}
    found: dict[str, Value] = {}
    known = changeable()
    for each in values:
        setting = known[each.setting]
        if not setting.many:
            found[each.setting] = setting.kind.fromText(each.value)
            continue
        if each.setting not in several:
            former = given[each.setting] if each.setting in given else setting.valueIn(common)
            several[each.setting] = dict.fromkeys(cast("tuple[str, ...]", former))
        each.on(several[each.setting])
    return {**found, **{name: tuple(each) for name, each in several.items()}}


def added(values: Sequence[AddedValue], wanted: AddedValue, own: Settings) -> list[AddedValue]:
    """
    Return values that were added, with another one.

    @param own: the settings without any.

    @raise CallerFault: there are too many.
    """
    setting = changeable()[wanted.setting]
    if isTable(setting) or not setting.many:
        return _placed(values, wanted)
    if wanted in values:
        return [*values]
    kept = _without(values, wanted)
    taken = next((each for each in values if each.key == wanted.key), None)
    isThere = wanted.value in _valuesIn(withAdded(own, kept), wanted)
    # A view may have it only since all clients do, and keeps it then if that ends; unless it is the view's former removal that ends.
    isBorrowed = wanted.view and not (taken and taken.isRemoved) and wanted.value not in _ownOf(_withTables(own, kept), wanted)
    if not isThere or isBorrowed:
        kept.append(wanted)
    return _bounded(kept)


def _placed(values: Sequence[AddedValue], wanted: AddedValue) -> list[AddedValue]:
    """
    Return values with one in the place of the former one with the same name.
    """
    if any(each.key == wanted.key for each in values):
        return [wanted if each.key == wanted.key else each for each in values]
    return _bounded([*values, wanted])


def removed(values: Sequence[AddedValue], wanted: AddedValue, own: Settings) -> list[AddedValue]:
    """
    Return values that were added, without one; if it is there all the same, from the settings or for all clients, with the word that it is
    removed. For the parameters see L{added}.
    """
    setting, kept = changeable()[wanted.setting], _without(values, wanted)
    if wanted.setting == "view":
        return [each for each in kept if each.view != wanted.name]
    if isTable(setting) or not setting.many:
        return kept
    if wanted in values:
        return [*values]
    if wanted.value in _valuesIn(withAdded(own, kept), wanted):
        kept.append(AddedValue(wanted.setting, wanted.value, wanted.view, isRemoved=True))
    return _bounded(kept)


def _restored(values: Sequence[AddedValue], wanted: AddedValue, own: Settings) -> list[AddedValue]:
    """
    Return values with what had been decided before the change that one takes back. If the settings file has changed since, so that this
    would not do, decide the opposite. For the parameters see L{added}.
    """
    kept = _without(values, wanted)
    if wanted.before:
        kept.append(replace(wanted, isRemoved=wanted.before == "removed", before="", isUndo=False))
    isThere = wanted.value in _valuesIn(withAdded(own, kept), wanted)
    if not wanted.isRemoved and not isThere:
        return added(values, wanted, own)
    isOwn = wanted.value in (_ownOf(_withTables(own, kept), wanted) if wanted.view else _valuesIn(own, wanted))
    return removed(values, wanted, own) if wanted.isRemoved and isThere and isOwn else _bounded(kept)


def _without(values: Iterable[AddedValue], wanted: AddedValue) -> list[AddedValue]:
    return [each for each in values if each.key != wanted.key]


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
    for name, count in Counter([each.setting for each in values]).items():
        if count > _MOST_TABLES and isTable(changeable().get(name)):
            raise CallerFault(f"{_MOST_TABLES} tables [[{name}]] were added while the server ran; write some into the settings file")
    return values


def _withUses(values: Sequence[AddedValue], wanted: AddedValue, own: Settings) -> list[AddedValue]:
    """
    Return the changes that the removal of a list or a schedule takes, itself the last: it is not applied any more.
    """
    if not wanted.isRemoved or wanted.setting not in ("list", "schedule"):
        return [wanted]
    name = wanted.name
    made = withAdded(own, values)
    scopes = {"": made[BlockingSettings].lists}
    scopes |= {each.name: cast("tuple[str, ...]", each.values.get("lists", ())) for each in _viewsIn(made).values()}
    place = 0 if wanted.setting == "list" else 1
    uses = [(text, view) for view, texts in scopes.items() for text in texts if choiceIn(text)[place] == name]
    return [*[AddedValue("lists", text, view, isRemoved=True) for text, view in uses], wanted]


def _decided(
    values: Sequence[AddedValue], wanted: Iterable[AddedValue], own: Settings
) -> tuple[Sequence[AddedValue], list[AddedValue]]:
    """
    Return values that were added, with changes; and those that are any.

    @param own: the settings without any.

    @raise BadDescription: one cannot be made.
    @raise CallerFault: the same, or there are too many.
    """
    changes: list[AddedValue] = []
    for each in wanted:
        for change in _withUses(values, checkedValue(_withTables(own, values), each), own):
            taken = next((other for other in values if other.key == change.key), None)
            if each.before and not each.isUndo and (taken is None or taken.value != each.before):
                raise CallerFault(f"{change.setting} {change.name} was changed meanwhile; look at it again")
            after = (_restored if change.isUndo else removed if change.isRemoved else added)(values, change, own)
            if after != values:
                # What goes with a view comes back with it.
                gone = reversed(values) if change.isRemoved and change.setting == "view" else ()
                changes += [_replacing(other.opposite, other) for other in gone if other.view == change.name]
                changes.append(_replacing(change, taken))
            values = after
    return values, changes


def _replacing(change: AddedValue, taken: AddedValue | None) -> AddedValue:
    """
    Return a change with what it takes the place of, or removes, where only one value is there.
    """
    setting = changeable()[change.setting]
    if taken is None:
        return replace(change, before="", isUndo=False)
    if setting.many and not isTable(setting):
        return replace(change, before="removed" if taken.isRemoved else "added", isUndo=False)
    return replace(change, value=taken.value, before="") if change.isRemoved else replace(change, before=taken.value)


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

    async def _alter(self, wanted: Sequence[AddedValue]) -> list[AddedValue]:
        operations = self._operations
        own, folder = operations.inForce.own, operations.inForce.stateFolder()
        if not folder:
            raise CallerFault("what is changed is kept in the state folder, and this server has none; state in its settings names one")
        former = await operations.elsewhere(lambda: addedIn(folder))
        values, changes = _decided(former, wanted, own)
        if not changes:
            return []
        # What comes back with something else may have had no effect before.
        isUndo = any(each.isUndo for each in wanted)

        def refuse(value: AddedValue, reason: str) -> None:
            if value in changes and not isUndo:
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
