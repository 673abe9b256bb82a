"""
The robot's settings file: its tables are checked before anything starts, and each fault is reported with its line.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from difflib import get_close_matches
from operator import itemgetter
from typing import TYPE_CHECKING, ClassVar, Final, cast

from twisted_ext.apps.robot.commands import ANYONE, OWNER, Access, commandsOf
from twisted_ext.apps.robot.fronts.networks import NetworkSettings
from twisted_ext.apps.robot.fronts.pages import WebSettings
from twisted_ext.apps.robot.loading import BUILT_IN, foundPlugins
from twisted_ext.apps.robot.people import Mask, folded
from twisted_ext.apps.robot.plugin import ModulePlugin
from twisted_ext.apps.robot.providers import FetchSettings
from twisted_ext.apps.robot.table import Table, option
from twisted_ext.errors import BadDescription
from twisted_ext.server.config import types
from twisted_ext.server.config.setting import Setting
from twisted_ext.server.settings.tomlfile import documentIn, textOf

if TYPE_CHECKING:
    from twisted_ext.apps.robot.interfaces import IRobotPlugin
    from twisted_ext.server.config.types import Value

__all__ = ["RobotSettings", "readRobotSettings", "robotSettingsIn"]

#: Where a table stands in the document: C{("network", 1)} is the second C{[[network]]}.
_Path = tuple["str | int", ...]


def _mask(text: str) -> str:
    try:
        return Mask(text).text
    except ValueError as error:
        raise BadDescription(str(error)) from None


_MASK: Final = types.Text("masks such as libera/account:NAME or libera/NICK!USER@HOST", _mask)


class _AccessTable(Table):
    """
    The table C{[access]}.
    """

    tables: ClassVar = ("roles", "commands", "channels")

    owners: tuple[str, ...] = option(_MASK, (), "Who may do everything")


class RobotSettings(Table):
    """
    The top level of the settings file.

    @ivar access: from C{[access]}.
    @ivar networks: from C{[[network]]}, by name.
    @ivar web: from C{[web]}.
    @ivar http: from C{[http]}.
    @ivar plugins: the tables C{[plugin.NAME]}, as they are in the file; each plugin checks its own.
    @ivar enabled: the names of the plugins to load, in this order.
    @ivar folder: the base of relative paths.
    """

    tables: ClassVar = ("network", "access", "web", "http", "plugin")

    state: str = option(types.PATH, "", "The folder of the robot's database; it is made if it does not exist")
    resolver: str = option(types.DESCRIPTION, "system", "What look-ups are answered from")
    prefix: str = option(types.TEXT, "!", "What a command begins with in a channel; the robot's name and a colon does as well")
    pluginFolders: tuple[str, ...] = option(types.PATH, (), "Folders with modules of plugins; only you may be able to write to them")

    def __init__(
        self,
        values: Mapping[str, Value] | None = None,
        *,
        access: Access | None = None,
        networks: Mapping[str, NetworkSettings] | None = None,
        web: WebSettings | None = None,
        http: FetchSettings | None = None,
        plugins: Mapping[str, Mapping[str, object]] | None = None,
        enabled: Sequence[str] = (),
        folder: str = "",
    ) -> None:
        super().__init__(values)
        self.access = access or Access()
        self.networks = dict(networks or {})
        self.web = web or WebSettings()
        self.http = http or FetchSettings()
        self.plugins = dict(plugins or {})
        self.enabled = tuple(enabled)
        self.folder = folder

    def stateFolder(self, environment: Mapping[str, str] = os.environ) -> str:
        """
        Return the folder for the database; C{""} if neither the file nor systemd names one.
        """
        return self.state or environment.get("STATE_DIRECTORY", "").partition(":")[0]


def readRobotSettings(path: str) -> RobotSettings:
    """
    Read and check a settings file.

    @raise BadDescription: one line for each fault: file, line, key, and what would be valid.
    """
    return robotSettingsIn(textOf(path), path)


def robotSettingsIn(
    text: str, path: str, found: Callable[[Iterable[str]], list[IRobotPlugin]] = foundPlugins
) -> RobotSettings:
    """
    Check the text of a settings file, as L{readRobotSettings} does.

    @param found: returns the plugins that there are, given further folders.
    """
    reading = _Reading(documentIn(text, path), os.path.dirname(os.path.abspath(path)))
    settings = reading.settings(found)
    if reading.wrong:
        lines = _linesIn(text)
        faults = sorted([(_lineOf(lines, place), said) for place, said in reading.wrong], key=itemgetter(0))
        raise BadDescription("\n".join([f"{path}:{line}: {each}" for line, said in faults for each in said.splitlines()]))
    return settings


class _Reading:
    """
    @ivar wrong: the faults with their places.
    """

    def __init__(self, document: Mapping[str, object], folder: str) -> None:
        self._document = document
        self._folder = folder
        self.wrong: list[tuple[_Path, str]] = []

    def settings(self, found: Callable[[Iterable[str]], list[IRobotPlugin]]) -> RobotSettings:
        values = self._checked(RobotSettings, self._document, ())
        networks = self._networks()
        try:
            plugins = found(RobotSettings(values).pluginFolders)
        except BadDescription as fault:
            self._fault(("plugin-folders",), str(fault))
            plugins = found(())
        tables, enabled, words = self._plugins({plugin.name: plugin for plugin in plugins})
        return RobotSettings(
            values,
            access=self._access({*networks, "webhook"}, words),
            networks=networks,
            web=WebSettings(self._checked(WebSettings, self._table("web"), ("web",))),
            http=FetchSettings(self._checked(FetchSettings, self._table("http"), ("http",))),
            plugins=tables,
            enabled=enabled,
            folder=self._folder,
        )

    def _checked(self, kind: type[Table] | Table, table: Mapping[str, object], place: _Path) -> dict[str, Value]:
        values, wrong = kind.check(table, self._folder)
        self.wrong += [((*place, key), f"{_headed(place)}{said}") for key, said in wrong]
        return values

    def _table(self, *place: str) -> Mapping[str, object]:
        """
        Return a table of the document, empty if it is not there or not a table.
        """
        found: object = self._document
        for key in place:
            found = found.get(key, {}) if isinstance(found, dict) else {}
        if isinstance(found, dict):
            return found
        self._fault(place, f"takes a table: [{'.'.join(place)}]")
        return {}

    def _networks(self) -> dict[str, NetworkSettings]:
        given = self._document.get("network", [])
        if not isinstance(given, list) or not all(isinstance(each, dict) for each in given):
            self._fault(("network",), "takes tables, one for each network: [[network]]")
            return {}
        found: dict[str, NetworkSettings] = {}
        for number, table in enumerate(given):
            network = NetworkSettings(self._checked(NetworkSettings, table, ("network", number)))
            if network.name in found:
                self._fault(("network", number, "name"), f"{network.name!r} is the name of two networks")
            elif network.name:
                found[network.name] = network
        return found

    def _plugins(self, known: Mapping[str, IRobotPlugin]) -> tuple[dict[str, Mapping[str, object]], list[str], list[str]]:
        """
        @return: the tables, the plugins to load, and the words of all their commands.
        """
        given = self._table("plugin")
        for name in given.keys() - known.keys():
            self._fault(("plugin", name), f"is not the name of a plugin{_meant(name, known)}")
        tables: dict[str, Mapping[str, object]] = {}
        enabled: list[str] = []
        words: list[str] = []
        for name, plugin in known.items():
            if name not in given and plugin not in BUILT_IN:
                continue
            table = dict(self._table("plugin", name))
            wanted = table.pop("enabled", True)
            if not isinstance(wanted, bool):
                self._fault(("plugin", name, "enabled"), f"takes true or false, not {wanted!r}")
            try:
                actual = plugin.load() if isinstance(plugin, ModulePlugin) else plugin
            except Exception as error:
                self._fault(("plugin", name), f"cannot be imported: {type(error).__name__}: {' '.join(str(error).split())}")
                continue
            tables[name] = table
            words += [command.word for command in commandsOf(actual, name)]
            # One that needs settings and has none is not loaded.
            if wanted and (name in given or not isinstance(actual, Table) or not actual.check({})[1]):
                enabled.append(name)
                if isinstance(actual, Table):
                    self._checked(actual, table, ("plugin", name))
        return tables, enabled, words

    def _access(self, fronts: set[str], words: Sequence[str]) -> Access:
        owners = _AccessTable(self._checked(_AccessTable, self._table("access"), ("access",))).owners
        roles: dict[str, Sequence[str]] = {OWNER: owners}
        for role, masks in self._table("access", "roles").items():
            place = ("access", "roles", role)
            if role in (OWNER, ANYONE):
                self._fault(place, "is a role that exists already")
            roles[role] = self._texts(masks, place, _MASK)
        for role, masks in roles.items():
            for mask in masks:
                front = mask.partition("/")[0]
                if front not in fronts and front != "*":
                    where: _Path = ("access", "owners") if role == OWNER else ("access", "roles", role)
                    self._fault(where, f"{mask!r}: there is no network {front!r}{_meant(front, fronts)}")
        commands: dict[str, str] = {}
        for word, its in self._table("access", "commands").items():
            place = ("access", "commands", word)
            self._word(word, words, place)
            if not isinstance(its, str) or its not in (ANYONE, *roles):
                hint = _meant(its, (ANYONE, *roles)) if isinstance(its, str) else ""
                self._fault(place, f"takes a role, one of {', '.join((ANYONE, *roles))}, not {its!r}{hint}")
            else:
                commands[word] = its
        channels: dict[tuple[str, str], frozenset[str]] = {}
        for channel, allowed in self._table("access", "channels").items():
            place = ("access", "channels", channel)
            front, _, target = channel.partition("/")
            if not target or front not in fronts:
                self._fault(place, 'is not a channel; write "NETWORK/#CHANNEL" with the name of a network')
            taken = self._texts(allowed, place, types.TEXT)
            for word in taken:
                self._word(word, words, place)
            channels[front, folded(target)] = frozenset(taken)
        return Access(roles, commands, channels)

    def _texts(self, given: object, place: _Path, kind: types.Text) -> Sequence[str]:
        try:
            return cast("tuple[str, ...]", Setting("", kind, (), "").fromTOML(given))
        except BadDescription as fault:
            self._fault(place, str(fault))
            return ()

    def _word(self, word: str, words: Sequence[str], place: _Path) -> None:
        if word not in words:
            self._fault(place, f"there is no command {word!r}{_meant(word, words)}")

    def _fault(self, place: _Path, said: str) -> None:
        self.wrong.append((place, f"{_headed(place[:-1])}{place[-1]} {said}"))


def _headed(place: _Path) -> str:
    if not place:
        return ""
    return f"[[{place[0]}]] " if isinstance(place[-1], int) else f"[{'.'.join(map(str, place))}] "


def _meant(word: str, known: Iterable[str]) -> str:
    close = get_close_matches(word, list(known), 1)
    return f"; did you mean {close[0]}?" if close else ""


def _linesIn(text: str) -> dict[_Path, int]:
    """
    Return the number of the line where each table and key of a valid TOML text begins.
    """
    import tomllib

    found: dict[_Path, int] = {}
    headers: Counter[_Path] = Counter()
    table: _Path = ()
    statement: list[str] = []
    for number, line in enumerate(text.replace("\r\n", "\n").split("\n"), 1):
        statement.append(line)
        try:
            parsed = tomllib.loads("\n".join(statement))
        except tomllib.TOMLDecodeError:
            # It goes on: a list or a text of several lines.
            continue
        first = number - len(statement) + 1
        place = tuple(_keysIn(parsed))
        if statement[0].lstrip().startswith("["):
            table = place
            if line.lstrip().startswith("[["):
                table = (*place, headers[place])
                headers[place] += 1
            found.setdefault(table, first)
        else:
            for end in range(1, len(place) + 1):
                found.setdefault((*table, *place[:end]), first)
        statement.clear()
    return found


def _keysIn(parsed: object) -> Iterator[str]:
    while isinstance(parsed, dict) and len(parsed) == 1:
        ((key, parsed),) = parsed.items()
        yield key


def _lineOf(lines: Mapping[_Path, int], place: _Path) -> int:
    for end in range(len(place), 0, -1):
        if place[:end] in lines:
            return lines[place[:end]]
    return 1
