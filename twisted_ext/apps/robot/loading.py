"""
Find plugins, and load, unload and reload them in a running robot.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from types import ModuleType
from typing import TYPE_CHECKING, Final, cast

from twisted.internet.defer import DeferredLock
from twisted.logger import Logger
from twisted.plugin import CachedDropin, getCache, getPlugins

from twisted_ext.apps.robot.commands import Command, CommandError, commandsOf, hooksOf
from twisted_ext.apps.robot.interfaces import IRobotPlugin
from twisted_ext.apps.robot.limits import CALL_SECONDS, FINI_SECONDS
from twisted_ext.apps.robot.plugin import ModulePlugin, importAgain
from twisted_ext.apps.robot.stepping import runPlugin, within
from twisted_ext.apps.robot.table import Table
from twisted_ext.errors import BadDescription

if TYPE_CHECKING:
    from twisted_ext.apps.robot.robot import Robot

__all__ = ["BUILT_IN", "Plugins", "foundPlugins", "userFolder"]

_log: Final = Logger(__name__)

_BUILT_IN: Final = "twisted_ext.apps.robot.plugins"

#: The built-in plugins. They are imported when they are loaded.
BUILT_IN: Final = (
    ModulePlugin("help", f"{_BUILT_IN}.help", "commands, plugins, and the rest of a long reply"),
    ModulePlugin("seen", f"{_BUILT_IN}.channel.seen", "when somebody last spoke"),
    ModulePlugin("tell", f"{_BUILT_IN}.channel.tell", "messages for the absent"),
    ModulePlugin("reminders", f"{_BUILT_IN}.channel.reminders", "reminders at a time"),
    ModulePlugin("factoids", f"{_BUILT_IN}.channel.factoids", "what persons have taught the robot"),
    ModulePlugin("quotes", f"{_BUILT_IN}.channel.quotes", "what was said in a channel"),
    ModulePlugin("ignore", f"{_BUILT_IN}.channel.ignore", "persons from whom the robot takes no commands"),
    ModulePlugin("relay", f"{_BUILT_IN}.channel.relay", "channels of several networks joined to one"),
    ModulePlugin("logs", f"{_BUILT_IN}.channel.logs", "logs of channels, searched and published on web pages"),
    ModulePlugin("packages", f"{_BUILT_IN}.web.packages", "new releases in a package index"),
    ModulePlugin("search", f"{_BUILT_IN}.web.search", "a search engine"),
    ModulePlugin("weather", f"{_BUILT_IN}.web.weather", "the weather"),
    ModulePlugin("dns", f"{_BUILT_IN}.lookups.dns", "look-ups, traces and proofs"),
    ModulePlugin("watching", f"{_BUILT_IN}.lookups.watching", "changes of names and zones, and what expires"),
    ModulePlugin("mail", f"{_BUILT_IN}.lookups.mail", "the set-up of a domain's mail"),
)


def foundPlugins(folders: Iterable[str] = ()) -> list[IRobotPlugin]:
    """
    Return the built-in plugins and those that Twisted's plugin system finds. Of two with one name, the first counts. The log names files in
    the folders of robots that have no plugin.

    @param folders: folders to search besides those of C{twisted.plugins} and the user's own.

    @raise BadDescription: a folder does not exist, or others could put plugins there.
    """
    import twisted.plugins

    ours = userFolder()
    own = (*([ours] if os.path.isdir(ours) else []), *folders)
    for folder in own:
        _checkFolder(folder)
        if folder not in twisted.plugins.__path__:
            twisted.plugins.__path__.append(folder)
    found: dict[str, IRobotPlugin] = {plugin.name: cast(IRobotPlugin, plugin) for plugin in BUILT_IN}
    for plugin in getPlugins(IRobotPlugin):
        found.setdefault(plugin.name, plugin)
    for name, dropin in cast("Callable[[ModuleType], Mapping[str, CachedDropin]]", getCache)(twisted.plugins).items():
        if not dropin.plugins and not name.startswith("_"):
            _warnOfEmpty(name, own)
    return list(found.values())


def _warnOfEmpty(name: str, folders: Iterable[str]) -> None:
    for folder in folders:
        file = os.path.join(folder, f"{name}.py")
        if os.path.isfile(file):
            _log.warn("{file} has no plugin: it needs an instance of its class, as in: plugin = MyPlugin()", file=file)


def userFolder(environment: Mapping[str, str] = os.environ) -> str:
    """
    Return the folder for the plugins of all robots of this user.
    """
    return os.path.join(environment.get("XDG_CONFIG_HOME") or os.path.expanduser("~/.config"), "txdns", "robot")


def _checkFolder(folder: str) -> None:
    try:
        status = os.stat(folder)
    except OSError as error:
        raise BadDescription(f"{folder}: {error.strerror or error}") from None
    if not stat.S_ISDIR(status.st_mode):
        raise BadDescription(f"{folder} is not a folder")
    if status.st_mode & 0o022 or status.st_uid not in (0, os.getuid()):
        raise BadDescription(f"{folder}: others can put plugins there, which the robot would run; make it yours: chmod go-w {folder}")


@dataclass(slots=True, eq=False)
class _Loaded:
    """
    @ivar plugin: what was found.
    @ivar actual: what has the commands: the plugin, or what its module has.
    @ivar ending: functions to call when it is unloaded.
    """

    plugin: IRobotPlugin
    actual: object
    commands: list[Command]
    hooks: list[tuple[tuple[type, ...], Callable[..., object]]]
    ending: list[Callable[[], object]]


class Plugins:
    """
    The loaded plugins, by name.
    """

    def __init__(self, robot: Robot, found: Callable[[], Iterable[IRobotPlugin]]) -> None:
        self._robot = robot
        self._found = found
        self._loaded: dict[str, _Loaded] = {}
        self._commands: dict[str, Command] = {}
        self._hooks: dict[type, list[tuple[str, Callable[..., object]]]] = {}
        # One change after the other: a plugin must not be stopped while it starts.
        self._changing = DeferredLock()

    @property
    def loaded(self) -> list[IRobotPlugin]:
        return [each.plugin for each in self._loaded.values()]

    @property
    def commands(self) -> list[Command]:
        return list(self._commands.values())

    def command(self, word: str) -> Command | None:
        return self._commands.get(word)

    def hint(self, word: str) -> str:
        close = get_close_matches(word.lower(), self._commands, 1)
        return f"; did you mean {close[0]}?" if close else "; help lists them"

    def hooks(self, kind: type) -> list[tuple[str, Callable[..., object]]]:
        return self._hooks.get(kind, [])

    def atEnd(self, plugin: str, function: Callable[[], object]) -> None:
        """
        Call a function when a plugin is unloaded; at once if it is not loaded: code of it may still run.
        """
        if plugin in self._loaded:
            self._loaded[plugin].ending.append(function)
        else:
            function()

    async def load(self, name: str) -> None:
        """
        Load a plugin.

        @raise CommandError: there is none of this name, or it cannot be loaded; the robot is as before.
        """
        async with self._changing:
            if name in self._loaded:
                raise CommandError(f"the plugin {name} is loaded already; reload reads its file again")
            plugin = self._named(name)
            await self._begin(plugin, self._actualOf(plugin))

    async def unload(self, name: str) -> None:
        """
        @raise CommandError: it is not loaded.
        """
        async with self._changing:
            await self._end(self._loadedOne(name))

    async def reload(self, name: str) -> None:
        """
        Read a plugin's file again. If that fails, the plugin goes on as it was.

        @raise CommandError: it cannot be loaded.
        """
        async with self._changing:
            old = self._loadedOne(name)
            actual = self._actualOf(old.plugin, again=True)
            plugin = old.plugin if isinstance(old.plugin, ModulePlugin) else cast(IRobotPlugin, actual)
            await self._end(old)
            try:
                await self._begin(plugin, actual)
            except CommandError:
                await self._begin(old.plugin, old.actual)
                raise

    async def follow(self) -> None:
        """
        Load, unload and restart plugins so that those which the settings enable run with their settings. Faults are logged.
        """
        settings = self._robot.settings
        for name in [*self._loaded, *settings.enabled]:
            old = self._loaded.get(name)
            table = settings.plugins.get(name, {})
            changed = old is not None and isinstance(old.actual, Table) and not old.actual.agreesWith(table, settings.folder)
            try:
                if old is not None and (changed or name not in settings.enabled):
                    await self.unload(name)
                if name in settings.enabled and name not in self._loaded:
                    await self.load(name)
            except (CommandError, BadDescription) as error:
                _log.error("{error}", error=error)

    async def unloadAll(self) -> None:
        async with self._changing:
            for found in reversed(list(self._loaded.values())):
                await self._end(found)

    def _loadedOne(self, name: str) -> _Loaded:
        if name not in self._loaded:
            raise CommandError(f"the plugin {name} is not loaded")
        return self._loaded[name]

    def _named(self, name: str) -> IRobotPlugin:
        known = {plugin.name: plugin for plugin in self._found()}
        if name not in known:
            close = get_close_matches(name, known, 1)
            raise CommandError(f"there is no plugin {name!r}" + (f"; did you mean {close[0]}?" if close else ""))
        return known[name]

    def _actualOf(self, plugin: IRobotPlugin, again: bool = False) -> object:
        """
        @raise CommandError: its module cannot be imported.
        """
        try:
            if isinstance(plugin, ModulePlugin):
                return plugin.load(again)
            if not again:
                return plugin
            module = importAgain(type(plugin).__module__)
            for found in vars(module).values():
                if IRobotPlugin.providedBy(found) and found.name == plugin.name:
                    return found
            raise ImportError(f"{module.__file__} does not define it; a plugin of several files takes a ModulePlugin")
        except Exception as error:
            raise CommandError(f"the plugin {plugin.name} cannot be imported: {type(error).__name__}: {error}") from error

    async def _begin(self, plugin: IRobotPlugin, actual: object) -> None:
        commands = commandsOf(actual, plugin.name)
        words = dict(self._commands)
        for command in commands:
            other = words.setdefault(command.word, command)
            if other is not command:
                raise CommandError(f"the plugins {other.plugin} and {plugin.name} both have a command {command.word}")
        found = _Loaded(plugin, actual, commands, hooksOf(actual), [])
        table = self._robot.settings.plugins.get(plugin.name, {})
        try:
            if isinstance(actual, Table):
                actual.readFrom(table, self._robot.settings.folder)
        except BadDescription as fault:
            raise CommandError(f"[plugin.{plugin.name}] {fault}") from None
        self._loaded[plugin.name] = found
        init = getattr(actual, "init", None)
        try:
            if init is not None:
                await within(self._robot.reactor, CALL_SECONDS.default, runPlugin(plugin.name, init, self._robot))
        except Exception as error:
            _log.failure("plugin {plugin}: it cannot start", plugin=plugin.name)
            self._forget(found)
            raise CommandError(f"the plugin {plugin.name} cannot start: {type(error).__name__}: {error}") from error
        self._commands = words
        for kinds, function in found.hooks:
            for kind in kinds:
                self._hooks.setdefault(kind, []).append((plugin.name, function))
        _log.info("plugin {plugin} is loaded", plugin=plugin.name)

    async def _end(self, found: _Loaded) -> None:
        name = found.plugin.name
        fini = getattr(found.actual, "fini", None)
        for command in found.commands:
            self._commands.pop(command.word, None)
        for kind in list(self._hooks):
            self._hooks[kind] = [(plugin, function) for plugin, function in self._hooks[kind] if plugin != name]
        try:
            if fini is not None:
                await within(self._robot.reactor, FINI_SECONDS.default, runPlugin(name, fini, self._robot))
        except Exception:
            _log.failure("plugin {plugin}: while it stopped", plugin=name)
        finally:
            self._forget(found)
        _log.info("plugin {plugin} is unloaded", plugin=name)

    def _forget(self, found: _Loaded) -> None:
        self._loaded.pop(found.plugin.name, None)
        for end in reversed(found.ending):
            try:
                end()
            except Exception:
                _log.failure("plugin {plugin}: while it was unloaded", plugin=found.plugin.name)
